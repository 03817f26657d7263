//! The words of [`DeviceMisfit`].

use crate::render::remedy::{Remedy, Target};
use crate::scheduling::DeviceMisfit;

/// The cause without what differs between nodes.
pub(super) fn short(misfit: &DeviceMisfit) -> String {
    match *misfit {}
}

/// The cause with its evidence.
pub(super) fn sentence(misfit: &DeviceMisfit) -> String {
    match *misfit {}
}

/// What to do about it.
pub(super) fn remedies(misfit: &DeviceMisfit, _target: &Target<'_>) -> Vec<Remedy> {
    match *misfit {}
}
