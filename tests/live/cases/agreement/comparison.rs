//! Compares the cluster with the program's reports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::Value;

use super::fit_error::{FitError, plugin_of};
use crate::harness::client::ensure;
use crate::harness::independent_counts::target_node;
use crate::harness::quiescence::full_name;

/// How often each plugin must be the first to reject: with fewer, a cluster proves nothing.
const MIN_REJECTIONS: [(&str, usize); 5] =
    [("NodeResourcesFit", 30), ("NodePorts", 10), ("InterPodAffinity", 5), ("NodeAffinity", 3), ("TaintToleration", 3)];

/// How many kinds of differences a failure prints.
const MAX_KINDS: usize = 40;

/// Nodes, DaemonSets by full name, and their pods.
pub(crate) struct ObservedCluster {
    pub(crate) nodes: Vec<String>,
    sets: Vec<String>,
    pods: BTreeMap<(String, String), Vec<Pod>>,
}

/// The result of the comparison.
#[derive(Default)]
pub(crate) struct Comparison {
    /// How many pairs of a node and a DaemonSet were compared.
    pub(crate) pairs: usize,
    /// How many scheduler messages were compared.
    pub(crate) messages: usize,
    /// Pods by scheduling state.
    states: BTreeMap<String, usize>,
    /// Unscheduled pods by the plugin that rejects first.
    plugins: BTreeMap<&'static str, usize>,
    /// Unscheduled pods by the scheduler's reasons.
    reasons: BTreeMap<String, usize>,
    /// Unscheduled pods by the scheduler's preemption message.
    preemption: BTreeMap<String, usize>,
    /// Unscheduled pods by the notes between the two.
    notes: BTreeMap<String, usize>,
    /// The scheduler's preemption outcome and the program's preemption verdict: how often, and an example.
    preemption_verdicts: BTreeMap<(&'static str, String), (usize, String)>,
    /// Every difference with its evidence.
    pub(crate) differences: Vec<String>,
}

/// What the scheduler has done with a pod.
enum SchedulingState<'a> {
    Bound,
    Gated,
    /// No scheduler has tried it.
    Untried,
    Rejected(&'a str),
    Other(&'a PodCondition),
}

impl ObservedCluster {
    pub(crate) fn new(nodes: Vec<String>, sets: &[DaemonSet], pods: &[Pod]) -> Self {
        let owners: BTreeMap<String, String> =
            sets.iter().map(|set| (set.uid().unwrap_or_default(), full_name(set))).collect();
        let mut by_pair: BTreeMap<(String, String), Vec<Pod>> = BTreeMap::new();
        for pod in pods {
            let owner = pod.owner_references().iter().find_map(|owner| owners.get(&owner.uid));
            if let (Some(owner), Some(node)) = (owner, target_node(pod)) {
                by_pair.entry((node.to_owned(), owner.clone())).or_default().push(pod.clone());
            }
        }
        Self { nodes, sets: owners.into_values().collect(), pods: by_pair }
    }

    /// Counts the pods of the cluster by what the scheduler did.
    pub(crate) fn count(&self, comparison: &mut Comparison) {
        for ((node, set), pods) in &self.pods {
            for pod in pods {
                let state = match scheduling_state(pod) {
                    SchedulingState::Bound => "bound",
                    SchedulingState::Gated => "gated",
                    SchedulingState::Untried => "untried",
                    SchedulingState::Rejected(message) => {
                        comparison.count_message(node, set, message);
                        "rejected"
                    }
                    SchedulingState::Other(condition) => {
                        comparison.differences.push(format!("  {node} {set}: unknown condition: {condition:?}"));
                        "other"
                    }
                };
                *comparison.states.entry(state.into()).or_default() += 1;
                if pod.status.as_ref().is_some_and(|status| status.nominated_node_name.is_some()) {
                    *comparison.states.entry("nominated".into()).or_default() += 1;
                }
            }
            if pods.len() > 1 {
                comparison.differences.push(format!("  {node} {set}: {} pods", pods.len()));
            }
        }
    }

    /// Compares the report on one node.
    pub(crate) fn compare(&self, node: &str, report: &Value, comparison: &mut Comparison) {
        if report["kind"] != "WhyNotReport" || report["apiVersion"] != "kubectl-ds/v1" || report["node"] != node {
            let text =
                format!("  {node}: unexpected report: {} {} {}", report["apiVersion"], report["kind"], report["node"]);
            comparison.differences.push(text);
        }
        let mut reported: BTreeMap<String, &Value> = BTreeMap::new();
        for set in report["daemonSets"].as_array().into_iter().flatten() {
            let text = |key: &str| set[key].as_str().unwrap_or_default();
            reported.insert(format!("{}/{}", text("namespace"), text("name")), set);
        }
        for set in &self.sets {
            comparison.pairs += 1;
            let pod = self.pods.get(&(node.to_owned(), set.clone())).and_then(|pods| pods.first());
            let wrong = match reported.get(set) {
                None => vec!["it is not in the report".to_owned()],
                Some(reported) => differences(node, reported, pod, comparison),
            };
            if !wrong.is_empty() {
                comparison.differences.push(evidence(node, set, pod, reported.get(set).copied(), &wrong));
            }
        }
    }
}

/// The differences between the program and the cluster for one pair.
fn differences(node: &str, reported: &Value, pod: Option<&Pod>, comparison: &mut Comparison) -> Vec<String> {
    let mut wrong = Vec::new();
    let text = |key: &str| reported[key].as_str().unwrap_or_default();
    let (placement, verdict) = (text("placement"), text("verdict"));
    let mut check = |holds: bool, message: String| {
        if !holds {
            wrong.push(message);
        }
    };
    let Some(pod) = pod else {
        check(
            matches!(placement, "ContinueOnly" | "Exclude"),
            format!("no pod was created, and placement is {placement:?}"),
        );
        check(verdict == "Excluded", format!("no pod was created, and the verdict is {verdict:?}"));
        return wrong;
    };
    check(matches!(placement, "Run" | "ContinueOnly"), format!("a pod was created, and placement is {placement:?}"));
    check(reported["pod"] == pod.name_any(), format!("the pod is {}", pod.name_any()));
    let is_blocked = matches!(verdict, "Blocked") || (verdict == "Excluded" && placement == "ContinueOnly");
    let failing = failing_checks(reported);
    match scheduling_state(pod) {
        SchedulingState::Bound => {
            let runs = matches!(verdict, "Running" | "NotHealthy") || placement == "ContinueOnly";
            check(runs, format!("it is scheduled, and the verdict is {verdict:?}"));
            check(failing.is_empty(), "it is scheduled, and a check of the scheduler fails".into());
        }
        SchedulingState::Gated => {
            check(is_blocked, format!("it has gates, and the verdict is {verdict:?}"));
            let first = failing.first().map(|(check, _)| *check);
            check(first == Some("SchedulingGates"), format!("it has gates, and the first failed check is {first:?}"));
        }
        SchedulingState::Untried => {
            check(is_blocked, format!("no scheduler has tried it, and the verdict is {verdict:?}"));
            check(reported.to_string().contains("no-such-scheduler"), "its scheduler is not reported".into());
        }
        SchedulingState::Rejected(message) => {
            check(is_blocked, format!("it is rejected, and the verdict is {verdict:?}"));
            comparison.messages += 1;
            wrong.extend(rejection_differences(node, reported, &failing, message, comparison));
        }
        SchedulingState::Other(_) => {}
    }
    wrong
}

/// Compares the scheduler's reasons.
fn rejection_differences(
    node: &str,
    reported: &Value,
    failing: &[(&str, BTreeSet<String>)],
    message: &str,
    comparison: &mut Comparison,
) -> Vec<String> {
    let fit_error = match FitError::parse(message) {
        Ok(fit_error) => fit_error,
        Err(error) => return vec![error],
    };
    let text = |key: &str| reported[key].as_str().unwrap_or_default();
    let verdict = reported["preemption"]["verdict"].as_str().unwrap_or("(none)").to_owned();
    let (count, example) = comparison.preemption_verdicts.entry((fit_error.preemption_outcome(), verdict)).or_default();
    *count += 1;
    if example.is_empty() {
        *example = format!("{node} {}/{}: {message}", text("namespace"), text("name"));
    }
    let agrees = if fit_error.on_all_nodes {
        // PreFilter plugins run before all filters, whatever the position of the plugin among the filters.
        failing.iter().any(|(_, reasons)| *reasons == fit_error.reasons)
    } else {
        failing.first().is_some_and(|(_, reasons)| *reasons == fit_error.reasons)
    };
    match agrees {
        true => vec![],
        false => vec![format!("the scheduler rejects with {:?}, the failed checks are {failing:?}", fit_error.reasons)],
    }
}

/// The scheduler checks that do not pass, in the order of the report, with the scheduler's messages.
fn failing_checks(reported: &Value) -> Vec<(&str, BTreeSet<String>)> {
    let checks = reported["checks"].as_array().into_iter().flatten();
    let failing = checks.filter(|check| check["stage"] == "Scheduler" && check["result"] != "Pass");
    failing
        .map(|check| {
            let reasons = check["reasons"].as_array().into_iter().flatten();
            // An unknown result has no message of the scheduler, so that it never agrees; nor does the check that only
            // repeats the pod's condition.
            let has_message = check["result"] == "Fail" && check["check"] != "PodScheduled";
            let messages = reasons.map(|reason| match reason["scheduler"].as_str().filter(|_| has_message) {
                Some(message) => message.to_owned(),
                None => format!("({} without a scheduler message)", check["result"]),
            });
            let name = check["check"].as_str().unwrap_or_default();
            // These plugins return all their reasons; the others return the first.
            let counts = if matches!(name, "NodeResourcesFit" | "VolumeBinding") { usize::MAX } else { 1 };
            (name, messages.take(counts).collect())
        })
        .collect()
}

fn evidence(node: &str, set: &str, pod: Option<&Pod>, reported: Option<&Value>, wrong: &[String]) -> String {
    let mut text = format!("  {node} {set}:\n");
    for one in wrong {
        let _ = writeln!(text, "    {one}");
    }
    if let Some(pod) = pod {
        let message = match scheduling_state(pod) {
            SchedulingState::Bound => "scheduled",
            SchedulingState::Gated => "gated",
            SchedulingState::Untried => "untried",
            SchedulingState::Rejected(message) => message,
            SchedulingState::Other(_) => "another condition",
        };
        let _ = writeln!(text, "    {}: {message}", pod.name_any());
    }
    if let Some(reported) = reported {
        let _ = writeln!(
            text,
            "    reported: placement {}, state {}, verdict {}, preemption {}",
            reported["placement"], reported["state"], reported["verdict"], reported["preemption"]
        );
        for check in reported["checks"].as_array().into_iter().flatten().filter(|check| check["result"] != "Pass") {
            let _ = writeln!(text, "      {check}");
        }
    }
    text
}

fn scheduling_state(pod: &Pod) -> SchedulingState<'_> {
    if pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()) {
        return SchedulingState::Bound;
    }
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let Some(condition) = conditions.iter().find(|condition| condition.type_ == "PodScheduled") else {
        return SchedulingState::Untried;
    };
    match (condition.reason.as_deref(), condition.message.as_deref()) {
        (Some("SchedulingGated"), _) => SchedulingState::Gated,
        (Some("Unschedulable"), Some(message)) => SchedulingState::Rejected(message),
        _ => SchedulingState::Other(condition),
    }
}

fn joined(texts: &BTreeSet<String>) -> String {
    match texts.is_empty() {
        true => "(none)".into(),
        false => texts.iter().map(String::as_str).collect::<Vec<_>>().join(" + "),
    }
}

impl Comparison {
    fn count_message(&mut self, node: &str, set: &str, message: &str) {
        match FitError::parse(message) {
            Ok(fit_error) => {
                let plugin = fit_error.reasons.first().map_or("none", |reason| plugin_of(reason));
                *self.plugins.entry(plugin).or_default() += 1;
                let suffix = if fit_error.on_all_nodes { " (on all nodes)" } else { "" };
                *self.reasons.entry(joined(&fit_error.reasons) + suffix).or_default() += 1;
                *self.preemption.entry(joined(&fit_error.preemption)).or_default() += 1;
                *self.notes.entry(fit_error.notes.join(" + ")).or_default() += 1;
            }
            Err(error) => self.differences.push(format!("  {node} {set}: {error}")),
        }
    }

    /// The scheduler's preemption outcomes and the program's verdicts, as lines.
    pub(crate) fn preemption_table(&self) -> String {
        let mut text = "  preemption, scheduler | program:\n".to_owned();
        for ((outcome, verdict), (count, _)) in &self.preemption_verdicts {
            let _ = writeln!(text, "    {count:5} {outcome} | {verdict}");
        }
        text
    }

    /// The program has one verdict for each of the scheduler's outcomes, and different ones for different outcomes.
    pub(crate) fn check_preemption(&mut self) {
        let mut by_outcome: BTreeMap<&str, &str> = BTreeMap::new();
        let mut wrong = Vec::new();
        let mut unknown = 0;
        for ((outcome, verdict), (_, example)) in &self.preemption_verdicts {
            // Unknown (devices that only CEL selectors distinguish) does not contradict the scheduler.
            if verdict == "Unknown" {
                unknown += 1;
                continue;
            }
            if verdict == "(none)" {
                wrong.push(format!("  preemption: scheduler {outcome}, program no verdict: {example}"));
            }
            if let Some(other) = by_outcome.insert(outcome, verdict) {
                wrong.push(format!("  preemption: scheduler {outcome}, program {other} and {verdict}: {example}"));
            }
        }
        if unknown > 1 {
            wrong.push(format!("  preemption: program Unknown for {unknown} outcomes of the scheduler"));
        }
        let outcomes = ["never", "not helpful", "no victims"];
        let verdicts: Vec<_> = outcomes.iter().filter_map(|outcome| by_outcome.get(outcome)).collect();
        if verdicts.iter().collect::<BTreeSet<_>>().len() < verdicts.len() {
            wrong.push(format!("  preemption: {outcomes:?} have equal verdicts: {by_outcome:?}"));
        }
        self.differences.append(&mut wrong);
    }

    /// The number of differences of each kind, and the first of each.
    pub(crate) fn differences_by_kind(&self) -> String {
        let mut kinds: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for one in &self.differences {
            // The first line has the pair, the second the kind.
            let kind = one.lines().nth(1).unwrap_or(one).trim();
            kinds.entry(kind).or_insert((0, one)).0 += 1;
        }
        let mut kinds: Vec<_> = kinds.into_values().collect();
        kinds.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        kinds.iter().take(MAX_KINDS).map(|(count, first)| format!("{count} times:\n{first}\n")).collect()
    }

    /// Fails if too few pods were rejected: such a cluster proves nothing.
    pub(crate) fn check_variety(&self) -> Result<(), Failed> {
        let too_few =
            MIN_REJECTIONS.iter().find(|(plugin, min)| self.plugins.get(plugin).is_none_or(|count| count < min));
        ensure(too_few.is_none(), || format!("fewer rejections than {too_few:?}:\n{self}"))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  pods: {:?}", self.states)?;
        writeln!(f, "  first plugin to reject: {:?}", self.plugins)?;
        let tables = [("reasons", &self.reasons), ("preemption", &self.preemption), ("notes", &self.notes)];
        for (title, counts) in tables {
            writeln!(f, "  {title}:")?;
            let mut sorted: Vec<_> = counts.iter().collect();
            sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (text, count) in sorted {
                writeln!(f, "    {count:5} {text}")?;
            }
        }
        Ok(())
    }
}
