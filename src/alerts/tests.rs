//! Which alerts are active on small clusters, and what makes a false alarm of them.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::{
    Alert, AlertState, CauseType, DaemonSetAlerts, FalseAlarm, MissedAlert, StatusLag, Verdict, daemon_set_alerts,
};
use crate::coverage::{Counts, compute_coverage};
use crate::rollout::rollout_status;
use crate::snapshot::Known;
use crate::testing::objects::{CREATED, HOUR_AGO, NOW, from_json, merge};
use crate::testing::rollout_fixture::{RolloutFixture, healthy, starting, unready, waiting};

/// The alerts of a fixture, whose `.status` is what the controller would write, and was last written at `changed`.
fn alerts_of<T>(fixture: RolloutFixture, changed: &str, at: impl FnOnce(&DaemonSetAlerts<'_>) -> T) -> T {
    let counts = compute_coverage(&fixture.0)[0].counts;
    alerts_with(fixture, counts, changed, at)
}

fn alerts_with<T>(
    fixture: RolloutFixture,
    counts: Counts,
    changed: &str,
    at: impl FnOnce(&DaemonSetAlerts<'_>) -> T,
) -> T {
    let number = |count: Option<usize>| i32::try_from(count.unwrap()).unwrap();
    let entry = json!({ "manager": "kube-controller-manager", "subresource": "status", "time": changed });
    let fixture = fixture.daemon_set(|daemon_set| {
        let status = daemon_set.status.as_mut().unwrap();
        status.desired_number_scheduled = number(counts.desired);
        status.current_number_scheduled = number(counts.current);
        status.updated_number_scheduled = Some(number(counts.up_to_date));
        status.number_available = Some(number(counts.available));
        status.number_misscheduled = number(counts.misscheduled);
        daemon_set.metadata.managed_fields = from_json(json!([entry]));
    });
    let coverages = compute_coverage(&fixture.0);
    let status = rollout_status(&coverages[0], &fixture.0);
    at(&daemon_set_alerts(&coverages[0], &status, &fixture.0))
}

/// Each active alert: its state, verdict, and false alarms.
fn active(of: &DaemonSetAlerts<'_>) -> Vec<(Alert, AlertState, Verdict, Vec<FalseAlarm>)> {
    of.active.iter().map(|one| (one.alert, one.state, one.verdict, one.false_alarms.clone())).collect()
}

/// Of the first alert, each node with its cause.
fn causes(of: &DaemonSetAlerts<'_>) -> Vec<(String, CauseType, Option<FalseAlarm>)> {
    of.active[0].causes.iter().map(|one| (one.node.to_owned(), one.cause_type, one.false_alarm)).collect()
}

/// All nodes with these fields.
fn with_nodes(mut fixture: RolloutFixture, fields: &Value) -> RolloutFixture {
    let Known::Known(nodes) = &mut fixture.0.nodes else { unreachable!() };
    for node in nodes.iter_mut() {
        let mut all = json!({ "metadata": { "name": node.metadata.name }, "spec": {}, "status": {} });
        merge(&mut all, fields.clone());
        *node = from_json(all);
    }
    fixture
}

fn taint(key: &str) -> Value {
    json!({ "spec": { "taints": [{ "key": key, "effect": "NoSchedule" }] } })
}

const RECENT: &str = "2026-01-02T11:56:00Z";
use Alert::{KubeDaemonSetMisScheduled, KubeDaemonSetNotScheduled, KubeDaemonSetRolloutStuck};
use AlertState::{Firing, Pending};

#[test]
fn healthy_daemon_set_has_no_alert() {
    let fixture = RolloutFixture::rolling(2, json!(1)).pods(1..=2, "new", &healthy());
    alerts_of(fixture, HOUR_AGO, |of| {
        assert!(of.active.is_empty() && of.missed.is_empty(), "{of:?}");
        assert_eq!(of.lag, None);
    });
}

#[test]
fn crashing_pod_is_real_and_fires_when_it_is_proven() {
    let fixture = || {
        let pods = RolloutFixture::rolling(2, json!(1)).pods([1], "new", &healthy());
        pods.pod(2, "new", waiting("CrashLoopBackOff", "", 7))
    };
    alerts_of(fixture(), HOUR_AGO, |of| {
        assert_eq!(active(of), [(KubeDaemonSetRolloutStuck, Firing, Verdict::Real, Vec::new())]);
        assert_eq!(causes(of), [("n2".into(), CauseType::Unavailable, None)]);
    });
    // The proof is 4 minutes old, and begins only after 5.
    alerts_of(fixture(), RECENT, |of| {
        assert_eq!(active(of), [(KubeDaemonSetRolloutStuck, Pending, Verdict::Real, Vec::new())]);
        assert_eq!(of.active[0].since, None);
        assert_eq!(of.active[0].cause_since(), Some(HOUR_AGO.parse().unwrap()));
    });
}

#[test]
fn alert_fires_exactly_after_its_duration() {
    let state = |changed: &str| {
        let fixture = RolloutFixture::rolling(2, json!(1)).pods([1], "new", &healthy());
        alerts_of(fixture, changed, |of| of.active.iter().map(|one| one.state).collect::<Vec<_>>())
    };
    // RolloutStuck after 15 minutes without a change of updated pods in 5, NotScheduled after 10.
    assert_eq!(state("2026-01-02T11:40:00Z"), [Firing, Firing]);
    assert_eq!(state("2026-01-02T11:40:01Z"), [Pending, Firing]);
    assert_eq!(state("2026-01-02T11:50:00Z"), [Pending, Firing]);
    assert_eq!(state("2026-01-02T11:50:01Z"), [Pending, Pending]);
    // A clock that is behind proves nothing.
    assert_eq!(state("2026-01-02T12:00:01Z"), [Pending, Pending]);
}

#[test]
fn missing_pod_is_real_unless_the_node_is_new() {
    let fixture = |created: &str| {
        let fixture = RolloutFixture::rolling(1, json!(1));
        with_nodes(fixture, &json!({ "metadata": { "creationTimestamp": created } }))
    };
    alerts_of(fixture(CREATED), HOUR_AGO, |of| {
        assert_eq!(active(of)[1], (KubeDaemonSetNotScheduled, Firing, Verdict::Real, Vec::new()));
    });
    alerts_of(fixture(RECENT), RECENT, |of| {
        let expected = (KubeDaemonSetNotScheduled, Pending, Verdict::FalseAlarm, vec![FalseAlarm::NodeJoined]);
        assert_eq!(active(of)[1], expected);
    });
    // A new node does not explain a crash.
    let crashing = fixture(RECENT).pod(1, "new", waiting("CrashLoopBackOff", "", 7));
    alerts_of(crashing, RECENT, |of| assert_eq!(of.active[0].verdict, Verdict::Real));
}

#[test]
fn node_that_is_down_is_a_false_alarm_until_it_blocks_the_rollout() {
    let down = RolloutFixture::rolling(2, json!(1)).pods(1..=2, "new", &healthy()).node_down(1, true);
    alerts_of(down, HOUR_AGO, |of| {
        let expected = |alert| (alert, Firing, Verdict::FalseAlarm, vec![FalseAlarm::NodeDown]);
        assert_eq!(active(of), [expected(KubeDaemonSetRolloutStuck), expected(KubeDaemonSetMisScheduled)]);
        // Half an hour: since the node went down, not since the pod was created.
        assert_eq!(of.active[0].cause_since(), Some("2026-01-02T11:30:00Z".parse().unwrap()));
    });
    let terminating = json!({ "metadata": { "deletionTimestamp": HOUR_AGO } });
    let blocking = RolloutFixture::rolling(3, json!(1)).node_down(1, false).pod(1, "old", terminating);
    alerts_of(blocking.pods(2..=3, "old", &healthy()), HOUR_AGO, |of| {
        assert_eq!(of.active[0].verdict, Verdict::Real, "{of:?}");
    });
}

#[test]
fn tainted_node_with_a_running_pod_is_a_false_alarm() {
    let fixture = |pod: &Value| with_nodes(RolloutFixture::rolling(1, json!(1)), &taint("gpu")).pods([1], "new", pod);
    alerts_of(fixture(&healthy()), HOUR_AGO, |of| {
        let expected = |alert| (alert, Firing, Verdict::FalseAlarm, vec![FalseAlarm::PodKeepsRunning]);
        assert_eq!(active(of), [expected(KubeDaemonSetRolloutStuck), expected(KubeDaemonSetMisScheduled)]);
        // Nothing shows when the taint was added.
        assert_eq!(of.active[0].cause_since(), None);
    });
    alerts_of(fixture(&unready()), HOUR_AGO, |of| assert_eq!(of.active[1].verdict, Verdict::Real));
}

#[test]
fn drained_and_virtual_nodes_are_false_alarms() {
    let pods = |fields: &Value| with_nodes(RolloutFixture::rolling(1, json!(1)), fields).pods([1], "new", &unready());
    let cordoned = json!({ "spec": { "unschedulable": true } });
    let drained = json!({ "status": { "conditions": [{ "type": "Drained", "status": "True" }] } });
    let fargate = json!({ "metadata": { "labels": { "eks.amazonaws.com/compute-type": "fargate" } } });
    for (fields, expected) in
        [(cordoned, FalseAlarm::NodeLeaving), (drained, FalseAlarm::NodeLeaving), (fargate, FalseAlarm::VirtualNode)]
    {
        // The pod is the only one, so that the rollout has nothing else to do.
        alerts_of(pods(&fields), HOUR_AGO, |of| {
            assert_eq!(causes(of), [("n1".into(), CauseType::Unavailable, Some(expected))], "{fields}");
        });
    }
}

#[test]
fn outdated_pods_wait_for_their_deletion_with_on_delete_only() {
    let on_delete = RolloutFixture::new(2, json!({ "type": "OnDelete" })).pods(1..=2, "old", &healthy());
    alerts_of(on_delete, HOUR_AGO, |of| {
        let expected = (KubeDaemonSetRolloutStuck, Firing, Verdict::FalseAlarm, vec![FalseAlarm::AwaitingDeletion]);
        assert_eq!(active(of), [expected]);
        // Since the revision exists, which is later than the pods.
        assert_eq!(of.active[0].cause_since(), Some("2026-01-02T00:00:00Z".parse().unwrap()));
    });
    let rolling = RolloutFixture::rolling(2, json!(1)).pod(1, "new", starting()).pods([2], "old", &healthy());
    alerts_of(rolling, RECENT, |of| {
        let expected = (KubeDaemonSetRolloutStuck, Pending, Verdict::FalseAlarm, vec![FalseAlarm::RolloutInProgress]);
        assert_eq!(active(of), [expected]);
    });
}

#[test]
fn outdated_status_is_a_false_alarm_or_hides_one() {
    let counts = |misscheduled| Counts {
        desired: Some(1),
        current: Some(1),
        up_to_date: Some(1),
        available: Some(1),
        misscheduled: Some(misscheduled),
        ..Counts::default()
    };
    let fine = || RolloutFixture::rolling(1, json!(1)).pods([1], "new", &healthy());
    alerts_with(fine(), counts(1), HOUR_AGO, |of| {
        assert_eq!(of.active.len(), 2);
        assert_eq!(active(of)[1].2, Verdict::FalseAlarm);
        assert_eq!((active(of)[1].3.as_slice(), of.lag), (&[FalseAlarm::StatusOutdated][..], Some(StatusLag::Differs)));
    });
    let crashing = RolloutFixture::rolling(1, json!(1)).pod(1, "new", waiting("CrashLoopBackOff", "", 7));
    alerts_with(crashing, counts(0), HOUR_AGO, |of| {
        assert!(of.active.is_empty());
        assert_eq!(of.missed, [MissedAlert::StatusOutdated { alert: KubeDaemonSetRolloutStuck }]);
    });
    let unobserved = fine().daemon_set(|daemon_set| daemon_set.metadata.generation = Some(3));
    alerts_of(unobserved, HOUR_AGO, |of| {
        assert_eq!(of.lag, Some(StatusLag::NotObserved { generation: 3, observed: 2 }));
        assert_eq!(of.missed, [MissedAlert::NotObserved { generation: 3, observed: 2 }]);
    });
}

#[test]
fn daemon_set_without_eligible_nodes_is_not_reported_by_alerts() {
    let selecting = |labels: Value| {
        let fixture = with_nodes(RolloutFixture::rolling(2, json!(1)), &json!({ "metadata": { "labels": labels } }));
        fixture.daemon_set(|daemon_set| {
            let spec = daemon_set.spec.template.spec.as_mut().unwrap();
            spec.node_selector = Some([("pool".to_owned(), "gpu".to_owned())].into());
        })
    };
    for (labels, elsewhere) in [(json!({ "pool": "cpu" }), vec!["pool".to_owned()]), (json!({}), Vec::new())] {
        alerts_of(selecting(labels), HOUR_AGO, |of| {
            assert!(of.active.is_empty());
            assert_eq!(of.missed, [MissedAlert::NoEligibleNode { labels_elsewhere: elsewhere.clone() }]);
        });
    }
}

#[test]
fn outdated_pods_that_the_status_counts_as_updated_are_not_reported_by_alerts() {
    let counts = Counts {
        desired: Some(1),
        current: Some(1),
        up_to_date: Some(1),
        available: Some(1),
        misscheduled: Some(0),
        ..Counts::default()
    };
    let waits = || {
        let mut fixture = RolloutFixture::new(1, json!({ "type": "OnDelete" })).pods([1], "old", &healthy());
        fixture.0.as_of = "2026-01-03T00:00:00Z".parse().unwrap();
        fixture
    };
    alerts_with(waits(), counts, NOW, |of| {
        let since = "2026-01-02T00:00:00Z".parse().unwrap();
        let outdated = MissedAlert::OutdatedForDays { nodes: vec!["n1".into()], since };
        assert_eq!(of.missed, [MissedAlert::StatusOutdated { alert: KubeDaemonSetRolloutStuck }, outdated]);
    });
    let mut younger = waits();
    younger.0.as_of = "2026-01-02T23:59:59Z".parse().unwrap();
    alerts_with(younger, counts, NOW, |of| assert_eq!(of.missed.len(), 1));
}

#[test]
fn alerts_are_decided_without_nodes_and_pods() {
    let counts = Counts {
        desired: Some(2),
        current: Some(1),
        up_to_date: Some(1),
        available: Some(1),
        misscheduled: Some(0),
        ..Counts::default()
    };
    let mut without_nodes = RolloutFixture::rolling(2, json!(1)).pods([1], "new", &healthy());
    without_nodes.0.nodes = Known::failed("cannot be listed");
    let mut without_pods = RolloutFixture::rolling(2, json!(1));
    without_pods.0.pods = Known::failed("cannot be listed");
    for fixture in [without_nodes, without_pods] {
        alerts_with(fixture, counts, HOUR_AGO, |of| {
            let expected = |alert| (alert, Firing, Verdict::Unknown, Vec::new());
            assert_eq!(active(of), [expected(KubeDaemonSetRolloutStuck), expected(KubeDaemonSetNotScheduled)]);
            assert!(of.missed.is_empty() && of.lag.is_none(), "{of:?}");
        });
    }
}
