//! The words of [`Refusal`].

use super::remedy::{Remedy, Target};
use crate::admission::Refusal;
use jiff::Timestamp;

pub(super) fn short(refusal: &Refusal) -> String {
    match *refusal {}
}

pub(super) fn sentence(refusal: &Refusal, _now: Timestamp) -> String {
    match *refusal {}
}

pub(super) fn remedies(refusal: &Refusal, _target: &Target<'_>) -> Vec<Remedy> {
    match *refusal {}
}
