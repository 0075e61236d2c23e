//! Homes, key files and books on a real file system, with every wrong thing in their place.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::book_file::{self, BookError};
use super::key_file::{self, OverwritePolicy, SavedKey, load_key_text, save_key_text};
use super::{Home, StoreError};
use crate::chat::KeyFor;
use crate::crypto::Fingerprint;
use crate::limits::{BOOK_BYTES, KEY_FILE_BYTES};
use crate::peers::book::Change;
use crate::peers::name::Name;

const PEM: &str = "-----BEGIN PRIVATE KEY-----\r\nAAAA\r\n-----END PRIVATE KEY-----\r\n";

/// A home below a fresh folder; not made yet.
fn home() -> (TempDir, Home) {
    let outside = tempfile::tempdir().unwrap();
    let home = Home::choose(Some(&outside.path().join("a/b")), &|_| None).unwrap();
    (outside, home)
}

fn prepared() -> (TempDir, Home) {
    let (outside, home) = home();
    home.prepare().unwrap();
    (outside, home)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn put(path: &Path, bytes: &[u8], mode: u32) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn meet(number: u32, name: &str) -> Change {
    let fingerprint = Fingerprint::of(&number.to_be_bytes());
    Change::Meet { fingerprint, name: Name::parse(name).unwrap(), address: None }
}

fn load(home: &Home) -> Result<Option<String>, StoreError> {
    Ok(load_key_text(home, KeyFor::Identity)?.map(|text| text.to_string()))
}

fn load_error(home: &Home) -> String {
    load(home).unwrap_err().to_string()
}

fn save(home: &Home, text: &str, policy: OverwritePolicy<'_>) -> Result<SavedKey, StoreError> {
    save_key_text(home, KeyFor::Identity, text, policy)
}

#[test]
fn the_folder_is_chosen_in_the_documented_order() {
    let choose = |flag: Option<&str>, vars: &[(&str, &str)]| {
        let vars: Vec<(String, OsString)> = vars.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let env = move |name: &str| vars.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
        Home::choose(flag.map(Path::new), &env).map(|home| home.path().display().to_string())
    };
    let all = [("RSACHAT_HOME", "/r"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
    assert_eq!(choose(Some("f"), &all).unwrap(), "f");
    assert_eq!(choose(None, &all).unwrap(), "/r");
    assert_eq!(choose(None, &all[1..]).unwrap(), "/x/rsachat");
    assert_eq!(choose(None, &all[2..]).unwrap(), "/h/.local/share/rsachat");
    assert_eq!(choose(None, &[("XDG_DATA_HOME", "x"), ("HOME", "/h")]).unwrap(), "/h/.local/share/rsachat");
    assert_eq!(
        choose(None, &[("RSACHAT_HOME", ""), ("XDG_DATA_HOME", "")]).unwrap_err().to_string(),
        "no home folder: HOME is not set; name one with --home DIR"
    );
}

#[test]
fn a_loose_folder_is_refused_with_the_command_that_mends_it() {
    let (_outside, home) = prepared();
    assert_eq!(mode(home.path()), 0o700);
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let path = home.path().display();
    let expected = format!("{path} is open to others (0755); chmod 700 {path}");
    assert_eq!(home.prepare().unwrap_err().to_string(), expected);
    assert_eq!(load_error(&home), expected);
    assert_eq!(save(&home, PEM, OverwritePolicy::Refuse).unwrap_err().to_string(), expected);
    assert_eq!(book_file::read(&home).unwrap_err().to_string(), expected);
}

#[test]
fn a_home_that_is_a_file_or_below_one_is_refused() {
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("file");
    fs::write(&file, "").unwrap();
    for folder in [file.clone(), file.join("below")] {
        let home = Home::choose(Some(&folder), &|_| None).unwrap();
        assert!(home.prepare().unwrap_err().to_string().contains("file"));
        assert!(load(&home).is_err());
    }
}

#[test]
fn a_foreign_folder_is_refused() {
    let (_outside, home) = prepared();
    // Only root can give a folder away; for others there is no way to make this case.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(home.path(), Some(4711), None).unwrap();
        assert!(matches!(home.prepare(), Err(StoreError::WrongOwner { owner: 4711, .. })));
        assert!(matches!(load(&home), Err(StoreError::WrongOwner { owner: 4711, .. })));
    }
}

#[test]
fn a_key_comes_back_as_it_was_saved() {
    let (_outside, home) = home();
    assert!(load(&home).unwrap().is_none());
    assert!(!home.path().exists());
    let saved = save(&home, PEM, OverwritePolicy::Refuse).unwrap();
    assert_eq!((saved.path.clone(), saved.old), (key_file::path(&home, KeyFor::Identity), None));
    assert_eq!(mode(&saved.path), 0o600);
    assert_eq!(load(&home).unwrap().as_deref(), Some(PEM));
    assert!(matches!(save(&home, "other", OverwritePolicy::Refuse), Err(StoreError::KeyPresent { .. })));
    assert_eq!(load(&home).unwrap().as_deref(), Some(PEM));
}

#[test]
fn a_replaced_key_is_kept_beside_the_new_one() {
    let (_outside, home) = home();
    let replace =
        |text: &str| save(&home, text, OverwritePolicy::KeepOld { date: "2026-11-24" }).unwrap().old;
    let named = |name: &str| Some(home.path().join(name));
    assert_eq!(replace("first"), None);
    assert_eq!(replace("second"), named("identity-2026-11-24.pem"));
    assert_eq!(replace("third"), named("identity-2026-11-24-2.pem"));
    assert_eq!(fs::read_to_string(home.path().join("identity-2026-11-24.pem")).unwrap(), "first");
    assert_eq!(fs::read_to_string(home.path().join("identity-2026-11-24-2.pem")).unwrap(), "second");
    assert_eq!(mode(&home.path().join("identity-2026-11-24.pem")), 0o600);
    assert_eq!(save(&home, "fourth", OverwritePolicy::Rewrite).unwrap().old, None);
    assert_eq!(load(&home).unwrap().as_deref(), Some("fourth"));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 4);
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    let (_outside, home) = prepared();
    let path = key_file::path(&home, KeyFor::Identity);
    for loose in [0o644, 0o640, 0o604, 0o620, 0o601] {
        put(&path, PEM.as_bytes(), loose);
        let path = path.display();
        assert_eq!(load_error(&home), format!("{path} is open to others ({loose:04o}); chmod 600 {path}"));
    }
    put(&path, PEM.as_bytes(), 0o400);
    assert!(load(&home).unwrap().is_some());
}

#[test]
fn a_key_that_is_no_file_of_ours_is_refused_without_being_read() {
    let (outside, home) = prepared();
    let path = key_file::path(&home, KeyFor::Identity);
    let real = outside.path().join("real");
    put(&real, PEM.as_bytes(), 0o600);

    symlink(&real, &path).unwrap();
    assert!(load_error(&home).contains("is a symbolic link, not a file"));
    assert!(matches!(save(&home, "x", OverwritePolicy::Rewrite), Err(StoreError::WrongKind { .. })));
    assert!(matches!(save(&home, "x", OverwritePolicy::Refuse), Err(StoreError::KeyPresent { .. })));
    assert_eq!(fs::read_to_string(&real).unwrap(), PEM);
    fs::remove_file(&path).unwrap();

    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert!(load_error(&home).contains("is a pipe, not a file"));
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    assert!(load_error(&home).contains("is a folder, not a file"));
    fs::remove_dir(&path).unwrap();

    put(&path, b"", 0o600);
    File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    assert!(load_error(&home).contains("is too large to be ours (limit 65536 bytes)"));
    put(&path, &vec![b'a'; usize::try_from(KEY_FILE_BYTES).unwrap()], 0o600);
    assert!(load(&home).unwrap().is_some());
    put(&path, b"\xff", 0o600);
    assert!(load_error(&home).contains("is not UTF-8 text"));
}

#[test]
fn a_planted_link_is_replaced_not_written_through() {
    let (outside, home) = prepared();
    let victim = outside.path().join("victim");
    put(&victim, b"precious", 0o600);
    symlink(&victim, home.path().join("peers")).unwrap();
    let changed = book_file::change(&home, &[meet(1, "bob")]);
    assert!(matches!(changed, Err(BookError::Store(StoreError::WrongKind { .. }))));
    super::safe_file::write(&book_file::path(&home), b"", home.durability()).unwrap();
    assert!(fs::symlink_metadata(home.path().join("peers")).unwrap().is_file());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");

    fs::remove_file(home.path().join(".lock")).unwrap();
    symlink(&victim, home.path().join(".lock")).unwrap();
    assert!(book_file::change(&home, &[meet(1, "bob")]).unwrap_err().to_string().contains("cannot lock"));
}

#[test]
fn what_a_killed_writer_left_is_removed_by_the_next() {
    let (_outside, home) = prepared();
    let left = home.path().join(".unfinished-abc");
    put(&left, b"half a key", 0o600);
    save(&home, PEM, OverwritePolicy::Refuse).unwrap();
    assert!(!left.exists());
}

#[test]
fn modes_are_right_whatever_the_umask() {
    const CHILD: &str = "RSACHAT_TEST_UMASK";
    const NAME: &str = "store::tests::modes_are_right_whatever_the_umask";
    if let Some(umask) = std::env::var_os(CHILD) {
        // In a process of its own: the umask belongs to all threads.
        let bits = u32::from_str_radix(umask.to_str().unwrap(), 8).unwrap();
        rustix::process::umask(Mode::from_raw_mode(bits));
        let outside = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
        fs::set_permissions(outside.path(), Permissions::from_mode(0o700)).unwrap();
        let home = Home::choose(Some(&outside.path().join("home")), &|_| None).unwrap();
        save(&home, PEM, OverwritePolicy::Refuse).unwrap();
        book_file::change(&home, &[meet(1, "bob")]).unwrap();
        assert_eq!(mode(home.path()), 0o700);
        for file in ["identity.pem", "peers", ".lock"] {
            assert_eq!(mode(&home.path().join(file)), 0o600, "{file}");
        }
        return;
    }
    for umask in ["0", "277"] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", NAME]).env(CHILD, umask).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && stdout.contains("1 passed"), "{umask}: {stdout}");
    }
}

#[test]
fn of_two_first_keys_exactly_one_is_kept() {
    for _ in 0..20 {
        let (_outside, home) = home();
        let save = |text: &'static str| save(&home, text, OverwritePolicy::Refuse).is_ok().then_some(text);
        let (one, two) = std::thread::scope(|scope| {
            let other = scope.spawn(|| save("one"));
            (save("two"), other.join().unwrap())
        });
        let winner = one.xor(two).expect("exactly one wins");
        assert_eq!(load(&home).unwrap().as_deref(), Some(winner));
    }
}

#[test]
fn a_book_that_cannot_be_read_is_never_an_empty_one() {
    let (outside, home) = home();
    assert_eq!(book_file::read(&home).unwrap().peers().count(), 0);
    assert_eq!(book_file::change(&home, &[meet(1, "bob")]).unwrap().0.book.peers().count(), 1);
    let path = book_file::path(&home);
    let error = |bytes: &[u8], mode: u32| {
        put(&path, bytes, mode);
        let error = book_file::read(&home).unwrap_err().to_string();
        assert_eq!(book_file::change(&home, &[meet(2, "ann")]).unwrap_err().to_string(), error);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        error
    };
    let shown = path.display();
    let short = "too few fields; write NAME FINGERPRINT TRUST ADDRESS,ADDRESS";
    let damaged = format!("{shown} is damaged, line 2: {short}; repair it with an editor");
    assert_eq!(error(b"# x\nbob\n", 0o600), damaged);
    assert!(error(b"# x\n# \xff\n", 0o600).contains("line 2: not UTF-8"));
    assert!(error(b"bob SHA2", 0o600).contains("line 1: the fingerprint"));
    assert!(error(b"", 0o666).contains("is open to others (0666); chmod 600"));
    assert!(error(&vec![b'\n'; usize::try_from(BOOK_BYTES).unwrap() + 1], 0o600).contains("is too large"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(book_file::read(&home), Err(BookError::Store(StoreError::WrongKind { .. }))));
    drop(outside);
}

#[test]
fn a_full_book_refuses_the_next_peer_and_stays_readable() {
    let (_outside, home) = prepared();
    put(&book_file::path(&home), &vec![b'\n'; usize::try_from(BOOK_BYTES).unwrap() - 10], 0o600);
    assert!(matches!(book_file::change(&home, &[meet(1, "bob")]), Err(BookError::Full { .. })));
    assert_eq!(book_file::read(&home).unwrap().peers().count(), 0);
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    let (_outside, home) = prepared();
    book_file::change(&home, &[Change::Verify { fingerprint: Fingerprint::of(b"") }]).unwrap();
    assert!(!book_file::path(&home).exists());
}

#[test]
fn two_processes_that_change_the_book_lose_nothing() {
    const CHILD: &str = "RSACHAT_TEST_BOOK";
    const NAME: &str = "store::tests::two_processes_that_change_the_book_lose_nothing";
    const EACH: u32 = 250;
    // The lock is not fair: one of two that write without a pause may find it busy for too long.
    let change = |home: &Home, number: u32| match book_file::change(home, &[meet(number, "bob")]) {
        Err(BookError::Store(StoreError::Busy { .. })) => false,
        changed => changed.is_ok(),
    };
    let write = |home: &Home, first: u32| {
        for number in first..first + EACH {
            assert!((0..10).any(|_| change(home, number)), "{number}");
        }
    };
    if let Some(folder) = std::env::var_os(CHILD) {
        write(&Home::choose(Some(Path::new(&folder)), &|_| None).unwrap(), EACH);
        return;
    }
    let (_outside, home) = home();
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--exact", NAME]).env(CHILD, home.path()).stdout(std::process::Stdio::null());
    let mut child = child.spawn().unwrap();
    write(&home, 0);
    assert!(child.wait().unwrap().success());
    assert_eq!(book_file::read(&home).unwrap().peers().count(), 2 * EACH as usize);
}

#[test]
fn a_lock_that_is_not_given_back_is_an_error_not_a_hang() {
    let (_outside, home) = prepared();
    let held = home.lock().unwrap();
    let error = book_file::change(&home, &[meet(1, "bob")]).unwrap_err().to_string();
    assert!(error.ends_with(".lock is in use by another process; end it, or try again"), "{error}");
    drop(held);
    book_file::change(&home, &[meet(1, "bob")]).unwrap();
}
