//! What happens while pods are replaced: one line each, or one JSON object each.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::words::{self, Place};
use crate::cycle::{LockHolder, LockLoss, News, PodRef, Summary, Waiting};
use crate::render::age::age;
use crate::render::names::{HANDFUL, ListLength};
use crate::render::reason::sentence;
use crate::render::rollout::{Screen, step_in_words, step_tone};
use crate::render::structured::EventHead;
use crate::render::style::Tone;
use crate::render::text::{bounded, count, safe};
use crate::rollout::{Standing, Step};

/// One thing to tell.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told<'c> {
    /// It begins to carry out the plan.
    Began,
    /// A pod is being removed.
    Removing {
        /// The node.
        node: &'c str,
        /// The pod.
        pod: &'c PodRef,
        /// Whether it is evicted.
        is_eviction: bool,
    },
    /// The API server refuses a removal for now.
    Refused {
        /// The node.
        node: &'c str,
        /// Its words.
        message: &'c str,
    },
    /// A dry run of a removal was accepted.
    WouldRemove {
        /// The node.
        node: &'c str,
        /// The pod.
        pod: &'c PodRef,
    },
    /// A node came further, or failed.
    News(&'c News),
    /// Nothing goes on for this reason.
    Waits(&'c Waiting),
    /// It was asked to stop, and waits for the nodes in work.
    Stopping,
    /// The lock is lost, and the nodes in work are waited for.
    LockLost(&'c LockLoss),
    /// The connection is lost, or something could not be read.
    Remark(&'c str),
}

/// One thing to tell, with how far it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'c, 'a> {
    /// When it was seen.
    pub(crate) at: Timestamp,
    /// What it is.
    pub(crate) told: Told<'c>,
    /// The DaemonSet.
    pub(crate) place: Place<'c>,
    /// How far it is.
    pub(crate) summary: Summary,
    /// How the nodes stand; none when the DaemonSet is gone.
    pub(crate) standing: Option<&'c Standing<'a>>,
}

/// `kind: CycleEvent`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView<'a> {
    #[serde(flatten)]
    head: EventHead<'a>,
    #[serde(flatten)]
    fields: Map<String, Value>,
    #[serde(flatten)]
    numbers: Numbers,
    desired: Option<usize>,
    available: Option<usize>,
    message: String,
}

/// How many nodes are where.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Numbers {
    planned: usize,
    replaced: usize,
    failed: usize,
    skipped: usize,
    in_work: usize,
    waiting: usize,
}

impl From<Summary> for Numbers {
    fn from(summary: Summary) -> Self {
        let Summary { planned, replaced, failed, skipped, in_work, waiting, .. } = summary;
        Self { planned, replaced, failed, skipped, in_work, waiting }
    }
}

/// Writes the event as one line of JSON.
pub(crate) fn json_line(out: &mut impl Write, event: &Event<'_, '_>) -> io::Result<()> {
    crate::render::structured::json_line(out, &view(event)?)
}

/// Writes the event as one YAML document of many.
pub(crate) fn yaml(out: &mut impl Write, event: &Event<'_, '_>) -> io::Result<()> {
    crate::render::structured::yaml_document(out, &view(event)?)
}

fn view<'c>(event: &'c Event<'c, '_>) -> io::Result<EventView<'c>> {
    Ok(EventView {
        head: EventHead::of("CycleEvent", event.at, event.place.namespace, event.place.name),
        fields: match fields(event.told)? {
            Value::Object(fields) => fields,
            _ => Map::new(),
        },
        numbers: event.summary.into(),
        desired: event.standing.map(|standing| standing.desired),
        available: event.standing.map(|standing| standing.available),
        message: message(event).0,
    })
}

fn fields(told: Told<'_>) -> io::Result<Value> {
    Ok(match told {
        Told::Removing { node, pod, is_eviction } => {
            json!({ "event": "Removing", "node": node, "pod": pod.name, "uid": pod.uid, "evict": is_eviction })
        }
        Told::WouldRemove { node, pod } => {
            json!({ "event": "WouldRemove", "node": node, "pod": pod.name, "uid": pod.uid })
        }
        Told::Refused { node, message } => json!({ "event": "Refused", "node": node, "detail": message }),
        Told::Waits(waiting) => json!({ "event": "Waits", "waits": serde_json::to_value(waiting)? }),
        Told::Began => json!({ "event": "Began" }),
        Told::Stopping => json!({ "event": "Stopping" }),
        Told::LockLost(LockLoss::TakenOver(LockHolder { holder, since })) => {
            json!({ "event": "LockLost", "holder": holder, "since": since })
        }
        Told::LockLost(LockLoss::Deleted | LockLoss::Cleared) => {
            json!({ "event": "LockLost", "holder": null, "since": null })
        }
        Told::Remark(_) => json!({ "event": "Remark" }),
        Told::News(News::Moved { node, step, reasons }) => {
            json!({ "event": "NodeMoved", "node": node, "step": step, "reasons": serde_json::to_value(reasons)? })
        }
        Told::News(News::Replaced { node, pod, took }) => {
            json!({ "event": "NodeReplaced", "node": node, "pod": pod, "seconds": took.as_secs() })
        }
        Told::News(News::Undone { node }) => json!({ "event": "NodeUndone", "node": node }),
        Told::News(News::Failed { node, why }) => {
            json!({ "event": "NodeFailed", "node": node, "why": serde_json::to_value(why)? })
        }
        Told::News(News::Skipped { node, why }) => {
            json!({ "event": "NodeSkipped", "node": node, "why": serde_json::to_value(why)? })
        }
    })
}

/// Writes the event as one line: when, what, and how far it is.
pub(crate) fn line(out: &mut impl Write, event: &Event<'_, '_>, screen: Screen) -> io::Result<()> {
    let (text, tone) = message(event);
    let Summary { planned, replaced, .. } = event.summary;
    let tally = match event.told {
        Told::News(News::Replaced { .. } | News::Failed { .. }) => format!(" ({replaced} of {planned} replaced)"),
        _ => String::new(),
    };
    let at = event.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    writeln!(out, "{at} {}", screen.style.paint(&bounded(&format!("{text}{tally}"), screen.style.names), tone))
}

fn message(event: &Event<'_, '_>) -> (String, Tone) {
    match event.told {
        Told::Began => (format!("begins: {} to go", count(event.summary.planned, "node")), Tone::Strong),
        Told::Removing { node, pod, is_eviction } => {
            let verb = if is_eviction { "evicting" } else { "deleting" };
            (format!("{}: {verb} pod {}", safe(node), safe(&pod.name)), Tone::Moving)
        }
        Told::WouldRemove { node, pod } => {
            (format!("{}: pod {} would be removed (server dry run)", safe(node), safe(&pod.name)), Tone::Plain)
        }
        Told::Refused { node, message } => {
            (format!("{}: not removed yet, trying again: {}", safe(node), safe(message)), Tone::Warning)
        }
        Told::News(news) => of_news(news, event.at),
        Told::Waits(waiting) => (words::waiting(waiting, event.at), Tone::Warning),
        Told::Stopping => (
            "stopping: begins no further node, and waits for those in work; Ctrl-C again leaves at once".into(),
            Tone::Warning,
        ),
        Told::LockLost(loss) => (words::lock_lost(loss), Tone::Bad),
        Told::Remark(text) => (safe(text), Tone::Warning),
    }
}

fn of_news(news: &News, now: Timestamp) -> (String, Tone) {
    match news {
        News::Moved { node, step, reasons } => {
            let why: Vec<String> = reasons.iter().map(|reason| sentence(reason, now, ListLength::Handful)).collect();
            // What a new pod waits for at first is nothing to tell.
            let is_trouble = *step == Step::Failing && !why.is_empty();
            let why = if is_trouble {
                format!(": {}", ListLength::Handful.join(&why, HANDFUL, "; ", String::clone))
            } else {
                String::new()
            };
            (format!("{}: {}{why}", safe(node), step_in_words(*step)), step_tone(*step))
        }
        News::Replaced { node, pod, took } => {
            let took = age(now.saturating_sub(*took).unwrap_or(now), now);
            (format!("{}: replaced by {} in {took}", safe(node), safe(pod)), Tone::Good)
        }
        News::Undone { node } => (format!("{}: its new pod is not available any more", safe(node)), Tone::Warning),
        News::Failed { node, why } => (format!("{}: failed: {}", safe(node), words::failure(why, now)), Tone::Bad),
        News::Skipped { node, why } => {
            (format!("{}: left alone: {}", safe(node), words::skip(why, now)), Tone::Warning)
        }
    }
}
