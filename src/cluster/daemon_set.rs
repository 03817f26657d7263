//! Reads and patches one DaemonSet as JSON, so that fields that this program does not know are kept.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::Value;

use super::access::Access;
use super::lease::{DryRun, Written};
use super::query::escaped;
use super::request::{Failure, RequestInfo};
use crate::error::Error;

/// The time limit of a patch on the server (the parameter `timeout`: apiserver
/// `pkg/endpoints/filters/request_deadline.go`). It cannot take effect later, so a lock that is valid for this long
/// protects it.
pub(crate) const PATCH_LIMIT: Duration = Duration::from_secs(8);
/// The additional time for the response to arrive.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// The name under which the API server records the changed fields in `managedFields`.
const FIELD_MANAGER: &str = "kubectl-ds";

/// The media type of an RFC 7386 patch.
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
/// The media type of a strategic merge patch.
pub(crate) const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";

impl Access {
    /// Reads a DaemonSet; `None` if it does not exist.
    ///
    /// # Errors
    /// Any error except 404.
    pub(crate) async fn daemon_set(&self, namespace: &str, name: &str) -> Result<Option<Value>, Error> {
        let request = http::Request::get(path(namespace, name));
        match self.daemon_set_request("get", namespace, request, Vec::new()).await {
            Ok(object) => Ok(Some(object)),
            Err(Error::Api { code: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Patches a DaemonSet. `media_type` says how the server merges the patch. A `metadata.resourceVersion` in the patch
    /// is a precondition.
    ///
    /// # Errors
    /// Any error except a conflict. A patch without a response may have succeeded: read the DaemonSet to find out.
    pub(crate) async fn patch_daemon_set(
        &self,
        namespace: &str,
        name: &str,
        media_type: &'static str,
        patch: &Value,
        dry_run: DryRun,
    ) -> Result<Written<Value>, Error> {
        let dry_run = if dry_run == DryRun::Server { "&dryRun=All" } else { "" };
        let limit = self.request_timeout.map_or(PATCH_LIMIT, |limit| limit.min(PATCH_LIMIT)).as_millis().max(1);
        let query = format!("?fieldManager={FIELD_MANAGER}&timeout={limit}ms{dry_run}");
        let request = http::Request::patch(path(namespace, name) + &query).header(CONTENT_TYPE, media_type);
        match self.daemon_set_request("patch", namespace, request, patch.to_string().into_bytes()).await {
            Ok(object) => Ok(Written::Done(object)),
            Err(Error::Api { code: 409, .. }) => Ok(Written::Conflict),
            Err(error) => Err(error),
        }
    }

    async fn daemon_set_request(
        &self,
        verb: &'static str,
        namespace: &str,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<Value, Error> {
        let subject = RequestInfo { verb, resource: "daemonsets".into(), namespace: Some(namespace.to_owned()) };
        let request = request.header(ACCEPT, "application/json").body(body);
        let request = request.map_err(|error| self.unreachable(error.to_string()))?;
        // No retry here: the caller must read the object first.
        let answer = self.in_time(async {
            let body = self.send(&subject, request).await?.into_body();
            let text = self.whole(&subject, body).await?;
            serde_json::from_slice(&text).map_err(|error| self.bad_answer(&subject, error.to_string()))
        });
        let limit = PATCH_LIMIT + ON_ITS_WAY;
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(Failure::into_error),
            Err(_) => Err(Error::Timeout { server: self.server.clone(), seconds: limit.as_secs_f64() }),
        }
    }
}

fn path(namespace: &str, name: &str) -> String {
    format!("/apis/apps/v1/namespaces/{}/daemonsets/{}", escaped(namespace), escaped(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_change_the_path() {
        assert_eq!(path("ns", "agent"), "/apis/apps/v1/namespaces/ns/daemonsets/agent");
        assert_eq!(path("..", "a/b?c"), "/apis/apps/v1/namespaces/%2E%2E/daemonsets/a%2Fb%3Fc");
    }
}
