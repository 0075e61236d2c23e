//! Every shape of input, in chunks of several sizes.

use super::*;

/// Every event of an input that arrives in chunks of `size` bytes, as text.
fn read_in_chunks(input: &[u8], size: usize) -> Vec<String> {
    let mut input = BufReader::with_capacity(size, input);
    let mut seen = Vec::new();
    for _ in 0..100 {
        let event = read_line(&mut input);
        seen.push(match &event {
            LineEvent::Line(line) if line.len() > 100 => format!("{} bytes", line.len()),
            LineEvent::Line(line) => line.escape_ascii().to_string(),
            LineEvent::TooLong { bytes } => format!("too long: {bytes}"),
            LineEvent::End => "end".into(),
            LineEvent::Broken(error) => error.to_string(),
        });
        if matches!(event, LineEvent::End | LineEvent::Broken(_)) {
            return seen;
        }
    }
    panic!("more than 100 events");
}

fn check(input: &[u8], expected: &[&str]) {
    for size in [1, 2, 7, 8_192, 1 << 20] {
        assert_eq!(read_in_chunks(input, size), expected, "in chunks of {size}");
    }
}

#[test]
fn lines_end_with_lf_or_crlf_and_the_last_one_needs_neither() {
    check(b"", &["end"]);
    check(b"\n", &["", "end"]);
    check(b"one\ntwo\r\n\r\nthree", &["one", "two", "", "three", "end"]);
    check(b"a\rb\n", &[r"a\rb", "end"]);
    check(b"kept\r", &[r"kept\r", "end"]);
}

#[test]
fn every_byte_passes_whether_or_not_it_is_text() {
    check(b"\xff\xfe\x00ab\x08c\x1b[2J\n\xea\xb0", &[r"\xff\xfe\x00ab\x08c\x1b[2J", r"\xea\xb0", "end"]);
}

#[test]
fn a_line_too_long_is_counted_whole_and_the_next_one_is_whole() {
    let line = |length: usize, end: &str| [&vec![b'x'; length][..], end.as_bytes(), b"next\n"].concat();
    check(&line(LINE_BYTES, "\n"), &["65536 bytes", "next", "end"]);
    check(&line(LINE_BYTES, "\r\n"), &["65536 bytes", "next", "end"]);
    check(&line(LINE_BYTES + 1, "\n"), &["too long: 65537", "next", "end"]);
    check(&line(LINE_BYTES + 1, "\r\n"), &["too long: 65537", "next", "end"]);
    check(&line(1_000_000, "\n"), &["too long: 1000000", "next", "end"]);
    check(&vec![b'x'; 70_000], &["too long: 70000", "end"]);
}

#[test]
fn a_line_too_long_is_not_kept_in_memory() {
    let mut endless = BufReader::new(io::repeat(b'x').take(1 << 24));
    assert!(matches!(read_line(&mut endless), LineEvent::TooLong { bytes } if bytes == 1 << 24));
}

/// A reader that fails with each of these errors in turn, after one half line.
struct Failing(Vec<Errno>, &'static [u8]);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1.is_empty() {
            return self.0.pop().map_or(Ok(0), |errno| Err(errno.into()));
        }
        self.1.read(buffer)
    }
}

#[test]
fn interruption_is_not_seen_and_a_hung_up_terminal_is_the_end() {
    let mut interrupted = BufReader::new(Failing(vec![Errno::INTR, Errno::INTR], b"whole"));
    assert!(matches!(read_line(&mut interrupted), LineEvent::Line(line) if line == b"whole"));
    let mut hung_up = BufReader::new(Failing(vec![Errno::IO], b"half"));
    assert!(matches!(read_line(&mut hung_up), LineEvent::End));
}

#[test]
fn half_a_line_before_a_failure_is_not_executed() {
    let mut directory = BufReader::new(Failing(vec![Errno::ISDIR], b"half"));
    assert!(
        matches!(read_line(&mut directory), LineEvent::Broken(error) if error.kind() == io::ErrorKind::IsADirectory)
    );
}
