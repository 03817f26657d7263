//! Loads the world of a plan: the DaemonSets with their pods, all nodes, and the objects that decide about new pods.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};

use super::live::{openshift_of, owned_pod_filter, readable};
use super::node::{minor, saved_objects};
use super::request::Request;
use super::{Source, live, objects, saved};
use crate::admission::pod_manifest::daemon_pod_manifest;
use crate::cluster::access::Access;
use crate::cluster::apply::{DryRunPod, dry_run_pod};
use crate::cluster::file;
use crate::cluster::list::Listed;
use crate::cluster::query::Scope;
use crate::error::Error;
use crate::placement::{self, Placement};
use crate::plan::{self, ClusterChange, DryRun, World};
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::Pod;
use crate::snapshot::pod::compact::PodInterner;
use crate::snapshot::{Known, Node, PodSummary, Snapshot, UnsavedPods};

/// With more nodes than this, the pods of all nodes are read in one list.
const MOST_NODES_READ_ONE_BY_ONE: usize = 20;
/// How many nodes are read concurrently.
const AT_ONCE: usize = 8;
/// A pod may need a kind because of objects that were read for another one.
const ROUNDS_OF_NEEDS: usize = 2;

/// Whose pods are read completely.
#[derive(Clone, Debug)]
pub(crate) enum PodExtent {
    AllNodes,
    /// Pods may be created only on these nodes.
    Nodes(Vec<String>),
}

impl Source {
    /// Loads the DaemonSets, nodes, pods and revisions.
    ///
    /// # Errors
    /// Required objects cannot be read. Other objects become unknown.
    pub(crate) async fn world(&mut self, request: &Request, extent: &PodExtent) -> Result<World, Error> {
        match self {
            Self::Live(access) => live_world(access, request, extent).await,
            Self::Saved(cluster_objects) => saved_world(std::mem::take(&mut **cluster_objects)),
        }
    }

    /// Asks the API server about one new pod of each DaemonSet, as a dry run: then it has the changes of webhooks.
    ///
    /// # Errors
    /// Any error except missing permissions.
    pub(crate) async fn create_pods(&self, world: &mut World, change: &ClusterChange) -> Result<(), Error> {
        let Self::Live(access) = self else { return Ok(()) };
        let nodes = world.snapshot.nodes.known().map_or(&[][..], Vec::as_slice);
        let first = |daemon_set: &DaemonSet| {
            let is_eligible = |node: &&Node| {
                placement::evaluate(daemon_set, node, &world.snapshot.openshift).placement == Placement::Run
            };
            Some((daemon_set.clone(), nodes.iter().find(is_eligible)?.metadata.name.clone()))
        };
        let questions: Vec<(DaemonSet, String)> = change.daemon_sets.iter().filter_map(first).collect();
        let answers: Result<Vec<Answer>, Error> = stream::iter(questions)
            .map(|(daemon_set, node)| async move {
                let metadata = &daemon_set.metadata;
                let namespace = metadata.namespace.clone().unwrap_or_default();
                let pod = daemon_pod_manifest(&daemon_set, &node);
                let answer = match dry_run_pod(access, &namespace, &pod).await? {
                    DryRunPod::Created(pod) => DryRun::Created(pod),
                    DryRunPod::Rejected(message) => DryRun::Rejected(message),
                    DryRunPod::Forbidden(message) => DryRun::NotAsked(message),
                };
                Ok(((namespace, metadata.name.clone().unwrap_or_default()), answer))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await;
        world.created = answers?.into_iter().collect();
        Ok(())
    }

    /// The nodes, to select some of them.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, Error> {
        match self {
            Self::Live(access) => {
                let keep = |node: Node| Some(node.compact());
                Ok(access.bulk::<Node>(&Scope::Cluster, None, keep).await?.items)
            }
            Self::Saved(cluster_objects) => match &cluster_objects.nodes {
                Known::Known(nodes) => Ok(nodes.clone()),
                Known::Unknown(why) => {
                    Err(Error::NotFound { message: format!("cannot read nodes: {why}"), hint: file::HINT.into() })
                }
            },
        }
    }

    /// Reads the objects that decide about the new pods of the change.
    ///
    /// # Errors
    /// Any error except missing permissions, which make a kind unknown.
    pub(crate) async fn complete(&self, world: &mut World, change: &ClusterChange) -> Result<(), Error> {
        let Self::Live(access) = self else { return Ok(()) };
        for _ in 0..ROUNDS_OF_NEEDS {
            let needs = plan::needs(world, change);
            let namespaces: Vec<String> = plan::may_create(world, change)
                .iter()
                .filter_map(|daemon_set| daemon_set.metadata.namespace.clone())
                .collect();
            let scope = objects::scope_of(namespaces.iter().map(String::as_str));
            objects::read(access, &mut world.cluster_objects, &needs, &scope).await?;
        }
        Ok(())
    }
}

async fn live_world(access: &Access, request: &Request, extent: &PodExtent) -> Result<World, Error> {
    let (daemon_sets, nodes, minor) =
        tokio::join!(daemon_sets(access, request), access.bulk::<Node>(&Scope::Cluster, None, Some), minor(access),);
    let (daemon_sets, scope) = daemon_sets?;
    let nodes = readable(nodes, &mut None)?;
    let known_nodes = nodes.known().map_or(&[][..], Vec::as_slice);
    let (revisions, openshift, pods) = tokio::join!(
        access.list::<ControllerRevision>(&scope, None, None),
        openshift_of(access, known_nodes),
        pods(access, &scope, extent, &daemon_sets),
    );
    let (summaries, complete) = pods?;
    let complete_nodes = match extent {
        PodExtent::Nodes(nodes) if nodes.len() <= MOST_NODES_READ_ONE_BY_ONE => Some(nodes.iter().cloned().collect()),
        PodExtent::Nodes(_) | PodExtent::AllNodes => None,
    };
    Ok(World {
        snapshot: Snapshot {
            daemon_sets,
            has_all_nodes: true,
            pods: summaries,
            unsaved_pods: UnsavedPods::default(),
            revisions: readable(revisions, &mut None)?,
            events: Known::Known(Vec::new()),
            openshift: openshift?,
            as_of: Timestamp::now(),
            nodes,
        },
        pods: complete,
        complete_nodes,
        cluster_objects: ClusterObjects { minor: minor?, ..ClusterObjects::default() },
        created: HashMap::new(),
    })
}

/// The DaemonSets of the cluster, or of the namespace if only those may be read.
async fn daemon_sets(access: &Access, request: &Request) -> Result<(Vec<DaemonSet>, Scope), Error> {
    match access.list::<DaemonSet>(&Scope::AllNamespaces, None, None).await {
        Ok(listed) => Ok((listed.items, Scope::AllNamespaces)),
        Err(Error::Forbidden { .. }) if request.namespace.is_some() => {
            let scope = live::scope(request);
            Ok((access.list::<DaemonSet>(&scope, None, None).await?.items, scope))
        }
        Err(error) => Err(error),
    }
}

/// The namespace and name of a DaemonSet, and what the API server answered.
type Answer = ((String, String), DryRun);

type Pods = (Known<Vec<PodSummary>>, Known<Vec<Pod>>);

/// The pods of the DaemonSets, and complete pods of the nodes in question.
async fn pods(access: &Access, scope: &Scope, extent: &PodExtent, daemon_sets: &[DaemonSet]) -> Result<Pods, Error> {
    match extent {
        PodExtent::Nodes(nodes) if nodes.len() <= MOST_NODES_READ_ONE_BY_ONE => {
            let (summaries, complete) = tokio::join!(
                access.bulk::<PodSummary>(scope, None, owned_pod_filter(daemon_sets)),
                pods_of(access, nodes),
            );
            Ok((readable(summaries, &mut None)?, complete?))
        }
        PodExtent::Nodes(_) | PodExtent::AllNodes => {
            let (mut owned, mut keep_owned, mut interner) =
                (Vec::new(), owned_pod_filter(daemon_sets), PodInterner::default());
            let keep = |pod: Pod| {
                if pod.metadata.controller().is_none_or(|owner| owner.kind == "DaemonSet") {
                    owned.extend(keep_owned(pod.summary()));
                }
                Some(pod.compact(&mut interner))
            };
            let complete = readable(access.bulk::<Pod>(&Scope::AllNamespaces, None, keep).await, &mut None)?;
            let summaries = match &complete {
                Known::Known(_) => Known::Known(owned),
                // Perhaps those of one namespace may be read.
                Known::Unknown(_) => {
                    readable(access.bulk::<PodSummary>(scope, None, owned_pod_filter(daemon_sets)).await, &mut None)?
                }
            };
            Ok((summaries, complete))
        }
    }
}

/// The pods that are bound to these nodes, and all that are not scheduled.
async fn pods_of(access: &Access, nodes: &[String]) -> Result<Known<Vec<Pod>>, Error> {
    let fields = nodes.iter().map(|node| format!("spec.nodeName={node}")).chain(["spec.nodeName=".to_owned()]);
    let fields: Vec<String> = fields.collect();
    let lists: Result<Vec<Known<Vec<Pod>>>, Error> = stream::iter(&fields)
        .map(|field| async move {
            let listed: Result<Listed<Pod>, Error> = access.bulk_by_field(&Scope::AllNamespaces, field, Some).await;
            readable(listed, &mut None)
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await;
    let mut all = Vec::new();
    for pods in lists? {
        match pods {
            Known::Known(pods) => all.extend(pods),
            unknown @ Known::Unknown(_) => return Ok(unknown),
        }
    }
    Ok(Known::Known(all))
}

fn saved_world(cluster_objects: file::SavedObjects) -> Result<World, Error> {
    let (saved_kinds, pods) = (cluster_objects.objects, cluster_objects.scheduling_pods);
    let (namespaces, saved_namespaces) = (cluster_objects.namespaces.clone(), cluster_objects.saved.clone());
    let cluster_objects = file::SavedObjects {
        objects: file::Objects::default(),
        scheduling_pods: Known::Known(Vec::new()),
        ..cluster_objects
    };
    let mut snapshot = saved::saved(cluster_objects, &Request::default())?;
    snapshot.events = Known::Known(Vec::new());
    let cluster_objects = ClusterObjects {
        namespaces,
        nodes: snapshot.nodes.clone(),
        pods: pods.clone(),
        saved: Some(saved_namespaces),
        ..saved_objects(&saved_kinds)
    };
    Ok(World { snapshot, pods, complete_nodes: None, cluster_objects, created: HashMap::new() })
}
