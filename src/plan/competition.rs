//! Which of the pods that want a place on a node get one, after the change.
//!
//! On each node, the scheduler takes the pods in the order of their priority (`pkg/scheduler/framework/plugins/queuesort/
//! priority_sort.go` `Less`): those that are created or replaced, and those that wait there already. Each one is tried
//! with the filters on the pods that are there then. Of equal priorities the older pod comes first; where another order
//! gives another result, the result is unknown and an assumption is listed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::assumption::Assumption;
use super::draft::{Cause, Creation, Draft};
use super::new_pod::{PodsByNode, for_node};
use super::world::World;
use super::{NodeAction, forecast};
use crate::admission::PredictedPod;
use crate::check_result::CheckResult;
use crate::explain::Reason;
use crate::explain::diagnosis::{CheckReason, kubelet_checks};
use crate::explain::pod::is_ready;
use crate::rollout::Strategy;
use crate::scheduling::preemption::{Preemption, preemption};
use crate::scheduling::required_objects::needs;
use crate::scheduling::{Attempt, NodePod, first_failure, run_filters};
use crate::snapshot::cluster_objects::{ClusterObjects, ObjectKind};
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node};

/// The scheduler whose rules are known.
const DEFAULT_SCHEDULER: &str = "default-scheduler";
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

/// A pod that wants a place on a node.
struct Candidate {
    /// The DaemonSet of the plan; none for a pod of another owner.
    draft: Option<usize>,
    pod: Pod,
    /// Whether the pod exists and waits already.
    waits: bool,
    /// Whether it replaces a pod that preemption removes.
    is_preempted: bool,
}

/// What happens to a candidate.
#[derive(Clone, Debug, PartialEq)]
struct Verdict {
    draft: Option<usize>,
    schedulable: Option<bool>,
    obstacles: Vec<CheckReason>,
    preemption: Option<Preemption>,
    was_preempted: bool,
}

/// Everything about one node.
struct Place<'a, 'w> {
    node: &'a Node,
    occupants: Vec<&'a Pod>,
    nominated: Vec<&'a Pod>,
    /// The pods of the plan's DaemonSets that stay: name, DaemonSet.
    staying: HashMap<&'a str, usize>,
    new_pods: &'w [PredictedPod],
    objects: &'w ClusterObjects,
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
        if let Some(moved) = &around.with_new_pods {
            let place = Place {
                objects: moved,
                occupants: place.occupants.clone(),
                nominated: place.nominated.clone(),
                staying: place.staying.clone(),
                ..place
            };
            let (agreed, contested) = agreed(verdicts, &place.try_all(drafts, &candidates, Order::Listed), None);
            verdicts = agreed;
            for draft in contested {
                undecided_by_others.entry(drafts[draft].full_name()).or_default().push(name.clone());
            }
        }
        for verdict in verdicts {
            let Some(draft) = verdict.draft else { continue };
            let Some((_, row)) = members.iter().find(|(member, _)| *member == draft) else { continue };
            let target = &mut drafts[draft].nodes[*row];
            if verdict.was_preempted {
                (target.action, target.cause) = (NodeAction::Replace, Cause::Preemption);
            }
            target.schedulable = verdict.schedulable;
            target.obstacles.extend(verdict.obstacles);
            target.preemption = verdict.preemption;
            target.is_assumed |= verdict.schedulable.is_none();
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
        let is_surge = matches!(draft.strategy, Strategy::Surge { .. });
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

/// The objects that the filters read of other nodes.
struct Around {
    /// With the pods that are there before the new ones.
    as_they_are: ClusterObjects,
    /// With the new pods on all nodes; only if a new pod looks beyond its node.
    with_new_pods: Option<ClusterObjects>,
}

fn around(world: &World, drafts: &[Draft<'_>], new_pods: &[PredictedPod], removed: &HashSet<&str>) -> Around {
    let nodes = world.snapshot.nodes.known().map_or(&[][..], Vec::as_slice);
    let mut objects = world.cluster_objects.clone();
    if objects.nodes.known().is_none() {
        objects.nodes = world.snapshot.nodes.clone();
    }
    let first = nodes.first();
    let looks_around = |draft: usize| {
        let Some(node) = first else { return false };
        drafts[draft].with_new_pod().next().is_some() && needs(&new_pods[draft].pod, node).contains(&ObjectKind::Pods)
    };
    let looking: Vec<usize> = (0..drafts.len()).filter(|draft| looks_around(*draft)).collect();
    if looking.is_empty() {
        return Around { as_they_are: objects, with_new_pods: None };
    }
    let stays = |pod: &Pod| !removed.contains(pod.metadata.uid.as_str());
    let replaced: HashSet<&str> = drafts
        .iter()
        .flat_map(|draft| &draft.nodes)
        .filter(|node| node.action == NodeAction::Replace)
        .flat_map(|node| node.live_pods().map(|pod| pod.metadata.uid.as_str()))
        .collect();
    // One node after the other: elsewhere the old pods are still there.
    let is_there = |pod: &Pod| stays(pod) || replaced.contains(pod.metadata.uid.as_str());
    let of = |keep: &dyn Fn(&Pod) -> bool| -> Known<Vec<Pod>> {
        objects.pods.as_ref().map(|pods| pods.iter().filter(|pod| keep(pod)).cloned().collect())
    };
    let mut later = of(&stays);
    if let Known::Known(pods) = &mut later {
        for (draft, new) in drafts.iter().zip(new_pods) {
            pods.extend(draft.with_new_pod().map(|node| {
                let mut pod = for_node(new, draft.coverage.daemon_set, node.name);
                pod.spec.node_name = node.name.to_owned();
                pod.metadata.uid = pod.metadata.name.clone();
                pod
            }));
        }
    }
    let before = of(&is_there);
    Around { with_new_pods: Some(objects.with_pods(later)), as_they_are: objects.with_pods(before) }
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

/// An order in which the candidates are tried. Higher priorities always come first.
#[derive(Clone, Copy, Debug)]
enum Order {
    Listed,
    Reversed,
    /// This candidate before the others of its priority.
    First(usize),
    /// This candidate after the others of its priority.
    Last(usize),
}

impl Order {
    fn of(self, candidates: &[Candidate]) -> Vec<&Candidate> {
        let mut indexes: Vec<usize> = (0..candidates.len()).collect();
        match self {
            Self::Listed => {}
            Self::Reversed => indexes.reverse(),
            Self::First(first) => indexes.sort_by_key(|index| *index != first),
            Self::Last(last) => indexes.sort_by_key(|index| *index == last),
        }
        let mut all: Vec<&Candidate> = indexes.into_iter().filter_map(|index| candidates.get(index)).collect();
        all.sort_by_key(|candidate| std::cmp::Reverse(candidate.pod.priority()));
        all
    }
}

/// The verdicts, unknown where the other order gives another one. Also returns the DaemonSets of these.
///
/// `only`: compares only the verdict of this DaemonSet.
fn agreed(verdicts: Vec<Verdict>, others: &[Verdict], only: Option<usize>) -> (Vec<Verdict>, Vec<usize>) {
    let mut contested = Vec::new();
    let verdicts = verdicts.into_iter().map(|verdict| {
        let is_compared = only.is_none() || verdict.draft == only;
        let other = others.iter().find(|other| is_compared && other.draft == verdict.draft && other.draft.is_some());
        match other {
            Some(other) if other.schedulable != verdict.schedulable => {
                contested.extend(verdict.draft);
                let mut obstacles = verdict.obstacles;
                if obstacles.is_empty() {
                    obstacles.clone_from(&other.obstacles);
                }
                Verdict { schedulable: None, obstacles, preemption: None, ..verdict }
            }
            _ => verdict,
        }
    });
    let verdicts = verdicts.collect();
    (verdicts, contested)
}

/// Why a victim of preemption may not go.
enum Held {
    /// It is being deleted already, and has not gone.
    Terminating,
    ByFinalizer,
}

impl<'a> Place<'a, '_> {
    /// Whether victims of preemption stay although they are deleted: a finalizer keeps them, or no kubelet ends them.
    fn held(&self, victims: &[NodePod]) -> Option<Held> {
        let object = |victim: &NodePod| {
            self.occupants
                .iter()
                .find(|pod| pod.metadata.name == victim.pod && pod.metadata.namespace == victim.namespace)
        };
        let held: Vec<&Pod> =
            victims.iter().filter_map(object).copied().filter(|pod| !pod.metadata.finalizers.is_empty()).collect();
        match held.as_slice() {
            [] => None,
            held if held.iter().any(|pod| pod.is_terminating()) => Some(Held::Terminating),
            _ => Some(Held::ByFinalizer),
        }
    }

    /// Tries the candidates in the orders that could matter. Also returns the DaemonSets for which the order does.
    fn in_every_order(&self, drafts: &[Draft<'_>], candidates: &[Candidate]) -> (Vec<Verdict>, Vec<usize>) {
        let verdicts = self.try_all(drafts, candidates, Order::Listed);
        let has_equal = |candidate: &Candidate| {
            let equals = candidates.iter().filter(|other| other.pod.priority() == candidate.pod.priority());
            equals.count() > 1
        };
        if !candidates.iter().any(has_equal) {
            return (verdicts, Vec::new());
        }
        let (mut verdicts, mut contested) = agreed(verdicts, &self.try_all(drafts, candidates, Order::Reversed), None);
        if verdicts.iter().all(|verdict| verdict.schedulable == Some(true)) {
            return (verdicts, contested);
        }
        for (index, candidate) in candidates.iter().enumerate().filter(|(_, candidate)| has_equal(candidate)) {
            let Some(draft) = candidate.draft else { continue };
            let order = match verdicts.iter().find(|verdict| verdict.draft == Some(draft)).map(|one| one.schedulable) {
                Some(Some(false)) => Order::First(index),
                Some(Some(true)) => Order::Last(index),
                Some(None) | None => continue,
            };
            let (checked, more) = agreed(verdicts, &self.try_all(drafts, candidates, order), Some(draft));
            verdicts = checked;
            contested.extend(more);
        }
        (verdicts, contested)
    }

    /// Tries the candidates one after the other.
    fn try_all(&self, drafts: &[Draft<'_>], candidates: &[Candidate], order: Order) -> Vec<Verdict> {
        let queue = order.of(candidates);
        let mut verdicts = Vec::new();
        let mut placed: Vec<&Pod> = Vec::new();
        // For these preemption has made room, and what they wait for is still there.
        let mut promised: Vec<&Pod> = self.nominated.clone();
        let mut evicted: HashSet<(String, String)> = HashSet::new();
        // Pods that preemption removes are created again.
        let mut again: Vec<Candidate> = Vec::new();
        for candidate in &queue {
            let verdict = self.try_one(candidate, &placed, &promised, &evicted);
            let is_nominated = candidate.pod.status.nominated_node_name == self.node.metadata.name;
            match (verdict.schedulable, &verdict.preemption) {
                (Some(true), _) => placed.push(&candidate.pod),
                (_, Some(Preemption::Possible { .. })) => promised.push(&candidate.pod),
                _ if is_nominated => promised.push(&candidate.pod),
                _ => {}
            }
            if let (Some(true), Some(Preemption::Possible { victims, .. })) = (verdict.schedulable, &verdict.preemption)
            {
                for victim in victims {
                    evicted.insert((victim.namespace.clone(), victim.pod.clone()));
                    let Some(draft) = self.staying.get(victim.pod.as_str()) else { continue };
                    let pod =
                        for_node(&self.new_pods[*draft], drafts[*draft].coverage.daemon_set, &self.node.metadata.name);
                    again.push(Candidate { draft: Some(*draft), pod, waits: false, is_preempted: true });
                }
            }
            verdicts.push(verdict);
        }
        again.sort_by_key(|candidate| std::cmp::Reverse(candidate.pod.priority()));
        for candidate in &again {
            // Its priority is lower, so it removes none of those that were placed before.
            let verdict = self.try_one(candidate, &placed, &promised, &evicted);
            if verdict.schedulable == Some(true) {
                placed.push(&candidate.pod);
            }
            verdicts.push(verdict);
        }
        // The scheduler tries them again when others have got their place.
        for (candidate, verdict) in queue.into_iter().zip(&mut verdicts) {
            if verdict.schedulable == Some(false) {
                *verdict = self.try_one(candidate, &placed, &promised, &evicted);
                if verdict.schedulable == Some(true) {
                    placed.push(&candidate.pod);
                }
            }
        }
        verdicts
    }

    fn try_one(
        &self,
        candidate: &Candidate,
        placed: &[&Pod],
        promised: &[&Pod],
        evicted: &HashSet<(String, String)>,
    ) -> Verdict {
        let pod = &candidate.pod;
        let verdict = |schedulable, obstacles, preemption| Verdict {
            draft: candidate.draft,
            schedulable,
            obstacles,
            preemption,
            was_preempted: candidate.is_preempted,
        };
        let at_kubelet: Vec<CheckReason> =
            kubelet_checks(pod, self.node).iter().flat_map(|check| check.failures().to_vec()).collect();
        let not_known = |missing: String| vec![CheckReason { reason: Reason::NotKnown { missing }, scheduler: None }];
        if !pod.spec.node_name.is_empty() {
            return verdict(Some(true), at_kubelet, None);
        }
        if !pod.spec.scheduler_name.is_empty() && pod.spec.scheduler_name != DEFAULT_SCHEDULER {
            let why = format!("scheduler {} decides, and its rules are not known", pod.spec.scheduler_name);
            return verdict(None, not_known(why), None);
        }
        let is_evicted =
            |other: &Pod| evicted.contains(&(other.metadata.namespace.clone(), other.metadata.name.clone()));
        let is_itself = |other: &Pod| !pod.metadata.uid.is_empty() && other.metadata.uid == pod.metadata.uid;
        let bound = self.occupants.iter().copied().filter(|other| !is_evicted(other) && !is_itself(other));
        let attempt = Attempt {
            pod,
            node: self.node,
            bound_pods: Known::Known(bound.chain(placed.iter().copied()).collect()),
            nominated: Known::Known(promised.to_vec()),
            cluster_objects: self.objects,
        };
        let results = run_filters(&attempt);
        if let Some((_, failures)) = first_failure(&results) {
            let obstacles: Vec<CheckReason> = failures
                .iter()
                .map(|failure| CheckReason {
                    reason: Reason::FilterRejection(failure.rejection.clone()),
                    scheduler: Some(failure.scheduler.clone()),
                })
                .collect();
            // On a node that is down, preemption is not tried.
            let preemption = match Reason::node_not_ready(self.node) {
                None => preemption(&attempt, &results),
                Some(_) => Preemption::NotHelpful,
            };
            return match preemption {
                Preemption::Possible { ref victims, .. } => match self.held(victims) {
                    None => verdict(Some(true), at_kubelet, Some(preemption)),
                    Some(Held::Terminating) => verdict(Some(false), obstacles, Some(preemption)),
                    Some(Held::ByFinalizer) => verdict(None, obstacles, Some(preemption)),
                },
                Preemption::Unknown { .. } => verdict(None, obstacles, Some(preemption)),
                _ => verdict(Some(false), obstacles, Some(preemption)),
            };
        }
        let unknown = results.iter().find_map(|(_, result)| match result {
            CheckResult::Unknown { missing } => Some(missing.to_string()),
            CheckResult::Pass | CheckResult::Fail(_) => None,
        });
        match unknown {
            Some(missing) => verdict(None, not_known(missing), None),
            None => verdict(Some(true), at_kubelet, None),
        }
    }
}
