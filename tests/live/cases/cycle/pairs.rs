//! Two runs at once of one DaemonSet, with different orders and nodes, started together and shifted: with the lock they
//! never take more than the budget; without it they do, which shows that this is seen here.
//!
//! `DS_TRIES=N` plays N pairs.

use fastrand::Rng;

use super::lock::is_released;
use super::*;

/// How many pairs are played unless `DS_TRIES` says otherwise.
const TRIES: usize = 4;
/// So many are played beside each other.
const LANES: [&str; 4] = ["pair-one", "pair-two", "pair-three", "pair-four"];
const NODES: usize = 5;

/// Two runs and when the second one starts.
#[derive(Debug)]
struct Pair {
    first: Vec<String>,
    second: Vec<String>,
    shift: Duration,
    budget: usize,
    /// Whether new pods take three seconds: both runs then wait for the same change.
    is_slow: bool,
    /// With --all, pods that are up to date may be removed.
    is_restart: bool,
}

impl Pair {
    fn draw(rng: &mut Rng, lane: &str, has_lock: bool) -> Self {
        let node_sets: [fn(usize) -> bool; 4] = [|_| true, |_| true, |index| index < 4, |index| index >= 1];
        let is_restart = rng.u8(..4) == 0;
        let budget = if rng.u8(..4) == 0 { 2 } else { 1 };
        // Without a lock the same order keeps the same nodes, so that the two orders begin at different ends.
        let orders = match (has_lock, rng.bool()) {
            (true, true) => ["name", "oldest"],
            _ => ["name", "zone=rank"],
        };
        let mut run = |order: &str| {
            let mut arguments: Vec<String> = vec!["--order".into(), order.into(), "--max-unavailable".into()];
            arguments.push(budget.to_string());
            let wants = rng.choice(&node_sets).copied().unwrap_or(|_| true);
            let is_all = (0..NODES).all(wants);
            let wanted = (0..NODES).filter(|index| !is_all && wants(*index));
            wanted.for_each(|index| arguments.extend(["--node".into(), format!("{lane}-{}", letter(index))]));
            if is_restart {
                arguments.push("--all".into());
            }
            arguments.push(if has_lock { "--wait-for-lock" } else { "--no-lock" }.into());
            arguments
        };
        let (first, second) = (run(orders[0]), run(orders[1]));
        // A restart of the same nodes that began 1.6 s earlier was known to meet.
        let shift = *rng.choice(&[0, 0, 100, 700, 1600, 3000]).unwrap_or(&0);
        let is_slow = !has_lock || rng.bool();
        Self { first, second, shift: Duration::from_millis(shift), budget, is_slow, is_restart }
    }
}

pub(crate) fn with_a_lock_keep_the_budget(ctx: &Ctx) -> Result<(), Failed> {
    let violations = play_pairs(ctx, true)?;
    ensure(violations.is_empty(), || format!("{violations:#?}"))
}

pub(crate) fn without_a_lock_exceed_the_budget(ctx: &Ctx) -> Result<(), Failed> {
    let violations = play_pairs(ctx, false)?;
    ensure(!violations.is_empty(), || "no pair exceeded the budget without a lock: is it seen here?".into())
}

/// Plays all pairs; what the watchers saw that was not allowed, one text a pair.
fn play_pairs(ctx: &Ctx, has_lock: bool) -> Result<Vec<String>, Failed> {
    let tries = match std::env::var("DS_TRIES") {
        Ok(text) => text.parse().map_err(|_| failed("DS_TRIES is a number"))?,
        Err(_) => TRIES,
    };
    let violations = std::cell::RefCell::new(Vec::new());
    let seen = &violations;
    patient(ctx).start()?.run(async |plane| {
        let lane = |index: usize| {
            run_scenario(plane, LANES[index], NODES, async move |scenario: &Scenario<'_>| {
                rank(scenario).await?;
                begin(scenario, &json!({})).await?;
                let mut rng = Rng::with_seed(u64::try_from(index).unwrap_or_default());
                for number in (index..tries).step_by(LANES.len()) {
                    let pair = Pair::draw(&mut rng, scenario.name, has_lock);
                    if let Some(violation) = play_pair(scenario, number, &pair).await? {
                        seen.borrow_mut().push(violation);
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

/// Every node has a rank of its own, from the last to the first.
async fn rank(scenario: &Scenario<'_>) -> Result<(), Failed> {
    for index in 0..NODES {
        let mut node = scenario.node(&letter(index));
        node["metadata"]["labels"]["rank"] = json!((NODES - index).to_string());
        scenario.plane.merge(&node).await?;
    }
    Ok(())
}

async fn play_pair(scenario: &Scenario<'_>, number: usize, pair: &Pair) -> Result<Option<String>, Failed> {
    let behavior = json!({"ds.test/slow": if pair.is_slow { json!("*") } else { Value::Null }});
    let current = update(scenario, &format!("image-{number}"), &behavior).await?;
    let watcher = watch(scenario, pair.budget, Some(current).filter(|_| !pair.is_restart)).await?;
    let arguments = |all: &'_ [String]| all.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let run = |all: &[String]| start(scenario, &all.iter().map(String::as_str).collect::<Vec<_>>());
    let first = run(&pair.first)?;
    tokio::time::sleep(pair.shift).await;
    let second = run(&pair.second)?;
    let (first, second) = (first.wait_for_exit(0).await?, second.wait_for_exit(0).await?);
    is_released(scenario).await?;
    let removed = watcher.removed().len();
    ensure(removed > 0, || format!("{pair:?}: nothing was removed\n{first}\n{second}"))?;
    eprintln!(
        "{number}: {} | {} | {:?} later: {removed} removed, {} out at most, {} violations",
        arguments(&pair.first),
        arguments(&pair.second),
        pair.shift,
        watcher.max_unavailable(),
        watcher.violations().len()
    );
    let violations = watcher.violations();
    Ok((!violations.is_empty()).then(|| format!("{pair:?}: {violations:#?}\n{first}\n{second}")))
}
