//! One mail for the events of a storm: what came faster than mails should, by incident, the newest first. It belongs to no
//! thread and begins none, so that the threads of incidents stay as they are.

use std::time::Duration;

use crate::email::Email;
use crate::email::addresses;
use crate::email::answer::{self, Continuation, Sent};
use crate::email::render::{escape, footer, head, message, page};
use crate::wording::{Wording, headline};
use destination::card::Card;
use destination::joint::{AlonePace, Joint, JointLimits, batch_id};
use destination::task::{Classification, Rendered, Target, Task};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};
use model::time::Timestamp;

/// The most events of one digest.
const MAX_EVENTS: usize = 250;
/// The most bytes of their bodies: mail servers refuse what is too large.
const MAX_EVENT_BYTES: usize = 512 * 1024;
/// After a rest so many mails leave at once before a digest takes along what waits.
const BURST: u32 = 10;
/// The time between two mails in a storm.
const INTERVAL: Duration = Duration::from_secs(30);
/// The longest title that is shown whole, in characters.
const MAX_TITLE: usize = 120;
/// The longest name that is shown whole, in characters.
const MAX_NAME: usize = 80;

impl Joint for Email {
    fn limits(&self, _target: &Target) -> JointLimits {
        JointLimits {
            max_count: MAX_EVENTS,
            max_bytes: MAX_EVENT_BYTES,
            max_wait: Duration::ZERO,
            alone: Some(AlonePace {
                interval: INTERVAL,
                burst: BURST,
            }),
        }
    }

    fn request(&self, tasks: &[Task<'_>]) -> Result<Rendered, Failure> {
        let Some(first) = tasks.first() else {
            let detail = "there is no event to tell of";
            return Err(Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::Permanent));
        };
        let continuation = Continuation::read(first);
        let addresses = addresses(first.target)?.left_by(&continuation.left);
        let incidents = by_incident(tasks)?;
        let batch = batch_id(tasks);
        let id = format!("<{batch}@{}>", addresses.from.email.domain());
        let subject = format!("OpsKnight: {}", counted(tasks.len(), incidents.len()));
        let own = [("X-OpsKnight-Batch", batch.clone())];
        let builder = head(first, &addresses, &id, own).subject(subject.as_str());
        let html = (continuation.wording == Wording::Full).then(|| html(&subject, &incidents, first));
        let message = message(builder, &text(&subject, &incidents, first), html, &batch)?;
        let envelope = addresses.envelope(first.target);
        Ok(Rendered::mail(first.target.url.clone(), envelope, message))
    }

    fn classify(&self, tasks: &[Task<'_>], exchange: &Exchange, now: Timestamp) -> Vec<Classification> {
        let Some(first) = tasks.first() else {
            return Vec::new();
        };
        let continuation = Continuation::read(first);
        let addresses = addresses(first.target).map(|addresses| addresses.left_by(&continuation.left));
        let sent = Sent {
            wording: continuation.wording,
            recipients: addresses.map_or_else(|_| Vec::new(), |addresses| addresses.recipients()),
            thread: None,
            events: tasks.len(),
        };
        vec![answer::classify(&sent, exchange, now); tasks.len()]
    }
}

/// The events of each incident, newest first, the incident with the newest one first.
fn by_incident(tasks: &[Task<'_>]) -> Result<Vec<Vec<Card>>, Failure> {
    let mut newest_first: Vec<_> = tasks.iter().collect();
    newest_first.sort_by_key(|task| std::cmp::Reverse(task.event.sequence));
    let mut incidents: Vec<Vec<Card>> = Vec::new();
    for task in newest_first {
        let card = Card::new(task)?.cut(MAX_TITLE, MAX_NAME);
        let is_its = |cards: &&mut Vec<Card>| cards.iter().any(|known| known.incident_id == card.incident_id);
        match incidents.iter_mut().find(is_its) {
            Some(cards) => cards.push(card),
            None => incidents.push(vec![card]),
        }
    }
    Ok(incidents)
}

fn counted(events: usize, incidents: usize) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    format!(
        "{events} event{} of {incidents} incident{}",
        plural(events),
        plural(incidents)
    )
}

/// What is said of an event below the incident's title.
fn line(card: &Card) -> String {
    format!(
        "{} · {} · {}",
        card.happened_by(),
        card.service,
        card.times.text(card.at)
    )
}

fn text(subject: &str, incidents: &[Vec<Card>], task: &Task<'_>) -> String {
    let mut lines = vec![subject.to_owned(), String::new()];
    for cards in incidents {
        let Some(newest) = cards.first() else { continue };
        lines.push(format!(
            "[{}] {}",
            newest.severity_name(),
            headline(newest, MAX_TITLE)
        ));
        lines.extend(cards.iter().map(line));
        lines.extend(newest.link.clone());
        lines.push(String::new());
    }
    lines.extend(["-- ".to_owned(), footer(task)]);
    lines.join("\n")
}

fn html(subject: &str, incidents: &[Vec<Card>], task: &Task<'_>) -> String {
    let incident = |cards: &Vec<Card>| {
        let newest = cards.first()?;
        let title = escape(&headline(newest, MAX_TITLE));
        let title = match &newest.link {
            Some(link) => format!("<a href=\"{}\" style=\"color:inherit\">{title}</a>", escape(link)),
            None => title,
        };
        let lines: Vec<_> = cards.iter().map(|card| escape(&line(card))).collect();
        Some(format!(
            "<p style=\"margin:0 0 12px;padding-left:12px;border-left:4px solid #{colour:06x}\">{mark} \
             <b>{title}</b><br>\n{severity} · {lines}</p>\n",
            colour = newest.colour(),
            mark = newest.mark(),
            severity = newest.severity_name(),
            lines = lines.join("<br>\n"),
        ))
    };
    let incidents: String = incidents.iter().filter_map(incident).collect();
    let heading = format!(
        "<h1 style=\"margin:0 0 12px;font-size:20px;line-height:1.3\">{}</h1>\n",
        escape(subject)
    );
    page(subject, &format!("{heading}{incidents}"), task)
}
