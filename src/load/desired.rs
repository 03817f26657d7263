//! The desired objects of manifests: what the cluster would have after `kubectl apply`.
//!
//! Input: the manifests, and a cluster or its files. The DaemonSets of a live cluster are computed by its API server
//! ([`crate::cluster::apply`]), those of a saved one by our own rules ([`crate::change::manifest`]). Other kinds that
//! matter for placement, scheduling and admission are returned as they are.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::DaemonSet;

use super::Source;
use crate::change::manifest;
use crate::cluster::access::Access;
use crate::cluster::apply::{ApplyMethod, ApplyOptions, dry_run_daemon_sets};
use crate::cluster::manifests::{self, Manifest};
use crate::cluster::query::Scope;
use crate::error::Error;

/// The namespace of a manifest without one, in a saved cluster.
const DEFAULT_NAMESPACE: &str = "default";

/// The assumption if no API server was asked.
const OWN_RULES: &str = "defaults come from kubectl-ds, webhooks were not asked";

/// The other kinds that matter, with their API groups.
const OTHER_KINDS: [(&str, &str); 9] = [
    ("Namespace", ""),
    ("PersistentVolumeClaim", ""),
    ("ResourceQuota", ""),
    ("LimitRange", ""),
    ("ServiceAccount", ""),
    ("PriorityClass", "scheduling.k8s.io"),
    ("RuntimeClass", "node.k8s.io"),
    ("PodDisruptionBudget", "policy"),
    ("StorageClass", "storage.k8s.io"),
];

/// The objects after the manifests are applied.
#[derive(Clone, Debug, Default)]
pub(crate) struct DesiredObjects {
    /// In the order of the manifests.
    pub(crate) daemon_sets: Vec<DaemonSet>,
    /// Namespaces, PriorityClasses, RuntimeClasses, ResourceQuotas, LimitRanges, ServiceAccounts, PodDisruptionBudgets,
    /// PersistentVolumeClaims and StorageClasses.
    pub(crate) others: Vec<Manifest>,
    /// The number of objects of other kinds.
    pub(crate) ignored: usize,
    /// Who computed the DaemonSets; `None` for our own rules.
    pub(crate) method: Option<ApplyMethod>,
    /// What may differ when the manifests are applied: one sentence each.
    pub(crate) assumptions: Vec<String>,
}

/// The desired objects of the manifests.
///
/// # Errors
/// Two manifests of one DaemonSet; a DaemonSet of an API version that no longer exists; a manifest that the API server
/// rejects.
pub(crate) async fn desired(
    source: &Source,
    manifests: Vec<Manifest>,
    options: &ApplyOptions,
) -> Result<DesiredObjects, Error> {
    let default_namespace = match source {
        Source::Live(access) => access.namespace(),
        Source::Saved(_) => DEFAULT_NAMESPACE,
    };
    let mut desired = DesiredObjects::default();
    let mut daemon_sets = Vec::new();
    for manifest in manifests {
        match manifest.kind() {
            "DaemonSet" if is_in_group(&manifest, "apps") || is_in_group(&manifest, "extensions") => {
                check(&manifest)?;
                daemon_sets.push(manifest.in_namespace(options.access.namespace.as_deref(), default_namespace)?);
            }
            kind if OTHER_KINDS.iter().any(|(other, group)| *other == kind && is_in_group(&manifest, group)) => {
                desired.others.push(manifest);
            }
            _ => desired.ignored += 1,
        }
    }
    reject_duplicates(&daemon_sets)?;
    match source {
        Source::Live(access) => {
            let namespaces = desired.others.iter().filter(|other| other.kind() == "Namespace");
            let namespaces: BTreeSet<String> = namespaces.map(|namespace| namespace.name().to_owned()).collect();
            match dry_run_daemon_sets(access, options, &daemon_sets, &namespaces).await {
                Ok(applied) => {
                    desired.daemon_sets = applied.daemon_sets;
                    desired.method = applied.method;
                    desired.assumptions = applied.assumptions;
                }
                Err(error @ Error::Forbidden { .. }) => {
                    let live = same_names(access, &daemon_sets).await?;
                    desired.daemon_sets = all_stored(&live, &daemon_sets)?;
                    desired.assumptions.push(format!("{error}; {OWN_RULES}"));
                }
                Err(error) => return Err(error),
            }
        }
        Source::Saved(saved) => {
            let existing = saved.daemon_sets.known().map_or(&[][..], Vec::as_slice);
            desired.daemon_sets = all_stored(existing, &daemon_sets)?;
            if !daemon_sets.is_empty() {
                desired.assumptions.push(OWN_RULES.into());
            }
        }
    }
    Ok(desired)
}

/// Whether the API version of the manifest is in this group, in any version.
fn is_in_group(manifest: &Manifest, group: &str) -> bool {
    manifest.api_version().rsplit_once('/').map_or("", |(group, _)| group) == group
}

fn check(daemon_set: &Manifest) -> Result<(), Error> {
    let version = daemon_set.api_version();
    if version != "apps/v1" {
        return Err(
            daemon_set.error(format!("DaemonSets of {version:?} are not served since Kubernetes 1.16: use apps/v1"))
        );
    }
    match daemon_set.name().is_empty() {
        true => Err(daemon_set.error("metadata.name is missing")),
        false => Ok(()),
    }
}

fn reject_duplicates(daemon_sets: &[Manifest]) -> Result<(), Error> {
    let mut places: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for daemon_set in daemon_sets {
        let namespace = daemon_set.namespace().unwrap_or_default();
        if let Some(first) = places.insert((namespace, daemon_set.name()), &daemon_set.place) {
            let name = daemon_set.name();
            return Err(daemon_set.error(format!("DaemonSet {namespace}/{name} is also in {first}")));
        }
    }
    Ok(())
}

/// The DaemonSets of the cluster with the names of the manifests.
async fn same_names(access: &Access, daemon_sets: &[Manifest]) -> Result<Vec<DaemonSet>, Error> {
    let mut found = Vec::new();
    for daemon_set in daemon_sets {
        let scope = Scope::Namespace(daemon_set.namespace().unwrap_or_default().to_owned());
        let name = format!("metadata.name={}", daemon_set.name());
        found.extend(access.list::<DaemonSet>(&scope, None, Some(&name)).await?.items);
    }
    Ok(found)
}

fn all_stored(existing: &[DaemonSet], daemon_sets: &[Manifest]) -> Result<Vec<DaemonSet>, Error> {
    daemon_sets.iter().map(|daemon_set| stored(existing, daemon_set)).collect()
}

/// The DaemonSet as the API server would store it, by our own rules.
fn stored(existing: &[DaemonSet], daemon_set: &Manifest) -> Result<DaemonSet, Error> {
    let live = existing.iter().find(|live| {
        live.metadata.name.as_deref() == Some(daemon_set.name())
            && live.metadata.namespace.as_deref() == daemon_set.namespace()
    });
    let live = live.map(serde_json::to_value).transpose().unwrap_or_default();
    let stored = manifest::stored(live.as_ref(), &daemon_set.value)
        .map_err(|_| daemon_set.error("cannot be merged into the object of the cluster"))?;
    manifests::daemon_set(&stored).map_err(|message| daemon_set.error(message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::file::SavedObjects;
    use crate::snapshot::Known;

    fn manifest(api_version: &str, kind: &str, name: &str) -> Manifest {
        let spec = json!({
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } },
        });
        let value = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name }, "spec": spec });
        Manifest { value, place: format!("f.yaml ({name})") }
    }

    fn daemon_set(name: &str) -> Manifest {
        manifest("apps/v1", "DaemonSet", name)
    }

    fn saved(daemon_sets: Vec<DaemonSet>) -> Source {
        Source::Saved(Box::new(SavedObjects { daemon_sets: Known::Known(daemon_sets), ..SavedObjects::default() }))
    }

    async fn desired_of(source: &Source, manifests: Vec<Manifest>) -> Result<DesiredObjects, String> {
        desired(source, manifests, &ApplyOptions::default()).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn manifests_are_sorted_by_kind() {
        let manifests = vec![
            manifest("v1", "Namespace", "n"),
            daemon_set("a"),
            manifest("scheduling.k8s.io/v1", "PriorityClass", "p"),
            manifest("v1", "ConfigMap", "c"),
            manifest("example.com/v1", "Namespace", "custom"),
            manifest("example.com/v1", "DaemonSet", "custom"),
            manifest("policy/v1beta1", "PodDisruptionBudget", "old"),
        ];
        let desired = desired_of(&saved(Vec::new()), manifests).await.unwrap();
        let others: Vec<&str> = desired.others.iter().map(Manifest::name).collect();
        assert_eq!((others, desired.ignored, desired.method), (vec!["n", "p", "old"], 3, None));
        assert_eq!(desired.daemon_sets.len(), 1);
        assert_eq!(desired.assumptions, ["defaults come from kubectl-ds, webhooks were not asked"]);
    }

    #[tokio::test]
    async fn saved_daemon_set_is_merged_and_gets_defaults() {
        let live: Value = json!({
            "metadata": { "name": "a", "namespace": "default", "uid": "u-1" },
            "spec": { "minReadySeconds": 7, "selector": {}, "template": {} },
        });
        let other = json!({ "metadata": { "name": "a", "namespace": "other", "uid": "u-2" }, "spec": { "selector": {}, "template": {} } });
        let source = saved(vec![manifests::daemon_set(&other).unwrap(), manifests::daemon_set(&live).unwrap()]);
        let desired = desired_of(&source, vec![daemon_set("a")]).await.unwrap();
        let [found] = &desired.daemon_sets[..] else { unreachable!() };
        assert_eq!((found.metadata.uid.as_deref(), found.spec.min_ready_seconds), (Some("u-1"), Some(7)));
        let spec = found.spec.template.spec.as_ref().unwrap();
        assert_eq!(spec.containers[0].image_pull_policy.as_deref(), Some("Always"));
        // It does not exist yet.
        let desired = desired_of(&source, vec![daemon_set("b")]).await.unwrap();
        assert_eq!(desired.daemon_sets[0].metadata.uid, None);
        assert_eq!(desired.daemon_sets[0].metadata.namespace.as_deref(), Some("default"));
    }

    #[tokio::test]
    async fn invalid_daemon_sets_are_errors() {
        let of = async |manifests: Vec<Manifest>| desired_of(&saved(Vec::new()), manifests).await.unwrap_err();
        let mut twice = daemon_set("a");
        twice.place = "g.yaml".into();
        twice.value["metadata"]["namespace"] = json!("default");
        let error = of(vec![daemon_set("a"), twice]).await;
        assert_eq!(error, "g.yaml: DaemonSet default/a is also in f.yaml (a)");
        assert_eq!(
            of(vec![manifest("extensions/v1beta1", "DaemonSet", "a")]).await,
            "f.yaml (a): DaemonSets of \"extensions/v1beta1\" are not served since Kubernetes 1.16: use apps/v1"
        );
        assert_eq!(of(vec![daemon_set("")]).await, "f.yaml (): metadata.name is missing");
        let mut invalid = daemon_set("a");
        invalid.value["spec"]["template"]["metadata"]["labels"]["app"] = json!(1);
        assert!(of(vec![invalid]).await.starts_with("f.yaml (a): invalid type"), "a label that is a number");
    }

    #[tokio::test]
    async fn manifest_of_another_namespace_is_an_error() {
        let mut options = ApplyOptions::default();
        options.access.namespace = Some("asked".into());
        let source = saved(Vec::new());
        let desired_objects = desired(&source, vec![daemon_set("a")], &options).await.unwrap();
        assert_eq!(desired_objects.daemon_sets[0].metadata.namespace.as_deref(), Some("asked"));
        let mut own = daemon_set("a");
        own.value["metadata"]["namespace"] = json!("own");
        let error = desired(&source, vec![own], &options).await.map(|_| ()).unwrap_err().to_string();
        assert!(error.ends_with("\"own\" does not match the namespace \"asked\""), "{error}");
    }
}
