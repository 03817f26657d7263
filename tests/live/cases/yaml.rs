//! The program reads kubectl's YAML without changes: unusual strings from a seed, printed by kubectl and read by the
//! program. It needs no cluster.

use std::io::Write;
use std::process::{Command, Stdio};

use fastrand::Rng;
use libtest_mimic::Failed;
use serde_json::{Map, Value, json};

use crate::Ctx;
use crate::harness::client::{document, ensure, failed};
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![kubectl_output_is_read_unchanged];

const STRINGS: usize = 10_000;
const SEED: u64 = 9;

/// Strings that YAML writers and readers treat differently; without U+0085, U+2028 and U+2029, which kubectl changes:
/// it reads JSON as YAML 1.1, where they are line breaks.
pub(super) fn unusual_string(rng: &mut Rng) -> String {
    const WORDS: [&str; 60] = [
        "yes",
        "No",
        "ON",
        "off",
        "y",
        "N",
        "true",
        "False",
        "null",
        "Null",
        "~",
        "",
        "<<",
        "=",
        "-",
        "?",
        ":",
        "- a",
        "? b",
        "# c",
        "a # b",
        "a: b",
        "a:",
        "&a",
        "*a",
        "!a",
        "!!str",
        "%a",
        "@a",
        "`a",
        "|",
        ">",
        "{}",
        "{a: b}",
        "[]",
        "[a",
        ".inf",
        "-.INF",
        "+.Inf",
        ".nan",
        ".NaN",
        "2026-01-01",
        "2026-11-26T08:36:02Z",
        "2001-12-14 21:59:43.10",
        "12:30:45",
        "190:20:30.15",
        "1_000",
        "0x1F",
        "0o17",
        "0b101",
        "-0b11",
        "0x_1",
        ".5",
        "5.",
        "+1",
        "-0",
        "--- a",
        "...",
        "\t",
        "'\"",
    ];
    const ALPHABETS: [&str; 6] = [
        "0123456789e",
        "0123456789abcdef",
        "0123456789+-._eExob:",
        "aé漢🙂 \u{a0}\u{feff}\u{1f}",
        " \n\ta-#:'\"\\",
        "yesnoOFTru~",
    ];
    let word = |rng: &mut Rng| WORDS[rng.usize(..WORDS.len())].to_owned();
    let letters = |rng: &mut Rng, max: usize| -> String {
        let alphabet: Vec<char> = ALPHABETS[rng.usize(..ALPHABETS.len())].chars().collect();
        (0..rng.usize(1..=max)).map(|_| alphabet[rng.usize(..alphabet.len())]).collect()
    };
    match rng.u8(..10) {
        0 => word(rng),
        1 => format!("{}{}", " ".repeat(rng.usize(..3)), word(rng)),
        2 => format!("{}{}", word(rng), ["\n", " ", "\n\n", "e5", ":", "\r\n"][rng.usize(..6)]),
        // Git hashes of seven and eight digits, which can look like numbers.
        3 => format!("{}e{}", rng.u32(1..99_999), rng.u32(1..9_999)),
        4 => format!("{:08x}", rng.u32(..)),
        5 => (0..rng.usize(20..60)).map(|_| letters(rng, 9)).collect::<Vec<_>>().join(" "),
        6 => (0..rng.usize(2..6)).map(|_| letters(rng, 12)).collect::<Vec<_>>().join("\n"),
        7 => format!("{}{}", letters(rng, 3), letters(rng, 3)),
        _ => letters(rng, 12),
    }
}

/// A saved cluster with one revision, whose template has the strings as labels, annotations, environment variables and
/// arguments: `rollout history --revision` prints a template as it was read.
fn cluster(strings: &[String]) -> Value {
    let map: Map<String, Value> =
        strings.iter().enumerate().map(|(index, text)| (format!("k{index}"), text.as_str().into())).collect();
    let env: Vec<Value> = strings.iter().map(|text| json!({ "name": "a", "value": text })).collect();
    let template = json!({
        "metadata": { "labels": map, "annotations": map },
        "spec": { "containers": [{ "name": "main", "image": "a", "env": env, "args": strings }] },
    });
    let owner = json!([{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "a", "uid": "u", "controller": true }]);
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "a", "namespace": "d", "uid": "u" },
          "spec": { "selector": { "matchLabels": { "a": "b" } }, "template": template } },
        { "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1,
          "metadata": { "name": "a-1", "namespace": "d", "uid": "r", "ownerReferences": owner,
                        "labels": { "a": "b", "controller-revision-hash": "1" } },
          "data": { "spec": { "template": template } } },
    ] })
}

/// The cluster as `kubectl annotate --local` prints it.
fn print_with_kubectl(ctx: &Ctx, cluster: &Value) -> Result<Vec<u8>, Failed> {
    let mut kubectl = Command::new(ctx.programs.join("kubectl"))
        .args(["annotate", "--local", "-f", "-", "-o", "yaml", "printed=yes"])
        .env("KUBECONFIG", "/nonexistent/kubeconfig")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let input = cluster.to_string();
    let mut stdin = kubectl.stdin.take().ok_or("no stdin")?;
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = kubectl.wait_with_output().map_err(failed)?;
    writer.join().map_err(|_| "the writer failed")?.map_err(failed)?;
    ensure(output.status.success(), || format!("kubectl: {:?}", output.status))?;
    Ok(output.stdout)
}

/// The template as the program reads it.
fn read_template(yaml: &[u8]) -> Result<Value, Failed> {
    let directory = tempfile::tempdir().map_err(failed)?;
    let path = directory.path().join("cluster.yaml");
    std::fs::write(&path, yaml).map_err(failed)?;
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-ds"))
        .args(["rollout", "history", "a", "--revision", "1", "-o", "json", "--from"])
        .arg(&path)
        .env("KUBECONFIG", "/nonexistent/kubeconfig")
        .output()
        .map_err(failed)?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = document(&String::from_utf8_lossy(&output.stdout)).map_err(|_| error)?;
    let template =
        ["/revision/template", "/template", "/revisions/0/template"].iter().find_map(|path| report.pointer(path));
    template.cloned().ok_or_else(|| format!("no template in {report}").into())
}

fn kubectl_output_is_read_unchanged(ctx: &Ctx) -> Result<(), Failed> {
    let mut rng = Rng::with_seed(SEED);
    let strings: Vec<String> = (0..STRINGS).map(|_| unusual_string(&mut rng)).collect();
    let yaml = print_with_kubectl(ctx, &cluster(&strings))?;
    let template = read_template(&yaml)?;
    let container = &template["spec"]["containers"][0];
    let mut wrong = Vec::new();
    for (index, text) in strings.iter().enumerate() {
        let key = format!("k{index}");
        let read = [
            &template["metadata"]["labels"][&key],
            &template["metadata"]["annotations"][&key],
            &container["env"][index]["value"],
            &container["args"][index],
        ];
        if read.iter().any(|read| read.as_str() != Some(text)) {
            wrong.push(format!("{text:?} is read as {read:?}"));
        }
    }
    ensure(wrong.is_empty(), || format!("{} of {STRINGS}: {}", wrong.len(), wrong[..wrong.len().min(20)].join("\n")))
}
