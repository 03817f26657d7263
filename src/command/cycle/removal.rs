//! Removes one pod, while the lock is held.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use super::shell::Shell;
use super::teller::Teller;
use crate::cluster::remove::{Removed, Target};
use crate::cycle::{PodRef, Removal, Run};
use crate::error::Error;
use crate::render::cycle::Told;

/// A refused removal is tried again after so long, unless the server names a time: as kubectl drain does.
const AGAIN: Duration = Duration::from_secs(5);
/// The same where the connection broke off, or the server failed.
const SOON: Duration = Duration::from_secs(1);

impl Shell {
    /// Removes one pod, and remembers what became of it.
    pub(super) async fn replace(
        &mut self,
        run: &mut Run,
        teller: &mut Teller,
        node: &str,
        pod: &PodRef,
        unchanged: Option<&str>,
    ) -> Result<(), Error> {
        let now = Timestamp::now();
        let (is_again, is_first) = (run.is_removing(node, pod), run.is_waiting(node));
        // Before it is sent: whatever becomes of the answer, the node is in work.
        run.begin(node, pod, now);
        if !is_again {
            let is_eviction = self.wish.policy.removal == Removal::Evict;
            teller.event(Told::Removing { node, pod, is_eviction }, None, run, now)?;
        }
        if !self.may_remove() {
            // Writing that took its time, or the machine slept.
            if is_first {
                run.withdraw(node);
            }
            return Ok(());
        }
        let (message, wait) = match self.remove(pod, unchanged, false).await? {
            Removed::Accepted | Removed::NotThere if !is_again => return Ok(()),
            Removed::Accepted | Removed::NotThere => {
                ("the API server has accepted the removal, and the pod is as before".to_owned(), AGAIN)
            }
            Removed::Changed { message } => {
                teller.event(Told::Refused { node, message: &message }, None, run, now)?;
                // Of an earlier removal on the node something may come still.
                if is_first {
                    run.withdraw(node);
                }
                // A server that refuses each state of a pod would be asked without end.
                sleep(SOON).await;
                return Ok(());
            }
            Removed::NotNow { message, after } => {
                let usual = if self.wish.policy.removal == Removal::Evict { AGAIN } else { SOON };
                (message, after.unwrap_or(usual))
            }
            Removed::Denied { message } => {
                let news = run.fail(node, &message);
                return teller.event(Told::News(&news), None, run, now);
            }
        };
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
        let retry = now.saturating_add(wait.max(SignedDuration::from_secs(1))).unwrap_or(now);
        if run.refuse(node, &message, retry) {
            teller.event(Told::Refused { node, message: &message }, None, run, now)?;
        }
        Ok(())
    }

    pub(super) async fn remove(&self, pod: &PodRef, version: Option<&str>, is_trial: bool) -> Result<Removed, Error> {
        let namespace = self.wish.request.namespace.as_deref().unwrap_or_default();
        let target = Target { namespace, name: &pod.name, uid: &pod.uid, version };
        match self.wish.policy.removal {
            Removal::Delete => self.eyes.access.delete_pod(target, is_trial).await,
            Removal::Evict => self.eyes.access.evict_pod(target, is_trial).await,
        }
    }
}
