//! A session after the handshake: records out, records in, and the rules of their order
//! (`docs/PROTOCOL.md`, section 5). It stands once both sides' `Confirm` has been seen.

use std::collections::VecDeque;

use super::handshake::Step;
use super::{CloseReason, Event, IdleBudget, Output, Role, SessionConfig};
use crate::crypto::{SealKey, Split, TAG_BYTES};
use crate::limits;
use crate::wire::{
    ByeReason, Confirm, Frame, Frames, LENGTH_BYTES, Padding, Purpose, Record, WireError, begin_frame,
    end_frame,
};

/// Why a message cannot be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// There is no session that stands.
    #[error("the connection does not stand")]
    NotStanding,
    /// The peer gave no key to seal to: the raw wire only.
    #[error("the peer gave no key, so that nothing can be sealed to it")]
    NoKey,
    /// More than [`limits::MESSAGE_BYTES`].
    #[error("the message has {bytes} bytes, at most {} are sent", limits::MESSAGE_BYTES)]
    TooLong {
        /// Bytes of UTF-8 of the message.
        bytes: usize,
    },
}

pub(super) struct Transport {
    split: Split,
    purpose: Purpose,
    /// Our own confirmation, until it has been sent; the responder keeps it back until record 5 has opened.
    unsent: Option<Record>,
    confirmed: bool,
    said: u64,
    receipted: u64,
    heard: u64,
    ack: u64,
    idle: IdleBudget,
    exhausted: bool,
}

impl Transport {
    pub(super) fn new(role: Role, split: Split, own: &SessionConfig, outputs: &mut VecDeque<Output>) -> Self {
        let confirm = Confirm {
            transcript: *split.transcript.as_bytes(),
            options: 0,
            name: own.name.as_bytes().to_vec(),
        };
        let mut standing = Self {
            split,
            purpose: own.purpose,
            unsent: Some(Record::Confirm(confirm)),
            confirmed: false,
            said: 0,
            receipted: 0,
            heard: 0,
            ack: 0,
            idle: IdleBudget::default(),
            exhausted: false,
        };
        if role == Role::Initiator {
            standing.confirm(outputs);
        }
        standing
    }

    pub(super) fn confirmed(&self) -> bool {
        self.confirmed
    }

    /// Whether this is a pipe that stands: what follows belongs to its two halves.
    pub(super) fn is_pipe(&self) -> bool {
        self.confirmed && self.purpose == Purpose::Pipe
    }

    pub(super) fn into_split(self) -> Split {
        self.split
    }

    /// Whether the counter of our direction has come to its end.
    pub(super) fn exhausted(&self) -> bool {
        self.exhausted
    }

    pub(super) fn send(
        &mut self,
        text: &str,
        time_ms: u64,
        outputs: &mut VecDeque<Output>,
    ) -> Result<u64, SendError> {
        if !self.confirmed || self.is_pipe() {
            return Err(SendError::NotStanding);
        }
        if text.len() > limits::MESSAGE_BYTES {
            return Err(SendError::TooLong { bytes: text.len() });
        }
        self.said += 1;
        let record = Record::Text { seq: self.said, time_ms, text: text.as_bytes().to_vec() };
        self.seal(&record, outputs);
        Ok(self.said)
    }

    pub(super) fn ack(&mut self, upto: u64, outputs: &mut VecDeque<Output>) {
        let upto = upto.min(self.heard);
        if self.confirmed && upto > self.ack {
            self.ack = upto;
            self.seal(&Record::Receipt { upto }, outputs);
        }
    }

    pub(super) fn ping(&mut self, number: u64, outputs: &mut VecDeque<Output>) {
        self.seal(&Record::Ping(number), outputs);
    }

    /// Says goodbye, if the peer has shown that it can understand one.
    pub(super) fn bye(&mut self, reason: ByeReason, outputs: &mut VecDeque<Output>) {
        if self.confirmed {
            self.seal(&Record::Bye(reason), outputs);
        }
    }

    /// Opens the next whole frame, if there is one.
    pub(super) fn take(&mut self, now_ms: u64, frames: &mut Frames, outputs: &mut VecDeque<Output>) -> Step {
        match frames.take(limits::CHAT_FRAME_BYTES) {
            Ok(None) => Step::Wait,
            // Nobody has confirmed yet: an empty frame is still the handshake's alert.
            Ok(Some(frame)) if frame.body.is_empty() && !self.confirmed => Step::End(CloseReason::PeerAbort),
            Ok(Some(frame)) => match self.open(frame) {
                Ok(record) => self.on(record, now_ms, outputs),
                Err(ending) => Step::End(ending),
            },
            Err(error) => Step::End(CloseReason::Wire(error)),
        }
    }

    fn on(&mut self, record: Record, now_ms: u64, outputs: &mut VecDeque<Output>) -> Step {
        if !self.confirmed {
            return self.on_confirm(record, outputs);
        }
        match record {
            Record::Text { seq, time_ms, text } if seq == self.heard + 1 => {
                self.heard = seq;
                self.idle.interrupt();
                outputs.push_back(Output::Event(Event::Message { seq, time_ms, text }));
            }
            Record::Receipt { upto } if upto > self.said => return Step::End(CloseReason::ProtocolViolation),
            Record::Receipt { upto } if upto > self.receipted => {
                self.receipted = upto;
                self.idle.interrupt();
                outputs.push_back(Output::Event(Event::Acked { upto }));
            }
            Record::Ping(number) => {
                self.seal(&Record::Pong(number), outputs);
                return self.count_idle(now_ms);
            }
            Record::Receipt { .. } | Record::Pong(_) | Record::Ignorable => return self.count_idle(now_ms),
            Record::Bye(reason) => return Step::End(CloseReason::Bye(reason)),
            Record::Text { .. }
            | Record::Confirm(_)
            | Record::Data(_)
            | Record::End { .. }
            | Record::Stored { .. } => return Step::End(CloseReason::ProtocolViolation),
        }
        Step::Again
    }

    fn on_confirm(&mut self, record: Record, outputs: &mut VecDeque<Output>) -> Step {
        match record {
            Record::Confirm(theirs) if self.split.transcript.ct_eq(&theirs.transcript) => {
                self.confirmed = true;
                self.confirm(outputs);
                outputs.push_back(Output::Event(Event::Established { name: theirs.name }));
                Step::Again
            }
            _ => Step::End(CloseReason::Handshake),
        }
    }

    fn confirm(&mut self, outputs: &mut VecDeque<Output>) {
        if let Some(confirm) = self.unsent.take() {
            self.seal(&confirm, outputs);
        }
    }

    fn count_idle(&mut self, now_ms: u64) -> Step {
        self.idle.count(now_ms).map_or_else(Step::End, |()| Step::Again)
    }

    fn padding(&self) -> Padding {
        match self.purpose {
            Purpose::Chat => Padding::Chat,
            Purpose::Pipe => Padding::Bulk,
        }
    }

    fn seal(&mut self, record: &Record, outputs: &mut VecDeque<Output>) {
        let padding = self.padding();
        match seal_frame(&mut self.split.seal, record, padding) {
            Ok(frame) => outputs.push_back(Output::Transmit(frame)),
            Err(_) => self.exhausted = true,
        }
    }

    #[cfg(test)]
    pub(super) fn claim(&mut self, upto: u64, outputs: &mut VecDeque<Output>) {
        self.seal(&Record::Receipt { upto }, outputs);
    }

    #[cfg(test)]
    pub(super) fn opens(&mut self, framed: &[u8]) -> Result<Record, CloseReason> {
        let (length, body) = framed.split_first_chunk().ok_or(CloseReason::ProtocolViolation)?;
        self.open(Frame { length: *length, body: body.to_vec() })
    }

    fn open(&mut self, mut frame: Frame) -> Result<Record, CloseReason> {
        match self.split.open.open(&frame.length, &mut frame.body) {
            Ok(plaintext) => Record::read(plaintext).map_err(CloseReason::Wire),
            Err(_) if self.confirmed => Err(CloseReason::Record),
            Err(_) => Err(CloseReason::Handshake),
        }
    }
}

/// Seals one record as a frame, whose length is the associated data.
pub(super) fn seal_frame(key: &mut SealKey, record: &Record, padding: Padding) -> Result<Vec<u8>, WireError> {
    let mut frame = Vec::new();
    let at = begin_frame(&mut frame);
    record.write(padding, &mut frame)?;
    let end = frame.len();
    frame.resize(end + TAG_BYTES, 0);
    end_frame(&mut frame, at)?;
    frame.truncate(end);
    let (length, plaintext) = frame.split_first_chunk_mut::<LENGTH_BYTES>().ok_or(WireError::Malformed)?;
    let tag = key.seal(length, plaintext).map_err(|_| WireError::TooLong)?;
    frame.extend_from_slice(&tag);
    Ok(frame)
}
