//! Terminal that another program has made non-blocking, or that has stopped.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::pty::{Pty, Setup, has};
use crate::support::Process;

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
    let mut alice = Pty::start_non_blocking(&Setup::WIDE);
    let mut bob = alice.call_as_bob();
    alice.sees("bob joined");
    alice.stops();
    bob.types_bytes(much().as_bytes());
    alice.wait_full();
    alice.goes_on();
    alice.sees("bob: 400 xxx");
    alice.press(":quit\r");
    assert_eq!(alice.wait_end(), 0);
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
    alice.sees("bob joined");
    match stop {
        Stop::Unread => alice.stops(),
        Stop::FlowOff => alice.flow_off(),
    }
    bob.types_bytes(much().as_bytes());
    alice.wait_full();
    (alice, bob)
}
