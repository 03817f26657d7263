//! The clap command tree, with the name of the program in every help text.

use clap::builder::StyledStr;
use clap::{Args, Command, CommandFactory};

use super::Cli;
use crate::command::alerts::args::AlertsArgs;
use crate::command::completion::args::CompletionArgs;
use crate::command::coverage::args::CoverageArgs;
use crate::command::cycle::args::CycleArgs;
use crate::command::demo::args::DemoArgs;
use crate::command::doctor::args::DoctorArgs;
use crate::command::exec::args::ExecArgs;
use crate::command::logs::args::LogsArgs;
use crate::command::plan::args::{PlanApplyArgs, PlanNodeArgs, PlanRollbackArgs};
use crate::command::rollout::args::{HistoryArgs, RolloutStatusArgs, RolloutWatchArgs};
use crate::command::rollout::change::args::{PauseArgs, ResumeArgs, UndoArgs};
use crate::command::version::args::VersionArgs;
use crate::command::why_not::args::WhyNotArgs;
use crate::program;

/// The command tree for the name of this process.
pub(crate) fn tree() -> Command {
    tree_of(program::name(), program::file())
}

/// The command tree for the command `name` and the executable `file`.
fn tree_of(name: &'static str, file: &str) -> Command {
    let tree = with_long_help(Cli::command().bin_name(name).display_name(name));
    if name == program::USUAL_NAME { tree } else { renamed(tree, name, file) }
}

/// Adds what `--help` says about each command. The list of commands has a summary of its own, which clap would show there
/// too.
fn with_long_help(tree: Command) -> Command {
    tree.mut_subcommand("coverage", long_help::<CoverageArgs>)
        .mut_subcommand("why-not", long_help::<WhyNotArgs>)
        .mut_subcommand("cycle", long_help::<CycleArgs>)
        .mut_subcommand("logs", long_help::<LogsArgs>)
        .mut_subcommand("exec", long_help::<ExecArgs>)
        .mut_subcommand("alerts", long_help::<AlertsArgs>)
        .mut_subcommand("demo", long_help::<DemoArgs>)
        .mut_subcommand("doctor", long_help::<DoctorArgs>)
        .mut_subcommand("completion", long_help::<CompletionArgs>)
        .mut_subcommand("version", long_help::<VersionArgs>)
        .mut_subcommand("plan", |plan| {
            plan.mut_subcommand("apply", long_help::<PlanApplyArgs>)
                .mut_subcommand("node", long_help::<PlanNodeArgs>)
                .mut_subcommand("rollback", long_help::<PlanRollbackArgs>)
        })
        .mut_subcommand("rollout", |rollout| {
            rollout
                .mut_subcommand("watch", long_help::<RolloutWatchArgs>)
                .mut_subcommand("status", long_help::<RolloutStatusArgs>)
                .mut_subcommand("pause", long_help::<PauseArgs>)
                .mut_subcommand("resume", long_help::<ResumeArgs>)
                .mut_subcommand("undo", long_help::<UndoArgs>)
                .mut_subcommand("history", long_help::<HistoryArgs>)
        })
}

/// Adds the description of the arguments as the long help.
fn long_help<A: Args>(command: Command) -> Command {
    match A::augment_args(Command::new("")).get_long_about() {
        Some(text) => command.long_about(text.clone()),
        None => command,
    }
}

/// Replaces the usual name in examples and usage lines, which are literals in the source.
fn renamed(mut command: Command, name: &str, file: &str) -> Command {
    // The help writes the completion helper to this file: its name must differ from the executable's.
    let completer = |file: &str| format!("kubectl_complete-{}", file.strip_prefix("kubectl-").unwrap_or(file));
    let said = |text: Option<&StyledStr>| {
        let text = text?.to_string().replace(program::USUAL_NAME, name).replace(program::USUAL_FILE, file);
        Some(text.replace(&completer(program::USUAL_FILE), &completer(file)))
    };
    if let Some(text) = said(command.get_about()) {
        command = command.about(text);
    }
    if let Some(text) = said(command.get_long_about()) {
        command = command.long_about(text);
    }
    if let Some(text) = said(command.get_after_help()) {
        command = command.after_help(text);
    }
    if let Some(text) = said(command.get_overridden_usage()) {
        command = command.override_usage(text);
    }
    command
        .mut_args(|mut arg| {
            if let Some(text) = said(arg.get_help()) {
                arg = arg.help(text);
            }
            if let Some(text) = said(arg.get_long_help()) {
                arg = arg.long_help(text);
            }
            arg
        })
        .mut_subcommands(|command| renamed(command, name, file))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Collects every help text of the tree, with the path of its command.
    fn helps(command: &mut Command, path: &str, all: &mut Vec<(String, String)>) {
        let path = format!("{path} {}", command.get_name());
        let text = format!("{}\n{}", command.render_long_help(), command.render_help());
        all.push((path.clone(), text));
        for command in command.get_subcommands_mut() {
            helps(command, &path, all);
        }
    }

    /// Every help text of the program with this name and file.
    fn helps_of(name: &'static str, file: &str) -> Vec<(String, String)> {
        let mut tree = tree_of(name, file);
        tree.build();
        let mut all = Vec::new();
        helps(&mut tree, "", &mut all);
        all
    }

    #[test]
    fn help_texts_show_the_name_of_a_renamed_program() {
        let all = helps_of("kubectl daemon-sets", "kubectl-daemon_sets");
        assert!(all.len() > 5);
        for (path, text) in &all {
            for usual in ["kubectl ds", "kubectl-ds", "kubectl_complete-ds"] {
                assert!(!text.contains(usual), "{path}: {text}");
            }
            assert!(text.contains("Usage: kubectl daemon-sets"), "{path}: {text}");
        }
    }

    #[test]
    fn completion_example_never_overwrites_the_program() {
        let all = helps_of("mytool", "mytool");
        assert!(all.iter().any(|(_, text)| text.contains("> ~/.local/bin/kubectl_complete-mytool\n")));
        assert!(!all.iter().any(|(_, text)| text.contains("> ~/.local/bin/mytool\n")));
    }

    #[test]
    fn long_help_of_every_command_says_more_than_its_summary() {
        let tree = tree_of(program::USUAL_NAME, program::USUAL_FILE);
        let is_group = |command: &&Command| matches!(command.get_name(), "rollout" | "plan");
        let nested = tree.get_subcommands().filter(is_group).flat_map(Command::get_subcommands);
        for command in tree.get_subcommands().filter(|command| !is_group(command)).chain(nested) {
            let text = |text: Option<&StyledStr>| text.map(ToString::to_string).unwrap_or_default();
            let (short, long) = (text(command.get_about()), text(command.get_long_about()));
            let says_more = long.len() > short.len() || matches!(command.get_name(), "version" | "demo" | "doctor");
            assert!(says_more, "{}: {long}", command.get_name());
        }
    }
}
