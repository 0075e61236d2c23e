//! Durable delivery (`docs/PROTOCOL.md`, section 5.7): a message that was accepted is kept until
//! the other side has it, and is sent again, in order, whenever the two are connected.

#[cfg(test)]
mod first_letter_model;
mod first_letters;
mod history;
mod ledger;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod letter_model;
mod letters;
mod message;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod model;
mod pair;
mod transfer;

pub use crate::wire::{Chain, Epoch, Resume};
pub use first_letters::{BundleKey, BundleKeys, FirstLetterDraft, FirstLetterId, FirstLetterWriter};
pub use history::{Direction, FoundEntries, HistoryEntry, HistoryQuery, HistoryRow, StoredHistory};
pub use ledger::{Ledger, Reception};
pub use letters::{
    Age, Answer, Beginning, Generation, HeldInvitation, KeyUsage, LetterDue, LetterEvent, LetterRefusal,
    LetterState, OutgoingLetter, OwnLetterKey, Posted, ReadLetter, WatchedInbox, WritingInbox,
};
pub use message::{
    EXPIRED, EnqueueError, MessageState, SettledWithdrawal, TAKEN_BACK, WaitingMessage, WithdrawError,
    Withdrawal, WithdrawalOutcome,
};
pub use pair::{
    Calls, Content, Exposure, Inbound, InboxRow, Outbound, OutboxRow, Pair, PairChange, Pairs, SKIPPED,
    StoreBatch, StoreChange, hash_of,
};
pub use transfer::{Hashed, PartRow, Room, TransferRow, TransferState};

/// Something that a [`Resume`] has brought to light, for the user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResumeNews {
    /// Our outbox is older than what the peer has: it was restored from a backup. A new count has
    /// begun, and [`Ledger::resume`] is to be told again.
    Restored,
    /// Messages of the peer were received here once and are not in this home: it was restored.
    Missing {
        /// Number of the first.
        first: u64,
        /// Number of the last.
        last: u64,
    },
    /// The peer's home is older than what we have exchanged: it was restored from a backup.
    PeerRestored,
    /// The third new count in an hour: one identity seems to be in use in two places.
    TwoPlaces,
}
