//! Sentences and remedies for failures of the control plane itself: nothing is wrong with the DaemonSet.

use crate::admission::ControlPlaneProblem;
use crate::render::command_line::CommandLine;
use crate::render::remedy::Remedy;

pub(super) fn summary(problem: ControlPlaneProblem) -> &'static str {
    match problem {
        ControlPlaneProblem::EtcdSpace => "control plane: etcd has no space left",
        ControlPlaneProblem::Etcd => "control plane: etcd does not answer",
        ControlPlaneProblem::Timeout => "control plane: the API server did not answer in time",
        ControlPlaneProblem::Overload => "control plane: the API server is overloaded",
        ControlPlaneProblem::Unreachable => "control plane: kube-controller-manager does not reach the API server",
        ControlPlaneProblem::Unauthorized => {
            "control plane: the credentials of kube-controller-manager are not accepted"
        }
    }
}

pub(super) fn remedies(problem: ControlPlaneProblem) -> Vec<Remedy> {
    let text = match problem {
        ControlPlaneProblem::EtcdSpace => {
            "compact and defragment etcd, and disarm its NOSPACE alarm: until then nothing can be created in the whole \
             cluster"
        }
        ControlPlaneProblem::Etcd => {
            "check the members of etcd and their disks: it is the control plane, not the DaemonSet; the controller \
             retries by itself"
        }
        ControlPlaneProblem::Timeout => {
            "check the API server, etcd and slow webhooks if it lasts: it is the control plane, not the DaemonSet; the \
             controller retries by itself"
        }
        ControlPlaneProblem::Overload => {
            "wait: the controller retries by itself; if it lasts, find the client that sends the most requests"
        }
        ControlPlaneProblem::Unreachable => {
            "check the API server and its address: it is the control plane, not the DaemonSet; the controller retries \
             by itself"
        }
        ControlPlaneProblem::Unauthorized => {
            "check the kubeconfig, the certificate and the service account key of kube-controller-manager: it is the \
             control plane, not the DaemonSet"
        }
    };
    let look = CommandLine::new("kubectl get --raw /readyz");
    match problem {
        ControlPlaneProblem::Overload | ControlPlaneProblem::Unauthorized => vec![Remedy::text_only(text)],
        ControlPlaneProblem::EtcdSpace
        | ControlPlaneProblem::Etcd
        | ControlPlaneProblem::Timeout
        | ControlPlaneProblem::Unreachable => vec![Remedy::run(text, [look])],
    }
}

/// The API server creates the role and its binding when it starts
/// (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go`).
pub(super) fn controller_forbidden() -> Vec<Remedy> {
    let text = "check that the roles of the user that the message names are unchanged. Those of the DaemonSet controller \
                are restored when the API server restarts";
    let line =
        CommandLine::new("kubectl get clusterrole,clusterrolebinding system:controller:daemon-set-controller -o yaml");
    vec![Remedy::run(text, [line])]
}
