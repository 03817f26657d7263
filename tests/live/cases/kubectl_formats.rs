//! `-o jsonpath`, `-o custom-columns`, `-o kyaml` and `--sort-by` print what kubectl prints for the same data.
//!
//! For JSONPath and KYAML, kubectl reads a document of this program with `label --local`, which needs no cluster. The
//! document is a revision history, because it shows the template of a revision as it was saved: here one with all kinds of
//! values. Rows are objects of a custom resource, because only `kubectl get` has custom columns and sorts.

use std::path::Path;
use std::process::{Command, Output};

use fastrand::Rng;
use libtest_mimic::Failed;
use serde_json::{Map, Value, json};

use super::yaml::unusual_string;
use crate::Ctx;
use crate::harness::client::{ensure, failed, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![
    jsonpath_selects_what_kubectl_selects,
    kyaml_is_that_of_kubectl,
    recorded_output_is_that_of_kubectl,
    columns_and_order_are_those_of_kubectl,
];

/// Expressions on a document. `T` stands for the path of [`data`].
const EXPRESSIONS: &[&str] = &[
    // Text, fields, quotes.
    "",
    "text only",
    "{.kind}",
    "{.kind}{.name}",
    "{.kind} {.name}\n",
    "{$.kind}",
    "{@.kind}",
    "{ .kind }",
    "{.kind .name}",
    "{.revisions[0]['name','hash']}",
    "{T['texts']['plain']}",
    "{T.labels.app\\.kubernetes\\.io/name}",
    "{T.labels['app\\.kubernetes\\.io/name']}",
    "{T.labels['app.kubernetes.io/name']}",
    "{T.labels.a-b}",
    "{.missing}",
    "{.missing.deeper[0].still}",
    "{.kind.missing}",
    "{.}",
    "{\"a\\tb\\n\"}",
    "{'single'}",
    "{\"\\u00e9\\x41\\101\"}",
    "{'it\\'s'}",
    "{1}{-2.50}{true}{1e3}",
    "{T.texts.html}",
    "{T.texts.lines}",
    // Numbers, booleans, objects, arrays.
    "{T.numbers.int}",
    "{T.numbers.negative}",
    "{T.numbers.decimal}",
    "{T.numbers.whole}",
    "{T.numbers.small}",
    "{T.numbers.tiny}",
    "{T.numbers.huge}",
    "{T.numbers.large}",
    "{T.numbers}",
    "{T.booleans}",
    "{T.booleans[*]}",
    "{T.texts}",
    "{T.empty}",
    "{T.empty.object} {T.empty.array} {T.empty.text}",
    "{.created}{.changeCause}",
    // Indices and slices.
    "{T.items[0].name}",
    "{T.items[-1].name}",
    "{T.items[1].name}",
    "{T.items[].name}",
    "{T.items[*].name}",
    "{T.items[:].name}",
    "{T.items[0:2].name}",
    "{T.items[1:].name}",
    "{T.items[:-1].name}",
    "{T.items[-2:].name}",
    "{T.items[::2].name}",
    "{T.items[0:4:3].name}",
    "{T.items[2:2].name}",
    "{T.items[0,2].name}",
    "{T.items[0, -1].name}",
    "{T.items[*]['name','n']}",
    "{T.items[*].list[0]}",
    "{T.items[0:2].list[0]}",
    "{T.items[0].name[0]}",
    "{T.empty.array[*]}",
    "{T.empty.array[0]}",
    "{T.items[9]}",
    "{T.items[-9]}",
    "{T.items[0:9]}",
    "{T.items[3:1]}",
    "{T.items[0:2:0]}",
    "{T.items[0:2:-1]}",
    "{T.empty.object[0]}",
    // Wildcards and recursion, where kubectl's order is not random.
    "{T.items[*].list.*}",
    "{T.texts.plain.*}",
    "{T.items..name}",
    "{T.items[0].list..}",
    "{T.nested..}",
    "{..unique}",
    "{T.items.*.name}",
    "{T.items[0]..[0]}",
    // Filters.
    "{T.items[?(@.name==\"b\")].n}",
    "{T.items[?(@.name=='b')].n}",
    "{T.items[?(@.name!=\"b\")].name}",
    "{T.items[?(@.n>1)].name}",
    "{T.items[?(@.n>=2)].name}",
    "{T.items[?(@.n<2)].name}",
    "{T.items[?(@.n<=2)].name}",
    "{T.items[?(@.ok==true)].name}",
    "{T.items[?(@.ok)].name}",
    "{T.items[?(@.missing)].name}",
    "{T.items[?(@.missing==1)].name}",
    "{T.items[?(@.name==@.name)].name}",
    "{T.items[?(@.list[0])].name}",
    "{T.items[?(@.list[?(@==4)])].name}",
    "{T.items[?(@.name>'a')].name}",
    "{T.items[?(@.name=='a)b')].name}",
    "{T.items[0].list[?(@>1)]}",
    "{T.items[?()].name}",
    "{T.items[?(@.n==\"1\")].name}",
    "{T.items[?(@.n==1.5)].name}",
    "{T.items[?(@.ok<true)].name}",
    "{T.items[?(@.n=1)].name}",
    "{T.items[?(@.n==)].name}",
    "{T.items[?(@.list[*]==1)].name}",
    "{T.labels[?(@.a)]}",
    "{.kind[?(@.a)]}",
    // Loops.
    "{range T.items[*]}{.name}={.n}{\"\\n\"}{end}",
    "{range T.items[*]}[{.name}{range .list[*]} {@}{end}]{end} {.kind}",
    "{range T.items[*]}{range .list[*]}{@}{end}{end}",
    "{range T.empty.array[*]}{.name}{end}after",
    "{range T.missing[*]}{.name}{range .list[*]}{@}{end}{end}after",
    "{range T.items[*]}{.name}",
    "{range T.items[0,1]}{.name}{end}{range T.items[2]}{.n}{end}",
    "{range T.items[?(@.ok)]}{@.name} {end}",
    "{range T.items[*].name}{@},{end}",
    "{range .kind}{@}{end}",
    "{end}",
    // Mistakes.
    "{.kind",
    "{.kind}}",
    "{{.kind}}",
    "{kind}",
    "{.a..b....c}",
    "{..*}",
    "{*}",
    "{.kind,.name}",
    "{T.items[x]}",
    "{T.items[1:2:3:4]}",
    "{T.items[0}",
    "{T.items[-]}",
    "{T.items[?(@.a==1}",
    "{T.items[?(@.a==1)}",
    "{\"open}",
    "{'\\q'}",
    "{1.2.3}",
    "{-}",
    "{.a\tb}",
    "{()}",
];

/// All kinds of values. The API has no nulls here: a template is shown without them.
fn data() -> Value {
    json!({
        "numbers": {"int": 3, "negative": -7, "decimal": 2.5, "whole": 1.0, "small": 0.00001, "tiny": 0.0000001,
            "huge": 1e21, "large": 123_456_789_012_345_678_u64},
        "booleans": [true, false],
        "texts": {"plain": "abc", "html": "<a href=\"x\">&'é日本</a>", "lines": "one\n\ttwo\n"},
        "labels": {"app.kubernetes.io/name": "dotted", "a-b": "dash"},
        "empty": {"object": {}, "array": [], "text": ""},
        "nested": [[1, 2], [], [[3]], [{"unique": "deep"}]],
        "items": [
            {"name": "a", "n": 1, "ok": true, "list": [1, 2, 3]},
            {"name": "b", "n": 2, "ok": false, "list": [4]},
            {"name": "a)b", "n": 3, "list": []},
            {"name": "d", "n": 4, "list": ["x"]},
        ],
    })
}

/// A saved cluster whose only revision has a template with this data.
fn cluster(data: &Value) -> Value {
    let owner = json!([{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "a", "uid": "u", "controller": true }]);
    let spec = json!({ "containers": [{ "name": "main", "image": "a" }] });
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "a", "namespace": "d", "uid": "u" },
          "spec": { "selector": { "matchLabels": { "a": "b" } }, "template": { "spec": spec } } },
        { "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1,
          "metadata": { "name": "a-1", "namespace": "d", "uid": "r", "ownerReferences": owner,
                        "labels": { "a": "b", "controller-revision-hash": "1" } },
          "data": { "spec": { "template": { "data": data, "spec": spec } } } },
    ] })
}

/// The history of a saved cluster, and its JSON document in a file that kubectl reads.
struct History {
    dir: tempfile::TempDir,
    kubectl: std::path::PathBuf,
}

impl History {
    fn new(ctx: &Ctx, data: &Value) -> Result<Self, Failed> {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let history = Self { dir, kubectl: ctx.programs.join("kubectl") };
        std::fs::write(history.path("cluster.json"), cluster(data).to_string())?;
        std::fs::write(history.path("report.json"), history.ds("json")?.stdout)?;
        Ok(history)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn ds(&self, output: &str) -> Result<Output, Failed> {
        let program = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"))
            .args(["rollout", "history", "d/a", "--revision", "1", "-o", output, "--from"])
            .arg(self.path("cluster.json"))
            .output();
        program.map_err(failed)
    }

    fn kubectl(&self, output: &str) -> Result<Output, Failed> {
        label_local(&self.kubectl, &self.path("report.json"), output)
    }
}

/// Prints an object in a format of kubectl, with one label more.
fn label_local(kubectl: &Path, file: &Path, output: &str) -> Result<Output, Failed> {
    let kubectl = Command::new(kubectl)
        .args(["label", "--local", "--overwrite", "checked=true", "-o", output, "-f"])
        .arg(file)
        .env("KUBECONFIG", "/nonexistent/kubeconfig")
        .output();
    kubectl.map_err(failed)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn jsonpath_selects_what_kubectl_selects(ctx: &Ctx) -> Result<(), Failed> {
    ensure(EXPRESSIONS.len() > 100, || "fewer expressions than before".into())?;
    let history = History::new(ctx, &data())?;
    let mut differences = Vec::new();
    let mut failures = 0;
    for form in ["jsonpath", "jsonpath-as-json"] {
        for expression in EXPRESSIONS {
            let output = format!("{form}={}", expression.replace('T', ".revisions[0].template.data"));
            let (ds, kubectl) = (history.ds(&output)?, history.kubectl(&output)?);
            failures += usize::from(!kubectl.status.success());
            if ds.status.success() != kubectl.status.success() || text(&ds) != text(&kubectl) {
                differences.push(format!("{output}\n  kubectl: {kubectl:.300?}\n  ds: {ds:.300?}"));
            }
            ensure(ds.status.success() || ds.status.code() == Some(2), || format!("{output}: {ds:?}"))?;
        }
    }
    ensure(differences.is_empty(), || differences.join("\n"))?;
    ensure(failures > 40, || format!("only {failures} expressions fail"))
}

/// The template of the revision, which has the same place and the same order in kubectl's output.
fn template(kyaml: &str) -> &str {
    kyaml.find("    template: {").map_or("", |start| {
        let rest = &kyaml[start..];
        rest.find("\n    },").map_or(rest, |end| &rest[..end])
    })
}

fn kyaml_is_that_of_kubectl(ctx: &Ctx) -> Result<(), Failed> {
    let mut rng = Rng::with_seed(9);
    // kubectl writes a backslash too many before other white space than blanks and tabs at the beginning of a line.
    let is_read_back = |text: &String| !text.split('\n').any(|line| line.starts_with(['\r', '\u{a0}']));
    let strings: Vec<String> = (0..5000).map(|_| unusual_string(&mut rng)).filter(is_read_back).collect();
    let keys: Map<String, Value> = strings.iter().map(|key| (key.clone(), Value::from(1))).collect();
    let history = History::new(ctx, &json!({ "all": data(), "strings": strings, "keys": keys }))?;
    let (ds, kubectl) = (text(&history.ds("kyaml")?), text(&history.kubectl("kyaml")?));
    let (ds_template, kubectl_template) = (template(&ds), template(&kubectl));
    ensure(ds_template.lines().count() > 9000, || ds.chars().take(2000).collect())?;
    let first = ds_template.lines().zip(kubectl_template.lines()).find(|(ds, kubectl)| ds != kubectl);
    ensure(ds_template == kubectl_template, || format!("{first:?}"))?;

    std::fs::write(history.path("report.kyaml"), &ds)?;
    let json = |file: &str| -> Result<Value, Failed> {
        let output = label_local(&history.kubectl, &history.path(file), "json")?;
        let mut document: Value =
            serde_json::from_slice(&output.stdout).map_err(|_| failed(format!("{output:.1000?}")))?;
        // The cluster has no time, so this is when the program ran.
        document["asOf"].take();
        Ok(document)
    };
    ensure(json("report.kyaml")? == json("report.json")?, || "kubectl reads another document".into())
}

/// The fixture of the unit test, which has the label already.
fn recorded_output_is_that_of_kubectl(ctx: &Ctx) -> Result<(), Failed> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kubectl");
    let object = fixtures.join("object.json");
    for (format, file) in [("json", &object), ("kyaml", &fixtures.join("object.kyaml"))] {
        let output = label_local(&ctx.programs.join("kubectl"), &object, format)?;
        ensure(text(&output) == std::fs::read_to_string(file)?, || format!("{}: {output:?}", file.display()))?;
    }
    Ok(())
}

const COLUMNS: [&str; 8] = [
    "NODE:.node",
    "NODE:.node,STATE:.state,POD:.pod,RESTARTS:.restarts",
    "A:node,B:{.node},C:{node},D:.missing",
    "CODES:.reasons[*].code,ALL:.reasons",
    "WIDE HEADER:.upToDate,X:.reasons[?(@.code==\"Taint\")].taint,EMPTY:",
    "NO-PATH",
    "NODE:.node,BAD:.reasons[",
    "NODE:.node,CODE:.reasons[0].code",
];

const PATHS: [&str; 12] = [
    ".node",
    "{.node}",
    "node",
    ".state",
    ".restarts",
    ".created",
    ".pod",
    ".uncoveredSince",
    ".missing",
    ".reasons",
    ".reasons[",
    "{.a}{.b}",
];

/// The rows are those of a DaemonSet of the sample cluster: few enough that kubectl keeps the order of equal rows.
fn columns_and_order_are_those_of_kubectl(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        let shown = |arguments: &[&str]| {
            plane.ds(&[&["coverage", "logging/fluent-bit", "--all", "--from", "demo"], arguments].concat())
        };
        let report: Value = serde_json::from_slice(&shown(&["-o", "json"]).stdout).map_err(failed)?;
        let rows = report["daemonSets"][0]["nodes"].as_array().cloned().unwrap_or_default();
        ensure(rows.len() == 12, || report.to_string())?;
        let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let version = json!({ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } });
        let names = json!({ "plural": "rows", "singular": "row", "kind": "Row" });
        plane
            .create(&json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": { "name": "rows.test.example.com" },
                "spec": { "group": "test.example.com", "scope": "Cluster", "names": names, "versions": [version] },
            }))
            .await?;
        for mut row in rows {
            row["apiVersion"] = "test.example.com/v1".into();
            row["kind"] = "Row".into();
            row["metadata"] = json!({ "name": row["node"] });
            wait_until("the row is created", async || plane.create(&row).await.map_err(|error| format!("{error:?}")))
                .await?;
        }
        let get = |arguments: &[&str]| {
            let mut kubectl = Command::new(ctx.programs.join("kubectl"));
            kubectl.args(["get", "rows.test.example.com"]).args(arguments).env("KUBECONFIG", plane.kubeconfig());
            kubectl.output().map_err(failed)
        };
        let mut differences = Vec::new();
        let mut compare = |arguments: &[&str]| -> Result<(), Failed> {
            let (kubectl, ds) = (get(arguments)?, shown(arguments));
            // After a failure, kubectl may have written the rows before it.
            let is_same = !kubectl.status.success() || text(&kubectl) == text(&ds);
            if kubectl.status.success() != ds.status.success() || !is_same {
                differences.push(format!("{arguments:?}\n  kubectl: {kubectl:?}\n  ds: {ds:?}"));
            }
            Ok(())
        };
        for columns in COLUMNS {
            compare(&["-o", &format!("custom-columns={columns}")])?;
        }
        compare(&["-o", "custom-columns=NODE:.node,POD:.pod", "--no-headers"])?;
        let file = plane.dir().join("columns");
        std::fs::write(&file, "NODE  POD\n.node {.pod}\n")?;
        compare(&["-o", &format!("custom-columns-file={}", file.display())])?;
        for path in PATHS {
            compare(&["--sort-by", path, "-o", "custom-columns=NODE:.node"])?;
        }
        ensure(differences.is_empty(), || differences.join("\n"))
    })
}
