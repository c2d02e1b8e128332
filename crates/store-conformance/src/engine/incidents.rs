//! Triggers, transitions, escalations, edits, and reading incidents.

use model::audit::Actor;
use model::event::EventName;
use model::id::{IncidentId, KeyId, ServiceId, UserId, WebhookId};
use model::incident::{IncidentAction, IncidentStatus, Severity};
use model::incident_number::IncidentNumber;
use model::restriction::Restriction;
use store::Page;
use store::StoreError;
use store::access::AuditFilter;
use store::incident_search::Direction;
use store::incidents::{Committed, IncidentEdit, IncidentFilter, ServiceKey, TimelineKind, Trigger};

use crate::cases;
use crate::settings::samples;

use super::world::{World, changed, created};

cases! {
    engine::incidents;

    async fn a_trigger_makes_an_incident_one_event_and_a_delivery_for_each_webhook(world: &mut World) {
        let trigger = Trigger {
            service: ServiceKey::Name("API Gateway".into()),
            assignee: Some(world.bob),
            description: Some("since noon".into()),
            ..world.new_trigger("Database connection timeout")
        };
        let incident = created(world.store().incidents.trigger(trigger).await.unwrap());
        assert_eq!(world.store().incidents.get(incident.id).await.unwrap(), incident);
        assert_eq!(incident.assignee.as_ref().unwrap().name, "Bob");
        assert_eq!(incident.escalate_at, Some(world.at(5 * 60_000)));
        let events = world.store().events.list_after(3, 10).await.unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].name, events[0].incident_id), (EventName::Triggered, incident.id));
        assert_eq!(world.lane(world.ordered, incident.id).await.len(), 1);
        assert_eq!(world.lane(world.loose, incident.id).await.len(), 1);
        assert_eq!(world.backend.accepted(world.ordered).await, 1);
        assert_eq!(*world.dispatcher.latest_event.lock().unwrap(), events[0].sequence);
        let moved = world.dispatcher.moved.lock().unwrap().clone();
        assert_eq!(moved, [(EventName::Triggered, incident.id)]);
    }

    async fn an_open_incident_with_the_dedup_key_is_returned_without_an_event(world: &mut World) {
        let keyed = |title: &str| Trigger { dedup_key: Some("db".into()), ..world.new_trigger(title) };
        let first = created(world.store().incidents.trigger(keyed("first")).await.unwrap());
        let second = world.store().incidents.trigger(keyed("second")).await.unwrap();
        assert_eq!(second, Committed::Unchanged(first.clone()));
        assert_eq!(world.lane(world.ordered, first.id).await.len(), 1);
        world.act(first.id, IncidentAction::Resolve, world.at(1)).await;
        let third = created(world.store().incidents.trigger(keyed("third")).await.unwrap());
        assert_ne!(third.id, first.id);
        let reopen = world.new_transition(first.id, IncidentAction::Reopen, world.at(2));
        let refused = world.store().incidents.transition(reopen).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))));
    }

    async fn each_incident_has_a_number_that_finds_it_and_repeats_use_up_none(world: &mut World) {
        let keyed = |title: &str| Trigger { dedup_key: Some("db".into()), ..world.new_trigger(title) };
        let first = created(world.store().incidents.trigger(keyed("first")).await.unwrap());
        let again = world.store().incidents.trigger(keyed("again")).await.unwrap();
        assert_eq!(again, Committed::Unchanged(first.clone()));
        let second = world.trigger("second").await;
        world.act(first.id, IncidentAction::Resolve, world.at(1)).await;
        let third = created(world.store().incidents.trigger(keyed("third")).await.unwrap());
        let numbers = [&first, &second, &third].map(|incident| incident.number.unwrap());
        let [one, two, three] = numbers.map(IncidentNumber::get);
        assert_eq!((two - one, three - two), (1, 1));
        for (number, incident) in numbers.into_iter().zip([&first, &second, &third]) {
            assert_eq!(world.store().incidents.find(number).await, Ok(incident.id));
            assert_eq!(world.store().incidents.get(incident.id).await.unwrap().number, Some(number));
        }
        let unknown = IncidentNumber::new(three + 1).unwrap();
        assert_eq!(
            world.store().incidents.find(unknown).await,
            Err(StoreError::NotFound { what: "incident" })
        );
        let events = world.store().events.list_after(0, 100).await.unwrap();
        let of_first: Vec<_> = events.iter().filter(|event| event.incident_id == first.id).collect();
        assert_eq!(of_first.len(), 2);
        assert!(of_first.iter().all(|event| event.incident_number == first.number));
        assert!(!String::from_utf8_lossy(&of_first[0].body).contains("number"));
    }

    async fn a_note_is_on_the_timeline_with_who_wrote_it_and_makes_no_event(world: &mut World) {
        let incident = world.trigger("one").await;
        let before = world.store().events.latest_sequence().await.unwrap();
        let change = world.change(world.at(5));
        let incidents = &world.store().incidents;
        incidents.add_note(incident.id, "first\nsecond".into(), change.clone()).await.unwrap();
        let last = incidents.timeline(incident.id).await.unwrap().pop().unwrap();
        assert_eq!((last.at, last.actor), (change.at, change.actor));
        assert_eq!(last.kind, TimelineKind::Note("first\nsecond".into()));
        assert_eq!(world.store().events.latest_sequence().await, Ok(before));
        assert_eq!(world.backend.audited(&incident.id.to_string()).await, ["incident.note"]);
        let unknown = IncidentId::new(world.at(0), [99; 10]);
        assert_eq!(
            incidents.add_note(unknown, "x".into(), world.change(world.at(6))).await,
            Err(StoreError::NotFound { what: "incident" })
        );
    }

    async fn a_trigger_that_names_what_does_not_exist_changes_nothing(world: &mut World) {
        let unknown_service = ServiceId::new(world.at(9), [9; 10]);
        let triggers = [
            (Trigger { service: ServiceKey::Id(unknown_service), ..world.new_trigger("a") }, "service"),
            (Trigger { service: ServiceKey::Name("api gateway".into()), ..world.new_trigger("b") }, "service"),
            (Trigger { service: ServiceKey::Name("API\0".into()), ..world.new_trigger("nul") }, "service"),
            (Trigger { assignee: Some(UserId::new(world.at(9), [9; 10])), ..world.new_trigger("c") }, "user"),
        ];
        let before = world.store().events.latest_sequence().await.unwrap();
        for (trigger, what) in triggers {
            let result = world.store().incidents.trigger(trigger).await;
            assert_eq!(result, Err(StoreError::UnknownReference { what }));
        }
        assert_eq!(world.store().events.latest_sequence().await, Ok(before));
    }

    async fn each_transition_makes_its_event_and_the_timeline_tells_them(world: &mut World) {
        let incident = world.trigger("one").await;
        for (action, ms) in [
            (IncidentAction::Acknowledge, 1),
            (IncidentAction::Escalate, 2),
            (IncidentAction::Resolve, 3),
            (IncidentAction::Reopen, 4),
        ] {
            let after = changed(world.act(incident.id, action, world.at(ms)).await);
            assert_eq!(world.store().incidents.get(incident.id).await.unwrap(), after);
        }
        let timeline = world.store().incidents.timeline(incident.id).await.unwrap();
        let names: Vec<_> = timeline
            .into_iter()
            .filter_map(|entry| match entry.kind {
                TimelineKind::Event { name, .. } => Some(name),
                TimelineKind::Note(_) => None,
            })
            .collect();
        assert_eq!(
            names,
            [
                EventName::Triggered,
                EventName::Acknowledged,
                EventName::Escalated,
                EventName::Resolved,
                EventName::Reopened
            ]
        );
        assert_eq!(world.backend.accepted(world.loose).await, 5);
    }

    async fn what_a_person_or_a_key_does_to_an_incident_is_in_the_audit_log_once(world: &mut World) {
        let incident = world.trigger("one").await;
        let named = |name: &str| Actor::Key { id: KeyId::new(world.at(0), [1; 10]), name: name.into() };
        let act = async |actor: Actor, action, ms| {
            let mut request = world.new_transition(incident.id, action, world.at(ms));
            request.change.actor = actor;
            world.store().incidents.transition(request).await.unwrap();
        };
        act(named("ci"), IncidentAction::Acknowledge, 1).await;
        act(named("again"), IncidentAction::Acknowledge, 2).await;
        act(Actor::System, IncidentAction::Resolve, 3).await;
        let chat = Actor::Chat { webhook_id: world.ordered, name: "Ada (Slack)".into() };
        act(chat.clone(), IncidentAction::Reopen, 4).await;
        let user = Actor::User { id: world.ann, name: "Ann".into() };
        act(user.clone(), IncidentAction::Escalate, 5).await;
        act(user.clone(), IncidentAction::Resolve, 6).await;
        let log = world.store().access.list_audit(AuditFilter::default(), Page::first()).await.unwrap().rows;
        let of_incident = log.into_iter().rev().filter(|entry| entry.subject == incident.id.to_string());
        let told: Vec<_> = of_incident.map(|entry| (entry.at, entry.actor, entry.action, entry.detail)).collect();
        let line = |ms, actor: &Actor, action: &str, detail: &str| {
            (world.at(ms), actor.clone(), action.to_owned(), detail.to_owned())
        };
        let expected = [
            line(1, &named("ci"), "incident.acknowledge", "acknowledged \"one\" (status: triggered → acknowledged)"),
            line(4, &chat, "incident.reopen", "reopened \"one\" (status: resolved → triggered)"),
            line(5, &user, "incident.escalate", "escalated \"one\" (assignee: nobody → Ann; step: 0 → 1)"),
            line(6, &user, "incident.resolve", "resolved \"one\" (status: triggered → resolved)"),
        ];
        assert_eq!(told, expected);
    }

    async fn what_changes_nothing_or_does_not_apply_makes_no_event(world: &mut World) {
        let incident = world.trigger("one").await;
        let acknowledged = changed(world.act(incident.id, IncidentAction::Acknowledge, world.at(1)).await);
        let before = world.store().events.latest_sequence().await.unwrap();
        assert_eq!(
            world.act(incident.id, IncidentAction::Acknowledge, world.at(2)).await,
            Committed::Unchanged(acknowledged.clone())
        );
        assert_eq!(
            world.act(incident.id, IncidentAction::Reopen, world.at(2)).await,
            Committed::Refused(acknowledged)
        );
        let unknown = IncidentId::new(world.at(0), [99; 10]);
        let request = world.new_transition(unknown, IncidentAction::Resolve, world.at(3));
        assert_eq!(
            world.store().incidents.transition(request).await,
            Err(StoreError::NotFound { what: "incident" })
        );
        assert_eq!(world.store().events.latest_sequence().await, Ok(before));
        assert_eq!(world.lane(world.ordered, incident.id).await.len(), 2);
    }

    async fn an_escalation_fires_once_per_step(world: &mut World) {
        let incident = world.trigger("one").await;
        let incidents = &world.store().incidents;
        let minutes = |count: i64| world.at(count * 60_000);
        let fire = |at| incidents.fire_escalation(incident.id, world.event_id(at), world.change(at));
        assert_eq!(incidents.due_escalations(minutes(4), 10).await.unwrap(), []);
        assert_eq!(incidents.due_escalations(minutes(5), 10).await.unwrap(), [incident.id]);
        assert!(matches!(fire(minutes(4)).await.unwrap(), Committed::Unchanged(_)));
        let first = changed(fire(minutes(5)).await.unwrap());
        assert_eq!(first.assignee.unwrap().id, world.ann);
        assert!(matches!(fire(minutes(5)).await.unwrap(), Committed::Unchanged(_)));
        assert_eq!(incidents.due_escalations(minutes(14), 10).await.unwrap(), []);
        let second = changed(fire(minutes(15)).await.unwrap());
        assert_eq!(second.assignee.unwrap().id, world.bob);
        assert!(matches!(fire(minutes(99)).await.unwrap(), Committed::Unchanged(_)));
        assert_eq!(world.lane(world.ordered, incident.id).await.len(), 3);
    }

    async fn an_edit_leaves_a_note_and_makes_no_event(world: &mut World) {
        let incident = world.trigger("one").await;
        let before = world.store().events.latest_sequence().await.unwrap();
        let edit = IncidentEdit {
            title: Some("two".into()),
            severity: Some(Severity::Info),
            description: Some(Some("more".into())),
            assignee: Some(Some(world.ann)),
        };
        let incidents = &world.store().incidents;
        let edited = incidents.edit(incident.id, edit.clone(), world.change(world.at(1))).await.unwrap();
        assert_eq!((edited.title.as_str(), edited.severity), ("two", Severity::Info));
        assert_eq!(incidents.get(incident.id).await.unwrap(), edited);
        assert_eq!(incidents.edit(incident.id, edit, world.change(world.at(2))).await.unwrap(), edited);
        let timeline = incidents.timeline(incident.id).await.unwrap();
        assert_eq!(timeline.len(), 2);
        assert_eq!(timeline[1].actor, Actor::System);
        assert!(matches!(&timeline[1].kind, TimelineKind::Note(sentence) if sentence.contains("from \"one\" to \"two\"") && sentence.contains("assigned it to Ann")));
        assert_eq!(world.backend.audited(&incident.id.to_string()).await, [r"incident.edit"]);
        assert_eq!(world.store().events.latest_sequence().await, Ok(before));
        let nobody = IncidentEdit {
            assignee: Some(Some(UserId::new(world.at(9), [9; 10]))),
            ..IncidentEdit::default()
        };
        assert_eq!(
            incidents.edit(incident.id, nobody, world.change(world.at(3))).await,
            Err(StoreError::UnknownReference { what: "user" })
        );
    }

    async fn incidents_are_listed_newest_first_by_filter_and_page(world: &mut World) {
        let first = world.trigger("Ärger with DNS").await;
        let second = world.trigger("dns again 100%").await;
        let third = world.trigger("disk").await;
        world.act(third.id, IncidentAction::Resolve, world.at(1)).await;
        let list = async |filter: IncidentFilter, page| {
            let incidents = world.store().incidents.list(filter, page).await.unwrap().rows;
            incidents.into_iter().map(|incident| incident.id).collect::<Vec<_>>()
        };
        let ours = || IncidentFilter { service_id: Some(world.service), ..IncidentFilter::default() };
        let of_text = |text: &str| IncidentFilter { text: Some(text.into()), ..ours() };
        assert_eq!(list(ours(), Page::first()).await, [third.id, second.id, first.id]);
        let one = Page { limit: 1, before: Some(*third.id.as_bytes()) };
        assert_eq!(list(ours(), one).await, [second.id]);
        assert_eq!(list(of_text("DNS"), Page::first()).await, [second.id, first.id]);
        assert_eq!(list(of_text("äRGER"), Page::first()).await, [first.id]);
        assert_eq!(list(of_text("0%"), Page::first()).await, [second.id]);
        let open = vec![IncidentStatus::Triggered, IncidentStatus::Acknowledged];
        let open = IncidentFilter { statuses: open, severity: Some(Severity::Critical), ..ours() };
        assert_eq!(list(open, Page::first()).await, [second.id, first.id]);
        let assigned = IncidentEdit { assignee: Some(Some(world.bob)), ..IncidentEdit::default() };
        world.store().incidents.edit(second.id, assigned, world.change(world.at(2))).await.unwrap();
        let nobodys = IncidentEdit { assignee: Some(None), ..IncidentEdit::default() };
        for id in [first.id, third.id] {
            world.store().incidents.edit(id, nobodys.clone(), world.change(world.at(2))).await.unwrap();
        }
        assert_eq!(list(IncidentFilter { assignee: Some(world.bob), ..ours() }, Page::first()).await, [second.id]);
        assert_eq!(list(IncidentFilter { assignee: Some(world.ann), ..ours() }, Page::first()).await, []);
        let resolved = IncidentFilter { statuses: vec![IncidentStatus::Resolved], ..IncidentFilter::default() };
        let page = Page { limit: 1, before: None };
        assert_eq!(list(resolved, page).await, [third.id]);
    }

    async fn incidents_are_searched_by_service_dedup_key_number_and_the_beginning_of_an_id(world: &mut World) {
        let keyed = Trigger { dedup_key: Some("DB-pool/7".into()), ..world.new_trigger("one") };
        let first = created(world.store().incidents.trigger(keyed).await.unwrap());
        let second = world.trigger("two").await;
        let found = async |text: &str| {
            let filter = IncidentFilter { service_id: Some(world.service), ..IncidentFilter::default() };
            let filter = filter.searched(Some(text));
            let rows = world.store().incidents.list(filter, Page::first()).await.unwrap().rows;
            rows.into_iter().map(|incident| incident.id).collect::<Vec<_>>()
        };
        assert_eq!(found("db-POOL").await, [first.id]);
        assert_eq!(found(&second.service.name.to_uppercase()).await, [second.id, first.id]);
        assert_eq!(found(&first.number.unwrap().to_string()).await, [first.id]);
        assert_eq!(found(&second.id.to_string()).await, [second.id]);
        assert_eq!(found(&second.id.to_string()[..8]).await, [second.id, first.id]);
        assert_eq!(found("inc_ffff").await, []);
        assert_eq!(found("nothing of that").await, []);
        let without = IncidentFilter { except: Some(second.id), text: Some("t".into()), ..IncidentFilter::default() };
        let rows = world.store().incidents.list(without, Page::first()).await.unwrap().rows;
        assert!(rows.iter().all(|incident| incident.id != second.id));
        let incidents = &world.store().incidents;
        assert_eq!(incidents.find_open("DB-pool/7".into()).await, Ok(Some(first.id)));
        assert_eq!(incidents.find_open("db-pool/7".into()).await, Ok(None));
        assert_eq!(incidents.find_open("DB-pool/7\0".into()).await, Ok(None));
        world.act(first.id, IncidentAction::Resolve, world.at(1)).await;
        assert_eq!(incidents.find_open("DB-pool/7".into()).await, Ok(None));
    }

    async fn a_list_is_read_in_both_directions(world: &mut World) {
        let mut ids = Vec::new();
        for title in ["one", "two", "three", "four"] {
            ids.push(world.trigger(title).await.id);
        }
        let list = async |text: Option<&str>, limit, before: Option<IncidentId>| {
            let filter = IncidentFilter {
                service_id: Some(world.service),
                direction: Direction::OldestFirst,
                text: text.map(str::to_owned),
                ..IncidentFilter::default()
            };
            let page = Page { limit, before: before.map(|id| *id.as_bytes()) };
            let listed = world.store().incidents.list(filter, page).await.unwrap();
            let found: Vec<_> = listed.rows.into_iter().map(|incident| incident.id).collect();
            (found, listed.next)
        };
        assert_eq!(list(None, 50, None).await, (ids.clone(), None));
        assert_eq!(list(None, 2, None).await, (ids[..2].to_vec(), Some(*ids[1].as_bytes())));
        assert_eq!(list(None, 2, Some(ids[1])).await, (ids[2..].to_vec(), Some(*ids[3].as_bytes())));
        assert_eq!(list(None, 2, Some(ids[3])).await, (vec![], None));
        assert_eq!(list(Some("o"), 50, Some(ids[0])).await, (vec![ids[1], ids[3]], None));
    }

    async fn incidents_are_counted_by_status_as_a_filter_asks(world: &mut World) {
        let ids = [world.trigger("one").await.id, world.trigger("two").await.id, world.trigger("three").await.id];
        world.act(ids[0], IncidentAction::Resolve, world.at(1)).await;
        world.act(ids[1], IncidentAction::Acknowledge, world.at(1)).await;
        let edit = IncidentEdit { severity: Some(Severity::Info), ..IncidentEdit::default() };
        world.store().incidents.edit(ids[2], edit, world.change(world.at(2))).await.unwrap();
        let count = async |filter: IncidentFilter| {
            let counts = world.store().incidents.count(filter).await.unwrap();
            assert!(!counts.open_is_cut && !counts.resolved_is_cut);
            (counts.triggered, counts.acknowledged, counts.resolved)
        };
        let ours = || IncidentFilter { service_id: Some(world.service), ..IncidentFilter::default() };
        assert_eq!(count(ours()).await, (1, 1, 1));
        let resolved = IncidentFilter { statuses: vec![IncidentStatus::Resolved], ..ours() };
        assert_eq!(count(resolved).await, (1, 1, 1));
        assert_eq!(count(IncidentFilter { severity: Some(Severity::Info), ..ours() }).await, (1, 0, 0));
        let restriction = Restriction::new(vec![world.bystanders.service], None);
        assert_eq!(count(IncidentFilter { restriction, ..ours() }).await, (0, 0, 0));
        let everywhere = count(IncidentFilter::default()).await;
        assert!(everywhere.0 + everywhere.1 + everywhere.2 > 3);
    }

    async fn acknowledged_incidents_are_found_by_service_severity_text_and_page(world: &mut World) {
        let mut ids = Vec::new();
        for title in ["disk", "dns", "disk again", "resolved", "triggered"] {
            ids.push(world.trigger(title).await.id);
        }
        for id in &ids[..4] {
            world.act(*id, IncidentAction::Acknowledge, world.at(1)).await;
        }
        world.act(ids[3], IncidentAction::Resolve, world.at(2)).await;
        let acknowledged = || IncidentFilter { statuses: vec![IncidentStatus::Acknowledged], ..IncidentFilter::default() };
        let list = async |filter: IncidentFilter, page| {
            let incidents = world.store().incidents.list(filter, page).await.unwrap().rows;
            incidents.into_iter().map(|incident| incident.id).collect::<Vec<_>>()
        };
        let all = [ids[2], ids[1], ids[0]];
        assert_eq!(list(acknowledged(), Page::first()).await, all);
        assert_eq!(list(acknowledged(), Page { limit: 1, before: Some(*ids[2].as_bytes()) }).await, [ids[1]]);
        let of = |service_id| IncidentFilter { service_id: Some(service_id), ..acknowledged() };
        assert_eq!(list(of(world.service), Page::first()).await, all);
        assert_eq!(list(of(world.bystanders.service), Page::first()).await, []);
        let restriction = Restriction::new(vec![world.bystanders.service], None);
        assert_eq!(list(IncidentFilter { restriction, ..acknowledged() }, Page::first()).await, []);
        let text = Some("DISK".into());
        assert_eq!(list(IncidentFilter { text, ..acknowledged() }, Page::first()).await, [ids[2], ids[0]]);
        let info = Some(Severity::Info);
        assert_eq!(list(IncidentFilter { severity: info, ..acknowledged() }, Page::first()).await, []);
    }

    async fn a_restricted_reader_is_shown_incidents_of_its_services_only(world: &mut World) {
        let first = world.trigger("one").await.id;
        let second = world.trigger("two").await.id;
        let (ours, other) = (world.service, world.bystanders.service);
        let list = async |services: Vec<ServiceId>, service_id, page| {
            let restriction = Restriction::new(services, None);
            let filter = IncidentFilter { service_id, restriction, ..IncidentFilter::default() };
            let incidents = world.store().incidents.list(filter, page).await.unwrap().rows;
            incidents.into_iter().map(|incident| incident.id).collect::<Vec<_>>()
        };
        let foreign = list(vec![other], None, Page::first()).await;
        assert!(!foreign.is_empty() && !foreign.contains(&first));
        assert_eq!(list(vec![ours], None, Page::first()).await, [second, first]);
        assert_eq!(list(vec![ours], Some(other), Page::first()).await, []);
        assert_eq!(list(vec![ours, other], Some(other), Page::first()).await, foreign);
        let page = Page { limit: 1, before: Some(*second.as_bytes()) };
        assert_eq!(list(vec![ours], None, page).await, [first]);
        let both = list(vec![ours, other], None, Page::first()).await;
        assert_eq!(both[..2], [second, first]);
        assert_eq!(both[2..], foreign);
    }

    async fn incidents_are_listed_by_when_they_were_triggered(world: &mut World) {
        let mut ids = Vec::new();
        for ms in [10, 20, 30] {
            let mut trigger = world.new_trigger("some");
            (trigger.incident_id, trigger.change) = (IncidentId::new(world.at(ms), [9; 10]), world.change(world.at(ms)));
            ids.push(created(world.store().incidents.trigger(trigger).await.unwrap()).id);
        }
        let list = async |since: Option<i64>, until: Option<i64>, before: Option<IncidentId>| {
            let [since, until] = [since, until].map(|ms| ms.map(|ms| world.at(ms)));
            let filter = IncidentFilter { since, until, service_id: Some(world.service), ..IncidentFilter::default() };
            let page = Page { limit: 50, before: before.map(|id| *id.as_bytes()) };
            let incidents = world.store().incidents.list(filter, page).await.unwrap().rows;
            incidents.into_iter().map(|incident| incident.id).collect::<Vec<_>>()
        };
        assert_eq!(list(Some(10), Some(30), None).await, [ids[1], ids[0]]);
        assert_eq!(list(Some(11), None, None).await, [ids[2], ids[1]]);
        assert_eq!(list(None, Some(10), None).await, []);
        assert_eq!(list(Some(10), Some(31), Some(ids[1])).await, [ids[0]]);
        assert_eq!(list(Some(10), Some(20), Some(ids[2])).await, [ids[0]]);
    }

    async fn webhooks_that_are_made_later_get_the_next_event_wherever_their_ids_lie(world: &mut World) {
        let before = world.trigger("before").await;
        let (early, late) = (WebhookId::new(world.at(-5), [50; 10]), WebhookId::new(world.at(5), [50; 10]));
        let make = async |id: WebhookId, services: Vec<ServiceId>| {
            let (settings, secrets) = (samples::settings("made later", services), samples::secrets("s"));
            let webhooks = &world.store().webhooks;
            webhooks.create(id, settings, secrets, samples::enabled(), world.change(world.at(1))).await
        };
        for id in [late, early] {
            assert_eq!(make(id, vec![world.service]).await.unwrap().id, id);
        }
        let unknown = StoreError::UnknownReference { what: "service" };
        let refused = WebhookId::new(world.at(6), [50; 10]);
        assert_eq!(make(refused, vec![ServiceId::new(world.at(0), [99; 10])]).await, Err(unknown));
        let incident = world.trigger("after").await;
        for id in [early, late, world.ordered, world.loose] {
            assert_eq!(world.lane(id, incident.id).await.len(), 1);
        }
        assert_eq!(world.lane(refused, incident.id).await, []);
        assert_eq!(world.lane(late, before.id).await, []);
        world.store().webhooks.delete(early, world.change(world.at(2))).await.unwrap();
        let last = world.trigger("last").await;
        assert_eq!(world.lane(early, last.id).await, []);
        assert_eq!(world.lane(late, last.id).await.len(), 1);
    }

    async fn a_webhook_that_drops_while_disabled_gets_nothing(world: &mut World) {
        let (id, service) = (model::id::WebhookId::new(world.at(0), [50; 10]), world.service);
        world
            .restart_as(2, async |backend| {
                let webhook = super::rows::WebhookRow {
                    id,
                    name: "dropping",
                    services: vec![service],
                    ordering: "incident",
                    when_disabled: "drop",
                };
                backend.insert_webhook(webhook).await;
                backend.disable_webhook(id).await;
            })
            .await;
        let incident = world.trigger("one").await;
        assert_eq!(world.lane(id, incident.id).await, []);
        assert_eq!(world.lane(world.ordered, incident.id).await.len(), 1);
    }
}
