//! The arguments of `completion`, and the detection of a completion request.

use std::path::Path;

use clap::{Args, ValueEnum};

/// The words of the command line to complete, if the program runs as a completion helper: called by kubectl as
/// `kubectl_complete-ds` (`pkg/cmd/plugin/plugin_completion.go`), or by a shell script with `__complete`. The words are
/// data and not flags of this process, so they must not reach clap.
pub(crate) fn to_complete() -> Option<Vec<String>> {
    let mut arguments = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let zeroth = arguments.next()?;
    let is_link = Path::new(&zeroth).file_name()?.to_str()?.starts_with("kubectl_complete-");
    (is_link || arguments.next()? == "__complete")
        .then(|| at_home(arguments.collect(), std::env::home_dir().as_deref()))
}

/// Expands `~/`: a shell does so when it runs a command line, but not when it completes one. The last word is still
/// being typed and stays unchanged.
fn at_home(mut words: Vec<String>, home: Option<&Path>) -> Vec<String> {
    let (Some(home), Some((_, done))) = (home.and_then(Path::to_str), words.split_last_mut()) else { return words };
    for word in done {
        if let Some(rest) = word.strip_prefix("~/") {
            *word = format!("{home}/{rest}");
        }
    }
    words
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_words_expand_the_home_directory() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let home = Some(Path::new("/home/x"));
        assert_eq!(at_home(words("--from ~/a ~b ~/c"), home), words("--from /home/x/a ~b ~/c"));
        assert_eq!(at_home(words("--from ~/a b"), None), words("--from ~/a b"));
        assert!(at_home(Vec::new(), home).is_empty());
    }
}
