//! Values of file transfers as bytes.

use super::rows::{Reader, Value};
use crate::delivery::{Hashed, PartRow, Room, TransferRow, TransferState};
use crate::time::UnixMs;
use crate::wire::{CancelReason, DeclineReason, Offer, Position};

const OUTGOING: u8 = 0;
const OPEN: u8 = 1;
const ACCEPTED: u8 = 2;
const DECLINED: u8 = 3;
const ENDED: u8 = 4;
const FILED: u8 = 5;
const DISCARDING: u8 = 7;
const ACCEPTED_ANYWAY: u8 = 6;

/// Bytes of a hash.
const HASH_BYTES: usize = 32;

impl Value for TransferRow {
    fn bytes(&self) -> usize {
        let state = match &self.state {
            TransferState::Outgoing { path, hashed, .. } => 4 + path.len() + 32 + hashed_bytes(hashed),
            TransferState::Open { part } => 1 + part_bytes(part.as_ref()),
            TransferState::Accepted { place, part, .. } => {
                6 + place.as_ref().map_or(0, String::len) + part_bytes(part.as_ref())
            }
            TransferState::Filed(path) => 4 + path.len(),
            TransferState::Discarding { part, .. } => 1 + part_bytes(Some(part)),
            TransferState::Declined(_) | TransferState::Ended(_) => 1,
        };
        8 + 4 + 37 + self.offer.name.len() + 1 + state
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.active.0.to_be_bytes());
        put(to, &self.offer.to_bytes());
        match &self.state {
            TransferState::Outgoing { path, identity, hashed } => {
                to.push(OUTGOING);
                put(to, path.as_bytes());
                to.extend_from_slice(identity);
                put_hashed(to, hashed);
            }
            TransferState::Open { part } => {
                to.push(OPEN);
                put_part(to, part.as_ref());
            }
            TransferState::Accepted { place, room, part } => {
                to.push(match room {
                    Room::Reserve => ACCEPTED,
                    Room::Ignore => ACCEPTED_ANYWAY,
                });
                put_option(to, place.as_ref().map(String::as_bytes));
                put_part(to, part.as_ref());
            }
            TransferState::Declined(reason) => to.extend_from_slice(&[DECLINED, reason.number()]),
            TransferState::Ended(reason) => to.extend_from_slice(&[ENDED, reason.number()]),
            TransferState::Discarding { reason, part } => {
                to.extend_from_slice(&[DISCARDING, reason.number()]);
                put_part(to, Some(part));
            }
            TransferState::Filed(path) => {
                to.push(FILED);
                put(to, path.as_bytes());
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let active = UnixMs(from.number()?);
        let offer = Offer::from_bytes(field(from)?)?;
        let state = match from.byte()? {
            OUTGOING => {
                TransferState::Outgoing { path: text(from)?, identity: from.array()?, hashed: hashed(from)? }
            }
            OPEN => TransferState::Open { part: optional(from, part)? },
            state @ (ACCEPTED | ACCEPTED_ANYWAY) => TransferState::Accepted {
                room: if state == ACCEPTED { Room::Reserve } else { Room::Ignore },
                place: optional(from, text)?,
                part: optional(from, part)?,
            },
            DECLINED => TransferState::Declined(DeclineReason::from_number(from.byte()?)),
            ENDED => TransferState::Ended(CancelReason::from_number(from.byte()?)),
            FILED => TransferState::Filed(text(from)?),
            DISCARDING => {
                let reason = CancelReason::from_number(from.byte()?);
                TransferState::Discarding { reason, part: optional(from, part)?? }
            }
            _ => return None,
        };
        Some(Self { active, offer, state })
    }
}

fn hashed_bytes(hashed: &Hashed) -> usize {
    16 + hashed.blocks.len() * HASH_BYTES
}

fn part_bytes(part: Option<&PartRow>) -> usize {
    1 + part.map_or(0, |part| {
        9 + part.folder.len() + part.name.as_ref().map_or(0, Vec::len) + 16 + hashed_bytes(&part.synced)
    })
}

/// Writes bytes behind their number.
fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(bytes);
}

fn put_option(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    to.push(u8::from(bytes.is_some()));
    if let Some(bytes) = bytes {
        put(to, bytes);
    }
}

fn put_part(to: &mut Vec<u8>, part: Option<&PartRow>) {
    to.push(u8::from(part.is_some()));
    if let Some(part) = part {
        put(to, &part.folder);
        put_option(to, part.name.as_deref());
        to.extend_from_slice(&part.inode.to_be_bytes());
        to.extend_from_slice(&part.made_ns.to_be_bytes());
        put_hashed(to, &part.synced);
    }
}

fn put_hashed(to: &mut Vec<u8>, hashed: &Hashed) {
    to.extend_from_slice(&hashed.at.entry.to_be_bytes());
    to.extend_from_slice(&hashed.at.offset.to_be_bytes());
    put(to, hashed.blocks.as_flattened());
}

fn field<'a>(from: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = u32::from_be_bytes(from.array()?);
    from.bytes(usize::try_from(length).ok()?)
}

fn text(from: &mut Reader<'_>) -> Option<String> {
    String::from_utf8(field(from)?.to_vec()).ok()
}

#[expect(clippy::option_option, reason = "outside, whether the bytes are a value; inside, the value")]
fn optional<'a, T>(
    from: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match from.byte()? {
        0 => Some(None),
        1 => read(from).map(Some),
        _ => None,
    }
}

fn hashed(from: &mut Reader<'_>) -> Option<Hashed> {
    let at = Position { entry: u32::from_be_bytes(from.array()?), offset: from.number()? };
    let (blocks, rest) = field(from)?.as_chunks::<HASH_BYTES>();
    rest.is_empty().then(|| Hashed { at, blocks: blocks.to_vec() })
}

fn part(from: &mut Reader<'_>) -> Option<PartRow> {
    Some(PartRow {
        folder: field(from)?.to_vec(),
        name: optional(from, |from| field(from).map(<[u8]>::to_vec))?,
        inode: from.number()?,
        made_ns: from.number()?,
        synced: hashed(from)?,
    })
}
