//! An export to an object store, and an import from it: a server of a few lines that keeps what is put into it, as S3, Google's
//! Cloud Storage and Azure's Blob Storage would.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use perdure_tests::{Database, Server};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{Ran, command, workflows::Workflows};

/// By path.
type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Where the objects are kept.
struct Cloud {
    scheme: &'static str,
    /// How each request begins to say who asks.
    authorization: &'static str,
    /// The server stands for the cloud.
    variables: fn(&str) -> Variables,
    /// `true` where plain HTTP may be spoken.
    plain: &'static str,
}

type Variables = Vec<(&'static str, String)>;

const S3: Cloud = Cloud {
    scheme: "s3",
    authorization: "AWS4-HMAC-SHA256 Credential=key/",
    variables: |endpoint| {
        vec![
            ("AWS_ENDPOINT_URL", endpoint.to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ]
    },
    plain: "AWS_ALLOW_HTTP",
};

const GOOGLE: Cloud = Cloud {
    scheme: "gs",
    authorization: "Bearer token",
    variables: |endpoint| vec![("GOOGLE_BASE_URL", endpoint.to_owned()), ("GOOGLE_BEARER_TOKEN", "token".to_owned())],
    plain: "GOOGLE_ALLOW_HTTP",
};

const AZURE: Cloud = Cloud {
    scheme: "az",
    authorization: "SharedKey account:",
    variables: |endpoint| {
        vec![
            ("AZURE_STORAGE_ENDPOINT", endpoint.to_owned()),
            ("AZURE_STORAGE_ACCOUNT_NAME", "account".to_owned()),
            ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0".to_owned()),
        ]
    },
    plain: "AZURE_ALLOW_HTTP",
};

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
fn answer(request: &Request, cloud: &Cloud, objects: &Objects) -> Result<(&'static str, Vec<u8>)> {
    let asks = request.head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then_some(value)
    });
    if !asks.is_some_and(|asks| asks.starts_with(cloud.authorization)) {
        return Ok(("403 Forbidden", Vec::new()));
    }
    let mut objects = objects.lock();
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    // Keys have percents of their own, which are left.
    let path = percent_decode_str(path).decode_utf8()?.into_owned();
    Ok(match (request.method.as_str(), objects.get(&path)) {
        ("GET", _) if query.contains("list-type=2") => ("200 OK", bucket(&objects).into()),
        ("GET", _) if query.contains("comp=list") => ("200 OK", container(&objects).into()),
        ("GET" | "HEAD", Some(body)) => ("200 OK", body.clone()),
        ("PUT", _) => {
            objects.insert(path, request.body.clone());
            ("201 Created", Vec::new())
        }
        _ => ("404 Not Found", Vec::new()),
    })
}

/// What is in it, as S3 tells it and Google.
fn bucket(objects: &BTreeMap<String, Vec<u8>>) -> String {
    let entry = |(path, body): (&String, &Vec<u8>)| {
        let (key, size) = (path.trim_start_matches("/bucket/"), body.len());
        let time = "2026-01-01T00:00:00.000Z";
        format!("<Contents><Key>{key}</Key><LastModified>{time}</LastModified><Size>{size}</Size></Contents>")
    };
    let entries: String = objects.iter().map(entry).collect();
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>")
}

/// The same as Azure tells it.
fn container(objects: &BTreeMap<String, Vec<u8>>) -> String {
    let entry = |(path, body): (&String, &Vec<u8>)| {
        let (name, size) = (path.trim_start_matches("/bucket/"), body.len());
        let properties = format!(
            "<Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified><Content-Length>{size}</Content-Length>\
             <Content-Type>application/octet-stream</Content-Type>"
        );
        format!("<Blob><Name>{name}</Name><Properties>{properties}</Properties></Blob>")
    };
    let entries: String = objects.iter().map(entry).collect();
    format!("<EnumerationResults><Blobs>{entries}</Blobs><NextMarker/></EnumerationResults>")
}

async fn serve(listener: TcpListener, cloud: &'static Cloud, objects: Objects) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let objects = objects.clone();
        tokio::spawn(async move {
            let Ok(request) = read(&mut stream).await else { return };
            let Ok((status, body)) = answer(&request, cloud, &objects) else { return };
            let fields = "ETag: \"e\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: close";
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{fields}\r\n\r\n", body.len());
            let body = if request.method == "HEAD" { Vec::new() } else { body };
            // A client that has gone needs no answer.
            stream.write_all(&[head.into_bytes(), body].concat()).await.ok();
        });
    }
}

/// A cloud, and what it has in it.
struct Store {
    cloud: &'static Cloud,
    endpoint: String,
    objects: Objects,
}

impl Store {
    async fn start(cloud: &'static Cloud) -> Result<Self> {
        let (listener, objects) = (TcpListener::bind("127.0.0.1:0").await?, Objects::default());
        let endpoint = format!("http://{}", listener.local_addr()?);
        tokio::spawn(serve(listener, cloud, objects.clone()));
        Ok(Self { cloud, endpoint, objects })
    }

    fn url(&self) -> String {
        format!("{}://bucket/old/ones", self.cloud.scheme)
    }

    /// `perdure history …`
    fn history(&self, server: &Server, arguments: &[&str], plain: bool) -> Result<Ran> {
        let mut command = command(&["history"])?;
        command.args(arguments).args(["--address", &server.address(), "-o", "json"]);
        Ran::of(command.envs((self.cloud.variables)(&self.endpoint)).env(self.cloud.plain, plain.to_string()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_go_to_a_bucket_and_come_back() -> Result<()> {
    let server = Server::start("administration_object_store", Database::SqliteMemory).await?;
    let mut from = Workflows::create(&server, "from", 24).await?;
    let run_id = from.closed("w", None).await?;
    from.closed("other/one", None).await?;
    let other = Server::start("administration_object_store_other", Database::SqliteMemory).await?;

    for cloud in [&S3, &GOOGLE, &AZURE] {
        let store = Store::start(cloud).await?;
        let url = store.url();
        let export = ["export", "--namespace", "from", "--to", &url, "--format", "binary"];
        let exported = |ran: Ran| -> Result<_> {
            let ran = ran.ok().with_context(|| url.clone())?.json()?;
            Ok((ran["exported"].clone(), ran["wereThere"].clone()))
        };
        assert_eq!(exported(store.history(&server, &export, true)?)?, (json!(2), json!(0)), "{url}");
        assert_eq!(exported(store.history(&server, &export, true)?)?, (json!(0), json!(2)), "{url}");
        let keys: Vec<String> = store.objects.lock().keys().cloned().collect();
        let expected =
            [format!("/bucket/old/ones/from/w/{run_id}.binpb.gz"), "/bucket/old/ones/from/other%2Fone/".to_owned()];
        assert!(expected.iter().all(|place| keys.iter().any(|key| key.starts_with(place))), "{keys:?}");

        // A server has each run once: the first one brings them.
        let ran = store.history(&other, &["import", "--namespace", "default", &url], true)?.ok()?.json()?;
        let new = if std::ptr::eq(cloud, &S3) { 2 } else { 0 };
        assert_eq!((&ran["imported"], &ran["wereThere"]), (&json!(new), &json!(2 - new)), "{url}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_over_plain_http_unasked() -> Result<()> {
    let server = Server::start("administration_object_store_plain", Database::SqliteMemory).await?;
    Workflows::create(&server, "from", 24).await?.closed("w", None).await?;
    let store = Store::start(&S3).await?;
    let refused = store.history(&server, &["export", "--namespace", "from", "--to", &store.url()], false)?;
    assert!(!refused.success && store.objects.lock().is_empty(), "{refused:?}");
    Ok(())
}
