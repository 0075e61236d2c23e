//! Messages that a peer has on its disk, and that nobody there has seen: how long they are waited
//! for, and what is said of them.

use std::process::Stdio;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Home, PATIENCE, Process, file_with};

/// Homes whose book has each other: alice's, and bob's, which is served and at which nobody looks.
fn alice_and_unseeing_bob(key: &str) -> (Home, Home, Process, String) {
    let (alice, bob) = (Home::with_key("alice", key), Home::with_key("bob", "test-2.pem"));
    let (serve, at) = bob.serves();
    for (home, name, other) in [(&alice, "bob", &bob), (&bob, "alice", &alice)] {
        home.answer(&["peers", "add", name, &other.fingerprint()]);
    }
    (alice, bob, serve, at)
}

#[test]
fn the_end_of_an_input_waits_for_a_while_for_what_the_peer_has_and_shows_to_nobody() {
    let say = |at: &str| {
        let [connect, say] =
            [json!({ "command": "connect", "arguments": [at] }), json!({ "say": "안녕", "to": "bob" })];
        format!("{connect}\n{say}\n").into_bytes()
    };
    let type_it = |at: &str| format!(":connect {at}\n@bob 안녕\n").into_bytes();
    // Each with the home for itself, and as a face of another that has it open.
    let mut all = Vec::new();
    for (key, args, input) in [
        ("test-1.pem", &["--plain"][..], &type_it as &dyn Fn(&str) -> Vec<u8>),
        ("test-1.pem", &["--json"], &say),
    ] {
        let (alice, bob, serve, at) = alice_and_unseeing_bob(key);
        let own = if args == ["--plain"] {
            alice.run(&["--plain", "--connect", &at], file_with("@bob 안녕\n".as_bytes()))
        } else {
            alice.run(args, file_with(&input(&at)))
        };
        all.push((own, [alice, bob], [serve].into_iter().collect::<Vec<_>>()));
        let (alice, bob, serve, at) = alice_and_unseeing_bob(key);
        let (owner, _) = alice.serves();
        let face = alice.run(args, file_with(&input(&at)));
        all.push((face, [alice, bob], vec![serve, owner]));
    }
    for (mut pipe, [alice, bob], _services) in all {
        assert_eq!(pipe.ends(), 6, "{} {}", pipe.output(), pipe.complaints());
        pipe.sees("bob is connected, and has not acknowledged everything in time");
        assert!(!pipe.has_seen("the connection was lost"), "{}", pipe.output());
        let listed = alice.answer(&["outbox"]);
        assert!(listed.contains("delivered"), "{listed}");
        // It is shown once somebody looks.
        let mut face = bob.run(&["attach"], file_with(b""));
        assert_eq!(face.ends_within(PATIENCE), 0);
        assert!(face.output().contains("alice: 안녕"), "{}", face.output());
    }
}

#[test]
fn a_quit_behind_a_line_does_not_wait_for_somebody_to_see_it() {
    let (alice, _bob, _serve, at) = alice_and_unseeing_bob("test-1.pem");
    let input = format!(":connect {at}\n@bob 안녕\n:quit\n");
    let mut pipe = alice.run(&[], file_with(input.as_bytes()));
    assert_eq!(pipe.ends(), 6, "{}", pipe.output());
    pipe.sees("1 line waits for bob");
    let (_owner, _) = alice.serves();
    let mut face = alice.run(&[], file_with(b":quit\n"));
    assert_eq!(face.ends(), 6, "{}", face.output());
}

#[test]
fn what_waits_for_a_peer_at_whose_address_another_key_answers_is_code_4_and_stays_kept() {
    let (alice, bob, mut serve, at) = alice_and_unseeing_bob("test-1.pem");
    let keeps = |args: &[&str]| alice.run(&[&["send", "--keep", "-m", "안녕"], args].concat(), Stdio::null());
    assert_eq!(keeps(&[&at, "--to", "bob", "--timeout", "1ms"]).ends(), 6);
    let mut face = bob.run(&["recv", "--count", "1"], Stdio::null());
    assert_eq!(alice.run(&["send", "--flush"], Stdio::null()).ends(), 0);
    assert_eq!(face.ends(), 0);
    serve.signal(Signal::TERM);
    serve.ends();
    let carol = Home::with_key("carol", "test-3.pem");
    let _other = carol.run(&["serve", "--listen", &at, "--json"], Stdio::null()).and_where();
    let both = "another key answered than the one that is known; ";
    let mut owner = None;
    for waiting in [1, 3] {
        let mut kept = keeps(&["bob"]);
        assert_eq!(kept.ends(), 4, "{}", kept.complaints());
        kept.complains("has CHANGED from that of bob");
        kept.complains("if you are sure that this is bob: rsachat");
        kept.complains(&format!("{both}{waiting} message"));
        let mut flush = alice.run(&["send", "--flush", "--json"], Stdio::null());
        assert_eq!(flush.ends(), 4, "{}", flush.complaints());
        flush.complains(r#""kind":"key_changed""#);
        flush.complains(&format!(r#""kind":"queued","message":"{both}{waiting} message"#));
        assert_eq!(keeps(&[&at]).ends(), 4);
        let mut refused = alice.run(&["send", "bob", "-m", "once"], Stdio::null());
        assert_eq!(refused.ends(), 4, "{}", refused.complaints());
        if owner.is_some() {
            assert_eq!(
                refused.complaints().matches("nothing was sent").count(),
                1,
                "{}",
                refused.complaints()
            );
        }
        assert_eq!(alice.answer(&["outbox"]).matches("queued").count(), waiting + 1);
        owner.get_or_insert_with(|| alice.serves());
    }
}
