//! What holds for every format.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::testing::{Given, now};
use model::signal::{MAX_ALERT_KEY_BYTES, MAX_TITLE_LENGTH, SignalAction};

fn samples(format: &dyn Format) -> Vec<(SampleMoment, Given)> {
    let context = SampleContext {
        key: "abcdefghijklmnopqrstuvwxyz012345",
        secret: None,
        now: now(),
    };
    let moments = [SampleMoment::Fire, SampleMoment::Resolve];
    let given = moments.into_iter().filter_map(|moment| {
        let sample = format.sample(moment, &context)?;
        let (path, query) = sample.path.split_once('?').unwrap_or((&sample.path, ""));
        let mut given = Given::post(path, &sample.body);
        given.query = query.into();
        given.headers = sample.headers;
        Some((moment, given))
    });
    given.collect()
}

#[test]
fn every_kind_has_a_format_a_page_and_a_set_up_that_names_the_source() {
    let kinds: Vec<SourceKind> = all().iter().map(|format| format.description().kind).collect();
    assert_eq!(kinds, SourceKind::ALL);
    for format in all() {
        let about = format.description();
        let set_up = about.set_up("https://ops.example.com", "k3y");
        assert!(
            set_up.contains("ops.example.com") && set_up.contains("k3y"),
            "{}",
            about.name
        );
        assert!(!set_up.contains("{base}") && !set_up.contains("{key}") && !set_up.contains("{host}"));
        assert!(
            about.page.starts_with("# ") && about.page.contains("\n## Set up\n"),
            "{}",
            about.name
        );
        assert!(about.max_body_bytes <= MAX_BODY_BYTES);
        assert!(!about.set_up_parts("https://ops.example.com", "k3y").is_empty());
    }
}

#[test]
fn a_sample_opens_an_alert_and_its_other_one_resolves_the_same() {
    for format in all() {
        let read = |given: &Given| match format.read(&given.request()) {
            Ok(Reading::Signals { signals, answer }) if answer.status.is_success() => signals[0].clone(),
            other => panic!("{}: {other:?}", format.description().name),
        };
        let signals: Vec<_> = samples(*format).iter().map(|(_, given)| read(given)).collect();
        if let [fired, resolved] = signals.as_slice() {
            assert_eq!(fired.action, SignalAction::Trigger);
            assert_eq!(
                resolved.action,
                SignalAction::Resolve,
                "{}",
                format.description().name
            );
            assert_eq!(fired.key, resolved.key);
        }
    }
}

#[test]
fn mappings_that_come_with_the_program_can_be_used() {
    for format in all()
        .iter()
        .filter(|format| !format.description().mapping.is_empty())
    {
        let mapping = mapping::Mapping::parse(format.description(), &Default::default());
        assert!(mapping.is_ok(), "{}: {mapping:?}", format.description().name);
    }
}

#[test]
fn every_refusal_has_an_answer_that_tells_its_sender_whether_to_try_again() {
    for format in all() {
        for refusal in Refusal::ALL {
            let answer = format.refuse(&(*refusal).into());
            let again = matches!(refusal, Refusal::Overloaded | Refusal::Unavailable);
            let is_again = answer.status.is_server_error() || answer.status.as_u16() == 429;
            assert_eq!(again, is_again, "{} {refusal:?}", format.description().name);
            assert!(!answer.body.is_empty());
        }
    }
}

#[test]
fn a_door_at_the_root_belongs_to_one_sender() {
    let kind = |path: &str| format_at_root(path).map(|format| format.description().kind);
    assert_eq!(kind("/v2/enqueue"), Some(SourceKind::Pagerduty));
    assert_eq!(kind("/v2/change/enqueue"), Some(SourceKind::Pagerduty));
    assert_eq!(kind("/v2/alerts/x/close"), Some(SourceKind::Opsgenie));
    assert_eq!(kind("/v2/other"), None);
}

/// Some leaf of a body, replaced by what a stranger might write.
fn replace(value: &mut Value, mut nth: usize, by: &Value) -> usize {
    match value {
        Value::Object(members) => {
            for (_, member) in members.iter_mut() {
                nth = replace(member, nth, by);
                if nth == usize::MAX {
                    return nth;
                }
            }
            nth
        }
        Value::Array(elements) => {
            for element in elements.iter_mut() {
                nth = replace(element, nth, by);
                if nth == usize::MAX {
                    return nth;
                }
            }
            nth
        }
        leaf if nth == 0 => {
            *leaf = by.clone();
            usize::MAX
        }
        _ => nth - 1,
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[<>\"'{}$\u{202e}\u{0}a-z\n]{0,700}".prop_map(Value::from),
        "[0-9TZ:+-]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn check(format: &dyn Format, given: &Given) -> Result<(), TestCaseError> {
    match format.read(&given.request()) {
        Ok(Reading::Signals { signals, .. }) => {
            for signal in signals {
                prop_assert!(signal.key.as_str().len() <= MAX_ALERT_KEY_BYTES);
                prop_assert!(!signal.title.trim().is_empty());
                prop_assert!(signal.title.chars().count() <= MAX_TITLE_LENGTH);
                let is_line = !signal.title.contains(['\n', '\0', '\u{202e}']);
                prop_assert!(is_line);
                prop_assert!(
                    signal
                        .links
                        .iter()
                        .all(|link| link.url.scheme().starts_with("http"))
                );
            }
        }
        Ok(_) => {}
        Err(refused) => {
            let answer = format.refuse(&refused);
            prop_assert!(answer.status.is_client_error());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..300), path in "(/[a-z0-9%/]{0,20})?") {
        for format in all() {
            check(*format, &Given::post(&path, &body))?;
        }
    }

    #[test]
    fn hostile_values_only_ever_become_text(nth in 0usize..24, by in json()) {
        for format in all() {
            for (_, mut given) in samples(*format) {
                let mut body: Value = serde_json::from_slice(&given.body).unwrap();
                replace(&mut body, nth, &by);
                given.body = body.to_string().into_bytes();
                check(*format, &given)?;
            }
        }
    }
}
