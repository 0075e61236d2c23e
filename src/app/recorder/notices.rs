//! What was shown while a session was recorded, as lines of its script. It does not know what was typed.

use super::Recorder;
use crate::chat::{Chat, Direction, Info, Message, Notice, Protocol, RawInfo, Warning};
use crate::script::render::Substitutions;

impl Recorder {
    /// Something was shown to us.
    pub(crate) fn shown(&mut self, notice: &Notice, chat: &Chat) {
        match notice {
            Notice::Message(said) => self.said(said),
            Notice::Answer(_) | Notice::Table(_) | Notice::History { .. } => self.expect("$**"),
            Notice::Info(info) => self.info(info, notice, chat),
            Notice::Warning(trouble) => self.trouble(trouble, notice),
        }
    }

    fn said(&mut self, said: &Message) {
        let text: Vec<&str> = said.rows.iter().map(crate::text::safe::SafeText::as_str).collect();
        let text = text.join("\n");
        // Such a message cannot be typed at a prompt.
        if text.trim().is_empty() {
            return;
        }
        let colon = if text.starts_with(':') { ":" } else { "" };
        let typed = Substitutions::default().template(&format!("{colon}{text}"));
        self.line(&format!("{}> {typed}", self.label(&said.name)));
        for row in Notice::Message(said.clone()).rows() {
            self.expect(&Substitutions::default().pattern(&row));
        }
    }

    fn info(&mut self, info: &Info, notice: &Notice, chat: &Chat) {
        match info {
            Info::Joined { name, .. } => self.joined(name, Protocol::Native, chat),
            Info::Raw(RawInfo::Joined { name, key, .. }) => {
                if key.is_none() {
                    self.keyless.insert(name.clone());
                }
                self.joined(name, Protocol::Oaep(Direction::Both), chat);
            }
            // How a text is cut and when it leaves depends on the other side's key and program.
            Info::Raw(RawInfo::Parts { .. } | RawInfo::Waits { .. } | RawInfo::Answered { .. }) => {
                self.expect("$**");
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
                    // What this wire does not give.
                    self.expect("$**");
                }
            }
            Info::Safety { name, .. } => {
                self.expect(&format!("* safety number with {name}: $*"));
                self.expect("$**");
            }
            Info::Named { old, name } => {
                self.rows_about(old, notice);
                if let Some(label) = self.labels.remove(old) {
                    self.labels.insert(name.clone(), label);
                }
            }
            Info::Nick { name } => {
                self.nick.clone_from(name);
                self.rows(notice);
            }
            Info::Trusted { name }
            | Info::Forgotten { name }
            | Info::Blocked { name }
            | Info::Unblocked { name } => self.rows_about(name, notice),
            // These name a key, a file or an accident, or are for a key that was pressed as well as for a line.
            Info::Accepted { .. }
            | Info::Addressed { .. }
            | Info::Replaced { .. }
            | Info::Logging { .. }
            | Info::LogClosed { .. }
            | Info::HowToLeave
            | Info::NoLog => self.expect("$**"),
            // Of these the call or the command that follows has its own wildcard, or a key was pressed, which no
            // script does.
            Info::MakingKey { .. }
            | Info::StillMaking { .. }
            | Info::KeyMade { .. }
            | Info::KeyFound { .. }
            | Info::KeyKept { .. }
            | Info::KeyCancelled
            | Info::Connecting { .. }
            | Info::ConnectCancelled { .. }
            | Info::PrefaceProgress
            | Info::Raw(RawInfo::Banner)
            | Info::Recording { .. } => {}
            _ => self.rows(notice),
        }
    }

    fn trouble(&mut self, trouble: &Warning, notice: &Notice) {
        match trouble {
            Warning::Lost { name, .. } => {
                let label = self.label(name).to_owned();
                self.line(&format!("@kill {label}"));
                self.ended(&label);
                self.expect(&format!("! lost {name}$*"));
            }
            // Calls that came to nothing: the other side took no part. Damage, floods and the machine's own troubles
            // do not come again, and what cannot be typed in a script was not.
            Warning::Unreachable { .. }
            | Warning::Early { .. }
            | Warning::Ourselves { .. }
            | Warning::Changed { .. }
            | Warning::PinDiffers { .. }
            | Warning::Impostor { .. }
            | Warning::BlockedCaller { .. }
            | Warning::UnknownCaller { .. }
            | Warning::TurnedAway { .. }
            | Warning::TooManyPeers { .. }
            | Warning::OutOfFds { .. }
            | Warning::Suppressed { .. }
            | Warning::Unread { .. }
            | Warning::LineTooLong { .. }
            | Warning::LineNotText { .. }
            | Warning::Book { .. } => {}
            // These hang on files, on the book as it was before, or on how fast a line was.
            Warning::NotReceived { .. }
            | Warning::NotSent { .. }
            | Warning::NoKeyOf { .. }
            | Warning::QueueFull { .. }
            | Warning::KeyExists { .. }
            | Warning::KeyFailed { .. }
            | Warning::KeyUnderway
            | Warning::NoKeyYet
            | Warning::ListenFailed { .. }
            | Warning::AlreadyListening { .. }
            | Warning::LogFailed { .. }
            | Warning::SameName { .. }
            | Warning::NoSuchPeer { .. }
            | Warning::NotRefused { .. } => self.expect("$**"),
            Warning::NotConnected { name }
            | Warning::NotBlocked { name }
            | Warning::StillBlocked { name } => {
                self.rows_about(name, notice);
            }
            _ => self.rows(notice),
        }
    }

    /// The rows of a notice about somebody. Who took no part is not known in the script.
    fn rows_about(&mut self, name: &str, notice: &Notice) {
        if self.labels.contains_key(name) {
            self.rows(notice);
        } else {
            self.expect("$**");
        }
    }

    fn rows(&mut self, notice: &Notice) {
        for row in notice.rows() {
            self.expect(&Substitutions::default().pattern(&row));
        }
    }
}
