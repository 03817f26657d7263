//! The arguments of `rollout pause`, `rollout resume` and `rollout undo`.

use std::time::Duration;

use clap::Args;

use crate::command::args::{OUTPUT, OutputFormat, daemon_set_name, duration, output};
use crate::command::cycle::args::{CycleArgs, DryRun};
use crate::command::lock::args::LockArgs;
use crate::snapshot::DaemonSetName;

/// Stop a rolling update: no more pods are replaced until it is resumed.
///
/// The command switches the update strategy to OnDelete and stores the old strategy in the annotation
/// kubectl-ds/paused-update-strategy. The pod template is not changed, so no revision is created. It then waits until
/// the DaemonSet controller has observed the change: before that, the controller may still replace pods, and the exit
/// code is 1 after --timeout. It does not ask for confirmation. New nodes, and pods that are recreated for another
/// reason, still get the current template. A DaemonSet that is already paused is not changed, and the exit code is 0.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Stop a rolling update
  kubectl ds rollout pause -n kube-system kube-proxy

  # Show what it changes, and which tool may revert it
  kubectl ds rollout pause -n kube-system kube-proxy --dry-run=client

  # Stop a rolling update, replace the pods of one pool, and continue
  kubectl ds rollout pause -n kube-system kube-proxy
  kubectl ds cycle -n kube-system kube-proxy --nodes pool=canary
  kubectl ds rollout resume -n kube-system kube-proxy")]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// Continue a rolling update that was paused with rollout pause.
///
/// The command shows which pods the controller will replace, and asks for confirmation. It then restores the update
/// strategy exactly as it was, and removes the annotation. If the update strategy was changed after the pause, the
/// command keeps it and only removes the annotation.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Show what resuming replaces
  kubectl ds rollout resume -n kube-system kube-proxy --dry-run=client

  # Continue the rolling update
  kubectl ds rollout resume -n kube-system kube-proxy

  # Skip the confirmation prompt, and output a JSON report
  kubectl ds rollout resume -n kube-system kube-proxy --yes -o json")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// The arguments that pause and resume share.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// DaemonSet: NAME, ds/NAME or NAMESPACE/NAME
    #[arg(value_name = "NAME", value_parser = daemon_set_name, required = true)]
    pub(crate) name: Vec<DaemonSetName>,
    /// Exit with code 1 if the controller has not observed the change after this long: 30s, 5m
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s")]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) lock: LockArgs,
    /// Skip the confirmation prompt
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Must be "none", "client" (print the plan only), or "server" (submit a server-side dry-run request)
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    pub(crate) dry_run: Option<DryRun>,
    /// Output format: a report
    #[arg(short, long, value_parser = output::DOCUMENT, value_name = "FORMAT", help_heading = OUTPUT)]
    pub(crate) output: Option<OutputFormat>,
}

/// Roll back to a previous revision: only the nodes that run the current one are changed.
///
/// The command shows what changes in the pod template, the nodes whose pods are replaced, and the tools that may revert
/// the rollback (Helm, GitOps, kubectl apply), and asks for confirmation. It then restores the template as kubectl
/// rollout undo does. Pods that still run the restored revision stay unchanged.
///
/// With the RollingUpdate strategy, the controller replaces the pods, and the command returns when the controller has
/// observed the change. With OnDelete, or while the rollout is paused, the command replaces the pods itself, with the
/// options of kubectl ds cycle, which have no effect otherwise.
#[derive(Debug, Args)]
#[command(mut_arg("all", |all| all.hide(true)))]
#[command(after_help = "\
Examples:
  # Show what a rollback changes
  kubectl ds rollout undo -n logging agent --dry-run=client

  # Roll back to the previous revision
  kubectl ds rollout undo -n logging agent

  # Roll back to revision 3, and show the changes of the pod template as a diff
  kubectl ds rollout undo -n logging agent --to-revision 3 --diff

  # OnDelete: replace the pods of the current revision three at a time
  kubectl ds rollout undo -n gpu-operator driver --max-unavailable 3")]
pub(crate) struct UndoArgs {
    /// The revision to roll back to [default: the previous one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) to_revision: Option<i64>,
    #[command(flatten)]
    pub(crate) cycle: CycleArgs,
}
