//! `kubectl ds`: inspect and roll out DaemonSets node by node. A command loads a snapshot of the cluster, computes a
//! result from it in pure functions, and renders the result.
//!
//! | module | purpose |
//! |---|---|
//! | [`cli`] | the command tree and its parsing |
//! | [`command`] | the subcommands, one folder each: arguments, options, load, compute, render |
//! | [`load`] | from a cluster or a saved file to a snapshot |
//! | [`cluster`] | the only module that reads an API server or a saved cluster |
//! | [`snapshot`] | the objects that a command works on: nodes, pods, DaemonSets and their relations |
//! | [`placement`] | pure: the DaemonSet controller's rule for which nodes are eligible |
//! | [`revision`] | pure: which revision a pod runs |
//! | [`check_result`] | pure: the result of a check: Pass, Fail, Unknown |
//! | [`rollout`] | pure: the budget, progress and blockers |
//! | [`logs`] | pure: which logs of daemon pods to read, and how a log continues |
//! | [`alerts`] | pure: which alerts of kubernetes-mixin are active, and why |
//! | [`plan`] | pure: what a change of the cluster would do, before it is made |
//! | [`cycle`] | pure: which pod to replace next, and when to stop |
//! | [`admission`] | pure: the pod that the API server would create, and what rejects it |
//! | [`scheduling`] | pure: the scheduler's filters, one file each |
//! | [`explain`] | pure: the stage that a DaemonSet pod has reached, and what blocks it there |
//! | [`coverage`] | pure: the state of each node, and the counts |
//! | [`doctor`] | pure: whether the program can work with a cluster |
//! | [`jsonpath`] | pure: the values that a JSONPath template of kubectl selects in a document |
//! | [`render`] | values to text, JSON and YAML; color; sanitizing of untrusted text |
//! | [`program`] | the name of the program |
//! | [`interrupt`] | the signals that end the program |
//! | [`activity`] | what the program is waiting for |
//! | [`error`] | the only mapping from a failure to a message, a hint and an exit code |
//!
//! `command` uses every module; `cluster` and the pure modules use `snapshot`; `render` uses the values of the pure
//! modules. `cluster` and `render` do not use each other.
//!
//! Paths of upstream sources in comments refer to Kubernetes v1.36.

mod activity;
mod admission;
mod alerts;
mod change;
mod check_result;
mod cli;
mod cluster;
mod command;
mod coverage;
mod cycle;
mod doctor;
mod error;
mod explain;
mod interrupt;
mod jsonpath;
mod load;
mod logs;
mod placement;
mod plan;
mod process;
mod program;
mod render;
mod revision;
mod rollout;
mod scheduling;
mod snapshot;
#[cfg(test)]
mod testing;

use std::process::ExitCode;

use crate::error::Error;
use crate::interrupt::interruptible;
use crate::render::{live_screen, progress, terminal};

/// Runs the program on the arguments of the process.
#[must_use]
pub fn run() -> ExitCode {
    match std::thread::Builder::new().stack_size(program::STACK).spawn(run_program) {
        // The panic handler has already printed the message.
        Ok(thread) => thread.join().unwrap_or(ExitCode::FAILURE),
        Err(error) => report(Err(Error::Output(error))),
    }
}

fn run_program() -> ExitCode {
    if let Some(zeroth) = std::env::args_os().next() {
        program::take_name(&zeroth);
    }
    if let Some(words) = cli::to_complete() {
        return report(command::complete::run(cli::tree(), &words));
    }
    match cli::parse() {
        Ok(cli) => {
            start_log(cli.global.verbosity);
            finish(dispatch(cli))
        }
        Err(rejection) => rejection,
    }
}

/// The clap command tree, used to generate the man pages.
#[must_use]
pub fn commands() -> clap::Command {
    // The name of a man page must be one word.
    cli::tree().display_name(program::USUAL_FILE)
}

/// Runs the command and reports its result.
fn finish(work: impl Future<Output = Result<ExitCode, Error>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    report(match runtime {
        Ok(runtime) => {
            progress::start();
            let result = runtime.block_on(work);
            live_screen::leave();
            result
        }
        Err(error) => Err(Error::Output(error)),
    })
}

/// Prints the error, if any, and returns the exit code.
fn report(result: Result<ExitCode, Error>) -> ExitCode {
    result.unwrap_or_else(|error| {
        match error {
            // No message: the user pressed Ctrl-C.
            Error::Interrupted { .. } => terminal::end_line(),
            _ => terminal::error(&error),
        }
        error.exit_code()
    })
}

async fn dispatch(cli: cli::Cli) -> Result<ExitCode, Error> {
    let cli::Cli { command, global } = cli;
    let Some(command) = command else {
        return interruptible(command::attention::run(global)).await;
    };
    match command {
        cli::Command::Coverage(args) => interruptible(command::coverage::run(*args, global)).await,
        cli::Command::WhyNot(args) => interruptible(command::why_not::run(*args, global)).await,
        cli::Command::Rollout(args) => command::rollout::run(args, global).await,
        // It handles signals itself, to finish the nodes in progress.
        cli::Command::Cycle(args) => command::cycle::run(*args, global).await,
        cli::Command::Plan(args) => interruptible(command::plan::run(args, global)).await,
        cli::Command::Logs(args) => interruptible(command::logs::run(*args, global)).await,
        cli::Command::Exec(args) => interruptible(command::exec::run(args, global)).await,
        cli::Command::Alerts(args) => interruptible(command::alerts::run(args, global)).await,
        cli::Command::Completion(args) => command::completion::run(&args),
        cli::Command::Demo(_) => command::demo::run(&global),
        cli::Command::Doctor(args) => interruptible(command::doctor::run(args, global)).await,
        cli::Command::Version(args) => interruptible(command::version::run(args, global)).await,
    }
}

/// Logs the libraries' events to standard error. Off by default, because kube logs whole response bodies.
fn start_log(verbosity: u8) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    let targets = match verbosity {
        0..=5 => return,
        6..=8 => Targets::new().with_target("kube_client", LevelFilter::DEBUG),
        _ => {
            Targets::new().with_target("kube_client", LevelFilter::TRACE).with_target("hyper_util", LevelFilter::DEBUG)
        }
    };
    // The progress line and the log would overwrite each other.
    progress::turn_off();
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(targets).with(log).init();
}
