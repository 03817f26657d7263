//! Who holds the lock of a DaemonSet, whether it is paused, and which nodes a cycle left cordoned.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use serde::Serialize;
use serde_json::Value;

use super::strategy_text::strategy;
use crate::cycle::LockSighting;
use crate::render::age::age;
use crate::render::command_line::CommandLine;
use crate::render::name_list::{HANDFUL, HANDFUL_OF_NODES, ListLength};
use crate::render::text::{pluralize, sanitize};
use crate::rollout::{PauseState, Strategy};
use crate::snapshot::Known;

/// The lock of a DaemonSet in JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all_fields = "camelCase")]
pub(super) enum LockView<'a> {
    /// No command holds the lock.
    Free,
    /// A command holds the lock, or held it when it was killed.
    Held {
        lease: &'a str,
        holder: &'a str,
        /// When the holder acquired the lock, by its own clock.
        since: Option<Timestamp>,
        /// When the holder renewed the lock, by its own clock.
        renewed: Option<Timestamp>,
        /// How long the lock is valid after a renewal.
        lease_duration_seconds: u64,
    },
}

impl<'a> LockView<'a> {
    /// `None` if the lock could not be read.
    pub(super) fn new(lock: Known<Option<&'a LockSighting>>) -> Option<Self> {
        lock.known().map(|lock| match lock {
            None => Self::Free,
            Some(LockSighting { lease, holder, since, renewed, duration_seconds }) => Self::Held {
                lease,
                holder,
                since: *since,
                renewed: *renewed,
                lease_duration_seconds: *duration_seconds,
            },
        })
    }
}

/// `locked by host_123_abc for 3m, renewed 2s ago`. Safe text.
pub(crate) fn lock_in_words(lock: &LockSighting, now: Timestamp) -> String {
    let since = lock.since.map(|since| format!(" for {}", age(since, now))).unwrap_or_default();
    let renewed = match lock.renewed {
        Some(renewed) => format!(", renewed {} ago", age(renewed, now)),
        None => ", never renewed".to_owned(),
    };
    let overdue = match lock.is_overdue(now) {
        true => {
            format!(" although a lock is valid for {}s: the command has probably ended", lock.duration_seconds)
        }
        false => String::new(),
    };
    format!("locked by {}{since}{renewed}{overdue}", sanitize(&lock.holder))
}

/// `1 node still cordoned by an earlier cycle: a; finish it with: kubectl ds cycle agent -n logging`. `None` if there is
/// no such node, or while a cycle holds the lock. Safe text.
pub(crate) fn cordons_in_words(
    daemon_set: &DaemonSet,
    nodes: &[&str],
    lock: &Known<Option<&LockSighting>>,
    now: Timestamp,
    names: ListLength,
) -> Option<String> {
    let (by, unless) = match lock {
        Known::Known(Some(lock)) if !lock.is_overdue(now) => return None,
        Known::Known(_) => ("still cordoned by an earlier cycle", ""),
        Known::Unknown(_) => ("cordoned by a cycle", "unless it is running, "),
    };
    let number = (!nodes.is_empty()).then(|| pluralize(nodes.len(), "node"))?;
    let named = names.join(nodes, HANDFUL_OF_NODES, ", ", |node| sanitize(node));
    let is_on_delete = Strategy::new(daemon_set, 0) == Strategy::OnDelete;
    let (advice, line) = match is_on_delete {
        true => {
            let metadata = &daemon_set.metadata;
            let line = CommandLine::own_program("cycle").name(metadata.name.as_deref().unwrap_or_default());
            ("finish", line.namespace(metadata.namespace.as_deref().unwrap_or_default()))
        }
        // Here, cycle needs --all and replaces every pod.
        false => {
            let uncordon = CommandLine::new("kubectl uncordon");
            ("uncordon", nodes.iter().take(HANDFUL).fold(uncordon, |line, node| line.name(node)))
        }
    };
    let them = if nodes.len() == 1 { "it" } else { "them" };
    let line = line.offered().map(|line| format!("; {unless}{advice} {them} with: {line}")).unwrap_or_default();
    Some(format!("{number} {by}: {named}{line}"))
}

/// A pause in JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct PauseView {
    /// By the clock of the machine on which it was paused.
    since: Option<Timestamp>,
    /// The host on which it was paused.
    by: Option<String>,
    /// The update strategy that `rollout resume` restores.
    update_strategy: Value,
}

impl PauseView {
    /// `None` if the DaemonSet is not paused.
    pub(super) fn new(daemon_set: &DaemonSet) -> Option<Self> {
        match PauseState::new(daemon_set) {
            PauseState::Paused(paused) => {
                Some(Self { since: paused.at, by: paused.by, update_strategy: paused.strategy })
            }
            PauseState::Rolling | PauseState::Overridden | PauseState::Invalid(_) | PauseState::OnDelete => None,
        }
    }
}

/// `Paused 5m ago on laptop; rollout resume restores RollingUpdate (maxUnavailable 2)`. Safe text.
pub(super) fn pause_in_words(daemon_set: &DaemonSet, now: Timestamp) -> Option<String> {
    let PauseView { since, by, update_strategy } = PauseView::new(daemon_set)?;
    let since = since.map(|since| format!(" {} ago", age(since, now))).unwrap_or_default();
    let by = by.map(|by| format!(" on {}", sanitize(&by))).unwrap_or_default();
    Some(format!("Paused{since}{by}; rollout resume restores {}", strategy(&update_strategy)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn words(renewed: Option<&str>) -> String {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let lock = LockSighting {
            lease: "l".into(),
            holder: "host\u{1b}_1".into(),
            since: Some(at("2026-01-02T11:57:00Z")),
            renewed: renewed.map(at),
            duration_seconds: 15,
        };
        lock_in_words(&lock, at("2026-01-02T12:00:00Z"))
    }

    #[test]
    fn overdue_lock_is_not_shown_as_an_active_one() {
        let live = words(Some("2026-01-02T11:59:58Z"));
        assert!(live.starts_with("locked by host") && live.ends_with("_1 for 3m, renewed 2s ago"), "{live}");
        assert!(!live.contains('\u{1b}'));
        let overdue = words(Some("2026-01-02T11:55:00Z"));
        assert!(overdue.contains("renewed 5m ago although a lock is valid for 15s: the command has probably ended"));
        assert!(words(None).contains("never renewed although"));
    }
}
