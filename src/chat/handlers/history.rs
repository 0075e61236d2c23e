//! Handlers of message history and log: `:last`, `:search`, `:log`, and the record of our own
//! messages.

use crate::chat::Chat;
use crate::chat::command::LogTarget;
use crate::chat::history::Acquaintance;
use crate::chat::io::{Effect, SentMessage};
use crate::chat::notice::{Info, Message, Notice, Warning};
use crate::chat::types::{PeerId, TrustLevel};
use crate::ids::ConnId;
use crate::text::safe::SafeText;
use crate::wire::Lifetime;

/// Messages that `:search` lists at most.
const SEARCH_ROWS: usize = 50;

impl Chat {
    /// Records a text of ours that was accepted for a peer: it can be found again, and a log may
    /// want it.
    pub(crate) fn record_own(&mut self, conn: ConnId, text: &str, number: u64) -> Option<Message> {
        let peer = self.conversations.peer_of(conn)?;
        let message = Message {
            name: self.account.name.to_string(),
            to: vec![peer.name.to_string()],
            fingerprint: self.account.fingerprint(),
            trust_level: match peer.id {
                PeerId::Key(_) => TrustLevel::Verified,
                PeerId::Conn(_) => TrustLevel::Unauthenticated,
            },
            lifetime: Lifetime::Lasting,
            arrived: self.now.unix,
            sent: self.now.unix,
            rows: SafeText::rows(text),
            text: text.into(),
            number: self.history.next_number(),
        };
        // What we say counts against nobody else.
        self.history.push(peer.id, Acquaintance::Chosen, &message);
        let (to, fingerprint) = (peer.name.to_string(), peer.fingerprint());
        self.effects.push(Effect::Sent(SentMessage { message: message.clone(), to, fingerprint, number }));
        Some(message)
    }

    /// `:last [N] [NAME]`
    pub(crate) fn show_last(&mut self, count: usize, name: Option<&str>) {
        let peer = match name {
            Some(name) => match self.find(name) {
                Some((_, peer)) => Some(peer),
                None => return,
            },
            None => None,
        };
        match self.history.last(count, peer) {
            messages if messages.is_empty() && peer.is_none() => self.effects.info(Info::NoHistory),
            messages => self.show_history(messages, 0),
        }
    }

    /// `:show N`
    pub(crate) fn show_message(&mut self, number: u64) {
        match self.history.by_number(number) {
            Some(message) => self.effects.show(Notice::Whole(message)),
            None => self.effects.warn(Warning::NoSuchMessage { number }),
        }
    }

    /// `:search TEXT`
    pub(crate) fn search(&mut self, text: &str) {
        let (messages, earlier) = self.history.search(text, SEARCH_ROWS);
        self.show_history(messages, earlier);
    }

    fn show_history(&mut self, messages: Vec<Message>, earlier: usize) {
        if messages.is_empty() {
            self.effects.warn(Warning::NothingFound);
        } else {
            self.effects.show(Notice::History { messages, earlier });
        }
    }

    /// `:log [FILE|off]`
    pub(crate) fn set_log(&mut self, to: LogTarget) {
        match to {
            LogTarget::Ask => self.effects.info(match &self.log_file {
                Some(file) => Info::Logging { file: file.clone() },
                None => Info::NoLog,
            }),
            LogTarget::File(file) => self.effects.push(Effect::OpenLog(file)),
            LogTarget::Off => match self.log_file.take() {
                Some(file) => {
                    self.effects.info(Info::LogClosed { file });
                    self.effects.push(Effect::CloseLog);
                }
                None => self.effects.info(Info::NoLog),
            },
        }
    }

    /// Takes the result of opening the log, or its later failure.
    pub(crate) fn handle_log(&mut self, file: &str, result: Result<(), String>) {
        let file = SafeText::line(file).to_string();
        self.log_file = result.is_ok().then(|| file.clone());
        match result {
            Ok(()) => self.effects.info(Info::Logging { file }),
            Err(why) => self.effects.warn(Warning::LogFailed { file, why }),
        }
    }
}
