//! What changes after a list.
//!
//! A watch outlives its connections: the server ends each after some minutes, and the next one goes on from the
//! last resourceVersion that came. Only where the server has forgotten that one does the watch end, with
//! [`Change::Relist`].
//!
//! The rules: client-go `tools/cache/reflector.go`.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};
use http_body_util::BodyExt;
use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Request, WatchParams};
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::connect::Access;
use super::json::Tree;
use super::list::{Query, Scope};
use super::request::{Failure, Status, root_cause};
use crate::error::Error;
use crate::snapshot::{Node, PodSummary};

/// The server is asked to end each connection after this many seconds.
const LIFETIME: u32 = 290;
/// The server sends a bookmark every minute; a connection that brings nothing for so long is dead.
const SILENCE: Duration = Duration::from_secs(90);
/// A server that hangs takes connections and never answers.
const OPENING: Duration = Duration::from_secs(15);
/// A connection that lasted less long counts as one that failed, whatever it brought: a server that ends each connection
/// after its first line would be asked without a pause.
const STEADY: Duration = Duration::from_secs(5);
/// A longer line is no object: etcd holds none of this size.
const LONGEST_LINE: usize = 32 << 20;

/// A kind that can be watched.
pub(crate) trait ApiKind: DeserializeOwned + Send + 'static {
    /// `v1`, `apps/v1`.
    const GROUP_VERSION: &'static str;
    /// Its name in a path.
    const PLURAL: &'static str;

    /// Reads one that has changed.
    fn read(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }
}

impl ApiKind for PodSummary {
    const GROUP_VERSION: &'static str = "v1";
    const PLURAL: &'static str = "pods";
}

impl ApiKind for Node {
    const GROUP_VERSION: &'static str = "v1";
    const PLURAL: &'static str = "nodes";
}

impl ApiKind for DaemonSet {
    const GROUP_VERSION: &'static str = Self::API_VERSION;
    const PLURAL: &'static str = Self::URL_PATH_SEGMENT;

    fn read(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text).map(|Tree(object)| object)
    }
}

impl ApiKind for ControllerRevision {
    const GROUP_VERSION: &'static str = Self::API_VERSION;
    const PLURAL: &'static str = Self::URL_PATH_SEGMENT;

    fn read(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text).map(|Tree(object)| object)
    }
}

impl ApiKind for Event {
    const GROUP_VERSION: &'static str = Self::API_VERSION;
    const PLURAL: &'static str = Self::URL_PATH_SEGMENT;
}

/// Something that a watch has to say.
#[derive(Debug)]
pub(crate) enum Change<T> {
    /// The object is new, or matches the selectors now.
    Added(T),
    /// The object is different.
    Modified(T),
    /// The object is gone, or does not match the selectors any more; this is its last state.
    Deleted(T),
    /// Nothing has changed up to now.
    Bookmark,
    /// The connection is lost, for this reason. The watch takes itself up again; changes come late.
    Interrupted(Error),
    /// Changes have been missed: list anew, and watch from there. The last thing that a watch says.
    Relist,
}

impl Access {
    /// Watches a kind from the moment that `resource_version` names, which a list gave. The stream ends after
    /// [`Change::Relist`] and after an error, and otherwise never.
    ///
    /// # Errors
    /// What will not pass by itself: no rights, no such kind, an answer that is none. Everything else is
    /// [`Change::Interrupted`].
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
            is_told: false,
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

/// A watch between two changes.
struct Watch {
    access: Access,
    query: Query,
    /// Of the last change that came.
    resource_version: String,
    /// The connection, if there is one.
    lines: Option<Lines>,
    /// Connections in a row that failed, or lasted less than [`STEADY`].
    failures: u32,
    /// The outage was said.
    is_told: bool,
    ended: bool,
}

/// A line of an answer.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// As much of an object as its version.
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
                    self.is_told = false;
                    return Ok(change);
                }
                // The server ended the connection. One that brought nothing may be one that never will.
                Ok(None) => self.lost(),
                Err(Failure::Gone(_)) => return Ok(Change::Relist),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Broken(error) | Failure::Busy { error, .. }) => {
                    self.lost();
                    // One word for each time that it goes away is enough.
                    if !std::mem::replace(&mut self.is_told, true) {
                        return Ok(Change::Interrupted(error));
                    }
                }
            }
        }
    }

    /// The connection is over; how long it lasted decides how soon the next one is opened.
    fn lost(&mut self) {
        if self.lines.take().is_some_and(|lines| lines.opened.elapsed() >= STEADY) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// The next line; `None` where the connection came to its end.
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
                let message = format!("it holds a change of the unknown type {other:?}");
                return Err(self.access.bad_answer(&self.query.subject, message));
            }
        };
        self.resource_version = version.metadata.resource_version;
        Ok(change)
    }
}

/// A connection, line by line.
struct Lines {
    body: Body,
    opened: Instant,
    /// What came after the last whole line.
    held: Vec<u8>,
    /// So much of it holds no end of a line.
    searched: usize,
}

impl Lines {
    /// Connects. `--request-timeout` is for the head: the rest is meant to last.
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
        // Since 1.37 each event may be packed on its own, and kube 5.0.0 unpacks only the first.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let answer = access.in_time(access.send(&query.subject, request));
        let Ok(answer) = tokio::time::timeout(OPENING, answer).await else {
            let cause = format!("it does not answer within {} s", OPENING.as_secs());
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
                return Err(access.bad_answer(&query.subject, "a line of it has no end".into()));
            }
            match tokio::time::timeout(SILENCE, self.body.frame()).await {
                // What is held then is no whole line: it comes again.
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
