//! Handlers of message history and log: `:last`, `:search`, `:log`, and the record of our own
//! messages.

use crate::chat::Chat;
use crate::chat::command::LogTarget;
use crate::chat::history::{Acquaintance, Sources};
use crate::chat::io::{Effect, SentMessage};
use crate::chat::kept::FoundUse;
use crate::chat::notice::{Arrival, Info, Message, Notice, SearchedHistory, Warning};
use crate::chat::types::{PeerId, TrustLevel};
use crate::delivery::{HistoryQuery, MessageState};
use crate::limits;
use crate::text::safe::SafeText;
use crate::wire::Lifetime;

/// Messages that `:search` lists at most.
const SEARCH_ROWS: usize = 50;

impl Chat {
    /// Records a text of ours that was accepted for a peer: it can be found again, and a log may
    /// want it.
    pub(crate) fn record_own(
        &mut self,
        peer: PeerId,
        text: &str,
        number: u64,
        state: MessageState,
    ) -> Message {
        let message = self.own_message(peer, text);
        // What we say counts against nobody else.
        self.history.push(peer, Acquaintance::Chosen, self.place_of(peer), &message);
        let fingerprint = match peer {
            PeerId::Key(fingerprint) => Some(fingerprint),
            PeerId::Conn(_) => None,
        };
        let to = self.name_of(peer).unwrap_or_default();
        let face = self.conversations.current_face();
        let sent = SentMessage { message: message.clone(), to, fingerprint, number, state, face };
        self.effects.push(Effect::Sent(sent));
        message
    }

    /// Message of ours to a peer.
    pub(crate) fn own_message(&mut self, peer: PeerId, text: &str) -> Message {
        Message {
            name: self.account.name.to_string(),
            to: self.name_of(peer).into_iter().collect(),
            fingerprint: self.account.fingerprint(),
            trust_level: match peer {
                PeerId::Key(_) => TrustLevel::Verified,
                PeerId::Conn(_) => TrustLevel::Unauthenticated,
            },
            lifetime: Lifetime::Lasting,
            arrived: self.now.unix,
            sent: self.now.unix,
            arrival: Arrival::Prompt,
            rows: SafeText::rows(text),
            text: text.into(),
            number: self.history.next_number(),
        }
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
        let on_disk = match peer {
            None => Some(None),
            Some(PeerId::Key(peer)) => Some(Some(peer)),
            Some(PeerId::Conn(_)) => None,
        };
        let count = count.min(limits::HISTORY_MESSAGES);
        let last = |peer| HistoryQuery::Last { count, peer };
        if on_disk.is_some_and(|peer| self.look_into_history(last(peer), FoundUse::List)) {
            return;
        }
        match self.history.last(count, peer, Sources::Everywhere) {
            messages if messages.is_empty() && peer.is_none() => self.effects.info(Info::NoHistory),
            messages => self.show_history(messages, 0, SearchedHistory::Session),
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
        let query = HistoryQuery::Search { text: text.to_owned(), count: SEARCH_ROWS };
        if self.look_into_history(query, FoundUse::List) {
            return;
        }
        let (messages, earlier) = self.history.search(text, SEARCH_ROWS, Sources::Everywhere);
        self.show_history(messages, earlier, SearchedHistory::Session);
    }

    pub(crate) fn show_history(&mut self, messages: Vec<Message>, earlier: usize, searched: SearchedHistory) {
        if messages.is_empty() {
            self.effects.warn(Warning::NothingFound { searched });
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
            LogTarget::File(file) => {
                self.log_asked_by = Some(self.conversations.current_face());
                self.effects.push(Effect::OpenLog(file));
            }
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
        let asked_by = self.log_asked_by.take();
        self.log_file = result.is_ok().then(|| file.clone());
        match result {
            Ok(()) => self.effects.info(Info::Logging { file }),
            Err(why) => {
                self.effects.warn(Warning::LogFailed { file, why });
                if let Some(face) = asked_by {
                    self.count_failed(face);
                }
            }
        }
    }
}
