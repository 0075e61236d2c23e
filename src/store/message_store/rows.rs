//! Values of a store as bytes (`docs/STORE.md`): big-endian, padded, and without a gap.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::delivery::{Chain, Content, Epoch, Inbound, InboxRow, Outbound, OutboxRow};
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
    let end = bytes.iter().rposition(|byte| *byte != 0)?;
    let (value, padding) = bytes.split_at_checked(end)?;
    let mut reader = Reader(value);
    let value = V::read(&mut reader)?;
    (padding.first() == Some(&PAD) && reader.0.is_empty()).then_some(value)
}

/// What is left of the bytes of a value.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
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
const KEPT: u8 = 2;

impl Value for OutboxRow {
    fn bytes(&self) -> usize {
        let text = match &self.content {
            Content::Text(text) => text.len(),
            Content::Skip | Content::Kept => 0,
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
            Content::Kept => to.push(KEPT),
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
            KEPT => Content::Kept,
            _ => return None,
        };
        Some(Self { typed, content, chain, expires })
    }
}

impl Value for InboxRow {
    fn bytes(&self) -> usize {
        8 + self.text.len()
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.typed.0.to_be_bytes());
        to.extend_from_slice(&self.text);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { typed: UnixMs(from.number()?), text: Arc::from(from.rest()) })
    }
}
