use perdure_proto::DESCRIPTORS;

use super::*;

fn message(name: &str) -> MessageDescriptor {
    DescriptorPool::decode(DESCRIPTORS).unwrap().get_message_by_name(name).unwrap()
}

fn payload(metadata: &[(&str, &str)], data: Option<&str>) -> Value {
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), encode(value))).collect::<Map<_, _>>();
    match data {
        Some(data) => json!({"metadata": metadata, "data": encode(data)}),
        None => json!({"metadata": metadata}),
    }
}

fn plain(data: &str) -> Value {
    payload(&[("encoding", JSON)], Some(data))
}

fn null_payload() -> Value {
    payload(&[("encoding", NULL)], None)
}

fn expanded(mut value: Value, name: &str) -> Result<Value, String> {
    expand(&mut value, &message(name), &mut 1_000).map(|()| value)
}

fn collapsed(mut value: Value, name: &str) -> Value {
    collapse(&mut value, &message(name));
    value
}

#[test]
fn both_directions() {
    let cases = [
        (json!(5), plain("5")),
        (json!("x"), plain("\"x\"")),
        (json!([]), plain("[]")),
        (json!({"a": [1, null]}), plain("{\"a\":[1,null]}")),
        (json!({"metadata": {"encoding": 1}, "data": "x"}), plain("{\"data\":\"x\",\"metadata\":{\"encoding\":1}}")),
        (
            json!({"a": 1, MESSAGE_TYPE: "some.Message"}),
            payload(&[("encoding", PROTO_JSON), ("messageType", "some.Message")], Some("{\"a\":1}")),
        ),
        (json!(18_446_744_073_709_551_615_u64), plain("18446744073709551615")),
    ];
    for (short, long) in cases {
        assert_eq!(expanded(short.clone(), PAYLOAD), Ok(long.clone()));
        assert_eq!(expanded(long.clone(), PAYLOAD), Ok(long.clone()), "what is long stays");
        assert_eq!(collapsed(long, PAYLOAD), short);
    }
}

/// Where the short form would say something else, the long one stays.
#[test]
fn kept_long() {
    let cases = [
        null_payload(),
        plain("null"),
        plain("not json"),
        plain(&plain("1").to_string()),
        plain(&json!({MESSAGE_TYPE: 5}).to_string()),
        payload(&[("encoding", JSON), ("more", "")], Some("1")),
        payload(&[("encoding", "binary/plain")], Some("1")),
        payload(&[("encoding", PROTO_JSON)], Some("{}")),
        payload(&[("encoding", PROTO_JSON), ("messageType", "a.B")], Some("5")),
        payload(&[], None),
        json!({}),
        json!({"metadata": {"encoding": encode(JSON)}, "data": encode("1"), "externalPayloads": [{"sizeBytes": "1"}]}),
    ];
    for long in cases {
        assert_eq!(collapsed(long.clone(), PAYLOAD), long);
    }
}

#[test]
fn lists_of_payloads() {
    let long = json!({"payloads": [plain("1"), null_payload()]});
    assert_eq!(expanded(json!([1, null]), PAYLOADS), Ok(long.clone()));
    assert_eq!(expanded(json!({"payloads": [1, null]}), PAYLOADS), Ok(long.clone()));
    assert_eq!(collapsed(long, PAYLOADS), json!([1, null_payload()]));
    assert_eq!(collapsed(json!({}), PAYLOADS), json!([]));
    let mixed = json!({"payloads": [plain("1"), payload(&[("encoding", "binary/plain")], Some("1"))]});
    assert_eq!(collapsed(mixed.clone(), PAYLOADS), mixed);
}

#[test]
fn within_messages() {
    const START: &str = "temporal.api.workflowservice.v1.StartWorkflowExecutionRequest";
    let short = json!({
        "workflowId": "w", "workflow_type": {"name": "t"}, "input": [1], "memo": {"fields": {"m": {"k": "v"}}},
        "header": null, "workflowRunTimeout": "5s",
    });
    let long = json!({
        "workflowId": "w", "workflow_type": {"name": "t"}, "input": {"payloads": [plain("1")]},
        "memo": {"fields": {"m": plain("{\"k\":\"v\"}")}}, "header": null, "workflowRunTimeout": "5s",
    });
    assert_eq!(expanded(short.clone(), START), Ok(long.clone()));
    assert_eq!(collapsed(long, START), short);

    let misspelled = json!({"memo": {"field": {}}});
    assert_eq!(expanded(misspelled, START), Err("unknown field \"field\" in Memo".to_owned()));
    let error = expanded(json!({MESSAGE_TYPE: 5}), PAYLOAD);
    assert_eq!(error, Err(format!("{MESSAGE_TYPE:?} must be a string")));

    let failed = json!({"details": [{
        "@type": "type.googleapis.com/temporal.api.errordetails.v1.QueryFailedFailure",
        "failure": {"applicationFailureInfo": {"details": {"payloads": [plain("1")]}}},
    }, {"@type": "type.googleapis.com/nothing.Known", "value": ""}]});
    let shown = collapsed(failed, "google.rpc.Status");
    assert_eq!(shown["details"][0]["failure"]["applicationFailureInfo"]["details"], json!([1]));
}

/// A short text may stand for a long message.
#[test]
fn what_grows_is_bounded() {
    let many = Value::Array(vec![Value::Null; 1_000]);
    assert_eq!(expanded(many, PAYLOADS), Err("the payloads are too large".to_owned()));
}
