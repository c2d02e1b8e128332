//! From the API to the receiver, through the whole server: what is promised in the contract, seen from outside.

mod answers;
mod bombs;
mod credentials;
mod faults;
mod giving_up;
mod judged;
mod operational;
mod order;
mod outages;
mod own_inbox;
mod refused;
mod replay;
mod request;
mod restart;
mod schedule;
mod shortage;
mod switches;
mod told;

use crate::support::receiver::{Receiver, Reply};

/// A receiver that answers as told, and its URL.
async fn receiver(replies: &[Reply]) -> (Receiver, String) {
    let receiver = Receiver::start(replies).await;
    let url = format!("http://{}/hooks", receiver.address);
    (receiver, url)
}

/// The value of a header in a raw request.
fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let lines = request.lines().take_while(|line| !line.is_empty());
    lines
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The body of a raw request.
fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}
