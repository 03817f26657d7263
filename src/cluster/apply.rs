//! What the API server makes of manifests, without changing anything: every write is a dry run.
//!
//! Input: the manifests of DaemonSets. [`dry_run_daemon_sets`] returns the DaemonSets as they would be stored, with
//! defaults and the changes of webhooks. It runs kubectl if it can ([`kubectl`]), so that the result is what `kubectl apply`
//! would do in the installed version. Otherwise it sends what kubectl would send: the patch of the three-way merge, or,
//! with `--server-side`, the manifest. [`dry_run_pod`] asks for one pod whether quota, policies and webhooks accept it.
//!
//! Upstream: `kubectl/pkg/cmd/apply/apply.go` `applyOneObject`.

mod kubectl;
mod options;
mod permission;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use http::header::{ACCEPT, CONTENT_TYPE};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Namespace;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::access::Access;
use super::daemon_set::STRATEGIC_PATCH;
use super::json::Tree;
use super::manifests::{Manifest, daemon_set};
use super::query::{Scope, escaped};
use super::request::{Failure, RequestInfo, Retries};
use crate::activity::{Activity, begin};
use crate::change::manifest::{self, ClientPatch};
use crate::error::Error;
use crate::snapshot::pod::Pod;

use permission::missing_permission;

pub(crate) use options::{ApplyMethod, ApplyOptions};

/// The field manager of `kubectl apply`, which a dry run does not record.
const CLIENT_SIDE_MANAGER: &str = "kubectl-client-side-apply";
/// The field manager of `kubectl apply --server-side`.
const SERVER_SIDE_MANAGER: &str = "kubectl";
/// The media type of server-side apply. JSON is YAML.
const APPLY_PATCH: &str = "application/apply-patch+yaml";
/// The API server of a dry run changes nothing, and rejects fields that it does not know, as kubectl asks it to.
const DRY_RUN: &str = "dryRun=All&fieldValidation=Strict";

/// The DaemonSets as the API server would store them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AppliedDaemonSets {
    /// In the order of the manifests.
    pub(crate) daemon_sets: Vec<DaemonSet>,
    /// `None` if the API server was not asked.
    pub(crate) method: Option<ApplyMethod>,
    /// What may differ when the manifests are applied: one sentence each.
    pub(crate) assumptions: Vec<String>,
}

/// The answer to the dry run of a pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DryRunPod {
    Created(Box<Pod>),
    /// The server's message.
    Rejected(String),
    /// The user may not create pods: the server's message.
    Forbidden(String),
}

/// The DaemonSets of the manifests as they would be stored. `new_namespaces` are those that the manifests create: in one
/// that does not exist yet, nothing can be asked, and the defaults are those of [`manifest::stored`].
///
/// # Errors
/// [`Error::Forbidden`] if the user may not apply one of them; the API server, or kubectl, rejects a manifest; a manifest has
/// another namespace than `--namespace`; any failed request.
pub(crate) async fn dry_run_daemon_sets(
    access: &Access,
    options: &ApplyOptions,
    manifests: &[Manifest],
    new_namespaces: &BTreeSet<String>,
) -> Result<AppliedDaemonSets, Error> {
    let flag = options.access.namespace.as_deref();
    let manifests: Vec<Manifest> =
        manifests.iter().map(|manifest| manifest.in_namespace(flag, access.namespace())).collect::<Result<_, _>>()?;
    let missing = missing_namespaces(access, &manifests, new_namespaces).await?;
    let is_missing = |manifest: &Manifest| manifest.namespace().is_some_and(|namespace| missing.contains(namespace));
    let asked: Vec<Manifest> = manifests.iter().filter(|manifest| !is_missing(manifest)).cloned().collect();
    let (mut answers, method) = match asked.is_empty() {
        true => (Vec::new(), None),
        false => {
            let (answers, method) = ask(access, options, &asked).await?;
            (answers, Some(method))
        }
    };
    answers.reverse();
    let mut daemon_sets = Vec::new();
    for manifest in &manifests {
        let stored = if is_missing(manifest) { Some(created(manifest)?) } else { answers.pop() };
        daemon_sets.push(stored.ok_or_else(|| manifest.error("the API server did not return the object"))?);
    }
    let assumptions = missing.iter().map(|namespace| {
        format!("namespace {namespace} does not exist yet: defaults come from kubectl-ds, webhooks were not asked")
    });
    Ok(AppliedDaemonSets { daemon_sets, method, assumptions: assumptions.collect() })
}

/// Asks the API server whether it would create this pod.
///
/// # Errors
/// The request fails, or the credentials are rejected.
pub(crate) async fn dry_run_pod(access: &Access, namespace: &str, pod: &Value) -> Result<DryRunPod, Error> {
    let subject = RequestInfo { verb: "create", resource: "pods".into(), namespace: Some(namespace.to_owned()) };
    let path = format!("/api/v1/namespaces/{}/pods?{DRY_RUN}", escaped(namespace));
    let request = http::Request::post(path).header(CONTENT_TYPE, "application/json");
    match access.dry_run(&subject, &request, pod).await {
        Ok(pod) => Ok(DryRunPod::Created(Box::new(pod))),
        Err(Error::Forbidden { message, .. }) if missing_permission(&message, "pods").is_some() => {
            Ok(DryRunPod::Forbidden(message))
        }
        Err(Error::Forbidden { message, .. } | Error::Api { message, code: 400..=428 | 430..=500, .. }) => {
            Ok(DryRunPod::Rejected(message))
        }
        Err(error) => Err(error),
    }
}

/// The namespaces that the manifests create and that do not exist yet. One that cannot be read counts as existing: the API
/// server then rejects the DaemonSets in it.
async fn missing_namespaces(
    access: &Access,
    manifests: &[Manifest],
    new: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Error> {
    let used: BTreeSet<&str> = manifests.iter().filter_map(Manifest::namespace).collect();
    let mut missing = BTreeSet::new();
    for namespace in new.iter().filter(|namespace| used.contains(namespace.as_str())) {
        match access.get::<Namespace>(&Scope::Cluster, namespace).await {
            Ok(None) => {
                missing.insert(namespace.clone());
            }
            Ok(Some(_)) | Err(Error::Forbidden { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}

/// A DaemonSet in a namespace that does not exist.
fn created(manifest: &Manifest) -> Result<DaemonSet, Error> {
    let stored = manifest::stored(None, &manifest.value).map_err(|_| manifest.error("cannot be applied"))?;
    daemon_set(&stored).map_err(|message| manifest.error(message))
}

/// Asks the API server through kubectl, or directly.
async fn ask(
    access: &Access,
    options: &ApplyOptions,
    manifests: &[Manifest],
) -> Result<(Vec<DaemonSet>, ApplyMethod), Error> {
    if let Some(answers) = kubectl::apply(access, options, manifests).await? {
        return Ok((answers, ApplyMethod::Kubectl));
    }
    let mut answers = Vec::new();
    for manifest in manifests {
        answers.push(match options.server_side {
            true => access.apply_server_side(options, manifest).await,
            false => access.apply_client_side(options, manifest).await,
        }?);
    }
    let method = if options.server_side { ApplyMethod::ServerSideApply } else { ApplyMethod::ClientSideApply };
    Ok((answers, method))
}

impl Access {
    /// `kubectl apply`: creates the object, or patches it.
    async fn apply_client_side(&self, options: &ApplyOptions, manifest: &Manifest) -> Result<DaemonSet, Error> {
        let namespace = manifest.namespace().unwrap_or_default();
        let live = self.daemon_set(namespace, manifest.name()).await?;
        let patch = manifest::client_patch(live.as_ref(), &manifest.value)
            .map_err(|_| manifest.error("cannot be merged into the object of the cluster"))?;
        let manager = options.field_manager.as_deref().unwrap_or(CLIENT_SIDE_MANAGER);
        let query = format!("?fieldManager={}&{DRY_RUN}", escaped(manager));
        let (verb, request, body) = match patch {
            ClientPatch::Create(object) => {
                let request = http::Request::post(daemon_sets_path(namespace) + &query);
                ("create", request.header(CONTENT_TYPE, "application/json"), object)
            }
            ClientPatch::Patch(patch) => {
                let request = http::Request::patch(daemon_set_path(manifest) + &query);
                ("patch", request.header(CONTENT_TYPE, STRATEGIC_PATCH), patch)
            }
        };
        self.apply_request(verb, &request, manifest, &body).await
    }

    /// `kubectl apply --server-side`.
    async fn apply_server_side(&self, options: &ApplyOptions, manifest: &Manifest) -> Result<DaemonSet, Error> {
        let manager = options.field_manager.as_deref().unwrap_or(SERVER_SIDE_MANAGER);
        let query = format!("?fieldManager={}&force={}&{DRY_RUN}", escaped(manager), options.force_conflicts);
        let request = http::Request::patch(daemon_set_path(manifest) + &query).header(CONTENT_TYPE, APPLY_PATCH);
        self.apply_request("patch", &request, manifest, &manifest.value).await
    }

    async fn apply_request(
        &self,
        verb: &'static str,
        request: &http::request::Builder,
        manifest: &Manifest,
        body: &Value,
    ) -> Result<DaemonSet, Error> {
        let namespace = manifest.namespace().map(str::to_owned);
        let subject = RequestInfo { verb, resource: "daemonsets".into(), namespace };
        let answer = self.dry_run::<Tree<DaemonSet>>(&subject, request, body).await;
        let rejected = |message: String| {
            let message = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            Error::RejectedManifest { what: manifest.place.clone(), message }
        };
        answer.map(|Tree(daemon_set)| daemon_set).map_err(|error| match error {
            // 500: a field that is not in the schema, or a webhook that does not answer.
            Error::Api { message, code: 400..=428 | 430..=500, .. } => rejected(message),
            Error::Forbidden { message, .. } if missing_permission(&message, "daemonsets").is_none() => {
                rejected(message)
            }
            error => error,
        })
    }

    /// Sends a dry run. It changes nothing, so it is retried.
    async fn dry_run<T: DeserializeOwned>(
        &self,
        subject: &RequestInfo,
        request: &http::request::Builder,
        body: &Value,
    ) -> Result<T, Error> {
        let _running = begin(Activity::Objects { resource: subject.resource.clone(), server: self.server.clone() });
        let body = body.to_string().into_bytes();
        self.in_time(async {
            let mut retries = Retries::new(self.backoff);
            loop {
                match self.dry_run_once(subject, request, body.clone()).await {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => retries.after(failure).await?,
                }
            }
        })
        .await
    }

    async fn dry_run_once<T: DeserializeOwned>(
        &self,
        subject: &RequestInfo,
        request: &http::request::Builder,
        body: Vec<u8>,
    ) -> Result<T, Failure> {
        let invalid = |error: http::Error| Failure::Final(self.unreachable(error.to_string()));
        let mut copy = http::Request::builder();
        if let (Some(method), Some(uri), Some(headers)) =
            (request.method_ref(), request.uri_ref(), request.headers_ref())
        {
            copy = copy.method(method).uri(uri);
            for (name, value) in headers {
                copy = copy.header(name, value);
            }
        }
        let request = copy.header(ACCEPT, "application/json").body(body).map_err(invalid)?;
        let body = self.send(subject, request).await?.into_body();
        let text = self.whole(subject, body).await?;
        serde_json::from_slice(&text).map_err(|error| self.bad_answer(subject, error.to_string()))
    }
}

fn daemon_sets_path(namespace: &str) -> String {
    format!("/apis/apps/v1/namespaces/{}/daemonsets", escaped(namespace))
}

fn daemon_set_path(manifest: &Manifest) -> String {
    format!("{}/{}", daemon_sets_path(manifest.namespace().unwrap_or_default()), escaped(manifest.name()))
}
