//! `opsknight policies`: who is called when nobody acknowledges.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use model::time::parse_duration;

use super::failure::Failure;
use super::output::{self, text};
use super::services::Page;
use super::session::Session;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List escalation policies.
    List(Page),
    /// Add an escalation policy.
    Add(Add),
    /// Delete an escalation policy that no service uses.
    Delete(Which),
}

/// A new policy.
#[derive(Args)]
pub struct Add {
    /// Its name, unique.
    name: String,
    /// A step: how long to wait and who becomes the assignee, such as `15m:Ada`, or `15m` for nobody new; in order.
    #[arg(long = "step", value_name = "WAIT[:USER]", required = true)]
    steps: Vec<String>,
}

/// A policy.
#[derive(Args)]
pub struct Which {
    /// Its name or id (pol_…).
    policy: String,
}

/// Runs one of the group.
pub fn run(session: &Session, command: Command) -> Result<(), Failure> {
    const LIST: &str = "/api/v1/escalation-policies";
    match command {
        Command::List(page) => session.print(&session.api.get(LIST, &page.query())?, table),
        Command::Add(add) => {
            let steps: Result<Vec<Value>, Failure> =
                add.steps.iter().map(|text| step(session, text)).collect();
            let body = json!({ "name": add.name, "steps": steps? });
            let answer = session.api.post(LIST, Some(&body))?;
            session.print(&answer, |policy| {
                format!("added {} ({})", text(policy, "/name"), text(policy, "/id"))
            })
        }
        Command::Delete(which) => {
            let answer = session.api.delete(&session.policy_path(&which.policy)?)?;
            session.print(&answer, |_| format!("deleted {}", which.policy))
        }
    }
}

fn step(session: &Session, written: &str) -> Result<Value, Failure> {
    let (wait, user) = match written.split_once(':') {
        Some((wait, user)) => (wait, Some(user)),
        None => (written, None),
    };
    let wait = parse_duration(wait)
        .ok()
        .filter(|wait| wait.as_secs().is_multiple_of(60));
    let wait = wait.ok_or_else(|| {
        Failure::Usage(format!(
            "--step {written:?}: write whole minutes and a user, such as 15m:Ada"
        ))
    })?;
    let minutes = wait.as_secs() / 60;
    Ok(match user {
        Some(user) => json!({ "waitMinutes": minutes, "assignee": { "id": session.user_id(user)? } }),
        None => json!({ "waitMinutes": minutes }),
    })
}

fn table(page: &Value) -> String {
    output::page_of(page, &["ID", "NAME", "STEPS"], |policy| {
        let steps = policy["steps"].as_array().into_iter().flatten();
        let steps: Vec<String> = steps.map(step_in_words).collect();
        vec![text(policy, "/id"), text(policy, "/name"), steps.join(", then ")]
    })
}

fn step_in_words(step: &Value) -> String {
    let wait = text(step, "/waitMinutes");
    match text(step, "/assignee").as_str() {
        "" => format!("after {wait} min"),
        name => format!("after {wait} min {name}"),
    }
}
