//! `kubectl ds doctor`.

pub(crate) mod args;

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;

use super::print;
use crate::command::args::{Global, OutputFormat};
use crate::command::doctor::args::DoctorArgs;
use crate::doctor::checks::{Conclusion, checks, conclusion};
use crate::doctor::permissions::Namespaces;
use crate::error::Error;
use crate::load::doctor::facts;
use crate::render::ListLength;
use crate::render::doctor::{Report, screen};
use crate::render::document::{DocumentOptions, Sequence};
use crate::render::terminal;

/// A check must not wait as long as a list of a large cluster may.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs `doctor`.
pub(crate) async fn run(args: DoctorArgs, global: Global) -> Result<ExitCode, Error> {
    if !global.from.is_empty() {
        return Err(Error::Usage {
            message: "--from cannot be combined with doctor, which checks the access to an API server".into(),
            hint: "omit --from".into(),
        });
    }
    let mut options = global.access();
    options.request_timeout = options.request_timeout.or(Some(REQUEST_TIMEOUT));
    let namespaces = if global.all_namespaces { Namespaces::All } else { Namespaces::Selected };
    let facts = facts(&options, namespaces).await;
    let checks = checks(&facts);
    print(|out| match args.output.as_ref().and_then(OutputFormat::document) {
        Some(format) => {
            let report = Report::new(&facts, &checks, Timestamp::now());
            format.write(out, &report, DocumentOptions::new(Sequence::First))
        }
        None => screen(out, &facts, &checks, terminal::style(global.color, ListLength::Handful)),
    })?;
    Ok(match conclusion(&facts, &checks) {
        Conclusion::Works => ExitCode::SUCCESS,
        Conclusion::Fails => ExitCode::from(1),
        Conclusion::Unreachable => ExitCode::from(2),
    })
}
