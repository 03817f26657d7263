//! The log of a container as a stream: it is never in memory as a whole.
//!
//! Upstream: `staging/src/k8s.io/api/core/v1/types.go` `PodLogOptions`; `pkg/registry/core/pod/rest/log.go`.

use std::fmt::Write;

use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::client::Body;

use super::access::Access;
use super::query::escaped;
use super::request::{Failure, RequestInfo, Retries};
use crate::error::Error;

/// From when a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// A number of seconds ago.
    Seconds(u64),
    Time(Timestamp),
}

/// `v1.PodLogOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogQuery {
    pub(crate) container: String,
    pub(crate) follow: bool,
    pub(crate) previous: bool,
    pub(crate) since: Option<Since>,
    pub(crate) tail_lines: Option<u64>,
    pub(crate) limit_bytes: Option<u64>,
    /// Each line is led by its time.
    pub(crate) timestamps: bool,
}

impl LogQuery {
    fn path(&self, namespace: &str, pod: &str) -> String {
        let container = escaped(&self.container);
        let mut path =
            format!("/api/v1/namespaces/{}/pods/{}/log?container={container}", escaped(namespace), escaped(pod));
        for (name, is_set) in [("follow", self.follow), ("previous", self.previous), ("timestamps", self.timestamps)] {
            if is_set {
                path += &format!("&{name}=true");
            }
        }
        // Writing to a String never fails.
        let _ = match self.since {
            Some(Since::Seconds(seconds)) => write!(path, "&sinceSeconds={seconds}"),
            Some(Since::Time(time)) => write!(path, "&sinceTime={}", escaped(&time.to_string())),
            None => Ok(()),
        };
        for (name, number) in [("tailLines", self.tail_lines), ("limitBytes", self.limit_bytes)] {
            if let Some(number) = number {
                path += &format!("&{name}={number}");
            }
        }
        path
    }
}

/// An open log.
pub(crate) struct LogStream {
    body: Body,
    access: Access,
}

impl LogStream {
    /// The next bytes, passed on as they are received; `false` at the end of the log.
    ///
    /// # Errors
    /// The connection was lost.
    pub(crate) async fn next(&mut self, take: impl FnOnce(&[u8])) -> Result<bool, Error> {
        match self.body.frame().await {
            None => Ok(false),
            Some(Err(error)) => Err(self.access.broke_off(&error).into_error()),
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    take(bytes);
                }
                Ok(true)
            }
        }
    }
}

impl Access {
    /// Opens a log, and retries while the API server is overloaded. `--request-timeout` limits the time until the log
    /// begins, not the time for which it is followed.
    ///
    /// # Errors
    /// [`Error::Api`] if the pod or its log does not exist, or if its kubelet fails; [`Error::Forbidden`] without
    /// permission.
    pub(crate) async fn open_log(&self, namespace: &str, pod: &str, query: &LogQuery) -> Result<LogStream, Error> {
        let subject = RequestInfo { verb: "get", resource: "pods/log".into(), namespace: Some(namespace.to_owned()) };
        let path = query.path(namespace, pod);
        let mut retries = Retries::new(self.backoff);
        self.in_time(async {
            loop {
                let request = http::Request::get(&path).body(Vec::new());
                let request = request.map_err(|error| self.unreachable(error.to_string()))?;
                match self.send(&subject, request).await {
                    Ok(answer) => return Ok(LogStream { body: answer.into_body(), access: self.clone() }),
                    Err(failure @ (Failure::Busy { .. } | Failure::Broken(_))) => retries.after(failure).await?,
                    Err(failure) => return Err(failure.into_error()),
                }
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::http_server::{Answer, Seen, TestServer};

    async fn read(stream: &mut LogStream) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while stream.next(|bytes| all.extend_from_slice(bytes)).await? {}
        Ok(all)
    }

    #[test]
    fn query_has_the_options_of_the_api() {
        let query = LogQuery {
            container: "a b".into(),
            follow: true,
            previous: true,
            since: Some(Since::Time("2026-01-02T12:00:00.5+01:00".parse().unwrap())),
            tail_lines: Some(3),
            limit_bytes: Some(9),
            timestamps: true,
        };
        let expected = "/api/v1/namespaces/n/pods/p/log?container=a%20b&follow=true&previous=true&timestamps=true\
                        &sinceTime=2026-01-02T11%3A00%3A00.5Z&tailLines=3&limitBytes=9";
        assert_eq!(query.path("n", "p"), expected);
        let query = LogQuery { since: Some(Since::Seconds(60)), ..LogQuery::default() };
        assert!(query.path("n", "p").ends_with("/log?container=&sinceSeconds=60"));
    }

    #[tokio::test]
    async fn log_is_read_as_it_arrives() {
        let server = TestServer::start(|_, seen: &Seen| match seen.target.contains("/pods/cut/") {
            true => Answer::Cut("text/plain", b"one\ntw".to_vec()),
            false => Answer::ok("text/plain", "one\ntwo\n"),
        })
        .await;
        let access = server.access().await;
        let mut log = access.open_log("n", "p", &LogQuery::default()).await.unwrap();
        assert_eq!(read(&mut log).await.unwrap(), b"one\ntwo\n");
        let mut log = access.open_log("n", "cut", &LogQuery::default()).await.unwrap();
        assert!(matches!(read(&mut log).await, Err(Error::Unreachable { .. })));
    }

    #[tokio::test]
    async fn overloaded_server_is_asked_again_and_a_failing_kubelet_is_not() {
        let server = TestServer::start(|number, seen: &Seen| match (seen.target.contains("/pods/dead/"), number) {
            (true, _) => Answer::rejection(500, "Get \"https://10.0.0.1:10250/\": dial tcp: connection refused"),
            (false, 0) => Answer::rejection(429, "too many requests"),
            (false, _) => Answer::ok("text/plain", "x"),
        })
        .await;
        let access = server.access().await;
        let mut log = access.open_log("n", "p", &LogQuery::default()).await.unwrap();
        assert_eq!(read(&mut log).await.unwrap(), b"x");
        let asked = server.seen().len();
        let error = access.open_log("n", "dead", &LogQuery::default()).await.err().unwrap();
        assert!(matches!(error, Error::Api { code: 500, .. }));
        assert_eq!(server.seen().len(), asked + 1);
    }
}
