//! Alert sources: where alerts come from, set up by people.

use std::time::Duration;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::alerts::{Fetched, SourceCall};
use crate::checks::Checks;
use crate::{ActionError, Actions, Patch};
use model::audit::Actor;
use model::id::{ServiceId, SourceId};
use model::secret::SecretText;
use model::service::ServiceRef;
use model::source::{
    FlapDamping, MAX_SOURCE_NAME_LENGTH, SOURCE_KEY_LENGTH, Source, SourceRequest, SourceSettings,
    StormControl,
};
use model::source_kind::{AlertUnit, SourceKind, SourceOptions};
use sources::mapping::Mapping;
use sources::request::Answer;
use sources::{SampleContext, SampleMoment};
use store::sources::SourceEdit;

/// The letters of keys: 32 of them, so that each byte gives one evenly.
const KEY_LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// The longest secret, in characters.
const MAX_SECRET_LENGTH: usize = 500;
/// The longest expression, in characters.
const MAX_EXPRESSION_LENGTH: usize = 2000;
/// The most new alerts of a window that may open incidents of their own.
const MAX_STORM_ALERTS: u32 = 10_000;
/// The most changes of an alert within a window.
const MAX_FLAP_CHANGES: u32 = 1000;
/// The longest window, and the longest silence.
const MAX_WINDOW_SECONDS: u64 = 24 * 3600;
const MAX_SILENCE_SECONDS: u64 = 30 * 24 * 3600;
/// The shortest silence: senders repeat themselves each minute or so.
const MIN_SILENCE_SECONDS: u64 = 60;

/// A new source, as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewSource)]
pub struct SourceDraft {
    /// The service whose incidents its alerts open.
    #[schema(value_type = String)]
    pub service_id: ServiceId,
    /// What the sender speaks.
    pub kind: SourceKind,
    /// What people call it, at most 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What its requests are signed with, if the sender signs.
    #[schema(max_length = 500)]
    pub secret: Option<String>,
    #[serde(default)]
    pub settings: SourceSettingsDraft,
}

/// What can be set of a source beside its name and its secret. What is absent stays as it is, or has its default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewSourceSettings)]
pub struct SourceSettingsDraft {
    /// What one alert is, for senders that group: each alert, or each group.
    pub alert_unit: Option<AlertUnit>,
    /// Expressions by field, for kinds that are read by expressions; null for those of the kind.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    #[serde(default)]
    pub mapping: Patch<std::collections::BTreeMap<String, String>>,
    /// How many new alerts open incidents of their own within the window; the others are counted into one. 30 if absent.
    #[schema(minimum = 1, maximum = 10000)]
    pub storm_alerts: Option<u32>,
    /// The window of storms, in seconds. 60 if absent.
    #[schema(minimum = 1, maximum = 86400)]
    pub storm_window_seconds: Option<u64>,
    /// How often an alert may change within the window before it counts as flapping. 6 if absent.
    #[schema(minimum = 2, maximum = 1000)]
    pub flap_changes: Option<u32>,
    /// The window of flapping, in seconds: also how long an alert must be quiet before its incident is resolved. 900 if absent.
    #[schema(minimum = 1, maximum = 86400)]
    pub flap_window_seconds: Option<u64>,
    /// After how many seconds without a request the source counts as silent; null for never.
    #[schema(value_type = Option<u64>, minimum = 60, maximum = 2592000)]
    #[serde(default)]
    pub silent_after_seconds: Patch<u64>,
    /// Whether it takes requests.
    pub enabled: Option<bool>,
}

/// Changes of a source. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceChange {
    /// A new name.
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// What its requests are signed with; null for nothing.
    #[schema(value_type = Option<String>, max_length = 500)]
    #[serde(default)]
    pub secret: Patch<String>,
    #[serde(default)]
    pub settings: SourceSettingsDraft,
}

/// What a test came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTest {
    /// What the sender would have been answered.
    pub answer: Answer,
    /// The request as it was kept.
    pub request: Option<SourceRequest>,
}

impl Actions {
    /// Makes a source with a key of its own.
    pub async fn create_source(&self, actor: Actor, draft: SourceDraft) -> Result<Source, ActionError> {
        let mut checks = Checks::new();
        let before = SourceSettings {
            name: draft.name,
            options: SourceOptions::default(),
            storm: StormControl::default(),
            flapping: FlapDamping::default(),
            silent_after: None,
            is_enabled: true,
        };
        let settings = draft.settings.apply(before, draft.kind, &mut checks);
        let secret = draft.secret.filter(|secret| !secret.is_empty());
        if let Some(secret) = &secret {
            check_secret(&mut checks, draft.kind, secret);
        }
        checks.finish(|| ())?;
        let source = Source {
            id: self.source.new_source_id(),
            service: ServiceRef {
                id: draft.service_id,
                name: String::new(),
            },
            kind: draft.kind,
            settings,
            key: self.new_source_key(),
            secret: secret.map(SecretText::new),
            created_at: self.source.now(),
            last_request_at: None,
        };
        let change = self.source.change(actor);
        Ok(self.store.sources.create(source, change).await?)
    }

    /// Changes a source.
    pub async fn change_source(
        &self,
        actor: Actor,
        id: SourceId,
        change: SourceChange,
    ) -> Result<Source, ActionError> {
        let before = self.store.sources.get(id).await?;
        let mut checks = Checks::new();
        let named = SourceSettings {
            name: change.name.unwrap_or(before.settings.name),
            ..before.settings
        };
        let settings = change.settings.apply(named, before.kind, &mut checks);
        let secret = match change.secret {
            Patch::Keep => None,
            Patch::Set(secret) if !secret.is_empty() => {
                check_secret(&mut checks, before.kind, &secret);
                Some(Some(SecretText::new(secret)))
            }
            Patch::Set(_) | Patch::Clear => Some(None),
        };
        let edit = checks.finish(|| SourceEdit {
            settings: Some(settings),
            key: None,
            secret,
        })?;
        let change = self.source.change(actor);
        Ok(self.store.sources.update(id, edit, change).await?)
    }

    /// Gives a source a new key; the one before is worth nothing at once.
    pub async fn rotate_source_key(&self, actor: Actor, id: SourceId) -> Result<Source, ActionError> {
        let edit = SourceEdit {
            key: Some(self.new_source_key()),
            ..SourceEdit::default()
        };
        let change = self.source.change(actor);
        Ok(self.store.sources.update(id, edit, change).await?)
    }

    /// Deletes a source. Its incidents stay.
    pub async fn delete_source(&self, actor: Actor, id: SourceId) -> Result<(), ActionError> {
        let change = self.source.change(actor);
        Ok(self.store.sources.delete(id, change).await?)
    }

    /// Has a source take a request as its sender makes one.
    pub async fn test_source(&self, id: SourceId, moment: SampleMoment) -> Result<SourceTest, ActionError> {
        let source = self.store.sources.get(id).await?;
        let context = SampleContext {
            key: source.key.reveal(),
            secret: source.secret.as_ref(),
            now: self.source.now(),
        };
        let format = sources::format(source.kind);
        let sample = format.and_then(|format| format.sample(moment, &context));
        let none = "only the sender itself can make such a request: send a test from there";
        let sample = sample.ok_or_else(|| ActionError::Conflict(none.to_owned()))?;
        let call = SourceCall {
            key: Some(source.key.reveal().to_owned()),
            method: sample.method,
            path: sample.path,
            query: String::new(),
            headers: sample.headers,
            body: sample.body.into(),
            remote_address: "test".to_owned(),
        };
        let reply = self.receive_alerts(&call, &Fetched::default()).await;
        let request = self.store.sources.requests(id).await?.into_iter().next();
        Ok(SourceTest {
            answer: reply.into_answer(),
            request,
        })
    }

    fn new_source_key(&self) -> SecretText {
        let random: [u8; SOURCE_KEY_LENGTH] = self.source.random();
        let letters = random.map(|byte| char::from(KEY_LETTERS[usize::from(byte % 32)]));
        SecretText::new(letters.iter().collect::<String>())
    }
}

impl SourceSettingsDraft {
    fn apply(self, before: SourceSettings, kind: SourceKind, checks: &mut Checks) -> SourceSettings {
        checks.name("name", &before.name, MAX_SOURCE_NAME_LENGTH);
        let mut options = before.options;
        options.alert_unit = self.alert_unit.unwrap_or(options.alert_unit);
        match self.mapping {
            Patch::Keep => {}
            Patch::Clear => options.mapping.clear(),
            Patch::Set(mapping) => options.mapping = mapping,
        }
        check_mapping(checks, kind, &options);
        let storm = StormControl {
            max_alerts: self.storm_alerts.unwrap_or(before.storm.max_alerts),
            window: seconds(self.storm_window_seconds, before.storm.window),
        };
        let flapping = FlapDamping {
            max_changes: self.flap_changes.unwrap_or(before.flapping.max_changes),
            window: seconds(self.flap_window_seconds, before.flapping.window),
        };
        let silent_after = match self.silent_after_seconds {
            Patch::Keep => before.silent_after,
            Patch::Clear => None,
            Patch::Set(seconds) => Some(Duration::from_secs(seconds)),
        };
        let bounds = [
            (
                "stormAlerts",
                u64::from(storm.max_alerts),
                1,
                u64::from(MAX_STORM_ALERTS),
            ),
            (
                "stormWindowSeconds",
                storm.window.as_secs(),
                1,
                MAX_WINDOW_SECONDS,
            ),
            (
                "flapChanges",
                u64::from(flapping.max_changes),
                2,
                u64::from(MAX_FLAP_CHANGES),
            ),
            (
                "flapWindowSeconds",
                flapping.window.as_secs(),
                1,
                MAX_WINDOW_SECONDS,
            ),
            (
                "silentAfterSeconds",
                silent_after.map_or(MIN_SILENCE_SECONDS, |after| after.as_secs()),
                MIN_SILENCE_SECONDS,
                MAX_SILENCE_SECONDS,
            ),
        ];
        for (field, value, least, most) in bounds {
            if value < least || value > most {
                let detail = format!("{field} is between {least} and {most}");
                checks.fail(format!("settings.{field}"), "out_of_range", detail);
            }
        }
        SourceSettings {
            name: before.name,
            options,
            storm,
            flapping,
            silent_after,
            is_enabled: self.enabled.unwrap_or(before.is_enabled),
        }
    }
}

fn seconds(given: Option<u64>, before: Duration) -> Duration {
    given.map_or(before, Duration::from_secs)
}

fn check_secret(checks: &mut Checks, kind: SourceKind, secret: &str) {
    checks.text("secret", secret, MAX_SECRET_LENGTH);
    let takes_one = sources::format(kind).is_some_and(|format| format.description().secret.is_some());
    if !takes_one {
        let detail = "senders of this kind do not sign: leave the secret out";
        checks.fail("secret", "not_supported", detail);
    }
}

fn check_mapping(checks: &mut Checks, kind: SourceKind, options: &SourceOptions) {
    for (name, expression) in &options.mapping {
        checks.optional_text(
            &format!("settings.mapping.{name}"),
            expression,
            MAX_EXPRESSION_LENGTH,
        );
    }
    let Some(format) = sources::format(kind) else {
        return;
    };
    for problem in Mapping::parse(format.description(), options)
        .err()
        .unwrap_or_default()
    {
        let field = format!("settings.mapping.{}", problem.field);
        let detail = format!("{} {}", problem.field, problem.sentence);
        checks.fail(field, "invalid_expression", detail);
    }
}
