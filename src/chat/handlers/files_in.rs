//! File transfer, what we receive: `:accept`, `:decline`, and the way of the bytes to the disk.

use crate::chat::Chat;
use crate::chat::file_io::{FileRequest, TargetError, TransferNumber};
use crate::chat::io::Effect;
use crate::chat::kept::{AfterCommit, TransferStep};
use crate::chat::notice::{FileInfo, FileWarning, Info, OfferedFiles, Warning};
use crate::chat::taking::{OtherOffers, Verdict};
use crate::chat::transfers::{Decision, IncomingFile, TransferSide};
use crate::crypto::Fingerprint;
use crate::delivery::{PartRow, Room};
use crate::ids::ConnId;
use crate::limits::MANIFEST_PARTS;
use crate::session::AnySession;
use crate::wire::{
    CancelReason, DeclineReason, ManifestEntry, OfferKind, Position, TransferId, TransferRecord,
};

impl Chat {
    /// `:accept N [PATH] [--anyway]`
    pub(crate) fn accept_files(&mut self, number: TransferNumber, place: Option<String>, room: Room) {
        let Some(number) = self.find_unblocked_transfer(number) else { return };
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let TransferSide::Incoming(file) = &mut transfer.side else {
            return self.refuse_line(Warning::File(FileWarning::OwnOffer { number }));
        };
        if let Decision::Accepted { .. } = file.decision {
            return self.effects.info(Info::File(FileInfo::TakenAlready { number }));
        }
        let peer = transfer.peer;
        let place = place.map(|place| self.conversations.face().path(place));
        file.decision = Decision::Accepted { place, room };
        transfer.active = self.now.unix;
        self.keep_transfer(number);
        if let Some(conn) = self.conn_for_files(peer) {
            self.go_on(conn, number);
        } else {
            let from = self.name_of_key(peer);
            self.effects.info(Info::File(FileInfo::TakenLater { from, number }));
        }
    }

    /// Accepts what a peer offers on a connection, if a rule says so.
    pub(super) fn take_by_rule(&mut self, conn: ConnId, number: TransferNumber) {
        let Some(transfer) = self.transfers.get(number) else { return };
        let (peer, offer) = (transfer.peer, transfer.offer().clone());
        let Verdict::Accept(folder) = self.take_rules.verdict(&self.book, peer, &offer) else { return };
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let TransferSide::Incoming(file) = &mut transfer.side else { return };
        // A part says itself where it is.
        let place = folder.filter(|_| file.part.is_none());
        file.decision = Decision::Accepted { place, room: Room::Reserve };
        transfer.active = self.now.unix;
        self.keep_transfer(number);
        let (from, what) = (self.name_of_key(peer), OfferedFiles::of(&offer));
        self.effects.info(Info::File(FileInfo::Taking { from, number, what }));
        self.go_on(conn, number);
    }

    /// `:decline N`
    pub(crate) fn decline_files(&mut self, number: TransferNumber) {
        let Some(number) = self.find_transfer(number) else { return };
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let (peer, name, id) = (transfer.peer, transfer.name.clone(), transfer.offer().id);
        let TransferSide::Incoming(file) = &mut transfer.side else {
            return self.refuse_line(Warning::File(FileWarning::OwnOffer { number }));
        };
        if file.decision != Decision::Open || file.part.is_some() {
            return self.cancel_files(number);
        }
        let reason = DeclineReason::Unwanted;
        file.stop(Decision::Declined(reason));
        self.keep_transfer(number);
        self.effects.push(Effect::File(FileRequest::Discard { number, id, part: None }));
        if let Some(conn) = self.conn_for_files(peer) {
            self.send_transfer(conn, TransferRecord::Decline { id, reason });
        }
        let from = self.name_of_key(peer);
        self.effects.info(Info::File(FileInfo::NotTaken { from, number, file: name }));
    }

    /// Does what comes next of an accepted transfer: the rest of the manifest, then the place on
    /// disk.
    pub(super) fn go_on(&mut self, conn: ConnId, number: TransferNumber) {
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let offer = transfer.offer().clone();
        let TransferSide::Incoming(IncomingFile { manifest, decision: Decision::Accepted { .. }, .. }) =
            &transfer.side
        else {
            return;
        };
        transfer.conn = Some(conn);
        let is_listed = offer.kind == OfferKind::File || manifest.is_complete(&offer);
        self.transfers.note_moved(self.now.mono);
        if !is_listed {
            return self.ask_for_manifest(conn, number);
        }
        // That it is accepted is known before anything of it is on disk.
        match &mut self.kept {
            Some(kept) => kept.next.push(AfterCommit::Transfer(TransferStep::OpenTarget(number))),
            None => self.open_target(number),
        }
    }

    /// Asks for the rest of the manifest of a folder, unless that is on its way.
    pub(super) fn ask_for_manifest(&mut self, conn: ConnId, number: TransferNumber) {
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let id = transfer.offer().id;
        let TransferSide::Incoming(file) = &mut transfer.side else { return };
        if file.asked.is_none_or(|(asked, _)| asked != conn) {
            file.asked = Some((conn, 0));
            let first = file.manifest.next();
            self.send_transfer(conn, TransferRecord::List { id, first });
        }
    }

    /// Opens the place of an accepted transfer on disk.
    pub(super) fn open_target(&mut self, number: TransferNumber) {
        let Some(transfer) = self.transfers.get(number) else { return };
        let offer = transfer.offer().clone();
        let TransferSide::Incoming(IncomingFile {
            decision: Decision::Accepted { place, room }, part, ..
        }) = &transfer.side
        else {
            return;
        };
        let (place, room, part) = (place.clone(), *room, part.clone());
        self.effects.push(Effect::File(FileRequest::OpenTarget { number, offer, place, room, part }));
    }

    pub(super) fn handle_manifest(
        &mut self,
        conn: ConnId,
        peer: Fingerprint,
        id: TransferId,
        first: u32,
        entries: Vec<ManifestEntry>,
    ) {
        let Some(number) = self.transfers.incoming(peer, id) else { return self.note_idle(conn) };
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let TransferSide::Incoming(file) = &mut transfer.side else { return };
        let Some((_, parts)) = file.asked.as_mut().filter(|(asked, _)| *asked == conn) else {
            return self.note_idle(conn);
        };
        *parts += 1;
        let is_next_asked = parts.is_multiple_of(MANIFEST_PARTS);
        let offer = file.transfer.offer().clone();
        if let Err(error) = file.manifest.take(&offer, first, &entries) {
            let (reason, why) = (CancelReason::Damaged, error.to_string());
            return self.fail_target(number, TargetError { reason, why });
        }
        let (next, is_complete) = (file.manifest.next(), file.manifest.is_complete(&offer));
        let listing = file.listing.take_if(|_| is_complete);
        self.effects.push(Effect::File(FileRequest::KeepManifest { number, entries }));
        if let Some(face) = listing {
            self.effects.push(Effect::File(FileRequest::ListEntries { number, face }));
        }
        if is_complete {
            self.go_on(conn, number);
        } else if is_next_asked {
            self.send_transfer(conn, TransferRecord::List { id, first: next });
        }
    }

    /// Takes the place where a target goes on, or why there is none.
    pub(crate) fn handle_target_opened(
        &mut self,
        number: TransferNumber,
        opened: Result<(Position, PartRow), TargetError>,
    ) {
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let id = transfer.offer().id;
        let TransferSide::Incoming(file) = &mut transfer.side else { return };
        let Decision::Accepted { place, .. } = &mut file.decision else { return };
        // Asked for on an earlier connection as well: one answer is enough.
        if file.transfer.is_receiving() {
            return;
        }
        match opened {
            Ok((at, part)) => {
                // The part says from here on where it is.
                *place = None;
                if let Some(conn) = transfer.conn {
                    file.transfer.accept(at);
                    self.send_transfer(conn, TransferRecord::Accept { id, at });
                }
                self.keep_part(number, Some(part));
                self.report_written(number);
            }
            // Another place may do, or there may be room later.
            Err(error) => {
                file.stop(Decision::Open);
                let TargetError { reason, why } = error;
                let (peer, file) = (transfer.peer, transfer.name.clone());
                self.keep_transfer(number);
                // Where nobody can accept it into another place, the peer is told.
                if self.take_rules.others == OtherOffers::Refuse
                    && let Some(conn) = self.conn_for_files(peer)
                {
                    let reason = if reason.is_stop() { reason } else { CancelReason::CannotWrite };
                    self.send_transfer(conn, TransferRecord::Cancel { id, reason });
                }
                let from = self.name_of_key(peer);
                self.effects.warn(Warning::File(FileWarning::NotAccepted { from, number, file, why }));
            }
        }
    }

    pub(super) fn handle_content(
        &mut self,
        conn: ConnId,
        peer: Fingerprint,
        id: TransferId,
        record: TransferRecord,
    ) {
        let Some(number) = self.transfers.incoming(peer, id) else { return self.note_idle(conn) };
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let TransferSide::Incoming(file) = &mut transfer.side else { return };
        if file.drops(&record) {
            return;
        }
        if !file.transfer.is_receiving() {
            return self.note_idle(conn);
        }
        match file.transfer.receive(&record) {
            Ok(()) => self.effects.push_file(FileRequest::Write { number, records: vec![record] }),
            Err(_) => self.with_session(conn, AnySession::violate),
        }
    }

    /// Takes note of what is written.
    pub(crate) fn handle_target_written(
        &mut self,
        number: TransferNumber,
        cost: u64,
        written: Result<Position, TargetError>,
    ) {
        let now = self.now.mono;
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let TransferSide::Incoming(file) = &mut transfer.side else { return };
        match written {
            Ok(upto) => {
                file.transfer.wrote(now, cost, upto);
                self.transfers.note_moved(now);
                self.report_written(number);
            }
            // The writes behind one that failed fail as well.
            Err(error) if file.transfer.is_receiving() => self.fail_target(number, error),
            Err(_) => {}
        }
    }

    /// Reports what is written, where that is due, and files what is whole.
    pub(crate) fn report_written(&mut self, number: TransferNumber) {
        let now = self.now.mono;
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let (id, conn) = (transfer.offer().id, transfer.conn);
        let TransferSide::Incoming(file) = &mut transfer.side else { return };
        let report = file.transfer.report(now);
        if file.transfer.begin_filing() {
            match &mut self.kept {
                Some(kept) => kept.next.push(AfterCommit::Transfer(TransferStep::NameTarget(number))),
                None => self.name_target(number),
            }
        }
        if let (Some(at), Some(conn)) = (report, conn) {
            self.send_transfer(conn, TransferRecord::Have { id, at });
        }
    }

    /// Has a transfer named that is whole, unless it was ended meanwhile.
    pub(super) fn name_target(&mut self, number: TransferNumber) {
        let side = self.transfers.get(number).map(|transfer| &transfer.side);
        if let Some(TransferSide::Incoming(IncomingFile { decision: Decision::Accepted { .. }, .. })) = side {
            self.effects.push(Effect::File(FileRequest::File { number }));
        }
    }

    /// Reports what is written in time, for every transfer.
    pub(crate) fn report_all_written(&mut self) {
        let numbers: Vec<_> = self.transfers.iter().map(|(number, _)| number).collect();
        for number in numbers {
            self.report_written(number);
        }
    }

    /// Takes the path under which a transfer is on disk: its receipt is sent.
    pub(crate) fn handle_target_filed(&mut self, number: TransferNumber, filed: Result<String, TargetError>) {
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let TransferSide::Incoming(file) = &mut transfer.side else { return };
        // Asked for again while it got its name: it is found under that.
        if matches!(file.decision, Decision::Filed { .. }) {
            return;
        }
        match filed {
            Ok(path) => {
                file.decision = Decision::Filed { path };
                self.keep_transfer(number);
                match &mut self.kept {
                    Some(kept) => kept.next.push(AfterCommit::Transfer(TransferStep::Filed(number))),
                    None => self.send_filed(number),
                }
            }
            Err(error) => self.fail_target(number, error),
        }
    }

    /// Sends the receipt of a transfer, if its connection stands, and tells the user.
    pub(super) fn send_filed(&mut self, number: TransferNumber) {
        let Some(transfer) = self.transfers.get(number) else { return };
        let (peer, id, bytes) = (transfer.peer, transfer.offer().id, transfer.offer().total);
        let TransferSide::Incoming(IncomingFile { decision: Decision::Filed { path }, .. }) = &transfer.side
        else {
            return;
        };
        let path = path.clone();
        if let Some(conn) = transfer.conn {
            self.send_transfer(conn, TransferRecord::Filed(id));
        }
        let from = self.name_of_key(peer);
        self.effects.info(Info::File(FileInfo::Received { from, number, path, bytes }));
    }

    /// Ends a transfer that cannot go on. Where only the place is at fault, what has arrived stays,
    /// and it goes on once it is accepted again.
    fn fail_target(&mut self, number: TransferNumber, error: TargetError) {
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let TargetError { reason, why } = error;
        let (peer, id, file) = (transfer.peer, transfer.offer().id, transfer.name.clone());
        if let (TransferSide::Incoming(incoming), true) = (&mut transfer.side, reason.is_stop()) {
            incoming.stop(Decision::Open);
            transfer.conn = None;
            self.keep_transfer(number);
            self.effects.push(Effect::File(FileRequest::CloseTarget { number }));
            if let Some(conn) = self.conn_for_files(peer) {
                self.send_transfer(conn, TransferRecord::Cancel { id, reason });
            }
            let from = self.name_of_key(peer);
            return self.effects.warn(Warning::File(FileWarning::NotFinished { from, number, file, why }));
        }
        let from = self.name_of_key(peer);
        self.drop_transfer(number, Some(reason));
        self.effects.warn(Warning::File(FileWarning::NotReceived { from, number, file, why }));
    }
}
