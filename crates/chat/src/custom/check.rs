//! What is wrong with a target: its templates are tried with every event, with and without an assignee and a link.

use std::collections::BTreeMap;

use crate::custom::answer;
use crate::custom::render::{self, Fault};
use destination::about::Problem;
use destination::sample::Sample;
use destination::task::Target;
use destination::template::Templates;
use model::event::EventName;
use model::id::UserId;
use model::time::Timestamp;
use model::user::UserRef;
use model::webhook::WebhookKind;

/// When the tried events happen: any time does.
const AT: Timestamp = Timestamp::EPOCH;
/// A title with everything that breaks a body that does not escape it.
const TITLE: &str = "Disk \"data\" \\ is 100 % full <&>\n{ü}";

/// The longest title that an incident may have, in characters, …
const MAX_TITLE_CHARACTERS: usize = 500;
/// … made of one that takes nine bytes in a URL, as most scripts do.
const LONG_CHARACTER: char = '測';

/// One way in which an event can be.
#[derive(Clone, Copy)]
struct Case {
    event: EventName,
    has_assignee: bool,
    has_link: bool,
    has_long_title: bool,
}

impl Case {
    fn sentence(self) -> String {
        let assignee = if self.has_assignee {
            "somebody assigned"
        } else {
            "nobody assigned"
        };
        let link = if self.has_link {
            ""
        } else {
            " and no link to the incident"
        };
        let title = match self.has_long_title {
            true => format!(
                " and a title of {MAX_TITLE_CHARACTERS} characters: cut it, as {{{{ incident.title | cut(100) }}}} does"
            ),
            false => String::new(),
        };
        format!("{} with {assignee}{link}{title}", self.event.as_str())
    }
}

/// See [`destination::Adapter::check`].
pub(super) fn check(target: &Target) -> Vec<Problem> {
    let mut problems = Vec::new();
    let content_type = target.option("contentType").trim();
    if !content_type.is_empty() && !is_content_type(content_type) {
        let detail = "a content type is of the form application/json or text/plain; charset=utf-8";
        problems.push(problem("contentType", detail.to_owned()));
    }
    let fields = target.secret("formFields").trim();
    let do_fit = fields.is_empty() || render::is_form(target) && are_form_fields(fields);
    if !do_fit {
        let detail = "form fields are of the form name=value, percent-encoded, with & between them, and go with the content \
                      type application/x-www-form-urlencoded";
        problems.push(problem("formFields", detail.to_owned()));
    }
    let refused = answer::condition(target).err();
    problems.extend(refused.map(|refused| problem("success", refused.to_string())));
    problems
}

/// See [`destination::Adapter::try_templates`].
pub(super) fn try_templates(target: &Target, templates: &Templates) -> Vec<Problem> {
    let cases: Vec<_> = cases().collect();
    let mut faults: BTreeMap<&'static str, Vec<(Case, Fault)>> = BTreeMap::new();
    for case in &cases {
        for fault in render::faults(&sample(target, *case).task_with(templates)) {
            faults.entry(fault.field).or_default().push((*case, fault));
        }
    }
    let problem_of = |(field, faults): (&'static str, Vec<(Case, Fault)>)| {
        let (case, fault) = faults.first()?;
        let fails_always = faults.len() == cases.len();
        let detail = match fails_always {
            true => fault.detail.clone(),
            false => format!("{} ({})", fault.detail, case.sentence()),
        };
        Some(problem(field, detail))
    };
    faults.into_iter().filter_map(problem_of).collect()
}

fn problem(field: &'static str, detail: String) -> Problem {
    Problem {
        field,
        code: "invalid_value",
        detail,
    }
}

fn cases() -> impl Iterator<Item = Case> {
    let ways = [(false, true), (true, true), (false, false), (true, false)];
    let plain = ways.into_iter().flat_map(|(has_assignee, has_link)| {
        EventName::ALL.iter().map(move |event| Case {
            event: *event,
            has_assignee,
            has_link,
            has_long_title: false,
        })
    });
    plain.chain([Case {
        event: EventName::Triggered,
        has_assignee: true,
        has_link: true,
        has_long_title: true,
    }])
}

fn sample(target: &Target, case: Case) -> Sample {
    let kind = WebhookKind::new("custom");
    let assignee = case.has_assignee.then(|| UserRef {
        id: UserId::new(AT, [3; 10]),
        name: "Ada \"Countess\" Lovelace".into(),
    });
    let mut sample = Sample::new(kind, target.url.clone(), case.event, AT).about(|incident| {
        incident.title = match case.has_long_title {
            true => LONG_CHARACTER.to_string().repeat(MAX_TITLE_CHARACTERS),
            false => TITLE.into(),
        };
        incident.assignee = assignee;
    });
    sample.target = target.clone();
    sample.links.incident = case
        .has_link
        .then(|| "https://opsknight.example.com/incidents/inc_1".to_owned());
    sample
}

/// Pairs as a form has them: nothing that would have to be encoded, and a name before each value.
fn are_form_fields(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~*+%:@/".contains(&byte);
    let is_pair = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(name, value)| !name.is_empty() && name.bytes().chain(value.bytes()).all(is_plain))
    };
    text.split('&').all(is_pair)
}

/// A type, a subtype and perhaps parameters (RFC 9110 § 8.3.1).
fn is_content_type(text: &str) -> bool {
    let is_token = |part: &str| {
        let is_mark = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || is_mark(byte))
    };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().and_then(|essence| essence.split_once('/'));
    let is_parameter = |part: &str| {
        part.split_once('=').is_some_and(|(name, value)| {
            let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            let is_quoted = inner.is_some_and(|inner| {
                inner
                    .bytes()
                    .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"')
            });
            is_token(name) && (is_token(value) || is_quoted)
        })
    };
    essence.is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype)) && parts.all(is_parameter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::secret::SecretText;
    use url::Url;

    fn problems(change: impl FnOnce(Sample) -> Sample) -> Vec<(&'static str, String)> {
        let url = Url::parse("https://example.com/hook").unwrap();
        let sample = change(Sample::new(
            WebhookKind::new("custom"),
            url,
            EventName::Triggered,
            AT,
        ));
        let tried = sample.settle(|task| try_templates(&sample.target, task.templates));
        check(&sample.target)
            .into_iter()
            .chain(tried)
            .map(|problem| (problem.field, problem.detail))
            .collect()
    }

    #[test]
    fn form_fields_go_with_a_form_and_are_encoded() {
        let fields = |preset: &str, fields: &str| {
            problems(|sample| {
                sample
                    .with_option("preset", preset)
                    .with_secret("formFields", fields)
            })
            .len()
        };
        assert_eq!(fields("twilio", "To=%2B4930123&From=%2B4930456"), 0);
        assert_eq!(fields("twilio", "To=+49 30"), 1);
        assert_eq!(fields("twilio", "nobody"), 1);
        assert_eq!(fields("webex", "token=a"), 1);
    }

    fn template(source: &str) -> Vec<(&'static str, String)> {
        problems(|sample| sample.with_option("template", source))
    }

    #[test]
    fn a_good_template_has_no_problem() {
        assert_eq!(
            template("{ \"text\": \"{{ incident.title }}\", \"who\": {{ incident.assignee }} }"),
            []
        );
    }

    #[test]
    fn a_template_that_always_fails_says_where() {
        let detail = "the body cannot be made at line 2, column 4: `incident.tilte` is undefined";
        assert_eq!(
            template("{}\n{{ incident.tilte }}"),
            [("template", detail.to_owned())]
        );
    }

    #[test]
    fn a_template_that_fails_at_times_says_when() {
        let problems = template("\"{{ incident.assignee.name }}\"");
        let detail = "the body cannot be made at line 1, column 5: `incident.assignee.name` is undefined \
                      (incident.triggered with nobody assigned)";
        assert_eq!(problems, [("template", detail.to_owned())]);
        let problems = template("\"{{ links.incident | length }}\"");
        assert!(
            problems[0].1.ends_with("and no link to the incident)"),
            "{problems:?}"
        );
        let problems = template("{% if event == 'incident.resolved' %}{{ nonsense }}{% else %}1{% endif %}");
        assert!(
            problems[0]
                .1
                .ends_with("(incident.resolved with nobody assigned)"),
            "{problems:?}"
        );
    }

    #[test]
    fn what_comes_out_must_be_json_if_the_content_type_says_so() {
        let problems = template("{ \"a\": \"{{ incident.title | safe }}\" }");
        assert!(
            problems[0]
                .1
                .starts_with("the body cannot be made because what comes out is no JSON: ")
        );
        assert!(problems[0].1.contains("at line 1 column"), "{problems:?}");
    }

    #[test]
    fn url_and_headers_are_tried_too_and_not_repeated() {
        let bad = problems(|mut sample| {
            sample.target.headers = vec![("X-Key".into(), SecretText::new("s3cret {{ nonsense }}"))];
            sample.with_secret("url", "https://example.com/s3cret/{{ incident.id ")
        });
        assert_eq!(
            bad.iter().map(|(field, _)| *field).collect::<Vec<_>>(),
            ["headers", "url"]
        );
        assert!(
            bad[0]
                .1
                .contains("the header X-Key cannot be made at line 1, column 11: a value is not defined")
        );
        assert!(
            bad[1].1.contains("at line 1, column") && bad[1].1.contains("syntax error"),
            "{bad:?}"
        );
        assert!(!format!("{bad:?}").contains("s3cret"));
    }

    #[test]
    fn a_long_title_is_tried_and_said_so() {
        let bad = problems(|sample| sample.with_secret("url", "https://example.com/{{ incident.title }}"));
        let detail = "the address cannot be made because it is longer than 2048 bytes (incident.triggered with somebody \
                      assigned and a title of 500 characters: cut it, as {{ incident.title | cut(100) }} does)";
        assert_eq!(bad, [("url", detail.to_owned())]);
        let good = problems(|sample| {
            sample.with_secret("url", "https://example.com/{{ incident.title | cut(100) }}")
        });
        assert_eq!(good, []);
    }

    #[test]
    fn a_success_condition_is_bounded() {
        let bad = problems(|sample| sample.with_option("success", "[1].all(a, [1].all(b, true))"));
        assert_eq!(
            bad,
            [(
                "success",
                "the expression loops over lists more than once".to_owned()
            )]
        );
    }

    #[test]
    fn a_content_type_has_its_form() {
        let check = |value: &str| problems(|sample| sample.with_option("contentType", value)).len();
        assert_eq!(check("application/json"), 0);
        assert_eq!(check("text/plain; charset=\"utf-8\""), 0);
        assert_eq!(check("json"), 1);
        assert_eq!(check("text/plain; charset"), 1);
    }
}
