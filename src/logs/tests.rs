#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::coverage::compute_coverage;
use crate::explain::Reason;
use crate::snapshot::{Known, PodContainers, PodSummary, Snapshot};
use crate::testing::objects::{self, daemon_pod, daemon_set, empty_snapshot, from_json, node};

fn containers(annotation: Option<&str>) -> PodContainers {
    let annotation = annotation.map(|name| json!({ "kubectl.kubernetes.io/default-container": name }));
    from_json(json!({
        "metadata": { "name": "p", "uid": "uid-p", "annotations": annotation.unwrap_or_else(|| json!({})) },
        "spec": {
            "containers": [{ "name": "agent", "image": "i" }, { "name": "exporter" }],
            "initContainers": [{ "name": "setup" }, { "name": "proxy", "restartPolicy": "Always" }],
            "ephemeralContainers": [{ "name": "debug", "targetContainerName": "agent" }],
        },
    }))
}

#[test]
fn containers_are_selected_as_kubectl_does() {
    let selected = |annotation, choice: ContainerChoice| selected_containers(&containers(annotation), &choice);
    let all = ["setup", "proxy", "agent", "exporter", "debug"];
    for (annotation, choice, expected) in [
        (None, ContainerChoice::Default, &["agent"][..]),
        (Some("exporter"), ContainerChoice::Default, &["exporter"]),
        (Some("missing"), ContainerChoice::Default, &["agent"]),
        (None, ContainerChoice::Named("setup".into()), &["setup"]),
        (None, ContainerChoice::Named("proxy".into()), &["proxy"]),
        (None, ContainerChoice::Named("debug".into()), &["debug"]),
        (Some("exporter"), ContainerChoice::All, &all),
    ] {
        assert_eq!(selected(annotation, choice.clone()).unwrap(), expected, "{annotation:?} {choice:?}");
    }
    let unknown = selected(None, ContainerChoice::Named("Agent".into())).unwrap_err();
    assert_eq!(unknown.names, all);
}

/// A snapshot of one node with these pods, from their statuses.
fn snapshot(statuses: &[Value]) -> Snapshot {
    let set = daemon_set("ns", "agent", json!({}));
    let pod = |(number, status): (usize, &Value)| -> PodSummary {
        daemon_pod(&set, &format!("agent-{number}"), json!({ "spec": { "nodeName": "n1" }, "status": status }))
    };
    let pods = statuses.iter().enumerate().map(pod).collect();
    Snapshot {
        nodes: Known::Known(vec![node("n1", json!({}))]),
        pods: Known::Known(pods),
        daemon_sets: vec![set],
        ..empty_snapshot()
    }
}

fn logs_of(statuses: &[Value], choice: &ContainerChoice, run: RunChoice) -> NodeLogs {
    let snapshot = snapshot(statuses);
    let coverages = compute_coverage(&snapshot);
    let names = containers(None);
    node_logs(&coverages[0].rows[0], |_| Some(&names), choice, run)
}

fn status(name: &str, state: Value, last: Value, ready: bool) -> Value {
    json!({ "name": name, "state": state, "lastState": last, "ready": ready, "restartCount": 1 })
}

fn of(status: Value) -> Value {
    json!({ "phase": "Running", "containerStatuses": [status] })
}

fn exit(code: i32) -> Value {
    json!({ "terminated": { "exitCode": code } })
}

#[test]
fn run_with_a_log_is_read() {
    let running = || json!({ "running": {} });
    let backoff = || json!({ "waiting": { "reason": "CrashLoopBackOff" } });
    let creating = || json!({ "waiting": { "reason": "ContainerCreating" } });
    for (state, last, ready, run, expected) in [
        (running(), json!({}), true, RunChoice::Current, Some(Run::Current)),
        (exit(1), json!({}), false, RunChoice::Current, Some(Run::Current)),
        (backoff(), exit(1), false, RunChoice::Current, Some(Run::Current)),
        (creating(), json!({}), false, RunChoice::Current, None),
        (running(), json!({}), true, RunChoice::Previous, None),
        (running(), exit(0), true, RunChoice::Previous, Some(Run::Previous)),
        (backoff(), exit(1), false, RunChoice::Crashed, Some(Run::Previous)),
        (running(), exit(1), false, RunChoice::Crashed, Some(Run::Previous)),
        // It became ready since: what it writes now is the trouble.
        (running(), exit(1), true, RunChoice::Crashed, Some(Run::Current)),
        (exit(1), exit(1), false, RunChoice::Crashed, Some(Run::Current)),
        (running(), json!({}), false, RunChoice::Crashed, Some(Run::Current)),
    ] {
        let status = of(status("agent", state, last, ready));
        let logs = logs_of(std::slice::from_ref(&status), &ContainerChoice::Default, run);
        assert_eq!(logs.sources.first().map(|source| source.run), expected, "{status} {run:?}");
        assert_eq!(logs.missing.is_empty(), expected.is_some(), "{status} {run:?}");
    }
}

#[test]
fn trouble_selects_the_containers_that_crashed() {
    let statuses = json!({ "phase": "Running", "containerStatuses": [
        status("agent", json!({ "running": {} }), json!({}), true),
        status("exporter", json!({ "waiting": { "reason": "CrashLoopBackOff" } }), exit(2), false),
    ] });
    let logs = logs_of(std::slice::from_ref(&statuses), &ContainerChoice::Default, RunChoice::Crashed);
    let read: Vec<(&str, Run)> = logs.sources.iter().map(|one| (one.container.as_str(), one.run)).collect();
    assert_eq!(read, [("exporter", Run::Previous)]);
}

#[test]
fn missing_log_has_the_reasons_of_its_node() {
    let pulling = of(status("agent", json!({ "waiting": { "reason": "ImagePullBackOff" } }), json!({}), false));
    let logs = logs_of(&[pulling], &ContainerChoice::Default, RunChoice::Current);
    let [NoLog::Reasons { container: Some(container), reasons, .. }] = logs.missing.as_slice() else {
        unreachable!("{logs:?}")
    };
    assert_eq!(container, "agent");
    assert!(matches!(reasons.as_slice(), [Reason::ImageError { .. }]), "{reasons:?}");
    let logs = logs_of(&[], &ContainerChoice::Default, RunChoice::Current);
    assert!(matches!(&logs.missing[..], [NoLog::Reasons { container: None, excluded: false, .. }]), "{logs:?}");
    let running = of(status("agent", json!({ "running": {} }), json!({}), true));
    let logs = logs_of(&[running], &ContainerChoice::Named("x".into()), RunChoice::Current);
    assert!(matches!(&logs.missing[..], [NoLog::UnknownContainer(_)]), "{logs:?}");
}

#[test]
fn logs_of_the_old_and_the_new_pod_are_read() {
    let running = of(status("agent", json!({ "running": {} }), json!({}), true));
    let logs = logs_of(&[running.clone(), running], &ContainerChoice::Default, RunChoice::Current);
    let pods: Vec<&str> = logs.sources.iter().map(|source| source.pod.as_str()).collect();
    assert_eq!(pods, ["agent-0", "agent-1"]);
}

#[test]
fn exec_uses_the_new_pod() {
    let pod = |name: &str, fields: Value| -> PodSummary { objects::pod("ns", name, fields) };
    let old = pod("old", json!({}));
    let new = pod("new", json!({}));
    let going = pod("going", json!({ "metadata": { "deletionTimestamp": objects::HOUR_AGO } }));
    let name = |pods: &[&PodSummary]| newest_pod(pods).map(|pod| pod.metadata.name.clone());
    assert_eq!(name(&[&old, &new]).as_deref(), Some("new"));
    assert_eq!(name(&[&old, &going]).as_deref(), Some("old"));
    assert_eq!(name(&[&going]).as_deref(), Some("going"));
    assert_eq!(name(&[]), None);
}

/// The lines of a stream that arrives in pieces.
fn split(pieces: &[&[u8]]) -> Vec<(Vec<u8>, Part)> {
    let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
    for piece in pieces {
        splitter.push(piece, |line, part| lines.push((line.to_vec(), part)));
    }
    splitter.finish(|line, part| lines.push((line.to_vec(), part)));
    lines
}

#[test]
fn line_without_an_end_is_broken() {
    let long = vec![b'x'; 3 * lines::LONGEST_LINE + 5];
    let lengths: Vec<(usize, Part)> =
        split(&[&long, b"\nnext"]).iter().map(|(line, part)| (line.len(), *part)).collect();
    let whole = lines::LONGEST_LINE;
    let expected = [(whole, Part::Start), (whole, Part::Rest), (whole, Part::Rest), (5, Part::Rest), (4, Part::Start)];
    assert_eq!(lengths, expected);
    let exact = vec![b'x'; whole];
    assert_eq!(split(&[&exact, b"\ny\n"]).len(), 2, "no empty rest");
    // A character is not broken.
    let text = format!("{}é", "x".repeat(whole - 1));
    let lines = split(&[text.as_bytes()]);
    assert_eq!(lines.iter().map(|(line, _)| line.len()).collect::<Vec<_>>(), [whole - 1, 2]);
}

proptest! {
    #[test]
    fn lines_do_not_depend_on_the_pieces(
        bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'x'), any::<u8>()], 0..200),
        cuts in proptest::collection::vec(0usize..200, 0..5),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(split(&pieces), split(&[&bytes]));
    }

    /// A log whose lines may share a time is read by streams that break at any line, and repeat whole seconds.
    #[test]
    fn log_in_broken_streams_is_shown_once(
        steps in proptest::collection::vec(0u32..3, 1..60),
        breaks in proptest::collection::vec(0usize..60, 0..6),
    ) {
        let mut nanos = 1_000_000_000_i128;
        let log: Vec<(jiff::Timestamp, String)> = steps.iter().enumerate().map(|(number, step)| {
            nanos += i128::from(*step) * 400_000_000;
            (jiff::Timestamp::from_nanosecond(nanos).unwrap(), format!("line {number}"))
        }).collect();
        let mut position = Position::default();
        let mut shown = Vec::new();
        for end in breaks.into_iter().chain([log.len()]) {
            let since = position.resume().map(|time| time.as_second());
            let from = log.iter().take(end).filter(|(time, _)| since.is_none_or(|since| time.as_second() >= since));
            for (time, text) in from {
                if position.is_new(Some(*time), text.as_bytes()) {
                    shown.push(text.clone());
                }
            }
        }
        let all: Vec<String> = log.into_iter().map(|(_, text)| text).collect();
        prop_assert_eq!(shown, all);
    }
}

#[test]
fn line_without_a_time_is_not_repeated_by_each_stream() {
    let mut position = Position::default();
    let (time, rest) = split_time(b"unable to retrieve container logs for containerd://x");
    assert_eq!((time, rest.len()), (None, 52));
    assert!(position.is_new(time, rest));
    position.resume();
    assert!(!position.is_new(None, rest));
    assert!(position.is_new(None, b"other"));
    let (time, rest) = split_time(b"2026-01-02T12:00:00.123456789Z  text ");
    assert_eq!((time.unwrap().to_string().as_str(), rest), ("2026-01-02T12:00:00.123456789Z", &b" text "[..]));
    assert_eq!(split_time(b"2026-01-02T12:00:00Z").1, b"");
}

fn view(running: bool, restarts: i32) -> ContainerView {
    ContainerView { exists: true, terminating: false, has_log: true, running, restarts }
}

#[test]
fn followed_log_ends_only_with_its_pod() {
    let gone = ContainerView::default();
    let complete = StreamEnd::Complete { had_lines: true };
    let short = Step::OpenAfter(Duration::from_millis(250));
    for (end, now, expected) in [
        // Log rotation, or a restart of the kubelet or the API server.
        (complete, view(true, 0), short),
        (StreamEnd::Broken { had_lines: true }, view(true, 0), short),
        (StreamEnd::Broken { had_lines: false }, view(false, 0), short),
        // The container ended, and may run again.
        (complete, view(false, 0), Step::Wait),
        (complete, view(true, 1), Step::Open),
        (StreamEnd::NotReady, view(true, 0), short),
        (complete, gone, Step::End),
        (StreamEnd::Broken { had_lines: true }, gone, Step::End),
        (StreamEnd::Gone, view(true, 0), Step::End),
    ] {
        let mut follower = Follower::default();
        follower.opened(view(true, 0));
        assert_eq!(follower.ended(end, now), expected, "{end:?} {now:?}");
    }
}

#[test]
fn log_is_opened_when_the_container_has_started() {
    let follower = Follower::default();
    assert_eq!(follower.begin(ContainerView { has_log: false, ..view(false, 0) }), Step::Wait);
    assert_eq!(follower.begin(view(true, 0)), Step::Open);
    assert_eq!(follower.begin(ContainerView::default()), Step::End);
}

#[test]
fn streams_without_lines_are_opened_more_and_more_rarely() {
    let mut follower = Follower::default();
    follower.opened(view(true, 0));
    let mut pause = |had_lines| match follower.ended(StreamEnd::Broken { had_lines }, view(true, 0)) {
        Step::OpenAfter(pause) => pause.as_millis(),
        step => unreachable!("{step:?}"),
    };
    let pauses: Vec<u128> = (0..8).map(|_| pause(false)).collect();
    assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    assert_eq!(pause(true), 250);
}
