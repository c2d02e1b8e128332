//! An event made into a mail: text and HTML that say the same, and the headers that make one thread of an incident's mails.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lettre::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, MessageBuilder, MultiPart, MultiPartKind, SinglePart};

use crate::email::address::Addresses;
use crate::email::encode::encode;
use crate::wording::{Wording, headline};
use destination::card::{Card, act_label};
use destination::task::{Rendered, Task};
use destination::text::{Unit, cut, one_line};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// The longest title that is shown whole, in characters.
const MAX_TITLE: usize = 250;
/// The longest name that is shown whole, in characters.
const MAX_NAME: usize = 200;

/// Which thread a mail belongs to: the first one of its incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thread {
    /// The first mail's id, with its brackets.
    pub(super) id: String,
    pub(super) subject: String,
}

impl Thread {
    /// What is remembered of it.
    pub(super) fn text(&self) -> String {
        format!("{}\n{}", self.id, self.subject)
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let (id, subject) = text.split_once('\n')?;
        Some(Self {
            id: id.to_owned(),
            subject: subject.to_owned(),
        })
    }
}

/// A mail that is ready to be sent.
pub(super) struct Mail {
    pub(super) rendered: Rendered,
    pub(super) thread: Thread,
}

/// The mail of a task to these addresses.
pub(super) fn render(task: &Task<'_>, wording: Wording, addresses: &Addresses) -> Result<Mail, Failure> {
    let card = Card::new(task)?.cut(MAX_TITLE, MAX_NAME);
    let id = format!("<{}@{}>", task.delivery_id, addresses.from.email.domain());
    // What some of its addressees got of this very mail is none before it.
    let before = task.message_ref.and_then(Thread::read);
    let before = before.filter(|thread| thread.id != id);
    let subject = subject(&card, task, before.as_ref());
    let own = [
        ("X-OpsKnight-Event", task.event.event_type().as_str().to_owned()),
        ("X-OpsKnight-Delivery", task.delivery_id.to_string()),
    ];
    let mut builder = head(task, addresses, &id, own).subject(subject.as_str());
    if let Some(first) = &before {
        builder = builder.in_reply_to(first.id.clone()).references(first.id.clone());
    }
    let html = (wording == Wording::Full).then(|| html(&card, task));
    let message = message(builder, &text(&card, task), html, &task.delivery_id.to_string())?;
    let envelope = addresses.envelope(task.target);
    Ok(Mail {
        rendered: Rendered::mail(task.target.url.clone(), envelope, message),
        thread: before.unwrap_or(Thread { id, subject }),
    })
}

/// What every mail begins with, and two headers of its own.
pub(super) fn head<const COUNT: usize>(
    task: &Task<'_>,
    addresses: &Addresses,
    id: &str,
    own: [(&'static str, String); COUNT],
) -> MessageBuilder {
    let millis = u64::try_from(task.now.as_millis()).unwrap_or(0);
    let mut builder = Message::builder()
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
        .from(addresses.from.clone());
    for mailbox in &addresses.to {
        builder = builder.to(mailbox.clone());
    }
    if let Some(mailbox) = &addresses.reply_to {
        builder = builder.reply_to(mailbox.clone());
    }
    let common = [
        // Nobody's absence is told to a program (RFC 3834); the second is Exchange's word for it.
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Auto-Response-Suppress", "All".to_owned()),
    ];
    for (name, value) in common.into_iter().chain(own) {
        let name = HeaderName::new_from_ascii_str(name);
        builder = builder.raw_header(HeaderValue::new(name, value));
    }
    builder.message_id(Some(id.to_owned()))
}

/// The bytes of a mail with this text, and the same as HTML if there is such. `key` is its own.
pub(super) fn message(
    builder: MessageBuilder,
    text: &str,
    html: Option<String>,
    key: &str,
) -> Result<Bytes, Failure> {
    let text = part(ContentType::TEXT_PLAIN, text);
    let message = match html {
        None => builder.singlepart(text),
        Some(html) => {
            // No line of quoted-printable begins like this.
            let both = MultiPart::builder()
                .kind(MultiPartKind::Alternative)
                .boundary(format!("=_{key}"));
            builder.multipart(
                both.singlepart(text)
                    .singlepart(part(ContentType::TEXT_HTML, &html)),
            )
        }
    };
    let message = message.map_err(|error| {
        let detail = format!("the mail cannot be put together: {error}");
        Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::NeedsOperator)
    })?;
    Ok(Bytes::from(message.formatted()))
}

/// The severity and the title; of later mails as their thread began, or with what happened.
fn subject(card: &Card, task: &Task<'_>, first: Option<&Thread>) -> String {
    // What looks like an encoded word would be decoded (RFC 2047).
    let title = headline(card, MAX_TITLE).replace("=?", "= ?");
    match (task.target.option("subject"), first) {
        ("status", _) => format!("[{}] {}: {title}", card.severity_name(), card.happened()),
        (_, Some(first)) => format!("Re: {}", first.subject),
        (_, None) => format!("[{}] {title}", card.severity_name()),
    }
}

fn part(kind: ContentType, text: &str) -> SinglePart {
    let encoded = encode(text).into_bytes();
    let body = Body::dangerous_pre_encoded(encoded, ContentTransferEncoding::QuotedPrintable);
    SinglePart::builder().header(kind).body(body)
}

/// What happened, in a line: what many programs show beside the subject.
fn summary(card: &Card) -> String {
    format!(
        "{} · {} · {}",
        card.happened_by(),
        card.severity_name(),
        card.service
    )
}

fn facts(card: &Card) -> [(&'static str, String); 4] {
    [
        ("Status", card.status_name().to_owned()),
        ("Service", card.service.clone()),
        ("Assignee", card.assignee_name().to_owned()),
        ("Since", card.since_text()),
    ]
}

/// Pages that ask for confirmation, with what each does.
fn acts(card: &Card) -> impl Iterator<Item = (&'static str, &str)> {
    let acts = card.acts.iter();
    acts.filter_map(|act| Some((act_label(act.action), act.page.as_deref()?)))
}

pub(super) fn footer(task: &Task<'_>) -> String {
    let name = cut(&one_line(&task.webhook.settings.name), MAX_NAME, Unit::Characters);
    match name.as_str() {
        "" => "Sent by OpsKnight.".to_owned(),
        name => format!("Sent by OpsKnight for the webhook \"{name}\"."),
    }
}

fn text(card: &Card, task: &Task<'_>) -> String {
    let mut lines = vec![
        summary(card),
        String::new(),
        headline(card, MAX_TITLE),
        String::new(),
    ];
    lines.extend(facts(card).map(|(name, value)| format!("{name}: {value}")));
    if let Some(link) = &card.link {
        lines.extend([String::new(), link.clone()]);
    }
    let acts: Vec<_> = acts(card)
        .map(|(label, page)| format!("{label}: {page}"))
        .collect();
    if !acts.is_empty() {
        lines.push(String::new());
        lines.extend(acts);
    }
    lines.extend([String::new(), "-- ".to_owned(), footer(task)]);
    lines.join("\n")
}

/// The same as HTML. Colours are only those of lines and marks, so that it can be read in the light and in the dark; nothing is
/// fetched from anywhere.
fn html(card: &Card, task: &Task<'_>) -> String {
    let title = escape(&headline(card, MAX_TITLE));
    let title = match &card.link {
        Some(link) => format!("<a href=\"{}\" style=\"color:inherit\">{title}</a>", escape(link)),
        None => title,
    };
    let facts = facts(card).map(|(name, value)| {
        let value = escape(&value);
        format!("<tr><td style=\"padding:2px 16px 2px 0;opacity:.7\">{name}</td><td>{value}</td></tr>\n")
    });
    let buttons: String = acts(card)
        .map(|(label, page)| {
            let page = escape(page);
            format!(
                "<a href=\"{page}\" style=\"display:inline-block;margin:0 8px 8px 0;padding:6px 14px;border:1px solid;\
                 border-radius:6px;color:inherit;text-decoration:none\">{label}</a>\n"
            )
        })
        .collect();
    let body = format!(
        "<div style=\"max-width:600px;padding-left:16px;border-left:4px solid #{colour:06x}\">\n\
         <p style=\"margin:0\">{mark} {summary}</p>\n\
         <h1 style=\"margin:4px 0 12px;font-size:20px;line-height:1.3\">{title}</h1>\n\
         <table role=\"presentation\" style=\"border-collapse:collapse;margin-bottom:16px\">\n{facts}</table>\n\
         {buttons}</div>\n\
         ",
        colour = card.colour(),
        mark = card.mark(),
        summary = escape(&summary(card)),
        facts = facts.concat(),
    );
    page(&headline(card, MAX_TITLE), &body, task)
}

/// A mail's HTML around its body.
pub(super) fn page(title: &str, body: &str, task: &Task<'_>) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"color-scheme\" content=\"light dark\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title></head>\n\
         <body style=\"margin:0;padding:16px;font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif\">\n\
         {body}<p style=\"margin:16px 0 0;font-size:13px;opacity:.7\">{footer}</p>\n</body></html>",
        title = escape(title),
        footer = escape(&footer(task)),
    )
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
