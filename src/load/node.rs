//! Loads the objects about one node that `why-not` always needs, in one round of requests. [`super::predict`] loads the
//! rest.

use jiff::Timestamp;
use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::PodSpec;

use super::live::{openshift_of, readable, scope, select};
use super::request::Request;
use super::selection::hint;
use super::{Source, saved};
use crate::cluster::access::Access;
use crate::cluster::file;
use crate::cluster::list::Listed;
use crate::cluster::query::Scope;
use crate::error::Error;
use crate::placement::{self, Placement};
use crate::render::ListLength;
use crate::render::command_line::CommandLine;
use crate::snapshot::cluster_objects::{ClusterObjects, KubeMinor, with_object_table};
use crate::snapshot::node_snapshot::NodeSnapshot;
use crate::snapshot::pod::Pod;
use crate::snapshot::saved::SavedNamespaces;
use crate::snapshot::{Known, Missing, Node, Snapshot, UnsavedPods};

/// The node to explain.
#[derive(Clone, Debug)]
pub(crate) enum NodeTarget {
    /// A node of the cluster.
    Named(String),
    /// The manifest of a node that does not exist yet.
    Planned(Box<Node>),
}

impl Source {
    /// Whether a saved cluster has the node, so that its objects need not be kept for another question. False for a live
    /// cluster, which is asked.
    pub(crate) fn has_saved_node(&self, which: &NodeTarget) -> bool {
        match (self, which) {
            (Self::Live(_), _) => false,
            (Self::Saved(_), NodeTarget::Planned(_)) => true,
            (Self::Saved(cluster_objects), NodeTarget::Named(name)) => {
                let nodes = cluster_objects.nodes.known();
                nodes.is_some_and(|nodes| nodes.iter().any(|node| node.metadata.name == *name))
            }
        }
    }

    /// Loads the objects about one node.
    ///
    /// # Errors
    /// Required objects cannot be read; a name does not exist.
    pub(crate) async fn node_snapshot(&mut self, request: &Request, which: &NodeTarget) -> Result<NodeSnapshot, Error> {
        match self {
            Self::Live(access) => match live(access, request, which).await? {
                Ok(node_snapshot) => Ok(node_snapshot),
                Err(full_name) => {
                    let found = live(access, request, &NodeTarget::Named(full_name.clone())).await?;
                    // It was deleted meanwhile.
                    found.map_err(|_| no_such_node(&full_name, &[], request, &live_place(access)))
                }
            },
            Self::Saved(cluster_objects) => from_files(std::mem::take(&mut **cluster_objects), request, which),
        }
    }
}

/// `Err` has the full name of the node, if `which` is only the beginning of it.
async fn live(access: &Access, request: &Request, which: &NodeTarget) -> Result<Result<NodeSnapshot, String>, Error> {
    let scope = scope(request);
    let (daemon_sets, node, bound, unbound, minor) = tokio::join!(
        access.list::<DaemonSet>(&scope, request.selector.as_deref(), None),
        node_of(access, request, which),
        bound_to(access, which),
        unbound(access, which),
        minor(access),
    );
    let node = match node? {
        Ok(node) => node,
        Err(full_name) => return Ok(Err(full_name)),
    };
    let unbound = readable(unbound, &mut None)?;
    let pick = |is_picked: fn(&Pod, &str) -> bool| {
        let picked = |pods: &Vec<Pod>| pods.iter().filter(|pod| is_picked(pod, &node.metadata.name)).cloned().collect();
        unbound.as_ref().map(picked)
    };
    Ok(Ok(NodeSnapshot {
        daemon_sets: select(access, daemon_sets?.items, request).await?,
        node_exists: matches!(which, NodeTarget::Named(_)),
        bound: readable(bound, &mut None)?,
        pinned: pick(is_pinned),
        nominated: pick(is_nominated),
        unsaved_pods: UnsavedPods::default(),
        revisions: Known::failed("controllerrevisions were not read"),
        events: Known::Known(Vec::new()),
        openshift: openshift_of(access, std::slice::from_ref(&node)).await?,
        cluster_objects: ClusterObjects { minor: minor?, ..ClusterObjects::default() },
        as_of: Timestamp::now(),
        node,
    }))
}

fn is_pinned(pod: &Pod, node: &str) -> bool {
    pod.target_node() == Some(node)
}

fn is_nominated(pod: &Pod, node: &str) -> bool {
    pod.status.nominated_node_name == node
}

/// The node, or its full name if only one node's name begins with the given one.
async fn node_of(access: &Access, request: &Request, which: &NodeTarget) -> Result<Result<Node, String>, Error> {
    let name = match which {
        NodeTarget::Planned(node) => return Ok(Ok((**node).clone())),
        NodeTarget::Named(name) => name,
    };
    if let Some(node) = access.bulk_one::<Node>(&Scope::Cluster, name).await? {
        return Ok(Ok(node));
    }
    // Without permission to list nodes there is no better hint: other errors than "not found" are ignored.
    let others = access.bulk::<Node>(&Scope::Cluster, None, |node| Some(node.compact())).await;
    let others = others.map(|listed| listed.items).unwrap_or_default();
    match only_with_prefix(name, &others) {
        Some(node) => Ok(Err(node.metadata.name.clone())),
        None => Err(no_such_node(name, &others, request, &live_place(access))),
    }
}

fn live_place(access: &Access) -> String {
    format!("context {:?}", access.context().unwrap_or(access.server()))
}

/// The only node whose name begins with the text.
fn only_with_prefix<'n>(prefix: &str, nodes: &'n [Node]) -> Option<&'n Node> {
    let mut found = nodes.iter().filter(|node| node.metadata.name.starts_with(prefix));
    found.next().filter(|_| found.next().is_none())
}

fn no_such_node(name: &str, others: &[Node], request: &Request, place: &str) -> Error {
    let names = || others.iter().map(|node| node.metadata.name.as_str());
    let with_prefix: Vec<&str> = names().filter(|node| node.starts_with(name)).collect();
    // The arguments were swapped: the first DaemonSet has the name of a node.
    let swapped = request.names.first().filter(|first| names().any(|node| node == first.name));
    let swapped = swapped.and_then(|node| CommandLine::own_program("why-not").name(&node.name).name(name).offered());
    Error::NotFound {
        message: format!("node {name:?} not found in {place}"),
        hint: match (swapped, with_prefix.is_empty()) {
            (Some(line), _) => format!("the node comes first: {line}"),
            (None, false) => {
                format!("several nodes begin with {name:?}: {}", ListLength::Handful.list(&with_prefix))
            }
            (None, true) => {
                let otherwise = "list the nodes: kubectl get nodes; for a node that is planned: --node-file FILE";
                hint(name, names(), otherwise)
            }
        },
    }
}

async fn bound_to(access: &Access, which: &NodeTarget) -> Result<Listed<Pod>, Error> {
    match which {
        NodeTarget::Named(name) => {
            access.bulk_by_field(&Scope::AllNamespaces, &format!("spec.nodeName={name}"), Some).await
        }
        NodeTarget::Planned(_) => Ok(nothing()),
    }
}

/// The unscheduled pods that are pinned to this node or nominated for it. A healthy cluster has few unscheduled pods.
async fn unbound(access: &Access, which: &NodeTarget) -> Result<Listed<Pod>, Error> {
    match which {
        NodeTarget::Named(name) => {
            let looks_here = |pod: Pod| (is_pinned(&pod, name) || is_nominated(&pod, name)).then_some(pod);
            access.bulk_by_field(&Scope::AllNamespaces, "spec.nodeName=", looks_here).await
        }
        NodeTarget::Planned(_) => Ok(nothing()),
    }
}

fn nothing<T>() -> Listed<T> {
    Listed { items: Vec::new(), resource_version: String::new() }
}

pub(super) async fn minor(access: &Access) -> Result<Known<KubeMinor>, Error> {
    let info = match access.get_version().await {
        Ok(info) => info,
        Err(error @ (Error::Forbidden { .. } | Error::Api { .. })) => return Ok(Known::failed(error.to_string())),
        Err(error) => return Err(error),
    };
    // Some providers report a minor version such as `33+`.
    let digits: String = info.minor.chars().take_while(char::is_ascii_digit).collect();
    Ok(match digits.parse() {
        Ok(minor) => Known::Known(KubeMinor(minor)),
        Err(_) => Known::failed(format!("the server version {:?} cannot be parsed", info.git_version)),
    })
}

fn from_files(
    cluster_objects: file::SavedObjects,
    request: &Request,
    which: &NodeTarget,
) -> Result<NodeSnapshot, Error> {
    let (objects, scheduling_pods) = (cluster_objects.objects, cluster_objects.scheduling_pods);
    let (namespaces, saved_namespaces) = (cluster_objects.namespaces.clone(), cluster_objects.saved.clone());
    let all_daemon_sets = cluster_objects.daemon_sets.clone();
    let partial_pods =
        scheduling_pods.known().and(all_daemon_sets.known()).and_then(|all| cluster_objects.saved.partial_pods(all));
    let cluster_objects = file::SavedObjects {
        objects: file::Objects::default(),
        scheduling_pods: Known::Known(Vec::new()),
        ..cluster_objects
    };
    if let (NodeTarget::Named(name), Known::Known(nodes)) = (which, &cluster_objects.nodes)
        && !nodes.iter().any(|node| node.metadata.name == *name)
        && only_with_prefix(name, nodes).is_none()
    {
        // Before the DaemonSets are selected: the arguments may have been swapped.
        return Err(no_such_node(name, nodes, request, "the saved cluster"));
    }
    let snapshot = saved::saved(cluster_objects, request)?;
    let node = match which {
        NodeTarget::Planned(node) => (**node).clone(),
        NodeTarget::Named(name) => {
            let nodes = match &snapshot.nodes {
                Known::Known(nodes) => nodes,
                Known::Unknown(why) => {
                    return Err(Error::NotFound {
                        message: format!("cannot read node {name:?}: {why}"),
                        hint: file::HINT.into(),
                    });
                }
            };
            let found = nodes.iter().find(|node| node.metadata.name == *name);
            let found = found.or_else(|| only_with_prefix(name, nodes));
            found.cloned().ok_or_else(|| no_such_node(name, nodes, request, "the saved cluster"))?
        }
    };
    let exists = matches!(which, NodeTarget::Named(_));
    let name = node.metadata.name.clone();
    let pick = |is_picked: &dyn Fn(&Pod) -> bool| match exists {
        true => scheduling_pods.as_ref().map(|pods| pods.iter().filter(|pod| is_picked(pod)).cloned().collect()),
        // A node that does not exist has no pods.
        false => Known::Known(Vec::new()),
    };
    let unsaved = || {
        let all = all_daemon_sets.known().filter(|_| exists)?;
        lacking_on_node(all, &snapshot, &node, scheduling_pods.known()?)
    };
    let partial_pods = partial_pods.or_else(unsaved);
    let is_unbound = |pod: &Pod| pod.spec.node_name.is_empty();
    Ok(NodeSnapshot {
        bound: pick(&|pod| pod.spec.node_name == name),
        pinned: pick(&|pod| is_unbound(pod) && is_pinned(pod, &name)),
        nominated: pick(&|pod| is_unbound(pod) && is_nominated(pod, &name)),
        node_exists: exists,
        unsaved_pods: snapshot.unsaved_pods,
        revisions: snapshot.revisions,
        events: snapshot.events,
        openshift: snapshot.openshift,
        cluster_objects: ClusterObjects {
            claims: covered(objects.all(), &saved_namespaces, &snapshot.daemon_sets, uses_claims),
            resource_claim_templates: covered(objects.all(), &saved_namespaces, &snapshot.daemon_sets, uses_devices),
            namespaces,
            nodes: snapshot.nodes,
            pods: scheduling_pods,
            saved: Some(saved_namespaces),
            partial_pods,
            ..saved_objects(&objects)
        },
        as_of: snapshot.as_of,
        daemon_sets: snapshot.daemon_sets,
        node,
    })
}

/// Why a pod of a DaemonSet may be missing on the node: the files do not contain all its pods, and it may have one here.
fn lacking_on_node(daemon_sets: &[DaemonSet], snapshot: &Snapshot, node: &Node, pods: &[Pod]) -> Option<String> {
    let lacks = |daemon_set: &&DaemonSet| {
        let uid = daemon_set.metadata.uid.as_deref().unwrap_or_default();
        let is_its_pod = |pod: &Pod| pod.metadata.controller().is_some_and(|owner| owner.uid == uid);
        !pods.iter().any(|pod| is_its_pod(pod) && pod.target_node() == Some(&node.metadata.name))
    };
    let runs_here = |one: &&DaemonSet| placement::evaluate(one, node, &snapshot.openshift).placement == Placement::Run;
    let unsaved = daemon_sets.iter().filter(|one| snapshot.unsaved_pods.of(one).is_some());
    let lacking = unsaved.filter(lacks).find(runs_here)?;
    snapshot.unsaved_pods.of(lacking).map(Missing::to_string)
}

/// The objects in the files, without pods and nodes.
pub(super) fn saved_objects(objects: &file::Objects) -> ClusterObjects {
    macro_rules! decode_all {
        ($($(#[$doc:meta])* $field:ident: $type:ident, $kind:ident, $extent:ident, $versions:tt;)+) => {
            ClusterObjects {
                minor: Known::not_saved("a saved cluster has no server version"),
                $($field: objects.all(),)+
                ..ClusterObjects::default()
            }
        };
    }
    with_object_table!(decode_all)
}

/// The objects; unknown if a DaemonSet that needs them is in a namespace that was not saved.
fn covered<K: Resource + Clone>(
    objects: Known<Vec<K>>,
    saved: &SavedNamespaces,
    daemon_sets: &[DaemonSet],
    needs: fn(&PodSpec) -> bool,
) -> Known<Vec<K>> {
    let of = |daemon_set: &DaemonSet| daemon_set.metadata.namespace.clone().unwrap_or_default();
    let in_need =
        daemon_sets.iter().filter(|daemon_set| daemon_set.spec.template.spec.as_ref().is_some_and(needs)).map(of);
    match in_need.into_iter().find(|namespace| !saved.covers(K::KIND, namespace)) {
        Some(namespace) if objects.known().is_some() => {
            Known::not_saved(format!("the files contain no {} of namespace {namespace}", K::URL_PATH_SEGMENT))
        }
        _ => objects,
    }
}

fn uses_claims(spec: &PodSpec) -> bool {
    let volumes = spec.volumes.iter().flatten();
    volumes.into_iter().any(|volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some())
}

fn uses_devices(spec: &PodSpec) -> bool {
    spec.resource_claims.iter().flatten().next().is_some()
}
