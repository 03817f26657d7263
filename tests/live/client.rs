//! What a test does with a plane: wait, change objects, run the real program.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use crate::plane::Plane;

/// Asks `condition` again and again until it is `Ok`. After `limit` it fails with the last reason that it gave.
pub(crate) async fn wait_until<T>(
    description: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Failed> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(20);
    loop {
        let why = match tokio::time::timeout(limit, condition()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(why)) => why,
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() > deadline {
            return Err(format!("waited {} s in vain until {description}: {why}", limit.as_secs()).into());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}
