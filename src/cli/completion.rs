//! The flags of `completion`, and how the program is asked to complete.

use std::path::Path;

use clap::{Args, ValueEnum};

/// The words of an unfinished command line, where the program is asked to finish one: by kubectl, which looks for
/// `kubectl_complete-ds` and hands it the words (`pkg/cmd/plugin/plugin_completion.go`), or by a shell's script.
/// No flag among them means anything to this run, so clap must not see them.
pub(crate) fn to_complete() -> Option<Vec<String>> {
    let mut arguments = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let zeroth = arguments.next()?;
    let is_link = Path::new(&zeroth).file_name()?.to_str()?.starts_with("kubectl_complete-");
    (is_link || arguments.next()? == "__complete").then(|| arguments.collect())
}

/// The script that makes a shell complete the command line.
///
/// Names of DaemonSets, nodes, namespaces, contexts and node labels are asked for when they are wanted, from where the
/// words on the line lead. The scripts of the shells complete the program's own name, kubectl-ds. To complete kubectl ds,
/// kubectl's own completion runs one more file: kubectl_complete-ds on the PATH.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # bash, and zsh: a line for ~/.bashrc or ~/.zshrc
  source <(kubectl ds completion bash)
  source <(kubectl ds completion zsh)

  # fish: a line for ~/.config/fish/config.fish
  kubectl ds completion fish | source

  # PowerShell: a line for $PROFILE
  kubectl ds completion powershell | Out-String | Invoke-Expression

  # kubectl ds, in every shell that completes kubectl
  kubectl ds completion kubectl > ~/.local/bin/kubectl_complete-ds
  chmod +x ~/.local/bin/kubectl_complete-ds")]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// A shell that can complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// From 3.2 on.
    Bash,
    /// With compinit.
    Zsh,
    /// From 3.4 on.
    Fish,
    /// From 5.0 on.
    Powershell,
    /// What kubectl runs, to complete behind its own name.
    Kubectl,
}
