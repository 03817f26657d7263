//! The completion scripts under `completions/` in their shells, and the program's candidates.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SCRIPTS: [(&str, &str); 5] = [
    ("bash", "kubectl-ds.bash"),
    ("zsh", "_kubectl-ds"),
    ("fish", "kubectl-ds.fish"),
    ("powershell", "kubectl-ds.ps1"),
    ("kubectl", "kubectl_complete-ds"),
];
const SHOP: &str = "tests/fixtures/shop/cluster.yaml";

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A command with the program in its PATH and no cluster.
fn beside_the_program(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_kubectl-ds")).parent().unwrap();
    let mut path = vec![folder.to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let mut command = Command::new(program);
    command.env("PATH", std::env::join_paths(path).unwrap());
    command.env("KUBECONFIG", "tests/cli/completion/kubeconfig.yaml").env("TERM", "dumb");
    command
}

/// Whether a tool that a test needs must be installed: `tests/run.sh` installs them all.
pub(crate) fn must_be_there() -> bool {
    cfg!(target_os = "linux") && std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Runs a shell; `None` if it is not installed and not required.
fn shell(name: &str, arguments: &[&str]) -> Option<Output> {
    match beside_the_program(name).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert!(!must_be_there(), "{name}: {error}");
            eprintln!("{name} is not installed: not tested");
            None
        }
    }
}

fn words_of(output: Output) -> Vec<String> {
    assert_eq!(text(&output.stderr), "");
    assert!(output.status.success(), "{}", output.status);
    text(&output.stdout).lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

/// `TRYCMD=overwrite cargo test --test cli` updates the files.
#[test]
fn committed_scripts_equal_the_program_output() {
    for (shell, file) in SCRIPTS {
        let file = PathBuf::from("completions").join(file);
        let output = Command::new(env!("CARGO_BIN_EXE_kubectl-ds")).args(["completion", shell]).output().unwrap();
        if std::env::var("TRYCMD").is_ok_and(|value| value == "overwrite") {
            std::fs::write(&file, &output.stdout).unwrap();
        }
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(written, text(&output.stdout), "{} is stale", file.display());
    }
    assert_eq!(std::fs::read_dir("completions").unwrap().count(), SCRIPTS.len());
}

#[cfg(unix)]
#[test]
fn kubectl_script_is_executable() {
    use std::os::unix::fs::PermissionsExt;
    let file = "completions/kubectl_complete-ds";
    assert_ne!(std::fs::metadata(file).unwrap().permissions().mode() & 0o111, 0, "it must be executable");
    let answer = words_of(beside_the_program(file).args(["rollout", "his"]).output().unwrap());
    assert_eq!(answer, ["history", ":4"]);
}

/// bash splits words at `=` and `:`, both in COMP_WORDS and where it inserts a candidate.
#[cfg(unix)]
#[test]
fn bash_script_completes() {
    let complete = |words: &str| {
        let script = format!(
            "set -u; source completions/kubectl-ds.bash; COMP_WORDS=(kubectl-ds {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _kubectl_ds; [[ ${{#COMPREPLY[@]}} == 0 ]] || printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        shell("bash", &["--norc", "--noprofile", "-c", &script]).map(words_of)
    };
    let Some(nodes) = complete(&format!("why-not --from {SHOP} worker-a")) else { return };
    assert_eq!(nodes, ["worker-a1", "worker-a2", "worker-a3"]);
    assert_eq!(complete("rollout ''").unwrap(), ["watch", "status", "pause", "resume", "undo", "history", "help"]);
    let json = ["json", "jsonpath", "jsonpath-as-json", "jsonpath-file"];
    assert_eq!(complete("coverage --output = j").unwrap(), json);
    assert_eq!(complete("coverage --color = ''").unwrap(), ["auto", "always", "never"]);
    // The line already contains "arn" and ":".
    assert_eq!(complete("coverage --context arn : aws").unwrap(), ["aws:eks:eu-west-1:1:cluster/shop"]);
    assert_eq!(complete("coverage --from tests/fi").unwrap(), [""; 0], "bash completes file names");
    // With quotes, as bash passes them, and with escapes, as bash needs them.
    assert_eq!(complete(&format!("why-not --from '\"{SHOP}\"' worker-a")).unwrap(), nodes);
    assert_eq!(complete(r"why-not --from 'tests/fixtures\/shop' \'worker-a").unwrap(), nodes);
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(
        &kubeconfig,
        "contexts: [{name: a $(b), context: {cluster: c}}, {name: plain, context: {cluster: c}}]",
    )
    .unwrap();
    let contexts = complete(&format!("coverage --kubeconfig {} --context ''", kubeconfig.display())).unwrap();
    assert_eq!(contexts, [r"a\ \$\(b\)", "plain"]);
}

#[cfg(unix)]
#[test]
fn zsh_script_completes() {
    // The completion system shows its list only interactively, so the stubs print what it receives.
    let complete = |words: &str| {
        let script = format!(
            "autoload -Uz compinit && compinit -u -D && source completions/_kubectl-ds\n\
             [[ ${{_comps[kubectl-ds]}} == _kubectl_ds ]] || exit 1\n\
             _describe() {{ print -rl -- \"${{(@P)@[-1]}}\" }}; _files() {{ print files }}; compset() {{ : }}\n\
             words=(kubectl-ds {words}); CURRENT=${{#words}}; PREFIX=${{words[-1]}}; _kubectl_ds"
        );
        shell("zsh", &["-f", "-c", &script]).map(words_of)
    };
    let Some(nodes) = complete(&format!("why-not --from {SHOP} worker-a")) else { return };
    assert_eq!(nodes, ["worker-a1", "worker-a2", "worker-a3"]);
    assert!(complete("rollout ''").unwrap()[0].starts_with("watch:Watch a rollout"));
    assert_eq!(complete("coverage --context arn").unwrap(), ["arn\\:aws\\:eks\\:eu-west-1\\:1\\:cluster/shop"]);
    assert_eq!(complete("coverage --from ''").unwrap(), ["files"]);
}

#[cfg(unix)]
#[test]
fn fish_script_completes() {
    let complete = |line: &str| {
        let script = format!("source completions/kubectl-ds.fish; complete --do-complete 'kubectl-ds {line}'");
        shell("fish", &["--no-config", "--command", &script]).map(words_of)
    };
    let Some(nodes) = complete(&format!("why-not --from {SHOP} worker-a")) else { return };
    assert_eq!(nodes, ["worker-a1", "worker-a2", "worker-a3"]);
    assert_eq!(complete("rollout s").unwrap(), ["status"]);
    assert_eq!(complete("coverage --color=a").unwrap(), ["--color=always", "--color=auto"]);
    assert_eq!(complete("coverage --context arn").unwrap(), ["arn:aws:eks:eu-west-1:1:cluster/shop"]);
    assert_eq!(complete("coverage --from completions/_k").unwrap(), ["completions/_kubectl-ds"]);
}

#[test]
fn powershell_accepts_the_script() {
    let read = "$e = $null; [void][Management.Automation.Language.Parser]::ParseFile('completions/kubectl-ds.ps1', [ref]$null, \
                [ref]$e); if ($e) { throw $e }; . ./completions/kubectl-ds.ps1";
    // PowerShell is rarely installed, and not in CI.
    if let Ok(output) = beside_the_program("pwsh").args(["-NoProfile", "-Command", read]).output() {
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

/// A candidate must not be special to the shell, because the file may come from an untrusted source.
#[test]
fn invalid_names_are_not_candidates() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cluster.yaml");
    let daemon_set =
        |name: &str| format!("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: '{name}', namespace: a}}\n");
    let names = ["good", "evil$(touch${IFS}x)", "a;b", "a b", "a`b`"];
    std::fs::write(&file, names.map(daemon_set).join("---\n")).unwrap();
    let mut command = beside_the_program(env!("CARGO_BIN_EXE_kubectl-ds"));
    let answer = command.args(["__complete", "coverage", "--from"]).arg(&file).arg("").output().unwrap();
    assert_eq!(words_of(answer), ["good", ":4"]);
}

/// This test hangs if the program does.
#[cfg(unix)]
#[test]
fn pipe_without_data_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = beside_the_program(env!("CARGO_BIN_EXE_kubectl-ds"));
    let answer = command.args(["__complete", "why-not", "--from"]).arg(&pipe).arg("").output().unwrap();
    assert_eq!(words_of(answer), [":4"]);
}

/// An error message would appear in the middle of the command line.
#[test]
fn errors_are_not_printed() {
    for words in [
        &["why-not", "--from", "missing.yaml", ""][..],
        &["why-not", "--from", "-", ""],
        &["why-not", "--kubeconfig", "missing.yaml", ""],
        &["why-not", "--kubeconfig", "tests/cli/flags/broken-kubeconfig.yaml", ""],
        &["why-not", "-s", "http://127.0.0.1:1", ""],
        &["why-not", "--request-timeout", "soon", ""],
        &["nothing", "--of=this", "-x", ""],
    ] {
        let mut command = beside_the_program(env!("CARGO_BIN_EXE_kubectl-ds"));
        assert_eq!(words_of(command.arg("__complete").args(words).output().unwrap()), [":4"], "{words:?}");
    }
}
