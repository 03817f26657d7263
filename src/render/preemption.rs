//! stub
use super::remedy::{Remedy, Target};
use crate::scheduling::preemption::Preemption;
pub(super) fn sentence(_: &Preemption) -> String {
    String::new()
}
pub(super) fn remedies(_: &Preemption, _: &Target<'_>) -> Vec<Remedy> {
    Vec::new()
}
