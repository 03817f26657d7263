#![allow(clippy::unwrap_used)]

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn record(steps: &[(&str, Step)]) -> Record {
    let node = |(name, step): &(&str, Step)| {
        let causes = match step {
            Step::Failing => vec![crash(1)],
            _ => Vec::new(),
        };
        ((*name).to_owned(), NodeRecord { step: *step, reasons: Vec::new(), causes })
    };
    Record {
        uid: Some("u".into()),
        revision: Some("new".into()),
        is_undo: false,
        phase: Phase::Progressing,
        desired: steps.len(),
        nodes: steps.iter().map(node).collect(),
        holds: Vec::new(),
    }
}

fn crash(restarts: i32) -> Cause {
    Cause::CrashLoop { container: "c".into(), restarts, last_exit: None }
}

fn hold(restarts: i32) -> HoldRecord {
    HoldRecord { cause: crash(restarts), nodes: vec!["a".into()], is_certain: false }
}

/// The names of the changes, with their node.
fn names(before: &Record, now: &Record) -> Vec<String> {
    let name = |change: Change| {
        let value = serde_json::to_value(change).unwrap();
        let node = value["node"].as_str().map(|node| format!(" {node}")).unwrap_or_default();
        format!("{}{node}", value["event"].as_str().unwrap())
    };
    changes(Some(before), Some(now), NOW).into_iter().map(name).collect()
}

#[test]
fn nothing_is_said_twice() {
    let record = record(&[("a", Step::Failing), ("b", Step::Done)]);
    assert!(names(&record, &record).is_empty());
}

#[test]
fn a_node_that_goes_all_the_way_between_two_looks_has_started_and_is_done() {
    let now = record(&[("a", Step::Done)]);
    assert_eq!(names(&record(&[("a", Step::Outdated)]), &now), ["NodeStarted a", "NodeDone a"]);
    assert_eq!(names(&record(&[("a", Step::Starting)]), &now), ["NodeDone a"]);
    assert_eq!(names(&record(&[("a", Step::Replacing)]), &record(&[("a", Step::Waiting)])), [""; 0]);
}

#[test]
fn a_node_that_was_done_is_undone_once_and_done_again() {
    let (done, starting) = (record(&[("a", Step::Done)]), record(&[("a", Step::Starting)]));
    assert_eq!(names(&done, &starting), ["NodeUndone a"]);
    assert_eq!(names(&starting, &done), ["NodeDone a"]);
}

#[test]
fn a_crash_loop_is_said_once_and_another_trouble_again() {
    let before = record(&[("a", Step::Failing)]);
    let mut now = before.clone();
    now.nodes.get_mut("a").unwrap().causes = vec![crash(7)];
    assert!(names(&before, &now).is_empty());
    let gated = vec![Cause::NewPodGated];
    now.nodes.get_mut("a").unwrap().causes = gated;
    assert_eq!(names(&before, &now), ["NodeFailing a"]);
}

#[test]
fn a_hold_begins_and_ends_however_its_numbers_change() {
    let free = record(&[("a", Step::Starting)]);
    let held = Record { holds: vec![hold(1)], ..free.clone() };
    let still = Record { holds: vec![hold(9)], ..free.clone() };
    assert_eq!(names(&free, &held), ["HoldBegan"]);
    assert!(names(&held, &still).is_empty());
    assert_eq!(names(&still, &free), ["HoldEnded"]);
}

#[test]
fn a_hold_that_becomes_certain_is_told_again_with_its_nodes_and_only_then() {
    let free = record(&[("a", Step::Starting), ("b", Step::Starting)]);
    let held = Record { holds: vec![hold(1)], ..free.clone() };
    let certain = HoldRecord { nodes: vec!["a".into(), "b".into()], is_certain: true, ..hold(3) };
    let stuck = Record { holds: vec![certain], phase: Phase::Stuck, ..free.clone() };
    assert_eq!(names(&held, &stuck), ["HoldCertain", "PhaseChanged"]);
    let change = &changes(Some(&held), Some(&stuck), NOW)[0].kind;
    assert!(matches!(change, ChangeKind::HoldCertain { nodes, is_certain: true, .. } if nodes == &["a", "b"]));
    assert!(names(&stuck, &stuck).is_empty());
    assert_eq!(names(&free, &stuck), ["HoldBegan", "PhaseChanged"]);
    assert_eq!(names(&stuck, &held), ["PhaseChanged"]);
}

#[test]
fn a_new_template_is_one_change_and_not_one_for_each_node() {
    let before = record(&[("a", Step::Done), ("b", Step::Outdated), ("c", Step::Starting)]);
    let after = record(&[("a", Step::Outdated), ("b", Step::Done), ("c", Step::Failing)]);
    let after = Record { revision: Some("newer".into()), is_undo: true, ..after };
    assert_eq!(names(&before, &after), ["NewRevision", "NodeStarted c", "NodeFailing c"]);
    let change = &changes(Some(&before), Some(&after), NOW)[0].kind;
    assert!(matches!(change, ChangeKind::NewRevision { is_undo: true, done: 1, desired: 3, .. }), "{change:?}");
}

#[test]
fn a_template_without_a_revision_yet_says_nothing_of_its_nodes() {
    let before = record(&[("a", Step::Done)]);
    let unobserved = record(&[("a", Step::Outdated)]);
    let unobserved = Record { revision: None, phase: Phase::NotObserved, ..unobserved };
    assert_eq!(names(&before, &unobserved), ["PhaseChanged"]);
    let observed = Record { revision: Some("newer".into()), ..record(&[("a", Step::Outdated)]) };
    assert_eq!(names(&unobserved, &observed), ["NewRevision", "PhaseChanged"]);
}

#[test]
fn a_look_between_two_templates_does_not_forget_what_was_before() {
    let before = record(&[("a", Step::Done), ("b", Step::Starting)]);
    let between = Record { revision: None, ..record(&[("a", Step::Outdated), ("b", Step::Outdated)]) };
    let between = Record { phase: Phase::NotObserved, ..between }.after(Some(&before));
    assert_eq!(names(&before, &between), ["PhaseChanged"]);
    let newer = Record { revision: Some("newer".into()), ..record(&[("a", Step::Replacing), ("b", Step::Outdated)]) };
    let newer = newer.after(Some(&between));
    assert_eq!(names(&between, &newer), ["NewRevision", "NodeStarted a", "PhaseChanged"]);
    let change = &changes(Some(&between), Some(&newer), NOW)[0].kind;
    assert!(matches!(change, ChangeKind::NewRevision { from: Some(from), .. } if from == "new"), "{change:?}");
    // The template was set back before the controller has looked at it.
    let same = record(&[("a", Step::Done), ("b", Step::Done)]).after(Some(&between));
    assert_eq!(names(&between, &same), ["NodeDone b", "PhaseChanged"]);
    // Another DaemonSet of the name has nothing of this one.
    let other = Record { uid: Some("v".into()), revision: None, ..record(&[]) };
    assert_eq!(other.clone().after(Some(&before)), other);
}

#[test]
fn nodes_come_and_go() {
    let before = record(&[("a", Step::Done)]);
    let after = record(&[("b", Step::Done), ("c", Step::Waiting)]);
    assert_eq!(names(&before, &after), ["NodeRemoved a", "NodeAdded b", "NodeDone b", "NodeAdded c"]);
}

#[test]
fn the_first_look_says_what_fails_and_what_holds() {
    let now = Record { holds: vec![hold(1)], ..record(&[("a", Step::Failing), ("b", Step::Done)]) };
    let kinds: Vec<ChangeKind> = changes(None, Some(&now), NOW).into_iter().map(|change| change.kind).collect();
    assert!(
        matches!(
            &kinds[..],
            [
                ChangeKind::Began { done: 1, desired: 2, .. },
                ChangeKind::NodeFailing { .. },
                ChangeKind::HoldBegan { .. }
            ]
        ),
        "{kinds:?}"
    );
}

#[test]
fn a_deleted_daemon_set_is_said_and_so_is_another_one_of_its_name() {
    let before = record(&[]);
    assert_eq!(changes(Some(&before), None, NOW), [Change { at: NOW, kind: ChangeKind::Deleted }]);
    let other = Record { uid: Some("v".into()), ..before.clone() };
    assert_eq!(names(&before, &other), ["Deleted", "Began"]);
}

#[test]
fn the_end_is_said_after_the_last_node() {
    let before = record(&[("a", Step::Starting)]);
    let after = Record { phase: Phase::Complete, ..record(&[("a", Step::Done)]) };
    assert_eq!(names(&before, &after), ["NodeDone a", "PhaseChanged"]);
}
