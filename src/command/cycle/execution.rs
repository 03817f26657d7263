//! The state of one `cycle` command. What it does is in `executor`, `start`, `locking`, `removal` and
//! `node_hooks`.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::observer::Observer;
use super::options::CycleOptions;
use super::running_hooks::RunningHooks;
use crate::command::lock::{Clock, Lock};
use crate::cycle::{Held, Moment};
use crate::interrupt::Signals;

/// The delay before failed lists are retried.
pub(super) const RELIST_DELAY: Duration = Duration::from_secs(2);

/// The state of one `cycle` command.
pub(super) struct Executor {
    pub(super) observer: Observer,
    pub(super) signals: Signals,
    pub(super) options: CycleOptions,
    pub(super) clock: Clock,
    /// The exit code for the signal that stopped the command.
    pub(super) stopped_by: Option<u8>,
    /// The lock, held from before the first delete to the end.
    pub(super) lock: Option<Lock>,
    pub(super) is_lock_lost: bool,
    /// What is running on the nodes.
    pub(super) hooks: Option<RunningHooks>,
    /// The nodes that this program has cordoned and not uncordoned yet.
    pub(super) cordoned: BTreeSet<String>,
    /// When the time of `--timeout` is over.
    pub(super) deadline: Option<Timestamp>,
    /// The last confirmed state of the lock.
    pub(super) held: Option<Held>,
    /// Since when renewing the lock has been failing.
    pub(super) unconfirmed_since: Option<Moment>,
}

impl Executor {
    pub(super) fn new(observer: Observer, signals: Signals, options: CycleOptions, clock: Clock) -> Self {
        Self {
            observer,
            signals,
            options,
            clock,
            stopped_by: None,
            lock: None,
            is_lock_lost: false,
            hooks: None,
            cordoned: BTreeSet::new(),
            deadline: None,
            held: None,
            unconfirmed_since: None,
        }
    }
}
