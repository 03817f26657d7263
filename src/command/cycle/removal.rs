//! Removes one pod, while the lock is held.

use std::pin::pin;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use super::shell::Shell;
use super::teller::Teller;
use crate::cluster::remove::{Removed, Target};
use crate::cycle::{Outcome, PodRef, Removal, Run};
use crate::error::Error;
use crate::render::cycle::Told;

/// A refused removal is tried again after so long, unless the server names a time: as kubectl drain does.
const AGAIN: Duration = Duration::from_secs(5);
/// The same where the connection broke off, or the server failed.
const SOON: Duration = Duration::from_secs(1);

impl Shell {
    /// Removes one pod, and remembers what became of it; an outcome where the user does not wait for that.
    pub(super) async fn replace(
        &mut self,
        run: &mut Run,
        teller: &mut Teller,
        node: &str,
        pod: &PodRef,
        unchanged: Option<&str>,
    ) -> Result<Option<Outcome>, Error> {
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
            return Ok(None);
        }
        let mut removal = pin!(self.remove(pod, unchanged, false));
        let removed = loop {
            tokio::select! {
                removed = &mut removal => break removed?,
                code = self.signals.next() => if let Some(outcome) = self.stop(run, teller, code)? {
                    return Ok(Some(outcome));
                },
            }
        };
        let (message, wait) = match removed {
            Removed::Accepted | Removed::NotThere if !is_again => return Ok(None),
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
                return Ok(None);
            }
            Removed::NotNow { message, after } => {
                let usual = if self.wish.policy.removal == Removal::Evict { AGAIN } else { SOON };
                (message, after.unwrap_or(usual))
            }
            Removed::Denied { message } => {
                let news = run.fail(node, &message);
                teller.event(Told::News(&news), None, run, now)?;
                return Ok(None);
            }
        };
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
        let retry = now.saturating_add(wait.max(SignedDuration::from_secs(1))).unwrap_or(now);
        if run.refuse(node, &message, retry) {
            teller.event(Told::Refused { node, message: &message }, None, run, now)?;
        }
        Ok(None)
    }

    /// Sends the removal of one pod, when it is polled first.
    pub(super) fn remove(
        &self,
        pod: &PodRef,
        version: Option<&str>,
        is_trial: bool,
    ) -> impl Future<Output = Result<Removed, Error>> + use<> {
        let (access, removal) = (self.eyes.access.clone(), self.wish.policy.removal);
        let namespace = self.wish.request.namespace.clone().unwrap_or_default();
        let (pod, version) = (pod.clone(), version.map(str::to_owned));
        async move {
            let target = Target { namespace: &namespace, name: &pod.name, uid: &pod.uid, version: version.as_deref() };
            match removal {
                Removal::Delete => access.delete_pod(target, is_trial).await,
                Removal::Evict => access.evict_pod(target, is_trial).await,
            }
        }
    }
}
