//! Tests of the peer book: reading, changes, writing back.

use proptest::prelude::*;

use super::{Book, Change, ChangeOutcome, EntryError, FORMAT, PeerEntry, Trust};
use crate::crypto::Fingerprint;
use crate::peers::address::Target;
use crate::peers::name::Name;

fn key(number: u64) -> Fingerprint {
    Fingerprint::of(&number.to_be_bytes())
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn address(text: &str) -> Target {
    text.parse().unwrap()
}

fn meet(number: u64, called: &str, at: Option<&str>) -> Change {
    Change::Meet { fingerprint: key(number), name: name(called), address: at.map(address) }
}

fn damage(text: &str) -> Vec<(usize, EntryError)> {
    Book::parse(text).unwrap_err().lines.into_iter().map(|bad| (bad.number, bad.error)).collect()
}

#[test]
fn a_book_edited_by_hand_is_kept_as_it_is() {
    let text = format!(
        "\u{23} friends\r\n\r\n  bob\t{}  verified HOST:9,::1 # work\r\n\nann {} blocked\n# last\n",
        key(1),
        key(2)
    );
    let mut book = Book::parse(&text).unwrap();
    assert_eq!(book.to_string(), text);
    assert_eq!(book.by_name(&name("BOB")).unwrap().addresses, [address("host:9"), address("[::1]:8000")]);
    assert_eq!(book.by_address(&address("Host:9")).unwrap().fingerprint, key(1));

    assert_eq!(book.apply(&meet(3, "cy", None)), ChangeOutcome::Changed);
    let blocked = Change::Block { fingerprint: key(1) };
    assert_eq!(book.apply(&blocked), ChangeOutcome::Changed);
    assert_eq!(book.apply(&blocked), ChangeOutcome::Same);
    let expected = format!(
        "# rsachat peer book 2\n# friends\r\n\r\nbob {} blocked-verified host:9,[::1]:8000 # work\r\n\nann {} blocked\n# last\ncy {} unverified\n",
        key(1),
        key(2),
        key(3)
    );
    assert_eq!(book.to_string(), expected);
}

#[test]
fn every_bad_line_is_named_with_its_reason() {
    let (one, two) = (key(1), key(2));
    let text = format!(
        "bob {one} verified a\nbob\n2 {one} verified\nann SHA256:abc verified\ncy {two} trusted\ndi {two} verified a:b\n\
         ed {one} verified\nBOB {two} verified\nflo {two} verified b,A\ngus {two} verified a b\n"
    );
    let faults = damage(&text);
    assert_eq!(faults.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(faults[0].1, EntryError::Short);
    assert_eq!(faults[3].1, EntryError::Trust);
    assert_eq!(faults[5].1, EntryError::KeyTwice { first: 1 });
    assert_eq!(faults[6].1, EntryError::NameTwice { first: 1 });
    assert_eq!(faults[7].1, EntryError::AddressTwice { first: 1 });
    assert_eq!(faults[8].1, EntryError::Long);
    let sentence = Book::parse(&text).unwrap_err().to_string();
    assert!(sentence.starts_with("line 2: too few fields"), "{sentence}");
    assert!(sentence.ends_with("and 6 more bad lines"), "{sentence}");
}

#[test]
fn a_taken_name_gets_a_suffix() {
    let mut book = Book::new();
    for number in 0..4 {
        assert_eq!(book.apply(&meet(number, "Bob", None)), ChangeOutcome::Changed);
    }
    let names: Vec<_> = book.peers().map(|peer| peer.name.to_string()).collect();
    assert_eq!(names, ["Bob", "Bob~2", "Bob~3", "Bob~4"]);
    assert_eq!(book.apply(&meet(2, "Carol", None)), ChangeOutcome::Same);
    let rename = |number, text| Change::Rename { fingerprint: key(number), name: name(text) };
    assert_eq!(book.apply(&rename(2, "BOB")), ChangeOutcome::Changed);
    assert_eq!(book.by_fingerprint(&key(2)).unwrap().name.as_str(), "BOB~3");
    assert_eq!(book.apply(&rename(0, "bob")), ChangeOutcome::Changed);
}

#[test]
fn an_address_belongs_to_one_peer() {
    let mut book = Book::new();
    let _ = book.apply(&meet(1, "bob", Some("host:9")));
    let _ = book.apply(&meet(2, "ann", Some("HOST:9")));
    assert!(book.by_fingerprint(&key(1)).unwrap().addresses.is_empty());
    assert_eq!(book.by_address(&address("host:9")).unwrap().fingerprint, key(2));
    let moves = |number| Change::Address { fingerprint: key(number), address: address("host:9") };
    assert_eq!(book.apply(&moves(1)), ChangeOutcome::Changed);
    assert_eq!(book.by_address(&address("host:9")).unwrap().fingerprint, key(1));
    assert_eq!(book.apply(&moves(7)), ChangeOutcome::Unknown);
    assert_eq!(book.by_address(&address("host:9")).unwrap().fingerprint, key(1));
}

#[test]
fn a_forgotten_peer_leaves_the_comments() {
    let mut book = Book::new();
    let empty = book.to_string();
    let _ = book.apply(&meet(1, "bob", None));
    assert_eq!(book.apply(&Change::Forget { fingerprint: key(1) }), ChangeOutcome::Changed);
    assert_eq!(book.apply(&Change::Forget { fingerprint: key(1) }), ChangeOutcome::Same);
    assert_eq!(book.to_string(), empty);
    assert!(empty.lines().all(|line| line.starts_with('#')));
}

#[test]
fn a_blocked_key_is_changed_by_the_end_of_the_block_alone_which_gives_back_the_trust_before() {
    for trust in [Trust::Unverified, Trust::Verified] {
        let mut book = Book::parse(&format!("bob {} {} h:1\n", key(1), trust.word())).unwrap();
        let fingerprint = key(1);
        assert_eq!(book.apply(&Change::Block { fingerprint }), ChangeOutcome::Changed);
        let blocked = book.to_string();
        for change in [
            meet(1, "rob", Some("h:2")),
            Change::Verify { fingerprint },
            Change::Forget { fingerprint },
            Change::Address { fingerprint, address: address("h:3") },
            Change::Rename { fingerprint, name: name("rob") },
            Change::Rekey { fingerprint, new: key(9) },
        ] {
            assert_eq!(book.apply(&change), ChangeOutcome::Blocked, "{change:?}");
        }
        assert_eq!(book.apply(&Change::Block { fingerprint }), ChangeOutcome::Same);
        assert_eq!(book.to_string(), blocked);
        let mut book = Book::parse(&blocked).unwrap();
        assert_eq!(book.apply(&Change::Unblock { fingerprint }), ChangeOutcome::Changed);
        assert_eq!(book.by_fingerprint(&fingerprint).unwrap().trust, trust);
    }
}

#[test]
fn changes_that_belong_together_are_written_whole_or_not_at_all() {
    let text = format!("bob {} verified h:1,h:2\neve {} blocked\n", key(1), key(2));
    let mut book = Book::parse(&text).unwrap();
    let forget = |number| Change::Forget { fingerprint: key(number) };
    assert_eq!(book.apply_all(&[forget(1), forget(2)]), ChangeOutcome::Blocked);
    assert_eq!(book.apply_all(&[forget(1), Change::Verify { fingerprint: key(7) }]), ChangeOutcome::Unknown);
    assert_eq!(book.to_string(), text);
    assert_eq!(book.apply_all(&[Change::Rekey { fingerprint: key(1), new: key(2) }]), ChangeOutcome::Blocked);
    let rekey = Change::Rekey { fingerprint: key(1), new: key(3) };
    assert_eq!(book.apply_all(&[rekey]), ChangeOutcome::Changed);
    let rows = format!("bob {} unverified h:1,h:2\neve {} blocked\n", key(3), key(2));
    assert_eq!(book.to_string(), format!("{FORMAT}\n{rows}"));
}

#[test]
fn a_last_line_without_its_end_is_damage() {
    let whole = format!("bob {} verified h:1\nann {} blocked", key(1), key(2));
    assert_eq!(damage(&whole), [(2, EntryError::Unended)]);
    assert!(Book::parse(&format!("{whole}\n")).is_ok());
    // Whatever was cut off: no part of a peer's line is read as a peer.
    let first = whole.find('\n').unwrap() + 1;
    for length in first + 1..whole.len() {
        assert!(Book::parse(&whole[..length]).is_err(), "{length}");
    }
    assert_eq!(damage("# rsachat pee"), [(1, EntryError::Unended)]);
}

#[test]
fn a_claim_stands_in_the_comment_of_its_line_and_is_nobody_elses_name() {
    let mut book = Book::parse(&format!(
        "밥 {} verified host:9 # work\nann {} unverified # claims she left\n",
        key(1),
        key(2)
    ))
    .unwrap();
    assert_eq!(book.by_name(&name("ann")).unwrap().claim, None, "a sentence of the user");
    let claim = |text: &str| Change::Claim { fingerprint: key(1), claim: name(text) };
    for text in ["robert", "bob"] {
        assert_eq!(book.apply(&claim(text)), ChangeOutcome::Changed);
    }
    assert_eq!(book.apply(&claim("bob")), ChangeOutcome::Same);
    let line = format!("밥 {} verified host:9 # claims bob # work\n", key(1));
    assert!(book.to_string().contains(&line), "{book}");
    let mut book = Book::parse(&book.to_string()).unwrap();
    assert_eq!(book.free_name(&name("bob"), &key(3)), name("bob").with_number(2));
    assert_eq!((book.by_name(&name("bob")), book.free_name(&name("bob"), &key(1))), (None, name("bob")));
    assert_eq!(book.apply(&claim("밥")), ChangeOutcome::Changed);
    assert!(book.to_string().contains(&format!("밥 {} verified host:9 # work\n", key(1))), "{book}");
    // Who was dialled had the name that it gave itself; who was added may never have had it.
    for (number, claimed) in [(1, Some(name("밥"))), (2, None)] {
        let rename = Change::Rename { fingerprint: key(number), name: name("dave") };
        assert_eq!(book.apply(&rename), ChangeOutcome::Changed);
        assert_eq!(book.by_fingerprint(&key(number)).unwrap().claim, claimed);
    }
}

fn change() -> impl Strategy<Value = Change> {
    let names = prop::sample::select(vec!["bob", "Bob", "bob-2", "김", "ann"]);
    let hosts = prop::sample::select(vec!["a", "b:1", "::1", "1.2.3.4:9"]);
    (0..5u64, 0..9, names, hosts).prop_map(|(number, kind, called, host)| {
        let fingerprint = key(number);
        match kind {
            0 => meet(number, called, Some(host)),
            1 => Change::Verify { fingerprint },
            4 => Change::Block { fingerprint },
            5 => Change::Unblock { fingerprint },
            6 => Change::Rekey { fingerprint, new: key(number + 1) },
            2 => Change::Forget { fingerprint },
            3 => Change::Address { fingerprint, address: address(host) },
            7 => Change::Claim { fingerprint, claim: name(called) },
            _ => Change::Rename { fingerprint, name: name(called) },
        }
    })
}

#[test]
fn a_place_is_a_comment_to_older_programs_and_goes_with_its_peer() {
    let mut book = Book::new();
    let (fingerprint, name) = (Fingerprint::of(b"bob"), Name::parse("bob").unwrap());
    let address: Target = "bob.example".parse().unwrap();
    let resolve =
        |to: &str| Change::Resolve { fingerprint, address: address.clone(), to: to.parse().unwrap() };
    assert_eq!(book.apply(&resolve("192.0.2.1")), ChangeOutcome::Unknown);
    let _ = book.apply(&Change::Meet { fingerprint, name, address: Some(address.clone()) });
    for (to, outcome) in [
        ("192.0.2.1", ChangeOutcome::Changed),
        ("192.0.2.1", ChangeOutcome::Same),
        ("192.0.2.2", ChangeOutcome::Changed),
    ] {
        assert_eq!(book.apply(&resolve(to)), outcome);
        let text = book.to_string();
        let rows: Vec<_> = text.lines().filter(|row| row.contains("led to")).collect();
        assert_eq!(rows, [format!("# bob.example:8000 led to {to}:8000")]);
        let read = Book::parse(&text).unwrap();
        assert_eq!(read, book);
        let place = format!("{to}:8000").parse().unwrap();
        assert!(read.at_place(&place).map(|(peer, at)| (peer.fingerprint, at)).eq([(fingerprint, &address)]));
    }
    assert_eq!(book.at_place(&"192.0.2.1:8000".parse().unwrap()).count(), 0);
    let _ = book.apply(&Change::Forget { fingerprint });
    assert!(!book.to_string().contains("led to"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_parses_prints_the_same_bytes(text in "([a-c]|#| |\t|\r?\n|김|verified){0,40}", number in 0..3u64) {
        let text = format!("{text}\nbob {} verified x # {text}\n", key(number)).replace("김\n", "\n");
        if let Ok(book) = Book::parse(&text) {
            prop_assert_eq!(book.to_string(), text);
        }
    }

    #[test]
    fn a_changed_book_reads_back_as_it_is(changes in prop::collection::vec(change(), 0..30)) {
        let mut book = Book::new();
        for change in &changes {
            let before = book.clone();
            prop_assert_eq!(book.apply(change) == ChangeOutcome::Changed, book != before);
        }
        let read = Book::parse(&book.to_string()).unwrap();
        prop_assert_eq!(read.peers().cloned().collect::<Vec<PeerEntry>>(), book.peers().cloned().collect::<Vec<PeerEntry>>());
        for peer in book.peers() {
            prop_assert_eq!(book.by_fingerprint(&peer.fingerprint), Some(peer));
            prop_assert_eq!(book.by_name(&peer.name), Some(peer));
        }
        for called in ["bob", "Bob", "bob-2", "b0b", "김", "ann", "dave"].map(name) {
            let is_alike =
                |peer: &&PeerEntry| peer.name.looks_like(&called) || peer.claimed().looks_like(&called);
            let alike = book.peers().filter(is_alike);
            prop_assert!(book.lookalikes(&called).eq(alike), "{}", called);
        }
        prop_assert_eq!(book.index.by_key.len(), book.peers().count());
        prop_assert_eq!(read, book);
    }
}
