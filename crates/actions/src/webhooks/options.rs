//! Checks what a webhook's kind asks for beyond the common fields: its URL and its options, against the form that the
//! adapter describes and then against the adapter's own eyes.

use std::collections::BTreeMap;

use url::Url;

use crate::checks::Checks;
use crate::webhooks::fields::check_url;
use crate::{ActionError, Actions, UrlRules};
use destination::Adapter;
use destination::about::{Field, Input, MAX_FIELD_BYTES, Need, Problem, UrlField};
use destination::task::Target;
use destination::template::Templates;
use kinds::adapter;
use model::secret::SecretText;
use model::webhook::{Endpoint, Ordering, WebhookKind, WebhookSettings};
use renderer::Turn;

/// The name under which a secret URL is kept among the secret options.
const URL: &str = "url";
/// The schemes of a URL that HTTP requests go to.
const WEB: &[&str] = &["https", "http"];
/// What stands for the path of a secret URL.
const SEEN_PATH: &str = "/***";

/// Options as somebody wants them; null or empty takes one away.
pub type OptionsDraft = BTreeMap<String, Option<String>>;

/// Secret options that change: their new values, or nothing for those that go.
pub type SecretChanges = BTreeMap<String, Option<SecretText>>;

/// What is known when a webhook's options are checked.
pub struct OptionsCheck<'a> {
    /// The kind.
    pub adapter: &'static dyn Adapter,
    /// The webhook that is changed; nothing if it is made.
    pub before: Option<&'a Endpoint>,
    /// Headers of the user's own, if they change.
    pub headers: Option<&'a [(String, SecretText)]>,
    /// Says which URLs are allowed.
    pub rules: &'a dyn UrlRules,
}

impl OptionsCheck<'_> {
    /// Puts URL and options into the settings, and says which secrets change and what the target is then. `url` is nothing if it stays as it is.
    pub fn apply(
        &self,
        checks: &mut Checks,
        settings: &mut WebhookSettings,
        url: Option<&str>,
        options: OptionsDraft,
    ) -> (SecretChanges, Target) {
        let mut changes = self.apply_options(checks, settings, options);
        self.apply_url(checks, settings, url, &mut changes);
        self.check_move(checks, settings, &changes);
        let target = self.target(settings, &changes);
        self.check_needs(checks, &target);
        check_order(checks, self.adapter, settings);
        (changes, target)
    }

    /// The target as it would be, however much is still missing: a URL that is needed is `otherwise`.
    pub fn preview(
        &self,
        checks: &mut Checks,
        settings: &mut WebhookSettings,
        url: Option<&str>,
        otherwise: &str,
        options: OptionsDraft,
    ) -> Target {
        let mut changes = self.apply_options(checks, settings, options);
        let is_needed = self.before.is_none() && self.default_url(settings, &changes).is_none();
        let url = url.or(is_needed.then_some(otherwise));
        self.apply_url(checks, settings, url, &mut changes);
        self.target(settings, &changes)
    }

    fn apply_options(
        &self,
        checks: &mut Checks,
        settings: &mut WebhookSettings,
        options: OptionsDraft,
    ) -> SecretChanges {
        let fields = self.adapter.description().fields;
        let mut changes = SecretChanges::new();
        for (name, value) in options {
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                let known: Vec<_> = fields.iter().map(|field| field.name).collect();
                let detail = match known.is_empty() {
                    true => "this kind has no options".to_owned(),
                    false => format!("there is no such option; there are {}", known.join(", ")),
                };
                checks.fail(format!("options.{name}"), "unknown_option", detail);
                continue;
            };
            let value = value
                .map(|text| tidy(field, &text))
                .filter(|text| !text.is_empty());
            if let Some(text) = &value {
                check_value(checks, field, text);
                self.check_address(checks, field, text);
            }
            match (field.is_secret(), value) {
                (true, value) => drop(changes.insert(name, value.map(SecretText::new))),
                (false, Some(text)) => drop(settings.options.insert(name, text)),
                (false, None) => drop(settings.options.remove(&name)),
            }
        }
        changes
    }

    /// An address that requests go to must be one that they may go to, whichever field it stands in.
    fn check_address(&self, checks: &mut Checks, field: &Field, text: &str) {
        if field.input == Input::Url && !text.is_empty() {
            check_url(checks, field_name(field.name), text, WEB, self.rules);
        }
    }

    fn apply_url(
        &self,
        checks: &mut Checks,
        settings: &mut WebhookSettings,
        url: Option<&str>,
        changes: &mut SecretChanges,
    ) {
        // Of a secret URL only the part that may be seen is told: sent back, it means that the URL stays.
        let url = url.filter(|text| !self.is_seen_part(text));
        let typed = url.map(str::trim).filter(|text| !text.is_empty());
        let is_kept = url.is_none() && self.before.is_some();
        match (typed, self.adapter.description().url) {
            (Some(text), UrlField::Secret { .. }) => {
                if let Some(url) = check_url(checks, URL, text, WEB, self.rules) {
                    settings.url = seen_part(&url);
                    changes.insert(URL.to_owned(), Some(SecretText::new(text)));
                }
            }
            (Some(text), UrlField::Open { .. } | UrlField::Root { .. }) => {
                settings.url = check_url(checks, URL, text, WEB, self.rules).unwrap_or(settings.url.clone());
            }
            (Some(text), UrlField::Server { schemes, .. }) => {
                settings.url =
                    check_url(checks, URL, text, schemes, self.rules).unwrap_or(settings.url.clone());
            }
            (None, _) if is_kept => {}
            (None, _) => match self.default_url(settings, changes) {
                Some(root) => {
                    settings.url = root;
                    if self.before.is_some() {
                        changes.insert(URL.to_owned(), None);
                    }
                }
                None => checks.missing(URL),
            },
        }
    }

    fn is_seen_part(&self, text: &str) -> bool {
        let before = self.before.map(|before| &before.webhook.settings.url);
        before.is_some_and(|url| url.path() == SEEN_PATH && url.as_str() == text.trim())
    }

    /// Secrets were given for one host: another is not to get them just because an address changes. An address among the options gets
    /// those that stand beside it.
    fn check_move(&self, checks: &mut Checks, settings: &WebhookSettings, changes: &SecretChanges) {
        let Some(before) = self.before else { return };
        let former = &before.webhook.settings;
        let fields = self.adapter.description().fields.iter();
        let is_moved = |field: &&Field| {
            matches!(field.input, Input::Servers | Input::Url)
                && former.options.get(field.name) != settings.options.get(field.name)
        };
        let moved: Vec<&Field> = fields.clone().filter(is_moved).collect();
        let is_elsewhere = server(&former.url) != server(&settings.url)
            || moved.iter().any(|field| field.input == Input::Servers);
        let kept = fields.filter(|field| {
            let is_set = before.secrets.options.contains_key(field.name);
            let goes_along = is_elsewhere
                || moved
                    .iter()
                    .any(|address| address.collapsed_group == field.collapsed_group);
            field.is_secret() && is_set && goes_along && !changes.contains_key(field.name)
        });
        let kept: Vec<_> = kept.map(|field| field.label.to_lowercase()).collect();
        if !kept.is_empty() {
            let detail = format!("this leads to another host: give it the {} anew", kept.join(", "));
            checks.fail(URL, "secrets_missing", detail);
        }
    }

    fn default_url(&self, settings: &WebhookSettings, changes: &SecretChanges) -> Option<Url> {
        let target = self.target(settings, changes);
        Url::parse(self.adapter.default_url(&target)?).ok()
    }

    /// The target as it would be.
    fn target(&self, settings: &WebhookSettings, changes: &SecretChanges) -> Target {
        let before = self.before;
        let mut secrets = before.map_or_else(BTreeMap::new, |before| before.secrets.options.clone());
        for (name, value) in changes {
            match value {
                Some(value) => drop(secrets.insert(name.clone(), value.clone())),
                None => drop(secrets.remove(name)),
            }
        }
        let secret_url = secrets.get(URL).and_then(|url| Url::parse(url.reveal()).ok());
        Target {
            url: secret_url.unwrap_or_else(|| settings.url.clone()),
            options: settings.options.clone(),
            secrets,
            headers: match self.headers {
                Some(headers) => headers.to_vec(),
                None => before.map_or_else(Vec::new, |before| before.secrets.headers.clone()),
            },
            discovered_settings: None,
        }
    }

    fn check_needs(&self, checks: &mut Checks, target: &Target) {
        for field in self.adapter.description().fields {
            let value = match field.is_secret() {
                true => target.secret(field.name),
                false => target.option(field.name),
            };
            if field.need == Need::Required && value.is_empty() {
                let detail = format!("{} is required for this kind", field.label.to_lowercase());
                checks.fail(field_name(field.name), "missing", detail);
            }
        }
    }
}

impl Actions {
    /// Lets a kind try its target, and its templates with it.
    pub(crate) async fn try_target(&self, kind: WebhookKind, target: Target) -> Result<(), ActionError> {
        let Some(adapter) = adapter(kind) else {
            return Ok(());
        };
        let problems = self.with_templates(|templates| problems(adapter, &target, templates));
        let mut checks = Checks::new();
        for problem in problems.await? {
            checks.fail(field_name(problem.field), problem.code, problem.detail);
        }
        checks.finish(|| ())
    }

    /// Does work that needs texts of templates, for somebody who waits for it.
    pub(crate) async fn with_templates<T>(
        &self,
        work: impl Fn(&Templates) -> T + Send,
    ) -> Result<T, ActionError> {
        let settled = self.renderer.settle(Turn::People, work).await;
        let settled = settled.map_err(|unavailable| ActionError::Unavailable(unavailable.to_string()));
        settled.map(|(result, _)| result)
    }
}

/// What is wrong with a target, each field once.
pub(crate) fn problems(adapter: &dyn Adapter, target: &Target, templates: &Templates) -> Vec<Problem> {
    let mut problems = adapter.check(target);
    for problem in adapter.try_templates(target, templates) {
        if !problems.iter().any(|known| known.field == problem.field) {
            problems.push(problem);
        }
    }
    problems
}

/// A line without the white space around it; a text with the line breaks that everybody but browsers writes.
fn tidy(field: &Field, text: &str) -> String {
    match field.input {
        Input::Lines => text.replace("\r\n", "\n"),
        Input::Line | Input::Url | Input::TimeZone | Input::Servers | Input::Secret | Input::Choice(_) => {
            text.trim().to_owned()
        }
    }
}

fn check_value(checks: &mut Checks, field: &Field, text: &str) {
    let name = field_name(field.name);
    if text.len() > MAX_FIELD_BYTES {
        let detail = format!("an option has at most {MAX_FIELD_BYTES} bytes");
        return checks.fail(name, "too_long", detail);
    }
    match field.input {
        Input::Line | Input::Url | Input::Servers | Input::Secret if text.chars().any(char::is_control) => {
            checks.fail(name, "invalid_character", "this contains a control character");
        }
        Input::Lines if text.contains('\0') => {
            checks.fail(name, "invalid_character", "this contains a NUL character");
        }
        Input::TimeZone => drop(checks.time_zone(name, text)),
        Input::Choice(choices) if !choices.iter().any(|(value, _)| *value == text) => {
            let known: Vec<_> = choices.iter().map(|(value, _)| *value).collect();
            checks.fail(name, "invalid_value", format!("this takes {}", known.join(", ")));
        }
        Input::Line | Input::Url | Input::Servers | Input::Secret | Input::Lines | Input::Choice(_) => {}
    }
}

/// One message or ticket per incident needs its events one after the other.
fn check_order(checks: &mut Checks, adapter: &dyn Adapter, settings: &WebhookSettings) {
    if settings.ordering == Ordering::None && adapter.ticketing().is_some() {
        let detail = "one ticket per incident needs its events in order: keep the order";
        return checks.fail("ordering", "conflict", detail);
    }
    let field = adapter
        .description()
        .fields
        .iter()
        .find(|field| field.name == "messages");
    let Some(field) = field else { return };
    let chosen = settings.options.get("messages");
    let messages = chosen.map_or(field.default, String::as_str);
    if settings.ordering == Ordering::None && messages != "separate" {
        let detail = "one message or thread per incident needs its events in order: choose separate messages, or keep \
                      the order";
        checks.fail("ordering", "conflict", detail);
    }
}

fn field_name(name: &str) -> String {
    match name {
        URL | "headers" => name.to_owned(),
        option => format!("options.{option}"),
    }
}

/// Where a URL leads, whatever its path: the library knows no origin of a scheme that is not the web's.
fn server(url: &Url) -> (&str, Option<&str>, Option<u16>) {
    (url.scheme(), url.host_str(), url.port_or_known_default())
}

/// Of a URL that is a secret, what may be seen.
fn seen_part(url: &Url) -> Url {
    let mut seen = url.clone();
    seen.set_path(SEEN_PATH);
    seen.set_query(None);
    seen.set_fragment(None);
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_secret_url_only_scheme_host_and_port_are_seen() {
        let url = Url::parse("https://hooks.example:8443/services/T0/SECRET?sig=SECRET#x").unwrap();
        assert_eq!(seen_part(&url).as_str(), "https://hooks.example:8443/***");
    }
}
