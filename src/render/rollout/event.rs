//! The events of a watched rollout, as lines or as JSON objects.

use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::blocker;
use super::labels::{phase_sentence, phase_tone, step_name, step_tone, tally};
use super::report::Numbers;
use crate::explain::Reason;
use crate::render::ViewOptions;
use crate::render::age::age;
use crate::render::command_line::CommandLine;
use crate::render::coverage::revision_in_words;
use crate::render::coverage::strategy_of;
use crate::render::document::{DocumentFormat, DocumentOptions, Sequence};
use crate::render::name_list::{HANDFUL, HANDFUL_OF_LONG, ListLength};
use crate::render::reason::detail;
use crate::render::remedy::Remedy;
use crate::render::structured::EventHead;
use crate::render::style::Tone;
use crate::render::text::{bounded, pluralize, sanitize};
use crate::rollout::{Blocker, EventKind, NodeStep, Phase, RolloutEvent, RolloutStatus};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Ending {
    /// All desired pods run the current revision and are available.
    Complete,
    /// `--stall-timeout` expired without progress.
    Stalled,
    /// `--timeout` expired.
    TimedOut,
    Deleted,
    /// `--fail-fast`: the rollout cannot complete without intervention.
    Stuck,
    /// `--fail-fast`: nodes have outdated pods, and the rollout is paused.
    Paused,
    /// The rollout of another template than the one at the start is complete.
    TemplateChanged,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum WatchEvent<'c> {
    RolloutEvent(&'c EventKind),
    /// The end, and the duration of the watch.
    Ended(Ending, SignedDuration),
}

/// An event, with the status of the rollout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'c, 'a> {
    pub(crate) at: Timestamp,
    pub(crate) watch_event: WatchEvent<'c>,
    pub(crate) namespace: &'c str,
    pub(crate) name: &'c str,
    /// `None` if the DaemonSet no longer exists.
    pub(crate) rollout_status: Option<&'c RolloutStatus<'a>>,
}

impl<'c, 'a> Event<'c, 'a> {
    pub(crate) fn change(
        change: &'c RolloutEvent,
        place: (&'c str, &'c str),
        rollout_status: Option<&'c RolloutStatus<'a>>,
    ) -> Self {
        let (namespace, name) = place;
        Self { at: change.at, watch_event: WatchEvent::RolloutEvent(&change.kind), namespace, name, rollout_status }
    }
}

/// `kind: RolloutEvent`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventView<'a> {
    #[serde(flatten)]
    head: EventHead<'a>,
    #[serde(flatten)]
    fields: EventFields<'a>,
    /// Absent if the DaemonSet no longer exists.
    #[serde(flatten)]
    numbers: Option<Numbers<'a>>,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fix: Vec<Remedy>,
}

/// The fields of each type of event.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum EventFields<'a> {
    Change(&'a EventKind),
    End(EndFields),
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type")]
enum EndFields {
    /// The watch ended.
    Ended { outcome: Ending },
}

/// Writes the event as one document of a stream.
pub(crate) fn document(out: &mut impl Write, event: &Event<'_, '_>, format: &DocumentFormat) -> io::Result<()> {
    format.write(out, &view(event), DocumentOptions::new(Sequence::Stream))
}

fn view<'c>(event: &'c Event<'c, '_>) -> EventView<'c> {
    EventView {
        head: EventHead::new("RolloutEvent", event.at, event.namespace, event.name),
        fields: match event.watch_event {
            WatchEvent::RolloutEvent(kind) => EventFields::Change(kind),
            WatchEvent::Ended(outcome, _) => EventFields::End(EndFields::Ended { outcome }),
        },
        numbers: event.rollout_status.map(Numbers::new),
        message: message(event, ListLength::Handful).0,
        fix: fixes(event),
    }
}

/// Writes the event as one line: time, message and progress.
pub(crate) fn line(out: &mut impl Write, event: &Event<'_, '_>, screen: ViewOptions) -> io::Result<()> {
    let (text, tone) = message(event, screen.style.names);
    let tally = match (event.watch_event, event.rollout_status) {
        (WatchEvent::RolloutEvent(EventKind::Started { .. }), _) | (_, None) => String::new(),
        (_, Some(rollout_status)) => format!(" ({})", tally(rollout_status)),
    };
    let remedies = fixes(event);
    // A log shows the first remedy; the screen and the JSON show all of them.
    let fix = remedies.first().map(|remedy| format!("; {}", in_one_line(remedy))).unwrap_or_default();
    let at = event.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    writeln!(
        out,
        "{at} {}",
        screen.style.paint_mark(&format!("{}{fix}", bounded(&format!("{text}{tally}"), screen.style.names)), tone)
    )
}

fn in_one_line(remedy: &Remedy) -> String {
    match remedy.lines() {
        [] => bounded(&remedy.text_with_outcome(), ListLength::Handful).into_owned(),
        [line] => format!("{}: {line}", bounded(&remedy.text_with_outcome(), ListLength::Handful)),
        // The first of several commands alone can do harm, and a symbol after it would be parsed as an argument.
        lines => format!(
            "{} ({}, shown by rollout status)",
            bounded(&remedy.text_with_outcome(), ListLength::Handful),
            pluralize(lines.len(), "command")
        ),
    }
}

fn message(event: &Event<'_, '_>, names: ListLength) -> (String, Tone) {
    match event.watch_event {
        WatchEvent::Ended(ending, after) => ended(ending, after, event, names),
        WatchEvent::RolloutEvent(kind) => changed(kind, event, names),
    }
}

fn ended(ending: Ending, after: SignedDuration, event: &Event<'_, '_>, names: ListLength) -> (String, Tone) {
    let after = age(event.at.saturating_sub(after).unwrap_or(event.at), event.at);
    let causes = || {
        let blockers = event.rollout_status.into_iter().flat_map(|rollout_status| &rollout_status.blockers);
        let causes: Vec<String> = blockers.map(|blocker| blocker::short_with_nodes(blocker, names)).collect();
        // Without blockers, the nodes in progress explain the wait, or else the phase.
        let causes = if causes.is_empty() { in_progress(event, names) } else { causes };
        let causes = if causes.is_empty() { at_rest(event, names) } else { causes };
        match causes.is_empty() {
            true => String::new(),
            false => format!(": {}", names.join(&causes, HANDFUL, "; ", String::clone)),
        }
    };
    match ending {
        Ending::Complete => (format!("complete after {after}"), Tone::Good),
        Ending::Stalled => (format!("timed out: no progress for {after} (--stall-timeout){}", causes()), Tone::Bad),
        Ending::TimedOut => (format!("timed out after {after} (--timeout){}", causes()), Tone::Bad),
        Ending::Deleted => ("the DaemonSet was deleted".into(), Tone::Bad),
        Ending::Stuck => (format!("stuck after {after} (--fail-fast){}", causes()), Tone::Bad),
        Ending::Paused => {
            let resume = event.rollout_status.and_then(|rollout_status| {
                let metadata = &rollout_status.daemon_set.metadata;
                let line = CommandLine::own_program("rollout resume").name(metadata.name.as_deref()?);
                line.namespace(metadata.namespace.as_deref()?).offered()
            });
            let resume = resume.map(|line| format!("; resume it with: {line}")).unwrap_or_default();
            (format!("paused after {after} (--fail-fast): the controller replaces no pods{resume}"), Tone::Bad)
        }
        Ending::TemplateChanged => (
            format!(
                "complete after {after}, but with another pod template than at the start (--any-revision accepts it)"
            ),
            Tone::Bad,
        ),
    }
}

/// The first nodes in progress, with their reasons: `node-1: containers not ready: main`.
fn in_progress(event: &Event<'_, '_>, names: ListLength) -> Vec<String> {
    let nodes = event.rollout_status.into_iter().flat_map(|rollout_status| &rollout_status.nodes);
    let in_progress: Vec<_> = nodes.filter(|node| !matches!(node.step, NodeStep::Done | NodeStep::Outdated)).collect();
    let (shown, more) = names.split(&in_progress, HANDFUL_OF_LONG);
    let nodes = shown.iter().map(|node| match node.reasons.first() {
        Some(reason) => format!("{}: {}", sanitize(node.node), detail(reason, event.at, names)),
        None => format!("{}: {}", sanitize(node.node), in_words(node.step)),
    });
    let more = (more > 0).then(|| format!("and {more} more in progress"));
    nodes.chain(more).collect()
}

/// Without blockers and nodes in progress, the rollout waits for the controller or for a manual deletion.
fn at_rest(event: &Event<'_, '_>, names: ListLength) -> Vec<String> {
    let Some(rollout_status) = event.rollout_status else { return Vec::new() };
    let old: Vec<&str> =
        rollout_status.nodes.iter().filter(|node| node.step == NodeStep::Outdated).map(|node| node.node).collect();
    match rollout_status.phase {
        Phase::NotObserved => vec!["the controller has not observed the latest spec".into()],
        Phase::AwaitingDeletion => {
            vec![format!("still waiting for old pods to be deleted (OnDelete){}", blocker::places(&old, names))]
        }
        Phase::Progressing if !old.is_empty() => {
            vec![format!("the controller has not replaced old pods{}", blocker::places(&old, names))]
        }
        Phase::Progressing
        | Phase::Unknown
        | Phase::Degraded
        | Phase::Blocked
        | Phase::Stuck
        | Phase::Complete
        | Phase::Deleting => Vec::new(),
    }
}

fn changed(kind: &EventKind, event: &Event<'_, '_>, names: ListLength) -> (String, Tone) {
    let why = |reasons: &[Reason]| {
        let why: Vec<String> = reasons.iter().map(|reason| detail(reason, event.at, names)).collect();
        if why.is_empty() { String::new() } else { format!(": {}", names.join(&why, HANDFUL, "; ", String::clone)) }
    };
    match kind {
        EventKind::Started { .. } => match event.rollout_status {
            Some(rollout_status) => (began(rollout_status, event), phase_tone(rollout_status.phase)),
            None => ("watching".into(), Tone::Plain),
        },
        EventKind::NewRevision { to, rollback, .. } => {
            let what = if *rollback { "rolled back" } else { "the template changed" };
            (format!("{what}: now watching revision {}", sanitize(to)), Tone::Strong)
        }
        EventKind::NodeStarted { node, step } => (format!("{}: {}", sanitize(node), at_first(*step)), step_tone(*step)),
        EventKind::NodeFailing { node, reasons, .. } => {
            (format!("{}: new pod failing{}", sanitize(node), why(reasons)), Tone::Bad)
        }
        EventKind::NodeDone { node } => (format!("{}: done", sanitize(node)), Tone::Good),
        EventKind::NodeRegressed { node, step, reasons } => {
            (format!("{}: no longer done, {}{}", sanitize(node), in_words(*step), why(reasons)), Tone::Warning)
        }
        EventKind::NodeAdded { node, step } => {
            (format!("{}: node is now eligible, {}", sanitize(node), at_first(*step)), Tone::Moving)
        }
        EventKind::NodeRemoved { node, .. } => (format!("{}: node is no longer eligible", sanitize(node)), Tone::Quiet),
        EventKind::BlockerFound { blocker, nodes, blocking }
        | EventKind::BlockerConfirmed { blocker, nodes, blocking } => {
            let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
            let (head, tail, tone) = match blocking {
                true => ("stuck", ", cannot complete without intervention", Tone::Bad),
                false => ("blocked", "", Tone::Warning),
            };
            (
                format!(
                    "{head}{}{tail}: {}",
                    blocker::places(&nodes, names),
                    blocker::detail(blocker, event.at, names)
                ),
                tone,
            )
        }
        EventKind::BlockerCleared { blocker } => {
            (format!("no longer blocked by: {}", blocker::summary(blocker)), Tone::Moving)
        }
        EventKind::PhaseChanged { to, .. } => match event.rollout_status {
            Some(rollout_status) => (phase_in_words(rollout_status), phase_tone(*to)),
            None => (super::labels::phase_name(*to).to_owned(), phase_tone(*to)),
        },
        EventKind::Deleted => ("the DaemonSet was deleted".into(), Tone::Bad),
    }
}

fn began(rollout_status: &RolloutStatus<'_>, event: &Event<'_, '_>) -> String {
    format!(
        "{}: {}, {}: {}; {}",
        sanitize(&format!("{}/{}", event.namespace, event.name)),
        strategy_of(rollout_status.daemon_set),
        revision_in_words(rollout_status.revision),
        tally(rollout_status),
        phase_in_words(rollout_status)
    )
}

/// The sentence of a phase within a line.
fn phase_in_words(rollout_status: &RolloutStatus<'_>) -> String {
    let sentence = phase_sentence(rollout_status);
    let mut letters = sentence.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

pub(crate) fn in_words(step: NodeStep) -> &'static str {
    match step {
        NodeStep::Outdated => "old pod",
        NodeStep::Waiting => "no pod yet",
        NodeStep::Replacing => "replacing the old pod",
        NodeStep::Starting => "new pod starting",
        NodeStep::Failing => "new pod failing",
        NodeStep::Done => step_name(NodeStep::Done),
    }
}

/// A step that is reported for the first time. The outcome of the new pod follows as an event of its own.
fn at_first(step: NodeStep) -> &'static str {
    match step {
        NodeStep::Failing | NodeStep::Done => "new pod created",
        step => in_words(step),
    }
}

fn fixes(event: &Event<'_, '_>) -> Vec<Remedy> {
    let (WatchEvent::RolloutEvent(kind), Some(rollout_status)) = (event.watch_event, event.rollout_status) else {
        return Vec::new();
    };
    let (EventKind::BlockerFound { blocker, nodes, blocking }
    | EventKind::BlockerConfirmed { blocker, nodes, blocking }) = kind
    else {
        return Vec::new();
    };
    let nodes = nodes.iter().map(String::as_str).collect();
    let blocker = Blocker { problem: blocker.clone(), nodes, needs_intervention: *blocking, blocking: *blocking };
    blocker::remedies(&blocker, rollout_status)
}
