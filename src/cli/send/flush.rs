//! `rsachat send --flush` on a home that another process has open: the peers for whom something
//! waits are called through that process, which sends it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::through_owner::{relay_warning, waits};
use super::waiting::{
    RECEIPT_TIME, code_of_waiting, no_address, not_known, not_received, tell_blocked, warn, with_reason,
};
use crate::app::error::{AppError, code};
use crate::app::owner_client::{OwnerClient, OwnerFault, silent};
use crate::cli::args::via_arguments;
use crate::crypto::Fingerprint;
use crate::events::{Done, OutputEvent, OutputFormat, emit};
use crate::net::process::Signals;
use crate::peers::book::Book;
use crate::peers::via::Via;

/// Beginning of the id of an order to call a peer; its name follows.
const CALL: &str = "call ";
/// The same of one to wait for it.
const THERE: &str = "there ";

/// What is to be sent of that which waits.
pub(super) struct OwnedFlush<'a> {
    /// Peer that it waits for; everybody, where there is none.
    pub(super) name: Option<String>,
    pub(super) via: Option<Via>,
    /// Time from one sign of progress to the next.
    pub(super) timeout: Option<Duration>,
    pub(super) format: OutputFormat,
    /// Home folder of the command line.
    pub(super) home: Option<&'a Path>,
}

/// Sends what waits with the owner. None, if that ends meanwhile: what waits is sent by whoever has
/// the home then.
pub(super) fn flush(
    mut client: OwnerClient,
    flush: &OwnedFlush<'_>,
    book: &Book,
    signals: &Signals,
) -> Result<Option<u8>, AppError> {
    let mut run = Run {
        flush,
        book,
        listed: None,
        listing: Listing::Current,
        received: BTreeMap::new(),
        expiry: Expiry::None,
        expired: 0,
        code_of_waiting: code::QUEUED,
        called: BTreeSet::new(),
        last_progress: Instant::now(),
    };
    client.order(&json!({ "face": "sender" }));
    run.list(&mut client);
    let code = loop {
        if let Some(signal) = signals.next() {
            break signal.number().saturating_add(128);
        }
        if let Some(code) = run.outcome() {
            break code;
        }
        let events = match client.wait(run.gives_up_at()) {
            Ok(events) => events,
            Err(OwnerFault::Silent(process)) => return Err(silent(process)),
            Err(OwnerFault::Ended(_)) => return Ok(None),
        };
        for event in &events {
            run.take(&mut client, event);
        }
    };
    Ok(Some(run.end(code)))
}

/// Numbers of what waits, by the name of the peer.
type Rows = BTreeMap<String, BTreeSet<u64>>;

struct Run<'a> {
    flush: &'a OwnedFlush<'a>,
    book: &'a Book,
    /// What waits, as it was listed last.
    listed: Option<Rows>,
    listing: Listing,
    /// The highest numbers that were shown.
    received: BTreeMap<String, u64>,
    expiry: Expiry,
    /// Number of messages whose time has passed meanwhile.
    expired: usize,
    /// Exit code where something waits.
    code_of_waiting: u8,
    /// Those that are called and may be reached.
    called: BTreeSet<String>,
    last_progress: Instant,
}

/// Whether what waits is being listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Listing {
    /// What was listed holds.
    Current,
    Asked,
    /// Something has changed since it was asked for.
    Outdated,
}

/// Whether the time of something has passed since the last listing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expiry {
    None,
    Told,
}

impl Run<'_> {
    /// Exit code, once there is nothing more to wait for.
    fn outcome(&self) -> Option<u8> {
        let listed = self.listed.as_ref().filter(|_| self.listing == Listing::Current)?;
        if listed.is_empty() {
            return Some(if self.expired > 0 { code::LOST } else { 0 });
        }
        let is_over = self.called.is_empty() || self.gives_up_at().is_some_and(|at| at <= Instant::now());
        is_over.then_some(if self.expired > 0 { code::LOST } else { self.code_of_waiting })
    }

    /// Moment at which nothing more is waited for, once it is known what waits.
    fn gives_up_at(&self) -> Option<Instant> {
        self.listed.as_ref()?;
        self.last_progress.checked_add(self.flush.timeout.unwrap_or(RECEIPT_TIME))
    }

    /// Asks what waits. Of what changes until the answer is there, the next one tells.
    fn list(&mut self, client: &mut OwnerClient) {
        if self.listing != Listing::Current {
            self.listing = Listing::Outdated;
            return;
        }
        self.listing = Listing::Asked;
        client.order(&json!({ "id": "outbox", "command": "outbox" }));
    }

    fn take(&mut self, client: &mut OwnerClient, event: &Value) {
        let text = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default();
        let format = self.flush.format;
        match (text("event"), text("id")) {
            // It has no table when nothing waits.
            ("table" | "notice", "outbox") => {
                self.take_listed(client, receivers(event, self.flush.name.as_deref()));
            }
            ("reply", "outbox") => {
                self.listed.get_or_insert_default();
                let is_outdated = std::mem::replace(&mut self.listing, Listing::Current) == Listing::Outdated;
                if is_outdated {
                    self.list(client);
                }
            }
            ("reply", id) => {
                let Some(name) = id.strip_prefix(THERE) else { return };
                if event.get("ok") == Some(&Value::Bool(true)) {
                    self.last_progress = Instant::now();
                } else {
                    // One that is not reached is not waited for.
                    self.called.remove(name);
                }
            }
            ("delivered", _) if self.called.contains(text("to")) => self.last_progress = Instant::now(),
            ("received", _) => {
                if self.called.contains(text("to")) {
                    self.last_progress = Instant::now();
                }
                let upto = event.get("upto").and_then(Value::as_u64).unwrap_or(0);
                self.received.insert(text("to").to_owned(), upto);
                self.list(client);
            }
            ("away", _) => _ = self.called.remove(text("to")),
            ("warning", id) => {
                match id.strip_prefix(CALL).and_then(|name| self.book.find(name)) {
                    // As of a call that is made here.
                    Some(peer) if peer.targets().next().is_none() => warn(no_address(peer), format),
                    _ => relay_warning(event, format, self.flush.home),
                }
                if code_of_waiting(text("kind")) == code::REFUSED {
                    self.code_of_waiting = code::REFUSED;
                }
                if text("kind") == "expired" {
                    self.expiry = Expiry::Told;
                    self.list(client);
                }
            }
            _ => {}
        }
    }

    /// Takes what waits now; at first, who gets it is called.
    fn take_listed(&mut self, client: &mut OwnerClient, rows: Rows) {
        let Some(before) = self.listed.take() else {
            let is_called = |name: &&String| match name.parse::<Fingerprint>() {
                Ok(key) => {
                    warn(not_known(&key), self.flush.format);
                    false
                }
                Err(_) => !self.is_blocked(name),
            };
            self.called = rows.keys().filter(is_called).cloned().collect();
            for name in &self.called {
                let arguments: Vec<_> =
                    [name.clone()].into_iter().chain(via_arguments(self.flush.via.as_ref())).collect();
                client.order(
                    &json!({ "id": format!("{CALL}{name}"), "command": "connect", "arguments": arguments }),
                );
                client.order(&json!({ "id": format!("{THERE}{name}"), "wait": "connection" }));
            }
            self.listed = Some(rows);
            return;
        };
        if std::mem::replace(&mut self.expiry, Expiry::None) == Expiry::Told {
            let is_gone = |name: &String, number: &u64| {
                let is_received = self.received.get(name).is_some_and(|upto| number <= upto);
                !is_received && !rows.get(name).is_some_and(|rows| rows.contains(number))
            };
            let gone = before.iter().map(|(name, rows)| rows.iter().filter(|one| is_gone(name, one)).count());
            self.expired += gone.sum::<usize>();
        }
        self.listed = Some(rows);
    }

    fn is_blocked(&self, name: &str) -> bool {
        self.book.find(name).is_some_and(|peer| peer.trust.is_blocked())
    }

    /// Tells how it ends.
    fn end(&self, code: u8) -> u8 {
        let OwnedFlush { format, home, .. } = *self.flush;
        let rows = self.listed.as_ref();
        let blocked: Vec<_> =
            rows.into_iter().flat_map(Rows::keys).filter(|name| self.is_blocked(name)).collect();
        for name in &blocked {
            tell_blocked(name, format, home);
        }
        let code = if code == code::QUEUED && !blocked.is_empty() { code::REFUSED } else { code };
        let left: usize = rows.into_iter().flat_map(Rows::values).map(BTreeSet::len).sum();
        if left > 0 {
            let message = with_reason(self.code_of_waiting, not_received(left, 0, 0));
            emit(&OutputEvent::Error { kind: "queued", message, hint: None }, format);
        }
        emit(&OutputEvent::Done(Done { code, ..Done::default() }), format);
        code
    }
}

/// What waits for one peer, or for all, in the table of `:outbox`.
fn receivers(table: &Value, only: Option<&str>) -> Rows {
    let mut rows = Rows::new();
    for row in table.get("rows").and_then(Value::as_array).into_iter().flatten() {
        let cell = |at: usize| row.get(at).and_then(Value::as_str).unwrap_or_default();
        if waits(row) && only.is_none_or(|only| only == cell(0)) {
            rows.entry(cell(0).to_owned()).or_default().extend(cell(1).parse::<u64>());
        }
    }
    rows
}
