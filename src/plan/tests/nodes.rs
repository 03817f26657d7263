//! Changes of nodes.

use serde_json::json;

use super::fixture::*;
use crate::alerts::Alert;
use crate::change::NodeEdit;
use crate::plan::{Finding, NodeChange, ObjectEffect};
use crate::snapshot::Taint;

fn taint(node: &str, effect: &str) -> NodeChange {
    let taint = Taint { key: "gpu".into(), value: "yes".into(), effect: effect.into(), time_added: None };
    NodeChange::Edit { name: node.into(), edit: NodeEdit::AddTaint(taint) }
}

#[test]
fn taints_delete_or_leave_the_pod_by_their_effect() {
    let fixture = Fixture::new(3, rolling(json!(1)));
    let after = |effect: &str| fixture.change_nodes(vec![taint("n2", effect)]);
    let deleted = after("NoExecute");
    assert_eq!(actions(of_agent(&deleted)), "n1 Keep, n2 Delete, n3 Keep");
    assert!(deleted.has_loss() && !deleted.has_problem());
    let left = after("NoSchedule");
    let one = of_agent(&left);
    assert_eq!((actions(one).as_str(), one.effect), ("n1 Keep, n2 Keep, n3 Keep", ObjectEffect::Unchanged));
    assert_eq!(one.findings, [Finding::Misscheduled { nodes: vec!["n2".into()] }]);
    assert_eq!(one.alerts, [Alert::KubeDaemonSetMisScheduled, Alert::KubeDaemonSetRolloutStuck]);
    assert_eq!((one.after.desired, one.after.misscheduled), (Some(2), Some(1)));
    assert!(after("PreferNoSchedule").daemon_sets.is_empty());
}

#[test]
fn taint_that_is_tolerated_for_a_while_evicts_the_pod_again_and_again() {
    let tolerations = json!({ "tolerations": [
        { "key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30 },
    ] });
    let fixture = Fixture::with_daemon_set(1, agent(rolling(json!(1)), template("old", tolerations))).pods_everywhere();
    let plan = fixture.change_nodes(vec![taint("n1", "NoExecute")]);
    assert_eq!(actions(of_agent(&plan)), "n1 Evict");
    assert_eq!(codes(of_agent(&plan)), ["EvictedRepeatedly"]);
    assert!(plan.has_problem());
}

#[test]
fn cordon_concerns_no_daemon_pod() {
    let fixture = Fixture::new(2, rolling(json!(1)));
    let plan = fixture.change_nodes(vec![NodeChange::Edit { name: "n1".into(), edit: NodeEdit::Cordon }]);
    assert!(plan.daemon_sets.is_empty(), "{plan:?}");
}

#[test]
fn labels_move_pods() {
    let daemon_set = agent(rolling(json!(1)), template("old", json!({ "nodeSelector": { "role": "edge" } })));
    let fixture = Fixture::with_daemon_set(2, daemon_set)
        .change_node("n1", json!({ "metadata": { "labels": { "role": "edge" } } }))
        .pod("n1", json!({}));
    let label = |node: &str, value: Option<&str>| NodeChange::Edit {
        name: node.into(),
        edit: NodeEdit::Labels(vec![("role".into(), value.map(str::to_owned))]),
    };
    let plan = fixture.change_nodes(vec![label("n1", None), label("n2", Some("edge"))]);
    assert_eq!(actions(of_agent(&plan)), "n1 Delete, n2 Create");
}

#[test]
fn deleted_node_loses_its_pods() {
    let fixture = Fixture::new(2, rolling(json!(1)));
    let plan = fixture.change_nodes(vec![NodeChange::Delete { name: "n2".into() }]);
    let one = of_agent(&plan);
    assert_eq!(actions(one), "n1 Keep, n2 Delete");
    assert_eq!((one.nodes[1].placement, one.after.desired), (None, Some(1)));
}

#[test]
fn deletion_of_the_node_that_uses_the_budget_continues_a_blocked_rollout() {
    let tolerant = json!({ "tolerations": [{ "operator": "Exists" }] });
    let daemon_set = agent(rolling(json!(1)), template("old", tolerant.clone()));
    let mut fixture = Fixture::with_daemon_set(3, daemon_set).pods_everywhere();
    fixture = fixture.change_node("n1", silent());
    let terminating = json!({ "metadata": { "deletionTimestamp": crate::testing::objects::HOUR_AGO } });
    fixture = fixture.change_pod("n1", terminating);
    let newer = template("new", tolerant);
    let labels = json!({ "metadata": { "labels": { "controller-revision-hash": "new" } } });
    let set = &fixture.daemon_sets[0];
    fixture.revisions.push(crate::testing::objects::controller_revision(set, 2, newer.clone(), labels));
    fixture.daemon_sets[0] = with(set, json!({ "spec": { "template": newer } }));
    let unrelated = fixture.change_nodes(vec![NodeChange::Edit { name: "n2".into(), edit: NodeEdit::Cordon }]);
    assert!(unrelated.daemon_sets.is_empty(), "{unrelated:?}");
    let plan = fixture.change_nodes(vec![NodeChange::Delete { name: "n1".into() }]);
    assert_eq!(actions(of_agent(&plan)), "n2 Replace, n3 Replace, n1 Delete");
}

#[test]
fn new_node_gets_its_pods_when_it_is_ready() {
    let fixture = Fixture::new(1, rolling(json!(1)));
    let not_ready =
        json!({ "spec": { "taints": [{ "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" }] } });
    let join = NodeChange::Join { node: Box::new(node("n9", not_ready)) };
    let plan = fixture.change_nodes(vec![join]);
    assert_eq!(actions(of_agent(&plan)), "n1 Keep, n9 Create");
    assert_eq!(of_agent(&plan).nodes[1].schedulable, Some(true));
}
