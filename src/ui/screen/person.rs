//! What a person is shown: rows in their form, calls for attention, and a prompt that keeps to the chat.

use crate::app::clock::unix_ms;
use crate::chat::{Chat, Notice};
use crate::text::safe::SafeText;
use crate::ui::prompt_sync::Prompting;
use crate::ui::render::bell::Bell;
use crate::ui::render::layout::{Layout, OutputMode};
use crate::ui::render::size::size;

/// The form of everything that a person is shown.
pub(crate) struct Person {
    form: Layout,
    alerts: Bell,
    /// What rings with the next notice.
    call: String,
    prompt: Option<Prompting>,
}

impl Person {
    /// With a prompt if lines are edited, which follows the chat from now on.
    pub(crate) fn new(form: Layout, prompt: Option<Prompting>) -> Self {
        Self { form, alerts: Bell::of_terminal(), call: String::new(), prompt }
    }

    /// A notice, dated by the wall clock.
    pub(crate) fn notice(&mut self, notice: &Notice) -> String {
        let mut text = std::mem::take(&mut self.call);
        text.push_str(&self.form.shown(notice, unix_ms(), size()));
        if let Some(prompt) = &mut self.prompt {
            prompt.shown();
        }
        text
    }

    pub(crate) fn follow(&mut self, chat: &Chat) {
        if let Some(prompt) = &mut self.prompt {
            prompt.follow(chat, &mut self.form);
        }
    }

    /// Nothing to write, if the line that is being typed is to be painted anew all the same.
    pub(crate) fn repaint(&mut self) -> Option<String> {
        self.prompt.as_mut().is_some_and(Prompting::is_due).then(String::new)
    }

    /// The call goes out together with what is shown next.
    pub(crate) fn alert(&mut self, text: &SafeText) {
        if self.form.looks == OutputMode::Screen {
            self.call = self.alerts.ring(text, unix_ms()).unwrap_or_default();
        }
    }
}
