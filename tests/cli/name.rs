//! A renamed program shows the name by which kubectl finds it.

use std::process::Command;

use crate::completions::text;

/// Runs the program with another name and returns its output.
#[cfg(unix)]
fn called(file: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join(file);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubectl-ds"), &link).unwrap();
    let output = Command::new(link)
        .args(arguments)
        .env("KUBECONFIG", "/nonexistent/kubeconfig")
        .env("HOME", "/")
        .output()
        .unwrap();
    text(&output.stdout) + &text(&output.stderr)
}

#[cfg(unix)]
#[test]
fn renamed_program_shows_its_new_name() {
    for (arguments, said) in [
        (&["--version"][..], "kubectl daemon-sets "),
        (&["-h"], "Usage: kubectl daemon-sets [OPTIONS]"),
        (&["coverage", "--help"], "  kubectl daemon-sets coverage -A\n"),
        (&["why-not", "--help"], "Usage: kubectl daemon-sets why-not NODE"),
        (&["why-not", "node/a/b", "-s", "x"], "kubectl daemon-sets why-not NODE"),
        (&["completion", "bash"], "complete -o default -F _kubectl_daemon_sets kubectl-daemon_sets\n"),
        (&["completion", "kubectl"], "exec kubectl-daemon_sets __complete "),
        (&["completion", "--help"], "~/.local/bin/kubectl_complete-daemon_sets"),
        (&["__complete", "rollout", "w"], "watch\t"),
    ] {
        let all = called("kubectl-daemon_sets", arguments);
        assert!(all.contains(said), "{arguments:?}: {all}");
        for usual in ["kubectl ds", "kubectl-ds", "kubectl_ds"] {
            assert!(!all.contains(usual), "{arguments:?}: {all}");
        }
    }
    assert!(called("kubectl_complete-daemon_sets", &["rollout", "w"]).starts_with("watch\t"));
}

/// Hints must use [`program::name`](../../src/program.rs).
#[test]
fn usual_name_is_literal_only_in_help_texts() {
    let mut written = Vec::new();
    for file in crate::architecture::files_below(std::path::Path::new("src")) {
        let path = file.display().to_string().replace('\\', "/");
        if path.ends_with("/args.rs")
            || path.starts_with("src/cli")
            || path == "src/program.rs"
            || path.contains("tests")
        {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//") && line.contains("kubectl ds "));
        written.extend(lines.map(|line| format!("{path}: {}", line.trim())));
    }
    assert!(written.is_empty(), "{written:#?}");
}
