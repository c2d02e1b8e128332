//! A server after a believable day: incidents in every state, receivers that are well, fail and are switched off. For
//! screenshots, and for looking at pages as they are when there is something to see.

use std::iter::repeat_n;
use std::time::Duration;

use model::access::Role;
use model::audit::Actor;
use model::passkey::{Credential, Passkey};
use serde_json::json;

use super::people::{begin_session, create_user};
use super::sample::{Sample, act_path, create, create_inbox, make_link};
use crate::support::platform::Platform;
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::test_app::{Names, TestApp, text};

/// The clock moves in steps of so many minutes.
const STEP_MINUTES: u64 = 5;
const DAY_MINUTES: u64 = 24 * 60;
/// When the old system is switched off, in minutes since the day began.
const OLD_SYSTEM_OFF: u64 = 600;
const BUSY: Reply = Reply::Raw(
    "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 31\r\n\r\n\
     {\"error\":\"ingest is read-only\"}",
);
const ALL_EVENTS: [&str; 5] = [
    "incident.triggered",
    "incident.acknowledged",
    "incident.escalated",
    "incident.resolved",
    "incident.reopened",
];

/// One incident of the day: minute, title, severity, service, and what was done about it how many minutes later.
type Told = (
    u64,
    &'static str,
    &'static str,
    &'static str,
    &'static [(u64, &'static str)],
);

const DAY: [Told; 12] = [
    (
        20,
        "Nightly export to the warehouse is late",
        "warning",
        "Data Warehouse",
        &[(35, "acknowledge"), (110, "resolve")],
    ),
    (
        95,
        "Search latency above 800 ms (p95)",
        "warning",
        "Search",
        &[(10, "acknowledge"), (50, "resolve")],
    ),
    (
        210,
        "TLS certificate of api.example.com expires in 7 days",
        "info",
        "API Gateway",
        &[(400, "resolve")],
    ),
    (
        340,
        "Checkout error rate above 2 %",
        "error",
        "Checkout",
        &[(5, "acknowledge"), (30, "resolve")],
    ),
    (
        415,
        "Disk 91 % full on db-replica-2",
        "warning",
        "Payments",
        &[(10, "acknowledge"), (75, "resolve")],
    ),
    (
        530,
        "Payment provider answers slowly",
        "error",
        "Payments",
        &[(15, "escalate"), (20, "acknowledge"), (95, "resolve")],
    ),
    (
        700,
        "Login e-mails are delayed",
        "warning",
        "API Gateway",
        &[(20, "acknowledge"), (65, "resolve")],
    ),
    (
        845,
        "Elevated 502 rate in eu-west",
        "critical",
        "API Gateway",
        &[
            (5, "acknowledge"),
            (40, "resolve"),
            (70, "reopen"),
            (75, "acknowledge"),
            (130, "resolve"),
        ],
    ),
    (
        1100,
        "Queue of the invoice worker grows",
        "warning",
        "Payments",
        &[(25, "acknowledge")],
    ),
    (
        1290,
        "Search index is 40 minutes behind",
        "error",
        "Search",
        &[(10, "acknowledge")],
    ),
    (
        1395,
        "Database connection timeout",
        "critical",
        "Checkout",
        &[(15, "escalate")],
    ),
    (
        1425,
        "Health check of payments-3 fails",
        "critical",
        "Payments",
        &[],
    ),
];

/// The server at the end of the day.
pub async fn showroom() -> Sample {
    let directory = tempfile::tempdir().unwrap();
    let public = |config: &mut config::Config| {
        config.dev = false;
        config.public_url = "http://ops.example.com/".parse().ok();
        config.outbound.allow = vec!["127.0.0.0/8".into()];
    };
    let app = TestApp::start_with(directory.path(), &public, Names::default()).await;
    let ada = create_user(&app, "Ada Lovelace", "ada@example.com", Role::Admin).await;
    let grace = create_user(&app, "Grace Hopper", "grace@example.com", Role::Responder).await;
    create_user(&app, "Edsger Dijkstra", "edsger@example.com", Role::Viewer).await;
    let steps = json!([
        {"waitMinutes": 15, "assignee": {"id": grace}},
        {"waitMinutes": 30, "assignee": {"id": ada}},
    ]);
    let policy = json!({"name": "Payments on call", "steps": steps});
    let policy = create(&app, "escalation-policies", policy).await;
    for service in ["API Gateway", "Checkout", "Data Warehouse", "Search"] {
        create(&app, "services", json!({"name": service})).await;
    }
    let payments = json!({"name": "Payments", "escalationPolicy": {"id": policy}});
    let payments = create(&app, "services", payments).await;
    let source = create_source(&app, &payments).await;
    let (webhooks, receivers) = create_webhooks(&app).await;
    create_desks(&app).await;
    let incidents = live_through(&app, &grace, &webhooks[3]).await;
    let dead = app.deliveries("status=dead&limit=1").await;
    let key = json!({"name": "Monitoring", "scopes": ["incidents:write", "incidents:read"]});
    create(
        &app,
        "api-keys",
        json!({"name": "Terraform", "scopes": ["webhooks:write"]}),
    )
    .await;
    let key = create(&app, "api-keys", key).await;
    let inbox = create_inbox(&app, "Trial of the pager").await;
    let session = begin_session(&app, &ada, "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0").await;
    let sessions = app
        .store()
        .sessions
        .list(ada.parse().unwrap(), app.source().now());
    for name in ["This laptop", "Key ring"] {
        keep_passkey(&app, &ada, name).await;
    }
    let link = make_link(&app, &text(&dead[0]["webhook"]["id"])).await;
    let ids = vec![
        ("/act/", act_path(&app, &incidents[incidents.len() - 1]).await),
        ("/account/sessions/", sessions.await.unwrap()[0].id.to_string()),
        ("/receiver/", text(&dead[0]["id"])),
        ("/deliveries/", text(&dead[0]["id"])),
        ("/escalation-policies/", policy),
        ("/incidents/", incidents[7].clone()),
        ("/services/", payments),
        ("/settings/api-keys/", key),
        ("/settings/inbox/", inbox),
        ("/settings/integrations/", webhooks[2].clone()),
        ("/settings/sources/", source),
        ("/users/", grace),
    ];
    Sample::new(app, session, ids, link, receivers, directory)
}

/// A passkey of a user that opens nothing.
async fn keep_passkey(app: &TestApp, user: &str, name: &str) {
    let source = app.source();
    let passkey = Passkey {
        id: source.new_passkey_id(),
        user_id: user.parse().unwrap(),
        name: name.into(),
        credential: Credential {
            id: name.into(),
            public_key: vec![0],
            sign_count: 0,
        },
        created_at: source.now(),
        last_used_at: None,
    };
    let change = source.change(Actor::System);
    app.store().passkeys.create(passkey, change).await.unwrap();
}

/// A source that a test was sent to; its id.
async fn create_source(app: &TestApp, service: &str) -> String {
    for (name, kind) in [
        ("Grafana of the data warehouse", "grafana"),
        ("Old pager scripts", "pagerduty"),
    ] {
        let source = json!({"name": name, "kind": kind, "serviceId": service});
        create(app, "sources", source).await;
    }
    let source = json!({"name": "Backup jobs", "kind": "generic", "serviceId": service});
    let source = create(app, "sources", source).await;
    for moment in ["fire", "resolve"] {
        let path = format!("/api/v1/sources/{source}/test");
        app.api.post(&path, json!({"moment": moment})).await.expect(200);
    }
    source
}

/// Two that are well, one that begins to fail in the afternoon, one that will be switched off.
async fn create_webhooks(app: &TestApp) -> (Vec<String>, Vec<Receiver>) {
    let hiccups = [
        repeat_n(OK, 9).collect(),
        vec![BUSY],
        repeat_n(OK, 6).collect(),
        vec![BUSY, OK],
    ]
    .concat();
    let ingest: Vec<_> = repeat_n(OK, 24).chain([BUSY]).collect();
    let receivers = [
        ("PagerBridge on call", vec![OK], json!({})),
        (
            "Status page",
            hiccups,
            json!({"filter": "severity in ['critical', 'error']"}),
        ),
        ("Ops data lake", ingest, json!({"retrySchedule": ["5m", "15m"]})),
        ("Old CMDB", vec![OK], json!({"events": ["incident.resolved"]})),
    ];
    let (mut ids, mut running) = (Vec::new(), Vec::new());
    for (name, replies, changes) in receivers {
        let receiver = Receiver::start(&replies).await;
        let mut webhook = json!({
            "name": name,
            "url": format!("http://{}/v2/events", receiver.address),
            "events": ALL_EVENTS,
        });
        for (field, value) in changes.as_object().unwrap() {
            webhook[field] = value.clone();
        }
        ids.push(create(app, "webhooks", webhook).await);
        running.push(receiver);
    }
    (ids, running)
}

/// Ticket systems, for what is critical.
async fn create_desks(app: &TestApp) {
    for (kind, name) in [("jira", "Jira OPS"), ("servicenow", "Service desk")] {
        let system = Platform::start(kind).await;
        system.take_time_from(app.source());
        let desk = json!({
            "name": name,
            "kind": kind,
            "url": system.url,
            "options": crate::tickets::needed(kind),
            "severities": ["critical"],
            "events": ALL_EVENTS,
        });
        create(app, "webhooks", desk).await;
    }
}

/// Lets the day pass; the ids of its incidents.
async fn live_through(app: &TestApp, person: &str, old_system: &str) -> Vec<String> {
    let mut incidents = Vec::new();
    for minute in (0..DAY_MINUTES).step_by(usize::try_from(STEP_MINUTES).unwrap()) {
        for (begun, title, severity, service, deeds) in &DAY {
            if minute == *begun {
                incidents.push(trigger(app, title, severity, service, person).await);
            }
            let known = DAY.iter().position(|(_, other, ..)| other == title).unwrap();
            for (_, deed) in deeds.iter().filter(|(later, _)| begun + later == minute) {
                app.act(&incidents[known], deed).await;
            }
        }
        if minute == OLD_SYSTEM_OFF {
            let path = format!("/api/v1/webhooks/{old_system}/disable");
            app.api.post(&path, json!({})).await.expect(200);
        }
        app.quiesce().await;
        app.advance(Duration::from_secs(STEP_MINUTES * 60));
    }
    app.quiesce().await;
    incidents
}

async fn trigger(app: &TestApp, title: &str, severity: &str, service: &str, person: &str) -> String {
    let incident = json!({
        "title": title,
        "description": "Seen by the probe in two regions. The runbook is linked on the service's page.",
        "severity": severity,
        "service": {"name": service},
        "assignee": {"id": person},
        "dedupKey": format!("probe/{}", title.to_lowercase().replace(' ', "-")),
    });
    create(app, "incidents", incident).await
}
