//! Two concurrent runs on one DaemonSet, with different orders and nodes, and started at the same time or one after the
//! other. With the lock they never exceed the budget; without it they do, which proves that the test detects it.
//!
//! `DS_TRIES=N` runs N pairs.

use fastrand::Rng;

use super::lock::is_released;
use super::*;

pub(crate) const TESTS: &[LiveTest] = live_tests![locked_runs_keep_the_budget, unlocked_runs_exceed_the_budget];

/// How many pairs run without `DS_TRIES`.
const TRIES: usize = 4;
/// The scenarios that run in parallel; each runs its pairs one after the other.
const LANES: [&str; 4] = ["pair-one", "pair-two", "pair-three", "pair-four"];
const NODES: usize = 5;

/// Whether the runs use the lock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Locking {
    On,
    Off,
}

/// Two runs.
#[derive(Debug)]
struct Pair {
    first: Vec<String>,
    second: Vec<String>,
    /// How much later the second run starts.
    delay: Duration,
    budget: usize,
    /// New pods take three seconds, so that both runs wait for the same change.
    is_slow: bool,
    /// With --all, up-to-date pods may be removed.
    is_restart: bool,
}

impl Pair {
    fn random(rng: &mut Rng, lane: &str, locking: Locking) -> Self {
        let node_sets: [fn(usize) -> bool; 4] = [|_| true, |_| true, |index| index < 4, |index| index >= 1];
        let is_restart = rng.u8(..4) == 0;
        let budget = if rng.u8(..4) == 0 { 2 } else { 1 };
        // Without a lock two runs with the same order would choose the same nodes, so the orders must be opposite.
        let orders = match (locking, rng.bool()) {
            (Locking::On, true) => ["name", "oldest"],
            _ => ["name", "zone=rank"],
        };
        let mut run = |order: &str| {
            let mut arguments: Vec<String> = vec!["--order".into(), order.into(), "--max-unavailable".into()];
            arguments.push(budget.to_string());
            let selects = rng.choice(&node_sets).copied().unwrap_or(|_| true);
            let selects_all = (0..NODES).all(selects);
            let selected = (0..NODES).filter(|index| !selects_all && selects(*index));
            selected.for_each(|index| arguments.extend(["--node".into(), format!("{lane}-{}", letter(index))]));
            if is_restart {
                arguments.push("--all".into());
            }
            let lock = if locking == Locking::On { "--wait-for-lock" } else { "--no-lock" };
            arguments.push(lock.into());
            arguments
        };
        let (first, second) = (run(orders[0]), run(orders[1]));
        // With 1.6 s, two restarts of the same nodes are known to collide.
        let delay = *rng.choice(&[0, 0, 100, 700, 1600, 3000]).unwrap_or(&0);
        let is_slow = locking == Locking::Off || rng.bool();
        Self { first, second, delay: Duration::from_millis(delay), budget, is_slow, is_restart }
    }
}

fn locked_runs_keep_the_budget(ctx: &Ctx) -> Result<(), Failed> {
    let violations = run_pairs(ctx, Locking::On)?;
    ensure(violations.is_empty(), || format!("{violations:#?}"))
}

fn unlocked_runs_exceed_the_budget(ctx: &Ctx) -> Result<(), Failed> {
    let violations = run_pairs(ctx, Locking::Off)?;
    ensure(!violations.is_empty(), || "no pair exceeded the budget without a lock, so this test proves nothing".into())
}

/// Runs all pairs; returns one text for each pair with violations.
fn run_pairs(ctx: &Ctx, locking: Locking) -> Result<Vec<String>, Failed> {
    let tries = match std::env::var("DS_TRIES") {
        Ok(text) => text.parse().map_err(|_| failed("DS_TRIES must be a number"))?,
        Err(_) => TRIES,
    };
    let violations = std::cell::RefCell::new(Vec::new());
    let found = &violations;
    patient(ctx).start()?.run(async |plane| {
        let lane = |index: usize| {
            run_scenario(plane, LANES[index], NODES, async move |scenario: &Scenario<'_>| {
                label_ranks(scenario).await?;
                create_agent(scenario, &json!({})).await?;
                let mut rng = Rng::with_seed(u64::try_from(index).unwrap_or_default());
                for number in (index..tries).step_by(LANES.len()) {
                    let pair = Pair::random(&mut rng, scenario.name, locking);
                    if let Some(violation) = run_pair(scenario, number, &pair).await? {
                        found.borrow_mut().push(violation);
                    }
                }
                Ok(())
            })
        };
        all_passed([lane(0), lane(1), lane(2), lane(3)]).await
    })?;
    let violations = violations.into_inner();
    eprintln!("{tries} pairs, {} exceeded the budget", violations.len());
    Ok(violations)
}

/// Gives each node a rank, in reverse order.
async fn label_ranks(scenario: &Scenario<'_>) -> Result<(), Failed> {
    for index in 0..NODES {
        let mut node = scenario.node(&letter(index));
        node["metadata"]["labels"]["rank"] = json!((NODES - index).to_string());
        scenario.plane.merge(&node).await?;
    }
    Ok(())
}

async fn run_pair(scenario: &Scenario<'_>, number: usize, pair: &Pair) -> Result<Option<String>, Failed> {
    let behavior = json!({"ds.test/slow": if pair.is_slow { json!("*") } else { Value::Null }});
    let current = update(scenario, &format!("image-{number}"), &behavior).await?;
    let watcher = watch(scenario, pair.budget, Some(current).filter(|_| !pair.is_restart)).await?;
    let arguments = |all: &'_ [String]| all.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let run = |all: &[String]| start(scenario, &all.iter().map(String::as_str).collect::<Vec<_>>());
    let first = run(&pair.first)?;
    tokio::time::sleep(pair.delay).await;
    let second = run(&pair.second)?;
    let (first, second) = (first.wait_for_exit(0).await?, second.wait_for_exit(0).await?);
    is_released(scenario).await?;
    let removed = watcher.removed().len();
    ensure(removed > 0, || format!("{pair:?}: nothing was removed\n{first}\n{second}"))?;
    eprintln!(
        "{number}: {} | {} | {:?} later: {removed} removed, {} unavailable at most, {} violations",
        arguments(&pair.first),
        arguments(&pair.second),
        pair.delay,
        watcher.max_unavailable(),
        watcher.violations().len()
    );
    let violations = watcher.violations();
    Ok((!violations.is_empty()).then(|| format!("{pair:?}: {violations:#?}\n{first}\n{second}")))
}
