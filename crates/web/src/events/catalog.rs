//! The catalog of events: each with a request as a receiver gets it, and a box that checks the signatures of what is pasted. Open
//! to everybody: it is for who writes the receiver, and tells nothing of this server. What is pasted is kept nowhere.

use askama::Template;

use crate::events::explanation::{Explanation, Explanations, Pasted, explain};
use crate::events::samples::{SAMPLE_SECRET, SampleRequest, every_type};
use crate::layout::error::PageResult;
use crate::layout::form::Form;
use crate::layout::query::Query;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, render};
use crate::session::{Anybody, RequestContext, UserSession};
use model::event::EventType;

const TITLE: &str = "Event catalog";

/// An event in the catalog.
struct CatalogEvent {
    name: &'static str,
    meaning: String,
    head: String,
    body: String,
    pretty: String,
}

/// What stands in the box.
#[derive(Default)]
struct SignatureBox {
    headers: String,
    body: String,
    /// The secret of samples; never one that was typed.
    secret: &'static str,
    explained: Option<Explanations>,
}

#[derive(Template)]
#[template(path = "events/catalog.html")]
struct CatalogPage {
    layout: Layout,
    groups: [(&'static str, Vec<CatalogEvent>); 2],
    signature: SignatureBox,
}

impl CatalogPage {
    fn new(session: Option<&UserSession>, context: &RequestContext, signature: SignatureBox) -> Self {
        let entry = |event: EventType| {
            let sample = SampleRequest::new(event, context.now);
            CatalogEvent {
                name: event.as_str(),
                meaning: show::sentence_case(sample.meaning()),
                pretty: show::pretty_json(sample.body.as_bytes()).unwrap_or_default(),
                head: sample.head,
                body: sample.body,
            }
        };
        let (operational, incidents): (Vec<_>, Vec<_>) =
            every_type().partition(|event| event.operational().is_some());
        let entries = |events: Vec<EventType>| events.into_iter().map(entry).collect();
        Self {
            layout: match session {
                Some(session) => Layout::new(session, TITLE, Nav::Integrations),
                None => Layout::open(TITLE, context),
            },
            groups: [
                ("Events of incidents", entries(incidents)),
                ("Operational events", entries(operational)),
            ],
            signature,
        }
    }

    fn badge(explanation: &Explanation) -> Markup {
        show::badge(explanation.check.tone(), explanation.check.word())
    }
}

/// `GET /docs/events`
pub async fn page(Anybody(session): Anybody, context: RequestContext, query: Query) -> PageResult {
    let signature = match query.parsed("sample", EventType::parse) {
        Some(event) => {
            let sample = SampleRequest::new(event, context.now);
            SignatureBox {
                headers: sample.head,
                body: sample.body,
                secret: SAMPLE_SECRET,
                explained: None,
            }
        }
        None => SignatureBox::default(),
    };
    render(&CatalogPage::new(session.as_ref(), &context, signature))
}

/// `POST /docs/events`: checks the signatures of what was pasted.
pub async fn check(Anybody(session): Anybody, context: RequestContext, form: Form) -> PageResult {
    let pasted = Pasted::new(form.raw("headers"), form.raw("body"));
    let explained = explain(&pasted, form.raw("secret"), context.now);
    let signature = SignatureBox {
        headers: form.raw("headers").to_owned(),
        body: form.raw("body").to_owned(),
        secret: "",
        explained: Some(explained),
    };
    render(&CatalogPage::new(session.as_ref(), &context, signature))
}
