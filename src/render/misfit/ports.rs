//! The words of [`PortMisfit`].

use crate::render::remedy::{Remedy, Target};
use crate::scheduling::PortMisfit;

/// The cause without what differs between nodes.
pub(super) fn short(misfit: &PortMisfit) -> String {
    match *misfit {}
}

/// The cause with its evidence.
pub(super) fn sentence(misfit: &PortMisfit) -> String {
    match *misfit {}
}

/// What to do about it.
pub(super) fn remedies(misfit: &PortMisfit, _target: &Target<'_>) -> Vec<Remedy> {
    match *misfit {}
}
