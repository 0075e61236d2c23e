//! Values of a store as bytes (`docs/STORE.md`): big-endian, padded, and without a gap.

use std::sync::Arc;

use zeroize::Zeroizing;

#[cfg(any(test, feature = "fuzzing"))]
use crate::delivery::{BundleKeys, LetterState, TransferRow};
use crate::delivery::{
    Chain, Content, Direction, Epoch, Exposure, HistoryRow, Inbound, InboxRow, Outbound, OutboxRow,
};
use crate::time::UnixMs;

/// Bytes to a multiple of which a value is padded before it is sealed.
const STEP_BYTES: usize = 256;
/// First byte of the padding (ISO/IEC 7816-4); all others are zero.
const PAD: u8 = 0x80;

/// A value that is kept sealed.
pub(super) trait Value: Sized {
    /// Bytes that it takes, at least.
    fn bytes(&self) -> usize;
    fn write(&self, to: &mut Vec<u8>);
    /// The value that is all that `from` has.
    fn read(from: &mut Reader<'_>) -> Option<Self>;
}

/// The bytes of a value, padded.
pub(super) fn write(value: &impl Value) -> Zeroizing<Vec<u8>> {
    // Of full capacity from the start: growing would leave copies of a text behind.
    let mut bytes =
        Zeroizing::new(Vec::with_capacity(value.bytes().next_multiple_of(STEP_BYTES) + STEP_BYTES));
    value.write(&mut bytes);
    bytes.push(PAD);
    let padded = bytes.len().next_multiple_of(STEP_BYTES);
    bytes.resize(padded, 0);
    bytes
}

/// The value of such bytes; `None` if they are none.
pub(super) fn read<V: Value>(bytes: &[u8]) -> Option<V> {
    let mut reader = Reader(without_padding(bytes)?);
    let value = V::read(&mut reader)?;
    reader.0.is_empty().then_some(value)
}

fn without_padding(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().rposition(|byte| *byte != 0)?;
    let (value, padding) = bytes.split_at_checked(end)?;
    (padding.first() == Some(&PAD)).then_some(value)
}

/// Reads bytes as each kind of value, and writes what they are: for a fuzz target.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_and_write_any(data: &[u8]) {
    fn check<V: Value + PartialEq + std::fmt::Debug>(value: &[u8]) {
        let mut padded = [value, &[PAD]].concat();
        padded.resize(padded.len().next_multiple_of(STEP_BYTES), 0);
        let _ = self::read::<V>(value);
        if let Some(read) = self::read::<V>(&padded) {
            assert!(read.bytes() >= value.len(), "{read:?} grows as it is written");
            assert_eq!(*write(&read), padded, "{read:?}");
        }
    }
    let Some((kind, value)) = data.split_first() else { return };
    match kind % 11 {
        0 => check::<Outbound>(value),
        1 => check::<Inbound>(value),
        2 => check::<OutboxRow>(value),
        3 => check::<InboxRow>(value),
        4 => check::<Vec<UnixMs>>(value),
        5 => check::<()>(value),
        6 => check::<HistoryRow>(value),
        7 => check::<TransferRow>(value),
        9 => check::<LetterState>(value),
        10 => check::<BundleKeys>(value),
        _ => check::<Vec<HistoryRow>>(value),
    }
}

/// What is left of the bytes of a value.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

impl Value for Outbound {
    fn bytes(&self) -> usize {
        64
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.epoch.0);
        for number in [self.next, self.sent, self.kept, self.received] {
            to.extend_from_slice(&number.to_be_bytes());
        }
        to.extend_from_slice(&self.chain.0);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            epoch: Epoch(from.array()?),
            next: from.number()?,
            sent: from.number()?,
            kept: from.number()?,
            received: from.number()?,
            chain: Chain(from.array()?),
        })
    }
}

impl Value for Inbound {
    fn bytes(&self) -> usize {
        48
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.epoch.0);
        to.extend_from_slice(&self.last.to_be_bytes());
        to.extend_from_slice(&self.chain.0);
        to.extend_from_slice(&self.shown.to_be_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            epoch: Epoch(from.array()?),
            last: from.number()?,
            chain: Chain(from.array()?),
            shown: from.number()?,
        })
    }
}

/// Kinds of the content of a row of the outbox.
const TEXT: u8 = 0;
const SKIP: u8 = 1;

impl Value for OutboxRow {
    fn bytes(&self) -> usize {
        let text = match &self.content {
            Content::Text(text) => text.len(),
            Content::Skip => 0,
        };
        34 + text
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.typed.0.to_be_bytes());
        to.extend_from_slice(&self.chain.0);
        to.push(u8::from(self.expires.is_some()));
        to.extend(self.expires.iter().flat_map(|moment| moment.0.to_be_bytes()));
        match &self.content {
            Content::Text(text) => {
                to.push(TEXT);
                to.extend_from_slice(text.as_bytes());
            }
            Content::Skip => to.push(SKIP),
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let typed = UnixMs(from.number()?);
        let chain = Chain(from.array()?);
        let expires = match from.byte()? {
            0 => None,
            1 => Some(UnixMs(from.number()?)),
            _ => return None,
        };
        let content = match from.byte()? {
            TEXT => Content::Text(str::from_utf8(from.rest()).ok()?.into()),
            SKIP => Content::Skip,
            _ => return None,
        };
        Some(Self { typed, content, chain, expires })
    }
}

/// Who may have had a message of the inbox. The first is also what stands in rows from before the
/// last was there.
const EXPOSURE_TAKEN: u8 = 0;
const EXPOSURE_NONE: u8 = 1;
const EXPOSURE_SHOWN: u8 = 2;

impl Value for InboxRow {
    fn bytes(&self) -> usize {
        9 + self.text.len()
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.typed.0.to_be_bytes());
        to.push(match self.exposure {
            Exposure::Taken => EXPOSURE_TAKEN,
            Exposure::None => EXPOSURE_NONE,
            Exposure::Shown => EXPOSURE_SHOWN,
        });
        to.extend_from_slice(&self.text);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let typed = UnixMs(from.number()?);
        let exposure = match from.byte()? {
            EXPOSURE_TAKEN => Exposure::Taken,
            EXPOSURE_NONE => Exposure::None,
            EXPOSURE_SHOWN => Exposure::Shown,
            _ => return None,
        };
        Some(Self { typed, text: Arc::from(from.rest()), exposure })
    }
}

impl Value for Vec<UnixMs> {
    fn bytes(&self) -> usize {
        8 * self.len()
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.iter().flat_map(|moment| moment.0.to_be_bytes()));
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let mut moments = Self::new();
        while !from.0.is_empty() {
            moments.push(UnixMs(from.number()?));
        }
        Some(moments)
    }
}

/// Nothing: that the row is there is its meaning.
impl Value for () {
    fn bytes(&self) -> usize {
        0
    }

    fn write(&self, _: &mut Vec<u8>) {}

    fn read(_: &mut Reader<'_>) -> Option<Self> {
        Some(())
    }
}

const SENT: u8 = 0;
const RECEIVED: u8 = 1;
const TAKEN_BACK: u8 = 2;

impl Value for HistoryRow {
    fn bytes(&self) -> usize {
        10 + self.name.len() + self.text.len()
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.at.0.to_be_bytes());
        to.push(match self.direction {
            Direction::Sent => SENT,
            Direction::Received => RECEIVED,
            Direction::TakenBack => TAKEN_BACK,
        });
        // Names have at most 32 characters.
        let name = self.name.as_bytes().get(..usize::from(u8::MAX)).unwrap_or(self.name.as_bytes());
        to.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        to.extend_from_slice(name);
        to.extend_from_slice(&self.text);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let head = HistoryHead::read(from)?;
        let HistoryHead { at, direction, name } = head;
        Some(Self { at, direction, name: str::from_utf8(name).ok()?.into(), text: from.rest().into() })
    }
}

/// What stands before the text of a row of the history.
struct HistoryHead<'a> {
    at: UnixMs,
    direction: Direction,
    name: &'a [u8],
}

impl<'a> HistoryHead<'a> {
    fn read(from: &mut Reader<'a>) -> Option<Self> {
        let at = UnixMs(from.number()?);
        let direction = match from.byte()? {
            SENT => Direction::Sent,
            RECEIVED => Direction::Received,
            TAKEN_BACK => Direction::TakenBack,
            _ => return None,
        };
        let length = usize::from(from.byte()?);
        Some(Self { at, direction, name: from.bytes(length)? })
    }
}

/// Block of the history: messages of one peer that follow each other, as one value.
impl Value for Vec<HistoryRow> {
    fn bytes(&self) -> usize {
        self.iter().map(|row| 4 + row.bytes()).sum()
    }

    fn write(&self, to: &mut Vec<u8>) {
        for row in self {
            let length_at = to.len();
            to.extend_from_slice(&[0; 4]);
            row.write(to);
            let length = u32::try_from(to.len() - length_at - 4).unwrap_or(u32::MAX);
            if let Some(place) = to.get_mut(length_at..length_at + 4) {
                place.copy_from_slice(&length.to_be_bytes());
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let block = from.rest();
        block_rows(block).map(|row| history_row(row?)).collect()
    }
}

/// Rows of a block as they stand in it; `None` where it is none.
fn block_rows(block: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut reader = Reader(block);
    std::iter::from_fn(move || {
        if reader.0.is_empty() {
            return None;
        }
        let length = reader.array().map(u32::from_be_bytes).and_then(|length| usize::try_from(length).ok());
        let row = length.and_then(|length| reader.bytes(length));
        if row.is_none() {
            reader.0 = &[];
        }
        Some(row)
    })
}

fn history_row(row: &[u8]) -> Option<HistoryRow> {
    HistoryRow::read(&mut Reader(row))
}

/// Rows of a padded block, or the one of a padded row, whose texts are wanted, with their place in
/// it.
pub(super) fn rows_with(
    padded: &[u8],
    form: Form,
    wanted: impl Fn(&[u8]) -> bool,
    mut each: impl FnMut(u64, HistoryRow),
) -> Option<()> {
    let value = without_padding(padded)?;
    let mut look = |place: u64, row| {
        let mut reader = Reader(row);
        HistoryHead::read(&mut reader)?;
        if wanted(reader.rest()) {
            each(place, history_row(row)?);
        }
        Some(())
    };
    match form {
        Form::Row => look(0, value),
        Form::Block => (0..).zip(block_rows(value)).try_for_each(|(place, row)| look(place, row?)),
    }
}

/// Whether a value is one message or a block of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Row,
    Block,
}
