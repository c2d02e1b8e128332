//! What commands ask of the API, and how they show its answers.

use std::io::{BufRead, BufReader};

use serde_json::json;

use super::fake_api::FakeApi;
use super::{file, piped, program, run, run_alone};

const WEBHOOKS: &str = r#"{"items":[{"id":"whk_00000000000000000000000000000001","name":"Pager","kind":"generic","enabled":true,"status":"degraded","deliveries":{"scheduled":3,"queued":4,"claimed":0,"held":5,"dead":10000},"events":["incident.triggered","incident.resolved"],"url":"https://pager.example/","concurrency":16}],"nextCursor":null}"#;

#[test]
fn a_list_is_a_table_for_people_and_the_apis_json_for_machines() {
    let api = FakeApi::answering(&[(200, WEBHOOKS), (200, WEBHOOKS)]);
    let table = run(&api, &["webhooks", "list"]);
    let json = run(&api, &["webhooks", "list", "--json", "--limit", "2"]);
    let lines: Vec<Vec<&str>> = table
        .out
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["ID", "NAME", "STATE", "WAITING", "DEAD", "KIND"]);
    let row = [
        "whk_00000000000000000000000000000001",
        "Pager",
        "degraded",
        "12",
        "10000+",
        "generic",
    ];
    assert_eq!(lines[1], row);
    assert_eq!(json.out, format!("{WEBHOOKS}\n"));
    assert_eq!(api.lines()[1], "GET /api/v1/webhooks?limit=2&counts=true");
    assert_eq!(api.asked()[0].authorization, "Bearer ok_test");
}

#[test]
fn an_incident_is_triggered_and_moved_on() {
    let incident = r#"{"id":"inc_00000000000000000000000000000001","status":"triggered","severity":"critical","title":"Down"}"#;
    let api = FakeApi::answering(&[(201, incident), (200, incident)]);
    let title = ["send", "trigger", "--title", "Down", "--service", "API Gateway"];
    let more = [
        "--severity",
        "critical",
        "--dedup-key",
        "k",
        "--assignee",
        "usr_00000000000000000000000000000001",
    ];
    let triggered = run(&api, &[title.as_slice(), &more].concat());
    let acknowledged = run(
        &api,
        &["send", "acknowledge", "inc_00000000000000000000000000000001"],
    );
    assert_eq!(
        triggered.out,
        "inc_00000000000000000000000000000001 is triggered: Down (critical)\n"
    );
    assert_eq!(acknowledged.code, Some(0));
    let expected = json!({ "title": "Down", "service": { "name": "API Gateway" }, "severity": "critical",
        "dedupKey": "k", "assignee": { "id": "usr_00000000000000000000000000000001" } });
    assert_eq!(api.body(0), expected);
    let lines = [
        "POST /api/v1/incidents",
        "POST /api/v1/incidents/inc_00000000000000000000000000000001/acknowledge",
    ];
    assert_eq!(api.lines(), lines);
}

#[test]
fn an_incident_is_shown_by_its_number_with_its_timeline() {
    let incident = r#"{"id":"inc_00000000000000000000000000000001","number":1042,"title":"Down","timeline":[
        {"at":"2024-01-15T10:30:00Z","actor":"Ada","event":"incident.triggered","note":null},
        {"at":"2024-01-15T10:31:00Z","actor":"Bob","event":null,"note":"assigned it to Bob"}]}"#;
    let api = FakeApi::answering(&[(200, incident), (200, incident)]);
    let shown = run(&api, &["incidents", "show", "#1042"]);
    let resolved = run(&api, &["send", "resolve", "1042"]);
    let has = |words: &[&str]| {
        shown
            .out
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(has(&["number", "1042"]), "{}", shown.out);
    assert!(
        has(&["incident.triggered", "Ada"]) && has(&["assigned it to Bob", "Bob"]),
        "{}",
        shown.out
    );
    assert!(
        resolved
            .out
            .starts_with("#1042 (inc_00000000000000000000000000000001) is "),
        "{}",
        resolved.out
    );
    let lines = [
        "GET /api/v1/incidents/%231042",
        "POST /api/v1/incidents/1042/resolve",
    ];
    assert_eq!(api.lines(), lines);
}

#[test]
fn a_note_is_written_on_an_incident() {
    let note = r#"{"at":"2024-01-15T10:30:00Z","actor":"Ada","event":null,"note":"Restarted"}"#;
    let api = FakeApi::answering(&[(201, note)]);
    let noted = run(&api, &["incidents", "note", "1042", "Restarted"]);
    assert_eq!(noted.out, "noted on 1042\n");
    assert_eq!(api.lines(), ["POST /api/v1/incidents/1042/notes"]);
    assert_eq!(api.body(0), json!({ "text": "Restarted" }));
}

#[test]
fn a_webhook_is_added_and_its_secret_shown() {
    let created = r#"{"id":"whk_00000000000000000000000000000001","name":"Pager","secret":"whsec_x"}"#;
    let services =
        r#"{"items":[{"id":"svc_00000000000000000000000000000001","name":"API"}],"nextCursor":null}"#;
    let api = FakeApi::answering(&[(200, services), (201, created)]);
    let what = [
        "webhooks",
        "add",
        "--name",
        "Pager",
        "--receiver",
        "https://pager.example",
    ];
    let how = [
        "--event",
        "incident.triggered",
        "--service",
        "API",
        "--header",
        "X-Team: a: b",
    ];
    let run = run(
        &api,
        &[what.as_slice(), &how, &["--retry-schedule", "1m,2m"]].concat(),
    );
    assert!(run.out.contains("secret: whsec_x"), "{run:?}");
    let expected = json!({ "name": "Pager", "url": "https://pager.example", "events": ["incident.triggered"],
        "services": ["svc_00000000000000000000000000000001"], "headers": { "X-Team": "a: b" }, "retrySchedule": ["1m", "2m"] });
    assert_eq!(api.body(1), expected);
}

#[test]
fn a_webhook_is_found_by_its_name_and_a_failed_test_fails() {
    let failed = r#"{"id":"dlv_00000000000000000000000000000001","status":"dead","attempts":[{"number":1,"status":500,"timings":{"totalMs":1.2},"response":{"headers":[{"name":"server","value":"x"}]}}]}"#;
    let api = FakeApi::answering(&[(200, WEBHOOKS), (200, failed), (200, WEBHOOKS)]);
    let test = run(&api, &["webhooks", "test", "Pager"]);
    let unknown = run(&api, &["webhooks", "test", "Pgaer"]);
    assert_eq!(test.code, Some(1));
    assert!(
        test.out.contains("1.2 ms") && test.out.contains("< server: x"),
        "{}",
        test.out
    );
    assert_eq!(
        api.lines()[1],
        "POST /api/v1/webhooks/whk_00000000000000000000000000000001/test"
    );
    assert!(
        unknown
            .err
            .contains("there is no webhook called \"Pgaer\", but Pager"),
        "{}",
        unknown.err
    );
}

#[test]
fn an_id_that_was_typed_cannot_leave_its_place_in_the_path() {
    let api = FakeApi::answering(&[(200, "{}")]);
    run(&api, &["deliveries", "../webhooks?x=1"]);
    assert_eq!(api.lines(), ["GET /api/v1/deliveries/..%2Fwebhooks%3Fx%3D1"]);
}

#[test]
fn apply_shows_its_plan_and_with_dry_run_only_that() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[webhook]]\nname = \"Pager\"\nconcurrency = 4\n[[webhook]]\nname = \"New\"\nurl = \"https://new.example\"";
    let path = file(&folder, "webhooks.toml", text);
    let created = r#"{"id":"whk_00000000000000000000000000000002","secret":"whsec_new"}"#;
    let api = FakeApi::answering(&[(200, WEBHOOKS), (200, WEBHOOKS), (200, "{}"), (201, created)]);
    let dry = run(&api, &["webhooks", "apply", "-f", &path, "--dry-run"]);
    let wet = run(&api, &["webhooks", "apply", "-f", &path]);
    let words: Vec<Vec<&str>> = dry
        .out
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(words[1], ["change", "Pager", "concurrency", "16", "4"]);
    assert_eq!(words[2], ["create", "New"]);
    assert!(wet.out.contains("whsec_new"), "{wet:?}");
    let lists = "GET /api/v1/webhooks?limit=200";
    let lines = [
        lists,
        lists,
        "PATCH /api/v1/webhooks/whk_00000000000000000000000000000001",
        "POST /api/v1/webhooks",
    ];
    assert_eq!(api.lines(), lines);
    assert_eq!(api.body(2), json!({ "concurrency": 4 }));
}

#[test]
fn sources_are_exported_without_keys_and_made_as_a_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let sources = r#"{"items":[{"id":"src_00000000000000000000000000000001","name":"Prod","kind":"grafana","service":{"id":"svc_00000000000000000000000000000001","name":"API"},
        "key":"k3y","hasSecret":false,"settings":{"alertUnit":"alert","mapping":{},"stormAlerts":30}}],"nextCursor":null}"#;
    let services =
        r#"{"items":[{"id":"svc_00000000000000000000000000000001","name":"API"}],"nextCursor":null}"#;
    let created = r#"{"id":"src_00000000000000000000000000000002","key":"n3w"}"#;
    let answers = [
        (200, sources),
        (200, services),
        (200, sources),
        (200, "{}"),
        (201, created),
    ];
    let api = FakeApi::answering(&answers);
    let exported = run(&api, &["sources", "export"]);
    assert!(!exported.out.contains("k3y"), "{exported:?}");
    let changed = exported.out.replace("storm_alerts = 30", "storm_alerts = 5");
    let new = "\n[[source]]\nname = \"New\"\nkind = \"sns\"\nservice = \"API\"\n";
    let path = file(&folder, "sources.toml", &(changed + new));
    let applied = run(&api, &["sources", "apply", "-f", &path]);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert!(applied.out.contains("key of New: n3w"), "{applied:?}");
    assert_eq!(
        api.lines()[3..],
        [
            "PATCH /api/v1/sources/src_00000000000000000000000000000001",
            "POST /api/v1/sources"
        ]
    );
    assert_eq!(api.body(3), json!({ "settings": { "stormAlerts": 5 } }));
    assert_eq!(api.body(4)["serviceId"], "svc_00000000000000000000000000000001");
}

#[test]
fn recover_counts_and_then_asks_until_it_is_done() {
    let answers = [
        (200, r#"{"count":700,"isDone":true}"#),
        (200, r#"{"count":500,"isDone":false}"#),
        (200, r#"{"count":200,"isDone":true}"#),
    ];
    let api = FakeApi::answering(&answers);
    let since = "2024-01-15T10:30:00Z";
    let run = run(
        &api,
        &[
            "recover",
            "--webhook",
            "whk_00000000000000000000000000000001",
            "--since",
            since,
        ],
    );
    assert_eq!(run.out, "700 dead deliveries are sent again\n");
    assert_eq!(
        api.lines(),
        ["POST /api/v1/webhooks/whk_00000000000000000000000000000001/recover"; 3]
    );
    assert_eq!(api.body(0)["dryRun"], true);
    assert_eq!(api.body(1)["since"], "2024-01-15T10:30:00.000Z");
    assert_eq!(api.body(1), api.body(2));
}

#[test]
fn recover_does_not_ask_for_ever() {
    let stuck = (200, r#"{"count":0,"isDone":false}"#);
    let api = FakeApi::answering(&[stuck; 5]);
    let run = run(
        &api,
        &[
            "recover",
            "--webhook",
            "whk_00000000000000000000000000000001",
            "--since",
            "1h",
        ],
    );
    assert_eq!((run.code, api.lines().len()), (Some(1), 2));
}

#[test]
fn replay_goes_on_after_one_that_is_refused() {
    let refused = (
        409,
        r#"{"code":"still_open","detail":"the delivery is still open"}"#,
    );
    let api = FakeApi::answering(&[
        refused,
        (
            200,
            r#"{"id":"dlv_00000000000000000000000000000002","status":"scheduled"}"#,
        ),
    ]);
    let run = run(
        &api,
        &[
            "replay",
            "dlv_00000000000000000000000000000001",
            "dlv_00000000000000000000000000000002",
        ],
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(
        run.out,
        "dlv_00000000000000000000000000000002 is scheduled\nreplayed 1, refused 1\n"
    );
}

#[test]
fn giving_up_goes_on_after_one_that_is_refused() {
    let refused = (
        409,
        r#"{"code":"not_waiting","detail":"the delivery is claimed"}"#,
    );
    let api = FakeApi::answering(&[
        refused,
        (
            200,
            r#"{"id":"dlv_00000000000000000000000000000002","status":"dead"}"#,
        ),
    ]);
    let run = run(
        &api,
        &[
            "deliveries",
            "give-up",
            "dlv_00000000000000000000000000000001",
            "dlv_00000000000000000000000000000002",
        ],
    );
    assert_eq!(run.code, Some(1));
    assert_eq!(
        run.out,
        "dlv_00000000000000000000000000000002 is dead\ngave up 1, refused 1\n"
    );
    let lines = [
        "POST /api/v1/deliveries/dlv_00000000000000000000000000000001/give-up",
        "POST /api/v1/deliveries/dlv_00000000000000000000000000000002/give-up",
    ];
    assert_eq!(api.lines(), lines);
}

#[test]
fn replay_of_everything_dead_works_through_all_pages() {
    let first = r#"{"items":[{"id":"dlv_00000000000000000000000000000001"},{"id":"dlv_00000000000000000000000000000000","givenUpBy":"Ada"}],"nextCursor":"c"}"#;
    let second = r#"{"items":[{"id":"dlv_00000000000000000000000000000002"}],"nextCursor":null}"#;
    let done = (200, "{}");
    let api = FakeApi::answering(&[(200, first), done, (200, second), done]);
    let run = run(
        &api,
        &[
            "replay",
            "--dead",
            "--webhook",
            "whk_00000000000000000000000000000001",
        ],
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines = [
        "GET /api/v1/deliveries?status=dead&limit=200&webhook=whk_00000000000000000000000000000001",
        "POST /api/v1/deliveries/dlv_00000000000000000000000000000001/replay",
        "GET /api/v1/deliveries?status=dead&limit=200&webhook=whk_00000000000000000000000000000001&cursor=c",
        "POST /api/v1/deliveries/dlv_00000000000000000000000000000002/replay",
    ];
    assert_eq!(api.lines(), lines);
}

#[test]
fn doctor_fails_when_the_balance_misses_a_delivery() {
    let system = |missing: u8| {
        json!({ "version": "0.1.0", "store": { "backend": "SQLite 3", "schemaVersion": 1, "sizeBytes": 4096 },
            "missing": missing, "balance": [{ "webhookId": "whk_00000000000000000000000000000001", "accepted": 9, "missing": missing }], "deliveries": { "dead": 2 },
            "findings": [] })
        .to_string()
    };
    let (well, ill) = (system(0), system(1));
    let up = (200, "{}");
    let api = FakeApi::answering(&[
        up,
        up,
        (200, &well),
        up,
        up,
        (200, &ill),
        up,
        (503, "{}"),
        (200, &well),
    ]);
    let [well, ill, unready] = [(); 3].map(|()| run(&api, &["doctor"]));
    assert_eq!([well.code, ill.code, unready.code], [Some(0), Some(1), Some(1)]);
    assert!(
        well.out.contains("ok      balance: 9 deliveries accepted"),
        "{}",
        well.out
    );
    assert!(
        ill.out
            .contains("FAILED  balance: deliveries are missing: 1 of whk_00000000000000000000000000000001"),
        "{}",
        ill.out
    );
    assert!(
        unready.out.contains("FAILED  ready: /readyz answers 503"),
        "{}",
        unready.out
    );
}

#[test]
fn a_deep_check_is_followed_to_its_end_and_what_it_found_counts() {
    let system =
        r#"{"version":"0.1.0","store":{"backend":"SQLite 3"},"missing":null,"balance":[],"deliveries":{}}"#;
    let clean = "{\"step\":\"pages\",\"done\":0,\"of\":1}\n{\"findings\":[]}\n";
    let found =
        r#"{"findings":[{"code":"integrity","sentence":"page 7 is damaged","advice":"restore a backup"}]}"#;
    let broken = "{\"step\":\"deliveries\",\"done\":2000,\"of\":9000}\n";
    let up = (200, "{}");
    let answers = [
        up,
        up,
        (200, clean),
        (200, system),
        up,
        up,
        (200, found),
        (200, system),
        up,
        up,
        (200, broken),
    ];
    let api = FakeApi::answering(&answers);
    let [clean, found, broken] = [(); 3].map(|()| run(&api, &["doctor", "--deep"]));
    assert_eq!(
        [clean.code, found.code],
        [Some(0), Some(1)],
        "{} {}",
        clean.out,
        found.out
    );
    assert!(
        clean.out.contains("ok      deep check: nothing found"),
        "{}",
        clean.out
    );
    assert!(
        found
            .out
            .contains("FAILED  deep check: page 7 is damaged (integrity); restore a backup"),
        "{}",
        found.out
    );
    assert!(
        broken.code != Some(0) && broken.err.contains("broke off"),
        "{broken:?}"
    );
    let asked = [
        "/healthz",
        "/readyz",
        "/api/v1/system/check",
        "/api/v1/system?server=true",
    ];
    assert_eq!(api.lines()[..4], asked.map(|path| format!("GET {path}")));
}

#[test]
fn doctor_fails_for_what_the_store_knows_and_for_webhooks_that_do_not_deliver() {
    let system = |troubles: serde_json::Value, unwell: serde_json::Value| {
        json!({ "version": "0.1.0", "store": { "backend": "SQLite 3", "schemaVersion": 1, "sizeBytes": 4096,
                "walBytes": 2_097_152, "lastEvent": 12,
                "disk": { "mountedAt": "/data", "freeBytes": 3_145_728, "totalBytes": 4_194_304 } },
            "missing": 0, "balance": [], "deliveries": { "dead": 2 }, "findings": [], "troubles": troubles, "unwellWebhooks": unwell })
        .to_string()
    };
    let trouble =
        json!([{ "code": "events_lost", "sentence": "12 events are not in it", "advice": "restore" }]);
    let unwell = json!([{ "webhookId": "whk_00000000000000000000000000000001", "name": "Pager", "dead": 2, "disabledByFailure": null,
        "degraded": { "since": "2026-01-05T12:00:00Z", "reason": "connect_failed" } }]);
    let (lossy, unwell) = (system(trouble, json!([])), system(json!([]), unwell));
    let up = (200, "{}");
    let answers = [
        up,
        up,
        (200, &*lossy),
        up,
        up,
        (200, &*unwell),
        up,
        up,
        (200, &*unwell),
    ];
    let again = [up, up, (200, &*unwell), up, up, up, (200, &*unwell)];
    let api = FakeApi::answering(&[&answers[..], &again[..]].concat());
    let lossy = run(&api, &["doctor"]);
    assert_eq!(lossy.code, Some(1));
    assert!(
        lossy
            .out
            .contains("FAILED  store: 12 events are not in it (events_lost); restore"),
        "{}",
        lossy.out
    );
    assert!(
        lossy
            .out
            .contains("write-ahead log 2 MiB; the disk at /data has 3 MiB free of 4 MiB"),
        "{}",
        lossy.out
    );
    assert!(
        !lossy.out.contains("high-water mark: the database has"),
        "{}",
        lossy.out
    );
    let unwell = run(&api, &["doctor"]);
    let said = "FAILED  webhook: Pager (whk_00000000000000000000000000000001): degraded since 2026-01-05T12:00:00Z (connect_failed), 2 dead deliveries";
    assert!(unwell.out.contains(said), "{}", unwell.out);
    assert!(
        unwell
            .out
            .contains("ok      high-water mark: the database has every event"),
        "{}",
        unwell.out
    );
    let ignoring = ["doctor", "--ignore", "degraded"];
    assert_eq!([unwell.code, run(&api, &ignoring).code], [Some(1), Some(1)]);
    let ignored = run(&api, &["doctor", "--ignore", "degraded,dead"]);
    assert_eq!(ignored.code, Some(0), "{}", ignored.out);
    assert!(ignored.out.contains("ok      webhook: Pager"), "{}", ignored.out);
    run(&api, &["doctor", "--accept-loss", "--ignore", "degraded,dead"]);
    assert!(
        api.lines()
            .contains(&"POST /api/v1/system/accept-loss".to_owned())
    );
}

#[test]
fn following_events_goes_on_after_an_interruption_where_it_stopped() {
    let first = ": alive\n\nid: 7\ndata: {\"event\":\"incident.triggered\",\"sequence\":7}\n\n";
    let second = "id: 8\ndata: {\"event\":\"incident.resolved\",\"sequence\":8}\n\n";
    let forbidden = r#"{"code":"forbidden","detail":"the key was revoked"}"#;
    let api = FakeApi::answering(&[(200, first), (503, "{}"), (200, second), (403, forbidden)]);
    let run = run(&api, &["events", "--follow", "--json", "--after", "6"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    let lines = [
        "{\"event\":\"incident.triggered\",\"sequence\":7}",
        "{\"event\":\"incident.resolved\",\"sequence\":8}",
    ];
    assert_eq!(run.out.lines().collect::<Vec<_>>(), lines);
    let ids: Vec<_> = api.asked().into_iter().map(|asked| asked.last_event_id).collect();
    assert_eq!(ids, ["6", "7", "7", "8"]);
}

#[test]
fn keys_policies_and_services_are_asked_for_in_the_apis_words() {
    let api = FakeApi::answering(&[
        (201, r#"{"key":"ok_new"}"#),
        (201, "{}"),
        (201, "{}"),
        (200, "{}"),
    ]);
    let setup = run(&api, &["keys", "setup", "--token", "t"]);
    run(
        &api,
        &[
            "policies",
            "add",
            "night",
            "--step",
            "15m:usr_00000000000000000000000000000001",
            "--step",
            "1h",
        ],
    );
    run(
        &api,
        &[
            "services",
            "add",
            "API",
            "--policy",
            "pol_00000000000000000000000000000001",
        ],
    );
    run(&api, &["backup", "today.db"]);
    assert!(setup.out.contains("API key: ok_new"), "{}", setup.out);
    assert_eq!(api.body(0), json!({ "token": "t", "name": "first key" }));
    let steps = json!([{ "waitMinutes": 15, "assignee": { "id": "usr_00000000000000000000000000000001" } }, { "waitMinutes": 60 }]);
    assert_eq!(api.body(1), json!({ "name": "night", "steps": steps }));
    assert_eq!(
        api.body(2),
        json!({ "name": "API", "escalationPolicy": { "id": "pol_00000000000000000000000000000001" } })
    );
    assert_eq!(api.body(3), json!({ "name": "today.db" }));
}

#[test]
fn completions_know_the_commands_and_are_read_by_their_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = run_alone(&["completions", shell]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.out.contains("rotate-secret"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let script = run_alone(&["completions", "bash"]).out;
    let asked = "COMP_WORDS=(opsknight webhooks e) COMP_CWORD=2\n_opsknight opsknight e webhooks\necho \"${COMPREPLY[@]}\"";
    let path = file(&folder, "completions.bash", &format!("{script}\n{asked}\n"));
    let mut bash = std::process::Command::new("bash");
    let output = bash.args(["--norc", &path]).output().unwrap();
    let offered = String::from_utf8(output.stdout).unwrap();
    assert_eq!(offered.trim(), "edit enable export");
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_alone(&["man", "--to", folder.path().to_str().unwrap()]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    for (name, says) in [
        ("opsknight.1", "opsknight\\-webhooks(1)"),
        ("opsknight-serve.1", "\\-\\-data"),
        ("opsknight-webhooks-add.1", "\\-\\-receiver"),
    ] {
        assert!(page(name).contains(says), "{name}: {}", page(name));
    }
    assert_eq!(page("opsknight-render-worker.1"), "");
    assert_eq!(run_alone(&["man"]).out, page("opsknight.1"));
}

#[test]
fn the_server_may_be_given_before_or_after_the_command() {
    let api = FakeApi::answering(&[(200, WEBHOOKS), (200, WEBHOOKS)]);
    let before = run_alone(&["--url", api.url(), "--key", "ok_a", "webhooks", "list"]);
    let mut command = program();
    command.args(["webhooks", "list", "--url", api.url(), "--key", "ok_b"]);
    let mut after = piped(command.env("OPSKNIGHT_URL", "http://127.0.0.1:1"))
        .spawn()
        .unwrap();
    let mut heading = String::new();
    BufReader::new(after.stdout.take().unwrap())
        .read_line(&mut heading)
        .unwrap();
    assert_eq!((before.code, after.wait().unwrap().code()), (Some(0), Some(0)));
    let keys: Vec<_> = api.asked().into_iter().map(|asked| asked.authorization).collect();
    assert_eq!(keys, ["Bearer ok_a", "Bearer ok_b"]);
}

#[test]
fn a_sign_in_link_is_printed_with_its_end() {
    let link = r#"{"link":"http://a.example/welcome?token=link_1","expiresAt":"2026-01-08T12:00:00.000Z"}"#;
    let api = FakeApi::answering(&[(201, link)]);
    let made = run(
        &api,
        &["users", "sign-in-link", "usr_00000000000000000000000000000001"],
    );
    assert_eq!(
        made.out,
        "http://a.example/welcome?token=link_1\nworks once, until 2026-01-08T12:00:00.000Z\n"
    );
    assert_eq!(
        api.lines(),
        ["POST /api/v1/users/usr_00000000000000000000000000000001/sign-in-link"]
    );
}

#[test]
fn tickets_are_made_linked_synced_and_parted() {
    let link = r#"{"webhook":{"id":"whk_00000000000000000000000000000001","name":"desk"},"state":"linked","ticket":{"key":"OPS-1","url":"https://x.example/OPS-1"}}"#;
    let asked = r#"{"webhook":{"id":"whk_00000000000000000000000000000001","name":"desk"},"state":"wanted","ticket":null}"#;
    let list = format!(r#"{{"items":[{link}]}}"#);
    let answers = [
        (201, asked),
        (201, link),
        (200, r#"{"result":"followed"}"#),
        (204, ""),
        (200, list.as_str()),
    ];
    let api = FakeApi::answering(&answers);
    let said = |arguments: &[&str]| run(&api, &[&["tickets"], arguments].concat()).out;
    assert_eq!(
        said(&[
            "create",
            "inc_00000000000000000000000000000001",
            "whk_00000000000000000000000000000001"
        ]),
        "asked whk_00000000000000000000000000000001 for a ticket\n"
    );
    assert_eq!(
        said(&[
            "link",
            "inc_00000000000000000000000000000001",
            "whk_00000000000000000000000000000001",
            "OPS-1"
        ]),
        "linked OPS-1 (https://x.example/OPS-1)\n"
    );
    assert_eq!(
        said(&[
            "sync",
            "inc_00000000000000000000000000000001",
            "whk_00000000000000000000000000000001"
        ]),
        "the incident followed its ticket\n"
    );
    assert_eq!(
        said(&[
            "unlink",
            "inc_00000000000000000000000000000001",
            "whk_00000000000000000000000000000001"
        ]),
        "unlinked the ticket of inc_00000000000000000000000000000001 at whk_00000000000000000000000000000001\n"
    );
    assert!(said(&["list", "inc_00000000000000000000000000000001"]).contains("OPS-1"));
    let lines = [
        "POST /api/v1/incidents/inc_00000000000000000000000000000001/tickets",
        "POST /api/v1/incidents/inc_00000000000000000000000000000001/tickets",
        "POST /api/v1/incidents/inc_00000000000000000000000000000001/tickets/whk_00000000000000000000000000000001/sync",
        "DELETE /api/v1/incidents/inc_00000000000000000000000000000001/tickets/whk_00000000000000000000000000000001",
        "GET /api/v1/incidents/inc_00000000000000000000000000000001/tickets",
    ];
    assert_eq!(api.lines(), lines);
    assert_eq!(
        api.body(1),
        json!({ "webhook": { "id": "whk_00000000000000000000000000000001" }, "ticket": "OPS-1" })
    );
}
