//! Values of letters as bytes.

use zeroize::Zeroizing;

use super::rows::{Reader, Value};
use crate::crypto::{
    Inbox, LETTER_KEY_BYTES, LetterKey, LetterPair, LetterPublicKey, LetterSide, OfferedKey,
};
use crate::delivery::{
    Age, Answer, Beginning, BundleKey, BundleKeys, Epoch, FirstLetterId, Generation, HeldInvitation,
    KeyUsage, LetterState, OwnLetterKey, Posted, WritingInbox,
};
use crate::limits::{FIRST_LETTERS_TAKEN, INVITATIONS, LETTER_KEYS};
use crate::time::UnixMs;
use crate::wire::{PairNumber, Token};

const CURRENT: u8 = 0;
const OVERTAKEN: u8 = 1;

const NO_ANSWER: u8 = 0;
const ANSWER_OWED: u8 = 1;
const ANSWER_UNOPENED: u8 = 2;

const UNUSED: u8 = 0;
const USED: u8 = 1;

const OURS: u8 = 1;
const THEIRS: u8 = 2;

/// Characters of the name of an inbox.
const INBOX_BYTES: usize = 26;
/// Bytes of an invitation of a peer.
const HELD_BYTES: usize = 16 + INBOX_BYTES + 8 + 8;

/// Secrets that are kept.
const GENERATIONS: usize = 2;
/// Bytes of a private key and what belongs to it.
const OWN_KEY_BYTES: usize = 32 + 8 + 1;

impl Value for LetterState {
    fn bytes(&self) -> usize {
        let generation = |generation: &Generation| {
            let peer_key = generation.peer_key.as_ref().map_or(0, |_| LETTER_KEY_BYTES + 8);
            32 + 3 + OWN_KEY_BYTES * generation.own_keys.len() + peer_key + 3 * 8 + 3 * 4 + 16 + 16 + 9
        };
        let beginning = match self.beginning {
            Beginning::Met => 0,
            Beginning::Ours(_) => 1 + HELD_BYTES,
            Beginning::Theirs(_) => 1 + 8,
        };
        let generations: usize = self.generations.iter().map(generation).sum();
        16 + 3 * 8 + 25 + 1 + 3 * 8 + 1 + generations + beginning
    }

    fn write(&self, to: &mut Vec<u8>) {
        let Posted { epoch, upto, letter, at } = self.posted;
        to.extend_from_slice(&epoch.0);
        put(to, [upto, letter, at.0]);
        to.push(u8::from(self.left.is_some()));
        if let Some(PairNumber { epoch, seq }) = self.left {
            to.extend_from_slice(&epoch.0);
            put(to, [seq]);
        }
        to.push(match self.answer {
            Answer::None => NO_ANSWER,
            Answer::Owed => ANSWER_OWED,
            Answer::Unopened => ANSWER_UNOPENED,
        });
        put(to, [self.told, self.received, self.unopened.0]);
        to.push(count(self.generations.len()));
        self.generations.iter().for_each(|generation| put_generation(to, generation));
        match &self.beginning {
            // As rows of before first letters are.
            Beginning::Met => {}
            Beginning::Ours(HeldInvitation { token, inbox, bundle, left }) => {
                to.push(OURS);
                to.extend_from_slice(token.as_bytes());
                to.extend_from_slice(inbox.as_str().as_bytes());
                put(to, [*bundle, left.0]);
            }
            Beginning::Theirs(read) => {
                to.push(THEIRS);
                put(to, [*read]);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let posted = Posted {
            epoch: Epoch(from.array()?),
            upto: from.number()?,
            letter: from.number()?,
            at: UnixMs(from.number()?),
        };
        let left = match from.byte()? {
            0 => None,
            1 => Some(PairNumber { epoch: Epoch(from.array()?), seq: from.number()? }),
            _ => return None,
        };
        let answer = match from.byte()? {
            NO_ANSWER => Answer::None,
            ANSWER_OWED => Answer::Owed,
            ANSWER_UNOPENED => Answer::Unopened,
            _ => return None,
        };
        let (told, received, unopened) = (from.number()?, from.number()?, UnixMs(from.number()?));
        let generations = several(from, GENERATIONS, generation)?;
        let beginning = if from.is_empty() { Beginning::Met } else { beginning(from)? };
        Some(Self { generations, posted, left, answer, told, received, unopened, beginning })
    }
}

impl Value for BundleKeys {
    fn bytes(&self) -> usize {
        1 + self.keys.len() * (8 + OWN_KEY_BYTES)
            + 1
            + self.read.len() * (INBOX_BYTES + 8)
            + 1
            + self.taken.len() * 16
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.push(count(self.keys.len()));
        for BundleKey { number, key } in &self.keys {
            put(to, [*number]);
            put_own_key(to, key);
        }
        to.push(count(self.read.len()));
        for (inbox, number) in &self.read {
            to.extend_from_slice(inbox.as_str().as_bytes());
            put(to, [*number]);
        }
        to.push(count(self.taken.len()));
        self.taken.iter().for_each(|id| to.extend_from_slice(&id.0));
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let keys = several(from, LETTER_KEYS, |from| {
            Some(BundleKey { number: from.number()?, key: own_key(from)? })
        })?;
        let read = several(from, INVITATIONS, |from| Some((name(from)?, from.number()?)))?;
        let taken = several(from, FIRST_LETTERS_TAKEN, |from| from.array().map(FirstLetterId))?;
        Some(Self { keys, read, taken })
    }
}

fn beginning(from: &mut Reader<'_>) -> Option<Beginning> {
    match from.byte()? {
        OURS => {
            let (token, inbox) = (Token::new(from.array()?), name(from)?);
            let (bundle, left) = (from.number()?, UnixMs(from.number()?));
            Some(Beginning::Ours(HeldInvitation { token, inbox, bundle, left }))
        }
        THEIRS => Some(Beginning::Theirs(from.number()?)),
        _ => None,
    }
}

fn name(from: &mut Reader<'_>) -> Option<Inbox> {
    Inbox::parse(str::from_utf8(from.bytes(INBOX_BYTES)?).ok()?)
}

fn put<const N: usize>(to: &mut Vec<u8>, numbers: [u64; N]) {
    to.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}

fn count(values: usize) -> u8 {
    u8::try_from(values).unwrap_or(u8::MAX)
}

/// So many values as a byte says, at most `most`.
fn several<T>(
    from: &mut Reader<'_>,
    most: usize,
    one: impl Fn(&mut Reader<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = usize::from(from.byte()?);
    (count <= most).then_some(())?;
    (0..count).map(|_| one(from)).collect()
}

fn put_own_key(to: &mut Vec<u8>, key: &OwnLetterKey) {
    to.extend_from_slice(key.key.secret());
    put(to, [key.expires.0]);
    to.push(match key.usage {
        KeyUsage::Unused => UNUSED,
        KeyUsage::Used => USED,
    });
}

fn put_generation(to: &mut Vec<u8>, generation: &Generation) {
    to.extend_from_slice(generation.pair.secret());
    to.push(generation.pair.side().direction());
    to.push(count(generation.own_keys.len()));
    generation.own_keys.iter().for_each(|key| put_own_key(to, key));
    to.push(u8::from(generation.peer_key.is_some()));
    if let Some(offered) = &generation.peer_key {
        to.extend_from_slice(offered.key.as_bytes());
        put(to, [offered.expires_ms]);
    }
    put(to, [generation.written, generation.opened, generation.peer_opened]);
    for inbox in [generation.writing.number, generation.peer_reads, generation.reads] {
        to.extend_from_slice(&inbox.to_be_bytes());
    }
    put(to, [generation.writing.letters, generation.writing.since.0]);
    put(to, generation.read);
    match generation.age {
        Age::Current => to.push(CURRENT),
        Age::Overtaken(written) => {
            to.push(OVERTAKEN);
            put(to, [written]);
        }
    }
}

fn generation(from: &mut Reader<'_>) -> Option<Generation> {
    let secret = Zeroizing::new(from.array()?);
    let side = match from.byte()? {
        1 => LetterSide::Initiator,
        2 => LetterSide::Responder,
        _ => return None,
    };
    let own_keys = several(from, LETTER_KEYS, own_key)?;
    let peer_key = match from.byte()? {
        0 => None,
        1 => Some(offered_key(from)?),
        _ => return None,
    };
    let [written, opened, peer_opened] = [from.number()?, from.number()?, from.number()?];
    let [number, peer_reads, reads] = [inbox(from)?, inbox(from)?, inbox(from)?];
    let writing = WritingInbox { number, letters: from.number()?, since: UnixMs(from.number()?) };
    let read = [from.number()?, from.number()?];
    let age = match from.byte()? {
        CURRENT => Age::Current,
        OVERTAKEN => Age::Overtaken(from.number()?),
        _ => return None,
    };
    let pair = LetterPair::new(secret, side);
    Some(Generation {
        pair,
        own_keys,
        peer_key,
        written,
        opened,
        writing,
        peer_opened,
        peer_reads,
        reads,
        read,
        age,
    })
}

fn inbox(from: &mut Reader<'_>) -> Option<u32> {
    from.array().map(u32::from_be_bytes)
}

fn own_key(from: &mut Reader<'_>) -> Option<OwnLetterKey> {
    let key = LetterKey::new(Zeroizing::new(from.array()?));
    let expires = UnixMs(from.number()?);
    let usage = match from.byte()? {
        UNUSED => KeyUsage::Unused,
        USED => KeyUsage::Used,
        _ => return None,
    };
    Some(OwnLetterKey::new(key, expires, usage))
}

fn offered_key(from: &mut Reader<'_>) -> Option<OfferedKey> {
    let key = LetterPublicKey::read(from.bytes(LETTER_KEY_BYTES)?).ok()?;
    Some(OfferedKey { key, expires_ms: from.number()? })
}
