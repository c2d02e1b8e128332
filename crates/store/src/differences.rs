//! What differs between a thing before and after an edit, as the audit log says it: which fields, and old and new values of those
//! that everybody may see who reads the log. Never a secret, nor what may hold one.

use std::fmt::Display;

use model::retry::RetrySchedule;
use model::time::format_duration;
use model::webhook::WebhookSettings;

/// The longest value that is shown, in characters.
const MAX_VALUE_LENGTH: usize = 80;

/// A field before and after.
pub struct Difference {
    field: &'static str,
    is_changed: bool,
    /// Old and new, if they may be seen.
    values: Option<[String; 2]>,
}

impl Difference {
    /// A field whose values are shown.
    pub fn shown<T: PartialEq>(
        field: &'static str,
        before: &T,
        after: &T,
        show: impl Fn(&T) -> String,
    ) -> Self {
        let is_changed = before != after;
        Self {
            field,
            is_changed,
            values: is_changed.then(|| [show(before), show(after)].map(|value| cut(&value))),
        }
    }

    /// A text.
    pub fn text(field: &'static str, before: &str, after: &str) -> Self {
        Self::shown(field, &before, &after, |text| (*text).to_owned())
    }

    /// A field of which only is told that it changed.
    pub fn hidden(field: &'static str, is_changed: bool) -> Self {
        Self {
            field,
            is_changed,
            values: None,
        }
    }
}

/// Says what became of a thing: its name, which of its fields changed, and from what to what.
pub fn changed_sentence(name: &str, differences: &[Difference]) -> Option<String> {
    let changed: Vec<_> = differences.iter().filter(|one| one.is_changed).collect();
    if changed.is_empty() {
        return None;
    }
    let fields: Vec<_> = changed.iter().map(|one| one.field).collect();
    let sentence = format!("changed {} of \"{name}\"", fields.join(", "));
    Some(with_values(sentence, differences))
}

/// A sentence, and behind it old and new of what changed.
pub fn with_values(sentence: String, differences: &[Difference]) -> String {
    let values = differences.iter().filter_map(|one| {
        let [old, new] = one.values.as_ref()?;
        let field = one.field.strip_prefix("the ").unwrap_or(one.field);
        Some(format!("{field}: {old} → {new}"))
    });
    let values: Vec<_> = values.collect();
    match values.is_empty() {
        true => sentence,
        false => format!("{sentence} ({})", values.join("; ")),
    }
}

/// What differs between a webhook's settings.
pub fn of_settings(before: &WebhookSettings, after: &WebhookSettings) -> Vec<Difference> {
    let (was, is) = (before, after);
    let events = |of: &WebhookSettings| of.events.types().map(|event| event.as_str().to_owned()).collect();
    vec![
        Difference::text("the name", &was.name, &is.name),
        Difference::text("the kind", was.kind.as_str(), is.kind.as_str()),
        Difference {
            is_changed: was.url != is.url,
            ..Difference::text(
                "the URL",
                &seen(was.url.scheme(), was.url.host_str()),
                &seen(is.url.scheme(), is.url.host_str()),
            )
        },
        Difference::hidden("the options", was.options != is.options),
        Difference::shown("the events", &events(was), &events(is), |names: &Vec<String>| {
            listed(names, "none")
        }),
        Difference::shown("the services", &was.services, &is.services, |ids| {
            listed(ids, "all")
        }),
        Difference::shown("the severities", &was.severities, &is.severities, |severities| {
            let names: Vec<_> = severities.iter().map(|severity| severity.as_str()).collect();
            listed(&names, "all")
        }),
        Difference::shown("the filter", &was.filter, &is.filter, |filter| {
            or_none(filter.as_ref().map(|filter| filter.source()))
        }),
        Difference::shown(
            "the retry schedule",
            &was.retry_schedule,
            &is.retry_schedule,
            waits,
        ),
        Difference::shown("the timeout", &was.timeout, &is.timeout, |time| {
            format_duration(*time)
        }),
        Difference::shown(
            "the concurrency",
            &was.concurrency,
            &is.concurrency,
            ToString::to_string,
        ),
        Difference::shown("the rate", &was.rate, &is.rate, |rate| or_none(rate.as_ref())),
        Difference::text("the ordering", was.ordering.as_str(), is.ordering.as_str()),
        Difference::text(
            "what happens while disabled",
            was.when_disabled.as_str(),
            is.when_disabled.as_str(),
        ),
        Difference {
            is_changed: was.after_outage != is.after_outage,
            ..Difference::text(
                "what happens after an outage",
                was.after_outage.as_str(),
                is.after_outage.as_str(),
            )
        },
        Difference::shown("the fallback", &was.fallback, &is.fallback, |fallback| {
            or_none(fallback.as_ref().map(|fallback| fallback.webhook_id))
        }),
        Difference::shown("the canary", &was.canary_hours, &is.canary_hours, |hours| {
            or_none(hours.map(|hours| format!("{hours}h")))
        }),
    ]
}

/// Of a URL what is seldom a secret: many have a token behind the host.
fn seen(scheme: &str, host: Option<&str>) -> String {
    format!("{scheme}://{}/…", host.unwrap_or_default())
}

fn waits(schedule: &RetrySchedule) -> String {
    let waits: Vec<_> = schedule
        .delays()
        .iter()
        .map(|delay| format_duration(*delay))
        .collect();
    listed(&waits, "none")
}

/// Values of a list, or what it means if it is empty.
pub fn listed(values: &[impl Display], empty: &str) -> String {
    if values.is_empty() {
        return empty.to_owned();
    }
    let values: Vec<_> = values.iter().map(ToString::to_string).collect();
    values.join(", ")
}

/// A value that may be absent.
pub fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn cut(value: &str) -> String {
    match value.char_indices().nth(MAX_VALUE_LENGTH) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_what_changed_and_shows_what_may_be_seen() {
        let differences = |name: &str, secret| {
            [
                Difference::text("the name", "old", name),
                Difference::hidden("the secret", secret),
                Difference::shown("the wait", &None::<u32>, &Some(5), |wait| or_none(wait.as_ref())),
            ]
        };
        let sentence = changed_sentence("old", &differences("new", true));
        let expected = "changed the name, the secret, the wait of \"old\" (name: old → new; wait: none → 5)";
        assert_eq!(sentence.as_deref(), Some(expected));
        let nothing = [
            Difference::text("the name", "a", "a"),
            Difference::hidden("the secret", false),
        ];
        assert_eq!(changed_sentence("a", &nothing), None);
        let hidden = changed_sentence("a", &[Difference::hidden("the secret", true)]);
        assert_eq!(hidden.as_deref(), Some("changed the secret of \"a\""));
    }

    #[test]
    fn long_values_are_cut_and_urls_keep_their_tokens() {
        assert_eq!(cut(&"ü".repeat(81)), format!("{}…", "ü".repeat(80)));
        assert_eq!(seen("https", Some("hooks.example")), "https://hooks.example/…");
    }
}
