//! What the command lines of `rollout pause`, `rollout resume` and `rollout undo` mean.

use std::time::Duration;

use super::change::args::ChangeArgs;
use crate::command::args::names::only_name;
use crate::command::args::{Global, OutputFormat};
use crate::command::cycle::args::DryRun;
use crate::cycle::LockWait;
use crate::error::Error;
use crate::load::{Request, Source};
use crate::render::terminal::ColorChoice;
use crate::snapshot::DaemonSetName;

/// The options of a change.
pub(super) struct ChangeOptions {
    pub(super) mode: ChangeMode,
    /// What to do while another command holds the lock; `None` with `--no-lock`.
    pub(super) lock: Option<LockWait>,
    /// How long to wait until the controller observes the change.
    pub(super) timeout: Duration,
    pub(super) output: Option<OutputFormat>,
    pub(super) color: ColorChoice,
}

/// What to execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeMode {
    /// Print the plan only.
    Plan,
    /// Submit a server-side dry-run request.
    ServerDryRun,
    /// Make the change, after a confirmation.
    Execute {
        /// `--yes`.
        confirmed: bool,
    },
}

impl ChangeMode {
    pub(super) fn new(dry_run: Option<DryRun>, confirmed: bool) -> Self {
        match dry_run {
            Some(DryRun::Client) => Self::Plan,
            Some(DryRun::Server) => Self::ServerDryRun,
            Some(DryRun::None) | None => Self::Execute { confirmed },
        }
    }

    /// # Errors
    /// A saved cluster cannot be changed.
    pub(super) fn check(self, source: &Source) -> Result<(), Error> {
        match source {
            Source::Saved(_) if self != Self::Plan => Err(Error::Usage {
                message: "cannot change a saved cluster".into(),
                hint: "pass --dry-run=client to print the plan only".into(),
            }),
            Source::Saved(_) | Source::Live(_) => Ok(()),
        }
    }
}

/// The request for the one DaemonSet of a command.
///
/// # Errors
/// There are several names, or `--all-namespaces`.
pub(super) fn request(
    names: Vec<DaemonSetName>,
    command: &'static str,
    global: &Global,
    source: &Source,
) -> Result<Request, Error> {
    global.check_one_daemon_set(command)?;
    let name = only_name(names, command)?;
    Ok(Request::new(global.namespace_or(source.default_namespace()), vec![name]))
}

impl ChangeOptions {
    pub(super) fn from_args(args: &ChangeArgs, global: &Global) -> Self {
        Self {
            mode: ChangeMode::new(args.dry_run, args.yes),
            lock: args.lock.wait(),
            timeout: args.timeout,
            output: args.output.clone(),
            color: global.color,
        }
    }
}
