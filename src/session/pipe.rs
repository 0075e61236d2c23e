//! Pipe: an established session of a byte stream, as two halves that work concurrently
//! (`docs/PROTOCOL.md`, section 5.3). Each keeps the counts and the rules of its direction; their
//! owner passes on what one half owes the other. Records are sealed and opened in place.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::keepalive::IdleRecordCount;
pub use super::keepalive::{Keepalive, KeepaliveAction, ReadState};
use super::rekeying::Rekeying;
use super::transport::seal_frame;
use super::types::CloseReason;
use crate::crypto::{OpenKey, SealKey, Seed};
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
    /// Deadlines of its re-keying.
    pub rekeying: RekeyWatch,
    /// Bytes that have arrived already and were not opened, the first for
    /// [`RecvHalf::handle_bytes`].
    pub buffered: Vec<u8>,
}

/// The half that seals. Everything that it returns goes to the socket, in the same order.
#[expect(missing_debug_implementations, reason = "holds a key")]
pub struct SendHalf {
    key: SealKey,
    shared: Arc<Shared>,
    sent: u64,
    ended: bool,
    closed: bool,
}

/// The half that opens. After its first error it gives nothing more.
#[expect(missing_debug_implementations, reason = "holds a key")]
pub struct RecvHalf {
    key: OpenKey,
    /// Bytes under one key after which this side re-keys.
    rekey_bytes: Option<u64>,
    rekey_due: bool,
    shared: Arc<Shared>,
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
    /// [`SendHalf::rekey`] is owed.
    RekeyDue,
    /// The pipe is closed.
    Closed(CloseReason),
}

impl Pipe {
    /// The clock of its owner begins at zero.
    pub(super) fn new(
        (seal, open, mut rekeying): (SealKey, OpenKey, Option<Rekeying>),
        buffered: Vec<u8>,
    ) -> Self {
        if let Some(rekeying) = &mut rekeying {
            rekeying.restart(MonoMs(0));
        }
        let rekey_bytes = rekeying.as_ref().and_then(Rekeying::threshold);
        let shared = Arc::new(Shared(Mutex::new(SharedState { own_ping: None, rekeying })));
        let send = SendHalf { key: seal, shared: Arc::clone(&shared), sent: 0, ended: false, closed: false };
        let recv = RecvHalf {
            key: open,
            rekey_bytes,
            rekey_due: false,
            shared: Arc::clone(&shared),
            idle: IdleRecordCount::default(),
            received: 0,
            stored: None,
            ended: false,
            closed: false,
        };
        Self { send, recv, rekeying: RekeyWatch(shared), buffered }
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
        self.shared.lock().own_ping = Some(number);
        self.record(&Record::Ping(number))
    }

    /// Answers a `Ping`.
    pub fn pong(&mut self, number: u64) -> Option<Vec<u8>> {
        self.record(&Record::Pong(number))
    }

    /// Whether [`SendHalf::rekey`] has something to send.
    #[must_use]
    pub fn is_rekey_due(&self, now: MonoMs) -> bool {
        let shared = self.shared.lock();
        !self.closed && shared.rekeying.as_ref().is_some_and(|one| one.is_due(now, self.key.bytes()))
    }

    /// Does our part of a re-keying, with fresh randomness: its record, and under the next key, if
    /// that changes here, what goes behind it. `None` when nothing is due.
    pub fn rekey(&mut self, now: MonoMs, seed: &Seed) -> Option<Vec<u8>> {
        let step = self.shared.lock().rekeying.as_mut()?.step(now, seed)?;
        let mut bytes = self.record(&step.record)?;
        if let Some(next) = step.next {
            self.key = next;
        }
        if let Some(number) = step.ping {
            bytes.extend(self.ping(number)?);
        }
        Some(bytes)
    }

    /// Ends the session: nothing follows.
    pub fn bye(&mut self, reason: ByeReason) -> Option<Vec<u8>> {
        let bye = self.record(&Record::Bye(reason));
        self.closed = true;
        bye
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn seal_key(&mut self) -> &mut SealKey {
        &mut self.key
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
            if self.closed {
                break;
            }
            self.note_opened();
            if std::mem::take(&mut self.rekey_due) {
                events.push(RecvEvent::RekeyDue);
            }
        }
        used
    }

    fn note_opened(&mut self) {
        let bytes = self.key.bytes();
        if self.rekey_bytes.is_some_and(|threshold| bytes >= threshold)
            && let Some(rekeying) = &mut self.shared.lock().rekeying
        {
            self.rekey_due |= rekeying.note_opened(bytes);
        }
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
            None => self.handle_record(now, &Record::read(plaintext).map_err(CloseReason::Wire)?)?,
        };
        match opened {
            OpenedFrame::Idle | OpenedFrame::Event(RecvEvent::Ping(_)) => self.idle.spend(now)?,
            OpenedFrame::Expected => {}
            OpenedFrame::Data(_) | OpenedFrame::Event(_) => self.idle.reset(),
        }
        Ok(opened)
    }

    fn handle_record(&mut self, now: MonoMs, record: &Record) -> Result<OpenedFrame, CloseReason> {
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
            Record::Pong(number) => {
                // What we asked for ourselves is not the peer's doing.
                if self.shared.lock().takes_pong(now, number) {
                    OpenedFrame::Expected
                } else {
                    OpenedFrame::Idle
                }
            }
            Record::Rekey(ref public) => {
                self.shared.lock().rekeying()?.handle_public(public)?;
                self.rekey_due = true;
                OpenedFrame::Idle
            }
            Record::Rekeyed(ref body) => {
                let mut shared = self.shared.lock();
                let rekeying = shared.rekeying()?;
                self.key = rekeying.handle_answer(now, body)?;
                self.rekey_due = rekeying.is_due(now, 0);
                OpenedFrame::Expected
            }
            Record::Stored { .. } | Record::NextKey(_) | Record::Ignorable => OpenedFrame::Idle,
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

/// What both halves have to do with.
struct Shared(Mutex<SharedState>);

struct SharedState {
    /// The last `Ping` of our own, while it is not answered.
    own_ping: Option<u64>,
    /// Re-keying, where both sides can.
    rekeying: Option<Rekeying>,
}

impl Shared {
    /// A panic leaves nothing half changed, so lock poisoning is ignored.
    fn lock(&self) -> MutexGuard<'_, SharedState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SharedState {
    /// Whether a `Pong` answers the last `Ping` of our own, for the first time.
    fn takes_pong(&mut self, now: MonoMs, number: u64) -> bool {
        if let Some(rekeying) = &mut self.rekeying {
            rekeying.handle_pong(now, number);
        }
        self.own_ping.take_if(|asked| *asked == number).is_some()
    }

    /// The re-keying, of which records come only where both sides have said that they can.
    fn rekeying(&mut self) -> Result<&mut Rekeying, CloseReason> {
        self.rekeying.as_mut().ok_or(CloseReason::ProtocolViolation)
    }
}

/// Deadlines of the re-keying of a pipe, for the owner of its two halves.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct RekeyWatch(Arc<Shared>);

/// What a [`RekeyWatch`] asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RekeyAction {
    /// Nothing before this moment, if there is one.
    Wait(Option<MonoMs>),
    /// [`SendHalf::rekey`].
    Rekey,
    /// Closing with [`CloseReason::RekeyTimeout`].
    GiveUp,
}

impl RekeyWatch {
    /// What is due now.
    #[must_use]
    pub fn handle_timeout(&self, now: MonoMs) -> RekeyAction {
        let shared = self.0.lock();
        let Some(rekeying) = &shared.rekeying else { return RekeyAction::Wait(None) };
        if rekeying.is_overdue(now) {
            RekeyAction::GiveUp
        } else if rekeying.is_due(now, 0) {
            RekeyAction::Rekey
        } else {
            RekeyAction::Wait(rekeying.poll_timeout())
        }
    }
}

#[cfg(test)]
mod tests;
