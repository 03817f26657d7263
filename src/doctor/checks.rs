//! Evaluates the facts.

use super::check_status::CheckStatus;
use super::clock::offset_seconds;
use super::facts::{Configuration, Facts, Failure, FailureKind, Programs};
use super::permissions::{self, CommandPermissions};

/// Whether the project tests with a version of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    Tested,
    NotTested,
    /// An API that the program needs does not exist.
    TooOld,
    UnknownVersion,
}

/// The minor versions of Kubernetes 1 that the live tests run on: `docs/compatibility.md`.
pub(crate) const TESTED: (u32, u32) = (33, 37);
/// `policy/v1` exists since 1.21, and its Eviction since 1.22.
pub(crate) const OLDEST: u32 = 22;

/// One check with its evidence.
#[derive(Debug)]
pub(crate) struct Check<'f> {
    pub(crate) status: CheckStatus,
    pub(crate) evidence: Evidence<'f>,
}

#[derive(Debug)]
pub(crate) enum Evidence<'f> {
    Kubeconfig(Result<&'f Configuration, &'f Failure>),
    ApiServer(Result<(), &'f Failure>),
    Version {
        version: &'f str,
        support: Support,
    },
    /// How many seconds the clock of the server is ahead of this machine's; `None` without a sample.
    Clock(Option<i64>),
    Credentials(Result<Option<&'f str>, &'f Failure>),
    Permissions(CommandPermissions),
    Metrics(Result<bool, &'f Failure>),
    Completion(bool),
    Plugin(&'f Programs),
}

/// The clocks differ by more than this, in seconds: ages are visibly wrong.
const CLOCK_WARNING: u64 = 5;

/// Evaluates the facts.
pub(crate) fn checks(facts: &Facts) -> Vec<Check<'_>> {
    let mut checks = Vec::new();
    let mut add = |status, evidence| checks.push(Check { status, evidence });
    let configuration = facts.configuration.as_ref();
    add(passed(configuration.is_ok()), Evidence::Kubeconfig(configuration));
    if let Some(server) = &facts.server {
        match server {
            Err(failure) if failure.kind == FailureKind::Unauthorized => {
                add(CheckStatus::Pass, Evidence::ApiServer(Ok(())));
                add(CheckStatus::Fail, Evidence::Credentials(Err(failure)));
            }
            _ => add(passed(server.is_ok()), Evidence::ApiServer(server.as_ref().map(|_| ()))),
        }
        if let Ok(server) = server {
            let support = support(server.minor);
            add(status_of(support), Evidence::Version { version: &server.version, support });
            let offset = server.clock.as_ref().map(offset_seconds);
            let status = match offset {
                None => CheckStatus::Unknown,
                Some(offset) if offset.unsigned_abs() > CLOCK_WARNING => CheckStatus::Warning,
                Some(_) => CheckStatus::Pass,
            };
            add(status, Evidence::Clock(offset));
        }
    }
    if let Some(session) = &facts.session {
        let status = match &session.user {
            Ok(Some(_)) => CheckStatus::Pass,
            Err(failure) if failure.kind == FailureKind::Unauthorized => CheckStatus::Fail,
            Ok(None) | Err(_) => CheckStatus::Unknown,
        };
        add(status, Evidence::Credentials(session.user.as_ref().map(Option::as_deref)));
        for command in permissions::evaluate(&session.answers) {
            add(command.status(), Evidence::Permissions(command));
        }
        let status = match session.metrics {
            Ok(true) => CheckStatus::Pass,
            Ok(false) => CheckStatus::Note,
            Err(_) => CheckStatus::Unknown,
        };
        add(status, Evidence::Metrics(session.metrics.as_ref().copied()));
    }
    let noted = |is_fine| if is_fine { CheckStatus::Pass } else { CheckStatus::Note };
    let programs = &facts.programs;
    if let Some(is_installed) = programs.completion {
        add(noted(programs.kubectl && programs.plugin), Evidence::Plugin(programs));
        add(noted(is_installed), Evidence::Completion(is_installed));
    }
    checks
}

/// What the exit code reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    Works,
    Fails,
    Unreachable,
}

/// The conclusion from the facts and their checks.
pub(crate) fn conclusion(facts: &Facts, checks: &[Check<'_>]) -> Conclusion {
    let is_unreachable = match &facts.server {
        None => true,
        Some(Err(failure)) => failure.kind == FailureKind::Unreachable,
        Some(Ok(_)) => false,
    };
    if is_unreachable {
        Conclusion::Unreachable
    } else if checks.iter().any(|check| check.status == CheckStatus::Fail) {
        Conclusion::Fails
    } else {
        Conclusion::Works
    }
}

fn passed(is_passed: bool) -> CheckStatus {
    if is_passed { CheckStatus::Pass } else { CheckStatus::Fail }
}

fn support(minor: Option<(u32, u32)>) -> Support {
    match minor {
        None => Support::UnknownVersion,
        Some((1, minor)) if minor < OLDEST => Support::TooOld,
        Some((1, minor)) if (TESTED.0..=TESTED.1).contains(&minor) => Support::Tested,
        Some(_) => Support::NotTested,
    }
}

fn status_of(support: Support) -> CheckStatus {
    match support {
        Support::Tested => CheckStatus::Pass,
        Support::NotTested => CheckStatus::Warning,
        Support::TooOld => CheckStatus::Fail,
        Support::UnknownVersion => CheckStatus::Unknown,
    }
}
