//! The world in which the toy system is spoken: tickets in memory.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::play::answer;
use destination::task::Rendered;
use model::exchange::Exchange;
use model::time::Timestamp;

/// A ticket of the toy system.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) id: usize,
    mark: String,
    made_at: Timestamp,
    pub(super) status: &'static str,
    pub(super) comments: Vec<String>,
    pub(super) links: usize,
}

/// The toy system itself.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) tickets: Vec<Ticket>,
    /// How long a new ticket is not found.
    pub(super) find_lag: Duration,
    /// What is done at its time, whoever waits for it.
    pub(super) late: Vec<(Timestamp, Rendered)>,
}

impl World {
    pub(super) fn answer(&mut self, request: &Rendered, now: Timestamp) -> Exchange {
        let (due, later) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.late = later;
        for (at, request) in due {
            self.done(&request, at);
        }
        self.done(request, now)
    }

    fn done(&mut self, request: &Rendered, now: Timestamp) -> Exchange {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let path: Vec<&str> = request.url.path_segments().into_iter().flatten().collect();
        let told = |ticket: &Ticket| json!({ "id": ticket.id, "mark": ticket.mark, "status": ticket.status });
        if path == ["me"] {
            return answer(200, "{}".into());
        }
        if path == ["tickets"] && request.method == Method::GET {
            let wanted = request
                .url
                .query_pairs()
                .next()
                .map(|(_, mark)| mark.into_owned());
            let is_it = |ticket: &&Ticket| {
                Some(&ticket.mark) == wanted.as_ref() && now.since(ticket.made_at) >= self.find_lag
            };
            let found: Vec<Value> = self.tickets.iter().filter(is_it).map(told).collect();
            return answer(200, json!({ "tickets": found }).to_string());
        }
        if path == ["tickets"] {
            let (id, mark) = (
                self.tickets.len() + 1,
                body["mark"].as_str().unwrap_or_default().to_owned(),
            );
            self.tickets.push(Ticket {
                id,
                mark,
                made_at: now,
                status: "open",
                comments: Vec::new(),
                links: 0,
            });
        }
        let id = path.get(1).map_or(self.tickets.len(), |id| id.parse().unwrap());
        let Some(ticket) = self.tickets.iter_mut().find(|ticket| ticket.id == id) else {
            return answer(404, "{}".into());
        };
        match (&request.method, path.get(2)) {
            (&Method::POST, Some(_)) => ticket
                .comments
                .push(body["text"].as_str().unwrap_or_default().into()),
            (&Method::GET, Some(_)) => return answer(200, json!(ticket.comments).to_string()),
            (&Method::PUT, _) => ticket.links = 1,
            (&Method::PATCH, _) => {
                let states = ["open", "doing", "closed"];
                ticket.status = states
                    .into_iter()
                    .find(|state| body["status"] == *state)
                    .unwrap_or(ticket.status);
                ticket.mark = body["mark"].as_str().unwrap_or(&ticket.mark).to_owned();
            }
            _ => {}
        }
        answer(200, told(ticket).to_string())
    }
}
