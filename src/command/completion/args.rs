//! The arguments of `completion`.

use clap::{Args, ValueEnum};

/// Output shell completion code for the specified shell.
///
/// Names of DaemonSets, nodes, namespaces, contexts and node labels are read from the cluster selected on the command
/// line. The shell scripts complete the command kubectl-ds. To complete "kubectl ds", kubectl's completion runs the
/// helper script kubectl_complete-ds, which must be on the PATH.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Load completion in bash or zsh: add the line to ~/.bashrc or ~/.zshrc
  source <(kubectl ds completion bash)
  source <(kubectl ds completion zsh)

  # Load completion in fish: add the line to ~/.config/fish/config.fish
  kubectl ds completion fish | source

  # Load completion in PowerShell: add the line to $PROFILE
  kubectl ds completion powershell | Out-String | Invoke-Expression

  # Complete kubectl ds in every shell that completes kubectl
  kubectl ds completion kubectl > ~/.local/bin/kubectl_complete-ds
  chmod +x ~/.local/bin/kubectl_complete-ds")]
pub(crate) struct CompletionArgs {
    /// Shell to output the completion code for
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// The target of the completion code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// bash 3.2 or later.
    Bash,
    /// zsh with compinit.
    Zsh,
    /// fish 3.4 or later.
    Fish,
    /// PowerShell 5.0 or later.
    Powershell,
    /// Helper script with which kubectl completes this plugin.
    Kubectl,
}
