//! The README's examples. Behind `<!-- run with ARGUMENTS -->` a block is run with these arguments added, and must print
//! what it shows; of all others each command must at least be one that the program takes.

use std::process::Command;

use crate::completions::text;

/// A command of a block, what it shows, and what it is run with.
struct Example {
    command: String,
    shown: String,
    run_with: Option<String>,
}

fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut run_with = None;
    let mut in_block = false;
    for line in page.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
            if !in_block {
                run_with = None;
            }
        } else if let Some(arguments) = line.strip_prefix("<!-- run with ") {
            run_with = Some(arguments.trim_end_matches(" -->").to_owned());
        } else if let (true, Some(command)) = (in_block, line.strip_prefix("$ ")) {
            examples.push(Example { command: command.to_owned(), shown: String::new(), run_with: run_with.clone() });
        } else if let (true, Some(example)) = (in_block, examples.last_mut()) {
            example.shown += &format!("{line}\n");
        }
    }
    examples
}

/// The words behind `kubectl ds`; `None` for another program's command.
fn words(command: &str) -> Option<Vec<&str>> {
    let command = command.split(" #").next().unwrap().split(['|', '>']).next().unwrap();
    command.trim().strip_prefix("kubectl ds ").map(|words| words.split_whitespace().collect())
}

fn run(words: &[&str], more: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    command.args(words).args(more).env("KUBECONFIG", "/nonexistent/kubeconfig").env("HOME", "/nonexistent");
    let output = command.output().unwrap();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn examples_print_what_they_show() {
    let page = std::fs::read_to_string("README.md").unwrap();
    let mut run_in_all = 0;
    for Example { command, shown, run_with } in examples(&page) {
        if let (Some(words), Some(arguments)) = (words(&command), run_with) {
            let (_, printed) = run(&words, &arguments.split_whitespace().collect::<Vec<_>>());
            assert_eq!(shown.trim_end(), printed.trim_end(), "$ {command}");
            run_in_all += 1;
        }
    }
    assert!(run_in_all >= 5, "only {run_in_all} examples were found");
}

#[test]
fn commands_are_such_as_the_program_takes() {
    let page = std::fs::read_to_string("README.md").unwrap();
    let mut taken = 0;
    for Example { command, .. } in examples(&page) {
        if let Some(words) = words(&command) {
            let (is_taken, printed) = run(&words, &["--help"]);
            assert!(is_taken, "$ {command}\n{printed}");
            taken += 1;
        }
    }
    assert!(taken > 10, "only {taken} commands were found");
}

/// Those of the help texts.
#[test]
fn examples_of_the_help_are_such_as_the_program_takes() {
    let mut taken = 0;
    for command in ["coverage", "why-not", "rollout watch", "rollout status", "rollout history", "completion"] {
        let command: Vec<&str> = command.split(' ').collect();
        let (_, help) = run(&command, &["--help"]);
        let (_, examples) = help.split_once("Examples:").unwrap_or_else(|| panic!("{command:?} has no examples"));
        for line in examples.lines().map(str::trim).filter_map(words) {
            let (is_taken, printed) = run(&line, &["--help"]);
            assert!(is_taken, "{line:?}\n{printed}");
            taken += 1;
        }
    }
    assert!(taken > 15, "only {taken} were found");
}
