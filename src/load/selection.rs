//! Applies the names and selectors of the command line to the loaded objects.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::DaemonSet;
use kube::core::Selector;

use super::request::Request;
use crate::error::Error;
use crate::program;
use crate::render::ListLength;
use crate::render::command_line::valid;
use crate::snapshot::{DaemonSetName, Known, Node, selector};

/// Parses a label selector.
pub(crate) fn parse_selector(text: &str) -> Result<Selector, Error> {
    selector::parse(text).map_err(|fault| Error::Usage {
        message: format!("invalid selector {text:?}: {fault}"),
        hint: "use a label selector such as zone=a,tier in (web,db),!gpu".into(),
    })
}

/// The first requested name that no DaemonSet has.
pub(super) fn missing_name<'r>(daemon_sets: &[DaemonSet], request: &'r Request) -> Option<&'r DaemonSetName> {
    request.names.iter().find(|name| !daemon_sets.iter().any(|daemon_set| name.matches(daemon_set)))
}

/// Selects the DaemonSets with the requested names, sorted by namespace and name.
pub(super) fn select_by_name(mut daemon_sets: Vec<DaemonSet>, request: &Request) -> Vec<DaemonSet> {
    daemon_sets.retain(|daemon_set| {
        request.names.is_empty() || request.names.iter().any(|requested| requested.matches(daemon_set))
    });
    daemon_sets
        .sort_by(|a, b| (&a.metadata.namespace, &a.metadata.name).cmp(&(&b.metadata.namespace, &b.metadata.name)));
    daemon_sets
}

/// The error for a name that no DaemonSet has. `there` are the DaemonSets where it was looked for, `elsewhere` the
/// namespaces in which a DaemonSet has the name.
pub(super) fn no_such_daemon_set(
    missing: &DaemonSetName,
    there: &[DaemonSet],
    elsewhere: &[String],
    place: &str,
) -> Error {
    let is_there =
        |daemon_set: &&DaemonSet| missing.namespace.is_none() || daemon_set.metadata.namespace == missing.namespace;
    let names = there.iter().filter(is_there).filter_map(|daemon_set| daemon_set.metadata.name.as_deref());
    Error::NotFound {
        message: format!("daemonset {:?} not found in {place}", missing.name),
        hint: match elsewhere {
            [] => hint(
                &missing.name,
                names,
                &format!("list the DaemonSets of all namespaces: {} coverage -A", program::name()),
            ),
            [namespace] if valid::is_label_name(namespace) => {
                format!("it exists in namespace {namespace:?}: pass -n {namespace}, or {namespace}/{}", missing.name)
            }
            namespaces => {
                format!("it exists in namespaces {}: select one with -n", ListLength::Handful.list(namespaces))
            }
        },
    }
}

/// Requires that `--nodes` matches at least one node: a typo would otherwise look like a healthy cluster.
///
/// # Errors
/// It matches no node, or the nodes cannot be read.
pub(super) fn check_nodes(nodes: &Known<Vec<Node>>, request: &Request) -> Result<(), Error> {
    match (&request.nodes, nodes) {
        (Some(labels), Known::Known(nodes)) if nodes.is_empty() => Err(no_node_with(labels)),
        (Some(labels), Known::Unknown(why)) => Err(Error::NotFound {
            message: format!("cannot apply --nodes {labels:?}: {why}"),
            hint: "omit it, or get RBAC permission to list nodes; see docs/rbac".into(),
        }),
        _ => Ok(()),
    }
}

/// The nodes to use: `names` if given, otherwise all of `there`, which are the nodes that match `labels`.
///
/// # Errors
/// No node matches; a name is not in `there`.
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
            message: format!("node {missing:?} not found"),
            hint: hint(missing, there.iter().map(String::as_str), "list the nodes: kubectl get nodes"),
        });
    }
    Ok(if names.is_empty() { there } else { names.iter().cloned().collect() })
}

/// The names with each one that no node has, but with which only one name begins, completed.
pub(crate) fn full_node_names(names: &[String], there: &BTreeSet<String>) -> Vec<String> {
    let full = |name: &String| {
        let mut longer = there.iter().filter(|node| node.starts_with(name.as_str()));
        match (there.contains(name), longer.next(), longer.next()) {
            (false, Some(only), None) => only.clone(),
            _ => name.clone(),
        }
    };
    names.iter().map(full).collect()
}

fn no_node_with(labels: &str) -> Error {
    Error::NotFound {
        message: format!("no nodes match --nodes {labels:?}"),
        hint: "use a label selector such as zone=a; to list the labels: kubectl get nodes --show-labels".into(),
    }
}

/// `otherwise`, preceded by the most similar existing name if one is similar enough.
pub(crate) fn hint<'n>(requested: &str, names: impl Iterator<Item = &'n str>, otherwise: &str) -> String {
    const NEAR: f64 = 0.5;
    let nearest = names
        .map(|name| {
            // Of a label, people remember the part after the prefix.
            let parts = [name, name.rsplit('/').next().unwrap_or(name)];
            let likeness = |part: &&str| strsim::normalized_damerau_levenshtein(&requested.to_lowercase(), part);
            (parts.iter().map(likeness).fold(0.0, f64::max), name)
        })
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, name)) => format!("did you mean {name:?}? {otherwise}"),
        None => otherwise.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_of_a_name_is_enough_if_it_is_unique() {
        let there: BTreeSet<String> = ["node-1", "node-10", "node-2"].map(str::to_owned).into();
        let full = |name: &str| full_node_names(&[name.to_owned()], &there).join(" ");
        for (name, expected) in
            [("node-2", "node-2"), ("node-1", "node-1"), ("node-10", "node-10"), ("n", "n"), ("x", "x")]
        {
            assert_eq!(full(name), expected);
        }
        let there: BTreeSet<String> = ["node-1", "other-1"].map(str::to_owned).into();
        assert_eq!(full_node_names(&["o".to_owned()], &there), ["other-1"]);
    }
}
