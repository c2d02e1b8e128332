//! Pages of lists, newest first.

/// The rows of a list that a caller wants: newest first, below a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many rows at most.
    pub limit: u32,
    /// Only rows with an id below this one: the last id of the page before.
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
