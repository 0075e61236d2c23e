//! Storms of messages and resizes, and terminals that say odd things about themselves.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::pty::{Pty, Setup};

#[test]
fn twenty_edited_lines_are_typed_while_thirty_messages_a_second_arrive() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::WIDE);
    let over = Arc::new(AtomicBool::new(false));
    let mut input = bob.take_input();
    let storm = thread::spawn({
        let over = Arc::clone(&over);
        move || {
            // The rate is the test: 30 a second, for as long as it takes and no more than 20
            // seconds.
            let mut sent = 0_u32;
            while !over.load(Ordering::SeqCst) && sent < 600 {
                writeln!(input, "비바람 {sent}").expect("the peer takes lines");
                sent += 1;
                thread::sleep(Duration::from_millis(33));
            }
            (sent, input)
        }
    });
    let wanted: Vec<_> = (0..20).map(|n| format!("줄 {n} 안녕하세요")).collect();
    for n in 0..20 {
        // A line for each message: the storm lasts as long as the typing.
        alice.wait_bytes("the storm", |bytes| bytes.contains(&format!("비바람 {n}")));
        // Typed wrong, then mended: three too many rubbed out, one put in at the front.
        for key in format!(" {n} 안녕하세요xyz").chars() {
            alice.press(&key.to_string());
        }
        for key in ["\x7f", "\x7f", "\x7f", "\x01", "줄", "\x05", "\r"] {
            alice.press(key);
        }
    }
    assert_eq!(bob.hears("alice", 20), wanted);
    over.store(true, Ordering::SeqCst);
    let (sent, _input) = storm.join().expect("a storm");
    alice.sees(&format!("비바람 {}", sent - 1));
    assert!(sent >= 20, "a storm of {sent}");
    assert_eq!(bob.hears("alice", 20), wanted, "and nothing else");
}

#[test]
fn two_hundred_resizes_leave_the_line_and_the_program_whole() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::WIDE);
    alice.press("가나다라마바사아자차카타파하 abcdefghijklmnopqrstuvwxyz");
    alice.sees("xyz");
    for n in 0..200_u16 {
        alice.resize(1 + (n * 37) % 120, 1 + (n * 13) % 50);
        if n % 20 == 0 {
            bob.types(&format!("resize {n} 안녕"));
        }
    }
    alice.resize(80, 24);
    bob.types("the end");
    alice.sees("bob: the end");
    alice.press("!\r");
    assert_eq!(bob.hears("alice", 1), ["가나다라마바사아자차카타파하 abcdefghijklmnopqrstuvwxyz!"]);
}

#[test]
fn columns_of_the_environment_do_not_win_over_the_screen() {
    for columns in ["20", "0", "-1", "99999999999999999999", "wide"] {
        let env = [("COLUMNS", columns)];
        let setup = Setup { env: &env, ..Setup::WIDE };
        let (alice, mut bob) = Pty::start_with_bob(&setup);
        let text = "a line that is longer than twenty cells, and shorter than eighty";
        bob.types(text);
        alice.wait("one row", |screen| screen.rows(0, 99).any(|row| row.ends_with(text)));
    }
}

#[test]
fn colour_can_be_forced_and_refused() {
    let mended = |bytes: &str| bytes.contains("\x1b[38;5;") || bytes.contains("\x1b[2m");
    for (env, args, coloured) in [
        (&[("CLICOLOR_FORCE", "1")][..], &[][..], true),
        (&[("CLICOLOR_FORCE", "0")], &[], false),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &[], false),
        (&[("NO_COLOR", "1")], &["--colour", "always"], true),
    ] {
        let setup = Setup { term: "dumb", env, args, ..Setup::WIDE };
        let alice = Pty::start(&setup);
        let mut bob = alice.call_as_bob();
        bob.types("hi");
        alice.sees("bob: hi");
        assert_eq!(mended(&alice.bytes()), coloured, "{env:?} {args:?}: {:?}", alice.bytes());
    }
}

#[test]
fn a_plain_prompt_says_one_event_a_line_in_words() {
    let setup = Setup { args: &["--plain", "--no-time"], ..Setup::WIDE };
    let mut alice = Pty::start(&setup);
    let mut bob = alice.call_as_bob();
    alice.sees("note: bob joined, new key");
    bob.types("안녕");
    alice.wait("his words", |screen| screen.rows(0, 99).any(|row| row == "bob says: 안녕"));
    alice.press("hi bob\r");
    assert_eq!(bob.hears("alice", 1), ["hi bob"]);
    alice.press(":conect\r");
    alice.sees("problem: no such command :conect");
    alice.press(":edit\r");
    alice.sees("problem: `:edit` needs a terminal");
    assert!(alice.has_modes_of_before(), "nobody edits");
    assert!(!alice.bytes().contains('\x1b'), "{:?}", alice.bytes());
    alice.press("\x04");
    assert_eq!(alice.wait_end(), 0);
}
