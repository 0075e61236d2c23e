//! Standard input of every kind, every way to end, and the exit code of each.

use std::fs::File;
use std::net::TcpListener;
use std::process::Stdio;

use rsachat::limits::{MESSAGE_BYTES, OUTBOX_BYTES};
use rustix::process::Signal;

use crate::support::{
    Home, PATIENCE, Process, RSACHAT, eventually, file_with, handles, held_address, ignores, socket,
};

/// Says these bytes to a listener through a file and gives what the listener saw and the code.
fn said(bytes: &[u8]) -> (Process, Process, i32) {
    let (junho, at) = Process::listening("준호");
    let mut minji = Home::of("민지").start_with_input(&["--connect", &at], file_with(bytes));
    let code = minji.ends();
    junho.sees("* 민지 left");
    (minji, junho, code)
}

#[test]
fn lines_of_a_file_wait_for_the_connection_and_all_arrive() {
    // More than may wait for a peer.
    let lines: Vec<_> = (0..10_500).map(|n| format!("{n}번째 줄")).collect();
    let (_, junho, code) = said((lines.join("\n") + "\n").as_bytes());
    assert_eq!(code, 0);
    assert_eq!(junho.said_by("민지"), lines);
}

#[test]
fn every_line_of_a_file_is_sent_or_refused_by_itself() {
    let huge = [&vec![b'x'; 1_000_000][..], b"\nafter\n"].concat();
    for (bytes, code, heard, complaint) in [
        ("하나\n둘".as_bytes(), 0, &["하나", "둘"][..], ""),
        ("하나\r\n둘\r\n".as_bytes(), 0, &["하나", "둘"], ""),
        (b"", 0, &[], ""),
        (
            b"one\nbad \xff\xfe line\ntwo\n",
            1,
            &["one", "two"],
            "a line is not UTF-8 and was not sent: bad \\xff\\xfe line",
        ),
        (&huge, 1, &["after"], "a line of 1000000 bytes is too long and was not sent"),
        (":conect 준호\n그래도 보낸다\n".as_bytes(), 1, &["그래도 보낸다"], "did you mean :connect?"),
    ] {
        let (minji, junho, ended) = said(bytes);
        minji.sees(complaint);
        assert_eq!(ended, code);
        assert_eq!(junho.said_by("민지"), heard);
    }
}

#[test]
fn a_mistaken_line_is_code_1_also_when_quit_follows() {
    let (said, ordered) = ([":conect 준호", ":quit"], [r#"{"command":"conect"}"#, r#"{"command":"quit"}"#]);
    for (args, [mistake, quit]) in [(&["--plain"][..], said), (&[], said), (&["--json"], ordered)] {
        let ends = |lines: &str| Home::of("민지").start_having_typed(args, lines).ends();
        assert_eq!((ends(quit), ends(&format!("{mistake}\n{quit}"))), (0, 1), "{args:?}");
    }
}

#[test]
fn every_line_that_is_not_understood_or_not_taken_is_code_1() {
    let taken = [":status", ":peers", ":help", ":showkey", ":search nothing", ":outbox"];
    let mistaken = [
        ":to nobody",
        ":query nobody",
        "@nobody hi",
        "hi",
        ":verify nobody",
        ":trust nobody",
        ":name nobody x",
        ":block nobody",
        ":unblock nobody",
        ":forget nobody",
        ":close",
        ":close nobody",
        ":unlisten 5",
        ":connect",
        ":connect nobody",
        ":outbox drop nobody",
        ":keygen",
        ":all hi",
        ":copy 5",
        ":help nope",
        ":edit",
    ];
    let ends =
        |line: &str| Home::of("민지").start_having_typed(&["--plain"], &format!("{line}\n:quit")).ends();
    for (lines, code) in [(&taken[..], 0), (&mistaken[..], 1)] {
        for line in lines {
            assert_eq!(ends(line), code, "{line}");
        }
    }
}

#[test]
fn an_address_and_a_log_that_cannot_be_had_are_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let typed = |first: &str, second: &str| format!(":{first} {second}\n:quit");
    let ordered = |first: &str, second: &str| {
        format!(r#"{{"command":"{first}","arguments":["{second}"]}}"#) + "\n" + r#"{"command":"quit"}"#
    };
    for (first, second, code) in [
        ("listen", "127.0.0.1:0", 0),
        ("listen", &at.to_string(), 1),
        ("log", "HOME/said.txt", 0),
        ("log", "HOME/no-such-folder/said.txt", 1),
    ] {
        for (args, lines) in [
            (&["--plain"][..], typed(first, second)),
            (&[], typed(first, second)),
            (&["--json"], ordered(first, second)),
        ] {
            let home = Home::of("민지");
            let lines = lines.replace("HOME", home.path().to_str().unwrap());
            assert_eq!(home.start_having_typed(args, &lines).ends(), code, "{args:?} {lines}");
        }
    }
}

#[test]
fn the_null_device_an_empty_file_and_a_closed_input_end_at_once() {
    for input in [Stdio::null(), file_with(b"").into()] {
        assert_eq!(Home::of("민지").start_with_input(&[], input).ends(), 0);
    }
    let home = Home::of("민지");
    assert_eq!(home.shell(r#"exec "$0" --home "$1" <&-"#, "", Stdio::null()).ends(), 0);
}

#[test]
fn a_here_document_is_typed() {
    let (junho, at) = Process::listening("준호");
    let home = Home::of("민지");
    let script = "exec \"$0\" --home \"$1\" --name 민지 --connect \"$2\" <<'END'\n첫째 줄\n:: 콜론\nEND\n";
    assert_eq!(home.shell(script, &at, Stdio::null()).ends(), 0);
    junho.sees("* 민지 left");
    assert_eq!(junho.said_by("민지"), ["첫째 줄", ": 콜론"]);
}

#[test]
fn a_directory_cannot_be_read_and_says_so() {
    let home = Home::of("민지");
    let folder = File::open(home.path()).unwrap();
    home.start_with_input(&[], folder).ends_saying(3, "cannot read the input");
}

#[test]
fn a_pipe_that_ends_or_says_quit_says_goodbye_after_the_last_receipt() {
    for last in ["마지막 말", "마지막 말\n:quit"] {
        let (junho, at) = Process::listening("준호");
        let mut minji = Process::start("민지", &["--connect", &at]);
        minji.types(last);
        if !last.ends_with(":quit") {
            minji.closes_input();
        }
        assert_eq!(minji.ends(), 0);
        junho.sees("민지: 마지막 말");
        junho.sees("* 민지 left");
    }
}

#[test]
fn nobody_reached_is_code_3_and_nothing_is_sent() {
    let (_held, at) = held_address();
    let mut minji = Home::of("민지").start_having_typed(&["--connect", &at], "비밀");
    assert_eq!(minji.ends(), 3);
    minji.sees(&format!("cannot reach {at}: "));
    minji.sees(&format!("! not sent to {at}:"));
    minji.sees("!   비밀");
    assert!(!minji.has_seen("not sent: nobody is connected"), "{}", minji.output());
}

#[test]
fn what_a_line_shows_stands_behind_what_the_texts_before_it_show() {
    let home = Home::of("민지");
    let key = Home::of("준호").fingerprint();
    home.private("peers", format!("# rsachat peer book 2\n준호 {key} unverified 127.0.0.1:9\n"));
    for (line, row) in [
        (&b":outbox"[..], "to    number"),
        (b":nonsense", "nonsense"),
        (b"not \xff text", "is not UTF-8"),
        ("x".repeat(100_000).as_bytes(), "is too long"),
    ] {
        let lines = [":to 준호\nfirst line\n".as_bytes(), line, "\n:outbox drop 준호\n".as_bytes()].concat();
        let mut minji = home.start_with_input(&[], file_with(&lines));
        minji.ends();
        let shown = minji.output();
        let (queued, answer) = (shown.find("queued; 준호"), shown.find(row));
        assert!(queued.is_some() && queued < answer, "{row}: {shown}");
    }
}

#[test]
fn what_waits_for_one_peer_is_bounded_and_the_line_above_that_is_refused() {
    let home = Home::of("민지");
    let key = Home::of("준호").fingerprint();
    home.private("peers", format!("# rsachat peer book 2\n준호 {key} unverified 127.0.0.1:9\n"));
    let fitting = OUTBOX_BYTES / MESSAGE_BYTES;
    let lines = format!(":to 준호\n{}", format!("{}\n", "x".repeat(MESSAGE_BYTES)).repeat(fitting + 1));
    let mut minji = home.start_with_input(&[], file_with(lines.as_bytes()));
    assert_eq!(minji.ends(), 1, "a line was refused");
    let refused = "! not kept: 10000 lines or 16 MiB already wait for 준호; :outbox drop 준호 makes room";
    assert_eq!(minji.output().matches("! not kept: ").count(), 1);
    minji.sees(refused);
    let drops = ":outbox drop 준호\n@준호 there is room again\n";
    let mut again = home.start_with_input(&[], file_with(drops.as_bytes()));
    assert_eq!(again.ends(), 6);
    again.sees(&format!("1–{fitting} to 준호 were dropped; they were never sent"));
}

#[test]
fn a_port_that_is_taken_is_said() {
    let (_taken, at) = socket();
    let minji = Process::start("민지", &["--listen", &at]);
    minji.sees(&format!("cannot listen on {at}: "));
}

#[test]
fn a_peer_that_is_lost_before_the_input_ends_is_code_5() {
    let (mut minji, junho, _) = Process::pair("민지", "준호");
    junho.signal(Signal::KILL);
    assert_eq!(minji.ends(), 5);
    minji.sees("lost 준호");
}

#[test]
fn a_line_to_a_peer_that_is_lost_before_its_receipt_waits_and_that_is_code_6() {
    let (mut minji, junho, _) = Process::pair("민지", "준호");
    junho.signal(Signal::STOP);
    minji.types("아무도 못 볼 말");
    minji.is_done_typing();
    minji.closes_input();
    junho.signal(Signal::KILL);
    assert_eq!(minji.ends(), 6);
    assert!(!minji.output().contains("not acknowledged"), "{}", minji.output());
    let mut again = minji.home.start(&[]);
    again.types(":outbox");
    again.sees("아무도 못 볼 말");
    assert_eq!(again.closes_input().ends(), 6);
}

#[test]
fn lines_of_a_pipe_that_wait_go_out_before_those_of_the_next_pipe() {
    let (mine, theirs) = (Home::of("민지"), Home::of("준호"));
    for (home, name, other) in [(&mine, "준호", &theirs), (&theirs, "민지", &mine)] {
        home.private("peers", format!("# rsachat peer book 2\n{name} {} verified\n", other.fingerprint()));
    }
    let waiting = ":to 준호\n첫 번째\nsecond\n";
    assert_eq!(mine.start_with_input(&[], file_with(waiting.as_bytes())).ends(), 6);
    let (junho, at) = theirs.start(&["--listen", "127.0.0.1:0"]).and_where();
    let mut minji = mine.start_with_input(&["--connect", &at], file_with("세 번째\n".as_bytes()));
    assert_eq!(minji.ends(), 0, "{}", minji.output());
    assert_eq!(junho.hears("민지", 3), ["첫 번째", "second", "세 번째"]);
}

#[test]
fn a_signal_ends_it_with_a_goodbye_and_its_code() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let (mut minji, mut junho, _) = Process::pair("민지", "준호");
        minji.signal(signal);
        assert_eq!(minji.ends(), code, "{signal:?}");
        junho.sees("* 민지 left");
        junho.signal(signal);
        assert_eq!(junho.ends(), code, "{signal:?}, listening");
    }
}

#[test]
fn lines_that_wait_for_nobody_in_particular_are_named_when_a_signal_ends_it() {
    let home = Home::of("민지");
    let mut minji = home.start_having_typed(&["--listen", "127.0.0.1:0"], "안녕");
    minji.listens_at();
    minji.signal(Signal::TERM);
    assert_eq!(minji.ends(), 143);
    assert!(minji.output().ends_with("! not sent to anybody:\n!   안녕\n"), "{}", minji.output());
}

#[test]
fn an_interrupt_that_is_ignored_from_the_start_stays_ignored_at_every_front_end() {
    let home = Home::of("민지");
    let script = home.private("story.chat", "@actors a b\n@live b\na> :status\n@wait 10m\n");
    let fronts = [
        "--listen 127.0.0.1:0",
        "--json --listen 127.0.0.1:0",
        "recv --listen 127.0.0.1:0",
        "pipe --listen 127.0.0.1:0",
        "send 127.0.0.1:9 -m x --retry 99 --accept-new",
        &format!("replay {}", script.display()),
    ];
    for front in fronts {
        for (ignored, code) in [("INT", 143), ("HUP", 143), ("", 130)] {
            let script = format!(r#"trap '' {ignored}; exec "$0" --home "$1" $2"#);
            let mut process = home.shell(&script.replace("trap '' ;", ""), front, Stdio::piped());
            let id = process.id();
            eventually("its handlers stand", PATIENCE, || handles(id, Signal::TERM));
            let signal = if ignored == "HUP" { Signal::HUP } else { Signal::INT };
            assert_eq!(ignores(id, signal), !ignored.is_empty(), "{front}");
            process.signal(signal);
            if !ignored.is_empty() {
                process.signal(Signal::TERM);
            }
            assert_eq!(process.ends(), code, "{front}, {ignored:?} ignored: {}", process.complaints());
        }
    }
}

#[test]
fn bad_usage_is_code_2() {
    let home = Home::of("민지");
    let absent = home.file("absent");
    for args in [&["--pin", "x"][..], &["--listen", "x:y:z"], &["--name", "a b"], &["--nonsense"]] {
        let mut minji = home.start(args);
        assert_eq!(minji.ends(), 2, "{args:?}");
        assert!(minji.output().is_empty(), "{args:?}");
    }
    let mut wrong = std::process::Command::new(RSACHAT);
    wrong.args(["--connect", "8000", "--home"]).arg(&absent);
    assert_eq!(home.start_on(wrong, Stdio::null()).ends(), 2);
    assert!(!absent.exists(), "no home is made");
}

#[test]
fn output_that_nobody_reads_ends_it_quietly() {
    let home = Home::of("민지");
    // `false` reads nothing: the first row finds the pipe broken.
    let script = r#"{ yes ":help" | "$0" --home "$1"; echo "code $?" >&2; } | false; exit 0"#;
    let mut shell = home.shell(script, "", Stdio::null());
    assert_eq!(shell.ends(), 0);
    let code = shell.complains("code ");
    assert_eq!(code, "code 141");
}
