//! `rsachat send` on a home that another process has open: a face of that process, which keeps each
//! message until the peer has shown it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::queue::InputItem;
use super::refused::{beginning, tell_refused};
use super::waiting::{Departure, RECEIPT_TIME, TOLD_AFTER, code_of_waiting, tell_waiting};
use crate::app::error::{AppError, code, hint_at_home};
use crate::app::owner_client::{OwnerClient, OwnerFault, silent};
use crate::chat::Backoff;
use crate::crypto::Fingerprint;
use crate::delivery::{MessageState, TAKEN_BACK};
use crate::events::kinds::kind;
use crate::events::{OutputEvent, OutputFormat, emit};
use crate::limits::QUEUE_MESSAGES;
use crate::net::process::Signals;

mod outcome;

/// Beginning of the id of an order to take a message back; its number follows.
const WITHDRAWN: &str = "withdrawn ";

/// Time without a receipt after which a peer no longer sets the pace of what is kept.
const RECEIPT_PAUSE: Duration = Duration::from_secs(1);

/// Whether messages may stay behind with the owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Patience {
    /// They are sent to a peer that is there, and waited for.
    UntilReceipted,
    /// They are kept for a peer that is not.
    Kept,
    /// They are kept, and are to be at a relay.
    AtRelay,
}

/// Whether the peer is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Calling {
    Once,
    /// It gets letters, if it is not there already.
    Never,
}

/// What is sent to whom.
pub(super) struct OwnedSend {
    pub(super) peer: Fingerprint,
    pub(super) name: String,
    /// Address to call it at, where one is given.
    pub(super) address: Option<String>,
    pub(super) via: Vec<String>,
    /// Exit code and reason, where it cannot be called.
    pub(super) uncallable: Option<(u8, String)>,
    pub(super) patience: Patience,
    pub(super) calling: Calling,
    /// Time from one sign of progress to the next.
    pub(super) timeout: Option<Duration>,
    /// Calls after the first, where that fails.
    pub(super) retry: u32,
    pub(super) expire: Option<Duration>,
    pub(super) format: OutputFormat,
    /// Home folder of the command line.
    pub(super) home: Option<PathBuf>,
}

/// Whether the peer is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Presence {
    /// It is looked whether it is connected.
    Asked,
    /// It is called.
    Called,
    /// It is called again at this moment.
    RetryAt(Instant),
    Here,
    Away,
}

/// Whether the owner has relays in its settings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Relays {
    Asked,
    Missing,
    Used,
}

struct Run {
    send: OwnedSend,
    presence: Presence,
    /// How it went away.
    departure: Departure,
    backoff: Backoff,
    /// Messages that are read and not handed over.
    pending: VecDeque<InputItem>,
    /// `None` once the input has ended.
    items: Option<Receiver<Vec<InputItem>>>,
    /// Messages that were read, the refused included.
    read: u64,
    refused: u64,
    receipted: u64,
    /// Messages that were taken back otherwise than by this command.
    lost: u64,
    /// Messages whose orders are not answered, each with its beginning.
    unanswered: BTreeMap<u64, String>,
    /// Messages without a receipt, by the number for the peer.
    waiting: BTreeMap<u64, u64>,
    /// Numbers of those that waited for the peer before.
    before: BTreeSet<u64>,
    /// The highest number that is at a relay.
    at_relay: u64,
    /// Whether the owner has relays.
    relays: Relays,
    /// The highest number that the peer has on its disk.
    delivered: u64,
    /// Numbers of those that are being taken back.
    withdrawn: BTreeSet<u64>,
    /// The owner's, once it has ended.
    fault: Option<OwnerFault>,
    /// Why messages are refused, by their orders.
    refusals: BTreeMap<u64, String>,
    /// Code and sentence of the last warning.
    trouble: Option<(u8, String)>,
    /// Exit code where messages wait, by the last warning of a call.
    code_of_waiting: u8,
    last_progress: Instant,
    last_receipt: Instant,
    /// Time after which it is said what is waited for, until it was.
    told_after: Option<Duration>,
}

/// Sends what comes, through the owner. `items` is none where the messages are all there. None, if
/// that ends before it got any of these.
pub(super) fn run(
    mut client: OwnerClient,
    send: OwnedSend,
    messages: Vec<String>,
    items: Option<Receiver<Vec<InputItem>>>,
    signals: &Signals,
) -> Result<Option<u8>, AppError> {
    let mut run = Run {
        send,
        presence: Presence::Asked,
        departure: Departure::There,
        backoff: Backoff::default(),
        pending: messages.into_iter().map(InputItem::Message).collect(),
        items,
        read: 0,
        refused: 0,
        receipted: 0,
        lost: 0,
        unanswered: BTreeMap::new(),
        waiting: BTreeMap::new(),
        before: BTreeSet::new(),
        at_relay: 0,
        relays: Relays::Asked,
        delivered: 0,
        withdrawn: BTreeSet::new(),
        fault: None,
        refusals: BTreeMap::new(),
        trouble: None,
        code_of_waiting: code::QUEUED,
        last_progress: Instant::now(),
        last_receipt: Instant::now(),
        told_after: Some(TOLD_AFTER),
    };
    client.order(&match run.send.patience {
        Patience::Kept | Patience::AtRelay => json!({ "face": "sender" }),
        Patience::UntilReceipted => json!({ "face": "sender", "leaves": "nothing" }),
    });
    client.order(&json!({ "id": "before", "command": "outbox" }));
    client.order(&json!({ "id": "relays", "command": "relay" }));
    client.order(&json!({ "command": "to", "arguments": [run.send.name] }));
    client.order(&json!({ "id": "here", "wait": "connection" }));
    let (code, why) = loop {
        if let Some(signal) = signals.next() {
            break (signal.number().saturating_add(128), None);
        }
        run.hand_over(&mut client);
        run.call_again(&mut client);
        run.tell_waiting();
        if let Some(outcome) = run.outcome() {
            break outcome;
        }
        if let Some(fault) = run.hear(&mut client, run.next_moment())? {
            if run.items.is_none() && run.read == 0 {
                return Ok(None);
            }
            run.fault = Some(fault);
            break (code::LOST, Some(fault.to_string()));
        }
    };
    run.take_back(&mut client);
    while !run.withdrawn.is_empty() && run.hear(&mut client, None)?.is_none() {}
    Ok(Some(run.end(code, why)))
}

/// Says what the owner warns of.
pub(super) fn relay_warning(event: &Value, format: OutputFormat, home: Option<&Path>) {
    let text = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default();
    emit(
        &OutputEvent::Warning { kind: kind(text("kind")), message: hint_at_home(text("message"), home) },
        format,
    );
}

/// Exit code of what the owner of a home warns of, by the kind of the warning (`docs/EVENTS.md`).
pub(super) fn code_of_warning(kind: &str) -> u8 {
    match kind {
        "unreachable" => code::MACHINE,
        "unknown_key" | "key_changed" | "wrong_key" | "refused" | "mismatch" => code::REFUSED,
        // What failed there may work again.
        "handshake" | "lost" | "busy" | "peer_output" => code::LOST,
        _ => code::FAILED,
    }
}

/// Whether a row of the table of `:outbox` is of a message that waits.
pub(super) fn waits(row: &Value) -> bool {
    row.get(3).and_then(Value::as_str) != Some(TAKEN_BACK)
}

/// Numbers and states of the messages to one peer in the table of `:outbox`.
fn numbers_for<'a>(table: &'a Value, name: &'a str) -> impl Iterator<Item = (u64, &'a str)> {
    let rows = table.get("rows").and_then(Value::as_array).into_iter().flatten();
    let cell = |row: &'a Value, at: usize| row.get(at).and_then(Value::as_str).unwrap_or_default();
    let its = rows.filter(move |row| cell(row, 0) == name && waits(row));
    its.filter_map(move |row| Some((cell(row, 1).parse().ok()?, cell(row, 3))))
}

impl Run {
    /// Hands over what was given and read, as far as that can be.
    fn hand_over(&mut self, client: &mut OwnerClient) {
        while self.takes_more() {
            if let Some(item) = self.pending.pop_front() {
                self.say(client, item);
            } else if !self.read_more() {
                return;
            }
        }
    }

    /// Reads what is there of the input. Returns whether that was anything.
    fn read_more(&mut self) -> bool {
        match self.items.as_ref().map(Receiver::try_recv) {
            Some(Ok(more)) => {
                self.pending.extend(more);
                return true;
            }
            // From now on what waits has its time.
            Some(Err(TryRecvError::Disconnected)) => {
                (self.items, self.last_progress) = (None, Instant::now());
            }
            Some(Err(TryRecvError::Empty)) | None => {}
        }
        false
    }

    /// Calls the peer once more, if the time for that has come.
    fn call_again(&mut self, client: &mut OwnerClient) {
        if matches!(self.presence, Presence::RetryAt(at) if at <= Instant::now()) {
            self.call(client);
        }
    }

    fn call(&mut self, client: &mut OwnerClient) {
        if self.send.calling == Calling::Never {
            self.presence = Presence::Away;
            return;
        }
        if let Some((code, why)) = &self.send.uncallable {
            (self.presence, self.trouble) = (Presence::Away, Some((*code, why.clone())));
            if self.send.patience != Patience::UntilReceipted {
                emit(&OutputEvent::Warning { kind: "trouble", message: why.clone() }, self.send.format);
            }
            return;
        }
        (self.presence, self.trouble) = (Presence::Called, None);
        let mut arguments = match &self.send.address {
            Some(address) => vec![address.clone(), "--to".to_owned(), self.send.peer.to_string()],
            None => vec![self.send.name.clone()],
        };
        arguments.extend(self.send.via.clone());
        client.order(&json!({ "command": "connect", "arguments": arguments }));
        client.order(&json!({ "id": "here", "wait": "connection" }));
    }

    /// Takes note that the peer is not there: it is called again, as often as `--retry` says,
    /// unless that would end the same way.
    fn lose(&mut self) {
        let is_final =
            self.trouble.as_ref().is_some_and(|(code, _)| !matches!(*code, code::MACHINE | code::LOST));
        if self.send.retry == 0 || is_final {
            self.presence = Presence::Away;
            return;
        }
        self.send.retry -= 1;
        let delay = self.backoff.next_delay(None);
        self.presence = Presence::RetryAt(Instant::now() + Duration::from_millis(delay));
        let message = format!("trying again in {} s", delay.div_ceil(1_000));
        emit(&OutputEvent::Notice { message }, self.send.format);
    }

    /// Whether one more message can be handed over.
    fn takes_more(&self) -> bool {
        const MOST: usize = QUEUE_MESSAGES / 2;
        let has_room = self.unanswered.len() + self.waiting.len() < MOST;
        match self.send.patience {
            Patience::UntilReceipted => self.presence == Presence::Here && has_room,
            // What is to be kept is, before anybody is called. A peer that takes it sets the pace.
            Patience::Kept | Patience::AtRelay => {
                self.unanswered.len() < MOST && (has_room || self.resumes_at().is_none())
            }
        }
    }

    /// Moment from which a peer that acknowledges nothing is not waited for, if that is to come.
    fn resumes_at(&self) -> Option<Instant> {
        let at = self.last_receipt + RECEIPT_PAUSE;
        (self.presence == Presence::Here && at > Instant::now()).then_some(at)
    }

    fn say(&mut self, client: &mut OwnerClient, item: InputItem) {
        match item {
            InputItem::Message(text) => {
                self.read += 1;
                let mut order = json!({ "id": self.read, "say": text, "to": self.send.peer.to_string() });
                if let (Some(expire), Some(order)) = (self.send.expire, order.as_object_mut()) {
                    order.insert(
                        "expire".to_owned(),
                        json!(u64::try_from(expire.as_millis()).unwrap_or(u64::MAX)),
                    );
                }
                self.unanswered.insert(self.read, beginning(text.as_bytes()));
                client.order(&order);
            }
            InputItem::Refused { number, begins, why } => {
                self.read += 1;
                self.refused += 1;
                tell_refused(number, &begins, &why.to_string(), self.send.format);
            }
            InputItem::Broken(why) => {
                self.refused += 1;
                let message = format!("cannot read the input: {why}");
                emit(&OutputEvent::Error { kind: "input", message, hint: None }, self.send.format);
            }
            InputItem::End => {}
        }
    }

    /// Takes what the owner says until a moment. Returns its fault where it has ended.
    fn hear(
        &mut self,
        client: &mut OwnerClient,
        until: Option<Instant>,
    ) -> Result<Option<OwnerFault>, AppError> {
        match client.wait(until) {
            Ok(events) => events.iter().for_each(|event| self.take(client, event)),
            Err(OwnerFault::Silent(process)) => return Err(silent(process)),
            Err(fault @ OwnerFault::Ended(_)) => return Ok(Some(fault)),
        }
        Ok(None)
    }

    /// Takes back what is not to be kept: a command means the same whether or not a prompt is open.
    fn take_back(&mut self, client: &mut OwnerClient) {
        if self.send.patience != Patience::UntilReceipted {
            return;
        }
        for number in self.waiting.keys() {
            let arguments = json!(["drop", self.send.name, number.to_string()]);
            let id = format!("{WITHDRAWN}{number}");
            client.order(&json!({ "id": id, "command": "outbox", "arguments": arguments }));
        }
        self.withdrawn = self.waiting.keys().copied().collect();
    }

    fn take(&mut self, client: &mut OwnerClient, event: &Value) {
        let text = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default();
        let number = |field: &str| event.get(field).and_then(Value::as_u64);
        let is_ok = event.get("ok") == Some(&Value::Bool(true));
        let is_about_peer = text("fingerprint") == self.send.peer.to_string();
        let id = event.get("id");
        match text("event") {
            "reply" if id == Some(&json!("here")) => {
                if is_ok {
                    (self.presence, self.last_progress) = (Presence::Here, Instant::now());
                } else if self.presence == Presence::Asked {
                    self.call(client);
                } else {
                    self.lose();
                }
            }
            "table" if id == Some(&json!("before")) => {
                for (number, state) in numbers_for(event, &self.send.name) {
                    self.before.insert(number);
                    if state == MessageState::Delivered.word() {
                        self.delivered = self.delivered.max(number);
                    }
                }
            }
            // There is no table where there are none.
            "table" if id == Some(&json!("relays")) => self.relays = Relays::Used,
            "reply" if id == Some(&json!("relays")) => self.relays = self.relays.max(Relays::Missing),
            "reply" if text("id").starts_with(WITHDRAWN) => {
                let number = text("id").trim_start_matches(WITHDRAWN).parse().unwrap_or_default();
                self.withdrawn.remove(&number);
                // What the peer has stays.
                if is_ok {
                    self.waiting.remove(&number);
                }
            }
            "reply" => {
                if let Some(read) = number("id")
                    && let Some(begins) = self.unanswered.remove(&read)
                    && !is_ok
                {
                    self.refused += 1;
                    let why = self.refusals.remove(&read).unwrap_or_default();
                    let why = hint_at_home(&why, self.send.home.as_deref());
                    tell_refused(read, &begins, &why, self.send.format);
                }
            }
            "sent" | "queued" => {
                if let (Some(read), Some(number)) = (number("id"), number("number")) {
                    self.waiting.insert(number, read);
                    self.last_progress = Instant::now();
                }
            }
            "relayed" if is_about_peer => {
                self.at_relay = self.at_relay.max(number("upto").unwrap_or(0));
                self.last_progress = Instant::now();
            }
            "delivered" if is_about_peer => {
                self.delivered = self.delivered.max(number("upto").unwrap_or(0));
                self.last_progress = Instant::now();
            }
            "received" if is_about_peer => {
                let Some(upto) = number("upto") else { return };
                self.before.retain(|number| *number > upto);
                let rest = self.waiting.split_off(&(upto + 1));
                self.receipted += std::mem::replace(&mut self.waiting, rest).len() as u64;
                (self.last_progress, self.last_receipt) = (Instant::now(), Instant::now());
            }
            "away" if is_about_peer && self.presence == Presence::Here => {
                self.departure = Departure::of(event);
                match self.departure {
                    Departure::There => self.lose(),
                    // Whoever closed it wants no other.
                    Departure::Here => self.presence = Presence::Away,
                }
            }
            "back" if is_about_peer => self.presence = Presence::Here,
            // What this command has withdrawn itself is counted by the replies.
            "withdrawn" if is_about_peer && self.withdrawn.is_empty() => {
                let (first, last) = (number("first").unwrap_or(0), number("last").unwrap_or(0));
                let before = self.waiting.len();
                self.waiting.retain(|number, _| !(first..=last).contains(number));
                self.before.retain(|number| !(first..=last).contains(number));
                self.lost += (before - self.waiting.len()) as u64;
            }
            "warning" if matches!(text("kind"), "expired" | "dropped") => {
                relay_warning(event, self.send.format, self.send.home.as_deref());
            }
            "warning" if let Some(read) = number("id") => {
                self.refusals.insert(read, text("message").to_owned());
            }
            "warning" => {
                let is_of_call = id.is_none() && self.presence == Presence::Called;
                if self.send.patience != Patience::UntilReceipted && is_of_call {
                    self.code_of_waiting = code_of_waiting(text("kind"));
                    relay_warning(event, self.send.format, self.send.home.as_deref());
                }
                self.trouble = Some((code_of_warning(text("kind")), text("message").to_owned()));
            }
            _ => {}
        }
    }

    /// Moment at which nothing more is waited for. What is kept is, while the input goes on.
    fn deadline(&self) -> Option<Instant> {
        let limit = match self.send.patience {
            Patience::UntilReceipted if self.is_idle() => None,
            Patience::Kept | Patience::AtRelay if self.has_input() => None,
            Patience::AtRelay => self.send.timeout.or(Some(RECEIPT_TIME)),
            Patience::Kept if self.presence == Presence::Here => self.send.timeout.or(Some(RECEIPT_TIME)),
            Patience::UntilReceipted | Patience::Kept => self.send.timeout,
        };
        limit.and_then(|limit| self.last_progress.checked_add(limit))
    }

    /// Whether the peer is there, and has everything that the input has brought.
    fn is_idle(&self) -> bool {
        self.presence == Presence::Here && self.waiting.is_empty() && self.unanswered.is_empty()
    }

    /// Whether more is to be handed over.
    fn has_input(&self) -> bool {
        self.items.is_some() || !self.pending.is_empty()
    }

    /// Moment at which something is to be done, if nothing happens before.
    fn next_moment(&self) -> Option<Instant> {
        let retry = if let Presence::RetryAt(at) = self.presence { Some(at) } else { None };
        let is_patient = self.send.patience != Patience::UntilReceipted;
        let resumes = if is_patient { self.resumes_at() } else { None };
        [self.deadline(), retry, self.told_at(), resumes].into_iter().flatten().min()
    }

    /// Moment at which it is said what is waited for.
    fn told_at(&self) -> Option<Instant> {
        let is_waiting = self.presence == Presence::Here && !self.waiting.is_empty();
        self.told_after.filter(|_| is_waiting).map(|after| self.last_progress + after)
    }

    fn tell_waiting(&mut self) {
        if self.told_at().is_some_and(|at| at <= Instant::now()) {
            self.told_after = None;
            tell_waiting(&self.send.name, self.send.format);
        }
    }
}
