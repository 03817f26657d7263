//! Every cause, what is certain and what is only slow.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::world::*;
use super::*;
use crate::explain::Reason;
use crate::snapshot::Known;

#[test]
fn a_daemon_set_that_wants_no_node_is_complete() {
    assert_eq!(RolloutFixture::rolling(0, json!(1)).phase(), Phase::Complete);
    assert_eq!(RolloutFixture::new(0, json!({ "type": "OnDelete" })).phase(), Phase::Complete);
}

#[test]
fn slow_is_not_stuck() {
    let world = RolloutFixture::rolling(3, json!(1)).pod(1, "new", starting()).pods([2, 3], "old", &healthy());
    assert_eq!((world.phase(), world.blockers()), (Phase::Progressing, vec![]));
    assert_eq!(world.steps(), [NodeStep::Starting, NodeStep::Outdated, NodeStep::Outdated]);
    // After a minute it is named, and still not called stuck.
    let world = RolloutFixture::rolling(3, json!(1)).pod(1, "new", unready()).pods([2, 3], "old", &healthy());
    assert_eq!((world.phase(), world.blockers()), (Phase::Progressing, vec!["NewPod/ContainersNotReady n1".into()]));
    let mut young = unready();
    young["metadata"]["creationTimestamp"] = "2026-01-02T11:59:30Z".into();
    let world = RolloutFixture::rolling(3, json!(1)).pod(1, "new", young).pods([2, 3], "old", &healthy());
    assert_eq!((world.phase(), world.blockers()), (Phase::Progressing, vec![]));
    let world = RolloutFixture::rolling(3, json!(1)).pod(1, "old", terminating()).pods([2, 3], "old", &healthy());
    assert_eq!((world.phase(), world.blockers()), (Phase::Blocked, vec!["OldPod/StuckTerminating n1".into()]));
    let world = RolloutFixture::rolling(3, json!(1)).pods([2, 3], "old", &healthy());
    assert_eq!((world.phase(), world.steps()[0]), (Phase::Progressing, NodeStep::Waiting));
}

#[test]
fn an_available_pod_spends_only_after_min_ready_seconds() {
    let world = RolloutFixture::rolling(2, json!(1)).pod(1, "new", healthy()).pod(2, "old", healthy());
    assert_eq!(world.budget_used_by(), []);
    let world = world.daemon_set(|d| d.spec.min_ready_seconds = Some(7200));
    assert_eq!(world.budget_used_by().len(), 2);
    assert_eq!((world.phase(), world.blockers()), (Phase::Progressing, vec![]));
}

/// One new pod in trouble with the whole budget, others still old.
fn blocked_by(pod: Value) -> (Phase, Vec<String>) {
    let world = RolloutFixture::rolling(3, json!(1)).pod(1, "new", pod).pods([2, 3], "old", &healthy());
    (world.phase(), world.blockers())
}

#[test]
fn a_crash_loop_that_holds_the_whole_budget_is_certain_from_the_third_restart_on() {
    assert_eq!(
        blocked_by(waiting("CrashLoopBackOff", "", 3)),
        (Phase::Stuck, vec!["NewPod/CrashLoopBackOff! n1".into()])
    );
    assert_eq!(
        blocked_by(waiting("CrashLoopBackOff", "", 2)),
        (Phase::Blocked, vec!["NewPod/CrashLoopBackOff n1".into()])
    );
}

/// A pod that crashed, and runs since `started`; its `Ready` turned to `ready` at `turned`.
fn runs_again(restarts: i32, started: &str, ready: &str, turned: &str) -> Value {
    let mut pod = waiting("", "", restarts);
    pod["status"]["containerStatuses"][0]["state"] = json!({ "running": { "startedAt": started } });
    pod["status"]["containerStatuses"][0]["ready"] = (ready == "True").into();
    pod["status"]["conditions"] = json!([{ "type": "Ready", "status": ready, "lastTransitionTime": turned }]);
    pod
}

#[test]
fn a_crash_loop_is_one_also_while_the_container_runs_between_two_crashes() {
    let (minute_ago, before, after) = ("2026-01-02T11:59:00Z", "2026-01-02T11:58:00Z", "2026-01-02T11:59:10Z");
    let (stuck, held) =
        ((Phase::Stuck, vec!["NewPod/CrashLoopBackOff! n1".to_owned()]), vec!["NewPod/CrashLoopBackOff n1".to_owned()]);
    assert_eq!(blocked_by(runs_again(7, minute_ago, "False", before)), stuck);
    assert_eq!(blocked_by(runs_again(3, minute_ago, "False", minute_ago)), stuck);
    assert_eq!(blocked_by(runs_again(2, minute_ago, "False", before)), (Phase::Blocked, held));
    // It was ready in this run: what is the matter now is something else.
    let not_ready = (Phase::Progressing, vec!["NewPod/ContainersNotReady n1".to_owned()]);
    assert_eq!(blocked_by(runs_again(7, minute_ago, "False", after)), not_ready);
    // The kubelet forgets the crashes of a container that has run for ten minutes.
    assert_eq!(blocked_by(runs_again(7, "2026-01-02T11:49:59Z", "False", READY)), not_ready);
    assert_eq!(blocked_by(runs_again(7, "2026-01-02T11:50:00Z", "False", READY)), stuck);
}

#[test]
fn a_pod_that_crashed_and_is_ready_is_well_again_only_when_it_is_available() {
    let phase = |restarts| {
        let pod = runs_again(restarts, "2026-01-02T11:59:00Z", "True", "2026-01-02T11:59:10Z");
        let world = RolloutFixture::rolling(2, json!(1)).pod(1, "new", pod).pod(2, "old", healthy());
        let waits = RolloutFixture(world.0.clone()).daemon_set(|d| d.spec.min_ready_seconds = Some(60));
        let available = world.daemon_set(|d| d.spec.min_ready_seconds = Some(50));
        // The old one on the second node has been ready for long.
        (waits.phase(), available.phase(), available.blockers())
    };
    assert_eq!(phase(3), (Phase::Stuck, Phase::Progressing, vec![]));
    assert_eq!(phase(2), (Phase::Progressing, Phase::Progressing, vec![]));
}

#[test]
fn a_container_that_ends_well_again_and_again_is_in_a_loop_as_well() {
    let ended = |restarts: i32, list: &str| {
        let mut pod = unready();
        pod["status"][list] = json!([{
            "name": "e", "ready": false, "restartCount": restarts, "state": { "terminated": { "exitCode": 0 } },
        }]);
        blocked_by(pod)
    };
    assert_eq!(ended(3, "containerStatuses"), (Phase::Stuck, vec!["NewPod/CrashLoopBackOff! n1".into()]));
    assert_eq!(ended(2, "containerStatuses").0, Phase::Progressing);
    // An init container is meant to end.
    assert_eq!(ended(3, "initContainerStatuses").0, Phase::Progressing);
}

#[test]
fn containers_that_crash_in_turns_are_both_named_all_the_time() {
    let mut pod = waiting("CrashLoopBackOff", "", 4);
    let crashed = json!({ "terminated": { "exitCode": 2 } });
    pod["status"]["containerStatuses"].as_array_mut().unwrap().push(json!({
        "name": "d", "ready": false, "restartCount": 4, "lastState": crashed, "state": { "running": {} },
    }));
    let (phase, blockers) = blocked_by(pod);
    assert_eq!(
        (phase, blockers),
        (Phase::Stuck, vec!["NewPod/CrashLoopBackOff! n1".into(), "NewPod/CrashLoopBackOff! n1".into()])
    );
}

/// What a node that is down since then makes of a rollout: its new pod does not come up, its old pod does not go.
fn held_by_a_node_down_since(since: &str) -> [(Phase, Vec<String>); 2] {
    let world = |revision: &str, pod: Value| {
        let mut world =
            RolloutFixture::rolling(2, json!(1)).node_down(1, false).pod(1, revision, pod).pod(2, "old", healthy());
        let Known::Known(nodes) = &mut world.0.nodes else { unreachable!() };
        nodes[0].status.conditions[0].last_transition_time = from(json!(since));
        (world.phase(), world.blockers())
    };
    [world("new", unready()), world("old", terminating())]
}

#[test]
fn a_node_that_is_down_holds_at_once_and_is_a_proof_after_five_minutes() {
    let held = |mark: &str| ["NewPod/NodeNotReady", "OldPod/NodeNotReady"].map(|code| vec![format!("{code}{mark} n1")]);
    let of = |phase: Phase, blockers: [Vec<String>; 2]| blockers.map(|blockers| (phase, blockers));
    let slow = of(Phase::Blocked, held(""));
    let stuck = of(Phase::Stuck, held("!"));
    for (since, expected) in [
        ("2026-01-02T12:00:00Z", &slow),
        ("2026-01-02T11:59:00Z", &slow),
        ("2026-01-02T11:55:01Z", &slow),
        ("2026-01-02T11:55:00Z", &stuck),
        ("2026-01-01T12:00:00Z", &stuck),
        // The clocks of two machines differ.
        ("2026-01-02T12:01:00Z", &slow),
    ] {
        assert_eq!(&held_by_a_node_down_since(since), expected, "{since}");
    }
}

#[test]
fn an_image_that_cannot_be_had_holds_and_is_certain_where_trying_again_cannot_help() {
    let stuck = (Phase::Stuck, vec!["NewPod/ImageError! n1".to_owned()]);
    let held = (Phase::Blocked, vec!["NewPod/ImageError n1".to_owned()]);
    assert_eq!(blocked_by(waiting("InvalidImageName", "", 0)), stuck);
    assert_eq!(blocked_by(waiting("ErrImageNeverPull", "", 0)), stuck);
    assert_eq!(blocked_by(waiting("ImagePullBackOff", "Back-off pulling image", 0)), held);
    assert_eq!(blocked_by(waiting("ErrImagePull", "dial tcp: i/o timeout", 0)), held);
    assert_eq!(blocked_by(waiting("ImagePullBackOff", "rpc error: code = NotFound desc = no such", 0)), stuck);
    RolloutFixture::rolling(1, json!(1)).pod(1, "new", waiting("InvalidImageName", "", 0)).status_of(|rollout_status| {
        assert!(matches!(&rollout_status.blockers[0].problem.reason, Reason::ImageError { image: Some(image), .. } if image == "new"));
        assert_eq!(rollout_status.blockers[0].problem.fault(), FaultDomain::Pod);
    });
}

#[test]
fn a_container_that_cannot_be_made_for_its_config_is_certain() {
    let missing = waiting("CreateContainerConfigError", "configmap \"x\" not found", 0);
    assert_eq!(blocked_by(missing), (Phase::Stuck, vec!["NewPod/ContainerError! n1".into()]));
    assert_eq!(
        blocked_by(waiting("RunContainerError", "", 0)),
        (Phase::Blocked, vec!["NewPod/ContainerError n1".into()])
    );
}

#[test]
fn a_pod_without_room_or_with_a_gate_holds_and_may_pass() {
    assert_eq!(blocked_by(unbound(1)), (Phase::Blocked, vec!["NewPod/Unschedulable n1".into()]));
    let mut gated = unbound(1);
    gated["status"]["conditions"][0]["reason"] = "SchedulingGated".into();
    assert_eq!(blocked_by(gated), (Phase::Blocked, vec!["NewPod/SchedulingGated n1".into()]));
}

#[test]
fn a_failed_pod_is_made_again() {
    let mut failed = unready();
    merge(&mut failed, json!({ "status": { "phase": "Failed", "reason": "Evicted" } }));
    assert_eq!(blocked_by(failed), (Phase::Blocked, vec!["NewPod/PodFailed n1".into()]));
}

#[test]
fn dead_nodes_and_bad_pods_are_told_apart() {
    let bad = waiting("CrashLoopBackOff", "", 9);
    let world = RolloutFixture::rolling(4, json!(2)).node_down(1, false).pods([1, 2], "new", &bad).pods(
        [3, 4],
        "old",
        &healthy(),
    );
    assert_eq!(
        (world.phase(), world.blockers()),
        (Phase::Stuck, vec!["NewPod/NodeNotReady! n1".into(), "NewPod/CrashLoopBackOff! n2".into()])
    );
    world.status_of(|rollout_status| {
        let faults: Vec<FaultDomain> = rollout_status.blockers.iter().map(|blocker| blocker.problem.fault()).collect();
        assert_eq!(faults, [FaultDomain::Node, FaultDomain::Pod]);
        assert_eq!(
            rollout_status.budget_used_by.iter().map(|budget_use| budget_use.node_down).collect::<Vec<_>>(),
            [true, false]
        );
    });
}

#[test]
fn a_budget_that_is_not_spent_by_the_bad_alone_goes_on_until_nothing_else_is_left() {
    let bad = waiting("CrashLoopBackOff", "", 9);
    let world = RolloutFixture::rolling(3, json!(2)).pod(1, "new", bad.clone()).pods([2, 3], "old", &healthy());
    assert_eq!((world.phase(), world.blockers()), (Phase::Progressing, vec!["NewPod/CrashLoopBackOff n1".into()]));
    let world = RolloutFixture::rolling(3, json!(2)).pod(1, "new", bad.clone()).pod(2, "new", starting()).pod(
        3,
        "new",
        healthy(),
    );
    assert_eq!(world.phase(), Phase::Progressing);
    let world = RolloutFixture::rolling(3, json!(2)).pod(1, "new", bad.clone()).pods([2, 3], "new", &healthy());
    assert_eq!((world.phase(), world.blockers()), (Phase::Stuck, vec!["NewPod/CrashLoopBackOff! n1".into()]));
    // An old pod that is not available is replaced beyond the budget.
    let world =
        RolloutFixture::rolling(3, json!(1)).pod(1, "new", bad).pod(2, "old", unready()).pod(3, "old", healthy());
    assert_eq!(world.phase(), Phase::Progressing);
}

#[test]
fn a_surge_is_stuck_when_bad_new_pods_stand_beside_the_old_ones() {
    let bad = waiting("CrashLoopBackOff", "", 9);
    let world = |max_surge| {
        RolloutFixture::surge(3, json!(max_surge)).pods(1..=3, "old", &healthy()).pod(1, "new", bad.clone())
    };
    assert_eq!((world(1).phase(), world(1).blockers()), (Phase::Stuck, vec!["NewPod/CrashLoopBackOff! n1".into()]));
    assert_eq!(world(2).phase(), Phase::Progressing);
}

#[test]
fn two_new_pods_on_a_node_are_pruned_and_not_waited_for() {
    let world = RolloutFixture::rolling(2, json!(1)).pods([1, 1], "new", &waiting("CrashLoopBackOff", "", 9)).pod(
        2,
        "old",
        healthy(),
    );
    assert_eq!(
        (world.phase(), world.budget_used_by()),
        (Phase::Progressing, vec![("n1".into(), BudgetUseReason::Duplicate)])
    );
}

#[test]
fn what_the_controller_has_not_seen_what_is_deleted_and_what_cannot_be_read_is_said() {
    let world = || RolloutFixture::rolling(1, json!(1)).pod(1, "new", healthy());
    assert_eq!(world().daemon_set(|d| d.metadata.generation = Some(3)).phase(), Phase::NotObserved);
    assert_eq!(world().daemon_set(|d| d.metadata.deletion_timestamp = from(json!(NOW))).phase(), Phase::Deleting);
    let mut blind = world();
    blind.0.revisions = Known::Unknown("revisions: forbidden".into());
    assert_eq!(blind.phase(), Phase::Unknown);
    blind.status_of(|rollout_status| assert_eq!(rollout_status.missing, ["revisions: forbidden"]));
    let mut without = world();
    without.0.revisions = Known::Known(Vec::new());
    assert_eq!(without.phase(), Phase::NotObserved);
}

#[test]
fn without_nodes_the_controllers_own_number_is_what_is_wanted() {
    let mut world = RolloutFixture::rolling(1, json!(1)).pods([1, 2], "new", &healthy());
    world.0.nodes = Known::Unknown("nodes: forbidden".into());
    let of = |world: RolloutFixture, desired| {
        world.daemon_set(|d| d.status.as_mut().unwrap().desired_number_scheduled = desired).phase()
    };
    assert_eq!(of(RolloutFixture(world.0.clone()), 2), Phase::Complete);
    assert_eq!(of(world, 3), Phase::Progressing);
}
