//! `kubectl ds demo`.

pub(crate) mod args;

use std::process::ExitCode;

use super::print;
use crate::command::args::Global;
use crate::error::Error;
use crate::render::ListLength;
use crate::render::{demo, terminal};

/// Prints the guide to the sample cluster.
pub(crate) fn run(global: &Global) -> Result<ExitCode, Error> {
    print(|out| demo::guide(out, terminal::style(global.color, ListLength::Handful)))?;
    Ok(ExitCode::SUCCESS)
}
