//! The words of what a scheduler's filter refuses. Not made safe yet: that is for the caller, once for all.

mod affinity;
mod devices;
mod holders;
mod ports;
mod resources;
mod spread;
mod volumes;

pub(super) use holders::{name, patch_line, some_of};

use super::reason::{obstacle_in_full, obstacle_in_short};
use super::remedy::{Remedy, Target};
use crate::scheduling::Misfit;

/// The cause without what differs between nodes, so that equal causes read equal.
pub(super) fn short(misfit: &Misfit) -> String {
    match misfit {
        Misfit::SchedulingGates { .. } => "a scheduling gate is not lifted".into(),
        Misfit::NodeUnschedulable => "the node is cordoned".into(),
        Misfit::NodeDeclaredFeatures { features } => format!("the node lacks features: {}", features.join(", ")),
        Misfit::Placed(obstacle) => obstacle_in_short(obstacle),
        Misfit::Ports(misfit) => ports::short(misfit),
        Misfit::Resources(misfit) => resources::short(misfit),
        Misfit::Volumes(misfit) => volumes::short(misfit),
        Misfit::Affinity(misfit) => affinity::short(misfit),
        Misfit::Spread(misfit) => spread::short(misfit),
        Misfit::Devices(misfit) => devices::short(misfit),
    }
}

/// The cause with its evidence.
pub(super) fn sentence(misfit: &Misfit) -> String {
    match misfit {
        Misfit::SchedulingGates { gates } => format!("held by the scheduling gates {}", gates.join(", ")),
        Misfit::NodeUnschedulable => "the node is cordoned, and the pod does not tolerate that".into(),
        Misfit::NodeDeclaredFeatures { .. } => short(misfit),
        Misfit::Placed(obstacle) => obstacle_in_full(obstacle),
        Misfit::Ports(misfit) => ports::sentence(misfit),
        Misfit::Resources(misfit) => resources::sentence(misfit),
        Misfit::Volumes(misfit) => volumes::sentence(misfit),
        Misfit::Affinity(misfit) => affinity::sentence(misfit),
        Misfit::Spread(misfit) => spread::sentence(misfit),
        Misfit::Devices(misfit) => devices::sentence(misfit),
    }
}

/// What to do about it.
pub(super) fn remedies(misfit: &Misfit, target: &Target<'_>) -> Vec<Remedy> {
    match misfit {
        Misfit::SchedulingGates { .. } => {
            vec![Remedy::say("the controller that set the gates has to lift them: look at its log")]
        }
        Misfit::NodeUnschedulable | Misfit::NodeDeclaredFeatures { .. } | Misfit::Placed(_) => Vec::new(),
        Misfit::Ports(misfit) => ports::remedies(misfit, target),
        Misfit::Resources(misfit) => resources::remedies(misfit, target),
        Misfit::Volumes(misfit) => volumes::remedies(misfit, target),
        Misfit::Affinity(misfit) => affinity::remedies(misfit, target),
        Misfit::Spread(misfit) => spread::remedies(misfit, target),
        Misfit::Devices(misfit) => devices::remedies(misfit, target),
    }
}
