//! What a front end needs at a glance: the prompt, who is there, and names to complete.

use super::conversation::{Talk, Way};
use super::io::Assurance;
use super::state::Chat;

/// The line that stands before the cursor, as values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// Our own display name.
    pub own_name: String,
    /// Who plain text goes to: the name and whether that key is verified.
    pub addressed: Option<(String, Assurance)>,
    /// Own lines to the addressed peer that it has not shown yet.
    pub waiting: usize,
    /// Messages of others that came while the addressed peer was addressed.
    pub unread: usize,
}

impl Chat {
    /// What stands before the cursor.
    #[must_use]
    pub fn view(&self) -> View {
        let talk = self.addressed_talk();
        let partner = talk.and_then(|talk| talk.partner.as_ref());
        View {
            own_name: self.own_name.to_string(),
            addressed: partner.map(|partner| (partner.name.clone(), partner.assurance)),
            waiting: talk.map_or(0, |talk| talk.late(self.now.mono_ms)),
            unread: self.talks.values().map(|talk| talk.unread).sum(),
        }
    }

    /// Whether a connected peer is one that we called.
    #[must_use]
    pub fn has_dialled(&self, name: &str) -> bool {
        let dialled = |talk: &&Talk| talk.name() == Some(name) && matches!(talk.way, Way::Dialled { .. });
        self.talks.values().any(|talk| dialled(&talk))
    }

    /// Names that can be completed: everybody in the book and everybody connected.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.book.peers().map(|peer| peer.name.to_string()).collect();
        names.extend(self.talks.values().filter_map(|talk| talk.name().map(str::to_owned)));
        names.sort();
        names.dedup();
        names
    }

    /// Names of those who are connected.
    #[must_use]
    pub fn present(&self) -> Vec<String> {
        self.talks.values().filter_map(|talk| talk.name().map(str::to_owned)).collect()
    }

    /// A number that is another one whenever [`Chat::names`] or [`Chat::present`] may be.
    #[must_use]
    pub fn roster(&self) -> u64 {
        self.roster
    }
}
