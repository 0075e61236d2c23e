//! Numbers of durable delivery (`docs/PROTOCOL.md`, section 5.7): how messages are counted, and the
//! body of a `Resume`.

use sha2::{Digest, Sha256};

/// Name of one count of the messages of a pair in one direction: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Epoch(pub [u8; 16]);

/// First 16 bytes of a hash over all messages of an epoch up to one of them: two histories of equal
/// length with other content have another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Chain(pub [u8; 16]);

impl Epoch {
    /// The epoch of whoever knows none.
    pub const NONE: Self = Self([0; 16]);
}

impl Chain {
    /// In front of the first message of an epoch.
    pub const START: Self = Self([0; 16]);
    /// Of whoever does not know what came before: it is compared with none.
    pub const UNKNOWN: Self = Self([0xff; 16]);

    /// The chain behind one message more: SHA-256 of this one, the number (8 bytes, big-endian) and
    /// the content's hash, cut to 16 bytes.
    #[must_use]
    pub fn next(self, seq: u64, content: [u8; 32]) -> Self {
        if self == Self::UNKNOWN {
            return self;
        }
        let hash = Sha256::new().chain_update(self.0).chain_update(seq.to_be_bytes()).chain_update(content);
        let hash = hash.finalize();
        Self(std::array::from_fn(|at| hash.get(at).copied().unwrap_or_default()))
    }

    /// Whether two sides that both know their chain have another.
    #[must_use]
    pub fn differs(self, other: Self) -> bool {
        self != other && self != Self::UNKNOWN && other != Self::UNKNOWN
    }
}

/// Number of a message for the pair, in the direction of its sender; also that of the last message
/// of all up to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PairNumber {
    /// The count, which its sender names.
    pub epoch: Epoch,
    /// The number in it, from 1.
    pub seq: u64,
}

/// Number of a message in the direction of its sender.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Count {
    /// It counts for the connection, from 1: nothing is kept.
    Connection(u64),
    /// It counts for the pair, across connections.
    Pair(PairNumber),
}

impl Count {
    /// The number alone.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::Connection(number) | Self::Pair(PairNumber { seq: number, .. }) => number,
        }
    }

    /// The number of another message as this one counts, if it does so.
    #[must_use]
    pub fn of_same(self, other: Self) -> Option<u64> {
        match (self, other) {
            (Self::Connection(_), Self::Connection(number)) => Some(number),
            (Self::Pair(this), Self::Pair(other)) if this.epoch == other.epoch => Some(other.seq),
            _ => None,
        }
    }

    /// The one that covers more: the greater of the same count, else the later one.
    #[must_use]
    pub fn latest(self, later: Self) -> Self {
        if self.of_same(later).is_some_and(|number| number < self.number()) { self } else { later }
    }
}

/// Body of [`super::Record::Resume`]: what a side has of either direction of the pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resume {
    /// The count of the sender's messages; not [`Epoch::NONE`].
    pub epoch: Epoch,
    /// Lowest number that the sender still has; `next` when it has none.
    pub oldest: u64,
    /// Number that the sender's next message gets, from 1.
    pub next: u64,
    /// The count of the receiver's messages as the sender knows it, or [`Epoch::NONE`].
    pub your_epoch: Epoch,
    /// Highest number in it that the sender has on disk; 0 for none.
    pub last: u64,
    /// The chain behind that number.
    pub chain: Chain,
}

/// Bytes of a [`Resume`].
const RESUME_BYTES: usize = 72;

impl Resume {
    /// Its bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.0);
        out.extend_from_slice(&self.oldest.to_be_bytes());
        out.extend_from_slice(&self.next.to_be_bytes());
        out.extend_from_slice(&self.your_epoch.0);
        out.extend_from_slice(&self.last.to_be_bytes());
        out.extend_from_slice(&self.chain.0);
    }

    /// Reads its bytes. `None` for a form that no sender may give it.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body: &[u8; RESUME_BYTES] = body.try_into().ok()?;
        let (epoch, rest) = body.split_first_chunk()?;
        let (oldest, rest) = rest.split_first_chunk()?;
        let (next, rest) = rest.split_first_chunk()?;
        let (your_epoch, rest) = rest.split_first_chunk()?;
        let (last, chain) = rest.split_first_chunk()?;
        let resume = Self {
            epoch: Epoch(*epoch),
            oldest: u64::from_be_bytes(*oldest),
            next: u64::from_be_bytes(*next),
            your_epoch: Epoch(*your_epoch),
            last: u64::from_be_bytes(*last),
            chain: Chain(chain.try_into().ok()?),
        };
        resume.is_sound().then_some(resume)
    }

    /// Whether it says what can be.
    fn is_sound(&self) -> bool {
        self.epoch != Epoch::NONE
            && (1..=self.next).contains(&self.oldest)
            && (self.your_epoch != Epoch::NONE || self.last == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_different_counts_are_not_compared() {
        let pair = |epoch, seq| Count::Pair(PairNumber { epoch: Epoch([epoch; 16]), seq });
        for (one, other) in
            [(pair(1, 9), pair(2, 3)), (pair(1, 9), Count::Connection(3)), (Count::Connection(9), pair(1, 3))]
        {
            assert_eq!(one.of_same(other), None);
            assert_eq!(one.latest(other), other, "the later one");
        }
        for (greater, less) in [(pair(1, 9), pair(1, 3)), (Count::Connection(9), Count::Connection(3))] {
            assert_eq!(greater.of_same(less), Some(3));
            assert_eq!((greater.latest(less), less.latest(greater)), (greater, greater));
        }
    }
}
