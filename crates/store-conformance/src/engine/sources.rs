//! Alert sources: what is set of them, what comes to them, and the incidents that their alerts open.

use std::time::Duration;

use bytes::Bytes;
use model::id::{IncidentId, SourceId, SourceRequestId};
use model::incident::{IncidentAction, IncidentStatus, Severity};
use model::secret::SecretText;
use model::service::ServiceRef;
use model::signal::{AlertKey, Signal, SignalAction};
use model::source::{
    FlapDamping, MAX_SOURCE_REQUESTS, RequestRefusal, RequestResult, SignalOutcome, Source, SourceRequest,
    SourceSettings, StormControl,
};
use model::source_kind::{AlertUnit, SourceKind, SourceOptions};
use model::time::Timestamp;
use store::access::AuditFilter;
use store::incidents::IncidentFilter;
use store::sources::{Arrival, NewSignal, Said, SourceEdit};
use store::{Page, StoreError};

use crate::cases;

use super::world::World;

const NOT_FOUND: StoreError = StoreError::NotFound { what: "alert source" };

fn new_source(world: &World, key: &str) -> Source {
    let at = world.at(0);
    let bits = world.event_id(at);
    Source {
        id: SourceId::from_bytes(*bits.as_bytes()),
        service: ServiceRef {
            id: world.service,
            name: "API Gateway".into(),
        },
        kind: SourceKind::Alertmanager,
        settings: SourceSettings {
            name: format!("Prod {key}"),
            options: SourceOptions {
                alert_unit: AlertUnit::Group,
                mapping: [("title".to_owned(), "body.x".to_owned())].into(),
            },
            storm: StormControl {
                max_alerts: 5,
                window: Duration::from_secs(60),
            },
            flapping: FlapDamping {
                max_changes: 2,
                window: Duration::from_secs(600),
            },
            silent_after: Some(Duration::from_secs(300)),
            is_enabled: true,
        },
        key: SecretText::new(key),
        secret: Some(SecretText::new("hush")),
        created_at: at,
        last_request_at: None,
    }
}

async fn create(world: &World, key: &str) -> Source {
    let created = world
        .store()
        .sources
        .create(new_source(world, key), world.change(world.at(0)));
    created.await.unwrap()
}

fn said(action: SignalAction, key: &str) -> Said {
    let key = AlertKey::new(key).unwrap();
    let title = format!("{} is down", key.as_str());
    Said::BySender(Signal::new(action, key, &title))
}

fn fires_since(world: &World, ms: i64) -> Said {
    let mut signal = Signal::new(Fire, AlertKey::new("db").unwrap(), "db");
    signal.started_at = Some(world.at(ms));
    Said::BySender(signal)
}

fn request(world: &World, source: SourceId, at: Timestamp) -> SourceRequest {
    SourceRequest {
        id: SourceRequestId::from_bytes(*world.event_id(at).as_bytes()),
        source_id: source,
        at,
        method: "POST".into(),
        path: "/v2/enqueue".into(),
        remote_address: "192.0.2.1".into(),
        body: Bytes::from_static(b"\0{}"),
        body_is_truncated: true,
        status: 202,
        result: RequestResult::default(),
    }
}

fn arrival(world: &World, source: SourceId, ms: i64, said: Vec<Said>) -> Arrival {
    let at = world.at(ms);
    let new_signal = |what| NewSignal {
        what,
        incident_id: world.new_trigger("").incident_id,
        event_id: world.event_id(at),
        change: world.change(at),
    };
    Arrival {
        source_id: source,
        at,
        signals: said.into_iter().map(new_signal).collect(),
        request: Some(request(world, source, at)),
    }
}

async fn receive(world: &World, source: SourceId, ms: i64, said: Vec<Said>) -> Vec<SignalOutcome> {
    let arrival = arrival(world, source, ms, said);
    let result = world.store().sources.receive(arrival).await.unwrap();
    result.alerts.into_iter().map(|alert| alert.outcome).collect()
}

async fn status(world: &World, id: IncidentId) -> IncidentStatus {
    world.store().incidents.get(id).await.unwrap().status
}

async fn count_incidents(world: &World) -> usize {
    let filter = IncidentFilter {
        service_id: Some(world.service),
        ..IncidentFilter::default()
    };
    let page = Page {
        limit: 200,
        before: None,
    };
    world
        .store()
        .incidents
        .list(filter, page)
        .await
        .unwrap()
        .rows
        .len()
}

use SignalAction::{Acknowledge, Resolve, Trigger as Fire};

cases! {
    engine::sources;

    async fn a_source_reads_back_as_it_was_created_and_changed(world: &mut World) {
        let sources = &world.store().sources;
        let source = new_source(world, "key-1");
        let created = sources.create(source.clone(), world.change(world.at(0))).await;
        assert_eq!(created.as_ref(), Ok(&source));
        assert_eq!(sources.get(source.id).await, Ok(source.clone()));
        assert_eq!(sources.find(Source::key_hash("key-1")).await, Ok(source.clone()));
        let settings = SourceSettings { name: "Other".into(), silent_after: None, is_enabled: false, ..source.settings.clone() };
        let edit = SourceEdit { settings: Some(settings.clone()), key: Some(SecretText::new("key-2")), secret: Some(None) };
        let changed = Source { settings, key: SecretText::new("key-2"), secret: None, ..source.clone() };
        assert_eq!(sources.update(source.id, edit, world.change(world.at(1))).await, Ok(changed.clone()));
        assert_eq!(sources.find(Source::key_hash("key-1")).await, Err(NOT_FOUND));
        assert_eq!(sources.find(Source::key_hash("key-2")).await, Ok(changed.clone()));
        assert_eq!(sources.list().await, Ok(vec![changed]));
        let service = world.store().services.delete(world.service, world.change(world.at(3))).await;
        assert!(matches!(service, Err(StoreError::InUse { .. })));
        assert_eq!(sources.delete(source.id, world.change(world.at(4))).await, Ok(()));
        assert_eq!(sources.get(source.id).await, Err(NOT_FOUND));
        let late = arrival(world, source.id, 5, vec![said(Fire, "db")]);
        assert_eq!(sources.receive(late).await, Err(NOT_FOUND));
        let audit = world.store().access.list_audit(AuditFilter::default(), Page::first()).await.unwrap().rows;
        let actions: Vec<_> = audit.iter().rev().map(|entry| entry.action.as_str()).collect();
        assert!(actions.ends_with(&["source.create", "source.update", "source.delete"]), "{actions:?}");
    }

    async fn an_alert_opens_one_incident_with_its_deliveries_and_resolves_it(world: &mut World) {
        let source = create(world, "k").await;
        let opened = receive(world, source.id, 1, vec![said(Fire, "db"), said(Fire, "db")]).await;
        let id = opened[0].incident_id().unwrap();
        assert_eq!(opened[1], SignalOutcome::Counted { incident_id: id });
        let incident = world.store().incidents.get(id).await.unwrap();
        assert_eq!(incident.title, "db is down");
        assert_eq!(incident.dedup_key, Some(format!("{}/db", source.id)));
        assert_eq!(world.lane(world.ordered, id).await.len(), 1);
        receive(world, source.id, 2, vec![said(Acknowledge, "db")]).await;
        assert_eq!(status(world, id).await, IncidentStatus::Acknowledged);
        receive(world, source.id, 3, vec![said(Resolve, "db"), said(Resolve, "db")]).await;
        assert_eq!(status(world, id).await, IncidentStatus::Resolved);
        assert_eq!(world.lane(world.ordered, id).await.len(), 3);
        let again = receive(world, source.id, 4, vec![said(Fire, "db")]).await[0].incident_id().unwrap();
        assert_ne!(again, id);
        world.act(again, IncidentAction::Resolve, world.at(5)).await;
        let third = receive(world, source.id, 6, vec![said(Fire, "db")]).await;
        assert!(matches!(third[0], SignalOutcome::Opened { incident_id } if incident_id != again));
        let alerts = world.store().sources.alerts(source.id, None, 10).await.unwrap();
        assert_eq!((alerts.len(), alerts[0].count, alerts[0].is_firing), (1, 1, true));
        assert_eq!(world.store().sources.get(source.id).await.unwrap().last_request_at, Some(world.at(6)));
    }

    async fn a_storm_is_one_incident_with_a_count_a_list_and_an_end(world: &mut World) {
        let source = create(world, "k").await;
        let before = count_incidents(world).await;
        let keys: Vec<String> = (0..40).map(|number| format!("host-{number}")).collect();
        let all = |action: &SignalAction| keys.iter().map(|key| said(action.clone(), key)).collect::<Vec<_>>();
        let outcomes = receive(world, source.id, 1, all(&Fire)).await;
        assert_eq!(count_incidents(world).await, before + 6);
        let storm = outcomes[5].incident_id().unwrap();
        receive(world, source.id, 2, vec![said(Fire, "late")]).await;
        let incident = world.store().incidents.get(storm).await.unwrap();
        let text = incident.description.unwrap();
        assert!(text.starts_with("36 alerts.") && text.contains("- host-5 is down\n"), "{text}");
        let listed = world.store().sources.alerts(source.id, Some(storm), 100).await.unwrap();
        assert_eq!(listed.len(), 36);
        receive(world, source.id, 3, all(&Resolve)).await;
        assert_eq!(status(world, storm).await, IncidentStatus::Triggered);
        let last = receive(world, source.id, 4, vec![said(Resolve, "late")]).await;
        assert_eq!(last, [SignalOutcome::ResolvedInStorm { incident_id: storm }], "it may grow again");
        let due = world.store().sources.due_alerts(world.at(60_003), 10).await.unwrap();
        assert_eq!(due, [(source.id, "late".to_owned())]);
        let ended = receive(world, source.id, 60_003, vec![Said::ByTimer { key: "late".into() }]).await;
        assert_eq!(ended, [SignalOutcome::Resolved { incident_id: storm }]);
        assert_eq!(status(world, storm).await, IncidentStatus::Resolved);
    }

    async fn what_comes_at_the_same_moment_makes_one_incident(world: &mut World) {
        let source = create(world, "k").await;
        let before = count_incidents(world).await;
        let arrivals: Vec<_> = (0..8).map(|_| arrival(world, source.id, 1, vec![said(Fire, "db"), said(Fire, "web")])).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for arrival in arrivals {
            let sources = world.store().sources.clone();
            tasks.spawn(async move { sources.receive(arrival).await.unwrap() });
        }
        let results = tasks.join_all().await;
        let opened: u32 = results.iter().filter_map(|result| result.counts.get("opened")).sum();
        let counted: u32 = results.iter().filter_map(|result| result.counts.get("counted")).sum();
        assert_eq!((opened, counted), (2, 14));
        assert_eq!(count_incidents(world).await, before + 2);
    }

    async fn a_flapping_alert_stays_open_with_a_note_until_the_timer_resolves_it(world: &mut World) {
        let source = create(world, "k").await;
        let steps = [Fire, Resolve, Fire].map(|action| said(action, "db"));
        let opened = receive(world, source.id, 1, steps.to_vec()).await[2].incident_id().unwrap();
        let damped = receive(world, source.id, 2, vec![said(Resolve, "db")]).await;
        assert_eq!(damped, [SignalOutcome::Damped { incident_id: opened }]);
        let repeated = receive(world, source.id, 3, vec![said(Resolve, "db")]).await;
        assert_eq!(repeated[0].as_str(), "ignored");
        let timeline = world.store().incidents.timeline(opened).await.unwrap();
        let notes = format!("{timeline:?}");
        assert!(notes.contains("is flapping"), "{notes}");
        let sources = &world.store().sources;
        assert_eq!(sources.due_alerts(world.at(600_001), 10).await, Ok(vec![]));
        let due = sources.due_alerts(world.at(600_002), 10).await.unwrap();
        assert_eq!(due, [(source.id, "db".to_owned())]);
        let timer = Arrival { request: None, ..arrival(world, source.id, 600_002, vec![Said::ByTimer { key: "db".into() }]) };
        let result = sources.receive(timer).await.unwrap();
        assert_eq!(result.counts["resolved"], 1);
        assert_eq!(status(world, opened).await, IncidentStatus::Resolved);
        assert_eq!(sources.due_alerts(world.at(700_000), 10).await, Ok(vec![]));
    }

    async fn when_the_clock_is_set_back_storms_and_flapping_end_as_early_as_if_it_never_had_been_ahead(world: &mut World) {
        let source = create(world, "k").await;
        let ahead = 3_600_000;
        let storm: Vec<_> = (0..6).map(|number| said(Fire, &format!("host-{number}"))).collect();
        receive(world, source.id, ahead, storm).await;
        let steps = [Resolve, Fire, Resolve].map(|action| said(action, "host-0"));
        let damped = receive(world, source.id, ahead, steps.to_vec()).await;
        assert_eq!(damped[2].as_str(), "damped");
        let queue = &world.store().queue;
        let for_ever = Timestamp::from_millis(i64::MAX);
        queue.shift_schedule(world.at(1), for_ever, -ahead).await.unwrap();
        let after_storm = receive(world, source.id, 60_000, vec![said(Fire, "another")]).await;
        assert_eq!(after_storm[0].as_str(), "opened");
        let due = world.store().sources.due_alerts(world.at(600_000), 10).await.unwrap();
        assert_eq!(due, [(source.id, "host-0".to_owned())]);
    }

    async fn changes_that_were_counted_while_the_clock_was_ahead_do_not_hold_an_alert_open(world: &mut World) {
        let source = create(world, "k").await;
        let ahead = 3_600_000;
        let steps = [Fire, Resolve, Fire].map(|action| said(action, "db"));
        receive(world, source.id, ahead, steps.to_vec()).await;
        let for_ever = Timestamp::from_millis(i64::MAX);
        world.store().queue.shift_schedule(world.at(1), for_ever, -ahead).await.unwrap();
        let resolved = receive(world, source.id, 2, vec![said(Resolve, "db")]).await;
        assert_eq!(resolved[0].as_str(), "resolved");
    }

    async fn the_same_firing_does_not_open_what_a_person_resolved(world: &mut World) {
        let source = create(world, "k").await;
        let opened = receive(world, source.id, 1, vec![fires_since(world, 1)]).await[0].incident_id().unwrap();
        world.act(opened, IncidentAction::Resolve, world.at(2)).await;
        let again = receive(world, source.id, 3, vec![fires_since(world, 1)]).await;
        assert_eq!(again[0].as_str(), "ignored");
        let alerts = world.store().sources.alerts(source.id, None, 10).await.unwrap();
        assert_eq!((alerts[0].count, alerts[0].started_at), (2, Some(world.at(1))));
        let anew = receive(world, source.id, 5, vec![fires_since(world, 4)]).await;
        assert_eq!(anew[0].as_str(), "opened");
    }

    async fn an_alert_that_gets_worse_raises_its_incident_without_an_event(world: &mut World) {
        let source = create(world, "k").await;
        let fires = |severity| {
            let mut signal = Signal::new(Fire, AlertKey::new("db").unwrap(), "db");
            signal.severity = Some(severity);
            vec![Said::BySender(signal)]
        };
        let opened = receive(world, source.id, 1, fires(Severity::Warning)).await[0].incident_id().unwrap();
        receive(world, source.id, 2, fires(Severity::Critical)).await;
        receive(world, source.id, 3, fires(Severity::Info)).await;
        receive(world, source.id, 4, fires(Severity::Critical)).await;
        assert_eq!(world.store().incidents.get(opened).await.unwrap().severity, Severity::Critical);
        assert_eq!(world.lane(world.ordered, opened).await.len(), 1);
        let timeline = format!("{:?}", world.store().incidents.timeline(opened).await.unwrap());
        assert_eq!(timeline.matches("changed the severity from warning to critical").count(), 1, "{timeline}");
        assert_eq!(timeline.matches("changed the severity").count(), 1, "{timeline}");
    }

    async fn the_last_requests_are_kept_with_what_became_of_them(world: &mut World) {
        let source = create(world, "k").await;
        let sources = &world.store().sources;
        let mut refused = arrival(world, source.id, 1, vec![]);
        let refusal = RequestRefusal { code: "request_unreadable".into(), sentence: "no JSON".into() };
        refused.request.as_mut().unwrap().result.refusal = Some(refusal);
        let expected = refused.request.clone().unwrap();
        sources.receive(refused).await.unwrap();
        assert_eq!(sources.requests(source.id).await, Ok(vec![expected]));
        for ms in 2..i64::from(MAX_SOURCE_REQUESTS) + 5 {
            receive(world, source.id, ms, vec![said(Fire, "db")]).await;
        }
        let kept = sources.requests(source.id).await.unwrap();
        assert_eq!(kept.len(), MAX_SOURCE_REQUESTS as usize);
        assert_eq!(kept[0].result.alerts[0].title, "db is down");
        assert_eq!(kept[0].result.counts["counted"], 1);
        assert!(kept.is_sorted_by_key(|request| std::cmp::Reverse(request.at)));
    }

    async fn a_source_that_says_nothing_for_too_long_is_told_of_once_for_each_silence(world: &mut World) {
        let source = create(world, "k").await;
        let sources = &world.store().sources;
        assert_eq!(sources.tell_silent(world.at(299_999), world.at(0)).await, Ok(0));
        assert_eq!(sources.tell_silent(world.at(300_000), world.at(0)).await, Ok(1));
        assert_eq!(sources.tell_silent(world.at(900_000), world.at(0)).await, Ok(0));
        receive(world, source.id, 1_000_000, vec![]).await;
        assert_eq!(sources.tell_silent(world.at(1_200_000), world.at(0)).await, Ok(0));
        assert_eq!(sources.tell_silent(world.at(1_300_000), world.at(1_100_000)).await, Ok(0));
        assert_eq!(sources.tell_silent(world.at(1_300_000), world.at(0)).await, Ok(1));
    }
}
