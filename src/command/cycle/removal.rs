//! Deletes or evicts one pod while the lock is held.

use std::pin::pin;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use super::execution::Executor;
use super::reporter::Reporter;
use crate::cluster::delete::{DeleteOutcome, PodPrecondition};
use crate::cluster::lease::DryRun;
use crate::cycle::{CycleOutcome, PodRef, RemovalMethod, Run};
use crate::error::Error;
use crate::render::cycle::ReportEvent;

/// The delay before a rejected eviction is retried, as in `kubectl drain`, unless the server sends Retry-After.
const EVICTION_RETRY: Duration = Duration::from_secs(5);
/// The delay before a delete is retried after a lost connection or a server error.
const DELETE_RETRY: Duration = Duration::from_secs(1);

impl Executor {
    /// Deletes or evicts one pod and records the result in `run`. Returns an outcome if a second signal ends the run.
    pub(super) async fn replace(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
        node: &str,
        pod: &PodRef,
        unchanged: Option<&str>,
    ) -> Result<Option<CycleOutcome>, Error> {
        let now = Timestamp::now();
        let (is_again, is_first) = (run.is_removing(node, pod), run.is_waiting(node));
        // Before the request is sent: the node is in progress even if the response is lost.
        run.begin(node, pod, now);
        if !is_again {
            let is_eviction = self.options.policy.removal == RemovalMethod::Evict;
            reporter.event(ReportEvent::Removing { node, pod, is_eviction }, None, run, now)?;
        }
        if !self.may_remove() {
            // Writing the event was slow, or the machine was suspended.
            if is_first {
                run.revert_to_pending(node);
            }
            return Ok(None);
        }
        let mut removal = pin!(self.remove(pod, unchanged, DryRun::None));
        let removed = loop {
            tokio::select! {
                removed = &mut removal => break removed?,
                code = self.signals.next() => if let Some(outcome) = self.stop(run, reporter, code)? {
                    return Ok(Some(outcome));
                },
            }
        };
        let (message, wait) = match removed {
            DeleteOutcome::Accepted | DeleteOutcome::NotThere if !is_again => return Ok(None),
            DeleteOutcome::Accepted | DeleteOutcome::NotThere => {
                ("the API server accepted the request, but the pod is unchanged".to_owned(), EVICTION_RETRY)
            }
            DeleteOutcome::Changed { message } => {
                reporter.event(ReportEvent::Rejected { node, message: &message }, None, run, now)?;
                // If this is not the first attempt, an earlier one on this node may still take effect.
                if is_first {
                    run.revert_to_pending(node);
                }
                // Limits the rate of requests to a server that rejects every version of the pod.
                sleep(DELETE_RETRY).await;
                return Ok(None);
            }
            DeleteOutcome::RetryLater { message, after } => {
                let usual =
                    if self.options.policy.removal == RemovalMethod::Evict { EVICTION_RETRY } else { DELETE_RETRY };
                (message, after.unwrap_or(usual))
            }
            DeleteOutcome::Denied { message } => {
                let news = run.fail(node, &message);
                reporter.event(ReportEvent::NodeEvent(&news), None, run, now)?;
                return Ok(None);
            }
        };
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
        let retry = now.saturating_add(wait.max(SignedDuration::from_secs(1))).unwrap_or(now);
        if run.reject(node, &message, retry) {
            reporter.event(ReportEvent::Rejected { node, message: &message }, None, run, now)?;
        }
        Ok(None)
    }

    /// Sends the delete or eviction of one pod when first polled.
    pub(super) fn remove(
        &self,
        pod: &PodRef,
        version: Option<&str>,
        dry_run: DryRun,
    ) -> impl Future<Output = Result<DeleteOutcome, Error>> + use<> {
        let (access, removal) = (self.observer.access.clone(), self.options.policy.removal);
        let namespace = self.options.request.namespace.clone().unwrap_or_default();
        let (pod, version) = (pod.clone(), version.map(str::to_owned));
        async move {
            let target =
                PodPrecondition { namespace: &namespace, name: &pod.name, uid: &pod.uid, version: version.as_deref() };
            match removal {
                RemovalMethod::Delete => access.delete_pod(target, dry_run).await,
                RemovalMethod::Evict => access.evict_pod(target, dry_run).await,
            }
        }
    }
}
