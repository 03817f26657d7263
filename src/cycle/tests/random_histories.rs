//! Property tests of the invariants of a run, over random histories of the cluster, of the requests and of the process.
//! A failure shows the seed of its history.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use fastrand::Rng;
use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

/// A removal that was sent and has not arrived.
struct InFlight {
    uid: String,
    /// When it arrives; `None` for never.
    arrives: Option<i64>,
    target: String,
    outdated_uids: BTreeSet<String>,
    budget: usize,
    /// More nodes were unavailable than the budget allows, so the pod must be unavailable when the removal arrives.
    is_beyond: bool,
    /// The precondition: the pod has not changed.
    unchanged: Option<String>,
    all: bool,
    /// Nothing else has changed the cluster since it was sent.
    is_calm: bool,
}

/// A hook that is running.
struct RunningHook {
    start: HookStart,
    /// When it ends.
    ends: i64,
    is_failure: bool,
}

struct History {
    rng: Rng,
    hooks: Vec<RunningHook>,
    /// The nodes that the current run has cordoned.
    cordoned: BTreeSet<String>,
    /// The nodes on which the hook before the removal has succeeded in the current run.
    prepared: BTreeSet<String>,
    completed: usize,
    /// Nothing but the run changes the cluster, and no hook fails.
    is_calm: bool,
    cluster: Cluster,
    policy: Policy,
    run: Run,
    /// The uids of the pods when the plan was made, for `--all`.
    planned: BTreeSet<String>,
    in_flight: Vec<InFlight>,
    removed: usize,
    /// The most removals of one step.
    most_at_once: usize,
    /// The cluster according to the watch events so far. It may be outdated.
    seen: Cluster,
}

impl History {
    fn begin(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut cluster = Cluster::new(rng.usize(1..9));
        cluster.tolerates_all = rng.bool();
        cluster.min_ready_seconds = *pick(&mut rng, &[0, 0, 3]);
        cluster.behavior =
            pick(&mut rng, &[Health::From(1), Health::From(4), Health::From(4), Health::Unready]).clone();
        let budgets = ["1", "1", "2", "3", "34%"];
        let policy = Policy {
            all: rng.u8(..4) == 0,
            max_unavailable: pick(&mut rng, &budgets).parse().unwrap(),
            order: pick(&mut rng, &[Order::Name, Order::Oldest]).clone(),
            canary: (rng.u8(..3) == 0).then(|| rng.usize(1..4)),
            soak: rng.bool().then(|| SignedDuration::from_secs(6)),
            min_ready: SignedDuration::from_secs(*pick(&mut rng, &[0, 0, 4])),
            node_timeout: SignedDuration::from_secs(*pick(&mut rng, &[15, 60])),
            max_failures: rng.usize(..3),
            include_not_ready: rng.u8(..4) == 0,
            steps: Steps { before: rng.u8(..3) == 0, after: rng.u8(..3) == 0, cordon: rng.u8(..3) == 0 },
            ..default_policy()
        };
        if policy.all && rng.bool() {
            cluster.strategy = "RollingUpdate";
        }
        let run = begin(&cluster, &policy);
        let planned = cluster.pods.iter().map(|pod| pod.uid.clone()).collect();
        let seen = cluster.clone();
        let (hooks, cordoned, completed, is_calm) = (Vec::new(), BTreeSet::new(), 0, false);
        Self {
            prepared: BTreeSet::new(),
            rng,
            hooks,
            cordoned,
            completed,
            is_calm,
            cluster,
            policy,
            run,
            planned,
            in_flight: Vec::new(),
            removed: 0,
            most_at_once: 0,
            seen,
        }
    }

    /// A random change that the run does not cause.
    fn disturb(&mut self) {
        if self.is_calm || self.rng.u8(..4) != 0 || self.cluster.nodes.is_empty() {
            return;
        }
        self.in_flight.iter_mut().for_each(|one| one.is_calm = false);
        let index = self.rng.usize(..self.cluster.nodes.len());
        let name = self.cluster.nodes[index].name.clone();
        let pods = self.cluster.pods.len();
        match self.rng.u8(..11) {
            0 | 1 => self.cluster.nodes[index].ready ^= true,
            2 => self.cluster.nodes[index].tainted ^= true,
            3 => drop(self.cluster.nodes.remove(index)),
            4 => self.cluster.join(&format!("{name}-{}", self.cluster.clock)),
            5 if pods > 0 => {
                let uid = self.cluster.pods[self.rng.usize(..pods)].uid.clone();
                self.cluster.delete(&uid);
            }
            6 if pods > 0 => self.cluster.pods[self.rng.usize(..pods)].health = Health::Unready,
            7 if pods > 0 => self.cluster.pods[self.rng.usize(..pods)].health = Health::From(0),
            8 if pods > 0 => {
                let owner = *pick(&mut self.rng, &[None, Some("another"), Some("u")]);
                self.cluster.pods[self.rng.usize(..pods)].owner = owner;
            }
            9 if self.rng.u8(..4) == 0 => self.cluster.change_template("newer"),
            10 => self.cluster.behavior = Health::From(2),
            _ => {}
        }
    }

    /// The process is killed and started again.
    fn start_again(&mut self) {
        let can_plan = self.cluster.observation(|observation| plan(observation, &self.policy).is_some());
        if can_plan == Some(true) {
            self.run = begin(&self.cluster, &self.policy);
            // What the killed process knew is lost, and its hooks are ended.
            (self.hooks, self.cordoned, self.prepared) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
            self.planned = self.cluster.pods.iter().map(|pod| pod.uid.clone()).collect();
            self.in_flight.iter_mut().for_each(|one| one.is_calm = false);
        }
    }

    /// Sends the removals of one step. Each may be lost or late, whatever happens to the others.
    fn send(&mut self, removals: Vec<Removal>) -> Result<(), String> {
        let nodes: BTreeSet<&str> = removals.iter().map(|removal| removal.node.as_str()).collect();
        if removals.is_empty() || nodes.len() < removals.len() {
            return Err(format!("not a set of nodes: {removals:?}"));
        }
        if let Some(hook) = self.hooks.iter().find(|hook| nodes.contains(hook.start.node.as_str())) {
            return Err(format!("a removal while a hook runs: {:?}", hook.start));
        }
        if self.policy.steps.prepares() && !nodes.iter().all(|node| self.prepared.contains(*node)) {
            return Err(format!("a removal without what precedes it: {removals:?}"));
        }
        self.most_at_once = self.most_at_once.max(removals.len());
        for removal in removals {
            self.send_one(removal);
        }
        Ok(())
    }

    /// Starts hooks. Each ends at a random time.
    fn start_hooks(&mut self, starts: Vec<HookStart>) -> Result<(), String> {
        for start in starts {
            if self.hooks.iter().any(|hook| hook.start.node == start.node) {
                return Err(format!("two hooks on one node: {start:?}"));
            }
            let is_new =
                self.cluster.pods.iter().any(|pod| pod.uid == start.pod.uid && pod.revision == self.run.target());
            if start.point == HookPoint::After && !is_new {
                return Err(format!("a hook for the new pod without a new pod: {start:?}"));
            }
            if start.point == HookPoint::Before && start.cordons {
                self.set_cordon(&start.node, true);
                self.cordoned.insert(start.node.clone());
            }
            let ends = self.cluster.clock + self.rng.i64(..8);
            self.hooks.push(RunningHook { start, ends, is_failure: !self.is_calm && self.rng.u8(..10) == 0 });
        }
        Ok(())
    }

    fn end_hooks(&mut self) {
        let clock = self.cluster.clock;
        let (ended, running) = std::mem::take(&mut self.hooks).into_iter().partition(|hook| hook.ends <= clock);
        self.hooks = running;
        for RunningHook { start, is_failure, .. } in Vec::from_iter::<Vec<RunningHook>>(ended) {
            let ended = if is_failure { Err("no".to_owned()) } else { Ok(()) };
            if start.point == HookPoint::Before && !is_failure {
                self.prepared.insert(start.node.clone());
            }
            if start.point == HookPoint::After && !is_failure {
                self.completed += 1;
                if start.cordons {
                    self.set_cordon(&start.node, false);
                    self.cordoned.remove(&start.node);
                }
            }
            self.run.end_hook(&start.node, start.point, ended, self.cluster.now());
        }
    }

    fn set_cordon(&mut self, name: &str, cordoned: bool) {
        if let Some(node) = self.cluster.nodes.iter_mut().find(|node| node.name == name) {
            node.cordoned = cordoned;
        }
    }

    /// What the program does when a run has ended.
    fn uncordon_idle_nodes(&mut self) {
        let is_own = |node: &&str| self.cordoned.contains(*node);
        let idle: Vec<String> = self.run.left_cordoned().filter(is_own).map(str::to_owned).collect();
        for node in &idle {
            self.set_cordon(node, false);
        }
        self.hooks.clear();
    }

    fn send_one(&mut self, Removal { node, pod, unchanged }: Removal) {
        self.run.begin(&node, &pod, self.cluster.now());
        let arrives = match self.rng.u8(..8) {
            0 => None,
            1 => Some(self.cluster.clock + self.rng.i64(1..6)),
            _ => Some(self.cluster.clock),
        };
        let desired = self.cluster.nodes.iter().filter(|node| self.cluster.is_eligible(node)).count();
        let budget = self.policy.max_unavailable.resolve(desired);
        self.in_flight.push(InFlight {
            uid: pod.uid,
            arrives,
            target: self.run.target().to_owned(),
            outdated_uids: self.planned.clone(),
            budget,
            is_beyond: self.cluster.unavailable().len() > budget,
            unchanged,
            all: self.policy.all,
            is_calm: true,
        });
    }

    /// Applies the removals that arrive now, and checks the invariants.
    fn arrive(&mut self) -> Result<(), String> {
        let clock = self.cluster.clock;
        let (mut now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.in_flight)
            .into_iter()
            .filter(|one| one.arrives.is_some())
            .partition(|one| one.arrives <= Some(clock));
        self.in_flight = later;
        self.rng.shuffle(&mut now);
        // A removal of an earlier run, or from before a change, is itself a change that the run does not cause.
        let is_calm = now.iter().all(|one| one.is_calm);
        if !is_calm {
            self.in_flight.iter_mut().for_each(|one| one.is_calm = false);
        }
        for mut one in now {
            one.is_calm &= is_calm;
            let before = self.cluster.unavailable().len();
            let Some(pod) = self.cluster.pods.iter().find(|pod| pod.uid == one.uid && pod.deleted.is_none()).cloned()
            else {
                continue;
            };
            if one.unchanged.as_ref().is_some_and(|seen| *seen != self.cluster.version(&pod)) {
                continue;
            }
            if one.is_beyond && self.cluster.is_available(&pod) {
                return Err(format!("over the budget, a pod that recovered: {pod:?}"));
            }
            self.removed += 1;
            self.cluster.delete(&one.uid);
            let after = self.cluster.unavailable().len();
            let is_outdated = pod.revision != one.target || (one.all && one.outdated_uids.contains(&pod.uid));
            let last_reported = format!("{before} -> {after} unavailable, budget {}, {pod:?}", one.budget);
            if !is_outdated {
                return Err(format!("a pod that is not to be replaced: {last_reported}"));
            }
            if one.is_calm && pod.owner != Some("u") {
                return Err(format!("a pod of another owner: {last_reported}"));
            }
            if one.is_calm && after > before.max(one.budget) {
                return Err(format!("over the budget: {last_reported}"));
            }
            if one.is_calm && self.cluster.revision != one.target {
                return Err(format!("for a template that is not current: {last_reported}"));
            }
        }
        Ok(())
    }

    /// Watch events are late: the state may be outdated, and the time is the current one. The run may only wait.
    fn observe_changes(&mut self) -> Result<(), String> {
        match self.rng.bool() {
            true => self.seen = self.cluster.clone(),
            false => self.seen.clock = self.cluster.clock,
        }
        let before = Summary::new(&self.run);
        let (step, news) = self.seen.next_by_changes(&mut self.run);
        if !matches!(step, Action::Wait { .. } | Action::Relist) {
            return Err(format!("decided by changes alone: {step:?}"));
        }
        if news.iter().any(NodeEvent::is_final) || Summary::new(&self.run).failed > before.failed {
            return Err(format!("finished by changes alone: {news:?}"));
        }
        Ok(())
    }

    fn play(&mut self, seconds: usize) -> Result<Option<Action>, String> {
        for _ in 0..seconds {
            self.observe_changes()?;
            for _ in 0..20 {
                match self.cluster.next(&mut self.run).0 {
                    Action::Replace(removals) => self.send(removals)?,
                    Action::StartHooks(starts) => {
                        self.start_hooks(starts)?;
                        continue;
                    }
                    Action::Ask => self.run.resume(),
                    Action::Wait { .. } => break,
                    end => {
                        self.uncordon_idle_nodes();
                        return Ok(Some(end));
                    }
                }
                self.arrive()?;
                // Let time pass while a request is in flight.
                if !self.in_flight.is_empty() {
                    break;
                }
            }
            self.disturb();
            self.end_hooks();
            self.arrive()?;
            self.cluster.tick();
            if !self.is_calm && self.rng.u8(..40) == 0 {
                self.start_again();
            }
        }
        Ok(None)
    }
}

fn pick<'a, T>(rng: &mut Rng, some: &'a [T]) -> &'a T {
    &some[rng.usize(..some.len())]
}

/// The number of random histories; `DS_HISTORIES` changes it.
fn cases() -> u32 {
    std::env::var("DS_HISTORIES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60)
}

/// Plays a history, and then runs again until all is done. Returns the nodes that stay cordoned.
fn cordoned_after_repeated_runs(seed: u64) -> Result<Vec<String>, String> {
    let mut history = History::begin(seed);
    history.policy.steps.cordon = true;
    history.start_again();
    history.play(30)?;
    // The cluster recovers, and nothing else disturbs the next runs.
    history.is_calm = true;
    history.cluster.behavior = Health::From(2);
    for node in &mut history.cluster.nodes {
        (node.ready, node.tainted) = (true, false);
    }
    history.policy.max_failures = usize::MAX;
    history.policy.canary = None;
    for _ in 0..6 {
        let clock = history.cluster.clock;
        for pod in history.cluster.pods.iter_mut().filter(|pod| pod.deleted.is_none()) {
            (pod.health, pod.owner) = (Health::From(clock), Some("u"));
        }
        history.start_again();
        history.play(120)?;
    }
    Ok(history.cluster.nodes.iter().filter(|node| node.cordoned).map(|node| node.name.clone()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn random_histories_break_no_invariant(seed in any::<u64>()) {
        let played = History::begin(seed).play(90);
        prop_assert!(played.is_ok(), "{}", played.unwrap_err());
    }

    #[test]
    fn undisturbed_run_replaces_every_pod_within_the_budget(nodes in 1usize..12, budget in 1usize..5, all: bool) {
        let mut cluster = Cluster::new(nodes);
        let policy = Policy { max_unavailable: budget.to_string().parse().unwrap(), all, ..default_policy() };
        let mut run = begin(&cluster, &policy);
        prop_assert_eq!(drive(&mut cluster, &mut run, 200), Action::Finish);
        prop_assert!(cluster.pods.iter().all(|pod| pod.revision == "new"));
        prop_assert_eq!(cluster.count, 2 * nodes);
    }
}

proptest! {
    // Each of these histories is several runs long.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases().div_ceil(4)) })]

    #[test]
    fn repeated_runs_leave_no_node_cordoned(seed in any::<u64>()) {
        let cordoned = cordoned_after_repeated_runs(seed);
        prop_assert_eq!(cordoned, Ok(Vec::new()));
    }
}

#[test]
fn random_histories_cover_all_outcomes() {
    let (mut removed, mut most_at_once, mut completed, mut played) = (0, 0, 0, Vec::new());
    for seed in 0..60 {
        let mut history = History::begin(seed);
        played.push(history.play(90).unwrap());
        removed += history.removed;
        most_at_once = most_at_once.max(history.most_at_once);
        completed += history.completed;
    }
    assert!(removed > 100 && most_at_once >= 3, "{removed}, at most {most_at_once} at once");
    assert!(completed > 20, "{completed}");
    let ended = |name: &str| played.iter().filter(|end| format!("{end:?}").contains(name)).count();
    for end in ["Finish", "TooManyFailures", "TemplateChanged", "None"] {
        assert!(ended(end) > 0, "no history ends with {end}: {played:?}");
    }
}
