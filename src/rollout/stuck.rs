//! Whether a rollout goes on by itself: a proof from what is there, and no matter of time.
//!
//! Upstream: `pkg/controller/daemon/update.go` `rollingUpdate` decides what the next step would be.

use super::site::Yardstick;
use super::standing::{Finding, Phase, Step, needs_pod};
use super::trouble::Trouble;
use super::{Cause, Hold, Strategy};

/// Why the rollout does not go on; each alone is enough.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outlook {
    /// A pod is wanted and refused, so that the controller does not come to the rollout.
    creates_refused: bool,
    /// New pods cannot come beside the old ones, for their ports.
    ports_clash: bool,
    /// Old pods are left to replace, and the whole budget is spent by nodes that stay as they are; or nothing is left
    /// but such nodes.
    nodes_last: bool,
}

impl Outlook {
    pub(super) fn of(findings: &[Finding<'_>], strategy: Strategy, refusals: &[Trouble], by: Yardstick<'_>) -> Self {
        let wanted = || findings.iter().filter(|finding| finding.site.is_wanted);
        let is_surge = matches!(strategy, Strategy::Surge { .. });
        let is_available = |finding: &Finding<'_>| finding.site.lone_old().is_some_and(|old| by.is_available(old));
        // Old pods that are not available are replaced whatever the budget says.
        let has_old_unavailable = findings.iter().any(|f| f.site.lone_old().is_some() && !is_available(f));
        let candidates = wanted().filter(|finding| is_available(finding)).count();
        let spent = findings.iter().filter(|finding| finding.spending.is_some()).count();
        let spent_for_good = findings.iter().filter(|f| f.spending.is_some() && f.lasts()).count();
        let budget = strategy.budget().unwrap_or(usize::MAX);

        let needs_surge = is_surge && (has_old_unavailable || (candidates > 0 && spent < budget));
        let needs_pod = wanted().any(|finding| needs_pod(&finding.site, is_surge)) || needs_surge;
        let is_refused = refusals.iter().any(|refusal| refusal.lasts);
        let ports_clash = wanted().any(|finding| finding.troubles.iter().any(clashes));

        let open = || wanted().filter(|finding| finding.step != Step::Done && !is_available(finding));
        let nodes_last = match candidates {
            0 => open().count() > 0 && open().all(Finding::lasts),
            _ => strategy != Strategy::OnDelete && spent_for_good >= budget,
        };
        Self { creates_refused: needs_pod && is_refused, ports_clash, nodes_last: nodes_last && !has_old_unavailable }
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.creates_refused || self.ports_clash || self.nodes_last
    }

    /// Whether a cause is one of those that the proof rests on.
    fn rests_on(&self, trouble: &Trouble) -> bool {
        trouble.lasts
            && match trouble.cause {
                Cause::CreatesRefused { .. } => self.creates_refused,
                Cause::SurgeHostPort { .. } => self.ports_clash,
                _ => self.nodes_last,
            }
    }
}

fn clashes(trouble: &Trouble) -> bool {
    matches!(trouble.cause, Cause::SurgeHostPort { .. })
}

/// Every cause once, with its nodes; what is certain first, then what most nodes have.
pub(super) fn holds<'a>(
    findings: &[Finding<'a>],
    refusals: &[Trouble],
    outlook: &Outlook,
    phase: Phase,
) -> Vec<Hold<'a>> {
    if matches!(phase, Phase::Unknown | Phase::Complete | Phase::BeingDeleted) {
        return Vec::new();
    }
    let mut holds: Vec<Hold<'a>> = Vec::new();
    let mut add = |trouble: &Trouble, node: Option<&'a str>| {
        let is_certain = phase == Phase::Stuck && outlook.rests_on(trouble);
        let known = holds.iter_mut().find(|hold| hold.cause.is_same(&trouble.cause));
        let Some(hold) = known else {
            let (cause, nodes) = (trouble.cause.clone(), node.into_iter().collect());
            holds.push(Hold { cause, nodes, lasts: trouble.lasts, is_certain });
            return;
        };
        if let (Cause::CrashLoop { restarts, .. }, Cause::CrashLoop { restarts: more, .. }) =
            (&hold.cause, &trouble.cause)
            && more > restarts
        {
            hold.cause = trouble.cause.clone();
        }
        if trouble.lasts && !hold.lasts {
            // The evidence is that of the proof.
            hold.cause = trouble.cause.clone();
        }
        hold.nodes.extend(node);
        hold.lasts |= trouble.lasts;
        hold.is_certain |= is_certain;
    };
    for finding in findings.iter().filter(|finding| finding.spending.is_some() || finding.site.is_wanted) {
        finding.troubles.iter().for_each(|trouble| add(trouble, Some(finding.site.name)));
    }
    for finding in findings.iter().filter(|f| f.spending.is_none() && !f.site.is_wanted) {
        let gone = finding.troubles.iter().filter(|t| matches!(t.cause, Cause::SurgeOldPodOnDeletedNode { .. }));
        gone.for_each(|trouble| add(trouble, Some(finding.site.name)));
    }
    if outlook.creates_refused {
        // Under surge, the pod that is refused belongs to a node that still has its old one.
        let is_named = |refusal: &&Trouble| !findings.iter().any(|f| f.troubles.contains(refusal));
        refusals.iter().filter(is_named).for_each(|refusal| add(refusal, None));
    }
    holds.sort_by_key(|hold| (!hold.is_certain, std::cmp::Reverse(hold.nodes.len())));
    holds
}
