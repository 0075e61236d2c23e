//! Ends: Ctrl-C gives up what is pending, a farewell says goodbye to everybody and ends the program.

use crate::chat::conversation::Origin;
use crate::chat::io::{Effect, ExitRequest};
use crate::chat::notice::Info;
use crate::chat::state::Chat;
use crate::ids::ConnId;
use crate::limits;
use crate::wire::ByeReason;

/// The program is ending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shutdown {
    pub(crate) code: u8,
    /// When it ends whatever is still owed; `None`: it waits for what is owed.
    pub(crate) at_latest_ms: Option<u64>,
}

impl Shutdown {
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
        let arriving: Vec<ConnId> = self
            .conversations
            .iter()
            .filter(|(_, conversation)| {
                conversation.peer.is_none() && matches!(conversation.way, Origin::Outbound { .. })
            })
            .map(|(conn, _)| *conn)
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
        for conn in arriving {
            if let Some(conversation) = self.conversations.get(&conn) {
                let target = conversation.whom();
                self.info(Info::ConnectCancelled { target });
            }
            self.with_session(conn, |session, _| session.close(ByeReason::Leaving));
        }
    }

    /// The end of the program begins: goodbyes at once for a signal, after the receipts otherwise.
    pub(crate) fn farewell(&mut self, farewell: ExitRequest) {
        let soon = self.now.mono.0 + limits::FAREWELL_MS;
        let leaving = match farewell {
            ExitRequest::Quit => Shutdown { code: 0, at_latest_ms: Some(soon) },
            // A line that was refused was said to be, but the input as a whole did not arrive.
            ExitRequest::EndOfInput => Shutdown { code: u8::from(self.unsent > 0), at_latest_ms: None },
            ExitRequest::Signal(number) => {
                Shutdown { code: number.saturating_add(128), at_latest_ms: Some(self.now.mono.0) }
            }
            ExitRequest::Failure(code) => Shutdown { code, at_latest_ms: Some(self.now.mono.0) },
        };
        self.leaving = Some(leaving);
        let due = leaving.at_latest_ms.unwrap_or(u64::MAX);
        for conversation in self.conversations.values_mut() {
            conversation.leaving = Some(conversation.leaving.map_or(due, |earlier| earlier.min(due)));
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
        let ready: Vec<ConnId> = self
            .conversations
            .iter()
            .filter(|(_, conversation)| conversation.leaving.is_some() && conversation.waiting() == 0)
            .map(|(conn, _)| *conn)
            .collect();
        for conn in ready {
            self.with_session(conn, |session, _| session.close(ByeReason::Leaving));
        }
        if let Some(leaving) = self.leaving
            && self.conversations.is_empty()
        {
            self.leaving = None;
            self.effects.push_back(Effect::Quit(leaving.code));
        }
    }
}
