//! Every cause, what is certain and what is only slow.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::world::*;
use super::*;
use crate::snapshot::Known;

#[test]
fn a_daemon_set_that_wants_no_node_is_complete() {
    assert_eq!(World::rolling(0, json!(1)).phase(), Phase::Complete);
    assert_eq!(World::new(0, json!({ "type": "OnDelete" })).phase(), Phase::Complete);
}

#[test]
fn slow_is_not_stuck() {
    let world = World::rolling(3, json!(1)).pod(1, "new", starting()).pods([2, 3], "old", &well());
    assert_eq!((world.phase(), world.holds()), (Phase::Progressing, vec![]));
    assert_eq!(world.steps(), [Step::Starting, Step::Outdated, Step::Outdated]);
    // After a minute it is named, and still not called stuck.
    let world = World::rolling(3, json!(1)).pod(1, "new", unready()).pods([2, 3], "old", &well());
    assert_eq!((world.phase(), world.holds()), (Phase::Progressing, vec!["NewPodNotReady n1".into()]));
    let mut young = unready();
    young["metadata"]["creationTimestamp"] = "2026-01-02T11:59:30Z".into();
    let world = World::rolling(3, json!(1)).pod(1, "new", young).pods([2, 3], "old", &well());
    assert_eq!((world.phase(), world.holds()), (Phase::Progressing, vec![]));
    let world = World::rolling(3, json!(1)).pod(1, "old", going()).pods([2, 3], "old", &well());
    assert_eq!((world.phase(), world.holds()), (Phase::Progressing, vec!["TerminatingPastGrace n1".into()]));
    let world = World::rolling(3, json!(1)).pods([2, 3], "old", &well());
    assert_eq!((world.phase(), world.steps()[0]), (Phase::Progressing, Step::Waiting));
}

#[test]
fn an_available_pod_spends_only_after_min_ready_seconds() {
    let world = World::rolling(2, json!(1)).pod(1, "new", well()).pod(2, "old", well());
    assert_eq!(world.spent(), []);
    let world = world.daemon_set(|d| d.spec.min_ready_seconds = Some(7200));
    assert_eq!(world.spent().len(), 2);
    assert_eq!((world.phase(), world.holds()), (Phase::Progressing, vec![]));
}

/// One new pod in trouble with the whole budget, others still old.
fn held_by(pod: Value) -> (Phase, Vec<String>) {
    let world = World::rolling(3, json!(1)).pod(1, "new", pod).pods([2, 3], "old", &well());
    (world.phase(), world.holds())
}

#[test]
fn a_crash_loop_that_holds_the_whole_budget_is_certain_from_the_third_restart_on() {
    assert_eq!(held_by(waiting("CrashLoopBackOff", "", 3)), (Phase::Stuck, vec!["CrashLoop! n1".into()]));
    assert_eq!(held_by(waiting("CrashLoopBackOff", "", 2)), (Phase::Progressing, vec!["CrashLoop n1".into()]));
    // While it runs once more, it may become ready.
    let mut runs = waiting("", "", 7);
    runs["status"]["containerStatuses"][0]["state"] = json!({ "running": {} });
    assert_eq!(held_by(runs), (Phase::Progressing, vec!["CrashLoop n1".into()]));
}

#[test]
fn an_image_that_cannot_be_had_holds_and_is_certain_where_trying_again_cannot_help() {
    let stuck = (Phase::Stuck, vec!["BadImage! n1".to_owned()]);
    let held = (Phase::Progressing, vec!["BadImage n1".to_owned()]);
    assert_eq!(held_by(waiting("InvalidImageName", "", 0)), stuck);
    assert_eq!(held_by(waiting("ErrImageNeverPull", "", 0)), stuck);
    assert_eq!(held_by(waiting("ImagePullBackOff", "Back-off pulling image", 0)), held);
    assert_eq!(held_by(waiting("ErrImagePull", "dial tcp: i/o timeout", 0)), held);
    assert_eq!(held_by(waiting("ImagePullBackOff", "rpc error: code = NotFound desc = no such", 0)), stuck);
    World::rolling(1, json!(1)).pod(1, "new", waiting("InvalidImageName", "", 0)).look(|standing| {
        assert!(matches!(&standing.holds[0].cause, Cause::BadImage { image: Some(image), .. } if image == "new"));
        assert_eq!(standing.holds[0].cause.fault(), Fault::Pod);
    });
}

#[test]
fn a_container_that_cannot_be_made_for_its_config_is_certain() {
    let missing = waiting("CreateContainerConfigError", "configmap \"x\" not found", 0);
    assert_eq!(held_by(missing), (Phase::Stuck, vec!["ContainerConfig! n1".into()]));
    assert_eq!(held_by(waiting("RunContainerError", "", 0)), (Phase::Progressing, vec!["ContainerConfig n1".into()]));
}

#[test]
fn a_pod_without_room_or_with_a_gate_holds_and_may_pass() {
    assert_eq!(held_by(unbound(1)), (Phase::Progressing, vec!["NewPodUnschedulable n1".into()]));
    let mut gated = unbound(1);
    gated["status"]["conditions"][0]["reason"] = "SchedulingGated".into();
    assert_eq!(held_by(gated), (Phase::Progressing, vec!["NewPodGated n1".into()]));
}

#[test]
fn a_failed_pod_is_made_again() {
    let mut failed = unready();
    merge(&mut failed, json!({ "status": { "phase": "Failed", "reason": "Evicted" } }));
    assert_eq!(held_by(failed), (Phase::Progressing, vec!["NewPodFailed n1".into()]));
}

#[test]
fn dead_nodes_and_bad_pods_are_told_apart() {
    let bad = waiting("CrashLoopBackOff", "", 9);
    let world = World::rolling(4, json!(2)).dead(1, false).pods([1, 2], "new", &bad).pods([3, 4], "old", &well());
    assert_eq!(
        (world.phase(), world.holds()),
        (Phase::Stuck, vec!["NewPodOnDeadNode! n1".into(), "CrashLoop! n2".into()])
    );
    world.look(|standing| {
        let faults: Vec<Fault> = standing.holds.iter().map(|hold| hold.cause.fault()).collect();
        assert_eq!(faults, [Fault::Node, Fault::Pod]);
        assert_eq!(standing.spent.iter().map(|spender| spender.is_node_down).collect::<Vec<_>>(), [true, false]);
    });
}

#[test]
fn a_budget_that_is_not_spent_by_the_bad_alone_goes_on_until_nothing_else_is_left() {
    let bad = waiting("CrashLoopBackOff", "", 9);
    let world = World::rolling(3, json!(2)).pod(1, "new", bad.clone()).pods([2, 3], "old", &well());
    assert_eq!((world.phase(), world.holds()), (Phase::Progressing, vec!["CrashLoop n1".into()]));
    let world = World::rolling(3, json!(2)).pod(1, "new", bad.clone()).pod(2, "new", starting()).pod(3, "new", well());
    assert_eq!(world.phase(), Phase::Progressing);
    let world = World::rolling(3, json!(2)).pod(1, "new", bad.clone()).pods([2, 3], "new", &well());
    assert_eq!((world.phase(), world.holds()), (Phase::Stuck, vec!["CrashLoop! n1".into()]));
    // An old pod that is not available is replaced beyond the budget.
    let world = World::rolling(3, json!(1)).pod(1, "new", bad).pod(2, "old", unready()).pod(3, "old", well());
    assert_eq!(world.phase(), Phase::Progressing);
}

#[test]
fn a_surge_is_stuck_when_bad_new_pods_stand_beside_the_old_ones() {
    let bad = waiting("CrashLoopBackOff", "", 9);
    let world = |max_surge| World::surge(3, json!(max_surge)).pods(1..=3, "old", &well()).pod(1, "new", bad.clone());
    assert_eq!((world(1).phase(), world(1).holds()), (Phase::Stuck, vec!["CrashLoop! n1".into()]));
    assert_eq!(world(2).phase(), Phase::Progressing);
}

#[test]
fn two_new_pods_on_a_node_are_pruned_and_not_waited_for() {
    let world =
        World::rolling(2, json!(1)).pods([1, 1], "new", &waiting("CrashLoopBackOff", "", 9)).pod(2, "old", well());
    assert_eq!((world.phase(), world.spent()), (Phase::Progressing, vec![("n1".into(), Spending::Duplicate)]));
}

#[test]
fn what_the_controller_has_not_seen_what_is_deleted_and_what_cannot_be_read_is_said() {
    let world = || World::rolling(1, json!(1)).pod(1, "new", well());
    assert_eq!(world().daemon_set(|d| d.metadata.generation = Some(3)).phase(), Phase::NotObserved);
    assert_eq!(world().daemon_set(|d| d.metadata.deletion_timestamp = from(json!(NOW))).phase(), Phase::BeingDeleted);
    let mut blind = world();
    blind.0.revisions = Known::Unknown("revisions: forbidden".into());
    assert_eq!(blind.phase(), Phase::Unknown);
    blind.look(|standing| assert_eq!(standing.missing, ["revisions: forbidden"]));
    let mut without = world();
    without.0.revisions = Known::Known(Vec::new());
    assert_eq!(without.phase(), Phase::NotObserved);
}

#[test]
fn without_nodes_the_controllers_own_number_is_what_is_wanted() {
    let mut world = World::rolling(1, json!(1)).pods([1, 2], "new", &well());
    world.0.nodes = Known::Unknown("nodes: forbidden".into());
    let of = |world: World, desired| {
        world.daemon_set(|d| d.status.as_mut().unwrap().desired_number_scheduled = desired).phase()
    };
    assert_eq!(of(World(world.0.clone()), 2), Phase::Complete);
    assert_eq!(of(world, 3), Phase::Progressing);
}
