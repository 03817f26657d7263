//! The events of `cycle`, as lines or as JSON objects.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use super::text::{self, DaemonSetRef};
use crate::cycle::{Failure, HookPoint, LockHolder, LockLoss, NodeEvent, PodRef, Skip, Summary, WaitReason};
use crate::explain::Reason;
use crate::render::ViewOptions;
use crate::render::age::age;
use crate::render::document::{DocumentFormat, DocumentOptions, Sequence};
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::reason::detail;
use crate::render::rollout::{step_in_words, step_tone};
use crate::render::structured::EventHead;
use crate::render::style::Tone;
use crate::render::text::{bounded, pluralize, sanitize};
use crate::rollout::{NodeStep, RolloutStatus};

#[derive(Clone, Copy, Debug)]
pub(crate) enum ReportEvent<'c> {
    /// The execution of the plan starts.
    Started,
    /// A pod is being removed.
    Removing {
        node: &'c str,
        pod: &'c PodRef,
        /// Evicted rather than deleted.
        is_eviction: bool,
    },
    /// The API server rejected a removal, which is retried.
    Rejected {
        node: &'c str,
        /// The message of the API server.
        message: &'c str,
    },
    /// The API server accepted the dry run of a removal.
    WouldRemove { node: &'c str, pod: &'c PodRef },
    /// The state of a node changed.
    NodeEvent(&'c NodeEvent),
    /// No node can be started for this reason.
    Waiting(&'c WaitReason),
    /// Interrupted; waits for the nodes in progress.
    Stopping,
    /// The lock was lost; waits for the nodes in progress.
    LockLost(&'c LockLoss),
    /// A hook starts.
    HookStarted { node: &'c str, point: HookPoint },
    /// A line of the output of a hook.
    HookLine { node: &'c str, point: HookPoint, line: &'c str },
    /// A hook has succeeded.
    HookEnded { node: &'c str, point: HookPoint },
    /// The node was cordoned.
    Cordoned { node: &'c str },
    /// The node was already cordoned by something else, and stays cordoned.
    CordonedByOthers { node: &'c str },
    /// The node was uncordoned.
    Uncordoned { node: &'c str },
    /// The connection was lost, or an object could not be read.
    ConnectionNote(&'c str),
}

/// An event, with the progress of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'c, 'a> {
    pub(crate) at: Timestamp,
    pub(crate) event: ReportEvent<'c>,
    pub(crate) daemon_set_ref: DaemonSetRef<'c>,
    pub(crate) summary: Summary,
    /// `None` if the DaemonSet no longer exists.
    pub(crate) status: Option<&'c RolloutStatus<'a>>,
}

/// `kind: CycleEvent`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventView<'a> {
    #[serde(flatten)]
    head: EventHead<'a>,
    #[serde(flatten)]
    fields: EventFields<'a>,
    #[serde(flatten)]
    numbers: Numbers,
    desired: Option<usize>,
    available: Option<usize>,
    message: String,
}

/// The number of nodes by status.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

/// Writes the event as one document of a stream.
pub(crate) fn document(out: &mut impl Write, event: &Event<'_, '_>, format: &DocumentFormat) -> io::Result<()> {
    format.write(out, &view(event), DocumentOptions::new(Sequence::Stream))
}

fn view<'c>(event: &'c Event<'c, '_>) -> EventView<'c> {
    EventView {
        head: EventHead::new("CycleEvent", event.at, event.daemon_set_ref.namespace, event.daemon_set_ref.name),
        fields: event.event.into(),
        numbers: event.summary.into(),
        desired: event.status.map(|status| status.desired),
        available: event.status.map(|status| status.available),
        message: message(event).0,
    }
}

/// The fields of each type of event.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all_fields = "camelCase")]
enum EventFields<'a> {
    Started,
    Removing { node: &'a str, pod: &'a str, uid: &'a str, evict: bool },
    WouldRemove { node: &'a str, pod: &'a str, uid: &'a str },
    Rejected { node: &'a str, detail: &'a str },
    NodeStepChanged { node: &'a str, step: NodeStep, reasons: &'a [Reason] },
    NodeReplaced { node: &'a str, pod: &'a str, seconds: i64 },
    NodeRegressed { node: &'a str },
    NodeFailed { node: &'a str, failure: &'a Failure },
    NodeSkipped { node: &'a str, skip: &'a Skip },
    Waiting { waiting_for: &'a WaitReason },
    Stopping,
    LockLost { holder: Option<&'a str>, since: Option<Timestamp> },
    HookStarted { node: &'a str, point: HookPoint },
    HookLine { node: &'a str, point: HookPoint, line: &'a str },
    HookEnded { node: &'a str, point: HookPoint },
    NodeCordoned { node: &'a str },
    NodeCordonedByOthers { node: &'a str },
    NodeUncordoned { node: &'a str },
    ConnectionNote,
}

impl<'a> From<ReportEvent<'a>> for EventFields<'a> {
    fn from(event: ReportEvent<'a>) -> Self {
        match event {
            ReportEvent::Started => Self::Started,
            ReportEvent::Removing { node, pod, is_eviction } => {
                Self::Removing { node, pod: &pod.name, uid: &pod.uid, evict: is_eviction }
            }
            ReportEvent::WouldRemove { node, pod } => Self::WouldRemove { node, pod: &pod.name, uid: &pod.uid },
            ReportEvent::Rejected { node, message } => Self::Rejected { node, detail: message },
            ReportEvent::Waiting(waiting_for) => Self::Waiting { waiting_for },
            ReportEvent::Stopping => Self::Stopping,
            ReportEvent::LockLost(LockLoss::TakenOver(LockHolder { holder, since })) => {
                Self::LockLost { holder: Some(holder), since: *since }
            }
            ReportEvent::LockLost(LockLoss::Deleted | LockLoss::Cleared) => {
                Self::LockLost { holder: None, since: None }
            }
            ReportEvent::HookStarted { node, point } => Self::HookStarted { node, point },
            ReportEvent::HookLine { node, point, line } => Self::HookLine { node, point, line },
            ReportEvent::HookEnded { node, point } => Self::HookEnded { node, point },
            ReportEvent::Cordoned { node } => Self::NodeCordoned { node },
            ReportEvent::CordonedByOthers { node } => Self::NodeCordonedByOthers { node },
            ReportEvent::Uncordoned { node } => Self::NodeUncordoned { node },
            ReportEvent::ConnectionNote(_) => Self::ConnectionNote,
            ReportEvent::NodeEvent(NodeEvent::StepChanged { node, step, reasons }) => {
                Self::NodeStepChanged { node, step: *step, reasons }
            }
            ReportEvent::NodeEvent(NodeEvent::Replaced { node, pod, took }) => {
                Self::NodeReplaced { node, pod, seconds: took.as_secs() }
            }
            ReportEvent::NodeEvent(NodeEvent::Regressed { node }) => Self::NodeRegressed { node },
            ReportEvent::NodeEvent(NodeEvent::Failed { node, why }) => Self::NodeFailed { node, failure: why },
            ReportEvent::NodeEvent(NodeEvent::Skipped { node, why }) => Self::NodeSkipped { node, skip: why },
        }
    }
}

/// Writes the event as one line: time, message and progress.
pub(crate) fn line(out: &mut impl Write, event: &Event<'_, '_>, screen: ViewOptions) -> io::Result<()> {
    let (text, tone) = message(event);
    let Summary { planned, replaced, .. } = event.summary;
    let tally = match event.event {
        ReportEvent::NodeEvent(NodeEvent::Replaced { .. } | NodeEvent::Failed { .. }) => {
            format!(" ({replaced} of {planned} replaced)")
        }
        _ => String::new(),
    };
    let at = event.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    writeln!(out, "{at} {}", screen.style.paint_mark(&bounded(&format!("{text}{tally}"), screen.style.names), tone))
}

fn message(event: &Event<'_, '_>) -> (String, Tone) {
    match event.event {
        ReportEvent::Started => {
            (format!("started: {} to replace", pluralize(event.summary.planned, "pod")), Tone::Strong)
        }
        ReportEvent::Removing { node, pod, is_eviction } => {
            let verb = if is_eviction { "evicting" } else { "deleting" };
            (format!("{}: {verb} pod {}", sanitize(node), sanitize(&pod.name)), Tone::Moving)
        }
        ReportEvent::WouldRemove { node, pod } => (
            format!("{}: pod {} would be removed (server-side dry run)", sanitize(node), sanitize(&pod.name)),
            Tone::Plain,
        ),
        ReportEvent::Rejected { node, message } => {
            (format!("{}: removal rejected, retrying: {}", sanitize(node), sanitize(message)), Tone::Warning)
        }
        ReportEvent::NodeEvent(news) => node_event_message(news, event.at),
        ReportEvent::Waiting(waiting) => (text::waiting(waiting, event.at), Tone::Warning),
        ReportEvent::Stopping => {
            ("stopping: waiting for nodes in progress; press Ctrl-C again to exit immediately".into(), Tone::Warning)
        }
        ReportEvent::LockLost(loss) => (text::lock_lost(loss), Tone::Bad),
        ReportEvent::HookStarted { node, point } => {
            (format!("{}: running {}", sanitize(node), text::hook_flag(point)), Tone::Moving)
        }
        ReportEvent::HookLine { node, point, line } => {
            (format!("{}: {}: {}", sanitize(node), text::hook_flag(point), sanitize(line)), Tone::Plain)
        }
        ReportEvent::HookEnded { node, point } => {
            (format!("{}: {} succeeded", sanitize(node), text::hook_flag(point)), Tone::Good)
        }
        ReportEvent::Cordoned { node } => (format!("{}: cordoned", sanitize(node)), Tone::Plain),
        ReportEvent::CordonedByOthers { node } => {
            (format!("{}: already cordoned by someone else; stays cordoned", sanitize(node)), Tone::Warning)
        }
        ReportEvent::Uncordoned { node } => (format!("{}: uncordoned", sanitize(node)), Tone::Plain),
        ReportEvent::ConnectionNote(text) => (sanitize(text), Tone::Warning),
    }
}

fn node_event_message(news: &NodeEvent, now: Timestamp) -> (String, Tone) {
    match news {
        NodeEvent::StepChanged { node, step, reasons } => {
            let why: Vec<String> = reasons.iter().map(|reason| detail(reason, now, ListLength::Handful)).collect();
            // The first reasons of a new pod are normal.
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
        NodeEvent::Regressed { node } => (format!("{}: new pod no longer available", sanitize(node)), Tone::Warning),
        NodeEvent::Failed { node, why } => {
            (format!("{}: failed: {}", sanitize(node), text::failure(why, now)), Tone::Bad)
        }
        NodeEvent::Skipped { node, why } => {
            (format!("{}: skipped: {}", sanitize(node), text::skip(why, now)), Tone::Warning)
        }
    }
}
