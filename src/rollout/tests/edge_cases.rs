//! Tests of rollouts in which the rules are not intuitive. The numbers are those of `docs/edge-cases.md`.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::coverage::compute_coverage;
use crate::rollout::status::event_query;
use crate::snapshot::{EventFields, Known, Labels};
use crate::testing::objects::{self, HOUR_AGO, NOW, from_json, merge};
use crate::testing::rollout_fixture::*;

/// Edge case 45 (docs/edge-cases.md).
#[test]
fn percentages_are_rounded_up_on_the_desired_number() {
    let unavailable =
        |value: Value, desired| Strategy::new(&RolloutFixture::rolling(1, value).0.daemon_sets[0], desired);
    assert_eq!(unavailable(json!("10%"), 5), Strategy::Rolling { max_unavailable: 1 });
    assert_eq!(unavailable(json!("34%"), 3), Strategy::Rolling { max_unavailable: 2 });
    assert_eq!(unavailable(json!("1%"), 0), Strategy::Rolling { max_unavailable: 0 });
    assert_eq!(unavailable(json!("100%"), 7), Strategy::Rolling { max_unavailable: 7 });
    assert_eq!(unavailable(json!(3), 2), Strategy::Rolling { max_unavailable: 3 });
    let surge = |value: Value, desired| Strategy::new(&RolloutFixture::surge(1, value).0.daemon_sets[0], desired);
    assert_eq!(surge(json!("20%"), 11), Strategy::Surge { max_surge: 3 });
}

/// Edge case 46 (docs/edge-cases.md).
#[test]
fn max_unavailable_defaults_to_1_if_both_values_are_0() {
    let resolved = |strategy: Value| Strategy::new(&RolloutFixture::new(1, strategy).0.daemon_sets[0], 4);
    assert_eq!(resolved(json!({ "type": "RollingUpdate" })), Strategy::Rolling { max_unavailable: 1 });
    assert_eq!(
        resolved(json!({ "rollingUpdate": { "maxUnavailable": 0, "maxSurge": "0%" } })),
        Strategy::Rolling { max_unavailable: 1 }
    );
    // The API server defaults maxUnavailable to 1 and rejects both values. If both are set, maxSurge counts.
    assert_eq!(
        resolved(json!({ "rollingUpdate": { "maxUnavailable": 1, "maxSurge": 1 } })),
        Strategy::Surge { max_surge: 1 }
    );
    assert_eq!(resolved(json!({ "type": "OnDelete" })), Strategy::OnDelete);
}

/// Edge case 47 (docs/edge-cases.md).
#[test]
fn unavailable_old_pods_use_the_budget_and_are_not_stuck() {
    let rollout = RolloutFixture::rolling(5, json!(1)).pods(1..=5, "old", &unready());
    assert_eq!(rollout.budget_used_by().len(), 5);
    assert!(rollout.budget_used_by().iter().all(|(_, cause)| *cause == BudgetUseReason::OldUnavailable));
    assert_eq!((rollout.phase(), rollout.blockers()), (Phase::Progressing, vec![]));
}

/// Edge case 48 (docs/edge-cases.md).
#[test]
fn terminating_pod_on_an_ineligible_down_node_is_stuck() {
    let rollout = RolloutFixture::rolling(3, json!(1)).node_down(1, true).pod(1, "old", terminating()).pods(
        [2, 3],
        "old",
        &healthy(),
    );
    assert_eq!(rollout.status_of(|rollout_status| rollout_status.desired), 2);
    assert_eq!(rollout.budget_used_by(), [("n1".into(), BudgetUseReason::Terminating)]);
    assert_eq!((rollout.phase(), rollout.blockers()), (Phase::Stuck, vec!["OldPod/NodeNotReady! n1".into()]));
    assert_eq!(
        rollout.status_of(|rollout_status| rollout_status
            .outdated_misscheduled
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()),
        ["n1"]
    );
    // It continues with a budget of 2, or after the pod is force-deleted.
    let rollout = RolloutFixture::rolling(3, json!(2)).node_down(1, true).pod(1, "old", terminating()).pods(
        [2, 3],
        "old",
        &healthy(),
    );
    assert_eq!((rollout.phase(), rollout.blockers()), (Phase::Progressing, vec!["OldPod/NodeNotReady n1".into()]));
    let rollout = RolloutFixture::rolling(3, json!(1)).node_down(1, true).pods([2, 3], "old", &healthy());
    assert_eq!((rollout.phase(), rollout.budget_used_by()), (Phase::Progressing, vec![]));
}

/// Edge case 48 (docs/edge-cases.md).
#[test]
fn pod_of_a_reporting_kubelet_has_the_grace_period() {
    let phase_at = |deadline: &str| {
        let terminating = json!({ "metadata": { "deletionTimestamp": deadline } });
        let mut rollout =
            RolloutFixture::rolling(2, json!(1)).node_down(1, true).pod(1, "old", terminating).pod(2, "old", healthy());
        let Known::Known(nodes) = &mut rollout.0.nodes else { unreachable!() };
        nodes[0].status.conditions[0].status = "False".into();
        rollout.phase()
    };
    assert_eq!(phase_at("2026-01-02T12:00:30Z"), Phase::Progressing);
    assert_eq!(phase_at(HALF_HOUR_AGO), Phase::Stuck);
}

/// Edge case 48 (docs/edge-cases.md).
#[test]
fn down_node_that_is_not_eligible_does_not_block_completion() {
    let rollout =
        RolloutFixture::rolling(2, json!(1)).node_down(1, true).pod(1, "old", terminating()).pod(2, "new", starting());
    assert_eq!(rollout.phase(), Phase::Progressing);
    let rollout =
        RolloutFixture::rolling(2, json!(1)).node_down(1, true).pod(1, "old", terminating()).pod(2, "new", healthy());
    assert_eq!((rollout.phase(), rollout.blockers()), (Phase::Complete, vec![]));
}

/// Edge case 49 (docs/edge-cases.md).
#[test]
fn old_pod_on_an_ineligible_node_is_outdated_misscheduled() {
    let mut rollout = RolloutFixture::rolling(2, json!(1)).pod(1, "old", healthy()).pod(2, "new", healthy());
    let Known::Known(nodes) = &mut rollout.0.nodes else { unreachable!() };
    nodes[0].spec.taints = vec![from_json(json!({ "key": "k", "effect": "NoSchedule" }))];
    rollout.status_of(|rollout_status| {
        assert_eq!(
            (rollout_status.desired, rollout_status.phase, &rollout_status.outdated_misscheduled[..]),
            (1, Phase::Complete, &["n1"][..])
        );
    });
}

/// Edge case 50 (docs/edge-cases.md).
#[test]
fn surge_with_a_host_port_is_stuck_with_and_without_new_pod() {
    let with_port = |image: &str| json!({ "image": image, "ports": [{ "containerPort": 80, "hostPort": 80 }] });
    let strategy = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } });
    let rollout = || RolloutFixture::surge(2, json!(1)).template(strategy.clone(), with_port("new"), with_port("old"));
    let before = rollout().pods([1, 2], "old", &healthy());
    assert_eq!((before.phase(), before.blockers()), (Phase::Stuck, vec!["NewPod/SurgeHostPortConflict! n1,n2".into()]));
    let after = rollout().pods([1, 2], "old", &healthy()).pod(1, "new", unbound(1));
    assert_eq!((after.phase(), after.blockers()), (Phase::Stuck, vec!["NewPod/SurgeHostPortConflict! n1,n2".into()]));
    // There is no conflict if the old pod is not ready, or if only the new template has the port.
    let unready = rollout().pods([1, 2], "old", &unready());
    assert_eq!(unready.phase(), Phase::Progressing);
    let other =
        RolloutFixture::surge(2, json!(1)).template(strategy.clone(), with_port("new"), json!({ "image": "old" }));
    assert_eq!(other.pods([1, 2], "old", &healthy()).phase(), Phase::Progressing);
}

/// Edge case 50 (docs/edge-cases.md).
#[test]
fn surge_with_host_network_is_stuck_on_container_ports() {
    let ports = |image: &str| json!({ "image": image, "ports": [{ "containerPort": 9100 }] });
    let strategy = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } });
    let mut rollout =
        RolloutFixture::surge(1, json!(1)).template(strategy, ports("new"), ports("old")).pod(1, "old", healthy());
    assert_eq!(rollout.phase(), Phase::Progressing);
    rollout.0.daemon_sets[0].spec.template.spec.as_mut().unwrap().host_network = Some(true);
    let Known::Known(revisions) = &mut rollout.0.revisions else { unreachable!() };
    for revision in revisions {
        revision.data.0["spec"]["template"]["spec"]["hostNetwork"] = true.into();
    }
    assert_eq!((rollout.phase(), rollout.blockers()), (Phase::Stuck, vec!["NewPod/SurgeHostPortConflict! n1".into()]));
}

#[test]
fn surge_with_an_anti_affinity_against_itself_is_stuck() {
    let strategy = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } });
    let container = |image: &str| json!({ "image": image });
    let excludes = |term: Value| {
        let mut rollout =
            RolloutFixture::surge(2, json!(1)).template(strategy.clone(), container("new"), container("old"));
        let labels = rollout.0.daemon_sets[0].spec.selector.match_labels.clone();
        let mut required =
            json!({ "labelSelector": { "matchLabels": labels }, "topologyKey": "kubernetes.io/hostname" });
        merge(&mut required, term);
        let affinity = json!({ "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [required] } });
        // Only the old revision has the rule: it excludes new pods too.
        let Known::Known(revisions) = &mut rollout.0.revisions else { unreachable!() };
        let old =
            revisions.iter_mut().find(|one| one.data.0["spec"]["template"]["spec"]["containers"][0]["image"] == "old");
        old.unwrap().data.0["spec"]["template"]["spec"]["affinity"] = affinity;
        let Known::Known(nodes) = &mut rollout.0.nodes else { unreachable!() };
        for node in nodes {
            let name = node.metadata.name.clone();
            node.metadata.labels = Labels::from([("kubernetes.io/hostname".to_owned(), name)]).into();
        }
        rollout.pods([1, 2], "old", &healthy())
    };
    let stuck = excludes(json!({}));
    assert_eq!(
        (stuck.phase(), stuck.blockers()),
        (Phase::Stuck, vec!["NewPod/SurgeAntiAffinityConflict! n1,n2".into()])
    );
    for other in [
        json!({ "labelSelector": { "matchLabels": { "app": "another" } } }),
        json!({ "topologyKey": "zone" }),
        json!({ "matchLabelKeys": ["controller-revision-hash"] }),
    ] {
        assert_eq!(excludes(other.clone()).phase(), Phase::Progressing, "{other}");
    }
}

/// Edge case 51 (docs/edge-cases.md).
#[test]
fn old_pod_on_a_deleted_node_blocks_a_surge() {
    let rollout = RolloutFixture::surge(1, json!(1)).pod(1, "old", healthy()).pod(9, "old", healthy());
    assert_eq!(
        (rollout.phase(), rollout.blockers()),
        (Phase::Progressing, vec!["OldPod/OldPodOnDeletedNode n9".into()])
    );
    let rolling = RolloutFixture::rolling(1, json!(1)).pod(1, "old", healthy()).pod(9, "old", healthy());
    assert_eq!(rolling.blockers(), [""; 0]);
}

const QUOTA: &str = "pods \"d-\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3";

/// Edge case 52 (docs/edge-cases.md).
#[test]
fn one_rejected_pod_is_stuck_whatever_the_budget() {
    let rollout = || RolloutFixture::rolling(4, json!(3)).pods([2, 3, 4], "old", &healthy());
    let blocked = rollout().failed_create_event(QUOTA, "2026-01-02T11:59:00Z");
    assert_eq!((blocked.phase(), blocked.blockers()), (Phase::Stuck, vec!["PodCreation/QuotaExceeded! n1".into()]));
    // The controller does not replace unavailable old pods either.
    let old = RolloutFixture::rolling(2, json!(1))
        .pod(2, "old", unready())
        .failed_create_event(QUOTA, "2026-01-02T11:59:00Z");
    assert_eq!(old.phase(), Phase::Stuck);
    // A pod was created since, or the event is too old.
    let predicted = json!({ "metadata": { "creationTimestamp": "2026-01-02T11:59:30Z" } });
    assert_eq!(
        rollout().pod(4, "new", predicted).failed_create_event(QUOTA, "2026-01-02T11:59:00Z").blockers(),
        [""; 0]
    );
    assert_eq!(rollout().failed_create_event(QUOTA, "2026-01-02T11:00:00Z").phase(), Phase::Blocked);
    assert_eq!(rollout().phase(), Phase::Progressing);
}

/// Edge case 52 (docs/edge-cases.md).
#[test]
fn terminating_pod_releases_quota_unless_its_node_is_down() {
    let rollout = RolloutFixture::rolling(2, json!(2))
        .pod(2, "old", terminating())
        .failed_create_event(QUOTA, "2026-01-02T11:59:00Z");
    assert_eq!(rollout.phase(), Phase::Blocked);
    let node_down = RolloutFixture::rolling(2, json!(2))
        .pod(2, "old", terminating())
        .node_down(2, false)
        .failed_create_event(QUOTA, "2026-01-02T11:59:00Z");
    assert_eq!(node_down.phase(), Phase::Stuck);
}

/// Edge case 52 (docs/edge-cases.md).
#[test]
fn quota_without_room_for_the_surge_is_stuck() {
    let rollout = RolloutFixture::surge(2, json!(1))
        .pods([1, 2], "old", &healthy())
        .failed_create_event(QUOTA, "2026-01-02T11:59:00Z");
    assert_eq!((rollout.phase(), rollout.blockers()), (Phase::Stuck, vec!["PodCreation/QuotaExceeded! ".into()]));
}

/// Edge case 52 (docs/edge-cases.md).
#[test]
fn surge_needs_events_even_if_every_node_has_an_old_pod() {
    let wants = |rollout: RolloutFixture| !event_query(&compute_coverage(&rollout.0)[0], &rollout.0).is_empty();
    assert!(wants(RolloutFixture::surge(2, json!(1)).pods([1, 2], "old", &healthy())));
    assert!(!wants(RolloutFixture::surge(2, json!(1)).pods([1, 2], "new", &healthy())));
    assert!(!wants(RolloutFixture::rolling(2, json!(1)).pods([1, 2], "old", &healthy())));
    assert!(wants(RolloutFixture::rolling(2, json!(1)).pods([2], "old", &healthy())));
}

/// Edge case 53 (docs/edge-cases.md).
#[test]
fn on_delete_awaits_deletion_and_uses_no_budget() {
    let on_delete = || RolloutFixture::new(3, json!({ "type": "OnDelete" }));
    let rollout = on_delete().pods([1, 2], "old", &healthy()).pod(3, "new", healthy());
    assert_eq!((rollout.phase(), rollout.budget_used_by()), (Phase::AwaitingDeletion, vec![]));
    assert_eq!(rollout.steps(), [NodeStep::Outdated, NodeStep::Outdated, NodeStep::Done]);
    assert_eq!(on_delete().pods([1, 2], "new", &healthy()).pod(3, "old", terminating()).phase(), Phase::Blocked);
    assert_eq!(on_delete().pods([1, 2, 3], "new", &healthy()).phase(), Phase::Complete);
    let bad = waiting("CrashLoopBackOff", "", 5);
    assert_eq!(on_delete().pods([1, 2], "new", &healthy()).pod(3, "new", bad).phase(), Phase::Stuck);
}

/// Edge case 54 (docs/edge-cases.md).
#[test]
fn template_older_than_another_revision_is_a_rollback() {
    let mut rollout = RolloutFixture::rolling(1, json!(1)).pod(1, "old", healthy());
    assert!(!rollout.status_of(|rollout_status| rollout_status.is_rollback));
    let Known::Known(revisions) = &mut rollout.0.revisions else { unreachable!() };
    revisions[1].metadata.creation_timestamp = from_json(json!("2025-12-31T00:00:00Z"));
    assert!(rollout.status_of(|rollout_status| rollout_status.is_rollback));
}

/// Edge case 55 (docs/edge-cases.md).
#[test]
fn older_of_two_pods_counts_as_updated_or_not() {
    let rollout = RolloutFixture::surge(1, json!(1)).pod(1, "old", healthy()).pod(
        1,
        "new",
        json!({ "metadata": { "creationTimestamp": HOUR_AGO } }),
    );
    rollout.status_of(|rollout_status| {
        assert_eq!((rollout_status.updated, rollout_status.available, rollout_status.updated_available), (0, 1, 1));
        assert_eq!((rollout_status.nodes[0].step, rollout_status.phase), (NodeStep::Replacing, Phase::Progressing));
        assert!(rollout_status.budget_used_by.is_empty());
    });
    let coming = RolloutFixture::surge(1, json!(1)).pod(1, "old", healthy()).pod(1, "new", starting());
    assert_eq!(
        (coming.steps(), coming.budget_used_by()),
        (vec![NodeStep::Starting], vec![("n1".into(), BudgetUseReason::BothRevisions)])
    );
}

/// Rollouts in every state that an event may explain, and some that no event explains.
fn rollouts_with_open_questions() -> Vec<RolloutFixture> {
    let misscheduled = || {
        let mut rollout = RolloutFixture::rolling(2, json!(1)).pod(1, "new", starting()).pod(2, "new", healthy());
        let Known::Known(nodes) = &mut rollout.0.nodes else { unreachable!() };
        nodes[0].spec.taints = vec![from_json(json!({ "key": "a", "effect": "NoSchedule" }))];
        rollout
    };
    vec![
        RolloutFixture::rolling(2, json!(1)).pod(1, "new", starting()).pod(2, "old", healthy()),
        RolloutFixture::rolling(2, json!(1)).pod(1, "new", unready()).pod(2, "old", unready()),
        RolloutFixture::rolling(2, json!(1)).pod(1, "new", waiting("CrashLoopBackOff", "", 5)).pod(
            2,
            "old",
            terminating(),
        ),
        RolloutFixture::rolling(2, json!(1)).pod(1, "new", unbound(1)),
        RolloutFixture::rolling(2, json!(1)).pods([1, 2], "new", &healthy()),
        RolloutFixture::rolling(2, json!(1)).pod(1, "old", terminating()).pod(1, "new", starting()).node_down(2, true),
        RolloutFixture::surge(2, json!(1)).pods([1, 2], "old", &healthy()).pod(1, "new", starting()),
        RolloutFixture::surge(2, json!(1)).pods([1, 2], "new", &healthy()).pod(1, "new", healthy()),
        RolloutFixture::new(2, json!({ "type": "OnDelete" })).pod(1, "new", starting()).pod(1, "old", healthy()),
        misscheduled(),
    ]
}

#[test]
fn event_query_needs_no_events_and_misses_none() {
    for (index, RolloutFixture(mut snapshot)) in rollouts_with_open_questions().into_iter().enumerate() {
        let event = |kind: &str, uid: &str, reason: &str| {
            objects::event(kind, uid, reason, json!({ "message": "words", "lastTimestamp": NOW }))
        };
        let pods: Vec<String> =
            snapshot.pods.known().into_iter().flatten().map(|pod| pod.metadata.uid.clone()).collect();
        let of_pods = pods.iter().map(|uid| event("Pod", uid, "FailedMount"));
        let all = of_pods.chain([event("DaemonSet", "uid-d", "FailedCreate")]).collect();
        let without = event_query(&compute_coverage(&snapshot)[0], &snapshot);
        snapshot.events = Known::Known(all);
        assert_eq!(without, event_query(&compute_coverage(&snapshot)[0], &snapshot), "{index}");
        let in_full = format!(
            "{:?} {:?}",
            rollout_status(&compute_coverage(&snapshot)[0], &snapshot),
            compute_coverage(&snapshot)
        );
        snapshot.events = without.select(snapshot.events);
        let selected = format!(
            "{:?} {:?}",
            rollout_status(&compute_coverage(&snapshot)[0], &snapshot),
            compute_coverage(&snapshot)
        );
        assert_eq!(in_full, selected, "{index}");
        let words = selected.matches("detail: \"words\"").count();
        assert_eq!(words > 0, without.fields().is_some_and(|fields| fields.covers(EventFields::Pods)), "{index}");
    }
}
