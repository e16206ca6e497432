//! As much HTTP as a health check needs.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one request may take.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// The status and the body of `GET path` on 127.0.0.1.
pub async fn get(port: u16, path: &str) -> Result<(u16, String)> {
    timeout(REQUEST_MAX, request(port, path)).await.context("no answer in time")?
}

async fn request(port: u16, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status.with_context(|| format!("not an HTTP answer: {answer}"))?, body.to_owned()))
}
