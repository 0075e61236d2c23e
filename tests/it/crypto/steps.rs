//! Steps of the handshake and of a re-keying, derived once more from the specification
//! (`docs/PROTOCOL.md`, 4.4, 4.5 and 5.6), for the vectors: each value by its name.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

const NAME: &[u8] = b"Noise_pqXX_XWing+RSAOAEP_AESGCM_SHA256";
const LABEL: &[u8] = b"rsachat/1 OAEP-KEM";

/// Values in the order in which a stranger comes to them.
pub(crate) type Values = Vec<(String, Vec<u8>)>;

/// Symmetric state without the sealing, which the messages hold.
pub(crate) struct Steps {
    h: [u8; 32],
    ck: [u8; 32],
    values: Values,
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), Sha256::chain_update).finalize().into()
}

pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

pub(crate) fn hkdf(key: &[u8], input: &[u8]) -> [[u8; 32]; 3] {
    let t = hmac(key, &[input]);
    let first = hmac(&t, &[&[1]]);
    let second = hmac(&t, &[&first, &[2]]);
    let third = hmac(&t, &[&second, &[3]]);
    [first, second, third]
}

/// Secret of the OAEP KEM (4.3).
pub(crate) fn bound(blob: &[u8], ciphertext: &[u8], m: &[u8]) -> [u8; 32] {
    let length = u32::try_from(ciphertext.len()).unwrap().to_be_bytes();
    hash(&[LABEL, &hash(&[blob]), &length, ciphertext, m])
}

impl Steps {
    pub(crate) fn start(prologue: &[u8]) -> Self {
        let start = hash(&[NAME]);
        let mut steps = Self { h: start, ck: start, values: Vec::new() };
        steps.mix_hash("start", prologue);
        steps.note("start, ck", &start);
        steps
    }

    fn note(&mut self, name: &str, value: &[u8]) {
        self.values.push((name.to_owned(), value.to_vec()));
    }

    /// `MixHash` of what was sent, by the name of the part.
    pub(crate) fn mix_hash(&mut self, part: &str, sent: &[u8]) {
        self.h = hash(&[&self.h, sent]);
        let h = self.h;
        self.note(&format!("{part}, h"), &h);
    }

    fn note_keys(&mut self, part: &str, secret: &[u8], key: &[u8]) {
        let ck = self.ck;
        self.note(&format!("{part}, ss"), secret);
        self.note(&format!("{part}, ck"), &ck);
        self.note(&format!("{part}, k"), key);
    }

    /// `MixKey`
    pub(crate) fn mix_key(&mut self, part: &str, secret: &[u8]) {
        let [ck, key, _] = hkdf(&self.ck, secret);
        self.ck = ck;
        self.note_keys(part, secret, &key);
    }

    /// `MixKeyAndHash`
    pub(crate) fn mix_key_and_hash(&mut self, part: &str, secret: &[u8]) {
        let [ck, y, key] = hkdf(&self.ck, secret);
        self.ck = ck;
        self.note_keys(part, secret, &key);
        self.mix_hash(part, &y);
    }

    /// `Split`: the exporter secret beside the values.
    pub(crate) fn split(mut self) -> ([u8; 32], Values) {
        let [k1, k2, _] = hkdf(&self.ck, &[]);
        let exporter = hmac(&self.ck, &[b"rsachat/1 exporter", &self.h]);
        self.note("split, k1", &k1);
        self.note("split, k2", &k2);
        self.note("split, x", &exporter);
        (self.h, self.values)
    }
}
