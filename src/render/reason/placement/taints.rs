//! The sentences and remedies of taints that the pod does not tolerate. A taint that has an owner is not removed by
//! hand: see [`crate::placement::taint_owner`].

use serde_json::json;

use crate::placement::{Provides, Startup, TaintMeaning, TaintOwner, taint_owner};
use crate::render::command_line::{CommandLine, valid};
use crate::render::commands::{json_patch, remove_taint};
use crate::render::remedy::{OwnerPodView, Remedy, RemedyContext};
use crate::snapshot::Taint;

pub(super) fn summary(taint: &Taint) -> String {
    match taint.is_node_lifecycle_taint() {
        true => format!("node down (taint {taint})"),
        false => format!("untolerated taint {taint}"),
    }
}

/// The taint, and who removes it.
pub(super) fn detail(taint: &Taint) -> String {
    let Some(TaintOwner { name, meaning }) = taint_owner(taint).filter(|_| !taint.is_node_lifecycle_taint()) else {
        return summary(taint);
    };
    let meaning = match meaning {
        TaintMeaning::Startup(_) => format!("{name} removes it once it is ready on the node"),
        TaintMeaning::NodeRemoval => format!("{name} is removing the node"),
        TaintMeaning::Condition(until) => format!("{name} removes it once {until}"),
        TaintMeaning::Reserved(purpose) => format!("the node is reserved for {purpose}"),
    };
    format!("{} ({meaning})", summary(taint))
}

pub(super) fn remedies(taint: &Taint, target: &RemedyContext<'_>) -> Vec<Remedy> {
    if taint.is_node_lifecycle_taint() {
        let and_pod = if target.pod.is_some() { "" } else { " and the pod created" };
        let text = format!("recover the node; the taint is then removed automatically{and_pod}");
        return vec![Remedy::run(text, [target.describe_node()])];
    }
    let Some(owner) = taint_owner(taint) else { return without_owner(taint, target) };
    let name = owner.name;
    match owner.meaning {
        TaintMeaning::Startup(startup) => at_startup(taint, owner, startup, target),
        TaintMeaning::NodeRemoval => vec![
            Remedy::text_only(format!("nothing to fix: {name} is removing the node")),
            tolerate(taint, "the pods should run until the node is gone", target),
        ],
        TaintMeaning::Condition(until) => {
            vec![Remedy::run(format!("wait until {until}; {name} then removes the taint"), [target.describe_node()])]
        }
        TaintMeaning::Reserved(_) => {
            let keep = Remedy::text_only("leave it as it is: the taint keeps other pods off on purpose");
            [tolerate(taint, "the pods should run there", target), keep].into_iter().chain(delete_pod(target)).collect()
        }
    }
}

fn without_owner(taint: &Taint, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let Taint { key, effect, .. } = taint;
    let remove =
        target.change_of_node("remove the taint if it is no longer needed", remove_taint(target.node, key, effect));
    [tolerate(taint, "the pods should run there", target), remove].into_iter().chain(delete_pod(target)).collect()
}

/// For an existing pod that is there only because it was before the taint.
fn delete_pod(target: &RemedyContext<'_>) -> Option<Remedy> {
    target.pod?;
    Some(Remedy::run("delete the pod if it should not run there: it is not recreated", [target.delete_pod()]))
}

fn at_startup(taint: &Taint, owner: &TaintOwner, startup: Startup, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let name = owner.name;
    let owner_pod = target.owner_pods.iter().find(|owner_pod| owner_pod.owner == owner);
    let first = match owner_pod {
        Some(owner_pod) => fix_owner(owner_pod, target),
        None => {
            Remedy::text_only(format!("make sure that {name} runs on the node: it removes the taint once it is ready"))
        }
    };
    if !is_tolerable(taint, target) {
        let without = Remedy::text_only("leave the taint: without it, the pod would start without a network");
        return vec![first, without];
    }
    let condition = match startup.provides {
        Provides::Network => "the pods, which use the network of the host, should start before",
        Provides::Volumes => "the pods use no volumes of this driver",
        Provides::Other => "the pods should start before",
    };
    vec![first, tolerate(taint, condition, target)]
}

/// What to do about the pod of the owner, which is on the node.
fn fix_owner(owner_pod: &OwnerPodView<'_>, target: &RemedyContext<'_>) -> Remedy {
    let OwnerPodView { owner, namespace, pod: pod_name, state, .. } = owner_pod;
    let name = owner.name;
    let pod = format!("{namespace}/{pod_name}");
    if owner_pod.is_ready {
        let logs = CommandLine::in_namespace(namespace, "logs").name(pod_name);
        let text = format!("{name} should have removed the taint: its pod {pod} is {state}. Check its logs");
        return Remedy::run(text, [logs]);
    }
    let text = format!("fix {name} on the node, which then removes the taint: its pod {pod} is {state}");
    let command = match owner_pod.daemon_set {
        Some(daemon_set) => {
            let why_not = CommandLine::own_program("why-not").name(target.node).namespace(namespace);
            why_not.name(daemon_set)
        }
        None => CommandLine::in_namespace(namespace, "describe pod").name(pod_name),
    };
    Remedy::run(text, [command])
}

/// Whether a toleration does no harm: the pod would not start before something that it needs.
fn is_tolerable(taint: &Taint, target: &RemedyContext<'_>) -> bool {
    match taint_owner(taint).map(|owner| owner.meaning) {
        None | Some(TaintMeaning::Reserved(_) | TaintMeaning::NodeRemoval) => true,
        Some(TaintMeaning::Startup(Startup { provides: Provides::Network, .. })) => {
            target.template.is_some_and(|template| template.host_network == Some(true))
        }
        Some(TaintMeaning::Startup(_)) => true,
        Some(TaintMeaning::Condition(_)) => false,
    }
}

/// One patch tolerates all taints: separate patches would overwrite each other's tolerations.
fn tolerate(taint: &Taint, condition: &str, target: &RemedyContext<'_>) -> Remedy {
    let mut taints: Vec<&Taint> = target.untolerated.iter().filter(|one| is_tolerable(one, target)).collect();
    if !taints.contains(&taint) {
        taints = vec![taint];
    }
    let toleration = |taint: &&Taint| {
        let Taint { key, value, effect, .. } = taint;
        // The value of a taint that marks a removal is its time.
        match value.is_empty() || is_removal(taint) {
            true => json!({ "key": key, "operator": "Exists", "effect": effect }),
            false => json!({ "key": key, "operator": "Equal", "value": value, "effect": effect }),
        }
    };
    let tolerations: Vec<serde_json::Value> = taints.iter().map(toleration).collect();
    let path = "/spec/template/spec/tolerations";
    let patch = match target.has_tolerations() {
        true => {
            let end = format!("{path}/-");
            tolerations.into_iter().map(|one| json!({ "op": "add", "path": end, "value": one })).collect()
        }
        false => json!([{ "op": "add", "path": path, "value": tolerations }]),
    };
    let named: Vec<String> = taints.iter().map(|taint| taint.to_string()).collect();
    let what = match named.as_slice() {
        [one] => format!("a toleration for {one}"),
        several => format!("tolerations for {}", several.join(" and ")),
    };
    let has_key = |taint: &&Taint| {
        let tolerations = target.template.and_then(|template| template.tolerations.as_ref());
        tolerations.into_iter().flatten().any(|toleration| toleration.key.as_deref() == Some(&taint.key))
    };
    let why = match taints.iter().any(has_key) {
        true => "; the toleration for its key does not match, because of its value or effect",
        false => "",
    };
    Remedy::run(
        format!("add {what} to the pod template, if {condition} ({}){why}", target.rollout_note()),
        target.commands_reaching_existing_pod(
            json_patch(target, &patch).only_if(taints.iter().all(|taint| is_valid(taint))),
        ),
    )
}

fn is_removal(taint: &Taint) -> bool {
    taint_owner(taint).is_some_and(|owner| owner.meaning == TaintMeaning::NodeRemoval)
}

/// Whether the API server would accept the taint, and thus a toleration for it.
fn is_valid(Taint { key, value, effect, .. }: &Taint) -> bool {
    valid::is_qualified_name(key) && valid::is_label_value(value) && valid::is_taint_effect(effect)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::objects;

    fn taint(key: &str) -> Taint {
        Taint { key: key.into(), effect: "NoSchedule".into(), ..Taint::default() }
    }

    fn target() -> RemedyContext<'static> {
        RemedyContext::named("n1", "logging", "fluent-bit", None)
    }

    /// The text of each remedy, with its commands.
    fn all(key: &str, target: &RemedyContext<'_>) -> Vec<String> {
        let all = remedies(&taint(key), target);
        all.into_iter().flat_map(|remedy| [vec![remedy.text.clone()], remedy.lines().to_vec()].concat()).collect()
    }

    /// No remedy removes a taint that has an owner.
    #[test]
    fn owned_taint_is_not_removed_by_hand() {
        for key in [
            "node.cilium.io/agent-not-ready",
            "ebs.csi.aws.com/agent-not-ready",
            "karpenter.sh/disrupted",
            "ToBeDeletedByClusterAutoscaler",
            "node.cloudprovider.kubernetes.io/uninitialized",
            "node.kubernetes.io/out-of-service",
            "readiness.k8s.io/agent",
            "node-role.kubernetes.io/control-plane",
        ] {
            let all = all(key, &target());
            assert!(!all.is_empty() && !all.iter().any(|line| line.contains("kubectl taint")), "{key}: {all:?}");
        }
        assert!(all("dedicated", &target()).iter().any(|line| line == "kubectl taint node n1 dedicated:NoSchedule-"));
    }

    #[test]
    fn pod_does_not_start_before_its_network() {
        let tolerates = |key: &str, target: &RemedyContext<'_>| {
            all(key, target).iter().any(|line| line.contains("/spec/template/spec/tolerations"))
        };
        assert!(!tolerates("node.cilium.io/agent-not-ready", &target()));
        let spec: k8s_openapi::api::core::v1::PodSpec =
            objects::from_json(json!({ "containers": [], "hostNetwork": true }));
        assert!(tolerates("node.cilium.io/agent-not-ready", &RemedyContext { template: Some(&spec), ..target() }));
        assert!(tolerates("ebs.csi.aws.com/agent-not-ready", &target()));
        assert!(!tolerates("node.kubernetes.io/network-unavailable", &target()));
    }

    #[test]
    fn owner_that_fails_on_the_node_is_to_be_fixed() {
        let key = "node.cilium.io/agent-not-ready";
        let owner = taint_owner(&taint(key)).unwrap();
        let owner_pod = |is_ready, state: &str| OwnerPodView {
            owner,
            namespace: "kube-system",
            pod: "cilium-x",
            daemon_set: Some("cilium"),
            is_ready,
            state: state.into(),
        };
        let failing = [owner_pod(false, "NotReady (CrashLoopBackOff (exit 1))")];
        let remedies = all(key, &RemedyContext { owner_pods: &failing, ..target() });
        let text = "fix Cilium on the node, which then removes the taint: its pod kube-system/cilium-x is NotReady \
                    (CrashLoopBackOff (exit 1))";
        assert_eq!(remedies[0], text);
        assert!(remedies[1].ends_with("why-not n1 -n kube-system cilium"), "{}", remedies[1]);
        let ready = [owner_pod(true, "Available")];
        let remedies = all(key, &RemedyContext { owner_pods: &ready, ..target() });
        assert_eq!(remedies[1], "kubectl -n kube-system logs cilium-x");
    }

    #[test]
    fn toleration_of_a_removal_matches_every_time() {
        let removal = Taint { value: "1732104000".into(), ..taint("ToBeDeletedByClusterAutoscaler") };
        let lines: Vec<String> =
            remedies(&removal, &target()).iter().flat_map(|remedy| remedy.lines().to_vec()).collect();
        assert!(lines[0].contains(r#""operator":"Exists""#) && !lines[0].contains("1732104000"), "{}", lines[0]);
    }

    #[test]
    fn existing_pod_may_be_deleted() {
        let target = RemedyContext { pod: Some("fluent-bit-x"), ..target() };
        let delete = "kubectl -n logging delete pod fluent-bit-x".to_owned();
        assert!(all("dedicated", &target).contains(&delete));
        assert!(!all("node.cilium.io/agent-not-ready", &target).contains(&delete));
    }
}
