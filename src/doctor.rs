//! Pure: whether the program can work with a cluster. [`Facts`] are what was read from the kubeconfig, the API server and
//! this machine; [`checks`](checks::checks) evaluates them, one [`Check`](checks::Check) for each.
//!
//! [`permissions`] has what each command needs, from the table in [`permissions_table`], and [`clock`] compares the clocks.

mod check_status;
pub(crate) mod checks;
pub(crate) mod clock;
mod command_rules;
mod facts;
pub(crate) mod permissions;
mod permissions_table;
#[cfg(test)]
mod tests;

pub(crate) use check_status::CheckStatus;
pub(crate) use command_rules::Necessity;
pub(crate) use facts::{Configuration, Facts, Failure, FailureKind, Programs, Server, Session};
