//! What the kinds that speak to brokers share: fields, message, checks, and what trouble without an answer means.

use bytes::Bytes;
use url::Url;

use crate::format::{self, Binding, Formatted};
use destination::about::{Field, Input, Problem};
use destination::status;
use destination::task::{Classification, Rendered, Target, Task};
use destination::text::quote;
use model::attempt::{Disposition, Failure};
use model::broker::{BrokerAccount, BrokerAddress, BrokerMessage, BrokerStage, SignInMechanism};
use model::exchange::{Exchange, FailureCode, Response};
use model::secret::SecretText;
use model::time::Timestamp;
use model::transport::{REPLY, STAGE};

/// Servers beside the URL's.
const MAX_FURTHER_SERVERS: usize = 15;
/// The longest name of a place in a broker, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// The field of further servers.
pub(crate) const SERVERS: Field = Field {
    name: "servers",
    label: "Further servers",
    hint: "Of the same cluster, with commas. They are asked in turn if the URL's cannot be reached.",
    placeholder: "queue-2.example.com, queue-3.example.com",
    input: Input::Servers,
    collapsed_group: "More",
    ..Field::LINE
};

/// The field of the account's name.
pub(crate) const USERNAME: Field = Field {
    name: "username",
    label: "User name",
    hint: "Empty if the broker asks for none, or knows this server by its client certificate.",
    ..Field::LINE
};

/// The field of its password.
pub(crate) const PASSWORD: Field = Field {
    name: "password",
    label: "Password",
    hint: "It goes with the user name.",
    input: Input::Secret,
    ..Field::LINE
};

/// The field that says whether a name ends with the event's.
pub(crate) const SUFFIX: Field = Field {
    name: "suffix",
    label: "Ends with",
    hint: "So that readers can choose events by it.",
    input: Input::Choice(&[
        ("none", "Nothing more"),
        ("event", "The event's name, such as .incident.triggered"),
    ]),
    default: "none",
    collapsed_group: "More",
    ..Field::LINE
};

/// A name with the event's behind it, if the webhook wants that.
pub(crate) fn with_suffix(name: &str, task: &Task<'_>) -> String {
    match task.target.option(SUFFIX.name) {
        "event" => format!("{name}.{}", task.event.event_type().as_str()),
        _ => name.to_owned(),
    }
}

/// Name and password of a target, to be proven so; nobody if it has no name.
pub(crate) fn account(target: &Target, mechanism: SignInMechanism) -> BrokerAccount {
    match target.option(USERNAME.name) {
        "" => BrokerAccount::Nobody,
        name => BrokerAccount::Password {
            name: name.to_owned(),
            password: SecretText::new(target.secret(PASSWORD.name)),
            mechanism,
        },
    }
}

/// The request that publishes a task's event.
pub(crate) fn render(
    task: &Task<'_>,
    address: BrokerAddress,
    account: BrokerAccount,
    binding: Binding,
) -> Result<Rendered, Failure> {
    let Formatted {
        content_type,
        attributes,
        body,
    } = format::format(task, binding)?;
    let own = [
        (
            "X-OpsKnight-Event".to_owned(),
            task.event.event_type().as_str().to_owned(),
        ),
        ("X-OpsKnight-Delivery".to_owned(), task.delivery_id.to_string()),
    ];
    let message = BrokerMessage {
        id: task.delivery_id.to_string(),
        event: task.event.event_type().as_str(),
        at: task.event.at,
        address,
        content_type,
        headers: own.into_iter().chain(attributes).collect(),
        account,
        further: further_servers(task.target).unwrap_or_default(),
    };
    Ok(Rendered::message(
        task.target.url.clone(),
        message,
        Bytes::from(body),
    ))
}

/// The servers beside the URL's, with its scheme; nothing if they cannot be read.
fn further_servers(target: &Target) -> Option<Vec<Url>> {
    let words = target.option(SERVERS.name).split([',', ' ']);
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let read = |word: &str| {
        let url = Url::parse(&format!("{}://{word}", target.url.scheme())).ok()?;
        let is_bare = url.path().is_empty() && url.query().is_none() && url.fragment().is_none();
        (url.has_host() && is_bare && url.username().is_empty() && url.password().is_none()).then_some(url)
    };
    let urls: Option<Vec<_>> = words.into_iter().map(read).collect();
    urls.filter(|urls| urls.len() <= MAX_FURTHER_SERVERS)
}

/// What is wrong with a target, whichever broker it is for.
pub(crate) fn problems(target: &Target) -> Vec<Problem> {
    let mut problems = Vec::new();
    if further_servers(target).is_none() {
        let detail = "up to 15 hosts, each with a port or without, such as queue-2.example.com";
        problems.push(invalid(SERVERS.name, detail));
    }
    if !target.headers.is_empty() {
        problems.push(invalid("headers", "messages take no headers of your own"));
    }
    let has_password = !target.secret(PASSWORD.name).is_empty();
    match target.option(USERNAME.name) {
        "" if has_password => problems.push(missing(USERNAME.name, "a password needs a user name")),
        "" => {}
        _ if !has_password => problems.push(missing(PASSWORD.name, "a user name needs a password")),
        _ => {}
    }
    problems
}

/// What is wrong with a URL that may name a server and nothing more.
pub(crate) fn more_than_a_server(url: &Url, example: &str) -> Option<Problem> {
    let is_more = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
    is_more.then(|| invalid("url", &format!("host and port alone, such as {example}")))
}

/// What is wrong with the name of a place, of which these characters may be beside letters and digits.
pub(crate) fn wrong_name(field: &'static str, name: &str, also: &str, example: &str) -> Option<Problem> {
    let is_known = |character: char| character.is_ascii_alphanumeric() || also.contains(character);
    let is_right = !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.chars().all(is_known);
    (!is_right).then(|| {
        let also: Vec<_> = also.chars().map(String::from).collect();
        let detail = format!("letters, digits and {}, such as {example}", also.join(" "));
        invalid(field, &detail)
    })
}

/// A value that cannot be used.
pub(crate) fn invalid(field: &'static str, detail: &str) -> Problem {
    Problem {
        field,
        code: "invalid_value",
        detail: detail.to_owned(),
    }
}

fn missing(field: &'static str, detail: &str) -> Problem {
    Problem {
        field,
        code: "missing",
        detail: detail.to_owned(),
    }
}

/// What it means that a broker gave no answer: mostly that it is tried again. Where the broker lacks what the webhook is set to,
/// somebody has to decide.
pub(crate) fn unanswered(exchange: &Exchange, now: Timestamp) -> Classification {
    let Err(trouble) = &exchange.result else {
        return status::classify(exchange, now).into();
    };
    match trouble.code {
        FailureCode::SettingsRefused | FailureCode::TlsNotOffered => {
            let failure = Failure::new(trouble.code, trouble.detail.clone());
            failure.with(Disposition::NeedsOperator).into()
        }
        _ => status::classify(exchange, now).into(),
    }
}

/// The webhook is set to what the broker refuses; somebody has to put it right.
pub(crate) fn settings(broker: &str, remedy: &str, response: &Response) -> Classification {
    let detail = format!(
        "{broker} refuses this webhook's settings: {remedy} ({})",
        words(response)
    );
    let failure = Failure::new(FailureCode::SettingsRefused, detail);
    failure.with(Disposition::NeedsOperator).into()
}

/// The broker will never take this message as it is.
pub(crate) fn message(broker: &str, response: &Response) -> Classification {
    let detail = format!("{broker} refuses this message ({})", words(response));
    let failure = Failure::new(FailureCode::MessageRefused, detail);
    failure.with(Disposition::Permanent).into()
}

/// The broker does not take messages now.
pub(crate) fn later(broker: &str, what: &str, response: &Response) -> Classification {
    let detail = format!("{broker} {what} ({})", words(response));
    Failure::new(FailureCode::ServerError, detail).into()
}

/// Whether an answer is about the message, and not about who sends it.
pub(crate) fn is_about_message(response: &Response) -> bool {
    header(response, &STAGE) == BrokerStage::Message.as_str()
}

/// What the broker replied, in one line.
pub(crate) fn words(response: &Response) -> String {
    quote(&header(response, &REPLY))
}

fn header(response: &Response, name: &http::HeaderName) -> String {
    let value = response.headers.get(name);
    value.map_or_else(String::new, |value| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    })
}
