#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;

use tempfile::TempDir;

use super::*;

/// The manifests of a file, as `kind/name` and place, or the message of the error without its file.
fn read_text(text: &str) -> Result<Vec<(String, String)>, String> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("f.yaml");
    fs::write(&file, text).unwrap();
    match read(std::slice::from_ref(&file), false) {
        Ok(manifests) => Ok(manifests
            .iter()
            .map(|manifest| {
                let place = manifest.place.strip_prefix(&file.display().to_string()).unwrap().trim().to_owned();
                (format!("{}/{}", manifest.kind(), manifest.name()), place)
            })
            .collect()),
        Err(Error::File { message, .. }) => Err(message),
        Err(error) => panic!("{error}"),
    }
}

fn found(kind: &str, place: &str) -> (String, String) {
    (kind.to_owned(), place.to_owned())
}

#[test]
fn documents_of_helm_and_kustomize_are_read() {
    let text = "---\n# Source: chart/templates/empty.yaml\n---\n# Source: chart/templates/a.yaml\n\
        apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a\n  annotations: {\"helm.sh/hook\": pre-install}\n\
        ---\n\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: c}\n\
        spec: {names: {}, items: 1}\nitems: x\n...\n---\nnull\n---\n{apiVersion: v1, kind: Pod, metadata: {name: p}}\n";
    let expected = [
        found("ServiceAccount/a", "(document 2)"),
        found("CustomResourceDefinition/c", "(document 4)"),
        found("Pod/p", "(document 6)"),
    ];
    assert_eq!(read_text(text).unwrap(), expected);
}

#[test]
fn lists_are_flattened() {
    let yaml = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n\
        - apiVersion: v1\n  kind: List\n  items: [{apiVersion: v1, kind: Pod, metadata: {name: b}}]\n";
    let expected = [found("Pod/a", "(document 1.items[0])"), found("Pod/b", "(document 1.items[1].items[0])")];
    assert_eq!(read_text(yaml).unwrap(), expected);
    let json = r#"{"kind":"List","apiVersion":"v1","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}},
        {"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"}}]}]}"#;
    assert_eq!(read_text(json).unwrap(), expected);
    // The items of a typed list have its kind.
    let typed = "items: [{metadata: {name: a}}, {kind: Pod, apiVersion: v1, metadata: {name: b}}]\n\
        kind: DaemonSetList\napiVersion: apps/v1\n";
    let expected = [found("DaemonSet/a", "(document 1.items[0])"), found("Pod/b", "(document 1.items[1])")];
    assert_eq!(read_text(typed).unwrap(), expected);
    assert_eq!(read_text(r#"{"kind":"List","apiVersion":"v1","items":[]}"#).unwrap_err(), "contains no objects");
}

#[test]
fn json_documents_need_no_separator() {
    let text = "{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}\n{\"kind\":\"Node\",\"apiVersion\":\"v1\"}";
    assert_eq!(read_text(text).unwrap(), [found("Pod/", "(document 1)"), found("Node/", "(document 2)")]);
}

#[test]
fn document_that_is_no_object_is_named() {
    for (text, message) in [
        ("a: 1\n", "document 1: not a Kubernetes object: kind is missing"),
        ("kind: Pod\n", "document 1: not a Kubernetes object: apiVersion is missing"),
        ("kind: Pod\napiVersion: v1\n---\nNOTES\n", "document 2: not a Kubernetes object"),
        ("kind: List\napiVersion: v1\nitems: [1]\n", "document 1: .items[0]: not a Kubernetes object"),
        ("kind: 1\napiVersion: v1\n", "document 1: not a Kubernetes object: kind is missing"),
        ("\n# only a comment\n", "contains no objects"),
        ("", "contains no objects"),
    ] {
        assert_eq!(read_text(text).unwrap_err(), message, "{text}");
    }
    assert!(read_text("a: [\n").unwrap_err().starts_with("document 1: not YAML: "));
    assert!(read_text("{\"kind\": \"Pod\"").unwrap_err().starts_with("document 1: not YAML: "));
}

#[test]
fn scalars_have_the_type_that_kubectl_reads() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("f");
    fs::write(&file, "kind: Pod\napiVersion: v1\nmetadata: {labels: {a: 1, b: yes, c: '1', d: 0.50}}\n").unwrap();
    let manifests = read(&[file], false).unwrap();
    assert_eq!(manifests[0].value["metadata"]["labels"].to_string(), r#"{"a":1,"b":true,"c":"1","d":0.5}"#);
}

#[test]
fn directory_is_read_in_the_order_of_its_files() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("sub")).unwrap();
    for name in ["b.yml", "a.json", "sub/c.yaml", "c.yaml", "notes.txt"] {
        fs::write(path(name), format!("{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":{name:?}}}}}"))
            .unwrap();
    }
    let names = |recursive| {
        let manifests = read(&[folder.path().to_owned()], recursive).unwrap();
        manifests.iter().map(|manifest| manifest.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(false), ["a.json", "b.yml", "c.yaml"]);
    assert_eq!(names(true), ["a.json", "b.yml", "c.yaml", "sub/c.yaml"]);
    // A file that is an argument needs no extension.
    assert_eq!(read(&[path("notes.txt")], false).unwrap().len(), 1);
    let empty = TempDir::new().unwrap();
    let error = read(&[empty.path().to_owned()], true).unwrap_err().to_string();
    assert!(error.ends_with("the directory contains no .yaml, .yml or .json file"), "{error}");
}

#[cfg(unix)]
#[test]
fn directory_with_a_pipe_or_circular_link_ends() {
    let folder = TempDir::new().unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("endless.yaml")).unwrap();
    fs::write(folder.path().join("a.yaml"), "kind: Pod\napiVersion: v1\n").unwrap();
    assert_eq!(read(&[folder.path().to_owned()], true).unwrap().len(), 1);
}

#[cfg(unix)]
#[test]
fn endless_file_is_an_error() {
    let error = read(&["/dev/zero".into()], false).unwrap_err().to_string();
    assert_eq!(error, "/dev/zero: larger than 67108864 bytes");
}

#[test]
fn object_larger_than_the_server_allows_is_an_error() {
    let large = "x".repeat(OBJECT_LIMIT);
    let text = format!("{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"a\":{large:?}}}");
    assert_eq!(read_text(&text).unwrap_err(), "document 1: an object is larger than any object in a cluster");
    let aliases = (1..9).map(|n| format!("a{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(9))).collect::<String>();
    let text = format!("kind: Pod\napiVersion: v1\na0: &a0 [x,x,x,x,x,x,x,x,x]\n{aliases}");
    assert!(read_text(&text).unwrap_err().contains("the aliases expand"), "a billion laughs");
}

#[test]
fn url_and_second_standard_input_are_usage_errors() {
    let error = read(&["https://example.com/a.yaml".into()], false).unwrap_err();
    assert_eq!(error.to_string(), "https://example.com/a.yaml: cannot read manifests from a URL");
    assert!(matches!(error, Error::Usage { .. }));
    assert!(error.hint().contains("curl -fsSL URL | "), "{}", error.hint());
}
