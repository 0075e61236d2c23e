//! Exchange of keys for letters in a session (`docs/PROTOCOL.md`, 12.2).

use super::types::{Role, SessionConfig};
use crate::crypto::{ExporterSecret, LetterPair, LetterSide};
use crate::wire::{Letters, Purpose};

/// The secret of the pair, and which of the two keys have passed.
pub(super) struct LetterExchange {
    pub(super) pair: LetterPair,
    pub(super) own_key: Passage,
    pub(super) peer_key: Passage,
}

/// Whether a key has passed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    Due,
    Done,
}

impl LetterExchange {
    /// Exchange of a side, where it can exchange letters.
    pub(super) fn new(role: Role, exporter: &ExporterSecret, config: &SessionConfig) -> Option<Self> {
        let side = match role {
            Role::Initiator => LetterSide::Initiator,
            Role::Responder => LetterSide::Responder,
        };
        let can_exchange = config.letters == Letters::Supported && config.purpose == Purpose::Chat;
        can_exchange.then(|| Self {
            pair: LetterPair::of_session(exporter, side),
            own_key: Passage::Due,
            peer_key: Passage::Due,
        })
    }
}
