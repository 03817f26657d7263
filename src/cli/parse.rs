//! Parses the arguments of the process.

use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::ErrorKind;

use super::Cli;
use super::tree::tree;
use crate::error::Error;
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
        let error = usage_error(&rejection);
        terminal::error(&error);
        error.exit_code()
    })
}

/// Reduces clap's message of several paragraphs to one line and a hint.
fn usage_error(rejection: &clap::Error) -> Error {
    let text = rejection.render().to_string();
    let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.strip_prefix("error: ").unwrap_or(message);
    // clap's tip on passing a flag as a value never applies: no value begins with a dash.
    let tips = rest.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
    let tip = tips.into_iter().find(|tip| !tip.starts_with("to pass"));
    Error::Usage {
        message: message.lines().map(str::trim).collect::<Vec<_>>().join(" "),
        hint: tip.unwrap_or("see --help for usage").to_owned(),
    }
}
