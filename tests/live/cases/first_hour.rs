//! The transcript of docs/first-hour.md: its commands are run in their order, and must print what it shows, except for the
//! names of pods, nodes and revisions, and for ages. `UPDATE_DOCS=1` writes what they print now.

use std::path::Path;

use libtest_mimic::Failed;
use serde_json::json;

use crate::Ctx;
use crate::harness::client::{ensure, failed, wait_until};
use crate::harness::control_plane::ControlPlane;
use crate::harness::manifests::{daemon_set_with_image, namespace, node, with_behavior};
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![transcript_is_what_the_commands_print];

const PAGE: &str = "docs/first-hour.md";

fn transcript_is_what_the_commands_print(ctx: &Ctx) -> Result<(), Failed> {
    ControlPlane::builder(&ctx.programs).start()?.run(async |plane| {
        set_up(plane).await?;
        let page = std::fs::read_to_string(PAGE)?;
        let mut written = String::new();
        let mut in_block = false;
        let mut differences = Vec::new();
        let mut lines = page.lines().peekable();
        while let Some(line) = lines.next() {
            written += &format!("{line}\n");
            if line.starts_with("```") {
                in_block = !in_block;
            }
            let Some(command) = line.strip_prefix("$ ").filter(|_| in_block) else { continue };
            let mut shown = String::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ") && !line.starts_with("```")) {
                shown += &format!("{line}\n");
            }
            let printed = run(plane, ctx, command)?;
            if normalized(&shown) != normalized(&printed) {
                differences.push(format!("{command}\n  shown:\n{shown}  printed:\n{printed}"));
            }
            written += &printed;
        }
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(PAGE, written)?;
            return Ok(());
        }
        ensure(differences.is_empty(), || differences.join("\n"))
    })
}

/// Two DaemonSets on four nodes: the image of one has a typo, the other one waits for the deletion of its old pods.
async fn set_up(plane: &ControlPlane) -> Result<(), Failed> {
    let exporter = |version: &str| {
        let image = format!("registry.example.com/node-exporter:{version}");
        let mut exporter = daemon_set_with_image("monitoring", "node-exporter", &image);
        exporter["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        exporter
    };
    let agent = |image: &str, behavior: &serde_json::Value| {
        with_behavior(daemon_set_with_image("logging", "fluent-bit", image), behavior)
    };
    for number in 1..=4 {
        plane.create(&node(&format!("worker-{number}"))).await?;
    }
    let first = agent("registry.example.com/fluent-bit:4.0.0", &json!({}));
    plane.create_all(&[namespace("logging"), namespace("monitoring"), first, exporter("1.9.0")]).await?;
    wait_until("both DaemonSets cover four nodes", async || {
        let coverage = plane.ds(&["coverage", "-A"]);
        let text = String::from_utf8_lossy(&coverage.stdout).into_owned();
        if text.matches(" 4/4 ").count() == 2 { Ok(()) } else { Err(text) }
    })
    .await?;
    let typo = agent("registry.example.com/fluent-bit:4.1.0-rc", &json!({"ds.test/no-image": "*"}));
    for new in [typo, exporter("1.9.1")] {
        plane.update(&new, |object| object["spec"] = new["spec"].clone()).await?;
    }
    wait_until("the rollout is blocked, and OnDelete waits", async || {
        let text = String::from_utf8_lossy(&plane.ds(&[]).stdout).into_owned();
        let is_ready =
            text.contains("ImagePullBackOff") && text.contains("rollout Blocked") && text.contains("OnDelete: 4");
        if is_ready { Ok(()) } else { Err(text) }
    })
    .await
}

/// The standard output of a line in a shell, where kubectl finds the plugin.
fn run(plane: &ControlPlane, ctx: &Ctx, command: &str) -> Result<String, Failed> {
    let program = Path::new(env!("CARGO_BIN_EXE_kubectl-ds"));
    let folder = program.parent().ok_or_else(|| failed("no folder"))?;
    plane.shell(ctx, &format!("PATH={}:$PATH\n{command}", folder.display()))
}

/// The text without what differs from run to run. Blanks count as one: columns are as wide as their words.
fn normalized(text: &str) -> String {
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn word(word: &str) -> String {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_age = bare.starts_with(|c: char| c.is_ascii_digit())
        && bare.ends_with(['s', 'm'])
        && bare.chars().all(|c| c.is_ascii_digit() || c == 's' || c == 'm');
    let is_hash = (8..=10).contains(&bare.len())
        && bare.contains(|c: char| c.is_ascii_digit())
        && bare.chars().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase());
    let of_pod = ["fluent-bit-", "node-exporter-"].iter().find(|name| bare.starts_with(**name));
    match (is_age, is_hash, of_pod) {
        (true, ..) => word.replace(bare, "AGE"),
        (_, true, _) => word.replace(bare, "HASH"),
        (_, _, Some(name)) => word.replace(bare, &format!("{name}SUFFIX")),
        _ if bare.starts_with("worker-") => word.replace(bare, "worker-N"),
        _ => word.to_owned(),
    }
}
