//! Parts of what a peer offers, with every wrong name in it and every wrong thing in its place.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::super::leftovers::remove_stale_parts;
use super::super::naming::rename_by_links;
use super::*;
use crate::limits::FILE_PART_KEPT_MS;
use crate::time::UnixMs;

fn fails(result: Result<impl std::fmt::Debug, FileError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_peer_names_a_file_and_no_place() {
    let long = "가".repeat(85);
    let decomposed = "\u{1112}\u{116c}\u{110b}\u{1174}.txt";
    for (offered_name, expected) in [
        ("/etc/passwd", "passwd"),
        ("../../.ssh/authorized_keys", "authorized_keys"),
        ("..", "_.."),
        (".bashrc", "_.bashrc"),
        ("a\u{1b}]0;x\u{7}\nb", "a_]0;x__b"),
        ("photo\u{202e}gpj.exe", "photo_gpj.exe"),
        ("it's \"a\" `b` $c *.txt", "it's \"a\" `b` $c *.txt"),
        ("회의록 최종.hwp", "회의록 최종.hwp"),
        (decomposed, "회의.txt"),
        (&long, &long),
    ] {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("in/box");
        fs::create_dir_all(&folder).unwrap();
        let (offer, records) = offered(offered_name.as_bytes(), b"abc");
        assert_eq!(received(&folder, &offer, Vec::new(), &records).unwrap(), folder.join(expected));
        let file = Path::new("in/box").join(expected);
        let expected = [("in".into(), None), ("in/box".into(), None), (file, Some(b"abc".to_vec()))];
        assert_eq!(content(outside.path()), expected.into());
    }
}

#[test]
fn no_path_in_a_folder_leads_out_of_it() {
    for path in ["../x", "/etc/passwd", "a/../../x", "a//x", "./x", ".."] {
        let outside = tempfile::tempdir().unwrap();
        let (offer, entries, records) = offered_folder(&[b"good", path.as_bytes()]);
        let error = received(outside.path(), &offer, entries, &records).unwrap_err();
        assert!(matches!(error, FileError::OutOfOrder(_)), "{path}: {error}");
        assert_eq!(names(outside.path()), [""; 0], "{path}");
    }
}

#[test]
fn files_that_get_the_same_path_are_numbered() {
    let outside = tempfile::tempdir().unwrap();
    let paths: [&[u8]; 12] = [
        b"a/x.txt",
        b"a/x.txt",
        b"a/x (2).txt",
        b"e\x1bvil",
        b"e\x07vil",
        b"evil/",
        b"evil",
        b"dir",
        b"dir/y",
        b"d\xffr/z",
        b"d\xfer/z",
        "\u{1112}\u{116c}.md".as_bytes(),
    ];
    let all = [&paths[..], &["회.md".as_bytes(), b".ssh/authorized_keys"]].concat();
    let (offer, entries, records) = offered_folder(&all);
    let folder = received(outside.path(), &offer, entries, &records).unwrap();
    let found = content(&folder);
    for (name, path) in [
        ("a/x.txt", all[0]),
        ("a/x (2).txt", all[1]),
        ("a/x (2) (2).txt", all[2]),
        ("e_vil", all[3]),
        ("e_vil (2)", all[4]),
        ("evil (2)", all[6]),
        ("dir (2)", all[7]),
        ("dir/y", all[8]),
        ("d_r/z", all[9]),
        ("d_r/z (2)", all[10]),
        ("회.md", all[11]),
        ("회 (2).md", all[12]),
        ("_.ssh/authorized_keys", all[13]),
    ] {
        assert_eq!(found.get(Path::new(name)), Some(&Some(path.to_vec())), "{name}");
    }
    assert_eq!(found.values().filter(|content| content.is_some()).count(), 13);
    assert_eq!(found.values().filter(|content| content.is_none()).count(), 5);
}

#[test]
fn paths_in_the_order_of_a_walk_are_numbered_where_they_become_the_same() {
    for (paths, expected) in [
        (["a", "a!", "a/b"], ["a (2)", "a!", "a/b"]),
        (["a\x07", "a\x1b", "b"], ["a_", "a_ (2)", "b"]),
        (["a\x07", "a\x1b/b", "b"], ["a_ (2)", "a_/b", "b"]),
        (["a", "b", "c"], ["a", "b", "c"]),
    ] {
        let (_, entries, _) = offered_folder(&paths.map(str::as_bytes));
        let named = entries.into_iter().collect::<EntryList>().named_page(1_000);
        assert_eq!(named.iter().map(|entry| &*entry.path).collect::<Vec<_>>(), expected.map(str::as_bytes));
    }
}

#[test]
fn a_folder_full_of_one_name_is_received_in_time() {
    let entry = || ManifestEntry { kind: OfferKind::File, size: 0, modified_ms: 0, path: b"a".to_vec() };
    let layout = super::super::layout::Layout::new((0..50_000).map(|_| entry()).collect()).unwrap();
    assert_eq!(layout.path(49_999).unwrap()[0].as_str(), "a (50000)");
}

#[test]
fn nothing_that_exists_is_overwritten() {
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    fs::write(at("notes.txt"), "mine").unwrap();
    symlink("nowhere", at("notes (2).txt")).unwrap();
    fs::create_dir(at("notes (3).txt")).unwrap();
    let (offer, records) = offered(b"notes.txt", b"theirs");
    assert_eq!(received(outside.path(), &offer, Vec::new(), &records).unwrap(), at("notes (4).txt"));
    assert_eq!(fs::read(at("notes.txt")).unwrap(), b"mine");
    assert_eq!(fs::read_link(at("notes (2).txt")).unwrap(), Path::new("nowhere"));
    assert_eq!(fs::read_dir(at("notes (3).txt")).unwrap().count(), 0);
    assert!(!at("nowhere").exists());
    // Not even an empty folder.
    fs::create_dir(at("folder")).unwrap();
    let inode = at("folder").metadata().unwrap().ino();
    let (offer, entries, records) = offered_folder(&[b"x"]);
    assert_eq!(received(outside.path(), &offer, entries, &records).unwrap(), at("folder (2)"));
    assert_eq!(at("folder").metadata().unwrap().ino(), inode);
    // Nor a file that comes while the transfer runs, where the user chose the name.
    let (offer, records) = offered(b"x", b"theirs");
    let place = Destination::of_path(&at("chosen.md")).unwrap();
    let mut part = Part::begin(&place, &offer, EntryList::default(), Room::Reserve).unwrap();
    for record in &records {
        part.write(record).unwrap();
    }
    fs::write(at("chosen.md"), "mine").unwrap();
    assert_eq!(part.finish().unwrap(), at("chosen (2).md"));
    assert_eq!(fs::read(at("chosen.md")).unwrap(), b"mine");
}

#[test]
fn nothing_is_overwritten_where_the_file_system_cannot_refuse_it() {
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    let folder = File::open(outside.path()).unwrap();
    for (kind, part) in [(OfferKind::File, "file.part"), (OfferKind::Folder, "folder.part")] {
        match kind {
            OfferKind::File => fs::write(at(part), "x").unwrap(),
            OfferKind::Folder => fs::create_dir(at(part)).unwrap(),
        }
        fs::write(at("file"), "mine").unwrap();
        fs::create_dir_all(at("folder")).unwrap();
        let _ = symlink("nowhere", at("link"));
        for name in ["file", "folder", "link"] {
            let refused = rename_by_links(&folder, part, kind, name.as_bytes());
            assert_eq!(refused, Err(rustix::io::Errno::EXIST), "{name}");
        }
        rename_by_links(&folder, part, kind, part.trim_end_matches(".part").repeat(2).as_bytes()).unwrap();
        assert!(!at(part).exists());
    }
    assert_eq!(names(outside.path()), ["file", "filefile", "folder", "folderfolder", "link"]);
    assert_eq!(fs::read(at("file")).unwrap(), b"mine");
}

/// Puts something in the place of a part; the other path is that of a file that is not to change.
type Plant = fn(&Path, &Path);

#[test]
fn what_has_the_name_of_a_part_is_never_written_to() {
    let (offer, records) = offered(b"x", b"theirs");
    let (offered_folder, entries, _) = offered_folder(&[b"x"]);
    let plants: [Plant; 6] = [
        |part, _| fs::write(part, "mine").unwrap(),
        |part, _| fs::create_dir(part).unwrap(),
        |part, secret| symlink(secret, part).unwrap(),
        |part, _| symlink("../made-by-a-link", part).unwrap(),
        |part, secret| fs::hard_link(secret, part).unwrap(),
        |part, _| mknodat(CWD, part, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
    ];
    for (number, plant) in plants.into_iter().enumerate() {
        let outside = tempfile::tempdir().unwrap();
        let (folder, secret) = (outside.path().join("inbox"), outside.path().join("secret"));
        fs::create_dir(&folder).unwrap();
        fs::write(&secret, "mine").unwrap();
        plant(&folder.join(PART), &secret);
        let expected = format!(
            "{} is not as it was left; move it away and accept the file again",
            folder.join(PART).display()
        );
        assert_eq!(fails(received(&folder, &offer, Vec::new(), &records)), expected, "{number}");
        assert_eq!(fails(received(&folder, &offered_folder, entries.clone(), &[])), expected, "{number}");
        assert_eq!(fs::read(&secret).unwrap(), b"mine");
        assert_eq!(names(outside.path()), ["inbox", "secret"]);
        assert_eq!(names(&folder), [PART]);
    }
}

#[test]
fn a_folder_that_becomes_a_link_between_check_and_use_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    fs::create_dir(at("inbox")).unwrap();
    fs::create_dir(at("victim")).unwrap();
    let (offer, entries, records) = offered_folder(&[b"a/1", b"a/2", b"b/3"]);
    let mut part =
        Part::begin(&into(&at("inbox")), &offer, entries.into_iter().collect(), Room::Reserve).unwrap();
    part.write(&records[0]).unwrap();
    // The folder that is open, one that is not made yet, and the one that everything lands in.
    let root = at("inbox").join(PART);
    fs::rename(root.join("a"), root.join("moved")).unwrap();
    symlink(at("victim"), root.join("a")).unwrap();
    symlink(at("victim"), root.join("b")).unwrap();
    for record in &records[1..4] {
        part.write(record).unwrap();
    }
    let refused = fails(part.write(&records[4]));
    assert!(refused.starts_with("cannot write "), "{refused}");
    assert_eq!(names(&at("victim")), [""; 0]);
    drop(part);
    fs::remove_dir_all(&root).unwrap();

    let (offer, records) = offered(b"file", b"x");
    let mut part = Part::begin(&into(&at("inbox")), &offer, EntryList::default(), Room::Reserve).unwrap();
    fs::rename(at("inbox"), at("moved")).unwrap();
    symlink(at("victim"), at("inbox")).unwrap();
    for record in &records {
        part.write(record).unwrap();
    }
    part.finish().unwrap();
    assert_eq!((names(&at("victim")), names(&at("moved"))), (Vec::new(), vec!["file".to_owned()]));
}

#[test]
fn a_part_is_closed_to_others_until_it_has_its_name() {
    let outside = tempfile::tempdir().unwrap();
    let mode = |name: &str| outside.path().join(name).metadata().unwrap().mode() & 0o777;
    fs::write(outside.path().join("own"), "").unwrap();
    fs::create_dir(outside.path().join("own-folder")).unwrap();
    let (own, own_folder) = (mode("own"), mode("own-folder"));
    let (offer, records) = offered(b"file", b"x");
    let mut part = Part::begin(&into(outside.path()), &offer, EntryList::default(), Room::Reserve).unwrap();
    for record in &records {
        part.write(record).unwrap();
    }
    assert_eq!(mode(PART), 0o600);
    part.finish().unwrap();
    assert_eq!(mode("file"), own & 0o644);
    let (offer, entries, records) = offered_folder(&[b"a/b"]);
    let mut part =
        Part::begin(&into(outside.path()), &offer, entries.into_iter().collect(), Room::Reserve).unwrap();
    for record in &records {
        part.write(record).unwrap();
    }
    assert_eq!(mode(PART), 0o700);
    part.finish().unwrap();
    assert_eq!(mode("folder"), own_folder & 0o755);
    assert_eq!((mode("folder/a"), mode("folder/a/b")), (own_folder & 0o755, own & 0o644));
}

#[test]
fn records_that_do_not_follow_on_what_came_are_refused_and_change_nothing() {
    let outside = tempfile::tempdir().unwrap();
    let content = bytes(100_000);
    let (offer, records) = offered(b"file", &content);
    let mut part = Part::begin(&into(outside.path()), &offer, EntryList::default(), Room::Reserve).unwrap();
    part.write(&records[0]).unwrap();
    let at = part.position();
    let chunk = |entry, offset, length| TransferRecord::Chunk {
        id: ID,
        at: Position { entry, offset },
        bytes: vec![0; length],
    };
    let hole = |offset, length| TransferRecord::Hole { id: ID, at: Position { entry: 0, offset }, length };
    for wrong in [
        records[0].clone(),
        records[2].clone(),
        records[4].clone(),
        chunk(1, 32_000, 1),
        chunk(0, 32_000, 68_001),
        hole(32_000, 68_001),
        hole(32_000, u64::MAX - 32_000),
        TransferRecord::Hole { id: TransferId([1; 16]), at, length: 1 },
        TransferRecord::EndOfFile { id: ID, entry: 0, size: 32_000, root: [0; 32] },
        TransferRecord::Filed(ID),
    ] {
        assert!(matches!(part.write(&wrong), Err(FileError::OutOfOrder(_))), "{wrong:?}");
        assert_eq!(part.position(), at);
    }
    for record in &records[1..] {
        part.write(record).unwrap();
    }
    assert!(matches!(part.write(&records[4]), Err(FileError::OutOfOrder(_))));
    assert_eq!(fs::read(part.finish().unwrap()).unwrap(), content);
    let unfinished = Part::begin(&into(outside.path()), &offer, EntryList::default(), Room::Reserve).unwrap();
    assert!(matches!(unfinished.finish(), Err(FileError::OutOfOrder(_))));
}

#[test]
fn what_is_not_what_was_sent_is_not_filed() {
    let outside = tempfile::tempdir().unwrap();
    let (offer, mut records) = offered(b"file", &bytes(50_000));
    if let TransferRecord::Chunk { bytes, .. } = &mut records[1] {
        bytes[17] ^= 1;
    }
    let expected = format!("{} arrived damaged; ask for it again", outside.path().join("file").display());
    assert_eq!(fails(received(outside.path(), &offer, Vec::new(), &records)), expected);
    assert_eq!(names(outside.path()), [PART]);
}

#[test]
fn too_little_room_is_said_with_both_numbers_before_anything_is_written() {
    let outside = tempfile::tempdir().unwrap();
    let (offer, _) = offered(b"x", b"");
    let offer = Offer { total: 1 << 44, ..offer };
    let refused =
        Part::begin(&into(outside.path()), &offer, EntryList::default(), Room::Reserve).unwrap_err();
    let FileError::NoRoom { needed, free, .. } = refused else { panic!("{refused}") };
    assert!(needed == 1 << 44 && free > 0 && free < needed);
    let words = refused.to_string();
    let path = outside.path().display();
    assert!(words.starts_with(&format!("{path} has ")), "{words}");
    assert!(words.ends_with(" free, and 16.0 TiB are needed; make room or name another folder"), "{words}");
    assert_eq!(names(outside.path()), [""; 0]);
    // It has no size.
    into(Path::new("/proc")).check_room(1 << 60).unwrap();
}

#[test]
fn a_file_larger_than_any_is_refused_whatever_room_there_is() {
    let outside = tempfile::tempdir().unwrap();
    let (offer, _) = offered(b"x", b"");
    let offer = Offer { total: u64::MAX, ..offer };
    let refused = fails(Part::begin(&into(outside.path()), &offer, EntryList::default(), Room::Ignore));
    let path = outside.path().join("x").display().to_string();
    assert_eq!(refused, format!("{path} has more than 16.0 TiB; send it in pieces"));
    assert_eq!(names(outside.path()), [""; 0]);
}

#[test]
fn a_path_of_the_user_is_a_folder_or_a_new_name() {
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("file"), "").unwrap();
    symlink("folder", at("link")).unwrap();
    symlink("nowhere", at("broken")).unwrap();
    let place = |name: &str| Destination::of_path(&at(name));
    assert_eq!(place("folder/").unwrap(), into(&at("folder/")));
    assert_eq!(place("link").unwrap(), into(&at("link")));
    assert_eq!(
        place(".hidden").unwrap(),
        Destination::new(outside.path().to_owned(), Some(".hidden".into()))
    );
    for name in ["file", "broken"] {
        let path = at(name).display().to_string();
        let expected = format!("{path} exists, and nothing is overwritten; choose a new name or a folder");
        assert_eq!(fails(place(name)), expected);
    }
    for (name, folder) in [("none/name", "none"), ("none/", "none/"), ("file/name", "file")] {
        let folder = at(folder).display().to_string();
        assert_eq!(fails(place(name)), format!("there is no folder {folder}; make it, or choose another"));
    }
    let (offer, records) = offered(b"x", b"theirs");
    let mut part =
        Part::begin(&place(".hidden").unwrap(), &offer, EntryList::default(), Room::Reserve).unwrap();
    for record in &records {
        part.write(record).unwrap();
    }
    assert_eq!(part.finish().unwrap(), at(".hidden"));
    fs::set_permissions(at("folder"), Permissions::from_mode(0o500)).unwrap();
    if File::create(at("folder/probe")).is_err() {
        let refused = fails(Part::begin(&into(&at("folder")), &offer, EntryList::default(), Room::Reserve));
        let (file, folder) = (at("folder/x").display().to_string(), at("folder").display().to_string());
        assert_eq!(refused, format!("cannot write {file}: permission denied; look at ls -ld {folder}"));
    }
}

#[test]
fn what_is_cancelled_leaves_nothing_behind_and_takes_nothing_else() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("inbox");
    fs::create_dir(&folder).unwrap();
    fs::write(outside.path().join("mine"), "x").unwrap();
    let (offer, entries, records) = offered_folder(&[b"a/b", b"c"]);
    let begin = || {
        let mut part =
            Part::begin(&into(&folder), &offer, entries.iter().cloned().collect(), Room::Reserve).unwrap();
        part.write(&records[0]).unwrap();
        symlink(outside.path(), folder.join(PART).join("a/link")).unwrap();
        part
    };
    begin().discard().unwrap();
    assert_eq!(names(&folder), [""; 0]);
    let identity = begin().identity();
    let other = super::super::PartIdentity { inode: 1, ..identity };
    Part::discard_closed(&into(&folder), ID, other).unwrap();
    assert_eq!(names(&folder), [PART]);
    Part::discard_closed(&into(&folder), ID, identity).unwrap();
    Part::discard_closed(&into(&folder), ID, identity).unwrap();
    assert_eq!((names(&folder), names(outside.path())), (Vec::new(), vec!["inbox".into(), "mine".into()]));
}

#[test]
fn parts_of_a_month_ago_are_removed_unless_they_are_known_and_nothing_else_is() {
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    fs::write(at(PART), "").unwrap();
    fs::create_dir(at(".rsachat-0123456789abcdef.part")).unwrap();
    fs::write(at(".rsachat-0123456789abcdeg.part"), "").unwrap();
    fs::write(at(".rsachat-0123.part"), "").unwrap();
    symlink("nowhere", at(".rsachat-0000000000000000.part")).unwrap();
    let written = at(PART).metadata().unwrap().modified().unwrap();
    let written = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let after = |ms| UnixMs(u64::try_from(written).unwrap() + ms);
    let all = names(outside.path());
    let remove = |ms, known: &[_]| {
        remove_stale_parts(outside.path(), after(ms), known).unwrap();
        names(outside.path())
    };
    assert_eq!(remove(0, &[]), all);
    let month = FILE_PART_KEPT_MS + 60_000;
    let rest = [".rsachat-0000000000000000.part", ".rsachat-0123.part", ".rsachat-0123456789abcdeg.part"];
    assert_eq!(remove(month, &[ID]), [rest[0], rest[1], rest[2], PART]);
    assert_eq!(remove(month, &[]), rest);
}
