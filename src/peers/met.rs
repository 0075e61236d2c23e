//! Peers that called and were not chosen, as one list of bounded length: who was missed, and whom
//! the user may choose from.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::name::Name;
use crate::crypto::Fingerprint;
use crate::limits::MET_PEERS;
use crate::time::UnixMs;

/// Peer that called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetPeer {
    /// Its key.
    pub fingerprint: Fingerprint,
    /// Moment of its last call.
    pub seen: UnixMs,
    /// Address that it called from.
    pub source: IpAddr,
    /// Name that it claimed.
    pub claimed: Name,
}

/// Change of the list, small enough to be applied again to what another process has written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MetChange {
    /// A peer called. Those that are connected are not dropped for it.
    Called {
        /// The peer.
        peer: MetPeer,
        /// Keys of connected peers.
        connected: Vec<Fingerprint>,
    },
    /// A peer was chosen or forgotten.
    Drop(Fingerprint),
}

/// The list, who called first at its beginning.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MetPeers {
    rows: Vec<MetPeer>,
}

impl MetPeers {
    /// Reads a list. Nothing is trusted for it, so that a line which cannot be read is left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self { rows: text.lines().filter_map(parse_row).collect() }
    }

    /// The peers, who called first at the beginning.
    #[must_use]
    pub fn peers(&self) -> impl DoubleEndedIterator<Item = &MetPeer> {
        self.rows.iter()
    }

    /// The last peer that called with this name.
    #[must_use]
    pub fn by_name(&self, name: &Name) -> Option<&MetPeer> {
        self.rows.iter().rev().find(|peer| peer.claimed.same_as(name))
    }

    /// The peer with this key.
    #[must_use]
    pub fn by_fingerprint(&self, fingerprint: &Fingerprint) -> Option<&MetPeer> {
        self.rows.iter().find(|peer| peer.fingerprint == *fingerprint)
    }

    /// Writes a change into the list.
    pub fn apply(&mut self, change: &MetChange) {
        match change {
            MetChange::Drop(fingerprint) => self.rows.retain(|peer| peer.fingerprint != *fingerprint),
            MetChange::Called { peer, connected } => {
                self.rows.retain(|row| row.fingerprint != peer.fingerprint);
                self.rows.push(peer.clone());
                while self.rows.len() > MET_PEERS && self.evict(peer.fingerprint, connected) {}
            }
        }
    }

    /// Drops the oldest of the source that has most, of those that are not connected.
    fn evict(&mut self, newest: Fingerprint, connected: &[Fingerprint]) -> bool {
        let may_go = |peer: &&MetPeer| peer.fingerprint != newest && !connected.contains(&peer.fingerprint);
        let mut counts = BTreeMap::<_, usize>::new();
        for peer in &self.rows {
            *counts.entry(network(peer.source)).or_default() += 1;
        }
        let oldest_first = self.rows.iter().filter(may_go).rev();
        let victim = oldest_first.max_by_key(|peer| counts.get(&network(peer.source)));
        let victim = victim.map(|peer| peer.fingerprint);
        self.rows.retain(|peer| Some(peer.fingerprint) != victim);
        victim.is_some()
    }
}

impl fmt::Display for MetPeers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.iter().try_for_each(|peer| {
            writeln!(f, "{} {} {} {}", peer.fingerprint, peer.seen.0, peer.source, peer.claimed)
        })
    }
}

fn parse_row(row: &str) -> Option<MetPeer> {
    let [fingerprint, seen, source, claimed] = row.split(' ').collect::<Vec<_>>().try_into().ok()?;
    Some(MetPeer {
        fingerprint: fingerprint.parse().ok()?,
        seen: UnixMs(seen.parse().ok()?),
        source: source.parse().ok()?,
        claimed: Name::parse(claimed).ok()?,
    })
}

/// Network of a source, as far as one subscriber usually has it: /24, or /64.
fn network(source: IpAddr) -> u64 {
    match source.to_canonical() {
        IpAddr::V4(address) => u64::from(u32::from(address) >> 8),
        IpAddr::V6(address) => u64::try_from(u128::from(address) >> 64).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: usize, source: &str) -> MetPeer {
        let name = Name::parse("bob").unwrap();
        let fingerprint = Fingerprint::of(&number.to_be_bytes());
        MetPeer { fingerprint, seen: UnixMs(number as u64), source: source.parse().unwrap(), claimed: name }
    }

    fn called(peer: MetPeer, connected: &[usize]) -> MetChange {
        let key = |number: &usize| Fingerprint::of(&number.to_be_bytes());
        MetChange::Called { peer, connected: connected.iter().map(key).collect() }
    }

    #[test]
    fn what_is_written_is_read_and_a_damaged_line_is_left_out() {
        let mut met = MetPeers::default();
        met.apply(&called(call(1, "127.0.0.1"), &[]));
        met.apply(&called(call(2, "::1"), &[]));
        met.apply(&called(call(1, "127.0.0.2"), &[]));
        assert_eq!(MetPeers::parse(&met.to_string()), met);
        let text = format!("{met}SHA256:short 1 ::1 bob\nhalf a li");
        assert_eq!(MetPeers::parse(&text), met);
        let seen: Vec<_> = met.peers().map(|peer| peer.source.to_string()).collect();
        assert_eq!(seen, ["::1", "127.0.0.2"]);
        met.apply(&MetChange::Drop(call(2, "::1").fingerprint));
        assert_eq!(met.peers().count(), 1);
    }

    #[test]
    fn a_flood_from_one_network_drops_its_own_and_nobody_who_is_connected() {
        let mut met = MetPeers::default();
        met.apply(&called(call(0, "192.0.2.1"), &[]));
        met.apply(&called(call(1, "203.0.113.1"), &[]));
        for number in 2..3 * MET_PEERS {
            met.apply(&called(call(number, &format!("203.0.113.{}", number % 256)), &[1]));
        }
        assert_eq!(met.peers().count(), MET_PEERS);
        let kept = |number: usize| met.by_fingerprint(&call(number, "::1").fingerprint).is_some();
        assert!(kept(0) && kept(1) && !kept(2) && kept(3 * MET_PEERS - 1));
    }
}
