//! What happens while pods are replaced: one line each, or one JSON object each.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::text::{self, DaemonSetRef};
use crate::cycle::{LockHolder, LockLoss, NodeEvent, PodRef, Summary, WaitReason};
use crate::render::age::age;
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::reason::detail;
use crate::render::rollout::{Screen, step_in_words, step_tone};
use crate::render::structured::EventHead;
use crate::render::style::Tone;
use crate::render::text::{bounded, pluralize, sanitize};
use crate::rollout::{NodeStep, RolloutStatus};

/// One thing to tell.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReportEvent<'c> {
    /// It begins to carry out the plan.
    Started,
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
    Rejected {
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
    NodeEvent(&'c NodeEvent),
    /// Nothing goes on for this reason.
    Waiting(&'c WaitReason),
    /// It was asked to stop, and waits for the nodes in work.
    Stopping,
    /// The lock is lost, and the nodes in work are waited for.
    LockLost(&'c LockLoss),
    /// The connection is lost, or something could not be read.
    ConnectionNote(&'c str),
}

/// One thing to tell, with how far it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'c, 'a> {
    /// When it was seen.
    pub(crate) at: Timestamp,
    /// What it is.
    pub(crate) event: ReportEvent<'c>,
    /// The DaemonSet.
    pub(crate) daemon_set_ref: DaemonSetRef<'c>,
    /// How far it is.
    pub(crate) summary: Summary,
    /// How the nodes stand; none when the DaemonSet is gone.
    pub(crate) status: Option<&'c RolloutStatus<'a>>,
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
    in_progress: usize,
    waiting: usize,
}

impl From<Summary> for Numbers {
    fn from(summary: Summary) -> Self {
        let Summary { planned, replaced, failed, skipped, in_progress, waiting, .. } = summary;
        Self { planned, replaced, failed, skipped, in_progress, waiting }
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
        head: EventHead::new("CycleEvent", event.at, event.daemon_set_ref.namespace, event.daemon_set_ref.name),
        fields: match fields(event.event)? {
            Value::Object(fields) => fields,
            _ => Map::new(),
        },
        numbers: event.summary.into(),
        desired: event.status.map(|status| status.desired),
        available: event.status.map(|status| status.available),
        message: message(event).0,
    })
}

fn fields(event: ReportEvent<'_>) -> io::Result<Value> {
    Ok(match event {
        ReportEvent::Removing { node, pod, is_eviction } => {
            json!({ "event": "Removing", "node": node, "pod": pod.name, "uid": pod.uid, "evict": is_eviction })
        }
        ReportEvent::WouldRemove { node, pod } => {
            json!({ "event": "WouldRemove", "node": node, "pod": pod.name, "uid": pod.uid })
        }
        ReportEvent::Rejected { node, message } => json!({ "event": "Rejected", "node": node, "detail": message }),
        ReportEvent::Waiting(waiting) => json!({ "event": "Waiting", "waits": serde_json::to_value(waiting)? }),
        ReportEvent::Started => json!({ "event": "Began" }),
        ReportEvent::Stopping => json!({ "event": "Stopping" }),
        ReportEvent::LockLost(LockLoss::TakenOver(LockHolder { holder, since })) => {
            json!({ "event": "LockLost", "holder": holder, "since": since })
        }
        ReportEvent::LockLost(LockLoss::Deleted | LockLoss::Cleared) => {
            json!({ "event": "LockLost", "holder": null, "since": null })
        }
        ReportEvent::ConnectionNote(_) => json!({ "event": "ConnectionNote" }),
        ReportEvent::NodeEvent(NodeEvent::StepChanged { node, step, reasons }) => {
            json!({ "event": "NodeStepChanged", "node": node, "step": step, "reasons": serde_json::to_value(reasons)? })
        }
        ReportEvent::NodeEvent(NodeEvent::Replaced { node, pod, took }) => {
            json!({ "event": "NodeReplaced", "node": node, "pod": pod, "seconds": took.as_secs() })
        }
        ReportEvent::NodeEvent(NodeEvent::Regressed { node }) => json!({ "event": "NodeRegressed", "node": node }),
        ReportEvent::NodeEvent(NodeEvent::Failed { node, why }) => {
            json!({ "event": "NodeFailed", "node": node, "why": serde_json::to_value(why)? })
        }
        ReportEvent::NodeEvent(NodeEvent::Skipped { node, why }) => {
            json!({ "event": "NodeSkipped", "node": node, "why": serde_json::to_value(why)? })
        }
    })
}

/// Writes the event as one line: when, what, and how far it is.
pub(crate) fn line(out: &mut impl Write, event: &Event<'_, '_>, screen: Screen) -> io::Result<()> {
    let (text, tone) = message(event);
    let Summary { planned, replaced, .. } = event.summary;
    let tally = match event.event {
        ReportEvent::NodeEvent(NodeEvent::Replaced { .. } | NodeEvent::Failed { .. }) => {
            format!(" ({replaced} of {planned} replaced)")
        }
        _ => String::new(),
    };
    let at = event.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    writeln!(out, "{at} {}", screen.style.paint(&bounded(&format!("{text}{tally}"), screen.style.names), tone))
}

fn message(event: &Event<'_, '_>) -> (String, Tone) {
    match event.event {
        ReportEvent::Started => (format!("begins: {} to go", pluralize(event.summary.planned, "node")), Tone::Strong),
        ReportEvent::Removing { node, pod, is_eviction } => {
            let verb = if is_eviction { "evicting" } else { "deleting" };
            (format!("{}: {verb} pod {}", sanitize(node), sanitize(&pod.name)), Tone::Moving)
        }
        ReportEvent::WouldRemove { node, pod } => {
            (format!("{}: pod {} would be removed (server dry run)", sanitize(node), sanitize(&pod.name)), Tone::Plain)
        }
        ReportEvent::Rejected { node, message } => {
            (format!("{}: not removed yet, trying again: {}", sanitize(node), sanitize(message)), Tone::Warning)
        }
        ReportEvent::NodeEvent(news) => node_event_message(news, event.at),
        ReportEvent::Waiting(waiting) => (text::waiting(waiting, event.at), Tone::Warning),
        ReportEvent::Stopping => (
            "stopping: begins no further node, and waits for those in work; Ctrl-C again leaves at once".into(),
            Tone::Warning,
        ),
        ReportEvent::LockLost(loss) => (text::lock_lost(loss), Tone::Bad),
        ReportEvent::ConnectionNote(text) => (sanitize(text), Tone::Warning),
    }
}

fn node_event_message(news: &NodeEvent, now: Timestamp) -> (String, Tone) {
    match news {
        NodeEvent::StepChanged { node, step, reasons } => {
            let why: Vec<String> = reasons.iter().map(|reason| detail(reason, now, ListLength::Handful)).collect();
            // What a new pod waits for at first is nothing to tell.
            let is_trouble = *step == NodeStep::Failing && !why.is_empty();
            let why = if is_trouble {
                format!(": {}", ListLength::Handful.join(&why, HANDFUL, "; ", String::clone))
            } else {
                String::new()
            };
            (format!("{}: {}{why}", sanitize(node), step_in_words(*step)), step_tone(*step))
        }
        NodeEvent::Replaced { node, pod, took } => {
            let took = age(now.saturating_sub(*took).unwrap_or(now), now);
            (format!("{}: replaced by {} in {took}", sanitize(node), sanitize(pod)), Tone::Good)
        }
        NodeEvent::Regressed { node } => {
            (format!("{}: its new pod is not available any more", sanitize(node)), Tone::Warning)
        }
        NodeEvent::Failed { node, why } => {
            (format!("{}: failed: {}", sanitize(node), text::failure(why, now)), Tone::Bad)
        }
        NodeEvent::Skipped { node, why } => {
            (format!("{}: left alone: {}", sanitize(node), text::skip(why, now)), Tone::Warning)
        }
    }
}
