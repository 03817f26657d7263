//! `kubectl ds`: DaemonSets, node by node. Load facts, decide purely, then render.
//!
//! | room | what happens there |
//! |---|---|
//! | [`cli`] | the flags, as clap reads them |
//! | [`command`] | one file a subcommand: load, decide, render |
//! | [`cluster`] | the only rooms that know an API server, or a file that stands for one |
//! | [`snapshot`] | the facts: nodes, pods, DaemonSets, and how they hang together |
//! | [`placement`] | pure: the DaemonSet controller's rule for a node |
//! | [`rollout`] | pure: revisions, the budget, progress and what holds it |
//! | [`cycle`] | pure: which pod to replace next, and when to stop |
//! | [`admission`] | pure: the pod as the API server would make it, and what refuses it |
//! | [`scheduling`] | pure: the scheduler's filters, one file each |
//! | [`explain`] | pure: where a daemon pod stands on its way, and what holds it there |
//! | [`coverage`] | pure: a fold over nodes |
//! | [`render`] | values into text, JSON, YAML; colour; and what makes foreign text safe |
//! | [`program`] | what the program is called |
//! | [`interrupt`] | the signals that end it |
//! | [`activity`] | what it waits for |
//! | [`error`] | the only mapping from a failure to message, hint and exit code |
//!
//! `command` uses every room; `cluster` and the pure rooms use `snapshot`; `render` uses the values of the pure rooms.
//! `cluster` and `render` never meet.

mod activity;
mod admission;
mod check_result;
mod cli;
mod cluster;
mod command;
mod coverage;
mod cycle;
mod error;
mod explain;
mod interrupt;
mod load;
mod placement;
mod program;
mod render;
mod revision;
mod rollout;
mod scheduling;
mod snapshot;

use std::process::ExitCode;

use crate::error::Error;
use crate::interrupt::interruptible;
use crate::render::{progress, terminal};

/// What the work may take of a stack. The first thread of a process has a megabyte on Windows; `why-not`, built without
/// optimisation, takes more.
const STACK: usize = 8 << 20;

/// Runs the program on the arguments of the process.
#[must_use]
pub fn run() -> ExitCode {
    match std::thread::Builder::new().stack_size(STACK).spawn(work) {
        // A panic has said all that there is to say.
        Ok(thread) => thread.join().unwrap_or(ExitCode::FAILURE),
        Err(error) => tell(Err(Error::Output(error))),
    }
}

fn work() -> ExitCode {
    if let Some(zeroth) = std::env::args_os().next() {
        program::take_name(&zeroth);
    }
    if let Some(words) = cli::to_complete() {
        return tell(command::complete::run(&words));
    }
    match cli::parse() {
        Ok(cli) => {
            start_log(cli.global.verbosity);
            finish(dispatch(cli))
        }
        Err(rejection) => rejection,
    }
}

/// The tree of commands, for who writes about them: the man pages are made from it.
#[must_use]
pub fn commands() -> clap::Command {
    // The name of a page is one word.
    cli::tree().display_name(program::USUAL_FILE)
}

/// Does the work, and tells how it ended.
fn finish(work: impl Future<Output = Result<ExitCode, Error>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    tell(match runtime {
        Ok(runtime) => {
            progress::start();
            runtime.block_on(work)
        }
        Err(error) => Err(Error::Output(error)),
    })
}

/// The exit code; and what kept the work from its end.
fn tell(result: Result<ExitCode, Error>) -> ExitCode {
    result.unwrap_or_else(|error| {
        match error {
            // Who interrupts it knows that.
            Error::Interrupted { .. } => terminal::end_line(),
            _ => terminal::error(&error),
        }
        error.exit_code()
    })
}

async fn dispatch(cli: cli::Cli) -> Result<ExitCode, Error> {
    let cli::Cli { command, global } = cli;
    match command {
        cli::Command::Coverage(args) => interruptible(command::coverage::run(*args, global)).await,
        cli::Command::WhyNot(args) => interruptible(command::why_not::run(*args, global)).await,
        cli::Command::Rollout(args) => interruptible(command::rollout::run(args, global)).await,
        // An interruption lets it finish what it has begun.
        cli::Command::Cycle(args) => command::cycle::run(*args, global).await,
        cli::Command::Completion(args) => command::completion::run(&args),
        cli::Command::Version(args) => interruptible(command::version::run(args, global)).await,
    }
}

/// The libraries' own log, on standard error: silent by default, as one of them writes whole answers to it.
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
    // The log has the terminal for itself.
    progress::turn_off();
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(targets).with(log).init();
}
