//! Client of the owner of a home: its connection, the orders that it gives and the events that come
//! (`docs/EVENTS.md`, "The socket of a home"). An owner that does not answer is never waited for.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mio::Waker;
use serde_json::{Value, json};

use super::error::{AppError, code, describe, shown};
use super::owner;
use crate::crypto::Identity;
use crate::ids::ConnId;
use crate::limits::OWNER_ANSWER_MS;
use crate::net::{Net, NetEvent};
use crate::store::{Home, MessageStore, OpenedStore, PutAside, StoreError};

/// Version of what is spoken at the socket.
pub(crate) const VERSION: u32 = 1;
/// Time in which an owner answers; else it is taken for stopped.
const ANSWER: Duration = Duration::from_millis(OWNER_ANSWER_MS);
/// The same from the moment at which it is asked.
const PING_ANSWER: Duration = Duration::from_millis(OWNER_ANSWER_MS - SILENCE_MS);
/// Silence after which an owner that owes something is asked whether it is there.
const SILENCE: Duration = Duration::from_millis(SILENCE_MS);
const SILENCE_MS: u64 = 400;
/// Time between two attempts to open a store that another process has open.
const RETRY: Duration = Duration::from_millis(20);

/// Id of the only order of a process that gives one.
const CARRIED_OUT: &str = "order";

/// Reason why nothing more comes of an owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum OwnerFault {
    #[error("the rsachat serving this home{} has ended", numbered(*.0))]
    Ended(Option<u32>),
    #[error("the rsachat serving this home{} does not answer", numbered(*.0))]
    Silent(Option<u32>),
}

/// What a process is that does not answer, and what to do.
pub(crate) fn silent(process: Option<u32>) -> AppError {
    let error = AppError::new(code::MACHINE, OwnerFault::Silent(process).to_string());
    let number = process.map_or_else(|| "its process".to_owned(), |process| process.to_string());
    error.hint(format!("if it is stopped, resume it or end it: kill -CONT {number}, kill {number}"))
}

/// What a process is that has the store open and no socket, and what to do.
fn held(process: Option<u32>) -> AppError {
    let what = format!("another rsachat{} has this home open and serves nobody", numbered(process));
    let end = process.map_or_else(String::new, |process| format!(": kill {process}"));
    AppError::new(code::MACHINE, what)
        .hint(format!("wait until it has ended, or end it, since what it keeps stays{end}"))
}

pub(crate) fn numbered(process: Option<u32>) -> String {
    process.map_or_else(String::new, |process| format!(" (process {process})"))
}

/// The error that what waited was lost with a damaged store.
pub(crate) fn lost_with(aside: &PutAside) -> AppError {
    AppError::new(code::MACHINE, aside.to_string()).hint("what waited in it was not sent: send it again")
}

/// Whether an owner is watched that owes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Watch {
    /// Always: something is awaited from it.
    Always,
    /// From each order to the next event.
    AfterOrders,
}

/// Use of a home by this process.
pub(crate) enum Claim {
    /// Another process serves it.
    Served(OwnerClient),
    /// Its store is open here, or cannot be used by anybody.
    Free(Net, Result<OpenedStore, StoreError>),
}

/// Opens the store of a home, or connects to the process that has it open. One that has it open and
/// serves nobody is waited for, not for long.
///
/// # Errors
/// When neither comes about in time, with the number of the process.
pub(crate) fn claim(home: &Home, identity: &Identity, mut net: Net, watch: Watch) -> Result<Claim, AppError> {
    let deadline = Instant::now() + ANSWER;
    loop {
        net = match OwnerClient::find(home, net, watch)? {
            Ok(client) => return Ok(Claim::Served(client)),
            Err(net) => net,
        };
        match MessageStore::open(home, identity) {
            Err(StoreError::Held { process, .. }) if Instant::now() >= deadline => {
                return Err(held(process));
            }
            Err(StoreError::Held { .. }) => thread::sleep(RETRY),
            opened => return Ok(Claim::Free(net, opened)),
        }
    }
}

/// Connection with the owner of a home.
pub(crate) struct OwnerClient {
    net: Net,
    conn: ConnId,
    /// The beginning of an event.
    unread: Vec<u8>,
    pub(crate) process: Option<u32>,
    /// The greeting.
    pub(crate) hello: Value,
    watch: Watch,
    /// Moment from which an answer is awaited, if one is.
    silent_since: Option<Instant>,
    pinged: Option<Instant>,
    /// Whether the owner has closed the connection.
    has_ended: bool,
}

impl OwnerClient {
    /// Connects to the owner of a home, if a process serves it. One that ends before it greets
    /// serves nobody: it was about to end, or was killed, as it was called.
    ///
    /// # Errors
    /// When it does not answer, or speaks another version.
    pub(crate) fn find(home: &Home, mut net: Net, watch: Watch) -> Result<Result<Self, Net>, AppError> {
        let failed = |error: io::Error| {
            let what = format!("cannot use {}/socket: {}", shown(home.path()), describe(&error));
            AppError::new(code::MACHINE, what)
        };
        let deadline = Instant::now() + ANSWER;
        loop {
            let mut client = match owner::connect(home) {
                Ok(Some(stream)) => Self::of(stream, net, watch)?,
                Ok(None) => return Ok(Err(net)),
                // More callers wait than a process takes that goes on.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(silent(None)),
                Err(error) => {
                    home.check()?;
                    return Err(failed(error));
                }
            };
            match client.greeting() {
                Ok(hello) => return client.greeted(hello).map(Ok),
                Err(OwnerFault::Ended(_)) if Instant::now() < deadline => {}
                Err(fault @ OwnerFault::Ended(_)) => {
                    return Err(AppError::new(code::MACHINE, fault.to_string()).hint("try again"));
                }
                Err(OwnerFault::Silent(process)) => return Err(silent(process)),
            }
            client.net.close(client.conn);
            net = client.net;
            thread::sleep(RETRY);
        }
    }

    /// The same where nothing can be done without an owner: one that has the store open and no
    /// socket makes it again, and is waited for, not for long.
    ///
    /// # Errors
    /// As of [`OwnerClient::find`], and when the socket does not come, with the number of the
    /// process.
    pub(crate) fn await_socket(
        home: &Home,
        mut net: Net,
        watch: Watch,
    ) -> Result<Result<Self, Net>, AppError> {
        let deadline = Instant::now() + ANSWER;
        loop {
            net = match Self::find(home, net, watch)? {
                Ok(client) => return Ok(Ok(client)),
                Err(net) => net,
            };
            match MessageStore::holder(home) {
                None => return Ok(Err(net)),
                process if Instant::now() >= deadline => return Err(held(process)),
                Some(_) => thread::sleep(RETRY),
            }
        }
    }

    fn of(stream: UnixStream, mut net: Net, watch: Watch) -> Result<Self, AppError> {
        let process = owner::process_of(&stream);
        let conn = net.adopt_local(stream)?;
        let (unread, hello, now) = (Vec::new(), Value::Null, Instant::now());
        let (silent_since, pinged, has_ended) = (Some(now), Some(now), false);
        Ok(Self { net, conn, unread, process, hello, watch, silent_since, pinged, has_ended })
    }

    /// Waits for the first event.
    fn greeting(&mut self) -> Result<Value, OwnerFault> {
        loop {
            let mut events = self.wait(None)?;
            if !events.is_empty() {
                return Ok(events.swap_remove(0));
            }
        }
    }

    /// Takes the greeting, if it is one of our version, and no refusal.
    fn greeted(mut self, hello: Value) -> Result<Self, AppError> {
        let text = |field: &str| hello.get(field).and_then(Value::as_str).unwrap_or_default();
        if text("event") == "error" {
            return Err(AppError::new(code::MACHINE, text("message")).hint(text("hint")));
        }
        if hello.get("event") != Some(&json!("hello")) || hello.get("version") != Some(&json!(VERSION)) {
            let what = format!(
                "the rsachat serving this home{} speaks version {} of the socket protocol, this one {VERSION}",
                numbered(self.process),
                hello.get("version").unwrap_or(&Value::Null)
            );
            return Err(AppError::new(code::MACHINE, what).hint("end it, or use the same version"));
        }
        self.hello = hello;
        Ok(self)
    }

    /// Name that the owner gives to peers.
    pub(crate) fn owner_name(&self) -> Option<&str> {
        self.hello.get("name").and_then(Value::as_str)
    }

    /// Whether the owner is a command that ends by itself, and others begin after it.
    pub(crate) fn is_passing(&self) -> bool {
        self.hello.get("command").is_some()
    }

    /// The owner with its process, as the subject of a sentence.
    pub(crate) fn title(&self) -> String {
        format!("another rsachat{}", numbered(self.process))
    }

    /// Waits until the owner has ended.
    pub(crate) fn wait_for_end(mut self) -> Result<(), AppError> {
        self.watch = Watch::Always;
        loop {
            match self.wait(None) {
                Ok(_) => {}
                Err(OwnerFault::Ended(_)) => return Ok(()),
                Err(OwnerFault::Silent(process)) => return Err(silent(process)),
            }
        }
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        self.net.waker()
    }

    /// Gives an order.
    pub(crate) fn order(&mut self, order: &Value) {
        self.net.send(self.conn, format!("{order}\n").into_bytes());
        self.silent_since.get_or_insert_with(Instant::now);
    }

    /// Gives one order as a process that sends. Returns the events that follow from it, and whether
    /// it was accepted.
    ///
    /// # Errors
    /// When the owner ends before it answers, or does not answer.
    pub(crate) fn carry_out(mut self, mut order: Value) -> Result<(Vec<Value>, bool), AppError> {
        self.order(&json!({ "face": "sender" }));
        if let Some(order) = order.as_object_mut() {
            order.insert("id".to_owned(), json!(CARRIED_OUT));
        }
        self.order(&order);
        let mut answers = Vec::new();
        loop {
            let events = self.wait(None).map_err(|fault| match fault {
                OwnerFault::Silent(process) => silent(process),
                fault @ OwnerFault::Ended(_) => AppError::new(code::MACHINE, fault.to_string()),
            })?;
            answers.extend(events.into_iter().filter(|event| event.get("id") == Some(&json!(CARRIED_OUT))));
            let reply = answers.pop_if(|event| event.get("event") == Some(&json!("reply")));
            if let Some(reply) = reply {
                self.close();
                return Ok((answers, reply.get("ok") == Some(&json!(true))));
            }
        }
    }

    /// Bytes of orders that the owner has not taken.
    pub(crate) fn queued(&self) -> usize {
        self.net.queued(self.conn)
    }

    /// Waits for events, until a moment or until it is woken, and takes those that have come.
    pub(crate) fn wait(&mut self, until: Option<Instant>) -> Result<Vec<Value>, OwnerFault> {
        let now = Instant::now();
        if self.watch == Watch::Always {
            self.silent_since.get_or_insert(now);
        }
        let asks_at = self.silent_since.filter(|_| self.pinged.is_none()).map(|since| since + SILENCE);
        let gives_up_at = self.pinged.map(|at| at + PING_ANSWER);
        let deadline = [until, asks_at, gives_up_at].into_iter().flatten().min();
        let mut events = Vec::new();
        if !self.has_ended {
            self.has_ended = self.net.wait(deadline, &mut events).is_err();
        }
        for event in events {
            match event {
                NetEvent::Bytes { bytes, .. } => self.unread.extend(bytes),
                NetEvent::Ended { .. } | NetEvent::Lost { .. } => self.has_ended = true,
                _ => {}
            }
        }
        let read = self.take_events();
        let now = Instant::now();
        if !read.is_empty() {
            (self.silent_since, self.pinged) = (None, None);
        } else if self.has_ended {
            return Err(OwnerFault::Ended(self.process));
        } else if gives_up_at.is_some_and(|at| at <= now) {
            return Err(OwnerFault::Silent(self.process));
        } else if asks_at.is_some_and(|at| at <= now) {
            self.pinged = Some(now);
            self.net.send(self.conn, format!("{}\n", json!({ "ping": "owner" })).into_bytes());
        }
        Ok(read)
    }

    fn take_events(&mut self) -> Vec<Value> {
        let Some(end) = self.unread.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = self.unread.split_off(end + 1);
        let whole = std::mem::replace(&mut self.unread, rest);
        let lines = whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// Ends the connection in order.
    pub(crate) fn close(mut self) {
        self.net.close(self.conn);
        let _ = self.net.wait_closed(Instant::now() + ANSWER);
    }
}
