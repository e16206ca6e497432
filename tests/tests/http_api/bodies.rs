//! Random bodies and queries: whatever they say, the answer is no server error.

use anyhow::{Result, ensure};
use perdure_tests::{Database, Server, rest::Rest};
use prost_reflect::{Kind, MessageDescriptor};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Map, Value, json};

use crate::routes::{bindings, filled};

const REQUESTS: usize = 1_500;
/// Messages within messages.
const DEPTH: usize = 4;
const VALUES: [&str; 16] = [
    "null",
    "true",
    "-1",
    "1e300",
    "9223372036854775808",
    "\"\"",
    "\"x\"",
    "[]",
    "[null]",
    "{}",
    "{\"metadata\":{\"encoding\":\"!\"}}",
    "{\"_protoMessageType\":5}",
    "\"2026-01-01T00:00:00Z\"",
    "\"99999999999999s\"",
    "\"NaN\"",
    "{\"@type\":\"x\"}",
];

fn value(random: &mut StdRng) -> Value {
    let text = VALUES[random.random_range(0..VALUES.len())];
    serde_json::from_str(text).unwrap_or_default()
}

/// Mostly of the right shape.
fn message(random: &mut StdRng, descriptor: &MessageDescriptor, depth: usize) -> Value {
    if random.random_range(0..8) == 0 {
        return value(random);
    }
    let mut map = Map::new();
    for field in descriptor.fields() {
        if random.random_range(0..4) != 0 {
            continue;
        }
        let one = match field.kind() {
            Kind::Message(inner) if depth < DEPTH && !field.is_map() => message(random, &inner, depth + 1),
            Kind::Message(_) if field.is_map() => json!({"k": value(random)}),
            Kind::String if random.random_range(0..2) == 0 => json!("default"),
            _ => value(random),
        };
        let one = if field.is_list() && random.random_range(0..4) != 0 { json!([one]) } else { one };
        let name = if random.random_range(0..2) == 0 { field.name() } else { field.json_name() };
        map.insert(name.to_owned(), one);
    }
    Value::Object(map)
}

/// Fields of the message as parameters, some of them of messages within it.
fn query(random: &mut StdRng, descriptor: &MessageDescriptor) -> String {
    let mut pairs = Vec::new();
    for field in descriptor.fields() {
        let inner = match field.kind() {
            Kind::Message(inner) => inner.fields().next(),
            _ => None,
        };
        let name =
            inner.map_or(field.name().to_owned(), |inner| format!("{}.{}", field.json_name(), inner.json_name()));
        if random.random_range(0..2) == 0 {
            let value =
                ["", "1", "true", "x", "%FF", "AAA=", "-9e9", "2026-01-01T00:00:00Z"][random.random_range(0..8)];
            pairs.push(format!("{name}={value}"));
        }
    }
    pairs.join("&")
}

#[tokio::test]
async fn random_requests_are_no_server_errors() -> Result<()> {
    let server = Server::start("http_bodies", Database::SqliteMemory).await?;
    let seed = std::env::var("PERDURE_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("PERDURE_FUZZ_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    // Long polls end soon.
    let client = Rest::new(server.http_port()).with("grpc-timeout", "100m");
    let bindings = bindings()?;
    for _ in 0..REQUESTS {
        let (method, template, rpc) = &bindings[random.random_range(0..bindings.len())];
        let id = ["a", "b%2F", "%00", ""][random.random_range(0..4)];
        let (path, input) = (filled(template, id), rpc.input());
        let path = format!("{path}?{}", query(&mut random, &input));
        let body = message(&mut random, &input, 0);
        let answer = client.send(method, &path, &body.to_string()).await?;
        ensure!(answer.status != 500 && answer.status != 503, "{method} {path} {body}: {}", answer.text);
        ensure!(answer.json().is_object(), "{method} {path} {body}: {}", answer.text);
    }
    server.panics()
}
