//! Ends that the peer makes, at every front end: what came whole before an end is delivered and
//! receipted, and the exit code says which end it was.

use std::fs;
use std::io::Write as _;
use std::net::{Shutdown, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rsachat::wire::{ByeReason, Purpose, Record};
use rustix::process::Signal;

use crate::support::hostile_peer::HostilePeer;
use crate::support::net::reset;
use crate::support::{Home, Process, file_with, socket};

/// Way in which the peer ends a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Bye,
    Fin,
    Reset,
    BadRecord,
}

/// Moment of the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    /// In the same segment as what came before.
    Same,
    /// Right behind it.
    Behind,
    /// Once everything before it is receipted.
    Later,
}

/// Age of the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Age {
    /// What is said comes with the last record of the handshake.
    New,
    Standing,
}

const ENDS: [End; 4] = [End::Bye, End::Fin, End::Reset, End::BadRecord];
const MOMENTS: [Moment; 3] = [Moment::Same, Moment::Behind, Moment::Later];
const AGES: [Age; 2] = [Age::New, Age::Standing];

impl End {
    fn code(self) -> i32 {
        if self == Self::Bye { 0 } else { 5 }
    }
}

/// Every combination.
fn cases() -> impl Iterator<Item = (End, Moment, Age)> {
    let moments = |end| MOMENTS.into_iter().map(move |moment| (end, moment));
    let ages = |(end, moment)| AGES.into_iter().map(move |age| (end, moment, age));
    ENDS.into_iter().flat_map(moments).flat_map(ages)
}

/// A peer, and its last record of the handshake.
type NewPeer = (HostilePeer, Vec<u8>);

/// A peer that is called.
fn answers(listener: &TcpListener, purpose: Purpose) -> NewPeer {
    HostilePeer::answers(listener, "test-2.pem", "준호", purpose)
}

/// A peer that calls. It may say nothing before the last record of the handshake, which is ours.
fn calls(at: &str, purpose: Purpose) -> NewPeer {
    (HostilePeer::calls(at, "test-2.pem", "준호", purpose), Vec::new())
}

/// A peer that says so many things, and ends the connection.
fn says_and_ends((mut peer, confirm): NewPeer, count: u64, (end, moment, age): (End, Moment, Age)) {
    let mut said = vec![confirm];
    if age == Age::Standing {
        peer.stream.write_all(&said.concat()).unwrap();
        said = Vec::new();
    }
    said.extend((1..=count).map(|number| peer.sealed_text(number.to_string().as_bytes())));
    let receipted = |peer: &mut HostilePeer| {
        while !matches!(peer.receives(), Record::Receipt { upto } if upto == count) {}
    };
    if moment == Moment::Later {
        peer.stream.write_all(&said.concat()).unwrap();
        said = Vec::new();
        receipted(&mut peer);
    }
    match end {
        End::Bye => said.push(peer.sealed(&Record::Bye(ByeReason::Leaving))),
        End::BadRecord => {
            let mut bad = peer.sealed(&Record::Ping(7));
            *bad.last_mut().unwrap() ^= 1;
            said.push(bad);
        }
        End::Fin | End::Reset => {}
    }
    match moment {
        // In few segments: a reset drops what the other kernel has not acknowledged.
        Moment::Behind => {
            said.chunks(8).for_each(|frames| peer.stream.write_all(&frames.concat()).unwrap());
        }
        Moment::Same | Moment::Later => peer.stream.write_all(&said.concat()).unwrap(),
    }
    match end {
        End::Reset => return reset(&peer.stream),
        End::Bye | End::Fin => peer.stream.shutdown(Shutdown::Write).unwrap(),
        End::BadRecord => {}
    }
    if moment != Moment::Later {
        receipted(&mut peer);
    }
}

/// What a front end that was called has of a peer's texts, and its exit code.
fn recv(args: &[&str], count: u64, case: (End, Moment, Age)) -> (Vec<String>, i32) {
    let (listener, at) = socket();
    let home = Home::of("민지");
    let all = [&["recv", "--connect", &at, "--accept-new", "--no-retry"], args].concat();
    let mut recv = home.run(&all, Stdio::null());
    says_and_ends(answers(&listener, Purpose::Chat), count, case);
    let code = recv.ends();
    (recv.output().lines().map(str::to_owned).collect(), code)
}

fn numbers(count: u64) -> Vec<String> {
    (1..=count).map(|number| number.to_string()).collect()
}

#[test]
fn what_came_whole_before_an_end_is_written_and_receipted_by_recv() {
    for case in cases() {
        assert_eq!(recv(&[], 20, case), (numbers(20), case.0.code()), "{case:?}");
    }
}

#[test]
fn a_command_gets_what_came_whole_before_an_end_and_its_own_end_is_waited_for() {
    for case in cases() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heard");
        let command = format!("cat >> {0}; echo >> {0}", file.display());
        let (_, code) = recv(&["--exec", &command], 3, case);
        let heard = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!((heard.as_str(), code), ("1\n2\n3\n", case.0.code()), "{case:?}");
    }
}

/// The same for the prompt without an editor, whose input stays open.
fn prompt(args: &[&str], count: u64, case: (End, Moment, Age)) -> (Process, i32) {
    let (listener, at) = socket();
    let mut prompt = Process::start("민지", &[&["--connect", &at], args].concat());
    says_and_ends(answers(&listener, Purpose::Chat), count, case);
    let code = prompt.ends();
    (prompt, code)
}

#[test]
fn what_came_whole_before_an_end_is_shown_and_receipted_by_the_prompt() {
    for case in cases() {
        let (prompt, code) = prompt(&[], 20, case);
        assert_eq!((texts(&prompt), code), (numbers(20), case.0.code()), "{case:?}");
    }
}

/// The same for a prompt that listens, which goes on when the peer is gone, until its input ends.
#[test]
fn what_came_whole_before_an_end_is_shown_and_receipted_by_a_prompt_that_listens() {
    for case in cases() {
        for args in [&["--anybody"][..], &[], &["--json"]] {
            let mut prompt = Process::start("민지", &[&["--listen", "127.0.0.1:0"], args].concat());
            says_and_ends(calls(&prompt.listens_at(), Purpose::Chat), 20, case);
            let is_json = args == ["--json"];
            prompt.sees(match case.0 {
                End::Bye if is_json => r#""event":"left""#,
                _ if is_json => r#""kind":"lost""#,
                End::Bye => "준호 left",
                _ => "lost 준호",
            });
            assert_eq!(
                if is_json { told(&prompt) } else { texts(&prompt) },
                numbers(20),
                "{args:?} {case:?}"
            );
            assert!(prompt.is_running());
            assert_eq!(prompt.closes_input().ends(), 0, "{args:?} {case:?}");
        }
    }
}

#[test]
fn what_came_whole_before_an_end_is_written_and_receipted_by_a_receiver_that_listens() {
    for case in cases() {
        let home = Home::of("민지");
        let args = ["recv", "--listen", "127.0.0.1:0", "--accept-new"];
        let (mut recv, at) = home.run(&args, Stdio::null()).and_where();
        says_and_ends(calls(&at, Purpose::Chat), 20, case);
        recv.sees("20");
        assert!(recv.is_running());
        recv.signal(Signal::TERM);
        assert_eq!(recv.ends(), 143, "{case:?}");
        assert_eq!(recv.output().lines().collect::<Vec<_>>(), numbers(20), "{case:?}");

        let heard = home.file("heard");
        let command = format!("cat >> {0}; echo >> {0}", heard.display());
        let args = [&args[..], &["--count", "3", "--exec", &command]].concat();
        let (mut recv, at) = home.run(&args, Stdio::null()).and_where();
        says_and_ends(calls(&at, Purpose::Chat), 3, case);
        assert_eq!(recv.ends(), 0, "{case:?}: {}", recv.complaints());
        assert_eq!(fs::read_to_string(&heard).unwrap_or_default(), "1\n2\n3\n", "{case:?}");
    }
}

/// What the peer has said, without the row that it was lost.
fn texts(prompt: &Process) -> Vec<String> {
    prompt.said_by("준호").into_iter().filter(|text| text.parse::<u64>().is_ok()).collect()
}

#[test]
fn what_came_whole_before_an_end_is_told_to_a_program_and_receipted() {
    for case in cases() {
        let (prompt, code) = prompt(&["--json"], 20, case);
        assert_eq!((told(&prompt), code), (numbers(20), case.0.code()), "{case:?}");
    }
}

/// The messages of events.
fn told(prompt: &Process) -> Vec<String> {
    let events = prompt.output();
    let events = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let messages = events.filter(|one| one["event"] == "message");
    messages.map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

/// A peer that has been called, takes one text, acknowledges so many and ends the connection.
fn takes_and_ends(listener: &TcpListener, upto: u64, end: End) {
    let (mut peer, confirm) = HostilePeer::answers(listener, "test-2.pem", "준호", Purpose::Chat);
    peer.stream.write_all(&confirm).unwrap();
    while !matches!(peer.receives(), Record::Text { .. }) {}
    let mut bytes = Vec::new();
    if upto > 0 {
        bytes.extend(peer.sealed(&Record::Receipt { upto }));
    }
    match end {
        End::Bye => bytes.extend(peer.sealed(&Record::Bye(ByeReason::Leaving))),
        End::BadRecord => {
            bytes.extend(peer.sealed(&Record::Ping(7)));
            *bytes.last_mut().unwrap() ^= 1;
        }
        End::Fin | End::Reset => {}
    }
    peer.stream.write_all(&bytes).unwrap();
    match end {
        End::Reset => reset(&peer.stream),
        _ => peer.stream.shutdown(Shutdown::Write).unwrap(),
    }
}

#[test]
fn the_code_says_whether_everything_was_acknowledged_before_the_end() {
    for (end, upto, code) in [
        (End::Bye, 1, 0),
        (End::Bye, 0, 5),
        (End::Fin, 1, 5),
        (End::Reset, 1, 5),
        (End::BadRecord, 1, 5),
        (End::Fin, 0, 5),
    ] {
        for args in [&["send"][..], &["prompt"], &["--json"]] {
            let (listener, at) = socket();
            let home = Home::of("민지");
            let mut process = match args[0] {
                "send" => home.run(&["send", &at, "--accept-new"], Stdio::piped()),
                "prompt" => home.start(&["--connect", &at]),
                _ => home.start(&["--connect", &at, "--json"]),
            };
            process.types(if args[0] == "--json" { r#"{"say":"하나"}"# } else { "하나" });
            takes_and_ends(&listener, upto, end);
            assert_eq!(process.ends(), code, "{args:?} {end:?} {upto}: {}", process.complaints());
            let has_error = process.output().contains(r#""event":"error""#);
            assert_eq!(has_error, args[0] == "--json" && code != 0, "{end:?} {upto}: {}", process.output());
            if args[0] == "prompt" && upto == 0 {
                process.sees("! not acknowledged by 준호:");
                process.sees("  하나");
            }
        }
    }
}

#[test]
fn a_refused_line_makes_the_code_of_an_end_in_order_and_not_of_a_cut() {
    for (end, code) in [(End::Bye, 1), (End::Fin, 5)] {
        for (args, lines) in [
            (&["send"][..], &b"\xff\xfe\n\xed\x95\x98\xeb\x82\x98\n"[..]),
            (&["prompt"], ":nosuch\n하나\n".as_bytes()),
            (&["--plain"], ":nosuch\n하나\n".as_bytes()),
            (&["--json"], "{\"no\":1}\n{\"say\":\"하나\"}\n".as_bytes()),
        ] {
            let (listener, at) = socket();
            let home = Home::of("민지");
            let mut process = match args[0] {
                "send" => home.run(&["send", &at, "--accept-new"], Stdio::piped()),
                "prompt" => home.start(&["--connect", &at]),
                form => home.start(&["--connect", &at, form]),
            };
            process.types_bytes(lines);
            takes_and_ends(&listener, 1, end);
            let said = |process: &Process| process.output() + &process.complaints();
            assert_eq!(process.ends(), code, "{args:?} {end:?}: {}", said(&process));
            let named = ["was not sent: it is not UTF-8", "no such command :nosuch", "line 1: "];
            assert!(named.iter().any(|why| said(&process).contains(why)), "{args:?}: {}", said(&process));
        }
    }
}

#[test]
fn lines_that_have_no_way_to_go_are_named_and_make_the_code() {
    for (args, line) in [(&[][..], "하나"), (&["--json"], r#"{"say":"하나"}"#)] {
        let (listener, at) = socket();
        let mut prompt = Home::of("민지").start_having_typed(&[&["--connect", &at], args].concat(), line);
        let (mut peer, mut bytes) = HostilePeer::answers(&listener, "test-2.pem", "준호", Purpose::Chat);
        bytes.extend(peer.sealed(&Record::Bye(ByeReason::Leaving)));
        peer.stream.write_all(&bytes).unwrap();
        assert_eq!(prompt.ends(), 1, "{}", prompt.output());
        prompt.sees("not sent to 준호:");
        prompt.sees("  하나");
        let refused = r#""kind":"not_sent","message":"lines were refused"#;
        if args.is_empty() {
            assert!(!prompt.has_seen(refused), "{}", prompt.output());
        } else {
            prompt.sees(refused);
        }
    }
}

#[test]
fn close_at_the_peer_ends_send_as_its_leaving_does() {
    for ends in [":close 민지", ":quit"] {
        let (mut junho, at) = Process::listening("준호");
        let args = ["send", &at, "--name", "민지", "--accept-new"];
        let mut sends = Home::of("민지").run(&args, Stdio::piped());
        sends.types("하나");
        junho.sees("민지 (send): 하나");
        junho.types(ends);
        assert_eq!(sends.ends(), 0, "{ends}: {}", sends.complaints());
    }
}

/// A peer of a pipe that gives these bytes and ends the connection.
fn gives_and_ends((mut peer, confirm): NewPeer, bytes: &[u8], (end, moment, age): (End, Moment, Age)) {
    let mut given = vec![confirm];
    if age == Age::Standing {
        peer.stream.write_all(&given.concat()).unwrap();
        given = Vec::new();
    }
    given.extend(bytes.chunks(1_000).map(|bytes| peer.sealed(&Record::Data(bytes.to_vec()))));
    let total = bytes.len() as u64;
    let stored = |peer: &mut HostilePeer| {
        while !matches!(peer.receives(), Record::Stored { total: stored } if stored == total) {}
    };
    if moment == Moment::Later {
        peer.stream.write_all(&given.concat()).unwrap();
        given = Vec::new();
        stored(&mut peer);
    }
    match end {
        End::Bye => given.push(peer.sealed(&Record::Bye(ByeReason::OutputFull))),
        End::BadRecord => {
            let mut bad = peer.sealed(&Record::Ping(7));
            *bad.last_mut().unwrap() ^= 1;
            given.push(bad);
        }
        End::Fin | End::Reset => {}
    }
    match moment {
        Moment::Behind => {
            given.chunks(8).for_each(|frames| peer.stream.write_all(&frames.concat()).unwrap());
        }
        Moment::Same | Moment::Later => peer.stream.write_all(&given.concat()).unwrap(),
    }
    match end {
        End::Reset => return reset(&peer.stream),
        End::Bye | End::Fin => peer.stream.shutdown(Shutdown::Write).unwrap(),
        End::BadRecord => {}
    }
    if moment != Moment::Later && end != End::BadRecord {
        stored(&mut peer);
    }
}

/// What a pipe has of a peer's bytes, its exit code, and its complaints.
type PipeEnd = fn(&[u8], (End, Moment, Age)) -> (Vec<u8>, i32, String);

fn listening_pipe(bytes: &[u8], case: (End, Moment, Age)) -> (Vec<u8>, i32, String) {
    let args = ["pipe", "--listen", "127.0.0.1:0", "--accept-new", "--recv-only"];
    let (mut pipe, at) = Home::of("민지").run(&args, Stdio::null()).and_where();
    gives_and_ends(calls(&at, Purpose::Pipe), bytes, case);
    let code = pipe.ends();
    (pipe.raw_output(), code, pipe.complaints())
}

fn called_pipe(bytes: &[u8], case: (End, Moment, Age)) -> (Vec<u8>, i32, String) {
    let (listener, at) = socket();
    let home = Home::of("민지");
    let mut pipe = home.run(&["pipe", "--connect", &at, "--accept-new", "--recv-only"], Stdio::null());
    gives_and_ends(answers(&listener, Purpose::Pipe), bytes, case);
    let code = pipe.ends();
    (pipe.raw_output(), code, pipe.complaints())
}

#[test]
fn what_came_whole_before_an_end_goes_through_a_pipe_and_the_reason_of_a_bye_is_told() {
    let bytes: Vec<u8> = (0..20_000_u32).map(|number| number.to_be_bytes()[3]).collect();
    for (case, pipe) in cases().flat_map(|case| [(case, called_pipe as PipeEnd), (case, listening_pipe)]) {
        let (got, code, said) = pipe(&bytes, case);
        let (wanted, why) = match case.0 {
            End::Bye => (1, "no space left on its disk"),
            End::Fin | End::Reset => (5, "was cut"),
            End::BadRecord => (5, "a record failed authentication"),
        };
        assert!(got == bytes, "{case:?}: {} bytes", got.len());
        assert_eq!(code, wanted, "{case:?}: {said}");
        assert!(said.contains(why), "{case:?}: {said}");
    }
}

/// Who says that more was stored than was sent ends the session, with no Bye in its place.
#[test]
fn a_stored_above_what_was_sent_ends_a_pipe_and_is_not_believed() {
    for (input, total) in [(&b"abc"[..], 4), (b"abc", u64::MAX), (b"", 1)] {
        for listens in [false, true] {
            let (listener, at) = socket();
            let home = Home::of("민지");
            let way = if listens { ["--listen", "127.0.0.1:0"] } else { ["--connect", &at] };
            let args = [&["pipe", "--accept-new"][..], &way].concat();
            let mut pipe = home.run(&args, file_with(input));
            let (mut peer, confirm) = if listens {
                calls(&pipe.listens_at(), Purpose::Pipe)
            } else {
                answers(&listener, Purpose::Pipe)
            };
            peer.stream.write_all(&confirm).unwrap();
            while !matches!(peer.receives(), Record::End { .. }) {}
            peer.sends(&Record::Stored { total });
            let (code, said) = (pipe.ends(), pipe.complaints());
            assert_eq!(code, 5, "{said}");
            let sent = input.len();
            assert!(said.contains("lost 준호: it violated the protocol"), "{said}");
            assert!(said.contains(&format!("{sent} bytes sent, 0 of them confirmed")), "{said}");
            while let Some(record) = peer.receives_in_time() {
                assert!(!matches!(record, Record::Bye(_)), "{record:?}");
            }
        }
    }
}

/// Time for the loop of a thousand.
const LOOP: Duration = Duration::from_mins(10);

/// A thousand times what the tests above do once: `cargo test --test it a_thousand -- --ignored
/// --nocapture` prints how many times it was in ten minutes.
#[test]
#[ignore = "takes minutes"]
fn a_thousand_ends_lose_nothing() {
    let (begun, mut rounds) = (Instant::now(), 0);
    let all: Vec<_> = cases().collect();
    for case in all.iter().cycle().take(1_000) {
        if begun.elapsed() > LOOP {
            break;
        }
        match rounds % 3 {
            0 => assert_eq!(recv(&[], 50, *case), (numbers(50), case.0.code()), "{case:?}"),
            1 => {
                let (prompt, code) = prompt(&[], 50, *case);
                assert_eq!((texts(&prompt), code), (numbers(50), case.0.code()), "{case:?}");
            }
            _ => assert_eq!(called_pipe(&vec![7; 20_000], *case).0.len(), 20_000, "{case:?}"),
        }
        rounds += 1;
    }
    println!("{rounds} ends in {:?}, nothing lost", begun.elapsed());
}
