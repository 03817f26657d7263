//! Equal values of the objects that are read are kept in memory once.

use super::object::{Labels, OwnerReference};
use super::shared::{Pool, Shared, Text};

/// Makes equal values of the objects that it processes share their memory.
#[derive(Default)]
pub(crate) struct Interner {
    texts: Pool<String>,
    labels: Pool<Labels>,
    owners: Pool<Vec<OwnerReference>>,
}

impl Interner {
    pub(crate) fn text(&mut self, text: &mut Text) {
        self.texts.share(text);
    }

    /// Shares the whole map.
    pub(crate) fn labels(&mut self, labels: &mut Shared<Labels>) {
        self.labels.share(labels);
    }

    /// Shares the whole list.
    pub(crate) fn owners(&mut self, owners: &mut Shared<Vec<OwnerReference>>) {
        self.owners.share(owners);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::shared::SMALLEST_SWEEP;

    fn text(index: usize) -> Text {
        format!("text {index}").into()
    }

    fn is_same(a: &Text, b: &Text) -> bool {
        std::ptr::eq::<String>(&**a, &**b)
    }

    #[test]
    fn equal_texts_are_stored_once() {
        let mut interner = Interner::default();
        let (mut first, mut second, mut other) = (text(1), text(1), text(2));
        for one in [&mut first, &mut second, &mut other] {
            interner.text(one);
        }
        assert!(is_same(&first, &second) && !is_same(&first, &other));
        assert_eq!((first.as_str(), other.as_str()), ("text 1", "text 2"));
    }

    #[test]
    fn change_is_seen_by_one_owner_only() {
        let mut interner = Interner::default();
        let (mut first, mut second) = (text(1), text(1));
        interner.text(&mut first);
        interner.text(&mut second);
        second.push('0');
        assert_eq!((first.as_str(), second.as_str()), ("text 1", "text 10"));
    }

    #[test]
    fn empty_value_equals_unset_value() {
        assert_eq!(Text::default(), Text::from(""));
        assert_eq!(Shared::<Labels>::default(), Labels::new().into());
    }

    #[test]
    fn texts_of_dropped_objects_are_dropped() {
        let mut interner = Interner::default();
        let mut kept: Vec<Text> = (0..10).map(text).collect();
        kept.iter_mut().for_each(|one| interner.text(one));
        for index in 10..100 * SMALLEST_SWEEP {
            interner.text(&mut text(index));
        }
        assert!(interner.texts.len() <= SMALLEST_SWEEP + 1, "{}", interner.texts.len());
        let mut again = text(3);
        interner.text(&mut again);
        assert!(is_same(&again, &kept[3]));
    }
}
