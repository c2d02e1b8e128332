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
use store::inboxes::InboxEdit;

use super::backend::Backend;
use super::samples;

const NOT_FOUND: StoreError = StoreError::NotFound { what: "inbox" };

fn change(backend: &Backend) -> Change {
    backend.source.change(samples::actor(&backend.source))
}

async fn create(backend: &Backend, name: &str) -> Inbox {
    let inbox = samples::inbox(&backend.source, name);
    let created = backend.inboxes().create(inbox, change(backend));
    created.await.unwrap()
}

async fn keep(backend: &Backend, inbox: InboxId, at: Timestamp) -> InboxRequest {
    let request = samples::inbox_request(&backend.source, inbox, at);
    backend.inboxes().keep(request.clone()).await.unwrap();
    request
}

/// Keeps requests, each a millisecond after the one before.
async fn keep_many(backend: &Backend, inbox: InboxId, count: u32) -> Vec<InboxRequestId> {
    let mut ids = Vec::new();
    for millisecond in 0..count {
        let at = samples::now().plus(Duration::from_millis(u64::from(millisecond)));
        ids.push(keep(backend, inbox, at).await.id);
    }
    ids
}

async fn kept_ids(backend: &Backend, inbox: InboxId) -> Vec<InboxRequestId> {
    let requests = backend.inboxes().requests(inbox).await.unwrap();
    requests.into_iter().map(|request| request.id).collect()
}

#[tokio::test]
async fn an_inbox_reads_back_as_it_was_created_and_changed() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let audit_length = backend.audit_length().await;
    let inboxes = backend.inboxes();
    let inbox = samples::inbox(&backend.source, "Tests");
    let created = inboxes.create(inbox.clone(), change(&backend)).await;
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
    let changed = inboxes.update(inbox.id, edit, change(&backend));
    assert_eq!(changed.await, Ok(answering.clone()));
    assert_eq!(inboxes.get(inbox.id).await, Ok(answering.clone()));
    assert_eq!(
        inboxes.list().await,
        Ok(vec![(answering, 0), (bystanders.inbox.clone(), 1)])
    );
    assert_eq!(inboxes.delete(inbox.id, change(&backend)).await, Ok(()));
    assert_eq!(inboxes.get(inbox.id).await, Err(NOT_FOUND));
    assert_eq!(
        backend.actions_after(audit_length).await,
        ["inbox.create", "inbox.update", "inbox.delete"]
    );
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn the_secret_of_an_inbox_is_replaced_and_removed() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let inbox = create(&backend, "Tests").await;
    let edit = |secret: Option<&str>| InboxEdit {
        answer: None,
        secret: Some(secret.map(SecretText::new)),
    };
    let with = |secret: Option<&str>| Inbox {
        secret: secret.map(SecretText::new),
        ..inbox.clone()
    };
    let inboxes = backend.inboxes();
    let replaced = inboxes.update(inbox.id, edit(Some("new")), change(&backend));
    assert_eq!(replaced.await, Ok(with(Some("new"))));
    assert_eq!(inboxes.get(inbox.id).await, Ok(with(Some("new"))));
    let removed = inboxes.update(inbox.id, edit(None), change(&backend));
    assert_eq!(removed.await, Ok(with(None)));
    assert_eq!(inboxes.get(inbox.id).await, Ok(with(None)));
    let log = backend.access().list_audit(samples::everything()).await.unwrap();
    assert_eq!(log[0].detail, "changed the secret of \"Tests\"");
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_change_of_an_inbox_that_changes_nothing_leaves_no_audit_row() {
    let backend = Backend::open();
    let inbox = create(&backend, "Tests").await;
    let audit_length = backend.audit_length().await;
    let edit = InboxEdit {
        answer: Some(inbox.answer),
        secret: Some(inbox.secret.clone()),
    };
    let changed = backend.inboxes().update(inbox.id, edit, change(&backend));
    assert_eq!(changed.await, Ok(inbox));
    assert_eq!(backend.audit_length().await, audit_length);
}

#[tokio::test]
async fn an_inbox_that_is_not_there_is_not_found() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let audit_length = backend.audit_length().await;
    let nowhere = backend.source.new_inbox_id();
    let inboxes = backend.inboxes();
    let changed = inboxes.update(nowhere, InboxEdit::default(), change(&backend));
    assert_eq!(changed.await, Err(NOT_FOUND));
    assert_eq!(inboxes.delete(nowhere, change(&backend)).await, Err(NOT_FOUND));
    let request = samples::inbox_request(&backend.source, nowhere, samples::now());
    assert_eq!(inboxes.keep(request).await, Err(NOT_FOUND));
    assert_eq!(inboxes.requests(nowhere).await, Ok(vec![]));
    assert_eq!(backend.audit_length().await, audit_length);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn there_are_only_so_many_inboxes() {
    let backend = Backend::open();
    let plant = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                 INSERT INTO inboxes SELECT randomblob(16), 'many', 200, 0, NULL, 1 FROM n";
    backend.beside().execute(plant, [MAX_INBOXES - 1]).unwrap();
    create(&backend, "last").await;
    let one_more = samples::inbox(&backend.source, "one more");
    let refused = backend.inboxes().create(one_more, change(&backend)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let count = backend.inboxes().list().await.unwrap().len();
    assert_eq!(count, MAX_INBOXES as usize);
}

#[tokio::test]
async fn what_comes_to_an_inbox_is_kept_whole_without_an_audit_row() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let inbox = create(&backend, "Tests").await;
    let audit_length = backend.audit_length().await;
    let first = keep(&backend, inbox.id, samples::hours_ago(1)).await;
    let second = keep(&backend, inbox.id, samples::now()).await;
    let kept = backend.inboxes().requests(inbox.id).await;
    assert_eq!(kept, Ok(vec![second, first]));
    let listed = backend.inboxes().list().await.unwrap();
    let counts: Vec<_> = listed.into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts, [2, 1]);
    assert_eq!(backend.audit_length().await, audit_length);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn an_inbox_keeps_the_latest_requests() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let inbox = create(&backend, "Tests").await;
    let mut ids = keep_many(&backend, inbox.id, MAX_INBOX_REQUESTS + 2).await;
    ids.reverse();
    ids.truncate(MAX_INBOX_REQUESTS as usize);
    assert_eq!(kept_ids(&backend, inbox.id).await, ids);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_request_drives_out_those_of_its_inbox_that_are_too_old() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let inbox = create(&backend, "Tests").await;
    let oldest = samples::now().minus(INBOX_REQUEST_LIFETIME);
    keep(&backend, inbox.id, oldest.minus(Duration::from_millis(1))).await;
    let old = keep(&backend, inbox.id, oldest).await;
    let new = keep(&backend, inbox.id, samples::now()).await;
    assert_eq!(kept_ids(&backend, inbox.id).await, [new.id, old.id]);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn one_request_is_cleared_or_all_of_them() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let inbox = create(&backend, "Tests").await;
    let ids = keep_many(&backend, inbox.id, 3).await;
    let inboxes = backend.inboxes();
    let other = bystanders.inbox_requests[0].id;
    let audit_length = backend.audit_length().await;
    let clear = |request| inboxes.clear(inbox.id, request, change(&backend));
    assert_eq!(clear(Some(other)).await, Ok(()));
    assert_eq!(clear(Some(ids[1])).await, Ok(()));
    assert_eq!(kept_ids(&backend, inbox.id).await, [ids[2], ids[0]]);
    assert_eq!(clear(None).await, Ok(()));
    assert_eq!(kept_ids(&backend, inbox.id).await, []);
    let told = backend.actions_after(audit_length).await;
    assert_eq!(
        told,
        ["inbox.clear", "inbox.clear"],
        "what was not there was not cleared"
    );
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn the_requests_of_an_inbox_go_with_it() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let inbox = create(&backend, "Tests").await;
    keep_many(&backend, inbox.id, 3).await;
    let deleted = backend.inboxes().delete(inbox.id, change(&backend));
    deleted.await.unwrap();
    assert_eq!(backend.count("SELECT count(*) FROM inbox_requests"), 1);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn the_sealed_secret_of_one_inbox_does_not_open_in_another() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let inbox = create(&backend, "Tests").await;
    let moved = "UPDATE inboxes SET secret = (SELECT secret FROM inboxes WHERE id = ?1) WHERE id = ?2";
    let (from, to) = (bystanders.inbox.id, inbox.id);
    backend
        .beside()
        .execute(moved, (from.as_bytes(), to.as_bytes()))
        .unwrap();
    let opened = backend.inboxes().get(inbox.id).await;
    assert!(matches!(opened, Err(StoreError::Corrupt(_))), "{opened:?}");
    assert_eq!(backend.see(&bystanders).await, bystanders);
}
