//! Every line that is offered for pasting, over clusters with hostile names and hostile messages of events: run in bash
//! and dash, it calls the command that it names with the arguments that it shows, and nothing else happens.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::hostile_clusters::{NODE, cluster};

/// So many lines are run in each shell.
const LINES: usize = 20_000;
/// The options of kubectl and of this program that its lines use.
const OPTIONS: [&str; 22] = [
    "-A",
    "-c",
    "-l",
    "-n",
    "-o",
    "-p",
    "-w",
    "-z",
    "--all-containers",
    "--field-selector",
    "--for",
    "--force",
    "--from-literal",
    "--grace-period",
    "--hard",
    "--limits",
    "--overwrite",
    "--previous",
    "--requests",
    "--scopes",
    "--type",
    "--value",
];
/// What a line may call.
const COMMANDS: [&str; 4] = ["kubectl", "oc", "date", "grep"];

/// Stands in for every command: writes its name and arguments, and what ends each, to the file of descriptor 3. No other
/// command can be found, and the shell says so.
const STUBS: &str = r#"
record() { printf '%s\037' "$@" >&3; printf '\036' >&3; }
kubectl() { record kubectl "$@"; }
oc() { record oc "$@"; }
date() { record date "$@"; }
grep() { record grep "$@"; while IFS= read -r ignored; do :; done; }
PATH=/nonexistent
while IFS= read -r line; do
  (eval "$line")
  printf '\035' >&3
done
"#;

#[test]
fn pasted_lines_do_nothing_but_what_they_show() {
    let mut lines = Vec::new();
    let mut distinct = BTreeSet::new();
    for seed in 1.. {
        collect(seed, &mut lines);
        distinct.extend(lines.iter().cloned());
        if lines.len() >= LINES {
            break;
        }
        assert!(seed < 1_000, "only {} lines came of {seed} clusters", lines.len());
    }
    assert!(distinct.len() > 1_000, "the lines are too much alike: {}", distinct.len());
    let verbs: BTreeSet<&str> = lines.iter().filter_map(|line| line.split(' ').find(|word| is_verb(word))).collect();
    assert!(verbs.len() >= 12, "the lines show too few commands: {verbs:?}");
    for shell in ["bash", "dash"] {
        run(shell, &lines);
    }
}

fn is_verb(word: &str) -> bool {
    !word.starts_with('-') && !matches!(word, "kubectl" | "ds" | "shop")
}

/// The lines that every command prints for the cluster of a seed.
fn collect(seed: u64, lines: &mut Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cluster.json");
    std::fs::write(&file, cluster(seed).to_string()).unwrap();
    for command in [["why-not", NODE].as_slice(), &["rollout", "status", "-A"], &["coverage", "-A"]] {
        let text = output(&file, command);
        // What a person sees: lines that stand alone, behind nothing but blanks.
        lines.extend(text.lines().map(str::trim).filter(|line| is_command(line)).map(str::to_owned));
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{command:?}, seed {seed}: a control character");
    }
    for command in [["why-not", NODE, "-o", "json"].as_slice(), &["rollout", "status", "-A", "-o", "json"]] {
        let report: Value = serde_json::from_str(&output(&file, command)).unwrap();
        gather(&report, lines);
    }
}

fn output(file: &Path, command: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_kubectl-ds");
    let output = Command::new(program).args(command).arg("--from").arg(file).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether a line is a command; the others that are offered belong into a manifest.
fn is_command(line: &str) -> bool {
    line.starts_with("kubectl ") || line.starts_with("oc ")
}

/// The `lines` of every remedy in a document.
fn gather(value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("lines", Value::Array(texts)) => {
                        let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
                        if texts.iter().any(|line| is_command(line)) {
                            lines.extend(texts.into_iter().map(str::to_owned));
                        }
                    }
                    _ => gather(value, lines),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, lines)),
        _ => {}
    }
}

/// Runs every line in the shell, and checks what came of it.
fn run(shell: &str, lines: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let record = folder.path().join("record");
    let script = format!("exec 3>'{}'\n{STUBS}", record.display());
    let mut command = Command::new(shell);
    command.arg("-c").arg(script).current_dir(&empty);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shell} is needed for this test: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty(), "{shell} complains: {}", errors.lines().take(5).collect::<Vec<_>>().join("\n"));
    let files: Vec<_> = std::fs::read_dir(&empty).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(files.is_empty(), "{shell}: a line wrote {files:?}");
    let record = std::fs::read_to_string(&record).unwrap();
    let calls: Vec<&str> = record.split_terminator('\u{1d}').collect();
    assert_eq!(calls.len(), lines.len(), "{shell}: a line is not one line");
    for (line, calls) in lines.iter().zip(calls) {
        let calls: Vec<Vec<&str>> =
            calls.split_terminator('\u{1e}').map(|call| call.split_terminator('\u{1f}').collect()).collect();
        assert!(!calls.is_empty(), "{shell}: {line:?} calls nothing");
        for call in calls {
            check(shell, line, &call);
        }
    }
}

/// The call is one that this program intends, and its arguments stand in the line.
fn check(shell: &str, line: &str, call: &[&str]) {
    assert!(COMMANDS.contains(&call[0]), "{shell}: {line:?} calls {call:?}");
    let unquoted = line.replace('\'', "");
    let mut is_patch = false;
    for argument in &call[1..] {
        if argument.starts_with('-') {
            let option = argument.split('=').next().unwrap();
            assert!(OPTIONS.contains(&option), "{shell}: {line:?} has the option {argument:?}");
        }
        if is_patch {
            assert!(serde_json::from_str::<Value>(argument).is_ok(), "{shell}: {line:?} has the patch {argument:?}");
        } else if !argument.starts_with("kubectl-ds/tried-again=") {
            assert!(unquoted.contains(argument), "{shell}: {line:?} has the argument {argument:?}");
        }
        is_patch = *argument == "-p";
    }
}
