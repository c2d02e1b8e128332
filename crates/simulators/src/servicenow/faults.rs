//! What a simulator ServiceNow does wrong when it is asked to. A fault waits for the first request that it can befall, and
//! befalls it once; three of them change the instance from now on.

use http::Method;

use crate::servicenow::access;
use crate::servicenow::answer::{self, Refusal};
use crate::servicenow::call::{Call, Conditions, Route};
use crate::servicenow::instance::{Instance, Journals, Language};
use crate::servicenow::lifecycle;
use crate::servicenow::seed::INTEGRATION;
use crate::simulator::{Fault, Response};
use model::time::Timestamp;

/// Every fault.
pub const FAULTS: &[Fault] = &[
    fault("lost", "the next write is done, and then the connection breaks"),
    fault("lost_before", "the connection breaks before anything is done"),
    fault(
        "ignores_query",
        "the next list ignores its condition and shows every record",
    ),
    fault(
        "hidden",
        "the next list is empty, as if access rules hid its records",
    ),
    fault(
        "expired",
        "401: nobody is known, and an access token is not good any more",
    ),
    fault("limited", "429: wait 2 seconds"),
    fault("asleep", "200 with the page of a hibernating instance"),
    fault("unavailable", "503"),
    fault("policy", "the next change is refused by a data policy: 403"),
    fault(
        "keeps_state",
        "a business rule undoes the next change of a state: 200, with the old one",
    ),
    fault(
        "needs_close_code",
        "from now on, only the close code \"Resolved by request\" is taken",
    ),
    fault("no_journal", "from now on, journal entries cannot be read"),
    fault(
        "no_correlation",
        "from now on, correlation_id cannot be read: blank, and no condition",
    ),
    fault(
        "drops_correlation",
        "from now on, correlation_id cannot be written: an access rule drops it without a word",
    ),
    fault(
        "lost_role",
        "from now on, access rules hide every task from opsknight.integration: empty lists, 404; asked for again, no more",
    ),
    fault("german", "from now on, data policies speak German"),
    fault(
        "empty_is_404",
        "from now on, a list without records is 404, as in the first version of the API",
    ),
    fault("forbidden", "403: the user may not use the API"),
    fault("deleted", "the next record that is read was deleted: 404"),
    fault("token_refused", "the next access token is refused: 401"),
];

/// The most faults that wait.
const MAX_WAITING: usize = 20;
/// The close code of `needs_close_code`.
const ONLY_CLOSE_CODE: &str = "Resolved by request";
/// How long `limited` asks to wait.
const RETRY_AFTER_SECONDS: i64 = 2;

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// The faults that wait for a request.
#[derive(Debug, Default)]
pub struct Faults(Vec<&'static str>);

impl Faults {
    /// Lets a fault wait, or changes the instance at once; says whether the fault is known.
    pub fn add(&mut self, name: &str, instance: &mut Instance) -> bool {
        let Some(fault) = FAULTS.iter().find(|known| known.name == name) else {
            return false;
        };
        match fault.name {
            "needs_close_code" => instance.take_only(ONLY_CLOSE_CODE),
            "no_journal" => instance.journals = Journals::Hidden,
            "drops_correlation" => instance.unwritable = vec!["correlation_id"],
            "lost_role" => {
                instance.hidden_from = match instance.hidden_from {
                    None => Some(INTEGRATION),
                    Some(_) => None,
                }
            }
            "german" => instance.language = Language::German,
            "empty_is_404" => instance.refuses_empty_lists = true,
            "no_correlation" => instance.unreadable = vec!["correlation_id"],
            name if self.0.len() < MAX_WAITING => self.0.push(name),
            _ => {}
        }
        true
    }

    /// The fault that befalls a request to the API.
    pub fn take(&mut self, call: &Call<'_>) -> Option<&'static str> {
        let place = self.0.iter().position(|fault| befalls(fault, call))?;
        Some(self.0.remove(place))
    }

    /// Whether the next access token is refused.
    pub fn takes_token(&mut self) -> bool {
        let place = self.0.iter().position(|fault| *fault == "token_refused");
        place.map(|place| self.0.remove(place)).is_some()
    }
}

/// What a fault answers in the place of the instance, if it does.
pub fn answer(fault: &str, call: &Call<'_>, instance: &Instance, now: Timestamp) -> Option<Response> {
    match fault {
        "lost_before" => Some(lost(answer::page(
            502,
            "lost",
            "the connection broke before anything was done",
        ))),
        "expired" => Some(access::unknown()),
        "limited" => Some(limited(now)),
        "asleep" => Some(answer::page(
            200,
            "Instance Hibernating page",
            "Your instance is hibernating.",
        )),
        "unavailable" => Some(answer::page(
            503,
            "Service Unavailable",
            "The server is temporarily unavailable.",
        )),
        "policy" => Some(lifecycle::read_only(instance.language).answer()),
        "forbidden" => Some(match *call.method {
            Method::GET => {
                Refusal::new(403, "User Not Authorized", "Failed API level ACL Validation").answer()
            }
            Method::POST => Refusal::acl("Insert").answer(),
            _ => Refusal::acl("Update").answer(),
        }),
        _ => None,
    }
}

/// What a fault changes before a request is served.
pub fn prepare(fault: &str, call: &mut Call<'_>, instance: &mut Instance) {
    match (fault, call.route) {
        ("ignores_query", _) => call.conditions = Conditions::AreIgnored,
        ("keeps_state", _) => call.without = &["state"],
        ("deleted", Route::Record(table, sys_id)) => {
            instance.remove(table, sys_id);
        }
        _ => {}
    }
}

/// What a fault makes of the answer.
pub fn spoil(fault: &str, answer: Response) -> Response {
    match fault {
        "lost" => lost(answer),
        "hidden" if answer.status == 200 => Response {
            body: r#"{"result":[]}"#.to_owned(),
            sentence: "hid every record".to_owned(),
            ..answer
        },
        _ => answer,
    }
}

fn befalls(fault: &str, call: &Call<'_>) -> bool {
    let is_read = call.method == Method::GET;
    let is_change = matches!(*call.method, Method::PUT | Method::PATCH);
    match fault {
        "lost" => !is_read,
        "ignores_query" | "hidden" => is_read && matches!(call.route, Route::Table(_)),
        "policy" => is_change,
        "keeps_state" => is_change && call.fields().is_ok_and(|fields| fields.contains_key("state")),
        "deleted" => is_read && matches!(call.route, Route::Record(_, _)),
        "token_refused" => false,
        _ => true,
    }
}

fn lost(answer: Response) -> Response {
    let sentence = format!("{}, and the connection broke", answer.sentence);
    Response {
        is_lost: true,
        sentence,
        ..answer
    }
}

fn limited(now: Timestamp) -> Response {
    let detail = "Rate limit of 10 requests per hour for Table API exceeded";
    let mut answer = Refusal::new(429, "Rate limit exceeded", detail).answer();
    let reset = now.as_seconds().saturating_add(RETRY_AFTER_SECONDS);
    answer.headers.extend([
        ("retry-after", RETRY_AFTER_SECONDS.to_string()),
        ("x-ratelimit-limit", "10".to_owned()),
        ("x-ratelimit-reset", reset.to_string()),
        ("x-ratelimit-rule", format!("5e{:030x}", 0)),
    ]);
    answer
}
