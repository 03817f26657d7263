//! Every JSON document that these tests see is what `docs/schema` says.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::json_schemas::validate;

const SHOP: &str = "tests/fixtures/shop/cluster.yaml";

/// Saved clusters that show many causes.
const CLUSTERS: [&str; 5] = [
    SHOP,
    "tests/cli/rollout/three-revisions.yaml",
    "tests/cli/broken-files/hostile.json",
    "tests/cli/broken-files/without-nodes.yaml",
    "tests/cli/broken-files/without-pods.yaml",
];

fn run(file: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    command.args(arguments).args(["--from", file]).output().unwrap()
}

/// The document that a command prints with `-o json`, validated. With an exit code other than 0, there still is one.
fn document(file: &str, arguments: &[&str]) -> Value {
    let output = run(file, &[arguments, &["-o", "json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    let document = serde_json::from_slice(&output.stdout);
    let document = document.unwrap_or_else(|cause| panic!("{file} {arguments:?}: {cause}: {error}"));
    validate(&document).unwrap_or_else(|differences| panic!("{file} {arguments:?}: {differences}"));
    document
}

/// All texts that a field of this name has anywhere in the document.
fn values(document: &Value, field: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(document, field, &mut found);
    found
}

fn collect(value: &Value, field: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(field).and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, field, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, field, found)),
        _ => {}
    }
}

fn assert_contains(found: &BTreeSet<String>, expected: &[&str]) {
    for value in expected {
        assert!(found.contains(*value), "no saved cluster shows {value}: {found:?}");
    }
}

#[test]
fn missing_and_additional_fields_are_found() {
    let mut report = document(SHOP, &["coverage"]);
    let node = "/daemonSets/0/nodes/0";
    report.pointer_mut(node).unwrap()["surprise"] = json!(1);
    assert!(validate(&report).unwrap_err().contains("surprise"));
    report.pointer_mut(node).unwrap().as_object_mut().unwrap().remove("surprise");
    validate(&report).unwrap();
    report.pointer_mut(node).unwrap().as_object_mut().unwrap().remove("state");
    assert!(validate(&report).unwrap_err().contains("state"));
}

#[test]
fn evidence_that_the_schema_does_not_have_is_found() {
    let mut report = document(SHOP, &["coverage", "fluent-bit"]);
    let mut nodes = report["daemonSets"][0]["nodes"].as_array_mut().unwrap().iter_mut();
    let reason = nodes.find_map(|node| node["reasons"].get_mut(0)).unwrap();
    reason["surprise"] = json!(1);
    validate(&report).unwrap_err();
}

#[test]
fn coverage_documents_match_the_schema() {
    let reports: Vec<Value> = CLUSTERS.iter().map(|file| document(file, &["coverage", "-A"])).collect();
    let codes = ["Taint", "NodeSelector", "QuotaExceeded", "CrashLoopBackOff", "ImageError", "Unschedulable"];
    assert_contains(&values(&json!(reports), "code"), &codes);
    assert_contains(&values(&json!(reports), "placement"), &["Run", "ContinueOnly", "Exclude"]);
}

#[test]
fn alerts_documents_match_the_schema() {
    let files = CLUSTERS.iter().chain(&["tests/cli/alerts/cluster.json", "tests/cli/alerts/hostile.json"]);
    let reports: Vec<Value> = files.map(|file| document(file, &["alerts", "-A"])).collect();
    assert_contains(&values(&json!(reports), "state"), &["Firing", "Pending"]);
    assert_contains(&values(&json!(reports), "verdict"), &["Real", "FalseAlarm"]);
    assert_contains(&values(&json!(reports), "code"), &["NoEligibleNode", "CrashLoopBackOff", "Taint"]);
}

#[test]
fn why_not_documents_match_the_schema() {
    let nodes = ["worker-a1", "worker-a2", "worker-b1", "worker-c3", "gpu-b1", "gpu-c1", "control-a1"];
    let reports: Vec<Value> = nodes.iter().map(|node| document(SHOP, &["why-not", node])).collect();
    assert_contains(&values(&json!(reports), "verdict"), &["Running", "NotHealthy", "Blocked", "Excluded"]);
    let checks = reports.iter().flat_map(|report| report["daemonSets"].as_array().unwrap());
    for check in checks.flat_map(|diagnosis| diagnosis["checks"].as_array().unwrap()) {
        assert_eq!(check["result"] == "Pass", check["reasons"] == json!([]), "{check}");
    }
}

/// One document for each node on which the DaemonSet is not healthy.
#[test]
fn why_not_documents_of_a_daemon_set_match_the_schema() {
    let output = run(SHOP, &["why-not", "logging/fluent-bit", "-o", "json"]);
    let documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    let documents: Vec<Value> = documents.collect::<Result<_, _>>().unwrap();
    let nodes: Vec<&Value> = documents.iter().map(|document| &document["node"]).collect();
    assert_eq!(nodes, ["worker-a2", "worker-b1", "worker-c3"]);
    for document in &documents {
        validate(document).unwrap();
        assert!(document["cause"]["nodes"].as_array().unwrap().contains(&document["node"]), "{document}");
        assert_eq!(document["daemonSets"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn rollout_documents_match_the_schema() {
    let reports: Vec<Value> = CLUSTERS.iter().map(|file| document(file, &["rollout", "status", "-A"])).collect();
    let daemon_sets = || reports.iter().flat_map(|report| report["daemonSets"].as_array().unwrap());
    let texts = |pointer: &str| -> BTreeSet<String> {
        daemon_sets().map(|rollout| rollout.pointer(pointer).unwrap().as_str().unwrap().to_owned()).collect()
    };
    assert_contains(&texts("/phase"), &["Complete", "Progressing", "Degraded", "Stuck", "AwaitingDeletion", "Unknown"]);
    assert_contains(&texts("/strategy/type"), &["OnDelete", "RollingUpdate"]);
    let blockers = daemon_sets().flat_map(|rollout| rollout["blockers"].as_array().unwrap());
    let blockers = blockers.map(|blocker| {
        let name = |value: &Value| value.as_str().unwrap().to_owned();
        format!("{}/{}", name(&blocker["type"]), name(&blocker["reason"]["code"]))
    });
    let expected = [
        "PodCreation/QuotaExceeded",
        "NewPod/CrashLoopBackOff",
        "NewPod/ImageError",
        "NewPod/NodeNotReady",
        "NewPod/Unschedulable",
    ];
    assert_contains(&blockers.collect(), &expected);
}

#[test]
fn history_documents_match_the_schema() {
    for file in ["tests/cli/rollout/three-revisions.yaml", "tests/cli/rollout/hostile.json"] {
        for more in [&[][..], &["--revision", "1"], &["--diff", "1..2"], &["--diff", "1.."]] {
            let history = ["rollout", "history", "agent", "-n", "logging"];
            let report = document(file, &[&history[..], more].concat());
            assert_eq!(report.get("diff").is_some(), more.contains(&"--diff"), "{more:?}");
            for revision in report["revisions"].as_array().unwrap() {
                assert_eq!(revision.get("template").is_some(), !more.is_empty(), "{more:?}");
            }
        }
    }
}

/// The plan. The live tests validate what `cycle` prints while it runs.
#[test]
fn cycle_plans_match_the_schema() {
    let plan = document(SHOP, &["cycle", "node-exporter", "-n", "monitoring", "--dry-run=client"]);
    assert_eq!((&plan["kind"], &plan["outcome"]), (&json!("CycleReport"), &json!("Planned")));
    assert_contains(&values(&plan["nodes"], "status"), &["Waiting", "Skipped"]);
}

/// The plans. The live tests validate what the commands print when they change something.
#[test]
fn rollout_change_plans_match_the_schema() {
    const FILE: &str = "tests/cli/rollout/change.yaml";
    let plan = |words: &[&str]| document(FILE, &[words, &["-n", "logging", "--dry-run=client"]].concat());
    let pause = plan(&["rollout", "pause", "proxy"]);
    assert_eq!((&pause["action"], &pause["outcome"]), (&json!("Pause"), &json!("Planned")));
    assert_contains(&values(&pause["owners"], "type"), &["FluxKustomization", "KubectlApply", "ServerSideApply"]);
    let resume = plan(&["rollout", "resume", "agent"]);
    assert_eq!(resume["replacement"]["atOnce"], json!(["node-4"]));
    let undo = plan(&["rollout", "undo", "agent", "--to-revision", "1"]);
    assert_eq!(undo["rollback"]["from"]["nodes"], json!(["node-1", "node-2"]));
    assert_contains(&values(&undo["owners"], "type"), &["Helm"]);
    let removed = plan(&["rollout", "resume", "back"]);
    assert_eq!(removed["action"], "RemoveAnnotation");
}

#[test]
fn version_document_matches_the_schema() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    let output = command.args(["version", "--client", "-o", "json"]).output().unwrap();
    validate(&serde_json::from_slice(&output.stdout).unwrap()).unwrap();
}

/// The transcripts themselves are no JSON: they show a backslash as a slash.
#[test]
fn documents_of_transcripts_match_the_schema() {
    let files = crate::architecture::files_below(Path::new("tests/cli"));
    let transcripts = files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "trycmd"));
    let mut count = 0;
    for file in transcripts {
        let text = std::fs::read_to_string(file).unwrap();
        let commands = text.lines().filter_map(|line| line.strip_prefix("$ kubectl-ds "));
        for command in commands.filter(|command| format!("{command} ").contains("-o json ")) {
            let mut program = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
            let output = program.args(command.split_whitespace()).env("KUBECONFIG", "/nonexistent").output().unwrap();
            // A command that only shows an error prints no document.
            for document in serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>() {
                let document = document.unwrap_or_else(|error| panic!("{command}: {error}"));
                validate(&document).unwrap_or_else(|differences| panic!("{command}: {differences}"));
                count += 1;
            }
        }
    }
    assert!(count >= 5, "only {count} documents were found");
}

#[test]
fn yaml_has_the_same_content_as_json() {
    let yaml = run(SHOP, &["coverage", "-A", "-o", "yaml"]).stdout;
    let yaml: Value = serde_saphyr::from_slice(&yaml).unwrap();
    assert_eq!(yaml, document(SHOP, &["coverage", "-A"]));
}

#[test]
fn hostile_text_is_escaped_in_every_format() {
    let hostile = "tests/cli/broken-files/hostile.json";
    let formats = [
        &[][..],
        &["-o", "wide"],
        &["-o", "json"],
        &["-o", "yaml"],
        &["-o", "name"],
        &["agent", "--all"],
        &["--map"],
        &["--by-node"],
        &["-o", "kyaml"],
        &["-o", "jsonpath={@}{.daemonSets[*].nodes[*]['node','pod','reasons']}"],
        &["-o", "jsonpath={range .daemonSets[*].nodes[*]}{.node}{.pod}{.reasons[*].message}{end}"],
        &["-o", "jsonpath-as-json={..}"],
        &["-o", "custom-columns=NAME:.name,NODES:.nodes"],
        &["agent", "-o", "custom-columns=NODE:.node,POD:.pod,REASONS:.reasons"],
    ];
    let history = ["rollout", "history", "agent", "-n", "logging", "-o", "json"];
    let coverage = formats.iter().map(|format| (hostile, [&["coverage"], *format].concat()));
    for (file, arguments) in coverage.chain([("tests/cli/rollout/hostile.json", history.to_vec())]) {
        let output = run(file, &arguments);
        assert!(output.status.success(), "{arguments:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let found = text.chars().find(|c| (c.is_control() && *c != '\n') || ['\u{202e}', '\u{200b}'].contains(c));
        assert_eq!(found, None, "{arguments:?}");
    }
}

/// The document of every command is the same in JSON, YAML and KYAML.
#[test]
fn kyaml_has_the_content_of_json() {
    for arguments in
        [&["coverage", "-A"][..], &["why-not", "worker-b1"], &["rollout", "status", "-A"], &["version", "--client"]]
    {
        let kyaml = run(SHOP, &[arguments, &["-o", "kyaml"]].concat()).stdout;
        assert!(kyaml.starts_with(b"---\n{\n  apiVersion: \"kubectl-ds/v1\",\n"), "{arguments:?}");
        let kyaml: Value = serde_saphyr::from_slice(&kyaml).unwrap();
        assert_eq!(kyaml, document(SHOP, arguments), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn external_diff_gets_two_directories_and_its_failure_is_an_error() {
    let history = |program: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
        command.args(["rollout", "history", "logging/agent", "--diff=1..2"]);
        command.args(["--from", "tests/cli/rollout/three-revisions.yaml"]).env("KUBECTL_EXTERNAL_DIFF", program);
        command.output().unwrap()
    };
    let output = history("diff -r -u ;ignored");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("revision-1/template.yaml") && text.contains("+    image: "), "{output:?}");
    assert!(output.status.success() && !text.contains("ignored"), "{output:?}");
    // It exits with 2, as `diff` does for an unknown flag.
    for program in ["diff --no-such-flag", "/nonexistent/program"] {
        let output = history(program);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot show the difference with"), "{output:?}");
    }
}

#[test]
fn closed_standard_output_is_no_error() {
    use std::process::Stdio;
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    let arguments = ["coverage", "--from", SHOP, "-o", "json"];
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
