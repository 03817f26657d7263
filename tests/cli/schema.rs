//! The JSON that programs read: every field is one that `docs/reference` names, and of the type it has there.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Map, Value};

/// Field and types; several types mean any of them.
type Shape = &'static [(&'static str, &'static [Type])];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Type {
    Null,
    Text,
    Number,
    Truth,
    List,
    Object,
}
use Type::{List, Null, Number, Object, Text, Truth};

const REPORT: Shape =
    &[("apiVersion", &[Text]), ("kind", &[Text]), ("asOf", &[Text]), ("unknown", &[List]), ("daemonSets", &[List])];
const DAEMON_SET: Shape = &[
    ("namespace", &[Text]),
    ("name", &[Text]),
    ("updateStrategy", &[Text]),
    ("revisionSource", &[Text, Null]),
    ("desired", &[Number, Null]),
    ("current", &[Number, Null]),
    ("ready", &[Number, Null]),
    ("upToDate", &[Number, Null]),
    ("available", &[Number, Null]),
    ("unavailable", &[Number, Null]),
    ("misscheduled", &[Number, Null]),
    ("status", &[Object]),
    ("nodes", &[List]),
    ("podsWithoutNode", &[List]),
];
const NODE: Shape = &[
    ("node", &[Text]),
    ("placement", &[Text, Null]),
    ("state", &[Text]),
    ("pod", &[Text, Null]),
    ("revision", &[Text, Null]),
    ("upToDate", &[Truth, Null]),
    ("restarts", &[Number, Null]),
    ("created", &[Text, Null]),
    ("reasons", &[List]),
];
/// Only there when there is something to say.
const OPTIONAL: [&str; 5] = ["unknown", "preemption", "assumptions", "diff", "template"];

/// What a reason has besides its evidence; the numbers are those of an event.
const OF_EVERY_REASON: [&str; 6] = ["code", "message", "scheduler", "fix", "count", "lastSeen"];

fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Null,
        Value::String(_) => Text,
        Value::Number(_) => Number,
        Value::Bool(_) => Truth,
        Value::Array(_) => List,
        Value::Object(_) => Object,
    }
}

fn check<'v>(value: &'v Value, shape: Shape, what: &str) -> &'v Map<String, Value> {
    let object = value.as_object().unwrap_or_else(|| panic!("{what} is no object: {value}"));
    for (field, value) in object {
        let (_, types) = shape.iter().find(|(name, _)| name == field).unwrap_or_else(|| panic!("{what} has {field}"));
        assert!(types.contains(&type_of(value)), "{what}: {field} is {value}");
    }
    for (field, _) in shape.iter().filter(|(field, _)| !OPTIONAL.contains(field)) {
        assert!(object.contains_key(*field), "{what} lacks {field}");
    }
    object
}

fn report(file: &str, more: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    let output = command.args(["coverage", "--from", file]).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A page of `docs/reference`.
fn page(name: &str) -> String {
    std::fs::read_to_string(format!("docs/reference/{name}.md")).unwrap()
}

/// The codes that the reference's tables name, each with its evidence. A code that both pages name is that of a reason.
fn documented() -> Vec<(String, BTreeSet<String>)> {
    let pages = page("reasons") + &page("cycle");
    let tables = pages.split("| code | evidence |").skip(1);
    let words = |cell: &str| {
        cell.split('`').skip(1).step_by(2).map(|word| word.trim_end_matches("[]").to_owned()).collect::<Vec<_>>()
    };
    let rows = tables.flat_map(|table| table.lines().skip(2).take_while(|line| line.starts_with('|')));
    rows.flat_map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let evidence: BTreeSet<String> = words(cells[2]).into_iter().collect();
        words(cells[1]).into_iter().map(move |code| (code, evidence.clone())).collect::<Vec<_>>()
    })
    .collect()
}

/// The code of a reason, of which every field has to be documented.
fn code_of<'r>(reason: &'r Value, documented: &[(String, BTreeSet<String>)]) -> &'r str {
    let reason = reason.as_object().unwrap();
    let code = reason["code"].as_str().unwrap();
    assert!(reason["message"].is_string(), "{reason:?}");
    let (_, evidence) =
        documented.iter().find(|(name, _)| name == code).unwrap_or_else(|| panic!("{code} is not documented"));
    for field in reason.keys().filter(|field| !OF_EVERY_REASON.contains(&field.as_str())) {
        assert!(evidence.contains(field), "{code} has {field}, which is not documented");
    }
    code
}

#[test]
fn every_field_and_every_reason_is_one_that_the_reference_names() {
    let documented = documented();
    assert!(documented.len() > 20, "the reference's table of codes was not found");
    let mut seen = BTreeSet::new();
    for file in [
        "tests/fixtures/shop/cluster.yaml",
        "tests/cli/broken-files/hostile.json",
        "tests/cli/broken-files/without-nodes.yaml",
        "tests/cli/broken-files/without-pods.yaml",
    ] {
        let report = report(file, &["-o", "json"]);
        let report = check(&report, REPORT, "the report");
        assert_eq!(report["kind"], "CoverageReport");
        assert_eq!(report["apiVersion"], "kubectl-ds/v1");
        for daemon_set in report["daemonSets"].as_array().unwrap() {
            for node in check(daemon_set, DAEMON_SET, "a DaemonSet")["nodes"].as_array().unwrap() {
                for reason in check(node, NODE, "a node")["reasons"].as_array().unwrap() {
                    let code = code_of(reason, &documented);
                    seen.insert(code.to_owned());
                }
            }
        }
    }
    for code in
        ["Taint", "NodeSelector", "QuotaExceeded", "CrashLoopBackOff", "ImageError", "Unschedulable", "NodeNotReady"]
    {
        assert!(seen.contains(code), "no fixture shows {code}");
    }
}

const WHY_NOT: Shape = &[
    ("apiVersion", &[Text]),
    ("kind", &[Text]),
    ("asOf", &[Text]),
    ("node", &[Text]),
    ("unknown", &[List]),
    ("daemonSets", &[List]),
];
const DIAGNOSIS: Shape = &[
    ("namespace", &[Text]),
    ("name", &[Text]),
    ("placement", &[Text]),
    ("state", &[Text]),
    ("pod", &[Text, Null]),
    ("verdict", &[Text]),
    ("checks", &[List]),
    ("preemption", &[Object]),
    ("assumptions", &[List]),
];
const CHECK: Shape = &[("stage", &[Text]), ("check", &[Text]), ("result", &[Text]), ("reasons", &[List])];

fn why_not(file: &str, node: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    let output = command.args(["why-not", node, "--from", file, "-o", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_field_of_why_not_is_one_that_the_reference_names() {
    let documented = documented();
    let mut verdicts = BTreeSet::new();
    for node in ["worker-a1", "worker-a2", "worker-b1", "worker-c3", "gpu-b1", "gpu-c1", "control-a1"] {
        let report = why_not("tests/fixtures/shop/cluster.yaml", node);
        assert_eq!(check(&report, WHY_NOT, "the report")["kind"], "WhyNotReport");
        for way in report["daemonSets"].as_array().unwrap() {
            let way = check(way, DIAGNOSIS, "a DaemonSet");
            verdicts.insert(way["verdict"].as_str().unwrap().to_owned());
            for one in way["checks"].as_array().unwrap() {
                let one = check(one, CHECK, "a check");
                assert_eq!(one["result"] == "Pass", one["reasons"].as_array().unwrap().is_empty(), "{one:?}");
                for reason in one["reasons"].as_array().unwrap() {
                    code_of(reason, &documented);
                }
            }
        }
    }
    for verdict in ["Running", "NotHealthy", "Blocked", "Excluded"] {
        assert!(verdicts.contains(verdict), "no node of the fixture shows {verdict}");
    }
}

const HISTORY: Shape = &[
    ("apiVersion", &[Text]),
    ("kind", &[Text]),
    ("asOf", &[Text]),
    ("unknown", &[List]),
    ("namespace", &[Text]),
    ("name", &[Text]),
    ("current", &[Number, Null]),
    ("revisions", &[List]),
    ("deletedRevisions", &[List]),
    ("diff", &[List]),
];
const REVISION: Shape = &[
    ("revision", &[Number]),
    ("name", &[Text]),
    ("hash", &[Text]),
    ("current", &[Truth]),
    ("created", &[Text, Null]),
    ("changeCause", &[Text, Null]),
    ("nodes", &[List, Null]),
    ("template", &[Object]),
];
const DELETED_REVISION: Shape = &[("hash", &[Text, Null]), ("nodes", &[List])];

/// The fields that the table of a kind names, the first below a heading of a page.
fn fields_in_the_reference(name: &str, heading: &str) -> BTreeSet<String> {
    let page = page(name);
    let section = page.split(&format!("\n{heading}\n")).nth(1).unwrap();
    let table = section.split("| field | |").nth(1).unwrap().to_owned();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let first_cells = rows.map(|row| row.split('|').nth(1).unwrap().to_owned());
    let words = first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    words.map(|word| word.trim_end_matches("[]").rsplit('.').next().unwrap().to_owned()).collect()
}

#[test]
fn every_field_of_rollout_history_is_one_that_the_reference_names() {
    let named = fields_in_the_reference("rollout-history", "## JSON and YAML");
    let shapes = [HISTORY, REVISION, DELETED_REVISION];
    for (field, _) in shapes.iter().flat_map(|shape| shape.iter()) {
        assert!(named.contains(*field) || ["apiVersion", "kind"].contains(field), "{field} is not documented");
    }
    for file in ["tests/cli/rollout/three-revisions.yaml", "tests/cli/rollout/hostile.json"] {
        for more in [&[][..], &["--revision", "1"], &["--diff", "1..2"], &["--diff", "1.."]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
            command.args(["rollout", "history", "agent", "-n", "logging", "-o", "json", "--from", file]).args(more);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{file} {more:?}");
            let report: Value = serde_json::from_str(&text).unwrap();
            let report = check(&report, HISTORY, "the history");
            assert_eq!(report["kind"], "RolloutHistory");
            assert_eq!(report.contains_key("diff"), more.contains(&"--diff"), "{more:?}");
            for revision in report["revisions"].as_array().unwrap() {
                let revision = check(revision, REVISION, "a revision");
                assert_eq!(revision.contains_key("template"), !more.is_empty(), "{more:?}");
            }
            for deleted in report["deletedRevisions"].as_array().unwrap() {
                check(deleted, DELETED_REVISION, "a deleted revision");
            }
        }
    }
}

const ROLLOUTS: Shape = REPORT;
const ROLLOUT: Shape = &[
    ("namespace", &[Text]),
    ("name", &[Text]),
    ("revision", &[Text, Null]),
    ("revisionSource", &[Text, Null]),
    ("phase", &[Text]),
    ("desired", &[Number, Null]),
    ("updated", &[Number, Null]),
    ("updatedAvailable", &[Number, Null]),
    ("available", &[Number, Null]),
    ("strategy", &[Object]),
    ("budgetUsedBy", &[List]),
    ("blockers", &[List]),
    ("nodes", &[List]),
    ("outdatedMisscheduled", &[List]),
];
const STRATEGY: Shape = &[("type", &[Text]), ("maxUnavailable", &[Number]), ("maxSurge", &[Number])];
const BUDGET_USE: Shape = &[
    ("node", &[Text]),
    ("type", &[Text]),
    ("nodeDown", &[Truth]),
    ("needsIntervention", &[Truth]),
    ("reasons", &[List]),
];
const BLOCKER: Shape = &[
    ("type", &[Text]),
    ("reason", &[Object]),
    ("nodes", &[List]),
    ("needsIntervention", &[Truth]),
    ("blocking", &[Truth]),
    ("message", &[Text]),
    ("fix", &[List]),
];
const ROLLOUT_NODE: Shape = &[
    ("node", &[Text]),
    ("step", &[Text]),
    ("state", &[Text]),
    ("pod", &[Text, Null]),
    ("revision", &[Text, Null]),
    ("upToDate", &[Truth, Null]),
    ("reasons", &[List]),
];

/// The type and the code of a blocker, after its fields were checked.
fn check_blocker(blocker: &Value, documented: &[(String, BTreeSet<String>)]) -> String {
    let blocker = check(blocker, BLOCKER, "a blocker");
    let mut reason = blocker["reason"].as_object().unwrap().clone();
    reason.insert("message".into(), blocker["message"].clone());
    format!("{}/{}", blocker["type"].as_str().unwrap(), code_of(&Value::Object(reason), documented))
}

#[test]
fn every_field_of_a_rollout_report_is_one_that_the_reference_names() {
    let named = fields_in_the_reference("rollout", "### JSON and YAML: RolloutReport");
    let shapes = [ROLLOUTS, ROLLOUT, STRATEGY, BUDGET_USE, BLOCKER, ROLLOUT_NODE];
    let fields: BTreeSet<&str> = shapes.iter().flat_map(|shape| shape.iter()).map(|(field, _)| *field).collect();
    for field in fields.iter().filter(|field| !["apiVersion", "kind"].contains(field)) {
        assert!(named.contains(*field), "{field} is not documented");
    }
    for field in &named {
        assert!(fields.contains(field.as_str()), "{field} is documented, and no field");
    }
    let documented = documented();
    let (mut phases, mut codes, mut strategies) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for file in [
        "tests/fixtures/shop/cluster.yaml",
        "tests/cli/rollout/three-revisions.yaml",
        "tests/cli/broken-files/hostile.json",
        "tests/cli/broken-files/without-nodes.yaml",
        "tests/cli/broken-files/without-pods.yaml",
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
        let output = command.args(["rollout", "status", "-A", "-o", "json", "--from", file]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let report = check(&report, ROLLOUTS, "the report");
        assert_eq!((&report["kind"], &report["apiVersion"]), (&"RolloutReport".into(), &"kubectl-ds/v1".into()));
        for rollout in report["daemonSets"].as_array().unwrap() {
            let rollout = check(rollout, ROLLOUT, "a rollout");
            phases.insert(rollout["phase"].as_str().unwrap().to_owned());
            let strategy = rollout["strategy"].as_object().unwrap();
            let kind = strategy["type"].as_str().unwrap();
            let expected: &[&str] = match kind {
                "Rolling" => &["maxUnavailable", "type"],
                "Surge" => &["maxSurge", "type"],
                _ => &["type"],
            };
            assert_eq!(strategy.keys().map(String::as_str).collect::<Vec<_>>(), expected);
            strategies.insert(kind.to_owned());
            for budget_use in rollout["budgetUsedBy"].as_array().unwrap() {
                for reason in
                    check(budget_use, BUDGET_USE, "a node that uses the budget")["reasons"].as_array().unwrap()
                {
                    code_of(reason, &documented);
                }
            }
            for blocker in rollout["blockers"].as_array().unwrap() {
                codes.insert(check_blocker(blocker, &documented));
            }
            for node in rollout["nodes"].as_array().unwrap() {
                for reason in check(node, ROLLOUT_NODE, "a node")["reasons"].as_array().unwrap() {
                    code_of(reason, &documented);
                }
            }
        }
    }
    for phase in ["Complete", "Progressing", "Stuck", "AwaitingDeletion", "Unknown"] {
        assert!(phases.contains(phase), "no fixture shows the phase {phase}");
    }
    for code in [
        "PodCreation/QuotaExceeded",
        "NewPod/CrashLoopBackOff",
        "NewPod/ImageError",
        "NewPod/NodeNotReady",
        "NewPod/Unschedulable",
    ] {
        assert!(codes.contains(code), "no fixture shows the blocker {code}: {codes:?}");
    }
    assert!(strategies.contains("OnDelete") && strategies.contains("Rolling"), "{strategies:?}");
}

const CYCLE: Shape = &[
    ("apiVersion", &[Text]),
    ("kind", &[Text]),
    ("asOf", &[Text]),
    ("namespace", &[Text]),
    ("name", &[Text]),
    ("revision", &[Text]),
    ("outcome", &[Text]),
    ("message", &[Text]),
    ("lock", &[Object, Null]),
    ("budget", &[Number]),
    ("desired", &[Number]),
    ("planned", &[Number]),
    ("replaced", &[Number]),
    ("failed", &[Number]),
    ("skipped", &[Number]),
    ("inProgress", &[Number]),
    ("waiting", &[Number]),
    ("medianSeconds", &[Number, Null]),
    ("slowestSeconds", &[Number, Null]),
    ("nodes", &[List]),
];

/// With `--dry-run=client` the report holds the plan; what it holds after a run is looked at by the live tests.
#[test]
fn the_plan_of_a_cycle_is_a_report_of_the_reference() {
    let fields = fields_in_the_reference("cycle", "### JSON and YAML: CycleReport");
    for (field, _) in CYCLE {
        assert!(fields.contains(*field), "{field} is not documented");
    }
    let arguments = ["cycle", "node-exporter", "-n", "monitoring", "--dry-run=client", "-o", "json"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    let output = command.args(arguments).args(["--from", "tests/fixtures/shop/cluster.yaml"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let report = check(&report, CYCLE, "the report");
    assert_eq!((&report["kind"], &report["outcome"]), (&"CycleReport".into(), &"Planned".into()));
    let nodes = report["nodes"].as_array().unwrap();
    assert!(
        nodes.iter().any(|node| node["status"] == "Waiting") && nodes.iter().any(|node| node["status"] == "Skipped")
    );
    for node in nodes {
        for field in node.as_object().unwrap().keys() {
            assert!(fields.contains(field), "{field} is not documented");
        }
    }
}

/// The events that the reference's table names, each with its own fields.
fn events_in_the_reference() -> Vec<(String, BTreeSet<String>)> {
    let page = page("rollout");
    let table = page.split("| type | fields | |").nth(1).unwrap();
    let words = |cell: &str| {
        cell.split('`').skip(1).step_by(2).map(|word| word.trim_end_matches("[]").to_owned()).collect::<BTreeSet<_>>()
    };
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        (words(cells[1]).pop_first().unwrap(), words(cells[2]))
    })
    .collect()
}

/// The variants of an enum of the source, each with its fields in the order of the names.
fn variants_of(file: &str, name: &str) -> Vec<(String, BTreeSet<String>)> {
    let text = std::fs::read_to_string(file).unwrap();
    let body = text.split_once(&format!("pub(crate) enum {name} {{\n")).unwrap().1.split_once("\n}").unwrap().0;
    let mut variants: Vec<(String, BTreeSet<String>)> = Vec::new();
    for line in body.lines() {
        let word = line.trim();
        let indent = line.len() - line.trim_start().len();
        if indent == 4 && word.starts_with(|c: char| c.is_ascii_uppercase()) {
            let (name, fields) = variant(word);
            variants.push((name, fields.into_iter().collect()));
        } else if let (8, true, Some((_, fields))) =
            (indent, word.starts_with(|c: char| c.is_ascii_lowercase()), variants.last_mut())
        {
            fields.insert(camel_case(word.split(':').next().unwrap()));
        }
    }
    variants
}

/// What the events themselves hold is looked at where there are any: see `tests/live/harness/event_schema.rs`.
#[test]
fn the_reference_names_every_event_of_the_source_with_all_its_fields() {
    let common = fields_in_the_reference("rollout", "### JSON and YAML: RolloutEvent");
    for field in ["at", "type", "namespace", "name", "message", "fix"] {
        assert!(common.contains(field), "{field} is not documented");
    }
    for (field, _) in &ROLLOUT[2..8] {
        assert!(common.contains(*field), "{field} is not documented");
    }
    let mut expected = variants_of("src/rollout/events.rs", "EventKind");
    assert!(expected.len() > 10, "{expected:?}");
    expected.push(("Ended".into(), ["outcome".to_owned()].into()));
    for (_, fields) in &mut expected {
        fields.retain(|field| !common.contains(field));
    }
    assert_eq!(events_in_the_reference(), expected);
    let page = page("rollout");
    let outcomes = page.lines().find(|line| line.starts_with("| `Ended` |")).unwrap();
    for (ending, _) in variants_of("src/render/rollout/event.rs", "Ending") {
        assert!(outcomes.contains(&format!("`{ending}`")), "{ending} is not documented");
    }
}

/// Every enum of the source whose variants are codes: each with its fields.
fn codes_of_the_source() -> Vec<(String, Vec<String>)> {
    let mut codes = Vec::new();
    for file in crate::architecture::files_below(std::path::Path::new("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for part in text.split("#[serde(tag = \"code\"").skip(1) {
            let body = part.split_once("pub(crate) enum ").unwrap().1;
            let body = &body[body.find('\n').unwrap()..body.find("\n}").unwrap()];
            let (mut is_untagged, mut is_tagged, mut is_skipped) = (false, true, false);
            for line in body.lines() {
                let word = line.trim();
                let is_variant = line.starts_with("    ") && word.starts_with(|c: char| c.is_ascii_uppercase());
                let is_field = line.starts_with("        ") && word.starts_with(|c: char| c.is_ascii_lowercase());
                if word == "#[serde(skip)]" {
                    is_skipped = true;
                } else if word == "#[serde(untagged)]" {
                    is_untagged = true;
                } else if is_variant && !line.starts_with("     ") {
                    // An untagged variant hands on another's code, and its own fields stand beside that one's.
                    is_tagged = !std::mem::take(&mut is_untagged);
                    if is_tagged {
                        codes.push(variant(word));
                    }
                } else if let (true, Some((_, fields))) =
                    (is_field && is_tagged && !std::mem::take(&mut is_skipped), codes.last_mut())
                {
                    fields.push(camel_case(word.split(':').next().unwrap()));
                }
            }
        }
    }
    codes
}

/// The name of a variant from its first line. A short variant is on one line, with all its fields.
fn variant(line: &str) -> (String, Vec<String>) {
    let (name, fields) = line.split_once(" {").unwrap_or((line.trim_end_matches(','), ""));
    let names = fields.split(", ").filter_map(|field| field.split_once(": "));
    (name.to_owned(), names.map(|(name, _)| camel_case(name.trim())).collect())
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |all, word| all + &word[..1].to_uppercase() + &word[1..])
}

#[test]
fn the_reference_names_every_code_of_the_source_with_all_its_evidence() {
    let documented = documented();
    let codes = codes_of_the_source();
    assert!(codes.len() > 70, "only {} codes were found in the source", codes.len());
    let mut missing = Vec::new();
    for (code, fields) in codes {
        match documented.iter().find(|(name, _)| *name == code) {
            None => missing.push(format!("{code}: {fields:?}")),
            Some((_, evidence)) => {
                let unnamed = fields.into_iter().filter(|field| !evidence.contains(field) && field != "rejection");
                missing.extend(unnamed.map(|field| format!("{code} has {field}")));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn yaml_holds_the_same_as_json() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    let file = "tests/fixtures/shop/cluster.yaml";
    let yaml = command.args(["coverage", "--from", file, "-o", "yaml"]).output().unwrap().stdout;
    let yaml: Value = serde_saphyr::from_slice(&yaml).unwrap();
    assert_eq!(yaml, report(file, &["-o", "json"]));
}

#[test]
fn no_byte_of_a_hostile_cluster_reaches_the_terminal_in_any_format() {
    for format in [
        &[][..],
        &["-o", "wide"],
        &["-o", "json"],
        &["-o", "yaml"],
        &["-o", "name"],
        &["agent", "--all"],
        &["--map"],
        &["--by", "x"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
        let output =
            command.args(["coverage", "--from", "tests/cli/broken-files/hostile.json"]).args(format).output().unwrap();
        assert!(output.status.success(), "{format:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let hostile = text.chars().find(|c| (c.is_control() && *c != '\n') || ['\u{202e}', '\u{200b}'].contains(c));
        assert_eq!(hostile, None, "{format:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    let arguments = ["coverage", "--from", "tests/fixtures/shop/cluster.yaml", "-o", "json"];
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
