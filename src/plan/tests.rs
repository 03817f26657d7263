//! Plans on worlds of the tests: what the controller does, what finds a place, and what stops a rollout.
#![allow(clippy::unwrap_used)]

mod fixture;
mod nodes;
mod rollouts;
mod scheduling;
