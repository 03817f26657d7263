//! Tests of new pods that do not become available, nodes that go down, and removals that are rejected.

use super::*;

/// A run on three nodes that has removed the pod of the first one.
fn first_node_in_progress() -> (Cluster, Run) {
    let mut cluster = Cluster::new(3);
    let mut run = begin(&cluster, &default_policy());
    drive(&mut cluster, &mut run, 1);
    (cluster, run)
}

#[test]
fn crashing_new_pod_halts_the_run_at_once() {
    let mut cluster = Cluster::new(3);
    cluster.behavior = Health::Crash(3);
    let (removed, end) = play(&mut cluster, &default_policy(), 700);
    assert_eq!((removed, halt(&end)), (vec!["n1".to_owned()], "TooManyFailures".into()));
    assert!(cluster.clock < 10, "{}", cluster.clock);
    assert_eq!(cluster.pods.iter().filter(|pod| pod.revision == "old").count(), 2);
}

#[test]
fn slow_new_pod_fails_at_the_node_timeout() {
    let mut cluster = Cluster::new(2);
    cluster.behavior = Health::Unready;
    let (removed, end) = play(&mut cluster, &default_policy(), 700);
    assert_eq!((removed, halt(&end)), (vec!["n1".to_owned()], "TooManyFailures".into()));
    assert_eq!(cluster.clock, 600);
}

#[test]
fn allowed_failures_continue_within_the_budget() {
    let mut cluster = Cluster::new(3);
    let policy = Policy { max_failures: 1, max_unavailable: "2".parse().unwrap(), ..default_policy() };
    let mut run = begin(&cluster, &policy);
    cluster.behavior = Health::Crash(3);
    drive(&mut cluster, &mut run, 1);
    cluster.behavior = Health::From(1);
    // Both nodes of the budget get bad pods in the same second: one failure more than allowed.
    assert!(
        matches!(drive(&mut cluster, &mut run, 10), Action::Halt(HaltReason::TooManyFailures { .. }))
            || Summary::new(&run).failed < 2
    );
    let mut cluster = Cluster::new(3);
    let mut run = begin(&cluster, &Policy { max_failures: 1, ..default_policy() });
    cluster.behavior = Health::Crash(3);
    drive(&mut cluster, &mut run, 4);
    // The failed node uses the budget of 1 forever.
    assert_eq!(halt(&drive(&mut cluster, &mut run, 700)), "BudgetExhausted");
    assert_eq!(Summary::new(&run).failed, 1);
}

#[test]
fn failed_node_that_recovers_is_replaced() {
    let mut cluster = Cluster::new(2);
    let policy = Policy { max_failures: 1, ..default_policy() };
    let mut run = begin(&cluster, &policy);
    cluster.behavior = Health::Crash(3);
    drive(&mut cluster, &mut run, 5);
    assert_eq!(Summary::new(&run).failed, 1);
    cluster.behavior = Health::From(1);
    cluster.pod_on("n1").health = Health::From(0);
    assert_eq!(drive(&mut cluster, &mut run, 30), Action::Finish);
    assert_eq!((Summary::new(&run).failed, Summary::new(&run).replaced), (0, 2));
}

#[test]
fn replaced_node_that_regresses_uses_the_budget_and_may_fail() {
    let mut cluster = Cluster::new(3);
    let mut run = begin(&cluster, &default_policy());
    drive(&mut cluster, &mut run, 9);
    assert_eq!(Summary::new(&run).replaced, 1);
    cluster.pod_on("n1").health = Health::Unready;
    let removed_before = cluster.count;
    let end = drive(&mut cluster, &mut run, 650);
    assert_eq!(halt(&end), "TooManyFailures");
    // At most the node that was already in progress.
    assert!(cluster.count <= removed_before + 1);
    assert!(cluster.pods.iter().any(|pod| pod.node == "n3" && pod.revision == "old"));
}

#[test]
fn node_down_in_progress_counts_until_it_recovers_or_fails() {
    let (mut cluster, mut run) = first_node_in_progress();
    cluster.node("n1").ready = false;
    // The pod does not terminate and the node is no longer eligible. Still no other node is started.
    assert!(matches!(drive(&mut cluster, &mut run, 60), Action::Wait { waiting: WaitReason::Nodes, .. }));
    cluster.node("n1").ready = true;
    assert_eq!(drive(&mut cluster, &mut run, 60), Action::Finish);
    let (mut cluster, mut run) = first_node_in_progress();
    cluster.node("n1").ready = false;
    assert_eq!(halt(&drive(&mut cluster, &mut run, 700)), "TooManyFailures");
    assert_eq!(cluster.pods.iter().filter(|pod| pod.revision == "old" && pod.deleted.is_none()).count(), 2);
}

#[test]
fn node_down_in_progress_is_detected_by_its_taint() {
    let (mut cluster, mut run) = first_node_in_progress();
    cluster.node("n1").lags = true;
    assert!(matches!(drive(&mut cluster, &mut run, 60), Action::Wait { waiting: WaitReason::Nodes, .. }));
    assert_eq!(cluster.pods.iter().filter(|pod| pod.revision == "old").count(), 2);
}

#[test]
fn node_tainted_or_deleted_in_progress_is_skipped() {
    let (mut cluster, mut run) = first_node_in_progress();
    cluster.node("n1").tainted = true;
    drive(&mut cluster, &mut run, 5);
    assert!(matches!(run.tasks()[0].status, Status::Skipped(Skip::NotEligible { .. })), "{:?}", run.tasks()[0]);
    cluster.nodes.retain(|node| node.name != "n2");
    assert_eq!(drive(&mut cluster, &mut run, 60), Action::Finish);
    assert!(matches!(run.tasks()[1].status, Status::Skipped(Skip::NodeGone)), "{:?}", run.tasks()[1]);
    assert!(matches!(run.tasks()[2].status, Status::Replaced { .. }));
}

#[test]
fn waiting_node_may_go_down_and_recover() {
    let mut cluster = Cluster::new(3);
    let mut run = begin(&cluster, &default_policy());
    cluster.node("n1").ready = false;
    drive(&mut cluster, &mut run, 4);
    cluster.node("n1").ready = true;
    assert_eq!(drive(&mut cluster, &mut run, 60), Action::Finish);
    assert_eq!(Summary::new(&run).replaced, 3);
    let mut cluster = Cluster::new(2);
    let mut run = begin(&cluster, &default_policy());
    cluster.node("n1").ready = false;
    assert_eq!(drive(&mut cluster, &mut run, 60), Action::Finish);
    assert!(matches!(run.tasks()[0].status, Status::Skipped(Skip::NodeNotReady { .. })));
}

#[test]
fn lost_removal_is_sent_again_if_the_budget_allows_it() {
    let mut cluster = Cluster::new(3);
    let mut run = begin(&cluster, &default_policy());
    let [Removal { node, pod, .. }] = single_removal(&cluster, &mut run);
    run.begin(&node, &pod, cluster.now());
    let (step, _) = cluster.next(&mut run);
    let again = Action::Replace(vec![Removal { node: node.clone(), pod: pod.clone(), unchanged: None }]);
    assert_eq!(step, again);
    // Another node became unavailable meanwhile: a removal would exceed the budget.
    cluster.pod_on("n3").health = Health::Unready;
    assert!(matches!(cluster.next(&mut run).0, Action::Wait { .. }));
    cluster.pod_on("n3").health = Health::From(0);
    assert_eq!(cluster.next(&mut run).0, again);
}

#[test]
fn rejected_removal_is_retried_and_fails_at_the_timeout() {
    let mut cluster = Cluster::new(2);
    let mut run = begin(&cluster, &default_policy());
    let [Removal { node, pod, .. }] = single_removal(&cluster, &mut run);
    run.begin(&node, &pod, cluster.now());
    let retry = cluster.now() + SignedDuration::from_secs(5);
    run.reject(&node, "Cannot evict pod as it would violate the pod's disruption budget.", retry);
    let (step, _) = cluster.next(&mut run);
    assert_eq!(step, Action::Wait { waiting: WaitReason::Nodes, until: Some(retry) });
    cluster.clock += 5;
    assert_eq!(cluster.next(&mut run).0, Action::Replace(vec![Removal { node: node.clone(), pod, unchanged: None }]));
    cluster.clock += 600;
    assert_eq!(halt(&cluster.next(&mut run).0), "TooManyFailures");
    let Status::Failed { why: Failure::NotRemoved { .. }, .. } = &run.tasks()[0].status else { panic!() };
    // Nothing was removed, so every node is available.
    assert!(cluster.unavailable().is_empty());
}

#[test]
fn rejection_is_new_once_and_cleared_by_the_removal() {
    let mut cluster = Cluster::new(2);
    let mut run = begin(&cluster, &default_policy());
    let [Removal { node, pod, .. }] = single_removal(&cluster, &mut run);
    run.begin(&node, &pod, cluster.now());
    assert!(run.reject(&node, "not now", cluster.now()));
    assert!(!run.reject(&node, "not now", cluster.now()));
    cluster.next(&mut run);
    assert!(run.tasks()[0].work().unwrap().refused.is_some());
    cluster.delete(&pod.uid);
    cluster.next(&mut run);
    assert!(run.tasks()[0].work().unwrap().refused.is_none());
}

#[test]
fn permanently_rejected_removal_fails_the_node() {
    let cluster = Cluster::new(2);
    let mut run = begin(&cluster, &default_policy());
    let [Removal { node, pod, .. }] = single_removal(&cluster, &mut run);
    run.begin(&node, &pod, cluster.now());
    assert!(matches!(run.fail(&node, "denied"), NodeEvent::Failed { .. }));
    assert_eq!(halt(&cluster.next(&mut run).0), "TooManyFailures");
}
