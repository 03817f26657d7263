//! The rows of a document, for custom columns and for sorting.

use serde_json::{Map, Value};

/// The fields of the enclosing objects that a row has too, unless it has a field of that name itself.
const INHERITED: [&str; 3] = ["namespace", "name", "node"];

/// The path from the document to the arrays of its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows(&'static [&'static str]);

impl Rows {
    /// The document itself is the only row.
    pub(crate) const DOCUMENT: Self = Self(&[]);
    pub(crate) const DAEMON_SETS: Self = Self(&["daemonSets"]);
    pub(crate) const NODES: Self = Self(&["daemonSets", "nodes"]);
    pub(crate) const ALERTS: Self = Self(&["daemonSets", "alerts"]);
    pub(crate) const REVISIONS: Self = Self(&["revisions"]);

    /// The rows of a document, in its order.
    pub(crate) fn of(self, document: &Value) -> Vec<Value> {
        let mut rows = vec![document.clone()];
        for array in self.0 {
            rows = rows.iter().flat_map(|row| elements(row, array)).collect();
        }
        rows
    }
}

fn elements(parent: &Value, array: &str) -> Vec<Value> {
    let elements = parent.get(array).and_then(Value::as_array);
    elements.into_iter().flatten().map(|element| with_parent(element, parent)).collect()
}

fn with_parent(element: &Value, parent: &Value) -> Value {
    let Value::Object(fields) = element else { return element.clone() };
    let inherited = INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), parent.get(name)?.clone())));
    let mut all: Map<String, Value> = inherited.collect();
    all.extend(fields.clone());
    Value::Object(all)
}
