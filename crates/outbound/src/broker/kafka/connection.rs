//! One connection to one broker of a Kafka: requests with their answers, and who signs in.
//!
//! The versions of the requests are those that every broker from 2.1 on takes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::time::Instant;
use url::Url;

use super::super::super::connector::{Progress, failure};
use super::super::scram::{Hash, Scram, is_proven};
use super::super::wire::{Wire, closed, invalid};
use super::super::{Answer, Dialer, End};
use super::errors;
use model::broker::{BrokerAccount, BrokerStage, SignInMechanism};
use model::exchange::{FailureCode, SendFailure};

/// What a client calls itself.
const CLIENT: &str = "opsknight";
/// Requests: their key and version.
pub(super) type Api = (i16, i16);
const SIGN_IN_HANDSHAKE: Api = (17, 1);
const SIGN_IN: Api = (36, 0);

/// A connection that is signed in.
pub(super) struct BrokerConnection {
    wire: Wire,
    asked: i32,
}

impl BrokerConnection {
    pub(super) async fn open(
        dialer: &Dialer<'_>,
        server: &Url,
        progress: &mut Progress,
    ) -> Result<Self, End> {
        let wire = dialer.dial(server, progress).await?;
        let mut connection = Self { wire, asked: 0 };
        match &dialer.message.account {
            BrokerAccount::Nobody => {}
            BrokerAccount::Password {
                name,
                password,
                mechanism,
            } => connection.sign_in(name, password.reveal(), *mechanism).await?,
            BrokerAccount::Token(_) | BrokerAccount::Credentials(_) => {
                let detail = "Kafka takes user name and password, or a client certificate";
                return Err(failure(FailureCode::RequestInvalid, detail).into());
            }
        }
        Ok(connection)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.wire.deadline()
    }

    pub(super) fn serve_until(&mut self, deadline: Instant) {
        self.wire.serve_until(deadline);
    }

    /// Asks something, and reads the answer.
    pub(super) async fn ask(&mut self, api: Api, request: &[u8]) -> Result<AnswerReader, SendFailure> {
        self.asked = self.asked.wrapping_add(1);
        let mut head = BytesMut::new();
        head.put_i16(api.0);
        head.put_i16(api.1);
        head.put_i32(self.asked);
        put_text(&mut head, CLIENT);
        let size = head.len() + request.len();
        let mut said = BytesMut::with_capacity(4 + size);
        said.put_i32(i32::try_from(size).unwrap_or(i32::MAX));
        said.put_slice(&head);
        said.put_slice(request);
        self.wire.write(&said).await?;
        let size = self.wire.take(4).await?.get_i32();
        let size = usize::try_from(size).map_err(|_| invalid("what answers is no Kafka"))?;
        let mut answer = AnswerReader(self.wire.take(size).await?.freeze());
        match answer.i32()? == self.asked {
            true => Ok(answer),
            false => Err(invalid("what answers is no Kafka")),
        }
    }

    async fn sign_in(&mut self, name: &str, password: &str, mechanism: SignInMechanism) -> Result<(), End> {
        let (word, hash) = match mechanism {
            SignInMechanism::Plain => ("PLAIN", None),
            SignInMechanism::ScramSha256 => ("SCRAM-SHA-256", Some(Hash::Sha256)),
            SignInMechanism::ScramSha512 => ("SCRAM-SHA-512", Some(Hash::Sha512)),
        };
        let mut request = BytesMut::new();
        put_text(&mut request, word);
        let asked = self.ask(SIGN_IN_HANDSHAKE, &request).await;
        let mut answer = asked.map_err(|trouble| match trouble.code {
            // Such a port speaks TLS, or asks nobody who he is.
            FailureCode::ConnectionClosed => closed("Kafka closed the connection instead of a sign-in"),
            _ => trouble,
        })?;
        match answer.i16()? {
            0 => {}
            code => return Err(refused(code, &format!("{word} is not enabled"))),
        }
        let Some(hash) = hash else {
            let said = format!("\0{name}\0{password}");
            return self.prove(said.as_bytes()).await.map(|_| ());
        };
        let scram = Scram::new(hash, name)?;
        let challenge = self.prove(scram.first_message().as_bytes()).await?;
        let (said, expected) = scram.answer(&challenge, password)?;
        let answer = self.prove(said.as_bytes()).await?;
        match is_proven(&answer, &expected) {
            true => Ok(()),
            false => Err(invalid("the broker does not know the account's password itself").into()),
        }
    }

    /// One turn of a sign-in.
    async fn prove(&mut self, said: &[u8]) -> Result<String, End> {
        let mut request = BytesMut::new();
        put_block(&mut request, said);
        let mut answer = self.ask(SIGN_IN, &request).await?;
        let (code, words) = (answer.i16()?, answer.text()?);
        match code {
            0 => Ok(String::from_utf8_lossy(&answer.block()?).into_owned()),
            code => Err(refused(code, &words)),
        }
    }
}

fn refused(code: i16, words: &str) -> End {
    let mut reply = errors::name(code);
    if !words.is_empty() {
        reply.push_str(": ");
        reply.push_str(words);
    }
    End::Answered(Answer::new(BrokerStage::Connection, errors::status(code), reply))
}

/// A text, counted in two bytes.
pub(super) fn put_text(into: &mut BytesMut, text: &str) {
    into.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
    into.put_slice(text.as_bytes());
}

/// Bytes, counted in four.
pub(super) fn put_block(into: &mut BytesMut, bytes: &[u8]) {
    into.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    into.put_slice(bytes);
}

/// Reads the values of an answer.
pub(super) struct AnswerReader(Bytes);

impl AnswerReader {
    pub(super) fn i8(&mut self) -> Result<i8, SendFailure> {
        self.0.try_get_i8().map_err(|_| short())
    }

    pub(super) fn i16(&mut self) -> Result<i16, SendFailure> {
        self.0.try_get_i16().map_err(|_| short())
    }

    pub(super) fn i32(&mut self) -> Result<i32, SendFailure> {
        self.0.try_get_i32().map_err(|_| short())
    }

    pub(super) fn i64(&mut self) -> Result<i64, SendFailure> {
        self.0.try_get_i64().map_err(|_| short())
    }

    /// A text; empty if there is none.
    pub(super) fn text(&mut self) -> Result<String, SendFailure> {
        let length = self.i16()?;
        let bytes = self.bytes(usize::try_from(length).unwrap_or_default())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Bytes; empty if there are none.
    pub(super) fn block(&mut self) -> Result<Bytes, SendFailure> {
        let length = self.i32()?;
        self.bytes(usize::try_from(length).unwrap_or_default())
    }

    /// A list, each of whose values `read` reads. No memory is taken on a count alone.
    pub(super) fn list<T>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<T, SendFailure>,
    ) -> Result<Vec<T>, SendFailure> {
        let count = self.i32()?;
        (0..count).map(|_| read(self)).collect()
    }

    fn bytes(&mut self, length: usize) -> Result<Bytes, SendFailure> {
        match length <= self.0.len() {
            true => Ok(self.0.split_to(length)),
            false => Err(short()),
        }
    }
}

fn short() -> SendFailure {
    invalid("Kafka's answer ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_read() {
        let mut reader = AnswerReader(Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 0, 1]));
        assert!(reader.list(AnswerReader::i64).is_err());
        let mut reader = AnswerReader(Bytes::from_static(&[0xff, 0xff, 0, 2, b'o', b'k']));
        assert_eq!(reader.text().unwrap(), "");
        assert_eq!(reader.text().unwrap(), "ok");
        assert!(reader.text().is_err() && reader.i8().is_err());
    }
}
