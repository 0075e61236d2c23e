//! Messages from standard input: a thread reads large pieces, cuts them up, and hands on what it
//! has as soon as nothing more is ready. It does not know what becomes of them.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use mio::Waker;

use crate::app::error;
use crate::limits::MESSAGE_BYTES;
use crate::net::lines::BlockingReader;

/// Where one message ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Delimiter {
    /// At each newline; a CR before it is not part of the message.
    Line,
    /// At each NUL; everything else is part of the message.
    Nul,
    /// At the end of the input only.
    Whole,
}

/// One piece of input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum InputItem {
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
pub(crate) fn start(cut: Delimiter, waker: Arc<Waker>) -> io::Result<Receiver<Vec<InputItem>>> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (sender, pieces) = sync_channel(READS_AHEAD);
    thread::Builder::new().name("input".into()).spawn(move || {
        read(BlockingReader(input), cut, &sender, &waker);
    })?;
    Ok(pieces)
}

fn read(mut input: impl Read, cut: Delimiter, sender: &SyncSender<Vec<InputItem>>, waker: &Waker) {
    let mut room = vec![0; READ_BYTES];
    let mut cutter = Cutter::new(cut);
    loop {
        let (pieces, last) = match input.read(&mut room) {
            Ok(0) => (cutter.end(), true),
            Ok(read) => (cutter.take(room.get(..read).unwrap_or_default()), false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => (vec![InputItem::Broken(error::describe(&error))], true),
        };
        if !pieces.is_empty() && (sender.send(pieces).is_err() || waker.wake().is_err()) || last {
            return;
        }
    }
}

/// Cuts bytes into messages, whatever pieces they come in.
struct Cutter {
    cut: Delimiter,
    /// The beginning of the next message, no more of it than a message may have and a CR.
    begun: Vec<u8>,
    /// All its bytes so far.
    bytes: u64,
    last: Option<u8>,
    number: u64,
}

impl Cutter {
    fn new(cut: Delimiter) -> Self {
        Self { cut, begun: Vec::new(), bytes: 0, last: None, number: 0 }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Vec<InputItem> {
        let mut pieces = Vec::new();
        let mark = match self.cut {
            Delimiter::Line => b'\n',
            Delimiter::Nul => 0,
            Delimiter::Whole => {
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
    fn end(&mut self) -> Vec<InputItem> {
        let mut pieces = Vec::new();
        if self.bytes > 0 || self.cut == Delimiter::Whole {
            pieces.push(self.finish());
        }
        pieces.push(InputItem::End);
        pieces
    }

    fn begin(&mut self, bytes: &[u8]) {
        let room = (MESSAGE_BYTES + 1).saturating_sub(self.begun.len());
        self.begun.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.bytes += bytes.len() as u64;
        self.last = bytes.last().copied().or(self.last);
    }

    fn finish(&mut self) -> InputItem {
        self.number += 1;
        let (number, mut bytes) = (self.number, std::mem::take(&mut self.bytes));
        let mut message = std::mem::take(&mut self.begun);
        if self.cut == Delimiter::Line && self.last.take() == Some(b'\r') {
            bytes -= 1;
            message.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        if bytes > MESSAGE_BYTES as u64 {
            return InputItem::Refused { number, why: Refusal::TooLong(bytes) };
        }
        match String::from_utf8(message) {
            Ok(text) => InputItem::Message(text),
            Err(_) => InputItem::Refused { number, why: Refusal::NotText },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(cut: Delimiter, input: &[u8], size: usize) -> Vec<InputItem> {
        let mut cutter = Cutter::new(cut);
        let mut pieces: Vec<_> = input.chunks(size).flat_map(|bytes| cutter.take(bytes)).collect();
        pieces.extend(cutter.end());
        pieces
    }

    fn check(cut: Delimiter, input: &[u8], expected: &[&str]) {
        let mut expected: Vec<_> =
            expected.iter().map(|text| InputItem::Message((*text).to_owned())).collect();
        expected.push(InputItem::End);
        for size in [1, 2, 3, usize::MAX] {
            assert_eq!(pieces(cut, input, size), expected, "{input:?} in pieces of {size}");
        }
    }

    #[test]
    fn lines_are_messages_and_so_is_a_last_one_without_newline() {
        check(Delimiter::Line, b"", &[]);
        check(Delimiter::Line, b"one\ntwo", &["one", "two"]);
        check(Delimiter::Line, b"one\r\n\ntwo\r\n:quit\n", &["one", "", "two", ":quit"]);
        check(Delimiter::Line, b"a\rb\n\r\r\n\0\n", &["a\rb", "\r", "\0"]);
        check(Delimiter::Line, "안녕\n".as_bytes(), &["안녕"]);
    }

    #[test]
    fn a_nul_ends_a_message_and_a_newline_does_not() {
        check(Delimiter::Nul, b"one\ntwo\r\n\0three", &["one\ntwo\r\n", "three"]);
        check(Delimiter::Nul, b"\0", &[""]);
    }

    #[test]
    fn the_whole_input_is_one_message_as_it_is() {
        check(Delimiter::Whole, b"one\r\ntwo\n\0", &["one\r\ntwo\n\0"]);
        check(Delimiter::Whole, b"", &[""]);
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_number_and_the_rest_goes_on() {
        let long = "x".repeat(MESSAGE_BYTES);
        let input = [&b"a\n\xff\n"[..], long.as_bytes(), b"\r\n", long.as_bytes(), b"y\r\nb\n"].concat();
        for size in [7, usize::MAX] {
            let why = Refusal::TooLong(MESSAGE_BYTES as u64 + 1);
            assert_eq!(
                pieces(Delimiter::Line, &input, size),
                [
                    InputItem::Message("a".to_owned()),
                    InputItem::Refused { number: 2, why: Refusal::NotText },
                    InputItem::Message(long.clone()),
                    InputItem::Refused { number: 4, why },
                    InputItem::Message("b".to_owned()),
                    InputItem::End,
                ]
            );
        }
    }
}
