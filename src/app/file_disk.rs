//! Disk side of file transfer: sources that are read and targets that are written, by the numbers
//! of their transfers.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::TryRng as _;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};

use super::os;
use crate::chat::{FileAnswer, FileRequest, OfferedSource, TargetError, TransferNumber};
use crate::delivery::{Hashed, PartRow, Room};
use crate::limits::{FILE_READ_BYTES, FILE_SYNC_BYTES, FILE_SYNC_MS, MANIFEST_PART_BYTES};
use crate::store::files::{
    Destination, EntryList, FileError, Part, PartIdentity, Reopened, Source, SourceIdentity, SourceLoan,
    SourceReader, Synced, remove_stale_parts,
};
use crate::text::shell;
use crate::time::UnixMs;
use crate::transfer::{BlockList, OutOfOrder, cost};
use crate::wire::{ManifestEntry, Offer, Position, TransferId, TransferRecord};

/// Sources and targets of one chat.
pub(crate) struct FileDisk {
    places: Places,
    sources: BTreeMap<TransferNumber, SentSource>,
    targets: BTreeMap<TransferNumber, Target>,
}

/// Where paths of a user lead.
pub(crate) enum Places {
    /// On this machine; received files go to this folder, if the settings name one.
    Machine { inbox: Option<PathBuf> },
    /// Below a folder that stands for every other: nothing is read or written outside of it.
    Below(PathBuf),
}

/// Source that is offered.
struct SentSource {
    source: Arc<Source>,
    id: TransferId,
    /// The reader, and the reading that it belongs to.
    reader: Option<(u32, Result<SourceReader, FileError>)>,
    /// What was hashed of it.
    hashed: Hashed,
    /// Bytes that were read since that was told.
    untold: u64,
}

/// File of a source that another process has opened, and what is known of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct LentSource {
    id: TransferId,
    loan: SourceLoan,
    hashed: Hashed,
}

/// Target that was accepted.
#[derive(Default)]
struct Target {
    entries: EntryList,
    part: Option<Part>,
    /// What is kept of it.
    row: Option<PartRow>,
    synced: Option<Instant>,
}

/// Target that is open, or was filed before.
enum OpenedTarget {
    /// It goes on at this place.
    At(Position, PartRow),
    Filed(PathBuf),
}

impl FileDisk {
    /// One of which paths lead elsewhere.
    pub(crate) fn at(places: Places) -> Self {
        Self { places, sources: BTreeMap::new(), targets: BTreeMap::new() }
    }

    /// Does what is asked; the answer, if it has one.
    pub(crate) fn perform(&mut self, request: FileRequest) -> Option<FileAnswer> {
        match request {
            FileRequest::Examine { number, face, peer, path, name } => {
                let source = self.examine(number, &path, name).map_err(|error| error.to_string());
                Some(FileAnswer::Examined { number, face, peer, path, source })
            }
            FileRequest::ReopenSource { number, id, path, identity, hashed } => {
                let source = Source::examine_again(&self.places.path(&path), SourceIdentity(identity));
                let reopened = source.map_err(|error| error.to_string()).map(|source| {
                    let source = SentSource { hashed, ..SentSource::new(source, id) };
                    self.sources.insert(number, source);
                });
                Some(FileAnswer::Reopened { number, reopened })
            }
            FileRequest::ReadManifest { number, first, parts } => {
                let parts = self.sources.get(&number).map(|source| source.manifest(first, parts))?;
                Some(FileAnswer::Manifest { number, parts: Ok(parts) })
            }
            FileRequest::OpenSource { number, reading, at } => {
                self.sources.get_mut(&number)?.open(reading, at);
                None
            }
            FileRequest::ReadSource { number, reading } => {
                let sent = self.sources.get_mut(&number)?;
                let read = sent.read(reading)?.map_err(|error| error.to_string());
                Some(FileAnswer::Read { number, reading, read, hashed: sent.tell_hashed() })
            }
            FileRequest::CloseSource { number } => {
                self.sources.remove(&number);
                None
            }
            FileRequest::KeepManifest { number, entries } => {
                self.targets.entry(number).or_default().entries.extend(entries);
                None
            }
            FileRequest::ListEntries { number, face } => {
                let source =
                    self.sources.get(&number).map(|sent| sent.source.manifest(0, MANIFEST_PART_BYTES));
                let target = || self.targets.get(&number).map(Target::page);
                Some(FileAnswer::Listed { number, face, entries: source.or_else(target).unwrap_or_default() })
            }
            FileRequest::OpenTarget { number, offer, place, room, part } => {
                Some(match self.open(number, &offer, place.as_deref(), room, part) {
                    Ok(OpenedTarget::At(at, part)) => FileAnswer::Opened { number, opened: Ok((at, part)) },
                    Ok(OpenedTarget::Filed(path)) => {
                        FileAnswer::Filed { number, filed: Ok(path.display().to_string()) }
                    }
                    Err(error) => {
                        self.targets.remove(&number);
                        FileAnswer::Opened { number, opened: Err(for_peer(&error)) }
                    }
                })
            }
            FileRequest::DropLeftover { id, place } => {
                // What is still in the way is told when the transfer goes on.
                let _ =
                    self.places.destination(place.as_deref()).map(|place| Part::drop_leftover(&place, id));
                None
            }
            FileRequest::Write { number, records } => {
                let cost = records.iter().map(cost).sum();
                let (written, synced) = self.targets.get_mut(&number)?.write(&records)?;
                let written = written.map_err(|error| for_peer(&error));
                Some(FileAnswer::Written { number, cost, written, synced })
            }
            FileRequest::File { number } => {
                let part = self.targets.remove(&number)?.part?;
                let filed =
                    part.finish().map(|path| path.display().to_string()).map_err(|error| for_peer(&error));
                Some(FileAnswer::Filed { number, filed })
            }
            FileRequest::CloseTarget { number } => {
                self.targets.remove(&number);
                None
            }
            FileRequest::Discard { number, id, part: kept } => {
                // What is left behind is removed at the next start.
                let discarded = match (self.targets.remove(&number).and_then(|target| target.part), kept) {
                    (Some(part), _) => part.discard(),
                    (None, Some(kept)) => Part::discard_closed(&place_of(&kept), id, identity_of(&kept)),
                    (None, None) => Ok(()),
                };
                discarded.ok().map(|()| FileAnswer::Discarded { number })
            }
        }
    }

    /// Does what is asked on a disk that is full: nothing more is written.
    pub(crate) fn perform_on_full(&mut self, request: FileRequest) -> Option<FileAnswer> {
        let full = |folder: &Path| for_peer(&FileError::Full { path: folder.to_owned() });
        match request {
            FileRequest::OpenTarget { number, place, .. } => {
                let place = self.places.destination(place.as_deref());
                let why = place.map_or_else(|error| for_peer(&error), |place| full(place.folder()));
                Some(FileAnswer::Opened { number, opened: Err(why) })
            }
            FileRequest::Write { number, records } => {
                let target = self.targets.get_mut(&number)?;
                let (synced, written) = (target.sync().ok()?, Err(full(target.part.as_ref()?.folder())));
                let cost = records.iter().map(cost).sum();
                Some(FileAnswer::Written { number, cost, written, synced })
            }
            request => self.perform(request),
        }
    }

    /// Opens the file of a source for another process to read, if it is one file.
    pub(crate) fn lend_source(&self, number: TransferNumber) -> Option<(LentSource, File)> {
        let SentSource { source, id, hashed, .. } = self.sources.get(&number)?;
        let (loan, file) = source.lend()?;
        Some((LentSource { id: *id, loan, hashed: hashed.clone() }, file))
    }

    /// Lends the part of a target for another process to write, if it is one file.
    pub(crate) fn lend_target(&self, number: TransferNumber) -> Option<File> {
        self.targets.get(&number)?.part.as_ref()?.lend()
    }

    /// Takes note that whoever has borrowed a target has written all of it.
    pub(crate) fn return_target(&mut self, number: TransferNumber) {
        if let Some(part) = self.targets.get_mut(&number).and_then(|target| target.part.as_mut()) {
            part.return_whole();
        }
    }

    /// Takes a source that was lent; what was hashed here of it before is kept.
    pub(crate) fn borrow_source(&mut self, number: TransferNumber, lent: LentSource, file: File) {
        let LentSource { id, loan, hashed } = lent;
        let source = Source::borrow(loan, file);
        match self.sources.get_mut(&number) {
            Some(sent) => sent.source = Arc::new(source),
            None => {
                self.sources.insert(number, SentSource { hashed, ..SentSource::new(source, id) });
            }
        }
    }

    /// Takes the part of a target that was lent.
    pub(crate) fn borrow_target(
        &mut self,
        number: TransferNumber,
        offer: &Offer,
        at: Position,
        row: &PartRow,
        file: File,
    ) {
        let (place, identity) = (place_of(row), identity_of(row));
        if let Ok(part) = Part::borrow(file, &place, offer, identity, at, &row.synced.blocks) {
            self.targets.entry(number).or_default().begin(part, row.clone());
        }
    }

    /// Closes a target that was lent and is written. What of it did not reach the disk is known
    /// here alone.
    pub(crate) fn give_back_target(&mut self, number: TransferNumber) -> Result<(), TargetError> {
        let Some(mut target) = self.targets.remove(&number) else { return Ok(()) };
        if !target.part.as_ref().is_some_and(Part::is_complete) {
            return Err(for_peer(&OutOfOrder.into()));
        }
        target.sync().map(drop).map_err(|error| for_peer(&error))
    }

    pub(crate) fn has_source(&self, number: TransferNumber) -> bool {
        self.sources.contains_key(&number)
    }

    pub(crate) fn has_target(&self, number: TransferNumber) -> bool {
        self.targets.contains_key(&number)
    }

    /// Sources and targets.
    pub(crate) fn count(&self) -> usize {
        self.sources.len() + self.targets.len()
    }

    fn examine(
        &mut self,
        number: TransferNumber,
        path: &str,
        name: Option<String>,
    ) -> Result<OfferedSource, FileError> {
        let source = Source::examine(&self.places.path(path))?;
        let mut id = [0; 16];
        SysRng.try_fill_bytes(&mut id).expect("no secure random numbers; stopping");
        let id = TransferId(id);
        let (mut offer, skipped, identity) = (source.offer(id), source.skipped(), source.identity().0);
        offer.name = name.map_or(offer.name, String::into_bytes);
        let path = self.places.path_again(path, source.path());
        self.sources.insert(number, SentSource::new(source, id));
        Ok(OfferedSource { offer, skipped: skipped.links + skipped.specials, path, identity })
    }

    fn open(
        &mut self,
        number: TransferNumber,
        offer: &Offer,
        place: Option<&str>,
        room: Room,
        kept: Option<PartRow>,
    ) -> Result<OpenedTarget, FileError> {
        let known: Vec<_> = self.targets.values().filter_map(|it| Some(it.part.as_ref()?.id())).collect();
        let target = self.targets.entry(number).or_default();
        if let (Some(part), Some(row)) = (&target.part, &target.row) {
            return Ok(OpenedTarget::At(part.position(), row.clone()));
        }
        let entries = std::mem::take(&mut target.entries);
        let named = place.map(|place| self.places.destination(Some(place))).transpose()?;
        let mut before = None;
        if let Some(row) = kept {
            let synced = Synced { at: row.synced.at, blocks: &row.synced.blocks };
            let (place, identity) = (place_of(&row), identity_of(&row));
            if named.as_ref().is_some_and(|named| *named != place) {
                // It begins again. What cannot be removed is found by its age.
                let _ = Part::discard_closed(&place, offer.id, identity);
            } else {
                match Part::reopen(&place, offer, entries.clone(), room, identity, synced)? {
                    Reopened::Part(part) => return Ok(target.begin(*part, row)),
                    Reopened::Filed(path) => return Ok(OpenedTarget::Filed(path)),
                    Reopened::Gone => before = Some(place),
                }
            }
        }
        let destination = named.or(before).map_or_else(|| self.places.inbox(), Ok)?;
        // A folder that cannot be listed is told of when it is written to.
        let _ = remove_stale_parts(destination.folder(), UnixMs(os::unix_ms()), &known);
        let part = Part::begin(&destination, offer, entries, room)?;
        let PartIdentity { inode, made_ns } = part.identity();
        let (folder, name) = (bytes_of(destination.folder().as_os_str()), destination.name().map(bytes_of));
        Ok(target.begin(part, PartRow { folder, name, inode, made_ns, synced: Hashed::default() }))
    }
}

impl Places {
    fn path(&self, named: &str) -> PathBuf {
        match self {
            Self::Machine { .. } => os::named_path(named),
            Self::Below(folder) => {
                let inside = shell::below_home(named).unwrap_or(named).trim_start_matches('/');
                folder.join(inside)
            }
        }
    }

    /// The path by which something is found again that a user has named so, and that is there.
    fn path_again(&self, named: &str, found: &Path) -> String {
        match self {
            Self::Machine { .. } => found.to_string_lossy().into_owned(),
            Self::Below(_) => named.to_owned(),
        }
    }

    fn destination(&self, place: Option<&str>) -> Result<Destination, FileError> {
        match place {
            Some(place) => Destination::of_path(&self.path(place)),
            None => self.inbox(),
        }
    }

    fn inbox(&self) -> Result<Destination, FileError> {
        match self {
            Self::Machine { inbox } => {
                Destination::of_settings(inbox.as_deref(), &|name| std::env::var_os(name))
            }
            Self::Below(folder) => Destination::of_settings(Some(&folder.join("inbox")), &|_| None),
        }
    }
}

impl SentSource {
    fn new(source: Source, id: TransferId) -> Self {
        Self { source: Arc::new(source), id, reader: None, hashed: Hashed::default(), untold: 0 }
    }

    /// Reads from a place on; blocks that were hashed are not hashed again.
    fn open(&mut self, reading: u32, at: Position) {
        self.note_hashed();
        let is_same = self.hashed.at.entry == at.entry;
        let known = BlockList::new(if is_same { self.hashed.blocks.clone() } else { Vec::new() });
        let reader = SourceReader::new(Arc::clone(&self.source), self.id, at, known.up_to(at.offset));
        self.reader = Some((reading, reader));
    }

    fn note_hashed(&mut self) {
        if let Some((_, Ok(reader))) = &self.reader {
            self.hashed = Hashed { at: reader.position(), blocks: reader.blocks().hashes().to_vec() };
        }
    }

    /// What was hashed, now and then.
    fn tell_hashed(&mut self) -> Option<Hashed> {
        (self.untold >= FILE_SYNC_BYTES).then(|| {
            self.untold = 0;
            self.note_hashed();
            self.hashed.clone()
        })
    }

    /// So many parts of the manifest, fewer at its end.
    fn manifest(&self, mut first: u32, parts: u32) -> Vec<TransferRecord> {
        let mut records = Vec::new();
        for _ in 0..parts {
            let entries: Vec<ManifestEntry> = self.source.manifest(first, MANIFEST_PART_BYTES);
            let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
            if count == 0 {
                break;
            }
            records.push(TransferRecord::Manifest { id: self.id, first, entries });
            first = first.saturating_add(count);
        }
        records
    }

    /// The next records of a reading; of an earlier one there is nothing to say any more.
    fn read(&mut self, reading: u32) -> Option<Result<Vec<TransferRecord>, FileError>> {
        let (_, reader) = self.reader.take_if(|(current, _)| *current == reading)?;
        match reader {
            Ok(mut reader) => {
                let read = reader.read(FILE_READ_BYTES);
                self.untold += FILE_READ_BYTES as u64;
                self.reader = Some((reading, Ok(reader)));
                Some(read)
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl Target {
    /// Its first entries, under the names that they get.
    fn page(&self) -> Vec<ManifestEntry> {
        self.part.as_ref().map_or(&self.entries, Part::entries).named_page(MANIFEST_PART_BYTES)
    }

    fn begin(&mut self, part: Part, row: PartRow) -> OpenedTarget {
        let at = part.position();
        (self.part, self.row, self.synced) = (Some(part), Some(row.clone()), Some(Instant::now()));
        OpenedTarget::At(at, row)
    }

    /// Writes records, and makes them durable now and then, and when no more can be written.
    /// Returns the first place that is not written, and what is durable if that is more than
    /// before.
    fn write(
        &mut self,
        records: &[TransferRecord],
    ) -> Option<(Result<Position, FileError>, Option<PartRow>)> {
        let part = self.part.as_mut()?;
        let written = part.write_all(records);
        let at = part.position();
        let is_old = self.synced.is_none_or(|at| at.elapsed() >= Duration::from_millis(FILE_SYNC_MS));
        if written.is_ok() && part.unsynced() < FILE_SYNC_BYTES && !is_old {
            return Some((Ok(at), None));
        }
        // Where more can be written, it does not wait for the disk.
        let synced = if written.is_ok() { part.sync_behind() } else { part.sync().map(Some) };
        Some(match synced {
            Ok(None) => (written.map(|()| at), None),
            Ok(Some(Synced { at: durable, blocks })) => {
                let row = self.row.as_mut()?;
                row.synced = Hashed { at: durable, blocks: blocks.to_vec() };
                self.synced = Some(Instant::now());
                (written.map(|()| at), Some(row.clone()))
            }
            Err(error) => (written.and(Err(error)), None),
        })
    }

    /// Makes durable what is written, and returns what is.
    fn sync(&mut self) -> Result<Option<PartRow>, FileError> {
        let (Some(part), Some(row)) = (&mut self.part, &mut self.row) else { return Ok(None) };
        let synced = part.sync()?;
        row.synced = Hashed { at: synced.at, blocks: synced.blocks.to_vec() };
        self.synced = Some(Instant::now());
        Ok(Some(row.clone()))
    }
}

fn place_of(row: &PartRow) -> Destination {
    let name = row.name.clone().map(OsString::from_vec);
    Destination::new(OsString::from_vec(row.folder.clone()).into(), name)
}

fn identity_of(row: &PartRow) -> PartIdentity {
    PartIdentity { inode: row.inode, made_ns: row.made_ns }
}

fn bytes_of(name: &OsStr) -> Vec<u8> {
    name.as_bytes().to_vec()
}

fn for_peer(error: &FileError) -> TargetError {
    TargetError { reason: error.cancel_reason(), why: error.to_string() }
}
