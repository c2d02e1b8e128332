//! Pages of lists as bounds of a query.

use store::Page;

/// Above every id: where the first page of a list begins.
const ABOVE_EVERY_ID: [u8; 16] = [0xff; 16];

/// The bounds of a page: only ids below the first, at most so many rows as the second says.
pub fn page_bounds(page: Page) -> ([u8; 16], u32) {
    (
        page.before.unwrap_or(ABOVE_EVERY_ID),
        page.limit.min(Page::MAX_LIMIT),
    )
}
