//! `kubectl ds completion`.

pub(crate) mod args;

use std::io::{self, Write};
use std::process::ExitCode;

use super::print;
use crate::command::completion::args::{CompletionArgs, Shell};
use crate::error::Error;
use crate::program;

/// Prints the completion script of a shell.
pub(crate) fn run(args: &CompletionArgs) -> Result<ExitCode, Error> {
    print(|out| script(out, args.shell, program::file()))?;
    Ok(ExitCode::SUCCESS)
}

/// The scripts do not contain the command tree: they run the program for each completion ([`super::complete`]).
fn script(out: &mut impl Write, shell: Shell, file: &str) -> io::Result<()> {
    let text = match shell {
        Shell::Bash => include_str!("completion/script.bash"),
        Shell::Zsh => include_str!("completion/script.zsh"),
        Shell::Fish => include_str!("completion/script.fish"),
        Shell::Powershell => include_str!("completion/script.ps1"),
        Shell::Kubectl => include_str!("completion/script.kubectl"),
    };
    let function = file.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    out.write_all(text.replace("@FILE@", file).replace("@FUNCTION@", &function).as_bytes())
}
