//! Store of messages, received files, and the program around them, in processes of their own: killed at every system
//! call that writes, on a full disk, and twice in one home. Where the system has no tracer, or no namespace for a small disk,
//! these tests are listed as ignored, by name.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails there")]

mod files;
#[expect(clippy::unnecessary_wraps, reason = "a trial returns a result")]
mod program;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use rsachat::crypto::{Fingerprint, Identity};
use rsachat::delivery::{Chain, Content, OutboxRow, PairChange, Pairs, StoreChange};
use rsachat::store::{Home, MessageStore, OpenedStore, StoreError};
use rsachat::time::UnixMs;

/// Commits of one writer.
const COMMITS: u64 = 6;
/// Calls of the system at which a writer is killed.
const CALLS: [&str; 5] = ["openat", "pwrite64", "ftruncate", "fdatasync", "rename"];
/// First argument of this program as a process that a test starts, before the home.
const WRITER: &str = "--writer";
const FULL: &str = "--full";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some(WRITER), Some(home)) => return writer(Path::new(&home)),
        (Some(FULL), Some(home)) => return full(Path::new(&home)),
        (Some(files::RECEIVER), Some(folder)) => return files::receiver(Path::new(&folder)),
        (Some(files::FULL), Some(folder)) => return files::full(Path::new(&folder)),
        _ => {}
    }
    let traces = works(Command::new("strace").args(["-o", "/dev/null", "true"]));
    let mounts = works(small_disk(Path::new("/tmp")).arg("true"));
    let tests = vec![
        Trial::test("a_second_process_is_told_that_the_store_is_open", second),
        Trial::test("a_writer_that_is_killed_at_random_loses_nothing", killed),
        Trial::test("a_writer_that_is_killed_at_any_call_of_the_system_loses_nothing", traced)
            .with_ignored_flag(!traces),
        Trial::test("a_disk_of_96_kib_is_filled_and_emptied_again_and_again", filled)
            .with_ignored_flag(!mounts),
        Trial::test("a_key_is_whole_or_not_there_wherever_its_making_is_killed", program::keygen)
            .with_ignored_flag(!traces),
        Trial::test("a_book_is_as_before_or_as_after_wherever_its_change_is_killed", program::book)
            .with_ignored_flag(!traces),
        Trial::test("a_sender_that_is_killed_at_any_commit_loses_nothing_that_it_accepted", program::sender)
            .with_ignored_flag(!traces),
        Trial::test("a_receiver_that_is_killed_at_any_commit_loses_nothing", program::receiver)
            .with_ignored_flag(!traces),
        Trial::test("what_a_failing_disk_does_not_keep_comes_back_and_the_rest_arrives", program::errors)
            .with_ignored_flag(!traces),
        Trial::test("what_a_failing_disk_does_not_take_back_is_said_to_wait", program::not_taken_back)
            .with_ignored_flag(!traces),
        Trial::test("a_home_of_96_kib_gives_back_what_does_not_fit", || program::small(small_disk))
            .with_ignored_flag(!mounts),
        Trial::test("of_what_comes_at_once_a_home_of_96_kib_keeps_the_first", || {
            program::first_lines(small_disk)
        })
        .with_ignored_flag(!mounts),
        Trial::test("a_home_of_96_kib_takes_as_many_lines_once_others_are_taken_back_or_there", || {
            program::emptied(small_disk)
        })
        .with_ignored_flag(!mounts),
        Trial::test(
            "what_a_full_home_cannot_keep_waits_at_its_sender_and_comes_by_itself_once_there_is_room",
            || program::receiver_without_room(small_disk),
        )
        .with_ignored_flag(!mounts),
        Trial::test("a_home_served_on_a_full_disk_keeps_messages_and_serves_once_there_is_room", || {
            program::opened_later(small_disk)
        })
        .with_ignored_flag(!mounts),
        Trial::test("what_is_received_is_whole_or_has_no_name_wherever_its_naming_is_killed", files::named)
            .with_ignored_flag(!traces),
        Trial::test("what_is_received_on_a_full_disk_goes_on_once_there_is_room", || {
            files::filled(small_disk)
        })
        .with_ignored_flag(!mounts),
        Trial::test("of_two_prompts_started_at_once_no_line_is_lost", program::two_at_once),
        Trial::test("a_damaged_store_is_put_aside_loudly_and_a_fresh_one_serves", program::damaged),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn works(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A command in a namespace with a small disk at `folder`; its words follow.
fn small_disk(folder: &Path) -> Command {
    let mut command = Command::new("unshare");
    let mount = r#"mount -t tmpfs -o size=96k,mode=700 none "$1" && shift && exec "$@""#;
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]).arg(folder);
    command
}

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn open(home: &Path) -> Result<OpenedStore, StoreError> {
    let identity = Identity::from_pem(include_str!("../keys/alice-2048.pem"), None).unwrap();
    MessageStore::open(&Home::at(home.to_owned()), &identity)
}

fn peer() -> Fingerprint {
    Fingerprint::of(b"bob")
}

fn text(number: u64) -> String {
    format!("line {number}").repeat(40)
}

fn queue(number: u64) -> StoreChange {
    let content = Content::Text(text(number).into());
    let row = OutboxRow { typed: UnixMs(number), content, chain: Chain::START, expires: None };
    StoreChange { peer: peer(), change: PairChange::Queue(number, row) }
}

fn unqueue(number: u64) -> StoreChange {
    StoreChange { peer: peer(), change: PairChange::Unqueue(number) }
}

fn numbers(pairs: &Pairs) -> BTreeSet<u64> {
    pairs.get(&peer()).map(|pair| pair.outbox.keys().copied().collect()).unwrap_or_default()
}

/// Commits line after line behind the last one that is there, and says each once it is on disk.
fn writer(home: &Path) -> ExitCode {
    let OpenedStore { mut store, pairs, put_aside } = open(home).unwrap();
    assert_eq!(put_aside, None);
    let first = numbers(&pairs).last().map_or(0, |last| last + 1);
    for number in first..first + COMMITS {
        store.commit(&[queue(number)]).unwrap();
        let mut output = std::io::stdout().lock();
        writeln!(output, "{number}").and_then(|()| output.flush()).unwrap();
    }
    ExitCode::SUCCESS
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// What a writer said was on disk.
fn said(writer: &mut Child) -> Vec<u64> {
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| line.parse().ok()).collect()
}

/// Asserts that every line that was said to be there is, whole, and at most one more of this writer.
fn check(home: &Path, said: &BTreeSet<u64>, what: &str) -> BTreeSet<u64> {
    let opened = open(home).unwrap();
    assert_eq!(opened.put_aside, None, "{what}");
    let found = numbers(&opened.pairs);
    let unsaid: Vec<u64> = found.difference(said).copied().collect();
    assert!(found.is_superset(said) && unsaid.len() <= 1, "{what}: {said:?} said, {found:?} found");
    for (number, row) in opened.pairs.get(&peer()).into_iter().flat_map(|pair| &pair.outbox) {
        assert_eq!(row.content, Content::Text(text(*number).into()), "{what}");
    }
    found
}

fn second() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let home = folder.path().join("home");
    let opened = open(&home)?;
    let refused = Command::new(this_program()).arg(WRITER).arg(&home).output()?;
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("Held"), "{words}");
    drop(opened);
    assert!(works(Command::new(this_program()).arg(WRITER).arg(&home)));
    assert_eq!(numbers(&open(&home)?.pairs).len() as u64, COMMITS);
    Ok(())
}

fn killed() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let home = folder.path().join("home");
    let mut known = BTreeSet::new();
    for round in 0..12 {
        let mut child = start(Command::new(this_program()).arg(WRITER).arg(&home));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.by_ref().take(round % 5) {
            known.insert(line.unwrap().parse().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        known.extend(lines.map_while(Result::ok).filter_map(|line| line.parse::<u64>().ok()));
        known = check(&home, &known, &format!("round {round}"));
    }
    Ok(())
}

fn traced() -> Result<(), Failed> {
    let mut kills = 0;
    for call in CALLS {
        for number in 1.. {
            let folder = tempfile::tempdir()?;
            let home = folder.path().join("home");
            let mut command = Command::new("strace");
            command.args(["-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={call}"));
            command.arg("-e").arg(format!("inject={call}:signal=KILL:when={number}"));
            let mut child = start(command.arg(this_program()).arg(WRITER).arg(&home));
            let said = said(&mut child).into_iter().collect();
            let ended = child.wait().unwrap();
            check(&home, &said, &format!("{call} {number}"));
            if ended.success() {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills > 40, "{kills} kills");
    Ok(())
}

fn filled() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut command = small_disk(folder.path());
    let ran = command.arg(this_program()).arg(FULL).arg(folder.path().join("home")).output()?;
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}

/// Fills the disk and empties it again, twice, and is as good as new.
fn full(home: &Path) -> ExitCode {
    let mut store = open(home).unwrap().store;
    let mut counts = Vec::new();
    for round in 0..3 {
        let mut kept = BTreeSet::new();
        let failed = loop {
            let number = kept.len() as u64;
            assert!(number < 1_000, "the disk is not small");
            match store.commit(&[queue(number)]) {
                Ok(()) => drop(kept.insert(number)),
                Err(failed) => break failed,
            }
        };
        let why = failed.why.to_string();
        assert!(why.contains("no space left on device; make room"), "{why}");
        // The text goes back into its line, and the store goes on with what it has.
        assert_eq!(numbers(&failed.pairs.expect("it is read again on a full disk")), kept);
        counts.push(kept.len());
        for number in kept {
            store.commit(&[unqueue(number)]).unwrap_or_else(|failed| panic!("{round}, {number}: {failed}"));
        }
    }
    assert!(counts.iter().all(|count| *count >= 20), "{counts:?}");
    drop(store);
    let OpenedStore { pairs, put_aside, .. } = open(home).unwrap();
    assert_eq!((numbers(&pairs), put_aside), (BTreeSet::new(), None));
    ExitCode::SUCCESS
}
