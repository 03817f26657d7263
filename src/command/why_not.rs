//! `kubectl ds why-not`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::ControllerRevision;

use super::load::site::{Which, events};
use super::load::{Request, Source, facts, open};
use super::print;
use crate::admission::{self, Made};
use crate::cli::{Global, OutputFormat, WhyNotArgs, daemon_set_name, node_name};
use crate::cluster::connect::Access;
use crate::cluster::file::{self, Detail};
use crate::cluster::list::Scope;
use crate::error::Error;
use crate::explain::way::{Verdict, Way};
use crate::explain::{self};
use crate::render::terminal;
use crate::render::text::count;
use crate::render::why_not::{Report, Screen, overview, way};
use crate::render::{self, structured};
use crate::rollout::CurrentRevision;
use crate::scheduling;
use crate::snapshot::Node;
use crate::snapshot::facts::Need;
use crate::snapshot::full_pod::FullPod;
use crate::snapshot::site::Site;

/// How many pods of the same revision are looked for at once.
const AT_ONCE: usize = 8;

/// Loads, decides, renders.
///
/// # Errors
/// What keeps the command from an answer.
pub(crate) async fn run(args: WhyNotArgs, global: Global) -> Result<ExitCode, Error> {
    let (which, names) = understand(&args)?;
    let mut source = open(&global.from, &global.access(), Detail::Scheduling).await?;
    let request = Request { namespace: namespace(&global, &source, &names), names, ..Request::default() };
    let is_named = !request.names.is_empty();
    let mut site = source.site(&request, &which).await?;
    let made = predict(&source, &mut site, is_named).await?;
    if let Source::Live(access) = &source {
        read_needs(access, &mut site, &made).await?;
        let ways = explain::way::all(&site, &made);
        let mut in_question = ways.iter().filter(|way| way.wants_events()).map(Way::namespace).peekable();
        let scope = in_question.peek().is_some().then(|| facts::scope_of(in_question));
        if let Some(scope) = scope {
            site.events = events(access, &scope).await?;
        }
    }
    let gaps = site.gaps();
    for gap in &gaps {
        terminal::note(gap);
    }
    if site.daemon_sets.is_empty() {
        terminal::note(&format!("no DaemonSets found in {}", source.place(&request)));
    }
    let ways = explain::way::all(&site, &made);
    let screen = Screen {
        style: terminal::style(global.color),
        wide: args.output == Some(OutputFormat::Wide),
        titles: !args.no_headers,
        now: site.as_of,
    };
    let node = &site.node.metadata.name;
    print(|out| match args.output {
        Some(OutputFormat::Json) => structured::json(out, &Report::of(node, &ways, &gaps, site.as_of)),
        Some(OutputFormat::Yaml) => structured::yaml(out, &Report::of(node, &ways, &gaps, site.as_of)),
        Some(OutputFormat::Name) => {
            let unwell = ways.iter().filter(|way| matches!(way.verdict, Verdict::Blocked | Verdict::NotHealthy));
            render::names(out, "daemonset.apps", unwell.map(Way::name))
        }
        Some(OutputFormat::Wide) | None => show(out, &ways, node, (request.namespace.is_none(), is_named), screen),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The table, unless DaemonSets were named; and the way of each that was named or is in trouble.
fn show(
    out: &mut impl std::io::Write,
    ways: &[Way<'_>],
    node: &str,
    (with_namespace, is_named): (bool, bool),
    screen: Screen,
) -> std::io::Result<()> {
    if !is_named {
        overview(out, ways, node, with_namespace, screen)?;
    }
    let mut of_interest: Vec<&Way<'_>> = ways
        .iter()
        .filter(|way| is_named || matches!(way.verdict, Verdict::Blocked | Verdict::NotHealthy | Verdict::Unknown))
        .collect();
    of_interest.sort_by_key(|way| (way.verdict, way.namespace(), way.name()));
    for (index, one) in of_interest.into_iter().enumerate() {
        if index > 0 || !is_named {
            writeln!(out)?;
        }
        way(out, one, node, screen)?;
    }
    Ok(())
}

/// The node, and the names of the DaemonSets.
fn understand(args: &WhyNotArgs) -> Result<(Which, Vec<String>), Error> {
    let usage = |message: String| Error::Usage {
        message,
        hint: "it is called so: kubectl ds why-not NODE [DAEMONSET...]".into(),
    };
    let names = |words: &[String]| -> Result<Vec<String>, Error> {
        words.iter().map(|word| daemon_set_name(word).map_err(|fault| usage(format!("{word:?}: {fault}")))).collect()
    };
    if let Some(file) = &args.node_file {
        return Ok((Which::Planned(Box::new(planned(file)?)), names(&args.targets)?));
    }
    let (node, rest) = args.targets.split_first().ok_or_else(|| usage("the node is missing".into()))?;
    let node = node_name(node).map_err(|fault| usage(format!("{node:?}: {fault}")))?;
    Ok((Which::Named(node), names(rest)?))
}

/// The one node of a file.
fn planned(path: &Path) -> Result<Node, Error> {
    let name = path.display().to_string();
    let mut nodes = file::read(&[path.to_owned()], Detail::Placement)?.into_facts().nodes;
    let found = nodes.known().map_or(0, Vec::len);
    match (&mut nodes, found) {
        (crate::snapshot::Known::Known(nodes), 1) => {
            let mut node = nodes.swap_remove(0);
            if node.metadata.name.is_empty() {
                node.metadata.name = "new-node".into();
            }
            Ok(node)
        }
        _ => Err(Error::File {
            file: name,
            message: format!("it holds {}, and exactly one is wanted", count(found, "Node")),
            hint: "start from a node that is like it: kubectl get node NAME -o yaml > FILE".into(),
        }),
    }
}

/// Without names, why-not looks into every namespace; with names, where kubectl would look.
fn namespace(global: &Global, source: &Source, names: &[String]) -> Option<String> {
    // A script's empty variable names no namespace.
    let given = global.namespace.clone().filter(|name| !name.is_empty());
    match (global.all_namespaces, given, names) {
        (true, ..) | (false, None, []) => None,
        (false, Some(given), _) => Some(given),
        (false, None, _) => source.default_namespace(),
    }
}

/// The pods that are not there, as the API server would make them: of each DaemonSet in question.
async fn predict(source: &Source, site: &mut Site, is_named: bool) -> Result<Vec<Option<Made>>, Error> {
    let questions = explain::way::open_questions(site, is_named);
    if questions.is_empty() {
        return Ok(site.daemon_sets.iter().map(|_| None).collect());
    }
    if let Source::Live(access) = source {
        let daemon_sets = questions.iter().map(|&index| &site.daemon_sets[index]);
        let mut needs = BTreeSet::from([Need::LimitRanges, Need::Quotas, Need::ServiceAccounts, Need::Namespaces]);
        for daemon_set in daemon_sets.clone() {
            let of_one = admission::needs(daemon_set);
            needs.extend(of_one.priority_class.map(|_| Need::PriorityClasses));
            needs.extend(of_one.runtime_class.map(|_| Need::RuntimeClasses));
        }
        let scope = facts::scope_of(daemon_sets.map(namespace_of));
        let (revisions, read) = tokio::join!(
            access.list::<ControllerRevision>(&scope, None, None),
            facts::read(access, &mut site.facts, &needs, &scope),
        );
        read?;
        site.revisions = super::load::live::readable(revisions, &mut None)?;
    }
    let siblings: Vec<Option<FullPod>> = stream::iter(questions.iter().map(|&index| &site.daemon_sets[index]))
        .map(|daemon_set| sibling(source, site, daemon_set))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut made: Vec<Option<Made>> = site.daemon_sets.iter().map(|_| None).collect();
    for (&index, sibling) in questions.iter().zip(siblings) {
        let node = &site.node.metadata.name;
        made[index] = Some(match sibling {
            Some(sibling) => Made { pod: admission::make_like(&sibling, node), doubts: Vec::new() },
            None => admission::make(&site.daemon_sets[index], node, &site.facts),
        });
    }
    Ok(made)
}

/// A pod of the current revision on any other node: what webhooks made of it, they would make of this one.
async fn sibling(
    source: &Source,
    site: &Site,
    daemon_set: &k8s_openapi::api::apps::v1::DaemonSet,
) -> Result<Option<FullPod>, Error> {
    let revision = CurrentRevision::of(daemon_set, &site.revisions);
    let Some(Some(hash)) = revision.hash.known() else { return Ok(None) };
    const LABEL: &str = "controller-revision-hash";
    let is_owned = |pod: &FullPod| {
        let owner = pod.metadata.controller();
        owner.is_some_and(|owner| Some(owner.uid.as_str()) == daemon_set.metadata.uid.as_deref())
    };
    match source {
        Source::Live(access) => {
            let scope = Scope::Namespace(namespace_of(daemon_set).to_owned());
            let labels = crate::snapshot::selector::of_object(&daemon_set.spec.selector);
            let Some(labels) = labels else { return Ok(None) };
            match access.any::<FullPod>(&scope, &format!("{labels},{LABEL}={hash}")).await {
                Ok(pod) => Ok(pod.filter(is_owned)),
                Err(Error::Forbidden { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        }
        Source::Saved(_) => {
            let pods = site.facts.pods.known().into_iter().flatten();
            let is_same = |pod: &&FullPod| is_owned(pod) && pod.metadata.labels.get(LABEL) == Some(hash);
            Ok(pods.filter(|pod| !pod.is_terminal()).find(is_same).cloned())
        }
    }
}

fn namespace_of(daemon_set: &k8s_openapi::api::apps::v1::DaemonSet) -> &str {
    daemon_set.metadata.namespace.as_deref().unwrap_or_default()
}

/// What the scheduler's filters read for the pods in question, in two rounds: only the claims tell whether all pods
/// have to be read.
async fn read_needs(access: &Access, site: &mut Site, made: &[Option<Made>]) -> Result<(), Error> {
    let waiting = explain::way::waiting(site);
    let pods: Vec<FullPod> = made.iter().flatten().map(|made| made.pod.clone()).chain(waiting).collect();
    let scope = facts::scope_of(pods.iter().map(|pod| pod.metadata.namespace.as_str()));
    let of_pods: BTreeSet<Need> = pods.iter().flat_map(scheduling::needs).collect();
    facts::read(access, &mut site.facts, &of_pods, &scope).await?;
    let of_claims: BTreeSet<Need> =
        pods.iter().flat_map(|pod| scheduling::needs_after_claims(pod, &site.facts.claims)).collect();
    facts::read(access, &mut site.facts, &of_claims, &scope).await
}
