//! The worlds in which systems are spoken to: the toy's, and every simulated one.

use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::play::{answered, silence};
use destination::task::Rendered;
use model::exchange::{Exchange, Reach};
use model::time::Timestamp;
use simulators::{Request, Simulator};

/// A ticket of the toy system.
#[derive(Debug, Clone)]
struct Ticket {
    id: usize,
    mark: String,
    made_at: Timestamp,
    status: &'static str,
    comments: Vec<String>,
    links: usize,
}

/// What is on the other side.
pub(super) trait World {
    /// Answers a request.
    fn answer(&mut self, request: &Rendered, now: Timestamp) -> Exchange;

    /// The tickets as people read them, the oldest first.
    fn tickets(&self) -> Vec<String>;

    /// New tickets are not found at once from now on.
    fn lag(&mut self);

    /// The ticket is gone when it is read next.
    fn vanish(&mut self);

    /// The account is shown nothing from now on, and may do nothing; or it is again.
    fn go_blind_or_see(&mut self);
}

/// A simulated platform.
pub(super) struct Simulated(pub(super) Box<dyn Simulator>);

impl World for Simulated {
    fn answer(&mut self, request: &Rendered, now: Timestamp) -> Exchange {
        let mut headers = request.headers.clone();
        // What the engine adds to every request.
        headers.insert(USER_AGENT, HeaderValue::from_static("OpsKnight"));
        let response = self.0.answer(&Request {
            method: &request.method,
            target: &request.url[url::Position::BeforePath..],
            headers: &headers,
            body: &request.body,
            now,
        });
        if response.is_lost {
            return silence(Reach::MaybeSent);
        }
        let mut exchange = answered(response.status, response.body);
        if let Ok(answer) = &mut exchange.result {
            let headers = response.headers.iter().filter_map(|(name, value)| {
                Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
            });
            answer.headers.extend(headers);
        }
        exchange
    }

    fn tickets(&self) -> Vec<String> {
        self.0.messages().iter().map(simulators::Message::text).collect()
    }

    fn lag(&mut self) {
        // A system without this fault finds what is made at once.
        self.0.fail_next("lag");
    }

    fn vanish(&mut self) {
        assert!(self.0.fail_next("deleted"));
    }

    fn go_blind_or_see(&mut self) {
        // A system without such a fault loses the answer alone.
        for fault in ["token_ends", "lost_role"] {
            self.0.fail_next(fault);
        }
    }
}

/// The toy system itself.
#[derive(Debug, Default)]
pub(super) struct ToyWorld {
    tickets: Vec<Ticket>,
    /// How long a new ticket is not found.
    find_lag: Duration,
    is_blind: bool,
}

impl World for ToyWorld {
    fn answer(&mut self, request: &Rendered, now: Timestamp) -> Exchange {
        match self.is_blind {
            true => shown_nothing(request),
            false => self.done(request, now),
        }
    }

    fn tickets(&self) -> Vec<String> {
        let texts = self.tickets.iter().map(|ticket| {
            format!(
                "{} {}\nlinks: {}\n{}",
                ticket.id,
                ticket.status,
                ticket.links,
                ticket.comments.join("\n")
            )
        });
        texts.collect()
    }

    fn lag(&mut self) {
        self.find_lag = Duration::from_secs(50);
    }

    fn vanish(&mut self) {
        self.tickets.clear();
    }

    fn go_blind_or_see(&mut self) {
        self.is_blind = !self.is_blind;
    }
}

impl ToyWorld {
    fn done(&mut self, request: &Rendered, now: Timestamp) -> Exchange {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let path: Vec<&str> = request.url.path_segments().into_iter().flatten().collect();
        let told = |ticket: &Ticket| json!({ "id": ticket.id, "mark": ticket.mark, "status": ticket.status });
        if path == ["me"] {
            return answered(200, "{}".into());
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
            return answered(200, json!({ "tickets": found }).to_string());
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
            return answered(404, "{}".into());
        };
        match (&request.method, path.get(2)) {
            (&Method::POST, Some(_)) => ticket
                .comments
                .push(body["text"].as_str().unwrap_or_default().into()),
            (&Method::GET, Some(_)) => return answered(200, json!(ticket.comments).to_string()),
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
        answered(200, told(ticket).to_string())
    }
}

/// As somebody is answered who has lost all rights and is believed to be who they are.
fn shown_nothing(request: &Rendered) -> Exchange {
    match (request.url.path(), &request.method) {
        ("/me", _) | ("/tickets", &Method::POST) => answered(403, "{}".into()),
        ("/tickets", _) => answered(200, json!({ "tickets": [] }).to_string()),
        _ => answered(404, "{}".into()),
    }
}
