#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;
use crate::snapshot::cluster_objects::{ClusterObjects, KubeMinor};

/// A cluster with the node `n1` in question.
struct Cluster {
    pod: Pod,
    node: Node,
    bound_pods: Option<Vec<Pod>>,
    nominated: Option<Vec<Pod>>,
    facts: ClusterObjects,
}

impl Cluster {
    /// The pod `ds` in the namespace `a` with this affinity, labelled `app=ds`.
    fn of(affinity: Value) -> Self {
        let mut pod = pod("a", "ds", json!({ "app": "ds" }), "");
        pod.metadata.uid = "uid-of-ds".into();
        pod.spec.affinity = serde_json::from_value(affinity).unwrap();
        let node = node("n1", json!({ "kubernetes.io/hostname": "n1", "zone": "z1" }));
        Self { pod, node, bound_pods: Some(Vec::new()), nominated: Some(Vec::new()), facts: ClusterObjects::default() }
    }

    fn with(mut self, bound_pods: impl IntoIterator<Item = Pod>) -> Self {
        self.bound_pods.get_or_insert_default().extend(bound_pods);
        self
    }

    /// Everything is known: the other nodes, and the pods on them.
    fn amid(mut self, nodes: impl IntoIterator<Item = Node>, pods: impl IntoIterator<Item = Pod>) -> Self {
        let mut all: Vec<Node> = nodes.into_iter().collect();
        all.push(self.node.clone());
        self.facts.nodes = Known::Known(all);
        let own = std::iter::once(self.pod.clone());
        self.facts.pods =
            Known::Known(pods.into_iter().chain(self.bound_pods.clone().unwrap_or_default()).chain(own).collect());
        self
    }

    fn namespaces(mut self, namespaces: Value) -> Self {
        self.facts.namespaces = Known::Known(serde_json::from_value(namespaces).unwrap());
        self
    }

    fn judge(&self) -> FilterResult {
        fn known(pods: Option<&Vec<Pod>>) -> Known<Vec<&Pod>> {
            pods.map_or_else(|| Known::Unknown("pods were not read".into()), |pods| Known::Known(pods.iter().collect()))
        }
        filter(&Attempt {
            pod: &self.pod,
            node: &self.node,
            bound_pods: known(self.bound_pods.as_ref()),
            nominated: known(self.nominated.as_ref()),
            facts: &self.facts,
        })
    }

    fn rejections(&self) -> Vec<AffinityRejection> {
        let rejection = |rejection: FilterFailure| match rejection.rejection {
            FilterRejection::Affinity(rejection) => rejection,
            other => panic!("{other:?}"),
        };
        match self.judge() {
            CheckResult::Fail(rejections) => rejections.into_iter().map(rejection).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn passes(&self) -> bool {
        self.judge() == CheckResult::Pass
    }

    /// The scheduler's words, and whether preemption may help.
    fn words(&self) -> Vec<(String, bool)> {
        match self.judge() {
            CheckResult::Fail(rejections) => {
                rejections.into_iter().map(|rejection| (rejection.scheduler, rejection.may_preempt)).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

fn node(name: &str, labels: Value) -> Node {
    serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } })).unwrap()
}

fn pod(namespace: &str, name: &str, labels: Value, node: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "namespace": namespace, "name": name, "uid": format!("uid-of-{namespace}-{name}"), "labels": labels },
        "spec": { "nodeName": node },
    }))
    .unwrap()
}

fn web(node: &str) -> Pod {
    pod("a", "web-1", json!({ "app": "web" }), node)
}

/// A pod of `a` that keeps away from these, in the domain of `key`.
fn hermit(term: Value, node: &str) -> Pod {
    let mut hermit = pod("a", "hermit", json!({ "app": "hermit" }), node);
    hermit.spec.affinity = serde_json::from_value(anti_affinity(term)).unwrap();
    hermit
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

const HOSTNAME: &str = "kubernetes.io/hostname";
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
fn a_pod_without_terms_passes_with_neighbours_that_do_not_mind() {
    assert!(Cluster::of(json!(null)).with([web("n1")]).passes());
    assert!(Cluster::of(json!({})).with([hermit(term("web", HOSTNAME), "n1")]).passes());
}

#[test]
fn without_the_neighbours_nothing_is_certain() {
    let mut cluster = Cluster::of(json!(null));
    cluster.bound_pods = None;
    assert_eq!(cluster.judge(), CheckResult::Unknown { missing: "pods were not read".into() });
}

#[test]
fn a_pod_that_keeps_away_from_a_neighbour_is_refused_with_its_name() {
    let cluster = Cluster::of(anti_affinity(term("web", HOSTNAME))).with([web("n1")]);
    assert_eq!(cluster.words(), [(FAR.to_owned(), true)]);
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
    assert!(Cluster::of(anti_affinity(term("other", HOSTNAME))).with([web("n1")]).passes());
}

#[test]
fn a_pod_that_is_being_deleted_still_counts() {
    let mut leaving = web("n1");
    leaving.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    assert_eq!(Cluster::of(anti_affinity(term("web", HOSTNAME))).with([leaving.clone()]).rejections().len(), 1);
    assert!(Cluster::of(affinity(json!([term("web", HOSTNAME)]))).with([leaving]).passes());
}

#[test]
fn a_node_without_the_label_has_nothing_that_is_unwanted_near() {
    assert!(Cluster::of(anti_affinity(term("web", "rack"))).with([web("n1")]).passes());
    assert!(Cluster::of(json!({})).with([hermit(term("ds", "rack"), "n1")]).passes());
}

#[test]
fn a_wider_domain_is_searched_when_the_pods_of_the_cluster_are_known() {
    let keeps_away = || Cluster::of(anti_affinity(term("web", "zone")));
    let rejections = keeps_away().amid([second(), far_away()], [web("n2")]).rejections();
    assert!(matches!(&rejections[..], [AffinityRejection::PodAntiAffinity { topology_value, pods, .. }]
        if topology_value == "z1" && pods[0].node == "n2"));
    assert!(keeps_away().amid([second(), far_away()], [web("n3")]).passes());
    // Bound to no node, or to one that is gone, or ended.
    assert!(keeps_away().amid([second()], [web(""), web("gone")]).passes());
    let mut ended = web("n2");
    ended.status.phase = "Succeeded".into();
    assert!(keeps_away().amid([second()], [ended]).passes());
}

#[test]
fn a_wider_domain_is_in_doubt_when_they_are_not_unless_a_neighbour_decides() {
    let keeps_away = || Cluster::of(anti_affinity(term("web", "zone")));
    assert_eq!(keeps_away().judge(), CheckResult::Unknown { missing: "pods were not read".into() });
    assert_eq!(keeps_away().with([web("n1")]).rejections().len(), 1);
    // Nodes alone are enough where no other shares the value.
    let mut cluster = keeps_away();
    cluster.facts.nodes = Known::Known(vec![cluster.node.clone(), far_away()]);
    assert!(cluster.passes());
    cluster.facts.nodes = Known::Known(vec![cluster.node.clone(), second()]);
    assert_eq!(cluster.judge(), CheckResult::Unknown { missing: "pods were not read".into() });
}

#[test]
fn a_hostname_is_the_nodes_own_unless_another_node_is_known_to_carry_it() {
    let keeps_away = || Cluster::of(anti_affinity(term("web", HOSTNAME)));
    assert!(keeps_away().passes());
    let twin = node("n2", json!({ "kubernetes.io/hostname": "n1" }));
    assert_eq!(keeps_away().amid([twin.clone()], [web("n2")]).rejections().len(), 1);
    assert!(keeps_away().amid([second()], [web("n2")]).passes());
}

#[test]
fn an_affinity_is_met_by_a_pod_near_by() {
    let wants = |key| Cluster::of(affinity(json!([term("web", key)])));
    assert!(wants(HOSTNAME).with([web("n1")]).passes());
    assert!(wants("zone").with([web("n1")]).passes());
    assert!(wants("zone").amid([second()], [web("n2")]).passes());
}

#[test]
fn an_affinity_that_nothing_near_by_meets_refuses_for_good() {
    let wants = |key| Cluster::of(affinity(json!([term("web", key)])));
    assert_eq!(wants(HOSTNAME).words(), [(NEAR.to_owned(), false)]);
    assert_eq!(wants("zone").judge(), CheckResult::Unknown { missing: "pods were not read".into() });
    assert_eq!(
        serde_json::to_value(wants("zone").amid([second(), far_away()], [web("n3")]).rejections()).unwrap(),
        json!([{
            "code": "PodAffinity",
            "required": [{ "selector": "app=web", "namespaces": ["a"] }],
            "topologyKey": "zone",
            "topologyValue": "z1",
        }])
    );
}

#[test]
fn an_affinity_needs_its_label_on_the_node() {
    let cluster = Cluster::of(affinity(json!([term("web", "rack")]))).with([web("n1")]);
    assert_eq!(cluster.rejections(), [AffinityRejection::PodAffinityTopologyKey { topology_key: "rack".into() }]);
    assert_eq!(cluster.words(), [(NEAR.to_owned(), false)]);
    // Not even the first of its kind may do without.
    assert_eq!(Cluster::of(affinity(json!([term("ds", "rack")]))).amid([], []).rejections().len(), 1);
}

#[test]
fn one_pod_has_to_meet_all_terms() {
    let wants = || {
        Cluster::of(affinity(json!([term("web", HOSTNAME), {
            "labelSelector": { "matchLabels": { "tier": "1" } }, "topologyKey": "zone",
        }])))
    };
    let both = pod("a", "both", json!({ "app": "web", "tier": "1" }), "n1");
    let tier = pod("a", "tier", json!({ "tier": "1" }), "n1");
    assert!(wants().with([both.clone()]).amid([second()], []).passes());
    assert_eq!(wants().with([web("n1"), tier]).amid([second()], []).rejections().len(), 2);
    // In the zone, and not on the node: only the term of the node is missed.
    let mut higher_priority_planned = both;
    higher_priority_planned.spec.node_name = "n2".into();
    let rejections = wants().amid([second()], [higher_priority_planned]).rejections();
    assert!(matches!(&rejections[..], [AffinityRejection::PodAffinity { topology_key, required, .. }]
        if topology_key == HOSTNAME && required.len() == 2));
}

#[test]
fn the_first_of_a_kind_may_go_anywhere() {
    let wants_its_like = || Cluster::of(affinity(json!([term("ds", HOSTNAME)])));
    let like = |node: &str| pod("a", "ds-2", json!({ "app": "ds" }), node);
    assert!(wants_its_like().amid([second()], [web("n2")]).passes());
    assert_eq!(wants_its_like().amid([second()], [like("n2")]).rejections().len(), 1);
    assert!(wants_its_like().with([like("n1")]).passes());
    // Whether it is the first, only the pods of the whole cluster tell.
    assert_eq!(wants_its_like().judge(), CheckResult::Unknown { missing: "pods were not read".into() });
    // One on a node without the label does not count.
    assert!(wants_its_like().amid([node("bare", json!({}))], [like("bare")]).passes());
}

#[test]
fn neighbours_that_keep_away_from_the_pod_refuse_it_with_their_names() {
    let cluster = Cluster::of(json!(null)).with([hermit(term("ds", "zone"), "n1"), web("n1")]);
    assert_eq!(cluster.words(), [(KEPT_AWAY.to_owned(), true)]);
    assert_eq!(
        serde_json::to_value(cluster.rejections()).unwrap(),
        json!([{
            "code": "ExistingPodsAntiAffinity",
            "term": { "selector": "app=ds", "namespaces": ["a"] },
            "topologyKey": "zone",
            "topologyValue": "z1",
            "pods": [{ "namespace": "a", "pod": "hermit", "node": "n1" }],
        }])
    );
}

#[test]
fn pods_with_one_term_are_told_together() {
    let mut twin = hermit(term("ds", "zone"), "n2");
    twin.metadata.name = "another".into();
    let cluster = Cluster::of(json!(null)).with([hermit(term("ds", "zone"), "n1")]).amid([second()], [twin]);
    let rejections = cluster.rejections();
    assert!(matches!(&rejections[..], [AffinityRejection::ExistingPodsAntiAffinity { pods, .. }]
        if pods.iter().map(|pod| pod.name.as_str()).eq(["another", "hermit"])));
}

#[test]
fn pods_of_other_nodes_keep_the_pod_away_from_their_zone_when_they_are_known() {
    let meek = || Cluster::of(json!(null));
    assert_eq!(meek().amid([second()], [hermit(term("ds", "zone"), "n2")]).rejections().len(), 1);
    assert!(meek().amid([second()], [hermit(term("ds", HOSTNAME), "n2")]).passes());
    assert!(meek().amid([far_away()], [hermit(term("ds", "zone"), "n3")]).passes());
    // Not known: taken for granted that there is none.
    assert!(meek().passes());
}

#[test]
fn namespaces_of_a_term_are_its_own_or_named_or_selected() {
    let there = || pod("b", "web-1", json!({ "app": "web" }), "n1");
    let keeps_away = |term: Value| Cluster::of(anti_affinity(term)).with([there()]);
    let mut named = term("web", HOSTNAME);
    assert!(keeps_away(named.clone()).passes());
    named["namespaces"] = json!(["b"]);
    assert_eq!(keeps_away(named.clone()).rejections().len(), 1);
    named["namespaces"] = json!(["c"]);
    assert!(keeps_away(named).passes());

    let namespaces = || json!([{ "metadata": { "name": "b", "labels": { "team": "x" } } }]);
    let of_team = |team: &str| in_namespaces("web", json!({ "matchLabels": { "team": team } }));
    assert_eq!(keeps_away(of_team("x")).namespaces(namespaces()).rejections().len(), 1);
    assert!(keeps_away(of_team("y")).namespaces(namespaces()).passes());
    assert!(keeps_away(of_team("x")).namespaces(json!([])).passes());
    assert_eq!(keeps_away(in_namespaces("web", json!({}))).rejections().len(), 1);
    assert_eq!(keeps_away(of_team("x")).judge(), CheckResult::Unknown { missing: "namespaces were not read".into() });
    // Whom the labels leave out, the namespaces need not be known for.
    assert!(keeps_away(in_namespaces("other", json!({ "matchLabels": { "team": "x" } }))).passes());
}

#[test]
fn a_namespace_selector_that_a_missing_label_meets_selects_every_namespace_since_1_34() {
    let without_team =
        in_namespaces("web", json!({ "matchExpressions": [{ "key": "team", "operator": "DoesNotExist" }] }));
    let namespaces = json!([{ "metadata": { "name": "b", "labels": { "team": "x" } } }]);
    let there = pod("b", "web-1", json!({ "app": "web" }), "n1");
    let mut cluster = Cluster::of(anti_affinity(without_team)).with([there]).namespaces(namespaces);
    for (minor, refused) in [(33, false), (34, true), (36, true), (37, false)] {
        cluster.facts.minor = Known::Known(KubeMinor(minor));
        assert_eq!(!cluster.passes(), refused, "1.{minor}");
    }
}

#[test]
fn a_neighbours_namespaces_are_held_against_that_of_the_pod() {
    let kept_away = |selector: Value| {
        let mut hermit = hermit(in_namespaces("ds", selector), "n1");
        hermit.metadata.namespace = "b".into();
        Cluster::of(json!(null)).with([hermit])
    };
    let namespaces = || json!([{ "metadata": { "name": "a", "labels": { "team": "x" } } }]);
    let team = |operator: &str| json!({ "matchExpressions": [{ "key": "team", "operator": operator }] });
    assert_eq!(kept_away(team("Exists")).namespaces(namespaces()).rejections().len(), 1);
    assert!(kept_away(team("DoesNotExist")).namespaces(namespaces()).passes());
    // A namespace that is gone has no labels.
    assert_eq!(kept_away(team("DoesNotExist")).namespaces(json!([])).rejections().len(), 1);
    assert_eq!(kept_away(json!({})).rejections().len(), 1);
    assert_eq!(kept_away(team("Exists")).judge(), CheckResult::Unknown { missing: "namespaces were not read".into() });
    // The default is the neighbour's own namespace.
    let mut foreign = hermit(term("ds", HOSTNAME), "n1");
    foreign.metadata.namespace = "b".into();
    assert!(Cluster::of(json!(null)).with([foreign]).passes());
}

#[test]
fn label_keys_of_a_pod_that_is_not_made_yet_are_merged() {
    let mut keyed = term("web", HOSTNAME);
    keyed["matchLabelKeys"] = json!(["hash"]);
    let mut cluster =
        Cluster::of(anti_affinity(keyed)).with([pod("a", "w", json!({ "app": "web", "hash": "1" }), "n1")]);
    assert_eq!(cluster.rejections().len(), 1);
    cluster.pod.metadata.labels.insert("hash".into(), "2".into());
    assert!(cluster.passes());
    cluster.pod.metadata.labels.insert("hash".into(), "1".into());
    assert_eq!(cluster.rejections().len(), 1);
}

#[test]
fn a_term_without_a_selector_speaks_of_no_pod() {
    let nobody = json!({ "topologyKey": HOSTNAME });
    assert!(Cluster::of(anti_affinity(nobody.clone())).with([web("n1")]).passes());
    assert_eq!(Cluster::of(affinity(json!([nobody]))).with([web("n1")]).rejections().len(), 1);
}

#[test]
fn pods_that_were_promised_the_node_count_unless_they_are_of_less_priority() {
    let mut cluster = Cluster::of(anti_affinity(term("web", HOSTNAME)));
    cluster.nominated = Some(vec![web("")]);
    assert_eq!(cluster.rejections().len(), 1);
    cluster.pod.spec.priority = Some(1);
    assert!(cluster.passes());
    cluster.nominated = None;
    assert!(matches!(cluster.judge(), CheckResult::Unknown { .. }));
}

#[test]
fn pods_that_were_promised_the_node_keep_a_pod_away_only_if_it_has_terms_itself() {
    let promised = || Some(vec![hermit(term("ds", HOSTNAME), "")]);
    let meek = || {
        let mut meek = Cluster::of(json!(null));
        meek.nominated = promised();
        meek
    };
    assert!(meek().amid([second()], []).passes());
    // Any pod of the cluster that keeps it away from anywhere brings the others into play.
    assert_eq!(meek().amid([second()], [hermit(term("ds", HOSTNAME), "n2")]).rejections().len(), 1);
    assert!(matches!(meek().judge(), CheckResult::Unknown { .. }));
    let mut with_terms = Cluster::of(anti_affinity(term("nobody", HOSTNAME)));
    with_terms.nominated = promised();
    assert_eq!(with_terms.rejections().len(), 1);
}
