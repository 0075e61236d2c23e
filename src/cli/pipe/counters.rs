//! The counts that the threads of a pipe share, and the clock that they share. Nothing waits on them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::session::pipe::ReadState;
use crate::time::MonoMs;

/// No stream is so long.
const UNKNOWN: u64 = u64::MAX;

pub(crate) struct Counters {
    since: Instant,
    sent: AtomicU64,
    total: AtomicU64,
    written: AtomicU64,
    heard_ms: AtomicU64,
    writing: AtomicBool,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            since: Instant::now(),
            sent: AtomicU64::new(0),
            total: AtomicU64::new(UNKNOWN),
            written: AtomicU64::new(0),
            heard_ms: AtomicU64::new(0),
            writing: AtomicBool::new(false),
        }
    }

    /// Milliseconds since the pipe stood.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment with that number.
    pub(crate) fn instant(&self, ms: u64) -> Instant {
        self.since + std::time::Duration::from_millis(ms)
    }

    /// Bytes of our stream that are with the kernel.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// All bytes of our stream, from before its end is sent: the peer's answer may be here before the thread
    /// that sent it goes on.
    pub(crate) fn total(&self) -> Option<u64> {
        Some(self.total.load(Ordering::Acquire)).filter(|total| *total != UNKNOWN)
    }

    pub(crate) fn set_total(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Release);
    }

    /// Bytes of the peer's stream that are written and flushed.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Something came from the peer.
    pub(crate) fn hear(&self) {
        self.heard_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Runs a write of the peer's bytes, during which nothing is read; gives the count before it.
    pub(crate) fn while_writing<E>(
        &self,
        bytes: usize,
        write: impl FnOnce() -> Result<(), E>,
    ) -> Result<u64, E> {
        self.writing.store(true, Ordering::Relaxed);
        let written = write();
        self.writing.store(false, Ordering::Relaxed);
        written.map(|()| self.written.fetch_add(bytes as u64, Ordering::Release))
    }

    /// Whether the peer is read at this moment.
    pub(crate) fn attention(&self) -> ReadState {
        if self.writing.load(Ordering::Relaxed) {
            ReadState::Paused
        } else {
            ReadState::ReceivedAt(MonoMs(self.heard_ms.load(Ordering::Relaxed)))
        }
    }
}
