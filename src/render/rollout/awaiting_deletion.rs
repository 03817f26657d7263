//! How to replace the outdated pods of a DaemonSet with the update strategy `OnDelete`.

use super::labels::is_paused;
use crate::render::command_line::CommandLine;
use crate::render::remedy::Remedy;
use crate::rollout::{Blocker, FaultDomain, NodeStep, ProblemType, RolloutStatus};

/// The remedies, the best one first.
pub(crate) fn remedies(rollout_status: &RolloutStatus<'_>) -> Vec<Remedy> {
    let is_bad = |blocker: &Blocker<'_>| {
        blocker.problem.problem_type == ProblemType::NewPod && blocker.problem.fault() == FaultDomain::Pod
    };
    if rollout_status.blockers.iter().any(is_bad) {
        // The next pod would fail as well, and one that works would be gone.
        return vec![Remedy::text_only("delete no old pod before the new pods work")];
    }
    let metadata = &rollout_status.daemon_set.metadata;
    let (namespace, name) = (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref());
    if is_paused(rollout_status) {
        let resume = CommandLine::own_program("rollout resume").name(name.unwrap_or_default()).namespace(namespace);
        return vec![Remedy::run("continue the rolling update", [resume])];
    }
    let cycle = CommandLine::own_program("cycle").name(name.unwrap_or_default()).namespace(namespace);
    let cycle = Remedy::run("replace the outdated pods node by node, within a budget", [cycle]);
    let first = rollout_status.nodes.iter().find(|progress| progress.step == NodeStep::Outdated);
    let one = first.and_then(|progress| progress.row.pods.first()).map(|pod| {
        let line = CommandLine::in_namespace(namespace, "delete pod").name(&pod.metadata.name);
        Remedy::run("or delete one old pod at a time, and wait until its replacement is available", [line])
    });
    [cycle].into_iter().chain(one).collect()
}
