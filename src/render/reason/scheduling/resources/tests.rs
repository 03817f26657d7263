#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::render::commands;

const TARGET: RemedyContext<'_> = RemedyContext::named("n1", "kube-system", "agent", Some("agent-x"));

fn holder(pod: &str, kind: &str, amount: &str) -> ResourceUser {
    let owner =
        (!kind.is_empty()).then(|| crate::scheduling::node_pod::Owner { kind: kind.into(), name: "owner".into() });
    let node_pod = NodePod {
        namespace: "web".into(),
        pod: pod.into(),
        priority: 0,
        owner,
        nominated: false,
        terminating: false,
        tied_to_node: None,
    };
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
fn insufficient_resource_shows_numbers_and_largest_pods() {
    let used_by = ["a", "b", "c", "d", "e"].map(|name| holder(name, "ReplicaSet", "300m")).to_vec();
    let rejection = short_of("cpu", ["1", "1500m", "2", "500m"], used_by);
    assert_eq!(summary(&rejection), "insufficient cpu");
    assert_eq!(
        detail(&rejection, ListLength::Handful),
        "insufficient cpu: requests 1; 1500m of 2 allocated; 500m short. Largest: web/a 300m, web/b 300m, web/c 300m \
         and 2 more"
    );
}

#[test]
fn bytes_are_shown_in_binary_units_rounded_pessimistically() {
    let used_by = vec![leaving(holder("a", "", "1536Mi"))];
    let rejection = short_of("memory", ["2Gi", "14.2Gi", "16273412Ki", "712345Ki"], used_by);
    assert_eq!(
        detail(&rejection, ListLength::Handful),
        "insufficient memory: requests 2Gi; 14.2Gi of 15.51Gi allocated; 695.65Mi short. Largest: web/a 1.5Gi \
         (Terminating)"
    );
}

#[test]
fn request_above_node_capacity_is_reported_as_such() {
    let cpu = exceeding("cpu", "4", "1930m", None);
    assert_eq!(summary(&cpu), "cpu request exceeds the capacity of the node");
    assert_eq!(
        detail(&cpu, ListLength::Handful),
        "requests 4 cpu; the whole node has only 1930m, so the pod can never fit"
    );
    let text = "reduce the cpu requests of several containers (the whole node has 1930m, part of which is in use), or \
                use larger nodes";
    assert_eq!(all(&cpu), [(text.into(), vec![])]);
    let gpu = exceeding("nvidia.com/gpu", "1", "0", None);
    assert_eq!(summary(&gpu), "the node has no nvidia.com/gpu");
    assert_eq!(detail(&gpu, ListLength::Handful), "requests 1 nvidia.com/gpu; the node has none");
    assert_eq!(
        all(&gpu),
        [(
            "run the device plugin that provides nvidia.com/gpu on n1; if the node has no such device, exclude the \
             node with a node selector; see the resources of the node"
                .into(),
            vec!["kubectl get node n1 -o jsonpath='{.status.allocatable}'".into()]
        )]
    );
}

/// The commands that move pods of the namespace `web` off the node.
fn moving(pods: &[&str]) -> Vec<String> {
    let evict = |pod: &&str| commands::evict_pod("web", pod).offered().unwrap();
    let wait = "kubectl -n kube-system wait --for=condition=PodScheduled --timeout=5m pod agent-x".to_owned();
    let evictions = pods.iter().map(evict);
    ["kubectl cordon n1".to_owned()].into_iter().chain(evictions).chain([wait, "kubectl uncordon n1".into()]).collect()
}

#[test]
fn pods_that_cannot_be_lost_or_are_critical_are_moved_last() {
    let with_priority = |mut user: ResourceUser, priority: i32| {
        user.node_pod.priority = priority;
        user
    };
    let used_by = |also: Option<ResourceUser>| {
        let critical = with_priority(holder("dns", "ReplicaSet", "100m"), 2_000_000_000);
        [critical, holder("bare", "", "100m")].into_iter().chain(also).collect()
    };
    let moved = |also| all(&short_of("cpu", ["1", "2", "2100m", "100m"], used_by(also)))[0].1.clone();
    assert_eq!(moved(Some(holder("web", "ReplicaSet", "900m"))), moving(&["web"]));
    assert_eq!(moved(None), moving(&["dns"]));
}

#[test]
fn pod_that_would_come_back_is_not_moved() {
    let mut tied = holder("tied", "ReplicaSet", "900m");
    tied.node_pod.tied_to_node = Some(crate::scheduling::TiedToNode::ToleratesCordon);
    let found = all(&short_of("cpu", ["1", "2", "2100m", "100m"], vec![tied]));
    let text = "free 100m of cpu on the node: web/tied can run elsewhere only if its template is changed (it tolerates \
                cordons, so that it may come back to the node); or keep a DaemonSet that this node does not need off it";
    assert_eq!(found, [(text.to_owned(), vec![])]);
}

#[test]
fn smallest_sufficient_pod_is_moved() {
    let used_by = vec![
        holder("large", "ReplicaSet", "900m"),
        holder("daemon", "DaemonSet", "600m"),
        holder("enough", "StatefulSet", "500m"),
        holder("small", "ReplicaSet", "100m"),
    ];
    let found = all(&short_of("cpu", ["1", "2100m", "2", "500m"], used_by));
    assert_eq!(found.len(), 1);
    assert!(found[0].0.starts_with("free 500m of cpu: move web/enough off n1, if"), "{}", found[0].0);
    assert_eq!(found[0].1, moving(&["enough"]));
}

#[test]
fn several_pods_are_moved_only_if_together_sufficient() {
    let used_by = || vec![holder("a", "ReplicaSet", "300m"), holder("b", "Job", "200m"), holder("c", "Job", "100m")];
    let found = all(&short_of("cpu", ["1", "2", "2500m", "500m"], used_by()));
    assert_eq!(found[0].1, moving(&["a", "b"]));
    let found = all(&short_of("cpu", ["1", "2", "2300m", "700m"], used_by()));
    assert_eq!(
        found,
        [(
            "free 700m of cpu on the node: pods other than daemon pods and static pods use only 600m, so exclude the \
             node from a DaemonSet that it does not need"
                .into(),
            vec![]
        )]
    );
    let bound = vec![holder("a", "DaemonSet", "1"), holder("b", "Node", "1")];
    let found = all(&short_of("cpu", ["1", "2", "2500m", "500m"], bound));
    assert!(found[0].0.contains("all of it is used by daemon pods and static pods"), "{}", found[0].0);
}

#[test]
fn terminating_pods_count_as_freed() {
    let used_by = vec![leaving(holder("a", "ReplicaSet", "400m")), holder("b", "ReplicaSet", "100m")];
    let found = all(&short_of("cpu", ["1", "2", "2500m", "500m"], used_by));
    assert_eq!(found[0].0, "wait for web/a to terminate: it counts until it is gone");
    assert_eq!(found[1].1, moving(&["b"]));
    let enough = vec![leaving(holder("a", "ReplicaSet", "500m"))];
    assert_eq!(all(&short_of("cpu", ["1", "2", "2500m", "500m"], enough)).len(), 1);
}

#[test]
fn reduced_request_is_set_by_a_command() {
    let reduce_to = |container: Option<&str>, init: bool, request: &str| {
        Some(LowerRequest { container: container.map(str::to_owned), init, request: request.parse().unwrap() })
    };
    for (resource, reduce_to, text, line) in [
        (
            "cpu",
            reduce_to(Some("main"), false, "400m"),
            "reduce the cpu request of container main to 400m or less (starts a rollout)",
            "kubectl -n kube-system set resources daemonset/agent -c main --requests=cpu=400m",
        ),
        (
            "memory",
            reduce_to(Some("main"), false, "512Mi"),
            "reduce the memory request of container main to 512Mi or less (starts a rollout)",
            "kubectl -n kube-system set resources daemonset/agent -c main --requests=memory=512Mi",
        ),
        (
            "nvidia.com/gpu",
            reduce_to(Some("main"), false, "1"),
            "reduce the nvidia.com/gpu request of container main to 1 or less (starts a rollout)",
            "kubectl -n kube-system set resources daemonset/agent -c main --requests=nvidia.com/gpu=1 \
             --limits=nvidia.com/gpu=1",
        ),
        (
            "cpu",
            reduce_to(Some("init"), true, "1"),
            "reduce the cpu request of init container init to 1 or less (starts a rollout)",
            r#"kubectl -n kube-system patch daemonset agent -p '{"spec":{"template":{"spec":{"initContainers":[{"name":"init","resources":{"requests":{"cpu":"1"}}}]}}}}'"#,
        ),
        (
            "hugepages-2Mi",
            reduce_to(None, false, "4Mi"),
            "reduce the hugepages-2Mi request of the pod as a whole to 4Mi or less (starts a rollout)",
            r#"kubectl -n kube-system patch daemonset agent -p '{"spec":{"template":{"spec":{"resources":{"limits":{"hugepages-2Mi":"4Mi"},"requests":{"hugepages-2Mi":"4Mi"}}}}}}'"#,
        ),
    ] {
        assert_eq!(all(&exceeding(resource, "100Gi", "50Gi", reduce_to)), [(text.into(), vec![line.into()])]);
    }
}

#[test]
fn patch_of_an_init_container_is_valid_json() {
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
fn full_node_shows_how_many_pods_have_to_move() {
    let used_by = vec![holder("a", "DaemonSet", "1"), holder("b", "ReplicaSet", "1"), holder("c", "ReplicaSet", "1")];
    let rejection = too_many("2", used_by);
    assert_eq!(summary(&rejection), "too many pods");
    assert_eq!(detail(&rejection, ListLength::Handful), "too many pods: 3 of 2 pods on the node");
    let found = all(&rejection);
    assert!(found[0].0.starts_with("free room for 2 pods: move web/b, web/c off n1, if"), "{}", found[0].0);
    assert_eq!(found[0].1, moving(&["b", "c"]));
    assert_eq!(found[1].0, "raise maxPods in the kubelet configuration of the node, and restart the kubelet");
    let leaving = too_many("2", vec![leaving(holder("a", "", "1")), holder("b", "", "1")]);
    assert_eq!(detail(&leaving, ListLength::Handful), "too many pods: 2 of 2 pods on the node (1 of them Terminating)");
    assert_eq!(all(&leaving).len(), 2);
    assert_eq!(detail(&too_many("0", vec![]), ListLength::Handful), "the node accepts no pods (allocatable pods: 0)");
}
