//! What a change of the cluster would do to DaemonSets, before it is made.
//!
//! Input: a [`World`], which is what is known about the cluster, and a [`ClusterChange`]: DaemonSets and other objects as
//! they would be, and changes of nodes. [`plan()`] applies the change (`world`) and then answers with the rules that the
//! rest of the program uses:
//! - `draft` decides for each node what the controller does with the pods there: create, replace, keep, delete.
//! - `competition` finds the pods that want a place on each node; `place` runs the scheduler's filters for them in the order
//!   of priority, and finds what preemption would evict. `around` has what the filters read of other nodes.
//! - `creation` has what the API server rejects, with the quotas for all new pods together.
//! - `forecast` is the rollout: how many pods are replaced, how many at a time, and whether it is blocked.
//! - `findings` lists what may surprise, and `alerts` the alerts of kubernetes-mixin that would fire.
//!
//! The result is a [`Plan`]. What depends on an order that is not specified, or on what could not be read, is an
//! [`Assumption`].
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `manage`, `podsShouldBeOnNode`;
//! `pkg/controller/daemon/update.go` `rollingUpdate`.

mod alerts;
mod around;
mod assumption;
mod competition;
mod counts;
mod creation;
mod draft;
mod finding;
mod findings;
mod finish;
mod forecast;
mod new_pod;
mod objects;
mod place;
mod result;
mod rollout_forecast;
mod world;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::coverage::{Coverage, NodeCoverage, compute_coverage};
use crate::rollout::{Phase, rollout_status};

pub(crate) use assumption::Assumption;
pub(crate) use finding::{Finding, Severity};
pub(crate) use new_pod::{may_create, needs};
pub(crate) use objects::ObjectChange;
pub(crate) use result::{AdmissionForecast, DaemonSetPlan, NodeAction, NodeBefore, NodePlan, ObjectEffect, Plan};
pub(crate) use rollout_forecast::RolloutForecast;
pub(crate) use world::{ClusterChange, DryRun, NodeChange, World};

use draft::Draft;
use result::Before;

/// The plan of a change.
pub(crate) fn plan(mut world: World, change: &ClusterChange) -> Plan {
    let before: HashMap<(String, String), Before> = before(&world);
    let changed = world.apply(change);
    let world = &world;
    let coverages = compute_coverage(&world.snapshot);
    let mut drafts: Vec<Draft<'_>> = coverages
        .iter()
        .map(|coverage| {
            let key = (coverage.namespace().to_owned(), coverage.name().to_owned());
            Draft::new(coverage, world, before.get(&key), &changed)
        })
        .collect();
    let mut assumptions = Vec::new();
    creation::check(world, change, &mut drafts, &mut assumptions);
    competition::settle(world, &mut drafts, &mut assumptions);
    let is_concerned =
        |draft: &Draft<'_>| draft.effect() != ObjectEffect::Unchanged || draft.from.is_some() || draft.has_effect();
    let concerned: Vec<&Draft<'_>> = drafts.iter().filter(|draft| is_concerned(draft)).collect();
    for assumption in concerned.iter().flat_map(|draft| finish::assumptions(draft, world)) {
        if !assumptions.contains(&assumption) {
            assumptions.push(assumption);
        }
    }
    Plan { daemon_sets: concerned.into_iter().map(|draft| finish::finish(draft, world)).collect(), assumptions }
}

fn before(world: &World) -> HashMap<(String, String), Before> {
    let of = |coverage: &Coverage<'_>| {
        let node = |row: &NodeCoverage<'_>| {
            let pod = row.pods.first().map(|pod| pod.metadata.name.clone());
            (row.node.to_owned(), NodeBefore { placement: row.placement, state: row.state, pod })
        };
        let nodes = coverage.rows.iter().map(node).collect();
        let key = (coverage.namespace().to_owned(), coverage.name().to_owned());
        let is_blocked = matches!(rollout_status(coverage, &world.snapshot).phase, Phase::Blocked | Phase::Stuck);
        (key, Before { counts: coverage.counts, is_blocked, nodes })
    };
    compute_coverage(&world.snapshot).iter().map(of).collect()
}
