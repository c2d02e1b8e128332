//! An API on a loopback port that gives scripted answers and keeps what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

/// One request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Method, path and query: `GET /api/v1/webhooks?limit=2`.
    pub line: String,
    /// The body, empty if there was none.
    pub body: String,
    /// `authorization`.
    pub authorization: String,
    /// `last-event-id`.
    pub last_event_id: String,
}

/// A running API. Stops when dropped.
pub struct FakeApi {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

type Answers = Arc<Mutex<VecDeque<(u16, String)>>>;

impl FakeApi {
    /// Gives these answers in turn: a status and a body. Then 404.
    pub fn answering(answers: &[(u16, &str)]) -> Self {
        let answers: VecDeque<_> = answers
            .iter()
            .map(|(status, body)| (*status, (*body).to_owned()))
            .collect();
        let answers = Arc::new(Mutex::new(answers));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(accept(listener, answers, Arc::clone(&asked)));
        Self {
            url,
            asked,
            _runtime: runtime,
        }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The lines of everything that was asked.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    /// The JSON body of the request with this number.
    pub fn body(&self, index: usize) -> Value {
        serde_json::from_str(&self.asked()[index].body).unwrap()
    }
}

async fn accept(listener: TcpListener, answers: Answers, asked: Arc<Mutex<Vec<Asked>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
        let service = service_fn(move |request| answer(request, Arc::clone(&answers), Arc::clone(&asked)));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

async fn answer(
    request: Request<Incoming>,
    answers: Answers,
    asked: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let header = |name: &str| {
        let value = head.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    asked.lock().unwrap().push(Asked {
        line: format!("{} {}", head.method, head.uri),
        body: String::from_utf8(body.to_vec()).unwrap(),
        authorization: header("authorization"),
        last_event_id: header("last-event-id"),
    });
    let next = answers.lock().unwrap().pop_front();
    let (status, body) = next.unwrap_or((
        404,
        r#"{"code":"not_found","detail":"the script is over"}"#.into(),
    ));
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    Ok(response)
}
