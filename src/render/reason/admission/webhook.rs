//! Remedies for webhooks that cannot be called.

use crate::admission::{Service, WebhookFailure};
use crate::render::command_line::CommandLine;
use crate::render::remedy::{Remedy, RemedyContext};

/// Lists the webhooks of the cluster with the configurations that have them.
pub(super) fn list() -> CommandLine {
    CommandLine::new(
        "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations \
         -o custom-columns='KIND:.kind,NAME:.metadata.name,WEBHOOKS:.webhooks[*].name'",
    )
}

/// What to do about a webhook that could not be called, and how to do without it meanwhile.
pub(super) fn failed(
    webhook: &str,
    service: Option<&Service>,
    failure: WebhookFailure,
    target: &RemedyContext<'_>,
) -> Vec<Remedy> {
    let namespace = target.namespace;
    if is_circle(failure, service, target) {
        let circle = Remedy::run(
            format!(
                "break the circle at the webhook: this DaemonSet brings the network that the pods of {webhook} need to \
                 start, and {webhook} must answer before its pods are created. Set its failurePolicy to Ignore, or leave \
                 namespace {namespace} out with its namespaceSelector; find its configuration"
            ),
            [list()],
        );
        return vec![circle, fix(webhook, service, failure)];
    }
    let without = format!(
        "until then, exclude namespace {namespace} in the namespaceSelector of {webhook}, or set its failurePolicy \
         to Ignore (what it enforces is then not checked); find its configuration"
    );
    vec![fix(webhook, service, failure), Remedy::run(without, [list()])]
}

fn fix(webhook: &str, service: Option<&Service>, failure: WebhookFailure) -> Remedy {
    let about_service = || {
        service.into_iter().flat_map(|Service { namespace, name }| {
            [
                CommandLine::in_namespace(namespace, "get service").name(name),
                CommandLine::in_namespace(namespace, "get endpointslices -l").name_within(
                    "kubernetes.io/service-name=",
                    name,
                    "",
                ),
            ]
        })
    };
    let of_service = service.map(|service| format!("'s service {}", service.name)).unwrap_or_default();
    match failure {
        WebhookFailure::Certificate => Remedy::text_only(format!(
            "renew the certificate of {webhook}, or the caBundle in its configuration: it answers, and its certificate \
             is not accepted. For one that is expired or not yet valid, check the clocks, too"
        )),
        WebhookFailure::Tunnel => Remedy::run(
            format!(
                "recover the agents of the API server's tunnel to the nodes (konnectivity): without one, the API server \
                 reaches no webhook, and {webhook} itself may be well"
            ),
            [CommandLine::new("kubectl -n kube-system get pods -l k8s-app=konnectivity-agent -o wide")],
        ),
        WebhookFailure::NoEndpoints => {
            Remedy::run(format!("recover {webhook}{of_service}: it needs a ready endpoint"), about_service())
        }
        WebhookFailure::NoService => {
            Remedy::run(format!("install {webhook}{of_service} again, which does not exist"), about_service().take(1))
        }
        WebhookFailure::Timeout => Remedy::run(
            format!(
                "find out why {webhook}{of_service} does not answer in time: its pods, or the network from the API \
                 server to them (a firewall, a NetworkPolicy)"
            ),
            about_service(),
        ),
        WebhookFailure::NotServed => Remedy::run(
            format!(
                "update {webhook} or its configuration: its server answers, and does not know the path that the \
                 configuration names"
            ),
            about_service(),
        ),
        WebhookFailure::Other => {
            Remedy::run(format!("recover {webhook}{of_service}: the API server cannot call it"), about_service())
        }
    }
}

/// Whether the webhook waits for the DaemonSet: no pod of a service in the cluster answers, the node has no network, and
/// the DaemonSet is a network plugin, without which no pod starts that does not use the network of its node.
fn is_circle(failure: WebhookFailure, service: Option<&Service>, target: &RemedyContext<'_>) -> bool {
    matches!(failure, WebhookFailure::NoEndpoints | WebhookFailure::Timeout)
        && service.is_some()
        && target.lacks_network
        && target.is_network_plugin()
}
