//! Limits by source address: rate of calls, and connections that have not proved a key. Pure: time
//! is an argument.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits::{
    CALLS_BURST, CALLS_EACH_SECOND, CHOSEN_SOURCE_MS, CHOSEN_SOURCES, RESERVED_CONNECTIONS,
    SOURCES_REMEMBERED, UNAUTHENTICATED_CONNECTIONS, UNAUTHENTICATED_CONNECTIONS_EACH_SOURCE,
};

/// Limit that a caller exceeded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LimitExceeded {
    /// This source calls too often.
    #[error("this address calls more than {CALLS_EACH_SECOND} times a second")]
    CallRate,
    /// This source has too many connections that have not proved a key.
    #[error(
        "{UNAUTHENTICATED_CONNECTIONS_EACH_SOURCE} connections from this address have not proved a key yet"
    )]
    UnauthenticatedPerSource,
    /// All sources together have too many connections without a proved key.
    #[error("{UNAUTHENTICATED_CONNECTIONS} connections have not proved a key yet")]
    Unauthenticated,
    /// As many connections are open as this program may hold, authenticated or not.
    #[error("the most connections that this program may hold are open")]
    Links,
}

/// Token bucket for each source (as in `WireGuard`'s limiter, section 5.3 of its paper), and the
/// number of its unauthenticated connections.
#[derive(Default, Debug)]
pub struct SourceLimiter {
    policy: Policy,
    unauthenticated: usize,
    entries: HashMap<SourcePrefix, Entry>,
    /// Sources by the number of their latest call, oldest first: the order of eviction.
    by_latest_call: BTreeMap<u64, SourcePrefix>,
    calls: u64,
    /// Sources of peers that the user chose, and until when they count as such.
    chosen: HashMap<SourcePrefix, Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Policy {
    #[default]
    Limited,
    Unlimited,
}

/// One source: an IPv4 address, or the /64 that one IPv6 customer is given.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum SourcePrefix {
    V4([u8; 4]),
    V6(u64),
}

#[derive(Debug)]
struct Entry {
    /// Time at which the bucket is full again; each call moves it on by the price of one.
    full_at: Instant,
    unauthenticated: usize,
    latest_call: u64,
}

impl SourceLimiter {
    /// The limits of [`crate::limits`].
    #[must_use]
    pub fn limited() -> Self {
        Self::default()
    }

    /// No limit by source at all, for replays and tests.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { policy: Policy::Unlimited, ..Self::default() }
    }

    /// Counts a call, and counts it as unauthenticated until [`SourceLimiter::release`].
    ///
    /// # Errors
    /// The limit that was exceeded; then there is nothing to release.
    pub fn admit(&mut self, ip: IpAddr, now: Instant) -> Result<(), LimitExceeded> {
        if self.policy == Policy::Unlimited {
            return Ok(());
        }
        let price = Duration::from_secs(1) / u32::try_from(CALLS_EACH_SECOND).unwrap_or(u32::MAX);
        let burst = price * u32::try_from(CALLS_BURST).unwrap_or(u32::MAX);
        let source = SourcePrefix::of(ip);
        self.evict(now);
        self.calls += 1;
        let new = Entry { full_at: now, unauthenticated: 0, latest_call: self.calls };
        let entry = self.entries.entry(source).or_insert(new);
        self.by_latest_call.remove(&entry.latest_call);
        self.by_latest_call.insert(self.calls, source);
        entry.latest_call = self.calls;

        let full_at = entry.full_at.max(now) + price;
        if full_at > now + burst {
            return Err(LimitExceeded::CallRate);
        }
        entry.full_at = full_at;
        if entry.unauthenticated >= UNAUTHENTICATED_CONNECTIONS_EACH_SOURCE {
            return Err(LimitExceeded::UnauthenticatedPerSource);
        }
        let is_chosen = self.chosen.get(&source).is_some_and(|until| now < *until);
        let reserved = if is_chosen { 0 } else { RESERVED_CONNECTIONS };
        if self.unauthenticated + reserved >= UNAUTHENTICATED_CONNECTIONS {
            return Err(LimitExceeded::Unauthenticated);
        }
        self.count(ip);
        Ok(())
    }

    /// Counts a call as unauthenticated that [`LimitExceeded::Unauthenticated`] refused, after
    /// another was released for it.
    pub fn count(&mut self, ip: IpAddr) {
        if let Some(entry) = self.entries.get_mut(&SourcePrefix::of(ip)) {
            entry.unauthenticated += 1;
            self.unauthenticated += 1;
        }
    }

    /// Keeps [`RESERVED_CONNECTIONS`] for calls from this source and others like it, from now on
    /// for 30 days: a peer that the user chose is there.
    pub fn remember(&mut self, ip: IpAddr, now: Instant) {
        if self.chosen.len() >= CHOSEN_SOURCES
            && let Some(oldest) =
                self.chosen.iter().min_by_key(|(_, until)| **until).map(|(source, _)| *source)
        {
            self.chosen.remove(&oldest);
        }
        self.chosen.insert(SourcePrefix::of(ip), now + Duration::from_millis(CHOSEN_SOURCE_MS));
    }

    /// An admitted call has proved its key or is gone; to be called once for each.
    pub fn release(&mut self, ip: IpAddr) {
        if let Some(entry) = self.entries.get_mut(&SourcePrefix::of(ip))
            && entry.unauthenticated > 0
        {
            entry.unauthenticated -= 1;
            self.unauthenticated -= 1;
        }
    }

    /// Evicts up to two sources whose bucket is full again, which changes nothing for them, and one
    /// more when there is no room. Sources with unauthenticated calls stay; there are at most
    /// [`UNAUTHENTICATED_CONNECTIONS`].
    fn evict(&mut self, now: Instant) {
        for evicted in 0..2 {
            let idle = self.by_latest_call.iter().find_map(|(&call, source)| {
                let entry = self.entries.get(source)?;
                (entry.unauthenticated == 0).then_some((call, *source, entry.full_at))
            });
            let Some((call, source, full_at)) = idle else { return };
            let no_room = evicted == 0 && self.entries.len() >= SOURCES_REMEMBERED;
            if full_at > now && !no_room {
                return;
            }
            self.by_latest_call.remove(&call);
            self.entries.remove(&source);
        }
    }
}

impl SourcePrefix {
    pub(super) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    /// Admits one call and releases it, so that only the rate counts.
    fn call(sources: &mut SourceLimiter, ip: IpAddr, now: Instant) -> Result<(), LimitExceeded> {
        sources.admit(ip, now).inspect(|()| sources.release(ip))
    }

    const TOO_OFTEN: Result<(), LimitExceeded> = Err(LimitExceeded::CallRate);

    #[test]
    fn five_calls_may_come_at_once_and_then_one_every_fifty_milliseconds() {
        let (mut sources, start) = (SourceLimiter::limited(), Instant::now());
        for _ in 0..CALLS_BURST {
            assert_eq!(call(&mut sources, v4(1), start), Ok(()));
        }
        for (ms, expected) in [(0, TOO_OFTEN), (49, TOO_OFTEN), (50, Ok(())), (51, TOO_OFTEN)] {
            assert_eq!(call(&mut sources, v4(1), start + Duration::from_millis(ms)), expected, "{ms}");
        }
        assert_eq!(call(&mut sources, v4(2), start), Ok(()), "another source is not concerned");
    }

    #[test]
    fn a_source_has_sixteen_unauthenticated_calls_and_gets_more_when_one_is_released() {
        let (mut sources, mut now) = (SourceLimiter::limited(), Instant::now());
        for _ in 0..UNAUTHENTICATED_CONNECTIONS_EACH_SOURCE {
            assert_eq!(sources.admit(v4(1), now), Ok(()));
            now += Duration::from_millis(50);
        }
        assert_eq!(sources.admit(v4(1), now), Err(LimitExceeded::UnauthenticatedPerSource));
        sources.release(v4(1));
        now += Duration::from_millis(50);
        assert_eq!(sources.admit(v4(1), now), Ok(()));
    }

    #[test]
    fn all_sources_together_have_so_many_unauthenticated_calls_and_those_of_chosen_peers_some_more() {
        let (mut sources, now) = (SourceLimiter::limited(), Instant::now());
        for n in 0..u32::try_from(UNAUTHENTICATED_CONNECTIONS - RESERVED_CONNECTIONS).unwrap() {
            assert_eq!(sources.admit(v4(n), now), Ok(()));
        }
        assert_eq!(sources.admit(v4(9_999), now), Err(LimitExceeded::Unauthenticated));
        for n in 0..2 * u32::try_from(CHOSEN_SOURCES).unwrap() {
            sources.remember(v4(20_000 + n), now + Duration::from_secs(n.into()));
        }
        assert_eq!(sources.chosen.len(), CHOSEN_SOURCES);
        let later = now + Duration::from_secs(u64::try_from(CHOSEN_SOURCES).unwrap());
        let chosen = 20_000 + u32::try_from(CHOSEN_SOURCES).unwrap();
        for n in 0..u32::try_from(RESERVED_CONNECTIONS).unwrap() {
            assert_eq!(sources.admit(v4(chosen + n), later), Ok(()));
        }
        assert_eq!(sources.admit(v4(chosen + 99), later), Err(LimitExceeded::Unauthenticated));
        sources.release(v4(7));
        assert_eq!(sources.admit(v4(9_999), later), Err(LimitExceeded::Unauthenticated));
        assert_eq!(sources.admit(v4(chosen + 99), later), Ok(()));
    }

    #[test]
    fn a_whole_ipv6_subnet_is_one_source_and_a_mapped_address_is_its_ipv4_one() {
        let (mut sources, now) = (SourceLimiter::limited(), Instant::now());
        let mut call = |ip: &str| call(&mut sources, ip.parse().unwrap(), now);
        for n in 0..CALLS_BURST {
            assert_eq!((call(&format!("2001:db8::{n:x}")), call("10.0.0.1")), (Ok(()), Ok(())));
        }
        assert_eq!((call("2001:db8::ffff:1"), call("2001:db8:0:1::1")), (TOO_OFTEN, Ok(())));
        assert_eq!(call("::ffff:10.0.0.1"), TOO_OFTEN);
    }

    #[test]
    fn no_more_sources_are_remembered_than_allowed_and_those_with_open_calls_never_evicted() {
        let (mut sources, now) = (SourceLimiter::limited(), Instant::now());
        sources.admit(v4(0), now).unwrap();
        for n in 1..=u32::try_from(SOURCES_REMEMBERED).unwrap() + 1_000 {
            assert_eq!(call(&mut sources, v4(n), now), Ok(()));
            assert!(sources.entries.len() <= SOURCES_REMEMBERED);
        }
        assert!(sources.entries.contains_key(&SourcePrefix::of(v4(0))));
        assert_eq!(sources.entries.len(), sources.by_latest_call.len());
    }

    #[test]
    fn sources_whose_rate_no_longer_matters_are_evicted_as_others_call() {
        let (mut sources, start) = (SourceLimiter::limited(), Instant::now());
        for n in 0..1_000 {
            call(&mut sources, v4(n), start).unwrap();
        }
        let later = start + Duration::from_secs(1);
        for n in 2_000..3_000 {
            call(&mut sources, v4(n), later).unwrap();
        }
        assert!(sources.entries.len() <= 1_001, "{} remembered", sources.entries.len());
    }

    #[test]
    fn without_limits_everybody_is_admitted() {
        let (mut sources, now) = (SourceLimiter::unlimited(), Instant::now());
        for _ in 0..10_000 {
            assert_eq!(sources.admit(v4(1), now), Ok(()));
        }
    }
}
