//! Letters: bytes that a relay has, plaintexts that a peer seals, and plays of two homes.

use std::sync::LazyLock;

use super::Choices;
use crate::crypto::{LetterKey, LetterPair, LetterSide, SEALED_BYTES, Seed};
use crate::wire::LetterBody;

static KEY: LazyLock<LetterKey> = LazyLock::new(|| LetterKey::generate(&Seed::new([1; 32])));

fn pair(side: LetterSide) -> LetterPair {
    LetterPair::new([2; 32].into(), side)
}

pub fn letters(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(3) {
        0 => changed(&mut choices),
        1 => said(choices.rest()),
        _ => crate::delivery::letter_model::play_any(choices.rest()),
    }
}

/// A letter does not open with other bytes, nor does anything that nobody has sealed.
fn changed(choices: &mut Choices<'_>) {
    let plaintext = vec![0; 2_048 * (1 + choices.below(3)) - SEALED_BYTES % 2_048];
    let letter = pair(LetterSide::Initiator).seal(&KEY.public(), &plaintext, &Seed::new([3; 32]));
    let reader = pair(LetterSide::Responder);
    assert_eq!(*reader.open(&KEY, &letter).unwrap(), plaintext);
    let mut other = letter.clone();
    while !choices.is_empty() {
        let at = usize::from(u16::from_be_bytes(choices.array())) % other.len();
        match choices.byte() {
            0 => other.truncate(at.max(1)),
            bits => other[at] ^= bits,
        }
    }
    assert!(other == letter || reader.open(&KEY, &other).is_err());
}

/// What is read of a plaintext is what is written of it, but for records that are skipped.
fn said(plaintext: &[u8]) {
    let Ok(body) = LetterBody::read(plaintext) else { return };
    let written = body.write(0).unwrap();
    assert_eq!(LetterBody::read(&written), Ok(body));
}
