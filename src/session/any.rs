//! Session on either wire, with one API. What the raw wire does not have (receipts, judgement of a
//! key, a reason for leaving) does nothing there.

use super::pipe::Pipe;
use super::{OaepSession, Output, SendError, Session};
use crate::crypto::{Fingerprint, JobResult, LetterPair, OfferedKey, Seed};
use crate::time::{MonoMs, UnixMs};
use crate::wire::{ByeReason, Count, PairNumber, Resume, TransferRecord};

/// Session on one of the two wires.
pub(crate) enum AnySession {
    /// On the native wire.
    Native(Box<Session>),
    /// On the raw wire.
    Oaep(Box<OaepSession>),
}

/// Calls the same method of either session.
macro_rules! either {
    ($any:ident, $session:ident => $call:expr) => {
        match $any {
            Self::Native($session) => $call,
            Self::Oaep($session) => $call,
        }
    };
}

impl AnySession {
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        either!(self, session => session.poll_output())
    }

    pub(crate) fn handle_bytes(&mut self, now: MonoMs, bytes: &[u8]) {
        either!(self, session => session.handle_bytes(now, bytes));
    }

    pub(crate) fn handle_job(&mut self, now: MonoMs, result: JobResult) {
        either!(self, session => session.handle_job(now, result));
    }

    pub(crate) fn handle_eof(&mut self, now: MonoMs) {
        match self {
            Self::Native(session) => session.handle_eof(),
            Self::Oaep(session) => session.handle_eof(now),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: MonoMs) {
        either!(self, session => session.handle_timeout(now));
    }

    pub(crate) fn handle_overload(&mut self) {
        either!(self, session => session.handle_overload());
    }

    pub(crate) fn poll_timeout(&self) -> Option<MonoMs> {
        either!(self, session => session.poll_timeout())
    }

    pub(crate) fn wants_read(&self) -> bool {
        either!(self, session => session.wants_read())
    }

    /// Sends a text, typed at a moment that may be earlier.
    pub(crate) fn send(&mut self, now: MonoMs, text: &str, typed: UnixMs) -> Result<u64, SendError> {
        match self {
            Self::Native(session) => session.send(text, typed),
            Self::Oaep(session) => session.send(now, text),
        }
    }

    pub(crate) fn close(&mut self, now: MonoMs, reason: ByeReason) {
        match self {
            Self::Native(session) => session.close(reason),
            Self::Oaep(session) => session.close(now),
        }
    }

    pub(crate) fn reject_key(&mut self, now: MonoMs) {
        match self {
            Self::Native(session) => session.reject_key(),
            Self::Oaep(session) => session.close(now),
        }
    }

    /// On the raw wire no key is judged.
    pub(crate) fn accept_key(&mut self, now: MonoMs) {
        if let Self::Native(session) = self {
            session.accept_key(now);
        }
    }

    /// On the raw wire there is no lobby.
    pub(crate) fn asks_for_lobby(&self) -> bool {
        matches!(self, Self::Native(session) if session.asks_for_lobby())
    }

    pub(crate) fn accept_into_lobby(&mut self, now: MonoMs) {
        if let Self::Native(session) = self {
            session.accept_into_lobby(now);
        }
    }

    pub(crate) fn admit(&mut self, now: MonoMs) {
        if let Self::Native(session) = self {
            session.admit(now);
        }
    }

    /// On the raw wire no randomness is asked for.
    pub(crate) fn handle_seed(&mut self, now: MonoMs, seed: &Seed) {
        if let Self::Native(session) = self {
            session.handle_seed(now, seed);
        }
    }

    pub(crate) fn ack(&mut self, upto: Count) {
        if let Self::Native(session) = self {
            session.ack(upto);
        }
    }

    /// On the raw wire there are no receipts.
    pub(crate) fn forgo(&mut self, upto: Count) {
        if let Self::Native(session) = self {
            session.forgo(upto);
        }
    }

    /// Whether a message of the peer is still to be shown. On the raw wire nobody waits for that.
    pub(crate) fn awaits_ack(&self) -> bool {
        matches!(self, Self::Native(session) if session.awaits_ack())
    }

    /// Whether the peer has ended it, while messages of it are still to be acknowledged.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self, Self::Native(session) if session.is_ending())
    }

    /// On the raw wire no key is known.
    pub(crate) fn announce_key(&mut self, fingerprint: Fingerprint) {
        if let Self::Native(session) = self {
            session.announce_key(fingerprint);
        }
    }

    /// On the raw wire there are no pings.
    pub(crate) fn reading_paused(&mut self, now: MonoMs) {
        if let Self::Native(session) = self {
            session.reading_paused(now);
        }
    }

    /// The kernel takes no more for now.
    pub(crate) fn write_blocked(&mut self) {
        either!(self, session => session.write_blocked());
    }

    /// The kernel has taken everything that was sent.
    pub(crate) fn write_drained(&mut self, now: MonoMs) {
        match self {
            Self::Native(session) => session.write_drained(),
            Self::Oaep(session) => session.write_drained(now),
        }
    }

    /// On the raw wire no side confirms anything.
    pub(crate) fn is_established(&self) -> bool {
        matches!(self, Self::Native(session) if session.is_established())
    }

    pub(crate) fn into_pipe(self) -> Option<Pipe> {
        match self {
            Self::Native(session) => session.into_pipe(),
            Self::Oaep(_) => None,
        }
    }
}

/// Durable delivery.
impl AnySession {
    /// On the raw wire nothing counts for the pair.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self, Self::Native(session) if session.is_durable())
    }

    pub(crate) fn letter_pair(&mut self) -> Option<LetterPair> {
        match self {
            Self::Native(session) => session.letter_pair(),
            Self::Oaep(_) => None,
        }
    }

    pub(crate) fn send_letter_key(&mut self, offered: &OfferedKey) -> Result<(), SendError> {
        match self {
            Self::Native(session) => session.send_letter_key(offered),
            Self::Oaep(_) => Err(SendError::NoLetters),
        }
    }

    pub(crate) fn prepare_resume(&mut self) {
        if let Self::Native(session) = self {
            session.prepare_resume();
        }
    }

    pub(crate) fn resume(&mut self, now: MonoMs, resume: &Resume) -> Result<(), SendError> {
        match self {
            Self::Native(session) => session.resume(now, resume),
            Self::Oaep(_) => Err(SendError::NotDurable),
        }
    }

    pub(crate) fn send_numbered(&mut self, seq: u64, text: &str, typed: UnixMs) -> Result<(), SendError> {
        match self {
            Self::Native(session) => session.send_numbered(seq, text, typed),
            Self::Oaep(_) => Err(SendError::NotDurable),
        }
    }

    pub(crate) fn probe_reading(&mut self, now: MonoMs) {
        if let Self::Native(session) = self {
            session.probe_reading(now);
        }
    }

    pub(crate) fn can_transfer_files(&self) -> bool {
        matches!(self, Self::Native(session) if session.can_transfer_files())
    }

    pub(crate) fn send_transfer(&mut self, record: TransferRecord) -> Result<(), SendError> {
        match self {
            Self::Native(session) => session.send_transfer(record),
            Self::Oaep(_) => Err(SendError::NoFiles),
        }
    }

    pub(crate) fn is_drained(&self) -> bool {
        matches!(self, Self::Native(session) if session.is_drained())
    }

    pub(crate) fn note_idle(&mut self, now: MonoMs) {
        if let Self::Native(session) = self {
            session.note_idle(now);
        }
    }

    pub(crate) fn skip(&mut self, seq: u64) -> Result<(), SendError> {
        match self {
            Self::Native(session) => session.skip(seq),
            Self::Oaep(_) => Err(SendError::NotDurable),
        }
    }

    /// On the raw wire nothing is kept.
    pub(crate) fn kept(&mut self, upto: PairNumber) {
        if let Self::Native(session) = self {
            session.kept(upto);
        }
    }

    /// On the raw wire no number is to be judged.
    pub(crate) fn violate(&mut self) {
        if let Self::Native(session) = self {
            session.violate();
        }
    }
}
