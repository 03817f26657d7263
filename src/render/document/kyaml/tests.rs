#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

fn written(json: &str) -> String {
    let mut out = Vec::new();
    write(&mut out, json.as_bytes()).unwrap();
    String::from_utf8(out).unwrap()
}

/// kubectl's own output, which a live test records again.
#[test]
fn documents_are_those_of_kubectl() {
    let object = include_str!("../../../../tests/fixtures/kubectl/object.json");
    assert_eq!(written(object), include_str!("../../../../tests/fixtures/kubectl/object.kyaml"));
}

#[test]
fn fields_keep_their_order_and_brackets_share_lines() {
    let text = written(r#"{"b": [{"x": 1}, {"z": []}], "a": ["q", 2], "c": {}, "d": [[1]]}"#);
    let expected = "---\n{\n  b: [{\n    x: 1,\n  }, {\n    z: [],\n  }],\n  a: [\n    \"q\",\n    2,\n  ],\n  c: {},\n  \
                    d: [[\n    1,\n  ]],\n}\n";
    assert_eq!(text, expected);
}

#[test]
fn keys_are_quoted_if_they_are_ambiguous() {
    for key in [
        "",
        "no",
        "Y",
        "null",
        "t",
        "1",
        "1_000",
        "0x1F",
        "0b11",
        "0o17",
        "0x1p3",
        "1e5",
        "inf",
        "NaN",
        "2026-01-02",
        "2026-1-2",
        "a b",
        "a:b",
        "-a",
        "a-",
        ".a",
        "a\u{202e}b",
        "a,b",
    ] {
        assert!(needs_quotes(key), "{key}");
    }
    for key in ["a", "_", "app.kubernetes.io/name", "a-b", "x1", "2026-13-45", "0xfffffffffffffffffff", "1e999", "é"] {
        assert!(!needs_quotes(key), "{key}");
    }
}

#[test]
fn document_is_safe_and_is_read_back() {
    let value = json!({"text": "a\u{1b}[2J\u{9b}\u{7f}b\u{202e}c \u{e0041}\n  d\"é\\\n\te\n", "no": [null, true, -1]});
    let text = written(&value.to_string());
    assert!(!text.chars().any(|c| !matches!(c, '\n' | '\t') && is_hostile(c)), "{text:?}");
    let back: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(back, value, "{text}");
}
