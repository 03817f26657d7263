//! Checks of a pod, with and without an event.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};

use super::*;
use crate::admission::predict;
use crate::testing::objects;

/// A DaemonSet with one container that requests CPU.
fn daemon_set(change: Value) -> DaemonSet {
    let mut spec = json!({"containers": [{"name": "main", "resources": {"requests": {"cpu": "200m"}}}]});
    for (key, value) in change.as_object().unwrap() {
        spec[key] = value.clone();
    }
    objects::daemon_set("ns", "agent", json!({"spec": {"template": {"spec": spec}}}))
}

fn known<T: serde::de::DeserializeOwned>(objects: Value) -> Known<Vec<T>> {
    Known::Known(serde_json::from_value(objects).unwrap())
}

/// A cluster that accepts the pod.
fn admitting_cluster() -> ClusterObjects {
    ClusterObjects {
        namespaces: known(json!([{"metadata": {"name": "ns"}, "status": {"phase": "Active"}}])),
        service_accounts: known(json!([{"metadata": {"name": "default", "namespace": "ns"}}])),
        priority_classes: known(json!([])),
        runtime_classes: known(json!([])),
        limit_ranges: known(json!([])),
        quotas: known(json!([])),
        ..ClusterObjects::default()
    }
}

fn quota(spec: Value, hard: Value, used: Value) -> Value {
    json!({"metadata": {"name": "q", "namespace": "ns"}, "spec": spec, "status": {"hard": hard, "used": used}})
}

fn limits(limits: Value) -> Known<Vec<LimitRange>> {
    known(json!([{"metadata": {"name": "range", "namespace": "ns"}, "spec": {"limits": limits}}]))
}

/// The checks that do not pass, as `check: code` or `check: Unknown`.
fn results(daemon_set: &DaemonSet, cluster_objects: &ClusterObjects, event: Option<&str>) -> Vec<String> {
    let predicted = predict(daemon_set, "n1", cluster_objects);
    let event = event.map(|text| FailedCreateEvent { text: text.into(), count: 1, last_seen: None });
    let rows = checks(daemon_set, &predicted, cluster_objects, event.as_ref());
    let results = rows.iter().flat_map(|row| match &row.result {
        CheckResult::Pass => Vec::new(),
        CheckResult::Unknown { .. } => vec![format!("{}: Unknown", row.plugin.name())],
        CheckResult::Fail(rejections) => {
            let code = |rejection: &AdmissionRejection| {
                serde_json::to_value(rejection).unwrap()["code"].as_str().unwrap().to_owned()
            };
            rejections.iter().map(|rejection| format!("{}: {}", row.plugin.name(), code(rejection))).collect()
        }
    });
    results.collect()
}

fn rejections(daemon_set: &DaemonSet, cluster_objects: &ClusterObjects, event: Option<&str>, check: &str) -> Value {
    let predicted = predict(daemon_set, "n1", cluster_objects);
    let event = event.map(|text| FailedCreateEvent { text: text.into(), count: 1, last_seen: None });
    let rows = checks(daemon_set, &predicted, cluster_objects, event.as_ref());
    match &rows.iter().find(|row| row.plugin.name() == check).unwrap().result {
        CheckResult::Fail(rejections) => serde_json::to_value(rejections).unwrap(),
        other => json!(format!("{other:?}")),
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn checks_pod_accepted_pass_in_server_order() {
    let daemon_set = daemon_set(json!({}));
    assert_eq!(results(&daemon_set, &admitting_cluster(), None), NOTHING);
    let predicted = predict(&daemon_set, "n1", &admitting_cluster());
    let names: Vec<&str> =
        checks(&daemon_set, &predicted, &admitting_cluster(), None).iter().map(|row| row.plugin.name()).collect();
    assert_eq!(
        names,
        [
            "NamespaceLifecycle",
            "ServiceAccount",
            "Priority",
            "RuntimeClass",
            "Validation",
            "LimitRanger",
            "PodSecurity",
            "ValidatingAdmissionPolicy",
            "Webhook",
            "ResourceQuota",
        ]
    );
}

#[test]
fn checks_objects_unread_unknown_only_where_needed() {
    let unread = ClusterObjects::default();
    assert_eq!(
        results(&daemon_set(json!({})), &unread, None),
        ["NamespaceLifecycle: Unknown", "ServiceAccount: Unknown", "LimitRanger: Unknown", "ResourceQuota: Unknown"]
    );
    let naming = daemon_set(json!({"priorityClassName": "p", "runtimeClassName": "r"}));
    let results = results(&naming, &unread, None);
    assert!(
        results.contains(&"Priority: Unknown".into()) && results.contains(&"RuntimeClass: Unknown".into()),
        "{results:?}"
    );
}

#[test]
fn quota_one_more_pod_is_counted() {
    let of = |hard: Value, used: Value, change: Value| {
        let cluster_objects =
            ClusterObjects { quotas: known(json!([quota(json!({}), hard, used)])), ..admitting_cluster() };
        rejections(&daemon_set(change), &cluster_objects, None, "ResourceQuota")
    };
    let exceeded = |share: Value| json!([{"code": "QuotaExceeded", "quota": "q", "resources": [share]}]);
    let share = |resource: &str, requested: &str, used: &str, limited: &str| json!({"resource": resource, "requested": requested, "used": used, "limited": limited});
    assert_eq!(of(json!({"pods": "10"}), json!({"pods": "10"}), json!({})), exceeded(share("pods", "1", "10", "10")));
    assert_eq!(
        of(json!({"count/pods": "1"}), json!({"count/pods": "1"}), json!({})),
        exceeded(share("count/pods", "1", "1", "1"))
    );
    assert_eq!(of(json!({"pods": "10"}), json!({"pods": "9"}), json!({})), "Pass");
    assert_eq!(
        of(json!({"requests.cpu": "1"}), json!({"requests.cpu": "801m"}), json!({})),
        exceeded(share("requests.cpu", "200m", "801m", "1"))
    );
    assert_eq!(of(json!({"requests.cpu": "1"}), json!({"requests.cpu": "800m"}), json!({})), "Pass");
    // Resources that pods do not use do not matter.
    assert_eq!(of(json!({"services": "0"}), json!({"services": "0"}), json!({})), "Pass");
    let device = json!({"containers": [{"name": "main", "resources": {"limits": {"example.com/gpu": "2"}}}]});
    assert_eq!(
        of(json!({"requests.example.com/gpu": "1"}), json!({"requests.example.com/gpu": "0"}), device),
        exceeded(share("requests.example.com/gpu", "2", "0", "1"))
    );
    assert_eq!(of(json!({"pods": "1"}), json!({}), json!({})), json!([{"code": "QuotaStatusMissing", "quota": "q"}]));
}

#[test]
fn quota_pod_overhead_is_counted() {
    let kata = json!([{"metadata": {"name": "kata"}, "handler": "k", "overhead": {"podFixed": {"cpu": "100m"}}}]);
    let quotas = known(json!([quota(json!({}), json!({"cpu": "250m"}), json!({"cpu": "0"}))]));
    let cluster_objects = ClusterObjects { quotas, runtime_classes: known(kata), ..admitting_cluster() };
    assert_eq!(results(&daemon_set(json!({})), &cluster_objects, None), NOTHING);
    assert_eq!(
        results(&daemon_set(json!({"runtimeClassName": "kata"})), &cluster_objects, None),
        ["ResourceQuota: QuotaExceeded"]
    );
}

#[test]
fn quota_container_without_amount_rejected() {
    let hard = json!({"limits.cpu": "10", "memory": "1Gi", "requests.cpu": "10", "ephemeral-storage": "1Gi"});
    let quotas = known(json!([quota(json!({}), hard.clone(), hard)]));
    let cluster_objects = ClusterObjects { quotas, ..admitting_cluster() };
    let expected = json!([{"code": "QuotaRequestMissing", "quota": "q", "missing": [
        {"resource": "limits.cpu", "containers": ["main"]}, {"resource": "memory", "containers": ["main"]},
    ]}]);
    assert_eq!(rejections(&daemon_set(json!({})), &cluster_objects, None, "ResourceQuota"), expected);
    let for_itself = daemon_set(json!({"resources": {"requests": {"cpu": "1"}}}));
    assert_ne!(rejections(&for_itself, &cluster_objects, None, "ResourceQuota")[0]["code"], "QuotaRequestMissing");
    // A LimitRange of the namespace may state it for the containers.
    let cluster_objects = ClusterObjects {
        limit_ranges: limits(
            json!([{"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"memory": "1"}}]),
        ),
        ..cluster_objects
    };
    assert_eq!(rejections(&daemon_set(json!({})), &cluster_objects, None, "ResourceQuota")[0]["code"], "QuotaExceeded");
}

#[test]
fn quota_pod_out_of_scope_ignored() {
    let is_refused = |spec: Value, change: Value| {
        let classes = json!([{"metadata": {"name": "high"}, "value": 5}]);
        let quotas = known(json!([quota(spec, json!({"pods": "0"}), json!({"pods": "0"}))]));
        let cluster_objects = ClusterObjects { quotas, priority_classes: known(classes), ..admitting_cluster() };
        !results(&daemon_set(change), &cluster_objects, None).is_empty()
    };
    let scopes = |scope: &str| json!({"scopes": [scope]});
    let none = json!({"containers": [{"name": "main"}]});
    assert!(is_refused(scopes("NotTerminating"), json!({})));
    assert!(!is_refused(scopes("Terminating"), json!({})));
    assert!(!is_refused(scopes("BestEffort"), json!({})));
    assert!(is_refused(scopes("BestEffort"), none.clone()));
    assert!(is_refused(scopes("NotBestEffort"), json!({})));
    assert!(!is_refused(scopes("NotBestEffort"), none));
    assert!(!is_refused(scopes("PriorityClass"), json!({})));
    assert!(is_refused(scopes("PriorityClass"), json!({"priorityClassName": "high"})));
    assert!(!is_refused(scopes("CrossNamespacePodAffinity"), json!({})));
    let across = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "zone", "namespaceSelector": {}},
    ]}}});
    assert!(is_refused(scopes("CrossNamespacePodAffinity"), across));
    let selected = |operator: &str, values: Value| json!({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}});
    let high = json!({"priorityClassName": "high"});
    assert!(is_refused(selected("In", json!(["high"])), high.clone()));
    assert!(!is_refused(selected("In", json!(["low"])), high.clone()));
    assert!(!is_refused(selected("NotIn", json!(["high"])), high.clone()));
    assert!(is_refused(selected("NotIn", json!(["high"])), json!({})));
    assert!(is_refused(selected("DoesNotExist", json!([])), json!({})));
    assert!(!is_refused(selected("DoesNotExist", json!([])), high));
}

#[test]
fn limit_range_bounds_containers_and_pods() {
    let of = |item: Value, resources: Value| {
        let containers = json!([{"name": "a", "resources": resources}, {"name": "b", "resources": resources}]);
        let cluster_objects = ClusterObjects { limit_ranges: limits(json!([item])), ..admitting_cluster() };
        let rejections =
            rejections(&daemon_set(json!({"containers": containers})), &cluster_objects, None, "LimitRanger");
        match rejections {
            Value::Array(all) => all
                .iter()
                .map(|one| {
                    format!("{} {} {} {}", one["container"], one["bound"], one["measure"], one["found"])
                        .replace('"', "")
                })
                .collect(),
            _ => Vec::new(),
        }
    };
    let one_cpu = json!({"requests": {"cpu": "1"}, "limits": {"cpu": "1"}});
    let max = |type_: &str, cpu: &str| json!({"type": type_, "max": {"cpu": cpu}});
    assert_eq!(of(max("Container", "1"), one_cpu.clone()), NOTHING);
    assert_eq!(of(max("Container", "999m"), one_cpu.clone()), ["a Maximum limit 1", "b Maximum limit 1"]);
    assert_eq!(of(max("Pod", "2"), one_cpu.clone()), NOTHING);
    assert_eq!(of(max("Pod", "1500m"), one_cpu.clone()), ["null Maximum limit 2"]);
    assert_eq!(of(max("Pod", "1"), json!({"requests": {"cpu": "1"}})), ["null Maximum limit null"]);
    let min = json!({"type": "Pod", "min": {"cpu": "3"}});
    assert_eq!(of(min.clone(), one_cpu.clone()), ["null Minimum request 2"]);
    assert_eq!(of(min, json!({})), ["null Minimum request null"]);
    let ratio = |ratio: &str| json!({"type": "Pod", "maxLimitRequestRatio": {"cpu": ratio}});
    let wide = json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "250m"}});
    assert_eq!(of(ratio("2.5"), wide.clone()), NOTHING);
    assert_eq!(of(ratio("2"), wide), ["null Ratio ratio 2.500000"]);
    assert_eq!(of(ratio("2"), json!({"requests": {"cpu": "1"}})), ["null Ratio limit null"]);
    assert_eq!(of(json!({"type": "PersistentVolumeClaim", "max": {"storage": "1"}}), one_cpu), NOTHING);
}

/// Edge case 72 (docs/edge-cases.md).
#[test]
fn limit_range_default_below_request_names_range() {
    let cluster_objects = ClusterObjects {
        limit_ranges: limits(json!([{"type": "Container", "default": {"cpu": "100m"}}])),
        ..admitting_cluster()
    };
    let expected = json!([{
        "code": "LimitBelowRequest", "container": "main", "resource": "cpu", "request": "200m", "limit": "100m",
        "limitRange": "range",
    }]);
    assert_eq!(rejections(&daemon_set(json!({})), &cluster_objects, None, "Validation"), expected);
    // The event has the same rejection with less evidence: the one from the objects is kept.
    let event = "Pod \"agent-x\" is invalid: spec.containers[0].resources.requests: Invalid value: \"200m\": must be less \
                 than or equal to cpu limit of 100m";
    assert_eq!(rejections(&daemon_set(json!({})), &cluster_objects, Some(event), "Validation"), expected);
}

#[test]
fn checks_referenced_object_missing_rejected() {
    let named = daemon_set(json!({"priorityClassName": "p", "runtimeClassName": "r", "serviceAccountName": "s"}));
    assert_eq!(
        results(&named, &admitting_cluster(), None),
        [
            "ServiceAccount: ServiceAccountMissing",
            "Priority: PriorityClassMissing",
            "RuntimeClass: RuntimeClassMissing",
        ]
    );
    let there = ClusterObjects {
        service_accounts: known(json!([{"metadata": {"name": "s", "namespace": "ns"}}])),
        priority_classes: known(json!([{"metadata": {"name": "p"}, "value": 1}])),
        runtime_classes: known(json!([{"metadata": {"name": "r"}, "handler": "h"}])),
        ..admitting_cluster()
    };
    assert_eq!(results(&named, &there, None), NOTHING);
    let elsewhere =
        ClusterObjects { service_accounts: known(json!([{"metadata": {"name": "s", "namespace": "other"}}])), ..there };
    assert_eq!(results(&named, &elsewhere, None), ["ServiceAccount: ServiceAccountMissing"]);
    assert_eq!(
        results(&daemon_set(json!({"priorityClassName": "system-node-critical"})), &admitting_cluster(), None),
        NOTHING
    );
}

#[test]
fn checks_template_contradicts_class_rejected() {
    let class = json!([{
        "metadata": {"name": "r"}, "handler": "h", "scheduling": {"nodeSelector": {"a": "x"}},
        "overhead": {"podFixed": {"cpu": "1"}},
    }]);
    let cluster_objects = ClusterObjects { runtime_classes: known(class), ..admitting_cluster() };
    let with = |mut change: Value| {
        change["runtimeClassName"] = json!("r");
        results(&daemon_set(change), &cluster_objects, None)
    };
    assert_eq!(with(json!({"nodeSelector": {"a": "y"}})), ["RuntimeClass: RuntimeClassConflict"]);
    assert_eq!(with(json!({"nodeSelector": {"a": "x", "b": "z"}, "overhead": {"cpu": "1000m"}})), NOTHING);
    assert_eq!(with(json!({"overhead": {"cpu": "2"}})), ["RuntimeClass: OverheadMismatch"]);
    assert_eq!(
        results(&daemon_set(json!({"priority": 5})), &admitting_cluster(), None),
        ["Priority: PriorityMismatch"]
    );
    assert_eq!(results(&daemon_set(json!({"priority": 0})), &admitting_cluster(), None), NOTHING);
}

/// Edge case 75 (docs/edge-cases.md).
#[test]
fn namespace_terminating_rejected_without_event() {
    let ending = known(json!([{"metadata": {"name": "ns"}, "status": {"phase": "Terminating"}}]));
    let cluster_objects = ClusterObjects { namespaces: ending, ..admitting_cluster() };
    assert_eq!(results(&daemon_set(json!({})), &cluster_objects, None), ["NamespaceLifecycle: NamespaceTerminating"]);
}

#[test]
fn event_of_unseen_plugin_adds_rejection() {
    let denied = "admission webhook \"w\" denied the request: no";
    assert_eq!(results(&daemon_set(json!({})), &admitting_cluster(), Some(denied)), ["Webhook: WebhookDenied"]);
    assert_eq!(results(&daemon_set(json!({})), &admitting_cluster(), Some("who knows")), ["Admission: Rejected"]);
    let conflict = "pods \"x\" is forbidden: pod node label selector conflicts with its namespace node label selector";
    assert_eq!(
        results(&daemon_set(json!({})), &admitting_cluster(), Some(conflict)),
        ["PodNodeSelector: NamespaceSelectorConflict"]
    );
    let security = "pods \"x\" is forbidden: violates PodSecurity \"baseline:latest\": hostPort (container \"main\" uses hostPort 1)";
    assert_eq!(results(&daemon_set(json!({})), &admitting_cluster(), Some(security)), ["PodSecurity: PodSecurity"]);
    let predicted = predict(&daemon_set(json!({})), "n1", &admitting_cluster());
    let event = FailedCreateEvent { text: denied.into(), count: 3, last_seen: None };
    let rows = checks(&daemon_set(json!({})), &predicted, &admitting_cluster(), Some(&event));
    let with_event: Vec<&str> = rows.iter().filter(|row| row.event.is_some()).map(|row| row.plugin.name()).collect();
    assert_eq!(with_event, ["Webhook"]);
}

#[test]
fn event_quota_numbers_are_updated() {
    let event = "pods \"x\" is forbidden: exceeded quota: q, requested: requests.cpu=300m, used: requests.cpu=1, limited: \
                 requests.cpu=1";
    // A webhook adds a sidecar: 300m are requested, where the template alone requests 200m.
    let at = |used: &str| {
        let quotas = known(json!([quota(json!({}), json!({"requests.cpu": "1"}), json!({"requests.cpu": used}))]));
        let cluster_objects = ClusterObjects { quotas, ..admitting_cluster() };
        rejections(&daemon_set(json!({})), &cluster_objects, Some(event), "ResourceQuota")
    };
    let share = json!({"resource": "requests.cpu", "requested": "300m", "used": "750m", "limited": "1"});
    assert_eq!(at("750m"), json!([{"code": "QuotaExceeded", "quota": "q", "resources": [share]}]));
    assert_eq!(at("700m")[0]["code"], "NoLongerRejected");
    let unread = ClusterObjects { quotas: Known::failed("cannot list"), ..admitting_cluster() };
    assert_eq!(results(&daemon_set(json!({})), &unread, Some(event)), ["ResourceQuota: QuotaExceeded"]);
    assert_eq!(results(&daemon_set(json!({})), &admitting_cluster(), Some(event)), ["ResourceQuota: NoLongerRejected"]);
}

#[test]
fn event_cause_gone_no_longer_rejected_only_if_proven() {
    let forbidden = |core: &str| format!("pods \"x\" is forbidden: {core}");
    let named = daemon_set(json!({"serviceAccountName": "s"}));
    let missing = forbidden("error looking up service account ns/s: serviceaccount \"s\" not found");
    let there = ClusterObjects {
        service_accounts: known(json!([{"metadata": {"name": "s", "namespace": "ns"}}])),
        ..admitting_cluster()
    };
    assert_eq!(results(&named, &admitting_cluster(), Some(&missing)), ["ServiceAccount: ServiceAccountMissing"]);
    assert_eq!(results(&named, &there, Some(&missing)), ["ServiceAccount: NoLongerRejected"]);
    let unread = ClusterObjects { service_accounts: Known::failed("cannot list"), ..admitting_cluster() };
    assert_eq!(results(&named, &unread, Some(&missing)), ["ServiceAccount: ServiceAccountMissing"]);

    let unstated = |containers: &str| forbidden(&format!("failed quota: q: must specify limits.cpu for: {containers}"));
    let quotas = || known(json!([quota(json!({}), json!({"limits.cpu": "9"}), json!({"limits.cpu": "0"}))]));
    let stating = json!({"containers": [{"name": "main", "resources": {"limits": {"cpu": "1"}}}]});
    let cluster_objects = ClusterObjects { quotas: quotas(), ..admitting_cluster() };
    assert_eq!(
        results(&daemon_set(stating.clone()), &cluster_objects, Some(&unstated("main"))),
        ["ResourceQuota: NoLongerRejected"]
    );
    // A container that a webhook adds still states no amount.
    assert_eq!(
        results(&daemon_set(stating), &cluster_objects, Some(&unstated("proxy"))),
        ["ResourceQuota: QuotaRequestMissing"]
    );

    let security = forbidden("violates PodSecurity \"restricted:latest\": runAsNonRoot != true (x)");
    let labelled = |level: &str| {
        let labels = json!({"pod-security.kubernetes.io/enforce": level});
        let cluster_objects = ClusterObjects {
            namespaces: known(json!([{"metadata": {"name": "ns", "labels": labels}}])),
            ..admitting_cluster()
        };
        results(&daemon_set(json!({})), &cluster_objects, Some(&security))
    };
    assert_eq!(labelled("restricted"), ["PodSecurity: PodSecurity"]);
    assert_eq!(labelled("privileged"), ["PodSecurity: NoLongerRejected"]);
}
