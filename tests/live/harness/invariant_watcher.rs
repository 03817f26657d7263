//! Watches a DaemonSet's pods and the nodes from outside, and judges every pod that is taken away.

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

use crate::client::failed;
use crate::plane::Plane;

/// Between its look and its removal the program cannot know what goes down: a node that went down by itself within
/// this time is not held against it.
const UNKNOWABLE: Duration = Duration::from_secs(2);

/// A running watcher; it ends when it is dropped.
pub(crate) struct Watcher {
    seen: Arc<Mutex<Seen>>,
    _stop: oneshot::Sender<()>,
}

/// What it knows.
#[derive(Default)]
struct Seen {
    nodes: BTreeMap<String, bool>,
    pods: BTreeMap<String, Facts>,
    rules: Rules,
    /// Since when a node is without an available pod.
    out: BTreeMap<String, Instant>,
    /// Nodes whose pod the program took, until they have a new one.
    taken: BTreeSet<String>,
    /// Pods that somebody else deletes.
    foreign: BTreeSet<String>,
    removed: Vec<(String, String)>,
    most_out: usize,
    violations: Vec<String>,
    synced: BTreeSet<&'static str>,
}

/// What is allowed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// How many nodes may be out.
    pub(crate) budget: usize,
    /// The uid of the DaemonSet.
    pub(crate) owner: String,
    /// Pods with this revision are not to be touched; none where any may be.
    pub(crate) current: Option<String>,
}

#[derive(Clone, Debug)]
struct Facts {
    name: String,
    node: String,
    owner: Option<String>,
    revision: Option<String>,
    is_available: bool,
    /// Since when it is available, or is not.
    since: Instant,
    is_going: bool,
}

impl Facts {
    fn of(pod: &Pod) -> Self {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        let is_ready = conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"));
        let is_going = pod.metadata.deletion_timestamp.is_some();
        Self {
            name: pod.name_any(),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
            owner: pod
                .owner_references()
                .iter()
                .find(|owner| owner.controller == Some(true))
                .map(|owner| owner.uid.clone()),
            revision: pod.labels().get("controller-revision-hash").cloned(),
            is_available: is_ready && !is_going,
            since: Instant::now(),
            is_going,
        }
    }
}

impl Watcher {
    /// Watches a namespace, and the nodes with the label `scene=NAMESPACE`, and waits until it sees.
    pub(crate) async fn start(plane: &Plane, namespace: &str, rules: Rules) -> Result<Self, Failed> {
        let config = Kubeconfig::read_from(plane.kubeconfig()).map_err(failed)?;
        let seen = Arc::new(Mutex::new(Seen { rules, ..Seen::default() }));
        let (stop, stopped) = oneshot::channel();
        let (shared, namespace) = (Arc::clone(&seen), namespace.to_owned());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let Ok(config) = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await else { return };
                let Ok(client) = Client::try_from(config) else { return };
                let labels = format!("scene={namespace}");
                tokio::select! {
                    () = follow(Api::<Pod>::namespaced(client.clone(), &namespace), "pods", None, &shared, Seen::pod) => {}
                    () = follow(Api::<Node>::all(client), "nodes", Some(labels), &shared, Seen::node) => {}
                    _ = stopped => {}
                }
            });
        });
        let watcher = Self { seen, _stop: stop };
        crate::client::wait_until("the watcher sees", async || {
            if watcher.seen().synced.len() == 2 { Ok(()) } else { Err("not yet".into()) }
        })
        .await?;
        Ok(watcher)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Other rules hold from now on.
    pub(crate) fn rule(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.seen().rules);
    }

    /// Somebody else is about to delete this pod.
    pub(crate) fn expect(&self, uid: &str) {
        self.seen().foreign.insert(uid.to_owned());
    }

    /// What was not allowed.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.seen().violations.clone()
    }

    /// The nodes whose pods were taken, in their order.
    pub(crate) fn removed(&self) -> Vec<String> {
        self.seen().removed.iter().map(|(node, _)| node.clone()).collect()
    }

    /// The most nodes that were out at one moment.
    pub(crate) fn most_out(&self) -> usize {
        self.seen().most_out
    }
}

/// Keeps up with a kind, also when the API server goes away.
async fn follow<K>(
    api: Api<K>,
    kind: &'static str,
    labels: Option<String>,
    seen: &Mutex<Seen>,
    apply: fn(&mut Seen, &K, bool),
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let lock = || seen.lock().unwrap_or_else(PoisonError::into_inner);
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
            let mut seen = lock();
            known.iter().filter(|(uid, _)| !now.contains_key(*uid)).for_each(|(_, gone)| apply(&mut seen, gone, true));
            now.values().for_each(|item| apply(&mut seen, item, false));
            seen.synced.insert(kind);
            seen.count();
        }
        known = now;
        let parameters = WatchParams { label_selector: labels.clone(), ..WatchParams::default() };
        let Ok(changes) = api.watch(&parameters, &version).await else { continue };
        let mut changes = changes.boxed();
        while let Ok(Some(change)) = changes.try_next().await {
            let (item, is_gone) = match change {
                WatchEvent::Added(item) | WatchEvent::Modified(item) => (item, false),
                WatchEvent::Deleted(item) => (item, true),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(_) => break,
            };
            let uid = item.uid().unwrap_or_default();
            if is_gone {
                known.remove(&uid);
            } else {
                known.insert(uid, item.clone());
            }
            let mut seen = lock();
            apply(&mut seen, &item, is_gone);
            seen.count();
        }
    }
}

impl Seen {
    /// A node wants a pod while no taint keeps it away: the DaemonSets of these tests tolerate none.
    fn node(&mut self, node: &Node, is_gone: bool) {
        let name = node.name_any();
        if is_gone {
            self.nodes.remove(&name);
            return;
        }
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
        let keeps_away = |effect: &str| matches!(effect, "NoSchedule" | "NoExecute");
        let auto = ["node.kubernetes.io/unschedulable", "node.kubernetes.io/disk-pressure"];
        let is_wanted = !taints.iter().any(|taint| keeps_away(&taint.effect) && !auto.contains(&taint.key.as_str()));
        self.nodes.insert(name, is_wanted);
    }

    fn pod(&mut self, pod: &Pod, is_gone: bool) {
        let uid = pod.uid().unwrap_or_default();
        let mut facts = Facts::of(pod);
        let before = self.pods.get(&uid).cloned();
        if let Some(before) = before.as_ref().filter(|before| before.is_available == facts.is_available) {
            facts.since = before.since;
        }
        let is_taken = (facts.is_going || is_gone) && before.as_ref().is_some_and(|before| !before.is_going);
        if is_taken && !self.foreign.contains(&uid) && self.nodes.contains_key(&facts.node) {
            self.judge(&uid, &before.unwrap_or(facts.clone()));
        }
        if is_gone {
            self.pods.remove(&uid);
        } else {
            self.pods.insert(uid, facts);
        }
    }

    /// The program has taken this pod, which was as told.
    fn judge(&mut self, uid: &str, pod: &Facts) {
        let beside =
            self.pods.values().filter(|other| other.node == pod.node && other.name != pod.name && !other.is_going);
        let told = format!("{} on {} beside {} more", pod.name, pod.node, beside.count());
        if pod.owner.as_deref() != Some(&self.rules.owner) {
            self.violations.push(format!("a pod of another owner: {told}"));
        }
        if self.rules.current.is_some() && pod.revision == self.rules.current {
            self.violations.push(format!("a pod that is up to date: {told}"));
        }
        if self.removed.iter().any(|(_, removed)| removed == uid) {
            self.violations.push(format!("twice: {told}"));
        }
        let is_wanted = self.nodes.get(&pod.node) == Some(&true);
        if pod.is_available && is_wanted {
            let counts = |name: &&String, since: &Instant| self.taken.contains(*name) || since.elapsed() > UNKNOWABLE;
            let out = self.out.iter().filter(|(name, since)| **name != pod.node && counts(name, since)).count();
            if out + 1 > self.rules.budget {
                let nodes: Vec<&String> = self.out.keys().collect();
                self.violations.push(format!(
                    "{} out with {told}, which was available for {:?}, budget {}: {nodes:?}",
                    out + 1,
                    pod.since.elapsed(),
                    self.rules.budget
                ));
            }
        }
        self.taken.insert(pod.node.clone());
        self.removed.push((pod.node.clone(), uid.to_owned()));
    }

    fn count(&mut self) {
        let has_one = |name: &String| self.pods.values().any(|pod| pod.node == *name && pod.is_available);
        let out: BTreeSet<String> = self
            .nodes
            .iter()
            .filter(|(name, wanted)| **wanted && !has_one(name))
            .map(|(name, _)| name.clone())
            .collect();
        self.out.retain(|name, _| out.contains(name));
        for name in &out {
            self.out.entry(name.clone()).or_insert_with(Instant::now);
        }
        self.taken.retain(|name| out.contains(name) || self.nodes.get(name) == Some(&false));
        if self.synced.len() == 2 {
            self.most_out = self.most_out.max(self.out.len());
        }
    }
}
