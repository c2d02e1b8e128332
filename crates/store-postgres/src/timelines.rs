//! On which timeline the database is: another begins when a replica takes over or a copy is restored. What the high-water
//! mark knows of the one before and is not there has been lost, which is told on every node until somebody accepts it.
//!
//! A timeline is looked at on every new connection, before it is used: whoever comes first notes it, and lets the places in
//! the feed jump, so that none is given a second time. Behind a pooler, whose connections outlast those to the database, it is
//! noticed within a second.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use model::audit::Change;
use store::StoreResult;
use store::high_water_mark::Progress;
use store::upkeep::Loss;

use super::audit;
use super::columns::number;
use super::connection::Connection;
use super::database::Shared;
use super::errors::unavailable;
use super::mark::{Mark, MarkFile};

/// How often it is looked how far the database has come.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// By how much the places of events jump on a new timeline: more than a replica lags behind.
const JUMP: i64 = 1_000_000;

/// What one node knows of the timelines.
pub struct Timelines {
    known: Mutex<Known>,
    is_noting: tokio::sync::Mutex<()>,
}

struct Known {
    file: MarkFile,
    loss: Loss,
    /// The schema is there, and the database knows what a timeline is.
    is_watching: bool,
}

/// What the database says of itself.
struct State {
    timeline: String,
    progress: Progress,
    loss: Loss,
}

impl Timelines {
    /// Reads the mark of a data directory. Nothing is looked at before [`Timelines::begin`].
    pub fn open(directory: Option<&Path>) -> StoreResult<Arc<Self>> {
        Ok(Arc::new(Self {
            known: Mutex::new(Known {
                file: MarkFile::open(directory)?,
                loss: Loss::default(),
                is_watching: false,
            }),
            is_noting: tokio::sync::Mutex::default(),
        }))
    }

    /// Looks for the first time; says whether the database knows of timelines. One that does not is not looked at again.
    pub async fn begin(&self, client: &Client) -> StoreResult<bool> {
        match read_state(client).await {
            Ok(_) => {
                self.known().is_watching = true;
                self.look(client).await.map_err(unavailable)?;
                Ok(true)
            }
            Err(error) if error.code().is_some() => {
                tracing::warn!(%error, "the database does not say on which timeline it is: that a replica lagged is not noticed");
                Ok(false)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Compares the mark with the database behind a connection, and moves it.
    pub async fn look(&self, client: &Client) -> Result<(), Error> {
        if !self.known().is_watching {
            return Ok(());
        }
        let state = read_state(client).await?;
        let mark = self.known().file.mark().cloned();
        let is_as_ever = mark.as_ref().is_some_and(|mark| {
            mark.timeline == state.timeline && mark.progress.accepted <= state.progress.accepted
        });
        if is_as_ever {
            let mut known = self.known();
            known.file.advance(state.progress);
            known.loss = state.loss;
            return Ok(());
        }
        // One connection at a time: the others find it done.
        let _noting = self.is_noting.lock().await;
        let mark = self.known().file.mark().cloned();
        self.compare(client, mark, &state.timeline).await
    }

    async fn compare(&self, client: &Client, mark: Option<Mark>, timeline: &str) -> Result<(), Error> {
        let known = mark.as_ref().map(|mark| mark.progress).unwrap_or_default();
        note(client, timeline, known.sequence).await?;
        let state = read_state(client).await?;
        if let Some(mark) = mark {
            let found = match mark.timeline == state.timeline {
                // The same line went back: its data were replaced as a whole.
                true if known.accepted > state.progress.accepted => state.progress,
                true => known,
                false => left_by(client, &mark.timeline).await?,
            };
            let loss = known.lacks(found);
            if !loss.is_nothing() {
                tell(loss);
                keep_loss(client, &mark.timeline, loss).await?;
            }
        }
        let state = read_state(client).await?;
        let mut known = self.known();
        known.loss = state.loss;
        known.file.replace(Mark {
            timeline: state.timeline,
            progress: state.progress,
        });
        Ok(())
    }

    /// An event is committed at this place. One beyond the jump is of another timeline, which the next look finds.
    pub fn committed(&self, sequence: i64) {
        let mut known = self.known();
        let is_near = known
            .file
            .mark()
            .is_some_and(|mark| sequence < mark.progress.sequence.saturating_add(JUMP));
        if is_near {
            known.file.advance(Progress {
                sequence,
                accepted: 0,
            });
        }
    }

    /// What is missing and nobody has accepted yet.
    pub fn loss(&self) -> Loss {
        self.known().loss
    }

    /// Somebody has accepted it.
    pub fn forget_loss(&self) {
        self.known().loss = Loss::default();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks once a second, as long as the store is open.
pub async fn watch(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(shared) = shared.upgrade() else { return };
        let look = async {
            let client = shared.client().await?;
            let looked = tokio::time::timeout(PATIENCE, shared.timelines.look(&client)).await;
            if !matches!(looked, Ok(Ok(()))) {
                // What comes next on it might be the answer to this.
                drop(deadpool_postgres::Object::take(client));
            }
            StoreResult::Ok(())
        };
        // A database that is away is told by whoever wants something of it.
        let _ = look.await;
        let unsynced = shared.timelines.known().file.unsynced();
        if let Some(file) = unsynced {
            let _ = tokio::task::spawn_blocking(move || file.sync_data()).await;
        }
    }
}

/// Takes the loss for known, on every node.
pub async fn accept_loss(connection: &Connection, change: &Change) -> StoreResult<Loss> {
    let sql = "WITH known AS (
                   UPDATE timelines SET is_loss_known = TRUE
                   WHERE NOT is_loss_known AND (lost_events > 0 OR lost_deliveries > 0)
                   RETURNING lost_events, lost_deliveries)
               SELECT coalesce(sum(lost_events), 0)::bigint AS events,
                   coalesce(sum(lost_deliveries), 0)::bigint AS deliveries FROM known";
    let loss = connection
        .read_one(sql, &[], |row| {
            Ok(Loss {
                events: number(row, "events")?,
                deliveries: number(row, "deliveries")?,
            })
        })
        .await?
        .unwrap_or_default();
    if !loss.is_nothing() {
        let detail = format!(
            "took the loss of {} events and {} deliveries for known",
            loss.events, loss.deliveries
        );
        audit::write(connection, change, "system.accept_loss", "store", &detail).await?;
    }
    Ok(loss)
}

async fn read_state(client: &Client) -> Result<State, Error> {
    let sql = "SELECT (SELECT system_identifier::text FROM pg_control_system())
                   || '-' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline,
               greatest((SELECT max(sequence) FROM events), (SELECT pruned_up_to FROM feed)) AS sequence,
               coalesce((SELECT sum(accepted) FROM ledger), 0)::bigint AS accepted,
               coalesce(sum(lost_events), 0)::bigint AS lost_events,
               coalesce(sum(lost_deliveries), 0)::bigint AS lost_deliveries
               FROM timelines WHERE NOT is_loss_known";
    let row = client.query_typed_one(sql, &[]).await?;
    let number = |row: &Row, name| row.try_get::<_, Option<i64>>(name).map(Option::unwrap_or_default);
    Ok(State {
        timeline: row.try_get("timeline")?,
        progress: Progress {
            sequence: number(&row, "sequence")?,
            accepted: number(&row, "accepted")?,
        },
        loss: Loss {
            events: number(&row, "lost_events")?.unsigned_abs(),
            deliveries: number(&row, "lost_deliveries")?.unsigned_abs(),
        },
    })
}

/// Notes a timeline that nobody has noted yet, and lets the places of events jump if it is not the first. No place that the
/// mark knows of is given again, whatever line it was on.
async fn note(client: &Client, timeline: &str, known_sequence: i64) -> Result<(), Error> {
    // Whoever makes an event holds the feed's row.
    let begin =
        "BEGIN; SET LOCAL statement_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '5s';
                 SELECT id FROM feed FOR UPDATE";
    client.batch_execute(begin).await?;
    let insert = "INSERT INTO timelines (position, name, last_event, accepted)
                  SELECT coalesce(max(position), 0) + 1, $1,
                      coalesce(greatest((SELECT max(sequence) FROM events), (SELECT pruned_up_to FROM feed)), 0),
                      coalesce((SELECT sum(accepted) FROM ledger), 0)
                  FROM timelines ON CONFLICT (name) DO NOTHING";
    let noted = client.execute_typed(insert, &[(&timeline, Type::TEXT)]).await?;
    let skip = "SELECT setval(s, greatest(nextval(s), $1) + $2) FROM pg_get_serial_sequence('events', 'sequence') AS s
                WHERE $1 > coalesce((SELECT max(sequence) FROM events), 0)
                   OR ($2 > 0 AND (SELECT count(*) FROM timelines) > 1)";
    let jump = if noted > 0 { JUMP } else { 0 };
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&known_sequence, Type::INT8), (&jump, Type::INT8)];
    client.query_typed(skip, &values).await?;
    client.batch_execute("COMMIT").await
}

/// The row of the timeline that came after one; the latest if that one is unknown.
const AFTER: &str = "position = coalesce(
    (SELECT min(position) FROM timelines WHERE position > (SELECT position FROM timelines WHERE name = $1)),
    (SELECT max(position) FROM timelines))";

/// What was there when the timeline after this one began.
async fn left_by(client: &Client, timeline: &str) -> Result<Progress, Error> {
    let sql = format!("SELECT last_event, accepted FROM timelines WHERE {AFTER}");
    let row = client.query_typed_one(&sql, &[(&timeline, Type::TEXT)]).await?;
    Ok(Progress {
        sequence: row.try_get("last_event")?,
        accepted: row.try_get("accepted")?,
    })
}

/// Of what several nodes miss, the most; more than what somebody accepted has to be accepted anew.
async fn keep_loss(client: &Client, timeline: &str, loss: Loss) -> Result<(), Error> {
    let sql = format!(
        "UPDATE timelines SET is_loss_known = is_loss_known AND lost_events >= $2 AND lost_deliveries >= $3,
             lost_events = greatest(lost_events, $2), lost_deliveries = greatest(lost_deliveries, $3)
         WHERE {AFTER}"
    );
    let [events, deliveries] =
        [loss.events, loss.deliveries].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] = [
        (&timeline, Type::TEXT),
        (&events, Type::INT8),
        (&deliveries, Type::INT8),
    ];
    client.execute_typed(&sql, &values).await.map(|_| ())
}

fn tell(loss: Loss) {
    tracing::error!(
        events = loss.events,
        deliveries = loss.deliveries,
        "the database lacks what this server has seen committed: a replica that lagged took over, or a copy was restored"
    );
}
