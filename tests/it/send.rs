//! `rsachat send` and `rsachat recv` between real processes: what is acknowledged has arrived, and
//! the exit codes tell the truth.

use std::fs::File;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Home, Process, file_with, held_address};

fn receiving(args: &[&str]) -> (Process, String) {
    let all = [&["recv", "--listen", "127.0.0.1:0", "--accept-new"], args].concat();
    Home::of("준호").run(&all, Stdio::null()).and_where()
}

fn send(at: &str, args: &[&str], input: impl Into<Stdio>) -> Process {
    Home::of("민지").run(&[&["--name", "민지", "send", at, "--accept-new"], args].concat(), input)
}

#[test]
fn every_line_is_a_message_and_none_is_a_command() {
    let (mut recv, at) = receiving(&["--count", "5"]);
    let mut sends = send(&at, &[], file_with(":quit\n안녕\r\n\n:: two\nexit".as_bytes()));
    assert_eq!([sends.ends(), recv.ends()], [0, 0]);
    assert_eq!(recv.output(), ":quit\n안녕\n\n:: two\nexit\n");
    assert_eq!(sends.output(), "", "nothing on standard output");
    assert!(!sends.complaints().contains("rsachat"), "{}", sends.complaints());
}

#[test]
fn lines_go_into_a_prompt() {
    let (junho, at) = Process::listening("준호");
    assert_eq!(send(&at, &[], file_with(b"from a cron job\n:quit\n")).ends(), 0);
    junho.sees("민지 (send): from a cron job");
    junho.sees("민지 (send): :quit");
}

#[test]
fn messages_of_the_command_line_a_whole_input_and_nuls() {
    let (mut recv, at) = receiving(&["--count", "5", "--json"]);
    assert_eq!(send(&at, &["-m", "one", "-m", "two\nrows"], Stdio::null()).ends(), 0);
    assert_eq!(send(&at, &["--whole"], file_with(b"a\r\nb\n")).ends(), 0);
    assert_eq!(send(&at, &["-0"], file_with(b"x\ny\0z")).ends(), 0);
    assert_eq!(recv.ends(), 0);
    let texts: Vec<_> = json(&recv.output()).into_iter().map(|mut message| message["text"].take()).collect();
    assert_eq!(texts, ["one", "two\nrows", "a\r\nb\n", "x\ny", "z"]);
}

/// So many lines, each its own number.
fn numbered(count: u32) -> String {
    (0..count).fold(String::new(), |lines, n| lines + &n.to_string() + "\n")
}

fn json(output: &str) -> Vec<serde_json::Value> {
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_object_a_message_says_who_and_when() {
    let minji = Home::of("민지");
    let (mut recv, at) = receiving(&["--count", "1", "--json"]);
    let text = "보이는 \u{1b}[2J 글 \u{202e}\0";
    let mut sends = send(&at, &["--whole"], file_with(text.as_bytes()));
    assert_eq!([sends.ends(), recv.ends()], [0, 0]);
    let objects = json(&recv.output());
    let [message] = &objects[..] else { panic!("{objects:?}") };
    assert_eq!(message["event"], "message");
    assert_eq!(message["text"], text);
    assert_eq!(message["from"], "민지");
    assert_eq!(message["fingerprint"], minji.fingerprint());
    assert_eq!(message["verified"], false);
    assert!(message["bytes"].is_null());
    for moment in ["time", "sent"] {
        message[moment].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
}

#[test]
fn text_that_means_harm_is_one_safe_line_and_keeps_tabs_and_what_spells() {
    let (mut recv, at) = receiving(&["--count", "1"]);
    let text = "\u{1b}[2J\nfake: line\u{9b}\ta tab, می\u{200c}خواهم, so\u{ad}ft\u{200e}";
    assert_eq!(send(&at, &["-m", text], Stdio::null()).ends(), 0);
    assert_eq!(recv.ends(), 0);
    let kept = "\ta tab, می\u{200c}خواهم, so\u{ad}ft\u{200e}";
    assert_eq!(recv.output(), format!("\\u{{1b}}[2J\\u{{a}}fake: line\\u{{9b}}{kept}\n"));
}

#[test]
fn what_is_not_utf_8_is_refused_by_its_number_and_the_rest_goes_on() {
    let (mut recv, at) = receiving(&["--count", "2"]);
    let long = [vec![b'x'; 16_385], b"\n".to_vec()].concat();
    let mut sends = send(&at, &[], file_with(&[b"one\nbad \xff\n".as_slice(), &long, b"four\n"].concat()));
    assert_eq!([sends.ends(), recv.ends()], [1, 0]);
    sends.complains(r#"message 2 ("bad \xff") was not sent: it is not UTF-8"#);
    let begins = "x".repeat(40);
    sends.complains(&format!(r#"message 3 ("{begins}…") was not sent: it has 16385 bytes"#));
    sends.complains("2 messages were acknowledged, 2 were not");
    assert_eq!(recv.output(), "one\nfour\n");
}

#[test]
fn a_hundred_thousand_lines_arrive_in_order_and_all_are_receipted() {
    let lines: String = numbered(100_000);
    let (mut recv, at) = receiving(&["--count", "100000"]);
    let mut sends = send(&at, &["--json"], file_with(lines.as_bytes()));
    assert_eq!(sends.ends_within(Duration::from_mins(5)), 0);
    assert_eq!(recv.ends_within(Duration::from_mins(5)), 0);
    assert!(recv.output() == lines);
    let done = sends.complains("\"done\"");
    assert!(done.contains("\"messages\":100000") && done.contains("\"receipted\":100000"), "{done}");
}

#[test]
fn lines_leave_as_they_come_and_silence_ends_nothing() {
    let (recv, at) = receiving(&[]);
    let mut sends = send(&at, &[], Stdio::piped());
    for line in ["하나", "둘"] {
        sends.types(line);
        recv.sees(line);
    }
    assert_eq!(sends.closes_input().ends(), 0);
}

#[test]
fn who_is_unknown_is_refused_unless_the_command_line_says_otherwise() {
    let (recv, at) = receiving(&[]);
    let minji = Home::of("민지");
    let mut sends = minji.run(&["send", &at, "-m", "x"], Stdio::null());
    sends.ends_saying(4, "has a key that is not in your book");
    let pin = recv.home.fingerprint();
    assert_eq!(minji.run(&["send", &at, "--pin", &minji.fingerprint(), "-m", "x"], Stdio::null()).ends(), 4);
    assert_eq!(minji.run(&["send", &at, "--pin", &pin, "-m", "pinned"], Stdio::null()).ends(), 0);
    recv.sees("pinned");
    let name = minji.answer(&["peers", "list"]).split_whitespace().next().unwrap().to_owned();
    assert_eq!(minji.run(&["send", &at, "--to", &name, "-m", "named"], Stdio::null()).ends(), 0);
    recv.sees("named");
    assert_eq!(minji.run(&["send", &at, "-m", "known"], Stdio::null()).ends(), 0);
    recv.sees("known");
}

#[test]
fn what_nobody_was_reached_for_is_said_to_be_unsent_with_the_number_of_messages() {
    let (_held, at) = held_address();
    let minji = Home::of("민지");
    let send = |args: &[&str], input| minji.run(&[&["send", &*at], args].concat(), input);
    for (args, said) in [
        (&["-m", "one"][..], "nothing was sent; 1 message was dropped"),
        (&["-m", "one", "-m", "two"], "nothing was sent; 2 messages were dropped"),
        (&["-m", "one", "--wire", "oaep"], "nothing was sent; 1 message was dropped"),
    ] {
        let mut sends = send(args, Stdio::null());
        sends.ends_saying(3, &format!("cannot reach {at}: connection refused"));
        sends.complains(said);
    }
    // How much of the input was read by then depends on the machine.
    send(&[], file_with(b"one\ntwo\n").into()).ends_saying(3, "error: nothing was sent");
    let mut asks = minji.run(&["ask", &at, "-m", "one"], Stdio::null());
    asks.ends_saying(3, "nothing was sent; 1 message was dropped");
}

#[test]
fn a_receiver_takes_one_sender_only_when_told_to() {
    let (minji, hana, junho) = (Home::of("민지"), Home::of("하나"), Home::of("준호"));
    let pin = minji.fingerprint();
    let args = ["recv", "--listen", "127.0.0.1:0", "--pin", &pin, "--count", "1"];
    let (mut recv, at) = junho.run(&args, Stdio::null()).and_where();
    let mut wrong = hana.run(&["send", &at, "--accept-new", "-m", "from hana"], Stdio::null());
    wrong.ends_saying(4, "nothing was sent; 1 message was dropped");
    let mut right = minji.run(&["send", &at, "--accept-new", "-m", "from minji"], Stdio::null());
    assert_eq!([right.ends(), recv.ends()], [0, 0]);
    assert_eq!(recv.output(), "from minji\n");
}

#[test]
fn a_command_gets_each_message_and_only_its_success_is_a_receipt() {
    let junho = Home::of("준호");
    let kept = junho.file("kept");
    let command =
        format!("text=$(cat); echo \"$RSACHAT_FROM $text\" >> {}; test \"$text\" != bad", kept.display());
    let (mut recv, at) = receiving(&["--exec", &command]);
    assert_eq!(send(&at, &[], file_with(b"one\ntwo\n")).ends(), 0);
    let mut sends = send(&at, &[], file_with(b"three\nbad\nfive\n"));
    sends.ends_saying(1, "could not store what it received: its output failed");
    sends.complains("1 message was acknowledged, 2 were not");
    recv.complains("warning: a message of 민지 was not acknowledged: the command ended with code 1");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "민지 one\n민지 two\n민지 three\n민지 bad\n");
    // The next sender is served as before.
    assert_eq!(send(&at, &["-m", "six"], Stdio::null()).ends(), 0);
    recv.signal(Signal::TERM);
    assert_eq!(recv.ends(), 143);
}

/// A receiver by way of a shell, which sends its standard output somewhere.
fn receiving_into(redirection: &str) -> (Process, String) {
    let junho = Home::of("준호");
    let script = format!(r#"exec "$0" --home "$1" recv --listen 127.0.0.1:0 --accept-new {redirection}"#);
    junho.shell(&script, "", Stdio::null()).and_where()
}

#[test]
fn a_receiver_whose_device_is_full_receipts_nothing_and_says_why() {
    let (mut recv, at) = receiving_into("> /dev/full");
    let mut sends = send(&at, &["-m", "never kept"], Stdio::null());
    assert_eq!([sends.ends(), recv.ends()], [1, 1]);
    sends.complains("could not store what it received: no space left on its disk");
    sends.complains("0 messages were acknowledged, 1 was not");
    recv.complains("cannot write the output: no space left on device");
}

#[test]
fn a_receiver_whose_output_failed_is_called_again_as_often_as_retry_says() {
    let minji = Home::of("민지");
    minji.answer(&["peers", "add", "준호", &Home::of("준호").fingerprint()]);
    for keeps in [&[][..], &["--keep"]] {
        let once = "cat >/dev/null; mkdir \"$HOME/tried\" 2>/dev/null && exit 2; echo taken";
        let folder = tempfile::tempdir().unwrap();
        let once = once.replace("$HOME", folder.path().to_str().unwrap());
        let (recv, at) = receiving(&["--exec", &once]);
        let args = ["send", &at, "--to", "준호", "-m", "x", "--retry", "2", "-v"];
        let mut sends = minji.run(&[&args, keeps].concat(), Stdio::null());
        assert_eq!(sends.ends(), 0, "{keeps:?}: {}", sends.complaints());
        sends.complains("could not store what it received");
        recv.sees("taken");
    }
    let (_recv, at) = receiving(&["--exec", "exit 2"]);
    let mut sends = send(&at, &["-m", "x", "--retry", "1"], Stdio::null());
    sends.ends_saying(1, "0 messages were acknowledged, 1 was not");
    assert_eq!(sends.complaints().matches("could not store").count(), 2, "{}", sends.complaints());
}

#[test]
fn a_receiver_whose_reader_is_gone_ends_as_by_sigpipe() {
    let junho = Home::of("준호");
    // The first loop lasts until the reader is really gone.
    let script = r#"{ (trap "" PIPE; while echo x; do :; done) 2> /dev/null
        "$0" --home "$1" recv --listen 127.0.0.1:0 --accept-new; echo "code $?" >&2; } | true"#;
    let (mut recv, at) = junho.shell(script, "", Stdio::null()).and_where();
    send(&at, &["-m", "x"], Stdio::null()).ends_saying(1, "the reader of its output has gone");
    recv.complains("code 141");
    recv.ends();
}

#[test]
fn a_receiver_that_is_killed_is_a_loss_with_its_count() {
    let (recv, at) = receiving(&["--exec", "cat >/dev/null; test $RSACHAT_FROM && sleep 30"]);
    let mut sends = send(&at, &["-v", "-m", "one", "-m", "two"], Stdio::null());
    sends.complains("connected to");
    recv.signal(Signal::KILL);
    sends.ends_saying(5, "0 messages were acknowledged, 2 were not");
}

#[test]
fn a_receiver_that_leaves_before_it_has_kept_everything_is_a_loss_that_is_named() {
    let (mut recv, at) = receiving(&["--count", "1"]);
    let mut sends = send(&at, &[], Stdio::piped());
    sends.types("one");
    assert_eq!([recv.ends(), sends.ends()], [0, 0], "an end in order, with everything receipted");
    assert!(!sends.complaints().contains("error"), "{}", sends.complaints());

    let (mut recv, at) = receiving(&["--count", "1"]);
    let mut sends = send(&at, &["-m", "one", "-m", "two"], Stdio::null());
    assert_eq!([recv.ends(), sends.ends()], [0, 5]);
    sends.complains("error: the other side left before everything was acknowledged");
    sends.complains("1 message was acknowledged, 1 was not");
    assert_eq!(recv.output(), "one\n");
}

#[test]
fn a_newcomer_is_let_in_while_a_slow_command_has_more_than_it_can_take() {
    let stays = tempfile::NamedTempFile::new().unwrap();
    let slow = format!("while [ -e {} ]; do sleep 0.05; done", stays.path().display());
    let (recv, at) = receiving(&["--exec", &slow]);
    // Each has as much on the way as one may; together that is more than the receiver holds, so
    // that it reads nobody any more who could say something.
    let lines = format!("{}\n", "x".repeat(16_000)).repeat(20);
    let keys =
        ["test-1", "test-3", "test-4", "alice-2048", "bob-2048", "alice-3072", "bob-3072", "alice-4096"];
    let senders = keys.map(|key| {
        let home = Home::with_key(key, &format!("{key}.pem"));
        let args = ["send", at.as_str(), "--accept-new", "--name", key, "-v"];
        let sends = home.run(&args, file_with(lines.as_bytes()));
        sends.complains("connected to ");
        sends
    });
    for sends in &senders {
        assert!(!sends.complaints().contains("error"), "{}", sends.complaints());
    }
    drop((senders, recv, stays));
}

#[test]
fn nobody_reached_is_code_3_also_after_every_retry() {
    let (_held, at) = held_address();
    send(&at, &["-m", "x"], Stdio::null()).ends_saying(3, "cannot reach ");
    let since = Instant::now();
    send(&at, &["-m", "x", "--retry", "1", "-v"], Stdio::null()).ends_saying(3, "trying again in ");
    // Half to one and a half of a second, by the key.
    assert!(since.elapsed() >= Duration::from_millis(500));
}

#[test]
fn a_retry_reaches_who_comes_late_and_what_had_no_receipt_is_sent_again() {
    let junho = Home::of("준호");
    let (_held, at) = held_address();
    let mut sends = send(&at, &["--retry", "5"], file_with(b"late\nbut here\n"));
    sends.complains("cannot reach ");
    let mut recv = junho.run(&["recv", "--listen", &at, "--accept-new", "--count", "2"], Stdio::null());
    assert_eq!([sends.ends(), recv.ends()], [0, 0]);
    assert_eq!(recv.output(), "late\nbut here\n");
}

#[test]
fn what_is_kept_is_tried_as_often_as_retry_says_and_lines_of_before_are_counted_as_such() {
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    let (_held, at) = held_address();
    minji.private("peers", format!("준호 {} verified {at}\n", junho.fingerprint()));
    let keep =
        |args: &[&str]| minji.run(&[&["send", "준호", "--keep", "--json"], args].concat(), Stdio::null());
    let attempts = |sends: &Process| sends.complaints().matches(r#""kind":"unreachable""#).count();
    let mut sends = keep(&["-m", "one"]);
    sends.ends_saying(6, "1 message is kept in the home and not received yet\"");
    assert_eq!(attempts(&sends), 1, "{}", sends.complaints());
    let mut sends = keep(&["-m", "two", "--retry", "1"]);
    sends.ends_saying(6, "2 messages are kept in the home and not received yet, 1 of them from before");
    assert_eq!(attempts(&sends), 2, "{}", sends.complaints());
    let mut sends = keep(&["-m", "three", "--retry", "5"]);
    sends.complains("trying again in ");
    let mut recv = junho.run(&["recv", "--listen", &at, "--accept-new", "--count", "3"], Stdio::null());
    assert_eq!([sends.ends(), recv.ends()], [0, 0], "{}", sends.complaints());
    assert_eq!(recv.output(), "one\ntwo\nthree\n");
}

#[test]
fn what_is_kept_leaves_as_it_comes_and_is_tried_again_while_the_input_goes_on() {
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    let (_held, at) = held_address();
    minji.private("peers", format!("준호 {} verified {at}\n", junho.fingerprint()));
    let mut sends = minji.run(&["send", "준호", "--keep", "-v"], Stdio::piped());
    sends.types("하나");
    sends.complains("cannot reach ");
    sends.complains("trying again in ");
    let mut recv = junho.run(&["recv", "--listen", &at, "--accept-new", "--count", "3"], Stdio::null());
    recv.sees("하나");
    sends.types("둘");
    recv.sees("둘");
    sends.types("셋");
    assert_eq!(recv.ends(), 0);
    assert_eq!(sends.closes_input().ends(), 0, "{}", sends.complaints());
    assert_eq!(recv.output(), "하나\n둘\n셋\n");
}

#[test]
fn patience_has_an_end_when_it_is_asked_for() {
    let (_recv, at) = receiving(&["--exec", "exec sleep 30"]);
    let mut sends = send(&at, &["-m", "x", "--timeout", "3s"], Stdio::null());
    sends.ends_saying(5, "the other side is connected, and has not acknowledged everything in time");
    let mut bad = send(&at, &["-m", "x", "--timeout", "soon"], Stdio::null());
    bad.ends_saying(2, "write 200ms, 30s, 5m, 1h 30m or 2d");
}

#[test]
fn the_longest_patience_that_can_be_written_is_taken() {
    for time in ["18446744073709551", "213503982334d", "1d 2h 3m 4s 5ms"] {
        let (mut recv, at) = receiving(&["--count", "1"]);
        let mut sends = send(&at, &["-m", "hi", "--timeout", time], Stdio::null());
        assert_eq!((sends.ends(), recv.ends()), (0, 0), "{time}: {}", sends.complaints());
    }
    let (_recv, at) = receiving(&[]);
    let mut beyond = send(&at, &["-m", "hi", "--timeout", "18446744073709551615"], Stdio::null());
    assert_eq!(beyond.ends(), 2, "{}", beyond.complaints());
}

#[test]
fn a_signal_ends_both_in_order() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let (mut recv, at) = receiving(&[]);
        let mut sends = send(&at, &[], Stdio::piped());
        sends.types("first");
        recv.sees("first");
        sends.signal(signal);
        assert_eq!(sends.ends(), code);
        recv.signal(signal);
        assert_eq!(recv.ends(), code);
    }
}

#[test]
fn every_kind_of_input_ends_well() {
    let (_recv, at) = receiving(&[]);
    assert_eq!(send(&at, &[], Stdio::null()).ends(), 0);
    assert_eq!(send(&at, &[], file_with(b"")).ends(), 0);
    let folder = File::open("/").unwrap();
    send(&at, &[], folder).ends_saying(1, "cannot read the input: is a directory");
    let minji = Home::of("민지");
    let script = r#"exec "$0" --home "$1" send "$2" --accept-new <&-"#;
    assert_eq!(minji.shell(script, &at, Stdio::null()).ends(), 0);
}

#[test]
fn many_senders_at_once_lose_nothing() {
    let (mut recv, at) = receiving(&[]);
    let homes = ["민지", "하나", "다른"].map(Home::of);
    let lines: String = numbered(2_000);
    let sends = |home: &Home| home.run(&["send", &at, "--accept-new"], file_with(lines.as_bytes()));
    for mut sender in homes.each_ref().map(sends) {
        assert_eq!(sender.ends(), 0);
    }
    // Its end, so that all that it wrote has been read here too.
    recv.signal(Signal::TERM);
    assert_eq!(recv.ends(), 143);
    let output = recv.output();
    let count = output.lines().filter(|line| *line == "1999").count();
    assert_eq!((output.lines().count(), count), (6_000, 3));
}

#[test]
fn a_passphrase_comes_by_an_open_descriptor() {
    let junho = Home::of("준호");
    let file = junho.file("passphrase");
    std::fs::write(&file, "열려라 참깨\n").unwrap();
    junho.answer(&["key", "passphrase", "--new-passphrase-file", file.to_str().unwrap()]);
    let script = r#"exec "$0" --home "$1" --passphrase-fd 7 recv --listen 127.0.0.1:0 7<"$2""#;
    junho.shell(script, file.to_str().unwrap(), Stdio::null()).listens_at();
    // Whoever gives it need not end: only a line is waited for.
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all("열려라 참깨\r\n".as_bytes()).unwrap();
    let script = r#"exec "$0" --home "$1" --passphrase-fd 8 recv --listen 127.0.0.1:0 8<&0 </dev/null"#;
    junho.shell(script, "", reader).listens_at();
    drop(writer);
    for (option, value, what) in [
        ("--passphrase-fd", "9", "cannot read descriptor 9 of --passphrase-fd: no such file or directory"),
        ("--passphrase-file", "/dev/zero", "cannot read /dev/zero: its first line has more than 4096 bytes"),
    ] {
        junho.run(&["recv", "--listen", "127.0.0.1:0", option, value], Stdio::null()).ends_saying(3, what);
    }
    junho.run(&["recv", "--listen", "127.0.0.1:0"], Stdio::null()).ends_saying(3, "--passphrase-file");
}

#[test]
fn what_is_kept_for_a_peer_that_has_no_address_waits_with_code_6() {
    let (carol, alice) = (Home::of("민지"), Home::of("준호").fingerprint());
    carol.answer(&["peers", "add", "alice", &alice]);
    for args in [&["--keep", "-m", "y", "alice"][..], &["--flush"], &["--flush", "alice"]] {
        let mut sends = carol.run(&[&["send"], args].concat(), Stdio::null());
        sends.ends_saying(6, "1 message is kept in the home and not received yet");
        sends.complains("warning: no address is known for alice");
    }
}

#[test]
fn where_another_answers_or_calls_than_who_was_asked_for_both_fingerprints_are_told() {
    let (junho, hana) = (Home::of("준호").fingerprint(), Home::of("하나").fingerprint());
    let home = Home::of("민지");
    home.private("peers", format!("하나 {hana} verified\n"));
    let tells_both = |process: &Process| {
        process.complains("does not have the key of 하나; nothing was sent");
        for row in [format!("expected: {hana}"), format!("now:      {junho}")] {
            process.complains(&row);
        }
    };
    let (_prompt, chat) = Process::listening("준호");
    let pipes = ["pipe", "--listen", "127.0.0.1:0", "--accept-new", "--recv-only"];
    let (_piped, pipe) = Home::of("준호").run(&pipes, Stdio::null()).and_where();
    for command in [
        &["send", "--to", "하나", "-m", "안녕", &chat][..],
        &["recv", "--connect", &chat, "--from", "하나"],
        &["pipe", "--connect", &pipe, "--to", "하나", "--recv-only"],
    ] {
        let mut calls = home.run(command, Stdio::null());
        assert_eq!(calls.ends(), 4, "{command:?}");
        tells_both(&calls);
    }
    for (listens, calls) in [
        (&["recv", "--listen", "127.0.0.1:0", "--from", "하나"][..], &["send", "-m", "x"][..]),
        (&["pipe", "--listen", "127.0.0.1:0", "--to", "하나"], &["pipe", "--recv-only", "--connect"]),
    ] {
        let (listener, at) = home.run(listens, Stdio::null()).and_where();
        let command = [calls, &[&at, "--accept-new"]].concat();
        assert_ne!(Home::of("준호").run(&command, Stdio::null()).ends(), 0, "{command:?}");
        tells_both(&listener);
    }
}

#[test]
fn what_the_command_line_says_comes_to_the_terminal_in_its_safe_form() {
    let odd = "a\u{1b}]0;x\u{7}";
    let odd_file = format!("/nowhere/{odd}");
    for args in [&["peers", "trust", odd][..], &["replay", &odd_file], &["send", "--to", odd, "-m", "x", "h"]]
    {
        let mut process = Home::of("민지").run(args, Stdio::null());
        assert_ne!(process.ends(), 0, "{args:?}");
        process.complains(r"a\u{1b}]0;x\u{7}");
        assert!(!process.complaints().contains('\u{1b}'), "{}", process.complaints());
    }
}
