//! Tells a user at a terminal what the program waits for besides the API server.

use std::time::Duration;

use crate::cluster::activity::{self, Activities};
use crate::render::terminal;

/// What takes less time is not mentioned.
const PATIENCE: Duration = Duration::from_millis(500);

/// Writes a note for each activity that lasts. Never returns on a terminal.
pub(crate) async fn report() {
    if !terminal::shows_notes_to_a_user() {
        return;
    }
    let mut current = activity::subscribe();
    let begun = |activities: &Activities| activities.latest().is_some();
    let over = |activities: &Activities| activities.latest().is_none();
    loop {
        let Some(activity) = current.wait_for(begun).await.ok().and_then(|current| current.latest().cloned()) else {
            return;
        };
        if tokio::time::timeout(PATIENCE, current.wait_for(over)).await.is_err() {
            terminal::note(&activity.to_string());
            if current.wait_for(over).await.is_err() {
                return;
            }
        }
    }
}
