//! `kubectl ds plan node`.

use std::process::ExitCode;

use super::args::PlanNodeArgs;
use super::view::PlanView;
use crate::change::NodeEdit;
use crate::cluster::file::Detail;
use crate::command::args::Global;
use crate::command::why_not::planned;
use crate::error::Error;
use crate::load::world::PodExtent;
use crate::load::{Request, Source, hint, open, parse_selector};
use crate::plan::{ClusterChange, NodeChange, World};
use crate::program;
use crate::render::plan::PlanContext;
use crate::render::text::{pluralize, sanitize};
use crate::snapshot::{HOSTNAME, Known, Node, Taint, selector};

pub(super) async fn run(args: PlanNodeArgs, global: &Global) -> Result<ExitCode, Error> {
    let edits = edits(&args)?;
    if args.nodes.is_empty() && args.selector.is_none() && args.node_file.is_none() {
        return Err(usage("name a node, select nodes with -l, or pass --node-file"));
    }
    match (&args.node_file, edits.is_empty() && !args.delete) {
        (Some(_), false) => return Err(usage("--node-file cannot be combined with a change: edit the file")),
        (None, true) => {
            return Err(usage("no change given: pass --taint, --label, --cordon, --uncordon or --delete"));
        }
        _ => {}
    }
    let joins = args.node_file.as_deref().map(|file| Ok::<_, Error>(copies(&planned(file)?, args.count)));
    let joins = joins.transpose()?.unwrap_or_default();
    let mut source = open(&global.from, &global.access(), Detail::Scheduling).await?;
    let names = selected(&mut source, &args).await?;
    let extent = PodExtent::Nodes(names.clone());
    let world = source.world(&Request::default(), &extent).await?;
    check_names(&world, &names)?;
    let nodes = match joins.is_empty() {
        true => changes(&names, &edits, args.delete),
        false => joins.into_iter().map(|node| NodeChange::Join { node: Box::new(node) }).collect(),
    };
    let context = PlanContext { change: Some(in_words(&args)), method: None };
    let change = ClusterChange { nodes, ..ClusterChange::default() };
    PlanView::new(args.view, global).show(&source, world, &change, &context).await
}

fn usage(message: &str) -> Error {
    Error::Usage { message: message.into(), hint: format!("see {} plan node --help", program::name()) }
}

/// The names of the nodes in question.
async fn selected(source: &mut Source, args: &PlanNodeArgs) -> Result<Vec<String>, Error> {
    let Some(labels) = &args.selector else {
        let mut names = args.nodes.clone();
        names.sort();
        names.dedup();
        return Ok(names);
    };
    let labels = parse_selector(labels)?;
    let nodes = source.nodes().await?;
    let matching = nodes.iter().filter(|node| selector::matches(&labels, &node.metadata.labels));
    let names: Vec<String> = matching.map(|node| node.metadata.name.clone()).collect();
    match names.is_empty() {
        true => Err(Error::NotFound {
            message: format!("no node matches {:?}", args.selector.as_deref().unwrap_or_default()),
            hint: "list the labels: kubectl get nodes --show-labels".into(),
        }),
        false => Ok(names),
    }
}

fn check_names(world: &World, names: &[String]) -> Result<(), Error> {
    let Known::Known(nodes) = &world.snapshot.nodes else {
        let why = world.snapshot.nodes.missing().map(ToString::to_string).unwrap_or_default();
        return Err(Error::NotFound {
            message: format!("cannot plan a change of nodes: {why}"),
            hint: "ask for the permission to list nodes".into(),
        });
    };
    let known = || nodes.iter().map(|node| node.metadata.name.as_str());
    match names.iter().find(|name| !known().any(|known| known == name.as_str())) {
        None => Ok(()),
        Some(missing) => Err(Error::NotFound {
            message: format!("node {missing:?} not found"),
            hint: hint(missing, known(), "list the nodes: kubectl get nodes"),
        }),
    }
}

fn changes(names: &[String], edits: &[NodeEdit], is_deleted: bool) -> Vec<NodeChange> {
    if is_deleted {
        return names.iter().map(|name| NodeChange::Delete { name: name.clone() }).collect();
    }
    let edits_of = |name: &String| {
        let of = |edit: &NodeEdit| NodeChange::Edit { name: name.clone(), edit: edit.clone() };
        edits.iter().map(of).collect::<Vec<NodeChange>>()
    };
    names.iter().flat_map(edits_of).collect()
}

/// Copies of the node with names and hostnames of their own.
fn copies(node: &Node, count: u16) -> Vec<Node> {
    let copy = |number: u16| {
        let mut copy = node.clone();
        if count > 1 {
            copy.metadata.name = format!("{}-{number}", node.metadata.name);
        }
        copy.metadata.labels.insert(HOSTNAME.to_owned(), copy.metadata.name.clone());
        copy.metadata.deletion_timestamp = None;
        copy
    };
    (1..=count).map(copy).collect()
}

/// The change, for the head of the screen.
fn in_words(args: &PlanNodeArgs) -> String {
    if let Some(file) = &args.node_file {
        let nodes = pluralize(usize::from(args.count), "new node");
        return sanitize(&format!("{nodes} like {}", file.display()));
    }
    let which = match (&args.selector, args.nodes.as_slice()) {
        (Some(selector), _) => format!("nodes with {selector}"),
        (None, [one]) => format!("node {one}"),
        (None, several) => pluralize(several.len(), "node"),
    };
    let taints = args.taint.iter().map(|taint| format!("taint {taint}"));
    let labels = args.label.iter().map(|label| format!("label {label}"));
    let flags = [(args.cordon, "cordon"), (args.uncordon, "uncordon"), (args.delete, "delete")];
    let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word.to_owned());
    let all: Vec<String> = taints.chain(labels).chain(flags).collect();
    sanitize(&format!("{which}: {}", all.join(", ")))
}

/// The changes of each node.
fn edits(args: &PlanNodeArgs) -> Result<Vec<NodeEdit>, Error> {
    let mut edits = Vec::new();
    for text in &args.taint {
        edits.push(taint(text)?);
    }
    let labels = args.label.iter().map(|text| label(text)).collect::<Result<Vec<_>, Error>>()?;
    if !labels.is_empty() {
        edits.push(NodeEdit::Labels(labels));
    }
    edits.extend(args.cordon.then_some(NodeEdit::Cordon));
    edits.extend(args.uncordon.then_some(NodeEdit::Uncordon));
    Ok(edits)
}

/// `KEY=VALUE:EFFECT`, `KEY:EFFECT`, `KEY:EFFECT-` or `KEY-`, as kubectl taint takes it.
fn taint(text: &str) -> Result<NodeEdit, Error> {
    const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    let wrong = || Error::Usage {
        message: format!("--taint {text:?}: must be KEY=VALUE:EFFECT, KEY:EFFECT, KEY:EFFECT- or KEY-"),
        hint: "the effects are NoSchedule, PreferNoSchedule and NoExecute".into(),
    };
    if let Some(removed) = text.strip_suffix('-') {
        let (key, effect) = removed.split_once(':').unwrap_or((removed, ""));
        let key = key.split_once('=').map_or(key, |(key, _)| key);
        let is_valid = !key.is_empty() && (effect.is_empty() || EFFECTS.contains(&effect));
        return match is_valid {
            true => Ok(NodeEdit::RemoveTaint { key: key.to_owned(), effect: effect.to_owned() }),
            false => Err(wrong()),
        };
    }
    let (name, effect) = text.rsplit_once(':').ok_or_else(wrong)?;
    let (key, value) = name.split_once('=').unwrap_or((name, ""));
    if key.is_empty() || !EFFECTS.contains(&effect) {
        return Err(wrong());
    }
    let (key, value, effect) = (key.to_owned(), value.to_owned(), effect.to_owned());
    Ok(NodeEdit::AddTaint(Taint { key, value, effect, time_added: None }))
}

/// `KEY=VALUE` or `KEY-`.
fn label(text: &str) -> Result<(String, Option<String>), Error> {
    let parsed = match (text.split_once('='), text.strip_suffix('-')) {
        (Some((key, value)), _) => Some((key.to_owned(), Some(value.to_owned()))),
        (None, Some(key)) => Some((key.to_owned(), None)),
        (None, None) => None,
    };
    parsed.filter(|(key, _)| !key.is_empty()).ok_or_else(|| Error::Usage {
        message: format!("--label {text:?}: must be KEY=VALUE or KEY-"),
        hint: "KEY- removes the label".into(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn taints_are_written_as_for_kubectl() {
        let added = |key: &str, value: &str, effect: &str| {
            let (key, value, effect) = (key.to_owned(), value.to_owned(), effect.to_owned());
            NodeEdit::AddTaint(Taint { key, value, effect, time_added: None })
        };
        let removed =
            |key: &str, effect: &str| NodeEdit::RemoveTaint { key: key.to_owned(), effect: effect.to_owned() };
        for (text, expected) in [
            ("a=b:NoSchedule", added("a", "b", "NoSchedule")),
            ("example.com/a:NoExecute", added("example.com/a", "", "NoExecute")),
            ("a-", removed("a", "")),
            ("a:NoSchedule-", removed("a", "NoSchedule")),
            ("a=b:NoSchedule-", removed("a", "NoSchedule")),
        ] {
            assert_eq!(taint(text).unwrap(), expected, "{text}");
        }
        for text in ["", "-", "a", "a=b", "a:Never", ":NoSchedule", "a:Never-"] {
            assert!(taint(text).is_err(), "{text}");
        }
    }

    #[test]
    fn labels_are_set_or_removed() {
        assert_eq!(label("a=b").unwrap(), ("a".into(), Some("b".into())));
        assert_eq!(label("a=").unwrap(), ("a".into(), Some(String::new())));
        assert_eq!(label("a-").unwrap(), ("a".into(), None));
        for text in ["", "a", "=b", "-"] {
            assert!(label(text).is_err(), "{text}");
        }
    }
}
