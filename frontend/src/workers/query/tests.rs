use perdure_engine::time::{SECOND, timestamp};
use perdure_proto::api::{deployment::WorkerDeploymentVersion, worker::WorkerHostInfo};
use tonic::Code;

use super::*;

fn worker() -> WorkerHeartbeat {
    WorkerHeartbeat {
        worker_instance_key: "key-1".into(),
        worker_identity: "1@host".into(),
        host_info: Some(WorkerHostInfo { host_name: "host".into(), ..Default::default() }),
        task_queue: "orders".into(),
        deployment_version: Some(WorkerDeploymentVersion { deployment_name: "shop".into(), build_id: "b1".into() }),
        sdk_name: "temporal-go".into(),
        sdk_version: "1.2.3".into(),
        status: WorkerStatus::ShuttingDown.into(),
        // 2023-11-14T22:13:20Z
        start_time: Some(timestamp(1_700_000_000 * SECOND)),
        ..Default::default()
    }
}

#[test]
fn queries() {
    let cases = [
        ("", true),
        ("  ", true),
        ("WorkerInstanceKey = 'key-1'", true),
        ("WorkerIdentity = '1@host'", true),
        ("HostName = 'host'", true),
        ("TaskQueue = 'orders'", true),
        ("TaskQueue = \"orders\"", true),
        ("`TaskQueue` = 'orders'", true),
        ("TaskQueue = 'order'", false),
        ("TaskQueue != 'order'", true),
        ("TaskQueue <> 'orders'", false),
        ("TaskQueue STARTS_WITH 'ord'", true),
        ("TaskQueue starts_with 'rd'", false),
        ("TaskQueue NOT STARTS_WITH 'rd'", true),
        ("DeploymentName = 'shop' AND BuildId = 'b1'", true),
        ("SdkName = 'temporal-go' AND SdkVersion = '1.2.4'", false),
        ("SdkName = 'temporal-java' OR SdkVersion = '1.2.3'", true),
        ("(SdkName = 'x' OR SdkName = 'y') AND TaskQueue = 'orders' OR Status = 'Running'", false),
        ("WorkerStatus = 'ShuttingDown'", true),
        ("Status = 'ShuttingDown'", true),
        ("status != 'ShuttingDown'", false),
        ("StartTime = '2023-11-14T22:13:20Z'", true),
        ("StartTime = '2023-11-14T23:13:20+01:00'", true),
        ("StartTime = 1700000000000000000", true),
        ("StartTime > '2023-11-14T22:13:20Z'", false),
        ("StartTime >= '2023-11-14T22:13:20Z'", true),
        ("StartTime < '2023-11-14T22:13:20.5Z'", true),
        ("StartTime BETWEEN '2023-01-01T00:00:00Z' AND '2024-01-01T00:00:00Z'", true),
        ("StartTime NOT BETWEEN '2023-01-01T00:00:00Z' AND '2024-01-01T00:00:00Z'", false),
        ("HeartbeatTime NOT BETWEEN '2023-01-01T00:00:00Z' AND '2024-01-01T00:00:00Z'", false),
        ("HeartbeatTime < '2023-01-01T00:00:00Z'", true),
        ("HeartbeatTime IS NULL AND StartTime IS NOT NULL", true),
        ("TaskQueue IS NULL", false),
        ("TaskQueue IS NOT NULL", true),
    ];
    for (query, expected) in cases {
        let test = read(query).unwrap_or_else(|status| panic!("{query}: {}", status.message()));
        assert_eq!(test(&worker()), expected, "{query}");
    }
    let empty = WorkerHeartbeat { status: 9, ..Default::default() };
    for query in ["HostName IS NULL AND BuildId IS NULL AND DeploymentName IS NULL", "Status = '9'"] {
        let test = read(query).unwrap_or_else(|status| panic!("{query}: {}", status.message()));
        assert!(test(&empty), "{query}");
    }
}

#[test]
fn bad_queries() {
    let deep = format!("{}TaskQueue = 'a'{}", "(".repeat(100), ")".repeat(100));
    let long = format!("TaskQueue = '{}'", "x".repeat(LENGTH_MAX));
    let cases = [
        ("TaskQueue = ", "malformed query: syntax error at position 39"),
        ("TaskQueue == 'a'", "malformed query: syntax error at position 40"),
        ("Bogus = 'a'", "unknown or unsupported worker heartbeat search field: Bogus"),
        ("taskqueue = 'a'", "unknown or unsupported worker heartbeat search field: taskqueue"),
        ("TaskQueue = 'a' OR Bogus IS NULL", "unknown or unsupported worker heartbeat search field: Bogus"),
        ("'a' = TaskQueue", "invalid filter name: 'a'"),
        ("TaskQueue = SdkName", "invalid value: SdkName"),
        ("TaskQueue = true", "invalid value: true"),
        ("TaskQueue IN ('a', 'b')", "invalid value: ('a', 'b')"),
        ("TaskQueue = 5", "invalid value for TaskQueue: value 5 is not a string value"),
        ("TaskQueue = ''", "TaskQueue cannot be empty"),
        ("TaskQueue > 'a'", "invalid expression: operation > is not supported for TaskQueue column"),
        ("TaskQueue LIKE 'a'", "invalid expression: operation like is not supported for TaskQueue column"),
        ("TaskQueue BETWEEN 'a' AND 'b'", "unknown or unsupported column name: TaskQueue"),
        ("StartTime = 'soon'", "invalid value for StartTime: parsing time \"soon\" as RFC 3339"),
        ("StartTime = 1.5", "invalid value for StartTime: value 1.5 is not a string value"),
        ("StartTime STARTS_WITH '2023-01-01T00:00:00Z'", "invalid expression: operation starts_with is not supported"),
        ("NOT TaskQueue = 'a'", "operation is not supported: 'not' expression"),
        ("TaskQueue", "incomplete expression"),
        ("count(1)", "operation is not supported: function expression"),
        ("TaskQueue = 'a' LIMIT 1", "operation is not supported: 'limit' clause"),
        ("ORDER BY TaskQueue", "operation is not supported: 'where' clause is missing"),
        ("where TaskQueue = 'a'", "invalid filter: where TaskQueue = 'a'"),
        (&deep, "operation is not supported: more than 64 nested expressions"),
        (&long, "malformed query: longer than 65536 bytes"),
    ];
    for (query, message) in cases {
        let status = read(query).err().unwrap_or_else(|| panic!("{query} was taken"));
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, message), "{query}");
    }
}
