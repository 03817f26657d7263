//! Runs `kubectl apply --dry-run=server`.

use std::path::Path;
use std::process::Stdio;

use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::{Value, json};
use tokio::process::Command;

use super::options::ApplyOptions;
use super::permission::missing_permission;
use crate::activity::{Activity, begin};
use crate::cluster::access::Access;
use crate::cluster::kubeconfig::non_empty;
use crate::cluster::kubectl::access_flags;
use crate::cluster::manifests::{Manifest, daemon_set};
use crate::error::Error;
use crate::process::{Failure, Group, Output, Process};

/// The maximum size of kubectl's output, in bytes.
const LONGEST: u64 = 64 << 20;
/// The maximum length of kubectl's message, in characters.
const LONGEST_MESSAGE: usize = 4096;

/// The DaemonSets as kubectl would apply them, in the order of the manifests. `None` if kubectl cannot be run: there is
/// none, or it would show the token in the list of processes.
///
/// # Errors
/// [`Error::Forbidden`] if the user may not apply one of them. kubectl fails otherwise: its own message.
pub(super) async fn apply(
    access: &Access,
    options: &ApplyOptions,
    manifests: &[Manifest],
) -> Result<Option<Vec<DaemonSet>>, Error> {
    let Some(kubectl) = options.kubectl.as_deref().filter(|_| non_empty(&options.access.token).is_none()) else {
        return Ok(None);
    };
    let _running = begin(Activity::Objects { resource: "daemonsets".into(), server: access.server().to_owned() });
    // It may run a credential plugin that prompts.
    let Ok(mut process) = Process::start(command(kubectl, options), Group::choose(false)) else { return Ok(None) };
    let items: Vec<&Value> = manifests.iter().map(|manifest| &manifest.value).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
    let rejected = |message: String| Error::RejectedManifest { what: subject(manifests), message };
    match process.exchange(list.as_bytes(), LONGEST).await {
        Ok(output) if output.status.success() => answers(&output, manifests).map(Some).map_err(rejected),
        Ok(output) => {
            let message = message(&output);
            Err(match missing_permission(&message, "daemonsets") {
                Some(verb) => Error::Forbidden { verb, resource: "daemonsets".into(), scope: String::new(), message },
                None => rejected(message),
            })
        }
        Err(Failure::TooLong) => Err(rejected("the output of kubectl is longer than 64 MiB".into())),
        Err(Failure::Ended(reason)) => Err(rejected(format!("cannot run kubectl: {reason}"))),
    }
}

/// What the manifests are called in an error.
fn subject(manifests: &[Manifest]) -> String {
    match manifests {
        [manifest] => manifest.place.clone(),
        _ => format!("{} DaemonSets", manifests.len()),
    }
}

fn command(kubectl: &Path, options: &ApplyOptions) -> Command {
    let mut command = Command::new(kubectl);
    command.args(["apply", "--dry-run=server", "--output=json", "--filename=-"]);
    command.args(access_flags(&options.access));
    if options.server_side {
        command.arg("--server-side");
        if options.force_conflicts {
            command.arg("--force-conflicts");
        }
    }
    if let Some(manager) = non_empty(&options.field_manager) {
        command.arg(format!("--field-manager={manager}"));
    }
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The objects that kubectl printed: one object, or a list.
fn answers(output: &Output, manifests: &[Manifest]) -> Result<Vec<DaemonSet>, String> {
    let invalid = |error: String| format!("cannot read the output of kubectl: {error}");
    let mut printed: Value = serde_json::from_slice(&output.stdout).map_err(|error| invalid(error.to_string()))?;
    let objects = match printed.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take) {
        Some(items) => items,
        None => vec![printed],
    };
    let find = |manifest: &Manifest| {
        let found = objects.iter().find(|object| {
            object["metadata"]["name"] == manifest.name()
                && object["metadata"]["namespace"].as_str() == manifest.namespace()
        });
        daemon_set(found.ok_or_else(|| invalid(format!("{} is missing", manifest.place)))?).map_err(invalid)
    };
    manifests.iter().map(find).collect()
}

/// kubectl's own message, in one line and without its warnings.
fn message(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Warning:"));
    let lines: Vec<&str> = lines.map(|line| line.strip_prefix("error: ").unwrap_or(line)).collect();
    let message: String = lines.join(" ").chars().take(LONGEST_MESSAGE).collect();
    if message.is_empty() { format!("no message from kubectl: {}", output.status) } else { message }
}
