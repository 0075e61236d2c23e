//! Messages of one run, from standard input to their confirmation: the thread that reads and
//! splits the input, and the queue that counts which messages are receipted or written.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use mio::Waker;

use super::refused::beginning;
use super::waiting::may_be_there;
use crate::app::error::{self, SIGNAL_CODE, code};
use crate::chat::Protocol;
use crate::events::{Done, OutputEvent};
use crate::limits::MESSAGE_BYTES;
use crate::net::lines::BlockingReader;
use crate::session::EXIT;
use crate::text::safe::SafeText;
use crate::text::utf8;
use crate::ui::terminal::TypedInput;

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

/// What became of messages where no connection took one.
pub(super) fn nothing_sent(messages: u64) -> String {
    match messages {
        0 => "nothing was sent".to_owned(),
        1 => "nothing was sent; 1 message was dropped".to_owned(),
        messages => format!("nothing was sent; {messages} messages were dropped"),
    }
}

/// Item of the input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum InputItem {
    Message(String),
    /// No message, for this reason; `number` counts from 1.
    Refused {
        number: u64,
        /// Its beginning, as it may be shown.
        begins: String,
        why: InvalidInput,
    },
    /// Nothing follows.
    End,
    /// Nothing follows: the input cannot be read, for this reason.
    Broken(String),
}

/// Reason why an item of the input is no message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum InvalidInput {
    #[error("it is not UTF-8")]
    NotText,
    #[error("it has {0} bytes, a message has at most {MESSAGE_BYTES}")]
    TooLong(u64),
}

/// Bytes read at once.
const READ_BYTES: usize = 65_536;
/// Messages that are named at most when they have no way to go.
const UNSENT_ROWS: usize = 20;
/// Reads that may be ahead of what is sent.
pub(super) const READS_AHEAD: usize = 4;

/// Starts the thread that reads the input.
pub(crate) fn start_reader(delimiter: Delimiter, waker: Arc<Waker>) -> io::Result<Receiver<Vec<InputItem>>> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (sender, items) = sync_channel(READS_AHEAD);
    thread::Builder::new().name("input".into()).spawn(move || {
        read(TypedInput::new(BlockingReader(input), &io::stdin()), delimiter, &sender, &waker);
    })?;
    Ok(items)
}

/// Reads the whole input as one message, without the newline at its end.
pub(crate) fn read_message() -> Result<String, String> {
    let input = BlockingReader(File::from(
        io::stdin().as_fd().try_clone_to_owned().map_err(|error| error::describe(&error))?,
    ));
    let mut input = TypedInput::new(input, &io::stdin());
    let mut bytes = Vec::new();
    let most = MESSAGE_BYTES as u64 + 2;
    input.by_ref().take(most + 1).read_to_end(&mut bytes).map_err(|error| error::describe(&error))?;
    let text = bytes.strip_suffix(b"\n").map_or(&*bytes, |text| text.strip_suffix(b"\r").unwrap_or(text));
    if text.len() > MESSAGE_BYTES {
        return Err(format!("it has more than {MESSAGE_BYTES} bytes, the limit for a message"));
    }
    let text = utf8::without_mark(text).to_vec();
    String::from_utf8(text).map_err(|_| InvalidInput::NotText.to_string())
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
            let begins = beginning(&message);
            return InputItem::Refused { number, begins, why: InvalidInput::TooLong(bytes) };
        }
        if number == 1 {
            message.drain(..message.len() - utf8::without_mark(&message).len());
        }
        match String::from_utf8(message) {
            Ok(text) => InputItem::Message(text),
            Err(error) => {
                let begins = beginning(error.as_bytes());
                InputItem::Refused { number, begins, why: InvalidInput::NotText }
            }
        }
    }
}

/// Totals of everything that was sent, since the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    /// Messages with a receipt.
    pub(crate) receipted: u64,
    /// Messages that went out on the raw wire.
    pub(crate) sent: u64,
    /// Bytes that no socket has taken.
    pub(crate) unsent_bytes: usize,
}

/// Messages that sockets have taken on the raw wire, which has no receipts, one connection after
/// the other.
#[derive(Debug, Default)]
struct WriteLedger {
    written: u64,
    /// Messages and bytes of earlier connections that no socket took.
    lost_messages: u64,
    lost_bytes: usize,
}

impl WriteLedger {
    /// Counts the messages that were written for certain: as long as one byte waits, none after the
    /// last count.
    fn count(&mut self, totals: Totals) -> u64 {
        if totals.unsent_bytes <= self.lost_bytes {
            self.written = totals.sent.saturating_sub(self.lost_messages);
        }
        self.written
    }

    /// Begins the next connection: bytes that no socket has taken by now are lost.
    fn begin(&mut self, totals: Totals) {
        self.lost_messages = totals.sent.saturating_sub(self.written);
        self.lost_bytes = totals.unsent_bytes;
    }
}

/// State of the message `exit`, which ends a conversation on the raw wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum ExitMessage {
    #[default]
    NotQueued,
    /// Last of the pending messages.
    Queued,
    Written,
}

/// Message after `exit`, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("message {0} and what follows were not sent: `exit` before it ends the conversation")]
pub(crate) struct AfterExit(u64);

#[derive(Default)]
pub(crate) struct SendQueue {
    /// On the raw wire a message is confirmed when the socket has taken it, else by its receipt.
    ledger: Option<WriteLedger>,
    /// Messages that are not confirmed, the oldest first.
    pending: VecDeque<String>,
    /// How many of these are in flight.
    in_flight: usize,
    /// How many of these a connection ever took.
    exposed: usize,
    /// Whether a connection ever took one.
    has_begun: bool,
    /// Messages that were read, those that were refused included.
    read: u64,
    refused: u64,
    /// Confirmed messages, `exit` included.
    proved: u64,
    delivered: u64,
    exit: ExitMessage,
}

impl SendQueue {
    pub(crate) fn new(protocol: Protocol) -> Self {
        let ledger = (protocol != Protocol::Native).then(WriteLedger::default);
        Self { ledger, ..Self::default() }
    }

    pub(crate) fn is_oaep(&self) -> bool {
        self.ledger.is_some()
    }

    /// Queues a message that was read. On the raw wire nothing can follow `exit`.
    pub(crate) fn push(&mut self, text: String) -> Result<(), AfterExit> {
        if self.exit != ExitMessage::NotQueued {
            self.refuse();
            return Err(AfterExit(self.read));
        }
        if self.is_oaep() && text == EXIT {
            self.exit = ExitMessage::Queued;
        } else {
            self.read += 1;
        }
        self.pending.push_back(text);
        Ok(())
    }

    /// Counts a piece of input that is no message.
    pub(crate) fn refuse(&mut self) {
        self.read += 1;
        self.refused += 1;
    }

    /// Counts the part of the input that could not be read.
    pub(crate) fn break_off(&mut self) {
        self.refused += 1;
    }

    /// Queues `exit` at the end of the input: on the raw wire it is a message like any other.
    pub(crate) fn end(&mut self) {
        if self.is_oaep() && self.exit == ExitMessage::NotQueued {
            self.exit = ExitMessage::Queued;
            self.pending.push_back(EXIT.to_owned());
        }
    }

    /// Next message to send.
    pub(crate) fn next(&mut self) -> Option<&str> {
        let next = self.pending.get(self.in_flight)?;
        self.in_flight += 1;
        self.exposed = self.exposed.max(self.in_flight);
        self.has_begun = true;
        Some(next)
    }

    /// Whether a connection ever took a message.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(crate) fn has_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// Whether nothing is left, `exit` included.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether nothing is left but `exit`.
    pub(crate) fn only_exit_is_left(&self) -> bool {
        self.pending.len() <= usize::from(self.exit == ExitMessage::Queued)
    }

    /// The first messages that no connection has taken, as they may be shown, one row each, and how
    /// many more there are.
    pub(crate) fn unsent_rows(&self) -> Vec<String> {
        let unsent = self.pending.iter().skip(self.in_flight).filter(|text| !self.is_oaep() || *text != EXIT);
        let rows: Vec<_> = unsent.map(|text| SafeText::line(text).to_string()).collect();
        let more = rows.len().saturating_sub(UNSENT_ROWS);
        let rest = (more > 0).then(|| format!("and {more} more"));
        rows.into_iter().take(UNSENT_ROWS).chain(rest).collect()
    }

    /// Drops `exit`: the peer has ended the conversation in order.
    pub(crate) fn drop_exit(&mut self) {
        self.pending.clear();
        self.exit = ExitMessage::NotQueued;
    }

    /// Removes the messages that are proved by now. Returns whether there were any.
    pub(crate) fn prove(&mut self, totals: Totals) -> bool {
        let now = self.ledger.as_mut().map_or(totals.receipted, |ledger| ledger.count(totals));
        let more = now > self.proved;
        for _ in self.proved..now {
            self.pending.pop_front();
            self.in_flight = self.in_flight.saturating_sub(1);
            self.exposed = self.exposed.saturating_sub(1);
            if self.exit == ExitMessage::Queued && self.pending.is_empty() {
                self.exit = ExitMessage::Written;
            } else {
                self.delivered += 1;
            }
        }
        self.proved = now;
        more
    }

    /// Sends pending messages again: their connection is lost. Returns how many were sent on it.
    pub(crate) fn resend(&mut self) -> usize {
        std::mem::take(&mut self.in_flight)
    }

    /// Begins a connection: what the one before has not written by now is lost.
    pub(crate) fn begin(&mut self, totals: Totals) {
        if let Some(ledger) = &mut self.ledger {
            ledger.begin(totals);
        }
    }

    /// Whether nothing was refused, and nothing but `exit` waits.
    pub(crate) fn is_proved(&self) -> bool {
        self.refused == 0 && self.only_exit_is_left()
    }

    /// Participle for a confirmed message.
    pub(crate) fn word(&self) -> &'static str {
        if self.is_oaep() { "written" } else { "acknowledged" }
    }

    /// Exit code by what became of the messages, the error event for it, and the counts.
    /// `unread` is the clause for an input that was not read to its end.
    pub(crate) fn outcome(&self, code: u8, unread: &str) -> (Option<OutputEvent>, Done) {
        let missing = self.read - self.delivered;
        let code = match code {
            0 if self.is_oaep() && !self.pending.is_empty() => code::LOST,
            0 if missing + self.refused > 0 => code::FAILED,
            code => code,
        };
        let goodbye = if self.exit == ExitMessage::Queued { "; the goodbye was not written" } else { "" };
        let (delivered, word) = (self.delivered, self.word());
        let (messages, was) = if delivered == 1 { ("message", "was") } else { ("messages", "were") };
        let was_not = if missing == 1 { "was" } else { "were" };
        let is_cut_off = code == code::LOST || code >= SIGNAL_CODE;
        let exposed = if is_cut_off && !self.is_oaep() { self.exposed } else { 0 };
        let there = may_be_there(exposed);
        let message = if self.has_begun {
            format!("{delivered} {messages} {was} {word}, {missing} {was_not} not{there}{unread}{goodbye}")
        } else {
            format!("{}{unread}", nothing_sent(missing))
        };
        let kind = if self.is_oaep() { "not_written" } else { "not_receipted" };
        let error = (code != 0).then_some(OutputEvent::Error { kind, message, hint: None });
        let (receipted, written) =
            if self.is_oaep() { (None, Some(self.delivered)) } else { (Some(self.delivered), None) };
        (error, Done { code, messages: Some(self.read), receipted, written, ..Done::default() })
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
    fn lines_texts_between_nuls_and_a_whole_input_are_messages() {
        check(Delimiter::Line, b"", &[]);
        check(Delimiter::Line, b"one\ntwo", &["one", "two"]);
        check(Delimiter::Line, b"one\r\n\ntwo\r\n:quit\n", &["one", "", "two", ":quit"]);
        check(Delimiter::Line, b"a\rb\n\r\r\n\0\n", &["a\rb", "\r", "\0"]);
        check(Delimiter::Line, "안녕\n".as_bytes(), &["안녕"]);
        check(Delimiter::Nul, b"one\ntwo\r\n\0three", &["one\ntwo\r\n", "three"]);
        check(Delimiter::Nul, b"\0", &[""]);
        check(Delimiter::Whole, b"one\r\ntwo\n\0", &["one\r\ntwo\n\0"]);
        check(Delimiter::Whole, b"", &[""]);
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_number_and_the_rest_goes_on() {
        let long = "x".repeat(MESSAGE_BYTES);
        let input = [&b"a\n\xff\n"[..], long.as_bytes(), b"\r\n", long.as_bytes(), b"y\r\nb\n"].concat();
        for size in [7, usize::MAX] {
            let why = InvalidInput::TooLong(MESSAGE_BYTES as u64 + 1);
            let expected = [
                InputItem::Message("a".to_owned()),
                InputItem::Refused { number: 2, begins: "\\xff".to_owned(), why: InvalidInput::NotText },
                InputItem::Message(long.clone()),
                InputItem::Refused { number: 4, begins: beginning(long.as_bytes()), why },
                InputItem::Message("b".to_owned()),
                InputItem::End,
            ];
            assert_eq!(split(Delimiter::Line, &input, size), expected);
        }
    }

    fn totals(sent: u64, unsent_bytes: usize) -> Totals {
        Totals { receipted: 0, sent, unsent_bytes }
    }

    #[test]
    fn what_a_socket_has_not_taken_is_not_written_and_is_not_counted_for_the_next_connection() {
        let mut ledger = WriteLedger::default();
        let counts = [(0, 0), (3, 0), (5, 512)].map(|(sent, unsent)| ledger.count(totals(sent, unsent)));
        assert_eq!(counts, [0, 3, 3]);
        assert_eq!(ledger.count(totals(5, 0)), 5);
        assert_eq!(ledger.count(totals(7, 300)), 5);
        // The connection is lost with these two, which are sent again.
        ledger.begin(totals(7, 300));
        let counts = [(7, 300), (8, 556), (9, 300)].map(|(sent, unsent)| ledger.count(totals(sent, unsent)));
        assert_eq!(counts, [5, 5, 7]);
    }
}
