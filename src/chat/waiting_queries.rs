//! Queries about messages of ours that wait for their receivers.

use super::Chat;
use super::types::PeerId;
use crate::crypto::Fingerprint;
use crate::delivery::MessageState;

impl Chat {
    /// Number of our messages that wait for a peer, up to one of them.
    #[must_use]
    pub fn waiting_to(&self, peer: Fingerprint, upto: u64) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.ledger.waiting_upto(peer, upto))
    }

    /// Numbers of the messages of ours that wait for a peer, if messages are kept.
    #[must_use]
    pub fn numbers_waiting_to(&self, peer: Fingerprint) -> Vec<u64> {
        let kept = self.kept.as_ref().into_iter();
        kept.flat_map(|kept| kept.ledger.waiting(peer)).map(|message| message.seq).collect()
    }

    /// Number of those messages whose time passed in this session, of those that count.
    #[must_use]
    pub fn expired_to(&self, peer: Fingerprint, counted: &[u64]) -> usize {
        let expired = self.kept.iter().flat_map(|kept| &kept.expired);
        expired.filter(|(to, number)| *to == peer && counted.contains(number)).count()
    }

    /// Number that the next message of ours to a peer gets.
    #[must_use]
    pub fn next_number_to(&self, peer: Fingerprint) -> u64 {
        self.kept.as_ref().map_or(1, |kept| kept.ledger.next_number(peer))
    }

    /// Highest numbers of ours that a peer has on disk and has shown, while it is connected.
    #[must_use]
    pub fn progress_with(&self, peer: Fingerprint) -> Option<(u64, u64)> {
        self.conversations.open_with(PeerId::Key(peer))?;
        self.kept.as_ref()?.ledger.progress(peer)
    }

    /// Number of those messages that are on the disk of the peer.
    #[must_use]
    pub fn delivered_to(&self, peer: Fingerprint) -> usize {
        let kept = self.kept.as_ref().into_iter();
        let waiting = kept.flat_map(|kept| kept.ledger.waiting(peer));
        waiting.filter(|message| message.state == MessageState::Delivered).count()
    }

    /// Number of the messages for a peer, up to one of them, that are at the relay.
    #[must_use]
    pub fn at_relay_to(&self, peer: Fingerprint, upto: u64) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.ledger.count_at_relay(peer, upto))
    }

    /// Whether letters can be written to a peer: the two have met, and exchanged keys for them.
    #[must_use]
    pub fn can_write_letters_to(&self, peer: Fingerprint) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.ledger.can_write_letter(peer, self.now.unix))
    }

    /// Whether letters for a peer may still get to a relay.
    #[must_use]
    pub fn leaves_letters_for(&self, peer: Fingerprint) -> bool {
        self.relays.may_connect() && self.can_write_letters_to(peer)
    }

    /// The peers that messages of ours wait for.
    #[must_use]
    pub fn peers_waited_for(&self) -> Vec<Fingerprint> {
        let kept = self.kept.iter();
        kept.flat_map(|kept| kept.ledger.peers_waited_for()).collect()
    }
}
