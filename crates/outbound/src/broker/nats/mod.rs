//! The protocol of NATS: a message to a subject, with an inbox of its own for the word of the stream that has it. Without that
//! word nothing is taken for delivered; a subject that only listens live gives none.

mod credentials;

use bytes::BytesMut;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use self::credentials::Credentials;
use super::super::connector::{Progress, failure};
use super::wire::{Wire, closed, invalid};
use super::{Answer, Dialer, End, TAKEN};
use model::broker::{BrokerAccount, BrokerAddress, BrokerMessage, BrokerStage};
use model::exchange::{FailureCode, SendFailure};

/// How much of a server's words is shown, in characters.
const MAX_WORDS: usize = 300;
/// The header by which a stream knows a repeat.
const MESSAGE_ID: &str = "Nats-Msg-Id";
/// The header that names the stream which must take the message.
const EXPECTED_STREAM: &str = "Nats-Expected-Stream";
/// Begins the status line of a message that is only headers.
const STATUS_LINE: &str = "NATS/1.0";
/// Words of errors that a server says before it hangs up, though nothing is wrong with what it was told.
const GOODBYES: [&str; 4] = [
    "server shutdown",
    "stale connection",
    "slow consumer",
    "lame duck",
];

/// A connection that is signed in.
pub(super) struct NatsSession {
    wire: Wire,
    /// Subscriptions so far.
    subscriptions: u64,
}

/// What a server says.
enum Heard {
    Pong,
    /// Nothing that anybody waits for.
    Other,
    Error(String),
    Message {
        subscription: u64,
        /// Of the status line, if there is one.
        status: Option<u16>,
        payload: BytesMut,
    },
}

impl NatsSession {
    /// Connects to a server and signs in.
    pub(super) async fn open(
        dialer: &Dialer<'_>,
        server: &Url,
        progress: &mut Progress,
    ) -> Result<Self, End> {
        let mut wire = dialer.dial(server, progress).await?;
        let line = wire.line().await?;
        let info = line
            .strip_prefix("INFO ")
            .and_then(|info| serde_json::from_str::<Value>(info).ok())
            .ok_or_else(|| invalid("what answers is no NATS server"))?;
        let is = |name: &str| info.get(name).and_then(Value::as_bool).unwrap_or(false);
        let wants_tls = server.scheme() == "tls";
        if is("tls_required") || (wants_tls && is("tls_available")) {
            wire = dialer.encrypt(wire, server, progress).await?;
        } else if wants_tls {
            let detail = "the NATS server offers no encryption, and the webhook wants it: nothing was sent";
            return Err(failure(FailureCode::TlsNotOffered, detail).into());
        }
        if !is("headers") {
            let detail = "the NATS server takes no headers, and so could not know a repeat";
            return Err(failure(FailureCode::SettingsRefused, detail).into());
        }
        let nonce = info.get("nonce").and_then(Value::as_str).unwrap_or_default();
        let hello = hello(&dialer.message.account, nonce)?;
        wire.write(format!("CONNECT {hello}\r\nPING\r\n").as_bytes())
            .await?;
        let mut session = Self {
            wire,
            subscriptions: 0,
        };
        loop {
            match session.hear().await? {
                Heard::Pong => return Ok(session),
                Heard::Error(words) => return Err(refused(BrokerStage::Connection, &words)),
                Heard::Other | Heard::Message { .. } => {}
            }
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.wire.deadline()
    }

    /// Publishes a message, and waits for the stream's word.
    pub(super) async fn publish(
        &mut self,
        dialer: &Dialer<'_>,
        progress: &mut Progress,
    ) -> Result<Answer, End> {
        self.wire.serve_until(dialer.deadline);
        self.subscriptions += 1;
        let said = publication(dialer.message, &dialer.request.body, self.subscriptions)?;
        progress.may_be_sent = true;
        self.wire.write(&said).await?;
        loop {
            match self.hear().await? {
                Heard::Message {
                    subscription,
                    status,
                    payload,
                } if subscription == self.subscriptions => return Ok(answer(status, &payload)),
                Heard::Error(words) => return Err(refused(BrokerStage::Message, &words)),
                Heard::Pong | Heard::Other | Heard::Message { .. } => {}
            }
        }
    }

    async fn hear(&mut self) -> Result<Heard, SendFailure> {
        let line = self.wire.line().await?;
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((&line, ""));
        Ok(match word.to_ascii_uppercase().as_str() {
            "PING" => {
                self.wire.write(b"PONG\r\n").await?;
                Heard::Other
            }
            "PONG" => Heard::Pong,
            "+OK" | "INFO" => Heard::Other,
            "-ERR" => Heard::Error(shown(rest.trim().trim_matches('\''))),
            "MSG" => self.hear_message(rest, 1).await?,
            "HMSG" => self.hear_message(rest, 2).await?,
            _ => return Err(invalid("what answers is no NATS server")),
        })
    }

    /// `subject subscription [reply] [head's size] size`, then head and payload.
    async fn hear_message(&mut self, rest: &str, sizes: usize) -> Result<Heard, SendFailure> {
        let words: Vec<_> = rest.split_whitespace().collect();
        let broken = || invalid("the NATS server's message cannot be read");
        let size = |from_end: usize| {
            let word = words.len().checked_sub(from_end).and_then(|at| words.get(at))?;
            word.parse::<usize>().ok()
        };
        let total = size(1).ok_or_else(broken)?;
        let head = match sizes {
            2 => size(2).ok_or_else(broken)?,
            _ => 0,
        };
        let subscription = words.get(1).and_then(|word| word.parse().ok());
        let mut payload = self.wire.take(total).await?;
        self.wire.take(b"\r\n".len()).await?;
        if head > payload.len() {
            return Err(broken());
        }
        let head = payload.split_to(head);
        Ok(Heard::Message {
            subscription: subscription.ok_or_else(broken)?,
            status: status_of(&String::from_utf8_lossy(&head)),
            payload,
        })
    }
}

/// Of `NATS/1.0 503`.
fn status_of(head: &str) -> Option<u16> {
    let rest = head.strip_prefix(STATUS_LINE)?;
    rest.split_whitespace().next()?.parse().ok()
}

/// What a client says of itself.
fn hello(account: &BrokerAccount, nonce: &str) -> Result<Value, SendFailure> {
    let mut hello = json!({
        "verbose": false, "pedantic": false, "name": "OpsKnight", "lang": "rust",
        "version": env!("CARGO_PKG_VERSION"), "protocol": 1, "headers": true, "no_responders": true,
    });
    match account {
        BrokerAccount::Nobody => {}
        BrokerAccount::Password { name, password, .. } => {
            hello["user"] = name.as_str().into();
            hello["pass"] = password.reveal().into();
        }
        BrokerAccount::Token(token) => hello["auth_token"] = token.reveal().into(),
        BrokerAccount::Credentials(file) => {
            let credentials = Credentials::read(file.reveal()).ok_or_else(|| {
                let detail = "the credentials hold no JWT and seed of a user that can be read";
                failure(FailureCode::SettingsRefused, detail)
            })?;
            hello["sig"] = credentials.sign(nonce).into();
            hello["jwt"] = credentials.jwt.into();
        }
    }
    Ok(hello)
}

/// The inbox is the delivery's: a word that comes late, to an earlier attempt of it, is as good.
fn publication(message: &BrokerMessage, body: &[u8], subscription: u64) -> Result<Vec<u8>, SendFailure> {
    let BrokerAddress::Subject { name, stream } = &message.address else {
        return Err(failure(FailureCode::RequestInvalid, "the message has no subject"));
    };
    let id = &message.id;
    let own = [(MESSAGE_ID, id.as_str()), ("Content-Type", message.content_type)];
    let expected = stream.iter().map(|stream| (EXPECTED_STREAM, stream.as_str()));
    let further = message
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let lines = own.into_iter().chain(expected).chain(further);
    let mut head = format!("{STATUS_LINE}\r\n");
    for (name, value) in lines {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let has_breaks = |text: &str| {
        text.chars()
            .any(|character| character.is_control() || character == ' ')
    };
    if has_breaks(name) || has_breaks(id) {
        return Err(failure(
            FailureCode::RequestInvalid,
            "the subject holds a space or a control character",
        ));
    }
    let inbox = format!("_INBOX.opsknight.{id}");
    let total = head.len() + body.len();
    let mut said = format!(
        "SUB {inbox} {subscription}\r\nUNSUB {subscription} 1\r\nHPUB {name} {inbox} {} {total}\r\n{head}",
        head.len()
    )
    .into_bytes();
    said.extend_from_slice(body);
    said.extend_from_slice(b"\r\n");
    Ok(said)
}

/// As much of a server's words as is shown, on one line.
fn shown(words: &str) -> String {
    let words = words.chars().take(MAX_WORDS);
    words
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}

/// What a stream's word says; a status without one is the server's own.
fn answer(status: Option<u16>, payload: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(payload).into_owned();
    let json = serde_json::from_slice::<Value>(payload).unwrap_or_default();
    let error = json.get("error");
    let code = error
        .and_then(|error| error.get("code")?.as_u64())
        .and_then(|code| u16::try_from(code).ok());
    let (status, reply) = match (status, error) {
        (Some(503), _) => (503, "no responders".to_owned()),
        (Some(status), _) => (status, format!("status {status}")),
        (None, Some(error)) => {
            let words = error.get("description").and_then(Value::as_str);
            (code.unwrap_or(500), words.unwrap_or("error").to_owned())
        }
        (None, None) => (TAKEN, text.clone()),
    };
    Answer {
        body: if text.is_empty() { reply.clone() } else { text },
        ..Answer::new(BrokerStage::Message, status, reply)
    }
}

/// What an error of the server's means for who hears it. Its words are all it says.
fn refused(stage: BrokerStage, words: &str) -> End {
    let lower = words.to_ascii_lowercase();
    let says = |part: &str| lower.contains(part);
    let status = match () {
        () if GOODBYES.iter().any(|goodbye| says(goodbye)) => {
            return closed(format!("the NATS server ended the connection ({words})")).into();
        }
        () if says("permissions violation") => 403,
        () if says("maximum payload") => 413,
        () if says("maximum") => 503,
        () if says("auth") || says("account") || says("credentials") => 401,
        () => 500,
    };
    End::Answered(Answer::new(stage, status, words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::Timestamp;

    fn message(name: &str) -> BrokerMessage {
        BrokerMessage {
            id: "dlv_1".to_owned(),
            event: "incident.triggered",
            at: Timestamp::EPOCH,
            address: BrokerAddress::Subject {
                name: name.to_owned(),
                stream: Some("EVENTS".to_owned()),
            },
            content_type: "application/json",
            headers: vec![("X-OpsKnight-Event".to_owned(), "incident.triggered".to_owned())],
            account: BrokerAccount::Nobody,
            further: Vec::new(),
        }
    }

    #[test]
    fn a_message_is_its_subject_an_inbox_and_counted_bytes() {
        let said = publication(&message("ops.incident"), b"{}\r\n", 7).unwrap();
        let head = "NATS/1.0\r\nNats-Msg-Id: dlv_1\r\nContent-Type: application/json\r\nNats-Expected-Stream: EVENTS\r\n\
                    X-OpsKnight-Event: incident.triggered\r\n\r\n";
        let expected = format!(
            "SUB _INBOX.opsknight.dlv_1 7\r\nUNSUB 7 1\r\nHPUB ops.incident _INBOX.opsknight.dlv_1 {} {}\r\n{head}{{}}\r\n\r\n",
            head.len(),
            head.len() + 4
        );
        assert_eq!(String::from_utf8(said).unwrap(), expected);
        for name in ["a b", "a\r\nPUB x 0", ""] {
            assert_eq!(publication(&message(name), b"", 1).is_err(), !name.is_empty());
        }
    }

    #[test]
    fn a_streams_word_an_error_and_silence_are_told_apart() {
        let read = |status, payload: &str| {
            let answer = answer(status, payload.as_bytes());
            (answer.status, answer.reply)
        };
        assert_eq!(read(None, r#"{"stream":"A","seq":1,"duplicate":true}"#).0, 200);
        let error =
            r#"{"error":{"code":400,"err_code":10060,"description":"expected stream does not match"}}"#;
        assert_eq!(
            read(None, error),
            (400, "expected stream does not match".to_owned())
        );
        assert_eq!(status_of("NATS/1.0 503\r\n\r\n"), Some(503));
        assert_eq!(read(Some(503), ""), (503, "no responders".to_owned()));
    }

    #[test]
    fn a_goodbye_is_no_refusal() {
        let status = |words| match refused(BrokerStage::Message, words) {
            End::Answered(answer) => Some(answer.status),
            End::Failed(_) => None,
        };
        assert_eq!(status("Server Shutdown"), None);
        assert_eq!(status("Authorization Violation"), Some(401));
        assert_eq!(status("Permissions Violation for Publish to \"ops\""), Some(403));
        assert_eq!(status("Maximum Payload Violation"), Some(413));
        assert_eq!(status("maximum connections exceeded"), Some(503));
    }
}
