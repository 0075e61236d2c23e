//! Terminal that another program has made non-blocking, or that has stopped.

use std::process::Stdio;
use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;
use rustix::process::Signal;

use crate::pipe::{calling_with, listening};
use crate::pty::{Pty, Setup, has};
use crate::support::{Home, Output, Process, RSACHAT};

/// What an end takes: a second, and two more for a machine that is busy with other tests. Whoever
/// waited for the terminal would never end.
const SOON: Duration = Duration::from_secs(3);

/// Way in which a terminal takes no output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stop {
    /// Nobody reads it.
    Unread,
    /// Ctrl-S, or another program, has stopped it (XOFF).
    FlowOff,
}

/// More than a terminal holds that is not read.
fn much() -> String {
    (1..=400).fold(String::new(), |lines, number| lines + &format!("{number} {}\n", "x".repeat(500)))
}

#[test]
fn a_terminal_that_another_program_made_non_blocking_shows_every_row() {
    for args in [&[][..], &["--plain"]] {
        let mut alice = Pty::start_non_blocking(&Setup { args, ..Setup::WIDE });
        let mut bob = alice.call_as_bob();
        alice.sees_join("bob");
        // Not by reading nothing: the system may make room then, and not tell who waits for it.
        alice.flow_off();
        bob.types_bytes(much().as_bytes());
        alice.wait_full();
        alice.flow_on();
        alice.wait_bytes("the last row", |bytes| bytes.contains(": 400 xxx"));
        alice.press(if args.is_empty() { ":quit\r" } else { ":quit\n" });
        assert_eq!(alice.wait_end(), 0, "{args:?}");
        let bytes = alice.bytes();
        let missing = (1..=400).find(|number| !bytes.contains(&format!(": {number} xxx")));
        assert_eq!(missing, None, "{args:?}");
        assert!(bytes.matches('x').count() >= 400 * 500, "{args:?}");
    }
}

#[test]
fn whatever_writes_to_a_non_blocking_terminal_writes_all_of_it() {
    for args in [&["man"][..], &["man", "recv"]] {
        let home = Home::with_key("alice", "pty/alice.pem");
        let wanted = home.answer(args);
        let mut command = CommandBuilder::new(RSACHAT);
        command.args(args);
        command.env("NO_COLOR", "1");
        command.env("RSACHAT_CONFIG", "none");
        let mut pty = Pty::open_non_blocking(&command, (80, 24), home);
        pty.flow_off();
        pty.wait_full();
        pty.flow_on();
        assert_eq!(pty.wait_end(), 0, "{args:?}");
        assert_eq!(pty.bytes().replace("\r\n", "\n"), wanted, "{args:?}");
    }
}

#[test]
fn the_passphrase_of_an_exported_home_is_asked_for_twice_and_a_wrong_one_again_without_an_echo() {
    let (home, new) = (Home::with_key("alice", "pty/alice.pem"), Home::with_key("new", "pty/alice.pem"));
    let file = home.file("sealed").to_str().unwrap().to_owned();
    let start = |at: &Home, task: &str| {
        let mut command = CommandBuilder::new(RSACHAT);
        command.arg("--home");
        command.arg(at.path());
        command.args(["home", task, &file]);
        command.env("RSACHAT_CONFIG", "none");
        Pty::open(command, (80, 24), at.clone())
    };
    let ends = |mut pty: Pty, answers: &[(&str, &str)], code: u32| {
        for (question, answer) in answers {
            let times = answers.iter().take_while(|other| *other != &(*question, *answer));
            let times = times.filter(|other| other.0 == *question).count() + 1;
            pty.wait_bytes(question, |bytes| bytes.matches(question).count() == times);
            pty.hides_keys();
            pty.press(&format!("{answer}\r"));
        }
        assert_eq!(pty.wait_end(), code);
        assert!(!pty.bytes().contains("horse"), "{}", pty.bytes());
        pty.bytes()
    };
    let (first, second) = ("passphrase of the file: ", "once more: ");
    let said = ends(start(&home, "export"), &[(first, "right horse"), (second, "wrong horse")], 1);
    assert!(said.contains("the two passphrases differ; nothing was written"), "{said}");
    ends(start(&home, "export"), &[(first, "right horse"), (second, "right horse")], 0);
    std::fs::remove_file(new.file("identity.pem")).unwrap();
    let said = ends(start(&new, "import"), &[(first, "wrong horse"), (first, "right horse")], 0);
    assert!(said.contains("wrong passphrase"), "{said}");
    assert_eq!(new.fingerprint(), home.fingerprint());
}

#[test]
fn a_bar_on_a_non_blocking_terminal_takes_no_row_with_it() {
    let listens = listening(Output::Into(Stdio::null()));
    let mut calls = calling_with(&listens, "< /dev/zero", Pty::open_non_blocking);
    calls.sees("B confirmed, 0 B received");
    calls.flow_off();
    calls.wait_full();
    drop(listens);
    calls.flow_on();
    assert_eq!(calls.wait_end(), 5);
    calls.wait_bytes("the reason", |bytes| {
        bytes.contains("\r\x1b[2Krsachat: error: ") && bytes.ends_with("received\r\n")
    });
}

#[test]
fn nobody_who_stops_the_terminal_keeps_the_program_from_ending() {
    let (term, int, hup) = (Signal::TERM, Signal::INT, Signal::HUP);
    let plain = &["--plain"][..];
    for (args, signals, code) in [
        (&[][..], &[term][..], 143),
        (&[], &[hup], 129),
        (&[], &[term, term], 143),
        (plain, &[term], 143),
        (plain, &[int], 130),
        (plain, &[hup], 129),
        (plain, &[int, int], 130),
    ] {
        for stop in [Stop::Unread, Stop::FlowOff] {
            let (mut alice, _bob) = stopped(args, stop);
            let since = Instant::now();
            for signal in signals {
                alice.signal(*signal);
            }
            assert_eq!(alice.wait_end_unread(), code, "{args:?} {signals:?} {stop:?}");
            assert!(since.elapsed() < SOON, "{args:?} {signals:?} {stop:?}: {:?}", since.elapsed());
        }
    }
}

#[test]
fn what_is_typed_ends_the_program_on_a_terminal_that_has_stopped() {
    for (args, keys) in [
        (&["--plain"][..], ":quit\n"),
        (&["--plain"], "\x04"),
        (&[], ":quit\r"),
        (&[], "\x04"),
        (&[], "hello\r:quitt\x7f\r"),
        (&["--editor-mode", "vi"], ":quit\r"),
    ] {
        for stop in [Stop::Unread, Stop::FlowOff] {
            let (mut alice, _bob) = stopped(args, stop);
            let since = alice.press_unseen(keys);
            assert_eq!(alice.wait_end_unread(), 0, "{args:?} {keys:?} {stop:?}");
            assert!(since.elapsed() < SOON, "{args:?} {keys:?} {stop:?}: {:?}", since.elapsed());
        }
    }
}

#[test]
fn what_is_typed_while_the_terminal_has_stopped_stands_in_the_line_once_it_goes_on() {
    let (mut alice, bob) = stopped(&[], Stop::Unread);
    alice.press_unseen("안녕\rx\x7f\x1b[D거기");
    alice.wait_taken();
    alice.goes_on();
    alice.sees("bob: 400 xxx");
    alice.wait("the line", |screen| has(screen, "> 안녕\n거기"));
    assert!(!bob.has_seen("안녕"), "nobody has seen it");
    alice.press("!\r");
    bob.sees("alice: 안녕");
    alice.press(":quit\r");
    assert_eq!(alice.wait_end(), 0);
}

/// A terminal that has stopped, and the peer that fills it.
fn stopped(args: &[&str], stop: Stop) -> (Pty, Process) {
    let alice = Pty::start(&Setup { args, ..Setup::WIDE });
    let mut bob = alice.call_as_bob();
    alice.sees_join("bob");
    match stop {
        Stop::Unread => alice.stops(),
        Stop::FlowOff => alice.flow_off(),
    }
    bob.types_bytes(much().as_bytes());
    alice.wait_full();
    (alice, bob)
}
