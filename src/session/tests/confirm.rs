//! Tests of the first record of each side (`docs/PROTOCOL.md`, section 5.3).

use super::*;
use crate::wire::Confirm;

/// The initiator behind the handshake, and what it does with this record of the responder's.
fn answered_with(transcript: [u8; 32]) -> Vec<Event> {
    let configs = [Side::config(0), Side::config(1)];
    let [mut initiator, mut responder] = Session::behind_handshake(configs);
    let confirm = Record::Confirm(Confirm { transcript, options: 0, name: b"two".to_vec() });
    let mut plaintext = Vec::new();
    confirm.write(Padding::Chat, &mut plaintext).unwrap();
    let frame = responder.seal_any(&plaintext);
    while initiator.poll_output().is_some() {}
    initiator.handle_bytes(MonoMs(0), &frame);
    let outputs = std::iter::from_fn(|| initiator.poll_output());
    let events = outputs.filter_map(|output| match output {
        Output::Event(event) => Some(event),
        _ => None,
    });
    events.collect()
}

#[test]
fn a_side_that_saw_another_handshake_is_no_peer() {
    let [split, _] = crate::crypto::Split::pair();
    let mut transcript = *split.transcript.as_bytes();
    let established = answered_with(transcript);
    assert!(matches!(&established[..], [Event::Established { name, .. }] if name == b"two"));
    transcript[31] ^= 1;
    assert_eq!(answered_with(transcript), [Event::Closed(CloseReason::Handshake)]);
}
