//! `--sort-by`: the order of the rows of a table.

use serde::Serialize;

use crate::command::args::SortPath;
use crate::error::Error;
use crate::jsonpath::{Unsortable, order};
use crate::render::document::Rows;

/// The indices of the rows of a document, in their new order.
///
/// # Errors
/// [`Error::Usage`]: no row has a value at the path, or the values cannot be compared.
pub(super) fn sort_order(path: &SortPath, document: &impl Serialize, rows: Rows) -> Result<Vec<usize>, Error> {
    let document = serde_json::to_value(document).map_err(|error| Error::Output(error.into()))?;
    order(&path.path, &rows.of(&document)).map_err(|why| unsortable(path, &why))
}

fn unsortable(path: &SortPath, why: &Unsortable) -> Error {
    let hint = match why {
        Unsortable::NotFound => "the paths are those of the rows in the JSON output: show them with -o json",
        Unsortable::Type(_) | Unsortable::Path(_) => "sort by a path with one number or text in each row",
    };
    Error::Usage { message: format!("cannot sort by {:?}: {why}", path.text), hint: hint.into() }
}

/// Puts the elements in a new order, given by their indices.
pub(super) fn permute<T>(elements: &mut Vec<T>, order: &[usize]) {
    let mut old: Vec<Option<T>> = elements.drain(..).map(Some).collect();
    elements.extend(order.iter().filter_map(|index| old.get_mut(*index)?.take()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_take_the_new_order() {
        let mut elements = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        permute(&mut elements, &[2, 0, 1]);
        assert_eq!(elements, ["c", "a", "b"]);
    }
}
