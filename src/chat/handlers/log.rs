//! What a person keeps: own names for peers, and a log of what is said, if it asks for one.

use crate::chat::conversation::PeerId;
use crate::chat::io::{Effect, SentMessage, TrustLevel};
use crate::chat::notice::{Info, Message, Warning};
use crate::chat::state::Chat;
use crate::ids::ConnId;
use crate::peers::book::Change;
use crate::peers::name::Name;
use crate::text::safe::SafeText;

/// What `:log` asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogTarget {
    /// Say what is set.
    Ask,
    /// Write to this file.
    File(String),
    /// Stop.
    Off,
}

impl Chat {
    /// A text of ours was taken: it can be found again, and a log may want it.
    pub(crate) fn note_own(&mut self, conn: ConnId, text: &str, number: u64) {
        let peer = self.conversations.get(&conn).and_then(|conversation| conversation.peer.as_ref());
        let Some((peer_id, to)) = peer.map(|peer| (peer.id, peer.name.clone())) else { return };
        let said = Message {
            name: self.own_name.to_string(),
            fingerprint: self.own_key.as_ref().map(|own| own.public.fingerprint()),
            trust_level: match peer_id {
                PeerId::Key(_) => TrustLevel::Verified,
                PeerId::Raw(_) => TrustLevel::Unauthenticated,
            },
            arrived_ms: self.now.unix.0,
            sent_ms: self.now.unix.0,
            rows: SafeText::rows(text),
            text: text.into(),
        };
        self.memory.keep(peer_id, &said);
        self.effects.push_back(Effect::Sent(SentMessage { said, to, number }));
    }

    /// `:name PEER NEWNAME`: a name of ours for a peer, which wins over what the peer claims.
    pub(crate) fn rename(&mut self, wanted: &str, name: &Name) {
        let Some((old, fingerprint)) = self.find_key(wanted) else { return };
        let another = self.book.by_name(name).is_some_and(|peer| peer.fingerprint != fingerprint);
        if another || self.own_name.same_as(name) {
            self.warn(Warning::SameName { name: name.to_string() });
            return;
        }
        self.change_book(vec![Change::Rename { fingerprint, name: name.clone() }]);
        for peer in self.conversations.values_mut().filter_map(|conversation| conversation.peer.as_mut()) {
            if peer.id == PeerId::Key(fingerprint) {
                peer.name = name.to_string();
            }
        }
        if let Some(refused) = self.refused.remove(&old) {
            self.refused.insert(name.to_string(), refused);
        }
        self.info(Info::Named { old, name: name.to_string() });
    }

    /// `:log [FILE|off]`
    pub(crate) fn keep_log(&mut self, to: LogTarget) {
        match to {
            LogTarget::Ask => self.info(match &self.log {
                Some(file) => Info::Logging { file: file.clone() },
                None => Info::NoLog,
            }),
            LogTarget::File(file) => self.effects.push_back(Effect::OpenLog(file)),
            LogTarget::Off => match self.log.take() {
                Some(file) => {
                    self.info(Info::LogClosed { file });
                    self.effects.push_back(Effect::CloseLog);
                }
                None => self.info(Info::NoLog),
            },
        }
    }

    /// The log is open, or has failed.
    pub(crate) fn logging(&mut self, file: &str, result: Result<(), String>) {
        let file = SafeText::line(file).to_string();
        match result {
            Ok(()) => {
                self.log = Some(file.clone());
                self.info(Info::Logging { file });
            }
            Err(why) => {
                self.log = None;
                self.warn(Warning::LogFailed { file, why });
            }
        }
    }
}
