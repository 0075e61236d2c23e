//! Acts of the model. A number picks one of those that there are: of the connections, of the names,
//! of the lines that were begun.

use proptest::prelude::*;

/// Names that peers claim, and that are typed. The third has a Cyrillic letter, the last is ours.
pub(super) const NAMES: [&str; 5] = ["bob", "Bob", "b\u{43e}b", "민지", "alice"];
/// Number of the first of them.
pub(super) const BOB: usize = 0;
/// Keys of the peers, as numbers; 0 is our own.
pub(super) const KEYS: [&str; 4] = ["alice-2048", "test-1", "test-2", "test-3"];

/// Changes of the book by another process, as numbers of [`Act::Elsewhere`].
pub(super) const MEET: usize = 0;
pub(super) const BLOCK: usize = 1;
const CHANGES: usize = 6;

/// Peer by its key and by the name that it claims. A slow one is read only by [`Act::Drip`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) key: usize,
    pub(super) claim: &'static str,
    pub(super) is_slow: bool,
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

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let name = || prop::sample::select(&NAMES[..]);
    let caller = || {
        (1..KEYS.len(), name(), prop::bool::weighted(0.2)).prop_map(|(key, claim, is_slow)| Caller {
            key,
            claim,
            is_slow,
        })
    };
    let number = || 0..20_usize;
    let word = prop::sample::select(&["to", "to", "block", "unblock", "forget", "verify", "trust"][..]);
    let host = prop::sample::select(&["one.example", "two.example"][..]);
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
        16 => (0..CHANGES, 1..KEYS.len(), name())
            .prop_map(|(change, key, name)| Act::Elsewhere { change, key, name }),
        8 => Just(Act::Poll),
        8 => any::<bool>().prop_map(|fails| Act::Store { fails }),
        8 => any::<bool>().prop_map(|waits| Act::Disk { waits }),
        8 => Just(Act::DiskOnce),
    ];
    prop::collection::vec(one, 10..30)
}
