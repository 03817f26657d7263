#![allow(clippy::unwrap_used, clippy::panic)]

use crate::scheduling::attempt::StatusCode;
use k8s_openapi::api::resource::v1::ResourceSlice;
use serde_json::{Value, json};

use super::*;
use crate::snapshot::Node;
use crate::snapshot::cluster_objects::{ClusterObjects, KubeMinor};
use crate::snapshot::pod::Pod;
use crate::testing::objects;

fn node() -> Node {
    objects::node("n1", json!({ "metadata": { "labels": { "zone": "z1" } } }))
}

/// The stored pod `a/ds` with these claims.
fn pod(claims: Value) -> Pod {
    objects::pod("a", "ds", json!({ "spec": { "resourceClaims": claims } }))
}

fn by_name() -> Pod {
    pod(json!([{ "name": "gpu", "resourceClaimName": "shared" }]))
}

fn by_template() -> Pod {
    pod(json!([{ "name": "gpu", "resourceClaimTemplateName": "gpus" }]))
}

fn spec(request: Value) -> Value {
    json!({ "devices": { "requests": [request] } })
}

fn one_gpu() -> Value {
    json!({ "name": "r", "exactly": { "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1 } })
}

fn claim(name: &str, spec: Value, status: Value) -> Value {
    json!({ "metadata": { "namespace": "a", "name": name }, "spec": spec, "status": status })
}

fn slice(pool: &str, where_: Value, devices: &[&str]) -> Value {
    let devices: Vec<Value> = devices.iter().map(|name| json!({ "name": name })).collect();
    let mut spec = json!({
        "driver": "d", "devices": devices,
        "pool": { "name": pool, "generation": 1, "resourceSliceCount": 1 },
    });
    for (key, value) in where_.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({ "metadata": { "name": pool }, "spec": spec })
}

fn cluster_objects(claims: Value, slices: Value) -> ClusterObjects {
    ClusterObjects {
        resource_claims: Known::Known(serde_json::from_value(claims).unwrap()),
        resource_slices: Known::Known(serde_json::from_value(slices).unwrap()),
        resource_claim_templates: Known::Known(
            serde_json::from_value(json!([
                { "metadata": { "namespace": "a", "name": "gpus" }, "spec": { "spec": spec(one_gpu()) } },
            ]))
            .unwrap(),
        ),
        device_classes: Known::Known(
            serde_json::from_value(json!([
                { "metadata": { "name": "gpu" }, "spec": { "extendedResourceName": "example.com/gpu" } },
            ]))
            .unwrap(),
        ),
        ..ClusterObjects::default()
    }
}

fn check(pod: &Pod, cluster_objects: &ClusterObjects) -> FilterResult {
    let (bound_pods, nominated) = (Known::Known(Vec::new()), Known::Known(Vec::new()));
    filter(&Attempt { pod, node: &node(), bound_pods, nominated, cluster_objects })
}

/// The only rejection with its phase, its code and the scheduler's message.
fn failing(outcome: FilterResult) -> (ExtensionPoint, Value, String) {
    let CheckResult::Fail(failures) = outcome else { panic!("{outcome:?}") };
    let [FilterFailure { rejection, scheduler, extension_point, code }] = failures.try_into().unwrap();
    assert_eq!(code, StatusCode::UnschedulableAndUnresolvable);
    (extension_point, serde_json::to_value(rejection).unwrap(), scheduler)
}

fn is_unknown(outcome: &FilterResult) -> bool {
    matches!(outcome, CheckResult::Unknown { .. })
}

#[test]
fn pod_without_claims_passes() {
    assert_eq!(check(&pod(json!([])), &ClusterObjects::default()), CheckResult::Pass);
}

#[test]
fn missing_claim_keeps_pod_out_of_queue() {
    let (phase, rejection, scheduler) = failing(check(&by_name(), &cluster_objects(json!([]), json!([]))));
    assert_eq!(phase, ExtensionPoint::PreEnqueue);
    assert_eq!(rejection, json!({ "code": "ResourceClaimNotFound", "claim": "shared" }));
    assert_eq!(scheduler, r#"could not find ResourceClaim "a/shared""#);
    assert!(is_unknown(&check(&by_name(), &ClusterObjects::default())));
}

#[test]
fn claim_being_deleted_keeps_pod_out_of_queue() {
    let mut leaving = claim("shared", json!({}), json!({}));
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let (phase, rejection, scheduler) = failing(check(&by_name(), &cluster_objects(json!([leaving]), json!([]))));
    assert_eq!((phase, rejection["code"].as_str().unwrap()), (ExtensionPoint::PreEnqueue, "ResourceClaimDeleting"));
    assert_eq!(scheduler, r#"resourceclaim "shared" is being deleted"#);
}

#[test]
fn claim_not_created_yet_names_missing_template() {
    let (phase, rejection, scheduler) = failing(check(&by_template(), &cluster_objects(json!([]), json!([]))));
    assert_eq!(phase, ExtensionPoint::PreEnqueue);
    assert_eq!(
        rejection,
        json!({ "code": "ResourceClaimNotCreated", "podClaim": "gpu", "template": "gpus", "templateFound": true })
    );
    assert_eq!(scheduler, r#"pod "a/ds": ResourceClaim not created yet"#);
    let mut without = cluster_objects(json!([]), json!([]));
    without.resource_claim_templates = Known::Known(Vec::new());
    assert_eq!(failing(check(&by_template(), &without)).1["templateFound"], json!(false));
    without.resource_claim_templates = Known::failed("no");
    assert_eq!(failing(check(&by_template(), &without)).1.get("templateFound"), None);
}

#[test]
fn claim_of_unstored_pod_is_checked_by_template() {
    let mut foreseen = by_template();
    foreseen.metadata.uid.clear();
    let none = check(&foreseen, &cluster_objects(json!([]), json!([])));
    assert_eq!(failing(none).2, "cannot allocate all claims");
    let some = cluster_objects(json!([]), json!([slice("p", json!({ "nodeName": "n1" }), &["0"])]));
    assert!(is_unknown(&check(&foreseen, &some)));
    let mut without = cluster_objects(json!([]), json!([]));
    without.resource_claim_templates = Known::Known(Vec::new());
    assert_eq!(failing(check(&foreseen, &without)).1["code"], json!("ResourceClaimNotCreated"));
    assert!(is_unknown(&check(&foreseen, &ClusterObjects::default())));
}

#[test]
fn claim_created_for_other_pod_is_rejected() {
    let mut pod = by_template();
    let status = |name: Value| serde_json::from_value(json!([{ "name": "gpu", "resourceClaimName": name }])).unwrap();
    pod.status.resource_claim_statuses = status(json!("ds-gpu"));
    let mut created = claim("ds-gpu", json!({}), json!({}));
    let (_, rejection, scheduler) = failing(check(&pod, &cluster_objects(json!([created]), json!([]))));
    assert_eq!(rejection["code"], json!("ResourceClaimNotOwned"));
    assert_eq!(scheduler, "ResourceClaim a/ds-gpu was not created for Pod a/ds (Pod is not owner)");
    // An earlier pod with the same name is another pod.
    let mut owner = json!({ "apiVersion": "v1", "kind": "Pod", "name": "ds", "uid": "0", "controller": true });
    created["metadata"]["ownerReferences"] = json!([owner]);
    let foreign = failing(check(&pod, &cluster_objects(json!([created]), json!([]))));
    assert_eq!(foreign.1["code"], json!("ResourceClaimNotOwned"));
    owner["uid"] = json!("uid-ds");
    created["metadata"]["ownerReferences"] = json!([owner]);
    assert_eq!(check(&pod, &cluster_objects(json!([created]), json!([]))), CheckResult::Pass);
    // The status shows that no claim was needed.
    pod.status.resource_claim_statuses = status(json!(null));
    assert_eq!(check(&pod, &cluster_objects(json!([]), json!([]))), CheckResult::Pass);
}

#[test]
fn missing_device_class_rejects_pod() {
    let with = |request: Value| cluster_objects(json!([claim("shared", spec(request), json!({}))]), json!([]));
    let exactly = json!({ "name": "r", "exactly": { "deviceClassName": "no" } });
    let (phase, rejection, scheduler) = failing(check(&by_name(), &with(exactly.clone())));
    assert_eq!(phase, ExtensionPoint::PreFilter);
    assert_eq!(rejection, json!({ "code": "DeviceClassNotFound", "claim": "shared", "request": "r", "class": "no" }));
    assert_eq!(scheduler, "request r: device class no does not exist");
    let first = json!({ "name": "r", "firstAvailable": [
        { "name": "s", "deviceClassName": "gpu" }, { "name": "t", "deviceClassName": "no" },
    ] });
    assert_eq!(failing(check(&by_name(), &with(first))).2, "request r/t: device class no does not exist");
    // If the classes are unknown, the number of devices can still decide.
    let mut without = with(exactly);
    without.device_classes = Known::Unknown(Missing::NotRead("deviceclasses"));
    assert_eq!(failing(check(&by_name(), &without)).2, "cannot allocate all claims");
    without.resource_slices = Known::failed("no");
    assert_eq!(check(&by_name(), &without), CheckResult::Unknown { missing: Missing::NotRead("deviceclasses") });
}

fn allocated(selector: Value, results: Value) -> Value {
    json!({
        "allocation": { "nodeSelector": selector, "devices": { "results": results } },
        "reservedFor": [{ "resource": "pods", "name": "first", "uid": "9" }],
    })
}

fn only_on(node: &str) -> Value {
    json!({ "nodeSelectorTerms": [{ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": [node] }] }] })
}

#[test]
fn allocated_claim_must_be_usable_on_node() {
    let with = |status: Value| cluster_objects(json!([claim("shared", spec(one_gpu()), status)]), json!([]));
    assert_eq!(check(&by_name(), &with(allocated(only_on("n1"), json!([])))), CheckResult::Pass);
    assert_eq!(check(&by_name(), &with(allocated(json!(null), json!([])))), CheckResult::Pass);
    let (phase, rejection, scheduler) = failing(check(&by_name(), &with(allocated(only_on("n2"), json!([])))));
    assert_eq!(phase, ExtensionPoint::Filter);
    assert_eq!(scheduler, "resourceclaim not available on the node");
    assert_eq!(rejection["code"], json!("ResourceClaimOnOtherNode"));
    assert_eq!(rejection["reservedFor"], json!(["first"]));
    assert_eq!(rejection["terms"][0]["mismatches"][0]["values"], json!(["n2"]));
}

#[test]
fn failed_device_binding_makes_claim_unavailable() {
    let with_condition = |condition: &str| {
        let result = json!({
            "request": "r", "driver": "d", "pool": "p", "device": "0",
            "bindingConditions": ["Ready"], "bindingFailureConditions": ["Broken"],
        });
        let mut status = allocated(only_on("n1"), json!([result]));
        let condition = json!({
            "type": condition, "status": "True", "reason": "Why", "message": "what", "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        status["devices"] = json!([{ "driver": "d", "pool": "p", "device": "0", "conditions": [condition] }]);
        check(&by_name(), &cluster_objects(json!([claim("shared", spec(one_gpu()), status)]), json!([])))
    };
    assert_eq!(with_condition("Ready"), CheckResult::Pass);
    let (_, rejection, scheduler) = failing(with_condition("Broken"));
    assert_eq!(scheduler, "resourceclaim not available on the node");
    assert_eq!(
        rejection,
        json!({
            "code": "ResourceClaimBindingFailed", "claim": "shared",
            "condition": "Broken", "reason": "Why", "detail": "what",
        })
    );
    assert!(is_unknown(&with_condition("Other")));
}

fn check_slices(request: Value, slices: Value) -> FilterResult {
    check(&by_name(), &cluster_objects(json!([claim("shared", spec(request), json!({}))]), slices))
}

#[test]
fn node_without_device_cannot_allocate() {
    let (phase, rejection, scheduler) = failing(check_slices(one_gpu(), json!([])));
    assert_eq!((phase, scheduler.as_str()), (ExtensionPoint::Filter, "cannot allocate all claims"));
    assert_eq!(
        rejection,
        json!({ "code": "DevicesUnavailable", "claims": ["shared"], "requested": 1, "devices": 0, "free": 0 })
    );
    // Slices of other nodes and empty slices have no device for this node.
    let elsewhere = slice("p", json!({ "nodeName": "n2" }), &["0"]);
    let empty = slice("q", json!({ "nodeName": "n1" }), &[]);
    assert_eq!(failing(check_slices(one_gpu(), json!([elsewhere, empty]))).1["devices"], json!(0));
    // Not even for admin access.
    let admin = json!({ "name": "r", "exactly": { "deviceClassName": "gpu", "adminAccess": true } });
    assert_eq!(failing(check_slices(admin, json!([]))).1["requested"], json!(0));
    assert!(is_unknown(&check(
        &by_name(),
        &ClusterObjects {
            resource_slices: Known::failed("no"),
            ..cluster_objects(json!([claim("shared", spec(one_gpu()), json!({}))]), json!([]))
        }
    )));
}

#[test]
fn devices_apply_by_node_name_all_nodes_or_labels() {
    let zone = |zone: &str| json!({ "nodeSelectorTerms": [{ "matchExpressions": [{ "key": "zone", "operator": "In", "values": [zone] }] }] });
    let per_device = |name: &str| {
        let mut slice = slice("p", json!({ "perDeviceNodeSelection": true }), &["0"]);
        slice["spec"]["devices"][0]["nodeName"] = json!(name);
        slice
    };
    for (slice, is_for_it) in [
        (slice("p", json!({ "nodeName": "n1" }), &["0"]), true),
        (slice("p", json!({ "allNodes": true }), &["0"]), true),
        (slice("p", json!({ "nodeSelector": zone("z1") }), &["0"]), true),
        (slice("p", json!({ "nodeSelector": zone("z2") }), &["0"]), false),
        (slice("p", json!({}), &["0"]), false),
        (per_device("n1"), true),
        (per_device("n2"), false),
    ] {
        assert_eq!(is_unknown(&check_slices(one_gpu(), json!([slice]))), is_for_it, "{slice}");
    }
}

#[test]
fn only_newest_generation_of_pool_counts() {
    let old = slice("p", json!({ "nodeName": "n1" }), &["0"]);
    let mut new = slice("p", json!({ "nodeName": "n1" }), &[]);
    new["spec"]["pool"]["generation"] = json!(2);
    assert_eq!(failing(check_slices(one_gpu(), json!([old, new]))).1["devices"], json!(0));
}

#[test]
fn too_few_free_devices_names_claims_that_use_them() {
    let result = |device: &str| json!({ "request": "r", "driver": "d", "pool": "p", "device": device });
    let mut holder = claim("holder", json!({}), allocated(only_on("n1"), json!([result("0")])));
    holder["metadata"]["namespace"] = json!("b");
    let slices = |devices: &[&str]| json!([slice("p", json!({ "nodeName": "n1" }), devices)]);
    let with = |slices: Value| cluster_objects(json!([claim("shared", spec(one_gpu()), json!({})), holder]), slices);
    assert_eq!(
        failing(check(&by_name(), &with(slices(&["0"])))).1,
        json!({
            "code": "DevicesUnavailable", "claims": ["shared"], "requested": 1, "devices": 1, "free": 0,
            "usedBy": ["b/holder"],
        })
    );
    assert!(is_unknown(&check(&by_name(), &with(slices(&["0", "1"])))));
    // Admin access does not use a device.
    let mut watched = result("0");
    watched["adminAccess"] = json!(true);
    let watcher = claim("watcher", json!({}), allocated(only_on("n1"), json!([watched])));
    let claims = json!([claim("shared", spec(one_gpu()), json!({})), watcher]);
    assert!(is_unknown(&check(&by_name(), &cluster_objects(claims, slices(&["0"])))));
    // A device with multiple allocations is always available.
    let mut shared = slices(&["0"]);
    shared[0]["spec"]["devices"][0]["allowMultipleAllocations"] = json!(true);
    assert!(is_unknown(&check(&by_name(), &with(shared))));
}

#[test]
fn minimum_number_of_requested_devices_counts() {
    let one = json!([slice("p", json!({ "nodeName": "n1" }), &["0"])]);
    let exact = |count: u32| json!({ "name": "r", "exactly": { "deviceClassName": "gpu", "count": count } });
    assert_eq!(failing(check_slices(exact(2), one.clone())).1["requested"], json!(2));
    assert!(is_unknown(&check_slices(exact(1), one.clone())));
    let all = json!({ "name": "r", "exactly": { "deviceClassName": "gpu", "allocationMode": "All" } });
    assert!(is_unknown(&check_slices(all, one.clone())));
    let first = |least: u32| {
        json!({ "name": "r", "firstAvailable": [
            { "name": "s", "deviceClassName": "gpu", "count": 4 }, { "name": "t", "deviceClassName": "gpu", "count": least },
        ] })
    };
    assert_eq!(failing(check_slices(first(2), one.clone())).1["requested"], json!(2));
    assert!(is_unknown(&check_slices(first(1), one)));
}

#[test]
fn extended_resource_of_device_class_needs_device() {
    let asking = |resource: &str| -> Pod {
        let mut pod = pod(json!([]));
        pod.spec.containers =
            serde_json::from_value(json!([{ "resources": { "requests": { resource: "1", "cpu": "1" } } }])).unwrap();
        pod
    };
    let none = cluster_objects(json!([]), json!([]));
    let some = cluster_objects(json!([]), json!([slice("p", json!({ "nodeName": "n1" }), &["0"])]));
    for resource in ["example.com/gpu", "deviceclass.resource.kubernetes.io/gpu"] {
        assert_eq!(failing(check(&asking(resource), &none)).2, "cannot allocate all claims", "{resource}");
        assert!(is_unknown(&check(&asking(resource), &some)), "{resource}");
    }
    assert_eq!(check(&asking("example.com/other"), &none), CheckResult::Pass);
    assert_eq!(check(&asking("memory"), &ClusterObjects::default()), CheckResult::Pass);
    assert!(is_unknown(&check(&asking("example.com/gpu"), &ClusterObjects::default())));
    // A device plugin provides the resource.
    let mut node = node();
    node.status.allocatable = serde_json::from_value(json!({ "example.com/gpu": "1" })).unwrap();
    let (pod, cluster_objects) =
        (asking("example.com/gpu"), ClusterObjects { minor: Known::Known(KubeMinor(35)), ..none });
    let attempt = |node, cluster_objects| Attempt {
        pod: &pod,
        node,
        bound_pods: Known::Known(Vec::new()),
        nominated: Known::Known(Vec::new()),
        cluster_objects,
    };
    assert_eq!(filter(&attempt(&node, &ClusterObjects::default())), CheckResult::Pass);
    // Before 1.36, device classes do not provide resources.
    assert_eq!(check(&pod, &cluster_objects), CheckResult::Pass);
}

#[test]
fn slice_with_only_shared_counters_has_no_devices() {
    let counters: Vec<ResourceSlice> =
        serde_json::from_value(json!([slice("p", json!({ "sharedCounters": [{ "name": "c" }] }), &[])])).unwrap();
    assert_eq!(devices::stock(&counters, &[], &node()), devices::NodeDevices::default());
}
