//! Trust policy: whether the key of a peer is acceptable on a connection (`docs/PROTOCOL.md`,
//! section 4.6).

use super::types::{AcceptPolicy, Origin};
use crate::crypto::Fingerprint;
use crate::peers::address::Target;
use crate::peers::book::{Book, PeerEntry, Trust};

/// Reason why a key is not acceptable. `remote` is the address of the other side.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum KeyRefusal {
    KeyChanged { name: String, address: String, known: Fingerprint, now: Fingerprint },
    PinMismatch { address: String, pinned: Fingerprint, now: Fingerprint },
    WrongPeer { remote: String, name: String, wanted: Fingerprint, now: Fingerprint },
    OwnIdentity { remote: String },
    Blocked { name: String },
    UnknownKey { remote: String, fingerprint: Fingerprint },
    NotVerified { remote: String, name: String, fingerprint: Fingerprint },
}

/// Judges the key of a peer. `own` is the key of our identity, if there is one.
///
/// # Errors
/// The reason why the key is not acceptable.
pub fn judge(
    book: &Book,
    own: Option<Fingerprint>,
    origin: &Origin,
    key: Fingerprint,
) -> Result<(), KeyRefusal> {
    let (pin, accept, remembered) = match origin {
        Origin::Inbound { accept, .. } => (None, *accept, None),
        // A peer that is chosen by its key may have moved: what is remembered of the address is
        // overridden.
        Origin::Outbound { dial, .. } if matches!(dial.accept, AcceptPolicy::Key(_)) => {
            (None, dial.accept, None)
        }
        Origin::Outbound { dial, .. } => (dial.pin, dial.accept, book.by_address(&dial.target)),
    };
    let pin = if let AcceptPolicy::Pinned(pinned) = accept { Some(pinned) } else { pin };
    let known = book.by_fingerprint(&key).filter(|peer| peer.trust != Trust::Met);
    let remote = origin.to_string();
    if own == Some(key) {
        return Err(KeyRefusal::OwnIdentity { remote });
    }
    if let Some(peer) = known.filter(|peer| peer.trust.is_blocked()) {
        return Err(KeyRefusal::Blocked { name: peer.name.to_string() });
    }
    match (pin, remembered) {
        (Some(pinned), _) if pinned != key => {
            return Err(KeyRefusal::PinMismatch { address: remote, pinned, now: key });
        }
        (None, Some(peer)) if peer.fingerprint != key => {
            let (name, known) = (peer.name.to_string(), peer.fingerprint);
            return Err(KeyRefusal::KeyChanged { name, address: remote, known, now: key });
        }
        (None, None) if !matches!(accept, AcceptPolicy::Key(_)) => {
            if let (Origin::Outbound { dial, .. }, Some((peer, address))) =
                (origin, others_there(book, origin, key))
                && (dial.target.is_literal() || address.is_literal())
            {
                let (name, known) = (peer.name.to_string(), peer.fingerprint);
                return Err(KeyRefusal::KeyChanged { name, address: remote, known, now: key });
            }
        }
        _ => {}
    }
    match accept {
        AcceptPolicy::KnownOnly | AcceptPolicy::Ask | AcceptPolicy::Unattended if known.is_none() => {
            Err(KeyRefusal::UnknownKey { remote, fingerprint: key })
        }
        AcceptPolicy::Unattended => match known {
            // A peer at a remembered address has the key that is remembered for it.
            Some(peer) if peer.trust != Trust::Verified && remembered.is_none() => {
                let name = peer.name.to_string();
                Err(KeyRefusal::NotVerified { remote, name, fingerprint: key })
            }
            _ => Ok(()),
        },
        AcceptPolicy::Key(wanted) if wanted != key => {
            let peer = book.by_fingerprint(&wanted);
            if let (Origin::Outbound { dial, .. }, Some(peer)) = (origin, peer)
                && book.by_address(&dial.target) == Some(peer)
            {
                let name = peer.name.to_string();
                return Err(KeyRefusal::KeyChanged { name, address: remote, known: wanted, now: key });
            }
            let name = peer.map_or_else(|| wanted.to_string(), |peer| peer.name.to_string());
            Err(KeyRefusal::WrongPeer { remote, name, wanted, now: key })
        }
        _ => Ok(()),
    }
}

/// Peer with another key, and its address, that answered at the place where a dial by a new address
/// has led. Two names of hosts may share a place; the first literal address comes first.
fn others_there<'a>(
    book: &'a Book,
    origin: &Origin,
    key: Fingerprint,
) -> Option<(&'a PeerEntry, &'a Target)> {
    let Origin::Outbound { dial, to: Some(to) } = origin else { return None };
    let place = Target::from(*to);
    if book.by_address(&dial.target).is_some()
        || book.at_place(&place).any(|(peer, _)| peer.fingerprint == key)
    {
        return None;
    }
    book.at_place(&place).min_by_key(|(_, address)| !address.is_literal())
}

/// Peer with another key that answered at the same place by the name of another host, for a peer
/// that is not known there yet. Nothing is refused for that: hosts share addresses.
pub(crate) fn neighbour<'a>(
    book: &'a Book,
    origin: &Origin,
    key: Fingerprint,
) -> Option<(&'a PeerEntry, &'a Target)> {
    let Origin::Outbound { dial, .. } = origin else { return None };
    let is_named =
        dial.pin.is_some() || matches!(dial.accept, AcceptPolicy::Key(_) | AcceptPolicy::Pinned(_));
    if is_named { None } else { others_there(book, origin, key) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::types::DialOptions;
    use crate::peers::book::Change;
    use crate::peers::name::Name;

    fn key(text: &str) -> Fingerprint {
        Fingerprint::of(text.as_bytes())
    }

    fn book() -> Book {
        let mut book = Book::new();
        for name in ["ann", "bob", "eve"] {
            let (fingerprint, address) = (key(name), format!("{name}.example").parse().ok());
            let name = Name::parse(name).unwrap();
            let _ = book.apply(&Change::Meet { fingerprint, name, address });
        }
        let _ = book.apply(&Change::Verify { fingerprint: key("ann") });
        let _ = book.apply(&Change::Block { fingerprint: key("eve") });
        book
    }

    fn dialled(target: &str, pin: Option<&str>, accept: AcceptPolicy) -> Origin {
        let dial = DialOptions { pin: pin.map(key), ..DialOptions::new(target.parse().unwrap(), accept) };
        Origin::Outbound { dial, to: "192.0.2.99:1".parse().ok() }
    }

    fn called(accept: AcceptPolicy) -> Origin {
        Origin::Inbound { from: "127.0.0.1:4711".parse().unwrap(), accept }
    }

    fn check(origin: &Origin, met: &str, expected: &Result<(), KeyRefusal>) {
        assert_eq!(&judge(&book(), Some(key("us")), origin, key(met)), expected, "{origin:?} {met}");
    }

    #[test]
    fn own_and_blocked_keys_are_refused_whatever_else_is_asked() {
        for accept in [AcceptPolicy::Anyone, AcceptPolicy::Pinned(key("eve")), AcceptPolicy::Key(key("eve"))]
        {
            for origin in [called(accept), dialled("eve.example", Some("eve"), accept)] {
                let remote = origin.to_string();
                check(&origin, "us", &Err(KeyRefusal::OwnIdentity { remote }));
                check(&origin, "eve", &Err(KeyRefusal::Blocked { name: "eve".to_owned() }));
            }
        }
    }

    #[test]
    fn the_key_at_a_remembered_address_may_not_change_unless_another_is_named() {
        let changed = KeyRefusal::KeyChanged {
            name: "ann".to_owned(),
            address: "ann.example:8000".to_owned(),
            known: key("ann"),
            now: key("new"),
        };
        check(&dialled("ann.example", None, AcceptPolicy::Anyone), "ann", &Ok(()));
        check(&dialled("ann.example", None, AcceptPolicy::Anyone), "new", &Err(changed.clone()));
        check(&dialled("ann.example", Some("new"), AcceptPolicy::Anyone), "new", &Ok(()));
        check(&dialled("ann.example", None, AcceptPolicy::Pinned(key("new"))), "new", &Ok(()));
        check(&dialled("ann.example", None, AcceptPolicy::Key(key("bob"))), "bob", &Ok(()));
        check(&dialled("ann.example", None, AcceptPolicy::Key(key("ann"))), "new", &Err(changed));
        check(&called(AcceptPolicy::Anyone), "new", &Ok(()));
    }

    #[test]
    fn another_key_where_a_name_of_a_host_has_led_is_changed_unless_both_are_names() {
        let mut book = book();
        let (fingerprint, address) = (key("bob"), "bob.example".parse::<Target>().unwrap());
        let to = "192.0.2.1:8000".parse().unwrap();
        let _ = book.apply(&Change::Resolve { fingerprint, address, to });
        let (fingerprint, name) = (key("ann"), Name::parse("ann").unwrap());
        let _ = book.apply(&Change::Meet { fingerprint, name, address: "192.0.2.2:8000".parse().ok() });
        let book = Book::parse(&book.to_string()).unwrap();
        let led = |target: &str, pin, accept, to: &str| match dialled(target, pin, accept) {
            Origin::Outbound { dial, .. } => Origin::Outbound { dial, to: to.parse().ok() },
            called @ Origin::Inbound { .. } => called,
        };
        let judged = |origin: &Origin, met: &str| match judge(&book, None, origin, key(met)) {
            Ok(()) => neighbour(&book, origin, key(met))
                .map_or("taken".to_owned(), |(peer, _)| format!("beside {}", peer.name)),
            Err(KeyRefusal::KeyChanged { name, .. }) => format!("not {name}"),
            Err(other) => format!("{other:?}"),
        };
        let anyone = AcceptPolicy::Anyone;
        for (target, to, met, expected) in [
            ("192.0.2.1", "192.0.2.1:8000", "new", "not bob"),
            ("192.0.2.1", "192.0.2.1:8000", "bob", "taken"),
            ("192.0.2.1:9", "192.0.2.1:9", "new", "taken"),
            ("other.example", "192.0.2.1:8000", "new", "beside bob"),
            ("other.example", "[::ffff:192.0.2.1]:8000", "new", "beside bob"),
            ("other.example", "192.0.2.1:8000", "bob", "taken"),
            ("other.example", "192.0.2.2:8000", "new", "not ann"),
            ("other.example", "192.0.2.3:8000", "new", "taken"),
            ("bob.example", "192.0.2.2:8000", "bob", "taken"),
        ] {
            assert_eq!(judged(&led(target, None, anyone, to), met), expected, "{target} {to} {met}");
        }
        // Who names a key means that one.
        let there = "192.0.2.1:8000";
        for origin in [
            led("192.0.2.1", Some("new"), anyone, there),
            led("192.0.2.1", None, AcceptPolicy::Pinned(key("new")), there),
            led("192.0.2.1", None, AcceptPolicy::Key(key("new")), there),
        ] {
            assert_eq!(judged(&origin, "new"), "taken", "{origin:?}");
        }
    }

    #[test]
    fn a_command_that_nobody_watches_takes_the_verified_and_those_found_where_they_were_dialled() {
        let not_verified = |remote: &str| KeyRefusal::NotVerified {
            remote: remote.to_owned(),
            name: "bob".to_owned(),
            fingerprint: key("bob"),
        };
        let policy = AcceptPolicy::Unattended;
        check(&called(policy), "ann", &Ok(()));
        check(&called(policy), "bob", &Err(not_verified("127.0.0.1:4711")));
        check(&dialled("bob.example", None, policy), "bob", &Ok(()));
        check(&dialled("BOB.example.", None, policy), "bob", &Ok(()));
        check(&dialled("elsewhere", None, policy), "bob", &Err(not_verified("elsewhere:8000")));
        check(&dialled("elsewhere", None, policy), "ann", &Ok(()));
        let (remote, fingerprint) = ("elsewhere:8000".to_owned(), key("new"));
        let unknown = KeyRefusal::UnknownKey { remote, fingerprint };
        check(&dialled("elsewhere", None, policy), "new", &Err(unknown));
    }

    #[test]
    fn a_pin_a_name_and_the_book_each_keep_others_out() {
        let mismatch = |address: &str| KeyRefusal::PinMismatch {
            address: address.to_owned(),
            pinned: key("ann"),
            now: key("bob"),
        };
        check(&dialled("h", Some("ann"), AcceptPolicy::KnownOnly), "bob", &Err(mismatch("h:8000")));
        check(&called(AcceptPolicy::Pinned(key("ann"))), "bob", &Err(mismatch("127.0.0.1:4711")));
        let wrong = |name: &str, wanted: &str| KeyRefusal::WrongPeer {
            remote: "127.0.0.1:4711".to_owned(),
            name: name.to_owned(),
            wanted: key(wanted),
            now: key("bob"),
        };
        check(&called(AcceptPolicy::Key(key("ann"))), "bob", &Err(wrong("ann", "ann")));
        check(&called(AcceptPolicy::Key(key("new"))), "bob", &Err(wrong(&key("new").to_string(), "new")));
        let (remote, fingerprint) = ("127.0.0.1:4711".to_owned(), key("new"));
        check(&called(AcceptPolicy::KnownOnly), "new", &Err(KeyRefusal::UnknownKey { remote, fingerprint }));
        check(&called(AcceptPolicy::KnownOnly), "bob", &Ok(()));
    }
}
