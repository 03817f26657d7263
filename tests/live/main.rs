//! The real program against a real control plane: `cargo test --test live`.
//!
//! [`harness`] starts control planes and the program, waits, and builds objects; [`cases`] holds the tests. A test is a
//! function `fn(&Ctx) -> Result<(), Failed>` that the `TESTS` of its module names. Its path is the one of the module:
//! `cargo test --test live -- cycle::pairs` runs the tests of `cases/cycle/pairs.rs`.
//!
//! `cargo test --test live -- playground` starts a control plane to try things on, see [`harness::playground`].
//!
//! | environment variable | meaning | default |
//! |---|---|---|
//! | `DS_CONTROL_PLANE` | directory with the programs of a control plane | `target/control-plane` |
//! | `DS_KREW` | directory with the programs that `packaging` needs | `target/krew` |
//! | `DS_ALERT_RULES` | directory with the program that `alerts` needs | `target/alert-rules` |
//! | `DS_SEEDS` | seeds of `status_counts` and `agreement`: `7`, `1,5,9` or `100..110` | 1 and 2 |
//! | `DS_TRIES` | number of pairs of runs in `cycle::pairs` | 4 |
//! | `DS_CHAOS` | `SEED:N`, the seed and the number of cycles of `cycle::chaos` | `1:4` |
//! | `DS_CHANGES` | `N` or `N:SEED`, the number of rounds of `rollout_change`, and the seed | `2:1` |
//! | `DS_SILENCE` | seconds without a heartbeat until a node of the `playground` is NotReady | 40 |
//! | `CI` | `true`: a test without its programs fails | the test is shown as ignored |
//!
//! `build.sh` in `tests/control-plane`, `tests/krew` and `tests/alert-rules` build the programs in the default directories.
//! `DS_LINES`, which `tests/cli/injection.rs` reads, has no effect here.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these are tests"
)]

#[macro_use]
mod harness;
mod cases;
#[path = "../support/json_schemas.rs"]
mod json_schemas;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use harness::control_plane::ControlPlane;
use harness::playground;

/// The context of every test.
pub(crate) struct Ctx {
    /// The directory with the programs of the control plane.
    pub(crate) programs: PathBuf,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == "playground") {
        return match playground::run(&arguments[1..]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("{}", failure.message().unwrap_or("failed"));
                ExitCode::FAILURE
            }
        };
    }
    let mut arguments = Arguments::from_args();
    // A control plane keeps more than one core busy.
    arguments.test_threads.get_or_insert(2);
    let ctx = ControlPlane::programs().map(|programs| Arc::new(Ctx { programs }));
    let must_run = std::env::var("CI").is_ok_and(|value| value == "true");
    let trials = cases::all()
        .into_iter()
        .map(|(path, test)| match &ctx {
            Ok(ctx) => {
                let ctx = Arc::clone(ctx);
                Trial::test(path, move || test(&ctx))
            }
            Err(reason) => {
                let reason = reason.clone();
                Trial::ignorable_test(path, move || {
                    if must_run { Err(Failed::from(reason)) } else { Ok(Completion::ignored_with(reason)) }
                })
            }
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
