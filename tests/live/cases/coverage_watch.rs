//! `coverage --watch` follows what happens, and ends as it is told to.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, wait_until, wait_until_within};
use crate::harness::control_plane::ControlPlane;
use crate::harness::random_cluster::change_taints;

/// The running program, and the newest report that it wrote.
struct Watching {
    child: Child,
    newest: Arc<Mutex<Value>>,
    /// Standard error.
    said: Arc<Mutex<Vec<u8>>>,
}

impl Watching {
    fn start(plane: &ControlPlane, arguments: &[&str]) -> Result<Self, Failed> {
        let mut command = plane.ds_command(plane.kubeconfig(), arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| failed("no stdout"))?;
        let newest = Arc::new(Mutex::new(Value::Null));
        let shared = Arc::clone(&newest);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let report = serde_json::from_str(&line).unwrap_or_else(|error| json!({ "broken": error.to_string() }));
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = report;
            }
        });
        let mut stderr = child.stderr.take().ok_or_else(|| failed("no stderr"))?;
        let said = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut bytes) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..count]);
            }
        });
        Ok(Self { child, newest, said })
    }

    /// Waits until the newest report says so.
    async fn wait_for(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<(), Failed> {
        wait_until_within(what, Duration::from_secs(40), async || {
            let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if is_so(&newest) { Ok(()) } else { Err(format!("the newest report is {newest:.2000}")) }
        })
        .await
    }

    /// Sends a signal and waits for the end.
    fn end(mut self, signal: &str) -> Result<Option<i32>, Failed> {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        Ok(self.child.wait()?.code())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nodes that come, are tainted and go; pods that are replaced; DaemonSets that come and go.
pub(crate) fn follows_what_happens(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        plane.create_all(&[node("a"), node("b"), daemon_set("agent", "one")]).await?;
        let watching = Watching::start(plane, &["coverage", "-A", "--watch", "-o", "json"])?;
        let agent = |report: &Value| set(report, "agent");
        watching.wait_for("both nodes are covered", |report| agent(report)["available"] == 2).await?;

        plane.create(&node("c")).await?;
        watching.wait_for("a new node is covered", |report| agent(report)["available"] == 3).await?;

        change_taints(plane, "b", |taints| taints.push(json!({"key": "away", "effect": "NoExecute"}))).await?;
        watching
            .wait_for("a tainted node is excluded", |report| {
                agent(report)["desired"] == 2 && state(&agent(report), "b") == "Excluded"
            })
            .await?;

        let before = revision(&set(&watching.newest.lock().unwrap_or_else(PoisonError::into_inner), "agent"));
        plane
            .update(&daemon_set("agent", "one"), |object| object["spec"] = daemon_set("agent", "two")["spec"].clone())
            .await?;
        watching
            .wait_for("the new revision runs everywhere", |report| {
                let agent = agent(report);
                agent["upToDate"] == 2 && agent["available"] == 2 && revision(&agent) != before
            })
            .await?;

        plane.create(&daemon_set("second", "one")).await?;
        watching.wait_for("a new DaemonSet is shown", |report| set(report, "second")["available"] == 2).await?;
        plane.delete(&daemon_set("agent", "two")).await?;
        watching
            .wait_for("a deleted DaemonSet is not", |report| agent(report).is_null() && !set(report, "second").is_null())
            .await?;

        plane.delete(&node("c")).await?;
        watching.wait_for("a deleted node is gone", |report| set(report, "second")["desired"] == 1).await?;
        let code = watching.end("-TERM")?;
        ensure(code == Some(143), || format!("ended with {code:?}"))?;
        let watching = Watching::start(plane, &["coverage", "second", "-w", "-o", "json"])?;
        watching.wait_for("one DaemonSet is watched", |report| set(report, "second")["desired"] == 1).await?;
        let code = watching.end("-INT")?;
        ensure(code == Some(130), || format!("ended with {code:?}"))
    })
}

/// The API server goes away and comes back; what changed meanwhile is not missed, and the outage is said once.
pub(crate) fn outlives_the_api_server(ctx: &Ctx) -> Result<(), Failed> {
    let mut plane = ControlPlane::builder(&ctx.programs).start()?;
    let watching = plane.run(async |plane| {
        // One whose pod does not come up: its events are watched, through the outage too.
        let mut stuck = daemon_set("stuck", "one");
        stuck["spec"]["template"]["metadata"]["annotations"] = json!({"ds.test/starting": "*"});
        plane.create_all(&[node("a"), daemon_set("agent", "one"), stuck]).await?;
        let watching = Watching::start(plane, &["coverage", "-A", "--watch", "-o", "json"])?;
        let is_so = |report: &Value| set(report, "agent")["available"] == 1 && set(report, "stuck")["current"] == 1;
        watching.wait_for("the node is covered", is_so).await?;
        Ok(watching)
    })?;
    plane.stop_api_server()?;
    plane.run(async |_| {
        let said =
            || String::from_utf8_lossy(&watching.said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        wait_until_within("the outage is said", Duration::from_secs(20), async || {
            if said().contains("the connection is lost") { Ok(()) } else { Err(format!("it said {:?}", said())) }
        })
        .await
    })?;
    plane.start_api_server()?;
    plane.run(async |plane| {
        wait_until("the API server takes a node", async || {
            plane.create(&node("b")).await.map_err(|failure| failure.message().unwrap_or_default().to_owned())
        })
        .await?;
        watching.wait_for("the new node is covered", |report| set(report, "agent")["available"] == 2).await
    })?;
    let said = String::from_utf8_lossy(&watching.said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    ensure(said.matches("the connection is lost").count() == 1, || format!("it said {said:?}"))
}

fn set(report: &Value, name: &str) -> Value {
    let sets = report["daemonSets"].as_array();
    sets.into_iter().flatten().find(|set| set["name"] == name).cloned().unwrap_or_default()
}

fn state(set: &Value, node: &str) -> Value {
    let nodes = set["nodes"].as_array();
    nodes.into_iter().flatten().find(|row| row["node"] == node).map(|row| row["state"].clone()).unwrap_or_default()
}

/// The revision of the pod on node a.
fn revision(set: &Value) -> Value {
    let nodes = set["nodes"].as_array();
    nodes.into_iter().flatten().find(|row| row["node"] == "a").map(|row| row["revision"].clone()).unwrap_or_default()
}

fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
}

fn daemon_set(name: &str, image: &str) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": image}], "terminationGracePeriodSeconds": 1},
            },
        },
    })
}
