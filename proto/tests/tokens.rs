//! Tokens that clients carry can neither be forged nor taken for another.

use perdure_proto::token::{ActivityTaskToken, HistoryPageToken, InvalidToken, Sealer, WorkflowTaskToken};

fn token() -> WorkflowTaskToken {
    WorkflowTaskToken { workflow_id: "w".into(), scheduled_event_id: 5, ..Default::default() }
}

#[test]
fn a_sealed_token_opens() {
    let sealer = Sealer::new([7; 32]);
    assert_eq!(sealer.open::<WorkflowTaskToken>(&sealer.seal(&token())), Ok(token()));
    // An empty message is a token too.
    let empty = sealer.seal(&HistoryPageToken::default());
    assert_eq!(sealer.open::<HistoryPageToken>(&empty), Ok(HistoryPageToken::default()));
}

#[test]
fn any_changed_bit_closes_it() {
    let sealer = Sealer::new([7; 32]);
    let sealed = sealer.seal(&token());
    for bit in 0..sealed.len() * 8 {
        let mut forged = sealed.to_vec();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(sealer.open::<WorkflowTaskToken>(&forged), Err(InvalidToken), "bit {bit}");
    }
    for len in 0..sealed.len() {
        assert_eq!(sealer.open::<WorkflowTaskToken>(&sealed[..len]), Err(InvalidToken), "{len} bytes");
    }
}

#[test]
fn another_kind_or_key_does_not_open_it() {
    let sealer = Sealer::new([7; 32]);
    let sealed = sealer.seal(&token());
    assert_eq!(sealer.open::<ActivityTaskToken>(&sealed), Err(InvalidToken));
    assert_eq!(Sealer::new([8; 32]).open::<WorkflowTaskToken>(&sealed), Err(InvalidToken));
}
