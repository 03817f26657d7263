//! Values into text, JSON and YAML, written to whatever is given.

mod age;
pub(crate) mod coverage;
pub(crate) mod progress;
mod reason;
pub(crate) mod structured;
mod style;
mod table;
pub(crate) mod terminal;
pub(crate) mod text;
