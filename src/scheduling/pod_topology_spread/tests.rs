#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::testing::objects::{self, from_json, required_node_name};

const UNEVEN: &str = "node(s) didn't match pod topology spread constraints";
const NO_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";

fn node(name: &str, zone: &str) -> Node {
    let labels = json!({ "kubernetes.io/hostname": name, "zone": zone });
    objects::node(name, json!({ "metadata": { "labels": labels } }))
}

fn pod(name: &str, node: &str) -> Pod {
    let labels = json!({ "app": "ds", "hash": "1" });
    objects::pod("a", name, json!({ "metadata": { "labels": labels }, "spec": { "nodeName": node } }))
}

/// A constraint with maxSkew 1 over zones, with these changes.
fn spread(changes: Value) -> Value {
    let mut constraint = json!({
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": "ds" } },
    });
    for (key, value) in changes.as_object().unwrap() {
        constraint[key] = value.clone();
    }
    constraint
}

fn ignoring(changes: Value) -> Value {
    let mut changes = changes;
    changes["nodeAffinityPolicy"] = json!("Ignore");
    spread(changes)
}

/// A pod that is pinned to the node `n1`.
fn daemon_pod(constraints: Value) -> Pod {
    let mut pod = pod("ds", "");
    pod.spec = from_json(json!({ "topologySpreadConstraints": constraints, "affinity": required_node_name("n1") }));
    pod
}

fn check_with(
    pod: &Pod,
    node: &Node,
    bound_pods: &[Pod],
    nominated: &[Pod],
    cluster_objects: &ClusterObjects,
) -> FilterResult {
    filter(&Attempt {
        pod,
        node,
        bound_pods: Known::Known(bound_pods.iter().collect()),
        nominated: Known::Known(nominated.iter().collect()),
        cluster_objects,
    })
}

/// On the node `n1` in zone z1 with these pods; other nodes are unknown.
fn check(pod: &Pod, bound_pods: &[Pod]) -> FilterResult {
    check_with(pod, &node("n1", "z1"), bound_pods, &[], &ClusterObjects::default())
}

/// The same with other nodes and the pods on them.
fn check_among(pod: &Pod, bound_pods: &[Pod], others: &[Node], pods: &[Pod]) -> FilterResult {
    let cluster_objects = ClusterObjects {
        nodes: Known::Known(others.to_vec()),
        pods: Known::Known(pods.to_vec()),
        ..ClusterObjects::default()
    };
    check_with(pod, &node("n1", "z1"), bound_pods, &[], &cluster_objects)
}

fn messages(outcome: &FilterResult) -> Vec<(&str, bool)> {
    match outcome {
        CheckResult::Fail(rejections) => {
            rejections.iter().map(|rejection| (rejection.scheduler.as_str(), rejection.may_preempt())).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn pod_without_hard_constraints_passes() {
    assert_eq!(check(&daemon_pod(json!([])), &[pod("x", "n1")]), CheckResult::Pass);
    let soft = daemon_pod(json!([spread(json!({ "whenUnsatisfiable": "ScheduleAnyway", "topologyKey": "rack" }))]));
    assert_eq!(check(&soft, &[pod("x", "n1")]), CheckResult::Pass);
}

/// Edge case 68 (docs/edge-cases.md).
#[test]
fn spread_over_hostnames_fails_only_without_label() {
    let over_hostnames = daemon_pod(json!([spread(json!({ "topologyKey": "kubernetes.io/hostname" }))]));
    assert_eq!(check(&over_hostnames, &[]), CheckResult::Pass);
    let mut bare = node("n1", "z1");
    bare.metadata.labels.clear();
    let outcome = check_with(&over_hostnames, &bare, &[], &[], &ClusterObjects::default());
    assert_eq!(messages(&outcome), [(NO_LABEL, false)]);
    let CheckResult::Fail(rejections) = outcome else { panic!() };
    assert_eq!(
        serde_json::to_value(&rejections[0].rejection).unwrap(),
        json!({ "code": "TopologySpreadLabel", "topologyKey": "kubernetes.io/hostname" })
    );
}

#[test]
fn pinned_pod_has_only_domain_of_its_node() {
    // The only domain always has the lowest number of matching pods.
    let pinned = daemon_pod(json!([spread(json!({}))]));
    assert_eq!(check(&pinned, &[pod("x", "n1"), pod("y", "n1")]), CheckResult::Pass);
}

#[test]
fn min_domains_above_one_makes_minimum_zero() {
    let of_two = daemon_pod(json!([spread(json!({ "minDomains": 2 }))]));
    assert_eq!(check(&of_two, &[]), CheckResult::Pass);
    let outcome = check(&of_two, &[pod("x", "n1")]);
    assert_eq!(messages(&outcome), [(UNEVEN, true)]);
    let CheckResult::Fail(rejections) = outcome else { panic!() };
    assert_eq!(
        serde_json::to_value(&rejections[0].rejection).unwrap(),
        json!({
            "code": "TopologySpread",
            "topologyKey": "zone", "topologyValue": "z1", "selector": "app=ds",
            "matching": 1, "selfMatch": true, "minMatching": 0, "domains": 1, "minDomains": 2, "maxSkew": 1,
        })
    );
}

#[test]
fn only_matching_pods_not_being_deleted_count() {
    let of_two = daemon_pod(json!([spread(json!({ "minDomains": 2 }))]));
    let mut leaving = pod("x", "n1");
    leaving.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    let mut foreign = pod("x", "n1");
    foreign.metadata.namespace = "b".into();
    let mut other = pod("x", "n1");
    other.metadata.labels.clear();
    assert_eq!(check(&of_two, &[leaving, foreign, other]), CheckResult::Pass);
}

#[test]
fn pod_not_matched_by_own_selector_adds_nothing() {
    let mut stranger = daemon_pod(json!([spread(json!({ "minDomains": 2 }))]));
    stranger.metadata.labels.clear();
    assert_eq!(check(&stranger, &[pod("x", "n1")]), CheckResult::Pass);
    assert_eq!(messages(&check(&stranger, &[pod("x", "n1"), pod("y", "n1")])).len(), 1);
}

#[test]
fn empty_selector_counts_only_the_pod() {
    let everything = daemon_pod(json!([spread(json!({ "minDomains": 2, "labelSelector": {} }))]));
    assert_eq!(check(&everything, &[pod("x", "n1"), pod("y", "n1")]), CheckResult::Pass);
    let mut nothing = daemon_pod(json!([spread(json!({ "minDomains": 2 }))]));
    nothing.spec.topology_spread_constraints[0].label_selector = None;
    assert_eq!(check(&nothing, &[pod("x", "n1"), pod("y", "n1")]), CheckResult::Pass);
}

#[test]
fn ignored_node_affinity_counts_every_domain() {
    let wide = daemon_pod(json!([ignoring(json!({}))]));
    let zones = [node("n2", "z2"), node("n3", "z1")];
    // z1 has one and z2 has none; with the pod, z1 would have two.
    assert_eq!(messages(&check_among(&wide, &[], &zones, &[pod("x", "n3")])), [(UNEVEN, true)]);
    assert_eq!(check_among(&wide, &[], &zones, &[pod("x", "n3"), pod("y", "n2")]), CheckResult::Pass);
    assert_eq!(check_among(&wide, &[], &zones, &[]), CheckResult::Pass);
    assert_eq!(check(&wide, &[]), CheckResult::Unknown { missing: Missing::NotRead("nodes") });
    let cluster_objects = ClusterObjects { nodes: Known::Known(zones.to_vec()), ..ClusterObjects::default() };
    assert!(matches!(check_with(&wide, &node("n1", "z1"), &[], &[], &cluster_objects), CheckResult::Unknown { .. }));
}

#[test]
fn missing_label_is_rejected_without_other_data() {
    let wide = daemon_pod(json!([ignoring(json!({})), ignoring(json!({ "topologyKey": "rack" }))]));
    assert_eq!(messages(&check(&wide, &[])), [(NO_LABEL, false)]);
}

#[test]
fn nodes_without_all_labels_are_no_domain() {
    let both = daemon_pod(json!([
        ignoring(json!({ "maxSkew": 5 })),
        ignoring(json!({ "topologyKey": "kubernetes.io/hostname" })),
    ]));
    let mut bare = node("n2", "z2");
    bare.metadata.labels.remove("zone");
    // n2 would be the hostname with the fewest pods.
    assert_eq!(check_among(&both, &[pod("x", "n1")], &[bare], &[]), CheckResult::Pass);
    assert_eq!(messages(&check_among(&both, &[pod("x", "n1")], &[node("n2", "z2")], &[])), [(UNEVEN, true)]);
}

#[test]
fn tainted_nodes_count_unless_taints_are_honored() {
    let mut tainted = node("n2", "z2");
    tainted.spec.taints = serde_json::from_value(json!([{ "key": "k", "effect": "NoSchedule" }])).unwrap();
    let check_tainted = |changes: Value, tolerations: Value| {
        let mut wide = daemon_pod(json!([ignoring(changes)]));
        wide.spec.tolerations = serde_json::from_value(tolerations).unwrap();
        check_among(&wide, &[pod("x", "n1")], std::slice::from_ref(&tainted), &[])
    };
    let honors = || json!({ "nodeTaintsPolicy": "Honor" });
    assert_eq!(messages(&check_tainted(json!({}), json!([]))).len(), 1);
    assert_eq!(check_tainted(honors(), json!([])), CheckResult::Pass);
    assert_eq!(messages(&check_tainted(honors(), json!([{ "operator": "Exists" }]))).len(), 1);
}

#[test]
fn unpinned_pod_has_domains_of_selected_nodes() {
    let mut free = daemon_pod(json!([spread(json!({}))]));
    free.spec.affinity = None;
    let zones = [node("n2", "z2")];
    assert_eq!(messages(&check_among(&free, &[pod("x", "n1")], &zones, &[])), [(UNEVEN, true)]);
    free.spec.node_selector.insert("zone".into(), "z1".into());
    assert_eq!(check_among(&free, &[pod("x", "n1")], &zones, &[]), CheckResult::Pass);
}

#[test]
fn match_label_keys_limit_selector_to_own_revision() {
    let keyed = daemon_pod(json!([spread(json!({ "minDomains": 2, "matchLabelKeys": ["hash", "absent"] }))]));
    let mut old = pod("x", "n1");
    assert_eq!(messages(&check(&keyed, std::slice::from_ref(&old))).len(), 1);
    old.metadata.labels.insert("hash".into(), "0".into());
    assert_eq!(check(&keyed, &[old]), CheckResult::Pass);
}

#[test]
fn nominated_pods_count_unless_priority_is_lower() {
    let mut of_two = daemon_pod(json!([spread(json!({ "minDomains": 2 }))]));
    let check_nominated =
        |of_two: &Pod| check_with(of_two, &node("n1", "z1"), &[], &[pod("x", "")], &ClusterObjects::default());
    assert_eq!(messages(&check_nominated(&of_two)), [(UNEVEN, true)]);
    of_two.spec.priority = Some(1);
    assert_eq!(check_nominated(&of_two), CheckResult::Pass);
}
