//! Valid files in every supported format, and invalid ones.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use super::saved_cluster::SavedCluster;
use super::*;

const NODE: &str = "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"}}";

fn read_text(name: &str, text: &str) -> Result<SavedObjects, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let outcome = read(std::slice::from_ref(&path), Detail::default());
    outcome
        .map(SavedCluster::into_objects)
        .map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
}

fn names(cluster_objects: &SavedObjects) -> Vec<&str> {
    cluster_objects.nodes.known().unwrap().iter().map(|node| node.metadata.name.as_str()).collect()
}

fn rejection(text: &str) -> String {
    read_text("f", text).err().unwrap_or_else(|| panic!("was read: {text}"))
}

#[test]
fn lists_documents_and_objects_are_read_in_json_and_yaml() {
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
fn directory_is_read_recursively() {
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
    let cluster_objects = read(&[folder.path().to_owned()], Detail::default()).unwrap().into_objects();
    assert_eq!(names(&cluster_objects).len(), 2);
    assert_eq!(cluster_objects.pods.known().map(Vec::len), Some(0), "an empty list is known to be empty");
    assert!(cluster_objects.daemon_sets.missing().unwrap().to_string().contains("DaemonSets"));
}

#[test]
fn duplicate_object_counts_once_and_the_last_is_used() {
    let changed = NODE.replace("\"name\":\"n1\"", "\"name\":\"n1\",\"uid\":\"second\"");
    let cluster_objects = read_text("f", &format!("{NODE}{changed}")).unwrap();
    assert_eq!(cluster_objects.nodes.known().unwrap().len(), 1);
    assert_eq!(cluster_objects.nodes.known().unwrap()[0].metadata.uid, "second");
}

#[test]
fn objects_of_other_kinds_are_only_counted() {
    let cluster_objects = read_text("f", "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"a\":5}}").unwrap();
    assert_eq!(cluster_objects.others, 1);
    assert!(cluster_objects.nodes.known().is_none());
}

#[test]
fn same_kind_in_another_group_is_another_kind() {
    let cluster_objects = read_text(
        "f",
        "{\"apiVersion\":\"apps.kruise.io/v1alpha1\",\"kind\":\"DaemonSet\",\"metadata\":{\"name\":\"x\"}}",
    )
    .unwrap();
    assert_eq!(cluster_objects.others, 1);
    assert!(cluster_objects.daemon_sets.known().is_none());
}

#[test]
fn save_time_is_the_latest_timestamp() {
    let pod = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"d\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\",\
        \"deletionTimestamp\":\"2027-01-01T00:00:00Z\"},\"status\":{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"running\":{\"startedAt\":\"2026-01-03T00:00:00Z\"}}}]}}";
    assert_eq!(read_text("f", pod).unwrap().as_of.unwrap().to_string(), "2026-01-03T00:00:00Z");
}

#[test]
fn null_field_counts_as_missing() {
    let json = "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\",\"labels\":null,\"finalizers\":null},\
        \"spec\":{\"taints\":null,\"unschedulable\":null},\"status\":null}";
    assert_eq!(names(&read_text("f", json).unwrap()), ["n1"]);
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  namespace: d\n  labels:\n  ownerReferences:\nspec:\n  nodeName:\n\
        status:\n  conditions:\n  containerStatuses:\n  phase: Running\n";
    assert_eq!(read_text("f", yaml).unwrap().pods.known().unwrap()[0].metadata.name, "p");
}

#[cfg(unix)]
#[test]
fn pipe_in_a_directory_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let created = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.yaml")).status().unwrap();
    assert!(created.success());
    std::fs::write(folder.path().join("node.json"), NODE).unwrap();
    assert_eq!(names(&read(&[folder.path().to_owned()], Detail::default()).unwrap().into_objects()), ["n1"]);
}

#[test]
fn invalid_file_error_names_document_and_field() {
    let list = |node: &str| format!("{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{NODE},{node}]}}");
    let broken = NODE.replace("\"name\":\"n1\"", "\"name\":\"n2\",\"finalizers\":\"a\"");
    let text = rejection(&list(&broken));
    assert!(text.starts_with("FILE: document 1: .items[1].metadata.finalizers: "), "{text}");
    let broken = NODE.replace("{\"name\":\"n1\"}", "{\"name\":5}");
    let text = rejection(&format!("{NODE}\n{broken}"));
    assert!(text.starts_with("FILE: document 2: .metadata.name: "), "{text}");
    let text = rejection("apiVersion: v1\nkind: Node\nmetadata:\n  labels: [a]\n");
    assert!(text.starts_with("FILE: document 1: .metadata.labels: "), "{text}");
    let set = "{\"apiVersion\":\"apps/v1\",\"kind\":\"DaemonSet\",\"spec\":{\"selector\":{},\"template\":{\"spec\":{\"containers\":7}}}}";
    let text = rejection(set);
    assert!(text.contains("spec.template.spec.containers"), "{text}");
}

#[test]
fn text_without_objects_is_an_error() {
    for (text, expected) in [
        ("", "FILE: the file is empty"),
        ("  \n", "FILE: the file is empty"),
        ("{\"a\":1}", "FILE: document 1: not a Kubernetes object: kind is missing"),
        ("hello", "FILE: document 1: not a Kubernetes object"),
        ("- a\n- b\n", "FILE: document 1: .items[0]: not a Kubernetes object"),
    ] {
        assert_eq!(rejection(text), expected, "{text:?}");
    }
    for text in
        ["{", "{\"kind\":\"List\",\"items\":[{}", "a: [", "\u{0}\u{1}", "a: b: c", "{\"kind\":\"List\",\"items\":5}"]
    {
        assert!(rejection(text).starts_with("FILE: document 1: "), "{text:?}: {}", rejection(text));
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(
        read(&[folder.path().to_owned()], Detail::default()).unwrap_err().to_string().contains("no .yaml, .yml, .json")
    );
    let missing = folder.path().join("missing");
    assert!(read(&[missing], Detail::default()).unwrap_err().to_string().contains("no such file or directory"));
    std::fs::write(folder.path().join("b.json"), [0xff, 0xfe]).unwrap();
    assert!(read(&[folder.path().join("b.json")], Detail::default()).unwrap_err().to_string().contains("not UTF-8"));
    let nothing = Path::new(if cfg!(windows) { "NUL" } else { "/dev/null" }).to_owned();
    assert!(read(&[nothing], Detail::default()).unwrap_err().to_string().contains("empty"));
}

#[test]
fn deep_or_wide_document_never_overflows() {
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
        let cluster_objects = read_text("f", text).unwrap();
        let events = cluster_objects.events.known().unwrap();
        assert_eq!(events.len(), 1, "{text}");
        let (count, message, uid) = (events[0].count, &events[0].message, &events[0].involved_object.uid);
        assert_eq!((count, message.as_deref(), uid.as_deref()), (Some(72), Some("words"), Some("p")), "{text}");
        assert_eq!(
            cluster_objects.as_of.unwrap().to_string(),
            "2026-01-04T00:00:00Z",
            "the latest timestamp is the event's"
        );
    }
    let empty = "{\"kind\":\"EventList\",\"apiVersion\":\"events.k8s.io/v1\",\"items\":[]}";
    assert_eq!(read_text("f", empty).unwrap().events.known().map(Vec::len), Some(0));
}

/// Reads a directory with these files.
fn read_tree(files: &[(&str, &[u8])]) -> SavedObjects {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let mut cluster_objects = read(&[folder.path().to_owned()], Detail::Scheduling).unwrap().into_objects();
    for note in &mut cluster_objects.notes {
        *note = note.replace(&format!("{}/", folder.path().display()), "");
    }
    cluster_objects
}

#[test]
fn files_without_objects_are_skipped_with_one_note() {
    let cluster_objects = read_tree(&[
        ("analysis.json", b"[{\"name\":\"all.nodes\"}]"),
        ("auth-cani-list/default.json", b"{\"spec\":{},\"kind\":5}"),
        ("b/empty.yaml", b""),
        ("b/latin.yaml", b"a: \xff"),
        ("b/text.yml", b"hello: [world"),
        ("nodes.json", NODE.as_bytes()),
        ("pods-errors.json", b"{\"default\":\"forbidden\"}"),
        ("statefulsets-errors.json/default.json", b"[\"a\"]"),
    ]);
    assert_eq!(names(&cluster_objects), ["n1"]);
    assert_eq!(cluster_objects.notes, ["7 files without Kubernetes objects skipped, such as analysis.json"]);
}

#[test]
fn invalid_file_in_a_directory_makes_its_kind_unknown() {
    let pod = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"d\"}}";
    let cut = format!("{{\"apiVersion\":\"v1\",\"items\":[{pod},{{\"apiVersion\":\"v1\",\"ki");
    for (name, bytes) in
        [("a/all.json", cut.as_bytes()), ("pods.json", &b""[..]), ("core_v1_pods.json", &b"\xff\xfe"[..])]
    {
        let cluster_objects =
            read_tree(&[("nodes.json", NODE.as_bytes()), (name, bytes), ("p/x.json", pod.as_bytes())]);
        assert!(cluster_objects.pods.missing().unwrap().to_string().contains(name), "{:?}", cluster_objects.pods);
        assert!(cluster_objects.scheduling_pods.known().is_none());
        assert_eq!(names(&cluster_objects), ["n1"]);
        assert!(cluster_objects.notes[0].starts_with(&format!("{name}: ")), "{:?}", cluster_objects.notes);
    }
}

#[test]
fn lists_without_kind_are_read_by_item_or_file_name() {
    let named = format!("[{NODE}]");
    let cluster_objects = read_tree(&[
        ("a.json", named.as_bytes()),
        ("custom.yaml", b"- apiVersion: v1\n  kind: Node\n  metadata: {name: n2}\n"),
        ("nodes.json", b"[{\"metadata\":{\"name\":\"n3\"}}]"),
    ]);
    assert_eq!(names(&cluster_objects), ["n1", "n2", "n3"]);
    assert!(cluster_objects.notes.is_empty());
}

#[test]
fn invalid_timestamp_removes_only_its_field() {
    let event = "apiVersion: v1\nkind: Event\nmetadata: {name: e, namespace: d, creationTimestamp: \"null\"}\n\
        eventTime: \"null\"\nfirstTimestamp: \"\"\nlastTimestamp: yesterday\nreason: x\ninvolvedObject: {}\n";
    let cluster_objects = read_text("f", event).unwrap();
    let events = cluster_objects.events.known().unwrap();
    assert_eq!((events[0].reason.as_deref(), &events[0].last_timestamp), (Some("x"), &None));
    assert_eq!(cluster_objects.notes, ["ignored 1 invalid timestamp in the files"]);
    let pod = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"creationTimestamp\":\"null\"},\
        \"spec\":{\"priority\":2.000001e+09}}";
    assert_eq!(read_text("f", pod).unwrap().pods.known().unwrap()[0].metadata.creation_timestamp, None);
}

#[test]
fn yaml_numbers_are_text_in_text_fields() {
    let node =
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: 12\n  labels: {a: 894e2526, b: 1e3, c: yes, d: 0x10, e: 1_0}\n";
    let cluster_objects = read_text("f", node).unwrap();
    let metadata = &cluster_objects.nodes.known().unwrap()[0].metadata;
    let labels: Vec<&str> = metadata.labels.values().map(|value| &**value).collect();
    assert_eq!((&*metadata.name, labels), ("12", vec!["894e2526", "1e3", "yes", "0x10", "1_0"]));
}

#[test]
fn aliases_are_read_up_to_a_limit() {
    let small = "apiVersion: v1\nkind: Node\nmetadata: &m {name: n1, labels: &l {a: b}}\nspec: *l\n";
    assert_eq!(names(&read_text("f", small).unwrap()), ["n1"]);
    let big = "x".repeat(300_000);
    let items = "- *a\n".repeat(20_000);
    let text = rejection(&format!("kind: List\na: &a {big}\nitems:\n{items}"));
    assert!(text.ends_with("the aliases expand to many times the size of the file"), "{text}");
    assert!(rejection("kind: &a [*a]").contains("alias"));
}

#[test]
fn object_above_the_size_limit_is_rejected() {
    let maps = "{},".repeat(300_000);
    let pod = format!("{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{{\"containers\":[{maps}{{}}]}}}}");
    for text in [pod.clone(), pod.replacen('{', "---\n{", 1)] {
        assert!(rejection(&text).ends_with("larger than any object in a cluster"), "{}", rejection(&text));
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn archives_are_read_one_level_deep() {
    let long = format!("{}/nodes.json", "folder/".repeat(30));
    let inner = tar(&[(&long, NODE.as_bytes())]);
    let n2 = gzip(NODE.replace("n1", "n2").as_bytes());
    let outer = gzip(&tar(&[("a/inner.tar", &inner), ("n.json.gz", &n2), ("log.txt", b"x"), ("x.json", b"{")]));
    let cluster_objects = read_tree(&[("bundle.tgz", &outer)]);
    assert_eq!(names(&cluster_objects), ["n1", "n2"]);
    assert_eq!(cluster_objects.notes, ["1 file skipped: bundle.tgz/x.json contains no Kubernetes objects"]);
    let deeper = tar(&[("b.tar", &tar(&[("c.tar", &tar(&[("d.tar", &inner)]))]))]);
    let cluster_objects = read_tree(&[("a.tar", &deeper), ("n.json", NODE.as_bytes())]);
    assert!(cluster_objects.notes[0].contains("archives are nested too deeply"), "{:?}", cluster_objects.notes);
}

#[test]
fn archive_that_expands_too_much_is_rejected() {
    let bomb = gzip(&vec![b' '; 40 << 20]);
    for name in ["a.json.gz", "a.tar.gz"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let bytes = if name == "a.tar.gz" { gzip(&tar(&[("a.json", &vec![b' '; 40 << 20])])) } else { bomb.clone() };
        std::fs::write(&path, bytes).unwrap();
        let error = read(&[path], Detail::default()).unwrap_err().to_string();
        assert!(error.contains("expands beyond the limit"), "{error}");
    }
}

#[test]
fn dump_stream_is_read_without_its_logs() {
    let words = "c of pod d/p ====";
    let log = format!("==== START logs for container {words}\n{{\"a\": }}\n==== END logs for container {words}\n");
    for (first, second) in [
        (format!("{NODE}\n"), NODE.replace("n1", "n2")),
        ("apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n".into(), "---\nkind: Node\nmetadata: {name: n2}\n".into()),
    ] {
        assert_eq!(names(&read_text("f", &format!("{first}{log}{log}{second}")).unwrap()), ["n1", "n2"]);
    }
}

#[test]
fn yaml_1_1_line_breaks_in_scalars_are_read() {
    let node = |label: &str| format!("kind: Node\nmetadata:\n  name: n1\n  labels:\n    a: {label}\n    b: c\n");
    for (written, expected) in [
        ("'x\u{2028}      y'", "x\u{2028}y"),
        ("|2-\n\u{2028}      y", "\u{2028}y"),
        ("|-\n      x\n\u{2028}      y", "x\n\u{2028}y"),
    ] {
        let cluster_objects = read_text("f", &node(written)).unwrap();
        assert_eq!(
            cluster_objects.nodes.known().unwrap()[0].metadata.labels.get("a").map(|text| &**text),
            Some(expected),
            "{written:?}"
        );
    }
    let ends_with_one = "kind: Node\nmetadata:\n  name: n1\n  labels:\n    a: |+\n      x\n\u{2028}    b: c\n";
    assert_eq!(names(&read_text("f", ends_with_one).unwrap()), ["n1"]);
}

#[test]
fn damaged_archive_in_a_directory_is_named() {
    let whole = gzip(NODE.repeat(50).as_bytes());
    let cluster_objects =
        read_tree(&[("all.json.gz", &whole[..whole.len() / 2]), ("b.zip", b"PK"), ("n.json", NODE.as_bytes())]);
    assert!(cluster_objects.notes[0].starts_with("all.json.gz: cannot unpack: "), "{:?}", cluster_objects.notes);
    assert!(cluster_objects.notes[1].starts_with("b.zip: cannot unpack: "), "{:?}", cluster_objects.notes);
}

#[test]
fn file_above_the_size_limit_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    std::fs::File::create(&path).unwrap().set_len(5 << 30).unwrap();
    let error = read(&[path], Detail::default()).unwrap_err().to_string();
    assert!(error.ends_with("larger than 4 GiB"), "{error}");
}
