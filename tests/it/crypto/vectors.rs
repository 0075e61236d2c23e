//! Committed vectors (`tests/vectors/README.md`): each is made again and compared, then taken as a
//! stranger would take it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pkcs8::SecretDocument;
use rand::Rng as _;
use rsachat::crypto::{
    Bundle, ChainSecret, Fingerprint, LetterKey, LetterPair, LetterSide, OfferedKey, PublicKey, RekeyingKey,
    RekeyingPublicKey, SEALED_BYTES, SafetyNumber, Seed, Split, bundle_name, encapsulate, open_first_letter,
};
use rsachat::delivery::{SKIPPED, hash_of};
use rsachat::limits::TAG_BYTES;
use rsachat::wire::{
    Chain, Confirm, Epoch, FirstLetterBody, LENGTH_BYTES, LetterBody, Padding, REKEYING, Record, Resume,
    Token,
};
use x_wing::Decapsulate as _;

use super::keys::{identity, pem};
use super::steps::{Steps, Values, bound, hkdf};
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
        Self::of(&std::fs::read_to_string(file(name)).unwrap())
    }

    fn of(text: &str) -> Vector {
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

/// Test keys of the two sides of each kept handshake.
const SIDES: [(&str, &str, &str); 2] =
    [("2048", "alice-2048", "bob-2048"), ("3072", "alice-3072", "bob-3072")];
const TEST_KEYS: (&str, &str) =
    ("warning", "the private keys in this file are TEST KEYS; never use one to talk");

/// The first bytes that a seed gives for a purpose.
fn drawn<const N: usize>(seed: &Seed, purpose: &str) -> [u8; N] {
    let mut bytes = [0; N];
    seed.rng(purpose).fill_bytes(&mut bytes);
    bytes
}

/// PKCS#8 of a test key.
fn pkcs8(name: &str) -> Vec<u8> {
    SecretDocument::from_pem(&pem(name)).unwrap().1.as_bytes().to_vec()
}

/// A whole handshake with everything in it, and beside it the same with one bit of one message
/// turned.
fn handshakes() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for (bits, initiator, responder) in SIDES {
        let pair = Pair::of(initiator, responder);
        let Finished { messages, initiator: mut alice, responder: mut bob } = pair.finish();
        let (h, steps) = steps_of(&pair, &messages);
        assert!(alice.transcript.ct_eq(&h));
        let messages_by_name: Vec<(String, Vec<u8>)> =
            std::iter::once(("prologue".to_owned(), pair.prologue.clone()))
                .chain(
                    messages
                        .iter()
                        .enumerate()
                        .map(|(at, message)| (format!("message {}", at + 1), message.clone())),
                )
                .collect();
        let seeds = SEEDS.map(Seed::new);
        let confirms = [("initiator", "alice", &mut alice), ("responder", "bob", &mut bob)].map(
            |(side, name, split)| {
                let confirm = Confirm { transcript: h, options: REKEYING, name: name.into() };
                let mut plaintext = Vec::new();
                Record::Confirm(confirm).write(Padding::Chat, &mut plaintext).unwrap();
                let frame = framed(split, &plaintext);
                [
                    (format!("Confirm of the {side}, plaintext"), plaintext),
                    (format!("Confirm of the {side}, frame"), frame),
                ]
            },
        );
        let whole: Values = [
            ("private key of the initiator, PKCS#8", pkcs8(initiator)),
            ("private key of the responder, PKCS#8", pkcs8(responder)),
            ("blob of the initiator", pair.initiator.public().blob().to_vec()),
            ("blob of the responder", pair.responder.public().blob().to_vec()),
            ("e, seed of the draft", drawn::<32>(&seeds[0], "e").to_vec()),
            ("ekem, eseed of the draft", drawn::<64>(&seeds[2], "ekem").to_vec()),
            ("skem of message 3, m", drawn::<32>(&seeds[1], "oaep").to_vec()),
            ("skem of message 4, m", drawn::<32>(&seeds[3], "oaep").to_vec()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .chain(messages_by_name.clone())
        .chain(steps)
        .chain([("transcript".to_owned(), h.to_vec())])
        .chain(confirms.into_iter().flatten())
        .collect();
        let who = [("initiator", initiator), ("responder", responder)];
        let shows = "a whole handshake, every step of it, and the first record of each side";
        let header = [&[("shows", shows), ("expect", "session"), TEST_KEYS], &who[..]].concat();
        files.push((format!("handshake-{bits}"), text(&header, &borrowed(&whole))));
        if bits == "2048" {
            files.push(("rekeying".to_owned(), rekeying(&mut alice, &mut bob)));
            let Finished { initiator: mut alice, responder: mut bob, .. } = pair.finish();
            files.push(("durable".to_owned(), durable(&mut alice, &mut bob)));
        }
        for which in [1, 2, 3] {
            let mut damaged = messages[which].clone();
            let at = damaged.len() / 2;
            damaged[at] ^= 0x10;
            let shows = format!("the same handshake with one bit of message {} turned", which + 1);
            let expect = format!("failed {}", which + 1);
            let header = [&[("shows", shows.as_str()), ("expect", &expect)], &who[..]].concat();
            let mut values = messages_by_name.clone();
            values[which + 1].1 = damaged;
            files
                .push((format!("handshake-{bits}-damaged-{}", which + 1), text(&header, &borrowed(&values))));
        }
    }
    files
}

fn borrowed(values: &Values) -> Vec<(&str, &[u8])> {
    values.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
}

/// Every step of 4.5, derived from the messages, the secrets of the draft and both `m`.
fn steps_of(pair: &Pair, messages: &[Vec<u8>; 4]) -> ([u8; 32], Values) {
    let seeds = SEEDS.map(Seed::new);
    let (blob_i, blob_r) = (pair.initiator.public().blob(), pair.responder.public().blob());
    let [one, two, three, four] = messages;
    let mut steps = Steps::start(&pair.prologue);
    steps.mix_hash("1 e", one);
    steps.mix_hash("1 payload", &[]);
    let (ct, rest) = two.split_at(x_wing::CIPHERTEXT_SIZE);
    let ephemeral = x_wing::DecapsulationKey::from(drawn::<32>(&seeds[0], "e"));
    let secret = ephemeral.decapsulate(&x_wing::Ciphertext::try_from(ct).unwrap());
    steps.mix_hash("2 ekem", ct);
    steps.mix_key("2 ekem", &secret);
    steps.mix_hash("2 s", &rest[..blob_r.len() + TAG_BYTES]);
    steps.mix_hash("2 payload", &rest[blob_r.len() + TAG_BYTES..]);
    for (message, to, m, coins) in [(three, blob_r, "3", &seeds[1]), (four, blob_i, "4", &seeds[3])] {
        let key = PublicKey::from_blob(to).unwrap();
        let (sealed, rest) = message.split_at(key.modulus_bytes() + TAG_BYTES);
        let secret = bound(to, &encapsulate(&key, coins).ciphertext, &drawn::<32>(coins, "oaep"));
        steps.mix_hash(&format!("{m} skem, sealed"), sealed);
        steps.mix_key_and_hash(&format!("{m} skem"), &secret);
        let (s, payload) = rest.split_at(rest.len() - TAG_BYTES);
        if !s.is_empty() {
            steps.mix_hash(&format!("{m} s"), s);
        }
        steps.mix_hash(&format!("{m} payload"), payload);
    }
    steps.split()
}

/// One plaintext as the next record of a side.
fn framed(split: &mut Split, plaintext: &[u8]) -> Vec<u8> {
    let length = u16::try_from(plaintext.len() + TAG_BYTES).unwrap().to_be_bytes();
    [&length[..], &sealed(split, &length, plaintext)].concat()
}

fn record(split: &mut Split, record: &Record) -> Vec<u8> {
    let mut plaintext = Vec::new();
    record.write(Padding::Chat, &mut plaintext).unwrap();
    framed(split, &plaintext)
}

/// A re-keying behind the two Confirms of the kept handshake of 2,048 bits, and a Text of each side
/// behind it.
fn rekeying(alice: &mut Split, bob: &mut Split) -> String {
    let transcript = alice.transcript;
    let chain = alice.exporter.export("rsachat/1 re-keying").to_vec();
    let mut chains = [ChainSecret::new(&alice.exporter), ChainSecret::new(&bob.exporter)];
    let seeds = [Seed::new([5; 32]), Seed::new([6; 32])];
    let (key, public) = RekeyingKey::generate(&seeds[0]);
    let ask = record(alice, &Record::Rekey(public.clone()));
    let asked = RekeyingPublicKey::read(&public).unwrap();
    let (ciphertext, bobs) = chains[1].answer(&transcript, &asked, &seeds[1]);
    let answer = record(bob, &Record::Rekeyed(ciphertext.clone()));
    (bob.seal, bob.open) = (bobs.seal, bobs.open);
    let alices = chains[0].finish(&transcript, &key, &ciphertext).unwrap();
    let mark = record(alice, &Record::Rekeyed(Vec::new()));
    (alice.seal, alice.open) = (alices.seal, alices.open);
    let text_of = |text: &str| Record::Text { seq: 1, time_ms: 0, text: text.into() };
    let (said, heard) = (record(alice, &text_of("after")), record(bob, &text_of("behind")));
    let secret = x_wing::DecapsulationKey::from(drawn::<32>(&seeds[0], "e"))
        .decapsulate(&x_wing::Ciphertext::try_from(ciphertext.as_slice()).unwrap());
    let [next, k1, k2] = hkdf(&chain, &[&secret[..], transcript.as_bytes()].concat());
    let values: [(&str, &[u8]); 13] = [
        ("transcript", transcript.as_bytes()),
        ("c", &chain),
        ("seed of the draft", &drawn::<32>(&seeds[0], "e")),
        ("eseed of the draft", &drawn::<64>(&seeds[1], "ekem")),
        ("Rekey of the initiator, frame", &ask),
        ("Rekeyed of the responder, frame", &answer),
        ("ss", &secret),
        ("next c", &next),
        ("next k1", &k1),
        ("next k2", &k2),
        ("Rekeyed of the initiator, frame", &mark),
        ("Text of the initiator, frame", &said),
        ("Text of the responder, frame", &heard),
    ];
    let shows = "a re-keying behind the Confirms of handshake-2048, and the next Text of each side";
    text(&[("shows", shows), ("expect", "\"after\" and \"behind\" under the next keys")], &values)
}

/// Epochs of the two sides in the kept exchange.
const EPOCHS: [Epoch; 2] = [Epoch([0xaa; 16]), Epoch([0xbb; 16])];

/// Records of durable delivery of the kept exchange: the side, the name, the record.
fn exchange() -> Vec<(usize, &'static str, Record)> {
    let text = |seq, text: &str| Record::Text { seq, time_ms: 1_000_000_000_000, text: text.into() };
    let [one, ..] = chains();
    let (epoch, your_epoch) = (EPOCHS[0], Epoch::NONE);
    let waiting = Resume { epoch, oldest: 1, next: 4, your_epoch, last: 0, chain: Chain::START };
    let (epoch, your_epoch) = (EPOCHS[1], EPOCHS[0]);
    let chosen = Resume { epoch, oldest: 1, next: 1, your_epoch, last: 1, chain: one };
    vec![
        (0, "1 Resume of the initiator", Record::Resume(waiting)),
        (0, "2 Text of the initiator", text(1, "one")),
        (1, "3 Text of the responder", text(1, "hi")),
        (1, "4 Receipt of the responder", Record::Receipt { upto: 1 }),
        (1, "5 Resume of the responder", Record::Resume(chosen)),
        (1, "6 Kept of the responder", Record::Kept { upto: 1 }),
        (0, "7 Skip of the initiator", Record::Skip { seq: 2 }),
        (0, "8 Text of the initiator", text(3, "three")),
        (1, "9 Kept of the responder", Record::Kept { upto: 3 }),
        (1, "10 Receipt of the responder", Record::Receipt { upto: 3 }),
        (0, "11 Receipt of the initiator", Record::Receipt { upto: 1 }),
        (0, "12 Kept of the initiator", Record::Kept { upto: 0 }),
    ]
}

/// Chains behind the three messages of the initiator.
fn chains() -> [Chain; 3] {
    let one = Chain::START.next(1, hash_of(b"one"));
    let two = one.next(2, SKIPPED);
    [one, two, two.next(3, hash_of(b"three"))]
}

/// Durable delivery behind the two Confirms of the kept handshake of 2,048 bits: the responder
/// chooses the initiator in the middle.
fn durable(alice: &mut Split, bob: &mut Split) -> String {
    for (split, name) in [(&mut *alice, "alice"), (&mut *bob, "bob")] {
        let transcript = *split.transcript.as_bytes();
        record(split, &Record::Confirm(Confirm { transcript, options: REKEYING, name: name.into() }));
    }
    let mut values: Values = Vec::new();
    for (at, chain) in chains().into_iter().enumerate() {
        values.push((format!("chain behind {}", at + 1), chain.0.to_vec()));
    }
    for (side, name, one) in exchange() {
        let mut plaintext = Vec::new();
        one.write(Padding::Chat, &mut plaintext).unwrap();
        let frame = framed(if side == 0 { &mut *alice } else { &mut *bob }, &plaintext);
        values.push((format!("{name}, plaintext"), plaintext));
        values.push((format!("{name}, frame"), frame));
    }
    let shows = "durable delivery (5.7) behind the Confirms of handshake-2048, as if these had bit 0";
    let expect = "4 and 11 count for the connection, what is behind 6 and 12 for the pair";
    text(&[("shows", shows), ("expect", expect)], &borrowed(&values))
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

/// A letter of the initiator (12.2), with everything that opens it.
fn letter() -> (String, String) {
    let [writer, reader] = [[3; 32], [4; 32]].map(|seed| LetterKey::generate(&Seed::new(seed)));
    let seed = Seed::new([5; 32]);
    let secret = [0xcd; 32];
    let pair = |side| LetterPair::new(secret.into(), side);
    let (epoch, your_epoch) = (EPOCHS[0], EPOCHS[1]);
    let three = Record::Text { seq: 3, time_ms: 1_000_000_000_000, text: b"three".to_vec() };
    let body = LetterBody {
        number: 1_780_000_000_000,
        opened: 1_779_999_999_999,
        reads: 2,
        key: writer.public().as_bytes().try_into().unwrap(),
        expires_ms: 1_780_691_200_000,
        chain: chains()[0],
        resume: Resume { epoch, oldest: 2, next: 4, your_epoch, last: 3, chain: chains()[2] },
        records: vec![Record::Kept { upto: 3 }, Record::Receipt { upto: 2 }, Record::Skip { seq: 2 }, three],
    };
    let plaintext = body.write(SEALED_BYTES).unwrap();
    let letter = pair(LetterSide::Initiator).seal(&reader.public(), &plaintext, &seed);
    let opened = pair(LetterSide::Responder).open(&reader, &letter).unwrap();
    assert_eq!(LetterBody::read(&opened), Ok(body));
    let inbox = |side, number| pair(LetterSide::Initiator).inbox(side, number);
    let inboxes = [(LetterSide::Initiator, 0), (LetterSide::Initiator, 1), (LetterSide::Responder, 0)];
    let inboxes = inboxes.map(|(side, number)| inbox(side, number).to_string());
    let (reader_key, writer_key) = (reader.public(), writer.public());
    let values: [(&str, &[u8]); 10] = [
        ("pair", &secret),
        ("seed of the reader's key, of the draft", reader.secret()),
        ("the reader's key", reader_key.as_bytes()),
        ("the writer's next key", writer_key.as_bytes()),
        ("eseed of the draft", &drawn::<64>(&seed, "ekem")),
        ("inbox 0 of the initiator", inboxes[0].as_bytes()),
        ("inbox 1 of the initiator", inboxes[1].as_bytes()),
        ("inbox 0 of the responder", inboxes[2].as_bytes()),
        ("plaintext", &plaintext),
        ("letter", &letter),
    ];
    let shows = "a letter (12.2) of the initiator: a Skip, the Text \"three\", and what it has of the other";
    ("letter".to_owned(), text(&[("shows", shows), ("expect", "it opens"), TEST_KEYS], &values))
}

/// A bundle and a first letter (12.3).
fn first_letter() -> String {
    let [writer, reader] = ["alice-2048", "bob-2048"].map(identity);
    let own = LetterKey::generate(&Seed::new([4; 32]));
    let next = LetterKey::generate(&Seed::new([3; 32]));
    let (number, expires_ms) = (1_780_000_000_000, 1_780_691_200_000);
    let bundle = Bundle::sign(&reader, number, &OfferedKey { key: own.public(), expires_ms });
    let of_reader = reader.public().fingerprint();
    let checked = Bundle::read(&bundle, &of_reader, number).unwrap();
    let one = Record::Text { seq: 1, time_ms: 1_000_000_000_000, text: b"one".to_vec() };
    let (epoch, your_epoch) = (EPOCHS[0], Epoch::NONE);
    let letter = LetterBody {
        number: number + 1,
        opened: 0,
        reads: 0,
        key: next.public().as_bytes().try_into().unwrap(),
        expires_ms,
        chain: Chain::START,
        resume: Resume { epoch, oldest: 1, next: 2, your_epoch, last: 0, chain: Chain::START },
        records: vec![one],
    };
    let token = Token::new(std::array::from_fn(|at| u8::try_from(at).unwrap()));
    let body = FirstLetterBody { token, name: b"alice".to_vec(), letter };
    let content = body.write(checked.overhead(writer.public())).unwrap();
    let (letter, pair) = checked.seal(&writer, &content, &Seed::new([5; 32]));
    let name = bundle_name(&of_reader);
    let [writer_key, reader_key] = ["alice-2048", "bob-2048"].map(pkcs8);
    let values: [(&str, &[u8]); 8] = [
        ("private key of the writer, PKCS#8", &writer_key),
        ("private key of the reader, PKCS#8", &reader_key),
        ("seed of the reader's key, of the draft", own.secret()),
        ("name of the bundle", name.as_bytes()),
        ("bundle", &bundle),
        ("content", &content),
        ("first letter", &letter),
        ("pair", pair.secret()),
    ];
    let shows = "a bundle and a first letter (12.3) of alice, with the Text \"one\"";
    text(&[("shows", shows), ("expect", "both are taken"), TEST_KEYS], &values)
}

#[test]
fn the_kept_bundle_and_first_letter_are_taken_as_they_say() {
    let vector = Vector::read("first-letter");
    let [writer, reader] = ["alice-2048", "bob-2048"].map(identity);
    let of_reader = reader.public().fingerprint();
    assert_eq!(vector.bytes("name of the bundle"), bundle_name(&of_reader).as_bytes());
    let bundle = Bundle::read(vector.bytes("bundle"), &of_reader, 1_780_000_000_000).unwrap();
    let own = LetterKey::new(vector.array("seed of the reader's key, of the draft").into());
    assert_eq!(bundle.offered, OfferedKey { key: own.public(), expires_ms: 1_780_691_200_000 });
    let opened = open_first_letter(&reader, &own, vector.bytes("first letter")).unwrap();
    assert_eq!(opened.writer, *writer.public());
    assert_eq!(opened.content.as_slice(), vector.bytes("content").as_slice());
    assert_eq!(opened.pair.secret().as_slice(), vector.bytes("pair").as_slice());
    let body = FirstLetterBody::read(&opened.content).unwrap();
    assert_eq!((body.name.as_slice(), body.letter.number), (&b"alice"[..], 1_780_000_000_001));
}

fn safety() -> (String, String) {
    let (a, b) = (identity("alice-2048").public().fingerprint(), identity("bob-2048").public().fingerprint());
    let number = SafetyNumber::between(&a, &b).to_string();
    let header = [("shows", "the safety number of two keys"), ("expect", number.as_str())];
    ("safety-number".to_owned(), text(&header, &[("one", a.as_bytes()), ("other", b.as_bytes())]))
}

#[test]
fn every_vector_comes_out_again_byte_for_byte() {
    let files =
        [handshakes(), blobs(), vec![safety(), letter(), ("first-letter".to_owned(), first_letter())]]
            .concat();
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
            for (side, split) in [("initiator", &mut bob), ("responder", &mut alice)] {
                let (length, record) =
                    vector.bytes(&format!("Confirm of the {side}, frame")).split_at(LENGTH_BYTES);
                let plaintext = vector.bytes(&format!("Confirm of the {side}, plaintext"));
                assert_eq!(&opened(split, length, record).unwrap(), plaintext);
            }
        }
    }
}

#[test]
fn the_kept_exchange_of_durable_delivery_is_read_as_its_plaintexts_say() {
    let vector = Vector::read("durable");
    for (_, name, record) in exchange() {
        assert_eq!(Record::read(vector.bytes(&format!("{name}, plaintext"))), Ok(record), "{name}");
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
