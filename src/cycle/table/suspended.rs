//! What is decided after the process was suspended: changes that came meanwhile are not seen yet.

use super::*;

/// One node in work, whose new pod was not there when the changes were seen last.
fn in_progress() -> (Cluster, Run) {
    let mut cluster = Cluster::new(2);
    cluster.behaviour = Health::From(20);
    let mut run = begin(&cluster, &default_policy());
    drive(&mut cluster, &mut run, 4);
    (cluster, run)
}

/// What the run decides by an old view of the cluster, at the time it is now.
fn by_changes(then: &Cluster, now: i64, run: &mut Run) -> (Action, Vec<NodeEvent>) {
    let mut seen = then.clone();
    seen.clock = now;
    // The old view shows a pod that is still starting.
    seen.pods.iter_mut().filter(|pod| pod.revision == "new").for_each(|pod| pod.health = Health::From(now + 1));
    seen.next_by_changes(run)
}

#[test]
fn node_that_timed_out_unseen_is_looked_at_again() {
    let (mut cluster, mut run) = in_progress();
    let then = cluster.clone();
    for _ in 0..700 {
        cluster.tick();
    }
    assert_eq!(by_changes(&then, cluster.clock, &mut run), (Action::Relist, Vec::new()));
    let (step, news) = cluster.next(&mut run);
    assert!(matches!(news.as_slice(), [NodeEvent::Replaced { .. }]), "{news:?}");
    assert!(matches!(step, Action::Replace { .. }), "{step:?}");
}

#[test]
fn node_that_timed_out_fails_by_fresh_lists() {
    let (mut cluster, mut run) = in_progress();
    cluster.pods.iter_mut().filter(|pod| pod.revision == "new").for_each(|pod| pod.health = Health::Unready);
    let then = cluster.clone();
    cluster.clock += 700;
    assert_eq!(by_changes(&then, cluster.clock, &mut run).0, Action::Relist);
    assert!(matches!(cluster.next(&mut run), (Action::HaltReason(HaltReason::TooManyFailures { .. }), _)));
}

#[test]
fn budget_that_was_spent_unseen_is_looked_at_again() {
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
    assert!(matches!(cluster.next(&mut run).0, Action::Replace { .. }));
}

#[test]
fn nothing_is_removed_or_ended_by_changes_alone() {
    let cluster = Cluster::new(1);
    let mut run = begin(&cluster, &default_policy());
    assert_eq!(cluster.next_by_changes(&mut run).0, Action::Relist);
    assert_eq!(run.next(None, ObservationSource::Watched).0, Action::Relist);
    assert!(matches!(cluster.next(&mut run).0, Action::Replace { .. }));
    let mut up_to_date = Cluster::new(1);
    let mut run = begin(&up_to_date, &default_policy());
    up_to_date.pods.clear();
    up_to_date.put("n1", "new", Health::From(-10));
    assert_eq!(up_to_date.next_by_changes(&mut run), (Action::Relist, Vec::new()));
    assert_eq!(up_to_date.next(&mut run).0, Action::Finish);
}

#[test]
fn waiting_by_changes_goes_on_without_lists() {
    let (cluster, mut run) = in_progress();
    let step = cluster.next_by_changes(&mut run).0;
    assert!(matches!(step, Action::Wait { waiting: WaitReason::Nodes, .. }), "{step:?}");
}

#[test]
fn halt_that_was_asked_for_needs_lists_only_for_nodes_in_work() {
    let cluster = Cluster::new(1);
    let mut run = begin(&cluster, &default_policy());
    run.stop(HaltReason::Interrupted);
    assert_eq!(cluster.next_by_changes(&mut run).0, Action::HaltReason(HaltReason::Interrupted));
    let (then, mut run) = in_progress();
    run.stop(HaltReason::Interrupted);
    let mut cluster = then.clone();
    for _ in 0..60 {
        cluster.tick();
    }
    // The old view shows that nothing came of the removal.
    let mut unremoved = Cluster::new(2);
    unremoved.clock = cluster.clock;
    assert_eq!(unremoved.next_by_changes(&mut run), (Action::Relist, Vec::new()));
    assert!(matches!(cluster.next(&mut run), (Action::HaltReason(HaltReason::Interrupted), news) if news.len() == 1));
}
