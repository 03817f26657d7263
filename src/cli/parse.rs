//! Parses the arguments of the process.

use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Cli;
use super::tree::tree;
use crate::command::args::is_negative;
use crate::error::Error;
use crate::program;
use crate::render::terminal;

/// Parses the arguments of the process.
///
/// # Errors
/// The exit code, after the help or the usage error has been printed.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    let read = tree().try_get_matches().and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    read.map_err(|rejection| {
        if !rejection.use_stderr() || rejection.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            // It fails only when the pipe is closed: nobody reads the output.
            let _ = rejection.print();
            return ExitCode::from(if rejection.use_stderr() { 2 } else { 0 });
        }
        let words: Vec<String> = std::env::args().skip(1).collect();
        let error = usage_error(&rejection, &tree(), &words);
        terminal::error(&error);
        error.exit_code()
    })
}

/// Reduces clap's message of several paragraphs to one line and a hint, for the words of the command line.
fn usage_error(rejection: &clap::Error, tree: &clap::Command, words: &[String]) -> Error {
    let text = rejection.render().to_string();
    let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.strip_prefix("error: ").unwrap_or(message);
    // clap's tip on passing a flag as a value never applies: no value begins with a dash.
    let tips = rest.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
    let tip = tips.into_iter().find(|tip| !tip.starts_with("to pass")).map(str::to_owned);
    let command = command_path(tree, words);
    let unknown = match (rejection.kind(), rejection.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) => Some(word.as_str()),
        _ => None,
    };
    let of_kubectl = unknown.and_then(|word| kubectl_command(&command, word));
    let of_kubectl = of_kubectl.map(|hint| hint.replace(program::USUAL_NAME, program::name()));
    let path: String = command.iter().map(|word| format!("{word} ")).collect();
    let help = || format!("see {} {path}--help", program::name());
    let in_one_line = || message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    Error::Usage {
        message: negative_value(rejection, words).unwrap_or_else(in_one_line),
        hint: of_kubectl.or(tip).unwrap_or_else(help),
    }
}

/// The message for a negative number or duration behind its flag, which clap takes for an unknown flag.
fn negative_value(rejection: &clap::Error, words: &[String]) -> Option<String> {
    if rejection.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let pairs = words.iter().zip(words.iter().skip(1));
    let (flag, value) = pairs.into_iter().find(|(flag, value)| flag.starts_with("--") && is_negative(value))?;
    Some(format!("invalid value '{value}' for '{flag}': must not be negative"))
}

/// The subcommands on the command line. Flags may come before them.
fn command_path(tree: &clap::Command, words: &[String]) -> Vec<String> {
    let mut path = Vec::new();
    let mut command = tree;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if takes_next_word(tree, word) {
            words.next();
        } else if let Some(next) = command.find_subcommand(word) {
            path.push(next.get_name().to_owned());
            command = next;
        }
    }
    path
}

/// Whether the word is a global flag whose value is the next word.
fn takes_next_word(tree: &clap::Command, word: &str) -> bool {
    let is_it = |arg: &&clap::Arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => word.strip_prefix('-').is_some_and(|short| short.chars().eq(arg.get_short())),
    };
    let flag = tree.get_arguments().find(is_it);
    flag.is_some_and(|flag| flag.get_action().takes_values() && !flag.is_require_equals_set())
}

/// What kubectl's users look for under a name that is no subcommand here.
fn kubectl_command(command: &[String], word: &str) -> Option<&'static str> {
    let in_rollout = command == ["rollout"];
    if !command.is_empty() && !in_rollout {
        return None;
    }
    match word {
        "undo" | "rollback" => Some("roll back with: kubectl ds rollout undo NAME"),
        "restart" => Some("restart the pods gradually with: kubectl ds cycle NAME --all"),
        "pause" => Some("stop a rolling update with: kubectl ds rollout pause NAME"),
        "resume" => Some("continue a paused rolling update with: kubectl ds rollout resume NAME"),
        "status" | "history" | "watch" => Some("it is a subcommand of rollout: kubectl ds rollout --help"),
        "get" | "ls" | "list" => Some("list the DaemonSets with: kubectl ds coverage -A"),
        "describe" | "explain" | "events" => Some("explain a node or a DaemonSet with: kubectl ds why-not NODE"),
        "log" => Some("print the logs of a node with: kubectl ds logs NAME NODE"),
        "delete" => Some("replace pods one node at a time with: kubectl ds cycle NAME"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> Option<Error> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let rejection = tree().try_get_matches_from([&["kubectl-ds".to_owned()], &words[..]].concat());
        let rejection = rejection.map(drop).err();
        rejection.map(|rejection| usage_error(&rejection, &tree(), &words))
    }

    fn hint(line: &str) -> String {
        error(line).map(|error| error.hint()).unwrap_or_default()
    }

    #[test]
    fn negative_durations_are_rejected_in_one_line() {
        let message = |line: &str| error(line).map(|error| error.to_string()).unwrap_or_default();
        let expected = |value: &str, flag: &str| format!("invalid value '{value}' for '{flag}': must not be negative");
        let watch = "rollout watch agent";
        for value in ["-1", "-1s"] {
            assert_eq!(message(&format!("{watch} --timeout={value}")), expected(value, "--timeout <DURATION>"));
            assert_eq!(message(&format!("{watch} --timeout {value}")), expected(value, "--timeout"));
        }
        assert_eq!(message(&format!("{watch} -1")), "unexpected argument '-1' found");
    }

    #[test]
    fn usage_error_names_the_help_of_its_command() {
        assert_eq!(hint("coverage --min=x"), "see kubectl ds coverage --help");
        assert_eq!(hint("rollout watch"), "see kubectl ds rollout watch --help");
        assert_eq!(hint("cov --bogus"), "see kubectl ds coverage --help");
    }

    #[test]
    fn commands_of_kubectl_have_a_hint() {
        assert_eq!(hint("undo"), "roll back with: kubectl ds rollout undo NAME");
        assert_eq!(hint("--from demo rollout rollback x"), "roll back with: kubectl ds rollout undo NAME");
        assert_eq!(hint("pause x"), "stop a rolling update with: kubectl ds rollout pause NAME");
        assert_eq!(hint("resume x"), "continue a paused rolling update with: kubectl ds rollout resume NAME");
        assert_eq!(hint("get ds"), "list the DaemonSets with: kubectl ds coverage -A");
        assert_eq!(hint("status fluent-bit"), "it is a subcommand of rollout: kubectl ds rollout --help");
    }

    #[test]
    fn similar_commands_are_suggested_only_where_they_are_near() {
        assert_eq!(hint("covrage"), "some similar subcommands exist: 'cov', 'coverage'");
        assert_eq!(hint("verson"), "a similar subcommand exists: 'version'");
        assert_eq!(hint("frobnicate"), "see kubectl ds --help");
    }
}
