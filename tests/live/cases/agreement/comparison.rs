//! What the cluster shows, what the program assert_contains, and where they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::Value;

use super::message::{plugin_of, parse};
use crate::harness::client::ensure;
use crate::harness::independent_counts::target;
use crate::harness::quiescence::full_name;

/// How often each plugin must be the first to refuse for a world to prove anything.
const ENOUGH: [(&str, usize); 5] =
    [("NodeResourcesFit", 30), ("NodePorts", 10), ("InterPodAffinity", 5), ("NodeAffinity", 3), ("TaintToleration", 3)];

/// So many kinds of disagreements are shown.
const IN_FULL: usize = 40;

/// Nodes, DaemonSets by full name, and their pods.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<String>,
    sets: Vec<String>,
    pods: BTreeMap<(String, String), Vec<Pod>>,
}

/// What was found.
#[derive(Default)]
pub(crate) struct Seen {
    /// Nodes times DaemonSets that were compared.
    pub(crate) pairs: usize,
    /// Pods whose message was compared.
    pub(crate) compared: usize,
    /// Pods by where they are.
    states: BTreeMap<String, usize>,
    /// Unscheduled pods by the plugin that refused first.
    plugins: BTreeMap<&'static str, usize>,
    /// The same by the reasons.
    reasons: BTreeMap<String, usize>,
    /// By what became of preemption.
    preemption: BTreeMap<String, usize>,
    /// What else stands between the two.
    rest: BTreeMap<String, usize>,
    /// What the scheduler said of preemption, in a word, beside what the program assert_contains, with the first pair of it.
    verdicts: BTreeMap<(&'static str, String), (usize, String)>,
    /// Everything that is not as it should be, with the evidence.
    pub(crate) disagreements: Vec<String>,
}

/// How far a pod has come.
enum Stand<'a> {
    Bound,
    Gated,
    /// Nobody has tried it.
    Untried,
    Refused(&'a str),
    Other(&'a PodCondition),
}

impl Cluster {
    pub(crate) fn new(nodes: Vec<String>, sets: &[DaemonSet], pods: &[Pod]) -> Self {
        let owners: BTreeMap<String, String> =
            sets.iter().map(|set| (set.uid().unwrap_or_default(), full_name(set))).collect();
        let mut by_pair: BTreeMap<(String, String), Vec<Pod>> = BTreeMap::new();
        for pod in pods {
            let owner = pod.owner_references().iter().find_map(|owner| owners.get(&owner.uid));
            if let (Some(owner), Some(node)) = (owner, target(pod)) {
                by_pair.entry((node.to_owned(), owner.clone())).or_default().push(pod.clone());
            }
        }
        Self { nodes, sets: owners.into_values().collect(), pods: by_pair }
    }

    /// Counts what this world shows.
    pub(crate) fn count(&self, seen: &mut Seen) {
        for ((node, set), pods) in &self.pods {
            for pod in pods {
                let state = match stand_of(pod) {
                    Stand::Bound => "bound",
                    Stand::Gated => "gated",
                    Stand::Untried => "untried",
                    Stand::Refused(message) => {
                        seen.count_message(node, set, message);
                        "refused"
                    }
                    Stand::Other(condition) => {
                        seen.disagreements
                            .push(format!("  {node} {set}: a condition that nobody knows: {condition:?}"));
                        "other"
                    }
                };
                *seen.states.entry(state.into()).or_default() += 1;
                if pod.status.as_ref().is_some_and(|status| status.nominated_node_name.is_some()) {
                    *seen.states.entry("nominated".into()).or_default() += 1;
                }
            }
            if pods.len() > 1 {
                seen.disagreements.push(format!("  {node} {set}: {} pods", pods.len()));
            }
        }
    }

    /// Compares what is said of one node.
    pub(crate) fn compare(&self, node: &str, report: &Value, seen: &mut Seen) {
        if report["kind"] != "WhyNotReport" || report["apiVersion"] != "kubectl-ds/v1" || report["node"] != node {
            let text =
                format!("  {node}: not its report: {} {} {}", report["apiVersion"], report["kind"], report["node"]);
            seen.disagreements.push(text);
        }
        let mut said: BTreeMap<String, &Value> = BTreeMap::new();
        for set in report["daemonSets"].as_array().into_iter().flatten() {
            let text = |key: &str| set[key].as_str().unwrap_or_default();
            said.insert(format!("{}/{}", text("namespace"), text("name")), set);
        }
        for set in &self.sets {
            seen.pairs += 1;
            let pod = self.pods.get(&(node.to_owned(), set.clone())).and_then(|pods| pods.first());
            let wrong = match said.get(set) {
                None => vec!["it is not in the report".to_owned()],
                Some(said) => differences(node, said, pod, seen),
            };
            if !wrong.is_empty() {
                seen.disagreements.push(evidence(node, set, pod, said.get(set).copied(), &wrong));
            }
        }
    }
}

/// Everything in which the program and the cluster differ for one pair.
fn differences(node: &str, said: &Value, pod: Option<&Pod>, seen: &mut Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    let text = |key: &str| said[key].as_str().unwrap_or_default();
    let (placement, verdict) = (text("placement"), text("verdict"));
    let mut must = |right: bool, message: String| {
        if !right {
            wrong.push(message);
        }
    };
    let Some(pod) = pod else {
        must(
            matches!(placement, "ContinueOnly" | "Exclude"),
            format!("no pod was made, and placement is {placement:?}"),
        );
        must(verdict == "NotWanted", format!("no pod was made, and the verdict is {verdict:?}"));
        return wrong;
    };
    must(matches!(placement, "Run" | "ContinueOnly"), format!("a pod was made, and placement is {placement:?}"));
    must(said["pod"] == pod.name_any(), format!("the pod is {}", pod.name_any()));
    let stopped = matches!(verdict, "Blocked") || (verdict == "NotWanted" && placement == "ContinueOnly");
    let failing = failing(said);
    match stand_of(pod) {
        Stand::Bound => {
            let healthy = matches!(verdict, "Running" | "NotHealthy") || placement == "ContinueOnly";
            must(healthy, format!("it is scheduled, and the verdict is {verdict:?}"));
            must(failing.is_empty(), "it is scheduled, and the scheduler is said to refuse it".into());
        }
        Stand::Gated => {
            must(stopped, format!("it has gates, and the verdict is {verdict:?}"));
            let first = failing.first().map(|(check, _)| *check);
            must(first == Some("SchedulingGates"), format!("it has gates, and the first to refuse is {first:?}"));
        }
        Stand::Untried => {
            must(stopped, format!("nobody schedules it, and the verdict is {verdict:?}"));
            must(said.to_string().contains("no-such-scheduler"), "its scheduler is not named".into());
        }
        Stand::Refused(message) => {
            must(stopped, format!("it is refused, and the verdict is {verdict:?}"));
            seen.compared += 1;
            wrong.extend(refusal(node, said, &failing, message, seen));
        }
        Stand::Other(_) => {}
    }
    wrong
}

/// Whether the scheduler's words are the same.
fn refusal(
    node: &str,
    said: &Value,
    failing: &[(&str, BTreeSet<String>)],
    message: &str,
    seen: &mut Seen,
) -> Vec<String> {
    let told = match parse(message) {
        Ok(told) => told,
        Err(why) => return vec![why],
    };
    let text = |key: &str| said[key].as_str().unwrap_or_default();
    let verdict = said["preemption"]["verdict"].as_str().unwrap_or("(none)").to_owned();
    let (count, example) = seen.verdicts.entry((told.preemption_in_a_word(), verdict)).or_default();
    *count += 1;
    if example.is_empty() {
        *example = format!("{node} {}/{}: {message}", text("namespace"), text("name"));
    }
    let agrees = if told.everywhere {
        // It comes before every filter, wherever its plugin stands among them.
        failing.iter().any(|(_, reasons)| *reasons == told.reasons)
    } else {
        failing.first().is_some_and(|(_, reasons)| *reasons == told.reasons)
    };
    match agrees {
        true => vec![],
        false => vec![format!("the scheduler says {:?}, the first to refuse here are {failing:?}", told.reasons)],
    }
}

/// The scheduler's checks that fail, in the report's order, with the scheduler's words.
fn failing(said: &Value) -> Vec<(&str, BTreeSet<String>)> {
    let checks = said["checks"].as_array().into_iter().flatten();
    let failing = checks.filter(|check| check["stage"] == "Scheduler" && check["result"] != "Pass");
    failing
        .map(|check| {
            let reasons = check["reasons"].as_array().into_iter().flatten();
            // What is unknown has no words of the scheduler, and so agrees with nothing; nor does the repetition of
            // the pod's own condition.
            let is_found = check["result"] == "Fail" && check["check"] != "PodScheduled";
            let words = reasons.map(|reason| match reason["scheduler"].as_str().filter(|_| is_found) {
                Some(words) => words.to_owned(),
                None => format!("({} without words of its own)", check["result"]),
            });
            let name = check["check"].as_str().unwrap_or_default();
            // These tell all their reasons; the others stop at the first.
            let counts = if matches!(name, "NodeResourcesFit" | "VolumeBinding") { usize::MAX } else { 1 };
            (name, words.take(counts).collect())
        })
        .collect()
}

fn evidence(node: &str, set: &str, pod: Option<&Pod>, said: Option<&Value>, wrong: &[String]) -> String {
    let mut text = format!("  {node} {set}:\n");
    for one in wrong {
        let _ = writeln!(text, "    {one}");
    }
    if let Some(pod) = pod {
        let message = match stand_of(pod) {
            Stand::Bound => "scheduled",
            Stand::Gated => "gated",
            Stand::Untried => "untried",
            Stand::Refused(message) => message,
            Stand::Other(_) => "another condition",
        };
        let _ = writeln!(text, "    {}: {message}", pod.name_any());
    }
    if let Some(said) = said {
        let _ = writeln!(
            text,
            "    said: placement {}, state {}, verdict {}, preemption {}",
            said["placement"], said["state"], said["verdict"], said["preemption"]
        );
        for check in said["checks"].as_array().into_iter().flatten().filter(|check| check["result"] != "Pass") {
            let _ = writeln!(text, "      {check}");
        }
    }
    text
}

fn stand_of(pod: &Pod) -> Stand<'_> {
    if pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()) {
        return Stand::Bound;
    }
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let Some(condition) = conditions.iter().find(|condition| condition.type_ == "PodScheduled") else {
        return Stand::Untried;
    };
    match (condition.reason.as_deref(), condition.message.as_deref()) {
        (Some("SchedulingGated"), _) => Stand::Gated,
        (Some("Unschedulable"), Some(message)) => Stand::Refused(message),
        _ => Stand::Other(condition),
    }
}

fn joined(texts: &BTreeSet<String>) -> String {
    match texts.is_empty() {
        true => "(nothing)".into(),
        false => texts.iter().map(String::as_str).collect::<Vec<_>>().join(" + "),
    }
}

impl Seen {
    fn count_message(&mut self, node: &str, set: &str, message: &str) {
        match parse(message) {
            Ok(told) => {
                let plugin = told.reasons.first().map_or("nobody", |reason| plugin_of(reason));
                *self.plugins.entry(plugin).or_default() += 1;
                let mark = if told.everywhere { " (everywhere)" } else { "" };
                *self.reasons.entry(joined(&told.reasons) + mark).or_default() += 1;
                *self.preemption.entry(joined(&told.preemption)).or_default() += 1;
                *self.rest.entry(told.rest.join(" + ")).or_default() += 1;
            }
            Err(why) => self.disagreements.push(format!("  {node} {set}: {why}")),
        }
    }

    /// What the scheduler and the program say of preemption.
    pub(crate) fn verdicts(&self) -> String {
        let mut text = "  preemption, as the scheduler and as the program says:\n".to_owned();
        for ((word, verdict), (count, _)) in &self.verdicts {
            let _ = writeln!(text, "    {count:5} {word} | {verdict}");
        }
        text
    }

    /// The program has one verdict for each of the scheduler's words, and tells the usual ones apart.
    pub(crate) fn preemption_agrees(&mut self) {
        let mut usual: BTreeMap<&str, &str> = BTreeMap::new();
        let mut wrong = Vec::new();
        let mut untold = 0;
        for ((word, verdict), (_, example)) in &self.verdicts {
            // What the program says it cannot tell (devices, which only CEL tells apart) contradicts nothing.
            if verdict == "Unknown" {
                untold += 1;
                continue;
            }
            if verdict == "(none)" {
                wrong.push(format!("  preemption: the scheduler says {word}, the program nothing: {example}"));
            }
            if let Some(other) = usual.insert(word, verdict) {
                wrong.push(format!(
                    "  preemption: the scheduler says {word}, the program {other} and {verdict}: {example}"
                ));
            }
        }
        if untold > 1 {
            wrong.push(format!("  preemption: the program cannot tell for {untold} of the scheduler's words"));
        }
        let said: Vec<_> = ["never", "not helpful", "no victims"].iter().filter_map(|word| usual.get(word)).collect();
        if said.iter().collect::<BTreeSet<_>>().len() < said.len() {
            wrong.push(format!("  preemption: never, not helpful and no victims are not told apart: {usual:?}"));
        }
        self.disagreements.append(&mut wrong);
    }

    /// How many disagreements there are of each kind, and the first of each in full.
    pub(crate) fn disagreements_in_short(&self) -> String {
        let mut kinds: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for one in &self.disagreements {
            // Behind the pair in the first line stands what is wrong.
            let kind = one.lines().nth(1).unwrap_or(one).trim();
            kinds.entry(kind).or_insert((0, one)).0 += 1;
        }
        let mut kinds: Vec<_> = kinds.into_values().collect();
        kinds.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        kinds.iter().take(IN_FULL).map(|(count, first)| format!("{count} like this:\n{first}\n")).collect()
    }

    /// A world in which every pod finds its place would prove nothing.
    pub(crate) fn shows_enough(&self) -> Result<(), Failed> {
        let too_little =
            ENOUGH.iter().find(|(plugin, least)| self.plugins.get(plugin).is_none_or(|count| count < least));
        ensure(too_little.is_none(), || format!("this world shows too little: {too_little:?} in\n{self}"))
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  pods: {:?}", self.states)?;
        writeln!(f, "  first to refuse: {:?}", self.plugins)?;
        for (title, counts) in [("reasons", &self.reasons), ("preemption", &self.preemption), ("between", &self.rest)] {
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
