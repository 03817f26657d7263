//! Rollouts on which intuition and rule part, each by its number in the list of edge cases.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::world::*;
use super::*;
use crate::coverage::cover;
use crate::snapshot::{EventFields, Known};

#[test]
fn h45_percentages_are_rounded_up_on_the_desired_number() {
    let unavailable = |value: Value, desired| Strategy::of(&World::rolling(1, value).0.daemon_sets[0], desired);
    assert_eq!(unavailable(json!("10%"), 5), Strategy::Rolling { max_unavailable: 1 });
    assert_eq!(unavailable(json!("34%"), 3), Strategy::Rolling { max_unavailable: 2 });
    assert_eq!(unavailable(json!("1%"), 0), Strategy::Rolling { max_unavailable: 0 });
    assert_eq!(unavailable(json!("100%"), 7), Strategy::Rolling { max_unavailable: 7 });
    assert_eq!(unavailable(json!(3), 2), Strategy::Rolling { max_unavailable: 3 });
    let surge = |value: Value, desired| Strategy::of(&World::surge(1, value).0.daemon_sets[0], desired);
    assert_eq!(surge(json!("20%"), 11), Strategy::Surge { max_surge: 3 });
}

#[test]
fn h46_where_both_come_to_nothing_one_node_at_a_time_is_the_rule() {
    let of = |strategy: Value| Strategy::of(&World::new(1, strategy).0.daemon_sets[0], 4);
    assert_eq!(of(json!({ "type": "RollingUpdate" })), Strategy::Rolling { max_unavailable: 1 });
    assert_eq!(
        of(json!({ "rollingUpdate": { "maxUnavailable": 0, "maxSurge": "0%" } })),
        Strategy::Rolling { max_unavailable: 1 }
    );
    // The API server refuses both at once, and defaults maxUnavailable to 1; where surge gets through, it rules.
    assert_eq!(
        of(json!({ "rollingUpdate": { "maxUnavailable": 1, "maxSurge": 1 } })),
        Strategy::Surge { max_surge: 1 }
    );
    assert_eq!(of(json!({ "type": "OnDelete" })), Strategy::OnDelete);
}

#[test]
fn h47_old_pods_that_are_not_available_spend_the_budget_and_are_no_proof_of_being_stuck() {
    let world = World::rolling(5, json!(1)).pods(1..=5, "old", &unready());
    assert_eq!(world.spent().len(), 5);
    assert!(world.spent().iter().all(|(_, cause)| *cause == Spending::OldUnavailable));
    assert_eq!((world.phase(), world.holds()), (Phase::Progressing, vec![]));
}

#[test]
fn h48_one_pod_that_does_not_go_on_a_dead_node_stops_the_rollout_though_nobody_wants_a_pod_there() {
    let world = World::rolling(3, json!(1)).dead(1, true).pod(1, "old", going()).pods([2, 3], "old", &well());
    assert_eq!(world.look(|standing| standing.desired), 2);
    assert_eq!(world.spent(), [("n1".into(), Spending::Terminating)]);
    assert_eq!((world.phase(), world.holds()), (Phase::Stuck, vec!["TerminatingOnDeadNode! n1".into()]));
    assert_eq!(world.look(|standing| standing.leftovers.iter().map(ToString::to_string).collect::<Vec<_>>()), ["n1"]);
    // With a budget of two, and after the pod was deleted by force, it goes on.
    let world = World::rolling(3, json!(2)).dead(1, true).pod(1, "old", going()).pods([2, 3], "old", &well());
    assert_eq!((world.phase(), world.holds()), (Phase::Progressing, vec!["TerminatingOnDeadNode n1".into()]));
    let world = World::rolling(3, json!(1)).dead(1, true).pods([2, 3], "old", &well());
    assert_eq!((world.phase(), world.spent()), (Phase::Progressing, vec![]));
}

#[test]
fn h48_a_kubelet_that_still_reports_is_given_the_grace_period() {
    let world = |deadline: &str| {
        let going = json!({ "metadata": { "deletionTimestamp": deadline } });
        let mut world = World::rolling(2, json!(1)).dead(1, true).pod(1, "old", going).pod(2, "old", well());
        let Known::Known(nodes) = &mut world.0.nodes else { unreachable!() };
        nodes[0].status.conditions[0].status = "False".into();
        world.phase()
    };
    assert_eq!(world("2026-01-02T12:00:30Z"), Phase::Progressing);
    assert_eq!(world(PAST), Phase::Stuck);
}

#[test]
fn h48_a_dead_node_does_not_keep_the_last_wanted_node_from_being_done() {
    let world = World::rolling(2, json!(1)).dead(1, true).pod(1, "old", going()).pod(2, "new", starting());
    assert_eq!(world.phase(), Phase::Progressing);
    let world = World::rolling(2, json!(1)).dead(1, true).pod(1, "old", going()).pod(2, "new", well());
    assert_eq!((world.phase(), world.holds()), (Phase::Complete, vec![]));
}

#[test]
fn h49_an_old_pod_where_none_is_wanted_is_left_over_and_a_candidate_like_any_other() {
    let mut world = World::rolling(2, json!(1)).pod(1, "old", well()).pod(2, "new", well());
    let Known::Known(nodes) = &mut world.0.nodes else { unreachable!() };
    nodes[0].spec.taints = vec![from(json!({ "key": "k", "effect": "NoSchedule" }))];
    world.look(|standing| {
        assert_eq!((standing.desired, standing.phase, &standing.leftovers[..]), (1, Phase::Complete, &["n1"][..]));
    });
}

#[test]
fn h50_surge_with_a_port_of_the_host_is_stuck_before_and_after_the_new_pod_came() {
    let with_port = |image: &str| json!({ "image": image, "ports": [{ "containerPort": 80, "hostPort": 80 }] });
    let strategy = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } });
    let world = || World::surge(2, json!(1)).template(strategy.clone(), with_port("new"), with_port("old"));
    let before = world().pods([1, 2], "old", &well());
    assert_eq!((before.phase(), before.holds()), (Phase::Stuck, vec!["SurgeHostPort! n1,n2".into()]));
    let after = world().pods([1, 2], "old", &well()).pod(1, "new", unbound(1));
    assert_eq!((after.phase(), after.holds()), (Phase::Stuck, vec!["SurgeHostPort! n1,n2".into()]));
    // An old pod that is not ready gives way, and so does a port that only the new template has.
    let unready = world().pods([1, 2], "old", &unready());
    assert_eq!(unready.phase(), Phase::Progressing);
    let other = World::surge(2, json!(1)).template(strategy.clone(), with_port("new"), json!({ "image": "old" }));
    assert_eq!(other.pods([1, 2], "old", &well()).phase(), Phase::Progressing);
}

#[test]
fn h50_the_network_of_the_host_makes_ports_of_containers_ports_of_the_host() {
    let ports = |image: &str| json!({ "image": image, "ports": [{ "containerPort": 9100 }] });
    let strategy = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } });
    let mut world = World::surge(1, json!(1)).template(strategy, ports("new"), ports("old")).pod(1, "old", well());
    assert_eq!(world.phase(), Phase::Progressing);
    world.0.daemon_sets[0].spec.template.spec.as_mut().unwrap().host_network = Some(true);
    let Known::Known(revisions) = &mut world.0.revisions else { unreachable!() };
    for revision in revisions {
        revision.data.0["spec"]["template"]["spec"]["hostNetwork"] = true.into();
    }
    assert_eq!((world.phase(), world.holds()), (Phase::Stuck, vec!["SurgeHostPort! n1".into()]));
}

#[test]
fn h51_an_old_pod_on_a_deleted_node_holds_a_surge_until_it_is_collected() {
    let world = World::surge(1, json!(1)).pod(1, "old", well()).pod(9, "old", well());
    assert_eq!((world.phase(), world.holds()), (Phase::Progressing, vec!["SurgeOldPodOnDeletedNode n9".into()]));
    let rolling = World::rolling(1, json!(1)).pod(1, "old", well()).pod(9, "old", well());
    assert_eq!(rolling.holds(), [""; 0]);
}

const QUOTA: &str = "pods \"d-\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3";

#[test]
fn h52_one_refused_create_stops_the_rollout_whatever_the_budget() {
    let world = || World::rolling(4, json!(3)).pods([2, 3, 4], "old", &well());
    let held = world().refusal(QUOTA, "2026-01-02T11:59:00Z");
    assert_eq!((held.phase(), held.holds()), (Phase::Stuck, vec!["CreatesRefused! n1".into()]));
    // Old pods that would be replaced are not come to either.
    let old = World::rolling(2, json!(1)).pod(2, "old", unready()).refusal(QUOTA, "2026-01-02T11:59:00Z");
    assert_eq!(old.phase(), Phase::Stuck);
    // A pod was made since, or it was long ago.
    let made = json!({ "metadata": { "creationTimestamp": "2026-01-02T11:59:30Z" } });
    assert_eq!(world().pod(4, "new", made).refusal(QUOTA, "2026-01-02T11:59:00Z").holds(), [""; 0]);
    assert_eq!(world().refusal(QUOTA, "2026-01-02T11:00:00Z").phase(), Phase::Progressing);
    assert_eq!(world().phase(), Phase::Progressing);
}

#[test]
fn h52_a_pod_that_is_about_to_go_gives_back_what_the_quota_lacks() {
    let world = World::rolling(2, json!(2)).pod(2, "old", going()).refusal(QUOTA, "2026-01-02T11:59:00Z");
    assert_eq!(world.phase(), Phase::Progressing);
    let dead = World::rolling(2, json!(2)).pod(2, "old", going()).dead(2, false).refusal(QUOTA, "2026-01-02T11:59:00Z");
    assert_eq!(dead.phase(), Phase::Stuck);
}

#[test]
fn h52_a_quota_without_room_for_the_surge_stops_it() {
    let world = World::surge(2, json!(1)).pods([1, 2], "old", &well()).refusal(QUOTA, "2026-01-02T11:59:00Z");
    assert_eq!((world.phase(), world.holds()), (Phase::Stuck, vec!["CreatesRefused! ".into()]));
}

#[test]
fn h52_events_are_wanted_also_where_a_surge_leaves_every_node_with_its_old_pod() {
    let wants = |world: World| !event_query(&cover(&world.0)[0], &world.0).is_empty();
    assert!(wants(World::surge(2, json!(1)).pods([1, 2], "old", &well())));
    assert!(!wants(World::surge(2, json!(1)).pods([1, 2], "new", &well())));
    assert!(!wants(World::rolling(2, json!(1)).pods([1, 2], "old", &well())));
    assert!(wants(World::rolling(2, json!(1)).pods([2], "old", &well())));
}

#[test]
fn h53_on_delete_waits_for_somebody_and_spends_nothing() {
    let on_delete = || World::new(3, json!({ "type": "OnDelete" }));
    let world = on_delete().pods([1, 2], "old", &well()).pod(3, "new", well());
    assert_eq!((world.phase(), world.spent()), (Phase::WaitsForDeletion, vec![]));
    assert_eq!(world.steps(), [Step::Outdated, Step::Outdated, Step::Done]);
    assert_eq!(on_delete().pods([1, 2], "new", &well()).pod(3, "old", going()).phase(), Phase::Progressing);
    assert_eq!(on_delete().pods([1, 2, 3], "new", &well()).phase(), Phase::Complete);
    let bad = waiting("CrashLoopBackOff", "", 5);
    assert_eq!(on_delete().pods([1, 2], "new", &well()).pod(3, "new", bad).phase(), Phase::Stuck);
}

#[test]
fn h54_a_template_that_is_older_than_another_revision_is_an_undo() {
    let mut world = World::rolling(1, json!(1)).pod(1, "old", well());
    assert!(!world.look(|standing| standing.is_undo));
    let Known::Known(revisions) = &mut world.0.revisions else { unreachable!() };
    revisions[1].metadata.creation_timestamp = from(json!("2025-12-31T00:00:00Z"));
    assert!(world.look(|standing| standing.is_undo));
}

#[test]
fn h55_with_both_pods_on_a_node_the_older_one_is_counted_as_updated_or_not() {
    let world = World::surge(1, json!(1)).pod(1, "old", well()).pod(
        1,
        "new",
        json!({ "metadata": { "creationTimestamp": READY } }),
    );
    world.look(|standing| {
        assert_eq!((standing.updated, standing.available, standing.updated_available), (0, 1, 1));
        assert_eq!((standing.nodes[0].step, standing.phase), (Step::Replacing, Phase::Progressing));
        assert!(standing.spent.is_empty());
    });
    let coming = World::surge(1, json!(1)).pod(1, "old", well()).pod(1, "new", starting());
    assert_eq!((coming.steps(), coming.spent()), (vec![Step::Starting], vec![("n1".into(), Spending::BothRevisions)]));
}

/// Rollouts in every state about which an event may say more, and some about which none does.
fn rollouts_with_open_questions() -> Vec<World> {
    let misscheduled = || {
        let mut world = World::rolling(2, json!(1)).pod(1, "new", starting()).pod(2, "new", well());
        let Known::Known(nodes) = &mut world.0.nodes else { unreachable!() };
        nodes[0].spec.taints = vec![from(json!({ "key": "a", "effect": "NoSchedule" }))];
        world
    };
    vec![
        World::rolling(2, json!(1)).pod(1, "new", starting()).pod(2, "old", well()),
        World::rolling(2, json!(1)).pod(1, "new", unready()).pod(2, "old", unready()),
        World::rolling(2, json!(1)).pod(1, "new", waiting("CrashLoopBackOff", "", 5)).pod(2, "old", going()),
        World::rolling(2, json!(1)).pod(1, "new", unbound(1)),
        World::rolling(2, json!(1)).pods([1, 2], "new", &well()),
        World::rolling(2, json!(1)).pod(1, "old", going()).pod(1, "new", starting()).dead(2, true),
        World::surge(2, json!(1)).pods([1, 2], "old", &well()).pod(1, "new", starting()),
        World::surge(2, json!(1)).pods([1, 2], "new", &well()).pod(1, "new", well()),
        World::new(2, json!({ "type": "OnDelete" })).pod(1, "new", starting()).pod(1, "old", well()),
        misscheduled(),
    ]
}

#[test]
fn event_query_of_a_rollout_needs_no_events_and_misses_none() {
    for (index, World(mut snapshot)) in rollouts_with_open_questions().into_iter().enumerate() {
        let event = |kind: &str, uid: &str, reason: &str| {
            let about = json!({ "kind": kind, "namespace": "ns", "name": uid, "uid": uid });
            from(json!({
                "metadata": { "name": format!("{uid}.{reason}"), "namespace": "ns" }, "type": "Warning",
                "reason": reason, "message": "words", "involvedObject": about, "lastTimestamp": NOW,
            }))
        };
        let pods: Vec<String> =
            snapshot.pods.known().into_iter().flatten().map(|pod| pod.metadata.uid.clone()).collect();
        let of_pods = pods.iter().map(|uid| event("Pod", uid, "FailedMount"));
        let all = of_pods.chain([event("DaemonSet", "u", "FailedCreate")]).collect();
        let without = event_query(&cover(&snapshot)[0], &snapshot);
        snapshot.events = Known::Known(all);
        assert_eq!(without, event_query(&cover(&snapshot)[0], &snapshot), "{index}");
        let in_full = format!("{:?} {:?}", standing(&cover(&snapshot)[0], &snapshot), cover(&snapshot));
        snapshot.events = without.select(snapshot.events);
        let selected = format!("{:?} {:?}", standing(&cover(&snapshot)[0], &snapshot), cover(&snapshot));
        assert_eq!(in_full, selected, "{index}");
        let words = selected.matches("detail: \"words\"").count();
        assert_eq!(words > 0, without.fields().is_some_and(|fields| fields.covers(EventFields::Pods)), "{index}");
    }
}
