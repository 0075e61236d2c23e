//! One line of the peer book, read and written. It knows nothing of the other lines.

use super::{PeerEntry, Trust};
use crate::crypto::FingerprintError;
use crate::peers::address::AddressError;
use crate::peers::name::{Name, NameError};

/// What is wrong with a line of the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EntryError {
    /// It is not UTF-8.
    #[error("not UTF-8")]
    NotText,
    /// Fewer fields than a peer has.
    #[error("too few fields; write NAME FINGERPRINT TRUST ADDRESS,ADDRESS")]
    Short,
    /// More fields than a peer has.
    #[error("too many fields; write addresses with commas and no blanks, comments after #")]
    Long,
    /// The name is none.
    #[error("the name: {0}")]
    Name(NameError),
    /// The fingerprint is none.
    #[error("the fingerprint: {0}")]
    Fingerprint(FingerprintError),
    /// The trust is none.
    #[error("the trust: write unverified, verified or blocked")]
    Trust,
    /// An address is none.
    #[error("an address: {0}")]
    Address(AddressError),
    /// Another line has that key.
    #[error("the key of line {first} again")]
    KeyTwice {
        /// The number of that line.
        first: usize,
    },
    /// Another line has a name that reads like it.
    #[error("the name of line {first} again")]
    NameTwice {
        /// The number of that line.
        first: usize,
    },
    /// Another line, or this one, has that address already.
    #[error("an address of line {first} again")]
    AddressTwice {
        /// The number of that line.
        first: usize,
    },
}

/// The peer of a line; none on a blank or comment line.
pub(crate) fn read(written: &str) -> Result<Option<PeerEntry>, EntryError> {
    let mut fields = body(written).split_whitespace();
    let Some(name) = fields.next() else { return Ok(None) };
    let name = Name::parse(name).map_err(EntryError::Name)?;
    let fingerprint = fields.next().ok_or(EntryError::Short)?.parse().map_err(EntryError::Fingerprint)?;
    let trust = match fields.next().ok_or(EntryError::Short)? {
        "unverified" => Trust::Unverified,
        "verified" => Trust::Verified,
        "blocked" => Trust::Blocked,
        _ => return Err(EntryError::Trust),
    };
    let addresses = fields.next().map_or(Ok(Vec::new()), |list| {
        list.split(',').map(str::parse).collect::<Result<_, _>>().map_err(EntryError::Address)
    })?;
    match fields.next() {
        None => Ok(Some(PeerEntry { name, fingerprint, trust, addresses })),
        Some(_) => Err(EntryError::Long),
    }
}

/// The line of a peer, with a tail from [`tail`].
pub(crate) fn write(peer: &PeerEntry, tail: &str) -> String {
    let trust = peer.trust.word();
    let addresses: Vec<String> = peer.addresses.iter().map(ToString::to_string).collect();
    let gap = if addresses.is_empty() { "" } else { " " };
    format!("{} {} {trust}{gap}{}{tail}", peer.name, peer.fingerprint, addresses.join(","))
}

/// What follows the fields: blanks, comment and line ending, kept when the fields are rewritten.
pub(crate) fn tail(written: &str) -> &str {
    written.get(body(written).trim_end().len()..).unwrap_or_default()
}

/// The line up to its comment. No field can hold a `#`.
fn body(written: &str) -> &str {
    written.split('#').next().unwrap_or_default()
}
