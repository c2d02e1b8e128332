//! The receivers, in place of sockets: one for each webhook, plain or a simulated platform. What arrives is kept, to be judged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::json;

use clock::Env;
use model::exchange::{Exchange, FailureCode, OutboundRequest, PhaseTimings, Reach, Response, SendFailure};
use model::id::DeliveryId;
use model::time::Timestamp;
use outbound::{RequestSender, ShortageCounts};
use simulators::{Message, Simulator};

use super::behaviour::{Behaviour, Fate, WayBack, fate};
use super::chance::{Random, lock};
use super::disk;

/// More requests than come of any one action: what sends more never ends.
const MAX_ARRIVALS: usize = 20_000;

/// See the module. Clones share everything.
#[derive(Clone)]
pub struct Receivers {
    source: Env,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By host.
    receivers: BTreeMap<String, Receiver>,
    arrivals: Vec<Arrival>,
    /// Deliveries to plain receivers that are on their way.
    in_flight: usize,
    /// Where the node keeps its files: while the power is out there, it sends and hears nothing.
    folder: PathBuf,
    requests: u64,
    /// What the requests and answers were, folded into one number.
    trace: u64,
}

struct Receiver {
    platform: Option<Box<dyn Simulator>>,
    behaviour: Behaviour,
    random: Random,
}

/// A request that was sent, and what its sender heard.
#[derive(Debug, Clone)]
pub struct Arrival {
    number: u64,
    /// The receiver's host.
    pub host: String,
    /// Of requests to plain receivers.
    pub delivery_id: Option<DeliveryId>,
    pub body: Bytes,
    /// On the monotonic clock.
    pub sent_at_ms: i64,
    /// When the sender heard of its end, if it lived so long.
    pub ended_at_ms: Option<i64>,
    /// Whether the receiver took it.
    pub is_taken: bool,
    /// The status that the sender heard.
    pub heard: Option<u16>,
    /// How long the sender was told to wait, in seconds or as a date.
    pub told_wait: Option<Duration>,
    /// Deliveries to plain receivers that were on their way then, this one included.
    pub in_flight: usize,
}

/// Counts a delivery as on its way until it is dropped.
struct OnItsWay(Arc<Mutex<State>>);

impl Drop for OnItsWay {
    fn drop(&mut self) {
        lock(&self.0).in_flight -= 1;
    }
}

impl Receivers {
    pub fn new(source: Env) -> Self {
        Self {
            source,
            state: Arc::default(),
        }
    }

    /// A node on this folder begins to send.
    pub fn serve(&self, folder: &Path) {
        folder.clone_into(&mut lock(&self.state).folder);
    }

    /// A receiver under a host name, of a kind that has a simulator or of none; the URL of a webhook for it.
    pub fn add(&self, host: &str, kind: &str, seed: u64) -> String {
        let address = format!("https://{host}");
        let platform = simulators::simulator(kind);
        let url = match &platform {
            Some(platform) => platform.url(&address),
            None => format!("{address}/hook"),
        };
        let receiver = Receiver {
            platform,
            behaviour: Behaviour::Healthy,
            random: Random::new(seed),
        };
        lock(&self.state).receivers.insert(host.to_owned(), receiver);
        url
    }

    pub fn behave(&self, host: &str, behaviour: Behaviour) {
        lock(&self.state).receivers.get_mut(host).unwrap().behaviour = behaviour;
    }

    /// Somebody else closes or opens an issue of a code host; nothing happens if there is none.
    pub fn move_issue(&self, host: &str, kind: &str, issue: usize, closes: bool) {
        let mut state = lock(&self.state);
        let receiver = state.receivers.get_mut(host).unwrap();
        let platform = receiver.platform.as_mut().expect("a platform");
        let Some(number) = issue.checked_rem(platform.messages().len()) else {
            return;
        };
        let number = number + 1;
        let (method, target, body) = match kind {
            "github" => (
                Method::PATCH,
                format!("/api/v3/repos/acme/operations/issues/{number}"),
                json!({"state": if closes { "closed" } else { "open" }}),
            ),
            _ => (
                Method::PUT,
                format!("/api/v4/projects/acme%2Foperations/issues/{number}"),
                json!({"state_event": if closes { "close" } else { "reopen" }}),
            ),
        };
        let headers = [
            (AUTHORIZATION, "Bearer ada-lovelace-token"),
            (CONTENT_TYPE, "application/json"),
            (HOST, host),
            (USER_AGENT, "ada"),
        ];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_str(value).unwrap()));
        let answer = platform.answer(&simulators::Request {
            method: &method,
            target: &target,
            headers: &headers.into_iter().collect(),
            body: body.to_string().as_bytes(),
            now: self.source.wall_now(),
        });
        assert!(answer.status < 300, "{target}: {}", answer.body);
    }

    /// What arrived since this was last asked.
    pub fn take_arrivals(&self) -> Vec<Arrival> {
        let mut state = lock(&self.state);
        assert!(state.arrivals.len() < MAX_ARRIVALS, "requests come without end");
        // What is still on its way is told when it has ended.
        let (ended, open) = std::mem::take(&mut state.arrivals)
            .into_iter()
            .partition(|arrival| arrival.ended_at_ms.is_some());
        state.arrivals = open;
        ended
    }

    /// The node is gone: nobody hears any more what it had sent.
    pub fn take_unheard(&self) -> Vec<Arrival> {
        std::mem::take(&mut lock(&self.state).arrivals)
    }

    /// What stands on a platform.
    pub fn messages(&self, host: &str) -> Vec<Message> {
        let state = lock(&self.state);
        let platform = state.receivers[host].platform.as_ref();
        platform.map_or_else(Vec::new, |platform| platform.messages())
    }

    /// How many requests there were, and a number that stands for all that was in them and in their answers.
    pub fn trace(&self) -> (u64, u64) {
        let state = lock(&self.state);
        (state.requests, state.trace)
    }

    /// Nothing if the power is out, or if there were requests without end: nobody answers then, so that time passes.
    fn begin(&self, request: &OutboundRequest) -> Option<(Fate, u64, Option<OnItsWay>)> {
        let mut state = lock(&self.state);
        if disk::is_dark(&state.folder) || state.arrivals.len() >= MAX_ARRIVALS {
            return None;
        }
        let host = request.url.host_str().unwrap().to_owned();
        state.requests += 1;
        let receiver = state.receivers.get_mut(&host).expect("a receiver of ours");
        let now = self.source.wall_now();
        let fate = fate(
            receiver.behaviour,
            &mut receiver.random,
            now,
            request.timeout,
            request.connection,
        );
        let sent_at_ms = self.source.monotonic_millis();
        // A batch has an id of its own.
        let is_plain = receiver.platform.is_none();
        // A test is of no event, and past the queue.
        let is_told = is_plain && !request.headers.contains_key("x-opsknight-test");
        let id = request.headers.get("x-opsknight-delivery").filter(|_| is_told);
        let id = id.map(|id| id.to_str().unwrap().parse().unwrap());
        state.in_flight += usize::from(id.is_some());
        let (number, in_flight) = (state.requests, state.in_flight);
        let arrival = Arrival {
            number,
            host,
            delivery_id: id,
            body: request.body.clone(),
            sent_at_ms,
            ended_at_ms: None,
            is_taken: false,
            heard: None,
            told_wait: None,
            in_flight,
        };
        let at = sent_at_ms.to_be_bytes();
        fold(&mut state.trace, &at);
        fold(&mut state.trace, request.url.as_str().as_bytes());
        fold(&mut state.trace, &request.body);
        state.arrivals.push(arrival);
        let on_its_way = id.map(|_| OnItsWay(Arc::clone(&self.state)));
        Some((fate, number, on_its_way))
    }

    /// What the receiver makes of it.
    fn work_on(&self, request: &OutboundRequest) -> Response {
        let mut state = lock(&self.state);
        let host = request.url.host_str().unwrap();
        let Some(platform) = &mut state.receivers.get_mut(host).unwrap().platform else {
            return response(200, HeaderMap::new(), Bytes::from_static(b"seen"));
        };
        let target = &request.url[url::Position::BeforePath..url::Position::AfterQuery];
        // As the client would send it.
        let mut headers = request.headers.clone();
        headers.insert(HOST, HeaderValue::try_from(host).unwrap());
        headers.insert(CONTENT_LENGTH, HeaderValue::from(request.body.len()));
        let answer = platform.answer(&simulators::Request {
            method: &request.method,
            target,
            headers: &headers,
            body: &request.body,
            now: self.source.wall_now(),
        });
        let parse = |(name, value): (&str, String)| {
            let name = HeaderName::try_from(name).unwrap();
            (name, HeaderValue::try_from(value).unwrap())
        };
        let headers = answer.headers.into_iter().map(parse).collect();
        let mut body = Bytes::from(answer.body);
        body.truncate(request.body_cap);
        response(answer.status, headers, body)
    }

    /// Notes how a request ended.
    fn end(&self, number: u64, is_taken: bool, exchange: &Exchange) {
        let mut state = lock(&self.state);
        if disk::is_dark(&state.folder) {
            return;
        }
        let answer = exchange.result.as_ref().ok();
        let status = answer.map_or(0, |answer| answer.status);
        fold(&mut state.trace, &status.to_be_bytes());
        let ended_at_ms = self.source.monotonic_millis();
        let mut arrivals = state.arrivals.iter_mut();
        // It is gone if the node was killed meanwhile.
        if let Some(arrival) = arrivals.find(|arrival| arrival.number == number) {
            arrival.ended_at_ms = Some(ended_at_ms);
            arrival.is_taken = is_taken;
            arrival.heard = answer.map(|answer| answer.status);
            let header = answer.and_then(|answer| answer.headers.get(http::header::RETRY_AFTER));
            let told = header.map(|value| value.to_str().unwrap());
            arrival.told_wait = told.map(|told| wait_of(told, self.source.wall_now()));
        }
    }
}

#[async_trait]
impl RequestSender for Receivers {
    async fn send(&self, request: OutboundRequest) -> Exchange {
        let Some((fate, number, _on_its_way)) = self.begin(&request) else {
            return std::future::pending().await;
        };
        let mut answer = None;
        let mut is_taken = false;
        if let Some(way_there) = fate.way_there {
            tokio::time::sleep(way_there).await;
            for _ in 0..fate.arrivals {
                let given = fate.refusal.clone().unwrap_or_else(|| self.work_on(&request));
                is_taken |= (200..300).contains(&given.status);
                answer = Some(given);
            }
        }
        let reach = match fate.way_there {
            Some(_) => Reach::MaybeSent,
            None => Reach::NotSent,
        };
        let lost = |code: FailureCode| SendFailure {
            code,
            detail: "as the simulation wants it".into(),
        };
        let result = match (fate.way_back, answer) {
            (WayBack::After(time), Some(answer)) => {
                tokio::time::sleep(time).await;
                Ok(answer)
            }
            (WayBack::Torn, Some(mut answer)) => {
                answer.body.truncate(answer.body.len() / 2);
                answer.body_is_truncated = true;
                Ok(answer)
            }
            (WayBack::Lost(code, time), _) => {
                tokio::time::sleep(time).await;
                Err(lost(code))
            }
            (WayBack::After(_) | WayBack::Torn, None) => Err(lost(FailureCode::ConnectionClosed)),
        };
        let exchange = Exchange {
            notice: None,
            timings: PhaseTimings::default(),
            remote_address: None,
            reach,
            result,
        };
        self.end(number, is_taken, &exchange);
        exchange
    }

    fn shortages(&self) -> ShortageCounts {
        ShortageCounts::default()
    }
}

/// The wait that seconds or a date mean now.
fn wait_of(told: &str, now: Timestamp) -> Duration {
    match told.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = jiff::fmt::rfc2822::parse(told).unwrap().timestamp();
            Timestamp::from_millis(until.as_millisecond()).since(now)
        }
    }
}

fn response(status: u16, headers: HeaderMap, body: Bytes) -> Response {
    Response {
        status,
        headers,
        body,
        body_is_truncated: false,
    }
}

/// FNV-1a.
pub fn fold(hash: &mut u64, bytes: &[u8]) {
    for byte in bytes {
        *hash = (*hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}
