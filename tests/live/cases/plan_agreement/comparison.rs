//! Compares a plan with what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::Value;

use crate::cases::agreement::FitError;
use crate::harness::client::ensure;
use crate::harness::independent_counts::target_node;

/// A pod, as far as the comparison reads it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ObservedPod {
    uid: String,
    name: String,
    is_bound: bool,
    is_terminating: bool,
    /// The scheduler's message about why it is not scheduled.
    message: Option<String>,
    is_untried: bool,
}

/// Nodes and the pods of DaemonSets.
#[derive(Debug)]
pub(crate) struct Observed {
    nodes: Vec<String>,
    sets: BTreeMap<String, DaemonSet>,
    /// By node and DaemonSet.
    pub(crate) pods: BTreeMap<(String, String), Vec<ObservedPod>>,
    /// All pods in short, for the message of a difference.
    descriptions: Vec<String>,
}

impl Observed {
    pub(crate) fn new(
        nodes: Vec<String>,
        sets: Vec<DaemonSet>,
        owners: &BTreeMap<String, String>,
        pods: Vec<Pod>,
    ) -> Self {
        let mut by_pair: BTreeMap<(String, String), Vec<ObservedPod>> = BTreeMap::new();
        for pod in &pods {
            let owner = pod.owner_references().iter().find_map(|owner| owners.get(&owner.uid));
            if let (Some(owner), Some(node)) = (owner, target_node(pod)) {
                by_pair.entry((node.to_owned(), owner.clone())).or_default().push(observed(pod));
            }
        }
        by_pair.values_mut().for_each(|pods| pods.sort_by(|a, b| a.uid.cmp(&b.uid)));
        let descriptions = pods.iter().map(describe).collect();
        let name = |set: &DaemonSet| format!("{}/{}", set.namespace().unwrap_or_default(), set.name_any());
        Self { nodes, sets: sets.into_iter().map(|set| (name(&set), set)).collect(), pods: by_pair, descriptions }
    }

    fn live(&self, node: &str, set: &str) -> Vec<&ObservedPod> {
        let pods = self.pods.get(&(node.to_owned(), set.to_owned()));
        pods.into_iter().flatten().filter(|pod| !pod.is_terminating).collect()
    }
}

/// The fields that decide about its place.
fn describe(pod: &Pod) -> String {
    let spec = pod.spec.clone().unwrap_or_default();
    let nominated = pod.status.as_ref().and_then(|status| status.nominated_node_name.clone());
    let target = target_node(pod).unwrap_or_default();
    format!(
        "{}/{} on {:?} for {target:?}, nominated {nominated:?}, selector {:?}, priority {:?} {:?}, terminating {}, \
         finalizers {:?}",
        pod.namespace().unwrap_or_default(),
        pod.name_any(),
        spec.node_name,
        spec.node_selector,
        spec.priority,
        spec.preemption_policy,
        pod.metadata.deletion_timestamp.is_some(),
        pod.finalizers(),
    )
}

fn observed(pod: &Pod) -> ObservedPod {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let scheduled = conditions.and_then(|all| all.iter().find(|condition| condition.type_ == "PodScheduled"));
    ObservedPod {
        uid: pod.uid().unwrap_or_default(),
        name: pod.name_any(),
        is_bound: pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()),
        is_terminating: pod.metadata.deletion_timestamp.is_some(),
        message: scheduled.filter(|one| one.status == "False").and_then(|one| one.message.clone()),
        is_untried: scheduled.is_none(),
    }
}

/// The result of all comparisons of a test.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pairs: usize,
    assumed: usize,
    /// Predicted actions.
    actions: BTreeMap<String, usize>,
    /// New or waiting pods with a place, and without.
    places: usize,
    rejections: usize,
    messages: usize,
    rejected: usize,
    blocked: usize,
    free: usize,
    pub(crate) differences: Vec<String>,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} pairs, {} assumed, actions {:?}, {} with a place, {} without ({} messages), {} rejected, {} rollouts \
             blocked, {} free",
            self.pairs,
            self.assumed,
            self.actions,
            self.places,
            self.rejections,
            self.messages,
            self.rejected,
            self.blocked,
            self.free
        )
    }
}

impl Comparison {
    #[allow(clippy::cast_precision_loss, reason = "a share of some thousands")]
    pub(crate) fn assumed_share(&self) -> f64 {
        self.assumed as f64 / self.pairs.max(1) as f64
    }

    /// Fails if a kind of prediction never occurred: such a run proves nothing.
    pub(crate) fn check_variety(&self) -> Result<(), Failed> {
        let has = |action: &str| self.actions.get(action).is_some_and(|count| *count > 0);
        let is_varied = ["Create", "Replace", "Keep", "None"].iter().all(|action| has(action));
        ensure(is_varied && self.places > 0 && self.messages > 0 && self.free > 0, || format!("no variety: {self}"))
    }

    pub(crate) fn compare(&mut self, report: &Value, before: &Observed, after: &Observed, change: &str) {
        let planned: BTreeMap<String, &Value> = report["daemonSets"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|set| (format!("{}/{}", text(set, "namespace"), text(set, "name")), set))
            .collect();
        let nodes: BTreeSet<&String> = before.nodes.iter().chain(&after.nodes).collect();
        for set in before.sets.keys().chain(after.sets.keys()).collect::<BTreeSet<_>>() {
            let plan = planned.get(set).copied();
            let by_node: BTreeMap<&str, &Value> = plan
                .and_then(|plan| plan["nodes"].as_array())
                .into_iter()
                .flatten()
                .map(|node| (node["node"].as_str().unwrap_or_default(), node))
                .collect();
            let mut uncertain = 0;
            for node in &nodes {
                self.pairs += 1;
                let found = match by_node.get(node.as_str()) {
                    Some(planned) => self.compare_pair(planned, before, after, node, set, &mut uncertain),
                    None => unchanged(before, after, node, set),
                };
                for one in found {
                    let pods = format!("before {:?}, after {:?}", before.live(node, set), after.live(node, set));
                    let of_pair = by_node.get(node.as_str()).map(|planned| planned["after"].to_string());
                    let beside = beside(&planned, node);
                    let mut around = String::new();
                    for description in before.descriptions.iter().filter(|one| one.contains(&format!("\"{node}\""))) {
                        around += &format!("\n        {description}");
                    }
                    self.differences.push(format!(
                        "  [{change}] {node} {set}: {one}\n      {of_pair:?}\n      {pods}\n      there: {beside}{around}"
                    ));
                }
            }
            if let Some(plan) = plan {
                self.compare_rollout(plan, after, set, change);
            }
        }
    }

    fn compare_pair(
        &mut self,
        planned: &Value,
        before: &Observed,
        after: &Observed,
        node: &str,
        set: &str,
        uncertain: &mut usize,
    ) -> Vec<String> {
        let result = &planned["after"];
        let action = text(result, "action");
        *self.actions.entry(action.clone()).or_default() += 1;
        if result["assumed"] == true {
            self.assumed += 1;
            *uncertain += 1;
            return Vec::new();
        }
        let (old, new) = (before.live(node, set), after.live(node, set));
        let is_same = !old.is_empty() && old.iter().all(|pod| new.iter().any(|other| other.uid == pod.uid));
        let has_other = new.iter().any(|pod| !old.iter().any(|other| other.uid == pod.uid));
        let is_rejected = is_rejected(result);
        self.rejected += usize::from(is_rejected);
        let mut wrong = Vec::new();
        let mut check = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("{action}, but {what}"));
            }
        };
        match action.as_str() {
            "None" => check(new.is_empty(), "there is a pod"),
            "Keep" => check(old.is_empty() && new.is_empty() || is_same, "it is not the same pod"),
            "Delete" => check(new.is_empty(), "there is a pod"),
            "Create" if is_rejected => check(new.is_empty(), "a pod was created"),
            "Create" => check(old.is_empty() && has_other, "no pod was created"),
            "Replace" if is_rejected => check(!is_same, "the pod is the same"),
            "Replace" => check(!is_same && has_other, "the pod was not replaced"),
            // It happens after the time of the toleration.
            "Evict" => {}
            _ => check(false, "the action is not known"),
        }
        let Some(pod) = new.first().filter(|_| !is_rejected && new.len() == 1) else { return wrong };
        match result["schedulable"].as_bool() {
            Some(true) => {
                self.places += 1;
                check(pod.is_bound, "the pod was not scheduled");
            }
            Some(false) => {
                self.rejections += 1;
                check(!pod.is_bound, "the pod was scheduled");
                if let Some(message) = &pod.message {
                    self.messages += 1;
                    wrong.extend(message_difference(result, message));
                }
            }
            None => {}
        }
        wrong
    }

    /// Whether the rollout completes.
    fn compare_rollout(&mut self, plan: &Value, after: &Observed, set: &str, change: &str) {
        let Some(status) = after.sets.get(set).and_then(|set| set.status.as_ref()) else { return };
        let is_on_delete = plan["strategy"]["type"] == "OnDelete";
        let updated = status.updated_number_scheduled.unwrap_or_default();
        let desired = status.desired_number_scheduled;
        let available = status.number_available.unwrap_or_default();
        let counts = format!("desired {desired}, updated {updated}, available {available}");
        let rejected = plan["admission"].as_array().into_iter().flatten();
        let is_rejected = rejected.into_iter().any(|one| one["rejected"].as_u64() > Some(0));
        match plan["rollout"]["blocked"].as_bool() {
            Some(true) => {
                self.blocked += 1;
                if updated == desired && available == desired {
                    self.differences.push(format!("  [{change}] {set}: called blocked, and it completed: {counts}"));
                }
            }
            _ if is_on_delete || is_rejected => {}
            _ if plan["rollout"]["replaced"].as_u64() > Some(0) => {
                self.free += 1;
                if updated != desired {
                    self.differences.push(format!("  [{change}] {set}: not called blocked, and it is: {counts}"));
                }
            }
            _ => {}
        }
    }
}

fn is_rejected(result: &Value) -> bool {
    const CODES: [&str; 5] =
        ["QuotaExceeded", "QuotaRequestMissing", "LimitRange", "ServiceAccountMissing", "LimitBelowRequest"];
    let reasons = result["reasons"].as_array().into_iter().flatten();
    result["schedulable"] == false && reasons.into_iter().any(|reason| CODES.contains(&text(reason, "code").as_str()))
}

/// What the plan has for the node, in short: the DaemonSets with an action.
fn beside(planned: &BTreeMap<String, &Value>, node: &str) -> String {
    let mut all = Vec::new();
    for (set, plan) in planned {
        let of_node = plan["nodes"].as_array().into_iter().flatten().find(|one| one["node"] == node);
        if let Some(after) = of_node.map(|one| &one["after"]).filter(|after| after["action"] != "None") {
            let verdict = &after["preemption"]["verdict"];
            all.push(format!("{set} {} {} {verdict}", after["action"], after["schedulable"]));
        }
    }
    all.join("; ")
}

/// A pair that is not in the plan.
fn unchanged(before: &Observed, after: &Observed, node: &str, set: &str) -> Vec<String> {
    let of = |observed: &Observed| -> Vec<(String, bool)> {
        observed.live(node, set).iter().map(|pod| (pod.uid.clone(), pod.is_bound)).collect()
    };
    match of(before) == of(after) {
        true => Vec::new(),
        false => vec!["not in the plan, but it changed".to_owned()],
    }
}

/// The scheduler's reasons against the messages of the first failing filter.
fn message_difference(result: &Value, message: &str) -> Option<String> {
    if message.contains("scheduling gates") {
        return None;
    }
    let fit_error = match FitError::parse(message) {
        Ok(fit_error) => fit_error,
        Err(error) => return Some(error),
    };
    // A nominated pod counts only if the scheduler has tried it before, and it tries pods of equal priority in any order
    // after its restart.
    if result["reasons"].to_string().contains("\"nominated\":true") {
        return None;
    }
    let reasons = result["reasons"].as_array().into_iter().flatten();
    let planned: Vec<String> = reasons.filter_map(|reason| reason["scheduler"].as_str().map(str::to_owned)).collect();
    let is_said = fit_error.reasons.iter().all(|reason| planned.contains(reason));
    (!is_said).then(|| format!("the scheduler rejects with {:?}, the plan has {planned:?}", fit_error.reasons))
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
