//! The guide of `demo`, and `--from demo`.

use std::path::Path;
use std::process::{Command, Output};

use crate::completions::text;

const SHOP: &str = "tests/fixtures/shop/cluster.yaml";

fn run(folder: &str, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    command.args(words).current_dir(folder).env("KUBECONFIG", "/nonexistent/kubeconfig").env("HOME", "/nonexistent");
    command.output().unwrap()
}

/// The commands of the guide, without the name of the program.
fn guide() -> Vec<String> {
    let output = run(".", &["demo"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().filter_map(|line| line.trim().strip_prefix("kubectl ds ").map(str::to_owned)).collect()
}

#[test]
fn every_command_of_the_guide_prints_what_the_fixture_shows() {
    let commands = guide();
    let on_demo: Vec<&String> = commands.iter().filter(|command| command.ends_with(" --from demo")).collect();
    assert!((6..=8).contains(&on_demo.len()), "{commands:?}");
    // The last one needs a cluster.
    assert_eq!(commands.len(), on_demo.len() + 1);
    assert_eq!(commands.last().unwrap(), "doctor");
    for command in on_demo {
        let words: Vec<&str> = command.split(' ').collect();
        let demo = run(".", &words);
        assert!(matches!(demo.status.code(), Some(0 | 1)), "{command}: {}", text(&demo.stderr));
        assert!(demo.stdout.len() > 100, "{command}: {}", text(&demo.stdout));
        assert!(!text(&demo.stderr).contains("error: "), "{command}: {}", text(&demo.stderr));
        let words: Vec<&str> = words.into_iter().map(|word| if word == "demo" { SHOP } else { word }).collect();
        let fixture = run(".", &words);
        // Its suggested commands read the sample cluster too.
        let shown = text(&demo.stdout).replace(" --from demo", "");
        assert_eq!(shown, text(&fixture.stdout), "{command}");
        assert_eq!(text(&demo.stderr), text(&fixture.stderr), "{command}");
        assert_eq!(demo.status.code(), fixture.status.code(), "{command}");
    }
}

#[test]
fn documents_of_the_demo_equal_those_of_the_fixture() {
    let commands: [&[&str]; 4] = [
        &["coverage", "-A", "-o", "json"],
        &["why-not", "worker-c3", "-o", "json"],
        &["rollout", "status", "-A", "-o", "json"],
        &["rollout", "history", "node-exporter", "-o", "json"],
    ];
    for command in commands {
        let document = |file: &str| text(&run(".", &[command, &["--from", file]].concat()).stdout);
        let demo = document("demo");
        assert!(demo.starts_with('{'), "{command:?}: {demo}");
        assert!(demo.replace(" --from demo", "") == document(SHOP), "{command:?} differs");
    }
}

#[test]
fn file_named_demo_has_precedence() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let coverage = |from: &str| run(folder.to_str().unwrap(), &["coverage", "-o", "name", "--from", from]);
    assert_eq!(text(&coverage("demo").stdout).lines().count(), 7);
    let missing = coverage("./demo");
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("no such file or directory"), "{}", text(&missing.stderr));
    let item = r#"{"apiVersion":"apps/v1","kind":"DaemonSet","metadata":{"name":"own","namespace":"a"},
        "spec":{"selector":{},"template":{}}}"#;
    std::fs::write(Path::new(folder).join("demo"), item).unwrap();
    for from in ["demo", "./demo"] {
        let own = coverage(from);
        assert_eq!(text(&own.stdout), "a/own\n", "{from}: {}", text(&own.stderr));
    }
}

#[test]
fn doctor_rejects_a_saved_cluster_and_reports_no_cluster() {
    let saved = run(".", &["doctor", "--from", "demo"]);
    assert_eq!(saved.status.code(), Some(2));
    assert!(saved.stdout.is_empty() && text(&saved.stderr).contains("error: --from cannot be combined with doctor"));
    let none = run(".", &["doctor"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stdout).starts_with("✗ kubeconfig "), "{}", text(&none.stdout));
    assert!(none.stderr.is_empty(), "{}", text(&none.stderr));
    let document = text(&run(".", &["doctor", "-o", "json"]).stdout);
    let document = serde_json::from_str(&document).unwrap();
    crate::json_schemas::validate(&document).unwrap();
}
