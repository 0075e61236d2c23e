//! Lobby of a responder (`docs/PROTOCOL.md`, 5.9): a caller whose key is not known presents itself
//! there, and waits to be admitted.

use super::{Phase, Transport};
use crate::session::types::{CloseReason, Event, Output, Role};
use crate::time::MonoMs;
use crate::wire::{ByeReason, Confirm, Introduction, LOBBY, Purpose, Record};

impl Transport {
    /// Whether a caller whose key waits for its judgement has something to present in a lobby.
    pub(in crate::session) fn asks_for_lobby(&self) -> bool {
        let asks = |peer: &Confirm| peer.options & LOBBY != 0;
        self.purpose == Purpose::Chat && matches!(&self.phase, Phase::Judgement { peer, .. } if asks(peer))
    }

    /// Lets such a caller into the lobby: sends record 6, which says so.
    pub(in crate::session) fn accept_into_lobby(&mut self, now: MonoMs) -> Option<Output> {
        self.now = now;
        match std::mem::replace(&mut self.phase, Phase::Established) {
            Phase::Judgement { peer, confirm: Record::Confirm(confirm) } => {
                self.phase = Phase::Lobby { peer };
                self.seal(&Record::Confirm(Confirm { options: confirm.options | LOBBY, ..confirm }))
            }
            phase => {
                self.phase = phase;
                None
            }
        }
    }

    /// Admits a caller from the lobby.
    pub(in crate::session) fn admit(&mut self, now: MonoMs) -> Vec<Output> {
        self.now = now;
        match std::mem::replace(&mut self.phase, Phase::Established) {
            Phase::Lobby { peer } if self.role == Role::Responder => {
                let established = Output::Event(self.establish(peer));
                self.seal(&Record::Admitted).into_iter().chain([established]).collect()
            }
            phase => {
                self.phase = phase;
                Vec::new()
            }
        }
    }

    /// Takes a record in the lobby, where the caller presents itself, once, and waits.
    pub(in crate::session) fn handle_in_lobby(&mut self, record: Record) -> Result<Vec<Output>, CloseReason> {
        let introduction = match (self.role, record) {
            (Role::Responder, Record::Invite(token)) => Introduction::Invitation(token),
            (Role::Responder, Record::Knock(text)) => {
                Introduction::Knock(String::from_utf8_lossy(&text).into_owned())
            }
            (Role::Initiator, Record::Admitted) => {
                if let Phase::Lobby { peer } = std::mem::replace(&mut self.phase, Phase::Established) {
                    return Ok(vec![Output::Event(self.establish(peer))]);
                }
                return Ok(Vec::new());
            }
            (Role::Initiator, Record::Bye(ByeReason::Refused)) => {
                return Err(match self.introduction.clone() {
                    Some(introduction) => CloseReason::NotAdmitted(introduction),
                    None => CloseReason::Bye(ByeReason::Refused),
                });
            }
            (_, Record::Bye(reason)) => return Err(CloseReason::Bye(reason.in_conversation())),
            (_, Record::Ignorable | Record::NextKey(_)) => {
                self.idle.spend(self.now)?;
                return Ok(Vec::new());
            }
            _ => return Err(CloseReason::ProtocolViolation),
        };
        if self.introduction.replace(introduction.clone()).is_some() {
            return Err(CloseReason::ProtocolViolation);
        }
        let name = match &self.phase {
            Phase::Lobby { peer } => peer.name.clone(),
            _ => Vec::new(),
        };
        Ok(vec![Output::Event(Event::Introduced { introduction, name })])
    }
}
