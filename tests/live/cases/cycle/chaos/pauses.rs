//! Pauses and resumes at random moments of a rolling update. While it is paused, `cycle` replaces its pods. The DaemonSet
//! controller must delete no pod between the end of `rollout pause` and the start of `rollout resume`.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;

use super::*;

/// How long a pause or a resume may take, with all its retries.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(180);
/// After an outage of the API server, the controller may need as long to observe a change.
const TIMEOUT: &str = "30s";

/// A rolling update that is paused and resumed.
#[derive(Default)]
pub(super) struct PausedRollout {
    /// `spec.updateStrategy` before the first pause.
    strategy: Value,
    /// Since when it is paused; `None` if it is not, or if that is unknown.
    since: Option<Timestamp>,
    /// The times in which it was paused.
    paused: Vec<(Timestamp, Timestamp)>,
}

/// What a round disturbs, and the kubeconfig of its fault proxy.
pub(super) struct Round<'a> {
    pub(super) plane: &'a mut ControlPlane,
    pub(super) rng: &'a mut Rng,
    pub(super) watcher: &'a InvariantWatcher,
    pub(super) tally: &'a mut Tally,
    pub(super) kubeconfig: &'a Path,
}

/// How a command ended.
struct Ended {
    code: Option<i32>,
    output: String,
}

impl PausedRollout {
    /// Makes the DaemonSet a RollingUpdate; its template is not changed yet.
    pub(super) async fn begin(plane: &ControlPlane, budget: usize) -> Result<Self, Failed> {
        let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": budget, "maxSurge": 0}});
        set_strategy(plane, &rolling).await?;
        Ok(Self { strategy: rolling, ..Self::default() })
    }

    pub(super) fn is_paused(&self) -> bool {
        self.since.is_some()
    }

    /// Pauses at a random moment of the rollout.
    pub(super) fn pause_midway(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        std::thread::sleep(Duration::from_millis(round.rng.u64(..3000)));
        self.pause(round)
    }

    /// Runs `rollout pause` until it succeeds.
    pub(super) fn pause(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let deadline = Instant::now() + CHANGE_TIMEOUT;
        let mut last = String::new();
        while Instant::now() < deadline {
            let ended = change(round, "pause", &["--timeout", TIMEOUT, "--wait-for-lock=20s"])?;
            if ended.code == Some(0) {
                self.since.get_or_insert_with(Timestamp::now);
                round.tally.pauses += 1;
                return Ok(());
            }
            last = format!("{:?} {}", ended.code, ended.output);
        }
        Err(failed(format!("rollout pause did not succeed: {last}")))
    }

    /// Runs `rollout resume` once, whatever else runs: while `cycle` has the lock, it changes nothing. If it is not
    /// certain that it resumed the rollout, pauses it again.
    pub(super) fn try_resume(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        self.end_of_pause();
        let ended = change(round, "resume", &["--timeout", TIMEOUT])?;
        match ended.code {
            Some(0) => {
                round.tally.resumes += 1;
                Ok(())
            }
            _ => self.pause(round),
        }
    }

    /// Runs `rollout resume` until it succeeds, and checks the update strategy. Returns violations.
    pub(super) fn finish(mut self, round: &mut Round<'_>) -> Result<Vec<String>, Failed> {
        self.end_of_pause();
        let deadline = Instant::now() + CHANGE_TIMEOUT;
        loop {
            let ended = change(round, "resume", &["--timeout", TIMEOUT, "--wait-for-lock=20s"])?;
            if ended.code == Some(0) || ended.output.contains("is not paused") {
                break;
            }
            ensure(Instant::now() < deadline, || format!("rollout resume did not succeed: {}", ended.output))?;
        }
        round.tally.resumes += 1;
        let live = round.plane.run(async |plane| {
            wait_until("the DaemonSet can be read", async || {
                let sets = Api::<DaemonSet>::namespaced(plane.client(), "chaos");
                let live = sets.get("agent").await.map_err(|error| error.to_string())?;
                serde_json::to_value(live.spec.update_strategy).map_err(|error| error.to_string())
            })
            .await
        })?;
        let mut violations = self.deleted_while_paused(round)?;
        if live != self.strategy {
            violations.push(format!("resume changed the update strategy from {} to {live}", self.strategy));
        }
        Ok(violations)
    }

    fn end_of_pause(&mut self) {
        self.paused.extend(self.since.take().map(|since| (since, Timestamp::now())));
    }

    /// The only pods of their nodes that the controller deleted during a pause. It may still delete the newer of two pods
    /// on a node.
    fn deleted_while_paused(&self, round: &Round<'_>) -> Result<Vec<String>, Failed> {
        let only_pods: BTreeSet<String> = round.watcher.only_pods_removed().into_iter().collect();
        let is_paused = |at: Timestamp| self.paused.iter().any(|(from, to)| (*from..*to).contains(&at));
        let all = deletions(round.plane)?;
        let late = all.iter().filter(|one| one.is_by_controller() && one.is_done());
        let late = late.filter(|one| only_pods.contains(&one.pod) && one.received.is_none_or(is_paused));
        Ok(late.map(|one| format!("the controller deleted {} during a pause: {one:?}", one.pod)).collect())
    }
}

/// Sets the update strategy, and removes what an unfinished pause has left.
pub(super) async fn set_strategy(plane: &ControlPlane, strategy: &Value) -> Result<(), Failed> {
    let mut agent = chaos_scenario(plane).agent();
    agent["spec"]["updateStrategy"] = strategy.clone();
    agent["metadata"]["annotations"] = json!({"kubectl-ds/paused-update-strategy": null});
    plane.merge(&agent).await
}

/// Runs `rollout pause` or `rollout resume` to its end; it may be killed.
fn change(round: &mut Round<'_>, command: &str, options: &[&str]) -> Result<Ended, Failed> {
    let arguments = [&["rollout", command, "agent", "-n", "chaos", "--yes"], options].concat();
    let mut running = RunningProgram::start_with(round.plane, round.kubeconfig, &arguments)?;
    let deadline = Instant::now() + CHANGE_TIMEOUT;
    while !running.has_exited()? {
        ensure(Instant::now() < deadline, || format!("rollout {command} runs: {}", running.stderr()))?;
        disturb(round.plane, round.rng, round.watcher, &running, round.tally)?;
        std::thread::sleep(Duration::from_millis(round.rng.u64(100..800)));
    }
    Ok(Ended { code: running.exit_code()?, output: format!("{}{}", running.stdout(), running.stderr()) })
}
