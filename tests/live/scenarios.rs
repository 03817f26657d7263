//! Rollouts of every kind, as a CI job would follow them: the watch begins at rest, in a pipe, and waits for a revision.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{LocalBoxFuture, join_all};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod, ResourceQuota, ServiceAccount};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::client::{ensure, failed, wait_until};
use crate::layout::SILENT;
use crate::plane::Plane;
use crate::reference::is_documented;
use crate::rollout::Running;

const LIMIT: Duration = Duration::from_secs(60);

/// All that fit beside each other: a namespace and nodes for each.
pub(crate) fn side_by_side(ctx: &Ctx) -> Result<(), Failed> {
    // However busy the machine is, no node is taken for a dead one.
    Plane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(600)).start()?.run(async |plane| {
        let all = [
            play(plane, "bad-image", 3, bad_image),
            play(plane, "crash", 3, crash_loop),
            play(plane, "never-ready", 2, never_ready),
            play(plane, "surge-port", 3, surge_with_host_port),
            play(plane, "on-delete", 3, on_delete),
            play(plane, "deleted", 3, deleted_midway),
            play(plane, "quota", 4, quota_exhausted_midway),
            play(plane, "template", 3, new_template_midway),
            play(plane, "undo", 3, undo_midway),
            play(plane, "patience", 2, min_ready_seconds),
            play(plane, "plain", 3, plain),
            play(plane, "percent", 12, ten_percent),
            play(plane, "surge", 3, surge_one),
            play(plane, "surge-percent", 6, surge_twenty_percent),
            play(plane, "nodes", 3, nodes_come_and_go),
            play(plane, "zero", 0, zero_nodes),
        ];
        none_is_wrong(all).await
    })
}

/// The same with nodes that fall silent.
pub(crate) fn on_dead_nodes(ctx: &Ctx) -> Result<(), Failed> {
    // Long enough for a busy machine, short enough to be waited for.
    Plane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(16)).start()?.run(async |plane| {
        none_is_wrong([
            play(plane, "dead-before", 3, dead_before),
            play(plane, "dead-during", 3, dead_during),
            play(plane, "terminating", 2, terminating_on_a_dead_node),
        ])
        .await
    })
}

/// Plays them beside each other; all that went wrong.
pub(crate) async fn none_is_wrong<const N: usize>(all: [LocalBoxFuture<'_, Option<String>>; N]) -> Result<(), Failed> {
    let wrong = join_all(all).await.into_iter().flatten().collect::<String>();
    ensure(wrong.is_empty(), || wrong)
}

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

fn rolling(fields: &Value) -> Value {
    json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": fields}})
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

impl Scene<'_> {
    /// Makes the namespace and the nodes.
    pub(crate) async fn set(&self) -> Result<(), Failed> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}});
        self.plane.create(&namespace).await?;
        let nodes: Vec<Value> = (0..self.nodes).map(|index| self.node(&letter(index))).collect();
        self.plane.create_all(&nodes).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.plane.client(), self.name);
        // Without it no pod is made.
        wait_until("the namespace has its service account", LIMIT, async || {
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
        wait_until("the DaemonSet is at rest", LIMIT, async || {
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
    async fn watch(&self, arguments: &[&str]) -> Result<Running, Failed> {
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
        wait_until("the node's silence is noticed, or its end", LIMIT, async || {
            let status = nodes.get(&name).await.map_err(|error| error.to_string())?.status.unwrap_or_default();
            let ready = status.conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready");
            let ready = ready.map(|condition| condition.status).unwrap_or_default();
            if ready == wanted { Ok(()) } else { Err(format!("Ready is {ready}")) }
        })
        .await
    }

    /// The node is as if it had been silent for ten minutes.
    async fn silent_for_long(&self, letter: &str) -> Result<(), Failed> {
        let nodes: Api<Node> = Api::all(self.plane.client());
        let since = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(10);
        let since = since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let change = json!({"status": {"conditions": [{"type": "Ready", "lastTransitionTime": since}]}});
        let name = format!("{}-{letter}", self.name);
        nodes.patch_status(&name, &PatchParams::default(), &Patch::Strategic(change)).await.map(|_| ()).map_err(failed)
    }

    /// Waits for a pod of the second template that is not let come up.
    async fn new_pod(&self) -> Result<String, Failed> {
        wait_until("a new pod is there", LIMIT, async || {
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
    async fn release_one(&self) -> Result<(), Failed> {
        let name = self.new_pod().await?;
        let mut pod = self.pod(&name);
        pod["metadata"]["annotations"] = json!({"ds.test/starting": null});
        self.plane.merge(&pod).await
    }

    /// Another watch gives up on it at once, whatever time the first one has taken.
    async fn gives_up(&self) -> Result<String, Failed> {
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

/// The last line is that of a complete rollout of so many nodes.
fn is_complete(text: &str, nodes: usize) -> Result<(), Failed> {
    let last = text.lines().last().unwrap_or_default();
    let numbers = format!("({nodes} of {nodes} updated, {nodes} available)");
    ensure(last.contains(" complete after ") && last.ends_with(&numbers), || text.to_owned())
}

pub(crate) fn events(text: &str) -> Result<Vec<Value>, Failed> {
    let event = |line: &str| -> Result<Value, Failed> {
        let event = serde_json::from_str(line).map_err(|error| failed(format!("{line}: {error}")))?;
        is_documented(&event)
            .map_err(|failure| failed(format!("{line}: {}", failure.message().unwrap_or_default())))?;
        Ok(event)
    };
    text.lines().map(event).collect()
}

/// How many nodes were done by the end, none of them twice: those that the newest template found done, and those that
/// became so.
fn done(events: &[Value], text: &str) -> Result<usize, Failed> {
    let newest = events.iter().rposition(|event| event["event"] == "NewRevision").unwrap_or_default();
    let known = events[newest]["done"].as_u64().and_then(|done| usize::try_from(done).ok()).unwrap_or_default();
    let became = events[newest..].iter().filter(|event| event["event"] == "NodeDone");
    let mut nodes: Vec<&str> = became.filter_map(|event| event["node"].as_str()).collect();
    nodes.sort_unstable();
    let told = nodes.len();
    nodes.dedup();
    ensure(told == nodes.len(), || format!("a node was done twice:\n{text}"))?;
    Ok(known + told)
}

/// A watch in JSON that saw the whole rollout, with at least so many nodes available at every moment.
fn is_whole(text: &str, nodes: usize, least_available: usize) -> Result<(), Failed> {
    let events = events(text)?;
    let done = done(&events, text)?;
    ensure(done == nodes, || format!("{done} done:\n{text}"))?;
    let available = |event: &Value| event["available"].as_u64().and_then(|number| usize::try_from(number).ok());
    let is_enough = |event: &Value| available(event).is_some_and(|available| available >= least_available);
    ensure(events.iter().all(is_enough), || format!("less than {least_available} available:\n{text}"))?;
    let never = ["HoldBegan", "NodeFailing", "NodeUndone"];
    ensure(!events.iter().any(|event| never.iter().any(|name| event["event"] == *name)), || text.to_owned())?;
    let last = events.last().cloned().unwrap_or_default();
    let is_end = last["event"] == "Ended" && last["outcome"] == "Complete" && last["updatedAvailable"] == nodes;
    ensure(is_end, || text.to_owned())
}

/// A rollout of an image that cannot be had, on so many nodes, with its first pod in trouble.
pub(crate) async fn bad_image_of(plane: &Plane, name: &'static str, nodes: usize) -> Result<(), Failed> {
    let scene = Scene { plane, name, nodes };
    scene.set().await?;
    scene.begin(&json!({})).await?;
    scene.change(&template("example.com/agent:2", &json!({"ds.test/no-image": "*"}))).await?;
    wait_until("the image cannot be had", LIMIT, async || {
        let pods = scene.pods().await.map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
        let statuses = pods.iter().filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref()).flatten();
        let mut waiting = statuses.filter_map(|status| status.state.as_ref()?.waiting.as_ref()?.reason.as_deref());
        if waiting.any(|reason| reason == "ImagePullBackOff") { Ok(()) } else { Err("not yet".into()) }
    })
    .await
}

async fn bad_image(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({})).await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&template("example.com/agent:2", &json!({"ds.test/no-image": "*"}))).await?;
    running.until(": the new pod's image example.com/agent:2 cannot be had: ImagePullBackOff").await?;
    says(&running.text(), &["held on bad-image-"])?;
    // Trying again may help.
    never_says(&running.text(), &["stuck"])?;
    let text = scene.gives_up().await?;
    says(
        &text,
        &[
            "gave up after 1s without progress (--stall-timeout): the new pod's image cannot be had: ImagePullBackOff on \
             bad-image-",
            "(1 of 3 updated, 2 available)",
        ],
    )?;
    never_says(&text, &["stuck"])
}

async fn crash_loop(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({})).await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&template("two", &json!({"ds.test/crash": "*"}))).await?;
    running.until(", cannot finish by itself: the new pod crashes: ").await?;
    let text = running.text();
    says(&text, &["stuck on crash-"])?;
    let told = text.matches("cannot finish by itself").count();
    ensure(told == 1, || text)?;
    let text = scene.gives_up().await?;
    says(&text, &["gave up after 1s without progress (--stall-timeout): the new pod crashes on crash-"])?;
    let arguments = ["rollout", "watch", "agent", "-n", scene.name, "--stall-timeout", "1s", "-o", "json"];
    let text = Running::start(scene.plane, &arguments)?.ends(1).await?;
    let events = events(&text)?;
    let has = |name: &str| events.iter().any(|event| event["event"] == name);
    ensure(has("NodeFailing") && has("HoldBegan"), || text.clone())?;
    ensure(events.last().is_some_and(|event| event["outcome"] == "Stalled"), || text.clone())
}

/// Not ready for seconds is slow, and nothing more; and yet the end names it.
async fn never_ready(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({})).await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&template("two", &json!({"ds.test/never-ready": "*"}))).await?;
    scene.new_pod().await?;
    let text = scene.gives_up().await?;
    never_says(&running.text(), &["stuck", "trouble"])?;
    says(&text, &["gave up after 1s without progress (--stall-timeout): ", "(1 of 2 updated, 1 available)"])?;
    let end = text.lines().last().unwrap_or_default();
    let is_named = ["a", "b"].iter().any(|node| end.contains(&format!("never-ready-{node}")));
    ensure(is_named, || text.clone())?;
    never_says(&text, &["stuck", "trouble"])
}

/// The taint of the silent node is not tolerated: no pod is wanted there, and yet its old one holds the rollout.
async fn dead_before(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({})).await?;
    scene.silence("a", true).await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&template("two", &json!({}))).await?;
    running.until("held on dead-before-a: the old pod cannot go, as nobody on its node answers: ").await?;
    never_says(&running.text(), &["stuck"])?;
    scene.silent_for_long("a").await?;
    running
        .until(
            "stuck on dead-before-a, cannot finish by itself: the old pod cannot go, as nobody on its node answers: ",
        )
        .await?;
    says(&running.text(), &["bring the node's kubelet back: kubectl describe node dead-before-a"])?;
    let text = scene.gives_up().await?;
    says(
        &text,
        &[
            "(--stall-timeout): the old pod cannot go: its node is down on dead-before-a",
            "(0 of 2 updated, 2 available)",
        ],
    )
}

/// The new pod is on a node that falls silent; the node comes back.
async fn dead_during(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({"template": {"spec": {"tolerations": [{"operator": "Exists"}]}}})).await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&template("two", &json!({"ds.test/starting": "dead-during-a"}))).await?;
    let new_pod = wait_until("the new pod is on node a", LIMIT, async || {
        let pods = scene.pods().await.map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
        let is_new = |pod: &&Pod| {
            let spec = pod.spec.as_ref();
            spec.is_some_and(|spec| {
                spec.node_name.as_deref() == Some("dead-during-a")
                    && spec.containers.iter().any(|one| one.image.as_deref() == Some("two"))
            })
        };
        pods.iter().find(is_new).map(ResourceExt::name_any).ok_or_else(|| "none yet".to_owned())
    })
    .await?;
    scene.silence("a", true).await?;
    running.until("held on dead-during-a: the new pod cannot come up: ").await?;
    scene.silent_for_long("a").await?;
    running.until("stuck on dead-during-a, cannot finish by itself: the new pod cannot come up: ").await?;
    let mut pod = scene.pod(&new_pod);
    pod["metadata"]["annotations"] = json!({"ds.test/starting": null});
    scene.plane.merge(&pod).await?;
    scene.silence("a", false).await?;
    let text = running.ends(0).await?;
    says(&text, &["no longer held: the node is down", "dead-during-a: done"])?;
    is_complete(&text, 3)
}

/// A pod that does not go, and then its node dies; it is deleted by force.
async fn terminating_on_a_dead_node(scene: &Scene<'_>) -> Result<(), Failed> {
    scene
        .begin(&json!({"template": {
            "metadata": {"annotations": {"ds.test/stuck": "*"}},
            "spec": {"tolerations": [{"operator": "Exists"}], "terminationGracePeriodSeconds": 1},
        }}))
        .await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&template("two", &json!({"ds.test/stuck": null}))).await?;
    running.until(": the old pod does not go").await?;
    let pods = scene.pods().await?;
    let going = pods.iter().find(|pod| pod.metadata.deletion_timestamp.is_some());
    let going = going.ok_or_else(|| failed("no pod is going"))?;
    let node = going.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
    let letter = node.trim_start_matches("terminating-");
    scene.silence(letter, true).await?;
    running.until(&format!("held on {node}: the old pod cannot go, as nobody on its node answers")).await?;
    scene.silent_for_long(letter).await?;
    let stuck = format!("stuck on {node}, cannot finish by itself: ");
    running.until(&format!("{stuck}the old pod cannot go, as nobody on its node answers")).await?;
    let pods: Api<Pod> = Api::namespaced(scene.plane.client(), scene.name);
    let by_force = kube::api::DeleteParams { grace_period_seconds: Some(0), ..Default::default() };
    pods.delete(&going.name_any(), &by_force).await.map_err(failed)?;
    running.until("no longer held: the old pod cannot go: its node is down").await?;
    running.until(&format!("{stuck}the new pod cannot come up: ")).await?;
    scene.silence(letter, false).await?;
    running.until(&format!("{node}: done")).await?;
    // The other one does not go either.
    wait_until("the last old pod is going", LIMIT, async || {
        let all = scene.pods().await.map_err(|failure| failure.message().unwrap_or_default().to_owned())?;
        let going = all.iter().find(|pod| pod.metadata.deletion_timestamp.is_some());
        let name = going.map(ResourceExt::name_any).ok_or_else(|| "not yet".to_owned())?;
        pods.delete(&name, &by_force).await.map(|_| ()).map_err(|error| error.to_string())
    })
    .await?;
    is_complete(&running.ends(0).await?, 2)
}

/// Stuck from the first moment on, and the remedy that is told works.
async fn surge_with_host_port(scene: &Scene<'_>) -> Result<(), Failed> {
    let mut first = rolling(&json!({"maxSurge": 1, "maxUnavailable": 0}));
    let containers =
        |image: &str| json!([{"name": "main", "image": image, "ports": [{"containerPort": 9100, "hostPort": 9100}]}]);
    first["template"] = json!({"spec": {"containers": containers("one")}});
    scene.begin(&first).await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&json!({"template": {"spec": {"containers": containers("two")}}})).await?;
    running
        .until(
            "stuck on 3 nodes (surge-port-a, surge-port-b, surge-port-c), cannot finish by itself: the new pod wants host \
             port 9100/TCP, ",
        )
        .await?;
    running.until("kubectl -n surge-port patch daemonset agent --type=merge -p ").await?;
    scene.change(&rolling(&json!({"maxSurge": 0, "maxUnavailable": 1}))).await?;
    let text = running.ends(0).await?;
    // Not all nodes had to try first.
    let before = text.split(" on 3 nodes").next().unwrap_or_default();
    let tried = |letter: &&str| before.contains(&format!("surge-port-{letter}: "));
    ensure(["a", "b", "c"].iter().filter(|letter| tried(letter)).count() <= 1, || text.clone())?;
    says(&text, &["no longer held: old and new pod want the same host port 9100/TCP"])?;
    is_complete(&text, 3)
}

async fn on_delete(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({"updateStrategy": {"type": "OnDelete"}})).await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&template("two", &json!({}))).await?;
    running
        .until("waits for deletion: with OnDelete, a node gets the new pod when somebody deletes the old one")
        .await?;
    for (count, pod) in scene.pods().await?.iter().enumerate() {
        scene.plane.delete(&scene.pod(&pod.name_any())).await?;
        running.until(&format!(": done ({} of 3 updated, 3 available)", count + 1)).await?;
    }
    let text = running.ends(0).await?;
    never_says(&text, &["stuck", "held", "trouble"])?;
    is_complete(&text, 3)
}

async fn deleted_midway(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({})).await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&template("two", &json!({"ds.test/starting": "*"}))).await?;
    running.until("the template changed").await?;
    let beside = scene.watch(&["-o", "json"]).await?;
    scene.plane.delete(&scene.agent()).await?;
    let text = beside.ends(1).await?;
    let told = events(&text)?;
    ensure(told.iter().any(|event| event["event"] == "Deleted"), || text.clone())?;
    ensure(told.last().is_some_and(|event| event["outcome"] == "Deleted"), || text.clone())?;
    let text = running.ends(1).await?;
    ensure(text.trim_end().ends_with("the DaemonSet was deleted"), || text.clone())?;
    never_says(&text, &["complete after"])
}

async fn quota_exhausted_midway(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({})).await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&template("two", &json!({"ds.test/starting": "*"}))).await?;
    scene.new_pod().await?;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": scene.name}, "spec": {"hard": {"pods": "3"}}});
    scene.plane.create(&quota).await?;
    let quotas: Api<ResourceQuota> = Api::namespaced(scene.plane.client(), scene.name);
    // Until then a refusal says that nobody knows.
    wait_until("the quota is counted", LIMIT, async || {
        let status = quotas.get("few").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        if status.used.is_some_and(|used| used.contains_key("pods")) { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    scene.release_one().await?;
    running.until(", cannot finish by itself: new pods are refused: ").await?;
    says(&running.text(), &["stuck on quota-", "few"])?;
    scene.plane.delete(&quota).await?;
    // As `why-not` advises: the controller waits longer after each refusal.
    let mut again = scene.agent();
    again["metadata"]["annotations"] = json!({"kubectl-ds/tried-again": "1"});
    scene.plane.merge(&again).await?;
    for _ in 0..3 {
        scene.release_one().await?;
    }
    let text = running.ends(0).await?;
    says(&text, &["no longer held: new pods are refused"])?;
    is_complete(&text, 4)
}

async fn new_template_midway(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({})).await?;
    let running = scene.watch(&["--revision", "3", "-o", "json"]).await?;
    scene.change(&template("two", &json!({"ds.test/starting": "*"}))).await?;
    scene.release_one().await?;
    running.until("\"NodeDone\"").await?;
    scene.change(&template("three", &json!({"ds.test/starting": null}))).await?;
    let text = running.ends(0).await?;
    let events = events(&text)?;
    let news: Vec<usize> = (0..events.len()).filter(|index| events[*index]["event"] == "NewRevision").collect();
    ensure(news.len() == 2, || text.clone())?;
    let undone = |event: &Value| event["isUndo"] == false;
    ensure(news.iter().all(|index| undone(&events[*index])), || text.clone())?;
    ensure(events[news[1]]["from"] == events[news[0]]["to"], || text.clone())?;
    // Counted anew by the newest template.
    let done = done(&events, &text)?;
    ensure(done == 3, || format!("{done}\n{text}"))?;
    let last = &events[events.len() - 1];
    ensure(last["outcome"] == "Complete" && last["updatedAvailable"] == 3, || text.clone())
}

async fn undo_midway(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({})).await?;
    let running = scene.watch(&["--revision", "3"]).await?;
    scene.change(&template("two", &json!({"ds.test/crash": "*"}))).await?;
    running.until(", cannot finish by itself: the new pod crashes: ").await?;
    scene.change(&template("one", &json!({"ds.test/crash": null}))).await?;
    let text = running.ends(0).await?;
    says(&text, &["the template was set back: follows revision ", "no longer held: the new pod crashes"])?;
    is_complete(&text, 3)
}

async fn min_ready_seconds(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({"minReadySeconds": 3})).await?;
    let running = scene.watch(&["--revision", "2", "-o", "json"]).await?;
    let begun = Instant::now();
    scene.change(&template("two", &json!({}))).await?;
    let text = running.ends(0).await?;
    // Since when a pod is ready is told to the second, so that each may take up to one less.
    ensure(begun.elapsed() >= Duration::from_secs(4), || format!("{:?}\n{text}", begun.elapsed()))?;
    is_whole(&text, 2, 1)
}

async fn plain(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&rolling(&json!({"maxUnavailable": 1}))).await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&template("two", &json!({"ds.test/slow": "*"}))).await?;
    let text = running.ends(0).await?;
    says(text.lines().next().unwrap_or_default(), &["plain/agent: ", "3 of 3 updated, 3 available; complete"])?;
    ensure(text.matches("the template changed: follows revision ").count() == 1, || text.clone())?;
    for node in ["plain-a", "plain-b", "plain-c"] {
        ensure(text.matches(&format!(" {node}: done (")).count() == 1, || format!("{node}\n{text}"))?;
    }
    never_says(&text, &["stuck", "held", "trouble", "no longer"])?;
    is_complete(&text, 3)
}

async fn ten_percent(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&rolling(&json!({"maxUnavailable": "10%"}))).await?;
    let running = scene.watch(&["--revision", "2", "-o", "json"]).await?;
    scene.change(&template("two", &json!({}))).await?;
    // 1.2 is rounded up.
    is_whole(&running.ends(0).await?, 12, 10)
}

async fn surge_one(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&rolling(&json!({"maxSurge": 1, "maxUnavailable": 0}))).await?;
    let running = scene.watch(&["--revision", "2", "-o", "json"]).await?;
    scene.change(&template("two", &json!({}))).await?;
    // Of two pods on a node the older one counts, also while it goes and is not ready any more: as many nodes as surge
    // at once may be without it, and as many more whose old pods are on their way out.
    is_whole(&running.ends(0).await?, 3, 1)
}

async fn surge_twenty_percent(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&rolling(&json!({"maxSurge": "20%", "maxUnavailable": 0}))).await?;
    let running = scene.watch(&["--revision", "2", "-o", "json"]).await?;
    scene.change(&template("two", &json!({}))).await?;
    // 1.2 is rounded up; as with the other surge.
    is_whole(&running.ends(0).await?, 6, 2)
}

async fn nodes_come_and_go(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({})).await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&template("two", &json!({"ds.test/starting": "*"}))).await?;
    scene.release_one().await?;
    running.until(": done (").await?;
    let text = running.text();
    let first = ["a", "b", "c"].into_iter().find(|letter| text.contains(&format!(" nodes-{letter}: done")));
    let first = first.ok_or_else(|| failed("no node is done"))?;
    scene.plane.create(&scene.node("d")).await?;
    running.until("nodes-d: a pod is wanted here now").await?;
    scene.plane.delete(&scene.node(first)).await?;
    running.until(&format!("nodes-{first}: no pod is wanted here any more")).await?;
    for _ in 0..3 {
        scene.release_one().await?;
    }
    let text = running.ends(0).await?;
    says(&text, &["nodes-d: done"])?;
    is_complete(&text, 3)
}

async fn zero_nodes(scene: &Scene<'_>) -> Result<(), Failed> {
    scene.begin(&json!({})).await?;
    let running = scene.watch(&["--revision", "2"]).await?;
    scene.change(&template("two", &json!({}))).await?;
    let text = running.ends(0).await?;
    says(&text, &["complete: no node wants it"])?;
    is_complete(&text, 0)
}

/// Two hundred nodes change at the same time, and each of them is told once.
pub(crate) fn two_hundred_nodes_at_once(ctx: &Ctx) -> Result<(), Failed> {
    Plane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(40)).start()?.run(async |plane| {
        let scene = async |scene: &Scene<'_>| {
            scene.begin(&rolling(&json!({"maxUnavailable": "100%"}))).await?;
            let running = scene.watch(&["--revision", "2", "-o", "json"]).await?;
            scene.change(&template("two", &json!({}))).await?;
            is_whole(&running.ends(0).await?, 200, 0)
        };
        let wrong = play(plane, "many", 200, scene).await.unwrap_or_default();
        ensure(wrong.is_empty(), || wrong)
    })
}

/// The API server goes away in the midst of a rollout and comes back: the watch goes on to the end, counts nothing
/// twice, and the time without it is not held against the rollout.
pub(crate) fn outlives_the_api_server(ctx: &Ctx) -> Result<(), Failed> {
    let mut plane = Plane::builder(&ctx.programs).node_monitor_grace_period(Duration::from_secs(40)).start()?;
    let running = plane.run(async |plane| {
        let scene = Scene { plane, name: "outage", nodes: 3 };
        scene.set().await?;
        scene.begin(&json!({})).await?;
        let running = scene.watch(&["--revision", "2", "-o", "json"]).await?;
        scene.change(&template("two", &json!({"ds.test/slow": "*"}))).await?;
        running.until("\"NodeDone\"").await?;
        Ok(running)
    })?;
    plane.stop_api_server()?;
    plane.run(async |_| {
        wait_until("the outage is said", LIMIT, async || {
            let said = running.said();
            if said.contains("the connection is lost") { Ok(()) } else { Err(said) }
        })
        .await
    })?;
    plane.start_api_server()?;
    let (text, said) = plane.run(async |_| running.ends_with_remarks(0).await)?;
    ensure(said.matches("the connection is lost").count() == 1, || said.clone())?;
    is_whole(&text, 3, 2)
}
