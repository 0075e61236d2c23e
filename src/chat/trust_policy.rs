//! Trust policy: whether the key of a peer is acceptable on a connection (`docs/PROTOCOL.md`,
//! section 4.6).

use super::types::{AcceptPolicy, Origin};
use crate::crypto::Fingerprint;
use crate::peers::book::{Book, Trust};

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
        Origin::Outbound(dial) if matches!(dial.accept, AcceptPolicy::Key(_)) => (None, dial.accept, None),
        Origin::Outbound(dial) => (dial.pin, dial.accept, book.by_address(&dial.target)),
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
        _ => {}
    }
    match accept {
        AcceptPolicy::KnownOnly | AcceptPolicy::Unattended if known.is_none() => {
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
            let name = peer.map_or_else(|| wanted.to_string(), |peer| peer.name.to_string());
            Err(KeyRefusal::WrongPeer { remote, name, wanted, now: key })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::types::{DialOptions, Protocol};
    use crate::peers::address::Family;
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
        let (target, family, protocol) = (target.parse().unwrap(), Family::Any, Protocol::Native);
        Origin::Outbound(DialOptions { target, family, pin: pin.map(key), accept, protocol })
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
        check(&dialled("ann.example", None, AcceptPolicy::Anyone), "new", &Err(changed));
        check(&dialled("ann.example", Some("new"), AcceptPolicy::Anyone), "new", &Ok(()));
        check(&dialled("ann.example", None, AcceptPolicy::Pinned(key("new"))), "new", &Ok(()));
        check(&dialled("ann.example", None, AcceptPolicy::Key(key("bob"))), "bob", &Ok(()));
        check(&called(AcceptPolicy::Anyone), "new", &Ok(()));
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
