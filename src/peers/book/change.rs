//! Changes of the peer book, as values that can be applied again.

use super::invitation::KeptInvitation;
use crate::crypto::Fingerprint;
use crate::peers::address::Target;
use crate::peers::invitation::TokenHash;
use crate::peers::name::Name;
use crate::time::UnixMs;

/// Change of the book. Small enough to be applied again to a book that another process has changed
/// meanwhile.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "fields are what their names and types say")]
pub enum Change {
    /// Add a key as unverified if it is new or was only met, under a free name; a known peer keeps
    /// its own. The address moves to it.
    Meet { fingerprint: Fingerprint, name: Name, address: Option<Target> },
    /// Mark a key verified.
    Verify { fingerprint: Fingerprint },
    /// Refuse a key from now on.
    Block { fingerprint: Fingerprint },
    /// End the block of a key, which gives back the trust before it.
    Unblock { fingerprint: Fingerprint },
    /// Remove a key.
    Forget { fingerprint: Fingerprint },
    /// Move an address to a key, from the peer that had it, as the one that was good last.
    Address { fingerprint: Fingerprint, address: Target },
    /// Add an address that the user named for a key, and that nobody has: the last to be tried.
    TryAt { fingerprint: Fingerprint, address: Target },
    /// Drop such an address: somebody else has answered there.
    Untry { fingerprint: Fingerprint, address: Target },
    /// Write down where the name of a host led when its peer answered there.
    Resolve { fingerprint: Fingerprint, address: Target, to: Target },
    /// Rename a peer, with a number if that name, or one like it, is taken.
    Rename { fingerprint: Fingerprint, name: Name },
    /// Note the name that a peer gives itself, which is nobody else's.
    Claim { fingerprint: Fingerprint, claim: Name },
    /// Replace the key of a peer by one that nobody has: unverified, with the same name and
    /// addresses.
    Rekey { fingerprint: Fingerprint, new: Fingerprint },
    /// Keep an invitation that was made `now`, under the first number above all others.
    Invite { invitation: KeptInvitation, now: UnixMs },
    /// Take an invitation back.
    Uninvite { number: u32 },
    /// Mark the invitation with this token used, and add the key of its bearer as [`Change::Meet`]
    /// does, under the name of the invitation or the one that it claims. Unknown if that
    /// invitation is not open.
    Welcome { hash: TokenHash, fingerprint: Fingerprint, claim: Name, now: UnixMs },
}

/// Effect of a [`Change`] on the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum ChangeOutcome {
    /// The book differs from before.
    Changed,
    /// The book already said so.
    Same,
    /// The change is about a key or an invitation that is not in the book, perhaps because another
    /// process forgot it.
    Unknown,
    /// The change is about a blocked key, which only [`Change::Unblock`] may touch.
    Blocked,
}

impl Change {
    /// The key that it is about, if it is about one.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        match self {
            Self::Invite { .. } | Self::Uninvite { .. } => None,
            Self::Meet { fingerprint, .. }
            | Self::Verify { fingerprint }
            | Self::Block { fingerprint }
            | Self::Unblock { fingerprint }
            | Self::Forget { fingerprint }
            | Self::Address { fingerprint, .. }
            | Self::TryAt { fingerprint, .. }
            | Self::Untry { fingerprint, .. }
            | Self::Resolve { fingerprint, .. }
            | Self::Rename { fingerprint, .. }
            | Self::Claim { fingerprint, .. }
            | Self::Rekey { fingerprint, .. }
            | Self::Welcome { fingerprint, .. } => Some(*fingerprint),
        }
    }
}
