//! `send` and `recv` on the raw wire, against prompts of it: what is said arrives, and nothing is promised.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails there")]

mod support;

use std::process::Stdio;

use support::Home;

fn raw(name: &str, key: &str) -> Home {
    Home::of(name).with_raw_key(key)
}

/// A command line of the program without input.
fn run(home: &Home, args: &[&str]) -> (i32, String, String) {
    let output = home.command(args).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn messages_arrive_at_a_raw_prompt_and_the_sender_says_that_nobody_confirms_them() {
    let mut minji = raw("민지", "bob-2048.pem").start(&["--listen", "127.0.0.1:0", "--wire", "oaep"]);
    let at = minji.listens_at();
    let junho = raw("준호", "alice-2048.pem");
    let long = "가".repeat(300);
    let args = ["send", &at, "--wire", "oaep", "-m", "안녕, 민지", "-m", ":quit", "-m", &long];
    let (code, out, err) = run(&junho, &args);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert_eq!(err.matches("no receipt exists on the raw wire").count(), 1, "{err}");
    minji.sees("raw-1: 안녕, 민지");
    minji.sees("raw-1: :quit");
    minji.sees("* raw-1 left");
    minji.is_done_typing();
}

#[test]
fn what_a_raw_prompt_says_is_written_a_line_each() {
    let minji = raw("민지", "bob-2048.pem");
    let mut recv = minji.start_on(
        minji.command(&["recv", "--listen", "127.0.0.1:0", "--wire", "oaep", "--json", "--count", "2"]),
        Stdio::null(),
    );
    let told = recv.complains("\"listening\"");
    let at = told.split("\"address\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut junho = raw("준호", "alice-2048.pem").start(&["--connect", &at, "--wire", "oaep"]);
    junho.types("하나");
    junho.types("two\u{1b}[2J");
    assert_eq!(recv.ends(), 0);
    let rows: Vec<serde_json::Value> =
        recv.output().lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let texts: Vec<_> = rows.iter().map(|row| row["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["하나", "two\u{1b}[2J"]);
    assert!(rows.iter().all(|row| row["fingerprint"].is_null() && row["verified"] == false));
}

#[test]
fn a_native_listener_is_not_sent_to_on_the_raw_wire() {
    let minji = Home::of("민지").start(&["--listen", "127.0.0.1:0"]);
    let at = minji.listens_at();
    let junho = raw("준호", "alice-2048.pem");
    let (code, _, err) = run(&junho, &["send", &at, "--wire", "oaep", "-m", "x", "--timeout", "2s"]);
    assert_eq!(code, 5, "{err}");
    assert!(err.contains("0 messages were sent, 1 were not"), "{err}");
}

#[test]
fn nobody_can_be_asked_for_where_nobody_is_proved() {
    let home = Home::of("민지");
    let pin = home.fingerprint();
    for args in [
        &["send", "localhost:1", "--wire", "oaep", "--pin", &pin, "-m", "x"][..],
        &["send", "localhost:1", "--wire", "oaep", "--accept-new", "-m", "x"],
        &["recv", "--listen", "127.0.0.1:0", "--wire", "oaep", "--accept-new"],
        &["recv", "--connect", "localhost:1", "--wire", "morse"],
        &["send", "localhost:1", "--one-way", "-m", "x"],
    ] {
        let (code, _, err) = run(&home, args);
        assert_eq!(code, 2, "{args:?}: {err}");
    }
    let (_, _, err) = run(&home, &["send", "localhost:1", "--wire", "oaep", "--pin", &pin, "-m", "x"]);
    assert!(err.contains("the raw wire proves nobody's key"), "{err}");
}
