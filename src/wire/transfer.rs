//! Records of file transfer (`docs/PROTOCOL.md`, section 5.8).

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::WireError;
use crate::limits::{FILE_NAME_BYTES, MANIFEST_PATH_BYTES};

/// Bytes of a [`Position`]: entry and offset.
const POSITION_BYTES: usize = 4 + 8;

/// Name of one transfer: 16 random bytes, which its sender chooses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TransferId(pub [u8; 16]);

/// What is offered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum OfferKind {
    /// One file.
    File,
    /// A folder, with everything in it.
    Folder,
}

/// Body of [`TransferRecord::Offer`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// Its transfer.
    pub id: TransferId,
    /// What it is.
    pub kind: OfferKind,
    /// Files and empty folders in it; 1 for a file.
    pub entries: u32,
    /// Bytes of all files together.
    pub total: u64,
    /// When a file was last changed, in milliseconds since 1970 in UTC, by the sender's clock; 0
    /// for a folder.
    pub modified_ms: u64,
    /// Its last component, bytes as the sender says; made safe where a file gets it.
    pub name: Vec<u8>,
}

/// One file or empty folder of a folder that is offered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// What it is; a folder is empty.
    pub kind: OfferKind,
    /// Bytes of a file; 0 for a folder.
    pub size: u64,
    /// When it was last changed, as in an [`Offer`].
    pub modified_ms: u64,
    /// Components below the folder, separated by `/`, as the sender says.
    pub path: Vec<u8>,
}

/// Place in a transfer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Position {
    /// Number of the entry, from 0.
    pub entry: u32,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// Why an offer is declined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeclineReason {
    /// The user does not want it.
    Unwanted,
    /// It is larger than the receiver takes.
    TooLarge,
    /// The receiver's disk has no room for it.
    NoRoom,
    /// It is no longer known, or has expired.
    Expired,
    /// The receiver cannot write where it would be.
    CannotWrite,
    /// The receiver takes offers only of peers that its user has chosen.
    NotChosen,
    /// The receiver has as many offers of this peer as there may be.
    TooMany,
    /// A reason of a later version.
    Other(u8),
}

/// Why a transfer ends before its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CancelReason {
    /// The user has ended it.
    User,
    /// What was offered has changed, or cannot be read.
    SourceChanged,
    /// What arrived is not what was sent.
    Damaged,
    /// The receiver's disk is full.
    NoRoom,
    /// The receiver cannot write.
    CannotWrite,
    /// A reason of a later version.
    Other(u8),
}

/// A record of file transfer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransferRecord {
    /// Something is to be had.
    Offer(Offer),
    /// Asks for parts of the manifest of a folder, accepted or not.
    List {
        /// Its transfer.
        id: TransferId,
        /// Number of the first entry that is wanted.
        first: u32,
    },
    /// A part of a manifest.
    Manifest {
        /// Its transfer.
        id: TransferId,
        /// Number of its first entry.
        first: u32,
        /// Entries, in the order of their numbers.
        entries: Vec<ManifestEntry>,
    },
    /// The offer is taken; bytes before this place are on the receiver's disk.
    Accept {
        /// Its transfer.
        id: TransferId,
        /// Where the sender begins.
        at: Position,
    },
    /// The offer is not taken.
    Decline {
        /// Its transfer.
        id: TransferId,
        /// Why.
        reason: DeclineReason,
    },
    /// Bytes of a file.
    Chunk {
        /// Its transfer.
        id: TransferId,
        /// Where they belong.
        at: Position,
        /// The bytes, at least one.
        bytes: Vec<u8>,
    },
    /// Zeros of a file that take no room on the sender's disk.
    Hole {
        /// Its transfer.
        id: TransferId,
        /// Where they begin.
        at: Position,
        /// How many there are, at least one.
        length: u64,
    },
    /// Everything before this place is written.
    Have {
        /// Its transfer.
        id: TransferId,
        /// First byte that is not.
        at: Position,
    },
    /// A file is complete.
    EndOfFile {
        /// Its transfer.
        id: TransferId,
        /// Number of the entry.
        entry: u32,
        /// Bytes of it.
        size: u64,
        /// SHA-256 over the SHA-256 of each of its blocks.
        root: [u8; 32],
    },
    /// Everything is on disk, under its name: the receipt of a transfer.
    Filed(TransferId),
    /// The transfer ends here.
    Cancel {
        /// Its transfer.
        id: TransferId,
        /// Why.
        reason: CancelReason,
    },
}

impl TransferRecord {
    /// The transfer that it belongs to.
    #[must_use]
    pub fn id(&self) -> TransferId {
        match self {
            Self::Offer(offer) => offer.id,
            Self::List { id, .. }
            | Self::Manifest { id, .. }
            | Self::Accept { id, .. }
            | Self::Decline { id, .. }
            | Self::Chunk { id, .. }
            | Self::Hole { id, .. }
            | Self::Have { id, .. }
            | Self::EndOfFile { id, .. }
            | Self::Filed(id)
            | Self::Cancel { id, .. } => *id,
        }
    }

    /// The type and the body, one behind the other.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.type_number()];
        self.write(&mut bytes);
        bytes
    }

    /// The record of such bytes; `None` if they are none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (number, body) = bytes.split_first()?;
        Self::read(*number, body)?.ok()
    }

    pub(super) fn type_number(&self) -> u8 {
        match self {
            Self::Offer(_) => 16,
            Self::List { .. } => 17,
            Self::Manifest { .. } => 18,
            Self::Accept { .. } => 19,
            Self::Decline { .. } => 20,
            Self::Chunk { .. } => 21,
            Self::Hole { .. } => 22,
            Self::Have { .. } => 23,
            Self::EndOfFile { .. } => 24,
            Self::Filed(_) => 25,
            Self::Cancel { .. } => 26,
        }
    }

    /// Bytes of the body of a chunk; 0 for others.
    pub(super) fn body_bytes(&self) -> usize {
        match self {
            Self::Chunk { id, bytes, .. } => id.0.len() + POSITION_BYTES + bytes.len(),
            _ => 0,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id().0);
        match self {
            Self::Offer(offer) => {
                out.push(offer.kind.number());
                out.extend_from_slice(&offer.entries.to_be_bytes());
                out.extend_from_slice(&offer.total.to_be_bytes());
                out.extend_from_slice(&offer.modified_ms.to_be_bytes());
                out.extend_from_slice(&offer.name);
            }
            Self::List { first, .. } => out.extend_from_slice(&first.to_be_bytes()),
            Self::Filed(_) => {}
            Self::Manifest { first, entries, .. } => {
                out.extend_from_slice(&first.to_be_bytes());
                for entry in entries {
                    entry.write(out);
                }
            }
            Self::Accept { at, .. } | Self::Have { at, .. } => at.write(out),
            Self::Decline { reason, .. } => out.push(reason.number()),
            Self::Chunk { at, bytes, .. } => {
                at.write(out);
                out.extend_from_slice(bytes);
            }
            Self::Hole { at, length, .. } => {
                at.write(out);
                out.extend_from_slice(&length.to_be_bytes());
            }
            Self::EndOfFile { entry, size, root, .. } => {
                out.extend_from_slice(&entry.to_be_bytes());
                out.extend_from_slice(&size.to_be_bytes());
                out.extend_from_slice(root);
            }
            Self::Cancel { reason, .. } => out.push(reason.number()),
        }
    }

    /// Reads the body of a record of one of these types; `None` for another type.
    pub(super) fn read(number: u8, body: &[u8]) -> Option<Result<Self, WireError>> {
        (16..=26).contains(&number).then(|| {
            let mut body = Body(body);
            let record = Self::read_body(number, &mut body).filter(|_| body.0.is_empty());
            record.ok_or(WireError::Malformed)
        })
    }

    fn read_body(number: u8, body: &mut Body<'_>) -> Option<Self> {
        let id = TransferId(body.array()?);
        Some(match number {
            16 => Self::Offer(Offer::read(id, body)?),
            17 => Self::List { id, first: body.u32()? },
            18 => {
                let (first, mut entries) = (body.u32()?, Vec::new());
                while !body.0.is_empty() {
                    entries.push(ManifestEntry::read(body)?);
                }
                Self::Manifest { id, first, entries }
            }
            19 => Self::Accept { id, at: body.position()? },
            20 => Self::Decline { id, reason: DeclineReason::from_number(body.byte()?) },
            21 => {
                let at = body.position()?;
                let bytes = Some(body.rest()).filter(|bytes| !bytes.is_empty())?.to_vec();
                at.offset.checked_add(bytes.len() as u64)?;
                Self::Chunk { id, at, bytes }
            }
            22 => {
                let (at, length) = (body.position()?, body.u64()?);
                at.offset.checked_add(length).filter(|_| length > 0)?;
                Self::Hole { id, at, length }
            }
            23 => Self::Have { id, at: body.position()? },
            24 => Self::EndOfFile { id, entry: body.u32()?, size: body.u64()?, root: body.array()? },
            25 => Self::Filed(id),
            _ => Self::Cancel { id, reason: CancelReason::from_number(body.byte()?) },
        })
    }
}

/// Between processes of one program: its bytes in base64.
impl Serialize for TransferRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for TransferRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD.decode(text.as_bytes()).map_err(de::Error::custom)?;
        Self::from_bytes(&bytes).ok_or_else(|| de::Error::custom(WireError::Malformed))
    }
}

impl Offer {
    /// The offer as its record has it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        TransferRecord::Offer(self.clone()).write(&mut bytes);
        bytes
    }

    /// The offer of such bytes; `None` if they are none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match TransferRecord::read(16, bytes)?.ok()? {
            TransferRecord::Offer(offer) => Some(offer),
            _ => None,
        }
    }

    fn read(id: TransferId, body: &mut Body<'_>) -> Option<Self> {
        let kind = OfferKind::from_number(body.byte()?)?;
        let (entries, total, modified_ms) = (body.u32()?, body.u64()?, body.u64()?);
        let name = body.rest().to_vec();
        let is_sound = (1..=FILE_NAME_BYTES).contains(&name.len())
            && (kind == OfferKind::Folder || entries == 1)
            && (kind == OfferKind::File || modified_ms == 0);
        is_sound.then_some(Self { id, kind, entries, total, modified_ms, name })
    }
}

impl ManifestEntry {
    /// Bytes of it in a [`TransferRecord::Manifest`].
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        1 + 8 + 8 + 2 + self.path.len()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.kind.number());
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&self.modified_ms.to_be_bytes());
        // A longer path is malformed for every receiver.
        out.extend_from_slice(&u16::try_from(self.path.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(&self.path);
    }

    fn read(body: &mut Body<'_>) -> Option<Self> {
        let kind = OfferKind::from_number(body.byte()?)?;
        let (size, modified_ms) = (body.u64()?, body.u64()?);
        let length = usize::from(u16::from_be_bytes(body.array()?));
        let path = body.take(length)?.to_vec();
        let is_sound = (1..=MANIFEST_PATH_BYTES).contains(&length) && (kind == OfferKind::File || size == 0);
        is_sound.then_some(Self { kind, size, modified_ms, path })
    }
}

impl Position {
    /// The beginning of everything.
    pub const START: Self = Self { entry: 0, offset: 0 };

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.entry.to_be_bytes());
        out.extend_from_slice(&self.offset.to_be_bytes());
    }
}

impl OfferKind {
    fn number(self) -> u8 {
        match self {
            Self::File => 0,
            Self::Folder => 1,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::File),
            1 => Some(Self::Folder),
            _ => None,
        }
    }
}

impl DeclineReason {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Unwanted => 0,
            Self::TooLarge => 1,
            Self::NoRoom => 2,
            Self::Expired => 3,
            Self::CannotWrite => 4,
            Self::NotChosen => 5,
            Self::TooMany => 6,
            Self::Other(number) => number,
        }
    }

    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Unwanted,
            1 => Self::TooLarge,
            2 => Self::NoRoom,
            3 => Self::Expired,
            4 => Self::CannotWrite,
            5 => Self::NotChosen,
            6 => Self::TooMany,
            other => Self::Other(other),
        }
    }
}

impl CancelReason {
    /// Whether a receiver only stops for this reason: it may accept the offer again.
    #[must_use]
    pub fn is_stop(self) -> bool {
        matches!(self, Self::NoRoom | Self::CannotWrite)
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::User => 0,
            Self::SourceChanged => 1,
            Self::Damaged => 2,
            Self::NoRoom => 3,
            Self::CannotWrite => 4,
            Self::Other(number) => number,
        }
    }

    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            0 => Self::User,
            1 => Self::SourceChanged,
            2 => Self::Damaged,
            3 => Self::NoRoom,
            4 => Self::CannotWrite,
            other => Self::Other(other),
        }
    }
}

/// Reader of a body from its front.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(front)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position { entry: self.u32()?, offset: self.u64()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Padding, Record};

    fn any_kind() -> impl Strategy<Value = OfferKind> {
        prop_oneof![Just(OfferKind::File), Just(OfferKind::Folder)]
    }

    fn any_offer() -> impl Strategy<Value = Offer> {
        let numbers = (any::<u32>(), any::<u64>(), any::<u64>());
        let name = vec(any::<u8>(), 1..=FILE_NAME_BYTES);
        (any::<[u8; 16]>(), any_kind(), numbers, name).prop_map(
            |(id, kind, (entries, total, modified_ms), name)| {
                let id = TransferId(id);
                match kind {
                    OfferKind::File => Offer { id, kind, entries: 1, total, modified_ms, name },
                    OfferKind::Folder => Offer { id, kind, entries, total, modified_ms: 0, name },
                }
            },
        )
    }

    fn any_entry() -> impl Strategy<Value = ManifestEntry> {
        (any_kind(), any::<u64>(), any::<u64>(), vec(any::<u8>(), 1..300)).prop_map(
            |(kind, size, modified_ms, path)| {
                let size = if kind == OfferKind::File { size } else { 0 };
                ManifestEntry { kind, size, modified_ms, path }
            },
        )
    }

    fn any_transfer_record() -> impl Strategy<Value = TransferRecord> {
        let id = || any::<[u8; 16]>().prop_map(TransferId);
        let at = || {
            (any::<u32>(), any::<u32>())
                .prop_map(|(entry, offset)| Position { entry, offset: u64::from(offset) })
        };
        prop_oneof![
            any_offer().prop_map(TransferRecord::Offer),
            (id(), any::<u32>()).prop_map(|(id, first)| TransferRecord::List { id, first }),
            (id(), any::<u32>(), vec(any_entry(), 0..20))
                .prop_map(|(id, first, entries)| TransferRecord::Manifest { id, first, entries }),
            (id(), at()).prop_map(|(id, at)| TransferRecord::Accept { id, at }),
            (id(), any::<u8>()).prop_map(|(id, number)| TransferRecord::Decline {
                id,
                reason: DeclineReason::from_number(number)
            }),
            (id(), at(), vec(any::<u8>(), 1..600)).prop_map(|(id, at, bytes)| TransferRecord::Chunk {
                id,
                at,
                bytes
            }),
            (id(), at(), 1_u64..=u64::from(u32::MAX)).prop_map(|(id, at, length)| TransferRecord::Hole {
                id,
                at,
                length
            }),
            (id(), at()).prop_map(|(id, at)| TransferRecord::Have { id, at }),
            (id(), any::<u32>(), any::<u64>(), any::<[u8; 32]>())
                .prop_map(|(id, entry, size, root)| TransferRecord::EndOfFile { id, entry, size, root }),
            id().prop_map(TransferRecord::Filed),
            (id(), any::<u8>()).prop_map(|(id, number)| TransferRecord::Cancel {
                id,
                reason: CancelReason::from_number(number)
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(record in any_transfer_record()) {
            let mut plaintext = Vec::new();
            Record::Transfer(record.clone()).write(Padding::Bulk, &mut plaintext).unwrap();
            prop_assert_eq!(Record::read(&plaintext), Ok(Record::Transfer(record)));
        }

        #[test]
        fn an_entry_takes_as_many_bytes_as_it_says(entry in any_entry()) {
            let mut bytes = Vec::new();
            entry.write(&mut bytes);
            prop_assert_eq!(bytes.len(), entry.encoded_bytes());
        }

        #[test]
        fn an_offer_is_read_back_from_its_bytes_and_nothing_else_is_one(offer in any_offer()) {
            prop_assert_eq!(Offer::from_bytes(&offer.to_bytes()), Some(offer));
            prop_assert_eq!(Offer::from_bytes(&[7; 16]), None);
        }

        #[test]
        fn any_body_is_read_or_refused(number in 16_u8..=26, body in vec(any::<u8>(), 0..400)) {
            let plaintext = [&[number, 0, 0][..], &body].concat();
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            let plaintext = [&plaintext[..1], &length, &body].concat();
            let _ = Record::read(&plaintext);
        }
    }

    #[test]
    fn a_receiver_without_room_only_stops() {
        for reason in [CancelReason::NoRoom, CancelReason::CannotWrite] {
            assert!(reason.is_stop());
        }
        for reason in [CancelReason::User, CancelReason::SourceChanged] {
            assert!(!reason.is_stop());
        }
    }

    #[test]
    fn what_no_sender_may_say_is_malformed() {
        let id = TransferId([7; 16]);
        let file =
            Offer { id, kind: OfferKind::File, entries: 1, total: 3, modified_ms: 5, name: b"a".to_vec() };
        let entry = ManifestEntry { kind: OfferKind::File, size: 1, modified_ms: 0, path: b"a".to_vec() };
        let folder = ManifestEntry { kind: OfferKind::Folder, ..entry.clone() };
        let end = Position { entry: 0, offset: u64::MAX };
        for bad in [
            TransferRecord::Offer(Offer { entries: 2, ..file.clone() }),
            TransferRecord::Offer(Offer { name: Vec::new(), ..file.clone() }),
            TransferRecord::Offer(Offer { name: vec![b'a'; FILE_NAME_BYTES + 1], ..file.clone() }),
            TransferRecord::Offer(Offer { kind: OfferKind::Folder, ..file.clone() }),
            TransferRecord::Manifest { id, first: 0, entries: vec![folder] },
            TransferRecord::Manifest {
                id,
                first: 0,
                entries: vec![ManifestEntry { path: Vec::new(), ..entry }],
            },
            TransferRecord::Chunk { id, at: Position::START, bytes: Vec::new() },
            TransferRecord::Chunk { id, at: end, bytes: vec![0] },
            TransferRecord::Hole { id, at: Position::START, length: 0 },
            TransferRecord::Hole { id, at: end, length: 1 },
        ] {
            let mut plaintext = Vec::new();
            Record::Transfer(bad.clone()).write(Padding::Bulk, &mut plaintext).unwrap();
            assert_eq!(Record::read(&plaintext), Err(WireError::Malformed), "{bad:?}");
        }
    }
}
