//! Where messages go: one thread writes them to standard output or hands them to a command, in
//! their order, and reports each that has arrived there. What cannot be delivered is never reported
//! as if it were.

use crate::ids::ConnId;
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use mio::Waker;

use crate::app::error::describe;
use crate::chat::{Message, ReceiptDue};
use crate::events::Event;
use crate::events::from_notice::message;
use crate::text::safe::SafeText;

/// What is done with a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Destination {
    /// One line of safe text.
    Text,
    /// One JSON object.
    Json,
    /// The exact bytes to the standard input of a shell command.
    Command(String),
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// Everything of this connection up to this number has arrived.
    Upto(ReceiptDue, u64),
    /// This message could not be handed over, and so nothing that follows it on its connection will
    /// be.
    Failed { conn: ConnId, why: String },
    /// Standard output cannot be written. Nothing follows.
    Broken(io::Error),
    /// As many as were asked for have arrived. Nothing follows.
    Enough,
}

/// Bytes that may wait before peers are no longer read.
const BACKLOG_BYTES: usize = 1024 * 1024;
/// What a waiting message takes besides its text, in bytes, about.
const MESSAGE_OVERHEAD: usize = 512;

/// What the thread is given.
enum Item {
    Message(Message, ReceiptDue),
    /// Nothing follows on this connection.
    Gone(ConnId),
}

/// The owner's end of the thread.
pub(crate) struct Deliverer {
    /// `None` once nothing follows.
    queue: Option<Sender<Item>>,
    reports: Receiver<Delivered>,
    /// The thread has ended, and everything that it had to say has been heard.
    ended: bool,
    backlog: Arc<AtomicUsize>,
}

impl Deliverer {
    /// Starts the thread. It stops by itself after `count` messages.
    pub(crate) fn start(way: Destination, count: Option<u64>, waker: Arc<Waker>) -> io::Result<Self> {
        let (queue, waiting) = channel();
        let (sender, reports) = channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&backlog);
        thread::Builder::new().name("deliver".into()).spawn(move || {
            let tell = |report| {
                // Whoever asked has gone.
                let _ = sender.send(report);
                let _ = waker.wake();
            };
            Thread { way, left: count, dropped: BTreeSet::new(), backlog: left }.run(&waiting, tell);
            drop(sender);
            let _ = waker.wake();
        })?;
        Ok(Self { queue: Some(queue), reports, ended: false, backlog })
    }

    pub(crate) fn put(&self, said: Message, due: ReceiptDue) {
        self.backlog.fetch_add(weight(&said), Ordering::Relaxed);
        if let Some(queue) = &self.queue {
            // A thread that has ended has said why.
            let _ = queue.send(Item::Message(said, due));
        }
    }

    /// Nothing follows on a connection, of which a message could not be handed over.
    pub(crate) fn forget(&self, conn: ConnId) {
        if let Some(queue) = &self.queue {
            let _ = queue.send(Item::Gone(conn));
        }
    }

    /// Nothing follows: the thread ends with what it has.
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
}

fn weight(said: &Message) -> usize {
    said.text.len() + MESSAGE_OVERHEAD
}

struct Thread {
    way: Destination,
    /// Messages still wanted, if they are counted.
    left: Option<u64>,
    /// Connections with a message that could not be handed over, while more of theirs may come.
    dropped: BTreeSet<ConnId>,
    backlog: Arc<AtomicUsize>,
}

impl Thread {
    fn run(mut self, waiting: &Receiver<Item>, tell: impl Fn(Delivered)) {
        while let Ok(first) = waiting.recv() {
            let mut batch = Vec::new();
            self.take(first, &mut batch);
            // Everything that waits goes out in one piece.
            while self.way_takes_many() && self.left.is_none_or(|left| (batch.len() as u64) < left) {
                let Ok(more) = waiting.try_recv() else { break };
                self.take(more, &mut batch);
            }
            if batch.is_empty() {
                continue;
            }
            self.backlog.fetch_sub(batch.iter().map(|(said, _)| weight(said)).sum(), Ordering::Relaxed);
            let delivered = match self.way.clone() {
                Destination::Command(command) => Some(self.hand_over(&command, &batch, &tell)),
                _ => self.write(&batch, &tell),
            };
            let Some(delivered) = delivered else { return };
            if let Some(left) = &mut self.left {
                *left = left.saturating_sub(delivered);
                if *left == 0 {
                    return tell(Delivered::Enough);
                }
            }
        }
    }

    fn take(&mut self, item: Item, batch: &mut Vec<(Message, ReceiptDue)>) {
        match item {
            Item::Message(said, due) => batch.push((said, due)),
            Item::Gone(conn) => {
                self.dropped.remove(&conn);
            }
        }
    }

    fn way_takes_many(&self) -> bool {
        !matches!(self.way, Destination::Command(_))
    }

    fn write(&self, batch: &[(Message, ReceiptDue)], tell: &impl Fn(Delivered)) -> Option<u64> {
        let mut text = String::new();
        for (said, _) in batch {
            if self.way == Destination::Json {
                text.push_str(&Event::Message(message(said)).to_json(said.arrived_ms));
            } else {
                text.push_str(SafeText::line_from_bytes(&said.text).as_str());
                text.push('\n');
            }
        }
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            tell(Delivered::Broken(error));
            return None;
        }
        for (_, due) in batch {
            tell(Delivered::Upto(*due, 1));
        }
        Some(batch.len() as u64)
    }

    fn hand_over(
        &mut self,
        command: &str,
        batch: &[(Message, ReceiptDue)],
        tell: &impl Fn(Delivered),
    ) -> u64 {
        let mut delivered = 0;
        for (said, due) in batch {
            if self.dropped.contains(&due.conn) {
                continue;
            }
            match hand(command, said) {
                Ok(()) => {
                    delivered += 1;
                    tell(Delivered::Upto(*due, 1));
                }
                Err(why) => {
                    self.dropped.insert(due.conn);
                    tell(Delivered::Failed { conn: due.conn, why });
                }
            }
        }
        delivered
    }
}

/// Runs the command for one message; only its exit code 0 counts.
fn hand(command: &str, said: &Message) -> Result<(), String> {
    let about = message(said);
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("RSACHAT_FROM", about.from)
        .env("RSACHAT_FINGERPRINT", about.fingerprint.unwrap_or_default())
        .env("RSACHAT_VERIFIED", if about.verified { "yes" } else { "no" })
        .env("RSACHAT_SENT", about.sent)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run the command: {}", describe(&error)))?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not want all of it may close its input; its exit code decides.
        let _ = input.write_all(&said.text);
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

    /// A thread whose command fails for every message, with nobody to hear it.
    fn failing() -> Thread {
        let way = Destination::Command("exit 1".to_owned());
        Thread { way, left: None, dropped: BTreeSet::new(), backlog: Arc::default() }
    }

    fn said(text: &str) -> Message {
        Message {
            name: "bob".to_owned(),
            fingerprint: None,
            trust_level: TrustLevel::Unauthenticated,
            arrived_ms: 0,
            sent_ms: 0,
            rows: SafeText::rows(text),
            text: text.into(),
        }
    }

    #[test]
    fn a_connection_that_was_closed_for_a_failed_message_is_remembered_no_longer_than_that() {
        let mut thread = failing();
        for number in 0..100 {
            let due = ReceiptDue { conn: ConnId(number), upto: 1 };
            let mut batch = Vec::new();
            thread.take(Item::Message(said("x"), due), &mut batch);
            assert_eq!(thread.hand_over("exit 1", &batch, &|_| ()), 0);
            assert_eq!(thread.dropped.len(), 1, "what follows on it is not handed over");
            thread.take(Item::Gone(ConnId(number)), &mut batch);
            assert!(thread.dropped.is_empty());
        }
    }
}
