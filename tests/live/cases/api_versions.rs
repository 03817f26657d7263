//! Servers that serve ResourceClaims in an older version of the API.

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{daemon_set, namespace, node, reference};
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![devices_are_read_in_an_older_version_or_unknown];

const NAMESPACE: &str = "devices";

fn devices_are_read_in_an_older_version_or_unknown(ctx: &Ctx) -> Result<(), Failed> {
    let mut plane = ControlPlane::builder(&ctx.programs).start()?;
    let has_devices = plane.run(async |plane| {
        let mut claim = reference("resource.k8s.io/v1", "ResourceClaim", Some(NAMESPACE), "gpu");
        claim["spec"] = json!({"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "none"}}]}});
        let uses = json!({"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}]});
        plane.create_all(&[node("alpha"), namespace(NAMESPACE)]).await?;
        if plane.has_devices().await? {
            plane.create_all(&[claim, daemon_set(NAMESPACE, "agent", &uses)]).await?;
        }
        plane.has_devices().await
    })?;
    if !has_devices {
        return Ok(());
    }
    let in_v1 = check_of_devices(&plane)?;
    ensure(in_v1["reasons"][0]["code"] == "DeviceClassNotFound", || in_v1.to_string())?;

    plane.restart_api_server_serving("resource.k8s.io/v1=false,resource.k8s.io/v1beta2=true")?;
    let in_v1beta2 = check_of_devices(&plane)?;
    ensure(in_v1beta2["reasons"][0] == in_v1["reasons"][0], || format!("{in_v1beta2}, in v1: {in_v1}"))?;

    plane.restart_api_server_serving("resource.k8s.io/v1=false,resource.k8s.io/v1beta1=true")?;
    let in_v1beta1 = check_of_devices(&plane)?;
    let message = in_v1beta1["reasons"][0]["message"].as_str().unwrap_or_default();
    let expected = "the API server serves resource.k8s.io in v1beta1, not in v1";
    ensure(in_v1beta1["result"] == "Unknown" && message.contains(expected), || in_v1beta1.to_string())
}

/// The check `DynamicResources` of the DaemonSet on the node.
fn check_of_devices(plane: &ControlPlane) -> Result<Value, Failed> {
    let output = plane.ds(&["why-not", "alpha", "agent", "-n", NAMESPACE, "-o", "json"]);
    let report = document(&String::from_utf8_lossy(&output.stdout))?;
    let checks = report["daemonSets"][0]["checks"].as_array().cloned().unwrap_or_default();
    let check = checks.into_iter().find(|check| check["check"] == "DynamicResources");
    check.ok_or_else(|| format!("no check of devices: {report}").into())
}
