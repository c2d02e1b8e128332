//! Exactly one ticket per incident, whatever becomes of requests and answers.

use std::time::Duration;

use serde_json::json;

use super::{Desk, KINDS};
use crate::support::broken_tls::{Breakage, TlsRelay};
use crate::support::platform::Platform;

/// Lets an hour pass in steps, so that whatever is planned happens.
async fn an_hour(desk: &Desk) {
    for _ in 0..120 {
        desk.app.advance(Duration::from_secs(30));
        desk.app.quiesce().await;
    }
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_looked_for_and_not_repeated() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        warm_up(&desk).await;
        desk.system.fail_next("lost");
        let incident = desk.app.trigger("answer lost").await;
        an_hour(&desk).await;
        desk.settle(2).await;
        desk.expect_linked(&incident, 2).await;
    }
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_in_tls_that_breaks_is_looked_for_and_not_repeated() {
    for (kind, breakage) in KINDS
        .into_iter()
        .flat_map(|kind| Breakage::ALL.map(|how| (kind, how)))
    {
        let (desk, relay) = desk_behind_tls(kind).await;
        relay.break_next(breakage);
        let incident = desk.app.trigger("answer lost").await;
        an_hour(&desk).await;
        desk.settle(2).await;
        assert!(relay.has_broken(), "{kind}: no answer was lost");
        let creates = desk.creates();
        assert_eq!(creates, 2, "{kind}, {breakage:?}: {}", desk.story().await);
        desk.expect_linked(&incident, 2).await;
    }
}

#[tokio::test]
async fn a_create_whose_handshake_breaks_is_made_at_the_next_attempt_without_a_look() {
    for kind in KINDS {
        let (desk, relay) = desk_behind_tls(kind).await;
        relay.break_next_handshake();
        let incident = desk.app.trigger("never left").await;
        for _ in 0..4 {
            desk.app.quiesce().await;
            desk.app.advance(Duration::from_secs(30));
        }
        desk.app.quiesce().await;
        assert!(relay.has_broken(), "{kind}: no handshake was broken");
        let delivered = desk.app.deliveries("status=delivered").await.len();
        assert_eq!(delivered, 2, "{kind}: {}", desk.story().await);
        desk.expect_linked(&incident, 2).await;
    }
}

/// A desk that has made a ticket, and reaches its system over TLS.
async fn desk_behind_tls(kind: &'static str) -> (Desk, TlsRelay) {
    let system = Platform::start(kind).await;
    let relay = TlsRelay::start(system.socket_address()).await;
    let url = simulators::simulator(kind).unwrap().url(&relay.address);
    let way = (url.as_str(), json!({"caPem": relay.ca_pem}));
    let desk = Desk::start_behind(kind, json!({}), system, way).await;
    warm_up(&desk).await;
    (desk, relay)
}

#[tokio::test]
async fn a_create_that_never_arrived_is_made_once_the_search_can_be_believed() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        warm_up(&desk).await;
        desk.system.fail_next("lost_before");
        let incident = desk.app.trigger("never arrived").await;
        an_hour(&desk).await;
        desk.settle(2).await;
        desk.expect_linked(&incident, 2).await;
    }
}

#[tokio::test]
async fn a_search_that_lags_is_waited_out() {
    let desk = Desk::start("jira", json!({})).await;
    warm_up(&desk).await;
    desk.system.fail_next("lag");
    desk.system.fail_next("lost");
    let incident = desk.app.trigger("found late").await;
    an_hour(&desk).await;
    desk.settle(2).await;
    desk.expect_linked(&incident, 2).await;
}

#[tokio::test]
async fn an_answer_that_holds_every_ticket_is_not_taken_for_ours() {
    let faults = [
        ("jira", "search_everything"),
        ("servicenow", "ignores_query"),
        ("github", "ignores_query"),
        ("gitlab", "ignores_query"),
    ];
    for (kind, fault) in faults {
        let desk = Desk::start(kind, json!({})).await;
        let first = warm_up(&desk).await;
        desk.system.fail_next("lost_before");
        desk.system.fail_next(fault);
        let incident = desk.app.trigger("not that one").await;
        an_hour(&desk).await;
        desk.settle(2).await;
        let (mine, other) = (desk.link(&incident).await, desk.link(&first).await);
        assert_ne!(
            mine["ticket"]["key"],
            other["ticket"]["key"],
            "{}",
            desk.story().await
        );
        assert_eq!(desk.tickets().len(), 2, "{:#?}", desk.tickets());
    }
}

#[tokio::test]
async fn of_two_tickets_the_older_stays_and_the_other_is_closed() {
    let desk = Desk::start("jira", json!({})).await;
    warm_up(&desk).await;
    // Made, not answered, and not found for longer than a search is believed to lag: a second one is made.
    desk.system.fail_next("lost");
    desk.system.fail_next("long_lag");
    let incident = desk.app.trigger("made twice").await;
    an_hour(&desk).await;
    desk.settle(2).await;
    let twice: Vec<_> = desk
        .tickets()
        .into_iter()
        .filter(|text| text.contains("made twice"))
        .collect();
    assert_eq!(
        twice.len(),
        2,
        "the fault did not lead to a second ticket: {}",
        desk.story().await
    );
    an_hour(&desk).await;
    let link = desk.link(&incident).await;
    let key = link["ticket"]["key"].as_str().unwrap().to_owned();
    let texts = desk.tickets();
    let older = texts.iter().find(|text| text.contains("made twice")).unwrap();
    assert!(older.starts_with(&key), "{key} is not the older: {texts:#?}");
    let newer = texts.iter().rfind(|text| text.contains("made twice")).unwrap();
    assert!(newer.to_lowercase().contains("duplicate"), "{newer}");
    let timeline = desk.incident(&incident).await["timeline"].to_string();
    assert!(timeline.contains(&key), "{timeline}");
}

#[tokio::test]
async fn an_incident_follows_its_ticket_at_once_though_others_made_with_it_are_looked_for() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        desk.let_it_call().await;
        warm_up(&desk).await;
        // Made twice, as far as anybody knows.
        desk.system.fail_next("lost_before");
        let incident = desk.app.trigger("closed soon").await;
        while desk.app.deliveries("status=delivered").await.len() < 2 {
            desk.app.advance(Duration::from_secs(30));
            desk.app.quiesce().await;
        }
        desk.move_ticket(&incident, "done").await;
        // No time passes.
        let is_resolved = async || desk.incident(&incident).await["status"] == "resolved";
        desk.until(&format!("{kind} is followed"), is_resolved).await;
    }
}

#[tokio::test]
async fn two_webhooks_at_one_place_keep_their_tickets_apart() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let second = json!({"name": "second desk", "kind": kind, "options": super::needed(kind)});
        desk.app.create_webhook(&desk.system.url, second).await;
        desk.app.trigger("learn who we are").await;
        desk.settle(2).await;
        // One of the two creates gets no answer, and must not take the other's ticket for its own.
        desk.system.fail_next("lost_before");
        let incident = desk.app.trigger("two desks").await;
        an_hour(&desk).await;
        desk.settle(4).await;
        let links = desk.incident(&incident).await["links"].clone();
        let key = |index: usize| links[index]["ticket"]["key"].as_str().unwrap().to_owned();
        assert_ne!(key(0), key(1), "{}", desk.story().await);
        assert_eq!(desk.tickets().len(), 4, "{:#?}", desk.tickets());
    }
}

/// An ordinary incident, so that what is learned about the system once is known. Its id.
async fn warm_up(desk: &Desk) -> String {
    let incident = desk.app.trigger("an ordinary one").await;
    desk.settle(1).await;
    incident
}
