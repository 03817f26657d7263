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
    (is_link || arguments.next()? == "__complete")
        .then(|| at_home(arguments.collect(), std::env::home_dir().as_deref()))
}

/// A shell puts the home folder in the place of `~` when it runs a line, and not when it has one completed. The last word
/// is the one that is being written.
fn at_home(mut words: Vec<String>, home: Option<&Path>) -> Vec<String> {
    let (Some(home), Some((_, done))) = (home.and_then(Path::to_str), words.split_last_mut()) else { return words };
    for word in done {
        if let Some(rest) = word.strip_prefix("~/") {
            *word = format!("{home}/{rest}");
        }
    }
    words
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_done_is_below_the_home_folder() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let home = Some(Path::new("/home/x"));
        assert_eq!(at_home(words("--from ~/a ~b ~/c"), home), words("--from /home/x/a ~b ~/c"));
        assert_eq!(at_home(words("--from ~/a b"), None), words("--from ~/a b"));
        assert!(at_home(Vec::new(), home).is_empty());
    }
}
