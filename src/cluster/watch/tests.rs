#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::snapshot::PodSummary;
use crate::testing::http_server::{Answer, JSON, Seen, TestServer};

fn line(kind: &str, name: &str, version: &str) -> String {
    format!(
        r#"{{"type":"{kind}","object":{{"kind":"Pod","metadata":{{"name":"{name}","resourceVersion":"{version}"}}}}}}"#
    ) + "\n"
}

fn error(code: u16) -> String {
    format!(r#"{{"type":"ERROR","object":{{"kind":"Status","message":"too old","code":{code}}}}}"#) + "\n"
}

/// The updates of a watch from version 5, as words, and the requests.
async fn said(script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> (Vec<String>, Vec<Seen>) {
    let test_server = TestServer::start(script).await;
    let scope = Scope::Namespace("n".into());
    let stream = test_server.access().await.watch::<PodSummary>(&scope, Some("a=b"), None, "5".into());
    let word = |change: Result<Change<PodSummary>, Error>| match change {
        Ok(Change::Added(pod)) => format!("+{}", pod.metadata.name),
        Ok(Change::Modified(pod)) => format!("~{}", pod.metadata.name),
        Ok(Change::Deleted(pod)) => format!("-{}", pod.metadata.name),
        Ok(Change::Bookmark) => "bookmark".into(),
        Ok(Change::Interrupted(_)) => "interrupted".into(),
        Ok(Change::Relist) => "relist".into(),
        Err(error) => error.to_string(),
    };
    let said = stream.map(word).collect().await;
    (said, test_server.seen())
}

#[tokio::test]
async fn changes_arrive_in_order_until_version_expires() {
    let (said, seen) = said(|_, _| {
        let lines = [line("ADDED", "a", "6"), line("MODIFIED", "b", "7"), line("DELETED", "c", "8"), error(410)];
        Answer::ok(JSON, lines.concat())
    })
    .await;
    assert_eq!(said, ["+a", "~b", "-c", "relist"]);
    let target = &seen[0].target;
    assert!(target.starts_with("/api/v1/namespaces/n/pods?"), "{target}");
    for parameter in
        ["watch=true", "timeoutSeconds=290", "labelSelector=a%3Db", "allowWatchBookmarks=true", "resourceVersion=5"]
    {
        assert!(target.split(['?', '&']).any(|part| part == parameter), "{parameter}: {target}");
    }
    assert_eq!(seen[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn watch_continues_from_the_last_version() {
    let (said, seen) = said(|number, _| match number {
        0 => Answer::ok(JSON, line("ADDED", "a", "6")),
        1 => Answer::ok(JSON, line("BOOKMARK", "", "70")),
        // The second line is truncated and repeated by the next connection.
        2 => {
            let lines = [line("ADDED", "b", "71"), line("ADDED", "c", "72")].concat();
            Answer::Cut(JSON, lines.into_bytes()[..120].into())
        }
        3 => Answer::HangUp,
        4 => Answer::rejection(503, "later"),
        5 => Answer::ok(JSON, ""),
        6 => Answer::ok(JSON, line("ADDED", "c", "72")),
        _ => Answer::rejection(410, "too old"),
    })
    .await;
    assert_eq!(said, ["+a", "bookmark", "+b", "interrupted", "+c", "relist"]);
    let versions: Vec<&str> = seen.iter().map(|seen| seen.target.rsplit('=').next().unwrap()).collect();
    assert_eq!(versions, ["5", "6", "70", "71", "71", "71", "71", "72"]);
}

#[tokio::test]
async fn permanent_error_ends_the_watch() {
    let (words, _) = said(|_, _| Answer::rejection(403, "no")).await;
    assert_eq!(words, ["cannot watch pods in namespace \"n\": no"]);
    let (words, seen) = said(|_, _| Answer::ok(JSON, error(403))).await;
    assert_eq!(words, ["cannot watch pods in namespace \"n\": too old"]);
    assert_eq!(seen.len(), 1);
    for nonsense in ["<html>\n", "{\"type\":\"STRANGE\",\"object\":{}}\n", "{\"type\":\"ADDED\",\"object\":7}\n"] {
        let (words, seen) = said(move |_, _| Answer::ok(JSON, nonsense)).await;
        assert!(words.len() == 1 && words[0].contains("invalid response"), "{words:?}");
        assert_eq!(seen.len(), 1);
    }
}

#[tokio::test]
async fn server_error_in_the_stream_is_retried() {
    let (said, seen) = said(|number, _| match number {
        0 => Answer::ok(JSON, [line("ADDED", "a", "6"), error(504)].concat()),
        _ => Answer::ok(JSON, error(410)),
    })
    .await;
    assert_eq!(said, ["+a", "interrupted", "relist"]);
    assert_eq!(seen.len(), 2);
}

/// With a paused clock, waiting takes no time.
#[tokio::test(start_paused = true)]
async fn hanging_server_is_detected() {
    let (said, seen) = said(|number, _| match number {
        0 => Answer::Stall(JSON, line("ADDED", "a", "6").into()),
        1 => Answer::Mute,
        _ => Answer::ok(JSON, error(410)),
    })
    .await;
    assert_eq!(said, ["+a", "interrupted", "relist"]);
    assert_eq!(seen.len(), 3);
}

/// A server that ends the watch after each line, or before the first.
#[tokio::test(start_paused = true)]
async fn watches_that_end_immediately_are_delayed() {
    for bookmark in [line("BOOKMARK", "", "6"), String::new()] {
        let test_server = TestServer::start(move |_, _| Answer::ok(JSON, bookmark.clone())).await;
        let mut access = test_server.access().await;
        access.backoff = crate::cluster::backoff::Backoff::default();
        let mut watch = access.watch::<PodSummary>(&Scope::AllNamespaces, None, None, "5".into());
        let follow = async { while watch.next().await.is_some() {} };
        assert!(tokio::time::timeout(Duration::from_secs(600), follow).await.is_err());
        let requests = test_server.seen().len();
        assert!((10..60).contains(&requests), "{requests} requests in 600 s");
    }
}
