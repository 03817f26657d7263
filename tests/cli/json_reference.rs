//! `docs/reference` names every field and every code of `docs/schema`, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::json_schemas::SCHEMAS;

/// Fields that json.md explains for every kind.
const COMMON: [&str; 3] = ["apiVersion", "kind", "unknown"];

/// The fields of a reason other than its evidence. The last two are those of the event that reports a rejection.
const REASON: [&str; 6] = ["code", "message", "scheduler", "fix", "count", "lastSeen"];

type Names = BTreeSet<String>;

fn page(name: &str) -> String {
    std::fs::read_to_string(format!("docs/reference/{name}.md")).unwrap()
}

/// The text below a heading, up to the next heading.
fn section(name: &str, heading: &str) -> String {
    let page = page(name);
    let text = page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{name} has no {heading}")).1;
    text.split("\n#").next().unwrap().to_owned()
}

/// The names in backticks: `nodes[]` is `nodes`, and `.strategy.type` is `type`.
fn names(text: &str) -> Names {
    let names = text.split('`').skip(1).step_by(2);
    names.map(|name| name.trim_end_matches("[]").rsplit('.').next().unwrap().to_owned()).collect()
}

/// The cells of the rows of a table that begins with these columns.
fn rows(text: &str, columns: &str) -> Vec<Vec<String>> {
    let tables = text.split(columns).skip(1);
    let rows = tables.flat_map(|table| table.lines().skip(2).take_while(|line| line.starts_with('|')));
    rows.map(|row| row.split('|').skip(1).map(str::to_owned).collect()).collect()
}

/// The schemas of one object: itself, what it refers to, and its parts.
fn parts<'s>(root: &'s Value, schema: &'s Value) -> Vec<&'s Value> {
    let reference = schema["$ref"].as_str().and_then(|reference| root.pointer(reference.trim_start_matches('#')));
    let alternatives = ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| schema[*key].as_array()).flatten();
    let inner = reference.into_iter().chain(alternatives).flat_map(|part| parts(root, part));
    std::iter::once(schema).chain(inner).collect()
}

/// The names of the fields of a schema and of everything below it, except below fields that `is_end` selects.
fn fields(root: &Value, schema: &Value, is_end: &dyn Fn(&Value) -> bool) -> Names {
    let mut found = Names::new();
    for part in parts(root, schema) {
        let elements = part.get("items").map(|items| fields(root, items, is_end));
        found.extend(elements.into_iter().flatten());
        for (name, property) in part["properties"].as_object().into_iter().flatten() {
            found.insert(name.clone());
            if !is_end(property) {
                found.extend(fields(root, property, is_end));
            }
        }
    }
    found
}

/// The constant of a field, such as the code of a reason.
fn constant<'s>(schema: &'s Value, field: &str) -> Option<&'s str> {
    schema["properties"][field]["const"].as_str()
}

/// Every code in the schemas with the names of its evidence.
fn codes() -> BTreeMap<String, Names> {
    let mut codes = BTreeMap::<String, Names>::new();
    for root in SCHEMAS.values() {
        let schemas = root["$defs"].as_object().unwrap().values().chain([root]);
        for part in schemas.flat_map(variants) {
            let Some(code) = constant(part, "code") else { continue };
            let is_reason =
                |property: &Value| parts(root, property).iter().any(|part| constant(part, "code").is_some());
            let evidence = fields(root, part, &|property| is_reason(property) || is_reason(&property["items"]));
            codes.entry(code.to_owned()).or_default().extend(evidence);
        }
    }
    codes
}

/// The alternatives of a schema, also those of its fields and elements, without references.
fn variants(schema: &Value) -> Vec<&Value> {
    let parts = ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| schema[*key].as_array()).flatten();
    let properties = schema["properties"].as_object().into_iter().flat_map(|properties| properties.values());
    let below = parts.chain(properties).chain(schema.get("items")).flat_map(variants);
    std::iter::once(schema).chain(below).collect()
}

/// The codes that the reference names, with the names in the cell of the evidence.
fn documented_codes() -> BTreeMap<String, Names> {
    let mut codes = BTreeMap::<String, Names>::new();
    for row in rows(&["reasons", "cycle", "rollout-change", "plan", "alerts"].map(page).concat(), "| code | evidence |")
    {
        for code in names(&row[0]) {
            codes.entry(code).or_default().extend(names(&row[1]));
        }
    }
    codes
}

#[test]
fn every_code_is_documented_with_its_evidence() {
    let (codes, documented) = (codes(), documented_codes());
    assert!(codes.len() > 70, "only {} codes were found", codes.len());
    let objects = names(&section("reasons", "## Objects in reasons"));
    let mut missing = Vec::new();
    for (code, evidence) in &codes {
        let Some(documented) = documented.get(code) else {
            missing.push(format!("{code}: {evidence:?}"));
            continue;
        };
        let is_unnamed = |name: &&String| {
            !documented.contains(*name) && !objects.contains(*name) && !REASON.contains(&name.as_str())
        };
        missing.extend(evidence.iter().filter(is_unnamed).map(|name| format!("{code}: {name}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
    let unknown: Vec<&String> = documented.keys().filter(|code| !codes.contains_key(*code)).collect();
    assert!(unknown.is_empty(), "documented, and not in the schemas: {unknown:?}");
}

/// Holds the section about a kind against its schema.
fn assert_documented(kind: &str, section: &str) {
    let root = &SCHEMAS[kind];
    // The evidence of reasons, and objects of Kubernetes, are documented elsewhere.
    let is_end = |property: &Value| {
        let parts = [property, &property["items"]].into_iter().flat_map(|schema| parts(root, schema));
        parts.into_iter().any(|part| constant(part, "code").is_some())
    };
    let fields = fields(root, root, &is_end);
    let mut named = names(section);
    named.append(&mut names(&self::section("reasons", "## Objects in reasons")));
    let missing: Vec<&String> =
        fields.iter().filter(|field| !named.contains(*field) && !COMMON.contains(&field.as_str())).collect();
    assert!(missing.is_empty(), "{kind}: not documented: {missing:?}");
    let rows = rows(section, "| field | |");
    assert!(!rows.is_empty(), "{kind} has no table of fields");
    let unknown: Vec<String> = rows
        .iter()
        .flat_map(|row| names(&row[0]))
        .filter(|name| !fields.contains(name) && !COMMON.contains(&name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "{kind}: documented, and not in the schema: {unknown:?}");
}

#[test]
fn every_field_of_a_report_is_documented() {
    assert_documented("CoverageReport", &section("coverage", "## JSON and YAML"));
    assert_documented("WhyNotReport", &section("why-not", "## JSON and YAML"));
    assert_documented("RolloutReport", &section("rollout", "### JSON and YAML: RolloutReport"));
    assert_documented("RolloutHistory", &section("rollout-history", "## JSON and YAML"));
    assert_documented("RolloutChangeReport", &section("rollout-change", "## JSON and YAML"));
    assert_documented("PlanReport", &section("plan", "## JSON and YAML"));
    assert_documented("AlertReport", &section("alerts", "## JSON and YAML"));
    assert_documented("DoctorReport", &section("doctor", "## JSON and YAML"));
    assert_documented("CycleReport", &section("cycle", "### JSON and YAML: CycleReport"));
}

#[test]
fn every_field_of_an_event_is_documented() {
    for (kind, page) in [("RolloutEvent", "rollout"), ("CycleEvent", "cycle")] {
        let section = section(page, &format!("### JSON and YAML: {kind}"));
        assert_documented(kind, &section);
        let root = &SCHEMAS[kind];
        let mut events = BTreeMap::<String, Names>::new();
        for part in parts(root, root) {
            if let Some(name) = constant(part, "type") {
                let own = part["properties"].as_object().unwrap().keys().filter(|field| *field != "type");
                events.insert(name.to_owned(), own.cloned().collect());
            }
        }
        assert!(events.len() > 10, "{events:?}");
        let documented = rows(&section, "| type | fields | |");
        let documented: BTreeMap<String, Names> =
            documented.iter().map(|row| (names(&row[0]).pop_first().unwrap(), names(&row[1]))).collect();
        assert_eq!(documented, events, "{kind}");
    }
}

#[test]
fn every_value_of_an_enumeration_is_documented() {
    let pages = ["coverage", "states", "why-not", "plan", "rollout", "rollout-change", "cycle", "doctor", "alerts"]
        .map(page)
        .concat();
    let named = names(&pages);
    for (kind, definition) in [
        ("CoverageReport", "State"),
        ("CoverageReport", "Placement"),
        ("CoverageReport", "RevisionSource"),
        ("WhyNotReport", "Verdict"),
        ("WhyNotReport", "Stage"),
        ("RolloutReport", "Phase"),
        ("RolloutReport", "NodeStep"),
        ("RolloutReport", "BudgetUseReason"),
        ("RolloutReport", "ProblemType"),
        ("RolloutEvent", "Ending"),
        ("CycleReport", "StatusName"),
        ("RolloutChangeReport", "ChangeAction"),
        ("PlanReport", "NodeAction"),
        ("PlanReport", "ObjectEffect"),
        ("PlanReport", "Severity"),
        ("PlanReport", "Alert"),
        ("AlertReport", "AlertState"),
        ("AlertReport", "CauseType"),
        ("AlertReport", "FalseAlarm"),
        ("AlertReport", "Verdict"),
        ("DoctorReport", "CheckName"),
        ("DoctorReport", "CheckStatus"),
    ] {
        let schema = &SCHEMAS[kind]["$defs"][definition];
        let listed = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let described = schema["oneOf"].as_array().into_iter().flatten();
        let described = described.flat_map(|part| {
            part["const"]
                .as_str()
                .into_iter()
                .chain(part["enum"].as_array().into_iter().flatten().filter_map(Value::as_str))
        });
        let values: Vec<&str> = listed.chain(described).collect();
        assert!(values.len() > 1, "{definition}: {schema}");
        for value in values {
            assert!(named.contains(value), "{definition}: {value} is not documented");
        }
    }
}
