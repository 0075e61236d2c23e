//! Counters and clock that the threads of a pipe share without waiting for each other.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::session::pipe::ReadState;
use crate::time::MonoMs;

/// Source of our stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamSource {
    Stdin,
    /// Standard input is not read; our stream is empty.
    Empty,
}

/// Progress in bytes: sent, confirmed by the peer as stored, and received from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ByteCounts {
    pub(crate) sent: u64,
    pub(crate) stored: u64,
    pub(crate) received: u64,
}

pub(crate) struct Counters {
    start: Instant,
    sent: AtomicU64,
    total: OnceLock<u64>,
    written: AtomicU64,
    unconfirmed: AtomicBool,
    last_read_ms: AtomicU64,
    writing: AtomicBool,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            sent: AtomicU64::new(0),
            total: OnceLock::new(),
            written: AtomicU64::new(0),
            unconfirmed: AtomicBool::new(false),
            last_read_ms: AtomicU64::new(0),
            writing: AtomicBool::new(false),
        }
    }

    /// Time since the pipe was established.
    pub(crate) fn now(&self) -> MonoMs {
        MonoMs(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn instant(&self, at: MonoMs) -> Instant {
        self.start + Duration::from_millis(at.0)
    }

    /// Bytes of our stream that are with the kernel.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Length of our stream, known before its end is sent: the peer's answer may be here before the
    /// thread that sent it goes on.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total.get().copied()
    }

    pub(crate) fn set_total(&self, bytes: u64) {
        // A stream ends once.
        let _ = self.total.set(bytes);
    }

    /// Bytes of the peer's stream that are written and flushed.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Notes that written bytes are to be confirmed, and returns whether they are the first since
    /// [`Counters::written_to_confirm`].
    pub(crate) fn mark_unconfirmed(&self) -> bool {
        !self.unconfirmed.swap(true, Ordering::AcqRel)
    }

    /// Bytes to confirm to the peer. The mark is cleared before the count is read, so that bytes
    /// written after that set it anew.
    pub(crate) fn written_to_confirm(&self) -> u64 {
        self.unconfirmed.store(false, Ordering::SeqCst);
        self.written()
    }

    /// Notes that bytes have come from the peer.
    pub(crate) fn mark_read(&self) {
        self.last_read_ms.store(self.now().0, Ordering::Relaxed);
    }

    /// Runs a write of the peer's bytes, during which nothing is read.
    pub(crate) fn while_writing(
        &self,
        bytes: usize,
        write: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        self.writing.store(true, Ordering::Relaxed);
        let written = write();
        self.writing.store(false, Ordering::Relaxed);
        written.map(|()| _ = self.written.fetch_add(bytes as u64, Ordering::Release))
    }

    /// Whether the peer is read at this moment.
    pub(crate) fn read_state(&self) -> ReadState {
        if self.writing.load(Ordering::Relaxed) {
            ReadState::Paused
        } else {
            ReadState::ReceivedAt(MonoMs(self.last_read_ms.load(Ordering::Relaxed)))
        }
    }
}
