//! Watches the changes after a list.
//!
//! A watch uses several connections: the server ends each after some minutes, and the next one continues from the last
//! resourceVersion. The watch ends only when that resourceVersion has expired, with [`Change::Relist`].
//!
//! The rules: client-go `tools/cache/reflector.go`.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};
use http_body_util::BodyExt;
use kube::api::{Request, WatchParams};
use kube::client::Body;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::access::Access;
use super::api_kind::ApiKind;
use super::query::{Query, Scope};
use super::request::{Failure, Status, root_cause};
use crate::error::Error;

/// The requested lifetime of a connection, in seconds.
const LIFETIME: u32 = 290;
/// A connection without data for this long counts as dead: the server sends a bookmark every minute.
const SILENCE: Duration = Duration::from_secs(90);
/// The time limit for the response head: a hanging server accepts connections but never responds.
const OPENING: Duration = Duration::from_secs(15);
/// A shorter connection counts as failed, even if it delivered changes. Otherwise a server that ends each connection
/// after its first line would be reconnected without a delay.
const STEADY: Duration = Duration::from_secs(5);
/// The maximum length of a line, in bytes: etcd stores no object of this size.
const LONGEST_LINE: usize = 32 << 20;

/// An update of a watch.
#[derive(Debug)]
pub(crate) enum Change<T> {
    /// The object is new, or now matches the selectors.
    Added(T),
    /// The object has changed.
    Modified(T),
    /// The object was deleted, or no longer matches the selectors; this is its last state.
    Deleted(T),
    /// Nothing has changed.
    Bookmark,
    /// The connection was lost. The watch reconnects; changes arrive late.
    Interrupted(Error),
    /// Changes were missed: list again and start a new watch. The last update of a watch.
    Relist,
}

impl Access {
    /// Watches a kind from the `resource_version` of a list. The stream ends only after [`Change::Relist`] or an error.
    ///
    /// # Errors
    /// Any error that a retry cannot fix: missing permissions, an unknown kind, an invalid response. Other errors are
    /// reported as [`Change::Interrupted`].
    pub(crate) fn watch<T: ApiKind>(
        &self,
        scope: &Scope,
        label_selector: Option<&str>,
        field_selector: Option<&str>,
        resource_version: String,
    ) -> BoxStream<'static, Result<Change<T>, Error>> {
        let mut query = Query::new("watch", T::GROUP_VERSION, T::PLURAL, scope);
        query.label_selector = label_selector.map(str::to_owned);
        query.field_selector = field_selector.map(str::to_owned);
        let watch = Watch {
            access: self.clone(),
            query,
            resource_version,
            lines: None,
            failures: 0,
            is_reported: false,
            ended: false,
        };
        stream::unfold(watch, async |mut watch| {
            if watch.ended {
                return None;
            }
            let next = watch.next::<T>().await;
            watch.ended = matches!(next, Ok(Change::Relist) | Err(_));
            Some((next, watch))
        })
        .boxed()
    }
}

/// The state of a watch between two updates.
struct Watch {
    access: Access,
    query: Query,
    /// The resourceVersion of the last update.
    resource_version: String,
    /// The current connection.
    lines: Option<Lines>,
    /// The number of consecutive connections that failed or lasted less than [`STEADY`].
    failures: u32,
    /// Whether the outage was reported.
    is_reported: bool,
    ended: bool,
}

/// A line of a response.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// The resourceVersion of an object.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Versioned {
    metadata: Version,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Version {
    resource_version: String,
}

impl Watch {
    async fn next<T: ApiKind>(&mut self) -> Result<Change<T>, Error> {
        loop {
            match self.line().await.and_then(|line| line.map(|line| self.read(&line)).transpose()) {
                Ok(Some(change)) => {
                    self.is_reported = false;
                    return Ok(change);
                }
                // The server ended the connection.
                Ok(None) => self.lost(),
                Err(Failure::Gone(_)) => return Ok(Change::Relist),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Broken(error) | Failure::Busy { error, .. }) => {
                    self.lost();
                    // Each outage is reported once.
                    if !std::mem::replace(&mut self.is_reported, true) {
                        return Ok(Change::Interrupted(error));
                    }
                }
            }
        }
    }

    /// Handles the end of a connection. Its duration determines the delay before the next one.
    fn lost(&mut self) {
        if self.lines.take().is_some_and(|lines| lines.opened.elapsed() >= STEADY) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// The next line; `None` at the end of the connection.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let lines = match &mut self.lines {
            Some(lines) => lines,
            None => {
                if self.failures > 0 {
                    tokio::time::sleep(self.access.backoff.wait(self.failures)).await;
                }
                let lines = Lines::open(&self.access, &self.query, &self.resource_version).await?;
                self.lines.insert(lines)
            }
        };
        lines.next(&self.access, &self.query).await
    }

    fn read<T: ApiKind>(&mut self, line: &[u8]) -> Result<Change<T>, Failure> {
        let bad = |error: serde_json::Error| self.access.bad_answer(&self.query.subject, error.to_string());
        let Line { kind, object } = serde_json::from_slice(line).map_err(bad)?;
        if kind == "ERROR" {
            let status: Status = serde_json::from_str(object.get()).map_err(bad)?;
            let code = u16::try_from(status.code).unwrap_or_default();
            let error = self.access.rejection(&self.query.subject, code, status.message);
            return Err(Failure::by_code(code, error, None));
        }
        let version: Versioned = serde_json::from_str(object.get()).map_err(bad)?;
        let whole = || T::read(object.get().as_bytes()).map_err(bad);
        let change = match kind {
            "ADDED" => Change::Added(whole()?),
            "MODIFIED" => Change::Modified(whole()?),
            "DELETED" => Change::Deleted(whole()?),
            "BOOKMARK" => Change::Bookmark,
            other => {
                let message = format!("unknown event type {other:?}");
                return Err(self.access.bad_answer(&self.query.subject, message));
            }
        };
        self.resource_version = version.metadata.resource_version;
        Ok(change)
    }
}

/// A connection, read line by line.
struct Lines {
    body: Body,
    opened: Instant,
    /// The bytes after the last complete line.
    held: Vec<u8>,
    /// The length of the prefix of `held` that contains no newline.
    searched: usize,
}

impl Lines {
    /// Connects. `--request-timeout` applies to the response head only, because the body is long-lived.
    async fn open(access: &Access, query: &Query, resource_version: &str) -> Result<Self, Failure> {
        let parameters = WatchParams {
            label_selector: query.label_selector.clone(),
            field_selector: query.field_selector.clone(),
            timeout: Some(LIFETIME),
            bookmarks: true,
            ..WatchParams::default()
        };
        let request = Request::new(&query.path).watch(&parameters, resource_version);
        let mut request = request.map_err(|error| Failure::Final(access.unreachable(root_cause(&error))))?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        // Since 1.37 each event may be compressed separately, and kube 5.0.0 decompresses only the first.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let answer = access.in_time(access.send(&query.subject, request));
        let Ok(answer) = tokio::time::timeout(OPENING, answer).await else {
            let cause = format!("no response within {}s", OPENING.as_secs());
            return Err(Failure::Broken(access.unreachable(cause)));
        };
        let answer = answer?;
        Ok(Self { body: answer.into_body(), opened: Instant::now(), held: Vec::new(), searched: 0 })
    }

    async fn next(&mut self, access: &Access, query: &Query) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if let Some(length) = self.held[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.held.drain(..=self.searched + length).collect();
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.held.len();
            if self.searched > LONGEST_LINE {
                return Err(access.bad_answer(&query.subject, "a line is too long".into()));
            }
            match tokio::time::timeout(SILENCE, self.body.frame()).await {
                // The held bytes are an incomplete line, which the next connection repeats.
                Ok(None) | Err(_) => return Ok(None),
                Ok(Some(Err(error))) => return Err(access.broke_off(&error)),
                Ok(Some(Ok(frame))) => {
                    self.held.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
