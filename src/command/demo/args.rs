//! The arguments of `demo`.

use clap::Args;

/// Show commands to try on a sample cluster, without a cluster of your own.
///
/// The sample cluster is part of the program: --from demo reads it, with every command. A file named demo in the working
/// directory has precedence.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Print a guide with commands to paste
  kubectl ds demo

  # Show the DaemonSets of the sample cluster
  kubectl ds coverage --from demo")]
pub(crate) struct DemoArgs {}
