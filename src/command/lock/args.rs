//! The flags for the lock.

use std::time::Duration;

use clap::Args;

use crate::command::args::duration;
use crate::cycle::LockWait;

/// The flags for the lock, of the commands that have no other options for it.
#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// Wait while another command holds the lock of this DaemonSet, for at most this long: 30m. Without a value, wait
    /// indefinitely
    #[arg(long, value_name = "DURATION", value_parser = duration, num_args = 0..=1, require_equals = true, default_missing_value = "0s", conflicts_with = "no_lock")]
    pub(crate) wait_for_lock: Option<Duration>,
    /// Do not acquire the lock. A concurrent command can then change the DaemonSet or delete its pods
    #[arg(long)]
    pub(crate) no_lock: bool,
}

impl LockArgs {
    /// What to do while another command holds the lock; `None` with `--no-lock`.
    pub(crate) fn wait(&self) -> Option<LockWait> {
        match self.wait_for_lock {
            _ if self.no_lock => None,
            None => Some(LockWait::GiveUp),
            Some(Duration::ZERO) => Some(LockWait::Wait),
            Some(limit) => Some(LockWait::WaitFor(limit)),
        }
    }
}
