//! Notification policy: which messages notify the user, and what the notification says.

use super::notice::Message;
use super::types::{NotifyContent, NotifyPolicy, NotifyWhen};
use crate::peers::name::{Name, folded};
use crate::text::safe::SafeText;

impl NotifyPolicy {
    /// Text of the notification for a message, if there is to be one.
    pub(crate) fn notification(self, message: &Message, own_name: &Name) -> Option<SafeText> {
        let notifies = match self.when {
            NotifyWhen::Never => false,
            NotifyWhen::Mentioned => message.rows.iter().any(|row| mentions(row, own_name.folded())),
            NotifyWhen::Always => true,
        };
        notifies.then(|| match self.content {
            NotifyContent::Hidden => SafeText::line("new message"),
            NotifyContent::Shown => {
                let first = message.rows.first().map_or("", SafeText::as_str);
                SafeText::line(&format!("{}: {first}", message.name))
            }
        })
    }
}

/// Whether a name stands in a row and is not a part of a longer word. Korean joins its particles to
/// a name (`앨리스야`), so what follows a name that does not end in ASCII does not matter.
fn mentions(row: &SafeText, name: &str) -> bool {
    let row = folded(row.as_str());
    let takes_particles = !name.ends_with(|c: char| c.is_ascii());
    row.match_indices(name).any(|(at, _)| {
        let before = row.get(..at).and_then(|before| before.chars().next_back());
        let after = row.get(at + name.len()..).and_then(|after| after.chars().next());
        let in_word = |c: char| c.is_alphanumeric() || c == '_';
        !before.is_some_and(in_word)
            && (takes_particles || !after.is_some_and(|c| in_word(c) && c.is_ascii()))
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

    #[test]
    fn a_notification_says_as_much_as_its_policy_and_comes_for_what_it_is_set_to() {
        let message = super::super::history::said_by_bob("alice?\nsecond row");
        let own = Name::parse("alice").unwrap();
        let of = |when, content, own| {
            let policy = NotifyPolicy { when, content };
            policy.notification(&message, own).map(|text| text.as_str().to_owned())
        };
        let other = Name::parse("carol").unwrap();
        assert_eq!(of(NotifyWhen::Never, NotifyContent::Shown, &own), None);
        assert_eq!(of(NotifyWhen::Mentioned, NotifyContent::Shown, &other), None);
        let shown = of(NotifyWhen::Mentioned, NotifyContent::Shown, &own);
        assert_eq!(shown.as_deref(), Some("bob: alice?"));
        assert_eq!(of(NotifyWhen::Always, NotifyContent::Hidden, &other).as_deref(), Some("new message"));
    }
}
