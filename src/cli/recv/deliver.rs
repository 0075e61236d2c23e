//! Deliverer of messages: a thread that writes them to standard output or hands them to a command,
//! in their order, and reports each that has arrived there, and no other.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use mio::Waker;

use crate::app::error::describe;
use crate::app::os::print;
use crate::chat::{Message, ReceiptDue};
use crate::events::Event;
use crate::events::from_notice::message;
use crate::ids::ConnId;
use crate::text::safe::SafeText;

/// Destination of messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Destination {
    /// One line of safe text each.
    Text,
    /// One JSON object each.
    Json,
    /// Standard input of a shell command for each, which gets the exact bytes.
    Command(String),
}

/// Report of the thread.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// A message has arrived, and so has everything before it on its connection.
    Upto(ReceiptDue),
    /// A message could not be handed over, so nothing that follows on its connection will be.
    Failed { conn: ConnId, why: String },
    /// Standard output cannot be written. Nothing follows.
    Broken(io::Error),
    /// As many as were asked for have arrived. Nothing follows.
    Enough,
}

/// Bytes that may wait before peers are no longer read.
const BACKLOG_BYTES: usize = 1024 * 1024;
/// Approximate cost of a waiting message besides its text, in bytes.
const MESSAGE_OVERHEAD: usize = 512;

/// Item for the thread.
enum Item {
    Message(Message, ReceiptDue),
    /// Nothing follows on this connection.
    Closed(ConnId),
}

/// Handle of the thread.
pub(crate) struct Deliverer {
    /// `None` once nothing follows.
    queue: Option<Sender<Item>>,
    reports: Receiver<Delivered>,
    /// The thread has ended, and all its reports have been taken.
    ended: bool,
    backlog: Arc<AtomicUsize>,
}

impl Deliverer {
    /// Starts the thread. It stops by itself after `count` messages.
    pub(crate) fn start(destination: Destination, count: Option<u64>, waker: Arc<Waker>) -> io::Result<Self> {
        let (queue, items) = channel();
        let (sender, reports) = channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let thread =
            Thread { destination, remaining: count, failed: BTreeSet::new(), backlog: Arc::clone(&backlog) };
        thread::Builder::new().name("deliver".into()).spawn(move || {
            thread.run(&items, |report| {
                // The receiver may have gone.
                let _ = sender.send(report);
                let _ = waker.wake();
            });
            drop(sender);
            let _ = waker.wake();
        })?;
        Ok(Self { queue: Some(queue), reports, ended: false, backlog })
    }

    pub(crate) fn put(&self, message: Message, due: ReceiptDue) {
        self.backlog.fetch_add(weight(&message), Ordering::Relaxed);
        self.send(Item::Message(message, due));
    }

    /// Forgets a connection of which a message could not be handed over: nothing follows on it.
    pub(crate) fn forget(&self, conn: ConnId) {
        self.send(Item::Closed(conn));
    }

    /// Ends the thread once it has delivered what it has.
    pub(crate) fn close(&mut self) {
        self.queue = None;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.backlog.load(Ordering::Relaxed) > BACKLOG_BYTES
    }

    pub(crate) fn next(&mut self) -> Option<Delivered> {
        let next = self.reports.try_recv();
        self.ended |= next.as_ref().err() == Some(&TryRecvError::Disconnected);
        next.ok()
    }

    fn send(&self, item: Item) {
        if let Some(queue) = &self.queue {
            // A thread that has ended has reported why.
            let _ = queue.send(item);
        }
    }
}

fn weight(message: &Message) -> usize {
    message.text.len() + MESSAGE_OVERHEAD
}

/// State of the thread.
struct Thread {
    destination: Destination,
    /// Messages still wanted, if they are counted.
    remaining: Option<u64>,
    /// Connections with a message that could not be handed over, while more of theirs may come.
    failed: BTreeSet<ConnId>,
    backlog: Arc<AtomicUsize>,
}

impl Thread {
    fn run(mut self, items: &Receiver<Item>, report: impl Fn(Delivered)) {
        while let Ok(first) = items.recv() {
            let mut batch: Vec<_> = self.take(first).into_iter().collect();
            // Standard output takes everything that waits in one piece.
            while !matches!(self.destination, Destination::Command(_))
                && self.remaining.is_none_or(|remaining| (batch.len() as u64) < remaining)
                && let Ok(more) = items.try_recv()
            {
                batch.extend(self.take(more));
            }
            if batch.is_empty() {
                continue;
            }
            self.backlog.fetch_sub(batch.iter().map(|(message, _)| weight(message)).sum(), Ordering::Relaxed);
            let Some(delivered) = self.deliver(&batch, &report) else { return };
            if let Some(remaining) = &mut self.remaining {
                *remaining = remaining.saturating_sub(delivered);
                if *remaining == 0 {
                    return report(Delivered::Enough);
                }
            }
        }
    }

    fn take(&mut self, item: Item) -> Option<(Message, ReceiptDue)> {
        match item {
            Item::Message(message, due) => Some((message, due)),
            Item::Closed(conn) => {
                self.failed.remove(&conn);
                None
            }
        }
    }

    /// Delivers a batch. Returns how many have arrived, or `None` when nothing more can be written.
    fn deliver(&mut self, batch: &[(Message, ReceiptDue)], report: &impl Fn(Delivered)) -> Option<u64> {
        let mut text = String::new();
        let mut delivered = 0;
        for (received, due) in batch {
            match &self.destination {
                Destination::Json => {
                    text.push_str(&Event::Message(message(received)).to_json(received.arrived.0, None));
                }
                Destination::Text => {
                    text.push_str(SafeText::line_from_bytes(&received.text).as_str());
                    text.push('\n');
                }
                Destination::Command(_) if self.failed.contains(&due.conn) => {}
                Destination::Command(command) => match run_command(command, received) {
                    Ok(()) => {
                        delivered += 1;
                        report(Delivered::Upto(*due));
                    }
                    Err(why) => {
                        self.failed.insert(due.conn);
                        report(Delivered::Failed { conn: due.conn, why });
                    }
                },
            }
        }
        if matches!(self.destination, Destination::Command(_)) {
            return Some(delivered);
        }
        if let Err(error) = print(&text) {
            report(Delivered::Broken(error));
            return None;
        }
        for (_, due) in batch {
            report(Delivered::Upto(*due));
        }
        Some(batch.len() as u64)
    }
}

/// Runs the command for one message; only its exit code 0 counts.
fn run_command(command: &str, received: &Message) -> Result<(), String> {
    let event = message(received);
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("RSACHAT_FROM", event.from)
        .env("RSACHAT_FINGERPRINT", event.fingerprint.unwrap_or_default())
        .env("RSACHAT_VERIFIED", if event.verified { "yes" } else { "no" })
        .env("RSACHAT_SENT", event.sent)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run the command: {}", describe(&error)))?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not want all of it may close its input; its exit code decides.
        let _ = input.write_all(&received.text);
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(match status.code() {
            Some(code) => format!("the command ended with code {code}"),
            None => "the command was ended by a signal".to_owned(),
        }),
        Err(error) => Err(format!("cannot wait for the command: {}", describe(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::TrustLevel;
    use crate::time::UnixMs;

    /// Thread whose command fails for every message.
    fn failing() -> Thread {
        let destination = Destination::Command("exit 1".to_owned());
        Thread { destination, remaining: None, failed: BTreeSet::new(), backlog: Arc::default() }
    }

    fn received(text: &str) -> Message {
        Message {
            name: "bob".to_owned(),
            fingerprint: None,
            trust_level: TrustLevel::Unauthenticated,
            arrived: UnixMs(0),
            sent: UnixMs(0),
            rows: SafeText::rows(text),
            text: text.into(),
        }
    }

    #[test]
    fn a_connection_that_was_closed_for_a_failed_message_is_remembered_no_longer_than_that() {
        let mut thread = failing();
        for number in 0..100 {
            let due = ReceiptDue { conn: ConnId(number), upto: 1 };
            let batch = [thread.take(Item::Message(received("x"), due)).unwrap()];
            assert_eq!(thread.deliver(&batch, &|_| ()), Some(0));
            assert_eq!(thread.failed.len(), 1, "what follows on it is not handed over");
            thread.take(Item::Closed(ConnId(number)));
            assert!(thread.failed.is_empty());
        }
    }
}
