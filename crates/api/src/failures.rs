//! Which problems a route can answer with: those that follow from who may call it and what it takes, and its own. The tests
//! look at every problem that any of them meets, whether it is in here.

use crate::guard::{Access, Repetition, Restricted};
use crate::problem::Code;
use crate::route::{Route, Verb};

/// Whoever needs a key.
const OF_KEYS: [Code; 6] = [
    Code::Unauthorized,
    Code::Forbidden,
    Code::RateLimited,
    Code::TooManyFailures,
    Code::StoreUnavailable,
    Code::StoreReplaced,
];
/// Whoever has a token of its own.
const OF_TOKENS: [Code; 3] = [Code::TooManyFailures, Code::StoreUnavailable, Code::StoreReplaced];
/// Whatever reads a body to its end.
const OF_READING: [Code; 3] = [Code::UnreadableBody, Code::BodyTooSlow, Code::BodyTooLarge];
/// Whatever understands a body.
const OF_BODIES: [Code; 3] = [Code::InvalidJson, Code::UnsupportedMediaType, Code::InvalidBody];
/// Whatever keeps its answers.
const OF_IDEMPOTENCY_KEYS: [Code; 2] = [Code::InvalidIdempotencyKey, Code::IdempotencyKeyReused];

/// The problems of a route, in the order of the table of problems.
pub fn of(route: &Route) -> Vec<Code> {
    let mut codes = vec![Code::Internal];
    match route.rule.access {
        Access::Open => {}
        Access::OwnToken => codes.extend(OF_TOKENS),
        Access::Scope(_) | Access::Stream(_) | Access::Metrics(_) => {
            codes.extend(OF_KEYS);
            codes.extend((route.rule.restricted == Restricted::Refused).then_some(Code::RestrictedKey));
        }
    }
    if route.path.contains('{') {
        codes.push(Code::NotFound);
    }
    if route.takes.is_some() {
        codes.extend(OF_BODIES);
        codes.extend(OF_READING);
    }
    let keeps_answers = route.verb == Verb::Post && route.rule.repetition != Repetition::NotKept;
    if keeps_answers {
        codes.extend(OF_IDEMPOTENCY_KEYS);
        codes.extend(OF_READING);
    }
    if keeps_answers && route.rule.repetition == Repetition::KeptAround {
        codes.push(Code::IdempotencyInProgress);
    }
    codes.extend(of_parameters(route));
    codes.extend(&route.fails);
    let mut all = Code::ALL.to_vec();
    all.retain(|code| codes.contains(code));
    all
}

fn of_parameters(route: &Route) -> Vec<Code> {
    let has = |name: &str| route.parameters.iter().any(|parameter| parameter["name"] == name);
    let mut codes = Vec::new();
    if !route.parameters.is_empty() {
        codes.push(Code::InvalidQuery);
    }
    if has("limit") {
        codes.push(Code::InvalidLimit);
    }
    if has("cursor") || has("after") {
        codes.push(Code::InvalidCursor);
    }
    codes
}
