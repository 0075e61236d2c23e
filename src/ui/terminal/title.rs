//! Title of the terminal (OSC 2, XTWINOPS): the addressed peer and the number of unread messages.
//!
//! Never a word of a message: a title stands in lists of windows, and on screens that are shared.

use crate::chat::PromptView;
use crate::config::Title;
use crate::text::safe::SafeText;

/// Pushes the title that was there onto the terminal's stack (XTWINOPS 22).
const PUSH: &str = "\x1b[22;2t";
/// Empties the title, for terminals without a stack, and pops the old one (XTWINOPS 23).
const POP: &str = "\x1b]2;\x1b\\\x1b[23;2t";

/// The title as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TitleBar {
    /// Not asked for, or the terminal has none.
    Disabled,
    /// As it was before this program.
    Original,
    /// Set to this text.
    Set(String),
}

impl TitleBar {
    pub(crate) fn new(setting: Title) -> Self {
        // The console has no title, and old ones print what they do not know.
        let console = std::env::var("TERM").is_ok_and(|term| term == "linux");
        if setting == Title::Kept && !console { Self::Original } else { Self::Disabled }
    }

    /// The sequence that sets the title to that of a prompt, if it is another one.
    pub(crate) fn update(&mut self, prompt: &PromptView) -> Option<String> {
        let title = title_of(prompt);
        let push = match self {
            Self::Disabled => return None,
            Self::Set(shown) if *shown == title => return None,
            Self::Set(_) => "",
            Self::Original => PUSH,
        };
        let sequence = format!("{push}\x1b]2;{title}\x1b\\");
        *self = Self::Set(title);
        Some(sequence)
    }

    /// The sequence that restores the original title.
    pub(crate) fn restore(&mut self) -> &'static str {
        match self {
            Self::Disabled | Self::Original => "",
            Self::Set(_) => {
                *self = Self::Original;
                POP
            }
        }
    }
}

fn title_of(prompt: &PromptView) -> String {
    let peer = prompt.addressed.as_ref().map(|(name, _)| format!(": {name}")).unwrap_or_default();
    let unread = if prompt.unread == 0 { String::new() } else { format!(" ({})", prompt.unread) };
    // A name is safe by itself; this is the last moment to be sure of it.
    SafeText::line(&format!("rsachat{peer}{unread}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(addressed: Option<&str>, unread: usize) -> PromptView {
        let addressed = addressed.map(|name| (name.to_owned(), crate::chat::TrustLevel::Unverified));
        PromptView { own_name: "alice".to_owned(), addressed, waiting: 3, unread }
    }

    #[test]
    fn a_title_is_pushed_once_changed_when_it_differs_and_given_back() {
        let mut bar = TitleBar::Original;
        assert_eq!(bar.restore(), "", "a title that was never set is left alone");
        assert_eq!(bar.update(&prompt(None, 0)).unwrap(), format!("{PUSH}\x1b]2;rsachat\x1b\\"));
        assert_eq!(bar.update(&prompt(Some("밥"), 2)).unwrap(), "\x1b]2;rsachat: 밥 (2)\x1b\\");
        assert_eq!(bar.update(&prompt(Some("밥"), 2)), None);
        assert_eq!((bar.restore(), bar.restore()), (POP, ""));
        assert!(bar.update(&prompt(Some("밥"), 2)).unwrap().starts_with(PUSH), "and after Ctrl-Z anew");
        assert_eq!(TitleBar::new(Title::Untouched).update(&prompt(None, 0)), None);
    }

    #[test]
    fn a_title_cannot_be_left_by_a_name() {
        let mut bar = TitleBar::Set(String::new());
        let bytes = bar.update(&prompt(Some("a\x1b\\\x07b"), 0)).unwrap();
        assert_eq!(bytes, "\x1b]2;rsachat: a\\u{1b}\\\\u{7}b\x1b\\");
    }
}
