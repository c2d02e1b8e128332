//! What a kind of webhook asks for, as fields of a form: drawn from what its adapter says about itself. No kind is known by
//! name here.

use std::collections::BTreeMap;

use crate::deliveries::message::{PreviewView, preview_draft};
use crate::layout::choices::Choice;
use crate::layout::error::{FieldErrors, PageError};
use crate::layout::form::Form;
use crate::layout::show::Markup;
use crate::layout::typed_secrets::TypedSecrets;
use crate::state::WebState;
use actions::webhooks::options::OptionsDraft;
use destination::about::{Field, Input, KindDescription, Need, Signature, UrlField};
use model::event::EventName;
use model::webhook::{Webhook, WebhookKind};

/// What the names of options begin with in forms.
const PREFIX: &str = "option-";

/// What stands in an empty field whose secret was typed already.
pub const TYPED_ALREADY: &str = "Typed already. Leave empty to keep it.";

/// The URL's field.
pub struct UrlView {
    /// What people call it.
    pub label: &'static str,
    /// A sentence beside it.
    pub hint: String,
    /// An example.
    pub placeholder: String,
    /// What stands in it.
    pub value: String,
    /// Whether it is a secret.
    pub is_secret: bool,
    /// Whether it must be filled in.
    pub is_required: bool,
    /// Whether it is set and may be removed.
    pub is_removable: bool,
}

/// One option's field.
pub struct OptionView {
    /// Its name in the form.
    pub name: String,
    /// What people call it.
    pub label: &'static str,
    /// A sentence beside it.
    pub hint: &'static str,
    /// An example, or that a secret is set.
    pub placeholder: &'static str,
    /// `line`, `secret`, `lines` or `choice`.
    pub input: &'static str,
    /// What may be chosen.
    pub choices: Vec<Choice>,
    /// What stands in it; never a secret.
    pub value: String,
    /// Whether it is a secret that is set and may be removed.
    pub is_removable: bool,
    /// Whether it must be filled in.
    pub is_required: bool,
    /// What is wrong with it; empty if nothing.
    pub wrong: String,
    /// The heading that it is folded under; empty if it is always in view.
    fold: &'static str,
    /// Whether it says something else than what holds anyway.
    is_filled: bool,
}

/// Options that stand together.
pub struct OptionGroup {
    /// The heading that they are folded under; empty if they are always in view.
    pub fold: &'static str,
    /// Whether they are in view at first: something was filled in, or is wrong.
    pub is_open: bool,
    /// The options, in their order.
    pub options: Vec<OptionView>,
}

/// Options with the neighbours of the same heading.
fn option_groups(views: Vec<OptionView>) -> Vec<OptionGroup> {
    let mut groups: Vec<OptionGroup> = Vec::new();
    for view in views {
        let opens = view.is_filled || !view.wrong.is_empty();
        match groups.last_mut() {
            Some(group) if group.fold == view.fold => {
                group.is_open |= opens;
                group.options.push(view);
            }
            _ => groups.push(OptionGroup {
                fold: view.fold,
                is_open: opens,
                options: vec![view],
            }),
        }
    }
    groups
}

/// All that a form knows of a webhook's kind.
pub struct KindFields {
    /// The kind's stable name.
    pub key: String,
    /// How the kind presents itself.
    pub about: &'static KindDescription,
    pub url: UrlView,
    /// The options, those that stand together in one group.
    pub groups: Vec<OptionGroup>,
    /// How to get what it asks for, step by step.
    pub steps: Vec<String>,
    /// The webhook that is changed; empty if it is new.
    pub webhook: String,
    /// What its message looks like, if the kind has a form of its own.
    pub preview: Option<Markup>,
    /// Events to preview a sample of.
    pub samples: Vec<Choice>,
}

/// What is shown in a form.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// The webhook that is changed.
    pub saved: Option<&'a Webhook>,
    /// What somebody typed.
    pub typed: Option<&'a Form>,
    /// Secrets that were typed already.
    pub kept: &'a TypedSecrets,
    /// What is wrong with it.
    pub errors: &'a FieldErrors,
}

impl KindFields {
    /// Whether its requests are signed.
    pub fn has_signature(&self) -> bool {
        self.about.signature == Signature::Ours
    }

    /// The fields of a kind, with a preview of its message.
    pub async fn load(state: &WebState, kind: WebhookKind, shown: Shown<'_>) -> Result<Self, PageError> {
        let Shown {
            saved,
            typed,
            kept,
            errors: _,
        } = shown;
        let base = state.message_base();
        let about = kinds::adapter_or_unknown(kind).description();
        let typed_url = match (typed, saved) {
            (Some(form), _) => form.text("url").to_owned(),
            (None, Some(webhook)) => webhook.settings.url.to_string(),
            (None, None) => String::new(),
        };
        let draft = typed.map(|form| preview_draft(kind, form)).unwrap_or_default();
        let preview = match about.fields.is_empty() {
            true => None,
            false => {
                let id = saved.map(|webhook| webhook.id);
                let mut preview = state
                    .actions
                    .preview_message(kind, id, draft, base.as_deref())
                    .await;
                if let Ok(preview) = &mut preview
                    && saved.is_none()
                    && typed.is_none()
                {
                    // Nobody has had the time to fill it in.
                    preview.problems.clear();
                }
                Some(PreviewView::new(kind, base.is_some(), preview)?.markup()?)
            }
        };
        let chosen = typed.map_or("", |form| form.text("previewEvent"));
        let samples = EventName::NAMES
            .iter()
            .map(|name| Choice::new(*name, *name, chosen));
        Ok(Self {
            key: kind.as_str().to_owned(),
            steps: steps(about, saved, base.as_deref()),
            url: url_view(about, saved, &typed_url, kept),
            groups: option_groups(option_views(about, shown)),
            webhook: saved.map_or(String::new(), |webhook| webhook.id.to_string()),
            about,
            preview,
            samples: samples.collect(),
        })
    }
}

/// The steps, with the address for calls of the platform once there is one.
fn steps(about: &KindDescription, saved: Option<&Webhook>, base: Option<&str>) -> Vec<String> {
    let callback = match saved.zip(base) {
        Some((webhook, base)) => format!("{base}/inbound/{}/{}", about.kind, webhook.id),
        None if base.is_none() => "(set public_url in the server's settings first)".to_owned(),
        None => "(its page shows the address once it is saved)".to_owned(),
    };
    let step = |step: &&str| step.replace("{callback}", &callback);
    about.steps.iter().map(step).collect()
}

/// The URL's field of a kind: `typed` is what somebody typed, or what is saved.
pub fn url_view(
    about: &KindDescription,
    saved: Option<&Webhook>,
    typed: &str,
    kept: &TypedSecrets,
) -> UrlView {
    let is_saved = saved.is_some();
    let has_substitute = about.fields.iter().any(|field| field.input == Input::Secret);
    match about.url {
        UrlField::Open { placeholder, hint }
        | UrlField::Server {
            placeholder, hint, ..
        } => UrlView {
            label: "URL",
            hint: hint.to_owned(),
            placeholder: placeholder.to_owned(),
            value: typed.to_owned(),
            is_secret: false,
            is_required: true,
            is_removable: false,
        },
        UrlField::Secret { placeholder, hint } => UrlView {
            label: "URL",
            hint: hint.to_owned(),
            placeholder: match saved {
                _ if kept.has("url") => TYPED_ALREADY.to_owned(),
                Some(webhook) => format!("Set: {} Leave empty to keep it.", webhook.settings.url),
                None => placeholder.to_owned(),
            },
            value: String::new(),
            is_secret: true,
            // A secret may stand for it: the action knows.
            is_required: !is_saved && !has_substitute && !kept.has("url"),
            is_removable: is_saved && has_substitute,
        },
        UrlField::Root { default } => UrlView {
            label: "Root of the API",
            hint: format!("Empty: {default}"),
            placeholder: default.to_owned(),
            value: match typed == default {
                true => String::new(),
                false => typed.to_owned(),
            },
            is_secret: false,
            is_required: false,
            is_removable: false,
        },
    }
}

/// The fields of a kind's options. What was typed comes before what is saved.
pub fn option_views(about: &KindDescription, shown: Shown<'_>) -> Vec<OptionView> {
    let Shown {
        saved,
        typed,
        kept,
        errors,
    } = shown;
    let view = |field: &Field| {
        let name = format!("{PREFIX}{}", field.name);
        let is_set =
            saved.is_some_and(|webhook| webhook.secret_option_names.iter().any(|name| name == field.name));
        let saved = saved.and_then(|webhook| webhook.settings.options.get(field.name));
        let value = match typed {
            _ if field.is_secret() => String::new(),
            Some(form) if field.input == Input::Lines => form.lines(&name),
            Some(form) => form.text(&name).to_owned(),
            None => saved.cloned().unwrap_or_default(),
        };
        let chosen = if value.is_empty() { field.default } else { &value };
        OptionView {
            choices: match field.input {
                Input::Choice(choices) => choices
                    .iter()
                    .map(|(value, meaning)| Choice::new(*value, *meaning, chosen))
                    .collect(),
                Input::Line
                | Input::Url
                | Input::TimeZone
                | Input::Servers
                | Input::Secret
                | Input::Lines => Vec::new(),
            },
            input: match field.input {
                Input::Line | Input::Url | Input::Servers => "line",
                Input::TimeZone => "zone",
                Input::Secret => "secret",
                Input::Lines => "lines",
                Input::Choice(_) => "choice",
            },
            label: field.label,
            hint: field.hint,
            placeholder: match (kept.has(&name), is_set) {
                (true, _) => TYPED_ALREADY,
                (false, true) => "Set. Leave empty to keep it.",
                (false, false) => field.placeholder,
            },
            is_removable: is_set && field.need == Need::Optional,
            is_required: field.need == Need::Required && !is_set && !kept.has(&name),
            fold: field.collapsed_group,
            is_filled: is_set || kept.has(&name) || (!value.is_empty() && value != field.default),
            wrong: errors.at(&format!("options.{}", field.name)),
            value,
            name,
        }
    };
    about.fields.iter().map(view).collect()
}

/// The names of a kind's secret options, in forms and in what is wrong with them.
pub fn secret_options(about: &KindDescription) -> impl Iterator<Item = (String, String)> {
    let secret = about.fields.iter().filter(|field| field.is_secret());
    secret.map(|field| {
        (
            format!("{PREFIX}{}", field.name),
            format!("options.{}", field.name),
        )
    })
}

/// The options of a form, as the API would get them. A secret that is left empty stays as it is.
pub fn options_draft(about: &KindDescription, form: &Form) -> OptionsDraft {
    let mut draft = BTreeMap::new();
    for field in about.fields {
        let name = format!("{PREFIX}{}", field.name);
        let text = match field.input {
            Input::Lines => form.lines(&name),
            Input::Line
            | Input::Url
            | Input::TimeZone
            | Input::Servers
            | Input::Secret
            | Input::Choice(_) => form.text(&name).to_owned(),
        };
        let is_removed = form.has(&format!("remove-{name}"));
        if !field.is_secret() || is_removed {
            draft.insert(field.name.to_owned(), Some(text.clone()).filter(|_| !is_removed));
        }
        if field.is_secret() && !text.is_empty() {
            draft.insert(field.name.to_owned(), Some(text));
        }
    }
    draft
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> &'static KindDescription {
        let kinds = kinds::all().iter();
        let mut abouts = kinds.map(|adapter| adapter.description());
        abouts.find(|about| about.kind == "telegram").unwrap()
    }

    fn views(about: &KindDescription, typed: Option<&Form>, errors: &FieldErrors) -> Vec<OptionView> {
        let shown = Shown {
            saved: None,
            typed,
            kept: &TypedSecrets::default(),
            errors,
        };
        option_views(about, shown)
    }

    #[test]
    fn a_secret_that_is_left_empty_stays_and_one_that_is_ticked_goes() {
        let kept = options_draft(
            about(),
            &Form::new(&[("option-token", ""), ("option-chat", " 5 ")]),
        );
        assert!(!kept.contains_key("token") && kept["chat"].as_deref() == Some("5"));
        let removed = options_draft(about(), &Form::new(&[("remove-option-token", "yes")]));
        assert_eq!(removed["token"], None);
        let typed = options_draft(about(), &Form::new(&[("option-token", "1:a")]));
        assert_eq!(typed["token"].as_deref(), Some("1:a"));
    }

    #[test]
    fn no_secret_is_shown_in_a_form() {
        let typed = Form::new(&[("option-token", "1:secret"), ("option-chat", "5")]);
        let views = views(about(), Some(&typed), &FieldErrors::default());
        let value = |name: &str| {
            views
                .iter()
                .find(|view| view.name == name)
                .map(|view| view.value.as_str())
        };
        assert_eq!(
            (value("option-token"), value("option-chat")),
            (Some(""), Some("5"))
        );
    }

    #[test]
    fn no_field_that_must_be_filled_in_is_folded_and_each_heading_stands_once() {
        for adapter in kinds::all() {
            let about = adapter.description();
            let groups = option_groups(views(about, None, &FieldErrors::default()));
            let mut headings = std::collections::BTreeSet::new();
            for group in &groups {
                let is_new = group.fold.is_empty() || headings.insert(group.fold);
                assert!(is_new, "{}: {} twice", about.kind, group.fold);
                assert!(!group.is_open, "{}: nothing was filled in", about.kind);
                let is_folded = !group.fold.is_empty();
                assert!(!is_folded || group.options.iter().all(|option| !option.is_required));
            }
        }
    }

    #[test]
    fn a_fold_is_open_if_something_in_it_was_filled_in_or_is_wrong() {
        let is_folded = |field: &&Field| !field.collapsed_group.is_empty();
        let mut abouts = kinds::all().iter().map(|adapter| adapter.description());
        let about = abouts
            .find(|about| about.fields.iter().any(|field| is_folded(&field)))
            .unwrap();
        let field = about.fields.iter().find(is_folded).unwrap();
        let open = |typed: &Form, errors: &FieldErrors| {
            let groups = option_groups(views(about, Some(typed), errors));
            let open = groups.iter().filter(|group| group.is_open);
            open.map(|group| group.fold).collect::<Vec<_>>()
        };
        let name = format!("{PREFIX}{}", field.name);
        let in_view = about
            .fields
            .iter()
            .find(|field| !is_folded(field) && field.input == Input::Line);
        let in_view = format!("{PREFIX}{}", in_view.unwrap().name);
        let none = FieldErrors::default();
        assert_eq!(open(&Form::new(&[(&name, "")]), &none), [""; 0]);
        assert_eq!(open(&Form::new(&[(&in_view, "x")]), &none), [""]);
        let wrong = FieldErrors::one(&format!("options.{}", field.name), "no");
        assert_eq!(open(&Form::new(&[]), &wrong), [field.collapsed_group]);
        let plain = about
            .fields
            .iter()
            .rfind(|field| is_folded(field) && !field.is_secret())
            .unwrap();
        assert_eq!(
            open(&Form::new(&[(&format!("{PREFIX}{}", plain.name), "x")]), &none),
            [plain.collapsed_group]
        );
    }
}
