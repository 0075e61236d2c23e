//! Line input from pipes, files, devices and sockets.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use rsachat::limits::LINES_AHEAD;
use rsachat::net::lines::{BlockingReader, Lines};

use crate::support::net::Harness;
use crate::support::{PATIENCE, file_with};

fn check(input: impl Read + Send + 'static, expected: &[&str]) {
    let mut harness = Harness::new();
    let lines = Lines::of(input, harness.net.waker()).unwrap();
    for expected in expected {
        assert_eq!(harness.line(&lines), *expected);
    }
}

const TEXT: &[u8] = b"one\r\n\xff\n\nlast";
const LINES: [&str; 5] = ["one", r"\xff", "", "last", "end"];

#[test]
fn a_pipe_is_read_line_by_line_while_its_writer_is_still_there() {
    let (reader, mut writer) = io::pipe().unwrap();
    let mut harness = Harness::new();
    let lines = Lines::of(reader, harness.net.waker()).unwrap();
    for line in ["first", "second"] {
        writeln!(writer, "{line}").unwrap();
        assert_eq!(harness.line(&lines), line);
    }
    writer.write_all(b"no newline").unwrap();
    drop(writer);
    assert_eq!(harness.line(&lines), "no newline");
    assert_eq!(harness.line(&lines), "end");
}

#[test]
fn a_file_is_read_to_its_end() {
    check(file_with(TEXT), &LINES);
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
    let mut harness = Harness::new();
    let lines = Lines::of(BlockingReader(ours), harness.net.waker()).unwrap();
    theirs.write_all(b"half").unwrap();
    theirs.write_all(b" and half\n").unwrap();
    assert_eq!(harness.line(&lines), "half and half");
    drop(theirs);
    assert_eq!(harness.line(&lines), "end");
}

#[test]
fn the_rest_of_an_input_is_what_lies_in_it_however_late_its_reader_comes_to_it() {
    let harness = Harness::new();
    for _ in 0..50 {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"one\ntwo\nnot whole").unwrap();
        let lines = Lines::of_descriptor(reader.into(), |reader| reader, harness.net.waker()).unwrap();
        assert_eq!(lines.rest(PATIENCE), [&b"one"[..], b"two"]);
        // Whoever may yet write is not waited for.
        writer.write_all(b" before\n").unwrap();
        assert_eq!(lines.rest(PATIENCE), [b"not whole before"]);
        drop(writer);
        assert!(lines.rest(PATIENCE).is_empty());
    }
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
    let mut harness = Harness::new();
    let lines = Lines::of(Endless(Arc::clone(&read), alive), harness.net.waker()).unwrap();
    for taken in 0..5_000 {
        assert_eq!(harness.line(&lines).len(), 1_023);
        // Those in the channel, and one in the reader's hand.
        let ahead = read.load(Ordering::SeqCst) - taken;
        assert!(ahead <= LINES_AHEAD + 3, "{ahead} lines ahead");
    }
    drop(lines);
    assert_eq!(ends.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
}
