#![allow(clippy::unwrap_used)]

use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::{Value, json};

use super::labels::{budget, step_sign};
use super::*;
use crate::coverage::NodeCoverage;
use crate::cycle::LockSighting;
use crate::explain::{Exit, ReadyStatus, Reason, State};
use crate::placement::Placement;
use crate::render::ViewOptions;
use crate::render::document::DocumentFormat;
use crate::render::name_list::ListLength;
use crate::render::style::{Palette, Style};
use crate::revision::CurrentRevision;
use crate::rollout::{
    Blocker, BudgetUse, BudgetUseReason, EventKind, NodeProgress, NodeStep, Phase, Problem, ProblemType,
    ProgressSample, ProgressTracker, RolloutEvent, RolloutStatus, Strategy,
};
use crate::snapshot::Known;
use crate::testing::objects::{self, now};

fn daemon_set(kind: &str) -> DaemonSet {
    objects::daemon_set("shop", "agent", json!({"spec": {"updateStrategy": {"type": kind}}}))
}

fn revision() -> CurrentRevision {
    let mut revision = CurrentRevision::new(&daemon_set("OnDelete"), &Known::Known(Vec::new()));
    revision.hash = Known::Known(Some("86bf".into()));
    revision
}

fn row(node: &str) -> NodeCoverage<'_> {
    NodeCoverage {
        uncovered_since: None,
        node,
        labels: None,
        placement: Some(Placement::Run),
        state: State::NotReady,
        pods: Vec::new(),
        is_available: false,
        up_to_date: None,
        reasons: Vec::new(),
        wants_events: false,
    }
}

fn progress<'a>(row: &'a NodeCoverage<'a>, step: NodeStep) -> NodeProgress<'a> {
    NodeProgress { node: row.node, step, reasons: Vec::new(), problems: Vec::new(), row }
}

fn status_with_nodes<'a>(
    daemon_set: &'a DaemonSet,
    revision: &'a CurrentRevision,
    nodes: Vec<NodeProgress<'a>>,
) -> RolloutStatus<'a> {
    RolloutStatus {
        daemon_set,
        revision,
        strategy: Strategy::Rolling { max_unavailable: 2 },
        desired: nodes.len(),
        updated: 1,
        available: 2,
        updated_available: 1,
        nodes,
        budget_used_by: Vec::new(),
        phase: Phase::Progressing,
        blockers: Vec::new(),
        outdated_misscheduled: Vec::new(),
        is_rollback: false,
        missing: Vec::new(),
    }
}

fn crash(restarts: i32) -> Reason {
    let exit = Exit { exit_code: 1, signal: 0, reason: "Error".into(), message: String::new() };
    Reason::CrashLoopBackOff { container: "main".into(), restarts, last_exit: Some(exit) }
}

fn plain(width: Option<usize>) -> ViewOptions {
    ViewOptions::new(Style { palette: Palette::None, width, height: None, names: ListLength::Handful }, now())
}

#[test]
fn budget_names_its_users_and_reasons() {
    let (set, revision) = (daemon_set("RollingUpdate"), revision());
    let mut rollout_status = status_with_nodes(&set, &revision, Vec::new());
    assert_eq!(budget(&rollout_status, 8, plain(None)), None);
    let since = Some(now() - SignedDuration::from_mins(14));
    let not_ready = Reason::NodeNotReady {
        status: ReadyStatus::Unknown,
        reason: "NodeStatusUnknown".into(),
        detail: String::new(),
        since,
    };
    let budget_use =
        |node, reason, reasons| BudgetUse { node, reason, reasons, node_down: false, needs_intervention: false };
    rollout_status.budget_used_by = vec![
        budget_use("node-7", BudgetUseReason::OldUnavailable, vec![not_ready]),
        budget_use("node-9", BudgetUseReason::NewUnavailable, vec![crash(6)]),
        budget_use("node-a", BudgetUseReason::Missing, Vec::new()),
    ];
    assert_eq!(
        budget(&rollout_status, 8, plain(None)).unwrap(),
        "unavailable 3 (maxUnavailable 2): node-7 (NotReady for 14m), node-9 (CrashLoopBackOff, exit 1, 6 restarts), \
         node-a (no pod)"
    );
    assert!(budget(&rollout_status, 1, plain(None)).unwrap().ends_with("node-7 (NotReady for 14m) and 2 more"));
    // First those that need intervention, then those that fail, then those that make progress.
    let lasting =
        BudgetUse { needs_intervention: true, ..budget_use("node-b", BudgetUseReason::NewUnavailable, vec![crash(2)]) };
    let starts = budget_use("node-0", BudgetUseReason::NewUnavailable, vec![Reason::ContainerCreating]);
    rollout_status.budget_used_by.insert(0, starts);
    rollout_status.budget_used_by.push(lasting);
    let order = budget(&rollout_status, 8, plain(None)).unwrap();
    let places: Vec<usize> =
        ["node-b", "node-7", "node-9", "node-0", "node-a"].map(|node| order.find(node).unwrap()).into();
    assert!(places.is_sorted(), "{order}");
    rollout_status.strategy = Strategy::Surge { max_surge: 3 };
    assert!(budget(&rollout_status, 1, plain(None)).unwrap().starts_with("surge 5 (maxSurge 3): "));
    rollout_status.strategy = Strategy::OnDelete;
    assert_eq!(budget(&rollout_status, 8, plain(None)), None);
}

#[test]
fn cells_fit_and_show_the_worst_of_several_nodes() {
    let rows: Vec<NodeCoverage<'_>> = (0..1000).map(|_| row("node")).collect();
    let step = |index: usize| if index == 500 { NodeStep::Failing } else { NodeStep::Done };
    let nodes: Vec<NodeProgress<'_>> = rows.iter().enumerate().map(|(index, row)| progress(row, step(index))).collect();
    let (one_each, nodes_a_cell) = node_grid::fitted(&nodes, 1000);
    assert_eq!((one_each.len(), nodes_a_cell), (1000, 1));
    let (grouped, nodes_a_cell) = node_grid::fitted(&nodes, 320);
    assert_eq!((grouped.len(), nodes_a_cell), (250, 4));
    assert_eq!(grouped.iter().filter(|step| **step == NodeStep::Failing).count(), 1);
    let mut out = Vec::new();
    node_grid::cells(&mut out, &nodes, plain(Some(80))).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.lines().all(|line| crate::render::text::width(line) <= 80), "{text}");
    assert!(text.contains("■ 999 Done   ✗ 1 Failing"), "{text}");
    assert!(text.contains("each cell shows the worst of 4 nodes"), "{text}");
}

#[test]
fn each_step_has_a_unique_symbol() {
    let steps = [
        NodeStep::Outdated,
        NodeStep::Waiting,
        NodeStep::Replacing,
        NodeStep::Starting,
        NodeStep::Failing,
        NodeStep::Done,
    ];
    let signs: std::collections::BTreeSet<char> = steps.into_iter().map(step_sign).collect();
    assert_eq!(signs.len(), steps.len());
}

#[test]
fn timeout_without_blockers_names_nodes_in_progress() {
    let (set, revision, row) = (daemon_set("RollingUpdate"), revision(), row("node-1"));
    let rollout_status = status_with_nodes(&set, &revision, vec![progress(&row, NodeStep::Starting)]);
    let watch_event = WatchEvent::Ended(Ending::Stalled, SignedDuration::from_secs(6));
    let event =
        Event { at: now(), watch_event, namespace: "shop", name: "agent", rollout_status: Some(&rollout_status) };
    let mut out = Vec::new();
    line(&mut out, &event, plain(None)).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("no progress for 6s (--stall-timeout): node-1: "), "{text}");
}

#[test]
fn timeout_without_nodes_in_progress_explains_the_wait() {
    let (set, revision) = (daemon_set("RollingUpdate"), revision());
    let rows: Vec<NodeCoverage<'_>> = ["node-1", "node-2", "node-3", "node-4", "node-5"].map(row).into();
    let said = |phase, step| {
        let nodes = rows.iter().map(|row| progress(row, step)).collect();
        let rollout_status = RolloutStatus { phase, ..status_with_nodes(&set, &revision, nodes) };
        let watch_event = WatchEvent::Ended(Ending::TimedOut, SignedDuration::from_secs(6));
        let event =
            Event { at: now(), watch_event, namespace: "shop", name: "agent", rollout_status: Some(&rollout_status) };
        let mut out = Vec::new();
        line(&mut out, &event, plain(None)).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.split_once(" (--timeout)").unwrap().1.split(" (1 of 5").next().unwrap().to_owned()
    };
    assert_eq!(
        said(Phase::Progressing, NodeStep::Outdated),
        ": the controller has not replaced old pods on 5 nodes (node-1, node-2, node-3, node-4, node-5)"
    );
    assert_eq!(said(Phase::NotObserved, NodeStep::Done), ": the controller has not observed the latest spec");
    assert!(
        said(Phase::AwaitingDeletion, NodeStep::Outdated).starts_with(": still waiting for old pods to be deleted")
    );
    assert_eq!(
        said(Phase::Progressing, NodeStep::Waiting),
        ": node-1: no pod yet; node-2: no pod yet; node-3: no pod yet; and 2 more in progress"
    );
    assert_eq!(said(Phase::Complete, NodeStep::Done), "");
}

#[test]
fn confirmed_blocker_shows_its_nodes_and_remedy() {
    let (set, revision, row) = (daemon_set("RollingUpdate"), revision(), row("node-1"));
    let rollout_status = status_with_nodes(&set, &revision, vec![progress(&row, NodeStep::Failing)]);
    let reason = Reason::NodeNotReady {
        status: ReadyStatus::Unknown,
        reason: "NodeStatusUnknown".into(),
        detail: String::new(),
        since: None,
    };
    let blocker = Problem { problem_type: ProblemType::OldPod, reason };
    let kind = EventKind::BlockerConfirmed { blocker, nodes: vec!["node-1".into()], blocking: true };
    let mut out = Vec::new();
    let change = RolloutEvent { at: now(), kind };
    line(&mut out, &Event::change(&change, ("shop", "agent"), Some(&rollout_status)), plain(None)).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("Z stuck on node-1, cannot complete without intervention: the old pod cannot terminate because "),
        "{text}"
    );
    assert!(text.ends_with("; recover the kubelet on the node: kubectl describe node node-1\n"), "{text}");
}

#[test]
fn change_is_one_line_with_time_reason_and_progress() {
    let (set, revision, row) = (daemon_set("RollingUpdate"), revision(), row("node-1"));
    let rollout_status = status_with_nodes(&set, &revision, vec![progress(&row, NodeStep::Failing)]);
    let written = |kind: EventKind| {
        let change = RolloutEvent { at: now(), kind };
        let mut out = Vec::new();
        line(&mut out, &Event::change(&change, ("shop", "agent"), Some(&rollout_status)), plain(None)).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        written(EventKind::Started { done: 1 }),
        "2026-01-02T12:00:00Z shop/agent: RollingUpdate, revision 86bf: 1 of 1 updated, 2 available; progressing\n"
    );
    assert_eq!(
        written(EventKind::NodeFailing { node: "node-1".into(), problems: Vec::new(), reasons: vec![crash(1)] }),
        "2026-01-02T12:00:00Z node-1: new pod failing: container main: CrashLoopBackOff (exit 1, 1 restart) (1 of 1 \
         updated, 2 available)\n"
    );
    let hostile = written(EventKind::NodeDone { node: "a\u{1b}[2J\nb".into() });
    assert_eq!(hostile, "2026-01-02T12:00:00Z a\\u{1b}[2J b: done (1 of 1 updated, 2 available)\n");
}

#[test]
fn blocker_event_has_nodes_evidence_and_remedy() {
    let (set, revision, row) = (daemon_set("RollingUpdate"), revision(), row("node-1"));
    let rollout_status = status_with_nodes(&set, &revision, vec![progress(&row, NodeStep::Failing)]);
    let reason = Reason::SurgeHostPortConflict { port: 9100, protocol: "TCP".into() };
    let blocker = Problem { problem_type: ProblemType::NewPod, reason };
    let kind = EventKind::BlockerFound { blocker, nodes: vec!["node-1".into(), "node-2".into()], blocking: true };
    let change = RolloutEvent { at: now(), kind };
    let event = Event::change(&change, ("shop", "agent"), Some(&rollout_status));
    let mut out = Vec::new();
    document(&mut out, &event, &DocumentFormat::Json).unwrap();
    let value: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["kind"], "RolloutEvent");
    assert_eq!(value["type"], "BlockerFound");
    assert_eq!(value["blocker"]["reason"]["code"], "SurgeHostPortConflict");
    assert_eq!(value["updated"], 1);
    let message = value["message"].as_str().unwrap();
    assert!(
        message.starts_with(
            "stuck on 2 nodes (node-1, node-2), cannot complete without intervention: the new pod needs host port \
             9100/TCP"
        ),
        "{message}"
    );
    let line = value["fix"][0]["lines"][0].as_str().unwrap();
    assert!(line.starts_with("kubectl -n shop patch daemonset agent --type=merge -p "), "{line}");
}

#[test]
fn timeout_shows_the_blocker() {
    let (set, revision, row) = (daemon_set("RollingUpdate"), revision(), row("node-1"));
    let mut rollout_status = status_with_nodes(&set, &revision, vec![progress(&row, NodeStep::Failing)]);
    let gated = Problem { problem_type: ProblemType::NewPod, reason: Reason::SchedulingGated };
    rollout_status.blockers =
        vec![Blocker { problem: gated, nodes: vec!["node-1"], needs_intervention: true, blocking: false }];
    let written = |ending| {
        let watch_event = WatchEvent::Ended(ending, SignedDuration::from_mins(10));
        let event =
            Event { at: now(), watch_event, namespace: "shop", name: "agent", rollout_status: Some(&rollout_status) };
        let mut out = Vec::new();
        line(&mut out, &event, plain(None)).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        written(Ending::Stalled),
        "2026-01-02T12:00:00Z timed out: no progress for 10m (--stall-timeout): new pod has a scheduling gate on \
         node-1 (1 of 1 updated, 2 available)\n"
    );
    assert!(written(Ending::Complete).contains("Z complete after 10m (1 of 1"));
}

#[test]
fn end_of_a_paused_rollout_names_the_command_to_resume() {
    let (set, revision, row) = (daemon_set("OnDelete"), revision(), row("node-1"));
    let rollout_status = status_with_nodes(&set, &revision, vec![progress(&row, NodeStep::Outdated)]);
    let watch_event = WatchEvent::Ended(Ending::Paused, SignedDuration::from_secs(6));
    let event =
        Event { at: now(), watch_event, namespace: "shop", name: "agent", rollout_status: Some(&rollout_status) };
    let mut out = Vec::new();
    line(&mut out, &event, plain(None)).unwrap();
    let text = String::from_utf8(out).unwrap();
    let expected = "Z paused after 6s (--fail-fast): the controller replaces no pods; resume it with: kubectl ds rollout \
                    resume agent -n shop (1 of 1";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn left_cordons_are_shown_unless_a_cycle_holds_the_lock() {
    let words = |kind: &str, nodes: &[&str], lock: Known<Option<&LockSighting>>| {
        cordons_in_words(&daemon_set(kind), nodes, &lock, now(), ListLength::Handful)
    };
    let free = || Known::Known(None);
    let lock = |renewed| LockSighting {
        lease: "l".into(),
        holder: "host".into(),
        since: None,
        renewed: Some(renewed),
        duration_seconds: 15,
    };
    assert_eq!(words("OnDelete", &[], free()), None);
    let finish = "1 node still cordoned by an earlier cycle: a; finish it with: kubectl ds cycle agent -n shop";
    assert_eq!(words("OnDelete", &["a"], free()).unwrap(), finish);
    let killed = lock(now() - SignedDuration::from_mins(1));
    assert_eq!(words("OnDelete", &["a"], Known::Known(Some(&killed))).unwrap(), finish);
    assert_eq!(words("OnDelete", &["a"], Known::Known(Some(&lock(now())))), None);
    assert_eq!(
        words("RollingUpdate", &["a", "b"], free()).unwrap(),
        "2 nodes still cordoned by an earlier cycle: a, b; uncordon them with: kubectl uncordon a b"
    );
    assert_eq!(
        words("OnDelete", &["a"], Known::failed("cannot list leases")).unwrap(),
        "1 node cordoned by a cycle: a; unless it is running, finish it with: kubectl ds cycle agent -n shop"
    );
}

#[test]
fn speed_shows_time_left_or_time_without_progress() {
    let (set, revision) = (daemon_set("RollingUpdate"), revision());
    let rows: Vec<NodeCoverage<'_>> = (0..10).map(|_| row("node")).collect();
    let mut rollout_status =
        status_with_nodes(&set, &revision, rows.iter().map(|row| progress(row, NodeStep::Outdated)).collect());
    let mark = |done| ProgressSample { updated: done, done, ..ProgressSample::new(&rollout_status) };
    let at = |seconds| now() + SignedDuration::from_secs(seconds);
    let mut tracker = ProgressTracker::begin(mark(1), at(0));
    for (done, seconds) in [(2, 30), (3, 60), (4, 90)] {
        tracker.observe(mark(done), at(seconds));
    }
    rollout_status.updated_available = 4;
    let watched = WatchProgress { tracker: &tracker, waits_for: None, stall_timeout: None };
    assert_eq!(screen::speed(&rollout_status, watched, at(91)).unwrap(), "2.0 nodes per minute, about 3m left");
    rollout_status.phase = Phase::Stuck;
    assert_eq!(screen::speed(&rollout_status, watched, at(390)).unwrap(), "no progress for 5m");
    rollout_status.phase = Phase::Complete;
    assert_eq!(screen::speed(&rollout_status, watched, at(390)), None);
}
