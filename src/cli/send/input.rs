//! Messages from standard input: a thread reads large pieces, cuts them up, and hands on what it has as soon
//! as nothing more is ready. It does not know what becomes of them.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use mio::Waker;

use crate::app::error;
use crate::limits::MESSAGE_BYTES;
use crate::net::lines::Patient;

/// Where one message ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// At each newline; a CR before it is not part of the message.
    Line,
    /// At each NUL; everything else is part of the message.
    Nul,
    /// At the end of the input only.
    Whole,
}

/// One piece of input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    Message(String),
    /// It is no message, for this reason; `number` counts from 1.
    Refused {
        number: u64,
        why: Refusal,
    },
    /// Nothing follows.
    End,
    /// Nothing follows: the input cannot be read, for this reason.
    Broken(String),
}

/// Why a piece of input is no message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is not UTF-8")]
    NotText,
    #[error("it has {0} bytes, a message has at most {MESSAGE_BYTES}")]
    TooLong(u64),
}

/// Bytes read at once.
const READ_BYTES: usize = 65_536;
/// Reads that may be ahead of what is sent.
const READS_AHEAD: usize = 4;

/// Begins to read.
pub(crate) fn start(cut: Cut, waker: Arc<Waker>) -> io::Result<Receiver<Vec<Piece>>> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (sender, pieces) = sync_channel(READS_AHEAD);
    thread::Builder::new().name("input".into()).spawn(move || {
        read(Patient(input), cut, &sender, &waker);
    })?;
    Ok(pieces)
}

fn read(mut input: impl Read, cut: Cut, sender: &SyncSender<Vec<Piece>>, waker: &Waker) {
    let mut room = vec![0; READ_BYTES];
    let mut cutter = Cutter::new(cut);
    loop {
        let (pieces, last) = match input.read(&mut room) {
            Ok(0) => (cutter.end(), true),
            Ok(read) => (cutter.take(room.get(..read).unwrap_or_default()), false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => (vec![Piece::Broken(error::words(&error))], true),
        };
        if !pieces.is_empty() && (sender.send(pieces).is_err() || waker.wake().is_err()) || last {
            return;
        }
    }
}

/// Cuts bytes into messages, whatever pieces they come in.
struct Cutter {
    cut: Cut,
    /// The beginning of the next message, no more of it than a message may have and a CR.
    begun: Vec<u8>,
    /// All its bytes so far.
    bytes: u64,
    last: Option<u8>,
    number: u64,
}

impl Cutter {
    fn new(cut: Cut) -> Self {
        Self { cut, begun: Vec::new(), bytes: 0, last: None, number: 0 }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mark = match self.cut {
            Cut::Line => b'\n',
            Cut::Nul => 0,
            Cut::Whole => {
                self.begin(bytes);
                return pieces;
            }
        };
        while let Some(at) = bytes.iter().position(|byte| *byte == mark) {
            let (message, rest) = bytes.split_at(at);
            self.begin(message);
            pieces.push(self.finish());
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.begin(bytes);
        pieces
    }

    /// What is left is a message too; of a whole input also when it is empty.
    fn end(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if self.bytes > 0 || self.cut == Cut::Whole {
            pieces.push(self.finish());
        }
        pieces.push(Piece::End);
        pieces
    }

    fn begin(&mut self, bytes: &[u8]) {
        let room = (MESSAGE_BYTES + 1).saturating_sub(self.begun.len());
        self.begun.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.bytes += bytes.len() as u64;
        self.last = bytes.last().copied().or(self.last);
    }

    fn finish(&mut self) -> Piece {
        self.number += 1;
        let (number, mut bytes) = (self.number, std::mem::take(&mut self.bytes));
        let mut message = std::mem::take(&mut self.begun);
        if self.cut == Cut::Line && self.last.take() == Some(b'\r') {
            bytes -= 1;
            message.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        if bytes > MESSAGE_BYTES as u64 {
            return Piece::Refused { number, why: Refusal::TooLong(bytes) };
        }
        match String::from_utf8(message) {
            Ok(text) => Piece::Message(text),
            Err(_) => Piece::Refused { number, why: Refusal::NotText },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(cut: Cut, input: &[u8], size: usize) -> Vec<Piece> {
        let mut cutter = Cutter::new(cut);
        let mut pieces: Vec<_> = input.chunks(size).flat_map(|bytes| cutter.take(bytes)).collect();
        pieces.extend(cutter.end());
        pieces
    }

    fn check(cut: Cut, input: &[u8], expected: &[&str]) {
        let mut expected: Vec<_> = expected.iter().map(|text| Piece::Message((*text).to_owned())).collect();
        expected.push(Piece::End);
        for size in [1, 2, 3, usize::MAX] {
            assert_eq!(pieces(cut, input, size), expected, "{input:?} in pieces of {size}");
        }
    }

    #[test]
    fn lines_are_messages_and_so_is_a_last_one_without_newline() {
        check(Cut::Line, b"", &[]);
        check(Cut::Line, b"one\ntwo", &["one", "two"]);
        check(Cut::Line, b"one\r\n\ntwo\r\n:quit\n", &["one", "", "two", ":quit"]);
        check(Cut::Line, b"a\rb\n\r\r\n\0\n", &["a\rb", "\r", "\0"]);
        check(Cut::Line, "안녕\n".as_bytes(), &["안녕"]);
    }

    #[test]
    fn a_nul_ends_a_message_and_a_newline_does_not() {
        check(Cut::Nul, b"one\ntwo\r\n\0three", &["one\ntwo\r\n", "three"]);
        check(Cut::Nul, b"\0", &[""]);
    }

    #[test]
    fn the_whole_input_is_one_message_as_it_is() {
        check(Cut::Whole, b"one\r\ntwo\n\0", &["one\r\ntwo\n\0"]);
        check(Cut::Whole, b"", &[""]);
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_number_and_the_rest_goes_on() {
        let long = "x".repeat(MESSAGE_BYTES);
        let input = [&b"a\n\xff\n"[..], long.as_bytes(), b"\r\n", long.as_bytes(), b"y\r\nb\n"].concat();
        for size in [7, usize::MAX] {
            let why = Refusal::TooLong(MESSAGE_BYTES as u64 + 1);
            assert_eq!(
                pieces(Cut::Line, &input, size),
                [
                    Piece::Message("a".to_owned()),
                    Piece::Refused { number: 2, why: Refusal::NotText },
                    Piece::Message(long.clone()),
                    Piece::Refused { number: 4, why },
                    Piece::Message("b".to_owned()),
                    Piece::End,
                ]
            );
        }
    }
}
