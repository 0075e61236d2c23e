//! File transfer: offers, their answers, and `:files`, `:cancel`.

use crate::chat::Chat;
use crate::chat::conversation::Conversation;
use crate::chat::file_io::{FileAnswer, FileRequest, TransferNumber};
use crate::chat::history::Acquaintance;
use crate::chat::io::Effect;
use crate::chat::notice::{FileInfo, FileWarning, Info, Notice, OfferedFiles, Warning};
use crate::chat::taking::{OtherOffers, Verdict};
use crate::chat::transfers::{Decision, IncomingFile, Transfer, TransferSide};
use crate::chat::types::PeerId;
use crate::crypto::Fingerprint;
use crate::ids::ConnId;
use crate::limits::REFUSALS_UNREAD;
use crate::session::AnySession;
use crate::text::byte_count::words as size;
use crate::text::safe::SafeText;
use crate::transfer::{FileName, OutOfOrder, Outgoing, OutgoingProgress, RelativePath};
use crate::wire::{CancelReason, DeclineReason, ManifestEntry, Offer, OfferKind, TransferId, TransferRecord};

impl Chat {
    /// Takes a record of file transfer.
    pub(crate) fn handle_transfer_record(&mut self, conn: ConnId, record: TransferRecord) {
        let Some(PeerId::Key(peer)) = self.conversations.peer_of(conn).map(|peer| peer.id) else { return };
        let id = record.id();
        match record {
            TransferRecord::Offer(offer) => self.handle_offer(conn, peer, offer),
            TransferRecord::List { first, .. } => self.handle_list(conn, peer, id, first),
            TransferRecord::Accept { at, .. } => self.handle_accept(conn, peer, id, at),
            TransferRecord::Decline { reason, .. } => self.handle_decline(conn, peer, id, reason),
            TransferRecord::Have { at, .. } => {
                self.handle_progress(conn, peer, id, |transfer| transfer.have(at));
            }
            TransferRecord::Filed(_) => self.handle_progress(conn, peer, id, Outgoing::filed),
            TransferRecord::Manifest { first, entries, .. } => {
                self.handle_manifest(conn, peer, id, first, entries);
            }
            record @ (TransferRecord::Chunk { .. }
            | TransferRecord::Hole { .. }
            | TransferRecord::EndOfFile { .. }) => self.handle_content(conn, peer, id, record),
            TransferRecord::Cancel { reason, .. } => self.handle_cancel(conn, peer, id, reason),
        }
    }

    /// Takes an answer of the disk.
    pub(crate) fn handle_file_answer(&mut self, answer: FileAnswer) {
        match answer {
            FileAnswer::Examined { number, face, peer, path, source } => {
                self.in_face(face, |chat| chat.handle_examined(number, peer, &path, source));
            }
            FileAnswer::Reopened { number, reopened: Err(why) } => self.fail_source(number, why),
            FileAnswer::Reopened { reopened: Ok(()), .. } => {}
            FileAnswer::Manifest { number, parts } => self.handle_manifest_read(number, parts),
            FileAnswer::Listed { number, face, entries } => {
                self.in_face(face, |chat| chat.show_entries(number, &entries));
            }
            FileAnswer::Read { number, reading, read, hashed } => {
                self.handle_source_read(number, reading, read);
                self.keep_hashed(number, hashed);
            }
            FileAnswer::Opened { number, opened } => self.handle_target_opened(number, opened),
            FileAnswer::Written { number, cost, written, synced } => {
                self.keep_part(number, synced);
                self.handle_target_written(number, cost, written);
            }
            FileAnswer::Filed { number, filed } => self.handle_target_filed(number, filed),
            FileAnswer::Discarded { number } => self.handle_discarded(number),
        }
    }

    /// Takes note of a record that brought nothing new.
    pub(super) fn note_idle(&mut self, conn: ConnId) {
        let now = self.now.mono;
        self.with_session(conn, |session| session.note_idle(now));
    }

    /// Sends a record of a transfer. A connection that has ended takes none, and what it does not
    /// carry is said again on the next.
    pub(super) fn send_transfer(&mut self, conn: ConnId, record: TransferRecord) {
        self.with_session(conn, |session| _ = session.send_transfer(record));
    }

    /// The connection that takes records of files for a peer.
    pub(super) fn conn_for_files(&self, peer: Fingerprint) -> Option<ConnId> {
        let conn = self.conversations.open_with(PeerId::Key(peer))?;
        let conversation = self.conversations.get(conn)?;
        conversation.session.can_transfer_files().then_some(conn)
    }

    fn handle_offer(&mut self, conn: ConnId, peer: Fingerprint, offer: Offer) {
        let id = offer.id;
        if let Some(number) = self.transfers.incoming(peer, id) {
            return self.handle_offer_again(conn, number, &offer);
        }
        let verdict = self.take_rules.verdict(&self.book, peer, &offer);
        let refusal = match verdict {
            Verdict::None if self.take_rules.others == OtherOffers::Refuse => Some(DeclineReason::Unwanted),
            Verdict::None if !self.may_offer(conn, peer) => Some(DeclineReason::NotChosen),
            Verdict::TooLarge(most) if self.take_rules.others == OtherOffers::Refuse => {
                let (from, what) = (self.name_of_key(peer), OfferedFiles::of(&offer));
                self.effects.warn(Warning::File(FileWarning::TooLarge { from, what, most }));
                Some(DeclineReason::TooLarge)
            }
            _ => (!self.makes_room_for_offer(peer)).then_some(DeclineReason::TooMany),
        };
        if let Some(reason) = refusal {
            return self.refuse(conn, TransferRecord::Decline { id, reason });
        }
        let number = self.transfers.next_number();
        let name = FileName::of_peer(&offer.name);
        if !matches!(verdict, Verdict::Accept(_)) {
            let (from, what) = (self.name_of_key(peer), OfferedFiles::of(&offer));
            self.effects.info(Info::File(FileInfo::Offers { from, number, what }));
        }
        let offered_on = Some(conn);
        let file = IncomingFile { offered_on, ..IncomingFile::new(offer, Decision::Open) };
        let side = TransferSide::Incoming(file);
        self.transfers.insert(number, Transfer { peer, name, active: self.now.unix, conn: None, side });
        self.keep_transfer(number);
        self.take_by_rule(conn, number);
    }

    /// Whether the user has chosen the peer of a connection, so that it may offer files.
    fn may_offer(&self, conn: ConnId, peer: Fingerprint) -> bool {
        let acquaintance = self.conversations.get(conn).map(Conversation::acquaintance);
        acquaintance == Some(Acquaintance::Chosen) || self.has_chosen(peer)
    }

    /// Whether an offer of the peer of a connection is still one that may be accepted.
    pub(super) fn takes_offer(&self, conn: ConnId, transfer: &Transfer) -> bool {
        let verdict = self.take_rules.verdict(&self.book, transfer.peer, transfer.offer());
        verdict != Verdict::None || self.may_offer(conn, transfer.peer)
    }

    /// Ends a transfer that is not known here or not shown to anybody. It ends no conversation,
    /// however many there are; a peer that does not take the answers gets no more of them.
    pub(super) fn refuse(&mut self, conn: ConnId, answer: TransferRecord) {
        let Some(conversation) = self.conversations.get_mut(conn) else { return };
        let unread = if conversation.session.is_drained() { 0 } else { conversation.refused };
        conversation.refused = unread + 1;
        if unread < REFUSALS_UNREAD {
            self.send_transfer(conn, answer);
        }
    }

    /// An offer is repeated on each connection: what became of it is said again.
    fn handle_offer_again(&mut self, conn: ConnId, number: TransferNumber, offer: &Offer) {
        let Some(transfer) = self.transfers.get(number) else { return };
        if !transfer.is_over() && !self.takes_offer(conn, transfer) {
            self.drop_transfer(number, None);
            let (id, reason) = (offer.id, DeclineReason::NotChosen);
            return self.refuse(conn, TransferRecord::Decline { id, reason });
        }
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let TransferSide::Incoming(file) = &mut transfer.side else { return };
        if file.transfer.offer() != offer {
            return self.drop_transfer(number, Some(CancelReason::Damaged));
        }
        let is_said = file.offered_on.replace(conn) == Some(conn);
        let id = offer.id;
        match file.decision {
            Decision::Open if file.listing.is_some() => self.ask_for_manifest(conn, number),
            Decision::Open => self.take_by_rule(conn, number),
            // Answered on this connection already.
            Decision::Accepted { .. } if transfer.conn == Some(conn) => {}
            Decision::Accepted { .. } => self.go_on(conn, number),
            Decision::Declined(reason) => self.send_transfer(conn, TransferRecord::Decline { id, reason }),
            Decision::Ended(reason) => self.send_transfer(conn, TransferRecord::Cancel { id, reason }),
            Decision::Dropped => {
                self.send_transfer(conn, TransferRecord::Cancel { id, reason: CancelReason::User });
            }
            Decision::Filed { .. } => self.send_transfer(conn, TransferRecord::Filed(id)),
        }
        if is_said {
            self.note_idle(conn);
        }
    }

    fn handle_progress(
        &mut self,
        conn: ConnId,
        peer: Fingerprint,
        id: TransferId,
        take: impl FnOnce(&mut Outgoing) -> Result<OutgoingProgress, OutOfOrder>,
    ) {
        let number = self.transfers.outgoing(peer, id);
        let Some((number, transfer)) =
            number.and_then(|number| Some((number, self.transfers.get_mut(number)?)))
        else {
            return self.note_idle(conn);
        };
        let TransferSide::Outgoing(file) = &mut transfer.side else { return };
        match take(&mut file.transfer) {
            Ok(OutgoingProgress::None) => self.note_idle(conn),
            Ok(OutgoingProgress::Written) => {
                self.transfers.note_moved(self.now.mono);
                self.pump_files(conn);
            }
            Ok(OutgoingProgress::Filed) => {
                let (file, bytes) = (transfer.name.clone(), transfer.offer().total);
                self.forget_transfer(number);
                self.effects.push(Effect::File(FileRequest::CloseSource { number }));
                let to = self.name_of_key(peer);
                self.effects.info(Info::File(FileInfo::Delivered { to, number, file, bytes }));
            }
            Err(_) => self.with_session(conn, AnySession::violate),
        }
    }

    fn handle_decline(&mut self, conn: ConnId, peer: Fingerprint, id: TransferId, reason: DeclineReason) {
        let Some(number) = self.transfers.outgoing(peer, id) else { return self.note_idle(conn) };
        let Some(transfer) = self.forget_transfer(number) else { return };
        self.effects.push(Effect::File(FileRequest::CloseSource { number }));
        let (by, file) = (self.name_of_key(peer), transfer.name);
        self.effects.warn(Warning::File(FileWarning::Declined { by, number, file, reason }));
    }

    /// The peer ends a transfer of either side.
    fn handle_cancel(&mut self, conn: ConnId, peer: Fingerprint, id: TransferId, reason: CancelReason) {
        let number = self.transfers.incoming(peer, id).or_else(|| self.transfers.outgoing(peer, id));
        let Some(transfer) = number.and_then(|number| self.transfers.get(number)) else {
            return self.note_idle(conn);
        };
        let (Some(number), false) = (number, transfer.is_over()) else { return self.note_idle(conn) };
        let (by, file) = (self.name_of_key(peer), transfer.name.clone());
        if reason.is_stop()
            && let Some(Transfer { conn, side: TransferSide::Outgoing(ours), .. }) =
                self.transfers.get_mut(number)
        {
            *conn = None;
            ours.transfer.interrupt();
            return self.effects.warn(Warning::File(FileWarning::Stopped { by, number, file, reason }));
        }
        self.drop_transfer(number, None);
        self.effects.warn(Warning::File(FileWarning::Cancelled { by, number, file, reason }));
    }

    /// Ends a transfer for good, and tells the peer why, unless it has said so itself. One of the
    /// peer's that it does not know to be over is remembered: it is told when it offers again.
    pub(super) fn drop_transfer(&mut self, number: TransferNumber, reason: Option<CancelReason>) {
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let (peer, id) = (transfer.peer, transfer.offer().id);
        let request = match (&mut transfer.side, reason) {
            (TransferSide::Outgoing(_), _) => FileRequest::CloseSource { number },
            (TransferSide::Incoming(file), reason) => {
                file.stop(reason.map_or(Decision::Dropped, Decision::Ended));
                FileRequest::Discard { number, id, part: file.part.clone() }
            }
        };
        // What is to be removed is remembered until it is: the program may be killed before.
        let is_removed = matches!(&request, FileRequest::Discard { part: Some(_), .. });
        if is_removed || (reason.is_some() && matches!(request, FileRequest::Discard { .. })) {
            self.keep_transfer(number);
        } else {
            self.forget_transfer(number);
        }
        self.effects.push(Effect::File(request));
        if let (Some(reason), Some(conn)) = (reason, self.conn_for_files(peer)) {
            self.send_transfer(conn, TransferRecord::Cancel { id, reason });
        }
    }

    /// Takes note that nothing of a transfer that is over is on disk any more.
    fn handle_discarded(&mut self, number: TransferNumber) {
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let TransferSide::Incoming(file) = &mut transfer.side else { return };
        file.part = None;
        if file.decision == Decision::Dropped {
            self.forget_transfer(number);
        } else {
            self.keep_transfer(number);
        }
    }

    /// Ends every transfer with a peer that is forgotten; what has arrived of them is removed.
    pub(super) fn end_transfers_with(&mut self, with: &str, peer: Fingerprint) {
        let with_peer = self.transfers.iter().filter(|(_, transfer)| transfer.peer == peer);
        let with_peer: Vec<_> = with_peer.map(|(number, transfer)| (number, transfer.is_over())).collect();
        let offers = with_peer.iter().filter(|(_, is_over)| !is_over).count();
        for (number, _) in with_peer {
            self.drop_transfer(number, None);
            self.forget_transfer(number);
        }
        if offers > 0 {
            self.effects.info(Info::File(FileInfo::Dropped { with: with.to_owned(), offers }));
        }
    }

    /// Ends transfers that have waited too long; what has arrived of them is removed.
    pub(crate) fn end_expired_offers(&mut self) {
        for number in self.transfers.expired(self.now.unix) {
            let Some(transfer) = self.transfers.get(number).filter(|transfer| !transfer.is_over()) else {
                self.forget_transfer(number);
                continue;
            };
            let (with, file) = (self.name_of_key(transfer.peer), transfer.name.clone());
            self.drop_transfer(number, Some(CancelReason::User));
            self.effects.info(Info::File(FileInfo::Expired { with, number, file }));
        }
    }

    /// The transfer that a user names.
    pub(super) fn find_transfer(&mut self, number: TransferNumber) -> Option<TransferNumber> {
        self.end_expired_offers();
        let over = match self.transfers.get(number).map(|transfer| &transfer.side) {
            None => FileWarning::NoSuchTransfer { number },
            Some(TransferSide::Incoming(file)) => match &file.decision {
                Decision::Open | Decision::Accepted { .. } => return Some(number),
                Decision::Filed { path } => FileWarning::Arrived { number, path: path.clone() },
                Decision::Declined(_) => FileWarning::DeclinedBefore { number },
                Decision::Ended(_) | Decision::Dropped => FileWarning::CancelledBefore { number },
            },
            Some(TransferSide::Outgoing(_)) => return Some(number),
        };
        self.refuse_line(Warning::File(over));
        None
    }

    /// The transfer that a user names, unless its peer is blocked.
    pub(super) fn find_unblocked_transfer(&mut self, number: TransferNumber) -> Option<TransferNumber> {
        let number = self.find_transfer(number)?;
        let peer = self.transfers.get(number)?.peer;
        if self.is_blocked(peer) {
            let name = self.name_of_key(peer);
            self.refuse_line(Warning::StillBlocked { name });
            return None;
        }
        Some(number)
    }

    /// `:cancel N`
    pub(crate) fn cancel_files(&mut self, number: TransferNumber) {
        let Some(number) = self.find_transfer(number) else { return };
        let Some(transfer) = self.transfers.get(number) else { return };
        // One that has stopped had begun: the peer is told that it is cancelled.
        if let TransferSide::Incoming(IncomingFile { decision: Decision::Open, part: None, .. }) =
            transfer.side
        {
            return self.decline_files(number);
        }
        let (with, file) = (self.name_of_key(transfer.peer), transfer.name.clone());
        self.drop_transfer(number, Some(CancelReason::User));
        self.effects.info(Info::File(FileInfo::Cancelled { with, number, file }));
    }

    /// `:files`
    pub(crate) fn show_files(&mut self) {
        self.end_expired_offers();
        let mut rows = vec![["number", "with", "what", "size", "state"].map(str::to_owned).to_vec()];
        for (number, transfer) in self.transfers.iter() {
            let state = match &transfer.side {
                TransferSide::Outgoing(file) => outgoing_state(&file.transfer),
                TransferSide::Incoming(file) => incoming_state(file),
            };
            let arrow = match transfer.side {
                TransferSide::Outgoing(_) => "to",
                TransferSide::Incoming(_) => "from",
            };
            let is_held = !transfer.is_over() && self.is_blocked(transfer.peer);
            let state = if is_held { format!("{state}, blocked") } else { state };
            let with = format!("{arrow} {}", self.name_of_key(transfer.peer));
            let what = SafeText::line(transfer.name.as_str()).to_string();
            rows.push(vec![number.to_string(), with, what, size(transfer.offer().total), state]);
        }
        if rows.len() == 1 {
            return self.effects.info(Info::File(FileInfo::NoTransfers));
        }
        self.effects.show(Notice::Table(rows));
    }
}

impl Chat {
    /// `:files N`
    pub(crate) fn list_files(&mut self, number: TransferNumber) {
        let Some(number) = self.find_unblocked_transfer(number) else { return };
        let face = self.conversations.current_face();
        let Some(transfer) = self.transfers.get_mut(number) else { return };
        let (peer, offer) = (transfer.peer, transfer.offer().clone());
        if let TransferSide::Incoming(file) = &mut transfer.side
            && offer.kind == OfferKind::Folder
            && !file.manifest.is_complete(&offer)
        {
            file.listing = Some(face);
            if let Some(conn) = self.conn_for_files(peer) {
                return self.ask_for_manifest(conn, number);
            }
            let from = self.name_of_key(peer);
            return self.effects.info(Info::File(FileInfo::ListedLater { from, number }));
        }
        self.effects.push(Effect::File(FileRequest::ListEntries { number, face }));
    }

    /// Shows the first entries of a folder, or the one file, under the names that they get.
    fn show_entries(&mut self, number: TransferNumber, entries: &[ManifestEntry]) {
        let Some(transfer) = self.transfers.get(number) else { return };
        let offer = transfer.offer();
        let mut rows = vec![vec!["what".to_owned(), "size".to_owned()]];
        if offer.kind == OfferKind::File {
            rows.push(vec![SafeText::line(transfer.name.as_str()).to_string(), size(offer.total)]);
            return self.effects.show(Notice::Table(rows));
        }
        for entry in entries {
            let Some(path) = RelativePath::of_peer(&entry.path) else { continue };
            let path = SafeText::line(&path.to_string()).to_string();
            rows.push(match entry.kind {
                OfferKind::File => vec![path, size(entry.size)],
                OfferKind::Folder => vec![format!("{path}/"), "empty".to_owned()],
            });
        }
        let shown = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let more = offer.entries.saturating_sub(shown);
        if more > 0 {
            let bytes = entries.iter().fold(offer.total, |left, entry| left.saturating_sub(entry.size));
            rows.push(vec![format!("… and {more} more"), size(bytes)]);
        }
        self.effects.show(Notice::Table(rows));
    }
}

fn outgoing_state(transfer: &Outgoing) -> String {
    match transfer.written() {
        None => "offered".to_owned(),
        Some(_) if transfer.is_sent() => "sent".to_owned(),
        Some(at) => share(transfer.offer(), at.entry, at.offset),
    }
}

fn incoming_state(file: &IncomingFile) -> String {
    match (&file.decision, file.transfer.written()) {
        (Decision::Open, _) if file.part.is_some() => "stopped".to_owned(),
        (Decision::Open, _) => "offered".to_owned(),
        (Decision::Accepted { .. }, None) => "accepted".to_owned(),
        (Decision::Accepted { .. }, Some(at)) => share(file.transfer.offer(), at.entry, at.offset),
        (Decision::Declined(_), _) => "declined".to_owned(),
        (Decision::Ended(_) | Decision::Dropped, _) => "cancelled".to_owned(),
        (Decision::Filed { path }, _) => format!("is {path}"),
    }
}

/// How much of a transfer is written, in words.
fn share(offer: &Offer, entry: u32, offset: u64) -> String {
    match offer.kind {
        OfferKind::File => {
            let written = if entry > 0 { offer.total } else { offset };
            let percent = (u128::from(written) * 100).checked_div(u128::from(offer.total)).unwrap_or(100);
            format!("{percent} %")
        }
        OfferKind::Folder => format!("{entry} of {} files", offer.entries),
    }
}
