//! One inbox: what came to it, live, whether the signatures fit, and how it answers.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use http::{HeaderMap, StatusCode};

use crate::events::signature_check::{Check, Signed, check, header};
use crate::inboxes::list::{address_of, require_inboxes};
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::query::{PathId, Query};
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, render, render_with};
use crate::session::UserSession;
use crate::state::WebState;
use crate::webhooks::list::every_webhook;
use actions::webhooks::draft::WebhookDraft;
use actions::{ActionError, Patch};
use config::base_url;
use model::event::EventName;
use model::id::{InboxId, InboxRequestId, WebhookId};
use model::inbox::{INBOX_REQUEST_LIFETIME, Inbox, InboxAnswer, InboxRequest, MAX_INBOX_REQUESTS};
use model::standard_secret::new_secret;
use model::time::Timestamp;
use model::webhook::MAX_NAME_LENGTH;

/// Answers that receivers give and people want to see: what the button says, the status, the delay in seconds. The last
/// is slower than a webhook waits, unless it has another timeout.
const PRESETS: [(&str, u16, u64); 4] = [
    ("200 OK", 200, 0),
    ("500 error", 500, 0),
    ("410 gone", 410, 0),
    ("Slow, 12 s", 200, 12),
];

/// A button that sets an answer.
struct Preset {
    name: &'static str,
    status: u16,
    delay_seconds: u64,
    is_present: bool,
}

/// A request in the list.
struct ArrivalRow {
    id: InboxRequestId,
    method: String,
    what: String,
    size: String,
    from: String,
    at: Markup,
    signature: Markup,
    is_shown: bool,
}

/// One header.
struct HeaderLine {
    name: String,
    value: String,
}

/// The request that is shown whole.
struct Shown {
    id: InboxRequestId,
    method: String,
    target: String,
    from: String,
    size: String,
    at: Markup,
    answered: u16,
    opsknight: Markup,
    standard: Markup,
    headers: Vec<HeaderLine>,
    pretty: Option<String>,
    raw: String,
    is_cut: bool,
}

#[derive(Template)]
#[template(path = "inboxes/page.html")]
struct InboxPage {
    layout: Layout,
    id: InboxId,
    name: String,
    address: String,
    has_secret: bool,
    answer: String,
    status: String,
    delay: String,
    presets: Vec<Preset>,
    arrivals: Vec<ArrivalRow>,
    shown: Option<Shown>,
    /// Whether the session chose a request, so that newer ones do not take its place.
    is_chosen: bool,
    errors: FieldErrors,
    /// Why it cannot be used as a webhook.
    mistake: Option<String>,
}

/// What a form sent that was not accepted, and why.
#[derive(Default)]
struct Refused {
    form: Form,
    errors: FieldErrors,
    mistake: Option<String>,
}

impl InboxPage {
    async fn load(
        state: &WebState,
        session: &UserSession,
        headers: &HeaderMap,
        id: InboxId,
        chosen: &str,
        refused: Refused,
    ) -> Result<Self, PageError> {
        require_inboxes(state)?;
        let now = session.context.now;
        let inbox = state.store.inboxes.get(id).await?;
        let mut requests = state.store.inboxes.requests(id).await?;
        // The store looks at the age when something comes; here a silent inbox forgets as well.
        requests.retain(|request| now.since(request.at) < INBOX_REQUEST_LIFETIME);
        let is_chosen = !chosen.is_empty();
        let shown = if is_chosen {
            requests.iter().find(|request| request.id.to_string() == chosen)
        } else {
            requests.first()
        };
        let row = |request: &InboxRequest| arrival(request, &inbox, shown.map(|shown| shown.id), now);
        let typed = |field: &str, present: String| match refused.form.optional(field) {
            Some(text) if refused.errors.any() => text,
            _ => present,
        };
        Ok(Self {
            layout: Layout::new(session, inbox.name.clone(), Nav::Inbox),
            id,
            address: address_of(&base_url(state.settings.public_url.as_ref(), headers), id),
            has_secret: inbox.secret.is_some(),
            answer: answer_in_words(inbox.answer),
            status: typed("status", inbox.answer.status.to_string()),
            delay: typed("delay", inbox.answer.delay.as_secs_f64().to_string()),
            presets: presets(inbox.answer),
            arrivals: requests.iter().map(row).collect(),
            shown: shown.map(|request| whole(request, &inbox)),
            is_chosen,
            errors: refused.errors,
            mistake: refused.mistake,
            name: inbox.name,
        })
    }

    /// How many requests are kept, in words.
    fn count(&self) -> String {
        match self.arrivals.len() {
            0 => "Nothing yet".to_owned(),
            1 => "1 request".to_owned(),
            count => format!("{count} requests"),
        }
    }

    fn most(&self) -> u32 {
        MAX_INBOX_REQUESTS
    }
}

fn presets(present: InboxAnswer) -> Vec<Preset> {
    let preset = |(name, status, delay_seconds): (&'static str, u16, u64)| Preset {
        name,
        status,
        delay_seconds,
        is_present: present.status == status && present.delay == Duration::from_secs(delay_seconds),
    };
    PRESETS.map(preset).into()
}

/// `Answers 500 after 1.5 s`.
fn answer_in_words(answer: InboxAnswer) -> String {
    if answer.delay.is_zero() {
        format!("Answers {} at once", answer.status)
    } else {
        format!("Answers {} after {} s", answer.status, answer.delay.as_secs_f64())
    }
}

fn badge_of(check: Check, text: &'static str) -> Markup {
    show::badge(check.tone(), text)
}

fn signed(request: &InboxRequest) -> Signed<'_> {
    Signed {
        head: &request.head,
        body: &request.body,
        body_is_truncated: request.body_is_truncated,
        at: request.at,
    }
}

fn arrival(
    request: &InboxRequest,
    inbox: &Inbox,
    shown: Option<InboxRequestId>,
    now: Timestamp,
) -> ArrivalRow {
    let overall = check(signed(request), inbox.secret.as_ref()).overall();
    ArrivalRow {
        id: request.id,
        method: request.method.clone(),
        what: what_came(request),
        size: size(request),
        from: request.remote_address.clone(),
        at: show::when(request.at, now),
        signature: badge_of(overall, overall.word()),
        is_shown: shown == Some(request.id),
    }
}

/// What a list calls a request: its event, its query, or what its body is.
fn what_came(request: &InboxRequest) -> String {
    let query = request
        .target
        .split_once('?')
        .map(|(_, query)| format!("?{query}"));
    let event = header(&request.head, "x-opsknight-event").map(str::to_owned);
    let media_type = header(&request.head, "content-type").map(str::to_owned);
    let what = event.or(query).or(media_type);
    what.unwrap_or_else(|| "no body".to_owned())
}

fn size(request: &InboxRequest) -> String {
    let size = show::bytes(request.body.len() as u64);
    if request.body_is_truncated {
        format!("over {size}")
    } else {
        size
    }
}

fn whole(request: &InboxRequest, inbox: &Inbox) -> Shown {
    let checks = check(signed(request), inbox.secret.as_ref());
    let lines = request.head.lines().filter_map(|line| line.split_once(": "));
    Shown {
        id: request.id,
        method: request.method.clone(),
        target: request.target.clone(),
        from: request.remote_address.clone(),
        size: size(request),
        at: show::when_exactly(request.at),
        answered: request.answered_status,
        opsknight: badge_of(checks.opsknight, checks.opsknight.words()),
        standard: badge_of(checks.standard, checks.standard.words()),
        headers: lines
            .map(|(name, value)| HeaderLine {
                name: name.to_owned(),
                value: value.to_owned(),
            })
            .collect(),
        pretty: show::pretty_json(&request.body),
        raw: show::body_text(&request.body),
        is_cut: request.body_is_truncated,
    }
}

fn path_of(id: InboxId) -> String {
    format!("/settings/inbox/{id}")
}

/// `GET /settings/inbox/{id}`
pub async fn page(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<InboxId>,
    headers: HeaderMap,
    query: Query,
) -> PageResult {
    let chosen = query.text("request");
    render(&InboxPage::load(&state, &session, &headers, id, chosen, Refused::default()).await?)
}

async fn refuse(
    state: &WebState,
    session: &UserSession,
    headers: &HeaderMap,
    id: InboxId,
    refused: Refused,
) -> PageResult {
    let page = InboxPage::load(state, session, headers, id, "", refused).await?;
    Ok(render_with(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// `POST /settings/inbox/{id}/answer`
pub async fn set_answer(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<InboxId>,
    headers: HeaderMap,
    form: Form,
) -> PageResult {
    require_inboxes(&state)?;
    let errors = match read_answer(&form) {
        Err(errors) => errors,
        Ok((status, delay_ms)) => {
            let actions = &state.actions;
            match actions
                .set_inbox_answer(session.actor(), id, status, delay_ms)
                .await
            {
                Ok(_) => return go(&path_of(id), "saved"),
                Err(error) => FieldErrors::of(error)?,
            }
        }
    };
    let refused = Refused {
        form,
        errors,
        mistake: None,
    };
    refuse(&state, &session, &headers, id, refused).await
}

/// Status and delay in milliseconds, from a preset's button or the fields; seconds may have a fraction. Their bounds are
/// the action's affair.
fn read_answer(form: &Form) -> Result<(u16, u64), FieldErrors> {
    let preset = form.text("preset").split_once(' ');
    let (status, delay) = preset.unwrap_or((form.text("status"), form.text("delay")));
    let status = status.parse();
    let status = status.map_err(|_| FieldErrors::one("status", "a status is 200 to 599"))?;
    let delay = delay.parse().map(Duration::try_from_secs_f64);
    match delay {
        Ok(Ok(delay)) => Ok((status, u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))),
        Ok(Err(_)) | Err(_) => Err(FieldErrors::one("delay", "a delay is 0 to 30 seconds")),
    }
}

/// `POST /settings/inbox/{id}/secret`
pub async fn set_secret(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<InboxId>,
    headers: HeaderMap,
    form: Form,
) -> PageResult {
    require_inboxes(&state)?;
    // An empty field is a slip, not a wish to remove the secret.
    let (secret, is_removal) = (form.raw("secret").to_owned(), form.has("remove"));
    let errors = if secret.is_empty() && !is_removal {
        FieldErrors::one("secret", "type the secret that the sender signs with")
    } else {
        let secret = if is_removal { String::new() } else { secret };
        match state.actions.set_inbox_secret(session.actor(), id, secret).await {
            Ok(_) => return go(&path_of(id), "saved"),
            Err(error) => FieldErrors::of(error)?,
        }
    };
    let refused = Refused {
        errors,
        ..Refused::default()
    };
    refuse(&state, &session, &headers, id, refused).await
}

/// `POST /settings/inbox/{id}/clear`
pub async fn clear(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<InboxId>,
    form: Form,
) -> PageResult {
    require_inboxes(&state)?;
    let (request, did) = match form.text("request") {
        "" => (None, "cleared"),
        text => match text.parse() {
            Ok(request) => (Some(request), "deleted"),
            Err(_) => return Err(PageError::bad_request("this is no request")),
        },
    };
    state.actions.clear_inbox(session.actor(), id, request).await?;
    go(&path_of(id), did)
}

/// `POST /settings/inbox/{id}/delete`
pub async fn delete(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<InboxId>,
) -> PageResult {
    require_inboxes(&state)?;
    state.actions.delete_inbox(session.actor(), id).await?;
    go("/settings/inbox", "deleted")
}

/// `POST /settings/inbox/{id}/use`: a webhook that sends here and signs with what is checked here. An inbox that has a
/// secret keeps it, or what others sign with it would not fit any more.
pub async fn use_as_webhook(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<InboxId>,
    headers: HeaderMap,
) -> PageResult {
    require_inboxes(&state)?;
    let inbox = state.store.inboxes.get(id).await?;
    let is_new = inbox.secret.is_none();
    let secret = inbox
        .secret
        .clone()
        .unwrap_or_else(|| new_secret(&state.source.random()));
    // The shortest way, which works wherever people reach this server.
    let address = address_of(&format!("http://{}", state.settings.own_address), id);
    if let Some(webhook) = webhook_to(&state, &address).await? {
        return go(&format!("/settings/integrations/{webhook}"), "inbox-in-use");
    }
    let draft = webhook_draft(&inbox.name, address, secret.reveal().to_owned());
    let (webhook, _) = match state.actions.create_webhook(session.actor(), draft).await {
        Ok(created) => created,
        Err(ActionError::Invalid(errors)) => {
            let reasons: Vec<_> = errors.into_iter().map(|error| error.detail).collect();
            let refused = Refused {
                mistake: Some(reasons.join("; ")),
                ..Refused::default()
            };
            return refuse(&state, &session, &headers, id, refused).await;
        }
        Err(error) => return Err(error.into()),
    };
    if is_new {
        let secret = secret.reveal().to_owned();
        state
            .actions
            .set_inbox_secret(session.actor(), id, secret)
            .await?;
    }
    go(&format!("/settings/integrations/{}", webhook.id), "inbox-used")
}

/// The webhook that leads to an address already, if there is one.
async fn webhook_to(state: &WebState, address: &str) -> Result<Option<WebhookId>, PageError> {
    let webhooks = every_webhook(state).await?;
    let found = webhooks
        .iter()
        .find(|webhook| webhook.settings.url.as_str() == address);
    Ok(found.map(|webhook| webhook.id))
}

fn webhook_draft(inbox_name: &str, url: String, secret: String) -> WebhookDraft {
    let name: String = format!("Inbox {inbox_name}")
        .chars()
        .take(MAX_NAME_LENGTH)
        .collect();
    WebhookDraft {
        name: Patch::Set(name.trim_end().to_owned()),
        url: Patch::Set(url),
        secret: Patch::Set(secret),
        events: Patch::Set(EventName::NAMES.iter().copied().map(str::to_owned).collect()),
        ..WebhookDraft::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_fractions_of_seconds_and_nonsense_is_named() {
        let read = |status, delay| {
            let read = read_answer(&Form::new(&[("status", status), ("delay", delay)]));
            read.map_err(|errors| (errors.at("status").is_empty(), errors.at("delay").is_empty()))
        };
        assert_eq!(read("503", "1.5"), Ok((503, 1500)));
        assert_eq!(read("x", "1"), Err((false, true)));
        let preset = Form::new(&[("preset", "500 12")]);
        assert_eq!(read_answer(&preset).ok(), Some((500, 12_000)));
        let nonsense = ["", "-1", "NaN", "inf", "1e300", "soon"].map(|delay| read("200", delay));
        assert_eq!(nonsense, [Err((true, false)); 6]);
    }

    #[test]
    fn answers_are_told_in_words_and_the_present_preset_is_known() {
        let slow = InboxAnswer {
            status: 200,
            delay: Duration::from_secs(12),
        };
        assert_eq!(answer_in_words(slow), "Answers 200 after 12 s");
        assert_eq!(answer_in_words(InboxAnswer::default()), "Answers 200 at once");
        let present: Vec<_> = presets(slow).iter().map(|preset| preset.is_present).collect();
        assert_eq!(present, [false, false, false, true]);
    }

    #[test]
    fn the_webhook_of_an_inbox_wants_every_event_and_its_name_fits() {
        let draft = webhook_draft(&"ü".repeat(100), "http://a.example".into(), "s".into());
        let name = draft.name.set().unwrap_or_default();
        assert_eq!(name.chars().count(), MAX_NAME_LENGTH);
        assert_eq!(draft.events.set().map(|events| events.len()), Some(5));
    }
}
