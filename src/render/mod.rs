//! Values into text, JSON and YAML, written to whatever is given.

mod age;
pub(crate) mod coverage;
mod reason;
pub(crate) mod structured;
mod style;
mod table;
pub(crate) mod terminal;
pub(crate) mod text;
