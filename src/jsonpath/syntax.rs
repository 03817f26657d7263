//! The steps of a parsed template.

use serde_json::Value;

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Block {
    /// The text between two expressions.
    Text(String),
    /// An expression in braces: each step is applied to the results of the one before.
    Action(Vec<Step>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// The position in the template, for messages.
    pub(super) at: usize,
    pub(super) kind: StepKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum StepKind {
    /// A quoted text, which replaces the values.
    Text(String),
    /// A number or a boolean, which replaces each value.
    Literal(Value),
    /// `.name`
    Field(String),
    /// `.*`
    Wildcard,
    /// `..`
    Recursive,
    /// `[1]`, `[1:3]`, `[*]`
    Slice(Slice),
    /// `[0,2]`, `['a','b']`
    Union(Vec<Vec<Step>>),
    /// `[?(@.a==1)]`
    Filter(Filter),
    /// `range`
    Range,
    /// `end`
    End,
}

/// The bounds of a slice. A negative one counts from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
    /// Whether the slice is a single index, so that `to` follows from `from`.
    pub(super) is_index: bool,
    pub(super) step: Option<i64>,
}

/// A condition on the elements of an array.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    /// The path selects a value.
    Exists(Vec<Step>),
    Compare(Vec<Step>, Operator, Vec<Step>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
