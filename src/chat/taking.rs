//! Rules by which files that peers offer are accepted without a user.

use crate::crypto::Fingerprint;
use crate::peers::book::{Book, Trust};
use crate::wire::Offer;

/// Rules of a chat. The first one that is about a peer decides.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TakeRules {
    /// The rules.
    pub rules: Vec<TakeRule>,
    /// What becomes of an offer that none of them accepts.
    pub others: OtherOffers,
}

/// Rule about what peers offer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakeRule {
    /// Whose offers are accepted.
    pub from: TakenFrom,
    /// Bytes of an offer, at most.
    pub most: Option<u64>,
    /// Folder where it goes; none: that of files that are accepted without a place.
    pub folder: Option<String>,
}

/// Peers of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TakenFrom {
    /// Everybody who is let in at all.
    Everybody,
    /// One peer of the book.
    Peer {
        /// Its name there, or its fingerprint.
        name: String,
        /// What its key has to be there.
        least: LeastTrust,
    },
}

/// What the key of a peer has to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeastTrust {
    /// Verified.
    Verified,
    /// Of a peer that the user chose.
    Chosen,
}

/// What becomes of an offer that no rule accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OtherOffers {
    /// It waits for a user.
    #[default]
    Wait,
    /// It is refused: there is no user.
    Refuse,
}

/// What the rules say of an offer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It is accepted, into this folder.
    Accept(Option<String>),
    /// It has more bytes than these.
    TooLarge(u64),
    /// They say nothing.
    None,
}

impl TakeRules {
    /// What they say of an offer of a peer.
    pub(crate) fn verdict(&self, book: &Book, peer: Fingerprint, offer: &Offer) -> Verdict {
        let is_about = |from: &TakenFrom| match from {
            TakenFrom::Everybody => true,
            TakenFrom::Peer { name, least } => book.find(name).is_some_and(|entry| {
                let is_trusted = match least {
                    LeastTrust::Verified => entry.trust == Trust::Verified,
                    LeastTrust::Chosen => matches!(entry.trust, Trust::Verified | Trust::Unverified),
                };
                entry.fingerprint == peer && is_trusted
            }),
        };
        match self.rules.iter().find(|rule| is_about(&rule.from)) {
            Some(TakeRule { most: Some(most), .. }) if offer.total > *most => Verdict::TooLarge(*most),
            Some(rule) => Verdict::Accept(rule.folder.clone()),
            None => Verdict::None,
        }
    }
}
