//! Synchronisation of the line editor's prompt with the conversation.
//!
//! The prompt is set before anything that belongs to the same change is shown.

use std::sync::Arc;

use super::render::layout::Layout;
use super::terminal::EditorShared;
use crate::chat::{Chat, PromptView};

/// Keeps the prompt of an editor up to date.
pub(crate) struct PromptSync {
    editor: Arc<EditorShared>,
    /// The prompt as it was last set, and the version of the roster then.
    last: Option<(PromptView, u64)>,
    needs_repaint: bool,
}

impl PromptSync {
    pub(crate) fn new(editor: Arc<EditorShared>) -> Self {
        Self { editor, last: None, needs_repaint: false }
    }

    /// Sets the prompt, the names to complete and the column of names.
    pub(crate) fn update(&mut self, chat: &Chat, layout: &mut Layout) {
        let (view, roster) = (chat.view(), chat.roster());
        let last = self.last.replace((view.clone(), roster));
        if last == self.last {
            return;
        }
        self.needs_repaint = true;
        let mut state = self.editor.state();
        // Gathered only when somebody came, went or was renamed.
        if last.is_none_or(|(_, last)| last != roster) {
            let present = chat.present();
            layout.fit_column(present.iter().map(String::as_str).chain([view.own_name.as_str()]));
            state.vocabulary.names = chat.names();
        }
        state.prompt = view;
        state.layout = layout.clone();
    }

    /// Takes note that a notice was shown, which paints the prompt.
    pub(crate) fn mark_painted(&mut self) {
        self.needs_repaint = false;
    }

    /// Whether the prompt changed and no notice has painted it since the last call.
    pub(crate) fn take_needs_repaint(&mut self) -> bool {
        std::mem::take(&mut self.needs_repaint)
    }
}
