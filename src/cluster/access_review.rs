//! Requests that check the access to a cluster: the version with the time of the server, and the reviews of what the
//! user may do. A review is a create request, but the server stores nothing.

use http::header::{ACCEPT, CONTENT_TYPE, DATE};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;

use super::access::Access;
use super::request::{Failure, RequestInfo};
use crate::activity::{Activity, begin};
use crate::error::Error;
use crate::snapshot::Permission;

/// The maximum length of a response, in bytes: the rules of a user with hundreds of roles.
const LONGEST: usize = 8 << 20;

/// The response to `/version`.
pub(crate) struct VersionResponse {
    pub(crate) info: Value,
    /// The `Date` header.
    pub(crate) date: Option<String>,
}

impl Access {
    /// The server's version and time.
    ///
    /// # Errors
    /// There is no response, or it is an error.
    pub(crate) async fn version_and_date(&self) -> Result<VersionResponse, Error> {
        let (info, date) = self.answer("get", "version", http::Request::get("/version"), Vec::new()).await?;
        Ok(VersionResponse { info, date })
    }

    /// Whether the server serves an API group.
    ///
    /// # Errors
    /// There is no response, or it is an error other than 404.
    pub(crate) async fn serves_group(&self, group: &'static str) -> Result<bool, Error> {
        match self.answer("get", group, http::Request::get(format!("/apis/{group}")), Vec::new()).await {
            Ok(_) => Ok(true),
            Err(Error::Api { code: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Creates a review of this kind, such as SelfSubjectAccessReview, and returns its `status`.
    ///
    /// # Errors
    /// There is no response, or it is an error.
    pub(crate) async fn review(&self, group: &'static str, kind: &'static str, spec: &Value) -> Result<Value, Error> {
        let plural = format!("{}s", kind.to_lowercase());
        let body = serde_json::json!({ "apiVersion": format!("{group}/v1"), "kind": kind, "spec": spec });
        let request = http::Request::post(format!("/apis/{group}/v1/{plural}"));
        let (mut answer, _) = self.answer("create", &plural, request, body.to_string().into_bytes()).await?;
        Ok(answer["status"].take())
    }

    /// Whether the user has a permission, in a namespace or in the whole cluster; `None` if the server does not answer, or if
    /// its authorizer could not decide.
    pub(crate) async fn may(&self, permission: Permission, namespace: Option<&str>) -> Option<bool> {
        let (resource, subresource) = permission.resource.split_once('/').unwrap_or((permission.resource, ""));
        let spec = serde_json::json!({ "resourceAttributes": {
            "verb": permission.verb, "group": permission.group, "resource": resource, "subresource": subresource,
            "namespace": namespace.unwrap_or_default(),
        } });
        let status = self.review("authorization.k8s.io", "SelfSubjectAccessReview", &spec).await.ok()?;
        match status["allowed"].as_bool() {
            Some(false) if status["evaluationError"].as_str().is_some_and(|error| !error.is_empty()) => None,
            answer => answer,
        }
    }

    async fn answer(
        &self,
        verb: &'static str,
        resource: &str,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<(Value, Option<String>), Error> {
        let subject = RequestInfo { verb, resource: resource.to_owned(), namespace: None };
        let request = request.header(ACCEPT, "application/json").header(CONTENT_TYPE, "application/json").body(body);
        let request = request.map_err(|error| self.unreachable(error.to_string()))?;
        let _reading = begin(Activity::Objects { resource: resource.to_owned(), server: self.server.clone() });
        let answer = self.in_time(async {
            let (head, body) = self.send(&subject, request).await?.into_parts();
            let date = head.headers.get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
            let text = self.whole(&subject, body).await?;
            let value = serde_json::from_slice(&text).map_err(|error| self.bad_answer(&subject, error.to_string()))?;
            Ok::<_, Failure>((value, date))
        });
        answer.await.map_err(Failure::into_error)
    }

    pub(super) async fn whole(&self, subject: &RequestInfo, mut body: Body) -> Result<Vec<u8>, Failure> {
        let mut text = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.broke_off(&error))?;
            text.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
            if text.len() > LONGEST {
                return Err(self.bad_answer(subject, format!("longer than {LONGEST} bytes")));
            }
        }
        Ok(text)
    }
}
