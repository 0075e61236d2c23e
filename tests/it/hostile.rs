//! Port under abuse: strangers, cut and flipped handshakes, silence, and text that means harm. In
//! each, a conversation that stands goes on.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::wire::{Direction, Fault, FaultyWire, call_from};
use crate::support::{Home, PATIENCE, Process, all_of, call, eventually};

/// Distance between two places of a handshake that are tried: each would take minutes.
const STRIDE: usize = 37;
/// A handshake that hangs is given up after ten seconds.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(70);

fn talk(minji: &mut Process, junho: &mut Process, round: usize) {
    minji.types(&format!("아직 있어요? ({round})"));
    junho.sees(&format!("민지: 아직 있어요? ({round})"));
    junho.types(&format!("있어요 ({round})"));
    minji.sees(&format!("준호: 있어요 ({round})"));
}

/// Bytes of the handshake each direction, without the records that follow.
fn handshake_lengths(at: &str) -> [(Direction, usize); 2] {
    let wire = FaultyWire::to(at, 250, Fault::None);
    let mut hana = Process::start("하나", &["--connect", &wire.at]);
    hana.sees("준호 joined");
    assert_eq!(hana.closes_input().ends(), 0);
    let (out, back) = wire.passed();
    [(Direction::Out, after_two_frames(&out)), (Direction::Back, after_two_frames(&back))]
}

/// Behind a preface and two frames (`docs/PROTOCOL.md`, section 3).
fn after_two_frames(bytes: &[u8]) -> usize {
    (0..2).fold(16, |at, _| at + 2 + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]])))
}

/// Lets `caller` connect through a wire with a fault and waits until it has said what came of it.
fn connect_through(caller: &mut Process, at: &str, number: usize, fault: Fault) {
    let wire = FaultyWire::to(at, number, fault);
    let through = wire.at.clone();
    let rows = |caller: &Process| -> Vec<String> {
        caller.output().lines().filter(|row| row.contains(&through)).map(str::to_owned).collect()
    };
    // The system may hand out the same port again.
    let before = rows(caller).len();
    caller.types(&format!(":connect {through}"));
    caller.sees_times(&through, before + 2, HANDSHAKE_PATIENCE);
    wire.passed();
    let rows = rows(caller);
    assert!(rows.len() == before + 2 && rows[before + 1].starts_with("! "), "{fault:?}: {rows:?}");
}

#[test]
fn other_protocols_are_refused_in_one_line_and_get_no_reply() {
    let greetings: [(&[u8], &str); 5] = [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\\u{16}\\u{3}\\u{1}\\u{2}\\u{0}"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH-2.0-OpenSSH"),
        (b"\x00\x1b[2J\x07\xff\x80\x90\xa0\xb0\xc0\xd0\xe0\xf0", "\\u{0}\\u{1b}[2J\\u{7}\\xff\\x80"),
        (b"rsachat!", "rsachat!"),
    ];
    for (greeting, shown) in greetings {
        let (mut junho, at) = Process::listening("준호");
        let mut stranger = call(&at);
        stranger.write_all(greeting).unwrap();
        let row = junho.sees("does not speak rsachat; it began with");
        assert!(row.starts_with("* 127.0.0.1:") && row.contains(shown), "{row}");
        assert_eq!(all_of(stranger), b"");
        junho.is_done_typing();
        assert_eq!((junho.rows_after("* 127.0.0.1:").len(), junho.rows_after("! ").len()), (1, 0));
        assert!(!junho.raw_output().contains(&0x1b));
    }
}

#[test]
fn probes_are_one_row_and_a_count_for_a_person_and_a_warning_each_for_a_program() {
    let probe = |at: &str| {
        for greeting in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", b"rsachat\n"] {
            let mut stranger = call(at);
            stranger.write_all(greeting).unwrap();
            stranger.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(all_of(stranger), b"");
        }
    };
    for (form, mark) in [(None, "* "), (Some("--plain"), "note: ")] {
        let args: Vec<_> = ["--listen", "127.0.0.1:0"].into_iter().chain(form).collect();
        let mut junho = Home::of("준호").start(&args);
        probe(&junho.listens_at());
        junho.types(":status");
        junho.sees("callers that proved no key: 3 (2 hung up, 1 spoke another protocol)");
        let row = junho.sees("more like this are only counted (:status)");
        assert!(row.contains(mark), "{row}");
        assert_eq!(junho.output().matches("127.0.0.1:").count(), 3, "{}", junho.output());
    }
    let bot = Home::of("준호").start(&["--json", "--listen", "127.0.0.1:0"]);
    probe(&bot.listens_at());
    bot.sees(r#""event":"warning","kind":"handshake","#);
    // At most one a second: the others are counted together, unless the machine is slow.
    bot.sees_times(r#""event":"warning""#, 2, PATIENCE);
    assert!(!bot.has_seen("only counted"), "{}", bot.output());
    // One that is there to receive has no `:status`.
    let recv = Home::of("준호").run(&["recv", "--listen", "127.0.0.1:0"], std::process::Stdio::null());
    let at = recv.complains("listening on ").rsplit_once(' ').unwrap().1.to_owned();
    probe(&at);
    let row = recv.complains("does not speak rsachat");
    assert!(row.contains("warning: ") && !row.contains(":status"), "{row}");
}

#[test]
fn a_handshake_cut_anywhere_frees_its_state_while_a_conversation_goes_on() {
    let (mut minji, mut junho, at) = Process::pair("민지", "준호");
    let lengths = handshake_lengths(&at);
    junho.sees("하나 left");
    let mut hana = Home::of("하나").start(&[]);
    hana.is_done_typing();
    let (mut calls, before) = (0, hana.descriptors());
    for (direction, length) in lengths {
        for place in (0..length).step_by(STRIDE) {
            calls += 1;
            connect_through(&mut hana, &at, calls, Fault::Cut(direction, place));
            if calls % 20 == 0 {
                talk(&mut minji, &mut junho, calls);
            }
        }
    }
    assert!(calls > 50, "only {calls} places");
    assert!(!hana.has_seen("joined"));
    eventually("the caller's descriptors are closed", PATIENCE, || hana.descriptors() <= before);
    // What another listener with one conversation has is all that this one may have.
    let (_other_caller, other, _) = Process::pair("민지", "준호");
    eventually("the listener's are closed", PATIENCE, || junho.descriptors() <= other.descriptors());
    talk(&mut minji, &mut junho, 0);
}

#[test]
fn a_flipped_byte_from_or_to_the_caller_never_joins() {
    let (mut minji, mut junho, at) = Process::pair("민지", "준호");
    let lengths = handshake_lengths(&at);
    let mut hana = Home::of("하나").start(&[]);
    let places = lengths
        .into_iter()
        .flat_map(|(direction, length)| (0..length).step_by(STRIDE).map(move |at| (direction, at)));
    for (number, (direction, place)) in places.enumerate() {
        connect_through(&mut hana, &at, number, Fault::Flip(direction, place));
    }
    talk(&mut minji, &mut junho, 0);
    assert!(!hana.has_seen("joined"));
    let joined = junho.output().lines().filter(|row| row.contains("하나 joined")).count();
    assert_eq!(joined, 1, "only the one whose handshake was measured");
}

#[test]
fn segments_of_one_byte_are_enough() {
    let (mut junho, at) = Process::listening("준호");
    let wire = FaultyWire::to(&at, 0, Fault::OneByOne);
    let mut minji = Process::start("민지", &["--connect", &wire.at]);
    minji.sees("준호 joined");
    junho.sees("민지 joined");
    talk(&mut minji, &mut junho, 1);
    assert_eq!(minji.closes_input().ends(), 0);
    junho.sees("민지 left");
}

#[test]
fn ninety_silent_callers_are_gone_after_ten_seconds_while_a_conversation_goes_on() {
    let (mut minji, mut junho, at) = Process::pair("민지", "준호");
    talk(&mut minji, &mut junho, 0);
    let before = junho.descriptors_at_rest();
    let at: SocketAddr = at.parse().unwrap();
    let since = Instant::now();
    let callers: Vec<_> = (0..90).map(|number| call_from(number, at)).collect();
    eventually("all have been accepted", PATIENCE, || junho.descriptors() == before + 90);
    let (gone, all_gone) = channel();
    thread::spawn(move || {
        for mut caller in callers {
            caller.set_read_timeout(Some(HANDSHAKE_PATIENCE)).unwrap();
            let read = caller.read(&mut [0; 1]);
            assert!(matches!(read, Ok(0)), "{read:?}");
        }
        gone.send(()).unwrap();
    });
    let mut round = 0;
    // The pause only keeps the number of messages small.
    while all_gone.recv_timeout(Duration::from_millis(200)) == Err(RecvTimeoutError::Timeout) {
        round += 1;
        assert!(round < 200, "they are never gone");
        talk(&mut minji, &mut junho, round);
    }
    // The upper bound is for a busy machine; nothing but the handshake's time ends them in less
    // than a minute.
    let took = since.elapsed();
    assert!((9..45).contains(&took.as_secs()), "{took:?}");
    eventually("their descriptors are closed", PATIENCE, || junho.descriptors() == before);
    let late = "did not finish the handshake in 10 s";
    junho.sees(late);
    junho.types(":status");
    junho.sees("callers that proved no key: 90 (90 said nothing)");
    assert_eq!((junho.output().matches(late).count(), junho.troubles_like(late)), (1, 0));
    talk(&mut minji, &mut junho, 0);
}

#[test]
fn text_that_means_harm_never_reaches_the_screen_as_it_is() {
    let (mut minji, junho, _) = Process::pair("민지", "준호");
    let harm = [
        ("\u{1b}[2J\u{1b}]0;owned\u{7}", "\\u{1b}[2J\\u{1b}]0;owned\\u{7}"),
        ("\u{9b}31m red", "\\u{9b}31m red"),
        ("a\u{202e}txt.exe", "a\\u{202e}txt.exe"),
        ("zero\u{200b}width", "zero\\u{200b}width"),
        ("back\u{8}\u{8}\u{8}\u{8}준호", "back\\u{8}\\u{8}\\u{8}\\u{8}준호"),
        ("x\r* 하나 joined", "x\\u{d}* 하나 joined"),
        ("nul\0 del\u{7f}", "nul\\u{0} del\\u{7f}"),
        ("line\u{2028}12:00 하나: forged", "line\\u{2028}12:00 하나: forged"),
    ];
    for (text, _) in harm {
        minji.types(text);
    }
    minji.types("각각 가족 👨‍👩‍👧 é");
    let row = junho.sees("각각 가족");
    assert!(row.ends_with("민지: 각각 가족 👨‍👩‍👧 é"), "{row}");
    for (_, shown) in harm {
        let row = junho.sees(shown);
        assert!(row.ends_with(&format!(" 민지: {shown}")), "{row:?}");
    }
    let raw = junho.raw_output();
    assert!(raw.iter().all(|byte| *byte == b'\n' || !byte.is_ascii_control()));
    let text = String::from_utf8(raw).unwrap();
    assert!(!text.contains(['\u{9b}', '\u{202e}', '\u{200b}', '\u{2028}']));
    assert!(text.lines().all(|row| !row.starts_with("* 하나")));
}
