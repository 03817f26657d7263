//! The arguments of `completion`, and the detection of a completion request.

use std::path::Path;

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
