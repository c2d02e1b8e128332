//! `opsknight users`: people that incidents are assigned to, and that may sign in.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use model::access::Role;

use super::failure::Failure;
use super::output::{Column, text};
use super::services::Page;
use super::session::Session;

const COLUMNS: [Column; 4] = [
    ("ID", "/id"),
    ("NAME", "/name"),
    ("ROLE", "/role"),
    ("EMAIL", "/email"),
];

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List users.
    List(Page),
    /// Add a user.
    Add(Add),
    /// Delete a user that nothing uses.
    Delete(Which),
    /// Make a one-time link with which a user chooses a password and signs in to the pages.
    SignInLink(Which),
    /// Take a user's second factor away, as when they have lost it: their password alone lets them in then.
    RemoveSecondFactor(Which),
    /// Take all passkeys of a user away, as when they have lost them: they sign in with their password then.
    RemovePasskeys(Which),
}

/// A new user.
#[derive(Args)]
pub struct Add {
    /// The name that is shown.
    name: String,
    /// The address to sign in with, unique.
    #[arg(long)]
    email: Option<String>,
    /// What the user may do [default: responder].
    #[arg(long, value_parser = PossibleValuesParser::new(Role::NAMES))]
    role: Option<String>,
}

/// A user.
#[derive(Args)]
pub struct Which {
    /// Its name or id (usr_…).
    user: String,
}

/// Runs one of the group.
pub fn run(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::List(page) => {
            session.print_page(&session.api.get("/api/v1/users", &page.query())?, &COLUMNS)
        }
        Command::Add(add) => {
            let answer = session.api.post("/api/v1/users", Some(&body(add)))?;
            session.print(&answer, |user| {
                format!("added {} ({})", text(user, "/name"), text(user, "/id"))
            })
        }
        Command::Delete(which) => {
            let answer = session.api.delete(&session.user_path(&which.user)?)?;
            session.print(&answer, |_| format!("deleted {}", which.user))
        }
        Command::RemoveSecondFactor(which) => {
            let path = format!("{}/second-factor", session.user_path(&which.user)?);
            let answer = session.api.delete(&path)?;
            session.print(&answer, |_| format!("{} has no second factor", which.user))
        }
        Command::RemovePasskeys(which) => {
            let path = format!("{}/passkeys", session.user_path(&which.user)?);
            let answer = session.api.delete(&path)?;
            session.print(&answer, |_| format!("{} has no passkeys", which.user))
        }
        Command::SignInLink(which) => {
            let path = format!("{}/sign-in-link", session.user_path(&which.user)?);
            let answer = session.api.post(&path, None)?;
            session.print(&answer, |link| {
                format!(
                    "{}\nworks once, until {}",
                    text(link, "/link"),
                    text(link, "/expiresAt")
                )
            })
        }
    }
}

fn body(add: Add) -> Value {
    let mut body = Map::new();
    body.insert("name".into(), add.name.into());
    body.extend(add.email.map(|email| ("email".to_owned(), email.into())));
    body.extend(add.role.map(|role| ("role".to_owned(), role.into())));
    Value::Object(body)
}
