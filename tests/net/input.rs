//! Every kind of input that is not an edited terminal, and signals.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use portable_pty::{PtySize, native_pty_system};
use rsachat::limits::LINES_AHEAD;
use rsachat::net::NetEvent;
use rsachat::net::lines::{BlockingReader, LineEvent, Lines};
use rsachat::net::signals::{Signal, Signals};
use rustix::process::{getpid, kill_process};

use crate::stage::{LIMIT, Stage};

/// The next line, as words, woken by nothing but the reader.
fn told(stage: &mut Stage, lines: &Lines) -> String {
    loop {
        match lines.next() {
            Some(LineEvent::Line(line)) => return line.escape_ascii().to_string(),
            Some(LineEvent::TooLong { bytes }) => return format!("too long: {bytes}"),
            Some(LineEvent::End) => return "end".into(),
            Some(LineEvent::Broken(error)) => return format!("broken: {:?}", error.kind()),
            None => assert!(matches!(stage.next(), NetEvent::Woken)),
        }
    }
}

fn check(input: impl Read + Send + 'static, expected: &[&str]) {
    let mut stage = Stage::new();
    let lines = Lines::of(input, stage.net.waker()).unwrap();
    for expected in expected {
        assert_eq!(told(&mut stage, &lines), *expected);
    }
}

const TEXT: &[u8] = b"one\r\n\xff\n\nlast";
const LINES: [&str; 5] = ["one", r"\xff", "", "last", "end"];

#[test]
fn a_pipe_is_read_line_by_line_while_its_writer_is_still_there() {
    let (reader, mut writer) = io::pipe().unwrap();
    let mut stage = Stage::new();
    let lines = Lines::of(reader, stage.net.waker()).unwrap();
    for line in ["first", "second"] {
        writeln!(writer, "{line}").unwrap();
        assert_eq!(told(&mut stage, &lines), line);
    }
    writer.write_all(b"no newline").unwrap();
    drop(writer);
    assert_eq!(told(&mut stage, &lines), "no newline");
    assert_eq!(told(&mut stage, &lines), "end");
}

#[test]
fn a_file_is_read_to_its_end() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(TEXT).unwrap();
    io::Seek::rewind(&mut file).unwrap();
    check(file, &LINES);
}

#[test]
fn the_null_device_ends_at_once_and_a_directory_cannot_be_read() {
    check(File::open("/dev/null").unwrap(), &["end"]);
    check(File::open("/").unwrap(), &["broken: IsADirectory"]);
}

#[test]
fn a_socket_that_another_program_left_not_blocking_is_waited_for() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut stage = Stage::new();
    let lines = Lines::of(BlockingReader(ours), stage.net.waker()).unwrap();
    theirs.write_all(b"half").unwrap();
    theirs.write_all(b" and half\n").unwrap();
    assert_eq!(told(&mut stage, &lines), "half and half");
    drop(theirs);
    assert_eq!(told(&mut stage, &lines), "end");
}

#[test]
fn a_terminal_that_hangs_up_is_the_end() {
    let pair = native_pty_system().openpty(PtySize::default()).unwrap();
    let terminal = File::open(pair.master.tty_name().unwrap()).unwrap();
    let mut stage = Stage::new();
    let lines = Lines::of(terminal, stage.net.waker()).unwrap();
    drop(pair);
    assert_eq!(told(&mut stage, &lines), "end");
}

/// Lines of 1,024 bytes without end, counted as they are taken.
struct Endless(
    Arc<AtomicUsize>,
    #[expect(dead_code, reason = "tells the test when the thread ends")] mpsc::Sender<()>,
);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = [&[b'x'; 1_023][..], b"\n"].concat();
        buffer.get_mut(..1_024).expect("the reader's buffer holds a line").copy_from_slice(&line);
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(1_024)
    }
}

#[test]
fn input_is_read_only_a_little_ahead_and_no_more_when_nobody_wants_it() {
    let (read, (alive, ends)) = (Arc::new(AtomicUsize::new(0)), mpsc::channel());
    let mut stage = Stage::new();
    let lines = Lines::of(Endless(Arc::clone(&read), alive), stage.net.waker()).unwrap();
    for taken in 0..5_000 {
        assert_eq!(told(&mut stage, &lines).len(), 1_023);
        // Those in the channel, and one in the reader's hand.
        let ahead = read.load(Ordering::SeqCst) - taken;
        assert!(ahead <= LINES_AHEAD + 3, "{ahead} lines ahead");
    }
    drop(lines);
    assert_eq!(ends.recv_timeout(LIMIT), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn signals_wake_the_loop_and_do_not_end_the_process() {
    let mut stage = Stage::new();
    let signals = Signals::start(stage.net.waker()).unwrap();
    for (raised, expected) in [
        (rustix::process::Signal::TERM, Signal::Terminate),
        (rustix::process::Signal::INT, Signal::Interrupt),
        (rustix::process::Signal::HUP, Signal::HangUp),
    ] {
        kill_process(getpid(), raised).unwrap();
        let caught = loop {
            if let Some(signal) = signals.next() {
                break signal;
            }
            assert!(matches!(stage.next(), NetEvent::Woken));
        };
        assert_eq!(caught, expected);
    }
    drop(signals);
    kill_process(getpid(), rustix::process::Signal::INT).unwrap();
}
