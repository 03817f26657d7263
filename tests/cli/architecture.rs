//! Checks the dependencies between the modules in the source: no file of a module names what the module must not use.

use std::path::{Path, PathBuf};

use crate::module_graph::ModuleGraph;

/// The pure modules: without cluster, clock, terminal and command line.
const PURE: [&str; 14] = [
    "alerts",
    "plan",
    "logs",
    "doctor",
    "snapshot",
    "jsonpath",
    "placement",
    "scheduling",
    "admission",
    "change",
    "explain",
    "coverage",
    "rollout",
    "cycle",
];
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

/// The lines of a module that name one of the words, without comments and tests.
fn violations(module: &str, forbidden: &[&str]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut files = files_below(&Path::new("src").join(module));
    let head = Path::new("src").join(module).with_extension("rs");
    files.extend(head.is_file().then_some(head));
    assert!(!files.is_empty(), "{module} is empty");
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
                violations.push(format!("{} names {word}: {}", file.display(), line.trim()));
            }
        }
    }
    violations
}

#[test]
fn pure_modules_use_no_cluster_clock_or_terminal() {
    let all: Vec<String> = PURE.iter().flat_map(|module| violations(module, &NOT_PURE)).collect();
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn cluster_and_render_are_independent_of_each_other_and_cli() {
    let mut all =
        violations("cluster", &["crate::render", "crate::command", "crate::cli", "crate::coverage", "crate::explain"]);
    all.extend(violations("render", &["crate::cluster", "crate::command", "crate::cli", "clap"]));
    assert!(all.is_empty(), "{all:#?}");
}

/// Only `render::command_line` builds commands with values, because it checks every value.
#[test]
fn command_lines_are_not_built_by_format() {
    // The first builds commands, the second the program's name, and the third lists contexts in a hint.
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
    for command in [
        "format!(\"kubectl -n {namespace} delete pod {pod}\")",
        "format!(\n    \"see kubectl get pod {}\",\n    pod\n)",
        "format!(\"watch it: {} rollout watch {name}\", program::name())",
    ] {
        assert_eq!(formatted_commands(command).len(), 1, "{command}");
    }
}

/// The string literals with a placeholder after a command, either `kubectl` or the program's own name, which is a
/// placeholder itself.
fn formatted_commands(code: &str) -> Vec<&str> {
    let code_lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let is_formatted = |text: &&str| {
        let kubectl = text.find("kubectl ").is_some_and(|at| text[at..].contains('{'));
        let own = ["{} rollout ", "{} why-not ", "{} coverage ", "{} cycle "];
        let is_own = |words: &&str| text.find(*words).is_some_and(|at| text[at + words.len()..].contains('{'));
        kubectl || own.iter().any(is_own)
    };
    // Splits at double quotes; both parts of a string with an escaped quote are checked.
    code_lines.flat_map(|line| line.split('"')).filter(is_formatted).collect()
}

/// The layers of `src`, from the top down: a module imports only from its own layer and those below it.
const LAYERS: [&str; 22] = [
    "cli",
    "command",
    "load",
    "cluster",
    "render",
    "doctor",
    "cycle",
    "plan",
    "logs",
    "alerts",
    "rollout",
    "coverage",
    "explain",
    "change",
    "admission",
    "scheduling",
    "placement",
    "revision",
    "jsonpath",
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
fn violations_are_detected() {
    assert!(!violations("cluster", &["kube::client"]).is_empty());
    assert!(!violations("command", &["Timestamp::now"]).is_empty());
}
