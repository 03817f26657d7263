//! The sentences and remedies of [`AffinityRejection`].

use super::resource_users::{moving, without_surge_patch};
use crate::render::command_line::CommandLine;
use crate::render::commands;
use crate::render::name_list::{HANDFUL, HANDFUL_OF_LONG, ListLength};
use crate::render::remedy::{Remedy, RemedyContext};
use crate::scheduling::node_pod::Owner;
use crate::scheduling::{AffinityRejection, OtherPod, Selected};
use crate::snapshot::HOSTNAME;

pub(super) fn summary(rejection: &AffinityRejection) -> String {
    match rejection {
        AffinityRejection::PodAffinityTopologyKey { topology_key } => {
            format!("the node has no label {topology_key}, which the pod affinity requires")
        }
        AffinityRejection::PodAffinity { .. } => "no pod in the topology domain matches the pod affinity".into(),
        AffinityRejection::PodAntiAffinity { .. } => {
            "a pod in the topology domain matches the pod anti-affinity".into()
        }
        AffinityRejection::ExistingPodsAntiAffinity { .. } => {
            "the anti-affinity of existing pods rejects the pod".into()
        }
    }
}

pub(super) fn detail(rejection: &AffinityRejection, names: ListLength) -> String {
    match rejection {
        AffinityRejection::PodAffinityTopologyKey { topology_key } => {
            format!("the required pod affinity uses topologyKey {topology_key}, but the node has no such label")
        }
        AffinityRejection::PodAffinity { required, topology_key, topology_value } => {
            let pods: Vec<String> = required.iter().map(|term| selected(term, names)).collect();
            let place = place(topology_key, topology_value);
            format!(
                "the required pod affinity needs {}, but none runs {place}",
                names.join(&pods, HANDFUL, " that is also ", String::clone)
            )
        }
        AffinityRejection::PodAntiAffinity { term, topology_key, topology_value, pods } => {
            let place = place(topology_key, topology_value);
            format!(
                "the required anti-affinity excludes {}, but {} {} {place}",
                selected(term, names),
                pod_names(pods, names),
                if pods.len() == 1 { "runs" } else { "run" }
            )
        }
        AffinityRejection::ExistingPodsAntiAffinity { term, topology_key, topology_value, pods } => {
            let place = place(topology_key, topology_value);
            format!(
                "the required anti-affinity of {} excludes {} {place}",
                pod_names(pods, names),
                selected(term, names)
            )
        }
    }
}

pub(super) fn remedies(rejection: &AffinityRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let change = |what: &str| Remedy::run(format!("{what} in the template"), [target.edit()]);
    match rejection {
        AffinityRejection::PodAffinityTopologyKey { topology_key } => vec![
            label_node(topology_key, target),
            change("remove the term of the pod affinity, or change its topologyKey,"),
        ],
        AffinityRejection::PodAffinity { required, topology_key, topology_value } => {
            let place = place(topology_key, topology_value);
            let look = required.iter().filter_map(list).collect::<Vec<_>>();
            vec![
                Remedy::run(format!("run such a pod {place}; see where they run"), look),
                change("make the pod affinity preferred instead of required"),
            ]
        }
        AffinityRejection::PodAntiAffinity { topology_key, pods, .. } if is_own(pods, target) => {
            vec![own_rule(topology_key, pods, target)]
        }
        AffinityRejection::ExistingPodsAntiAffinity { topology_key, pods, .. } if is_own(pods, target) => {
            vec![own_rule(topology_key, pods, target)]
        }
        AffinityRejection::PodAntiAffinity { topology_key, topology_value, pods, .. } => {
            let mut remedies = move_pods(pods, topology_key, topology_value, target);
            remedies.push(change("make the anti-affinity preferred instead of required"));
            remedies
        }
        AffinityRejection::ExistingPodsAntiAffinity { topology_key, topology_value, pods, .. } => {
            let mut remedies = move_pods(pods, topology_key, topology_value, target);
            remedies.push(Remedy::text_only(format!("change the required anti-affinity of {}", owners(pods))));
            remedies
        }
    }
}

/// Whether all pods belong to the DaemonSet itself.
fn is_own(pods: &[OtherPod], target: &RemedyContext<'_>) -> bool {
    pods.iter().all(|pod| {
        let is_it = |owner: &Owner| owner.kind == "DaemonSet" && owner.name == target.daemon_set;
        pod.namespace == target.namespace && pod.controller.as_ref().is_some_and(is_it)
    })
}

/// For a DaemonSet whose own pods exclude each other: with a surge on one node, or in a domain of several nodes.
fn own_rule(topology_key: &str, pods: &[OtherPod], target: &RemedyContext<'_>) -> Remedy {
    let names = pod_names(pods, ListLength::Handful);
    if pods.iter().any(|pod| pod.node == target.node) {
        let text = format!(
            "set maxSurge to 0: {names} is the old pod of this DaemonSet, beside which its own anti-affinity lets no \
             new pod start"
        );
        return Remedy::run(text, [commands::strategic_patch(target, &without_surge_patch())]);
    }
    Remedy::run(
        format!(
            "use topologyKey {HOSTNAME} in the anti-affinity of the template, or remove it: the DaemonSet's own rule \
             allows one pod per {topology_key}, and {names} is of this DaemonSet ({}); if the rollout then waits, delete \
             {names}, whose old rule keeps the new pods out",
            target.rollout_note()
        ),
        [target.edit()],
    )
}

/// Sets a label of the node. The value of the hostname label is the node's name; the user has to choose any other.
pub(super) fn label_node(key: &str, target: &RemedyContext<'_>) -> Remedy {
    match key {
        HOSTNAME => Remedy::run(
            "set the hostname label of the node to its name",
            [commands::label_node(target.node, &[(key, Some(target.node))], false)],
        ),
        _ => Remedy::run(
            format!("label the node with {key}; replace VALUE with the correct value"),
            [CommandLine::new("kubectl label node").name(target.node).label(key, "VALUE")],
        ),
    }
}

/// Moves pods away. Pods that would be recreated on the same node are not deleted.
fn move_pods(pods: &[OtherPod], key: &str, value: &str, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let of_daemon_sets = |pod: &&OtherPod| pod.controller.as_ref().is_some_and(|owner| owner.kind == "DaemonSet");
    let (daemons, others): (Vec<&OtherPod>, Vec<&OtherPod>) = pods.iter().partition(of_daemon_sets);
    let mut remedies = Vec::new();
    if !daemons.is_empty() {
        let daemons: Vec<OtherPod> = daemons.into_iter().cloned().collect();
        remedies.push(Remedy::text_only(format!(
            "exclude the node from {} with a node selector: a deleted pod would be recreated",
            owners(&daemons)
        )));
    } else if pods.iter().any(|pod| pod.node != target.node) {
        remedies.push(Remedy::text_only(format!(
            "move {} to nodes without {key}={value}",
            pod_names(pods, ListLength::Handful)
        )));
    } else if !others.is_empty() {
        let warning = match others.iter().all(|pod| pod.controller.is_some()) {
            true => "",
            false => " (a pod without a controller is not recreated)",
        };
        let names = pod_names(pods, ListLength::Handful);
        let what = format!("move {names} to another node, if one has room{warning}");
        let pods: Vec<(&str, &str)> =
            others.into_iter().map(|pod| (pod.namespace.as_str(), pod.name.as_str())).collect();
        remedies.push(moving(&what, &pods, target));
    }
    remedies
}

/// A topology domain, for use after a verb.
fn place(key: &str, value: &str) -> String {
    match key {
        HOSTNAME => "on this node".into(),
        _ => format!("in {key}={value}"),
    }
}

/// The pods that a term selects.
fn selected(Selected { selector, namespaces, namespace_selector }: &Selected, names: ListLength) -> String {
    let pods = match selector.as_deref() {
        None => return "no pod (the term has no labelSelector)".into(),
        Some("") => "any pod".into(),
        Some(selector) => format!("a pod with {selector}"),
    };
    let named = names.list(namespaces);
    match namespace_selector.as_deref() {
        None => format!("{pods} in namespace {named}"),
        Some("") => format!("{pods} in any namespace"),
        Some(selector) if namespaces.is_empty() => format!("{pods} in namespaces with {selector}"),
        Some(selector) => format!("{pods} in namespace {named} or in namespaces with {selector}"),
    }
}

/// Lists such pods. `None` if the term selects no pods.
fn list(Selected { selector, namespaces, namespace_selector }: &Selected) -> Option<CommandLine> {
    let line = CommandLine::new("kubectl get pods");
    let line = match (namespaces.as_slice(), namespace_selector) {
        ([one], None) => line.namespace(one),
        _ => line.words("-A"),
    };
    let line = match selector.as_deref()? {
        "" => line,
        selector => line.selector(selector),
    };
    Some(line.words("-o wide"))
}

fn pod_names(pods: &[OtherPod], names: ListLength) -> String {
    names.join(pods, HANDFUL_OF_LONG, ", ", |pod| format!("{}/{}", pod.namespace, pod.name))
}

/// The controllers of the pods, or the pods themselves if they have none.
fn owners(pods: &[OtherPod]) -> String {
    let mut owners: Vec<String> = Vec::new();
    for pod in pods {
        let owner = match &pod.controller {
            Some(owner) => format!("{} {}/{}", owner.kind, pod.namespace, owner.name),
            None => format!("{}/{}", pod.namespace, pod.name),
        };
        if !owners.contains(&owner) {
            owners.push(owner);
        }
    }
    ListLength::Handful.join(&owners, HANDFUL_OF_LONG, ", ", String::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: RemedyContext<'_> = RemedyContext::named("n-1", "a", "agent", None);
    const EVICT_WEB: &str = r#"echo '{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"web-1","namespace":"b"}}' | kubectl create --raw /api/v1/namespaces/b/pods/web-1/eviction -f -"#;

    fn selected_by(selector: &str) -> Selected {
        Selected { selector: Some(selector.into()), namespaces: vec!["a".into()], namespace_selector: None }
    }

    fn pod(name: &str, node: &str, kind: Option<&str>) -> OtherPod {
        let controller = kind.map(|kind| Owner { kind: kind.into(), name: "web".into() });
        OtherPod { namespace: "b".into(), name: name.into(), node: node.into(), controller }
    }

    fn pods_of(pods: Vec<OtherPod>, key: &str) -> AffinityRejection {
        let (topology_key, topology_value) = (key.to_owned(), "v".to_owned());
        AffinityRejection::PodAntiAffinity { term: selected_by("app=web"), topology_key, topology_value, pods }
    }

    fn lines(rejection: &AffinityRejection) -> Vec<String> {
        remedies(rejection, &TARGET).iter().flat_map(|remedy| remedy.lines().to_vec()).collect()
    }

    #[test]
    fn missing_topology_label_is_set_by_a_command() {
        let missing = |key: &str| AffinityRejection::PodAffinityTopologyKey { topology_key: key.into() };
        assert_eq!(
            detail(&missing("zone"), ListLength::Handful),
            "the required pod affinity uses topologyKey zone, but the node has no such label"
        );
        assert_eq!(lines(&missing("zone"))[0], "kubectl label node n-1 zone=VALUE");
        assert_eq!(lines(&missing(HOSTNAME))[0], "kubectl label node n-1 kubernetes.io/hostname=n-1");
        assert_eq!(lines(&missing("zone"))[1], "kubectl -n a edit daemonset agent");
    }

    #[test]
    fn required_pods_are_described_and_listed_by_a_command() {
        let rejection = AffinityRejection::PodAffinity {
            required: vec![selected_by("app=web"), selected_by("tier in (1,2)")],
            topology_key: "zone".into(),
            topology_value: "z1".into(),
        };
        assert_eq!(
            detail(&rejection, ListLength::Handful),
            "the required pod affinity needs a pod with app=web in namespace a that is also a pod with tier in (1,2) \
             in namespace a, but none runs in zone=z1"
        );
        assert_eq!(lines(&rejection)[0], "kubectl get pods -n a -l app=web -o wide");
        assert_eq!(lines(&rejection)[1], "kubectl get pods -n a -l 'tier in (1,2)' -o wide");
    }

    #[test]
    fn conflicting_pods_are_moved_while_the_node_is_cordoned() {
        let rejection = pods_of(vec![pod("web-1", "n-1", Some("ReplicaSet")), pod("x", "n-1", None)], HOSTNAME);
        assert_eq!(
            detail(&rejection, ListLength::Handful),
            "the required anti-affinity excludes a pod with app=web in namespace a, but b/web-1, b/x run on this node"
        );
        let target = RemedyContext { pod: Some("agent-x"), ..TARGET };
        let remedy = remedies(&rejection, &target).swap_remove(0);
        assert!(remedy.text.contains("without a controller"), "{}", remedy.text);
        assert_eq!(
            remedy.lines(),
            [
                "kubectl cordon n-1",
                EVICT_WEB,
                r#"echo '{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"x","namespace":"b"}}' | kubectl create --raw /api/v1/namespaces/b/pods/x/eviction -f -"#,
                "kubectl -n a wait --for=condition=PodScheduled --timeout=5m pod agent-x",
                "kubectl uncordon n-1",
            ]
        );
        // What others cordoned is not uncordoned.
        let cordoned = RemedyContext { is_cordoned: true, ..target };
        let lines = remedies(&rejection, &cordoned)[0].lines().to_vec();
        assert!(!lines.iter().any(|line| line.contains("cordon")), "{lines:?}");
        // A pod that the kubelet rejected is never scheduled again.
        let failed = RemedyContext { is_cordoned: false, is_failed: true, ..cordoned };
        assert_eq!(
            remedies(&rejection, &failed)[0].lines()[3..],
            [
                "kubectl -n b wait --for=delete --timeout=5m pod web-1",
                "kubectl -n b wait --for=delete --timeout=5m pod x",
                "kubectl -n a delete pod agent-x",
                "kubectl uncordon n-1",
            ]
        );
        let missing = &remedies(&rejection, &TARGET)[0];
        assert!(missing.lines().is_empty(), "before the pod exists, nothing would take the place");
    }

    #[test]
    fn pod_that_would_be_recreated_is_not_deleted() {
        let for_daemon_pod = pods_of(vec![pod("web-1", "n-1", Some("DaemonSet"))], HOSTNAME);
        assert_eq!(
            remedies(&for_daemon_pod, &TARGET)[0].text,
            "exclude the node from DaemonSet b/web with a node selector: a deleted pod would be recreated"
        );
        let elsewhere = pods_of(vec![pod("web-1", "n2", Some("ReplicaSet"))], "zone");
        assert_eq!(remedies(&elsewhere, &TARGET)[0], Remedy::text_only("move b/web-1 to nodes without zone=v"));
        for rejection in [for_daemon_pod, elsewhere] {
            assert_eq!(lines(&rejection), ["kubectl -n a edit daemonset agent"]);
        }
    }

    #[test]
    fn own_rule_of_the_daemonset_has_one_remedy() {
        let own = |node: &str| {
            let controller = Some(Owner { kind: "DaemonSet".into(), name: "agent".into() });
            vec![OtherPod { namespace: "a".into(), name: "agent-old".into(), node: node.into(), controller }]
        };
        let of_zone = remedies(&pods_of(own("n2"), "zone"), &TARGET);
        assert_eq!(of_zone.len(), 1);
        assert!(of_zone[0].text.contains("allows one pod per zone"), "{}", of_zone[0].text);
        let surge = remedies(&pods_of(own("n-1"), HOSTNAME), &TARGET);
        assert_eq!(surge.len(), 1);
        assert!(surge[0].lines()[0].contains(r#""maxSurge":0"#), "{:?}", surge[0].lines());
    }

    #[test]
    fn existing_pods_with_anti_affinity_are_named_with_owner() {
        let names = ["p1", "p2", "p3", "p4"];
        let rejection = AffinityRejection::ExistingPodsAntiAffinity {
            term: Selected {
                selector: Some(String::new()),
                namespaces: vec![],
                namespace_selector: Some(String::new()),
            },
            topology_key: HOSTNAME.into(),
            topology_value: "n1".into(),
            pods: names.map(|name| pod(name, "n-1", Some("ReplicaSet"))).into(),
        };
        assert_eq!(
            detail(&rejection, ListLength::Handful),
            "the required anti-affinity of b/p1, b/p2, b/p3 and 1 more excludes any pod in any namespace on this node"
        );
        let texts: Vec<String> = remedies(&rejection, &TARGET).into_iter().map(|remedy| remedy.text).collect();
        assert_eq!(texts[1], "change the required anti-affinity of ReplicaSet b/web");
    }
}
