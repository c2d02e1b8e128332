//! Messages to brokers that cheat, lead elsewhere or say nothing. What real ones do is in [`crate::streams`].

use std::sync::{Arc, Mutex};

use model::broker::{BrokerAccount, BrokerAddress, BrokerMessage, SignInMechanism};
use model::exchange::{FailureCode, OutboundRequest};
use model::secret::SecretText;
use model::time::Timestamp;
use model::transport::Transport;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{SHORT, client, code, detail, post_tls};

const NATS: &str = "INFO {\"headers\":true}\r\n";

/// Says something to whoever connects, if there is anything, and after each thing that it hears the next of these; then nothing.
struct Scripted {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Scripted {
    async fn start(greeting: &'static str, answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let server = Self {
            port,
            heard: Arc::clone(&heard),
        };
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (heard, answers) = (Arc::clone(&heard), answers.clone());
                tokio::spawn(async move {
                    let mut answers = answers.into_iter();
                    let mut buffer = vec![0; 4096];
                    stream.write_all(greeting.as_bytes()).await.unwrap();
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        heard.lock().unwrap().extend_from_slice(&buffer[..count]);
                        let answer = answers.next().unwrap_or_default();
                        stream.write_all(&answer).await.unwrap();
                    }
                });
            }
        });
        server
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    /// A message that goes there.
    fn message(&self, scheme: &str, address: BrokerAddress) -> OutboundRequest {
        let message = BrokerMessage {
            id: "dlv_1".to_owned(),
            event: "incident.triggered",
            at: Timestamp::EPOCH,
            address,
            content_type: "application/json",
            headers: Vec::new(),
            account: BrokerAccount::Nobody,
            further: Vec::new(),
        };
        OutboundRequest {
            url: format!("{scheme}://127.0.0.1:{}", self.port).parse().unwrap(),
            transport: Transport::Broker(Box::new(message)),
            timeout: SHORT * 4,
            ..post_tls(self.port, None, None)
        }
    }
}

fn subject() -> BrokerAddress {
    BrokerAddress::Subject {
        name: "ops".to_owned(),
        stream: None,
    }
}

fn topic() -> BrokerAddress {
    BrokerAddress::Topic {
        name: "incidents".to_owned(),
        key: "inc_1".to_owned(),
    }
}

/// Kafka's first answer: one topic of one partition, which this broker leads.
fn metadata(host: &str, port: i32) -> Vec<u8> {
    let text = |text: &str| {
        let length = i16::try_from(text.len()).unwrap().to_be_bytes();
        [&length[..], text.as_bytes()].concat()
    };
    let number = |number: i32| number.to_be_bytes().to_vec();
    let none = (-1_i16).to_be_bytes().to_vec();
    let zero = 0_i16.to_be_bytes().to_vec();
    let body = [
        // The first request's number, and no throttling.
        number(1),
        number(0),
        // One broker, the seventh.
        number(1),
        number(7),
        text(host),
        number(port),
        none.clone(),
        none,
        number(7),
        // One topic.
        number(1),
        zero.clone(),
        text("incidents"),
        vec![0],
        // One partition, with no replicas to speak of.
        number(1),
        zero,
        number(0),
        number(7),
        number(0),
        number(0),
        number(0),
        number(0),
    ]
    .concat();
    [number(i32::try_from(body.len()).unwrap()), body].concat()
}

/// What a producer is given: its id, 5.
fn producer() -> Vec<u8> {
    let body = [
        &2_i32.to_be_bytes()[..],
        &0_i32.to_be_bytes(),
        &0_i16.to_be_bytes(),
        &5_i64.to_be_bytes(),
        &0_i16.to_be_bytes(),
    ]
    .concat();
    [&i32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
}

#[tokio::test]
async fn a_broker_that_kafka_names_is_dialled_only_where_a_webhook_may_lead() {
    for (host, port, expected) in [
        ("10.0.0.7", 9092, FailureCode::AddressNotAllowed),
        ("169.254.169.254", 9092, FailureCode::AddressNotAllowed),
        ("0x0a000007", 9092, FailureCode::AddressNotAllowed),
        ("queue.example", 6379, FailureCode::RequestInvalid),
        ("ada:pw@queue.example", 9092, FailureCode::ResponseInvalid),
        ("queue.example/x", 9092, FailureCode::ResponseInvalid),
        ("queue.example", 70_000, FailureCode::ResponseInvalid),
    ] {
        let kafka = Scripted::start("", vec![metadata(host, port), producer()]).await;
        let exchange = client().send(kafka.message("kafka", topic())).await;
        assert_eq!(code(&exchange), expected, "{host}: {exchange:?}");
        assert!(!kafka.heard().contains("dlv_1"));
    }
}

#[tokio::test]
async fn what_speaks_another_protocol_is_told_from_a_broker() {
    let web = "HTTP/1.1 400 Bad Request\r\n\r\n";
    for (scheme, address, answers) in [
        ("nats", subject(), Vec::new()),
        (
            "amqp",
            BrokerAddress::Exchange {
                name: String::new(),
                routing_key: "incidents".to_owned(),
            },
            vec![b"AMQP\x00\x01\x00\x00".to_vec()],
        ),
        ("kafka", topic(), vec![web.as_bytes().to_vec()]),
    ] {
        let greeting = if answers.is_empty() { web } else { "" };
        let server = Scripted::start(greeting, answers).await;
        let exchange = client().send(server.message(scheme, address)).await;
        assert_eq!(code(&exchange), FailureCode::ResponseInvalid, "{scheme}");
    }
}

#[tokio::test]
async fn where_tls_is_wanted_no_password_goes_without_it() {
    for (greeting, expected) in [
        (NATS, FailureCode::TlsNotOffered),
        // Somebody on the way says what the server would say later, encrypted.
        (
            "INFO {\"headers\":true,\"tls_required\":true}\r\nPONG\r\n",
            FailureCode::TlsFailed,
        ),
    ] {
        let server = Scripted::start(greeting, Vec::new()).await;
        let mut request = server.message("tls", subject());
        if let Transport::Broker(message) = &mut request.transport {
            message.account = BrokerAccount::Password {
                name: "ada".to_owned(),
                password: SecretText::new("good-password"),
                mechanism: SignInMechanism::Plain,
            };
        }
        let exchange = client().send(request).await;
        assert_eq!(code(&exchange), expected, "{}", detail(&exchange));
        assert_eq!(server.heard(), "");
    }
}

#[tokio::test]
async fn a_stream_that_says_nothing_has_not_taken_the_message() {
    let server = Scripted::start(NATS, vec![b"PONG\r\n".to_vec(), b"PING\r\n".to_vec()]).await;
    let exchange = client().send(server.message("nats", subject())).await;
    assert_eq!(code(&exchange), FailureCode::ResponseTimeout);
    assert!(server.heard().contains("Nats-Msg-Id: dlv_1"));
    assert!(server.heard().ends_with("PONG\r\n"), "{}", server.heard());
}

#[tokio::test]
async fn the_next_server_is_asked_and_a_session_serves_more_than_one_message() {
    let said = |subscription: u8| {
        let ack = r#"{"stream":"A","seq":1}"#;
        format!(
            "MSG _INBOX.opsknight.dlv_1 {subscription} {}\r\n{ack}\r\n",
            ack.len()
        )
        .into_bytes()
    };
    let server = Scripted::start(NATS, vec![b"PONG\r\n".to_vec(), said(1), said(2)]).await;
    let mut request = server.message("nats", subject());
    if let Transport::Broker(message) = &mut request.transport {
        message.further = vec![request.url.clone()];
    }
    // Nobody listens there.
    request.url = "nats://127.0.0.1:1".parse().unwrap();
    let client = client();
    for _ in 0..2 {
        let exchange = client.send(request.clone()).await;
        let port = exchange.remote_address.map(|address| address.port());
        assert_eq!(exchange.result.unwrap().status, 200);
        assert!(port.is_none_or(|port| port == server.port));
    }
    assert_eq!(server.heard().matches("CONNECT").count(), 1);
}
