//! What one peer may cost, each shown by a peer that is honest until its handshake is done.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::time::{Duration, Instant};

use rsachat::wire::{Purpose, Record};

use crate::support::hostile_peer::HostilePeer;
use crate::support::{PATIENCE, Process, eventually};

/// Resident memory of a process, in bytes.
fn resident(process: &Process) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let row = status.lines().find_map(|row| row.strip_prefix("VmRSS:")).unwrap();
    let kib: usize = row.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
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
