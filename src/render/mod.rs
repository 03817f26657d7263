//! Values into text, JSON and YAML, written to whatever is given.

mod age;
pub(crate) mod coverage;
#[allow(dead_code)]
mod misfit;
#[allow(dead_code)]
mod preemption;
pub(crate) mod progress;
mod reason;
#[allow(dead_code)]
mod remedy;
pub(crate) mod structured;
mod style;
mod table;
pub(crate) mod terminal;
pub(crate) mod text;
