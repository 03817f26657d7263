//! Which new pods get a place.

use serde_json::{Value, json};

use super::fixture::*;
use crate::plan::{Assumption, ClusterChange, Finding, ObjectEffect, plan};
use crate::snapshot::Known;
use crate::testing::objects;

fn request(cpu: &str, priority: i32) -> Value {
    let container = json!({ "name": "c", "image": "x", "resources": { "requests": { "cpu": cpu } } });
    let class = if priority > 0 { "high" } else { "" };
    json!({ "containers": [container], "priorityClassName": class })
}

fn other(name: &str, spec: Value) -> k8s_openapi::api::apps::v1::DaemonSet {
    let fields = json!({ "spec": { "template": { "spec": spec }, "updateStrategy": rolling(json!(1)) } });
    objects::daemon_set("ns", name, fields)
}

#[test]
fn new_daemonset_is_created_where_it_fits() {
    let fixture = Fixture::new(3, rolling(json!(1))).neighbour("n2", "1900m", 0);
    let plan = fixture.apply(other("new", request("500m", 0)));
    let one = &plan.daemon_sets[0];
    assert_eq!((one.name.as_str(), one.effect, one.before), ("new", ObjectEffect::Created, None));
    assert_eq!(actions(one), "n1 Create, n2 Create!, n3 Create");
    assert!(one.findings.contains(&Finding::Unschedulable { nodes: vec!["n2".into()] }));
    assert_eq!((one.after.current, one.after.available), (Some(3), Some(2)));
    assert!(plan.has_problem());
}

#[test]
fn new_pod_takes_the_place_of_the_old_one() {
    let fixture = Fixture::with_daemon_set(1, agent(rolling(json!(1)), template("old", request("1500m", 0))));
    let fixture = fixture.pods_everywhere();
    let mut larger = request("1900m", 0);
    larger["containers"][0]["image"] = json!("new");
    assert_eq!(actions(of_agent(&fixture.new_template(larger.clone()))), "n1 Replace");
    // With a surge, both have to fit.
    let mut surging = fixture;
    surging.daemon_sets[0].spec.update_strategy = serde_json::from_value(surge(json!(1))).unwrap();
    assert_eq!(actions(of_agent(&surging.new_template(larger))), "n1 Replace!");
}

#[test]
fn preemption_evicts_less_important_pods() {
    let fixture = Fixture::new(1, rolling(json!(1))).neighbour("n1", "1900m", 0);
    let plan = fixture.apply(other("new", request("500m", 100)));
    let one = &plan.daemon_sets[0];
    assert_eq!(actions(one), "n1 Create");
    let expected = Finding::Preempts { nodes: vec!["n1".into()], pods: vec!["shop/web-1".into()] };
    assert!(one.findings.contains(&expected), "{:?}", one.findings);
    assert!(!plan.has_problem());
}

#[test]
fn evicted_daemon_pod_is_created_again_and_waits() {
    let daemon_set = agent(rolling(json!(1)), template("old", request("1500m", 0)));
    let fixture = Fixture::with_daemon_set(1, daemon_set).pods_everywhere();
    let plan = fixture.apply(other("new", request("1", 100)));
    let loser = of_agent(&plan);
    assert_eq!((actions(loser).as_str(), loser.effect), ("n1 Replace!", ObjectEffect::Unchanged));
    assert!(plan.has_loss());
}

#[test]
fn daemonsets_of_one_plan_compete_by_priority() {
    let fixture = Fixture::new(1, rolling(json!(1)));
    let both = |priority: i32| {
        let daemon_sets = vec![other("low", request("1500m", 0)), other("high", request("1500m", priority))];
        plan(fixture.world(), &ClusterChange { daemon_sets, ..ClusterChange::default() })
    };
    let unequal = both(100);
    let of =
        |plan: &crate::plan::Plan, name: &str| actions(plan.daemon_sets.iter().find(|one| one.name == name).unwrap());
    assert_eq!((of(&unequal, "high").as_str(), of(&unequal, "low").as_str()), ("n1 Create", "n1 Create!"));
    let equal = both(0);
    assert_eq!((of(&equal, "high").as_str(), of(&equal, "low").as_str()), ("n1 Create?", "n1 Create?"));
    let expected = Assumption::OrderOfPods { node: "n1".into(), daemon_sets: vec!["ns/high".into(), "ns/low".into()] };
    let mut found = equal.assumptions;
    found.iter_mut().for_each(|one| {
        if let Assumption::OrderOfPods { daemon_sets, .. } = one {
            daemon_sets.sort();
        }
    });
    assert!(found.contains(&expected), "{found:?}");
}

#[test]
fn host_port_of_another_daemonset_is_named() {
    let port = json!({ "containers": [{ "name": "c", "image": "x", "ports": [
        { "containerPort": 9100, "hostPort": 9100, "protocol": "TCP" },
    ] }] });
    let fixture = Fixture::with_daemon_set(1, agent(rolling(json!(1)), template("old", port.clone())));
    let plan = fixture.pods_everywhere().apply(other("second", port));
    let node = &plan.daemon_sets[0].nodes[0];
    let reason = serde_json::to_value(&node.reasons[0].reason).unwrap();
    assert_eq!((node.schedulable, reason["code"].as_str()), (Some(false), Some("HostPortInUse")), "{reason}");
}

#[test]
fn evicted_pod_that_could_only_stay_is_not_created_again() {
    let daemon_set = agent(rolling(json!(1)), template("old", request("1500m", 0)));
    let fixture = Fixture::with_daemon_set(1, daemon_set).pods_everywhere();
    let late = json!({ "spec": { "taints": [{ "key": "late", "effect": "NoSchedule" }] } });
    let fixture = fixture.change_node("n1", late);
    let mut spec = request("1", 100);
    spec["tolerations"] = json!([{ "operator": "Exists" }]);
    let plan = fixture.apply(other("new", spec));
    assert_eq!(actions(of_agent(&plan)), "n1 Delete");
    assert!(plan.has_loss());
}

#[test]
fn deleted_pod_with_a_finalizer_may_keep_its_place() {
    let kept = json!({ "metadata": { "finalizers": ["example.com/kept"] } });
    let daemon_set = agent(rolling(json!(1)), template("old", request("1500m", 0)));
    let fixture = Fixture::with_daemon_set(1, daemon_set).pods_everywhere();
    let plan_of = |fixture: &Fixture| {
        let mut elsewhere = fixture.daemon_sets[0].clone();
        let spec = elsewhere.spec.template.spec.as_mut().unwrap();
        spec.node_selector = Some([("no".to_owned(), "such".to_owned())].into());
        let daemon_sets = vec![elsewhere, other("new", request("1", 0))];
        plan(fixture.world(), &ClusterChange { daemon_sets, ..ClusterChange::default() })
    };
    let new = |plan: &crate::plan::Plan| actions(plan.daemon_sets.iter().find(|one| one.name == "new").unwrap());
    assert_eq!(new(&plan_of(&fixture)), "n1 Create");
    let fixture = fixture.change_pod("n1", kept);
    let plan = plan_of(&fixture);
    assert_eq!((actions(of_agent(&plan)).as_str(), new(&plan).as_str()), ("n1 Delete", "n1 Create?"));
    let expected = Assumption::Finalizers { node: "n1".into(), pods: vec!["ns/agent-n1".into()] };
    assert!(plan.assumptions.contains(&expected), "{:?}", plan.assumptions);
}

#[test]
fn new_pod_waits_until_the_finalizer_of_the_old_one_is_removed() {
    let kept = json!({ "metadata": { "finalizers": ["example.com/kept"] } });
    let fixture = Fixture::new(1, rolling(json!(1)));
    assert_eq!(actions(of_agent(&fixture.new_template(json!({})))), "n1 Replace");
    let fixture = fixture.change_pod("n1", kept);
    let plan = fixture.new_template(json!({}));
    assert_eq!(actions(of_agent(&plan)), "n1 Replace?");
    let expected = Assumption::Finalizers { node: "n1".into(), pods: vec!["ns/agent-n1".into()] };
    assert!(plan.assumptions.contains(&expected), "{:?}", plan.assumptions);
}

#[test]
fn deleted_pods_of_another_daemonset_make_room_in_a_quota() {
    let mut fixture = Fixture::new(2, rolling(json!(1)));
    fixture.objects.quotas = Known::Known(vec![objects::from_json(json!({
        "metadata": { "namespace": "ns", "name": "q" },
        "spec": { "hard": { "pods": "2" } },
        "status": { "hard": { "pods": "2" }, "used": { "pods": "2" } },
    }))]);
    let new = |fixture: &Fixture, no_node: bool| {
        let mut daemon_sets = vec![other("new", json!({}))];
        let selector = json!({ "spec": { "template": { "spec": { "nodeSelector": { "no": "such" } } } } });
        daemon_sets.extend(no_node.then(|| with(&fixture.daemon_sets[0], selector)));
        let plan = plan(fixture.world(), &ClusterChange { daemon_sets, ..ClusterChange::default() });
        actions(plan.daemon_sets.iter().find(|one| one.name == "new").unwrap())
    };
    assert_eq!(new(&fixture, false), "n1 Create!, n2 Create!");
    assert_eq!(new(&fixture, true), "n1 Create, n2 Create");
    // One of the pods may stay.
    let fixture = fixture.change_pod("n1", json!({ "metadata": { "finalizers": ["example.com/kept"] } }));
    assert_eq!(new(&fixture, true), "n1 Create?, n2 Create?");
}

#[test]
fn pod_that_never_preempts_may_come_too_late() {
    let of = |policy: &str| {
        let mut fixture = Fixture::new(1, rolling(json!(1)));
        let class = json!({ "metadata": { "name": "high" }, "value": 100, "preemptionPolicy": policy });
        fixture.objects.priority_classes = Known::Known(vec![objects::from_json(class)]);
        let daemon_sets = vec![other("low", request("1500m", 0)), other("high", request("1500m", 100))];
        let plan = plan(fixture.world(), &ClusterChange { daemon_sets, ..ClusterChange::default() });
        let of = |name: &str| actions(plan.daemon_sets.iter().find(|one| one.name == name).unwrap());
        [of("high"), of("low")]
    };
    assert_eq!(of("PreemptLowerPriority"), ["n1 Create", "n1 Create!"]);
    assert_eq!(of("Never"), ["n1 Create?", "n1 Create?"]);
}
