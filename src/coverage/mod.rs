//! Which nodes run the daemon pod, which should and don't, which shouldn't and do: a fold over nodes.

mod counts;
mod group;
mod threshold;

#[cfg(test)]
mod edge_cases;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;

use crate::admission;
use crate::explain::{Reason, State, events, pod as pod_state};
use crate::placement::{Gates, NamespaceSelector, Obstacle, Placement, Rule, TermMiss};
use crate::rollout::{CurrentRevision, is_current};
use crate::snapshot::full_pod::FullPod;
use crate::snapshot::shared::Pool;
use crate::snapshot::{DaemonPods, EventQuery, Known, Labels, Node, Pod, Snapshot};

pub(crate) use counts::Counts;
pub(crate) use group::by_label;
pub(crate) use threshold::Threshold;

/// One DaemonSet on the nodes of a snapshot.
#[derive(Debug)]
pub(crate) struct Coverage<'a> {
    /// The DaemonSet.
    pub(crate) daemon_set: &'a DaemonSet,
    /// Its current revision.
    pub(crate) revision: CurrentRevision,
    /// What the controller would write into `.status`.
    pub(crate) counts: Counts,
    /// One for every node, in the order of the nodes.
    pub(crate) rows: Vec<Row<'a>>,
    /// Pods on nodes that no longer exist, and pods that name no node.
    pub(crate) strays: Vec<&'a Pod>,
}

/// One DaemonSet on one node.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    /// The node's name.
    pub(crate) node: &'a str,
    /// The node's labels; none when nodes could not be read.
    pub(crate) labels: Option<&'a Labels>,
    /// Whether a pod is wanted; none when nodes could not be read.
    pub(crate) placement: Option<Placement>,
    /// How things stand.
    pub(crate) state: State,
    /// The pods on the node, the one that counts first.
    pub(crate) pods: Vec<&'a Pod>,
    /// Whether the first pod is available, even while it is being deleted.
    pub(crate) is_available: bool,
    /// Whether the first pod runs the current revision.
    pub(crate) up_to_date: Option<bool>,
    /// Every reason.
    pub(crate) reasons: Vec<Reason>,
    /// Whether events may say more: of the DaemonSet where a pod is missing, else of the first pod.
    pub(crate) wants_events: bool,
}

/// The state of a node, before it becomes a [`Row`].
struct Judged {
    state: State,
    reasons: Vec<Reason>,
    wants_events: bool,
}

/// Covers every DaemonSet of the snapshot, in its order.
pub(crate) fn cover(snapshot: &Snapshot) -> Vec<Coverage<'_>> {
    // Sorting the pods by owner once spares every DaemonSet a walk over all of them.
    let mut owned: HashMap<&str, Vec<&Pod>> = HashMap::new();
    let mut orphans: Vec<&Pod> = Vec::new();
    for pod in snapshot.pods.known().into_iter().flatten() {
        match pod.metadata.controller() {
            Some(owner) => owned.entry(&owner.uid).or_default().push(pod),
            None => orphans.push(pod),
        }
    }
    let pods_of = |daemon_set: &DaemonSet| {
        let uid = daemon_set.metadata.uid.as_deref().unwrap_or_default();
        let own = owned.get(uid).map(Vec::as_slice).unwrap_or_default();
        DaemonPods::of(daemon_set, own.iter().chain(&orphans).copied())
    };
    snapshot.daemon_sets.iter().map(|daemon_set| Case::of(daemon_set, snapshot).cover(pods_of(daemon_set))).collect()
}

/// A number that is the same for as long as there is nothing new to tell: ages grow without it.
pub(crate) fn fingerprint(coverages: &[Coverage<'_>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{coverages:?}").hash(&mut hasher);
    hasher.finish()
}

/// What all nodes of one DaemonSet are judged by.
struct Case<'a> {
    snapshot: &'a Snapshot,
    daemon_set: &'a DaemonSet,
    min_ready_seconds: i32,
    /// Why no pod could be created, the same for all nodes that miss one.
    why_missing: Vec<Reason>,
}

impl<'a> Case<'a> {
    fn of(daemon_set: &'a DaemonSet, snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            daemon_set,
            min_ready_seconds: daemon_set.spec.min_ready_seconds.unwrap_or_default(),
            why_missing: why_missing(daemon_set, &snapshot.events),
        }
    }

    fn cover(self, pods: DaemonPods<'a>) -> Coverage<'a> {
        let mut rows = match &self.snapshot.nodes {
            Known::Known(nodes) => self.rows_of_nodes(nodes, &pods),
            Known::Unknown(_) => self.rows_of_pods(&pods),
        };
        let strays = self.strays(&pods);
        let revision = self.revision_by(&rows, &strays);
        for row in &mut rows {
            row.up_to_date = row.pods.first().and_then(|pod| is_current(pod, &revision));
        }
        let counts = Counts::of(&rows, self.snapshot);
        Coverage { strays, daemon_set: self.daemon_set, revision, counts, rows }
    }

    /// The current revision, which the pods have to tell where revisions could not be read.
    fn revision_by(&self, rows: &[Row<'a>], strays: &[&'a Pod]) -> CurrentRevision {
        let revision = CurrentRevision::of(self.daemon_set, &self.snapshot.revisions);
        if self.snapshot.revisions.known().is_some() {
            return revision;
        }
        let all: Vec<&Pod> = rows.iter().flat_map(|row| &row.pods).chain(strays).copied().collect();
        let is_wanted = |row: &&Row<'_>| matches!(row.placement, Some(Placement::Run) | None);
        let counted: Vec<&Pod> = rows.iter().filter(is_wanted).filter_map(|row| row.pods.first().copied()).collect();
        revision.inferred(self.daemon_set, &all, &counted)
    }

    fn rows_of_nodes(&self, nodes: &'a [Node], pods: &DaemonPods<'a>) -> Vec<Row<'a>> {
        let namespace = self.daemon_set.metadata.namespace.as_deref().unwrap_or_default();
        let template = FullPod::of_template(namespace, &self.daemon_set.spec.template);
        let namespace = NamespaceSelector::of(self.snapshot.openshift.known().and_then(Option::as_ref), namespace);
        let rule = Rule::of(&template.spec, namespace, Gates::implied_by(&template.spec));
        // What keeps a DaemonSet off its nodes is the same on many of them.
        let mut seen: Pool<Vec<TermMiss>> = Pool::default();
        let row = |node: &'a Node| {
            let mut verdict = rule.place(node);
            for obstacle in &mut verdict.obstacles {
                if let Obstacle::NodeAffinity { terms } = obstacle {
                    seen.share(terms);
                }
            }
            let pods = pods.on(&node.metadata.name).to_vec();
            let obstacles = verdict.obstacles.into_iter().map(Reason::NotPlaced).collect();
            let Judged { state, reasons, wants_events } = self.judge(verdict.placement, obstacles, &pods, node);
            Row {
                node: &node.metadata.name,
                labels: Some(&node.metadata.labels),
                placement: Some(verdict.placement),
                state,
                is_available: self.is_available(&pods),
                up_to_date: None,
                pods,
                reasons,
                wants_events,
            }
        };
        nodes.iter().map(row).collect()
    }

    fn judge(&self, placement: Placement, obstacles: Vec<Reason>, pods: &[&Pod], node: &Node) -> Judged {
        let silent = |state, reasons| Judged { state, reasons, wants_events: false };
        let mut judged = match (placement, pods) {
            // Without pods nothing is missing for sure, and nothing is excluded for sure.
            _ if self.snapshot.pods.known().is_none() => silent(State::Unknown, obstacles),
            (Placement::Run, []) => {
                Judged { state: State::Missing, reasons: self.why_missing.clone(), wants_events: true }
            }
            (Placement::Run, [pod, ..]) => self.examine(pod, Some(node)),
            (_, []) => silent(State::Excluded, obstacles),
            (_, [pod, ..]) => {
                let of_pod = self.examine(pod, Some(node));
                let reasons = obstacles.into_iter().chain(of_pod.reasons).collect();
                Judged { state: State::Misscheduled, reasons, ..of_pod }
            }
        };
        judged.reasons.extend(extra_pods(pods));
        // Rows come by the hundred thousand.
        judged.reasons.shrink_to_fit();
        judged
    }

    /// Without nodes, only what the pods tell is known.
    fn rows_of_pods(&self, pods: &DaemonPods<'a>) -> Vec<Row<'a>> {
        let mut nodes: Vec<&str> = pods.nodes().collect();
        nodes.sort_unstable();
        let row = |node| {
            let pods = pods.on(node).to_vec();
            let Judged { state, mut reasons, wants_events } = match pods.first() {
                Some(pod) => self.examine(pod, None),
                None => Judged { state: State::Unknown, reasons: Vec::new(), wants_events: false },
            };
            reasons.extend(extra_pods(&pods));
            Row {
                node,
                labels: None,
                placement: None,
                state,
                is_available: self.is_available(&pods),
                up_to_date: None,
                pods,
                reasons,
                wants_events,
            }
        };
        nodes.into_iter().map(row).collect()
    }

    fn examine(&self, pod: &Pod, node: Option<&Node>) -> Judged {
        let now = self.snapshot.as_of;
        let (state, mut reasons) = pod_state::examine(pod, node, self.min_ready_seconds, now);
        let wants_events = events::may_explain(state, &reasons);
        if let (true, Some(events)) = (wants_events, self.snapshot.events.known()) {
            reasons.extend(events::newest_warning(events, &pod.metadata.uid));
        }
        Judged { state, reasons, wants_events }
    }

    fn is_available(&self, pods: &[&Pod]) -> bool {
        let first = pods.first();
        first.is_some_and(|pod| pod_state::is_available(pod, self.min_ready_seconds, self.snapshot.as_of))
    }

    fn strays(&self, pods: &DaemonPods<'a>) -> Vec<&'a Pod> {
        let mut strays = pods.unmapped().to_vec();
        if let (Known::Known(nodes), true) = (&self.snapshot.nodes, self.snapshot.has_all_nodes) {
            let names: std::collections::HashSet<&str> = nodes.iter().map(|node| node.metadata.name.as_str()).collect();
            let gone = pods.nodes().filter(|node| !names.contains(node));
            strays.extend(gone.flat_map(|node| pods.on(node)));
        }
        strays.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        strays
    }
}

fn extra_pods(pods: &[&Pod]) -> Option<Reason> {
    let others = pods.get(1..).filter(|others| !others.is_empty())?;
    Some(Reason::ExtraPods { pods: others.iter().map(|pod| pod.metadata.name.clone()).collect() })
}

fn why_missing(daemon_set: &DaemonSet, events: &Known<Vec<k8s_openapi::api::core::v1::Event>>) -> Vec<Reason> {
    let uid = daemon_set.metadata.uid.as_deref().unwrap_or_default();
    match events.known().and_then(|events| events::failed_create(events, uid)) {
        Some(event) => {
            let refusals = admission::told(daemon_set, &event);
            refusals.into_iter().map(|refusal| Reason::refused(refusal, Some(&event))).collect()
        }
        None => vec![Reason::not_created(daemon_set)],
    }
}

impl Coverage<'_> {
    /// The DaemonSet's namespace.
    pub(crate) fn namespace(&self) -> &str {
        self.daemon_set.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The DaemonSet's name.
    pub(crate) fn name(&self) -> &str {
        self.daemon_set.metadata.name.as_deref().unwrap_or_default()
    }

    /// How many nodes are in a state.
    pub(crate) fn in_state(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }

    /// Whether it is known of every pod whether it runs today's template.
    pub(crate) fn is_revision_known(&self) -> bool {
        let pods = || self.rows.iter().flat_map(|row| &row.pods).chain(&self.strays);
        let is_known = |pod: &&Pod| is_current(pod, &self.revision).is_some();
        self.revision.hash.known().is_some() || (self.revision.source.is_some() && pods().all(is_known))
    }

    /// The events that may say more than the rows do: the same whether they were read or not.
    pub(crate) fn event_query(&self) -> EventQuery {
        let mut query = EventQuery::default();
        for row in self.rows.iter().filter(|row| row.wants_events) {
            match row.pods.first() {
                None => query.add_daemon_set(self.daemon_set),
                Some(pod) => query.add_pod(&pod.metadata.uid),
            }
        }
        query
    }
}

impl Row<'_> {
    /// When the first pod was made.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        Some(self.pods.first()?.metadata.creation_timestamp?.timestamp())
    }

    /// How often the containers of the first pod were started again, all together.
    pub(crate) fn restarts(&self) -> Option<i64> {
        let status = &self.pods.first()?.status;
        let all = status.container_statuses.iter().chain(&status.init_container_statuses);
        Some(all.map(|status| i64::from(status.restart_count)).sum())
    }
}
