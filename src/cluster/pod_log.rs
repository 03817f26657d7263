//! The end of a container's log.

use std::time::Duration;

use super::access::Access;
use super::query::escaped;
use super::request::{Failure, RequestInfo};
use crate::error::Error;

/// The number of lines.
const LINES: usize = 3;
/// The most bytes that are read: three lines of the usual length.
const BYTES: usize = 4096;
/// A kubelet that is not reachable must not delay the answer.
const PATIENCE: Duration = Duration::from_secs(3);

impl Access {
    /// The last lines that the previous run of a container wrote; empty if there is no log, or if the kubelet does not
    /// answer in time.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without permission.
    pub(crate) async fn previous_log(&self, namespace: &str, pod: &str, container: &str) -> Result<Vec<String>, Error> {
        let subject = RequestInfo { verb: "get", resource: "pods/log".into(), namespace: Some(namespace.to_owned()) };
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&previous=true&tailLines={LINES}&limitBytes={BYTES}",
            escaped(namespace),
            escaped(pod),
            escaped(container)
        );
        match tokio::time::timeout(PATIENCE, self.text(&subject, &path)).await {
            Ok(Ok(text)) => Ok(last_lines(&text)),
            Ok(Err(error @ Error::Forbidden { .. })) => Err(error),
            // There is no previous run, its log was removed, or the kubelet does not answer.
            Ok(Err(_)) | Err(_) => Ok(Vec::new()),
        }
    }

    async fn text(&self, subject: &RequestInfo, path: &str) -> Result<Vec<u8>, Error> {
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(|error| self.unreachable(error.to_string()))?;
        let mut text = Vec::new();
        let answer = self.send(subject, request).await.map_err(Failure::into_error)?;
        self.frames(answer.into_body(), |frame| {
            let room = BYTES.saturating_sub(text.len());
            text.extend_from_slice(&frame[..frame.len().min(room)]);
            Ok(())
        })
        .await
        .map_err(Failure::into_error)?;
        Ok(text)
    }
}

fn last_lines(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::http_server::{Answer, Seen, TestServer};

    #[tokio::test]
    async fn previous_log_is_read_to_its_last_lines() {
        let server = TestServer::start(|_, seen: &Seen| match seen.target.contains("/pods/p/") {
            true => Answer::ok("text/plain", "one\ntwo\nthree\nfour\n"),
            false => Answer::rejection(400, "previous terminated container not found"),
        })
        .await;
        let access = server.access().await;
        assert_eq!(access.previous_log("n", "p", "main").await.unwrap(), ["two", "three", "four"]);
        let path = "/api/v1/namespaces/n/pods/p/log?container=main&previous=true&tailLines=3&limitBytes=4096";
        assert_eq!(server.seen().last().unwrap().target, path);
        assert!(access.previous_log("n", "other", "main").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn previous_log_is_bounded_and_missing_permissions_are_errors() {
        let server = TestServer::start(|_, seen: &Seen| match seen.target.contains("/pods/p/") {
            true => Answer::ok("text/plain", "x".repeat(100_000)),
            false => Answer::rejection(403, "pods is forbidden"),
        })
        .await;
        let access = server.access().await;
        assert_eq!(access.previous_log("n", "p", "main").await.unwrap()[0].len(), BYTES);
        assert!(matches!(access.previous_log("n", "q", "main").await, Err(Error::Forbidden { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn kubelet_that_does_not_answer_costs_three_seconds() {
        let server = TestServer::start(|_, _| Answer::Mute).await;
        let access = server.access().await;
        assert!(access.previous_log("n", "p", "main").await.unwrap().is_empty());
    }

    #[test]
    fn last_lines_are_kept_without_empty_ones() {
        assert_eq!(last_lines(b"a\n\nb\r\nc\nd\n\n"), ["b", "c", "d"]);
        assert_eq!(last_lines(b"\xffx"), ["\u{fffd}x"]);
        assert!(last_lines(b"").is_empty());
    }
}
