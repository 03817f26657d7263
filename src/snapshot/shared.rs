//! Stores values that many objects have in common once.
//!
//! The pods of a DaemonSet have the same labels, the same owner and mostly the same strings in their status. A
//! [`Shared`] value is one pointer, and an [`Interner`](super::interner::Interner) makes equal values point to the same memory. The interner leaks
//! nothing: before it would double in size, it drops the values that no object uses any more.

use std::collections::{BTreeMap, HashSet, btree_map};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize, Serializer};

/// A string that objects may have in common.
pub(crate) type Text = Shared<String>;

/// The crate prost with another string type, for the derive of messages whose strings are all [`Text`]. The derive
/// finds the type of an empty string through this path; a [`Text`] is encoded and decoded as the [`String`] inside.
pub(crate) mod prost {
    pub(crate) use ::prost::*;

    pub(crate) mod alloc {
        pub(crate) mod string {
            pub(crate) type String = crate::snapshot::shared::Text;
        }
    }
}

/// A value that may have several owners. It dereferences to the value, and it is copied on write. Decoders write into
/// it as into the value; an empty value needs no memory besides the pointer.
#[derive(Clone)]
pub(crate) struct Shared<T>(Option<Arc<T>>);

/// A type with a constant empty value.
pub(crate) trait Empty: Sized + 'static {
    const EMPTY: &'static Self;
}

impl Empty for String {
    const EMPTY: &'static Self = &Self::new();
}

impl<K: 'static, V: 'static> Empty for BTreeMap<K, V> {
    const EMPTY: &'static Self = &Self::new();
}

impl<T: 'static> Empty for Vec<T> {
    const EMPTY: &'static Self = &Self::new();
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Empty> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::EMPTY)
    }
}

impl<T: Empty + Clone> Shared<T> {
    pub(crate) fn take(self) -> T {
        self.0.map_or_else(|| T::EMPTY.clone(), Arc::unwrap_or_clone)
    }
}

impl<T: Empty + Clone + Default> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Some(Arc::new(value)))
    }
}

impl Text {
    pub(crate) const fn new() -> Self {
        Self(None)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

impl<T: Empty + Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<T: Empty + fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<T: Empty + PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Empty + Eq> Eq for Shared<T> {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        **self == *other
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        *self == **other
    }
}

impl<T: Empty + Hash> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<'a, T: 'static> IntoIterator for &'a Shared<Vec<T>> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a Shared<BTreeMap<String, String>> {
    type Item = (&'a String, &'a String);
    type IntoIter = btree_map::Iter<'a, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The distinct values of one type so far.
pub(crate) struct Pool<T> {
    values: HashSet<Shared<T>>,
    /// At this number of values, those that no object uses any more are dropped.
    sweep_at: usize,
}

/// A smaller pool is not worth a sweep.
pub(super) const SMALLEST_SWEEP: usize = 256;

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { values: HashSet::new(), sweep_at: SMALLEST_SWEEP }
    }
}

impl<T: Empty + Eq + Hash> Pool<T> {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Replaces the value by the equal one that was stored before, if there is one.
    pub(crate) fn share(&mut self, value: &mut Shared<T>) {
        if value.0.is_none() {
            return;
        }
        if let Some(known) = self.values.get(value) {
            value.0.clone_from(&known.0);
            return;
        }
        if self.values.len() >= self.sweep_at {
            self.values.retain(|value| value.0.as_ref().is_some_and(|held| Arc::strong_count(held) > 1));
            self.sweep_at = SMALLEST_SWEEP.max(2 * self.values.len());
        }
        self.values.insert(Shared(value.0.clone()));
    }
}
