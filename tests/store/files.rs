//! Received files and folders: killed at every system call that gives them their names, and on a
//! full disk.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use libtest_mimic::Failed;
use rsachat::delivery::Room;
use rsachat::limits::FILE_READ_BYTES;
use rsachat::store::files::{
    Destination, EntryList, FileError, Part, PartIdentity, Reopened, Source, SourceReader, Synced,
};
use rsachat::transfer::BlockList;
use rsachat::wire::{OfferKind, Position, TransferId, TransferRecord};

use super::{start, this_program};

/// First arguments of this program as a process that a test starts, before the folder.
pub(crate) const RECEIVER: &str = "--receiver";
pub(crate) const FULL: &str = "--full-receiver";

const ID: TransferId = TransferId([7; 16]);
const PART: &str = ".rsachat-0707070707070707.part";
/// Calls of the system at which a receiver is killed. `strace` does so before the call is made.
const CALLS: [&str; 6] = ["fchmod", "fdatasync", "fsync", "syncfs", "renameat2", "linkat"];

fn manifest(source: &Source) -> EntryList {
    match source.offer(ID).kind {
        OfferKind::File => EntryList::default(),
        OfferKind::Folder => source.manifest(0, usize::MAX).into_iter().collect(),
    }
}

fn records(source: &Arc<Source>) -> Vec<TransferRecord> {
    let mut reader =
        SourceReader::new(Arc::clone(source), ID, Position::START, BlockList::default()).unwrap();
    let mut records = Vec::new();
    loop {
        match reader.read(FILE_READ_BYTES).unwrap() {
            more if more.is_empty() => return records,
            more => records.extend(more),
        }
    }
}

fn inbox(outside: &Path) -> Destination {
    Destination::new(outside.join("to"), None)
}

fn begin(source: &Source, outside: &Path, room: Room) -> Result<Part, FileError> {
    Part::begin(&inbox(outside), &source.offer(ID), manifest(source), room)
}

/// Receives all of `from` into `to`, says by what it is known again once that is on disk, and files
/// it.
pub(crate) fn receiver(outside: &Path) -> ExitCode {
    let source = Arc::new(Source::examine(&outside.join("from")).unwrap());
    let mut part = begin(&source, outside, Room::Reserve).unwrap();
    for record in &records(&source) {
        part.write(record).unwrap();
    }
    part.sync().unwrap();
    let PartIdentity { inode, made_ns } = part.identity();
    let mut output = std::io::stdout().lock();
    writeln!(output, "{inode} {made_ns}").and_then(|()| output.flush()).unwrap();
    part.finish().unwrap();
    ExitCode::SUCCESS
}

/// Goes on where a receiver was killed, as its program does when it is started again.
fn go_on(outside: &Path, identity: PartIdentity, what: &str) {
    let source = Source::examine(&outside.join("from")).unwrap();
    let offer = source.offer(ID);
    let synced = Synced { at: Position { entry: offer.entries, offset: 0 }, blocks: &[] };
    let place = inbox(outside);
    match Part::reopen(&place, &offer, manifest(&source), Room::Reserve, identity, synced) {
        Ok(Reopened::Part(part)) => drop(part.finish().unwrap()),
        Ok(Reopened::Filed(_)) => {}
        other => panic!("{what}: {other:?}"),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn is_same(one: &Path, other: &Path) -> bool {
    if !one.is_dir() {
        return other.is_file() && fs::read(one).unwrap() == fs::read(other).unwrap();
    }
    names(one) == names(other) && names(one).iter().all(|name| is_same(&one.join(name), &other.join(name)))
}

pub(crate) fn named() -> Result<(), Failed> {
    let mut kills = 0;
    // Also where the file system cannot refuse to replace, and the kernel cannot refuse links.
    let older = ["-e", "inject=renameat2:error=EINVAL", "-e", "inject=openat2:error=ENOSYS"];
    let kernels: [&[&str]; 2] = [&[], &older];
    let kinds = [OfferKind::File, OfferKind::Folder];
    for (kind, kernel) in kinds.into_iter().flat_map(|kind| kernels.map(|kernel| (kind, kernel))) {
        for call in CALLS {
            for number in 1.. {
                let outside = tempfile::tempdir()?;
                let (from, to) = (outside.path().join("from"), outside.path().join("to"));
                fs::create_dir(&to)?;
                match kind {
                    OfferKind::File => fs::write(&from, vec![1; 70_000])?,
                    OfferKind::Folder => {
                        fs::create_dir_all(from.join("a/empty"))?;
                        fs::write(from.join("a/file"), vec![2; 40_000])?;
                    }
                }
                // What was there before is there afterwards.
                fs::create_dir(to.join("from"))?;
                let mut command = Command::new("strace");
                command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=all"]).args(kernel);
                command.arg("-e").arg(format!("inject={call}:signal=KILL:when={number}"));
                let mut child = start(command.arg(this_program()).arg(RECEIVER).arg(outside.path()));
                let said = BufReader::new(child.stdout.take().unwrap()).lines().next();
                let ended = child.wait()?.success();
                let said = said.transpose()?;
                let what = format!("{kind:?} {kernel:?} {call} {number}");
                let identity = said.as_deref().and_then(|said| {
                    let (inode, made_ns) = said.split_once(' ')?;
                    Some(PartIdentity { inode: inode.parse().ok()?, made_ns: made_ns.parse().ok()? })
                });
                match identity {
                    Some(identity) => {
                        if !ended {
                            go_on(outside.path(), identity, &what);
                        }
                        assert_eq!(names(&to), ["from", "from (2)"], "{what}");
                        assert!(is_same(&from, &to.join("from (2)")), "{what}");
                    }
                    None => assert!(
                        !ended && names(&to).iter().all(|name| name == "from" || name == PART),
                        "{what}"
                    ),
                }
                assert_eq!(names(&to.join("from")), [""; 0], "{what}");
                if ended {
                    break;
                }
                kills += 1;
            }
        }
    }
    assert!(kills > 16, "{kills} kills");
    Ok(())
}

pub(crate) fn filled(small_disk: fn(&Path) -> Command) -> Result<(), Failed> {
    let outside = tempfile::tempdir()?;
    let ran = small_disk(outside.path())
        .arg(this_program())
        .arg(FULL)
        .arg(outside.path())
        .stdin(Stdio::null())
        .output()?;
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}

/// Receives 60,000 bytes on a disk of 96 KiB, which something else fills.
pub(crate) fn full(outside: &Path) -> ExitCode {
    let elsewhere = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    full_at_every_page(outside, elsewhere.path());
    let from = elsewhere.path().join("from");
    fs::write(&from, vec![3; 60_000]).unwrap();
    let (to, filler) = (outside.join("to"), outside.join("filler"));
    fs::create_dir(&to).unwrap();
    let source = Arc::new(Source::examine(&from).unwrap());
    let records = records(&source);

    // Its room is taken at once: others find the disk full, and it does not.
    let mut part = begin(&source, outside, Room::Reserve).unwrap();
    assert!(fs::write(&filler, vec![0; 60_000]).is_err());
    for record in &records {
        part.write(record).unwrap();
    }
    fs::remove_file(part.finish().unwrap()).unwrap();

    fs::write(&filler, vec![0; 60_000]).unwrap();
    let refused = begin(&source, outside, Room::Reserve).unwrap_err();
    assert!(matches!(refused, FileError::NoRoom { needed: 60_000, free, .. } if free < 60_000), "{refused}");
    assert_eq!(names(&to), [""; 0]);

    // Filled in the middle, and gone on with once there is room.
    let mut part = begin(&source, outside, Room::Ignore).unwrap();
    part.write(&records[0]).unwrap();
    let at = part.position();
    let blocks = Vec::new();
    let refused = part.write(&records[1]).unwrap_err();
    let words = format!("no room is left in {}; make room and accept it again", to.display());
    assert_eq!(refused.to_string(), words);
    assert_eq!(part.position(), at);
    let (identity, synced) = (part.identity(), Synced { at, blocks: &blocks });
    let place = inbox(outside);
    let reopen = |room| Part::reopen(&place, &source.offer(ID), EntryList::default(), room, identity, synced);
    assert!(matches!(reopen(Room::Reserve), Err(FileError::NoRoom { needed: 28_000, .. })));
    let Ok(Reopened::Part(mut part)) = reopen(Room::Ignore) else { panic!("it is there") };
    assert!(matches!(part.write(&records[1]), Err(FileError::Full { .. })));
    fs::remove_file(&filler).unwrap();
    for record in &records[1..] {
        part.write(record).unwrap();
    }
    assert_eq!(fs::read(part.finish().unwrap()).unwrap(), vec![3; 60_000]);
    ExitCode::SUCCESS
}

/// Receives a file and a folder of twelve pages while so many of them are free, and the rest later.
fn full_at_every_page(outside: &Path, elsewhere: &Path) {
    const PAGE: usize = 4_096;
    let (to, filler) = (outside.join("to"), outside.join("filler"));
    for kind in [OfferKind::File, OfferKind::Folder] {
        let from = elsewhere.join(format!("{kind:?}"));
        match kind {
            OfferKind::File => fs::write(&from, vec![4; 12 * PAGE]).unwrap(),
            OfferKind::Folder => {
                fs::create_dir_all(from.join("inner")).unwrap();
                for number in 0..6 {
                    fs::write(from.join(format!("inner/{number}")), vec![number; 2 * PAGE]).unwrap();
                }
            }
        }
        let source = Arc::new(Source::examine(&from).unwrap());
        // Pieces of less than a page.
        let records: Vec<_> = records(&source).iter().flat_map(|record| pieces(record, 1_000)).collect();
        let mut refusals = 0;
        for free in 0..12 {
            fs::create_dir(&to).unwrap();
            let mut part = begin(&source, outside, Room::Ignore).unwrap();
            let stat = rustix::fs::statvfs(outside).unwrap();
            let left = usize::try_from(stat.f_bavail * stat.f_frsize).unwrap();
            fs::write(&filler, vec![0; left - free * PAGE]).unwrap();
            let mut records = records.iter();
            let mut refused = None;
            for record in records.by_ref() {
                if let Err(error) = part.write(record) {
                    assert!(matches!(error, FileError::Full { .. }), "{kind:?} {free}: {error}");
                    refused = Some(record);
                    break;
                }
            }
            refusals += usize::from(refused.is_some());
            assert_eq!(names(&to), [PART], "{kind:?} {free}");
            fs::remove_file(&filler).unwrap();
            for record in refused.into_iter().chain(records) {
                part.write(record).unwrap();
            }
            let path = part.finish().unwrap();
            assert!(is_same(&from, &path), "{kind:?} {free}");
            assert_eq!(names(&to).len(), 1);
            fs::remove_dir_all(&to).unwrap();
        }
        assert!(refusals >= 11, "{kind:?}: {refusals} refusals");
    }
}

/// A record in pieces of so many bytes.
fn pieces(record: &TransferRecord, length: usize) -> Vec<TransferRecord> {
    let TransferRecord::Chunk { id, at, bytes } = record else { return vec![record.clone()] };
    let piece = |(number, bytes): (usize, &[u8])| TransferRecord::Chunk {
        id: *id,
        at: Position { offset: at.offset + (number * length) as u64, ..*at },
        bytes: bytes.to_vec(),
    };
    bytes.chunks(length).enumerate().map(piece).collect()
}
