//! A simulated platform on a loopback port, behind real HTTP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

use clock::Env;
use model::time::Timestamp;
use simulators::{Callback, Dialogue, Message, Simulator};

use crate::support::described;

/// A request that the platform got.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: http::HeaderMap,
    pub body: String,
}

/// A running platform. It stops with the runtime of its test.
#[derive(Clone)]
pub struct Platform {
    /// Its address, without a slash at the end.
    pub address: String,
    /// The URL to give a webhook.
    pub url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    kind: String,
    simulator: Box<dyn Simulator>,
    seen: Vec<Seen>,
    clock: Option<Env>,
    hold: Option<(usize, Hold)>,
}

/// When a request is held back, so that whoever sent it can be killed meanwhile. It is never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Before anything is done.
    Before,
    /// After it was done.
    After,
}

impl Platform {
    /// Starts the platform of a kind.
    pub async fn start(kind: &str) -> Self {
        let simulator = simulators::simulator(kind).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let platform = Self {
            url: simulator.url(&address),
            address,
            state: Arc::new(Mutex::new(State {
                kind: kind.to_owned(),
                simulator,
                seen: Vec::new(),
                clock: None,
                hold: None,
            })),
        };
        tokio::spawn(platform.clone().accept(listener));
        platform
    }

    /// Where it listens.
    pub fn socket_address(&self) -> SocketAddr {
        self.address.trim_start_matches("http://").parse().unwrap()
    }

    /// The next request meets a fault.
    pub fn fail_next(&self, fault: &str) {
        assert!(self.state().simulator.fail_next(fault), "no fault {fault}");
    }

    /// Holds the request with this number, counted from now and from 1.
    pub fn hold(&self, number: usize, hold: Hold) {
        let mut state = self.state();
        let at = state.seen.len() + number;
        state.hold = Some((at, hold));
    }

    /// Whether a request is being held.
    pub fn is_holding(&self) -> bool {
        let state = self.state();
        state.hold.is_some_and(|(at, _)| state.seen.len() >= at)
    }

    /// Holds nothing more.
    pub fn let_go(&self) {
        self.state().hold = None;
    }

    /// Takes the time from a clock; without one it is always the same.
    pub fn take_time_from(&self, clock: Env) {
        self.state().clock = Some(clock);
    }

    /// The messages as they stand, oldest first, each as its text.
    pub fn texts(&self) -> Vec<String> {
        self.messages().iter().map(Message::text).collect()
    }

    /// The messages as they stand, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.state().simulator.messages()
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let platform = self.clone();
            let dialogue = self.state().simulator.dialogue();
            if let Some(dialogue) = dialogue {
                tokio::spawn(platform.talk(stream, dialogue));
                continue;
            }
            let service = service_fn(move |request| platform.clone().answer(request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }

    /// Speaks lines, for platforms that speak no HTTP.
    async fn talk(self, stream: TcpStream, mut dialogue: Box<dyn Dialogue>) {
        let mut stream = BufStream::new(stream);
        let mut turn = dialogue.greeting();
        loop {
            if let Some((request, _)) = turn.request {
                self.state().seen.push(Seen {
                    method: request.method().to_string(),
                    target: request.uri().to_string(),
                    headers: request.headers().clone(),
                    body: String::from_utf8_lossy(request.body()).into_owned(),
                });
            }
            let is_said =
                stream.write_all(turn.said.as_bytes()).await.is_ok() && stream.flush().await.is_ok();
            let mut line = Vec::new();
            let is_over = turn.is_end || !is_said;
            if is_over || stream.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
                return;
            }
            turn = dialogue.hear(&line);
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Lost> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let Some(answer) = self.work_on(&head, &body) else {
            return std::future::pending().await;
        };
        make_calls(answer.callbacks);
        if answer.is_lost {
            return Err(Lost);
        }
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(Full::from(answer.body)).unwrap())
    }

    /// What the platform makes of a request; nothing if it is held back.
    fn work_on(&self, head: &http::request::Parts, body: &Bytes) -> Option<simulators::Response> {
        let target = head.uri.path_and_query().unwrap().as_str();
        let mut state = self.state();
        if let Some(fault) = target.strip_prefix("/fail/") {
            let is_known = state.simulator.fail_next(fault);
            return Some(simulators::Response::json(
                if is_known { 204 } else { 404 },
                &serde_json::Value::Null,
                "asked for a fault",
            ));
        }
        let held = state.hold.filter(|(at, _)| *at == state.seen.len() + 1);
        let now = state.clock.as_ref().map_or(Timestamp::EPOCH, Env::now);
        let request = simulators::Request {
            method: &head.method,
            target,
            headers: &head.headers,
            body,
            now,
        };
        let is_done = held.is_none_or(|(_, hold)| hold == Hold::After);
        let answer = is_done.then(|| state.simulator.answer(&request));
        let answer = answer.map(|answer| described_only(&state.kind, &request, answer));
        state.seen.push(Seen {
            method: head.method.to_string(),
            target: target.to_owned(),
            headers: head.headers.clone(),
            body: String::from_utf8_lossy(body).into_owned(),
        });
        answer.filter(|_| held.is_none())
    }
}

/// The answer, or a refusal if the simulator took what its vendor does not describe.
fn described_only(
    kind: &str,
    request: &simulators::Request<'_>,
    answer: simulators::Response,
) -> simulators::Response {
    let mistakes = described::mistakes(kind, request.method.as_str(), request.target, request.body);
    if answer.status >= 400 || mistakes.is_empty() {
        return answer;
    }
    let body =
        serde_json::json!({ "message": "the vendor does not describe this request", "mistakes": mistakes });
    simulators::Response::json(422, &body, "refused what is not described")
}

/// The answer is lost on its way: the connection breaks.
#[derive(Debug)]
struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("lost")
    }
}

impl std::error::Error for Lost {}

/// Calls that the platform makes by itself, one after the other. Whoever is called may be gone.
fn make_calls(calls: Vec<Callback>) {
    tokio::spawn(async move {
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        for call in calls {
            let mut request = Request::post(&call.url);
            for (name, value) in &call.headers {
                request = request.header(name, value);
            }
            let _ = client.request(request.body(Full::from(call.body)).unwrap()).await;
        }
    });
}
