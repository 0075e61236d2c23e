//! One owner of a home and several faces: the socket that it serves.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use rsachat::delivery::TAKEN_BACK;

use crate::support::{Home, PATIENCE, Process, eventually, file_with, held_address, mode};

/// A process at the socket of a home.
struct Caller {
    lines: BufReader<UnixStream>,
    seen: Vec<Value>,
}

impl Caller {
    fn of(home: &Home) -> Self {
        home.is_served();
        let stream = UnixStream::connect(home.file("socket")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { lines: BufReader::new(stream), seen: Vec::new() }
    }

    fn orders(&mut self, order: &Value) {
        writeln!(self.lines.get_mut(), "{order}").unwrap();
    }

    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        if self.lines.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        self.seen.push(serde_json::from_str(&line).unwrap());
        self.seen.last().cloned()
    }

    /// Waits for an event with these fields.
    fn sees(&mut self, wanted: &Value) -> Value {
        while let Some(event) = self.next() {
            if wanted.as_object().unwrap().iter().all(|(field, value)| event[field] == *value) {
                return event;
            }
        }
        panic!("{wanted} did not come: {:#?}", self.seen)
    }
}

/// An owner that knows two others, who are connected.
fn owner_and_two() -> (Home, Process, Process, Process) {
    let homes = [("alice", "test-1.pem"), ("bob", "test-2.pem"), ("carol", "test-3.pem")];
    let [alice, bob, carol] = homes.map(|(name, key)| Home::with_key(name, key));
    let start = |home: &Home| {
        let mut process = home.start(&["--json", "--listen", "127.0.0.1:0"]);
        let at = process.listens_at();
        process.types(r#"{"id":"ready","command":"status"}"#);
        process.sees(r#""id":"ready","event":"reply""#);
        (process, at)
    };
    let (mut owner, _) = start(&alice);
    let ((bob, to_bob), (carol, to_carol)) = (start(&bob), start(&carol));
    for at in [to_bob, to_carol] {
        owner.types(&json!({ "command": "connect", "arguments": [at] }).to_string());
    }
    owner.sees(r#""event":"connected","name":"bob""#);
    owner.sees(r#""event":"connected","name":"carol""#);
    (alice, owner, bob, carol)
}

#[test]
fn a_face_gets_nothing_before_its_first_order_and_each_message_once() {
    let home = Home::with_key("alice", "test-1.pem");
    let owner = home.start(&["serve", "--json", "--listen", "127.0.0.1:0", "--name", "alice"]);
    let mut bob = Home::with_key("bob", "test-2.pem").start(&["--connect", &owner.listens_at()]);
    bob.sees("alice joined");
    let mut watcher = Caller::of(&home);
    watcher.orders(&json!({ "face": "program" }));
    for role in ["prompt", "receiver", "program"] {
        let mut face = Caller::of(&home);
        face.sees(&json!({ "event": "hello" }));
        bob.types(&format!("before the {role}"));
        watcher.sees(&json!({ "event": "message", "text": format!("before the {role}") }));
        // Answered at once, and no order of a kind of face.
        face.orders(&json!({ "ping": "owner" }));
        face.sees(&json!({ "event": "reply" }));
        assert_eq!(face.seen.len(), 2, "{:#?}", face.seen);
        face.orders(&json!({ "face": role }));
        let message = face.sees(&json!({ "event": "message", "text": format!("before the {role}") }));
        face.orders(&json!({ "shown": message["number"] }));
        face.orders(&json!({ "id": "last", "command": "status" }));
        face.sees(&json!({ "id": "last", "event": "reply" }));
        let kinds: Vec<_> = face.seen.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == "message").count(), 1, "{:#?}", face.seen);
        let place = |wanted: &str| kinds.iter().position(|kind| *kind == wanted);
        assert!(role != "prompt" || place("names") < place("message"), "{:#?}", face.seen);
    }
}

#[test]
fn an_order_with_a_wrong_value_names_it_and_what_to_write() {
    let (home, _owner, _bob, _carol) = owner_and_two();
    let mut face = Caller::of(&home);
    for (field, value, advice) in [
        ("face", json!("bogus"), r#"write "program", "prompt", "sender", "asker" or "receiver""#),
        ("key", json!("bogus"), r#"write "interrupt", "drop_question" or "end_of_input""#),
        ("ping", json!("x"), r#"write "owner""#),
        ("shown", json!(-1), "write a whole number"),
        ("say", json!(null), "write {\"say\":TEXT}"),
    ] {
        face.orders(&json!({ "id": 1, field: value }));
        let told = face.sees(&json!({ "id": 1, "event": "warning", "kind": "input" }));
        let message = told["message"].as_str().unwrap();
        let named = value.is_null() || message.contains(&format!("`{field}` cannot be {value}: "));
        assert!(named && message.contains(advice), "{message}");
        face.sees(&json!({ "id": 1, "event": "reply", "ok": false }));
    }
    for (order, why) in [
        (
            json!({ "id": 2, "face": "receiver", "from": "bob" }),
            "`from` cannot be \"bob\": write a whole fingerprint",
        ),
        (json!({ "id": 2, "face": "program", "say": "x" }), "`say` belongs to another order"),
        (json!({ "id": 2, "say": "x", "to": "" }), "the name of a peer is missing"),
    ] {
        face.orders(&order);
        let told = face.sees(&json!({ "id": 2, "event": "warning" }));
        assert!(told["message"].as_str().unwrap().contains(why), "{told}");
        face.sees(&json!({ "id": 2, "event": "reply", "ok": false }));
    }
    for (line, why) in [
        ("7", "a number, not an object"),
        (r#"{"say":"\u12"#, "has no end"),
        (r#"{"say":"\uzz"}"#, "not JSON at column"),
    ] {
        writeln!(face.lines.get_mut(), "{line}").unwrap();
        let told = face.sees(&json!({ "event": "warning" }));
        assert!(told["message"].as_str().unwrap().contains(why), "{told}");
    }
}

#[test]
fn each_face_has_an_addressee_of_its_own_and_what_it_says_goes_to_that_one_alone() {
    let (home, mut owner, bob, carol) = owner_and_two();
    assert_eq!(mode(home.path().join("socket")), 0o600);
    let [mut one, mut two] = [Caller::of(&home), Caller::of(&home)];
    let hello = one.sees(&json!({ "event": "hello", "version": 1, "name": "alice" }));
    assert_eq!(hello["process"], owner.id());
    for (face, name) in [(&mut one, "bob"), (&mut two, "carol")] {
        face.orders(&json!({ "id": 1, "say": "to nobody yet" }));
        face.sees(&json!({ "id": 1, "event": "reply", "ok": false }));
        face.orders(&json!({ "command": "to", "arguments": [name] }));
        face.orders(&json!({ "id": 2, "say": format!("for {name}") }));
        face.sees(&json!({ "id": 2, "event": "sent", "to": name }));
        face.sees(&json!({ "id": 2, "event": "reply", "ok": true }));
        face.sees(&json!({ "event": "received", "to": name }));
    }
    owner.types(r#"{"say":"of the owner, whose addressee was called last"}"#);
    bob.sees("for bob");
    carol.sees("of the owner");
    carol.sees("for carol");
    assert!(!bob.has_seen("for carol") && !carol.has_seen("for bob") && !bob.has_seen("of the owner"));
    // What answers one face is not told to another.
    assert!(!owner.has_seen("to nobody yet") && !owner.has_seen(r#""kind":"nobody_addressed""#));
    one.orders(&json!({ "command": "quit" }));
    one.sees(&json!({ "event": "done", "code": 1 }));
    assert_eq!(one.next(), None);
    assert!(owner.is_running(), "quit ends the face alone");
    for last in ["to nobody", "to nobody\n:quit"] {
        let mut input = home.start(&["--plain"]);
        input.types(last);
        assert_eq!(input.closes_input().ends(), 1, "an input that did not arrive whole");
    }
    two.orders(&json!({ "id": 3, "command": "peers" }));
    two.sees(&json!({ "id": 3, "event": "table" }));
    owner.types(r#"{"command":"quit"}"#);
    two.sees(&json!({ "event": "error", "kind": "owner" }));
    assert_eq!((two.next(), owner.ends()), (None, 0));
    assert!(!home.path().join("socket").exists());
}

#[test]
fn messages_of_peers_and_their_receipts_reach_every_face_once() {
    let (home, owner, mut bob, _carol) = owner_and_two();
    let [mut one, mut two] = [Caller::of(&home), Caller::of(&home)];
    for face in [&mut one, &mut two] {
        face.orders(&json!({ "id": 1, "command": "status" }));
        face.sees(&json!({ "id": 1, "event": "reply" }));
    }
    bob.types(r#"{"say":"hi","to":"alice"}"#);
    bob.sees(r#""event":"received","to":"alice""#);
    owner.sees(r#""text":"hi""#);
    for face in [&mut one, &mut two] {
        face.sees(&json!({ "event": "message", "from": "bob", "text": "hi" }));
        face.orders(&json!({ "id": 2, "command": "status" }));
        face.sees(&json!({ "id": 2, "event": "reply" }));
        let messages = face.seen.iter().filter(|event| event["event"] == "message").count();
        assert_eq!(messages, 1);
    }
}

#[test]
fn what_is_no_order_is_answered_and_a_process_that_does_not_read_is_closed_and_slows_nobody() {
    let (home, mut owner, bob, _carol) = owner_and_two();
    let mut garbage = Caller::of(&home);
    garbage.lines.get_mut().write_all(b"\xff\x00garbage\n{\"face\":\"king\"}\n[1]\n").unwrap();
    for _ in 0..3 {
        garbage.sees(&json!({ "event": "warning", "kind": "input" }));
    }
    garbage.lines.get_mut().write_all("x".repeat(70_000).as_bytes()).unwrap();
    garbage.orders(&json!({}));
    garbage.sees(&json!({ "event": "warning" }));
    let mut deaf = Caller::of(&home);
    // Each answer is some ten times as long as its order.
    let orders = r#"{"command":"help"}"#.to_owned() + "\n";
    let flood =
        std::thread::spawn(
            move || {
                while deaf.lines.get_mut().write_all(orders.repeat(100).as_bytes()).is_ok() {}
            },
        );
    for number in 0..20 {
        owner.types(&format!(r#"{{"say":"still {number}","to":"bob"}}"#));
        bob.sees(&format!("still {number}"));
    }
    flood.join().unwrap();
    garbage.orders(&json!({ "id": 9, "command": "status" }));
    garbage.sees(&json!({ "id": 9, "event": "reply", "ok": true }));
}

/// A home that `serve` serves, and where it listens.
fn served(name: &str, key: &str) -> (Home, Process, String) {
    let home = Home::with_key(name, key);
    let (process, at) = home.serves();
    (home, process, at)
}

#[test]
fn what_comes_while_nobody_is_there_waits_for_a_face_and_is_receipted_once_that_has_shown_it() {
    let (home, mut owner, at) = served("alice", "test-1.pem");
    let mut bob = Home::with_key("bob", "test-2.pem").start(&["--json", "--connect", &at]);
    bob.sees(r#""event":"connected""#);
    let mut early = Caller::of(&home);
    early.orders(&json!({ "id": 1, "face": "sender" }));
    early.sees(&json!({ "id": 1, "event": "reply", "ok": true }));
    bob.types(r#"{"say":"are you there?"}"#);
    bob.sees(r#""event":"sent""#);
    let mut face = home.start(&["--json"]);
    let said = face.sees("are you there?");
    assert!(said.contains(r#""from":"bob""#));
    bob.sees(r#""event":"received""#);
    face.closes_input();
    assert_eq!(face.ends(), 0);
    assert!(owner.is_running() && !owner.has_seen("are you there?"));
    assert!(!early.seen.iter().any(|event| event["event"] == "message"));
    owner.signal(Signal::TERM);
    assert_eq!(owner.ends(), 0, "{}", owner.complaints());
    bob.sees(r#""event":"left""#);
}

/// A line of bob's to a home at which nobody looks; it is on its disk.
fn says_unseen(alice: &Home, bob: &mut Process) {
    let key = alice.fingerprint();
    for order in [
        json!({ "command": "trust", "arguments": ["alice", key] }),
        json!({ "command": "to", "arguments": ["alice"] }),
        json!({ "say": "unseen" }),
    ] {
        bob.types(&order.to_string());
    }
    bob.sees(r#""event":"delivered""#);
}

#[test]
fn what_a_face_prints_is_acknowledged_however_early_its_input_ends() {
    for (args, input) in [
        (&["attach"][..], ""),
        (&["attach", "--json"], ""),
        (&["attach"], ":quit\n"),
        (&["--plain"], ""),
        (&["recv", "--count", "1"], ""),
    ] {
        let (home, _owner, at) = served("alice", "test-1.pem");
        let mut bob = Home::with_key("bob", "test-2.pem").start(&["--json", "--connect", &at]);
        bob.sees(r#""event":"connected""#);
        bob.types(r#"{"say":"are you there?"}"#);
        bob.sees(r#""event":"sent""#);
        let mut face = home.run(args, file_with(input.as_bytes()));
        assert_eq!(face.ends(), 0, "{args:?}: {}", face.complaints());
        assert!(face.has_seen("are you there?"), "{args:?}: {}", face.output());
        bob.sees(r#""event":"received""#);
        let mut again = home.run(&["attach"], Stdio::null());
        again.ends();
        assert!(!again.output().contains("(again)"), "{args:?}: {}", again.output());
    }
}

#[test]
fn what_a_prompt_prints_as_its_input_ends_is_not_printed_again_by_the_next() {
    let (alice, mut owner, _home, mut bob, _) = owner_and_bob();
    says_unseen(&alice, &mut bob);
    owner.signal(Signal::KILL);
    owner.ends();
    for times in [1, 0] {
        let mut prompt = alice.run(&["--plain"], Stdio::null());
        assert_eq!(prompt.ends(), 0);
        assert_eq!(prompt.output().matches("bob says: unseen").count(), times, "{}", prompt.output());
        assert!(!prompt.output().contains("(again)"), "nobody can have seen it: {}", prompt.output());
    }
}

#[test]
fn what_is_piped_into_a_second_prompt_is_shown_and_nothing_that_was_said_before() {
    let (alice, _owner, _home, bob, _) = owner_and_bob();
    for number in 1..=9 {
        // Of a peer that is there, and of one that answers nothing.
        if number == 6 {
            bob.signal(Signal::STOP);
        }
        let line = format!("@bob line {number}\n:outbox drop bob\n");
        let mut prompt = alice.run(&[], file_with(line.as_bytes()));
        assert_eq!(prompt.ends(), 0, "{}", prompt.complaints());
        let output = prompt.output();
        let said: Vec<_> = output.lines().filter(|row| row.contains("line ")).collect();
        assert_eq!(said.len(), 1, "{output}");
        assert!(said[0].ends_with(&format!("alice → bob: line {number}")), "{output}");
    }
    bob.signal(Signal::CONT);
    let mut prompt = alice.run(&[], file_with(b":last\n"));
    prompt.ends();
    assert_eq!(prompt.output().matches("line ").count(), 9, "{}", prompt.output());
}

#[test]
fn the_end_of_an_input_waits_for_the_receipts_of_its_own_lines_alone() {
    let (alice, mut owner, bob, carol) = owner_and_two();
    bob.signal(Signal::STOP);
    owner.types(r#"{"say":"do you hear me?","to":"bob"}"#);
    owner.sees(r#""text":"do you hear me?""#);
    let mut prompt = alice.run(&[], file_with(b"@carol hello\n"));
    // The owner has a line that waits.
    assert_eq!(prompt.ends(), 6, "{}", prompt.complaints());
    carol.sees(r#""text":"hello""#);
    let mut waits = alice.run(&[], file_with(b"@bob hello\n"));
    waits.sees("alice → bob: hello");
    bob.signal(Signal::CONT);
    assert_eq!(waits.ends(), 0, "{}", waits.complaints());
    bob.sees(r#""text":"hello""#);
}

#[test]
fn what_is_shown_is_acknowledged_on_the_connection_that_stands_by_then() {
    let (alice, _owner, _home, mut bob, at) = owner_and_bob();
    says_unseen(&alice, &mut bob);
    bob.types(r#"{"command":"close","arguments":["alice"]}"#);
    bob.sees(r#""event":"away""#);
    let mut face = Caller::of(&alice);
    eventually("alice has noticed, and calls", PATIENCE, || {
        face.orders(&json!({ "command": "connect", "arguments": [at] }));
        bob.output().matches(r#""event":"connected""#).count() == 2
    });
    let mut prompt = alice.run(&["attach"], Stdio::null());
    prompt.ends();
    assert!(prompt.output().contains("bob: unseen"), "{}", prompt.output());
    bob.sees(r#""event":"received""#);
}

#[test]
fn a_message_taken_back_acknowledges_none_before_it_that_nobody_has_seen() {
    let (alice, mut owner, _home, mut bob, at) = owner_and_bob();
    says_unseen(&alice, &mut bob);
    bob.types(r#"{"command":"close","arguments":["alice"]}"#);
    bob.sees(r#""event":"away""#);
    for order in [
        json!({ "say": "never mind" }),
        json!({ "say": "the last" }),
        json!({ "id": 2, "command": "outbox", "arguments": ["drop", "alice", "2"] }),
    ] {
        bob.types(&order.to_string());
    }
    bob.sees(r#""id":2,"event":"reply","ok":true"#);
    let mut caller = Caller::of(&alice);
    caller.orders(&json!({ "command": "connect", "arguments": [at] }));
    bob.sees(r#""upto":3"#);
    assert!(!bob.has_seen(r#""event":"received""#), "{}", bob.output());
    owner.signal(Signal::KILL);
    owner.ends();
    let prompt = alice.start(&["--json", "--connect", &at]);
    prompt.sees("unseen");
    prompt.sees("the last");
    bob.sees(r#""event":"received""#);
}

#[test]
fn a_home_is_served_once_and_what_a_killed_owner_left_is_replaced() {
    let (home, mut owner, _) = served("alice", "test-1.pem");
    let begun = Instant::now();
    let mut second = home.run(&["serve", "--listen", "127.0.0.1:0"], Stdio::null());
    let pid = owner.id();
    second.ends_saying(3, &format!("already served by another rsachat, process {pid}"));
    assert!(begun.elapsed() < Duration::from_secs(3));
    owner.signal(Signal::KILL);
    owner.ends();
    assert!(home.path().join("socket").exists());
    let third = home.run(&["serve", "--listen", "127.0.0.1:0", "--json"], Stdio::null());
    third.listens_at();
    let hello = Caller::of(&home).sees(&json!({ "event": "hello" }));
    assert_eq!(hello["process"], third.id());
}

#[test]
fn an_owner_makes_its_socket_again_and_until_then_the_process_is_named() {
    let (home, mut owner, _) = served("alice", "test-1.pem");
    let bob = Home::with_key("bob", "test-2.pem");
    home.answer(&["peers", "add", "bob", &bob.fingerprint()]);
    let mut before = Caller::of(&home);
    let socket = home.file("socket");
    // Whoever comes meanwhile waits for it.
    owner.signal(Signal::STOP);
    fs::remove_file(&socket).unwrap();
    let named = format!("another rsachat (process {}) has this home open and serves nobody", owner.id());
    for args in
        [&["attach"][..], &["recv"], &["serve"], &["--plain"], &["outbox"], &["peers", "forget", "bob"]]
    {
        let mut command = home.run(args, Stdio::null());
        assert_eq!(command.ends(), 3, "{args:?}: {}", command.complaints());
        command.complains(&named);
    }
    owner.signal(Signal::CONT);
    eventually("the socket is there again", PATIENCE, || socket.exists());
    assert_eq!(mode(&socket), 0o600);
    let mut attached = home.run(&["attach"], file_with(b":status\n"));
    assert_eq!(attached.ends(), 0, "{}", attached.complaints());
    before.orders(&json!({ "id": 1, "command": "status" }));
    before.sees(&json!({ "id": 1, "event": "reply", "ok": true }));
    assert!(owner.is_running());
    owner.signal(Signal::TERM);
    owner.ends();
    assert!(!socket.exists());
}

#[test]
fn an_owner_that_ends_before_it_greets_serves_nobody() {
    for (args, code) in [(&["--plain"][..], 0), (&["serve"], 0), (&["send", "--flush"], 0), (&["attach"], 3)]
    {
        let home = Home::with_key("alice", "test-1.pem");
        let dying = UnixListener::bind(home.path().join("socket")).unwrap();
        let mut process = home.run(args, Stdio::null());
        drop((dying.accept().unwrap(), dying));
        if args == ["serve"] {
            Caller::of(&home).sees(&json!({ "event": "hello", "process": process.id() }));
            process.signal(Signal::TERM);
        }
        assert_eq!(process.ends(), code, "{args:?}: {}", process.complaints());
        assert!(!process.complaints().contains("has ended"), "{args:?}: {}", process.complaints());
    }
}

#[test]
fn a_send_whose_owner_ends_names_each_line_that_is_not_known_to_be_kept() {
    let home = Home::with_key("alice", "test-1.pem");
    home.answer(&["peers", "add", "bob", &Home::with_key("bob", "test-2.pem").fingerprint()]);
    let owner = UnixListener::bind(home.path().join("socket")).unwrap();
    let mut send = home.run(&["send", "bob", "--keep"], Stdio::piped());
    send.types("하나");
    let (stream, _) = owner.accept().unwrap();
    let mut sender = Caller { lines: BufReader::new(stream), seen: Vec::new() };
    sender.orders(&json!({ "event": "hello", "version": 1 }));
    while sender.next().is_some_and(|order| order["say"] != "하나") {}
    drop((sender, owner));
    send.ends_saying(5, "has ended");
    let said = send.complaints();
    assert!(said.contains(r#"message 1 ("하나") may have been kept, or not: the rsachat serving"#), "{said}");
}

#[test]
fn of_two_prompts_that_start_at_once_one_owns_the_home_and_the_other_is_its_face() {
    let home = Home::with_key("alice", "test-1.pem");
    let mut prompts = [0, 1].map(|_| home.start(&["--plain"]));
    for prompt in &mut prompts {
        prompt.types(":status");
        prompt.sees("you are alice");
    }
    let attached = |prompt: &Process| prompt.has_seen("is serving this home");
    assert_eq!(prompts.iter().filter(|prompt| attached(prompt)).count(), 1);
    prompts.sort_by_key(|prompt| attached(prompt));
    let [owner, face] = &mut prompts;
    owner.types(":quit");
    assert_eq!(owner.ends(), 0);
    face.ends_saying(3, &format!("(process {}) has ended", owner.id()));
}

#[test]
fn an_owner_that_is_stopped_is_named_and_waited_for_by_nobody() {
    let (home, owner, _) = served("alice", "test-1.pem");
    Caller::of(&home).sees(&json!({ "event": "hello" }));
    owner.signal(Signal::STOP);
    for args in [&["--plain"][..], &["attach", "--plain"], &["serve"]] {
        let begun = Instant::now();
        let mut second = home.run(args, Stdio::null());
        second.ends_saying(3, &format!("(process {}) does not answer", owner.id()));
        assert!(begun.elapsed() < Duration::from_secs(3), "{args:?} took {:?}", begun.elapsed());
    }
    owner.signal(Signal::CONT);
}

/// An owner that knows bob, and bob, who is connected; and where bob listens.
fn owner_and_bob() -> (Home, Process, Home, Process, String) {
    let (alice, owner, _) = served("alice", "test-1.pem");
    let home = Home::with_key("bob", "test-2.pem");
    let bob = home.start(&["--json", "--listen", "127.0.0.1:0"]);
    let at = bob.listens_at();
    let mut face = Caller::of(&alice);
    face.orders(&json!({ "command": "connect", "arguments": [at] }));
    face.orders(&json!({ "id": 1, "wait": "connection" }));
    face.sees(&json!({ "id": 1, "event": "reply", "ok": true }));
    let book = alice.file("peers");
    eventually("bob is in the book", PATIENCE, || {
        std::fs::read_to_string(&book).is_ok_and(|book| book.contains("bob"))
    });
    (alice, owner, home, bob, at)
}

#[test]
fn send_goes_through_the_owner_and_ends_with_0_only_on_the_receipt() {
    let (alice, owner, _home, mut bob, _) = owner_and_bob();
    let send = |args: &[&str]| alice.run(&[&["send", "bob"], args].concat(), Stdio::null());
    assert_eq!(send(&["-m", "one", "-m", ":two"]).ends(), 0);
    for text in ["one", ":two"] {
        let said = bob.sees(&format!(r#""text":"{text}""#));
        assert!(said.contains(r#""from":"alice""#) && !said.contains(r#""short":true"#), "{said}");
    }
    bob.types(r#"{"command":"quit"}"#);
    assert_eq!(bob.ends(), 0);
    send(&["-m", "to nobody"]).ends_saying(3, "; nothing was sent; 1 message was dropped");
    let kept = "error: 1 message is kept in the home and not received yet";
    send(&["--keep", "-m", "later"]).ends_saying(6, kept);
    let mut tried = send(&["--keep", "-v", "--retry", "1", "-m", "and later"]);
    tried
        .ends_saying(6, "error: 2 messages are kept in the home and not received yet, 1 of them from before");
    tried.complains("trying again in 1 s");
    let mut tried = send(&["-v", "--retry", "1", "-m", "to nobody"]);
    tried.ends_saying(3, "; nothing was sent; 1 message was dropped");
    tried.complains("trying again in 1 s");
    send(&["--flush"]).ends_saying(6, "2 messages are kept in the home and not received yet");
    assert!(!owner.has_seen("later"), "its log has no texts");
}

#[test]
fn what_was_kept_goes_out_with_flush_with_an_owner_and_without_one() {
    let (alice, mut owner, home, mut bob, at) = owner_and_bob();
    bob.types(r#"{"command":"quit"}"#);
    bob.ends();
    let run = |args: &[&str]| alice.run(args, Stdio::null()).ends();
    assert_eq!(run(&["send", "bob", "--keep", "-m", "first"]), 6);
    assert_eq!(run(&["send", "--flush"]), 6);
    owner.signal(Signal::TERM);
    assert_eq!(owner.ends(), 0);
    // Nobody has the home open: it is opened for the moment.
    assert_eq!(run(&["send", "bob", "--keep", "-m", "second"]), 6);
    let mut bob = home.start(&["--json", "--listen", &at]);
    bob.listens_at();
    assert_eq!(run(&["send", "bob", "--flush"]), 0);
    assert_eq!(run(&["send", "--flush"]), 0, "nothing waits");
    for text in ["first", "second"] {
        bob.sees(&format!(r#""text":"{text}""#));
    }
    assert_eq!(run(&["send", "bob", "--keep", "-m", "third"]), 0);
    bob.sees(r#""text":"third""#);
    bob.types(r#"{"command":"quit"}"#);
    bob.ends();
    assert_eq!(run(&["send", "bob", "--keep", "--expire", "1ms", "-m", "too late"]), 5, "it is taken back");
    assert_eq!(run(&["send", "--flush"]), 0);
}

#[test]
fn texts_that_a_process_writes_at_once_have_their_replies_in_order_and_orders_behind_them_wait() {
    let (alice, _owner, _home, mut bob, _) = owner_and_bob();
    bob.types(r#"{"command":"quit"}"#);
    bob.ends();
    let mut face = Caller::of(&alice);
    for number in 1..=300 {
        let to = if number % 100 == 50 { "nobody" } else { "bob" };
        face.orders(&json!({ "id": number, "say": format!("line {number}"), "to": to }));
    }
    face.orders(&json!({ "id": 301, "command": "outbox" }));
    let rows = face.sees(&json!({ "id": 301, "event": "table" }))["rows"].as_array().unwrap().len();
    assert_eq!(rows, 297, "what was accepted is listed");
    face.sees(&json!({ "id": 301, "event": "reply", "ok": true }));
    let replies: Vec<_> = face.seen.iter().filter(|event| event["event"] == "reply").collect();
    for (reply, number) in replies.iter().zip(1..=301) {
        assert_eq!((&reply["id"], &reply["ok"]), (&json!(number), &json!(number % 100 != 50)));
    }
    assert_eq!(replies.len(), 301);
    let queued = face.seen.iter().filter(|event| event["event"] == "queued");
    for (queued, number) in queued.zip((1..=300).filter(|number| number % 100 != 50)) {
        assert_eq!((&queued["id"], &queued["text"]), (&json!(number), &json!(format!("line {number}"))));
    }
    let why = face.seen.iter().filter(|event| event["event"] == "warning").map(|event| event["id"].clone());
    assert_eq!(why.collect::<Vec<_>>(), [50, 150, 250].map(|number: u32| json!(number)));
}

#[test]
fn lines_of_a_pipe_are_received_or_wait_with_code_6_through_an_owner_too() {
    let (alice, _owner, home, mut bob, at) = owner_and_bob();
    for args in [&[][..], &["--plain"]] {
        assert_eq!(alice.run(args, file_with(b"@bob there\n")).ends(), 0, "he has it");
    }
    bob.sees_times(r#""text":"there""#, 2, PATIENCE);
    bob.types(r#"{"command":"quit"}"#);
    bob.ends();
    let json = br#"{"say":"away","to":"bob"}"#;
    for (args, line) in [(&[][..], &b"@bob away"[..]), (&["--plain"], b"@bob away"), (&["--json"], json)] {
        let mut prompt = alice.run(args, file_with(&[line, b"\n"].concat()));
        assert_eq!(prompt.ends(), 6, "{args:?}: {}", prompt.output());
        // Once for each absence.
        let row = "* queued; bob gets it when you are both connected (:outbox)";
        assert_eq!(prompt.has_seen(row), args.is_empty(), "{args:?}: {}", prompt.output());
    }
    let mut status = alice.run(&[], file_with(b":status\n"));
    assert_eq!(status.ends(), 6);
    status.sees("3 lines wait for bob (:outbox)");
    let bob = home.start(&["--json", "--listen", &at]);
    bob.listens_at();
    assert_eq!(alice.run(&["send", "--flush"], Stdio::null()).ends(), 0);
    bob.sees_times(r#""text":"away""#, 3, PATIENCE);
}

#[test]
fn a_send_that_waits_is_told_when_the_owner_is_killed_or_stopped() {
    let (alice, mut owner, _home, bob, _) = owner_and_bob();
    bob.signal(Signal::STOP);
    let waiting = |said: &str| {
        let send = alice.run(&["send", "bob", "--json", "-m", said], Stdio::null());
        let kept = |text: &str| text.contains(said);
        let mut face = Caller::of(&alice);
        eventually("the owner has it", PATIENCE, || {
            face.orders(&json!({ "id": "o", "command": "outbox" }));
            kept(&face.sees(&json!({ "id": "o" })).to_string())
        });
        send
    };
    let (mut send, begun) = (waiting("one"), Instant::now());
    owner.signal(Signal::STOP);
    send.ends_saying(3, &format!("(process {}) does not answer", owner.id()));
    assert!(begun.elapsed() < Duration::from_secs(4));
    owner.signal(Signal::CONT);
    let mut send = waiting("two");
    let begun = Instant::now();
    owner.signal(Signal::KILL);
    owner.ends();
    send.ends_saying(5, &format!("(process {}) has ended", owner.id()));
    assert!(begun.elapsed() < Duration::from_secs(3));
    bob.signal(Signal::CONT);
}

#[test]
fn a_question_is_its_own_faces_to_the_end_of_its_time_or_of_the_face() {
    let (home, owner, mut bob, _carol) = owner_and_two();
    let [mut one, mut two] = [Caller::of(&home), Caller::of(&home)];
    let ask = |id: u32, timeout: u32| json!({ "id": id, "ask": "full?", "to": "bob", "timeout": timeout });
    one.orders(&json!({ "id": 9, "ask": "", "to": "bob" }));
    one.sees(&json!({ "id": 9, "event": "warning", "message": "not asked: the question is empty" }));
    one.orders(&ask(1, 1_000));
    let late = one.sees(&json!({ "id": 1, "event": "warning", "kind": "not_answered" }));
    assert_eq!(late["message"], "bob has not answered in 1 s");
    two.orders(&json!({ "id": 2, "command": "status" }));
    two.sees(&json!({ "id": 2, "event": "reply" }));
    assert!(!two.seen.iter().any(|event| event["kind"] == "not_answered"), "{:?}", two.seen);
    // The oldest question is answered first, but nobody waits for the answer to this one any more.
    one.orders(&ask(3, 600_000));
    one.sees(&json!({ "event": "received", "to": "bob", "upto": 2 }));
    one.orders(&json!({ "command": "quit" }));
    one.sees(&json!({ "event": "done" }));
    assert_eq!(one.next(), None);
    two.orders(&ask(4, 600_000));
    two.sees(&json!({ "event": "received", "to": "bob", "upto": 3 }));
    bob.types(r#"{"say":"half","to":"alice"}"#);
    assert_eq!(two.sees(&json!({ "event": "message", "text": "half" }))["id"], 4);
    owner.sees(r#""text":"half""#);
    assert!(!owner.has_seen("not_answered"));
}

#[test]
fn one_taker_has_the_messages_and_their_receipts_are_its_own() {
    let (home, mut owner, mut bob, _carol) = owner_and_two();
    let recv = |args: &[&str]| home.run(&[&["recv"], args].concat(), Stdio::null());
    let mut failing = recv(&["-v", "--exec", "cat > /dev/null; read line < /dev/null"]);
    failing.complains("taking the messages of this home");
    recv(&[]).ends_saying(3, "another process already takes the messages of this home");
    bob.types(r#"{"say":"a task","to":"alice"}"#);
    owner.sees(r#""text":"a task""#);
    failing.complains(
        "a message of bob was not acknowledged: the command ended with code 1; trying again in 1 s",
    );
    failing.complains("end this process and type: rsachat");
    failing.complains("trying again in 2 s");
    assert!(!bob.has_seen(r#""event":"received""#), "its command has failed");
    failing.signal(Signal::TERM);
    failing.ends();
    // What comes behind it is not acknowledged by the prompt: that would count for both.
    bob.types(r#"{"say":"another task","to":"alice"}"#);
    owner.sees(r#""text":"another task""#);
    owner.types(r#"{"say":"do you hear me?","to":"bob"}"#);
    bob.sees(r#""text":"do you hear me?""#);
    assert!(!bob.has_seen(r#""event":"received""#), "{}", bob.output());
    let mut taker = recv(&["--from", "bob", "--count", "2", "--json"]);
    assert_eq!(taker.ends(), 0);
    taker.sees(r#""again":true,"text":"a task""#);
    bob.sees(r#""event":"received""#);
    bob.types(r#"{"say":"of nobody's","to":"alice"}"#);
    bob.sees(r#""event":"received","to":"alice""#);
    let nobody = Home::with_key("dave", "test-4.pem");
    for command in ["recv", "attach"] {
        nobody.run(&[command], Stdio::null()).ends_saying(3, "no rsachat is serving");
    }
}

/// Commands of a taker: one that says whether it is told of one before it, one that does not end.
const TELLS: &str = r#"echo "$(cat), again: $RSACHAT_AGAIN""#;
const SLOW: &str = "cat; echo; exec tail --pid=$PPID -f /dev/null";

#[test]
fn a_command_is_told_of_a_message_that_one_before_it_may_have_had() {
    let home = Home::with_key("alice", "test-1.pem");
    let serve = ["serve", "--json", "--listen", "127.0.0.1:0", "--name", "alice"];
    let mut owner = home.run(&serve, Stdio::null());
    let at = owner.listens_at();
    let mut bob = Home::with_key("bob", "test-2.pem").start(&["--connect", &at]);
    bob.sees("alice joined");
    owner.sees(r#""event":"connected""#);
    let mut watcher = Caller::of(&home);
    // Only of somebody who was chosen anything is kept.
    watcher.orders(&json!({ "id": 1, "command": "name", "arguments": ["bob", "robert"] }));
    watcher.sees(&json!({ "id": 1, "event": "reply", "ok": true }));
    let recv = |command: &str| home.run(&["recv", "--count", "1", "--exec", command], Stdio::null());
    let tells = || recv(TELLS);
    bob.types(":to alice\nfirst");
    let mut taker = tells();
    assert_eq!((taker.ends(), taker.output().as_str()), (0, "first, again: \n"));
    // What waits behind the last that a taker takes was not given to it.
    bob.types("one\ntwo\nthree");
    for text in ["one", "two", "three"] {
        let mut taker = tells();
        assert_eq!((taker.ends(), taker.output()), (0, format!("{text}, again: \n")));
    }
    // The taker is killed while its command runs.
    bob.types("second");
    let killed = recv(SLOW);
    killed.sees("second");
    killed.signal(Signal::KILL);
    eventually("the owner has noticed", PATIENCE, || {
        let mut taker = tells();
        (taker.ends(), taker.output().as_str()) == (0, "second, again: yes\n")
    });
    // Only a program and a reader have seen the message as the owner is.
    bob.types("third");
    watcher.sees(&json!({ "event": "message", "text": "third" }));
    let mut restart = || {
        owner.signal(Signal::KILL);
        owner.ends();
        owner = home.run(&serve, Stdio::null());
        owner.listens_at();
    };
    restart();
    let taker = |taker: &str| {
        let mut face = Caller::of(&home);
        face.orders(&json!({ "face": "receiver", "taker": taker }));
        let seen = face.sees(&json!({ "event": "message", "text": "third" }));
        assert_eq!(seen["again"] == true, taker == "reader", "{seen}");
    };
    for _ in 0..2 {
        taker("reader");
        restart();
    }
    // A command has it as the owner is.
    taker("command");
    restart();
    let mut taker = tells();
    assert_eq!((taker.ends(), taker.output().as_str()), (0, "third, again: yes\n"));
}

#[test]
fn a_line_that_is_dropped_while_send_or_ask_waits_for_its_receipt_ends_that_with_code_5() {
    let (alice, _owner, _home, bob, _) = owner_and_bob();
    bob.signal(Signal::STOP);
    for (args, said) in [
        (&["send", "bob", "-m", "one"][..], "which you had said, was dropped elsewhere"),
        (&["ask", "bob", "-m", "two"], "the question was dropped elsewhere before it was acknowledged"),
    ] {
        let mut waits = alice.run(args, Stdio::null());
        eventually("it is sent", PATIENCE, || alice.answer(&["outbox"]).contains(args[3]));
        assert!(alice.answer(&["outbox", "drop", "bob"]).contains("taken back"));
        assert_eq!(waits.ends(), 5, "{args:?}: {}", waits.complaints());
        waits.complains(said);
    }
    bob.signal(Signal::CONT);
}

#[test]
fn a_message_that_a_prompt_has_shown_comes_unmarked_to_a_command_that_never_had_it() {
    for signal in [Signal::TERM, Signal::KILL] {
        let (home, mut owner, _home, mut bob, _) = owner_and_bob();
        let worker = || home.run(&["recv", "--count", "1", "--exec", TELLS], Stdio::null());
        let prompt = home.start(&["attach"]);
        prompt.sees("is serving this home");
        // It takes what the prompt has shown: its receipt is the one that counts.
        let mut taker = home.run(&["recv", "-v", "--from", "bob", "--exec", SLOW], Stdio::null());
        taker.complains("taking the messages of this home");
        let key = home.fingerprint();
        for order in [
            json!({ "command": "trust", "arguments": ["alice", key] }),
            json!({ "say": "first", "to": "alice" }),
            json!({ "say": "second", "to": "alice" }),
        ] {
            bob.types(&order.to_string());
        }
        prompt.sees("bob: second");
        taker.sees("first");
        owner.signal(signal);
        owner.ends();
        taker.signal(Signal::KILL);
        taker.ends();
        owner = home.run(&["serve"], Stdio::null());
        home.is_served();
        for text in ["first, again: yes\n", "second, again: \n"] {
            let mut next = worker();
            assert_eq!((next.ends(), next.output().as_str()), (0, text), "{signal:?}");
        }
        owner.signal(Signal::TERM);
    }
}

/// A queue worker: one author's message fails, and nothing of another waits for it or counts for it.
#[test]
fn a_message_whose_command_fails_waits_for_its_author_alone_until_it_succeeds_or_is_taken_off() {
    let (home, _owner, mut bob, mut carol) = owner_and_two();
    let recv = |args: &[&str]| home.run(&[&["recv"], args].concat(), Stdio::null());
    let flag = home.file("repaired");
    let command = format!(
        r#"read -r line; test "$line" != bad || test -e {} || exit 7; echo "$line, again: $RSACHAT_AGAIN""#,
        flag.display()
    );
    // Only for somebody who was chosen anything is kept.
    for sender in [&mut bob, &mut carol] {
        let trust = json!({ "id": "chosen", "command": "trust", "arguments": ["alice", home.fingerprint()] });
        sender.types(&trust.to_string());
        sender.sees(r#""id":"chosen","event":"reply","ok":true"#);
    }
    let mut worker = recv(&["-v", "--exec", &command]);
    worker.complains("taking the messages of this home");
    bob.types(r#"{"say":"bad","to":"alice"}"#);
    worker.complains("message 1 of bob was not acknowledged: the command ended with code 7; trying again in");
    bob.types(r#"{"say":"after it","to":"alice"}"#);
    bob.sees(r#""event":"delivered","to":"alice","fingerprint""#);
    for text in ["one", "two"] {
        carol.types(&format!(r#"{{"say":"{text}","to":"alice"}}"#));
        worker.sees(&format!("{text}, again: "));
    }
    let received = |upto: u64| {
        let fingerprint = home.fingerprint();
        format!(r#""event":"received","to":"alice","fingerprint":"{fingerprint}","upto":{upto}"#)
    };
    carol.sees(&received(2));
    assert!(!bob.has_seen(r#""event":"received""#), "{}", bob.output());
    // The next worker begins with it, and does it once what was wrong is put right.
    worker.signal(Signal::KILL);
    worker.ends();
    let mut worker = home.run(&["recv", "--count", "2", "--exec", &command], Stdio::null());
    worker.complains("message 1 of bob was not acknowledged");
    fs::write(&flag, "").unwrap();
    assert_eq!(worker.ends(), 0, "{}", worker.complaints());
    // What was not begun is not marked, though its author's message before it was.
    assert_eq!(worker.output(), "bad, again: yes\nafter it, again: \n");
    bob.sees(&received(2));
    // With enough of others it ends, and says that it left something.
    fs::remove_file(&flag).unwrap();
    let mut worker = home.run(&["recv", "-v", "--count", "1", "--exec", &command], Stdio::null());
    worker.complains("taking the messages of this home");
    bob.types(r#"{"say":"bad","to":"alice"}"#);
    worker.complains("message 3 of bob was not acknowledged");
    carol.types(r#"{"say":"three","to":"alice"}"#);
    assert_eq!((worker.ends(), worker.output().as_str()), (1, "three, again: \n"));
    let mut taken_off = recv(&["--from", "bob", "--count", "1"]);
    assert_eq!((taken_off.ends(), taken_off.output().as_str()), (0, "bad\n"));
    bob.sees(&received(3));
}

#[test]
fn what_waits_behind_a_message_that_a_taker_has_is_not_marked_however_the_taker_ends() {
    let (home, owner, mut bob, _carol) = owner_and_two();
    let recv = |args: &[&str]| home.run(&[&["recv"], args].concat(), Stdio::null());
    for (first, signal) in [("1", Signal::TERM), ("2", Signal::KILL)] {
        let slow = recv(&["-v", "--exec", SLOW]);
        slow.complains("taking the messages of this home");
        for text in [first, "x", "y"] {
            bob.types(&format!(r#"{{"say":"{text}","to":"alice"}}"#));
        }
        slow.sees(first);
        owner.sees(r#""text":"y""#);
        slow.signal(signal);
        let mut output = String::new();
        eventually("the owner has noticed", PATIENCE, || {
            let mut next = recv(&["--count", "3", "--exec", TELLS]);
            let code = next.ends();
            output = next.output();
            code == 0
        });
        assert_eq!(output, format!("{first}, again: yes\nx, again: \ny, again: \n"));
    }
}

#[test]
fn what_a_taker_was_not_given_is_not_marked_after_a_kill_of_the_owner() {
    let (home, mut owner, at) = served("alice", "test-1.pem");
    let mut bob = Home::with_key("bob", "test-2.pem").start(&["--json", "--connect", &at]);
    bob.sees(r#""event":"connected""#);
    home.has_met("bob");
    home.answer(&["peers", "trust", "bob", &Home::with_key("bob", "test-2.pem").fingerprint()]);
    let slow = home.run(&["recv", "-v", "--exec", SLOW], Stdio::null());
    slow.complains("taking the messages of this home");
    for (text, upto) in [("one", 1), ("two", 2), ("three", 3)] {
        bob.types(&json!({ "say": text, "to": "alice" }).to_string());
        bob.sees(&format!(r#""upto":{upto}"#));
    }
    slow.sees("one");
    owner.signal(Signal::KILL);
    owner.ends();
    let serve = home.run(&["serve", "--listen", "127.0.0.1:0"], Stdio::null());
    serve.listens_at();
    let args = ["recv", "--count", "3", "--exec", TELLS];
    let mut next = home.run(&args, Stdio::null());
    assert_eq!(next.ends(), 0, "{}", next.complaints());
    assert_eq!(next.output(), "one, again: yes\ntwo, again: \nthree, again: \n");
}

#[test]
fn what_comes_while_a_command_has_the_home_open_is_not_marked_however_that_ends() {
    for signal in [Signal::TERM, Signal::KILL] {
        let (bob, _serves, at) = served("bob", "test-2.pem");
        let alice = Home::with_key("alice", "test-1.pem");
        bob.answer(&["peers", "add", "alice", &alice.fingerprint()]);
        alice.answer(&["peers", "add", "bob", &bob.fingerprint()]);
        // Nobody is at bob's who shows it.
        let mut keeps = alice.run(&["send", &at, "--to", "bob", "--keep", "-m", "here"], Stdio::null());
        alice.is_served();
        let mut watcher = Caller::of(&alice);
        watcher.orders(&json!({ "id": 1, "face": "sender" }));
        watcher.sees(&json!({ "event": "delivered" }));
        let mut other = Caller::of(&bob);
        other.orders(&json!({ "say": "answer", "to": "alice" }));
        other.sees(&json!({ "event": "delivered", "to": "alice" }));
        keeps.signal(signal);
        keeps.ends();
        let mut prompt = alice.run(&["--plain"], Stdio::null());
        prompt.ends();
        assert!(prompt.output().contains("bob says: answer"), "{signal:?}: {}", prompt.output());
        assert!(!prompt.output().contains("(again)"), "{signal:?}: {}", prompt.output());
    }
}

#[test]
fn what_nobody_has_seen_is_not_marked_however_the_owner_ends_and_what_somebody_may_have_is() {
    let home = Home::with_key("alice", "test-1.pem");
    let serve =
        || home.run(&["serve", "--json", "--listen", "127.0.0.1:0", "--name", "alice"], Stdio::null());
    let mut owner = serve();
    let at = owner.listens_at();
    let mut bob = Home::with_key("bob", "test-2.pem").start(&["--json", "--connect", &at]);
    for side in [&bob, &owner] {
        side.sees(r#""event":"connected""#);
    }
    let mut watcher = Caller::of(&home);
    watcher.orders(&json!({ "id": 1, "command": "name", "arguments": ["bob", "robert"] }));
    watcher.sees(&json!({ "id": 1, "event": "reply", "ok": true }));
    watcher.orders(&json!({ "command": "quit" }));
    while watcher.next().is_some() {}
    bob.types(r#"{"say":"did you see this?","to":"alice"}"#);
    bob.sees(r#""event":"delivered""#);
    for signal in [Signal::KILL, Signal::TERM, Signal::KILL, Signal::TERM] {
        owner.signal(signal);
        owner.ends();
        owner = serve();
        owner.listens_at();
    }
    let mut first = Caller::of(&home);
    first.orders(&json!({ "face": "prompt" }));
    let seen = first.sees(&json!({ "event": "message", "text": "did you see this?" }));
    assert_eq!(seen["again"], Value::Null, "{seen}");
    for signal in [Signal::TERM, Signal::KILL] {
        owner.signal(signal);
        owner.ends();
        owner = serve();
        owner.listens_at();
        let mut next = Caller::of(&home);
        next.orders(&json!({ "face": "prompt" }));
        next.sees(&json!({ "event": "message", "text": "did you see this?", "again": true }));
    }
}

#[test]
fn what_comes_while_ask_waits_is_given_to_nobody_and_an_answer_to_ask_alone() {
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum End {
        Answered,
        AskKilled,
        OwnerKilled,
    }
    for end in [End::Answered, End::AskKilled, End::OwnerKilled] {
        let (alice, mut owner, at) = served("alice", "test-1.pem");
        let [mut bob, mut carol] = [("bob", "test-2.pem"), ("carol", "test-3.pem")].map(|(name, key)| {
            let home = Home::with_key(name, key);
            let process = home.start(&["--json", "--connect", &at]);
            process.sees(r#""event":"connected""#);
            alice.has_met(name);
            alice.answer(&["peers", "trust", name, &home.fingerprint()]);
            process
        });
        bob.types(r#"{"say":"early","to":"alice"}"#);
        bob.sees(r#""event":"delivered""#);
        let mut asks = alice.run(&["ask", "bob", "-m", "ready?", "--answers", "2"], Stdio::null());
        bob.sees("ready?");
        carol.types(r#"{"say":"meanwhile","to":"alice"}"#);
        carol.sees(r#""event":"delivered""#);
        match end {
            End::Answered => {
                for text in ["yes", "now"] {
                    bob.types(&json!({ "say": text, "to": "alice" }).to_string());
                }
                assert_eq!((asks.ends(), asks.output().as_str()), (0, "yes\nnow\n"), "{}", asks.complaints());
                bob.sees(r#""event":"received","to":"alice""#);
            }
            End::AskKilled => asks.signal(Signal::KILL),
            End::OwnerKilled => owner.signal(Signal::KILL),
        }
        asks.ends();
        if end == End::OwnerKilled {
            owner.ends();
        }
        let told = asks.complaints().contains("bob had written before the question: early");
        assert_eq!(told, end == End::Answered, "{}", asks.complaints());
        assert!(!carol.has_seen(r#""event":"received""#), "{end:?}: nobody has seen it");
        let mut prompt = alice.run(&["--plain"], Stdio::null());
        prompt.ends();
        let shown = prompt.output();
        assert!(shown.contains("meanwhile"), "{end:?}: {shown}");
        assert_eq!(shown.contains("early"), end != End::Answered, "{end:?}: {shown}");
        assert!(!shown.contains("(again)") && !shown.contains("yes"), "{end:?}: {shown}");
    }
}

#[test]
fn an_asker_whose_input_has_ended_ends_once_it_has_shown_its_answer() {
    let (alice, _owner, _home, mut bob, _) = owner_and_bob();
    let mut asks = Caller::of(&alice);
    asks.orders(&json!({ "face": "asker", "count": 1 }));
    asks.orders(&json!({ "id": 7, "ask": "ready?", "to": "bob" }));
    asks.orders(&json!({ "key": "end_of_input" }));
    bob.sees("ready?");
    bob.types(r#"{"say":"yes","to":"alice"}"#);
    bob.types(r#"{"say":"and more","to":"alice"}"#);
    let answer = asks.sees(&json!({ "event": "message", "text": "yes", "id": 7 }));
    assert!(!bob.has_seen(r#""event":"received","to":"alice""#), "{}", bob.output());
    asks.orders(&json!({ "shown": answer["number"] }));
    asks.sees(&json!({ "event": "done" }));
    bob.sees(r#""event":"received","to":"alice""#);
    assert_eq!(asks.seen.iter().filter(|event| event["event"] == "message").count(), 1);
}

#[test]
fn a_second_prompt_hands_on_what_a_call_and_a_listener_take_and_names_the_process_for_the_rest() {
    let (home, owner, _bob, _carol) = owner_and_two();
    let (of_owner, process) =
        (" can be given to that one only", format!("another rsachat (process {})", owner.id()));
    for args in [
        &["--record", "session.chat"][..],
        &["--peers", "3"],
        &["--notify", "all"],
        &["--anybody"],
        &["--known-only"],
        &["--name", "somebody"],
    ] {
        let mut second = home.run(&[&["--plain"], args].concat(), Stdio::null());
        second.ends_saying(3, &format!("{process} is serving this home; {}{of_owner}", args[0]));
    }
    let (_junho, at) = Process::listening("준호");
    let key = Home::of("하나").fingerprint();
    let second = home.run(&["--plain", &at, "--pin", &key], Stdio::piped());
    second.sees(&format!("a different key from the pinned one; nothing was sent; pinned: {key}"));
    let second = home.run(&["--plain", &at, "--wire", "oaep", "--one-way"], Stdio::piped());
    second.sees("raw wire: no authentication");
    let second = home.run(&["--plain", "--listen", "127.0.0.1:0", "--known-only"], Stdio::piped());
    let _stranger = Home::of("dave").start(&["--connect", &second.listens_at()]);
    second.sees("refused an unknown key");
}

#[test]
fn every_line_that_an_owner_has_not_taken_as_it_ends_is_named_to_the_face_that_gave_it() {
    let home = Home::with_key("alice", "test-1.pem");
    let mut owner = home.start(&["--json"]);
    home.is_served();
    let mut program = home.run(&["attach", "--json"], Stdio::piped());
    let mut plain = home.run(&["attach", "--plain"], Stdio::piped());
    program.types(r#"{"id":"ready","command":"status"}"#);
    program.sees("ready");
    plain.types(":status");
    plain.sees("nobody is connected");
    owner.signal(Signal::STOP);
    program.types(r#"{"id":7,"say":"with an id"}"#);
    program.types(r#"{"say":"without one"}"#);
    program.types(r#"{"id":"last","command":"status"}"#);
    plain.types("a line");
    owner.signal(Signal::KILL);
    assert_eq!((program.ends(), plain.ends()), (3, 3));
    plain.complains("a line");
    let events: Vec<Value> =
        program.output().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let warned = |text: &str, id: &Value| {
        let is_it = |event: &&Value| event["message"].as_str().is_some_and(|why| why.ends_with(text));
        let event = events.iter().find(is_it).unwrap_or_else(|| panic!("{text}: {events:#?}"));
        assert_eq!((&event["kind"], &event["id"]), (&json!("not_sent"), id));
    };
    warned(": with an id", &json!(7));
    warned(": without one", &Value::Null);
    for id in [json!(7), json!("last")] {
        let reply = events.iter().find(|event| event["event"] == "reply" && event["id"] == id);
        assert_eq!(reply.unwrap()["ok"], false);
    }
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["code"]), (&json!("done"), &json!(3)));
    assert!(!program.has_seen("attach "), "an id of its own stays within");
    owner.ends();
}

/// A command that keeps a line for bob, who does not answer its call, and has the home open
/// meanwhile.
fn passing_owner() -> (Home, Process, Home, Process, String) {
    let (alice, bob) = (Home::with_key("alice", "test-1.pem"), Home::with_key("bob", "test-2.pem"));
    alice.answer(&["peers", "add", "bob", &bob.fingerprint()]);
    let listener = bob.start(&["--json", "--listen", "127.0.0.1:0"]);
    let at = listener.listens_at();
    listener.signal(Signal::STOP);
    let args = ["send", &at, "--to", "bob", "--keep", "--retry", "9", "-m", "one"];
    let owner = alice.run(&args, Stdio::null());
    alice.is_served();
    (alice, owner, bob, listener, at)
}

#[test]
fn others_use_a_home_while_a_command_that_keeps_and_waits_has_it_open() {
    let (alice, mut owner, _bob, listener, at) = passing_owner();
    let mut watcher = Caller::of(&alice);
    assert_eq!(watcher.sees(&json!({ "event": "hello" }))["command"], "send");
    // The owner ends after those who send through it.
    let args = ["send", &at, "--to", "bob", "--keep", "--retry", "9", "-m", "two"];
    let mut second = alice.run(&args, Stdio::null());
    let mut flush = alice.run(&["send", "--flush", "--timeout", "1ms"], Stdio::null());
    flush.ends_saying(6, "kept in the home and not received yet");
    watcher.orders(&json!({ "face": "program" }));
    let waits = |text: &str, watcher: &mut Caller| {
        watcher.orders(&json!({ "id": "o", "command": "outbox" }));
        watcher.sees(&json!({ "id": "o" })).to_string().contains(text)
    };
    eventually("the second line is kept", PATIENCE, || waits("two", &mut watcher));
    listener.signal(Signal::CONT);
    for (name, send) in [("first", &mut owner), ("second", &mut second)] {
        assert_eq!(send.ends(), 0, "{name}: {}", send.complaints());
    }
    watcher.sees(&json!({ "event": "error", "kind": "owner" }));
    for text in ["one", "two"] {
        listener.sees_times(&format!(r#""text":"{text}""#), 1, PATIENCE);
    }
}

#[test]
fn what_a_killed_command_has_said_is_taken_back_unless_it_was_to_be_kept() {
    for (args, is_kept) in [
        (&["send", "bob", "-m", "text"][..], false),
        (&["ask", "bob", "-m", "text"], false),
        (&["send", "bob", "--keep", "-m", "text"], true),
    ] {
        let (alice, _owner, home, mut bob, at) = owner_and_bob();
        bob.signal(Signal::STOP);
        let mut watcher = Caller::of(&alice);
        watcher.orders(&json!({ "face": "program" }));
        let mut command = alice.run(args, Stdio::null());
        watcher.sees(&json!({ "event": "sent", "text": "text" }));
        command.signal(Signal::KILL);
        command.ends();
        let state = |watcher: &mut Caller| {
            watcher.orders(&json!({ "id": "o", "command": "outbox" }));
            watcher.sees(&json!({ "event": "table", "id": "o" }))["rows"][0][3].clone()
        };
        let (wanted, is_taken_back) = (if is_kept { "unconfirmed" } else { TAKEN_BACK }, !is_kept);
        eventually("the owner has noticed", PATIENCE, || state(&mut watcher) == wanted);
        // What was on its way does not arrive.
        bob.signal(Signal::KILL);
        bob.ends();
        let bob = home.start(&["--json", "--listen", &at]);
        watcher.orders(&json!({ "say": "last", "to": "bob" }));
        bob.sees(r#""text":"last""#);
        assert_eq!(bob.has_seen(r#""text":"text""#), !is_taken_back, "{}", bob.output());
    }
}

#[test]
fn what_goes_on_for_long_waits_for_a_command_that_has_the_home_open() {
    let (alice, mut owner, _bob, listener, _) = passing_owner();
    let said = format!("another rsachat (process {}) sends what this home keeps", owner.id());
    let serve = alice.run(&["serve", "--json", "--listen", "127.0.0.1:0"], Stdio::null());
    let mut prompt = alice.run(&["--plain"], file_with(b":status\n"));
    for waiting in [&serve, &prompt] {
        waiting.complains(&said);
        waiting.complains(&format!("kill {}", owner.id()));
    }
    owner.signal(Signal::TERM);
    owner.ends_saying(143, "1 message is kept in the home and not received yet");
    serve.listens_at();
    assert_eq!(prompt.ends(), 6, "{}", prompt.complaints());
    listener.signal(Signal::CONT);
}

#[test]
fn a_command_that_serves_its_home_ends_by_what_came_of_its_own_lines() {
    let (alice, mut owner, _bob, listener, _) = passing_owner();
    let mut face = Caller::of(&alice);
    let (_held, nowhere) = held_address();
    face.orders(&json!({ "command": "connect", "arguments": [nowhere] }));
    face.orders(&json!({ "id": "here", "wait": "connection" }));
    face.sees(&json!({ "id": "here", "event": "reply", "ok": false }));
    listener.signal(Signal::CONT);
    assert_eq!(owner.ends(), 0, "{}", owner.complaints());
    assert!(!owner.complaints().contains("cannot reach"), "a call of another is not its own");
}

#[test]
fn an_owner_that_has_begun_to_end_serves_nobody_new_and_says_what_waits() {
    let now = ["--timeout", "1ms"];
    for (args, code) in [
        (&["send", "--flush"][..], 6),
        (&["send", "bob", "--keep", "-m", "x"], 6),
        (&["ask", "bob", "-m", "x"], 5),
    ] {
        let (alice, mut owner, _home, bob, _) = owner_and_bob();
        bob.signal(Signal::STOP);
        let mut face = Caller::of(&alice);
        face.orders(&json!({ "id": 1, "say": "hello", "to": "bob" }));
        face.sees(&json!({ "id": 1, "event": "reply", "ok": true }));
        // It waits for the receipt for a moment.
        owner.signal(Signal::TERM);
        let mut next = alice.run(&[args, &now].concat(), Stdio::null());
        assert_eq!(next.ends(), code, "{args:?}: {}", next.complaints());
        assert!(!next.complaints().contains("has ended"), "{args:?}: {}", next.complaints());
        owner.sees("1 line waits for bob; the next prompt or rsachat serve sends it when you are connected");
        assert_eq!(owner.ends(), 0);
        bob.signal(Signal::CONT);
    }
}

#[test]
fn a_taker_goes_on_with_the_next_owner_unless_it_was_told_not_to() {
    let (home, mut owner, at) = served("alice", "test-1.pem");
    let bob = Home::with_key("bob", "test-2.pem");
    home.answer(&["peers", "add", "bob", &bob.fingerprint()]);
    bob.answer(&["peers", "add", "alice", &home.fingerprint()]);
    let mut taker = home.run(&["recv", "-v", "--count", "3"], Stdio::null());
    let taking = "taking the messages of this home";
    taker.complains(taking);
    let send =
        |text: &str| bob.run(&["send", &at, "--to", "alice", "--retry", "9", "-m", text], Stdio::null());
    for (number, text) in ["one", "two", "three"].into_iter().enumerate() {
        let mut sends = send(text);
        assert_eq!(sends.ends(), 0, "{}", sends.complaints());
        taker.sees(text);
        if number == 2 {
            break;
        }
        owner.signal([Signal::TERM, Signal::KILL][number]);
        owner.ends();
        let ended = format!("process {}) has ended; waiting for the next one", owner.id());
        taker.complains(&ended);
        owner = home.run(&["serve", "--listen", &at], Stdio::null());
        eventually("it takes again", PATIENCE, || taker.complaints().matches(taking).count() == number + 2);
    }
    assert_eq!(taker.ends(), 0, "{}", taker.complaints());
    assert_eq!(taker.output(), "one\ntwo\nthree\n");
    let mut once = home.run(&["recv", "-v", "--no-retry"], Stdio::null());
    once.complains(taking);
    let mut waits = owner.id();
    owner.signal(Signal::TERM);
    owner.ends();
    once.ends_saying(3, &format!("process {waits}) has ended"));
    owner = home.run(&["serve", "--listen", &at], Stdio::null());
    home.is_served();
    waits = owner.id();
    let mut ended = home.run(&["recv", "-v"], Stdio::null());
    ended.complains(taking);
    owner.signal(Signal::TERM);
    owner.ends();
    ended.complains(&format!("process {waits}) has ended; waiting"));
    ended.signal(Signal::TERM);
    assert_eq!(ended.ends(), 143);
}

#[test]
fn a_connection_that_the_person_closes_is_told_as_closed_here_to_who_waits_on_it() {
    let cases = [
        (&["send", "bob", "-m", "text"][..], 5, "the connection was closed here before everything"),
        (&["ask", "bob", "-m", "text"], 5, "the connection was closed here before"),
        (&["send", "bob", "--keep", "-m", "text"], 6, "the connection was closed here meanwhile"),
    ];
    for (args, code, said) in cases {
        let (alice, _owner, _home, bob, _) = owner_and_bob();
        bob.signal(Signal::STOP);
        let mut person = Caller::of(&alice);
        person.orders(&json!({ "face": "program" }));
        let mut command = alice.run(args, Stdio::null());
        person.sees(&json!({ "event": "sent", "text": "text" }));
        person.orders(&json!({ "command": "close", "arguments": ["bob"] }));
        command.ends_saying(code, said);
        bob.signal(Signal::CONT);
    }
}

#[test]
fn a_service_that_ends_while_lines_wait_ends_well_and_says_so() {
    let home = Home::with_key("alice", "test-1.pem");
    let mut owner = home.run(&["serve", "--listen", "127.0.0.1:0", "--json"], Stdio::null());
    owner.listens_at();
    let bob = Home::with_key("bob", "test-2.pem").fingerprint();
    assert_eq!(home.run(&["peers", "add", "bob", &bob], Stdio::null()).ends(), 0);
    assert_eq!(home.run(&["send", "bob", "--keep", "-m", "text"], Stdio::null()).ends(), 6);
    owner.signal(Signal::TERM);
    assert_eq!(owner.ends(), 0);
    let output = owner.output();
    let last = output.lines().last().unwrap_or_default();
    assert!(last.contains(r#""event":"done","code":0"#) && !output.contains(r#""queued""#), "{output}");
}

#[test]
fn a_line_typed_at_a_home_that_was_deleted_is_not_kept_and_comes_back() {
    let (alice, mut owner, _home, mut bob, _) = owner_and_bob();
    bob.types(r#"{"command":"quit"}"#);
    bob.ends();
    let mut face = Caller::of(&alice);
    face.orders(&json!({ "id": "before", "say": "before", "to": "bob" }));
    face.sees(&json!({ "event": "queued", "id": "before" }));
    std::fs::remove_dir_all(alice.path()).unwrap();
    face.orders(&json!({ "id": "text", "say": "text", "to": "bob" }));
    let why = face.sees(&json!({ "event": "warning", "kind": "not_sent" }))["message"].to_string();
    assert!(why.contains("it was deleted"), "{why}");
    face.sees(&json!({ "event": "reply", "id": "text", "ok": false }));
    owner.signal(Signal::TERM);
    owner.ends();
}

#[test]
fn commands_that_call_the_same_peer_at_once_share_one_call_and_its_outcome() {
    let (alice, _owner, home, mut bob, at) = owner_and_bob();
    bob.types(r#"{"command":"quit"}"#);
    bob.ends();
    let send = |number: u32| alice.run(&["send", "bob", "-m", &format!("m{number}")], Stdio::null());
    let eight = || (0..8).map(send).collect::<Vec<_>>();
    for mut send in eight() {
        send.ends_saying(3, "connection refused");
    }
    let mut bob = home.start(&["--json", "--listen", &at]);
    bob.listens_at();
    for mut send in eight() {
        assert_eq!(send.ends(), 0, "{}", send.complaints());
    }
    assert_eq!(bob.output().matches(r#""event":"connected""#).count(), 1, "{}", bob.output());
    bob.types(r#"{"command":"quit"}"#);
    bob.ends();
}

#[test]
fn one_more_program_than_there_is_room_for_is_told_so_and_the_owner_is_not_called_dead() {
    let (home, owner, _) = served("alice", "test-1.pem");
    let bob = Home::with_key("bob", "test-2.pem").fingerprint();
    home.answer(&["peers", "add", "bob", &bob]);
    let mut all = Vec::new();
    while all.len() < 32 {
        let mut caller = Caller::of(&home);
        // Who only looks whether the home is served has a place for a moment.
        if caller.next().is_some_and(|first| first["event"] == "hello") {
            all.push(caller);
        }
    }
    let mut one_more = Caller::of(&home);
    let told = one_more.sees(&json!({ "event": "error", "kind": "full", "hint": "end one of them" }));
    assert!(one_more.next().is_none(), "{told}");
    let process = owner.id();
    let full = format!("32 programs are connected to the rsachat serving this home (process {process})");
    for args in [&["attach"][..], &["recv", "--count", "1"], &["send", "bob", "--keep", "-m", "x"]] {
        home.run(args, Stdio::null()).ends_saying(3, &full);
    }
    drop(all.pop());
    eventually("there is room again", PATIENCE, || {
        Caller::of(&home).next().is_some_and(|first| first["event"] == "hello")
    });
}

#[test]
fn a_face_that_ends_while_lines_wait_is_told_how_many_and_for_whom() {
    let (home, _owner, _) = served("alice", "test-1.pem");
    let bob = Home::with_key("bob", "test-2.pem").fingerprint();
    home.answer(&["peers", "add", "bob", &bob]);
    home.run(&["send", "bob", "--keep", "-m", "x"], Stdio::null()).ends_saying(6, "kept");
    let mut caller = Caller::of(&home);
    caller.orders(&json!({ "command": "quit" }));
    let told = caller.sees(&json!({ "event": "warning", "kind": "queued" }));
    assert!(told["message"].as_str().unwrap().starts_with("1 line waits for bob"), "{told}");
    assert_eq!(caller.sees(&json!({ "event": "done" }))["code"], 6);
    let mut attached = home.run(&["--json"], Stdio::null());
    assert_eq!(attached.ends(), 6, "{}", attached.complaints());
    assert!(attached.output().contains("1 line waits for bob"), "{}", attached.output());
}

#[test]
fn who_is_cut_off_from_a_peer_that_has_a_message_on_disk_is_told_not_to_send_it_again() {
    for is_served in [false, true] {
        let (alice, bob) = (Home::with_key("alice", "test-1.pem"), Home::with_key("bob", "test-2.pem"));
        alice.answer(&["peers", "add", "bob", &bob.fingerprint()]);
        bob.answer(&["peers", "add", "alice", &alice.fingerprint()]);
        let (_serves, at) = bob.serves();
        let _owner = is_served.then(|| {
            let (owner, _) = alice.serves();
            let mut caller = Caller::of(&alice);
            caller.orders(&json!({ "command": "connect", "arguments": [at, "--to", bob.fingerprint()] }));
            caller.sees(&json!({ "event": "connected", "name": "bob" }));
            owner
        });
        let told = if is_served {
            "1 is on bob's disk and may be shown later: do not send it again"
        } else {
            "1 may be on the other side's disk and be shown later: sent again, it comes twice"
        };
        for command in ["send", "ask"] {
            for json in [&[][..], &["--json"]] {
                let whom: &[&str] = if is_served { &["bob"] } else { &[&at, "--to", "bob"] };
                let args = [&[command], whom, &["-m", "pay 5", "--timeout", "1s"], json].concat();
                let mut run = alice.run(&args, Stdio::null());
                run.ends_saying(5, told);
            }
        }
    }
}
