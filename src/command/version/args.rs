//! The arguments of `version`.

use clap::Args;

use crate::command::args::{OUTPUT, OutputFormat, output};

/// Print the client and server version information.
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// If true, show the client version only (no server required)
    #[arg(long)]
    pub(crate) client: bool,
    /// Output format
    #[arg(short, long, value_parser = output::DOCUMENT, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
}
