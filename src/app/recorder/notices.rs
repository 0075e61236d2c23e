//! Notices in a recorded script: lines that a peer types, and rows that we expect.

use super::Recorder;
use crate::chat::display::RecordingClass;
use crate::chat::{Chat, Direction, Info, Message, Notice, Protocol, RawInfo, Warning};
use crate::script::render::Substitutions;
use crate::text::safe::SafeText;

impl Recorder {
    /// Records a notice that was shown to us.
    pub(crate) fn shown(&mut self, notice: &Notice, chat: &Chat) {
        match notice {
            Notice::Message(message) => self.message(message),
            Notice::Answer(_) | Notice::Table(_) | Notice::History { .. } => self.expect("$**"),
            Notice::Info(info) => {
                self.by_class(info.recording_class(), notice);
                self.info(info, notice, chat);
            }
            Notice::Warning(warning) => {
                if let Warning::ConnectionLost { name, .. } = warning {
                    let label = self.label(name).to_owned();
                    self.line(&format!("@kill {label}"));
                    self.ended(&label);
                    self.expect(&format!("! lost {name}$*"));
                }
                self.by_class(warning.recording_class(), notice);
            }
        }
    }

    fn message(&mut self, message: &Message) {
        let text: Vec<&str> = message.rows.iter().map(SafeText::as_str).collect();
        let text = text.join("\n");
        // Such a message cannot be typed at a prompt.
        if text.trim().is_empty() {
            return;
        }
        let colon = if text.starts_with(':') { ":" } else { "" };
        let typed = Substitutions::default().template(&format!("{colon}{text}"));
        self.line(&format!("{}> {typed}", self.label(&message.name)));
        self.rows(&Notice::Message(message.clone()));
    }

    /// Records what information means besides its rows: actions of peers, new names, varying parts.
    fn info(&mut self, info: &Info, notice: &Notice, chat: &Chat) {
        match info {
            Info::Joined { name, .. } => self.joined(name, Protocol::Native, chat),
            Info::Raw(RawInfo::Joined { name, key, .. }) => {
                if key.is_none() {
                    self.keyless.insert(name.clone());
                }
                self.joined(name, Protocol::Oaep(Direction::Both), chat);
            }
            Info::Left { name } => {
                let label = self.label(name).to_owned();
                self.line(&format!("{label}> :quit"));
                self.ended(&label);
                self.rows(notice);
            }
            Info::Listening { .. } => {
                self.expect("* listening on $*");
                if self.awaiting != Protocol::Native {
                    // The banner of the raw wire.
                    self.expect("$**");
                }
            }
            Info::Safety { name, .. } => {
                self.expect(&format!("* safety number with {name}: $*"));
                self.expect("$**");
            }
            Info::Named { old, name } => {
                if let Some(label) = self.labels.remove(old) {
                    self.labels.insert(name.clone(), label);
                }
            }
            Info::Nick { name } => self.nick.clone_from(name),
            _ => {}
        }
    }

    fn by_class(&mut self, class: RecordingClass<'_>, notice: &Notice) {
        match class {
            RecordingClass::Omitted | RecordingClass::Special => {}
            RecordingClass::Rows => self.rows(notice),
            RecordingClass::RowsAbout(name) if self.labels.contains_key(name) => self.rows(notice),
            RecordingClass::AnyRows | RecordingClass::RowsAbout(_) => self.expect("$**"),
        }
    }

    fn rows(&mut self, notice: &Notice) {
        for row in notice.rows() {
            self.expect(&Substitutions::default().pattern(&row));
        }
    }
}
