//! Messages of standard input: a thread reads large chunks, splits them at the delimiter, and hands
//! on the messages of each read at once.

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

/// End of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Delimiter {
    /// At each newline; a CR before it is not part of the message.
    Line,
    /// At each NUL; everything else is part of the message.
    Nul,
    /// At the end of the input only.
    Whole,
}

/// Item of the input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum InputItem {
    Message(String),
    /// No message, for this reason; `number` counts from 1.
    Refused {
        number: u64,
        why: Refusal,
    },
    /// Nothing follows.
    End,
    /// Nothing follows: the input cannot be read, for this reason.
    Broken(String),
}

/// Reason why an item of the input is no message.
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

/// Starts the thread.
pub(crate) fn start(delimiter: Delimiter, waker: Arc<Waker>) -> io::Result<Receiver<Vec<InputItem>>> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (sender, items) = sync_channel(READS_AHEAD);
    thread::Builder::new().name("input".into()).spawn(move || {
        read(BlockingReader(input), delimiter, &sender, &waker);
    })?;
    Ok(items)
}

fn read(mut input: impl Read, delimiter: Delimiter, sender: &SyncSender<Vec<InputItem>>, waker: &Waker) {
    let mut buffer = vec![0; READ_BYTES];
    let mut splitter = Splitter::new(delimiter);
    loop {
        let (items, last) = match input.read(&mut buffer) {
            Ok(0) => (splitter.end(), true),
            Ok(read) => (splitter.take(buffer.get(..read).unwrap_or_default()), false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => (vec![InputItem::Broken(error::describe(&error))], true),
        };
        if !items.is_empty() && (sender.send(items).is_err() || waker.wake().is_err()) || last {
            return;
        }
    }
}

/// Splitter of bytes into messages, across the borders of reads.
struct Splitter {
    delimiter: Delimiter,
    /// Beginning of the next message: no more of it than a message may have, and a CR.
    partial: Vec<u8>,
    /// All its bytes so far.
    bytes: u64,
    last: Option<u8>,
    number: u64,
}

impl Splitter {
    fn new(delimiter: Delimiter) -> Self {
        Self { delimiter, partial: Vec::new(), bytes: 0, last: None, number: 0 }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Vec<InputItem> {
        let mut items = Vec::new();
        let end = match self.delimiter {
            Delimiter::Line => b'\n',
            Delimiter::Nul => 0,
            Delimiter::Whole => {
                self.append(bytes);
                return items;
            }
        };
        while let Some(at) = bytes.iter().position(|byte| *byte == end) {
            let (message, rest) = bytes.split_at(at);
            self.append(message);
            items.push(self.finish());
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.append(bytes);
        items
    }

    /// Ends the input. The rest is a message too; of a whole input also when it is empty.
    fn end(&mut self) -> Vec<InputItem> {
        let mut items = Vec::new();
        if self.bytes > 0 || self.delimiter == Delimiter::Whole {
            items.push(self.finish());
        }
        items.push(InputItem::End);
        items
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = (MESSAGE_BYTES + 1).saturating_sub(self.partial.len());
        self.partial.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.bytes += bytes.len() as u64;
        self.last = bytes.last().copied().or(self.last);
    }

    fn finish(&mut self) -> InputItem {
        self.number += 1;
        let (number, mut bytes) = (self.number, std::mem::take(&mut self.bytes));
        let mut message = std::mem::take(&mut self.partial);
        if self.delimiter == Delimiter::Line && self.last.take() == Some(b'\r') {
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

    fn split(delimiter: Delimiter, input: &[u8], size: usize) -> Vec<InputItem> {
        let mut splitter = Splitter::new(delimiter);
        let mut items: Vec<_> = input.chunks(size).flat_map(|bytes| splitter.take(bytes)).collect();
        items.extend(splitter.end());
        items
    }

    fn check(delimiter: Delimiter, input: &[u8], expected: &[&str]) {
        let mut expected: Vec<_> =
            expected.iter().map(|text| InputItem::Message((*text).to_owned())).collect();
        expected.push(InputItem::End);
        for size in [1, 2, 3, usize::MAX] {
            assert_eq!(split(delimiter, input, size), expected, "{input:?} in pieces of {size}");
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
                split(Delimiter::Line, &input, size),
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
