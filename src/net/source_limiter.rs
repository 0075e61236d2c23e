//! Limits by source address: how often somebody may call and how many of his calls may be unproven at once.
//! Pure: time comes in as an argument, and it knows nothing of sockets.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits::{
    CALLS_BURST, CALLS_EACH_SECOND, SOURCES_REMEMBERED, UNPROVEN_LINKS, UNPROVEN_LINKS_EACH_SOURCE,
};

/// Which limit a caller met.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LimitExceeded {
    /// This source calls too often.
    #[error("this address calls more than {CALLS_EACH_SECOND} times a second")]
    Calls,
    /// This source has too many connections that have not proved a key.
    #[error("{UNPROVEN_LINKS_EACH_SOURCE} connections from this address have not proved a key yet")]
    FromSource,
    /// All sources together have.
    #[error("{UNPROVEN_LINKS} connections have not proved a key yet")]
    Unproven,
    /// As many links are open as this program may hold, proved or not.
    #[error("as many connections are open as this program may hold")]
    Links,
}

/// What is remembered of callers: a token bucket for each source (as `WireGuard`'s limiter has, section 5.3 of
/// its paper) and the number of their unproven connections.
#[derive(Debug)]
pub struct SourceLimiter {
    rule: Rule,
    unproven: usize,
    known: HashMap<Source, Entry>,
    /// Sources by the number of their latest call, the longest unheard first: the order of forgetting.
    unheard: BTreeMap<u64, Source>,
    calls: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    Limited,
    Unlimited,
}

/// One caller as far as limits go: an IPv4 address, or the /64 that one IPv6 customer is given.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Source {
    V4([u8; 4]),
    V6(u64),
}

#[derive(Debug)]
struct Entry {
    /// Time at which the bucket is full again; each call moves it on by the price of one.
    full_at: Instant,
    unproven: usize,
    latest_call: u64,
}

impl SourceLimiter {
    /// The limits of [`crate::limits`].
    #[must_use]
    pub fn limited() -> Self {
        Self::with(Rule::Limited)
    }

    /// No limit by source at all, for replays and tests.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::with(Rule::Unlimited)
    }

    /// Counts a call, and counts it as unproven until [`SourceLimiter::release`].
    ///
    /// # Errors
    /// The limit that was met; nothing is to be settled then.
    pub fn admit(&mut self, ip: IpAddr, now: Instant) -> Result<(), LimitExceeded> {
        if self.rule == Rule::Unlimited {
            return Ok(());
        }
        let price = Duration::from_secs(1) / u32::try_from(CALLS_EACH_SECOND).unwrap_or(u32::MAX);
        let burst = price * u32::try_from(CALLS_BURST).unwrap_or(u32::MAX);
        let source = Source::of(ip);
        self.forget(now);
        self.calls += 1;
        let entry =
            self.known.entry(source).or_insert(Entry { full_at: now, unproven: 0, latest_call: self.calls });
        self.unheard.remove(&entry.latest_call);
        self.unheard.insert(self.calls, source);
        entry.latest_call = self.calls;

        let full_at = entry.full_at.max(now) + price;
        if full_at > now + burst {
            return Err(LimitExceeded::Calls);
        }
        entry.full_at = full_at;
        if entry.unproven >= UNPROVEN_LINKS_EACH_SOURCE {
            return Err(LimitExceeded::FromSource);
        }
        if self.unproven >= UNPROVEN_LINKS {
            return Err(LimitExceeded::Unproven);
        }
        entry.unproven += 1;
        self.unproven += 1;
        Ok(())
    }

    /// An admitted call has proved its key, or is gone without; to be told once for each.
    pub fn release(&mut self, ip: IpAddr) {
        if let Some(entry) = self.known.get_mut(&Source::of(ip))
            && entry.unproven > 0
        {
            entry.unproven -= 1;
            self.unproven -= 1;
        }
    }

    fn with(rule: Rule) -> Self {
        Self { rule, unproven: 0, known: HashMap::new(), unheard: BTreeMap::new(), calls: 0 }
    }

    /// Forgets up to two sources whose bucket is full again, since to forget them changes nothing, and one
    /// more when there is no room. Sources with unproven calls stay; there are at most [`UNPROVEN_LINKS`].
    fn forget(&mut self, now: Instant) {
        for forgotten in 0..2 {
            let idle = self.unheard.iter().find_map(|(&call, source)| {
                let entry = self.known.get(source)?;
                (entry.unproven == 0).then_some((call, *source, entry.full_at))
            });
            let Some((call, source, full_at)) = idle else { return };
            let no_room = forgotten == 0 && self.known.len() >= SOURCES_REMEMBERED;
            if full_at > now && !no_room {
                return;
            }
            self.unheard.remove(&call);
            self.known.remove(&source);
        }
    }
}

impl Source {
    fn of(ip: IpAddr) -> Self {
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

    /// Admits one call and settles it, so that only the rate is looked at.
    fn call(sources: &mut SourceLimiter, ip: IpAddr, now: Instant) -> Result<(), LimitExceeded> {
        sources.admit(ip, now).inspect(|()| sources.release(ip))
    }

    #[test]
    fn five_calls_may_come_at_once_and_then_one_every_fifty_milliseconds() {
        let (mut sources, start) = (SourceLimiter::limited(), Instant::now());
        for _ in 0..CALLS_BURST {
            assert_eq!(call(&mut sources, v4(1), start), Ok(()));
        }
        assert_eq!(call(&mut sources, v4(1), start), Err(LimitExceeded::Calls));
        assert_eq!(call(&mut sources, v4(1), start + Duration::from_millis(49)), Err(LimitExceeded::Calls));
        assert_eq!(call(&mut sources, v4(1), start + Duration::from_millis(50)), Ok(()));
        assert_eq!(call(&mut sources, v4(1), start + Duration::from_millis(51)), Err(LimitExceeded::Calls));
        assert_eq!(call(&mut sources, v4(2), start), Ok(()), "another source is not concerned");
    }

    #[test]
    fn a_source_has_sixteen_unproven_calls_and_gets_more_when_one_is_settled() {
        let (mut sources, mut now) = (SourceLimiter::limited(), Instant::now());
        for _ in 0..UNPROVEN_LINKS_EACH_SOURCE {
            assert_eq!(sources.admit(v4(1), now), Ok(()));
            now += Duration::from_millis(50);
        }
        assert_eq!(sources.admit(v4(1), now), Err(LimitExceeded::FromSource));
        sources.release(v4(1));
        now += Duration::from_millis(50);
        assert_eq!(sources.admit(v4(1), now), Ok(()));
    }

    #[test]
    fn all_sources_together_have_a_hundred_and_twenty_eight_unproven_calls() {
        let (mut sources, now) = (SourceLimiter::limited(), Instant::now());
        for n in 0..u32::try_from(UNPROVEN_LINKS).unwrap() {
            assert_eq!(sources.admit(v4(n), now), Ok(()));
        }
        assert_eq!(sources.admit(v4(9_999), now), Err(LimitExceeded::Unproven));
        sources.release(v4(7));
        assert_eq!(sources.admit(v4(9_999), now), Ok(()));
    }

    #[test]
    fn a_whole_ipv6_subnet_is_one_source_and_a_mapped_address_is_its_ipv4_one() {
        let (mut sources, now) = (SourceLimiter::limited(), Instant::now());
        for n in 0..CALLS_BURST {
            let ip = format!("2001:db8::{n:x}").parse().unwrap();
            assert_eq!(call(&mut sources, ip, now), Ok(()));
        }
        assert_eq!(call(&mut sources, "2001:db8::ffff:1".parse().unwrap(), now), Err(LimitExceeded::Calls));
        assert_eq!(call(&mut sources, "2001:db8:0:1::1".parse().unwrap(), now), Ok(()));
        for _ in 0..CALLS_BURST {
            assert_eq!(call(&mut sources, v4(1), now), Ok(()));
        }
        assert_eq!(call(&mut sources, "::ffff:10.0.0.1".parse().unwrap(), now), Err(LimitExceeded::Calls));
    }

    #[test]
    fn no_more_sources_are_remembered_than_allowed_and_those_with_open_calls_never_forgotten() {
        let (mut sources, now) = (SourceLimiter::limited(), Instant::now());
        sources.admit(v4(0), now).unwrap();
        for n in 1..=u32::try_from(SOURCES_REMEMBERED).unwrap() + 1_000 {
            assert_eq!(call(&mut sources, v4(n), now), Ok(()));
            assert!(sources.known.len() <= SOURCES_REMEMBERED);
        }
        assert!(sources.known.contains_key(&Source::of(v4(0))));
        assert_eq!(sources.known.len(), sources.unheard.len());
    }

    #[test]
    fn sources_whose_rate_no_longer_matters_are_forgotten_as_others_call() {
        let (mut sources, start) = (SourceLimiter::limited(), Instant::now());
        for n in 0..1_000 {
            call(&mut sources, v4(n), start).unwrap();
        }
        let later = start + Duration::from_secs(1);
        for n in 2_000..3_000 {
            call(&mut sources, v4(n), later).unwrap();
        }
        assert!(sources.known.len() <= 1_001, "{} remembered", sources.known.len());
    }

    #[test]
    fn without_limits_everybody_is_admitted() {
        let (mut sources, now) = (SourceLimiter::unlimited(), Instant::now());
        for _ in 0..10_000 {
            assert_eq!(sources.admit(v4(1), now), Ok(()));
        }
    }
}
