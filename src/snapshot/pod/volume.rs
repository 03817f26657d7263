//! The volumes of a pod, with only the sources that a filter of the scheduler reads.

use serde::Deserialize;
use serde::de::Deserializer;

use crate::snapshot::resource_list::ResourceList;

/// `v1.Volume`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub(crate) struct Volume {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, required, tag = "2")]
    pub(crate) source: VolumeSource,
}

/// In JSON, the fields of the source are inlined beside the name.
impl<'de> Deserialize<'de> for Volume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Flat {
            name: String,
            #[serde(flatten)]
            source: VolumeSource,
        }
        let Flat { name, source } = Flat::deserialize(deserializer)?;
        Ok(Self { name, source })
    }
}

/// `v1.VolumeSource`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct VolumeSource {
    #[prost(message, optional, tag = "3")]
    pub(crate) gce_persistent_disk: Option<GcePersistentDisk>,
    #[prost(message, optional, tag = "4")]
    pub(crate) aws_elastic_block_store: Option<AwsElasticBlockStore>,
    #[prost(message, optional, tag = "8")]
    pub(crate) iscsi: Option<Iscsi>,
    #[prost(message, optional, tag = "10")]
    pub(crate) persistent_volume_claim: Option<ClaimSource>,
    #[prost(message, optional, tag = "11")]
    pub(crate) rbd: Option<Rbd>,
    #[prost(message, optional, tag = "28")]
    pub(crate) csi: Option<CsiSource>,
    #[prost(message, optional, tag = "29")]
    pub(crate) ephemeral: Option<Ephemeral>,
}

/// `v1.GCEPersistentDiskVolumeSource`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GcePersistentDisk {
    #[prost(string, tag = "1")]
    pub(crate) pd_name: String,
    #[prost(bool, tag = "4")]
    pub(crate) read_only: bool,
}

/// `v1.AWSElasticBlockStoreVolumeSource`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AwsElasticBlockStore {
    #[prost(string, tag = "1")]
    #[serde(rename = "volumeID")]
    pub(crate) volume_id: String,
}

/// `v1.ISCSIVolumeSource`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Iscsi {
    #[prost(string, tag = "2")]
    pub(crate) iqn: String,
    #[prost(bool, tag = "6")]
    pub(crate) read_only: bool,
}

/// `v1.PersistentVolumeClaimVolumeSource`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ClaimSource {
    #[prost(string, tag = "1")]
    pub(crate) claim_name: String,
    #[prost(bool, tag = "2")]
    pub(crate) read_only: bool,
}

/// `v1.RBDVolumeSource`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Rbd {
    #[prost(string, repeated, tag = "1")]
    pub(crate) monitors: Vec<String>,
    #[prost(string, tag = "2")]
    pub(crate) image: String,
    #[prost(string, tag = "4")]
    pub(crate) pool: String,
    #[prost(bool, tag = "8")]
    pub(crate) read_only: bool,
}

/// `v1.CSIVolumeSource`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct CsiSource {
    #[prost(string, tag = "1")]
    pub(crate) driver: String,
}

/// `v1.EphemeralVolumeSource`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Ephemeral {
    #[prost(message, optional, tag = "1")]
    pub(crate) volume_claim_template: Option<ClaimTemplate>,
}

/// `v1.PersistentVolumeClaimTemplate`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct ClaimTemplate {
    #[prost(message, optional, tag = "2")]
    pub(crate) spec: Option<ClaimTemplateSpec>,
}

/// `v1.PersistentVolumeClaimSpec`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ClaimTemplateSpec {
    #[prost(string, repeated, tag = "1")]
    pub(crate) access_modes: Vec<String>,
    #[prost(message, optional, tag = "2")]
    pub(crate) resources: Option<VolumeResources>,
    #[prost(string, tag = "5")]
    pub(crate) storage_class_name: String,
}

/// `v1.VolumeResourceRequirements`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct VolumeResources {
    #[prost(btree_map = "string, message", tag = "2")]
    pub(crate) requests: ResourceList,
}
