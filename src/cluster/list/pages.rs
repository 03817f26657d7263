//! What a list that comes in pages may have in all.

/// A list has at most so many pages: clients that ask for pages ask for 500 items, and no cluster has 5,000,000 objects
/// of a kind.
pub(super) const MOST_PAGES: u32 = 10_000;
/// So many pages in a row may be empty. A server whose pages continue without items would be asked again and again.
pub(super) const MOST_EMPTY_PAGES: u32 = 10;
/// A list has at most so many items, as the server decides how many it sends.
pub(super) const MOST_ITEMS: u64 = 5_000_000;

/// The pages of a list that continues.
#[derive(Default)]
pub(super) struct PageCount {
    pages: u32,
    pub(super) items: u64,
    /// In a row, up to the last one.
    empty_pages: u32,
}

impl PageCount {
    /// Counts a page that another one follows; what is wrong with the list if this goes beyond what a cluster can have.
    pub(super) fn excess(&mut self, items: u64) -> Option<String> {
        self.pages += 1;
        self.items += items;
        self.empty_pages = if items == 0 { self.empty_pages + 1 } else { 0 };
        if self.empty_pages > MOST_EMPTY_PAGES {
            return Some(format!("{} pages in a row have no items, and there are more", self.empty_pages));
        }
        if self.pages > MOST_PAGES {
            return Some(format!("it has more than {MOST_PAGES} pages"));
        }
        (self.items > MOST_ITEMS).then(|| format!("it has more than {MOST_ITEMS} items"))
    }
}
