//! Tests of the plan: which nodes are planned in which order, and which are skipped.

use super::*;
use crate::testing::objects::from_json;

#[test]
fn up_to_date_nodes_are_planned_only_with_all() {
    let mut cluster = Cluster::new(3);
    cluster.pod_on("n2").revision = "new".into();
    assert_eq!(planned(&cluster, &default_policy()), ["n1", "n3"]);
    let all = Policy { all: true, ..default_policy() };
    assert_eq!(planned(&cluster, &all), ["n1", "n2", "n3"]);
    // Each pod once: pods that are newer than the plan are not replaced.
    let (removed, end) = play(&mut cluster, &all, 100);
    assert_eq!((removed.len(), end), (3, Action::Finish));
}

#[test]
fn only_selected_nodes_are_planned() {
    let cluster = Cluster::new(4);
    let only = Policy { only: Some(["n3".to_owned(), "n4".to_owned()].into()), ..default_policy() };
    assert_eq!(planned(&cluster, &only), ["n3", "n4"]);
    assert_eq!(cluster.observation(|observation| plan(observation, &only).unwrap().not_selected), Some(2));
}

#[test]
fn order_is_by_name_by_age_or_alternates_between_zones() {
    let mut cluster = Cluster::new(6);
    for (node, zone) in [("n1", "a"), ("n2", "a"), ("n3", "a"), ("n4", "b"), ("n5", "b")] {
        cluster.node(node).zone = Some(zone.into());
    }
    for (node, created) in [("n1", -10), ("n2", -50), ("n3", -20), ("n4", -60), ("n5", -30), ("n6", -40)] {
        cluster.pod_on(node).created = created;
    }
    assert_eq!(planned(&cluster, &default_policy()), ["n1", "n2", "n3", "n4", "n5", "n6"]);
    let oldest = Policy { order: Order::Oldest, ..default_policy() };
    assert_eq!(planned(&cluster, &oldest), ["n4", "n2", "n6", "n5", "n3", "n1"]);
    let zone = Policy { order: "zone".parse().unwrap(), ..default_policy() };
    // Nodes without the label are one group.
    assert_eq!(planned(&cluster, &zone), ["n6", "n1", "n4", "n2", "n5", "n3"]);
}

#[test]
fn not_ready_nodes_are_skipped_unless_included() {
    let mut cluster = Cluster::new(3);
    cluster.node("n2").ready = false;
    assert_eq!(skipped(&cluster, &default_policy()), [("n2".into(), "NodeNotReady".into())]);
    let included = Policy { include_not_ready: true, ..default_policy() };
    assert_eq!(planned(&cluster, &included), ["n1", "n2", "n3"]);
    // A node that something else excludes gets no new pod even when it is ready again.
    cluster.node("n2").tainted = true;
    assert_eq!(skipped(&cluster, &included), [("n2".into(), "NotEligible".into())]);
}

#[test]
fn nodes_in_maintenance_are_skipped_unless_included() {
    let mut cluster = Cluster::new(3);
    cluster.node("n2").lifecycle = Some("DrainInProgress");
    assert_eq!(skipped(&cluster, &default_policy()), [("n2".into(), "Maintenance".into())]);
    let included = Policy { include_maintenance: true, ..default_policy() };
    assert_eq!(planned(&cluster, &included), ["n1", "n2", "n3"]);
    // Also a node whose maintenance starts after the plan.
    let mut run = begin(&cluster, &default_policy());
    cluster.node("n3").lifecycle = Some("MaintenanceInProgress");
    assert_eq!(drive(&mut cluster, &mut run, 60), Action::Finish);
    let skips: Vec<&Status> = run.tasks().iter().map(|task| &task.status).collect();
    assert!(matches!(skips[..], [Status::Replaced { .. }, Status::Skipped(Skip::Maintenance { .. })]), "{skips:?}");
}

#[test]
fn ineligible_uncontrolled_and_terminating_pods_are_skipped() {
    let mut cluster = Cluster::new(4);
    cluster.node("n1").tainted = true;
    cluster.pod_on("n2").owner = None;
    cluster.delete("d-3");
    let why = [("n1", "NotEligible"), ("n2", "NotControlled"), ("n3", "AlreadyTerminating")];
    let why: Vec<(String, String)> = why.iter().map(|(node, code)| ((*node).into(), (*code).into())).collect();
    assert_eq!(skipped(&cluster, &default_policy()), why);
    // A pod of another owner is ignored.
    cluster.pod_on("n2").owner = Some("another");
    assert_eq!(skipped(&cluster, &default_policy()).len(), 2);
    assert_eq!(planned(&cluster, &default_policy()), ["n4"]);
}

#[test]
fn pdbs_that_never_allow_an_eviction_are_detected() {
    let cluster = Cluster::new(3);
    let seen = |budgets: &[serde_json::Value]| {
        let budgets: Vec<_> = budgets
            .iter()
            .enumerate()
            .map(|(index, spec)| {
                let mut spec = spec.clone();
                spec["selector"] = serde_json::json!({ "matchLabels": { "app": "d" } });
                let status = serde_json::json!({ "expectedPods": 3, "currentHealthy": 3, "desiredHealthy": 1, "disruptionsAllowed": 1 });
                from_json(serde_json::json!({ "metadata": { "name": format!("b{index}") }, "spec": spec, "status": status }))
            })
            .collect();
        cluster.observation(|observation| pdb_conflict(observation, &budgets)).unwrap()
    };
    let json = |text: &str| serde_json::from_str(text).unwrap();
    assert_eq!(seen(&[]), None);
    assert_eq!(seen(&[json(r#"{"minAvailable": 2}"#)]), None);
    let never =
        |stated: &str| Some(PdbConflict::UnsupportedForDaemonSet { budget: "b0".into(), stated: stated.into() });
    assert_eq!(seen(&[json(r#"{"maxUnavailable": 1}"#)]), never("maxUnavailable: 1"));
    assert_eq!(seen(&[json(r#"{"minAvailable": "50%"}"#)]), never("minAvailable: 50%"));
    let all = PdbConflict::MinAvailableTooHigh { budget: "b0".into(), min_available: 3, pods: 3 };
    assert_eq!(seen(&[json(r#"{"minAvailable": 3}"#)]), Some(all));
    let several = PdbConflict::MultipleBudgets { budgets: vec!["b0".into(), "b1".into()] };
    assert_eq!(seen(&[json(r#"{"minAvailable": 1}"#), json(r#"{"minAvailable": 1}"#)]), Some(several));
}
