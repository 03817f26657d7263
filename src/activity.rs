//! What the program waits for: begun where the waiting happens, and shown to the user by `render::progress`.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is being waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// A credential plugin runs.
    CredentialPlugin {
        /// Its name, without its folder.
        name: String,
        /// The user entry of the kubeconfig that it is for.
        user: String,
    },
    /// An API server is asked for objects.
    Objects {
        /// The resource in the plural.
        resource: String,
        /// The server's URL.
        server: String,
    },
    /// A file of a saved cluster is read.
    File {
        /// Its path.
        path: String,
    },
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

/// How far the waiting is.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    /// The activity that began first of those that have not ended; a credential plugin comes before all others.
    pub(crate) activity: Activity,
    /// The objects that have arrived.
    pub(crate) count: u64,
    /// For how long there has been something to wait for.
    pub(crate) waited: Duration,
}

/// An activity in the register.
struct Entry {
    number: u64,
    activity: Activity,
    count: Arc<AtomicU64>,
}

/// The activities that have not ended, in their order.
struct Register {
    entries: Vec<Entry>,
    next: u64,
    /// Since when there has been something to wait for, and since when there has been nothing.
    busy: Option<Instant>,
    idle: Option<Instant>,
}

static REGISTER: Mutex<Register> = Mutex::new(Register { entries: Vec::new(), next: 0, busy: None, idle: None });
/// One request follows another: a pause that is shorter does not end the waiting.
const PAUSE: Duration = Duration::from_millis(200);

fn register() -> MutexGuard<'static, Register> {
    REGISTER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins an activity, which ends when the value is dropped.
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

/// The name of the credential plugin that is waited for on behalf of this user entry.
pub(crate) fn plugin_of(owner: &str) -> Option<String> {
    register().entries.iter().find_map(|entry| match &entry.activity {
        Activity::CredentialPlugin { name, user } if user == owner => Some(name.clone()),
        _ => None,
    })
}

/// What is being waited for; `None` if nothing is.
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

/// An activity that has not ended.
#[derive(Debug)]
pub(crate) struct Running {
    number: u64,
    count: Arc<AtomicU64>,
}

impl Running {
    /// One more object has arrived.
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
