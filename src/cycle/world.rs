//! A simulated cluster for tests: the DaemonSet controller and the kubelets, as far as they replace pods. One tick is
//! one second.

#![allow(clippy::unwrap_used)]

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::snapshot::{Known, Snapshot};

const START: &str = "2026-01-02T12:00:00Z";
/// How many seconds a pod takes to terminate.
const GRACE: i64 = 2;

#[derive(Clone, Debug)]
pub(super) struct SimNode {
    pub(super) name: String,
    pub(super) zone: Option<String>,
    pub(super) ready: bool,
    /// Whether the node has the taint of a node that is down, whatever its condition is.
    pub(super) lags: bool,
    /// Whether the node has a custom taint.
    pub(super) tainted: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Health {
    /// Ready from this time on, in seconds from the start.
    From(i64),
    /// Running and not ready.
    Unready,
    /// In a crash loop, with this number of restarts.
    Crash(i32),
}

#[derive(Clone, Debug)]
pub(super) struct SimPod {
    pub(super) uid: String,
    pub(super) node: String,
    pub(super) revision: String,
    pub(super) made: i64,
    pub(super) health: Health,
    pub(super) deleted: Option<i64>,
    /// Whether it has a finalizer.
    pub(super) kept: bool,
    pub(super) owner: Option<&'static str>,
}

/// One DaemonSet `ns/d` and its nodes.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) nodes: Vec<SimNode>,
    pub(super) pods: Vec<SimPod>,
    pub(super) revision: String,
    pub(super) revisions: Vec<String>,
    /// Whether the controller has created the revision of the current template.
    pub(super) observed: bool,
    pub(super) strategy: &'static str,
    pub(super) min_ready_seconds: i64,
    pub(super) tolerates_all: bool,
    pub(super) uid: Option<&'static str>,
    pub(super) being_deleted: bool,
    /// The health of new pods. The time is relative to their creation.
    pub(super) behavior: Health,
    pub(super) clock: i64,
    pub(super) count: usize,
}

impl Cluster {
    /// A cluster in which each node has an old pod.
    pub(super) fn new(nodes: usize) -> Self {
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

    pub(super) fn join(&mut self, name: &str) {
        self.nodes.push(SimNode { name: name.into(), zone: None, ready: true, lags: false, tainted: false });
    }

    pub(super) fn put(&mut self, node: &str, revision: &str, health: Health) -> &mut SimPod {
        self.count += 1;
        let (uid, made) = (format!("d-{}", self.count), self.clock);
        let (node, revision) = (node.to_owned(), revision.to_owned());
        self.pods.push(SimPod { uid, node, revision, made, health, deleted: None, kept: false, owner: Some("u") });
        self.pods.last_mut().unwrap()
    }

    pub(super) fn node(&mut self, name: &str) -> &mut SimNode {
        self.nodes.iter_mut().find(|node| node.name == name).unwrap()
    }

    pub(super) fn pod_on(&mut self, node: &str) -> &mut SimPod {
        self.pods.iter_mut().find(|pod| pod.node == node && pod.deleted.is_none()).unwrap()
    }

    /// Deletes a pod with its uid as precondition, as the API server does.
    pub(super) fn delete(&mut self, uid: &str) -> bool {
        let clock = self.clock;
        let pod = self.pods.iter_mut().find(|pod| pod.uid == uid);
        let Some(pod) = pod else { return false };
        pod.deleted.get_or_insert(clock);
        true
    }

    pub(super) fn is_eligible(&self, node: &SimNode) -> bool {
        self.tolerates_all || (node.ready && !node.lags && !node.tainted)
    }

    pub(super) fn is_available(&self, pod: &SimPod) -> bool {
        let node = self.nodes.iter().find(|node| node.name == pod.node);
        let is_up = node.is_some_and(|node| node.ready);
        let matured = |from: i64| from + self.min_ready_seconds <= self.clock;
        is_up
            && pod.deleted.is_none()
            && matches!(pod.health, Health::From(from) if from <= self.clock && matured(from))
    }

    /// The eligible nodes without an available pod, counted independently of the run.
    pub(super) fn unavailable(&self) -> Vec<&str> {
        let has_one = |node: &SimNode| self.pods.iter().any(|pod| pod.node == node.name && self.is_available(pod));
        let out = self.nodes.iter().filter(|node| self.is_eligible(node) && !has_one(node));
        out.map(|node| node.name.as_str()).collect()
    }

    /// One second passes: kubelets terminate pods, and the controller creates missing ones.
    pub(super) fn tick(&mut self) {
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

    pub(super) fn change_template(&mut self, revision: &str) {
        self.revision = revision.to_owned();
        if !self.revisions.iter().any(|known| known == revision) {
            self.revisions.push(revision.to_owned());
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.at(self.clock)
    }

    fn at(&self, seconds: i64) -> Timestamp {
        let start: Timestamp = START.parse().unwrap();
        start + SignedDuration::from_secs(seconds)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            daemon_sets: self.uid.map(|uid| from(self.daemon_set(uid))).into_iter().collect(),
            nodes: Known::Known(self.nodes.iter().map(|node| from(self.node_json(node))).collect()),
            has_all_nodes: true,
            pods: Known::Known(self.pods.iter().map(|pod| from(self.pod_json(pod))).collect()),
            revisions: Known::Known(
                self.revisions.iter().enumerate().filter_map(|one| self.revision_json(one)).collect(),
            ),
            events: Known::Known(Vec::new()),
            openshift: Known::Known(None),
            as_of: self.now(),
        }
    }

    fn template(&self, revision: &str) -> Value {
        let tolerations = if self.tolerates_all { json!([{ "operator": "Exists" }]) } else { json!([]) };
        json!({ "metadata": { "labels": { "app": "d" } }, "spec": {
            "containers": [{ "name": "c", "image": revision }], "tolerations": tolerations,
        } })
    }

    fn daemon_set(&self, uid: &str) -> Value {
        let generation = self.revisions.len() + usize::from(!self.observed);
        let deleted = self.being_deleted.then(|| self.now().to_string());
        json!({
            "metadata": { "name": "d", "namespace": "ns", "uid": uid, "generation": generation, "deletionTimestamp": deleted },
            "spec": {
                "selector": { "matchLabels": { "app": "d" } }, "template": self.template(&self.revision),
                "updateStrategy": { "type": self.strategy }, "minReadySeconds": self.min_ready_seconds,
            },
            "status": {
                "observedGeneration": self.revisions.len(), "currentNumberScheduled": 0, "desiredNumberScheduled": 0,
                "numberMisscheduled": 0, "numberReady": 0,
            },
        })
    }

    fn revision_json<T: serde::de::DeserializeOwned>(&self, (index, name): (usize, &String)) -> Option<T> {
        if !self.observed && *name == self.revision {
            return None;
        }
        let mut template = self.template(name);
        template["$patch"] = "replace".into();
        Some(from(json!({
            "metadata": {
                "name": format!("d-{name}"), "namespace": "ns", "labels": { "app": "d", "controller-revision-hash": name },
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "u", "controller": true }],
            },
            "revision": index + 1,
            "data": { "spec": { "template": template } },
        })))
    }

    fn node_json(&self, node: &SimNode) -> Value {
        let mut taints = Vec::new();
        if !node.ready || node.lags {
            taints.push(json!({ "key": "node.kubernetes.io/unreachable", "effect": "NoSchedule" }));
        }
        if node.tainted {
            taints.push(json!({ "key": "own", "effect": "NoSchedule" }));
        }
        let status = if node.ready { "True" } else { "Unknown" };
        let zone = node.zone.as_ref().map(|zone| json!({ "topology.kubernetes.io/zone": zone }));
        json!({
            "metadata": { "name": node.name, "labels": zone.unwrap_or(json!({})) },
            "spec": { "taints": taints },
            "status": { "conditions": [{ "type": "Ready", "status": status, "reason": "NodeStatusUnknown" }] },
        })
    }

    fn ready_since(&self, pod: &SimPod) -> Option<i64> {
        let node_is_up = self.nodes.iter().any(|node| node.name == pod.node && node.ready);
        match pod.health {
            Health::From(from) if from <= self.clock && node_is_up => Some(from),
            _ => None,
        }
    }

    /// The resourceVersion of the pod. It changes with the status.
    pub(super) fn version(&self, pod: &SimPod) -> String {
        format!("{:?} {:?} {:?}", pod.health, self.ready_since(pod), pod.deleted)
    }

    fn pod_json(&self, pod: &SimPod) -> Value {
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
        json!({
            "metadata": {
                "name": pod.uid, "namespace": "ns", "uid": pod.uid,
                "resourceVersion": self.version(pod), "creationTimestamp": self.at(pod.made).to_string(),
                "labels": { "app": "d", "controller-revision-hash": pod.revision },
                "deletionTimestamp": pod.deleted.map(|at| self.at(at + GRACE).to_string()),
                "ownerReferences": owner.unwrap_or(json!([])),
            },
            "spec": { "nodeName": pod.node },
            "status": {
                "phase": "Running", "conditions": [condition],
                "containerStatuses": [{ "name": "c", "ready": ready_since.is_some(), "restartCount": restarts, "state": state }],
            },
        })
    }

    pub(super) fn observation<T>(&self, at: impl FnOnce(&Observation<'_>) -> T) -> Option<T> {
        Observation::at(&self.snapshot(), at)
    }

    /// What a run decides from new lists of this cluster.
    pub(super) fn next(&self, run: &mut Run) -> (Action, Vec<NodeEvent>) {
        self.next_by(ObservationSource::Listed, run)
    }

    /// What a run decides if this cluster is the state according to watch events.
    pub(super) fn next_by_changes(&self, run: &mut Run) -> (Action, Vec<NodeEvent>) {
        self.next_by(ObservationSource::Watched, run)
    }

    fn next_by(&self, sight: ObservationSource, run: &mut Run) -> (Action, Vec<NodeEvent>) {
        match self.observation(|observation| run.next(Some(observation), sight)) {
            Some(next) => next,
            None => run.next(None, sight),
        }
    }
}

pub(super) fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// One node at a time, by name, and no allowed failures.
pub(super) fn default_policy() -> Policy {
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
        removal: RemovalMethod::Delete,
    }
}

/// Makes a plan and a run for it.
pub(super) fn begin(cluster: &Cluster, policy: &Policy) -> Run {
    cluster
        .observation(|observation| Run::new(&plan(observation, policy).unwrap(), observation, policy.clone()))
        .unwrap()
}

/// Carries out the decisions of a run for at most `seconds`, as long as it removes pods or waits. Returns the last
/// step.
pub(super) fn drive(cluster: &mut Cluster, run: &mut Run, seconds: i64) -> Action {
    for _ in 0..seconds {
        loop {
            let (step, _) = cluster.next(run);
            match step {
                Action::Replace { node, pod, .. } => {
                    run.begin(&node, &pod, cluster.now());
                    cluster.delete(&pod.uid);
                }
                Action::Wait { .. } => break,
                end => return end,
            }
        }
        cluster.tick();
    }
    cluster.next(run).0
}
