//! Applies a template to a document.
//!
//! Upstream: `client-go/util/jsonpath/jsonpath.go`, with `allowMissingKeys`: a missing field selects nothing.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::compare::{holds, kind};
use super::failure::Failure;
use super::syntax::{Block, Filter, Slice, Step, StepKind};

/// The most values that a template selects, steps in between included.
const MOST_VALUES: usize = 10_000_000;
/// How deep loops can be nested.
const DEEPEST_RANGE: usize = 32;

/// A selected value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item<'v> {
    /// A value of the document.
    Document(&'v Value),
    /// A text of the template.
    Text(&'v str),
    /// A number or boolean of the template, or a byte of a text.
    Literal(Value),
    /// The element of a `range` over nothing, which is evaluated once to find its end.
    Nothing,
}

impl<'v> Item<'v> {
    pub(super) fn into_value(self) -> Option<Value> {
        match self {
            Self::Document(value) => Some(value.clone()),
            Self::Text(text) => Some(Value::String(text.to_owned())),
            Self::Literal(value) => Some(value),
            Self::Nothing => None,
        }
    }

    /// The value in the document.
    fn in_document(&self) -> Option<&'v Value> {
        match self {
            Self::Document(value) => Some(value),
            Self::Text(_) | Self::Literal(_) | Self::Nothing => None,
        }
    }

    /// The fields of an object, the elements of an array, or as upstream the bytes of a text.
    fn children(&self) -> Vec<Self> {
        let bytes = |text: &str| text.bytes().map(|byte| Self::Literal(Value::from(byte))).collect();
        match self {
            Self::Document(Value::Array(values)) => values.iter().map(Self::Document).collect(),
            Self::Document(Value::Object(fields)) => fields.values().map(Self::Document).collect(),
            Self::Document(Value::String(text)) => bytes(text),
            Self::Text(text) => bytes(text),
            Self::Document(Value::Null | Value::Bool(_) | Value::Number(_)) | Self::Literal(_) | Self::Nothing => {
                Vec::new()
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Document(value) => kind(value),
            Self::Literal(value) => kind(value),
            Self::Text(_) => "a text",
            Self::Nothing => "nothing",
        }
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Document(value) => value.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Literal(value) => value.serialize(serializer),
            Self::Nothing => serializer.serialize_unit(),
        }
    }
}

/// The values that each block selects.
pub(super) fn select<'v>(blocks: &'v [Block], document: &'v Value) -> Result<Vec<Vec<Item<'v>>>, Failure> {
    Evaluator::default().blocks(blocks, 0, Item::Document(document))
}

/// Upstream keeps the state of `range` and `end` in counters, so that an `end` ends the innermost `range` that has begun.
#[derive(Default)]
struct Evaluator {
    /// `range` was evaluated, and its loop has not begun.
    begins_range: usize,
    /// The number of loops.
    in_range: usize,
    /// `end` was evaluated.
    ends_range: usize,
    /// The block of the last `end`.
    last_end: Option<usize>,
    /// The number of selected values.
    values: usize,
}

impl Evaluator {
    /// Evaluates the blocks from `start` on, to the `end` of the loop.
    fn blocks<'v>(&mut self, blocks: &'v [Block], start: usize, item: Item<'v>) -> Result<Vec<Vec<Item<'v>>>, Failure> {
        let mut all = Vec::new();
        let mut index = start;
        while let Some(block) = blocks.get(index) {
            let results = match block {
                Block::Text(text) => vec![Item::Text(text)],
                Block::Action(steps) => self.steps(vec![item.clone()], steps)?,
            };
            if self.ends_range > 0 && self.ends_range <= self.in_range {
                self.ends_range -= 1;
                self.last_end = Some(index);
                break;
            }
            if self.begins_range > 0 {
                self.begins_range -= 1;
                self.in_range += 1;
                if results.is_empty() {
                    self.blocks(blocks, index + 1, Item::Nothing)?;
                }
                for element in results {
                    self.count(1, 1)?;
                    all.extend(self.blocks(blocks, index + 1, element)?);
                }
                self.in_range -= 1;
                // Continue after the `end`. A `range` without one is followed by the rest of the template once more.
                index = self.last_end.filter(|end| *end > index).unwrap_or(index);
            } else {
                all.push(results);
            }
            index += 1;
        }
        Ok(all)
    }

    fn steps<'v>(&mut self, items: Vec<Item<'v>>, steps: &'v [Step]) -> Result<Vec<Item<'v>>, Failure> {
        let mut items = items;
        for step in steps {
            items = self.step(&items, step)?;
            self.count(items.len(), step.at)?;
        }
        Ok(items)
    }

    fn count(&mut self, values: usize, at: usize) -> Result<(), Failure> {
        self.values += values;
        match self.values > MOST_VALUES {
            true => Err(Failure::new(format!("the template selects more than {MOST_VALUES} values"), at)),
            false => Ok(()),
        }
    }

    fn step<'v>(&mut self, items: &[Item<'v>], step: &'v Step) -> Result<Vec<Item<'v>>, Failure> {
        Ok(match &step.kind {
            StepKind::Text(text) => vec![Item::Text(text)],
            StepKind::Literal(value) => items.iter().map(|_| Item::Literal(value.clone())).collect(),
            StepKind::Field(name) => {
                let fields = items.iter().filter_map(|item| item.in_document()?.as_object()?.get(name));
                fields.map(Item::Document).collect()
            }
            StepKind::Wildcard => items.iter().flat_map(Item::children).collect(),
            StepKind::Recursive => {
                let mut all = Vec::new();
                items.iter().try_for_each(|item| self.descend(item, step.at, &mut all))?;
                all
            }
            StepKind::Slice(slice) => slices(items, *slice, step.at)?,
            StepKind::Union(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    all.extend(self.steps(items.to_vec(), part)?);
                }
                all
            }
            StepKind::Filter(filter) => self.filter(items, filter, step.at)?,
            StepKind::Range if self.in_range == DEEPEST_RANGE => {
                return Err(Failure::new(format!("range is nested more than {DEEPEST_RANGE} levels deep"), step.at));
            }
            StepKind::Range => {
                self.begins_range += 1;
                items.to_vec()
            }
            StepKind::End if self.in_range == 0 => {
                return Err(Failure::new("end without a range", step.at));
            }
            StepKind::End => {
                self.ends_range += 1;
                Vec::new()
            }
        })
    }

    /// Adds the value and everything below it, except values that contain nothing.
    fn descend<'v>(&mut self, item: &Item<'v>, at: usize, all: &mut Vec<Item<'v>>) -> Result<(), Failure> {
        let children = item.children();
        if children.is_empty() {
            return Ok(());
        }
        self.count(1, at)?;
        all.push(item.clone());
        // The depth is that of the document, which this program writes.
        children.iter().try_for_each(|child| self.descend(child, at, all))
    }

    fn filter<'v>(&mut self, items: &[Item<'v>], filter: &'v Filter, at: usize) -> Result<Vec<Item<'v>>, Failure> {
        let mut passed = Vec::new();
        for item in items {
            let Some(Value::Array(values)) = item.in_document() else {
                return Err(Failure::new(format!("a filter needs an array, and got {}", item.kind()), at));
            };
            for value in values {
                if self.passes(value, filter, at)? {
                    passed.push(Item::Document(value));
                }
            }
        }
        Ok(passed)
    }

    fn passes<'v>(&mut self, value: &'v Value, filter: &'v Filter, at: usize) -> Result<bool, Failure> {
        let element = || vec![Item::Document(value)];
        let (left, operator, right) = match filter {
            // Upstream ignores the error here, and keeps the values before it.
            Filter::Exists(path) => return Ok(self.steps(element(), path).map_or(true, |found| !found.is_empty())),
            Filter::Compare(left, operator, right) => (left, operator, right),
        };
        let mut one = |path: &'v [Step]| match self.steps(element(), path)?.as_mut_slice() {
            [] => Ok(None),
            [item] => Ok(std::mem::replace(item, Item::Nothing).into_value()),
            _ => Err(Failure::new("a filter compares one value, and the path selects several", at)),
        };
        let Some(left) = one(left)? else { return Ok(false) };
        let Some(right) = one(right)? else { return Ok(false) };
        holds(&left, *operator, &right).map_err(|message| Failure::new(message, at))
    }
}

/// The elements of every array. As upstream, an empty slice ends the list, and `null` is skipped.
fn slices<'v>(items: &[Item<'v>], slice: Slice, at: usize) -> Result<Vec<Item<'v>>, Failure> {
    let mut all = Vec::new();
    for item in items {
        let values = match item.in_document() {
            Some(Value::Null) => continue,
            // Upstream panics.
            None if *item == Item::Nothing => continue,
            Some(Value::Array(values)) => values,
            _ => return Err(Failure::new(format!("an index needs an array, and got {}", item.kind()), at)),
        };
        let length = i64::try_from(values.len()).unwrap_or(i64::MAX);
        let from = slice.from.unwrap_or(0);
        let from = if from < 0 { from.saturating_add(length) } else { from };
        let to = slice.to.unwrap_or(length);
        let to = if to < 0 || (to == 0 && slice.is_index) { to.saturating_add(length) } else { to };
        if from == to {
            return Ok(all);
        }
        let elements = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        let elements = elements.and_then(|(from, to)| values.get(from..to).filter(|values| !values.is_empty()));
        let Some(elements) = elements else {
            let message = match slice.is_index {
                true => format!("no element with index {}: the array has {length}", slice.from.unwrap_or(0)),
                false => format!("the slice is out of bounds: the array has {length}"),
            };
            return Err(Failure::new(message, at));
        };
        let step = usize::try_from(slice.step.unwrap_or(1)).unwrap_or_default();
        if step == 0 {
            return Err(Failure::new("the step of a slice must be positive", at));
        }
        all.extend(elements.iter().step_by(step).map(Item::Document));
    }
    Ok(all)
}
