//! The scheduler's messages about pods that other pods, labels, gates or devices keep off their node, and the same
//! messages from the program's filters.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Ctx;
use crate::harness::client::{failed, message, wait_until};
use crate::harness::control_plane::{ControlPlane, DRA_MINOR};
use crate::harness::manifests::{bound_pod, daemon_set, namespace, node, node_with, reference, replace_fields};
use crate::harness::registry::LiveTest;
use crate::harness::why_not_assertions::assert_rejected;

pub(crate) const TESTS: &[LiveTest] = live_tests![why_not_has_the_same_messages];

const NAMESPACE: &str = "near";
/// A namespace with the label `team=x`.
const TEAM: &str = "far";
/// The API version of dynamic resource allocation.
const DRA: &str = "resource.k8s.io/v1";
const HOSTNAME: &str = "kubernetes.io/hostname";

const AFFINITY: &str = "node(s) didn't match pod affinity rules";
const ANTI_AFFINITY: &str = "node(s) didn't match pod anti-affinity rules";
const EXISTING: &str = "node(s) didn't satisfy existing pods anti-affinity rules";
const SPREAD: &str = "node(s) didn't match pod topology spread constraints";
const SPREAD_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";
const FEATURES: &str = "node(s) didn't match Pod's required features";
const GATED: &str = "Scheduling is blocked due to non-empty scheduling gates";

/// The pod of each DaemonSet on 1.36: the reason and a part of the message of its condition `PodScheduled`. An empty
/// reason means that the pod is bound, `-` that it has no such condition.
const EXPECTED: [(&str, &str, &str); 19] = [
    ("kept-away", "Unschedulable", EXISTING),
    ("kept-from-zone", "Unschedulable", EXISTING),
    ("kept-from-another-zone", "", ""),
    ("lonely", "Unschedulable", AFFINITY),
    ("without-label", "Unschedulable", AFFINITY),
    ("first", "", ""),
    ("avoiding", "Unschedulable", ANTI_AFFINITY),
    ("avoiding-without-label", "", ""),
    ("avoiding-teams", "Unschedulable", ANTI_AFFINITY),
    ("spread-over-hostnames", "", ""),
    ("spread-without-label", "Unschedulable", SPREAD_LABEL),
    ("spread-over-domains", "Unschedulable", SPREAD),
    ("gated", "SchedulingGated", GATED),
    ("features", "Unschedulable", FEATURES),
    ("claim-missing", "-", ""),
    ("class-missing", "Unschedulable", "request r: device class none does not exist"),
    ("no-devices", "Unschedulable", "cannot allocate all claims"),
    ("template-missing", "-", ""),
    ("device-as-resource", "Unschedulable", "cannot allocate all claims"),
];

/// The first minor version in which nodes declare features that pods can require.
const DECLARED_FEATURES: u32 = 36;

/// [`EXPECTED`] for a minor version of Kubernetes.
fn expected(minor: u32) -> Vec<(&'static str, &'static str, &'static str)> {
    let in_version = |(name, reason, text)| match name {
        // Its selector matches a namespace without labels; these versions of the scheduler apply that to all
        // namespaces.
        "avoiding-teams" if !(34..=36).contains(&minor) => (name, "", ""),
        "claim-missing" | "class-missing" | "no-devices" | "template-missing" if minor < DRA_MINOR => (name, "", ""),
        "device-as-resource" if minor < 36 => (name, "Unschedulable", "Insufficient example.com/gpu"),
        _ => (name, reason, text),
    };
    EXPECTED.into_iter().filter(|(name, ..)| is_supported(name, minor)).map(in_version).collect()
}

fn is_supported(name: &str, minor: u32) -> bool {
    name != "features" || minor >= DECLARED_FEATURES
}

/// The scheduler's messages are as in [`expected`], why-not reports the same, and its command removes a scheduling
/// gate.
fn why_not_has_the_same_messages(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        create_objects(plane).await?;
        let all = expected(plane.minor().await?);
        wait_until("all pods have the expected condition", async || {
            let pods = plane.list::<Pod>().await.map_err(message)?;
            let wrong: Vec<String> = all.iter().filter_map(|expected| mismatch(&pods, *expected)).collect();
            if wrong.is_empty() { Ok(()) } else { Err(format!("\n    {}", wrong.join("\n    "))) }
        })
        .await?;
        check_reports(plane, &all).await?;
        if plane.has_devices().await? {
            check_claim_on_other_node(ctx, plane).await?;
            check_device_in_use(plane).await?;
        }
        remove_gate(ctx, plane).await
    })
}

/// why-not reports the scheduler's message for each pod.
async fn check_reports(plane: &ControlPlane, all: &[(&str, &str, &str)]) -> Result<(), Failed> {
    for pod in plane.list::<Pod>().await? {
        let owner = pod.metadata.owner_references.iter().flatten().next().map(|owner| owner.name.clone());
        let Some((name, reason, text)) = owner.and_then(|owner| all.iter().find(|(name, ..)| *name == owner).copied())
        else {
            continue;
        };
        let node = pod.spec.as_ref().and_then(|spec| spec.node_selector.as_ref()?.get(HOSTNAME).cloned());
        let node = node.unwrap_or_default();
        match reason {
            "" => {}
            // The claim does not exist, and the scheduler does not say so.
            "-" => assert_rejected(plane, &node, (NAMESPACE, name), "DynamicResources", None)?,
            _ => assert_rejected(plane, &node, (NAMESPACE, name), "", Some(text))?,
        }
    }
    Ok(())
}

fn pod_of<'p>(pods: &'p [Pod], set: &str) -> Option<&'p Pod> {
    let is_owned = |pod: &&Pod| pod.metadata.owner_references.iter().flatten().any(|owner| owner.name == set);
    pods.iter().find(is_owned)
}

/// The difference between a pod's condition and the expected one, if there is any.
fn mismatch(pods: &[Pod], (set, reason, text): (&str, &str, &str)) -> Option<String> {
    let Some(pod) = pod_of(pods, set) else { return Some(format!("{set}: no pod")) };
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let scheduled = conditions.into_iter().flatten().find(|condition| condition.type_ == "PodScheduled");
    let (found, message) = match scheduled {
        Some(condition) if condition.status == "True" => ("", ""),
        Some(condition) => {
            (condition.reason.as_deref().unwrap_or_default(), condition.message.as_deref().unwrap_or_default())
        }
        None => ("-", ""),
    };
    // The text must be a whole reason: the next reason or the end of the sentence follows.
    let has_text =
        text.is_empty() || message == text || [",", "."].iter().any(|end| message.contains(&format!("{text}{end}")));
    (found != reason || !has_text).then(|| format!("{set}: {found:?} {message:?} instead of {reason:?} {text:?}"))
}

async fn create_objects(plane: &ControlPlane) -> Result<(), Failed> {
    let mut team = namespace(TEAM);
    team["metadata"]["labels"] = json!({"team": "x"});
    plane.create_all(&[namespace(NAMESPACE), team]).await?;
    let zone = json!({"metadata": {"labels": {"zone": "z1"}}});
    plane.create_all(&[node_with("alpha", &zone), node_with("beta", &zone), node("bare")]).await?;
    wait_until("the namespaces have their service accounts", async || {
        let accounts = plane.list::<k8s_openapi::api::core::v1::ServiceAccount>().await.map_err(message)?;
        let ready = accounts
            .iter()
            .filter(|account| [NAMESPACE, TEAM].map(Some).contains(&account.metadata.namespace.as_deref()));
        if ready.count() == 2 { Ok(()) } else { Err("a service account is missing".into()) }
    })
    .await?;
    plane
        .create_all(&[
            bound_pod(NAMESPACE, "loner", "alpha", &anti_affinity(term("kept-away", HOSTNAME))),
            bound_pod(NAMESPACE, "loner-of-zone", "beta", &anti_affinity(term("kept-from-zone", "zone"))),
            bound_pod(NAMESPACE, "loner-on-bare", "bare", &anti_affinity(term("kept-from-another-zone", HOSTNAME))),
            bound_pod(NAMESPACE, "resident", "alpha", &json!({})),
            bound_pod(TEAM, "resident-of-team", "alpha", &json!({})),
            with_app(bound_pod(NAMESPACE, "second-resident", "alpha", &json!({})), "resident"),
        ])
        .await?;
    if plane.has_devices().await? {
        let mut class = reference(DRA, "DeviceClass", None, "gpu");
        class["spec"] = json!({"extendedResourceName": "example.com/gpu"});
        plane
            .create_all(&[
                class,
                claim("of-no-class", "none"),
                claim("of-no-device", "gpu"),
                claim("on-other-node", "gpu"),
                claim("of-used-device", "gpu"),
                claim("of-free-device", "gpu"),
            ])
            .await?;
    }
    let minor = plane.minor().await?;
    let mut sets = daemon_sets();
    sets.retain(|set| set["metadata"]["name"].as_str().is_some_and(|name| is_supported(name, minor)));
    plane.create_all(&sets).await
}

fn daemon_sets() -> Vec<Value> {
    let affinity = |term: Value| json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    let mut teams = term("resident-of-team", HOSTNAME);
    // Does not match the namespace, which has the label; some versions of the scheduler apply it anyway.
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
    let requesting = json!({"name": "main", "image": "agent", "resources": {"limits": {"example.com/gpu": "1"}}});
    vec![
        pinned_set("kept-away", "alpha", json!({})),
        pinned_set("kept-from-zone", "alpha", json!({})),
        pinned_set("kept-from-another-zone", "alpha", json!({})),
        pinned_set("lonely", "alpha", json!({"affinity": affinity(term("none", HOSTNAME))})),
        pinned_set("without-label", "bare", json!({"affinity": affinity(term("without-label", "zone"))})),
        pinned_set("first", "alpha", json!({"affinity": affinity(term("first", "zone"))})),
        pinned_set("avoiding", "alpha", anti_affinity(term("resident", "zone"))),
        pinned_set("avoiding-without-label", "bare", anti_affinity(term("loner-on-bare", "zone"))),
        pinned_set("avoiding-teams", "alpha", anti_affinity(teams)),
        pinned_set("spread-over-hostnames", "alpha", spread("spread-over-hostnames", HOSTNAME, json!(null))),
        pinned_set("spread-without-label", "bare", spread("spread-without-label", "zone", json!(null))),
        pinned_set("spread-over-domains", "alpha", spread("resident", HOSTNAME, json!(2))),
        pinned_set("gated", "alpha", json!({"schedulingGates": [{"name": "example.com/wait"}]})),
        pinned_set("features", "alpha", json!({"containers": [restarting]})),
        pinned_set("claim-missing", "alpha", uses("none")),
        pinned_set("class-missing", "alpha", uses("of-no-class")),
        pinned_set("no-devices", "alpha", uses("of-no-device")),
        pinned_set(
            "template-missing",
            "alpha",
            json!({"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "none"}]}),
        ),
        pinned_set("device-as-resource", "alpha", json!({"containers": [requesting]})),
    ]
}

/// A claim that is allocated on another node.
async fn check_claim_on_other_node(ctx: &Ctx, plane: &ControlPlane) -> Result<(), Failed> {
    let name = json!({"key": "metadata.name", "operator": "In", "values": ["beta"]});
    let on_beta = json!({"nodeSelectorTerms": [{"matchFields": [name]}]});
    let pods = plane.list::<Pod>().await?;
    let resident = pods.iter().find(|pod| pod.name_any() == "resident").ok_or_else(|| failed("no resident"))?;
    let status = json!({"status": {
        "allocation": {
            "nodeSelector": on_beta,
            "devices": {"results": [{"request": "r", "driver": "d.example.com", "pool": "p", "device": "0"}]},
        },
        // Without an existing user the claim would be deallocated.
        "reservedFor": [{"resource": "pods", "name": "resident", "uid": resident.uid()}],
    }});
    let status = status.to_string();
    let patch = ["patch", "resourceclaim", "on-other-node", "--subresource=status", "--type=merge", "-p", &status];
    plane.kubectl(ctx, &[&patch[..], &["-n", NAMESPACE]].concat())?;
    let uses = json!({"resourceClaims": [{"name": "gpu", "resourceClaimName": "on-other-node"}]});
    plane.create(&pinned_set("claim-on-other-node", "alpha", uses)).await?;
    wait_until("the scheduler rejects the node because of the claim", async || {
        let pods = plane.list::<Pod>().await.map_err(message)?;
        let expected = ("claim-on-other-node", "Unschedulable", "resourceclaim not available on the node");
        mismatch(&pods, expected).map_or(Ok(()), Err)
    })
    .await
}

/// The only device of a node is allocated to the claim of a pod on another node.
async fn check_device_in_use(plane: &ControlPlane) -> Result<(), Failed> {
    let slice = |node: &str, pool: &str| {
        let mut slice = reference(DRA, "ResourceSlice", None, pool);
        slice["spec"] = json!({
            "driver": "d.example.com", "nodeName": node, "devices": [{"name": "0"}],
            "pool": {"name": pool, "generation": 1, "resourceSliceCount": 1},
        });
        slice
    };
    plane.create_all(&[slice("bare", "p"), slice("beta", "q")]).await?;
    let uses = |claim: &str| json!({"resourceClaims": [{"name": "gpu", "resourceClaimName": claim}]});
    plane.create(&pinned_set("used", "bare", uses("of-used-device"))).await?;
    plane.create(&pinned_set("free", "beta", uses("of-free-device"))).await?;
    wait_until("the scheduler rejects the node with the used device", async || {
        let pods = plane.list::<Pod>().await.map_err(message)?;
        let used = mismatch(&pods, ("used", "Unschedulable", "cannot allocate all claims"));
        used.or_else(|| mismatch(&pods, ("free", "", ""))).map_or(Ok(()), Err)
    })
    .await
}

/// The command of the fix removes the gate.
async fn remove_gate(ctx: &Ctx, plane: &ControlPlane) -> Result<(), Failed> {
    let pods = plane.list::<Pod>().await?;
    let name = pod_of(&pods, "gated").ok_or_else(|| failed("no gated pod"))?.name_any();
    let patch = r#"[{"op":"remove","path":"/spec/schedulingGates"}]"#;
    plane.kubectl(ctx, &["patch", "pod", &name, "-n", NAMESPACE, "--type=json", "-p", patch])?;
    wait_until("the pod is bound", async || {
        let pods = plane.list::<Pod>().await.map_err(message)?;
        mismatch(&pods, ("gated", "", "")).map_or(Ok(()), Err)
    })
    .await
}

fn term(app: &str, key: &str) -> Value {
    json!({"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key})
}

fn anti_affinity(term: Value) -> Value {
    json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
}

fn claim(name: &str, class: &str) -> Value {
    let mut claim = reference(DRA, "ResourceClaim", Some(NAMESPACE), name);
    claim["spec"] = json!({"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": class}}]}});
    claim
}

fn with_app(mut pod: Value, app: &str) -> Value {
    pod["metadata"]["labels"]["app"] = json!(app);
    pod
}

/// A DaemonSet for one node.
fn pinned_set(name: &str, node: &str, pod_spec: Value) -> Value {
    let mut spec = json!({"nodeSelector": {HOSTNAME: node}});
    replace_fields(&mut spec, &pod_spec);
    daemon_set(NAMESPACE, name, &spec)
}
