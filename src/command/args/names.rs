//! The names of DaemonSets and nodes on a command line, in every form that kubectl accepts: `NAME`, `TYPE/NAME` and
//! `TYPE NAME`, and for DaemonSets also `NAMESPACE/NAME`.

use crate::error::Error;
use crate::snapshot::DaemonSetName;

/// The types that kubectl accepts for DaemonSets.
const DAEMON_SET_TYPES: [&str; 7] =
    ["ds", "daemonset", "daemonsets", "daemonset.apps", "daemonsets.apps", "daemonset.v1.apps", "daemonsets.v1.apps"];
const NODE_TYPES: [&str; 3] = ["no", "node", "nodes"];
/// The types that a person may write in place of a DaemonSet. A namespace with such a name needs `-n`.
const OTHER_TYPES: [&str; 14] = [
    "po",
    "pod",
    "pods",
    "deploy",
    "deployment",
    "deployments",
    "sts",
    "statefulset",
    "statefulsets",
    "rs",
    "job",
    "cronjob",
    "svc",
    "service",
];

pub(crate) fn is_daemon_set_type(word: &str) -> bool {
    DAEMON_SET_TYPES.contains(&word)
}

pub(crate) fn is_node_type(word: &str) -> bool {
    NODE_TYPES.contains(&word)
}

/// Parses the name of a DaemonSet. A word before the slash that is no type is a namespace.
pub(crate) fn daemon_set_name(text: &str) -> Result<DaemonSetName, String> {
    let (namespace, name) = match text.split_once('/') {
        None => (None, text),
        Some((kind, name)) if is_daemon_set_type(kind) => match name.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() => (Some(namespace.to_owned()), name),
            _ => (None, name),
        },
        Some((kind, _)) if is_node_type(kind) || OTHER_TYPES.contains(&kind) => {
            return Err(format!("expected a DaemonSet, got {kind}; use NAME, ds/NAME or NAMESPACE/NAME"));
        }
        Some(("", _)) => return Err("the namespace must not be empty".into()),
        Some((namespace, name)) => (Some(namespace.to_owned()), name),
    };
    Ok(DaemonSetName { namespace, name: checked(name)? })
}

/// Parses the name of a node.
pub(crate) fn node_name(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        None => checked(text),
        Some((kind, name)) if is_node_type(kind) => checked(name),
        Some((kind, _)) => Err(format!("expected a node, got {kind}; use NAME or node/NAME")),
    }
}

fn checked(name: &str) -> Result<String, String> {
    match name {
        "" => Err("the name must not be empty".into()),
        name if name.contains('/') => Err("the name must not contain a slash".into()),
        name => Ok(name.to_owned()),
    }
}

/// Drops the type of `TYPE NAME…`, as in `daemonset fluent-bit`. A single word is a name, even if it is also a type.
pub(crate) fn without_type(mut names: Vec<DaemonSetName>) -> Vec<DaemonSetName> {
    let is_type = |first: &DaemonSetName| first.namespace.is_none() && is_daemon_set_type(&first.name);
    if names.len() > 1 && names.first().is_some_and(is_type) {
        names.remove(0);
    }
    names
}

/// The one DaemonSet of a command that takes only one: `NAME`, or `TYPE NAME`.
///
/// # Errors
/// There are several names.
pub(crate) fn only_name(names: Vec<DaemonSetName>, command: &str) -> Result<DaemonSetName, Error> {
    let mut names = without_type(names).into_iter();
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name),
        (_, other) => {
            let other = other.map(|other| format!(", and got {:?} too", other.to_string())).unwrap_or_default();
            Err(Error::usage_of(command, &format!("{command} takes one DaemonSet{other}")))
        }
    }
}

/// The DaemonSet and the nodes, also of `TYPE NAME NODE…`.
pub(crate) fn daemon_set_and_nodes(
    name: DaemonSetName,
    mut nodes: Vec<String>,
) -> Result<(DaemonSetName, Vec<String>), Error> {
    let mut name = name;
    if name.namespace.is_none() && is_daemon_set_type(&name.name) && !nodes.is_empty() {
        let word = nodes.remove(0);
        name = daemon_set_name(&word).map_err(|fault| Error::Usage {
            message: format!("{word:?}: {fault}"),
            hint: "use NAME or ds/NAME".into(),
        })?;
    }
    if nodes.len() > 1 && nodes.first().is_some_and(|word| is_node_type(word)) {
        nodes.remove(0);
    }
    Ok((name, nodes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn name(namespace: Option<&str>, name: &str) -> DaemonSetName {
        DaemonSetName { namespace: namespace.map(str::to_owned), name: name.to_owned() }
    }

    #[test]
    fn daemon_set_name_accepts_every_kubectl_form() {
        for text in ["x", "ds/x", "daemonset/x", "daemonsets/x", "daemonset.apps/x", "daemonsets.apps/x"] {
            assert_eq!(daemon_set_name(text).unwrap(), name(None, "x"), "{text}");
        }
        for text in ["logging/x", "ds/logging/x"] {
            assert_eq!(daemon_set_name(text).unwrap(), name(Some("logging"), "x"), "{text}");
        }
        for text in ["", "ds/", "/x", "pod/x", "deploy/x", "node/x", "ds//x", "ds/x/y/z", "a/b/c"] {
            assert!(daemon_set_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn node_name_accepts_every_kubectl_form() {
        for text in ["x", "no/x", "node/x", "nodes/x"] {
            assert_eq!(node_name(text).unwrap(), "x", "{text}");
        }
        for text in ["", "node/", "ds/x", "logging/x"] {
            assert!(node_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn type_before_names_is_dropped() {
        let names = |words: &[&str]| words.iter().map(|word| daemon_set_name(word).unwrap()).collect::<Vec<_>>();
        assert_eq!(without_type(names(&["ds", "x", "y"])), names(&["x", "y"]));
        assert_eq!(without_type(names(&["ds"])), names(&["ds"]));
        assert_eq!(without_type(names(&["x", "ds"])), names(&["x", "ds"]));
    }

    #[test]
    fn only_name_rejects_a_second_name() {
        let names = |words: &[&str]| words.iter().map(|word| daemon_set_name(word).unwrap()).collect::<Vec<_>>();
        assert_eq!(only_name(names(&["ds", "a/x"]), "cycle").unwrap(), name(Some("a"), "x"));
        assert!(only_name(names(&["x", "y"]), "cycle").unwrap_err().to_string().contains("\"y\" too"));
    }

    #[test]
    fn type_before_a_name_and_before_nodes_is_dropped() {
        let parsed = |words: &[&str]| {
            let nodes = words[1..].iter().map(|word| (*word).to_owned()).collect();
            let (name, nodes) = daemon_set_and_nodes(daemon_set_name(words[0]).unwrap(), nodes).unwrap();
            (name.to_string(), nodes.join(" "))
        };
        for (words, name, nodes) in [
            (&["x"][..], "x", ""),
            (&["x", "n1", "n2"], "x", "n1 n2"),
            (&["ds", "x", "n1"], "x", "n1"),
            (&["ds"], "ds", ""),
            (&["x", "node", "n1"], "x", "n1"),
            (&["x", "node"], "x", "node"),
        ] {
            assert_eq!(parsed(words), (name.to_owned(), nodes.to_owned()), "{words:?}");
        }
    }
}
