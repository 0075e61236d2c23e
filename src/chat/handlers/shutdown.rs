//! Handlers of cancellation and of the end of the program.

use std::collections::BTreeSet;

use crate::chat::conversation::{Conversation, Peer};
use crate::chat::faces::FaceStage;
use crate::chat::io::Effect;
use crate::chat::kept::PairStage;
use crate::chat::notice::{DeliveryInfo, DeliveryWarning, FileInfo, Info, Warning};
use crate::chat::relays::RelayInfo;
use crate::chat::shutdown::Shutdown;
use crate::chat::types::{ExitRequest, InputOrigin, PeerId};
use crate::chat::{Chat, WaitingCommand};
use crate::crypto::Fingerprint;
use crate::delivery::Calls;
use crate::ids::{ConnId, DialId, FaceId};
use crate::limits;
use crate::time::MonoMs;
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
        if let Some(dial) = self.take_dial(id) {
            self.effects.info(Info::ConnectCancelled { target: dial.options.target.to_string() });
            self.give_up_dial(id, &dial);
        }
    }

    pub(crate) fn cancel_connecting(&mut self, conn: ConnId) {
        if let Some(conversation) = self.conversations.get(conn) {
            self.effects.info(Info::ConnectCancelled { target: conversation.origin.to_string() });
        }
        self.close_session(conn, ByeReason::Leaving);
    }

    /// Begins the end of the program: every conversation closes, and what is pending is cancelled.
    pub(crate) fn begin_shutdown(&mut self, request: ExitRequest) {
        let face = self.conversations.current_face();
        if face != FaceId::OWN {
            return self.end_face(face, request);
        }
        let refused_lines = match (request, self.conversations.face().input) {
            (ExitRequest::Quit | ExitRequest::Stop, InputOrigin::Person) => 0,
            _ => self.refused_lines(),
        };
        let shutdown = Shutdown::new(request, self.now.mono, refused_lines);
        self.shutdown = Some(shutdown);
        self.end_input(request);
        for conversation in self.conversations.values_mut() {
            conversation.begin_close(self.now.mono, shutdown.at_latest);
        }
        while let Some(id) = self.dials.keys().next().copied()
            && let Some(dial) = self.take_dial(id)
        {
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

    /// Begins the end of a front end that is not the own one.
    fn end_face(&mut self, face: FaceId, request: ExitRequest) {
        self.end_input(request);
        if request != ExitRequest::EndOfInput {
            self.effects.push(Effect::EndFace(face));
        }
    }

    fn end_input(&mut self, request: ExitRequest) {
        let now = self.now.mono;
        let face = self.conversations.face_mut();
        match (request, face.stage) {
            (ExitRequest::EndOfInput, FaceStage::Open) => {
                face.stage = FaceStage::InputEnded { last_progress: now };
            }
            (ExitRequest::EndOfInput, _) => {}
            _ => face.stage = FaceStage::Leaving { until: now + limits::SHUTDOWN_GRACE_MS },
        }
    }

    /// Takes note of a sign that a peer gets what is kept for it behind a number: whose input has
    /// ended waits on.
    pub(crate) fn note_progress(&mut self, peer: Fingerprint, behind: u64) {
        let now = self.now.mono;
        for (id, face) in self.conversations.faces.each() {
            if let FaceStage::InputEnded { last_progress } = &mut face.stage
                && (id == FaceId::OWN
                    || face.said.range((peer, behind + 1)..=(peer, u64::MAX)).next().is_some())
            {
                *last_progress = now;
            }
        }
    }

    /// The next moment at which a front end waits for receipts no more.
    pub(crate) fn next_end_of_wait(&self) -> Option<MonoMs> {
        let faces = self.conversations.face_ids().into_iter();
        let deadlines = faces.filter_map(|face| self.conversations.face_of(face).stage.deadline());
        deadlines.filter(|due| *due > self.now.mono).min()
    }

    /// Ends the waits for receipts whose time has passed: what a peer has on its disk is not lost,
    /// and nobody may be there who sees it.
    pub(crate) fn end_waits(&mut self) {
        let now = self.now.mono;
        for face in self.conversations.face_ids() {
            let stage = self.conversations.face_of(face).stage;
            if stage.deadline().is_none_or(|due| now < due) {
                continue;
            }
            let waits_for_all = matches!(stage, FaceStage::InputEnded { .. });
            if face == FaceId::OWN {
                self.close_delivered();
            } else if !waits_for_all
                || !self.said_waiting(face).any(|(peer, seq)| !self.is_delivered(peer, seq))
            {
                let late: BTreeSet<_> =
                    self.said_waiting(face).filter(|_| waits_for_all).map(|(peer, _)| peer).collect();
                self.conversations.faces.get_mut(face).stage = FaceStage::Over;
                let names: Vec<_> = late.into_iter().map(|peer| self.name_of_key(peer)).collect();
                self.in_face(face, |chat| names.into_iter().for_each(|name| chat.warn_not_in_time(name)));
            }
        }
    }

    /// Closes the conversations that wait for receipts alone of what the peer has on its disk.
    fn close_delivered(&mut self) {
        let has_all = |one: &Conversation| {
            let peer = one.peer.as_ref().and_then(Peer::fingerprint);
            one.is_closing()
                && one.unacked.len() > 0
                && one.pair.stage == PairStage::Ready
                && peer.is_some_and(|peer| {
                    self.kept.as_ref().is_some_and(|kept| kept.ledger.has_delivered_all(peer))
                })
        };
        for conn in self.conversations.conns(has_all) {
            if let Some(name) = self.conversations.get(conn).map(Conversation::name) {
                self.warn_not_in_time(name);
            }
            let bye = self.bye();
            self.close_session(conn, bye);
        }
    }

    fn warn_not_in_time(&mut self, name: String) {
        self.effects.warn(Warning::Delivery(DeliveryWarning::NotInTime { name }));
    }

    fn is_delivered(&self, peer: Fingerprint, seq: u64) -> bool {
        let kept = self.kept.as_ref();
        kept.and_then(|kept| kept.ledger.progress(peer)).is_some_and(|(delivered, _)| seq <= delivered)
    }

    /// Texts that a face has said and that wait for the receipts of peers that are connected.
    fn said_waiting(&self, face: FaceId) -> impl Iterator<Item = (Fingerprint, u64)> {
        self.conversations.face_of(face).said.iter().copied().filter(|(peer, seq)| {
            let is_there = self.conversations.open_with(PeerId::Key(*peer)).is_some();
            is_there && self.kept.as_ref().is_some_and(|kept| kept.ledger.is_waiting(*peer, *seq))
        })
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
        let stage = self.conversations.face_of(face).stage;
        self.is_accepting(face)
            || self.transfers.is_examining(face)
            || stage != FaceStage::Over && self.said_waiting(face).next().is_some()
            || !matches!(stage, FaceStage::Leaving { .. } | FaceStage::Over)
                && self.conversations.values().any(is_unkept)
    }

    /// Closes the conversations that waited for receipts and have them, and ends once none is left.
    pub(crate) fn advance_shutdown(&mut self) {
        // What was accepted is on its way to the disk, and goes out after that.
        let now = self.now.mono;
        let is_overdue =
            self.shutdown.is_some_and(|shutdown| shutdown.at_latest.is_some_and(|due| now >= due));
        let is_stream = self.conversations.face_of(FaceId::OWN).input == InputOrigin::Stream;
        let ends_with_input = is_stream && self.shutdown.is_some_and(Shutdown::ends_with_input);
        let is_examining = ends_with_input && self.transfers.is_examining(FaceId::OWN);
        if is_examining || self.is_committing() && !is_overdue {
            return;
        }
        for conn in self.conversations.closable() {
            if self.has_unsent(conn) && !is_overdue {
                continue;
            }
            let bye = self.bye();
            self.close_session(conn, bye);
        }
        if self.conversations.len() > 0 || !self.book_changes.is_empty() {
            return;
        }
        // What did not arrive over a connection goes by letter.
        let stage = self.conversations.face_of(FaceId::OWN).stage;
        let is_in_time = !is_overdue && stage.deadline().is_some_and(|due| now < due);
        if is_in_time && self.shutdown.is_some() && self.awaits_letters() {
            self.letters.is_changed = true;
            return;
        }
        if let Some(mut shutdown) = self.shutdown.take() {
            if self.has_queued() {
                shutdown.set_queued();
                let (waiting, delivered) = (self.receivers(), self.delivered());
                let info = Info::Delivery(DeliveryInfo::LeftWaiting { waiting, delivered });
                self.in_face(FaceId::OWN, |chat| chat.effects.info(info));
            }
            let waiting = self.receivers_by_relay();
            if !waiting.is_empty() {
                let info = Info::Relay(RelayInfo::Holds { waiting });
                self.in_face(FaceId::OWN, |chat| chat.effects.info(info));
            }
            let transfers = self.left_transfers();
            if !transfers.is_empty() {
                if self.transfers.iter().any(|(_, transfer)| transfer.is_unfinished()) {
                    shutdown.set_unfinished();
                }
                let info = Info::File(FileInfo::LeftUnfinished { transfers });
                self.in_face(FaceId::OWN, |chat| chat.effects.info(info));
            }
            if self.lost_lines_of(FaceId::OWN) > 0 {
                shutdown.set_taken_back();
            }
            // Also of what was looked at since the end began.
            if ends_with_input && self.refused_lines_of(FaceId::OWN) > 0 {
                shutdown.set_refused();
            }
            self.effects.push(Effect::Quit(shutdown.code));
        }
    }
}
