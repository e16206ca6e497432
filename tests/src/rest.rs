//! HTTP requests with JSON, and their answers.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port of 127.0.0.1 that is asked, with the headers of each request.
#[derive(Clone, Debug)]
pub struct Rest {
    port: u16,
    headers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case, in the order of the answer.
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    /// Null where the body is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Rest {
    pub fn new(port: u16) -> Self {
        Self { port, headers: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, &body.to_string()).await
    }

    pub async fn send(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let answer = timeout(PATIENCE, self.exchange(method, path, body)).await;
        answer.with_context(|| format!("{method} {path}: no answer in time"))?
    }

    async fn exchange(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        // The answer to HTTP/1.0 ends with the connection.
        let mut request = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, text) = answer.split_once("\r\n\r\n").with_context(|| format!("not an answer: {answer}"))?;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Ok(Answer { status: status.context("an answer has a status")?, headers, text: text.to_owned() })
    }
}
