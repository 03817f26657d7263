//! The real program against a real control plane: `cargo test --test live`.
//!
//! The plane's programs come from `tests/control-plane/build.sh`, or from the folder that
//! `DS_CONTROL_PLANE` names. Without them every test here is shown as ignored; with `CI=true`
//! that is a failure.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these are tests"
)]

mod admission;
mod agreement;
mod client;
mod counts;
mod credentials;
mod cycle;
mod daemon_sets;
mod decoders;
mod explained;
mod history;
mod hold;
mod layout;
mod mistakes;
mod neighbours;
mod oracle;
mod plane;
mod ports;
mod process;
mod proxy;
mod reference;
mod remedies;
mod rest;
mod rights;
mod roles;
mod rollout;
mod saved;
mod scenarios;
mod scene;
mod ship;
mod states;
mod terminal;
mod volumes;
mod watching;
mod world;
mod yaml;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// What every test gets.
pub(crate) struct Ctx {
    /// The folder with the control plane's programs.
    pub(crate) programs: PathBuf,
}

/// A test that is there once.
type Plain = fn(&Ctx) -> Result<(), Failed>;

/// Any test.
type Test = Box<dyn FnOnce(&Ctx) -> Result<(), Failed> + Send>;

/// Every test by name.
fn registry() -> Vec<(String, Test)> {
    let single: Vec<(&str, Plain)> = vec![
        ("agreement::differences_are_seen", agreement::differences_are_seen),
        ("agreement::messages_are_understood", agreement::messages_are_understood),
        ("yaml::odd_strings_are_read_back", yaml::odd_strings_are_read_back),
        ("plane::starts_and_stops", plane_starts_and_stops),
        ("admission::refused_for_real", admission::refused_for_real),
        ("admission::held_for_real", admission::held_for_real),
        ("admission::made_for_real", admission::made_for_real),
        ("credentials::equal_kubectl", credentials::equal_kubectl),
        ("credentials::password_in_a_plain_url", credentials::password_in_a_plain_url),
        ("cycle::fleets", cycle::fleets),
        ("cycle::orders_and_ends", cycle::orders_and_ends),
        ("cycle::interruptions", cycle::interruptions),
        ("cycle::dead_nodes", cycle::dead_nodes),
        ("cycle::locks", cycle::locks),
        ("cycle::suspends", cycle::suspends),
        ("cycle::hangups", cycle::hangups),
        ("cycle::outlives_the_api_server", cycle::outlives_the_api_server),
        ("cycle::pairs_with_a_lock_keep_the_budget", cycle::pairs::with_a_lock_keep_the_budget),
        ("cycle::pairs_without_a_lock_exceed_the_budget", cycle::pairs::without_a_lock_exceed_the_budget),
        ("cycle::chaos", cycle::chaos::breaks_nothing),
        ("cycle::needs_rights", cycle::rights::are_needed),
        ("decoders::proxy_passes_on", decoders::proxy_passes_on),
        ("decoders::coverage_is_the_same", decoders::coverage_is_the_same),
        ("history::agrees_with_kubectl", history::agrees_with_kubectl),
        ("mistakes::are_told_in_two_lines", mistakes::are_told_in_two_lines),
        ("remedies::let_the_pod_land", remedies::let_the_pod_land),
        ("remedies::lines_are_found", remedies::lines_are_found),
        ("neighbours::told_by_the_scheduler", neighbours::told_by_the_scheduler),
        ("rights::users_differ", rights::users_differ),
        ("rights::coverage_says_what_it_may_not_read", rights::coverage_says_what_it_may_not_read),
        ("rights::the_log_holds_no_token", rights::the_log_holds_no_token),
        ("roles::are_what_is_asked_for", roles::are_what_is_asked_for),
        ("rollout::follows_to_the_end", rollout::follows_to_the_end),
        ("rollout::names_a_bad_image", rollout::names_a_bad_image),
        (
            "rollout::waits_for_deletion_and_sees_the_daemon_set_go",
            rollout::waits_for_deletion_and_sees_the_daemon_set_go,
        ),
        ("saved::events_explain_what_they_explain_live", saved::events_explain_what_they_explain_live),
        ("scenarios::on_dead_nodes", scenarios::on_dead_nodes),
        ("scenarios::side_by_side", scenarios::side_by_side),
        ("scenarios::two_hundred_nodes_at_once", scenarios::two_hundred_nodes_at_once),
        ("scenarios::outlives_the_api_server", scenarios::outlives_the_api_server),
        ("ship::krew_installs_it", ship::krew_installs_it),
        ("states::made_for_real", states::made_for_real),
        ("states::told_by_coverage", states::told_by_coverage),
        ("terminal::shows_what_holds_a_rollout", terminal::shows_what_holds_a_rollout),
        ("volumes::refusals_are_explained", volumes::refusals_are_explained),
        ("watching::follows_what_happens", watching::follows_what_happens),
        ("watching::outlives_the_api_server", watching::outlives_the_api_server),
    ];
    let mut tests: Vec<(String, Test)> = Vec::new();
    for (name, test) in single {
        tests.push((name.into(), Box::new(test)));
    }
    for seed in counts::seeds(counts::SEEDS) {
        let run = move |ctx: &Ctx| counts::equal_status(ctx, seed);
        tests.push((format!("{}::seed_{seed}", counts::TEST), Box::new(run)));
    }
    for seed in counts::seeds(agreement::SEEDS) {
        let run = move |ctx: &Ctx| agreement::agrees_with_the_scheduler(ctx, seed);
        tests.push((format!("{}::seed_{seed}", agreement::TEST), Box::new(run)));
    }
    tests
}

fn plane_starts_and_stops(ctx: &Ctx) -> Result<(), Failed> {
    let plane = plane::Plane::builder(&ctx.programs).start()?;
    eprintln!("started in {:?}", plane.started());
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "hold") {
        return match hold::hold(&words[1..]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("{}", failure.message().unwrap_or("failed"));
                ExitCode::FAILURE
            }
        };
    }
    let mut arguments = Arguments::from_args();
    // A plane keeps more than one core busy.
    arguments.test_threads.get_or_insert(2);
    let programs = plane::Plane::programs().map(|programs| Arc::new(Ctx { programs }));
    let must_run = std::env::var("CI").is_ok_and(|value| value == "true");
    let trials = registry()
        .into_iter()
        .map(|(name, test)| match &programs {
            Ok(ctx) => {
                let ctx = Arc::clone(ctx);
                Trial::test(name, move || test(&ctx))
            }
            Err(reason) => {
                let reason = reason.clone();
                Trial::ignorable_test(name, move || {
                    if must_run { Err(Failed::from(reason)) } else { Ok(Completion::ignored_with(reason)) }
                })
            }
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
