//! Outputs that somebody else made non-blocking, that nobody reads, or that have a size limit.

use std::io::{PipeReader, Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rsachat::wire::Purpose;
use rustix::io::{ioctl_fionbio, ioctl_fionread};
use rustix::process::Signal;

use crate::support::hostile_peer::HostilePeer;
use crate::support::{Home, Output, PATIENCE, Process, eventually, file_with};

/// What an end takes, on a busy machine: whoever waited for the reader would never end.
const SOON: Duration = Duration::from_secs(10);
/// Bytes of a pipe that is as good as full: texts leave a part of its pages empty.
const FULL: u64 = 32_000;

/// A pipe in non-blocking mode, as the other programs of a pipeline may leave it.
fn non_blocking() -> (PipeReader, Output) {
    let (reader, writer) = std::io::pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    (reader, Output::Into(writer.into()))
}

/// Everything that comes by a pipe that nobody reads before it is full.
fn read_late(mut reader: PipeReader) -> String {
    eventually("the pipe is full", PATIENCE, || ioctl_fionread(&reader).unwrap() > FULL);
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    all
}

/// Prints a document into a non-blocking pipe, whole.
fn prints_whole(home: &Home, args: &[&str]) {
    let (reader, output) = non_blocking();
    let mut process = home.start_into(home.command(args), Stdio::null(), output);
    assert_eq!(read_late(reader), home.answer(args), "{args:?}");
    assert_eq!(process.ends(), 0);
}

#[test]
fn a_non_blocking_pipe_gets_whole_documents() {
    let home = Home::of("민지");
    for shell in ["bash", "zsh"] {
        prints_whole(&home, &["completions", shell]);
    }
}

/// A thousand times what the test above does once: `cargo test --test it a_thousand -- --ignored
/// --nocapture` prints how many times it was in ten minutes.
#[test]
#[ignore = "takes minutes"]
fn a_thousand_documents_pass_a_non_blocking_pipe_whole() {
    let (home, begun, mut rounds) = (Home::of("민지"), Instant::now(), 0);
    while rounds < 1_000 && begun.elapsed() < Duration::from_mins(10) {
        prints_whole(&home, &["completions", "bash"]);
        rounds += 1;
    }
    println!("{rounds} documents in {:?}, nothing lost", begun.elapsed());
}

/// Lines that do not fit a pipe.
fn lines(count: usize) -> String {
    (0..count).fold(String::new(), |lines, number| lines + &format!("{number} {}\n", "x".repeat(500)))
}

#[test]
fn a_non_blocking_pipe_gets_every_message() {
    let count = 400;
    let all = lines(count);
    for (args, per_message) in [
        (&["recv", "--accept-new", "--count", "400"][..], "recv"),
        (&["recv", "--accept-new", "--count", "400", "--json"], "json"),
        (&["--anybody"], "prompt"),
        (&["--anybody", "--json"], "prompt json"),
    ] {
        let home = Home::of("준호");
        let (mut reader, output) = non_blocking();
        let args = [args, &["--listen", "127.0.0.1:0"]].concat();
        let mut takes = home.start_into(home.command(&args), Stdio::piped(), output);
        let mut early = String::new();
        let at = if per_message.starts_with("prompt") {
            let mut byte = [0];
            while !early.ends_with('\n') || !early.contains("listening") {
                reader.read_exact(&mut byte).unwrap();
                early.push(char::from(byte[0]));
            }
            let is_address = |word: &&str| word.parse::<std::net::SocketAddr>().is_ok();
            early.split([' ', '"', '\n']).find(is_address).unwrap().to_owned()
        } else {
            takes.listens_at()
        };
        let send = ["send", &at, "--accept-new"];
        let mut sends = Home::of("민지").run(&send, file_with(all.as_bytes()));
        let reading = std::thread::spawn(move || read_late(reader));
        assert_eq!(sends.ends(), 0, "{per_message}: {}", sends.complaints());
        takes.closes_input();
        assert_eq!(takes.ends(), 0, "{per_message}: {}", takes.complaints());
        let got = reading.join().unwrap();
        let wanted = format!("{} {}", count - 1, "x".repeat(500));
        assert_eq!(got.matches("x".repeat(500).as_str()).count(), count, "{per_message}");
        assert!(got.contains(&wanted), "{per_message}");
    }
}

/// Somebody whose standard output is a full pipe, and the pipe.
struct Stuck {
    process: Process,
    _output: std::process::ChildStdout,
}

/// Starts a front end that listens, and lets a peer say things until its output is full.
fn stuck(args: &[&str], purpose: Purpose) -> Stuck {
    let home = Home::of("준호");
    let mut process = home.start_into(home.command(args), Stdio::piped(), Output::Taken);
    let mut output = process.take_output();
    let is_prompt = !matches!(args[0], "recv" | "pipe");
    let at = if is_prompt { first_address(&mut output) } else { process.listens_at() };
    std::thread::spawn(move || {
        let mut peer = HostilePeer::calls(&at, "test-1.pem", "민지", purpose);
        let text = "x".repeat(5_000);
        loop {
            let frame = match purpose {
                Purpose::Chat => peer.sealed_text(text.as_bytes()),
                Purpose::Pipe => peer.sealed(&rsachat::wire::Record::Data(text.clone().into_bytes())),
            };
            if peer.stream.write_all(&frame).is_err() {
                return;
            }
        }
    });
    eventually("the output is full", PATIENCE, || ioctl_fionread(&output).unwrap() > FULL);
    Stuck { process, _output: output }
}

fn first_address(output: &mut std::process::ChildStdout) -> String {
    let (mut text, mut byte) = (String::new(), [0]);
    loop {
        output.read_exact(&mut byte).unwrap();
        text.push(char::from(byte[0]));
        let is_address = |word: &&str| word.parse::<std::net::SocketAddr>().is_ok();
        let found = text.split([' ', '"', '\n']).find(is_address).map(str::to_owned);
        if let Some(at) = found.filter(|_| byte[0] == b'\n') {
            return at;
        }
    }
}

#[test]
fn nobody_who_reads_no_output_keeps_a_front_end_from_ending() {
    let listen = ["--listen", "127.0.0.1:0"];
    for (args, purpose, words) in [
        (&["--anybody"][..], Purpose::Chat, ":quit\n"),
        (&["--anybody", "--json"], Purpose::Chat, "{\"command\":\"quit\"}\n"),
        (&["recv", "--accept-new"], Purpose::Chat, ""),
        (&["recv", "--accept-new", "--json"], Purpose::Chat, ""),
        (&["pipe", "--accept-new"], Purpose::Pipe, ""),
    ] {
        let args = [args, &listen].concat();
        let signals: [(&[Signal], i32); 4] = [
            (&[Signal::TERM], 143),
            (&[Signal::INT], 130),
            (&[Signal::HUP], 129),
            (&[Signal::TERM, Signal::TERM], 143),
        ];
        for (signals, code) in signals {
            let mut stuck = stuck(&args, purpose);
            let since = Instant::now();
            for signal in signals {
                stuck.process.signal(*signal);
            }
            assert_eq!(stuck.process.ends_within(SOON), code, "{args:?} {signals:?}");
            assert!(since.elapsed() < SOON, "{args:?} {signals:?}: {:?}", since.elapsed());
        }
        if !words.is_empty() {
            let mut quits = stuck(&args, purpose);
            quits.process.types_bytes(words.as_bytes());
            assert_eq!(quits.process.ends_within(SOON), 0, "{args:?} {words}");
            let mut ends = stuck(&args, purpose);
            ends.process.closes_input();
            assert_eq!(ends.process.ends_within(SOON), 0, "{args:?}, end of input");
        }
    }
}

#[test]
fn a_replay_whose_output_nobody_reads_ends_with_a_signal() {
    let home = Home::of("민지");
    let mut command = home.command(&["replay"]);
    for _ in 0..40 {
        command.arg(crate::support::root("scripts/closing.chat"));
    }
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut again = std::process::Command::new(command.get_program());
        again.args(command.get_args()).env("RSACHAT_CONFIG", "none");
        let mut replay = home.start_into(again, Stdio::null(), Output::Taken);
        let output = replay.take_output();
        eventually("the output is full", PATIENCE, || ioctl_fionread(&output).unwrap() > FULL);
        replay.signal(signal);
        assert_eq!(replay.ends_within(SOON), code);
    }
}

#[test]
fn an_event_that_nobody_reads_on_standard_error_holds_nothing_up() {
    let (mut recv, at) =
        Home::of("준호").run(&["recv", "--listen", "127.0.0.1:0", "--accept-new"], Stdio::null()).and_where();
    let home = Home::of("민지");
    // A pipe that is full before the program starts.
    let (_reader, mut full) = std::io::pipe().unwrap();
    ioctl_fionbio(&full, true).unwrap();
    while full.write(&[b'x'; 4_096]).is_ok() {}
    ioctl_fionbio(&full, false).unwrap();
    let mut command = home.command(&["send", &at, "--accept-new", "--json", "-m", "through"]);
    let mut sends = command.stdin(Stdio::null()).stderr(full).spawn().unwrap();
    recv.sees("through");
    let since = Instant::now();
    assert_eq!(sends.wait().unwrap().code(), Some(0));
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    recv.signal(Signal::TERM);
    assert_eq!(recv.ends(), 143);
}

#[test]
fn a_limit_of_the_size_of_files_is_an_error_with_its_reason() {
    let home = Home::of("준호");
    let file = home.file("heard");
    let script = r#"ulimit -f 1; exec "$0" --home "$1" recv --listen 127.0.0.1:0 --accept-new >> "$2""#;
    let (mut recv, at) = home.shell(script, &file.display().to_string(), Stdio::null()).and_where();
    let mut sends = Home::of("민지").run(&["send", &at, "--accept-new"], file_with(lines(10).as_bytes()));
    recv.ends_saying(1, "cannot write the output: file too large");
    sends.ends_saying(1, "could not keep what it got");
}

#[test]
fn a_log_that_cannot_be_opened_ends_the_start() {
    let home = Home::of("민지");
    let log = home.file("no/such/folder").display().to_string();
    for form in [&[][..], &["--plain"], &["--json"]] {
        let mut prompt = home.start(&[form, &["--log", &log]].concat());
        prompt.ends_saying(3, &format!("cannot write the log {log}: there is no folder "));
    }
}
