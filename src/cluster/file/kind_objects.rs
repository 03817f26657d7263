//! The objects of one kind, and whether some are missing.

use std::collections::HashMap;

use crate::snapshot::Known;

/// The objects of one kind.
#[derive(Clone, Debug)]
pub(super) struct Kind<T> {
    pub(super) objects: Vec<T>,
    /// The index in `objects` of each namespace and name.
    pub(super) places: HashMap<(String, String), usize>,
    /// Whether the files contain this kind, even if only as an empty list.
    pub(super) is_there: bool,
    /// Why objects are missing, if a file could not be read.
    pub(super) lost: Option<String>,
}

impl<T> Default for Kind<T> {
    fn default() -> Self {
        Self { objects: Vec::new(), places: HashMap::new(), is_there: false, lost: None }
    }
}

impl<T> Kind<T> {
    pub(super) fn put(&mut self, namespace: &str, name: &str, object: T) {
        self.is_there = true;
        match self.places.entry((namespace.to_owned(), name.to_owned())) {
            std::collections::hash_map::Entry::Occupied(place) => self.objects[*place.get()] = object,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(self.objects.len());
                self.objects.push(object);
            }
        }
    }

    pub(super) fn lose(&mut self, why: &str) {
        self.lost.get_or_insert_with(|| why.to_owned());
    }

    /// The objects; unknown if the files do not contain the kind, or not all of its objects.
    pub(super) fn known(self, plural: &str) -> Known<Vec<T>> {
        match (self.lost, self.is_there) {
            (Some(why), _) => Known::not_saved(format!("some {plural} could not be read: {why}")),
            (None, true) => Known::Known(self.objects),
            (None, false) => Known::not_saved(format!("the files contain no {plural}")),
        }
    }
}
