//! `--from`: reads a saved cluster instead of a live one.
//!
//! Supported are the output of `kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o yaml` (or json),
//! several documents in a file, single objects, the output of `kubectl cluster-info dump`, and the directories and
//! archives of support tools.
//!
//! [`walk`] finds the files, [`archive`] unpacks them, [`documents`] splits a text into objects (JSON by serde, YAML by
//! [`yaml`] and [`scalar`], without the logs that [`dump`] removes), and [`decode`] converts them to types. If a file
//! cannot be read, [`kinds`] determines the kinds whose objects are missing, and [`report`] collects notes. [`save_time`]
//! determines when the cluster was saved. [`demo`] is a sample cluster that is part of the program. The memory is limited
//! to a small multiple of the size of a file.

mod archive;
mod bad_field;
mod decode;
pub(crate) mod demo;
mod documents;
mod dump;
mod event_v1;
mod kind_objects;
mod kinds;
mod objects;
mod read;
mod report;
mod save_time;
mod saved_cluster;
mod scalar;
#[cfg(test)]
mod tests;
mod walk;
pub(super) mod yaml;

pub(crate) use objects::Objects;
pub(crate) use read::read;
pub(crate) use report::HINT;
pub(crate) use saved_cluster::{Detail, SavedObjects};
