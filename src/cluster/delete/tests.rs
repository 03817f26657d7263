#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::cluster::lease::DryRun;
use crate::testing::http_server::{Answer, JSON, TestServer};

const POD: PodPrecondition<'static> = PodPrecondition { namespace: "ns", name: "agent-1", uid: "u-1", version: None };

async fn deleted(answer: fn() -> Answer) -> Result<DeleteOutcome, Error> {
    let server = TestServer::start(move |_, _| answer()).await;
    let removed = server.access().await.delete_pod(POD, DryRun::None).await;
    assert_eq!(server.seen().len(), 1, "a delete is not retried");
    removed
}

#[tokio::test]
async fn delete_carries_the_uid() {
    let server = TestServer::start(|_, _| Answer::ok(JSON, "{}")).await;
    let access = server.access().await;
    assert_eq!(access.delete_pod(POD, DryRun::None).await.unwrap(), DeleteOutcome::Accepted);
    assert_eq!(access.delete_pod(POD, DryRun::Server).await.unwrap(), DeleteOutcome::Accepted);
    let [real, trial] = server.seen().try_into().unwrap();
    assert_eq!(
        (real.method.as_str(), real.target.as_str()),
        ("DELETE", "/api/v1/namespaces/ns/pods/agent-1?timeout=10000ms")
    );
    let body: serde_json::Value = serde_json::from_slice(&real.body).unwrap();
    assert_eq!((&body["preconditions"]["uid"], body.get("dryRun")), (&json!("u-1"), None));
    let body: serde_json::Value = serde_json::from_slice(&trial.body).unwrap();
    assert_eq!((&body["preconditions"]["uid"], &body["dryRun"]), (&json!("u-1"), &json!(["All"])));
}

#[tokio::test]
async fn eviction_carries_the_uid_in_delete_options() {
    let server = TestServer::start(|_, _| Answer::ok(JSON, "{}")).await;
    let access = server.access().await;
    access.evict_pod(POD, DryRun::Server).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/api/v1/namespaces/ns/pods/agent-1/eviction?timeout=10000ms&dryRun=All")
    );
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["kind"], "Eviction");
    assert_eq!(
        (&body["deleteOptions"]["preconditions"]["uid"], &body["deleteOptions"]["dryRun"]),
        (&json!("u-1"), &json!(["All"]))
    );
}

#[tokio::test]
async fn delete_of_unchanged_pod_carries_resource_version() {
    let server = TestServer::start(|_, _| Answer::ok(JSON, "{}")).await;
    let access = server.access().await;
    let pod = PodPrecondition { version: Some("7"), ..POD };
    access.delete_pod(pod, DryRun::None).await.unwrap();
    access.evict_pod(pod, DryRun::None).await.unwrap();
    let [deletion, eviction] = server.seen().try_into().unwrap();
    let deletion: serde_json::Value = serde_json::from_slice(&deletion.body).unwrap();
    let eviction: serde_json::Value = serde_json::from_slice(&eviction.body).unwrap();
    let preconditions = json!({ "uid": "u-1", "resourceVersion": "7" });
    assert_eq!(deletion["preconditions"], preconditions);
    assert_eq!(eviction["deleteOptions"]["preconditions"], preconditions);
}

#[tokio::test]
async fn pod_with_another_uid_is_not_there() {
    let gone = deleted(|| Answer::rejection(404, "pods \"agent-1\" not found")).await;
    assert_eq!(gone.unwrap(), DeleteOutcome::NotThere);
    // The two messages of Kubernetes 1.36.3.
    const BEFORE: &str = "Operation cannot be fulfilled on Pod \"agent-1\": the UID in the precondition (u-1) does not match \
                          the UID in record (u-2). The object might have been deleted and then recreated";
    const WITHIN: &str = "Precondition failed: UID in precondition: u-1, UID in object meta: u-2";
    for answer in [|| Answer::rejection(409, BEFORE), || Answer::rejection(409, WITHIN)] {
        assert_eq!(deleted(answer).await.unwrap(), DeleteOutcome::NotThere);
    }
    const CHANGED: &str = "Operation cannot be fulfilled on Pod \"agent-1\": the ResourceVersion in the precondition (7) does \
                           not match the ResourceVersion in record (8). The object might have been modified";
    const MEANWHILE: &str =
        "Precondition failed: ResourceVersion in precondition: 7, ResourceVersion in object meta: 8";
    let changed = deleted(|| Answer::rejection(409, CHANGED)).await;
    assert_eq!(changed.unwrap(), DeleteOutcome::Changed { message: CHANGED.into() });
    let changed = deleted(|| Answer::rejection(409, MEANWHILE)).await;
    assert_eq!(changed.unwrap(), DeleteOutcome::Changed { message: MEANWHILE.into() });
}

#[tokio::test]
async fn temporary_failure_is_not_now_and_not_retried() {
    let busy = deleted(|| Answer::rejection(429, "too many").with("retry-after", "7")).await;
    assert_eq!(
        busy.unwrap(),
        DeleteOutcome::RetryLater { message: "too many".into(), after: Some(Duration::from_secs(7)) }
    );
    for answer in [
        || Answer::rejection(500, "x"),
        || Answer::rejection(503, "x"),
        || Answer::rejection(409, "x"),
        || Answer::HangUp,
    ] {
        assert!(matches!(deleted(answer).await.unwrap(), DeleteOutcome::RetryLater { after: None, .. }));
    }
}

#[tokio::test]
async fn missing_permission_differs_from_admission_denial() {
    const RIGHTS: &str = "pods \"agent-1\" is forbidden: User \"eve\" cannot delete resource \"pods\" in API group \"\" in the namespace \"ns\"";
    assert!(matches!(deleted(|| Answer::rejection(403, RIGHTS)).await, Err(Error::Forbidden { .. })));
    let denied = deleted(|| Answer::rejection(403, "admission webhook \"keep\" denied the request: not today")).await;
    assert!(matches!(denied.unwrap(), DeleteOutcome::Denied { .. }));
    assert!(matches!(deleted(|| Answer::rejection(422, "no")).await.unwrap(), DeleteOutcome::Denied { .. }));
    assert!(matches!(deleted(|| Answer::rejection(401, "who")).await, Err(Error::Unauthorized { .. })));
}
