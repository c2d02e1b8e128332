//! Mails over SMTP, one per event, in one thread per incident; in a storm one for many. A repeat after a lost reply has the same Message-ID, by which
//! most receivers fold two into one.

mod address;
mod answer;
mod digest;
mod encode;
mod form;
mod preview;
mod render;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;

use destination::about::{KindDescription, Problem};
use destination::joint::Joint;
use destination::preview::Preview;
use destination::task::{Classification, Rendered, Step, Target, Task};
use destination::{Adapter, Previews};
use model::attempt::{Disposition, Failure};
use model::exchange::{FailureCode, Response};

use self::address::Addresses;
use self::answer::{Continuation, Sent};
use crate::request::{credential_problems, invalid};

/// A dialogue has many turns, and some servers take their time before each.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Mails.
pub struct Email;

impl Adapter for Email {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let is_more = !matches!(target.url.path(), "" | "/") || target.url.query().is_some();
        let more =
            is_more.then(|| invalid("url", "host and port alone, such as smtp://mail.example.com:587"));
        let headers = !target.headers.is_empty();
        let headers = headers.then(|| invalid("headers", "mails take no headers of your own"));
        more.into_iter()
            .chain(headers)
            .chain(address::problems(target))
            .chain(credential_problems(target))
            .collect()
    }

    fn sample_url(&self) -> &'static str {
        "smtp://mail.example.com:587"
    }

    fn default_timeout(&self) -> Duration {
        TIMEOUT
    }

    fn step(&self, task: &Task<'_>) -> Step {
        match addresses(task.target).and_then(|addresses| step(task, addresses)) {
            Ok(step) => step,
            Err(failure) => Step::done(failure),
        }
    }

    fn probe(&self, target: &Target) -> Option<Rendered> {
        let envelope = Addresses::new(target)?.envelope(target);
        Some(Rendered::mail(target.url.clone(), envelope, Bytes::new()))
    }

    fn refuses(&self, response: &Response) -> bool {
        answer::refuses(response)
    }

    fn joint(&self) -> Option<&dyn Joint> {
        Some(self)
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }
}

fn addresses(target: &Target) -> Result<Addresses, Failure> {
    Addresses::new(target).ok_or_else(|| {
        let detail = "the webhook names no sender or no recipient that can be read";
        Failure::new(FailureCode::SettingsRefused, detail).with(Disposition::NeedsOperator)
    })
}

fn step(task: &Task<'_>, addresses: Addresses) -> Result<Step, Failure> {
    let continuation = Continuation::read(task);
    let addresses = addresses.left_by(&continuation.left);
    let mail = render::render(task, continuation.wording, &addresses)?;
    let sent = Sent {
        wording: continuation.wording,
        recipients: addresses.recipients(),
        thread: Some(mail.thread),
        events: 1,
    };
    let classify =
        move |_: &Task<'_>, exchange: &_, now| -> Classification { answer::classify(&sent, exchange, now) };
    Ok(Step::send(Ok(mail.rendered), classify))
}

impl Previews for Email {
    /// A form that is not filled in yet shows a mail all the same.
    fn preview_request(&self, task: &Task<'_>) -> Result<Rendered, Box<Classification>> {
        let addresses = Addresses::new(task.target).or_else(Addresses::sample);
        let step = addresses.map(|addresses| step(task, addresses));
        match step {
            Some(Ok(step)) => step.into_request(),
            Some(Err(failure)) => Err(Box::new(failure.into())),
            None => self.step(task).into_request(),
        }
    }

    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(body)
    }
}
