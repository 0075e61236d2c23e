//! Damaged handshake messages, in every way: none ends in a session.

use rsachat::crypto::{HandshakeError, PublicKey, Split};

use super::two_sides::Pair;

/// Runs a handshake in which one message (0 to 3) is replaced, and gives what its receiver ends
/// with. An initiator that got something else in message 1's answer fails as well: `None` is the
/// only good outcome.
fn survives(pair: &Pair, messages: &[Vec<u8>; 4], which: usize, instead: &[u8]) -> Option<Split> {
    let run = || -> Result<Split, HandshakeError> {
        let (_, state_i) = pair.message_1();
        if which == 2 {
            let (_, state_r) = pair.message_2(&messages[0])?;
            return pair.message_4(state_r, instead).map(|(_, split)| split);
        }
        let answer = if which == 0 { pair.message_2(instead)?.0 } else { messages[1].clone() };
        let (_, state_i) = pair.message_3(state_i, if which == 1 { instead } else { &answer })?;
        pair.end(state_i, if which == 3 { instead } else { &messages[3] })
    };
    run().ok()
}

fn check(pair: &Pair, messages: &[Vec<u8>; 4], which: usize, instead: &[u8], how: &str) {
    assert!(survives(pair, messages, which, instead).is_none(), "message {}, {how}", which + 1);
}

/// A pair, and what it says undisturbed.
fn whole() -> (Pair, [Vec<u8>; 4]) {
    let pair = Pair::of("alice-2048", "bob-2048");
    let messages = pair.finish().messages;
    (pair, messages)
}

#[test]
fn the_undamaged_messages_do_end_in_a_session() {
    let (pair, messages) = whole();
    for which in 0..4 {
        assert!(survives(&pair, &messages, which, &messages[which]).is_some(), "message {}", which + 1);
    }
}

#[test]
fn a_message_with_a_flipped_bit_cut_anywhere_or_with_a_byte_more_never_gives_a_session() {
    let (pair, messages) = whole();
    for which in 0..4 {
        for at in 0..messages[which].len() {
            let mut damaged = messages[which].clone();
            damaged[at] ^= 1 << (at % 8);
            check(&pair, &messages, which, &damaged, &format!("byte {at}"));
        }
        for end in (0..messages[which].len()).step_by(7) {
            check(&pair, &messages, which, &messages[which][..end], &format!("cut at {end}"));
        }
        let longer = [&messages[which][..], &[0]].concat();
        check(&pair, &messages, which, &longer, "a byte more");
    }
}

#[test]
fn messages_of_one_handshake_are_nothing_in_another() {
    let (pair, other) = (Pair::of("alice-2048", "bob-2048"), Pair::of("bob-2048", "alice-2048"));
    let (messages, others) = (pair.finish().messages, other.finish().messages);
    for (which, message) in others.iter().enumerate().skip(1) {
        check(&pair, &messages, which, message, "of another pair");
    }
    // Reflected: what one side said comes back to it.
    check(&pair, &messages, 1, &messages[0], "the initiator's own");
    check(&pair, &messages, 2, &messages[1], "the responder's own");
    check(&pair, &messages, 3, &messages[2], "the initiator's own");
}

#[test]
fn another_prologue_on_one_side_fails_at_the_first_tag() {
    let (mut pair, messages) = whole();
    pair.prologue = b"Prologue".to_vec();
    let (_, state) = pair.message_1();
    assert!(pair.message_3(state, &messages[1]).is_err());
}

#[test]
fn a_ciphertext_that_does_not_open_gives_a_secret_of_its_own_and_shows_only_at_the_tag() {
    let (pair, messages) = whole();
    let (_, state) = pair.message_2(&messages[0]).unwrap();
    let (ciphertext, state) = state.read_message_3(&messages[2]).unwrap();
    for wrong in [vec![0; 256], vec![0xff; 256], Vec::new(), vec![1], [&ciphertext[..], &[0]].concat()] {
        drop(pair.responder.decapsulate(&wrong));
    }
    assert!(state.read_key(pair.responder.decapsulate(&vec![1; 256])).is_err());
}

#[test]
fn a_hostile_peer_key_arrives_unchecked_and_is_refused_by_the_check() {
    let (pair, messages) = whole();
    let (_, state) = pair.message_1();
    let (blob, _) = state.read_message_2(&pair.prologue, &messages[1]).unwrap();
    assert_eq!(blob, pair.responder.public().blob());
    assert!(PublicKey::from_blob(&blob[..blob.len() - 1]).is_err());
}
