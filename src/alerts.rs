//! The alerts of kubernetes-mixin about DaemonSets: their names, durations and expressions.

mod alert;

pub(crate) use alert::Alert;
