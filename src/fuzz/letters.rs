//! Letters: bytes that a relay has, plaintexts that a peer seals, and plays of two homes.

use std::sync::LazyLock;

use super::Choices;
use crate::crypto::{
    Bundle, Identity, LetterKey, LetterPair, LetterSide, OfferedKey, SEALED_BYTES, Seed, open_first_letter,
};
use crate::wire::{FirstLetterBody, LetterBody};

static KEY: LazyLock<LetterKey> = LazyLock::new(|| LetterKey::generate(&Seed::new([1; 32])));

fn pair(side: LetterSide) -> LetterPair {
    LetterPair::new([2; 32].into(), side)
}

pub fn letters(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(5) {
        0 => changed(&mut choices),
        1 => said(choices.rest()),
        3 => first_changed(&mut choices),
        4 => first_said(choices.rest()),
        _ => crate::delivery::letter_model::play_any(choices.rest()),
    }
}

/// A bundle and a first letter to it, with the key that reads both.
static FIRST: LazyLock<(Identity, Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let key = |pem| Identity::from_pem(pem, None).unwrap();
    let writer = key(include_str!("../../tests/keys/alice-2048.pem"));
    let reader = key(include_str!("../../tests/keys/bob-2048.pem"));
    let bundle = Bundle::sign(&reader, 1, &OfferedKey { key: KEY.public(), expires_ms: 1 });
    let read = Bundle::read(&bundle, &reader.public().fingerprint(), 0).unwrap();
    let content = vec![0; 4_096 - read.overhead(writer.public())];
    let (letter, _) = read.seal(&writer, &content, &Seed::new([3; 32]));
    (reader, bundle, letter)
});

/// Neither a bundle nor a first letter is taken with other bytes.
fn first_changed(choices: &mut Choices<'_>) {
    let (reader, bundle, letter) = &*FIRST;
    let given = if choices.below(2) == 0 { bundle } else { letter };
    let mut other = given.clone();
    while !choices.is_empty() {
        let at = usize::from(u16::from_be_bytes(choices.array())) % other.len();
        match choices.byte() {
            0 => other.truncate(at.max(1)),
            bits => other[at] ^= bits,
        }
    }
    let is_same = other == *given;
    let is_bundle = Bundle::read(&other, &reader.public().fingerprint(), 0).is_ok();
    let is_letter = open_first_letter(reader, &KEY, &other).is_ok();
    assert_eq!(is_bundle || is_letter, is_same);
}

/// What is read of the content of a first letter is what is written of it.
fn first_said(content: &[u8]) {
    let Ok(body) = FirstLetterBody::read(content) else { return };
    let written = body.write(0).unwrap();
    assert_eq!(FirstLetterBody::read(&written), Ok(body));
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
