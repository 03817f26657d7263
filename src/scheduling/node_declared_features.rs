//! The NodeDeclaredFeatures filter: features that the pod requires and the node's kubelet declares.
//!
//! Upstream: `pkg/scheduler/framework/plugins/nodedeclaredfeatures/nodedeclaredfeatures.go` `PreFilter`, `Filter`;
//! `component-helpers/nodedeclaredfeatures/framework.go` `InferForPodScheduling`, and the `InferForScheduling` of each
//! feature under `features`. No feature has a maximum version yet, after which it is not required to be declared.

use super::attempt::{Attempt, FilterFailure, FilterResult, StatusCode};
use super::rejection::FilterRejection;
use crate::check_result::CheckResult;
use crate::snapshot::cluster_objects::KubeMinor;
use crate::snapshot::pod::{Container, PodSpec};

/// Since this version, the feature gate `NodeDeclaredFeatures` is on by default.
const SINCE: KubeMinor = KubeMinor(36);

pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    if attempt.minor() < SINCE {
        return CheckResult::Pass;
    }
    let declared = &attempt.node.status.declared_features;
    let is_missing = |feature: &String| !declared.contains(feature);
    let features: Vec<String> = required(&attempt.pod.spec).map(str::to_owned).filter(is_missing).collect();
    if features.is_empty() {
        return CheckResult::Pass;
    }
    let scheduler = "node(s) didn't match Pod's required features";
    CheckResult::from_reasons(vec![FilterFailure::new(
        FilterRejection::NodeDeclaredFeatures { features },
        scheduler,
        StatusCode::UnschedulableAndUnresolvable,
    )])
}

/// The features that the pod requires.
fn required(spec: &PodSpec) -> impl Iterator<Item = &'static str> {
    let restarts_all =
        |container: &Container| container.restart_policy_rules.iter().any(|rule| rule.action == "RestartAllContainers");
    let restarts_all = spec.containers.iter().chain(&spec.init_containers).any(restarts_all);
    let has_own_users_on_host_network = spec.host_network && spec.host_users == Some(false);
    [
        ("RestartAllContainersOnContainerExits", restarts_all),
        ("UserNamespacesHostNetworkSupport", has_own_users_on_host_network),
    ]
    .into_iter()
    .filter_map(|(feature, is_required)| is_required.then_some(feature))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::filter_fixture::FilterFixture;
    use crate::testing::objects::node;

    fn check(spec: Value, declared: Value, minor: u32) -> FilterResult {
        let mut fixture = FilterFixture::new(spec, json!({})).on(minor);
        fixture.node = node("n1", json!({ "status": { "declaredFeatures": declared } }));
        filter(&fixture.attempt())
    }

    fn rejection(features: &[&str]) -> FilterResult {
        CheckResult::from_reasons(vec![FilterFailure::new(
            FilterRejection::NodeDeclaredFeatures {
                features: features.iter().map(|name| (*name).to_owned()).collect(),
            },
            "node(s) didn't match Pod's required features",
            StatusCode::UnschedulableAndUnresolvable,
        )])
    }

    const RESTART: &str = "RestartAllContainersOnContainerExits";
    const USERS: &str = "UserNamespacesHostNetworkSupport";

    #[test]
    fn pod_without_required_features_passes() {
        for spec in [
            json!({ "containers": [{ "restartPolicyRules": [{ "action": "Restart" }] }] }),
            json!({ "hostNetwork": true }),
            json!({ "hostNetwork": true, "hostUsers": true }),
            json!({ "hostUsers": false }),
        ] {
            assert_eq!(check(spec, json!([]), 36), CheckResult::Pass);
        }
    }

    #[test]
    fn undeclared_feature_is_rejected() {
        let containers = json!([{ "restartPolicyRules": [{ "action": "RestartAllContainers" }] }]);
        let own_users = json!({ "hostNetwork": true, "hostUsers": false });
        assert_eq!(check(json!({ "containers": containers }), json!([]), 36), rejection(&[RESTART]));
        assert_eq!(check(json!({ "initContainers": containers }), json!([USERS]), 36), rejection(&[RESTART]));
        assert_eq!(check(own_users.clone(), json!([]), 36), rejection(&[USERS]));
        assert_eq!(check(own_users, json!([USERS, RESTART]), 36), CheckResult::Pass);
        let both = json!({ "containers": containers, "hostNetwork": true, "hostUsers": false });
        assert_eq!(check(both.clone(), json!([]), 36), rejection(&[RESTART, USERS]));
        assert_eq!(check(both, json!([RESTART]), 36), rejection(&[USERS]));
    }

    #[test]
    fn filter_does_not_run_before_1_36() {
        let own_users = json!({ "hostNetwork": true, "hostUsers": false });
        assert_eq!(check(own_users, json!([]), 35), CheckResult::Pass);
    }
}
