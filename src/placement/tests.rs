//! The controller's eligibility rule where it differs from intuition, by the numbers of docs/edge-cases.md.

#![allow(clippy::unwrap_used)]

use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::{Value, json};

use super::Placement::{ContinueOnly, Exclude, Run};
use super::*;
use crate::snapshot::OpenShift;
use crate::snapshot::pod::Pod;
use crate::testing::objects;

fn node(labels: Value, taints: Value) -> Node {
    objects::node("n1", json!({ "metadata": { "labels": labels }, "spec": { "taints": taints } }))
}

fn template(spec: Value) -> PodSpec {
    serde_json::from_value(spec).unwrap()
}

fn place_with(spec: Value, node: &Node, gates: FeatureGates) -> Placement {
    EligibilityRule::new(&template(spec), NamespaceSelector::Any, gates).evaluate(node).placement
}

fn evaluate(spec: Value, node: &Node) -> Placement {
    place_with(spec, node, FeatureGates::default())
}

/// Placement of a template with these tolerations on a node with one taint, `key[=value]:effect`.
fn tolerating(tolerations: Value, taint: &str) -> Placement {
    evaluate(json!({ "containers": [], "tolerations": tolerations }), &tainted(&[taint]))
}

fn tainted(taints: &[&str]) -> Node {
    let taint = |text: &&str| {
        let (key_value, effect) = text.rsplit_once(':').unwrap();
        let (key, value) = key_value.split_once('=').unwrap_or((key_value, ""));
        json!({ "key": key, "value": value, "effect": effect })
    };
    node(json!({}), taints.iter().map(taint).collect())
}

fn with_terms(terms: Value, labels: Value) -> Placement {
    let affinity =
        json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } });
    evaluate(json!({ "containers": [], "affinity": affinity }), &node(labels, json!([])))
}

fn with_expression(operator: &str, values: Value, labels: Value) -> Placement {
    with_terms(json!([{ "matchExpressions": [{ "key": "a", "operator": operator, "values": values }] }]), labels)
}

const NOT_READY: [&str; 2] = ["node.kubernetes.io/not-ready:NoSchedule", "node.kubernetes.io/not-ready:NoExecute"];

/// Edge case 1 (docs/edge-cases.md).
#[test]
fn toleration_of_everything_covers_not_ready_node() {
    let spec = json!({ "containers": [], "tolerations": [{ "operator": "Exists" }] });
    assert_eq!(evaluate(spec.clone(), &tainted(&NOT_READY)), Run);
    assert_eq!(evaluate(spec, &tainted(&["any=thing:NoExecute", "other:NoSchedule"])), Run);
}

/// Edge case 2 (docs/edge-cases.md).
#[test]
fn toleration_without_value_covers_only_taints_without_value() {
    assert_eq!(tolerating(json!([{ "key": "k" }]), "k:NoSchedule"), Run);
    assert_eq!(tolerating(json!([{ "key": "k" }]), "k=v:NoSchedule"), ContinueOnly);
}

/// Edge case 3 (docs/edge-cases.md).
#[test]
fn toleration_of_one_effect_does_not_cover_another() {
    let tolerations = json!([{ "key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule" }]);
    assert_eq!(tolerating(tolerations.clone(), "k=v:NoExecute"), Exclude);
    assert_eq!(tolerating(tolerations, "k=v:NoSchedule"), Run);
}

/// Edge case 4 (docs/edge-cases.md).
#[test]
fn prefer_no_schedule_excludes_no_node() {
    assert_eq!(tolerating(json!([]), "k=v:PreferNoSchedule"), Run);
}

/// Edge case 5 (docs/edge-cases.md).
#[test]
fn no_schedule_lets_existing_pod_continue() {
    assert_eq!(tolerating(json!([]), "k=v:NoSchedule"), ContinueOnly);
}

/// Edge case 7 (docs/edge-cases.md).
#[test]
fn no_execute_excludes_node() {
    assert_eq!(tolerating(json!([]), "k=v:NoExecute"), Exclude);
    assert_eq!(evaluate(json!({ "containers": [] }), &tainted(&["a:NoSchedule", "b:NoExecute"])), Exclude);
}

/// Edge case 8 (docs/edge-cases.md).
#[test]
fn no_execute_tolerated_for_a_while_is_tolerated() {
    assert_eq!(tolerating(json!([{ "key": "k", "operator": "Exists", "tolerationSeconds": 30 }]), "k:NoExecute"), Run);
}

/// Edge case 9 (docs/edge-cases.md).
#[test]
fn not_ready_node_lets_existing_pod_continue_by_default() {
    assert_eq!(evaluate(json!({ "containers": [] }), &tainted(&NOT_READY)), ContinueOnly);
    let unreachable = ["node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"];
    assert_eq!(evaluate(json!({ "containers": [] }), &tainted(&unreachable)), ContinueOnly);
}

/// Edge case 10 (docs/edge-cases.md).
#[test]
fn cordoned_node_is_eligible() {
    assert_eq!(tolerating(json!([]), "node.kubernetes.io/unschedulable:NoSchedule"), Run);
    for pressure in ["disk", "memory", "pid"] {
        assert_eq!(tolerating(json!([]), &format!("node.kubernetes.io/{pressure}-pressure:NoSchedule")), Run);
    }
}

/// Edge case 11 (docs/edge-cases.md).
#[test]
fn unschedulable_field_alone_changes_nothing() {
    let mut cordoned = node(json!({}), json!([]));
    cordoned.spec.unschedulable = true;
    assert_eq!(evaluate(json!({ "containers": [] }), &cordoned), Run);
}

/// Edge case 12 (docs/edge-cases.md).
#[test]
fn network_unavailable_matters_only_off_the_hosts_network() {
    let node = tainted(&["node.kubernetes.io/network-unavailable:NoSchedule"]);
    assert_eq!(evaluate(json!({ "containers": [], "hostNetwork": false }), &node), ContinueOnly);
    assert_eq!(evaluate(json!({ "containers": [], "hostNetwork": true }), &node), Run);
}

/// Edge case 13 (docs/edge-cases.md).
#[test]
fn new_not_ready_node_needs_toleration() {
    let new = tainted(&["node.kubernetes.io/not-ready:NoSchedule"]);
    assert_eq!(evaluate(json!({ "containers": [] }), &new), ContinueOnly);
    let tolerations = json!([{ "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoSchedule" }]);
    assert_eq!(evaluate(json!({ "containers": [], "tolerations": tolerations }), &new), Run);
}

/// Edge case 14 (docs/edge-cases.md).
#[test]
fn gt_and_lt_toleration_require_gate_and_canonical_integer() {
    let on = FeatureGates { comparison_tolerations: true };
    let compared = |operator: &str, own: &str, taint: &str, gates| {
        let spec = json!({ "containers": [], "tolerations": [{ "key": "k", "operator": operator, "value": own }] });
        place_with(spec, &tainted(&[&format!("k={taint}:NoSchedule")]), gates)
    };
    assert_eq!(compared("Gt", "5", "14", FeatureGates::default()), ContinueOnly);
    assert_eq!(compared("Gt", "5", "14", on), Run);
    assert_eq!(compared("Gt", "05", "14", on), ContinueOnly);
    assert_eq!(compared("Gt", "5", "x", on), ContinueOnly);
    assert_eq!(compared("Gt", "5", "5", on), ContinueOnly);
    assert_eq!(compared("Gt", "-0", "5", on), ContinueOnly);
    assert_eq!(compared("Lt", "5", "4", on), Run);
    assert_eq!(compared("Lt", "5", "5", on), ContinueOnly);
    assert_eq!(compared("Ge", "5", "9", on), ContinueOnly);
}

/// Edge case 14 (docs/edge-cases.md).
#[test]
fn gt_or_lt_toleration_in_template_implies_gate() {
    let gates = |operator| {
        FeatureGates::implied_by(&template(
            json!({ "containers": [], "tolerations": [{ "key": "k", "operator": operator, "value": "5" }] }),
        ))
    };
    assert!(gates("Gt").comparison_tolerations);
    assert!(gates("Lt").comparison_tolerations);
    assert!(!gates("Equal").comparison_tolerations);
}

/// Edge case 15 (docs/edge-cases.md).
#[test]
fn seconds_on_not_ready_change_nothing_for_the_placement() {
    for operator in ["Exists", "Equal"] {
        let tolerations = json!([{ "key": "node.kubernetes.io/not-ready", "operator": operator, "effect": "NoExecute", "tolerationSeconds": 60 }]);
        assert_eq!(tolerating(tolerations, "node.kubernetes.io/not-ready:NoExecute"), Run);
    }
}

/// Edge case 16 (docs/edge-cases.md).
#[test]
fn node_selector_with_empty_value_requires_key() {
    let spec = json!({ "containers": [], "nodeSelector": { "a": "" } });
    assert_eq!(evaluate(spec.clone(), &node(json!({}), json!([]))), Exclude);
    assert_eq!(evaluate(spec.clone(), &node(json!({ "a": "" }), json!([]))), Run);
    assert_eq!(evaluate(spec, &node(json!({ "a": "b" }), json!([]))), Exclude);
}

/// Edge case 17 (docs/edge-cases.md).
#[test]
fn missing_key_matches_not_in_and_does_not_match_in() {
    assert_eq!(with_expression("In", json!([""]), json!({})), Exclude);
    assert_eq!(with_expression("In", json!([""]), json!({ "a": "" })), Run);
    assert_eq!(with_expression("NotIn", json!(["x"]), json!({})), Run);
    assert_eq!(with_expression("NotIn", json!(["x"]), json!({ "a": "x" })), Exclude);
}

/// Edge case 18 (docs/edge-cases.md).
#[test]
fn key_with_an_empty_value_exists() {
    assert_eq!(with_expression("DoesNotExist", json!([]), json!({ "a": "" })), Exclude);
    assert_eq!(with_expression("Exists", json!([]), json!({ "a": "" })), Run);
    assert_eq!(with_expression("DoesNotExist", json!([]), json!({})), Run);
    assert_eq!(with_expression("Exists", json!(["x"]), json!({ "a": "" })), Exclude);
}

/// Edge case 19 (docs/edge-cases.md).
#[test]
fn gt_and_lt_compare_integers_strictly() {
    let gt = |label: Value| with_expression("Gt", json!(["5"]), label);
    assert_eq!(gt(json!({ "a": "5" })), Exclude);
    assert_eq!(gt(json!({ "a": "6" })), Run);
    assert_eq!(gt(json!({ "a": "006" })), Run);
    assert_eq!(gt(json!({ "a": "abc" })), Exclude);
    assert_eq!(gt(json!({ "a": "99999999999999999999" })), Exclude);
    assert_eq!(gt(json!({})), Exclude);
    assert_eq!(with_expression("Lt", json!(["5"]), json!({ "a": "4" })), Run);
    assert_eq!(with_expression("Lt", json!(["5"]), json!({ "a": "5" })), Exclude);
    assert_eq!(with_expression("Gt", json!(["5", "6"]), json!({ "a": "9" })), Exclude);
}

/// Edge case 20 (docs/edge-cases.md).
#[test]
fn malformed_value_makes_term_invalid() {
    assert_eq!(with_expression("Gt", json!(["abc"]), json!({ "a": "9" })), Exclude);
    assert_eq!(with_expression("Gt", json!(["-1"]), json!({ "a": "9" })), Exclude);
    assert_eq!(with_expression("NotIn", json!(["bad value!"]), json!({ "a": "9" })), Exclude);
    assert_eq!(with_expression("In", json!([]), json!({ "a": "9" })), Exclude);
    assert_eq!(with_expression("Near", json!(["9"]), json!({ "a": "9" })), Exclude);
}

/// Edge case 21 (docs/edge-cases.md).
#[test]
fn empty_or_invalid_term_matches_nothing_others_still_do() {
    let good = json!({ "matchExpressions": [{ "key": "a", "operator": "Exists" }] });
    let broken = json!({ "matchExpressions": [{ "key": "a", "operator": "Gt", "values": ["abc"] }] });
    assert_eq!(with_terms(json!([{}]), json!({ "a": "1" })), Exclude);
    assert_eq!(with_terms(json!([]), json!({ "a": "1" })), Exclude);
    assert_eq!(with_terms(json!([{}, good]), json!({ "a": "1" })), Run);
    assert_eq!(with_terms(json!([{}, good]), json!({})), Exclude);
    assert_eq!(with_terms(json!([broken, good]), json!({ "a": "1" })), Run);
}

/// Edge case 22 (docs/edge-cases.md).
#[test]
fn expressions_and_fields_of_term_must_both_match() {
    let term = |name: &str| {
        json!([{
            "matchExpressions": [{ "key": "a", "operator": "Exists" }],
            "matchFields": [{ "key": "metadata.name", "operator": "In", "values": [name] }],
        }])
    };
    assert_eq!(with_terms(term("n1"), json!({ "a": "1" })), Run);
    assert_eq!(with_terms(term("n1"), json!({})), Exclude);
    assert_eq!(with_terms(term("n2"), json!({ "a": "1" })), Exclude);
}

/// Edge case 23 (docs/edge-cases.md).
#[test]
fn field_with_two_values_is_invalid() {
    let fields = json!([{ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": ["n1", "n2"] }] }]);
    assert_eq!(with_terms(fields, json!({})), Exclude);
}

/// Edge case 24 (docs/edge-cases.md).
#[test]
fn field_not_in_excludes_one_node() {
    let not_in =
        |name: &str| json!([{ "matchFields": [{ "key": "metadata.name", "operator": "NotIn", "values": [name] }] }]);
    assert_eq!(with_terms(not_in("n1"), json!({})), Exclude);
    assert_eq!(with_terms(not_in("n2"), json!({})), Run);
}

/// Edge case 25 (docs/edge-cases.md).
#[test]
fn node_off_the_affinity_excludes_running_pod() {
    assert_eq!(with_expression("In", json!(["x"]), json!({ "a": "y" })), Exclude);
}

/// Edge case 26 (docs/edge-cases.md).
#[test]
fn node_name_in_template_selects_one_eligible_node() {
    let spec = |name: &str| json!({ "containers": [], "nodeName": name });
    assert_eq!(evaluate(spec("n1"), &node(json!({}), json!([]))), Run);
    assert_eq!(evaluate(spec("n2"), &node(json!({}), json!([]))), Exclude);
    assert_eq!(evaluate(spec("n1"), &tainted(&["k:NoSchedule"])), ContinueOnly);
    assert_eq!(evaluate(spec(""), &node(json!({}), json!([]))), Run);
}

/// Edge case 28 (docs/edge-cases.md).
#[test]
fn node_being_deleted_is_eligible_until_removed() {
    let mut leaving = node(json!({}), json!([]));
    leaving.metadata.deletion_timestamp = Some(jiff::Timestamp::UNIX_EPOCH.into());
    assert_eq!(evaluate(json!({ "containers": [] }), &leaving), Run);
}

/// Edge case 29 (docs/edge-cases.md).
#[test]
fn rules_of_the_scheduler_do_not_matter() {
    let spec = json!({
        "containers": [{ "name": "c", "resources": { "requests": { "cpu": "1000" } }, "ports": [{ "containerPort": 1, "hostPort": 1 }] }],
        "affinity": { "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [{ "topologyKey": "nowhere" }] } },
    });
    assert_eq!(evaluate(spec, &node(json!({}), json!([]))), Run);
}

/// Edge case 30 (docs/edge-cases.md).
#[test]
fn runtime_class_selects_no_nodes_for_the_controller() {
    assert_eq!(evaluate(json!({ "containers": [], "runtimeClassName": "gpu" }), &node(json!({}), json!([]))), Run);
}

fn openshift(annotations: Value, default_node_selector: &str) -> OpenShift {
    OpenShift {
        namespaces: vec![
            serde_json::from_value(json!({ "metadata": { "name": "ns", "annotations": annotations } })).unwrap(),
        ],
        default_node_selector: default_node_selector.into(),
    }
}

fn in_namespace(openshift: &OpenShift, namespace: &str, node: &Node) -> Placement {
    let template = template(json!({ "containers": [] }));
    EligibilityRule::new(&template, NamespaceSelector::new(Some(openshift), namespace), FeatureGates::default())
        .evaluate(node)
        .placement
}

/// Edge case 31 (docs/edge-cases.md).
#[test]
fn openshift_empty_annotation_overrides_default_selector() {
    let plain = node(json!({}), json!([]));
    let worker = node(json!({ "worker": "" }), json!([]));
    assert_eq!(in_namespace(&openshift(json!({}), "worker="), "ns", &plain), Exclude);
    assert_eq!(in_namespace(&openshift(json!({}), "worker="), "ns", &worker), Run);
    assert_eq!(in_namespace(&openshift(json!({ "openshift.io/node-selector": "" }), "worker="), "ns", &plain), Run);
    let both = json!({ "openshift.io/node-selector": "", "scheduler.alpha.kubernetes.io/node-selector": "a=b" });
    assert_eq!(in_namespace(&openshift(both, ""), "ns", &worker), Exclude);
    assert_eq!(in_namespace(&openshift(json!({ "openshift.io/node-selector": "a b" }), ""), "ns", &plain), Run);
    assert_eq!(in_namespace(&openshift(json!({}), ""), "gone", &plain), Exclude);
}

/// Edge case 32 (docs/edge-cases.md).
#[test]
fn openshift_pod_on_tainted_node_ignores_namespace() {
    let cluster = openshift(json!({ "openshift.io/node-selector": "worker=" }), "");
    assert_eq!(in_namespace(&cluster, "ns", &tainted(&["k:NoSchedule"])), ContinueOnly);
}

/// Edge case 73 (docs/edge-cases.md).
#[test]
fn tolerations_added_by_admission_do_not_count() {
    let spec = json!({ "containers": [], "runtimeClassName": "gpu" });
    assert_eq!(evaluate(spec, &tainted(&["nvidia.com/gpu=present:NoSchedule"])), ContinueOnly);
}

/// Edge case 74 (docs/edge-cases.md).
#[test]
fn gt_with_a_word_is_accepted_by_the_api_and_matches_no_node() {
    for labels in [json!({}), json!({ "a": "1" }), json!({ "a": "abc" })] {
        assert_eq!(with_expression("Gt", json!(["abc"]), labels), Exclude);
    }
}

#[test]
fn every_obstacle_is_reported() {
    let spec = json!({ "containers": [], "nodeName": "other", "nodeSelector": { "a": "b", "c": "d" } });
    let template = template(spec);
    let verdict = EligibilityRule::new(&template, NamespaceSelector::Any, FeatureGates::default()).evaluate(&node(
        json!({ "a": "x" }),
        json!([{ "key": "k", "effect": "NoExecute" }, { "key": "l", "value": "v", "effect": "NoSchedule" }]),
    ));
    let codes: Vec<Value> = verdict.failures.iter().map(|failure| serde_json::to_value(failure).unwrap()).collect();
    assert_eq!(
        Value::from(codes),
        json!([
            { "code": "NodeName", "required": "other" },
            { "code": "NodeSelector", "key": "a", "required": "b", "found": "x" },
            { "code": "NodeSelector", "key": "c", "required": "d", "found": null },
            { "code": "Taint", "taint": "k:NoExecute" },
            { "code": "Taint", "taint": "l=v:NoSchedule" },
        ])
    );
}

#[test]
fn malformed_daemon_set_does_not_panic() {
    let empty = Pod::from_template("", &DaemonSet::default().spec.template);
    assert_eq!(
        EligibilityRule::new(&empty.spec, NamespaceSelector::Any, FeatureGates::default())
            .evaluate(&Node::default())
            .placement,
        Run
    );
}
