//! Outgoing connections: every address tried, cancelled or refused, and listeners.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};

use rsachat::net::{Net, NetEvent, ReadInterest, Stack};
use rustix::io::Errno;
use socket2::Socket;

use crate::support::net::Harness;
use crate::support::{PATIENCE, held_address};

/// An address that refuses, as long as the socket lives.
fn nobody() -> (Socket, SocketAddr) {
    let (socket, at) = held_address();
    (socket, at.parse().unwrap())
}

#[test]
fn each_address_is_tried_and_what_was_sent_early_reaches_the_one_that_answers() {
    let mut harness = Harness::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = server.local_addr().unwrap();
    let (_held, refused) = nobody();
    let link = harness.net.connect(vec![refused, there]);
    harness.net.send(link, b"early ".to_vec());
    harness.net.send(link, b"bird".to_vec());
    assert_eq!(harness.net.queued(link), 10);
    match harness.next() {
        NetEvent::Connected { conn: connected, to, from: _ } => assert_eq!((connected, to), (link, there)),
        other => panic!("{other:?}"),
    }
    let (mut peer, _) = server.accept().unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut read = [0; 10];
    peer.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"early bird");
    drop(peer);
    assert!(matches!(harness.next(), NetEvent::Ended { .. }));
}

#[test]
fn reading_switched_off_before_the_connection_stands_stays_off() {
    let mut harness = Harness::new();
    let link = harness.net.connect(vec![harness.addr]);
    harness.net.set_reading(link, ReadInterest::Off);
    let mut accepted = None;
    for _ in 0..2 {
        match harness.next() {
            NetEvent::Connected { .. } => {}
            NetEvent::Accepted { conn: link, .. } => accepted = Some(link),
            other => panic!("{other:?}"),
        }
    }
    let (mut witness_peer, witness) = harness.caller();
    harness.net.send(accepted.unwrap(), b"unread".to_vec());
    io::Write::write_all(&mut witness_peer, b"seen").unwrap();
    assert_eq!(harness.bytes(witness, 4), b"seen");
    harness.net.set_reading(link, ReadInterest::On);
    assert_eq!(harness.bytes(link, 6), b"unread");
}

#[test]
fn when_nobody_answers_every_address_and_its_reason_are_told_in_order() {
    let mut harness = Harness::new();
    let ((_held, first), (_held_too, second)) = (nobody(), nobody());
    let link = harness.net.connect(vec![first, second]);
    match harness.next() {
        NetEvent::Unreachable { conn: gone, tried } => {
            assert_eq!(gone, link);
            let told: Vec<_> = tried.iter().map(|(addr, error)| (*addr, error.kind())).collect();
            let refused = io::ErrorKind::ConnectionRefused;
            assert_eq!(told, [(first, refused), (second, refused)]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(harness.net.links(), 0);
    harness.net.connect(vec![]);
    assert!(matches!(harness.next(), NetEvent::Unreachable { tried, .. } if tried.is_empty()));
}

#[test]
fn a_call_that_is_cancelled_is_gone_at_once_and_never_told() {
    let mut harness = Harness::new();
    let (_held, refused) = nobody();
    let link = harness.net.connect(vec![refused]);
    harness.net.close(link);
    assert_eq!(harness.net.links(), 0);
    let (_peer, accepted) = harness.caller();
    assert!(accepted > link, "numbers are never used again");
}

#[test]
fn both_families_listen_on_one_port_and_a_dual_listener_shows_ipv4_callers_as_such() {
    let any = |text: &str| text.parse::<SocketAddr>().unwrap();
    let mut net = Net::new().unwrap();
    if let Err(error) = net.listen(any("[::1]:0"), Stack::AsGiven) {
        // A machine without IPv6 says so, and has nothing to show here.
        let why = Errno::from_io_error(&error);
        assert!(matches!(why, Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT)), "{error}");
        eprintln!("no IPv6 on this machine: {error}");
        return;
    }
    // A port that is free for one family may be somebody else's for the other.
    let both = |_| {
        let (_, addr) = net.listen(any("[::1]:0"), Stack::AsGiven).unwrap();
        let other = SocketAddr::new(any("127.0.0.1:0").ip(), addr.port());
        net.listen(other, Stack::AsGiven).is_ok().then_some(addr)
    };
    let addr = (0..20).find_map(both).unwrap();
    let twice = net.listen(addr, Stack::AsGiven).unwrap_err();
    assert_eq!(twice.kind(), io::ErrorKind::AddrInUse, "a port is listened on once");

    let mut harness = Harness::new();
    let (_, dual) = harness.net.listen(any("[::]:0"), Stack::Dual).unwrap();
    harness.net.connect(vec![SocketAddr::new(any("127.0.0.1:0").ip(), dual.port())]);
    let from = loop {
        if let NetEvent::Accepted { from, .. } = harness.next() {
            break from;
        }
    };
    assert!(from.is_ipv4(), "{from}");
}

#[test]
fn a_listener_that_is_closed_refuses_and_its_links_stay() {
    let mut net = Net::new().unwrap();
    let (id, addr) = net.listen("127.0.0.1:0".parse().unwrap(), Stack::AsGiven).unwrap();
    let peer = std::net::TcpStream::connect(addr).unwrap();
    let mut events = Vec::new();
    net.wait(Some(std::time::Instant::now() + PATIENCE), &mut events).unwrap();
    assert!(matches!(events[..], [NetEvent::Accepted { .. }]), "{events:?}");
    net.unlisten(id);
    assert_eq!(std::net::TcpStream::connect(addr).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(net.links(), 1);
    drop(peer);
    net.wait(Some(std::time::Instant::now() + PATIENCE), &mut events).unwrap();
    assert!(matches!(events[..], [NetEvent::Ended { .. }]), "{events:?}");
}
