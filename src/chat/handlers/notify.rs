//! When a message calls the person: by name, or always, or never. It knows nothing of bells.

use crate::chat::io::Effect;
use crate::chat::notice::{Info, Message};
use crate::chat::state::Chat;
use crate::peers::name::folded;
use crate::text::safe::SafeText;

/// What `:notify` is set to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notify {
    /// For which messages.
    pub when: NotifyWhen,
    /// What the notification may tell.
    pub content: NotifyContent,
}

/// Which messages call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotifyWhen {
    /// None.
    Never,
    /// Those that have our name as a word.
    Mentioned,
    /// All.
    Always,
}

/// What a notification may tell everybody who sees the desktop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotifyContent {
    /// That there is a message, not from whom.
    Hidden,
    /// Who wrote and what.
    Shown,
}

impl Default for Notify {
    fn default() -> Self {
        Self { when: NotifyWhen::Mentioned, content: NotifyContent::Hidden }
    }
}

impl Chat {
    /// What `:notify` is set to before anybody says otherwise.
    pub fn set_notify(&mut self, notify: Notify) {
        self.notify = notify;
    }

    /// `:notify [WHEN] [--content]`; without arguments says what is set.
    pub(crate) fn notify(&mut self, wanted: Option<Notify>) {
        self.notify = wanted.unwrap_or(self.notify);
        self.info(Info::Notify { set: self.notify });
    }

    /// Calls the person, if this message is one that calls.
    pub(crate) fn alert(&mut self, said: &Message) {
        let calls = match self.notify.when {
            NotifyWhen::Never => false,
            NotifyWhen::Mentioned => said.rows.iter().any(|row| mentions(row, self.own_name.folded())),
            NotifyWhen::Always => true,
        };
        if !calls {
            return;
        }
        let text = match self.notify.content {
            NotifyContent::Hidden => SafeText::line("new message"),
            NotifyContent::Shown => {
                SafeText::line(&format!("{}: {}", said.name, said.rows.first().map_or("", SafeText::as_str)))
            }
        };
        self.effects.push_back(Effect::Alert(text));
    }
}

/// Whether a name stands in a row and is not a part of a longer word. Korean hangs its particles on a name
/// (`앨리스야`), so what follows a name that does not end in ASCII does not matter.
fn mentions(row: &SafeText, name: &str) -> bool {
    let row = folded(row.as_str());
    let loose = !name.ends_with(|c: char| c.is_ascii());
    row.match_indices(name).any(|(at, _)| {
        let before = row.get(..at).and_then(|before| before.chars().next_back());
        let after = row.get(at + name.len()..).and_then(|after| after.chars().next());
        let in_word = |c: char| c.is_alphanumeric() || c == '_';
        !before.is_some_and(in_word) && (loose || !after.is_some_and(|c| in_word(c) && c.is_ascii()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_mentioned_as_a_word_only() {
        let mentions = |row: &str, name: &str| mentions(&SafeText::line(row), &folded(name));
        for row in ["alice", "hi Alice!", "@alice: hi", "ＡＬＩＣＥ", "alice야 안녕"] {
            assert!(mentions(row, "alice"), "{row}");
        }
        for row in ["malice", "alices", "alice2", "", "al ice"] {
            assert!(!mentions(row, "alice"), "{row}");
        }
        assert!(mentions("철수야 안녕", "철수"));
        assert!(!mentions("김철수", "철수"));
    }
}
