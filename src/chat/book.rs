//! The peer book: who is known by which key, at which addresses, and how sure we are. Plain text, one peer a
//! line, comments and order kept, to be edited by hand; a damaged book is never an empty one.

use std::fmt;

use super::name::Name;
use crate::crypto::Fingerprint;

/// How sure we are of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Taken at first sight.
    Unverified,
    /// Compared by the person.
    Verified,
    /// Refused from now on.
    Blocked,
}

/// One peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The local name; no two peers share one.
    pub name: Name,
    /// The key; no two peers share one.
    pub fingerprint: Fingerprint,
    /// How sure we are.
    pub trust: Trust,
    /// Where it was reached, as `host:port`; no two peers share one.
    pub addresses: Vec<String>,
}

/// One step from a book to the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Remember a new key. The name gets a suffix should it be taken.
    Meet {
        /// The key.
        fingerprint: Fingerprint,
        /// The name wanted for it.
        name: Name,
        /// Where it was dialled.
        address: Option<String>,
    },
    /// Set how sure we are.
    Trust {
        /// Of whom.
        fingerprint: Fingerprint,
        /// How sure.
        trust: Trust,
    },
    /// Remember an address, which is nobody else's from now on.
    Address {
        /// Whose.
        fingerprint: Fingerprint,
        /// The address.
        address: String,
    },
    /// Forget a key.
    Forget {
        /// Whom.
        fingerprint: Fingerprint,
    },
}

/// Why a text is not a book: the line, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Damage {
    /// Number of the first bad line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// Everybody known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Book {
    lines: Vec<Line>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Line {
    /// A comment or a blank line, as it was written.
    Kept(String),
    Peer(Peer),
}

impl Book {
    /// Reads a book.
    ///
    /// # Errors
    /// [`Damage`] with the first bad line; a name, key or address that stands twice is damage too.
    pub fn parse(text: &str) -> Result<Self, Damage> {
        let mut book = Self::default();
        for (index, line) in text.lines().enumerate() {
            let damage = |what| Damage { line: index + 1, what };
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                book.lines.push(Line::Kept(line.to_owned()));
                continue;
            }
            let peer = peer(line).map_err(damage)?;
            book.contradiction(&peer).map_or(Ok(()), |what| Err(damage(what)))?;
            book.lines.push(Line::Peer(peer));
        }
        Ok(book)
    }

    /// Everybody, in the order of the file.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.lines.iter().filter_map(|line| match line {
            Line::Peer(peer) => Some(peer),
            Line::Kept(_) => None,
        })
    }

    /// The peer with this key.
    #[must_use]
    pub fn by_fingerprint(&self, fingerprint: &Fingerprint) -> Option<&Peer> {
        self.peers().find(|peer| peer.fingerprint == *fingerprint)
    }

    /// The peer with this name, however it is written.
    #[must_use]
    pub fn by_name(&self, name: &Name) -> Option<&Peer> {
        self.peers().find(|peer| peer.name.same_as(name))
    }

    /// The peer that is remembered at an address.
    #[must_use]
    pub fn by_address(&self, address: &str) -> Option<&Peer> {
        self.peers().find(|peer| peer.addresses.iter().any(|known| known == address))
    }

    /// Carries out one change. What is not there is left alone.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Meet { fingerprint, name, address } => {
                if self.by_fingerprint(fingerprint).is_none() {
                    let peer = Peer {
                        name: self.free(name),
                        fingerprint: *fingerprint,
                        trust: Trust::Unverified,
                        addresses: Vec::new(),
                    };
                    self.lines.push(Line::Peer(peer));
                }
                if let Some(address) = address {
                    self.settle(*fingerprint, address);
                }
            }
            Change::Trust { fingerprint, trust } => {
                if let Some(peer) = self.find_mut(*fingerprint) {
                    peer.trust = *trust;
                }
            }
            Change::Address { fingerprint, address } => self.settle(*fingerprint, address),
            Change::Forget { fingerprint } => {
                let gone = |line: &Line| matches!(line, Line::Peer(peer) if peer.fingerprint == *fingerprint);
                self.lines.retain(|line| !gone(line));
            }
        }
    }

    /// An address belongs to one peer.
    fn settle(&mut self, fingerprint: Fingerprint, address: &str) {
        for line in &mut self.lines {
            if let Line::Peer(peer) = line {
                peer.addresses.retain(|known| known != address);
            }
        }
        if let Some(peer) = self.find_mut(fingerprint) {
            peer.addresses.push(address.to_owned());
        }
    }

    fn find_mut(&mut self, fingerprint: Fingerprint) -> Option<&mut Peer> {
        self.lines.iter_mut().find_map(|line| match line {
            Line::Peer(peer) if peer.fingerprint == fingerprint => Some(peer),
            _ => None,
        })
    }

    fn free(&self, name: &Name) -> Name {
        if self.by_name(name).is_none() {
            return name.clone();
        }
        (2..10_000)
            .map(|n| name.with_suffix(n))
            .find(|name| self.by_name(name).is_none())
            .unwrap_or(name.clone())
    }

    fn contradiction(&self, peer: &Peer) -> Option<&'static str> {
        if self.by_name(&peer.name).is_some() {
            Some("that name stands on an earlier line too")
        } else if self.by_fingerprint(&peer.fingerprint).is_some() {
            Some("that key stands on an earlier line too")
        } else if peer.addresses.iter().any(|address| self.by_address(address).is_some()) {
            Some("that address stands on an earlier line too")
        } else {
            None
        }
    }
}

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            match line {
                Line::Kept(text) => writeln!(f, "{text}")?,
                Line::Peer(peer) => writeln!(f, "{peer}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.fingerprint, self.trust)?;
        if self.addresses.is_empty() { Ok(()) } else { write!(f, " {}", self.addresses.join(",")) }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unverified => "unverified",
            Self::Verified => "verified",
            Self::Blocked => "blocked",
        })
    }
}

fn peer(line: &str) -> Result<Peer, &'static str> {
    let mut words = line.split_whitespace();
    let name = words.next().and_then(|word| Name::parse(word).ok()).ok_or("no name stands first")?;
    let fingerprint = words
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or("no whole fingerprint (SHA256: and 43 characters) stands second")?;
    let trust = match words.next() {
        Some("unverified") => Trust::Unverified,
        Some("verified") => Trust::Verified,
        Some("blocked") => Trust::Blocked,
        _ => return Err("neither unverified, verified nor blocked stands third"),
    };
    let addresses = words.next().map_or(Vec::new(), |list| list.split(',').map(str::to_owned).collect());
    if words.next().is_some() {
        return Err("there is more than name, fingerprint, trust and addresses");
    }
    Ok(Peer { name, fingerprint, trust, addresses })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fp(seed: &str) -> Fingerprint {
        Fingerprint::of(seed.as_bytes())
    }

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn what_is_read_is_written_back_with_comments_and_order() {
        let text = format!(
            "# friends\n\n서버 {} verified localhost:8000,[::1]:8000\n# others\nbob {} unverified\n",
            fp("a"),
            fp("b")
        );
        let book = Book::parse(&text).unwrap();
        assert_eq!(book.to_string(), text);
        assert_eq!(book.by_address("[::1]:8000").unwrap().name, name("서버"));
        assert_eq!(book.by_name(&name("BOB")).unwrap().fingerprint, fp("b"));
    }

    #[test]
    fn every_sort_of_damage_names_its_line() {
        let good = format!("bob {} unverified host:1\n", fp("b"));
        for bad in [
            "bob\n".to_owned(),
            format!("bob {} maybe\n", fp("a")),
            format!("bob {} verified\n", &fp("a").to_string()[..20]),
            format!("ann {} verified x:1 y:1\n", fp("a")),
            format!("Bob {} verified\n", fp("a")),
            format!("ann {} verified\n", fp("b")),
            format!("ann {} verified host:1\n", fp("a")),
            "\0\u{fffd}\n".to_owned(),
        ] {
            assert_eq!(Book::parse(&format!("{good}{bad}")).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn a_taken_name_gets_a_suffix_and_an_address_moves() {
        let mut book = Book::default();
        let meet = |seed, name: &str| Change::Meet {
            fingerprint: fp(seed),
            name: self::name(name),
            address: Some("host:1".into()),
        };
        book.apply(&meet("a", "bob"));
        book.apply(&meet("b", "Bob"));
        assert_eq!(book.by_fingerprint(&fp("b")).unwrap().name.to_string(), "Bob-2");
        assert_eq!(book.by_address("host:1").unwrap().fingerprint, fp("b"));
        assert!(book.by_fingerprint(&fp("a")).unwrap().addresses.is_empty());
        book.apply(&Change::Forget { fingerprint: fp("b") });
        assert!(book.by_fingerprint(&fp("b")).is_none());
        assert_eq!(Book::parse(&book.to_string()), Ok(book));
    }
}
