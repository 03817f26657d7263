//! The causes of an alert in groups: nodes with the same cause as one.

use jiff::Timestamp;

use super::text::{cause_type, false_alarm};
use crate::alerts::{CauseType, NodeCause};
use crate::render::age::age;
use crate::render::name_list::{HANDFUL_OF_NODES, ListLength};
use crate::render::reason::{detail, summary};
use crate::render::text::sanitize;

/// Where it is shown what makes a false alarm of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExcuseShown {
    /// With the cause.
    Here,
    /// In the verdict, because all causes have the same one.
    InVerdict,
}

/// Nodes with the same cause.
pub(super) struct CauseGroup<'r, 'a> {
    pub(super) causes: Vec<&'r NodeCause<'a>>,
}

/// The groups: first those that are not false alarms, then by the number of nodes, descending.
pub(super) fn groups<'r, 'a>(causes: &'r [NodeCause<'a>]) -> Vec<CauseGroup<'r, 'a>> {
    let mut groups: Vec<(String, CauseGroup<'r, 'a>)> = Vec::new();
    for cause in causes {
        let key = in_short(cause);
        let is_same = |(known, group): &&mut (String, CauseGroup<'r, 'a>)| {
            *known == key && group.causes.first().is_some_and(|first| first.false_alarm == cause.false_alarm)
        };
        match groups.iter_mut().find(is_same) {
            Some((_, group)) => group.causes.push(cause),
            None => groups.push((key, CauseGroup { causes: vec![cause] })),
        }
    }
    let mut groups: Vec<CauseGroup<'r, 'a>> = groups.into_iter().map(|(_, group)| group).collect();
    groups.sort_by_key(|group| (group.is_false_alarm(), std::cmp::Reverse(group.causes.len())));
    groups
}

impl CauseGroup<'_, '_> {
    pub(super) fn is_false_alarm(&self) -> bool {
        self.causes.iter().all(|cause| cause.false_alarm.is_some())
    }

    /// `worker-a1, worker-a2: pod not available: CrashLoopBackOff, for at least 2h (false alarm: …)`. `with_excuse`: what
    /// makes a false alarm of it is not shown elsewhere. Safe text.
    pub(super) fn line(&self, with_excuse: ExcuseShown, now: Timestamp, length: ListLength) -> String {
        let Some(first) = self.causes.first() else { return String::new() };
        let nodes = length.join(&self.causes, HANDFUL_OF_NODES, ", ", |cause| sanitize(cause.node));
        let what = match self.causes.len() {
            1 => in_detail(first, now, length),
            _ => in_short(first),
        };
        let since = self.causes.iter().filter_map(|cause| cause.since).min();
        let since = since.map(|since| format!(", for at least {}", age(since, now))).unwrap_or_default();
        let excuse = first.false_alarm.filter(|_| with_excuse == ExcuseShown::Here);
        let excuse = excuse.map(|one| format!(" (false alarm: {})", false_alarm(one))).unwrap_or_default();
        format!("{nodes}: {what}{since}{excuse}")
    }
}

/// The cause without details that differ between nodes. Safe text.
pub(super) fn in_short(cause: &NodeCause<'_>) -> String {
    with_reason(cause.cause_type, cause.reason.as_ref().map(summary))
}

/// The cause with its evidence. Safe text.
pub(super) fn in_detail(cause: &NodeCause<'_>, now: Timestamp, length: ListLength) -> String {
    with_reason(cause.cause_type, cause.reason.as_ref().map(|reason| detail(reason, now, length)))
}

fn with_reason(of: CauseType, reason: Option<String>) -> String {
    match reason {
        Some(reason) => format!("{}: {reason}", cause_type(of)),
        None => cause_type(of).to_owned(),
    }
}
