//! `GET /metrics`: what is counted in memory, and what is read from the store, though not at every scrape. In the text format
//! of Prometheus, or in OpenMetrics for those who ask for it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use axum::response::IntoResponse;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, VARY};

use crate::accept::prefers;
use crate::answer::ApiResult;
use crate::problem::Problem;
use crate::state::ApiState;
use store::Page;
use store::deliveries::StateCounts;
use store::upkeep::TROUBLE_CODES;
use telemetry::StateLabel;
use telemetry::incidents::OpenOfService;

/// How long counts from the store hold, at least.
const COUNTS_HOLD_MS: i64 = 1000;
/// They hold for so many times as long as it took to count, so that very many open deliveries do not keep a reader busy.
const COUNTS_REST: i64 = 20;
/// While they are counted nobody else counts, nor for so long if who asked for it goes away meanwhile.
const COUNTING_MS: i64 = 60_000;
/// How long the balance holds: it counts every delivery.
const BALANCE_HOLDS_MS: i64 = 60_000;
/// The media type of the text format of Prometheus.
pub const TEXT: &str = "text/plain";
/// The media type of OpenMetrics.
pub const OPEN_METRICS: &str = "application/openmetrics-text";

/// When the metrics are to be read from the store again, in monotonic milliseconds; nothing before they were.
#[derive(Default)]
pub struct Scrapes {
    counts_due_ms: Mutex<Option<i64>>,
    balance_due_ms: Mutex<Option<i64>>,
}

/// `GET /metrics`
pub async fn metrics(State(state): State<ApiState>, headers: HeaderMap) -> ApiResult {
    let now_ms = state.source.monotonic_millis();
    if is_due(&state.scrapes.counts_due_ms, now_ms, COUNTING_MS) {
        let refreshed = refresh_counts(&state).await;
        let took_ms = state.source.monotonic_millis() - now_ms;
        let holds_ms = COUNTS_HOLD_MS.max(took_ms * COUNTS_REST);
        put_off(&state.scrapes.counts_due_ms, now_ms + holds_ms);
        refreshed?;
    }
    refresh_troubles(&state);
    if is_due(&state.scrapes.balance_due_ms, now_ms, BALANCE_HOLDS_MS) {
        // With more deliveries it is what the auditor came to.
        if let Some(balances) = state.store.upkeep.balance_at_once().await? {
            state.metrics.show_balance(&balances);
        }
    }
    let text = state.metrics.render();
    let (content_type, text) = match prefers(&headers, OPEN_METRICS, TEXT) {
        true => (format!("{OPEN_METRICS}; version=1.0.0; charset=utf-8"), text),
        false => (
            format!("{TEXT}; version=0.0.4; charset=utf-8"),
            as_text_format(&text),
        ),
    };
    let headers = [(CONTENT_TYPE, content_type.as_str()), (VARY, ACCEPT.as_str())];
    Ok((headers, text).into_response())
}

/// OpenMetrics in the text format 0.0.4: there a counter is described under the name of its samples, and neither units nor
/// an end are told.
fn as_text_format(open_metrics: &str) -> String {
    let counters: HashSet<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("EOF" | "UNIT"), ..) => continue,
            (Some("#"), Some(word), Some(name), Some(rest)) if counters.contains(name) => {
                text.push_str(&format!("# {word} {name}_total {rest}"));
            }
            (Some("#"), Some("TYPE"), Some(name), Some("unknown")) => {
                text.push_str(&format!("# TYPE {name} untyped"));
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// Whether it is time; if so, it is time again after a while.
fn is_due(due_ms: &Mutex<Option<i64>>, now_ms: i64, holds_ms: i64) -> bool {
    let mut due_ms = due_ms.lock().unwrap_or_else(PoisonError::into_inner);
    let is_due = due_ms.is_none_or(|due_ms| now_ms >= due_ms);
    if is_due {
        *due_ms = Some(now_ms + holds_ms);
    }
    is_due
}

/// It is time again then.
fn put_off(due_ms: &Mutex<Option<i64>>, until_ms: i64) {
    *due_ms.lock().unwrap_or_else(PoisonError::into_inner) = Some(until_ms);
}

async fn refresh_counts(state: &ApiState) -> Result<(), Problem> {
    let mut webhooks = state.store.deliveries.counts_by_webhook(None).await?;
    let counts = webhooks
        .iter()
        .fold(StateCounts::default(), |sum, webhook| sum.plus(&webhook.counts));
    let now = state.source.now();
    webhooks.retain(|webhook| webhook.state != "deleted");
    state.metrics.webhooks.show(&webhooks, now);
    for (name, count) in by_state(&counts) {
        let gauge = state
            .metrics
            .deliveries
            .get_or_create(&StateLabel { state: name });
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    let oldest_due = counts.oldest_due_at.map(|at| now.since(at).as_secs_f64());
    state.metrics.oldest_due_seconds.set(oldest_due.unwrap_or(0.0));
    refresh_incidents(state).await
}

/// Names of services are for those who have a key: never while everybody may scrape.
async fn refresh_incidents(state: &ApiState) -> Result<(), Problem> {
    let open = state.store.overview.open_incidents(None).await?;
    state.metrics.incidents.show_open(|severity| {
        let of_it = open.iter().filter(|open| open.severity == severity);
        of_it.map(|open| open.count).sum()
    });
    if state.settings.metrics_are_public {
        return Ok(());
    }
    let mut counts = state.store.overview.open_by_service().await?;
    let services = state.store.services.list(services_shown()).await?;
    let mut shown: Vec<OpenOfService> = services
        .into_iter()
        .filter_map(|service| {
            Some(OpenOfService {
                count: counts.remove(&service.id)?,
                id: service.id.to_string(),
                name: service.name,
            })
        })
        .collect();
    shown.extend(counts.into_iter().map(|(id, count)| OpenOfService {
        id: id.to_string(),
        name: id.to_string(),
        count,
    }));
    state.metrics.incidents.show_services(shown);
    Ok(())
}

/// The services whose names are read: the latest.
fn services_shown() -> Page {
    Page {
        limit: Page::MAX_LIMIT,
        before: None,
    }
}

fn refresh_troubles(state: &ApiState) {
    let (troubles, loss) = (state.store.upkeep.troubles(), state.store.upkeep.loss());
    for code in TROUBLE_CODES {
        let is_so = troubles.iter().any(|trouble| trouble.code == code);
        let gauge = state
            .metrics
            .store_troubles
            .get_or_create(&StateLabel { state: code });
        gauge.set(i64::from(is_so));
    }
    let lost = i64::try_from(loss.events).unwrap_or(i64::MAX);
    state.metrics.store_lost_events.set(lost);
}

fn by_state(counts: &StateCounts) -> [(&'static str, u64); 5] {
    [
        ("scheduled", counts.scheduled),
        ("queued", counts.queued),
        ("claimed", counts.claimed),
        ("held", counts.held),
        ("dead", counts.dead),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_describes_counters_by_their_samples_and_has_no_end() {
        let open_metrics = "# HELP a_events Events.\n# TYPE a_events counter\na_events_total 3\n# HELP a_s Time, seconds.\n\
                            # TYPE a_s gauge\n# UNIT a_s seconds\na_s 1.5\n# TYPE a_u unknown\na_u 1\n# EOF\n";
        let text = "# HELP a_events_total Events.\n# TYPE a_events_total counter\na_events_total 3\n\
                    # HELP a_s Time, seconds.\n# TYPE a_s gauge\na_s 1.5\n# TYPE a_u untyped\na_u 1\n";
        assert_eq!(as_text_format(open_metrics), text);
    }

    #[test]
    fn the_store_is_asked_at_once_and_then_once_per_period() {
        let due_ms = Mutex::new(None);
        let asked = [0, 500, 999, 1000, 1500].map(|now_ms| is_due(&due_ms, now_ms, 1000));
        assert_eq!(asked, [true, false, false, true, false]);
        put_off(&due_ms, 6000);
        let asked = [2000, 5999, 6000].map(|now_ms| is_due(&due_ms, now_ms, 1000));
        assert_eq!(asked, [false, false, true]);
    }
}
