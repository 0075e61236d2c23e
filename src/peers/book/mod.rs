//! Peer book: the known peers, their keys, trust and addresses, as plain text that users may edit.

mod change;
mod entry;
mod invitation;
mod invitations;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;

pub use change::{Change, ChangeOutcome};
use entry::tail;
pub use entry::{EntryError, PeerEntry, Trust};
pub use invitation::{InvitationRefusal, InvitationUses, KeptInvitation};

use super::address::Target;
use super::name::Name;
use crate::crypto::Fingerprint;

/// Peer book, with the comments, blank lines and order that its user gave it.
#[derive(Clone, Eq, Debug)]
pub struct Book {
    rows: Vec<Row>,
    index: Index,
    format: BookFormat,
}

/// Format of the file that a book was read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum BookFormat {
    /// Without [`FORMAT`]: everybody who called stands in it.
    One,
    Two,
}

impl PartialEq for Book {
    fn eq(&self, other: &Self) -> bool {
        let written = |row: &&Row| **row != Row::Comment(String::new());
        self.rows.iter().filter(written).eq(other.rows.iter().filter(written))
    }
}

/// Rows of the peers by key and by name: a question costs the same with ten peers and with fifty
/// thousand.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Index {
    by_key: BTreeMap<Fingerprint, usize>,
    /// Rows of the places that names of hosts led to.
    places: BTreeMap<Target, usize>,
    /// By every form that names which look alike have in common; a claim is a name too.
    by_shape: BTreeMap<String, Vec<usize>>,
}

impl Index {
    fn insert(&mut self, row: usize, peer: &PeerEntry) {
        self.by_key.insert(peer.fingerprint, row);
        for shape in peer.shapes() {
            let rows = self.by_shape.entry(shape).or_default();
            rows.insert(rows.partition_point(|other| *other < row), row);
        }
    }

    fn remove(&mut self, row: usize, peer: &PeerEntry) {
        self.by_key.remove(&peer.fingerprint);
        for shape in peer.shapes() {
            if let Entry::Occupied(mut rows) = self.by_shape.entry(shape) {
                rows.get_mut().retain(|other| *other != row);
                if rows.get().is_empty() {
                    rows.remove();
                }
            }
        }
    }
}

/// Book after changes, as it is for all processes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangedBook {
    /// The book.
    pub book: Book,
    /// The outcome of all changes together.
    pub outcome: ChangeOutcome,
}

/// All bad lines of a book. A damaged book is never used: without its bad lines, known peers would
/// pass for unknown ones.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", summary(.lines))]
pub struct Damage {
    /// The bad lines, in order, at least one.
    pub lines: Vec<BadLine>,
}

/// Bad line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {number}: {error}")]
pub struct BadLine {
    /// Its number, from 1.
    pub number: usize,
    /// Its error.
    pub error: EntryError,
}

/// Line of a book in which those who only called do not stand.
pub(crate) const FORMAT: &str = "# rsachat peer book 2";
/// Between the address and the place in the line that says where a name of a host led: a comment to
/// whoever does not know it.
const LED_TO: &str = " led to ";
/// Beginning of a new book.
const HEADER: &str = "\
# rsachat peer book 2
# NAME FINGERPRINT TRUST ADDRESS,ADDRESS...
# TRUST is unverified, verified or blocked. Lines may be edited, moved and commented.
";

#[derive(Clone, PartialEq, Eq, Debug)]
enum Row {
    /// A comment or a blank line, with its line ending; empty where a peer was removed.
    Comment(String),
    /// The place that the name of a host led to, and its line.
    Place(Target, String),
    /// An invitation that is kept, and its line.
    Invitation(KeptInvitation, String),
    /// A peer, and its line as it is written, with comment and line ending.
    Peer(PeerEntry, String),
}

impl Default for Book {
    fn default() -> Self {
        Self::new()
    }
}

impl Book {
    /// New book without peers, with a comment that says how to write into it.
    #[must_use]
    pub fn new() -> Self {
        let rows = HEADER.split_inclusive('\n').map(|line| Row::Comment(line.to_owned())).collect();
        Self { rows, index: Index::default(), format: BookFormat::Two }
    }

    /// Reads a book.
    ///
    /// # Errors
    /// Every bad line, if there is one: ill-formed, or a name, key or address that an earlier line
    /// has.
    pub fn parse(text: &str) -> Result<Self, Damage> {
        let is_second = text.lines().any(|line| line.trim_end() == FORMAT);
        let format = if is_second { BookFormat::Two } else { BookFormat::One };
        // The place of the line that says so.
        let rows = if is_second { Vec::new() } else { vec![Row::Comment(String::new())] };
        let mut book = Self { rows, index: Index::default(), format };
        let mut lines = Vec::new();
        let mut earlier = EarlierLines::default();
        for (number, written) in (1..).zip(text.split_inclusive('\n')) {
            match PeerEntry::parse(written).and_then(|peer| earlier.check(number, peer)) {
                // A book that was cut, in a line or between the rows that a comment stands before.
                Ok(_) if !written.ends_with('\n') => {
                    lines.push(BadLine { number, error: EntryError::Unended });
                }
                Ok(None) => match (read_place(written), KeptInvitation::parse(written)) {
                    (Some((address, to)), _) => book.set_place(address, Row::Place(to, written.to_owned())),
                    (None, Some(kept)) => book.rows.push(Row::Invitation(kept, written.to_owned())),
                    (None, None) => book.rows.push(Row::Comment(written.to_owned())),
                },
                Ok(Some(peer)) => {
                    let is_met = format == BookFormat::One
                        && peer.trust == Trust::Unverified
                        && peer.addresses.is_empty();
                    let trust = if is_met { Trust::Met } else { peer.trust };
                    book.push(PeerEntry { trust, ..peer }, written.to_owned());
                }
                Err(error) => lines.push(BadLine { number, error }),
            }
        }
        if lines.is_empty() { Ok(book) } else { Err(Damage { lines }) }
    }

    /// Number of peers of a book from before [`FORMAT`] that count as met.
    #[must_use]
    pub fn met_before(&self) -> usize {
        match self.format {
            BookFormat::One => self.peers().filter(|peer| peer.trust == Trust::Met).count(),
            BookFormat::Two => 0,
        }
    }

    /// Writes the book in the present format: who counts as met is written as that.
    fn upgrade(&mut self) {
        if self.format == BookFormat::Two {
            return;
        }
        self.format = BookFormat::Two;
        for row in &mut self.rows {
            if let Row::Peer(peer, written) = row
                && peer.trust == Trust::Met
            {
                *written = peer.to_line(tail(written));
            }
        }
        if let Some(first) = self.rows.first_mut() {
            *first = Row::Comment(format!("{FORMAT}\n"));
        }
    }

    /// The peers, in the order of the file.
    pub fn peers(&self) -> impl Iterator<Item = &PeerEntry> {
        self.rows.iter().filter_map(|row| match row {
            Row::Peer(peer, _) => Some(peer),
            Row::Comment(_) | Row::Place(..) | Row::Invitation(..) => None,
        })
    }

    /// The invitations that are kept, in the order of the file.
    pub fn invitations(&self) -> impl Iterator<Item = &KeptInvitation> {
        self.rows.iter().filter_map(|row| match row {
            Row::Invitation(kept, _) => Some(kept),
            Row::Comment(_) | Row::Place(..) | Row::Peer(..) => None,
        })
    }

    /// The peer with this key.
    #[must_use]
    pub fn by_fingerprint(&self, fingerprint: &Fingerprint) -> Option<&PeerEntry> {
        self.at(*self.index.by_key.get(fingerprint)?)
    }

    /// The peer whose name reads like this one.
    #[must_use]
    pub fn by_name(&self, name: &Name) -> Option<&PeerEntry> {
        let rows = self.index.by_shape.get(name.folded())?;
        rows.iter().filter_map(|row| self.at(*row)).find(|peer| peer.name.same_as(name))
    }

    /// The peers whose names, or claims, look like this one, in the order of the file.
    pub fn lookalikes(&self, name: &Name) -> impl Iterator<Item = &PeerEntry> {
        let rows = name.shapes().into_iter().filter_map(|shape| self.index.by_shape.get(&shape));
        let rows: BTreeSet<usize> = rows.flatten().copied().collect();
        rows.into_iter().filter_map(|row| self.at(row))
    }

    fn at(&self, row: usize) -> Option<&PeerEntry> {
        match self.rows.get(row)? {
            Row::Peer(peer, _) => Some(peer),
            Row::Comment(_) | Row::Place(..) | Row::Invitation(..) => None,
        }
    }

    /// Place that an address of a peer led to when it answered there last: the address itself, or
    /// what the name of a host was resolved to, where that is known.
    #[must_use]
    pub fn place_of<'a>(&'a self, address: &'a Target) -> Option<&'a Target> {
        if address.is_literal() {
            return Some(address);
        }
        match self.rows.get(*self.index.places.get(address)?)? {
            Row::Place(to, _) => Some(to),
            Row::Comment(_) | Row::Peer(..) | Row::Invitation(..) => None,
        }
    }

    /// The peers that answered at a place, each with its spelling of it, in the order of the file.
    pub fn at_place(&self, place: &Target) -> impl Iterator<Item = (&PeerEntry, &Target)> {
        let is_there = |address: &Target| self.place_of(address).is_some_and(|to| to.is_same_place(place));
        let spellings =
            self.peers().flat_map(|peer| peer.addresses.iter().map(move |address| (peer, address)));
        spellings.filter(move |(_, address)| is_there(address))
    }

    /// Writes the place of an address in its row, or in a new one.
    fn set_place(&mut self, address: Target, place: Row) {
        if let Some(row) = self.index.places.get(&address).and_then(|row| self.rows.get_mut(*row)) {
            *row = place;
        } else {
            self.index.places.insert(address, self.rows.len());
            self.rows.push(place);
        }
    }

    fn resolve(&mut self, fingerprint: &Fingerprint, address: &Target, to: &Target) -> ChangeOutcome {
        let Some(peer) = self.by_fingerprint(fingerprint) else { return ChangeOutcome::Unknown };
        let is_known = self.place_of(address).is_some_and(|place| place.is_same_place(to));
        if address.is_literal() || is_known || !peer.addresses.contains(address) {
            return ChangeOutcome::Same;
        }
        let written = format!("# {address}{LED_TO}{to}\n");
        self.set_place(address.clone(), Row::Place(to.clone(), written));
        ChangeOutcome::Changed
    }

    fn drop_places(&mut self, addresses: &[Target]) {
        for address in addresses {
            let row = self.index.places.remove(address).and_then(|row| self.rows.get_mut(row));
            if let Some(row) = row {
                *row = Row::Comment(String::new());
            }
        }
    }

    /// The peer of this name as a user types it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&PeerEntry> {
        match name.parse::<Fingerprint>() {
            Ok(key) => self.by_fingerprint(&key),
            Err(_) => self.by_name(&Name::parse_local(name).ok()?),
        }
    }

    /// The peer that answered at this address, however it is spelled.
    #[must_use]
    pub fn by_address(&self, address: &Target) -> Option<&PeerEntry> {
        let exact = self.peers().find(|peer| peer.addresses.contains(address));
        let is_there = |peer: &&PeerEntry| peer.addresses.iter().any(|there| there.is_same_place(address));
        // Books from before may have two spellings of one place for two peers.
        exact.or_else(|| self.peers().find(is_there))
    }

    /// The wanted name, or the first with a number that looks like that of nobody but `owner`.
    #[must_use]
    pub fn free_name(&self, wanted: &Name, owner: &Fingerprint) -> Name {
        wanted.first_free(|name| self.lookalikes(name).any(|peer| peer.fingerprint != *owner))
    }

    /// Writes changes that belong together into the book: all of them, or none if one is about a
    /// blocked or an unknown key.
    pub fn apply_all(&mut self, changes: &[Change]) -> ChangeOutcome {
        if changes.is_empty() {
            return ChangeOutcome::Same;
        }
        // One change is whole by itself, and the book may be large.
        if let [change] = changes {
            return self.apply(change);
        }
        let mut book = self.clone();
        let mut outcome = ChangeOutcome::Same;
        for change in changes {
            match book.apply(change) {
                ChangeOutcome::Same => {}
                ChangeOutcome::Changed => outcome = ChangeOutcome::Changed,
                refused => return refused,
            }
        }
        *self = book;
        outcome
    }

    /// Writes a change into the book.
    pub fn apply(&mut self, change: &Change) -> ChangeOutcome {
        let outcome = self.apply_in_format(change);
        if outcome == ChangeOutcome::Changed {
            self.upgrade();
        }
        outcome
    }

    fn apply_in_format(&mut self, change: &Change) -> ChangeOutcome {
        let known = change.fingerprint().and_then(|key| self.by_fingerprint(&key));
        let passes = matches!(
            change,
            Change::Block { .. } | Change::Unblock { .. } | Change::Meet { address: None, .. }
        );
        if known.is_some_and(|peer| peer.trust.is_blocked()) && !passes {
            return ChangeOutcome::Blocked;
        }
        match change {
            Change::Meet { fingerprint, name, address } => self.meet(*fingerprint, name, address.as_ref()),
            Change::Verify { fingerprint } => self.edit(fingerprint, |peer| peer.trust = Trust::Verified),
            Change::Block { fingerprint } => self.edit(fingerprint, |peer| peer.trust = peer.trust.blocked()),
            Change::Unblock { fingerprint } => {
                self.edit(fingerprint, |peer| peer.trust = peer.trust.unblocked())
            }
            Change::Forget { fingerprint } => {
                let Some(row) = self.index.by_key.get(fingerprint).copied() else {
                    return ChangeOutcome::Same;
                };
                // The rows behind it keep their places.
                let removed =
                    self.rows.get_mut(row).map(|row| std::mem::replace(row, Row::Comment(String::new())));
                if let Some(Row::Peer(peer, _)) = removed {
                    self.index.remove(row, &peer);
                    self.drop_places(&peer.addresses);
                }
                ChangeOutcome::Changed
            }
            Change::Address { fingerprint, address } => self.move_address(fingerprint, address),
            Change::TryAt { fingerprint, address } => match self.by_address(address) {
                Some(_) => ChangeOutcome::Same,
                None => self.edit(fingerprint, |peer| {
                    if !peer.tried.contains(address) {
                        peer.tried.push(address.clone());
                    }
                }),
            },
            Change::Untry { fingerprint, address } => {
                self.edit(fingerprint, |peer| peer.tried.retain(|there| there != address))
            }
            Change::Resolve { fingerprint, address, to } => self.resolve(fingerprint, address, to),
            Change::Rename { fingerprint, name } => {
                let name = self.free_name(name, fingerprint);
                self.edit(fingerprint, |peer| peer.rename(name))
            }
            Change::Claim { fingerprint, claim } => self.edit(fingerprint, |peer| peer.set_claim(claim)),
            Change::Rekey { fingerprint, new } => match self.by_fingerprint(new) {
                Some(peer) if peer.trust.is_blocked() => ChangeOutcome::Blocked,
                // Another process has met it meanwhile.
                Some(_) => ChangeOutcome::Unknown,
                None => self.edit(fingerprint, |peer| {
                    peer.fingerprint = *new;
                    peer.trust = Trust::Unverified;
                }),
            },
            Change::Invite { invitation, now } => self.invite(invitation, *now),
            Change::Uninvite { number } => self.uninvite(|kept| kept.number == *number),
            Change::Welcome { hash, fingerprint, claim, now } => {
                self.welcome(hash, *fingerprint, claim, *now)
            }
        }
    }

    fn meet(&mut self, fingerprint: Fingerprint, name: &Name, address: Option<&Target>) -> ChangeOutcome {
        let before = self.by_fingerprint(&fingerprint).map(|peer| peer.trust);
        let chosen = match before {
            None => {
                let name = self.free_name(name, &fingerprint);
                self.append(PeerEntry {
                    name,
                    fingerprint,
                    trust: Trust::Unverified,
                    addresses: Vec::new(),
                    tried: Vec::new(),
                    claim: None,
                });
                ChangeOutcome::Changed
            }
            Some(Trust::Met) => self.edit(&fingerprint, |peer| peer.trust = Trust::Unverified),
            Some(_) => ChangeOutcome::Same,
        };
        let moved = address.map_or(ChangeOutcome::Same, |address| self.move_address(&fingerprint, address));
        if chosen == ChangeOutcome::Changed { chosen } else { moved }
    }

    fn append(&mut self, peer: PeerEntry) {
        let written = peer.to_line("\n");
        self.push(peer, written);
    }

    fn push(&mut self, peer: PeerEntry, written: String) {
        self.index.insert(self.rows.len(), &peer);
        self.rows.push(Row::Peer(peer, written));
    }

    fn move_address(&mut self, fingerprint: &Fingerprint, address: &Target) -> ChangeOutcome {
        if self.by_fingerprint(fingerprint).is_none() {
            return ChangeOutcome::Unknown;
        }
        let elsewhere = self.by_address(address).map(|peer| peer.fingerprint).filter(|f| f != fingerprint);
        if let Some(other) = elsewhere {
            let _ = self.edit(&other, |peer| peer.addresses.retain(|there| !there.is_same_place(address)));
        }
        self.edit(fingerprint, |peer| {
            peer.tried.retain(|there| !there.is_same_place(address));
            // Of two ways to one address, the last that was good is the one to take again.
            peer.addresses.retain(|there| !there.is_written_as(address) || !there.is_same_place(address));
            peer.addresses.push(address.clone());
        })
    }

    fn edit(&mut self, fingerprint: &Fingerprint, edit: impl FnOnce(&mut PeerEntry)) -> ChangeOutcome {
        let Some(row) = self.index.by_key.get(fingerprint).copied() else { return ChangeOutcome::Unknown };
        let Some(Row::Peer(peer, written)) = self.rows.get_mut(row) else { return ChangeOutcome::Unknown };
        let before = peer.clone();
        edit(peer);
        if *peer == before {
            return ChangeOutcome::Same;
        }
        *written = peer.to_line(tail(written));
        self.index.remove(row, &before);
        self.index.insert(row, peer);
        ChangeOutcome::Changed
    }
}

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.iter().try_for_each(|row| match row {
            Row::Comment(written)
            | Row::Place(_, written)
            | Row::Invitation(_, written)
            | Row::Peer(_, written) => f.write_str(written),
        })
    }
}

/// Names, keys and addresses of the lines read so far, each with its line number.
#[derive(Default)]
struct EarlierLines {
    names: BTreeMap<String, usize>,
    keys: BTreeMap<Fingerprint, usize>,
    addresses: BTreeMap<Target, usize>,
}

impl EarlierLines {
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

/// Reads the line that says where a name of a host led.
fn read_place(line: &str) -> Option<(Target, Target)> {
    let (address, to) = line.trim_end().strip_prefix("# ")?.split_once(LED_TO)?;
    let to = to.parse().ok().filter(Target::is_literal)?;
    Some((address.parse().ok()?, to))
}

/// The first bad lines in one row, and the number of the others.
fn summary(lines: &[BadLine]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = lines.iter().take(SHOWN).map(ToString::to_string).collect();
    match lines.len().saturating_sub(SHOWN) {
        0 => shown.join("; "),
        more => format!("{}; and {more} more bad lines", shown.join("; ")),
    }
}
