//! How a rollout stands.
//!
//! Upstream: `pkg/controller/daemon/update.go` `rollingUpdate`;
//! `pkg/controller/daemon/daemon_controller.go` `updateDaemonSetStatus` for the numbers.

use k8s_openapi::api::apps::v1::DaemonSet;
use serde::Serialize;

use super::refused::refused;
use super::revision::is_undo;
use super::site::{Site, Yardstick, sites};
use super::stuck::{self, Outlook};
use super::surge_ports::SurgePorts;
use super::trouble::{Trouble, is_replaced_anyway, pod_with_open_question, reasons, troubles};
use super::{Cause, CurrentRevision, Hold, Strategy};
use crate::coverage::{Coverage, Row};
use crate::explain::Reason;
use crate::snapshot::{EventQuery, Generation, Snapshot};

/// A rollout at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Standing<'a> {
    /// The DaemonSet.
    pub(crate) daemon_set: &'a DaemonSet,
    /// Its current revision.
    pub(crate) revision: &'a CurrentRevision,
    /// Its strategy, resolved.
    pub(crate) strategy: Strategy,
    /// Nodes on which a pod is wanted.
    pub(crate) desired: usize,
    /// Of these, nodes whose first pod runs the current revision, as `.status` counts them.
    pub(crate) updated: usize,
    /// Of these, nodes whose first pod is available, whichever revision it runs.
    pub(crate) available: usize,
    /// Of these, nodes on which a pod of the current revision is available.
    pub(crate) updated_available: usize,
    /// The nodes on which a pod is wanted, in the order of the nodes.
    pub(crate) nodes: Vec<Progress<'a>>,
    /// Who spends the budget, wanted or not; empty under `OnDelete`.
    pub(crate) spent: Vec<Spender<'a>>,
    /// Where the rollout is.
    pub(crate) phase: Phase,
    /// What holds it.
    pub(crate) holds: Vec<Hold<'a>>,
    /// Nodes on which none is wanted any more, that still have an old pod: `.status` does not count them.
    pub(crate) leftovers: Vec<&'a str>,
    /// Whether today's template is one that the DaemonSet had before: the rollout is an undo.
    pub(crate) is_undo: bool,
    /// What could not be read, in words. Without pods or revisions, the phase is `Unknown`.
    pub(crate) missing: Vec<&'a str>,
}

/// Where the rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Phase {
    /// What would tell could not be read.
    Unknown,
    /// The controller has not looked at the newest spec.
    NotObserved,
    /// It goes on by itself, as far as can be told.
    Progressing,
    /// `OnDelete`: old pods are there until somebody deletes them.
    WaitsForDeletion,
    /// An available pod of the current revision on every node on which one is wanted.
    Complete,
    /// It does not go on until something outside of it changes.
    Stuck,
    /// The DaemonSet is being deleted, and the controller leaves it alone.
    BeingDeleted,
}

/// Where a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) enum Step {
    /// Nothing was done yet: an old pod, and no other.
    Outdated,
    /// A pod is wanted, and there is none.
    Waiting,
    /// The old pod is going, or both are there.
    Replacing,
    /// The new pod is not available yet.
    Starting,
    /// The new pod is in trouble.
    Failing,
    /// The new pod is available, and no old one is left.
    Done,
}

/// One node on which a pod is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Progress<'a> {
    /// The node's name.
    pub(crate) node: &'a str,
    /// Where it is.
    pub(crate) step: Step,
    /// Why it is not done: of the new pod where there is one, else of the first.
    pub(crate) reasons: Vec<Reason>,
    /// What is the matter with its new pod, or with the old one that does not go.
    pub(crate) causes: Vec<Cause>,
    /// The node as coverage sees it.
    pub(crate) row: &'a Row<'a>,
}

/// One node that counts against the budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spender<'a> {
    /// The node's name; it may be gone.
    pub(crate) node: &'a str,
    /// Why it counts.
    pub(crate) cause: Spending,
    /// What is the matter with its pod.
    pub(crate) reasons: Vec<Reason>,
    /// Whether the node does not report as ready.
    pub(crate) is_node_down: bool,
    /// Whether it stays so until something outside of the rollout changes.
    pub(crate) lasts: bool,
}

/// Why a node counts against the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Spending {
    /// An old pod that is not available; it is replaced whatever the budget says.
    OldUnavailable,
    /// A new pod that is not available.
    NewUnavailable,
    /// A pod is wanted, and there is none.
    Missing,
    /// There is none but one that is being deleted.
    Terminating,
    /// Two pods of the same age.
    Duplicate,
    /// An old and a new one.
    BothRevisions,
}

/// A site with all that is known about it.
pub(super) struct Finding<'a> {
    pub(super) site: Site<'a>,
    pub(super) step: Step,
    pub(super) spending: Option<Spending>,
    pub(super) reasons: Vec<Reason>,
    pub(super) troubles: Vec<Trouble>,
}

impl Finding<'_> {
    /// Whether the node stays as it is until something outside of the rollout changes.
    pub(super) fn lasts(&self) -> bool {
        !is_replaced_anyway(self.spending) && self.troubles.iter().any(|trouble| trouble.lasts)
    }
}

/// How the rollout of a DaemonSet stands.
pub(crate) fn standing<'a>(coverage: &'a Coverage<'a>, snapshot: &'a Snapshot) -> Standing<'a> {
    let daemon_set = coverage.daemon_set;
    let by = Yardstick { snapshot, min_ready_seconds: daemon_set.spec.min_ready_seconds.unwrap_or_default() };
    let sites = sites(coverage, snapshot);
    let desired = desired(coverage, &sites);
    let strategy = Strategy::of(daemon_set, desired);
    let refusals = match may_be_refused(&sites, strategy, by) {
        true => refused(coverage, &sites, by),
        false => Vec::new(),
    };
    let findings = findings(sites, coverage, strategy, &refusals, by);

    let first_pods = || {
        let wanted = findings.iter().filter(|finding| finding.site.is_wanted);
        wanted.filter_map(|finding| finding.site.row)
    };
    let is_old = |site: &Site<'_>| !site.is_wanted && (!site.old.is_empty() || site.has_old_going);
    let outlook = Outlook::of(&findings, strategy, &refusals, by);
    let phase = phase(coverage, snapshot, desired, strategy, &findings, &outlook);
    Standing {
        daemon_set,
        revision: &coverage.revision,
        strategy,
        desired,
        updated: first_pods().filter(|row| row.up_to_date == Some(true)).count(),
        available: first_pods().filter(|row| row.is_available).count(),
        updated_available: findings.iter().filter(|f| f.site.is_wanted && f.site.is_updated(by)).count(),
        spent: findings.iter().filter_map(spender).collect(),
        phase,
        holds: stuck::holds(&findings, &refusals, &outlook, phase),
        leftovers: findings.iter().filter(|f| is_old(&f.site)).map(|f| f.site.name).collect(),
        is_undo: snapshot.revisions.known().is_some_and(|revisions| is_undo(daemon_set, revisions)),
        missing: missing(coverage, snapshot),
        nodes: findings.into_iter().filter_map(progress).collect(),
    }
}

/// What could not be read. Revisions are missed only where nothing else tells which pods are up to date.
fn missing<'a>(coverage: &Coverage<'_>, snapshot: &'a Snapshot) -> Vec<&'a str> {
    let revisions = snapshot.revisions.missing().filter(|_| !coverage.is_revision_known());
    [snapshot.nodes.missing(), snapshot.pods.missing(), revisions].into_iter().flatten().collect()
}

/// The events that may say more about a rollout: the same whether they were read or not.
pub(crate) fn event_query(coverage: &Coverage<'_>, snapshot: &Snapshot) -> EventQuery {
    let min_ready_seconds = coverage.daemon_set.spec.min_ready_seconds.unwrap_or_default();
    let by = Yardstick { snapshot, min_ready_seconds };
    let sites = sites(coverage, snapshot);
    let strategy = Strategy::of(coverage.daemon_set, desired(coverage, &sites));
    let mut query = coverage.event_query();
    if may_be_refused(&sites, strategy, by) {
        query.add_daemon_set(coverage.daemon_set);
    }
    for pod in sites.iter().filter_map(|site| pod_with_open_question(site, by)) {
        query.add_pod(&pod.metadata.uid);
    }
    query
}

/// Whether the controller is about to make a pod. With a surge, every node may still have its old pod, and be well,
/// while the new ones are refused beside them.
fn may_be_refused(sites: &[Site<'_>], strategy: Strategy, by: Yardstick<'_>) -> bool {
    let is_surge = matches!(strategy, Strategy::Surge { .. });
    // Where pods could not be read, none is missing for sure.
    by.snapshot.pods.known().is_some()
        && sites.iter().any(|site| needs_pod(site, is_surge) || (is_surge && site.lone_old().is_some()))
}

/// Without nodes, the number is the controller's own.
fn desired(coverage: &Coverage<'_>, sites: &[Site<'_>]) -> usize {
    let status = || coverage.daemon_set.status.as_ref().map(|status| status.desired_number_scheduled);
    let with_pods = || sites.iter().filter(|site| site.is_wanted).count();
    let told = || status().and_then(|desired| usize::try_from(desired).ok());
    coverage.counts.desired.or_else(told).unwrap_or_else(with_pods)
}

fn findings<'a>(
    sites: Vec<Site<'a>>,
    coverage: &'a Coverage<'a>,
    strategy: Strategy,
    refusals: &[Trouble],
    by: Yardstick<'a>,
) -> Vec<Finding<'a>> {
    let is_surge = matches!(strategy, Strategy::Surge { .. });
    let mut ports = SurgePorts::of(coverage, by);
    let find = |site: Site<'a>| {
        let reasons = reasons(&site, by);
        let mut found = troubles(&site, &reasons, coverage.daemon_set, by);
        if is_surge && let Some(trouble) = ports.trouble(&site) {
            // The scheduler's words about it, and about all other nodes, add nothing.
            found.retain(|trouble| !matches!(trouble.cause, Cause::NewPodUnschedulable { .. }));
            found.push(trouble);
        }
        if is_surge
            && site.node.is_none()
            && by.snapshot.has_all_nodes
            && let Some(old) = site.lone_old()
        {
            let pod = old.metadata.name.clone();
            found.push(Trouble { cause: Cause::SurgeOldPodOnDeletedNode { pod }, lasts: false });
        }
        if needs_pod(&site, is_surge) {
            found.extend_from_slice(refusals);
        }
        let is_failing = found.iter().any(|trouble| trouble.cause.is_failure());
        let (step, spending) = (site.step(by, is_failing), site.spending(strategy, by));
        Finding { site, step, spending, reasons, troubles: found }
    };
    sites.into_iter().map(find).collect()
}

/// Whether the controller is about to make a pod, apart from the rollout.
pub(super) fn needs_pod(site: &Site<'_>, is_surge: bool) -> bool {
    site.is_wanted && site.new.is_empty() && site.old.is_empty() && (is_surge || site.going.is_empty())
}

fn spender<'a>(finding: &Finding<'a>) -> Option<Spender<'a>> {
    Some(Spender {
        node: finding.site.name,
        cause: finding.spending?,
        reasons: finding.reasons.clone(),
        is_node_down: finding.site.down().is_some(),
        lasts: finding.lasts(),
    })
}

fn progress(finding: Finding<'_>) -> Option<Progress<'_>> {
    let Finding { site, step, reasons, troubles, .. } = finding;
    let row = site.row.filter(|_| site.is_wanted)?;
    let causes = troubles.into_iter().map(|trouble| trouble.cause).collect();
    Some(Progress { node: site.name, step, reasons, causes, row })
}

fn phase(
    coverage: &Coverage<'_>,
    snapshot: &Snapshot,
    desired: usize,
    strategy: Strategy,
    findings: &[Finding<'_>],
    outlook: &Outlook,
) -> Phase {
    let daemon_set = coverage.daemon_set;
    let wanted = |step| findings.iter().filter(|f| f.site.is_wanted && f.step == step).count();
    if !coverage.is_revision_known() || snapshot.pods.known().is_none() {
        return Phase::Unknown;
    }
    if daemon_set.metadata.deletion_timestamp.is_some() {
        return Phase::BeingDeleted;
    }
    if !coverage.revision.is_made() || !Generation::of(daemon_set).is_observed() {
        return Phase::NotObserved;
    }
    match strategy {
        _ if wanted(Step::Done) >= desired => Phase::Complete,
        Strategy::OnDelete if wanted(Step::Outdated) > 0 => Phase::WaitsForDeletion,
        _ if outlook.is_stuck() => Phase::Stuck,
        _ => Phase::Progressing,
    }
}
