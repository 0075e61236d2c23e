//! Handlers of what another process has written into the book: it holds here at once, and is said.

use std::sync::Arc;

use crate::chat::Chat;
use crate::chat::notice::Info;
use crate::chat::types::{PeerId, TrustLevel};
use crate::crypto::Fingerprint;
use crate::peers::book::{Book, PeerEntry, Trust};
use crate::wire::ByeReason;

impl Chat {
    /// Takes what the book says otherwise than before: another process has written that, except of
    /// keys that a change of ours is about, or a block of ours that is not on disk.
    pub(crate) fn adopt_changes(&mut self, before: &Book, own: &[Fingerprint]) {
        let after = Arc::clone(&self.book);
        let own: Vec<_> = own.iter().chain(self.unsaved_blocks.keys()).copied().collect();
        let is_foreign = |entry: &&PeerEntry| !own.contains(&entry.fingerprint);
        for entry in after.peers().filter(is_foreign) {
            let old = before.by_fingerprint(&entry.fingerprint);
            if old.is_none_or(|old| (&old.name, old.trust) != (&entry.name, entry.trust)) {
                self.adopt_entry(old, entry);
            }
        }
        let is_gone = |entry: &&PeerEntry| after.by_fingerprint(&entry.fingerprint).is_none();
        for entry in before.peers().filter(is_foreign).filter(is_gone) {
            let name = self.names.of(PeerId::Key(entry.fingerprint)).unwrap_or(&entry.name).to_string();
            self.close_key(entry.fingerprint, ByeReason::Leaving);
            self.end_transfers_with(&name, entry.fingerprint);
            self.effects.info(Info::Forgotten { name });
        }
        self.close_blocked();
        self.drop_met();
    }

    fn adopt_entry(&mut self, old: Option<&PeerEntry>, entry: &PeerEntry) {
        let (key, peer) = (entry.fingerprint, PeerId::Key(entry.fingerprint));
        let shown = self.names.of(peer).or(old.map(|old| &old.name)).cloned();
        let is_named = old.is_none_or(|old| old.name != entry.name);
        if let Some(shown) = shown.filter(|_| is_named) {
            let name = Some(entry.name.clone()).filter(|_| self.may_be_shown(entry));
            let name = name.unwrap_or_else(|| self.free_name(&entry.name, peer));
            if name != shown {
                self.show_renamed(key, shown.as_str(), &name);
            }
        }
        let name = self.names.of(peer).unwrap_or(&entry.name).to_string();
        let was = old.map(|old| old.trust);
        if entry.trust.is_blocked() {
            // Of one who is connected it is said with the end of the connection.
            if !was.is_some_and(Trust::is_blocked) && self.conversations.with_peer(peer).next().is_none() {
                self.effects.info(Info::Blocked { name });
            }
            return;
        }
        let trust_level = self.update_trust_level(key);
        if was.is_some_and(Trust::is_blocked) {
            self.effects.info(Info::Unblocked { name, trust_level });
        } else if trust_level == TrustLevel::Verified && was != Some(Trust::Verified) {
            self.effects.info(Info::Trusted { name });
        }
    }
}
