//! The recipes of `docs/integrations.md`: their pipelines run on the sample cluster, and all commands are valid.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::completions::{must_be_there, text};

fn program(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    command.args(words).env("KUBECONFIG", "/nonexistent/kubeconfig").env("HOME", "/nonexistent").output().unwrap()
}

fn page() -> String {
    std::fs::read_to_string("docs/integrations.md").unwrap()
}

/// A folder with a program `kubectl` that runs `kubectl ds` as this program.
fn folder_with_kubectl() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubectl");
    let script = format!("#!/bin/sh\nshift\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_kubectl-ds"));
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

/// The PATH with this folder first.
fn path_with(folder: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = [folder.to_owned()].into_iter().chain(std::env::split_paths(&path)).collect();
    std::env::join_paths(folders).unwrap()
}

#[test]
fn pipelines_run_on_the_sample_cluster() {
    const EXPECTED: [&[&str]; 7] = [
        &["\"logging\",\"fluent-bit\",8,6,8", "\"monitoring\",\"node-exporter\",12,11,2"],
        &["worker-a1 csi-node QuotaExceeded", "worker-b1 fluent-bit ImageError"],
        &["2 NodeNotReady", "1 CrashLoopBackOff"],
        &["storage/csi-node Stuck QuotaExceeded", "monitoring/node-exporter AwaitingDeletion "],
        &["kubectl -n logging set image daemonset/fluent-bit fluent-bit=IMAGE"],
        &["✗ logging/fluent-bit on worker-a2: NotHealthy: pod fluent-bit-fvkmp is NotReady"],
        &["1 (current)  39s      7  -"],
    ];
    let folder = folder_with_kubectl();
    let page = page();
    let pipelines: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("$ ")).filter(|line| line.contains(" | ")).collect();
    assert_eq!(pipelines.len(), EXPECTED.len());
    for (pipeline, expected) in pipelines.into_iter().zip(EXPECTED) {
        if pipeline.contains("| jq ") && Command::new("jq").arg("--version").output().is_err() {
            assert!(!must_be_there(), "jq is missing");
            continue;
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", pipeline]).env("PATH", path_with(folder.path())).env("KUBECONFIG", "/nonexistent");
        let output = shell.output().unwrap();
        let printed = text(&output.stdout);
        assert!(output.status.success(), "{pipeline}: {}", text(&output.stderr));
        for line in expected {
            assert!(printed.lines().any(|printed| printed.trim() == line.trim()), "{pipeline}: {line:?}: {printed}");
        }
    }
}

#[test]
fn commands_of_the_pipeline_step_are_valid() {
    let page = page();
    let commands: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("    kubectl ds ")).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    for command in commands {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let output = program(&words);
        assert!(output.status.success(), "{command}: {}", text(&output.stderr));
    }
}

/// Runs each plugin with `less` replaced by `cat`, on the sample cluster.
#[test]
fn shortcuts_of_k9s_run_their_commands() {
    let file = std::fs::read_to_string("docs/integrations/k9s-plugins.yaml").unwrap();
    let file: Value = serde_saphyr::from_str(&file).unwrap();
    let folder = folder_with_kubectl();
    let mut shortcuts = std::collections::BTreeSet::new();
    for (name, plugin) in file["plugins"].as_object().unwrap() {
        let known = ["shortCut", "description", "scopes", "command", "background", "args"];
        assert!(plugin.as_object().unwrap().keys().all(|field| known.contains(&field.as_str())), "{name}");
        let scope = plugin["scopes"][0].as_str().unwrap();
        assert!(shortcuts.insert((scope, plugin["shortCut"].as_str().unwrap())), "{name}: the shortcut is used twice");
        let values = match scope {
            "nodes" => ("worker-a1", "", "worker-a1"),
            "daemonsets" => ("node-exporter", "monitoring", "node-exporter"),
            other => panic!("{name}: unknown scope {other}"),
        };
        let expanded = plugin["args"].as_array().unwrap().iter().map(|argument| {
            let argument = argument.as_str().unwrap();
            let argument =
                argument.replace("$NAMESPACE", values.1).replace("$NAME", values.0).replace("$CONTEXT", "c; id");
            argument.replace("less -R", "cat")
        });
        let mut shell = Command::new(plugin["command"].as_str().unwrap());
        shell.args(expanded).args(["--from", "demo"]).env("PATH", path_with(folder.path()));
        let printed = text(&shell.output().unwrap().stdout);
        assert!(printed.contains(values.2) || printed.contains("REVISION"), "{name}: {printed}");
        assert!(!printed.contains("error: ") && !printed.contains("uid="), "{name}: {printed}");
    }
    assert_eq!(shortcuts.len(), 4);
}
