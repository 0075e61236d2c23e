//! Files between two prompts, in one process and in two, cut, killed and cancelled at seeded bytes: what has a
//! name is what was sent, and what was cancelled leaves nothing behind.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::replay::{connected, replay};
use crate::support::{Home, PATIENCE, eventually};

/// Cuts and kills of one file after another.
const FAULTS: usize = 200;

/// Reproducible choices (splitmix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

/// What interrupts it.
#[derive(Clone, Copy)]
enum Fault {
    Cut,
    KillOfSender,
    KillOfReceiver,
}

/// Bytes of the file, and of those in the folder.
const FILE: u64 = 600 << 10;
const FOLDER: u64 = 500 << 10;
/// Most bytes of the sender, and of the receiver, before a fault; every connection has so many.
const SENT: u64 = 60_000;
const ANSWERED: u64 = 3_000;
/// Bytes of Accept, the last Have and Filed.
const ACCEPTED: u64 = 3 * 274;

/// A script in which Alice sends to Bob, and both come back after every fault.
struct Story {
    script: String,
    seeded: Seeded,
    listened: usize,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut script = format!("@lenient\n{}", connected());
        for file in ["movie.mkv fill 600KiB", "album/1.jpg fill 250KiB", "album/2.jpg fill 250KiB"] {
            writeln!(script, "@file alice/{file}").unwrap();
        }
        script.push_str("@file alice/album/none <<END\nEND\nalice> hi\nbob> hi\n");
        Self { script, seeded: Seeded(seed), listened: 1 }
    }

    fn step(&mut self, line: &str) {
        writeln!(self.script, "{line}").unwrap();
    }

    fn connects(&mut self) {
        let number = if self.listened == 1 { String::new() } else { self.listened.to_string() };
        self.step(&format!("bob> :connect 127.0.0.1:${{alice.port{number}}}"));
    }

    /// Interrupts the next connection, on which at least so many bytes of the transfer are to come.
    /// Returns how many are still to come.
    fn fault(&mut self, fault: Fault, left: u64) -> u64 {
        let is_sender = self.seeded.below(8) > 0;
        let (from, bytes) = if is_sender { ("alice bob", SENT.min(left)) } else { ("bob alice", ANSWERED) };
        let bytes = 1 + self.seeded.below(bytes - 1);
        // Before an answer everything may have come.
        let left = if is_sender { left - bytes } else { 0 };
        let kills = match fault {
            Fault::Cut => {
                self.step(&format!("@cut {from} after {bytes}"));
                self.connects();
                return left;
            }
            Fault::KillOfSender => "alice",
            Fault::KillOfReceiver => "bob",
        };
        self.step(&format!("@hold {from} after {bytes}"));
        self.connects();
        for line in [format!("@kill {kills}"), format!("@release {from}"), format!("@start {kills}")] {
            self.step(&line);
        }
        if kills == "alice" {
            self.step("alice> :listen 0");
            self.listened += 1;
        }
        left
    }
}

/// Sends again and again, until there were so many faults. Every transfer has one as it is accepted,
/// others as it goes on, and the last when the file may be whole.
fn arrives_whole(seed: u64, kind: Kind, faults: &[Fault], count: usize) {
    let mut story = Story::new(seed);
    let (what, size) = match kind {
        Kind::File => ("movie.mkv", FILE),
        Kind::Folder => ("album", FOLDER),
    };
    let (mut done, mut number) = (0, 0);
    while done < count {
        number += 1;
        story.step(&format!("alice> :send {what}"));
        let mut left = if story.seeded.below(3) > 0 {
            let sent = 1 + story.seeded.below(SENT);
            story.step(&format!("@cut alice bob after {sent}"));
            size - sent
        } else {
            let answered = 1 + story.seeded.below(ACCEPTED);
            story.step(&format!("@cut bob alice after {answered}"));
            0
        };
        story.step(&format!("bob> :accept {number} ~/{number}"));
        done += 1;
        while left > SENT / 2 {
            let fault = story.seeded.one_of(faults);
            left = story.fault(fault, left);
            done += 1;
            if left > SENT / 2 {
                story.step(&format!("@absent bob/{number}"));
            }
        }
        story.connects();
        for name in if kind == Kind::File { &[""][..] } else { &["/1.jpg", "/2.jpg", "/none"] } {
            story.step(&format!("@same alice/{what}{name} bob/{number}{name}"));
        }
        story.step("alice> :files\nalice| * no files are offered\nbob> still here\nalice| bob: still here");
    }
    replay(&story.script, &[]).passes();
}

#[test]
fn a_file_that_is_cut_at_a_hundred_bytes_arrives_as_it_was() {
    arrives_whole(1, Kind::File, &[Fault::Cut], FAULTS / 2);
}

#[test]
fn a_folder_that_is_cut_at_a_hundred_bytes_arrives_as_it_was() {
    arrives_whole(2, Kind::Folder, &[Fault::Cut], FAULTS / 2);
}

#[test]
fn a_file_whose_sender_and_receiver_are_killed_at_any_byte_arrives_as_it_was() {
    let faults = [Fault::KillOfSender, Fault::KillOfSender, Fault::KillOfReceiver, Fault::Cut];
    arrives_whole(3, Kind::File, &faults, FAULTS / 4);
}

#[test]
fn a_folder_whose_sender_and_receiver_are_killed_at_any_byte_arrives_as_it_was() {
    let faults = [Fault::KillOfSender, Fault::KillOfSender, Fault::KillOfReceiver, Fault::Cut];
    arrives_whole(4, Kind::Folder, &faults, FAULTS / 4);
}

/// When a transfer is ended, by whom.
const ENDS: [&str; 5] = [
    "bob> :decline",
    "alice> :cancel",
    "bob> :cancel",
    "@start bob\nbob> :cancel",
    "@start alice\nalice> :cancel",
];

#[test]
fn a_transfer_that_either_side_ends_at_any_byte_leaves_no_file_and_no_offer() {
    let mut story = Story::new(5);
    for number in 1..=60 {
        let what = story.seeded.one_of(&["movie.mkv", "album"]);
        story.step(&format!("alice> :send {what}"));
        let end = story.seeded.one_of(&ENDS[..3]);
        let bytes = story.seeded.below(FOLDER);
        match story.seeded.below(4) {
            0 => story.step(&format!("{end} {number}")),
            1 => {
                story.step(&format!("@hold alice bob after {bytes}\nbob> :accept {number} ~/{number}"));
                story.step(&format!("{end} {number}\n@release alice bob"));
            }
            2 => {
                story.step(&format!("@cut alice bob after {bytes}\nbob> :accept {number} ~/{number}"));
                story.step(&format!("{end} {number}"));
                story.connects();
            }
            _ => {
                let end = story.seeded.one_of(&ENDS[3..]);
                let killed = if end.starts_with("@start bob") { "bob" } else { "alice" };
                story.step(&format!("@hold alice bob after {bytes}\nbob> :accept {number} ~/{number}"));
                story.step(&format!("@kill {killed}\n@release alice bob\n{end} {number}"));
                if killed == "alice" {
                    story.step("alice> :listen 0");
                    story.listened += 1;
                }
                story.connects();
            }
        }
        story.step(&format!("@absent bob/{number}"));
        story.step("alice> :files\nalice| * no files are offered\nbob> :files");
        // Bob remembers what is over, and nothing else.
        story.step("bob|! $*KiB  accepted\nbob|! $*KiB  offered\nbob|! $*KiB  stopped\nbob|! $* %");
        story.step("bob> still here\nalice| bob: still here\nalice> still here\nbob| alice: still here");
    }
    replay(&story.script, &[]).passes();
}

#[test]
fn two_files_a_folder_and_a_chat_go_over_one_connection_at_once() {
    let mut story = Story::new(6);
    story.step("@file bob/song.flac fill 700KiB\nalice> :to bob\nbob> :send song.flac");
    story.step("alice> :send movie.mkv album\n@hold alice bob after 100000\n@hold bob alice after 100000");
    story.step("@together\nalice> :accept 1\nbob> :accept 2\nbob> :accept 3\n@end");
    for number in 0..20 {
        story.step(&format!("alice> a{number}\nbob> b{number}"));
    }
    story.step("@release alice bob\nbob| alice: a0\nbob| $**\nbob| alice: a19\nbob| $**");
    story.step(
        "@release bob alice\nalice| $**\nalice| bob: b0\nalice| $**\nalice| bob: b19\nalice| $**\nbob| $**",
    );
    story.step("@same alice/movie.mkv bob/inbox/movie.mkv\n@same alice/album/2.jpg bob/inbox/album/2.jpg");
    story.step("@same bob/song.flac alice/inbox/song.flac");
    replay(&story.script, &[]).passes();
}

/// Bytes of a file whose sender or receiver is killed, and how often.
const KILLED_BYTES: usize = 2 << 20;
const KILLS: u64 = 8;

/// Bytes of what has arrived and has no name yet; `None` where there is no such part.
fn part_bytes(folder: &Path) -> Option<u64> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut parts = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".part"));
    // One that gets its name meanwhile is gone.
    parts.next()?.metadata().ok().map(|part| part.len())
}

/// Which of two prompts has called, and is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Killed {
    Sender,
    Receiver,
}

/// Kills one of two prompts early, late, and as the file gets its name.
fn only_what_is_whole_has_a_name(killed: Killed, number: u64) {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir().unwrap());
    let (from, to) = (outside.path().join("from"), outside.path().join("to"));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    let (mut seeded, is_receiver) = (Seeded(number), killed == Killed::Receiver);
    let content: Vec<u8> = (0..KILLED_BYTES / 8).flat_map(|_| seeded.below(u64::MAX).to_be_bytes()).collect();
    let (mut listens, at) = minji.start(&["--listen", "127.0.0.1:0"]).and_where();
    let mut calls = hana.start(&["--connect", &at]);
    calls.types("안녕");
    listens.sees("안녕");
    listens.types("@하나 응");
    calls.sees("응");
    for number in 1..=KILLS {
        let name = format!("{number}.bin");
        let (source, target) = (from.join(&name), to.join(&name));
        fs::write(&source, &content).unwrap();
        let send = format!(":send {} --to {}", source.display(), if is_receiver { "하나" } else { "민지" });
        let (sender, receiver) =
            if is_receiver { (&mut listens, &mut calls) } else { (&mut calls, &mut listens) };
        sender.types(&send);
        receiver.sees(&format!("offers {name}"));
        receiver.types(&format!(":accept {number} {}", to.display()));
        let moment = seeded.below(KILLED_BYTES as u64 + (KILLED_BYTES as u64 / 4));
        let is_due = || target.exists() || part_bytes(&to).is_some_and(|bytes| bytes >= moment);
        eventually("so much has come", PATIENCE, is_due);
        calls.signal(Signal::KILL);
        calls.ends();
        assert!(!is_receiver || !target.exists() || fs::read(&target).unwrap() == content, "{name}");
        calls = hana.start(&["--connect", &at]);
        if is_receiver {
            listens.sees(&format!("하나 has {name}"));
        } else {
            listens.sees(&format!("received {}", target.display()));
        }
        assert!(fs::read(&target).unwrap() == content, "{name}");
        assert_eq!(part_bytes(&to), None);
    }
    assert_eq!(fs::read_dir(&to).unwrap().count() as u64, KILLS);
}

#[test]
fn a_receiver_that_is_killed_at_any_moment_names_only_what_is_whole() {
    only_what_is_whole_has_a_name(Killed::Receiver, 8);
}

#[test]
fn of_a_sender_that_is_killed_at_any_moment_only_what_is_whole_has_a_name() {
    only_what_is_whole_has_a_name(Killed::Sender, 9);
}
