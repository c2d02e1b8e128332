//! Mails: what a server hears, and what comes of servers that refuse, cheat, break off or say nothing.

use std::sync::{Arc, Mutex};

use model::exchange::{FailureCode, OutboundRequest, Reach};
use model::secret::SecretText;
use model::transport::{Envelope, MailAccount, MailSecurity, STAGE, Transport};
use outbound::{Client, LoopbackRule, OutboundSettings};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{SHORT, client, code, detail, post_tls, response, settings};
use crate::support::certificates::{Authority, ClientCertificates};

const MESSAGE: &str = "Subject: hello\r\n\r\n.a line that begins with a dot\r\n.\r\nend\r\n";

/// What a scripted server replies to a command that begins so; the first that fits. Nothing is said to others than these.
type Script = &'static [(&'static str, &'static str)];

const PLAIN: Script = &[
    ("EHLO", "250-mx\r\n250 8BITMIME"),
    ("MAIL", "250 ok"),
    ("RCPT", "250 ok"),
    ("DATA", "354 go on"),
    ("\r\n.", "250 2.0.0 queued as 1"),
];

/// A server that follows a script, and everything that it heard.
struct MailServer {
    port: u16,
    heard: Arc<Mutex<String>>,
}

impl MailServer {
    /// Without TLS; `greeting` comes first.
    async fn start(greeting: &'static str, script: Script) -> Self {
        Self::start_with(greeting, script, None).await
    }

    /// With TLS from STARTTLS on, or from the first byte if the greeting is empty until then.
    async fn start_with(greeting: &'static str, script: Script, tls: Option<(TlsAcceptor, Script)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(String::new()));
        let server = Self {
            port,
            heard: Arc::clone(&heard),
        };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, greeting, script, tls.clone(), Arc::clone(&heard)));
            }
        });
        server
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }

    fn mail(&self, security: MailSecurity) -> OutboundRequest {
        let scheme = if security == MailSecurity::Implicit {
            "smtps"
        } else {
            "smtp"
        };
        OutboundRequest {
            url: format!("{scheme}://localhost:{}", self.port).parse().unwrap(),
            transport: Transport::Smtp(Box::new(Envelope {
                security,
                account: None,
                sender: "from@example.com".to_owned(),
                recipients: vec!["ada@example.com".to_owned(), "bob@example.com".to_owned()],
            })),
            body: MESSAGE.into(),
            ..post_tls(self.port, None, None)
        }
    }
}

async fn serve(
    stream: TcpStream,
    greeting: &str,
    script: Script,
    tls: Option<(TlsAcceptor, Script)>,
    heard: Arc<Mutex<String>>,
) {
    let Some((acceptor, secret_script)) = tls else {
        talk(stream, Some(greeting), script, &heard).await;
        return;
    };
    let stream = match greeting {
        "" => Some(stream),
        _ => talk(stream, Some(greeting), script, &heard).await,
    };
    let Some(stream) = stream else { return };
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let greeting = greeting.is_empty().then_some("220 hello");
    talk(stream, greeting, secret_script, &heard).await;
}

/// Follows a script until the other side hangs up; gives the connection back when TLS shall begin.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    greeting: Option<&str>,
    script: Script,
    heard: &Mutex<String>,
) -> Option<S> {
    let mut stream = BufStream::new(stream);
    if let Some(greeting) = greeting {
        stream
            .write_all(format!("{greeting}\r\n").as_bytes())
            .await
            .ok()?;
        stream.flush().await.ok()?;
    }
    let mut is_message = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        heard.lock().unwrap().push_str(&line);
        let command = match (is_message, line.as_str()) {
            (true, ".\r\n") => "\r\n.",
            (true, _) => continue,
            (false, line) => line,
        };
        let found = script.iter().find(|(start, _)| command.starts_with(start));
        let Some((_, reply)) = found else { continue };
        if reply.is_empty() {
            return None;
        }
        is_message = command.starts_with("DATA") && reply.starts_with("354");
        stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        if command.starts_with("STARTTLS") && reply.starts_with("220") {
            return Some(stream.into_inner());
        }
    }
}

fn account(mut request: OutboundRequest) -> OutboundRequest {
    if let Transport::Smtp(envelope) = &mut request.transport {
        envelope.account = Some(MailAccount {
            name: "ada".to_owned(),
            password: SecretText::new("good-password"),
        });
    }
    request
}

fn encrypted(authority: &Authority, script: Script) -> Option<(TlsAcceptor, Script)> {
    let config = authority.server_config("localhost", ClientCertificates::Ignored);
    Some((TlsAcceptor::from(Arc::new(config)), script))
}

fn trusting(authority: &Authority, request: OutboundRequest) -> OutboundRequest {
    OutboundRequest {
        tls: post_tls(1, Some(&authority.pem), None).tls,
        ..request
    }
}

#[tokio::test]
async fn a_mail_is_handed_over_line_by_line_and_no_line_of_it_ends_it() {
    let server = MailServer::start("220 hello", PLAIN).await;
    let exchange = client().send(server.mail(MailSecurity::WhereOffered)).await;
    assert_eq!(response(&exchange).status, 250);
    assert_eq!(response(&exchange).headers["reply"], "250 2.0.0 queued as 1");
    let expected = "EHLO [127.0.0.1]\r\nMAIL FROM:<from@example.com>\r\nRCPT TO:<ada@example.com>\r\n\
                    RCPT TO:<bob@example.com>\r\nDATA\r\nSubject: hello\r\n\r\n..a line that begins with a dot\r\n..\r\nend\r\n\
                    .\r\n";
    assert!(server.heard().starts_with(expected), "{}", server.heard());
    let dialogue = String::from_utf8_lossy(&response(&exchange).body);
    assert!(
        dialogue.starts_with("< 220 hello\n> EHLO [127.0.0.1]\n< 250-mx\n< 250 8BITMIME\n> MAIL"),
        "{dialogue}"
    );
    assert!(
        dialogue.ends_with("> (58 bytes of message)\n< 250 2.0.0 queued as 1\n"),
        "{dialogue}"
    );
    assert_eq!(exchange.reach, Reach::MaybeSent);
}

#[tokio::test]
async fn a_server_without_encryption_gets_no_mail_that_wants_it_and_no_password_ever() {
    let server = MailServer::start("220 hello", PLAIN).await;
    let exchange = client().send(server.mail(MailSecurity::Required)).await;
    assert_eq!(code(&exchange), FailureCode::TlsNotOffered);
    let exchange = client()
        .send(account(server.mail(MailSecurity::WhereOffered)))
        .await;
    assert_eq!(code(&exchange), FailureCode::SettingsRefused);
    assert!(
        !server.heard().contains("MAIL") && !server.heard().contains("AUTH"),
        "{}",
        server.heard()
    );
    assert_eq!(exchange.reach, Reach::NotSent);
}

const BEFORE_TLS: Script = &[
    ("EHLO", "250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS"),
    ("STARTTLS", "220 go"),
];
const BY_PLAIN: Script = &[
    ("EHLO", "250-mx\r\n250-SIZE 1000\r\n250 AUTH LOGIN PLAIN"),
    ("AUTH PLAIN AGFkYQBnb29kLXBhc3N3b3Jk\r", "235 ok"),
    ("AUTH", "535 5.7.8 no"),
    ("MAIL", "250 ok"),
    ("RCPT TO:<ada", "550 5.1.1 nobody"),
    ("RCPT", "250 ok"),
    ("DATA", "354 go on"),
    ("\r\n.", "250 ok"),
];
const BY_LOGIN: Script = &[
    ("EHLO", "250-mx\r\n250 AUTH LOGIN"),
    ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
    ("YWRh\r", "334 UGFzc3dvcmQ6"),
    ("Z29vZC1wYXNzd29yZA==\r", "535 5.7.8 not you"),
];

#[tokio::test]
async fn an_account_signs_in_once_it_is_encrypted_and_a_refused_recipient_keeps_nobody_from_the_mail() {
    let authority = Authority::new();
    let server = MailServer::start_with("220 hello", BEFORE_TLS, encrypted(&authority, BY_PLAIN)).await;
    let request = trusting(&authority, account(server.mail(MailSecurity::Required)));
    let exchange = client().send(request).await;
    assert_eq!(response(&exchange).status, 250, "{:?}", response(&exchange).body);
    assert_eq!(
        response(&exchange).headers["refused-recipient"],
        "ada@example.com 550 5.1.1 nobody"
    );
    assert!(
        server
            .heard()
            .contains("MAIL FROM:<from@example.com> SIZE=58\r\n")
    );
    let dialogue = String::from_utf8_lossy(&response(&exchange).body).into_owned();
    assert!(dialogue.contains("> AUTH PLAIN ***\n< 235 ok\n"), "{dialogue}");
    assert!(exchange.timings.tls_us.is_some());
}

#[tokio::test]
async fn an_account_signs_in_by_login_where_nothing_else_is_offered() {
    let authority = Authority::new();
    let server = MailServer::start_with("", &[], encrypted(&authority, BY_LOGIN)).await;
    let request = trusting(&authority, account(server.mail(MailSecurity::Implicit)));
    let exchange = client().send(request).await;
    assert_eq!(
        (response(&exchange).status, &response(&exchange).headers[STAGE]),
        (535, &"sign_in".parse().unwrap())
    );
    assert!(!String::from_utf8_lossy(&response(&exchange).body).contains("Z29vZ"));
}

#[tokio::test]
async fn a_certificate_that_nobody_knows_ends_it_even_where_encryption_is_optional() {
    let server =
        MailServer::start_with("220 hello", BEFORE_TLS, encrypted(&Authority::new(), BY_PLAIN)).await;
    let exchange = client().send(server.mail(MailSecurity::WhereOffered)).await;
    assert_eq!(code(&exchange), FailureCode::TlsFailed);
    assert!(!server.heard().contains("MAIL"));
}

#[tokio::test]
async fn what_is_said_before_the_encryption_begins_is_not_taken_for_what_is_said_after() {
    const INJECTED: Script = &[
        ("EHLO", "250-mx\r\n250 STARTTLS"),
        ("STARTTLS", "220 go\r\n250 AUTH PLAIN"),
    ];
    let authority = Authority::new();
    let server = MailServer::start_with("220 hello", INJECTED, encrypted(&authority, BY_PLAIN)).await;
    let exchange = client()
        .send(trusting(&authority, account(server.mail(MailSecurity::Required))))
        .await;
    assert_eq!(code(&exchange), FailureCode::TlsFailed);
    assert!(!server.heard().contains("AUTH"));
}

#[tokio::test]
async fn a_reply_lost_after_the_last_dot_leaves_it_open_whether_the_mail_was_taken() {
    const CUT: Script = &[
        ("EHLO", "250 mx"),
        ("MAIL", "250 ok"),
        ("RCPT", "250 ok"),
        ("DATA", "354 go on"),
        ("\r\n.", ""),
    ];
    let server = MailServer::start("220 hello", CUT).await;
    let exchange = client().send(server.mail(MailSecurity::WhereOffered)).await;
    assert_eq!(
        (code(&exchange), exchange.reach),
        (FailureCode::ConnectionClosed, Reach::MaybeSent)
    );
    assert!(detail(&exchange).contains("not known"), "{}", detail(&exchange));
    const CUT_BEFORE: Script = &[("EHLO", "250 mx"), ("MAIL", "250 ok"), ("RCPT", "")];
    let server = MailServer::start("220 hello", CUT_BEFORE).await;
    let exchange = client().send(server.mail(MailSecurity::WhereOffered)).await;
    assert_eq!(
        (code(&exchange), exchange.reach),
        (FailureCode::ConnectionClosed, Reach::NotSent)
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_or_nonsense_is_no_mail_server() {
    const SILENT: Script = &[];
    let server = MailServer::start("220-wait", SILENT).await;
    let slow = OutboundRequest {
        timeout: SHORT,
        ..server.mail(MailSecurity::WhereOffered)
    };
    assert_eq!(code(&client().send(slow).await), FailureCode::ResponseTimeout);
    let server = MailServer::start("HTTP/1.1 400 Bad Request", SILENT).await;
    let exchange = client().send(server.mail(MailSecurity::WhereOffered)).await;
    assert_eq!(code(&exchange), FailureCode::ResponseInvalid);
    let server = MailServer::start("554 5.7.1 go away", SILENT).await;
    let exchange = client().send(server.mail(MailSecurity::WhereOffered)).await;
    assert_eq!(
        (response(&exchange).status, &response(&exchange).headers[STAGE]),
        (554, &"greeting".parse().unwrap())
    );
}

#[tokio::test]
async fn a_good_reply_to_something_else_is_none_to_the_mail() {
    const NO_DATA: Script = &[
        ("EHLO", "250 hello"),
        ("MAIL", "250 ok"),
        ("RCPT", "250 ok"),
        ("DATA", "250 ok"),
    ];
    const NO_TRUST: Script = &[("EHLO", "250 hello"), ("MAIL", "251 ok")];
    for (greeting, script) in [
        ("220 one\r\n220 two", PLAIN),
        ("200 news server", PLAIN),
        ("250 ok", PLAIN),
        ("220 hello", NO_DATA),
        ("220 hello", NO_TRUST),
    ] {
        let server = MailServer::start(greeting, script).await;
        let exchange = client().send(server.mail(MailSecurity::WhereOffered)).await;
        assert_eq!(
            (code(&exchange), exchange.reach),
            (FailureCode::ResponseInvalid, Reach::NotSent),
            "{greeting}: {script:?}"
        );
        assert!(
            detail(&exchange).contains("no mail was sent"),
            "{}",
            detail(&exchange)
        );
    }
}

#[tokio::test]
async fn letters_beyond_ascii_need_a_server_that_takes_them() {
    let server = MailServer::start("220 hello", PLAIN).await;
    let mut request = server.mail(MailSecurity::WhereOffered);
    if let Transport::Smtp(envelope) = &mut request.transport {
        envelope.recipients = vec!["ümit@example.com".to_owned()];
    }
    let exchange = client().send(request).await;
    assert_eq!(code(&exchange), FailureCode::SettingsRefused);
    assert!(detail(&exchange).contains("SMTPUTF8"), "{}", detail(&exchange));
}

#[tokio::test]
async fn without_a_message_the_server_is_only_asked() {
    let server = MailServer::start("220 hello", PLAIN).await;
    let asking = OutboundRequest {
        body: "".into(),
        ..server.mail(MailSecurity::WhereOffered)
    };
    let exchange = client().send(asking).await;
    assert_eq!(
        (response(&exchange).status, exchange.reach),
        (250, Reach::MaybeSent)
    );
    assert!(!server.heard().contains("DATA"));
}

#[tokio::test]
async fn an_internal_mail_server_is_not_dialled_unless_it_is_allowed() {
    let server = MailServer::start("220 hello", PLAIN).await;
    let guarded = Client::new(OutboundSettings {
        loopback: LoopbackRule::Refused,
        ..settings()
    });
    for host in ["localhost", "127.1", "0x7f000001", "[::ffff:127.0.0.1]"] {
        let request = OutboundRequest {
            url: format!("smtp://{host}:{}", server.port).parse().unwrap(),
            ..server.mail(MailSecurity::WhereOffered)
        };
        let exchange = guarded.send(request).await;
        assert_eq!(code(&exchange), FailureCode::AddressNotAllowed, "{host}");
    }
    assert_eq!(server.heard(), "");
}
