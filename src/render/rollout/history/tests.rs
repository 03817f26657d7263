#![allow(clippy::unwrap_used)]

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use serde_json::{Value, json};

use super::*;
use crate::render::ListLength;
use crate::snapshot::Snapshot;
use crate::testing::objects::{self, from_json};

fn template_with(args: &[&str]) -> Value {
    json!({"spec": {"containers": [{"name": "agent", "image": "agent", "args": args}]}})
}

fn revision(daemon_set: &DaemonSet, number: i64, template: Value) -> ControllerRevision {
    let annotations = json!({"kubernetes.io/change-cause": "a\u{1b}[2J\u{202e}\nb"});
    objects::controller_revision(daemon_set, number, template, json!({"metadata": {"annotations": annotations}}))
}

fn snapshot(old: &[&str], new: &[&str]) -> Snapshot {
    let mut daemon_set = objects::daemon_set("logging", "agent", json!({}));
    daemon_set.spec.template = from_json(template_with(new));
    Snapshot {
        pods: Known::failed("no permission"),
        revisions: Known::Known(vec![
            revision(&daemon_set, 1, template_with(old)),
            revision(&daemon_set, 2, template_with(new)),
        ]),
        daemon_sets: vec![daemon_set],
        ..objects::empty_snapshot()
    }
}

use crate::render::style::Palette;

const PLAIN: Style = Style { palette: Palette::None, width: None, height: None, names: ListLength::Handful };

fn written(old: &[&str], new: &[&str], style: Style) -> String {
    let snapshot = snapshot(old, new);
    let history = History::new(&snapshot.daemon_sets[0], &snapshot).unwrap();
    let mut out = Vec::new();
    let [one, two] = &history.revisions[..] else { return String::new() };
    diff(&mut out, Side::Revision(one), Side::Revision(two), style).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn diff_shows_changed_lines_with_context() {
    assert_eq!(
        written(&["--level=info", "--same"], &["--level=debug", "--same"], PLAIN),
        "--- revision 1\n+++ revision 2 (current)\n@@ -1,7 +1,7 @@\n spec:\n   containers:\n   - args:\n\
         -    - --level=info\n+    - --level=debug\n     - --same\n     image: agent\n     name: agent\n"
    );
    assert_eq!(written(&["same"], &["same"], PLAIN), "");
}

#[test]
fn multiline_text_is_compared_by_line_without_folding() {
    let long = "word ".repeat(40);
    let text = written(&["one\ntwo\n", long.trim()], &["one\nthree\n", long.trim()], PLAIN);
    assert!(text.contains("-      two\n+      three\n"), "{text}");
    assert!(text.contains(&format!(" {}\n", long.trim())), "{text}");
}

#[test]
fn diff_color_follows_the_sign() {
    let text = written(
        &["old"],
        &["new"],
        Style { palette: Palette::Terminal, width: None, height: None, names: ListLength::Handful },
    );
    assert!(text.contains("\u{1b}[31m-    - old\u{1b}[39m"), "{text:?}");
    assert!(text.contains("\u{1b}[32m+    - new\u{1b}[39m"), "{text:?}");
}

#[test]
fn hostile_characters_in_a_diff_are_replaced_but_compared() {
    let text = written(&["a\u{1b}[2J", "b\u{202e}\n\u{9b}c\n", "end "], &["a\u{1b}[3J", "b\n\u{9b}c\n", "end"], PLAIN);
    assert!(!text.chars().any(|c| c != '\n' && crate::render::text::is_hostile(c)), "{text:?}");
    assert!(text.contains("<U+202E>"), "{text}");
    assert!(text.lines().any(|line| line.starts_with('+') && line.contains("end")), "{text}");
}

#[test]
fn table_and_title_are_safe_and_show_unknown_values() {
    let snapshot = snapshot(&["a\u{1b}[2J"], &["b"]);
    let history = History::new(&snapshot.daemon_sets[0], &snapshot).unwrap();
    let screen = ViewOptions::new(PLAIN, objects::now());
    let mut out = Vec::new();
    let revisions: Vec<&Revision<'_>> = history.revisions.iter().collect();
    table(&mut out, &history, &revisions, screen).unwrap();
    let all = String::from_utf8(out.clone()).unwrap();
    assert_eq!(
        all,
        "REVISION     AGE  NODES  CHANGE-CAUSE          CHANGES\n\
         1              ?      ?  a\\u{1b}[2J\\u{202e} b  -\n\
         2 (current)    ?      ?  a\\u{1b}[2J\\u{202e} b  containers[agent].args[0]: a\\u{1b}[2J → b\n"
    );
    out.clear();
    template(&mut out, &history, &history.revisions[0], screen).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("# logging/agent revision 1: a\\u{1b}[2J\\u{202e} b\nspec:\n"), "{text}");
    assert!(!text.chars().any(|c| c != '\n' && crate::render::text::is_hostile(c)), "{text:?}");
    let back: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(back, history.revisions[0].template());
}
