//! A chat platform on a loopback port: the fake that a kind's adapter brings along (see its doc for what it takes from
//! the vendor), behind real HTTP.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use opsknight::adapters::fake::{Fake, FakeRequest};
use opsknight::adapters::shown::Shown;
use opsknight::model::time::Timestamp;

/// A request that the platform got.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: http::HeaderMap,
    pub body: String,
}

/// A running platform. It stops with the runtime of its test.
#[derive(Clone)]
pub struct Platform {
    /// Its address, without a slash at the end.
    pub address: String,
    /// The URL to give a webhook.
    pub url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    fake: Box<dyn Fake>,
    seen: Vec<Seen>,
}

impl Platform {
    /// Starts the platform of a kind.
    pub async fn start(kind: &str) -> Self {
        let adapters = opsknight::adapters::all().iter();
        let mut played = adapters.filter(|adapter| adapter.about().kind == kind);
        let fake = played.next().and_then(|adapter| adapter.fake()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let platform = Self {
            url: fake.url(&address),
            address,
            state: Arc::new(Mutex::new(State {
                fake,
                seen: Vec::new(),
            })),
        };
        tokio::spawn(platform.clone().accept(listener));
        platform
    }

    /// The next request meets a fault.
    pub fn fail_next(&self, fault: &str) {
        assert!(self.state().fake.fail_next(fault), "no fault {fault}");
    }

    /// The messages as they stand, oldest first, each as its text.
    pub fn texts(&self) -> Vec<String> {
        self.messages().iter().map(Shown::text).collect()
    }

    /// The messages as they stand, oldest first.
    pub fn messages(&self) -> Vec<Shown> {
        self.state().fake.messages()
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let platform = self.clone();
            let service = service_fn(move |request| platform.clone().answer(request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let target = head.uri.path_and_query().unwrap().as_str();
        let mut state = self.state();
        let answer = state.fake.answer(&FakeRequest {
            method: &head.method,
            target,
            headers: &head.headers,
            body: &body,
            now: Timestamp::EPOCH,
        });
        state.seen.push(Seen {
            method: head.method.to_string(),
            target: target.to_owned(),
            headers: head.headers.clone(),
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(Full::from(answer.body)).unwrap())
    }
}
