//! The loop of commands that watch a cluster: list once, then watch, and list again if changes were missed.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use crate::cluster::access::Access;
use crate::cluster::live_snapshot::{SnapshotWatcher, WatchUpdate};
use crate::cluster::relist::RelistPace;
use crate::error::Error;
use crate::load::{Request, live};
use crate::render::live_screen::{self, KeyEffect, Keyboard};
use crate::render::terminal;
use crate::snapshot::{EventQuery, Known, Snapshot};

/// Changes arrive in bursts: all changes within this time are shown at once.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// The interval of refreshes without a change: ages grow, and ready pods become available.
pub(super) const REFRESH: Duration = Duration::from_secs(5);
/// How long to wait for events before the first output.
pub(super) const EVENTS: Duration = Duration::from_secs(2);
/// The delay before failed lists are retried.
const RELIST_DELAY: Duration = Duration::from_secs(5);

/// Handles each state of the cluster.
pub(super) trait WatchHandler {
    /// The events that may explain the snapshot.
    fn event_query(&self, snapshot: &Snapshot) -> EventQuery;

    /// Shows the snapshot and the current connection problem. `Break` ends the watch.
    ///
    /// # Errors
    /// The output cannot be written.
    fn show(&mut self, snapshot: &Snapshot, trouble: Option<&str>) -> Result<ControlFlow<ExitCode>, Error>;

    /// Whether a live screen is drawn, so that keys are read.
    fn is_live(&self) -> bool;

    /// The user pressed `q`.
    ///
    /// # Errors
    /// If the command has no result without the rest of the watch.
    fn quit(&self) -> Result<ExitCode, Error> {
        Ok(ExitCode::SUCCESS)
    }

    /// When to refresh without a change, if before the next [`REFRESH`].
    fn due(&self) -> Option<Instant> {
        None
    }

    /// A list failed and will be retried. Never called for the first lists: their errors end the command.
    fn on_disconnect(&mut self, error: &Error) -> ControlFlow<ExitCode> {
        terminal::note(&format!("{error}; retrying"));
        ControlFlow::Continue(())
    }

    /// A list failed and a retry cannot succeed. Never called for the first lists.
    ///
    /// # Errors
    /// The error that ends the command.
    fn failed(&mut self, error: Error) -> Result<ExitCode, Error> {
        Err(error)
    }
}

/// Runs until the view breaks or the command is interrupted.
///
/// # Errors
/// Any error that a retry cannot fix.
pub(super) async fn watch(
    access: &Access,
    request: &Request,
    handler: &mut impl WatchHandler,
) -> Result<ExitCode, Error> {
    let loaded = live::load(access, request).await?;
    watch_from(access, request, loaded, handler).await
}

/// As [`watch`], from a state that was loaded already.
///
/// # Errors
/// Any error that a retry cannot fix.
pub(super) async fn watch_from(
    access: &Access,
    request: &Request,
    mut loaded: live::Loaded,
    handler: &mut impl WatchHandler,
) -> Result<ExitCode, Error> {
    let mut user = User::new(handler.is_live());
    let mut events = None;
    let mut pace = RelistPace::default();
    loop {
        let mut follow = loaded.follow(access);
        if let Some((events, known)) = events.take() {
            follow.resume_events(events, known, &mut loaded.snapshot);
        }
        if let ControlFlow::Break(code) =
            until_relist(access, &mut loaded.snapshot, &mut follow, handler, &mut user).await?
        {
            return Ok(code);
        }
        let known = std::mem::replace(&mut loaded.snapshot.events, Known::Known(Vec::new()));
        events = follow.into_events().map(|events| (events, known));
        tokio::select! {
            () = pace.pause() => {}
            // The view's own deadline, such as a time limit, takes precedence over the pause.
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

/// Lists again, with retries: the cluster was reachable before.
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

/// Watches from one set of lists until a change is missed.
async fn until_relist(
    access: &Access,
    snapshot: &mut Snapshot,
    follow: &mut SnapshotWatcher,
    handler: &mut impl WatchHandler,
    user: &mut User,
) -> Result<ControlFlow<ExitCode>, Error> {
    let mut trouble: Option<String> = None;
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
        let deadline = handler.due().map_or(tick, |due| due.min(tick));
        let acts = async || user.acts().await;
        let update = until_change(snapshot, follow, &mut trouble, deadline, acts).await?;
        if user.has_quit {
            return handler.quit().map(ControlFlow::Break);
        }
        if let UpdateKind::Relist = update {
            return Ok(ControlFlow::Continue(()));
        }
    }
}

/// Waits for a change, until the deadline, or until `wake` completes. The first change starts a short time in which more
/// changes are collected.
///
/// # Errors
/// Any error that a retry cannot fix, such as revoked permissions.
pub(super) async fn until_change(
    snapshot: &mut Snapshot,
    follow: &mut SnapshotWatcher,
    trouble: &mut Option<String>,
    mut deadline: Instant,
    mut wake: impl AsyncFnMut(),
) -> Result<UpdateKind, Error> {
    loop {
        let step = tokio::select! {
            biased;
            () = sleep_until(deadline) => return Ok(UpdateKind::Change),
            () = wake() => return Ok(UpdateKind::Change),
            step = follow.next(snapshot) => step?,
        };
        match classify(step, trouble) {
            UpdateKind::Relist => return Ok(UpdateKind::Relist),
            UpdateKind::Change => deadline = deadline.min(Instant::now() + DEBOUNCE),
            UpdateKind::Nothing => {}
        }
    }
}

/// Waits for the events: output without them would change a moment later.
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

/// The effect of a watch step on the output.
pub(super) enum UpdateKind {
    /// Nothing to show.
    Nothing,
    /// Something to show.
    Change,
    /// Changes were missed: list again.
    Relist,
}

fn classify(step: WatchUpdate, trouble: &mut Option<String>) -> UpdateKind {
    match step {
        WatchUpdate::Relist => UpdateKind::Relist,
        WatchUpdate::Changed => {
            *trouble = None;
            UpdateKind::Change
        }
        // A message without a change ends an outage.
        WatchUpdate::Quiet if trouble.take().is_some() => UpdateKind::Change,
        WatchUpdate::Quiet => UpdateKind::Nothing,
        // Every watch reports the same outage; only the first message is kept.
        WatchUpdate::Interrupted(error) => {
            trouble.get_or_insert_with(|| error.to_string());
            UpdateKind::Change
        }
    }
}

/// The message for a lost connection.
pub(super) fn connection_lost(trouble: &str) -> String {
    format!("connection lost, retrying: {trouble}")
}

/// What the user does with a live screen.
struct User {
    window: Window,
    keyboard: Option<Keyboard>,
    has_quit: bool,
}

impl User {
    fn new(is_live: bool) -> Self {
        Self { window: Window::new(), keyboard: is_live.then(Keyboard::open).flatten(), has_quit: false }
    }

    /// Waits until the terminal is resized or a key is pressed.
    async fn acts(&mut self) {
        let keys = async {
            match &mut self.keyboard {
                Some(keyboard) => keyboard.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.window.changed() => {}
            bytes = keys => self.has_quit |= live_screen::type_keys(&bytes) == KeyEffect::Quit,
        }
    }
}

/// Reports when the terminal is resized.
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
