//! The screens of `rollout`.

pub(crate) mod history;
