//! `rollout watch` follows rollouts to their ends, and says what holds them.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use kube::Api;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, wait_until, wait_until_within};
use crate::harness::control_plane::ControlPlane;

/// The running program, and all that it wrote.
pub(crate) struct RunningProgram {
    child: Child,
    written: Arc<Mutex<Vec<u8>>>,
    /// Standard error.
    said: Arc<Mutex<Vec<u8>>>,
    readers: [JoinHandle<()>; 2],
}

/// Keeps all that comes.
fn collect(mut from: impl Read + Send + 'static) -> (Arc<Mutex<Vec<u8>>>, JoinHandle<()>) {
    let collected = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&collected);
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            shared.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..count]);
        }
    });
    (collected, reader)
}

fn text_of(bytes: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

impl RunningProgram {
    /// Starts it in a pipe.
    pub(crate) fn start(plane: &ControlPlane, arguments: &[&str]) -> Result<Self, Failed> {
        Self::spawn(plane.ds_command(plane.kubeconfig(), arguments))
    }

    /// Starts a command of a test's own in a pipe.
    pub(crate) fn spawn(mut command: Command) -> Result<Self, Failed> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (written, stdout) = collect(child.stdout.take().ok_or_else(|| failed("no stdout"))?);
        let (said, stderr) = collect(child.stderr.take().ok_or_else(|| failed("no stderr"))?);
        Ok(Self { child, written, said, readers: [stdout, stderr] })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts it in a pipe, with another kubeconfig.
    pub(crate) fn start_with(plane: &ControlPlane, kubeconfig: &Path, arguments: &[&str]) -> Result<Self, Failed> {
        Self::spawn(plane.ds_command(kubeconfig, arguments))
    }

    /// Whether it is over.
    pub(crate) fn has_ended(&mut self) -> Result<bool, Failed> {
        Ok(self.child.try_wait()?.is_some() && self.readers.iter().all(JoinHandle::is_finished))
    }

    /// What it wrote so far.
    pub(crate) fn text(&self) -> String {
        text_of(&self.written)
    }

    /// What it wrote to standard error so far.
    pub(crate) fn said(&self) -> String {
        text_of(&self.said)
    }

    /// Waits until it has written this.
    pub(crate) async fn wait_for(&self, what: &str) -> Result<(), Failed> {
        wait_until_within(what, Duration::from_secs(40), async || {
            let text = self.text();
            if text.contains(what) { Ok(()) } else { Err(format!("it wrote {text}\nand said {}", self.said())) }
        })
        .await
    }

    /// Waits for the end, which must come with this code.
    pub(crate) async fn wait_for_exit(self, expected: i32) -> Result<String, Failed> {
        self.wait_for_exit_with_stderr(expected).await.map(|(text, _)| text)
    }

    /// The same, with what it wrote to standard error.
    pub(crate) async fn wait_for_exit_with_stderr(mut self, expected: i32) -> Result<(String, String), Failed> {
        let code = wait_until_within("the end of the watch", Duration::from_secs(90), async || {
            match self.child.try_wait().map_err(|error| error.to_string())? {
                Some(status) => Ok(status.code()),
                None => Err(format!("it wrote {}\nand said {}", text_of(&self.written), text_of(&self.said))),
            }
        })
        .await?;
        // The readers may be a moment behind.
        wait_until_within("all of it is read", Duration::from_secs(10), async || {
            if self.readers.iter().all(JoinHandle::is_finished) { Ok(()) } else { Err("not yet".into()) }
        })
        .await?;
        let (text, said) = (self.text(), self.said());
        ensure(code == Some(expected), || format!("ended with {code:?}: {text}\nand said {said}"))?;
        Ok((text, said))
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
}

fn daemon_set(image: &str, strategy: &str, behavior: &Value) -> Value {
    let labels = json!({"app": "agent"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "updateStrategy": {"type": strategy},
            "template": {
                "metadata": {"labels": labels, "annotations": behavior},
                "spec": {"containers": [{"name": "main", "image": image}], "terminationGracePeriodSeconds": 1},
            },
        },
    })
}

/// Three nodes with the first template running everywhere.
async fn begin(plane: &ControlPlane, strategy: &str) -> Result<(), Failed> {
    plane.create_all(&[node("a"), node("b"), node("c"), daemon_set("one", strategy, &json!({}))]).await?;
    let sets: Api<DaemonSet> = Api::default_namespaced(plane.client());
    // As long as no node is ready none is wanted, and a rollout to none is complete.
    wait_until("three nodes want it", async || {
        let status = sets.get("agent").await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        if status.desired_number_scheduled == 3 { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await?;
    RunningProgram::start(plane, &["rollout", "watch", "agent"])?.wait_for_exit(0).await?;
    Ok(())
}

async fn change(plane: &ControlPlane, image: &str, strategy: &str, behavior: &Value) -> Result<(), Failed> {
    let wanted = daemon_set(image, strategy, behavior);
    plane.update(&wanted, |object| object["spec"] = wanted["spec"].clone()).await
}

/// One node at a time, in a pipe, to the end.
pub(crate) fn follows_to_the_end(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        begin(plane, "RollingUpdate").await?;
        change(plane, "two", "RollingUpdate", &json!({})).await?;
        let text = RunningProgram::start(plane, &["rollout", "watch", "agent", "--revision", "2"])?.wait_for_exit(0).await?;
        ensure(text.trim_end().ends_with("(3 of 3 updated, 3 available)"), || text.clone())?;
        ensure(text.contains(" complete after "), || text.clone())?;
        change(plane, "three", "RollingUpdate", &json!({})).await?;
        let text = RunningProgram::start(plane, &["rollout", "watch", "agent", "-o", "json"])?.wait_for_exit(0).await?;
        let events: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let done =
            |node: &str| events.iter().filter(|event| event["event"] == "NodeDone" && event["node"] == node).count();
        ensure(["a", "b", "c"].iter().all(|node| done(node) <= 1), || text.clone())?;
        let last = events.last().cloned().unwrap_or_default();
        ensure(last["event"] == "Ended" && last["outcome"] == "Complete" && last["updatedAvailable"] == 3, || {
            text.clone()
        })?;
        let status = plane.ds(&["rollout", "status", "agent"]);
        ensure(status.status.code() == Some(0), || String::from_utf8_lossy(&status.stdout).into_owned())
    })
}

/// A bad image is named as what holds it, and the watch gives up.
pub(crate) fn names_a_bad_image(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        begin(plane, "RollingUpdate").await?;
        change(plane, "two", "RollingUpdate", &json!({"ds.test/no-image": "*"})).await?;
        let text = RunningProgram::start(plane, &["rollout", "watch", "agent", "--stall-timeout", "8s"])?.wait_for_exit(1).await?;
        ensure(text.contains("the new pod's image two cannot be had: ImagePullBackOff"), || text.clone())?;
        ensure(text.contains("gave up after 8s without progress (--stall-timeout)"), || text.clone())?;
        let status = plane.ds(&["rollout", "status", "agent"]);
        ensure(status.status.code() == Some(1), || String::from_utf8_lossy(&status.stdout).into_owned())
    })
}

/// `OnDelete` waits for somebody to delete pods, and the DaemonSet is deleted midway.
pub(crate) fn waits_for_deletion_and_sees_the_daemon_set_go(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        begin(plane, "OnDelete").await?;
        change(plane, "two", "OnDelete", &json!({})).await?;
        let running = RunningProgram::start(plane, &["rollout", "watch", "agent"])?;
        running.wait_for("waits for deletion").await?;
        let pods: Vec<k8s_openapi::api::core::v1::Pod> = plane.list().await?;
        let name = pods.first().and_then(|pod| pod.metadata.name.clone()).ok_or_else(|| failed("no pod"))?;
        plane
            .delete(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}}))
            .await?;
        running.wait_for("done (1 of 3 updated, 3 available)").await?;
        plane.delete(&daemon_set("two", "OnDelete", &json!({}))).await?;
        let text = running.wait_for_exit(1).await?;
        ensure(text.trim_end().ends_with("the DaemonSet was deleted"), || text.clone())
    })
}
