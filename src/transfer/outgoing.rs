//! Outgoing transfer: from an offer until the peer has filed it.

use std::collections::VecDeque;

use super::{OutOfOrder, cost};
use crate::limits::{FILE_AHEAD_BYTES, FILE_READ_BYTES};
use crate::wire::{Offer, OfferKind, Position, TransferRecord};

/// Reads of the source that are under way at once: while one is sent, the next is read.
const READS: usize = 2;

/// Transfer to a peer, on any number of connections after each other.
#[derive(Debug)]
pub struct Outgoing {
    offer: Offer,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The peer has not accepted it on this connection.
    Offered,
    Sending(Sending),
    /// The peer has it, under its name.
    Filed,
}

/// Bytes on their way on one connection.
#[derive(Debug)]
struct Sending {
    /// Read from the source and not sent yet.
    read: VecDeque<TransferRecord>,
    /// Reads that are under way.
    reads: usize,
    /// Whether the last record of the source was read.
    is_read: bool,
    /// Where each record that was sent ends, and what it costs, until the peer has written it.
    unwritten: VecDeque<(Position, u64)>,
    /// What those cost together, at most [`FILE_AHEAD_BYTES`].
    ahead: u64,
    written: Position,
}

/// What a record of the peer says of a transfer of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutgoingProgress {
    /// Nothing new.
    None,
    /// More of it is written.
    Written,
    /// It is filed: the transfer is done.
    Filed,
}

impl Outgoing {
    /// One that was not accepted yet.
    #[must_use]
    pub fn new(offer: Offer) -> Self {
        Self { offer, stage: Stage::Offered }
    }

    /// What is offered.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Whether the peer has accepted it on this connection.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        matches!(self.stage, Stage::Sending(_))
    }

    /// Whether everything was sent.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        match &self.stage {
            Stage::Offered => false,
            Stage::Sending(sending) => sending.is_read && sending.read.is_empty(),
            Stage::Filed => true,
        }
    }

    /// First byte that the peer has not written, once it has accepted.
    #[must_use]
    pub fn written(&self) -> Option<Position> {
        match &self.stage {
            Stage::Offered => None,
            Stage::Sending(sending) => Some(sending.written),
            Stage::Filed => Some(end_of(&self.offer)),
        }
    }

    /// Takes the peer's `Accept`: the source is to be read from there.
    ///
    /// # Errors
    /// [`OutOfOrder`] when it was accepted before on this connection, or has no such place.
    pub fn accept(&mut self, at: Position) -> Result<(), OutOfOrder> {
        let is_place = at <= end_of(&self.offer)
            && (self.offer.kind == OfferKind::Folder || at.offset <= self.offer.total);
        if !matches!(self.stage, Stage::Offered) || !is_place {
            return Err(OutOfOrder);
        }
        self.stage = Stage::Sending(Sending {
            read: VecDeque::new(),
            reads: 0,
            is_read: at == end_of(&self.offer),
            unwritten: VecDeque::new(),
            ahead: 0,
            written: at,
        });
        Ok(())
    }

    /// The connection has ended: it is to be accepted again. Reads under way are of no use.
    pub fn interrupt(&mut self) {
        if self.is_sending() {
            self.stage = Stage::Offered;
        }
    }

    /// Takes note that one more read of [`FILE_READ_BYTES`] begins, if one is due.
    pub fn begin_read(&mut self) -> bool {
        let Stage::Sending(sending) = &mut self.stage else { return false };
        let waiting: u64 = sending.read.iter().map(cost).sum();
        let reads_ahead = waiting + (sending.reads * FILE_READ_BYTES) as u64;
        let is_due =
            !sending.is_read && sending.reads < READS && reads_ahead < (READS * FILE_READ_BYTES) as u64;
        sending.reads += usize::from(is_due);
        is_due
    }

    /// Takes what a read gave, in the order in which they began.
    pub fn take_read(&mut self, records: Vec<TransferRecord>) {
        let last = end_of(&self.offer);
        if let Stage::Sending(sending) = &mut self.stage {
            sending.reads = sending.reads.saturating_sub(1);
            sending.is_read |= records.last().and_then(end_of_record) == Some(last);
            sending.read.extend(records);
        }
    }

    /// The next record to send, as far as the peer has written what was sent before.
    pub fn next_record(&mut self) -> Option<TransferRecord> {
        let Stage::Sending(sending) = &mut self.stage else { return None };
        let cost = cost(sending.read.front()?);
        if sending.ahead > 0 && sending.ahead + cost > FILE_AHEAD_BYTES {
            return None;
        }
        let record = sending.read.pop_front()?;
        sending.ahead += cost;
        sending.unwritten.push_back((end_of_record(&record)?, cost));
        Some(record)
    }

    /// Takes the peer's `Have`.
    ///
    /// # Errors
    /// [`OutOfOrder`] when nothing was sent up to there.
    pub fn have(&mut self, at: Position) -> Result<OutgoingProgress, OutOfOrder> {
        let Stage::Sending(sending) = &mut self.stage else { return Ok(OutgoingProgress::None) };
        if at <= sending.written {
            return Ok(OutgoingProgress::None);
        }
        while let Some((end, cost)) = sending.unwritten.front().copied().filter(|(end, _)| *end <= at) {
            sending.unwritten.pop_front();
            sending.ahead -= cost;
            sending.written = end;
        }
        // Only places where a record ends can be written.
        if sending.written == at { Ok(OutgoingProgress::Written) } else { Err(OutOfOrder) }
    }

    /// Takes the peer's `Filed`. Where it was not accepted on this connection, everything was sent
    /// on an earlier one, perhaps by an earlier process.
    ///
    /// # Errors
    /// [`OutOfOrder`] while it is being sent.
    pub fn filed(&mut self) -> Result<OutgoingProgress, OutOfOrder> {
        if self.is_sending() && !self.is_sent() {
            return Err(OutOfOrder);
        }
        let is_news = !matches!(self.stage, Stage::Filed);
        self.stage = Stage::Filed;
        Ok(if is_news { OutgoingProgress::Filed } else { OutgoingProgress::None })
    }
}

/// The place behind the last entry.
pub(super) fn end_of(offer: &Offer) -> Position {
    Position { entry: offer.entries, offset: 0 }
}

/// The place behind a record of content.
pub(super) fn end_of_record(record: &TransferRecord) -> Option<Position> {
    let behind =
        |at: Position, bytes: u64| Some(Position { offset: at.offset.checked_add(bytes)?, entry: at.entry });
    match record {
        TransferRecord::Chunk { at, bytes, .. } => behind(*at, bytes.len() as u64),
        TransferRecord::Hole { at, length, .. } => behind(*at, *length),
        TransferRecord::EndOfFile { entry, .. } => Some(Position { entry: entry.checked_add(1)?, offset: 0 }),
        _ => None,
    }
}
