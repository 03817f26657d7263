//! The words of [`ResourceMisfit`].

use crate::render::remedy::{Remedy, Target};
use crate::scheduling::ResourceMisfit;

/// The cause without what differs between nodes.
pub(super) fn short(misfit: &ResourceMisfit) -> String {
    match *misfit {}
}

/// The cause with its evidence.
pub(super) fn sentence(misfit: &ResourceMisfit) -> String {
    match *misfit {}
}

/// What to do about it.
pub(super) fn remedies(misfit: &ResourceMisfit, _target: &Target<'_>) -> Vec<Remedy> {
    match *misfit {}
}
