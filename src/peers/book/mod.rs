//! The peer book: who is known by which key, how far they are trusted, and where they were dialled. Plain
//! text that people may edit. It knows nothing of files.

mod entry;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use entry::EntryError;

use super::address::Target;
use super::name::Name;
use crate::crypto::Fingerprint;

/// How far a key is trusted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Trust {
    /// Remembered from the first meeting; nobody compared anything.
    Unverified,
    /// The user compared the safety number, or named the fingerprint.
    Verified,
    /// Refused from now on.
    Blocked,
}

impl Trust {
    /// The word for it, in the file and in tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Verified => "verified",
            Self::Blocked => "blocked",
        }
    }
}

/// One known peer. There is one for each key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerEntry {
    /// What the user calls it; no two peers have names that read alike.
    pub name: Name,
    /// Its key.
    pub fingerprint: Fingerprint,
    /// How far it is trusted.
    pub trust: Trust,
    /// Where it answered when dialled; no address belongs to two peers.
    pub addresses: Vec<Target>,
}

/// The peer book, with the comments, blank lines and order its user gave it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Book {
    rows: Vec<Row>,
}

/// Something to be written into the book. Small enough to be applied again to a book that another process
/// has changed meanwhile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A key was met: remembered as unverified if it is new, under a free name. An address moves to it.
    Meet {
        /// The key.
        fingerprint: Fingerprint,
        /// The wanted name; a known peer keeps its own.
        name: Name,
        /// Where it was dialled, if it was.
        address: Option<Target>,
    },
    /// A key is trusted so far from now on.
    Trust {
        /// The key.
        fingerprint: Fingerprint,
        /// How far.
        level: Trust,
    },
    /// A key is a stranger's again.
    Forget {
        /// The key.
        fingerprint: Fingerprint,
    },
    /// A key answers at an address; whoever was remembered there is so no longer.
    Address {
        /// The key.
        fingerprint: Fingerprint,
        /// Where.
        address: Target,
    },
    /// A peer is called something else, with a suffix if that name is taken.
    Rename {
        /// The key.
        fingerprint: Fingerprint,
        /// The wanted name.
        name: Name,
    },
}

/// Whether applying a [`Change`] made a difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum ChangeOutcome {
    /// The book differs from before.
    Changed,
    /// The book already said so.
    Same,
    /// The change is about a key that is not in the book, perhaps because another process forgot it.
    Unknown,
}

/// Every line that is wrong. A damaged book is never used: taking its lines for missing ones would take
/// known peers for strangers.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", list(.lines))]
pub struct Damage {
    /// The bad lines, in order, at least one.
    pub lines: Vec<BadLine>,
}

/// One line that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {number}: {error}")]
pub struct BadLine {
    /// Its number, from 1.
    pub number: usize,
    /// What is wrong with it.
    pub error: EntryError,
}

/// What a new book begins with.
const HEADER: &str = "\
# rsachat peer book: NAME FINGERPRINT TRUST ADDRESS,ADDRESS...
# TRUST is unverified, verified or blocked. Lines may be edited, moved and commented.
";

#[derive(Clone, PartialEq, Eq, Debug)]
enum Row {
    /// A comment or a blank line, with its line ending.
    Kept(String),
    /// A peer, and its line as it is written, with comment and line ending.
    Known(PeerEntry, String),
}

impl Default for Book {
    fn default() -> Self {
        Self::new()
    }
}

impl Book {
    /// A book that knows nobody, with a comment that says how to write into it.
    #[must_use]
    pub fn new() -> Self {
        Self { rows: HEADER.split_inclusive('\n').map(|line| Row::Kept(line.to_owned())).collect() }
    }

    /// Reads a book.
    ///
    /// # Errors
    /// Every bad line, if there is one: ill-formed, or a name, key or address that an earlier line has.
    pub fn parse(text: &str) -> Result<Self, Damage> {
        let mut book = Self { rows: Vec::new() };
        let mut lines = Vec::new();
        let mut seen = Seen::default();
        for (number, written) in (1..).zip(text.split_inclusive('\n')) {
            match entry::read(written).and_then(|peer| seen.check(number, peer)) {
                Ok(None) => book.rows.push(Row::Kept(written.to_owned())),
                Ok(Some(peer)) => book.rows.push(Row::Known(peer, written.to_owned())),
                Err(error) => lines.push(BadLine { number, error }),
            }
        }
        if lines.is_empty() { Ok(book) } else { Err(Damage { lines }) }
    }

    /// The peers, in the order of the file.
    pub fn peers(&self) -> impl Iterator<Item = &PeerEntry> {
        self.rows.iter().filter_map(|row| match row {
            Row::Known(peer, _) => Some(peer),
            Row::Kept(_) => None,
        })
    }

    /// The peer with this key.
    #[must_use]
    pub fn by_fingerprint(&self, fingerprint: &Fingerprint) -> Option<&PeerEntry> {
        self.peers().find(|peer| peer.fingerprint == *fingerprint)
    }

    /// The peer whose name reads like this one.
    #[must_use]
    pub fn by_name(&self, name: &Name) -> Option<&PeerEntry> {
        self.peers().find(|peer| peer.name.same_as(name))
    }

    /// The peer who answered at this address.
    #[must_use]
    pub fn by_address(&self, address: &Target) -> Option<&PeerEntry> {
        self.peers().find(|peer| peer.addresses.contains(address))
    }

    /// The wanted name, or the first with a suffix that nobody but `owner` has.
    #[must_use]
    pub fn free_name(&self, wanted: &Name, owner: &Fingerprint) -> Name {
        let others = self.peers().filter(|peer| peer.fingerprint != *owner);
        let taken: BTreeSet<&str> = others.map(|peer| peer.name.folded()).collect();
        if !taken.contains(wanted.folded()) {
            return wanted.clone();
        }
        // One more number than there are peers: one of them is free.
        let mut numbered = (2..taken.len() + 3).map(|number| wanted.with_suffix(number));
        numbered.find(|name| !taken.contains(name.folded())).unwrap_or_else(|| wanted.clone())
    }

    /// Writes a change into the book.
    pub fn apply(&mut self, change: &Change) -> ChangeOutcome {
        match change {
            Change::Meet { fingerprint, name, address } => self.meet(*fingerprint, name, address.as_ref()),
            Change::Trust { fingerprint, level } => self.edit(fingerprint, |peer| peer.trust = *level),
            Change::Forget { fingerprint } => {
                let before = self.rows.len();
                self.rows
                    .retain(|row| !matches!(row, Row::Known(peer, _) if peer.fingerprint == *fingerprint));
                if self.rows.len() == before { ChangeOutcome::Unknown } else { ChangeOutcome::Changed }
            }
            Change::Address { fingerprint, address } => self.settle(fingerprint, address),
            Change::Rename { fingerprint, name } => {
                let name = self.free_name(name, fingerprint);
                self.edit(fingerprint, |peer| peer.name = name)
            }
        }
    }

    fn meet(&mut self, fingerprint: Fingerprint, name: &Name, address: Option<&Target>) -> ChangeOutcome {
        let known = self.by_fingerprint(&fingerprint).is_some();
        if !known {
            let name = self.free_name(name, &fingerprint);
            self.append(PeerEntry { name, fingerprint, trust: Trust::Unverified, addresses: Vec::new() });
        }
        let settled = address.map_or(ChangeOutcome::Same, |address| self.settle(&fingerprint, address));
        if known { settled } else { ChangeOutcome::Changed }
    }

    fn append(&mut self, peer: PeerEntry) {
        // A file whose last line was not ended, as editors leave it, must not have two peers in one line.
        if let Some(Row::Kept(written) | Row::Known(_, written)) = self.rows.last_mut()
            && !written.ends_with('\n')
        {
            written.push('\n');
        }
        let written = entry::write(&peer, "\n");
        self.rows.push(Row::Known(peer, written));
    }

    fn settle(&mut self, fingerprint: &Fingerprint, address: &Target) -> ChangeOutcome {
        if self.by_fingerprint(fingerprint).is_none() {
            return ChangeOutcome::Unknown;
        }
        let elsewhere = self.by_address(address).map(|peer| peer.fingerprint).filter(|f| f != fingerprint);
        if let Some(other) = elsewhere {
            let _ = self.edit(&other, |peer| peer.addresses.retain(|a| a != address));
        }
        self.edit(fingerprint, |peer| {
            if !peer.addresses.contains(address) {
                peer.addresses.push(address.clone());
            }
        })
    }

    fn edit(&mut self, fingerprint: &Fingerprint, edit: impl FnOnce(&mut PeerEntry)) -> ChangeOutcome {
        let found = self.rows.iter_mut().find_map(|row| match row {
            Row::Known(peer, written) if peer.fingerprint == *fingerprint => Some((peer, written)),
            _ => None,
        });
        let Some((peer, written)) = found else { return ChangeOutcome::Unknown };
        let before = peer.clone();
        edit(peer);
        if *peer == before {
            return ChangeOutcome::Same;
        }
        *written = entry::write(peer, entry::tail(written));
        ChangeOutcome::Changed
    }
}

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.iter().try_for_each(|row| match row {
            Row::Kept(written) | Row::Known(_, written) => f.write_str(written),
        })
    }
}

/// What earlier lines have taken, with their numbers.
#[derive(Default)]
struct Seen {
    names: BTreeMap<String, usize>,
    keys: BTreeMap<Fingerprint, usize>,
    addresses: BTreeMap<Target, usize>,
}

impl Seen {
    fn check(&mut self, number: usize, peer: Option<PeerEntry>) -> Result<Option<PeerEntry>, EntryError> {
        let Some(peer) = peer else { return Ok(None) };
        if let Some(&first) = self.keys.get(&peer.fingerprint) {
            return Err(EntryError::KeyTwice { first });
        }
        if let Some(&first) = self.names.get(peer.name.folded()) {
            return Err(EntryError::NameTwice { first });
        }
        self.keys.insert(peer.fingerprint, number);
        self.names.insert(peer.name.folded().to_owned(), number);
        for address in &peer.addresses {
            if let Some(first) = self.addresses.insert(address.clone(), number) {
                return Err(EntryError::AddressTwice { first });
            }
        }
        Ok(Some(peer))
    }
}

/// The first bad lines in one row, and how many there are besides.
fn list(lines: &[BadLine]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = lines.iter().take(SHOWN).map(ToString::to_string).collect();
    match lines.len().saturating_sub(SHOWN) {
        0 => shown.join("; "),
        more => format!("{}; and {more} more bad lines", shown.join("; ")),
    }
}
