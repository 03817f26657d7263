//! What the real scheduler says of pods that other pods, labels, gates or devices keep from their node: word for word
//! what the program's filters say.

use std::process::Command;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{ensure, failed, wait_until};
use crate::harness::why_not_assertions;
use crate::harness::control_plane::{DEVICES, ControlPlane};

const NAMESPACE: &str = "near";
/// A namespace with the label `team=x`.
const TEAM: &str = "far";
const HOSTNAME: &str = "kubernetes.io/hostname";

const NEAR: &str = "node(s) didn't match pod affinity rules";
const FAR: &str = "node(s) didn't match pod anti-affinity rules";
const KEPT_AWAY: &str = "node(s) didn't satisfy existing pods anti-affinity rules";
const UNEVEN: &str = "node(s) didn't match pod topology spread constraints";
const NO_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";
const FEATURES: &str = "node(s) didn't match Pod's required features";
const GATED: &str = "Scheduling is blocked due to non-empty scheduling gates";

/// What is to become of the pod of each DaemonSet on 1.36: the reason and a part of the message of its condition
/// `PodScheduled`. An empty reason stands for a pod that is bound, `-` for one of which nobody says anything.
const EXPECTED: [(&str, &str, &str); 19] = [
    ("kept-away", "Unschedulable", KEPT_AWAY),
    ("kept-from-zone", "Unschedulable", KEPT_AWAY),
    ("kept-from-another-zone", "", ""),
    ("lonely", "Unschedulable", NEAR),
    ("without-label", "Unschedulable", NEAR),
    ("first", "", ""),
    ("avoiding", "Unschedulable", FAR),
    ("avoiding-without-label", "", ""),
    ("avoiding-teams", "Unschedulable", FAR),
    ("spread-over-hostnames", "", ""),
    ("spread-without-label", "Unschedulable", NO_LABEL),
    ("spread-over-domains", "Unschedulable", UNEVEN),
    ("gated", "SchedulingGated", GATED),
    ("features", "Unschedulable", FEATURES),
    ("claim-missing", "-", ""),
    ("class-missing", "Unschedulable", "request r: device class none does not exist"),
    ("no-devices", "Unschedulable", "cannot allocate all claims"),
    ("template-missing", "-", ""),
    ("device-as-resource", "Unschedulable", "cannot allocate all claims"),
];

/// Since this version nodes declare features, and pods may need them.
const DECLARED_FEATURES: u32 = 36;

/// The same for a version of Kubernetes.
fn expected(minor: u32) -> Vec<(&'static str, &'static str, &'static str)> {
    let of_version = |(name, reason, words)| match name {
        // Its selector is met by a namespace without labels, which the scheduler of these versions takes for all.
        "avoiding-teams" if !(34..=36).contains(&minor) => (name, "", ""),
        "claim-missing" | "class-missing" | "no-devices" | "template-missing" if minor < DEVICES => (name, "", ""),
        "device-as-resource" if minor < 36 => (name, "Unschedulable", "Insufficient example.com/gpu"),
        _ => (name, reason, words),
    };
    EXPECTED.into_iter().filter(|(name, ..)| is_made(name, minor)).map(of_version).collect()
}

fn is_made(name: &str, minor: u32) -> bool {
    name != "features" || minor >= DECLARED_FEATURES
}

/// The scheduler says what [`expected`] says, and gates are lifted by the line that the program gives.
pub(crate) fn told_by_the_scheduler(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        make(plane).await?;
        let all = expected(plane.minor().await?);
        wait_until("the scheduler has said it all", async || {
            let pods = plane.list::<Pod>().await.map_err(message)?;
            let wrong: Vec<String> = all.iter().filter_map(|expected| mismatch(&pods, *expected)).collect();
            if wrong.is_empty() { Ok(()) } else { Err(format!("\n    {}", wrong.join("\n    "))) }
        })
        .await?;
        explained(plane, &all).await?;
        if plane.has_devices().await? {
            claim_elsewhere(ctx, plane).await?;
            device_held(plane).await?;
        }
        lift_gates(ctx, plane).await
    })
}

/// The program says the same of each, filter by filter.
async fn explained(plane: &ControlPlane, all: &[(&str, &str, &str)]) -> Result<(), Failed> {
    for pod in plane.list::<Pod>().await? {
        let owner = pod.metadata.owner_references.iter().flatten().next().map(|owner| owner.name.clone());
        let Some((name, reason, words)) = owner.and_then(|owner| all.iter().find(|(name, ..)| *name == owner).copied())
        else {
            continue;
        };
        let node = pod.spec.as_ref().and_then(|spec| spec.node_selector.as_ref()?.get(HOSTNAME).cloned());
        let node = node.unwrap_or_default();
        match reason {
            "" => {}
            // Nobody says anything of these: the claim is not there.
            "-" => explained::assert_rejected(plane, &node, (NAMESPACE, name), "DynamicResources", None)?,
            _ => explained::assert_rejected(plane, &node, (NAMESPACE, name), "", Some(words))?,
        }
    }
    Ok(())
}

fn message(failure: Failed) -> String {
    failure.message().unwrap_or_default().to_owned()
}

fn pod_of<'p>(pods: &'p [Pod], set: &str) -> Option<&'p Pod> {
    let is_its = |pod: &&Pod| pod.metadata.owner_references.iter().flatten().any(|owner| owner.name == set);
    pods.iter().find(is_its)
}

/// What is not as expected.
fn mismatch(pods: &[Pod], (set, reason, words): (&str, &str, &str)) -> Option<String> {
    let Some(pod) = pod_of(pods, set) else { return Some(format!("{set}: no pod")) };
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let scheduled = conditions.into_iter().flatten().find(|condition| condition.type_ == "PodScheduled");
    let (found, said) = match scheduled {
        Some(condition) if condition.status == "True" => ("", ""),
        Some(condition) => {
            (condition.reason.as_deref().unwrap_or_default(), condition.message.as_deref().unwrap_or_default())
        }
        None => ("-", ""),
    };
    // The words end where the scheduler's do: with the next reason, or with the sentence.
    let ends = [",", ".", ""].map(|end| format!("{words}{end}"));
    let is_said = words.is_empty() || said == words || ends[..2].iter().any(|words| said.contains(words.as_str()));
    (found != reason || !is_said).then(|| format!("{set}: {found:?} {said:?} instead of {reason:?} {words:?}"))
}

async fn make(plane: &ControlPlane) -> Result<(), Failed> {
    let namespace = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    plane.create_all(&[namespace(NAMESPACE, json!({})), namespace(TEAM, json!({"team": "x"}))]).await?;
    let node = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}});
    plane
        .create_all(&[
            node("alpha", json!({HOSTNAME: "alpha", "zone": "z1"})),
            node("beta", json!({HOSTNAME: "beta", "zone": "z1"})),
            node("bare", json!({HOSTNAME: "bare"})),
        ])
        .await?;
    wait_until("namespaces are ready for pods", async || {
        let accounts = plane.list::<k8s_openapi::api::core::v1::ServiceAccount>().await.map_err(message)?;
        let ready = accounts
            .iter()
            .filter(|account| [NAMESPACE, TEAM].map(Some).contains(&account.metadata.namespace.as_deref()));
        if ready.count() == 2 { Ok(()) } else { Err("a service account is missing".into()) }
    })
    .await?;
    plane
        .create_all(&[
            pod(NAMESPACE, "hermit", "alpha", anti_affinity(term("kept-away", HOSTNAME))),
            pod(NAMESPACE, "hermit-of-zone", "beta", anti_affinity(term("kept-from-zone", "zone"))),
            pod(NAMESPACE, "hermit-elsewhere", "bare", anti_affinity(term("kept-from-another-zone", HOSTNAME))),
            pod(NAMESPACE, "resident", "alpha", json!({})),
            pod(TEAM, "resident-of-team", "alpha", json!({})),
            with_app(pod(NAMESPACE, "second-resident", "alpha", json!({})), "resident"),
        ])
        .await?;
    if plane.has_devices().await? {
        plane
            .create_all(&[
                json!({"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": "gpu"}, "spec": {"extendedResourceName": "example.com/gpu"}}),
                claim("of-no-class", "none"),
                claim("of-no-device", "gpu"),
                claim("elsewhere", "gpu"),
                claim("of-held-device", "gpu"),
                claim("of-free-device", "gpu"),
            ])
            .await?;
    }
    let minor = plane.minor().await?;
    let mut sets = daemon_sets();
    sets.retain(|set| set["metadata"]["name"].as_str().is_some_and(|name| is_made(name, minor)));
    plane.create_all(&sets).await
}

fn daemon_sets() -> Vec<Value> {
    let affinity = |term: Value| json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    let mut teams = term("resident-of-team", HOSTNAME);
    // Not met by the namespace, which has the label; the scheduler says otherwise.
    teams["namespaceSelector"] = json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]});
    let spread = |app: &str, key: &str, min_domains: Value| {
        json!({"topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "minDomains": min_domains,
            "labelSelector": {"matchLabels": {"app": app}},
        }]})
    };
    let uses = |claim: &str| json!({"resourceClaims": [{"name": "gpu", "resourceClaimName": claim}]});
    let rule = json!({"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}});
    let restarting = json!({"name": "main", "image": "agent", "restartPolicy": "Never", "restartPolicyRules": [rule]});
    let asking = json!({"name": "main", "image": "agent", "resources": {"limits": {"example.com/gpu": "1"}}});
    vec![
        daemon_set("kept-away", "alpha", json!({})),
        daemon_set("kept-from-zone", "alpha", json!({})),
        daemon_set("kept-from-another-zone", "alpha", json!({})),
        daemon_set("lonely", "alpha", json!({"affinity": affinity(term("nobody", HOSTNAME))})),
        daemon_set("without-label", "bare", json!({"affinity": affinity(term("without-label", "zone"))})),
        daemon_set("first", "alpha", json!({"affinity": affinity(term("first", "zone"))})),
        daemon_set("avoiding", "alpha", anti_affinity(term("resident", "zone"))),
        daemon_set("avoiding-without-label", "bare", anti_affinity(term("hermit-elsewhere", "zone"))),
        daemon_set("avoiding-teams", "alpha", anti_affinity(teams)),
        daemon_set("spread-over-hostnames", "alpha", spread("spread-over-hostnames", HOSTNAME, json!(null))),
        daemon_set("spread-without-label", "bare", spread("spread-without-label", "zone", json!(null))),
        daemon_set("spread-over-domains", "alpha", spread("resident", HOSTNAME, json!(2))),
        daemon_set("gated", "alpha", json!({"schedulingGates": [{"name": "example.com/hold"}]})),
        daemon_set("features", "alpha", json!({"containers": [restarting]})),
        daemon_set("claim-missing", "alpha", uses("none")),
        daemon_set("class-missing", "alpha", uses("of-no-class")),
        daemon_set("no-devices", "alpha", uses("of-no-device")),
        daemon_set(
            "template-missing",
            "alpha",
            json!({"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "none"}]}),
        ),
        daemon_set("device-as-resource", "alpha", json!({"containers": [asking]})),
    ]
}

/// A claim whose devices are on another node.
async fn claim_elsewhere(ctx: &Ctx, plane: &ControlPlane) -> Result<(), Failed> {
    let on_beta = json!({"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["beta"]}]}]});
    let pods = plane.list::<Pod>().await?;
    let resident = pods.iter().find(|pod| pod.name_any() == "resident").ok_or_else(|| failed("no resident"))?;
    let status = json!({"status": {
        "allocation": {
            "nodeSelector": on_beta,
            "devices": {"results": [{"request": "r", "driver": "d.example.com", "pool": "p", "device": "0"}]},
        },
        // Without a user that lives it would be taken back.
        "reservedFor": [{"resource": "pods", "name": "resident", "uid": resident.uid()}],
    }});
    let status = status.to_string();
    kubectl(
        ctx,
        plane,
        &[
            "patch",
            "resourceclaim",
            "elsewhere",
            "-n",
            NAMESPACE,
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
        ],
    )?;
    let uses = json!({"resourceClaims": [{"name": "gpu", "resourceClaimName": "elsewhere"}]});
    plane.create(&daemon_set("elsewhere", "alpha", uses)).await?;
    wait_until("the scheduler has looked at the claim", async || {
        let pods = plane.list::<Pod>().await.map_err(message)?;
        let expected = ("elsewhere", "Unschedulable", "resourceclaim not available on the node");
        mismatch(&pods, expected).map_or(Ok(()), Err)
    })
    .await
}

/// The one device of a node is held by another claim, whose pod is elsewhere.
async fn device_held(plane: &ControlPlane) -> Result<(), Failed> {
    let slice = |node: &str, pool: &str| {
        json!({
            "apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": pool},
            "spec": {
                "driver": "d.example.com", "nodeName": node, "devices": [{"name": "0"}],
                "pool": {"name": pool, "generation": 1, "resourceSliceCount": 1},
            },
        })
    };
    plane.create_all(&[slice("bare", "p"), slice("beta", "q")]).await?;
    let uses = |claim: &str| json!({"resourceClaims": [{"name": "gpu", "resourceClaimName": claim}]});
    plane.create(&daemon_set("held", "bare", uses("of-held-device"))).await?;
    plane.create(&daemon_set("free", "beta", uses("of-free-device"))).await?;
    wait_until("the scheduler has looked at the devices", async || {
        let pods = plane.list::<Pod>().await.map_err(message)?;
        let held = mismatch(&pods, ("held", "Unschedulable", "cannot allocate all claims"));
        held.or_else(|| mismatch(&pods, ("free", "", ""))).map_or(Ok(()), Err)
    })
    .await
}

/// The line of the remedy does it.
async fn lift_gates(ctx: &Ctx, plane: &ControlPlane) -> Result<(), Failed> {
    let pods = plane.list::<Pod>().await?;
    let name = pod_of(&pods, "gated").ok_or_else(|| failed("no pod is gated"))?.name_any();
    let patch = r#"[{"op":"remove","path":"/spec/schedulingGates"}]"#;
    kubectl(ctx, plane, &["patch", "pod", &name, "-n", NAMESPACE, "--type=json", "-p", patch])?;
    wait_until("the pod is bound", async || {
        let pods = plane.list::<Pod>().await.map_err(message)?;
        mismatch(&pods, ("gated", "", "")).map_or(Ok(()), Err)
    })
    .await
}

fn kubectl(ctx: &Ctx, plane: &ControlPlane, arguments: &[&str]) -> Result<(), Failed> {
    let output = Command::new(ctx.programs.join("kubectl"))
        .args(arguments)
        .env("KUBECONFIG", plane.kubeconfig())
        .env("HOME", plane.dir())
        .output()?;
    ensure(output.status.success(), || format!("kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn term(app: &str, key: &str) -> Value {
    json!({"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key})
}

fn anti_affinity(term: Value) -> Value {
    json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
}

fn claim(name: &str, class: &str) -> Value {
    json!({
        "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": class}}]}},
    })
}

/// A pod on a node, without any scheduler.
fn pod(namespace: &str, name: &str, node: &str, rest: Value) -> Value {
    let mut spec = with(json!({"containers": [{"name": "main", "image": "agent"}]}), rest);
    spec["nodeName"] = json!(node);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}}, "spec": spec})
}

fn with_app(mut pod: Value, app: &str) -> Value {
    pod["metadata"]["labels"]["app"] = json!(app);
    pod
}

fn daemon_set(name: &str, node: &str, rest: Value) -> Value {
    let labels = json!({"app": name});
    let spec = json!({"containers": [{"name": "main", "image": "agent"}], "nodeSelector": {HOSTNAME: node}});
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": with(spec, rest)}},
    })
}

fn with(mut spec: Value, rest: Value) -> Value {
    for (key, value) in rest.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}
