//! Kinds that page people or feed other alerting: an alert over there opens, is acknowledged and closes with the incident,
//! found again by the incident's id. A folder per kind; what they share is how a request is made and what an answer means.

pub mod alertmanager;
mod answer;
pub mod email;
pub mod ntfy;
pub mod opsgenie;
pub mod pagerduty;
mod request;
#[cfg(test)]
mod simulated;
mod wording;
