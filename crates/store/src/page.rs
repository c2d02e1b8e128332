//! Pages of lists, newest first.

/// The rows of a list that a caller wants: newest first, below a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many rows at most.
    pub limit: u32,
    /// Only rows with an id below this one (above it, where the oldest come first): the last id of the page before.
    pub before: Option<[u8; 16]>,
}

/// Above every id: where the first page of a list begins.
const ABOVE_EVERY_ID: [u8; 16] = [0xff; 16];

impl Page {
    /// How many rows a page has unless the caller says otherwise.
    pub const DEFAULT_LIMIT: u32 = 50;
    /// The most rows a page may have.
    pub const MAX_LIMIT: u32 = 200;

    /// The first page of the default size.
    pub fn first() -> Self {
        Self {
            limit: Self::DEFAULT_LIMIT,
            before: None,
        }
    }

    /// As bounds of a query: only ids below the first, at most so many rows as the second says.
    pub fn bounds(self) -> ([u8; 16], u32) {
        (
            self.before.unwrap_or(ABOVE_EVERY_ID),
            self.limit.min(Self::MAX_LIMIT),
        )
    }
}

/// The id that follows.
pub fn above(id: [u8; 16]) -> [u8; 16] {
    u128::from_be_bytes(id).saturating_add(1).to_be_bytes()
}

/// The id that goes before.
pub fn below(id: [u8; 16]) -> [u8; 16] {
    u128::from_be_bytes(id).saturating_sub(1).to_be_bytes()
}

/// How many rows one page of a list looks at, at most, if its filter asks for what no index knows. A longer look would hold
/// up everybody else, so that such a list comes in more pages rather than late.
pub const WALKED_ROWS: u32 = 20_000;

/// Of how many rows of each webhook that is at least, where they are looked at webhook by webhook.
pub const WALKED_OF_EACH: u32 = 100;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// Newest first. There may be fewer than were asked for, or none, and still more to come.
    pub rows: Vec<T>,
    /// The bound of the next page ([`Page::before`]); nothing if this is the last one.
    pub next: Option<[u8; 16]>,
}

impl<T> Listed<T> {
    /// No rows, and none to come.
    pub fn none() -> Self {
        Self {
            rows: Vec::new(),
            next: None,
        }
    }

    /// What was found for a page. A full page goes on behind its last row. One that is not full goes on below `walked_to`, the
    /// last row that was looked at, unless everything was.
    pub fn new(rows: Vec<T>, page: Page, walked_to: Option<[u8; 16]>, id: impl Fn(&T) -> [u8; 16]) -> Self {
        let is_full = rows.len() >= page.limit as usize;
        let last = rows.last().filter(|_| is_full).map(id);
        Self {
            next: last.or(walked_to),
            rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_of(rows: &[u8], walked_to: Option<u8>) -> Option<[u8; 16]> {
        let page = Page {
            limit: 2,
            before: None,
        };
        Listed::new(rows.to_vec(), page, walked_to.map(|id| [id; 16]), |id| [*id; 16]).next
    }

    #[test]
    fn a_list_goes_on_behind_a_full_page_or_behind_what_was_looked_at() {
        assert_eq!(next_of(&[9, 8], Some(3)), Some([8; 16]));
        assert_eq!(next_of(&[9], Some(3)), Some([3; 16]));
        assert_eq!(next_of(&[], Some(3)), Some([3; 16]));
        assert_eq!(next_of(&[9], None), None);
    }
}
