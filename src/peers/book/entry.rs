//! Entry of the peer book: a known peer, and the one line that it is written in.

use crate::crypto::{Fingerprint, FingerprintError};
use crate::peers::address::{AddressError, Target};
use crate::peers::name::{Name, NameError};

/// Degree to which a key is trusted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Trust {
    /// Called, and was not chosen: rows of books from before the second format that have no
    /// address.
    Met,
    /// Remembered from the first connection; nobody compared anything.
    Unverified,
    /// The user compared the safety number, or named the fingerprint.
    Verified,
    /// Refused from now on; unverified before.
    Blocked,
    /// Refused from now on; verified before.
    BlockedVerified,
}

impl Trust {
    const ALL: [Self; 5] =
        [Self::Met, Self::Unverified, Self::Verified, Self::Blocked, Self::BlockedVerified];

    /// The word for it in the file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::BlockedVerified => "blocked-verified",
            other => other.standing(),
        }
    }

    /// The word for it in tables: what a peer was before a block does not count while it holds.
    #[must_use]
    pub fn standing(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Unverified => "unverified",
            Self::Verified => "verified",
            Self::Blocked | Self::BlockedVerified => "blocked",
        }
    }

    /// Whether the key is refused.
    #[must_use]
    pub fn is_blocked(self) -> bool {
        matches!(self, Self::Blocked | Self::BlockedVerified)
    }

    /// The same with a block.
    #[must_use]
    pub fn blocked(self) -> Self {
        match self {
            Self::Met | Self::Unverified | Self::Blocked => Self::Blocked,
            Self::Verified | Self::BlockedVerified => Self::BlockedVerified,
        }
    }

    /// The same without a block.
    #[must_use]
    pub fn unblocked(self) -> Self {
        match self {
            Self::Met => Self::Met,
            Self::Unverified | Self::Blocked => Self::Unverified,
            Self::Verified | Self::BlockedVerified => Self::Verified,
        }
    }
}

/// Known peer. There is one for each key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerEntry {
    /// The user's name for it; no two peers have names that read alike.
    pub name: Name,
    /// Its key.
    pub fingerprint: Fingerprint,
    /// How far the key is trusted.
    pub trust: Trust,
    /// Addresses at which it was dialled, the one that was good last at the end; none belongs to
    /// two peers.
    pub addresses: Vec<Target>,
    /// Addresses that the user named for it and where nobody has answered: another who does there
    /// is not taken for it.
    pub tried: Vec<Target>,
    /// Name that it last gave itself, where that is another.
    pub claim: Option<Name>,
}

/// Mark of an address where nobody has answered.
const TRIED: char = '?';

/// Mark of the claim, in the comment of a line: programs from before leave comments as they are.
const CLAIMS: &str = "claims ";

/// Error in a line of the book. `first` is the number of the earlier line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is its sentence")]
pub enum EntryError {
    #[error("not UTF-8")]
    NotText,
    #[error("UTF-16 text; save the book as UTF-8")]
    Utf16,
    #[error("too few fields; write NAME FINGERPRINT TRUST ADDRESS,ADDRESS")]
    Short,
    #[error("too many fields; write addresses with commas and no blanks, comments after #")]
    Long,
    #[error("the name: {0}")]
    Name(NameError),
    #[error("the fingerprint: {0}")]
    Fingerprint(FingerprintError),
    #[error("the trust: write unverified, verified or blocked")]
    Trust,
    #[error("an address: {0}")]
    Address(AddressError),
    #[error("the same key as in line {first}")]
    KeyTwice { first: usize },
    #[error("the same name as in line {first}")]
    NameTwice { first: usize },
    #[error("the same address as in line {first}")]
    AddressTwice { first: usize },
    #[error("the line does not end with a newline, so part of it may be missing; add one")]
    Unended,
}

impl PeerEntry {
    /// Reads the peer of a line; none on a blank or comment line.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, EntryError> {
        let mut fields = body(line).split_whitespace();
        let Some(name) = fields.next() else { return Ok(None) };
        let name = Name::parse_local(name).map_err(EntryError::Name)?;
        let fingerprint = fields.next().ok_or(EntryError::Short)?.parse().map_err(EntryError::Fingerprint)?;
        let word = fields.next().ok_or(EntryError::Short)?;
        let trust = Trust::ALL.into_iter().find(|level| level.word() == word).ok_or(EntryError::Trust)?;
        let list = fields.next().into_iter().flat_map(|list| list.split(','));
        let (tried, addresses): (Vec<_>, Vec<_>) = list.partition(|address| address.starts_with(TRIED));
        let parse = |list: Vec<&str>| {
            let targets =
                list.into_iter().map(|address| Target::from_word(address.trim_start_matches(TRIED)));
            targets.collect::<Result<_, _>>().map_err(EntryError::Address)
        };
        let (tried, addresses) = (parse(tried)?, parse(addresses)?);
        match fields.next() {
            None => {
                let claim = claim(line).map(|(claim, _)| claim);
                Ok(Some(Self { name, fingerprint, trust, addresses, tried, claim }))
            }
            Some(_) => Err(EntryError::Long),
        }
    }

    /// The line of this peer, with a tail from [`tail`].
    pub(super) fn to_line(&self, tail: &str) -> String {
        let addresses = self.written_addresses();
        let gap = if addresses.is_empty() { "" } else { " " };
        let (name, trust, addresses) = (&self.name, self.trust.word(), addresses.join(","));
        let claim = self.claim.as_ref().map(|claim| format!(" # {CLAIMS}{claim}")).unwrap_or_default();
        format!("{name} {} {trust}{gap}{addresses}{claim}{tail}", self.fingerprint)
    }

    /// Its addresses as they stand in the line: those where nobody has answered first, marked.
    fn written_addresses(&self) -> Vec<String> {
        let tried = self.tried.iter().map(|address| format!("{TRIED}{}", address.to_word()));
        tried.chain(self.addresses.iter().map(Target::to_word)).collect()
    }

    /// The same as they are shown: without the passwords of proxies.
    #[must_use]
    pub fn shown_addresses(&self) -> Vec<String> {
        let tried = self.tried.iter().map(|address| format!("{TRIED}{}", address.shown()));
        tried.chain(self.addresses.iter().map(Target::shown)).collect()
    }

    /// Addresses at which it is called: the one that was good last first, and those where nobody
    /// has answered last.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.addresses.iter().rev().chain(self.tried.iter().rev())
    }

    /// The name that it last gave itself.
    #[must_use]
    pub fn claimed(&self) -> &Name {
        self.claim.as_ref().unwrap_or(&self.name)
    }

    /// Which of its names another looks like: the user's, or the one that it gives itself.
    #[must_use]
    pub fn name_like(&self, name: &Name) -> &Name {
        if self.name.looks_like(name) { &self.name } else { self.claimed() }
    }

    /// Notes the name that it gives itself.
    pub(super) fn set_claim(&mut self, claim: &Name) {
        // What would not be read again is not written.
        let is_another = *claim != self.name && Name::parse(claim.as_str()).is_ok();
        self.claim = is_another.then(|| claim.clone());
    }

    /// Gives it another name. Who was dialled had the one that it gave itself.
    pub(super) fn rename(&mut self, name: Name) {
        let was_dialled = !self.addresses.is_empty();
        let implied = was_dialled.then(|| Name::parse(self.name.as_str()).ok()).flatten();
        let claim = self.claim.take().or(implied);
        self.name = name;
        self.claim = claim.filter(|claim| *claim != self.name);
    }

    /// What a quick reader sees of its names.
    pub(super) fn shapes(&self) -> Vec<String> {
        let mut shapes: Vec<_> = self.name.shapes().into_iter().collect();
        for shape in self.claim.iter().flat_map(Name::shapes) {
            if !shapes.contains(&shape) {
                shapes.push(shape);
            }
        }
        shapes
    }
}

/// The claim in a line, and what stands behind it.
fn claim(line: &str) -> Option<(Name, &str)> {
    let (_, comment) = line.split_once('#')?;
    let rest = comment.trim_start().strip_prefix(CLAIMS)?.trim_start();
    let end = rest.find(|c: char| c.is_whitespace() || c == '#').unwrap_or(rest.len());
    let (name, behind) = rest.split_at_checked(end)?;
    let after = behind.trim_start_matches([' ', '\t']);
    // A sentence that begins so is the user's.
    let is_claim = after.is_empty() || after.starts_with(['#', '\r', '\n']);
    Some((Name::parse(name).ok().filter(|_| is_claim)?, behind))
}

/// Blanks, comment and line ending behind the fields and the claim, which are kept when those are
/// rewritten.
pub(super) fn tail(line: &str) -> &str {
    if let Some((_, behind)) = claim(line) {
        return behind;
    }
    line.get(body(line).trim_end().len()..).unwrap_or_default()
}

/// The line up to its comment. No field can hold a `#`.
fn body(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}
