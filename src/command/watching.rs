//! Follows a cluster for a screen: lists once, then watches, and lists anew where changes were missed.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until, timeout};

use super::load::{About, Request, live};
use crate::cluster::connect::Access;
use crate::cluster::follow::{Follow, Step};
use crate::error::Error;
use crate::render::terminal;
use crate::snapshot::Snapshot;

/// Changes come in bursts: one look at all that come within this time.
const BURST: Duration = Duration::from_millis(250);
/// Ages grow, and ready pods become available, without any change.
const TICK: Duration = Duration::from_secs(5);
/// Events are not watched, only read again, and not more often than this.
const EVENTS: Duration = Duration::from_secs(10);

/// How long to wait before lists that failed are asked for again.
const RELOAD: Duration = Duration::from_secs(5);

/// What is done with each state of the cluster.
pub(super) trait View {
    /// Which events there is room for.
    fn about(&self) -> About;

    /// Whether events could tell more.
    fn wants_events(&self, snapshot: &Snapshot) -> bool;

    /// Shows the snapshot, and what is wrong with the connection. `Break` ends the watch.
    ///
    /// # Errors
    /// What cannot be written.
    fn show(&mut self, snapshot: &Snapshot, trouble: Option<&str>) -> Result<ControlFlow<ExitCode>, Error>;

    /// When to show it again although nothing has changed, if that is sooner than it is done anyway.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// The cluster gives no lists: those after the first, as an error of the first ends the command.
    fn outage(&mut self, error: &Error) -> ControlFlow<ExitCode> {
        terminal::note(&format!("{error}; trying again"));
        ControlFlow::Continue(())
    }

    /// Lists after the first fail for a reason that will not pass by itself.
    ///
    /// # Errors
    /// That reason, if it ends the command as an error.
    fn failed(&mut self, error: Error) -> Result<ExitCode, Error> {
        Err(error)
    }
}

/// Shows, waits for changes, shows again, until the view has seen enough or the command is interrupted.
///
/// # Errors
/// What will not pass by itself.
pub(super) async fn watch(access: &Access, request: &Request, view: &mut impl View) -> Result<ExitCode, Error> {
    let mut loaded = live::load(access, request).await?;
    loop {
        let mut follow = loaded.follow(access);
        if let ControlFlow::Break(code) = until_relist(access, request, &mut loaded.snapshot, &mut follow, view).await?
        {
            return Ok(code);
        }
        loaded = match load_again(access, request, view).await? {
            ControlFlow::Continue(loaded) => loaded,
            ControlFlow::Break(code) => return Ok(code),
        };
    }
}

/// Lists anew. By now the cluster is known to be there, so an outage is waited for.
async fn load_again(
    access: &Access,
    request: &Request,
    view: &mut impl View,
) -> Result<ControlFlow<ExitCode, live::Loaded>, Error> {
    loop {
        match live::load(access, request).await {
            Ok(loaded) => return Ok(ControlFlow::Continue(loaded)),
            Err(error) if error.may_pass() => {
                if let ControlFlow::Break(code) = view.outage(&error) {
                    return Ok(ControlFlow::Break(code));
                }
                let again = Instant::now() + RELOAD;
                sleep_until(view.due().map_or(again, |due| due.min(again))).await;
            }
            Err(error) => return view.failed(error).map(ControlFlow::Break),
        }
    }
}

/// Follows one set of lists for as long as their changes come without a gap.
async fn until_relist(
    access: &Access,
    request: &Request,
    snapshot: &mut Snapshot,
    follow: &mut Follow,
    view: &mut impl View,
) -> Result<ControlFlow<ExitCode>, Error> {
    let mut events_read: Option<Instant> = None;
    let mut trouble: Option<String> = None;
    let mut window = Window::new();
    loop {
        let may_read = events_read.is_none_or(|read| read.elapsed() >= EVENTS);
        if may_read && view.wants_events(snapshot) {
            // What happens meanwhile waits, so a server that hangs gets little time.
            let events = timeout(RELOAD, live::events(access, request, view.about())).await;
            match events {
                Ok(Ok(events)) => snapshot.events = events,
                Ok(Err(error)) if !error.may_pass() => return Err(error),
                // The watches notice an outage by themselves.
                Ok(Err(_)) | Err(_) => {}
            }
            events_read = Some(Instant::now());
        }
        snapshot.as_of = Timestamp::now();
        if let ControlFlow::Break(code) = view.show(snapshot, trouble.as_deref())? {
            return Ok(ControlFlow::Break(code));
        }

        let tick = Instant::now() + TICK;
        let mut deadline = view.due().map_or(tick, |due| due.min(tick));
        loop {
            let step = tokio::select! {
                biased;
                () = sleep_until(deadline) => break,
                () = window.changed() => break,
                step = follow.next(snapshot) => step?,
            };
            match step {
                Step::Relist => return Ok(ControlFlow::Continue(())),
                Step::Changed => trouble = None,
                // A sign of life ends an outage, and is otherwise nothing to see.
                Step::Quiet if trouble.take().is_some() => {}
                Step::Quiet => continue,
                // Each watch notices an outage in its own words; the first ones will do.
                Step::Interrupted(error) => {
                    trouble.get_or_insert_with(|| error.to_string());
                }
            }
            // The first change opens a short time in which others join it.
            deadline = deadline.min(Instant::now() + BURST);
        }
    }
}

/// What is said of a lost connection.
pub(super) fn connection_lost(trouble: &str) -> String {
    format!("the connection is lost, trying again: {trouble}")
}

/// Tells when the terminal gets another size.
struct Window {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Window {
    #[cfg(unix)]
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self { signal: signal(SignalKind::window_change()).ok() }
    }

    #[cfg(unix)]
    async fn changed(&mut self) {
        match &mut self.signal {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    async fn changed(&mut self) {
        std::future::pending().await
    }
}
