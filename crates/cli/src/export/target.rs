//! The files of an export: `NAME.part` while it is written, `NAME` when it is whole, and `NAME.manifest.json`, which says what is in
//! it and how far it came. The manifest is written after the rows that it tells of are on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use model::digest::RunningDigest;
use tables::{Column, ParquetWriter};

use super::Format;
use super::rows::cursor;
use crate::failure::Failure;

/// After so many rows what was read is put on disk.
const CHECKPOINT_ROWS: u64 = 20_000;
/// The same after so many bytes.
const CHECKPOINT_BYTES: u64 = 8 * 1024 * 1024;
/// How much is read at once to hash what an earlier run wrote.
const READ_BYTES: usize = 64 * 1024;

/// What was asked for, as it was written.
pub struct Request<'a> {
    pub what: &'static str,
    pub columns: &'static [Column],
    pub format: Format,
    pub since: Option<&'a str>,
    pub until: Option<&'a str>,
}

impl Request<'_> {
    fn in_json(&self) -> Value {
        json!({ "since": self.since, "until": self.until })
    }
}

/// The files of one export.
pub struct Target {
    name: PathBuf,
    out: BufWriter<File>,
    format: Format,
    /// What becomes a file when it is whole; nothing if each row is written as it comes.
    parquet: Option<ParquetWriter>,
    digest: RunningDigest,
    /// What was asked for, and how far it came.
    manifest: Value,
    rows: u64,
    bytes: u64,
    /// The last row that was written, which says where to go on.
    last_row: Vec<u8>,
    rows_since_checkpoint: u64,
    bytes_since_checkpoint: u64,
}

impl Target {
    /// Begins an export, or takes up what an earlier run of the same command has left.
    pub fn open(
        to: &Path,
        asked: &Request<'_>,
        since: Option<&str>,
        until: Option<&str>,
    ) -> Result<Self, Failure> {
        let name = file_name(to, asked);
        if name.exists() {
            return Err(Failure::other(format!(
                "{} is there already; remove it, or name another file with --to",
                name.display()
            )));
        }
        let file = name
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let begun = json!({
            "what": asked.what, "format": asked.format.as_str(), "asked": asked.in_json(),
            "since": since, "until": until,
            "file": file, "rows": 0, "bytes": 0, "sha256": null, "cursor": null, "isComplete": false,
        });
        let earlier = match asked.format {
            // It begins anew, whatever an earlier one has left.
            Format::Parquet => None,
            Format::Ndjson | Format::Csv => read_manifest(&name)?,
        };
        let manifest = match earlier {
            Some(manifest) if is_of_same_request(&manifest, &begun) => manifest,
            Some(_) => return Err(of_another_request(&name)),
            None => begun,
        };
        let bytes = manifest["bytes"].as_u64().unwrap_or(0);
        let (out, digest) = take_up(&part(&name), bytes)?;
        if manifest["sha256"].is_string() && manifest["sha256"] != digest.to_hex() {
            return Err(Failure::other(format!(
                "{} is not what {} says of it; remove both to begin anew",
                part(&name).display(),
                manifest_name(&name).display()
            )));
        }
        Ok(Self {
            out: BufWriter::new(out),
            format: asked.format,
            parquet: (asked.format == Format::Parquet).then(|| ParquetWriter::new(asked.columns)),
            digest,
            rows: manifest["rows"].as_u64().unwrap_or(0),
            bytes,
            manifest,
            last_row: Vec::new(),
            rows_since_checkpoint: 0,
            bytes_since_checkpoint: 0,
            name,
        })
    }

    /// The beginning of its period.
    pub fn since(&self) -> Option<&str> {
        self.manifest["since"].as_str()
    }

    /// The end of its period.
    pub fn until(&self) -> Option<&str> {
        self.manifest["until"].as_str()
    }

    /// Where to go on.
    pub fn cursor(&self) -> Option<&str> {
        self.manifest["cursor"].as_str()
    }

    /// How many rows were written.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the names of the columns, unless they are there.
    pub fn write_names(&mut self, names: &[u8]) -> Result<(), Failure> {
        match self.bytes {
            0 => self.write(names),
            _ => Ok(()),
        }
    }

    /// Writes a row.
    pub fn write_row(&mut self, row: &[u8]) -> Result<(), Failure> {
        match &mut self.parquet {
            None => self.write(row)?,
            Some(parquet) => {
                let value = serde_json::from_slice(row).map_err(|_| no_export())?;
                parquet.add(&value)?;
                let ready = parquet.take();
                self.write(&ready)?;
            }
        }
        self.rows += 1;
        self.rows_since_checkpoint += 1;
        self.last_row.clear();
        self.last_row.extend_from_slice(row);
        let is_due =
            self.rows_since_checkpoint >= CHECKPOINT_ROWS || self.bytes_since_checkpoint >= CHECKPOINT_BYTES;
        if is_due { self.checkpoint() } else { Ok(()) }
    }

    /// Puts what was written on disk, and then how far that is.
    pub fn checkpoint(&mut self) -> Result<(), Failure> {
        if self.rows_since_checkpoint > 0 {
            let cursor = cursor(&self.last_row, self.format).ok_or_else(no_export)?;
            self.manifest["cursor"] = cursor.into();
            (self.rows_since_checkpoint, self.bytes_since_checkpoint) = (0, 0);
        }
        match self.parquet {
            None => self.save(),
            // Without its end nobody can go on with it.
            Some(_) => Ok(()),
        }
    }

    fn save(&mut self) -> Result<(), Failure> {
        self.out.flush()?;
        self.out.get_ref().sync_data()?;
        self.manifest["rows"] = self.rows.into();
        self.manifest["bytes"] = self.bytes.into();
        self.manifest["sha256"] = self.digest.to_hex().into();
        let unfinished = with_ending(&self.name, ".manifest.new");
        let mut file = File::create(&unfinished)?;
        file.write_all(format!("{:#}\n", self.manifest).as_bytes())?;
        file.sync_data()?;
        Ok(fs::rename(unfinished, manifest_name(&self.name))?)
    }

    /// Gives the file its name; what is in it.
    pub fn finish(mut self) -> Result<Value, Failure> {
        if let Some(parquet) = self.parquet.take() {
            let end = parquet.finish()?;
            self.write(&end)?;
        }
        // What has this name is whole, and on disk.
        self.out.flush()?;
        self.out.get_ref().sync_data()?;
        fs::rename(part(&self.name), &self.name)?;
        self.manifest["isComplete"] = true.into();
        self.save()?;
        Ok(self.manifest)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes)?;
        self.digest.update(bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.bytes += length;
        self.bytes_since_checkpoint += length;
        Ok(())
    }
}

fn no_export() -> Failure {
    Failure::other("the server sent something else than an export; check --url")
}

/// A folder gets a file of its own name for each thing that is exported.
fn file_name(to: &Path, asked: &Request<'_>) -> PathBuf {
    match to.is_dir() {
        true => to.join(format!("{}.{}", asked.what, asked.format.as_str())),
        false => to.to_owned(),
    }
}

fn part(name: &Path) -> PathBuf {
    with_ending(name, ".part")
}

fn manifest_name(name: &Path) -> PathBuf {
    with_ending(name, ".manifest.json")
}

fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut name = name.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// What an earlier run has left; nothing if it came to its end, or there was none.
fn read_manifest(name: &Path) -> Result<Option<Value>, Failure> {
    let path = manifest_name(name);
    if !path.exists() || !part(name).exists() {
        return Ok(None);
    }
    let manifest: Result<Value, _> = serde_json::from_slice(&fs::read(&path)?);
    let manifest = manifest.map_err(|_| {
        Failure::other(format!(
            "{} cannot be read; remove it to begin anew",
            path.display()
        ))
    })?;
    Ok(Some(manifest))
}

/// Times that were told as how long ago are those of the first run.
fn is_of_same_request(manifest: &Value, begun: &Value) -> bool {
    ["what", "format", "asked"]
        .iter()
        .all(|member| manifest[*member] == begun[*member])
}

fn of_another_request(name: &Path) -> Failure {
    Failure::other(format!(
        "{} is of an export that asked for something else; give the same arguments to go on, or remove it",
        part(name).display()
    ))
}

/// Opens the unfinished file at its end as it is known, and hashes what stands before that.
fn take_up(path: &Path, bytes: u64) -> Result<(File, RunningDigest), Failure> {
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.set_len(bytes)?;
    let mut digest = RunningDigest::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        digest.update(&buffer[..read]);
    }
    file.seek(SeekFrom::End(0))?;
    Ok((file, digest))
}
