//! Builds a snapshot from the files of a saved cluster.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;

use super::request::Request;
use super::selection::{check_nodes, missing_name, no_such_daemon_set, parse_selector, select_by_name};
use crate::cluster::file;
use crate::error::Error;
use crate::render::text::pluralize;
use crate::snapshot::{Known, OpenShift, Snapshot, UnsavedPods, selector};

/// Describes a namespace of the saved cluster, or all of it.
pub(super) fn place(namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("namespace {namespace:?} of the saved cluster"),
        None => "the saved cluster".into(),
    }
}

/// Selects the requested objects.
///
/// # Errors
/// The files contain no DaemonSets; a name does not exist.
pub(super) fn saved(cluster_objects: file::SavedObjects, request: &Request) -> Result<Snapshot, Error> {
    let daemon_sets = match cluster_objects.daemon_sets {
        Known::Known(daemon_sets) => daemon_sets,
        Known::Unknown(why) => {
            return Err(Error::File {
                file: "--from".into(),
                message: match cluster_objects.others {
                    0 => why.to_string(),
                    others => format!("{why}; found only {} of other kinds", pluralize(others, "object")),
                },
                hint: file::HINT.into(),
            });
        }
    };
    let unsaved_pods = match &cluster_objects.pods {
        Known::Known(pods) => UnsavedPods::new(&daemon_sets, pods, &cluster_objects.saved),
        Known::Unknown(_) => UnsavedPods::default(),
    };
    let labels = request.selector.as_deref().map(parse_selector).transpose()?;
    let is_asked_for = |daemon_set: &DaemonSet| {
        let in_namespace = request.namespace.is_none() || daemon_set.metadata.namespace == request.namespace;
        let from_label_selector = daemon_set.metadata.labels.clone().unwrap_or_default();
        in_namespace && labels.as_ref().is_none_or(|labels| selector::matches(labels, &from_label_selector))
    };
    if let Some(missing) = missing_name(&daemon_sets, request) {
        let has_name = |daemon_set: &&DaemonSet| daemon_set.metadata.name.as_ref() == Some(&missing.name);
        let mut elsewhere: Vec<String> = daemon_sets
            .iter()
            .filter(has_name)
            .filter_map(|daemon_set| daemon_set.metadata.namespace.clone())
            .collect();
        elsewhere.sort();
        return Err(no_such_daemon_set(missing, &daemon_sets, &elsewhere, &place(missing.namespace.as_deref())));
    }
    let daemon_sets = daemon_sets.into_iter().filter(is_asked_for).collect();
    let node_labels = request.nodes.as_deref().map(parse_selector).transpose()?;
    let mut nodes = cluster_objects.nodes;
    if let (Known::Known(nodes), Some(labels)) = (&mut nodes, &node_labels) {
        nodes.retain(|node| selector::matches(labels, &node.metadata.labels));
    }
    check_nodes(&nodes, request)?;
    let is_openshift = nodes.known().is_some_and(|nodes| OpenShift::detect(nodes));
    let openshift = match (is_openshift, cluster_objects.namespaces) {
        (false, _) => Known::Known(None),
        (true, Known::Unknown(why)) => Known::Unknown(why),
        (true, Known::Known(namespaces)) => Known::Known(Some(OpenShift { namespaces, ..OpenShift::default() })),
    };
    let daemon_sets = select_by_name(daemon_sets, request);
    Ok(Snapshot {
        daemon_sets,
        nodes,
        has_all_nodes: request.nodes.is_none(),
        pods: cluster_objects.pods,
        unsaved_pods,
        revisions: cluster_objects.revisions,
        events: cluster_objects.events,
        openshift,
        // Without a timestamp in the files, no age is computed from this one. The limit prevents a future time from
        // a node whose clock is ahead.
        as_of: cluster_objects.as_of.unwrap_or_else(Timestamp::now).min(Timestamp::now()),
    })
}
