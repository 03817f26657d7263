//! Removes one pod, by its name and its uid: besides the lock's Lease the only write in the program.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::json;

use super::connect::Access;
use super::list::escaped;
use super::request::{Failure, RequestInfo};
use crate::error::Error;

/// A removal that has not come through by then never will: the API server is asked to give it up (the parameter
/// `timeout`, as client-go sends it: apiserver `pkg/endpoints/filters/request_deadline.go`). A lock that is valid for this
/// long guards it to its end.
pub(crate) const REMOVAL_LIMIT: Duration = Duration::from_secs(10);
/// How much longer the answer may take.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// Which pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PodPrecondition<'a> {
    /// Its namespace.
    pub(crate) namespace: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
    /// Its uid: a pod of the same name with another uid is left alone.
    pub(crate) uid: &'a str,
    /// Its resourceVersion, where a pod that has changed since is left alone too.
    pub(crate) version: Option<&'a str>,
}

/// What became of a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeleteOutcome {
    /// The API server accepted it.
    Accepted,
    /// There is no such pod any more, or another one has its name.
    NotThere,
    /// The pod has changed since: it is left alone.
    Changed {
        /// The server's words.
        message: String,
    },
    /// Not now: a PodDisruptionBudget, a busy server, a connection that broke off. Whether it came through has to be
    /// looked at.
    RetryLater {
        /// The server's words, or what happened to the connection.
        message: String,
        /// How long the server wants to be left alone.
        after: Option<Duration>,
    },
    /// An admission plugin denies it, or the request is one that the server will never take.
    Denied {
        /// The server's words.
        message: String,
    },
}

impl Access {
    /// Deletes the pod, with its own grace period. With `is_trial` the server does everything but the deed.
    ///
    /// # Errors
    /// A lack of rights, and credentials that are not accepted.
    pub(crate) async fn delete_pod(&self, target: PodPrecondition<'_>, dry_run: bool) -> Result<DeleteOutcome, Error> {
        let path = format!("{}?{}", path(target), self.limit());
        let body = options(target, dry_run);
        self.remove("delete", "pods", target, http::Request::delete(path), &body).await
    }

    /// Evicts the pod: PodDisruptionBudgets are asked first. With `is_trial` as for a deletion.
    ///
    /// kube's own `Api::evict` writes `delete_options`, which the server does not read, so the uid would not count.
    ///
    /// # Errors
    /// As for a deletion.
    pub(crate) async fn evict_pod(&self, target: PodPrecondition<'_>, dry_run: bool) -> Result<DeleteOutcome, Error> {
        let dry_run_query = if dry_run { "&dryRun=All" } else { "" };
        let path = format!("{}/eviction?{}{dry_run_query}", path(target), self.limit());
        let body = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": { "name": target.name, "namespace": target.namespace },
            "deleteOptions": options(target, dry_run),
        });
        self.remove("create", "pods/eviction", target, http::Request::post(path), &body).await
    }

    /// How long the API server may work on a removal.
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
        // Never tried again here: who asked for it looks at the cluster first.
        let sent = tokio::time::timeout(REMOVAL_LIMIT + ON_ITS_WAY, self.in_time(self.send(&subject, request))).await;
        let failure = match sent {
            Ok(Ok(_)) => return Ok(DeleteOutcome::Accepted),
            Ok(Err(failure)) => failure,
            Err(_) => {
                let message = format!("the API server did not answer within {} s", REMOVAL_LIMIT.as_secs());
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
        // Of every other conflict: what is there has to be looked at.
        Error::Api { code: 409 | 410 | 429 | 500.., message, .. } => Ok(DeleteOutcome::RetryLater { message, after }),
        Error::Api { message, .. } => Ok(DeleteOutcome::Denied { message }),
        // The one who may not is told apart from the one whose request was looked at and denied.
        Error::Forbidden { message, .. } if !message.contains(" cannot ") => Ok(DeleteOutcome::Denied { message }),
        error if error.may_pass() => Ok(DeleteOutcome::RetryLater { message: error.to_string(), after }),
        error => Err(error),
    }
}

/// Whether a precondition did not hold: "the UID in the precondition (…) does not match" before the deed
/// (`registry/rest/delete.go` `BeforeDelete`), "UID in precondition: …, UID in object meta: …" within it
/// (`storage/interfaces.go` `Preconditions.Check`).
fn is_failed_precondition(message: &str, what: &str) -> bool {
    message.contains(&format!("{what} in the precondition")) || message.contains(&format!("{what} in precondition"))
}

fn path(target: PodPrecondition<'_>) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", escaped(target.namespace), escaped(target.name))
}

fn options(target: PodPrecondition<'_>, dry_run: bool) -> serde_json::Value {
    let mut options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": { "uid": target.uid },
    });
    if let Some(version) = target.version {
        options["preconditions"]["resourceVersion"] = json!(version);
    }
    if dry_run {
        options["dryRun"] = json!(["All"]);
    }
    options
}

#[cfg(test)]
mod tests;
