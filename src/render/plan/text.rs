//! The sentences of `plan`. All of them are safe text.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::check_result::CheckResult;
use crate::plan::{Assumption, DaemonSetPlan, Finding, NodeAction, Plan};
use crate::program;
use crate::render::age::age;
use crate::render::name_list::{HANDFUL_OF_NODES, ListLength};
use crate::render::reason::detail;
use crate::render::text::{pluralize, sanitize};
use crate::rollout::Strategy;

fn list(names: &[String], length: ListLength) -> String {
    length.join(names, HANDFUL_OF_NODES, ", ", |name| sanitize(name))
}

fn nodes(names: &[String], length: ListLength) -> String {
    format!("{}: {}", pluralize(names.len(), "node"), list(names, length))
}

/// What the rollout does, one sentence a line.
pub(super) fn rollout(one: &DaemonSetPlan) -> Vec<String> {
    let rollout = &one.rollout;
    let in_budget = rollout.replaced - rollout.at_once;
    let mut lines = Vec::new();
    if let (Some(budget), true) = (rollout.budget, in_budget > 0) {
        let how = match one.strategy {
            Strategy::Surge { .. } => "with a new pod beside the old one on at most",
            Strategy::Rolling { .. } | Strategy::OnDelete => "at most",
        };
        let least = rollout
            .least_seconds
            .map(|seconds| format!(", at least {} because of minReadySeconds", for_people(seconds)));
        lines.push(format!(
            "rollout: {} replaced, {how} {} at a time: at least {}{}",
            pluralize(in_budget, "pod"),
            budget,
            pluralize(rollout.waves, "wave"),
            least.unwrap_or_default()
        ));
    }
    lines
}

/// `2m30s`.
fn for_people(seconds: u64) -> String {
    let start = Timestamp::UNIX_EPOCH;
    let length = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    age(start, start.checked_add(length).unwrap_or(Timestamp::MAX))
}

/// What a finding means.
pub(super) fn finding(finding: &Finding, one: &DaemonSetPlan, length: ListLength) -> String {
    let text = match finding {
        Finding::RolloutBlocked { budget, used_by, waiting } => {
            let why = match used_by.as_slice() {
                [] => "the API server rejects new pods".to_owned(),
                used_by => format!("the budget of {budget} is used up by {}", nodes(used_by, length)),
            };
            let left = match waiting.as_slice() {
                [] => "some pods are not replaced".to_owned(),
                waiting => format!("the old pod stays on {}", nodes(waiting, length)),
            };
            format!("the rollout will be blocked: {why}; {left}")
        }
        Finding::PodsRejected { rejected, new_pods } => {
            format!("the API server rejects {rejected} of {}", pluralize(*new_pods, "new pod"))
        }
        Finding::Unschedulable { nodes: names } => {
            format!("the new pod cannot be scheduled on {}", nodes(names, length))
        }
        Finding::Preempts { nodes: names, pods } => format!(
            "preemption evicts {} for the new pods on {}: {}",
            pluralize(pods.len(), "pod"),
            pluralize(names.len(), "node"),
            list(pods, length)
        ),
        Finding::CannotRun { nodes: names } => {
            format!("the new pod is scheduled and cannot run on {}", nodes(names, length))
        }
        Finding::EvictedRepeatedly { nodes: names } => {
            format!("a NoExecute taint evicts the pod again and again on {}", nodes(names, length))
        }
        Finding::ReplacedAtOnce { nodes: names, budget, within_min_ready_seconds } => {
            let why = match within_min_ready_seconds {
                true => {
                    " or not ready for minReadySeconds yet: a change soon after another one replaces them all again"
                }
                false => "",
            };
            format!(
                "{} replaced at once, beyond the budget of {budget}: not available{why}: {}",
                pluralize(names.len(), "old pod"),
                list(names, length)
            )
        }
        Finding::SurgeIgnoresMaxUnavailable { nodes: names } => format!(
            "with a surge, maxUnavailable 0 does not protect pods that are not available: replaced at once on {}",
            nodes(names, length)
        ),
        Finding::AllAtOnce { limit } => {
            let field = limit_field(one.strategy);
            format!("{field} {limit} allows all pods to be replaced at the same time")
        }
        Finding::LimitIsZero { limit } => {
            format!("{} {limit} resolves to 0: the controller replaces one pod at a time", limit_field(one.strategy))
        }
        Finding::NothingUntilDeleted { outdated } => format!(
            "update strategy OnDelete: {} until {} deleted; {} cycle replaces them safely",
            stay(*outdated),
            if *outdated == 1 { "it is" } else { "they are" },
            program::name()
        ),
        Finding::EarlierRevision { revision } => {
            format!("the template is that of revision {revision}: pods that still run it are not replaced")
        }
        Finding::Misscheduled { nodes: names } => {
            format!("the pod stays, misscheduled, until something deletes it, on {}", nodes(names, length))
        }
        Finding::NoEligibleNode => "no node is eligible: no pod is created".to_owned(),
        Finding::SeveralOperatingSystems { nodes: names } => format!(
            "also created on nodes with another operating system than Linux, where the image may not run; to exclude \
             them, add the node selector kubernetes.io/os: linux: {}",
            nodes(names, length)
        ),
    };
    sanitize(&text)
}

fn stay(outdated: usize) -> String {
    match outdated {
        1 => "1 outdated pod stays".to_owned(),
        several => format!("{several} outdated pods stay"),
    }
}

fn limit_field(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Surge { .. } => "maxSurge",
        Strategy::Rolling { .. } | Strategy::OnDelete => "maxUnavailable",
    }
}

/// Why the API server rejects new pods.
pub(super) fn admission(one: &DaemonSetPlan, now: Timestamp, length: ListLength) -> Vec<String> {
    let failures = one.admission.iter().filter_map(|forecast| match &forecast.result {
        CheckResult::Fail(reasons) => Some((forecast, reasons)),
        CheckResult::Pass | CheckResult::Unknown { .. } => None,
    });
    failures
        .flat_map(|(forecast, reasons)| {
            reasons
                .iter()
                .map(move |reason| format!("{}: {}", forecast.plugin.name(), detail(&reason.reason, now, length)))
        })
        .collect()
}

/// The assumptions that are particular to this plan. Nodes on which the same pods compete are in one line.
pub(super) fn assumptions(plan: &Plan, length: ListLength) -> Vec<String> {
    let mut competing: BTreeMap<&[String], Vec<String>> = BTreeMap::new();
    for one in &plan.assumptions {
        if let Assumption::OrderOfPods { node, daemon_sets } = one {
            competing.entry(daemon_sets).or_default().push(node.clone());
        }
    }
    let competing = competing
        .into_iter()
        .map(|(daemon_sets, names)| format!("{} on {}", competition(daemon_sets, length), nodes(&names, length)));
    let others = plan.assumptions.iter().filter(|one| !matches!(one, Assumption::OrderOfPods { .. }));
    competing.chain(others.filter_map(|one| assumption(one, length))).collect()
}

fn competition(daemon_sets: &[String], length: ListLength) -> String {
    format!("{} compete for a place; which one gets it is not known", list(daemon_sets, length))
}

/// An assumption that is particular to this plan.
pub(super) fn assumption(assumption: &Assumption, length: ListLength) -> Option<String> {
    let text = match assumption {
        Assumption::NewPodsBecomeReady | Assumption::NoOtherPods => return None,
        Assumption::OrderOfPods { node, daemon_sets } => {
            format!("node {node}: {} compete for a place; which one gets it is not known", list(daemon_sets, length))
        }
        Assumption::OrderOfNodes { daemon_set, nodes: names } => format!(
            "{daemon_set}: its new pods exclude or attract each other; which get a place is not known on {}",
            nodes(names, length)
        ),
        Assumption::OrderOfCreation { daemon_set, rejected } => format!(
            "{daemon_set}: which {} rejected depends on the order of creation",
            if *rejected == 1 { "pod is".to_owned() } else { format!("{rejected} pods are") }
        ),
        Assumption::OrderOfRollout { daemon_set, nodes: names } => format!(
            "{daemon_set}: which pods are replaced before the rollout is blocked is not known: {}",
            nodes(names, length)
        ),
        Assumption::Finalizers { node, pods } => {
            format!("node {node}: whether deleted pods with finalizers leave is not known: {}", list(pods, length))
        }
        Assumption::NotRead { message } => format!("{message}: that part is unknown"),
    };
    Some(sanitize(&text))
}

/// The assumptions of every plan with new pods, and how the desired objects were determined.
pub(super) fn usual_assumptions(plan: &Plan, method: Option<&'static str>) -> Option<String> {
    let has_new = plan
        .daemon_sets
        .iter()
        .flat_map(|one| &one.nodes)
        .any(|node| matches!(node.action, NodeAction::Create | NodeAction::Replace | NodeAction::Evict));
    let assumed = has_new.then_some("Assumed: new pods become ready, and no other pods are scheduled meanwhile.");
    let by = method.map(|method| format!("Defaults and webhooks: {method}."));
    let parts: Vec<String> = assumed.map(str::to_owned).into_iter().chain(by).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// An assumption of every plan.
pub(super) fn usual_assumption(assumption: &Assumption) -> &'static str {
    match assumption {
        Assumption::NoOtherPods => "no other pods are scheduled to the nodes meanwhile",
        _ => "new pods become ready",
    }
}
