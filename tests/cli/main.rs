//! Runs the program on saved clusters. Each directory is a scenario with transcripts of commands, their output and
//! their exit codes. `TRYCMD=overwrite cargo test --test cli` updates the transcripts: review the diff before you
//! commit it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "these are tests")]

mod architecture;
mod completions;
mod demo;
mod hostile_clusters;
#[cfg(unix)]
mod injection;
#[cfg(unix)]
mod integrations;
mod json_documents;
mod json_reference;
#[path = "../support/json_schemas.rs"]
mod json_schemas;
mod lists;
mod module_graph;
mod name;
mod network;
mod odd_server;
mod plugin;
mod processes;
mod readme;
mod shipped;
mod trees;
mod vocabulary;

use std::path::Path;

#[test]
fn transcripts_equal_the_program_output() {
    let cases = trycmd::TestCases::new();
    cases.register_bin("kubectl-ds", Path::new(env!("CARGO_BIN_EXE_kubectl-ds")));
    // Isolates the tests from the machine's clusters and the user's settings.
    for (name, value) in [("KUBECONFIG", "/nonexistent/kubeconfig"), ("HOME", "/nonexistent"), ("TERM", "xterm")] {
        cases.env(name, value);
    }
    cases.case("tests/cli/*/*.trycmd");
}

/// Detects transcripts and files that are never used.
#[test]
fn every_scenario_file_is_a_transcript_or_used_by_one() {
    for scenario in std::fs::read_dir("tests/cli").unwrap().map(|entry| entry.unwrap().path()) {
        if !scenario.is_dir() {
            continue;
        }
        let files: Vec<_> = std::fs::read_dir(&scenario).unwrap().map(|entry| entry.unwrap().path()).collect();
        let is_transcript = |path: &Path| path.extension().is_some_and(|ending| ending == "trycmd");
        let transcripts: String = files
            .iter()
            .filter(|path| is_transcript(path))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        assert!(!transcripts.is_empty(), "{} contains no transcript", scenario.display());
        for file in files.iter().filter(|path| !is_transcript(path)) {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(transcripts.contains(name), "{} is not used by a transcript", file.display());
        }
    }
}
