//! The load: connections to the API that each send one incident after the other, and the few calls before that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How much of an unexpected answer an error shows.
const SHOWN_CHARS: usize = 300;
/// What a title of ours begins with.
const TITLE_START: &str = "bench ";
/// Makes an event's body about 500 bytes.
pub const TITLE_CHARS: usize = 220;

/// Incidents to send.
pub struct Load {
    /// Where the servers are, with an API key of each. They get the incidents in turn.
    pub servers: Vec<(SocketAddr, String)>,
    /// What the incidents are about.
    pub service_id: String,
    /// How many there are.
    pub incidents: u32,
    /// How many are in flight at once.
    pub in_flight: u16,
    /// How fast they come; as fast as they are accepted if nothing is said.
    pub incidents_per_second: Option<u32>,
    /// How long their titles are.
    pub title_chars: usize,
    /// What the times in the titles count from.
    pub epoch: Instant,
}

/// How the sending went.
pub struct LoadOutcome {
    /// When the first was sent.
    pub first_sent_at: Instant,
    /// From then to the last answer.
    pub elapsed: Duration,
    /// How long each took to be answered.
    pub latencies_nanos: Vec<u64>,
}

impl Load {
    /// Sends them all. Anything but "created" is an error.
    pub async fn run(self) -> anyhow::Result<LoadOutcome> {
        let in_flight = u32::from(self.in_flight).min(self.incidents);
        let mut sessions = Vec::new();
        for (address, key) in self.servers.iter().cycle().take(in_flight as usize) {
            sessions.push(Session::connect(*address, Some(key)).await?);
        }
        let first_sent_at = Instant::now();
        let shared = Arc::new(self);
        let next = Arc::new(AtomicU32::new(0));
        let mut senders = JoinSet::new();
        for session in sessions {
            senders.spawn(Arc::clone(&shared).send(session, Arc::clone(&next), first_sent_at));
        }
        let mut latencies_nanos = Vec::new();
        while let Some(ended) = senders.join_next().await {
            latencies_nanos.append(&mut ended.context("a sender of incidents broke")??);
        }
        Ok(LoadOutcome {
            first_sent_at,
            elapsed: first_sent_at.elapsed(),
            latencies_nanos,
        })
    }

    async fn send(
        self: Arc<Self>,
        mut session: Session,
        next: Arc<AtomicU32>,
        first_sent_at: Instant,
    ) -> anyhow::Result<Vec<u64>> {
        let mut latencies_nanos = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.incidents {
                return Ok(latencies_nanos);
            }
            if let Some(rate) = self.incidents_per_second {
                let turn_at = first_sent_at + Duration::from_secs(1) * number / rate;
                tokio::time::sleep_until(turn_at.into()).await;
            }
            let sent_at = Instant::now();
            let body = format!(
                r#"{{"title":"{}","severity":"error","service":{{"id":"{}"}}}}"#,
                title(number, self.epoch.elapsed().as_nanos(), self.title_chars),
                self.service_id
            );
            let answer = session.post("/api/v1/incidents", body).await?;
            answer.expect_created("an incident")?;
            latencies_nanos.push(u64::try_from(sent_at.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
    }
}

/// A connection that is kept alive.
pub struct Session {
    sender: SendRequest<Full<Bytes>>,
    authorization: Option<HeaderValue>,
    host: HeaderValue,
}

/// An answer.
pub struct Answer {
    pub status: StatusCode,
    /// All of its body.
    pub body: Bytes,
}

impl Session {
    /// Connects, with the API key of a server if it is one.
    pub async fn connect(address: SocketAddr, key: Option<&str>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; what goes wrong in it, the request in flight says.
        tokio::spawn(async move { driver.await.unwrap_or_default() });
        let authorization = key.map(|key| HeaderValue::try_from(format!("Bearer {key}")));
        Ok(Self {
            sender,
            authorization: authorization.transpose()?,
            host: HeaderValue::try_from(address.to_string())?,
        })
    }

    /// Makes the service that all incidents are about.
    pub async fn create_service(&mut self, name: &str) -> anyhow::Result<String> {
        let answer = self
            .post("/api/v1/services", json!({ "name": name }).to_string())
            .await?;
        answer.expect_created("a service")?;
        let service: Value = serde_json::from_slice(&answer.body)?;
        let id = service["id"].as_str().context("the new service has no id")?;
        Ok(id.to_owned())
    }

    /// Makes a webhook for new incidents; says its id.
    pub async fn create_webhook(
        &mut self,
        name: &str,
        url: &str,
        concurrency: Option<u16>,
    ) -> anyhow::Result<String> {
        let mut webhook = json!({
            "name": name,
            "url": url,
            "secret": crate::receiver::SECRET,
            "events": ["incident.triggered"],
        });
        if let Some(concurrency) = concurrency {
            webhook["concurrency"] = concurrency.into();
        }
        let answer = self.post("/api/v1/webhooks", webhook.to_string()).await?;
        answer.expect_created("a webhook")?;
        let webhook: Value = serde_json::from_slice(&answer.body)?;
        let id = webhook["id"].as_str().context("the new webhook has no id")?;
        Ok(id.to_owned())
    }

    /// Gets what is there.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Posts JSON.
    pub async fn post(&mut self, path: &str, json: String) -> anyhow::Result<Answer> {
        self.ask(Method::POST, path, Bytes::from(json)).await
    }

    async fn ask(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::try_from(path)?;
        let headers = request.headers_mut();
        headers.insert("host", self.host.clone());
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert("authorization", authorization.clone());
        }
        self.send(request).await
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Answer { status, body })
        };
        let answer = tokio::time::timeout(ANSWER_LIMIT, exchange).await;
        let answer = answer.with_context(|| format!("no answer within {} s", ANSWER_LIMIT.as_secs()))?;
        answer.context("a request was not answered")
    }
}

impl Answer {
    fn expect_created(&self, what: &str) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.status == StatusCode::CREATED,
            "the server did not create {what}: {} {}",
            self.status,
            String::from_utf8_lossy(&self.body)
                .chars()
                .take(SHOWN_CHARS)
                .collect::<String>()
        );
        Ok(())
    }
}

/// A title that says which incident it is and when it was sent, filled up to make an ordinary event.
pub fn title(number: u32, sent_nanos: u128, title_chars: usize) -> String {
    let start = format!("{TITLE_START}{number} {sent_nanos} ");
    format!("{start:x<title_chars$}")
}

/// The title of an incident of the past.
pub fn past_title(number: u32) -> String {
    title(number, 0, TITLE_CHARS)
}

/// The incident's number and the nanoseconds at which it was sent, out of the body of its event.
pub fn parse_title(body: &[u8]) -> Option<(u32, u64)> {
    let marker = TITLE_START.as_bytes();
    let start = body.windows(marker.len()).position(|window| window == marker)? + marker.len();
    let mut words = body[start..].split(|byte| *byte == b' ');
    let mut next_text = || std::str::from_utf8(words.next()?).ok();
    let number = next_text()?.parse().ok()?;
    let nanos = next_text()?.parse().ok()?;
    Some((number, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_in_a_body_is_read_back() {
        let body = format!(
            r#"{{"event":"incident.triggered","title":"{}"}}"#,
            title(7, 999, TITLE_CHARS)
        );
        let (number, nanos) = parse_title(body.as_bytes()).unwrap();
        assert_eq!((number, nanos), (7, 999));
    }

    #[test]
    fn another_title_is_not_ours() {
        assert_eq!(parse_title(br#"{"title":"bench press fell over"}"#), None);
        assert_eq!(parse_title(b"{}"), None);
    }

    #[test]
    fn all_titles_are_of_one_length() {
        assert_eq!(title(1_000_000, 123_456, TITLE_CHARS).len(), TITLE_CHARS);
        assert_eq!(past_title(1).len(), TITLE_CHARS);
    }
}
