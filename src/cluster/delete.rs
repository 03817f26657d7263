//! Deletes or evicts one pod, with its uid as a precondition.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::json;

use super::access::Access;
use super::query::escaped;
use super::request::{Failure, RequestInfo};
use crate::cluster::lease::DryRun;
use crate::error::Error;

/// The time limit of a delete or eviction on the server (the parameter `timeout`, as client-go sends it: apiserver
/// `pkg/endpoints/filters/request_deadline.go`). It cannot take effect later, so a lock that is valid for this long
/// protects it.
pub(crate) const REMOVAL_LIMIT: Duration = Duration::from_secs(10);
/// The additional time for the response to arrive.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// The pod, and the preconditions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PodPrecondition<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// The uid precondition: a pod of the same name with another uid is not deleted.
    pub(crate) uid: &'a str,
    /// The resourceVersion precondition: if set, a pod that has changed is not deleted.
    pub(crate) version: Option<&'a str>,
}

/// The result of a delete or eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeleteOutcome {
    /// The API server accepted the request.
    Accepted,
    /// The pod no longer exists, or another one has its name.
    NotThere,
    /// The resourceVersion precondition failed: the pod has changed and was not deleted.
    Changed { message: String },
    /// A temporary failure: a PodDisruptionBudget, an overloaded server, a lost connection. The request may still have
    /// succeeded: observe the pod to find out.
    RetryLater {
        message: String,
        /// The server's Retry-After.
        after: Option<Duration>,
    },
    /// An admission plugin denied the request, or the server rejects it permanently.
    Denied { message: String },
}

impl Access {
    /// Deletes the pod with its own grace period. With `DryRun::Server`, nothing is deleted.
    ///
    /// # Errors
    /// Missing permissions and rejected credentials.
    pub(crate) async fn delete_pod(
        &self,
        target: PodPrecondition<'_>,
        dry_run: DryRun,
    ) -> Result<DeleteOutcome, Error> {
        let path = format!("{}?{}", path(target), self.limit());
        let body = options(target, dry_run);
        self.remove("delete", "pods", target, http::Request::delete(path), &body).await
    }

    /// Evicts the pod, which honors PodDisruptionBudgets.
    ///
    /// kube's own `Api::evict` writes `delete_options`, which the server ignores, so the precondition would be lost.
    pub(crate) async fn evict_pod(&self, target: PodPrecondition<'_>, dry_run: DryRun) -> Result<DeleteOutcome, Error> {
        let dry_run_query = if dry_run == DryRun::Server { "&dryRun=All" } else { "" };
        let path = format!("{}/eviction?{}{dry_run_query}", path(target), self.limit());
        let body = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": { "name": target.name, "namespace": target.namespace },
            "deleteOptions": options(target, dry_run),
        });
        self.remove("create", "pods/eviction", target, http::Request::post(path), &body).await
    }

    /// The `timeout` parameter of the request.
    fn limit(&self) -> String {
        let limit = self.request_timeout.map_or(REMOVAL_LIMIT, |limit| limit.min(REMOVAL_LIMIT));
        format!("timeout={}ms", limit.as_millis().max(1))
    }

    async fn remove(
        &self,
        verb: &'static str,
        resource: &str,
        target: PodPrecondition<'_>,
        request: http::request::Builder,
        body: &serde_json::Value,
    ) -> Result<DeleteOutcome, Error> {
        let subject = RequestInfo { verb, resource: resource.into(), namespace: Some(target.namespace.to_owned()) };
        let request = request.header(ACCEPT, "application/json").header(CONTENT_TYPE, "application/json");
        let request = request.body(body.to_string().into_bytes());
        let request = request.map_err(|error| self.unreachable(error.to_string()))?;
        // No retry here: the caller must observe the cluster first.
        let sent = tokio::time::timeout(REMOVAL_LIMIT + ON_ITS_WAY, self.in_time(self.send(&subject, request))).await;
        let failure = match sent {
            Ok(Ok(_)) => return Ok(DeleteOutcome::Accepted),
            Ok(Err(failure)) => failure,
            Err(_) => {
                let message = format!("the API server did not respond within {}s", REMOVAL_LIMIT.as_secs());
                return Ok(DeleteOutcome::RetryLater { message, after: None });
            }
        };
        let after = match &failure {
            Failure::Busy { after, .. } => *after,
            _ => None,
        };
        outcome(failure.into_error(), after)
    }
}

fn outcome(error: Error, after: Option<Duration>) -> Result<DeleteOutcome, Error> {
    match error {
        Error::Api { code: 404, .. } => Ok(DeleteOutcome::NotThere),
        Error::Api { code: 409, message, .. } if is_failed_precondition(&message, "UID") => Ok(DeleteOutcome::NotThere),
        Error::Api { code: 409, message, .. } if is_failed_precondition(&message, "ResourceVersion") => {
            Ok(DeleteOutcome::Changed { message })
        }
        // Other conflicts: the caller must observe the pod.
        Error::Api { code: 409 | 410 | 429 | 500.., message, .. } => Ok(DeleteOutcome::RetryLater { message, after }),
        Error::Api { message, .. } => Ok(DeleteOutcome::Denied { message }),
        // An admission plugin's denial is a 403, too. A missing permission reads `User "x" cannot delete ...`.
        Error::Forbidden { message, .. } if !message.contains(" cannot ") => Ok(DeleteOutcome::Denied { message }),
        error if error.may_pass() => Ok(DeleteOutcome::RetryLater { message: error.to_string(), after }),
        error => Err(error),
    }
}

/// Whether a precondition failed: "the UID in the precondition (…) does not match" before the delete
/// (`registry/rest/delete.go` `BeforeDelete`), "UID in precondition: …, UID in object meta: …" during it
/// (`storage/interfaces.go` `Preconditions.Check`).
fn is_failed_precondition(message: &str, what: &str) -> bool {
    message.contains(&format!("{what} in the precondition")) || message.contains(&format!("{what} in precondition"))
}

fn path(target: PodPrecondition<'_>) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", escaped(target.namespace), escaped(target.name))
}

fn options(target: PodPrecondition<'_>, dry_run: DryRun) -> serde_json::Value {
    let mut options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": { "uid": target.uid },
    });
    if let Some(version) = target.version {
        options["preconditions"]["resourceVersion"] = json!(version);
    }
    if dry_run == DryRun::Server {
        options["dryRun"] = json!(["All"]);
    }
    options
}

#[cfg(test)]
mod tests;
