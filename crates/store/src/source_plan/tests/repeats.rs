//! What senders say again, and what gets worse.

use super::*;

#[test]
fn a_flapping_alert_ends_though_its_sender_says_each_minute_that_it_is_over() {
    let mut source = TestSource::new();
    for action in [Fire, Resolve, Fire, Resolve, Fire, Resolve] {
        source.say(&action, &["db"]);
    }
    for _ in 0..9 {
        source.wait(60);
        assert_eq!(words(&source.say(&Resolve, &["db"])), ["ignored"]);
    }
    source.wait(60);
    assert_eq!(words(&source.time_out("db")), ["resolved"]);
}

#[test]
fn a_flapping_alert_that_fires_again_waits_anew_for_its_end() {
    let mut source = TestSource::new();
    for action in [Fire, Resolve, Fire, Resolve, Fire, Resolve] {
        source.say(&action, &["db"]);
    }
    source.wait(300);
    assert_eq!(words(&source.say(&Fire, &["db"])), ["counted"]);
    source.wait(300);
    assert_eq!(words(&source.time_out("db")), ["ignored"]);
    assert_eq!(words(&source.say(&Resolve, &["db"])), ["damped"]);
    source.wait(600);
    assert_eq!(words(&source.time_out("db")), ["resolved"]);
}

#[test]
fn the_last_alert_of_a_storm_that_is_said_to_be_over_again_and_again_does_not_flap() {
    let mut source = TestSource::new();
    source.say(&Fire, &["a", "b", "c"]);
    assert_eq!(words(&source.say(&Resolve, &["c"])), ["resolved_in_storm"]);
    for _ in 0..9 {
        assert_eq!(words(&source.say(&Resolve, &["c"])), ["ignored"]);
    }
    let alert = source
        .before
        .alerts
        .iter()
        .find(|alert| alert.key == "c")
        .unwrap();
    assert_eq!((alert.changes, alert.is_flapping), (1, false));
}

#[test]
fn what_a_person_resolved_is_not_opened_by_the_same_firing_sent_again() {
    let mut source = TestSource::new();
    let began = source.now;
    assert_eq!(source.fires_since(began, "db"), "opened");
    let first = source.before.alerts[0].incident_id;
    source.set(first, IncidentStatus::Resolved);
    source.wait(60);
    assert_eq!(source.fires_since(began, "db"), "ignored");
    assert_eq!(source.fires_since(began, "db"), "ignored");
    assert_eq!(source.before.alerts[0].last_at, source.now);
    let later = source.now;
    assert_eq!(source.fires_since(later, "db"), "opened");
    let second = source.before.alerts[0].incident_id;
    assert_ne!(first, second);
    source.set(second, IncidentStatus::Resolved);
    assert_eq!(words(&source.say(&Resolve, &["db"])), ["ignored"]);
    assert_eq!(
        source.fires_since(later.plus(Duration::from_secs(1)), "db"),
        "opened"
    );
}

#[test]
fn an_alert_that_gets_worse_raises_its_incident_once_and_never_lowers_it() {
    use Severity::{Critical, Info, Warning};
    let mut source = TestSource::new();
    let opened = source.fires_as_bad_as(Warning, "db");
    assert_eq!(opened.raises, []);
    let incident_id = opened.outcomes[0].2.incident_id().unwrap();
    let raised = source.fires_as_bad_as(Critical, "db").raises;
    let raised: Vec<_> = raised
        .iter()
        .map(|raise| (raise.incident_id, raise.severity))
        .collect();
    assert_eq!(raised, [(incident_id, Critical)]);
    assert_eq!(source.fires_as_bad_as(Critical, "db").raises, []);
    assert_eq!(source.fires_as_bad_as(Info, "db").raises, []);
    assert_eq!(source.fires_as_bad_as(Critical, "db").raises, []);
}

#[test]
fn a_storm_is_as_bad_as_its_worst_alert() {
    use Severity::{Critical, Info, Warning};
    let mut source = TestSource::new();
    source.before.source.settings.storm.max_alerts = 1;
    source.fires_as_bad_as(Info, "a");
    let storm = source.fires_as_bad_as(Warning, "b");
    assert!(matches!(&storm.effects[..], [Effect::Trigger(trigger)] if trigger.severity == Warning));
    let grown = source.fires_as_bad_as(Critical, "c");
    assert_eq!(grown.effects, []);
    assert_eq!(grown.raises[0].severity, Critical);
}

#[test]
fn what_a_person_resolved_stays_so_though_its_sender_was_away_for_longer_than_the_alert_lasts() {
    let mut source = TestSource::new();
    let began = source.now;
    source.fires_since(began, "db");
    let first = source.before.alerts[0].incident_id;
    source.set(first, IncidentStatus::Resolved);
    source.before.alerts[0].resolve_at = Some(source.now);
    assert_eq!(words(&source.time_out("db")), ["ignored"]);
    assert_eq!(source.before.alerts[0].resolve_at, None);
    assert_eq!(source.fires_since(began, "db"), "ignored");
    source.wait(60);
    let later = source.now;
    assert_eq!(source.fires_since(later, "db"), "opened");
}

#[test]
fn what_nobody_resolved_opens_anew_when_its_sender_comes_back() {
    let mut source = TestSource::new();
    let began = source.now;
    source.fires_since(began, "db");
    source.before.alerts[0].resolve_at = Some(source.now);
    assert_eq!(words(&source.time_out("db")), ["resolved"]);
    assert_eq!(source.fires_since(began, "db"), "opened");
}
