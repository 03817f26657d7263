//! What the program waits for besides the API server, for a display that tells the user about it.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// What is being waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// A credential plugin runs.
    CredentialPlugin {
        /// Its name, without its folder.
        name: String,
    },
}

impl fmt::Display for Activity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CredentialPlugin { name } => write!(formatter, "waiting for the credential plugin {name:?}"),
        }
    }
}

/// The activities that have not ended, in their order.
#[derive(Debug, Default)]
pub(crate) struct Activities(Vec<(u64, Activity)>);

impl Activities {
    /// The one that began last.
    pub(crate) fn latest(&self) -> Option<&Activity> {
        self.0.last().map(|(_, activity)| activity)
    }
}

static CURRENT: LazyLock<watch::Sender<Activities>> = LazyLock::new(|| watch::Sender::new(Activities::default()));
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The current activities, and their changes.
pub(crate) fn subscribe() -> watch::Receiver<Activities> {
    CURRENT.subscribe()
}

/// The latest activity.
pub(super) fn current() -> Option<Activity> {
    CURRENT.borrow().latest().cloned()
}

/// Begins an activity, which ends when the value is dropped.
pub(super) fn begin(activity: Activity) -> Running {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    CURRENT.send_modify(|current| current.0.push((number, activity)));
    Running(number)
}

/// An activity that has not ended.
#[derive(Debug)]
pub(super) struct Running(u64);

impl Drop for Running {
    fn drop(&mut self) {
        CURRENT.send_modify(|current| current.0.retain(|(number, _)| *number != self.0));
    }
}
