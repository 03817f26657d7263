//! The sentences of reasons: in short, for many nodes at once, and in full, for one.

pub(crate) mod admission;
mod placement;
mod pod;
pub(crate) mod scheduling;

use jiff::Timestamp;

use super::age::age;
use super::name_list::{HANDFUL, ListLength};
use super::remedy::{Remedy, RemedyContext};
use super::text::{pluralize, sanitize};
use crate::explain::{Exit, Reason};
use crate::placement::{PlacementFailure, Requirement, TermMismatch};

/// The cause without what differs between nodes, so that equal causes read equal. Safe text.
pub(crate) fn summary(reason: &Reason) -> String {
    let text = match reason {
        Reason::NotCreated => "no pod was created".into(),
        Reason::NotObserved { .. } => "the controller has not seen the newest spec yet".into(),
        Reason::Unschedulable { scheduler } => format!("unschedulable: {}", own_part(scheduler)),
        Reason::NoLongerUnschedulable { scheduler } => format!("was unschedulable: {}", own_part(scheduler)),
        Reason::SchedulingGated => "a scheduling gate is not lifted".into(),
        Reason::SchedulerError { .. } => "the scheduler failed".into(),
        Reason::NotScheduled { .. } => "no scheduler has looked at it".into(),
        Reason::NotKnown { missing } => missing.clone(),
        Reason::NodePressure { condition } => format!("the node has {condition}"),
        Reason::TaintEviction { taint, .. } => format!("taint {taint} is tolerated for a time only"),
        Reason::Rejected { rejection, .. } => format!("not created: {}", admission::summary(rejection)),
        Reason::FilterRejection(rejection) => scheduling::summary(rejection),
        Reason::PodFailed { reason, .. } => {
            if reason.is_empty() {
                "failed".into()
            } else {
                reason.clone()
            }
        }
        Reason::PodSucceeded => "ended well, which a daemon should not".into(),
        Reason::Terminating { .. } => "being deleted".into(),
        Reason::DaemonSetDeleting { .. } => "the DaemonSet is being deleted".into(),
        Reason::ImageError { reason, .. } | Reason::ContainerError { reason, .. } | Reason::Warning { reason, .. } => {
            reason.clone()
        }
        Reason::CrashLoopBackOff { last_exit, .. } => match last_exit {
            Some(exit) => format!("CrashLoopBackOff ({})", exit_in_short(exit)),
            None => "CrashLoopBackOff".into(),
        },
        Reason::ContainerTerminated { last_exit, .. } => {
            format!("ended ({})", exit_in_short(last_exit))
        }
        Reason::Initializing { .. } => "init containers at work".into(),
        Reason::ContainerCreating => "containers being created".into(),
        Reason::NotSeenByKubelet => "not seen by the kubelet".into(),
        Reason::ContainersNotReady { .. } => "containers not ready".into(),
        Reason::ReadinessGatesNotReady { .. } => "readiness gates not met".into(),
        Reason::NodeNotReady { .. } => "node not ready".into(),
        Reason::MinReadySeconds { min_ready_seconds, .. } => format!("ready for less than {min_ready_seconds}s"),
        Reason::StuckTerminating { .. } => "stuck terminating".into(),
        Reason::ExtraPods { .. } => "more pods than one".into(),
        Reason::NotEligible(failure) => placement_summary(failure),
    };
    sanitize(&text)
}

/// The cause with its evidence. Safe text.
pub(crate) fn detail(reason: &Reason, now: Timestamp, names: ListLength) -> String {
    let ago = |since: Option<Timestamp>| since.map(|since| age(since, now));
    let text = match reason {
        Reason::NotCreated => "no pod was created, and no event on record says why".into(),
        Reason::NotObserved { generation, observed } => {
            format!("the controller has seen generation {observed}, the spec is at {generation}")
        }
        Reason::SchedulerError { scheduler } => format!("the scheduler failed: {scheduler}"),
        Reason::NotScheduled { scheduler_name: None } => {
            "no scheduler has looked at it: is the one named in schedulerName running?".into()
        }
        Reason::NotScheduled { scheduler_name: Some(name) } => {
            format!("no scheduler has looked at it: is there one of the name {name}, and is it running?")
        }
        Reason::NotKnown { .. } => summary(reason),
        Reason::NodePressure { condition } => {
            format!(
                "the node has {condition}: its kubelet evicts every pod of a priority below 2000000000 that arrives"
            )
        }
        Reason::TaintEviction { taint, seconds } => {
            format!("taint {taint} is tolerated for {seconds}s only: the pod is evicted and made again for ever")
        }
        Reason::Rejected { rejection, count, last_seen } => {
            let times = count.map(|count| times(count, ago(*last_seen))).unwrap_or_default();
            format!("{}{times}", admission::detail(rejection, names))
        }
        Reason::FilterRejection(rejection) => scheduling::detail(rejection, names),
        Reason::PodFailed { detail, disruption, .. } => {
            let disruption = disruption.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            with_detail(&format!("{}{disruption}", summary(reason)), detail)
        }
        Reason::ImageError { container, detail, .. } | Reason::ContainerError { container, detail, .. } => {
            with_detail(&format!("{} in container {container}", summary(reason)), detail)
        }
        Reason::CrashLoopBackOff { container, restarts, last_exit } => {
            let exit = last_exit.as_ref().map(|exit| format!("{}, ", exit_in_full(exit))).unwrap_or_default();
            format!("CrashLoopBackOff of {container} ({exit}{})", pluralize(clamped(*restarts), "restart"))
        }
        Reason::ContainerTerminated { container, restarts, last_exit } => {
            format!("{container} ended ({}, {})", exit_in_full(last_exit), pluralize(clamped(*restarts), "restart"))
        }
        Reason::Initializing { done, total } => format!("init containers: {done} of {total} done"),
        Reason::NotSeenByKubelet => "bound, and the kubelet has not reported on it yet".into(),
        Reason::ContainersNotReady { containers } => {
            format!("not ready: {}", names.list(containers))
        }
        Reason::ReadinessGatesNotReady { detail } => with_detail("readiness gates not met", detail),
        Reason::NodeNotReady { reason, since } => {
            let since = ago(*since).map(|since| format!(" since {since}")).unwrap_or_default();
            format!("node not ready{since} ({reason})")
        }
        Reason::MinReadySeconds { min_ready_seconds, since } => match ago(*since) {
            Some(since) => format!("ready for {since} of {min_ready_seconds}s"),
            None => summary(reason),
        },
        Reason::PodSucceeded => {
            "all containers ended well, which those of a daemon should not: the controller makes a new pod each time"
                .into()
        }
        Reason::Terminating { deadline } => format!("being deleted, to be gone in {}", age(now, *deadline)),
        Reason::DaemonSetDeleting { since, finalizers } => {
            let held = match finalizers.as_slice() {
                [] => String::new(),
                finalizers => format!(", held by the finalizers {}", names.list(finalizers)),
            };
            format!("the DaemonSet is being deleted since {}{held}: no pod is made any more", age(*since, now))
        }
        Reason::StuckTerminating { deadline, finalizers } => {
            let held = match finalizers.as_slice() {
                [] => String::new(),
                finalizers => format!(", held by the finalizers {}", names.list(finalizers)),
            };
            format!("stuck terminating: was to be gone {} ago{held}", age(*deadline, now))
        }
        Reason::Warning { reason, detail, count, last_seen } => {
            format!("{reason}: {detail}{}", times(*count, ago(*last_seen)))
        }
        Reason::ExtraPods { pods } => {
            format!("{} besides: {}", pluralize(pods.len(), "pod"), names.join(pods, 3, ", ", String::clone))
        }
        Reason::NotEligible(failure) => placement_detail(failure, names),
        Reason::NoLongerUnschedulable { .. } => format!("{}; no filter refuses it any more", summary(reason)),
        Reason::Unschedulable { .. } | Reason::SchedulingGated | Reason::ContainerCreating => summary(reason),
    };
    sanitize(&text)
}

/// What to do about a reason that is neither a misfit nor a refusal.
pub(super) fn remedies(reason: &Reason, target: &RemedyContext<'_>) -> Vec<Remedy> {
    match reason {
        Reason::NotEligible(failure) => placement::remedies(failure, target),
        other => pod::remedies(other, target),
    }
}

fn clamped(restarts: i32) -> usize {
    usize::try_from(restarts).unwrap_or_default()
}

fn with_detail(head: &str, detail: &str) -> String {
    match detail {
        "" => head.to_owned(),
        detail => format!("{head}: {detail}"),
    }
}

/// ` (5 times, last 3m ago)`.
fn times(count: i32, ago: Option<String>) -> String {
    match (count, ago) {
        (1, Some(ago)) => format!(" ({ago} ago)"),
        (count, Some(ago)) => format!(" ({count} times, last {ago} ago)"),
        (1, None) => String::new(),
        (count, None) => format!(" ({count} times)"),
    }
}

pub(super) fn exit_in_short(exit: &Exit) -> String {
    match (exit.reason.as_str(), exit.signal) {
        ("OOMKilled", _) => "OOMKilled".into(),
        (_, 0) => format!("exit {}", exit.exit_code),
        (_, signal) => format!("signal {signal}"),
    }
}

fn exit_in_full(exit: &Exit) -> String {
    match exit.message.as_str() {
        "" => exit_in_short(exit),
        message => format!("{}: {message}", exit_in_short(exit)),
    }
}

/// What the scheduler says of the pod's own node. A daemon pod is pinned to one node: all others drop out by node
/// affinity, and are only noise here.
fn own_part(message: &str) -> String {
    let parts = message.split_once("nodes are available: ").map_or(message, |(_, parts)| parts);
    // Reasons of the filters end where preemption has its say.
    let parts = parts.split(". ").next().unwrap_or(parts).trim_end_matches('.');
    let is_noise = |part: &str| {
        part.contains("didn't satisfy plugin") || part.contains("didn't match Pod's node affinity/selector")
    };
    let own: Vec<&str> = parts.split(", ").map(without_count).filter(|part| !is_noise(part)).collect();
    match own.is_empty() {
        true => parts.to_owned(),
        false => own.join(", "),
    }
}

/// `1 Insufficient cpu` without its count.
fn without_count(part: &str) -> &str {
    match part.split_once(' ') {
        Some((number, rest)) if number.bytes().all(|c| c.is_ascii_digit()) => rest,
        _ => part,
    }
}

pub(super) fn placement_summary(failure: &PlacementFailure) -> String {
    match failure {
        PlacementFailure::NodeName { wanted } => format!("the template names node {wanted}"),
        PlacementFailure::NodeSelector { key, wanted, .. } => {
            format!("node selector {key}={wanted} not met")
        }
        PlacementFailure::NodeAffinity { terms } => {
            let names = ListLength::Handful;
            affinity_in_words(terms, names, |term| term_in_words(term, names, |one| wanted(one, names)))
        }
        PlacementFailure::NamespaceSelector { selector } => {
            format!("node selector of the namespace ({selector}) not met")
        }
        PlacementFailure::NamespaceMissing => "the namespace is not there".into(),
        PlacementFailure::Taint { taint } if taint.is_node_lifecycle_taint() => format!("node down (taint {taint})"),
        PlacementFailure::Taint { taint } => format!("taint {taint} not tolerated"),
    }
}

pub(super) fn placement_detail(failure: &PlacementFailure, names: ListLength) -> String {
    let found_text = |key: &str, found: &Option<String>| match found {
        Some(found) => format!("the node has {key}={found}"),
        None => format!("the node has no label {key}"),
    };
    match failure {
        PlacementFailure::NodeSelector { key, wanted, found } => {
            format!("node selector {key}={wanted} not met: {}", found_text(key, found))
        }
        PlacementFailure::NodeAffinity { terms } => {
            let requirement = |requirement: &Requirement| {
                let found = found_text(&requirement.key, &requirement.found);
                format!("{} ({found})", wanted(requirement, names))
            };
            affinity_in_words(terms, names, |term| term_in_words(term, names, requirement))
        }
        other => placement_summary(other),
    }
}

fn affinity_in_words(terms: &[TermMismatch], names: ListLength, term: impl Fn(&TermMismatch) -> String) -> String {
    match terms {
        [] => "node affinity not met: it has no term that could match".into(),
        terms => format!("node affinity not met: {}", names.join(terms, HANDFUL, "; or ", term)),
    }
}

fn term_in_words(term: &TermMismatch, names: ListLength, requirement: impl Fn(&Requirement) -> String) -> String {
    match &term.invalid {
        Some(why) => format!("a term that matches nothing ({why})"),
        None => names.join(&term.mismatches, HANDFUL, " and ", requirement),
    }
}

fn wanted(requirement: &Requirement, names: ListLength) -> String {
    let Requirement { key, operator, values, .. } = requirement;
    match values.as_slice() {
        [] => format!("{key} {operator}"),
        [value] if operator != "In" && operator != "NotIn" => format!("{key} {operator} {value}"),
        values => format!("{key} {operator} [{}]", names.list(values)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_schedulers_words_only_those_about_the_pods_own_node_are_short() {
        for (message, expected) in [
            (
                "0/5 nodes are available: 1 Insufficient cpu, 4 node(s) didn't satisfy plugin(s) [NodeAffinity]. no new \
                 claims to deallocate, preemption: 0/5 nodes are available: 1 No preemption victims found for incoming pod.",
                "unschedulable: Insufficient cpu",
            ),
            (
                "0/9 nodes are available: 1 Insufficient cpu, 1 Too many pods, 8 node(s) didn't match Pod's node \
                 affinity/selector. preemption: not eligible.",
                "unschedulable: Insufficient cpu, Too many pods",
            ),
            (
                "0/5 nodes are available: 5 node(s) didn't satisfy plugin(s) [NodeAffinity].",
                "unschedulable: 5 node(s) didn't satisfy plugin(s) [NodeAffinity]",
            ),
            ("no nodes available to schedule pods", "unschedulable: no nodes available to schedule pods"),
            ("", "unschedulable: "),
        ] {
            let reason = Reason::Unschedulable { scheduler: message.into() };
            assert_eq!(summary(&reason), sanitize(expected));
        }
    }

    #[test]
    fn hostile_words_of_an_event_never_reach_the_terminal() {
        let reason = Reason::Warning {
            reason: "Failed\u{1b}[2J".into(),
            detail: "a\u{202e}b".into(),
            count: 1,
            last_seen: None,
        };
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(detail(&reason, now, ListLength::Handful), "Failed\\u{1b}[2J: a\\u{202e}b");
        assert_eq!(summary(&reason), "Failed\\u{1b}[2J");
    }
}
