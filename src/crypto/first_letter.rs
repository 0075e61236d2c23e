//! Bundles, and first letters to people whom one has not met (`docs/PROTOCOL.md`, 12.3): the writer
//! seals to a signed key of the reader's, and signs inside the seal, since a KEM does not say who
//! has used it.

use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::ephemeral::{CIPHERTEXT_BYTES, Secret};
use super::kem::{SharedSecret, encapsulate_under};
use super::letter::{
    ID_BYTES, LETTER_KEY_BYTES, LetterKey, LetterKeyId, LetterPair, LetterPublicKey, LetterSide, OfferedKey,
    is_length, opaque_name,
};
use super::noise::CipherState;
use super::{DecryptError, Fingerprint, Identity, PublicKey, Seed};
use crate::limits::{LETTER_KEY_MS, TAG_BYTES};

/// Label of OAEP, and domain of its KEM.
const OAEP: &[u8] = b"rsachat/1 letter OAEP-KEM";
/// Label of what is signed of a bundle, and domain of its name.
const BUNDLE: &[u8] = b"rsachat/1 bundle";
/// Label of what is signed in a first letter, and domain of its transcript and secrets.
const FIRST: &[u8] = b"rsachat/1 first letter";
/// First byte of a first letter.
const FIRST_KIND: u8 = 2;
/// First byte of a bundle.
const BUNDLE_KIND: u8 = 3;

/// A key for letters that its holder has signed, for people whom he has not met.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bundle {
    /// Key of the holder.
    pub key: PublicKey,
    /// Number, which grows with each bundle.
    pub number: u64,
    /// The key for letters.
    pub offered: OfferedKey,
}

/// Why a bundle is not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is its sentence")]
pub enum BundleError {
    #[error("it has another form")]
    Malformed,
    #[error("it is of another key")]
    OtherKey,
    #[error("it is not signed by its key")]
    Signature,
    #[error("it has expired")]
    Expired,
    #[error("it is said to expire later than any bundle does")]
    TooLong,
}

/// First letter that has opened. Its token and its key are not judged yet.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct OpenedFirstLetter {
    /// Key of the writer, who has signed.
    pub writer: PublicKey,
    /// What is signed, behind the signature.
    pub content: Zeroizing<Vec<u8>>,
    /// The secret that both share from here on; the reader's side of it.
    pub pair: LetterPair,
}

/// Work on first letters that takes our private key.
#[expect(missing_debug_implementations, reason = "holds keys, and what is sealed")]
pub enum FirstLetterJob {
    /// Sign a bundle of this number.
    Sign {
        /// The number.
        number: u64,
        /// The key that it offers.
        offered: OfferedKey,
    },
    /// Seal a content, which is padded already.
    Seal {
        /// The reader's bundle.
        bundle: Box<Bundle>,
        /// The content.
        content: Zeroizing<Vec<u8>>,
        /// The randomness.
        seed: Seed,
    },
    /// Open a letter.
    Open {
        /// The key of the bundle that it names.
        own: LetterKey,
        /// The letter.
        letter: Vec<u8>,
    },
}

/// Result of a [`FirstLetterJob`].
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub enum FirstLetterResult {
    /// The bundle.
    Signed(Vec<u8>),
    /// The letter, and the secret of both sides.
    Sealed(Vec<u8>, LetterPair),
    /// What has opened, if it has.
    Opened(Option<Box<OpenedFirstLetter>>),
}

impl FirstLetterJob {
    /// Does the work.
    #[must_use]
    pub fn run(self, identity: &Identity) -> FirstLetterResult {
        match self {
            Self::Sign { number, offered } => {
                FirstLetterResult::Signed(Bundle::sign(identity, number, &offered))
            }
            Self::Seal { bundle, content, seed } => {
                let (letter, pair) = bundle.seal(identity, &content, &seed);
                FirstLetterResult::Sealed(letter, pair)
            }
            Self::Open { own, letter } => {
                FirstLetterResult::Opened(open_first_letter(identity, &own, &letter).ok().map(Box::new))
            }
        }
    }
}

/// Name of the place of the bundles of a key at a relay.
///
/// # Panics
/// Never: a hash has more bytes than a name.
#[must_use]
pub fn bundle_name(key: &Fingerprint) -> String {
    let hash = Sha256::new().chain_update(BUNDLE).chain_update(key.as_bytes()).finalize();
    opaque_name(hash.first_chunk().expect("a hash has more bytes"))
}

impl Bundle {
    /// Signs a bundle of a key of ours.
    #[must_use]
    pub fn sign(identity: &Identity, number: u64, offered: &OfferedKey) -> Vec<u8> {
        let mut bundle = vec![BUNDLE_KIND];
        put_blob(&mut bundle, identity.public());
        bundle.extend_from_slice(&number.to_be_bytes());
        bundle.extend_from_slice(&offered.expires_ms.to_be_bytes());
        bundle.extend_from_slice(offered.key.as_bytes());
        let signature = identity.sign(&signed(BUNDLE, &[&bundle]));
        bundle.extend_from_slice(&signature);
        bundle
    }

    /// Reads and checks the bundle of a key, at a moment in milliseconds since 1970.
    ///
    /// # Errors
    /// [`BundleError`] with the first thing that is wrong.
    pub fn read(bundle: &[u8], of: &Fingerprint, now_ms: u64) -> Result<Self, BundleError> {
        let rest = bundle.strip_prefix(&[BUNDLE_KIND]).ok_or(BundleError::Malformed)?;
        let (blob, rest) = take_blob(rest).ok_or(BundleError::Malformed)?;
        if Fingerprint::of(blob) != *of {
            return Err(BundleError::OtherKey);
        }
        let (number, rest) = take_number(rest).ok_or(BundleError::Malformed)?;
        let (expires_ms, rest) = take_number(rest).ok_or(BundleError::Malformed)?;
        let (offered, signature) = rest.split_at_checked(LETTER_KEY_BYTES).ok_or(BundleError::Malformed)?;
        let key = PublicKey::from_blob(blob).map_err(|_| BundleError::Malformed)?;
        let text = bundle.strip_suffix(signature).ok_or(BundleError::Malformed)?;
        if !key.has_signed(&signed(BUNDLE, &[text]), signature) {
            return Err(BundleError::Signature);
        }
        let offered = LetterPublicKey::read(offered).map_err(|_| BundleError::Malformed)?;
        if expires_ms <= now_ms {
            return Err(BundleError::Expired);
        }
        if expires_ms > now_ms.saturating_add(LETTER_KEY_MS) {
            return Err(BundleError::TooLong);
        }
        Ok(Self { key, number, offered: OfferedKey { key: offered, expires_ms } })
    }

    /// Bytes by which a first letter of a writer is longer than its content.
    #[must_use]
    pub fn overhead(&self, writer: &PublicKey) -> usize {
        let head = head_bytes(&self.key);
        head + 2 + writer.blob().len() + writer.modulus_bytes() + TAG_BYTES
    }

    /// Seals a content, which is padded already, to the holder: the letter, and the secret that
    /// both share from here on.
    ///
    /// # Panics
    /// Never: the key is used once.
    #[must_use]
    pub fn seal(&self, writer: &Identity, content: &[u8], seed: &Seed) -> (Vec<u8>, LetterPair) {
        let (ciphertext, secret) = self.offered.key.encapsulate(&seed.derive("X-Wing"));
        let oaep = encapsulate_under(OAEP, &self.key, &seed.derive("OAEP"));
        let mut letter = vec![FIRST_KIND];
        letter.extend_from_slice(self.offered.key.id().as_bytes());
        letter.extend_from_slice(&ciphertext);
        letter.extend_from_slice(&oaep.ciphertext);
        let transcript = transcript(&self.key, &self.offered.key, &letter);
        let (key, pair) = secrets(&transcript, &secret, &oaep.secret);
        let mut text = Zeroizing::new(Vec::with_capacity(content.len() + self.overhead(writer.public())));
        put_blob(&mut text, writer.public());
        text.extend_from_slice(&writer.sign(&signed_content(&transcript, content)));
        text.extend_from_slice(content);
        let tag = CipherState::new(&key).seal(&letter, &mut text).expect("the key is used once");
        letter.extend_from_slice(&text);
        letter.extend_from_slice(&tag);
        (letter, LetterPair::new(pair, LetterSide::Initiator))
    }
}

/// Opens a first letter to a bundle of ours, and checks the writer's key and signature.
///
/// # Errors
/// [`DecryptError`], whatever the cause.
pub fn open_first_letter(
    reader: &Identity,
    own: &LetterKey,
    letter: &[u8],
) -> Result<OpenedFirstLetter, DecryptError> {
    let (head, sealed) = letter.split_at_checked(head_bytes(reader.public())).ok_or(DecryptError)?;
    let (private, public) = own.expand();
    if !is_length(letter.len()) || first_letter_key(letter) != Some(public.id()) {
        return Err(DecryptError);
    }
    let kems = head.get(1 + ID_BYTES..).and_then(|kems| kems.split_at_checked(CIPHERTEXT_BYTES));
    let (ciphertext, oaep) = kems.ok_or(DecryptError)?;
    let secret = private.decapsulate(ciphertext).map_err(|_| DecryptError)?;
    let transcript = transcript(reader.public(), &public, head);
    let (key, pair) = secrets(&transcript, &secret, &reader.decapsulate_under(OAEP, oaep));
    let mut text = Zeroizing::new(sealed.to_vec());
    let text = CipherState::new(&key).open(head, &mut text)?;
    let (blob, rest) = take_blob(text).ok_or(DecryptError)?;
    let writer = PublicKey::from_blob(blob).map_err(|_| DecryptError)?;
    let (signature, content) = rest.split_at_checked(writer.modulus_bytes()).ok_or(DecryptError)?;
    if !writer.has_signed(&signed_content(&transcript, content), signature) {
        return Err(DecryptError);
    }
    let content = Zeroizing::new(content.to_vec());
    Ok(OpenedFirstLetter { writer, content, pair: LetterPair::new(pair, LetterSide::Responder) })
}

/// Id of the key of a bundle to which a first letter is sealed.
#[must_use]
pub fn first_letter_key(letter: &[u8]) -> Option<LetterKeyId> {
    let id = letter.strip_prefix(&[FIRST_KIND])?.first_chunk()?;
    Some(LetterKeyId::new(*id))
}

/// Bytes before what is sealed: kind, id of the reader's key, both ciphertexts.
fn head_bytes(reader: &PublicKey) -> usize {
    1 + ID_BYTES + CIPHERTEXT_BYTES + reader.modulus_bytes()
}

/// `t`, of everything that comes before what is sealed, but for the kind and the id.
fn transcript(reader: &PublicKey, key: &LetterPublicKey, head: &[u8]) -> [u8; 32] {
    let hash = Sha256::new()
        .chain_update(FIRST)
        .chain_update(reader.blob())
        .chain_update(key.as_bytes())
        .chain_update(head.get(1 + ID_BYTES..).unwrap_or_default());
    hash.finalize().into()
}

/// `k` and `pair`.
fn secrets(transcript: &[u8; 32], first: &Secret, second: &SharedSecret) -> (Secret, Secret) {
    let mut input = Zeroizing::new([0; 64]);
    let both = first.iter().chain(second.as_bytes());
    input.iter_mut().zip(both).for_each(|(slot, byte)| *slot = *byte);
    let mut output = Zeroizing::new([0; 64]);
    Hkdf::<Sha256>::new(Some(transcript), input.as_slice())
        .expand(FIRST, output.as_mut_slice())
        .expect("HKDF gives 64 bytes");
    let half = |half: Option<&[u8; 32]>| Zeroizing::new(*half.expect("each half has 32 bytes"));
    (half(output.first_chunk()), half(output.last_chunk()))
}

/// What is signed in a first letter.
fn signed_content(transcript: &[u8; 32], content: &[u8]) -> Vec<u8> {
    signed(FIRST, &[transcript, &Sha256::digest(content)])
}

fn signed(label: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    [label, &[0], &parts.concat()].concat()
}

fn put_blob(to: &mut Vec<u8>, key: &PublicKey) {
    let length = u16::try_from(key.blob().len()).unwrap_or(u16::MAX);
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(key.blob());
}

fn take_blob(from: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = from.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn take_number(from: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = from.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LETTER_STEP_BYTES;

    const NOW: u64 = 1_800_000_000_000;

    fn key(name: &str) -> Identity {
        let pem = match name {
            "alice" => include_str!("../../tests/keys/alice-2060.pem"),
            "bob" => include_str!("../../tests/keys/bob-3070.pem"),
            _ => include_str!("../../tests/keys/alice-2048.pem"),
        };
        Identity::from_pem(pem, None).unwrap()
    }

    fn offered(seed: u8) -> (LetterKey, OfferedKey) {
        let own = LetterKey::generate(&Seed::new([seed; 32]));
        let offered = OfferedKey { key: own.public(), expires_ms: NOW + LETTER_KEY_MS };
        (own, offered)
    }

    /// Reads a bundle of bob's at [`NOW`].
    fn read(bundle: &[u8]) -> Result<Bundle, BundleError> {
        Bundle::read(bundle, &key("bob").public().fingerprint(), NOW)
    }

    fn sealed(own: &OfferedKey) -> (Vec<u8>, LetterPair) {
        let bundle = read(&Bundle::sign(&key("bob"), 7, own)).unwrap();
        let alice = key("alice");
        let content = vec![5; 3 * LETTER_STEP_BYTES - bundle.overhead(alice.public())];
        bundle.seal(&alice, &content, &Seed::new([2; 32]))
    }

    #[test]
    fn a_bundle_is_read_as_it_was_signed_and_with_any_byte_changed_it_is_refused() {
        let (_, offered) = offered(1);
        let bundle = Bundle::sign(&key("bob"), 7, &offered);
        let read_back = read(&bundle).unwrap();
        assert_eq!((read_back.number, &read_back.offered), (7, &offered));
        assert_eq!(read_back.key, *key("bob").public());
        for at in (0..bundle.len()).step_by(41).chain([0, 1, 2, bundle.len() - 1]) {
            let mut wrong = bundle.clone();
            wrong[at] ^= 1;
            assert!(read(&wrong).is_err(), "{at}");
        }
        for bytes in [0, 1, 2, 100, bundle.len() - 1] {
            assert!(read(&bundle[..bytes]).is_err(), "{bytes}");
        }
        assert!(read(&[bundle, vec![0]].concat()).is_err());
    }

    #[test]
    fn a_bundle_of_another_key_one_that_has_expired_and_one_that_lasts_too_long_are_refused() {
        let (_, offered) = offered(1);
        let of_alice = Bundle::sign(&key("alice"), 7, &offered);
        assert_eq!(read(&of_alice), Err(BundleError::OtherKey));
        // Her signature under his key.
        let bob = key("bob");
        let mut mixed = Bundle::sign(&bob, 7, &offered);
        let text = mixed.len() - bob.public().modulus_bytes();
        let signature = key("other").sign(&signed(BUNDLE, &[&mixed[..text]]));
        mixed.splice(text.., signature);
        assert_eq!(read(&mixed), Err(BundleError::Signature));
        let until = |expires_ms| {
            let offered = OfferedKey { expires_ms, ..offered.clone() };
            read(&Bundle::sign(&bob, 7, &offered)).map(|_| ())
        };
        assert_eq!(until(NOW), Err(BundleError::Expired));
        assert_eq!(until(NOW + 1), Ok(()));
        assert_eq!(until(NOW + LETTER_KEY_MS), Ok(()));
        assert_eq!(until(NOW + LETTER_KEY_MS + 1), Err(BundleError::TooLong));
    }

    #[test]
    fn a_first_letter_opens_for_the_holder_of_both_keys_and_both_share_a_secret_then() {
        let (own, offered) = offered(1);
        let (letter, pair) = sealed(&offered);
        assert_eq!(letter.len(), 3 * LETTER_STEP_BYTES);
        let opened = open_first_letter(&key("bob"), &own, &letter).unwrap();
        assert_eq!(opened.writer, *key("alice").public());
        assert!(opened.content.iter().all(|byte| *byte == 5));
        assert_eq!(opened.pair.secret(), pair.secret());
        assert_eq!((opened.pair.side(), pair.side()), (LetterSide::Responder, LetterSide::Initiator));
        let (other, _) = self::offered(9);
        assert!(open_first_letter(&key("bob"), &other, &letter).is_err());
        assert!(open_first_letter(&key("other"), &own, &letter).is_err());
    }

    #[test]
    fn a_first_letter_of_which_any_byte_is_another_does_not_open() {
        let (own, offered) = offered(1);
        let (letter, _) = sealed(&offered);
        let bob = key("bob");
        let head = head_bytes(bob.public());
        let places = [0, 1, 16, 17, 17 + CIPHERTEXT_BYTES, head - 1, head, letter.len() - 1];
        for at in (0..letter.len()).step_by(501).chain(places) {
            let mut wrong = letter.clone();
            wrong[at] ^= 1;
            assert!(open_first_letter(&bob, &own, &wrong).is_err(), "{at}");
        }
        for bytes in [0, 1, 17, head, LETTER_STEP_BYTES, letter.len() - 1] {
            assert!(open_first_letter(&bob, &own, &letter[..bytes]).is_err(), "{bytes}");
        }
    }

    /// The reader of one letter is no writer to somebody else: the signature is of this transcript.
    #[test]
    fn a_signature_that_was_read_in_one_letter_is_worth_nothing_in_another() {
        let (own, offered) = offered(1);
        let bundle = read(&Bundle::sign(&key("bob"), 7, &offered)).unwrap();
        let (letter, _) = sealed(&offered);
        let bob = key("bob");
        let (head, _) = letter.split_at(head_bytes(bob.public()));
        let transcript = transcript(bob.public(), &own.public(), head);
        let content = b"content";
        let signature = key("alice").sign(&signed_content(&transcript, content));
        assert!(key("alice").public().has_signed(&signed_content(&transcript, content), &signature));
        let (other, _) = bundle.seal(&key("alice"), content, &Seed::new([3; 32]));
        let (head, _) = other.split_at(head_bytes(bob.public()));
        let elsewhere = super::transcript(bob.public(), &own.public(), head);
        assert!(!key("alice").public().has_signed(&signed_content(&elsewhere, content), &signature));
        assert!(!key("alice").public().has_signed(&signed(BUNDLE, &[content]), &signature));
    }

    #[test]
    fn bundles_of_each_key_have_a_place_of_their_own() {
        let [alice, bob] = ["alice", "bob"].map(|name| bundle_name(&key(name).public().fingerprint()));
        assert_ne!(alice, bob);
        assert_eq!(alice.len(), 26);
        assert!(alice.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')));
    }
}
