//! An export to an object store, and an import from it: a server of a few lines that keeps what is put into it, as S3 would.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use perdure_tests::{Database, Server};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{Ran, command, workflows::Workflows};

/// By path.
type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// One request of a connection, which is closed after it.
struct Request {
    method: String,
    /// Path and query.
    target: String,
    head: String,
    body: Vec<u8>,
}

async fn read(stream: &mut TcpStream) -> Result<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        anyhow::ensure!(stream.read_buf(&mut bytes).await? > 0, "the client has gone");
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec())?;
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = bytes.split_off(end + 4);
    while body.len() < length.unwrap_or(0) {
        anyhow::ensure!(stream.read_buf(&mut body).await? > 0, "the client has gone");
    }
    let mut words = head.split(' ').map(str::to_owned);
    let (method, target) = (words.next().context("a method")?, words.next().context("a path")?);
    Ok(Request { method, target, head, body })
}

/// Status and body.
fn answer(request: &Request, objects: &Objects) -> (&'static str, Vec<u8>) {
    // Everything is signed.
    if !request.head.to_lowercase().contains("authorization: aws4-hmac-sha256 credential=key/") {
        return ("403 Forbidden", Vec::new());
    }
    let mut objects = objects.lock();
    // Keys have percents of their own, which the path of a URL writes so.
    let target = request.target.replace("%25", "%");
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    match (request.method.as_str(), objects.get(path)) {
        ("GET", _) if query.contains("list-type=2") => {
            let entry = |(key, body): (&String, &Vec<u8>)| {
                let key = key.trim_start_matches("/bucket/");
                let time = "2026-01-01T00:00:00.000Z";
                format!(
                    "<Contents><Key>{key}</Key><LastModified>{time}</LastModified><Size>{}</Size></Contents>",
                    body.len()
                )
            };
            let entries: String = objects.iter().map(entry).collect();
            ("200 OK", format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>").into())
        }
        ("GET" | "HEAD", Some(body)) => ("200 OK", body.clone()),
        ("PUT", _) => {
            objects.insert(path.to_owned(), request.body.clone());
            ("200 OK", Vec::new())
        }
        _ => ("404 Not Found", Vec::new()),
    }
}

async fn serve(listener: TcpListener, objects: Objects) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let objects = objects.clone();
        tokio::spawn(async move {
            let Ok(request) = read(&mut stream).await else { return };
            let (status, body) = answer(&request, &objects);
            let fields = "ETag: \"e\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: close";
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{fields}\r\n\r\n", body.len());
            let body = if request.method == "HEAD" { Vec::new() } else { body };
            // A client that has gone needs no answer.
            stream.write_all(&[head.into_bytes(), body].concat()).await.ok();
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_go_to_a_bucket_and_come_back() -> Result<()> {
    let (name, objects) = ("administration_object_store", Objects::default());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(serve(listener, objects.clone()));
    let server = Server::start(name, Database::SqliteMemory).await?;
    let mut from = Workflows::create(&server, "from", 24).await?;
    let run_id = from.closed("w", None).await?;
    from.closed("other/one", None).await?;

    let history = |server: &Server, arguments: &[&str], plain: &str| -> Result<Ran> {
        let mut command = command(&["history"])?;
        command.args(arguments).args(["--address", &server.address(), "-o", "json"]);
        command.env("AWS_ENDPOINT_URL", &endpoint).env("AWS_ALLOW_HTTP", plain).env("AWS_REGION", "eu-central-1");
        Ran::of(command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret"))
    };
    let export = ["export", "--namespace", "from", "--to", "s3://bucket/old/ones", "--format", "binary"];
    let refused = history(&server, &export, "false")?;
    assert!(!refused.success && objects.lock().is_empty(), "{refused:?}");
    assert_eq!(history(&server, &export, "true")?.ok()?.json()?["exported"], json!(2));
    assert_eq!(history(&server, &export, "true")?.ok()?.json()?["wereThere"], json!(2));
    let keys: Vec<String> = objects.lock().keys().cloned().collect();
    assert!(keys.contains(&format!("/bucket/old/ones/from/w/{run_id}.binpb.gz")), "{keys:?}");

    let other = Server::start("administration_object_store_other", Database::SqliteMemory).await?;
    let import = ["import", "--namespace", "default", "s3://bucket/old/ones"];
    assert_eq!(history(&other, &import, "true")?.ok()?.json()?["imported"], json!(2));
    Ok(())
}
