//! Tests of every problem: which ones prove that a rollout is stuck, and which ones may pass.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::explain::Reason;
use crate::snapshot::Known;
use crate::testing::objects::{HOUR_AGO, NOW, from_json, merge};
use crate::testing::rollout_fixture::*;

#[test]
fn daemon_set_without_eligible_nodes_is_complete() {
    assert_eq!(RolloutFixture::rolling(0, json!(1)).phase(), Phase::Complete);
    assert_eq!(RolloutFixture::new(0, json!({ "type": "OnDelete" })).phase(), Phase::Complete);
}

#[test]
fn slow_rollout_is_not_stuck() {
    let rollout = RolloutFixture::rolling(3, json!(1)).pod(1, "new", starting()).pods([2, 3], "old", &healthy());
    assert_eq!((rollout.phase(), rollout.blockers()), (Phase::Progressing, vec![]));
    assert_eq!(rollout.steps(), [NodeStep::Starting, NodeStep::Outdated, NodeStep::Outdated]);
    // After a minute, a pod that is not ready is a blocker, but proves nothing.
    let rollout = RolloutFixture::rolling(3, json!(1)).pod(1, "new", unready()).pods([2, 3], "old", &healthy());
    assert_eq!(
        (rollout.phase(), rollout.blockers()),
        (Phase::Progressing, vec!["NewPod/ContainersNotReady n1".into()])
    );
    let mut young = unready();
    young["metadata"]["creationTimestamp"] = "2026-01-02T11:59:30Z".into();
    let rollout = RolloutFixture::rolling(3, json!(1)).pod(1, "new", young).pods([2, 3], "old", &healthy());
    assert_eq!((rollout.phase(), rollout.blockers()), (Phase::Progressing, vec![]));
    let rollout = RolloutFixture::rolling(3, json!(1)).pod(1, "old", terminating()).pods([2, 3], "old", &healthy());
    assert_eq!((rollout.phase(), rollout.blockers()), (Phase::Blocked, vec!["OldPod/StuckTerminating n1".into()]));
    let rollout = RolloutFixture::rolling(3, json!(1)).pods([2, 3], "old", &healthy());
    assert_eq!((rollout.phase(), rollout.steps()[0]), (Phase::Progressing, NodeStep::Waiting));
}

#[test]
fn pod_uses_the_budget_until_min_ready_seconds_passed() {
    let rollout = RolloutFixture::rolling(2, json!(1)).pod(1, "new", healthy()).pod(2, "old", healthy());
    assert_eq!(rollout.budget_used_by(), []);
    let rollout = rollout.daemon_set(|d| d.spec.min_ready_seconds = Some(7200));
    assert_eq!(rollout.budget_used_by().len(), 2);
    assert_eq!((rollout.phase(), rollout.blockers()), (Phase::Progressing, vec![]));
}

/// The phase and the blockers if one new pod uses the whole budget and two old pods remain.
fn blocked_by(pod: Value) -> (Phase, Vec<String>) {
    let rollout = RolloutFixture::rolling(3, json!(1)).pod(1, "new", pod).pods([2, 3], "old", &healthy());
    (rollout.phase(), rollout.blockers())
}

#[test]
fn crash_loop_with_the_whole_budget_is_stuck_from_3_restarts() {
    assert_eq!(
        blocked_by(waiting("CrashLoopBackOff", "", 3)),
        (Phase::Stuck, vec!["NewPod/CrashLoopBackOff! n1".into()])
    );
    assert_eq!(
        blocked_by(waiting("CrashLoopBackOff", "", 2)),
        (Phase::Blocked, vec!["NewPod/CrashLoopBackOff n1".into()])
    );
}

/// A pod that crashed and runs again since `started`. Its Ready condition changed to `ready` at `turned`.
fn runs_again(restarts: i32, started: &str, ready: &str, turned: &str) -> Value {
    let mut pod = waiting("", "", restarts);
    pod["status"]["containerStatuses"][0]["state"] = json!({ "running": { "startedAt": started } });
    pod["status"]["containerStatuses"][0]["ready"] = (ready == "True").into();
    pod["status"]["conditions"] = json!([{ "type": "Ready", "status": ready, "lastTransitionTime": turned }]);
    pod
}

#[test]
fn crash_loop_continues_while_the_container_runs() {
    let (minute_ago, before, after) = ("2026-01-02T11:59:00Z", "2026-01-02T11:58:00Z", "2026-01-02T11:59:10Z");
    let (stuck, blocked) =
        ((Phase::Stuck, vec!["NewPod/CrashLoopBackOff! n1".to_owned()]), vec!["NewPod/CrashLoopBackOff n1".to_owned()]);
    assert_eq!(blocked_by(runs_again(7, minute_ago, "False", before)), stuck);
    assert_eq!(blocked_by(runs_again(3, minute_ago, "False", minute_ago)), stuck);
    assert_eq!(blocked_by(runs_again(2, minute_ago, "False", before)), (Phase::Blocked, blocked));
    // It was ready since its last start, so it is now unready for another reason.
    let not_ready = (Phase::Progressing, vec!["NewPod/ContainersNotReady n1".to_owned()]);
    assert_eq!(blocked_by(runs_again(7, minute_ago, "False", after)), not_ready);
    // The kubelet resets the backoff of a container that has run for ten minutes.
    assert_eq!(blocked_by(runs_again(7, "2026-01-02T11:49:59Z", "False", HOUR_AGO)), not_ready);
    assert_eq!(blocked_by(runs_again(7, "2026-01-02T11:50:00Z", "False", HOUR_AGO)), stuck);
}

#[test]
fn crash_loop_ends_when_the_pod_is_available() {
    let phase = |restarts| {
        let pod = runs_again(restarts, "2026-01-02T11:59:00Z", "True", "2026-01-02T11:59:10Z");
        let rollout = RolloutFixture::rolling(2, json!(1)).pod(1, "new", pod).pod(2, "old", healthy());
        let waits = RolloutFixture(rollout.0.clone()).daemon_set(|d| d.spec.min_ready_seconds = Some(60));
        let available = rollout.daemon_set(|d| d.spec.min_ready_seconds = Some(50));
        // The old pod on the second node has been ready for an hour.
        (waits.phase(), available.phase(), available.blockers())
    };
    assert_eq!(phase(3), (Phase::Stuck, Phase::Progressing, vec![]));
    assert_eq!(phase(2), (Phase::Progressing, Phase::Progressing, vec![]));
}

#[test]
fn container_that_repeatedly_exits_with_0_is_a_crash_loop() {
    let ended = |restarts: i32, list: &str| {
        let mut pod = unready();
        pod["status"][list] = json!([{
            "name": "e", "ready": false, "restartCount": restarts, "state": { "terminated": { "exitCode": 0 } },
        }]);
        blocked_by(pod)
    };
    assert_eq!(ended(3, "containerStatuses"), (Phase::Stuck, vec!["NewPod/CrashLoopBackOff! n1".into()]));
    assert_eq!(ended(2, "containerStatuses").0, Phase::Progressing);
    // An init container should exit.
    assert_eq!(ended(3, "initContainerStatuses").0, Phase::Progressing);
}

#[test]
fn containers_that_crash_alternately_are_both_reported() {
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

/// The phase and the blockers if a node is down since `since`: with an unready new pod, and with a terminating old pod.
fn blocked_by_node_down_since(since: &str) -> [(Phase, Vec<String>); 2] {
    let status_with = |revision: &str, pod: Value| {
        let mut rollout =
            RolloutFixture::rolling(2, json!(1)).node_down(1, false).pod(1, revision, pod).pod(2, "old", healthy());
        let Known::Known(nodes) = &mut rollout.0.nodes else { unreachable!() };
        nodes[0].status.conditions[0].last_transition_time = from_json(json!(since));
        (rollout.phase(), rollout.blockers())
    };
    [status_with("new", unready()), status_with("old", terminating())]
}

#[test]
fn node_down_blocks_at_once_and_is_stuck_after_5_minutes() {
    let blocked =
        |mark: &str| ["NewPod/NodeNotReady", "OldPod/NodeNotReady"].map(|code| vec![format!("{code}{mark} n1")]);
    let with_phase = |phase: Phase, blockers: [Vec<String>; 2]| blockers.map(|blockers| (phase, blockers));
    let slow = with_phase(Phase::Blocked, blocked(""));
    let stuck = with_phase(Phase::Stuck, blocked("!"));
    for (since, expected) in [
        ("2026-01-02T12:00:00Z", &slow),
        ("2026-01-02T11:59:00Z", &slow),
        ("2026-01-02T11:55:01Z", &slow),
        ("2026-01-02T11:55:00Z", &stuck),
        ("2026-01-01T12:00:00Z", &stuck),
        // The clocks of two machines may differ.
        ("2026-01-02T12:01:00Z", &slow),
    ] {
        assert_eq!(&blocked_by_node_down_since(since), expected, "{since}");
    }
}

#[test]
fn image_error_is_stuck_only_if_a_retry_cannot_help() {
    let stuck = (Phase::Stuck, vec!["NewPod/ImageError! n1".to_owned()]);
    let blocked = (Phase::Blocked, vec!["NewPod/ImageError n1".to_owned()]);
    assert_eq!(blocked_by(waiting("InvalidImageName", "", 0)), stuck);
    assert_eq!(blocked_by(waiting("ErrImageNeverPull", "", 0)), stuck);
    assert_eq!(blocked_by(waiting("ImagePullBackOff", "Back-off pulling image", 0)), blocked);
    assert_eq!(blocked_by(waiting("ErrImagePull", "dial tcp: i/o timeout", 0)), blocked);
    assert_eq!(blocked_by(waiting("ImagePullBackOff", "rpc error: code = NotFound desc = no such", 0)), stuck);
    RolloutFixture::rolling(1, json!(1)).pod(1, "new", waiting("InvalidImageName", "", 0)).status_of(|rollout_status| {
        assert!(matches!(&rollout_status.blockers[0].problem.reason, Reason::ImageError { image: Some(image), .. } if image == "new"));
        assert_eq!(rollout_status.blockers[0].problem.fault(), FaultDomain::Pod);
    });
}

/// The pod may be the network plugin, without which the node is not ready.
#[test]
fn container_is_the_blocker_on_a_node_whose_kubelet_reports() {
    let blockers = |fixture: RolloutFixture| {
        fixture.status_of(|rollout_status| {
            let reasons = rollout_status.blockers.iter().map(|blocker| &blocker.problem.reason);
            reasons.map(|reason| serde_json::to_value(reason).unwrap()["code"].clone()).collect::<Vec<_>>()
        })
    };
    let failing = || RolloutFixture::rolling(1, json!(1)).pod(1, "new", waiting("ImagePullBackOff", "429", 0));
    assert_eq!(blockers(failing().node_reports_not_ready(1)), ["ImageError"]);
    assert_eq!(blockers(failing().node_down(1, false)), ["NodeNotReady"]);
    let unready = RolloutFixture::rolling(1, json!(1)).pod(1, "new", unready());
    assert_eq!(blockers(unready.node_reports_not_ready(1)), ["NodeNotReady"]);
}

#[test]
fn different_problems_of_an_image_are_different_blockers() {
    let blockers = |details: [&str; 2]| {
        let [one, other] = details.map(|detail| waiting("ImagePullBackOff", detail, 0));
        let fixture = RolloutFixture::rolling(2, json!(2)).pod(1, "new", one).pod(2, "new", other);
        fixture.status_of(|rollout_status| rollout_status.blockers.len())
    };
    assert_eq!(blockers(["no match for platform in manifest: not found", "429 Too Many Requests"]), 2);
    assert_eq!(blockers(["manifest unknown: a", "manifest unknown: b"]), 1);
    assert_eq!(blockers(["manifest unknown: a", "Back-off pulling image"]), 1);
}

#[test]
fn container_config_error_is_stuck() {
    let missing = waiting("CreateContainerConfigError", "configmap \"x\" not found", 0);
    assert_eq!(blocked_by(missing), (Phase::Stuck, vec!["NewPod/ContainerError! n1".into()]));
    assert_eq!(
        blocked_by(waiting("RunContainerError", "", 0)),
        (Phase::Blocked, vec!["NewPod/ContainerError n1".into()])
    );
}

#[test]
fn unschedulable_and_gated_pods_block_and_are_not_stuck() {
    assert_eq!(blocked_by(unbound(1)), (Phase::Blocked, vec!["NewPod/Unschedulable n1".into()]));
    let mut gated = unbound(1);
    gated["status"]["conditions"][0]["reason"] = "SchedulingGated".into();
    assert_eq!(blocked_by(gated), (Phase::Blocked, vec!["NewPod/SchedulingGated n1".into()]));
}

#[test]
fn failed_pod_blocks_and_is_not_stuck() {
    let mut failed = unready();
    merge(&mut failed, json!({ "status": { "phase": "Failed", "reason": "Evicted" } }));
    assert_eq!(blocked_by(failed), (Phase::Blocked, vec!["NewPod/PodFailed n1".into()]));
}

#[test]
fn nodes_down_and_bad_pods_have_different_faults() {
    let bad = waiting("CrashLoopBackOff", "", 9);
    let rollout = RolloutFixture::rolling(4, json!(2)).node_down(1, false).pods([1, 2], "new", &bad).pods(
        [3, 4],
        "old",
        &healthy(),
    );
    assert_eq!(
        (rollout.phase(), rollout.blockers()),
        (Phase::Stuck, vec!["NewPod/NodeNotReady! n1".into(), "NewPod/CrashLoopBackOff! n2".into()])
    );
    rollout.status_of(|rollout_status| {
        let faults: Vec<FaultDomain> = rollout_status.blockers.iter().map(|blocker| blocker.problem.fault()).collect();
        assert_eq!(faults, [FaultDomain::Node, FaultDomain::Pod]);
        assert_eq!(
            rollout_status.budget_used_by.iter().map(|budget_use| budget_use.node_down).collect::<Vec<_>>(),
            [true, false]
        );
    });
}

#[test]
fn bad_pod_with_free_budget_is_stuck_only_at_the_end() {
    let bad = waiting("CrashLoopBackOff", "", 9);
    let rollout = RolloutFixture::rolling(3, json!(2)).pod(1, "new", bad.clone()).pods([2, 3], "old", &healthy());
    assert_eq!((rollout.phase(), rollout.blockers()), (Phase::Progressing, vec!["NewPod/CrashLoopBackOff n1".into()]));
    let rollout = RolloutFixture::rolling(3, json!(2)).pod(1, "new", bad.clone()).pod(2, "new", starting()).pod(
        3,
        "new",
        healthy(),
    );
    assert_eq!(rollout.phase(), Phase::Progressing);
    let rollout = RolloutFixture::rolling(3, json!(2)).pod(1, "new", bad.clone()).pods([2, 3], "new", &healthy());
    assert_eq!((rollout.phase(), rollout.blockers()), (Phase::Stuck, vec!["NewPod/CrashLoopBackOff! n1".into()]));
    // The controller replaces an unavailable old pod even without free budget.
    let rollout =
        RolloutFixture::rolling(3, json!(1)).pod(1, "new", bad).pod(2, "old", unready()).pod(3, "old", healthy());
    assert_eq!(rollout.phase(), Phase::Progressing);
}

#[test]
fn surge_is_stuck_if_bad_new_pods_use_the_whole_budget() {
    let bad = waiting("CrashLoopBackOff", "", 9);
    let rollout = |max_surge| {
        RolloutFixture::surge(3, json!(max_surge)).pods(1..=3, "old", &healthy()).pod(1, "new", bad.clone())
    };
    assert_eq!((rollout(1).phase(), rollout(1).blockers()), (Phase::Stuck, vec!["NewPod/CrashLoopBackOff! n1".into()]));
    assert_eq!(rollout(2).phase(), Phase::Progressing);
}

#[test]
fn duplicate_new_pods_are_not_stuck() {
    let rollout = RolloutFixture::rolling(2, json!(1)).pods([1, 1], "new", &waiting("CrashLoopBackOff", "", 9)).pod(
        2,
        "old",
        healthy(),
    );
    assert_eq!(
        (rollout.phase(), rollout.budget_used_by()),
        (Phase::Progressing, vec![("n1".into(), BudgetUseReason::Duplicate)])
    );
}

#[test]
fn not_observed_deleted_and_unreadable_have_own_phases() {
    let rollout = || RolloutFixture::rolling(1, json!(1)).pod(1, "new", healthy());
    assert_eq!(rollout().daemon_set(|d| d.metadata.generation = Some(3)).phase(), Phase::NotObserved);
    assert_eq!(
        rollout().daemon_set(|d| d.metadata.deletion_timestamp = from_json(json!(NOW))).phase(),
        Phase::Deleting
    );
    let mut blind = rollout();
    blind.0.revisions = Known::failed("revisions: forbidden");
    assert_eq!(blind.phase(), Phase::Unknown);
    blind.status_of(|rollout_status| assert_eq!(rollout_status.missing[0].to_string(), "revisions: forbidden"));
    let mut without = rollout();
    without.0.revisions = Known::Known(Vec::new());
    assert_eq!(without.phase(), Phase::NotObserved);
}

#[test]
fn desired_comes_from_the_status_if_nodes_are_unreadable() {
    let mut rollout = RolloutFixture::rolling(1, json!(1)).pods([1, 2], "new", &healthy());
    rollout.0.nodes = Known::failed("nodes: forbidden");
    let phase = |rollout: RolloutFixture, desired| {
        rollout.daemon_set(|d| d.status.as_mut().unwrap().desired_number_scheduled = desired).phase()
    };
    assert_eq!(phase(RolloutFixture(rollout.0.clone()), 2), Phase::Complete);
    assert_eq!(phase(rollout, 3), Phase::Progressing);
}
