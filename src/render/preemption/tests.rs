#![allow(clippy::unwrap_used)]

use super::*;

const TARGET: RemedyContext<'_> = RemedyContext::named("n1", "kube-system", "agent", None);

fn node_pod(pod: &str, priority: i32) -> NodePod {
    NodePod { namespace: "web".into(), pod: pod.into(), priority, owner: None, nominated: false, terminating: false }
}

fn required_priority(priority: i32, class: Option<&str>) -> Option<RequiredPriority> {
    Some(RequiredPriority { priority, class: class.map(str::to_owned), victims: vec![node_pod("a", priority - 1)] })
}

#[test]
fn every_verdict_has_its_sentence() {
    let remains = vec!["Insufficient cpu".to_owned(), "Too many pods".to_owned()];
    for (verdict, expected) in [
        (Preemption::NotNeeded, "no preemption needed"),
        (Preemption::NotTried, "no preemption as long as the pod is held back"),
        (Preemption::NotHelpful, "preemption cannot help: without other pods the node would refuse it too"),
        (Preemption::Never { required_priority: None }, "no preemption: the pod has preemptionPolicy Never"),
        (
            Preemption::UnderWay { victims: vec![node_pod("a", 0)] },
            "preemption has made room: waiting until web/a is gone",
        ),
        (
            Preemption::NoVictims { required_priority: None },
            "preemption cannot help: no pod on the node has a lower priority",
        ),
        (
            Preemption::NotEnough {
                candidates: vec![node_pod("a", 0)],
                remains: remains.clone(),
                required_priority: None,
            },
            "preemption cannot help: without web/a, the one pod of lower priority, it would still be: Insufficient \
             cpu, Too many pods",
        ),
        (
            Preemption::NotEnough { candidates: vec![node_pod("a", 0); 2], remains, required_priority: None },
            "preemption cannot help: without the 2 pods of lower priority it would still be: Insufficient cpu, Too \
             many pods",
        ),
        (
            Preemption::Possible { victims: vec![node_pod("a", -5); 5] },
            "preemption can make room: the scheduler evicts web/a (priority -5), web/a (priority -5), web/a (priority \
             -5) and 2 more",
        ),
        (Preemption::Unknown { missing: "no pods".into() }, "whether preemption can help is not known: no pods"),
    ] {
        assert_eq!(detail(&verdict, ListLength::Handful), expected);
    }
}

#[test]
fn a_class_that_is_there_is_set() {
    let found = remedies(&Preemption::NoVictims { required_priority: required_priority(101, Some("mid")) }, &TARGET);
    assert_eq!(
        found[0].text,
        "set priorityClassName mid, as a priority of 101 is enough: preemption then evicts web/a (priority 100) here, \
         and may evict others on other nodes"
    );
    assert_eq!(
        found[0].lines(),
        [
            r#"kubectl -n kube-system patch daemonset agent -p '{"spec":{"template":{"spec":{"priorityClassName":"mid"}}}}'"#
        ]
    );
}

#[test]
fn a_class_that_is_not_there_is_made_first() {
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
fn where_nothing_helps_nothing_is_advised() {
    for verdict in [Preemption::NotHelpful, Preemption::NoVictims { required_priority: None }, Preemption::NotNeeded] {
        assert_eq!(remedies(&verdict, &TARGET), []);
    }
}
