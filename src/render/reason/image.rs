//! Remedies for an image that cannot be pulled.

use serde_json::json;

use crate::explain::ImageProblem;
use crate::render::command_line::CommandLine;
use crate::render::commands::merge_patch;
use crate::render::remedy::{Remedy, RemedyContext};

const OS: &str = "kubernetes.io/os";
const ARCH: &str = "kubernetes.io/arch";

pub(super) fn remedies(container: &str, problem: ImageProblem, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let about_pod = || target.about_pod("describe pod");
    let set_image = || {
        Remedy::run(
            format!("fix the image ({})", target.rollout_note()),
            target.commands_reaching_existing_pod(
                CommandLine::in_namespace(target.namespace, "set image")
                    .name_within("daemonset/", target.daemon_set, "")
                    .container_within("", container, "=IMAGE"),
            ),
        )
    };
    let pull_secret = || {
        Remedy::run(
            format!(
                "check the pull secret of container {container}: imagePullSecrets of the template or of its \
                 ServiceAccount, and whether its credentials have expired"
            ),
            [about_pod()],
        )
    };
    match problem {
        ImageProblem::Platform => vec![keep_off(target)],
        ImageProblem::RateLimit => vec![Remedy::run(
            format!(
                "wait: the registry limits pulls, and the kubelet retries; or pull the image of container {container} \
                 from a mirror, or with a pull secret, which raises the limit"
            ),
            [about_pod()],
        )],
        ImageProblem::Unauthorized => vec![pull_secret()],
        ImageProblem::Unreachable => vec![Remedy::run(
            format!(
                "check that the node reaches the registry of container {container} (DNS, proxy, firewall, \
                 certificate); the kubelet retries"
            ),
            [about_pod()],
        )],
        ImageProblem::NotOnNode => vec![Remedy::run(
            format!(
                "load the image of container {container} on the node, or use another imagePullPolicy than Never ({})",
                target.rollout_note()
            ),
            [target.edit()],
        )],
        ImageProblem::InvalidName | ImageProblem::NotFound => vec![
            Remedy::run(format!("check the image name and tag of container {container}"), [about_pod()]),
            set_image(),
        ],
        ImageProblem::Denied | ImageProblem::Unknown => vec![
            Remedy::run(
                format!("check the image name and tag of container {container}, and its pull secret"),
                [about_pod()],
            ),
            set_image(),
        ],
    }
}

/// The image is right for the other nodes, so it is not changed.
fn keep_off(target: &RemedyContext<'_>) -> Remedy {
    let label = |key: &str| target.node_labels.and_then(|labels| labels.get(key)).map(String::as_str);
    if label(OS) == Some("windows") {
        let patch = json!({ "spec": { "template": { "spec": { "nodeSelector": { OS: "linux" } } } } });
        return Remedy::run(
            format!(
                "keep the DaemonSet off Windows nodes, for which its image has no build ({})",
                target.rollout_note()
            ),
            [merge_patch(target, &patch)],
        );
    }
    let platform = match label(ARCH) {
        Some(arch) => format!(" ({ARCH}={arch})"),
        None => String::new(),
    };
    Remedy::run(
        format!(
            "use an image that has a build for the platform of this node{platform}, or keep the DaemonSet off such \
             nodes with its node affinity ({})",
            target.rollout_note()
        ),
        [target.edit()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Labels;

    fn all(problem: ImageProblem, labels: &[(&str, &str)]) -> String {
        let labels: Labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let target = RemedyContext {
            node_labels: Some(&labels),
            ..RemedyContext::named("n1", "net", "flannel", Some("flannel-x"))
        };
        let all = remedies("main", problem, &target);
        all.into_iter().flat_map(|remedy| [vec![remedy.text.clone()], remedy.lines().to_vec()].concat()).collect()
    }

    #[test]
    fn image_is_not_changed_for_one_platform_or_a_rate_limit() {
        for (problem, labels) in [
            (ImageProblem::Platform, &[("kubernetes.io/os", "windows")][..]),
            (ImageProblem::Platform, &[("kubernetes.io/os", "linux"), ("kubernetes.io/arch", "arm64")]),
            (ImageProblem::RateLimit, &[]),
            (ImageProblem::Unauthorized, &[]),
            (ImageProblem::Unreachable, &[]),
        ] {
            assert!(!all(problem, labels).contains("set image"), "{problem:?}");
        }
        assert!(all(ImageProblem::NotFound, &[]).contains("set image daemonset/flannel main=IMAGE"));
    }

    #[test]
    fn windows_node_is_excluded_by_the_node_selector() {
        let text = all(ImageProblem::Platform, &[("kubernetes.io/os", "windows")]);
        assert!(text.contains(r#""nodeSelector":{"kubernetes.io/os":"linux"}"#), "{text}");
        assert!(all(ImageProblem::Platform, &[("kubernetes.io/arch", "arm64")]).contains("kubernetes.io/arch=arm64"));
    }
}
