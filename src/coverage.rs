//! Which nodes run the pod of a DaemonSet, which eligible nodes miss it, and which other nodes run it.
//!
//! The input is a snapshot. [`compute_coverage`] returns one [`Coverage`] for each DaemonSet, with one [`NodeCoverage`]
//! for each node: whether it is eligible (by `placement`), its pods, and the state with the reasons (by `explain`).
//! [`Counts`] are the numbers of `.status` as the controller would compute them now; `.status` itself may be outdated.
//! [`by_label`] groups the rows by a node label, [`findings()`] has what the rows do not show, and [`Threshold`] is
//! `--min`.
//!
//! Objects that could not be read make a result unknown, never empty or zero. If nodes could not be read, there is one
//! row for each node that a pod names.

mod counts;
mod findings;
mod group;
mod node_coverage;
mod threshold;
mod uncovered_since;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hasher};

use k8s_openapi::api::apps::v1::DaemonSet;

use crate::admission;
use crate::explain::{Reason, State, events, pod as pod_state};
use crate::placement::{EligibilityRule, FeatureGates, NamespaceSelector, Placement, PlacementFailure, TermMismatch};
use crate::revision::{CurrentRevision, is_current};
use crate::snapshot::pod::Pod;
use crate::snapshot::shared::Pool;
use crate::snapshot::{DaemonPods, EventQuery, Known, Node, PodSummary, Snapshot};

pub(crate) use counts::Counts;
pub(crate) use findings::{Finding, FindingKind, findings};
pub(crate) use group::{Group, by_label};
pub(crate) use node_coverage::NodeCoverage;
pub(crate) use threshold::Threshold;

/// The coverage of one DaemonSet.
#[derive(Debug)]
pub(crate) struct Coverage<'a> {
    pub(crate) daemon_set: &'a DaemonSet,
    pub(crate) revision: CurrentRevision,
    /// What the controller would write to `.status`.
    pub(crate) counts: Counts,
    /// One for each node, in the order of the snapshot.
    pub(crate) rows: Vec<NodeCoverage<'a>>,
    /// Pods on deleted nodes, and pods without a target node. They count nowhere.
    pub(crate) unmapped_pods: Vec<&'a PodSummary>,
}

/// The part of a [`NodeCoverage`] that depends on the state of the pods.
struct NodeAssessment {
    state: State,
    reasons: Vec<Reason>,
    wants_events: bool,
}

/// The events that may explain the state of any of the DaemonSets.
pub(crate) fn event_query(snapshot: &Snapshot) -> EventQuery {
    let mut query = EventQuery::default();
    compute_coverage(snapshot).iter().for_each(|coverage| query.extend(coverage.event_query()));
    query
}

/// Computes the coverage of all DaemonSets, in the order of the snapshot.
pub(crate) fn compute_coverage(snapshot: &Snapshot) -> Vec<Coverage<'_>> {
    // Sort the pods by owner once, so that not every DaemonSet has to visit all pods.
    let mut owned: HashMap<&str, Vec<&PodSummary>> = HashMap::new();
    let mut orphans: Vec<&PodSummary> = Vec::new();
    for pod in snapshot.pods.known().into_iter().flatten() {
        match pod.metadata.controller() {
            Some(owner) => owned.entry(&owner.uid).or_default().push(pod),
            None => orphans.push(pod),
        }
    }
    let pods_of = |daemon_set: &DaemonSet| {
        let uid = daemon_set.metadata.uid.as_deref().unwrap_or_default();
        let own = owned.get(uid).map(Vec::as_slice).unwrap_or_default();
        DaemonPods::new(daemon_set, own.iter().chain(&orphans).copied())
    };
    snapshot
        .daemon_sets
        .iter()
        .map(|daemon_set| CoverageContext::new(daemon_set, snapshot).compute_coverage(pods_of(daemon_set)))
        .collect()
}

/// A hash of everything that is shown except ages. It changes only if there is something new to show.
pub(crate) fn fingerprint(coverages: &[Coverage<'_>]) -> u64 {
    /// Hashes what is written, so that the text of a large cluster is never in memory.
    struct HashWriter(DefaultHasher);
    impl Write for HashWriter {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut writer = HashWriter(DefaultHasher::new());
    // The writer never fails.
    let _ = write!(writer, "{coverages:?}");
    writer.0.finish()
}

/// What is the same for all nodes of one DaemonSet.
struct CoverageContext<'a> {
    snapshot: &'a Snapshot,
    daemon_set: &'a DaemonSet,
    min_ready_seconds: i32,
    /// Why pods are not created. The DaemonSet's event names no node, so that all missing pods have this reason.
    why_missing: Vec<Reason>,
}

impl<'a> CoverageContext<'a> {
    fn new(daemon_set: &'a DaemonSet, snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            daemon_set,
            min_ready_seconds: daemon_set.spec.min_ready_seconds.unwrap_or_default(),
            why_missing: why_missing(daemon_set, &snapshot.events),
        }
    }

    fn compute_coverage(self, pods: DaemonPods<'a>) -> Coverage<'a> {
        let mut rows = match &self.snapshot.nodes {
            Known::Known(nodes) => self.rows_of_nodes(nodes, &pods),
            Known::Unknown(_) => self.rows_of_pods(&pods),
        };
        let unmapped_pods = self.unmapped_pods(&pods);
        let revision = self.revision_by(&rows, &unmapped_pods);
        for row in &mut rows {
            row.up_to_date = row.pods.first().and_then(|pod| is_current(pod, &revision));
        }
        let counts = Counts::new(&rows, self.daemon_set, self.snapshot);
        Coverage { unmapped_pods, daemon_set: self.daemon_set, revision, counts, rows }
    }

    /// The current revision, inferred from the pods if revisions could not be read.
    fn revision_by(&self, rows: &[NodeCoverage<'a>], unmapped_pods: &[&'a PodSummary]) -> CurrentRevision {
        let revision = CurrentRevision::new(self.daemon_set, &self.snapshot.revisions);
        if self.snapshot.revisions.known().is_some() {
            return revision;
        }
        let all: Vec<&PodSummary> = rows.iter().flat_map(|row| &row.pods).chain(unmapped_pods).copied().collect();
        let is_eligible = |row: &&NodeCoverage<'_>| matches!(row.placement, Some(Placement::Run) | None);
        let counted: Vec<&PodSummary> =
            rows.iter().filter(is_eligible).filter_map(|row| row.pods.first().copied()).collect();
        revision.inferred(self.daemon_set, &all, &counted)
    }

    fn rows_of_nodes(&self, nodes: &'a [Node], pods: &DaemonPods<'a>) -> Vec<NodeCoverage<'a>> {
        let namespace = self.daemon_set.metadata.namespace.as_deref().unwrap_or_default();
        let template = Pod::from_template(namespace, &self.daemon_set.spec.template);
        let namespace = NamespaceSelector::new(self.snapshot.openshift.known().and_then(Option::as_ref), namespace);
        let rule = EligibilityRule::new(&template.spec, namespace, FeatureGates::implied_by(&template.spec));
        // Many nodes fail for the same reason: share its memory.
        let mut seen: Pool<Vec<TermMismatch>> = Pool::default();
        let row = |node: &'a Node| {
            let mut verdict = rule.evaluate(node);
            for failure in &mut verdict.failures {
                if let PlacementFailure::NodeAffinity { terms } = failure {
                    seen.share(terms);
                }
            }
            let pods = pods.on(&node.metadata.name).to_vec();
            let failures = verdict.failures.into_iter().map(Reason::NotEligible).collect();
            let assessment = self.assess(verdict.placement, failures, &pods, node);
            let uncovered_since = uncovered_since::uncovered_since(assessment.state, pods.first().copied(), Some(node));
            NodeCoverage {
                labels: Some(&node.metadata.labels),
                placement: Some(verdict.placement),
                uncovered_since,
                ..self.row(&node.metadata.name, pods, assessment)
            }
        };
        nodes.iter().map(row).collect()
    }

    fn assess(&self, placement: Placement, failures: Vec<Reason>, pods: &[&PodSummary], node: &Node) -> NodeAssessment {
        let silent = |state, reasons| NodeAssessment { state, reasons, wants_events: false };
        let mut assessment = match (placement, pods) {
            // If not all pods could be read, it is unknown whether one is missing or should not be there.
            (_, []) if self.snapshot.missing_pods(self.daemon_set).is_some() => {
                let is_open = placement == Placement::Run && events::status_counts_no_pods(self.daemon_set);
                let rejections = self.why_missing.iter().filter(|reason| is_open && reason.is_rejection()).cloned();
                let reasons = failures.into_iter().chain(rejections).collect();
                NodeAssessment { state: State::Unknown, reasons, wants_events: is_open }
            }
            (Placement::Run, []) => {
                NodeAssessment { state: State::Missing, reasons: self.why_missing.clone(), wants_events: true }
            }
            (Placement::Run, [pod, ..]) => self.examine(pod, Some(node)),
            (_, []) => silent(State::Excluded, failures),
            (_, [pod, ..]) => {
                let of_pod = self.examine(pod, Some(node));
                let reasons = failures.into_iter().chain(of_pod.reasons).collect();
                NodeAssessment { state: State::Misscheduled, reasons, ..of_pod }
            }
        };
        let virtual_node = pod_state::on_virtual_node(node, assessment.state).filter(|_| placement == Placement::Run);
        assessment.reasons.splice(0..0, virtual_node);
        assessment.reasons.extend(pod_state::on_leaving_node(node, assessment.state));
        assessment.reasons.extend(extra_pods(pods));
        // There may be hundreds of thousands of rows.
        assessment.reasons.shrink_to_fit();
        assessment
    }

    /// The rows if nodes could not be read: one for each node that a pod names.
    fn rows_of_pods(&self, pods: &DaemonPods<'a>) -> Vec<NodeCoverage<'a>> {
        let mut nodes: Vec<&str> = pods.nodes().collect();
        nodes.sort_unstable();
        let row = |node| {
            let pods = pods.on(node).to_vec();
            let mut assessment = match pods.first() {
                Some(pod) => self.examine(pod, None),
                None => NodeAssessment { state: State::Unknown, reasons: Vec::new(), wants_events: false },
            };
            assessment.reasons.extend(extra_pods(&pods));
            self.row(node, pods, assessment)
        };
        nodes.into_iter().map(row).collect()
    }

    /// The row of a node of which only the name is known.
    fn row(&self, node: &'a str, pods: Vec<&'a PodSummary>, assessment: NodeAssessment) -> NodeCoverage<'a> {
        let NodeAssessment { state, reasons, wants_events } = assessment;
        NodeCoverage {
            node,
            labels: None,
            placement: None,
            state,
            is_available: self.is_available(&pods),
            uncovered_since: uncovered_since::uncovered_since(state, pods.first().copied(), None),
            up_to_date: None,
            pods,
            reasons,
            wants_events,
        }
    }

    fn examine(&self, pod: &PodSummary, node: Option<&Node>) -> NodeAssessment {
        let now = self.snapshot.as_of;
        let (state, mut reasons) = pod_state::pod_state(pod, node, self.min_ready_seconds, now);
        let wants_events = events::may_explain(state, &reasons);
        if let (true, Some(events)) = (wants_events, self.snapshot.events.known()) {
            reasons.extend(events::newest_warning(events, &pod.metadata.uid));
        }
        NodeAssessment { state, reasons, wants_events }
    }

    fn is_available(&self, pods: &[&PodSummary]) -> bool {
        let first = pods.first();
        first.is_some_and(|pod| pod_state::is_available(pod, self.min_ready_seconds, self.snapshot.as_of))
    }

    fn unmapped_pods(&self, pods: &DaemonPods<'a>) -> Vec<&'a PodSummary> {
        let mut unmapped_pods = pods.unmapped().to_vec();
        if let (Known::Known(nodes), true) = (&self.snapshot.nodes, self.snapshot.has_all_nodes) {
            let names: std::collections::HashSet<&str> = nodes.iter().map(|node| node.metadata.name.as_str()).collect();
            let gone = pods.nodes().filter(|node| !names.contains(node));
            unmapped_pods.extend(gone.flat_map(|node| pods.on(node)));
        }
        unmapped_pods.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        unmapped_pods
    }
}

fn extra_pods(pods: &[&PodSummary]) -> Option<Reason> {
    let others = pods.get(1..).filter(|others| !others.is_empty())?;
    Some(Reason::ExtraPods { pods: others.iter().map(|pod| pod.metadata.name.clone()).collect() })
}

fn why_missing(daemon_set: &DaemonSet, events: &Known<Vec<k8s_openapi::api::core::v1::Event>>) -> Vec<Reason> {
    let uid = daemon_set.metadata.uid.as_deref().unwrap_or_default();
    match events.known().and_then(|events| events::failed_create(events, uid)) {
        Some(event) => {
            let rejections = admission::parse_rejections(daemon_set, &event);
            rejections.into_iter().map(|rejection| Reason::rejected(rejection, Some(&event))).collect()
        }
        None => vec![Reason::not_created(daemon_set)],
    }
}

impl Coverage<'_> {
    pub(crate) fn namespace(&self) -> &str {
        self.daemon_set.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.daemon_set.metadata.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn in_state(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }

    /// Whether it is known for every pod whether it is up to date.
    pub(crate) fn is_revision_known(&self) -> bool {
        let pods = || self.rows.iter().flat_map(|row| &row.pods).chain(&self.unmapped_pods);
        let is_known = |pod: &&PodSummary| is_current(pod, &self.revision).is_some();
        self.revision.hash.known().is_some() || (self.revision.source.is_some() && pods().all(is_known))
    }

    /// The events that may add reasons. The result does not depend on the events in the snapshot, so that it can be
    /// computed before they are read.
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
