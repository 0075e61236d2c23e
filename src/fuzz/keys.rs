//! Readers of keys and sealed files: whatever stands in them, they end soon.

use pkcs8::der::pem::{LineEnding, encode_string};

use super::Choices;
use crate::crypto::{
    Fingerprint, Identity, OaepKeyPair, Passphrase, PublicKey, SafetyNumber, SealedFile, StoreKey,
    is_test_key,
};
use crate::limits::{KEY_BITS_MAX, KEY_BITS_MIN};

const LABELS: [&str; 6] = [
    "PUBLIC KEY",
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "RSA PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "RSA PUBLIC KEY",
];

pub fn keys(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(5) {
        0 => pem(&String::from_utf8_lossy(choices.rest())),
        // Of bytes, so that a fuzzer need not know base64.
        1 => {
            let label = choices.one_of(&LABELS);
            pem(&encode_string(label, LineEnding::LF, choices.rest()).unwrap());
        }
        2 => public(&PublicKey::from_blob(choices.rest())),
        3 => {
            let field =
                |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
            let exponent = if choices.byte() < 128 { &[1, 0, 1][..] } else { choices.piece() };
            let (zero, modulus) = (choices.below(2), choices.rest());
            let modulus = [&[0][..zero], modulus].concat();
            let blob = [field(b"ssh-rsa"), field(exponent), field(&modulus)].concat();
            public(&PublicKey::from_blob(&blob));
        }
        _ => sealed(choices.rest()),
    }
}

fn public(key: &Result<PublicKey, crate::crypto::PublicKeyError>) {
    let Ok(key) = key else { return };
    assert!((KEY_BITS_MIN..=KEY_BITS_MAX).contains(&key.bits()));
    assert_eq!(PublicKey::from_blob(key.blob()).as_ref(), Ok(key));
    assert_eq!(PublicKey::from_spki_pem(key.to_spki_pem().as_bytes()).as_ref(), Ok(key));
    assert_eq!(key.fingerprint(), Fingerprint::of(key.blob()));
    let number = SafetyNumber::between(&key.fingerprint(), &Fingerprint::of(b""));
    assert_eq!(SafetyNumber::of_groups(number.groups()).as_ref(), Some(&number));
}

fn pem(text: &str) {
    if let Ok(key) = PublicKey::from_spki_pem(text.as_bytes()) {
        public(&Ok(key));
    }
    let passphrase = Passphrase::new("hunter2".to_owned());
    for passphrase in [None, Some(&passphrase)] {
        let _ = Identity::from_foreign_pem(text, passphrase);
        let _ = OaepKeyPair::from_pem(text, passphrase);
    }
    if let Ok(identity) = Identity::from_pem(text, None) {
        public(&Ok(identity.public().clone()));
        let marked = Identity::marked_as_test(text);
        assert!(Identity::is_test_key(&marked));
        assert!(Identity::from_pem(&marked, None).is_ok());
        let _ = is_test_key(identity.public().fingerprint());
    }
}

fn sealed(bytes: &[u8]) {
    let passphrase = Passphrase::new("hunter2".to_owned());
    let claimed = SealedFile::file_bytes_of(bytes);
    let opened = SealedFile::open(bytes, &passphrase);
    assert!(claimed.is_ok() || opened.is_err());
    if let Ok(mut file) = opened {
        let mut chunk = bytes.get(file.header().len()..).unwrap_or_default().to_vec();
        let _ = file.open_chunk(&mut chunk);
    }
    let key = StoreKey::new(zeroize::Zeroizing::new([5; 32]));
    assert!(key.open(b"", bytes).is_err(), "a tag was guessed");
}
