//! The screens, events and reports of `rollout`.

pub(in crate::render) mod awaiting_deletion;
mod blocker;
pub(crate) mod change;
mod event;
pub(crate) mod history;
mod labels;
mod lock;
pub(in crate::render) mod node_grid;
mod report;
pub(in crate::render) mod screen;
mod strategy_text;
mod summary_table;
mod template_changes;

#[cfg(test)]
mod tests;

pub(crate) use blocker::detail as blocker_detail;
pub(in crate::render) use blocker::remedies as blocker_remedies;
#[cfg(test)]
pub(crate) use event::EventView;
pub(crate) use event::{Ending, Event, WatchEvent, document, in_words as step_in_words, line};
pub(crate) use labels::{WatchProgress, phase_in_short, step_tone};
pub(crate) use lock::{cordons_in_words, lock_in_words};
pub(crate) use report::Report;
pub(crate) use screen::screen;
pub(crate) use summary_table::summary_table;
pub(crate) use template_changes::changes_in_words;
