//! Exit codes of the commands that send: they mean the same whether or not another process has the
//! home open.

use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{Home, PATIENCE, Process, eventually, held_address};

/// What the peer does.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Answers,
    IsAway,
    Refuses,
    /// It takes the call and says nothing.
    IsStopped,
    /// It is killed by the message that it gets.
    IsKilled,
}

/// A peer that does so, and where it is called. What is returned with it keeps it so.
fn peer(does: Peer, home: &Home) -> (String, Option<Process>, Option<socket2::Socket>) {
    let recv = |command| {
        // Not confined: the command is to find it as the process that has started the command.
        let args = ["--no-sandbox", "recv", "--listen", "127.0.0.1:0", "--accept-new", "--reply"];
        home.run(&[&args[..], &["--exec", command]].concat(), Stdio::null())
    };
    let process = match does {
        Peer::IsAway => {
            let (socket, at) = held_address();
            return (at, None, Some(socket));
        }
        Peer::Answers => recv("cat > /dev/null; echo yes"),
        Peer::IsKilled => recv("kill -9 $PPID"),
        Peer::Refuses => home.start(&["--listen", "127.0.0.1:0", "--known-only"]),
        Peer::IsStopped => home.start(&["--listen", "127.0.0.1:0"]),
    };
    let at = process.listens_at();
    if matches!(does, Peer::IsStopped) {
        process.signal(Signal::STOP);
    }
    (at, Some(process), None)
}

#[test]
fn a_code_is_the_same_with_an_owner_of_the_home_and_without_one() {
    let commands: [&[&str]; 3] = [
        &["send", "bob", "-m", "hello"],
        &["send", "bob", "--keep", "-m", "hello"],
        &["ask", "bob", "-m", "?"],
    ];
    for (does, codes) in [
        (Peer::Answers, [0, 0, 0]),
        (Peer::IsAway, [3, 6, 3]),
        (Peer::Refuses, [4, 6, 4]),
        (Peer::IsStopped, [5, 6, 5]),
        (Peer::IsKilled, [5, 6, 5]),
    ] {
        for (command, code) in commands.iter().zip(codes) {
            for is_served in [false, true] {
                let alice = Home::with_key("alice", "test-1.pem");
                let bob = Home::with_key("bob", "test-2.pem");
                let (at, _process, _socket) = peer(does, &bob);
                alice.private(
                    "peers",
                    format!("# rsachat peer book 2\nbob {} verified {at}\n", bob.fingerprint()),
                );
                let _owner = is_served.then(|| alice.serves());
                let patience: &[&str] =
                    if matches!(does, Peer::IsStopped) { &["--timeout", "1s"] } else { &[] };
                let mut run = alice.run(&[command, patience].concat(), Stdio::null());
                let case = format!("{command:?}, {does:?}, served: {is_served}");
                assert_eq!(run.ends(), code, "{case}: {}", run.complaints());
                // What is not to be kept waits for nobody afterwards.
                if is_served && !command.contains(&"--keep") && !matches!(does, Peer::Answers) {
                    let flush = ["send", "--flush"];
                    let mut flush = alice.run(&flush, Stdio::null());
                    assert_eq!(flush.ends(), 0, "{case}: {}", flush.complaints());
                }
            }
        }
    }
}

#[test]
fn keep_takes_every_spelling_of_a_known_peer_and_says_when_one_without_an_address_gets_it() {
    let bob = Home::with_key("bob", "test-2.pem");
    let key = bob.fingerprint();
    for is_served in [false, true] {
        let alice = Home::with_key("alice", "test-1.pem");
        alice.answer(&["peers", "add", "bob", &key]);
        let owner = is_served.then(|| alice.serves());
        let send = |args: &[&str]| alice.run(&[&["send"], args].concat(), Stdio::null());
        let nowhere = "no address is known for bob; what waits goes out when bob calls you";
        send(&["bob", "--keep", "-m", "one"]).ends_saying(6, nowhere);
        send(&["bob", "-m", "not kept"]).ends_saying(1, "no address is known for bob; write HOST:PORT");
        send(&["127.0.0.1:1", "--keep", "-m", "to whom?"]).ends_saying(1, "only for peers in your book");
        let (_socket, away) = held_address();
        send(&[&away, "--pin", &key, "--keep", "-m", "two"]).ends_saying(6, "kept in the home");
        let process = bob.run(&["--json", "--listen", "127.0.0.1:0"], Stdio::piped());
        let at = process.listens_at();
        let mut run = send(&[&at, "--to", "bob", "--keep", "-m", "three"]);
        assert_eq!(run.ends(), 0, "served: {is_served}: {}", run.complaints());
        for text in ["one", "two", "three"] {
            process.sees(&format!(r#""text":"{text}""#));
        }
        assert!(!process.has_seen("not kept"));
        // The address is remembered: his name is enough from here on.
        let mut run = send(&["bob", "--keep", "-m", "four"]);
        assert_eq!(run.ends(), 0, "served: {is_served}: {}", run.complaints());
        alice.answer(&["peers", "block", "bob"]);
        for args in [&["bob", "-m", "five"][..], &["bob", "--keep", "-m", "five"], &["bob", "--flush"]] {
            send(args).ends_saying(4, "bob is blocked");
        }
        drop(owner);
    }
}

#[test]
fn a_peer_that_is_not_in_the_book_is_a_failure_and_no_bad_usage_at_every_command() {
    let bob = Home::with_key("bob", "test-2.pem");
    for is_served in [false, true] {
        let alice = Home::with_key("alice", "test-1.pem");
        let (_socket, at) = held_address();
        alice.private("peers", format!("# rsachat peer book 2\nbob {} verified {at}\n", bob.fingerprint()));
        // A store, so that its history can be asked about.
        alice.run(&["send", "bob", "--keep", "-m", "x"], Stdio::null()).ends_saying(6, "kept in the home");
        let _owner = is_served.then(|| alice.serves());
        for args in [
            &["send", "carol", "-m", "x"][..],
            &["send", "carol", "--keep", "-m", "x"],
            &["send", "--flush", "carol"],
            &["send", "127.0.0.1:1", "--to", "carol", "--keep", "-m", "x"],
            &["send", "127.0.0.1:1", "--to", "carol", "-m", "x"],
            &["ask", "carol", "-m", "x"],
            &["ask", "127.0.0.1:1", "--to", "carol", "-m", "x"],
            &["recv", "--from", "carol"],
            &["recv", "--from", "carol", "--listen", "127.0.0.1:0"],
            &["recv", "--connect", "carol"],
            &["pipe", "--connect", "carol"],
            &["outbox", "drop", "carol"],
            &["peers", "trust", "carol"],
            &["peers", "name", "carol", "dora"],
            &["peers", "block", "carol"],
            &["peers", "unblock", "carol"],
            &["peers", "forget", "carol"],
            &["history", "search", "x", "--peer", "carol"],
            &["history", "export", "--peer", "carol"],
            &["history", "delete", "--peer", "carol"],
        ] {
            let mut run = alice.run(args, Stdio::null());
            assert_eq!(run.ends(), 1, "{args:?}, served: {is_served}: {}", run.complaints());
            assert!(run.complaints().contains("is named carol"), "{args:?}: {}", run.complaints());
        }
        // What no book makes right is bad usage, and another key is refused.
        let send = |args: &[&str]| alice.run(&[&["send"], args].concat(), Stdio::null());
        send(&["8000", "-m", "x"]).ends_saying(2, "8000 is a port without a host");
        let own = alice.fingerprint();
        for keeps in [&[][..], &["--keep"]] {
            send(&[&["bob", "--pin", &own, "-m", "x"], keeps].concat()).ends_saying(4, "bob has the key");
        }
    }
}

#[test]
fn an_address_at_which_nobody_answered_is_called_again_for_what_waits_unless_another_key_was_there() {
    for is_served in [false, true] {
        let (alice, bob) = (Home::with_key("alice", "test-1.pem"), Home::with_key("bob", "test-2.pem"));
        alice.private("peers", format!("# rsachat peer book 2\nbob {} verified\n", bob.fingerprint()));
        let book = || std::fs::read_to_string(alice.file("peers")).unwrap();
        let _owner = is_served.then(|| alice.serves());
        let send = |args: &[&str]| alice.run(&[&["send"], args].concat(), Stdio::null());
        let (_hana, hers) = Process::listening("하나");
        let mut refused = send(&[&hers, "--to", "bob", "--keep", "-m", "one"]);
        assert_eq!(refused.ends(), 4, "{}", refused.complaints());
        assert!(!book().contains(&hers), "{}", book());
        send(&["--flush"])
            .ends_saying(6, "no address is known for bob; what waits goes out when bob calls you");
        let (socket, at) = held_address();
        send(&[&at, "--to", "bob", "--keep", "-m", "two"]).ends_saying(6, "cannot reach ");
        eventually("the address is in the book", PATIENCE, || book().contains(&format!("?{at}")));
        drop(socket);
        // Another who answers there is not called changed, and is not called there again.
        let (mut hana, _) = Process::start("하나", &["--listen", &at]).and_where();
        let mut unknown = send(&[&at, "-m", "x"]);
        assert_eq!(unknown.ends(), 4, "{}", unknown.complaints());
        assert!(!unknown.complaints().contains("CHANGED"), "{}", unknown.complaints());
        let mut refused = send(&["--flush"]);
        refused.ends_saying(4, &format!("{at} does not have the key of bob; nothing was sent"));
        assert!(!refused.complaints().contains("CHANGED"), "{}", refused.complaints());
        eventually("the address is dropped", PATIENCE, || !book().contains(&at));
        hana.types(":quit");
        hana.ends();
        let (socket, at) = held_address();
        send(&[&at, "--to", "bob", "--keep", "-m", "three"]).ends_saying(6, "cannot reach ");
        eventually("the address is in the book", PATIENCE, || book().contains(&at));
        drop(socket);
        let recv = ["recv", "--listen", &at, "--accept-new", "--count", "3"];
        let (mut recv, _) = bob.run(&recv, Stdio::null()).and_where();
        // Who leaves at once has all of it.
        assert_eq!((send(&["--flush"]).ends(), recv.ends()), (0, 0), "served: {is_served}");
        assert_eq!(recv.output(), "one\ntwo\nthree\n");
        assert!(!book().contains('?') && book().contains(&at), "{}", book());
    }
}

#[test]
fn what_waits_for_a_key_that_is_in_the_book_no_more_is_not_said_to_be_sent() {
    for is_served in [false, true] {
        let (alice, bob) = (Home::with_key("alice", "test-1.pem"), Home::with_key("bob", "test-2.pem"));
        let key = bob.fingerprint();
        alice.private("peers", format!("# rsachat peer book 2\nbob {key} verified\n"));
        alice
            .run(&["send", "bob", "--keep", "-m", "one"], Stdio::null())
            .ends_saying(6, "no address is known");
        // As if another key had been accepted in its place.
        alice.private("peers", "# rsachat peer book 2\n");
        let _owner = is_served.then(|| alice.serves());
        let mut flush = alice.run(&["send", "--flush"], Stdio::null());
        flush.ends_saying(6, &format!("messages wait for {key}, which is not in your book"));
        flush.complains("1 message is kept in the home and not received yet");
        assert_eq!(alice.run(&["outbox", "drop", &key], Stdio::null()).ends(), 0, "served: {is_served}");
        assert_eq!(alice.run(&["send", "--flush"], Stdio::null()).ends(), 0, "served: {is_served}");
    }
}

#[test]
fn why_a_peer_is_not_reached_is_said_in_the_same_words_with_an_owner_and_without_one() {
    let bob = Home::with_key("bob", "test-2.pem");
    let (_socket, at) = held_address();
    let said = |is_served: bool, args: &[&str]| {
        let alice = Home::with_key("alice", "test-1.pem");
        let anns = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let book = format!("bob {} verified {at}\nann {anns} verified", bob.fingerprint());
        alice.private("peers", format!("# rsachat peer book 2\n{book}\n"));
        for peer in ["bob", "ann"] {
            alice.run(&["send", peer, "--keep", "-m", "before"], Stdio::null()).ends_saying(6, "");
        }
        let owner = is_served.then(|| alice.serves());
        if args.contains(&"--block") {
            alice.answer(&["peers", "block", "bob"]);
        }
        let args: Vec<_> = args.iter().copied().filter(|word| *word != "--block").collect();
        let mut run = alice.run(&args, Stdio::null());
        let (code, said) = (run.ends(), run.complaints());
        drop(owner);
        // Its own folder is in hints.
        (code, said.replace(&alice.path().display().to_string(), "HOME"))
    };
    let unreachable = format!("cannot reach {at}: connection refused");
    let nowhere = "no address is known for ann; what waits goes out when ann calls you";
    for (args, code, words) in [
        (&["send", "bob", "--keep", "-m", "x"][..], 6, &[&*unreachable, "2 messages are kept"][..]),
        (&["send", "ann", "--keep", "-m", "x"], 6, &[nowhere, "2 messages are kept"]),
        (&["send", "--flush", "bob"], 6, &[&unreachable, "1 message is kept"]),
        (&["send", "--flush", "ann"], 6, &[nowhere, "1 message is kept"]),
        (&["send", "--flush"], 6, &[&unreachable, nowhere, "2 messages are kept"]),
        (
            &["send", "--flush", "--block"],
            4,
            &[
                "messages wait for bob, who is blocked",
                "outbox drop bob drops them",
                nowhere,
                "2 messages are",
            ],
        ),
        (&["send", "--flush", "bob", "--block"], 4, &["bob is blocked"]),
        (&["outbox", "drop", "bob", "7"], 1, &["no line 7 waits for bob", "outbox lists those that wait"]),
        (&["peers", "forget", "bob"], 1, &["1 line waits for bob, who was not forgotten", "outbox drop bob"]),
    ] {
        for is_served in [false, true] {
            let (ended, said) = said(is_served, args);
            assert_eq!(ended, code, "{args:?}, served: {is_served}: {said}");
            for words in words {
                assert!(said.contains(words), "{args:?}, served: {is_served}: no {words:?} in {said}");
            }
        }
    }
    let (_, json) = said(false, &["send", "--flush", "--block", "--json"]);
    assert_eq!(json.matches(r#""kind":"refused","message":"messages wait for bob"#).count(), 1, "{json}");
    assert!(json.contains(r#""event":"done","code":4"#), "{json}");
}

#[test]
fn what_waits_is_listed_and_dropped_on_the_command_line_as_at_a_prompt() {
    let bob = Home::with_key("bob", "test-2.pem");
    for is_served in [false, true] {
        let alice = Home::with_key("alice", "test-1.pem");
        alice.answer(&["peers", "add", "bob", &bob.fingerprint()]);
        let _owner = is_served.then(|| alice.serves());
        assert_eq!(alice.answer(&["outbox"]), "no messages are waiting\n");
        alice
            .run(&["send", "bob", "--keep", "-m", "하나", "-m", "둘", "-m", "셋"], Stdio::null())
            .ends_saying(6, "");
        let listed = alice.answer(&["outbox"]);
        assert!(listed.starts_with("to   number  typed"), "{listed}");
        for text in ["하나", "둘", "셋"] {
            assert!(listed.lines().any(|row| row.contains("queued") && row.ends_with(text)), "{listed}");
        }
        let json = alice.answer(&["outbox", "--json"]);
        assert!(
            json.contains(r#""event":"table","columns":["to","number","typed","state","text"]"#),
            "{json}"
        );
        assert_eq!(
            alice.answer(&["outbox", "drop", "bob", "2"]),
            "2 to bob was dropped; it was never sent\n"
        );
        alice.run(&["outbox", "drop", "bob", "2"], Stdio::null()).ends_saying(1, "no line 2 waits for bob");
        assert!(!alice.answer(&["outbox"]).contains("둘"));
        let dropped = alice.answer(&["outbox", "drop", "bob"]);
        assert_eq!(
            dropped,
            "1 to bob was dropped; it was never sent\n3 to bob was dropped; it was never sent\n"
        );
        assert_eq!(alice.answer(&["outbox"]), "no messages are waiting\n");
    }
}

#[test]
fn what_has_expired_is_neither_sent_nor_kept() {
    let bob = Home::with_key("bob", "test-2.pem");
    for is_served in [false, true] {
        let alice = Home::with_key("alice", "test-1.pem");
        let (_socket, at) = held_address();
        alice.private("peers", format!("# rsachat peer book 2\nbob {} verified {at}\n", bob.fingerprint()));
        let _owner = is_served.then(|| alice.serves());
        let send = ["send", "bob", "--keep", "--expire", "1s", "--retry", "9", "--json", "-m", "잠깐"];
        let mut run = alice.run(&send, Stdio::null());
        assert_eq!(run.ends(), 5, "served: {is_served}: {}", run.complaints());
        let said = run.complaints();
        assert!(said.contains(r#""kind":"expired""#) && said.contains("it has expired"), "{said}");
        assert!(said.contains(r#""event":"done","code":5"#) && !said.contains("kept in the home"), "{said}");
        let mut flush = alice.run(&["send", "--flush"], Stdio::null());
        assert_eq!(flush.ends(), 0, "{}", flush.complaints());
    }
}

#[test]
fn what_an_earlier_command_has_left_and_expires_changes_no_code_but_that_of_flush() {
    let home = |at: &str, bob: &Home| {
        let alice = Home::with_key("alice", "test-1.pem");
        alice.private("peers", format!("# rsachat peer book 2\nbob {} verified {at}\n", bob.fingerprint()));
        alice
    };
    let bob = Home::with_key("bob", "test-2.pem");
    let (_held, nowhere) = held_address();
    let stopped = bob.start(&["--json", "--listen", "127.0.0.1:0"]);
    let calls_nobody = stopped.listens_at();
    stopped.signal(Signal::STOP);
    let expires = r#""kind":"expired","message":"1 to bob was taken back: it has expired"#;
    let mut runs = Vec::new();
    for is_served in [false, true] {
        let alice = home(&nowhere, &bob);
        let owner = is_served.then(|| alice.serves());
        let first = ["send", "bob", "--keep", "--expire", "3s", "-m", "old"];
        assert_eq!(alice.run(&first, Stdio::null()).ends(), 6);
        let second = ["send", "bob", "--keep", "--retry", "99", "--timeout", "6s", "--json", "-m", "new"];
        runs.push((6, alice.run(&second, Stdio::null()), (alice, owner)));

        let alice = home(&calls_nobody, &bob);
        let owner = is_served.then(|| alice.serves());
        let first = ["send", "bob", "--keep", "--expire", "9s", "--timeout", "1s", "-m", "old"];
        assert_eq!(alice.run(&first, Stdio::null()).ends(), 6);
        let flush = ["send", "--flush", "--timeout", "1m", "--json"];
        runs.push((5, alice.run(&flush, Stdio::null()), (alice, owner)));
    }
    for (number, (code, mut run, (alice, _owner))) in runs.into_iter().enumerate() {
        assert_eq!(run.ends(), code, "run {number}: {}", run.complaints());
        assert!(
            run.complaints().contains(&format!(r#""event":"done","code":{code}"#)),
            "{}",
            run.complaints()
        );
        assert!(run.complaints().contains(expires), "run {number}: {}", run.complaints());
        let left = alice.answer(&["outbox"]);
        assert!(!left.contains("old") && left.contains("new") == (code == 6), "run {number}: {left}");
    }
}

#[test]
fn a_peer_that_shows_one_line_after_the_other_is_waited_for_while_it_goes_on() {
    let mut runs = Vec::new();
    for is_served in [false, true] {
        for flushes in [false, true] {
            let (alice, bob) = (Home::with_key("alice", "test-1.pem"), Home::with_key("bob", "test-2.pem"));
            let (held, at) = held_address();
            alice.private(
                "peers",
                format!("# rsachat peer book 2\nbob {} verified {at}\n", bob.fingerprint()),
            );
            let owner = is_served.then(|| alice.serves());
            let keep =
                ["send", "bob", "--keep", "--timeout", "3s", "-m", "1", "-m", "2", "-m", "3", "-m", "4"];
            if flushes {
                assert_eq!(alice.run(&keep, Stdio::null()).ends(), 6);
            }
            let recv =
                ["recv", "--listen", &at, "--accept-new", "--count", "4", "--exec", "cat; echo; sleep 1"];
            let recv = bob.run(&recv, Stdio::null());
            recv.complains("listening on ");
            let send = if flushes { &["send", "--flush", "--timeout", "3s"][..] } else { &keep };
            runs.push((alice.run(send, Stdio::null()), recv, (alice, owner, held)));
        }
    }
    for (number, (mut send, recv, _homes)) in runs.into_iter().enumerate() {
        assert_eq!(send.ends(), 0, "run {number}: {}", send.complaints());
        recv.sees("4");
    }
}

#[test]
fn a_line_that_was_dropped_elsewhere_is_named_and_is_no_acknowledgement() {
    let bob = Home::with_key("bob", "test-2.pem");
    for is_served in [false, true] {
        let alice = Home::with_key("alice", "test-1.pem");
        let known = |at: &str| {
            let row = format!("bob {} verified {at}", bob.fingerprint());
            alice.private("peers", format!("# rsachat peer book 2\n{row}\n"));
        };
        known("");
        let _owner = is_served.then(|| alice.serves());
        let mut send = alice.run(&["send", "bob", "--keep", "--json"], Stdio::piped());
        let waits = |text: &str| {
            crate::support::eventually("it waits", crate::support::PATIENCE, || {
                alice.answer(&["outbox"]).contains(text)
            });
        };
        send.types("first");
        waits("first");
        assert!(alice.answer(&["outbox", "drop", "bob"]).contains("never sent"));
        send.complains(r#""kind":"dropped","message":"1 to bob, which you had said, was dropped elsewhere""#);
        // It has the number of the one before it.
        send.types("second");
        waits("second");
        assert_eq!(send.closes_input().ends(), 5, "served: {is_served}: {}", send.complaints());
        let done = send.complaints();
        assert!(done.contains(r#""event":"done","code":5,"messages":2,"receipted":0"#), "{done}");
    }
}

#[test]
fn a_line_of_a_pipe_that_was_dropped_elsewhere_is_code_5_at_a_prompt_and_at_one_of_an_owner() {
    for is_served in [false, true] {
        let alice = Home::with_key("alice", "test-1.pem");
        let bob = Home::with_key("bob", "test-2.pem");
        alice.answer(&["peers", "add", "bob", &bob.fingerprint()]);
        let _owner = is_served.then(|| alice.serves());
        let mut prompt = alice.start(&["--json"]);
        for text in ["dropped here", "dropped elsewhere"] {
            prompt.types(&format!(r#"{{"say":"{text}","to":"bob"}}"#));
            prompt.sees(&format!(r#""text":"{text}""#));
        }
        prompt.types(r#"{"id":"drop","command":"outbox","arguments":["drop","bob","1"]}"#);
        let event = prompt.sees(r#""event":"withdrawn""#);
        assert!(event.contains(r#""first":1"#) && event.contains(r#""last":1"#), "{event}");
        prompt.sees("1 to bob was dropped; it was never sent");
        assert!(!prompt.has_seen(r#""kind":"dropped""#));
        alice.answer(&["outbox", "drop", "bob", "2"]);
        prompt.sees("2 to bob, which you had said, was dropped elsewhere");
        assert_eq!(prompt.closes_input().ends(), 5, "served: {is_served}: {}", prompt.output());
    }
}

#[test]
fn a_peer_for_whom_lines_wait_is_not_forgotten() {
    let bob = Home::with_key("bob", "test-2.pem");
    for is_served in [false, true] {
        let alice = Home::with_key("alice", "test-1.pem");
        alice.answer(&["peers", "add", "bob", &bob.fingerprint()]);
        let run = |args: &[&str]| alice.run(args, Stdio::null());
        run(&["send", "bob", "--keep", "-m", "기다림"]).ends_saying(6, "bob");
        let mut prompt = is_served.then(|| {
            let mut prompt = alice.start(&["--json"]);
            prompt.types(r#"{"id":"begun","command":"status"}"#);
            prompt.sees(r#""id":"begun","event":"reply""#);
            prompt
        });
        run(&["peers", "forget", "bob"]).ends_saying(1, "1 line waits for bob, who was not forgotten");
        assert!(alice.answer(&["peers", "list"]).contains("bob"));
        let drop = r#"{"id":"d","command":"outbox","arguments":["drop","bob"]}"#;
        if let Some(prompt) = &mut prompt {
            prompt.types(drop);
            prompt.sees(r#""id":"d","event":"reply","ok":true"#);
        } else {
            let mut prompt = alice.start(&["--json"]);
            prompt.types(drop);
            prompt.sees(r#""id":"d","event":"reply","ok":true"#);
            prompt.types(r#"{"command":"quit"}"#);
            assert_eq!(prompt.ends(), 0, "{}", prompt.output());
        }
        assert!(alice.answer(&["peers", "forget", "bob"]).contains("bob is forgotten"));
        assert!(!alice.answer(&["peers", "list"]).contains("bob"));
    }
}

#[test]
fn a_line_that_is_taken_back_is_waited_for_by_nobody() {
    let alice = Home::with_key("alice", "test-1.pem");
    let bob = Home::with_key("bob", "test-2.pem");
    let listener = bob.start(&["--json", "--listen", "127.0.0.1:0"]);
    let mut prompt = alice.start(&["--json"]);
    let at = listener.listens_at();
    prompt.types(&format!(r#"{{"command":"connect","arguments":["{at}"]}}"#));
    prompt.types(r#"{"say":"hello"}"#);
    prompt.sees(r#""event":"received""#);
    listener.signal(Signal::STOP);
    prompt.types(r#"{"say":"one"}"#);
    prompt.types(r#"{"say":"two"}"#);
    prompt.sees(r#""waiting":2"#);
    prompt.types(r#"{"id":"drop","command":"outbox","arguments":["drop","bob"]}"#);
    prompt.sees(
        "2–3 to bob were taken back; when you next connect, you learn whether they had already arrived",
    );
    prompt.types(r#"{"id":"o","command":"outbox"}"#);
    let table = prompt.sees(r#""id":"o","event":"table""#);
    assert_eq!(table.matches("taken back, may have arrived").count(), 2, "{table}");
    prompt.types(r#"{"id":"s","command":"status"}"#);
    let status = prompt.sees(r#""id":"s","event":"answer""#);
    assert!(!status.contains("not received yet") && !status.contains("wait for bob"), "{status}");
    let state =
        prompt.output().lines().rev().find(|line| line.contains(r#""event":"state""#)).map(str::to_owned);
    assert!(state.as_ref().is_some_and(|state| state.contains(r#""waiting":0"#)), "{state:?}");
    prompt.types(r#"{"command":"quit"}"#);
    assert_eq!(prompt.ends(), 0, "{}", prompt.output());
}

/// Two homes that know each other; bob is served at an address, where nobody reads.
fn unread_bob() -> (Home, Home, Process, String) {
    let (alice, bob) = (Home::with_key("alice", "test-1.pem"), Home::with_key("bob", "test-2.pem"));
    alice.answer(&["peers", "add", "bob", &bob.fingerprint()]);
    bob.answer(&["peers", "add", "alice", &alice.fingerprint()]);
    let (serve, at) = bob.serves();
    (alice, bob, serve, at)
}

#[test]
fn what_nobody_reads_is_said_to_be_waited_for_and_a_timeout_says_that_it_was_connected() {
    let (alice, bob, _serve, at) = unread_bob();
    let waits =
        "is connected, and has not acknowledged everything yet: it has to be shown or written there first";
    let late = "is connected, and has not acknowledged everything in time";
    let to_bob = ["send", &at, "--to", "bob"];
    for owned in [false, true] {
        let owner = owned.then(|| alice.serves());
        for (args, code) in [(&["-m", "x"][..], 5), (&["--keep", "-m", "x"], 6)] {
            // By its name it goes through the owner.
            let to: &[&str] = if owned { &["send", "bob"] } else { &to_bob };
            let mut send = alice.run(&[to, args, &["--timeout", "4s"]].concat(), Stdio::null());
            assert_eq!(send.ends(), code, "owned: {owned}, {args:?}: {}", send.complaints());
            let said = send.complaints();
            assert!(said.contains(waits), "owned: {owned}, {args:?}: {said}");
            assert!(!said.contains("nothing was connected"), "owned: {owned}, {args:?}: {said}");
            assert!(said.contains(late) || said.contains("delivered"), "owned: {owned}, {args:?}: {said}");
        }
        drop(owner);
    }
    // Once it is read, that ends it.
    let mut send =
        alice.run(&to_bob.iter().chain(&["-m", "read me"]).copied().collect::<Vec<_>>(), Stdio::null());
    send.complains(waits);
    let reader = bob.run(&["recv"], Stdio::null());
    reader.sees("read me");
    assert_eq!(send.ends(), 0, "{}", send.complaints());
}

fn numbered_lines(count: u32) -> String {
    let lines: Vec<_> = (1..=count).map(|number| format!("line {number}\n")).collect();
    lines.concat()
}

/// A file to be read as standard input.
fn input_of(home: &Home, bytes: &[u8]) -> std::fs::File {
    std::fs::File::open(home.private("input", bytes)).unwrap()
}

#[test]
fn each_line_that_is_refused_is_named_by_its_number_and_its_beginning() {
    let bob = Home::with_key("bob", "test-2.pem");
    let long = "긴 줄 ".repeat(3_000);
    let input = [b"good\n\xff broken\n".as_slice(), long.as_bytes(), "\n끝\n".as_bytes()].concat();
    let named = [
        r#"message 2 ("\xff broken") was not sent: it is not UTF-8"#.to_owned(),
        format!(r#"message 3 ("{}…") was not sent: it has"#, &long.chars().take(40).collect::<String>()),
    ];
    let alice = Home::with_key("alice", "test-1.pem");
    let (_socket, at) = held_address();
    alice.private("peers", format!("# rsachat peer book 2\nbob {} verified {at}\n", bob.fingerprint()));
    for is_served in [false, true] {
        let _owner = is_served.then(|| alice.serves());
        let mut run = alice.run(&["send", "bob", "--keep"], input_of(&alice, &input));
        assert_eq!(run.ends(), 1, "served: {is_served}: {}", run.complaints());
        for row in &named {
            assert!(run.complaints().contains(row), "served: {is_served}: {}", run.complaints());
        }
        let mut run = alice.run(&["send", "bob", "--keep", "--json"], input_of(&alice, &input));
        assert_eq!(run.ends(), 1);
        let objects = run.complaints();
        assert_eq!(objects.matches(r#""kind":"not_sent","message":"message"#).count(), 2, "{objects}");
        assert!(objects.contains(r#""event":"done","code":1,"messages":4,"receipted":0"#), "{objects}");
    }
    let full = numbered_lines(10_000);
    let mut run = alice.run(&["send", "bob", "--keep"], input_of(&alice, full.as_bytes()));
    // Eight are there.
    assert_eq!(run.ends(), 1);
    for number in 9_993..=10_000 {
        let row =
            format!(r#"message {number} ("line {number}") was not sent: not kept: 10000 lines or 16 MiB"#);
        assert!(run.complaints().contains(&row), "{row}: {}", run.complaints());
    }
    assert_eq!(run.complaints().matches("was not sent").count(), 8, "{}", run.complaints());
    for is_served in [false, true] {
        let _owner = is_served.then(|| alice.serves());
        let mut run = alice.run(&["send", "bob", "--keep", "-m", "하나", "-m", "둘"], Stdio::null());
        assert_eq!(run.ends(), 1);
        for row in
            [r#"message 1 ("하나") was not sent: not kept"#, r#"message 2 ("둘") was not sent: not kept"#]
        {
            assert!(run.complaints().contains(row), "served: {is_served}: {}", run.complaints());
        }
        assert_eq!(run.complaints().matches("not kept").count(), 2, "{}", run.complaints());
        assert!(run.complaints().contains("10000 messages from before are kept"), "{}", run.complaints());
        // Lines that are taken back make room wherever they stand.
        for number in if is_served { ["3", "9999"] } else { ["2", "5000"] } {
            alice.answer(&["outbox", "drop", "bob", number]);
        }
        let mut run = alice.run(&["send", "bob", "--keep", "-m", "하나", "-m", "둘"], Stdio::null());
        assert_eq!(run.ends(), 6, "served: {is_served}: {}", run.complaints());
        run.complains("10000 messages are kept in the home and not received yet");
    }
}

#[test]
fn a_long_input_for_a_peer_that_is_away_is_kept_to_its_end_with_an_owner_and_without_one() {
    let bob = Home::with_key("bob", "test-2.pem");
    let lines = numbered_lines(600);
    for is_served in [false, true] {
        let alice = Home::with_key("alice", "test-1.pem");
        alice.answer(&["peers", "add", "bob", &bob.fingerprint()]);
        let _owner = is_served.then(|| alice.serves());
        let mut run = alice.run(&["send", "bob", "--keep"], input_of(&alice, lines.as_bytes()));
        assert_eq!(run.ends_within(PATIENCE * 2), 6, "served: {is_served}: {}", run.complaints());
        run.complains("error: 600 messages are kept in the home and not received yet");
    }
}
