//! The screens, events and reports of `cycle`.

mod event;
mod plan;
mod report;
mod screen;
mod text;

#[cfg(test)]
pub(crate) use event::EventView;
pub(crate) use event::{Event, ReportEvent, document, line};
pub(crate) use plan::{PlanView, plan};
pub(crate) use report::{Report, summary};
pub(crate) use screen::{CycleScreen, RunningHook, screen};
pub(crate) use text::{
    DaemonSetRef, Question, STOPPING, lock_holder, lock_lost, lock_status, pdb_conflict as barrier_in_words, question,
};
