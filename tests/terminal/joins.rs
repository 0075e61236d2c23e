//! Rows of those who call: one for each who joins.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::thread;

use rsachat::wire::{Preface, Purpose};

use super::pty::{Pty, Setup, row_of_cursor};
use super::support::{PATIENCE, all_of, call, eventually, socket};

#[test]
fn a_peer_that_joins_is_one_row_with_its_key_only_at_the_first_meeting() {
    for (size, setup) in Setup::SIZES {
        let mut alice = Pty::start(&setup);
        alice.clear();
        let mut minji = alice.call_with("민지", "pty/bob.pem");
        alice.check_picture(&format!("join-of-a-new-key-{size}"), |screen| {
            screen.contents().contains("민지? >")
        });
        minji.types(":quit");
        alice.sees("민지 left");
        alice.clear();
        let mut minji = alice.call_with("민지", "pty/bob.pem");
        alice.sees("민지 joined, met before");
        assert!(!alice.picture().contains("SHA256:"), "{}", alice.picture());
        minji.types(":quit");
        alice.sees("민지 left");
        alice.press(":to 민지\r");
        alice.sees("plain text now goes to 민지");
        alice.clear();
        let mut minji = alice.call_with("민지", "pty/bob.pem");
        alice.sees("민지 joined, known key");
        alice.press(":verify 민지\r:trust 민지\r");
        alice.sees("민지 is marked verified");
        alice.clear();
        minji.types(":quit");
        alice.sees("민지 left");
        let _minji = alice.call_with("민지", "pty/bob.pem");
        alice.check_picture(&format!("joins-{size}"), |screen| screen.contents().contains("joined"));
    }
}

#[test]
fn three_probes_of_three_kinds_are_one_dim_row_and_a_count() {
    for (size, setup) in Setup::SIZES {
        // What a kernel confines is in `tests/sandbox.rs`.
        let mut alice = Pty::start(&Setup { args: &["--no-sandbox"], ..setup });
        let at = format!("127.0.0.1:{}", alice.last_port());
        alice.clear();
        let mut malformed = b"rsachat\n\x01\x01\x01\x00\x00\x00\x00\x00".to_vec();
        malformed.extend([0x00, 0x04, 1, 2, 3, 4]);
        for probe in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", &malformed] {
            let mut stranger = call(&at);
            stranger.write_all(probe).unwrap();
            stranger.shutdown(Shutdown::Write).unwrap();
            all_of(stranger);
        }
        alice.check_picture(&format!("probe-{size}"), |screen| {
            screen.contents().contains(if size == "40x10" { "spoke" } else { ":status counts more" })
        });
        assert!(!alice.picture().contains("! "), "{}", alice.picture());
        let looks = alice.cells(|_| true);
        let prompt = looks.iter().map(|(row, ..)| *row).max().unwrap();
        assert!(looks.iter().all(|(row, .., look)| *row == prompt || look == "d"), "{looks:?}");
        alice.clear();
        alice.press(":status\r");
        alice.sees("callers that proved no key: 3 (");
        alice.check_picture(&format!("probes-{size}"), |screen| screen.contents().contains("proved no key"));
    }
}

#[test]
fn the_status_says_of_a_busy_listener_that_it_is_called_again() {
    let (listener, at) = socket();
    thread::spawn(move || {
        for mut caller in listener.incoming().flatten() {
            // The preface of the caller; then the reason "busy".
            let busy = [&Preface::new(Purpose::Chat).to_bytes()[..], &[0, 1, 1]].concat();
            if caller.read_exact(&mut [0; 16]).is_ok() && caller.write_all(&busy).is_ok() {
                let _ = caller.shutdown(Shutdown::Write);
                all_of(caller);
            }
        }
    });
    let mut alice = Pty::start(&Setup::WIDE);
    alice.press(&format!(":connect {at}\r"));
    let begins = format!("{at} is busy; calling again in ");
    eventually("the row of the status", PATIENCE, || {
        alice.press(":status\r");
        alice.wait("an answer", |screen| row_of_cursor(screen).trim_end().ends_with('>'));
        alice.screen().lines().any(|row| row.starts_with(&begins))
    });
}
