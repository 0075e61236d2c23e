//! End of a `send` through the owner of a home: its exit code, and what is said of messages that
//! stay behind.

use std::time::Instant;

use super::{Patience, Presence, Relays, Run};
use crate::app::error::{code, hint_at_home};
use crate::chat::display::not_in_time;
use crate::cli::send::queue::{InputItem, nothing_sent};
use crate::cli::send::refused::{beginning, tell_refused};
use crate::cli::send::waiting::{Departure, are_there, not_received, tell_at_relay, with_reason};
use crate::events::{Done, OutputEvent, emit};
use crate::limits::QUEUE_MESSAGES;

impl Run {
    /// Exit code and reason, once there is nothing more to wait for.
    pub(super) fn outcome(&mut self) -> Option<(u8, Option<String>)> {
        let is_kept = self.unanswered.is_empty() && !self.has_input();
        if is_kept && self.waiting.is_empty() && self.presence != Presence::Asked {
            let is_done = self.read > 0 || self.presence == Presence::Here;
            if is_done {
                return Some((0, None));
            }
        }
        let is_patient = self.send.patience != Patience::UntilReceipted;
        let is_relayed = self.send.patience == Patience::AtRelay;
        if is_relayed && is_kept && self.presence != Presence::Asked && self.left() == 0 {
            return Some((0, None));
        }
        if self.deadline().is_some_and(|at| at <= Instant::now()) {
            let why = match self.presence {
                _ if is_relayed => "the relay did not take everything in time".to_owned(),
                Presence::Here => not_in_time(&self.send.name),
                _ => "nothing was connected or acknowledged in time".to_owned(),
            };
            let has_nothing = self.waiting.is_empty() && self.unanswered.is_empty();
            let code = if !is_patient || has_nothing { code::LOST } else { code::QUEUED };
            return Some((code, Some(why)));
        }
        match self.presence {
            Presence::Away if is_relayed && self.relays != Relays::Missing => None,
            Presence::Away if is_relayed && is_kept => {
                let why = "the rsachat that serves this home has no relay in its settings".to_owned();
                Some((self.code_of_waiting, Some(why)))
            }
            Presence::Away if is_patient && is_kept => {
                let is_closed = self.departure == Departure::Here;
                let why = is_closed.then(|| format!("{} meanwhile", self.departure));
                Some((self.code_of_waiting, why))
            }
            Presence::Away if !is_patient && self.unanswered.is_empty() => {
                let nobody = || (code::LOST, format!("{} is not connected", self.send.name));
                let (code, why) = match self.trouble.take() {
                    _ if !self.waiting.is_empty() => {
                        (code::LOST, format!("{} before everything was acknowledged", self.departure))
                    }
                    trouble => trouble.unwrap_or_else(nobody),
                };
                Some((code, Some(why)))
            }
            _ => None,
        }
    }

    /// Number of messages that neither the peer nor, where that is enough, a relay has.
    fn left(&self) -> usize {
        match self.send.patience {
            Patience::AtRelay => self.waiting.range(self.at_relay + 1..).count(),
            Patience::Kept | Patience::UntilReceipted => self.waiting.len(),
        }
    }

    /// Names each message that was read and is not known to be kept, as the owner has ended.
    fn name_unsent(&self, fault: &str) {
        let format = self.send.format;
        for (number, begins) in &self.unanswered {
            let message = format!("message {number} (\"{begins}\") may have been kept, or not: {fault}");
            emit(&OutputEvent::Warning { kind: "owner", message }, format);
        }
        for (item, number) in self.pending.iter().zip(self.read + 1..) {
            match item {
                InputItem::Message(text) => {
                    tell_refused(number, &beginning(text.as_bytes()), fault, format);
                }
                InputItem::Refused { begins, why, .. } => {
                    tell_refused(number, begins, &why.to_string(), format);
                }
                InputItem::End | InputItem::Broken(_) => {}
            }
        }
    }

    /// Tells how it ends. What is not taken back is kept by the owner.
    pub(super) fn end(&mut self, code: u8, why: Option<String>) -> u8 {
        // A producer that goes on is not read to its end.
        while self.pending.len() < QUEUE_MESSAGES && self.read_more() {}
        if let Some(fault) = self.fault {
            self.name_unsent(&fault.to_string());
        }
        let is_message =
            |item: &&InputItem| matches!(item, InputItem::Message(_) | InputItem::Refused { .. });
        // What was given and not handed over counts as well.
        let given = self.read + self.pending.iter().filter(is_message).count() as u64;
        let (kept, missing) = (self.left(), given - self.receipted);
        let at_relay = self.waiting.len() - kept;
        let is_patient = self.send.patience != Patience::UntilReceipted;
        let code = match code {
            // What was refused is not sent by anybody, later or now.
            0 | code::QUEUED if self.refused > 0 => code::FAILED,
            0 | code::QUEUED if self.lost > 0 => code::LOST,
            // The last receipt came as it was to be taken back.
            code::LOST if missing == 0 && self.items.is_none() => 0,
            code => code,
        };
        if code != 0 {
            let home = self.send.home.as_deref();
            let counts = match (self.send.patience, code) {
                // What is kept is counted below, and each that was refused has been named.
                (Patience::Kept | Patience::AtRelay, code::QUEUED | code::REFUSED | code::FAILED) => None,
                _ if self.read == self.refused => Some(nothing_sent(given)),
                _ => Some(format!("{} of {given} messages were acknowledged", self.receipted)),
            };
            // It is counted behind the reason.
            let why = why.map(|why| hint_at_home(&why.replace("; nothing was sent", ""), home));
            let unread = self.items.is_some().then(|| "the rest of the input was not read".to_owned());
            let behind = if self.send.patience == Patience::AtRelay { self.at_relay } else { 0 };
            let before = self.before.range(behind + 1..).count();
            let own = self.waiting.range(behind + 1..).map(|(number, _)| number);
            let all = own.chain(self.before.iter().filter(|_| is_patient));
            let there = all.filter(|number| **number <= self.delivered).count();
            let are_counted = kept > 0 || is_patient && before > 0;
            let waits = are_counted.then(|| match self.send.patience {
                Patience::UntilReceipted if there == kept => are_there(kept, &self.send.name),
                _ => with_reason(self.code_of_waiting, not_received(kept + before, before, there)),
            });
            let parts: Vec<_> = [why, counts, unread, waits].into_iter().flatten().collect();
            if !parts.is_empty() {
                let message = parts.join("; ");
                let kind = if are_counted && code != code::LOST { "queued" } else { "not_receipted" };
                emit(&OutputEvent::Error { kind, message, hint: None }, self.send.format);
            }
        }
        debug_assert!(code != 0 || missing == at_relay as u64);
        let (messages, receipted) = (Some(given), Some(self.receipted));
        let is_relayed = self.send.patience == Patience::AtRelay;
        if is_relayed {
            tell_at_relay(at_relay, &self.send.name, self.send.format);
        }
        let at_relay = is_relayed.then_some(at_relay as u64);
        let done = OutputEvent::Done(Done { code, messages, receipted, at_relay, ..Done::default() });
        emit(&done, self.send.format);
        code
    }
}
