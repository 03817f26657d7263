//! Rollouts, and what surprises in them.

use serde_json::json;

use super::fixture::*;
use crate::plan::{Finding, ObjectEffect};
use crate::rollout::Strategy;
use crate::snapshot::Known;
use crate::testing::objects::{NOW, controller_revision, from_json};

#[test]
fn new_template_replaces_every_pod_within_the_budget() {
    let fixture = Fixture::new(5, rolling(json!(2)));
    let plan = fixture.new_template(json!({}));
    let one = of_agent(&plan);
    assert_eq!(actions(one), "n1 Replace, n2 Replace, n3 Replace, n4 Replace, n5 Replace");
    assert_eq!((one.effect, one.rollout.replaced, one.rollout.waves), (ObjectEffect::Changed, 5, 3));
    assert!(!one.rollout.blocked && !plan.has_problem() && !plan.has_loss());
    assert_eq!(one.template_changes[0].path, "spec.containers[c].image");
    assert_eq!((one.before.unwrap().available, one.after.available), (Some(5), Some(5)));
}

#[test]
fn same_template_replaces_nothing() {
    let fixture = Fixture::new(2, rolling(json!(1)));
    let same = with(&fixture.daemon_sets[0], json!({ "spec": { "minReadySeconds": 30 } }));
    let plan = fixture.apply(same);
    let one = of_agent(&plan);
    assert_eq!((actions(one).as_str(), one.effect), ("n1 Keep, n2 Keep", ObjectEffect::Changed));
    assert_eq!(one.template_changes, []);
}

#[test]
fn template_of_an_earlier_revision_keeps_the_pods_that_run_it() {
    let mut fixture = Fixture::new(3, rolling(json!(1)));
    let newer = template("new", json!({}));
    let labels = json!({ "metadata": { "labels": { "controller-revision-hash": "new" } } });
    fixture.revisions.push(controller_revision(&fixture.daemon_sets[0], 2, newer.clone(), labels));
    let old = fixture.daemon_sets[0].clone();
    fixture.daemon_sets[0] = with(&old, json!({ "spec": { "template": newer } }));
    let fixture = fixture.change_pod("n2", json!({ "metadata": { "labels": { "controller-revision-hash": "new" } } }));
    let plan = fixture.apply(old);
    let one = of_agent(&plan);
    assert_eq!(actions(one), "n1 Keep, n2 Replace, n3 Keep");
    assert_eq!(one.earlier_revision, Some(1));
    assert!(codes(one).contains(&"EarlierRevision".to_owned()));
}

#[test]
fn unavailable_old_pods_are_replaced_at_once_beyond_the_budget() {
    let fixture = Fixture::new(4, rolling(json!(1))).change_pod("n1", not_ready()).change_pod("n2", not_ready());
    let plan = fixture.new_template(json!({}));
    let one = of_agent(&plan);
    assert_eq!((one.rollout.replaced, one.rollout.at_once, one.rollout.waves), (4, 2, 2));
    let expected =
        Finding::ReplacedAtOnce { nodes: vec!["n1".into(), "n2".into()], budget: 1, within_min_ready_seconds: false };
    assert!(one.findings.contains(&expected), "{:?}", one.findings);
    assert!(!plan.has_problem());
}

#[test]
fn change_within_min_ready_seconds_replaces_everything_at_once() {
    let mut fixture = Fixture::new(3, rolling(json!(1)));
    fixture.daemon_sets[0].spec.min_ready_seconds = Some(600);
    let just_now = json!({ "status": { "conditions": [
        { "type": "Ready", "status": "True", "lastTransitionTime": NOW },
    ] } });
    for node in ["n1", "n2", "n3"] {
        fixture = fixture.change_pod(node, just_now.clone());
    }
    let plan = fixture.new_template(json!({}));
    let one = of_agent(&plan);
    assert_eq!((one.rollout.at_once, one.rollout.least_seconds), (3, Some(600)));
    let is_it = |finding: &Finding| matches!(finding, Finding::ReplacedAtOnce { within_min_ready_seconds: true, .. });
    assert!(one.findings.iter().any(is_it), "{:?}", one.findings);
}

#[test]
fn min_ready_seconds_of_each_wave_add_up() {
    let mut fixture = Fixture::new(6, rolling(json!(2)));
    fixture.daemon_sets[0].spec.min_ready_seconds = Some(60);
    assert_eq!(of_agent(&fixture.new_template(json!({}))).rollout.least_seconds, Some(180));
}

#[test]
fn budget_that_a_dead_node_uses_up_blocks_the_rollout_before_it_starts() {
    let tolerant = json!({ "tolerations": [{ "operator": "Exists" }] });
    let daemon_set = agent(rolling(json!(1)), template("old", tolerant.clone()));
    let fixture = Fixture::with_daemon_set(3, daemon_set).pods_everywhere();
    let fixture = fixture.change_node("n1", silent()).change_pod("n1", not_ready());
    let plan = fixture.new_template(tolerant);
    let one = of_agent(&plan);
    // The old pod of the dead node is deleted at once, and never ends.
    assert_eq!(actions(one), "n1 Replace, n2 Keep, n3 Keep");
    let expected =
        Finding::RolloutBlocked { budget: 1, used_by: vec!["n1".into()], waiting: vec!["n2".into(), "n3".into()] };
    assert!(one.findings.contains(&expected), "{:?}", one.findings);
    assert!(plan.has_problem());
}

#[test]
fn larger_budget_than_dead_nodes_is_not_blocked() {
    let tolerant = json!({ "tolerations": [{ "operator": "Exists" }] });
    let daemon_set = agent(rolling(json!(2)), template("old", tolerant.clone()));
    let fixture = Fixture::with_daemon_set(3, daemon_set).pods_everywhere();
    let fixture = fixture.change_node("n1", silent()).change_pod("n1", not_ready());
    let plan = fixture.new_template(tolerant);
    assert_eq!(actions(of_agent(&plan)), "n1 Replace, n2 Replace, n3 Replace");
    assert!(!of_agent(&plan).rollout.blocked);
}

#[test]
fn surge_with_a_host_port_is_blocked() {
    let port = json!({ "containers": [{ "name": "c", "image": "x", "ports": [
        { "containerPort": 9100, "hostPort": 9100, "protocol": "TCP" },
    ] }] });
    let fixture = Fixture::with_daemon_set(3, agent(surge(json!(1)), template("old", port.clone()))).pods_everywhere();
    let mut changed = port;
    changed["containers"][0]["image"] = json!("new");
    let plan = fixture.new_template(changed);
    let one = of_agent(&plan);
    assert!(one.rollout.blocked, "{:?}", one.findings);
    assert_eq!(actions(one), "n1 Replace!, n2 Replace!, n3 Replace!");
    assert!(codes(one).contains(&"Unschedulable".to_owned()));
}

#[test]
fn blocked_surge_keeps_the_old_pod_beside_the_new_one_that_waits() {
    let port = json!({ "containers": [{ "name": "c", "image": "x", "ports": [
        { "containerPort": 9100, "hostPort": 9100, "protocol": "TCP" },
    ] }] });
    let fixture = Fixture::with_daemon_set(2, agent(surge(json!(1)), template("new", port))).pods_everywhere();
    let older =
        json!({ "metadata": { "name": "older", "uid": "older", "labels": { "controller-revision-hash": "older" } } });
    let waiting = json!({ "spec": { "nodeName": "" }, "status": { "phase": "Pending", "conditions": [] } });
    let fixture = fixture.change_pod("n1", waiting).pod("n1", older);
    let plan = fixture.apply(with(&fixture.daemon_sets[0], json!({ "spec": { "minReadySeconds": 1 } })));
    assert_eq!(actions(of_agent(&plan)), "n1 Keep, n2 Keep");
}

#[test]
fn surge_replaces_unavailable_pods_at_once_whatever_max_unavailable_says() {
    let fixture = Fixture::new(3, surge(json!(1))).change_pod("n1", not_ready()).change_pod("n2", not_ready());
    let one = fixture.new_template(json!({}));
    let expected = Finding::SurgeIgnoresMaxUnavailable { nodes: vec!["n1".into(), "n2".into()] };
    assert!(of_agent(&one).findings.contains(&expected), "{:?}", of_agent(&one).findings);
}

#[test]
fn percentages_that_mean_one_or_all_are_found() {
    let found = |strategy| codes(of_agent(&Fixture::new(3, strategy).new_template(json!({}))));
    assert_eq!(found(rolling(json!("100%"))), ["AllAtOnce"]);
    assert_eq!(found(rolling(json!("70%"))), ["AllAtOnce"], "rounded up to 3 of 3");
    assert_eq!(found(rolling(json!("0%"))), ["LimitIsZero"]);
    assert_eq!(found(rolling(json!("30%"))), Vec::<String>::new());
}

#[test]
fn on_delete_replaces_nothing() {
    let fixture = Fixture::new(3, json!({ "type": "OnDelete" }));
    let plan = fixture.new_template(json!({}));
    let one = of_agent(&plan);
    assert_eq!((actions(one).as_str(), one.strategy), ("n1 Keep, n2 Keep, n3 Keep", Strategy::OnDelete));
    assert_eq!(codes(one), ["NothingUntilDeleted"]);
    assert!(!plan.has_problem());
}

#[test]
fn rejected_creation_keeps_the_rollout_from_starting() {
    let mut fixture = Fixture::new(3, rolling(json!(1)));
    fixture.pods.retain(|pod| pod.metadata.name != "agent-n3");
    let quota = |pods: &str| {
        from_json(json!({
            "metadata": { "namespace": "ns", "name": "q" },
            "spec": { "hard": { "pods": pods } },
            "status": { "hard": { "pods": pods }, "used": { "pods": "2" } },
        }))
    };
    fixture.objects.quotas = Known::Known(vec![quota("2")]);
    let plan = fixture.new_template(json!({}));
    let one = of_agent(&plan);
    assert!(one.rollout.blocked, "{:?}", one.findings);
    assert_eq!(actions(one), "n1 Keep, n2 Keep, n3 Create!");
    let expected = Finding::PodsRejected { rejected: 1, new_pods: 1 };
    assert!(one.findings.contains(&expected), "{:?}", one.findings);
    // With room for one more pod, the rollout needs none: each new pod takes the place of an old one.
    fixture.objects.quotas = Known::Known(vec![quota("3")]);
    let plan = fixture.new_template(json!({}));
    assert_eq!(actions(of_agent(&plan)), "n1 Replace, n2 Replace, n3 Create");
    assert!(!plan.has_problem(), "{:?}", of_agent(&plan).findings);
}

#[test]
fn some_rejected_creations_depend_on_their_order() {
    let mut fixture = Fixture::new(5, rolling(json!(1)));
    fixture.pods.clear();
    let quota = json!({
        "metadata": { "namespace": "ns", "name": "q" },
        "spec": { "hard": { "pods": "3" } },
        "status": { "hard": { "pods": "3" }, "used": { "pods": "0" } },
    });
    fixture.objects.quotas = Known::Known(vec![from_json(quota)]);
    let plan = fixture.new_template(json!({}));
    let expected = Finding::PodsRejected { rejected: 2, new_pods: 5 };
    assert!(of_agent(&plan).findings.contains(&expected), "{:?}", of_agent(&plan).findings);
    assert!(of_agent(&plan).nodes.iter().all(|node| node.is_assumed));
    assert_eq!(of_agent(&plan).after.current, Some(3));
}

#[test]
fn missing_service_account_rejects_every_pod() {
    let fixture = Fixture::new(3, rolling(json!(1)));
    let plan = fixture.new_template(json!({ "serviceAccountName": "missing", "serviceAccount": "missing" }));
    let one = of_agent(&plan);
    assert!(one.rollout.blocked && plan.has_problem(), "{:?}", one.findings);
    assert!(codes(one).contains(&"PodsRejected".to_owned()));
}

#[test]
fn some_pods_without_a_place_stop_the_rollout_somewhere() {
    let request = |cpu: &str| json!({ "containers": [{ "name": "c", "image": "x", "resources": { "requests": { "cpu": cpu } } }] });
    let daemon_set = agent(rolling(json!(1)), template("old", request("100m")));
    let fixture = Fixture::with_daemon_set(3, daemon_set).pods_everywhere().neighbour("n2", "1500m", 0);
    let mut changed = request("1");
    changed["containers"][0]["image"] = json!("new");
    let plan = fixture.new_template(changed);
    let one = of_agent(&plan);
    assert!(one.rollout.blocked, "{:?}", one.findings);
    assert_eq!(actions(one), "n1 Replace?, n2 Replace!, n3 Replace?");
}
