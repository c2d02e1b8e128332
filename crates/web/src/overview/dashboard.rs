//! Everything at a glance: what is open, what was sent, what needs attention first.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use askama::Template;
use axum::extract::State;

use crate::incidents::list::IncidentRow;
use crate::layout::error::PageResult;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, render};
use crate::overview::chart::{Day, chart_start};
use crate::session::UserSession;
use crate::state::WebState;
use crate::webhooks::backlog::Backlog;
use model::activity::{ACTIVITY_PERIOD, Activity, period_of};
use model::id::WebhookId;
use model::incident::{IncidentStatus, Severity};
use model::time::Timestamp;
use model::webhook::WebhookState;
use store::Page;
use store::deliveries::{COUNTED_AT_MOST, StateCounts};
use store::overview::{OpenIncidents, WebhookHealth};

/// Open incidents that are shown: the most urgent.
const SHOWN_INCIDENTS: u32 = 8;
/// Webhooks in need of attention that are shown.
const SHOWN_WEBHOOKS: usize = 20;
/// For how long something may be due before the page says that the server falls behind, in seconds.
const BEHIND_SECONDS: u64 = 60;

/// Open incidents of one severity.
struct SeverityTile {
    name: &'static str,
    query: &'static str,
    count: u64,
    triggered: u64,
}

/// A webhook that needs attention.
struct Attention {
    id: WebhookId,
    name: String,
    badge: Markup,
    why: String,
    since: Option<Markup>,
    backlog: Backlog,
}

#[derive(Template)]
#[template(path = "overview/dashboard.html")]
struct DashboardPage {
    layout: Layout,
    verdict: Summary,
    severities: Vec<SeverityTile>,
    incidents: Vec<IncidentRow>,
    attention: Vec<Attention>,
    /// How many more webhooks need attention than are shown, if any.
    more_attention: Option<String>,
    day: Day,
    counts: StateCounts,
    webhook_count: usize,
    has_services: bool,
}

/// Whether everything is fine.
pub struct Summary {
    /// `fine`, `warn` or `bad`.
    pub tone: &'static str,
    /// Its mark, by name.
    pub icon: &'static str,
    /// The verdict.
    pub title: String,
    /// More about it.
    pub sentence: String,
}

/// `GET /`
pub async fn page(State(state): State<WebState>, session: UserSession) -> PageResult {
    let now = session.context.now;
    let store = &state.store;
    let open = store.overview.open_incidents(Some(COUNTED_AT_MOST)).await?;
    let activity = store.overview.activity(chart_start(now)).await?;
    let health = store.overview.webhook_health().await?;
    let counts = store.deliveries.counts().await?;
    let incidents = store.overview.most_urgent(None, SHOWN_INCIDENTS).await?;
    let services = store
        .services
        .list(Page {
            limit: 1,
            before: None,
        })
        .await?;
    let mut attention = needs_attention(&health, &failing(&activity, now), now);
    let webhooks = webhooks_in_words(&attention);
    attention.extend(slow(&health, &attention, &activity, now));
    let more = attention.len().saturating_sub(SHOWN_WEBHOOKS);
    attention.truncate(SHOWN_WEBHOOKS);
    render(&DashboardPage {
        layout: Layout::new(&session, "Dashboard", Nav::Dashboard),
        verdict: verdict(&open, webhooks, &counts, now),
        severities: severities(&open),
        incidents: incidents
            .iter()
            .map(|incident| IncidentRow::new(incident, now))
            .collect(),
        attention,
        more_attention: (more > 0).then(|| show::count(more as u64)),
        day: Day::new(&activity, None, now),
        counts,
        webhook_count: health.len(),
        has_services: !services.is_empty(),
    })
}

fn severities(open: &[OpenIncidents]) -> Vec<SeverityTile> {
    let tile = |severity: Severity| {
        let of_it = || open.iter().filter(move |row| row.severity == severity);
        SeverityTile {
            name: match severity {
                Severity::Critical => "Critical",
                Severity::Error => "Error",
                Severity::Warning => "Warning",
                Severity::Info => "Info",
            },
            query: severity.as_str(),
            count: of_it().map(|row| row.count).sum(),
            triggered: of_it()
                .filter(|row| row.status == IncidentStatus::Triggered)
                .map(|row| row.count)
                .sum(),
        }
    };
    Severity::ALL.iter().copied().map(tile).collect()
}

/// Webhooks that somebody should look at: disabled ones by their receiver, degraded ones, those with dead deliveries.
fn needs_attention(
    health: &HashMap<WebhookId, WebhookHealth>,
    failing: &HashSet<WebhookId>,
    now: Timestamp,
) -> Vec<Attention> {
    let mut attention: Vec<_> = health
        .iter()
        .filter_map(|(id, health)| {
            let (order, badge, why, since) = match (&health.state, &health.degraded) {
                (WebhookState::Disabled { since, reason }, _) => (
                    1,
                    show::badge("neutral", "Disabled"),
                    reason.clone(),
                    Some(*since),
                ),
                (WebhookState::Enabled, Some(degraded)) => {
                    let why = degraded.code.advice().to_owned();
                    (0, show::badge("warning", "Degraded"), why, Some(degraded.since))
                }
                (WebhookState::Enabled, None) if failing.contains(id) => {
                    let why = "no attempt of the last hour got through; each is tried again".to_owned();
                    (0, show::badge("warning", "Failing"), why, None)
                }
                (WebhookState::Enabled, None) if health.dead > 0 => {
                    let why = format!(
                        "{} dead: look at why, then replay",
                        deliveries_in_words(health.dead)
                    );
                    (2, show::badge("error", "Dead"), why, None)
                }
                (WebhookState::Enabled, None) => return None,
            };
            let row = Attention {
                id: *id,
                name: health.name.clone(),
                badge,
                why,
                since: since.map(|since| show::when(since, now)),
                backlog: Backlog::new(*id, health, now),
            };
            Some((order, row))
        })
        .collect();
    // The newest webhooks first, as everywhere.
    attention.sort_by_key(|(order, row)| (*order, Reverse(row.id)));
    attention.into_iter().map(|(_, row)| row).collect()
}

/// Webhooks that deliver, but slowly, and need no attention for anything else: flagged, but no reason to be alarmed.
fn slow(
    health: &HashMap<WebhookId, WebhookHealth>,
    known: &[Attention],
    activity: &[Activity],
    now: Timestamp,
) -> Vec<Attention> {
    let is_known = |id: &WebhookId| known.iter().any(|row| row.id == *id);
    let slow = health
        .iter()
        .filter(|(id, _)| !is_known(id))
        .filter_map(|(id, health)| {
            let p95 = Day::new(activity, Some(*id), now).slow_p95()?;
            Some(Attention {
                id: *id,
                name: health.name.clone(),
                badge: show::badge("warning", "Slow"),
                why: format!(
                    "95 % of its attempts take up to {p95}: its receiver should answer at once and work later"
                ),
                since: None,
                backlog: Backlog::new(*id, health, now),
            })
        });
    let mut slow: Vec<_> = slow.collect();
    slow.sort_by_key(|row| Reverse(row.id));
    slow
}

/// Webhooks to which nothing got through lately, although something was tried.
fn failing(activity: &[Activity], now: Timestamp) -> HashSet<WebhookId> {
    let lately = period_of(now).minus(ACTIVITY_PERIOD);
    let recent = || activity.iter().filter(|period| period.period_at >= lately);
    let healthy: HashSet<_> = recent()
        .filter(|period| period.delivered > 0)
        .map(|period| period.webhook_id)
        .collect();
    recent()
        .map(|period| period.webhook_id)
        .filter(|id| !healthy.contains(id))
        .collect()
}

fn deliveries_in_words(count: u64) -> String {
    match count {
        1 => "one delivery is".to_owned(),
        _ => format!("{} deliveries are", show::counted(count)),
    }
}

fn incidents_in_words(count: u64) -> String {
    match count {
        1 => "1 incident is".to_owned(),
        _ => format!("{} incidents are", show::counted(count)),
    }
}

fn webhooks_in_words(attention: &[Attention]) -> String {
    match attention {
        [] => String::new(),
        [one] => format!("The webhook {} needs attention.", one.name),
        several => format!("{} webhooks need attention.", several.len()),
    }
}

/// The verdict; `webhooks` is a sentence about those that need attention, empty if none does.
pub fn verdict(open: &[OpenIncidents], webhooks: String, counts: &StateCounts, now: Timestamp) -> Summary {
    let triggered: u64 = open
        .iter()
        .filter(|row| row.status == IncidentStatus::Triggered)
        .map(|row| row.count)
        .sum();
    let acknowledged = open.iter().map(|row| row.count).sum::<u64>() - triggered;
    let behind_seconds = counts.oldest_due_at.map_or(0, |due| now.since(due).as_secs());
    let (tone, icon, title, sentence) = if triggered > 0 {
        let title = format!("{} waiting for somebody", incidents_in_words(triggered));
        ("bad", "alert", title, webhooks)
    } else if behind_seconds > BEHIND_SECONDS {
        let title = "Deliveries are late".to_owned();
        let sentence = format!("The oldest has been due for {behind_seconds} seconds. {webhooks}");
        ("warn", "clock", title, sentence)
    } else if !webhooks.is_empty() {
        (
            "warn",
            "plug",
            webhooks,
            "Nobody waits for an answer to an incident.".to_owned(),
        )
    } else if acknowledged > 0 {
        let title = format!("{} being worked on", incidents_in_words(acknowledged));
        ("warn", "clock", title, "No webhook needs attention.".to_owned())
    } else {
        let title = "Everything is fine".to_owned();
        (
            "fine",
            "check",
            title,
            "No open incident, and no webhook needs attention.".to_owned(),
        )
    };
    Summary {
        tone,
        icon,
        title,
        sentence,
    }
}

impl DashboardPage {
    /// Deliveries that failed and will be tried again, or wait for such a one.
    fn waiting(&self) -> String {
        show::counted(self.counts.scheduled + self.counts.queued + self.counts.claimed)
    }

    /// Templates pass fields by reference and results by value.
    fn number(number: impl Borrow<u64>) -> String {
        show::count(*number.borrow())
    }

    fn counted(number: impl Borrow<u64>) -> String {
        show::counted(*number.borrow())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(status: IncidentStatus, count: u64) -> OpenIncidents {
        OpenIncidents {
            severity: Severity::Critical,
            status,
            count,
        }
    }

    #[test]
    fn the_verdict_names_the_worst_first() {
        let now = Timestamp::from_millis(1_000_000);
        let quiet = StateCounts::default();
        let title =
            |open: &[OpenIncidents], counts: &StateCounts| verdict(open, String::new(), counts, now).title;
        assert_eq!(title(&[], &quiet), "Everything is fine");
        let acknowledged = open(IncidentStatus::Acknowledged, 1);
        assert_eq!(title(&[acknowledged], &quiet), "1 incident is being worked on");
        let late = StateCounts {
            oldest_due_at: Some(Timestamp::from_millis(900_000)),
            ..quiet
        };
        assert_eq!(title(&[acknowledged], &late), "Deliveries are late");
        let triggered = open(IncidentStatus::Triggered, 2);
        assert_eq!(
            title(&[acknowledged, triggered], &late),
            "2 incidents are waiting for somebody"
        );
    }
}
