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
    use super::*;

    #[test]
    fn last_lines_are_kept_without_empty_ones() {
        assert_eq!(last_lines(b"a\n\nb\r\nc\nd\n\n"), ["b", "c", "d"]);
        assert_eq!(last_lines(b"\xffx"), ["\u{fffd}x"]);
        assert!(last_lines(b"").is_empty());
    }
}
