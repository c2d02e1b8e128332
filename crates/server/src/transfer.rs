//! Moving everything from a data directory into a PostgreSQL, offline: `opsknight migrate`.
//!
//! Rows go table by table in the order of their keys, in batches that are each a transaction. What is at the target is so always
//! a beginning of what is at the source: a move that was interrupted goes on behind the last row. Then both sides are read again
//! and compared, and only then servers may start on the target. From the first row on none starts on the source.

mod report;

use std::path::PathBuf;

use clock::Env;
use config::secret_file;
use model::secret::SecretText;
use store::seal::{MasterKey, Sealer};
use store::transfer::{Changes, Layout, Rows, TABLES, TableDigest};
use store::upkeep::Upkeep;
use store::{NoObserver, NoSink};

use crate::master_key::{self, KeyOrigin, MasterKeyError, MasterKeys};
pub use report::{Progress, ServersKey, Stage, TableReport, TransferError, TransferReport};
use report::{of_source, of_target};

/// Names the master key of the target, if it shall be another one; with `_FILE` behind it, names a file that holds it.
pub const TARGET_KEY_NAME: &str = "OPSKNIGHT_TARGET_MASTER_KEY";
/// How many rows are read and written at once.
const BATCH_ROWS: u32 = 500;
/// Connections to the target.
const CONNECTIONS: usize = 2;
/// How long one statement may take.
const STATEMENT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(600);

/// From where to where.
pub struct TransferRequest {
    /// The data directory.
    pub from: PathBuf,
    /// The address of the PostgreSQL.
    pub to: SecretText,
}

/// Serves a data directory whose data were moved all the same; says whether they were.
pub fn take_back(directory: &std::path::Path) -> Result<bool, TransferError> {
    store_sqlite::take_back(directory).map_err(of_source)
}

/// Moves everything, or what is left of it.
pub async fn transfer(
    request: &TransferRequest,
    environment: impl Fn(&str) -> Option<String>,
    clock: &Env,
    on_progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<TransferReport, TransferError> {
    let sides = Sides::open(request, environment, clock).await?;
    if let Some(report) = sides.begin(clock).await? {
        return Ok(report);
    }
    let layouts = sides.layouts().await?;
    sides.copy(&layouts, on_progress).await?;
    let (tables, changes) = sides.compare(&layouts, on_progress).await?;
    sides.finish(clock).await?;
    Ok(TransferReport {
        tables,
        changes,
        key: sides.servers_key(),
        target: sides.place.clone(),
        was_moved_before: false,
    })
}

/// Both stores, and the keys to their secrets.
struct Sides {
    source: store_sqlite::Database,
    target: store_postgres::Database,
    source_sealer: Sealer,
    target_sealer: Sealer,
    keys: MasterKeys,
    has_key_of_its_own: bool,
    /// The source in words.
    origin: String,
    /// The target in words.
    place: String,
}

impl Sides {
    async fn open(
        request: &TransferRequest,
        environment: impl Fn(&str) -> Option<String>,
        clock: &Env,
    ) -> Result<Self, TransferError> {
        let from = &request.from;
        if !from.join(store_sqlite::FILE_NAME).exists() {
            return Err(TransferError::no_data(from));
        }
        let place = store_postgres::place_of(request.to.reveal()).map_err(of_target)?;
        let keys = master_key::load(from, &environment, clock).map_err(|error| TransferError::key(&error))?;
        let own_key = target_key(&environment)?;
        let source_sealer = Sealer::new(&keys.current, keys.previous.as_ref());
        let target_sealer = Sealer::new(own_key.as_ref().unwrap_or(&keys.current), None);
        let source = store_sqlite::Database::open_for_transfer(store_sqlite::Settings {
            directory: from.clone(),
            sealer: source_sealer.clone(),
            delivery_sink: std::sync::Arc::new(NoSink),
            node: i64::from(u32::from_le_bytes(clock.random())),
            observer: std::sync::Arc::new(NoObserver),
            max_pages: None,
        })
        .map_err(of_source)?;
        let has_keys = source.check_master_key().await;
        has_keys.map_err(|error| TransferError::wrong_key(&error))?;
        let target = store_postgres::Database::open(store_postgres::Settings {
            url: request.to.reveal().to_owned(),
            pool_size: CONNECTIONS,
            statement_timeout: STATEMENT_TIMEOUT,
            mark_directory: None,
            node: i64::from_le_bytes(clock.random()) & i64::MAX,
            sealer: target_sealer.clone(),
            delivery_sink: std::sync::Arc::new(NoSink),
            observer: std::sync::Arc::new(NoObserver),
        })
        .await
        .map_err(of_target)?;
        Ok(Self {
            source,
            target,
            source_sealer,
            target_sealer,
            keys,
            has_key_of_its_own: own_key.is_some(),
            origin: from.display().to_string(),
            place,
        })
    }

    /// Notes on both sides that the move begins, if it has not. Says what there is to report if it has ended before.
    async fn begin(&self, clock: &Env) -> Result<Option<TransferReport>, TransferError> {
        let now = clock.now();
        let at_source = self.source.known_transfer().await.map_err(of_source)?;
        if at_source
            .as_ref()
            .is_some_and(|known| known.finished_at.is_some())
        {
            return Ok(Some(self.moved_before()));
        }
        let at_target = self.target.known_transfer().await.map_err(of_target)?;
        match (&at_source, at_target) {
            (Some(here), Some(there)) if here.token == there.token => {
                if there.finished_at.is_some() {
                    self.source.finish_transfer(now).await.map_err(of_source)?;
                    return Ok(Some(self.moved_before()));
                }
                if !there.is_of_this_key {
                    return Err(TransferError::other_key());
                }
                return Ok(None);
            }
            (_, Some(there)) if there.finished_at.is_none() => {
                return Err(TransferError::other_transfer(&there.source));
            }
            (_, Some(_) | None) => {}
        }
        if let Some(table) = self.target.first_filled_table().await.map_err(of_target)? {
            return Err(TransferError::not_empty(&self.place, table));
        }
        if self.target.count_servers().await.map_err(of_target)? > 0 {
            return Err(TransferError::in_use(&self.place));
        }
        let token = match at_source {
            Some(known) => known.token,
            None => {
                let token = clock.random();
                let begun = self.source.begin_transfer(token, self.place.clone(), now).await;
                begun.map_err(of_source)?;
                token
            }
        };
        let begun = self.target.begin_transfer(token, &self.origin, now).await;
        begun.map_err(of_target).map(|()| None)
    }

    fn moved_before(&self) -> TransferReport {
        TransferReport {
            tables: Vec::new(),
            changes: Changes::default(),
            key: self.servers_key(),
            target: self.place.clone(),
            was_moved_before: true,
        }
    }

    /// What the servers need to open the secrets.
    fn servers_key(&self) -> ServersKey {
        match &self.keys.origin {
            _ if self.has_key_of_its_own => ServersKey::Given,
            KeyOrigin::Environment => ServersKey::Environment,
            KeyOrigin::File(path) | KeyOrigin::NewFile(path) => ServersKey::File(path.clone()),
        }
    }

    /// The columns of each table, as the target has them.
    async fn layouts(&self) -> Result<Vec<Layout>, TransferError> {
        let mut layouts = Vec::with_capacity(TABLES.len());
        for table in &TABLES {
            let names = self.source.transfer_columns(table).await.map_err(of_source)?;
            let known = self.target.transfer_columns(table).await.map_err(of_target)?;
            let columns = names.iter().map(|name| {
                let found = known.iter().find(|column| column.name == *name).cloned();
                found.ok_or_else(|| TransferError::no_column(table.name, name))
            });
            layouts.push(Layout {
                table,
                columns: columns.collect::<Result<_, _>>()?,
            });
        }
        Ok(layouts)
    }

    async fn copy(
        &self,
        layouts: &[Layout],
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), TransferError> {
        let mut counter = self.counter(Stage::Copying, on_progress).await?;
        let mut changes = Changes::default();
        for layout in layouts {
            counter.table = layout.table.name;
            let already = self.target.count_rows(layout.table).await.map_err(of_target)?;
            counter.add(already);
            let mut key = self.target.last_key(layout).await.map_err(of_target)?;
            loop {
                let read = self.source.rows_after(layout, key.as_deref(), BATCH_ROWS).await;
                let mut rows = read.map_err(of_source)?;
                let Some(last) = rows.last() else { break };
                key = Some(layout.key_of(last));
                let count = rows.len() as u64;
                for row in &mut rows {
                    layout.adapt(row, &mut changes);
                    let sealers = (&self.source_sealer, &self.target_sealer);
                    let resealed = layout.reseal(row, sealers.0, sealers.1, &mut changes);
                    resealed.map_err(|error| TransferError::wrong_key(&error))?;
                }
                let written = self.target.append_rows(layout, rows).await;
                written.map_err(|error| TransferError::refused(layout.table.name, &error))?;
                counter.add(count);
            }
        }
        Ok(())
    }

    /// Reads both sides again: what arrived must be what was there.
    async fn compare(
        &self,
        layouts: &[Layout],
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(Vec<TableReport>, Changes), TransferError> {
        let mut counter = self.counter(Stage::Comparing, on_progress).await?;
        let mut changes = Changes::default();
        let mut tables = Vec::with_capacity(layouts.len());
        for layout in layouts {
            counter.table = layout.table.name;
            let here = self.digest_source(layout, &mut changes, &mut counter).await?;
            let there = self.digest_target(layout).await?;
            if here != there {
                return Err(TransferError::differs(layout.table.name, here.rows, there.rows));
            }
            tables.push(TableReport {
                name: layout.table.name,
                digest: here,
            });
        }
        let here = self.source.balance().await.map_err(of_source)?;
        let there = self.target.balance().await.map_err(of_target)?;
        match here == there {
            true => Ok((tables, changes)),
            false => Err(TransferError::balance()),
        }
    }

    async fn digest_source(
        &self,
        layout: &Layout,
        changes: &mut Changes,
        counter: &mut Counter<'_>,
    ) -> Result<TableDigest, TransferError> {
        let (mut digest, mut key) = (TableDigest::default(), None);
        let sealers = [&self.source_sealer, &self.target_sealer];
        loop {
            let read = self.source.rows_after(layout, key.as_deref(), BATCH_ROWS).await;
            let rows = read.map_err(of_source)?;
            let Some(last) = rows.last() else {
                return Ok(digest);
            };
            key = Some(layout.key_of(last));
            counter.add(rows.len() as u64);
            for mut row in rows {
                layout.adapt(&mut row, changes);
                digest.add(layout, &row, &sealers);
                let resealed = layout.reseal(&mut row, sealers[0], sealers[1], changes);
                resealed.map_err(|error| TransferError::wrong_key(&error))?;
            }
        }
    }

    async fn digest_target(&self, layout: &Layout) -> Result<TableDigest, TransferError> {
        let (mut digest, mut key) = (TableDigest::default(), None);
        loop {
            let read = self.target.rows_after(layout, key.as_deref(), BATCH_ROWS).await;
            let rows = read.map_err(of_target)?;
            let Some(last) = rows.last() else {
                return Ok(digest);
            };
            key = Some(layout.key_of(last));
            for row in &rows {
                digest.add(layout, row, &[&self.target_sealer]);
            }
        }
    }

    /// The target first: should this be interrupted in between, the next run only has the source to note it at.
    async fn finish(&self, clock: &Env) -> Result<(), TransferError> {
        let last_sequence = self.source.last_sequence().await.map_err(of_source)?;
        self.target.analyze().await.map_err(of_target)?;
        let finished = self.target.finish_transfer(last_sequence, clock.now()).await;
        finished.map_err(of_target)?;
        self.source.finish_transfer(clock.now()).await.map_err(of_source)
    }

    async fn counter<'a>(
        &self,
        stage: Stage,
        on_progress: &'a mut (dyn FnMut(Progress) + Send),
    ) -> Result<Counter<'a>, TransferError> {
        let mut total = 0;
        for table in &TABLES {
            total += self.source.count_rows(table).await.map_err(of_source)?;
        }
        Ok(Counter {
            stage,
            table: "",
            done: 0,
            total,
            on_progress,
        })
    }
}

/// Tells how far a stage has come.
struct Counter<'a> {
    stage: Stage,
    table: &'static str,
    done: u64,
    total: u64,
    on_progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl Counter<'_> {
    fn add(&mut self, rows: u64) {
        self.done += rows;
        (self.on_progress)(Progress {
            stage: self.stage,
            table: self.table,
            done: self.done,
            total: self.total,
        });
    }
}

/// The key that the target shall have instead of the source's.
fn target_key(environment: &impl Fn(&str) -> Option<String>) -> Result<Option<MasterKey>, TransferError> {
    let text = secret_file::find(TARGET_KEY_NAME, environment).map_err(|error| TransferError::key(&error))?;
    let Some(text) = text else { return Ok(None) };
    let not_a_key = || {
        TransferError::key(&MasterKeyError::NotAKey {
            origin: TARGET_KEY_NAME.to_owned(),
        })
    };
    MasterKey::parse(&text).map(Some).ok_or_else(not_a_key)
}
