//! Reads an export from a store itself, without a server.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use clock::Env;
use http::Uri;
use http_body_util::BodyExt;
use hyper::body::Body;
use server::offline_export::{OfflineExport, Place};
use tokio::runtime::Runtime;
use url::form_urlencoded::Serializer;

use crate::client::Query;
use crate::failure::{Failure, Problem};

/// A store that is open for exports.
pub struct Offline {
    runtime: Runtime,
    export: OfflineExport,
}

impl Offline {
    /// Opens the store of a place.
    pub fn open(place: Place) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let opened = runtime.block_on(OfflineExport::open(place, &Env::system()));
        let export = opened.map_err(|error| Failure::other(error.to_string()))?;
        Ok(Self { runtime, export })
    }

    /// Begins an export.
    pub fn begin(&self, what: &str, query: &Query) -> Result<Box<dyn Read + '_>, Failure> {
        let query = Serializer::new(String::new()).extend_pairs(query).finish();
        let uri = Uri::try_from(format!("/?{query}")).map_err(|error| Failure::Usage(error.to_string()))?;
        let answer = self.runtime.block_on(self.export.begin(what, &uri));
        let (head, body) = answer.into_parts();
        let mut chunks = Chunks {
            runtime: &self.runtime,
            body,
            rest: Bytes::new(),
        };
        if head.status.is_success() {
            return Ok(Box::new(chunks));
        }
        let mut text = String::new();
        chunks.read_to_string(&mut text)?;
        Err(Failure::Refused(Problem {
            status: head.status.as_u16(),
            body: serde_json::from_str(&text).ok(),
            text,
        }))
    }
}

/// The bytes of a body, as they are asked for.
struct Chunks<'a, B> {
    runtime: &'a Runtime,
    body: B,
    rest: Bytes,
}

impl<B> Read for Chunks<'_, B>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Unpin,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.runtime.block_on(self.body.frame()) {
                Some(frame) => self.rest = frame.map_err(io::Error::other)?.into_data().unwrap_or_default(),
                None => return Ok(0),
            }
        }
        let length = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
