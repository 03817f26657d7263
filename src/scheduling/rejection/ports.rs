//! Host ports that are in use.

use serde::Serialize;

use crate::scheduling::node_pod::NodePod;

/// Why a host port is not available. In JSON, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum PortRejection {
    /// Another pod uses the port.
    HostPortInUse {
        /// The container that requests the port.
        container: String,
        port: i32,
        /// `TCP`, `UDP` or `SCTP`.
        protocol: String,
        /// The address of the host; `0.0.0.0` for all addresses.
        #[serde(rename = "hostIP")]
        host_ip: String,
        /// The pods that use the port.
        used_by: Vec<PortUser>,
    },
}

/// A pod that uses a host port.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct PortUser {
    #[serde(flatten)]
    pub(crate) node_pod: NodePod,
    /// The address that the pod uses; `0.0.0.0` for all addresses.
    #[serde(rename = "hostIP")]
    pub(crate) host_ip: String,
}
