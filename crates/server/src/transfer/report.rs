//! What a move tells: how far it is, what came of it, and why it cannot go on.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use store::StoreError;
use store::transfer::{Changes, TableDigest};

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Copying,
    Comparing,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub stage: Stage,
    pub table: &'static str,
    /// Rows of all tables that are done, and that there are.
    pub done: u64,
    pub total: u64,
}

/// One table that is alike on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableReport {
    pub name: &'static str,
    pub digest: TableDigest,
}

/// Which master key the servers need from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServersKey {
    /// The one of this file.
    File(PathBuf),
    /// The one that the environment has.
    Environment,
    /// The one that was given for the target.
    Given,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferReport {
    pub tables: Vec<TableReport>,
    pub changes: Changes,
    pub key: ServersKey,
    /// The target in words.
    pub target: String,
    /// An earlier run has done it all.
    pub was_moved_before: bool,
}

/// Why it does not go on: a stable code, a sentence, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence} ({code}); {advice}")]
pub struct TransferError {
    pub code: &'static str,
    pub sentence: String,
    pub advice: &'static str,
}

const AGAIN: &str = "run the command again: it goes on where it was";

/// A store error of the source.
pub fn of_source(error: StoreError) -> TransferError {
    TransferError::new(
        "source_unavailable",
        error,
        "stop the server that uses the folder, and run the command again",
    )
}

/// A store error of the target.
pub fn of_target(error: StoreError) -> TransferError {
    TransferError::new("target_unavailable", error, AGAIN)
}

impl TransferError {
    fn new(code: &'static str, sentence: impl Display, advice: &'static str) -> Self {
        Self {
            code,
            sentence: sentence.to_string(),
            advice,
        }
    }

    pub(super) fn no_data(folder: &Path) -> Self {
        let sentence = format!("{} holds no data of OpsKnight", folder.display());
        Self::new(
            "no_data",
            sentence,
            "give the data directory of the server: --from sqlite:DIR",
        )
    }

    pub(super) fn key(error: &impl Display) -> Self {
        Self::new(
            "master_key",
            error,
            "give the key that the server of this folder has, as it has it",
        )
    }

    pub(super) fn wrong_key(error: &StoreError) -> Self {
        Self::new(
            "wrong_key",
            error,
            "nothing more was moved; give the missing key, and run the command again",
        )
    }

    pub(super) fn other_key() -> Self {
        Self::new(
            "other_key",
            "this move began with another master key for the target",
            "give the same OPSKNIGHT_TARGET_MASTER_KEY, or none, as at first; or begin anew with an empty database",
        )
    }

    pub(super) fn other_transfer(source: &str) -> Self {
        let sentence = format!(
            "the target holds a part of the data of {source}, from another move, or from this folder before it was served again"
        );
        Self::new(
            "other_transfer",
            sentence,
            "drop that database, make an empty one, and run the command again",
        )
    }

    pub(super) fn in_use(place: &str) -> Self {
        Self::new(
            "target_in_use",
            format!("a server uses {place}"),
            "stop the servers of the target; one that was killed counts for a minute",
        )
    }

    pub(super) fn not_empty(place: &str, table: &str) -> Self {
        Self::new(
            "target_not_empty",
            format!("{place} is not empty: its table {table} has rows"),
            "give an empty database: nothing is ever merged",
        )
    }

    pub(super) fn no_column(table: &str, column: &str) -> Self {
        Self::new(
            "no_column",
            format!("the target has no place for the column {column} of {table}"),
            "report it: this program's two schemas differ",
        )
    }

    pub(super) fn refused(table: &str, error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::new("target_unavailable", error, AGAIN),
            StoreError::NotFound { .. }
            | StoreError::UnknownReference { .. }
            | StoreError::Taken { .. }
            | StoreError::InUse { .. }
            | StoreError::FilesReplaced(_)
            | StoreError::Corrupt(_)
            | StoreError::Conflict(_) => Self::new(
                "value_refused",
                format!("the target does not take a row of {table}: {error}"),
                "run `opsknight doctor --deep` against the old server (`serve --force-moved`), and report what it finds",
            ),
        }
    }

    pub(super) fn differs(table: &str, here: u64, there: u64) -> Self {
        Self::new(
            "differs",
            format!("the table {table} is not the same on both sides ({here} rows here, {there} there)"),
            "nothing was declared moved; make an empty database, and run the command again",
        )
    }

    pub(super) fn balance() -> Self {
        Self::new(
            "differs",
            "the balance of deliveries is not the same on both sides",
            "nothing was declared moved; make an empty database, and run the command again",
        )
    }
}
