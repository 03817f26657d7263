//! Loads one DaemonSet with its revisions and pods, without nodes.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};

use super::live::{check_namespace, owned_pod_filter, readable, scope, select};
use super::request::Request;
use super::{Source, saved};
use crate::cluster::access::Access;
use crate::cluster::query::Scope;
use crate::error::Error;
use crate::render::ListLength;
use crate::snapshot::selector::covering;
use crate::snapshot::{Known, PodSummary, Snapshot, UnsavedPods};

impl Source {
    /// Loads one DaemonSet, its revisions and its pods.
    ///
    /// # Errors
    /// Required objects cannot be read; the name does not exist, or exists in several namespaces.
    pub(crate) async fn history(&mut self, request: &Request) -> Result<Snapshot, Error> {
        match self {
            Self::Live(access) => live(access, request).await,
            Self::Saved(cluster_objects) => {
                let mut snapshot = saved::saved(std::mem::take(&mut **cluster_objects), request)?;
                only_one(&snapshot.daemon_sets)?;
                (snapshot.nodes, snapshot.has_all_nodes) = (Known::Known(Vec::new()), false);
                snapshot.events = Known::Known(Vec::new());
                Ok(snapshot)
            }
        }
    }
}

async fn live(access: &Access, request: &Request) -> Result<Snapshot, Error> {
    let daemon_sets = access.list::<DaemonSet>(&scope(request), None, None).await?.items;
    if daemon_sets.is_empty() {
        check_namespace(access, request).await?;
    }
    let daemon_sets = select(access, daemon_sets, request).await?;
    let scope = Scope::Namespace(only_one(&daemon_sets)?.to_owned());
    let labels = covering(&daemon_sets);
    let (pods, revisions) = tokio::join!(
        access.bulk::<PodSummary>(&scope, labels.as_deref(), owned_pod_filter(&daemon_sets)),
        access.list::<ControllerRevision>(&scope, labels.as_deref(), None),
    );
    Ok(Snapshot {
        daemon_sets,
        nodes: Known::Known(Vec::new()),
        has_all_nodes: false,
        pods: readable(pods, &mut None)?,
        unsaved_pods: UnsavedPods::default(),
        revisions: Known::Known(revisions?.items),
        events: Known::Known(Vec::new()),
        openshift: Known::Known(None),
        as_of: Timestamp::now(),
    })
}

/// The namespace of the DaemonSet, if exactly one has the name.
fn only_one(daemon_sets: &[DaemonSet]) -> Result<&str, Error> {
    let namespaces: Vec<&str> =
        daemon_sets.iter().map(|daemon_set| daemon_set.metadata.namespace.as_deref().unwrap_or_default()).collect();
    match namespaces[..] {
        [one] => Ok(one),
        _ => Err(Error::Usage {
            message: format!(
                "DaemonSet name is ambiguous: found in namespaces {}",
                ListLength::Handful.list(&namespaces)
            ),
            hint: "use NAMESPACE/NAME, or select a namespace with -n".into(),
        }),
    }
}
