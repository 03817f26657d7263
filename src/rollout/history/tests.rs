#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::testing::objects;

fn daemon_set(image: &str) -> DaemonSet {
    let annotations = json!({"deprecated.daemonset.template.generation": "3"});
    let fields = json!({"metadata": {"annotations": annotations}, "spec": {"template": template(image)}});
    objects::daemon_set("logging", "agent", fields)
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "agent", "image": image}]}})
}

fn revision_by(uid: &str, number: i64, hash: Option<&str>, image: &str) -> ControllerRevision {
    let mut owner = daemon_set(image);
    owner.metadata.uid = Some(uid.into());
    let mut template = template(image);
    template["metadata"]["creationTimestamp"] = Value::Null;
    let labels = hash.map(|hash| json!({"app": "agent", "controller-revision-hash": hash}));
    let annotations = json!({"kubernetes.io/change-cause": format!("cause {number}")});
    let fields = json!({"metadata": {"labels": labels, "annotations": annotations}});
    objects::controller_revision(&owner, number, template, fields)
}

fn revision(number: i64, hash: &str, image: &str) -> ControllerRevision {
    revision_by("uid-agent", number, Some(hash), image)
}

fn pod(node: &str, name: &str, labels: Value) -> PodSummary {
    let fields = json!({"metadata": {"labels": labels}, "spec": {"nodeName": node}});
    objects::daemon_pod(&daemon_set("1"), name, fields)
}

fn hashed(node: &str, hash: &str) -> PodSummary {
    pod(node, &format!("agent-{node}-{hash}"), json!({"controller-revision-hash": hash}))
}

fn snapshot(image: &str, revisions: Vec<ControllerRevision>, pods: Vec<PodSummary>) -> Snapshot {
    Snapshot {
        daemon_sets: vec![daemon_set(image)],
        pods: Known::Known(pods),
        revisions: Known::Known(revisions),
        ..objects::empty_snapshot()
    }
}

/// Each revision: the number, whether it is current, and the nodes.
fn rows(snapshot: &Snapshot) -> Vec<(i64, bool, Vec<&str>)> {
    let history = History::new(&snapshot.daemon_sets[0], snapshot).unwrap();
    let row = |revision: &Revision<'_>| {
        let nodes = revision.nodes.known().unwrap().iter().map(|node| node.to_string()).collect::<Vec<_>>();
        (revision.number, revision.is_current, nodes)
    };
    let rows: Vec<_> = history.revisions.iter().map(row).collect();
    let known = |node: String| ["n1", "n2", "n3"].into_iter().find(|name| *name == node).unwrap();
    rows.into_iter().map(|(number, current, nodes)| (number, current, nodes.into_iter().map(known).collect())).collect()
}

#[test]
fn revisions_are_sorted_by_number_and_list_their_nodes() {
    let revisions = vec![revision(10, "ccc", "3"), revision(2, "bbb", "2"), revision(1, "aaa", "1")];
    let pods = vec![hashed("n2", "ccc"), hashed("n1", "ccc"), hashed("n3", "bbb")];
    assert_eq!(
        rows(&snapshot("3", revisions, pods)),
        [(1, false, vec![]), (2, false, vec!["n3"]), (10, true, vec!["n1", "n2"])]
    );
}

#[test]
fn revision_of_a_rollback_is_current() {
    let revisions = vec![revision(3, "aaa", "1"), revision(2, "bbb", "2")];
    assert_eq!(rows(&snapshot("1", revisions, vec![])), [(2, false, vec![]), (3, true, vec![])]);
}

#[test]
fn newest_revision_of_the_same_template_is_current() {
    let revisions = vec![revision(4, "ddd", "1"), revision(3, "aaa", "1")];
    assert_eq!(rows(&snapshot("1", revisions, vec![])), [(3, false, vec![]), (4, true, vec![])]);
}

#[test]
fn no_revision_is_current_before_it_is_created() {
    let snapshot = snapshot("2", vec![revision(1, "aaa", "1")], vec![]);
    let history = History::new(&snapshot.daemon_sets[0], &snapshot).unwrap();
    assert!(history.current().is_none());
    assert_eq!(history.current_template(), template("2"));
}

#[test]
fn node_in_progress_is_listed_for_both_revisions() {
    let revisions = vec![revision(1, "aaa", "1"), revision(2, "bbb", "2")];
    let pods = vec![hashed("n1", "aaa"), hashed("n1", "bbb")];
    assert_eq!(rows(&snapshot("2", revisions, pods)), [(1, false, vec!["n1"]), (2, true, vec!["n1"])]);
}

#[test]
fn pods_of_deleted_revisions_are_listed_separately() {
    let pods = vec![hashed("n1", "bbb"), hashed("n2", "zzz"), pod("n3", "bare", json!({}))];
    let snapshot = snapshot("2", vec![revision(2, "bbb", "2")], pods);
    let history = History::new(&snapshot.daemon_sets[0], &snapshot).unwrap();
    let deleted_revisions: Vec<_> = history
        .deleted_revisions
        .iter()
        .map(|deleted_revisions| (deleted_revisions.hash, deleted_revisions.nodes.clone()))
        .collect();
    assert_eq!(deleted_revisions, [(None, vec!["n3"]), (Some("zzz"), vec!["n2"])]);
}

#[test]
fn pod_without_a_hash_is_assigned_by_generation() {
    let pods = vec![
        pod("n1", "new", json!({"pod-template-generation": "3"})),
        pod("n2", "old", json!({"pod-template-generation": "2"})),
    ];
    let snapshot = snapshot("2", vec![revision(2, "bbb", "2")], pods);
    let history = History::new(&snapshot.daemon_sets[0], &snapshot).unwrap();
    assert_eq!(history.revisions[0].nodes, Known::Known(vec!["n1"]));
    assert_eq!(history.deleted_revisions[0].nodes, ["n2"]);
}

#[test]
fn revision_without_the_label_uses_its_name_as_hash() {
    let revisions = vec![revision_by("uid-agent", 1, None, "1")];
    assert_eq!(rows(&snapshot("2", revisions, vec![hashed("n1", "agent-1")])), [(1, false, vec!["n1"])]);
}

#[test]
fn revisions_of_another_owner_are_ignored() {
    let revisions = vec![revision_by("other", 7, Some("aaa"), "2"), revision(1, "bbb", "2")];
    assert_eq!(rows(&snapshot("2", revisions, vec![])), [(1, true, vec![])]);
}

#[test]
fn unreadable_objects_are_unknown_and_not_empty() {
    let mut snapshot = snapshot("1", vec![revision(1, "aaa", "1")], vec![]);
    snapshot.pods = Known::failed("pods are forbidden");
    let history = History::new(&snapshot.daemon_sets[0], &snapshot).unwrap();
    assert_eq!(history.revisions[0].nodes, Known::failed("pods are forbidden"));
    snapshot.revisions = Known::failed("revisions are forbidden");
    assert_eq!(History::new(&snapshot.daemon_sets[0], &snapshot).unwrap_err(), "revisions are forbidden");
}

#[test]
fn template_has_unknown_fields_and_no_patch_directive() {
    let mut revision = revision(1, "aaa", "1");
    revision.data.0["spec"]["template"]["spec"]["fieldOfTheFuture"] = json!({"a": 1});
    let snapshot = snapshot("1", vec![revision], vec![]);
    let history = History::new(&snapshot.daemon_sets[0], &snapshot).unwrap();
    let mut expected = template("1");
    expected["spec"]["fieldOfTheFuture"] = json!({"a": 1});
    assert_eq!(history.revision(1).unwrap().template(), expected);
    assert_eq!(history.revision(1).unwrap().change_cause(), Some("cause 1"));
    assert!(history.revision(2).is_none());
}

#[test]
fn revision_range_has_a_start_and_an_optional_end() {
    assert_eq!("1..3".parse(), Ok(RevisionRange { from: 1, to: Some(3) }));
    assert_eq!("12..".parse(), Ok(RevisionRange { from: 12, to: None }));
    for text in ["", "1", "..", "..3", "1...3", "1..x", "0..1", "-1..2", "1..0", "1 .. 2", "1..2..3"] {
        assert!(text.parse::<RevisionRange>().is_err(), "{text}");
    }
}
