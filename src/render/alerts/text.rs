//! The sentences of `alerts`. All of them are safe text.

use jiff::{SignedDuration, Timestamp};

use crate::alerts::{ActiveAlert, AlertState, CauseType, DaemonSetAlerts, FalseAlarm, MissedAlert, StatusLag, Verdict};
use crate::coverage::Counts;
use crate::render::age::age;
use crate::render::coverage::why_none_is_eligible;
use crate::render::name_list::{HANDFUL_OF_NODES, ListLength};
use crate::render::text::{pluralize, sanitize};
use crate::rollout::Phase;

pub(super) fn state_name(state: AlertState) -> &'static str {
    match state {
        AlertState::Firing => "Firing",
        AlertState::Pending => "Pending",
    }
}

/// `>=4m`, or `?` if nothing is proven.
pub(super) fn at_least(since: Option<Timestamp>, now: Timestamp) -> String {
    since.map_or_else(|| "?".to_owned(), |since| format!(">={}", age(since, now)))
}

/// `true for at least 4m, fires after 15m`.
pub(super) fn duration(active: &ActiveAlert<'_>, now: Timestamp) -> String {
    let minutes = active.alert.minutes();
    let proven = match active.since {
        Some(since) => format!("true for at least {}, fires after {minutes}m", age(since, now)),
        None => format!("true now, not known for how long, fires after {minutes}m"),
    };
    let required = SignedDuration::from_mins(i64::from(minutes));
    let older = active.cause_since().filter(|since| now.duration_since(*since) >= required);
    match (active.state, older) {
        (AlertState::Pending, Some(since)) => {
            format!("{proven}; a node has had its cause for at least {}: probably firing", age(since, now))
        }
        (AlertState::Pending | AlertState::Firing, _) => proven,
    }
}

pub(super) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Real => "real",
        Verdict::FalseAlarm => "false alarm",
        Verdict::Unknown => "unknown",
    }
}

/// The verdict within a table: `false alarm: node down, OnDelete`.
pub(super) fn verdict_in_short(active: &ActiveAlert<'_>, of: &DaemonSetAlerts<'_>) -> String {
    match active.verdict {
        Verdict::FalseAlarm => {
            let reasons: Vec<&str> = active.false_alarms.iter().map(|one| false_alarm_in_short(*one)).collect();
            format!("{}: {}", verdict_name(active.verdict), reasons.join(", "))
        }
        Verdict::Real | Verdict::Unknown => verdict(active, of),
    }
}

fn false_alarm_in_short(reason: FalseAlarm) -> &'static str {
    match reason {
        FalseAlarm::NodeDown => "node down",
        FalseAlarm::NodeLeaving => "node leaving",
        FalseAlarm::NodeJoined => "new node",
        FalseAlarm::VirtualNode => "virtual node",
        FalseAlarm::PodKeepsRunning => "pod keeps running",
        FalseAlarm::AwaitingDeletion => "OnDelete",
        FalseAlarm::RolloutInProgress => "rollout in progress",
        FalseAlarm::StatusOutdated => ".status outdated",
    }
}

/// Why the alert is real, or a false alarm.
pub(super) fn verdict(active: &ActiveAlert<'_>, of: &DaemonSetAlerts<'_>) -> String {
    let why = match active.verdict {
        Verdict::Unknown => "not all nodes, pods and revisions could be read".to_owned(),
        Verdict::FalseAlarm => active.false_alarms.iter().map(|one| false_alarm(*one)).collect::<Vec<_>>().join("; "),
        Verdict::Real => match of.rollout.phase {
            Phase::Stuck if active.alert.is_about_rollout() => {
                "the rollout cannot complete without intervention".into()
            }
            Phase::Blocked if active.alert.is_about_rollout() => "the rollout makes no progress".into(),
            Phase::Unknown
            | Phase::NotObserved
            | Phase::Progressing
            | Phase::AwaitingDeletion
            | Phase::Degraded
            | Phase::Blocked
            | Phase::Complete
            | Phase::Stuck
            | Phase::Deleting => {
                let wrong = active.causes.iter().filter(|cause| cause.false_alarm.is_none()).count();
                match wrong {
                    1 => "1 node has a problem".into(),
                    wrong => format!("{wrong} nodes have a problem"),
                }
            }
        },
    };
    format!("{}: {why}", verdict_name(active.verdict))
}

pub(super) fn false_alarm(reason: FalseAlarm) -> &'static str {
    match reason {
        FalseAlarm::NodeDown => "the node is down, and its pod cannot be replaced until the node recovers",
        FalseAlarm::NodeLeaving => "the node is cordoned, drained, in maintenance or being deleted",
        FalseAlarm::NodeJoined => "the node joined less than 10 minutes ago",
        FalseAlarm::VirtualNode => "the node is virtual: no daemon pod runs there",
        FalseAlarm::PodKeepsRunning => "the node was tainted after the pod started, and the pod keeps running",
        FalseAlarm::AwaitingDeletion => "OnDelete: the outdated pods remain until they are deleted",
        FalseAlarm::RolloutInProgress => "the rollout makes progress",
        FalseAlarm::StatusOutdated => ".status is outdated: nodes and pods do not show it",
    }
}

pub(super) fn cause_type(cause_type: CauseType) -> &'static str {
    match cause_type {
        CauseType::Missing => "no pod",
        CauseType::Misscheduled => "misscheduled pod",
        CauseType::Unavailable => "pod not available",
        CauseType::Outdated => "outdated pod",
    }
}

/// How `.status` differs from nodes and pods.
pub(super) fn lag(of: &DaemonSetAlerts<'_>, now: Timestamp) -> Option<String> {
    let ago = of.status_changed.map(|changed| format!("; it last changed {} ago", age(changed, now)));
    let ago = ago.unwrap_or_default();
    Some(match of.lag? {
        StatusLag::NotObserved { generation, observed } => format!(
            ".status is outdated: the controller has observed generation {observed} of {generation}{ago}; if that does not \
             change, check that kube-controller-manager is running"
        ),
        StatusLag::Differs => format!(
            ".status differs from nodes and pods, and the alerts read .status: {}{ago}",
            differences(&of.status, &of.coverage.counts)
        ),
    })
}

/// `misscheduled 1 (computed: 0)`.
fn differences(status: &Counts, computed: &Counts) -> String {
    let number = |number: Option<usize>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let all = [
        ("desired", status.desired, computed.desired),
        ("current", status.current, computed.current),
        ("updated", status.up_to_date, computed.up_to_date),
        ("available", status.available, computed.available),
        ("misscheduled", status.misscheduled, computed.misscheduled),
    ];
    let differs = all.into_iter().filter(|(_, status, computed)| computed.is_some() && status != computed);
    let words =
        differs.map(|(name, status, computed)| format!("{name} {} (computed: {})", number(status), number(computed)));
    words.collect::<Vec<_>>().join(", ")
}

/// What no alert reports.
pub(super) fn missed(missed: &MissedAlert, of: &DaemonSetAlerts<'_>, now: Timestamp, length: ListLength) -> String {
    let text = match missed {
        MissedAlert::NoEligibleNode { labels_elsewhere } => {
            let why = why_none_is_eligible(&of.coverage.rows);
            match labels_elsewhere.as_slice() {
                [] => why,
                keys => format!("{why}; nodes have the label with another value: {}", length.list(keys)),
            }
        }
        MissedAlert::OutdatedForDays { nodes, since } => format!(
            "OnDelete: outdated for at least {} and counted as up to date in .status: {} ({})",
            age(*since, now),
            pluralize(nodes.len(), "node"),
            length.join(nodes, HANDFUL_OF_NODES, ", ", String::clone)
        ),
        MissedAlert::StatusOutdated { alert } => {
            format!("{} would be active if .status were up to date", alert.name())
        }
        MissedAlert::NotObserved { generation, observed } => {
            format!("the alerts read the numbers of generation {observed}; the spec has generation {generation}")
        }
    };
    sanitize(&text)
}
