//! How the custom kind presents itself: its fields and what they ask for.

use crate::custom::presets;
use destination::about::{Confirmation, Field, Input, KindDescription, Signature, UrlField};

/// The form.
pub static ABOUT: KindDescription = KindDescription {
    kind: "custom",
    name: "Custom bot",
    summary: "Any other receiver over HTTP: choose a ready form such as CloudEvents or ntfy, or write the body yourself.",
    url: UrlField::Secret {
        placeholder: "https://example.com/hooks/{{ incident.service.id }}",
        hint: "Path and query may hold values of the event, such as {{ incident.id }}.",
    },
    fields: &[PRESET, METHOD, CONTENT_TYPE, FORM_FIELDS, TEMPLATE, SUCCESS],
    steps: &[
        "Look up in the receiver's documents which address, method and body it expects.",
        "Put the address into URL, and a key or token that it asks for into Headers.",
        "Choose the preset that fits, or leave it and write a Template.",
        "In a template, {{ incident.title }} stands for the title, and {{ incident | tojson }} for everything as JSON.",
        "Look at the preview of each event, then save and send a test.",
    ],
    signature: Signature::Ours,
    confirmation: Confirmation::Taken,
};

const PRESET: Field = Field {
    name: "preset",
    label: "Preset",
    hint: "The body, content type and headers that are sent.",
    input: Input::Choice(&presets::CHOICES),
    default: "opsknight",
    ..Field::LINE
};

const METHOD: Field = Field {
    name: "method",
    label: "Method",
    hint: "Almost every receiver expects POST.",
    input: Input::Choice(&[("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH")]),
    default: "POST",
    ..Field::LINE
};

const CONTENT_TYPE: Field = Field {
    name: "contentType",
    label: "Content type",
    hint: "Empty for the preset's own; values in a template are escaped as it demands, and JSON is checked.",
    placeholder: "application/json",
    ..Field::LINE
};

const FORM_FIELDS: Field = Field {
    name: "formFields",
    label: "Form fields",
    hint: "Secrets that the receiver expects in the body of a form: sent before what the preset or template makes.",
    placeholder: "token=…&user=…",
    input: Input::Secret,
    ..Field::LINE
};

const TEMPLATE: Field = Field {
    name: "template",
    label: "Template",
    hint: "A body of your own instead of the preset's, in the language of Jinja.",
    placeholder: "{ \"text\": \"{{ happened }}: {{ incident.title }}\" }",
    input: Input::Lines,
    ..Field::LINE
};

const SUCCESS: Field = Field {
    name: "success",
    label: "Success condition",
    hint: "What a 2xx answer must say too, in CEL over status, body (its JSON) and text; empty for the preset's own.",
    placeholder: "body.errcode == 0",
    ..Field::LINE
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hint_and_step_is_a_sentence() {
        let hints = ABOUT.fields.iter().map(|field| field.hint);
        let mut sentences = hints.chain(ABOUT.steps.iter().copied());
        assert!(sentences.all(|text| text.starts_with(char::is_uppercase) && text.ends_with('.')));
    }
}
