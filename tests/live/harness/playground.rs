//! A control plane for manual tests and for the benchmarks: `cargo test --test live -- playground [[agreement] SEED]`.
//! `DS_SILENCE`, in seconds, is how long a node may be silent before it counts as NotReady.

use std::io::Read;
use std::time::Duration;

use libtest_mimic::Failed;

use crate::cases::agreement;
use crate::harness::control_plane::ControlPlane;
use crate::harness::quiescence::wait_until_quiescent;
use crate::harness::random_cluster::RandomCluster;

/// Starts a control plane, creates the random cluster of a seed if there is one (after `agreement`, the cluster of that
/// test, in which the scheduler rejects many pods), prints the path of the kubeconfig, and ends when standard input
/// ends.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failed> {
    let programs = ControlPlane::programs()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let parse_seed =
        |text: &str| text.parse::<u64>().map_err(|error| Failed::from(format!("invalid seed {text:?}: {error}")));
    let plane = match arguments.as_slice() {
        ["agreement", seed] => {
            let seed = parse_seed(seed)?;
            let mut plane = agreement::start_control_plane(&programs)?;
            // A cluster that does not become quiescent is kept too, so that it can be examined.
            match agreement::fill(&mut plane, seed) {
                Ok(times) => eprintln!("{times}"),
                Err(failure) => eprintln!("{}", failure.message().unwrap_or("failed")),
            }
            plane
        }
        arguments => {
            let silence = std::env::var("DS_SILENCE").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(40);
            let mut plane =
                ControlPlane::builder(&programs).node_monitor_grace_period(Duration::from_secs(silence)).start()?;
            if let Some(seed) = arguments.first().map(|seed| parse_seed(seed)).transpose()? {
                plane.run(async |plane| {
                    RandomCluster::create(plane, seed).await?;
                    wait_until_quiescent(plane, Duration::from_secs(120)).await
                })?;
            }
            plane
        }
    };
    println!("{}", plane.kubeconfig().display());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
