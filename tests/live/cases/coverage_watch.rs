//! `coverage --watch` reports every change, and ends on signals.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure, failed, message, wait_until, wait_until_within};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{daemon_set_with_image, node, with_behavior};
use crate::harness::random_cluster::change_taints;
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![changes_are_reported, api_server_outage_is_survived];

/// A running watch, and its latest report.
struct CoverageWatch {
    child: Child,
    latest: Arc<Mutex<Value>>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl CoverageWatch {
    fn start(plane: &ControlPlane, arguments: &[&str]) -> Result<Self, Failed> {
        let mut command = plane.ds_command(plane.kubeconfig(), arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| failed("no stdout"))?;
        let latest = Arc::new(Mutex::new(Value::Null));
        let shared = Arc::clone(&latest);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let report = document(&line).unwrap_or_else(|error| json!({ "invalid": error.message() }));
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = report;
            }
        });
        let mut stderr_pipe = child.stderr.take().ok_or_else(|| failed("no stderr"))?;
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&stderr);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stderr_pipe.read(&mut bytes) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..count]);
            }
        });
        Ok(Self { child, latest, stderr })
    }

    /// Waits until the latest report meets a condition.
    async fn wait_for(&self, description: &str, condition: impl Fn(&Value) -> bool) -> Result<(), Failed> {
        wait_until_within(description, Duration::from_secs(40), async || {
            let latest = self.latest();
            if condition(&latest) { Ok(()) } else { Err(format!("the latest report is {latest:.2000}")) }
        })
        .await
    }

    fn latest(&self) -> Value {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Standard error so far.
    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Sends a signal; returns the exit code.
    fn end(mut self, signal: &str) -> Result<Option<i32>, Failed> {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        Ok(self.child.wait()?.code())
    }
}

impl Drop for CoverageWatch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nodes are added, tainted and deleted; pods are replaced; DaemonSets are created and deleted.
fn changes_are_reported(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        plane.create_all(&[node("a"), node("b"), agent_set("agent", "one")]).await?;
        let watch = CoverageWatch::start(plane, &["coverage", "-A", "--watch", "-o", "json"])?;
        let agent = |report: &Value| set(report, "agent");
        watch.wait_for("both nodes are covered", |report| agent(report)["available"] == 2).await?;

        plane.create(&node("c")).await?;
        watch.wait_for("a new node is covered", |report| agent(report)["available"] == 3).await?;

        change_taints(plane, "b", |taints| taints.push(json!({"key": "away", "effect": "NoExecute"}))).await?;
        watch
            .wait_for("a tainted node is excluded", |report| {
                agent(report)["desired"] == 2 && state(&agent(report), "b") == "Excluded"
            })
            .await?;

        let before = revision(&set(&watch.latest(), "agent"));
        plane
            .update(&agent_set("agent", "one"), |object| object["spec"] = agent_set("agent", "two")["spec"].clone())
            .await?;
        watch
            .wait_for("the new revision runs everywhere", |report| {
                let agent = agent(report);
                agent["upToDate"] == 2 && agent["available"] == 2 && revision(&agent) != before
            })
            .await?;

        plane.create(&agent_set("second", "one")).await?;
        watch.wait_for("a new DaemonSet is shown", |report| set(report, "second")["available"] == 2).await?;
        plane.delete(&agent_set("agent", "two")).await?;
        watch
            .wait_for("a deleted DaemonSet is not shown", |report| {
                agent(report).is_null() && !set(report, "second").is_null()
            })
            .await?;

        plane.delete(&node("c")).await?;
        watch.wait_for("a deleted node is not desired", |report| set(report, "second")["desired"] == 1).await?;
        let code = watch.end("-TERM")?;
        ensure(code == Some(143), || format!("exit code {code:?}"))?;
        let watch = CoverageWatch::start(plane, &["coverage", "second", "-w", "-o", "json"])?;
        watch.wait_for("one DaemonSet is watched", |report| set(report, "second")["desired"] == 1).await?;
        let code = watch.end("-INT")?;
        ensure(code == Some(130), || format!("exit code {code:?}"))
    })
}

/// After an outage of the API server the watch reports new changes, and it has reported the outage once.
fn api_server_outage_is_survived(ctx: &Ctx) -> Result<(), Failed> {
    let mut plane = ControlPlane::builder(&ctx.programs).start()?;
    let watch = plane.run(async |plane| {
        // The pod of this one does not start, so that the program watches events too, through the outage.
        let stuck = with_behavior(agent_set("stuck", "one"), &json!({"ds.test/starting": "*"}));
        plane.create_all(&[node("a"), agent_set("agent", "one"), stuck]).await?;
        let watch = CoverageWatch::start(plane, &["coverage", "-A", "--watch", "-o", "json"])?;
        let is_covered =
            |report: &Value| set(report, "agent")["available"] == 1 && set(report, "stuck")["current"] == 1;
        watch.wait_for("the node is covered", is_covered).await?;
        Ok(watch)
    })?;
    plane.stop_api_server()?;
    plane.run(async |_| {
        wait_until_within("the outage is reported", Duration::from_secs(20), async || {
            let stderr = watch.stderr();
            if stderr.contains("connection lost") { Ok(()) } else { Err(format!("stderr: {stderr:?}")) }
        })
        .await
    })?;
    plane.start_api_server()?;
    plane.run(async |plane| {
        wait_until("the API server accepts a node", async || plane.create(&node("b")).await.map_err(message)).await?;
        watch.wait_for("the new node is covered", |report| set(report, "agent")["available"] == 2).await
    })?;
    let stderr = watch.stderr();
    ensure(stderr.matches("connection lost").count() == 1, || format!("stderr: {stderr:?}"))
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

fn agent_set(name: &str, image: &str) -> Value {
    daemon_set_with_image("default", name, image)
}
