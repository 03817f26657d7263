//! The limits of a list with several pages.

/// The maximum number of pages: a page usually has 500 items, and no cluster has 5,000,000 objects of a kind.
pub(super) const MOST_PAGES: u32 = 10_000;
/// The maximum number of consecutive empty pages, which prevents an endless loop.
pub(super) const MOST_EMPTY_PAGES: u32 = 10;
/// The maximum number of items, because the server decides how many it sends.
pub(super) const MOST_ITEMS: u64 = 5_000_000;

/// Counts the pages of a list.
#[derive(Default)]
pub(super) struct PageCount {
    pages: u32,
    pub(super) items: u64,
    /// The number of consecutive empty pages up to the last one.
    empty_pages: u32,
}

impl PageCount {
    /// Counts a page that another one follows. Returns a message if a limit is exceeded.
    pub(super) fn excess(&mut self, items: u64) -> Option<String> {
        self.pages += 1;
        self.items += items;
        self.empty_pages = if items == 0 { self.empty_pages + 1 } else { 0 };
        if self.empty_pages > MOST_EMPTY_PAGES {
            return Some(format!("{} consecutive pages without items", self.empty_pages));
        }
        if self.pages > MOST_PAGES {
            return Some(format!("more than {MOST_PAGES} pages"));
        }
        (self.items > MOST_ITEMS).then(|| format!("more than {MOST_ITEMS} items"))
    }
}
