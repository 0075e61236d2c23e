//! Calls again after a loss, on real sockets: who had called comes back by itself.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Stdio;

use rsachat::crypto::Identity;
use rsachat::wire::{ByeReason, Purpose, Record};
use rustix::process::Signal;

use crate::support::hostile_peer::HostilePeer;
use crate::support::net::reset;
use crate::support::{Home, PATIENCE, Process, eventually, read, socket};

#[test]
fn who_called_a_listener_that_is_killed_comes_back_by_itself_and_the_waiting_lines_arrive() {
    let (mine, theirs) = (Home::of("민지"), Home::of("준호"));
    let (mut junho, at) = theirs.start(&["--listen", "127.0.0.1:0", "--anybody"]).and_where();
    let mut minji = mine.start(&[]);
    minji.types(&format!(":connect {at}"));
    minji.sees("준호 joined, new key");
    has_junho(&mine);
    for (number, name) in ["첫 번째", "second"].into_iter().enumerate() {
        junho.signal(Signal::KILL);
        minji.sees_times("; calling again (:close 준호 stops that)", number + 1, PATIENCE);
        minji.types(&format!("{name} 기다리는 줄"));
        minji.sees_times("queued; 준호 gets it", number + 1, PATIENCE);
        junho = theirs.start(&["--listen", &at, "--anybody"]);
        junho.sees(&format!("민지: {name} 기다리는 줄"));
    }
    assert!(!minji.has_seen("cannot reach"), "no row for each call: {}", minji.output());
    assert_eq!(minji.closes_input().ends(), 0);
}

#[test]
fn a_program_without_an_editor_that_was_started_to_call_ends_as_its_connection_does() {
    let (junho, at) = Home::of("준호").start(&["--listen", "127.0.0.1:0", "--anybody"]).and_where();
    let mut prompts = ["--plain", "--json"].map(|mode| Home::of("민지").start(&[mode, "--connect", &at]));
    junho.sees_times("민지", 2, PATIENCE);
    junho.signal(Signal::KILL);
    for prompt in &mut prompts {
        assert_eq!(prompt.ends(), 5);
        assert!(!prompt.has_seen("calling again"), "{}", prompt.output());
    }
}

#[test]
fn who_is_connected_is_not_called_again_whatever_is_written() {
    let (mine, theirs) = (Home::of("민지"), Home::of("준호"));
    let (mut junho, at) = theirs.start(&["--listen", "127.0.0.1:0", "--anybody"]).and_where();
    let mut minji = mine.start(&[]);
    minji.types(&format!(":connect {at}"));
    minji.sees("준호 joined, new key");
    let port = at.rsplit(':').next().unwrap();
    let spellings = ["준호", &at, &format!("localhost:{port}"), ""];
    for (number, callee) in spellings.into_iter().enumerate() {
        minji.types(&format!(":connect {callee}"));
        minji.sees_times("준호 is already connected; plain text goes to 준호", number + 1, PATIENCE);
    }
    // Who was called has no address for the caller.
    junho.sees("민지 joined");
    junho.types(
        ":connect 민지
뭐 해?",
    );
    junho.sees("민지 is already connected; plain text goes to 민지");
    minji.sees("준호: 뭐 해?");
    minji.types("놀아");
    junho.sees("민지: 놀아");
    for (prompt, name) in [(&minji, "준호"), (&junho, "민지")] {
        let output = prompt.output();
        assert_eq!(output.matches(&format!("{name} joined")).count(), 1, "{output}");
        assert!(!output.contains("reconnected") && !output.contains("older connection"), "{output}");
    }
}

#[test]
fn a_program_that_the_system_stops_or_whose_terminal_closes_calls_again_as_it_starts() {
    let (mine, theirs) = (Home::of("민지"), Home::of("준호"));
    let (_junho, at) = theirs.start(&["--listen", "127.0.0.1:0", "--anybody"]).and_where();
    let mut minji = mine.start(&[]);
    minji.types(&format!(":connect {at}"));
    minji.sees("준호 joined");
    has_junho(&mine);
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        minji.signal(signal);
        assert_eq!(minji.ends(), code);
        minji = mine.start(&[]);
        minji.sees("calling 준호 again, as before");
        minji.sees("준호 joined");
    }
    minji.types(":quit");
    assert_eq!(minji.ends(), 0);
    let mut minji = mine.start(&[]);
    minji.types(":quit");
    assert_eq!(minji.ends(), 0);
    assert!(!minji.has_seen("calling 준호 again"), "{}", minji.output());
}

/// How a receiver loses a peer that it has called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Loss {
    End,
    Reset,
    BadRecord,
}

/// A peer that is called, says these things, and leaves so once they are receipted.
fn says(listener: &TcpListener, texts: &[&str], loss: Option<Loss>) {
    let (mut peer, confirm) = HostilePeer::answers(listener, "test-2.pem", "준호", Purpose::Chat);
    peer.stream.write_all(&confirm).unwrap();
    for text in texts {
        let frame = peer.sealed_text(text.as_bytes());
        peer.stream.write_all(&frame).unwrap();
    }
    while !matches!(peer.receives(), Record::Receipt { upto } if upto == texts.len() as u64) {}
    match loss {
        Some(Loss::End) => {}
        Some(Loss::Reset) => reset(&peer.stream),
        Some(Loss::BadRecord) => {
            let mut bad = peer.sealed(&Record::Ping(7));
            *bad.last_mut().unwrap() ^= 1;
            peer.stream.write_all(&bad).unwrap();
        }
        None => {
            let bye = peer.sealed(&Record::Bye(ByeReason::Leaving));
            peer.stream.write_all(&bye).unwrap();
        }
    }
}

/// A receiver that has called somebody new.
fn receiver(at: &str) -> Process {
    Home::of("민지").run(&["recv", "--connect", at, "--accept-new", "--name", "민지", "-v"], Stdio::null())
}

#[test]
fn a_receiver_calls_again_whom_it_lost_until_that_peer_leaves() {
    let (listener, at) = socket();
    let mut recv = receiver(&at);
    for (number, loss) in [Loss::End, Loss::Reset, Loss::BadRecord].into_iter().enumerate() {
        says(&listener, &["one", "two"], Some(loss));
        eventually("the loss is told", PATIENCE, || {
            recv.complaints().matches("; calling again\n").count() > number
        });
    }
    says(&listener, &["three"], None);
    assert_eq!(recv.ends(), 0, "{}", recv.complaints());
    assert_eq!(recv.output(), "one\ntwo\none\ntwo\none\ntwo\nthree\n");
    let said = recv.complaints();
    assert!(!said.contains("error:") && !said.contains(":close"), "{said}");
}

#[test]
fn a_receiver_gets_what_was_typed_while_nobody_answered_once_and_in_order() {
    let theirs = Home::of("준호");
    let (mut junho, at) = theirs.start(&["--listen", "127.0.0.1:0", "--anybody"]).and_where();
    let mut recv = receiver(&at);
    junho.sees("민지 joined");
    junho.types(":to 민지\nbefore");
    eventually("the first line is there", PATIENCE, || recv.output() == "before\n");
    junho.signal(Signal::KILL);
    recv.complains("calling again");
    junho = theirs.start(&[]);
    junho.types(":to 민지\nwhile away\nand more");
    junho.sees_times("queued; 민지 gets it", 1, PATIENCE);
    junho.types(&format!(":listen {at}"));
    eventually("the others are there", PATIENCE, || recv.output().contains("and more"));
    junho.types("behind them");
    eventually("the last is there", PATIENCE, || recv.output().ends_with("behind them\n"));
    assert_eq!(recv.output(), "before\nwhile away\nand more\nbehind them\n");
    junho.types(":quit");
    assert_eq!((junho.ends(), recv.ends()), (0, 0), "{}", recv.complaints());
}

#[test]
fn a_receiver_ends_where_whom_it_lost_cannot_be_talked_to_any_more_and_says_why_once() {
    // Another key answers.
    let (listener, at) = socket();
    let mut recv = receiver(&at);
    says(&listener, &["x"], Some(Loss::End));
    recv.complains("calling again");
    let other = Identity::from_pem(&read("tests/keys/test-3.pem"), None).unwrap();
    drop(HostilePeer::answers_with(&listener, &other, "준호", Purpose::Chat));
    assert_eq!(recv.ends(), 4, "{}", recv.complaints());
    let said = recv.complaints();
    assert!(said.contains("has CHANGED from that of 준호") && said.matches("error:").count() == 1, "{said}");
    // It is blocked here meanwhile.
    let (listener, at) = socket();
    let mut recv = receiver(&at);
    says(&listener, &["x"], Some(Loss::End));
    recv.complains("calling again");
    block_junho(&recv.home);
    drop(HostilePeer::answers_with(&listener, &junho(), "준호", Purpose::Chat));
    // As the call is answered, or before.
    recv.ends_saying(4, "blocked");
    assert_eq!(
        recv.complaints().matches("error: no longer calling 준호").count(),
        1,
        "{}",
        recv.complaints()
    );
    // It refuses us.
    let theirs = Home::of("준호");
    let (junho, at) = theirs.start(&["--listen", "127.0.0.1:0", "--anybody"]).and_where();
    let mut recv = receiver(&at);
    theirs.has_met("민지");
    junho.signal(Signal::KILL);
    recv.complains("calling again");
    let book = format!("# rsachat peer book 2\n민지 {} blocked 127.0.0.1:9\n", recv.home.fingerprint());
    theirs.private("peers", book);
    let _again = theirs.start(&["--listen", &at, "--anybody"]);
    recv.ends_saying(4, "refused the handshake");
    assert_eq!(recv.complaints().matches("error:").count(), 1, "{}", recv.complaints());
}

/// Waits until 준호 is in the book.
fn has_junho(home: &Home) {
    let book = || fs::read_to_string(home.file("peers")).unwrap_or_default();
    eventually("준호 is in the book", PATIENCE, || book().contains("준호"));
}

fn block_junho(home: &Home) {
    has_junho(home);
    home.answer(&["peers", "block", "준호"]);
}

fn junho() -> Identity {
    Identity::from_pem(&read("tests/keys/test-2.pem"), None).unwrap()
}

#[test]
fn a_receiver_that_has_its_peer_blocked_meanwhile_does_not_end_with_success() {
    let (_junho, at) = Process::listening("준호");
    let mut recv = receiver(&at);
    recv.complains("connected to 준호");
    block_junho(&recv.home);
    recv.ends_saying(4, "error: 준호 is blocked and was refused");
}
