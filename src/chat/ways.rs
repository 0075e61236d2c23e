//! Ways of calls: what the command line says, what is remembered with an address, and the settings,
//! in this order.

use crate::crypto::Fingerprint;
use crate::peers::address::Target;
use crate::peers::book::PeerEntry;
use crate::peers::name::Name;
use crate::peers::via::Via;

/// Rule of the setting `via`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ViaRule {
    /// Name or fingerprint of the peer that it is about; none is everybody.
    pub peer: Option<String>,
    /// The way.
    pub via: Via,
}

impl ViaRule {
    fn is_about(&self, peer: Option<&PeerEntry>) -> bool {
        let Some(word) = &self.peer else { return true };
        peer.is_some_and(|peer| match word.parse::<Fingerprint>() {
            Ok(key) => key == peer.fingerprint,
            Err(_) => Name::parse_local(word).is_ok_and(|name| name.same_as(&peer.name)),
        })
    }
}

/// The address with the way that a call of it takes: `asked`, else its own or that of the same
/// place in the book, else that of the first rule about the peer.
pub(crate) fn with_way(
    target: &Target,
    peer: Option<&PeerEntry>,
    asked: Option<&Via>,
    rules: &[ViaRule],
) -> Target {
    let remembered = || {
        let addresses = peer.into_iter().flat_map(PeerEntry::targets);
        addresses.filter(|there| there.is_same_place(target)).find_map(|there| there.via.as_deref())
    };
    let set = || rules.iter().find(|rule| rule.is_about(peer)).map(|rule| &rule.via);
    let via = asked.or(target.via.as_deref()).or_else(remembered).or_else(set);
    // Where no rule says another way, a direct call needs no word.
    let via = via.filter(|via| **via != Via::Direct || set().is_some_and(|set| *set != Via::Direct));
    Target { via: via.cloned().map(Box::new), ..target.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::book::{Book, Change};

    #[test]
    fn a_flag_wins_over_what_is_remembered_and_that_over_the_settings() {
        let mut book = Book::new();
        let (fingerprint, name) = (Fingerprint::of(b"bob"), Name::parse("bob").unwrap());
        for address in ["bob.example;via=socks5h://tor:1", "10.0.0.7"] {
            let address = Some(Target::from_word(address).unwrap());
            let _ = book.apply(&Change::Meet { fingerprint, name: name.clone(), address });
        }
        let rule = |peer: Option<&str>, via: &str| ViaRule {
            peer: peer.map(str::to_owned),
            via: via.parse().unwrap(),
        };
        let rules = [rule(Some("BOB"), "socks5h://of-bob:1"), rule(None, "socks5h://all:1")];
        let bob = book.by_fingerprint(&fingerprint);
        for (address, peer, asked, rules, expected) in [
            ("bob.example", bob, Some("socks5h://flag:1"), &rules[..], Some("socks5h://flag:1")),
            ("bob.example", bob, Some("none"), &rules, Some("none")),
            ("bob.example", bob, Some("none"), &[], None),
            ("bob.example", bob, None, &rules, Some("socks5h://tor:1")),
            ("bob.example", bob, None, &[], Some("socks5h://tor:1")),
            ("10.0.0.7", bob, None, &rules, Some("socks5h://of-bob:1")),
            ("10.0.0.7", bob, None, &[], None),
            ("ann.example", None, None, &rules, Some("socks5h://all:1")),
            ("ann.example", None, None, &rules[..1], None),
        ] {
            let asked: Option<Via> = asked.map(|via| via.parse().unwrap());
            let target = with_way(&address.parse().unwrap(), peer, asked.as_ref(), rules);
            let via = target.via.map(|via| via.to_string());
            assert_eq!(via.as_deref(), expected, "{address} {asked:?}");
        }
    }
}
