//! File transfer, what we send: `:send`, and the pump that reads the source and fills the socket.

use crate::chat::Chat;
use crate::chat::command::KnownFiles;
use crate::chat::file_io::{FileRequest, OfferedSource, TransferNumber};
use crate::chat::io::Effect;
use crate::chat::kept::{AfterCommit, TransferStep};
use crate::chat::notice::{FileInfo, FileWarning, Info, OfferTime, OfferedFiles, Warning};
use crate::chat::transfers::{Decision, ListAnswer, OutgoingFile, Transfer, TransferSide};
use crate::chat::types::PeerId;
use crate::crypto::Fingerprint;
use crate::delivery::Hashed;
use crate::ids::ConnId;
use crate::limits::MANIFEST_PARTS;
use crate::session::AnySession;
use crate::transfer::FileName;
use crate::wire::{CancelReason, Position, TransferId, TransferRecord};

impl Chat {
    /// `:send FILE|DIR… [--to NAME] [--as NAME]`
    pub(crate) fn send_files(
        &mut self,
        paths: Vec<String>,
        to: Option<&str>,
        name: Option<&str>,
        known: KnownFiles,
    ) {
        let peer = match to {
            Some(name) => {
                let Some((_, peer)) = self.find(name) else {
                    self.conversations.face_mut().refused_lines += 1;
                    return;
                };
                Some(peer)
            }
            None => self.conversations.addressed_peer(),
        };
        let peer = match peer {
            Some(PeerId::Key(peer)) => peer,
            Some(PeerId::Conn(_)) => {
                return self.refuse_line(Warning::File(FileWarning::RawWire));
            }
            None => return self.refuse_line(Warning::NobodyAddressed),
        };
        if self.is_blocked(peer) {
            let name = self.name_of_key(peer);
            return self.refuse_line(Warning::AddresseeBlocked { name });
        }
        self.keep_chosen(PeerId::Key(peer));
        for path in paths {
            let number = self.transfers.next_number();
            let face = self.conversations.current_face();
            let path = self.conversations.face().path(path);
            let name = name.map(str::to_owned);
            self.transfers.examine(number, face, known);
            self.effects.push(Effect::File(FileRequest::Examine { number, face, peer, path, name }));
        }
    }

    /// Takes what the host has found at a path: it is offered, now or when the peer is there.
    pub(crate) fn handle_examined(
        &mut self,
        number: TransferNumber,
        peer: Fingerprint,
        path: &str,
        examined: Result<OfferedSource, String>,
    ) {
        let goes_on = self.transfers.examined(number) == KnownFiles::GoneOnWith;
        let source = match examined {
            Ok(source) => source,
            Err(why) => {
                let file = path.to_owned();
                return self.refuse_line(Warning::File(FileWarning::NotOffered { file, why }));
            }
        };
        let offer = source.offer;
        let name = FileName::of_peer(&offer.name);
        let conn = self.conn_for_files(peer);
        let is_connected = self.conversations.open_with(PeerId::Key(peer)).is_some();
        let to = self.name_of_key(peer);
        if is_connected && conn.is_none() {
            self.effects.push(Effect::File(FileRequest::CloseSource { number }));
            return self.refuse_line(Warning::File(FileWarning::TakesNoFiles { name: to }));
        }
        let known = self.transfers.offered(peer, &source.path, source.identity, &offer.name);
        if let Some(known) = known.filter(|_| goes_on) {
            self.effects.push(Effect::File(FileRequest::CloseSource { number }));
            return self.offer_known(known);
        }
        if source.skipped > 0 {
            let (file, skipped) = (name.clone(), source.skipped);
            self.effects.warn(Warning::File(FileWarning::Skipped { file, skipped }));
        }
        let file = OutgoingFile::new(offer, source.path, source.identity, Hashed::default());
        let (active, side) = (self.now.unix, TransferSide::Outgoing(file));
        self.transfers.insert(number, Transfer { peer, name, active, conn: None, side });
        self.keep_transfer(number);
        // An offer that the peer has seen outlives the program.
        let face = self.conversations.current_face();
        match &mut self.kept {
            Some(kept) => kept.next.push(AfterCommit::Transfer(TransferStep::Offer { face, number })),
            None => self.offer(number),
        }
    }

    /// Says that something is on offer, and repeats that to a peer who is there and does not get
    /// it.
    fn offer_known(&mut self, number: TransferNumber) {
        let Some(transfer) = self.transfers.get(number) else { return };
        let (peer, offer, is_on_its_way) = (transfer.peer, transfer.offer().clone(), transfer.conn.is_some());
        let (to, what) = (self.name_of_key(peer), OfferedFiles::of(&offer));
        self.effects.info(Info::File(FileInfo::OfferedAlready { to, number, what }));
        if let Some(conn) = self.conn_for_files(peer).filter(|_| !is_on_its_way) {
            self.send_transfer(conn, TransferRecord::Offer(offer));
        }
    }

    /// Offers what is kept, now or when the peer is there.
    pub(crate) fn offer(&mut self, number: TransferNumber) {
        let Some(transfer) = self.transfers.get(number) else { return };
        let (peer, offer) = (transfer.peer, transfer.offer().clone());
        let (to, what) = (self.name_of_key(peer), OfferedFiles::of(&offer));
        let conn = self.conn_for_files(peer);
        let when = if conn.is_some() { OfferTime::Now } else { OfferTime::Later };
        self.effects.info(Info::File(FileInfo::Offered { to, number, what, when }));
        if let Some(conn) = conn {
            self.send_transfer(conn, TransferRecord::Offer(offer));
        }
    }

    /// Repeats every offer to a peer who has come, and asks for what was accepted of theirs: one
    /// that was taken back meanwhile is told of then.
    pub(crate) fn offer_again(&mut self, conn: ConnId) {
        let Some(PeerId::Key(peer)) = self.conversations.peer_of(conn).map(|peer| peer.id) else { return };
        self.end_expired_offers();
        if self.conn_for_files(peer) != Some(conn) {
            return self.tell_not_taken(conn, peer);
        }
        let (mut offers, mut accepted) = (Vec::new(), Vec::new());
        for (number, transfer) in self.transfers.iter().filter(|(_, transfer)| transfer.peer == peer) {
            match &transfer.side {
                TransferSide::Outgoing(file) => offers.push(file.transfer.offer().clone()),
                TransferSide::Incoming(file)
                    if matches!(file.decision, Decision::Accepted { .. })
                        && self.takes_offer(conn, transfer) =>
                {
                    accepted.push(number);
                }
                TransferSide::Incoming(_) => {}
            }
        }
        for offer in offers {
            self.send_transfer(conn, TransferRecord::Offer(offer));
        }
        for number in accepted {
            self.go_on(conn, number);
        }
    }

    /// Says that a peer who has come takes no files, if any are offered to it.
    fn tell_not_taken(&mut self, conn: ConnId, peer: Fingerprint) {
        let is_its = self.conversations.open_with(PeerId::Key(peer)) == Some(conn);
        let is_offered =
            |transfer: &Transfer| transfer.peer == peer && matches!(transfer.side, TransferSide::Outgoing(_));
        if is_its && self.transfers.iter().any(|(_, transfer)| is_offered(transfer)) {
            let name = self.name_of_key(peer);
            self.effects.warn(Warning::File(FileWarning::TakesNoFiles { name }));
        }
    }

    pub(super) fn handle_list(&mut self, conn: ConnId, peer: Fingerprint, id: TransferId, first: u32) {
        let number = self.transfers.outgoing(peer, id);
        let Some(file) = number.and_then(|number| self.outgoing_file(number)) else {
            return self.refuse(conn, TransferRecord::Cancel { id, reason: CancelReason::User });
        };
        let before = file.listed.replace((conn, first));
        file.list = match file.list {
            ListAnswer::Given | ListAnswer::Waiting => ListAnswer::Waiting,
            ListAnswer::Reading | ListAnswer::ReadingAnother => ListAnswer::ReadingAnother,
        };
        if before.is_some_and(|(on, last)| on == conn && first <= last) {
            self.note_idle(conn);
        }
        self.answer_lists(conn);
    }

    /// Takes parts of a manifest of ours that were asked for.
    pub(crate) fn handle_manifest_read(
        &mut self,
        number: TransferNumber,
        parts: Result<Vec<TransferRecord>, String>,
    ) {
        let Some(peer) = self.transfers.get(number).map(|transfer| transfer.peer) else { return };
        let conn = self.conn_for_files(peer);
        let Some(file) = self.outgoing_file(number) else { return };
        let is_wanted = file.list == ListAnswer::Reading && file.listed.map(|(on, _)| on) == conn;
        file.list = match file.list {
            ListAnswer::ReadingAnother => ListAnswer::Waiting,
            ListAnswer::Reading | ListAnswer::Waiting | ListAnswer::Given => ListAnswer::Given,
        };
        match (parts, conn) {
            (Ok(parts), Some(conn)) => {
                for part in parts.into_iter().filter(|_| is_wanted) {
                    self.send_transfer(conn, part);
                }
                self.answer_lists(conn);
            }
            (Ok(_), None) => {}
            (Err(why), _) => self.fail_source(number, why),
        }
    }

    /// Has what the peer of a connection has asked for read, if the kernel has taken what was sent.
    fn answer_lists(&mut self, conn: ConnId) {
        let is_drained =
            |chat: &Self| chat.conversations.get(conn).is_some_and(|one| one.session.is_drained());
        if !is_drained(self) {
            return;
        }
        for (number, transfer) in self.transfers.iter_mut() {
            if let TransferSide::Outgoing(file) = &mut transfer.side
                && file.list == ListAnswer::Waiting
                && let Some((on, first)) = file.listed
                && on == conn
            {
                file.list = ListAnswer::Reading;
                let request = FileRequest::ReadManifest { number, first, parts: MANIFEST_PARTS };
                self.effects.push(Effect::File(request));
            }
        }
    }

    fn outgoing_file(&mut self, number: TransferNumber) -> Option<&mut OutgoingFile> {
        match &mut self.transfers.get_mut(number)?.side {
            TransferSide::Outgoing(file) => Some(file),
            TransferSide::Incoming(_) => None,
        }
    }

    pub(super) fn fail_source(&mut self, number: TransferNumber, why: String) {
        let Some(file) = self.transfers.get(number).map(|transfer| transfer.name.clone()) else { return };
        self.drop_transfer(number, Some(CancelReason::SourceChanged));
        self.effects.warn(Warning::File(FileWarning::SourceFailed { number, file, why }));
    }

    pub(super) fn handle_accept(&mut self, conn: ConnId, peer: Fingerprint, id: TransferId, at: Position) {
        let Some(number) = self.transfers.outgoing(peer, id) else {
            return self.refuse(conn, TransferRecord::Cancel { id, reason: CancelReason::User });
        };
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let TransferSide::Outgoing(file) = &mut transfer.side else { return };
        if file.transfer.accept(at).is_err() {
            return self.with_session(conn, AnySession::violate);
        }
        file.reading += 1;
        (transfer.conn, transfer.active) = (Some(conn), self.now.unix);
        let reading = file.reading;
        let file = transfer.name.clone();
        self.transfers.note_moved(self.now.mono);
        let by = self.name_of_key(peer);
        if at == Position::START {
            self.effects.info(Info::File(FileInfo::Taken { by, number, file }));
        }
        self.effects.push(Effect::File(FileRequest::OpenSource { number, reading, at }));
        self.pump_files(conn);
    }

    /// Takes what a read of a source gave.
    pub(crate) fn handle_source_read(
        &mut self,
        number: TransferNumber,
        reading: u32,
        read: Result<Vec<TransferRecord>, String>,
    ) {
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let TransferSide::Outgoing(file) = &mut transfer.side else { return };
        if file.reading != reading {
            return;
        }
        match (read, transfer.conn) {
            (Ok(records), Some(conn)) => {
                file.transfer.take_read(records);
                self.pump_files(conn);
            }
            (Ok(_), None) => {}
            (Err(why), _) => self.fail_source(number, why),
        }
    }

    /// Sends what was read as long as the socket takes it, and reads on: a text that is typed
    /// meanwhile waits for one turn of these at most.
    pub(crate) fn pump_files(&mut self, conn: ConnId) {
        self.answer_lists(conn);
        for number in self.transfers.on(conn) {
            let Some(transfer) = self.transfers.get_mut(number) else { continue };
            let TransferSide::Outgoing(file) = &mut transfer.side else { continue };
            let Some(conversation) = self.conversations.get_mut(conn) else { return };
            while conversation.session.is_drained()
                && let Some(record) = file.transfer.next_record()
                && conversation.session.send_transfer(record).is_ok()
            {}
            // Behind what is sent now: the kernel may take it at once, and report nothing.
            while file.transfer.begin_read() {
                self.effects.push(Effect::File(FileRequest::ReadSource { number, reading: file.reading }));
            }
        }
        self.drain(conn);
    }
}
