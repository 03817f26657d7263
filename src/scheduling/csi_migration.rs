//! CSI migration: volumes of in-tree plugins that CSI drivers now handle.
//!
//! Only what a filter reads is translated: the driver, the identity of the volume, and the nodes that can access it.
//!
//! Upstream: `k8s.io/csi-translation-lib` `translate.go`, `plugins/in_tree_volume.go`
//! `translateTopologyFromInTreeToCSI`; `pkg/scheduler/framework/plugins/nodevolumelimits/utils.go`,
//! `volumebinding/binder.go` `tryTranslatePVToCSI`.

use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PersistentVolume};
use k8s_openapi::api::storage::v1::CSINode;

use crate::snapshot::pod::volume::VolumeSource;

/// The annotation on a CSINode with the plugins that its kubelet has migrated.
const MIGRATED: &str = "storage.alpha.kubernetes.io/migrated-plugins";
const ZONE: &str = "topology.kubernetes.io/zone";
const BETA_ZONE: &str = "failure-domain.beta.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";
const BETA_REGION: &str = "failure-domain.beta.kubernetes.io/region";

/// An in-tree plugin and the CSI driver that replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plugin {
    /// The name of the plugin, which is also the provisioner of its storage classes.
    name: &'static str,
    pub(super) driver: &'static str,
    /// The driver's own zone label on nodes, if the translation uses it.
    zone_key: Option<&'static str>,
}

/// The plugins that the scheduler translates (`isCSIMigrationOnForPlugin`).
const PLUGINS: [Plugin; 5] = [AWS, GCE, AZURE, CINDER, PORTWORX];
const AWS: Plugin = Plugin {
    name: "kubernetes.io/aws-ebs",
    driver: "ebs.csi.aws.com",
    zone_key: Some("topology.ebs.csi.aws.com/zone"),
};
const GCE: Plugin =
    Plugin { name: "kubernetes.io/gce-pd", driver: "pd.csi.storage.gke.io", zone_key: Some("topology.gke.io/zone") };
const AZURE: Plugin = Plugin { name: "kubernetes.io/azure-disk", driver: "disk.csi.azure.com", zone_key: None };
const CINDER: Plugin = Plugin {
    name: "kubernetes.io/cinder",
    driver: "cinder.csi.openstack.org",
    zone_key: Some("topology.cinder.csi.openstack.org/zone"),
};
const PORTWORX: Plugin = Plugin { name: "kubernetes.io/portworx-volume", driver: "pxd.portworx.com", zone_key: None };

impl Plugin {
    /// The plugin that is the provisioner of a storage class.
    pub(super) fn from_provisioner(provisioner: &str) -> Option<Self> {
        PLUGINS.into_iter().find(|plugin| plugin.name == provisioner)
    }

    /// The plugin of a PersistentVolume, and the identity of the volume.
    pub(super) fn of_volume(volume: &PersistentVolume) -> Option<(Self, &str)> {
        let spec = volume.spec.as_ref()?;
        let aws = spec.aws_elastic_block_store.as_ref().map(|disk| (AWS, disk.volume_id.as_str()));
        let gce = || spec.gce_persistent_disk.as_ref().map(|disk| (GCE, disk.pd_name.as_str()));
        let azure = || spec.azure_disk.as_ref().map(|disk| (AZURE, disk.disk_uri.as_str()));
        let cinder = || spec.cinder.as_ref().map(|disk| (CINDER, disk.volume_id.as_str()));
        let portworx = || spec.portworx_volume.as_ref().map(|disk| (PORTWORX, disk.volume_id.as_str()));
        aws.or_else(gce).or_else(azure).or_else(cinder).or_else(portworx)
    }

    /// The plugin and the identity of a disk in a pod's volume, for the sources that [`VolumeSource`] has.
    pub(super) fn from_source(source: &VolumeSource) -> Option<(Self, &str)> {
        let aws = source.aws_elastic_block_store.as_ref().map(|disk| (AWS, disk.volume_id.as_str()));
        aws.or_else(|| source.gce_persistent_disk.as_ref().map(|disk| (GCE, disk.pd_name.as_str())))
    }

    /// Whether the node's kubelet has migrated the plugin (`isPluginMigratedToCSIOnNode`).
    fn is_handed_on(self, csi_node: &CSINode) -> bool {
        let annotations = csi_node.metadata.annotations.as_ref();
        let plugins = annotations.and_then(|annotations| annotations.get(MIGRATED)).map_or("", String::as_str);
        plugins.split(',').any(|plugin| plugin == self.name)
    }
}

/// The nodes that can access the volume, as the scheduler evaluates it for a node; none for all nodes.
pub(super) fn required_nodes(volume: &PersistentVolume, csi_node: Option<&CSINode>) -> Option<NodeSelector> {
    let required = volume.spec.as_ref()?.node_affinity.as_ref().and_then(|affinity| affinity.required.clone());
    let handed_on =
        Plugin::of_volume(volume).filter(|(plugin, _)| csi_node.is_some_and(|node| plugin.is_handed_on(node)));
    match handed_on.and_then(|(plugin, _)| plugin.zone_key) {
        Some(zone_key) => translated(volume, required, zone_key),
        None => required,
    }
}

/// Replaces the zone label by the driver's own. If the affinity has no zones, they come from the volume's labels.
fn translated(volume: &PersistentVolume, required: Option<NodeSelector>, zone_key: &str) -> Option<NodeSelector> {
    let label = |key: &str| volume.metadata.labels.as_ref().and_then(|labels| labels.get(key));
    let mut terms = required.map(|required| required.node_selector_terms).unwrap_or_default();
    let names = |terms: &[NodeSelectorTerm], key: &str| requirements(terms).any(|one| one.key == key);
    let is_beta = match (names(&terms, ZONE), names(&terms, BETA_ZONE)) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => label(ZONE).is_none() && label(BETA_ZONE).is_some(),
    };
    let (zone, region) = if is_beta { (BETA_ZONE, BETA_REGION) } else { (ZONE, REGION) };
    if requirements(&terms).any(|one| one.key == zone && one.values.as_ref().is_some_and(|values| !values.is_empty())) {
        rename(&mut terms, zone, zone_key);
    } else if let Some(zones) = label(zone) {
        let zones: std::collections::BTreeSet<&str> =
            zones.split("__").map(str::trim).filter(|zone| !zone.is_empty()).collect();
        add_zones(&mut terms, zone_key, &zones.into_iter().map(str::to_owned).collect::<Vec<_>>());
    }
    if region == BETA_REGION {
        rename(&mut terms, BETA_REGION, REGION);
    }
    (!terms.is_empty()).then_some(NodeSelector { node_selector_terms: terms })
}

fn requirements(terms: &[NodeSelectorTerm]) -> impl Iterator<Item = &NodeSelectorRequirement> {
    terms.iter().flat_map(|term| term.match_expressions.iter().flatten())
}

fn rename(terms: &mut [NodeSelectorTerm], from: &str, to: &str) {
    for requirement in terms.iter_mut().flat_map(|term| term.match_expressions.iter_mut().flatten()) {
        if requirement.key == from {
            to.clone_into(&mut requirement.key);
        }
    }
}

fn add_zones(terms: &mut Vec<NodeSelectorTerm>, zone_key: &str, zones: &[String]) {
    if zones.is_empty() {
        return;
    }
    if terms.is_empty() {
        terms.push(NodeSelectorTerm::default());
    }
    let requirement =
        NodeSelectorRequirement { key: zone_key.to_owned(), operator: "In".to_owned(), values: Some(zones.to_owned()) };
    for term in terms {
        term.match_expressions.get_or_insert_default().push(requirement.clone());
    }
}

#[cfg(test)]
mod tests;
