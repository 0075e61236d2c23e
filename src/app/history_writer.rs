//! History of a command that keeps no messages: what it sends and gets is appended to the history
//! of its home, by the process that has that open, or here, so that nobody waits for the store.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::error::{AppError, code};
use super::owner_client::{Claim, OwnerClient, Watch, claim};
use crate::crypto::Identity;
use crate::delivery::{Direction, HistoryEntry, StoreBatch};
use crate::limits::HISTORY_AHEAD;
use crate::net::Net;
use crate::store::Home;

/// Id of the last order to an owner, whose reply says that all were carried out.
const LAST: &str = "history";
/// Time for which messages wait for others, to be written together.
const DELAY: Duration = Duration::from_secs(1);

/// Messages that are to be written, and the thread that writes those before them.
pub(crate) struct HistoryWriter {
    home: Home,
    identity: Arc<Identity>,
    entries: Vec<HistoryEntry>,
    due: Option<Instant>,
    writing: Option<JoinHandle<Result<(), String>>>,
    /// Why the first that could not be written was not.
    failure: Option<String>,
    /// Messages of ours that are sent once more, and were written.
    resent: usize,
}

impl HistoryWriter {
    pub(crate) fn new(home: Home, identity: Arc<Identity>) -> Self {
        Self { home, identity, entries: Vec::new(), due: None, writing: None, failure: None, resent: 0 }
    }

    /// Takes a message, to be written soon.
    pub(crate) fn add(&mut self, entry: HistoryEntry) {
        if entry.row.direction == Direction::Sent && self.resent > 0 {
            self.resent -= 1;
            return;
        }
        if self.entries.len() == HISTORY_AHEAD {
            self.write();
        }
        self.entries.push(entry);
        self.due.get_or_insert_with(|| Instant::now() + DELAY);
    }

    /// Takes note that so many messages of ours are sent once more.
    pub(crate) fn resend(&mut self, count: usize) {
        self.resent += count;
    }

    /// Moment at which [`HistoryWriter::advance`] has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Begins to write what is due, unless others are still being written.
    pub(crate) fn advance(&mut self) {
        let now = Instant::now();
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            self.due = Some(now + DELAY);
        } else {
            self.write();
        }
    }

    /// Writes what is left, and waits for that. Returns why not everything was written.
    pub(crate) fn finish(mut self) -> Option<String> {
        if !self.entries.is_empty() {
            self.write();
        }
        self.join();
        self.failure
    }

    fn write(&mut self) {
        self.join();
        self.due = None;
        let (home, identity) = (self.home.clone(), Arc::clone(&self.identity));
        let entries = std::mem::take(&mut self.entries);
        let work = move || append(&home, &identity, &entries).map_err(|error| error.in_a_row());
        match thread::Builder::new().name("history".to_owned()).spawn(work) {
            Ok(writing) => self.writing = Some(writing),
            Err(error) => self.fail(error.to_string()),
        }
    }

    fn join(&mut self) {
        match self.writing.take().map(JoinHandle::join) {
            Some(Ok(Err(why))) => self.fail(why),
            Some(Err(_)) => self.fail("the thread that writes it has ended".to_owned()),
            Some(Ok(Ok(()))) | None => {}
        }
    }

    fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
    }
}

fn append(home: &Home, identity: &Identity, entries: &[HistoryEntry]) -> Result<(), AppError> {
    match claim(home, identity, Net::new()?, Watch::Always)? {
        Claim::Served(client) => Ok(hand_over(client, entries)?),
        Claim::Free(_, opened) => {
            let mut opened = opened?;
            let batch =
                |entry: &HistoryEntry| StoreBatch { history: vec![entry.clone()], ..StoreBatch::default() };
            let batches: Vec<_> = entries.iter().map(batch).collect();
            opened.store.commit_first(&batches).1.map_err(|failed| failed.why)?;
            opened.put_aside.map_or(Ok(()), |aside| Err(AppError::new(code::MACHINE, aside.to_string())))
        }
    }
}

/// Has them written by the owner of the home.
fn hand_over(mut client: OwnerClient, entries: &[HistoryEntry]) -> io::Result<()> {
    client.order(&json!({ "face": "sender" }));
    for (number, HistoryEntry { peer, row }) in (1..).zip(entries) {
        let direction = match row.direction {
            Direction::Sent | Direction::TakenBack => "sent",
            Direction::Received => "received",
        };
        let id = (number == entries.len()).then_some(LAST);
        client.order(&json!({ "id": id, "remember": {
            "fingerprint": peer.to_string(),
            "direction": direction,
            "at": row.at.0,
            "name": &*row.name,
            "bytes": BASE64_STANDARD.encode(&row.text),
        }}));
    }
    loop {
        match client.wait(None) {
            Ok(events) if events.iter().any(is_last) => break,
            Ok(_) => {}
            Err(fault) => return Err(io::Error::other(fault.to_string())),
        }
    }
    client.close();
    Ok(())
}

fn is_last(event: &Value) -> bool {
    event.get("id") == Some(&json!(LAST))
}
