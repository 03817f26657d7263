//! Tests of the decisions of a run, by case, on a simulated cluster.

#![allow(clippy::unwrap_used, clippy::panic)]

use jiff::SignedDuration;

use super::*;
use crate::testing::simulated_cluster::*;

mod failing;
mod planning;
mod random_histories;
mod suspended;

/// Runs for at most `seconds`. Returns the nodes in the order in which their pods were removed, and the last step.
fn play(cluster: &mut Cluster, policy: &Policy, seconds: i64) -> (Vec<String>, Action) {
    let mut run = begin(cluster, policy);
    let mut removed = Vec::new();
    for _ in 0..seconds {
        loop {
            match cluster.next(&mut run).0 {
                Action::Replace(removals) => {
                    cluster.remove(&mut run, &removals);
                    removed.extend(removals.into_iter().map(|removal| removal.node));
                }
                Action::Wait { .. } => break,
                end => return (removed, end),
            }
        }
        cluster.tick();
    }
    (removed, cluster.next(&mut run).0)
}

/// The removals of a step; none if it is another step.
fn removals(step: &Action) -> &[Removal] {
    match step {
        Action::Replace(removals) => removals,
        _ => &[],
    }
}

/// The removal of the next step, which has to be the only one.
fn single_removal(cluster: &Cluster, run: &mut Run) -> [Removal; 1] {
    let step = cluster.next(run).0;
    removals(&step).to_vec().try_into().unwrap_or_else(|_| panic!("{step:?}"))
}

fn planned(cluster: &Cluster, policy: &Policy) -> Vec<String> {
    cluster
        .observation(|observation| {
            plan(observation, policy).unwrap().nodes.iter().map(|node| node.node.to_owned()).collect()
        })
        .unwrap()
}

fn skipped(cluster: &Cluster, policy: &Policy) -> Vec<(String, String)> {
    let code = |why: &Skip| serde_json::to_value(why).unwrap()["code"].as_str().unwrap().to_owned();
    let of = |plan: &Plan<'_>| plan.skipped.iter().map(|one| (one.node.to_owned(), code(&one.why))).collect();
    cluster.observation(|observation| of(&plan(observation, policy).unwrap())).unwrap()
}

fn halt(step: &Action) -> String {
    match step {
        Action::Halt(halt) => serde_json::to_value(halt).unwrap()["code"].as_str().unwrap().to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn old_pods_are_replaced_one_node_at_a_time() {
    let mut cluster = Cluster::new(4);
    let (removed, end) = play(&mut cluster, &default_policy(), 100);
    assert_eq!((removed, end), (vec!["n1".into(), "n2".into(), "n3".into(), "n4".into()], Action::Finish));
    assert!(cluster.pods.iter().all(|pod| pod.revision == "new"));
}

#[test]
fn nodes_in_progress_never_exceed_the_budget() {
    let mut cluster = Cluster::new(10);
    let policy = Policy { max_unavailable: "30%".parse().unwrap(), ..default_policy() };
    let mut run = begin(&cluster, &policy);
    let mut most = 0;
    for _ in 0..100 {
        while let (Action::Replace(removals), _) = cluster.next(&mut run) {
            cluster.remove(&mut run, &removals);
        }
        most = most.max(cluster.unavailable().len());
        cluster.tick();
    }
    assert_eq!((most, cluster.next(&mut run).0), (3, Action::Finish));
}

#[test]
fn one_step_removes_as_many_pods_as_the_budget_allows() {
    type Prepare = fn(&mut Cluster);
    let cases: [(&str, Prepare, &[&str]); 5] = [
        ("3", |_| {}, &["n1", "n2", "n3"]),
        ("9", |_| {}, &["n1", "n2", "n3", "n4", "n5", "n6"]),
        // One unavailable node uses the budget, and is replaced without using more of it.
        ("2", |cluster| cluster.pod_on("n5").health = Health::Unready, &["n1", "n5"]),
        // An up-to-date pod that is not available uses the budget and is not replaced.
        (
            "3",
            |cluster| {
                cluster.pod_on("n2").revision = "new".into();
                cluster.pod_on("n2").health = Health::Unready;
            },
            &["n1", "n3"],
        ),
        // More unavailable nodes than the budget: only these are replaced, and no more than the budget at a time.
        (
            "2",
            |cluster| ["n2", "n4", "n6"].iter().for_each(|node| cluster.pod_on(node).health = Health::Unready),
            &["n2", "n4"],
        ),
    ];
    for (budget, prepare, nodes) in cases {
        let mut cluster = Cluster::new(6);
        prepare(&mut cluster);
        let policy = Policy { max_unavailable: budget.parse().unwrap(), ..default_policy() };
        let mut run = begin(&cluster, &policy);
        let step = cluster.next(&mut run).0;
        let removed: Vec<&str> = removals(&step).iter().map(|removal| removal.node.as_str()).collect();
        assert_eq!(removed, nodes, "budget {budget}");
    }
}

#[test]
fn canary_limits_the_removals_of_one_step() {
    let cluster = Cluster::new(6);
    let policy = Policy { canary: Some(2), max_unavailable: "5".parse().unwrap(), ..default_policy() };
    let step = cluster.next(&mut begin(&cluster, &policy)).0;
    assert_eq!(removals(&step).len(), 2);
}

#[test]
fn one_step_removes_a_bounded_number_of_pods() {
    let mut cluster = Cluster::new(250);
    let policy = Policy { max_unavailable: "100%".parse().unwrap(), ..default_policy() };
    let mut run = begin(&cluster, &policy);
    let mut sizes = Vec::new();
    while let (Action::Replace(removals), _) = cluster.next(&mut run) {
        sizes.push(removals.len());
        cluster.remove(&mut run, &removals);
    }
    assert_eq!(sizes, [100, 100, 50]);
}

#[test]
fn unavailable_nodes_count_and_may_still_be_replaced() {
    let mut cluster = Cluster::new(3);
    // Up to date and not available: it uses the budget of 1 and is not replaced.
    cluster.pod_on("n1").revision = "new".into();
    cluster.pod_on("n1").health = Health::Unready;
    let mut run = begin(&cluster, &default_policy());
    let (step, _) = cluster.next(&mut run);
    let spent = WaitReason::Budget { budget_used_by: vec!["n1".into()], budget: 1 };
    assert!(matches!(&step, Action::Wait { waiting, .. } if *waiting == spent), "{step:?}");
    // An unavailable old pod can be replaced without making another node unavailable.
    cluster.pod_on("n3").health = Health::Unready;
    let (step, _) = cluster.next(&mut run);
    // Only if it is still unavailable, which the API server checks by its resourceVersion.
    let version = cluster.version(cluster.pods.iter().find(|pod| pod.node == "n3").unwrap());
    let [Removal { node, unchanged, .. }] = removals(&step) else { panic!("{step:?}") };
    assert_eq!((node.as_str(), unchanged.as_ref()), ("n3", Some(&version)));
    // Still only one node at a time.
    run.begin("n3", &PodRef { name: "d-3".into(), uid: "d-3".into() }, cluster.now());
    cluster.delete("d-3");
    assert!(matches!(cluster.next(&mut run).0, Action::Wait { waiting: WaitReason::Nodes, .. }));
}

#[test]
fn budget_used_by_others_too_long_halts_the_run() {
    let mut cluster = Cluster::new(3);
    cluster.pod_on("n1").revision = "new".into();
    cluster.pod_on("n1").health = Health::Unready;
    let (removed, end) = play(&mut cluster, &default_policy(), 700);
    assert_eq!((removed, halt(&end)), (Vec::new(), "BudgetExhausted".into()));
    assert_eq!(cluster.clock, 600);
}

#[test]
fn node_is_replaced_after_min_ready_of_the_new_pod() {
    let mut cluster = Cluster::new(2);
    cluster.min_ready_seconds = 7;
    let policy = Policy { min_ready: SignedDuration::from_secs(20), ..default_policy() };
    let mut run = begin(&cluster, &policy);
    drive(&mut cluster, &mut run, 1);
    // 2 s to terminate, 5 s to become ready, 7 s to become available, and 20 s of `min_ready`.
    drive(&mut cluster, &mut run, 32);
    assert!(matches!(run.tasks()[0].status, Status::InProgress(_)), "{:?}", run.tasks()[0]);
    drive(&mut cluster, &mut run, 3);
    assert!(matches!(run.tasks()[0].status, Status::Replaced { .. }), "{:?}", run.tasks()[0]);
    assert!(matches!(run.tasks()[1].status, Status::InProgress(_)));
}

#[test]
fn interrupted_availability_restarts_min_ready() {
    let mut cluster = Cluster::new(1);
    let policy = Policy { min_ready: SignedDuration::from_secs(20), ..default_policy() };
    let mut run = begin(&cluster, &policy);
    drive(&mut cluster, &mut run, 20);
    cluster.pod_on("n1").health = Health::Unready;
    drive(&mut cluster, &mut run, 1);
    cluster.pod_on("n1").health = Health::From(0);
    drive(&mut cluster, &mut run, 15);
    assert!(matches!(run.tasks()[0].status, Status::InProgress(_)));
    assert_eq!(drive(&mut cluster, &mut run, 10), Action::Finish);
}

#[test]
fn pod_replaced_by_others_is_not_replaced_again() {
    let mut cluster = Cluster::new(3);
    let mut run = begin(&cluster, &default_policy());
    cluster.delete("d-2");
    let (step, _) = cluster.next(&mut run);
    assert!(matches!(step, Action::Wait { waiting: WaitReason::Budget { .. }, .. }), "{step:?}");
    assert_eq!(drive(&mut cluster, &mut run, 60), Action::Finish);
    assert!(matches!(run.tasks()[1].status, Status::Skipped(Skip::ReplacedMeanwhile)));
    assert_eq!(cluster.count, 6);
}

#[test]
fn canary_is_first_and_then_the_run_asks_or_soaks() {
    let mut cluster = Cluster::new(5);
    let canary = Policy { canary: Some(2), max_unavailable: "3".parse().unwrap(), ..default_policy() };
    let mut run = begin(&cluster, &canary);
    assert_eq!(drive(&mut cluster, &mut run, 60), Action::Ask);
    assert_eq!((Summary::new(&run).replaced, cluster.count), (2, 7));
    run.resume();
    assert_eq!(drive(&mut cluster, &mut run, 60), Action::Finish);

    let mut cluster = Cluster::new(5);
    let soak = Policy { soak: Some(SignedDuration::from_secs(100)), ..canary };
    let mut run = begin(&cluster, &soak);
    let step = drive(&mut cluster, &mut run, 60);
    assert!(matches!(step, Action::Wait { waiting: WaitReason::Soak { .. }, .. }), "{step:?}");
    assert_eq!(Summary::new(&run).replaced, 2);
    // A node of the canary becomes unavailable: the soak time restarts when it recovers.
    cluster.pod_on("n1").health = Health::Unready;
    drive(&mut cluster, &mut run, 10);
    cluster.pod_on("n1").health = Health::From(0);
    let step = drive(&mut cluster, &mut run, 80);
    assert!(matches!(step, Action::Wait { waiting: WaitReason::Soak { .. }, .. }), "{step:?}");
    assert_eq!(drive(&mut cluster, &mut run, 100), Action::Finish);
}

#[test]
fn canary_is_observed_once() {
    let mut cluster = Cluster::new(6);
    let soak = Policy { canary: Some(2), soak: Some(SignedDuration::from_secs(50)), ..default_policy() };
    let mut run = begin(&cluster, &soak);
    let mut observed = 0;
    for _ in 0..200 {
        let step = drive(&mut cluster, &mut run, 1);
        observed += usize::from(matches!(step, Action::Wait { waiting: WaitReason::Soak { .. }, .. }));
    }
    assert_eq!(cluster.next(&mut run).0, Action::Finish);
    assert!((49..=52).contains(&observed), "{observed} seconds");
}

#[test]
fn canary_of_all_nodes_does_not_ask() {
    let mut cluster = Cluster::new(2);
    let mut run = begin(&cluster, &Policy { canary: Some(9), ..default_policy() });
    assert_eq!(drive(&mut cluster, &mut run, 60), Action::Finish);
}

#[test]
fn changed_template_strategy_or_daemon_set_halts_the_run() {
    type Change = fn(&mut Cluster);
    let cases: [(Change, &str); 5] = [
        (|cluster| cluster.change_template("newer"), "TemplateChanged"),
        (|cluster| cluster.strategy = "RollingUpdate", "StrategyChanged"),
        (|cluster| cluster.being_deleted = true, "Deleting"),
        (|cluster| cluster.uid = None, "Deleted"),
        (|cluster| cluster.uid = Some("another"), "Deleted"),
    ];
    for (change, code) in cases {
        let mut cluster = Cluster::new(3);
        let mut run = begin(&cluster, &default_policy());
        drive(&mut cluster, &mut run, 3);
        let before = cluster.pods.len();
        change(&mut cluster);
        assert_eq!(halt(&cluster.next(&mut run).0), code);
        assert_eq!(cluster.pods.len(), before);
    }
}

#[test]
fn unobserved_template_is_waited_for_until_the_timeout() {
    let mut cluster = Cluster::new(3);
    cluster.observed = false;
    assert!(cluster.observation(|observation| plan(observation, &default_policy()).is_none()).unwrap());
    cluster.observed = true;
    let mut run = begin(&cluster, &default_policy());
    cluster.observed = false;
    assert!(matches!(cluster.next(&mut run).0, Action::Wait { waiting: WaitReason::Revision, .. }));
    cluster.clock += 600;
    assert_eq!(halt(&cluster.next(&mut run).0), "NotObserved");
}

#[test]
fn stop_finishes_nodes_in_progress_and_starts_no_other() {
    let mut cluster = Cluster::new(3);
    let mut run = begin(&cluster, &default_policy());
    drive(&mut cluster, &mut run, 1);
    run.stop(HaltReason::Interrupted);
    assert!(matches!(cluster.next(&mut run).0, Action::Wait { waiting: WaitReason::Nodes, .. }));
    assert_eq!(drive(&mut cluster, &mut run, 60), Action::Halt(HaltReason::Interrupted));
    assert_eq!((Summary::new(&run).replaced, Summary::new(&run).waiting), (1, 2));
    // A removal that did not take effect is not sent again.
    let cluster = Cluster::new(3);
    let mut run = begin(&cluster, &default_policy());
    let [Removal { node, pod, .. }] = single_removal(&cluster, &mut run);
    run.begin(&node, &pod, cluster.now());
    run.stop(HaltReason::Interrupted);
    assert_eq!(cluster.next(&mut run).0, Action::Halt(HaltReason::Interrupted));
}

#[test]
fn second_old_pod_on_a_node_is_removed_too() {
    let mut cluster = Cluster::new(1);
    cluster.put("n1", "old", Health::From(-500));
    let (removed, end) = play(&mut cluster, &default_policy(), 60);
    assert_eq!((removed, end), (vec!["n1".to_owned(), "n1".to_owned()], Action::Finish));
}

#[test]
fn pod_with_a_finalizer_is_waited_for() {
    let mut cluster = Cluster::new(2);
    cluster.pod_on("n1").kept = true;
    let mut run = begin(&cluster, &default_policy());
    assert!(matches!(drive(&mut cluster, &mut run, 60), Action::Wait { waiting: WaitReason::Nodes, .. }));
    cluster.pods[0].kept = false;
    assert_eq!(drive(&mut cluster, &mut run, 60), Action::Finish);
}

#[test]
fn new_run_waits_for_nodes_that_the_last_run_started() {
    let mut cluster = Cluster::new(3);
    let mut run = begin(&cluster, &default_policy());
    drive(&mut cluster, &mut run, 10);
    let first = cluster.pods.iter().filter(|pod| pod.revision == "new").count();
    assert!((1..3).contains(&first));
    // The first run left no state.
    let mut run = begin(&cluster, &default_policy());
    assert_eq!(drive(&mut cluster, &mut run, 60), Action::Finish);
    assert_eq!(cluster.count, 6);
}

#[test]
fn summary_has_median_and_slowest_duration() {
    let mut cluster = Cluster::new(3);
    let mut run = begin(&cluster, &default_policy());
    drive(&mut cluster, &mut run, 60);
    let summary = Summary::new(&run);
    assert_eq!((summary.planned, summary.replaced), (3, 3));
    assert!(summary.median.is_some() && summary.median <= summary.slowest);
}
