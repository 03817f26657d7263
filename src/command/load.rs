//! Facts for a command: from a live cluster or a saved one.

use std::collections::HashSet;
use std::path::PathBuf;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::{Event, Namespace};
use kube::core::Selector;

use crate::cluster::connect::{Access, AccessOptions, connect};
use crate::cluster::file;
use crate::cluster::list::Scope;
use crate::error::Error;
use crate::snapshot::selector::{self, covering};
use crate::snapshot::{Known, Node, OpenShift, Pod, Snapshot};

/// Where the facts are.
pub(super) enum Source {
    /// A cluster that answers.
    Live(Box<Access>),
    /// Files.
    Saved(Box<file::Facts>),
}

/// Which facts.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    /// Only this namespace; none for all.
    pub(super) namespace: Option<String>,
    /// Only DaemonSets of these names; empty for all.
    pub(super) names: Vec<String>,
    /// Only DaemonSets with these labels.
    pub(super) selector: Option<String>,
    /// Only nodes with these labels.
    pub(super) nodes: Option<String>,
}

/// Opens the files, or finds the cluster.
///
/// # Errors
/// What is wrong with the files, or with the way to the cluster.
pub(super) async fn open(from: &[PathBuf], access: &AccessOptions) -> Result<Source, Error> {
    if from.is_empty() {
        return Ok(Source::Live(Box::new(connect(access).await?)));
    }
    Ok(Source::Saved(Box::new(file::read(from)?.into_facts())))
}

/// What the events must be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// DaemonSets: why no pod could be made.
    DaemonSets,
    /// DaemonSets and their pods.
    Pods,
}

impl Source {
    /// The namespace to look in when none is asked for: that of the context, or all of a saved cluster.
    pub(super) fn default_namespace(&self) -> Option<String> {
        match self {
            Self::Live(access) => Some(access.namespace().to_owned()),
            Self::Saved(_) => None,
        }
    }

    /// Where a request looks, in words.
    pub(super) fn place(&self, request: &Request) -> String {
        match (self, &request.namespace) {
            (Self::Live(access), _) => place(access, request),
            (Self::Saved(_), Some(namespace)) => {
                format!("namespace {namespace:?} of the saved cluster")
            }
            (Self::Saved(_), None) => "the saved cluster".into(),
        }
    }

    /// Loads the facts without events; those come later, and only when something is to be explained by them.
    ///
    /// # Errors
    /// What is needed and cannot be read. The rest is marked as unknown in the snapshot.
    pub(super) async fn snapshot(&mut self, request: &Request) -> Result<Snapshot, Error> {
        match self {
            Self::Live(access) => live(access, request).await,
            Self::Saved(facts) => {
                let facts = std::mem::take(&mut **facts);
                let place = self.place(request);
                saved(facts, request, &place)
            }
        }
    }

    /// Adds the warning events. A saved cluster has them already.
    ///
    /// # Errors
    /// Anything but a lack of rights.
    pub(super) async fn add_events(
        &self,
        snapshot: &mut Snapshot,
        request: &Request,
        about: About,
    ) -> Result<(), Error> {
        let Self::Live(access) = self else {
            return Ok(());
        };
        let fields = match about {
            About::DaemonSets => "type=Warning,involvedObject.kind=DaemonSet",
            About::Pods => "type=Warning",
        };
        let events = access
            .list::<Event>(&scope(request), None, Some(fields))
            .await;
        snapshot.events = readable(events.map(|listed| listed.items))?;
        Ok(())
    }
}

fn scope(request: &Request) -> Scope {
    request
        .namespace
        .clone()
        .map_or(Scope::AllNamespaces, Scope::Namespace)
}

/// A lack of rights leaves a gap; any other error ends the command.
fn readable<T>(result: Result<T, Error>) -> Result<Known<T>, Error> {
    match result {
        Ok(value) => Ok(Known::Known(value)),
        Err(error @ Error::Forbidden { .. }) => Ok(Known::Unknown(error.to_string())),
        Err(error) => Err(error),
    }
}

async fn live(access: &Access, request: &Request) -> Result<Snapshot, Error> {
    let scope = scope(request);
    let (daemon_sets, nodes) = tokio::join!(
        access.list::<DaemonSet>(&scope, request.selector.as_deref(), None),
        access.bulk::<Node>(&Scope::Cluster, request.nodes.as_deref(), Some),
    );
    let daemon_sets = daemon_sets?.items;
    if daemon_sets.is_empty() {
        check_namespace(access, request).await?;
    }
    let daemon_sets = named(daemon_sets, request, &place(access, request))?;
    let nodes = readable(nodes.map(|listed| listed.items))?;

    let labels = covering(&daemon_sets);
    let (pods, revisions, openshift) = tokio::join!(
        access.bulk::<Pod>(&scope, labels.as_deref(), ours(&daemon_sets)),
        access.list::<ControllerRevision>(&scope, labels.as_deref(), None),
        openshift(access, &nodes),
    );
    Ok(Snapshot {
        nodes,
        has_all_nodes: request.nodes.is_none(),
        pods: readable(pods.map(|listed| listed.items))?,
        revisions: readable(revisions.map(|listed| listed.items))?,
        events: Known::Known(Vec::new()),
        openshift: openshift?,
        daemon_sets,
        as_of: Timestamp::now(),
    })
}

/// Lets through the pods that may belong to one of the DaemonSets, without what only an unbound pod needs: a cluster
/// may have a hundred times as many pods.
fn ours(daemon_sets: &[DaemonSet]) -> impl FnMut(Pod) -> Option<Pod> {
    let uids: HashSet<String> = daemon_sets
        .iter()
        .filter_map(|daemon_set| daemon_set.metadata.uid.clone())
        .collect();
    move |mut pod: Pod| {
        let may_be_ours = pod
            .metadata
            .controller()
            .is_none_or(|owner| uids.contains(&owner.uid));
        if !pod.spec.node_name.is_empty() {
            pod.spec.affinity = None;
        }
        may_be_ours.then_some(pod)
    }
}

/// A namespace that does not exist has no DaemonSets either: say which of the two it is.
async fn check_namespace(access: &Access, request: &Request) -> Result<(), Error> {
    let Some(wanted) = &request.namespace else {
        return Ok(());
    };
    let Known::Known(namespaces) =
        readable(access.list::<Namespace>(&Scope::Cluster, None, None).await)?
    else {
        return Ok(());
    };
    let names: Vec<&str> = namespaces
        .items
        .iter()
        .filter_map(|namespace| namespace.metadata.name.as_deref())
        .collect();
    if names.contains(&wanted.as_str()) {
        return Ok(());
    }
    Err(Error::NotFound {
        message: format!("there is no namespace {wanted:?} in {}", place_of(access)),
        hint: hint(
            wanted,
            names.into_iter(),
            "kubectl get namespaces lists them",
        ),
    })
}

fn place_of(access: &Access) -> String {
    match access.context() {
        Some(context) => format!("context {context:?}"),
        None => access.server().to_owned(),
    }
}

fn place(access: &Access, request: &Request) -> String {
    match &request.namespace {
        Some(namespace) => format!("namespace {namespace:?} of {}", place_of(access)),
        None => format!("any namespace of {}", place_of(access)),
    }
}

/// What only OpenShift has; asked for only where the nodes are OpenShift's.
async fn openshift(
    access: &Access,
    nodes: &Known<Vec<Node>>,
) -> Result<Known<Option<OpenShift>>, Error> {
    if !nodes
        .known()
        .is_some_and(|nodes| OpenShift::is_seen_in(nodes))
    {
        return Ok(Known::Known(None));
    }
    let (namespaces, default) = tokio::join!(
        access.list::<Namespace>(&Scope::Cluster, None, None),
        access.get_at("/apis/config.openshift.io/v1/schedulers/cluster", "schedulers.config.openshift.io"),
    );
    let default = readable(default)?;
    let read = readable(namespaces)?;
    Ok(match (read, default) {
        (Known::Known(namespaces), Known::Known(scheduler)) => Known::Known(Some(OpenShift {
            namespaces: namespaces.items,
            default_node_selector: scheduler["spec"]["defaultNodeSelector"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        })),
        (Known::Unknown(why), _) | (_, Known::Unknown(why)) => Known::Unknown(why),
    })
}

fn saved(facts: file::Facts, request: &Request, place: &str) -> Result<Snapshot, Error> {
    let daemon_sets = match facts.daemon_sets {
        Known::Known(daemon_sets) => daemon_sets,
        Known::Unknown(why) => {
            return Err(Error::File {
                file: "--from".into(),
                message: match facts.others {
                    0 => why,
                    others => format!("{why}, only {others} objects that kubectl ds does not read"),
                },
                hint: file::HINT.into(),
            });
        }
    };
    let labels = request.selector.as_deref().map(written).transpose()?;
    let is_asked_for = |daemon_set: &DaemonSet| {
        let in_namespace =
            request.namespace.is_none() || daemon_set.metadata.namespace == request.namespace;
        let of_object = daemon_set.metadata.labels.clone().unwrap_or_default();
        in_namespace
            && labels
                .as_ref()
                .is_none_or(|labels| selector::matches(labels, &of_object))
    };
    let daemon_sets = daemon_sets.into_iter().filter(is_asked_for).collect();
    let node_labels = request.nodes.as_deref().map(written).transpose()?;
    let mut nodes = facts.nodes;
    if let (Known::Known(nodes), Some(labels)) = (&mut nodes, &node_labels) {
        nodes.retain(|node| selector::matches(labels, &node.metadata.labels));
    }
    let is_openshift = nodes
        .known()
        .is_some_and(|nodes| OpenShift::is_seen_in(nodes));
    let openshift = match (is_openshift, facts.namespaces) {
        (false, _) => Known::Known(None),
        (true, Known::Unknown(why)) => Known::Unknown(why),
        (true, Known::Known(namespaces)) => Known::Known(Some(OpenShift {
            namespaces,
            ..OpenShift::default()
        })),
    };
    Ok(Snapshot {
        daemon_sets: named(daemon_sets, request, place)?,
        nodes,
        has_all_nodes: request.nodes.is_none(),
        pods: facts.pods,
        revisions: facts.revisions,
        events: facts.events,
        openshift,
        // Files without any instant have nothing either that an age could be counted from.
        as_of: facts.as_of.unwrap_or_else(Timestamp::now),
    })
}

/// A selector as the user wrote it.
pub(super) fn written(text: &str) -> Result<Selector, Error> {
    selector::parse(text).map_err(|fault| Error::Usage {
        message: format!("the selector {text:?} cannot be read: {fault}"),
        hint: "selectors look like this: zone=a,tier in (web,db),!gpu".into(),
    })
}

/// Picks the DaemonSets that were named, in the order of their names.
fn named(
    daemon_sets: Vec<DaemonSet>,
    request: &Request,
    place: &str,
) -> Result<Vec<DaemonSet>, Error> {
    fn name(daemon_set: &DaemonSet) -> &str {
        daemon_set.metadata.name.as_deref().unwrap_or_default()
    }
    for wanted in &request.names {
        if !daemon_sets
            .iter()
            .any(|daemon_set| name(daemon_set) == wanted)
        {
            return Err(Error::NotFound {
                message: format!("there is no DaemonSet {wanted:?} in {place}"),
                hint: hint(
                    wanted,
                    daemon_sets.iter().map(name),
                    "-A looks in all namespaces",
                ),
            });
        }
    }
    let mut daemon_sets = daemon_sets;
    daemon_sets.retain(|daemon_set| {
        request.names.is_empty()
            || request
                .names
                .iter()
                .any(|wanted| wanted == name(daemon_set))
    });
    daemon_sets
        .sort_by(|a, b| (&a.metadata.namespace, name(a)).cmp(&(&b.metadata.namespace, name(b))));
    Ok(daemon_sets)
}

/// The nearest name that exists, if one is near enough to have been meant.
fn hint<'n>(wanted: &str, names: impl Iterator<Item = &'n str>, otherwise: &str) -> String {
    const NEAR: f64 = 0.5;
    let nearest = names
        .map(|name| (strsim::normalized_damerau_levenshtein(wanted, name), name))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, name)) => format!("did you mean {name:?}? {otherwise}"),
        None => otherwise.to_owned(),
    }
}
