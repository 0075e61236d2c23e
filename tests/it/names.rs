//! Names: who is shown under one keeps it, nobody else comes near it, and who tries is named.

use std::process::Stdio;

use rsachat::crypto::Identity;
use rsachat::wire::{ByeReason, Lifetime, Purpose, Record};

use crate::support::caller::Caller;
use crate::support::hostile_peer::HostilePeer;
use crate::support::{Home, PATIENCE, Process, read};

/// Calls with a test key and a claimed name.
fn call(at: &str, key: &str, name: &str) -> Caller {
    Caller::established(at, key, name, Lifetime::Lasting)
}

#[test]
fn a_name_once_shown_belongs_to_its_key_though_it_left_and_is_forgotten() {
    let (mut minji, at) = Process::listening("민지");
    let mut bob = call(&at, "test-2.pem", "bob");
    minji.sees("* bob joined, new key");
    bob.leaves();
    minji.sees("* bob left");
    minji.types(":forget bob");
    minji.sees("* bob is forgotten");
    let _other = call(&at, "test-3.pem", "b\u{43e}b");
    minji.sees("* b\u{43e}b~2 joined, new key");
    minji.sees("* two callers claim to be b\u{43e}b; compare keys");
    let _bob = call(&at, "test-2.pem", "bob");
    minji.sees_times("* bob joined, new key", 2, PATIENCE);
    assert!(!minji.has_seen("claims to be"), "{}", minji.output());
}

#[test]
fn a_renamed_peer_keeps_the_name_that_it_claims() {
    let (mut minji, at) = Process::listening("민지");
    let _bob = call(&at, "test-2.pem", "bob");
    minji.sees("* bob joined, new key");
    minji.types(":name bob 밥");
    minji.sees("* bob is now called 밥");
    let _other = call(&at, "test-3.pem", "bob");
    minji.sees("* bob~2 joined, new key");
    minji.sees("! bob~2 claims to be bob; it is not the bob you know");
}

#[test]
fn a_given_name_is_a_name_for_the_user_and_for_nobody_else() {
    let (mut minji, at) = Process::listening("민지");
    let _bob = call(&at, "test-2.pem", "bob");
    minji.sees("* bob joined");
    let mut other = call(&at, "test-3.pem", "bob~9");
    // What does not belong into a name is dropped.
    minji.sees("* bob9 joined");
    other.leaves();
    minji.sees("* bob9 left");
    let _other = call(&at, "test-4.pem", "Bob");
    minji.sees("* Bob~2 joined");
    for (command, answer) in [
        (":to bob~2", "* plain text now goes to Bob~2, unverified"),
        (":verify bob~2", "* safety number with Bob~2"),
        (":trust BOB~2", "* Bob~2 is marked verified"),
        (":name bob9 Bob~2", "! a name has letters, digits, - and _ only"),
        (":name bob9 b\u{43e}b", "! b\u{43e}b looks like Bob, which is taken; choose another name"),
        (":nick me~2", "! a name has letters, digits, - and _ only"),
    ] {
        minji.types(command);
        minji.sees(answer);
    }
    // In the book too, and for the commands.
    let home = minji.home.clone();
    assert!(home.answer(&["peers", "list"]).starts_with("Bob~2 SHA256:"));
    assert!(home.answer(&["peers", "block", "bob~2"]).contains("is blocked"));
    let named = home.run(&["--name", "me~2", "send", &at, "-m", "x"], Stdio::null()).ends();
    assert_eq!(named, 2);
}

#[test]
fn one_more_character_does_not_evade_the_warning_about_impostors() {
    let home = Home::with_key("minji", "test-1.pem");
    home.private("peers", format!("bob {} verified\n", Home::of("준호").fingerprint()));
    let minji = home.start(&["--listen", "127.0.0.1:0"]);
    let at = minji.listens_at();
    let keys =
        ["test-3.pem", "test-4.pem", "alice-2048.pem", "bob-2048.pem", "alice-3072.pem", "bob-3072.pem"];
    let bob = "it is NOT the bob you verified";
    let tried = [
        ("bob-2", bob),
        ("bob_", bob),
        ("b\u{43e}b2", bob),
        ("minji1", "which looks like your own name"),
        ("system", "that name is reserved"),
        ("l\u{43e}calhost", "that name is reserved"),
    ];
    // From sources of their own, since one source calls only so often.
    let call = |key, claim, source| {
        let identity = Identity::from_pem(&read(&format!("tests/keys/{key}")), None).unwrap();
        HostilePeer::calls_with(&at, &identity, claim, Purpose::Chat, source)
    };
    let mut callers = Vec::new();
    for (source, (key, (claim, warning))) in keys.into_iter().zip(tried).enumerate() {
        callers.push(call(key, claim, source));
        let row = minji.sees(warning);
        assert!(row.contains("claims to be"), "{row}");
        minji.sees(&format!("{} claims to be", claim.trim_end_matches("system")));
    }
    assert_eq!(minji.output().matches("claims to be").count(), tried.len(), "{}", minji.output());
    // Once for each key.
    callers.remove(0).sends(&Record::Bye(ByeReason::Leaving));
    minji.sees("* bob-2 left");
    let _again = call(keys[0], "bob-2", keys.len());
    minji.sees_times("* bob-2 joined", 2, PATIENCE);
    assert_eq!(minji.output().matches("claims to be").count(), tried.len(), "{}", minji.output());
}

#[test]
fn a_login_that_others_have_too_is_no_claim_and_a_chosen_name_is_one_once_for_each_key() {
    let home = Home::with_key("minji", "test-1.pem");
    let login = home.answer(&["key", "export"]).split_whitespace().last().unwrap().to_owned();
    let chosen: [(&[&str], &str); 3] =
        [(&[], &login), (&["--name", "minji"], "minji"), (&["--name", "minji"], "minji")];
    for (nth, (args, claim)) in chosen.into_iter().enumerate() {
        let listening = home.run(&[args, &["--listen", "127.0.0.1:0"]].concat(), Stdio::piped());
        let at = listening.listens_at();
        let key = if nth == 0 { "test-3.pem" } else { "test-4.pem" };
        let mut caller = call(&at, key, claim);
        listening.sees(&format!("* {claim}~2 joined"));
        home.has_met(claim);
        caller.leaves();
        listening.sees(&format!("* {claim}~2 left"));
        assert_eq!(listening.has_seen("which is your own name"), nth == 1, "{}", listening.output());
    }
    // Chosen in the session.
    let mut listening = home.run(&["--listen", "127.0.0.1:0"], Stdio::piped());
    let at = listening.listens_at();
    listening.types(":nick hana");
    listening.sees("will know you as hana");
    let _caller = call(&at, "test-2.pem", "hana");
    listening.sees("hana~2 claims to be hana, which is your own name");
}

#[test]
fn the_name_that_a_known_peer_claims_is_nobody_elses_after_a_restart_either() {
    let (mut junho, at) = Process::listening("준호");
    let bob = call(&at, "test-1.pem", "bob");
    junho.sees("* bob joined");
    junho.types(":name bob 밥");
    junho.sees("bob is now called 밥");
    drop(bob);
    junho.types(":quit");
    assert_eq!(junho.ends(), 0);
    let (junho, at) = junho.home.start(&["--listen", "127.0.0.1:0", "--anybody"]).and_where();
    let _eve = call(&at, "test-3.pem", "bob");
    junho.sees("* bob~2 joined");
    junho.sees("bob~2 claims to be bob");
    let _bob = call(&at, "test-1.pem", "bob");
    junho.sees("* 밥 joined");
}

#[test]
fn a_whole_fingerprint_names_a_peer_wherever_its_name_does_and_a_key_of_nobody_is_said_to_be_that() {
    let (alice, bob) = (Home::with_key("alice", "test-1.pem"), Home::with_key("bob", "test-2.pem"));
    let mut listener = bob.start(&["--plain", "--listen", "127.0.0.1:0"]);
    let at = listener.listens_at();
    let (key, nobodys) = (bob.fingerprint(), format!("SHA256:{}", "A".repeat(43)));
    alice.answer(&["peers", "add", "bob", &key]);
    assert_eq!(alice.run(&["send", &at, "-m", "hello", "--to", &key], Stdio::null()).ends(), 0);
    alice.answer(&["peers", "add", "joe", &Home::with_key("joe", "test-3.pem").fingerprint()]);
    for (args, code) in [
        (&["send", "KEY", "-m", "one"][..], 0),
        (&["send", "--keep", "KEY", "-m", "two"], 0),
        (&["send", "--flush", "KEY"], 0),
        (&["ask", "KEY", "-m", "three", "--timeout", "1ms"], 5),
        (&["peers", "trust", "KEY"], 0),
        (&["peers", "block", "KEY"], 0),
        (&["send", "--flush", "KEY"], 4),
        (&["peers", "unblock", "KEY"], 0),
        (&["peers", "name", "KEY", "robert"], 0),
        (&["peers", "forget", "KEY"], 0),
    ] {
        let run = |key: &str| {
            let args: Vec<_> = args.iter().map(|arg| if *arg == "KEY" { key } else { arg }).collect();
            alice.run(&args, Stdio::null())
        };
        let mut known = run(&key);
        assert_eq!(known.ends(), code, "{args:?}: {}", known.complaints());
        assert!(args[0] != "peers" || known.output().starts_with(['b', 'r', 't']), "{}", known.output());
        run(&nobodys).ends_saying(1, &format!("no peer in your book has the key {nobodys}"));
        run(&key[..30]).ends_saying(2, "is not a whole fingerprint; write SHA256: and 43 characters");
    }
    for command in ["connect", "to", "verify", "name", "block", "forget"] {
        let line = format!(":{command} {nobodys}\n:{command} {nobodys} x\n:quit\n");
        let mut prompt = alice.start_having_typed(&["--plain"], &line);
        prompt.sees(&format!("no peer in your book has the key {nobodys}"));
        assert_eq!(prompt.ends(), 1);
    }
    listener.closes_input();
}

#[test]
fn a_command_says_the_name_that_the_book_has_and_whom_the_wanted_one_looks_like() {
    let home = Home::with_key("minji", "test-1.pem");
    let key = |pem: &str| Home::with_key("somebody", pem).fingerprint();
    home.answer(&["peers", "add", "bob", &key("test-2.pem")]);
    home.answer(&["peers", "add", "carol", &key("test-3.pem")]);
    let alike = "b\u{43e}b";
    let added = home.answer(&["peers", "add", alike, &key("test-4.pem")]);
    let (fingerprint, said) = (key("test-4.pem"), format!("{alike} looks like bob\n"));
    assert_eq!(added, format!("{alike}~2 is in your book, verified, {fingerprint}; {said}"));
    let named = home.answer(&["peers", "name", "carol", alike]);
    assert_eq!(named, format!("carol is now called {alike}~3, {}; {said}", key("test-3.pem")));
    let renamed = home.answer(&["peers", "name", "bob", "BOB"]);
    assert_eq!(renamed, format!("bob is now called BOB, {}\n", key("test-2.pem")));
    let nobodys = format!("SHA256:{}", "A".repeat(43));
    for args in [&["peers", "add", "bob", &nobodys][..], &["peers", "name", &fingerprint, "Bob"]] {
        let mut refused = home.run(args, Stdio::null());
        refused.ends_saying(1, "a peer named BOB already exists");
    }
    let list = home.answer(&["peers", "list"]);
    let book: Vec<_> = list.lines().filter_map(|row| row.split(' ').next()).collect();
    assert_eq!(book, ["BOB", &format!("{alike}~3"), &format!("{alike}~2")]);
}
