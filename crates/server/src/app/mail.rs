//! Wires mail to people of this server, by way of the guarded client.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actions::mail::{Letter, Mail, Mailer};
use anyhow::{Context, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use clock::Env;
use config::Config;
use http::{HeaderMap, Method};
use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use model::exchange::{BODY_CAP_BYTES, ConnectionUse, OutboundRequest};
use model::secret::SecretText;
use model::transport::{Envelope, MailAccount, MailSecurity, STAGE, Transport};
use outbound::Client;
use percent_encoding::percent_decode_str;
use url::Url;

/// How long sending one may take.
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);

/// A mail server of the settings.
struct SmtpMailer {
    client: Client,
    source: Env,
    /// Without account.
    server: Url,
    account: Option<MailAccount>,
    security: MailSecurity,
    from: Mailbox,
    base: String,
}

/// Mail as the settings say; nothing if they name no server.
pub fn prepare(
    config: &Config,
    public_url: Option<&Url>,
    client: &Client,
    source: &Env,
) -> anyhow::Result<Option<Mail>> {
    let text = config.mail.server.reveal();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong =
        "the setting mail.server: write smtps://user:password@mail.example or smtp://mail.example:587";
    let mut server = Url::parse(text).ok().context(wrong)?;
    ensure!(
        server.has_host() && ["smtp", "smtps"].contains(&server.scheme()),
        wrong
    );
    let from: Mailbox =
        config.mail.from.parse().ok().context(
            "the setting mail.from: write an address, such as \"OpsKnight <opsknight@example.com>\"",
        )?;
    let base = public_url.context("the setting public_url: links in mails lead there")?;
    let account = account_of(&server);
    // Neither fails on a URL with a host.
    let _ = (server.set_username(""), server.set_password(None));
    let mailer = SmtpMailer {
        client: client.clone(),
        source: source.clone(),
        security: security_of(&server),
        server,
        account,
        from,
        base: base.as_str().trim_end_matches('/').to_owned(),
    };
    Ok(Some(Mail::new(Arc::new(mailer))))
}

fn account_of(server: &Url) -> Option<MailAccount> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let name = decoded(server.username());
    (!name.is_empty()).then(|| MailAccount {
        name,
        password: SecretText::new(decoded(server.password().unwrap_or_default())),
    })
}

/// Links are secrets: without TLS they go no further than this machine.
fn security_of(server: &Url) -> MailSecurity {
    let is_here = matches!(server.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match server.scheme() {
        "smtps" => MailSecurity::Implicit,
        _ if is_here => MailSecurity::WhereOffered,
        _ => MailSecurity::Required,
    }
}

impl SmtpMailer {
    fn message(&self, letter: &Letter, to: &Mailbox) -> Result<Bytes, String> {
        let millis = u64::try_from(self.source.now().as_millis()).unwrap_or(0);
        let id = format!(
            "<{}@{}>",
            hex::encode(self.source.random::<16>()),
            self.from.email.domain()
        );
        let automatic = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        );
        let message = Message::builder()
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
            .from(self.from.clone())
            .to(to.clone())
            .subject(letter.subject.as_str())
            .raw_header(automatic)
            .message_id(Some(id))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.reveal().to_owned());
        let message = message.map_err(|error| error.to_string())?;
        Ok(Bytes::from(message.formatted()))
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, letter: Letter) -> Result<(), String> {
        let to: Mailbox = letter.to.parse().map_err(|_| "the address is none".to_owned())?;
        let envelope = Envelope {
            security: self.security,
            account: self.account.clone(),
            sender: self.from.email.to_string(),
            recipients: vec![to.email.to_string()],
        };
        let request = OutboundRequest {
            transport: Transport::Smtp(Box::new(envelope)),
            method: Method::POST,
            url: self.server.clone(),
            headers: HeaderMap::new(),
            body: self.message(&letter, &to)?,
            timeout: MAIL_TIMEOUT,
            tls: None,
            body_cap: BODY_CAP_BYTES,
            connection: ConnectionUse::Fresh,
        };
        match self.client.send(request).await.result {
            Ok(response) if (200..300).contains(&response.status) => Ok(()),
            Ok(response) => {
                let stage = response.headers.get(STAGE).and_then(|stage| stage.to_str().ok());
                let (status, stage) = (response.status, stage.unwrap_or("unknown"));
                Err(format!("the mail server answered {status} at the stage {stage}"))
            }
            Err(failure) => Err(failure.detail),
        }
    }

    fn base(&self) -> &str {
        &self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_read_out_of_the_url_and_tls_is_needed_beyond_this_machine() {
        let url = |text: &str| Url::parse(text).unwrap();
        let account = account_of(&url("smtps://ops%40example.com:a%3Ab@mail.example")).unwrap();
        assert_eq!(
            (account.name.as_str(), account.password.reveal()),
            ("ops@example.com", "a:b")
        );
        assert!(account_of(&url("smtp://mail.example")).is_none());
        let security = ["smtps://localhost", "smtp://127.0.0.1:25", "smtp://mail.example"]
            .map(|text| security_of(&url(text)));
        assert_eq!(
            security,
            [
                MailSecurity::Implicit,
                MailSecurity::WhereOffered,
                MailSecurity::Required
            ]
        );
    }
}
