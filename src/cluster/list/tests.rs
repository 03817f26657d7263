#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Namespace;

use super::pages::{MOST_EMPTY_PAGES, MOST_ITEMS, MOST_PAGES};
use super::*;
use crate::cluster::access::AccessOptions;
use crate::snapshot::PodSummary;
use crate::testing::http_server::{
    Answer, JSON, PROTOBUF, Seen, TestServer, field, pod, protobuf_answer, protobuf_list,
};

fn pods(names: &[&str], continue_: &str) -> Vec<u8> {
    let items: Vec<Vec<u8>> = names.iter().map(|name| pod(name)).collect();
    protobuf_list("PodList", &items, "42", continue_)
}

async fn names(access: &Access) -> Result<Vec<String>, Error> {
    let listed = access.bulk::<PodSummary>(&Scope::AllNamespaces, None, Some).await?;
    assert_eq!(listed.resource_version, "42");
    Ok(listed.items.into_iter().map(|pod| pod.metadata.name).collect())
}

/// The error of a list for which the server sends this response to every request, and the number of requests.
async fn failure(answer: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> (Error, usize) {
    let test_server = TestServer::start(answer).await;
    let error = names(&test_server.access().await).await.unwrap_err();
    (error, test_server.seen().len())
}

#[tokio::test]
async fn one_request_without_limit_or_resource_version() {
    let test_server = TestServer::start(|_, _| Answer::ok(PROTOBUF, pods(&["a", "b"], ""))).await;
    let access = test_server.access().await;
    let scope = Scope::Namespace("kube-system".into());
    access.bulk::<PodSummary>(&scope, Some("app in (x, y)"), Some).await.unwrap();
    assert_eq!(names(&access).await.unwrap(), ["a", "b"]);
    let [first, second] = test_server.seen().try_into().unwrap();
    assert_eq!(first.target, "/api/v1/namespaces/kube-system/pods?&labelSelector=app+in+%28x%2C+y%29");
    assert_eq!(second.target, "/api/v1/pods?");
    assert_eq!(second.header("accept"), Some("application/vnd.kubernetes.protobuf, application/json"));
    let agent = second.header("user-agent").unwrap();
    assert!(agent.starts_with(concat!("kubectl-ds/", env!("CARGO_PKG_VERSION"), " (")), "{agent}");
    assert_eq!(second.header("accept-encoding"), None, "no compression on loopback");
}

#[tokio::test]
async fn dropped_items_are_not_in_the_list() {
    let test_server = TestServer::start(|_, _| Answer::ok(PROTOBUF, pods(&["a", "b", "c"], ""))).await;
    let keep = |pod: PodSummary| (pod.metadata.name != "b").then_some(pod);
    let listed = test_server.access().await.bulk(&Scope::AllNamespaces, None, keep).await.unwrap();
    assert_eq!(listed.items.len(), 2);
}

#[tokio::test]
async fn json_response_is_accepted() {
    let text = r#"{"kind":"PodList","metadata":{"resourceVersion":"42"},"items":[{"metadata":{"name":"a"}}]}"#;
    let test_server = TestServer::start(move |_, _| Answer::ok("application/json; charset=utf-8", text)).await;
    assert_eq!(names(&test_server.access().await).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn truncated_body_is_retried_without_duplicates() {
    for content_type in [PROTOBUF, JSON] {
        let test_server = TestServer::start(move |number, _| {
            let json = r#"{"metadata":{"resourceVersion":"42"},"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}"#;
            let body = if content_type == JSON { json.into() } else { pods(&["a", "b"], "") };
            let most = body.len() - 3;
            if number == 0 { Answer::Cut(content_type, body[..most].to_vec()) } else { Answer::ok(content_type, body) }
        })
        .await;
        assert_eq!(names(&test_server.access().await).await.unwrap(), ["a", "b"]);
        assert_eq!(test_server.seen().len(), 2);
    }
}

#[tokio::test]
async fn body_closed_early_by_a_proxy_is_retried() {
    // A proxy that closes the body properly after half of it: only the decoder notices.
    let test_server = TestServer::start(|number, _| {
        let mut body = pods(&["a", "b"], "");
        body.truncate(if number == 0 { body.len() - 6 } else { body.len() });
        Answer::ok(PROTOBUF, body)
    })
    .await;
    assert_eq!(names(&test_server.access().await).await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn body_truncated_three_times_is_an_error() {
    let (error, requests) = failure(|_, _| Answer::Cut(PROTOBUF, pods(&["a"], "")[..9].to_vec())).await;
    assert_eq!(requests, 3);
    let message = error.to_string();
    assert!(matches!(error, Error::Unreachable { .. }), "{message}");
    assert!(message.ends_with("(3 attempts)"), "{message}");
}

#[tokio::test]
async fn closed_connection_is_retried() {
    let (error, requests) = failure(|_, _| Answer::HangUp).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(requests, 3);
}

#[tokio::test]
async fn pages_follow_the_continue_token() {
    let test_server = TestServer::start(|number, _| match number {
        0 => Answer::ok(PROTOBUF, pods(&["a"], "x/1")),
        1 => Answer::rejection(503, "later"),
        // `b` is complete by then, and must not be returned twice.
        2 => {
            let body = pods(&["b", "c"], "");
            Answer::Cut(PROTOBUF, body[..body.len() - 6].to_vec())
        }
        _ => Answer::ok(PROTOBUF, pods(&["b", "c"], "")),
    })
    .await;
    assert_eq!(names(&test_server.access().await).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(test_server.seen()[3].target, "/api/v1/pods?&continue=x%2F1");
}

#[tokio::test]
async fn expired_continue_token_restarts_the_list() {
    let test_server = TestServer::start(|number, _| match number {
        0 => Answer::ok(PROTOBUF, pods(&["old"], "x")),
        1 => Answer::rejection(410, "The provided continue parameter is too old"),
        2 => Answer::ok(PROTOBUF, pods(&["a"], "y")),
        _ => Answer::ok(PROTOBUF, pods(&["b"], "")),
    })
    .await;
    assert_eq!(names(&test_server.access().await).await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn list_restarts_are_limited() {
    let (error, requests) = failure(|number, _| match number % 2 {
        0 => Answer::ok(PROTOBUF, pods(&["a"], "x")),
        _ => Answer::rejection(410, "too old"),
    })
    .await;
    assert!(matches!(error, Error::Api { code: 410, .. }), "{error}");
    assert_eq!(requests, 6);
    let (error, requests) = failure(|_, _| Answer::ok(PROTOBUF, pods(&["a"], "x"))).await;
    assert!(matches!(error, Error::BadAnswer { .. }), "{error}");
    assert_eq!(requests, 2);
}

#[tokio::test]
async fn list_with_endless_pages_is_rejected() {
    let (error, requests) = failure(|number, _| Answer::ok(PROTOBUF, pods(&[], &format!("token-{number}")))).await;
    assert!(error.to_string().contains("11 consecutive pages without items"), "{error}");
    assert_eq!(requests, MOST_EMPTY_PAGES as usize + 1);
    // Pages with items are limited too.
    let mut pages = PageCount::default();
    assert!((0..MOST_PAGES).all(|_| pages.excess(500).is_none()), "{} items", pages.items);
    assert_eq!(pages.excess(1), Some("more than 10000 pages".into()));
    let mut pages = PageCount::default();
    assert_eq!(pages.excess(MOST_ITEMS + 1), Some("more than 5000000 items".into()));
}

#[tokio::test(start_paused = true)]
async fn request_timeout_covers_all_pages_of_a_list() {
    let request_timeout = Some(Duration::from_secs(1));
    let test_server = TestServer::start(|number, _| match number % 2 {
        0 => Answer::ok(PROTOBUF, pods(&["a"], &format!("token-{number}"))),
        _ => Answer::rejection(429, "busy").with("retry-after", "2"),
    })
    .await;
    let access = test_server.access_with(AccessOptions { request_timeout, ..AccessOptions::default() }).await;
    let error = names(&access).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn redirect_is_an_error_and_hides_its_password() {
    let other = TestServer::start(|_, _| Answer::ok(PROTOBUF, pods(&["a"], ""))).await;
    for code in [301, 302, 307, 308] {
        let target = other.url.replace("http://", "http://user:secret@");
        let location = format!("{target}/api/v1/pods");
        let (error, requests) = failure(move |_, _| Answer::rejection(code, "moved").with("location", &location)).await;
        let message = error.to_string();
        assert!(message.contains("redirect to http://…@127.0.0.1:") && !message.contains("secret"), "{message}");
        assert_eq!(requests, 1);
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn endless_object_is_rejected() {
    let body = [&b"{\"metadata\":{\"name\":\""[..], &vec![b'x'; LONGEST_OBJECT]].concat();
    let test_server = TestServer::start(move |_, _| Answer::Stall(JSON, body.clone())).await;
    let error = test_server.access().await.get::<Namespace>(&Scope::Cluster, "n").await.unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[tokio::test]
async fn error_responses_name_user_and_permission() {
    let (error, requests) = failure(|_, _| Answer::rejection(401, "Unauthorized")).await;
    assert!(matches!(&error, Error::Unauthorized { user, .. } if user.starts_with("an anonymous user (")), "{error}");
    assert_eq!(requests, 1);
    let (error, requests) = failure(|_, _| Answer::rejection(403, "pods is forbidden: no")).await;
    assert_eq!(error.to_string(), "cannot list pods: pods is forbidden: no");
    assert_eq!(requests, 1);
    let test_server = TestServer::start(|_, _| Answer::rejection(403, "no")).await;
    let scope = Scope::Namespace("x".into());
    let error = test_server.access().await.list::<DaemonSet>(&scope, None, None).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot list daemonsets in namespace \"x\": no");
}

#[tokio::test]
async fn error_response_in_protobuf_is_decoded() {
    // The server also encodes errors as requested.
    let (error, _) = failure(|_, _| {
        let mut status = Vec::new();
        field(&mut status, 2, b"Failure");
        field(&mut status, 3, b"pods is forbidden");
        field(&mut status, 4, b"Forbidden");
        Answer::Whole(403, vec![("content-type", PROTOBUF.into())], protobuf_answer("Status", &status))
    })
    .await;
    assert_eq!(error.to_string(), "cannot list pods: pods is forbidden");
}

#[tokio::test]
async fn html_response_is_reduced_to_its_first_line() {
    let page = format!("\n  <html>{}\nmore", "x".repeat(500));
    let body = page.clone();
    let (error, requests) = failure(move |_, _| Answer::ok("text/html", body.clone())).await;
    let message = error.to_string();
    assert!(matches!(error, Error::BadAnswer { .. }), "{message}");
    assert!(message.contains("<html>xxx") && !message.contains("more") && message.len() < 320, "{message}");
    assert_eq!(requests, 1);
    let (error, _) =
        failure(move |_, _| Answer::Whole(403, vec![("content-type", "text/html".into())], page.clone().into_bytes()))
            .await;
    let message = error.to_string();
    assert!(matches!(error, Error::Forbidden { .. }), "{message}");
    assert!(!message.contains('\n') && message.len() < 320, "{message}");
}

#[tokio::test]
async fn overloaded_server_is_retried() {
    let test_server = TestServer::start(|number, _| match number {
        0 => Answer::rejection(429, "too many requests").with("retry-after", "0"),
        1 => Answer::rejection(504, "timeout"),
        _ => Answer::ok(PROTOBUF, pods(&["a"], "")),
    })
    .await;
    assert_eq!(names(&test_server.access().await).await.unwrap(), ["a"]);
    let (error, requests) = failure(|_, _| Answer::rejection(429, "too many requests")).await;
    assert!(matches!(error, Error::Api { code: 429, .. }), "{error}");
    assert_eq!(requests, 3);
    let (error, requests) = failure(|_, _| Answer::rejection(429, "go away").with("retry-after", "3600")).await;
    assert!(matches!(error, Error::Api { code: 429, .. }), "{error}");
    assert_eq!(requests, 1);
    let (error, requests) = failure(|_, _| Answer::rejection(500, "broken")).await;
    assert!(matches!(error, Error::Api { code: 500, .. }), "{error}");
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn request_timeout_covers_head_and_body() {
    let stalls: [fn(usize, &Seen) -> Answer; 2] = [
        |_, _| Answer::Stall(PROTOBUF, Vec::new()),
        |_, _| Answer::Stall(PROTOBUF, pods(&["a", "b"], "")[..30].to_vec()),
    ];
    for stall in stalls {
        let test_server = TestServer::start(stall).await;
        let request_timeout = Some(Duration::from_millis(30));
        let access = test_server.access_with(AccessOptions { request_timeout, ..AccessOptions::default() }).await;
        let error = names(&access).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
    }
}

#[tokio::test]
async fn unreachable_server_fails_immediately_with_cause() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Some(format!("http://{}", listener.local_addr().unwrap()));
    drop(listener);
    let test_server = TestServer::start(|_, _| Answer::HangUp).await;
    let mut access = test_server.access_with(AccessOptions { server, ..AccessOptions::default() }).await;
    // A retry would exceed the time limit of the test.
    access.backoff.first = Duration::from_secs(3600);
    access.backoff.longest = Duration::from_secs(3600);
    let message = names(&access).await.unwrap_err().to_string();
    assert!(message.ends_with(": connection refused"), "{message}");
    // A server that responded before is retried.
    access.reached.store(true, std::sync::atomic::Ordering::Relaxed);
    access.backoff = crate::cluster::tests::quick();
    let message = names(&access).await.unwrap_err().to_string();
    assert!(message.ends_with(": connection refused (3 attempts)"), "{message}");
}

#[tokio::test]
async fn response_that_is_not_a_pod_list_is_an_error() {
    for body in [protobuf_list("NodeList", &[], "1", ""), b"{}".to_vec(), [&b"k8s\0"[..], &[0xff; 11]].concat()] {
        let (error, requests) = failure(move |_, _| Answer::ok(PROTOBUF, body.clone())).await;
        assert!(matches!(error, Error::BadAnswer { .. }), "{error}");
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn typed_lists_and_objects_are_requested_in_json() {
    let test_server = TestServer::start(|_, seen| match seen.target.split('?').next().unwrap() {
        "/apis/apps/v1/namespaces/n/daemonsets" => Answer::ok(
            JSON,
            r#"{"kind":"DaemonSetList","metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"d"}}]}"#,
        ),
        "/api/v1/namespaces" => Answer::ok(JSON, r#"{"metadata":{},"items":null}"#),
        "/api/v1/namespaces/n" => Answer::ok(JSON, r#"{"metadata":{"name":"n"}}"#),
        "/version" => Answer::ok(
            JSON,
            r#"{"major":"1","minor":"37","buildDate":"","compiler":"","gitCommit":"","gitTreeState":"","gitVersion":"v1.37.0","goVersion":"","platform":""}"#,
        ),
        _ => Answer::rejection(404, "not found"),
    })
    .await;
    let access = test_server.access().await;
    let scope = Scope::Namespace("n".into());
    let sets = access.list::<DaemonSet>(&scope, None, Some("metadata.name=d")).await.unwrap();
    assert_eq!(sets.items[0].metadata.name.as_deref(), Some("d"));
    assert_eq!(sets.resource_version, "9");
    assert_eq!(test_server.seen()[0].target, "/apis/apps/v1/namespaces/n/daemonsets?&fieldSelector=metadata.name%3Dd");
    assert_eq!(test_server.seen()[0].header("accept"), Some("application/json"));
    assert!(access.list::<Namespace>(&Scope::Cluster, None, None).await.unwrap().items.is_empty());
    let found: Option<Namespace> = access.get(&Scope::Cluster, "n").await.unwrap();
    assert_eq!(found.unwrap().metadata.name.as_deref(), Some("n"));
    assert!(access.get::<Namespace>(&Scope::Cluster, "gone").await.unwrap().is_none());
    assert_eq!(access.get_version().await.unwrap().git_version, "v1.37.0");
}

#[test]
fn name_cannot_change_the_path() {
    assert_eq!(escaped("kube-system"), "kube-system");
    assert_eq!(escaped("../x?y"), "..%2Fx%3Fy");
    assert_eq!(escaped(".."), "%2E%2E");
}
