//! Address to dial, with the way to it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::{AddressError, AddressFault, VIA, is_digits, parts, write_address};
use crate::peers::via::Via;

/// Address to dial: `host`, `host:port`, `1.2.3.4`, `::1`, `[::1]:port`. Its canonical form, hosts
/// in lower case, is what a peer is remembered by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Target {
    /// A host name or an address without brackets, in its canonical form.
    pub host: String,
    /// The TCP port, not 0.
    pub port: u16,
    /// How it is reached, where that was said; settings may say it otherwise.
    pub via: Option<Box<Via>>,
}

impl Target {
    /// Whether both are one place: `localhost`, 127.0.0.0/8 and `::1` are one host. One that is
    /// another machine in each network is the same only by the same way.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        let is_same_way = || self.way() == other.way() || !is_relative(&self.host);
        self.port == other.port
            && (self.host == other.host || is_loopback(&self.host) && is_loopback(&other.host))
            && is_same_way()
    }

    /// Whether it is the same host and port, whatever the way.
    #[must_use]
    pub fn is_written_as(&self, other: &Self) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }

    /// The way other than a direct connection.
    #[must_use]
    pub fn way(&self) -> Option<&Via> {
        self.via.as_deref().filter(|via| **via != Via::Direct)
    }

    /// Whether it is no name that somebody else looks up: an IP address, or `localhost`.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.host == "localhost" || self.host.split('%').next().is_some_and(|ip| ip.parse::<IpAddr>().is_ok())
    }

    /// Whether it is the address of an onion service, which no resolver knows and only Tor reaches.
    #[must_use]
    pub fn is_onion(&self) -> bool {
        is_onion(&self.host)
    }

    /// The address with its way, as the book has it.
    #[must_use]
    pub fn to_word(&self) -> String {
        match &self.via {
            Some(via) => format!("{self}{VIA}{}", via.to_word()),
            None => self.to_string(),
        }
    }

    /// Reads an address with its way.
    ///
    /// # Errors
    /// [`AddressError`], for a way that cannot be read as well.
    pub fn from_word(word: &str) -> Result<Self, AddressError> {
        match word.split_once(VIA) {
            Some((address, via)) => {
                let via = Via::from_word(via).ok_or_else(|| AddressFault::Via.of(word))?;
                let via = Some(Box::new(via));
                Ok(Self { via, ..address.parse()? })
            }
            None => word.parse(),
        }
    }

    /// The address with its way, as it is shown.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.way() {
            Some(via) => format!("{self} via {via}"),
            None => self.to_string(),
        }
    }
}

/// Whether a host is the name of an onion service (RFC 7686).
#[must_use]
pub fn is_onion(host: &str) -> bool {
    host.trim_end_matches('.').rsplit_once('.').is_some_and(|(_, last)| last.eq_ignore_ascii_case("onion"))
}

/// Whether a host means another machine in each network: a name without a dot, or an address that
/// is not global.
fn is_relative(host: &str) -> bool {
    match host.split('%').next().and_then(|ip| ip.parse().ok()) {
        Some(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        Some(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        None => !host.contains('.'),
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_canonical().to_string(), port: address.port(), via: None }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl FromStr for Target {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if is_digits(text) {
            return Err(AddressFault::NoHost.of(text));
        }
        let (host, port) = parts(text).map_err(|fault| fault.of(text))?;
        match (host.is_empty(), port) {
            (true, _) => Err(AddressFault::NoHost.of(text)),
            (_, 0) => Err(AddressFault::PortZero.of(text)),
            _ => Ok(Self { host, port, via: None }),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(f, &self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_this_machine_is_one_place_for_each_port() {
        let target = |text: &str| text.parse::<Target>().unwrap();
        let spellings = ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"];
        for one in spellings {
            for other in spellings {
                assert!(target(one).is_same_place(&target(other)), "{one} {other}");
            }
            assert!(!target(one).is_same_place(&target("localhost:9")), "{one}");
            assert!(!target(one).is_same_place(&target("128.0.0.1")), "{one}");
        }
        assert!(target("h.").is_same_place(&target("H")) && !target("h").is_same_place(&target("i")));
    }

    #[test]
    fn an_address_is_literal_if_nobody_else_says_where_it_leads() {
        for (text, expected) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("fe80::1%eth0", true),
            ("LocalHost.", true),
            ("bob.example", false),
            ("localhost.example", false),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().is_literal(), expected, "{text}");
        }
        let mapped = "[::ffff:10.0.0.1]:9".parse::<SocketAddr>().unwrap();
        assert_eq!(Target::from(mapped).to_string(), "10.0.0.1:9");
    }

    #[test]
    fn an_address_of_each_network_is_another_place_by_another_way_and_a_public_one_is_not() {
        let target = |word: &str| Target::from_word(word).unwrap();
        let ways = ["", ";via=none", ";via=socks5h://127.0.0.1:9050", ";via=ssh%20-W%20%25h:%25p%20jump"];
        for (host, is_one) in [
            ("bob.example:8000", true),
            ("203.0.113.7:8000", true),
            ("10.0.0.7:8000", false),
            ("[fd00::7]:8000", false),
            ("localhost:8000", false),
            ("bob:8000", false),
        ] {
            for way in ways {
                let (plain, other) = (target(host), target(&format!("{host}{way}")));
                let is_direct = other.way().is_none();
                assert_eq!(plain.is_same_place(&other), is_one || is_direct, "{host}{way}");
                assert!(plain.is_written_as(&other));
                assert_eq!(other.to_word(), format!("{host}{way}"));
            }
        }
        let shown = target("10.0.0.7:8000;via=ssh%20-W%20%25h:%25p%20jump").shown();
        assert_eq!(shown, "10.0.0.7:8000 via ssh -W %h:%p jump");
        for word in ["bob.example:8000;via=", "bob.example:8000;via=%2", "bob.example;way=x"] {
            assert!(Target::from_word(word).is_err(), "{word}");
        }
    }

    #[test]
    fn an_onion_service_is_known_by_its_last_label() {
        for (host, expected) in
            [("abc.onion", true), ("ABC.Onion.", true), ("onion", false), ("a.onion.example", false)]
        {
            assert_eq!(is_onion(host), expected, "{host}");
        }
    }
}
