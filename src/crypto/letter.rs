//! Letters between people who have met (`docs/PROTOCOL.md`, 12.2): the secret of a pair, the names
//! of its inboxes, and sealing. The secret authenticates both sides without a signature, an X-Wing
//! key for each round trip gives forward secrecy.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hkdf::Hkdf;
use rand::Rng as _;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::ephemeral::{CIPHERTEXT_BYTES, EphemeralKey, EphemeralPublicKey, Secret};
use super::noise::CipherState;
use super::{DecryptError, ExporterSecret, HandshakeError, Seed};
use crate::limits::{LETTER_BYTES, LETTER_STEP_BYTES, TAG_BYTES};

/// Name under which the secret of a pair is exported from a session.
const PAIR: &str = "rsachat/1 pair";
/// Domain of the id of a key.
const KEY_ID: &[u8] = b"rsachat/1 letter key";
/// Domain of the names of inboxes.
const INBOX: &[u8] = b"rsachat/1 inbox";
/// Domain of the transcript and of the key of a letter.
const LETTER: &[u8] = b"rsachat/1 letter";
/// First byte of a letter between people who have met.
const KIND: u8 = 1;
/// Bytes of the id of a key.
pub(super) const ID_BYTES: usize = 16;
/// Bytes before what is sealed: kind, id of the reader's key, X-Wing ciphertext.
const HEAD_BYTES: usize = 1 + ID_BYTES + CIPHERTEXT_BYTES;
/// Bytes of a public key.
pub const LETTER_KEY_BYTES: usize = 1_216;
/// Bytes by which a letter is longer than its plaintext.
pub const SEALED_BYTES: usize = HEAD_BYTES + TAG_BYTES;

/// Side of the session from which the secret of a pair came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LetterSide {
    /// It dialled.
    Initiator,
    /// It listened.
    Responder,
}

impl LetterSide {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }

    /// Number of the direction of what this side writes.
    #[must_use]
    pub fn direction(self) -> u8 {
        match self {
            Self::Initiator => 1,
            Self::Responder => 2,
        }
    }
}

/// The secret that two people share since a session, `pair`, and which side of it is ours. Zeroised
/// on drop.
#[derive(Clone)]
pub struct LetterPair {
    secret: Zeroizing<[u8; 32]>,
    side: LetterSide,
}

/// Our private X-Wing key for letters, as the seed of the draft. Zeroised on drop.
#[derive(Clone)]
pub struct LetterKey(Secret);

/// Public X-Wing key for letters. It has passed all checks.
#[derive(Clone, PartialEq, Eq)]
pub struct LetterPublicKey(Vec<u8>);

/// A public key, and when it expires.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfferedKey {
    /// The key.
    pub key: LetterPublicKey,
    /// When it expires, in milliseconds since 1970.
    pub expires_ms: u64,
}

/// Id of a public key, by which a letter names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LetterKeyId([u8; ID_BYTES]);

/// Name of a place at a relay where letters are left: 26 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inbox(String);

impl LetterPair {
    /// The secret of a session.
    #[must_use]
    pub fn of_session(exporter: &ExporterSecret, side: LetterSide) -> Self {
        Self { secret: exporter.export(PAIR), side }
    }

    /// The secret from a store.
    #[must_use]
    pub fn new(secret: Zeroizing<[u8; 32]>, side: LetterSide) -> Self {
        Self { secret, side }
    }

    /// Its bytes, for a store.
    #[must_use]
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Our side.
    #[must_use]
    pub fn side(&self) -> LetterSide {
        self.side
    }

    /// Inbox in which one side writes, by its number.
    ///
    /// # Panics
    /// Never: HKDF gives 16 bytes.
    #[must_use]
    pub fn inbox(&self, writer: LetterSide, number: u32) -> Inbox {
        let mut name = [0; ID_BYTES];
        Hkdf::<Sha256>::new(None, self.secret.as_slice())
            .expand_multi_info(&[INBOX, &[writer.direction()], &number.to_be_bytes()], &mut name)
            .expect("HKDF gives 16 bytes");
        Inbox(opaque_name(&name))
    }

    /// Seals what we write to the newest key of the reader. The plaintext is padded already: with
    /// [`SEALED_BYTES`] it has one of the lengths of letters.
    ///
    /// # Panics
    /// Never: the key is used once.
    #[must_use]
    pub fn seal(&self, reader: &LetterPublicKey, plaintext: &[u8], seed: &Seed) -> Vec<u8> {
        let (ciphertext, secret) = reader.encapsulate(seed);
        let mut letter = Vec::with_capacity(plaintext.len() + SEALED_BYTES);
        letter.push(KIND);
        letter.extend_from_slice(&reader.id().0);
        letter.extend_from_slice(&ciphertext);
        letter.extend_from_slice(plaintext);
        let key = self.key(self.side, reader, &ciphertext, &secret);
        let (head, text) = letter.split_at_mut(HEAD_BYTES);
        let tag = CipherState::new(&key).seal(head, text).expect("the key is used once");
        letter.extend_from_slice(&tag);
        letter
    }

    /// Opens what the peer has written to a key of ours: the plaintext.
    ///
    /// # Errors
    /// [`DecryptError`], whatever the cause.
    pub fn open(&self, key: &LetterKey, letter: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let (head, sealed) = letter.split_at_checked(HEAD_BYTES).ok_or(DecryptError)?;
        let (private, public) = key.expand();
        if !is_length(letter.len()) || key_id_of(letter) != Some(public.id()) {
            return Err(DecryptError);
        }
        let ciphertext = head.get(1 + ID_BYTES..).ok_or(DecryptError)?;
        let secret = private.decapsulate(ciphertext).map_err(|_| DecryptError)?;
        let key = self.key(self.side.other(), &public, ciphertext, &secret);
        let mut text = Zeroizing::new(sealed.to_vec());
        let length = CipherState::new(&key).open(head, &mut text)?.len();
        text.truncate(length);
        Ok(text)
    }

    /// The key of one letter: HKDF with `pair` as the salt, of the X-Wing secret and a transcript.
    fn key(
        &self,
        writer: LetterSide,
        reader: &LetterPublicKey,
        ciphertext: &[u8],
        secret: &Secret,
    ) -> Zeroizing<[u8; 32]> {
        let transcript = Sha256::new()
            .chain_update(LETTER)
            .chain_update([writer.direction()])
            .chain_update(&reader.0)
            .chain_update(ciphertext)
            .finalize();
        let mut input = Zeroizing::new([0; 64]);
        input.iter_mut().zip(secret.iter().chain(&transcript)).for_each(|(slot, byte)| *slot = *byte);
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(self.secret.as_slice()), input.as_slice())
            .expand(LETTER, key.as_mut_slice())
            .expect("HKDF gives 32 bytes");
        key
    }
}

impl PartialEq for LetterPair {
    fn eq(&self, other: &Self) -> bool {
        let is_equal = verify_slices_are_equal(self.secret.as_slice(), other.secret.as_slice());
        self.side == other.side && is_equal.is_ok()
    }
}

impl Eq for LetterPair {}

impl fmt::Debug for LetterPair {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LetterPair").field("side", &self.side).finish_non_exhaustive()
    }
}

impl LetterKey {
    /// Makes a key.
    #[must_use]
    pub fn generate(seed: &Seed) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        seed.rng("letter key").fill_bytes(secret.as_mut_slice());
        Self(secret)
    }

    /// A key from a store.
    #[must_use]
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self(secret)
    }

    /// Its bytes, for a store.
    #[must_use]
    pub fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> LetterPublicKey {
        self.expand().1
    }

    pub(super) fn expand(&self) -> (EphemeralKey, LetterPublicKey) {
        let (key, public) = EphemeralKey::expand(&self.0);
        (key, LetterPublicKey(public))
    }
}

impl PartialEq for LetterKey {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_slice(), other.0.as_slice()).is_ok()
    }
}

impl Eq for LetterKey {}

impl fmt::Debug for LetterKey {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LetterKey").finish_non_exhaustive()
    }
}

impl LetterPublicKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`HandshakeError`] when X-Wing refuses it (4.3).
    pub fn read(public: &[u8]) -> Result<Self, HandshakeError> {
        EphemeralPublicKey::read(public).map(|_| Self(public.to_vec()))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The id by which letters name it.
    #[must_use]
    pub fn id(&self) -> LetterKeyId {
        let hash = Sha256::new().chain_update(KEY_ID).chain_update(&self.0).finalize();
        LetterKeyId(std::array::from_fn(|at| hash.get(at).copied().unwrap_or_default()))
    }

    pub(super) fn encapsulate(&self, seed: &Seed) -> (Vec<u8>, Secret) {
        let key = EphemeralPublicKey::read(&self.0).expect("the key has passed all checks");
        key.encapsulate(seed)
    }
}

impl fmt::Debug for LetterPublicKey {
    /// Its id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LetterPublicKey").field(&self.id()).finish()
    }
}

impl LetterKeyId {
    pub(super) fn new(id: [u8; ID_BYTES]) -> Self {
        Self(id)
    }

    pub(super) fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }
}

impl Inbox {
    /// A new name, which nobody can guess; nothing else may come of the same seed.
    #[must_use]
    pub fn random(seed: &Seed) -> Self {
        let mut name = [0; ID_BYTES];
        seed.rng("inbox").fill_bytes(&mut name);
        Self(opaque_name(&name))
    }

    /// A name as it is written: 16 bytes in base32, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?;
        let name = Self(opaque_name(bytes.as_slice().try_into().ok()?));
        (name.0 == text).then_some(name)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Subject at the relay.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("rc.in.{}", self.0)
    }
}

impl fmt::Display for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Inbox {
    /// The first characters: who knows a name can fill the inbox.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inbox").field(&self.0.get(..4).unwrap_or_default()).finish()
    }
}

/// Name of a place at a relay.
pub(super) fn opaque_name(name: &[u8; ID_BYTES]) -> String {
    BASE32_NOPAD.encode(name).to_ascii_lowercase()
}

/// Whether a letter may have so many bytes.
pub(super) fn is_length(bytes: usize) -> bool {
    bytes > SEALED_BYTES && bytes <= LETTER_BYTES && bytes.is_multiple_of(LETTER_STEP_BYTES)
}

/// Id of the key to which a letter between people who have met is sealed.
pub(crate) fn key_id_of(letter: &[u8]) -> Option<LetterKeyId> {
    let (kind, rest) = letter.split_first()?;
    rest.first_chunk().filter(|_| *kind == KIND).map(|id| LetterKeyId(*id))
}

/// Id of a letter as a message at the relay: nobody uses it up who has not seen the letter.
#[must_use]
pub fn letter_id(letter: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> [LetterPair; 2] {
        [LetterSide::Initiator, LetterSide::Responder]
            .map(|side| LetterPair::new(Zeroizing::new([7; 32]), side))
    }

    fn sealed() -> (LetterKey, Vec<u8>) {
        let key = LetterKey::generate(&Seed::new([1; 32]));
        let plaintext = vec![5; 2 * LETTER_STEP_BYTES - SEALED_BYTES];
        let letter = pairs()[0].seal(&key.public(), &plaintext, &Seed::new([2; 32]));
        (key, letter)
    }

    #[test]
    fn a_letter_opens_for_the_peer_with_its_key_and_for_nobody_else() {
        let ([alice, bob], (key, letter)) = (pairs(), sealed());
        assert_eq!(letter.len(), 2 * LETTER_STEP_BYTES);
        assert_eq!(*bob.open(&key, &letter).unwrap(), vec![5; letter.len() - SEALED_BYTES]);
        assert_eq!(alice.open(&key, &letter), Err(DecryptError), "our own letter comes back");
        let stranger = LetterPair::new(Zeroizing::new([8; 32]), LetterSide::Responder);
        assert_eq!(stranger.open(&key, &letter), Err(DecryptError));
        let other = LetterKey::generate(&Seed::new([3; 32]));
        assert_eq!(bob.open(&other, &letter), Err(DecryptError));
    }

    #[test]
    fn a_letter_of_which_one_bit_or_byte_is_another_does_not_open() {
        let ([_, bob], (key, letter)) = (pairs(), sealed());
        for at in (0..letter.len()).step_by(97).chain([0, 1, 16, 17, HEAD_BYTES, letter.len() - 1]) {
            let mut wrong = letter.clone();
            wrong[at] ^= 1;
            assert_eq!(bob.open(&key, &wrong), Err(DecryptError), "{at}");
        }
        for bytes in [0, 1, 17, HEAD_BYTES, SEALED_BYTES, LETTER_STEP_BYTES, letter.len() - 1] {
            assert_eq!(bob.open(&key, &letter[..bytes]), Err(DecryptError), "{bytes}");
        }
        let longer = [letter.as_slice(), &[0; LETTER_STEP_BYTES]].concat();
        assert_eq!(bob.open(&key, &longer), Err(DecryptError));
    }

    #[test]
    fn inboxes_of_both_sides_and_of_each_number_differ_and_both_sides_name_them_alike() {
        let [alice, bob] = pairs();
        let mut names = std::collections::BTreeSet::new();
        for number in [0, 1, u32::MAX] {
            for side in [LetterSide::Initiator, LetterSide::Responder] {
                let name = alice.inbox(side, number);
                assert_eq!(name, bob.inbox(side, number));
                assert_eq!(name.as_str().len(), 26);
                assert!(name.as_str().bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')));
                names.insert(name);
            }
        }
        assert_eq!(names.len(), 6);
    }

    #[test]
    fn nothing_that_is_printed_holds_a_secret() {
        let [alice, _] = pairs();
        let key = LetterKey::generate(&Seed::new([1; 32]));
        assert_eq!(format!("{alice:?} {key:?}"), "LetterPair { side: Initiator, .. } LetterKey { .. }");
    }
}
