//! What a front end needs at a glance: the prompt, who is there, and names to complete.

use super::conversation::{Conversation, Origin};
use super::io::TrustLevel;
use super::state::Chat;

/// The line that stands before the cursor, as values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PromptView {
    /// Our own display name.
    pub own_name: String,
    /// Who plain text goes to: the name and whether that key is verified.
    pub addressed: Option<(String, TrustLevel)>,
    /// Own lines to the addressed peer that it has not shown yet.
    pub waiting: usize,
    /// Messages of others that came while the addressed peer was addressed.
    pub unread: usize,
}

impl Chat {
    /// What stands before the cursor.
    #[must_use]
    pub fn view(&self) -> PromptView {
        let conversation = self.addressed_talk();
        let peer = conversation.and_then(|conversation| conversation.peer.as_ref());
        PromptView {
            own_name: self.own_name.to_string(),
            addressed: peer.map(|peer| (peer.name.clone(), peer.trust_level)),
            waiting: conversation.map_or(0, |conversation| conversation.late(self.now.mono.0)),
            unread: self.conversations.values().map(|conversation| conversation.unread).sum(),
        }
    }

    /// Whether a connected peer is one that we called.
    #[must_use]
    pub fn has_dialled(&self, name: &str) -> bool {
        let dialled = |conversation: &&Conversation| {
            conversation.name() == Some(name) && matches!(conversation.way, Origin::Outbound { .. })
        };
        self.conversations.values().any(|conversation| dialled(&conversation))
    }

    /// Names that can be completed: everybody in the book and everybody connected.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.book.peers().map(|peer| peer.name.to_string()).collect();
        names.extend(
            self.conversations.values().filter_map(|conversation| conversation.name().map(str::to_owned)),
        );
        names.sort();
        names.dedup();
        names
    }

    /// Names of those who are connected.
    #[must_use]
    pub fn present(&self) -> Vec<String> {
        self.conversations
            .values()
            .filter_map(|conversation| conversation.name().map(str::to_owned))
            .collect()
    }

    /// A number that is another one whenever [`Chat::names`] or [`Chat::present`] may be.
    #[must_use]
    pub fn roster(&self) -> u64 {
        self.roster
    }
}
