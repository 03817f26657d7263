//! Deletes or evicts pods while the lock is held.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use super::execution::Executor;
use super::reporter::Reporter;
use crate::cluster::delete::{DeleteOutcome, PodPrecondition};
use crate::cluster::lease::DryRun;
use crate::cycle::{CycleOutcome, PodRef, Removal, RemovalMethod, Run};
use crate::error::Error;
use crate::render::cycle::ReportEvent;

/// The delay before a rejected eviction is retried, as in `kubectl drain`, unless the server sends Retry-After.
const EVICTION_RETRY: Duration = Duration::from_secs(5);
/// The delay before a delete is retried after a lost connection or a server error.
const DELETE_RETRY: Duration = Duration::from_secs(1);
/// The most requests that are sent at the same time. Each needs a connection of its own.
const MOST_CONNECTIONS: usize = 25;

/// One removal, and how it stands in the run.
struct Attempt {
    removal: Removal,
    /// The removal of this pod has been requested before.
    is_again: bool,
    /// It is the first removal on this node.
    is_first: bool,
    begun: Timestamp,
}

impl Executor {
    /// Deletes or evicts pods and records the results in `run`. Returns an outcome if a second signal ends the run.
    ///
    /// # Errors
    /// The first error of any removal, after all have ended.
    pub(super) async fn replace(
        &mut self,
        run: &mut Run,
        reporter: &mut Reporter,
        removals: Vec<Removal>,
    ) -> Result<Option<CycleOutcome>, Error> {
        let attempts = self.begin(run, reporter, removals)?;
        let requests = attempts.into_iter().map(|attempt| self.request(attempt));
        let mut requests = stream::iter(requests.collect::<Vec<_>>()).buffer_unordered(MOST_CONNECTIONS);
        let (mut failed, mut is_changed) = (None, false);
        loop {
            let (attempt, removed) = tokio::select! {
                next = requests.next() => match next {
                    Some(next) => next,
                    None => break,
                },
                code = self.signals.next() => match self.stop(run, reporter, code)? {
                    Some(outcome) => return Ok(Some(outcome)),
                    None => continue,
                },
            };
            match removed {
                // Writing the events was slow, or the machine was suspended.
                None if attempt.is_first => run.revert(&attempt.removal.node),
                None => {}
                Some(Ok(outcome)) => {
                    is_changed |= matches!(outcome, DeleteOutcome::Changed { .. });
                    self.record(run, reporter, &attempt, outcome)?;
                }
                Some(Err(error)) => failed = failed.or(Some(error)),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if is_changed {
            // Limits the rate of requests to a server that rejects every version of a pod.
            sleep(DELETE_RETRY).await;
        }
        Ok(None)
    }

    /// Records the removals in `run` before the requests are sent: a node is in progress even if the response is lost.
    fn begin(&self, run: &mut Run, reporter: &mut Reporter, removals: Vec<Removal>) -> Result<Vec<Attempt>, Error> {
        let begun = Timestamp::now();
        let attempt = |removal: Removal| {
            let Removal { node, pod, .. } = &removal;
            let (is_again, is_first) = (run.is_removing(node, pod), run.is_untouched(node));
            Attempt { removal, is_again, is_first, begun }
        };
        let attempts: Vec<Attempt> = removals.into_iter().map(attempt).collect();
        for Attempt { removal: Removal { node, pod, .. }, .. } in &attempts {
            run.begin(node, pod, begun);
        }
        let is_eviction = self.options.policy.removal == RemovalMethod::Evict;
        for Attempt { removal: Removal { node, pod, .. }, .. } in attempts.iter().filter(|attempt| !attempt.is_again) {
            reporter.event(ReportEvent::Removing { node, pod, is_eviction }, None, run, begun)?;
        }
        Ok(attempts)
    }

    /// Sends one removal when first polled, unless it may no longer be sent then: `None`.
    fn request(
        &self,
        attempt: Attempt,
    ) -> impl Future<Output = (Attempt, Option<Result<DeleteOutcome, Error>>)> + use<> {
        let permission = self.removal_permission();
        let Removal { pod, unchanged, .. } = &attempt.removal;
        let removal = self.remove(pod, unchanged.as_deref(), DryRun::None);
        async move {
            let removed = if permission.is_valid() { Some(removal.await) } else { None };
            (attempt, removed)
        }
    }

    /// Records the result of one removal.
    fn record(
        &self,
        run: &mut Run,
        reporter: &mut Reporter,
        attempt: &Attempt,
        outcome: DeleteOutcome,
    ) -> Result<(), Error> {
        let Attempt { removal: Removal { node, .. }, is_again, is_first, begun } = attempt;
        let (message, wait) = match outcome {
            DeleteOutcome::Accepted | DeleteOutcome::NotThere if !is_again => return Ok(()),
            DeleteOutcome::Accepted | DeleteOutcome::NotThere => {
                ("the API server accepted the request, but the pod is unchanged".to_owned(), EVICTION_RETRY)
            }
            DeleteOutcome::Changed { message } => {
                reporter.event(ReportEvent::Rejected { node, message: &message }, None, run, *begun)?;
                // If this is not the first attempt, an earlier one on this node may still take effect.
                if *is_first {
                    run.revert(node);
                }
                return Ok(());
            }
            DeleteOutcome::RetryLater { message, after } => {
                let usual =
                    if self.options.policy.removal == RemovalMethod::Evict { EVICTION_RETRY } else { DELETE_RETRY };
                (message, after.unwrap_or(usual))
            }
            DeleteOutcome::Denied { message } => {
                let news = run.fail(node, &message);
                return reporter.event(ReportEvent::NodeEvent(&news), None, run, *begun);
            }
        };
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
        let retry = begun.saturating_add(wait.max(SignedDuration::from_secs(1))).unwrap_or(*begun);
        if run.reject(node, &message, retry) {
            reporter.event(ReportEvent::Rejected { node, message: &message }, None, run, *begun)?;
        }
        Ok(())
    }

    /// Sends the delete or eviction of one pod when first polled.
    pub(super) fn remove(
        &self,
        pod: &PodRef,
        version: Option<&str>,
        dry_run: DryRun,
    ) -> impl Future<Output = Result<DeleteOutcome, Error>> + use<> {
        let (access, removal) = (self.observer.access.clone(), self.options.policy.removal);
        let namespace = self.options.daemon_set().0.to_owned();
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
