//! A receiver with axum: verifies, answers at once, works later, and does nothing twice. Cargo.toml beside it names what it takes.
//!
//!   SECRET=… PORT=9000 cargo run

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs, io};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const FRESH_SECONDS: u64 = 300;

struct Receiver {
    key: Vec<u8>,
    folder: PathBuf,
    later: UnboundedSender<String>,
}

/// Standard Webhooks: this signature covers the id too, so that nobody can make a delivery look like another one.
fn is_valid(key: &[u8], [id, time, signatures]: [&str; 3], body: &[u8]) -> bool {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let is_fresh = time
        .parse::<u64>()
        .is_ok_and(|time| now.abs_diff(time) < FRESH_SECONDS);
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return false;
    };
    let mac = mac.chain_update(format!("{id}.{time}.")).chain_update(body);
    // In constant time.
    let fits = |given: &str| {
        let given = given
            .strip_prefix("v1,")
            .and_then(|text| STANDARD.decode(text).ok());
        given.is_some_and(|given| mac.clone().verify_slice(&given).is_ok())
    };
    let is_id = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_id && is_fresh && signatures.split(' ').any(fits)
}

/// Whole or not at all, and only once: a link to a name that is taken fails. Whether it is new.
fn keep(folder: &Path, id: &str, body: &[u8]) -> io::Result<bool> {
    let temporary = tempfile::NamedTempFile::new_in(folder)?;
    fs::write(temporary.path(), body)?;
    match fs::hard_link(temporary.path(), folder.join("events").join(id)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    };
    let words = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(header);
    if !is_valid(&receiver.key, words, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    match keep(&receiver.folder, words[0], &body) {
        Ok(true) => receiver
            .later
            .send(words[0].to_owned())
            .map_or(StatusCode::SERVICE_UNAVAILABLE, |()| StatusCode::NO_CONTENT),
        Ok(false) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn work(folder: PathBuf, mut waiting: UnboundedReceiver<String>) -> io::Result<()> {
    while let Some(id) = waiting.recv().await {
        let event: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("events").join(&id))?)?;
        // Open the ticket, ask the other service: here it may take its time.
        println!("worked {id} {}", event["event"].as_str().unwrap_or_default());
        fs::write(folder.join("done").join(&id), "")?;
    }
    Ok(())
}

/// The ids in a folder.
fn ids(folder: &Path) -> io::Result<HashSet<String>> {
    fs::create_dir_all(folder)?;
    fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

#[tokio::main]
pub async fn main() -> io::Result<()> {
    let variable = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let (secret, folder) = (
        variable("SECRET", ""),
        PathBuf::from(variable("FOLDER", "received")),
    );
    let decoded = secret
        .strip_prefix("whsec_")
        .and_then(|text| STANDARD.decode(text).ok());
    let (later, waiting) = unbounded_channel();
    let done = ids(&folder.join("done"))?;
    for id in ids(&folder.join("events"))?.difference(&done) {
        later.send(id.clone()).map_err(io::Error::other)?;
    }
    tokio::spawn(work(folder.clone(), waiting));
    let key = decoded.unwrap_or_else(|| secret.into_bytes());
    let receiver = Arc::new(Receiver { key, folder, later });
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{}", variable("PORT", "9000"))).await?;
    axum::serve(
        listener,
        Router::new().route("/", post(receive)).with_state(receiver),
    )
    .await
}
