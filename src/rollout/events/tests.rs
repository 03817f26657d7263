#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::objects::now;

fn record(steps: &[(&str, NodeStep)]) -> StatusRecord {
    let node = |(name, step): &(&str, NodeStep)| {
        let problems = match step {
            NodeStep::Failing => vec![crash(1)],
            _ => Vec::new(),
        };
        ((*name).to_owned(), NodeRecord { step: *step, reasons: Vec::new(), problems })
    };
    StatusRecord {
        uid: Some("u".into()),
        revision: Some("new".into()),
        is_rollback: false,
        phase: Phase::Progressing,
        nodes: steps.iter().map(node).collect(),
        blockers: Vec::new(),
    }
}

fn crash(restarts: i32) -> Problem {
    Problem::new_pod(Reason::CrashLoopBackOff { container: "c".into(), restarts, last_exit: None })
}

fn blocker(restarts: i32) -> BlockerRecord {
    BlockerRecord { problem: crash(restarts), nodes: vec!["a".into()], blocking: false }
}

/// The types of the events, with their node.
fn names(before: &StatusRecord, after: &StatusRecord) -> Vec<String> {
    let name = |change: RolloutEvent| {
        let value = serde_json::to_value(change.kind).unwrap();
        let node = value["node"].as_str().map(|node| format!(" {node}")).unwrap_or_default();
        format!("{}{node}", value["type"].as_str().unwrap())
    };
    changes(Some(before), Some(after), now()).into_iter().map(name).collect()
}

#[test]
fn unchanged_record_has_no_events() {
    let record = record(&[("a", NodeStep::Failing), ("b", NodeStep::Done)]);
    assert!(names(&record, &record).is_empty());
}

#[test]
fn node_that_completes_between_records_started_and_is_done() {
    let after = record(&[("a", NodeStep::Done)]);
    assert_eq!(names(&record(&[("a", NodeStep::Outdated)]), &after), ["NodeStarted a", "NodeDone a"]);
    assert_eq!(names(&record(&[("a", NodeStep::Starting)]), &after), ["NodeDone a"]);
    assert_eq!(names(&record(&[("a", NodeStep::Replacing)]), &record(&[("a", NodeStep::Waiting)])), [""; 0]);
}

#[test]
fn node_regresses_once_and_is_done_again() {
    let (done, starting) = (record(&[("a", NodeStep::Done)]), record(&[("a", NodeStep::Starting)]));
    assert_eq!(names(&done, &starting), ["NodeRegressed a"]);
    assert_eq!(names(&starting, &done), ["NodeDone a"]);
}

#[test]
fn crash_loop_is_reported_once_and_another_problem_again() {
    let before = record(&[("a", NodeStep::Failing)]);
    let mut after = before.clone();
    after.nodes.get_mut("a").unwrap().problems = vec![crash(7)];
    assert!(names(&before, &after).is_empty());
    let gated = vec![Problem::new_pod(Reason::SchedulingGated)];
    after.nodes.get_mut("a").unwrap().problems = gated;
    assert_eq!(names(&before, &after), ["NodeFailing a"]);
}

#[test]
fn blocker_is_found_and_cleared_whatever_its_numbers() {
    let free = record(&[("a", NodeStep::Starting)]);
    let held = StatusRecord { blockers: vec![blocker(1)], ..free.clone() };
    let still = StatusRecord { blockers: vec![blocker(9)], ..free.clone() };
    assert_eq!(names(&free, &held), ["BlockerFound"]);
    assert!(names(&held, &still).is_empty());
    assert_eq!(names(&still, &free), ["BlockerCleared"]);
}

#[test]
fn blocker_that_becomes_blocking_is_confirmed_once() {
    let free = record(&[("a", NodeStep::Starting), ("b", NodeStep::Starting)]);
    let held = StatusRecord { blockers: vec![blocker(1)], ..free.clone() };
    let certain = BlockerRecord { nodes: vec!["a".into(), "b".into()], blocking: true, ..blocker(3) };
    let stuck = StatusRecord { blockers: vec![certain], phase: Phase::Stuck, ..free.clone() };
    assert_eq!(names(&held, &stuck), ["BlockerConfirmed", "PhaseChanged"]);
    let change = &changes(Some(&held), Some(&stuck), now())[0].kind;
    assert!(matches!(change, EventKind::BlockerConfirmed { nodes, blocking: true, .. } if nodes == &["a", "b"]));
    assert!(names(&stuck, &stuck).is_empty());
    assert_eq!(names(&free, &stuck), ["BlockerFound", "PhaseChanged"]);
    assert_eq!(names(&stuck, &held), ["PhaseChanged"]);
}

#[test]
fn new_template_is_one_event_and_not_one_per_node() {
    let before = record(&[("a", NodeStep::Done), ("b", NodeStep::Outdated), ("c", NodeStep::Starting)]);
    let after = record(&[("a", NodeStep::Outdated), ("b", NodeStep::Done), ("c", NodeStep::Failing)]);
    let after = StatusRecord { revision: Some("newer".into()), is_rollback: true, ..after };
    assert_eq!(names(&before, &after), ["NewRevision", "NodeStarted c", "NodeFailing c"]);
    let change = &changes(Some(&before), Some(&after), now())[0].kind;
    assert!(matches!(change, EventKind::NewRevision { rollback: true, done: 1, .. }), "{change:?}");
}

#[test]
fn template_without_a_revision_has_no_node_events() {
    let before = record(&[("a", NodeStep::Done)]);
    let unobserved = record(&[("a", NodeStep::Outdated)]);
    let unobserved = StatusRecord { revision: None, phase: Phase::NotObserved, ..unobserved };
    assert_eq!(names(&before, &unobserved), ["PhaseChanged"]);
    let observed = StatusRecord { revision: Some("newer".into()), ..record(&[("a", NodeStep::Outdated)]) };
    assert_eq!(names(&unobserved, &observed), ["NewRevision", "PhaseChanged"]);
}

#[test]
fn record_between_two_revisions_keeps_the_earlier_one() {
    let before = record(&[("a", NodeStep::Done), ("b", NodeStep::Starting)]);
    let between = StatusRecord { revision: None, ..record(&[("a", NodeStep::Outdated), ("b", NodeStep::Outdated)]) };
    let between = StatusRecord { phase: Phase::NotObserved, ..between }.after(Some(&before));
    assert_eq!(names(&before, &between), ["PhaseChanged"]);
    let newer = StatusRecord {
        revision: Some("newer".into()),
        ..record(&[("a", NodeStep::Replacing), ("b", NodeStep::Outdated)])
    };
    let newer = newer.after(Some(&between));
    assert_eq!(names(&between, &newer), ["NewRevision", "NodeStarted a", "PhaseChanged"]);
    let change = &changes(Some(&between), Some(&newer), now())[0].kind;
    assert!(matches!(change, EventKind::NewRevision { from: Some(from), .. } if from == "new"), "{change:?}");
    // The template was rolled back before the controller observed it.
    let same = record(&[("a", NodeStep::Done), ("b", NodeStep::Done)]).after(Some(&between));
    assert_eq!(names(&between, &same), ["NodeDone b", "PhaseChanged"]);
    // Another DaemonSet with the same name inherits nothing.
    let other = StatusRecord { uid: Some("v".into()), revision: None, ..record(&[]) };
    assert_eq!(other.clone().after(Some(&before)), other);
}

#[test]
fn nodes_are_added_and_removed() {
    let before = record(&[("a", NodeStep::Done)]);
    let after = record(&[("b", NodeStep::Done), ("c", NodeStep::Waiting)]);
    assert_eq!(names(&before, &after), ["NodeRemoved a", "NodeAdded b", "NodeDone b", "NodeAdded c"]);
}

#[test]
fn first_record_reports_failing_nodes_and_blockers() {
    let after =
        StatusRecord { blockers: vec![blocker(1)], ..record(&[("a", NodeStep::Failing), ("b", NodeStep::Done)]) };
    let kinds: Vec<EventKind> = changes(None, Some(&after), now()).into_iter().map(|change| change.kind).collect();
    assert!(
        matches!(
            &kinds[..],
            [EventKind::Started { done: 1 }, EventKind::NodeFailing { .. }, EventKind::BlockerFound { .. }]
        ),
        "{kinds:?}"
    );
}

#[test]
fn deleted_and_recreated_daemon_sets_are_reported() {
    let before = record(&[]);
    assert_eq!(changes(Some(&before), None, now()), [RolloutEvent { at: now(), kind: EventKind::Deleted }]);
    let other = StatusRecord { uid: Some("v".into()), ..before.clone() };
    assert_eq!(names(&before, &other), ["Deleted", "Started"]);
}

#[test]
fn completion_is_reported_after_the_last_node() {
    let before = record(&[("a", NodeStep::Starting)]);
    let after = StatusRecord { phase: Phase::Complete, ..record(&[("a", NodeStep::Done)]) };
    assert_eq!(names(&before, &after), ["NodeDone a", "PhaseChanged"]);
}
