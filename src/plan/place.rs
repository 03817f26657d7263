//! One node, and the pods that want a place on it.

use std::collections::{HashMap, HashSet};

use super::draft::Draft;
use super::new_pod::for_node;
use crate::admission::PredictedPod;
use crate::check_result::CheckResult;
use crate::explain::Reason;
use crate::explain::diagnosis::{CheckReason, kubelet_checks};
use crate::scheduling::preemption::{Preemption, preemption_as_it_is};
use crate::scheduling::{Attempt, NodePod, first_failure, run_filters};
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node};

/// The scheduler whose rules are known.
const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// A pod that wants a place on a node.
pub(super) struct Candidate {
    /// The DaemonSet of the plan; none for a pod of another owner.
    pub(super) draft: Option<usize>,
    pub(super) pod: Pod,
    /// Whether the pod exists and waits already.
    pub(super) waits: bool,
    /// Whether it replaces a pod that preemption removes.
    pub(super) is_preempted: bool,
}

/// What happens to a candidate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) draft: Option<usize>,
    pub(super) schedulable: Option<bool>,
    pub(super) obstacles: Vec<CheckReason>,
    pub(super) preemption: Option<Preemption>,
    pub(super) was_preempted: bool,
}

/// Everything about one node.
#[derive(Clone)]
pub(super) struct Place<'a, 'w> {
    pub(super) node: &'a Node,
    pub(super) occupants: Vec<&'a Pod>,
    pub(super) nominated: Vec<&'a Pod>,
    /// The pods of the plan's DaemonSets that stay: name, DaemonSet.
    pub(super) staying: HashMap<&'a str, usize>,
    pub(super) new_pods: &'w [PredictedPod],
    pub(super) objects: &'w ClusterObjects,
}

/// An order in which the candidates are tried. Higher priorities come first.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Listed,
    Reversed,
    /// Pods that never preempt others come last: the scheduler tries a pod as soon as it is created, and a pod of lower
    /// priority that was created earlier keeps its place.
    NeverPreemptingLast,
}

impl Order {
    fn of(self, candidates: &[Candidate]) -> Vec<&Candidate> {
        let mut all: Vec<&Candidate> = candidates.iter().collect();
        match self {
            Self::Listed | Self::NeverPreemptingLast => {}
            Self::Reversed => all.reverse(),
        }
        all.sort_by_key(|candidate| std::cmp::Reverse(candidate.pod.priority()));
        if matches!(self, Self::NeverPreemptingLast) {
            all.sort_by_key(|candidate| never_preempts(candidate));
        }
        all
    }
}

fn never_preempts(candidate: &Candidate) -> bool {
    candidate.pod.spec.preemption_policy == "Never"
}

/// The verdicts, unknown where the other order gives another one. Also returns the DaemonSets of these.
///
/// `only`: compares only the verdict of this DaemonSet.
pub(super) fn agreed(verdicts: Vec<Verdict>, others: &[Verdict], only: Option<usize>) -> (Vec<Verdict>, Vec<usize>) {
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
    /// Whether victims of preemption stay although they are deleted: a finalizer keeps them.
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
    pub(super) fn in_every_order(&self, drafts: &[Draft<'_>], candidates: &[Candidate]) -> (Vec<Verdict>, Vec<usize>) {
        let verdicts = self.try_all(drafts, candidates, Order::Listed);
        let has_equal = |candidate: &Candidate| {
            let equals = candidates.iter().filter(|other| other.pod.priority() == candidate.pod.priority());
            equals.count() > 1
        };
        // If all fit together, the order does not matter.
        let all_fit = verdicts.iter().all(|verdict| verdict.schedulable == Some(true));
        if all_fit {
            return (verdicts, Vec::new());
        }
        let mut orders = Vec::new();
        orders.extend(candidates.iter().any(has_equal).then_some(Order::Reversed));
        let has_lower =
            |candidate: &Candidate| candidates.iter().any(|other| other.pod.priority() < candidate.pod.priority());
        let may_be_late = |candidate: &Candidate| never_preempts(candidate) && has_lower(candidate);
        orders.extend(candidates.iter().any(may_be_late).then_some(Order::NeverPreemptingLast));
        let (mut verdicts, mut contested) = (verdicts, Vec::new());
        for order in orders {
            let (checked, more) = agreed(verdicts, &self.try_all(drafts, candidates, order), None);
            verdicts = checked;
            contested.extend(more);
        }
        for candidate in candidates.iter().filter(|candidate| has_equal(candidate)) {
            let Some(draft) = candidate.draft else { continue };
            if verdicts.iter().any(|verdict| verdict.draft == Some(draft) && verdict.schedulable == Some(false)) {
                let (checked, more) = agreed(verdicts, &[self.try_first(candidate, candidates)], Some(draft));
                verdicts = checked;
                contested.extend(more);
            }
        }
        (verdicts, contested)
    }

    /// Tries the candidate before the others of its priority.
    fn try_first(&self, candidate: &Candidate, candidates: &[Candidate]) -> Verdict {
        let mut placed: Vec<&Pod> = Vec::new();
        let mut promised: Vec<&Pod> = self.nominated.clone();
        let evicted = HashSet::new();
        for higher in candidates.iter().filter(|other| other.pod.priority() > candidate.pod.priority()) {
            let verdict = self.try_one(higher, &placed, &promised, &evicted);
            let list = if verdict.schedulable == Some(true) { &mut placed } else { &mut promised };
            let is_nominated = higher.pod.status.nominated_node_name == self.node.metadata.name;
            if verdict.schedulable == Some(true) || is_nominated {
                list.push(&higher.pod);
            }
        }
        self.try_one(candidate, &placed, &promised, &evicted)
    }

    /// Tries the candidates one after the other.
    pub(super) fn try_all(&self, drafts: &[Draft<'_>], candidates: &[Candidate], order: Order) -> Vec<Verdict> {
        let queue = order.of(candidates);
        let mut verdicts = Vec::new();
        let mut placed: Vec<&Pod> = Vec::new();
        // For these preemption has made room, and what they wait for is still there.
        let mut promised: Vec<&Pod> = self.nominated.clone();
        let mut evicted: HashSet<(String, String)> = HashSet::new();
        // Pods that preemption removes are created again.
        let mut again: Vec<Candidate> = Vec::new();
        let mut placed_before: Vec<usize> = Vec::new();
        for candidate in &queue {
            placed_before.push(placed.len());
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
        for ((candidate, verdict), others) in queue.into_iter().zip(&mut verdicts).zip(placed_before) {
            if verdict.schedulable == Some(false) && others < placed.len() {
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
                None => preemption_as_it_is(&attempt, &results),
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
