//! Handshakes in both roles with the `clatter` crate, a Noise library of other people. What it does
//! not have, the two key encapsulations, is written here once more: RSA wholly by the `rsa` crate,
//! also opening.

use clatter::bytearray::{ByteArray, HeapArray, SensitiveByteArray};
use clatter::crypto::cipher::AesGcm;
use clatter::crypto::hash::Sha256 as NoiseSha256;
use clatter::error::{KemError, KemResult};
use clatter::handshakepattern::noise_pqxx;
use clatter::traits::{CryptoComponent, Kem, Rng};
use clatter::transportstate::TransportState;
use clatter::{Handshaker, KeyPair, PqHandshake};
use rand::SeedableRng;
use rand::rngs::ChaCha20Rng;
use rsa::Oaep;
use rsa::pkcs8::DecodePrivateKey;
use rsachat::crypto::handshake::{Split, initiator, responder};
use rsachat::crypto::{Identity, PublicKey, Seed, encapsulate};
use sha2::{Digest, Sha256};
use x_wing::{Decapsulate, DecapsulationKey, Decapsulator, Encapsulate, EncapsulationKey, KeyExport};

use super::keys::{identity, pem};
use super::two_sides::{opened, sealed};

const LABEL: &[u8] = b"rsachat/1 OAEP-KEM";

/// X-Wing, as `clatter` wants a key encapsulation to look.
#[derive(Clone)]
struct XWing;

impl CryptoComponent for XWing {
    fn name() -> &'static str {
        "XWing"
    }
}

impl Kem for XWing {
    type SecretKey = SensitiveByteArray<[u8; 32]>;
    type PubKey = HeapArray<1216>;
    type Ct = HeapArray<1120>;
    type Ss = SensitiveByteArray<[u8; 32]>;

    fn genkey_rng<R: Rng>(rng: &mut R) -> KemResult<KeyPair<Self::PubKey, Self::SecretKey>> {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        let key = DecapsulationKey::from(secret).encapsulation_key().to_bytes();
        Ok(KeyPair::new(HeapArray::from_slice(&key), SensitiveByteArray::from_slice(&secret)))
    }

    fn encapsulate<R: Rng>(key: &[u8], rng: &mut R) -> KemResult<(Self::Ct, Self::Ss)> {
        let key = EncapsulationKey::try_from(key).map_err(|_| KemError::Input)?;
        let (ciphertext, secret) = key.encapsulate_with_rng(&mut modern(rng));
        Ok((HeapArray::from_slice(&ciphertext), SensitiveByteArray::from_slice(&secret)))
    }

    fn decapsulate(ciphertext: &[u8], secret: &[u8]) -> KemResult<Self::Ss> {
        let secret: [u8; 32] = secret.try_into().map_err(|_| KemError::Input)?;
        let ciphertext = ciphertext.try_into().map_err(|_| KemError::Input)?;
        Ok(SensitiveByteArray::from_slice(&DecapsulationKey::from(secret).decapsulate(&ciphertext)))
    }
}

/// OAEP-KEM with keys of one size: `clatter` fixes sizes when it is compiled. A secret key is the
/// name of a committed test key.
#[derive(Clone)]
struct RsaOaep<const BLOB: usize, const CIPHERTEXT: usize>;

impl<const BLOB: usize, const CIPHERTEXT: usize> CryptoComponent for RsaOaep<BLOB, CIPHERTEXT> {
    fn name() -> &'static str {
        "RSAOAEP"
    }
}

impl<const BLOB: usize, const CIPHERTEXT: usize> Kem for RsaOaep<BLOB, CIPHERTEXT> {
    type SecretKey = HeapArray<10>;
    type PubKey = HeapArray<BLOB>;
    type Ct = HeapArray<CIPHERTEXT>;
    type Ss = SensitiveByteArray<[u8; 32]>;

    fn genkey_rng<R: Rng>(_: &mut R) -> KemResult<KeyPair<Self::PubKey, Self::SecretKey>> {
        Err(KemError::KeyGeneration)
    }

    fn encapsulate<R: Rng>(key: &[u8], rng: &mut R) -> KemResult<(Self::Ct, Self::Ss)> {
        let n = rsa::BoxedUint::from_be_slice_vartime(&key[key.len() - CIPHERTEXT..]);
        let rsa = rsa::PublicKey::new(n, rsa::BoxedUint::from(65_537_u32)).map_err(|_| KemError::Input)?;
        let mut m = [0; 32];
        rng.fill_bytes(&mut m);
        let ciphertext = rsa
            .encrypt(&mut modern(rng), Oaep::<Sha256>::new_with_label(LABEL), &m)
            .map_err(|_| KemError::Encapsulation)?;
        let secret = bind(key, &ciphertext, &m);
        Ok((HeapArray::from_slice(&ciphertext), SensitiveByteArray::from_slice(&secret)))
    }

    fn decapsulate(ciphertext: &[u8], secret: &[u8]) -> KemResult<Self::Ss> {
        let name = std::str::from_utf8(secret).unwrap();
        let key = rsa::PrivateKey::from_pkcs8_pem(&pem(name)).unwrap();
        let m = key
            .decrypt(Oaep::<Sha256>::new_with_label(LABEL), ciphertext)
            .map_err(|_| KemError::Decapsulation)?;
        let secret = bind(identity(name).public().blob(), ciphertext, &m);
        Ok(SensitiveByteArray::from_slice(&secret))
    }
}

/// `ss` of the specification, written from it and not from the code.
fn bind(blob: &[u8], ciphertext: &[u8], m: &[u8]) -> [u8; 32] {
    let length = u32::try_from(ciphertext.len()).unwrap().to_be_bytes();
    Sha256::digest([LABEL, &Sha256::digest(blob), &length, ciphertext, m].concat()).into()
}

/// `clatter` lives in an older generation of the traits for randomness.
fn modern(rng: &mut impl Rng) -> ChaCha20Rng {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    ChaCha20Rng::from_seed(seed)
}

/// The other side: `clatter` with a test key, in one of the roles.
struct Oracle<const BLOB: usize, const CIPHERTEXT: usize>(
    PqHandshake<XWing, RsaOaep<BLOB, CIPHERTEXT>, AesGcm, NoiseSha256>,
);

enum Role {
    Initiator,
    Responder,
}

impl<const BLOB: usize, const CIPHERTEXT: usize> Oracle<BLOB, CIPHERTEXT> {
    fn new(role: &Role, name: &str) -> Self {
        let public = HeapArray::from_slice(identity(name).public().blob());
        let keys = KeyPair::new(public, HeapArray::from_slice(name.as_bytes()));
        let initiator = matches!(role, Role::Initiator);
        let state = PqHandshake::new(noise_pqxx(), b"prologue", initiator, Some(keys), None, None, None);
        let state = Self(state.unwrap());
        assert_eq!(state.0.get_name().as_str(), "Noise_pqXX_XWing+RSAOAEP_AESGCM_SHA256");
        state
    }

    fn write(&mut self) -> Vec<u8> {
        let mut out = vec![0; 65_535];
        let length = self.0.write_message(&[], &mut out).unwrap();
        out.truncate(length);
        out
    }

    fn read(&mut self, message: &[u8]) {
        assert_eq!(self.0.read_message(message, &mut []).unwrap(), 0);
    }

    /// Both ends agree on h, and records open both ways.
    fn compare(self, mut ours: Split) {
        assert!(self.0.is_finished());
        let mut theirs: TransportState<AesGcm, NoiseSha256> = self.0.finalize().unwrap();
        assert!(ours.transcript.ct_eq(&theirs.get_handshake_hash()));
        for text in [&b"first"[..], "둘째".as_bytes(), b""] {
            let record = sealed(&mut ours, &[], text);
            let mut out = vec![0; text.len()];
            assert_eq!(theirs.receive(&record, &mut out).unwrap(), text.len());
            assert_eq!(out, text);
            let mut record = vec![0; text.len() + 16];
            theirs.send(text, &mut record).unwrap();
            assert_eq!(opened(&mut ours, &[], &record).unwrap(), text);
        }
    }
}

fn key_of(blob: &[u8]) -> PublicKey {
    PublicKey::from_blob(blob).unwrap()
}

fn seed(byte: u8) -> Seed {
    Seed::new([byte; 32])
}

fn we_dial<const BLOB: usize, const CIPHERTEXT: usize>(our_name: &str, their_name: &str) {
    let own: Identity = identity(our_name);
    let mut oracle = Oracle::<BLOB, CIPHERTEXT>::new(&Role::Responder, their_name);
    let (message, state) = initiator::write_message_1(own.public(), &seed(1));
    oracle.read(&message);
    let (blob, state) = state.read_message_2(b"prologue", &oracle.write()).unwrap();
    assert_eq!(blob, identity(their_name).public().blob());
    let (message, state) = state.write_message_3(encapsulate(&key_of(&blob), &seed(2)));
    oracle.read(&message);
    let (ciphertext, state) = state.read_message_4(&oracle.write()).unwrap();
    oracle.compare(state.finish(own.decapsulate(&ciphertext)).unwrap());
}

fn they_dial<const BLOB: usize, const CIPHERTEXT: usize>(our_name: &str, their_name: &str) {
    let own: Identity = identity(our_name);
    let mut oracle = Oracle::<BLOB, CIPHERTEXT>::new(&Role::Initiator, their_name);
    let (message, state) =
        responder::read_message_1(own.public(), &seed(1), b"prologue", &oracle.write()).unwrap();
    oracle.read(&message);
    let (ciphertext, state) = state.read_message_3(&oracle.write()).unwrap();
    let (blob, state) = state.read_key(own.decapsulate(&ciphertext)).unwrap();
    assert_eq!(blob, identity(their_name).public().blob());
    let (message, split) = state.write_message_4(encapsulate(&key_of(&blob), &seed(2)));
    oracle.read(&message);
    oracle.compare(split);
}

#[test]
fn clatter_and_we_agree_at_every_size_in_both_roles() {
    we_dial::<279, 256>("bob-2048", "alice-2048");
    they_dial::<279, 256>("bob-2048", "alice-2048");
    we_dial::<407, 384>("bob-3072", "alice-3072");
    they_dial::<407, 384>("bob-3072", "alice-3072");
    we_dial::<535, 512>("bob-4096", "alice-4096");
    they_dial::<535, 512>("bob-4096", "alice-4096");
}
