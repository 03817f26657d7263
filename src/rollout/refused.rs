//! New pods that the API server refuses. While one is refused, the controller's look at the DaemonSet ends before it
//! comes to the rollout.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `updateDaemonSet`, `syncNodes`.

use jiff::SignedDuration;

use super::Cause;
use super::site::{Site, Yardstick};
use super::trouble::Trouble;
use crate::admission::{self, Refusal};
use crate::coverage::Coverage;
use crate::explain::events;

/// The controller tries again at least every 1000 seconds; an event that is older speaks of the past.
const RETRIES: SignedDuration = SignedDuration::from_mins(20);

/// Why pods are refused, one for each refusal, if one was since the last pod was made.
pub(super) fn refused(coverage: &Coverage<'_>, sites: &[Site<'_>], by: Yardstick<'_>) -> Vec<Trouble> {
    let uid = coverage.daemon_set.metadata.uid.as_deref().unwrap_or_default();
    let Some(event) = by.snapshot.events.known().and_then(|events| events::failed_create(events, uid)) else {
        return Vec::new();
    };
    let pods = sites.iter().flat_map(|site| site.new.iter().chain(&site.old).chain(&site.going));
    let newest = pods.filter_map(|pod| pod.metadata.creation_timestamp).max().map(|time| time.timestamp());
    if newest.is_some_and(|newest| event.last_seen.is_none_or(|seen| newest > seen)) {
        // A pod was made since.
        return Vec::new();
    }
    let is_fresh = event.last_seen.is_some_and(|seen| by.snapshot.as_of.duration_since(seen) <= RETRIES);
    let gives_way = sites.iter().any(|site| !site.going.is_empty() && site.down().is_none());
    let trouble = |refusal: Refusal| Trouble {
        lasts: is_fresh && lasts(&refusal, gives_way),
        cause: Cause::CreatesRefused { refusal, count: Some(event.count), last_seen: event.last_seen },
    };
    admission::told(coverage.daemon_set, &event).into_iter().map(trouble).collect()
}

/// `gives_way`: a pod of the DaemonSet is about to go, and gives back to the quota what it uses.
fn lasts(refusal: &Refusal, gives_way: bool) -> bool {
    match refusal {
        Refusal::QuotaExceeded { .. } => !gives_way,
        Refusal::QuotaUncounted { .. } | Refusal::WebhookFailed { .. } | Refusal::NoLongerRefused { .. } => false,
        _ => true,
    }
}
