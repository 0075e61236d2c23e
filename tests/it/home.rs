//! `rsachat home`: a home goes into one sealed file and comes back whole, or stays as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rsachat::crypto::Identity;
use rsachat::store::{Home as StoreHome, MessageStore};
use tempfile::TempDir;

use crate::support::{Home, PATIENCE, Process, mode};

/// A home with everything that there can be, the file that it is exported to, and the passphrases.
struct Move {
    from: Home,
    folder: TempDir,
}

impl Move {
    fn new() -> Self {
        let from = Home::of("민지").with_raw_key("test-2.pem");
        from.private("identity-2026-01-01.pem", fs::read(from.file("identity.pem")).unwrap());
        let junho = Home::of("준호").fingerprint();
        from.answer(&["peers", "add", "준호", &junho]);
        from.private("config.toml", "name = \"민지\"\n");
        from.private("store.redb.bad", "a damaged one");
        drop(store(&from));
        let this = Self { from, folder: TempDir::new().unwrap() };
        fs::write(this.file("right"), "right horse\nmore\n").unwrap();
        fs::write(this.file("wrong"), "wrong horse\n").unwrap();
        this
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `rsachat home …` with the passphrase of a file.
    fn home(&self, home: &Path, passphrase: &str, args: &[&str], config: &Path) -> Output {
        let mut command = Command::new(crate::support::RSACHAT);
        command.arg("--home").arg(home).arg("--passphrase-file").arg(self.file(passphrase)).arg("home");
        command.args(args).env("RSACHAT_CONFIG", config).env("TZ", "UTC").stdin(Stdio::null());
        command.output().unwrap()
    }

    fn export(&self) -> Output {
        let (to, config) = (self.file("minji.home"), self.from.file("config.toml"));
        self.home(self.from.path(), "right", &["export", to.to_str().unwrap()], &config)
    }

    fn import(&self, into: &Path) -> Output {
        self.import_with("right", into, &self.file("config/config.toml"))
    }

    fn import_with(&self, passphrase: &str, into: &Path, config: &Path) -> Output {
        self.home(into, passphrase, &["import", self.file("minji.home").to_str().unwrap()], config)
    }

    /// What an import says that fails, after its file was changed.
    fn refused(&self, change: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = fs::read(self.file("minji.home")).unwrap();
        let whole = bytes.clone();
        change(&mut bytes);
        fs::write(self.file("minji.home"), bytes).unwrap();
        let said = self.says(&self.import(&self.file("nowhere")), 3);
        assert!(!self.file("nowhere").exists() && !self.file("config").exists());
        fs::write(self.file("minji.home"), whole).unwrap();
        said.strip_prefix("rsachat: error: DIR/minji.home ").unwrap().to_owned()
    }

    /// All that was said, with the folder's name left out.
    fn says(&self, output: &Output, code: i32) -> String {
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let said = String::from_utf8(said).unwrap().replace(self.folder.path().to_str().unwrap(), "DIR");
        assert_eq!(output.status.code(), Some(code), "{said}");
        said.replace(self.from.path().to_str().unwrap(), "HOME").trim_end().to_owned()
    }
}

fn store(home: &Home) -> MessageStore {
    let pem = fs::read_to_string(home.file("identity.pem")).unwrap();
    let identity = Identity::from_pem(&pem, None).unwrap();
    MessageStore::open(&StoreHome::at(home.path().to_owned()), &identity).unwrap().store
}

const FILES: [&str; 6] =
    ["identity-2026-01-01.pem", "identity.pem", "peers", "raw.pem", "config.toml", "store.redb"];

#[test]
fn a_home_that_is_merely_open_and_has_no_key_is_closed_and_said_so() {
    let mode = |home: &Home| fs::metadata(home.path()).unwrap().permissions().mode() & 0o777;
    let run = |home: &Home, open: u32, args: &[&str]| {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(open)).unwrap();
        let output = home.command(args).stdin(Stdio::null()).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    let home = Home::of("민지");
    fs::remove_file(home.file("identity.pem")).unwrap();
    for (open, args) in [(0o755, &["peers", "list"][..]), (0o777, &["history", "search", "x"]), (0o750, &[])]
    {
        // The doctor changes nothing.
        let (code, said) = run(&home, open, &["doctor", "--listen", "127.0.0.1:0"]);
        assert!(code == Some(0) && said.contains("warning  home       "), "{said}");
        assert_eq!(mode(&home), open);
        let (_, said) = run(&home, open, args);
        let words = format!("was open to others ({open:04o}); its mode is now 0700");
        assert!(said.contains(&words), "{args:?}: {said}");
        assert_eq!(mode(&home), 0o700);
        assert!(!run(&home, 0o700, args).1.contains("open to others"));
    }
    // Whatever else is in it, a key before all, may have been read, or was put there by others.
    for (file, open) in [("identity.pem", 0o755), ("notes.txt", 0o755), ("peers", 0o777)] {
        let home = Home::of("민지");
        fs::remove_file(home.file("identity.pem")).unwrap();
        home.private(file, "");
        let (code, said) = run(&home, open, &["peers", "list"]);
        assert!(code == Some(3) && said.contains("is open to others"), "{file}: {said}");
        assert_eq!(mode(&home), open, "{file}");
    }
}

#[test]
fn a_home_that_was_exported_comes_back_whole_and_what_is_no_part_of_it_stays() {
    let this = Move::new();
    let bytes =
        |said: &str| said.split(['(', ' ']).find(|word| word.parse::<u64>().is_ok()).unwrap().to_owned();
    let said = this.says(&this.export(), 0);
    let size = bytes(&said);
    assert_eq!(size, fs::metadata(this.file("minji.home")).unwrap().len().to_string());
    assert_eq!(
        said,
        format!(
            "exported to DIR/minji.home ({size} bytes): {}\n\
             whoever has that file and its passphrase can be you; once it is imported, do not use this home any more",
            FILES.join(", ")
        )
    );
    assert_eq!(mode(this.file("minji.home")), 0o600);
    let into = this.file("a/b/home");
    let said = this.says(&this.import(&into), 0);
    let (said, last) = said.rsplit_once('\n').unwrap();
    assert_eq!(
        said,
        format!(
            "imported into DIR/a/b/home: {}\nthe settings are in DIR/config/config.toml",
            FILES.join(", ")
        )
    );
    assert!(last.starts_with("do not use the home that this was copied from on 20"), "{last}");
    assert_eq!(mode(&into), 0o700);
    let mut names: Vec<_> =
        fs::read_dir(&into).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["identity-2026-01-01.pem", "identity.pem", "peers", "raw.pem", "store.redb"]);
    for name in names.iter().filter(|name| *name != "store.redb") {
        assert_eq!(fs::read(into.join(name)).unwrap(), fs::read(this.from.file(name)).unwrap(), "{name}");
        assert_eq!(mode(into.join(name)), 0o600, "{name}");
    }
    assert_eq!(fs::read_to_string(this.file("config/config.toml")).unwrap(), "name = \"민지\"\n");
    let left =
        fs::read_dir(this.file("a/b")).unwrap().count() + fs::read_dir(this.file("config")).unwrap().count();
    assert_eq!(left, 2, "nothing unfinished is left");
}

#[test]
fn nothing_is_overwritten_by_an_export_or_an_import() {
    let this = Move::new();
    this.export();
    let exists = "rsachat: error: the file DIR/minji.home already exists; name another";
    assert_eq!(this.says(&this.export(), 1), exists);
    let hint = "\nrsachat: hint: name another folder with --home DIR; nothing was changed";
    let key = format!("rsachat: error: there is already a key in HOME{hint}");
    assert_eq!(this.says(&this.import(this.from.path()), 1), key);
    let other = this.file("other");
    fs::create_dir(&other).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(other.join("notes"), "mine").unwrap();
    let not_empty = format!("rsachat: error: DIR/other is not empty: it contains notes{hint}");
    assert_eq!(this.says(&this.import(&other), 1), not_empty);
    fs::remove_file(other.join("notes")).unwrap();
    fs::write(this.file("settings"), "name = \"another\"\n").unwrap();
    let said = this.says(&this.import_with("right", &other, &this.file("settings")), 0);
    let beside =
        "DIR/settings has other settings and is kept; the imported ones are in DIR/other/config.toml";
    assert_eq!(said.lines().nth(1), Some(beside));
    assert_eq!(fs::read_to_string(this.file("settings")).unwrap(), "name = \"another\"\n");
    assert_eq!(fs::read_to_string(other.join("config.toml")).unwrap(), "name = \"민지\"\n");
}

#[test]
fn a_store_that_is_open_is_not_exported_and_its_process_is_named() {
    let this = Move::new();
    let open = store(&this.from);
    let held = format!(
        "rsachat: error: HOME/store.redb is open in another rsachat with this home (process {}); \
         end that one and try again",
        std::process::id()
    );
    assert_eq!(this.says(&this.export(), 3), held);
    assert!(!this.file("minji.home").exists());
    drop(open);
    this.says(&this.export(), 0);
}

#[test]
fn what_does_not_open_is_told_apart_and_leaves_nothing() {
    let this = Move::new();
    this.export();
    let none = this.file("nowhere");
    let wrong = this.says(&this.import_with("wrong", &none, Path::new("none")), 3);
    assert_eq!(
        wrong,
        "rsachat: error: DIR/minji.home cannot be opened: wrong passphrase\n\
         rsachat: hint: the passphrase is the first line of the file, including any blanks; try again"
    );
    let last = fs::metadata(this.file("minji.home")).unwrap().len();
    let cut = format!("is truncated: {} of its {last} bytes are there; use another copy of it", last - 1);
    assert_eq!(this.refused(|bytes| bytes.truncate(bytes.len() - 1)), cut);
    let cut = "is truncated: its header does not end; use another copy of it";
    assert_eq!(this.refused(|bytes| bytes.truncate(40)), cut);
    let damaged = "is damaged (a part of it was changed); use another copy of it";
    for at in [100, 70_000] {
        assert_eq!(this.refused(|bytes| bytes[at] ^= 1), damaged, "byte {at}");
    }
    assert_eq!(this.refused(|bytes| *bytes.last_mut().unwrap() ^= 1), damaged, "the last");
    let header = "is damaged (its header); use another copy of it";
    assert_eq!(this.refused(|bytes| bytes[50] ^= 1), header);
    let longer = "is damaged (more bytes follow its end); use another copy of it";
    assert_eq!(this.refused(|bytes| bytes.push(0)), longer);
    let newer = "was exported by a newer rsachat (format 2); use that one";
    assert_eq!(this.refused(|bytes| bytes[15] = 2), newer);
    assert_eq!(this.refused(|bytes| bytes[0] = b'R'), "is not a home that rsachat exported");
    assert_eq!(this.refused(Vec::clear), "is not a home that rsachat exported");
    fs::remove_file(this.file("minji.home")).unwrap();
    let absent = "rsachat: error: there is no file DIR/minji.home";
    assert_eq!(this.says(&this.import(&none), 3), absent);
    assert!(!none.exists());
}

#[test]
fn a_home_without_a_key_or_with_a_damaged_book_is_no_copy_to_rely_on() {
    let this = Move::new();
    fs::write(this.from.file("peers"), "damaged\n").unwrap();
    let said = this.says(&this.export(), 3);
    assert!(said.starts_with("rsachat: error: HOME/peers is damaged, line 1"), "{said}");
    fs::write(this.file("right"), "\n").unwrap();
    let empty = "rsachat: error: the passphrase is empty; a file with your key needs one\n\
                 rsachat: hint: nothing was written";
    assert_eq!(this.says(&this.export(), 1), empty);
    fs::remove_file(this.from.file("identity.pem")).unwrap();
    let no_key =
        "rsachat: error: there is no key in HOME\nrsachat: hint: rsachat --home HOME key new generates one";
    assert_eq!(this.says(&this.export(), 3), no_key);
    assert!(!this.file("minji.home").exists());
}

#[test]
fn messages_that_the_key_of_the_home_does_not_open_are_no_copy_to_rely_on() {
    let this = Move::new();
    drop(store(&this.from));
    let other = Home::with_key("준호", "test-4.pem");
    let key = fs::read_to_string(this.from.file("identity.pem")).unwrap();
    let sealed_to = this.from.fingerprint();
    fs::copy(other.file("identity.pem"), this.from.file("identity.pem")).unwrap();
    let said = this.says(&this.export(), 3);
    assert_eq!(
        said,
        format!(
            "rsachat: error: HOME/store.redb is sealed for another key ({sealed_to}); put that key back, or move the \
             file away, with the messages waiting in it"
        )
    );
    assert!(!this.file("minji.home").exists());
    fs::write(this.from.file("identity.pem"), key).unwrap();
    fs::write(this.from.file("store.redb"), [0; 9_000]).unwrap();
    let said = this.says(&this.export(), 3);
    assert!(said.starts_with("rsachat: error: HOME/store.redb is damaged"), "{said}");
    fs::remove_file(this.from.file("store.redb")).unwrap();
    this.says(&this.export(), 0);
}

#[test]
fn nothing_new_is_swallowed_by_a_home_that_is_older_than_what_its_peer_has() {
    let (old, new) = (Home::of("민지"), Home::of("민지"));
    fs::remove_file(new.file("identity.pem")).unwrap();
    let (file, passphrase) = (old.file("sealed").display().to_string(), old.file("passphrase"));
    fs::write(&passphrase, "a horse\n").unwrap();
    let moves = |home: &Home, task: &str| {
        home.answer(&["home", task, &file, "--passphrase-file", passphrase.to_str().unwrap()])
    };
    let mut junho = Process::start("준호", &[]);
    let mut meets = |minji: &mut Process, back: &str, times: usize| {
        junho.types(&format!(":connect {}", minji.listens_at()));
        minji.sees("* 준호 joined, ");
        junho.sees_times("* 민지 joined, ", times, PATIENCE);
        junho.types(back);
        minji.sees(&format!("준호: {back}"));
    };
    let listen = ["--listen", "127.0.0.1:0", "--anybody"];
    for (times, line) in [(1, "하나"), (2, "둘")] {
        let mut minji = old.start(&listen);
        meets(&mut minji, &format!("{times}"), times);
        minji.types(&format!("@준호 {line}"));
        minji.types(":quit");
        assert_eq!(minji.ends(), 0);
        // What is said the second time is not in the file.
        if times == 1 {
            moves(&old, "export");
        }
    }
    assert!(moves(&new, "import").contains("do not use the home that this was copied from"));
    let mut minji = new.start(&listen);
    minji.types("@준호 셋");
    minji.sees("queued; 준호 gets it");
    meets(&mut minji, "3", 3);
    minji.sees("this home is older than what 준호 has; it lacks the lines since then");
    minji.types("@준호 넷");
    assert_eq!(junho.hears("민지", 4), ["하나", "둘", "셋", "넷"]);
}
