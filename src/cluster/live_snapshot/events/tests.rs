#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::testing::http_server::{Answer, JSON, Seen, TestServer};

/// The event `name` about the object `uid`.
fn event(name: &str, uid: &str) -> serde_json::Value {
    json!({
        "metadata": { "name": name, "uid": name, "resourceVersion": "7", "managedFields": [{ "manager": "kubelet" }] },
        "type": "Warning", "involvedObject": { "uid": uid },
    })
}

fn read(name: &str, uid: &str) -> Event {
    serde_json::from_value(event(name, uid)).unwrap()
}

fn list(events: &[serde_json::Value]) -> Answer {
    let list =
        json!({ "kind": "EventList", "apiVersion": "v1", "metadata": { "resourceVersion": "5" }, "items": events });
    Answer::ok(JSON, list.to_string())
}

fn changes(changes: &[(&str, serde_json::Value)]) -> Answer {
    let line =
        |(kind, object): &(&str, serde_json::Value)| json!({ "type": kind, "object": object }).to_string() + "\n";
    Answer::ok(JSON, changes.iter().map(line).collect::<String>())
}

fn names(events: &Known<Vec<Event>>) -> Vec<String> {
    events.known().into_iter().flatten().map(|event| event.metadata.name.clone().unwrap()).collect()
}

/// The known events about `pod` after each of the first `words` updates, and the requests.
async fn events_of(
    words: usize,
    script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static,
) -> (Vec<String>, Vec<Seen>) {
    let test_server = TestServer::start(script).await;
    let mut events = Events::start(&test_server.access().await, &Scope::Namespace("n".into()), EventFields::Warnings);
    let mut known = Known::Known(Vec::new());
    let mut updates = Vec::new();
    for _ in 0..words {
        let step = match events.next().await {
            Ok(news) => events.apply(news, &mut known, |uid| uid == "pod"),
            Err(error) => {
                updates.push(format!("ended: {error}"));
                break;
            }
        };
        updates.push(match (&known, step) {
            (Known::Unknown(why), _) => format!("unknown: {why}"),
            (_, WatchUpdate::Interrupted(_)) => format!("interrupted: {}", names(&known).join(" ")),
            _ => names(&known).join(" "),
        });
    }
    (updates, test_server.seen())
}

#[tokio::test]
async fn events_are_listed_watched_and_relisted_when_expired() {
    let (updates, seen) = events_of(5, |number, _| match number {
        0 => list(&[event("a", "pod"), event("b", "other")]),
        1 => changes(&[("ADDED", event("c", "pod")), ("MODIFIED", event("a", "pod")), ("DELETED", event("a", "pod"))]),
        2 => Answer::rejection(410, "too old"),
        3 => list(&[event("d", "pod")]),
        _ => Answer::Mute,
    })
    .await;
    assert_eq!(updates, ["a", "a c", "a c", "c", "d"]);
    let targets: Vec<&str> = seen.iter().map(|seen| seen.target.as_str()).collect();
    assert_eq!(targets.len(), 4, "{targets:?}");
    assert!(targets.iter().all(|target| target.starts_with("/api/v1/namespaces/n/events?")), "{targets:?}");
    assert!(targets.iter().all(|target| target.contains("fieldSelector=type%3DWarning")), "{targets:?}");
    assert!(targets[1].contains("watch=true") && targets[1].contains("resourceVersion=5"), "{targets:?}");
    assert!(targets[2].contains("resourceVersion=7"), "{targets:?}");
}

#[tokio::test]
async fn forbidden_events_are_unknown() {
    let (updates_of_list, seen) = events_of(1, |_, _| Answer::rejection(403, "no")).await;
    assert_eq!(
        (updates_of_list, seen.len()),
        (vec!["unknown: cannot list events in namespace \"n\": no".to_owned()], 1)
    );
    let (updates_of_watch, _) = events_of(2, |number, _| match number {
        0 => list(&[event("a", "pod")]),
        _ => Answer::rejection(403, "no"),
    })
    .await;
    assert_eq!(updates_of_watch, ["a", "unknown: cannot watch events in namespace \"n\": no"]);
}

#[tokio::test]
async fn failed_list_is_reported_once_and_events_stay() {
    let (with_first_error, _) =
        events_of(2, |number, _| if number < 7 { Answer::HangUp } else { list(&[event("a", "pod")]) }).await;
    assert!(with_first_error[0].starts_with("unknown: cannot reach"), "{with_first_error:?}");
    assert_eq!(with_first_error[1], "a");
    let (with_later_error, _) = events_of(3, |number, _| match number {
        0 => list(&[event("a", "pod")]),
        1 => Answer::rejection(410, "too old"),
        2..9 => Answer::HangUp,
        _ => list(&[event("b", "pod")]),
    })
    .await;
    assert_eq!(with_later_error, ["a", "interrupted: a", "b"]);
}

fn none_yet() -> Events {
    Events {
        fields: EventFields::Warnings,
        news: stream::pending().boxed_local(),
        is_awaited: false,
        places: UidIndex::new::<Event>(&[]),
        early: VecDeque::new(),
    }
}

#[test]
fn early_event_is_kept_until_a_relist_adds_its_pod() {
    let mut events = none_yet();
    let mut known = Known::Known(Vec::new());
    for event in [read("a", "gone"), read("b", "stays"), read("c", "new"), read("d", "other")] {
        events.apply(EventUpdate::Changed(Box::new(Change::Added(event))), &mut known, |uid| {
            ["gone", "stays"].contains(&uid)
        });
    }
    assert_eq!(names(&known), ["a", "b"]);
    let mut anew = Known::Known(Vec::new());
    events.resume(known, &mut anew, |uid| ["stays", "new"].contains(&uid));
    assert_eq!(names(&anew), ["b", "c"]);
    events.welcome("other", &mut anew);
    assert_eq!(names(&anew), ["b", "c", "d"]);
}

#[test]
fn event_may_precede_its_pod_and_is_removed_with_it() {
    let mut events = none_yet();
    let mut known = Known::Known(Vec::new());
    let apply = |events: &mut Events, known: &mut Known<Vec<Event>>, change| {
        events.apply(EventUpdate::Changed(Box::new(change)), known, |uid| uid == "old")
    };
    assert!(matches!(apply(&mut events, &mut known, Change::Added(read("a", "new"))), WatchUpdate::Quiet));
    assert!(matches!(apply(&mut events, &mut known, Change::Modified(read("a", "new"))), WatchUpdate::Quiet));
    apply(&mut events, &mut known, Change::Added(read("b", "old")));
    apply(&mut events, &mut known, Change::Added(read("c", "other")));
    assert_eq!(names(&known), ["b"]);
    assert!(known.known().unwrap()[0].metadata.managed_fields.is_none());
    events.welcome("new", &mut known);
    assert_eq!((names(&known), events.early.len()), (vec!["b".to_owned(), "a".to_owned()], 1));
    events.forget("old", &mut known);
    assert_eq!(names(&known), ["a"]);
    // Its index is correct after other events were removed.
    apply(&mut events, &mut known, Change::Deleted(read("a", "new")));
    assert_eq!(names(&known), [""; 0]);
    // The number of events about unknown objects is limited.
    for number in 0..1000 {
        apply(&mut events, &mut known, Change::Added(read(&number.to_string(), "other")));
    }
    assert_eq!((events.early.len(), names(&known).len()), (EARLY, 0));
}
