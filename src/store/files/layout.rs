//! Layout of a folder that is received: the path that each entry gets in it, made of names that
//! are safe, and no two alike.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use super::entries::{Entry, EntryList};
use crate::limits::MANIFEST_ENTRIES;
use crate::transfer::{FileName, OutOfOrder, RelativePath};
use crate::wire::{ManifestEntry, OfferKind};

/// Entries with their paths, all of which were checked.
#[derive(Debug)]
pub(super) struct Layout {
    entries: EntryList,
    /// Numbers of those whose name is taken by another.
    numbers: BTreeMap<u32, u32>,
    /// For sets of paths that take little memory; its keys are secret, so that a peer cannot choose
    /// paths that fall together.
    state: RandomState,
}

impl Layout {
    /// The layout of a manifest.
    pub(super) fn new(entries: EntryList) -> Result<Self, OutOfOrder> {
        let mut layout = Self { entries, numbers: BTreeMap::new(), state: RandomState::new() };
        layout.numbers = layout.numbered()?;
        Ok(layout)
    }

    /// Numbers for files whose path is that of another file, or of a folder.
    fn numbered(&self) -> Result<BTreeMap<u32, u32>, OutOfOrder> {
        let (mut folders, mut is_folder_alone) = (HashSet::new(), true);
        let (mut before, mut is_ordered) = (String::new(), true);
        for entry in self.entries.iter() {
            let path = RelativePath::of_peer(&entry.path).ok_or(OutOfOrder)?;
            let place = format!("{path}{}", if entry.kind == OfferKind::Folder { "/" } else { "" });
            is_ordered &= before < place;
            before = place;
            let depth = path.components().len() - usize::from(entry.kind == OfferKind::File);
            is_folder_alone &= depth == 0;
            for depth in 1..=depth {
                folders.insert(self.key(path.components().iter().take(depth)));
            }
        }
        let is_folder = |entry: &Entry<'_>| {
            let path = RelativePath::of_peer(&entry.path).filter(|_| entry.kind == OfferKind::File);
            path.is_some_and(|path| folders.contains(&self.key(path.components())))
        };
        // In the order of a walk no path comes twice, and the paths need not be remembered.
        if is_ordered && (is_folder_alone || !self.entries.iter().any(|entry| is_folder(&entry))) {
            return Ok(BTreeMap::new());
        }
        let mut numbers = BTreeMap::new();
        // The last number of each path.
        let mut taken: HashMap<u64, u32> = HashMap::new();
        let mut tries = 0;
        for (number, entry) in (0..).zip(self.entries.iter()).filter(|(_, it)| it.kind == OfferKind::File) {
            let path = RelativePath::of_peer(&entry.path).ok_or(OutOfOrder)?;
            let key = self.key(path.components());
            let last = taken.get(&key).copied();
            if last.is_none() && (is_folder_alone || !folders.contains(&key)) {
                taken.insert(key, 1);
                continue;
            }
            let mut next = last.unwrap_or(1) + 1;
            let free = loop {
                let candidate = self.key(&numbered(&path, next));
                if !taken.contains_key(&candidate) && !folders.contains(&candidate) {
                    break candidate;
                }
                next += 1;
                tries += 1;
                if tries > MANIFEST_ENTRIES {
                    return Err(OutOfOrder);
                }
            };
            taken.insert(key, next);
            taken.insert(free, 1);
            numbers.insert(number, next);
        }
        Ok(numbers)
    }

    pub(super) fn entries(&self) -> &EntryList {
        &self.entries
    }

    pub(super) fn len(&self) -> u32 {
        self.entries.len()
    }

    pub(super) fn entry(&self, number: u32) -> Option<Entry<'static>> {
        self.entries.get(number)
    }

    /// Names of the folders that an entry is in, and its own, which is the last.
    pub(super) fn path(&self, number: u32) -> Option<Vec<FileName>> {
        let path = RelativePath::of_peer(&self.entries.get(number)?.path)?;
        Some(
            self.numbers
                .get(&number)
                .map_or_else(|| path.components().to_vec(), |next| numbered(&path, *next)),
        )
    }

    /// The same path always has the same key in one layout.
    pub(super) fn key<'a>(&self, path: impl IntoIterator<Item = &'a FileName>) -> u64 {
        self.key_of(path.into_iter().map(|name| name.as_str().as_bytes()))
    }

    pub(super) fn key_of<'a>(&self, path: impl IntoIterator<Item = &'a [u8]>) -> u64 {
        let mut bytes = Vec::new();
        for name in path {
            bytes.push(b'/');
            bytes.extend_from_slice(name);
        }
        self.state.hash_one(&bytes)
    }
}

impl EntryList {
    /// The first entries under the names that they get: as many as take so many bytes in a
    /// manifest.
    #[must_use]
    pub fn named_page(&self, bytes: usize) -> Vec<ManifestEntry> {
        let mut page = self.page(0, bytes);
        if let Ok(layout) = Layout::new(self.clone()) {
            for (number, entry) in (0..).zip(&mut page) {
                let names = layout.path(number).unwrap_or_default();
                let names: Vec<_> = names.iter().map(FileName::as_str).collect();
                entry.path = names.join("/").into_bytes();
            }
        }
        page
    }
}

fn numbered(path: &RelativePath, number: u32) -> Vec<FileName> {
    let mut names = path.components().to_vec();
    if let Some(name) = names.last_mut() {
        *name = name.numbered(number);
    }
    names
}
