//! Callee of a call as it is written: a peer of the book by its name, or a host.

use std::str::FromStr;

use super::types::{AcceptPolicy, DialOptions, Protocol};
use super::ways::{ViaRule, with_way};
use crate::crypto::Fingerprint;
use crate::limits::PORT_DEFAULT;
use crate::peers::address::{AddressError, Family, Target};
use crate::peers::book::{Book, PeerEntry, Trust};
use crate::peers::invitation::{Invitation, InvitationError};
use crate::peers::name::Name;
use crate::peers::via::Via;
use crate::text::safe::SafeText;
use crate::text::suggest::nearest;
use crate::wire::Introduction;

/// Whom a command calls, as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Callee {
    /// Whoever answers at an address: it was written with a dot or a colon.
    Address(Target),
    /// A name in the book if it is one, or a fingerprint; else a host.
    Word(String),
    /// Who made an invitation.
    Invitation(Box<Invitation>),
}

/// Options of a call before its callee was looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallOptions {
    /// Whom to call.
    pub callee: Callee,
    /// The way to it, where one is named.
    pub via: Option<Box<Via>>,
    /// The address family.
    pub family: Family,
    /// Key that `:connect --pin` names: it is accepted and marked verified.
    pub pin: Option<Fingerprint>,
    /// Peers that are accepted at an address; by its name only the peer itself is.
    pub accept: AcceptPolicy,
    /// The protocol.
    pub protocol: Protocol,
    /// Line for the person at a listener that does not know our key.
    pub knock: Option<String>,
}

/// Reason why nobody can be called.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CalleeError {
    /// The peer is blocked.
    #[error("{name} is blocked")]
    Blocked {
        /// Its name.
        name: Name,
    },
    /// The peer was never dialled.
    #[error("no address is known for {name}; write HOST:PORT, or {name}:{PORT_DEFAULT} for a host")]
    NoAddress {
        /// Its name.
        name: Name,
        /// Its key.
        key: Fingerprint,
    },
    /// The word is neither the name of a peer nor a host.
    #[error("{}", nobody_called(.word, .nearest.as_ref()))]
    Nobody {
        /// The word.
        word: String,
        /// A name of the book that looks like it.
        nearest: Option<String>,
    },
    /// No peer of the book has the key, or the word is no whole fingerprint.
    #[error("{}", nobody(.key))]
    NobodyWithKey {
        /// The word.
        key: String,
    },
    /// An ill-formed address.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// An ill-formed invitation.
    #[error("{0}")]
    Invitation(#[from] InvitationError),
    /// An invitation, where no key is proved.
    #[error("an invitation is not for the raw wire, which proves no keys; leave out --wire oaep")]
    RawInvitation,
    /// An invitation names another key than the one that is asked for.
    #[error("the invitation names the key {named}, but {asked} was asked for; nobody was called")]
    InvitationOfAnother {
        /// The key in the invitation.
        named: Fingerprint,
        /// The key that is asked for.
        asked: Fingerprint,
    },
    /// The name of an onion service, without a way to it.
    #[error(
        "{target} is an onion service, which only Tor reaches; add --via socks5h://127.0.0.1:9050, the address of yours"
    )]
    Onion {
        /// The address.
        target: Target,
    },
    /// A name where no key is proved.
    #[error("the raw wire proves no keys, so {name} cannot be called by name on it; write HOST:PORT")]
    RawWire {
        /// The name.
        name: Name,
    },
    /// The peer of the name has not the key that is asked for.
    #[error("{name} has the key {known}, but {asked} was asked for; nobody was called")]
    OtherKey {
        /// The name.
        name: Name,
        /// The key in the book.
        known: Fingerprint,
        /// The key that is asked for.
        asked: Fingerprint,
    },
}

impl FromStr for Callee {
    type Err = CalleeError;

    fn from_str(text: &str) -> Result<Self, CalleeError> {
        if Invitation::is_meant_by(text) {
            return Ok(Self::Invitation(Box::new(text.parse()?)));
        }
        let is_port = text.bytes().all(|byte| byte.is_ascii_digit());
        // No name has a dot or a colon.
        if Fingerprint::is_meant_by(text) {
            Ok(Self::Word(text.to_owned()))
        } else if is_port || text.contains([':', '.']) {
            Ok(Self::Address(text.parse()?))
        } else {
            Ok(Self::Word(text.to_owned()))
        }
    }
}

impl CallOptions {
    /// Options of a call with an invitation.
    pub(crate) fn of_invitation(invitation: Invitation) -> Self {
        let (callee, family) = (Callee::Invitation(Box::new(invitation)), Family::Any);
        let (accept, protocol) = (AcceptPolicy::Anyone, Protocol::Native);
        Self { callee, via: None, family, pin: None, accept, protocol, knock: None }
    }

    /// Looks the callee up. A word is the name of a peer that was chosen and has an address (whose,
    /// `key_of` says); else a host, if it is `localhost`. By name only the peer's key
    /// is accepted, at each of its addresses, the last good one first. `rules` are those of the
    /// setting `via`.
    ///
    /// # Errors
    /// [`CalleeError`], in words that say what to write instead.
    pub(crate) fn resolve(
        &self,
        book: &Book,
        rules: &[ViaRule],
        key_of: impl Fn(&Name) -> Option<Fingerprint>,
    ) -> Result<DialOptions, CalleeError> {
        let word = match &self.callee {
            Callee::Address(target) => return self.at(target, book, rules),
            Callee::Invitation(invitation) => return self.invited(invitation, book, rules),
            Callee::Word(word) => word,
        };
        let given = word.parse::<Fingerprint>();
        let key = given.ok().or_else(|| Name::parse_local(word).ok().and_then(|name| key_of(&name)));
        let peer = key.and_then(|key| book.by_fingerprint(&key)).filter(|peer| peer.trust != Trust::Met);
        match peer {
            Some(peer) if peer.trust.is_blocked() => Err(CalleeError::Blocked { name: peer.name.clone() }),
            Some(peer) if peer.targets().next().is_some() => self.by_name(peer, rules),
            _ if word.eq_ignore_ascii_case("localhost") => self.at(&word.parse()?, book, rules),
            Some(peer) => Err(CalleeError::NoAddress { name: peer.name.clone(), key: peer.fingerprint }),
            None if Fingerprint::is_meant_by(word) => Err(CalleeError::NobodyWithKey { key: word.clone() }),
            None => {
                let names: Vec<_> =
                    book.peers().filter(|peer| is_callable(peer)).map(|peer| peer.name.as_str()).collect();
                let nearest = nearest(word, names.iter().copied()).map(str::to_owned);
                Err(CalleeError::Nobody { word: word.clone(), nearest })
            }
        }
    }

    /// Options of a call to an address, by the way of the peer that is there.
    fn at(&self, target: &Target, book: &Book, rules: &[ViaRule]) -> Result<DialOptions, CalleeError> {
        let peer = match (self.pin, self.accept) {
            (Some(key), _) | (None, AcceptPolicy::Key(key) | AcceptPolicy::Pinned(key)) => {
                book.by_fingerprint(&key)
            }
            _ => None,
        };
        let peer = peer.or_else(|| book.by_address(target));
        let target = with_way(target, peer, self.via.as_deref(), rules);
        if is_unreachable(&target) { Err(CalleeError::Onion { target }) } else { Ok(self.options(target)) }
    }

    fn options(&self, target: Target) -> DialOptions {
        let Self { family, pin, accept, protocol, .. } = *self;
        let introduction = self.knock.clone().map(Introduction::Knock);
        DialOptions { family, pin, protocol, introduction, ..DialOptions::new(target, accept) }
    }

    /// Options of a call to each address of an invitation, where no other key is accepted.
    fn invited(
        &self,
        invitation: &Invitation,
        book: &Book,
        rules: &[ViaRule],
    ) -> Result<DialOptions, CalleeError> {
        let named = invitation.key;
        if self.protocol != Protocol::Native {
            return Err(CalleeError::RawInvitation);
        }
        let of_policy = match self.accept {
            AcceptPolicy::Key(key) | AcceptPolicy::Pinned(key) => Some(key),
            _ => None,
        };
        if let Some(asked) = self.pin.into_iter().chain(of_policy).find(|key| *key != named) {
            return Err(CalleeError::InvitationOfAnother { named, asked });
        }
        let peer = book.by_fingerprint(&named);
        if let Some(peer) = peer.filter(|peer| peer.trust.is_blocked()) {
            return Err(CalleeError::Blocked { name: peer.name.clone() });
        }
        let way = |target: &Target| with_way(target, peer, self.via.as_deref(), rules);
        let invited_to: Vec<Target> = invitation.addresses.iter().map(way).collect();
        let (onion, targets): (Vec<_>, Vec<_>) = invited_to.iter().cloned().partition(is_unreachable);
        let mut targets = targets.into_iter();
        let Some(target) = targets.next() else {
            let onion = onion.into_iter().next();
            return Err(onion.map_or(CalleeError::RawInvitation, |target| CalleeError::Onion { target }));
        };
        Ok(DialOptions {
            then: targets.collect(),
            accept: AcceptPolicy::Key(named),
            introduction: Some(Introduction::Invitation(invitation.token.clone())),
            invited_to,
            invitation: invitation.relay.is_some().then(|| Box::new(invitation.clone())),
            ..self.options(target)
        })
    }

    /// Options of a call to each address of a peer that has one.
    fn by_name(&self, peer: &PeerEntry, rules: &[ViaRule]) -> Result<DialOptions, CalleeError> {
        let Self { pin, accept, protocol, .. } = *self;
        let (name, known) = (peer.name.clone(), peer.fingerprint);
        if protocol != Protocol::Native {
            return Err(CalleeError::RawWire { name });
        }
        let (accept, named) = match accept {
            AcceptPolicy::Key(key) | AcceptPolicy::Pinned(key) => (accept, Some(key)),
            AcceptPolicy::Anyone | AcceptPolicy::KnownOnly | AcceptPolicy::Ask | AcceptPolicy::Unattended => {
                (AcceptPolicy::Key(known), None)
            }
        };
        if let Some(asked) = pin.into_iter().chain(named).find(|key| *key != known) {
            return Err(CalleeError::OtherKey { name, known, asked });
        }
        let mut targets: Vec<Target> = Vec::new();
        for target in peer.targets().map(|target| with_way(target, Some(peer), self.via.as_deref(), rules)) {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        let (onion, mut targets): (Vec<_>, Vec<_>) = targets.into_iter().partition(is_unreachable);
        if targets.is_empty() {
            let onion = onion.into_iter().next().map(|target| CalleeError::Onion { target });
            return Err(onion.unwrap_or(CalleeError::NoAddress { name, key: known }));
        }
        let target = targets.remove(0);
        Ok(DialOptions { then: targets, accept, ..self.options(target) })
    }
}

/// Whether no resolver may be asked for it, and no way is known.
pub(crate) fn is_unreachable(target: &Target) -> bool {
    target.is_onion() && target.way().is_none()
}

/// Whether a peer can be called by its name.
pub(crate) fn is_callable(peer: &PeerEntry) -> bool {
    matches!(peer.trust, Trust::Unverified | Trust::Verified) && peer.targets().next().is_some()
}

/// Of a word that is neither the name nor the fingerprint of a peer.
pub(crate) fn nobody(word: &str) -> String {
    let shown = SafeText::line(word);
    if word.parse::<Fingerprint>().is_ok() {
        format!("no peer in your book has the key {shown}")
    } else if Fingerprint::is_meant_by(word) {
        format!("{shown} is not a whole fingerprint; write SHA256: and 43 characters")
    } else if word.is_empty() {
        "the name of a peer is missing".to_owned()
    } else {
        format!("no peer is named {shown}")
    }
}

fn nobody_called(word: &str, nearest: Option<&String>) -> String {
    let near = nearest.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
    let host = format!("{word}:{PORT_DEFAULT}");
    let instead = if host.parse::<Target>().is_ok() {
        format!("write {host} for a host")
    } else {
        "write HOST:PORT for a host".to_owned()
    };
    format!("no peer with an address is named {}{near}; {instead}", SafeText::line(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::book::Change;

    fn key(name: &str) -> Fingerprint {
        Fingerprint::of(name.as_bytes())
    }

    fn book() -> Book {
        let mut book = Book::new();
        for (name, addresses) in
            [("bob", &["bob.example", "10.0.0.1:9"][..]), ("ann", &[]), ("eve", &["eve.example"])]
        {
            let fingerprint = key(name);
            let name = Name::parse(name).unwrap();
            let _ = book.apply(&Change::Meet { fingerprint, name: name.clone(), address: None });
            for address in addresses {
                let address = Some(address.parse().unwrap());
                let _ = book.apply(&Change::Meet { fingerprint, name: name.clone(), address });
            }
        }
        let _ = book.apply(&Change::Block { fingerprint: key("eve") });
        book
    }

    fn called(word: &str, options: impl FnOnce(&mut CallOptions)) -> Result<DialOptions, String> {
        let callee = word.parse().map_err(|error: CalleeError| error.to_string())?;
        let (family, protocol) = (Family::Any, Protocol::Native);
        let mut call = CallOptions {
            callee,
            via: None,
            family,
            pin: None,
            accept: AcceptPolicy::Anyone,
            protocol,
            knock: None,
        };
        options(&mut call);
        let book = book();
        call.resolve(&book, &[], |name| Some(book.by_name(name)?.fingerprint))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_word_is_a_chosen_peer_with_an_address_or_looks_like_a_host_or_is_a_mistake() {
        for (word, expected) in [
            ("bob", Ok("10.0.0.1:9 bob.example:8000")),
            ("BOB", Ok("10.0.0.1:9 bob.example:8000")),
            ("bob:9", Ok("bob:9")),
            ("bob.example", Ok("bob.example:8000")),
            ("localhost", Ok("localhost:8000")),
            ("::1", Ok("[::1]:8000")),
            ("eve", Err("eve is blocked")),
            ("ann", Err("no address is known for ann; write HOST:PORT, or ann:8000 for a host")),
            (
                "bbo",
                Err("no peer with an address is named bbo (did you mean bob?); write bbo:8000 for a host"),
            ),
            ("손님", Err("no peer with an address is named 손님; write HOST:PORT for a host")),
        ] {
            let said = called(word, |_| {}).map(|dial| {
                let then: Vec<_> = dial.then.iter().map(|target| format!(" {target}")).collect();
                format!("{}{}", dial.target, then.concat())
            });
            assert_eq!(said, expected.map(str::to_owned).map_err(str::to_owned), "{word}");
        }
        let ann = key("ann").to_string();
        for (word, expected) in [
            (key("bob").to_string(), "10.0.0.1:9 bob.example:8000".to_owned()),
            (key("eve").to_string(), "eve is blocked".to_owned()),
            (ann.clone(), "no address is known for ann; write HOST:PORT, or ann:8000 for a host".to_owned()),
            (key("joe").to_string(), format!("no peer in your book has the key {}", key("joe"))),
            (
                ann[..20].to_owned(),
                format!("{} is not a whole fingerprint; write SHA256: and 43 characters", &ann[..20]),
            ),
        ] {
            let said = called(&word, |_| {}).map_or_else(
                |error| error,
                |dial| {
                    dial.then.iter().fold(dial.target.to_string(), |all, target| format!("{all} {target}"))
                },
            );
            assert_eq!(said, expected);
        }
        assert!(called("8000", |_| {}).unwrap_err().starts_with("8000 is a port without a host"));
    }

    #[test]
    fn an_onion_service_is_called_by_a_way_only() {
        let via = |call: &mut CallOptions| call.via = "socks5h://127.0.0.1:9050".parse().ok().map(Box::new);
        let error = called("abc.onion", |_| {}).unwrap_err();
        assert!(
            error.starts_with("abc.onion:8000 is an onion service") && error.contains("--via"),
            "{error}"
        );
        assert!(called("abc.onion", |call| call.via = Some(Box::new(Via::Direct))).is_err());
        assert_eq!(
            called("abc.onion", via).unwrap().target.shown(),
            "abc.onion:8000 via socks5h://127.0.0.1:9050"
        );
        let dial = called("bob", via).unwrap();
        assert!(std::iter::once(&dial.target).chain(&dial.then).all(|target| target.way().is_some()));
    }

    #[test]
    fn by_name_only_the_key_of_the_peer_is_accepted() {
        for accept in [AcceptPolicy::Anyone, AcceptPolicy::KnownOnly, AcceptPolicy::Unattended] {
            let dial = called("bob", |call| call.accept = accept).unwrap();
            assert_eq!(dial.accept, AcceptPolicy::Key(key("bob")));
            assert_eq!(called("bob:9", |call| call.accept = accept).unwrap().accept, accept);
        }
        for accept in [AcceptPolicy::Key(key("ann")), AcceptPolicy::Pinned(key("ann"))] {
            assert!(called("bob", |call| call.accept = accept).unwrap_err().ends_with("nobody was called"));
        }
        let pinned = |name: &'static str| called("bob", move |call| call.pin = Some(key(name)));
        assert!(pinned("bob").is_ok() && pinned("ann").is_err());
        let raw = Protocol::Oaep(crate::chat::types::KeyExchange::Mutual);
        assert!(called("bob", |call| call.protocol = raw).unwrap_err().starts_with("the raw wire proves"));
        assert!(called("localhost", |call| call.protocol = raw).is_ok());
    }
}
