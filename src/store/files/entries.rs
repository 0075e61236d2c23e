//! Entries of an offer in memory: close together, since a folder may have a million.

use std::fmt;

use crate::wire::{ManifestEntry, OfferKind};

/// Bytes of an entry before its path: kind, size, moment of change, inode.
const HEAD_BYTES: usize = 1 + 8 + 8 + 8;
const FILE: u8 = 0;
const FOLDER: u8 = 1;

/// Files and empty folders of an offer, in the order of their numbers.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct EntryList {
    /// One behind the other.
    bytes: Vec<u8>,
    /// Where each begins; together they take less than four times
    /// [`crate::limits::MANIFEST_BYTES`].
    starts: Vec<u32>,
}

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry<'a> {
    pub(super) kind: OfferKind,
    pub(super) stamp: Stamp,
    /// Components with `/` between them.
    pub(super) path: &'a [u8],
}

/// State of a file, which is another one when the file has changed. Devices have no lasting
/// numbers, so theirs is no part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

impl EntryList {
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.starts.len()).unwrap_or(u32::MAX)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Bytes that it takes in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes.capacity() + self.starts.capacity() * size_of::<u32>()
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        self.starts.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        self.bytes.push(match entry.kind {
            OfferKind::File => FILE,
            OfferKind::Folder => FOLDER,
        });
        self.bytes.extend_from_slice(&entry.stamp.size.to_be_bytes());
        self.bytes.extend_from_slice(&entry.stamp.modified_ns.to_be_bytes());
        self.bytes.extend_from_slice(&entry.stamp.inode.to_be_bytes());
        self.bytes.extend_from_slice(entry.path);
    }

    pub(super) fn get(&self, number: u32) -> Option<Entry<'_>> {
        let number = usize::try_from(number).ok()?;
        let start = usize::try_from(*self.starts.get(number)?).ok()?;
        let end = match self.starts.get(number + 1) {
            Some(end) => usize::try_from(*end).ok()?,
            None => self.bytes.len(),
        };
        let (head, path) = self.bytes.get(start..end)?.split_at_checked(HEAD_BYTES)?;
        let (kind, head) = head.split_first()?;
        let [size, modified, inode] = head.as_chunks::<8>().0 else { return None };
        let stamp = Stamp {
            size: u64::from_be_bytes(*size),
            modified_ns: i64::from_be_bytes(*modified),
            inode: u64::from_be_bytes(*inode),
        };
        let kind = if *kind == FOLDER { OfferKind::Folder } else { OfferKind::File };
        Some(Entry { kind, stamp, path })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).filter_map(|number| self.get(number))
    }

    /// Entries from one on: as many as take so many bytes in a manifest, and at least one.
    #[must_use]
    pub fn page(&self, first: u32, bytes: usize) -> Vec<ManifestEntry> {
        let mut left = bytes;
        let mut page = Vec::new();
        for entry in (first..self.len()).filter_map(|number| self.get(number)) {
            let (size, modified_ms) = (entry.stamp.size, entry.stamp.modified_ms());
            let entry = ManifestEntry { kind: entry.kind, size, modified_ms, path: entry.path.to_vec() };
            match left.checked_sub(entry.encoded_bytes()) {
                Some(rest) => left = rest,
                None if page.is_empty() => left = 0,
                None => break,
            }
            page.push(entry);
        }
        page
    }

    /// The bytes of all of them, for a hash.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let entries = self.starts.windows(2).map(|pair| match pair {
            [start, end] => (*start as usize, *end as usize),
            _ => (0, 0),
        });
        let last = self.starts.last().map(|start| (*start as usize, self.bytes.len()));
        entries.chain(last).filter_map(|(start, end)| self.bytes.get(start..end))
    }
}

impl Extend<ManifestEntry> for EntryList {
    fn extend<I: IntoIterator<Item = ManifestEntry>>(&mut self, entries: I) {
        for ManifestEntry { kind, size, path, .. } in entries {
            self.push(&Entry { kind, stamp: Stamp { size, modified_ns: 0, inode: 0 }, path: &path });
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
