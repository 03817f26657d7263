//! Watches a DaemonSet's pods and nodes from outside the program, and checks every pod that is removed against the
//! rules that `cycle` must keep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource, ResourceExt};
use libtest_mimic::Failed;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::harness::client::failed;
use crate::harness::control_plane::ControlPlane;

/// The program cannot know what becomes unavailable between its last observation and its deletion: a node that became
/// unavailable by itself within this time is not a violation.
const RACE_WINDOW: Duration = Duration::from_secs(2);

/// A running watcher; it ends when it is dropped.
pub(crate) struct InvariantWatcher {
    state: Arc<Mutex<State>>,
    _stop: oneshot::Sender<()>,
}

/// What the watches have reported so far.
#[derive(Default)]
struct State {
    nodes: BTreeMap<String, Eligibility>,
    /// By uid.
    pods: BTreeMap<String, PodState>,
    rules: Rules,
    /// Eligible nodes without an available pod, and since when.
    unavailable: BTreeMap<String, Instant>,
    /// Nodes whose pod the program removed, until they have a new one that is available.
    in_progress: BTreeSet<String>,
    /// Uids of pods that the test itself deletes.
    expected_deletions: BTreeSet<String>,
    removed: Vec<Removal>,
    max_unavailable: usize,
    violations: Vec<String>,
    synced: BTreeSet<&'static str>,
}

/// What `cycle` may do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// How many nodes may be unavailable.
    pub(crate) budget: usize,
    /// The uid of the DaemonSet.
    pub(crate) owner: String,
    /// Pods of this revision must not be removed; `None` if any pod may be.
    pub(crate) current: Option<String>,
}

/// Whether a node is eligible.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Eligibility {
    Eligible,
    NotEligible,
}

/// A pod that was removed, and not by the test.
#[derive(Clone)]
struct Removal {
    node: String,
    uid: String,
    name: String,
    /// How many other pods the node had.
    others: usize,
}

#[derive(Clone, Debug)]
struct PodState {
    name: String,
    node: String,
    owner: Option<String>,
    revision: Option<String>,
    is_available: bool,
    /// Since when `is_available` has this value.
    since: Instant,
    is_terminating: bool,
}

impl From<&Pod> for PodState {
    fn from(pod: &Pod) -> Self {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        let is_ready = conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"));
        let is_terminating = pod.metadata.deletion_timestamp.is_some();
        Self {
            name: pod.name_any(),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
            owner: pod
                .owner_references()
                .iter()
                .find(|owner| owner.controller == Some(true))
                .map(|owner| owner.uid.clone()),
            revision: pod.labels().get("controller-revision-hash").cloned(),
            is_available: is_ready && !is_terminating,
            since: Instant::now(),
            is_terminating,
        }
    }
}

impl InvariantWatcher {
    /// Watches the pods of a namespace and the nodes with the label `scenario=NAMESPACE`; waits for the first lists.
    pub(crate) async fn start(plane: &ControlPlane, namespace: &str, rules: Rules) -> Result<Self, Failed> {
        let config = Kubeconfig::read_from(plane.kubeconfig()).map_err(failed)?;
        let state = Arc::new(Mutex::new(State { rules, ..State::default() }));
        let (stop, stopped) = oneshot::channel();
        let (shared, namespace) = (Arc::clone(&state), namespace.to_owned());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
                let Ok(config) = config else { return };
                let Ok(client) = Client::try_from(config) else { return };
                let labels = format!("scenario={namespace}");
                let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
                let nodes = Api::<Node>::all(client);
                tokio::select! {
                    () = watch(pods, "pods", None, &shared, State::apply_pod) => {}
                    () = watch(nodes, "nodes", Some(labels), &shared, State::apply_node) => {}
                    _ = stopped => {}
                }
            });
        });
        let watcher = Self { state, _stop: stop };
        crate::harness::client::wait_until("the watcher has listed pods and nodes", async || {
            if watcher.state().synced.len() == 2 { Ok(()) } else { Err("not yet".into()) }
        })
        .await?;
        Ok(watcher)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the rules from now on.
    pub(crate) fn change_rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.state().rules);
    }

    /// Announces that the test deletes this pod itself.
    pub(crate) fn expect_deletion(&self, uid: &str) {
        self.state().expected_deletions.insert(uid.to_owned());
    }

    /// The removals that broke a rule.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// The nodes whose pods were removed, in order.
    pub(crate) fn removed(&self) -> Vec<String> {
        self.state().removed.iter().map(|removal| removal.node.clone()).collect()
    }

    /// The names of the removed pods.
    pub(crate) fn pods_removed(&self) -> Vec<String> {
        self.state().removed.iter().map(|removal| removal.name.clone()).collect()
    }

    /// The names of the removed pods that had no other pod beside them on their node.
    pub(crate) fn only_pods_removed(&self) -> Vec<String> {
        let state = self.state();
        state.removed.iter().filter(|removal| removal.others == 0).map(|removal| removal.name.clone()).collect()
    }

    /// The largest number of nodes that were unavailable at the same time.
    pub(crate) fn max_unavailable(&self) -> usize {
        self.state().max_unavailable
    }
}

/// Whether an object exists after an event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Exists,
    Deleted,
}

/// Lists and watches a kind, also through outages of the API server.
async fn watch<K>(
    api: Api<K>,
    kind: &'static str,
    labels: Option<String>,
    state: &Mutex<State>,
    apply: fn(&mut State, &K, Presence),
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let mut known: BTreeMap<String, K> = BTreeMap::new();
    loop {
        let parameters = ListParams { label_selector: labels.clone(), ..ListParams::default() };
        let Ok(list) = api.list(&parameters).await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let version = list.metadata.resource_version.clone().unwrap_or_default();
        let now: BTreeMap<String, K> =
            list.items.into_iter().map(|item| (item.uid().unwrap_or_default(), item)).collect();
        {
            let mut state = lock();
            let deleted = known.iter().filter(|(uid, _)| !now.contains_key(*uid));
            deleted.for_each(|(_, item)| apply(&mut state, item, Presence::Deleted));
            now.values().for_each(|item| apply(&mut state, item, Presence::Exists));
            state.synced.insert(kind);
            state.count_unavailable();
        }
        known = now;
        let parameters = WatchParams { label_selector: labels.clone(), ..WatchParams::default() };
        let Ok(changes) = api.watch(&parameters, &version).await else { continue };
        let mut changes = changes.boxed();
        while let Ok(Some(change)) = changes.try_next().await {
            let (item, presence) = match change {
                WatchEvent::Added(item) | WatchEvent::Modified(item) => (item, Presence::Exists),
                WatchEvent::Deleted(item) => (item, Presence::Deleted),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(_) => break,
            };
            let uid = item.uid().unwrap_or_default();
            if presence == Presence::Deleted {
                known.remove(&uid);
            } else {
                known.insert(uid, item.clone());
            }
            let mut state = lock();
            apply(&mut state, &item, presence);
            state.count_unavailable();
        }
    }
}

impl State {
    /// A node is eligible unless a taint excludes it: the DaemonSets of these tests have no tolerations of their own.
    fn apply_node(&mut self, node: &Node, presence: Presence) {
        let name = node.name_any();
        if presence == Presence::Deleted {
            self.nodes.remove(&name);
            return;
        }
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
        let excludes = |effect: &str| matches!(effect, "NoSchedule" | "NoExecute");
        let tolerated = ["node.kubernetes.io/unschedulable", "node.kubernetes.io/disk-pressure"];
        let is_excluded =
            taints.iter().any(|taint| excludes(&taint.effect) && !tolerated.contains(&taint.key.as_str()));
        self.nodes.insert(name, if is_excluded { Eligibility::NotEligible } else { Eligibility::Eligible });
    }

    fn apply_pod(&mut self, pod: &Pod, presence: Presence) {
        let uid = pod.uid().unwrap_or_default();
        let mut after = PodState::from(pod);
        let before = self.pods.get(&uid).cloned();
        if let Some(before) = before.as_ref().filter(|before| before.is_available == after.is_available) {
            after.since = before.since;
        }
        let is_deleted = presence == Presence::Deleted;
        let is_removed =
            (after.is_terminating || is_deleted) && before.as_ref().is_some_and(|before| !before.is_terminating);
        if is_removed && !self.expected_deletions.contains(&uid) && self.nodes.contains_key(&after.node) {
            self.check_removal(&uid, &before.unwrap_or(after.clone()));
        }
        if is_deleted {
            self.pods.remove(&uid);
        } else {
            self.pods.insert(uid, after);
        }
    }

    /// Checks the removal of a pod, given its state before.
    fn check_removal(&mut self, uid: &str, pod: &PodState) {
        let others = self
            .pods
            .values()
            .filter(|other| other.node == pod.node && other.name != pod.name && !other.is_terminating)
            .count();
        let removal = format!("{} on {} (other pods there: {others})", pod.name, pod.node);
        if pod.owner.as_deref() != Some(&self.rules.owner) {
            self.violations.push(format!("pod of another owner: {removal}"));
        }
        if self.rules.current.is_some() && pod.revision == self.rules.current {
            self.violations.push(format!("up-to-date pod: {removal}"));
        }
        if self.removed.iter().any(|removed| removed.uid == uid) {
            self.violations.push(format!("removed twice: {removal}"));
        }
        let is_eligible = self.nodes.get(&pod.node) == Some(&Eligibility::Eligible);
        if pod.is_available && is_eligible {
            let counts =
                |name: &String, since: &Instant| self.in_progress.contains(name) || since.elapsed() > RACE_WINDOW;
            let down = self.unavailable.iter().filter(|(name, since)| **name != pod.node && counts(name, since));
            let unavailable = down.count() + 1;
            if unavailable > self.rules.budget {
                let nodes: Vec<&String> = self.unavailable.keys().collect();
                self.violations.push(format!(
                    "{unavailable} unavailable with {removal}, which was available for {:?}; budget {}: {nodes:?}",
                    pod.since.elapsed(),
                    self.rules.budget
                ));
            }
        }
        self.in_progress.insert(pod.node.clone());
        let (node, name) = (pod.node.clone(), pod.name.clone());
        self.removed.push(Removal { node, uid: uid.to_owned(), name, others });
    }

    fn count_unavailable(&mut self) {
        let has_available_pod = |name: &String| self.pods.values().any(|pod| pod.node == *name && pod.is_available);
        let unavailable: BTreeSet<String> = self
            .nodes
            .iter()
            .filter(|(name, node)| **node == Eligibility::Eligible && !has_available_pod(name))
            .map(|(name, _)| name.clone())
            .collect();
        self.unavailable.retain(|name, _| unavailable.contains(name));
        for name in &unavailable {
            self.unavailable.entry(name.clone()).or_insert_with(Instant::now);
        }
        let is_excluded = |name: &String| self.nodes.get(name) == Some(&Eligibility::NotEligible);
        self.in_progress.retain(|name| unavailable.contains(name) || is_excluded(name));
        if self.synced.len() == 2 {
            self.max_unavailable = self.max_unavailable.max(self.unavailable.len());
        }
    }
}
