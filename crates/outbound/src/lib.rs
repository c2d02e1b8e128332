//! The only code that connects out: signs requests, refuses internal addresses, dials, sends, reads answers.
//!
//! [`client::Client`] is the way in. The SSRF rules are pure and live in [`address`]; [`connector`] applies them to
//! the very address it dials, so that neither a name that resolves anew nor an IP literal can slip past them.
//! Nothing here knows webhooks, deliveries or retries, and nothing here follows a redirect.

pub mod address;
pub mod allow_list;
mod answer_stream;
mod broker;
pub mod client;
pub mod connector;
mod head;
mod pool;
pub mod proxy;
mod request_sender;
pub mod resolver;
pub mod shortage;
pub mod signature;
mod smtp;
pub mod tls;
mod tls_words;
mod trust;
mod url_rules;
mod write_tracker;

pub use address::LoopbackRule;
pub use allow_list::AllowList;
pub use client::{Client, OutboundSettings};
pub use connector::PhaseLimits;
pub use proxy::Proxy;
pub use request_sender::RequestSender;
pub use resolver::{Resolve, SystemResolver};
pub use shortage::ShortageCounts;
pub use signature::{Signer, SigningSecrets};
pub use tls_words::tls_sentence;
pub use url_rules::{UrlRefusal, check_url};
