//! A plane to try things on by hand, and for the benches: `cargo test --test live -- hold [SEED]`. `DS_SILENCE`, in
//! seconds, is how long a node may be silent before it counts as not ready.

use std::io::Read;
use std::time::Duration;

use libtest_mimic::Failed;

use crate::plane::Plane;
use crate::rest::rest;
use crate::world::World;

/// Starts a plane, fills it with the world of a seed if one is given, prints the path of its kubeconfig, and takes
/// everything down when standard input ends.
pub(crate) fn hold(seed: Option<u64>) -> Result<(), Failed> {
    let programs = Plane::programs()?;
    let silence = std::env::var("DS_SILENCE").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(40);
    let mut plane = Plane::builder(&programs).node_monitor_grace_period(Duration::from_secs(silence)).start()?;
    if let Some(seed) = seed {
        plane.run(async |plane| {
            World::create(plane, seed).await?;
            rest(plane, Duration::from_secs(120)).await
        })?;
    }
    println!("{}", plane.kubeconfig().display());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
