//! Reads and writes one Lease with optimistic concurrency.
//!
//! An update carries the uid and the resourceVersion of the Lease as it was read: without the uid, a `PUT` would
//! recreate a deleted Lease (`pkg/registry/coordination/lease/strategy.go` `AllowCreateOnUpdate`).

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

use super::access::Access;
use super::query::escaped;
use super::request::{Failure, RequestInfo, read_body_prefix};
use crate::error::Error;

/// The time limit of a request, independent of `--request-timeout`: a late renewal is useless.
const LIMIT: Duration = Duration::from_secs(10);

/// Whether a write is a dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DryRun {
    /// The API server validates the request without persisting it.
    Server,
    /// The API server persists the request.
    None,
}

/// The result of a write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Written<T> {
    /// The write was persisted.
    Done(T),
    /// Another client changed, created or deleted the Lease in the meantime.
    Conflict,
}

impl Access {
    /// Reads the Lease; `None` if it does not exist.
    ///
    /// # Errors
    /// Any error except 404. The request is not retried.
    pub(crate) async fn lease(&self, namespace: &str, name: &str) -> Result<Option<Lease>, Error> {
        let request = http::Request::get(path(namespace, Some(name)));
        match self.lease_request("get", namespace, request, Vec::new()).await {
            Ok(lease) => Ok(Some(lease)),
            Err(Error::Api { code: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates the Lease.
    ///
    /// # Errors
    /// Any error except a conflict. A write without a response may have succeeded: read the Lease to find out.
    pub(crate) async fn create_lease(
        &self,
        namespace: &str,
        lease: &Lease,
        dry_run: DryRun,
    ) -> Result<Written<Lease>, Error> {
        let request = http::Request::post(path(namespace, None) + query(dry_run));
        written(self.lease_request("create", namespace, request, body(lease)?).await)
    }

    /// Replaces the Lease that was read, with its uid and resourceVersion.
    pub(crate) async fn replace_lease(
        &self,
        namespace: &str,
        lease: &Lease,
        dry_run: DryRun,
    ) -> Result<Written<Lease>, Error> {
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        let request = http::Request::put(path(namespace, Some(name)) + query(dry_run));
        written(self.lease_request("update", namespace, request, body(lease)?).await)
    }

    /// Deletes the Lease as it was read.
    pub(crate) async fn delete_lease(&self, namespace: &str, lease: &Lease) -> Result<Written<()>, Error> {
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": { "uid": lease.metadata.uid, "resourceVersion": lease.metadata.resource_version },
        });
        let request = http::Request::delete(path(namespace, Some(name)));
        let outcome = self.lease_answer("delete", namespace, request, options.to_string().into_bytes()).await;
        written(outcome.map(|_| ()).map_err(Failure::into_error))
    }

    async fn lease_request(
        &self,
        verb: &'static str,
        namespace: &str,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<Lease, Error> {
        let outcome = async {
            let text = self.lease_answer(verb, namespace, request, body).await?;
            serde_json::from_slice(&text).map_err(|error| self.bad_answer(&subject(verb, namespace), error.to_string()))
        };
        outcome.await.map_err(Failure::into_error)
    }

    async fn lease_answer(
        &self,
        verb: &'static str,
        namespace: &str,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        let subject = subject(verb, namespace);
        let request = request.header(ACCEPT, "application/json").header(CONTENT_TYPE, "application/json").body(body);
        let request = request.map_err(|error| Failure::Final(self.unreachable(error.to_string())))?;
        let answer = self.in_time(async {
            let answer = self.send(&subject, request).await?;
            Ok(read_body_prefix(answer.into_body()).await)
        });
        tokio::time::timeout(LIMIT, answer).await.unwrap_or_else(|_| {
            Err(Failure::Final(Error::Timeout { server: self.server.clone(), seconds: LIMIT.as_secs_f64() }))
        })
    }
}

fn subject(verb: &'static str, namespace: &str) -> RequestInfo {
    RequestInfo { verb, resource: "leases.coordination.k8s.io".into(), namespace: Some(namespace.to_owned()) }
}

fn path(namespace: &str, name: Option<&str>) -> String {
    let name = name.map(|name| format!("/{}", escaped(name))).unwrap_or_default();
    format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases{name}", escaped(namespace))
}

fn query(dry_run: DryRun) -> &'static str {
    match dry_run {
        DryRun::Server => "?dryRun=All",
        DryRun::None => "",
    }
}

fn body(lease: &Lease) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(lease).map_err(|error| Error::Output(error.into()))
}

fn written<T>(outcome: Result<T, Error>) -> Result<Written<T>, Error> {
    match outcome {
        Ok(value) => Ok(Written::Done(value)),
        Err(Error::Api { code: 404 | 409 | 410, .. }) => Ok(Written::Conflict),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
