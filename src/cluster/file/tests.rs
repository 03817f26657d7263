//! Good files in every form, and broken ones.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use super::*;

const NODE: &str = "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"}}";

fn read_text(name: &str, text: &str) -> Result<Facts, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let outcome = read(std::slice::from_ref(&path), Detail::default());
    outcome
        .map(SavedCluster::into_facts)
        .map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
}

fn names(facts: &Facts) -> Vec<&str> {
    facts.nodes.known().unwrap().iter().map(|node| node.metadata.name.as_str()).collect()
}

fn refusal(text: &str) -> String {
    read_text("f", text).err().unwrap_or_else(|| panic!("was read: {text}"))
}

#[test]
fn lists_documents_and_single_objects_are_read_in_json_and_yaml() {
    let list = format!("{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{NODE}]}}");
    let typed = "{\"kind\":\"NodeList\",\"apiVersion\":\"v1\",\"items\":[{\"metadata\":{\"name\":\"n1\"}}]}";
    let yaml = "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n";
    let yaml_list = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata:\n    name: n1\nkind: List\n";
    for text in [NODE, &list, typed, yaml, yaml_list] {
        assert_eq!(names(&read_text("f", text).unwrap()), ["n1"], "{text}");
    }
    let two = format!("{NODE}\n{}", NODE.replace("n1", "n2"));
    assert_eq!(names(&read_text("f", &two).unwrap()), ["n1", "n2"]);
    let two = format!("---\n{yaml}---\n{}", yaml.replace("n1", "n2"));
    assert_eq!(names(&read_text("f", &two).unwrap()), ["n1", "n2"]);
}

#[test]
fn a_folder_is_read_with_all_that_lies_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("nodes.json", "{\"kind\":\"NodeList\",\"apiVersion\":\"v1\",\"items\":[{\"metadata\":{\"name\":\"n1\"}}]}");
    write("kube-system/pods.json", "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":null}");
    write("kube-system/a/logs.txt", "not an object");
    write("more/node.yml", "apiVersion: v1\nkind: Node\nmetadata: {name: n2}\n");
    let facts = read(&[folder.path().to_owned()], Detail::default()).unwrap().into_facts();
    assert_eq!(names(&facts).len(), 2);
    assert_eq!(facts.pods.known().map(Vec::len), Some(0), "an empty list is known to be empty");
    assert!(facts.daemon_sets.missing().unwrap().contains("DaemonSets"));
}

#[test]
fn an_object_that_is_there_twice_counts_once_and_the_last_one_counts() {
    let changed = NODE.replace("\"name\":\"n1\"", "\"name\":\"n1\",\"uid\":\"second\"");
    let facts = read_text("f", &format!("{NODE}{changed}")).unwrap();
    assert_eq!(facts.nodes.known().unwrap().len(), 1);
    assert_eq!(facts.nodes.known().unwrap()[0].metadata.uid, "second");
}

#[test]
fn objects_of_other_kinds_are_counted_and_otherwise_left_alone() {
    let facts = read_text("f", "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"a\":5}}").unwrap();
    assert_eq!(facts.others, 1);
    assert!(facts.nodes.known().is_none());
}

#[test]
fn a_kind_of_the_same_name_in_another_group_is_another_kind() {
    let facts = read_text(
        "f",
        "{\"apiVersion\":\"apps.kruise.io/v1alpha1\",\"kind\":\"DaemonSet\",\"metadata\":{\"name\":\"x\"}}",
    )
    .unwrap();
    assert_eq!(facts.others, 1);
    assert!(facts.daemon_sets.known().is_none());
}

#[test]
fn the_moment_of_saving_is_the_newest_instant_on_record() {
    let pod = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"d\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\",\
        \"deletionTimestamp\":\"2027-01-01T00:00:00Z\"},\"status\":{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"running\":{\"startedAt\":\"2026-01-03T00:00:00Z\"}}}]}}";
    assert_eq!(read_text("f", pod).unwrap().as_of.unwrap().to_string(), "2026-01-03T00:00:00Z");
}

#[test]
fn a_null_is_a_field_that_is_not_there() {
    let json = "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\",\"labels\":null,\"finalizers\":null},\
        \"spec\":{\"taints\":null,\"unschedulable\":null},\"status\":null}";
    assert_eq!(names(&read_text("f", json).unwrap()), ["n1"]);
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  namespace: d\n  labels:\n  ownerReferences:\nspec:\n  nodeName:\n\
        status:\n  conditions:\n  containerStatuses:\n  phase: Running\n";
    assert_eq!(read_text("f", yaml).unwrap().pods.known().unwrap()[0].metadata.name, "p");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_a_folder_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.yaml")).status().unwrap();
    assert!(made.success());
    std::fs::write(folder.path().join("node.json"), NODE).unwrap();
    assert_eq!(names(&read(&[folder.path().to_owned()], Detail::default()).unwrap().into_facts()), ["n1"]);
}

#[test]
fn a_broken_file_is_named_with_its_document_and_its_field() {
    let list = |node: &str| format!("{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{NODE},{node}]}}");
    let broken = NODE.replace("\"name\":\"n1\"", "\"name\":\"n2\",\"creationTimestamp\":\"yesterday\"");
    assert_eq!(
        refusal(&list(&broken)),
        "FILE: document 1: .items[1].metadata.creationTimestamp: not an RFC 3339 time: \"yesterday\""
    );
    let broken = NODE.replace("{\"name\":\"n1\"}", "{\"name\":5}");
    let text = refusal(&format!("{NODE}\n{broken}"));
    assert!(text.starts_with("FILE: document 2: .metadata.name: "), "{text}");
    let text = refusal("apiVersion: v1\nkind: Node\nmetadata:\n  labels: [a]\n");
    assert!(text.starts_with("FILE: document 1: .metadata.labels: "), "{text}");
    let set = "{\"apiVersion\":\"apps/v1\",\"kind\":\"DaemonSet\",\"spec\":{\"selector\":{},\"template\":{\"spec\":{\"containers\":7}}}}";
    let text = refusal(set);
    assert!(text.contains("spec.template.spec.containers"), "{text}");
}

#[test]
fn what_is_no_saved_cluster_is_said_to_be_none() {
    for (text, expected) in [
        ("", "FILE: the file is empty"),
        ("  \n", "FILE: the file is empty"),
        ("{\"a\":1}", "FILE: document 1: not a Kubernetes object: it has no kind"),
        ("hello", "FILE: document 1: not a Kubernetes object"),
        ("- a\n- b\n", "FILE: document 1: not a Kubernetes object"),
    ] {
        assert_eq!(refusal(text), expected, "{text:?}");
    }
    for text in
        ["{", "{\"kind\":\"List\",\"items\":[{}", "a: [", "\u{0}\u{1}", "a: b: c", "{\"kind\":\"List\",\"items\":5}"]
    {
        assert!(refusal(text).starts_with("FILE: document 1: "), "{text:?}: {}", refusal(text));
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(read(&[folder.path().to_owned()], Detail::default()).unwrap_err().to_string().contains("holds no .yaml"));
    let missing = folder.path().join("missing");
    assert!(read(&[missing], Detail::default()).unwrap_err().to_string().contains("no such file or directory"));
    std::fs::write(folder.path().join("b.json"), [0xff, 0xfe]).unwrap();
    assert!(read(&[folder.path().join("b.json")], Detail::default()).unwrap_err().to_string().contains("not UTF-8"));
    let nothing = Path::new(if cfg!(windows) { "NUL" } else { "/dev/null" }).to_owned();
    assert!(read(&[nothing], Detail::default()).unwrap_err().to_string().contains("empty"));
}

#[test]
fn a_deep_or_a_wide_document_is_refused_or_read_and_never_overflows() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read_text("f", &format!("{{\"kind\":\"List\",\"items\":{deep}}}")).is_err());
    assert!(read_text("f", &deep).is_err());
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
        d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
        g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\nkind: [*h,*h,*h,*h,*h,*h,*h,*h,*h]\n";
    assert!(read_text("f", bomb).is_err());
    let wide: String =
        (0..2_000).map(|i| format!("---\napiVersion: v1\nkind: Node\nmetadata: {{name: n{i}}}\n")).collect();
    assert_eq!(names(&read_text("f", &wide).unwrap()).len(), 2_000);
}

#[test]
fn events_of_both_groups_are_read_and_count_once() {
    let core = "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"namespace\":\"d\",\"name\":\"p.1\",\"uid\":\"e\"},\
        \"involvedObject\":{\"kind\":\"Pod\",\"uid\":\"p\"},\"type\":\"Warning\",\"message\":\"words\",\"count\":72,\
        \"lastTimestamp\":\"2026-01-04T00:00:00Z\"}";
    let new = core
        .replace("\"v1\"", "\"events.k8s.io/v1\"")
        .replace("involvedObject", "regarding")
        .replace("message", "note")
        .replace("count", "deprecatedCount")
        .replace("lastTimestamp", "deprecatedLastTimestamp");
    let beta = new.replace("events.k8s.io/v1", "events.k8s.io/v1beta1");
    for text in [core, &new, &beta, &format!("{core}{new}"), &format!("{new}{core}")] {
        let facts = read_text("f", text).unwrap();
        let events = facts.events.known().unwrap();
        assert_eq!(events.len(), 1, "{text}");
        let (count, message, uid) = (events[0].count, &events[0].message, &events[0].involved_object.uid);
        assert_eq!((count, message.as_deref(), uid.as_deref()), (Some(72), Some("words"), Some("p")), "{text}");
        assert_eq!(facts.as_of.unwrap().to_string(), "2026-01-04T00:00:00Z", "the newest instant is the event's");
    }
    let empty = "{\"kind\":\"EventList\",\"apiVersion\":\"events.k8s.io/v1\",\"items\":[]}";
    assert_eq!(read_text("f", empty).unwrap().events.known().map(Vec::len), Some(0));
}
