//! The addresses in a target's options.

use lettre::Address;
use lettre::message::Mailbox;
use url::Host;

use destination::about::Problem;
use destination::task::Target;
use model::secret::SecretText;
use model::transport::{Envelope, MailAccount, MailSecurity};

use crate::request::{digest, invalid};

/// The most recipients of a mail.
const MAX_RECIPIENTS: usize = 50;
/// The longest address (RFC 5321, 4.5.3.1.3, without its brackets), in bytes.
const MAX_ADDRESS_BYTES: usize = 254;

/// Who writes to whom. What was saved was checked: what cannot be read any more is left out.
pub(super) struct Addresses {
    pub(super) from: Mailbox,
    pub(super) to: Vec<Mailbox>,
    pub(super) reply_to: Option<Mailbox>,
}

impl Addresses {
    pub(super) fn new(target: &Target) -> Option<Self> {
        let to: Vec<_> = split(target.option("to"))
            .filter_map(mailbox)
            .take(MAX_RECIPIENTS)
            .collect();
        Some(Self {
            from: mailbox(target.option("from"))?,
            to: (!to.is_empty()).then_some(to)?,
            reply_to: mailbox(target.option("replyTo")),
        })
    }

    /// Made-up ones.
    pub(super) fn sample() -> Option<Self> {
        Some(Self {
            from: mailbox("OpsKnight <opsknight@example.com>")?,
            to: vec![mailbox("oncall@example.com")?],
            reply_to: None,
        })
    }

    /// The same for those recipients alone that an earlier attempt left, each known by its digest. All, if it left none of these.
    pub(super) fn left_by(mut self, left: &[&str]) -> Self {
        let is_left = |mailbox: &Mailbox| left.contains(&key(mailbox).as_str());
        if self.to.iter().any(is_left) {
            self.to.retain(is_left);
        }
        self
    }

    pub(super) fn envelope(&self, target: &Target) -> Envelope {
        let security = match (target.url.scheme(), target.option("encryption")) {
            ("smtps", _) => MailSecurity::Implicit,
            (_, "optional") => MailSecurity::WhereOffered,
            _ => MailSecurity::Required,
        };
        let name = target.option("username");
        Envelope {
            security,
            account: (!name.is_empty()).then(|| MailAccount {
                name: name.to_owned(),
                password: SecretText::new(target.secret("password")),
            }),
            sender: self.from.email.to_string(),
            recipients: self.recipients(),
        }
    }

    pub(super) fn recipients(&self) -> Vec<String> {
        self.to.iter().map(|mailbox| mailbox.email.to_string()).collect()
    }
}

/// What tells a recipient from others in what is left for the next attempt.
fn key(mailbox: &Mailbox) -> String {
    key_of(mailbox.email.as_ref())
}

/// The same for an address as it was sent.
pub(super) fn key_of(address: &str) -> String {
    digest(address)
}

/// What is wrong with a target's addresses.
pub(super) fn problems(target: &Target) -> Vec<Problem> {
    let single = |field: &'static str| {
        let text = target.option(field);
        let is_wrong = !text.is_empty() && mailbox(text).is_none();
        is_wrong.then(|| {
            let detail = "one address, such as ops@example.com or OpsKnight <ops@example.com>";
            invalid(field, detail)
        })
    };
    let to = target.option("to");
    let wrong = split(to).find(|text| mailbox(text).is_none());
    let wrong = wrong.map(|text| invalid("to", &format!("this is no address: {text}")));
    let none =
        (!to.is_empty() && split(to).next().is_none()).then(|| invalid("to", "give at least one address"));
    let many = split(to).count() > MAX_RECIPIENTS;
    let many = many.then(|| invalid("to", &format!("a mail has at most {MAX_RECIPIENTS} recipients")));
    let to = wrong.or(none).or(many);
    [single("from"), to, single("replyTo")]
        .into_iter()
        .flatten()
        .collect()
}

/// The addresses in a text: one per line, or with commas or semicolons between them. Names in quotes may hold both.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let parts = text.split(move |character| {
        is_quoted ^= character == '"';
        character == '\n' || (!is_quoted && matches!(character, ',' | ';'))
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// An address with or without a name; its domain as the name service knows it.
fn mailbox(text: &str) -> Option<Mailbox> {
    let text = text.trim();
    let mailbox: Mailbox = text.parse().ok()?;
    // The library reads as far as it understands.
    let written = mailbox.email.to_string();
    let is_whole = text == written || text.ends_with(&format!("<{written}>"));
    let domain = mailbox.email.domain();
    let domain = match domain.starts_with('[') {
        true => domain.to_owned(),
        false => Host::parse(domain).ok()?.to_string(),
    };
    let address = Address::new(mailbox.email.user(), domain).ok()?;
    let fits = is_whole && address.to_string().len() <= MAX_ADDRESS_BYTES;
    fits.then(|| Mailbox::new(mailbox.name, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stand_in_lines_or_between_commas() {
        let text = "a@example.com, \"Doe, Jane\" <jane@example.com>;\n\n Ümit <ümit@bücher.example>\n";
        let read: Vec<_> = split(text)
            .map(|text| mailbox(text).unwrap().email.to_string())
            .collect();
        assert_eq!(
            read,
            ["a@example.com", "jane@example.com", "ümit@xn--bcher-kva.example"]
        );
    }

    #[test]
    fn what_is_no_address_is_not_taken_for_one() {
        for text in [
            "a",
            "a@",
            "@b.example",
            "a@b.example>",
            "a@b.example\r\nBcc: c@b.example",
            "<a@b.example> and more",
            "a@b.example c@b.example",
            "a@b .example",
        ] {
            assert_eq!(mailbox(text), None, "{text:?}");
        }
    }
}
