//! A scene: one DaemonSet in a namespace and on nodes of its own, so that many are played beside each other on one plane.

use std::time::Instant;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, join_all};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod, ServiceAccount};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::client::{ensure, failed, wait_until};
use crate::layout::SILENT;
use crate::plane::Plane;
use crate::rollout::Running;

/// One rollout in a namespace and on nodes of its own, all of the same name.
pub(crate) struct Scene<'p> {
    pub(crate) plane: &'p Plane,
    pub(crate) name: &'static str,
    pub(crate) nodes: usize,
}

/// Plays a scene; what went wrong, if anything did.
pub(crate) fn play<'p>(
    plane: &'p Plane,
    name: &'static str,
    nodes: usize,
    scene: impl AsyncFnOnce(&Scene<'p>) -> Result<(), Failed> + 'p,
) -> LocalBoxFuture<'p, Option<String>> {
    async move {
        let stage = Scene { plane, name, nodes };
        let begun = Instant::now();
        let outcome = match stage.set().await {
            Ok(()) => scene(&stage).await,
            failure => failure,
        };
        eprintln!("{name}: {:.1} s", begun.elapsed().as_secs_f64());
        outcome.err().map(|failure| format!("\n=== {name}: {}", failure.message().unwrap_or("failed")))
    }
    .boxed_local()
}

/// Plays them beside each other; all that went wrong.
pub(crate) async fn none_is_wrong<const N: usize>(all: [LocalBoxFuture<'_, Option<String>>; N]) -> Result<(), Failed> {
    let wrong = join_all(all).await.into_iter().flatten().collect::<String>();
    ensure(wrong.is_empty(), || wrong)
}

impl Scene<'_> {
    /// Makes the namespace and the nodes.
    pub(crate) async fn set(&self) -> Result<(), Failed> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}});
        self.plane.create(&namespace).await?;
        let nodes: Vec<Value> = (0..self.nodes).map(|index| self.node(&letter(index))).collect();
        self.plane.create_all(&nodes).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.plane.client(), self.name);
        // Without it no pod is made.
        wait_until("the namespace has its service account", async || {
            accounts.get("default").await.map(|_| ()).map_err(|error| error.to_string())
        })
        .await
    }

    pub(crate) fn node(&self, letter: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {
            "name": format!("{}-{letter}", self.name), "labels": {"scene": self.name},
        }})
    }

    /// What names the DaemonSet.
    pub(crate) fn agent(&self) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": self.name}})
    }

    /// Makes the DaemonSet with these fields of its spec, and waits until all nodes have it.
    pub(crate) async fn begin(&self, spec: &Value) -> Result<(), Failed> {
        let labels = json!({"app": "agent"});
        let mut agent = self.agent();
        agent["spec"] = json!({
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "nodeSelector": {"scene": self.name},
                    "containers": [{"name": "main", "image": "one"}],
                },
            },
        });
        overlay(&mut agent["spec"], spec);
        self.plane.create(&agent).await?;
        let sets: Api<DaemonSet> = Api::namespaced(self.plane.client(), self.name);
        wait_until("the DaemonSet is at rest", async || {
            let status = sets.get("agent").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
            let wanted = i32::try_from(self.nodes).unwrap_or_default();
            let is_so = status.observed_generation == Some(1)
                && status.desired_number_scheduled == wanted
                && status.number_available.unwrap_or_default() == wanted;
            if is_so { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await
    }

    /// Starts to watch, and waits for the first words.
    pub(crate) async fn watch(&self, arguments: &[&str]) -> Result<Running, Failed> {
        let running =
            Running::start(self.plane, &[&["rollout", "watch", "agent", "-n", self.name], arguments].concat())?;
        running.until("\n").await?;
        Ok(running)
    }

    /// Changes the spec by a merge patch.
    pub(crate) async fn change(&self, spec: &Value) -> Result<(), Failed> {
        let mut agent = self.agent();
        agent["spec"] = spec.clone();
        self.plane.merge(&agent).await
    }

    /// Silences the node's kubelet, or lets it speak again.
    pub(crate) async fn silence(&self, letter: &str, is_silent: bool) -> Result<(), Failed> {
        let mut node = self.node(letter);
        node["metadata"]["labels"] = json!({SILENT: is_silent.then_some("")});
        self.plane.merge(&node).await?;
        let nodes: Api<Node> = Api::all(self.plane.client());
        let name = format!("{}-{letter}", self.name);
        let wanted = if is_silent { "Unknown" } else { "True" };
        wait_until("the node's silence is noticed, or its end", async || {
            let status = nodes.get(&name).await.map_err(|error| error.to_string())?.status.unwrap_or_default();
            let ready = status.conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready");
            let ready = ready.map(|condition| condition.status).unwrap_or_default();
            if ready == wanted { Ok(()) } else { Err(format!("Ready is {ready}")) }
        })
        .await
    }

    /// The node is as if it had been silent for ten minutes.
    pub(crate) async fn silent_for_long(&self, letter: &str) -> Result<(), Failed> {
        let nodes: Api<Node> = Api::all(self.plane.client());
        let since = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(10);
        let since = since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let change = json!({"status": {"conditions": [{"type": "Ready", "lastTransitionTime": since}]}});
        let name = format!("{}-{letter}", self.name);
        nodes.patch_status(&name, &PatchParams::default(), &Patch::Strategic(change)).await.map(|_| ()).map_err(failed)
    }

    /// Waits for a pod of the second template that is not let come up.
    pub(crate) async fn new_pod(&self) -> Result<String, Failed> {
        wait_until("a new pod is there", async || {
            let pods = self.pods().await.map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
            let is_new = |pod: &&Pod| {
                let behaviours = ["ds.test/starting", "ds.test/never-ready"];
                behaviours.iter().any(|behaviour| pod.annotations().contains_key(*behaviour))
            };
            pods.iter().find(is_new).map(ResourceExt::name_any).ok_or_else(|| "none yet".to_owned())
        })
        .await
    }

    /// Lets a new pod come up that waits for it, as those with the behaviour `starting` do.
    pub(crate) async fn release_one(&self) -> Result<(), Failed> {
        let name = self.new_pod().await?;
        let mut pod = self.pod(&name);
        pod["metadata"]["annotations"] = json!({"ds.test/starting": null});
        self.plane.merge(&pod).await
    }

    /// Another watch gives up on it at once, whatever time the first one has taken.
    pub(crate) async fn gives_up(&self) -> Result<String, Failed> {
        let arguments = ["rollout", "watch", "agent", "-n", self.name, "--stall-timeout", "1s"];
        Running::start(self.plane, &arguments)?.ends(1).await
    }

    pub(crate) async fn pods(&self) -> Result<Vec<Pod>, Failed> {
        let pods: Vec<Pod> = self.plane.list().await?;
        Ok(pods.into_iter().filter(|pod| pod.namespace().as_deref() == Some(self.name)).collect())
    }

    pub(crate) fn pod(&self, name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": self.name}})
    }
}

/// `a`, `b`, ... and behind them numbers.
pub(crate) fn letter(index: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(index % 26).unwrap_or_default());
    if index < 26 { letter.to_string() } else { format!("{letter}{}", index / 26) }
}

/// A template's image, and how its pods behave; null takes a behaviour away.
pub(crate) fn template(image: &str, behaviour: &Value) -> Value {
    json!({"template": {
        "metadata": {"annotations": behaviour},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }})
}

/// Puts `change` over `value`, as a JSON merge patch does.
pub(crate) fn overlay(value: &mut Value, change: &Value) {
    let Some(fields) = change.as_object() else {
        *value = change.clone();
        return;
    };
    for (key, field) in fields {
        overlay(&mut value[key], field);
    }
}

/// Each of these is in the text.
pub(crate) fn says(text: &str, all: &[&str]) -> Result<(), Failed> {
    for words in all {
        ensure(text.contains(words), || format!("no {words:?} in:\n{text}"))?;
    }
    Ok(())
}

/// None of these is.
pub(crate) fn never_says(text: &str, all: &[&str]) -> Result<(), Failed> {
    for words in all {
        ensure(!text.contains(words), || format!("{words:?} in:\n{text}"))?;
    }
    Ok(())
}
