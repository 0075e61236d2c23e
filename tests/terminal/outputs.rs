//! Terminal that another program has made non-blocking, or that has stopped.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::pty::{Pty, Setup};

/// What an end takes, on a busy machine: whoever waited for the terminal would never end.
const SOON: Duration = Duration::from_secs(10);

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
    let plain = &["--plain"][..];
    for (args, signal, code) in [
        (&[][..], Signal::TERM, 143),
        (&[], Signal::HUP, 129),
        (plain, Signal::TERM, 143),
        (plain, Signal::INT, 130),
        (plain, Signal::HUP, 129),
    ] {
        let mut alice = Pty::start(&Setup { args, ..Setup::WIDE });
        let mut bob = alice.call_as_bob();
        alice.sees("bob joined");
        alice.stops();
        bob.types_bytes(much().as_bytes());
        alice.wait_full();
        let since = Instant::now();
        alice.signal(signal);
        assert_eq!(alice.wait_end_unread(), code, "{args:?} {signal:?}");
        assert!(since.elapsed() < SOON, "{args:?} {signal:?}: {:?}", since.elapsed());
    }
}

#[test]
fn what_is_typed_ends_a_plain_prompt_on_a_terminal_that_has_stopped() {
    for keys in [":quit\n", "\x04"] {
        let mut alice = Pty::start(&Setup { args: &["--plain"], ..Setup::WIDE });
        let mut bob = alice.call_as_bob();
        alice.sees("bob joined");
        alice.stops();
        bob.types_bytes(much().as_bytes());
        alice.wait_full();
        alice.press(keys);
        assert_eq!(alice.wait_end_unread(), 0, "{keys:?}");
    }
}
