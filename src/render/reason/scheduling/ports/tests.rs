#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

const TARGET: RemedyContext<'_> = RemedyContext::named("n1", "kube-system", "agent", Some("agent-x"));

fn holder(pod: &str, more: &[(&str, Value)]) -> PortUser {
    let field = |name: &str| more.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
    let owner = field("owner").map(|owner| crate::scheduling::node_pod::Owner {
        kind: owner[0].as_str().unwrap().into(),
        name: owner[1].as_str().unwrap().into(),
    });
    let node_pod = NodePod {
        namespace: field("namespace").map_or("web".into(), |text| text.as_str().unwrap().into()),
        pod: pod.into(),
        priority: 0,
        owner,
        nominated: field("nominated").is_some(),
        terminating: field("terminating").is_some(),
        tied_to_node: None,
    };
    let host_ip = field("hostIP").map_or("0.0.0.0".into(), |text| text.as_str().unwrap().into());
    PortUser { node_pod, host_ip }
}

fn taken_by(used_by: Vec<PortUser>) -> PortRejection {
    PortRejection::HostPortInUse {
        container: "main".into(),
        port: 9100,
        protocol: "TCP".into(),
        host_ip: "0.0.0.0".into(),
        used_by,
    }
}

fn all(rejection: &PortRejection) -> Vec<(String, Vec<String>)> {
    remedies(rejection, &TARGET).into_iter().map(|remedy| (remedy.text.clone(), remedy.lines().to_vec())).collect()
}

const ANOTHER: &str = "change hostPort 9100 of container main (on all nodes)";

#[test]
fn sentence_names_the_port_and_its_users() {
    let rejection = taken_by(vec![
        holder("a", &[("hostIP", json!("10.0.0.1"))]),
        holder("b", &[("terminating", json!(true))]),
        holder("c", &[("nominated", json!(true))]),
        holder("d", &[]),
    ]);
    assert_eq!(summary(&rejection), "host port 9100/TCP is in use");
    assert_eq!(
        detail(&rejection, ListLength::Handful),
        "host port 9100/TCP of container main is in use by web/a at 10.0.0.1, web/b (Terminating), web/c (nominated \
         for this node) and 1 more"
    );
    assert_eq!(port_in_words(80, "UDP", "10.0.0.1"), "10.0.0.1:80/UDP");
    assert_eq!(port_in_words(80, "UDP", "::"), "[::]:80/UDP");
}

#[test]
fn pod_that_can_run_elsewhere_is_moved() {
    let found = all(&taken_by(vec![holder("a", &[("owner", json!(["ReplicaSet", "a"]))])]));
    let text = "free host port 9100: move web/a off n1, if another node has room. The node is cordoned meanwhile, so \
                that no other pod takes the place (daemon pods ignore cordons)";
    assert_eq!(found[0].0, text);
    assert_eq!(found[0].1.len(), 4);
    assert_eq!((found[0].1[0].as_str(), found[0].1[3].as_str()), ("kubectl cordon n1", "kubectl uncordon n1"));
    assert_eq!(found[1], (ANOTHER.into(), vec!["kubectl -n kube-system edit daemonset agent".into()]));
    let bare = all(&taken_by(vec![holder("a", &[])]));
    assert!(bare[0].0.contains("no controller will recreate it"), "{}", bare[0].0);
    assert!(bare[0].1[1].ends_with("/api/v1/namespaces/web/pods/a/eviction -f -"), "{}", bare[0].1[1]);
}

#[test]
fn terminating_pod_is_only_waited_for() {
    let found = all(&taken_by(vec![holder("a", &[("terminating", json!(true))])]));
    assert_eq!(found, [("wait for web/a to terminate: it counts until it is gone".into(), vec![])]);
}

#[test]
fn old_pod_of_a_surge_gets_a_surge_remedy() {
    let own = holder("agent-x", &[("owner", json!(["DaemonSet", "agent"])), ("namespace", json!("kube-system"))]);
    let found = all(&taken_by(vec![own]));
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].1,
        [
            r#"kubectl -n kube-system patch daemonset agent -p '{"spec":{"updateStrategy":{"rollingUpdate":{"maxSurge":0,"maxUnavailable":1}}}}'"#
        ]
    );
    // A DaemonSet of the same name in another namespace.
    let other = holder("agent-x", &[("owner", json!(["DaemonSet", "agent"]))]);
    let found = all(&taken_by(vec![other]));
    assert_eq!(found[0].0, "exclude this node from DaemonSet web/agent, or change its hostPort 9100");
    assert_eq!(found[1].0, ANOTHER);
}

#[test]
fn static_pod_is_changed_on_its_node() {
    let found = all(&taken_by(vec![holder("etcd-n1", &[("owner", json!(["Node", "n1"]))])]));
    assert_eq!(found[0].0, "change hostPort 9100 in the manifest of static pod web/etcd-n1, on the node itself");
    assert_eq!(found[1].0, ANOTHER);
}
