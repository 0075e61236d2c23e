//! Handlers of cancellation and of the end of the program.

use crate::chat::conversation::Conversation;
use crate::chat::io::Effect;
use crate::chat::notice::{DeliveryInfo, Info};
use crate::chat::shutdown::Shutdown;
use crate::chat::types::{ExitRequest, InputOrigin, PeerId};
use crate::chat::{Chat, WaitingCommand};
use crate::crypto::Fingerprint;
use crate::delivery::Calls;
use crate::ids::{ConnId, DialId, FaceId};
use crate::wire::ByeReason;

impl Chat {
    /// Cancels whatever is pending; if nothing is, shows how to leave.
    pub(crate) fn cancel(&mut self) {
        let pending = self.conversations.without_peer().filter(|(_, one)| one.is_connecting());
        let connecting: Vec<_> = pending.map(|(conn, _)| conn).collect();
        // Whom the program calls again by itself, :close stops.
        let asked = self.dials.iter().filter(|(_, dial)| dial.redial.is_none());
        let dials: Vec<_> = asked.map(|(dial, _)| *dial).collect();
        if self.keygen.is_none() && dials.is_empty() && connecting.is_empty() {
            return self.effects.info(Info::ExitHint);
        }
        if self.keygen.take().is_some() {
            self.effects.push(Effect::CancelKey);
            self.effects.info(Info::KeyCancelled);
            for command in std::mem::take(&mut self.waiting_for_key) {
                if let WaitingCommand::Connect(id) = command
                    && let Some(dial) = self.dials.remove(&id)
                {
                    self.give_up_dial(id, &dial);
                }
            }
        }
        for dial in dials {
            self.cancel_dial(dial);
        }
        for conn in connecting {
            self.cancel_connecting(conn);
        }
    }

    pub(crate) fn cancel_dial(&mut self, id: DialId) {
        if let Some(dial) = self.dials.remove(&id) {
            self.effects.push(Effect::CancelConnect(id));
            self.effects.info(Info::ConnectCancelled { target: dial.options.target.to_string() });
            self.give_up_dial(id, &dial);
        }
    }

    pub(crate) fn cancel_connecting(&mut self, conn: ConnId) {
        if let Some(conversation) = self.conversations.get(conn) {
            self.effects.info(Info::ConnectCancelled { target: conversation.origin.to_string() });
        }
        self.with_session(conn, |session| session.close(ByeReason::Leaving));
    }

    /// Begins the end of the program: every conversation closes, and what is pending is cancelled.
    pub(crate) fn begin_shutdown(&mut self, request: ExitRequest) {
        let face = self.conversations.current_face();
        if face != FaceId::OWN {
            return self.effects.push(Effect::EndFace(face));
        }
        let refused_lines = match (request, self.conversations.face().input) {
            (ExitRequest::Quit | ExitRequest::Stop, InputOrigin::Person) => 0,
            _ => self.refused_lines(),
        };
        let shutdown = Shutdown::new(request, self.now.mono, refused_lines);
        self.shutdown = Some(shutdown);
        for conversation in self.conversations.values_mut() {
            conversation.begin_close(self.now.mono, shutdown.at_latest);
        }
        for (id, dial) in std::mem::take(&mut self.dials) {
            self.effects.push(Effect::CancelConnect(id));
            if let Some(redial) = dial.redial.as_ref().filter(|_| shutdown.calls == Calls::Ended) {
                self.set_calls(redial.peer, Calls::Ended);
            }
            self.give_up_dial(id, &dial);
        }
        if self.keygen.take().is_some() {
            self.effects.push(Effect::CancelKey);
        }
        self.retry_unsaved_blocks();
        self.handle_timeout();
    }

    /// What peers are told as their conversations close.
    pub(crate) fn bye(&self) -> ByeReason {
        self.shutdown.map_or(ByeReason::Leaving, |shutdown| shutdown.bye)
    }

    /// Whether something that a face has said is on its way: to the disk, or to a peer that is
    /// connected. Texts that are not kept are of no face.
    pub(crate) fn awaits_receipts_of(&self, face: FaceId) -> bool {
        let is_unkept = |one: &Conversation| {
            let peer = one.peer.as_ref().map(|peer| peer.id);
            one.is_lasting()
                && one.unacked.len() > 0
                && peer.is_none_or(|peer| self.keeps_for(peer).is_none())
        };
        let waits = |(peer, seq): &(Fingerprint, u64)| {
            let is_there = self.conversations.open_with(PeerId::Key(*peer)).is_some();
            is_there && self.kept.as_ref().is_some_and(|kept| kept.ledger.is_waiting(*peer, *seq))
        };
        self.is_accepting(face)
            || self.conversations.face_of(face).said.iter().any(waits)
            || self.conversations.values().any(is_unkept)
    }

    /// Closes the conversations that waited for receipts and have them, and ends once none is left.
    pub(crate) fn advance_shutdown(&mut self) {
        // What was accepted is on its way to the disk, and goes out after that.
        let now = self.now.mono;
        let is_overdue =
            self.shutdown.is_some_and(|shutdown| shutdown.at_latest.is_some_and(|due| now >= due));
        if self.is_committing() && !is_overdue {
            return;
        }
        for conn in self.conversations.closable() {
            if self.has_unsent(conn) && !is_overdue {
                continue;
            }
            let bye = self.bye();
            self.with_session(conn, |session| session.close(bye));
        }
        if self.conversations.len() == 0
            && self.book_changes.is_empty()
            && let Some(mut shutdown) = self.shutdown.take()
        {
            if self.has_queued() {
                shutdown.set_queued();
                let waiting = self.receivers();
                let info = Info::Delivery(DeliveryInfo::LeftWaiting { waiting });
                self.in_face(FaceId::OWN, |chat| chat.effects.info(info));
            }
            if self.lost_lines_of(FaceId::OWN) > 0 {
                shutdown.set_taken_back();
            }
            self.effects.push(Effect::Quit(shutdown.code));
        }
    }
}
