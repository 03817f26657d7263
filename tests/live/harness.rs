//! What the tests run on and run with: a control plane of its own for each test, the program as a child process, and
//! the objects, waits and checks that more than one test needs.
//!
//! - [`control_plane`] starts etcd, the API server, the controllers, the scheduler and kwok, which replaces the
//!   kubelets (`stages.yaml`); [`plane_layout`], [`process`] and [`ports`] are its parts.
//! - [`hollow_kubelet`] starts Kubernetes' own kubelet for a node that kwok leaves alone.
//! - [`log_kubelet`] serves logs to the API server, and [`tls`] is for servers that the API server calls.
//! - [`client`] waits, changes objects and runs the program; [`running_program`] and [`terminal`] run it in the
//!   background; [`manifests`] builds the objects.
//! - [`json_proxy`] and [`fault_proxy`] are between the program and the API server.
//! - [`quiescence`] waits until the controllers have nothing left to do; [`random_cluster`] and
//!   [`random_daemon_sets`] create clusters from a seed; [`independent_counts`] counts without the program's code.
//! - [`scenario`] is one DaemonSet with a namespace and nodes of its own; [`invariant_watcher`] checks every pod that
//!   is removed there.
//! - [`why_not_assertions`] checks what the program prints.
//! - [`registry`] names the tests; [`playground`] keeps a control plane for manual tests.

#[macro_use]
pub(crate) mod registry;

pub(crate) mod client;
pub(crate) mod control_plane;
pub(crate) mod fault_proxy;
pub(crate) mod hollow_kubelet;
pub(crate) mod independent_counts;
pub(crate) mod invariant_watcher;
pub(crate) mod json_proxy;
pub(crate) mod log_kubelet;
pub(crate) mod manifests;
pub(crate) mod plane_layout;
pub(crate) mod playground;
mod ports;
mod process;
pub(crate) mod quiescence;
pub(crate) mod random_cluster;
pub(crate) mod random_daemon_sets;
pub(crate) mod running_program;
pub(crate) mod scenario;
pub(crate) mod terminal;
pub(crate) mod tls;
pub(crate) mod why_not_assertions;
