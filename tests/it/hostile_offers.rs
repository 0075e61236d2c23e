//! Offers of a peer that means harm, to a real prompt: names that lead elsewhere, links in the way,
//! lists and contents that break every rule. Nothing leaves the folder, nothing wrong has a name.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

use rsachat::transfer::{BlockHasher, BlockList};
use rsachat::wire::{
    CancelReason, ManifestEntry, Offer, OfferKind, Position, Record, TransferId, TransferRecord,
};
use tempfile::TempDir;

use crate::support::hostile_peer::HostilePeer;
use crate::support::{Home, PATIENCE, Process, eventually};

/// Eve, whom Minji has chosen, and the folder into which Minji takes what Eve offers.
struct Eve {
    at: String,
    minji: Process,
    peer: HostilePeer,
    outside: TempDir,
    offers: u8,
    calls: usize,
}

/// Path and content; a path that ends with a slash is an empty folder.
type Entry<'a> = (&'a [u8], &'a [u8]);

impl Eve {
    fn new() -> Self {
        let (mut minji, at) = Process::listening("민지");
        let peer = HostilePeer::calls_taking_files(&at, "test-3.pem", "eve");
        minji.sees("eve joined");
        minji.types(":to eve");
        minji.sees("plain text now goes to eve");
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(outside.path().join("to")).unwrap();
        Self { at, minji, peer, outside, offers: 0, calls: 0 }
    }

    fn to(&self) -> PathBuf {
        self.outside.path().join("to")
    }

    /// The name of the part of the last offer.
    fn part(&self) -> PathBuf {
        self.to().join(format!(".rsachat-{}.part", format!("{:02x}", self.offers).repeat(8)))
    }

    fn sends(&mut self, record: TransferRecord) {
        self.peer.sends(&Record::Transfer(record));
    }

    /// The next record of a transfer.
    fn receives(&mut self) -> TransferRecord {
        loop {
            if let Record::Transfer(record) = self.peer.receives() {
                return record;
            }
        }
    }

    fn offers(&mut self, kind: OfferKind, name: &[u8], entries: &[Entry<'_>]) -> TransferId {
        self.offers += 1;
        let id = TransferId([self.offers; 16]);
        let total = entries.iter().map(|(_, content)| content.len() as u64).sum();
        let count = u32::try_from(entries.len()).unwrap();
        self.sends(TransferRecord::Offer(Offer {
            id,
            kind,
            entries: count,
            total,
            modified_ms: 0,
            name: name.to_vec(),
        }));
        self.minji.sees(&format!("(:accept {0}, :decline {0})", self.offers));
        id
    }

    /// Minji takes the last offer into her folder; the list is given when she asks. Returns where
    /// she begins, unless she ends it.
    fn is_accepted(&mut self, id: TransferId, entries: &[Entry<'_>]) -> Result<Position, CancelReason> {
        let order = format!(":accept {} {}", self.offers, self.to().display());
        self.minji.types(&order);
        loop {
            match self.receives() {
                TransferRecord::List { first, .. } => {
                    assert_eq!(first, 0);
                    let entries = entries.iter().map(|(path, content)| ManifestEntry {
                        kind: if path.ends_with(b"/") { OfferKind::Folder } else { OfferKind::File },
                        size: content.len() as u64,
                        modified_ms: 0,
                        path: path.strip_suffix(b"/").unwrap_or(path).to_vec(),
                    });
                    let entries = entries.collect();
                    self.sends(TransferRecord::Manifest { id, first, entries });
                }
                TransferRecord::Accept { id: accepted, at } if accepted == id => return Ok(at),
                TransferRecord::Cancel { id: ended, reason } if ended == id => return Err(reason),
                // Of earlier ones.
                TransferRecord::Accept { .. } | TransferRecord::Cancel { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// An entry, whole.
    fn sends_entry(&mut self, id: TransferId, entry: u32, content: &[u8]) {
        if !content.is_empty() {
            self.sends(chunk(id, entry, 0, content));
        }
        self.sends(end(id, entry, content));
    }

    /// What becomes of a transfer of which everything was sent.
    fn is_answered(&mut self) -> Result<(), CancelReason> {
        loop {
            match self.receives() {
                TransferRecord::Have { .. } => {}
                TransferRecord::Filed(_) => return Ok(()),
                TransferRecord::Cancel { reason, .. } => return Err(reason),
                other => panic!("{other:?}"),
            }
        }
    }

    fn sends_file(&mut self, name: &[u8], content: &[u8]) -> Result<(), CancelReason> {
        let id = self.offers(OfferKind::File, name, &[(name, content)]);
        self.is_accepted(id, &[])?;
        self.sends_entry(id, 0, content);
        self.is_answered()
    }

    fn sends_folder(&mut self, name: &[u8], entries: &[Entry<'_>]) -> Result<(), CancelReason> {
        let id = self.offers(OfferKind::Folder, name, entries);
        self.is_accepted(id, entries)?;
        for (number, (_, content)) in (0..).zip(entries) {
            self.sends_entry(id, number, content);
        }
        self.is_answered()
    }

    /// The conversation goes on, and nothing was put anywhere but into the folder.
    fn still_talks(&mut self) {
        let text = format!("after {}", self.offers);
        self.peer.says(&text);
        self.minji.sees(&format!("eve: {text}"));
    }

    /// Minji ends the connection because of what was sent; Eve calls again.
    fn is_cut_off(&mut self) {
        self.minji.sees_times("it violated the protocol", self.calls + 1, PATIENCE);
        self.calls += 1;
        let source = 77 + self.calls;
        self.peer = HostilePeer::calls_taking_files_from(source, &self.at, "test-3.pem", "eve");
        self.minji.sees_times("eve joined", self.calls + 1, PATIENCE);
        self.still_talks();
    }
}

fn chunk(id: TransferId, entry: u32, offset: u64, bytes: &[u8]) -> TransferRecord {
    TransferRecord::Chunk { id, at: Position { entry, offset }, bytes: bytes.to_vec() }
}

fn end(id: TransferId, entry: u32, content: &[u8]) -> TransferRecord {
    let mut hasher = BlockHasher::after(BlockList::default());
    hasher.update(content);
    TransferRecord::EndOfFile { id, entry, size: content.len() as u64, root: hasher.root() }
}

/// Everything below a folder, by its path there.
fn below(folder: &Path) -> BTreeSet<String> {
    let (mut found, mut folders) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            folders.extend(path.symlink_metadata().unwrap().is_dir().then_some(path));
        }
    }
    found
}

#[test]
fn whatever_a_peer_calls_a_file_it_lands_in_the_folder_under_a_harmless_name() {
    let mut eve = Eve::new();
    let long = "가".repeat(85);
    let numbered = format!("{} (2)", "가".repeat(83));
    let cases: [(&[u8], &str); 16] = [
        (b"/etc/passwd", "passwd"),
        (b"../../../etc/passwd", "passwd (2)"),
        (b"passwd/", "passwd (3)"),
        (b"../../.ssh/authorized_keys", "authorized_keys"),
        (b"..", "_.."),
        (b".bashrc", "_.bashrc"),
        (b".rsachat-0101010101010101.part", "_.rsachat-0101010101010101.part"),
        (b"..\\..\\evil.exe", "_.._.._evil.exe"),
        (b"a\x1b]0;x\x07\nb", "a_]0;x__b"),
        ("photo\u{202e}gpj.exe".as_bytes(), "photo_gpj.exe"),
        ("pass\u{200b}wd.txt".as_bytes(), "passwd.txt"),
        (b"\xff\xfe", "__"),
        (b" ", "_"),
        ("\u{1112}\u{116c}\u{110b}\u{1174}.txt".as_bytes(), "회의.txt"),
        (long.as_bytes(), &long),
        (long.as_bytes(), &numbered),
    ];
    for (name, landed) in cases {
        assert_eq!(eve.sends_file(name, name), Ok(()), "{landed}");
        assert_eq!(fs::read(eve.to().join(landed)).unwrap(), name, "{landed}");
    }
    assert_eq!(below(&eve.to()), cases.iter().map(|(_, landed)| (*landed).to_owned()).collect());
    assert_eq!(fs::read_dir(eve.outside.path()).unwrap().count(), 1);
    eve.still_talks();
    let shown = String::from_utf8(eve.minji.raw_output()).unwrap();
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{200b}']), "{shown}");
}

#[test]
fn a_folder_with_a_path_out_of_it_is_refused_before_anything_is_written() {
    let mut eve = Eve::new();
    let deep = vec!["d"; 65].join("/");
    for path in ["../x", "/etc/cron.d/x", "a/../../x", "a//x", "./x", "..", "a/..", &deep] {
        let entries: [Entry<'_>; 2] = [(b"good", b"1"), (path.as_bytes(), b"2")];
        assert_eq!(eve.sends_folder(b"folder", &entries), Err(CancelReason::Damaged), "{path}");
        assert_eq!(below(eve.outside.path()), ["to".to_owned()].into(), "{path}");
    }
    eve.minji.sees("the list of a folder names a place outside of it");
    eve.still_talks();
}

#[test]
fn entries_of_one_name_are_numbered_and_none_hides_another() {
    let mut eve = Eve::new();
    let entries: [Entry<'_>; 9] = [
        (b"a/x.txt", b"1"),
        (b"a/x.txt", b"2"),
        (b"e\x1bvil", b"3"),
        (b"e\x07vil", b"4"),
        (b"dir", b"5"),
        (b"dir/y", b"6"),
        (b".ssh/authorized_keys", b"7"),
        ("\u{1112}\u{116c}".as_bytes(), b"8"),
        ("회".as_bytes(), b"9"),
    ];
    assert_eq!(eve.sends_folder(b"../folder", &entries), Ok(()));
    let landed = eve.to().join("folder");
    for (name, content) in [
        ("a/x.txt", "1"),
        ("a/x (2).txt", "2"),
        ("e_vil", "3"),
        ("e_vil (2)", "4"),
        ("dir (2)", "5"),
        ("dir/y", "6"),
        ("_.ssh/authorized_keys", "7"),
        ("회", "8"),
        ("회 (2)", "9"),
    ] {
        assert_eq!(fs::read_to_string(landed.join(name)).unwrap(), content, "{name}");
    }
    // Nine files, and three folders.
    assert_eq!(below(&landed).len(), 12);
}

#[test]
fn links_in_the_folder_are_neither_followed_nor_replaced() {
    let mut eve = Eve::new();
    let (to, secret) = (eve.to(), eve.outside.path().join("secret"));
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("key"), "mine").unwrap();
    symlink(secret.join("key"), to.join("file")).unwrap();
    symlink(&secret, to.join("folder")).unwrap();
    symlink(secret.join("new"), to.join("dangling")).unwrap();
    assert_eq!(eve.sends_file(b"file", b"x"), Ok(()));
    assert_eq!(eve.sends_file(b"dangling", b"x"), Ok(()));
    assert_eq!(eve.sends_folder(b"folder", &[(b"key", b"x")]), Ok(()));
    let links = ["dangling", "dangling (2)", "file", "file (2)", "folder", "folder (2)", "folder (2)/key"];
    assert_eq!(below(&to), links.map(str::to_owned).into());
    // A link that has the name of the part, and one to where it would be written.
    for target in [secret.join("key"), secret.join("new")] {
        let id = eve.offers(OfferKind::File, b"late", &[(b"late", b"x")]);
        symlink(target, eve.part()).unwrap();
        let order = format!(":accept {} {}", eve.offers, to.display());
        eve.minji.types(&order);
        eve.minji.sees_times("is not as it was left; move it away", usize::from(eve.offers) - 3, PATIENCE);
        let order = format!(":decline {}", eve.offers);
        eve.minji.types(&order);
        assert!(matches!(eve.receives(), TransferRecord::Decline { id: declined, .. } if declined == id));
    }
    eve.still_talks();
    assert_eq!(below(&secret), ["key".to_owned()].into());
    assert_eq!(fs::read_to_string(secret.join("key")).unwrap(), "mine");
}

#[test]
fn a_folder_that_becomes_a_link_while_it_is_received_leads_nowhere() {
    let mut eve = Eve::new();
    let victim = eve.outside.path().join("victim");
    fs::create_dir(&victim).unwrap();
    let entries: [Entry<'_>; 3] = [(b"a/1", b"1"), (b"b/2", b"2"), (b"a/3", b"3")];
    let id = eve.offers(OfferKind::Folder, b"folder", &entries);
    assert_eq!(eve.is_accepted(id, &entries), Ok(Position::START));
    eve.sends_entry(id, 0, b"1");
    let part = eve.part();
    eventually("the first file is there", PATIENCE, || part.join("a/1").exists());
    fs::rename(part.join("a"), part.join("moved")).unwrap();
    symlink(&victim, part.join("a")).unwrap();
    symlink(&victim, part.join("b")).unwrap();
    eve.sends_entry(id, 1, b"2");
    eve.sends_entry(id, 2, b"3");
    assert_eq!(eve.is_answered(), Err(CancelReason::CannotWrite));
    eve.minji.sees("folder from eve has stopped: cannot write ");
    eve.still_talks();
    assert_eq!(below(&victim), BTreeSet::new());
    assert!(!eve.to().join("folder").exists());
}

/// Breaks a rule in the middle of a transfer of 100 bytes, of which ten were sent.
type Breach = fn(TransferId) -> TransferRecord;

#[test]
fn contents_that_break_the_rules_end_the_connection_and_name_nothing() {
    let mut eve = Eve::new();
    let content = [7; 100];
    let breaches: [Breach; 10] = [
        |id| chunk(id, 0, 0, &[7; 10]),
        |id| chunk(id, 0, 9, &[7; 10]),
        |id| chunk(id, 0, 11, &[7; 10]),
        |id| chunk(id, 0, 10, &[7; 91]),
        |id| chunk(id, 1, 0, &[7; 10]),
        |id| TransferRecord::Hole { id, at: Position { entry: 0, offset: 10 }, length: 91 },
        |id| TransferRecord::Hole { id, at: Position { entry: 0, offset: 10 }, length: u64::MAX - 10 },
        |id| end(id, 0, &[7; 10]),
        |id| end(id, 1, &[]),
        |id| TransferRecord::EndOfFile { id, entry: u32::MAX, size: u64::MAX, root: [0; 32] },
    ];
    for (number, breach) in breaches.into_iter().enumerate() {
        let id = eve.offers(OfferKind::File, b"file", &[(b"file", &content)]);
        assert_eq!(eve.is_accepted(id, &[]), Ok(Position::START), "{number}");
        eve.sends(chunk(id, 0, 0, &content[..10]));
        eve.sends(breach(id));
        eve.is_cut_off();
        let order = format!(":cancel {}", eve.offers);
        eve.minji.types(&order);
        eve.minji.sees_times("cancelled file with eve", number + 1, PATIENCE);
    }
    let is_empty = || fs::read_dir(eve.to()).unwrap().count() == 0;
    eventually("the parts are removed", PATIENCE, is_empty);
    // Another content than the one that is said, and another offer with the same id.
    let id = eve.offers(OfferKind::File, b"file", &[(b"file", &content)]);
    assert_eq!(eve.is_accepted(id, &[]), Ok(Position::START));
    eve.sends(chunk(id, 0, 0, &content));
    eve.sends(end(id, 0, &[8; 100]));
    assert_eq!(eve.is_answered(), Err(CancelReason::Damaged));
    eve.minji.sees("arrived damaged; ask for it again");
    let id = eve.offers(OfferKind::File, b"file", &[(b"file", &content)]);
    let (kind, name) = (OfferKind::File, b"other".to_vec());
    eve.sends(TransferRecord::Offer(Offer { id, kind, entries: 1, total: 1, modified_ms: 0, name }));
    assert_eq!(eve.is_answered(), Err(CancelReason::Damaged));
    eve.still_talks();
    let is_empty = || fs::read_dir(eve.to()).unwrap().count() == 0;
    eventually("the parts are removed", PATIENCE, is_empty);
}

#[test]
fn an_offer_that_was_received_by_an_earlier_command_is_not_counted_by_the_next() {
    let (minji, outside) = (Home::of("민지"), tempfile::tempdir().unwrap());
    let to = outside.path().to_str().unwrap();
    for (offers, arrives) in [(&[1_u8][..], "1.txt"), (&[1, 2], "2.txt")] {
        let args = ["recv", "--listen", "127.0.0.1:0", "--accept-new", "--count", "1", "--files", to];
        let (mut recv, at) = minji.run(&args, Stdio::null()).and_where();
        let mut eve = HostilePeer::calls_taking_files(&at, "test-3.pem", "eve");
        for number in offers {
            let (id, kind, name) = (TransferId([*number; 16]), OfferKind::File, format!("{number}.txt"));
            let name = name.into_bytes();
            let offer = Offer { id, kind, entries: 1, total: 3, modified_ms: 0, name };
            eve.sends(&Record::Transfer(TransferRecord::Offer(offer)));
            loop {
                let Some(record) = eve.receives_in_time() else { panic!("{}", recv.complaints()) };
                match record {
                    Record::Transfer(TransferRecord::Accept { .. }) => {
                        eve.sends(&Record::Transfer(chunk(id, 0, 0, b"eve")));
                        eve.sends(&Record::Transfer(end(id, 0, b"eve")));
                    }
                    Record::Transfer(TransferRecord::Filed(filed)) => {
                        assert_eq!(filed, id);
                        break;
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(recv.ends(), 0, "{}", recv.complaints());
        let path = outside.path().join(arrives);
        assert_eq!(recv.output().lines().collect::<Vec<_>>(), [path.to_str().unwrap()]);
    }
}

#[test]
fn nothing_is_written_of_what_nobody_has_accepted() {
    let mut eve = Eve::new();
    let id = eve.offers(OfferKind::File, b"file", &[(b"file", b"content")]);
    eve.sends_entry(id, 0, b"content");
    eve.sends(TransferRecord::Filed(id));
    eve.still_talks();
    assert_eq!(below(eve.outside.path()), ["to".to_owned()].into());
    assert!(!eve.minji.home.path().join("Downloads").exists());
    // A peer that goes on with it is cut off.
    for _ in 0..40 {
        eve.sends(chunk(id, 0, 0, b"content"));
    }
    eve.minji.sees("lost eve: ");
}

#[test]
fn a_receiver_that_claims_what_was_not_sent_is_cut_off() {
    let mut eve = Eve::new();
    let file = eve.outside.path().join("movie.mkv");
    fs::write(&file, vec![5; 20_000_000]).unwrap();
    let order = format!(":send {}", file.display());
    let (mut seen, place) = (BTreeSet::new(), |entry, offset| Position { entry, offset });
    let breaches: [fn(TransferId, Position) -> TransferRecord; 2] =
        [|id, at| TransferRecord::Accept { id, at }, |id, at| TransferRecord::Have { id, at }];
    for (breach, at) in [
        (breaches[0], place(0, 20_000_001)),
        (breaches[0], place(2, 0)),
        (breaches[0], place(u32::MAX, u64::MAX)),
        (breaches[1], place(0, 19_999_999)),
        (breaches[1], place(1, 0)),
        (|id, _| TransferRecord::Filed(id), place(0, 0)),
        (breaches[0], place(0, 0)),
    ] {
        eve.minji.types(&order);
        // Those of before are offered again.
        let id = loop {
            if let TransferRecord::Offer(offer) = eve.receives()
                && seen.insert(offer.id)
            {
                break offer.id;
            }
        };
        if !matches!(breach(id, at), TransferRecord::Accept { at, .. } if at > place(0, 0)) {
            eve.sends(TransferRecord::Accept { id, at: place(0, 0) });
        }
        eve.sends(breach(id, at));
        eve.is_cut_off();
        eve.sends(TransferRecord::Cancel { id, reason: CancelReason::User });
        eve.minji.sees_times("eve cancelled movie.mkv", eve.calls, PATIENCE);
    }
}

/// What becomes of a file while it is sent.
type Change = fn(&Path);

#[test]
fn a_file_that_changes_while_it_is_sent_is_taken_back_and_one_that_is_removed_arrives() {
    let mut eve = Eve::new();
    let (file, content) = (eve.outside.path().join("movie.mkv"), vec![6; 12_000_000]);
    let open = |file: &Path| fs::File::options().write(true).open(file).unwrap();
    let changes: [(Change, bool); 4] = [
        (|file| fs::File::options().append(true).open(file).unwrap().write_all(b"x").unwrap(), false),
        (|file| fs::File::options().write(true).open(file).unwrap().set_len(11_000_000).unwrap(), false),
        (|file| fs::write(file, vec![7; 12_000_000]).unwrap(), false),
        (|file| fs::remove_file(file).unwrap(), true),
    ];
    for (number, (change, arrives)) in changes.into_iter().enumerate() {
        fs::write(&file, &content).unwrap();
        open(&file).set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let order = format!(":send {}", file.display());
        eve.minji.types(&order);
        let TransferRecord::Offer(Offer { id, .. }) = eve.receives() else { panic!("no offer") };
        eve.sends(TransferRecord::Accept { id, at: Position::START });
        // Not much more is sent before any of it is written.
        let (mut is_changed, mut reported) = (false, 0);
        let root = loop {
            let upto = match eve.receives() {
                TransferRecord::Chunk { at, bytes, .. } => at.offset + bytes.len() as u64,
                TransferRecord::EndOfFile { root, .. } => break Some(root),
                TransferRecord::Cancel { reason, .. } => {
                    assert_eq!(reason, CancelReason::SourceChanged);
                    break None;
                }
                other => panic!("{other:?}"),
            };
            if upto > 2_000_000 && !is_changed {
                is_changed = true;
                change(&file);
            }
            // Reports of a transfer that is over say nothing: few of them are borne.
            if is_changed && upto > reported + 1_000_000 {
                reported = upto;
                eve.sends(TransferRecord::Have { id, at: Position { entry: 0, offset: upto } });
            }
        };
        let whole = end(id, 0, &content);
        let arrived = root.map(|root| TransferRecord::EndOfFile { id, entry: 0, size: 12_000_000, root });
        assert_eq!(arrived, arrives.then_some(whole), "{number}");
        if arrives {
            eve.sends(TransferRecord::Filed(id));
            eve.minji.sees("eve has movie.mkv");
        } else {
            let said = "movie.mkv changed since it was offered; offer it again";
            eve.minji.sees_times(said, number + 1, PATIENCE);
        }
    }
    eve.still_talks();
}
