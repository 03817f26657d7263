//! The words of [`AffinityRejection`].

use std::collections::BTreeMap;

use crate::render::command_line::CommandLine;
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::remedy::{Remedy, RemedyContext};
use crate::scheduling::{AffinityRejection, OtherPod, Selected};

/// The label by which a node is a domain of its own.
const HOSTNAME: &str = "kubernetes.io/hostname";
/// More pods than these are counted, not named.
const NAMED: usize = 3;

/// The cause without what differs between nodes.
pub(super) fn summary(rejection: &AffinityRejection) -> String {
    match rejection {
        AffinityRejection::PodAffinityTopologyKey { topology_key } => {
            format!("the node lacks the label {topology_key} of the pod affinity")
        }
        AffinityRejection::PodAffinity { .. } => "no pod near that the pod affinity asks for".into(),
        AffinityRejection::PodAntiAffinity { .. } => "a pod is near that the pod anti-affinity keeps away from".into(),
        AffinityRejection::ExistingPodsAntiAffinity { .. } => "the anti-affinity of pods near by keeps it away".into(),
    }
}

/// The cause with its evidence.
pub(super) fn detail(rejection: &AffinityRejection, names: ListLength) -> String {
    match rejection {
        AffinityRejection::PodAffinityTopologyKey { topology_key } => {
            format!("the required pod affinity goes by the label {topology_key}, which the node does not have")
        }
        AffinityRejection::PodAffinity { wanted, topology_key, topology_value } => {
            let pods: Vec<String> = wanted.iter().map(|term| selected(term, names)).collect();
            let place = place(topology_key, topology_value);
            format!(
                "the required pod affinity asks for {}, and there is none {place}",
                names.join(&pods, HANDFUL, " that is also ", String::clone)
            )
        }
        AffinityRejection::PodAntiAffinity { unwanted, topology_key, topology_value, pods } => {
            let place = place(topology_key, topology_value);
            format!(
                "the required anti-affinity keeps away from {}, and {place} is {}",
                selected(unwanted, names),
                pod_names(pods, names)
            )
        }
        AffinityRejection::ExistingPodsAntiAffinity { unwanted, topology_key, topology_value, pods } => {
            let place = place(topology_key, topology_value);
            format!(
                "the required anti-affinity of {} keeps {} from being {place}",
                pod_names(pods, names),
                selected(unwanted, names)
            )
        }
    }
}

/// What to do about it.
pub(super) fn remedies(rejection: &AffinityRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let change = |what: &str| Remedy::run(format!("{what} in the template"), [target.edit()]);
    match rejection {
        AffinityRejection::PodAffinityTopologyKey { topology_key } => vec![
            label_node(topology_key, target),
            change("drop the term of the pod affinity, or give it another topologyKey,"),
        ],
        AffinityRejection::PodAffinity { wanted, topology_key, topology_value } => {
            let place = place(topology_key, topology_value);
            let look = wanted.iter().filter_map(list).collect::<Vec<_>>();
            vec![
                Remedy::run(format!("bring such a pod to run {place}; see where they run"), look),
                change("make the pod affinity preferred instead of required"),
            ]
        }
        AffinityRejection::PodAntiAffinity { topology_key, topology_value, pods, .. } => {
            let mut remedies = away(pods, topology_key, topology_value, target);
            remedies.push(change("make the anti-affinity preferred instead of required"));
            remedies
        }
        AffinityRejection::ExistingPodsAntiAffinity { topology_key, topology_value, pods, .. } => {
            let mut remedies = away(pods, topology_key, topology_value, target);
            remedies.push(Remedy::say(format!("change the required anti-affinity of {}", owners(pods))));
            remedies
        }
    }
}

/// Puts the label on the node: that of the host is the node's name, any other is the reader's to choose.
pub(super) fn label_node(key: &str, target: &RemedyContext<'_>) -> Remedy {
    let line = CommandLine::new("kubectl label node").name(target.node);
    match key {
        HOSTNAME => Remedy::run("label the node with its name", [line.label(key, target.node)]),
        _ => Remedy::run(
            format!("label the node with {key}, in place of VALUE the one that is true of it"),
            [line.label(key, "VALUE")],
        ),
    }
}

/// How to get pods out of the way. One that comes back at once is no way out.
fn away(pods: &[OtherPod], key: &str, value: &str, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let of_daemon_sets = |pod: &&OtherPod| pod.controller.as_ref().is_some_and(|owner| owner.kind == "DaemonSet");
    let (daemons, others): (Vec<&OtherPod>, Vec<&OtherPod>) = pods.iter().partition(of_daemon_sets);
    let mut remedies = Vec::new();
    if !daemons.is_empty() {
        let daemons: Vec<OtherPod> = daemons.into_iter().cloned().collect();
        remedies.push(Remedy::say(format!(
            "keep {} off the node with its node selector: a deleted pod would come back",
            owners(&daemons)
        )));
    } else if pods.iter().any(|pod| pod.node != target.node) {
        remedies.push(Remedy::say(format!("move {} out of {key}={value}", pod_names(pods, ListLength::Handful))));
    } else if !others.is_empty() {
        let mut lines = vec![CommandLine::new("kubectl cordon").name(target.node)];
        lines.extend(deletions(&others));
        lines.push(CommandLine::new("kubectl uncordon").name(target.node));
        let gone = match others.iter().all(|pod| pod.controller.is_some()) {
            true => "",
            false => "; a pod without a controller is not made anew",
        };
        let text = format!(
            "move {} to another node: pods of DaemonSets may still come to a cordoned one; uncordon it when the daemon pod is on it{gone}",
            pod_names(pods, ListLength::Handful)
        );
        remedies.push(Remedy::run(text, lines));
    }
    remedies
}

fn deletions(pods: &[&OtherPod]) -> Vec<CommandLine> {
    let mut by_namespace: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for pod in pods {
        by_namespace.entry(&pod.namespace).or_default().push(&pod.name);
    }
    let line = |(namespace, names): (&str, Vec<&str>)| {
        names.into_iter().fold(CommandLine::in_namespace(namespace, "delete pod"), CommandLine::name)
    };
    by_namespace.into_iter().map(line).collect()
}

/// Where a domain is, after "is" or "run".
fn place(key: &str, value: &str) -> String {
    match key {
        HOSTNAME => "on this node".into(),
        _ => format!("within {key}={value}"),
    }
}

/// The pods that a term speaks of.
fn selected(Selected { selector, namespaces, namespace_selector }: &Selected, names: ListLength) -> String {
    let pods = match selector.as_deref() {
        None => return "no pod at all (the term has no labelSelector)".into(),
        Some("") => "any pod".into(),
        Some(selector) => format!("a pod with {selector}"),
    };
    let named = names.list(namespaces);
    match namespace_selector.as_deref() {
        None => format!("{pods} in {named}"),
        Some("") => format!("{pods} in any namespace"),
        Some(selector) if namespaces.is_empty() => format!("{pods} in namespaces with {selector}"),
        Some(selector) => format!("{pods} in {named} and namespaces with {selector}"),
    }
}

/// Lists such pods; none where the term speaks of no pod.
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
    names.join(pods, NAMED, ", ", |pod| format!("{}/{}", pod.namespace, pod.name))
}

/// What controls the pods, or else the pods themselves.
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
    ListLength::Handful.join(&owners, NAMED, ", ", String::clone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::node_pod::Owner;

    const TARGET: RemedyContext<'_> = RemedyContext::named("n-1", "a", "agent", None);

    fn selected_by(selector: &str) -> Selected {
        Selected { selector: Some(selector.into()), namespaces: vec!["a".into()], namespace_selector: None }
    }

    fn pod(name: &str, node: &str, kind: Option<&str>) -> OtherPod {
        let controller = kind.map(|kind| Owner { kind: kind.into(), name: "web".into() });
        OtherPod { namespace: "b".into(), name: name.into(), node: node.into(), controller }
    }

    fn in_the_way(pods: Vec<OtherPod>, key: &str) -> AffinityRejection {
        let (topology_key, topology_value) = (key.to_owned(), "v".to_owned());
        AffinityRejection::PodAntiAffinity { unwanted: selected_by("app=web"), topology_key, topology_value, pods }
    }

    fn lines(rejection: &AffinityRejection) -> Vec<String> {
        remedies(rejection, &TARGET).iter().flat_map(|remedy| remedy.lines().to_vec()).collect()
    }

    #[test]
    fn a_missing_label_is_named_with_the_line_that_sets_it() {
        let missing = |key: &str| AffinityRejection::PodAffinityTopologyKey { topology_key: key.into() };
        assert_eq!(
            detail(&missing("zone"), ListLength::Handful),
            "the required pod affinity goes by the label zone, which the node does not have"
        );
        assert_eq!(lines(&missing("zone"))[0], "kubectl label node n-1 zone=VALUE");
        assert_eq!(lines(&missing(HOSTNAME))[0], "kubectl label node n-1 kubernetes.io/hostname=n-1");
        assert_eq!(lines(&missing("zone"))[1], "kubectl -n a edit daemonset agent");
    }

    #[test]
    fn what_the_affinity_asks_for_is_told_with_the_line_that_finds_it() {
        let rejection = AffinityRejection::PodAffinity {
            wanted: vec![selected_by("app=web"), selected_by("tier in (1,2)")],
            topology_key: "zone".into(),
            topology_value: "z1".into(),
        };
        assert_eq!(
            detail(&rejection, ListLength::Handful),
            "the required pod affinity asks for a pod with app=web in a that is also a pod with tier in (1,2) in a, \
             and there is none within zone=z1"
        );
        assert_eq!(lines(&rejection)[0], "kubectl get pods -n a -l app=web -o wide");
        assert_eq!(lines(&rejection)[1], "kubectl get pods -n a -l 'tier in (1,2)' -o wide");
    }

    #[test]
    fn pods_in_the_way_are_named_and_moved_while_the_node_is_cordoned() {
        let rejection = in_the_way(vec![pod("web-1", "n-1", Some("ReplicaSet")), pod("x", "n-1", None)], HOSTNAME);
        assert_eq!(
            detail(&rejection, ListLength::Handful),
            "the required anti-affinity keeps away from a pod with app=web in a, and on this node is b/web-1, b/x"
        );
        assert_eq!(
            lines(&rejection)[..3],
            ["kubectl cordon n-1", "kubectl -n b delete pod web-1 x", "kubectl uncordon n-1"]
        );
        assert!(remedies(&rejection, &TARGET)[0].text.contains("without a controller"));
    }

    #[test]
    fn what_would_come_back_at_once_is_not_to_be_deleted() {
        let for_daemon_pod = in_the_way(vec![pod("web-1", "n-1", Some("DaemonSet"))], HOSTNAME);
        assert_eq!(
            remedies(&for_daemon_pod, &TARGET)[0].text,
            "keep DaemonSet b/web off the node with its node selector: a deleted pod would come back"
        );
        let elsewhere = in_the_way(vec![pod("web-1", "n2", Some("ReplicaSet"))], "zone");
        assert_eq!(remedies(&elsewhere, &TARGET)[0], Remedy::say("move b/web-1 out of zone=v"));
        for rejection in [for_daemon_pod, elsewhere] {
            assert_eq!(lines(&rejection), ["kubectl -n a edit daemonset agent"]);
        }
    }

    #[test]
    fn those_that_keep_it_away_are_named_with_their_owner() {
        let names = ["p1", "p2", "p3", "p4"];
        let rejection = AffinityRejection::ExistingPodsAntiAffinity {
            unwanted: Selected {
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
            "the required anti-affinity of b/p1, b/p2, b/p3 and 1 more keeps any pod in any namespace from being on this node"
        );
        let texts: Vec<String> = remedies(&rejection, &TARGET).into_iter().map(|remedy| remedy.text).collect();
        assert_eq!(texts[1], "change the required anti-affinity of ReplicaSet b/web");
    }
}
