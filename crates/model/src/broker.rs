//! Messages to brokers: what goes there beside a request's URL, which names the server and what it speaks, and its body, which is
//! the message's.

use strum::IntoStaticStr;
use url::Url;

use crate::secret::SecretText;
use crate::time::Timestamp;

/// A message to a broker.
#[derive(Debug, Clone)]
pub struct BrokerMessage {
    /// The delivery's id, by which broker or reader know a repeat.
    pub id: String,
    /// The name of its event.
    pub event: &'static str,
    /// When that happened.
    pub at: Timestamp,
    pub address: BrokerAddress,
    pub content_type: &'static str,
    /// Names and values, of one line each.
    pub headers: Vec<(String, String)>,
    pub account: BrokerAccount,
    /// Further servers of the same cluster, asked in turn while the URL's cannot be reached.
    pub further: Vec<Url>,
}

/// Where a broker puts a message. None of it is made of users' texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerAddress {
    /// Of NATS; with the name of the stream that must take it, if that is said.
    Subject { name: String, stream: Option<String> },
    /// Of AMQP.
    Exchange { name: String, routing_key: String },
    /// Of Kafka: messages of one key stay in their order.
    Topic { name: String, key: String },
}

/// Who sends a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerAccount {
    /// Nobody, or whom the client certificate names.
    Nobody,
    Password {
        name: String,
        password: SecretText,
        mechanism: SignInMechanism,
    },
    /// Of NATS.
    Token(SecretText),
    /// The text of a credentials file of NATS: a JWT, and the seed of the key that it names.
    Credentials(SecretText),
}

/// How a name and a password are proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInMechanism {
    /// The broker is told the password.
    Plain,
    /// It is not (RFC 5802).
    ScramSha256,
    ScramSha512,
}

/// How far a message came when the broker gave the answer that counts; it stands in [`crate::transport::STAGE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum BrokerStage {
    /// Greeting and sign-in.
    Connection,
    /// The message itself.
    Message,
}

impl BrokerStage {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
