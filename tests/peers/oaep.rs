//! Peer on the raw wire that reads whole blocks, `docs/peers/oaep_peer.py`.

use super::{LONG, Python};
use crate::support::wire::{Fault, FaultyWire};
use crate::support::{Home, Process, read};

const PEER: &str = "oaep_peer.py";
const COUNT: usize = 1_000;

fn home(raw_key: &str) -> Home {
    Home::of("민지").with_raw_key(raw_key)
}

/// A peer that listens, and somebody who called it.
fn called(python: &Python, raw_key: &str, fault: Fault) -> (Process, Process) {
    let peer = python.peer(PEER, &["listen", "127.0.0.1:0"]);
    let wire = FaultyWire::to(&peer.listens_at(), 1, fault);
    let caller = home(raw_key).start(&["--connect", &wire.at, "--wire", "oaep"]);
    caller.sees("* raw~1 is at 127.0.0.1:");
    peer.sees("connected");
    (caller, peer)
}

/// Somebody who listens, and a peer that called.
fn caller(python: &Python, raw_key: &str) -> (Process, Process) {
    let listener = home(raw_key).start(&["--listen", "127.0.0.1:0", "--anybody", "--wire", "oaep"]);
    let peer = python.peer(PEER, &["connect", &listener.listens_at()]);
    listener.sees("* raw~1 is at 127.0.0.1:");
    peer.sees("connected");
    (listener, peer)
}

fn lines(of: &str) -> Vec<String> {
    (1..=COUNT).map(|number| format!("{of} {number}: 안녕 👋 {}", "ㅎ".repeat(number % 50))).collect()
}

fn thousand((mut ours, mut peer): (Process, Process)) {
    let (from_us, from_peer) = (lines("민지"), lines("파이썬"));
    for (one, other) in from_us.chunks(50).zip(from_peer.chunks(50)) {
        ours.types(&one.join("\n"));
        peer.types(&other.join("\n"));
    }
    peer.sees_times("Received: ", COUNT, LONG);
    ours.sees_times(" raw~1: ", COUNT, LONG);
    assert_eq!(peer.rows_after("Received: "), from_us);
    assert_eq!(ours.said_by("raw~1"), from_peer);
    ours.types("exit");
    ours.sees("* conversation with raw~1 closed");
    peer.sees("The other side left.");
    assert_eq!(peer.ends(), 0);
    assert!(!ours.has_seen("could not be read"));
}

pub(crate) fn thousand_to_listener(python: &Python) {
    thousand(called(python, "bob-2048.pem", Fault::None));
}

pub(crate) fn thousand_from_caller(python: &Python) {
    thousand(caller(python, "bob-2048.pem"));
}

pub(crate) fn sizes(python: &Python) {
    for key in ["bob-2048.pem", "bob-3072.pem", "bob-4096.pem"] {
        for (mut ours, mut peer) in [called(python, key, Fault::None), caller(python, key)] {
            for text in ["x", &"x".repeat(214), &"x".repeat(215), &"가나다".repeat(1_111)] {
                ours.types(text);
                peer.types(text);
            }
            ours.types("끝");
            peer.types("끝");
            peer.sees("Received: 끝");
            ours.sees(" raw~1: 끝");
            let expected = ["x", &"x".repeat(429), &"가나다".repeat(1_111), "끝"].concat();
            assert_eq!(peer.rows_after("Received: ").concat(), expected, "{key}");
            assert_eq!(ours.said_by("raw~1").concat(), expected, "{key}");
            for parts in ["* sent as 2 parts", "* sent as 47 parts"] {
                assert!(ours.has_seen(parts), "{}", ours.output());
            }
            peer.types("exit");
            ours.sees("* raw~1 left");
        }
    }
}

pub(crate) fn one_by_one(python: &Python) {
    let (mut ours, mut peer) = called(python, "bob-2048.pem", Fault::OneByOne);
    ours.types("한 바이트씩");
    peer.sees("Received: 한 바이트씩");
    peer.types("그래도 읽혀요");
    ours.sees(" raw~1: 그래도 읽혀요");
    peer.closes_input();
    ours.sees("* raw~1 left");
}

/// The page's two screens, played again: rows that are not output are typed, in their order on
/// each side.
pub(crate) fn page(python: &Python) {
    let page = read("docs/RAW.md");
    let screen = |command: &str| -> Vec<String> {
        let (_, rest) = page.split_once(&format!("```text\n$ {command}\n")).expect("the screen");
        rest.split_once("```").unwrap().0.lines().map(str::to_owned).collect()
    };
    let theirs = screen("python3 docs/peers/oaep_peer.py listen 8000");
    let ours = screen("rsachat --connect localhost:8000 --wire oaep");

    let mut peer = python.peer(PEER, &["listen", "0"]);
    let port = peer.listens_at().rsplit(':').next().unwrap().to_owned();
    let mut person =
        home("bob-2048.pem").start(&["--connect", &format!("localhost:{port}"), "--wire", "oaep"]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let own = ["listening on ", "connected", "Received: ", "The other"];
            for row in theirs {
                if own.iter().any(|own| row.starts_with(own)) {
                    peer.sees(&row.replace("8000", &port));
                } else {
                    peer.types(&row);
                }
            }
        });
        for row in ours {
            match row.strip_prefix("raw~1 raw> ") {
                Some(typed) => person.types(typed),
                // Times and keys are others each time.
                None => row.trim_start_matches("12:00").replace("8000", &port).split('…').for_each(|part| {
                    person.sees(part);
                }),
            }
        }
    });
    assert_eq!(peer.ends(), 0);
}
