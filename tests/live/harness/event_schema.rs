//! Checks that the events of the program have the fields that the reference documents.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::harness::client::{ensure, failed};

/// The pages of `docs/reference`, one after the other.
static REFERENCE: LazyLock<String> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let pages = folder.read_dir().into_iter().flatten().flatten();
    let mut pages: Vec<String> = pages.filter_map(|page| std::fs::read_to_string(page.path()).ok()).collect();
    pages.sort_unstable();
    pages.join("\n")
});

/// The fields in a table, one entry for each row: the code of the first column, and that of the second.
type Rows = Vec<[BTreeSet<&'static str>; 2]>;

/// The texts in backticks of a table cell, without the `[]` of lists.
fn code(cell: &'static str) -> BTreeSet<&'static str> {
    cell.split('`').skip(1).step_by(2).map(|word| word.trim_end_matches("[]")).collect()
}

/// The tables of the section of a kind: the first has the fields of all its events, the second the types with their
/// own.
fn tables(kind: &str) -> Vec<Rows> {
    let mut lines = REFERENCE.lines().skip_while(|line| !(line.starts_with('#') && line.ends_with(kind)));
    lines.next();
    let mut tables = Vec::new();
    let mut table: Rows = Vec::new();
    for line in lines.take_while(|line| !line.starts_with('#')).chain([""]) {
        if line.starts_with('|') {
            let mut cells = line.split('|').skip(1);
            table.push([code(cells.next().unwrap_or_default()), code(cells.next().unwrap_or_default())]);
        } else if !table.is_empty() {
            tables.push(std::mem::take(&mut table));
        }
    }
    tables
}

/// Fails unless the event has exactly the fields that the reference documents for its type, with the right JSON types.
pub(crate) fn is_documented(event: &Value) -> Result<(), Failed> {
    let kind = event["kind"].as_str().unwrap_or_default();
    let tables = tables(kind);
    let [common, types, ..] = tables.as_slice() else {
        return Err(failed(format!("docs/reference has no section with two tables about {kind:?}")));
    };
    let common: BTreeSet<&str> = common.iter().flat_map(|[field, _]| field).copied().collect();
    let name = event["type"].as_str().unwrap_or_default();
    let row = types.iter().find(|[types, _]| types.contains(name));
    let [_, own] = row.ok_or_else(|| failed(format!("the reference of {kind} has no event {name:?}")))?;
    let object = event.as_object().ok_or_else(|| failed("the event is not an object"))?;
    for (field, value) in object {
        let is_known = ["apiVersion", "kind"].contains(&field.as_str())
            || common.contains(field.as_str())
            || own.contains(field.as_str());
        ensure(is_known, || format!("{name} has {field}, which is not documented"))?;
        let has_type = match field.as_str() {
            "desired" | "updated" | "updatedAvailable" | "available" => value.is_u64() || value.is_null(),
            "planned" | "replaced" | "failed" | "skipped" | "inProgress" | "seconds" => value.is_u64(),
            // A count of nodes; in NodeRemoved, whether the node was done.
            "done" if name == "NodeRemoved" => value.is_boolean(),
            "done" => value.is_u64(),
            "waitingFor" => name == "Waiting" && value["type"].is_string(),
            "waiting" => value.is_u64(),
            "rollback" | "blocking" | "evict" => value.is_boolean(),
            "failure" | "skip" => value["code"].is_string(),
            "blocker" => value["type"].is_string() && value["reason"]["code"].is_string(),
            "nodes" | "problems" | "reasons" | "fix" => value.is_array(),
            "revision" | "revisionSource" | "from" | "holder" | "since" => value.is_string() || value.is_null(),
            _ => value.is_string(),
        };
        ensure(has_type, || format!("{name}: {field} is {value}"))?;
    }
    // `fix` is optional, and an event about a deleted DaemonSet has no counts.
    let of_status = ["revision", "revisionSource", "phase", "desired", "updated", "updatedAvailable", "available"];
    let is_deleted = name == "Deleted" || event["outcome"] == "Deleted";
    let required =
        common.iter().chain(own).filter(|field| **field != "fix" && !(is_deleted && of_status.contains(field)));
    let missing: Vec<_> = required.filter(|field| !object.contains_key(**field)).collect();
    ensure(missing.is_empty(), || format!("{name} lacks {missing:?}"))
}
