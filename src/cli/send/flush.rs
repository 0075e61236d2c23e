//! `rsachat send --flush` on a home that another process has open: the peers for whom something
//! waits are called through that process, which sends it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::through_owner::{relay_warning, waits};
use super::waiting::{no_address, not_received, tell_blocked, warn};
use crate::app::error::{AppError, code};
use crate::app::owner_client::{OwnerClient, OwnerFault, silent};
use crate::events::{Done, OutputEvent, OutputFormat, emit};
use crate::net::process::Signals;
use crate::peers::book::Book;

/// Time for peers that are connected to show what they get, where no other is given.
const FLUSH_TIME: Duration = Duration::from_secs(30);

/// Beginning of the id of an order to call a peer; its name follows.
const CALL: &str = "call ";

/// What is to be sent of that which waits.
pub(super) struct OwnedFlush<'a> {
    /// Peer that it waits for; everybody, where there is none.
    pub(super) name: Option<String>,
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
    let (name, format) = (flush.name.as_deref(), flush.format);
    let until = Instant::now() + flush.timeout.unwrap_or(FLUSH_TIME);
    let is_blocked = |name: &String| book.find(name).is_some_and(|peer| peer.trust.is_blocked());
    let mut blocked = Vec::new();
    let (mut called, mut waiting, mut left, mut is_called) = (BTreeSet::new(), None, None, true);
    client.order(&json!({ "face": "sender" }));
    client.order(&json!({ "id": "outbox", "command": "outbox" }));
    let code = loop {
        if let Some(signal) = signals.next() {
            break signal.number().saturating_add(128);
        }
        if waiting == Some(0) {
            break 0;
        }
        left = waiting.or(left);
        // Who leaves may have shown everything: what is left then is asked for first.
        let is_nobody_left = !is_called && called.is_empty() && waiting.is_some();
        if left.is_some() && Instant::now() >= until || is_nobody_left {
            break code::QUEUED;
        }
        let events = match client.wait(left.map(|_| until)) {
            Ok(events) => events,
            Err(OwnerFault::Silent(process)) => return Err(silent(process)),
            Err(OwnerFault::Ended(_)) => return Ok(None),
        };
        for event in events {
            let text = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default();
            match (text("event"), text("id")) {
                ("table", "outbox") => {
                    let names = receivers(&event, name);
                    waiting = Some(names.values().sum());
                    blocked = names.keys().filter(|name| is_blocked(name)).cloned().collect();
                    let others = names.into_keys().filter(|name| !is_blocked(name));
                    for name in others.filter(|_| is_called) {
                        let id = format!("{CALL}{name}");
                        client.order(&json!({ "id": id, "command": "connect", "arguments": [name] }));
                        client.order(&json!({ "id": format!("there {name}"), "wait": "connection" }));
                        called.insert(name);
                    }
                    is_called = false;
                }
                ("reply", "outbox") if waiting.is_none() => waiting = Some(0),
                ("reply", id) => {
                    // One that is not reached is not waited for.
                    let name = id.strip_prefix("there ").unwrap_or_default();
                    if event.get("ok") == Some(&Value::Bool(false)) {
                        called.remove(name);
                    }
                }
                ("received", _) => {
                    waiting = None;
                    client.order(&json!({ "id": "outbox", "command": "outbox" }));
                }
                ("away", _) => _ = called.remove(text("to")),
                ("warning", id) => match id.strip_prefix(CALL).and_then(|name| book.find(name)) {
                    // As of a call that is made here.
                    Some(peer) if peer.addresses.is_empty() => warn(no_address(peer), format),
                    _ => relay_warning(&event, format, flush.home),
                },
                _ => {}
            }
        }
    };
    for name in &blocked {
        tell_blocked(name, format, flush.home);
    }
    let code = if code == code::QUEUED && !blocked.is_empty() { code::REFUSED } else { code };
    if left.is_some_and(|left| left > 0) && code != 0 {
        let message = not_received(left.unwrap_or(0), 0, 0);
        emit(&OutputEvent::Error { kind: "queued", message, hint: None }, format);
    }
    emit(&OutputEvent::Done(Done { code, ..Done::default() }), format);
    Ok(Some(code))
}

/// Names in the table of `:outbox`, each with the number of its messages.
fn receivers(table: &Value, only: Option<&str>) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for row in table.get("rows").and_then(Value::as_array).into_iter().flatten() {
        let name = row.get(0).and_then(Value::as_str).unwrap_or_default();
        if waits(row) && only.is_none_or(|only| only == name) {
            *names.entry(name.to_owned()).or_default() += 1;
        }
    }
    names
}
