//! The results compared with the recorded answers of an API server, and cases that no server would store.
#![allow(clippy::unwrap_used, clippy::panic)]

use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::json;

use super::*;

/// The recorded files with their names.
macro_rules! recorded_files {
    ($($name:literal),*) => { [$(($name, include_str!(concat!("../../../tests/fixtures/manifests/", $name, ".json")))),*] };
}

const FILES: [(&str, &str); 7] =
    recorded_files!["containers", "duplicates", "minimal", "pod", "random", "strategy", "volumes"];

fn recorded() -> Vec<(String, Value)> {
    let cases = FILES.iter().flat_map(|(name, text)| {
        let all: Vec<Value> = serde_json::from_str(text).unwrap();
        all.into_iter().enumerate().map(move |(index, case)| (format!("{name} {index}"), case))
    });
    cases.collect()
}

fn typed(object: &Value) -> DaemonSet {
    serde_json::from_value(object.clone()).unwrap()
}

/// The first difference of two values, with its path.
fn first_difference(ours: &Value, theirs: &Value, path: &str) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => ours.keys().chain(theirs.keys()).find_map(|field| {
            let of = |object: &Map<String, Value>| object.get(field).cloned().unwrap_or_default();
            first_difference(&of(ours), &of(theirs), &format!("{path}.{field}"))
        }),
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            let mut pairs = ours.iter().zip(theirs).enumerate();
            pairs.find_map(|(index, (ours, theirs))| first_difference(ours, theirs, &format!("{path}[{index}]")))
        }
        _ if ours == theirs => None,
        _ => Some(format!("{path}: {ours} but the API server stores {theirs}")),
    }
}

#[test]
fn stored_object_equals_that_of_the_api_server() {
    let mut compared = 0;
    let mut differences = Vec::new();
    for (name, case) in recorded() {
        let (steps, answers) = (case["steps"].as_array().unwrap(), case["stored"].as_array().unwrap());
        for (index, (step, answer)) in steps.iter().zip(answers).enumerate() {
            let Some(manifest) = step.get("apply") else { continue };
            // From its type, as that of a saved cluster.
            let live = index.checked_sub(1).map(|before| serde_json::to_value(typed(&answers[before])).unwrap());
            let ours = stored(live.as_ref(), manifest).unwrap();
            compared += 1;
            let (ours, theirs) = (typed(&ours), typed(answer));
            let without_last_apply = |daemon_set: &DaemonSet| {
                let mut annotations = daemon_set.metadata.annotations.clone().unwrap_or_default();
                let last = annotations.remove(LAST_APPLIED).unwrap();
                (annotations, serde_json::from_str::<Value>(&last).unwrap()["spec"].clone())
            };
            if ours.spec != theirs.spec {
                let json = |daemon_set: &DaemonSet| serde_json::to_value(&daemon_set.spec).unwrap();
                let difference = first_difference(&json(&ours), &json(&theirs), "spec");
                differences.push(format!("{name}, step {index}: {}", difference.unwrap_or_default()));
            } else if ours.metadata.labels != theirs.metadata.labels
                || without_last_apply(&ours) != without_last_apply(&theirs)
            {
                differences.push(format!("{name}, step {index}: {:?} {:?}", ours.metadata, theirs.metadata));
            }
        }
    }
    assert!(compared > 100, "only {compared} manifests");
    assert!(differences.is_empty(), "{} of {compared}:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn applied_object_keeps_what_only_the_server_writes() {
    let live = json!({
        "metadata": { "name": "a", "uid": "u-1", "resourceVersion": "7", "generation": 3, "labels": { "other": "x" } },
        "spec": { "minReadySeconds": 5 },
        "status": { "numberReady": 3 },
    });
    let manifest = json!({
        "metadata": { "name": "a", "uid": "mine", "creationTimestamp": null, "annotations": null },
        "status": { "numberReady": 0, "conditions": [] },
    });
    let mut merged = applied(Some(&live), &manifest).unwrap();
    assert!(merged["metadata"]["annotations"].as_object_mut().unwrap().remove(LAST_APPLIED).is_some());
    let mut expected = live.clone();
    expected["metadata"]["annotations"] = json!({});
    assert_eq!(merged, expected);
    let created = applied(None, &manifest).unwrap();
    assert_eq!(created["metadata"].get("uid"), None);
    assert_eq!(created.get("status"), None);
}

#[test]
fn manifest_that_kubectl_rejects_is_rejected() {
    let with = |last: &str| json!({ "metadata": { "annotations": { LAST_APPLIED: last } }, "spec": { "volumes": [{ "name": "a" }] } });
    let rejected = |live: &Value, manifest: Value| applied(Some(live), &manifest) == Err(ChangeError::Rejected);
    assert!(rejected(&with("{"), json!({})));
    assert!(rejected(&with("[]"), json!({})));
    assert!(rejected(&with("{}"), json!([])));
    assert!(rejected(&with("{}"), json!({ "metadata": 1 })));
    assert!(rejected(&with("{}"), json!({ "metadata": { "annotations": [] } })));
    assert!(rejected(&with("{}"), json!({ "spec": { "volumes": [{ "emptyDir": {} }] } })), "an item without its key");
    assert!(!rejected(&with("{}"), json!({ "spec": { "volumes": "none" } })));
}

#[test]
fn fields_of_another_type_are_left_to_the_conversion() {
    for spec in [
        json!(null),
        json!([]),
        json!({ "template": [] }),
        json!({ "updateStrategy": 1, "template": { "metadata": 1, "spec": { "containers": [1, { "ports": 1, "resources": [] }] } } }),
        json!({ "template": { "spec": { "volumes": [[], { "projected": 1, "ephemeral": { "volumeClaimTemplate": 1 } }] } } }),
        json!({ "template": { "spec": { "containers": { "a": { "livenessProbe": { "httpGet": 1 } } } } } }),
    ] {
        let mut daemon_set = json!({ "metadata": 1, "spec": spec });
        with_defaults(&mut daemon_set);
        // It must not panic, and keeps the kind of each value.
        assert_eq!(daemon_set["spec"].is_object(), spec.is_object());
    }
}

#[test]
fn long_lists_are_merged_in_reasonable_time() {
    let list =
        |offset: usize| (0..50_000).map(|n| json!({ "name": format!("V{}", n * 2 + offset) })).collect::<Vec<_>>();
    let spec = |env: Vec<Value>| json!({ "spec": { "containers": [{ "name": "a", "env": env }] } });
    let merged = applied(Some(&spec(list(0))), &spec(list(1))).unwrap();
    assert_eq!(merged["spec"]["containers"][0]["env"].as_array().unwrap().len(), 100_000);
}
