//! Well-known taints: who sets each of them, who removes it and when, and so what to do about it.
//!
//! Removing a taint by hand is wrong for all of them: its owner sets it again, or relies on it.

use crate::snapshot::Taint;

/// The owner of a well-known taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaintOwner {
    /// Who removes the taint, as the subject of a sentence.
    pub(crate) name: &'static str,
    pub(crate) meaning: TaintMeaning,
}

/// What a taint means for a daemon pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaintMeaning {
    /// The node starts: other pods must not run before the owner is ready on the node, which then removes the taint.
    Startup(Startup),
    /// The owner removes the node.
    NodeRemoval,
    /// The taint reflects a condition of the node, which is described in words: `until the node is Ready`.
    Condition(&'static str),
    /// The node is reserved for pods that tolerate the taint.
    Reserved(&'static str),
}

/// What a startup taint waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Startup {
    /// A label of the pods of the owner on the node: key and value; `None` if it is not known.
    pub(crate) label: Option<(&'static str, &'static str)>,
    pub(crate) provides: Provides,
}

/// What other pods would lack without the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provides {
    /// The pod network: only pods with the network of the host run well before.
    Network,
    /// Volumes of one driver: only pods that use such volumes depend on it.
    Volumes,
    Other,
}

enum Key {
    Exact(&'static str),
    Prefix(&'static str),
    Suffix(&'static str),
}

const fn startup(name: &'static str, label: (&'static str, &'static str), provides: Provides) -> TaintOwner {
    TaintOwner { name, meaning: TaintMeaning::Startup(Startup { label: Some(label), provides }) }
}

const fn condition(name: &'static str, until: &'static str) -> TaintOwner {
    TaintOwner { name, meaning: TaintMeaning::Condition(until) }
}

const fn removal(name: &'static str) -> TaintOwner {
    TaintOwner { name, meaning: TaintMeaning::NodeRemoval }
}

const fn reserved(name: &'static str, purpose: &'static str) -> TaintOwner {
    TaintOwner { name, meaning: TaintMeaning::Reserved(purpose) }
}

const LIFECYCLE: &str = "the node lifecycle controller";

/// The first row that matches counts.
const OWNERS: &[(Key, TaintOwner)] = &[
    // kubernetes/kubernetes `pkg/controller/nodelifecycle/node_lifecycle_controller.go`
    (Key::Exact("node.kubernetes.io/not-ready"), condition(LIFECYCLE, "the node is Ready")),
    (Key::Exact("node.kubernetes.io/unreachable"), condition(LIFECYCLE, "the node is Ready")),
    (Key::Exact("node.kubernetes.io/memory-pressure"), condition(LIFECYCLE, "the node no longer has MemoryPressure")),
    (Key::Exact("node.kubernetes.io/disk-pressure"), condition(LIFECYCLE, "the node no longer has DiskPressure")),
    (Key::Exact("node.kubernetes.io/pid-pressure"), condition(LIFECYCLE, "the node no longer has PIDPressure")),
    (
        Key::Exact("node.kubernetes.io/network-unavailable"),
        condition(LIFECYCLE, "the network plugin or the cloud provider sets the condition NetworkUnavailable to False"),
    ),
    (
        Key::Exact("node.kubernetes.io/out-of-service"),
        condition("the administrator who shut down the node", "the node is back in service"),
    ),
    // kubernetes/cloud-provider `controllers/node`, `controllers/nodelifecycle`
    (
        Key::Exact("node.cloudprovider.kubernetes.io/uninitialized"),
        condition("cloud-controller-manager", "it has initialized the node, which it never does without the taint"),
    ),
    (
        Key::Exact("node.cloudprovider.kubernetes.io/shutdown"),
        condition("cloud-controller-manager", "the machine of the node runs again"),
    ),
    // https://docs.cilium.io/en/stable/installation/taints/
    (Key::Exact("node.cilium.io/agent-not-ready"), startup("Cilium", ("k8s-app", "cilium"), Provides::Network)),
    // istio/istio `pilot/pkg/controllers/untaint`
    (Key::Exact("cni.istio.io/not-ready"), startup("Istio CNI", ("k8s-app", "istio-cni-node"), Provides::Network)),
    // tigera/operator#5072
    (
        Key::Exact("node.projectcalico.org/network-not-ready"),
        startup("Calico", ("k8s-app", "calico-node"), Provides::Network),
    ),
    (
        Key::Exact("ebs.csi.aws.com/agent-not-ready"),
        startup("the EBS CSI driver", ("app", "ebs-csi-node"), Provides::Volumes),
    ),
    (
        Key::Exact("efs.csi.aws.com/agent-not-ready"),
        startup("the EFS CSI driver", ("app", "efs-csi-node"), Provides::Volumes),
    ),
    (
        Key::Exact("disk.csi.azure.com/agent-not-ready"),
        startup("the Azure Disk CSI driver", ("app", "csi-azuredisk-node"), Provides::Volumes),
    ),
    (
        Key::Exact("file.csi.azure.com/agent-not-ready"),
        startup("the Azure File CSI driver", ("app", "csi-azurefile-node"), Provides::Volumes),
    ),
    (
        Key::Suffix("/agent-not-ready"),
        TaintOwner {
            name: "the agent that the key names",
            meaning: TaintMeaning::Startup(Startup { label: None, provides: Provides::Other }),
        },
    ),
    // kubernetes-sigs/node-readiness-controller
    (
        Key::Prefix("readiness.k8s.io/"),
        condition("the Node Readiness Controller", "the conditions of its NodeReadinessRule are met"),
    ),
    // kubernetes-sigs/karpenter `pkg/apis/v1/taints.go`
    (Key::Exact("karpenter.sh/unregistered"), condition("Karpenter", "it has registered the node")),
    (Key::Exact("karpenter.sh/disrupted"), removal("Karpenter")),
    (Key::Exact("karpenter.sh/disruption"), removal("Karpenter")),
    // kubernetes/autoscaler `cluster-autoscaler/utils/taints/taints.go`
    (Key::Exact("ToBeDeletedByClusterAutoscaler"), removal("the cluster autoscaler")),
    (Key::Exact("DeletionCandidateOfClusterAutoscaler"), removal("the cluster autoscaler")),
    (Key::Exact("node-role.kubernetes.io/control-plane"), reserved("the installer", "the control plane")),
    (Key::Exact("node-role.kubernetes.io/master"), reserved("the installer", "the control plane")),
    (Key::Exact("nvidia.com/gpu"), reserved("the node pool", "pods that use its GPUs")),
    (Key::Exact("amd.com/gpu"), reserved("the node pool", "pods that use its GPUs")),
];

/// The owner of the taint, if it is well-known.
pub(crate) fn owner(taint: &Taint) -> Option<&'static TaintOwner> {
    let matches = |key: &Key| match key {
        Key::Exact(key) => taint.key == *key,
        Key::Prefix(prefix) => taint.key.starts_with(prefix),
        Key::Suffix(suffix) => taint.key.ends_with(suffix),
    };
    OWNERS.iter().find(|(key, _)| matches(key)).map(|(_, owner)| owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(key: &str) -> Option<TaintMeaning> {
        owner(&Taint { key: key.into(), effect: "NoSchedule".into(), ..Taint::default() }).map(|owner| owner.meaning)
    }

    #[test]
    fn owner_is_found_by_key_prefix_or_suffix() {
        assert!(
            matches!(meaning("node.cilium.io/agent-not-ready"), Some(TaintMeaning::Startup(startup)) if startup.label.is_some())
        );
        assert!(
            matches!(meaning("s3.csi.example.com/agent-not-ready"), Some(TaintMeaning::Startup(startup)) if startup.label.is_none())
        );
        assert!(matches!(meaning("readiness.k8s.io/security-agent"), Some(TaintMeaning::Condition(_))));
        assert_eq!(meaning("karpenter.sh/disrupted"), Some(TaintMeaning::NodeRemoval));
        assert_eq!(meaning("dedicated"), None);
        assert_eq!(meaning("example.com/node.cilium.io/agent-not-ready-2"), None);
    }

    #[test]
    fn node_lifecycle_taints_are_well_known() {
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            assert!(matches!(meaning(key), Some(TaintMeaning::Condition(_))), "{key}");
        }
    }
}
