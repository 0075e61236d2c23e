//! Incoming transfer: from an offer until it is filed.

use super::outgoing::{end_of, end_of_record};
use super::{OutOfOrder, cost};
use crate::limits::{CONFIRM_EVERY_MS, FILE_HAVE_BYTES, FILE_WINDOW_BYTES};
use crate::time::MonoMs;
use crate::wire::{Offer, OfferKind, Position, TransferRecord};

/// Transfer from a peer, on any number of connections after each other.
#[derive(Debug)]
pub struct Incoming {
    offer: Offer,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// It was not accepted on this connection.
    Offered,
    Receiving(Receiving),
}

/// Bytes on their way on one connection.
#[derive(Debug)]
struct Receiving {
    /// Where the next record begins.
    next: Position,
    /// First byte that is not written.
    written: Position,
    /// What the records cost that arrived and are not written, at most [`FILE_WINDOW_BYTES`].
    unwritten: u64,
    /// What was written since the last `Have`.
    unreported: u64,
    /// When the next `Have` is due.
    report_at: Option<MonoMs>,
    filing: Filing,
}

/// Whether what is whole gets its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Filing {
    NotBegun,
    Begun,
}

impl Incoming {
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

    /// Whether it was accepted on this connection.
    #[must_use]
    pub fn is_receiving(&self) -> bool {
        matches!(self.stage, Stage::Receiving(_))
    }

    /// Accepts it on this connection, from the first place that is not on disk: `Accept` is sent.
    pub fn accept(&mut self, at: Position) {
        self.stage = Stage::Receiving(Receiving {
            next: at,
            written: at,
            unwritten: 0,
            unreported: 0,
            report_at: None,
            filing: Filing::NotBegun,
        });
    }

    /// The connection has ended: it is accepted again on the next one.
    pub fn interrupt(&mut self) {
        self.stage = Stage::Offered;
    }

    /// Whether a record of content begins where the last one has ended.
    #[must_use]
    pub fn is_next(&self, record: &TransferRecord) -> bool {
        matches!(&self.stage, Stage::Receiving(receiving) if beginning_of(record) == Some(receiving.next))
    }

    /// Takes a record of content, which is to be written.
    ///
    /// # Errors
    /// [`OutOfOrder`] when it does not follow on what came before, passes the end of the offer, or
    /// is further ahead of what is written than a peer may be.
    pub fn receive(&mut self, record: &TransferRecord) -> Result<(), OutOfOrder> {
        let Stage::Receiving(receiving) = &mut self.stage else { return Err(OutOfOrder) };
        let begins = beginning_of(record).ok_or(OutOfOrder)?;
        let ends = end_of_record(record).ok_or(OutOfOrder)?;
        let is_within = ends <= end_of(&self.offer)
            && ends.offset <= self.offer.total
            && (self.offer.kind == OfferKind::Folder || ends.entry == 0 || begins.offset == self.offer.total);
        let cost = cost(record);
        let is_too_far = receiving.unwritten > 0 && receiving.unwritten + cost > FILE_WINDOW_BYTES;
        if begins != receiving.next || !is_within || is_too_far {
            return Err(OutOfOrder);
        }
        receiving.next = ends;
        receiving.unwritten += cost;
        Ok(())
    }

    /// Takes note that the oldest record that was not written is, or was cut from the connection
    /// that carried it.
    pub fn wrote(&mut self, now: MonoMs, record_cost: u64, upto: Position) {
        let Stage::Receiving(receiving) = &mut self.stage else { return };
        receiving.unwritten = receiving.unwritten.saturating_sub(record_cost);
        receiving.unreported += record_cost;
        receiving.written = upto;
        receiving.report_at.get_or_insert(now + CONFIRM_EVERY_MS);
        if receiving.unreported >= FILE_HAVE_BYTES || upto == end_of(&self.offer) {
            receiving.report_at = Some(now);
        }
    }

    /// When [`Incoming::report`] next has something to say.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoMs> {
        match &self.stage {
            Stage::Receiving(receiving) => receiving.report_at,
            Stage::Offered => None,
        }
    }

    /// What the next `Have` says, if one is due.
    pub fn report(&mut self, now: MonoMs) -> Option<Position> {
        let Stage::Receiving(receiving) = &mut self.stage else { return None };
        receiving.report_at.take_if(|due| *due <= now)?;
        receiving.unreported = 0;
        Some(receiving.written)
    }

    /// First byte that is not written, once it was accepted.
    #[must_use]
    pub fn written(&self) -> Option<Position> {
        match &self.stage {
            Stage::Receiving(receiving) => Some(receiving.written),
            Stage::Offered => None,
        }
    }

    /// Whether everything is written.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.written() == Some(end_of(&self.offer))
    }

    /// Takes note that it gets its name, once everything is written. Returns whether that begins
    /// now.
    pub fn begin_filing(&mut self) -> bool {
        let is_written = self.is_written();
        match &mut self.stage {
            Stage::Receiving(receiving) if is_written && receiving.filing == Filing::NotBegun => {
                receiving.filing = Filing::Begun;
                true
            }
            Stage::Receiving(_) | Stage::Offered => false,
        }
    }
}

/// The place where a record of content begins.
fn beginning_of(record: &TransferRecord) -> Option<Position> {
    match record {
        TransferRecord::Chunk { at, .. } | TransferRecord::Hole { at, .. } => Some(*at),
        // Its size is that of what came.
        TransferRecord::EndOfFile { entry, size, .. } => Some(Position { entry: *entry, offset: *size }),
        _ => None,
    }
}
