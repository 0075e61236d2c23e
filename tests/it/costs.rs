//! What one peer may cost, each shown by a peer that is honest until its handshake is done.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rsachat::crypto::{Fingerprint, Identity};
use rsachat::wire::{ByeReason, Purpose, Record};
use rustix::process::Signal;

use crate::support::hostile_peer::HostilePeer;
use crate::support::wire::call_from;
use crate::support::{Home, PATIENCE, Process, eventually, read};

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
fn strangers_of_one_network_have_half_of_the_seats_at_most_and_make_room_for_others() {
    let home = Home::of("준호");
    let known = identity("test-1.pem");
    home.private("peers", format!("민지 {} verified\n", known.public().fingerprint()));
    let args = ["recv", "--listen", "127.0.0.1:0", "--accept-new", "--peers", "4", "-v"];
    let recv = home.run(&args, Stdio::null());
    let at = recv.listens_at();
    let joins =
        |key: &str, source| HostilePeer::joins(&at, &identity(key), "eve", Purpose::Chat, source).unwrap();
    let leaving = Record::Bye(ByeReason::Leaving);
    // Addresses that differ in the last byte are one source.
    let mut first = joins("test-3.pem", 1);
    let mut second = joins("alice-2048.pem", 2);
    let mut third = joins("bob-2048.pem", 3);
    assert_eq!(third.receives(), leaving, "the newest of the only source goes");
    recv.complains("too many callers that you have not chosen are connected from there");
    let mut other = joins("bob-2048.pem", 600);
    assert_eq!(second.receives(), leaving, "the newest of the source with most makes room");
    let mut minji = HostilePeer::joins(&at, &known, "민지", Purpose::Chat, 4).unwrap();
    minji.says("안녕");
    recv.sees("안녕");
    for peer in [&mut first, &mut other] {
        peer.says("still here");
    }
    recv.sees_times("still here", 2, PATIENCE);
}

fn identity(key: &str) -> Identity {
    Identity::from_pem(&read(&format!("tests/keys/{key}")), None).unwrap()
}

/// Keeps as many silent connections open as a listener lets each of these sources have.
fn stay_silent(at: SocketAddr, sources: std::ops::Range<usize>, over: &AtomicBool) {
    let mut silent: Vec<Vec<TcpStream>> = sources.clone().map(|_| Vec::new()).collect();
    while !over.load(Ordering::Relaxed) {
        for (source, open) in sources.clone().zip(&mut silent) {
            open.retain(|stream| {
                stream.set_nonblocking(true).unwrap();
                matches!((&mut &*stream).read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
            });
            if open.len() < 16 {
                open.push(call_from(source, at));
            }
        }
        // The rate at which a listener takes calls of one source.
        thread::sleep(Duration::from_millis(50));
    }
}

/// Number of callers that join, each from a source of its own, while so many sources are silent.
fn join_among_silent(sources: usize, callers: usize) -> usize {
    let (junho, at) = Process::listening("준호");
    let (at_addr, over) = (at.parse().unwrap(), AtomicBool::new(false));
    let hana = identity("test-3.pem");
    thread::scope(|scope| {
        let before = junho.descriptors();
        scope.spawn(|| stay_silent(at_addr, 0..sources, &over));
        eventually("the silent ones are there", PATIENCE, || junho.descriptors() >= before + 90);
        let joined = (0..callers)
            .filter(|number| HostilePeer::joins(&at, &hana, "hana", Purpose::Chat, 1_000 + number).is_some());
        let joined = joined.count();
        over.store(true, Ordering::Relaxed);
        joined
    })
}

#[test]
fn silent_callers_from_eight_sources_keep_nobody_out() {
    assert_eq!(join_among_silent(8, 48), 48);
}

#[test]
fn silent_callers_from_sixty_four_sources_keep_hardly_anybody_out() {
    let joined = join_among_silent(64, 40);
    assert!(joined >= 36, "{joined} of 40");
}

#[test]
fn callers_that_come_and_go_have_few_rows_and_a_count_and_one_that_speaks_is_shown_before() {
    let (junho, at) = Process::listening("준호");
    let joins = |source| {
        let eve = HostilePeer::joins(&at, &identity("test-3.pem"), "eve", Purpose::Chat, source);
        eve.expect("there is a seat")
    };
    for number in 0..40 {
        joins(100 + number).sends(&Record::Bye(ByeReason::Leaving));
    }
    let mut last = joins(99);
    last.says("hello");
    junho.sees("eve: hello");
    let rows: Vec<String> = junho.output().lines().map(str::to_owned).collect();
    let about_eve = rows.iter().filter(|row| row.contains(" eve ")).count();
    assert!((4..60).contains(&about_eve), "{about_eve}: {rows:?}");
    let said = rows.iter().position(|row| row.contains("eve: hello")).unwrap();
    assert!(rows[said - 1].contains("eve joined") || rows[said - 2].contains("eve joined"), "{rows:?}");
    junho.sees(" more callers joined, ");
}

#[test]
fn status_counts_refused_callers_by_their_reason() {
    let (mut junho, at) = Home::of("준호").start(&["--known-only", "--listen", "127.0.0.1:0"]).and_where();
    for source in [1, 2] {
        let eve = identity("test-3.pem");
        assert!(HostilePeer::joins(&at, &eve, "eve", Purpose::Chat, source).is_none());
    }
    junho.types(":status");
    junho.sees("callers refused: 2 (their keys are not in the book)");
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
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    eventually("the slow command runs", PATIENCE, || text(&numbers).ends_with('\n'));
    // More than may wait for her, and for everybody.
    send_while_taken(&mut eve, 16 << 20, |peer| peer.sealed_text(&[b'x'; 16_000]));
    let mut bob = HostilePeer::calls(&at, "test-1.pem", "bob", Purpose::Chat);
    bob.says("quick");
    assert_eq!(bob.receives(), Record::Receipt { upto: 1 });
    assert_eq!(text(&served), "quick\n", "the others of eve wait for the first");
    recv.signal(Signal::TERM);
    assert_eq!(recv.ends(), 143);
    let number = text(&numbers);
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
