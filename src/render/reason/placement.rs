//! Remedies for a node that is not eligible.

mod taints;

use serde_json::json;

use crate::placement::{PlacementFailure, Requirement, TermMismatch};
use crate::render::command_line::valid;
use crate::render::commands::{json_patch, label_node, merge_patch};
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::remedy::{Remedy, RemedyContext, pointer};

pub(super) fn summary(failure: &PlacementFailure) -> String {
    match failure {
        PlacementFailure::NodeName { required } => format!("the template requires node {required} (nodeName)"),
        PlacementFailure::NodeSelector { key, required, .. } => {
            format!("node selector {key}={required} does not match")
        }
        PlacementFailure::NodeAffinity { terms } => {
            let names = ListLength::Handful;
            affinity_in_words(NODE_AFFINITY, terms, names, |term| {
                term_in_words(term, names, |one| requirement_text(one, names))
            })
        }
        PlacementFailure::NamespaceSelector { selector } => {
            format!("node selector of the namespace ({selector}) does not match")
        }
        PlacementFailure::NamespaceMissing => "the namespace does not exist".into(),
        PlacementFailure::Taint { taint } => taints::summary(taint),
    }
}

pub(super) fn detail(failure: &PlacementFailure, names: ListLength) -> String {
    match failure {
        PlacementFailure::NodeSelector { key, required, found } => {
            format!("node selector {key}={required} does not match: {}", found_label(key, found.as_deref()))
        }
        PlacementFailure::NodeAffinity { terms } => terms_in_full(NODE_AFFINITY, terms, names),
        PlacementFailure::NodeName { .. }
        | PlacementFailure::NamespaceSelector { .. }
        | PlacementFailure::NamespaceMissing => summary(failure),
        PlacementFailure::Taint { taint } => taints::detail(taint),
    }
}

/// The usual subject of [`terms_in_full`]. A storage class has the same terms in `allowedTopologies`.
pub(super) const NODE_AFFINITY: &str = "node affinity";

/// `node affinity does not match: zone In [b] (the node has zone=a)`.
pub(super) fn terms_in_full(subject: &str, terms: &[TermMismatch], names: ListLength) -> String {
    let requirement = |requirement: &Requirement| {
        let found = found_label(&requirement.key, requirement.found.as_deref());
        format!("{} ({found})", requirement_text(requirement, names))
    };
    affinity_in_words(subject, terms, names, |term| term_in_words(term, names, requirement))
}

fn found_label(key: &str, found: Option<&str>) -> String {
    match found {
        Some(found) => format!("the node has {key}={found}"),
        None => format!("the node has no label {key}"),
    }
}

fn affinity_in_words(
    subject: &str,
    terms: &[TermMismatch],
    names: ListLength,
    term: impl Fn(&TermMismatch) -> String,
) -> String {
    match terms {
        [] => format!("{subject} does not match: no term can match any node"),
        terms => format!("{subject} does not match: {}", names.join(terms, HANDFUL, "; or ", term)),
    }
}

fn term_in_words(term: &TermMismatch, names: ListLength, requirement: impl Fn(&Requirement) -> String) -> String {
    match &term.invalid {
        Some(why) => format!("an invalid term that matches no node ({why})"),
        None => names.join(&term.mismatches, HANDFUL, " and ", requirement),
    }
}

fn requirement_text(requirement: &Requirement, names: ListLength) -> String {
    let Requirement { key, operator, values, .. } = requirement;
    match values.as_slice() {
        [] => format!("{key} {operator}"),
        [value] if operator != "In" && operator != "NotIn" => format!("{key} {operator} {value}"),
        values => format!("{key} {operator} [{}]", names.list(values)),
    }
}

/// Labels that describe facts of a node. Changing them by hand would make them wrong.
const FACTS_OF_A_NODE: [&str; 4] =
    ["kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "node.kubernetes.io/instance-type"];

/// The label of control plane nodes until Kubernetes 1.23, and the one that kubeadm sets since 1.20.
const OLD_ROLE: &str = "node-role.kubernetes.io/master";
const ROLE: &str = "node-role.kubernetes.io/control-plane";

/// For a template that selects the label that no longer exists.
fn renamed_role(value: &str, target: &RemedyContext<'_>) -> Remedy {
    let path = |key: &str| format!("/spec/template/spec/nodeSelector/{}", pointer(key));
    let patch = json!([
        { "op": "remove", "path": path(OLD_ROLE) },
        { "op": "add", "path": path(ROLE), "value": value },
    ]);
    Remedy::run(
        format!(
            "select {ROLE} instead of {OLD_ROLE} in the template, if the pods should run on control plane nodes: the \
             label was renamed in Kubernetes 1.24 ({})",
            target.rollout_note()
        ),
        target.commands_reaching_existing_pod(json_patch(target, &patch).only_if(valid::is_label_value(value))),
    )
}

pub(super) fn remedies(failure: &PlacementFailure, target: &RemedyContext<'_>) -> Vec<Remedy> {
    match failure {
        PlacementFailure::NodeName { required } => vec![Remedy::run(
            format!("remove nodeName {required} from the template ({})", target.rollout_note()),
            target.commands_reaching_existing_pod(json_patch(
                target,
                &json!([{ "op": "remove", "path": "/spec/template/spec/nodeName" }]),
            )),
        )],
        PlacementFailure::NodeSelector { key, required, found } => {
            let path = format!("/spec/template/spec/nodeSelector/{}", pointer(key));
            let unselect = Remedy::run(
                format!("remove {key} from the template's node selector ({})", target.rollout_note()),
                target.commands_reaching_existing_pod(
                    json_patch(target, &json!([{ "op": "remove", "path": path }]))
                        .only_if(valid::is_qualified_name(key)),
                ),
            );
            let label = target.change_of_node(
                &format!("label the node with {key}={required} if the pod should run there"),
                label_node(target.node, &[(key, Some(required))], found.is_some()),
            );
            match FACTS_OF_A_NODE.contains(&key.as_str()) {
                _ if key == OLD_ROLE => vec![renamed_role(required, target), unselect],
                true => vec![unselect],
                false => vec![label, unselect],
            }
        }
        PlacementFailure::NodeAffinity { terms } => affinity(terms, target),
        PlacementFailure::NamespaceSelector { selector } => vec![Remedy::text_only(format!(
            "label the node so that it matches {selector}, or change the annotation openshift.io/node-selector of \
             namespace {}",
            target.namespace
        ))],
        PlacementFailure::NamespaceMissing => Vec::new(),
        PlacementFailure::Taint { taint } => taints::remedies(taint, target),
    }
}

/// Remedies for a node selector that the pod has and its template does not: the namespace (the plugin PodNodeSelector)
/// or a RuntimeClass added it when the pod was created. The controller does not see it, and creates a pod that can never
/// be scheduled.
pub(super) fn added_by_admission(failure: &PlacementFailure, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let (PlacementFailure::NodeSelector { key, required, found }, Some(template)) = (failure, target.template) else {
        return Vec::new();
    };
    if template.node_selector.as_ref().is_some_and(|selector| selector.get(key) == Some(required)) {
        return Vec::new();
    }
    let patch = json!({ "spec": { "template": { "spec": { "nodeSelector": { key.as_str(): required } } } } });
    let select = Remedy::run(
        format!(
            "add the node selector {key}={required} to the template too, so that no pod is created on other nodes: \
             admission adds it to each pod, most likely because of the annotation \
             scheduler.alpha.kubernetes.io/node-selector of namespace {}{} ({})",
            target.namespace,
            template.runtime_class_name.as_ref().map(|class| format!(" or RuntimeClass {class}")).unwrap_or_default(),
            target.rollout_note()
        ),
        [merge_patch(target, &patch).only_if(valid::is_qualified_name(key) && valid::is_label_value(required))],
    );
    let label = target.change_of_node(
        &format!("label the node with {key}={required} if the pod should run there"),
        label_node(target.node, &[(key, Some(required))], found.is_some()),
    );
    let is_fact = FACTS_OF_A_NODE.contains(&key.as_str());
    [Some(select), (!is_fact).then_some(label)].into_iter().flatten().collect()
}

/// Labels the node so that it matches the term with the fewest mismatches, or fixes the template.
fn affinity(terms: &[TermMismatch], target: &RemedyContext<'_>) -> Vec<Remedy> {
    let usable = terms.iter().filter(|term| term.invalid.is_none());
    let changes =
        usable.filter_map(|term| term.mismatches.iter().map(change).collect::<Option<Vec<LabelChange<'_>>>>());
    let easiest = changes.min_by_key(Vec::len).filter(|changes| !changes.is_empty());
    let edit = "fix the template's node affinity if it should match this node";
    let by_template = Remedy::run(edit, [target.edit()]);
    let by_label = easiest.map(|changes| {
        let labels: Vec<(&str, Option<&str>)> =
            changes.iter().map(|change| (change.key, change.value.as_deref())).collect();
        target.change_of_node("label the node so that it matches", label_node(target.node, &labels, true))
    });
    by_label.into_iter().chain([by_template]).collect()
}

struct LabelChange<'a> {
    key: &'a str,
    /// The new value; none removes the label.
    value: Option<String>,
}

/// The label change that satisfies a requirement. `None` if the label describes a fact of the node.
fn change(requirement: &Requirement) -> Option<LabelChange<'_>> {
    let Requirement { key, operator, values, .. } = requirement;
    if key == "metadata.name" || FACTS_OF_A_NODE.contains(&key.as_str()) {
        return None;
    }
    let limit = || values.first()?.parse::<i64>().ok();
    let value = match operator.as_str() {
        "In" => Some(values.first()?.clone()),
        "Exists" => Some(String::new()),
        "NotIn" | "DoesNotExist" => None,
        "Gt" => Some(limit()?.checked_add(1)?.to_string()),
        // A label value cannot start with a dash.
        "Lt" => Some(limit()?.checked_sub(1).filter(|below| *below >= 0)?.to_string()),
        _ => return None,
    };
    Some(LabelChange { key, value })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::snapshot::Taint;

    fn target() -> RemedyContext<'static> {
        RemedyContext::named("n1", "ns", "ds", None)
    }

    fn lines(failure: &PlacementFailure) -> Vec<String> {
        remedies(failure, &target()).iter().flat_map(|remedy| remedy.lines().to_vec()).collect()
    }

    fn mismatches(key: &str, operator: &str, values: &[&str]) -> Requirement {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Requirement { key: key.into(), operator: operator.into(), values, found: None }
    }

    #[test]
    fn node_is_labeled_for_the_term_with_fewest_mismatches() {
        let term = |mismatches| TermMismatch { invalid: None, mismatches };
        let terms = vec![
            term(vec![mismatches("zone", "In", &["a", "b"]), mismatches("gpu", "Exists", &[])]),
            term(vec![mismatches("size", "Gt", &["5"])]),
            TermMismatch { invalid: Some("broken".into()), mismatches: vec![] },
        ];
        let lines = lines(&PlacementFailure::NodeAffinity { terms: terms.into() });
        assert_eq!(lines, ["kubectl label node n1 size=6 --overwrite", "kubectl -n ns edit daemonset ds"]);
    }

    #[test]
    fn label_that_describes_the_node_is_not_changed() {
        let terms =
            vec![TermMismatch { invalid: None, mismatches: vec![mismatches("kubernetes.io/os", "In", &["windows"])] }];
        assert_eq!(lines(&PlacementFailure::NodeAffinity { terms: terms.into() }), ["kubectl -n ns edit daemonset ds"]);
        let selector =
            PlacementFailure::NodeSelector { key: "kubernetes.io/arch".into(), required: "arm64".into(), found: None };
        assert!(lines(&selector).iter().all(|line| !line.contains("label node")));
    }

    #[test]
    fn label_of_the_old_role_is_replaced_by_its_new_name() {
        let selector = PlacementFailure::NodeSelector { key: OLD_ROLE.into(), required: String::new(), found: None };
        let lines = lines(&selector);
        assert!(lines[0].contains("node-role.kubernetes.io~1control-plane"), "{}", lines[0]);
        assert!(lines.iter().all(|line| !line.contains("label node")), "{lines:?}");
    }

    #[test]
    fn key_with_a_slash_is_escaped_in_a_patch() {
        let selector = |key: &str| {
            lines(&PlacementFailure::NodeSelector { key: key.into(), required: "x".into(), found: Some("y".into()) })
        };
        let valid = selector("a.io/b");
        assert_eq!(valid[0], "kubectl label node n1 a.io/b=x --overwrite");
        assert!(valid[1].contains("/spec/template/spec/nodeSelector/a.io~1b"), "{}", valid[1]);
        assert!(selector("a.io/b~c").is_empty(), "no node can have such a label");
    }

    #[test]
    fn one_patch_tolerates_all_taints() {
        let taint = |key: &str| Taint { key: key.into(), effect: "NoSchedule".into(), ..Taint::default() };
        let untolerated = [taint("a"), taint("b")];
        let target = RemedyContext { untolerated: &untolerated, ..target() };
        let of = |key: &str| remedies(&PlacementFailure::Taint { taint: taint(key) }, &target).swap_remove(0);
        assert_eq!(of("a"), of("b"));
        let line = of("a").lines()[0].clone();
        assert!(line.contains(r#""key":"a""#) && line.contains(r#""key":"b""#), "{line}");
    }

    #[test]
    fn on_delete_remedy_also_deletes_the_existing_pod() {
        let target = RemedyContext { on_delete: true, pod: Some("ds-x"), ..target() };
        let taint = Taint { key: "k".into(), effect: "NoSchedule".into(), ..Taint::default() };
        let first = remedies(&PlacementFailure::Taint { taint }, &target).swap_remove(0);
        assert_eq!(first.lines()[1..], ["kubectl -n ns delete pod ds-x"]);
        assert!(!first.text.contains("rollout"), "{}", first.text);
    }

    #[test]
    fn selector_added_by_admission_is_added_to_the_template() {
        let spec: k8s_openapi::api::core::v1::PodSpec =
            serde_json::from_value(json!({ "containers": [], "nodeSelector": { "own": "x" } })).unwrap();
        let target = RemedyContext { template: Some(&spec), ..target() };
        let lines = |key: &str| -> Vec<String> {
            let failure = PlacementFailure::NodeSelector { key: key.into(), required: "x".into(), found: None };
            added_by_admission(&failure, &target).iter().flat_map(|remedy| remedy.lines().to_vec()).collect()
        };
        let patch = r#"'{"spec":{"template":{"spec":{"nodeSelector":{"realm":"x"}}}}}'"#;
        let select = format!("kubectl -n ns patch daemonset ds --type=merge -p {patch}");
        assert_eq!(lines("realm"), [select, "kubectl label node n1 realm=x".to_owned()]);
        assert!(lines("own").is_empty(), "the controller's check has the remedies");
        assert_eq!(lines("kubernetes.io/arch").len(), 1);
    }

    #[test]
    fn planned_node_is_not_labeled() {
        let target = RemedyContext { is_planned: true, ..target() };
        let selector = PlacementFailure::NodeSelector { key: "pool".into(), required: "gpu".into(), found: None };
        let lines: Vec<String> =
            remedies(&selector, &target).iter().flat_map(|remedy| remedy.lines().to_vec()).collect();
        assert!(lines.iter().all(|line| !line.contains("label node")), "{lines:?}");
    }

    #[test]
    fn toleration_is_appended_only_to_an_existing_list() {
        let taint = Taint { key: "k".into(), value: "v".into(), effect: "NoExecute".into(), time_added: None };
        let failure = PlacementFailure::Taint { taint };
        assert!(lines(&failure)[0].contains(r#""path":"/spec/template/spec/tolerations","value":[{"#));
        let spec: k8s_openapi::api::core::v1::PodSpec =
            serde_json::from_value(json!({ "containers": [], "tolerations": [{ "operator": "Exists" }] })).unwrap();
        let target = RemedyContext { template: Some(&spec), ..target() };
        let lines: Vec<String> =
            remedies(&failure, &target).iter().flat_map(|remedy| remedy.lines().to_vec()).collect();
        assert!(lines[0].contains(r#""path":"/spec/template/spec/tolerations/-","value":{"#), "{}", lines[0]);
        assert_eq!(lines[1], "kubectl taint node n1 k:NoExecute-");
    }
}
