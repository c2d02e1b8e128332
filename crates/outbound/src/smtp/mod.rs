//! Sends mails over SMTP (RFC 5321) to one server: greeting, TLS, sign-in, sender, recipients, message. What the server replies
//! is an answer like any other, whatever it says; the address was tested where it was dialled, as for HTTP.
//!
//! Nothing here ever sends a password without TLS, or goes on without TLS where that is required.

mod dialogue;

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use self::dialogue::{Dialogue, Offers, Reply, Transcript};
use super::connector::{Connector, Progress, TlsParts, failure, header_value, micros_since};
use model::exchange::{FailureCode, Response, SendFailure};
use model::transport::{Envelope, MailAccount, MailSecurity, MailStage, REFUSED_RECIPIENT, REPLY, STAGE};

/// How long the server has once it has the message: many look at it before they take it, and a mail that is given up on here
/// comes a second time. RFC 5321 (4.5.3.2.6) would have it be ten minutes.
const AFTER_MESSAGE: Duration = Duration::from_secs(120);

/// A mail to be sent.
#[derive(Clone, Copy)]
pub(super) struct Mail<'a> {
    pub(super) envelope: &'a Envelope,
    /// As RFC 5322 writes it; empty if the server is only asked.
    pub(super) message: &'a [u8],
    /// How much of the dialogue is kept, in bytes.
    pub(super) body_cap: usize,
}

/// What became of a mail that was taken.
struct Taken {
    reply: Reply,
    refused: Vec<RefusedRecipient>,
}

struct RefusedRecipient {
    address: String,
    reply: Reply,
}

/// Why a mail was not taken.
enum End {
    /// The server said so.
    Refused {
        stage: MailStage,
        reply: Reply,
        recipients: Vec<RefusedRecipient>,
    },
    Failed(SendFailure),
}

impl From<SendFailure> for End {
    fn from(failure: SendFailure) -> Self {
        Self::Failed(failure)
    }
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    Encrypted,
    Open,
}

/// Hands a mail over on a connection that was just made. What the server last replied is the response.
pub(super) async fn send(
    connector: &Connector,
    mail: Mail<'_>,
    stream: TcpStream,
    tls: TlsParts,
    deadline: Instant,
    progress: &mut Progress,
) -> Result<Response, SendFailure> {
    let mut transcript = Transcript::new(mail.body_cap);
    let spoken_from = Instant::now();
    let result = submit(connector, mail, stream, tls, deadline, progress, &mut transcript).await;
    if !matches!(result, Err(End::Failed(_))) {
        progress.timings.first_byte_us = Some(micros_since(spoken_from));
    }
    let (stage, reply, refused) = match result {
        Ok(taken) => (MailStage::Message, taken.reply, taken.refused),
        Err(End::Refused {
            stage,
            reply,
            recipients,
        }) => (stage, reply, recipients),
        Err(End::Failed(failure)) => return Err(failure),
    };
    let mut headers = HeaderMap::with_capacity(2 + refused.len());
    headers.insert(STAGE, HeaderValue::from_static(stage.as_str()));
    headers.extend(header_value(&reply.text()).map(|value| (REPLY, value)));
    for recipient in &refused {
        let said = format!("{} {}", recipient.address, recipient.reply.text());
        headers.extend(header_value(&said).map(|value| (REFUSED_RECIPIENT, value)));
    }
    Ok(Response {
        status: reply.code,
        headers,
        body_is_truncated: transcript.is_cut(),
        body: Bytes::from(transcript.into_text()),
    })
}

async fn submit(
    connector: &Connector,
    mail: Mail<'_>,
    stream: TcpStream,
    tls: TlsParts,
    deadline: Instant,
    progress: &mut Progress,
    transcript: &mut Transcript,
) -> Result<Taken, End> {
    let hello = hello(&stream);
    if mail.envelope.security == MailSecurity::Implicit {
        let (stream, _) = connector.handshake(stream, tls, deadline, progress).await?;
        let mut dialogue = Dialogue::new(stream, transcript, deadline);
        greet(&mut dialogue).await?;
        let offers = say_hello(&mut dialogue, &hello).await?;
        return sign_in_and_transfer(&mut dialogue, &offers, mail, Secrecy::Encrypted, progress).await;
    }
    let mut dialogue = Dialogue::new(stream, transcript, deadline);
    greet(&mut dialogue).await?;
    let offers = say_hello(&mut dialogue, &hello).await?;
    if !offers.has("STARTTLS") {
        if mail.envelope.security == MailSecurity::Required {
            let detail =
                "the mail server offers no encryption (STARTTLS), and the webhook wants it: no mail was sent";
            return Err(failure(FailureCode::TlsNotOffered, detail).into());
        }
        return sign_in_and_transfer(&mut dialogue, &offers, mail, Secrecy::Open, progress).await;
    }
    expect(&mut dialogue, MailStage::Greeting, "STARTTLS", 220).await?;
    let stream = dialogue.into_stream()?;
    let (stream, _) = connector.handshake(stream, tls, deadline, progress).await?;
    transcript.note("(encrypted from here)");
    let mut dialogue = Dialogue::new(stream, transcript, deadline);
    // What was offered before it was encrypted may be anybody's.
    let offers = say_hello(&mut dialogue, &hello).await?;
    sign_in_and_transfer(&mut dialogue, &offers, mail, Secrecy::Encrypted, progress).await
}

/// How this server names itself: by its address (RFC 5321, 4.1.3), since it may have no name that others can look up.
fn hello(stream: &TcpStream) -> String {
    match stream.local_addr() {
        Ok(SocketAddr::V4(address)) => format!("EHLO [{}]", address.ip()),
        Ok(SocketAddr::V6(address)) => format!("EHLO [IPv6:{}]", address.ip()),
        Err(_) => "EHLO localhost".to_owned(),
    }
}

async fn greet<S: AsyncRead + AsyncWrite + Unpin>(dialogue: &mut Dialogue<'_, S>) -> Result<(), End> {
    let reply = dialogue.hear("the connection").await?;
    as_expected(MailStage::Greeting, reply, 220).map(|_| ())
}

async fn say_hello<S: AsyncRead + AsyncWrite + Unpin>(
    dialogue: &mut Dialogue<'_, S>,
    hello: &str,
) -> Result<Offers, End> {
    let reply = expect(dialogue, MailStage::Greeting, hello, 250).await?;
    Ok(Offers::new(&reply))
}

/// Says something, and goes on if the reply has this code.
async fn expect<S: AsyncRead + AsyncWrite + Unpin>(
    dialogue: &mut Dialogue<'_, S>,
    stage: MailStage,
    command: &str,
    code: u16,
) -> Result<Reply, End> {
    as_expected(stage, dialogue.ask(command).await?, code)
}

/// A good reply to something else must not be taken for one to the mail: of that not a byte was sent.
fn as_expected(stage: MailStage, reply: Reply, code: u16) -> Result<Reply, End> {
    match reply.code {
        given if given == code => Ok(reply),
        given @ ..=399 => {
            let detail =
                format!("the mail server replied {given} where {code} was to come: no mail was sent");
            Err(failure(FailureCode::ResponseInvalid, detail).into())
        }
        _ => Err(refused_by(stage, reply, Vec::new())),
    }
}

/// Signs in, hands the mail over, and takes its leave if the server still listens.
async fn sign_in_and_transfer<S: AsyncRead + AsyncWrite + Unpin>(
    dialogue: &mut Dialogue<'_, S>,
    offers: &Offers,
    mail: Mail<'_>,
    secrecy: Secrecy,
    progress: &mut Progress,
) -> Result<Taken, End> {
    let signed_in = match &mail.envelope.account {
        Some(account) => sign_in(dialogue, offers, account, secrecy).await,
        None => Ok(()),
    };
    let result = match signed_in {
        Ok(()) => transfer(dialogue, offers, mail, progress).await,
        Err(end) => Err(end),
    };
    if !matches!(result, Err(End::Failed(_))) {
        dialogue.take_leave().await;
    }
    result
}

async fn sign_in<S: AsyncRead + AsyncWrite + Unpin>(
    dialogue: &mut Dialogue<'_, S>,
    offers: &Offers,
    account: &MailAccount,
    secrecy: Secrecy,
) -> Result<(), End> {
    const STAGE: MailStage = MailStage::SignIn;
    if secrecy == Secrecy::Open {
        let detail = "the mail server offers no encryption, and without it no password is sent";
        return Err(failure(FailureCode::SettingsRefused, detail).into());
    }
    let (name, password) = (account.name.as_str(), account.password.reveal());
    if offers.signs_in_by("PLAIN") {
        let proof = STANDARD.encode(format!("\0{name}\0{password}"));
        let reply = dialogue
            .ask_secretly("AUTH PLAIN", &format!("AUTH PLAIN {proof}"))
            .await?;
        return as_expected(STAGE, reply, 235).map(|_| ());
    }
    if offers.signs_in_by("LOGIN") {
        expect(dialogue, STAGE, "AUTH LOGIN", 334).await?;
        let reply = dialogue.ask_secretly("", &STANDARD.encode(name)).await?;
        as_expected(STAGE, reply, 334)?;
        let reply = dialogue.ask_secretly("", &STANDARD.encode(password)).await?;
        return as_expected(STAGE, reply, 235).map(|_| ());
    }
    let detail = "the mail server offers none of the ways to sign in that this server knows: PLAIN, LOGIN";
    Err(failure(FailureCode::SettingsRefused, detail).into())
}

async fn transfer<S: AsyncRead + AsyncWrite + Unpin>(
    dialogue: &mut Dialogue<'_, S>,
    offers: &Offers,
    mail: Mail<'_>,
    progress: &mut Progress,
) -> Result<Taken, End> {
    let command = sender_command(offers, mail)?;
    expect(dialogue, MailStage::Sender, &command, 250).await?;
    let mut refused = Vec::new();
    let mut last = None;
    for address in &mail.envelope.recipients {
        let reply = dialogue.ask(&format!("RCPT TO:<{address}>")).await?;
        match reply.code {
            200..=299 => last = Some(reply),
            // It hangs up.
            421 => return Err(refused_by(MailStage::Recipients, reply, refused)),
            _ => refused.push(RefusedRecipient {
                address: address.clone(),
                reply,
            }),
        }
    }
    let Some(reply) = last else {
        // Where one may be taken later, all of it is tried again.
        let counts = refused.iter().find(|recipient| recipient.reply.is_transient());
        let counts = counts
            .or(refused.first())
            .map(|recipient| recipient.reply.clone());
        let none = || failure(FailureCode::RequestInvalid, "the mail has no recipient").into();
        return Err(counts.map_or_else(none, |reply| refused_by(MailStage::Recipients, reply, refused)));
    };
    if mail.message.is_empty() {
        return Ok(Taken { reply, refused });
    }
    match expect(dialogue, MailStage::Message, "DATA", 354).await {
        Ok(_) => {}
        Err(End::Refused { reply, .. }) => return Err(refused_by(MailStage::Message, reply, refused)),
        Err(end) => return Err(end),
    }
    progress.may_be_sent = true;
    dialogue.wait_longer(AFTER_MESSAGE);
    let reply = dialogue.send_message(mail.message).await?;
    match reply.code {
        250 => Ok(Taken { reply, refused }),
        _ => Err(refused_by(MailStage::Message, reply, refused)),
    }
}

fn refused_by(stage: MailStage, reply: Reply, recipients: Vec<RefusedRecipient>) -> End {
    End::Refused {
        stage,
        reply,
        recipients,
    }
}

/// `MAIL FROM`, with what the server must know of the mail beforehand.
fn sender_command(offers: &Offers, mail: Mail<'_>) -> Result<String, SendFailure> {
    let envelope = mail.envelope;
    let mut command = format!("MAIL FROM:<{}>", envelope.sender);
    if offers.has("SIZE") && !mail.message.is_empty() {
        command.push_str(&format!(" SIZE={}", mail.message.len()));
    }
    if !mail.message.is_ascii() && offers.has("8BITMIME") {
        command.push_str(" BODY=8BITMIME");
    }
    let mut addresses = std::iter::once(&envelope.sender).chain(&envelope.recipients);
    if let Some(address) = addresses.find(|address| !address.is_ascii()) {
        if !offers.has("SMTPUTF8") {
            let detail =
                format!("the mail server takes no address with letters beyond ASCII (SMTPUTF8): {address}");
            return Err(failure(FailureCode::SettingsRefused, detail));
        }
        command.push_str(" SMTPUTF8");
    }
    Ok(command)
}
