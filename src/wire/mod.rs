//! Wire format: preface, frames and the plaintext of records and letters, without encryption and
//! without time.
//!
//! The specification follows, with examples that run as tests. Sections 2 (preface), 3 (frames), 5
//! (records) and the plaintext of 12.2 and 12.3 (letters) are implemented here.
//!
#![doc = include_str!("../../docs/PROTOCOL.md")]

pub mod data_frame;
mod durable;
mod frame;
mod letter;
mod lobby;
mod oaep;
mod preface;
mod record;
mod transfer;
mod types;

pub use durable::{Chain, Count, Epoch, PairNumber, Resume};
pub use frame::{Frame, Frames, LENGTH_BYTES, begin_frame, end_frame};
pub use letter::{FirstLetterBody, LetterBody};
pub use lobby::{Introduction, LOBBY, TOKEN_BYTES, Token};
pub use oaep::{OaepStream, StreamStart, split_text};
pub use preface::{PREFACE_BYTES, Preface, PrefaceProgress, SUITE, VERSION};
pub use record::{ByeReason, Confirm, Padding, Record};
pub use transfer::{
    CancelReason, DeclineReason, ManifestEntry, Offer, OfferKind, Position, TransferId, TransferRecord,
};
pub use types::{Durability, FileTransfer, Letters, Lifetime, Purpose, REKEYING, WireError};
