//! Which of the pods that want a place on a node get one, after the change.
//!
//! On each node, the scheduler takes the pods in the order of their priority (`pkg/scheduler/framework/plugins/queuesort/
//! priority_sort.go` `Less`): those that are created or replaced, and those that wait there already. Each one is tried
//! with the filters on the pods that are there then. Of equal priorities the older pod comes first; where another order
//! gives another result, the result is unknown and an assumption is listed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::around::around;
use super::assumption::Assumption;
use super::draft::{Cause, Creation, Draft, NodeDraft};
use super::forecast;
use super::new_pod::{PodsByNode, for_node};
use super::place::{Candidate, Order, Place, agreed};
use super::result::NodeAction;
use super::world::World;
use crate::admission::PredictedPod;
use crate::explain::Reason;
use crate::explain::diagnosis::kubelet_checks;
use crate::explain::pod::is_ready;
use crate::snapshot::Node;
use crate::snapshot::pod::Pod;

/// A blocked rollout keeps its old pods, which changes what fits: after this many rounds nothing changes any more.
const ROUNDS: usize = 4;

/// Decides about every node, until no rollout stops in another place than before.
pub(super) fn settle(world: &World, drafts: &mut [Draft<'_>], assumptions: &mut Vec<Assumption>) {
    let pods = PodsByNode::new(&world.pods);
    let new_pods: Vec<PredictedPod> = drafts.iter().map(|draft| draft.new_pod(world)).collect();
    let mut order = BTreeSet::new();
    for _ in 0..ROUNDS {
        order = schedule(world, &pods, &new_pods, drafts);
        let mut is_settled = true;
        for draft in drafts.iter_mut() {
            is_settled &= !forecast::stop_where_blocked(draft);
        }
        if is_settled {
            break;
        }
    }
    assumptions.extend(order);
}

fn schedule(
    world: &World,
    pods: &PodsByNode<'_>,
    new_pods: &[PredictedPod],
    drafts: &mut [Draft<'_>],
) -> BTreeSet<Assumption> {
    reset(pods, drafts);
    let removed = removed_pods(drafts);
    let nodes: HashMap<&str, &Node> =
        world.snapshot.nodes.known().into_iter().flatten().map(|node| (node.metadata.name.as_str(), node)).collect();
    let around = around(world, drafts, new_pods, &removed);
    let index = index_by_node(drafts);
    let mut order = BTreeSet::new();
    let mut undecided_by_others: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, members) in &index {
        let Some(node) = nodes.get(name.as_str()).copied() else { continue };
        let has_new = members.iter().any(|(draft, row)| drafts[*draft].nodes[*row].has_new_pod());
        let waiting = pods.waiting.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
        // Elsewhere, what waits for a place waits on.
        let is_touched = members.iter().any(|(draft, row)| {
            let target = &drafts[*draft].nodes[*row];
            target.is_changed || target.live_pods().any(|pod| removed.contains(pod.metadata.uid.as_str()))
        });
        if !has_new && (waiting.is_empty() || !is_touched) {
            continue;
        }
        let is_complete = world.complete_nodes.as_ref().is_none_or(|complete| complete.contains(name));
        if world.pods.known().is_none() || !is_complete {
            continue;
        }
        let candidates = candidates(drafts, members, new_pods, waiting, &removed, name);
        let bound = pods.bound.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let staying = members.iter().filter(|(draft, row)| drafts[*draft].nodes[*row].action == NodeAction::Keep);
        let staying: HashMap<&str, usize> = staying
            .flat_map(|(draft, row)| {
                drafts[*draft].nodes[*row].live_pods().map(|pod| (pod.metadata.name.as_str(), *draft))
            })
            .collect();
        let place = Place {
            node,
            occupants: bound.iter().copied().filter(|pod| !removed.contains(pod.metadata.uid.as_str())).collect(),
            nominated: pods.nominated.get(name.as_str()).cloned().unwrap_or_default(),
            staying,
            new_pods,
            objects: &around.as_they_are,
        };
        let (mut verdicts, contested) = place.in_every_order(drafts, &candidates);
        if !contested.is_empty() {
            let daemon_sets = contested.iter().map(|draft| drafts[*draft].full_name()).collect();
            order.insert(Assumption::OrderOfPods { node: name.clone(), daemon_sets });
        }
        let held: Vec<&Pod> = bound.iter().copied().filter(|pod| is_held(pod, &removed)).collect();
        if !held.is_empty() {
            let occupants = place.occupants.iter().copied().chain(held.iter().copied()).collect();
            let with_held = Place { occupants, ..place.clone() };
            let (agreed, contested) = agreed(verdicts, &with_held.try_all(drafts, &candidates, Order::Listed), None);
            verdicts = agreed;
            let has_own =
                members.iter().any(|(draft, row)| waits_for_finalizer(&drafts[*draft], &drafts[*draft].nodes[*row]));
            if has_own || !contested.is_empty() {
                let name_of = |pod: &&Pod| format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
                order.insert(Assumption::Finalizers { node: name.clone(), pods: held.iter().map(name_of).collect() });
            }
        }
        if let Some(moved) = &around.with_new_pods {
            let place = Place { objects: moved, ..place };
            let (agreed, contested) = agreed(verdicts, &place.try_all(drafts, &candidates, Order::Listed), None);
            verdicts = agreed;
            for draft in contested {
                undecided_by_others.entry(drafts[draft].full_name()).or_default().push(name.clone());
            }
        }
        for verdict in verdicts {
            let Some(draft) = verdict.draft else { continue };
            let Some((_, row)) = members.iter().find(|(member, _)| *member == draft) else { continue };
            let waits = waits_for_finalizer(&drafts[draft], &drafts[draft].nodes[*row]);
            let target = &mut drafts[draft].nodes[*row];
            if verdict.was_preempted && !target.is_eligible() {
                // No pod is created again where a pod may only stay.
                (target.action, target.cause) = (NodeAction::Delete, Cause::Preemption);
                continue;
            }
            if verdict.was_preempted {
                (target.action, target.cause) = (NodeAction::Replace, Cause::Preemption);
            }
            target.schedulable = verdict.schedulable.filter(|_| !waits);
            target.obstacles.extend(verdict.obstacles);
            target.preemption = verdict.preemption;
            target.is_assumed |= target.schedulable.is_none();
        }
    }
    order.extend(
        undecided_by_others.into_iter().map(|(daemon_set, nodes)| Assumption::OrderOfNodes { daemon_set, nodes }),
    );
    order
}

/// Forgets the results of the round before, and finds the pods that the taint eviction controller evicts.
fn reset(pods: &PodsByNode<'_>, drafts: &mut [Draft<'_>]) {
    for draft in drafts.iter_mut() {
        let rejections = draft.rejections.clone();
        for node in &mut draft.nodes {
            if node.cause == Cause::Preemption {
                (node.action, node.cause) = (NodeAction::Keep, Cause::Sync);
            }
            node.schedulable = None;
            node.preemption = None;
            node.obstacles.clear();
            node.is_assumed = node.creation == Creation::Uncertain;
            if node.creation == Creation::Rejected && node.has_new_pod() {
                node.schedulable = Some(false);
                node.obstacles.clone_from(&rejections);
            }
            if node.action == NodeAction::Keep
                && let (Some(pod), Some(object)) = (node.first_pod(), node.node)
                && let Some(pod) = pods.bound.get(node.name).and_then(|bound| {
                    bound.iter().find(|other| other.metadata.uid == pod.metadata.uid && !other.is_terminating())
                })
            {
                let evicted = kubelet_checks(pod, object).into_iter().flat_map(|check| check.failures().to_vec());
                let evicted = evicted.filter(|one| matches!(one.reason, Reason::TaintEviction { .. }));
                node.obstacles.extend(evicted);
                if !node.obstacles.is_empty() {
                    node.action = NodeAction::Evict;
                }
            }
        }
    }
}

/// The UIDs of the pods that are no longer there when the new pods are scheduled.
fn removed_pods<'a>(drafts: &[Draft<'a>]) -> HashSet<&'a str> {
    let mut removed = HashSet::new();
    for draft in drafts {
        let is_surge = draft.strategy.is_surge();
        for node in &draft.nodes {
            let is_of_rollout = matches!(node.cause, Cause::Rollout | Cause::RolloutAtOnce);
            let leaves = match node.action {
                NodeAction::Delete | NodeAction::Evict => true,
                // A surge keeps an old pod that is ready until the new one is available.
                NodeAction::Replace => !(is_surge && is_of_rollout && node.first_pod().is_some_and(is_ready)),
                NodeAction::Create | NodeAction::Keep | NodeAction::None => false,
            };
            if leaves {
                removed.extend(node.live_pods().map(|pod| pod.metadata.uid.as_str()));
            }
            if node.action == NodeAction::Create && !is_surge {
                let terminating = node.pods.iter().flat_map(|pods| &pods.terminating);
                removed.extend(terminating.map(|pod| pod.metadata.uid.as_str()));
            }
        }
    }
    removed
}

/// Whether the pod is deleted, and perhaps stays because of its finalizers.
fn is_held(pod: &Pod, removed: &HashSet<&str>) -> bool {
    !pod.metadata.finalizers.is_empty() && removed.contains(pod.metadata.uid.as_str())
}

/// Whether the new pod is created only when something has removed the finalizers of the old one.
fn waits_for_finalizer(draft: &Draft<'_>, node: &NodeDraft<'_>) -> bool {
    let is_surge = draft.strategy.is_surge();
    node.action == NodeAction::Replace && !is_surge && node.live_pods().any(|pod| !pod.metadata.finalizers.is_empty())
}

/// The places of each node in the drafts: index of the DaemonSet, index of the node there.
fn index_by_node(drafts: &[Draft<'_>]) -> BTreeMap<String, Vec<(usize, usize)>> {
    let mut index: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
    for (draft, one) in drafts.iter().enumerate() {
        for (row, node) in one.nodes.iter().enumerate() {
            if node.action != NodeAction::None {
                index.entry(node.name.to_owned()).or_default().push((draft, row));
            }
        }
    }
    index
}

fn candidates(
    drafts: &[Draft<'_>],
    members: &[(usize, usize)],
    new_pods: &[PredictedPod],
    waiting: &[&Pod],
    removed: &HashSet<&str>,
    node: &str,
) -> Vec<Candidate> {
    let mut all = Vec::new();
    for pod in waiting.iter().filter(|pod| !removed.contains(pod.metadata.uid.as_str())) {
        let of = |(draft, row): &&(usize, usize)| {
            drafts[*draft].nodes[*row].live_pods().any(|own| own.metadata.uid == pod.metadata.uid)
        };
        let draft = members.iter().find(of).map(|(draft, _)| *draft);
        all.push(Candidate { draft, pod: (**pod).clone(), waits: true, is_preempted: false });
    }
    for (draft, row) in members {
        let target = &drafts[*draft].nodes[*row];
        // A pod that the API server rejects is never scheduled.
        if target.has_new_pod() && target.creation != Creation::Rejected {
            let pod = for_node(&new_pods[*draft], drafts[*draft].coverage.daemon_set, node);
            all.push(Candidate { draft: Some(*draft), pod, waits: false, is_preempted: false });
        }
    }
    let age = |candidate: &Candidate| {
        let created = candidate.pod.metadata.creation_timestamp.map(|time| time.timestamp());
        (!candidate.waits, created)
    };
    all.sort_by_key(|candidate| (std::cmp::Reverse(candidate.pod.priority()), age(candidate)));
    all
}
