//! Values into text, JSON and YAML, written to whatever is given.

mod age;
pub(crate) mod command_line;
pub(crate) mod coverage;
pub(crate) mod cycle;

mod name_list;
mod output_name;

mod preemption;
pub(crate) mod progress;
mod reason;

mod remedy;
pub(crate) mod rollout;
pub(crate) mod structured;
mod style;
mod table;
pub(crate) mod terminal;
mod terminal_size;
pub(crate) mod text;
pub(crate) mod why_not;

pub(crate) use name_list::ListLength;
pub(crate) use output_name::names;
