//! The sentences of `rollout pause`, `rollout resume` and `rollout undo`. All of them are safe text.

use crate::render::command_line::CommandLine;
use crate::render::cycle::lock_holder;
use crate::render::remedy::Remedy;
use crate::render::text::{pluralize, sanitize};
use crate::rollout::{ChangeAction, ChangeHalt, ChangeOutcome, ChangePlan, FieldOwner, OwnedField, RevisionName};

/// `revision 27 (6d4c)`.
pub(super) fn revision(name: &RevisionName) -> String {
    format!("revision {} ({})", name.revision, sanitize(&name.hash))
}

/// What an owner of the field will do next.
pub(super) fn owner(owner: &FieldOwner, plan: &ChangePlan) -> String {
    let bad = plan.rollback.as_ref().and_then(|rollback| rollback.from.as_ref());
    let (effect, condition) = match plan.action.field() {
        OwnedField::UpdateStrategy => ("ends the pause", true),
        OwnedField::Template => match bad {
            Some(from) => (&*format!("brings revision {} back, if that is what it contains", from.revision), false),
            None => ("brings the present template back, if that is what it contains", false),
        },
    };
    let if_set = |by: &str| if condition { format!(", if {by} sets updateStrategy") } else { String::new() };
    let text = match owner {
        FieldOwner::Helm { namespace, release } => {
            format!("Helm: the next helm upgrade of release {namespace}/{release} {effect}{}", if_set("the chart"))
        }
        FieldOwner::ArgoCd { application } => format!(
            "Argo CD: the next sync of application {application} {effect}{}; with self-heal, at once",
            if_set("its manifest")
        ),
        FieldOwner::FluxKustomization { namespace, name } => format!(
            "Flux: the next reconciliation of Kustomization {namespace}/{name} {effect}{}; suspend it before",
            if_set("its manifest")
        ),
        FieldOwner::FluxHelmRelease { namespace, name } => format!(
            "Flux: the next upgrade or drift correction of HelmRelease {namespace}/{name} {effect}{}",
            if_set("the chart")
        ),
        FieldOwner::KubectlApply => "kubectl apply: the next apply of the manifest ".to_owned() + effect,
        FieldOwner::ServerSideApply { manager } => {
            format!("server-side apply: the next apply of field manager {manager} {effect}")
        }
    };
    sanitize(&text)
}

/// The question before the change. `nodes`: how many nodes `rollout undo` cycles itself.
pub(crate) fn question(plan: &ChangePlan, nodes: Option<usize>) -> String {
    let name = sanitize(&format!("{}/{}", plan.namespace, plan.name));
    match (plan.action, &plan.rollback) {
        (ChangeAction::Pause, _) => format!("Pause the rolling update of {name}?"),
        (ChangeAction::Resume, _) => format!("Resume the rolling update of {name}?"),
        (ChangeAction::RemoveAnnotation, _) => format!("Remove the annotation of the pause from {name}?"),
        (ChangeAction::Undo, rollback) => {
            let to = rollback.as_ref().map(|rollback| rollback.to.revision).unwrap_or_default();
            let nodes = nodes.filter(|nodes| *nodes > 0);
            let nodes = nodes.map(|nodes| format!(" and replace the pods on {}", pluralize(nodes, "node")));
            format!("Roll back {name} to revision {to}{}?", nodes.unwrap_or_default())
        }
    }
}

/// `daemonset.apps/agent skipped rollback (current template already matches revision 26)`, as kubectl writes it.
fn skipped(name: &str, revision: i64) -> String {
    format!("daemonset.apps/{} skipped rollback (current template already matches revision {revision})", sanitize(name))
}

/// How the command ended.
pub(super) fn message(plan: &ChangePlan, outcome: &ChangeOutcome) -> String {
    let object = format!("daemonset.apps/{}", sanitize(&plan.name));
    match outcome {
        ChangeOutcome::Done => match (plan.action, &plan.rollback) {
            (ChangeAction::Pause, _) => format!("{object} paused: the controller replaces no more pods"),
            (ChangeAction::Resume, _) => format!("{object} resumed"),
            (ChangeAction::RemoveAnnotation, _) => {
                format!("{object} annotation removed: the update strategy is unchanged")
            }
            (ChangeAction::Undo, Some(rollback)) => {
                let (to, number) = (rollback.to.revision, rollback.next_number);
                format!("{object} rolled back to revision {to} (now revision {number})")
            }
            (ChangeAction::Undo, None) => format!("{object} rolled back"),
        },
        ChangeOutcome::Planned => "Dry run: nothing was changed".to_owned(),
        ChangeOutcome::NotNeeded => match (plan.action, &plan.rollback) {
            (ChangeAction::Undo, Some(rollback)) => skipped(&plan.name, rollback.to.revision),
            (ChangeAction::Undo, None) => format!("{object} unchanged"),
            _ => format!("{object} is already paused: the controller replaces no more pods"),
        },
        ChangeOutcome::Declined => "Not confirmed: nothing was changed".to_owned(),
        ChangeOutcome::Halted { halt } => halted(&object, plan, halt),
    }
}

fn halted(object: &str, plan: &ChangePlan, halt: &ChangeHalt) -> String {
    let changed = match plan.action {
        ChangeAction::Pause => "the update strategy is OnDelete, but a sync of the controller may still replace pods",
        ChangeAction::Resume => "the update strategy is restored",
        ChangeAction::RemoveAnnotation => "the annotation is removed",
        ChangeAction::Undo => "the template is rolled back",
    };
    match halt {
        ChangeHalt::Locked { holder, since } => format!("Nothing was changed: {}", lock_holder(holder, *since)),
        ChangeHalt::NotConfirmed { seconds } => format!(
            "{object} not confirmed: the DaemonSet controller has not observed the change within {seconds}s; {changed}"
        ),
        ChangeHalt::Interrupted => "Interrupted: nothing was changed".to_owned(),
        ChangeHalt::InterruptedUnconfirmed => {
            format!("Interrupted before the DaemonSet controller observed the change: {changed}")
        }
    }
}

/// What to run next.
pub(super) fn next(plan: &ChangePlan, outcome: &ChangeOutcome) -> Option<Remedy> {
    let line = |command: &'static str| CommandLine::own_program(command).name(&plan.name).namespace(&plan.namespace);
    match outcome {
        ChangeOutcome::Done | ChangeOutcome::NotNeeded => match plan.action {
            ChangeAction::Pause => Some(Remedy::run("continue later with", [line("rollout resume")])),
            ChangeAction::Resume => Some(Remedy::run("follow the rollout", [line("rollout status")])),
            ChangeAction::Undo if *outcome == ChangeOutcome::Done && !plan.is_on_delete_after() => {
                Some(Remedy::run("follow the rollout", [line("rollout status")]))
            }
            ChangeAction::Undo | ChangeAction::RemoveAnnotation => None,
        },
        ChangeOutcome::Halted { halt: ChangeHalt::Locked { .. } } => {
            Some(Remedy::text_only("wait for it with --wait-for-lock"))
        }
        ChangeOutcome::Halted { halt: ChangeHalt::NotConfirmed { .. } } => Some(Remedy::run(
            "check that kube-controller-manager is running; follow the rollout",
            [line("rollout status").words("--watch=false")],
        )),
        ChangeOutcome::Halted { .. } | ChangeOutcome::Planned | ChangeOutcome::Declined => None,
    }
}
