//! Text output of the prompt: laid out notices, the bell, and repaints of the prompt.

use crate::app::clock::unix_ms;
use crate::chat::{Chat, Notice};
use crate::text::safe::SafeText;
use crate::time::UnixMs;
use crate::ui::prompt_sync::PromptSync;
use crate::ui::render::bell::Bell;
use crate::ui::render::layout::{Layout, OutputMode};
use crate::ui::render::size::size;

/// Encoder of text for a person.
pub(crate) struct Person {
    layout: Layout,
    bell: Bell,
    /// Sequence of the bell, which goes out with the next notice.
    pending_bell: String,
    prompt: Option<PromptSync>,
}

impl Person {
    /// Output with a prompt if lines are edited.
    pub(crate) fn new(layout: Layout, prompt: Option<PromptSync>) -> Self {
        Self { layout, bell: Bell::new(), pending_bell: String::new(), prompt }
    }

    pub(crate) fn notice(&mut self, notice: &Notice) -> String {
        let mut text = std::mem::take(&mut self.pending_bell);
        text.push_str(&self.layout.render(notice, UnixMs(unix_ms()), size()));
        if let Some(prompt) = &mut self.prompt {
            prompt.mark_painted();
        }
        text
    }

    pub(crate) fn update(&mut self, chat: &Chat) {
        if let Some(prompt) = &mut self.prompt {
            prompt.update(chat, &mut self.layout);
        }
    }

    /// An empty text if the prompt is to be repainted.
    pub(crate) fn take_repaint(&mut self) -> Option<String> {
        self.prompt.as_mut().is_some_and(PromptSync::take_needs_repaint).then(String::new)
    }

    pub(crate) fn ring(&mut self, text: &SafeText) {
        if self.layout.mode == OutputMode::Screen {
            self.pending_bell = self.bell.ring(text, UnixMs(unix_ms())).unwrap_or_default();
        }
    }
}
