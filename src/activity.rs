//! A global register of what the program is waiting for. `cluster` adds an activity where it waits; `render::progress`
//! shows the first one to the user.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An operation that may take long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Running a credential plugin.
    CredentialPlugin {
        /// The file name of the plugin, without its directory.
        name: String,
        /// The user entry of the kubeconfig that the plugin authenticates.
        user: String,
    },
    /// Listing objects from an API server.
    Objects {
        /// The resource in the plural.
        resource: String,
        /// The server's URL.
        server: String,
    },
    /// Reading a file of a saved cluster.
    File { path: String },
}

impl fmt::Display for Activity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CredentialPlugin { name, .. } => write!(formatter, "waiting for the credential plugin {name:?}"),
            Self::Objects { resource, server } => write!(formatter, "reading {resource} from {server}"),
            Self::File { path } => write!(formatter, "reading {path}"),
        }
    }
}

/// The activity to show, and its progress.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    /// The oldest running activity; a credential plugin takes precedence over all others.
    pub(crate) activity: Activity,
    /// The number of objects received.
    pub(crate) count: u64,
    /// How long at least one activity has been running.
    pub(crate) waited: Duration,
}

struct Entry {
    number: u64,
    activity: Activity,
    count: Arc<AtomicU64>,
}

/// The running activities, in the order in which they began.
struct Register {
    entries: Vec<Entry>,
    next: u64,
    /// When the register last became non-empty, and when it last became empty.
    busy: Option<Instant>,
    idle: Option<Instant>,
}

static REGISTER: Mutex<Register> = Mutex::new(Register { entries: Vec::new(), next: 0, busy: None, idle: None });
/// A pause between two activities that is shorter than this does not reset the waiting time.
const PAUSE: Duration = Duration::from_millis(200);

fn register() -> MutexGuard<'static, Register> {
    REGISTER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers an activity, which ends when the returned value is dropped.
pub(crate) fn begin(activity: Activity) -> Running {
    let mut register = register();
    let now = Instant::now();
    if register.entries.is_empty() && register.idle.take().is_none_or(|idle| now.duration_since(idle) > PAUSE) {
        register.busy = Some(now);
    }
    register.next += 1;
    let (number, count) = (register.next, Arc::default());
    register.entries.push(Entry { number, activity, count: Arc::clone(&count) });
    Running { number, count }
}

/// The name of the credential plugin that is running for this user entry.
pub(crate) fn plugin_of(owner: &str) -> Option<String> {
    register().entries.iter().find_map(|entry| match &entry.activity {
        Activity::CredentialPlugin { name, user } if user == owner => Some(name.clone()),
        _ => None,
    })
}

/// The activity to show; `None` if none is running.
pub(crate) fn current() -> Option<Status> {
    let register = register();
    let is_plugin = |entry: &&Entry| matches!(entry.activity, Activity::CredentialPlugin { .. });
    let entry = register.entries.iter().find(is_plugin).or(register.entries.first())?;
    Some(Status {
        activity: entry.activity.clone(),
        count: entry.count.load(Ordering::Relaxed),
        waited: register.busy.map(|busy| busy.elapsed()).unwrap_or_default(),
    })
}

/// A handle to a running activity. Dropping it ends the activity.
#[derive(Debug)]
pub(crate) struct Running {
    number: u64,
    count: Arc<AtomicU64>,
}

impl Running {
    /// Counts one received object.
    pub(crate) fn add_one(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut register = register();
        register.entries.retain(|entry| entry.number != self.number);
        if register.entries.is_empty() {
            register.idle = Some(Instant::now());
        }
    }
}
