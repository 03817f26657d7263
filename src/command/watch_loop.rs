//! Follows a cluster for a screen: lists once, then watches, and lists anew where changes were missed.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use crate::cluster::connect::Access;
use crate::cluster::live_snapshot::{SnapshotWatcher, WatchUpdate};
use crate::cluster::relist::RelistPace;
use crate::error::Error;
use crate::load::{Request, live};
use crate::render::terminal;
use crate::snapshot::{EventQuery, Known, Snapshot};

/// Changes come in bursts: one look at all that come within this time.
pub(super) const DEBOUNCE: Duration = Duration::from_millis(250);
/// Ages grow, and ready pods become available, without any change.
pub(super) const REFRESH: Duration = Duration::from_secs(5);
/// A look that wants events waits for them, but not longer than this.
pub(super) const EVENTS: Duration = Duration::from_secs(2);
/// How long to wait before lists that failed are asked for again.
const RELIST_DELAY: Duration = Duration::from_secs(5);

/// What is done with each state of the cluster.
pub(super) trait WatchHandler {
    /// The events that may say more.
    fn event_query(&self, snapshot: &Snapshot) -> EventQuery;

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
    fn on_disconnect(&mut self, error: &Error) -> ControlFlow<ExitCode> {
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
pub(super) async fn watch(
    access: &Access,
    request: &Request,
    handler: &mut impl WatchHandler,
) -> Result<ExitCode, Error> {
    let mut loaded = live::load(access, request).await?;
    let mut events = None;
    let mut pace = RelistPace::default();
    loop {
        let mut follow = loaded.follow(access);
        if let Some((events, known)) = events.take() {
            follow.resume_events(events, known, &mut loaded.snapshot);
        }
        if let ControlFlow::Break(code) = until_relist(access, &mut loaded.snapshot, &mut follow, handler).await? {
            return Ok(code);
        }
        let known = std::mem::replace(&mut loaded.snapshot.events, Known::Known(Vec::new()));
        events = follow.into_events().map(|events| (events, known));
        tokio::select! {
            () = pace.pause() => {}
            // What the view waits for, such as its time limit, does not wait for the pause.
            () = until_due(handler) => {}
        }
        if let Some(note) = pace.note() {
            terminal::note(note);
        }
        loaded = match load_again(access, request, handler).await? {
            ControlFlow::Continue(loaded) => loaded,
            ControlFlow::Break(code) => return Ok(code),
        };
    }
}

async fn until_due(handler: &impl WatchHandler) {
    match handler.due() {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Lists anew. By now the cluster is known to be there, so an outage is waited for.
async fn load_again(
    access: &Access,
    request: &Request,
    handler: &mut impl WatchHandler,
) -> Result<ControlFlow<ExitCode, live::Loaded>, Error> {
    loop {
        match live::load(access, request).await {
            Ok(loaded) => return Ok(ControlFlow::Continue(loaded)),
            Err(error) if error.may_pass() => {
                if let ControlFlow::Break(code) = handler.on_disconnect(&error) {
                    return Ok(ControlFlow::Break(code));
                }
                let again = Instant::now() + RELIST_DELAY;
                sleep_until(handler.due().map_or(again, |due| due.min(again))).await;
            }
            Err(error) => return handler.failed(error).map(ControlFlow::Break),
        }
    }
}

/// Follows one set of lists for as long as their changes come without a gap.
async fn until_relist(
    access: &Access,
    snapshot: &mut Snapshot,
    follow: &mut SnapshotWatcher,
    handler: &mut impl WatchHandler,
) -> Result<ControlFlow<ExitCode>, Error> {
    let mut trouble: Option<String> = None;
    let mut window = Window::new();
    loop {
        if follow.watch_events(access, || handler.event_query(snapshot))
            && let UpdateKind::Relist = until_events(snapshot, follow, &mut trouble).await?
        {
            return Ok(ControlFlow::Continue(()));
        }
        snapshot.as_of = Timestamp::now();
        if let ControlFlow::Break(code) = handler.show(snapshot, trouble.as_deref())? {
            return Ok(ControlFlow::Break(code));
        }

        let tick = Instant::now() + REFRESH;
        let mut deadline = handler.due().map_or(tick, |due| due.min(tick));
        loop {
            let step = tokio::select! {
                biased;
                () = sleep_until(deadline) => break,
                () = window.changed() => break,
                step = follow.next(snapshot) => step?,
            };
            match classify(step, &mut trouble) {
                UpdateKind::Relist => return Ok(ControlFlow::Continue(())),
                // The first change opens a short time in which others join it.
                UpdateKind::Change => deadline = deadline.min(Instant::now() + DEBOUNCE),
                UpdateKind::Nothing => {}
            }
        }
    }
}

/// Waits until the events are there: a look without them would be taken back a moment later.
pub(super) async fn until_events(
    snapshot: &mut Snapshot,
    follow: &mut SnapshotWatcher,
    trouble: &mut Option<String>,
) -> Result<UpdateKind, Error> {
    let deadline = Instant::now() + EVENTS;
    while follow.awaits_events() {
        let step = tokio::select! {
            biased;
            () = sleep_until(deadline) => break,
            step = follow.next(snapshot) => step?,
        };
        if let UpdateKind::Relist = classify(step, trouble) {
            return Ok(UpdateKind::Relist);
        }
    }
    Ok(UpdateKind::Change)
}

/// What a step means for the screen.
pub(super) enum UpdateKind {
    /// Nothing to see.
    Nothing,
    /// Something to show.
    Change,
    /// The lists are of no use any more.
    Relist,
}

pub(super) fn classify(step: WatchUpdate, trouble: &mut Option<String>) -> UpdateKind {
    match step {
        WatchUpdate::Relist => UpdateKind::Relist,
        WatchUpdate::Changed => {
            *trouble = None;
            UpdateKind::Change
        }
        // A sign of life ends an outage, and is otherwise nothing to see.
        WatchUpdate::Quiet if trouble.take().is_some() => UpdateKind::Change,
        WatchUpdate::Quiet => UpdateKind::Nothing,
        // Each watch notices an outage in its own words; the first ones will do.
        WatchUpdate::Interrupted(error) => {
            trouble.get_or_insert_with(|| error.to_string());
            UpdateKind::Change
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
