//! The shop cluster in the layouts of several support tools, compressed and uncompressed: the computed counts equal the
//! DaemonSets' own `.status`, as they do for kubectl's single file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// The files of a tree: paths and texts.
type Tree = BTreeMap<String, Vec<u8>>;

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    command.args(arguments).env("KUBECONFIG", "/nonexistent/kubeconfig").env("HOME", "/nonexistent").output().unwrap()
}

fn objects() -> Vec<Value> {
    let text = std::fs::read_to_string("tests/fixtures/shop/cluster.yaml").unwrap();
    let list: Value = serde_saphyr::from_str(&text).unwrap();
    list["items"].as_array().unwrap().clone()
}

fn text<'v>(object: &'v Value, path: &str) -> &'v str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The plural of a kind in file names.
fn plural(object: &Value) -> String {
    format!("{}s", text(object, "/kind").to_lowercase())
}

/// The objects by namespace (empty for cluster-scoped ones) and kind.
fn by_place(objects: &[Value]) -> BTreeMap<(String, String), Vec<Value>> {
    let mut places: BTreeMap<_, Vec<Value>> = BTreeMap::new();
    for object in objects {
        let place = (text(object, "/metadata/namespace").to_owned(), plural(object));
        places.entry(place).or_default().push(object.clone());
    }
    places
}

fn list_of(objects: &[Value]) -> Value {
    let (kind, version) = (text(&objects[0], "/kind"), text(&objects[0], "/apiVersion"));
    json!({ "kind": format!("{kind}List"), "apiVersion": version, "metadata": { "resourceVersion": "1" }, "items": objects })
}

fn json_bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap()
}

fn yaml_bytes(value: &Value) -> Vec<u8> {
    serde_saphyr::to_string(value).unwrap().into_bytes()
}

fn group(object: &Value) -> &str {
    text(object, "/apiVersion").split_once('/').map_or("core", |(group, _)| group)
}

/// OpenShift's `oc adm must-gather`: one list per kind and namespace; one file per cluster-scoped object.
fn must_gather() -> Tree {
    let mut tree = Tree::from([
        ("quay-io-x/etcd_info/alarm_list.json".into(), b"{\"header\":{}}".to_vec()),
        ("quay-io-x/version".into(), b"4.9.0".to_vec()),
        ("quay-io-x/static-pods/empty.yaml".into(), Vec::new()),
    ]);
    for ((namespace, plural), objects) in by_place(&objects()) {
        if namespace.is_empty() {
            for object in &objects {
                let name = text(object, "/metadata/name");
                let path = format!("quay-io-x/cluster-scoped-resources/{}/{plural}/{name}.yaml", group(object));
                tree.insert(path, [b"---\n".to_vec(), yaml_bytes(object)].concat());
            }
        } else {
            let path = format!("quay-io-x/namespaces/{namespace}/{}/{plural}.yaml", group(&objects[0]));
            tree.insert(path, [b"---\n".to_vec(), yaml_bytes(&list_of(&objects))].concat());
        }
    }
    tree
}

/// Replicated's troubleshoot.sh: one JSON list per kind and namespace, and unrelated JSON files.
fn troubleshoot() -> Tree {
    let mut tree = Tree::from([
        ("bundle/analysis.json".into(), b"[{\"name\":\"all.nodes\",\"insight\":{}}]".to_vec()),
        ("bundle/version.yaml".into(), b"apiVersion: troubleshoot.sh/v1beta2\nkind: SupportBundle\n".to_vec()),
        (
            "bundle/cluster-resources/auth-cani-list/default.json".into(),
            b"{\"status\":{\"resourceRules\":[]}}".to_vec(),
        ),
        ("bundle/cluster-resources/pods-errors.json".into(), b"{\"x\":\"forbidden\"}".to_vec()),
        ("bundle/cluster-resources/statefulsets-errors.json/default.json".into(), b"[\"forbidden\"]".to_vec()),
    ]);
    for ((namespace, plural), objects) in by_place(&objects()) {
        let below = if namespace.is_empty() { format!("{plural}.json") } else { format!("{plural}/{namespace}.json") };
        tree.insert(format!("bundle/cluster-resources/{below}"), json_bytes(&list_of(&objects)));
    }
    tree
}

/// Rancher's support-bundle-kit (Rancher, Longhorn, Harvester): YAML lists, `"null"` for unset timestamps, floats for
/// integers.
fn rancher() -> Tree {
    fn spoil(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let is_time = key.ends_with("Time") || key.ends_with("Timestamp");
                    if is_time && value.is_null() { *value = "null".into() } else { spoil(value) }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(spoil),
            _ => {}
        }
    }
    let mut tree = Tree::from([
        ("bundle/metadata.yaml".into(), b"projectName: \"\"\nbundleVersion: 0.1.0\n".to_vec()),
        ("bundle/bundleGenerationError.log".into(), Vec::new()),
    ]);
    for ((namespace, plural), mut objects) in by_place(&objects()) {
        for object in &mut objects {
            object["metadata"]["deletionTimestamp"] = object["metadata"]["deletionTimestamp"].take();
            if plural == "events" {
                object["eventTime"] = Value::Null;
            }
            spoil(object);
        }
        let place = if namespace.is_empty() { "cluster".to_owned() } else { format!("namespaced/{namespace}") };
        let version = text(&objects[0], "/apiVersion").to_owned();
        let list = json!({ "apiVersion": version, "items": objects, "kind": "List" });
        let yaml = String::from_utf8(yaml_bytes(&list)).unwrap();
        let yaml = yaml.replace("priority: 2000001000", "priority: 2.000001e+09");
        tree.insert(format!("bundle/yamls/{place}/{version}/{plural}.yaml"), yaml.into_bytes());
    }
    tree
}

/// VMware's sonobuoy: one JSON list per group, version and kind.
fn sonobuoy() -> Tree {
    let mut tree = Tree::from([
        ("hosts/n1/configz.json".into(), b"{\"kubeletconfig\":{\"a\":1}}".to_vec()),
        ("hosts/n1/healthz.json".into(), b"{\"status\":200}".to_vec()),
        ("meta/config.json".into(), b"{\"Description\":\"DEFAULT\"}".to_vec()),
        ("podlogs/x/y/logs/z.txt".into(), b"{".to_vec()),
    ]);
    for ((namespace, plural), objects) in by_place(&objects()) {
        let place = if namespace.is_empty() { "cluster".to_owned() } else { format!("ns/{namespace}") };
        let version = text(&objects[0], "/apiVersion").replace('/', "_");
        let version = if version == "v1" { "core_v1".to_owned() } else { version };
        tree.insert(format!("resources/{place}/{version}_{plural}.json"), json_bytes(&list_of(&objects)));
    }
    tree
}

/// A velero backup: one file per object, twice.
fn velero() -> Tree {
    let mut tree = Tree::from([("metadata/version".into(), b"1.1.0".to_vec())]);
    for object in objects() {
        let (namespace, name) = (text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
        let resource = match group(&object) {
            "core" => plural(&object),
            group => format!("{}.{group}", plural(&object)),
        };
        let place = if namespace.is_empty() { "cluster".to_owned() } else { format!("namespaces/{namespace}") };
        for version in ["", "v1-preferredversion/"] {
            tree.insert(format!("resources/{resource}/{version}{place}/{name}.json"), json_bytes(&object));
        }
    }
    tree
}

/// crust-gather: one YAML file per object, and logs.
fn crust_gather() -> Tree {
    let mut tree = Tree::from([("namespaces/x/v1/pod/p/c/current.log".into(), b"{".to_vec())]);
    for object in objects() {
        let (namespace, name) = (text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
        let version = text(&object, "/apiVersion").replace('/', "-");
        let kind = text(&object, "/kind").to_lowercase();
        let place = if namespace.is_empty() { "cluster".to_owned() } else { format!("namespaces/{namespace}") };
        tree.insert(format!("{place}/{version}/{kind}/{name}.yaml"), yaml_bytes(&object));
    }
    tree
}

fn write_tree(tree: &Tree, folder: &Path) {
    for (name, bytes) in tree {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn write_archives(tree: &Tree, folder: &Path) -> Vec<PathBuf> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in tree {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes.as_slice()).unwrap();
        zip.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    let (tar, zip) = (tar.into_inner().unwrap(), zip.finish().unwrap().into_inner());
    let archives = [("a.tar.gz", gzip(&tar)), ("a.tar", tar), ("a.zip", zip)];
    archives
        .into_iter()
        .map(|(name, bytes)| {
            let path = folder.join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .collect()
}

/// Name, desired, current, ready and misscheduled of each DaemonSet.
type Counts = BTreeMap<String, [Option<u64>; 4]>;

fn computed(source: &Path) -> Counts {
    let output = run(&["coverage", "-A", "-o", "json", "--from", source.to_str().unwrap()]);
    let error = String::from_utf8_lossy(&output.stderr);
    let answer: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}: {error}", source.display()));
    assert!(!error.contains("error:"), "{error}");
    let rows = answer["daemonSets"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let counts = |row: &Value| ["desired", "current", "ready", "misscheduled"].map(|field| row[field].as_u64());
    rows.iter().map(|row| (format!("{}/{}", text(row, "/namespace"), text(row, "/name")), counts(row))).collect()
}

fn status() -> Counts {
    let objects = objects();
    let sets = objects.iter().filter(|object| text(object, "/kind") == "DaemonSet");
    let counts = |set: &Value| {
        ["desiredNumberScheduled", "currentNumberScheduled", "numberReady", "numberMisscheduled"]
            .map(|field| Some(set["status"][field].as_u64().unwrap_or_default()))
    };
    sets.map(|set| (format!("{}/{}", text(set, "/metadata/namespace"), text(set, "/metadata/name")), counts(set)))
        .collect()
}

#[test]
fn support_tool_layouts_give_the_counts_of_status() {
    let expected = computed(Path::new("tests/fixtures/shop/cluster.yaml"));
    let mut status = status();
    // The status of this DaemonSet was stale when the cluster was saved, on purpose.
    assert_eq!(status.remove("storage/csi-node"), Some([9, 7, 7, 0].map(Some)));
    assert_eq!(status.len(), 6);
    assert!(status.iter().all(|(name, counts)| expected[name] == *counts), "{expected:?} {status:?}");
    for (tool, tree) in [
        ("must-gather", must_gather()),
        ("troubleshoot", troubleshoot()),
        ("rancher", rancher()),
        ("sonobuoy", sonobuoy()),
        ("velero", velero()),
        ("crust-gather", crust_gather()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("tree");
        write_tree(&tree, &plain);
        let packed: Tree = tree.iter().map(|(name, bytes)| (format!("{name}.gz"), gzip(bytes))).collect();
        let compressed = folder.path().join("compressed");
        write_tree(&packed, &compressed);
        for source in [vec![plain, compressed], write_archives(&tree, folder.path())].concat() {
            assert_eq!(computed(&source), expected, "{tool}: {}", source.display());
        }
    }
}

/// On Linux, a limit on the address space makes a file that needs too much memory fail.
#[cfg(target_os = "linux")]
#[test]
fn hostile_files_stay_within_a_memory_limit() {
    const LIMIT_KIB: u64 = 400 << 10;
    let folder = tempfile::tempdir().unwrap();
    let node = "apiVersion: v1\nkind: Node\nmetadata: {name: n}\n";
    let bomb: String = (0..60_000).map(|i| format!("- *x{}\n", i % 2)).collect();
    let big = "y".repeat(60_000);
    let nested: String = (1..40).map(|i| format!("x{i}: &x{i} [*x{},*x{}]\n", i - 1, i - 1)).collect();
    let hostile = [
        ("aliases.yaml", format!("x: &x0 {big}\ny: &x1 {big}\nkind: List\nitems:\n{bomb}")),
        ("nested.yaml", format!("x0: &x0 {big}\n{nested}kind: Node\n")),
        ("flow.yaml", format!("kind: Node\nspec: [{}]\n", "{a: },".repeat(600_000))),
        ("deep.json", "[".repeat(3_000_000)),
        ("deep.yaml", "- ".repeat(500_000)),
        (
            "maps.json",
            format!("{{\"kind\":\"DaemonSet\",\"apiVersion\":\"apps/v1\",\"spec\":[{}{{}}]}}", "{},".repeat(1_000_000)),
        ),
        ("key.yaml", format!("{}: 1\n", "k".repeat(3_000_000))),
        ("scalar.yaml", format!("{node}spec: {}\n", "s".repeat(3_000_000))),
        ("documents.yaml", format!("---\n{node}").repeat(50_000)),
        ("twice.json", format!("{{\"kind\":\"Node\",{}\"apiVersion\":\"v1\"}}", "\"a\":[1],".repeat(300_000))),
    ];
    for (name, text) in hostile {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let script = format!("ulimit -v {LIMIT_KIB} && exec \"$0\" coverage --from \"$1\"");
        let output = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_kubectl-ds"), path.to_str().unwrap()])
            .env("KUBECONFIG", "/nonexistent/kubeconfig")
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some_and(|code| code < 3), "{name}: {:?} {error}", output.status);
        assert!(error.starts_with("error: "), "{name}: {error}");
    }
}

/// `kubectl cluster-info dump --output-directory` for these namespaces (by default only `default` and `kube-system`).
fn dump_of(namespaces: &[&str]) -> Tree {
    let mut tree = Tree::new();
    for ((namespace, plural), objects) in by_place(&objects()) {
        if namespace.is_empty() {
            tree.insert(format!("{plural}.json"), json_bytes(&list_of(&objects)));
        } else if namespaces.contains(&namespace.as_str()) {
            tree.insert(format!("{namespace}/{plural}.json"), json_bytes(&list_of(&objects)));
        }
    }
    tree
}

#[test]
fn dump_of_one_namespace_makes_pod_counts_unknown() {
    let why_not = |source: &Path| {
        let arguments =
            ["why-not", "worker-a1", "csi-node", "-n", "storage", "-o", "json", "--from", source.to_str().unwrap()];
        String::from_utf8(run(&arguments).stdout).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let (partial, whole) = (folder.path().join("partial"), folder.path().join("whole"));
    write_tree(&dump_of(&["storage"]), &partial);
    let everywhere = ["default", "gpu", "kube-system", "logging", "monitoring", "security", "storage"];
    let mut tree = dump_of(&everywhere);
    let spaces: Vec<Value> = everywhere
        .iter()
        .map(|name| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }))
        .collect();
    tree.insert("namespaces.json".into(), json_bytes(&list_of(&spaces)));
    write_tree(&tree, &whole);
    let words = "the files contain pods of storage only";
    let (answer, of_all) = (why_not(&partial), why_not(&whole));
    assert!(answer.contains(words), "{answer}");
    assert!(!of_all.contains("the files hold pods of"), "{of_all}");
    // The pods of the monitoring DaemonSet were not saved, so they must not count as missing.
    let tree = dump_of(&["storage", "monitoring"]).into_iter().filter(|(name, _)| name != "monitoring/pods.json");
    let lacking = folder.path().join("lacking");
    write_tree(&tree.collect(), &lacking);
    let output = run(&["coverage", "node-exporter", "-n", "monitoring", "--from", lacking.to_str().unwrap()]);
    let (answer, notes) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(notes.contains(words) && !answer.contains("Missing"), "{answer}{notes}");
}
