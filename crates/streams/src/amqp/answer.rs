//! What an AMQP server's answer means: its reply codes, or a confirmation.

use crate::broker;
use destination::task::Classification;
use model::attempt::Outcome;
use model::exchange::Exchange;
use model::time::Timestamp;

const NAME: &str = "the AMQP server";

/// Judges what became of a message.
pub(super) fn classify(exchange: &Exchange, now: Timestamp) -> Classification {
    let Ok(response) = &exchange.result else {
        return broker::unanswered(exchange, now);
    };
    match response.status {
        200 => Outcome::Delivered.into(),
        // It was confirmed, and went nowhere.
        312 => {
            let remedy = "no queue gets messages with this exchange and routing key";
            broker::settings(NAME, remedy, response)
        }
        311 => broker::message(NAME, response),
        403 => {
            let remedy = "check user name and password, and what the user may write to";
            broker::settings(NAME, remedy, response)
        }
        402 | 404 | 530 => {
            let remedy = "check the virtual host, the exchange, and what the user may use";
            broker::settings(NAME, remedy, response)
        }
        406 if broker::is_about_message(response) => broker::message(NAME, response),
        _ => broker::later(NAME, "does not take the message now", response),
    }
}
