//! AMQP 0-9-1 as RabbitMQ speaks it: a persistent message to an exchange, `mandatory`, with the publisher's confirmation. A message
//! that is returned for want of a queue was confirmed too, and is not taken for delivered.

mod frame;

use bytes::{BufMut, Bytes, BytesMut};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;
use url::Url;

use self::frame::{
    BODY, FRAME_OVERHEAD, Frame, HEADER, METHOD, Reader, Value, put_long, put_short, put_table,
};
use super::super::connector::{Progress, failure};
use super::wire::{Wire, closed, invalid};
use super::{Answer, Dialer, End, TAKEN};
use model::broker::{BrokerAccount, BrokerAddress, BrokerMessage, BrokerStage};
use model::exchange::{FailureCode, SendFailure};

const PROTOCOL: &[u8] = b"AMQP\x00\x00\x09\x01";
/// The one channel that is used.
const CHANNEL: u16 = 1;
/// The largest frame, in bytes, if the server has no limit of its own.
const MAX_FRAME_BYTES: u32 = 131_072;
/// The smallest that a server may ask for.
const MIN_FRAME_BYTES: u32 = 4096;
/// Survives a restart of the server.
const PERSISTENT: u8 = 2;
/// Which properties a message has: content type, headers, delivery mode, message id, timestamp, type, app id.
const PROPERTIES: u16 = 1 << 15 | 1 << 13 | 1 << 12 | 1 << 7 | 1 << 6 | 1 << 5 | 1 << 3;
/// The code of a message that the server does not confirm; the protocol has none.
const NACKED: u16 = 500;

/// Methods: class and number.
type Method = (u16, u16);
const START: Method = (10, 10);
const START_OK: Method = (10, 11);
const SECURE: Method = (10, 20);
const TUNE: Method = (10, 30);
const TUNE_OK: Method = (10, 31);
const OPEN: Method = (10, 40);
const OPEN_OK: Method = (10, 41);
const CLOSE: Method = (10, 50);
const CLOSE_OK: Method = (10, 51);
const CHANNEL_OPEN: Method = (20, 10);
const CHANNEL_OPEN_OK: Method = (20, 11);
const CHANNEL_CLOSE: Method = (20, 40);
const PUBLISH: Method = (60, 40);
const RETURN: Method = (60, 50);
const ACK: Method = (60, 80);
const NACK: Method = (60, 120);
const CONFIRM: Method = (85, 10);
const CONFIRM_OK: Method = (85, 11);

/// A connection that is signed in, with a channel whose messages are confirmed.
pub(super) struct AmqpSession {
    wire: Wire,
    max_frame_bytes: usize,
    /// Messages on the channel so far.
    published: u64,
}

impl AmqpSession {
    /// Connects to a server, signs in, and opens the channel.
    pub(super) async fn open(
        dialer: &Dialer<'_>,
        server: &Url,
        progress: &mut Progress,
    ) -> Result<Self, End> {
        let wire = dialer.dial(server, progress).await?;
        let mut session = Self {
            wire,
            max_frame_bytes: 0,
            published: 0,
        };
        session.wire.write(PROTOCOL).await?;
        let mut start = session.expect(START).await?;
        let _version = start.u16()?;
        let _properties = start.long()?;
        let mechanisms = start.long()?;
        let start_ok = start_ok(&dialer.message.account, &mechanisms)?;
        session.say(0, START_OK, &start_ok).await?;
        let mut tune = session.expect(TUNE).await?;
        let (channels, bytes) = (tune.u16()?, tune.u32()?);
        let bytes = match bytes {
            0 => MAX_FRAME_BYTES,
            bytes => bytes.clamp(MIN_FRAME_BYTES, MAX_FRAME_BYTES),
        };
        session.max_frame_bytes = usize::try_from(bytes).unwrap_or_default();
        let mut tune_ok = BytesMut::new();
        tune_ok.put_u16(channels);
        tune_ok.put_u32(bytes);
        // No heartbeats: a connection is used within its deadline, or closed soon.
        tune_ok.put_u16(0);
        session.say(0, TUNE_OK, &tune_ok).await?;
        let mut open = BytesMut::new();
        put_short(&mut open, &virtual_host(&dialer.request.url));
        put_short(&mut open, "");
        open.put_u8(0);
        session.say(0, OPEN, &open).await?;
        session.expect(OPEN_OK).await?;
        session.say(CHANNEL, CHANNEL_OPEN, &[0]).await?;
        session.expect(CHANNEL_OPEN_OK).await?;
        session.say(CHANNEL, CONFIRM, &[0]).await?;
        session.expect(CONFIRM_OK).await?;
        Ok(session)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.wire.deadline()
    }

    /// Publishes a message, and waits for its confirmation.
    pub(super) async fn publish(
        &mut self,
        dialer: &Dialer<'_>,
        progress: &mut Progress,
    ) -> Result<Answer, End> {
        self.wire.serve_until(dialer.deadline);
        self.published += 1;
        let said = publication(dialer.message, &dialer.request.body, self.max_frame_bytes)?;
        progress.may_be_sent = true;
        self.wire.write(&said).await?;
        let mut returned = None;
        loop {
            let (method, mut values) = self.hear(BrokerStage::Message).await?;
            match method {
                RETURN => {
                    // Whatever it says, what comes back was not taken.
                    let code = match values.u16()? {
                        TAKEN => NACKED,
                        code => code,
                    };
                    returned = Some(Answer::new(BrokerStage::Message, code, values.short()?));
                }
                ACK if self.is_about_last(&mut values)? => {
                    let taken = || Answer::new(BrokerStage::Message, TAKEN, "basic.ack");
                    return Ok(returned.unwrap_or_else(taken));
                }
                NACK if self.is_about_last(&mut values)? => {
                    return Ok(Answer::new(BrokerStage::Message, NACKED, "basic.nack"));
                }
                // Such as `connection.blocked`, after which the confirmation comes late, or never.
                _ => {}
            }
        }
    }

    fn is_about_last(&self, values: &mut Reader) -> Result<bool, SendFailure> {
        Ok(values.u64()? == self.published)
    }

    async fn say(&mut self, channel: u16, method: Method, values: &[u8]) -> Result<(), SendFailure> {
        let mut said = BytesMut::new();
        frame::write(&mut said, METHOD, channel, &of(method, values));
        self.wire.write(&said).await
    }

    /// The next method, which must be this one.
    async fn expect(&mut self, method: Method) -> Result<Reader, End> {
        match self.hear(BrokerStage::Connection).await? {
            (heard, values) if heard == method => Ok(values),
            (SECURE, _) => {
                let detail = "the AMQP server wants to know more than user name and password";
                Err(failure(FailureCode::SettingsRefused, detail).into())
            }
            _ => Err(invalid("the AMQP server says what nobody asked it").into()),
        }
    }

    /// The next method. Server's that ends the connection or the channel is its answer.
    async fn hear(&mut self, stage: BrokerStage) -> Result<(Method, Reader), End> {
        loop {
            let Frame { sort, payload } = frame::read(&mut self.wire).await?;
            // Of a message that is returned, its header and body follow; heartbeats come unasked.
            if sort != METHOD {
                continue;
            }
            let mut values = Reader(payload);
            let method = (values.u16()?, values.u16()?);
            if method != CLOSE && method != CHANNEL_CLOSE {
                return Ok((method, values));
            }
            let (code, words) = (values.u16()?, values.short()?);
            if method == CLOSE {
                // Whether it is heard does not matter.
                let _ = self.say(0, CLOSE_OK, &[]).await;
            }
            return Err(match code {
                // CONNECTION_FORCED: the server stops, and nothing is wrong with what it was told.
                // So does one that says good-bye as if all were well (reply-success).
                320 | TAKEN => closed(format!("the AMQP server ended the connection ({words})")).into(),
                code => End::Answered(Answer::new(stage, code, words)),
            });
        }
    }
}

fn of((class, number): Method, values: &[u8]) -> BytesMut {
    let mut payload = BytesMut::with_capacity(4 + values.len());
    payload.put_u16(class);
    payload.put_u16(number);
    payload.put_slice(values);
    payload
}

fn start_ok(account: &BrokerAccount, mechanisms: &str) -> Result<BytesMut, SendFailure> {
    let (mechanism, response) = match account {
        BrokerAccount::Password { name, password, .. } => {
            ("PLAIN", format!("\0{name}\0{}", password.reveal()))
        }
        BrokerAccount::Nobody => ("EXTERNAL", String::new()),
        BrokerAccount::Token(_) | BrokerAccount::Credentials(_) => {
            let detail = "AMQP servers take user name and password, or a client certificate";
            return Err(failure(FailureCode::RequestInvalid, detail));
        }
    };
    if !mechanisms.split(' ').any(|known| known == mechanism) {
        let detail = match mechanism {
            "EXTERNAL" => "the AMQP server signs nobody in by certificate: give it user name and password",
            _ => "the AMQP server takes no user name and password (PLAIN)",
        };
        return Err(failure(FailureCode::SettingsRefused, detail));
    }
    let capabilities = [
        ("publisher_confirms", Value::Yes),
        ("basic.nack", Value::Yes),
        ("connection.blocked", Value::Yes),
        // Without it, a wrong password ends the connection without a word.
        ("authentication_failure_close", Value::Yes),
    ];
    let mut values = BytesMut::new();
    put_table(
        &mut values,
        &[
            ("product", Value::Text("OpsKnight")),
            ("version", Value::Text(env!("CARGO_PKG_VERSION"))),
            ("capabilities", Value::Table(&capabilities)),
        ],
    );
    put_short(&mut values, mechanism);
    put_long(&mut values, response.as_bytes());
    put_short(&mut values, "en_US");
    Ok(values)
}

/// The virtual host that a URL's path names; the server's first one, `/`, without a path.
fn virtual_host(url: &Url) -> String {
    match url.path().strip_prefix('/').unwrap_or_default() {
        "" => "/".to_owned(),
        name => percent_decode_str(name).decode_utf8_lossy().into_owned(),
    }
}

/// A message in frames: the method, what it is, and its body in as many as it takes.
fn publication(
    message: &BrokerMessage,
    body: &Bytes,
    max_frame_bytes: usize,
) -> Result<BytesMut, SendFailure> {
    let BrokerAddress::Exchange { name, routing_key } = &message.address else {
        return Err(failure(
            FailureCode::RequestInvalid,
            "the message has no exchange",
        ));
    };
    let mut method = BytesMut::new();
    method.put_u16(0);
    put_short(&mut method, name);
    put_short(&mut method, routing_key);
    // Mandatory: without a queue it comes back.
    method.put_u8(1);
    let mut header = BytesMut::new();
    header.put_u16(PUBLISH.0);
    header.put_u16(0);
    header.put_u64(u64::try_from(body.len()).unwrap_or_default());
    header.put_u16(PROPERTIES);
    put_short(&mut header, message.content_type);
    let entries: Vec<_> = message
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), Value::Text(value)))
        .collect();
    put_table(&mut header, &entries);
    header.put_u8(PERSISTENT);
    put_short(&mut header, &message.id);
    header.put_u64(u64::try_from(message.at.as_seconds()).unwrap_or_default());
    put_short(&mut header, message.event);
    put_short(&mut header, "OpsKnight");
    let mut said = BytesMut::with_capacity(body.len() + 1024);
    frame::write(&mut said, METHOD, CHANNEL, &of(PUBLISH, &method));
    frame::write(&mut said, HEADER, CHANNEL, &header);
    for part in body.chunks(max_frame_bytes.saturating_sub(FRAME_OVERHEAD).max(1)) {
        frame::write(&mut said, BODY, CHANNEL, part);
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::Timestamp;

    fn message() -> BrokerMessage {
        BrokerMessage {
            id: "dlv_1".to_owned(),
            event: "incident.triggered",
            at: Timestamp::EPOCH,
            address: BrokerAddress::Exchange {
                name: String::new(),
                routing_key: "incidents".to_owned(),
            },
            content_type: "application/json",
            headers: vec![("X-OpsKnight-Event".to_owned(), "incident.triggered".to_owned())],
            account: BrokerAccount::Nobody,
            further: Vec::new(),
        }
    }

    #[test]
    fn a_body_that_is_longer_than_a_frame_goes_in_several() {
        let body = Bytes::from(vec![b'x'; 10]);
        let frames = |max| {
            let said = publication(&message(), &body, max).unwrap();
            said.iter().filter(|byte| **byte == 0xce).count()
        };
        assert_eq!((frames(4096), frames(FRAME_OVERHEAD + 4)), (3, 5));
    }

    #[test]
    fn the_path_names_the_virtual_host() {
        let host = |url: &str| virtual_host(&Url::parse(url).unwrap());
        let urls = [
            "amqp://a",
            "amqp://a/",
            "amqp://a/%2F",
            "amqp://a/events",
            "amqp://a/a%2fb",
        ];
        assert_eq!(urls.map(host), ["/", "/", "/", "events", "a/b"]);
    }

    #[test]
    fn who_cannot_sign_in_is_told_why() {
        let refused = start_ok(&BrokerAccount::Nobody, "PLAIN AMQPLAIN").unwrap_err();
        assert_eq!(refused.code, FailureCode::SettingsRefused);
        assert!(start_ok(&BrokerAccount::Nobody, "EXTERNAL").is_ok());
    }
}
