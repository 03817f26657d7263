//! A scenario: one DaemonSet in a namespace and on nodes of its own, so that many run in parallel on one control plane.

use std::time::Instant;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, join_all};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod, ServiceAccount};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::harness::client::{ensure, failed, message, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{
    container, daemon_set, daemon_set_reference, merge_patch, namespace, node_reference, pod_reference,
};
use crate::harness::plane_layout::SILENT;
use crate::harness::running_program::RunningProgram;

/// One DaemonSet, `agent`. `name` is the name of its namespace and the prefix of its nodes.
pub(crate) struct Scenario<'p> {
    pub(crate) plane: &'p ControlPlane,
    pub(crate) name: &'static str,
    pub(crate) nodes: usize,
}

/// Sets a scenario up and runs it; returns its failure, if any.
pub(crate) fn run_scenario<'p>(
    plane: &'p ControlPlane,
    name: &'static str,
    nodes: usize,
    scenario: impl AsyncFnOnce(&Scenario<'p>) -> Result<(), Failed> + 'p,
) -> LocalBoxFuture<'p, Option<String>> {
    async move {
        let this = Scenario { plane, name, nodes };
        let started = Instant::now();
        let outcome = match this.set_up().await {
            Ok(()) => scenario(&this).await,
            failure => failure,
        };
        eprintln!("{name}: {:.1} s", started.elapsed().as_secs_f64());
        outcome.err().map(|failure| format!("\n=== {name}: {}", failure.message().unwrap_or("failed")))
    }
    .boxed_local()
}

/// Runs scenarios in parallel; fails with all their failures.
pub(crate) async fn all_passed<const N: usize>(
    scenarios: [LocalBoxFuture<'_, Option<String>>; N],
) -> Result<(), Failed> {
    let failures = join_all(scenarios).await.into_iter().flatten().collect::<String>();
    ensure(failures.is_empty(), || failures)
}

/// What a node's kubelet does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kubelet {
    Reporting,
    Silent,
}

impl Kubelet {
    /// A merge patch for the labels of its node.
    pub(crate) fn label(self) -> Value {
        json!({SILENT: (self == Self::Silent).then_some("")})
    }
}

impl Scenario<'_> {
    /// Creates the namespace and the nodes.
    pub(crate) async fn set_up(&self) -> Result<(), Failed> {
        self.plane.create(&namespace(self.name)).await?;
        let nodes: Vec<Value> = (0..self.nodes).map(|index| self.node(&letter(index))).collect();
        self.plane.create_all(&nodes).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.plane.client(), self.name);
        // Without it no pod can be created.
        wait_until("the namespace has its service account", async || {
            accounts.get("default").await.map(|_| ()).map_err(|error| error.to_string())
        })
        .await
    }

    pub(crate) fn node(&self, letter: &str) -> Value {
        let mut node = node_reference(&self.node_name(letter));
        node["metadata"]["labels"] = json!({"scenario": self.name});
        node
    }

    /// The name of the node with this letter.
    pub(crate) fn node_name(&self, letter: &str) -> String {
        format!("{}-{letter}", self.name)
    }

    /// A reference to the DaemonSet.
    pub(crate) fn agent(&self) -> Value {
        daemon_set_reference(self.name, "agent")
    }

    /// Creates the DaemonSet with these fields of its spec, and waits until it is available on all nodes.
    pub(crate) async fn create_agent(&self, spec: &Value) -> Result<(), Failed> {
        let pod_spec = json!({"nodeSelector": {"scenario": self.name}, "containers": [container("one")]});
        let mut agent = daemon_set(self.name, "agent", &pod_spec);
        merge_patch(&mut agent["spec"], spec);
        self.plane.create(&agent).await?;
        let sets: Api<DaemonSet> = Api::namespaced(self.plane.client(), self.name);
        wait_until("the DaemonSet is available on all nodes", async || {
            let status = sets.get("agent").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
            let expected = i32::try_from(self.nodes).unwrap_or_default();
            let is_available = status.observed_generation == Some(1)
                && status.desired_number_scheduled == expected
                && status.number_available.unwrap_or_default() == expected;
            if is_available { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await
    }

    /// Starts `rollout watch`, and waits for its first line.
    pub(crate) async fn watch_rollout(&self, arguments: &[&str]) -> Result<RunningProgram, Failed> {
        let running =
            RunningProgram::start(self.plane, &[&["rollout", "watch", "agent", "-n", self.name], arguments].concat())?;
        running.wait_for("\n").await?;
        Ok(running)
    }

    /// Applies a merge patch to the DaemonSet's spec.
    pub(crate) async fn patch_spec(&self, spec: &Value) -> Result<(), Failed> {
        let mut agent = self.agent();
        agent["spec"] = spec.clone();
        self.plane.merge(&agent).await
    }

    /// Silences the node's kubelet or lets it report again, and waits until the node controller notices.
    pub(crate) async fn set_kubelet(&self, letter: &str, kubelet: Kubelet) -> Result<(), Failed> {
        let mut node = self.node(letter);
        node["metadata"]["labels"] = kubelet.label();
        self.plane.merge(&node).await?;
        let nodes: Api<Node> = Api::all(self.plane.client());
        let name = self.node_name(letter);
        let expected = if kubelet == Kubelet::Silent { "Unknown" } else { "True" };
        wait_until(&format!("{name} has the condition Ready={expected}"), async || {
            let status = nodes.get(&name).await.map_err(|error| error.to_string())?.status.unwrap_or_default();
            let ready = status.conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready");
            let ready = ready.map(|condition| condition.status).unwrap_or_default();
            if ready == expected { Ok(()) } else { Err(format!("Ready is {ready}")) }
        })
        .await
    }

    /// Backdates the node's Ready condition by ten minutes.
    pub(crate) async fn backdate_not_ready(&self, letter: &str) -> Result<(), Failed> {
        let nodes: Api<Node> = Api::all(self.plane.client());
        let since = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(10);
        let since = since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let change = json!({"status": {"conditions": [{"type": "Ready", "lastTransitionTime": since}]}});
        let name = self.node_name(letter);
        nodes.patch_status(&name, &PatchParams::default(), &Patch::Strategic(change)).await.map(|_| ()).map_err(failed)
    }

    /// Waits for a pod with the behavior `starting` or `never-ready`; returns its name.
    pub(crate) async fn wait_for_new_pod(&self) -> Result<String, Failed> {
        wait_until("the new pod exists", async || {
            let pods = self.pods().await.map_err(message)?;
            let is_new = |pod: &&Pod| {
                let behaviors = ["ds.test/starting", "ds.test/never-ready"];
                behaviors.iter().any(|behavior| pod.annotations().contains_key(*behavior))
            };
            pods.iter().find(is_new).map(ResourceExt::name_any).ok_or_else(|| "none yet".to_owned())
        })
        .await
    }

    /// Lets one pod with the behavior `starting` become ready.
    pub(crate) async fn release_one(&self) -> Result<(), Failed> {
        let name = self.wait_for_new_pod().await?;
        let mut pod = self.pod(&name);
        pod["metadata"]["annotations"] = json!({"ds.test/starting": null});
        self.plane.merge(&pod).await
    }

    /// Runs another watch, which stalls after a second; returns its output.
    pub(crate) async fn watch_until_stalled(&self) -> Result<String, Failed> {
        let arguments = ["rollout", "watch", "agent", "-n", self.name, "--stall-timeout", "1s"];
        RunningProgram::start(self.plane, &arguments)?.wait_for_exit(1).await
    }

    pub(crate) async fn pods(&self) -> Result<Vec<Pod>, Failed> {
        let pods: Vec<Pod> = self.plane.list().await?;
        Ok(pods.into_iter().filter(|pod| pod.namespace().as_deref() == Some(self.name)).collect())
    }

    /// A reference to a pod.
    pub(crate) fn pod(&self, name: &str) -> Value {
        pod_reference(self.name, name)
    }
}

/// `a` to `z`, then `a1`, `b1` and so on.
pub(crate) fn letter(index: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(index % 26).unwrap_or_default());
    if index < 26 { letter.to_string() } else { format!("{letter}{}", index / 26) }
}

/// A patch of a DaemonSet's spec: the image and the behavior of its pods. A behavior of null is removed.
pub(crate) fn template_patch(image: &str, behavior: &Value) -> Value {
    json!({"template": {
        "metadata": {"annotations": behavior},
        "spec": {"containers": [container(image)]},
    }})
}

/// Fails unless the text contains all of these.
pub(crate) fn assert_contains(text: &str, expected: &[&str]) -> Result<(), Failed> {
    for part in expected {
        ensure(text.contains(part), || format!("no {part:?} in:\n{text}"))?;
    }
    Ok(())
}

/// Fails if the text contains any of these.
pub(crate) fn assert_not_contains(text: &str, unexpected: &[&str]) -> Result<(), Failed> {
    for part in unexpected {
        ensure(!text.contains(part), || format!("{part:?} in:\n{text}"))?;
    }
    Ok(())
}
