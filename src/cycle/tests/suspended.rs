//! Tests of decisions after a suspend, when the changes in between are not observed yet.

use super::*;

/// One node in progress, whose new pod is still starting.
fn in_progress() -> (Cluster, Run) {
    let mut cluster = Cluster::new(2);
    cluster.behavior = Health::From(20);
    let mut run = begin(&cluster, &default_policy());
    drive(&mut cluster, &mut run, 4);
    (cluster, run)
}

/// What the run decides at the time `now`, with the outdated state `then` of the cluster.
fn by_changes(then: &Cluster, now: i64, run: &mut Run) -> (Action, Vec<NodeEvent>) {
    let mut seen = then.clone();
    seen.clock = now;
    // In the outdated state, the pod is still starting.
    seen.pods.iter_mut().filter(|pod| pod.revision == "new").for_each(|pod| pod.health = Health::From(now + 1));
    seen.next_by_changes(run)
}

#[test]
fn node_timeout_by_changes_requires_new_lists() {
    let (mut cluster, mut run) = in_progress();
    let then = cluster.clone();
    for _ in 0..700 {
        cluster.tick();
    }
    assert_eq!(by_changes(&then, cluster.clock, &mut run), (Action::Relist, Vec::new()));
    let (step, news) = cluster.next(&mut run);
    assert!(matches!(news.as_slice(), [NodeEvent::Replaced { .. }]), "{news:?}");
    assert!(matches!(step, Action::Replace(_)), "{step:?}");
}

#[test]
fn node_that_timed_out_fails_by_new_lists() {
    let (mut cluster, mut run) = in_progress();
    cluster.pods.iter_mut().filter(|pod| pod.revision == "new").for_each(|pod| pod.health = Health::Unready);
    let then = cluster.clone();
    cluster.clock += 700;
    assert_eq!(by_changes(&then, cluster.clock, &mut run).0, Action::Relist);
    assert!(matches!(cluster.next(&mut run), (Action::Halt(HaltReason::TooManyFailures { .. }), _)));
}

#[test]
fn budget_timeout_by_changes_requires_new_lists() {
    let mut cluster = Cluster::new(3);
    cluster.pod_on("n1").health = Health::Unready;
    cluster.pod_on("n1").revision = "new".into();
    let mut run = begin(&cluster, &default_policy());
    assert!(matches!(cluster.next(&mut run).0, Action::Wait { waiting: WaitReason::Budget { .. }, .. }));
    let mut then = cluster.clone();
    then.clock += 700;
    assert_eq!(then.next_by_changes(&mut run).0, Action::Relist);
    cluster.clock += 700;
    cluster.pod_on("n1").health = Health::From(0);
    assert!(matches!(cluster.next(&mut run).0, Action::Replace(_)));
}

#[test]
fn nothing_is_removed_or_finished_by_changes_alone() {
    let cluster = Cluster::new(1);
    let mut run = begin(&cluster, &default_policy());
    assert_eq!(cluster.next_by_changes(&mut run).0, Action::Relist);
    assert_eq!(run.next(None, ObservationSource::Watched).0, Action::Relist);
    assert!(matches!(cluster.next(&mut run).0, Action::Replace(_)));
    let mut up_to_date = Cluster::new(1);
    let mut run = begin(&up_to_date, &default_policy());
    up_to_date.pods.clear();
    up_to_date.put("n1", "new", Health::From(-10));
    assert_eq!(up_to_date.next_by_changes(&mut run), (Action::Relist, Vec::new()));
    assert_eq!(up_to_date.next(&mut run).0, Action::Finish);
}

#[test]
fn waiting_continues_without_new_lists() {
    let (cluster, mut run) = in_progress();
    let step = cluster.next_by_changes(&mut run).0;
    assert!(matches!(step, Action::Wait { waiting: WaitReason::Nodes, .. }), "{step:?}");
}

#[test]
fn requested_halt_needs_lists_only_for_nodes_in_progress() {
    let cluster = Cluster::new(1);
    let mut run = begin(&cluster, &default_policy());
    run.stop(HaltReason::Interrupted);
    assert_eq!(cluster.next_by_changes(&mut run).0, Action::Halt(HaltReason::Interrupted));
    let (then, mut run) = in_progress();
    run.stop(HaltReason::Interrupted);
    let mut cluster = then.clone();
    for _ in 0..60 {
        cluster.tick();
    }
    // In the outdated state, nothing was removed.
    let mut unremoved = Cluster::new(2);
    unremoved.clock = cluster.clock;
    assert_eq!(unremoved.next_by_changes(&mut run), (Action::Relist, Vec::new()));
    assert!(matches!(cluster.next(&mut run), (Action::Halt(HaltReason::Interrupted), news) if news.len() == 1));
}
