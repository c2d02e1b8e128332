//! The baseline: signed requests straight to a receiver, with the same client, the same receiver and the same size of
//! body, but no server between them. What the machine could do if the product cost nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use tokio::task::JoinSet;

use clock::Env;
use model::secret::SecretText;
use outbound::signature::{Signer, SigningSecrets};

use crate::Setting;
use crate::load::{Session, TITLE_CHARS, title};
use crate::receiver::{Expected, Manner, Receiver};
use crate::usage;

/// Requests for each incident of scenario A: they are quick, and a longer run is a steadier figure.
const REQUESTS_PER_INCIDENT: u32 = 5;

/// What came out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// Requests made.
    pub requests: u32,
    /// Requests answered per second.
    pub requests_per_second: f64,
    /// Time of processor spent by sender and receiver together.
    pub bench_cpu_micros_per_delivery: f64,
}

/// What the senders share.
struct Sender {
    signer: Signer,
    source: Env,
    epoch: Instant,
    next: AtomicU32,
    requests: u32,
}

/// Sends, and counts what arrived.
pub async fn run(setting: &Setting) -> anyhow::Result<Baseline> {
    let requests = setting.arguments.incidents * REQUESTS_PER_INCIDENT;
    let epoch = Instant::now();
    let expected = Expected {
        incidents: requests,
        of_each: 1,
        answer_bytes: 0,
    };
    let receiver = Receiver::start(Manner::Prompt, &expected, epoch).await?;
    let sender = Arc::new(Sender {
        signer: Signer::new(&SigningSecrets {
            current: SecretText::new(crate::receiver::SECRET),
            previous: None,
        }),
        source: Env::system(),
        epoch,
        next: AtomicU32::new(0),
        requests,
    });
    let cpu_before = usage::own()?.cpu;
    let started_at = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..setting.arguments.in_flight {
        let session = Session::connect(receiver.address, None).await?;
        senders.spawn(Arc::clone(&sender).send(session));
    }
    while let Some(ended) = senders.join_next().await {
        ended.context("a sender of the baseline broke")??;
    }
    let seconds = started_at.elapsed().as_secs_f64();
    let cpu = usage::own()?.cpu.saturating_sub(cpu_before);
    let tally = receiver.stop();
    anyhow::ensure!(
        tally.unique() == u64::from(requests) && tally.signatures_invalid == 0,
        "the baseline is broken: {} of {requests} requests arrived, {} signatures were wrong",
        tally.unique(),
        tally.signatures_invalid
    );
    Ok(Baseline {
        requests,
        requests_per_second: f64::from(requests) / seconds,
        bench_cpu_micros_per_delivery: cpu.as_secs_f64() * 1e6 / f64::from(requests),
    })
}

impl Sender {
    async fn send(self: Arc<Self>, mut session: Session) -> anyhow::Result<()> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.requests {
                return Ok(());
            }
            let answer = session.send(self.request(number)?).await?;
            anyhow::ensure!(
                answer.status == StatusCode::NO_CONTENT,
                "the receiver answered {}",
                answer.status
            );
        }
    }

    /// What the product would send: the default body, both signatures, all headers.
    fn request(&self, number: u32) -> anyhow::Result<Request<Full<Bytes>>> {
        let id = uuid::Uuid::from_u128(u128::from(number) | 7 << 76);
        let (incident, delivery) = (
            format!("inc_{}", id.as_simple()),
            format!("dlv_{}", id.as_simple()),
        );
        let title = title(number, self.epoch.elapsed().as_nanos(), TITLE_CHARS);
        let body = format!(
            concat!(
                r#"{{"event":"incident.triggered","timestamp":"2024-01-15T10:30:00Z","incident":{{"id":"{}","#,
                r#""title":"{}","status":"triggered","severity":"error","service":{{"id":"svc_{}","name":"Bench"}},"#,
                r#""assignee":null,"createdAt":"2024-01-15T10:30:00Z"}}}}"#
            ),
            incident,
            title,
            id.as_simple()
        );
        let signatures = self
            .signer
            .sign(&delivery, self.source.now().as_seconds(), body.as_bytes());
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = http::Uri::from_static("/");
        let headers = request.headers_mut();
        headers.insert("host", HeaderValue::from_static("127.0.0.1"));
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("user-agent", HeaderValue::from_static("OpsKnight/bench"));
        headers.insert(
            "x-opsknight-event",
            HeaderValue::from_static("incident.triggered"),
        );
        headers.insert("x-opsknight-delivery", HeaderValue::try_from(delivery)?);
        headers.insert("x-opsknight-attempt", HeaderValue::from_static("1"));
        headers.extend(signatures);
        Ok(request)
    }
}
