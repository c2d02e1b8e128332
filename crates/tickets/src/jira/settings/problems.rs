//! What is wrong with a Jira webhook's settings, as far as it can be told without Jira.

use std::collections::BTreeMap;

use url::Url;

use crate::jira::create::{NEEDED, OWN};
use crate::jira::settings::{Auth, Edition, Settings};
use crate::jira::texts::Texts;
use crate::jira::token;
use destination::about::Problem;
use destination::mapping;
use destination::sample::Sample;
use destination::task::{IncidentContext, Target};
use destination::template::Templates;
use model::event::EventName;
use model::id::UserId;
use model::incident::Severity;
use model::ticket::TicketPhase;
use model::time::Timestamp;
use model::user::UserRef;
use model::webhook::WebhookKind;

/// When the tried events happen: any time does.
const AT: Timestamp = Timestamp::EPOCH;
/// The longest name of a project, type or resolution, in characters.
const MAX_NAME: usize = 255;

/// See [`destination::Adapter::check`].
pub(in crate::jira) fn check(target: &Target) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(address(target));
    problems.extend(credentials(Settings(target)));
    problems.extend(names(target));
    problems.extend(tables(target));
    problems
}

fn problem(field: &'static str, detail: impl Into<String>) -> Problem {
    Problem {
        field,
        code: "invalid_value",
        detail: detail.into(),
    }
}

/// Whether a URL is that of Atlassian's gateway, behind which people find no pages.
fn is_gateway(url: &Url) -> bool {
    let mut parts = url.path_segments().into_iter().flatten();
    let start = (parts.next(), parts.next(), parts.next());
    matches!(start, (Some("ex"), Some("jira"), Some(id)) if !id.is_empty())
}

fn address(target: &Target) -> Vec<Problem> {
    let url = &target.url;
    let site = target.option("site").trim();
    let mut problems = Vec::new();
    if url.query().is_some() || url.fragment().is_some() {
        problems.push(problem(
            "url",
            "leave out what stands behind ? and #: this is only the address of Jira",
        ));
    }
    let leads_into = ["rest", "browse", "projects", "secure", "issues", "wiki"];
    let mut parts = url.path_segments().into_iter().flatten();
    if parts.any(|part| leads_into.contains(&part)) {
        problems.push(problem(
            "url",
            "this is a page within Jira: give only its address, such as https://example.atlassian.net",
        ));
    }
    let is_cloud_site = url
        .host_str()
        .is_some_and(|host| host.ends_with(".atlassian.net"));
    if is_cloud_site && Settings(target).edition() == Edition::DataCenter {
        problems.push(problem("edition", "an address at atlassian.net is of Cloud"));
    }
    let site_url = Url::parse(site)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    if !site.is_empty() && site_url.is_none() {
        problems.push(problem(
            "site",
            "is no address: give one such as https://example.atlassian.net",
        ));
    }
    if site.is_empty() && is_gateway(url) {
        problems.push(problem(
            "site",
            "is needed with an address at api.atlassian.com: the one under which people open Jira",
        ));
    }
    problems
}

fn credentials(settings: Settings<'_>) -> Vec<Problem> {
    let target = settings.0;
    let needed = |field: &'static str, value: &str, what: &str| {
        value.trim().is_empty().then(|| Problem {
            code: "required",
            ..problem(field, format!("is needed for this way to sign in: {what}"))
        })
    };
    let token = || needed("token", target.secret("token"), "the token");
    let missing = match settings.auth() {
        Auth::Basic => vec![
            needed("account", settings.account(), "the account's email or user name"),
            token(),
        ],
        Auth::Bearer => vec![token()],
        Auth::ClientCredentials => vec![
            needed("clientId", target.option("clientId"), "the client id"),
            needed("clientSecret", target.secret("clientSecret"), "the client secret"),
        ],
    };
    let mut problems: Vec<Problem> = missing.into_iter().flatten().collect();
    if settings.account().contains([':', '\n']) {
        problems.push(problem("account", "an account has no colon in it"));
    }
    if settings.auth() == Auth::ClientCredentials {
        if token::url(target).is_none() {
            problems.push(problem("tokenUrl", "is no address"));
        }
        if settings.edition() == Edition::DataCenter && target.option("tokenUrl").trim().is_empty() {
            problems.push(problem(
                "tokenUrl",
                "is needed with Data Center: https://…/rest/oauth2/latest/token",
            ));
        }
        if settings.edition() == Edition::Cloud && !is_gateway(&target.url) && at_atlassian(&target.url) {
            let detail = "with OAuth 2.0 the address is https://api.atlassian.com/ex/jira/ and the cloud id";
            problems.push(problem("url", detail));
        }
    }
    problems
}

fn at_atlassian(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "api.atlassian.com" || host.ends_with(".atlassian.net")
}

fn names(target: &Target) -> Vec<Problem> {
    let settings = Settings(target);
    let mut problems = Vec::new();
    let project = settings.project();
    let is_word = project.chars().all(|sign| sign.is_alphanumeric() || sign == '_');
    if project.is_empty() || !is_word || project.len() > MAX_NAME {
        problems.push(problem("project", "is a project's key such as OPS"));
    }
    let named = [
        ("issueType", settings.issue_type()),
        ("resolution", settings.resolution()),
        ("statusAcknowledged", settings.status_for(TicketPhase::InProgress)),
        ("statusResolved", settings.status_for(TicketPhase::Done)),
        ("statusReopened", settings.status_for(TicketPhase::New)),
    ];
    for (field, name) in named {
        if name.chars().count() > MAX_NAME || name.contains(char::is_control) {
            problems.push(problem(field, "is a name in one line"));
        }
    }
    problems
}

fn tables(target: &Target) -> Vec<Problem> {
    let mut problems = mapping::problems("priority", target.option("priority"), Severity::NAMES);
    for field in ["assignees", "fields", "transitionFields"] {
        problems.extend(mapping::problems(field, target.option(field), &[]));
    }
    let reserved = mapping::entries(target.option("fields"))
        .map(|(field, _)| field)
        .find(|field| NEEDED.contains(field) || OWN.contains(field));
    if let Some(field) = reserved {
        problems.push(problem(
            "fields",
            format!("{field} has a place of its own in these settings"),
        ));
    }
    problems
}

/// See [`destination::Adapter::try_templates`]: with and without what may be missing.
pub(in crate::jira) fn try_templates(target: &Target, templates: &Templates) -> Vec<Problem> {
    let mut faults = BTreeMap::new();
    for event in EventName::ALL {
        for sample in [bare(target, *event), full(target, *event)] {
            for fault in Texts::faults(&sample.task_with(templates)) {
                let at = format!(
                    "the template cannot be rendered {} ({})",
                    fault.detail,
                    event.as_str()
                );
                faults.entry(fault.field).or_insert(at);
            }
        }
    }
    let problems = faults.into_iter();
    problems.map(|(field, detail)| problem(field, detail)).collect()
}

fn bare(target: &Target, event: EventName) -> Sample {
    let kind = WebhookKind::new("jira");
    let mut sample =
        Sample::new(kind, target.url.clone(), event, AT).about(|incident| incident.assignee = None);
    sample.target = target.clone();
    sample
}

fn full(target: &Target, event: EventName) -> Sample {
    let user = UserRef {
        id: UserId::new(AT, [3; 10]),
        name: "Ada \"Countess\" Lovelace".into(),
    };
    let assignee = Some(user.clone());
    let mut sample = bare(target, event).about(|incident| incident.assignee = assignee);
    sample.links.incident = Some("https://opsknight.example.com/incidents/inc_1".to_owned());
    sample.beyond = Some(IncidentContext {
        headline: None,
        notes: Vec::new(),
        description: Some("Two\n\"lines\" {of} text".to_owned()),
        assignee: Some(user),
    });
    sample
}
