//! Runs every command line that the program suggests, for clusters with hostile names and event messages, in bash, dash
//! and zsh. It must call the named command with the shown arguments, and do nothing else.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::hostile_clusters::{NODE, cluster};

/// The minimum number of lines that are run in each shell; `DS_LINES` overrides it.
const LINES: usize = 10_000;
/// The number of clusters that are tested concurrently.
const BATCH: u64 = 4;
/// The options that suggested lines may use.
const OPTIONS: [&str; 27] = [
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
    "--from-file",
    "--grace-period",
    "--hard",
    "--limits",
    "--overwrite",
    "--previous",
    "--requests",
    "--scopes",
    "--type",
    "--value",
    "--raw",
    "--for",
    "--timeout",
    "-f",
    "-",
];
/// The words of suggested lines that are neither options nor from a cluster: verbs, kinds, placeholders, fixed values.
const WORDS: &str = "pause resume +%s wait api v1 namespaces eviction clusterrole clusterrolebinding system controller \
    daemon-set-controller podsecuritypolicies readyz k8s-app konnectivity-agent restart spec.nodeName get describe delete edit patch label taint annotate create set logs events cordon uncordon rollout \
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
/// The commands that a line may call.
const COMMANDS: [&str; 5] = ["kubectl", "oc", "date", "grep", "echo"];

/// Stubs for all commands: they write their name and arguments, each with a terminator, to file descriptor 3. Any other
/// command is an error of the shell.
const STUBS: &str = r#"
record() { printf '%s\037' "$@" >&3; printf '\036' >&3; }
kubectl() { record kubectl "$@"; }
oc() { record oc "$@"; }
echo() { record echo "$@"; }
date() { record date "$@"; }
grep() { record grep "$@"; while IFS= read -r ignored; do :; done; }
PATH=/nonexistent
while IFS= read -r line; do
  eval "$line"
  printf '\035' >&3
done
"#;

#[test]
fn suggested_lines_call_only_what_they_show() {
    let desired = std::env::var("DS_LINES").map_or(LINES, |lines| lines.parse().unwrap());
    let (mut lines, mut names) = (Vec::new(), BTreeSet::new());
    // Complete batches, so that the seeds are the same on every machine.
    for batch in 0.. {
        std::thread::scope(|scope| {
            let seeds = (1..=BATCH).map(|seed| scope.spawn(move || collect(batch * BATCH + seed)));
            for found in seeds.collect::<Vec<_>>().into_iter().map(|seed| seed.join().unwrap()) {
                lines.extend(found.lines);
                names.extend(found.names);
            }
        });
        if lines.len() >= desired {
            break;
        }
        assert!(batch < 100, "only {} lines from {batch} batches", lines.len());
    }
    let distinct = lines.iter().collect::<BTreeSet<_>>().len();
    assert!(distinct > lines.len() / 5, "too few distinct lines: {distinct} of {}", lines.len());
    let verbs: BTreeSet<&str> = lines.iter().filter_map(|line| line.split(' ').find(|word| is_verb(word))).collect();
    assert!(verbs.len() >= 12, "the lines contain too few commands: {verbs:?}");
    for shell in ["bash", "dash", "zsh"] {
        run(shell, &lines, &names);
    }
}

fn is_verb(word: &str) -> bool {
    !word.starts_with('-') && !matches!(word, "kubectl" | "ds" | "shop")
}

/// The results for one cluster.
struct Found {
    lines: Vec<String>,
    /// Every string of the cluster, and its parts.
    names: BTreeSet<String>,
}

#[test]
fn long_texts_are_cut_on_screen_and_complete_in_json() {
    const LENGTH: usize = 10_000;
    // A table row: names of at most 512 characters, a text of at most 2000, and a few short columns.
    const LONGEST_LINE: usize = 4_000;
    let long = "x".repeat(LENGTH);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cluster.json");
    let mut cluster = cluster(1);
    // The nodes, and some DaemonSets with their objects.
    cluster["items"].as_array_mut().unwrap().truncate(60);
    let cluster = cluster.to_string();
    let cluster = cluster.replace("\"agent-1-", &format!("\"agent-1-{long}-"));
    let cluster = cluster.replace("Error creating: ", &format!("Error creating: {}", "w ".repeat(LENGTH)));
    std::fs::write(&file, cluster).unwrap();
    for command in [["coverage", "-A"].as_slice(), &["rollout", "status", "-A"], &["why-not", NODE]] {
        let (screen, errors) = output(&file, command);
        let longest = screen.lines().chain(errors.lines()).map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= LONGEST_LINE, "{command:?} prints a line of {longest} characters");
        let report = json(&file, command).to_string();
        assert!(report.contains(&long), "{command:?} -o json truncates a name");
        assert!(report.contains(&"w ".repeat(LENGTH)), "{command:?} -o json truncates a message");
    }
}

/// The lines that all commands suggest for the cluster of a seed.
fn collect(seed: u64) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cluster.json");
    let cluster = cluster(seed);
    std::fs::write(&file, cluster.to_string()).unwrap();
    let (mut lines, mut names) = (Vec::new(), BTreeSet::new());
    names_in(&cluster, &mut names);
    let commands = [["why-not", NODE].as_slice(), &["rollout", "status", "-A"], &["alerts", "-A"], &["coverage", "-A"]];
    // `coverage` and `history` suggest no lines yet, so a few clusters are enough for them.
    let is_first = seed <= BATCH;
    for command in commands.into_iter().take(if is_first { 4 } else { 3 }) {
        let (text, _) = output(&file, command);
        lines.extend(commands_in(&text));
        let report = json(&file, command);
        gather(&report, &mut lines);
    }
    let nodes = cluster["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "Node");
    for node in nodes.filter_map(|node| node["metadata"]["name"].as_str()).filter(|name| *name != NODE) {
        // The name may begin with a dash: `--` ends the options.
        let (text, _) = output(&file, &["why-not", "--", node]);
        lines.extend(commands_in(&text));
    }
    let daemon_sets = cluster["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "DaemonSet");
    let is_hostile = |item: &&Value| item["metadata"]["name"].as_str().unwrap().contains(['$', ';', '=', '`']);
    for daemon_set in daemon_sets.clone().take(1).chain(daemon_sets.filter(is_hostile).take(2)) {
        let name = daemon_set["metadata"]["name"].as_str().unwrap();
        let namespace = format!("--namespace={}", daemon_set["metadata"]["namespace"].as_str().unwrap());
        let commands = [
            vec!["cycle", "--dry-run=client", &namespace],
            vec!["rollout", "pause", "--dry-run=client", &namespace],
            vec!["rollout", "resume", "--dry-run=client", &namespace],
            vec!["rollout", "undo", "--dry-run=client", &namespace],
            vec!["rollout", "history", &namespace],
        ];
        for command in commands.into_iter().take(if is_first { 5 } else { 1 }) {
            let command: Vec<&str> = command.into_iter().chain(["--", name]).collect();
            // Invalid names and RollingUpdate cause an error with a hint.
            let (text, errors) = output(&file, &command);
            lines.extend(commands_in(&text));
            lines.extend(hints_in(&errors));
        }
    }
    Found { lines, names }
}

/// The suggested lines on the screen, which are separate, indented lines.
fn commands_in(text: &str) -> impl Iterator<Item = String> {
    assert_printable(text);
    text.lines().map(str::trim).filter(|line| is_command(line)).map(str::to_owned)
}

/// The commands in the hints of `cycle`, `rollout pause` and `rollout resume` for another update strategy.
fn hints_in(errors: &str) -> impl Iterator<Item = String> {
    assert_printable(errors);
    const LEADS: [&str; 3] = [
        "hint: watch the rollout: ",
        "hint: replace the outdated pods with: ",
        "hint: a rolling update is paused with: ",
    ];
    let hints = errors.lines().filter_map(|line| LEADS.iter().find_map(|lead| line.strip_prefix(lead)));
    hints.map(|hint| hint.split("; to restart all pods gradually").next().unwrap().to_owned())
}

fn assert_printable(text: &str) {
    let raw = text.lines().find(|line| line.contains(char::is_control));
    assert_eq!(raw, None, "a control character");
}

fn json(file: &Path, command: &[&str]) -> Value {
    let command: Vec<&str> = command.iter().copied().chain(["-o", "json"]).collect();
    serde_json::from_str(&output(file, &command).0).unwrap()
}

/// Standard output and standard error. `--from` comes first, because a `--` may follow.
fn output(file: &Path, command: &[&str]) -> (String, String) {
    let program = env!("CARGO_BIN_EXE_kubectl-ds");
    let output = Command::new(program).arg("--from").arg(file).args(command).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let is_about_all = !command.contains(&"--");
    assert!(matches!(output.status.code(), Some(0..=2)), "{command:?}: {errors}");
    assert!(!is_about_all || output.status.code() != Some(2), "{command:?}: {errors}");
    (String::from_utf8(output.stdout).unwrap(), errors)
}

/// Collects every string of the cluster, and the words between the punctuation of messages.
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
            // The parts of a service's host name and of a resource such as limits.cpu.
            names.extend(text.split(|c: char| !is_of_name(c) || c == '.').map(str::to_owned));
        }
        _ => {}
    }
}

/// Whether a line is a command; other suggested lines are parts of manifests.
fn is_command(line: &str) -> bool {
    ["kubectl ", "oc ", "echo "].iter().any(|command| line.starts_with(command))
}

/// Collects the `lines` of every remedy in a document.
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

/// Runs every line in the shell and checks its calls.
fn run(shell: &str, lines: &[String], names: &BTreeSet<String>) {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let record = folder.path().join("record");
    let script = format!("exec 3>'{}'\n{STUBS}", record.display());
    let mut command = Command::new(shell);
    if shell == "zsh" {
        // Without user and system startup files.
        command.arg("-f");
    }
    command.arg("-c").arg(script).current_dir(&empty);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shell} is required for this test: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty(), "{shell} reports errors: {}", errors.lines().take(5).collect::<Vec<_>>().join("\n"));
    let files: Vec<_> = std::fs::read_dir(&empty).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(files.is_empty(), "{shell}: a line created {files:?}");
    let record = std::fs::read_to_string(&record).unwrap();
    let calls: Vec<&str> = record.split_terminator('\u{1d}').collect();
    assert_eq!(calls.len(), lines.len(), "{shell}: a suggested line contains a line break");
    let known: HashSet<&str> = WORDS.split(' ').collect();
    for (line, calls) in lines.iter().zip(calls) {
        let arguments = |call: &str| call.split_terminator('\u{1f}').map(str::to_owned).collect::<Vec<_>>();
        let calls: Vec<Vec<String>> = calls.split_terminator('\u{1e}').map(arguments).collect();
        let expected = words(line);
        assert_eq!(calls.len(), expected.len(), "{shell}: {line:?} calls {calls:?}");
        for expected in expected {
            // The commands of a pipe run concurrently.
            assert!(calls.contains(&expected), "{shell}: {line:?} calls {calls:?}");
            check(line, &expected, names, &known);
        }
    }
}

/// Parses a line into its intended calls. Only spaces, pipes, single quotes, and the double quotes of the time are
/// syntax; everything else is literal. If a shell interprets more, it makes different calls.
fn words(line: &str) -> Vec<Vec<String>> {
    // Stubs print nothing, so the time is empty.
    const TIME: &str = "kubectl-ds/tried-again=\"$(date +%s)\"";
    let mut calls = vec![Vec::new()];
    let mut rest = line;
    while !rest.is_empty() {
        let mut in_quotes = false;
        let is_end = |c: char| {
            in_quotes ^= c == '\'';
            c == ' ' && !in_quotes
        };
        // The time contains a space.
        let end = if rest.starts_with(TIME) { TIME.len() } else { rest.find(is_end).unwrap_or(rest.len()) };
        let (word, after) = rest.split_at(end);
        match word {
            "|" => calls.push(Vec::new()),
            TIME => {
                calls.last_mut().unwrap().push("kubectl-ds/tried-again=".into());
                calls.push(vec!["date".into(), "+%s".into()]);
            }
            // No line has a quote within quotes: such names are invalid, and patches contain its escape.
            word => {
                assert!(matches!(word.matches('\'').count(), 0 | 2), "{line:?} has the word {word}");
                calls.last_mut().unwrap().push(word.replace('\'', ""));
            }
        }
        rest = after.trim_start_matches(' ');
    }
    calls
}

/// Checks that every option and name of the call is from the program or the cluster.
fn check(line: &str, call: &[String], names: &BTreeSet<String>, words: &HashSet<&str>) {
    assert!(COMMANDS.contains(&call[0].as_str()), "{line:?} calls {call:?}");
    if call[0] == "echo" {
        // The body of a request.
        assert!(call.len() == 2 && serde_json::from_str::<Value>(&call[1]).is_ok(), "{line:?} calls {call:?}");
        return;
    }
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
                let separators = ['=', ',', ':', ' ', '(', ')'];
                let parts = name.split(separators).map(|part| part.trim_end_matches('-'));
                let is_path = name.starts_with('/');
                let mut folders = name.split('/');
                let is_known = |part: &&str| names.contains(*part) || words.contains(*part) || part.is_empty();
                let is_fixed = argument.split(' ').all(|part| words.contains(part));
                let is_intended = match is_path {
                    true => folders.all(|part| is_known(&part)),
                    false => is_fixed || names.contains(name) || parts.clone().all(|part| is_known(&part)),
                };
                assert!(is_intended, "{line:?} has the argument {argument:?}");
            }
        }
        before = argument;
    }
}
