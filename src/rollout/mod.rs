//! A rollout as the controller sees it: revisions, the budget and who spends it, what holds it, and how fast it goes.

mod budget;
mod crash_loop;
mod events;
mod headway;
mod history;
mod hold;
mod pace;
mod refused;
mod revision;
mod revision_source;
mod site;
mod standing;
mod stuck;
mod surge_ports;
mod trouble;

#[cfg(test)]
mod causes;
#[cfg(test)]
mod edge_cases;
#[cfg(test)]
mod world;

pub(crate) use budget::{Strategy, resolve};
pub(crate) use events::{Change, ChangeKind, Record, changes};
pub(crate) use headway::{Headway, Mark, revision_number};
pub(crate) use history::{Between, Gone, History, Revision};
pub(crate) use hold::{Cause, Fault, Hold};
pub(crate) use pace::{Pace, pace};
pub(crate) use revision::{CurrentRevision, is_current, revision_of};
pub(crate) use revision_source::RevisionSource;
pub(crate) use standing::{Phase, Progress, Spender, Spending, Standing, Step, event_query, standing};
