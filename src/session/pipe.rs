//! Pipe: an established session of a byte stream, as two halves that work concurrently
//! (`docs/PROTOCOL.md`, section 5.3). Each keeps the counts and the rules of its direction; their
//! owner passes on what one half owes the other. Records are sealed and opened in place.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::keepalive::IdleRecordCount;
pub use super::keepalive::{Keepalive, KeepaliveAction, ReadState};
use super::transport::seal_frame;
use super::types::CloseReason;
use crate::crypto::{OpenKey, SealKey, Split};
use crate::time::MonoMs;
use crate::wire::data_frame::{self, DataFrame};
use crate::wire::{ByeReason, LENGTH_BYTES, Padding, Record};

/// A pipe whose both sides have confirmed.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct Pipe {
    /// The sending half.
    pub send: SendHalf,
    /// The receiving half.
    pub recv: RecvHalf,
    /// Bytes that have arrived already and were not opened, the first for
    /// [`RecvHalf::handle_bytes`].
    pub buffered: Vec<u8>,
}

/// The half that seals. Everything that it returns goes to the socket, in the same order.
#[expect(missing_debug_implementations, reason = "holds a key")]
pub struct SendHalf {
    key: SealKey,
    own_ping: Arc<OwnPing>,
    sent: u64,
    ended: bool,
    closed: bool,
}

/// The half that opens. After its first error it gives nothing more.
#[expect(missing_debug_implementations, reason = "holds a key")]
pub struct RecvHalf {
    key: OpenKey,
    own_ping: Arc<OwnPing>,
    idle: IdleRecordCount,
    received: u64,
    stored: Option<u64>,
    ended: bool,
    closed: bool,
}

/// Event of the receiving half, besides bytes of the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecvEvent {
    /// The peer's stream is complete. [`SendHalf::stored`] is owed once all of it is written.
    Ended {
        /// Its bytes.
        total: u64,
    },
    /// The peer has written and flushed this much of our stream. It never decreases; whether we
    /// have sent so much, [`SendHalf::sent`] tells.
    Stored {
        /// Bytes from the beginning.
        total: u64,
    },
    /// [`SendHalf::pong`] is owed.
    Ping(u64),
    /// The pipe is closed.
    Closed(CloseReason),
}

impl Pipe {
    pub(super) fn new(split: Split, buffered: Vec<u8>) -> Self {
        let own_ping = Arc::<OwnPing>::default();
        let send = SendHalf {
            key: split.seal,
            own_ping: Arc::clone(&own_ping),
            sent: 0,
            ended: false,
            closed: false,
        };
        let recv = RecvHalf {
            key: split.open,
            own_ping,
            idle: IdleRecordCount::default(),
            received: 0,
            stored: None,
            ended: false,
            closed: false,
        };
        Self { send, recv, buffered }
    }
}

impl SendHalf {
    /// Bytes of our stream that were sealed so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Seals a frame whose `filled` stream bytes are in their place
    /// ([`DATA_AT`](data_frame::DATA_AT)), and returns how many bytes of it are to be sent. `None`
    /// after [`SendHalf::end`] or [`SendHalf::bye`], and when the nonces are used up.
    pub fn data(&mut self, frame: &mut DataFrame, filled: usize) -> Option<usize> {
        if self.ended || self.closed {
            return None;
        }
        let at = data_frame::write_around(frame, filled).ok()?;
        let length: [u8; LENGTH_BYTES] = *frame.first_chunk()?;
        let tag = self.key.seal(&length, frame.get_mut(at.clone())?).ok()?;
        let end = at.end + tag.len();
        frame.get_mut(at.end..end)?.copy_from_slice(&tag);
        self.sent = self.sent.saturating_add(filled as u64);
        Some(end)
    }

    /// Ends our stream: no byte follows. `None` as for [`SendHalf::data`].
    pub fn end(&mut self) -> Option<Vec<u8>> {
        if std::mem::replace(&mut self.ended, true) {
            return None;
        }
        self.record(&Record::End { total: self.sent })
    }

    /// The first `total` bytes of the peer's stream are written and flushed.
    pub fn stored(&mut self, total: u64) -> Option<Vec<u8>> {
        self.record(&Record::Stored { total })
    }

    /// Asks for a `Pong`.
    pub fn ping(&mut self, number: u64) -> Option<Vec<u8>> {
        self.own_ping.set(number);
        self.record(&Record::Ping(number))
    }

    /// Answers a `Ping`.
    pub fn pong(&mut self, number: u64) -> Option<Vec<u8>> {
        self.record(&Record::Pong(number))
    }

    /// Ends the session: nothing follows.
    pub fn bye(&mut self, reason: ByeReason) -> Option<Vec<u8>> {
        let bye = self.record(&Record::Bye(reason));
        self.closed = true;
        bye
    }

    fn record(&mut self, record: &Record) -> Option<Vec<u8>> {
        if self.closed {
            return None;
        }
        seal_frame(&mut self.key, record, Padding::Bulk).ok()
    }
}

impl RecvHalf {
    /// Opens the whole frames in `arrived` in place. Appends the ranges of the peer's stream bytes
    /// to `data` and everything else to `events`, both in their order; all bytes come before the
    /// [`RecvEvent::Ended`] that they belong to. Returns how many bytes were used; the rest is the
    /// beginning of a frame, to be given again with what follows it.
    pub fn handle_bytes(
        &mut self,
        now: MonoMs,
        arrived: &mut [u8],
        data: &mut Vec<Range<usize>>,
        events: &mut Vec<RecvEvent>,
    ) -> usize {
        let mut used = 0;
        while !self.closed {
            let rest = arrived.get_mut(used..).unwrap_or_default();
            let Some((length, rest)) = rest.split_first_chunk_mut::<LENGTH_BYTES>() else { break };
            let size = usize::from(u16::from_be_bytes(*length));
            let Some(body) = rest.get_mut(..size) else { break };
            let start = used + LENGTH_BYTES;
            match self.handle_frame(now, *length, body) {
                Ok(OpenedFrame::Data(range)) => data.push(start + range.start..start + range.end),
                Ok(OpenedFrame::Event(event)) => events.push(event),
                Ok(OpenedFrame::Idle | OpenedFrame::Expected) => {}
                Err(reason) => {
                    self.closed = true;
                    events.push(RecvEvent::Closed(reason));
                }
            }
            used = start + size;
        }
        used
    }

    /// Takes the end of the peer's stream: a cut, unless a `Bye` came before.
    pub fn handle_eof(&mut self, buffered: &[u8]) -> Option<RecvEvent> {
        let closed = std::mem::replace(&mut self.closed, true);
        let reason = CloseReason::ConnectionLost { mid_record: !buffered.is_empty() };
        (!closed).then_some(RecvEvent::Closed(reason))
    }

    fn handle_frame(
        &mut self,
        now: MonoMs,
        length: [u8; LENGTH_BYTES],
        body: &mut [u8],
    ) -> Result<OpenedFrame, CloseReason> {
        let plaintext = self.key.open(&length, body).map_err(|_| CloseReason::Record)?;
        let opened = match data_frame::data_range(plaintext).map_err(CloseReason::Wire)? {
            Some(_) if self.ended => return Err(CloseReason::ProtocolViolation),
            Some(range) if range.is_empty() => OpenedFrame::Idle,
            Some(range) => {
                self.received = self.received.saturating_add(range.len() as u64);
                OpenedFrame::Data(range)
            }
            None => self.handle_record(&Record::read(plaintext).map_err(CloseReason::Wire)?)?,
        };
        match opened {
            OpenedFrame::Idle | OpenedFrame::Event(RecvEvent::Ping(_)) => self.idle.spend(now)?,
            OpenedFrame::Expected => {}
            OpenedFrame::Data(_) | OpenedFrame::Event(_) => self.idle.reset(),
        }
        Ok(opened)
    }

    fn handle_record(&mut self, record: &Record) -> Result<OpenedFrame, CloseReason> {
        Ok(match *record {
            Record::End { total } if !self.ended && total == self.received => {
                self.ended = true;
                OpenedFrame::Event(RecvEvent::Ended { total })
            }
            // The first one about an empty stream has a total of zero.
            Record::Stored { total } if self.stored.is_none_or(|before| total > before) => {
                self.stored = Some(total);
                OpenedFrame::Event(RecvEvent::Stored { total })
            }
            Record::Ping(number) => OpenedFrame::Event(RecvEvent::Ping(number)),
            // What we asked for ourselves is not the peer's doing.
            Record::Pong(number) if self.own_ping.take(number) => OpenedFrame::Expected,
            Record::Stored { .. } | Record::Pong(_) | Record::Ignorable => OpenedFrame::Idle,
            Record::Bye(reason) => return Err(CloseReason::Bye(reason)),
            _ => return Err(CloseReason::ProtocolViolation),
        })
    }
}

/// What an opened frame holds.
enum OpenedFrame {
    Data(Range<usize>),
    Event(RecvEvent),
    /// A record that needs nothing done and counts as idle.
    Idle,
    /// A record that needs nothing done and does not count.
    Expected,
}

/// The last `Ping` of our own, while it is not answered; both halves have it.
#[derive(Default)]
struct OwnPing(Mutex<Option<u64>>);

impl OwnPing {
    fn set(&self, number: u64) {
        *self.lock() = Some(number);
    }

    /// Whether a `Pong` answers it, for the first time.
    fn take(&self, number: u64) -> bool {
        self.lock().take_if(|asked| *asked == number).is_some()
    }

    /// A panic leaves nothing half changed, so lock poisoning is ignored.
    fn lock(&self) -> MutexGuard<'_, Option<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
