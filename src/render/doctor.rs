//! The checks of `doctor` as lines and as a document.

mod report;
mod text;

use std::io::{self, Write};

use super::name_list::ListLength;
use super::style::{Style, Tone};
use super::text::{bounded, sanitize};
use crate::doctor::checks::Check;
use crate::doctor::{CheckStatus, Facts};

pub(crate) use report::Report;

/// The columns of the names of the checks.
const NAME_COLUMNS: usize = 12;

/// Writes one line for each check, and below it what to do about a problem.
pub(crate) fn screen(out: &mut impl Write, facts: &Facts, checks: &[Check<'_>], style: Style) -> io::Result<()> {
    for check in checks {
        let (sign, tone) = sign(check.status);
        let message = text::message(facts, &check.evidence);
        let message = sanitize(&message);
        let name = text::name(&check.evidence);
        writeln!(out, "{} {name:<NAME_COLUMNS$} {}", style.paint(sign, tone), bounded(&message, ListLength::Handful))?;
        if let Some(fix) = text::fix(check) {
            let indent = " ".repeat(NAME_COLUMNS + 3);
            let advice = sanitize(&fix.text);
            writeln!(out, "{indent}{}", bounded(&advice, ListLength::Handful))?;
            for line in fix.lines {
                writeln!(out, "{indent}  {}", style.paint(&line, Tone::Strong))?;
            }
        }
    }
    Ok(())
}

fn sign(status: CheckStatus) -> (&'static str, Tone) {
    match status {
        CheckStatus::Pass => ("✓", Tone::Good),
        CheckStatus::Note => ("!", Tone::Quiet),
        CheckStatus::Warning => ("!", Tone::Warning),
        CheckStatus::Fail => ("✗", Tone::Bad),
        CheckStatus::Unknown => ("?", Tone::Warning),
    }
}
