//! The prompt of a conversation: what it says of it, what can be completed, and when it is to be painted anew.
//! It is set before anything that belongs to the same change is shown.

use std::sync::{Arc, Mutex, PoisonError};

use super::render::layout::Layout;
use super::terminal::{Arguments, EditorState, PromptState, Word};
use crate::chat::command::{self, COMMANDS, Completion};
use crate::chat::{Chat, PromptView, TrustLevel};

/// Keeps a terminal's prompt to a chat.
pub(crate) struct Prompting {
    live: Arc<Mutex<EditorState>>,
    /// The prompt as it was last set, and the state of the roster then.
    set: Option<(PromptView, u64)>,
    changed: Changed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Changed {
    Yes,
    No,
}

impl Prompting {
    pub(crate) fn new(live: Arc<Mutex<EditorState>>) -> Self {
        Self { live, set: None, changed: Changed::No }
    }

    /// Sets the prompt, and the column of names, to what holds now.
    pub(crate) fn follow(&mut self, chat: &Chat, form: &mut Layout) {
        let now = (chat.view(), chat.roster());
        if self.set.as_ref() == Some(&now) {
            return;
        }
        let before = self.set.replace(now.clone());
        self.changed = Changed::Yes;
        let (view, roster) = now;
        // Gathered only when somebody came, went or was renamed.
        let people = before.is_none_or(|(_, then)| then != roster).then(|| (chat.names(), chat.present()));
        if let Some((_, present)) = &people {
            form.fit(present.iter().map(String::as_str).chain([view.own_name.as_str()]));
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.state = state(&view);
        live.text_of = if view.addressed.is_some() { text_of } else { |_| None };
        live.form = form.clone();
        if let Some((names, _)) = people {
            live.names = names;
        }
    }

    /// Something is shown: that paints the prompt as it was set before.
    pub(crate) fn shown(&mut self) {
        self.changed = Changed::No;
    }

    /// Whether the prompt changed and nothing that was shown painted it; told once.
    pub(crate) fn is_due(&mut self) -> bool {
        std::mem::replace(&mut self.changed, Changed::No) == Changed::Yes
    }
}

fn state(view: &PromptView) -> PromptState {
    let addressed = view.addressed.as_ref().map(|(name, trust_level)| {
        let mark = match trust_level {
            TrustLevel::Unverified => "?",
            TrustLevel::Verified => "=",
            TrustLevel::Unauthenticated => " raw",
        };
        (name.clone(), mark)
    });
    PromptState { own: view.own_name.clone(), addressed, waiting: view.waiting, unread: view.unread }
}

/// What a typed line says, if it is text.
fn text_of(line: &str) -> Option<String> {
    match command::parse_line(line) {
        Ok(command::ParsedLine::Text(text)) => Some(text),
        _ => None,
    }
}

/// What a terminal begins with.
pub(crate) fn live(view: &PromptView, form: Layout) -> EditorState {
    let words = COMMANDS.iter().map(|entry| Word {
        text: format!(":{}", entry.name),
        usage: entry.usage.to_owned(),
        summary: entry.summary.to_owned(),
        arguments: match entry.completes {
            Completion::Nothing => Arguments::None,
            Completion::Peers => Arguments::Names,
            Completion::CountedPeers => Arguments::CountedNames,
            Completion::Commands => Arguments::Words,
            Completion::Files => Arguments::Files,
            Completion::OneOf(words) => Arguments::Of(words),
        },
    });
    EditorState { state: state(view), words: words.collect(), form, ..EditorState::default() }
}
