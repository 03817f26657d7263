//! Predicts the missing pods of a node and loads what explains them: the objects that admission and the scheduler's
//! filters read for these pods, and events.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::Event;

use super::live::{events, readable};
use super::{Source, objects};
use crate::admission::{self, PredictedPod};
use crate::cluster::access::Access;
use crate::cluster::query::Scope;
use crate::error::Error;
use crate::explain::diagnosis::{self, DaemonSetSelection, Diagnosis};
use crate::revision::CurrentRevision;
use crate::scheduling::required_objects::{needs, required_by_node_pods, required_by_pvcs};
use crate::snapshot::Known;
use crate::snapshot::cluster_objects::ObjectKind;
use crate::snapshot::node_snapshot::NodeSnapshot;
use crate::snapshot::pod::Pod;
use crate::snapshot::selector;

/// How many pods of the same revision are requested concurrently.
const AT_ONCE: usize = 8;
/// The label with the revision of a DaemonSet pod.
const REVISION_LABEL: &str = "controller-revision-hash";

/// Loads what the DaemonSets without a healthy pod need, and returns the predicted pods in the order of the DaemonSets.
///
/// # Errors
/// Any error except missing permissions, which make the objects unknown.
pub(crate) async fn load_required_objects(
    source: &Source,
    node_snapshot: &mut NodeSnapshot,
    selection: DaemonSetSelection,
) -> Result<Vec<Option<PredictedPod>>, Error> {
    // The query is built on a snapshot without events.
    let saved = std::mem::replace(&mut node_snapshot.events, Known::Known(Vec::new()));
    let predicted = predict(source, node_snapshot, selection).await?;
    node_snapshot.events = match source {
        Source::Live(access) => {
            read_needs(access, node_snapshot, &predicted).await?;
            if diagnosis::could_move_pods(&diagnosis::all(node_snapshot, &predicted)) {
                let nodes = BTreeSet::from([ObjectKind::Nodes]);
                objects::read(access, &mut node_snapshot.cluster_objects, &nodes, &Scope::Cluster).await?;
            }
            read_events(access, node_snapshot, &predicted).await?
        }
        Source::Saved(_) => diagnosis::event_query(&diagnosis::all(node_snapshot, &predicted)).select(saved),
    };
    Ok(predicted)
}

async fn read_events(
    access: &Access,
    node_snapshot: &NodeSnapshot,
    predicted: &[Option<PredictedPod>],
) -> Result<Known<Vec<Event>>, Error> {
    let diagnoses = diagnosis::all(node_snapshot, predicted);
    let in_question = diagnoses.iter().filter(|diagnosis| !diagnosis.event_query.is_empty()).map(Diagnosis::namespace);
    events(access, &objects::scope_of(in_question), &diagnosis::event_query(&diagnoses)).await
}

/// Predicts the missing pods as the API server would create them.
async fn predict(
    source: &Source,
    node_snapshot: &mut NodeSnapshot,
    selection: DaemonSetSelection,
) -> Result<Vec<Option<PredictedPod>>, Error> {
    let questions = diagnosis::daemon_sets_without_pod(node_snapshot, selection);
    if questions.is_empty() {
        return Ok(node_snapshot.daemon_sets.iter().map(|_| None).collect());
    }
    if let Source::Live(access) = source {
        let daemon_sets = questions.iter().map(|&index| &node_snapshot.daemon_sets[index]);
        let mut needs = BTreeSet::from([
            ObjectKind::LimitRanges,
            ObjectKind::Quotas,
            ObjectKind::ServiceAccounts,
            ObjectKind::Namespaces,
        ]);
        for daemon_set in daemon_sets.clone() {
            let of_one = admission::needs(daemon_set);
            needs.extend(of_one.priority_class.map(|_| ObjectKind::PriorityClasses));
            needs.extend(of_one.runtime_class.map(|_| ObjectKind::RuntimeClasses));
        }
        let scope = objects::scope_of(daemon_sets.map(namespace_of));
        let (revisions, read) = tokio::join!(
            access.list::<ControllerRevision>(&scope, None, None),
            objects::read(access, &mut node_snapshot.cluster_objects, &needs, &scope),
        );
        read?;
        node_snapshot.revisions = readable(revisions, &mut None)?;
    }
    let siblings: Vec<Option<Pod>> = stream::iter(questions.iter().map(|&index| &node_snapshot.daemon_sets[index]))
        .map(|daemon_set| reference_pod(source, node_snapshot, daemon_set))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut predicted: Vec<Option<PredictedPod>> = node_snapshot.daemon_sets.iter().map(|_| None).collect();
    for (&index, reference_pod) in questions.iter().zip(siblings) {
        let node = &node_snapshot.node.metadata.name;
        predicted[index] = Some(match reference_pod {
            Some(reference_pod) => PredictedPod {
                pod: admission::predict_from(&reference_pod, node),
                from_existing: true,
                assumptions: Vec::new(),
            },
            None => admission::predict(&node_snapshot.daemon_sets[index], node, &node_snapshot.cluster_objects),
        });
    }
    Ok(predicted)
}

/// A pod of the current revision on any other node. Webhooks would change the predicted pod in the same way.
async fn reference_pod(
    source: &Source,
    node_snapshot: &NodeSnapshot,
    daemon_set: &DaemonSet,
) -> Result<Option<Pod>, Error> {
    let revision = CurrentRevision::new(daemon_set, &node_snapshot.revisions);
    let Some(Some(hash)) = revision.hash.known() else { return Ok(None) };
    let is_owned = |pod: &Pod| {
        let owner = pod.metadata.controller();
        owner.is_some_and(|owner| Some(owner.uid.as_str()) == daemon_set.metadata.uid.as_deref())
    };
    match source {
        Source::Live(access) => {
            let scope = Scope::Namespace(namespace_of(daemon_set).to_owned());
            let labels = selector::from_label_selector(&daemon_set.spec.selector);
            let Some(labels) = labels else { return Ok(None) };
            match access.any::<Pod>(&scope, &format!("{labels},{REVISION_LABEL}={hash}")).await {
                Ok(pod) => Ok(pod.filter(is_owned)),
                Err(Error::Forbidden { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        }
        Source::Saved(_) => {
            let pods = node_snapshot.cluster_objects.pods.known().into_iter().flatten();
            let is_same = |pod: &&Pod| is_owned(pod) && pod.metadata.labels.get(REVISION_LABEL) == Some(hash);
            Ok(pods.filter(|pod| !pod.is_terminal()).find(is_same).cloned())
        }
    }
}

fn namespace_of(daemon_set: &DaemonSet) -> &str {
    daemon_set.metadata.namespace.as_deref().unwrap_or_default()
}

/// Loads the objects that the scheduler's filters read for these pods, in two rounds: the PersistentVolumeClaims of the
/// first determine whether the second needs all pods.
async fn read_needs(
    access: &Access,
    node_snapshot: &mut NodeSnapshot,
    predicted: &[Option<PredictedPod>],
) -> Result<(), Error> {
    let waiting = diagnosis::waiting(node_snapshot);
    let pods: Vec<Pod> = predicted.iter().flatten().map(|predicted| predicted.pod.clone()).chain(waiting).collect();
    let neighbours = node_snapshot.bound.known().into_iter().flatten();
    let nominated = node_snapshot.nominated.known().into_iter().flatten();
    // The anti-affinity of other pods matters only if there is a pod to schedule.
    let needed_by_others = if pods.is_empty() { BTreeSet::new() } else { required_by_node_pods(neighbours, nominated) };
    let scope = objects::scope_of(pods.iter().map(|pod| pod.metadata.namespace.as_str()));
    let of_pods: BTreeSet<ObjectKind> =
        pods.iter().flat_map(|pod| needs(pod, &node_snapshot.node)).chain(needed_by_others).collect();
    objects::read(access, &mut node_snapshot.cluster_objects, &of_pods, &scope).await?;
    let of_claims: BTreeSet<ObjectKind> =
        pods.iter().flat_map(|pod| required_by_pvcs(pod, &node_snapshot.cluster_objects.claims)).collect();
    objects::read(access, &mut node_snapshot.cluster_objects, &of_claims, &scope).await
}
