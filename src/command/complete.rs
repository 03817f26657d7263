//! Command-line completion by kubectl's protocol, which is cobra's: one line per candidate, with its description after
//! a tab, and a last line with the directive for the shell (cobra's `ShellCompDirective`). Errors are never printed,
//! because they would appear in the middle of the command line.

mod words;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use words::{Candidate, Completions, Names, Unfinished, unfinished};

use super::print;
use crate::cluster::access::AccessOptions;
use crate::cluster::connect::{connect, context_names};
use crate::cluster::file::{self, Detail};
use crate::cluster::list::metadata::MetadataKind;
use crate::cluster::query::Scope;
use crate::command::args::Global;
use crate::error::Error;
use crate::render::ListLength;
use crate::render::command_line::valid::{is_object_name, is_qualified_name};
use crate::render::text::sanitize;
use crate::snapshot::Known;
use crate::snapshot::object::ObjectMeta;

/// The time limit for finding candidates.
const PATIENCE: Duration = Duration::from_secs(2);
/// The time limit for a credential plugin: shorter than `PATIENCE`, so that there is time to end its process.
const PLUGIN_PATIENCE: Duration = Duration::from_millis(1500);
/// How many nodes are listed to find label keys: the nodes of one cluster have mostly the same keys.
const NODES_FOR_LABELS: u32 = 500;

/// `ShellCompDirectiveDefault`: the shell completes file paths if there is no candidate.
const FILES: u8 = 0;
/// `ShellCompDirectiveNoFileComp`.
const NO_FILES: u8 = 4;

/// Prints the candidates for the last word.
///
/// # Errors
/// [`Error::Output`].
pub(crate) fn run(tree: clap::Command, words: &[String]) -> Result<ExitCode, Error> {
    let Unfinished { typed, kept, wanted, global } = unfinished(tree, words);
    let directive = if wanted == Completions::Files { FILES } else { NO_FILES };
    let candidates = match (wanted, global) {
        (Completions::Words(words), _) => words,
        (Completions::Names(names), Some(global)) => in_time(names, global),
        (Completions::Names(_) | Completions::Files | Completions::Anything, _) => Vec::new(),
    };
    let (before, rest) = typed.split_at(kept);
    let fitting = candidates.into_iter().filter(|candidate| candidate.word.starts_with(rest));
    print(|out| lines(out, before, fitting, directive))?;
    Ok(ExitCode::SUCCESS)
}

/// The candidates found within the time limit. The lookup runs on a thread that the program does not join, because a
/// credential plugin may block it forever. A saved cluster has no time limit.
fn in_time(names: Names, global: Global) -> Vec<Candidate> {
    let is_live = global.from.is_empty();
    let (finder, found) = mpsc::channel();
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let candidates = runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(look_up(names, &global)));
        // The receiver is gone after the time limit.
        let _ = finder.send(candidates.unwrap_or_default());
    };
    match std::thread::Builder::new().stack_size(crate::program::STACK).spawn(work) {
        Ok(_) if is_live => found.recv_timeout(PATIENCE).unwrap_or_default(),
        Ok(_) => found.recv().unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// Writes the candidates in the format that kubectl and the shell scripts read.
fn lines(
    out: &mut impl Write,
    before: &str,
    candidates: impl Iterator<Item = Candidate>,
    directive: u8,
) -> io::Result<()> {
    for Candidate { word, meaning } in candidates {
        let word = sanitize(&word);
        match meaning.as_str() {
            "" => writeln!(out, "{before}{word}")?,
            meaning => writeln!(out, "{before}{word}\t{}", sanitize(meaning))?,
        }
    }
    writeln!(out, ":{directive}")
}

/// Looks up names in the source that the command line selects: the kubeconfig, a saved cluster, or a live cluster.
async fn look_up(names: Names, global: &Global) -> Result<Vec<Candidate>, Error> {
    let access = global.access();
    let plain =
        |names: Vec<String>| Ok(names.into_iter().map(|word| Candidate { word, meaning: String::new() }).collect());
    let (kind, limit) = match names {
        Names::Contexts => return plain(context_names(&access)?.contexts),
        Names::Clusters => return plain(context_names(&access)?.clusters),
        Names::Users => return plain(context_names(&access)?.users),
        Names::DaemonSets { .. } => (MetadataKind::DaemonSets, None),
        Names::Nodes => (MetadataKind::Nodes, None),
        Names::NodeLabels => (MetadataKind::Nodes, Some(NODES_FOR_LABELS)),
        Names::Namespaces => (MetadataKind::Namespaces, None),
    };
    let given = global.given_namespace();
    let all = global.all_namespaces || (names == Names::DaemonSets { everywhere: true } && given.is_none());
    let objects = match global.from.as_slice() {
        [] => live(&access, kind, all, limit).await?,
        from => saved(from, kind, given.filter(|_| !all))?,
    };
    Ok(match names {
        Names::NodeLabels => keys(objects),
        _ => named(objects, all),
    })
}

async fn live(
    access: &AccessOptions,
    kind: MetadataKind,
    all: bool,
    limit: Option<u32>,
) -> Result<Vec<ObjectMeta>, Error> {
    // The program exits after `PATIENCE`. A credential plugin must end before that.
    let asked = access.request_timeout.filter(|asked| !asked.is_zero()).unwrap_or(PLUGIN_PATIENCE);
    let request_timeout = Some(asked.min(PLUGIN_PATIENCE));
    let access = connect(&AccessOptions { request_timeout, ..access.clone() }).await?;
    let scope = match kind {
        MetadataKind::Nodes | MetadataKind::Namespaces => Scope::Cluster,
        MetadataKind::DaemonSets if all => Scope::AllNamespaces,
        MetadataKind::DaemonSets => Scope::Namespace(access.namespace().to_owned()),
    };
    access.metadata(kind, &scope, limit).await
}

/// A saved cluster has no default namespace: without one, all namespaces count.
fn saved(from: &[PathBuf], kind: MetadataKind, namespace: Option<String>) -> Result<Vec<ObjectMeta>, Error> {
    // Standard input belongs to the shell, and a pipe may never end.
    if from.iter().any(|path| !path.is_file() && !path.is_dir()) {
        return Ok(Vec::new());
    }
    let cluster_objects = file::read(from, Detail::Placement)?.into_objects();
    let object = |name: Option<String>, namespace: Option<String>| ObjectMeta {
        name: name.unwrap_or_default(),
        namespace: namespace.unwrap_or_default(),
        ..ObjectMeta::default()
    };
    Ok(match kind {
        MetadataKind::Nodes => known(cluster_objects.nodes).into_iter().map(|node| node.metadata).collect(),
        MetadataKind::Namespaces => match cluster_objects.namespaces {
            Known::Known(all) => all.into_iter().map(|one| object(one.metadata.name, None)).collect(),
            // Namespaces are rarely saved; the relevant ones have a DaemonSet.
            Known::Unknown(_) => {
                known(cluster_objects.daemon_sets).into_iter().map(|one| object(one.metadata.namespace, None)).collect()
            }
        },
        MetadataKind::DaemonSets => known(cluster_objects.daemon_sets)
            .into_iter()
            .map(|one| object(one.metadata.name, one.metadata.namespace))
            .filter(|one| namespace.as_ref().is_none_or(|namespace| *namespace == one.namespace))
            .collect(),
    })
}

fn known<T>(cluster_objects: Known<Vec<T>>) -> Vec<T> {
    match cluster_objects {
        Known::Known(cluster_objects) => cluster_objects,
        Known::Unknown(_) => Vec::new(),
    }
}

/// Each valid name once, with its namespaces if several are searched. Invalid names are dropped: a file from an
/// untrusted source can contain any text, while a valid name has no special meaning to a shell and is not an option.
fn named(objects: Vec<ObjectMeta>, with_namespace: bool) -> Vec<Candidate> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ObjectMeta { name, namespace, .. } in objects.into_iter().filter(|object| is_object_name(&object.name)) {
        names.entry(name).or_default().push(namespace);
    }
    let candidate = |(word, mut namespaces): (String, Vec<String>)| {
        namespaces.sort();
        Candidate { word, meaning: if with_namespace { ListLength::Handful.list(&namespaces) } else { String::new() } }
    };
    names.into_iter().map(candidate).collect()
}

/// The label keys with the number of their values: a key with one value per node is useless for grouping.
fn keys(objects: Vec<ObjectMeta>) -> Vec<Candidate> {
    let mut values: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
    let labels = objects.into_iter().flat_map(|object| object.labels.take());
    for (key, value) in labels.filter(|(key, _)| is_qualified_name(key)) {
        values.entry(key).or_default().insert(value);
    }
    let candidate = |(word, values): (String, std::collections::BTreeSet<String>)| {
        let meaning = match values.len() {
            1 => values.into_iter().next().unwrap_or_default(),
            many => format!("{many} values"),
        };
        Candidate { word, meaning }
    };
    values.into_iter().map(candidate).collect()
}
