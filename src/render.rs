//! Turns the results of the other modules into tables, sentences, JSON and YAML.
//!
//! Nothing here reads the cluster or the clock: a caller passes the value and the writer. The text of a cluster is made
//! safe for a terminal in `text`, the commands to paste are built in `command_line`, and colors are chosen in `style`.

mod age;
pub(crate) mod alerts;
pub(crate) mod command_line;
pub(crate) mod commands;
pub(crate) mod coverage;
pub(crate) mod cycle;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod document;
mod finding;

pub(crate) mod live_screen;
pub(crate) mod logs;
mod name_list;
mod output_name;
pub(crate) mod plan;

mod preemption;
pub(crate) mod progress;
mod reason;
mod reason_view;

mod remedy;
pub(crate) mod rollout;
pub(crate) mod structured;
mod style;
mod table;
pub(crate) mod terminal;
mod terminal_size;
pub(crate) mod text;
mod view_options;
pub(crate) mod why_not;

pub(crate) use finding::finding;
pub(crate) use name_list::ListLength;
pub(crate) use output_name::{daemon_set_names, names};
pub(crate) use view_options::ViewOptions;
