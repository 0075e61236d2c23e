//! Handlers of `:copy` and `:save`, which take the exact text of a message out of the chat.

use crate::chat::Chat;
use crate::chat::export::{Export, ExportError, ExportTarget};
use crate::chat::history::Sources;
use crate::chat::io::Effect;
use crate::chat::kept::FoundUse;
use crate::chat::notice::{Info, Message, Warning};
use crate::delivery::HistoryQuery;
use crate::ids::FaceId;
use crate::limits;
use crate::text::safe::SafeText;

impl Chat {
    /// `:copy [N]` and `:save FILE [N]`: the N-th last message, as `:last` counts them.
    pub(crate) fn export(&mut self, to: ExportTarget, number: usize) {
        let count = number.min(limits::HISTORY_MESSAGES);
        let query = HistoryQuery::Last { count, peer: None };
        if !self.look_into_history(query, FoundUse::Export { to: to.clone(), number }) {
            let messages = self.history.last(count, None, Sources::Everywhere);
            self.export_oldest(messages, to, number);
        }
    }

    /// Takes the oldest of the last messages out, if there are as many as were asked for.
    pub(crate) fn export_oldest(&mut self, messages: Vec<Message>, to: ExportTarget, number: usize) {
        let kept = messages.len();
        match messages.into_iter().next().filter(|_| kept == number) {
            Some(message) => {
                let label = match &message.to[..] {
                    [] => format!("message of {}", message.name),
                    to => format!("message to {}", to.join(", ")),
                };
                let face = self.conversations.current_face();
                self.effects.push(Effect::Export(face, Export { to, label, text: message.text }));
            }
            None => self.refuse_line(Warning::FewerMessages { kept }),
        }
    }

    /// Takes the result of an export.
    pub(crate) fn handle_exported(&mut self, face: FaceId, export: &Export, result: Result<(), ExportError>) {
        self.in_face(face, |chat| match result {
            Ok(()) => chat.effects.info(export.done()),
            Err(error) => chat.refuse_line(error.into()),
        });
    }
}

impl Export {
    /// Information that it was taken there.
    pub(crate) fn done(&self) -> Info {
        let (label, bytes) = (self.label.clone(), self.text.len());
        match &self.to {
            ExportTarget::Clipboard => Info::Copied { label, bytes },
            ExportTarget::File(file) => Info::Saved { label, bytes, file: shown(file) },
        }
    }
}

impl From<ExportError> for Warning {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::NoTerminal => Self::NoClipboard,
            ExportError::ProgramAtSocket => Self::NotForPrograms,
            ExportError::NotWritten { file, why } => Self::SaveFailed { file: shown(&file), why },
        }
    }
}

fn shown(file: &str) -> String {
    SafeText::line(file).to_string()
}
