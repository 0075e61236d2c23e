//! Real files and folders, sent and received.

mod receiving;
mod resuming;
mod sending;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Destination, EntryList, FileError, Part, Reopened, Source, SourceReader, Synced};
use crate::delivery::Room;
use crate::limits::FILE_READ_BYTES;
use crate::transfer::{BlockList, ManifestProgress};
use crate::wire::{ManifestEntry, Offer, OfferKind, Position, TransferId, TransferRecord};

const ID: TransferId = TransferId([0xab; 16]);
const PART: &str = ".rsachat-abababababababab.part";

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

fn examined(path: &Path) -> Arc<Source> {
    Arc::new(Source::examine(path).unwrap())
}

/// The whole manifest, as it arrives in its parts.
fn manifest(source: &Source) -> EntryList {
    let (offer, mut progress, mut list) =
        (source.offer(ID), ManifestProgress::default(), EntryList::default());
    while offer.kind == OfferKind::Folder && !progress.is_complete(&offer) {
        let page = source.manifest(progress.next(), 1_000);
        progress.take(&offer, progress.next(), &page).unwrap();
        list.extend(page);
    }
    list
}

fn reader(source: &Arc<Source>) -> SourceReader {
    SourceReader::new(Arc::clone(source), ID, Position::START, BlockList::default()).unwrap()
}

/// Everything that is left to read.
fn rest(reader: &mut SourceReader) -> Result<Vec<TransferRecord>, FileError> {
    let mut records = Vec::new();
    loop {
        let more = reader.read(FILE_READ_BYTES)?;
        if more.is_empty() && reader.unhashed() == 0 {
            return Ok(records);
        }
        records.extend(more);
    }
}

fn into(folder: &Path) -> Destination {
    Destination::new(folder.to_owned(), None)
}

fn begun(source: &Source, folder: &Path) -> Part {
    Part::begin(&into(folder), &source.offer(ID), manifest(source), Room::Reserve).unwrap()
}

/// Sends what is at a path into a folder.
fn sent(path: &Path, folder: &Path) -> PathBuf {
    let source = examined(path);
    let mut part = begun(&source, folder);
    part.write_all(&rest(&mut reader(&source)).unwrap()).unwrap();
    part.finish().unwrap()
}

/// An offer of one file of some bytes, and the records of them.
fn offered(name: &[u8], content: &[u8]) -> (Offer, Vec<TransferRecord>) {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), content).unwrap();
    let source = examined(&outside.path().join("file"));
    let records = rest(&mut reader(&source)).unwrap();
    (Offer { name: name.to_vec(), ..source.offer(ID) }, records)
}

/// An offer of a folder with these entries, each file with its path in it, and their records.
fn offered_folder(paths: &[&[u8]]) -> (Offer, Vec<ManifestEntry>, Vec<TransferRecord>) {
    let (mut entries, mut records) = (Vec::new(), Vec::new());
    for (number, path) in (0..).zip(paths) {
        let kind = if path.ends_with(b"/") { OfferKind::Folder } else { OfferKind::File };
        let content: &[u8] = if kind == OfferKind::File { path } else { b"" };
        let path = path.strip_suffix(b"/").unwrap_or(path).to_vec();
        entries.push(ManifestEntry { kind, size: content.len() as u64, modified_ms: 0, path });
        records.extend(offered(b"x", content).1.into_iter().map(|record| numbered(record, number)));
    }
    let total = entries.iter().map(|entry| entry.size).sum();
    let (id, kind, count) = (ID, OfferKind::Folder, u32::try_from(entries.len()).unwrap());
    let offer = Offer { id, kind, entries: count, total, modified_ms: 0, name: b"folder".to_vec() };
    (offer, entries, records)
}

/// The record as one of another entry.
fn numbered(record: TransferRecord, entry: u32) -> TransferRecord {
    match record {
        TransferRecord::Chunk { id, at, bytes } => {
            TransferRecord::Chunk { id, at: Position { entry, ..at }, bytes }
        }
        TransferRecord::EndOfFile { id, size, root, .. } => {
            TransferRecord::EndOfFile { id, entry, size, root }
        }
        other => other,
    }
}

/// Receives what is offered into a folder.
fn received(
    folder: &Path,
    offer: &Offer,
    entries: Vec<ManifestEntry>,
    records: &[TransferRecord],
) -> Result<PathBuf, FileError> {
    let mut part = Part::begin(&into(folder), offer, entries.into_iter().collect(), Room::Reserve)?;
    part.write_all(records)?;
    part.finish()
}

/// What is in a folder, by its path there: the bytes of a file, `None` for a folder.
fn content(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_owned();
            let is_folder = path.symlink_metadata().unwrap().is_dir();
            found.insert(name, (!is_folder).then(|| fs::read(&path).unwrap()));
            folders.extend(is_folder.then_some(path));
        }
    }
    found
}

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}
