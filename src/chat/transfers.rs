//! File transfers of a chat: what each side offers, and how far it is.

use std::collections::BTreeMap;

use super::command::KnownFiles;
use super::file_io::TransferNumber;
use crate::crypto::Fingerprint;
use crate::delivery::{Hashed, PartRow, Room, TransferRow, TransferState};
use crate::ids::{ConnId, FaceId};
use crate::limits::{FILE_OFFER_MS, FILE_WINDOW_BYTES, OFFERS_EACH_PEER, RECEIPT_MS};
use crate::time::{MonoMs, UnixMs};
use crate::transfer::{FileName, Incoming, ManifestProgress, Outgoing, cost};
use crate::wire::{CancelReason, DeclineReason, Offer, TransferId, TransferRecord};

/// Transfers by their numbers.
#[derive(Default)]
pub(crate) struct Transfers {
    by_number: BTreeMap<TransferNumber, Transfer>,
    last: TransferNumber,
    /// Paths that are looked at, by the number of their offer, each with the face that offers it.
    examining: BTreeMap<TransferNumber, (FaceId, KnownFiles)>,
    /// Number of the changes that a list of them may show.
    changes: u64,
    /// When something of one has last moved.
    moved: MonoMs,
}

/// One transfer, with a peer that has proved its key.
pub(crate) struct Transfer {
    pub(crate) peer: Fingerprint,
    /// Name that a person is shown; of a file of a peer also the one that it gets.
    pub(crate) name: FileName,
    /// When it was offered, or last went on.
    pub(crate) active: UnixMs,
    /// Connection by which it was accepted, while that stands.
    pub(crate) conn: Option<ConnId>,
    pub(crate) side: TransferSide,
}

pub(crate) enum TransferSide {
    Outgoing(OutgoingFile),
    Incoming(IncomingFile),
}

/// What we offer.
pub(crate) struct OutgoingFile {
    pub(crate) transfer: Outgoing,
    /// Where it is, and the state in which it was offered.
    pub(crate) path: String,
    pub(crate) identity: [u8; 32],
    /// Connection and first entry of the last part of the manifest that the peer has asked for.
    pub(crate) listed: Option<(ConnId, u32)>,
    /// Answer to that.
    pub(crate) list: ListAnswer,
    /// What of it was hashed: it is not hashed again.
    pub(crate) hashed: Hashed,
    /// Reading of the source that is under way; the answers of earlier ones are of no use.
    pub(crate) reading: u32,
}

/// Answer to a `List` of the peer. One is read at a time, and the next once the kernel has taken
/// the one before: a peer that asks and does not read costs no more than that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ListAnswer {
    /// It was sent, or nothing was asked for.
    Given,
    /// It waits for the kernel.
    Waiting,
    /// It is being read, and the peer has asked for nothing else since.
    Reading,
    /// Another one is being read.
    ReadingAnother,
}

/// What a peer offers.
pub(crate) struct IncomingFile {
    pub(crate) transfer: Incoming,
    pub(crate) manifest: ManifestProgress,
    /// Connection on which it was asked for, and the parts that came since.
    pub(crate) asked: Option<(ConnId, u32)>,
    /// Who waits for it, to see what is offered.
    pub(crate) listing: Option<FaceId>,
    pub(crate) decision: Decision,
    /// Connection on which it was offered last: an offer is repeated once on each.
    pub(crate) offered_on: Option<ConnId>,
    /// What the content costs that may still be on its way though it is not wanted.
    pub(crate) unwanted: u64,
    /// What has arrived, as far as it survives a loss of power.
    pub(crate) part: Option<PartRow>,
}

/// What became of an offer of a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    /// Nobody has answered it, or it has stopped and goes on once it is accepted again.
    Open,
    /// It is taken, to this place, if the user has named one.
    Accepted {
        place: Option<String>,
        room: Room,
    },
    Declined(DeclineReason),
    /// It was ended while it came.
    Ended(CancelReason),
    /// The peer has ended it: it is forgotten once what has arrived of it is removed.
    Dropped,
    /// It is on disk, under this name.
    Filed {
        path: String,
    },
}

impl Transfers {
    pub(crate) fn get(&self, number: TransferNumber) -> Option<&Transfer> {
        self.by_number.get(&number)
    }

    pub(crate) fn get_mut(&mut self, number: TransferNumber) -> Option<&mut Transfer> {
        self.by_number.get_mut(&number)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TransferNumber, &Transfer)> {
        self.by_number.iter().map(|(number, transfer)| (*number, transfer))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (TransferNumber, &mut Transfer)> {
        self.by_number.iter_mut().map(|(number, transfer)| (*number, transfer))
    }

    pub(crate) fn remove(&mut self, number: TransferNumber) -> Option<Transfer> {
        self.note_change();
        self.by_number.remove(&number)
    }

    /// Number that changes with what a list of them may show.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Takes note that one of them has changed.
    pub(crate) fn note_change(&mut self) {
        self.changes += 1;
    }

    /// Takes note that something of one has moved.
    pub(crate) fn note_moved(&mut self, now: MonoMs) {
        self.moved = now;
    }

    /// Moment to which an input that has ended waits for those that are on their way, if any are.
    pub(crate) fn awaited_until(&self) -> Option<MonoMs> {
        let is_on_its_way = self.by_number.values().any(Transfer::is_on_its_way);
        is_on_its_way.then(|| self.moved + RECEIPT_MS)
    }

    /// A number that none has.
    pub(crate) fn next_number(&mut self) -> TransferNumber {
        self.last = self.last.saturating_add(1);
        self.last
    }

    /// The number that a transfer had before, unless another has it.
    pub(crate) fn number_again(&mut self, before: u64) -> TransferNumber {
        match TransferNumber::try_from(before) {
            Ok(number) if !self.by_number.contains_key(&number) => {
                self.last = self.last.max(number);
                number
            }
            _ => self.next_number(),
        }
    }

    pub(crate) fn insert(&mut self, number: TransferNumber, transfer: Transfer) {
        self.note_change();
        self.by_number.insert(number, transfer);
    }

    /// Takes note that a path is looked at, and what is done if it is offered already.
    pub(crate) fn examine(&mut self, number: TransferNumber, face: FaceId, known: KnownFiles) {
        self.examining.insert(number, (face, known));
    }

    /// What is done with what was looked at, if it is offered already.
    pub(crate) fn examined(&mut self, number: TransferNumber) -> KnownFiles {
        self.examining.remove(&number).map_or(KnownFiles::OfferedAnew, |(_, known)| known)
    }

    /// Whether a path is still looked at that a face offers.
    pub(crate) fn is_examining(&self, face: FaceId) -> bool {
        self.examining.values().any(|(asking, _)| *asking == face)
    }

    /// What is offered to a peer from a path, under a name, and has not changed since.
    pub(crate) fn offered(
        &self,
        peer: Fingerprint,
        path: &str,
        identity: [u8; 32],
        name: &[u8],
    ) -> Option<TransferNumber> {
        self.find(peer, |transfer| match &transfer.side {
            TransferSide::Outgoing(file) => {
                file.path == path && file.identity == identity && transfer.offer().name == name
            }
            TransferSide::Incoming(_) => false,
        })
    }

    /// A transfer of ours by its name on the wire.
    pub(crate) fn outgoing(&self, peer: Fingerprint, id: TransferId) -> Option<TransferNumber> {
        self.find(peer, |transfer| matches!(&transfer.side, TransferSide::Outgoing(file) if file.transfer.offer().id == id))
    }

    /// A transfer of the peer's by its name on the wire.
    pub(crate) fn incoming(&self, peer: Fingerprint, id: TransferId) -> Option<TransferNumber> {
        self.find(peer, |transfer| matches!(&transfer.side, TransferSide::Incoming(file) if file.transfer.offer().id == id))
    }

    /// Whether one more offer of a peer can be remembered.
    pub(crate) fn has_room_for(&self, peer: Fingerprint) -> bool {
        self.offers_of(peer).count() < OFFERS_EACH_PEER
    }

    /// The oldest offer of a peer that is over.
    pub(crate) fn oldest_over(&self, peer: Fingerprint) -> Option<TransferNumber> {
        self.offers_of(peer).find(|(_, transfer)| transfer.is_over()).map(|(number, _)| number)
    }

    fn offers_of(&self, peer: Fingerprint) -> impl Iterator<Item = (TransferNumber, &Transfer)> {
        self.iter().filter(move |(_, transfer)| transfer.peer == peer && transfer.is_incoming())
    }

    /// Numbers of the transfers that have waited too long, for an answer or to go on.
    pub(crate) fn expired(&self, now: UnixMs) -> Vec<TransferNumber> {
        let expired = self.iter().filter(|(_, transfer)| {
            let is_waiting = match &transfer.side {
                TransferSide::Outgoing(file) => !file.transfer.is_sending(),
                TransferSide::Incoming(file) => !file.transfer.is_receiving(),
            };
            is_waiting && now.since(transfer.active) > FILE_OFFER_MS
        });
        expired.map(|(number, _)| number).collect()
    }

    /// Numbers of the transfers that a connection carries.
    pub(crate) fn on(&self, conn: ConnId) -> Vec<TransferNumber> {
        let carried = self.iter().filter(|(_, transfer)| transfer.conn == Some(conn));
        carried.map(|(number, _)| number).collect()
    }

    /// The connection that carried them has ended.
    pub(crate) fn interrupt(&mut self, conn: ConnId) {
        for transfer in self.by_number.values_mut().filter(|transfer| transfer.conn == Some(conn)) {
            transfer.conn = None;
            match &mut transfer.side {
                TransferSide::Outgoing(file) => file.transfer.interrupt(),
                TransferSide::Incoming(file) => {
                    file.transfer.interrupt();
                    file.unwanted = 0;
                }
            }
        }
    }

    /// When a report of what is written is next due.
    pub(crate) fn poll_timeout(&self) -> Option<MonoMs> {
        self.by_number
            .values()
            .filter_map(|transfer| match &transfer.side {
                TransferSide::Incoming(file) => file.transfer.poll_timeout(),
                TransferSide::Outgoing(_) => None,
            })
            .min()
    }

    fn find(&self, peer: Fingerprint, is: impl Fn(&Transfer) -> bool) -> Option<TransferNumber> {
        self.iter().find(|(_, transfer)| transfer.peer == peer && is(transfer)).map(|(number, _)| number)
    }
}

impl OutgoingFile {
    /// One that was not accepted yet on this connection.
    pub(crate) fn new(offer: Offer, path: String, identity: [u8; 32], hashed: Hashed) -> Self {
        let transfer = Outgoing::new(offer);
        Self { transfer, path, identity, listed: None, list: ListAnswer::Given, hashed, reading: 0 }
    }
}

impl Transfer {
    /// One that was kept.
    pub(crate) fn of_row(peer: Fingerprint, row: TransferRow) -> Self {
        let TransferRow { active, offer, state } = row;
        let name = FileName::of_peer(&offer.name);
        let (decision, part) = match state {
            TransferState::Outgoing { path, identity, hashed } => {
                let side = TransferSide::Outgoing(OutgoingFile::new(offer, path, identity, hashed));
                return Self { peer, name, active, conn: None, side };
            }
            TransferState::Open { part } => (Decision::Open, part),
            TransferState::Accepted { place, room, part } => (Decision::Accepted { place, room }, part),
            TransferState::Declined(reason) => (Decision::Declined(reason), None),
            TransferState::Ended(reason) => (Decision::Ended(reason), None),
            TransferState::Discarding { reason, part } => (Decision::Ended(reason), Some(part)),
            TransferState::Filed(path) => (Decision::Filed { path }, None),
        };
        let side = TransferSide::Incoming(IncomingFile { part, ..IncomingFile::new(offer, decision) });
        Self { peer, name, active, conn: None, side }
    }

    /// What is kept of it.
    pub(crate) fn row(&self) -> TransferRow {
        let state = match &self.side {
            TransferSide::Outgoing(file) => TransferState::Outgoing {
                path: file.path.clone(),
                identity: file.identity,
                hashed: file.hashed.clone(),
            },
            TransferSide::Incoming(file) => match (&file.decision, &file.part) {
                (Decision::Ended(reason), Some(part)) => {
                    TransferState::Discarding { reason: *reason, part: part.clone() }
                }
                (Decision::Dropped, Some(part)) => {
                    TransferState::Discarding { reason: CancelReason::User, part: part.clone() }
                }
                (Decision::Open, _) => TransferState::Open { part: file.part.clone() },
                (Decision::Accepted { place, room }, _) => {
                    TransferState::Accepted { place: place.clone(), room: *room, part: file.part.clone() }
                }
                (Decision::Declined(reason), _) => TransferState::Declined(*reason),
                (Decision::Ended(reason), None) => TransferState::Ended(*reason),
                (Decision::Dropped, None) => TransferState::Ended(CancelReason::User),
                (Decision::Filed { path }, _) => TransferState::Filed(path.clone()),
            },
        };
        TransferRow { active: self.active, offer: self.offer().clone(), state }
    }

    /// Whether it is accepted, and the connection stands that carries it.
    fn is_on_its_way(&self) -> bool {
        self.conn.is_some()
            && match &self.side {
                TransferSide::Outgoing(file) => file.transfer.is_sending(),
                TransferSide::Incoming(file) => matches!(file.decision, Decision::Accepted { .. }),
            }
    }

    /// Whether it was accepted, as far as this process knows, and is not over.
    pub(crate) fn is_unfinished(&self) -> bool {
        match &self.side {
            TransferSide::Outgoing(file) => file.reading > 0,
            TransferSide::Incoming(file) => matches!(file.decision, Decision::Accepted { .. }),
        }
    }

    fn is_incoming(&self) -> bool {
        matches!(self.side, TransferSide::Incoming(_))
    }

    /// Whether the user has nothing to do with it any more: it is remembered for the peer alone.
    pub(crate) fn is_over(&self) -> bool {
        match &self.side {
            TransferSide::Outgoing(_) => false,
            TransferSide::Incoming(file) => {
                !matches!(file.decision, Decision::Open | Decision::Accepted { .. })
            }
        }
    }

    pub(crate) fn offer(&self) -> &Offer {
        match &self.side {
            TransferSide::Outgoing(file) => file.transfer.offer(),
            TransferSide::Incoming(file) => file.transfer.offer(),
        }
    }
}

impl IncomingFile {
    pub(crate) fn new(offer: Offer, decision: Decision) -> Self {
        let (transfer, manifest) = (Incoming::new(offer), ManifestProgress::default());
        let (asked, listing, offered_on, part) = (None, None, None, None);
        Self { transfer, manifest, asked, listing, decision, offered_on, unwanted: 0, part }
    }

    /// Takes nothing of it any more: what is on its way is dropped, and the manifest asked for
    /// again.
    pub(crate) fn stop(&mut self, decision: Decision) {
        self.decision = decision;
        self.transfer.interrupt();
        (self.manifest, self.asked) = (ManifestProgress::default(), None);
        self.unwanted = FILE_WINDOW_BYTES;
    }

    /// Whether a record of content was on its way when the transfer stopped. What is sent after
    /// that begins where it goes on, which is before all of it.
    pub(crate) fn drops(&mut self, record: &TransferRecord) -> bool {
        if self.transfer.is_next(record) {
            self.unwanted = 0;
        }
        let left = self.unwanted.checked_sub(cost(record));
        self.unwanted = left.unwrap_or(self.unwanted);
        left.is_some()
    }
}
