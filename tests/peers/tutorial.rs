//! Programs of the tutorial, unchanged.

use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use sha2::{Digest, Sha256};

use super::Python;
use crate::support::{Home, Process, root};

fn raw_listener() -> (Process, String) {
    let home = Home::of("민지").with_raw_key("bob-2048.pem");
    home.start(&["--listen", "127.0.0.1:0", "--anybody", "--wire", "oaep"]).and_where()
}

fn port(at: &str) -> &str {
    at.rsplit(':').next().unwrap()
}

pub(crate) fn client(python: &Python) {
    let (mut minji, at) = raw_listener();
    minji.sees("* raw wire: no authentication, no forward secrecy, no integrity of order or count");
    let mut client = python.tutorial("tutorial_client.py", port(&at));
    client.types("안녕하세요");
    assert!(minji.sees(" raw~1: ").ends_with(" raw~1: 안녕하세요"));
    assert!(
        minji
            .sees("* raw~1 is at 127.0.0.1:")
            .contains("without a key: you can read what it sends, but not answer")
    );
    for answer in ["반갑습니다", "exit"] {
        minji.types(answer);
    }
    minji.sees_times("! not sent: raw~1 gave no key", 2, super::LONG);
    minji.types(":close");
    minji.sees("* conversation with raw~1 closed");
    // The tutorial's client dies of an end of stream as of everything else that it does not expect.
    assert_eq!(client.ends(), 1);
    assert!(!client.has_seen("Received:"), "{}", client.output());
}

pub(crate) fn client_exit(python: &Python) {
    let (minji, at) = raw_listener();
    let mut client = python.tutorial("tutorial_client.py", port(&at));
    client.types("exit");
    assert_eq!(client.ends(), 0);
    minji.sees("* raw~1 left");
    assert!(!minji.has_seen(" raw~1: "));
}

/// A server of the tutorial that answers each line from what is already typed.
fn server_at(python: &Python, answers: usize) -> (Process, String) {
    let mut server = python.tutorial("tutorial_server.py", "0");
    for number in 1..=answers {
        server.types(&format!("답 {number}"));
    }
    let at = format!("localhost:{}", server.complains("port ").trim_start_matches("port "));
    (server, at)
}

pub(crate) fn server(python: &Python) {
    let (mut server, at) = server_at(python, 3);
    let mut minji = Home::of("민지").start(&["--connect", &at, "--wire", "oaep", "--one-way"]);
    minji.sees("* raw~1 is at localhost:");
    for line in ["안녕하세요", "두 번째 줄", "the third"] {
        minji.types(line);
        server.sees(&format!("Received: {line}"));
    }
    minji.sees("* raw~1 answered, sealed to its own key: nobody but raw~1 can read that");
    minji.types("exit");
    assert_eq!(server.ends(), 0);
    minji.sees("* conversation with raw~1 closed");
    assert_eq!(minji.closes_input().ends(), 0);
    assert_eq!(minji.output().matches("sealed to its own key").count(), 1, "told once");
    assert!(!minji.home.file("raw.pem").exists(), "a caller that gives no key needs none");
}

pub(crate) fn piped(python: &Python) {
    let (mut server, at) = server_at(python, 40);
    let mut minji = Home::of("민지").start(&["--connect", &at, "--wire", "oaep", "--one-way"]);
    let lines: Vec<_> = (1..=40).map(|number| format!("{number}번째 줄")).collect();
    minji.types(&lines.join("\n"));
    assert_eq!(minji.closes_input().ends(), 0);
    assert_eq!(server.ends(), 0);
    let heard: Vec<_> = server.output().split("Received: ").skip(1).map(line_of).collect();
    assert_eq!(heard, lines);
    assert_eq!(minji.output().matches("* raw~1 takes one line at a time").count(), 1, "{}", minji.output());
    assert!(minji.rows_after("! ").is_empty(), "{}", minji.output());
}

/// `rsachat send`, which goes at the server's pace as the prompt does.
pub(crate) fn sent(python: &Python) {
    let (mut server, at) = server_at(python, 12);
    let home = Home::of("민지");
    let mut sends = home.run(&["send", &at, "--wire", "oaep", "--one-way", "-v"], Stdio::piped());
    let lines: Vec<_> = (1..=12).map(|number| format!("{number}번째 줄")).collect();
    sends.types(&lines.join("\n"));
    assert_eq!(sends.closes_input().ends(), 0, "{}", sends.complaints());
    assert_eq!(server.ends(), 0);
    let heard: Vec<_> = server.output().split("Received: ").skip(1).map(line_of).collect();
    assert_eq!(heard, lines);
    assert_eq!(sends.complaints().matches("sealed to its own key").count(), 1, "{}", sends.complaints());
    assert!(!home.file("raw.pem").exists(), "a caller that gives no key needs none");
}

/// `rsachat recv`, which never answers: the client shows nothing and waits, until it is left.
pub(crate) fn received(python: &Python) {
    let home = Home::of("준호").with_raw_key("bob-2048.pem");
    let args = ["recv", "--listen", "127.0.0.1:0", "--wire", "oaep"];
    let (mut recv, at) = home.run(&args, Stdio::null()).and_where();
    let mut client = python.tutorial("tutorial_client.py", port(&at));
    client.types("안녕하세요");
    recv.sees("안녕하세요");
    let mut other = python.tutorial("tutorial_client.py", port(&at));
    other.types("exit");
    assert_eq!(other.ends(), 0);
    assert_eq!(recv.output(), "안녕하세요\n");
    recv.signal(Signal::TERM);
    assert_eq!(recv.ends(), 143);
    assert_eq!(client.ends(), 1);
    assert!(!client.has_seen("Received:"), "{}", client.output());
}

fn line_of(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Nobody mends them by mistake.
pub(crate) fn unchanged() {
    for (program, expected) in [
        ("tutorial_server.py", "NESzSf67KF5vuVz55SfhgKSbELbztII3gwcMsK2BMMw="),
        ("tutorial_client.py", "T6pmhyUHvIEFSDfy2GcaGKHoWEvLvQelCbT/PtuONHs="),
    ] {
        let text = std::fs::read(root("tests/peers").join(program)).unwrap();
        assert_eq!(STANDARD.encode(Sha256::digest(text)), expected, "{program}");
    }
}
