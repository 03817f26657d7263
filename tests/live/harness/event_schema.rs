//! The events that the program writes are those that the README's reference describes.

use std::collections::BTreeSet;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::client::{ensure, failed};

const README: &str = include_str!("../../README.md");

/// The words in backticks of a table's cell.
fn words(cell: &str) -> BTreeSet<&str> {
    cell.split('`').skip(1).step_by(2).map(|word| word.trim_end_matches("[]")).collect()
}

/// The rows of the first table with this head, cell by cell.
fn rows(text: &'static str, head: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let table = text.split(head).nth(1).unwrap_or_default();
    table.lines().skip(2).take_while(|line| line.starts_with('|')).map(|line| line.split('|').collect())
}

/// Every field of the event is one that the reference names for it, of its type, and none is missing.
pub(crate) fn is_documented(event: &Value) -> Result<(), Failed> {
    let kind = event["kind"].as_str().unwrap_or_default();
    let section = README.split(&format!("### JSON and YAML: {kind}\n")).nth(1).unwrap_or_default();
    let common: BTreeSet<&str> = rows(section, "| field | |").flat_map(|row| words(row[1])).collect();
    let name = event["event"].as_str().unwrap_or_default();
    let row = rows(section, "| event | fields | |").find(|row| words(row[1]).contains(name));
    let own = words(row.ok_or_else(|| failed(format!("{name:?} is no event of the reference")))?[2]);
    let object = event.as_object().ok_or_else(|| failed("no object"))?;
    for (field, value) in object {
        let is_known = ["apiVersion", "kind"].contains(&field.as_str())
            || common.contains(field.as_str())
            || own.contains(field.as_str());
        ensure(is_known, || format!("{name} has {field}, which is not documented"))?;
        let is_typed = match field.as_str() {
            "desired" | "updated" | "updatedAvailable" | "available" => value.is_u64() || value.is_null(),
            "done" | "planned" | "replaced" | "failed" | "skipped" | "inWork" | "waiting" | "seconds" => value.is_u64(),
            "isUndo" | "isCertain" | "wasDone" | "evict" => value.is_boolean(),
            "why" => value["code"].is_string(),
            "waits" => value["for"].is_string(),
            "nodes" | "causes" | "reasons" | "fix" => value.is_array(),
            "cause" => value["code"].is_string(),
            "revision" | "revisionSource" | "from" | "holder" | "since" => value.is_string() || value.is_null(),
            _ => value.is_string(),
        };
        ensure(is_typed, || format!("{name}: {field} is {value}"))?;
    }
    // Some are only there where there is something to say.
    let numbers = ["revision", "revisionSource", "phase", "desired", "updated", "updatedAvailable", "available"];
    let is_gone = name == "Deleted" || event["outcome"] == "Deleted";
    let needed = common.iter().chain(&own).filter(|field| **field != "fix" && !(is_gone && numbers.contains(field)));
    let missing: Vec<_> = needed.filter(|field| !object.contains_key(**field)).collect();
    ensure(missing.is_empty(), || format!("{name} lacks {missing:?}"))
}
