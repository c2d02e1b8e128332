//! `opsknight sources`: where alerts come from.

use clap::{Args, Subcommand};
use serde_json::json;

use super::apply;
use super::failure::Failure;
use super::output::{self, Column, text};
use super::services::Page;
use super::session::Session;
use super::source_file;

const PATH: &str = "/api/v1/sources";
const COLUMNS: [Column; 5] = [
    ("ID", "/id"),
    ("NAME", "/name"),
    ("KIND", "/kind"),
    ("SERVICE", "/service/name"),
    ("LAST REQUEST", "/lastRequestAt"),
];

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List alert sources.
    List(Page),
    /// Add an alert source; prints its key.
    Add(Add),
    /// Have an alert source take a request as its sender makes one.
    Test(Test),
    /// Print the latest requests and what became of them, as JSON.
    Requests(Which),
    /// Give an alert source a new key; the one before ends at once.
    RotateKey(Which),
    /// Delete an alert source; its incidents stay.
    Delete(Which),
    /// Print all alert sources as a file for `apply`, without keys and secrets.
    Export,
    /// Make the server's alert sources be as a file says.
    Apply(apply::sources::Arguments),
}

/// A new alert source.
#[derive(Args)]
pub struct Add {
    /// What people call it.
    name: String,
    /// What the sender speaks: alertmanager, prometheus, grafana, pagerduty, opsgenie, sns, generic, or a preset.
    #[arg(long)]
    kind: String,
    /// The name or id (svc_…) of the service whose incidents its alerts open.
    #[arg(long)]
    service: String,
}

/// A test of an alert source.
#[derive(Args)]
pub struct Test {
    #[command(flatten)]
    which: Which,
    /// Say that all is over, instead of that something is wrong.
    #[arg(long)]
    resolve: bool,
}

/// An alert source.
#[derive(Args)]
pub struct Which {
    /// Its name or id (src_…).
    source: String,
}

/// Runs one of the group.
pub fn run(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::List(page) => session.print_page(&session.api.get(PATH, &page.query())?, &COLUMNS),
        Command::Add(add) => {
            let service_id = session.service_id(&add.service)?;
            let body = json!({ "serviceId": service_id, "kind": add.kind, "name": add.name });
            let answer = session.api.post(PATH, Some(&body))?;
            session.print(&answer, |source| {
                let (name, id, key) = (text(source, "/name"), text(source, "/id"), text(source, "/key"));
                format!("added {name} ({id}); its key is {key}")
            })
        }
        Command::Test(test) => {
            let moment = if test.resolve { "resolve" } else { "fire" };
            let path = format!("{}/test", session.source_path(&test.which.source)?);
            let answer = session.api.post(&path, Some(&json!({ "moment": moment })))?;
            session.print(&answer, |tested| {
                let status = text(tested, "/status");
                match text(tested, "/request/alerts/0/outcome").as_str() {
                    "" => format!("answered {status}: {}", text(tested, "/body")),
                    outcome => format!("answered {status}: {outcome}"),
                }
            })
        }
        Command::Requests(which) => {
            let path = format!("{}/requests", session.source_path(&which.source)?);
            session.print_details(&session.api.get(&path, &Vec::new())?)
        }
        Command::RotateKey(which) => {
            let path = format!("{}/rotate-key", session.source_path(&which.source)?);
            let answer = session.api.post(&path, None)?;
            session.print(&answer, |source| format!("its key is {}", text(source, "/key")))
        }
        Command::Delete(which) => {
            let answer = session.api.delete(&session.source_path(&which.source)?)?;
            session.print(&answer, |_| format!("deleted {}", which.source))
        }
        Command::Export => {
            let file = source_file::write(&session.list_all(PATH)?);
            output::print(file.trim_end())
        }
        Command::Apply(arguments) => apply::sources::run(session, &arguments),
    }
}
