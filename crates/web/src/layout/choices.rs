//! What forms and filters let people choose from: services, users, severities.

use crate::layout::error::PageError;
use crate::state::WebState;
use model::service::Service;
use model::user::User;
use store::Page;

/// A choice of a filter.
pub struct Choice {
    /// What the address says.
    pub value: String,
    /// What people read.
    pub name: String,
    /// Whether it is chosen.
    pub is_chosen: bool,
}

impl Choice {
    /// A choice.
    pub fn new(value: impl Into<String>, name: impl Into<String>, chosen: &str) -> Self {
        let value = value.into();
        Self {
            is_chosen: value == chosen,
            value,
            name: name.into(),
        }
    }
}

/// Every severity, behind a choice of none.
pub fn severity_choices(none: &str, chosen: &str) -> Vec<Choice> {
    let names = [
        ("", none),
        ("critical", "Critical"),
        ("error", "Error"),
        ("warning", "Warning"),
        ("info", "Info"),
    ];
    names.map(|(value, name)| Choice::new(value, name, chosen)).into()
}

/// The most services or users that a form offers.
const MAX_CHOICES: usize = 1000;

/// All services, or as many as a form offers, by name.
pub async fn all_services(state: &WebState) -> Result<Vec<Service>, PageError> {
    let mut services: Vec<Service> = Vec::new();
    let mut page = Page {
        limit: Page::MAX_LIMIT,
        before: None,
    };
    while services.len() < MAX_CHOICES {
        let rows = state.store.services.list(page).await?;
        page.before = rows.last().map(|service| *service.id.as_bytes());
        let is_last = rows.len() < page.limit as usize;
        services.extend(rows);
        if is_last {
            break;
        }
    }
    services.sort_by_key(|service| service.name.to_lowercase());
    Ok(services)
}

/// The services by name, behind a choice of none (unless that is empty). The chosen one is among them in any case.
pub async fn service_choices(state: &WebState, none: &str, chosen: &str) -> Result<Vec<Choice>, PageError> {
    let mut services = all_services(state).await?;
    if let Ok(id) = chosen.parse()
        && !services.iter().any(|service| service.id == id)
    {
        services.extend(state.store.services.get(id).await.ok());
    }
    let none = (!none.is_empty()).then(|| Choice::new("", none, chosen));
    let services = services
        .into_iter()
        .map(|service| Choice::new(service.id.to_string(), service.name, chosen));
    Ok(none.into_iter().chain(services).collect())
}

/// The users by name, behind a choice of none. The chosen one is among them in any case.
pub async fn user_choices(state: &WebState, none: &str, chosen: &str) -> Result<Vec<Choice>, PageError> {
    let mut users: Vec<User> = Vec::new();
    let mut page = Page {
        limit: Page::MAX_LIMIT,
        before: None,
    };
    while users.len() < MAX_CHOICES {
        let rows = state.store.users.list(page).await?;
        page.before = rows.last().map(|user| *user.id.as_bytes());
        let is_last = rows.len() < page.limit as usize;
        users.extend(rows);
        if is_last {
            break;
        }
    }
    if let Ok(id) = chosen.parse()
        && !users.iter().any(|user| user.id == id)
    {
        users.extend(state.store.users.get(id).await.ok());
    }
    users.sort_by_key(|user| user.name.to_lowercase());
    let users = users
        .into_iter()
        .map(|user| Choice::new(user.id.to_string(), user.name, chosen));
    Ok(std::iter::once(Choice::new("", none, chosen))
        .chain(users)
        .collect())
}
