//! Stands in for a kind that this version does not know: a newer version made the webhook. Its deliveries fail, are tried
//! again, and can be replayed once a version that knows it runs.

use destination::Adapter;
use destination::about::{Confirmation, KindDescription, Signature, UrlField};
use destination::task::{Step, Task};
use model::attempt::Failure;
use model::exchange::FailureCode;

/// No kind that is known.
pub struct Unknown;

static ABOUT: KindDescription = KindDescription {
    kind: "unknown",
    name: "Unknown kind",
    summary: "Made by a newer version of this program.",
    url: UrlField::Secret {
        placeholder: "",
        hint: "",
    },
    fields: &[],
    steps: &[],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};

impl Adapter for Unknown {
    fn description(&self) -> &'static KindDescription {
        &ABOUT
    }

    fn step(&self, task: &Task<'_>) -> Step {
        let kind = task.webhook.settings.kind;
        let detail = format!(
            "this version of OpsKnight does not know the kind {}",
            kind.as_str()
        );
        Step::done(Failure::new(FailureCode::RequestInvalid, detail))
    }
}
