//! A simulated cluster for tests: the DaemonSet controller and the kubelets, as far as they replace pods. One tick is
//! one second.

#![allow(clippy::unwrap_used)]

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use serde_json::{Value, json};

use crate::cycle::{
    Action, CORDONED_FOR, NodeEvent, Observation, ObservationSource, Order, Policy, Removal, RemovalMethod, Run, Steps,
    cordon_mark, plan,
};
use crate::snapshot::{Known, Node, PodSummary, Snapshot};
use crate::testing::objects;

/// How many seconds a pod takes to terminate.
const GRACE: i64 = 2;

#[derive(Clone, Debug)]
pub(crate) struct SimNode {
    pub(crate) name: String,
    pub(crate) zone: Option<String>,
    pub(crate) ready: bool,
    /// Whether the node has the taint of a node that is down, whatever its condition is.
    pub(crate) lags: bool,
    /// Whether the node has a custom taint.
    pub(crate) tainted: bool,
    /// Whether the node is cordoned, and has the label of a cordon for the DaemonSet.
    pub(crate) cordoned: bool,
    /// The lifecycle condition of the node, if it has one.
    pub(crate) lifecycle: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Health {
    /// Ready from this time on, in seconds from the start.
    From(i64),
    /// Running and not ready.
    Unready,
    /// In a crash loop, with this number of restarts.
    Crash(i32),
}

#[derive(Clone, Debug)]
pub(crate) struct SimPod {
    pub(crate) uid: String,
    pub(crate) node: String,
    pub(crate) revision: String,
    pub(crate) created: i64,
    pub(crate) health: Health,
    pub(crate) deleted: Option<i64>,
    /// Whether it has a finalizer.
    pub(crate) kept: bool,
    pub(crate) owner: Option<&'static str>,
}

/// One DaemonSet `ns/d` and its nodes.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<SimNode>,
    pub(crate) pods: Vec<SimPod>,
    pub(crate) revision: String,
    pub(crate) revisions: Vec<String>,
    /// Whether the controller has created the revision of the current template.
    pub(crate) observed: bool,
    pub(crate) strategy: &'static str,
    pub(crate) min_ready_seconds: i64,
    pub(crate) tolerates_all: bool,
    pub(crate) uid: Option<&'static str>,
    pub(crate) being_deleted: bool,
    /// The health of new pods. The time is relative to their creation.
    pub(crate) behavior: Health,
    pub(crate) clock: i64,
    pub(crate) count: usize,
}

impl Cluster {
    /// A cluster in which each node has an old pod.
    pub(crate) fn new(nodes: usize) -> Self {
        let mut cluster = Self {
            nodes: Vec::new(),
            pods: Vec::new(),
            revision: "new".into(),
            revisions: vec!["old".into(), "new".into()],
            observed: true,
            strategy: "OnDelete",
            min_ready_seconds: 0,
            tolerates_all: false,
            uid: Some("u"),
            being_deleted: false,
            behavior: Health::From(5),
            clock: 0,
            count: 0,
        };
        for index in 1..=nodes {
            cluster.join(&format!("n{index}"));
            cluster.put(&format!("n{index}"), "old", Health::From(-1000));
        }
        cluster
    }

    pub(crate) fn join(&mut self, name: &str) {
        self.nodes.push(SimNode {
            name: name.into(),
            zone: None,
            ready: true,
            lags: false,
            tainted: false,
            cordoned: false,
            lifecycle: None,
        });
    }

    pub(crate) fn put(&mut self, node: &str, revision: &str, health: Health) -> &mut SimPod {
        self.count += 1;
        let (uid, created) = (format!("d-{}", self.count), self.clock);
        let (node, revision) = (node.to_owned(), revision.to_owned());
        self.pods.push(SimPod { uid, node, revision, created, health, deleted: None, kept: false, owner: Some("u") });
        self.pods.last_mut().unwrap()
    }

    pub(crate) fn node(&mut self, name: &str) -> &mut SimNode {
        self.nodes.iter_mut().find(|node| node.name == name).unwrap()
    }

    pub(crate) fn pod_on(&mut self, node: &str) -> &mut SimPod {
        self.pods.iter_mut().find(|pod| pod.node == node && pod.deleted.is_none()).unwrap()
    }

    /// Deletes a pod with its uid as precondition, as the API server does.
    pub(crate) fn delete(&mut self, uid: &str) -> bool {
        let clock = self.clock;
        let pod = self.pods.iter_mut().find(|pod| pod.uid == uid);
        let Some(pod) = pod else { return false };
        pod.deleted.get_or_insert(clock);
        true
    }

    pub(crate) fn is_eligible(&self, node: &SimNode) -> bool {
        self.tolerates_all || (node.ready && !node.lags && !node.tainted)
    }

    pub(crate) fn is_available(&self, pod: &SimPod) -> bool {
        let node = self.nodes.iter().find(|node| node.name == pod.node);
        let is_up = node.is_some_and(|node| node.ready);
        let matured = |from: i64| from + self.min_ready_seconds <= self.clock;
        is_up
            && pod.deleted.is_none()
            && matches!(pod.health, Health::From(from) if from <= self.clock && matured(from))
    }

    /// Carries out removals: all requests arrive.
    pub(crate) fn remove(&mut self, run: &mut Run, removals: &[Removal]) {
        for Removal { node, pod, .. } in removals {
            run.begin(node, pod, self.now());
            self.delete(&pod.uid);
        }
    }

    /// The eligible nodes without an available pod, counted independently of the run.
    pub(crate) fn unavailable(&self) -> Vec<&str> {
        let has_one = |node: &SimNode| self.pods.iter().any(|pod| pod.node == node.name && self.is_available(pod));
        let out = self.nodes.iter().filter(|node| self.is_eligible(node) && !has_one(node));
        out.map(|node| node.name.as_str()).collect()
    }

    /// One second passes: kubelets terminate pods, and the controller creates missing ones.
    pub(crate) fn tick(&mut self) {
        self.clock += 1;
        let clock = self.clock;
        let nodes = self.nodes.clone();
        let node_of = |pod: &SimPod| nodes.iter().find(|node| node.name == pod.node);
        self.pods.retain(|pod| match (node_of(pod), pod.deleted) {
            (None, _) => false,
            (Some(node), Some(since)) => pod.kept || !node.ready || clock < since + GRACE,
            (Some(_), None) => true,
        });
        if self.uid.is_none() || self.being_deleted || !self.observed {
            return;
        }
        for node in &nodes {
            let has_pod = self.pods.iter().any(|pod| pod.node == node.name && pod.owner == Some("u"));
            if self.is_eligible(node) && !has_pod {
                let (revision, behavior) = (self.revision.clone(), self.behavior.clone());
                let health = match behavior {
                    Health::From(wait) => Health::From(clock + wait),
                    other => other,
                };
                self.put(&node.name, &revision, health);
            }
        }
    }

    pub(crate) fn change_template(&mut self, revision: &str) {
        self.revision = revision.to_owned();
        if !self.revisions.iter().any(|known| known == revision) {
            self.revisions.push(revision.to_owned());
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.at(self.clock)
    }

    fn at(&self, seconds: i64) -> Timestamp {
        objects::now() + SignedDuration::from_secs(seconds)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            daemon_sets: self.uid.map(|uid| self.daemon_set(uid)).into_iter().collect(),
            nodes: Known::Known(self.nodes.iter().map(|node| self.node_object(node)).collect()),
            pods: Known::Known(self.pods.iter().map(|pod| self.pod_object(pod)).collect()),
            revisions: Known::Known(self.revision_objects()),
            as_of: self.now(),
            ..objects::empty_snapshot()
        }
    }

    fn template(&self, revision: &str) -> Value {
        let tolerations = if self.tolerates_all { json!([{ "operator": "Exists" }]) } else { json!([]) };
        json!({ "metadata": { "labels": { "app": "d" } }, "spec": {
            "containers": [{ "name": "c", "image": revision }], "tolerations": tolerations,
        } })
    }

    fn daemon_set(&self, uid: &str) -> DaemonSet {
        let generation = self.revisions.len() + usize::from(!self.observed);
        let deleted = self.being_deleted.then(|| self.now().to_string());
        objects::daemon_set(
            "ns",
            "d",
            json!({
                "metadata": { "uid": uid, "generation": generation, "deletionTimestamp": deleted },
                "spec": {
                    "template": self.template(&self.revision), "updateStrategy": { "type": self.strategy },
                    "minReadySeconds": self.min_ready_seconds,
                },
                "status": { "observedGeneration": self.revisions.len() },
            }),
        )
    }

    fn revision_objects(&self) -> Vec<ControllerRevision> {
        let owner = self.daemon_set("u");
        let is_created = |name: &String| self.observed || *name != self.revision;
        let revision = |(number, name): (i64, &String)| {
            let fields = json!({ "metadata": { "labels": { "app": "d", "controller-revision-hash": name } } });
            objects::controller_revision(&owner, number, self.template(name), fields)
        };
        (1..).zip(&self.revisions).filter(|(_, name)| is_created(name)).map(revision).collect()
    }

    fn node_object(&self, node: &SimNode) -> Node {
        let mut taints = Vec::new();
        if !node.ready || node.lags {
            taints.push(json!({ "key": "node.kubernetes.io/unreachable", "effect": "NoSchedule" }));
        }
        if node.tainted {
            taints.push(json!({ "key": "own", "effect": "NoSchedule" }));
        }
        let status = if node.ready { "True" } else { "Unknown" };
        let mut labels = json!({});
        if let Some(zone) = &node.zone {
            labels["topology.kubernetes.io/zone"] = json!(zone);
        }
        if node.cordoned {
            labels[CORDONED_FOR] = json!(cordon_mark("ns", "d"));
        }
        let ready = json!({ "type": "Ready", "status": status, "reason": "NodeStatusUnknown" });
        let lifecycle = node.lifecycle.map(|type_| json!({ "type": type_, "status": "True" }));
        let conditions: Vec<Value> = [ready].into_iter().chain(lifecycle).collect();
        objects::node(
            &node.name,
            json!({
                "metadata": { "labels": labels },
                "spec": { "taints": taints },
                "status": { "conditions": conditions },
            }),
        )
    }

    fn ready_since(&self, pod: &SimPod) -> Option<i64> {
        let node_is_up = self.nodes.iter().any(|node| node.name == pod.node && node.ready);
        match pod.health {
            Health::From(from) if from <= self.clock && node_is_up => Some(from),
            _ => None,
        }
    }

    /// The resourceVersion of the pod. It changes with the status.
    pub(crate) fn version(&self, pod: &SimPod) -> String {
        format!("{:?} {:?} {:?}", pod.health, self.ready_since(pod), pod.deleted)
    }

    fn pod_object(&self, pod: &SimPod) -> PodSummary {
        let ready_since = self.ready_since(pod);
        let state = match pod.health {
            Health::From(from) if from > self.clock => json!({ "waiting": { "reason": "ContainerCreating" } }),
            Health::Crash(_) => json!({ "waiting": { "reason": "CrashLoopBackOff" } }),
            _ => json!({ "running": {} }),
        };
        let restarts = if let Health::Crash(restarts) = pod.health { restarts } else { 0 };
        let condition = json!({
            "type": "Ready", "status": if ready_since.is_some() { "True" } else { "False" },
            "lastTransitionTime": self.at(ready_since.unwrap_or(self.clock)).to_string(),
        });
        let owner = pod.owner.map(|uid| json!([{ "kind": "DaemonSet", "name": "d", "uid": uid, "controller": true }]));
        objects::pod(
            "ns",
            &pod.uid,
            json!({
                "metadata": {
                    "uid": pod.uid, "resourceVersion": self.version(pod),
                    "creationTimestamp": self.at(pod.created).to_string(),
                    "labels": { "app": "d", "controller-revision-hash": pod.revision },
                    "deletionTimestamp": pod.deleted.map(|at| self.at(at + GRACE).to_string()),
                    "ownerReferences": owner.unwrap_or(json!([])),
                },
                "spec": { "nodeName": pod.node },
                "status": {
                    "phase": "Running", "conditions": [condition],
                    "containerStatuses": [{
                        "name": "c", "ready": ready_since.is_some(), "restartCount": restarts, "state": state,
                    }],
                },
            }),
        )
    }

    pub(crate) fn observation<T>(&self, at: impl FnOnce(&Observation<'_>) -> T) -> Option<T> {
        Observation::at(&self.snapshot(), &[], at)
    }

    /// What a run decides from new lists of this cluster.
    pub(crate) fn next(&self, run: &mut Run) -> (Action, Vec<NodeEvent>) {
        self.next_by(ObservationSource::Listed, run)
    }

    /// What a run decides if this cluster is the state according to watch events.
    pub(crate) fn next_by_changes(&self, run: &mut Run) -> (Action, Vec<NodeEvent>) {
        self.next_by(ObservationSource::Watched, run)
    }

    fn next_by(&self, sight: ObservationSource, run: &mut Run) -> (Action, Vec<NodeEvent>) {
        match self.observation(|observation| run.next(Some(observation), sight)) {
            Some(next) => next,
            None => run.next(None, sight),
        }
    }
}

/// One node at a time, by name, and no allowed failures.
pub(crate) fn default_policy() -> Policy {
    Policy {
        all: false,
        only: None,
        order: Order::Name,
        canary: None,
        soak: None,
        max_unavailable: "1".parse().unwrap(),
        min_ready: SignedDuration::ZERO,
        node_timeout: SignedDuration::from_mins(10),
        max_failures: 0,
        include_not_ready: false,
        include_maintenance: false,
        removal: RemovalMethod::Delete,
        steps: Steps::default(),
        requires: false,
    }
}

/// Makes a plan and a run for it.
pub(crate) fn begin(cluster: &Cluster, policy: &Policy) -> Run {
    cluster
        .observation(|observation| Run::new(&plan(observation, policy).unwrap(), observation, policy.clone()))
        .unwrap()
}

/// Carries out the decisions of a run for at most `seconds`, as long as it removes pods or waits. Returns the last
/// step.
pub(crate) fn drive(cluster: &mut Cluster, run: &mut Run, seconds: i64) -> Action {
    for _ in 0..seconds {
        loop {
            let (step, _) = cluster.next(run);
            match step {
                Action::Replace(removals) => cluster.remove(run, &removals),
                Action::Wait { .. } => break,
                end => return end,
            }
        }
        cluster.tick();
    }
    cluster.next(run).0
}
