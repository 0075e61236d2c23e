//! Wire format: preface, frames and the plaintext of records, without encryption and without time.
//!
//! The specification follows, with examples that run as tests. Sections 2 (preface), 3 (frames) and
//! 5 (records) are implemented here.
//!
#![doc = include_str!("../../docs/PROTOCOL.md")]

pub mod data_frame;
mod durable;
mod frame;
mod lobby;
mod oaep;
mod preface;
mod record;
mod transfer;
mod types;

pub use durable::{Chain, Count, Epoch, PairNumber, Resume};
pub use frame::{Frame, Frames, LENGTH_BYTES, begin_frame, end_frame};
pub use lobby::{Introduction, LOBBY, TOKEN_BYTES, Token};
pub use oaep::{OaepStream, StreamStart, split_text};
pub use preface::{PREFACE_BYTES, Preface, PrefaceProgress, SUITE, VERSION};
pub use record::{ByeReason, Confirm, Padding, Record};
pub use transfer::{
    CancelReason, DeclineReason, ManifestEntry, Offer, OfferKind, Position, TransferId, TransferRecord,
};
pub use types::{Durability, FileTransfer, Lifetime, Purpose, REKEYING, WireError};
