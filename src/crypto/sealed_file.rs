//! File sealed by a passphrase (`docs/HOME.md`): scrypt (RFC 7914) derives a key for AES-256-GCM,
//! which seals the content in chunks. The salt is fresh for each file, and so is the key; a nonce
//! is the number of its chunk. The cost that a file names is bounded before it is paid.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use pkcs8::pkcs5::scrypt::{Params, scrypt};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::passphrase::Passphrase;
use super::{DecryptError, Seed};
use crate::limits::{KDF_MEMORY_BYTES, KDF_TRAFFIC_BYTES, TAG_BYTES};

/// First bytes of a file.
const MAGIC: &[u8; 12] = b"rsachat home";
const VERSION: u32 = 1;
/// log2 of scrypt's N, its r and p: 128 MiB once. Tests of other things are spared that.
const SCRYPT: (u32, u32, u32) = if cfg!(test) { (10, 8, 1) } else { (17, 8, 1) };
const SALT_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
/// Bytes of a checksum: that many of SHA-256.
const CHECKSUM_BYTES: usize = 16;
/// Nonce of the tag that a right passphrase gives; no chunk has that number.
const CHECK_NONCE: [u8; NONCE_LEN] = [0xff; NONCE_LEN];

/// Reason why a file is not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SealedFileError {
    /// Another program's.
    Foreign,
    /// A later version of the format.
    Newer(u32),
    /// Its header ends before it should.
    Cut,
    /// Its header was changed.
    Damaged,
    /// Opening it would cost too much time or memory.
    TooCostly,
    /// Another passphrase opens it.
    WrongPassphrase,
}

/// Chunks of a sealed file, in their order.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct SealedFile {
    key: LessSafeKey,
    header: [u8; Self::HEADER_BYTES],
    bytes: u64,
    next: u64,
}

impl SealedFile {
    /// Bytes before the first chunk.
    pub const HEADER_BYTES: usize = UNCHECKED_BYTES + TAG_BYTES + CHECKSUM_BYTES;
    /// Bytes of content in each chunk; the last has what is left.
    pub const CHUNK_BYTES: usize = 65_536;
    /// Bytes by which a chunk is longer when it is sealed.
    pub const OVERHEAD_BYTES: usize = TAG_BYTES;

    /// Begins a file for `content_bytes` of content, with the salt of `coins`.
    ///
    /// # Panics
    /// Never: the cost is a valid one.
    #[must_use]
    pub fn create(passphrase: &Passphrase, coins: &Seed, content_bytes: u64) -> Self {
        let mut salt = [0; SALT_BYTES];
        rand::Rng::fill_bytes(&mut coins.rng("salt"), &mut salt);
        let (log_n, r, p) = SCRYPT;
        let mut header = [0; Self::HEADER_BYTES];
        let mut fields = Vec::with_capacity(Self::HEADER_BYTES);
        fields.extend_from_slice(MAGIC);
        fields.extend_from_slice(&VERSION.to_be_bytes());
        fields.extend_from_slice(&content_bytes.to_be_bytes());
        for number in [log_n, r, p] {
            fields.extend_from_slice(&number.to_be_bytes());
        }
        fields.extend_from_slice(&salt);
        let key = derive(passphrase, &salt, SCRYPT).expect("the cost is a valid one");
        let check = check_tag(&key, &fields);
        fields.extend_from_slice(&check);
        let sum = checksum(&fields);
        fields.extend_from_slice(&sum);
        header.copy_from_slice(&fields);
        Self { key, header, bytes: file_bytes(content_bytes), next: 0 }
    }

    /// Opens a file by its first [`SealedFile::HEADER_BYTES`] bytes, or fewer where it is shorter.
    ///
    /// # Errors
    /// [`SealedFileError`], each for its reason.
    pub fn open(first: &[u8], passphrase: &Passphrase) -> Result<Self, SealedFileError> {
        let fields = Fields::read(first)?;
        let key = derive(passphrase, fields.salt, fields.cost).ok_or(SealedFileError::Damaged)?;
        if check_tag(&key, fields.sealed).ct_ne(fields.check).into() {
            return Err(SealedFileError::WrongPassphrase);
        }
        Ok(Self { key, header: *fields.header, bytes: file_bytes(fields.content_bytes), next: 0 })
    }

    /// Bytes of the whole file with this header, of which all is checked that can be without the
    /// passphrase.
    ///
    /// # Errors
    /// As of [`SealedFile::open`].
    pub fn file_bytes_of(first: &[u8]) -> Result<u64, SealedFileError> {
        Fields::read(first).map(|fields| file_bytes(fields.content_bytes))
    }

    /// The header, which the file begins with.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.bytes
    }

    /// Goes back to the first chunk, to open the file once more.
    pub fn rewind(&mut self) {
        self.next = 0;
    }

    /// Seals the next chunk in place.
    ///
    /// # Panics
    /// Never: a chunk is short.
    pub fn seal(&mut self, chunk: &mut Vec<u8>) {
        let nonce = self.nonce();
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::from(self.header.as_slice()), chunk);
        sealed.expect("a chunk has fewer bytes than 2^36");
    }

    /// Opens the next chunk in place.
    ///
    /// # Errors
    /// [`DecryptError`] when it was changed, or is not the next.
    pub fn open_chunk(&mut self, chunk: &mut Vec<u8>) -> Result<(), DecryptError> {
        let nonce = self.nonce();
        let opened = self.key.open_in_place(nonce, Aad::from(self.header.as_slice()), chunk);
        let bytes = opened.map_err(|_| DecryptError)?.len();
        chunk.truncate(bytes);
        Ok(())
    }

    fn nonce(&mut self) -> Nonce {
        let nonce = u128::from(self.next).to_be_bytes();
        self.next += 1;
        Nonce::assume_unique_for_key(*nonce.last_chunk().expect("16 bytes have 12"))
    }
}

/// Bytes of a header before the tag of the passphrase.
const UNCHECKED_BYTES: usize = MAGIC.len() + 4 + 8 + 3 * 4 + SALT_BYTES;

/// Bytes of a file with so much content.
fn file_bytes(content_bytes: u64) -> u64 {
    let chunks = content_bytes.div_ceil(SealedFile::CHUNK_BYTES as u64);
    let overhead = chunks.saturating_mul(SealedFile::OVERHEAD_BYTES as u64);
    (SealedFile::HEADER_BYTES as u64).saturating_add(content_bytes).saturating_add(overhead)
}

/// Header whose checksum and cost are right.
struct Fields<'a> {
    header: &'a [u8; SealedFile::HEADER_BYTES],
    /// What the tag of the passphrase is for.
    sealed: &'a [u8],
    content_bytes: u64,
    cost: (u32, u32, u32),
    salt: &'a [u8],
    check: &'a [u8],
}

impl<'a> Fields<'a> {
    fn read(first: &'a [u8]) -> Result<Self, SealedFileError> {
        let magic = first.get(..MAGIC.len()).unwrap_or(first);
        if first.is_empty() || !MAGIC.starts_with(magic) {
            return Err(SealedFileError::Foreign);
        }
        let mut reader = Reader(first.get(MAGIC.len()..).unwrap_or_default());
        let version = reader.u32().ok_or(SealedFileError::Cut)?;
        if version > VERSION {
            return Err(SealedFileError::Newer(version));
        }
        let header: &[u8; SealedFile::HEADER_BYTES] = first.first_chunk().ok_or(SealedFileError::Cut)?;
        let (summed, sum) = header.split_at(SealedFile::HEADER_BYTES - CHECKSUM_BYTES);
        if version != VERSION || checksum(summed) != sum {
            return Err(SealedFileError::Damaged);
        }
        let (sealed, check) = summed.split_at(UNCHECKED_BYTES);
        let mut fields = || {
            let content_bytes = reader.u64()?;
            let cost = (reader.u32()?, reader.u32()?, reader.u32()?);
            Some((content_bytes, cost, reader.take(SALT_BYTES)?))
        };
        let (content_bytes, cost, salt) = fields().ok_or(SealedFileError::Damaged)?;
        if is_too_costly(cost) {
            return Err(SealedFileError::TooCostly);
        }
        Ok(Self { header, sealed, content_bytes, cost, salt, check })
    }
}

/// scrypt takes 128 · N · r bytes and passes over them p times (RFC 7914, section 2).
fn is_too_costly((log_n, r, p): (u32, u32, u32)) -> bool {
    let memory = 1_u64.checked_shl(log_n).and_then(|n| n.checked_mul(128)?.checked_mul(u64::from(r)));
    let traffic = memory.and_then(|memory| memory.checked_mul(u64::from(p)));
    memory.is_none_or(|memory| memory > KDF_MEMORY_BYTES)
        || traffic.is_none_or(|traffic| traffic > KDF_TRAFFIC_BYTES)
}

/// The key; `None` for a cost that scrypt is not defined for.
fn derive(passphrase: &Passphrase, salt: &[u8], (log_n, r, p): (u32, u32, u32)) -> Option<LessSafeKey> {
    let params = Params::new(u8::try_from(log_n).ok()?, r, p).ok()?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    scrypt(passphrase.as_bytes(), salt, &params, key.as_mut_slice()).ok()?;
    UnboundKey::new(&AES_256_GCM, key.as_slice()).ok().map(LessSafeKey::new)
}

/// Tag of nothing with the fields of a header, which tells a right passphrase.
fn check_tag(key: &LessSafeKey, fields: &[u8]) -> [u8; TAG_BYTES] {
    let nonce = Nonce::assume_unique_for_key(CHECK_NONCE);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(fields), &mut []);
    let mut bytes = [0; TAG_BYTES];
    bytes.copy_from_slice(tag.expect("nothing is short").as_ref());
    bytes
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let sum: [u8; 32] = Sha256::digest(bytes).into();
    *sum.first_chunk().expect("32 bytes have 16")
}

/// Big-endian numbers, one behind the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    /// Derives a key, which takes a while.
    fn create() -> SealedFile {
        SealedFile::create(&passphrase("right"), &Seed::new([3; 32]), 70_000)
    }

    fn reason(header: &[u8]) -> Option<SealedFileError> {
        SealedFile::open(header, &passphrase("right")).err()
    }

    /// The header with other fields, and a checksum that is right.
    fn with(header: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut header = header.to_vec();
        header[at..at + bytes.len()].copy_from_slice(bytes);
        let (summed, sum) = header.split_at_mut(SealedFile::HEADER_BYTES - CHECKSUM_BYTES);
        sum.copy_from_slice(&checksum(summed));
        header
    }

    #[test]
    fn chunks_open_in_their_order_under_their_passphrase_only() {
        let mut sealing = create();
        let mut chunks = [b"first".to_vec(), b"second".to_vec()];
        for chunk in &mut chunks {
            sealing.seal(chunk);
        }
        let header = sealing.header();
        assert_eq!(
            SealedFile::open(header, &passphrase("wrong")).err(),
            Some(SealedFileError::WrongPassphrase)
        );
        let mut opening = SealedFile::open(header, &passphrase("right")).unwrap();
        assert_eq!(opening.file_bytes(), 100 + 70_000 + 2 * 16);
        let [first, second] = chunks;
        assert!(opening.open_chunk(&mut second.clone()).is_err(), "not the first");
        assert!(opening.open_chunk(&mut first.clone()).is_err(), "not the second");
        opening.rewind();
        for (mut chunk, text) in [(first, "first"), (second, "second")] {
            opening.open_chunk(&mut chunk).unwrap();
            assert_eq!(chunk, text.as_bytes());
        }
    }

    #[test]
    fn each_bit_of_a_header_counts_and_each_cut_is_told() {
        let header = create().header().to_vec();
        for at in 0..header.len() {
            let mut changed = header.clone();
            changed[at] ^= 1;
            let expected = match at {
                0..12 => SealedFileError::Foreign,
                12..15 => SealedFileError::Newer(u32::from_be_bytes(changed[12..16].try_into().unwrap())),
                _ => SealedFileError::Damaged,
            };
            assert_eq!(reason(&changed), Some(expected), "byte {at}");
            let expected = if at == 0 { SealedFileError::Foreign } else { SealedFileError::Cut };
            assert_eq!(reason(&header[..at]), Some(expected), "cut at {at}");
        }
    }

    #[test]
    fn a_file_cannot_ask_for_more_time_or_memory_than_is_given_to_a_key() {
        let file = create();
        let cost = |log_n: u32, r: u32, p: u32| {
            reason(&with(
                file.header(),
                24,
                &[log_n.to_be_bytes(), r.to_be_bytes(), p.to_be_bytes()].concat(),
            ))
        };
        for (log_n, r, p) in [
            (19, 8, 1),
            (17, 8, 9),
            (40, 8, 1),
            (63, 1, 1),
            (64, 1, 1),
            (u32::MAX, 1, 1),
            (10, u32::MAX, u32::MAX),
            (10, 8, u32::MAX),
        ] {
            assert_eq!(cost(log_n, r, p), Some(SealedFileError::TooCostly), "{log_n} {r} {p}");
        }
        assert_eq!(cost(10, 0, 1), Some(SealedFileError::Damaged));
        assert_eq!(cost(10, 8, 0), Some(SealedFileError::Damaged));
        assert_eq!(cost(11, 8, 1), Some(SealedFileError::WrongPassphrase), "another key comes out");
    }
}
