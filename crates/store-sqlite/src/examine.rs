//! The deep check: whatever the schema cannot forbid. It only reads, each question with a snapshot of its own, so that
//! nobody waits for it: the writer goes on meanwhile, and the write-ahead log is folded back between two questions.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use model::id::{IncidentId, WebhookId};
use model::time::Timestamp;
use store::StoreResult;
use store::cross_checks::{self, blocked_lane, imbalance};
use store::high_water_mark::Progress;
use store::upkeep::{CheckListener, CheckProgress, Examined, Finding, tell};

use super::balances;
use super::cross_checks::{cross_check, tables};
use super::database::unavailable;
use super::mark::read_progress;
use super::statements::{read_all, read_one, snapshot};

/// The most findings that are told.
const MAX_FINDINGS: u32 = 50;
/// Up to how many pages a file is checked as one: 1 GiB.
const CHECKED_AS_ONE: u32 = 262_144;

/// After how many steps of a statement, or pages of the file, the listener is asked again: some milliseconds.
const STEPS_UNASKED: i32 = 10_000;

/// Everything that is not as it should be. `known` is how far the database had come when the check began.
pub fn examine(
    connection: &mut Connection,
    known: Progress,
    now: Timestamp,
    listener: &CheckListener,
) -> StoreResult<Examined> {
    let (heard, listener) = Heard::by(connection, listener)?;
    look(&heard, known, now, &listener)
}

/// A connection whose statements end when a listener wants no more.
struct Heard<'a>(&'a mut Connection);

impl<'a> Heard<'a> {
    /// With the listener that is to be told how far the check has come.
    fn by(connection: &'a mut Connection, listener: &CheckListener) -> StoreResult<(Self, CheckListener)> {
        let told = Arc::new(Mutex::new(CheckProgress {
            step: "pages",
            done: 0,
            of: 1,
        }));
        let (last, asked) = (Arc::clone(&told), Arc::clone(listener));
        let is_over = move || {
            let last = *last.lock().unwrap_or_else(PoisonError::into_inner);
            asked(last).is_break()
        };
        connection
            .progress_handler(STEPS_UNASKED, Some(is_over))
            .map_err(unavailable)?;
        let listener = Arc::clone(listener);
        let tells: CheckListener = Arc::new(move |progress| {
            *told.lock().unwrap_or_else(PoisonError::into_inner) = progress;
            listener(progress)
        });
        Ok((Self(connection), tells))
    }
}

impl Deref for Heard<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

/// Whoever has the connection next is not heard, even if the check panicked.
impl Drop for Heard<'_> {
    fn drop(&mut self) {
        let removed = self.0.progress_handler(0, None::<fn() -> bool>);
        if let Err(error) = removed {
            tracing::error!(%error, "a connection of the store still asks who listened to the deep check");
        }
    }
}

fn look(
    connection: &Connection,
    known: Progress,
    now: Timestamp,
    listener: &CheckListener,
) -> StoreResult<Examined> {
    let mut findings = damaged_pages(connection, listener)?;
    tell(listener, "lanes", 0, 1)?;
    findings.extend(behind_mark(connection, known)?);
    findings.extend(blocked_lanes(connection)?);
    findings.extend(claims_of_nobody(connection, now)?);
    findings.extend(cross_check(connection, listener)?);
    tell(listener, "balance", 0, 1)?;
    let balances = balances::draw(&*snapshot(connection)?)?;
    findings.extend(balances.iter().filter_map(imbalance));
    findings.truncate(MAX_FINDINGS as usize);
    Ok(Examined { findings, balances })
}

/// A file that is read in a second is checked as one. A larger one table by table, so that somebody who waits sees how far it
/// is, and nobody has to wait to break it off; pages that are free to be used again are left out then.
fn damaged_pages(connection: &Connection, listener: &CheckListener) -> StoreResult<Vec<Finding>> {
    let pages: Option<u32> = read_one(connection, "PRAGMA page_count", (), |row| row.get(0))?;
    if pages.unwrap_or(0) <= CHECKED_AS_ONE {
        tell(listener, "pages", 0, 1)?;
        return damaged_by(connection, &format!("PRAGMA quick_check({MAX_FINDINGS})"));
    }
    let tables = tables(connection)?;
    let mut findings = Vec::new();
    for (done, table) in (0..).zip(&tables) {
        tell(listener, "pages", done, tables.len() as u64)?;
        findings.extend(damaged_by(connection, &format!("PRAGMA quick_check('{table}')"))?);
    }
    Ok(findings)
}

fn damaged_by(connection: &Connection, statement: &str) -> StoreResult<Vec<Finding>> {
    let sentences: Vec<String> = read_all(connection, statement, (), |row| row.get(0))?;
    let damage = sentences.into_iter().filter(|sentence| sentence != "ok");
    Ok(damage
        .map(|sentence| Finding::unexpected("integrity", sentence))
        .collect())
}

/// A queued delivery waits for one before it in its lane; if none is scheduled or claimed, it waits for ever.
fn blocked_lanes(connection: &Connection) -> StoreResult<Vec<Finding>> {
    read_all(
        connection,
        "SELECT q.webhook_id, q.incident_id, count(*)
         FROM webhooks w CROSS JOIN deliveries q ON q.webhook_id = w.id
         WHERE w.deleted_at IS NULL AND q.finished_at IS NULL AND q.state = 'queued'
             AND NOT EXISTS (SELECT 1 FROM deliveries head
                             WHERE head.incident_id = q.incident_id AND head.webhook_id = q.webhook_id
                                 AND head.state IN ('scheduled', 'claimed'))
         GROUP BY q.webhook_id, q.incident_id LIMIT ?1",
        [MAX_FINDINGS],
        |row| {
            let webhook_id = WebhookId::from_bytes(row.get(0)?);
            let incident_id = IncidentId::from_bytes(row.get(1)?);
            let count: i64 = row.get(2)?;
            Ok(blocked_lane(webhook_id, incident_id, count))
        },
    )
}

fn claims_of_nobody(connection: &Connection, now: Timestamp) -> StoreResult<Vec<Finding>> {
    read_all(
        connection,
        "SELECT c.node, count(*) FROM webhooks w CROSS JOIN deliveries c ON c.webhook_id = w.id
         WHERE c.finished_at IS NULL AND c.state = 'claimed'
             AND c.node NOT IN (SELECT id FROM nodes WHERE lease_until > ?1)
         GROUP BY c.node LIMIT ?2",
        (now.as_millis(), MAX_FINDINGS),
        |row| {
            let (node, count): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(cross_checks::claims_of_nobody(node, count))
        },
    )
}

fn behind_mark(connection: &Connection, known: Progress) -> StoreResult<Option<Finding>> {
    let loss = known.lacks(read_progress(connection)?);
    Ok((!loss.is_nothing()).then(|| {
        let sentence = format!(
            "{} events and {} deliveries that this run has committed are no longer counted in the database",
            loss.events, loss.deliveries
        );
        Finding::unexpected("behind_mark", sentence)
    }))
}
