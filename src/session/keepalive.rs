//! Keepalive of an established session: ping schedule and idle budget (`docs/PROTOCOL.md`, 5.5).

use super::types::CloseReason;
use crate::limits;
use crate::time::MonoMs;

/// Count of idle records in a row, those that carry nothing for the user. Two quiet sides ping each
/// other three times a minute; a peer that sends more than [`limits::IDLE_RECORDS`] within the time
/// between two pings only causes work.
#[derive(Debug, Default)]
pub(super) struct IdleRecordCount {
    records: u32,
    since: MonoMs,
}

impl IdleRecordCount {
    /// Resets the count, for a record that is not idle.
    pub(super) fn reset(&mut self) {
        self.records = 0;
    }

    /// One more idle record.
    pub(super) fn spend(&mut self, now: MonoMs) -> Result<(), CloseReason> {
        if now >= self.since + limits::PING_AFTER_MS {
            *self = Self { records: 0, since: now };
        }
        self.records += 1;
        if self.records > limits::IDLE_RECORDS { Err(CloseReason::ProtocolViolation) } else { Ok(()) }
    }
}

/// Ping schedule: when a silent peer is pinged, and when it is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keepalive {
    last_received: MonoMs,
    last_ping: MonoMs,
}

/// What a [`Keepalive`] asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeepaliveAction {
    /// Nothing before this moment.
    Wait(MonoMs),
    /// A `Ping`.
    Ping,
    /// Closing with [`CloseReason::IdleTimeout`].
    GiveUp,
}

/// Whether the owner reads what the peer sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadState {
    /// It does, and received something at this moment.
    ReceivedAt(MonoMs),
    /// It does not, since it cannot use more: silence is not the peer's, but the peer is pinged.
    Paused,
}

impl Keepalive {
    /// A schedule that begins now.
    #[must_use]
    pub fn new(now: MonoMs) -> Self {
        Self { last_received: now, last_ping: now }
    }

    /// Takes note of what the owner has read.
    pub fn observe(&mut self, now: MonoMs, read: ReadState) {
        let received = match read {
            ReadState::ReceivedAt(moment) => moment,
            ReadState::Paused => MonoMs(now.0.saturating_sub(limits::PING_AFTER_MS)),
        };
        self.last_received = self.last_received.max(received);
    }

    /// When [`Keepalive::handle_timeout`] is next due.
    #[must_use]
    pub fn poll_timeout(&self) -> MonoMs {
        let ping = self.last_received.max(self.last_ping) + limits::PING_AFTER_MS;
        ping.min(self.give_up_at())
    }

    /// What is due now.
    pub fn handle_timeout(&mut self, now: MonoMs) -> KeepaliveAction {
        if now < self.poll_timeout() {
            KeepaliveAction::Wait(self.poll_timeout())
        } else if now >= self.give_up_at() {
            KeepaliveAction::GiveUp
        } else {
            self.last_ping = now;
            KeepaliveAction::Ping
        }
    }

    fn give_up_at(&self) -> MonoMs {
        self.last_received + limits::DEAD_AFTER_MS
    }
}
