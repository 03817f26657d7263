//! The examples of README.md and of the pages in docs. A block after `<!-- run with ARGUMENTS -->` is run with these
//! arguments added, and must print what it shows. In all other blocks, each command must at least be valid.
//! `TRYCMD=overwrite cargo test --test cli` writes what the blocks print now.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::architecture::files_below;
use crate::completions::text;

/// A command of a block, what it shows, and what it is run with.
struct Example {
    command: String,
    shown: String,
    run_with: Option<String>,
    /// The lines of the page that `shown` stands on.
    lines: std::ops::Range<usize>,
}

/// Every Markdown file of the documentation.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![PathBuf::from("README.md")];
    let is_page = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md");
    pages.extend(files_below(Path::new("docs")).into_iter().filter(is_page));
    assert!(pages.len() > 10, "only {} pages were found", pages.len());
    pages
}

fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut run_with = None;
    // The number of examples when the block began; none between blocks.
    let mut block = None;
    for (number, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            block = match block {
                None => Some(examples.len()),
                Some(_) => {
                    run_with = None;
                    None
                }
            };
        } else if let Some(arguments) = line.strip_prefix("<!-- run with ") {
            run_with = Some(arguments.trim_end_matches(" -->").to_owned());
        } else if let (Some(_), Some(command)) = (block, line.strip_prefix("$ ")) {
            let (shown, lines) = (String::new(), number + 1..number + 1);
            examples.push(Example { command: command.to_owned(), shown, run_with: run_with.clone(), lines });
        } else if let Some(begun_at) = block
            && let Some(example) = examples[begun_at..].last_mut()
        {
            example.shown += &format!("{line}\n");
            example.lines.end = number + 1;
        }
    }
    examples
}

/// The words behind `kubectl ds`, up to a pipe, a redirection or a comment; `None` for another program's command. Single
/// quotes are those of a shell.
fn words(command: &str) -> Option<Vec<String>> {
    let command = command.trim().strip_prefix("kubectl ds ")?;
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in command.chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            '|' | '>' | '#' if !is_quoted => break,
            ' ' if !is_quoted => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            c => word.push(c),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    Some(words)
}

fn run<W: AsRef<std::ffi::OsStr>>(words: &[W], more: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    command.args(words).args(more).env("KUBECONFIG", "/nonexistent/kubeconfig").env("HOME", "/nonexistent");
    let output = command.output().unwrap();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn examples_print_what_they_show() {
    let is_overwritten = std::env::var("TRYCMD").is_ok_and(|value| value == "overwrite");
    let mut run_in_all = 0;
    for path in pages() {
        let page = std::fs::read_to_string(&path).unwrap();
        let mut written: Vec<String> = page.lines().map(str::to_owned).collect();
        // From the last to the first, so that the numbers of the lines before stay as they are.
        for Example { command, shown, run_with, lines } in examples(&page).into_iter().rev() {
            if let (Some(words), Some(arguments)) = (words(&command), run_with) {
                let (_, printed) = run(&words, &arguments.split_whitespace().collect::<Vec<_>>());
                if is_overwritten {
                    // An empty line parts the output from the next command of the block.
                    let end = lines.end - shown.lines().rev().take_while(|line| line.is_empty()).count();
                    written.splice(lines.start..end, printed.trim_end().lines().map(str::to_owned));
                } else {
                    assert_eq!(shown.trim_end(), printed.trim_end(), "{}: $ {command}", path.display());
                }
                run_in_all += 1;
            }
        }
        if is_overwritten {
            std::fs::write(&path, written.join("\n") + "\n").unwrap();
        }
    }
    assert!(run_in_all >= 5, "only {run_in_all} examples were found");
}

#[test]
fn commands_are_such_as_the_program_takes() {
    let mut taken = 0;
    for path in pages() {
        let page = std::fs::read_to_string(&path).unwrap();
        for Example { command, .. } in examples(&page) {
            if let Some(words) = words(&command) {
                let (is_taken, printed) = run(&words, &["--help"]);
                assert!(is_taken, "{}: $ {command}\n{printed}", path.display());
                taken += 1;
            }
        }
    }
    assert!(taken > 10, "only {taken} commands were found");
}

/// Those of the help texts.
#[test]
fn examples_of_the_help_are_such_as_the_program_takes() {
    let mut taken = 0;
    for command in [
        "coverage",
        "why-not",
        "rollout watch",
        "rollout status",
        "rollout history",
        "completion",
        "demo",
        "doctor",
        "alerts",
    ] {
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
