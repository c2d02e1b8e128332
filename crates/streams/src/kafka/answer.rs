//! What Kafka's answer means: by its error codes.

use crate::broker;
use destination::task::Classification;
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::time::Timestamp;

const NAME: &str = "Kafka";

/// Judges what became of a record.
pub(super) fn classify(exchange: &Exchange, now: Timestamp) -> Classification {
    let Ok(response) = &exchange.result else {
        return broker::unanswered(exchange, now);
    };
    match response.status {
        200 => Classification::from(Outcome::Delivered).noted(broker::words(response)),
        3 | 17 => broker::settings(NAME, "check the topic, which must be there", response),
        29 => broker::settings(NAME, "let its user write to the topic", response),
        31 => broker::settings(
            NAME,
            "let its user write idempotently (IDEMPOTENT_WRITE)",
            response,
        ),
        33 | 34 => broker::settings(
            NAME,
            "choose how the brokers want user name and password",
            response,
        ),
        35 => broker::settings(NAME, "it must be version 2.1 or newer", response),
        58 => broker::settings(NAME, "check user name and password", response),
        10 | 18 | 32 | 44 | 87 => broker::message(NAME, response),
        89 => slower(response),
        19 | 20 => {
            let what = "has too few replicas in sync for this topic";
            broker::later(NAME, what, response)
        }
        _ => broker::later(NAME, "does not take the record now", response),
    }
}

fn slower(response: &Response) -> Classification {
    let detail = format!("Kafka asks for fewer records ({})", broker::words(response));
    let failure = Failure::new(FailureCode::RateLimited, detail);
    failure.with(Disposition::RateLimited).into()
}
