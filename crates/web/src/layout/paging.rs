//! Long lists in pages: newest first, each page beginning after the last row of the one before.

use store::{Listed, Page};

/// Rows of a page.
pub const PAGE_ROWS: u32 = 50;

/// The page that a query asks for: `before` is the last id of the page before, in hexadecimal digits. Nonsense begins
/// at the start.
pub fn page_of(before: &str) -> Page {
    let mut id = [0; 16];
    let is_id = hex::decode_to_slice(before, &mut id).is_ok();
    Page {
        limit: PAGE_ROWS,
        before: is_id.then_some(id),
    }
}

/// Where a list goes on, and whether this is its beginning.
#[derive(Debug, Clone, Default)]
pub struct Pager {
    /// The address of the first page, unless this is it.
    pub first: Option<String>,
    /// The address of the page before, if there is one and it can be told.
    pub newer: Option<String>,
    /// The address of the next, older page, if there may be one.
    pub older: Option<String>,
    /// Whether the list is in another order than the newest first.
    pub is_sorted: bool,
}

impl Pager {
    /// The pager of a list that says itself where it goes on.
    pub fn of_listed<T>(path: &str, filters: &[(&str, &str)], page: Page, listed: &Listed<T>) -> Self {
        let next = listed.next.map(hex::encode);
        Self {
            first: page.before.map(|_| address(path, filters, None)),
            older: next.map(|id| address(path, filters, Some(&id))),
            ..Self::default()
        }
    }

    /// The pager of a list at `path`, with the query parameters that choose its rows.
    pub fn new(
        path: &str,
        filters: &[(&str, &str)],
        page: Page,
        row_count: usize,
        last_id: Option<&[u8; 16]>,
    ) -> Self {
        let is_full = u32::try_from(row_count).is_ok_and(|count| count >= page.limit);
        let last_id = last_id.filter(|_| is_full).map(hex::encode);
        Self {
            first: page.before.map(|_| address(path, filters, None)),
            older: last_id.map(|id| address(path, filters, Some(&id))),
            ..Self::default()
        }
    }
}

/// A path with query parameters; empty ones are left out.
pub fn address(path: &str, filters: &[(&str, &str)], before: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in filters.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    if let Some(before) = before {
        query.append_pair("before", before);
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_page_leads_to_older_rows_with_the_same_filters() {
        let page = page_of(&"0f".repeat(16));
        assert_eq!(page.before, Some([0x0f; 16]));
        let pager = Pager::new(
            "/dead",
            &[("webhook", "whk_1"), ("q", "")],
            page,
            50,
            Some(&[1; 16]),
        );
        assert_eq!(pager.first.as_deref(), Some("/dead?webhook=whk_1"));
        let older = format!("/dead?webhook=whk_1&before={}", "01".repeat(16));
        assert_eq!(pager.older, Some(older));
    }

    #[test]
    fn a_page_that_is_not_full_is_the_last_and_nonsense_is_the_first() {
        let page = page_of("zz");
        let pager = Pager::new("/dead", &[], page, 49, Some(&[1; 16]));
        assert_eq!((page.before, pager.first, pager.older), (None, None, None));
    }
}
