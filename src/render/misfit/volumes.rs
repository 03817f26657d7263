//! The words of [`VolumeMisfit`].

use crate::render::remedy::{Remedy, Target};
use crate::scheduling::VolumeMisfit;

/// The cause without what differs between nodes.
pub(super) fn short(misfit: &VolumeMisfit) -> String {
    match *misfit {}
}

/// The cause with its evidence.
pub(super) fn sentence(misfit: &VolumeMisfit) -> String {
    match *misfit {}
}

/// What to do about it.
pub(super) fn remedies(misfit: &VolumeMisfit, _target: &Target<'_>) -> Vec<Remedy> {
    match *misfit {}
}
