//! The screens, the lines and the documents of `cycle`.

mod event;
mod plan;
mod report;
mod screen;
mod words;

pub(crate) use event::{Event, Told, json_line, line, yaml};
pub(crate) use plan::{PlanView, plan};
pub(crate) use report::{Report, summary};
pub(crate) use screen::{Picture, screen};
pub(crate) use words::{Place, STOPPING, barrier as barrier_in_words, lock_lost, question};
