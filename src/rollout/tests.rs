//! Tests of the status of a rollout.

use super::*;

mod edge_cases;
mod problems;
