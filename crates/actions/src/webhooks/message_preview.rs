//! What a webhook's message would look like, before it is saved: made by its adapter from the options as they are typed,
//! of the latest event or of a sample.

use url::Url;

use crate::checks::Checks;
use crate::webhooks::draft::blank_settings;
use crate::webhooks::options::{OptionsCheck, OptionsDraft, problems};
use crate::{ActionError, Actions};
use destination::Adapter;
use destination::about::Need;
use destination::preview::Preview;
use destination::sample::Sample;
use destination::task::{ActLink, Classification, Links, Target};
use destination::template::Templates;
use kinds::adapter;
use model::action_link::offered;
use model::event::{Event, EventName};
use model::id::WebhookId;
use model::incident::IncidentAction;
use model::secret::SecretText;
use model::webhook::{Endpoint, WebhookKind};

/// What is previewed.
#[derive(Debug, Clone, Default)]
pub struct PreviewDraft {
    /// The URL as typed; empty if it stays as it is, or is not there yet.
    pub url: String,
    /// The options as typed.
    pub options: OptionsDraft,
    /// A sample of this event; the latest event if absent.
    pub event: Option<EventName>,
}

/// A message as it would be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagePreview {
    /// The event that it is about.
    pub event: EventName,
    /// Whether the event is a sample.
    pub is_sample: bool,
    /// Method and URL, without secrets.
    pub request_line: String,
    pub body: String,
    /// The message as the platform shows it, if the kind has a form of its own.
    pub shown: Option<Preview>,
    /// What keeps the webhook from being saved.
    pub problems: Vec<String>,
}

impl Actions {
    /// Renders a message of a kind, on top of a webhook that exists or not. Links lead to `base`, if there is one.
    pub async fn preview_message(
        &self,
        kind: WebhookKind,
        id: Option<WebhookId>,
        draft: PreviewDraft,
        base: Option<&str>,
    ) -> Result<MessagePreview, ActionError> {
        let adapter = adapter(kind).ok_or(ActionError::NotFound {
            what: "kind of webhook",
        })?;
        let before = match id {
            Some(id) => Some(self.load_endpoint(id).await?),
            None => None,
        };
        // Another kind would not know what of it is secret.
        if before
            .as_ref()
            .is_some_and(|before| before.webhook.settings.kind != kind)
        {
            return Err(ActionError::NotFound { what: "webhook" });
        }
        let latest = match draft.event {
            Some(_) => None,
            None => self.latest_event().await?,
        };
        let name = draft.event.unwrap_or(EventName::Triggered);
        let (mut sample, filled_in) = self.typed_sample(adapter, before.as_ref(), draft, name)?;
        let is_sample = latest.is_none();
        if let Some(event) = latest {
            sample.event = event;
        }
        sample.links = preview_links(&sample.event, base, sample.target.option("actions"));
        let name = sample.event.name;
        let work = |templates: &Templates| {
            let task = sample.task_with(templates);
            let rendered = match adapter.previews() {
                Some(previews) => previews.preview_request(&task),
                None => adapter.step(&task).into_request(),
            };
            (rendered, problems(adapter, &sample.target, templates))
        };
        let (rendered, problems) = self.with_templates(work).await?;
        let problems = problems
            .into_iter()
            .filter(|problem| !filled_in.contains(&problem.field));
        let rendered = rendered.map_err(|instead| no_request(&instead))?;
        let shown_url = rendered.shown_url;
        let shown_url = shown_url.unwrap_or_else(|| model::webhook::masked_url(&rendered.url));
        Ok(MessagePreview {
            event: name,
            is_sample,
            request_line: format!("{} {shown_url}", rendered.method),
            shown: adapter
                .previews()
                .and_then(|previews| previews.preview(&rendered.body)),
            body: String::from_utf8_lossy(rendered.shown_body.as_ref().unwrap_or(&rendered.body))
                .into_owned(),
            problems: problems.map(|problem| problem.detail).collect(),
        })
    }

    /// A webhook as it is typed, with a sample event.
    fn typed_sample(
        &self,
        adapter: &'static dyn Adapter,
        before: Option<&Endpoint>,
        draft: PreviewDraft,
        name: EventName,
    ) -> Result<(Sample, Vec<&'static str>), ActionError> {
        let mut checks = Checks::new();
        let blank = || blank_settings(kinds::kind(adapter));
        let mut settings = match before {
            Some(before) => before.webhook.settings.clone(),
            None => blank().ok_or_else(|| ActionError::Internal("the defaults cannot be made".into()))?,
        };
        let check = OptionsCheck {
            adapter,
            before,
            headers: None,
            rules: self.url_rules.as_ref(),
        };
        // A preview does not wait for what is still missing.
        let typed = Some(draft.url.as_str()).filter(|url| !url.is_empty());
        let mut target = check.preview(
            &mut checks,
            &mut settings,
            typed,
            adapter.sample_url(),
            draft.options,
        );
        let filled_in = fill_in(adapter, &mut target);
        let url: Url = settings.url.clone();
        let mut sample = Sample::new(kinds::kind(adapter), url, name, self.source.now());
        sample.target = target;
        sample.webhook.settings = settings;
        checks.finish(|| (sample, filled_in))
    }

    async fn latest_event(&self) -> Result<Option<Event>, ActionError> {
        let latest = self.store.events.latest_sequence().await?;
        let events = self.store.events.list_after(latest.saturating_sub(1), 1).await?;
        Ok(events.into_iter().next())
    }

    /// A webhook with its secrets.
    pub(crate) async fn load_endpoint(&self, id: WebhookId) -> Result<Endpoint, ActionError> {
        let endpoint = self.store.endpoints.load(id).await?;
        endpoint.ok_or(ActionError::NotFound { what: "webhook" })
    }
}

/// Why there is nothing to show.
fn no_request(classification: &Classification) -> ActionError {
    let mut checks = Checks::new();
    match (classification.outcome.failure(), &classification.note) {
        (Some(failure), _) => checks.fail("options", failure.code.as_str(), failure.detail.clone()),
        (None, Some(note)) => checks.fail("options", "nothing_to_send", note.clone()),
        (None, None) => checks.fail("options", "nothing_to_send", "this event sends nothing"),
    }
    checks.into_error()
}

/// Puts examples where something that is needed is still missing; says where.
fn fill_in(adapter: &dyn Adapter, target: &mut Target) -> Vec<&'static str> {
    let mut filled_in = Vec::new();
    for field in adapter.description().fields {
        let (name, example) = (field.name, field.placeholder);
        let is_missing = target.option(name).is_empty() && target.secret(name).is_empty();
        if field.need == Need::Required && is_missing {
            filled_in.push(name);
        }
        match (field.need == Need::Required && is_missing, field.is_secret()) {
            (true, true) => drop(target.secrets.insert(name.to_owned(), SecretText::new(example))),
            (true, false) => drop(target.options.insert(name.to_owned(), example.to_owned())),
            (false, _) => {}
        }
    }
    filled_in
}

/// Links that look like real ones and do nothing.
fn preview_links(event: &Event, base: Option<&str>, actions: &str) -> Links {
    let status = event.incident().map(|incident| incident.status);
    let offered = offered(status.filter(|_| actions != "off"));
    let act = |action: &IncidentAction| ActLink {
        action: *action,
        token: "preview".into(),
        page: base.map(|base| format!("{base}/act/preview")),
    };
    Links {
        incident: base.map(|base| format!("{base}/incidents/{}", event.incident_id)),
        acts: offered.iter().map(act).collect(),
    }
}
