//! Host ports that are in use.

use serde::Serialize;

use crate::scheduling::node_pod::NodePod;

/// What is in the way of a port. Serialised, the variant's name is the `code`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all_fields = "camelCase")]
pub(crate) enum PortRejection {
    /// Another pod has it.
    HostPortInUse {
        /// The container that asks for it.
        container: String,
        /// The port of the host.
        port: i32,
        /// `TCP`, `UDP` or `SCTP`.
        protocol: String,
        /// The address of the host; `0.0.0.0` for all.
        #[serde(rename = "hostIP")]
        host_ip: String,
        /// Who has it.
        used_by: Vec<PortUser>,
    },
}

/// A pod that has a port.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PortUser {
    /// Which.
    #[serde(flatten)]
    pub(crate) node_pod: NodePod,
    /// At which address; `0.0.0.0` for all.
    #[serde(rename = "hostIP")]
    pub(crate) host_ip: String,
}
