//! A ticket system in a few lines: all that a third one has to say.

use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::workflow::action::*;
use crate::workflow::state::{Name, Route};
use crate::workflow::system::{AccessCheck, Ask, Capabilities, TicketSystem};
use destination::about::KindDescription;
use destination::task::{Rendered, Target};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode, Reach};
use model::ticket::{Ticket, TicketPhase};

#[derive(Clone)]
pub(super) struct Toy;

impl TicketSystem for Toy {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "Toy",
            find_lag: Duration::from_secs(60),
            links_back: true,
            comment_places: 1,
            duplicate_parts: 1,
            headline_parts: |_| 1,
            comment_break: " ",
            escape: str::to_owned,
            page: |target, id, _| format!("{}{id}", target.url),
            must_look_up: |_| false,
        }
    }

    fn request(&self, ask: &Ask<'_>, action: &Action) -> Result<Rendered, Failure> {
        let of = |name: &Name, rest: &str| format!("tickets/{}{rest}", name.id);
        let (method, path, body) = match action {
            Action::Identify | Action::CheckAccess(_) => (Method::GET, "me".into(), Value::Null),
            Action::Create => (Method::POST, "tickets".into(), json!({ "mark": ask.marker })),
            Action::FindByKey { .. } => (Method::GET, format!("tickets?mark={}", ask.marker), Value::Null),
            Action::Read { id, .. } => (Method::GET, format!("tickets/{id}"), Value::Null),
            Action::Move(moving) => (Method::PATCH, of(&moving.name, ""), moving.plan.clone()),
            Action::Comment { name, comment } => (
                Method::POST,
                of(name, "/comments"),
                json!({ "text": comment.text }),
            ),
            Action::FindComment { name, .. } => (Method::GET, of(name, "/comments"), Value::Null),
            Action::LinkBack(name) => (Method::PUT, of(name, "/link"), json!({})),
            Action::MarkDuplicate { name, .. } => {
                (Method::PATCH, of(name, ""), json!({ "mark": "duplicate" }))
            }
            other => panic!("a toy is never asked for {other:?}"),
        };
        let url = ask.target.url.join(&path).unwrap();
        Ok(Rendered::new(
            method,
            url,
            HeaderMap::new(),
            body.to_string().into(),
        ))
    }

    fn observe(&self, ask: &Ask<'_>, action: &Action, exchange: &Exchange) -> Observation {
        let trouble = |kind, disposition| {
            let failure = Failure::new(FailureCode::ServerError, "no").with(disposition);
            Err(Trouble::new(kind, failure))
        };
        let response = match (&exchange.result, exchange.reach) {
            (Ok(response), _) => response,
            (Err(_), Reach::NotSent) => return trouble(TroubleKind::Unsent, Disposition::Backoff),
            (Err(_), Reach::MaybeSent) => return trouble(TroubleKind::Unknown, Disposition::Backoff),
        };
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let me = Identity {
            learned: Some("me".into()),
            name: "me".into(),
        };
        Ok(match (response.status, action) {
            (200, Action::Identify) => Facts::Account(Some(me)),
            (200, Action::FindByKey { .. }) => {
                let listed = body["tickets"].as_array().into_iter().flatten();
                Facts::Tickets(listed.map(|ticket| sighting(ask, ticket)).collect())
            }
            (200, Action::FindComment { key, .. }) if body.to_string().contains(key) => {
                Facts::Comment(Presence::There)
            }
            (200, Action::FindComment { .. }) => Facts::Comment(Presence::Absent),
            (200, Action::Comment { .. } | Action::LinkBack(_) | Action::CheckAccess(_)) => Facts::Nothing,
            (200, _) => Facts::Ticket(Box::new(sighting(ask, &body))),
            (429, _) => {
                let failure = Failure::new(FailureCode::RateLimited, "no").with(Disposition::RateLimited);
                return Err(Trouble::limited(failure, "toy".into(), self.timeout()));
            }
            (403, _) => return trouble(TroubleKind::Forbidden, Disposition::NeedsOperator),
            (404, _) => return trouble(TroubleKind::Missing, Disposition::Permanent),
            _ => return trouble(TroubleKind::Unknown, Disposition::Backoff),
        })
    }

    fn access_check(&self) -> AccessCheck {
        AccessCheck::Rights
    }

    fn is_identified(&self, target: &Target) -> bool {
        target.discovered_settings.is_some()
    }

    fn bucket(&self, _: &Target) -> String {
        "toy".into()
    }

    fn reference(&self, _: &Target, text: &str) -> Result<String, String> {
        Ok(text.into())
    }

    fn description(&self) -> &'static KindDescription {
        panic!("a toy has no form")
    }
}

fn sighting(ask: &Ask<'_>, body: &Value) -> Sighting {
    let states = || TicketPhase::ALL.iter().zip(["open", "doing", "closed"]);
    let (phase, status) = states().find(|(_, status)| body["status"] == *status).unwrap();
    let goal = ask
        .goal(*phase)
        .and_then(|goal| states().find(|(phase, _)| **phase == goal));
    let id = body["id"].to_string();
    Sighting {
        ticket: Ticket {
            url: format!("{}{id}", ask.target.url),
            key: format!("TOY-{id}"),
            phase: *phase,
            status: status.into(),
            id,
        },
        is_closed_duplicate: body["mark"] == "duplicate" && *phase == TicketPhase::Done,
        route: goal.map(|(_, status)| Route::Through {
            to: String::new(),
            plan: json!({ "status": status }),
        }),
        ..Sighting::blank(match body["mark"] == ask.marker {
            true => Mark::Ours,
            false => Mark::Other(String::new()),
        })
    }
}
