//! A fixture for tests of the filters that check volumes: every kind is known and empty by default.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::check_result::CheckResult;
use crate::scheduling::attempt::ExtensionPoint;
use crate::scheduling::{Attempt, FilterFailure, FilterRejection, FilterResult, VolumeRejection};
use crate::snapshot::cluster_objects::{ClusterObjects, KubeMinor};
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node};
use crate::testing::objects::{self, from_json};

/// Objects of a kind from JSON.
pub(crate) fn known<T: DeserializeOwned>(objects: Value) -> Known<T> {
    Known::Known(from_json(objects))
}

/// A kind that could not be read.
pub(crate) fn unread<T>(what: &str) -> Known<T> {
    Known::failed(format!("cannot list {what}"))
}

/// The inputs of one attempt.
pub(crate) struct VolumeFixture {
    pub(crate) pod: Pod,
    pub(crate) node: Node,
    pub(crate) bound_pods: Known<Vec<Pod>>,
    pub(crate) nominated: Known<Vec<Pod>>,
    pub(crate) cluster_objects: ClusterObjects,
}

impl VolumeFixture {
    /// A pod `agent` in namespace `ops` with these volumes, on node `n1` in zone `a`.
    pub(crate) fn with_volumes(volumes: Value) -> Self {
        Self {
            pod: pod("agent", "", volumes),
            node: objects::node(
                "n1",
                json!({"metadata": {"labels": {
                    "kubernetes.io/hostname": "n1", "topology.kubernetes.io/zone": "a", "topology.kubernetes.io/region": "r",
                }}}),
            ),
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
    pub(crate) fn with_claims(claims: Value) -> Self {
        let mut fixture = Self::with_volumes(json!([data_volume()]));
        fixture.cluster_objects.claims = known(claims);
        fixture
    }

    pub(crate) fn check(&self, filter: fn(&Attempt<'_>) -> FilterResult) -> FilterResult {
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
    pub(crate) fn rejections(&self, filter: fn(&Attempt<'_>) -> FilterResult) -> (ExtensionPoint, Vec<FilterFailure>) {
        match self.check(filter) {
            CheckResult::Fail(failures) => (failures[0].extension_point, failures),
            other => panic!("{other:?}"),
        }
    }

    /// The only rejection of the pod: its evidence and message.
    pub(crate) fn pod_rejection(&self, filter: fn(&Attempt<'_>) -> FilterResult) -> (VolumeRejection, String) {
        self.only(filter, ExtensionPoint::PreFilter, false)
    }

    /// The only rejection of the node that evictions cannot resolve.
    pub(crate) fn node_rejection(&self, filter: fn(&Attempt<'_>) -> FilterResult) -> (VolumeRejection, String) {
        self.only(filter, ExtensionPoint::Filter, false)
    }

    /// The only rejection of the node that evictions may resolve.
    pub(crate) fn current_rejection(&self, filter: fn(&Attempt<'_>) -> FilterResult) -> (VolumeRejection, String) {
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
        assert_eq!(failure.may_preempt(), may_preempt);
        match failure.rejection {
            FilterRejection::Volumes(rejection) => (rejection, failure.scheduler),
            other => panic!("{other:?}"),
        }
    }

    /// What could not be read; panics if the result is known.
    pub(crate) fn missing(&self, filter: fn(&Attempt<'_>) -> FilterResult) -> String {
        match self.check(filter) {
            CheckResult::Unknown { missing } => missing.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

/// A pod in namespace `ops`.
pub(crate) fn pod(name: &str, node: &str, volumes: Value) -> Pod {
    objects::pod("ops", name, json!({"spec": {"nodeName": node, "volumes": volumes}}))
}

/// The volume that uses the claim `data`.
pub(crate) fn data_volume() -> Value {
    json!({"name": "data", "persistentVolumeClaim": {"claimName": "data"}})
}

/// A claim in namespace `ops` with this spec.
pub(crate) fn claim(name: &str, spec: Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "ops", "uid": format!("uid-{name}")}, "spec": spec})
}

/// The same, bound to a volume.
pub(crate) fn bound_claim(name: &str, volume: &str) -> Value {
    let mut claim = claim(name, json!({"volumeName": volume, "accessModes": ["ReadWriteOnce"]}));
    claim["metadata"]["annotations"] = json!({"pv.kubernetes.io/bind-completed": "yes"});
    claim["status"] = json!({"phase": "Bound"});
    claim
}

pub(crate) fn volume(name: &str, spec: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": spec, "status": {"phase": "Available"}})
}

/// A node affinity that requires the zone.
pub(crate) fn in_zone(zone: &str) -> Value {
    json!({"required": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]},
    ]}})
}
