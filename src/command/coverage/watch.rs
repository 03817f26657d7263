//! `coverage --watch`: redraws on change.

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until, timeout};

use super::policy::Policy;
use super::wants_events;
use crate::cluster::connect::Access;
use crate::cluster::follow::{Follow, Step};
use crate::command::load::{Request, live};
use crate::command::print;
use crate::coverage::{cover, fingerprint};
use crate::error::Error;
use crate::render::terminal::{self, Redraw};
use crate::snapshot::Snapshot;

/// Changes come in bursts: one drawing for all that come within this time.
const BURST: Duration = Duration::from_millis(250);
/// Ages grow, and ready pods become available, without any change.
const TICK: Duration = Duration::from_secs(5);
/// Events are not watched, only read again, and not more often than this.
const EVENTS: Duration = Duration::from_secs(10);

/// How long to wait before lists that failed are asked for again.
const RELOAD: Duration = Duration::from_secs(5);

/// Draws, waits for changes, draws again, until it is interrupted or nobody reads any more.
pub(super) async fn watch(access: &Access, request: &Request, policy: &Policy) -> Result<ExitCode, Error> {
    let mut screen = Screen { policy, redraw: terminal::redraw(), last: Vec::new(), news: None, said: Vec::new() };
    let mut loaded = live::load(access, request).await?;
    loop {
        let mut follow = loaded.follow(access);
        match until_relist(access, request, &mut loaded.snapshot, &mut follow, &mut screen).await {
            Ok(()) => {}
            Err(End::Unread) => return Ok(ExitCode::SUCCESS),
            Err(End::Failed(error)) => return Err(error),
        }
        loaded = load_again(access, request).await?;
    }
}

/// Lists anew. By now the cluster is known to be there, so an outage is waited for.
async fn load_again(access: &Access, request: &Request) -> Result<live::Loaded, Error> {
    loop {
        match live::load(access, request).await {
            Err(error) if error.may_pass() => {
                terminal::note(&format!("{error}; trying again"));
                sleep_until(Instant::now() + RELOAD).await;
            }
            outcome => return outcome,
        }
    }
}

/// Why the watch ends.
enum End {
    /// Nobody reads the output any more.
    Unread,
    /// What will not pass by itself.
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Follows one set of lists for as long as their changes come without a gap.
async fn until_relist(
    access: &Access,
    request: &Request,
    snapshot: &mut Snapshot,
    follow: &mut Follow,
    screen: &mut Screen<'_>,
) -> Result<(), End> {
    let mut events_read: Option<Instant> = None;
    let mut trouble = None;
    let mut window = Window::new();
    loop {
        let may_read = events_read.is_none_or(|read| read.elapsed() >= EVENTS);
        if may_read && wants_events(snapshot) {
            // What happens meanwhile waits, so a server that hangs gets little time.
            let events = timeout(RELOAD, live::events(access, request, screen.policy.about())).await;
            match events {
                Ok(Ok(events)) => snapshot.events = events,
                Ok(Err(error)) if !error.may_pass() => return Err(error.into()),
                // The watches notice an outage by themselves.
                Ok(Err(_)) | Err(_) => {}
            }
            events_read = Some(Instant::now());
        }
        snapshot.as_of = Timestamp::now();
        screen.draw(snapshot, trouble.as_deref())?;

        let mut deadline = Instant::now() + TICK;
        loop {
            let step = tokio::select! {
                biased;
                () = sleep_until(deadline) => break,
                () = window.changed() => break,
                step = follow.next(snapshot) => step?,
            };
            match step {
                Step::Relist => return Ok(()),
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

struct Screen<'p> {
    policy: &'p Policy,
    redraw: Redraw,
    last: Vec<u8>,
    /// The fingerprint of what was written last, where that is for a program.
    news: Option<u64>,
    /// What stood beside the last drawing.
    said: Vec<String>,
}

impl Screen<'_> {
    /// Draws, if there is anything new to see.
    fn draw(&mut self, snapshot: &Snapshot, trouble: Option<&str>) -> Result<(), End> {
        let coverages = cover(snapshot);
        let trouble = trouble.map(|trouble| format!("the connection is lost, trying again: {trouble}"));
        let empty = snapshot.daemon_sets.is_empty().then(|| "no DaemonSet is there to be shown".to_owned());
        let remarks: Vec<String> = snapshot.gaps().into_iter().chain(empty).chain(trouble).collect();
        // A person sees ages grow; a program is told only what is new.
        let news = (!self.redraw.shows_remarks()).then(|| fingerprint(&coverages));
        if news.is_some() && news == self.news && remarks == self.said {
            return Ok(());
        }
        let mut next = Vec::new();
        self.policy.render(&mut next, &coverages, snapshot).map_err(Error::Output)?;
        if next == self.last && remarks == self.said && !self.redraw.is_resized() {
            return Ok(());
        }
        let is_read = print(|out| self.redraw.frame(out, &next, &remarks))?;
        if !self.redraw.shows_remarks() {
            remarks.iter().filter(|remark| !self.said.contains(remark)).for_each(|remark| terminal::note(remark));
        }
        self.last = next;
        self.news = news;
        self.said = remarks;
        if is_read { Ok(()) } else { Err(End::Unread) }
    }
}
