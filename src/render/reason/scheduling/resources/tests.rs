#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

const TARGET: RemedyContext<'_> = RemedyContext::named("n1", "kube-system", "agent", None);

fn holder(pod: &str, kind: &str, amount: &str) -> ResourceUser {
    let owner =
        (!kind.is_empty()).then(|| crate::scheduling::node_pod::Owner { kind: kind.into(), name: "owner".into() });
    let node_pod =
        NodePod { namespace: "web".into(), pod: pod.into(), priority: 0, owner, nominated: false, terminating: false };
    ResourceUser { node_pod, amount: amount.parse().unwrap() }
}

fn leaving(mut holder: ResourceUser) -> ResourceUser {
    holder.node_pod.terminating = true;
    holder
}

fn short_of(resource: &str, amounts: [&str; 4], used_by: Vec<ResourceUser>) -> ResourceRejection {
    let [requested, used, allocatable, short_by] = amounts.map(|amount| amount.parse().unwrap());
    let resource = resource.to_owned();
    ResourceRejection::InsufficientResource {
        resource,
        requested,
        used,
        allocatable,
        short_by,
        used_by,
        reduce_to: None,
    }
}

fn exceeding(resource: &str, requested: &str, allocatable: &str, reduce_to: Option<LowerRequest>) -> ResourceRejection {
    ResourceRejection::ExceedsAllocatable {
        resource: resource.into(),
        requested: requested.parse().unwrap(),
        allocatable: allocatable.parse().unwrap(),
        reduce_to,
    }
}

fn all(rejection: &ResourceRejection) -> Vec<(String, Vec<String>)> {
    remedies(rejection, &TARGET).into_iter().map(|remedy| (remedy.text.clone(), remedy.lines().to_vec())).collect()
}

fn too_many(allocatable: &str, used_by: Vec<ResourceUser>) -> ResourceRejection {
    let used_by: Vec<NodePod> = used_by.into_iter().map(|holder| holder.node_pod).collect();
    ResourceRejection::TooManyPods { pods: used_by.len(), allocatable: allocatable.parse().unwrap(), used_by }
}

#[test]
fn the_arithmetic_is_told_with_the_greatest_holders() {
    let used_by = ["a", "b", "c", "d", "e"].map(|name| holder(name, "ReplicaSet", "300m")).to_vec();
    let rejection = short_of("cpu", ["1", "1500m", "2", "500m"], used_by);
    assert_eq!(summary(&rejection), "insufficient cpu");
    assert_eq!(
        detail(&rejection, ListLength::Handful),
        "insufficient cpu: 1 requested, 1500m of 2 taken, short by 500m: web/a 300m, web/b 300m, web/c 300m and 2 more"
    );
}

#[test]
fn bytes_are_told_in_binary_units_and_never_too_favourably() {
    let used_by = vec![leaving(holder("a", "", "1536Mi"))];
    let rejection = short_of("memory", ["2Gi", "14.2Gi", "16273412Ki", "712345Ki"], used_by);
    assert_eq!(
        detail(&rejection, ListLength::Handful),
        "insufficient memory: 2Gi requested, 14.2Gi of 15.51Gi taken, short by 695.65Mi: web/a 1.5Gi (being deleted)"
    );
}

#[test]
fn what_the_node_can_never_hold_is_told_so() {
    let cpu = exceeding("cpu", "4", "1930m", None);
    assert_eq!(summary(&cpu), "requests more cpu than the node has");
    assert_eq!(detail(&cpu, ListLength::Handful), "4 cpu requested, and the whole node has 1930m: it can never fit");
    assert_eq!(all(&cpu), [("lower the requests of cpu of several containers: the whole node has 1930m, and what others hold of it is not free; or make the node larger".into(), vec![])]);
    let gpu = exceeding("nvidia.com/gpu", "1", "0", None);
    assert_eq!(summary(&gpu), "the node has no nvidia.com/gpu");
    assert_eq!(detail(&gpu, ListLength::Handful), "1 nvidia.com/gpu requested, and the node has none");
    assert_eq!(
        all(&gpu),
        [(
            "run the device plugin that provides nvidia.com/gpu on n1; if the node has no such device, keep the \
             DaemonSet off it with a node selector. What the node has:"
                .into(),
            vec!["kubectl get node n1 -o jsonpath='{.status.allocatable}'".into()]
        )]
    );
}

#[test]
fn the_smallest_pod_that_is_enough_is_the_one_to_move() {
    let used_by = vec![
        holder("large", "ReplicaSet", "900m"),
        holder("daemon", "DaemonSet", "600m"),
        holder("enough", "StatefulSet", "500m"),
        holder("small", "ReplicaSet", "100m"),
    ];
    let found = all(&short_of("cpu", ["1", "2100m", "2", "500m"], used_by));
    assert_eq!(found.len(), 1);
    assert!(found[0].0.starts_with("free 500m of cpu: move web/enough off n1. "), "{}", found[0].0);
    assert_eq!(found[0].1, ["kubectl cordon n1", "kubectl -n web delete pod enough"]);
}

#[test]
fn several_are_moved_where_none_is_enough_and_none_where_all_are_not() {
    let used_by = || vec![holder("a", "ReplicaSet", "300m"), holder("b", "Job", "200m"), holder("c", "Job", "100m")];
    let found = all(&short_of("cpu", ["1", "2", "2500m", "500m"], used_by()));
    assert_eq!(found[0].1, ["kubectl cordon n1", "kubectl -n web delete pod a", "kubectl -n web delete pod b"]);
    let found = all(&short_of("cpu", ["1", "2", "2300m", "700m"], used_by()));
    assert_eq!(
        found,
        [(
            "free 700m of cpu on the node: what is no daemon pod and no static pod could give up only 600m, so keep a DaemonSet off the node that it does not need".into(),
            vec![]
        )]
    );
    let bound = vec![holder("a", "DaemonSet", "1"), holder("b", "Node", "1")];
    let found = all(&short_of("cpu", ["1", "2", "2500m", "500m"], bound));
    assert!(found[0].0.contains("daemon pods and static pods hold all of it"), "{}", found[0].0);
}

#[test]
fn what_is_leaving_counts_first() {
    let used_by = vec![leaving(holder("a", "ReplicaSet", "400m")), holder("b", "ReplicaSet", "100m")];
    let found = all(&short_of("cpu", ["1", "2", "2500m", "500m"], used_by));
    assert_eq!(found[0].0, "wait for web/a: it is being deleted, and counts until it is gone");
    assert_eq!(found[1].1, ["kubectl cordon n1", "kubectl -n web delete pod b"]);
    let enough = vec![leaving(holder("a", "ReplicaSet", "500m"))];
    assert_eq!(all(&short_of("cpu", ["1", "2", "2500m", "500m"], enough)).len(), 1);
}

#[test]
fn a_lower_request_comes_as_the_line_that_sets_it() {
    let reduce_to = |container: Option<&str>, init: bool, request: &str| {
        Some(LowerRequest { container: container.map(str::to_owned), init, request: request.parse().unwrap() })
    };
    for (resource, reduce_to, text, line) in [
        (
            "cpu",
            reduce_to(Some("main"), false, "400m"),
            "lower the cpu request of container main to at most 400m; it rolls out everywhere",
            "kubectl -n kube-system set resources daemonset/agent -c main --requests=cpu=400m",
        ),
        (
            "memory",
            reduce_to(Some("main"), false, "512Mi"),
            "lower the memory request of container main to at most 512Mi; it rolls out everywhere",
            "kubectl -n kube-system set resources daemonset/agent -c main --requests=memory=512Mi",
        ),
        (
            "nvidia.com/gpu",
            reduce_to(Some("main"), false, "1"),
            "lower the nvidia.com/gpu request of container main to at most 1; it rolls out everywhere",
            "kubectl -n kube-system set resources daemonset/agent -c main --requests=nvidia.com/gpu=1 \
             --limits=nvidia.com/gpu=1",
        ),
        (
            "cpu",
            reduce_to(Some("init"), true, "1"),
            "lower the cpu request of init container init to at most 1; it rolls out everywhere",
            r#"kubectl -n kube-system patch daemonset agent -p '{"spec":{"template":{"spec":{"initContainers":[{"name":"init","resources":{"requests":{"cpu":"1"}}}]}}}}'"#,
        ),
        (
            "hugepages-2Mi",
            reduce_to(None, false, "4Mi"),
            "lower the hugepages-2Mi request of the pod as a whole to at most 4Mi; it rolls out everywhere",
            r#"kubectl -n kube-system patch daemonset agent -p '{"spec":{"template":{"spec":{"resources":{"limits":{"hugepages-2Mi":"4Mi"},"requests":{"hugepages-2Mi":"4Mi"}}}}}}'"#,
        ),
    ] {
        assert_eq!(all(&exceeding(resource, "100Gi", "50Gi", reduce_to)), [(text.into(), vec![line.into()])]);
    }
}

#[test]
fn patches_are_json() {
    let reduce_to = LowerRequest { container: Some("i".into()), init: true, request: "1".parse().unwrap() };
    let remedy = lower_request("nvidia.com/gpu", &reduce_to, &TARGET);
    let patch = remedy.lines()[0].split('\'').nth(1).unwrap();
    let amount = json!({ "nvidia.com/gpu": "1" });
    assert_eq!(
        serde_json::from_str::<Value>(patch).unwrap()["spec"]["template"]["spec"]["initContainers"][0],
        json!({ "name": "i", "resources": { "requests": amount, "limits": amount } })
    );
}

#[test]
fn a_full_node_says_how_many_pods_have_to_go() {
    let used_by = vec![holder("a", "DaemonSet", "1"), holder("b", "ReplicaSet", "1"), holder("c", "ReplicaSet", "1")];
    let rejection = too_many("2", used_by);
    assert_eq!(summary(&rejection), "too many pods");
    assert_eq!(detail(&rejection, ListLength::Handful), "too many pods: the node takes 2, and has 3");
    let found = all(&rejection);
    assert!(found[0].0.starts_with("free room for 2 pods: move web/b, web/c off n1. "), "{}", found[0].0);
    assert_eq!(found[0].1.len(), 3);
    assert_eq!(found[1].0, "raise maxPods in the configuration of the node's kubelet, and restart it");
    let leaving = too_many("2", vec![leaving(holder("a", "", "1")), holder("b", "", "1")]);
    assert_eq!(
        detail(&leaving, ListLength::Handful),
        "too many pods: the node takes 2, and has 2, 1 of them being deleted"
    );
    assert_eq!(all(&leaving).len(), 2);
    assert_eq!(
        detail(&too_many("0", vec![]), ListLength::Handful),
        "the node takes no pods at all (allocatable pods: 0)"
    );
}
