//! Containers in a crash loop that are running at the moment: the loop is the same problem between two crashes.
//!
//! Upstream: `pkg/kubelet/kuberuntime/kuberuntime_manager.go` `doBackOff`;
//! `client-go/util/flowcontrol/backoff.go` `hasExpired`.

use jiff::{SignedDuration, Timestamp};

use super::blocker::{NodeProblem, Problem};
use crate::explain::Reason;
use crate::explain::pod::{exit, is_ready};
use crate::snapshot::{PodSummary, pod_summary::ContainerStatus, pod_summary::Terminated};

/// From this number of restarts on, a crash loop counts as one that does not end without intervention.
pub(super) const CRASHES: i32 = 3;
/// After this time without a crash, the kubelet resets the backoff of the container.
const BACKOFF_RESET: SignedDuration = SignedDuration::from_mins(10);

/// One problem for each container of an unavailable pod that crashed and has not recovered since.
pub(super) fn between_crashes(pod: &PodSummary, now: Timestamp) -> Vec<NodeProblem> {
    if pod.is_terminal() {
        return Vec::new();
    }
    let of = |is_init: bool| move |status: &ContainerStatus| crash(status, is_init, pod, now);
    let init = pod.status.init_container_statuses.iter().filter_map(of(true));
    init.chain(pod.status.container_statuses.iter().filter_map(of(false))).collect()
}

fn crash(status: &ContainerStatus, is_init: bool, pod: &PodSummary, now: Timestamp) -> Option<NodeProblem> {
    let end = last_end(status)?;
    let restarts = status.restart_count;
    let is_loop = restarts >= CRASHES;
    // A container that repeatedly exits with 0 is restarted too: a daemon should keep running. An init container should
    // exit.
    let is_crash = restarts > 0 && (end.exit_code != 0 || end.signal != 0 || (is_loop && !is_init));
    // A pod that is ready for less than minReadySeconds may still crash again.
    let is_open = !status.ready || (is_loop && is_ready(pod));
    (is_crash && is_open && !is_over(status, pod, now)).then(|| {
        let (container, last_exit) = (status.name.to_string(), Some(exit(end)));
        let reason = Reason::CrashLoopBackOff { container, restarts, last_exit };
        NodeProblem { problem: Problem::new_pod(reason), needs_intervention: is_loop }
    })
}

fn last_end(status: &ContainerStatus) -> Option<&Terminated> {
    let states = [&status.state, &status.last_state];
    states.into_iter().flatten().find_map(|state| state.terminated.as_deref())
}

/// Whether the crash loop has ended: since its last start, the container became ready and then unready for another
/// reason, or it has run longer than the backoff lasts.
fn is_over(status: &ContainerStatus, pod: &PodSummary, now: Timestamp) -> bool {
    let running = status.state.as_ref().and_then(|state| state.running.as_ref());
    let Some(started) = running.and_then(|running| running.started_at).map(|time| time.timestamp()) else {
        return false;
    };
    let turned = pod.condition("Ready").and_then(|ready| ready.last_transition_time).map(|time| time.timestamp());
    let was_ready = !is_ready(pod) && turned.is_some_and(|turned| turned > started);
    was_ready || now.duration_since(started) > BACKOFF_RESET
}
