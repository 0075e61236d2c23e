//! Established connections: every byte once and in order, and ends told for what they are.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use rsachat::limits::LINK_TURN_BYTES;
use rsachat::net::{NetEvent, ReadInterest, Released};
use sha2::{Digest, Sha256};
use socket2::{Domain, Socket, Type};

use crate::support::net::{Harness, reset};

#[test]
fn a_peer_that_can_take_little_at_once_gets_every_byte_in_order() {
    // Enough to fill queue and kernel many times over. A window this small moves by probes alone,
    // and the kernel gives that up after 30 s, so the whole may not take so long on a slow machine.
    const PIECES: u32 = 200;
    let mut harness = Harness::new();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket.connect(&harness.addr.into()).unwrap();
    let mut peer = std::net::TcpStream::from(socket);
    let reader = thread::spawn(move || {
        let (mut hash, mut buffer, mut total) = (Sha256::new(), [0; 1_999], 0);
        loop {
            match peer.read(&mut buffer).unwrap() {
                0 => return (total, hash.finalize()),
                read => {
                    hash.update(&buffer[..read]);
                    total += read;
                }
            }
        }
    });

    let (link, _) = harness.accepted();
    let (mut hash, mut sent) = (Sha256::new(), 0);
    for piece in 0..PIECES {
        let bytes: Vec<u8> = (0..4_096_u32).flat_map(|n| (n * 7 + piece).to_be_bytes()).collect();
        hash.update(&bytes);
        sent += bytes.len();
        harness.net.send(link, bytes);
        while harness.net.queued(link) > 256 * 1024 {
            assert!(matches!(harness.next(), NetEvent::Drained { .. }));
        }
    }
    harness.net.close(link);
    harness.until_empty();
    assert_eq!(reader.join().unwrap(), (sent, hash.finalize()));
}

#[test]
fn bytes_that_come_one_by_one_come_all() {
    let mut harness = Harness::new();
    let (mut peer, link) = harness.caller();
    peer.set_nodelay(true).unwrap();
    let text: Vec<u8> = (0..2_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let sent = text.clone();
    let writer = thread::spawn(move || {
        for byte in sent {
            peer.write_all(&[byte]).unwrap();
        }
        peer
    });
    assert_eq!(harness.bytes(link, text.len()), text);
    writer.join().unwrap();
}

#[test]
fn a_flood_is_handed_on_in_bounded_pieces_and_a_quiet_peer_is_heard_meanwhile() {
    let mut harness = Harness::new();
    let (mut loud, flood) = harness.caller();
    let (mut quiet, voice) = harness.caller();
    thread::spawn(move || while loud.write_all(&[b'x'; 10_000]).is_ok() {});
    let mut at_once = 0;
    for _ in 0..20 {
        quiet.write_all(b"?").unwrap();
        let mut flooded = 0;
        loop {
            match harness.next() {
                NetEvent::Bytes { conn: link, .. } if link == voice => break,
                NetEvent::Bytes { conn: link, bytes } => {
                    assert_eq!(link, flood);
                    assert!(bytes.len() <= LINK_TURN_BYTES);
                    flooded += 1;
                    assert!(flooded < 100_000, "the flood alone is heard");
                }
                other => panic!("{other:?}"),
            }
        }
        // If the byte is in the kernel already, two turns at most pass before it is seen. On a
        // machine that is busy the kernel may itself be late with it now and then.
        at_once += u32::from(flooded <= 3);
    }
    assert!(at_once > 10, "only {at_once} of 20 times at once");
}

#[test]
fn what_came_while_nobody_read_is_delivered_when_reading_goes_on() {
    let mut harness = Harness::new();
    let (mut peer, link) = harness.caller();
    let (mut other_peer, other) = harness.caller();
    harness.net.set_reading(link, ReadInterest::Off);
    peer.write_all(b"waits").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    other_peer.write_all(b"passes").unwrap();
    assert_eq!(harness.bytes(other, 6), b"passes");
    other_peer.write_all(b"again").unwrap();
    assert_eq!(harness.bytes(other, 5), b"again");

    harness.net.set_reading(link, ReadInterest::On);
    assert_eq!(harness.bytes(link, 5), b"waits");
    assert!(matches!(harness.next(), NetEvent::Ended { conn: ended } if ended == link));
}

#[test]
fn hanging_up_sends_what_was_queued_and_then_the_end() {
    let mut harness = Harness::new();
    let (mut peer, link) = harness.caller();
    harness.net.send(link, vec![7; 16 << 20]);
    assert!(harness.net.queued(link) > 0);
    harness.net.close(link);
    harness.net.close(link);
    harness.net.send(link, b"too late".to_vec());
    let reader = thread::spawn(move || {
        // The peer talks too; unread bytes of his must not turn our end into a reset.
        peer.write_all(&[1; 10_000]).unwrap();
        let mut all = Vec::new();
        peer.read_to_end(&mut all).map(|_| all)
    });
    harness.until_empty();
    let read = reader.join().unwrap().unwrap();
    assert!(read.len() == 16 << 20 && read.iter().all(|&byte| byte == 7), "{} bytes", read.len());
}

#[test]
fn an_end_and_a_reset_are_told_apart_and_what_came_before_is_told_first() {
    let mut harness = Harness::new();
    let (mut peer, link) = harness.caller();
    peer.write_all(b"bye").unwrap();
    reset(&peer);
    assert_eq!(harness.bytes(link, 3), b"bye");
    assert!(matches!(harness.next(), NetEvent::Lost { conn: lost, .. } if lost == link));
    assert_eq!(harness.net.links(), 0);

    let (mut peer, link) = harness.caller();
    peer.write_all(b"bye").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(harness.bytes(link, 3), b"bye");
    assert!(matches!(harness.next(), NetEvent::Ended { conn: ended } if ended == link));
    harness.net.send(link, b"and you".to_vec());
    let mut answer = [0; 7];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"and you");
    harness.net.close(link);
    harness.until_empty();
    assert_eq!(peer.read(&mut answer).unwrap(), 0);
}

#[test]
fn a_write_that_fails_still_delivers_what_the_peer_had_sent() {
    let mut harness = Harness::new();
    let (mut peer, link) = harness.caller();
    peer.write_all(b"last words").unwrap();
    reset(&peer);
    harness.net.send(link, b"to nobody".to_vec());
    assert_eq!(harness.bytes(link, 10), b"last words");
    assert!(matches!(harness.next(), NetEvent::Lost { conn: lost, .. } if lost == link));
}

#[test]
fn a_write_that_fails_while_nobody_reads_delivers_what_the_peer_had_sent_once_somebody_does() {
    let mut harness = Harness::new();
    let (mut peer, link) = harness.caller();
    let (mut other_peer, other) = harness.caller();
    harness.net.set_reading(link, ReadInterest::Off);
    peer.write_all(b"last words").unwrap();
    reset(&peer);
    harness.net.send(link, b"to nobody".to_vec());
    other_peer.write_all(b"passes").unwrap();
    assert_eq!(harness.bytes(other, 6), b"passes");
    harness.net.set_reading(link, ReadInterest::On);
    assert_eq!(harness.bytes(link, 10), b"last words");
    assert!(matches!(harness.next(), NetEvent::Lost { conn: lost, .. } if lost == link));
    // A lost socket is its owner's, who may give it away.
    assert!(harness.net.release(link).is_ok());
}

#[test]
fn a_peer_that_breaks_while_it_is_not_read_is_lost_at_the_next_write() {
    let mut harness = Harness::new();
    let (peer, link) = harness.caller();
    harness.net.set_reading(link, ReadInterest::Off);
    reset(&peer);
    harness.net.send(link, b"to nobody".to_vec());
    assert!(matches!(harness.next(), NetEvent::Lost { conn: lost, .. } if lost == link));
    assert_eq!((harness.net.links(), harness.net.queued(link)), (0, 0));
}

#[test]
fn an_owner_left_with_a_queue_is_told_once_when_it_is_empty() {
    let mut harness = Harness::new();
    let (mut peer, link) = harness.caller();
    harness.net.send(link, vec![0; 16 << 20]);
    let reader = thread::spawn(move || {
        let mut all = vec![0; (16 << 20) + 1];
        peer.read_exact(&mut all).unwrap();
        peer
    });
    assert!(matches!(harness.next(), NetEvent::Drained { conn: drained } if drained == link));
    assert_eq!(harness.net.queued(link), 0);
    harness.net.send(link, vec![0]);
    drop(reader.join().unwrap());
    assert!(matches!(harness.next(), NetEvent::Ended { .. }), "a send that leaves no queue owes nothing");
}

#[test]
fn an_idle_loop_with_ten_links_sleeps() {
    let mut harness = Harness::new();
    let peers: Vec<_> = (0..10).map(|_| harness.caller()).collect();
    let switches = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let (before, mut events) = (switches(), Vec::new());
    harness.net.wait(Some(Instant::now() + Duration::from_millis(300)), &mut events).unwrap();
    assert!(events.is_empty());
    let slept = switches() - before;
    assert!(slept <= 8, "woke {slept} times for nothing");
    drop(peers);
}

#[test]
fn a_connection_that_is_given_away_blocks_waits_and_is_nobodys_any_more() {
    let mut harness = Harness::new();
    let (mut peer, link) = harness.caller();
    harness.net.send(link, b"before".to_vec());
    let Released { stream: mut ours, unsent, .. } = harness.net.release(link).unwrap();
    assert!(unsent.is_empty());
    assert_eq!(harness.net.links(), 0);
    // A peer may leave it unread for longer than data may stay unacknowledged elsewhere.
    #[cfg(target_os = "linux")]
    assert_eq!(socket2::SockRef::from(&ours).tcp_user_timeout().unwrap(), None);
    ours.write_all(b" and after").unwrap();
    peer.write_all(b"answer").unwrap();
    let mut answer = [0; 6];
    ours.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    drop(ours);
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"before and after");
    assert!(harness.net.release(link).is_err());
}

#[test]
fn what_the_kernel_did_not_take_is_given_away_too() {
    let mut harness = Harness::new();
    let (mut peer, link) = harness.caller();
    let bytes: Vec<u8> = (0..4_000_000_u32).flat_map(u32::to_le_bytes).collect();
    harness.net.send(link, bytes.clone());
    let Released { stream: mut ours, unsent, .. } = harness.net.release(link).unwrap();
    assert!(!unsent.is_empty());
    let writer = thread::spawn(move || ours.write_all(&unsent).unwrap());
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).unwrap();
    writer.join().unwrap();
    assert!(heard == bytes);
}
