//! Outputs that somebody else made non-blocking, that nobody reads, or that have a size limit.

use std::fs::File;
use std::io::{PipeReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{PtySize, native_pty_system};
use rsachat::session::Role;
use rsachat::wire::{Purpose, Record};
use rustix::fs::OFlags;
use rustix::io::{ioctl_fionbio, ioctl_fionread};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Action, tcflow};

use crate::support::hostile_peer::HostilePeer;
use crate::support::{
    Home, Output, PATIENCE, Process, eventually, file_with, heed_interrupts, one_at_a_time, socket,
};

/// What an end takes: a second, and two more for a machine that is busy with other tests. Whoever
/// waited for the reader would never end.
const SOON: Duration = Duration::from_secs(3);
/// Bytes of a pipe that is as good as full: texts leave a part of its pages empty.
const FULL: u64 = 32_000;
/// Bytes of a pipe that no document fits.
const SMALL_PIPE: usize = 4_096;

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
    let (mut reader, writer) = std::io::pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    fcntl_setpipe_size(&writer, SMALL_PIPE).unwrap();
    let mut process = home.start_into(home.command(args), Stdio::null(), Output::Into(writer.into()));
    eventually("the pipe is full", PATIENCE, || ioctl_fionread(&reader).unwrap() > SMALL_PIPE as u64 / 2);
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    assert_eq!(all, home.answer(args), "{args:?}");
    assert_eq!(process.ends(), 0);
}

#[test]
fn a_non_blocking_pipe_gets_whole_documents() {
    let home = Home::of("민지");
    for args in [&["man"][..], &["--help-all"]] {
        prints_whole(&home, args);
    }
}

/// A thousand times what the test above does once: `cargo test --test it a_thousand -- --ignored
/// --nocapture` prints how many times it was in ten minutes.
#[test]
#[ignore = "takes minutes"]
fn a_thousand_documents_pass_a_non_blocking_pipe_whole() {
    let (home, begun, mut rounds) = (Home::of("민지"), Instant::now(), 0);
    while rounds < 1_000 && begun.elapsed() < Duration::from_mins(10) {
        prints_whole(&home, &["man"]);
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
        let reading = thread::spawn(move || read_late(reader));
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

/// Starts a front end that listens or calls, and lets a peer say things until its output is full.
fn stuck(args: &[&str], purpose: Purpose, role: Role) -> Stuck {
    let home = Home::of("준호");
    let (listener, at) = socket();
    let way = match role {
        Role::Responder => ["--listen", "127.0.0.1:0"],
        Role::Initiator => ["--connect", &at],
    };
    let mut process = home.start_into(home.command(&[args, &way].concat()), Stdio::piped(), Output::Taken);
    let mut output = process.take_output();
    let mut peer = if role == Role::Initiator {
        let (mut peer, confirm) = HostilePeer::answers(&listener, "test-1.pem", "민지", purpose);
        peer.stream.write_all(&confirm).unwrap();
        peer
    } else {
        let is_prompt = !matches!(args[0], "recv" | "pipe");
        let at = if is_prompt { first_address(&mut output) } else { process.listens_at() };
        HostilePeer::calls(&at, "test-1.pem", "민지", purpose)
    };
    thread::spawn(move || {
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
    let rows = [
        (&["--no-time"][..], Purpose::Chat, ":quit\n"),
        (&["--plain"], Purpose::Chat, ":quit\n"),
        (&["--json"], Purpose::Chat, "{\"command\":\"quit\"}\n"),
        (&["recv", "--accept-new"], Purpose::Chat, ""),
        (&["recv", "--accept-new", "--json"], Purpose::Chat, ""),
        (&["pipe", "--accept-new"], Purpose::Pipe, ""),
    ];
    let signals: [(&[Signal], i32); 4] = [
        (&[Signal::TERM], 143),
        (&[Signal::INT], 130),
        (&[Signal::HUP], 129),
        (&[Signal::TERM, Signal::TERM], 143),
    ];
    // Most of an end is the grace for a peer that does not read: nobody needs a processor in it.
    thread::scope(|scope| {
        for role in [Role::Initiator, Role::Responder] {
            for (args, purpose, words) in rows {
                scope.spawn(move || {
                    for (signals, code) in signals {
                        let end =
                            |stuck: &mut Stuck| signals.iter().for_each(|one| stuck.process.signal(*one));
                        stuck_ends(args, purpose, role, code, end);
                    }
                    if !words.is_empty() {
                        stuck_ends(args, purpose, role, 0, |stuck| {
                            stuck.process.types_bytes(words.as_bytes());
                        });
                        stuck_ends(args, purpose, role, 0, |stuck| _ = stuck.process.closes_input());
                    }
                });
            }
        }
    });
}

/// A front end whose output nobody reads ends soon, with this code, by what is done to it.
fn stuck_ends(args: &[&str], purpose: Purpose, role: Role, code: i32, end: impl FnOnce(&mut Stuck)) {
    let mut stuck = stuck(args, purpose, role);
    let since = Instant::now();
    end(&mut stuck);
    assert_eq!(stuck.process.ends_within(SOON), code, "{args:?} {role:?}");
    assert!(since.elapsed() < SOON, "{args:?} {role:?}: {:?}", since.elapsed());
}

#[test]
fn a_sender_whose_peer_acknowledges_nothing_ends_with_a_signal_whoever_reads_its_outputs() {
    for json in [&[][..], &["--json"]] {
        for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
            let (listener, at) = socket();
            let home = Home::of("준호");
            let (_keeper, output) = outputs_that_take_nothing(Obstacle::FullPipe);
            let mut command = home.command(&[&["send", &at, "--accept-new", "-m", "x"], json].concat());
            command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
            let mut process = spawned(command);
            let (mut peer, confirm) = HostilePeer::answers(&listener, "test-1.pem", "민지", Purpose::Chat);
            peer.stream.write_all(&confirm).unwrap();
            while !matches!(peer.receives(), Record::Text { .. }) {}
            ends_with(&mut process, &[signal], code, "send");
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

/// Why outputs take nothing from the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Obstacle {
    FullPipe,
    /// Ctrl-S, or a program that stopped it.
    StoppedTerminal,
}

/// Standard output and standard error that take nothing, and who keeps them so.
fn outputs_that_take_nothing(why: Obstacle) -> (Box<dyn std::any::Any>, OwnedFd) {
    match why {
        Obstacle::FullPipe => {
            let (reader, mut writer) = std::io::pipe().unwrap();
            ioctl_fionbio(&writer, true).unwrap();
            while writer.write(&[b'x'; 4_096]).is_ok() {}
            ioctl_fionbio(&writer, false).unwrap();
            (Box::new(reader), writer.into())
        }
        Obstacle::StoppedTerminal => {
            let pair = native_pty_system().openpty(PtySize::default()).unwrap();
            let flags = OFlags::NOCTTY.bits().cast_signed();
            let path = pair.master.tty_name().unwrap();
            let terminal = File::options().read(true).write(true).custom_flags(flags).open(path).unwrap();
            tcflow(&terminal, Action::OOff).unwrap();
            (Box::new(pair), terminal.into())
        }
    }
}

/// Every subcommand that writes, and what each signal makes of it while its outputs take nothing.
fn ends_with_signals(why: Obstacle) {
    let (_silent, at) = socket();
    let listen = ["--listen", "127.0.0.1:0"];
    let script = crate::support::root("scripts/closing.chat").display().to_string();
    let rows: Vec<Vec<&str>> = [
        &[][..],
        &["--json"],
        &["--plain"],
        &["--connect", &at, "--no-listen"],
        &["recv", "--accept-new"],
        &["recv", "--accept-new", "--json"],
        &["recv", "--accept-new", "--exec", "cat"],
        &["pipe", "--accept-new"],
        &["pipe", "--accept-new", "--json"],
    ]
    .into_iter()
    .map(|row| if row.contains(&"--connect") { row.to_vec() } else { [row, &listen].concat() })
    .chain([
        vec!["send", &at, "--accept-new", "-m", "x"],
        vec!["send", &at, "--accept-new", "-m", "x", "--json"],
        vec!["recv", "--connect", &at, "--accept-new"],
        vec!["pipe", "--connect", &at, "--accept-new"],
        vec!["doctor", "--listen", "127.0.0.1:0"],
        vec!["doctor", &at],
        vec!["replay", &script],
        vec!["key", "show"],
        vec!["peers", "list"],
        vec!["config", "show"],
        vec!["completions", "bash"],
        vec!["man"],
        vec!["--help"],
    ])
    .collect();
    let book = format!("민지 {} verified\n", Home::of("민지").fingerprint());
    for args in rows {
        let all: [(&[Signal], i32); 4] = [
            (&[Signal::TERM], 143),
            (&[Signal::INT], 130),
            (&[Signal::HUP], 129),
            (&[Signal::INT, Signal::INT], 130),
        ];
        // Where nothing handles a signal, the system's own way needs no table.
        let handles = args.iter().any(|arg| arg.contains("127.0.0.1"));
        for (signals, code) in all.into_iter().take(if handles { 4 } else { 1 }) {
            let home = Home::of("준호");
            home.private("peers", &book);
            let (_keeper, output) = outputs_that_take_nothing(why);
            let mut command = home.command(&args);
            command.stdin(Stdio::piped()).stdout(output.try_clone().unwrap()).stderr(output);
            let mut process = spawned(command);
            // As far as it comes.
            eventually(&format!("{args:?} waits"), PATIENCE, || {
                assert_eq!(process.try_wait().unwrap(), None, "{args:?} {why:?}");
                sleeps(process.id())
            });
            ends_with(&mut process, signals, code, &format!("{args:?} {why:?}"));
        }
    }
}

/// Waits for the end by signals, which has to come soon and with this code.
fn ends_with(process: &mut Child, signals: &[Signal], code: i32, which: &str) {
    let since = Instant::now();
    for signal in signals {
        // One that has ended is not collected yet.
        kill_process(Pid::from_child(process), *signal).unwrap();
    }
    eventually("the end", PATIENCE, || process.try_wait().unwrap().is_some());
    let (took, status) = (since.elapsed(), process.wait().unwrap());
    let ended = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
    assert_eq!(ended, code, "{which} {signals:?}");
    assert!(took < SOON, "{which} {signals:?}: {took:?}");
}

fn spawned(mut command: Command) -> Child {
    heed_interrupts();
    let _one = one_at_a_time();
    command.spawn().unwrap()
}

/// Whether the first thread of a process waits for something.
fn sleeps(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}

#[test]
fn a_full_pipe_keeps_no_subcommand_from_ending_with_a_signal() {
    ends_with_signals(Obstacle::FullPipe);
}

#[test]
fn a_stopped_terminal_keeps_no_subcommand_from_ending_with_a_signal() {
    ends_with_signals(Obstacle::StoppedTerminal);
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
    sends.ends_saying(1, "could not store what it received");
}

#[test]
fn a_log_that_cannot_be_opened_ends_the_start() {
    let home = Home::of("민지");
    let log = home.file("no/such/folder").display().to_string();
    for form in [&[][..], &["--plain"], &["--json"]] {
        let mut prompt = home.start(&[form, &["--log", &log]].concat());
        prompt.ends_saying(3, &format!("cannot log to {log}: there is no folder "));
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error_of_whatever_prints_it() {
    let home = Home::of("민지");
    let on_full = |args: &str, input: &str| {
        let script = format!(r#"printf '%s' "$2" | "$0" --home "$1" {args} > /dev/full"#);
        home.shell(&script, input, Stdio::null())
    };
    for args in ["--plain", "--json", ""] {
        on_full(args, ":help\n").ends_saying(1, "cannot write the output: no space left on device");
    }
    for args in ["--help", "--version", "send --help", "help"] {
        on_full(args, "").ends_saying(3, "no space left on device");
    }
    let (mut serve, _) = home.run(&["serve", "--listen", "127.0.0.1:0"], Stdio::null()).and_where();
    for args in ["attach --plain", "attach --json"] {
        on_full(args, ":help\n").ends_saying(1, "cannot write the output: no space left on device");
    }
    serve.signal(Signal::TERM);
    assert_eq!(serve.ends(), 0);
}
