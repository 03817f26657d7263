//! Every line that is offered for pasting, over clusters with hostile names and hostile messages of events: run in bash,
//! dash and zsh, it calls the command that it names with the arguments that it shows, and nothing else happens.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::hostile_clusters::{NODE, cluster};

/// At least so many lines are run in each shell; `DS_LINES` sets another number.
const LINES: usize = 20_000;
/// So many clusters are asked about at once.
const BATCH: u64 = 4;
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
/// What stands in lines and is neither an option nor of a cluster: verbs, kinds, places to fill in, and fixed values.
const WORDS: &str = "get describe delete edit patch label taint annotate create set logs events cordon uncordon rollout \
    undo history watch why-not adm policy add-scc-to-user ds daemonset node pod pods namespace resources image quota \
    resourcequota limitrange limitranges configmap secret generic serviceaccount service endpointslices priorityclass \
    priorityclasses runtimeclasses pvc pv storageclass csinode csistoragecapacities volumeattachments \
    validatingadmissionpolicy validatingadmissionpolicybinding mutatingadmissionpolicy mutatingadmissionpolicybinding \
    validatingwebhookconfigurations mutatingwebhookconfigurations yaml wide json merge \
    IMAGE VALUE AMOUNT NUMBER KEY SCC SERVICEACCOUNT daemons PriorityClass component kube-scheduler in notin \
    involvedObject.name reason FailedCreate kubernetes.io/service-name kubernetes.io/hostname kubectl-ds/tried-again \
    pod-security.kubernetes.io/enforce privileged baseline NoSchedule PreferNoSchedule NoExecute \
    jsonpath={.status.allocatable} jsonpath={.spec.template.spec.serviceAccountName} jsonpath={.status.declaredFeatures} \
    jsonpath={.spec.nodeAffinity} {.metadata.labels} \
    custom-columns=KIND:.kind,NAME:.metadata.name,WEBHOOKS:.webhooks[*].name";
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
  eval "$line"
  printf '\035' >&3
done
"#;

#[test]
fn pasted_lines_do_nothing_but_what_they_show() {
    let wanted = std::env::var("DS_LINES").map_or(LINES, |lines| lines.parse().unwrap());
    let (mut lines, mut names) = (Vec::new(), BTreeSet::new());
    // Whole batches, of the same seeds on every machine.
    for batch in 0.. {
        std::thread::scope(|scope| {
            let seeds = (1..=BATCH).map(|seed| scope.spawn(move || collect(batch * BATCH + seed)));
            for found in seeds.collect::<Vec<_>>().into_iter().map(|seed| seed.join().unwrap()) {
                lines.extend(found.lines);
                names.extend(found.names);
            }
        });
        if lines.len() >= wanted {
            break;
        }
        assert!(batch < 100, "only {} lines came of {batch} batches", lines.len());
    }
    let distinct = lines.iter().collect::<BTreeSet<_>>().len();
    assert!(distinct > lines.len() / 5, "the lines are too much alike: {distinct} of {}", lines.len());
    let verbs: BTreeSet<&str> = lines.iter().filter_map(|line| line.split(' ').find(|word| is_verb(word))).collect();
    assert!(verbs.len() >= 12, "the lines show too few commands: {verbs:?}");
    for shell in ["bash", "dash", "zsh"] {
        run(shell, &lines, &names);
    }
}

fn is_verb(word: &str) -> bool {
    !word.starts_with('-') && !matches!(word, "kubectl" | "ds" | "shop")
}

/// What came of one cluster.
struct Found {
    lines: Vec<String>,
    /// Every text of the cluster, in whole and in parts.
    names: BTreeSet<String>,
}

#[test]
fn long_names_and_messages_are_cut_on_screens_and_whole_in_json() {
    const LENGTH: usize = 10_000;
    // A row of a table: names of at most 512 columns, a text of at most 2000, and a few short columns.
    const LONGEST_LINE: usize = 4_000;
    let long = "x".repeat(LENGTH);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cluster.json");
    let mut cluster = cluster(1);
    // The nodes, and some DaemonSets with what belongs to them.
    cluster["items"].as_array_mut().unwrap().truncate(60);
    let cluster = cluster.to_string();
    let cluster = cluster.replace("\"agent-1-", &format!("\"agent-1-{long}-"));
    let cluster = cluster.replace("Error creating: ", &format!("Error creating: {}", "w ".repeat(LENGTH)));
    std::fs::write(&file, cluster).unwrap();
    for command in [["coverage", "-A"].as_slice(), &["rollout", "status", "-A"], &["why-not", NODE]] {
        let (screen, errors) = output(&file, command);
        let longest = screen.lines().chain(errors.lines()).map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= LONGEST_LINE, "{command:?} has a line of {longest} characters");
        let report = json(&file, command).to_string();
        assert!(report.contains(&long), "{command:?} -o json has a name that is cut");
        assert!(report.contains(&"w ".repeat(LENGTH)), "{command:?} -o json has a message that is cut");
    }
}

/// The lines that every command prints for the cluster of a seed.
fn collect(seed: u64) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cluster.json");
    let cluster = cluster(seed);
    std::fs::write(&file, cluster.to_string()).unwrap();
    let (mut lines, mut names) = (Vec::new(), BTreeSet::new());
    names_in(&cluster, &mut names);
    let commands = [["why-not", NODE].as_slice(), &["rollout", "status", "-A"], &["coverage", "-A"]];
    // `coverage` and `history` offer no line so far: a few clusters show whether they begin to.
    let is_first = seed <= BATCH;
    for command in commands.into_iter().take(if is_first { 3 } else { 2 }) {
        let (text, _) = output(&file, command);
        lines.extend(commands_in(&text));
        let report = json(&file, command);
        gather(&report, &mut lines);
    }
    let nodes = cluster["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "Node");
    for node in nodes.filter_map(|node| node["metadata"]["name"].as_str()).filter(|name| *name != NODE) {
        // Whatever its name is: `--` ends the options.
        let (text, _) = output(&file, &["why-not", "--", node]);
        lines.extend(commands_in(&text));
    }
    let daemon_sets = cluster["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "DaemonSet");
    let is_hostile = |item: &&Value| item["metadata"]["name"].as_str().unwrap().contains(['$', ';', '=', '`']);
    for daemon_set in daemon_sets.clone().take(1).chain(daemon_sets.filter(is_hostile).take(2)) {
        let name = daemon_set["metadata"]["name"].as_str().unwrap();
        let namespace = format!("--namespace={}", daemon_set["metadata"]["namespace"].as_str().unwrap());
        let commands = [vec!["cycle", "--dry-run=client", &namespace], vec!["rollout", "history", &namespace]];
        for command in commands.into_iter().take(if is_first { 2 } else { 1 }) {
            let command: Vec<&str> = command.into_iter().chain(["--", name]).collect();
            // Some names cannot be given, and some strategies need no cycle: then it is an error with a hint.
            let (text, errors) = output(&file, &command);
            lines.extend(commands_in(&text));
            lines.extend(hints_in(&errors));
        }
    }
    Found { lines, names }
}

/// What a person sees: lines that stand alone, behind nothing but blanks.
fn commands_in(text: &str) -> impl Iterator<Item = String> {
    assert_printable(text);
    text.lines().map(str::trim).filter(|line| is_command(line)).map(str::to_owned)
}

/// The command within the hint that `cycle` prints for a DaemonSet that it is not for.
fn hints_in(errors: &str) -> impl Iterator<Item = String> {
    assert_printable(errors);
    let hints = errors.lines().filter_map(|line| line.strip_prefix("hint: follow it: "));
    hints.map(|hint| hint.split_once("; for a paced restart").unwrap().0.to_owned())
}

fn assert_printable(text: &str) {
    let raw = text.lines().find(|line| line.contains(char::is_control));
    assert_eq!(raw, None, "a control character");
}

fn json(file: &Path, command: &[&str]) -> Value {
    let command: Vec<&str> = command.iter().copied().chain(["-o", "json"]).collect();
    serde_json::from_str(&output(file, &command).0).unwrap()
}

/// Standard output and standard error. `--from` comes first: a `--` may follow.
fn output(file: &Path, command: &[&str]) -> (String, String) {
    let program = env!("CARGO_BIN_EXE_kubectl-ds");
    let output = Command::new(program).arg("--from").arg(file).args(command).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let is_about_all = !command.contains(&"--");
    assert!(matches!(output.status.code(), Some(0..=2)), "{command:?}: {errors}");
    assert!(!is_about_all || output.status.code() != Some(2), "{command:?}: {errors}");
    (String::from_utf8(output.stdout).unwrap(), errors)
}

/// Every text of the cluster, and what is between the punctuation of a message.
fn names_in(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            names.extend(fields.keys().cloned());
            fields.values().for_each(|value| names_in(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| names_in(item, names)),
        Value::String(text) => {
            let is_of_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            names.insert(text.clone());
            names.extend(text.split(|c| !is_of_name(c)).map(|name| name.trim_matches(['.', '-']).to_owned()));
            // The parts of a service's host name, and of a resource such as limits.cpu.
            names.extend(text.split(|c: char| !is_of_name(c) || c == '.').map(str::to_owned));
        }
        _ => {}
    }
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
fn run(shell: &str, lines: &[String], names: &BTreeSet<String>) {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let record = folder.path().join("record");
    let script = format!("exec 3>'{}'\n{STUBS}", record.display());
    let mut command = Command::new(shell);
    if shell == "zsh" {
        // Without the files that a user or a system may have for it.
        command.arg("-f");
    }
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
    let known: HashSet<&str> = WORDS.split(' ').collect();
    for (line, calls) in lines.iter().zip(calls) {
        let arguments = |call: &str| call.split_terminator('\u{1f}').map(str::to_owned).collect::<Vec<_>>();
        let calls: Vec<Vec<String>> = calls.split_terminator('\u{1e}').map(arguments).collect();
        let expected = words(line);
        assert_eq!(calls.len(), expected.len(), "{shell}: {line:?} calls {calls:?}");
        for expected in expected {
            // Both sides of a pipe run at once.
            assert!(calls.contains(&expected), "{shell}: {line:?} calls {calls:?}");
            check(line, &expected, names, &known);
        }
    }
}

/// The commands of a line as they are meant: its words and pipes, and what stands between single quotes. Of double
/// quotes, only the time is known. Anything else is no syntax of a line, and means itself: a shell that sees more in it
/// calls something else.
fn words(line: &str) -> Vec<Vec<String>> {
    // Stubs print nothing, so that the time is empty.
    const TIME: &str = "kubectl-ds/tried-again=\"$(date +%s)\"";
    let mut calls = vec![Vec::new()];
    let mut rest = line;
    while !rest.is_empty() {
        let mut in_quotes = false;
        let is_end = |c: char| {
            in_quotes ^= c == '\'';
            c == ' ' && !in_quotes
        };
        // The time has a blank in it.
        let end = if rest.starts_with(TIME) { TIME.len() } else { rest.find(is_end).unwrap_or(rest.len()) };
        let (word, after) = rest.split_at(end);
        match word {
            "|" => calls.push(Vec::new()),
            TIME => {
                calls.last_mut().unwrap().push("kubectl-ds/tried-again=".into());
                calls.push(vec!["date".into(), "+%s".into()]);
            }
            // No line has a quote within quotes: such names are invalid, and patches hold its escape.
            word => {
                assert!(matches!(word.matches('\'').count(), 0 | 2), "{line:?} has the word {word}");
                calls.last_mut().unwrap().push(word.replace('\'', ""));
            }
        }
        rest = after.trim_start_matches(' ');
    }
    calls
}

/// The call has no option and no name that is neither this program's own nor the cluster's.
fn check(line: &str, call: &[String], names: &BTreeSet<String>, words: &HashSet<&str>) {
    assert!(COMMANDS.contains(&call[0].as_str()), "{line:?} calls {call:?}");
    let mut before = "";
    for argument in &call[1..] {
        let option = argument.split('=').next().unwrap();
        match before {
            _ if argument.starts_with('-') => {
                assert!(OPTIONS.contains(&option), "{line:?} has the option {argument:?}")
            }
            "-p" => assert!(serde_json::from_str::<Value>(argument).is_ok(), "{line:?} has the patch {argument:?}"),
            "-n" | "-c" => assert!(names.contains(argument) || argument == "kube-system", "{line:?}: {argument:?}"),
            _ => {
                let name = argument.trim_start_matches("daemonset/").trim_start_matches("pod/");
                let parts = name.split(['=', ',', ':', ' ', '(', ')']).map(|part| part.trim_end_matches('-'));
                let is_known = |part: &str| names.contains(part) || words.contains(part) || part.is_empty();
                let is_fixed = argument.split(' ').all(|part| words.contains(part));
                let is_intended = is_fixed || names.contains(name) || parts.clone().all(is_known);
                assert!(is_intended, "{line:?} has the argument {argument:?}");
            }
        }
        before = argument;
    }
}
