//! Noise's `CipherState` (revision 34, section 5.1) with AES-256-GCM: a key, a counter that never repeats,
//! and a type for each direction, so that sealing and opening cannot be confused.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

use super::HandshakeError;
use crate::limits;

/// Bytes of AES-GCM's tag.
pub(super) const TAG_BYTES: usize = 16;

/// The counter of a direction has come to its end; the session must end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many records under one key")]
pub struct NonceExhausted;

/// Seals one direction.
#[expect(missing_debug_implementations, reason = "holds a key")]
pub struct SealKey(CipherState);

/// Opens one direction.
#[expect(missing_debug_implementations, reason = "holds a key")]
pub struct OpenKey(CipherState);

impl SealKey {
    /// Seals `buffer[from..]` in place and appends the tag; `associated` is authenticated with it.
    ///
    /// # Errors
    /// [`NonceExhausted`] when the counter refuses to go on.
    pub fn seal(
        &mut self,
        associated: &[u8],
        buffer: &mut Vec<u8>,
        from: usize,
    ) -> Result<(), NonceExhausted> {
        let tag = self.seal_here(associated, buffer.get_mut(from..).unwrap_or_default())?;
        buffer.extend_from_slice(&tag);
        Ok(())
    }

    /// Seals a plaintext where it stands and gives its tag; `associated` is authenticated with it.
    ///
    /// # Errors
    /// [`NonceExhausted`] when the counter refuses to go on.
    pub fn seal_here(
        &mut self,
        associated: &[u8],
        plaintext: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], NonceExhausted> {
        self.0.rekey_when_due()?;
        let nonce = self.0.counter.nonce()?;
        let sealed = self.0.key.seal_in_place_separate_tag(nonce, Aad::from(associated), plaintext);
        let tag = sealed.ok().and_then(|tag| tag.as_ref().try_into().ok()).ok_or(NonceExhausted)?;
        self.0.counter.advance()?;
        Ok(tag)
    }

    /// The same key after that many uses: a handshake key is shared by both directions.
    pub(super) fn after(mut self, uses: u64) -> Self {
        self.0.counter = Counter(uses);
        self
    }
}

impl OpenKey {
    /// Opens `sealed` and appends the plaintext to `out`. Nothing moves when the tag is wrong.
    ///
    /// # Errors
    /// [`HandshakeError`], whatever the cause.
    pub fn open(
        &mut self,
        associated: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), HandshakeError> {
        self.0.rekey_when_due().map_err(|_| HandshakeError)?;
        let nonce = self.0.counter.nonce().map_err(|_| HandshakeError)?;
        let length = sealed.len().checked_sub(TAG_BYTES).ok_or(HandshakeError)?;
        let (ciphertext, tag) = sealed.split_at_checked(length).ok_or(HandshakeError)?;
        let start = out.len();
        out.resize(start + length, 0);
        let plaintext = out.get_mut(start..).ok_or(HandshakeError)?;
        let opened =
            self.0.key.open_separate_gather(nonce, Aad::from(associated), ciphertext, tag, plaintext);
        if opened.is_err() {
            plaintext.zeroize();
            out.truncate(start);
            return Err(HandshakeError);
        }
        self.0.counter.advance().map_err(|_| HandshakeError)
    }

    /// Opens `sealed` where it stands and gives the plaintext, its first part. When the tag is wrong the
    /// counter does not move, and what stood there is no plaintext.
    ///
    /// # Errors
    /// [`HandshakeError`], whatever the cause.
    pub fn open_here<'a>(
        &mut self,
        associated: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], HandshakeError> {
        self.0.rekey_when_due().map_err(|_| HandshakeError)?;
        let nonce = self.0.counter.nonce().map_err(|_| HandshakeError)?;
        // As fast as `open_separate_gather` into a buffer of its own (full frames of a pipe, nine rounds of 1 GiB in turns,
        // medians: 6.20 and 6.19 GB/s), and there is no such buffer.
        let plaintext =
            self.0.key.open_in_place(nonce, Aad::from(associated), sealed).map_err(|_| HandshakeError)?;
        self.0.counter.advance().map_err(|_| HandshakeError)?;
        Ok(plaintext)
    }

    /// The same key after that many uses: a handshake key is shared by both directions.
    pub(super) fn after(mut self, uses: u64) -> Self {
        self.0.counter = Counter(uses);
        self
    }
}

/// Both directions of a finished handshake or of one handshake key, from the raw key bytes.
pub(super) fn seal_key(key: &[u8; 32]) -> SealKey {
    SealKey(CipherState::new(key))
}

pub(super) fn open_key(key: &[u8; 32]) -> OpenKey {
    OpenKey(CipherState::new(key))
}

struct CipherState {
    key: LessSafeKey,
    counter: Counter,
    rekeyed_at: u64,
}

impl CipherState {
    fn new(key: &[u8; 32]) -> Self {
        Self { key: aes(key), counter: Counter(0), rekeyed_at: 0 }
    }

    /// `REKEY` (Noise, section 4.2) before every record whose number is a multiple of
    /// [`limits::REKEY_RECORDS`]; the counter goes on.
    fn rekey_when_due(&mut self) -> Result<(), NonceExhausted> {
        let number = self.counter.0;
        if number == self.rekeyed_at || !number.is_multiple_of(limits::REKEY_RECORDS) {
            return Ok(());
        }
        let mut next = Zeroizing::new([0; 32]);
        let _tag = self
            .key
            .seal_in_place_separate_tag(nonce(u64::MAX), Aad::empty(), next.as_mut_slice())
            .map_err(|_| NonceExhausted)?;
        self.key = aes(&next);
        self.rekeyed_at = number;
        Ok(())
    }
}

/// The number of the next record in one direction. It has no arithmetic outside and refuses to wrap; its
/// last value is reserved for `REKEY`.
struct Counter(u64);

impl Counter {
    fn nonce(&self) -> Result<Nonce, NonceExhausted> {
        if self.0 == u64::MAX { Err(NonceExhausted) } else { Ok(nonce(self.0)) }
    }

    fn advance(&mut self) -> Result<(), NonceExhausted> {
        self.0 = self.0.checked_add(1).ok_or(NonceExhausted)?;
        Ok(())
    }
}

/// Four zero bytes, then the counter, big-endian (Noise, section 12.4).
fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes.iter_mut().skip(4).zip(counter.to_be_bytes()).for_each(|(slot, byte)| *slot = byte);
    Nonce::assume_unique_for_key(bytes)
}

fn aes(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes"))
}

#[cfg(test)]
mod tests {
    use clatter::crypto::cipher::AesGcm;

    use super::*;

    fn pair(start: u64) -> (SealKey, OpenKey) {
        let (mut seal, mut open) = (seal_key(&[7; 32]), open_key(&[7; 32]));
        seal.0.counter = Counter(start);
        open.0.counter = Counter(start);
        (seal, open)
    }

    fn sealed(seal: &mut SealKey) -> Result<Vec<u8>, NonceExhausted> {
        let mut buffer = b"text".to_vec();
        seal.seal(b"ad", &mut buffer, 0).map(|()| buffer)
    }

    #[test]
    fn the_counter_refuses_to_wrap() {
        let (mut seal, _) = pair(u64::MAX - 1);
        assert!(sealed(&mut seal).is_ok());
        assert_eq!(sealed(&mut seal), Err(NonceExhausted));
    }

    #[test]
    fn both_directions_change_the_key_at_the_same_record() {
        let (mut seal, mut open) = pair(limits::REKEY_RECORDS - 1);
        let mut records = Vec::new();
        for _ in 0..3 {
            let record = sealed(&mut seal).unwrap();
            let mut out = Vec::new();
            assert_eq!(open.open(b"ad", &record, &mut out), Ok(()));
            assert_eq!(out, b"text");
            records.push(record);
        }
        let (mut old, _) = pair(limits::REKEY_RECORDS);
        old.0.rekeyed_at = limits::REKEY_RECORDS;
        assert_ne!(sealed(&mut old).unwrap(), records[1], "without the new key the record would be another");
    }

    #[test]
    fn records_cross_to_clatter_and_back_over_a_change_of_key() {
        let start = limits::REKEY_RECORDS - 2;
        let (mut seal, mut open) = pair(start);
        let mut theirs =
            [start; 2].map(|start| clatter::cipherstate::CipherState::<AesGcm>::new(&[7; 32], start));
        for number in start..start + 5 {
            if number == limits::REKEY_RECORDS {
                for cipher in &mut theirs {
                    cipher.rekey().unwrap();
                }
            }
            let mut text = [0; 4];
            theirs[0].decrypt_with_ad(b"ad", &sealed(&mut seal).unwrap(), &mut text).unwrap();
            assert_eq!(&text, b"text");
            let (mut record, mut out) = ([0; 20], Vec::new());
            theirs[1].encrypt_with_ad(b"ad", b"text", &mut record).unwrap();
            assert_eq!(open.open(b"ad", &record, &mut out), Ok(()));
            assert_eq!(out, b"text");
        }
    }

    #[test]
    fn in_its_place_or_elsewhere_the_records_are_the_same() {
        let start = limits::REKEY_RECORDS - 2;
        let ((mut seal, mut open), (mut there, mut here)) = (pair(start), pair(start));
        for _ in 0..4 {
            let mut text = *b"text";
            let tag = there.seal_here(b"ad", &mut text).unwrap();
            let mut record = sealed(&mut seal).unwrap();
            assert_eq!(record, [&text[..], &tag].concat());
            let mut wrong = record.clone();
            wrong[1] ^= 1;
            assert_eq!(here.open_here(b"ad", &mut wrong), Err(HandshakeError));
            let mut out = Vec::new();
            assert_eq!(open.open(b"ad", &record, &mut out), Ok(()));
            assert_eq!(here.open_here(b"ad", &mut record).unwrap(), out);
        }
    }

    #[test]
    fn a_failed_record_moves_nothing() {
        let (mut seal, mut open) = pair(0);
        let record = sealed(&mut seal).unwrap();
        let mut out = b"before".to_vec();
        for at in 0..record.len() {
            let mut wrong = record.clone();
            wrong[at] ^= 1;
            assert_eq!(open.open(b"ad", &wrong, &mut out), Err(HandshakeError));
        }
        assert_eq!(open.open(b"da", &record, &mut out), Err(HandshakeError));
        assert_eq!(out, b"before");
        assert_eq!(open.open(b"ad", &record, &mut out), Ok(()));
        assert_eq!(
            open.open(b"ad", &record, &mut out),
            Err(HandshakeError),
            "a repeated record does not open"
        );
    }
}
