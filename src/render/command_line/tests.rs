#![allow(clippy::unwrap_used)]

use std::process::Command;

use serde_json::json;

use super::*;

/// The words into which a shell splits the line.
#[cfg(unix)]
fn words_in(shell: &str, line: &str) -> Option<Vec<String>> {
    let script = format!("kubectl() {{ printf '%s\\0' \"$@\"; }}\n{line}\n");
    let output = Command::new(shell).arg("-c").arg(script).output().ok()?;
    assert!(output.status.success(), "{shell}: {line}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.split_terminator('\0').map(str::to_owned).collect())
}

#[test]
fn line_with_an_invalid_value_is_not_offered() {
    let describe = |name: &str| CommandLine::in_namespace("shop", "describe pod").name(name).offered();
    assert_eq!(describe("a-1").as_deref(), Some("kubectl -n shop describe pod a-1"));
    for name in ["--kubeconfig=x", "a b", "$(touch x)", "'", "", "a\u{200b}", "~", "=ls", "#"] {
        assert_eq!(describe(name), None, "{name:?}");
    }
    let amounts = |resource| CommandLine::new("kubectl set resources ds a").amounts("--limits", [(resource, "AMOUNT")]);
    assert_eq!(amounts("cpu").offered().as_deref(), Some("kubectl set resources ds a --limits=cpu=AMOUNT"));
    assert_eq!(amounts("cpu$(touch x)").offered(), None);
    assert_eq!(CommandLine::in_namespace("-x", "get pods").offered(), None);
    assert_eq!(CommandLine::new("kubectl label node a").label("k", "v w").offered(), None);
    assert_eq!(CommandLine::new("kubectl taint node a").without_taint("k", "Never").offered(), None);
    assert_eq!(CommandLine::new("kubectl get pods").selector("-x").offered(), None);
    assert_eq!(CommandLine::new("kubectl get pods").only_if(false).offered(), None);
}

#[cfg(unix)]
#[test]
fn patch_is_passed_unchanged_in_each_shell() {
    let hostile = "it's $(touch x) `touch x` \\ \" !! \n \u{1b}[2J \u{202e} \u{10ffff} *";
    let patch = json!({ hostile: [hostile, { "~": 1 }] });
    let line = CommandLine::new("kubectl patch ds a").patch(&patch).offered().unwrap();
    assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{line}");
    let mut shells = 0;
    for shell in ["bash", "dash", "zsh"] {
        let Some(words) = words_in(shell, &line) else { continue };
        shells += 1;
        assert_eq!(words[..4], ["patch", "ds", "a", "-p"], "{shell}");
        assert_eq!(serde_json::from_str::<Value>(&words[4]).unwrap(), patch, "{shell}");
    }
    assert!(shells > 0, "no shell was found");
}

#[test]
fn selector_with_special_characters_is_quoted() {
    let line = |selector| CommandLine::new("kubectl get pods").selector(selector).offered().unwrap();
    assert_eq!(line("app=web"), "kubectl get pods -l app=web");
    assert_eq!(line("tier in (1,2)"), "kubectl get pods -l 'tier in (1,2)'");
    assert_eq!(line("!gpu"), "kubectl get pods -l '!gpu'");
    assert_eq!(line("=x"), "kubectl get pods -l '=x'");
}
