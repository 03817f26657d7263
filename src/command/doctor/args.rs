//! The arguments of `doctor`.

use clap::Args;

use crate::command::args::{OUTPUT, OutputFormat, output};

/// Check the access to the cluster: connection, version, clock, permissions.
///
/// Prints one line for each check, and what to do about a problem. The checks of permissions are for the selected
/// namespace, or for all namespaces with -A. Nothing in the cluster is changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Check the current context
  kubectl ds doctor

  # Check the permissions in all namespaces, as another user
  kubectl ds doctor -A --as jane

  # List the commands that lack permissions
  kubectl ds doctor -o json | jq -r '.checks[] | select(.missing) | .command'

Exit codes: 0 no check fails, 1 a check fails, 2 the cluster cannot be reached")]
pub(crate) struct DoctorArgs {
    /// Output format
    #[arg(short, long, value_parser = output::DOCUMENT, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
}
