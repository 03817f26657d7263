#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;
use crate::snapshot::HOSTNAME;
use crate::snapshot::cluster_objects::{ClusterObjects, KubeMinor};
use crate::testing::objects;

/// A cluster in which `n1` is the node in question.
struct Cluster {
    pod: Pod,
    node: Node,
    bound_pods: Option<Vec<Pod>>,
    nominated: Option<Vec<Pod>>,
    cluster_objects: ClusterObjects,
}

impl Cluster {
    /// The pod `ds` in the namespace `a` with this affinity and the label `app=ds`.
    fn with_affinity(affinity: Value) -> Self {
        let mut pod = pod("a", "ds", json!({ "app": "ds" }), "");
        pod.metadata.uid = "uid-ds".into();
        pod.spec.affinity = serde_json::from_value(affinity).unwrap();
        let node = node("n1", json!({ "kubernetes.io/hostname": "n1", "zone": "z1" }));
        Self {
            pod,
            node,
            bound_pods: Some(Vec::new()),
            nominated: Some(Vec::new()),
            cluster_objects: ClusterObjects::default(),
        }
    }

    fn with(mut self, bound_pods: impl IntoIterator<Item = Pod>) -> Self {
        self.bound_pods.get_or_insert_default().extend(bound_pods);
        self
    }

    /// All other nodes and the pods on them are known.
    fn with_others(mut self, nodes: impl IntoIterator<Item = Node>, pods: impl IntoIterator<Item = Pod>) -> Self {
        let mut all: Vec<Node> = nodes.into_iter().collect();
        all.push(self.node.clone());
        self.cluster_objects.nodes = Known::Known(all);
        let own = std::iter::once(self.pod.clone());
        self.cluster_objects.pods =
            Known::Known(pods.into_iter().chain(self.bound_pods.clone().unwrap_or_default()).chain(own).collect());
        self
    }

    fn namespaces(mut self, namespaces: Value) -> Self {
        self.cluster_objects.namespaces = Known::Known(serde_json::from_value(namespaces).unwrap());
        self
    }

    fn check(&self) -> FilterResult {
        fn known(pods: Option<&Vec<Pod>>) -> Known<Vec<&Pod>> {
            pods.map_or_else(|| Known::Unknown(Missing::NotRead("pods")), |pods| Known::Known(pods.iter().collect()))
        }
        filter(&Attempt {
            pod: &self.pod,
            node: &self.node,
            bound_pods: known(self.bound_pods.as_ref()),
            nominated: known(self.nominated.as_ref()),
            cluster_objects: &self.cluster_objects,
        })
    }

    fn rejections(&self) -> Vec<AffinityRejection> {
        let rejection = |rejection: FilterFailure| match rejection.rejection {
            FilterRejection::Affinity(rejection) => rejection,
            other => panic!("{other:?}"),
        };
        match self.check() {
            CheckResult::Fail(rejections) => rejections.into_iter().map(rejection).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn passes(&self) -> bool {
        self.check() == CheckResult::Pass
    }

    /// The scheduler's messages, and whether preemption may help.
    fn messages(&self) -> Vec<(String, bool)> {
        match self.check() {
            CheckResult::Fail(rejections) => {
                rejections.iter().map(|rejection| (rejection.scheduler.clone(), rejection.may_preempt())).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

fn node(name: &str, labels: Value) -> Node {
    objects::node(name, json!({ "metadata": { "labels": labels } }))
}

fn pod(namespace: &str, name: &str, labels: Value, node: &str) -> Pod {
    // Pods of different namespaces may have the same name.
    let metadata = json!({ "uid": format!("uid-{namespace}-{name}"), "labels": labels });
    objects::pod(namespace, name, json!({ "metadata": metadata, "spec": { "nodeName": node } }))
}

fn web(node: &str) -> Pod {
    pod("a", "web-1", json!({ "app": "web" }), node)
}

/// A pod in `a` with an anti-affinity to these pods, in the domain of `key`.
fn repelling_pod(term: Value, node: &str) -> Pod {
    let mut repelling_pod = pod("a", "repelling", json!({ "app": "repelling" }), node);
    repelling_pod.spec.affinity = serde_json::from_value(anti_affinity(term)).unwrap();
    repelling_pod
}

fn term(app: &str, key: &str) -> Value {
    json!({ "labelSelector": { "matchLabels": { "app": app } }, "topologyKey": key })
}

fn in_namespaces(app: &str, selector: Value) -> Value {
    json!({
        "labelSelector": { "matchLabels": { "app": app } },
        "topologyKey": "kubernetes.io/hostname",
        "namespaceSelector": selector,
    })
}

fn affinity(terms: Value) -> Value {
    json!({ "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": terms } })
}

fn anti_affinity(term: Value) -> Value {
    json!({ "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } })
}

const NEAR: &str = "node(s) didn't match pod affinity rules";
const FAR: &str = "node(s) didn't match pod anti-affinity rules";
const KEPT_AWAY: &str = "node(s) didn't satisfy existing pods anti-affinity rules";

fn second() -> Node {
    node("n2", json!({ "kubernetes.io/hostname": "n2", "zone": "z1" }))
}

fn far_away() -> Node {
    node("n3", json!({ "kubernetes.io/hostname": "n3", "zone": "z3" }))
}

#[test]
fn pod_without_terms_passes_if_no_pod_repels_it() {
    assert!(Cluster::with_affinity(json!(null)).with([web("n1")]).passes());
    assert!(Cluster::with_affinity(json!({})).with([repelling_pod(term("web", HOSTNAME), "n1")]).passes());
}

#[test]
fn unknown_pods_on_node_make_result_unknown() {
    let mut cluster = Cluster::with_affinity(json!(null));
    cluster.bound_pods = None;
    assert_eq!(cluster.check(), CheckResult::Unknown { missing: Missing::NotRead("pods") });
}

#[test]
fn anti_affinity_to_pod_on_node_is_rejected() {
    let cluster = Cluster::with_affinity(anti_affinity(term("web", HOSTNAME))).with([web("n1")]);
    assert_eq!(cluster.messages(), [(FAR.to_owned(), true)]);
    assert_eq!(
        serde_json::to_value(cluster.rejections()).unwrap(),
        json!([{
            "code": "PodAntiAffinity",
            "term": { "selector": "app=web", "namespaces": ["a"] },
            "topologyKey": HOSTNAME,
            "topologyValue": "n1",
            "pods": [{ "namespace": "a", "pod": "web-1", "node": "n1" }],
        }])
    );
    assert!(Cluster::with_affinity(anti_affinity(term("other", HOSTNAME))).with([web("n1")]).passes());
}

#[test]
fn pod_being_deleted_counts() {
    let mut leaving = web("n1");
    leaving.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    assert_eq!(
        Cluster::with_affinity(anti_affinity(term("web", HOSTNAME))).with([leaving.clone()]).rejections().len(),
        1
    );
    assert!(Cluster::with_affinity(affinity(json!([term("web", HOSTNAME)]))).with([leaving]).passes());
}

#[test]
fn anti_affinity_on_node_without_label_passes() {
    assert!(Cluster::with_affinity(anti_affinity(term("web", "rack"))).with([web("n1")]).passes());
    assert!(Cluster::with_affinity(json!({})).with([repelling_pod(term("ds", "rack"), "n1")]).passes());
}

#[test]
fn anti_affinity_in_zone_checks_known_pods_of_cluster() {
    let repels_web = || Cluster::with_affinity(anti_affinity(term("web", "zone")));
    let rejections = repels_web().with_others([second(), far_away()], [web("n2")]).rejections();
    assert!(matches!(&rejections[..], [AffinityRejection::PodAntiAffinity { topology_value, pods, .. }]
        if topology_value == "z1" && pods[0].node == "n2"));
    assert!(repels_web().with_others([second(), far_away()], [web("n3")]).passes());
    // Not bound, bound to a node that no longer exists, or ended.
    assert!(repels_web().with_others([second()], [web(""), web("gone")]).passes());
    let mut ended = web("n2");
    ended.status.phase = "Succeeded".into();
    assert!(repels_web().with_others([second()], [ended]).passes());
}

#[test]
fn anti_affinity_in_zone_is_unknown_without_all_pods() {
    let repels_web = || Cluster::with_affinity(anti_affinity(term("web", "zone")));
    assert_eq!(repels_web().check(), CheckResult::Unknown { missing: Missing::NotRead("pods") });
    assert_eq!(repels_web().with([web("n1")]).rejections().len(), 1);
    // The nodes alone decide if no other node has the value.
    let mut cluster = repels_web();
    cluster.cluster_objects.nodes = Known::Known(vec![cluster.node.clone(), far_away()]);
    assert!(cluster.passes());
    cluster.cluster_objects.nodes = Known::Known(vec![cluster.node.clone(), second()]);
    assert_eq!(cluster.check(), CheckResult::Unknown { missing: Missing::NotRead("pods") });
}

#[test]
fn hostname_is_unique_unless_another_node_has_it() {
    let repels_web = || Cluster::with_affinity(anti_affinity(term("web", HOSTNAME)));
    assert!(repels_web().passes());
    let twin = node("n2", json!({ "kubernetes.io/hostname": "n1" }));
    assert_eq!(repels_web().with_others([twin.clone()], [web("n2")]).rejections().len(), 1);
    assert!(repels_web().with_others([second()], [web("n2")]).passes());
}

#[test]
fn affinity_is_satisfied_by_pod_in_domain() {
    let requires_web = |key| Cluster::with_affinity(affinity(json!([term("web", key)])));
    assert!(requires_web(HOSTNAME).with([web("n1")]).passes());
    assert!(requires_web("zone").with([web("n1")]).passes());
    assert!(requires_web("zone").with_others([second()], [web("n2")]).passes());
}

#[test]
fn affinity_without_match_in_domain_is_unresolvable() {
    let requires_web = |key| Cluster::with_affinity(affinity(json!([term("web", key)])));
    assert_eq!(requires_web(HOSTNAME).messages(), [(NEAR.to_owned(), false)]);
    assert_eq!(requires_web("zone").check(), CheckResult::Unknown { missing: Missing::NotRead("pods") });
    assert_eq!(
        serde_json::to_value(requires_web("zone").with_others([second(), far_away()], [web("n3")]).rejections())
            .unwrap(),
        json!([{
            "code": "PodAffinity",
            "required": [{ "selector": "app=web", "namespaces": ["a"] }],
            "topologyKey": "zone",
            "topologyValue": "z1",
        }])
    );
}

#[test]
fn affinity_needs_label_on_node() {
    let cluster = Cluster::with_affinity(affinity(json!([term("web", "rack")]))).with([web("n1")]);
    assert_eq!(cluster.rejections(), [AffinityRejection::PodAffinityTopologyKey { topology_key: "rack".into() }]);
    assert_eq!(cluster.messages(), [(NEAR.to_owned(), false)]);
    // This applies even to the first pod of a group.
    assert_eq!(Cluster::with_affinity(affinity(json!([term("ds", "rack")]))).with_others([], []).rejections().len(), 1);
}

#[test]
fn affinity_needs_one_pod_that_matches_all_terms() {
    let requires_web = || {
        Cluster::with_affinity(affinity(json!([term("web", HOSTNAME), {
            "labelSelector": { "matchLabels": { "tier": "1" } }, "topologyKey": "zone",
        }])))
    };
    let both = pod("a", "both", json!({ "app": "web", "tier": "1" }), "n1");
    let tier = pod("a", "tier", json!({ "tier": "1" }), "n1");
    assert!(requires_web().with([both.clone()]).with_others([second()], []).passes());
    assert_eq!(requires_web().with([web("n1"), tier]).with_others([second()], []).rejections().len(), 2);
    // In the zone but not on the node: only the term of the node fails.
    let mut in_zone = both;
    in_zone.spec.node_name = "n2".into();
    let rejections = requires_web().with_others([second()], [in_zone]).rejections();
    assert!(matches!(&rejections[..], [AffinityRejection::PodAffinity { topology_key, required, .. }]
        if topology_key == HOSTNAME && required.len() == 2));
}

#[test]
fn first_pod_of_group_may_run_anywhere() {
    let requires_own_app = || Cluster::with_affinity(affinity(json!([term("ds", HOSTNAME)])));
    let own_app = |node: &str| pod("a", "ds-2", json!({ "app": "ds" }), node);
    assert!(requires_own_app().with_others([second()], [web("n2")]).passes());
    assert_eq!(requires_own_app().with_others([second()], [own_app("n2")]).rejections().len(), 1);
    assert!(requires_own_app().with([own_app("n1")]).passes());
    // Whether it is the first one depends on all pods of the cluster.
    assert_eq!(requires_own_app().check(), CheckResult::Unknown { missing: Missing::NotRead("pods") });
    // A pod on a node without the label does not count.
    assert!(requires_own_app().with_others([node("bare", json!({}))], [own_app("bare")]).passes());
}

#[test]
fn anti_affinity_of_pods_on_node_names_them() {
    let cluster = Cluster::with_affinity(json!(null)).with([repelling_pod(term("ds", "zone"), "n1"), web("n1")]);
    assert_eq!(cluster.messages(), [(KEPT_AWAY.to_owned(), true)]);
    assert_eq!(
        serde_json::to_value(cluster.rejections()).unwrap(),
        json!([{
            "code": "ExistingPodsAntiAffinity",
            "term": { "selector": "app=ds", "namespaces": ["a"] },
            "topologyKey": "zone",
            "topologyValue": "z1",
            "pods": [{ "namespace": "a", "pod": "repelling", "node": "n1" }],
        }])
    );
}

#[test]
fn pods_with_same_term_are_reported_together() {
    let mut twin = repelling_pod(term("ds", "zone"), "n2");
    twin.metadata.name = "another".into();
    let cluster = Cluster::with_affinity(json!(null))
        .with([repelling_pod(term("ds", "zone"), "n1")])
        .with_others([second()], [twin]);
    let rejections = cluster.rejections();
    assert!(matches!(&rejections[..], [AffinityRejection::ExistingPodsAntiAffinity { pods, .. }]
        if pods.iter().map(|pod| pod.name.as_str()).eq(["another", "repelling"])));
}

#[test]
fn anti_affinity_of_pods_in_zone_counts_if_known() {
    let tolerant = || Cluster::with_affinity(json!(null));
    assert_eq!(tolerant().with_others([second()], [repelling_pod(term("ds", "zone"), "n2")]).rejections().len(), 1);
    assert!(tolerant().with_others([second()], [repelling_pod(term("ds", HOSTNAME), "n2")]).passes());
    assert!(tolerant().with_others([far_away()], [repelling_pod(term("ds", "zone"), "n3")]).passes());
    // If they are unknown, such a pod is assumed not to exist.
    assert!(tolerant().passes());
}

#[test]
fn namespaces_of_term_are_own_named_or_selected() {
    let there = || pod("b", "web-1", json!({ "app": "web" }), "n1");
    let repels_web = |term: Value| Cluster::with_affinity(anti_affinity(term)).with([there()]);
    let mut named = term("web", HOSTNAME);
    assert!(repels_web(named.clone()).passes());
    named["namespaces"] = json!(["b"]);
    assert_eq!(repels_web(named.clone()).rejections().len(), 1);
    named["namespaces"] = json!(["c"]);
    assert!(repels_web(named).passes());

    let namespaces = || json!([{ "metadata": { "name": "b", "labels": { "team": "x" } } }]);
    let of_team = |team: &str| in_namespaces("web", json!({ "matchLabels": { "team": team } }));
    assert_eq!(repels_web(of_team("x")).namespaces(namespaces()).rejections().len(), 1);
    assert!(repels_web(of_team("y")).namespaces(namespaces()).passes());
    assert!(repels_web(of_team("x")).namespaces(json!([])).passes());
    assert_eq!(repels_web(in_namespaces("web", json!({}))).rejections().len(), 1);
    assert_eq!(repels_web(of_team("x")).check(), CheckResult::Unknown { missing: Missing::NotRead("namespaces") });
    // If the labels do not match, the namespaces are not needed.
    assert!(repels_web(in_namespaces("other", json!({ "matchLabels": { "team": "x" } }))).passes());
}

#[test]
fn selector_satisfied_by_missing_label_since_1_34() {
    let without_team =
        in_namespaces("web", json!({ "matchExpressions": [{ "key": "team", "operator": "DoesNotExist" }] }));
    let namespaces = json!([{ "metadata": { "name": "b", "labels": { "team": "x" } } }]);
    let there = pod("b", "web-1", json!({ "app": "web" }), "n1");
    let mut cluster = Cluster::with_affinity(anti_affinity(without_team)).with([there]).namespaces(namespaces);
    for (minor, is_rejected) in [(33, false), (34, true), (36, true), (37, false)] {
        cluster.cluster_objects.minor = Known::Known(KubeMinor(minor));
        assert_eq!(!cluster.passes(), is_rejected, "1.{minor}");
    }
}

#[test]
fn namespaces_of_existing_term_are_matched_with_pod() {
    let repelled_by = |selector: Value| {
        let mut repelling_pod = repelling_pod(in_namespaces("ds", selector), "n1");
        repelling_pod.metadata.namespace = "b".into();
        Cluster::with_affinity(json!(null)).with([repelling_pod])
    };
    let namespaces = || json!([{ "metadata": { "name": "a", "labels": { "team": "x" } } }]);
    let team = |operator: &str| json!({ "matchExpressions": [{ "key": "team", "operator": operator }] });
    assert_eq!(repelled_by(team("Exists")).namespaces(namespaces()).rejections().len(), 1);
    assert!(repelled_by(team("DoesNotExist")).namespaces(namespaces()).passes());
    // A namespace that no longer exists has no labels.
    assert_eq!(repelled_by(team("DoesNotExist")).namespaces(json!([])).rejections().len(), 1);
    assert_eq!(repelled_by(json!({})).rejections().len(), 1);
    assert_eq!(repelled_by(team("Exists")).check(), CheckResult::Unknown { missing: Missing::NotRead("namespaces") });
    // The default is the namespace of the other pod.
    let mut foreign = repelling_pod(term("ds", HOSTNAME), "n1");
    foreign.metadata.namespace = "b".into();
    assert!(Cluster::with_affinity(json!(null)).with([foreign]).passes());
}

#[test]
fn label_keys_of_unstored_pod_are_merged() {
    let mut keyed = term("web", HOSTNAME);
    keyed["matchLabelKeys"] = json!(["hash"]);
    let mut cluster =
        Cluster::with_affinity(anti_affinity(keyed)).with([pod("a", "w", json!({ "app": "web", "hash": "1" }), "n1")]);
    assert_eq!(cluster.rejections().len(), 1);
    cluster.pod.metadata.labels.insert("hash".into(), "2".into());
    assert!(cluster.passes());
    cluster.pod.metadata.labels.insert("hash".into(), "1".into());
    assert_eq!(cluster.rejections().len(), 1);
}

#[test]
fn term_without_selector_matches_no_pod() {
    let term = json!({ "topologyKey": HOSTNAME });
    assert!(Cluster::with_affinity(anti_affinity(term.clone())).with([web("n1")]).passes());
    assert_eq!(Cluster::with_affinity(affinity(json!([term]))).with([web("n1")]).rejections().len(), 1);
}

#[test]
fn nominated_pods_count_unless_priority_is_lower() {
    let mut cluster = Cluster::with_affinity(anti_affinity(term("web", HOSTNAME)));
    cluster.nominated = Some(vec![web("")]);
    assert_eq!(cluster.rejections().len(), 1);
    cluster.pod.spec.priority = Some(1);
    assert!(cluster.passes());
    cluster.nominated = None;
    assert!(matches!(cluster.check(), CheckResult::Unknown { .. }));
}

#[test]
fn nominated_pods_repel_only_if_filter_runs() {
    let promised = || Some(vec![repelling_pod(term("ds", HOSTNAME), "")]);
    let tolerant = || {
        let mut tolerant = Cluster::with_affinity(json!(null));
        tolerant.nominated = promised();
        tolerant
    };
    assert!(tolerant().with_others([second()], []).passes());
    // A pod anywhere in the cluster that repels this one makes the filter run.
    assert_eq!(tolerant().with_others([second()], [repelling_pod(term("ds", HOSTNAME), "n2")]).rejections().len(), 1);
    assert!(matches!(tolerant().check(), CheckResult::Unknown { .. }));
    let mut with_terms = Cluster::with_affinity(anti_affinity(term("absent", HOSTNAME)));
    with_terms.nominated = promised();
    assert_eq!(with_terms.rejections().len(), 1);
}
