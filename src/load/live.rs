//! Loads a snapshot from an API server.

use std::collections::HashSet;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::{Event, Namespace};

use super::request::Request;
use super::selection::{check_nodes, hint, missing_name, no_such_daemon_set, select_by_name};
use crate::cluster::access::Access;
use crate::cluster::list::metadata::MetadataKind;
use crate::cluster::list::{Listed, known_if_permitted};
use crate::cluster::live_snapshot::{Selection, SnapshotWatcher, Versions};
use crate::cluster::query::Scope;
use crate::error::Error;
use crate::snapshot::object::OwnerReference;
use crate::snapshot::selector::covering;
use crate::snapshot::{EventQuery, Interner, Known, Node, OpenShift, PodSummary, Snapshot, UnsavedPods};

/// A snapshot of a live cluster, and the state needed to watch it.
pub(crate) struct Loaded {
    pub(crate) snapshot: Snapshot,
    versions: Versions,
    selection: Selection,
}

impl Loaded {
    /// Starts watches that continue from this snapshot.
    pub(crate) fn follow(&self, access: &Access) -> SnapshotWatcher {
        let keep = owned_pod_filter(&self.snapshot.daemon_sets);
        SnapshotWatcher::start(access, &self.selection, self.versions.clone(), &self.snapshot, keep)
    }
}

/// Loads everything except events, with one list per kind.
///
/// # Errors
/// Required objects cannot be read; a name or a namespace does not exist.
pub(crate) async fn load(access: &Access, request: &Request) -> Result<Loaded, Error> {
    let scope = scope(request);
    let (daemon_sets, nodes) = tokio::join!(
        access.list::<DaemonSet>(&scope, request.selector.as_deref(), None),
        access.bulk::<Node>(&Scope::Cluster, request.nodes.as_deref(), |node: Node| Some(node.compact())),
    );
    let daemon_sets = daemon_sets?;
    if daemon_sets.items.is_empty() {
        check_namespace(access, request).await?;
    }
    let mut versions = Versions { daemon_sets: Some(daemon_sets.resource_version), ..Versions::default() };
    let daemon_sets = select(access, daemon_sets.items, request).await?;
    let nodes = readable(nodes, &mut versions.nodes)?;
    check_nodes(&nodes, request)?;

    let labels = covering(&daemon_sets);
    let (pods, revisions, openshift) = tokio::join!(
        access.bulk::<PodSummary>(&scope, labels.as_deref(), owned_pod_filter(&daemon_sets)),
        access.list::<ControllerRevision>(&scope, labels.as_deref(), None),
        openshift(access, &nodes),
    );
    Ok(Loaded {
        snapshot: Snapshot {
            nodes,
            has_all_nodes: request.nodes.is_none(),
            pods: readable(pods, &mut versions.pods)?,
            unsaved_pods: UnsavedPods::default(),
            revisions: readable(revisions, &mut versions.revisions)?,
            events: Known::Known(Vec::new()),
            openshift: openshift?,
            daemon_sets,
            as_of: Timestamp::now(),
        },
        versions,
        selection: Selection {
            scope,
            daemon_sets: request.selector.clone(),
            names: request.names.clone(),
            nodes: request.nodes.clone(),
            pods: labels,
        },
    })
}

/// As [`load`], with the events that `event_query` selects.
///
/// # Errors
/// As [`load`].
pub(crate) async fn load_with_events(
    access: &Access,
    request: &Request,
    event_query: impl Fn(&Snapshot) -> EventQuery,
) -> Result<Loaded, Error> {
    let mut loaded = load(access, request).await?;
    loaded.snapshot.events = events(access, &scope(request), &event_query(&loaded.snapshot)).await?;
    Ok(loaded)
}

/// Loads DaemonSets with their pods and revisions, but without nodes.
///
/// # Errors
/// As [`load`].
pub(crate) async fn load_without_nodes(access: &Access, request: &Request) -> Result<Loaded, Error> {
    let scope = scope(request);
    let daemon_sets = access.list::<DaemonSet>(&scope, request.selector.as_deref(), None).await?;
    if daemon_sets.items.is_empty() {
        check_namespace(access, request).await?;
    }
    let mut versions = Versions { daemon_sets: Some(daemon_sets.resource_version), ..Versions::default() };
    let daemon_sets = select(access, daemon_sets.items, request).await?;
    let labels = covering(&daemon_sets);
    let (pods, revisions) = tokio::join!(
        access.bulk::<PodSummary>(&scope, labels.as_deref(), owned_pod_filter(&daemon_sets)),
        access.list::<ControllerRevision>(&scope, labels.as_deref(), None),
    );
    Ok(Loaded {
        snapshot: Snapshot {
            nodes: Known::Known(Vec::new()),
            has_all_nodes: false,
            pods: readable(pods, &mut versions.pods)?,
            unsaved_pods: UnsavedPods::default(),
            revisions: readable(revisions, &mut versions.revisions)?,
            events: Known::Known(Vec::new()),
            openshift: Known::Known(None),
            daemon_sets,
            as_of: Timestamp::now(),
        },
        versions,
        selection: Selection {
            scope,
            daemon_sets: request.selector.clone(),
            names: request.names.clone(),
            nodes: None,
            pods: labels,
        },
    })
}

/// Lists the events that a query selects. Sends no request if it selects none.
///
/// # Errors
/// Any error except missing permissions.
pub(super) async fn events(access: &Access, scope: &Scope, query: &EventQuery) -> Result<Known<Vec<Event>>, Error> {
    let Some(fields) = query.fields() else {
        return Ok(Known::Known(Vec::new()));
    };
    let listed = access.list::<Event>(scope, None, Some(&fields.selector())).await;
    Ok(query.select(readable(listed, &mut None)?))
}

/// Selects the DaemonSets with the requested names.
///
/// # Errors
/// A name does not exist. The hint has the namespaces in which it does.
pub(super) async fn select(
    access: &Access,
    daemon_sets: Vec<DaemonSet>,
    request: &Request,
) -> Result<Vec<DaemonSet>, Error> {
    let Some(missing) = missing_name(&daemon_sets, request) else {
        return Ok(select_by_name(daemon_sets, request));
    };
    let of_name = format!("metadata.name={}", missing.name);
    let elsewhere = match &missing.namespace {
        // The list is needed only for the hint, so its errors are ignored.
        Some(_) => {
            access.list::<DaemonSet>(&Scope::AllNamespaces, None, Some(&of_name)).await.map(|listed| listed.items)
        }
        None => Ok(Vec::new()),
    };
    let mut namespaces: Vec<String> =
        elsewhere.unwrap_or_default().into_iter().filter_map(|daemon_set| daemon_set.metadata.namespace).collect();
    namespaces.sort();
    Err(no_such_daemon_set(missing, &daemon_sets, &namespaces, &place(access, missing.namespace.as_deref())))
}

/// The number of DaemonSets in all namespaces; `None` if they cannot be listed.
pub(super) async fn number_in_all_namespaces(access: &Access) -> Option<usize> {
    let all = access.metadata(MetadataKind::DaemonSets, &Scope::AllNamespaces, None).await;
    all.ok().map(|all| all.len())
}

/// Describes a namespace of the cluster, or all of it.
pub(crate) fn place(access: &Access, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("namespace {namespace:?} ({})", cluster(access)),
        None => format!("any namespace ({})", cluster(access)),
    }
}

pub(super) fn cluster(access: &Access) -> String {
    match access.context() {
        Some(context) => format!("context {context:?}"),
        None => access.server().to_owned(),
    }
}

pub(super) fn scope(request: &Request) -> Scope {
    request.namespace.clone().map_or(Scope::AllNamespaces, Scope::Namespace)
}

/// Missing permissions make the objects unknown; any other error ends the command.
pub(crate) fn readable<T>(
    listed: Result<Listed<T>, Error>,
    version: &mut Option<String>,
) -> Result<Known<Vec<T>>, Error> {
    known_if_permitted(listed.map(|listed| {
        *version = Some(listed.resource_version);
        listed.items
    }))
}

/// Keeps only pods that may belong to one of the DaemonSets, or to a deleted one of the same name: a cluster may have a
/// hundred times as many.
pub(super) fn owned_pod_filter(daemon_sets: &[DaemonSet]) -> impl FnMut(PodSummary) -> Option<PodSummary> + 'static {
    let uids: HashSet<String> = daemon_sets.iter().filter_map(|daemon_set| daemon_set.metadata.uid.clone()).collect();
    let name =
        |daemon_set: &DaemonSet| Some((daemon_set.metadata.name.clone()?, daemon_set.metadata.namespace.clone()?));
    let names: Vec<(String, String)> = daemon_sets.iter().filter_map(name).collect();
    let mut interner = Interner::default();
    move |pod: PodSummary| {
        let has_name = |owner: &OwnerReference| {
            owner.kind == "DaemonSet"
                && names.iter().any(|(name, namespace)| *name == owner.name && *namespace == pod.metadata.namespace)
        };
        let may_be_ours = pod.metadata.controller().is_none_or(|owner| uids.contains(&owner.uid) || has_name(owner));
        may_be_ours.then(|| pod.compact(&mut interner))
    }
}

/// Distinguishes a namespace that does not exist from one without DaemonSets.
pub(super) async fn check_namespace(access: &Access, request: &Request) -> Result<(), Error> {
    let Some(requested) = &request.namespace else {
        return Ok(());
    };
    match access.get::<Namespace>(&Scope::Cluster, requested).await {
        Ok(None) => {}
        Ok(Some(_)) | Err(Error::Forbidden { .. }) => return Ok(()),
        Err(error) => return Err(error),
    }
    // The list is needed only for the hint, so its errors are ignored.
    let others = access.list::<Namespace>(&Scope::Cluster, None, None).await.map(|listed| listed.items);
    let others = others.unwrap_or_default();
    let names = others.iter().filter_map(|namespace| namespace.metadata.name.as_deref());
    Err(Error::NotFound {
        message: format!("namespace {requested:?} not found ({})", cluster(access)),
        hint: hint(requested, names, "list the namespaces: kubectl get namespaces"),
    })
}

/// Loads the OpenShift objects, if the nodes show that the cluster is OpenShift.
async fn openshift(access: &Access, nodes: &Known<Vec<Node>>) -> Result<Known<Option<OpenShift>>, Error> {
    openshift_of(access, nodes.known().map(Vec::as_slice).unwrap_or_default()).await
}

/// As [`openshift`], for a slice of nodes.
pub(super) async fn openshift_of(access: &Access, nodes: &[Node]) -> Result<Known<Option<OpenShift>>, Error> {
    if !OpenShift::detect(nodes) {
        return Ok(Known::Known(None));
    }
    const SCHEDULER: &str = "/apis/config.openshift.io/v1/schedulers/cluster";
    let (namespaces, scheduler) = tokio::join!(
        access.list::<Namespace>(&Scope::Cluster, None, None),
        access.get_at::<serde_json::Value>(SCHEDULER, "schedulers.config.openshift.io"),
    );
    let namespaces = match readable(namespaces, &mut None)? {
        Known::Known(namespaces) => namespaces,
        Known::Unknown(why) => return Ok(Known::Unknown(why)),
    };
    known_if_permitted(scheduler.map(|scheduler| {
        Some(OpenShift {
            namespaces,
            default_node_selector: scheduler["spec"]["defaultNodeSelector"].as_str().unwrap_or_default().to_owned(),
        })
    }))
}
