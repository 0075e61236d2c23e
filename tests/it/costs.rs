//! What one peer may cost, each shown by a peer that is honest until its handshake is done.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rsachat::crypto::Fingerprint;
use rsachat::wire::{ByeReason, Purpose, Record};
use rustix::process::Signal;

use crate::support::hostile_peer::HostilePeer;
use crate::support::{Home, PATIENCE, Process, call, eventually};

/// Resident memory of a process, in bytes.
fn resident(process: &Process) -> usize {
    process.memory_kib("VmRSS:") * 1024
}

/// Sends as long as the other side takes bytes, at most this many.
fn send_while_taken(peer: &mut HostilePeer, most: usize, mut next: impl FnMut(&mut HostilePeer) -> Vec<u8>) {
    peer.stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut sent = 0;
    while sent < most {
        let bytes = next(peer);
        sent += bytes.len();
        match peer.stream.write_all(&bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_peer_that_asks_and_never_reads_costs_bounded_memory_and_disturbs_nobody() {
    let (mut minji, mut junho, at) = Process::pair("민지", "준호");
    let mut hostile = HostilePeer::calls(&at, "test-3.pem", "eve", Purpose::Chat);
    junho.sees("eve joined");
    let before = resident(&junho);
    let since = Instant::now();
    // A text between the pings, so that they are not idle records in a row.
    send_while_taken(&mut hostile, 64 << 20, |peer| {
        let mut bytes = peer.sealed_text(b"x");
        for number in 0..20 {
            bytes.extend(peer.sealed(&Record::Ping(number)));
        }
        bytes
    });
    let more = resident(&junho).saturating_sub(before);
    assert!(more < 8 << 20, "{more} bytes more after {:?}", since.elapsed());
    minji.types("아직 있어요?");
    junho.sees("민지: 아직 있어요?");
    junho.types(":to 민지");
    junho.types("있어요");
    minji.sees("준호: 있어요");
    // What is owed by now is owed once: behind what the kernel holds comes one Pong, no backlog.
    let mut pongs = 0;
    hostile.stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    while let Some(record) = hostile.receives_in_time() {
        pongs += usize::from(matches!(record, Record::Pong(_)));
    }
    assert!(pongs > 0, "pings are answered");
    eventually("the memory stays", PATIENCE, || resident(&junho).saturating_sub(before) < 8 << 20);
}

#[test]
fn messages_of_newlines_cost_no_more_than_their_share_of_the_history() {
    let (junho, at) = Process::listening("준호");
    let mut hostile = HostilePeer::calls(&at, "test-3.pem", "eve", Purpose::Chat);
    hostile.says("first");
    junho.sees("eve: first");
    let before = resident(&junho);
    let newlines = "\n".repeat(16_384);
    for _ in 0..300 {
        hostile.says(&newlines);
    }
    hostile.says("last");
    junho.sees("eve: last");
    let more = resident(&junho).saturating_sub(before);
    assert!(more < 24 << 20, "{more} bytes more");
}

#[test]
fn a_pipe_ends_when_more_is_confirmed_than_was_sent() {
    let home = Home::of("준호");
    let mut pipe = home.run(&["pipe", "--listen", "127.0.0.1:0", "--accept-new", "-v"], Stdio::piped());
    let at = pipe.listens_at();
    let mut hostile = HostilePeer::calls(&at, "test-3.pem", "eve", Purpose::Pipe);
    hostile.sends(&Record::Stored { total: 1 });
    assert_eq!(pipe.ends(), 5);
    pipe.complains("0 bytes sent, 0 of them confirmed");
}

#[test]
fn a_command_inherits_the_standard_descriptors_and_no_other() {
    let home = Home::of("준호");
    let secret = home.private("secret", "열려라 참깨\n");
    let script = r#"exec "$0" --home "$1" --passphrase-fd 7 recv --listen 127.0.0.1:0 --accept-new --count 1 \
        --exec 'ls -l /proc/self/fd' 7<"$2" 9<"$2" 5>/dev/null"#;
    let mut recv = home.shell(script, secret.to_str().unwrap(), Stdio::null());
    let at = recv.listens_at();
    let mut hostile = HostilePeer::calls(&at, "test-3.pem", "eve", Purpose::Chat);
    hostile.says("x");
    assert_eq!(recv.ends(), 0);
    let numbers = |row: &str| row.split(" -> ").next()?.split(' ').next_back()?.parse::<u32>().ok();
    let mut open: Vec<_> =
        recv.output().lines().filter(|row| row.contains(" -> ")).filter_map(numbers).collect();
    open.sort_unstable();
    // The last is the folder that is listed.
    assert_eq!(open, [0, 1, 2, 3], "{}", recv.output());
    assert!(!recv.output().contains("secret"), "{}", recv.output());
}

/// A book of this many strangers who all called themselves bob.
fn book_of_namesakes(count: u32) -> String {
    let row = |number: u32| {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let key = Fingerprint::of(&number.to_be_bytes());
        format!("bob{suffix} {key} unverified\n")
    };
    (1..=count).map(row).collect()
}

#[test]
fn a_stranger_joins_a_book_of_ten_thousand_namesakes_at_once_and_under_a_name_of_its_own() {
    let home = Home::of("준호");
    home.private("peers", book_of_namesakes(10_000));
    let junho = home.start(&["--listen", "127.0.0.1:0"]);
    let at = junho.listens_at();
    let mut stranger = HostilePeer::calls(&at, "test-3.pem", "bob", Purpose::Chat);
    stranger.says("hello");
    let said = junho.sees(": hello");
    let name = said.split_once(": hello").unwrap().0.rsplit(' ').next().unwrap();
    assert!(!fs::read_to_string(home.file("peers")).unwrap().starts_with(&format!("{name} ")), "{said}");
    assert!(name.starts_with("bob") && name != "bob", "{said}");
}

#[test]
fn as_many_peers_as_were_asked_for_have_a_seat_and_no_more() {
    let recv = Home::of("준호")
        .run(&["recv", "--listen", "127.0.0.1:0", "--accept-new", "--peers", "2", "-v"], Stdio::null());
    let at = recv.listens_at();
    let keys = ["test-1.pem", "test-3.pem"];
    let peers = keys.map(|key| HostilePeer::calls(&at, key, "eve", Purpose::Chat));
    let mut third = call(&at);
    assert_eq!(third.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
    recv.complains("as many connections are open as this program may hold");
    drop(peers);
}

/// Whether a process of this number lives.
fn lives(number: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{number}/stat"));
    state.is_ok_and(|state| !state.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

#[test]
fn a_slow_command_holds_up_nobody_else_and_does_not_outlive_the_program() {
    let home = Home::of("준호");
    let (numbers, served) = (home.file("numbers"), home.file("served"));
    let command = format!(
        "text=$(head -c 5); if [ $text = slow1 ]; then echo $$ >> {}; sleep 600; else echo $text >> {}; fi",
        numbers.display(),
        served.display()
    );
    let args = ["recv", "--listen", "127.0.0.1:0", "--accept-new", "--exec", &command];
    let mut recv = home.run(&args, Stdio::null());
    let at = recv.listens_at();
    let mut eve = HostilePeer::calls(&at, "test-3.pem", "eve", Purpose::Chat);
    eve.says("slow1");
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    eventually("the slow command runs", PATIENCE, || read(&numbers).ends_with('\n'));
    // More than may wait for her, and for everybody.
    send_while_taken(&mut eve, 16 << 20, |peer| peer.sealed_text(&[b'x'; 16_000]));
    let mut bob = HostilePeer::calls(&at, "test-1.pem", "bob", Purpose::Chat);
    bob.says("quick");
    assert_eq!(bob.receives(), Record::Receipt { upto: 1 });
    assert_eq!(read(&served), "quick\n", "the others of eve wait for the first");
    recv.signal(Signal::TERM);
    assert_eq!(recv.ends(), 143);
    let number = read(&numbers);
    eventually("the command is gone", PATIENCE, || !lives(number.trim()));
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_what_it_started_and_its_sender_told() {
    let home = Home::of("준호");
    let numbers = home.file("numbers");
    let command = format!("sleep 600 & echo $! > {}; wait", numbers.display());
    let args =
        ["recv", "--listen", "127.0.0.1:0", "--accept-new", "--exec-timeout", "1s", "--exec", &command];
    let recv = home.run(&args, Stdio::null());
    let mut eve = HostilePeer::calls(&recv.listens_at(), "test-3.pem", "eve", Purpose::Chat);
    eve.says("x");
    assert_eq!(eve.receives(), Record::Bye(ByeReason::OutputFailed));
    recv.complains("the command took longer than --exec-timeout and was killed");
    let number = fs::read_to_string(&numbers).unwrap();
    eventually("what it started is gone", PATIENCE, || !lives(number.trim()));
}
