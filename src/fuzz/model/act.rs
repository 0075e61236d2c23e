//! Acts of the model. A number picks one of those that there are: of the connections, of the names,
//! of the lines that were begun.

#[cfg(test)]
use proptest::prelude::*;

use crate::fuzz::Choices;

/// Names that peers claim, and that are typed. The third has a Cyrillic letter, the last is ours.
pub(in crate::fuzz) const NAMES: [&str; 5] = ["bob", "Bob", "b\u{43e}b", "민지", "alice"];
/// Number of the first of them.
#[cfg(test)]
pub(super) const BOB: usize = 0;
/// Number of the keys; 0 is our own.
pub(super) const KEYS: usize = 4;

/// Changes of the book by another process, as numbers of [`Act::Elsewhere`].
#[cfg(test)]
pub(super) const MEET: usize = 0;
#[cfg(test)]
pub(super) const BLOCK: usize = 1;
const CHANGES: usize = 6;
/// Commands about a peer, and hosts.
const WORDS: [&str; 7] = ["to", "to", "block", "unblock", "forget", "verify", "trust"];
const HOSTS: [&str; 2] = ["one.example", "two.example"];

/// Peer by its key and by the name that it claims. A slow one is read only by [`Act::Drip`].
#[derive(Clone, Copy, Debug)]
pub(in crate::fuzz) struct Caller {
    pub(in crate::fuzz) key: usize,
    pub(in crate::fuzz) claim: &'static str,
    pub(in crate::fuzz) is_slow: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// A peer calls.
    Call(Caller),
    /// A peer sends a text.
    PeerText { link: usize },
    /// A peer sends more than a stranger's share of the history.
    PeerFlood { link: usize },
    /// A connection is cut.
    Cut { link: usize },
    /// So many bytes of a slow peer arrive.
    Drip { link: usize, bytes: usize },
    /// The person types the first character of a line.
    Begin,
    /// Enter on a line that was begun now, or at one of the earlier [`Act::Begin`].
    Enter { begun: usize },
    /// Enter on the line that was put back last, after so many milliseconds.
    EnterAgain { after: u64 },
    /// More texts than may wait for a receipt.
    Flood,
    /// `@NAME TEXT`
    At { name: usize },
    /// `:WORD NAME`
    Command { word: &'static str, name: usize },
    /// `:name NAME NEW`
    Rename { name: usize, new: &'static str },
    /// `:connect HOST`, answered at once or later.
    Connect { host: &'static str, answer: Option<Caller> },
    /// A dial that waits is answered, or comes to nothing.
    Answer(Option<Caller>),
    /// Ctrl-C on an empty line.
    Cancel,
    /// Another process changes the book.
    Elsewhere { change: usize, key: usize, name: &'static str },
    /// The chat learns what other processes have changed.
    Poll,
    /// The store fails from now on, or works again.
    Store { fails: bool },
    /// What is asked of the book waits from now on, or is done again, in its order.
    Disk { waits: bool },
    /// The first thing that waits is done.
    DiskOnce,
}

impl Caller {
    pub(in crate::fuzz) fn chosen(choices: &mut Choices<'_>) -> Self {
        let key = 1 + choices.below(KEYS - 1);
        Self { key, claim: choices.one_of(&NAMES), is_slow: choices.byte() >= 200 }
    }

    fn perhaps(choices: &mut Choices<'_>) -> Option<Self> {
        (choices.byte() < 180).then(|| Self::chosen(choices))
    }
}

impl Act {
    /// The act that a fuzzer has chosen.
    pub(super) fn chosen(choices: &mut Choices<'_>) -> Self {
        match choices.below(21) {
            0 | 1 => Self::Call(Caller::chosen(choices)),
            2 => Self::PeerText { link: choices.below(20) },
            3 if choices.byte() > 240 => Self::PeerFlood { link: choices.below(20) },
            4 => Self::Cut { link: choices.below(20) },
            5 => Self::Drip { link: choices.below(20), bytes: 1 + choices.below(256) * 24 },
            6 => Self::Begin,
            7 => Self::Enter { begun: choices.below(20) },
            8 => Self::EnterAgain { after: choices.one_of(&[100, 900]) },
            9 if choices.byte() > 240 => Self::Flood,
            10 => Self::At { name: choices.below(20) },
            11 | 12 => Self::Command { word: choices.one_of(&WORDS), name: choices.below(20) },
            13 => Self::Rename { name: choices.below(20), new: choices.one_of(&NAMES) },
            14 => Self::Connect { host: choices.one_of(&HOSTS), answer: Caller::perhaps(choices) },
            15 => Self::Answer(Caller::perhaps(choices)),
            16 => Self::Elsewhere {
                change: choices.below(CHANGES),
                key: 1 + choices.below(KEYS - 1),
                name: choices.one_of(&NAMES),
            },
            17 => Self::Poll,
            18 => Self::Store { fails: choices.byte() >= 128 },
            19 => Self::Disk { waits: choices.byte() >= 128 },
            20 => Self::DiskOnce,
            _ => Self::Cancel,
        }
    }
}

#[cfg(test)]
pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let name = || prop::sample::select(&NAMES[..]);
    let caller = || {
        (1..KEYS, name(), prop::bool::weighted(0.2)).prop_map(|(key, claim, is_slow)| Caller {
            key,
            claim,
            is_slow,
        })
    };
    let number = || 0..20_usize;
    let word = prop::sample::select(&WORDS[..]);
    let host = prop::sample::select(&HOSTS[..]);
    let one = prop_oneof![
        32 => caller().prop_map(Act::Call),
        16 => number().prop_map(|link| Act::PeerText { link }),
        1 => number().prop_map(|link| Act::PeerFlood { link }),
        12 => number().prop_map(|link| Act::Cut { link }),
        16 => (number(), 1..6_000_usize).prop_map(|(link, bytes)| Act::Drip { link, bytes }),
        12 => Just(Act::Begin),
        32 => number().prop_map(|begun| Act::Enter { begun }),
        12 => prop::sample::select(&[100, 900][..]).prop_map(|after| Act::EnterAgain { after }),
        2 => Just(Act::Flood),
        12 => number().prop_map(|name| Act::At { name }),
        40 => (word, number()).prop_map(|(word, name)| Act::Command { word, name }),
        12 => (number(), name()).prop_map(|(name, new)| Act::Rename { name, new }),
        16 => (host, prop::option::of(caller())).prop_map(|(host, answer)| Act::Connect { host, answer }),
        12 => prop::option::weighted(0.7, caller()).prop_map(Act::Answer),
        4 => Just(Act::Cancel),
        16 => (0..CHANGES, 1..KEYS, name())
            .prop_map(|(change, key, name)| Act::Elsewhere { change, key, name }),
        8 => Just(Act::Poll),
        8 => any::<bool>().prop_map(|fails| Act::Store { fails }),
        8 => any::<bool>().prop_map(|waits| Act::Disk { waits }),
        8 => Just(Act::DiskOnce),
    ];
    prop::collection::vec(one, 10..30)
}
