//! A history as bytes is the same message as a history of events.

use bytes::{Bytes, BytesMut};
use perdure_proto::{
    RawHistory,
    api::{history::HistoryEvent, workflowservice::GetWorkflowExecutionHistoryResponse},
    take_event,
};
use prost::Message;

/// The message as the API defines it.
#[derive(Clone, PartialEq, Message)]
struct History {
    #[prost(message, repeated, tag = "1")]
    events: Vec<HistoryEvent>,
}

fn events(count: i64) -> Vec<HistoryEvent> {
    (1..=count).map(|event_id| HistoryEvent { event_id, task_id: event_id * 1_000, ..Default::default() }).collect()
}

#[test]
fn the_encodings_are_equal() {
    for count in [0, 1, 2, 300] {
        let events = events(count);
        let raw: RawHistory = events.iter().collect();
        let typed = History { events: events.clone() };
        assert_eq!(raw.encode_to_vec(), typed.encode_to_vec());
        assert_eq!(raw.encoded_len(), typed.encoded_len());
        assert_eq!(RawHistory::decode(typed.encode_to_vec().as_slice()), Ok(raw.clone()));
        assert_eq!(raw.events(), Ok(events));
    }
}

#[test]
fn batches_are_put_together_by_their_bytes() {
    let all = events(5);
    let mut bytes = BytesMut::new();
    for batch in all.chunks(2) {
        bytes.extend_from_slice(batch.iter().collect::<RawHistory>().encoded());
    }
    assert_eq!(RawHistory::from_encoded(bytes.freeze()).events(), Ok(all));
}

#[test]
fn more_events_are_added_behind_and_a_copy_stays_as_it_was() {
    let all = events(300);
    let (first, rest) = all.split_at(100);
    let mut whole: RawHistory = first.iter().collect();
    let kept = whole.clone();
    whole.merge(rest.iter().collect::<RawHistory>().encoded().clone()).expect("events decode");
    assert_eq!(whole.events(), Ok(all.clone()));
    assert_eq!(kept.events(), Ok(first.to_vec()));
}

#[test]
fn a_response_carries_it() {
    let history: RawHistory = events(3).iter().collect();
    let response = GetWorkflowExecutionHistoryResponse { history: Some(history), archived: true, ..Default::default() };
    let decoded = GetWorkflowExecutionHistoryResponse::decode(response.encode_to_vec().as_slice());
    assert_eq!(decoded, Ok(response));
}

#[test]
fn damaged_bytes_are_an_error() {
    let good = events(1).iter().collect::<RawHistory>().encoded().clone();
    for cut in 1..good.len() {
        assert!(RawHistory::from_encoded(good.slice(..cut)).events().is_err(), "{cut} bytes");
    }
    assert!(take_event(&mut Bytes::new()).is_err());
    assert!(RawHistory::from_encoded(Bytes::from_static(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])).events().is_err());
}
