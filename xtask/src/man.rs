//! The man page of each command, by `clap_mangen`, with two differences: examples keep their lines, and flags that only
//! `--help` explains are explained too.

use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

const EXIT_STATUS: &str = ".SH EXIT STATUS\n.nf
0       success
1       the answer is negative, for example coverage below \\-\\-min
2       error: usage, connection, permissions, or an object that does not exist
130     interrupted by Ctrl\\-C (SIGINT)
143     terminated (SIGTERM)\n.fi\n";

/// Writes a page for each visible command of the tree.
pub(crate) fn write(tree: Command, directory: &Path) -> io::Result<()> {
    let mut tree = tree.disable_help_subcommand(true);
    tree.build();
    let source = format!("kubectl\\-ds {}", tree.get_version().unwrap_or_default());
    write_command(&tree, &source, directory)
}

fn write_command(command: &Command, source: &str, directory: &Path) -> io::Result<()> {
    let visible: Vec<&Command> = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()).collect();
    visible.iter().try_for_each(|subcommand| write_command(subcommand, source, directory))?;
    let explained = command.clone().mut_args(|arg| arg.hide_short_help(false));
    let man = Man::new(explained).source(source).manual("");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if !visible.is_empty() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(text) = command.get_after_help() {
        write_examples(&mut page, &text.to_string())?;
    }
    page.extend_from_slice(EXIT_STATUS.as_bytes());
    std::fs::write(directory.join(man.get_filename()), page)
}

/// Each example on its own line, ready to be pasted.
fn write_examples(page: &mut Vec<u8>, text: &str) -> io::Result<()> {
    writeln!(page, ".SH EXAMPLES\n.nf")?;
    for line in text.lines().filter(|line| *line != "Examples:") {
        writeln!(page, "{}", escape(line.strip_prefix("  ").unwrap_or(line)))?;
    }
    writeln!(page, ".fi")
}

fn escape(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{escape, write};

    #[test]
    fn every_command_has_a_page() -> std::io::Result<()> {
        let directory = tempfile::tempdir()?;
        write(kubectl_ds::commands(), directory.path())?;
        for name in ["kubectl-ds", "kubectl-ds-why-not", "kubectl-ds-rollout-history", "kubectl-ds-cycle"] {
            let page = fs::read_to_string(directory.path().join(name).with_extension("1"))?;
            assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH EXIT STATUS"), "{name}: {page}");
        }
        Ok(())
    }

    #[test]
    fn page_shows_examples_and_hidden_flags() -> std::io::Result<()> {
        let directory = tempfile::tempdir()?;
        write(kubectl_ds::commands(), directory.path())?;
        let page = fs::read_to_string(directory.path().join("kubectl-ds-coverage.1"))?;
        // --as and its value stand for the flags that only --help explains.
        for part in ["\nkubectl ds coverage \\-n kube\\-system kube\\-proxy \\-\\-min 99%\n", "\\-\\-by", "\\-\\-as"] {
            assert!(page.contains(part), "no {part:?}: {page}");
        }
        Ok(())
    }

    #[test]
    fn escape_keeps_a_line_text() {
        assert_eq!(escape(".x -y \\z"), "\\&.x \\-y \\ez");
    }
}
