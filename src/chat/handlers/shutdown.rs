//! Ends: Ctrl-C gives up what is pending, a farewell says goodbye to everybody and ends the program.

use crate::chat::conversation::Way;
use crate::chat::io::{Effect, Farewell, Link};
use crate::chat::notice::Info;
use crate::chat::state::Chat;
use crate::limits;
use crate::wire::ByeReason;

/// The program is ending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    pub(crate) code: u8,
    /// When it ends whatever is still owed; `None`: it waits for what is owed.
    pub(crate) at_latest_ms: Option<u64>,
}

impl Leaving {
    /// Something accepted was not acknowledged: if that was waited for, the end is a loss.
    pub(crate) fn lost(&mut self) {
        if self.at_latest_ms.is_none() {
            self.code = LOST_CODE;
        }
    }
}

/// Exit code when the program ends with something unacknowledged that it waited for.
const LOST_CODE: u8 = 5;
impl Chat {
    /// Ctrl-C on an empty line: whatever is pending ends; if nothing is, says how to leave.
    pub(crate) fn cancel(&mut self) {
        let dials: Vec<_> = std::mem::take(&mut self.dials).into_iter().collect();
        let arriving: Vec<Link> = self
            .talks
            .iter()
            .filter(|(_, talk)| talk.partner.is_none() && matches!(talk.way, Way::Dialled { .. }))
            .map(|(link, _)| *link)
            .collect();
        if self.making.is_none() && dials.is_empty() && arriving.is_empty() {
            self.info(Info::HowToLeave);
            return;
        }
        if self.making.take().is_some() {
            self.held.clear();
            self.effects.push_back(Effect::CancelKey);
            self.info(Info::KeyCancelled);
        }
        for (dial, dialling) in dials {
            self.effects.push_back(Effect::CancelConnect(dial));
            self.info(Info::ConnectCancelled { target: dialling.target.to_string() });
        }
        for link in arriving {
            if let Some(talk) = self.talks.get(&link) {
                let target = talk.whom();
                self.info(Info::ConnectCancelled { target });
            }
            self.with_session(link, |session, _| session.close(ByeReason::Leaving));
        }
    }

    /// The end of the program begins: goodbyes at once for a signal, after the receipts otherwise.
    pub(crate) fn farewell(&mut self, farewell: Farewell) {
        let soon = self.now.mono_ms + limits::FAREWELL_MS;
        let leaving = match farewell {
            Farewell::Quit => Leaving { code: 0, at_latest_ms: Some(soon) },
            // A line that was refused was said to be, but the input as a whole did not arrive.
            Farewell::EndOfInput => Leaving { code: u8::from(self.unsent > 0), at_latest_ms: None },
            Farewell::Signal(number) => {
                Leaving { code: number.saturating_add(128), at_latest_ms: Some(self.now.mono_ms) }
            }
            Farewell::Failure(code) => Leaving { code, at_latest_ms: Some(self.now.mono_ms) },
        };
        self.leaving = Some(leaving);
        let due = leaving.at_latest_ms.unwrap_or(u64::MAX);
        for talk in self.talks.values_mut() {
            talk.leaving = Some(talk.leaving.map_or(due, |earlier| earlier.min(due)));
        }
        for (dial, _) in std::mem::take(&mut self.dials) {
            self.effects.push_back(Effect::CancelConnect(dial));
        }
        if self.making.take().is_some() {
            self.effects.push_back(Effect::CancelKey);
        }
        self.tick();
    }

    /// Says the goodbyes that waited for receipts, and ends when nobody is left.
    pub(crate) fn settle(&mut self) {
        let ready: Vec<Link> = self
            .talks
            .iter()
            .filter(|(_, talk)| talk.leaving.is_some() && talk.waiting() == 0)
            .map(|(link, _)| *link)
            .collect();
        for link in ready {
            self.with_session(link, |session, _| session.close(ByeReason::Leaving));
        }
        if let Some(leaving) = self.leaving
            && self.talks.is_empty()
        {
            self.leaving = None;
            self.effects.push_back(Effect::Quit(leaving.code));
        }
    }
}
