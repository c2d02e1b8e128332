//! A client of server-sent events.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long something may take to come, before the test says that it never will.
const LIMIT: Duration = Duration::from_secs(20);

/// A stream of server-sent events.
pub struct Stream {
    connection: TcpStream,
    text: String,
}

impl Stream {
    pub async fn open(base: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let host = base.trim_start_matches("http://");
        let mut connection = TcpStream::connect(host).await.unwrap();
        let mut head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        connection
            .write_all(format!("{head}\r\n").as_bytes())
            .await
            .unwrap();
        let mut stream = Self {
            connection,
            text: String::new(),
        };
        stream.read_until("\r\n\r\n", 1).await;
        assert!(stream.text.starts_with("HTTP/1.1 200"), "{}", stream.text);
        stream
    }

    /// Reads until a text was there so often.
    pub async fn read_until(&mut self, text: &str, times: usize) {
        let reading = async {
            while self.text.matches(text).count() < times {
                let mut bytes = [0; 4096];
                let count = self.connection.read(&mut bytes).await.unwrap();
                assert!(count > 0, "the stream has ended: {}", self.text);
                self.text.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        };
        let read = tokio::time::timeout(LIMIT, reading).await;
        assert!(read.is_ok(), "{text} does not come: {}", self.text);
    }

    /// The ids and the titles of events so far.
    pub fn events(&self) -> Vec<(String, String)> {
        let of = |field: &str| {
            let field = field.to_owned();
            self.text
                .lines()
                .filter_map(move |line| line.strip_prefix(&field).map(str::to_owned))
        };
        let title = |data: String| {
            let event: Value = serde_json::from_str(&data).unwrap();
            event["incident"]["title"].as_str().unwrap().to_owned()
        };
        of("id: ").zip(of("data: ").map(title)).collect()
    }
}
