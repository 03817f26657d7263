//! Cordons and uncordons a node with optimistic concurrency, and marks it with a label, so that only a node that this
//! program has cordoned is uncordoned.
//!
//! Upstream: `k8s.io/kubectl/pkg/drain/cordon.go` `PatchOrReplace`: a cordon sets `spec.unschedulable`; the node
//! lifecycle controller adds the taint.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};

use super::access::Access;
use super::lease::DryRun;
use super::query::{Scope, escaped};
use super::request::{Failure, RequestInfo};
use crate::error::Error;

/// The field manager of the changes. A node whose `spec.unschedulable` has another manager was cordoned by others since.
const FIELD_MANAGER: &str = "kubectl-ds-cycle";

/// How often a change is tried if the node changes at the same time.
const TRIES: usize = 5;
/// The time limit of a request.
const LIMIT: Duration = Duration::from_secs(10);

/// The label on a node that is cordoned by this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CordonLabel {
    pub(crate) key: &'static str,
    pub(crate) value: String,
}

/// The result of a cordon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cordoned {
    /// The node has the label: it was cordoned now, or by an earlier run.
    Own,
    /// The node was already cordoned by something else, and was not changed.
    Foreign,
    /// A cycle of another DaemonSet has cordoned the node, and will uncordon it. The node was not changed.
    OtherCycle,
    /// The node does not exist.
    Gone,
}

impl Access {
    /// Cordons the node and adds the label, unless it is already cordoned.
    ///
    /// # Errors
    /// Missing permissions, connection errors, and a node that changes all the time.
    pub(crate) async fn cordon(&self, node: &str, label: &CordonLabel, dry_run: DryRun) -> Result<Cordoned, Error> {
        for _ in 0..TRIES {
            let Some(found) = self.get::<Node>(&Scope::Cluster, node).await? else { return Ok(Cordoned::Gone) };
            if found.spec.as_ref().is_some_and(|spec| spec.unschedulable == Some(true)) {
                return Ok(match (is_own_cordon(&found), label_of(&found, label.key)) {
                    (true, Some(value)) if *value == label.value => Cordoned::Own,
                    (true, Some(_)) => Cordoned::OtherCycle,
                    (true, None) | (false, _) => Cordoned::Foreign,
                });
            }
            let patch =
                json!({ "metadata": { "labels": { label.key: label.value } }, "spec": { "unschedulable": true } });
            if self.patch_node(&found, patch, dry_run).await? {
                return Ok(Cordoned::Own);
            }
        }
        Err(self.keeps_changing(node))
    }

    /// Removes the label from the node, and uncordons it if this program has cordoned it. Returns whether it was
    /// uncordoned: a node that others have uncordoned or cordoned since stays as it is.
    ///
    /// # Errors
    /// As [`Self::cordon`].
    pub(crate) async fn uncordon(&self, node: &str, label: &CordonLabel) -> Result<bool, Error> {
        for _ in 0..TRIES {
            let Some(found) = self.get::<Node>(&Scope::Cluster, node).await? else { return Ok(false) };
            if label_of(&found, label.key) != Some(&label.value) {
                return Ok(false);
            }
            let is_own = is_own_cordon(&found);
            let mut patch = json!({ "metadata": { "labels": { label.key: null } } });
            if is_own {
                patch["spec"] = json!({ "unschedulable": null });
            }
            if self.patch_node(&found, patch, DryRun::None).await? {
                return Ok(is_own);
            }
        }
        Err(self.keeps_changing(node))
    }

    /// Patches the node as it was read. Returns `false` if it has changed since.
    async fn patch_node(&self, node: &Node, mut patch: Value, dry_run: DryRun) -> Result<bool, Error> {
        patch["metadata"]["resourceVersion"] = json!(node.metadata.resource_version);
        let query = if dry_run == DryRun::Server { "&dryRun=All" } else { "" };
        let request = http::Request::patch(format!(
            "/api/v1/nodes/{}?fieldManager={FIELD_MANAGER}{query}",
            escaped(node.metadata.name.as_deref().unwrap_or_default())
        ));
        match self.patch_request(request, patch.to_string().into_bytes()).await {
            Ok(()) => Ok(true),
            Err(Error::Api { code: 404 | 409, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn patch_request(&self, request: http::request::Builder, body: Vec<u8>) -> Result<(), Error> {
        let subject = RequestInfo { verb: "patch", resource: "nodes".into(), namespace: None };
        let request = request.header(ACCEPT, "application/json").header(CONTENT_TYPE, "application/merge-patch+json");
        let request = request.body(body).map_err(|error| self.unreachable(error.to_string()))?;
        match tokio::time::timeout(LIMIT, self.in_time(self.send(&subject, request))).await {
            Ok(answer) => answer.map(|_| ()).map_err(Failure::into_error),
            Err(_) => Err(Error::Timeout { server: self.server.clone(), seconds: LIMIT.as_secs_f64() }),
        }
    }

    fn keeps_changing(&self, node: &str) -> Error {
        self.unreachable(format!("node {node:?} changes all the time"))
    }
}

fn label_of<'n>(node: &'n Node, key: &str) -> Option<&'n String> {
    node.metadata.labels.as_ref()?.get(key)
}

/// Whether this program was the last to set `spec.unschedulable`, by the field managers of the API server: a `kubectl
/// uncordon` or `kubectl cordon` takes the field over.
fn is_own_cordon(node: &Node) -> bool {
    let entries = node.metadata.managed_fields.iter().flatten();
    let mut own = entries.filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER));
    own.any(|entry| entry.fields_v1.as_ref().is_some_and(|fields| fields.0["f:spec"].get("f:unschedulable").is_some()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn node(manager: &str, fields: &Value) -> Node {
        let entry = json!({ "manager": manager, "operation": "Update", "fieldsV1": fields });
        serde_json::from_value(json!({ "metadata": { "name": "n", "managedFields": [entry] } })).unwrap()
    }

    #[test]
    fn cordon_belongs_to_the_last_writer_of_the_field() {
        let cordon = json!({ "f:spec": { "f:unschedulable": {} } });
        assert!(is_own_cordon(&node(FIELD_MANAGER, &cordon)));
        assert!(!is_own_cordon(&node("kubectl-cordon", &cordon)));
        // Only the label is left of an own cordon.
        let label = json!({ "f:metadata": { "f:labels": { "f:kubectl-ds/cordoned-for": {} } } });
        assert!(!is_own_cordon(&node(FIELD_MANAGER, &label)));
        assert!(!is_own_cordon(&Node::default()));
    }
}
