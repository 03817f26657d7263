//! The real program on saved clusters. One folder a scenario; in each, transcripts of commands with everything they
//! print and their exit codes. `TRYCMD=overwrite cargo test --test cli` writes what is printed now: read the
//! difference before you commit it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "these are tests")]

mod architecture;
mod completions;
mod hostile_clusters;
#[cfg(unix)]
mod injection;
mod lists;
mod module_graph;
mod name;
mod network;
mod odd_server;
mod plugin;
mod processes;
mod readme;
mod schema;
mod shipped;
mod trees;

use std::path::Path;

#[test]
fn transcripts_are_what_the_program_prints() {
    let cases = trycmd::TestCases::new();
    cases.register_bin("kubectl-ds", Path::new(env!("CARGO_BIN_EXE_kubectl-ds")));
    // No cluster of the machine, and no habit of its user, has a say here.
    for (name, value) in [("KUBECONFIG", "/nonexistent/kubeconfig"), ("HOME", "/nonexistent"), ("TERM", "xterm")] {
        cases.env(name, value);
    }
    cases.case("tests/cli/*/*.trycmd");
}

/// A transcript that nobody runs proves nothing.
#[test]
fn every_file_of_a_scenario_is_run_or_read_by_one_that_is() {
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
        assert!(!transcripts.is_empty(), "{} holds no transcript", scenario.display());
        for file in files.iter().filter(|path| !is_transcript(path)) {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(transcripts.contains(name), "{} is read by no transcript", file.display());
        }
    }
}
