//! A receiver that costs as little as possible, so that the figures are the server's: HTTP/1.1 by hand over a socket
//! that is kept alive. It notes what arrives, and checks a sample of the signatures.
//!
//! Every incident says in its title which one it is and when it was sent (see `load::title`), and so the receiver
//! knows what is missing and how long each delivery took.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use model::id::DeliveryId;
use model::secret::SecretText;
use outbound::signature::verify_opsknight;

use crate::load::parse_title;

/// What the webhooks sign with.
pub const SECRET: &str = "whsec_b3BzS25pZ2h0IGJlbmNoIHNlY3JldCAwMDAw";
/// One signature in so many is checked.
const CHECK_EVERY: u64 = 100;
const MAX_HEADERS: usize = 32;
/// The longest request that is taken, head and body.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// How a receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// At once.
    Prompt,
    /// After this time.
    Slow(Duration),
    /// Not at all.
    Never,
}

/// What comes to a receiver.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Of so many incidents.
    pub incidents: u32,
    /// So many deliveries each: the webhooks that share the receiver.
    pub of_each: u32,
    /// How long the body of its answers is.
    pub answer_bytes: usize,
}

fn answer(body_bytes: usize) -> Vec<u8> {
    let head = match body_bytes {
        0 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        length => format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"),
    };
    let mut answer = head.into_bytes();
    answer.resize(answer.len() + body_bytes, b'x');
    answer
}

/// A running receiver.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    desk: Arc<Desk>,
    listening: JoinHandle<()>,
}

/// What has arrived.
#[derive(Default)]
pub struct Tally {
    /// When the last delivery came.
    pub last_arrival_at: Option<Instant>,
    /// How long each took since its incident was sent.
    pub latencies_nanos: Vec<u64>,
    /// Requests that were not what was agreed.
    pub malformed: u64,
    /// How many signatures were checked.
    pub signatures_checked: u64,
    /// How many of these were wrong.
    pub signatures_invalid: u64,
    arrivals: u64,
    delivery_ids: HashSet<DeliveryId>,
    /// How many deliveries of each incident came.
    seen: Vec<u32>,
    /// How many there are of each.
    of_each: u32,
}

/// What a receiver's connections share.
struct Desk {
    manner: Manner,
    answer: Vec<u8>,
    epoch: Instant,
    secret: SecretText,
    tally: Mutex<Tally>,
}

/// A request whose head and body are there.
struct Request<'a> {
    delivery_id: Option<DeliveryId>,
    signature: &'a str,
    body: &'a [u8],
    whole_bytes: usize,
}

/// Why a connection ends: the other side broke HTTP, or the socket did.
struct Broken;

impl Receiver {
    /// Listens on a port of its own for what is expected, of incidents sent since `epoch`.
    pub async fn start(manner: Manner, expected: &Expected, epoch: Instant) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let tally = Tally {
            seen: vec![0; expected.incidents as usize],
            of_each: expected.of_each,
            ..Tally::default()
        };
        let desk = Arc::new(Desk {
            manner,
            answer: answer(expected.answer_bytes),
            epoch,
            secret: SecretText::new(SECRET),
            tally: Mutex::new(tally),
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&desk)));
        Ok(Self {
            address,
            desk,
            listening,
        })
    }

    /// How many deliveries have arrived.
    pub fn unique(&self) -> u64 {
        self.desk.tally().unique()
    }

    /// Stops, and tells what arrived.
    pub fn stop(self) -> Tally {
        self.listening.abort();
        std::mem::take(&mut *self.desk.tally())
    }
}

impl Tally {
    /// How many deliveries arrived.
    pub fn unique(&self) -> u64 {
        self.delivery_ids.len() as u64
    }

    /// How many of them came again.
    pub fn duplicates(&self) -> u64 {
        self.arrivals - self.unique()
    }

    fn note(&mut self, request: &Request<'_>, desk: &Desk) {
        let now = Instant::now();
        let parsed = parse_title(request.body);
        let parsed = parsed.filter(|(number, _)| (*number as usize) < self.seen.len());
        let (Some((number, sent_nanos)), Some(delivery_id)) = (parsed, request.delivery_id) else {
            self.malformed += 1;
            return;
        };
        if self.arrivals.is_multiple_of(CHECK_EVERY) {
            self.signatures_checked += 1;
            let is_valid = verify_opsknight(&desk.secret, request.body, request.signature);
            self.signatures_invalid += u64::from(!is_valid);
        }
        self.arrivals += 1;
        if self.delivery_ids.insert(delivery_id) {
            let seen = &mut self.seen[number as usize];
            *seen += 1;
            // There are no more of an incident than it has webhooks here.
            self.malformed += u64::from(*seen > self.of_each);
            self.last_arrival_at = Some(now);
            let nanos = u64::try_from((now - desk.epoch).as_nanos()).unwrap_or(u64::MAX);
            self.latencies_nanos.push(nanos.saturating_sub(sent_nanos));
        }
    }
}

impl Desk {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts until it is aborted, which also ends every connection.
async fn listen(listener: TcpListener, desk: Arc<Desk>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                let desk = Arc::clone(&desk);
                connections.spawn(async move { serve(stream, &desk).await.unwrap_or(()) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut stream: TcpStream, desk: &Desk) -> Result<(), Broken> {
    stream.set_nodelay(true).map_err(|_| Broken)?;
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        let taken = match parse(&buffer)? {
            Some(request) => {
                desk.tally().note(&request, desk);
                request.whole_bytes
            }
            None if buffer.len() > MAX_REQUEST_BYTES => return Err(Broken),
            None => match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return Err(Broken),
                Ok(_) => continue,
            },
        };
        buffer.advance(taken);
        match desk.manner {
            Manner::Prompt => {}
            Manner::Slow(wait) => tokio::time::sleep(wait).await,
            Manner::Never => return outwait(stream).await,
        }
        stream.write_all(&desk.answer).await.map_err(|_| Broken)?;
    }
}

/// Says nothing until the other side gives up.
async fn outwait(mut stream: TcpStream) -> Result<(), Broken> {
    let mut ignored = [0; 64];
    while stream.read(&mut ignored).await.map_err(|_| Broken)? > 0 {}
    Ok(())
}

/// The first request in a buffer, if all of it is there.
fn parse(buffer: &[u8]) -> Result<Option<Request<'_>>, Broken> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = head.parse(buffer).map_err(|_| Broken)? else {
        return Ok(None);
    };
    let value = |name: &str| {
        let header = head
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let body_bytes: usize = value("content-length")
        .and_then(|text| text.parse().ok())
        .ok_or(Broken)?;
    let whole_bytes = head_bytes.saturating_add(body_bytes);
    let Some(body) = buffer.get(head_bytes..whole_bytes) else {
        return Ok(None);
    };
    Ok(Some(Request {
        delivery_id: value("x-opsknight-delivery").and_then(|text| text.parse().ok()),
        signature: value("x-opsknight-signature").unwrap_or_default(),
        body,
        whole_bytes,
    }))
}
