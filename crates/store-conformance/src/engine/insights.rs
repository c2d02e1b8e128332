//! What is counted of incidents, held against a plain count of the rows themselves.

// What was measured is for people to read.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::id::ServiceId;
use model::incident::{Incident, IncidentAction, Severity};
use model::insight::{Counted, Durations, InsightDay, day_after, day_of};
use model::time::Timestamp;
use store::StoreError;
use store::incidents::{Committed, IncidentEdit, ServiceKey, Trigger};

use crate::{Value, cases};

use super::world::{World, created};

/// By service and name: how many.
type Counts = BTreeMap<(ServiceId, String), i64>;

const HOUR_MS: i64 = 3_600_000;

async fn days(world: &World) -> Vec<InsightDay> {
    let end = Timestamp::from_millis(i64::MAX);
    let overview = &world.store().overview;
    overview.insight_days(Timestamp::EPOCH, end, None).await.unwrap()
}

fn counted(days: &[InsightDay]) -> Counts {
    let mut counts = Counts::new();
    for day in days {
        for (_, counted, count) in day.counts.iter() {
            let name = match counted {
                Counted::Opened(severity) => severity.as_str(),
                Counted::Escalated => "escalated",
                Counted::Acknowledged(_) => "acknowledged",
                Counted::Resolved(_) => "resolved",
            };
            *counts.entry((day.service_id, name.to_owned())).or_default() += count;
        }
    }
    counts
}

/// The same, counted anew out of incidents and events.
async fn plainly_counted(world: &World) -> Counts {
    let sql = "SELECT service_id, severity, count(*) FROM incidents GROUP BY service_id, severity
               UNION ALL SELECT service_id, 'acknowledged', count(*) FROM incidents
                   WHERE acknowledged_at IS NOT NULL GROUP BY service_id
               UNION ALL SELECT service_id, 'resolved', count(*) FROM incidents
                   WHERE resolved_at IS NOT NULL GROUP BY service_id
               UNION ALL SELECT i.service_id, 'escalated', count(*) FROM events e JOIN incidents i ON i.id = e.incident_id
                   WHERE e.name = 'incident.escalated' GROUP BY i.service_id";
    let rows = world.backend.query(sql, &[]).await;
    let count = |row: Vec<Value>| match <[Value; 3]>::try_from(row) {
        Ok([Value::Bytes(id), Value::Text(name), Value::Integer(count)]) => {
            let id = ServiceId::from_bytes(id.try_into().unwrap());
            ((id, name), count)
        }
        other => panic!("unexpected {other:?}"),
    };
    rows.into_iter().map(count).collect()
}

async fn expect_plain_count(world: &World) {
    assert_eq!(counted(&days(world).await), plainly_counted(world).await);
}

/// Folds everything; says how many changes there were.
async fn fold(world: &World) -> u64 {
    let mut folded = 0;
    loop {
        match world.store().upkeep.fold_insights().await.unwrap() {
            0 => return folded,
            count => folded += count,
        }
    }
}

async fn trigger_at(world: &World, title: &str, at: Timestamp) -> Incident {
    let change = world.change(at);
    let trigger = Trigger {
        change,
        ..world.new_trigger(title)
    };
    created(world.store().incidents.trigger(trigger).await.unwrap())
}

async fn set_severity(world: &World, incident: &Incident, severity: Severity, at: Timestamp) {
    let edit = IncidentEdit {
        severity: Some(severity),
        ..IncidentEdit::default()
    };
    let edited = world
        .store()
        .incidents
        .edit(incident.id, edit, world.change(at))
        .await;
    assert_eq!(edited.unwrap().severity, severity);
}

/// Puts in what so many incidents of a service changed in a year, each opened, acknowledged and resolved.
async fn add_year(world: &World, service_id: ServiceId, incidents: i64) {
    let sql = "INSERT INTO insight_changes (id, part, at, service_id, measure, took_ms, count)
               SELECT ?1, n, CAST(?2 AS BIGINT) + n * CAST(?3 AS BIGINT), ?1, ?4,
                   CASE WHEN ?4 = 'critical' THEN 0 ELSE (n * 7919) % 100000000 END, 1
               FROM (WITH RECURSIVE numbers (n) AS (SELECT CAST(?5 AS BIGINT) UNION ALL SELECT n + 1 FROM numbers
                         WHERE n < CAST(?6 AS BIGINT)) SELECT n FROM numbers) all_numbers";
    let apart_ms = 365 * 24 * HOUR_MS / incidents;
    for (place, measure) in (0..).zip(["critical", "acknowledged", "resolved"]) {
        let first = place * incidents;
        let start = world.at(0).as_millis() - first * apart_ms;
        let values = [
            service_id.as_bytes().into(),
            start.into(),
            apart_ms.into(),
            measure.into(),
            first.into(),
            (first + incidents - 1).into(),
        ];
        world.backend.execute(sql, &values).await;
    }
}

cases! {
    engine::insights;

    // With `CHECK_LONG` a million incidents, and how long it took (`--nocapture`).
    async fn a_year_is_folded_into_a_row_for_each_service_and_day(world: &mut World) {
        let (services, incidents) = match std::env::var_os("CHECK_LONG") {
            Some(_) => (20, 50_000),
            None => (2, 730),
        };
        fold(world).await;
        for number in 0..services {
            add_year(world, ServiceId::from_bytes([number + 1; 16]), incidents).await;
        }
        let began_at = Instant::now();
        let folded = fold(world).await;
        let folded_in = began_at.elapsed();
        let began_at = Instant::now();
        let days = days(world).await;
        let read_in = began_at.elapsed();
        assert_eq!(folded, u64::from(services) * 3 * incidents.unsigned_abs());
        let mine = |day: &&InsightDay| day.service_id != world.bystanders.service;
        assert!((365..=366).contains(&(days.iter().filter(mine).count() / usize::from(services))));
        let opened = counted(&days).into_iter().filter(|((id, name), _)| name == "critical" && *id != world.bystanders.service);
        assert_eq!(opened.map(|(_, count)| count).sum::<i64>(), i64::from(services) * incidents);
        let bytes = world.backend.number("SELECT sum(length(counts)) FROM insight_days", &[]).await;
        println!("{folded} changes folded in {folded_in:?}, {} days read in {read_in:?}, {bytes} bytes", days.len());
    }

    async fn whatever_happens_to_incidents_the_counts_are_those_of_a_plain_count(world: &mut World) {
        let first = world.trigger("one").await;
        let second = trigger_at(world, "two", world.at(30 * HOUR_MS)).await;
        trigger_at(world, "three", world.at(31 * HOUR_MS)).await;
        expect_plain_count(world).await;
        for (action, ms) in [
            (IncidentAction::Escalate, 60_000),
            (IncidentAction::Acknowledge, 120_000),
            (IncidentAction::Resolve, HOUR_MS),
            (IncidentAction::Reopen, 2 * HOUR_MS),
        ] {
            world.act(first.id, action, world.at(ms)).await;
            expect_plain_count(world).await;
        }
        world.act(second.id, IncidentAction::Resolve, world.at(40 * HOUR_MS)).await;
        assert!(fold(world).await > 0);
        // Late changes, of what is folded already.
        world.act(first.id, IncidentAction::Resolve, world.at(500 * HOUR_MS)).await;
        set_severity(world, &first, Severity::Info, world.at(501 * HOUR_MS)).await;
        world.act(second.id, IncidentAction::Reopen, world.at(502 * HOUR_MS)).await;
        expect_plain_count(world).await;
        fold(world).await;
        expect_plain_count(world).await;
    }

    async fn folding_changes_nothing_that_anybody_sees(world: &mut World) {
        let first = world.trigger("one").await;
        world.act(first.id, IncidentAction::Resolve, world.at(HOUR_MS)).await;
        trigger_at(world, "two", world.at(30 * HOUR_MS)).await;
        let before = days(world).await;
        fold(world).await;
        assert_eq!(world.backend.number("SELECT count(*) FROM insight_changes", &[]).await, 0);
        assert_eq!(days(world).await, before);
        world.act(first.id, IncidentAction::Reopen, world.at(31 * HOUR_MS)).await;
        let reopened = days(world).await;
        assert_ne!(reopened, before);
        fold(world).await;
        assert_eq!(days(world).await, reopened);
    }

    async fn days_are_read_by_time_and_by_service(world: &mut World) {
        world.trigger("one").await;
        let late = world.at(30 * HOUR_MS);
        trigger_at(world, "two", late).await;
        for _ in 0..2 {
            let overview = &world.store().overview;
            let of_day = overview.insight_days(day_of(late), day_after(day_of(late)), None).await.unwrap();
            let of_service = overview.insight_days(Timestamp::EPOCH, day_after(late), Some(world.service)).await.unwrap();
            let of_other = overview.insight_days(day_of(late), day_after(late), Some(world.bystanders.service)).await;
            assert_eq!(of_day.iter().map(|day| (day.day_at, day.service_id)).collect::<Vec<_>>(), [(day_of(late), world.service)]);
            let begins: Vec<_> = of_service.iter().map(|day| day.day_at).collect();
            assert_eq!(begins, [day_of(world.at(0)), day_of(late)]);
            assert_eq!(of_other.unwrap(), []);
            fold(world).await;
        }
    }

    async fn times_are_read_within_a_twentieth(world: &mut World) {
        for (number, minutes) in [3, 7, 20, 90, 4000].into_iter().enumerate() {
            let incident = world.trigger(&format!("number {number}")).await;
            let at = world.at(minutes * 60_000);
            world.act(incident.id, IncidentAction::Acknowledge, at).await;
        }
        fold(world).await;
        let mut durations = Durations::default();
        for day in days(world).await.iter().filter(|day| day.service_id == world.service) {
            for (_, counted, count) in day.counts.iter() {
                if let Counted::Acknowledged(bin) = counted {
                    durations.add(bin, count);
                }
            }
        }
        for (percent, minutes) in [(50, 20), (90, 4000)] {
            let (read, real) = (durations.percentile(percent).unwrap(), Duration::from_secs(minutes * 60));
            assert!(read.abs_diff(real) <= real / 20, "{read:?} for {real:?}");
        }
    }

    async fn what_does_not_happen_is_not_counted(world: &mut World) {
        let keyed = |title: &str| Trigger { dedup_key: Some("db".into()), ..world.new_trigger(title) };
        let first = created(world.store().incidents.trigger(keyed("first")).await.unwrap());
        let again = world.store().incidents.trigger(keyed("second")).await.unwrap();
        assert_eq!(again, Committed::Unchanged(first.clone()));
        world.act(first.id, IncidentAction::Resolve, world.at(1)).await;
        created(world.store().incidents.trigger(keyed("third")).await.unwrap());
        let reopen = world.new_transition(first.id, IncidentAction::Reopen, world.at(2));
        let refused = world.store().incidents.transition(reopen).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))));
        let unknown = ServiceId::new(world.at(9), [9; 10]);
        let trigger = Trigger { service: ServiceKey::Id(unknown), ..world.new_trigger("nowhere") };
        assert!(world.store().incidents.trigger(trigger).await.is_err());
        expect_plain_count(world).await;
    }
}
