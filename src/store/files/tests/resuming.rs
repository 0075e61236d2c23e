//! Transfers that are cut or killed at any byte, and go on.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, symlink};

use super::super::PartIdentity;
use super::*;
use crate::transfer::BLOCK_BYTES;

/// Numbers that look random, the same in every run (splitmix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What the stores of both sides have of a transfer.
#[derive(Clone)]
struct Kept {
    identity: PartIdentity,
    at: Position,
    blocks: Vec<[u8; 32]>,
    sender_blocks: Vec<[u8; 32]>,
}

impl Kept {
    fn reopened(&self, source: &Source, folder: &Path) -> Result<Reopened, FileError> {
        let synced = Synced { at: self.at, blocks: &self.blocks };
        let offer = source.offer(ID);
        Part::reopen(&into(folder), &offer, manifest(source), Room::Reserve, self.identity, synced)
    }

    /// Goes on at both sides.
    fn both(&self, source: &Arc<Source>, folder: &Path) -> (SourceReader, Part) {
        let known = BlockList::new(self.sender_blocks.clone());
        let reader = SourceReader::new(Arc::clone(source), ID, self.at, known).unwrap();
        match self.reopened(source, folder).unwrap() {
            Reopened::Part(part) => (reader, *part),
            other => panic!("{other:?}"),
        }
    }
}

/// Sends with cuts: each a kill of both sides some records after the last synchronisation, or at
/// once. Returns how many there were.
fn sent_with_cuts(from: &Path, to: &Path, seeded: &mut Seeded) -> u32 {
    let source = examined(from);
    let (mut reader, mut part, mut cuts) = (reader(&source), begun(&source, to), 0);
    let mut kept = Kept {
        identity: part.identity(),
        at: Position::START,
        blocks: Vec::new(),
        sender_blocks: Vec::new(),
    };
    while !part.is_complete() {
        for _ in 0..=seeded.below(60) {
            for record in reader.read(1).unwrap() {
                part.write(&record).unwrap();
            }
        }
        assert_eq!(reader.position(), part.position());
        if seeded.below(2) == 0 {
            let sender_blocks = reader.blocks().hashes().to_vec();
            let written = part.position();
            let synced = match seeded.below(2) {
                0 => Some(part.sync().unwrap()),
                _ => part.sync_behind().unwrap(),
            };
            let Some(synced) = synced else { continue };
            assert!(synced.at <= written && synced.at >= kept.at);
            kept = Kept { at: synced.at, blocks: synced.blocks.to_vec(), sender_blocks, ..kept };
        } else {
            if seeded.below(8) == 0 {
                kept.blocks.clear();
                kept.sender_blocks.clear();
            }
            drop(part);
            (reader, part) = kept.both(&source, to);
            cuts += 1;
        }
    }
    let identity = part.identity();
    let path = part.finish().unwrap();
    let kept = Kept { identity, ..kept };
    // Killed before it was noted that it is filed.
    assert!(matches!(kept.reopened(&source, to).unwrap(), Reopened::Filed(filed) if filed == path));
    cuts
}

#[test]
fn a_file_that_is_cut_anywhere_arrives_as_it_was() {
    let outside = tempfile::tempdir().unwrap();
    let (from, to) = (outside.path().join("file"), outside.path().join("to"));
    fs::create_dir(&to).unwrap();
    let file = File::create(&from).unwrap();
    let length = 2 * BLOCK_BYTES + 123_456;
    file.set_len(length).unwrap();
    file.write_all_at(&bytes(3_000_000), 0).unwrap();
    file.write_all_at(&bytes(3_000_000), length - 4_000_000).unwrap();
    let (mut seeded, mut cuts) = (Seeded(1), 0);
    while cuts < 200 {
        cuts += sent_with_cuts(&from, &to, &mut seeded);
        assert!(fs::read(to.join("file")).unwrap() == fs::read(&from).unwrap());
        fs::remove_file(to.join("file")).unwrap();
        assert_eq!(names(&to), [""; 0]);
    }
}

#[test]
fn a_folder_that_is_cut_anywhere_arrives_as_it_was() {
    let outside = tempfile::tempdir().unwrap();
    let (from, to) = (outside.path().join("from"), outside.path().join("to"));
    fs::create_dir_all(from.join("a/empty")).unwrap();
    fs::create_dir_all(from.join("z/empty")).unwrap();
    fs::create_dir(&to).unwrap();
    for number in 0..150 {
        let folder = from.join(format!("a/{}", number % 7));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{number}")), bytes(number * 997 % 50_000)).unwrap();
    }
    let (mut seeded, mut cuts) = (Seeded(2), 0);
    while cuts < 60 {
        cuts += sent_with_cuts(&from, &to, &mut seeded);
        assert!(content(&to.join("from")) == content(&from));
        fs::remove_dir_all(to.join("from")).unwrap();
    }
}

/// A transfer of a file of 100,000 bytes, of which the first 64,000 are kept.
fn half(outside: &Path) -> (Arc<Source>, PathBuf, Kept) {
    let (from, to) = (outside.join("file"), outside.join("to"));
    fs::create_dir(&to).unwrap();
    fs::write(&from, bytes(100_000)).unwrap();
    let source = examined(&from);
    let mut part = begun(&source, &to);
    let records = rest(&mut reader(&source)).unwrap();
    for record in &records[..2] {
        part.write(record).unwrap();
    }
    let at = part.sync().unwrap().at;
    part.write(&records[2]).unwrap();
    let kept = Kept { identity: part.identity(), at, blocks: Vec::new(), sender_blocks: Vec::new() };
    (source, to, kept)
}

#[test]
fn what_nobody_knows_of_a_beginning_is_hashed_piece_by_piece() {
    let outside = tempfile::tempdir().unwrap();
    let (source, to, kept) = half(outside.path());
    let (mut reader, mut part) = kept.both(&source, &to);
    assert_eq!((reader.unhashed(), part.hash_beginning(0).unwrap()), (64_000, 64_000));
    assert_eq!(reader.read(1).unwrap(), []);
    assert_eq!(reader.unhashed(), 0);
    assert_eq!(part.hash_beginning(1).unwrap(), 0);
    for record in &rest(&mut reader).unwrap() {
        part.write(record).unwrap();
    }
    assert_eq!(fs::read(part.finish().unwrap()).unwrap(), bytes(100_000));
}

#[test]
fn a_part_that_is_not_as_it_was_left_is_not_gone_on_with() {
    type Change = fn(&Path, &Path);
    let changes: [Change; 6] = [
        |part, _| File::options().write(true).open(part).unwrap().set_len(63_999).unwrap(),
        |part, mine| fs::rename(mine, part).unwrap(),
        |part, mine| fs::remove_file(part).and_then(|()| symlink(mine, part)).unwrap(),
        |part, mine| fs::remove_file(part).and_then(|()| fs::hard_link(mine, part)).unwrap(),
        |part, mine| fs::hard_link(part, mine.with_extension("copy")).unwrap(),
        |part, _| fs::remove_file(part).and_then(|()| fs::create_dir(part)).unwrap(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let outside = tempfile::tempdir().unwrap();
        let (source, to, kept) = half(outside.path());
        let mine = outside.path().join("mine");
        fs::write(&mine, bytes(100_000)).unwrap();
        change(&to.join(PART), &mine);
        let refused = kept.reopened(&source, &to).unwrap_err();
        assert!(matches!(refused, FileError::InTheWay { .. }), "{number}: {refused}");
        assert!(!mine.exists() || fs::read(&mine).unwrap() == bytes(100_000), "{number}");
    }
    let outside = tempfile::tempdir().unwrap();
    let (source, to, kept) = half(outside.path());
    fs::remove_file(to.join(PART)).unwrap();
    assert!(matches!(kept.reopened(&source, &to).unwrap(), Reopened::Gone));
}

#[test]
fn a_file_that_has_both_names_is_filed() {
    let outside = tempfile::tempdir().unwrap();
    let (source, to, kept) = half(outside.path());
    let (mut reader, mut part) = kept.both(&source, &to);
    for record in &rest(&mut reader).unwrap() {
        part.write(record).unwrap();
    }
    part.sync().unwrap();
    drop(part);
    fs::write(to.join("file"), "mine").unwrap();
    fs::hard_link(to.join(PART), to.join("file (2)")).unwrap();
    let filed = kept.reopened(&source, &to).unwrap();
    assert!(matches!(filed, Reopened::Filed(path) if path == to.join("file (2)")));
    assert_eq!(names(&to), ["file", "file (2)"]);
}

#[test]
fn what_was_not_synchronised_of_a_folder_is_dropped_and_what_was_must_be_there() {
    let outside = tempfile::tempdir().unwrap();
    let (from, to) = (outside.path().join("from"), outside.path().join("to"));
    fs::create_dir_all(from.join("a")).unwrap();
    fs::create_dir(&to).unwrap();
    for name in ["a/1", "a/2", "a/3", "b"] {
        fs::write(from.join(name), name).unwrap();
    }
    let source = examined(&from);
    let records = rest(&mut reader(&source)).unwrap();
    let mut part = begun(&source, &to);
    for record in &records[..4] {
        part.write(record).unwrap();
    }
    let at = part.sync().unwrap().at;
    for record in &records[4..] {
        part.write(record).unwrap();
    }
    let kept = Kept { identity: part.identity(), at, blocks: Vec::new(), sender_blocks: Vec::new() };
    drop(part);
    let root = to.join(PART);
    fs::write(root.join("a/planted"), "x").unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    let (mut reader, mut part) = kept.both(&source, &to);
    assert_eq!(names(&root), ["a"]);
    assert_eq!(names(&root.join("a")), ["1", "2"]);
    for record in &rest(&mut reader).unwrap() {
        part.write(record).unwrap();
    }
    part.sync().unwrap();
    drop(part);
    fs::write(root.join("a/2"), "longer").unwrap();
    assert!(matches!(kept.reopened(&source, &to), Err(FileError::InTheWay { .. })));
}
