//! What a test does with a plane: wait, change objects, run the real program.

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
use serde_json::{Value, json};

use crate::Ctx;
use crate::plane::Plane;

/// How long what has to come is waited for: a loaded machine is slow, and a controller that lost the API server may wait
/// half a minute before it asks again, and more than once. Where it comes, the limit costs nothing.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks `condition` again and again until it is `Ok`. When that lasts too long it fails with the last reason that it gave.
pub(crate) async fn wait_until<T>(
    description: &str,
    condition: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Failed> {
    wait_until_within(description, PATIENCE, condition).await
}

/// The same, with a limit of its own: where the program, or what it advises, has to be in time.
pub(crate) async fn wait_until_within<T>(
    description: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Failed> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(20);
    loop {
        let why = match tokio::time::timeout(limit, condition()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(why)) => why,
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() > deadline {
            return Err(format!("waited {} s in vain until {description}: {why}", limit.as_secs()).into());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}

/// Gives a user the rights of a ClusterRole.
pub(crate) fn binding(role: &str, user: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": role},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    })
}

/// Gives up on a test with this message.
pub(crate) fn failed(error: impl std::fmt::Display) -> Failed {
    Failed::from(error.to_string())
}

/// Fails with what `message` says unless `condition` holds.
pub(crate) fn ensure(condition: bool, message: impl FnOnce() -> String) -> Result<(), Failed> {
    if condition { Ok(()) } else { Err(Failed::from(message())) }
}

/// The API of any kind, by the names that a manifest uses.
fn api_of(plane: &Plane, object: &Value) -> Result<Api<DynamicObject>, Failed> {
    let text = |key: &str| object[key].as_str().ok_or_else(|| failed(format!("an object without {key}: {object}")));
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

impl Plane {
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
        match api_of(self, object)?.create(&PostParams::default(), &dynamic).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(format!("create {object}: {error}"))),
        }
    }

    /// Creates many, several at a time.
    pub(crate) async fn create_all(&self, objects: &[Value]) -> Result<(), Failed> {
        stream::iter(objects).map(|object| self.create(object)).buffer_unordered(8).try_collect().await
    }

    /// Merges `change`, which names the object by apiVersion, kind and metadata, into the object.
    pub(crate) async fn merge(&self, change: &Value) -> Result<(), Failed> {
        let patch = api_of(self, change)?.patch(name_of(change), &PatchParams::default(), &Patch::Merge(change)).await;
        patch.map(|_| ()).map_err(|error| failed(format!("merge {change}: {error}")))
    }

    /// Reads the object, changes it and writes it back whole; again when somebody else wrote meanwhile.
    pub(crate) async fn update(&self, object: &Value, change: impl Fn(&mut Value)) -> Result<(), Failed> {
        let api = api_of(self, object)?;
        let name = name_of(object);
        for _ in 0..20 {
            let mut now = api.get(name).await.map_err(failed)?;
            change(&mut now.data);
            match api.replace(name, &PostParams::default(), &now).await {
                Err(kube::Error::Api(status)) if status.code == 409 => continue,
                outcome => {
                    return outcome.map(|_| ()).map_err(|error| failed(format!("update {name}: {error}")));
                }
            }
        }
        Err(failed(format!("{name} changes all the time")))
    }

    /// Deletes the object that apiVersion, kind and metadata name.
    pub(crate) async fn delete(&self, object: &Value) -> Result<(), Failed> {
        let deletion = api_of(self, object)?.delete(name_of(object), &DeleteParams::background()).await;
        deletion.map(|_| ()).map_err(|error| failed(format!("delete {object}: {error}")))
    }

    /// Runs the real program as admin.
    pub(crate) fn ds(&self, arguments: &[&str]) -> Output {
        self.ds_with(self.kubeconfig(), arguments)
    }

    /// Runs the real program as the user of another context of the kubeconfig.
    pub(crate) fn ds_as(&self, context: &str, arguments: &[&str]) -> Output {
        self.ds(&[arguments, &["--context", context]].concat())
    }

    /// Runs the real program with another kubeconfig, and nothing else in its environment.
    pub(crate) fn ds_with(&self, kubeconfig: &Path, arguments: &[&str]) -> Output {
        self.ds_command(kubeconfig, arguments).output().expect("the program was built with this test")
    }

    /// The real program, ready to be started.
    pub(crate) fn ds_command(&self, kubeconfig: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.dir())
            .env("KUBECONFIG", kubeconfig)
            .current_dir(self.dir())
            .stdin(Stdio::null());
        command
    }

    /// Runs lines as a user would, with the control plane's own kubectl; gives back what they print.
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

/// The JSON that a run printed; anything but exit code 0 is a failure.
pub(crate) fn json_of(output: &Output) -> Result<Value, Failed> {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(failed(format!("kubectl ds ended with {}: {stderr}", output.status)));
    }
    serde_json::from_str(&stdout)
        .map_err(|error| failed(format!("not JSON ({error}): {:.300}; it said on stderr: {stderr:.300}", stdout)))
}
