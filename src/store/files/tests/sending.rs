//! Sources that are offered: of every kind, and changed in every way before it is sent.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::limits::{FILE_CHUNK_BYTES, MANIFEST_DEPTH};
use crate::transfer::BLOCK_BYTES;

fn refused(path: &Path) -> String {
    Source::examine(path).unwrap_err().to_string()
}

#[test]
fn a_file_arrives_as_it_was() {
    let block = usize::try_from(BLOCK_BYTES).unwrap();
    for count in [0, 1, FILE_CHUNK_BYTES, FILE_CHUNK_BYTES + 1, block - 1, block, 2 * block + 77] {
        let outside = tempfile::tempdir().unwrap();
        let (from, to) = (outside.path().join("회의 '록'.bin"), outside.path().join("to"));
        fs::create_dir(&to).unwrap();
        fs::write(&from, bytes(count)).unwrap();
        assert_eq!(sent(&from, &to), to.join("회의 '록'.bin"));
        assert_eq!(content(&to), [("회의 '록'.bin".into(), Some(bytes(count)))].into());
    }
}

#[test]
fn a_folder_arrives_with_its_empty_folders_and_without_links_and_what_is_no_file() {
    let outside = tempfile::tempdir().unwrap();
    let (from, to) = (outside.path().join("from"), outside.path().join("to"));
    for folder in ["from/a/b", "from/empty/inner", "from/links", "to"] {
        fs::create_dir_all(outside.path().join(folder)).unwrap();
    }
    for file in ["z", "a.txt", "a/b/c", "a/x", "empty.txt"] {
        fs::write(from.join(file), format!("bytes of {file}")).unwrap();
    }
    fs::write(from.join("nothing"), "").unwrap();
    symlink("/etc/passwd", from.join("links/passwd")).unwrap();
    symlink("/etc", from.join("etc")).unwrap();
    mknodat(CWD, from.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let source = Source::examine(&from).unwrap();
    assert_eq!((source.skipped().links, source.skipped().specials), (2, 1));
    let offer = source.offer(ID);
    let paths: Vec<_> = source.manifest(0, usize::MAX).into_iter().map(|entry| entry.path).collect();
    let expected = ["a.txt", "a/b/c", "a/x", "empty.txt", "empty/inner", "links", "nothing", "z"];
    assert_eq!(paths, expected.map(|path| path.as_bytes().to_vec()));
    let total: usize = ["z", "a.txt", "a/b/c", "a/x", "empty.txt"].iter().map(|name| name.len() + 9).sum();
    assert_eq!((offer.kind, offer.entries, offer.total), (OfferKind::Folder, 8, total as u64));
    assert_eq!((offer.name.as_slice(), offer.modified_ms), (&b"from"[..], 0));
    assert_eq!(sent(&from, &to), to.join("from"));
    for name in ["links/passwd", "etc", "pipe"] {
        fs::remove_file(from.join(name)).unwrap();
    }
    assert_eq!(content(&to.join("from")), content(&from));
}

#[test]
fn an_empty_folder_arrives() {
    let outside = tempfile::tempdir().unwrap();
    let (from, to) = (outside.path().join("from"), outside.path().join("to"));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    assert_eq!(examined(&from).offer(ID).entries, 0);
    assert!(sent(&from, &to).is_dir());
    assert_eq!(names(&to), ["from"]);
}

#[test]
fn what_is_no_file_is_refused_with_the_way_that_there_is() {
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _listener = UnixListener::bind(at("socket")).unwrap();
    symlink("nowhere", at("broken")).unwrap();
    let stream = "not a file; for a stream there is rsachat pipe";
    let shown = |name: &str| at(name).display().to_string();
    assert_eq!(refused(&at("pipe")), format!("{} is a pipe, {stream}", shown("pipe")));
    assert_eq!(refused(&at("socket")), format!("{} is a socket, {stream}", shown("socket")));
    assert_eq!(refused(Path::new("/dev/null")), format!("/dev/null is a device, {stream}"));
    for name in ["none", "broken"] {
        let expected = format!("cannot read {}: no such file or directory; look at its name", shown(name));
        assert_eq!(refused(&at(name)), expected);
    }
    assert_eq!(refused(Path::new("/")), "/ has no name of its own; name a folder in it");
}

#[test]
fn a_link_that_the_user_names_is_followed_and_gives_its_own_name() {
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    fs::create_dir(at("real")).unwrap();
    fs::write(at("real/file"), "x").unwrap();
    symlink("real/file", at("latest.txt")).unwrap();
    symlink("real", at("current")).unwrap();
    let offer = |name: &str| examined(&at(name)).offer(ID);
    assert_eq!(
        (offer("latest.txt").kind, offer("latest.txt").name),
        (OfferKind::File, b"latest.txt".to_vec())
    );
    assert_eq!((offer("current/").kind, offer("current/").name), (OfferKind::Folder, b"current".to_vec()));
    assert_eq!(offer("real/.").name, b"real");
    assert_eq!(offer("real/../real/..").name, outside.path().file_name().unwrap().as_bytes());
    let reader = reader(&examined(&at("current")));
    assert_eq!(rest(&mut { reader }).unwrap().len(), 2);
}

#[test]
fn a_file_without_a_size_is_read_at_once_and_has_one() {
    let source = examined(Path::new("/proc/version"));
    let expected = fs::read("/proc/version").unwrap();
    assert_eq!(source.offer(ID).total, expected.len() as u64);
    let records = rest(&mut reader(&source)).unwrap();
    assert!(matches!(&records[0], TransferRecord::Chunk { bytes, .. } if *bytes == expected));
    // Its contents are made anew each time.
    let again = Source::examine_again(Path::new("/proc/version"), source.identity()).unwrap_err();
    assert_eq!(again.to_string(), "/proc/version changed since it was offered; offer it again");
    let endless = "has no size and does not end soon; for a stream there is rsachat pipe";
    assert_eq!(refused(Path::new("/proc/self/pagemap")), format!("/proc/self/pagemap {endless}"));
}

#[test]
fn paths_that_are_no_text_are_sent_as_their_bytes() {
    let outside = tempfile::tempdir().unwrap();
    let (from, to) = (outside.path().join("from"), outside.path().join("to"));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    fs::write(from.join(OsStr::from_bytes(b"bad\xff\xfe.txt")), "x").unwrap();
    assert_eq!(examined(&from).manifest(0, 0)[0].path, b"bad\xff\xfe.txt");
    assert_eq!(names(&sent(&from, &to)), ["bad__.txt"]);
}

/// Changes a file in one way, and says whether its bytes are still to be had.
type Change = fn(&Path);

#[test]
fn a_file_that_changes_before_it_is_sent_or_meanwhile_is_refused() {
    let grows: Change = |file| File::options().append(true).open(file).unwrap().write_all(b"x").unwrap();
    let shrinks: Change = |file| File::options().write(true).open(file).unwrap().set_len(90_000).unwrap();
    let is_edited: Change = |file| {
        let file = File::options().write(true).open(file).unwrap();
        file.write_all_at(b"other", 0).unwrap();
        let times = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        file.set_times(times).unwrap();
    };
    let vanishes: Change = |file| fs::remove_file(file).unwrap();
    let is_replaced: Change = |file| {
        let other = file.with_extension("new");
        fs::write(&other, bytes(100_000)).unwrap();
        let times = fs::FileTimes::new().set_modified(file.metadata().unwrap().modified().unwrap());
        File::options().write(true).open(&other).unwrap().set_times(times).unwrap();
        fs::rename(other, file).unwrap();
    };
    let is_a_folder: Change = |file| fs::remove_file(file).and_then(|()| fs::create_dir(file)).unwrap();
    let is_a_pipe: Change = |file| {
        fs::remove_file(file).unwrap();
        mknodat(CWD, file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    };
    for (number, change) in
        [grows, shrinks, is_edited, vanishes, is_replaced, is_a_folder, is_a_pipe].into_iter().enumerate()
    {
        for is_in_folder in [false, true] {
            let outside = tempfile::tempdir().unwrap();
            let folder = outside.path().join("folder");
            fs::create_dir(&folder).unwrap();
            let file = folder.join("movie.mkv");
            fs::write(&file, bytes(100_000)).unwrap();
            let offered = if is_in_folder { &folder } else { &file };
            let source = examined(offered);
            let (mut early, mut late) = (reader(&source), reader(&source));
            late.read(1).unwrap();
            change(&file);
            let expected = format!("{} changed since it was offered; offer it again", file.display());
            assert_eq!(rest(&mut early).unwrap_err().to_string(), expected, "{number}");
            let late = rest(&mut late);
            if number < 3 {
                assert_eq!(late.unwrap_err().to_string(), expected, "{number}");
            } else {
                // An open file is the one that was offered, whatever has its name.
                assert_eq!(late.unwrap().len(), 4, "{number}");
            }
            let again = Source::examine_again(offered, source.identity());
            assert!(again.is_err(), "{number}");
        }
    }
}

#[test]
fn a_folder_that_becomes_a_link_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    fs::create_dir_all(at("folder/inner")).unwrap();
    fs::create_dir(at("secret")).unwrap();
    fs::write(at("folder/inner/key"), "mine").unwrap();
    let source = examined(&at("folder"));
    // The very same file, by another way.
    fs::rename(at("folder/inner/key"), at("secret/key")).unwrap();
    fs::remove_dir(at("folder/inner")).unwrap();
    symlink("../secret", at("folder/inner")).unwrap();
    let error = rest(&mut reader(&source)).unwrap_err();
    assert!(matches!(error, FileError::SourceChanged { .. }), "{error}");
}

#[test]
fn what_was_offered_is_known_again() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("folder");
    fs::create_dir_all(folder.join("a/b")).unwrap();
    fs::write(folder.join("a/file"), "x").unwrap();
    let identity = examined(&folder).identity();
    assert_eq!(Source::examine_again(&folder, identity).unwrap().identity(), identity);
    fs::rename(folder.join("a/b"), folder.join("a/c")).unwrap();
    assert!(matches!(Source::examine_again(&folder, identity), Err(FileError::SourceChanged { .. })));
    fs::remove_dir_all(&folder).unwrap();
    assert!(matches!(Source::examine_again(&folder, identity), Err(FileError::SourceChanged { .. })));
}

#[test]
fn a_folder_has_bounds() {
    let outside = tempfile::tempdir().unwrap();
    let names = vec!["d"; MANIFEST_DEPTH + 1];
    fs::create_dir_all(outside.path().join(names.join("/"))).unwrap();
    let words = refused(&outside.path().join("d"));
    assert!(Source::examine(&outside.path().join("d/d")).is_ok(), "{words}");
    let too_deep = refused(outside.path());
    assert!(
        too_deep.ends_with("is too deep in its folder (64 names at most); send it by itself"),
        "{too_deep}"
    );
}

#[test]
fn a_hundred_thousand_entries_take_less_than_three_mebibytes() {
    let entry = |number: u32| {
        let path = format!("photos/2026-{:02}/IMG_{number:07}.jpeg", number % 12).into_bytes();
        ManifestEntry { kind: OfferKind::File, size: number.into(), modified_ms: 0, path }
    };
    let list: EntryList = (0..100_000).map(entry).collect();
    assert!(list.memory() < 3 << 20, "{} bytes", list.memory());
    let entry_99999 = list.get(99_999).unwrap();
    assert_eq!((entry_99999.stamp.size, &*entry_99999.path), (99_999, entry(99_999).path.as_slice()));
    assert_eq!((list.len(), list.get(100_000)), (100_000, None));
}

#[test]
fn a_read_of_small_files_gives_few_records() {
    let outside = tempfile::tempdir().unwrap();
    for number in 0..200 {
        fs::write(outside.path().join(number.to_string()), "x").unwrap();
    }
    let mut reader =
        SourceReader::new(examined(outside.path()), ID, Position::START, BlockList::default()).unwrap();
    assert_eq!(reader.read(FILE_READ_BYTES).unwrap().len(), FILE_READ_BYTES / 1024);
    assert_eq!(rest(&mut reader).unwrap().len(), 400 - FILE_READ_BYTES / 1024);
}

#[test]
fn nothing_is_read_from_a_place_that_is_not_there() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), "abc").unwrap();
    let source = examined(&outside.path().join("file"));
    let from = |entry, offset| {
        SourceReader::new(Arc::clone(&source), ID, Position { entry, offset }, BlockList::default())
    };
    for (entry, offset) in [(0, 4), (1, 1), (2, 0), (u32::MAX, u64::MAX)] {
        assert!(matches!(from(entry, offset), Err(FileError::OutOfOrder(_))), "{entry} {offset}");
    }
    assert_eq!(rest(&mut from(0, 3).unwrap()).unwrap().len(), 1);
    assert_eq!(rest(&mut from(1, 0).unwrap()).unwrap(), []);
}

#[test]
fn holes_are_sent_as_holes_and_arrive_as_holes() {
    const SIZE: u64 = 64 << 30;
    let outside = tempfile::tempdir().unwrap();
    let (from, to) = (outside.path().join("disk.img"), outside.path().join("to"));
    fs::create_dir(&to).unwrap();
    let file = File::create(&from).unwrap();
    file.set_len(SIZE).unwrap();
    for at in [1 << 20, SIZE / 2, SIZE - (1 << 20)] {
        file.write_all_at(&bytes(4_096), at).unwrap();
    }
    let source = examined(&from);
    let records = rest(&mut reader(&source)).unwrap();
    assert!(records.len() < 30, "{} records", records.len());
    let mut part = Part::begin(&into(&to), &source.offer(ID), EntryList::default(), Room::Ignore).unwrap();
    for record in &records {
        part.write(record).unwrap();
    }
    let arrived = File::open(part.finish().unwrap()).unwrap();
    let metadata = arrived.metadata().unwrap();
    assert_eq!(metadata.len(), SIZE);
    assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
    let mut found = vec![0; 4_096];
    arrived.read_exact_at(&mut found, SIZE / 2).unwrap();
    assert_eq!(found, bytes(4_096));
    assert_eq!(rest(&mut reader(&examined(&to.join("disk.img")))).unwrap(), records);
}
