//! `kubectl ds plan apply`.

use std::path::Path;
use std::process::ExitCode;

use super::args::PlanApplyArgs;
use super::view::PlanView;
use crate::cluster::apply::{ApplyMethod, ApplyOptions};
use crate::cluster::file::Detail;
use crate::cluster::kubectl;
use crate::cluster::manifests::{self, Manifest};
use crate::command::args::Global;
use crate::error::Error;
use crate::load::desired::{DesiredObjects, desired};
use crate::load::world::PodExtent;
use crate::load::{Request, Source, open};
use crate::plan::{ClusterChange, ObjectChange};
use crate::render::plan::PlanContext;
use crate::render::terminal;
use crate::render::text::pluralize;

pub(super) async fn run(args: PlanApplyArgs, global: &Global) -> Result<ExitCode, Error> {
    let is_stdin = |path: &Path| path == Path::new("-");
    if args.filename.iter().any(|path| is_stdin(path)) && global.from.iter().any(|path| is_stdin(path)) {
        return Err(Error::Usage {
            message: "-f - and --from - both read standard input".into(),
            hint: "save one of them in a file".into(),
        });
    }
    let manifests = manifests::read(&args.filename, args.recursive)?;
    let mut source = open(&global.from, &global.access(), Detail::Scheduling).await?;
    let options = ApplyOptions {
        access: global.access(),
        server_side: args.server_side,
        field_manager: args.field_manager.clone(),
        force_conflicts: args.force_conflicts,
        kubectl: kubectl::find(),
    };
    let namespace = global.given_namespace().or_else(|| source.default_namespace());
    let request = Request::new(namespace.clone(), Vec::new());
    let (desired, mut world) = match &mut source {
        live @ Source::Live(_) => {
            let asked = live.duplicate();
            tokio::try_join!(desired(&asked, manifests, &options), live.world(&request, &PodExtent::AllNodes))?
        }
        saved @ Source::Saved(_) => {
            let desired = desired(saved, manifests, &options).await?;
            (desired, saved.world(&request, &PodExtent::AllNodes).await?)
        }
    };
    if desired.daemon_sets.is_empty() && desired.others.is_empty() {
        terminal::note("the manifests have no DaemonSet, and nothing else that decides about pods of DaemonSets");
    }
    if desired.ignored > 0 {
        terminal::note(&format!("ignored {} of other kinds", pluralize(desired.ignored, "object")));
    }
    let context = PlanContext { change: None, method: Some(method(&source, &desired)) };
    let change = ClusterChange {
        objects: objects(&desired.others, namespace.as_deref().unwrap_or("default"))?,
        daemon_sets: desired.daemon_sets,
        nodes: Vec::new(),
    };
    desired.assumptions.iter().filter(|_| matches!(source, Source::Live(_))).for_each(|note| terminal::note(note));
    source.create_pods(&mut world, &change).await?;
    PlanView::new(args.view, global).show(&source, world, &change, &context).await
}

/// Who has determined the defaults and the changes of webhooks.
fn method(source: &Source, desired: &DesiredObjects) -> &'static str {
    match (source, desired.method) {
        (_, Some(ApplyMethod::Kubectl)) => "kubectl apply --dry-run=server",
        (_, Some(ApplyMethod::ClientSideApply)) => "the API server, as for kubectl apply --dry-run=server",
        (_, Some(ApplyMethod::ServerSideApply)) => {
            "the API server, as for kubectl apply --server-side --dry-run=server"
        }
        (Source::Live(_) | Source::Saved(_), None) => "own rules; webhooks were not asked",
    }
}

/// The objects of other kinds.
fn objects(manifests: &[Manifest], namespace: &str) -> Result<Vec<ObjectChange>, Error> {
    let of = |manifest: &Manifest| {
        let object = ObjectChange::from_manifest(&manifest.value, namespace)?;
        Some(object.map_err(|error| manifest.error(error.to_string())))
    };
    manifests.iter().filter_map(of).collect()
}
