//! What a person keeps: own names for peers, and a log of what is said, if it asks for one.

use crate::chat::conversation::Tie;
use crate::chat::io::{Assurance, Effect, Link, Sent};
use crate::chat::notice::{Info, Said, Trouble};
use crate::chat::state::Chat;
use crate::peers::book::Change;
use crate::peers::name::Name;
use crate::text::safe::SafeText;

/// What `:log` asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogTo {
    /// Say what is set.
    Ask,
    /// Write to this file.
    File(String),
    /// Stop.
    Off,
}

impl Chat {
    /// A text of ours was taken: it can be found again, and a log may want it.
    pub(crate) fn note_own(&mut self, link: Link, text: &str, number: u64) {
        let partner = self.talks.get(&link).and_then(|talk| talk.partner.as_ref());
        let Some((tie, to)) = partner.map(|partner| (partner.tie, partner.name.clone())) else { return };
        let said = Said {
            name: self.own_name.to_string(),
            fingerprint: self.own_key.as_ref().map(|own| own.public.fingerprint()),
            assurance: match tie {
                Tie::Key(_) => Assurance::Verified,
                Tie::Raw(_) => Assurance::Raw,
            },
            arrived_ms: self.now.unix_ms,
            sent_ms: self.now.unix_ms,
            rows: SafeText::rows(text),
            text: text.into(),
        };
        self.memory.keep(tie, &said);
        self.effects.push_back(Effect::Sent(Sent { said, to, number }));
    }

    /// `:name PEER NEWNAME`: a name of ours for a peer, which wins over what the peer claims.
    pub(crate) fn rename(&mut self, wanted: &str, name: &Name) {
        let Some((old, fingerprint)) = self.find_key(wanted) else { return };
        let another = self.book.by_name(name).is_some_and(|peer| peer.fingerprint != fingerprint);
        if another || self.own_name.same_as(name) {
            self.trouble(Trouble::SameName { name: name.to_string() });
            return;
        }
        self.change_book(vec![Change::Rename { fingerprint, name: name.clone() }]);
        for partner in self.talks.values_mut().filter_map(|talk| talk.partner.as_mut()) {
            if partner.tie == Tie::Key(fingerprint) {
                partner.name = name.to_string();
            }
        }
        if let Some(refused) = self.refused.remove(&old) {
            self.refused.insert(name.to_string(), refused);
        }
        self.info(Info::Named { old, name: name.to_string() });
    }

    /// `:log [FILE|off]`
    pub(crate) fn keep_log(&mut self, to: LogTo) {
        match to {
            LogTo::Ask => self.info(match &self.log {
                Some(file) => Info::Logging { file: file.clone() },
                None => Info::NoLog,
            }),
            LogTo::File(file) => self.effects.push_back(Effect::OpenLog(file)),
            LogTo::Off => match self.log.take() {
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
                self.trouble(Trouble::LogFailed { file, why });
            }
        }
    }
}
