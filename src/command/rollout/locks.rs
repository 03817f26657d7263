//! Reads which DaemonSets are locked, and by what, for `rollout status`.

use std::collections::BTreeMap;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;

use crate::cluster::access::Access;
use crate::cluster::query::Scope;
use crate::command::lock::{LEASE_LABEL, sighting};
use crate::cycle::{LockSighting, lease_name};
use crate::error::Error;
use crate::load::Request;
use crate::render::rollout::lock_in_words;
use crate::rollout::{Phase, RolloutStatus};
use crate::snapshot::{Known, Missing};

/// At most this many named DaemonSets are read one by one.
const FEW: usize = 8;

/// The locks of the DaemonSets, by namespace and Lease; unknown without the permission, and for a saved cluster.
pub(super) struct Locks(Known<BTreeMap<(String, String), LockSighting>>);

impl Locks {
    /// A saved cluster has no locks.
    pub(super) fn of_saved_cluster() -> Self {
        Self(Known::Unknown(Missing::NotRead("leases")))
    }

    /// Reads the Leases. Locks explain why a rollout is as it is: a failure makes them unknown.
    pub(super) async fn read(access: &Access, request: &Request) -> Self {
        let names = request.names.iter();
        let named: Option<Vec<(&str, &str)>> =
            names.map(|name| Some((name.namespace.as_deref()?, name.name.as_str()))).collect();
        let leases = match named {
            Some(named) if (1..=FEW).contains(&named.len()) => one_by_one(access, &named).await,
            _ => {
                let scope = request.namespace.clone().map_or(Scope::AllNamespaces, Scope::Namespace);
                // Every node has a Lease too: the label selects those of this program.
                access.list::<Lease>(&scope, Some(LEASE_LABEL), None).await.map(|listed| listed.items)
            }
        };
        let by_name = |lease: &Lease| {
            let key = (lease.metadata.namespace.clone()?, lease.metadata.name.clone()?);
            Some((key, sighting(lease)?))
        };
        Self(match leases {
            Ok(leases) => Known::Known(leases.iter().filter_map(by_name).collect()),
            Err(error) => Known::failed(error.to_string()),
        })
    }

    /// The lock of a DaemonSet.
    pub(super) fn of(&self, status: &RolloutStatus<'_>) -> Known<Option<&LockSighting>> {
        let metadata = &status.daemon_set.metadata;
        let lease = lease_name(metadata.name.as_deref().unwrap_or_default());
        let key = (metadata.namespace.clone().unwrap_or_default(), lease);
        self.0.as_ref().map(|locks| locks.get(&key))
    }

    /// Whether a command holds the lock of a DaemonSet and renews it.
    pub(super) fn is_held(&self, status: &RolloutStatus<'_>, now: Timestamp) -> bool {
        self.of(status).known().copied().flatten().is_some_and(|lock| !lock.is_overdue(now))
    }

    /// The first lock, for a watch of one DaemonSet. Later changes are not followed.
    pub(super) fn note(&self, now: Timestamp) -> Option<String> {
        self.0.known()?.values().next().map(|lock| lock_in_words(lock, now))
    }

    /// What could not be read, if a lock could explain one of the rollouts.
    pub(super) fn gap(&self, statuses: &[RolloutStatus<'_>]) -> Option<String> {
        let Known::Unknown(missing @ Missing::Failed(_)) = &self.0 else { return None };
        let is_open = |status: &RolloutStatus<'_>| !matches!(status.phase, Phase::Complete | Phase::Unknown);
        statuses.iter().any(is_open).then(|| format!("{missing}: locks are unknown"))
    }
}

async fn one_by_one(access: &Access, names: &[(&str, &str)]) -> Result<Vec<Lease>, Error> {
    let names: Vec<(&str, String)> = names.iter().map(|(namespace, name)| (*namespace, lease_name(name))).collect();
    let all = join_all(names.iter().map(|(namespace, lease)| access.lease(namespace, lease))).await;
    all.into_iter().filter_map(Result::transpose).collect()
}
