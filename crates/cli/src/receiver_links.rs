//! `opsknight webhooks receiver-links`: links that let whoever runs a receiver look after one webhook without an account.

use clap::{Args, Subcommand, value_parser};
use serde_json::{Value, json};

use model::receiver_link::MAX_RECEIVER_LINK_DAYS;

use super::client::{Query, segment};
use super::failure::Failure;
use super::output::{Column, text};
use super::session::Session;

/// As the page proposes.
const DEFAULT_DAYS: u32 = 90;
const COLUMNS: [Column; 6] = [
    ("ID", "/id"),
    ("FOR", "/name"),
    ("EXPIRES", "/expiresAt"),
    ("REVOKED", "/revokedAt"),
    ("LAST USED", "/lastUsedAt"),
    ("MADE", "/createdAt"),
];

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List the links of a webhook.
    List(Of),
    /// Make a link; prints it, once.
    Create(Create),
    /// Revoke a link: it opens nothing any more.
    Revoke(Revoke),
}

/// Whose links.
#[derive(Args)]
pub struct Of {
    /// The webhook, by name or id (whk_…, or the beginning of it).
    webhook: String,
}

/// A new link.
#[derive(Args)]
pub struct Create {
    #[command(flatten)]
    of: Of,
    /// Whom it is for.
    name: String,
    /// How many days it holds.
    #[arg(long, default_value_t = DEFAULT_DAYS, value_parser = value_parser!(u32).range(1..=i64::from(MAX_RECEIVER_LINK_DAYS)))]
    days: u32,
}

/// A link to end.
#[derive(Args)]
pub struct Revoke {
    #[command(flatten)]
    of: Of,
    /// The link, by whom it is for or by its id (rlk_…, or the beginning of it), not the link itself.
    link: String,
}

/// Runs one of the group.
pub fn run(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::List(of) => {
            let answer = session.api.get(&path(session, &of)?, &Query::new())?;
            session.print_page(&answer, &COLUMNS)
        }
        Command::Create(create) => {
            let body = json!({ "name": create.name, "days": create.days });
            let answer = session.api.post(&path(session, &create.of)?, Some(&body))?;
            session.print(&answer, in_words)
        }
        Command::Revoke(revoke) => {
            let path = path(session, &revoke.of)?;
            let id = session.receiver_link_id(&path, &revoke.link)?;
            let answer = session.api.delete(&format!("{path}/{}", segment(&id)))?;
            session.print(&answer, |_| format!("revoked {}", revoke.link))
        }
    }
}

fn path(session: &Session, of: &Of) -> Result<String, Failure> {
    Ok(format!("{}/receiver-links", session.webhook_path(&of.webhook)?))
}

fn in_words(link: &Value) -> String {
    format!(
        "{}\nIt is not shown again, and holds until {}: hand it over like a password.",
        text(link, "/link"),
        text(link, "/expiresAt")
    )
}
