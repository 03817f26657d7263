//! Servers that respond incorrectly, and terminals: the messages, exit codes and terminal state of every command.
#![cfg(unix)]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::odd_server::{Answer, OddServer};
use crate::processes::{PATIENCE, send, wait_for};

/// Terminal control sequences that a server may send.
const RAW: &str = "\u{1b}[2J\u{7}\u{9b}31mraw\u{202e}";

/// A directory with a kubeconfig for the server.
fn folder(url: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let kubeconfig = format!(
        "current-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: '{url}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
    );
    fs::write(folder.path().join("config"), kubeconfig).unwrap();
    folder
}

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    command
        .args(arguments)
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("KUBECONFIG", "config"), ("HOME", "/nonexistent"), ("TERM", "xterm")])
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    program(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The exit code, and the text of both output streams.
fn end(mut child: Child) -> (Option<i32>, String) {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    let is_late = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = String::from_utf8([stderr, stdout].concat()).unwrap();
    assert!(!is_late, "the program did not end; it wrote: {text}");
    (status.code(), text)
}

fn is_raw(text: &str) -> bool {
    text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}')
}

/// Every command that sends requests, with a name if it takes one.
const COMMANDS: [&[&str]; 8] = [
    &["coverage"],
    &["coverage", "--watch"],
    &["why-not", "n"],
    &["rollout", "status"],
    &["rollout", "history", "agent"],
    &["rollout", "watch", "agent"],
    &["cycle", "agent", "--yes"],
    &["version"],
];

/// The beginning of a list, which ends within an item.
const BEGINNING: &str = r#"{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"#;

/// Responses that never end.
fn endless_answers() -> Vec<(&'static str, Answer)> {
    let item = r#"{"metadata":{"name":"x"}},"#.repeat(100);
    vec![
        ("no response", Answer::Nothing),
        ("a response that stalls", Answer::Stalled(BEGINNING.into())),
        ("an endless string", Answer::Endless(format!("{BEGINNING}\"name\":\""), "x".repeat(10_000))),
        (
            "endless items",
            Answer::Endless(r#"{"kind":"List","metadata":{"resourceVersion":"1"},"items":["#.into(), item),
        ),
        ("endless blanks", Answer::Endless("{".into(), " ".repeat(10_000))),
    ]
}

#[test]
fn request_timeout_ends_commands_with_endless_responses() {
    for (what, answer) in endless_answers() {
        let server = OddServer::start(move |_| answer.clone());
        let folder = folder(&server.url);
        for command in COMMANDS {
            let (code, text) = end(start(folder.path(), &[command, &["--request-timeout=300ms"]].concat()));
            assert_eq!(code, Some(2), "{what}, {command:?}: {text}");
            // A response can also be rejected before the timeout.
            let is_said = text.contains("did not respond within 0.3s") || text.contains("invalid response from ");
            assert!(is_said && text.contains("\nhint: ") && !is_raw(&text), "{what}, {command:?}: {text}");
        }
    }
}

#[test]
fn signals_end_commands_without_a_response() {
    let mut slowest = Duration::ZERO;
    for answer in [Answer::Nothing, Answer::Stalled(BEGINNING.into())] {
        for command in COMMANDS {
            for (signal, expected) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
                let answer = answer.clone();
                let server = OddServer::start(move |_| answer.clone());
                let folder = folder(&server.url);
                let child = start(folder.path(), command);
                wait_for("a request", || (!server.targets().is_empty()).then_some(()));
                send(signal, child.id());
                let begun = Instant::now();
                let (code, text) = end(child);
                slowest = slowest.max(begun.elapsed());
                assert_eq!(code, Some(expected), "{command:?} {signal}: {text}");
                let is_silent = text.is_empty() || command == ["version"];
                assert!(is_silent, "{command:?} {signal}: {text}");
            }
        }
    }
    eprintln!("slowest end after a signal: {slowest:?}");
}

#[test]
fn invalid_responses_are_one_line_errors_with_a_hint() {
    let html = "<html><head><title>502</title></head><body>raw</body></html>";
    let raw = |text: &str| text.replace("raw", RAW);
    let status = json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": RAW.repeat(50_000)});
    let answers = [
        ("a redirect", Answer::Redirect(format!("http://user:secret@127.0.0.1:1/{}", "x".repeat(10)))),
        ("a page", Answer::Whole(200, "text/html", raw(html))),
        ("a page with an error", Answer::Whole(502, "text/html", raw(html))),
        ("a truncated response", Answer::Cut(BEGINNING.into())),
        ("an empty response", Answer::json("")),
        ("another kind", Answer::json("[1, 2]")),
        ("a long error response", Answer::Whole(403, "application/json", status.to_string())),
        ("binary data", Answer::Whole(500, "application/octet-stream", raw("raw").repeat(1000))),
    ];
    for (what, answer) in answers {
        let server = OddServer::start(move |_| answer.clone());
        let folder = folder(&server.url);
        for command in COMMANDS {
            let (code, text) = end(start(folder.path(), command));
            // `version` prints the client version in any case.
            let text = text.split("Client Version").next().unwrap();
            assert_eq!(code, Some(2), "{what}, {command:?}: {text}");
            assert!(!is_raw(text) && !text.contains("secret"), "{what}, {command:?}: {text}");
            let lines: Vec<&str> = text.lines().collect();
            let is_short = lines.iter().all(|line| line.chars().count() < 2200);
            let [error, hint] = lines[..] else { panic!("{what}, {command:?}: {text}") };
            assert!(
                error.starts_with("error: ") && hint.starts_with("hint: ") && is_short,
                "{what}, {command:?}: {text}"
            );
        }
    }
}

/// A DaemonSet with this uid, or an object that it owns.
fn object(kind: &str, name: &str, uid: &str) -> Value {
    let owner =
        json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": uid, "controller": true}]);
    let labels = json!({"app": "agent", "controller-revision-hash": "1"});
    let metadata = json!({"name": name, "namespace": "default", "uid": format!("{uid}-{name}"), "labels": labels,
        "ownerReferences": owner, "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"});
    let template = json!({"metadata": {"labels": {"app": "agent"}},
        "spec": {"containers": [{"name": "main", "image": "a"}]}});
    match kind {
        "DaemonSet" => {
            json!({"apiVersion": "apps/v1", "kind": kind, "spec": {"selector": {"matchLabels": {"app": "agent"}},
            "template": template, "updateStrategy": {"type": "OnDelete"}}, "metadata": {"name": name, "uid": uid,
            "namespace": "default", "generation": 1, "resourceVersion": "1"}, "status": {"observedGeneration": 1,
            "currentNumberScheduled": 1, "desiredNumberScheduled": 1, "numberMisscheduled": 0, "numberReady": 0}})
        }
        "ControllerRevision" => json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "revision": 1,
            "data": {"spec": {"template": template}}}),
        _ => json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": "n",
            "containers": [{"name": "main", "image": "a"}]}, "status": {"phase": "Pending"}}),
    }
}

/// The requested list, for the DaemonSet with this uid.
fn list(target: &str, uid: &str) -> Answer {
    let items = match target
        .split(['?', '/'])
        .rfind(|part| part.chars().all(|c| c.is_ascii_lowercase()) && part.len() > 3)
    {
        _ if target.contains("/daemonsets") => vec![object("DaemonSet", "agent", uid)],
        _ if target.contains("/controllerrevisions") => vec![object("ControllerRevision", "agent-1", uid)],
        _ if target.contains("/pods") => vec![object("Pod", "agent-x", uid)],
        _ if target.contains("/nodes") => vec![json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}})],
        _ => vec![],
    };
    Answer::json(
        json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}).to_string(),
    )
}

#[test]
fn watches_that_end_immediately_are_restarted_with_delay() {
    let gone =
        json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "gone"}});
    for command in [&["coverage", "--watch"][..], &["rollout", "watch", "agent"]] {
        let gone = gone.clone();
        let server = OddServer::start(move |target| match target.contains("watch=") {
            true => Answer::watch(vec![gone.to_string()]),
            false => list(target, "old"),
        });
        let folder = folder(&server.url);
        let child = program(folder.path(), command)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        // The note appears at the fourth delay, which limits the number of lists until then.
        let words = wait_for("the note", || {
            let words = fs::read_to_string(folder.path().join("stderr")).unwrap();
            words.contains("the API server ends every watch immediately").then_some(words)
        });
        let lists =
            server.targets().iter().filter(|target| target.contains("/nodes?") && !target.contains("watch=")).count();
        send("-INT", child.id());
        assert!((4..=5).contains(&lists), "{command:?}: {lists} lists of the nodes: {words}");
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130), "{command:?}");
    }
}

#[test]
fn recreated_daemonset_counts_as_deleted() {
    let change = |kind: &str, uid: &str| json!({"type": kind, "object": object("DaemonSet", "agent", uid)}).to_string();
    let replaced = vec![change("DELETED", "old"), change("ADDED", "new")];
    // The DaemonSet is replaced after the first report, so that the program has seen the old one.
    let is_reported = Arc::new(AtomicBool::new(false));
    let is_due = Arc::clone(&is_reported);
    let is_replaced = AtomicBool::new(false);
    let server = OddServer::start(move |target| match (target.contains("watch="), target.contains("/daemonsets")) {
        (true, true) if !is_replaced.load(Ordering::Relaxed) => {
            wait_for("the first report", || is_due.load(Ordering::Relaxed).then_some(()));
            is_replaced.store(true, Ordering::Relaxed);
            Answer::watch(replaced.clone())
        }
        (true, _) => Answer::watch(Vec::new()),
        (false, _) if is_replaced.load(Ordering::Relaxed) => list(target, "new"),
        (false, _) => list(target, "old"),
    });
    let folder = folder(&server.url);
    let written = folder.path().join("stdout");
    let mut command = program(folder.path(), &["rollout", "watch", "agent"]);
    let child = command.stdout(fs::File::create(&written).unwrap()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the first report", || fs::read_to_string(&written).unwrap().contains("progressing").then_some(()));
    is_reported.store(true, Ordering::Relaxed);
    let (code, notes) = end(child);
    let text = fs::read_to_string(&written).unwrap() + &notes;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("deleted"), "{text}");
}

#[test]
fn closed_pipe_ends_a_watch() {
    for command in [&["coverage", "--watch", "-o", "json"][..], &["rollout", "watch", "agent"]] {
        let is_gone = Arc::new(AtomicBool::new(false));
        let is_due = Arc::clone(&is_gone);
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "resourceVersion": "2"}});
        let deleted = json!({"type": "DELETED", "object": node}).to_string();
        let server = OddServer::start(move |target| match (target.contains("watch="), target.contains("/nodes")) {
            (true, true) => Answer::Watch(vec![deleted.clone()], Arc::clone(&is_due)),
            (true, false) => Answer::watch(Vec::new()),
            (false, _) => list(target, "old"),
        });
        let folder = folder(&server.url);
        let mut child = start(folder.path(), command);
        let mut first = [0; 1];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        drop(child.stdout.take());
        is_gone.store(true, Ordering::Relaxed);
        let (code, text) = end(child);
        assert_eq!((code, text.as_str()), (Some(0), ""), "{command:?}");
    }
}

/// A terminal on which a shell runs a command, and prints the terminal settings before and after it.
struct Terminal {
    child: Child,
    pty: Arc<pty_process::blocking::Pty>,
    written: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(folder: &Path, arguments: &str) -> Self {
        let (pty, end) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let script = format!(
            "trap : INT TERM HUP; stty -g; '{}' {arguments} & echo $! > pid; fg > /dev/null; code=$?; stty -g; echo code $code",
            env!("CARGO_BIN_EXE_kubectl-ds")
        );
        let child = pty_process::blocking::Command::new("bash")
            // With job control, as in an interactive shell.
            .args(["-m", "-c", &script])
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("KUBECONFIG", "config"), ("HOME", "/nonexistent"), ("TERM", "xterm")])
            .current_dir(folder)
            .spawn(end)
            .unwrap();
        let (pty, written) = (Arc::new(pty), Arc::new(Mutex::new(String::new())));
        let (from, to) = (Arc::clone(&pty), Arc::clone(&written));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = (&*from).read(&mut buffer) {
                to.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        Self { child, pty, written }
    }

    fn written(&self) -> String {
        self.written.lock().unwrap().clone()
    }

    fn until(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.written().contains(text) {
            assert!(Instant::now() < deadline, "{text:?} did not appear on the terminal: {:?}", self.written());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn ends(mut self) -> String {
        self.until("code ");
        wait_for("the shell's end", || self.child.try_wait().unwrap());
        self.written()
    }
}

#[test]
fn terminal_shows_activity_and_is_restored() {
    let server = OddServer::start(|_| Answer::Nothing);
    let silent = folder(&server.url);
    let answering = OddServer::start(|target| match target.contains("watch=") {
        true => Answer::watch(Vec::new()),
        false => list(target, "old"),
    });
    let live = folder(&answering.url);
    let waiting = format!("reading daemonsets from {}", server.url);
    let cases = [
        (&silent, "coverage", waiting.as_str()),
        (&live, "coverage --watch", "COVERED"),
        (&live, "rollout watch agent", "default/agent"),
    ];
    for (folder, arguments, shown) in cases {
        for (signal, code) in [("^C", 130), ("-TERM", 143), ("-HUP", 129)] {
            let terminal = Terminal::start(folder.path(), arguments);
            terminal.until(shown);
            match signal {
                "^C" => (&*terminal.pty).write_all(b"\x03").unwrap(),
                _ => send(signal, fs::read_to_string(folder.path().join("pid")).unwrap().trim().parse().unwrap()),
            }
            let text = terminal.ends();
            assert!(text.contains(&format!("code {code}")), "{arguments} {signal}: {text:?}");
            let is_setting = |line: &&str| line.split(':').count() > 10 && !line.contains(' ');
            let settings: Vec<&str> = text.lines().filter(is_setting).collect();
            assert!(settings.len() == 2 && settings[0] == settings[1], "{arguments} {signal}: {text:?}");
            let mut screen = vt100::Parser::new(24.try_into().unwrap(), 80.try_into().unwrap(), 0);
            screen.process(text.as_bytes());
            let screen = screen.screen();
            assert!(!screen.hide_cursor() && !screen.alternate_screen(), "{arguments} {signal}: {text:?}");
            assert!(!screen.contents().contains("reading "), "{arguments} {signal}: {text:?}");
        }
    }
}
