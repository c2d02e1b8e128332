//! The format of all that is read by expressions: anything that sends JSON, and its presets.

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::about::SourceDescription;
use crate::mapping::Mapping;
use crate::request::{Answer, Reading, Refusal, Refused, SourceRequest};
use crate::signature::{sign, verify};
use crate::{Format, Sample, SampleContext, SampleMoment, json_headers};

/// A sender that is read by expressions.
pub(crate) struct Mapped {
    pub about: &'static SourceDescription,
    /// The header with its signature.
    pub signature: &'static str,
    /// A body as it sends one.
    pub sample: fn(SampleMoment) -> Value,
}

impl Format for Mapped {
    fn description(&self) -> &'static SourceDescription {
        self.about
    }

    fn read(&self, request: &SourceRequest<'_>) -> Result<Reading, Refused> {
        if !matches!(*request.method, Method::POST | Method::PUT) {
            return Err(Refusal::MethodNotAllowed.into());
        }
        verify(request, self.signature, "")?;
        let form = "application/x-www-form-urlencoded";
        if request
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(form.as_bytes()))
        {
            return Err(Refused::unreadable(
                "the body is a form: have the sender send JSON",
            ));
        }
        // It was checked when it was saved; an older version may have been more lenient.
        let mapping = Mapping::parse(self.about, request.options).map_err(|problems| {
            let problem = problems
                .first()
                .map(|problem| format!("{}: {}", problem.field, problem.sentence));
            Refused::unreadable(problem.unwrap_or_default())
        })?;
        let signals = mapping.read(request)?;
        Ok(Reading::Signals {
            signals,
            answer: Answer::json(StatusCode::ACCEPTED, &json!({ "status": "ok" })),
        })
    }

    fn refuse(&self, refused: &Refused) -> Answer {
        let body = json!({ "code": refused.refusal.code(), "detail": refused.sentence });
        Answer::json(refused.refusal.status(), &body)
    }

    fn sample(&self, moment: SampleMoment, context: &SampleContext<'_>) -> Option<Sample> {
        let body = (self.sample)(moment).to_string().into_bytes();
        let mut headers = json_headers();
        if let Some(secret) = context.secret {
            let signature = HeaderValue::from_str(&sign(secret, &body)).ok()?;
            headers.insert(HeaderName::from_static(self.signature), signature);
        }
        Some(Sample {
            method: Method::POST,
            path: String::new(),
            headers,
            body,
        })
    }
}
