//! `rsachat ask`: its exit code tells apart what was answered, what was only receipted, and what did
//! not arrive; the answers, and nothing else, stand on standard output.

use std::net::TcpListener;
use std::process::Stdio;
use std::{fs, thread};

use rsachat::wire::{ByeReason, Purpose, Record};
use rustix::process::Signal;

use crate::support::hostile_peer::HostilePeer;
use crate::support::{Home, PATIENCE, Process, eventually, file_with, held_address, socket};

/// What the peer does once it has the question.
#[derive(Clone, Copy, Debug)]
enum Act {
    Receipts,
    Says(&'static str),
    Leaves,
    Cuts,
    /// Waits until the other side has ended the connection.
    Stays,
}
use Act::{Cuts, Leaves, Receipts, Says, Stays};

/// Acts, arguments, exit code, standard output, and what standard error says of it.
type Case = (&'static [Act], &'static [&'static str], i32, &'static str, &'static str);

fn ask(at: &str, args: &[&str]) -> Process {
    let all = [&["--name", "민지", "ask", at, "--accept-new", "-m", "how full?"], args].concat();
    Home::of("민지").run(&all, Stdio::null())
}

/// Takes a call and the question, acts, and returns the records that followed.
fn plays(listener: &TcpListener, acts: &[Act]) -> Vec<Record> {
    let (mut peer, confirm) = HostilePeer::answers(listener, "test-2.pem", "준호", Purpose::Chat);
    let mut begins = confirm;
    // What the peer says at once stands in the same segment as the end of the handshake.
    let at_once =
        acts.iter().take_while(|act| matches!(act, Says(text) if text.starts_with("unasked"))).count();
    for act in &acts[..at_once] {
        let Says(text) = act else { unreachable!() };
        begins.extend(peer.sealed_text(text.as_bytes()));
    }
    std::io::Write::write_all(&mut peer.stream, &begins).unwrap();
    let mut heard = Vec::new();
    loop {
        match peer.receives() {
            Record::Text { seq: 1, text, .. } => break assert_eq!(text, b"how full?"),
            record => heard.push(record),
        }
    }
    let mut flight = Vec::new();
    for act in &acts[at_once..] {
        match act {
            Receipts => flight.extend(peer.sealed(&Record::Receipt { upto: 1 })),
            Says(text) => flight.extend(peer.sealed_text(text.as_bytes())),
            Leaves => flight.extend(peer.sealed(&Record::Bye(ByeReason::Leaving))),
            Cuts | Stays => {}
        }
    }
    std::io::Write::write_all(&mut peer.stream, &flight).unwrap();
    if matches!(acts.last(), Some(Cuts)) {
        // In order for the kernel, so that nothing that was sent is dropped.
        peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }
    heard.extend(std::iter::from_fn(|| peer.receives_in_time()));
    heard
}

/// Runs the command against a peer that acts so; returns it at its end, with its code and what the
/// peer heard.
fn asked(acts: &'static [Act], args: &[&str]) -> (Process, i32, Vec<Record>) {
    let (listener, at) = socket();
    let peer = thread::spawn(move || plays(&listener, acts));
    let mut asks = ask(&at, args);
    let code = asks.ends();
    (asks, code, peer.join().unwrap())
}

#[test]
fn the_exit_code_tells_answered_from_receipted_from_lost() {
    let soon = &["--timeout", "3s"];
    let two = &["--answers", "2", "--timeout", "3s"];
    let (none, receipted) =
        ("0 messages were acknowledged, 1 was not", "the question was acknowledged, but ");
    let cases: [Case; 17] = [
        (&[Receipts, Says("42 %"), Stays], &[], 0, "42 %\n", ""),
        (&[Says("42 %"), Receipts, Stays], &[], 0, "42 %\n", ""),
        (&[Says("unasked"), Receipts, Stays], &[], 0, "unasked\n", ""),
        (&[Receipts, Says("42 %"), Leaves], &[], 0, "42 %\n", ""),
        (&[Receipts, Says("42 %"), Cuts], &[], 0, "42 %\n", ""),
        (&[Receipts, Says("a"), Says("b"), Says("c"), Stays], &["--answers", "2"], 0, "a\nb\n", ""),
        (&[Says("a"), Receipts, Says("b"), Stays], &["--answers", "2"], 0, "a\nb\n", ""),
        (&[Receipts, Stays], soon, 5, "", "the question was acknowledged, but no answer came"),
        (&[Receipts, Stays], soon, 5, "", "not everything was answered in time"),
        (&[Receipts, Says("a"), Stays], two, 5, "a\n", "but 1 of 2 answers came"),
        (&[Receipts, Leaves], &[], 5, "", "the other side left before it answered"),
        (&[Receipts, Leaves], &[], 5, "", receipted),
        (&[Receipts, Cuts], &[], 5, "", receipted),
        (&[Says("42 %"), Stays], soon, 5, "", none),
        (&[Stays], soon, 5, "", "is connected, and has not acknowledged everything in time"),
        (&[Leaves], &[], 5, "", "the other side left before everything was acknowledged"),
        (&[Cuts], &[], 5, "", none),
    ];
    for (acts, args, code, output, complaint) in cases {
        let (asks, ended, _) = asked(acts, args);
        let complaints = asks.complaints();
        assert_eq!((ended, asks.output().as_str()), (code, output), "{acts:?}: {complaints}");
        assert!(complaints.contains(complaint), "{acts:?}: {complaints}");
        // A cut is told in any case.
        let is_told = code != 0 || matches!(acts.last(), Some(Cuts));
        assert_eq!(complaints.contains("error"), is_told, "{acts:?}: {complaints}");
    }
    let (_held, at) = held_address();
    ask(&at, &[]).ends_saying(3, "cannot reach ");
    let (_prompt, at) = Process::listening("준호");
    Home::of("민지").run(&["ask", &at, "-m", "x"], Stdio::null()).ends_saying(4, "not in your book");
    ask(&at, &["--answers", "0"]).ends_saying(2, "--answers");
    ask(&at, &["--timeout", "soon"]).ends_saying(2, "write 200ms");
}

#[test]
fn an_empty_question_is_refused_before_anybody_is_called() {
    let (listener, at) = socket();
    let asks = |args: &[&str], input: &[u8]| {
        Home::of("민지").run(&[&["ask", &at, "--accept-new"], args].concat(), file_with(input))
    };
    for (args, input) in [(&[][..], &b""[..]), (&[], b"\n"), (&["-m", ""], b"x")] {
        asks(args, input).ends_saying(2, "the question is empty, so nothing was sent");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody called");
}

#[test]
fn answers_are_receipted_when_they_are_written_and_what_comes_behind_them_is_not() {
    let (_, code, heard) = asked(&[Receipts, Says("a"), Says("b"), Says("c"), Stays], &["--answers", "2"]);
    let receipts = heard.iter().filter_map(|record| match record {
        Record::Receipt { upto } => Some(*upto),
        _ => None,
    });
    assert_eq!((code, receipts.max()), (0, Some(2)), "{heard:?}");
    assert!(matches!(heard.last(), Some(Record::Bye(ByeReason::Leaving))), "{heard:?}");
}

#[test]
fn an_answer_is_safe_as_recv_writes_it_or_an_object() {
    let (asks, code, _) = asked(&[Receipts, Says("\u{1b}[2J\nfake: \\"), Stays], &[]);
    assert_eq!((code, asks.output().as_str()), (0, "\\u{1b}[2J\\u{a}fake: \\\\\n"));
    let (asks, code, _) = asked(&[Receipts, Says("\u{1b}[2J\nfake: \\"), Stays], &["--json"]);
    let message: serde_json::Value = serde_json::from_str(&asks.output()).unwrap();
    assert_eq!(
        (code, message["event"].as_str(), message["from"].as_str()),
        (0, Some("message"), Some("준호"))
    );
    assert_eq!(message["text"], "\u{1b}[2J\nfake: \\");
    assert!(asks.complaints().contains(r#""messages":1,"receipted":1,"answers":1"#), "{}", asks.complaints());
}

#[test]
fn a_person_answers_at_a_prompt() {
    let (mut junho, at) = Process::listening("준호");
    let mut asks = ask(&at, &["--timeout", "1m"]);
    junho.sees("민지: how full?");
    junho.types("half");
    assert_eq!((asks.ends(), asks.output().as_str()), (0, "half\n"), "{}", asks.complaints());
    junho.sees("민지 left");
}

#[test]
fn the_input_is_one_question_without_the_newline_at_its_end() {
    let junho = Home::of("준호");
    let (mut prompt, at) = junho.start(&["--json", "--anybody", "--listen", "127.0.0.1:0"]).and_where();
    let asks = |input: &[u8]| Home::of("민지").run(&["ask", &at, "--accept-new"], file_with(input));
    let mut asked = asks("둘\n줄\r\n".as_bytes());
    prompt.sees(r#""text":"둘\n줄""#);
    prompt.types(r#"{"say":"네"}"#);
    assert_eq!((asked.ends(), asked.output().as_str()), (0, "네\n"), "{}", asked.complaints());
    asks(b"\xff\n").ends_saying(1, "the question was not sent: it is not UTF-8");
    asks(&vec![b'x'; 16_385]).ends_saying(1, "the question was not sent: it has more than 16384 bytes");
    ask(&at, &["-m", "again"]).ends_saying(2, "--message TEXT is given twice");
}

#[test]
fn a_reader_of_the_answer_who_has_gone_ends_it_like_any_program_in_a_pipe() {
    let (listener, at) = socket();
    let peer = thread::spawn(move || plays(&listener, &[Receipts, Says("a"), Stays]));
    let script = r#""$0" --home "$1" ask "$2" --accept-new -m "how full?" | true"#;
    let mut shell = Home::of("민지").shell(script, &at, Stdio::null());
    assert_eq!(shell.ends(), 0);
    let heard = peer.join().unwrap();
    assert!(matches!(heard.last(), Some(Record::Bye(ByeReason::OutputGone))), "{heard:?}");
}

#[test]
fn a_signal_ends_it_in_order_and_its_timeout_is_a_goodbye_too() {
    let (junho, at) = Process::listening("준호");
    let mut asks = ask(&at, &[]);
    junho.sees("민지: how full?");
    asks.signal(Signal::INT);
    assert_eq!(asks.ends(), 130);
    junho.sees("민지 left");
    assert_eq!(ask(&at, &["--timeout", "500ms"]).ends(), 5);
    junho.sees_times("민지 left", 2, PATIENCE);
    assert!(!junho.output().contains("lost"), "{}", junho.output());
}

/// A program that answers: a command of `recv --exec --reply`.
fn bot(command: &str, args: &[&str]) -> (Process, String) {
    let all = ["recv", "--listen", "127.0.0.1:0", "--accept-new", "--exec", command, "--reply"];
    Home::of("준호").run(&[&all, args].concat(), Stdio::null()).and_where()
}

/// Command, arguments of who asks, exit code, standard output, and what each side says of it.
type BotCase<'a> = (&'a str, &'a [&'a str], i32, &'a str, &'a str, &'a str);

#[test]
fn a_command_answers_with_its_output_and_its_exit_code_is_the_receipt() {
    let soon = &["--timeout", "2s"][..];
    let failed = "could not store what it received: its output failed";
    let unanswered = "the question was acknowledged, but no answer came";
    let late = "the command took longer than --exec-timeout and was killed";
    let most = format!("{}\n", "x".repeat(16_384));
    let cases: [BotCase<'_>; 9] = [
        (r#"echo "$RSACHAT_REPLY $RSACHAT_FROM: $(cat)""#, &[], 0, "yes 민지: how full?\n", "", ""),
        ("printf 'two\nrows\n'", &[], 0, "two\\u{a}rows\n", "", ""),
        ("head -c 16384 /dev/zero | tr '\\0' x; echo", &[], 0, &most, "", ""),
        ("sleep 5 & echo 'not waited for'", &[], 0, "not waited for\n", "", ""),
        ("cat > /dev/null", soon, 5, "", unanswered, ""),
        ("echo no; exit 3", &[], 1, "", failed, "the command ended with code 3"),
        ("echo early; sleep 600", &[], 1, "", failed, late),
        (r"printf '\377'", soon, 5, "", unanswered, "the reply to 민지 was not sent: it is not UTF-8"),
        ("seq 9999", soon, 5, "", unanswered, "was not sent: it has more than 16384 bytes"),
    ];
    for (command, args, code, output, complaint, told) in cases {
        let (mut recv, at) = bot(command, &["--exec-timeout", "1s"]);
        let mut asks = ask(&at, args);
        let complaints = |asks: &Process| format!("{command}: {}", asks.complaints());
        assert_eq!((asks.ends(), asks.output().as_str()), (code, output), "{}", complaints(&asks));
        assert!(asks.complaints().contains(complaint), "{}", complaints(&asks));
        recv.complains(told);
        recv.signal(Signal::TERM);
        assert_eq!((recv.ends(), recv.output().as_str()), (143, ""), "{}", complaints(&recv));
    }
    Home::of("준호").run(&["recv", "--listen", "0", "--reply"], Stdio::null()).ends_saying(2, "--exec");
}

#[test]
fn questions_of_one_key_stand_side_by_side_and_are_answered_one_after_another() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let command =
        format!("text=$(cat); until [ -e {} ]; do sleep 0.05; done; echo \"re: $text\"", go.display());
    let (recv, at) = bot(&command, &["-v"]);
    let minji = Home::of("민지");
    let ask = |text| ["ask", &at, "--accept-new", "--name", "민지", "-m", text];
    let mut asked: Vec<_> =
        ["하나", "둘", "셋"].into_iter().map(|text| (text, minji.run(&ask(text), Stdio::null()))).collect();
    // All three are there before the first is answered.
    eventually("three are connected", PATIENCE, || {
        recv.complaints().matches("connected to 민지").count() == 3
    });
    fs::write(&go, "").unwrap();
    for (text, asks) in &mut asked {
        assert_eq!((asks.ends(), asks.output()), (0, format!("re: {text}\n")), "{}", asks.complaints());
    }
}

#[test]
fn questions_of_several_keys_are_answered_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let at_once = format!(
        "cd {}; touch \"$RSACHAT_FROM\"; until [ -e a ] && [ -e b ]; do sleep 0.05; done; echo \"$RSACHAT_FROM\"",
        folder.path().display()
    );
    let (_recv, at) = bot(&at_once, &[]);
    let mut asked = [("a", "test-1.pem"), ("b", "test-3.pem")].map(|(name, key)| {
        let args = ["ask", &at, "--accept-new", "--name", name, "-m", "x"];
        (name, Home::with_key(name, key).run(&args, Stdio::null()))
    });
    for (name, asks) in &mut asked {
        assert_eq!((asks.ends(), asks.output()), (0, format!("{name}\n")), "{}", asks.complaints());
    }
}

#[test]
fn a_reply_goes_back_on_its_own_connection_or_nowhere() {
    // Who asked has left.
    let (recv, at) = bot("text=$(cat); [ \"$text\" = again ] || sleep 1; echo answer", &[]);
    assert_eq!(ask(&at, &["--timeout", "300ms"]).ends(), 5);
    recv.complains("the reply to 민지 was not sent: its connection has ended");
    // Who only sends is not replied to.
    let asks_again = |word, who| {
        Home::of(who).run(&[word, &at, "--accept-new", "-m", "again", "--name", who], Stdio::null())
    };
    let mut sends = asks_again("send", "민지");
    assert_eq!(sends.ends(), 0, "{}", sends.complaints());
    // Others are served.
    let mut asks = asks_again("ask", "하나");
    assert_eq!((asks.ends(), asks.output().as_str()), (0, "answer\n"), "{}", asks.complaints());
    assert_eq!(recv.complaints().matches("warning").count(), 1, "{}", recv.complaints());
}

#[test]
fn a_command_replies_to_a_prompt_that_it_has_called() {
    let (mut minji, at) = Process::listening("민지");
    let args =
        ["recv", "--connect", &at, "--accept-new", "--exec", "tr a-z A-Z", "--reply", "--name", "준호"];
    let recv = Home::of("준호").run(&args, Stdio::null());
    minji.sees("준호 joined");
    minji.types("loud");
    minji.sees("준호: LOUD");
    minji.types("twice\nthrice");
    minji.sees("준호: THRICE");
    assert_eq!(minji.said_by("준호"), ["LOUD", "TWICE", "THRICE"]);
    assert_eq!(recv.output(), "");
}

#[test]
fn a_line_that_was_written_before_the_question_is_no_answer_and_is_not_lost() {
    for is_served in [false, true] {
        let (ann, bob) = (Home::with_key("ann", "test-1.pem"), Home::with_key("bob", "test-2.pem"));
        ann.answer(&["peers", "add", "bob", &bob.fingerprint()]);
        bob.answer(&["peers", "add", "ann", &ann.fingerprint()]);
        let (prompt, at) = bob.start(&["--listen", "127.0.0.1:0"]).and_where();
        let mut prompt = prompt;
        prompt.types(":to ann\nan old line\n기다리던 줄");
        prompt.sees_times("queued; ann gets it", 1, PATIENCE);
        let owner = is_served.then(|| {
            let mut owner = ann.start(&["--json"]);
            owner.types(&format!(r#"{{"command":"connect","arguments":["{at}"]}}"#));
            owner.sees("기다리던 줄");
            owner
        });
        let args = ["ask", if is_served { "bob" } else { &at }, "--to", "bob", "-m", "지금 배포할까?"];
        let mut asks = ann.run(&args, Stdio::null());
        prompt.sees("지금 배포할까?");
        prompt.types("yes");
        assert_eq!(asks.ends(), 0, "served: {is_served}: {}", asks.complaints());
        assert_eq!(asks.output(), "yes\n", "served: {is_served}");
        if !is_served {
            asks.complains("bob had written before the question: an old line");
            asks.complains("bob had written before the question: 기다리던 줄");
        }
        // Both were received: nothing waits.
        prompt.types(":outbox");
        prompt.sees("no messages are waiting");
        drop(owner);
    }
}

#[test]
fn a_line_from_before_the_question_that_cannot_be_told_stays_with_its_sender() {
    for json in ["", "--json"] {
        let (ann, bob) = (Home::with_key("ann", "test-1.pem"), Home::with_key("bob", "test-2.pem"));
        ann.answer(&["peers", "add", "bob", &bob.fingerprint()]);
        bob.answer(&["peers", "add", "ann", &ann.fingerprint()]);
        bob.run(&["send", "ann", "--keep", "-m", "an old line"], Stdio::null()).ends_saying(6, "kept");
        let (_serves, at) = bob.serves();
        let script = format!(r#""$0" --home "$1" ask "$2" --to bob -m ready? {json} 2>/dev/full"#);
        let mut asks = ann.shell(&script, &at, Stdio::null());
        assert_eq!((asks.ends(), asks.output().as_str()), (1, ""), "{json}");
        assert!(bob.answer(&["outbox"]).contains("an old line"), "{json}");
    }
}

#[test]
fn a_line_that_a_served_asker_cannot_tell_waits_for_somebody_who_shows_it() {
    for json in ["", "--json"] {
        let ann = Home::with_key("ann", "test-1.pem");
        let (_serves, at) = ann.serves();
        let home = Home::with_key("bob", "test-2.pem");
        let mut bob = home.start(&["--json", "--connect", &at]);
        bob.sees(r#""event":"connected""#);
        ann.has_met("bob");
        ann.answer(&["peers", "trust", "bob", &home.fingerprint()]);
        bob.types(r#"{"say":"early","to":"ann"}"#);
        bob.sees(r#""event":"delivered""#);
        let script = format!(r#""$0" --home "$1" ask "$2" -m ready? {json} 2>/dev/full"#);
        let mut asks = ann.shell(&script, "bob", Stdio::null());
        bob.sees("ready?");
        bob.types(r#"{"say":"yes","to":"ann"}"#);
        assert_eq!((asks.ends(), asks.output().as_str()), (1, ""), "{json}");
        assert!(!bob.has_seen(r#""event":"received","to":"ann""#), "{json}");
        let mut prompt = ann.run(&["--plain"], Stdio::null());
        prompt.ends();
        assert!(prompt.output().contains("bob says: early"), "{json}: {}", prompt.output());
    }
}

#[test]
fn a_home_that_is_open_elsewhere_asks_by_its_own_connection() {
    let (mut minji, mut junho, _) = Process::pair("민지", "준호");
    let home = minji.home.clone();
    eventually("who was called is on disk", PATIENCE, || {
        fs::read_to_string(home.file("peers")).is_ok_and(|book| book.contains("준호"))
    });
    let ask = |args: &[&str]| home.run(&[&["ask", "준호", "-m", "how full?"], args].concat(), Stdio::null());
    let mut asks = ask(&[]);
    junho.sees("민지: how full?");
    junho.types("half\u{7}");
    assert_eq!((asks.ends(), asks.output().as_str()), (0, "half\\u{7}\n"), "{}", asks.complaints());
    let mut asks = ask(&["--answers", "2", "--json"]);
    junho.sees_times("민지: how full?", 2, PATIENCE);
    junho.types("half\nmore");
    assert_eq!(asks.ends(), 0, "{}", asks.complaints());
    let answers = asks
        .output()
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect::<Vec<serde_json::Value>>();
    let texts: Vec<_> = answers.iter().map(|answer| answer["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["half", "more"]);
    asks.complains(r#""messages":1,"receipted":1,"answers":2"#);
    ask(&["--timeout", "1s"]).ends_saying(5, "the question was acknowledged, but no answer came");
    minji.types("still here");
    junho.sees("민지: still here");
    junho.is_done_typing();
    let shown = junho.output();
    assert_eq!(shown.matches("민지 joined").count(), 1, "{shown}");
    assert!(!shown.contains("left") && !shown.contains("anew"), "{shown}");
}
