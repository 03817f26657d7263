//! The facts that every decision is made from.

pub(crate) mod node;
pub(crate) mod object;
pub(crate) mod pod;

pub(crate) use node::{Node, Taint};
pub(crate) use object::{Labels, Time};
pub(crate) use pod::Pod;
