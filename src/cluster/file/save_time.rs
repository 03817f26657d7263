//! When a cluster was saved: the newest time in its files, without the times of clocks that are ahead.
//!
//! The API server and the controllers share a clock, more or less; every kubelet has its own. One clock that is a day
//! ahead would make each age a day too great, and a pod within its grace period one that is stuck. So a kubelet's times
//! count only up to [`AHEAD`] after the lower median of what the reporting kubelets reported last, or after the newest
//! time of the control plane. The lower median: of two kubelets the later one may be wrong, and a time that is too early
//! makes nothing look late. A single kubelet has nothing to be compared with.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::snapshot::pod_summary::Condition;
use crate::snapshot::saved::listed;
use crate::snapshot::{Node, PodSummary, Time};

/// Kubelets report their node at least every 5 minutes (`pkg/kubelet/apis/config/v1beta1/defaults.go`
/// `NodeStatusReportFrequency`), so that the last reports of right clocks differ by less than this.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);
/// The maximum number of nodes that a note names.
const NAMED: usize = 3;
/// Conditions of a pod that the kubelet does not write: the scheduler, the disruption controller and their like do.
const CONDITIONS_OF_CONTROL_PLANE: [&str; 2] = ["PodScheduled", "DisruptionTarget"];

#[derive(Debug, Default)]
pub(super) struct SaveTime {
    control_plane: Option<Timestamp>,
    /// The newest time from each node's kubelet.
    kubelets: BTreeMap<String, Timestamp>,
    /// The nodes whose kubelet reports.
    reporting: BTreeSet<String>,
}

impl SaveTime {
    /// A time that the API server or a controller wrote.
    pub(super) fn saw(&mut self, instant: Option<Timestamp>) {
        self.control_plane = self.control_plane.max(instant);
    }

    /// A time that the kubelet of a node wrote.
    pub(super) fn saw_of_kubelet(&mut self, node: &str, instant: Option<Timestamp>) {
        let Some(instant) = instant else { return };
        // Avoids an allocation: most nodes were seen before.
        match self.kubelets.get_mut(node) {
            Some(newest) => *newest = instant.max(*newest),
            None => {
                self.kubelets.insert(node.to_owned(), instant);
            }
        }
    }

    pub(super) fn saw_node(&mut self, node: &Node) {
        let name = &node.metadata.name;
        self.saw(time(node.metadata.creation_timestamp));
        // Status Unknown is written by the node lifecycle controller, because the kubelet does not report
        // (`pkg/controller/nodelifecycle/node_lifecycle_controller.go` `tryUpdateNodeHealth`).
        for condition in &node.status.conditions {
            match condition.status == "Unknown" {
                true => self.saw(time(condition.last_transition_time)),
                false => {
                    self.saw_of_kubelet(name, time(condition.last_transition_time));
                    self.saw_of_kubelet(name, time(condition.last_heartbeat_time));
                }
            }
        }
        let ready = node.status.conditions.iter().find(|condition| condition.type_ == "Ready");
        if ready.is_some_and(|ready| ready.status != "Unknown" && ready.last_heartbeat_time.is_some()) {
            self.reporting.insert(name.clone());
        }
    }

    pub(super) fn saw_pod(&mut self, pod: &PodSummary) {
        self.saw(time(pod.metadata.creation_timestamp));
        let node = pod.spec.node_name.as_str();
        let is_of_kubelet = |condition: &Condition| !CONDITIONS_OF_CONTROL_PLANE.contains(&condition.type_.as_str());
        for condition in &pod.status.conditions {
            match !node.is_empty() && is_of_kubelet(condition) {
                true => self.saw_of_kubelet(node, time(condition.last_transition_time)),
                false => self.saw(time(condition.last_transition_time)),
            }
        }
        for state in pod.status.container_statuses.iter().filter_map(|status| status.state.as_ref()) {
            let started = state.running.as_ref().and_then(|running| running.started_at);
            let finished = state.terminated.as_ref().and_then(|terminated| terminated.finished_at);
            self.saw_of_kubelet(node, time(started));
            self.saw_of_kubelet(node, time(finished));
        }
    }

    /// The time of the save, if the files contain any time, and a note on the clocks that are ahead.
    pub(super) fn resolve(&self) -> (Option<Timestamp>, Option<String>) {
        let limit = self.lower_median().max(self.control_plane).filter(|_| !self.reporting.is_empty());
        let is_ahead = |instant: &Timestamp| limit.is_some_and(|limit| instant.duration_since(limit) > AHEAD);
        let newest = self.kubelets.values().filter(|instant| !is_ahead(instant)).max().copied();
        let ahead: Vec<&str> =
            self.kubelets.iter().filter(|(_, instant)| is_ahead(instant)).map(|(node, _)| node.as_str()).collect();
        let whose = match ahead.len() {
            0 => None,
            1 => Some(format!("the clock of node {} is", listed(&ahead))),
            2..=NAMED => Some(format!("the clocks of nodes {} are", listed(&ahead))),
            count => Some(format!("the clocks of {count} nodes are")),
        };
        let note = whose.map(|whose| format!("{whose} ahead of the others: not used for the time of the files"));
        (newest.max(self.control_plane), note)
    }

    fn lower_median(&self) -> Option<Timestamp> {
        let mut newest: Vec<Timestamp> =
            self.reporting.iter().filter_map(|node| self.kubelets.get(node)).copied().collect();
        newest.sort_unstable();
        newest.get(newest.len().checked_sub(1)? / 2).copied()
    }
}

fn time(time: Option<Time>) -> Option<Timestamp> {
    time.map(Time::timestamp)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    const NOON: &str = "2026-11-20T12:00:00Z";
    const DAY_LATER: &str = "2026-11-21T12:00:00Z";

    fn node(name: &str, ready: &str, heartbeat: &str) -> Node {
        let ready = json!({ "type": "Ready", "status": ready, "lastHeartbeatTime": heartbeat });
        serde_json::from_value(json!({ "metadata": { "name": name }, "status": { "conditions": [ready] } })).unwrap()
    }

    fn resolved(nodes: &[(&str, &str, &str)], control_plane: Option<&str>) -> (String, Option<String>) {
        let mut times = SaveTime::default();
        times.saw(control_plane.map(|time| time.parse().unwrap()));
        for (name, ready, heartbeat) in nodes {
            times.saw_node(&node(name, ready, heartbeat));
        }
        let (newest, note) = times.resolve();
        (newest.unwrap().to_string(), note)
    }

    #[test]
    fn clock_that_is_ahead_is_not_the_time_of_the_files() {
        let nodes = [("n1", "True", NOON), ("n2", "True", "2026-11-20T12:04:00Z"), ("n3", "True", DAY_LATER)];
        let note = "the clock of node n3 is ahead of the others: not used for the time of the files";
        assert_eq!(resolved(&nodes, None), ("2026-11-20T12:04:00Z".into(), Some(note.into())));
        // Of two, the later one is not believed.
        assert_eq!(resolved(&nodes[1..], None).0, "2026-11-20T12:04:00Z");
    }

    #[test]
    fn control_plane_confirms_a_late_kubelet() {
        let nodes = [("n1", "True", NOON), ("n2", "False", DAY_LATER)];
        assert_eq!(resolved(&nodes, Some("2026-11-21T11:55:00Z")), (DAY_LATER.into(), None));
    }

    #[test]
    fn kubelet_that_does_not_report_is_no_measure() {
        let nodes = [("n1", "Unknown", NOON), ("n2", "Unknown", NOON), ("n3", "True", DAY_LATER)];
        assert_eq!(resolved(&nodes, None), (DAY_LATER.into(), None));
    }

    #[test]
    fn pods_without_nodes_give_the_newest_time() {
        let pod = |name: &str, node: &str, started: &str| {
            serde_json::from_value(json!({
                "metadata": { "name": name, "namespace": "a" },
                "spec": { "nodeName": node },
                "status": { "containerStatuses": [{ "name": "main", "state": { "running": { "startedAt": started } } }] },
            }))
            .unwrap()
        };
        let mut times = SaveTime::default();
        for (name, node, started) in [("x", "n1", NOON), ("y", "n2", NOON), ("z", "n3", DAY_LATER)] {
            times.saw_pod(&pod(name, node, started));
        }
        assert_eq!(times.resolve(), (Some(DAY_LATER.parse().unwrap()), None));
    }
}
