//! A credential plugin that hangs: how it is ended, and what is shown on a terminal meanwhile.
#![cfg(unix)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::processes::{send, wait_for};

/// A directory with a kubeconfig and a plugin. The plugin starts a child that never ends, writes both process IDs to
/// the file `pids`, and runs `script`.
fn scene(script: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let plugin = folder.path().join("plugin");
    let head = "#!/bin/sh\nsleep 1000 &\necho $$ $! > pids.tmp; mv pids.tmp pids\n";
    fs::write(&plugin, format!("{head}{script}\n")).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    let exec = "{command: ./plugin, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}";
    let kubeconfig = format!(
        "current-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'}}}}]\nusers: [{{name: u, user: {{exec: {exec}}}}}]\n"
    );
    fs::write(folder.path().join("config"), kubeconfig).unwrap();
    folder
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_kubectl-ds"))
        .args(arguments)
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("KUBECONFIG", "config"), ("HOME", "/nonexistent")])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        // Not a pipe: a process left over from a plugin would keep it open.
        .stderr(fs::File::create(folder.join("stderr")).unwrap())
        .spawn()
        .unwrap()
}

/// The process IDs of the plugin and its child, once both are running.
fn pids(folder: &Path) -> Vec<String> {
    wait_for("the plugin", || {
        let text = fs::read_to_string(folder.join("pids")).ok()?;
        Some(text.split_whitespace().map(str::to_owned).collect())
    })
}

/// Whether a process exists and is not a zombie.
fn is_alive(pid: &str) -> bool {
    let state = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
    let state = String::from_utf8_lossy(&state.stdout).into_owned();
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

/// Starts the program, sends a signal once the plugin is running or waits for the timeout, and checks that the plugin
/// and its child have ended.
fn ended_by(arguments: &[&str], signal: Option<&str>, code: i32) -> (Duration, String) {
    let folder = scene("wait");
    let mut child = start(folder.path(), arguments);
    let pids = pids(folder.path());
    let begun = Instant::now();
    if let Some(signal) = signal {
        send(signal, child.id());
    }
    let status = wait_for("the program's end", || child.try_wait().unwrap());
    let lasted = begun.elapsed();
    let words = fs::read_to_string(folder.path().join("stderr")).unwrap();
    assert_eq!(status.code(), Some(code), "{arguments:?} {signal:?}: {words}");
    for pid in pids {
        wait_for("the end of the plugin and its child", || (!is_alive(&pid)).then_some(()));
    }
    (lasted, words)
}

#[test]
fn signal_ends_a_hanging_plugin_and_its_child() {
    for arguments in [&["coverage"][..], &["cycle", "ds/x", "--yes"], &["version"], &["rollout", "watch", "x"]] {
        for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
            let (lasted, _) = ended_by(arguments, Some(signal), code);
            eprintln!("{arguments:?} {signal}: {lasted:?}");
        }
    }
}

#[test]
fn request_timeout_ends_a_hanging_plugin_and_its_child() {
    let (_, words) = ended_by(&["coverage", "--request-timeout=1s"], None, 2);
    assert!(words.contains("plugin\" of user \"u\" did not respond within 1s\nhint: "), "{words}");
}

#[test]
fn completion_ends_its_plugin() {
    ended_by(&["__complete", "why-not", ""], None, 0);
}

#[test]
fn plugin_with_endless_output_is_ended() {
    let folder = scene("exec yes");
    let mut child = start(folder.path(), &["coverage"]);
    let status = wait_for("the program's end", || child.try_wait().unwrap());
    let words = fs::read_to_string(folder.path().join("stderr")).unwrap();
    assert_eq!(status.code(), Some(2));
    assert!(words.contains("its output is longer than 1 MiB\nhint: "), "{words}");
    for pid in pids(folder.path()) {
        wait_for("the end of the plugin and its child", || (!is_alive(&pid)).then_some(()));
    }
}

/// The exit code, and the output on a terminal until Ctrl-C, which is sent after the first line.
fn on_a_terminal(folder: &Path) -> (Option<i32>, String) {
    let (terminal, end) = pty_process::blocking::open().unwrap();
    terminal.resize(pty_process::Size::new(24, 120)).unwrap();
    let mut child = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_kubectl-ds"))
        .arg("coverage")
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("KUBECONFIG", "config"), ("HOME", "/nonexistent")])
        .current_dir(folder)
        .spawn(end)
        .unwrap();
    let words = Arc::new(Mutex::new(String::new()));
    let terminal = Arc::new(terminal);
    let (from, to) = (Arc::clone(&terminal), Arc::clone(&words));
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(read @ 1..) = (&*from).read(&mut buffer) {
            to.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    });
    let text = || words.lock().unwrap().clone();
    let said = wait_for("a line on the terminal", || Some(text()).filter(|text| text.contains('\n')));
    (&*terminal).write_all(b"\x03").unwrap();
    let status = wait_for("the program's end", || child.try_wait().unwrap());
    (status.code(), said)
}

#[test]
fn terminal_shows_the_running_plugin() {
    // IfAvailable: with the terminal as standard input. Never: in its own process group.
    for mode in ["IfAvailable", "Never"] {
        let folder = scene("wait");
        let config = folder.path().join("config");
        let text = fs::read_to_string(&config).unwrap().replace("Never", mode);
        fs::write(&config, text).unwrap();
        let (code, said) = on_a_terminal(folder.path());
        assert_eq!(said.trim(), "note: waiting for the credential plugin \"plugin\"", "{mode}");
        assert_eq!(code, Some(130), "{mode}");
        for pid in pids(folder.path()) {
            wait_for("the end of the plugin and its child", || (!is_alive(&pid)).then_some(()));
        }
    }
}

#[test]
fn pipe_does_not_show_the_running_plugin() {
    let (_, words) = ended_by(&["coverage", "--request-timeout=1s"], None, 2);
    assert!(!words.contains("waiting for"), "{words}");
}
