//! The words of [`AffinityMisfit`].

use crate::render::remedy::{Remedy, Target};
use crate::scheduling::AffinityMisfit;

/// The cause without what differs between nodes.
pub(super) fn short(misfit: &AffinityMisfit) -> String {
    match *misfit {}
}

/// The cause with its evidence.
pub(super) fn sentence(misfit: &AffinityMisfit) -> String {
    match *misfit {}
}

/// What to do about it.
pub(super) fn remedies(misfit: &AffinityMisfit, _target: &Target<'_>) -> Vec<Remedy> {
    match *misfit {}
}
