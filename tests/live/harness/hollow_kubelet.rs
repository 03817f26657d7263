//! Kubernetes' own kubelet for one node, without containers (`tests/control-plane/hollow-kubelet`). Where words and the
//! order of events are under test, it replaces kwok, which leaves its node alone.
//!
//! The node has one CPU and 3.75 GiB of memory. Pods become ready at once; a container of the image
//! [`IGNORES_SIGTERM`] ends when its grace period is over. The runtime is a fake in memory: a kubelet that is started
//! again finds no containers, as after a reboot. It reports no events, because then it reads the kernel's log.

use std::fs;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use libtest_mimic::Failed;

use crate::Ctx;
use crate::harness::client::wait_until;
use crate::harness::control_plane::ControlPlane;
use crate::harness::plane_layout::SILENT;
use crate::harness::ports;
use crate::harness::process::Process;

/// An image whose containers end only when their grace period is over.
pub(crate) const IGNORES_SIGTERM: &str = "ignores-sigterm";

/// The program, as `tests/control-plane/build.sh` names it.
const PROGRAM: &str = "hollow-kubelet";

/// The duration of a node's lease, in seconds: shorter than any grace period of the node monitor.
const LEASE: u32 = 8;

/// A kubelet with its node. Dropping it kills it; the Node stays.
pub(crate) struct HollowKubelet {
    process: Process,
    node: String,
}

impl HollowKubelet {
    /// The program, or `None` if `DS_CONTROL_PLANE` is a directory without it: it cannot be built for every version of
    /// Kubernetes.
    pub(crate) fn program(ctx: &Ctx) -> Result<Option<PathBuf>, Failed> {
        let program = ctx.programs.join(PROGRAM);
        match (program.is_file(), std::env::var_os("DS_CONTROL_PLANE")) {
            (true, _) => Ok(Some(program)),
            (false, Some(dir)) => {
                eprintln!("skipped: {PROGRAM} is not in {} (set by DS_CONTROL_PLANE)", dir.display());
                Ok(None)
            }
            (false, None) => Err(format!("no {PROGRAM} (run tests/control-plane/build.sh)").into()),
        }
    }

    /// Starts a kubelet that registers the node `node`, and waits until the node is ready.
    pub(crate) async fn start(plane: &ControlPlane, ctx: &Ctx, node: &str, max_pods: u32) -> Result<Self, Failed> {
        let name = format!("{PROGRAM}-{node}");
        let dir = plane.dir().join(&name);
        fs::create_dir(&dir)?;
        let [port] = ports::free()?;
        let arguments = [
            format!("--name={node}"),
            format!("--kubeconfig={}", plane.kubeconfig().display()),
            format!("--dir={}", dir.display()),
            format!("--label={SILENT}"),
            format!("--port={port}"),
            format!("--max-pods={max_pods}"),
            format!("--lease={LEASE}"),
        ];
        let process = Process::start(&name, &ctx.programs.join(PROGRAM), &arguments, plane.dir())?;
        let mut kubelet = Self { process, node: node.to_owned() };
        kubelet.wait_until_ready(plane).await?;
        Ok(kubelet)
    }

    /// Kills the kubelet.
    pub(crate) fn stop(&mut self) -> Result<(), Failed> {
        Ok(self.process.stop()?)
    }

    /// Starts it again, after [`HollowKubelet::stop`].
    pub(crate) fn start_again(&mut self) -> Result<(), Failed> {
        Ok(self.process.start_again()?)
    }

    /// Waits until the kubelet reports that its node is ready.
    pub(crate) async fn wait_until_ready(&mut self, plane: &ControlPlane) -> Result<(), Failed> {
        wait_for_ready(plane, &self.node, "True").await.map_err(|failure| {
            format!("{}\n{}", failure.message().unwrap_or_default(), self.process.log_tail(15)).into()
        })
    }
}

/// Waits until the node's condition `Ready` has this status.
pub(crate) async fn wait_for_ready(plane: &ControlPlane, node: &str, status: &str) -> Result<(), Failed> {
    let nodes: Api<Node> = Api::all(plane.client());
    wait_until(&format!("{node} has the condition Ready={status}"), async || {
        let node = nodes.get(node).await.map_err(|error| error.to_string())?;
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        match conditions.iter().find(|condition| condition.type_ == "Ready") {
            Some(ready) if ready.status == status => Ok(()),
            ready => Err(format!("{ready:?}")),
        }
    })
    .await
}
