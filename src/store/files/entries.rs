//! Entries of an offer in memory: each as what differs from the one before it (front coding), since
//! a folder may have a million.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::wire::{ManifestEntry, OfferKind};

/// Entries of a block; the first of them is coded without the one before it.
const BLOCK_ENTRIES: u32 = 64;
const FILE: u8 = 0;
const FOLDER: u8 = 1;

/// Files and empty folders of an offer, in the order of their numbers.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct EntryList {
    /// Whole blocks, which copies of the list share.
    blocks: Vec<Arc<[u8]>>,
    /// The block that is not whole.
    open: Vec<u8>,
    len: u32,
    /// Stamp and path of the last entry of that block.
    last: (Stamp, Vec<u8>),
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry<'a> {
    pub(super) kind: OfferKind,
    pub(super) stamp: Stamp,
    /// Components with `/` between them.
    pub(super) path: Cow<'a, [u8]>,
}

/// State of a file, which is another one when the file has changed. Devices have no lasting
/// numbers, so theirs is no part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) modified_ns: i64,
    pub(super) inode: u64,
}

impl Stamp {
    /// Milliseconds since 1970; 0 for what is older.
    pub(super) fn modified_ms(self) -> u64 {
        u64::try_from(self.modified_ns / 1_000_000).unwrap_or(0)
    }
}

impl Entry<'_> {
    /// Kind, size, moment of change, inode and path, for a hash.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let kind = match self.kind {
            OfferKind::File => FILE,
            OfferKind::Folder => FOLDER,
        };
        let Stamp { size, modified_ns, inode } = self.stamp;
        [&[kind][..], &size.to_be_bytes(), &modified_ns.to_be_bytes(), &inode.to_be_bytes(), &self.path]
            .concat()
    }
}

impl EntryList {
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that it takes in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(|block| block.len()).sum();
        blocks + self.blocks.capacity() * size_of::<Arc<[u8]>>() + self.open.capacity()
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        let (last, path) = &mut self.last;
        let shared = path.iter().zip(&*entry.path).take_while(|(one, other)| one == other).count();
        let suffix = entry.path.get(shared..).unwrap_or_default();
        let kind = u64::from(entry.kind == OfferKind::Folder);
        put_number(&mut self.open, (shared as u64) << 1 | kind);
        put_number(&mut self.open, suffix.len() as u64);
        put_number(&mut self.open, entry.stamp.size);
        put_number(&mut self.open, zigzag(entry.stamp.modified_ns.wrapping_sub(last.modified_ns)));
        put_number(&mut self.open, zigzag(entry.stamp.inode.wrapping_sub(last.inode).cast_signed()));
        self.open.extend_from_slice(suffix);
        path.truncate(shared);
        path.extend_from_slice(suffix);
        *last = entry.stamp;
        self.len = self.len.saturating_add(1);
        if self.len.is_multiple_of(BLOCK_ENTRIES) {
            self.blocks.push(self.open.as_slice().into());
            self.open.clear();
            self.last = Default::default();
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<Entry<'static>> {
        self.entries_from(number).next()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'static>> {
        self.entries_from(0)
    }

    /// Entries from one on.
    fn entries_from(&self, number: u32) -> Entries<'_> {
        let block = (number / BLOCK_ENTRIES) as usize;
        let mut entries = Entries { list: self, block, rest: self.block(block), last: Default::default() };
        for _ in 0..number % BLOCK_ENTRIES {
            entries.advance();
        }
        entries
    }

    fn block(&self, number: usize) -> &[u8] {
        match self.blocks.get(number) {
            Some(block) => block,
            None if number == self.blocks.len() => &self.open,
            None => &[],
        }
    }

    /// Entries from one on: as many as take so many bytes in a manifest, and at least one.
    #[must_use]
    pub fn page(&self, first: u32, bytes: usize) -> Vec<ManifestEntry> {
        let mut left = bytes;
        let mut page = Vec::new();
        for Entry { kind, stamp, path } in self.entries_from(first) {
            let (size, modified_ms) = (stamp.size, stamp.modified_ms());
            let entry = ManifestEntry { kind, size, modified_ms, path: path.into_owned() };
            match left.checked_sub(entry.encoded_bytes()) {
                Some(rest) => left = rest,
                None if page.is_empty() => left = 0,
                None => break,
            }
            page.push(entry);
        }
        page
    }
}

/// Reader of a list.
struct Entries<'a> {
    list: &'a EntryList,
    /// Number of the block that is read.
    block: usize,
    /// What of it was not read.
    rest: &'a [u8],
    /// Stamp and path of the entry before.
    last: (Stamp, Vec<u8>),
}

impl Entries<'_> {
    /// Reads the next entry, and returns its kind.
    fn advance(&mut self) -> Option<OfferKind> {
        if self.rest.is_empty() {
            self.block += 1;
            self.rest = self.list.block(self.block);
            self.last = Default::default();
        }
        let [head, length, size, modified, inode] = [(); 5].map(|()| take_number(&mut self.rest));
        let (suffix, rest) = self.rest.split_at_checked(usize::try_from(length?).ok()?)?;
        self.rest = rest;
        let (last, path) = &mut self.last;
        *last = Stamp {
            size: size?,
            modified_ns: last.modified_ns.wrapping_add(unzigzag(modified?)),
            inode: last.inode.wrapping_add_signed(unzigzag(inode?)),
        };
        path.truncate(usize::try_from(head? >> 1).ok()?);
        path.extend_from_slice(suffix);
        Some(if head? & 1 == 1 { OfferKind::Folder } else { OfferKind::File })
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry<'static>;

    fn next(&mut self) -> Option<Self::Item> {
        let kind = self.advance()?;
        let (stamp, path) = &self.last;
        Some(Entry { kind, stamp: *stamp, path: Cow::Owned(path.clone()) })
    }
}

/// Writes a number in seven bits a byte (LEB128).
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A number of which small ones of either sign are small.
fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

impl Extend<ManifestEntry> for EntryList {
    fn extend<I: IntoIterator<Item = ManifestEntry>>(&mut self, entries: I) {
        for ManifestEntry { kind, size, path, .. } in entries {
            self.push(&Entry { kind, stamp: Stamp { size, ..Stamp::default() }, path: path.into() });
        }
    }
}

impl FromIterator<ManifestEntry> for EntryList {
    fn from_iter<I: IntoIterator<Item = ManifestEntry>>(entries: I) -> Self {
        let mut list = Self::default();
        list.extend(entries);
        list
    }
}

impl fmt::Debug for EntryList {
    /// Without the entries, which may be a million.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryList").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    fn any_entry() -> impl Strategy<Value = Entry<'static>> {
        let number = || prop_oneof![any::<u64>(), 0..200_u64, u64::MAX - 3..=u64::MAX];
        let path = prop_oneof![vec(b'a'..=b'c', 0..6), vec(any::<u8>(), 0..300)];
        (any::<bool>(), number(), number(), number(), path).prop_map(
            |(is_file, size, modified, inode, path)| {
                let kind = if is_file { OfferKind::File } else { OfferKind::Folder };
                Entry {
                    kind,
                    stamp: Stamp { size, modified_ns: modified.cast_signed(), inode },
                    path: path.into(),
                }
            },
        )
    }

    proptest! {
        #[test]
        fn entries_are_found_as_they_were_put_in(entries in vec(any_entry(), 0..200)) {
            let mut list = EntryList::default();
            for entry in &entries {
                list.push(entry);
            }
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), &*entries);
            for number in [0, 1, 63, 64, 65, 127, 128, 199, 200, u32::MAX] {
                prop_assert_eq!(list.get(number), entries.get(number as usize).cloned(), "{}", number);
            }
        }
    }
}
