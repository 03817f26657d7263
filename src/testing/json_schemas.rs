//! The JSON Schemas of `docs/schema`, made from the types that are serialized.
//!
//! `UPDATE_SCHEMAS=1 cargo test --lib json_schemas` writes them. Without it, the test compares.

#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::command::version::Versions;
use crate::render::structured::API_VERSION;
use crate::render::{alerts, coverage, cycle, doctor, plan, rollout, why_not};
use crate::snapshot::quantity::Quantity;
use crate::snapshot::shared::{Empty, Shared};

/// Every `kind` of document, with its schema.
fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        schema::<coverage::Report<'_>>("CoverageReport"),
        schema::<why_not::Report<'_>>("WhyNotReport"),
        schema::<rollout::Report<'_>>("RolloutReport"),
        schema::<rollout::EventView<'_>>("RolloutEvent"),
        schema::<rollout::history::Report<'_>>("RolloutHistory"),
        schema::<cycle::EventView<'_>>("CycleEvent"),
        schema::<cycle::Report<'_>>("CycleReport"),
        schema::<rollout::change::Report<'_>>("RolloutChangeReport"),
        schema::<alerts::Report<'_>>("AlertReport"),
        schema::<plan::Report<'_>>("PlanReport"),
        schema::<doctor::Report<'_>>("DoctorReport"),
        schema::<Versions>("Version"),
    ]
}

fn schema<T: JsonSchema>(kind: &'static str) -> (&'static str, Value) {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    schema["title"] = json!(kind);
    schema["description"] = json!(format!("`-o json` and `-o yaml`: a document of the kind {kind}."));
    for (field, value) in [("apiVersion", API_VERSION), ("kind", kind)] {
        let property = &mut schema["properties"][field];
        assert_eq!(property["type"], "string", "{kind} has no {field}");
        *property = json!({ "const": value });
    }
    (kind, schema)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema")
}

#[test]
fn schema_files_are_what_the_types_serialize() {
    let schemas = schemas();
    let file = |kind: &str| format!("{kind}.json");
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::create_dir_all(folder()).unwrap();
        for (kind, schema) in &schemas {
            std::fs::write(folder().join(file(kind)), text(schema)).unwrap();
        }
    }
    for (kind, schema) in &schemas {
        let committed = std::fs::read_to_string(folder().join(file(kind))).unwrap_or_default();
        assert!(
            committed == text(schema),
            "docs/schema/{kind}.json differs: UPDATE_SCHEMAS=1 cargo test --lib json_schemas"
        );
    }
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let expected: BTreeSet<String> = schemas.iter().map(|(kind, _)| file(kind)).collect();
    assert_eq!(files.collect::<BTreeSet<_>>(), expected);
}

fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An amount as Kubernetes writes it, such as `500m` or `2Gi`.",
        })
    }
}

/// A shared value is serialized as the value.
impl<T: Empty + JsonSchema> JsonSchema for Shared<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
