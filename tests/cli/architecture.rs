//! The arrows between the rooms, read from the source: what a room must not name, no file of it names.

use std::path::{Path, PathBuf};

use crate::module_graph::ModuleGraph;

/// Rooms that decide: no cluster, no clock, no terminal, no command line.
const PURE: [&str; 8] = ["snapshot", "placement", "scheduling", "admission", "explain", "coverage", "rollout", "cycle"];
const NOT_PURE: [&str; 14] = [
    "crate::cluster",
    "crate::command",
    "crate::render",
    "crate::cli",
    "kube::Client",
    "kube::client",
    "kube::{",
    "tokio",
    "std::io",
    "std::fs",
    "clap",
    "Timestamp::now",
    "SystemTime",
    "Instant",
];

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Lines of code of a room that name one of the words: comments and tests may speak of anything.
fn offences(room: &str, forbidden: &[&str]) -> Vec<String> {
    let mut offences = Vec::new();
    let files = files_below(&Path::new("src").join(room));
    assert!(!files.is_empty(), "{room} is empty");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let is_word = |word: &&&str| {
                line.match_indices(**word).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
                })
            };
            if let Some(word) = forbidden.iter().find(is_word) {
                offences.push(format!("{} names {word}: {}", file.display(), line.trim()));
            }
        }
    }
    offences
}

#[test]
fn pure_rooms_know_no_cluster_no_clock_and_no_terminal() {
    let all: Vec<String> = PURE.iter().flat_map(|room| offences(room, &NOT_PURE)).collect();
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn cluster_and_render_never_meet_and_neither_knows_the_command_line() {
    let mut all =
        offences("cluster", &["crate::render", "crate::command", "crate::cli", "crate::coverage", "crate::explain"]);
    all.extend(offences("render", &["crate::cluster", "crate::command", "crate::cli"]));
    assert!(all.is_empty(), "{all:#?}");
}

/// A command with a value in it comes from `render::command_line` alone: there, every value is checked.
#[test]
fn command_lines_are_never_made_by_format() {
    // Of these, the first is that place, the second makes the program's name, and the third lists contexts in a hint.
    const EXEMPT: [&str; 3] = ["src/render/command_line.rs", "src/program.rs", "src/cluster/kubeconfig.rs"];
    let mut found = Vec::new();
    for file in files_below(Path::new("src")) {
        let is_exempt = EXEMPT.iter().any(|exempt| Path::new(exempt) == file);
        if !is_exempt && !file.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            found.extend(formatted_commands(code).into_iter().map(|line| format!("{}: {line}", file.display())));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    for made in [
        "format!(\"kubectl -n {namespace} delete pod {pod}\")",
        "format!(\n    \"see kubectl get pod {}\",\n    pod\n)",
        "format!(\"follow it: {} rollout watch {name}\", program::name())",
    ] {
        assert_eq!(formatted_commands(made).len(), 1, "{made}");
    }
}

/// Texts in which a placeholder follows a command, and those that give the program's own name something to do with a
/// value: a placeholder before a word, and one behind it.
fn formatted_commands(code: &str) -> Vec<&str> {
    let code_lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let is_formatted = |text: &&str| {
        let kubectl = text.find("kubectl ").is_some_and(|at| text[at..].contains('{'));
        let own = ["{} rollout ", "{} why-not ", "{} coverage ", "{} cycle "];
        let is_own = |words: &&str| text.find(*words).is_some_and(|at| text[at + words.len()..].contains('{'));
        kubectl || own.iter().any(is_own)
    };
    // Between double quotes; a quote within a text parts it in two, of which both are looked at.
    code_lines.flat_map(|line| line.split('"')).filter(is_formatted).collect()
}

/// The layers of `src`, from the top down: a module imports only from its own layer and those below it.
const LAYERS: [&str; 16] = [
    "cli",
    "command",
    "load",
    "cluster",
    "render",
    "cycle",
    "rollout",
    "coverage",
    "explain",
    "admission",
    "scheduling",
    "placement",
    "revision",
    "snapshot",
    "interrupt",
    "activity",
];

#[test]
fn modules_import_downwards_only() {
    let upward = ModuleGraph::read(Path::new("src")).upward(&LAYERS);
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn modules_form_no_cycle() {
    let cycles = ModuleGraph::read(Path::new("src")).cycles();
    assert!(cycles.is_empty(), "{cycles:#?}");
}

#[test]
fn an_offence_would_be_seen() {
    assert!(!offences("cluster", &["kube::client"]).is_empty());
    assert!(!offences("command", &["Timestamp::now"]).is_empty());
}
