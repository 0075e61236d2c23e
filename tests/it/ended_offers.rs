//! Transfers that are forgotten or cancelled: they do not come back, leave nothing on the disk, and
//! the other side hears of it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::replay::replay;
use crate::support::{Home, PATIENCE, Process, eventually};
use crate::transfers::acquainted;

/// Files of a folder that is cancelled once half of them are there: removing them takes a while.
const FILES: usize = 4_000;

/// Whether anything is in a folder.
fn holds_nothing(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

/// Files in the part of a folder.
fn files_of_part(folder: &Path) -> usize {
    let part = fs::read_dir(folder).unwrap().next();
    part.map_or(0, |part| fs::read_dir(part.unwrap().path()).map_or(0, Iterator::count))
}

#[test]
fn what_was_taken_back_while_the_two_were_apart_is_told_however_many_there_are() {
    let offers = 60;
    let mut script = String::from("@actors alice bob\n@file bob/n.txt <<END\none of many\nEND\n");
    script += "alice> :listen 0\nbob> :connect 127.0.0.1:${alice.port}\nalice> :to bob\n";
    writeln!(script, "bob> :send{}\nbob> :close", " n.txt".repeat(offers)).unwrap();
    for number in 1..=offers {
        writeln!(script, "alice> :accept {number}").unwrap();
    }
    script += "bob> :forget alice\nbob| * dropped 60 offers between you and alice\nbob| $**\n";
    script += "bob> :connect 127.0.0.1:${alice.port}\n";
    for _ in 0..offers {
        script += "alice| $**\nalice| ! bob cancelled n.txt\n";
    }
    script +=
        "bob> still here\nalice| bob: still here\nalice> :files\nalice|! $*bytes  accepted\nalice| $**\n";
    replay(&script, &[]).passes();
}

#[test]
fn what_a_peer_offered_before_it_was_forgotten_does_not_come() {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir().unwrap());
    let (mut listens, mut calls) = acquainted(&minji, &hana);
    let at = listens.listens_at();
    let (file, to) = (outside.path().join("movie.mkv"), outside.path().join("to"));
    fs::write(&file, vec![7; 64 << 20]).unwrap();
    fs::create_dir(&to).unwrap();
    calls.types(&format!(":send {}", file.display()));
    listens.sees("(:accept 1, :decline 1)");
    listens.types(&format!(":send {} --to 하나", file.display()));
    calls.sees("민지 offers movie.mkv");
    listens.types(&format!(":accept 1 {}", to.display()));
    eventually("the transfer has begun", PATIENCE, || !holds_nothing(&to));
    listens.signal(Signal::KILL);
    listens.ends();
    minji.answer(&["peers", "forget", "하나"]);
    calls.ends();
    let mut again = minji.start(&["--listen", &at]);
    again.sees("dropped 2 offers between you and SHA256:");
    let calls = hana.start(&["--connect", &at]);
    again.sees("하나 joined");
    calls.sees("declined movie.mkv: files are taken only from peers that were chosen there");
    again.types(":files");
    again.sees("no files are offered");
    eventually("what had arrived is removed", PATIENCE, || holds_nothing(&to));
}

/// A folder of many files, which Minji cancels while it comes. However her prompt ends then, what
/// has arrived is removed before that, or once it is started again.
fn leaves_nothing_of_what_is_cancelled(ends: impl FnOnce(&mut Process, &Process)) {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir().unwrap());
    let (mut listens, mut calls) = acquainted(&minji, &hana);
    let (from, to) = (outside.path().join("many"), outside.path().join("to"));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    for number in 0..FILES {
        fs::write(from.join(number.to_string()), "n").unwrap();
    }
    calls.types(&format!(":send {}", from.display()));
    listens.sees("(:accept 1, :decline 1)");
    listens.types(&format!(":accept 1 {}", to.display()));
    eventually("half of it has come", PATIENCE, || files_of_part(&to) >= FILES / 2);
    listens.types(":cancel 1");
    ends(&mut listens, &calls);
    listens.ends();
    let again = minji.start(&["--listen", "127.0.0.1:0"]);
    again.listens_at();
    eventually("what had arrived is removed", PATIENCE, || holds_nothing(&to));
}

#[test]
fn nothing_is_left_of_what_is_cancelled_before_the_program_ends() {
    leaves_nothing_of_what_is_cancelled(|listens, _| listens.types(":quit"));
}

#[test]
fn nothing_is_left_of_what_is_cancelled_before_the_program_is_killed() {
    leaves_nothing_of_what_is_cancelled(|listens, calls| {
        listens.types("it is cancelled");
        // A text leaves once everything before it is on disk.
        calls.sees("it is cancelled");
        listens.signal(Signal::KILL);
    });
}
