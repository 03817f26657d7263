//! Lists kinds whose API group the server may not serve, or only in other versions.

use k8s_openapi::Resource;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::known_if_permitted;
use crate::cluster::access::Access;
use crate::cluster::query::{Query, Scope};
use crate::error::Error;
use crate::snapshot::Known;

/// The number of versions in a message.
const MOST_VERSIONS: usize = 5;

/// An `APIGroup`, the response to `/apis/GROUP`.
#[derive(Deserialize)]
struct ApiGroup {
    #[serde(default)]
    versions: Vec<GroupVersion>,
}

#[derive(Deserialize)]
struct GroupVersion {
    version: String,
}

impl Access {
    /// Lists a kind that the server may not serve in the version of `K`. If the server does not serve it, the API group
    /// decides:
    ///
    /// - It is not served: there are no such objects.
    /// - It is served in one of `older_versions`, whose objects have the same fields: they are listed in this version.
    /// - It is served in other versions only: there may be objects, and they are unknown.
    ///
    /// Example: `resource.k8s.io` is v1 since Kubernetes 1.34. v1beta2 has the same fields, v1beta1 has others.
    ///
    /// # Errors
    /// As [`Access::list`], except missing permissions: then the objects are unknown, too.
    pub(crate) async fn list_if_served<K>(
        &self,
        scope: &Scope,
        older_versions: &[&'static str],
    ) -> Result<Known<Vec<K>>, Error>
    where
        K: Resource + DeserializeOwned + 'static,
    {
        let served = match self.list::<K>(scope, None, None).await {
            Err(Error::Api { code: 404, .. }) => known_if_permitted(self.other_versions::<K>().await)?,
            listed => return known_if_permitted(listed.map(|listed| listed.items)),
        };
        let served = match served {
            Known::Known(served) if served.is_empty() => return Ok(Known::Known(Vec::new())),
            Known::Known(served) => served,
            Known::Unknown(missing) => return Ok(Known::Unknown(missing)),
        };
        if let Some(version) = older_versions.iter().find(|older| served.iter().any(|version| version == *older)) {
            let query = Query::new("list", &format!("{}/{version}", K::GROUP), K::URL_PATH_SEGMENT, scope);
            return known_if_permitted(self.list_by_query(&query).await.map(|listed| listed.items));
        }
        Ok(Known::failed(format!(
            "cannot list {}: the API server serves {} in {}, not in {}",
            K::URL_PATH_SEGMENT,
            K::GROUP,
            served.join(", "),
            K::VERSION
        )))
    }

    /// The versions in which the server serves the API group of a kind; none if the version of the kind is among them,
    /// because then the server does not have the kind.
    async fn other_versions<K: Resource>(&self) -> Result<Vec<String>, Error> {
        let group = match self.get_at::<ApiGroup>(&format!("/apis/{}", K::GROUP), K::GROUP).await {
            Err(Error::Api { code: 404, .. }) => return Ok(Vec::new()),
            group => group?,
        };
        let is_version = |version: &String| {
            version.len() <= 63 && version.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let versions = group.versions.into_iter().map(|version| version.version).filter(is_version);
        let mut versions: Vec<String> = versions.collect();
        if versions.iter().any(|version| version == K::VERSION) {
            versions.clear();
        }
        versions.truncate(MOST_VERSIONS);
        Ok(versions)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::api::resource::v1::ResourceClaim;

    use super::*;
    use crate::testing::http_server::{Answer, JSON, Seen, TestServer};

    /// The claims of a server that answers the list with `listed` and the request for the group with `group`, and the
    /// paths of the requests.
    async fn claims(
        listed: impl Fn() -> Answer + Send + Sync + 'static,
        group: impl Fn() -> Answer + Send + Sync + 'static,
    ) -> (Result<Known<Vec<ResourceClaim>>, Error>, Vec<String>) {
        let answer = move |_: usize, request: &Seen| {
            if request.target.starts_with("/apis/resource.k8s.io/v1/") { listed() } else { group() }
        };
        let test_server = TestServer::start(answer).await;
        let claims = test_server.access().await.list_if_served(&Scope::AllNamespaces, &["v1beta2"]).await;
        let path = |request: Seen| request.target.split('?').next().unwrap_or_default().to_owned();
        (claims, test_server.seen().into_iter().map(path).collect())
    }

    fn not_found() -> Answer {
        Answer::rejection(404, "the server could not find the requested resource")
    }

    fn group_in(versions: &'static [&'static str]) -> impl Fn() -> Answer + Send + Sync + 'static {
        let entries: Vec<_> = versions.iter().map(|version| serde_json::json!({ "version": version })).collect();
        let group = serde_json::json!({ "kind": "APIGroup", "name": "resource.k8s.io", "versions": entries });
        move || Answer::ok(JSON, group.to_string())
    }

    #[tokio::test]
    async fn served_kind_is_one_request() {
        let list = r#"{"kind":"ResourceClaimList","metadata":{"resourceVersion":"7"},"items":[
            {"metadata":{"name":"gpu"},"spec":{}}]}"#;
        let (claims, paths) = claims(move || Answer::ok(JSON, list), not_found).await;
        assert_eq!(claims.unwrap().known().unwrap()[0].metadata.name.as_deref(), Some("gpu"));
        assert_eq!(paths, ["/apis/resource.k8s.io/v1/resourceclaims"]);
    }

    #[tokio::test]
    async fn group_that_is_not_served_has_no_objects() {
        let (claims, paths) = claims(not_found, not_found).await;
        assert_eq!(claims.unwrap(), Known::Known(Vec::new()));
        assert_eq!(paths, ["/apis/resource.k8s.io/v1/resourceclaims", "/apis/resource.k8s.io"]);
    }

    #[tokio::test]
    async fn kind_missing_from_served_version_has_no_objects() {
        let (claims, _) = claims(not_found, group_in(&["v1", "v1beta1"])).await;
        assert_eq!(claims.unwrap(), Known::Known(Vec::new()));
    }

    #[tokio::test]
    async fn group_in_other_versions_makes_objects_unknown() {
        let (claims, _) = claims(not_found, group_in(&["v1beta1", "v1alpha3", "\u{1b}[31m"])).await;
        let expected =
            "cannot list resourceclaims: the API server serves resource.k8s.io in v1beta1, v1alpha3, not in v1";
        assert_eq!(claims.unwrap(), Known::failed(expected));
    }

    #[tokio::test]
    async fn older_version_with_the_same_fields_is_read() {
        let list = r#"{"kind":"ResourceClaimList","metadata":{"resourceVersion":"7"},"items":[
            {"metadata":{"name":"gpu"},"spec":{}}]}"#;
        let answer = move |_: usize, request: &Seen| match request.target.split('?').next().unwrap_or_default() {
            "/apis/resource.k8s.io" => group_in(&["v1beta2", "v1beta1"])(),
            "/apis/resource.k8s.io/v1beta2/resourceclaims" => Answer::ok(JSON, list),
            _ => not_found(),
        };
        let test_server = TestServer::start(answer).await;
        let access = test_server.access().await;
        let claims = access.list_if_served::<ResourceClaim>(&Scope::AllNamespaces, &["v1beta2"]).await.unwrap();
        assert_eq!(claims.known().unwrap()[0].metadata.name.as_deref(), Some("gpu"));
        let claims = access.list_if_served::<ResourceClaim>(&Scope::AllNamespaces, &[]).await.unwrap();
        assert_eq!(claims.known(), None);
    }

    #[tokio::test]
    async fn missing_permission_makes_objects_unknown() {
        let forbidden = || Answer::rejection(403, "no");
        for (listed, group) in [(forbidden as fn() -> Answer, not_found as fn() -> Answer), (not_found, forbidden)] {
            let (claims, _) = claims(listed, group).await;
            assert!(claims.unwrap().missing().unwrap().to_string().starts_with("cannot "));
        }
    }

    #[tokio::test]
    async fn server_error_is_an_error() {
        let (claims, _) = claims(not_found, || Answer::rejection(500, "broken")).await;
        assert!(claims.is_err());
    }
}
