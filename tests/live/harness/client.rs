//! What a test does with a control plane: wait, change objects, run the program and kubectl.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use kube::Api;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use libtest_mimic::Failed;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Ctx;
use crate::harness::control_plane::ControlPlane;
use crate::json_schemas::validate;

/// The default timeout. It is long because a loaded machine is slow, and because a controller that lost the API server
/// can wait half a minute before it retries, more than once. It costs nothing when the condition becomes true.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Polls `condition` until it is `Ok`. After [`TIMEOUT`] it fails with the last error.
pub(crate) async fn wait_until<T>(
    description: &str,
    condition: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Failed> {
    wait_until_within(description, TIMEOUT, condition).await
}

/// The same with another timeout: where the time itself is under test.
pub(crate) async fn wait_until_within<T>(
    description: &str,
    timeout: Duration,
    mut condition: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Failed> {
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_millis(20);
    loop {
        let reason = match tokio::time::timeout(timeout, condition()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(reason)) => reason,
            Err(_) => "no response".to_owned(),
        };
        if Instant::now() > deadline {
            return Err(format!("timed out after {} s: {description}: {reason}", timeout.as_secs()).into());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}

/// The error of a test with this message.
pub(crate) fn failed(error: impl std::fmt::Display) -> Failed {
    Failed::from(error.to_string())
}

/// The message of a test's error, for a condition of [`wait_until`].
pub(crate) fn message(failure: Failed) -> String {
    failure.message().unwrap_or_default().to_owned()
}

/// Fails with `message` unless `condition` is true.
pub(crate) fn ensure(condition: bool, message: impl FnOnce() -> String) -> Result<(), Failed> {
    if condition { Ok(()) } else { Err(Failed::from(message())) }
}

/// The API for the kind and namespace of a manifest.
fn api_for(plane: &ControlPlane, object: &Value) -> Result<Api<DynamicObject>, Failed> {
    let text = |key: &str| object[key].as_str().ok_or_else(|| failed(format!("no {key} in {object}")));
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Ok(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(plane.client(), namespace, &resource),
        None => Api::all_with(plane.client(), &resource),
    })
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

impl ControlPlane {
    /// All objects of a kind, in all namespaces.
    pub(crate) async fn list<K>(&self) -> Result<Vec<K>, Failed>
    where
        K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        Ok(Api::<K>::all(self.client()).list(&ListParams::default()).await.map_err(failed)?.items)
    }

    /// Creates an object from its manifest.
    pub(crate) async fn create(&self, object: &Value) -> Result<(), Failed> {
        let dynamic: DynamicObject = serde_json::from_value(object.clone()).map_err(failed)?;
        match api_for(self, object)?.create(&PostParams::default(), &dynamic).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(format!("create {object}: {error}"))),
        }
    }

    /// Creates objects, eight at a time.
    pub(crate) async fn create_all(&self, objects: &[Value]) -> Result<(), Failed> {
        stream::iter(objects).map(|object| self.create(object)).buffer_unordered(8).try_collect().await
    }

    /// Merges `change` into the object of its apiVersion, kind, namespace and name.
    pub(crate) async fn merge(&self, change: &Value) -> Result<(), Failed> {
        let patch = api_for(self, change)?.patch(name_of(change), &PatchParams::default(), &Patch::Merge(change)).await;
        patch.map(|_| ()).map_err(|error| failed(format!("merge {change}: {error}")))
    }

    /// Reads the object, changes it and replaces it; retries on a conflict.
    pub(crate) async fn update(&self, object: &Value, change: impl Fn(&mut Value)) -> Result<(), Failed> {
        let api = api_for(self, object)?;
        let name = name_of(object);
        for _ in 0..20 {
            let mut current = api.get(name).await.map_err(failed)?;
            change(&mut current.data);
            match api.replace(name, &PostParams::default(), &current).await {
                Err(kube::Error::Api(status)) if status.code == 409 => continue,
                outcome => {
                    return outcome.map(|_| ()).map_err(|error| failed(format!("update {name}: {error}")));
                }
            }
        }
        Err(failed(format!("update {name}: 20 conflicts")))
    }

    /// Deletes the object of this apiVersion, kind, namespace and name.
    pub(crate) async fn delete(&self, object: &Value) -> Result<(), Failed> {
        let deletion = api_for(self, object)?.delete(name_of(object), &DeleteParams::background()).await;
        deletion.map(|_| ()).map_err(|error| failed(format!("delete {object}: {error}")))
    }

    /// Runs the program as admin.
    pub(crate) fn ds(&self, arguments: &[&str]) -> Output {
        self.ds_with(self.kubeconfig(), arguments)
    }

    /// Runs the program as the user of another context of the kubeconfig.
    pub(crate) fn ds_as(&self, context: &str, arguments: &[&str]) -> Output {
        self.ds(&[arguments, &["--context", context]].concat())
    }

    /// Runs the program with another kubeconfig, and nothing else in its environment.
    pub(crate) fn ds_with(&self, kubeconfig: &Path, arguments: &[&str]) -> Output {
        self.ds_command(kubeconfig, arguments).output().expect("the program exists")
    }

    /// The program as a command: `DS_PROGRAM`, or the one that was built with this test.
    pub(crate) fn ds_command(&self, kubeconfig: &Path, arguments: &[&str]) -> Command {
        let program = std::env::var_os("DS_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_kubectl-ds").into());
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.dir())
            .env("KUBECONFIG", kubeconfig)
            .current_dir(self.dir())
            .stdin(Stdio::null());
        command
    }

    /// Runs the control plane's own kubectl as admin; returns its standard output.
    pub(crate) fn kubectl(&self, ctx: &Ctx, arguments: &[&str]) -> Result<String, Failed> {
        let output = Command::new(ctx.programs.join("kubectl"))
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            .env("HOME", self.dir())
            .output()?;
        ensure(output.status.success(), || {
            format!("kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr))
        })?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs shell lines with the control plane's own kubectl in the PATH; returns their standard output.
    pub(crate) fn shell(&self, ctx: &Ctx, lines: &str) -> Result<String, Failed> {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .args(["-e", "-c", lines])
            .env_clear()
            .env("PATH", format!("{}:{path}", ctx.programs.display()))
            .env("HOME", self.dir())
            .env("KUBECONFIG", self.kubeconfig())
            .current_dir(self.dir())
            .output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure(output.status.success(), || {
            format!("{lines}\n  {}: {}{}", output.status, text(&output.stdout), text(&output.stderr))
        })?;
        Ok(text(&output.stdout))
    }
}

/// The JSON on standard output; any exit code but 0 is an error.
pub(crate) fn json_of(output: &Output) -> Result<Value, Failed> {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(failed(format!("kubectl ds: {}: {stderr}", output.status)));
    }
    document(&stdout).map_err(|error| failed(format!("{}; stderr: {stderr:.300}", error.message().unwrap_or_default())))
}

/// A JSON document that the program printed. It must be what `docs/schema` says.
pub(crate) fn document(text: &str) -> Result<Value, Failed> {
    let document = serde_json::from_str(text).map_err(|error| failed(format!("not JSON ({error}): {text:.300}")))?;
    validate(&document).map_err(|differences| failed(format!("{differences}: {text:.300}")))?;
    Ok(document)
}
