//! Inboxes and what comes to them.

use std::time::Duration;

use model::audit::Change;
use model::id::{InboxId, InboxRequestId};
use model::inbox::{
    INBOX_REQUEST_LIFETIME, Inbox, InboxAnswer, InboxRequest, MAX_INBOX_REQUESTS, MAX_INBOXES,
};
use model::secret::SecretText;
use model::time::Timestamp;
use store::StoreError;
use store::access::AuditFilter;
use store::inboxes::InboxEdit;

use crate::cases;

use super::fixture::Fixture;
use super::samples;

const NOT_FOUND: StoreError = StoreError::NotFound { what: "inbox" };

fn change(fixture: &Fixture) -> Change {
    fixture.source.change(samples::actor(&fixture.source))
}

async fn create(fixture: &Fixture, name: &str) -> Inbox {
    let inbox = samples::inbox(&fixture.source, name);
    let created = fixture.inboxes().create(inbox, change(fixture));
    created.await.unwrap()
}

async fn keep(fixture: &Fixture, inbox: InboxId, at: Timestamp) -> InboxRequest {
    let request = samples::inbox_request(&fixture.source, inbox, at);
    fixture.inboxes().keep(request.clone()).await.unwrap();
    request
}

/// Keeps requests, each a millisecond after the one before.
async fn keep_many(fixture: &Fixture, inbox: InboxId, count: u32) -> Vec<InboxRequestId> {
    let mut ids = Vec::new();
    for millisecond in 0..count {
        let at = samples::now().plus(Duration::from_millis(u64::from(millisecond)));
        ids.push(keep(fixture, inbox, at).await.id);
    }
    ids
}

async fn kept_ids(fixture: &Fixture, inbox: InboxId) -> Vec<InboxRequestId> {
    let requests = fixture.inboxes().requests(inbox).await.unwrap();
    requests.into_iter().map(|request| request.id).collect()
}

cases! {
    settings::inboxes;

    async fn an_inbox_reads_back_as_it_was_created_and_changed(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let audit_length = fixture.audit_length().await;
        let inboxes = fixture.inboxes();
        let inbox = samples::inbox(&fixture.source, "Tests");
        let created = inboxes.create(inbox.clone(), change(&fixture)).await;
        assert_eq!(created.as_ref(), Ok(&inbox));
        assert_eq!(inboxes.get(inbox.id).await, Ok(inbox.clone()));
        let answer = InboxAnswer {
            status: 204,
            delay: Duration::from_secs(30),
        };
        let edit = InboxEdit {
            answer: Some(answer),
            secret: None,
        };
        let answering = Inbox {
            answer,
            ..inbox.clone()
        };
        let changed = inboxes.update(inbox.id, edit, change(&fixture));
        assert_eq!(changed.await, Ok(answering.clone()));
        assert_eq!(inboxes.get(inbox.id).await, Ok(answering.clone()));
        assert_eq!(
            inboxes.list().await,
            Ok(vec![(answering, 0), (bystanders.inbox.clone(), 1)])
        );
        assert_eq!(inboxes.delete(inbox.id, change(&fixture)).await, Ok(()));
        assert_eq!(inboxes.get(inbox.id).await, Err(NOT_FOUND));
        assert_eq!(
            fixture.actions_after(audit_length).await,
            ["inbox.create", "inbox.update", "inbox.delete"]
        );
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn the_secret_of_an_inbox_is_replaced_and_removed(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let inbox = create(&fixture, "Tests").await;
        let edit = |secret: Option<&str>| InboxEdit {
            answer: None,
            secret: Some(secret.map(SecretText::new)),
        };
        let with = |secret: Option<&str>| Inbox {
            secret: secret.map(SecretText::new),
            ..inbox.clone()
        };
        let inboxes = fixture.inboxes();
        let replaced = inboxes.update(inbox.id, edit(Some("new")), change(&fixture));
        assert_eq!(replaced.await, Ok(with(Some("new"))));
        assert_eq!(inboxes.get(inbox.id).await, Ok(with(Some("new"))));
        let removed = inboxes.update(inbox.id, edit(None), change(&fixture));
        assert_eq!(removed.await, Ok(with(None)));
        assert_eq!(inboxes.get(inbox.id).await, Ok(with(None)));
        let log = fixture.access().list_audit(AuditFilter::default(), samples::everything()).await.unwrap().rows;
        assert_eq!(log[0].detail, "changed the secret of \"Tests\"");
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_change_of_an_inbox_that_changes_nothing_leaves_no_audit_row(fixture: Fixture) {
        let inbox = create(&fixture, "Tests").await;
        let audit_length = fixture.audit_length().await;
        let edit = InboxEdit {
            answer: Some(inbox.answer),
            secret: Some(inbox.secret.clone()),
        };
        let changed = fixture.inboxes().update(inbox.id, edit, change(&fixture));
        assert_eq!(changed.await, Ok(inbox));
        assert_eq!(fixture.audit_length().await, audit_length);
    }

    async fn an_inbox_that_is_not_there_is_not_found(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let audit_length = fixture.audit_length().await;
        let nowhere = fixture.source.new_inbox_id();
        let inboxes = fixture.inboxes();
        let changed = inboxes.update(nowhere, InboxEdit::default(), change(&fixture));
        assert_eq!(changed.await, Err(NOT_FOUND));
        assert_eq!(inboxes.delete(nowhere, change(&fixture)).await, Err(NOT_FOUND));
        let request = samples::inbox_request(&fixture.source, nowhere, samples::now());
        assert_eq!(inboxes.keep(request).await, Err(NOT_FOUND));
        assert_eq!(inboxes.requests(nowhere).await, Ok(vec![]));
        assert_eq!(fixture.audit_length().await, audit_length);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn there_are_only_so_many_inboxes(fixture: Fixture) {
        for number in 1..MAX_INBOXES {
            create(&fixture, &number.to_string()).await;
        }
        create(&fixture, "last").await;
        let one_more = samples::inbox(&fixture.source, "one more");
        let refused = fixture.inboxes().create(one_more, change(&fixture)).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
        let count = fixture.inboxes().list().await.unwrap().len();
        assert_eq!(count, MAX_INBOXES as usize);
    }

    async fn what_comes_to_an_inbox_is_kept_whole_without_an_audit_row(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let inbox = create(&fixture, "Tests").await;
        let audit_length = fixture.audit_length().await;
        let first = keep(&fixture, inbox.id, samples::hours_ago(1)).await;
        let second = keep(&fixture, inbox.id, samples::now()).await;
        let kept = fixture.inboxes().requests(inbox.id).await;
        assert_eq!(kept, Ok(vec![second, first]));
        let listed = fixture.inboxes().list().await.unwrap();
        let counts: Vec<_> = listed.into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [2, 1]);
        assert_eq!(fixture.audit_length().await, audit_length);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn an_inbox_keeps_the_latest_requests(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let inbox = create(&fixture, "Tests").await;
        let mut ids = keep_many(&fixture, inbox.id, MAX_INBOX_REQUESTS + 2).await;
        ids.reverse();
        ids.truncate(MAX_INBOX_REQUESTS as usize);
        assert_eq!(kept_ids(&fixture, inbox.id).await, ids);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_request_drives_out_those_of_its_inbox_that_are_too_old(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let inbox = create(&fixture, "Tests").await;
        let oldest = samples::now().minus(INBOX_REQUEST_LIFETIME);
        keep(&fixture, inbox.id, oldest.minus(Duration::from_millis(1))).await;
        let old = keep(&fixture, inbox.id, oldest).await;
        let new = keep(&fixture, inbox.id, samples::now()).await;
        assert_eq!(kept_ids(&fixture, inbox.id).await, [new.id, old.id]);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn one_request_is_cleared_or_all_of_them(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let inbox = create(&fixture, "Tests").await;
        let ids = keep_many(&fixture, inbox.id, 3).await;
        let inboxes = fixture.inboxes();
        let other = bystanders.inbox_requests[0].id;
        let audit_length = fixture.audit_length().await;
        let clear = |request| inboxes.clear(inbox.id, request, change(&fixture));
        assert_eq!(clear(Some(other)).await, Ok(()));
        assert_eq!(clear(Some(ids[1])).await, Ok(()));
        assert_eq!(kept_ids(&fixture, inbox.id).await, [ids[2], ids[0]]);
        assert_eq!(clear(None).await, Ok(()));
        assert_eq!(kept_ids(&fixture, inbox.id).await, []);
        let told = fixture.actions_after(audit_length).await;
        assert_eq!(
            told,
            ["inbox.clear", "inbox.clear"],
            "what was not there was not cleared"
        );
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn the_requests_of_an_inbox_go_with_it(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let inbox = create(&fixture, "Tests").await;
        keep_many(&fixture, inbox.id, 3).await;
        let deleted = fixture.inboxes().delete(inbox.id, change(&fixture));
        deleted.await.unwrap();
        assert_eq!(fixture.count("SELECT count(*) FROM inbox_requests").await, 1);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn the_sealed_secret_of_one_inbox_does_not_open_in_another(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let inbox = create(&fixture, "Tests").await;
        let moved = "UPDATE inboxes SET secret = (SELECT secret FROM inboxes WHERE id = ?1) WHERE id = ?2";
        let (from, to) = (bystanders.inbox.id, inbox.id);
        fixture
            .execute(moved, &[from.as_bytes().into(), to.as_bytes().into()])
            .await;
        let opened = fixture.inboxes().get(inbox.id).await;
        assert!(matches!(opened, Err(StoreError::Corrupt(_))), "{opened:?}");
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }
}
