//! `rollout pause`, `rollout resume` and `rollout undo` on a control plane.
//!
//! `DS_CHANGES=N` sets the number of rounds with random moments, and `DS_CHANGES=N:SEED` the seed too.

mod guards;
mod pause;
mod undo;

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure, failed, json_of, message, wait_until};
use crate::harness::control_plane::{Builder, ControlPlane};
use crate::harness::registry::LiveTest;
use crate::harness::running_program::RunningProgram;
use crate::harness::scenario::{Scenario, all_passed, assert_contains, letter, run_scenario, template_patch};

pub(crate) const TESTS: &[LiveTest] =
    live_tests![paused_rollouts_delete_no_pods, undo_replaces_only_bad_pods, changes_are_guarded];

/// How many rounds run without `DS_CHANGES`.
const ROUNDS: usize = 2;

/// The number of rounds, and the seed.
fn rounds() -> Result<(usize, u64), Failed> {
    let setting = std::env::var("DS_CHANGES").unwrap_or_default();
    let (rounds, seed) = setting.split_once(':').unwrap_or((&setting, "1"));
    let parsed = (if rounds.is_empty() { Ok(ROUNDS) } else { rounds.parse() }, seed.parse());
    match parsed {
        (Ok(rounds), Ok(seed)) => Ok((rounds, seed)),
        _ => Err(failed("DS_CHANGES must be N or N:SEED")),
    }
}

/// A control plane on which no node becomes NotReady, however busy the machine is.
fn patient(ctx: &Ctx) -> Builder {
    ControlPlane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(300))
}

/// Random moments of rollouts with a budget and with a surge.
fn paused_rollouts_delete_no_pods(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).audited().start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "pause-budget", 10, pause::rollouts_with_a_budget),
            run_scenario(plane, "pause-surge", 8, pause::rollouts_with_a_surge),
        ];
        all_passed(all).await
    })
}

/// Rollouts that have reached a random number of nodes.
fn undo_replaces_only_bad_pods(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "undo-rolling", 8, undo::rolling_update),
            run_scenario(plane, "undo-deleted", 8, undo::on_delete),
            run_scenario(plane, "undo-numbers", 2, undo::revisions_are_selected_as_by_kubectl),
        ];
        all_passed(all).await
    })
}

/// The lock, missing permissions, and changes by others.
fn changes_are_guarded(ctx: &Ctx) -> Result<(), Failed> {
    patient(ctx).start()?.run(async |plane| {
        let all = [
            run_scenario(plane, "guard-lock", 3, guards::cycle_holds_the_lock),
            run_scenario(plane, "guard-watch", 3, guards::paused_rollouts_end_a_watch),
            run_scenario(plane, "guard-rights", 2, guards::permissions_are_checked_first),
            run_scenario(plane, "guard-race", 2, guards::changed_between_plan_and_patch),
            run_scenario(plane, "guard-resume", 2, guards::changed_strategy_is_kept),
            run_scenario(plane, "guard-repeat", 2, guards::rejections_change_nothing),
        ];
        all_passed(all).await
    })
}

fn sets(scenario: &Scenario<'_>) -> Api<DaemonSet> {
    Api::namespaced(scenario.plane.client(), scenario.name)
}

async fn agent(scenario: &Scenario<'_>) -> Result<DaemonSet, Failed> {
    sets(scenario).get("agent").await.map_err(failed)
}

/// Starts a subcommand of `rollout`.
fn start(scenario: &Scenario<'_>, command: &str, arguments: &[&str]) -> Result<RunningProgram, Failed> {
    RunningProgram::start(scenario.plane, &[&["rollout", command, "agent", "-n", scenario.name], arguments].concat())
}

/// Runs a subcommand of `rollout` to its end with exit code 0, and returns its report.
fn report(scenario: &Scenario<'_>, command: &str, arguments: &[&str]) -> Result<Value, Failed> {
    let line = [&["rollout", command, "agent", "-n", scenario.name, "-o", "json"], arguments].concat();
    json_of(&scenario.plane.ds(&line))
}

#[derive(Deserialize)]
struct RawObject<'t> {
    #[serde(borrow)]
    spec: RawSpec<'t>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpec<'t> {
    #[serde(borrow)]
    update_strategy: &'t RawValue,
}

/// `spec.updateStrategy`, byte for byte as the API server returns it.
async fn strategy_bytes(scenario: &Scenario<'_>) -> Result<String, Failed> {
    let path = format!("/apis/apps/v1/namespaces/{}/daemonsets/agent", scenario.name);
    let request = http::Request::get(path).body(Vec::new()).map_err(failed)?;
    let text = scenario.plane.client().request_text(request).await.map_err(failed)?;
    let object: RawObject<'_> = serde_json::from_str(&text).map_err(failed)?;
    Ok(object.spec.update_strategy.get().to_owned())
}

/// The names and numbers of the revisions.
async fn revisions(scenario: &Scenario<'_>) -> Result<BTreeMap<String, i64>, Failed> {
    let all: Api<ControllerRevision> = Api::namespaced(scenario.plane.client(), scenario.name);
    let all = all.list(&Default::default()).await.map_err(failed)?.items;
    Ok(all.iter().map(|one| (one.name_any(), one.revision.unwrap_or_default())).collect())
}

/// Makes the controller sync the DaemonSet once more, and waits until it has: each change of the spec has a generation
/// of its own, which the controller writes to the status at the end of a sync.
async fn until_synced_again(scenario: &Scenario<'_>) -> Result<(), Failed> {
    let limit = agent(scenario).await?.spec.revision_history_limit.unwrap_or(10);
    scenario.patch_spec(&json!({"revisionHistoryLimit": limit + 1})).await?;
    until_observed(scenario).await
}

async fn until_observed(scenario: &Scenario<'_>) -> Result<(), Failed> {
    wait_until("the controller has observed the spec", async || {
        let agent = agent(scenario).await.map_err(message)?;
        let observed = agent.status.and_then(|status| status.observed_generation).unwrap_or_default();
        if Some(observed) >= agent.metadata.generation { Ok(()) } else { Err(format!("{observed}")) }
    })
    .await
}

/// The pods that are not terminating: node → (uid, image).
async fn pods(scenario: &Scenario<'_>) -> Result<BTreeMap<String, (String, String)>, Failed> {
    let live = scenario.pods().await?.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let entry = |pod: k8s_openapi::api::core::v1::Pod| {
        let uid = pod.uid().unwrap_or_default();
        let spec = pod.spec.unwrap_or_default();
        let image = spec.containers.first().and_then(|one| one.image.clone()).unwrap_or_default();
        (spec.node_name.unwrap_or_default(), (uid, image))
    };
    Ok(live.map(entry).collect())
}

/// Waits until every node has an available pod of this image and nothing else.
async fn until_all_run(scenario: &Scenario<'_>, image: &str) -> Result<(), Failed> {
    wait_until(&format!("every node runs {image}"), async || {
        let all = scenario.pods().await.map_err(message)?;
        let live = pods(scenario).await.map_err(message)?;
        let status = agent(scenario).await.map_err(message)?.status.unwrap_or_default();
        let are_new = live.len() == scenario.nodes && live.values().all(|(_, is)| is == image);
        let is_available = usize::try_from(status.number_available.unwrap_or_default()) == Ok(scenario.nodes)
            && usize::try_from(status.updated_number_scheduled.unwrap_or_default()) == Ok(scenario.nodes);
        if are_new && is_available && all.len() == scenario.nodes {
            Ok(())
        } else {
            Err(format!("{live:?} {status:?}"))
        }
    })
    .await
}
