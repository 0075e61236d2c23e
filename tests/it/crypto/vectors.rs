//! Committed vectors (`tests/vectors/README.md`): each is made again and compared, then taken as a
//! stranger would take it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rsachat::crypto::{Fingerprint, PublicKey, SafetyNumber, Split};

use super::keys::identity;
use super::two_sides::{Finished, Pair, SEEDS, opened, sealed};
use crate::support::root;

/// One file: what it shows, in words, then named values in hexadecimal.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Vector {
    header: Vec<(String, String)>,
    values: BTreeMap<String, Vec<u8>>,
}

impl Vector {
    /// Reads `tests/vectors/NAME.txt`.
    pub(crate) fn read(name: &str) -> Vector {
        let text = std::fs::read_to_string(file(name)).unwrap();
        let (header, body) = text.split_once("\n\n").unwrap();
        let pair =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let values = body.lines().map(|line| pair(line).unwrap());
        Vector {
            header: header.lines().map(|line| pair(line).unwrap()).collect(),
            values: values.map(|(name, hex)| (name, from_hex(&hex))).collect(),
        }
    }

    pub(crate) fn bytes(&self, name: &str) -> &Vec<u8> {
        self.values.get(name).unwrap_or_else(|| panic!("no value {name}"))
    }

    pub(crate) fn array(&self, name: &str) -> [u8; 32] {
        self.bytes(name).as_slice().try_into().unwrap()
    }

    fn word(&self, name: &str) -> &str {
        &self.header.iter().find(|(key, _)| key == name).unwrap().1
    }
}

fn file(name: &str) -> std::path::PathBuf {
    root("tests/vectors").join(name).with_extension("txt")
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
    digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
}

fn text(header: &[(&str, &str)], values: &[(&str, &[u8])]) -> String {
    let mut text = String::new();
    for (name, value) in header {
        writeln!(text, "{name}: {value}").unwrap();
    }
    text.push('\n');
    for (name, bytes) in values {
        write!(text, "{name}: ").unwrap();
        bytes.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text.push('\n');
    }
    text
}

/// A whole handshake, and beside it the same with one bit of one message turned.
fn handshakes() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for (bits, initiator, responder) in
        [("2048", "alice-2048", "bob-2048"), ("3072", "alice-3072", "bob-3072")]
    {
        let pair = Pair::of(initiator, responder);
        let Finished { messages, initiator: mut alice, responder: mut bob } = pair.finish();
        let from_initiator = sealed(&mut alice, b"ad", b"from the initiator");
        let from_responder = sealed(&mut bob, b"ad", b"from the responder");
        let values: Vec<(&str, &[u8])> = vec![
            ("prologue", &pair.prologue),
            ("message 1", &messages[0]),
            ("message 2", &messages[1]),
            ("message 3", &messages[2]),
            ("message 4", &messages[3]),
        ];
        let whole = [
            &[
                ("seed of message 1", &SEEDS[0][..]),
                ("seed of message 2", &SEEDS[2]),
                ("coins of message 3", &SEEDS[1]),
                ("coins of message 4", &SEEDS[3]),
            ][..],
            &values,
            &[
                ("transcript", &alice.transcript.as_bytes()[..]),
                ("associated", b"ad"),
                ("first record of the initiator", &from_initiator),
                ("first record of the responder", &from_responder),
            ],
        ]
        .concat();
        let who = [("initiator", initiator), ("responder", responder)];
        let shows = "a whole handshake and the first record of each side";
        let header = [&[("shows", shows), ("expect", "session")], &who[..]].concat();
        files.push((format!("handshake-{bits}"), text(&header, &whole)));
        for which in [1, 2, 3] {
            let mut damaged = messages[which].clone();
            let at = damaged.len() / 2;
            damaged[at] ^= 0x10;
            let shows = format!("the same handshake with one bit of message {} turned", which + 1);
            let expect = format!("failed {}", which + 1);
            let header = [&[("shows", shows.as_str()), ("expect", &expect)], &who[..]].concat();
            let mut values = values.clone();
            values[which + 1].1 = &damaged;
            files.push((format!("handshake-{bits}-damaged-{}", which + 1), text(&header, &values)));
        }
    }
    files
}

/// A public key and the ways to spell it wrongly.
fn blobs() -> Vec<(String, String)> {
    let blob = identity("alice-2048").public().blob().to_vec();
    let mut negative = blob.clone();
    negative.remove(22);
    negative[21] = 0;
    negative[20] = 1;
    let mut padded = blob.clone();
    padded.insert(22, 0);
    padded[21] = 2;
    let mut even = blob.clone();
    even[blob.len() - 1] &= 0xfe;
    let mut cube = blob.clone();
    cube[17] = 3;
    let longer = [&blob[..], &[0]].concat();
    [
        ("key-good", "a public key of 2,048 bits", blob),
        ("key-negative", "the same key without the zero byte before its modulus", negative),
        ("key-padded", "the same key with one zero byte too many", padded),
        ("key-trailing", "the same key with a byte after its end", longer),
        ("key-even", "the same key with an even modulus", even),
        ("key-exponent", "the same key with the exponent 65,539", cube),
    ]
    .into_iter()
    .map(|(name, shows, blob)| {
        let expect = match PublicKey::from_blob(&blob) {
            Ok(key) => key.fingerprint().to_string(),
            Err(fault) => format!("refused: {fault}"),
        };
        (name.to_owned(), text(&[("shows", shows), ("expect", &expect)], &[("blob", &blob)]))
    })
    .collect()
}

fn safety() -> (String, String) {
    let (a, b) = (identity("alice-2048").public().fingerprint(), identity("bob-2048").public().fingerprint());
    let number = SafetyNumber::between(&a, &b).to_string();
    let header = [("shows", "the safety number of two keys"), ("expect", number.as_str())];
    ("safety-number".to_owned(), text(&header, &[("one", a.as_bytes()), ("other", b.as_bytes())]))
}

#[test]
fn every_vector_comes_out_again_byte_for_byte() {
    let files = [handshakes(), blobs(), vec![safety()]].concat();
    let write = std::env::var("RSACHAT_VECTORS").is_ok_and(|value| value == "write");
    for (name, text) in files {
        if write {
            std::fs::write(file(&name), &text).unwrap();
        }
        let kept = std::fs::read_to_string(file(&name)).unwrap_or_default();
        assert!(kept == text, "tests/vectors/{name}.txt is not what the code makes; see the README there");
    }
}

#[test]
fn every_kept_handshake_is_taken_as_it_says() {
    for bits in ["2048", "3072"] {
        for suffix in ["", "-damaged-2", "-damaged-3", "-damaged-4"] {
            take_handshake(&Vector::read(&format!("handshake-{bits}{suffix}")));
        }
    }
}

fn take_handshake(vector: &Vector) {
    let mut pair = Pair::of(vector.word("initiator"), vector.word("responder"));
    pair.prologue.clone_from(vector.bytes("prologue"));
    let message =
        |which: usize| vector.bytes(["message 1", "message 2", "message 3", "message 4"][which - 1]);
    let run = || -> Result<(Split, Split), &str> {
        let (first, state_i) = pair.message_1();
        assert_eq!(&first, message(1));
        let (_, state_r) = pair.message_2(message(1)).map_err(|_| "failed 1")?;
        let (_, state_i) = pair.message_3(state_i, message(2)).map_err(|_| "failed 2")?;
        let (_, bob) = pair.message_4(state_r, message(3)).map_err(|_| "failed 3")?;
        let alice = pair.end(state_i, message(4)).map_err(|_| "failed 4")?;
        Ok((alice, bob))
    };
    match run() {
        Err(failed) => assert_eq!(failed, vector.word("expect")),
        Ok((mut alice, mut bob)) => {
            assert_eq!(vector.word("expect"), "session");
            assert!(alice.transcript.ct_eq(&vector.array("transcript")));
            let record = vector.bytes("first record of the initiator");
            let associated = vector.bytes("associated");
            assert_eq!(opened(&mut bob, associated, record).unwrap(), b"from the initiator");
            let record = vector.bytes("first record of the responder");
            assert_eq!(opened(&mut alice, associated, record).unwrap(), b"from the responder");
        }
    }
}

#[test]
fn every_kept_key_is_taken_or_refused_as_it_says() {
    let key = Vector::read("key-good");
    let blob = key.bytes("blob");
    assert_eq!(Fingerprint::of(blob).to_string(), key.word("expect"));
    assert!(PublicKey::from_blob(blob).is_ok());
    for name in ["key-negative", "key-padded", "key-trailing", "key-even", "key-exponent"] {
        let vector = Vector::read(name);
        let fault = PublicKey::from_blob(vector.bytes("blob")).unwrap_err();
        assert_eq!(vector.word("expect"), format!("refused: {fault}"), "{name}");
    }
}
