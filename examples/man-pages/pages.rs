//! The man page of each command, by `clap_mangen`; but for the examples, which it would fill like prose, and the flags
//! that only `--help` explains, whose explanation it would leave out.

use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

const EXIT_STATUS: &str = ".SH EXIT STATUS\n.nf
0       done, and well
1       the answer is no, as the command tells
2       an error: usage, connection, rights, not found
130     interrupted by Ctrl\\-C
143     asked to end\n.fi\n";

/// Writes a page for each command of the tree.
pub(crate) fn write(tree: Command, folder: &Path) -> io::Result<()> {
    let mut tree = tree.disable_help_subcommand(true);
    tree.build();
    each(&tree, folder)
}

fn each(command: &Command, folder: &Path) -> io::Result<()> {
    let shown: Vec<&Command> = command.get_subcommands().filter(|one| !one.is_hide_set()).collect();
    shown.iter().try_for_each(|one| each(one, folder))?;
    let explained = command.clone().mut_args(|arg| arg.hide_short_help(false));
    let man = Man::new(explained).source(format!("kubectl\\-ds {}", env!("CARGO_PKG_VERSION"))).manual("");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if !shown.is_empty() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(text) = command.get_after_help() {
        examples(&mut page, &text.to_string())?;
    }
    page.extend_from_slice(EXIT_STATUS.as_bytes());
    std::fs::write(folder.join(man.get_filename()), page)
}

/// Line by line, as they are to be pasted.
fn examples(page: &mut Vec<u8>, text: &str) -> io::Result<()> {
    writeln!(page, ".SH EXAMPLES\n.nf")?;
    for line in text.lines().filter(|line| *line != "Examples:") {
        writeln!(page, "{}", escaped(line.strip_prefix("  ").unwrap_or(line)))?;
    }
    writeln!(page, ".fi")
}

fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}
