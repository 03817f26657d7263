//! What is decided after the process was suspended: changes that came meanwhile are not seen yet.

use super::*;

/// One node in work, whose new pod was not there when the changes were seen last.
fn in_work() -> (Cluster, Run) {
    let mut cluster = Cluster::new(2);
    cluster.behaviour = Health::From(20);
    let mut run = begin(&cluster, &careful());
    drive(&mut cluster, &mut run, 4);
    (cluster, run)
}

/// What the run decides by an old view of the cluster, at the time it is now.
fn by_changes(then: &Cluster, now: i64, run: &mut Run) -> (Step, Vec<News>) {
    let mut seen = then.clone();
    seen.clock = now;
    // The old view shows a pod that is still starting.
    seen.pods.iter_mut().filter(|pod| pod.revision == "new").for_each(|pod| pod.health = Health::From(now + 1));
    seen.next_by_changes(run)
}

#[test]
fn node_that_timed_out_unseen_is_looked_at_again() {
    let (mut cluster, mut run) = in_work();
    let then = cluster.clone();
    for _ in 0..700 {
        cluster.tick();
    }
    assert_eq!(by_changes(&then, cluster.clock, &mut run), (Step::LookAgain, Vec::new()));
    let (step, news) = cluster.next(&mut run);
    assert!(matches!(news.as_slice(), [News::Replaced { .. }]), "{news:?}");
    assert!(matches!(step, Step::Replace { .. }), "{step:?}");
}

#[test]
fn node_that_timed_out_fails_by_fresh_lists() {
    let (mut cluster, mut run) = in_work();
    cluster.pods.iter_mut().filter(|pod| pod.revision == "new").for_each(|pod| pod.health = Health::Unready);
    let then = cluster.clone();
    cluster.clock += 700;
    assert_eq!(by_changes(&then, cluster.clock, &mut run).0, Step::LookAgain);
    assert!(matches!(cluster.next(&mut run), (Step::Halt(Halt::Failures { .. }), _)));
}

#[test]
fn budget_that_was_spent_unseen_is_looked_at_again() {
    let mut cluster = Cluster::new(3);
    cluster.pod_on("n1").health = Health::Unready;
    cluster.pod_on("n1").revision = "new".into();
    let mut run = begin(&cluster, &careful());
    assert!(matches!(cluster.next(&mut run).0, Step::Wait { waiting: Waiting::Budget { .. }, .. }));
    let mut then = cluster.clone();
    then.clock += 700;
    assert_eq!(then.next_by_changes(&mut run).0, Step::LookAgain);
    cluster.clock += 700;
    cluster.pod_on("n1").health = Health::From(0);
    assert!(matches!(cluster.next(&mut run).0, Step::Replace { .. }));
}

#[test]
fn nothing_is_removed_or_ended_by_changes_alone() {
    let cluster = Cluster::new(1);
    let mut run = begin(&cluster, &careful());
    assert_eq!(cluster.next_by_changes(&mut run).0, Step::LookAgain);
    assert_eq!(run.next(None, Sight::Followed).0, Step::LookAgain);
    assert!(matches!(cluster.next(&mut run).0, Step::Replace { .. }));
    let mut up_to_date = Cluster::new(1);
    let mut run = begin(&up_to_date, &careful());
    up_to_date.pods.clear();
    up_to_date.put("n1", "new", Health::From(-10));
    assert_eq!(up_to_date.next_by_changes(&mut run), (Step::LookAgain, Vec::new()));
    assert_eq!(up_to_date.next(&mut run).0, Step::Finish);
}

#[test]
fn waiting_by_changes_goes_on_without_lists() {
    let (cluster, mut run) = in_work();
    let step = cluster.next_by_changes(&mut run).0;
    assert!(matches!(step, Step::Wait { waiting: Waiting::Nodes, .. }), "{step:?}");
}

#[test]
fn halt_that_was_asked_for_needs_lists_only_for_nodes_in_work() {
    let cluster = Cluster::new(1);
    let mut run = begin(&cluster, &careful());
    run.stop(Halt::Interrupted);
    assert_eq!(cluster.next_by_changes(&mut run).0, Step::Halt(Halt::Interrupted));
    let (then, mut run) = in_work();
    run.stop(Halt::Interrupted);
    let mut cluster = then.clone();
    for _ in 0..60 {
        cluster.tick();
    }
    // The old view shows that nothing came of the removal.
    let mut unremoved = Cluster::new(2);
    unremoved.clock = cluster.clock;
    assert_eq!(unremoved.next_by_changes(&mut run), (Step::LookAgain, Vec::new()));
    assert!(matches!(cluster.next(&mut run), (Step::Halt(Halt::Interrupted), news) if news.len() == 1));
}
