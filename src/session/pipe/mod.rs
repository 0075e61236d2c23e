//! A pipe that stands, as two halves that can work at once: what goes out is sealed by one, what comes in is
//! opened by the other, both where the bytes stand. Each keeps the counts and the rules of its direction
//! (`docs/PROTOCOL.md`, section 5.3). Who owns them carries words from one to the other.

use std::ops::Range;

use super::transport::seal_frame;
use super::{CloseReason, IdleBudget};
use crate::crypto::{OpenKey, SealKey};
use crate::limits;
use crate::wire::data_frame::{self, DataFrame};
use crate::wire::{ByeReason, LENGTH_BYTES, Padding, Record};

/// A pipe whose both sides have confirmed.
#[expect(missing_debug_implementations, reason = "holds keys")]
pub struct Pipe {
    /// What goes out.
    pub outgoing: SendHalf,
    /// What comes in.
    pub incoming: RecvHalf,
    /// What has arrived already and was not opened: the first bytes for [`RecvHalf::take`].
    pub arrived: Vec<u8>,
}

/// The half that seals. Whatever it gives goes to the socket in this order.
#[expect(missing_debug_implementations, reason = "holds a key")]
pub struct SendHalf {
    key: SealKey,
    sent: u64,
    ended: bool,
    left: bool,
}

/// The half that opens. After its first fault it gives nothing more.
#[expect(missing_debug_implementations, reason = "holds a key")]
pub struct RecvHalf {
    key: OpenKey,
    idle: IdleBudget,
    heard: u64,
    stored: Option<u64>,
    ended: bool,
    over: bool,
}

/// What came in besides bytes of the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecvEvent {
    /// The peer's stream is complete. [`SendHalf::stored`] is owed once all of it is written and flushed.
    Ended {
        /// Its bytes.
        total: u64,
    },
    /// So many bytes of our stream are written and flushed at the peer. Never less than before; whether we sent
    /// so many, [`SendHalf::sent`] knows.
    Stored {
        /// Bytes from the beginning.
        total: u64,
    },
    /// [`SendHalf::pong`] is owed.
    Ping(u64),
    /// The pipe is over.
    Over(CloseReason),
}

impl Pipe {
    pub(super) fn new(seal: SealKey, open: OpenKey, arrived: Vec<u8>) -> Self {
        let outgoing = SendHalf { key: seal, sent: 0, ended: false, left: false };
        let incoming = RecvHalf {
            key: open,
            idle: IdleBudget::default(),
            heard: 0,
            stored: None,
            ended: false,
            over: false,
        };
        Self { outgoing, incoming, arrived }
    }
}

impl SendHalf {
    /// Bytes of our stream that were sealed so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Seals a frame whose first `filled` stream bytes stand in their place ([`DATA_AT`](data_frame::DATA_AT)), and
    /// gives how many bytes of it are to be sent. `None` after the end of the stream or the goodbye, and when
    /// the key's counter has come to its end.
    pub fn data(&mut self, frame: &mut DataFrame, filled: usize) -> Option<usize> {
        if self.ended || self.left {
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

    /// Asks for a sign of life.
    pub fn ping(&mut self, number: u64) -> Option<Vec<u8>> {
        self.record(&Record::Ping(number))
    }

    /// Answers a ping.
    pub fn pong(&mut self, number: u64) -> Option<Vec<u8>> {
        self.record(&Record::Pong(number))
    }

    /// Says goodbye: nothing follows.
    pub fn bye(&mut self, reason: ByeReason) -> Option<Vec<u8>> {
        let bye = self.record(&Record::Bye(reason));
        self.left = true;
        bye
    }

    fn record(&mut self, record: &Record) -> Option<Vec<u8>> {
        if self.left {
            return None;
        }
        seal_frame(&mut self.key, record, Padding::Bulk).ok()
    }
}

impl RecvHalf {
    /// Opens the whole frames in `arrived` where they stand. The places of the peer's stream bytes are added
    /// to `found` and everything else to `arrivals`, both in their order; all bytes come before the
    /// [`RecvEvent::Ended`] that they belong to. Gives how many bytes were used; the rest is the beginning of a
    /// frame, to be given again with what follows it.
    pub fn take(
        &mut self,
        now_ms: u64,
        arrived: &mut [u8],
        found: &mut Vec<Range<usize>>,
        arrivals: &mut Vec<RecvEvent>,
    ) -> usize {
        let mut used = 0;
        while !self.over {
            let rest = arrived.get_mut(used..).unwrap_or_default();
            let Some((length, rest)) = rest.split_first_chunk_mut::<LENGTH_BYTES>() else { break };
            let size = usize::from(u16::from_be_bytes(*length));
            let Some(body) = rest.get_mut(..size) else { break };
            let start = used + LENGTH_BYTES;
            match self.frame(now_ms, *length, body) {
                Ok(Some(Opened::Bytes(place))) => found.push(start + place.start..start + place.end),
                Ok(Some(Opened::Other(arrival))) => arrivals.push(arrival),
                Ok(None) => {}
                Err(ending) => {
                    self.over = true;
                    arrivals.push(RecvEvent::Over(ending));
                }
            }
            used = start + size;
        }
        used
    }

    /// The peer's socket has ended: a cut, unless a goodbye came before.
    pub fn handle_eof(&mut self, waiting: &[u8]) -> Option<RecvEvent> {
        let over = std::mem::replace(&mut self.over, true);
        (!over).then_some(RecvEvent::Over(CloseReason::ConnectionLost { mid_record: !waiting.is_empty() }))
    }

    fn frame(
        &mut self,
        now_ms: u64,
        length: [u8; LENGTH_BYTES],
        body: &mut [u8],
    ) -> Result<Option<Opened>, CloseReason> {
        let plaintext = self.key.open(&length, body).map_err(|_| CloseReason::Record)?;
        if let Some(place) = data_frame::data_range(plaintext).map_err(CloseReason::Wire)? {
            return self.bytes(place, now_ms);
        }
        let arrival = match Record::read(plaintext).map_err(CloseReason::Wire)? {
            Record::End { total } if !self.ended && total == self.heard => {
                self.ended = true;
                RecvEvent::Ended { total }
            }
            Record::Stored { total } if self.is_news(total) => RecvEvent::Stored { total },
            Record::Ping(number) => {
                self.idle.count(now_ms)?;
                return Ok(Some(Opened::Other(RecvEvent::Ping(number))));
            }
            Record::Stored { .. } | Record::Pong(_) | Record::Ignorable => {
                self.idle.count(now_ms)?;
                return Ok(None);
            }
            Record::Bye(reason) => return Err(CloseReason::Bye(reason)),
            _ => return Err(CloseReason::ProtocolViolation),
        };
        self.idle.interrupt();
        Ok(Some(Opened::Other(arrival)))
    }

    fn bytes(&mut self, place: Range<usize>, now_ms: u64) -> Result<Option<Opened>, CloseReason> {
        if self.ended {
            return Err(CloseReason::ProtocolViolation);
        }
        if place.is_empty() {
            self.idle.count(now_ms)?;
            return Ok(None);
        }
        self.idle.interrupt();
        self.heard = self.heard.saturating_add(place.len() as u64);
        Ok(Some(Opened::Bytes(place)))
    }

    /// The first word about an empty stream says zero.
    fn is_news(&mut self, total: u64) -> bool {
        let news = self.stored.is_none_or(|before| total > before);
        if news {
            self.stored = Some(total);
        }
        news
    }
}

enum Opened {
    Bytes(Range<usize>),
    Other(RecvEvent),
}

/// When a pipe asks its peer for a sign of life, and when it gives it up. Milliseconds of one clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keepalive {
    heard_ms: u64,
    pinged_ms: u64,
}

/// What a [`Keepalive`] wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeepaliveAction {
    /// Nothing before this moment, in milliseconds.
    Wait(u64),
    /// [`SendHalf::ping`] is due.
    Ping,
    /// The peer is silent; give it up.
    GiveUp,
}

/// Whether the owner reads what the peer sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadState {
    /// It does, and last heard something at this moment.
    HeardAt(u64),
    /// It does not, since it cannot write: silence is not the peer's, but the peer wants a sign of life.
    Elsewhere,
}

impl Keepalive {
    /// A pulse that begins now.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self { heard_ms: now_ms, pinged_ms: now_ms }
    }

    /// What is due now.
    pub fn beat(&mut self, now_ms: u64, attention: ReadState) -> KeepaliveAction {
        match attention {
            ReadState::HeardAt(at_ms) => self.heard_ms = self.heard_ms.max(at_ms),
            ReadState::Elsewhere => {
                self.heard_ms = self.heard_ms.max(now_ms.saturating_sub(limits::PING_AFTER_MS));
            }
        }
        let dead_ms = self.heard_ms + limits::DEAD_AFTER_MS;
        let ping_ms = self.heard_ms.max(self.pinged_ms) + limits::PING_AFTER_MS;
        if now_ms >= dead_ms {
            return KeepaliveAction::GiveUp;
        }
        if now_ms >= ping_ms {
            self.pinged_ms = now_ms;
            return KeepaliveAction::Ping;
        }
        KeepaliveAction::Wait(ping_ms.min(dead_ms))
    }
}

#[cfg(test)]
mod tests;
