//! Calls of a peer again whose connection was lost: whom, where, and how far that is.

use super::backoff::Backoff;
use super::types::{AcceptPolicy, DialOptions, Protocol};
use crate::crypto::Fingerprint;
use crate::limits;
use crate::peers::address::{Family, Target};
use crate::time::{MonoMs, Now};

/// Whether a chat calls again who was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Redialling {
    Never,
    AfterLoss,
}

/// What follows the loss of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AfterLoss {
    /// Nothing: the peer, or the user, calls.
    Nothing,
    /// We call the peer again.
    CallingAgain,
    /// The peer calls us again, since one side had no room for what the other sent.
    AwaitingCall,
}

/// Whether the calls have lasted so long that the user was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LongReport {
    Due,
    Given,
}

/// Series of calls of one peer, from the loss of its connection until it answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Redial {
    pub(crate) peer: Fingerprint,
    family: Family,
    /// Address that answered last.
    pub(crate) answered_at: Target,
    /// The other addresses that are left.
    others: Vec<Target>,
    lost: MonoMs,
    /// Calls since then.
    pub(crate) calls: u32,
    pub(crate) backoff: Backoff,
    report: LongReport,
}

impl Redial {
    /// Series after the loss of a connection that was dialled so, in the place of the one before.
    pub(crate) fn new(
        peer: Fingerprint,
        lost: &DialOptions,
        others: Vec<Target>,
        before: Option<&Self>,
        now: MonoMs,
    ) -> Self {
        let mut redial = Self::begun(peer, lost.target.clone(), others, now);
        redial.family = lost.family;
        redial.backoff = before.map_or_else(Backoff::default, |before| before.backoff.clone());
        redial.backoff.lose(now);
        redial
    }

    /// Series that begins with the program.
    pub(crate) fn begun(peer: Fingerprint, answered_at: Target, others: Vec<Target>, now: MonoMs) -> Self {
        let (family, backoff, report) = (Family::Any, Backoff::default(), LongReport::Due);
        Self { peer, family, answered_at, others, lost: now, calls: 0, backoff, report }
    }

    /// Options of the next call: of the address that answered last, then of the others.
    pub(crate) fn options(&self) -> DialOptions {
        let (then, family) = (self.others.clone(), self.family);
        let accept = AcceptPolicy::Key(self.peer);
        DialOptions { then, family, ..DialOptions::new(self.answered_at.clone(), accept) }
    }

    /// Whether a call that the user asked for is one of this peer.
    pub(crate) fn is_asked_by(&self, asked: &DialOptions) -> bool {
        let is_there = asked.protocol == Protocol::Native && asked.target == self.answered_at;
        is_there || asked.accept == AcceptPolicy::Key(self.peer)
    }

    /// Drops an address where somebody else is. Returns whether the peer may yet answer at another:
    /// the last word is that of the address that answered last.
    pub(crate) fn drop_address(&mut self, refused: &Target) -> bool {
        self.others.retain(|other| other != refused);
        self.answered_at != *refused
    }

    /// Minutes since the loss, once, when the user is to be told that nobody has answered.
    pub(crate) fn take_report(&mut self, now: MonoMs) -> Option<u64> {
        let passed = now.since(self.lost);
        if self.report == LongReport::Given || passed < limits::REDIAL_REPORT_MS {
            return None;
        }
        self.report = LongReport::Given;
        Some(passed / 60_000)
    }
}

/// Whether the machine was suspended between two moments: the monotonic clock stood still then.
pub(crate) fn was_suspended(before: Now, now: Now) -> bool {
    let (mono, unix) = (now.mono.since(before.mono), now.unix.0.abs_diff(before.unix.0));
    unix.abs_diff(mono) > limits::SUSPEND_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixMs;

    #[test]
    fn only_clocks_that_went_apart_tell_of_a_suspended_machine() {
        let at = |mono, unix| Now { mono: MonoMs(mono), unix: UnixMs(unix) };
        for (before, now, expected) in [
            (at(0, 1_000), at(3_600_000, 3_601_000), false),
            (at(0, 1_000), at(10, 6_010), false),
            (at(0, 1_000), at(10, 6_011), true),
            (at(0, 9_000), at(0, 1_000), true),
        ] {
            assert_eq!(was_suspended(before, now), expected, "{before:?} {now:?}");
        }
    }
}
