#![allow(clippy::unwrap_used)]

use super::*;

const TARGET: RemedyContext<'_> = RemedyContext::named("n1", "kube-system", "agent", None);

fn node_pod(pod: &str, priority: i32) -> NodePod {
    NodePod {
        namespace: "web".into(),
        pod: pod.into(),
        priority,
        owner: None,
        nominated: false,
        terminating: false,
        tied_to_node: None,
    }
}

fn required_priority(priority: i32, class: Option<&str>) -> Option<RequiredPriority> {
    Some(RequiredPriority { priority, class: class.map(str::to_owned), victims: vec![node_pod("a", priority - 1)] })
}

#[test]
fn each_verdict_has_a_sentence() {
    let remains = vec!["Insufficient cpu".to_owned(), "Too many pods".to_owned()];
    for (verdict, expected) in [
        (Preemption::NotNeeded, "no preemption needed"),
        (Preemption::NotTried, "no preemption while the pod has scheduling gates"),
        (Preemption::NotHelpful, "preemption cannot help: the node would reject the pod even without other pods"),
        (Preemption::Never { required_priority: None }, "no preemption: the pod has preemptionPolicy Never"),
        (
            Preemption::UnderWay { victims: vec![node_pod("a", 0)] },
            "preemption in progress: waiting for web/a to terminate",
        ),
        (
            Preemption::NoVictims { required_priority: None },
            "preemption cannot help at this priority: no pod on the node has a lower one",
        ),
        (
            Preemption::NotEnough {
                candidates: vec![node_pod("a", 0)],
                remains: remains.clone(),
                required_priority: None,
            },
            "preemption cannot help: even without web/a, the only pod with a lower priority, the node would reject the \
             pod: Insufficient cpu, Too many pods",
        ),
        (
            Preemption::NotEnough { candidates: vec![node_pod("a", 0); 2], remains, required_priority: None },
            "preemption cannot help: even without all 2 pods with a lower priority, the node would reject the pod: \
             Insufficient cpu, Too many pods",
        ),
        (
            Preemption::Possible { victims: vec![node_pod("a", -5); 5], equals: Vec::new() },
            "preemption can help: the scheduler would evict web/a (priority -5), web/a (priority -5), web/a (priority \
             -5) and 2 more",
        ),
        (
            Preemption::Possible { victims: vec![node_pod("a", 0)], equals: vec![node_pod("b", 0)] },
            "preemption can help: the scheduler would evict web/a (priority 0), or instead of one of them web/b, with the \
             same priority and start time",
        ),
        (Preemption::Unknown { missing: "no pods".into() }, "unknown whether preemption can help: no pods"),
    ] {
        assert_eq!(detail(&verdict, ListLength::Handful), expected);
    }
}

#[test]
fn existing_priority_class_is_set() {
    let found = remedies(&Preemption::NoVictims { required_priority: required_priority(101, Some("mid")) }, &TARGET);
    assert_eq!(
        found[0].text,
        "only if web/a may be lost, which nothing creates again: set priorityClassName mid (a priority of 101 is \
         enough): preemption then evicts web/a (priority 100) on this node, and may evict pods on other nodes (starts a \
         rollout)"
    );
    assert_eq!(
        found[0].lines(),
        [
            r#"kubectl -n kube-system patch daemonset agent -p '{"spec":{"template":{"spec":{"priorityClassName":"mid"}}}}'"#
        ]
    );
}

#[test]
fn missing_priority_class_is_created_first() {
    let found = remedies(&Preemption::Never { required_priority: required_priority(6, None) }, &TARGET);
    assert_eq!(
        found[0].lines(),
        [
            "kubectl create priorityclass agent --value=6",
            r#"kubectl -n kube-system patch daemonset agent -p '{"spec":{"template":{"spec":{"preemptionPolicy":null,"priorityClassName":"agent"}}}}'"#,
        ]
    );
}

#[test]
fn verdict_without_a_fix_has_no_remedy() {
    for verdict in [Preemption::NotHelpful, Preemption::NoVictims { required_priority: None }, Preemption::NotNeeded] {
        assert_eq!(remedies(&verdict, &TARGET), []);
    }
}
