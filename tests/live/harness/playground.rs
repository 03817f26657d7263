//! A plane to try things on by hand, and for the benches: `cargo test --test live -- hold [[agreement] SEED]`.
//! `DS_SILENCE`, in seconds, is how long a node may be silent before it counts as not ready.

use std::io::Read;
use std::time::Duration;

use libtest_mimic::Failed;

use crate::agreement;
use crate::plane::Plane;
use crate::rest::rest;
use crate::world::World;

/// Starts a plane, fills it with the world of a seed if one is given (behind `agreement`, with one in which the
/// scheduler refuses much), prints the path of its kubeconfig, and takes everything down when standard input ends.
pub(crate) fn hold(words: &[String]) -> Result<(), Failed> {
    let programs = Plane::programs()?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let seed = |word: &str| word.parse::<u64>().map_err(|error| Failed::from(format!("{word} is no seed: {error}")));
    let plane = match words.as_slice() {
        ["agreement", word] => {
            let seed = seed(word)?;
            let mut plane = agreement::plane(&programs)?;
            // A world that does not come to rest is worth a look all the more.
            match agreement::fill(&mut plane, seed) {
                Ok(times) => eprintln!("{times}"),
                Err(failure) => eprintln!("{}", failure.message().unwrap_or("failed")),
            }
            plane
        }
        words => {
            let silence = std::env::var("DS_SILENCE").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(40);
            let mut plane =
                Plane::builder(&programs).node_monitor_grace_period(Duration::from_secs(silence)).start()?;
            if let Some(seed) = words.first().map(|word| seed(word)).transpose()? {
                plane.run(async |plane| {
                    World::create(plane, seed).await?;
                    rest(plane, Duration::from_secs(120)).await
                })?;
            }
            plane
        }
    };
    println!("{}", plane.kubeconfig().display());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
