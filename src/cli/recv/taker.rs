//! `rsachat recv` without a way of its own: the taker of the messages of the process that has the
//! home open. The receipts are the taker's, and one takes them at a time. A message whose command
//! has failed is tried again and again: its receipt would count for it if the next one got any.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::deliver::Deliverer;
use super::items::Delivered;
use crate::app::error::{AppError, SIGPIPE, code, describe, hint_at_home};
use crate::app::owner_client::{OwnerClient, OwnerFault, Watch, silent};
use crate::chat::{Backoff, Message, Notice, ReceiptDue, TrustLevel};
use crate::crypto::Fingerprint;
use crate::events::{OutputEvent, OutputFormat, emit, to_notice};
use crate::net::Net;
use crate::net::process::Signals;
use crate::store::Home;
use crate::wire::Count;

/// Time between two looks for what no event tells.
const PAUSE: Duration = Duration::from_millis(50);

/// Messages that are taken.
#[derive(Clone)]
pub(super) struct Taking {
    /// Their author; everybody, where it names nobody.
    pub(super) from: Option<Fingerprint>,
    /// What they are given to, as an owner is told it.
    pub(super) taker: &'static str,
    /// How many are taken yet, if not all.
    pub(super) left: Option<u64>,
    /// Messages that were acknowledged.
    pub(super) messages: u64,
    pub(super) format: OutputFormat,
    /// Home folder of the command line.
    pub(super) home: Option<PathBuf>,
}

/// End of the taking of messages from one owner.
pub(super) enum End {
    /// It is over, with this exit code.
    Over(u8),
    /// The owner has ended. What it has not heard of comes again from the next one.
    OwnerEnded(OwnerFault),
}

/// Takes messages until it has enough, or it or the owner is ended.
pub(super) fn run(
    mut client: OwnerClient,
    mut deliverer: Deliverer,
    taking: &mut Taking,
    signals: &Signals,
) -> Result<End, AppError> {
    let (from, count) = (taking.from.map(|from| from.to_string()), taking.left);
    let format = taking.format;
    // Those behind the last that it takes would count as given to it.
    let taker = taking.taker;
    let face = "receiver";
    client.order(&json!({ "id": "taker", "face": face, "from": from, "count": count, "taker": taker }));
    let mut failures = Failures { format, home: taking.home.clone(), given: BTreeMap::new() };
    let code = 'run: loop {
        if let Some(signal) = signals.next() {
            break signal.number().saturating_add(128);
        }
        while let Some(delivered) = deliverer.next() {
            match delivered {
                Delivered::Upto(due) => {
                    taking.messages += 1;
                    taking.left = taking.left.map(|left| left - 1);
                    failures.given.remove(&due.upto.number());
                    client.order(&json!({ "shown": due.upto.number() }));
                }
                // What is not receipted stays with the owner, for the next taker too.
                Delivered::Failed { due, why, .. } => {
                    failures.add(due.upto.number(), &why);
                    client.order(&json!({ "failed": due.upto.number() }));
                }
                Delivered::Broken(error) => break 'run tell_broken(&error, format),
                Delivered::Enough if failures.is_empty() => break 'run 0,
                Delivered::Enough => break 'run code::FAILED,
                Delivered::Reply(_) => {}
            }
        }
        for number in failures.due() {
            client.order(&json!({ "retry": number }));
        }
        let events = match client.wait(failures.next_moment()) {
            Ok(events) => events,
            Err(OwnerFault::Silent(process)) => return Err(silent(process)),
            Err(fault @ OwnerFault::Ended(_)) => {
                return Ok(match finish(deliverer, format, signals) {
                    Some(code) => End::Over(code),
                    None => End::OwnerEnded(fault),
                });
            }
        };
        for event in events {
            if event.get("id") == Some(&json!("taker")) {
                match event.get("ok") {
                    Some(Value::Bool(false)) => {
                        let what = "another process already takes the messages of this home";
                        return Err(AppError::new(code::MACHINE, what).hint("end that one, or let it run"));
                    }
                    Some(Value::Bool(true)) => {
                        let message = "taking the messages of this home".to_owned();
                        emit(&OutputEvent::Notice { message }, format);
                    }
                    _ => {}
                }
            }
            let number = event.get("number").and_then(Value::as_u64);
            if let (Some(Notice::Message(message)), Some(number)) = (to_notice::notice(&event), number) {
                let due = ReceiptDue { conn: None, peer: None, upto: Count::Connection(number) };
                failures.take(number, &event, &message);
                deliverer.put(message, due);
            }
        }
    };
    deliverer.kill_commands();
    client.close();
    Ok(End::Over(code))
}

/// Waits until what was given is delivered, of which the owner that has ended hears nothing.
/// Returns the exit code, if that is the end.
fn finish(mut deliverer: Deliverer, format: OutputFormat, signals: &Signals) -> Option<u8> {
    deliverer.close();
    while !deliverer.has_ended() {
        match deliverer.next() {
            Some(Delivered::Broken(error)) => return Some(tell_broken(&error, format)),
            Some(_) => {}
            None => thread::sleep(PAUSE),
        }
        if let Some(signal) = signals.next() {
            deliverer.kill_commands();
            return Some(signal.number().saturating_add(128));
        }
    }
    None
}

/// Waits for the next owner of a home, or for a signal, whose exit code it returns.
pub(super) fn next_owner(home: &Home, signals: &Signals) -> Result<Result<OwnerClient, u8>, AppError> {
    let mut net = Net::new()?;
    loop {
        net = match OwnerClient::find(home, net, Watch::AfterOrders)? {
            Ok(client) => return Ok(Ok(client)),
            Err(net) => net,
        };
        if let Some(signal) = signals.next() {
            return Ok(Err(signal.number().saturating_add(128)));
        }
        thread::sleep(PAUSE);
    }
}

/// Tells that the output cannot be written, unless its reader has gone. Returns the exit code.
fn tell_broken(error: &io::Error, format: OutputFormat) -> u8 {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return SIGPIPE + 128;
    }
    let message = format!("cannot write the output: {}", describe(error));
    emit(&OutputEvent::Error { kind: "output", message, hint: None }, format);
    code::FAILED
}

/// Messages that are given and not shown, by their number at the owner's, and what failed of them.
struct Failures {
    format: OutputFormat,
    /// Home folder of the command line.
    home: Option<PathBuf>,
    given: BTreeMap<u64, Given>,
}

struct Given {
    /// The message in words.
    title: String,
    author: String,
    /// Option of `recv` that takes the author's messages, behind a blank; none takes everybody's.
    option: String,
    backoff: Backoff,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Given,
    /// It has failed, and is tried again at this moment.
    RetryAt(Instant),
}

impl Failures {
    fn take(&mut self, number: u64, event: &Value, message: &Message) {
        if let Some(given) = self.given.get_mut(&number) {
            given.stage = Stage::Given;
            return;
        }
        let author = message.name.clone();
        let title = match event.get("sent_number").and_then(Value::as_u64) {
            Some(number) => format!("message {number} of {author}"),
            None => format!("a message of {author}"),
        };
        let option = match (message.trust_level, message.fingerprint) {
            (TrustLevel::Met, Some(key)) => format!(" --pin {key}"),
            (TrustLevel::Unauthenticated, _) | (_, None) => String::new(),
            _ => format!(" --from {author}"),
        };
        let (backoff, stage) = (Backoff::default(), Stage::Given);
        self.given.insert(number, Given { title, author, option, backoff, stage });
    }

    fn add(&mut self, number: u64, why: &str) {
        let Some(given) = self.given.get_mut(&number) else { return };
        let delay = given.backoff.next_delay(None);
        given.stage = Stage::RetryAt(Instant::now() + Duration::from_millis(delay));
        let Given { title, author, option, .. } = given;
        let command = hint_at_home(&format!("rsachat recv{option} --count 1"), self.home.as_deref());
        let message = format!(
            "{title} was not acknowledged: {why}; trying again in {} s, and what {author} sent after it waits \
             (to take it off, end this process and type: {command})",
            delay.div_ceil(1_000)
        );
        emit(&OutputEvent::Warning { kind: "exec", message }, self.format);
    }

    /// Whether nothing waits to be tried again.
    fn is_empty(&self) -> bool {
        self.next_moment().is_none()
    }

    fn next_moment(&self) -> Option<Instant> {
        let moment = |one: &Given| if let Stage::RetryAt(at) = one.stage { Some(at) } else { None };
        self.given.values().filter_map(moment).min()
    }

    /// Numbers of the messages that are to be tried again now, each once.
    fn due(&mut self) -> Vec<u64> {
        let now = Instant::now();
        let is_due = |one: &Given| matches!(one.stage, Stage::RetryAt(at) if at <= now);
        let due: Vec<_> = self.given.iter_mut().filter(|(_, one)| is_due(one)).collect();
        let asked = due.into_iter().map(|(number, one)| {
            one.stage = Stage::Given;
            *number
        });
        asked.collect()
    }
}
