//! Delays before calls that are repeated: 1, 2, 4 … 60 s, each half to one and a half of it, short
//! again once a connection has stood for a minute.

use crate::crypto::Fingerprint;
use crate::limits;
use crate::time::MonoMs;

/// Series of delays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Backoff {
    /// Delays since a connection last stood for [`limits::STANDING_MS`].
    delays: u32,
    /// Moment at which the other side answered, while its connection stands.
    answered: Option<MonoMs>,
}

impl Backoff {
    /// Takes note that the other side has answered. Only the first time on a connection counts.
    pub fn answer(&mut self, now: MonoMs) {
        self.answered.get_or_insert(now);
    }

    /// Takes note that the connection is lost: if it has stood for long, the next delay is short.
    pub fn lose(&mut self, now: MonoMs) {
        if self.answered.take().is_some_and(|answered| now.since(answered) >= limits::STANDING_MS) {
            self.delays = 0;
        }
    }

    /// Milliseconds before the next call, of a caller with this key.
    pub fn next_delay(&mut self, own: Option<Fingerprint>) -> u64 {
        self.delays += 1;
        delay(self.delays, own)
    }
}

/// Milliseconds before a call, by its number from 1: twice as long each time, and half to one and a
/// half of it by the caller's own key, so that callers who were turned away together do not come
/// back together.
pub(crate) fn delay(number: u32, own: Option<Fingerprint>) -> u64 {
    let doubled = limits::REDIAL_FIRST_MS << number.saturating_sub(1).min(16);
    let whole = doubled.min(limits::REDIAL_MOST_MS);
    let byte = own.and_then(|own| own.as_bytes().iter().cycle().nth(number as usize).copied());
    whole / 2 + whole * u64::from(byte.unwrap_or(0x80)) / 256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_to_a_minute_unless_a_connection_has_stood_for_one() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..8).map(|_| backoff.next_delay(None)).collect();
        assert_eq!(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        for (stood, next) in [(limits::STANDING_MS - 1, 60_000), (limits::STANDING_MS, 1_000)] {
            backoff.answer(MonoMs(10));
            backoff.answer(MonoMs(10 + stood));
            backoff.lose(MonoMs(10 + stood));
            assert_eq!(backoff.next_delay(None), next);
        }
    }

    #[test]
    fn the_delay_is_half_to_one_and_a_half_of_its_length_by_the_own_key() {
        let keys = (0..64_u8).map(|number| Fingerprint::of(&[number]));
        let delays: Vec<_> = keys.map(|key| Backoff::default().next_delay(Some(key))).collect();
        assert!(delays.iter().all(|delay| (500..1_500).contains(delay)));
        assert!(delays.iter().any(|delay| *delay < 700) && delays.iter().any(|delay| *delay > 1_300));
    }
}
