//! What people write on an incident, as comments of its ticket.

use serde_json::json;

use super::Desk;

/// The kinds that write comments.
const KINDS: [&str; 4] = ["jira", "servicenow", "github", "gitlab"];

/// Everything that was sent to the ticket system and speaks of a text.
fn told(desk: &Desk, text: &str) -> usize {
    let seen = desk.system.seen().into_iter();
    let writes = seen.filter(|seen| seen.method != "GET");
    writes.filter(|seen| seen.body.contains(text)).count()
}

async fn write(desk: &Desk, incident: &str, text: &str) {
    let path = format!("/api/v1/incidents/{incident}/notes");
    desk.app
        .api
        .post(&path, json!({ "text": text }))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_note_on_an_incident_becomes_one_comment_of_its_ticket_where_that_is_chosen() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({"incidentNotes": "on", "comments": "on"})).await;
        let incident = desk.app.trigger("talked about").await;
        desk.settle(1).await;
        write(&desk, &incident, "we replaced the disk").await;
        let is_told = async || desk.pass_unless(told(&desk, "we replaced the disk") == 1, 100);
        desk.until("the note is a comment", is_told).await;
        desk.app.act(&incident, "acknowledge").await;
        desk.settle(2).await;
        desk.wait_until_quiet().await;
        assert_eq!(told(&desk, "we replaced the disk"), 1, "{kind}");
        // It does not come back as a comment of the ticket.
        let timeline = desk.incident(&incident).await["timeline"].clone();
        let notes = timeline.as_array().unwrap().iter();
        let notes = notes.filter(|entry| {
            entry["note"]
                .as_str()
                .is_some_and(|note| note.contains("the disk"))
        });
        assert_eq!(notes.count(), 1, "{kind}");
    }
}

#[tokio::test]
async fn notes_stay_on_the_incident_unless_somebody_chose_otherwise() {
    let desk = Desk::start("jira", json!({})).await;
    let incident = desk.app.trigger("talked about").await;
    desk.settle(1).await;
    write(&desk, &incident, "between us").await;
    desk.app.act(&incident, "acknowledge").await;
    desk.settle(2).await;
    desk.wait_until_quiet().await;
    assert_eq!(told(&desk, "between us"), 0);
}
