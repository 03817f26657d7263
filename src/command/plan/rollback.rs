//! `kubectl ds plan rollback`.

use std::process::ExitCode;

use super::args::PlanRollbackArgs;
use super::view::PlanView;
use crate::cluster::file::{self, Detail};
use crate::command::args::Global;
use crate::command::args::names::only_name;
use crate::command::rollout::undo::no_target;
use crate::error::Error;
use crate::load::world::PodExtent;
use crate::load::{Request, open};
use crate::plan::{ClusterChange, World};
use crate::render::plan::PlanContext;
use crate::render::text::sanitize;
use crate::rollout::{History, RollbackTarget, roll_back, rollback_target};
use crate::snapshot::DaemonSetName;

pub(super) async fn run(args: PlanRollbackArgs, global: &Global) -> Result<ExitCode, Error> {
    let name = only_name(args.name, "plan rollback")?;
    let mut source = open(&global.from, &global.access(), Detail::Scheduling).await?;
    let request = Request::new(global.namespace_or(source.default_namespace()), vec![name]);
    let world = source.world(&request, &PodExtent::AllNodes).await?;
    let name = request.names.first().cloned().unwrap_or_else(|| DaemonSetName { namespace: None, name: String::new() });
    let (change, revision) = change(&world, &name, args.to_revision.filter(|number| *number > 0))?;
    let context =
        PlanContext { change: Some(format!("Rollback of {} to revision {revision}", full_name(&name))), method: None };
    PlanView::new(args.view, global).show(&source, world, &change, &context).await
}

fn full_name(name: &DaemonSetName) -> String {
    sanitize(&match &name.namespace {
        Some(namespace) => format!("{namespace}/{}", name.name),
        None => name.name.clone(),
    })
}

/// The DaemonSet with the template of the revision, and the number of the revision.
fn change(world: &World, name: &DaemonSetName, to_revision: Option<i64>) -> Result<(ClusterChange, i64), Error> {
    let is_it = |daemon_set: &&k8s_openapi::api::apps::v1::DaemonSet| {
        let namespace = &daemon_set.metadata.namespace;
        daemon_set.metadata.name.as_ref() == Some(&name.name)
            && name.namespace.as_ref().is_none_or(|wanted| namespace.as_ref() == Some(wanted))
    };
    let daemon_set = world.snapshot.daemon_sets.iter().find(is_it).ok_or_else(|| Error::NotFound {
        message: format!("DaemonSet {:?} not found", full_name(name)),
        hint: "list the DaemonSets: kubectl get daemonsets -A".into(),
    })?;
    let history = History::new(daemon_set, &world.snapshot).map_err(|why| Error::NotFound {
        message: format!("cannot plan a rollback of {}: {why}", full_name(name)),
        hint: file::HINT.into(),
    })?;
    let target = rollback_target(&history, to_revision).map_err(|why| no_target(&history, why))?;
    let revision = match target {
        RollbackTarget::Revision(revision) | RollbackTarget::AlreadyCurrent(revision) => revision,
    };
    let mut changed = daemon_set.clone();
    roll_back(&mut changed, revision.data()).ok_or_else(|| Error::NotFound {
        message: format!("the template of revision {} of {} is not valid", revision.number, full_name(name)),
        hint: "select another one with --to-revision".into(),
    })?;
    Ok((ClusterChange { daemon_sets: vec![changed], ..ClusterChange::default() }, revision.number))
}
