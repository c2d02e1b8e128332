//! The help: the documents of `docs/`, made into pages by `build.rs`. Open to everybody, as the documents are.

use askama::Template;
use askama::filters::Safe;
use axum::extract::Path;

use crate::layout::error::{PageError, PageResult};
use crate::layout::show::Markup;
use crate::layout::{Layout, Nav, render};
use crate::session::{Anybody, RequestContext};

/// A document as a page.
pub struct Document {
    /// What stands behind `/docs/`.
    pub path: &'static str,
    pub title: &'static str,
    /// Anchor and words of each part.
    pub parts: &'static [(&'static str, &'static str)],
    pub html: &'static str,
}

/// Every document, in the order of their paths.
pub const DOCUMENTS: &[Document] = include!(concat!(env!("OUT_DIR"), "/documents.rs"));

#[derive(Template)]
#[template(path = "reference/document.html")]
struct DocumentPage {
    layout: Layout,
    document: &'static Document,
    /// The documents in whose folders it lies, the first of all first.
    above: Vec<&'static Document>,
    text: Markup,
}

/// `GET /docs`
pub async fn start(session: Anybody, context: RequestContext) -> PageResult {
    show("", &session, &context)
}

/// `GET /docs/{*path}`
pub async fn page(Path(path): Path<String>, session: Anybody, context: RequestContext) -> PageResult {
    show(&path, &session, &context)
}

fn find(path: &str) -> Option<&'static Document> {
    let place = DOCUMENTS.binary_search_by_key(&path, |document| document.path);
    place.ok().and_then(|place| DOCUMENTS.get(place))
}

fn show(path: &str, Anybody(session): &Anybody, context: &RequestContext) -> PageResult {
    let document = find(path).ok_or_else(|| PageError::not_found("page"))?;
    let folders = path.rmatch_indices('/').map(|(end, _)| &path[..end]);
    let mut above: Vec<_> = folders.filter_map(find).collect();
    above.extend(find("").filter(|_| !path.is_empty()));
    above.reverse();
    let layout = match session {
        Some(session) => Layout::new(session, document.title, Nav::Help),
        None => Layout::open(document.title, context),
    };
    render(&DocumentPage {
        layout,
        document,
        above,
        // It is ours, and was made into markup when the program was compiled.
        text: Safe(document.html.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the links of a document lead on this server.
    fn links(document: &Document) -> Vec<&'static str> {
        let links = document.html.split("href=\"").skip(1);
        let links = links.filter_map(|rest| rest.split('"').next());
        links.filter(|link| link.starts_with("/docs")).collect()
    }

    fn has_anchor(document: &Document, anchor: &str) -> bool {
        document.html.contains(&format!("id=\"{anchor}\""))
    }

    #[test]
    fn every_link_of_the_help_leads_to_a_page_and_its_part() {
        let dead = DOCUMENTS.iter().flat_map(links).filter(|link| {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = path.trim_start_matches("/docs").trim_start_matches('/');
            path != "errors" && !find(path).is_some_and(|page| anchor.is_empty() || has_anchor(page, anchor))
        });
        let dead: Vec<_> = dead.collect();
        assert_eq!(dead, [""; 0]);
    }

    #[test]
    fn every_document_can_be_reached_from_the_first() {
        let mut reached = vec![""];
        let mut place = 0;
        while let Some(path) = reached.get(place).copied() {
            for link in find(path).into_iter().flat_map(links) {
                let path = link.split('#').next().unwrap_or_default();
                let path = path.trim_start_matches("/docs").trim_start_matches('/');
                if !reached.contains(&path) {
                    reached.push(path);
                }
            }
            place += 1;
        }
        let lost: Vec<_> = DOCUMENTS
            .iter()
            .map(|document| document.path)
            .filter(|path| !reached.contains(path))
            .collect();
        assert_eq!(lost, [""; 0]);
    }

    #[test]
    fn every_kind_has_its_page() {
        let kinds = kinds::all().iter().map(|adapter| adapter.description().kind);
        let pages = kinds.map(|key| format!("destinations/{key}"));
        let missing: Vec<_> = pages.filter(|page| find(page).is_none()).collect();
        assert_eq!(missing, ["destinations/generic"]);
    }

    #[test]
    fn a_document_has_a_title_and_nothing_that_the_page_forbids() {
        for document in DOCUMENTS {
            assert!(!document.title.is_empty(), "{}", document.path);
            for forbidden in ["style=", "<script", "<img", "<h1"] {
                let is_there = document.html.contains(forbidden);
                assert!(!is_there, "{} has {forbidden}", document.path);
            }
        }
    }
}
