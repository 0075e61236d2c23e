//! The terminal's title, where somebody asked for it: whom one addresses and how much of others is unread. Never
//! a word of what was said: a title stands in lists of windows, and on screens that are shared.

use super::PromptState;
use crate::config::Title;
use crate::text::safe::SafeText;

/// Puts the title that was there on the terminal's stack (xterm's XTWINOPS 22).
const PUSH: &str = "\x1b[22;2t";
/// Empties the title, for terminals without a stack, and takes the old one back (XTWINOPS 23).
const POP: &str = "\x1b]2;\x1b\\\x1b[23;2t";

/// The title as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TitleBar {
    /// Nobody asked for it, or the terminal has none.
    Absent,
    /// It is that of whoever had the terminal before.
    Theirs,
    /// It is ours.
    Ours(String),
}

impl TitleBar {
    /// Where it is asked for, on a terminal that the environment names.
    pub(crate) fn of_terminal(wanted: Title) -> Self {
        // The console has no title, and old ones print what they do not know.
        let console = std::env::var("TERM").is_ok_and(|term| term == "linux");
        if wanted == Title::Kept && !console { Self::Theirs } else { Self::Absent }
    }

    /// The bytes that make it what the prompt says, if it is something else.
    pub(crate) fn change(&mut self, state: &PromptState) -> Option<String> {
        let title = written(state);
        let push = match self {
            Self::Absent => return None,
            Self::Ours(shown) if *shown == title => return None,
            Self::Ours(_) => "",
            Self::Theirs => PUSH,
        };
        let bytes = format!("{push}\x1b]2;{title}\x1b\\");
        *self = Self::Ours(title);
        Some(bytes)
    }

    /// The bytes that give back the title that was there before ours.
    pub(crate) fn give_back(&mut self) -> &'static str {
        match self {
            Self::Absent | Self::Theirs => "",
            Self::Ours(_) => {
                *self = Self::Theirs;
                POP
            }
        }
    }
}

fn written(state: &PromptState) -> String {
    let peer = state.addressed.as_ref().map(|(name, _)| format!(": {name}")).unwrap_or_default();
    let unread = if state.unread == 0 { String::new() } else { format!(" ({})", state.unread) };
    // A name is safe by itself; this is the last moment to be sure of it.
    SafeText::line(&format!("rsachat{peer}{unread}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(addressed: Option<&str>, unread: usize) -> PromptState {
        let addressed = addressed.map(|name| (name.to_owned(), "?"));
        PromptState { own: "alice".to_owned(), addressed, waiting: 3, unread }
    }

    #[test]
    fn a_title_is_pushed_once_changed_when_it_differs_and_given_back() {
        let mut bar = TitleBar::Theirs;
        assert_eq!(bar.give_back(), "", "what was never ours is left alone");
        assert_eq!(bar.change(&state(None, 0)).unwrap(), format!("{PUSH}\x1b]2;rsachat\x1b\\"));
        assert_eq!(bar.change(&state(Some("밥"), 2)).unwrap(), "\x1b]2;rsachat: 밥 (2)\x1b\\");
        assert_eq!(bar.change(&state(Some("밥"), 2)), None);
        assert_eq!((bar.give_back(), bar.give_back()), (POP, ""));
        assert!(bar.change(&state(Some("밥"), 2)).unwrap().starts_with(PUSH), "and after Ctrl-Z anew");
        assert_eq!(TitleBar::of_terminal(Title::Untouched).change(&state(None, 0)), None);
    }

    #[test]
    fn a_title_cannot_be_left_by_a_name() {
        let mut bar = TitleBar::Ours(String::new());
        let bytes = bar.change(&state(Some("a\x1b\\\x07b"), 0)).unwrap();
        assert_eq!(bytes, "\x1b]2;rsachat: a\\u{1b}\\\\u{7}b\x1b\\");
    }
}
