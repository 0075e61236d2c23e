//! Rows of those who call: one for each who joins.

use std::io::Write as _;

use super::pty::{Pty, Setup};
use super::support::{all_of, call};

#[test]
fn a_peer_that_joins_is_one_row_with_its_key_only_at_the_first_meeting() {
    for (size, setup) in Setup::SIZES {
        let setup = Setup { args: &["--no-time"], ..setup };
        let mut alice = Pty::start(&setup);
        let mut joins = |row: &str| {
            alice.clear();
            let mut minji = alice.call_with("민지", "pty/bob.pem");
            alice.sees(row);
            minji.types(":quit");
            alice.sees("민지 left");
            alice.picture().matches("SHA256:").count()
        };
        assert_eq!(joins("compare with :verify 민지"), 1);
        assert_eq!(joins("* 민지 joined, met before, unverified"), 0);
        alice.press(":to 민지\r");
        alice.sees("plain text now goes to 민지");
        alice.clear();
        let mut minji = alice.call_with("민지", "pty/bob.pem");
        alice.sees("* 민지 joined, known key, unverified");
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
        let setup = Setup { args: &["--no-time"], ..setup };
        let mut alice = Pty::start(&setup);
        let at = format!("127.0.0.1:{}", alice.last_port());
        alice.clear();
        let mut malformed = b"rsachat\n\x01\x01\x01\x00\x00\x00\x00\x00".to_vec();
        malformed.extend([0x00, 0x04, 1, 2, 3, 4]);
        for probe in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", &malformed] {
            let mut stranger = call(&at);
            stranger.write_all(probe).unwrap();
            stranger.shutdown(std::net::Shutdown::Write).unwrap();
            all_of(stranger);
        }
        alice.sees("are only counted (:status)");
        assert!(!alice.picture().contains("! "), "{}", alice.picture());
        let looks = alice.cells(|_| true);
        assert!(looks.iter().all(|(row, .., look)| *row > 0 || look == "d"), "{looks:?}");
        alice.clear();
        alice.press(":status\r");
        alice.sees("callers that proved no key: 3 (");
        alice.check_picture(&format!("probes-{size}"), |screen| screen.contents().contains("proved no key"));
    }
}
