//! The business rule that calls OpsKnight. A real one is a script that an administrator pastes into ServiceNow, and no
//! API installs it; so the simulator has an endpoint of its own for it, `POST /opsknight-fake/rules` with
//! `{"url","secret","skipUser"}`. From then on, every incident of OpsKnight that is made or changed is told to `url` with
//! the secret in a header, as the script does, unless `skipUser` did it.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::servicenow::answer::{self, Refusal};
use crate::servicenow::instance::{Instance, Record};
use crate::simulator::{Callback, Request, Response};

/// Where rules are made.
pub const PATH: &str = "/opsknight-fake/rules";
/// The header with the secret.
const SECRET_HEADER: &str = "X-OpsKnight-Secret";
/// The label of the records that a rule is about.
const LABEL: &str = "OpsKnight";
/// The most rules; the oldest go first.
const MAX_RULES: usize = 20;

/// One rule.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    url: String,
    secret: String,
    #[serde(default)]
    skip_user: String,
}

/// Every rule.
#[derive(Debug, Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Takes a rule.
    pub fn answer(&mut self, request: &Request<'_>) -> Response {
        if request.method != Method::POST {
            return Refusal::plain(405, "Method not supported").answer();
        }
        let Ok(rule) = serde_json::from_slice::<Rule>(request.body) else {
            return Refusal::plain(400, "send JSON with url, secret and skipUser").answer();
        };
        if self.0.len() >= MAX_RULES {
            self.0.remove(0);
        }
        let sentence = format!("made a business rule that calls {}", rule.url);
        self.0.push(rule);
        answer::result(201, &json!({ "rules": self.0.len() }), sentence)
    }

    /// The calls that records make because they were made or changed.
    pub fn calls(&self, instance: &Instance, changed: &[String]) -> Vec<Callback> {
        let records = changed
            .iter()
            .filter_map(|sys_id| instance.find("incident", sys_id));
        let ours = records.filter(|record| record.get("correlation_display") == LABEL);
        ours.flat_map(|record| self.0.iter().filter_map(|rule| rule.call(record)))
            .collect()
    }
}

impl Rule {
    fn call(&self, record: &Record) -> Option<Callback> {
        let by = record.get("sys_updated_by");
        if by == self.skip_user {
            return None;
        }
        let body = json!({
            "sys_id": record.sys_id,
            "number": record.get("number"),
            "correlation_id": record.get("correlation_id"),
            "sys_mod_count": record.get("sys_mod_count"),
            "updated_by": by,
        });
        Some(Callback {
            url: self.url.clone(),
            headers: vec![
                ("Content-Type".to_owned(), "application/json".to_owned()),
                (SECRET_HEADER.to_owned(), self.secret.clone()),
            ],
            body: body.to_string(),
        })
    }
}
