//! Files that the passphrase opens and that hold no home, and places that are taken.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use tempfile::TempDir;

use super::content::head;
use super::stream::SealingWriter;
use super::*;
use crate::crypto::{Passphrase, SealedFile, Seed};
use crate::store::Home;

const KEY: &[u8] = include_bytes!("../../../tests/keys/alice-2048.pem");

fn passphrase() -> Passphrase {
    Passphrase::new("right".to_owned())
}

/// A file with this content, whoever made it.
fn sealed(folder: &TempDir, content: &[u8]) -> PathBuf {
    let path = folder.path().join("file");
    let sealed = SealedFile::create(&passphrase(), &Seed::new([1; 32]), content.len() as u64);
    let mut out = SealingWriter::new(sealed, fs::File::create(&path).unwrap()).unwrap();
    out.write_all(content).unwrap();
    out.finish().unwrap();
    path
}

fn file(name: &str, bytes: &[u8]) -> Vec<u8> {
    [&head(name, bytes.len() as u64), bytes].concat()
}

/// Imports a file with this content, and returns the reason why that is refused, without its path.
fn refusal(files: &[Vec<u8>]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = sealed(&folder, &[&[0; 8], files.concat().as_slice()].concat());
    let home = Home::at(folder.path().join("a/home"));
    let open = SealedHome::open(&path).unwrap().unlock(&passphrase()).map_err(|(_, error)| error).unwrap();
    let error = open.import(&home, None).unwrap_err().to_string();
    let mut left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.retain(|name| name != "a");
    assert_eq!(left, ["file"]);
    let parent = fs::read_dir(folder.path().join("a")).into_iter().flatten();
    assert_eq!(parent.count(), 0, "{error}: nothing is written");
    let error = error.strip_prefix(&format!("{} is damaged (", path.display())).unwrap().to_owned();
    error.strip_suffix("); use another copy of it").unwrap().to_owned()
}

#[test]
fn a_file_that_holds_no_home_is_refused_whoever_sealed_it_and_nothing_is_written() {
    let key = || file("identity.pem", KEY);
    for name in ["../peers", "/etc/passwd", ".lock", "socket", "identity.pem/x", "store.redb.bad", ""] {
        assert_eq!(
            refusal(&[key(), file(name, b"x")]),
            "it contains a file that does not belong in a home",
            "{name}"
        );
    }
    assert_eq!(refusal(&[key(), key()]), "identity.pem is not valid in a home");
    assert_eq!(refusal(&[key(), head("peers", u64::MAX)]), "peers is not valid in a home");
    assert_eq!(refusal(&[file("raw.pem", KEY)]), "there is no key in it");
    assert_eq!(
        refusal(&[file("identity.pem", b"no key")]),
        "identity.pem: it has no PEM block (no line -----BEGIN PRIVATE KEY-----)"
    );
    assert_eq!(refusal(&[key(), head("peers", 9)]), "it ends in the middle of a file");
    assert_eq!(refusal(&[key(), head("store.redb", u64::MAX)]), "it ends in the middle of a file");
    assert_eq!(refusal(&[key(), file("peers", b"\xff")]), "peers is no text");
    assert_eq!(
        refusal(&[key(), file("peers", b"not a row of a book\n")]),
        "peers: line 1: the fingerprint: not a complete fingerprint: it is SHA256: and 43 characters"
    );
    assert_eq!(refusal(&[key(), file("store.redb", b"no store")]), "store.redb: it is not a message store");
}

#[test]
fn a_home_whose_name_is_a_link_and_whose_lock_is_held_gets_its_files_and_keeps_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = sealed(&folder, &[&[0; 8], file("identity.pem", KEY).as_slice()].concat());
    let (real, link) = (Home::at(folder.path().join("real")), folder.path().join("link"));
    std::os::unix::fs::symlink(real.path(), &link).unwrap();
    let lock = real.lock().unwrap();
    let open = SealedHome::open(&path).unwrap().unlock(&passphrase()).map_err(|(_, error)| error).unwrap();
    open.import(&Home::at(link.clone()), None).unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read(real.path().join("identity.pem")).unwrap(), KEY);
    assert!(real.try_lock().is_err(), "the lock is the one that is held");
    drop(lock);
    real.try_lock().unwrap();
}

#[test]
fn what_a_killed_import_left_is_removed_and_what_another_one_writes_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = sealed(&folder, &[&[0; 8], file("identity.pem", KEY).as_slice()].concat());
    let [left, in_use] = ["left", "in-use"].map(|name| folder.path().join(format!(".rsachat-import-{name}")));
    for other in [&left, &in_use] {
        fs::create_dir(other).unwrap();
        fs::write(other.join("identity.pem"), KEY).unwrap();
    }
    let claimed = fs::File::open(&in_use).unwrap();
    claimed.lock().unwrap();
    let open = SealedHome::open(&path).unwrap().unlock(&passphrase()).map_err(|(_, error)| error).unwrap();
    open.import(&Home::at(folder.path().join("home")), None).unwrap();
    assert!(!left.exists() && in_use.join("identity.pem").exists());
}
