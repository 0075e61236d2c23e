//! Items of the deliverer's threads: messages that wait, and the reports of what became of them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::reply::{InvalidReply, Reply};
use crate::app::host::Behind;
use crate::chat::{Message, ReceiptDue};
use crate::crypto::Fingerprint;
use crate::ids::ConnId;
use crate::limits::{CONNECTION_BACKLOG_BYTES, OUTPUT_BACKLOG_BYTES};

/// Approximate cost of a waiting message besides its text, in bytes.
const MESSAGE_OVERHEAD: usize = 512;

/// Report of the thread.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// A message has arrived, and so has everything before it on its connection.
    Upto(ReceiptDue),
    /// What a command has to say to the sender of its message.
    Reply(CommandReply),
    /// A message of this sender could not be handed over, so nothing that follows on its
    /// connection will be.
    Failed { due: ReceiptDue, name: String, why: String },
    /// Standard output cannot be written. Nothing follows.
    Broken(io::Error),
    /// As many as were asked for have arrived. Nothing follows.
    Enough,
}

/// Output of a command that ended well, for the connection of its message.
#[derive(Debug)]
pub(crate) struct CommandReply {
    pub(crate) conn: Option<ConnId>,
    /// Name of the sender.
    pub(crate) name: String,
    /// The text, or why the output is none.
    pub(crate) text: Result<String, InvalidReply>,
}

/// Item for the thread.
pub(super) enum Item {
    Message(Message, ReceiptDue),
    /// Text for standard error that stands for a message.
    Told(String, ReceiptDue),
    /// Nothing follows on this connection.
    Closed(ConnId),
    /// A command has ended.
    Finished(Finished),
    /// Nothing follows.
    End,
}

/// Author of messages: the raw wire proves no key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Author {
    Key(Fingerprint),
    Conn(Option<ConnId>),
}

/// Result of a command.
pub(super) struct Finished {
    pub(super) author: Author,
    pub(super) result: Result<Reply, String>,
}

fn weight(message: &Message) -> usize {
    message.text.len() + MESSAGE_OVERHEAD
}

/// Bytes of the messages that wait to be delivered.
#[derive(Clone, Default)]
pub(super) struct Backlog(Arc<Mutex<WaitingBytes>>);

#[derive(Default)]
struct WaitingBytes {
    total: usize,
    by_conn: BTreeMap<Option<ConnId>, usize>,
}

impl Backlog {
    pub(super) fn add(&self, message: &Message, due: ReceiptDue) {
        let mut waiting = self.lock();
        waiting.total += weight(message);
        *waiting.by_conn.entry(due.conn).or_default() += weight(message);
    }

    pub(super) fn remove(&self, message: &Message, due: ReceiptDue) {
        let mut waiting = self.lock();
        waiting.total = waiting.total.saturating_sub(weight(message));
        if let Some(bytes) = waiting.by_conn.get_mut(&due.conn) {
            *bytes = bytes.saturating_sub(weight(message));
            if *bytes == 0 {
                waiting.by_conn.remove(&due.conn);
            }
        }
    }

    /// Connections of which so much waits that they are not read; never one of which nothing waits.
    pub(super) fn behind(&self) -> Behind {
        let waiting = self.lock();
        let most = if waiting.total > OUTPUT_BACKLOG_BYTES { 0 } else { CONNECTION_BACKLOG_BYTES };
        let behind = waiting.by_conn.iter().filter(|(_, bytes)| **bytes > most);
        Behind::These(behind.filter_map(|(conn, _)| *conn).collect())
    }

    fn lock(&self) -> MutexGuard<'_, WaitingBytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
