//! A small world for the tests of the filters that look at volumes: everything is known, and there is nothing.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Attempt, Misfit, Outcome, Phase, Refusal, VolumeMisfit};
use crate::snapshot::facts::{Facts, Minor};
use crate::snapshot::full_pod::FullPod;
use crate::snapshot::{Known, Node};

/// Objects of a kind, as manifests.
pub(super) fn known<T: DeserializeOwned>(objects: Value) -> Known<T> {
    Known::Known(serde_json::from_value(objects).unwrap())
}

/// Not read.
pub(super) fn unread<T>(what: &str) -> Known<T> {
    Known::Unknown(format!("cannot list {what}"))
}

/// One attempt with all that it looks at.
pub(super) struct World {
    pub(super) pod: FullPod,
    pub(super) node: Node,
    pub(super) neighbours: Known<Vec<FullPod>>,
    pub(super) nominated: Known<Vec<FullPod>>,
    pub(super) facts: Facts,
}

impl World {
    /// A pod `agent` of namespace `ops` with these volumes, on node `n1` of zone `a`.
    pub(super) fn with_volumes(volumes: Value) -> Self {
        Self {
            pod: pod("agent", "", volumes),
            node: serde_json::from_value(json!({"metadata": {"name": "n1", "labels": {
                "kubernetes.io/hostname": "n1", "topology.kubernetes.io/zone": "a", "topology.kubernetes.io/region": "r",
            }}}))
            .unwrap(),
            neighbours: Known::Known(Vec::new()),
            nominated: Known::Known(Vec::new()),
            facts: Facts {
                minor: Known::Known(Minor(36)),
                pods: Known::Known(Vec::new()),
                claims: Known::Known(Vec::new()),
                volumes: Known::Known(Vec::new()),
                storage_classes: Known::Known(Vec::new()),
                csi_nodes: Known::Known(Vec::new()),
                csi_drivers: Known::Known(Vec::new()),
                storage_capacities: Known::Known(Vec::new()),
                volume_attachments: Known::Known(Vec::new()),
                ..Facts::default()
            },
        }
    }

    /// The same with the claim `data`, and these claims.
    pub(super) fn with_claims(claims: Value) -> Self {
        let mut world = Self::with_volumes(json!([data_volume()]));
        world.facts.claims = known(claims);
        world
    }

    pub(super) fn judge(&self, filter: fn(&Attempt<'_>) -> Outcome) -> Outcome {
        fn borrowed(pods: &Known<Vec<FullPod>>) -> Known<Vec<&FullPod>> {
            match pods {
                Known::Known(pods) => Known::Known(pods.iter().collect()),
                Known::Unknown(why) => Known::Unknown(why.clone()),
            }
        }
        filter(&Attempt {
            pod: &self.pod,
            node: &self.node,
            neighbours: borrowed(&self.neighbours),
            nominated: borrowed(&self.nominated),
            facts: &self.facts,
        })
    }

    /// The refusals, which there must be.
    pub(super) fn refusals(&self, filter: fn(&Attempt<'_>) -> Outcome) -> (Phase, Vec<Refusal>) {
        match self.judge(filter) {
            Outcome::Fail { phase, refusals } => (phase, refusals),
            other => panic!("{other:?}"),
        }
    }

    /// The only refusal of the pod as such: misfit and wording.
    pub(super) fn refusal_of_pod(&self, filter: fn(&Attempt<'_>) -> Outcome) -> (VolumeMisfit, String) {
        self.only(filter, Phase::PreFilter, false)
    }

    /// The only refusal of the node, which no eviction could help.
    pub(super) fn refusal_of_node(&self, filter: fn(&Attempt<'_>) -> Outcome) -> (VolumeMisfit, String) {
        self.only(filter, Phase::Filter, false)
    }

    /// The only refusal of the node, which an eviction might help.
    pub(super) fn refusal_for_now(&self, filter: fn(&Attempt<'_>) -> Outcome) -> (VolumeMisfit, String) {
        self.only(filter, Phase::Filter, true)
    }

    fn only(&self, filter: fn(&Attempt<'_>) -> Outcome, phase: Phase, may_preempt: bool) -> (VolumeMisfit, String) {
        let (found, mut refusals) = self.refusals(filter);
        assert_eq!((found, refusals.len()), (phase, 1), "{refusals:?}");
        let refusal = refusals.remove(0);
        assert_eq!(refusal.may_preempt, may_preempt);
        match refusal.misfit {
            Misfit::Volumes(misfit) => (misfit, refusal.scheduler),
            other => panic!("{other:?}"),
        }
    }

    /// What is missing to judge.
    pub(super) fn missing(&self, filter: fn(&Attempt<'_>) -> Outcome) -> String {
        match self.judge(filter) {
            Outcome::Unknown { missing } => missing,
            other => panic!("{other:?}"),
        }
    }
}

/// A pod of namespace `ops`.
pub(super) fn pod(name: &str, node: &str, volumes: Value) -> FullPod {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "ops", "uid": format!("uid-of-{name}")},
        "spec": {"nodeName": node, "volumes": volumes},
    }))
    .unwrap()
}

/// The volume of claim `data`.
pub(super) fn data_volume() -> Value {
    json!({"name": "data", "persistentVolumeClaim": {"claimName": "data"}})
}

/// A claim of namespace `ops`, with this spec.
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

/// A PersistentVolume with this spec.
pub(super) fn volume(name: &str, spec: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": spec, "status": {"phase": "Available"}})
}

/// A node selector that asks for the zone.
pub(super) fn in_zone(zone: &str) -> Value {
    json!({"required": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]},
    ]}})
}
