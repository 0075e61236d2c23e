//! Notice of a change of the book: what is to be said, and done, once it is on disk or has failed.

use crate::crypto::Fingerprint;
use crate::ids::ConnId;
use crate::peers::book::KeptInvitation;
use crate::peers::invitation::Invitation;
use crate::peers::name::Name;

/// Notice of a change of the book, due once the change is on disk or has failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ChangeReply {
    /// A peer that has joined is remembered.
    Remembered {
        name: String,
        fingerprint: Fingerprint,
    },
    Verified {
        name: String,
        fingerprint: Fingerprint,
    },
    /// The new key of a peer is accepted.
    Rekeyed {
        name: String,
        old: Fingerprint,
        fingerprint: Fingerprint,
    },
    /// The address with a changed key is that of another known peer.
    AddressMoved {
        name: String,
        address: String,
        fingerprint: Fingerprint,
    },
    Forgotten {
        name: String,
        fingerprint: Fingerprint,
    },
    Blocked {
        name: String,
        fingerprint: Fingerprint,
    },
    Unblocked {
        name: String,
        fingerprint: Fingerprint,
    },
    Named {
        old: String,
        name: Name,
        fingerprint: Fingerprint,
    },
    /// A peer that was only met is chosen.
    Chosen {
        name: String,
        fingerprint: Fingerprint,
    },
    /// An invitation was made.
    Invited(Box<MadeInvitation>),
    /// An invitation was taken back.
    Uninvited {
        number: u32,
    },
    /// The bearer of an invitation of ours, who waits in the lobby, is to be admitted.
    Welcomed {
        conn: ConnId,
        fingerprint: Fingerprint,
    },
    /// Letters can be written to the maker of an invitation, who is not there.
    Writable(Box<Invitation>),
    /// The bearer of an invitation of ours has written a letter.
    WelcomedByLetter {
        fingerprint: Fingerprint,
    },
    /// A stranger in the lobby is to be admitted, at the wish of the user.
    Admitted {
        conn: ConnId,
        number: u32,
        fingerprint: Fingerprint,
    },
    /// What nobody asked for and is not told: the name that a peer gives itself, an address to try.
    Unasked,
    /// Blocks of these keys, whose writing had failed, once more.
    Retried {
        blocks: Vec<Fingerprint>,
    },
}

/// Invitation that was just made, as its maker is shown it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MadeInvitation {
    /// The invitation itself.
    pub invitation: Invitation,
    /// What is kept of it.
    pub kept: KeptInvitation,
    /// Time for which it is open, in milliseconds.
    pub open_ms: u64,
}

impl ChangeReply {
    /// Keys that the change is about.
    pub(crate) fn keys(&self) -> Vec<Fingerprint> {
        match self {
            Self::Rekeyed { old, fingerprint, .. } => vec![*old, *fingerprint],
            Self::Remembered { fingerprint, .. }
            | Self::Verified { fingerprint, .. }
            | Self::AddressMoved { fingerprint, .. }
            | Self::Forgotten { fingerprint, .. }
            | Self::Blocked { fingerprint, .. }
            | Self::Unblocked { fingerprint, .. }
            | Self::Named { fingerprint, .. }
            | Self::Chosen { fingerprint, .. }
            | Self::Welcomed { fingerprint, .. }
            | Self::WelcomedByLetter { fingerprint }
            | Self::Admitted { fingerprint, .. } => vec![*fingerprint],
            Self::Retried { blocks } => blocks.clone(),
            Self::Writable(invitation) => vec![invitation.key],
            Self::Unasked | Self::Invited(_) | Self::Uninvited { .. } => Vec::new(),
        }
    }

    /// Keys that the change blocks.
    pub(crate) fn blocks(&self) -> &[Fingerprint] {
        match self {
            Self::Blocked { fingerprint, .. } => std::slice::from_ref(fingerprint),
            Self::Retried { blocks } => blocks,
            _ => &[],
        }
    }
}
