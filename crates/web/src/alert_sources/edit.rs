//! The settings of a source: how its requests are read, storms, flapping, silence.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::alert_sources::mapping::{FieldRow, PreviewView, fields, typed};
use crate::layout::choices::Choice;
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::query::PathId;
use crate::layout::show::Markup;
use crate::layout::{Layout, Nav, go, render, render_refused};
use crate::session::UserSession;
use crate::state::WebState;
use actions::Patch;
use actions::alert_sources::{SourceChange, SourceSettingsDraft};
use model::id::SourceId;
use model::source::Source;
use model::source_kind::{AlertUnit, SourceOptions};
use sources::about::SourceDescription;

const MINUTE_SECONDS: u64 = 60;

/// A number of the form, by its name here and among the mistakes.
const NUMBERS: [(&str, &str); 5] = [
    ("stormAlerts", "settings.stormAlerts"),
    ("stormWindow", "settings.stormWindowSeconds"),
    ("flapChanges", "settings.flapChanges"),
    ("flapWindow", "settings.flapWindowSeconds"),
    ("silentAfter", "settings.silentAfterSeconds"),
];

#[derive(Template)]
#[template(path = "alert_sources/edit.html")]
struct EditPage {
    layout: Layout,
    id: SourceId,
    about: &'static SourceDescription,
    name: String,
    has_secret: bool,
    units: Vec<Choice>,
    storm_alerts: String,
    storm_window: String,
    flap_changes: String,
    flap_window: String,
    silent_after: String,
    mapping: Vec<FieldRow>,
    preview: Option<Markup>,
    errors: FieldErrors,
}

impl EditPage {
    /// The settings as they are, or as they were typed.
    async fn load(
        state: &WebState,
        session: &UserSession,
        id: SourceId,
        form: Option<&Form>,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let source = state.store.sources.get(id).await?;
        let about = description(&source)?;
        let settings = &source.settings;
        let options = match form {
            Some(form) => options_of(about, form),
            None => settings.options.clone(),
        };
        let preview = match about.mapping.is_empty() {
            true => None,
            false => {
                let view = PreviewView::load(state, &source, about, &options, session.context.now).await?;
                Some(view.into_markup()?)
            }
        };
        let text = |name: &str, present: String| form.map_or(present, |form| form.text(name).to_owned());
        let seconds = |duration: Duration| duration.as_secs().to_string();
        let minutes = |duration: Duration| (duration.as_secs() / MINUTE_SECONDS).to_string();
        let unit = options.alert_unit.as_str();
        Ok(Self {
            layout: Layout::new(
                session,
                format!("Settings of {}", settings.name),
                Nav::Integrations,
            ),
            id,
            name: text("name", settings.name.clone()),
            has_secret: source.secret.is_some(),
            units: vec![
                Choice::new(AlertUnit::Alert.as_str(), "Each alert is one", unit),
                Choice::new(AlertUnit::Group.as_str(), "Each group of the sender is one", unit),
            ],
            storm_alerts: text("stormAlerts", settings.storm.max_alerts.to_string()),
            storm_window: text("stormWindow", seconds(settings.storm.window)),
            flap_changes: text("flapChanges", settings.flapping.max_changes.to_string()),
            flap_window: text("flapWindow", seconds(settings.flapping.window)),
            silent_after: text(
                "silentAfter",
                settings.silent_after.map(minutes).unwrap_or_default(),
            ),
            mapping: fields(about, &options),
            about,
            preview,
            errors,
        })
    }
}

/// What is said of a source's kind.
pub(super) fn description(source: &Source) -> Result<&'static SourceDescription, PageError> {
    let format = sources::format(source.kind);
    let format = format.ok_or_else(|| PageError::not_found("kind of alert source in this version"))?;
    Ok(format.description())
}

fn options_of(about: &SourceDescription, form: &Form) -> SourceOptions {
    SourceOptions {
        alert_unit: form.text("alertUnit").parse().unwrap_or_default(),
        mapping: typed(about, form),
    }
}

/// `GET /settings/sources/{id}/edit`
pub async fn page(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<SourceId>,
) -> PageResult {
    render(&EditPage::load(&state, &session, id, None, FieldErrors::default()).await?)
}

/// `POST /settings/sources/{id}/edit`
pub async fn change(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<SourceId>,
    form: Form,
) -> PageResult {
    let source = state.store.sources.get(id).await?;
    let about = description(&source)?;
    if form.has("preview") {
        return render(&EditPage::load(&state, &session, id, Some(&form), FieldErrors::default()).await?);
    }
    let errors = match change_of(about, &form) {
        Err(errors) => errors,
        Ok(change) => match state.actions.change_source(session.actor(), id, change).await {
            Ok(_) => return go(&format!("/settings/sources/{id}"), "saved"),
            Err(error) => FieldErrors::of(error)?,
        },
    };
    render_refused(&EditPage::load(&state, &session, id, Some(&form), errors).await?)
}

/// `POST /settings/sources/{id}/preview`: what the typed expressions make of the last request.
pub async fn preview(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<SourceId>,
    form: Form,
) -> Result<Response, PageError> {
    let source = state.store.sources.get(id).await?;
    let about = description(&source)?;
    let options = options_of(about, &form);
    render(&PreviewView::load(&state, &source, about, &options, session.context.now).await?)
}

/// What was typed, or which number is none.
fn change_of(about: &SourceDescription, form: &Form) -> Result<SourceChange, FieldErrors> {
    let mut numbers = [None; NUMBERS.len()];
    for ((name, field), number) in NUMBERS.iter().zip(&mut numbers) {
        *number = match form.optional(name) {
            None => None,
            Some(text) => {
                let parsed: Result<u64, _> = text.parse();
                Some(parsed.map_err(|_| FieldErrors::one(field, "is a whole number"))?)
            }
        };
    }
    let [
        storm_alerts,
        storm_window,
        flap_changes,
        flap_window,
        silent_after,
    ] = numbers;
    let small = |number: Option<u64>| number.map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let options = options_of(about, form);
    Ok(SourceChange {
        name: Some(form.text("name").to_owned()),
        secret: match (form.has("removeSecret"), form.optional("secret")) {
            (true, _) => Patch::Clear,
            (false, Some(secret)) => Patch::Set(secret),
            (false, None) => Patch::Keep,
        },
        settings: SourceSettingsDraft {
            alert_unit: about.groups_alerts.then_some(options.alert_unit),
            mapping: match about.mapping.is_empty() {
                true => Patch::Keep,
                false => Patch::Set(options.mapping),
            },
            storm_alerts: small(storm_alerts),
            storm_window_seconds: storm_window,
            flap_changes: small(flap_changes),
            flap_window_seconds: flap_window,
            silent_after_seconds: match silent_after {
                None | Some(0) => Patch::Clear,
                Some(minutes) => Patch::Set(minutes.saturating_mul(MINUTE_SECONDS)),
            },
            enabled: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::source_kind::SourceKind;

    #[test]
    fn only_what_differs_from_the_kinds_own_is_set_and_a_number_must_be_one() {
        let about = sources::format(SourceKind::Generic).unwrap().description();
        let own = about
            .mapping
            .iter()
            .find(|field| field.name == "key")
            .unwrap()
            .default;
        let form = Form::new(&[
            ("name", "n"),
            ("mapping-key", own),
            ("mapping-title", "body.x"),
            ("stormAlerts", "7"),
            ("silentAfter", "5"),
        ]);
        let change = change_of(about, &form).unwrap();
        let mapping = change.settings.mapping.set().unwrap();
        assert_eq!(
            mapping.into_iter().collect::<Vec<_>>(),
            [("title".to_owned(), "body.x".to_owned())]
        );
        assert_eq!(change.settings.storm_alerts, Some(7));
        assert_eq!(change.settings.silent_after_seconds, Patch::Set(300));
        let wrong = change_of(about, &Form::new(&[("flapWindow", "soon")])).unwrap_err();
        assert!(!wrong.at("settings.flapWindowSeconds").is_empty());
    }
}
