//! Test keys of replays, whose private halves anybody can read: refused by whoever talks for real.

use std::process::Stdio;
use std::thread;

use rsachat::crypto::{Identity, test_keys};
use rsachat::wire::Purpose;

use crate::support::hostile_peer::HostilePeer;
use crate::support::{Home, Process, socket};

const REFUSED: &str = "it is a test key, which anyone can regenerate";

#[test]
fn a_test_key_is_nobodys_identity_also_without_its_mark() {
    for (kind, bits) in [("identity.pem", 3072), ("raw.pem", 2048)] {
        let home = Home::of("민지");
        home.private(kind, test_keys(bits)[0]);
        for args in [&["key", "show"][..], &["--json"], &["recv", "--listen", "127.0.0.1:0"], &["doctor"]] {
            let mut program = home.run(args, Stdio::null());
            let (code, said) = (program.ends(), program.output() + &program.complaints());
            assert!(said.contains(REFUSED) && code != 0, "{kind} {args:?} {code}: {said}");
        }
    }
    let home = Home::of("민지");
    let own = home.fingerprint();
    let file = home.private("found.pem", test_keys(3072)[1]);
    home.run(&["key", "import", "--replace", file.to_str().unwrap()], Stdio::null()).ends_saying(3, REFUSED);
    assert_eq!(home.fingerprint(), own);
}

#[test]
fn a_peer_with_a_test_key_is_refused_at_either_end() {
    let pem = test_keys(3072)[0];
    let identity = Identity::from_pem(pem, None).unwrap();
    let (junho, at) = Process::listening("준호");
    assert!(HostilePeer::joins(&at, &identity, "alice", Purpose::Chat, 7).is_none());
    junho.sees("it is a test key, whose private half anybody can read");
    assert!(!junho.has_seen("joined"));

    let (listener, at) = socket();
    let listens =
        thread::spawn(move || HostilePeer::answers_with(&listener, &identity, "alice", Purpose::Chat));
    let mut minji = Process::start("민지", &["--connect", &at]);
    minji.sees("it is a test key, whose private half anybody can read");
    assert!(!minji.has_seen("joined"));
    assert_ne!(minji.closes_input().ends(), 0);
    assert!(listens.join().unwrap().is_none(), "nobody goes on with its handshake");
}
