//! The words of [`SpreadMisfit`].

use crate::render::remedy::{Remedy, Target};
use crate::scheduling::SpreadMisfit;

/// The cause without what differs between nodes.
pub(super) fn short(misfit: &SpreadMisfit) -> String {
    match *misfit {}
}

/// The cause with its evidence.
pub(super) fn sentence(misfit: &SpreadMisfit) -> String {
    match *misfit {}
}

/// What to do about it.
pub(super) fn remedies(misfit: &SpreadMisfit, _target: &Target<'_>) -> Vec<Remedy> {
    match *misfit {}
}
