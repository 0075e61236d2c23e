//! Peer book, those who called, names, addresses, invitations: what is written is read again.

use std::net::IpAddr;

use super::Choices;
use crate::crypto::Fingerprint;
use crate::limits::{MET_PEERS, NAME_CHARS};
use crate::peers::address::{ListenAt, Target};
use crate::peers::book::{Book, Change, ChangeOutcome, PeerEntry};
use crate::peers::invitation::Invitation;
use crate::peers::met::{MetChange, MetPeer, MetPeers};
use crate::peers::name::Name;
use crate::text::safe::SafeText;
use crate::time::UnixMs;

/// Most changes of one book.
const CHANGES: usize = 64;

pub fn peers(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(3) {
        0 => edited(&String::from_utf8_lossy(choices.rest())),
        1 => changed(&mut choices),
        _ => named(&mut choices),
    }
}

/// A book as a user has edited it: it prints as it was read, also after a change.
fn edited(text: &str) {
    let met = MetPeers::parse(text);
    assert_eq!(MetPeers::parse(&met.to_string()), met);
    let Ok(mut book) = Book::parse(text) else { return };
    // Of several rows about the place of one name only the last stays.
    if !text.contains("led to") {
        assert_eq!(book.to_string(), text);
    }
    for fingerprint in book.peers().map(|peer| peer.fingerprint).collect::<Vec<_>>() {
        for change in [
            Change::Block { fingerprint },
            Change::Unblock { fingerprint },
            Change::Rename { fingerprint, name: Name::parse("carol").unwrap() },
            Change::Address { fingerprint, address: "carol.example".parse().unwrap() },
        ] {
            let _ = book.apply(&change);
            is_read_again(&book);
        }
    }
}

fn is_read_again(book: &Book) {
    let read = Book::parse(&book.to_string()).unwrap_or_else(|damage| panic!("{damage}\n{book}"));
    assert!(read.peers().eq(book.peers()), "\n{read}\n{book}");
    assert_eq!(&read, book);
    for peer in book.peers() {
        assert_eq!(book.by_fingerprint(&peer.fingerprint), Some(peer));
        assert_eq!(book.by_name(&peer.name), Some(peer));
    }
}

fn key(choices: &mut Choices<'_>) -> Fingerprint {
    Fingerprint::of(&[choices.byte() % 8])
}

fn name(choices: &mut Choices<'_>) -> Name {
    match choices.below(4) {
        0 => Name::claimed(choices.piece()),
        1 => Name::claimed(choices.piece()).with_number(1 + u64::from(choices.byte())),
        2 => Name::of_key(key(choices).as_bytes()),
        _ => Name::parse(choices.one_of(&["bob", "Bob", "b\u{43e}b", "bob-2", "김", "ann"])).unwrap(),
    }
}

fn address(choices: &mut Choices<'_>) -> Target {
    let known = choices.one_of(&["a", "b:1", "::1", "1.2.3.4:9", ""]);
    let read = known.parse().or_else(|_| choices.word().parse());
    read.unwrap_or_else(|_| "a".parse().unwrap())
}

/// A book after many changes.
fn changed(choices: &mut Choices<'_>) {
    let (mut book, mut met) = (Book::new(), MetPeers::default());
    for _ in 0..CHANGES {
        if choices.is_empty() {
            break;
        }
        let fingerprint = key(choices);
        let change = match choices.below(13) {
            0 => Change::Meet { fingerprint, name: name(choices), address: None },
            1 => Change::Meet { fingerprint, name: name(choices), address: Some(address(choices)) },
            2 => Change::Verify { fingerprint },
            3 => Change::Block { fingerprint },
            4 => Change::Unblock { fingerprint },
            5 => Change::Forget { fingerprint },
            6 => Change::Address { fingerprint, address: address(choices) },
            7 => Change::Resolve {
                fingerprint,
                address: address(choices),
                to: choices.one_of(&["192.0.2.1", "::1"]).parse().unwrap(),
            },
            8 => Change::Rename { fingerprint, name: name(choices) },
            9 => Change::Claim { fingerprint, claim: name(choices) },
            10 => Change::TryAt { fingerprint, address: address(choices) },
            11 => Change::Rekey { fingerprint, new: key(choices) },
            _ => {
                met_changed(&mut met, fingerprint, choices);
                continue;
            }
        };
        let before = book.clone();
        let outcome = book.apply(&change);
        assert_eq!(outcome == ChangeOutcome::Changed, book != before, "{change:?}\n{before}\n{book}");
        is_read_again(&book);
        for peer in book.peers() {
            assert!(peer.addresses.iter().all(|address| book.by_address(address) == Some(peer)), "{peer:?}");
        }
    }
    let alike = |name: &Name, peer: &PeerEntry| peer.name.looks_like(name) || peer.claimed().looks_like(name);
    for entry in book.peers() {
        assert!(book.lookalikes(&entry.name).eq(book.peers().filter(|peer| alike(&entry.name, peer))));
    }
}

fn met_changed(met: &mut MetPeers, fingerprint: Fingerprint, choices: &mut Choices<'_>) {
    let source = choices.one_of(&[[127, 0, 0, 1], [192, 0, 2, 7], [192, 0, 2, 8]]);
    let claimed = Name::claimed(choices.piece());
    let peer = MetPeer { fingerprint, seen: UnixMs(choices.number()), source: IpAddr::from(source), claimed };
    met.apply(&MetChange::Called { peer, connected: Vec::new() });
    assert!(met.peers().count() <= MET_PEERS);
    assert_eq!(MetPeers::parse(&met.to_string()), *met);
}

/// Names, addresses and invitations: a text that is one is read again as it is shown.
fn named(choices: &mut Choices<'_>) {
    let (one, other) = (choices.piece(), choices.piece());
    let number = choices.number();
    let claims = [one, other].map(Name::claimed);
    for claim in &claims {
        assert_eq!(Name::parse(claim.as_str()).as_ref(), Ok(claim));
        assert_eq!(Name::claimed(claim.as_str().as_bytes()), *claim);
        assert_eq!(SafeText::line(claim.as_str()).as_str(), claim.as_str());
        assert!(claim.as_str().chars().count() <= NAME_CHARS);
        for given in [claim.with_number(number.max(1)), claim.first_free(|name| name == claim)] {
            assert_eq!(Name::parse_local(given.as_str()).as_ref(), Ok(&given));
            assert!(Name::parse(given.as_str()).is_err() && given.stem().same_as(&claim.stem()), "{given}");
        }
        assert!(claim.same_as(claim) && claim.looks_like(claim));
    }
    let [one_name, other_name] = &claims;
    assert_eq!(one_name.looks_like(other_name), other_name.looks_like(one_name));
    assert!(!one_name.same_as(other_name) || one_name.looks_like(other_name));
    for text in [one, other].map(String::from_utf8_lossy) {
        if let Ok(name) = Name::parse_local(&text) {
            assert_eq!(Name::parse_local(name.as_str()).as_ref(), Ok(&name));
        }
        if let Ok(target) = text.parse::<Target>() {
            assert_eq!(target.to_string().parse().as_ref(), Ok(&target), "{text:?}");
        }
        if let Ok(invitation) = text.parse::<Invitation>() {
            assert_eq!(invitation.to_string().parse().as_ref(), Ok(&invitation), "{text:?}");
        }
        if let Ok(at) = text.parse::<ListenAt>() {
            assert_eq!(at.to_string().parse().as_ref(), Ok(&at), "{text:?}");
        }
        if let Ok(fingerprint) = text.parse::<Fingerprint>() {
            assert_eq!(fingerprint.to_string().parse().as_ref(), Ok(&fingerprint));
        }
    }
}
