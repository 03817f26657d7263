//! A fixture for tests of the filters that check volumes: every kind is known and empty by default.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::attempt::ExtensionPoint;
use super::{Attempt, FilterFailure, FilterRejection, FilterResult, VolumeRejection};
use crate::check_result::CheckResult;
use crate::snapshot::cluster_objects::{ClusterObjects, KubeMinor};
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node};

/// Objects of a kind from JSON.
pub(super) fn known<T: DeserializeOwned>(objects: Value) -> Known<T> {
    Known::Known(serde_json::from_value(objects).unwrap())
}

/// A kind that could not be read.
pub(super) fn unread<T>(what: &str) -> Known<T> {
    Known::failed(format!("cannot list {what}"))
}

/// The inputs of one attempt.
pub(super) struct VolumeFixture {
    pub(super) pod: Pod,
    pub(super) node: Node,
    pub(super) bound_pods: Known<Vec<Pod>>,
    pub(super) nominated: Known<Vec<Pod>>,
    pub(super) cluster_objects: ClusterObjects,
}

impl VolumeFixture {
    /// A pod `agent` in namespace `ops` with these volumes, on node `n1` in zone `a`.
    pub(super) fn with_volumes(volumes: Value) -> Self {
        Self {
            pod: pod("agent", "", volumes),
            node: serde_json::from_value(json!({"metadata": {"name": "n1", "labels": {
                "kubernetes.io/hostname": "n1", "topology.kubernetes.io/zone": "a", "topology.kubernetes.io/region": "r",
            }}}))
            .unwrap(),
            bound_pods: Known::Known(Vec::new()),
            nominated: Known::Known(Vec::new()),
            cluster_objects: ClusterObjects {
                minor: Known::Known(KubeMinor(36)),
                pods: Known::Known(Vec::new()),
                claims: Known::Known(Vec::new()),
                volumes: Known::Known(Vec::new()),
                storage_classes: Known::Known(Vec::new()),
                csi_nodes: Known::Known(Vec::new()),
                csi_drivers: Known::Known(Vec::new()),
                storage_capacities: Known::Known(Vec::new()),
                volume_attachments: Known::Known(Vec::new()),
                ..ClusterObjects::default()
            },
        }
    }

    /// The same with a volume `data`, and these claims.
    pub(super) fn with_claims(claims: Value) -> Self {
        let mut world = Self::with_volumes(json!([data_volume()]));
        world.cluster_objects.claims = known(claims);
        world
    }

    pub(super) fn judge(&self, filter: fn(&Attempt<'_>) -> FilterResult) -> FilterResult {
        fn borrowed(pods: &Known<Vec<Pod>>) -> Known<Vec<&Pod>> {
            match pods {
                Known::Known(pods) => Known::Known(pods.iter().collect()),
                Known::Unknown(why) => Known::Unknown(why.clone()),
            }
        }
        filter(&Attempt {
            pod: &self.pod,
            node: &self.node,
            bound_pods: borrowed(&self.bound_pods),
            nominated: borrowed(&self.nominated),
            cluster_objects: &self.cluster_objects,
        })
    }

    /// The rejections; panics if there are none.
    pub(super) fn rejections(&self, filter: fn(&Attempt<'_>) -> FilterResult) -> (ExtensionPoint, Vec<FilterFailure>) {
        match self.judge(filter) {
            CheckResult::Fail(failures) => (failures[0].extension_point, failures),
            other => panic!("{other:?}"),
        }
    }

    /// The only rejection of the pod: its evidence and message.
    pub(super) fn pod_rejection(&self, filter: fn(&Attempt<'_>) -> FilterResult) -> (VolumeRejection, String) {
        self.only(filter, ExtensionPoint::PreFilter, false)
    }

    /// The only rejection of the node that evictions cannot resolve.
    pub(super) fn node_rejection(&self, filter: fn(&Attempt<'_>) -> FilterResult) -> (VolumeRejection, String) {
        self.only(filter, ExtensionPoint::Filter, false)
    }

    /// The only rejection of the node that evictions may resolve.
    pub(super) fn current_rejection(&self, filter: fn(&Attempt<'_>) -> FilterResult) -> (VolumeRejection, String) {
        self.only(filter, ExtensionPoint::Filter, true)
    }

    fn only(
        &self,
        filter: fn(&Attempt<'_>) -> FilterResult,
        phase: ExtensionPoint,
        may_preempt: bool,
    ) -> (VolumeRejection, String) {
        let (found, mut rejections) = self.rejections(filter);
        assert_eq!((found, rejections.len()), (phase, 1), "{rejections:?}");
        let failure = rejections.remove(0);
        assert_eq!(failure.may_preempt, may_preempt);
        match failure.rejection {
            FilterRejection::Volumes(rejection) => (rejection, failure.scheduler),
            other => panic!("{other:?}"),
        }
    }

    /// What could not be read; panics if the result is known.
    pub(super) fn missing(&self, filter: fn(&Attempt<'_>) -> FilterResult) -> String {
        match self.judge(filter) {
            CheckResult::Unknown { missing } => missing.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

/// A pod in namespace `ops`.
pub(super) fn pod(name: &str, node: &str, volumes: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "ops", "uid": format!("uid-of-{name}")},
        "spec": {"nodeName": node, "volumes": volumes},
    }))
    .unwrap()
}

/// The volume that uses the claim `data`.
pub(super) fn data_volume() -> Value {
    json!({"name": "data", "persistentVolumeClaim": {"claimName": "data"}})
}

/// A claim in namespace `ops` with this spec.
pub(super) fn claim(name: &str, spec: Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "ops", "uid": format!("uid-of-{name}")}, "spec": spec})
}

/// The same, bound to a volume.
pub(super) fn bound_claim(name: &str, volume: &str) -> Value {
    let mut claim = claim(name, json!({"volumeName": volume, "accessModes": ["ReadWriteOnce"]}));
    claim["metadata"]["annotations"] = json!({"pv.kubernetes.io/bind-completed": "yes"});
    claim["status"] = json!({"phase": "Bound"});
    claim
}

pub(super) fn volume(name: &str, spec: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": spec, "status": {"phase": "Available"}})
}

/// A node affinity that requires the zone.
pub(super) fn in_zone(zone: &str) -> Value {
    json!({"required": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]},
    ]}})
}
