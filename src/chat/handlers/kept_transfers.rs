//! Transfers that outlive the program: rows of the store, and what they become again.

use std::collections::BTreeSet;

use crate::chat::Chat;
use crate::chat::file_io::{FileRequest, TransferNumber};
use crate::chat::io::Effect;
use crate::chat::kept::TransferStep;
use crate::chat::notice::{FileInfo, Info, OfferedFiles};
use crate::chat::taking::Verdict;
use crate::chat::transfers::{Decision, Transfer, TransferSide};
use crate::crypto::Fingerprint;
use crate::delivery::{Hashed, PartRow};
use crate::wire::FileTransfer;

impl Chat {
    /// Goes on with what is kept; from here on what is there is kept.
    pub(crate) fn restore_transfers(&mut self) {
        if self.account.file_transfer == FileTransfer::Unsupported {
            return;
        }
        let earlier: Vec<_> = self.transfers.iter().map(|(number, _)| number).collect();
        let Some(kept) = &self.kept else { return };
        let rows: Vec<_> =
            kept.ledger.transfers().map(|(peer, number, row)| (peer, number, row.clone())).collect();
        let mut forgotten = BTreeSet::new();
        for (peer, before, row) in rows {
            let number = self.transfers.number_again(before);
            let transfer = Transfer::of_row(peer, row);
            if !transfer.is_over() && self.is_of_nobody(&transfer) {
                forgotten.insert(peer);
                self.drop_leftover(&transfer);
            } else {
                self.go_on_with_restored(number, &transfer);
            }
            self.transfers.insert(number, transfer);
            if u64::from(number) != before {
                self.keep_nothing_of(peer, before);
                self.keep_transfer(number);
            }
        }
        for number in earlier {
            self.keep_transfer(number);
        }
        // By a process without the key of the store.
        for peer in forgotten {
            self.end_transfers_with(&self.name_of_key(peer), peer);
        }
    }

    /// Whether a transfer is with a peer that is forgotten: one of whom nothing is known here, and
    /// of whom no rule takes anything.
    fn is_of_nobody(&self, transfer: &Transfer) -> bool {
        let peer = transfer.peer;
        !self.has_chosen(peer)
            && self.book.by_fingerprint(&peer).is_none()
            && self.met.by_fingerprint(&peer).is_none()
            && self.take_rules.verdict(&self.book, peer, transfer.offer()) == Verdict::None
    }

    /// Of a transfer that was accepted, a part may have been made that was not noted.
    fn drop_leftover(&mut self, transfer: &Transfer) {
        if let TransferSide::Incoming(file) = &transfer.side
            && let (Decision::Accepted { place, .. }, None) = (&file.decision, &file.part)
        {
            let (id, place) = (transfer.offer().id, place.clone());
            self.effects.push(Effect::File(FileRequest::DropLeftover { id, place }));
        }
    }

    /// An offer that nobody has answered is shown again; what is left of one that is over goes.
    fn go_on_with_restored(&mut self, number: TransferNumber, transfer: &Transfer) {
        let id = transfer.offer().id;
        let file = match &transfer.side {
            TransferSide::Incoming(file) => file,
            TransferSide::Outgoing(file) => {
                let (path, identity, hashed) = (file.path.clone(), file.identity, file.hashed.clone());
                let request = FileRequest::ReopenSource { number, id, path, identity, hashed };
                return self.effects.push(Effect::File(request));
            }
        };
        match &file.decision {
            Decision::Open => {
                let (from, what) = (self.name_of_key(transfer.peer), OfferedFiles::of(transfer.offer()));
                self.effects.info(Info::File(FileInfo::Offers { from, number, what }));
            }
            Decision::Accepted { .. } => self.drop_leftover(transfer),
            Decision::Ended(_) if file.part.is_some() => {
                let part = file.part.clone();
                self.effects.push(Effect::File(FileRequest::Discard { number, id, part }));
            }
            _ => {}
        }
    }

    /// Goes on with a transfer that is kept, or cannot be: then the next start does not know of it.
    pub(super) fn take_transfer_step(&mut self, step: TransferStep) {
        match step {
            TransferStep::OpenTarget(number) => self.open_target(number),
            TransferStep::NameTarget(number) => self.name_target(number),
            TransferStep::Offer { face, number } => self.in_face(face, |chat| chat.offer(number)),
            TransferStep::Filed(number) => self.send_filed(number),
        }
    }

    /// Keeps a transfer as it is now.
    pub(super) fn keep_transfer(&mut self, number: TransferNumber) {
        self.transfers.note_change();
        if let (Some(kept), Some(transfer)) = (&mut self.kept, self.transfers.get(number)) {
            kept.ledger.set_transfer(transfer.peer, number.into(), Some(transfer.row()));
        }
    }

    /// Forgets a transfer, here and on disk.
    pub(super) fn forget_transfer(&mut self, number: TransferNumber) -> Option<Transfer> {
        let transfer = self.transfers.remove(number)?;
        self.keep_nothing_of(transfer.peer, number.into());
        Some(transfer)
    }

    /// Whether one more offer of a peer can be remembered, perhaps for one that is over.
    pub(super) fn makes_room_for_offer(&mut self, peer: Fingerprint) -> bool {
        if self.transfers.has_room_for(peer) {
            return true;
        }
        let over = self.transfers.oldest_over(peer);
        over.is_some_and(|number| self.forget_transfer(number).is_some())
    }

    /// Keeps what was hashed of a source: it is not hashed again.
    pub(super) fn keep_hashed(&mut self, number: TransferNumber, hashed: Option<Hashed>) {
        if let Some(hashed) = hashed
            && let Some(transfer) = self.transfers.get_mut(number)
            && let TransferSide::Outgoing(file) = &mut transfer.side
        {
            file.hashed = hashed;
            transfer.active = self.now.unix;
            self.keep_transfer(number);
        }
    }

    /// Keeps how much of a part survives a loss of power.
    pub(super) fn keep_part(&mut self, number: TransferNumber, part: Option<PartRow>) {
        if part.is_some()
            && let Some(transfer) = self.transfers.get_mut(number)
            && let TransferSide::Incoming(file) = &mut transfer.side
        {
            file.part = part;
            transfer.active = self.now.unix;
            self.keep_transfer(number);
        }
    }

    fn keep_nothing_of(&mut self, peer: Fingerprint, number: u64) {
        if let Some(kept) = &mut self.kept {
            kept.ledger.set_transfer(peer, number, None);
        }
    }
}
