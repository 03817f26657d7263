#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::http_server::{Answer, JSON, TestServer};

const LEASE: &str = r#"{"metadata": {"name": "lock", "namespace": "ns", "uid": "u-1", "resourceVersion": "7"},
    "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}}"#;

fn lease() -> Lease {
    serde_json::from_str(LEASE).unwrap()
}

#[tokio::test]
async fn lease_not_found_is_none() {
    let server = TestServer::start(|number, _| match number {
        0 => Answer::rejection(404, "leases.coordination.k8s.io \"lock\" not found"),
        _ => Answer::ok(JSON, LEASE),
    })
    .await;
    let access = server.access().await;
    assert_eq!(access.lease("ns", "lock").await.unwrap(), None);
    assert_eq!(access.lease("ns", "lock").await.unwrap(), Some(lease()));
    assert_eq!(server.seen()[0].target, "/apis/coordination.k8s.io/v1/namespaces/ns/leases/lock");
}

#[tokio::test]
async fn lease_writes_carry_uid_and_resource_version() {
    let server = TestServer::start(|_, _| Answer::ok(JSON, LEASE)).await;
    let access = server.access().await;
    assert_eq!(access.replace_lease("ns", &lease(), DryRun::None).await.unwrap(), Written::Done(lease()));
    assert_eq!(access.delete_lease("ns", &lease()).await.unwrap(), Written::Done(()));
    access.create_lease("ns", &lease(), DryRun::Server).await.unwrap();
    let [update, deletion, creation] = server.seen().try_into().unwrap();
    let update_body: serde_json::Value = serde_json::from_slice(&update.body).unwrap();
    let of = |value: &serde_json::Value| (value["uid"].clone(), value["resourceVersion"].clone());
    assert_eq!((update.method.as_str(), of(&update_body["metadata"])), ("PUT", (json!("u-1"), json!("7"))));
    let deletion_body: serde_json::Value = serde_json::from_slice(&deletion.body).unwrap();
    assert_eq!((deletion.method.as_str(), of(&deletion_body["preconditions"])), ("DELETE", (json!("u-1"), json!("7"))));
    assert_eq!(
        (creation.method.as_str(), creation.target.as_str()),
        ("POST", "/apis/coordination.k8s.io/v1/namespaces/ns/leases?dryRun=All")
    );
}

#[tokio::test]
async fn lease_changed_by_another_client_is_a_conflict() {
    for code in [404, 409] {
        let server = TestServer::start(move |_, _| Answer::rejection(code, "x")).await;
        let access = server.access().await;
        assert_eq!(access.create_lease("ns", &lease(), DryRun::None).await.unwrap(), Written::Conflict);
        assert_eq!(access.replace_lease("ns", &lease(), DryRun::None).await.unwrap(), Written::Conflict);
        assert_eq!(access.delete_lease("ns", &lease()).await.unwrap(), Written::Conflict);
        assert_eq!(server.seen().len(), 3, "a write is not retried");
    }
}

#[tokio::test]
async fn lease_request_forbidden_names_the_permission() {
    let server = TestServer::start(|_, _| Answer::rejection(403, "no")).await;
    let error = server.access().await.create_lease("ns", &lease(), DryRun::None).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot create leases.coordination.k8s.io in namespace \"ns\": no");
    let server = TestServer::start(|_, _| Answer::ok(JSON, "{}{")).await;
    assert!(matches!(server.access().await.lease("ns", "lock").await, Err(Error::BadAnswer { .. })));
}

#[tokio::test]
async fn lease_request_without_response_times_out() {
    let server = TestServer::start(|_, _| Answer::Mute).await;
    let access = server.access().await;
    tokio::time::pause();
    assert!(matches!(access.lease("ns", "lock").await, Err(Error::Timeout { seconds: 10.0, .. })));
}
