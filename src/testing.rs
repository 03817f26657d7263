//! What tests of several modules use.

mod json_schemas;
