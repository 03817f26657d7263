//! What changes while a rollout is watched: one line each, or one JSON object each.

use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::report::Numbers;
use super::{Screen, hold, phase_sentence, phase_tone, step_name, step_tone, tally};
use crate::explain::Reason;
use crate::render::age::age;
use crate::render::coverage::revision_in_words;
use crate::render::coverage::strategy_of;
use crate::render::names::{HANDFUL, ListLength};
use crate::render::reason::sentence;
use crate::render::remedy::Remedy;
use crate::render::structured::EventHead;
use crate::render::style::Tone;
use crate::render::text::{bounded, count, safe};
use crate::rollout::{Change, ChangeKind, Hold, Phase, Standing, Step};

/// How a watch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Ending {
    /// Every wanted pod runs the current revision and is available.
    Complete,
    /// No progress for the time of `--stall-timeout`.
    Stalled,
    /// The time of `--timeout` is over.
    TimedOut,
    /// The DaemonSet was deleted.
    Deleted,
}

/// One thing to tell.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told<'c> {
    /// A change.
    Change(&'c ChangeKind),
    /// The end, after so long.
    Ended(Ending, SignedDuration),
}

/// One thing to tell, with how the rollout stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'c, 'a> {
    /// When it was seen.
    pub(crate) at: Timestamp,
    /// What it is.
    pub(crate) told: Told<'c>,
    /// The DaemonSet's namespace.
    pub(crate) namespace: &'c str,
    /// The DaemonSet's name.
    pub(crate) name: &'c str,
    /// How the rollout stands; none when the DaemonSet is gone.
    pub(crate) standing: Option<&'c Standing<'a>>,
}

impl<'c, 'a> Event<'c, 'a> {
    /// A change.
    pub(crate) fn change(change: &'c Change, place: (&'c str, &'c str), standing: Option<&'c Standing<'a>>) -> Self {
        let (namespace, name) = place;
        Self { at: change.at, told: Told::Change(&change.kind), namespace, name, standing }
    }
}

/// `kind: RolloutEvent`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView<'a> {
    #[serde(flatten)]
    head: EventHead<'a>,
    /// The event's own fields and how the rollout stands, in one map, as some are of both.
    #[serde(flatten)]
    fields: Map<String, Value>,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fix: Vec<Remedy>,
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
    let told = match event.told {
        Told::Change(kind) => serde_json::to_value(kind)?,
        Told::Ended(ending, _) => json!({ "event": "Ended", "outcome": ending }),
    };
    let numbers = event.standing.map(Numbers::of).map(serde_json::to_value).transpose()?;
    let maps = [Some(told), numbers].into_iter().flatten().filter_map(|value| match value {
        Value::Object(map) => Some(map),
        _ => None,
    });
    Ok(EventView {
        head: EventHead::of("RolloutEvent", event.at, event.namespace, event.name),
        fields: maps.flatten().collect(),
        message: message(event, ListLength::Handful).0,
        fix: fixes(event),
    })
}

/// Writes the event as one line: when, what, and how far the rollout is.
pub(crate) fn line(out: &mut impl Write, event: &Event<'_, '_>, screen: Screen) -> io::Result<()> {
    let (text, tone) = message(event, screen.style.names);
    let tally = match (event.told, event.standing) {
        (Told::Change(ChangeKind::Began { .. }), _) | (_, None) => String::new(),
        (_, Some(standing)) => format!(" ({})", tally(standing)),
    };
    let remedies = fixes(event);
    // The first one will do in a log; the screen and the JSON show them all.
    let fix = remedies.first().map(|remedy| format!("; {}", in_one_line(remedy))).unwrap_or_default();
    let at = event.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    writeln!(
        out,
        "{at} {}",
        screen.style.paint(&format!("{}{fix}", bounded(&format!("{text}{tally}"), screen.style.names)), tone)
    )
}

fn in_one_line(remedy: &Remedy) -> String {
    match remedy.lines() {
        [] => bounded(&remedy.text, ListLength::Handful).into_owned(),
        [line] => format!("{}: {line}", bounded(&remedy.text, ListLength::Handful)),
        // The first of several commands alone may do harm, and a sign behind it would be an argument of it.
        lines => format!(
            "{} ({}: rollout status shows them)",
            bounded(&remedy.text, ListLength::Handful),
            count(lines.len(), "command")
        ),
    }
}

fn message(event: &Event<'_, '_>, names: ListLength) -> (String, Tone) {
    match event.told {
        Told::Ended(ending, after) => ended(ending, after, event, names),
        Told::Change(kind) => changed(kind, event, names),
    }
}

fn ended(ending: Ending, after: SignedDuration, event: &Event<'_, '_>, names: ListLength) -> (String, Tone) {
    let after = age(event.at.saturating_sub(after).unwrap_or(event.at), event.at);
    let held = || {
        let holds = event.standing.into_iter().flat_map(|standing| &standing.holds);
        let held: Vec<String> =
            holds.map(|hold| format!("{}{}", hold::short(&hold.cause), hold::places(&hold.nodes, names))).collect();
        // Nothing is in the way, or not for long enough to be called so: then those tell that came last.
        let held = if held.is_empty() { in_work(event, names) } else { held };
        let held = if held.is_empty() { at_rest(event, names) } else { held };
        if held.is_empty() { String::new() } else { format!(": {}", names.join(&held, HANDFUL, "; ", String::clone)) }
    };
    match ending {
        Ending::Complete => (format!("complete after {after}"), Tone::Good),
        Ending::Stalled => (format!("gave up after {after} without progress (--stall-timeout){}", held()), Tone::Bad),
        Ending::TimedOut => (format!("gave up after {after} (--timeout){}", held()), Tone::Bad),
        Ending::Deleted => ("the DaemonSet was deleted".into(), Tone::Bad),
    }
}

/// The first nodes in work, with their reasons: `node-1: not ready: main`.
fn in_work(event: &Event<'_, '_>, names: ListLength) -> Vec<String> {
    const ENOUGH: usize = 3;
    let nodes = event.standing.into_iter().flat_map(|standing| &standing.nodes);
    let in_work: Vec<_> = nodes.filter(|node| !matches!(node.step, Step::Done | Step::Outdated)).collect();
    let room = names.room(ENOUGH, in_work.len());
    let told = in_work.iter().take(room).map(|node| match node.reasons.first() {
        Some(reason) => format!("{}: {}", safe(node.node), sentence(reason, event.at, names)),
        None => format!("{}: {}", safe(node.node), in_words(node.step)),
    });
    let more = match in_work.len() - room {
        0 => None,
        more => Some(format!("and {more} more in work")),
    };
    told.chain(more).collect()
}

/// Nothing holds and nothing is in work: somebody else's turn.
fn at_rest(event: &Event<'_, '_>, names: ListLength) -> Vec<String> {
    let Some(standing) = event.standing else { return Vec::new() };
    let old: Vec<&str> =
        standing.nodes.iter().filter(|node| node.step == Step::Outdated).map(|node| node.node).collect();
    match standing.phase {
        Phase::NotObserved => vec!["the controller has not seen the newest spec".into()],
        Phase::WaitsForDeletion => {
            vec![format!("nobody deleted an old pod, which OnDelete waits for{}", hold::places(&old, names))]
        }
        Phase::Progressing if !old.is_empty() => {
            vec![format!("the controller does not replace the old pod{}", hold::places(&old, names))]
        }
        _ => Vec::new(),
    }
}

fn changed(kind: &ChangeKind, event: &Event<'_, '_>, names: ListLength) -> (String, Tone) {
    let why = |reasons: &[Reason]| {
        let why: Vec<String> = reasons.iter().map(|reason| sentence(reason, event.at, names)).collect();
        if why.is_empty() { String::new() } else { format!(": {}", names.join(&why, HANDFUL, "; ", String::clone)) }
    };
    match kind {
        ChangeKind::Began { .. } => match event.standing {
            Some(standing) => (began(standing, event), phase_tone(standing.phase)),
            None => ("began to watch".into(), Tone::Plain),
        },
        ChangeKind::NewRevision { to, is_undo, .. } => {
            let what = if *is_undo { "the template was set back" } else { "the template changed" };
            (format!("{what}: follows revision {} from here on", safe(to)), Tone::Strong)
        }
        ChangeKind::NodeStarted { node, step } => (format!("{}: {}", safe(node), at_first(*step)), step_tone(*step)),
        ChangeKind::NodeFailing { node, reasons, .. } => {
            (format!("{}: the new pod is in trouble{}", safe(node), why(reasons)), Tone::Bad)
        }
        ChangeKind::NodeDone { node } => (format!("{}: done", safe(node)), Tone::Good),
        ChangeKind::NodeUndone { node, step, reasons } => {
            (format!("{}: no longer done, {}{}", safe(node), in_words(*step), why(reasons)), Tone::Warning)
        }
        ChangeKind::NodeAdded { node, step } => {
            (format!("{}: a pod is wanted here now, {}", safe(node), at_first(*step)), Tone::Moving)
        }
        ChangeKind::NodeRemoved { node, .. } => {
            (format!("{}: no pod is wanted here any more", safe(node)), Tone::Quiet)
        }
        ChangeKind::HoldBegan { cause, nodes, is_certain } | ChangeKind::HoldCertain { cause, nodes, is_certain } => {
            let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
            let (head, tail, tone) = match is_certain {
                true => ("stuck", ", cannot finish by itself", Tone::Bad),
                false => ("held", "", Tone::Warning),
            };
            (format!("{head}{}{tail}: {}", hold::places(&nodes, names), hold::sentence(cause, event.at, names)), tone)
        }
        ChangeKind::HoldEnded { cause, .. } => (format!("no longer held: {}", hold::short(cause)), Tone::Moving),
        ChangeKind::PhaseChanged { to, .. } => match event.standing {
            Some(standing) => (phase_in_words(standing), phase_tone(*to)),
            None => (super::phase_name(*to).to_owned(), phase_tone(*to)),
        },
        ChangeKind::Deleted => ("the DaemonSet is gone".into(), Tone::Bad),
    }
}

fn began(standing: &Standing<'_>, event: &Event<'_, '_>) -> String {
    format!(
        "{}: {}, {}: {}; {}",
        safe(&format!("{}/{}", event.namespace, event.name)),
        strategy_of(standing.daemon_set),
        revision_in_words(standing.revision),
        tally(standing),
        phase_in_words(standing)
    )
}

/// The sentence of a phase inside of a line.
fn phase_in_words(standing: &Standing<'_>) -> String {
    let sentence = phase_sentence(standing);
    let mut letters = sentence.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    let delete = match standing.phase {
        Phase::WaitsForDeletion => "; kubectl delete pod does it",
        _ => "",
    };
    first.into_iter().chain(letters).chain(delete.chars()).collect()
}

/// The words of a step.
pub(crate) fn in_words(step: Step) -> &'static str {
    match step {
        Step::Outdated => "an old pod",
        Step::Waiting => "no pod yet",
        Step::Replacing => "the old pod is being replaced",
        Step::Starting => "the new pod starts",
        Step::Failing => "the new pod is in trouble",
        Step::Done => step_name(Step::Done),
    }
}

/// The words of a step that is told for the first time: what became of the new pod is a line of its own.
fn at_first(step: Step) -> &'static str {
    match step {
        Step::Failing | Step::Done => "the new pod is there",
        step => in_words(step),
    }
}

fn fixes(event: &Event<'_, '_>) -> Vec<Remedy> {
    let (Told::Change(kind), Some(standing)) = (event.told, event.standing) else {
        return Vec::new();
    };
    let (ChangeKind::HoldBegan { cause, nodes, is_certain } | ChangeKind::HoldCertain { cause, nodes, is_certain }) =
        kind
    else {
        return Vec::new();
    };
    let nodes = nodes.iter().map(String::as_str).collect();
    let hold = Hold { cause: cause.clone(), nodes, lasts: *is_certain, is_certain: *is_certain };
    hold::remedies(&hold, standing)
}
