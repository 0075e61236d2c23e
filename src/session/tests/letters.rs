//! Keys for letters on a session: they pass once each, where both sides can exchange letters,
//! behind what both have said of each other.

use super::*;
use crate::crypto::{LetterKey, OfferedKey};
use crate::wire::{Chain, Epoch};

fn offered(number: u8) -> OfferedKey {
    OfferedKey { key: LetterKey::generate(&Seed::new([number; 32])).public(), expires_ms: 8 }
}

fn record(offered: &OfferedKey) -> Record {
    let key = Box::new(offered.key.as_bytes().try_into().unwrap());
    Record::LetterKey { key, expires_ms: offered.expires_ms }
}

fn sides(letters: [Letters; 2], durability: Durability) -> (Side, Side) {
    let [mut one, mut other] = [(Role::Initiator, 0), (Role::Responder, 1)].map(|(role, index)| {
        let letters = letters[index];
        Side::configured(role, index, SessionConfig { durability, letters, ..Side::config(index) })
    });
    carry(&mut one, &mut other, usize::MAX);
    (one, other)
}

fn resumes(side: &mut Side, epoch: u8) {
    let (epoch, your_epoch) = (Epoch([epoch; 16]), Epoch::NONE);
    let resume = Resume { epoch, oldest: 1, next: 1, your_epoch, last: 0, chain: Chain::START };
    side.session.resume(MonoMs(0), &resume).unwrap();
    side.drain();
}

#[test]
fn keys_for_letters_pass_once_each_behind_what_both_have_said() {
    let (mut one, mut other) = sides([Letters::Supported; 2], Durability::Pair);
    for index in [1, 2] {
        assert_eq!(one.session.letter_pair(), None);
        assert_eq!(one.session.send_letter_key(&offered(1)), Err(SendError::NoLetters));
        resumes(if index == 1 { &mut one } else { &mut other }, index);
        carry(&mut one, &mut other, usize::MAX);
    }
    let pairs = [&mut one, &mut other].map(|side| side.session.letter_pair().unwrap());
    assert_eq!(pairs[0].secret(), pairs[1].secret());
    assert_ne!(pairs[0].side(), pairs[1].side());
    for _ in 0..2 {
        let sent = one.session.send_letter_key(&offered(1));
        one.drain();
        carry(&mut one, &mut other, usize::MAX);
        assert_eq!(other.events.last(), Some(&Event::LetterKey(offered(1))));
        if sent == Err(SendError::NoLetters) {
            break;
        }
    }
    assert_eq!(other.events.iter().filter(|event| matches!(event, Event::LetterKey(_))).count(), 1);
    other.session.send_letter_key(&offered(2)).unwrap();
    other.drain();
    carry(&mut one, &mut other, usize::MAX);
    assert_eq!(one.events.last(), Some(&Event::LetterKey(offered(2))));
}

#[test]
fn a_key_for_letters_that_may_not_come_or_is_none_ends_the_session() {
    use Letters::{Supported, Unsupported};
    let violation = Event::Closed(CloseReason::ProtocolViolation);
    for (letters, durability, resumed) in [
        ([Supported, Unsupported], Durability::Pair, 2),
        ([Unsupported, Supported], Durability::Pair, 2),
        ([Supported, Supported], Durability::Connection, 0),
        ([Supported, Supported], Durability::Pair, 0),
        ([Supported, Supported], Durability::Pair, 1),
    ] {
        let (mut one, mut other) = sides(letters, durability);
        for index in 0..resumed {
            resumes(if index == 0 { &mut one } else { &mut other }, index + 1);
            carry(&mut one, &mut other, usize::MAX);
        }
        assert_eq!(other.session.letter_pair(), None);
        let bytes = sealed(&mut one.session, &record(&offered(1)));
        other.handle_bytes(&bytes);
        assert_eq!(other.events.last(), Some(&violation), "{letters:?} {durability:?} {resumed}");
    }
    let zero = Record::LetterKey { key: Box::new([0; 1_216]), expires_ms: 8 };
    for records in [vec![record(&offered(1)), record(&offered(1))], vec![zero]] {
        let (mut one, mut other) = sides([Supported; 2], Durability::Pair);
        resumes(&mut one, 1);
        resumes(&mut other, 2);
        carry(&mut one, &mut other, usize::MAX);
        for record in records {
            let bytes = sealed(&mut one.session, &record);
            other.handle_bytes(&bytes);
        }
        assert_eq!(other.events.last(), Some(&violation));
    }
}
