//! Names and selectors as the user wrote them, held against what there is.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::DaemonSet;
use kube::core::Selector;

use super::Request;
use crate::error::Error;
use crate::snapshot::{Known, Node, selector};

/// A selector as the user wrote it.
pub(crate) fn parse_selector(text: &str) -> Result<Selector, Error> {
    selector::parse(text).map_err(|fault| Error::Usage {
        message: format!("the selector {text:?} cannot be read: {fault}"),
        hint: "selectors look like this: zone=a,tier in (web,db),!gpu".into(),
    })
}

/// Picks the DaemonSets that were named, in the order of their names.
pub(super) fn select_by_name(
    daemon_sets: Vec<DaemonSet>,
    request: &Request,
    place: &str,
) -> Result<Vec<DaemonSet>, Error> {
    fn name(daemon_set: &DaemonSet) -> &str {
        daemon_set.metadata.name.as_deref().unwrap_or_default()
    }
    for wanted in &request.names {
        if !daemon_sets.iter().any(|daemon_set| name(daemon_set) == wanted) {
            return Err(Error::NotFound {
                message: format!("there is no DaemonSet {wanted:?} in {place}"),
                hint: hint(
                    wanted,
                    daemon_sets.iter().map(name),
                    "without a name all are listed, with -A those of all namespaces",
                ),
            });
        }
    }
    let mut daemon_sets = daemon_sets;
    daemon_sets
        .retain(|daemon_set| request.names.is_empty() || request.names.iter().any(|wanted| wanted == name(daemon_set)));
    daemon_sets.sort_by(|a, b| (&a.metadata.namespace, name(a)).cmp(&(&b.metadata.namespace, name(b))));
    Ok(daemon_sets)
}

/// `--nodes` must be held against nodes, and match some: a slip of it would otherwise look like a cluster that is well.
///
/// # Errors
/// It matches none, or the nodes cannot be read.
pub(super) fn check_nodes(nodes: &Known<Vec<Node>>, request: &Request) -> Result<(), Error> {
    match (&request.nodes, nodes) {
        (Some(labels), Known::Known(nodes)) if nodes.is_empty() => Err(no_node_with(labels)),
        (Some(labels), Known::Unknown(why)) => Err(Error::NotFound {
            message: format!("--nodes {labels:?} cannot be held against any node: {why}"),
            hint: "leave it out, or ask for the right to list nodes".into(),
        }),
        _ => Ok(()),
    }
}

/// The names out of those of the nodes with some labels, or of these very nodes.
///
/// # Errors
/// There are none; a name that is not among them.
pub(crate) fn resolve_nodes(
    labels: Option<&str>,
    names: &[String],
    there: BTreeSet<String>,
) -> Result<BTreeSet<String>, Error> {
    if let Some(labels) = labels.filter(|_| there.is_empty()) {
        return Err(no_node_with(labels));
    }
    if let Some(missing) = names.iter().find(|name| !there.contains(*name)) {
        return Err(Error::NotFound {
            message: format!("there is no node {missing:?}"),
            hint: hint(missing, there.iter().map(String::as_str), "kubectl get nodes lists them"),
        });
    }
    Ok(if names.is_empty() { there } else { names.iter().cloned().collect() })
}

fn no_node_with(labels: &str) -> Error {
    Error::NotFound {
        message: format!("no node has the labels that --nodes asks for: {labels:?}"),
        hint: "it takes a label selector, such as zone=a: kubectl get nodes --show-labels".into(),
    }
}

/// The nearest name that exists, if one is near enough to have been meant.
pub(super) fn hint<'n>(wanted: &str, names: impl Iterator<Item = &'n str>, otherwise: &str) -> String {
    const NEAR: f64 = 0.5;
    let nearest = names
        .map(|name| (strsim::normalized_damerau_levenshtein(&wanted.to_lowercase(), name), name))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, name)) => format!("did you mean {name:?}? {otherwise}"),
        None => otherwise.to_owned(),
    }
}
