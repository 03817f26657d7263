//! What the terminal supports, and the only functions that write errors, notes and questions.

use std::io::{self, IsTerminal, Write};

use super::live_screen;
use super::name_list::ListLength;
use super::progress;
use super::style::{Palette, Style};
use super::terminal_size::size;
use super::text::{bounded, sanitize};
use crate::error::Error;

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ColorChoice {
    /// When writing to a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The environment variables that decide about colors.
#[derive(Clone, Debug, Default)]
struct ColorVariables {
    no_color: Option<String>,
    force_color: Option<String>,
    clicolor_force: Option<String>,
    clicolor: Option<String>,
    term: Option<String>,
    colorterm: Option<String>,
    theme: Option<String>,
}

impl ColorVariables {
    fn read() -> Self {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            no_color: read("NO_COLOR"),
            force_color: read("FORCE_COLOR"),
            clicolor_force: read("CLICOLOR_FORCE"),
            clicolor: read("CLICOLOR"),
            term: read("TERM"),
            colorterm: read("COLORTERM"),
            theme: read(THEME),
        }
    }

    /// The colors for output that goes to a terminal or not. `--color` precedes `NO_COLOR`, which precedes `FORCE_COLOR` and
    /// `CLICOLOR_FORCE`.
    fn palette(&self, choice: ColorChoice, is_terminal: bool) -> Palette {
        let is = |variable: &Option<String>, value: &str| variable.as_deref() == Some(value);
        let is_forced = |variable: &Option<String>| variable.is_some() && !is(variable, "0");
        let with_color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if self.no_color.is_some() => false,
            ColorChoice::Auto if is_forced(&self.force_color) || is_forced(&self.clicolor_force) => true,
            ColorChoice::Auto => is_terminal && !is(&self.term, "dumb") && !is(&self.clicolor, "0"),
        };
        match with_color {
            false => Palette::None,
            true if is(&self.theme, "terminal") => Palette::Terminal,
            true if is(&self.colorterm, "truecolor") || is(&self.colorterm, "24bit") => Palette::TrueColor,
            true => Palette::Indexed,
        }
    }
}

/// The environment variable with the color theme: `terminal` for the 16 colors of the terminal's own theme.
pub(crate) const THEME: &str = "KUBECTL_DS_THEME";

pub(crate) fn style(choice: ColorChoice, names: ListLength) -> Style {
    let is_terminal = io::stdout().is_terminal();
    let palette = ColorVariables::read().palette(choice, is_terminal);
    let size = is_terminal.then(size);
    let height = size.map(|(_, lines)| lines).filter(|_| !live_screen::is_browsing());
    Style { palette, width: size.map(|(columns, _)| columns), height, names }
}

pub(crate) fn note(text: &str) {
    write_to_stderr(&format!("note: {}\n", bounded(&sanitize(text), ListLength::Handful)));
}

/// Writes a question to standard error, and leaves the cursor behind it.
pub(crate) fn ask(question: &str) {
    write_to_stderr(&format!("{} [y/N] ", bounded(&sanitize(question), ListLength::Handful)));
}

/// Writes an error and its hint to standard error.
pub(crate) fn error(error: &Error) {
    write_to_stderr(&format!("error: {}\n", bounded(&sanitize(&error.to_string()), ListLength::Handful)));
    match error.hint() {
        hint if hint.is_empty() => {}
        hint => write_to_stderr(&format!("hint: {}\n", bounded(&sanitize(&hint), ListLength::Handful))),
    }
}

/// Ends the line on which a terminal shows `^C`, so that the next output starts on its own line.
pub(crate) fn end_line() {
    live_screen::leave();
    if io::stderr().is_terminal() {
        write_to_stderr("\n");
    }
}

/// Ignores errors: if standard error is closed, they cannot be reported.
fn write_to_stderr(text: &str) {
    live_screen::leave();
    progress::clear();
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_follow_the_flag_and_the_variables() {
        let some = |text: &str| Some(text.to_owned());
        let none = ColorVariables::default;
        let plain = Palette::Indexed;
        for (variables, choice, is_terminal, expected) in [
            (none(), ColorChoice::Auto, true, plain),
            (none(), ColorChoice::Auto, false, Palette::None),
            (none(), ColorChoice::Always, false, plain),
            (none(), ColorChoice::Never, true, Palette::None),
            (ColorVariables { no_color: some("1"), ..none() }, ColorChoice::Auto, true, Palette::None),
            (ColorVariables { no_color: some("1"), ..none() }, ColorChoice::Always, true, plain),
            (ColorVariables { force_color: some("1"), ..none() }, ColorChoice::Auto, false, plain),
            (ColorVariables { clicolor_force: some("1"), ..none() }, ColorChoice::Auto, false, plain),
            (ColorVariables { force_color: some("0"), ..none() }, ColorChoice::Auto, false, Palette::None),
            (
                ColorVariables { force_color: some("1"), no_color: some("1"), ..none() },
                ColorChoice::Auto,
                true,
                Palette::None,
            ),
            (ColorVariables { clicolor: some("0"), ..none() }, ColorChoice::Auto, true, Palette::None),
            (ColorVariables { term: some("dumb"), ..none() }, ColorChoice::Auto, true, Palette::None),
            (ColorVariables { colorterm: some("truecolor"), ..none() }, ColorChoice::Auto, true, Palette::TrueColor),
            (
                ColorVariables { colorterm: some("truecolor"), theme: some("terminal"), ..none() },
                ColorChoice::Auto,
                true,
                Palette::Terminal,
            ),
        ] {
            assert_eq!(variables.palette(choice, is_terminal), expected, "{variables:?} {choice:?} {is_terminal}");
        }
    }
}
