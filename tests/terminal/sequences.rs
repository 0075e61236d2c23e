//! What a terminal sends besides text: no answer, report or key of a newer protocol becomes part of
//! a message.

use std::thread::sleep;
use std::time::Duration;

use crate::pty::{Pty, Setup};
use crate::support::{PATIENCE, eventually};

/// Late answers (OSC 11, OSC 52, DA, DECRPM, XTVERSION, cursor position, size) and mouse reports.
const ANSWERS: [&str; 18] = [
    "\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\",
    "\x1b]10;rgb:ffff/ffff/ffff\x07",
    "\x1b]52;c;aGVsbG8=\x1b\\",
    "\x1b[?62;22;52c",
    "\x1b[>1;4000;29c",
    "\x1b[?2026;2$y",
    "\x1bP>|foot(1.16.2)\x1b\\",
    "\x1bP1$r0m\x1b\\",
    "\x1b_Gi=31;OK\x1b\\",
    "\x1bXany string\x1b\\",
    "\x1b^a private message\x1b\\",
    "\u{9d}11;rgb:1e1e/1e1e/1e1e\u{9c}",
    "\u{9d}2;ㅜㅜ\x07",
    "\u{9f}an application's\u{9c}",
    "\x1b[12;40R",
    "\x1b[<0;12;7M",
    "\x1b[M !A",
    "\x1b[I",
];

#[test]
fn no_answer_of_the_terminal_becomes_text() {
    for (size, setup) in Setup::SIZES {
        let (mut alice, bob) = Pty::start_with_bob(&setup);
        let whole = format!("한{}글", ANSWERS.concat());
        alice.press(&whole);
        alice.sees("한글");
        // And where each byte comes by itself. (A control string has to go on in time.)
        for answer in ANSWERS.iter().filter(|answer| answer.starts_with("\x1b[")) {
            for byte in answer.as_bytes() {
                alice.press_bytes(&[*byte]);
            }
        }
        alice.press(&format!("\x1b[200~ and {}pasted\x1b[31m\x1b[38;5;12m\x1b[201~\r", ANSWERS.join("a ")));
        let pasted = format!("한글 and {}pasted", "a ".repeat(ANSWERS.len() - 1));
        let heard = bob.hears("alice", 1);
        assert_eq!(heard, [pasted]);
        alice.check_picture(&format!("sequences-{size}"), |screen| screen.contents().contains("alice:"));
    }
}

#[test]
fn bytes_that_are_no_utf_8_end_nothing_and_are_seen() {
    for (_, setup) in Setup::SIZES {
        let (mut alice, bob) = Pty::start_with_bob(&setup);
        // Latin-1, half a syllable, an answer with C1 control characters; typed, then pasted.
        alice.press_bytes(b"caf\xe9 \xea\xb0zz\x9b?62;22;52c\x9d11;rgb:0/0/0\x9c!\r");
        alice.press_bytes(b"\x1b[200~caf\xe9\x1b[201~\r");
        alice.press("그대로\r");
        assert_eq!(bob.hears("alice", 3), ["caf\u{fffd} \u{fffd}zz!", "caf\u{fffd}", "그대로"]);
    }
}

#[test]
fn a_terminal_without_an_editor_sends_no_sequence_either() {
    for setup in [Setup { term: "dumb", ..Setup::WIDE }, Setup { args: &["--plain"], ..Setup::WIDE }] {
        let mut alice = Pty::start(&setup);
        let bob = alice.call_as_bob();
        alice.sees_join("bob");
        alice.press(&format!("한{}글\x1b[27;2;13~\r", ANSWERS.concat()));
        assert_eq!(bob.hears("alice", 1), ["한글"]);
    }
}

#[test]
fn what_is_typed_behind_an_answer_that_does_not_end_is_text() {
    for unended in ["\x1b]11;rgb:1e1e", "\x1bP>|foot", "\u{9d}11;rgb:1e1e", "\x1b_Gi=31"] {
        let (mut alice, bob) = Pty::start_with_bob(&Setup::SMALL);
        alice.press(unended);
        // No person types faster, and a terminal does not send the rest of an answer so late.
        eventually("a key is text", PATIENCE, || {
            sleep(Duration::from_millis(50));
            alice.press("글");
            alice.screen().contains("글")
        });
        alice.press("\x15한글\r");
        assert_eq!(bob.hears("alice", 1), ["한글"], "{unended:?}");
    }
}

#[test]
fn shift_enter_begins_a_new_line() {
    for shift_enter in ["\x1b[27;2;13~", "\x1b[13;2u", "\x1b\r"] {
        let (mut alice, bob) = Pty::start_with_bob(&Setup::SMALL);
        alice.press(&format!("하나{shift_enter}둘"));
        alice.wait_picture("40x10 cursor 1,2 paste=true\n|bob? > 하나\n|둘");
        alice.press("\r");
        assert_eq!(bob.hears("alice", 2), ["하나", "둘"]);
    }
}

#[test]
fn escape_alone_leaves_a_search_and_late_answers_do_not_go_into_it() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::SMALL);
    alice.press("first\r");
    bob.hears("alice", 1);
    alice.wait_reading();
    alice.press("\x12fir\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\s");
    alice.sees("i-search)`firs");
    alice.press("\x1b");
    alice.wait("the line", |screen| !screen.contents().contains("i-search"));
    alice.press("\x15second\r");
    assert_eq!(bob.hears("alice", 2), ["first", "second"]);
}

#[test]
fn an_external_editor_has_the_terminal_to_itself() {
    let editor = "f() { echo it reads; read word; echo \"$word, typed\" > \"$1\"; }; f";
    let (mut alice, bob) = Pty::start_with_bob(&Setup { env: &[("EDITOR", editor)], ..Setup::SMALL });
    alice.press("\x18\x05");
    // Keys before that are for the prompt.
    alice.sees("it reads");
    alice.press("words\r");
    alice.sees("words, typed");
    alice.press("\r");
    assert_eq!(bob.hears("alice", 1), ["words, typed"]);
}
