//! Seats of callers that nobody chose: half of all, so many for each network, and who makes room.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::ids::ConnId;
use crate::limits::{SEATS_EACH_SITE, SEATS_EACH_SOURCE};

/// Seats that are taken, by the network of who sits there.
pub(crate) struct Seats {
    /// How many there are.
    count: usize,
    taken: BTreeMap<ConnId, Source>,
    by_source: BTreeMap<Source, BTreeSet<ConnId>>,
    /// Sources by the number of their seats.
    by_size: BTreeSet<(usize, Source)>,
    by_site: BTreeMap<u64, usize>,
}

/// Network that one customer is given: an IPv4 /24, an IPv6 /64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Source {
    V4([u8; 3]),
    V6(u64),
}

impl Source {
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => Self::V6((ip.to_bits() >> 64) as u64),
        }
    }

    /// The /48 of an IPv6 source.
    fn site(self) -> Option<u64> {
        match self {
            Self::V4(_) => None,
            Self::V6(prefix) => Some(prefix >> 16),
        }
    }
}

/// Whether a caller gets a seat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SeatDecision {
    Free,
    /// Once this connection has made room.
    InPlaceOf(ConnId),
    Refused,
}

impl Seats {
    /// Seats of a listener that has room for so many peers in all.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            count: capacity.div_ceil(2),
            taken: BTreeMap::new(),
            by_source: BTreeMap::new(),
            by_size: BTreeSet::new(),
            by_site: BTreeMap::new(),
        }
    }

    /// Whether a caller from this address gets a seat. When none is free, the newest of the network
    /// with most of them goes; that may be the caller itself.
    pub(crate) fn decide(&self, ip: IpAddr) -> SeatDecision {
        let source = Source::of(ip);
        let own = self.by_source.get(&source).map_or(0, BTreeSet::len);
        let of_site = source.site().and_then(|site| self.by_site.get(&site)).copied().unwrap_or(0);
        if own >= SEATS_EACH_SOURCE || of_site >= SEATS_EACH_SITE {
            return SeatDecision::Refused;
        }
        if self.taken.len() < self.count {
            return SeatDecision::Free;
        }
        let largest = self.by_size.last().filter(|(size, _)| *size > own + 1);
        let newest = largest.and_then(|(_, source)| self.by_source.get(source)?.last());
        newest.map_or(SeatDecision::Refused, |conn| SeatDecision::InPlaceOf(*conn))
    }

    pub(crate) fn take(&mut self, conn: ConnId, ip: IpAddr) {
        let source = Source::of(ip);
        self.taken.insert(conn, source);
        let conns = self.by_source.entry(source).or_default();
        self.by_size.remove(&(conns.len(), source));
        conns.insert(conn);
        self.by_size.insert((conns.len(), source));
        if let Some(site) = source.site() {
            *self.by_site.entry(site).or_default() += 1;
        }
    }

    pub(crate) fn leave(&mut self, conn: ConnId) {
        let Some(source) = self.taken.remove(&conn) else { return };
        let Some(conns) = self.by_source.get_mut(&source) else { return };
        self.by_size.remove(&(conns.len(), source));
        conns.remove(&conn);
        if conns.is_empty() {
            self.by_source.remove(&source);
        } else {
            self.by_size.insert((conns.len(), source));
        }
        if let Some(site) = source.site()
            && let Some(count) = self.by_site.get_mut(&site)
        {
            *count -= 1;
            if *count == 0 {
                self.by_site.remove(&site);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(network: u8, host: u8) -> IpAddr {
        [10, 0, network, host].into()
    }

    #[test]
    fn one_network_has_so_many_seats_and_its_newest_make_room_for_another() {
        let mut seats = Seats::new(80);
        for number in 0..SEATS_EACH_SOURCE as u64 {
            assert_eq!(seats.decide(v4(1, 1)), SeatDecision::Free);
            seats.take(ConnId(number), v4(1, 1));
        }
        assert_eq!(seats.decide(v4(1, 200)), SeatDecision::Refused, "one /24 is one source");
        for number in 32..40 {
            seats.take(ConnId(number), v4(2, 1));
        }
        assert_eq!(seats.decide(v4(3, 1)), SeatDecision::InPlaceOf(ConnId(31)));
        assert_eq!(seats.decide(v4(2, 1)), SeatDecision::InPlaceOf(ConnId(31)));
        seats.leave(ConnId(31));
        assert_eq!(seats.decide(v4(3, 1)), SeatDecision::Free);
    }

    #[test]
    fn where_every_network_has_as_few_nobody_makes_room() {
        let mut seats = Seats::new(4);
        seats.take(ConnId(1), v4(1, 1));
        seats.take(ConnId(2), v4(2, 1));
        assert_eq!(seats.decide(v4(3, 1)), SeatDecision::Refused);
        assert_eq!(seats.decide(v4(1, 1)), SeatDecision::Refused);
        seats.leave(ConnId(2));
        assert_eq!(seats.decide(v4(3, 1)), SeatDecision::Free);
        assert_eq!((seats.by_size.len(), seats.by_source.len()), (1, 1));
    }

    #[test]
    fn an_ipv6_site_has_four_times_the_seats_of_a_network() {
        let mut seats = Seats::new(10_000);
        let ip = |network: u64| -> IpAddr { format!("2001:db8:1:{network:x}::1").parse().unwrap() };
        for number in 0..SEATS_EACH_SITE as u64 {
            assert_eq!(seats.decide(ip(number)), SeatDecision::Free);
            seats.take(ConnId(number), ip(number));
        }
        assert_eq!(seats.decide(ip(9_999)), SeatDecision::Refused);
        assert_eq!(seats.decide("2001:db8:2::1".parse().unwrap()), SeatDecision::Free);
    }
}
