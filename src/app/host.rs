//! Host of effects: the trait that performs them, and the one of this process with its sockets,
//! threads, log and notice sink.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock;
use super::error::{AppError, code, describe};
use super::keyring::{self, KeyRing, StoredKey};
use super::log::Log;
use super::resolve::{bind, resolve};
use super::sink::NoticeSink;
use crate::chat::{Chat, Effect, Input, KeyFor, KeyReplacement, Notice, Protocol, ReceiptDue};
use crate::crypto::{JobResult, Passphrase, RsaJob};
use crate::ids::{ConnId, DialId, ListenerId};
use crate::limits::LINK_TURN_BYTES;
use crate::net::worker::{BackgroundTask, Priority, Ticket, Worker};
use crate::net::{Net, ReadInterest, SocketId};
use crate::peers::address::{Family, ListenAt, Target};
use crate::time::{MonoMs, Now, UnixMs};

/// Performer of every effect that is not about the profile.
pub(crate) trait Host {
    /// Moment of the next input.
    fn now(&self) -> Now;
    /// Date of today, for the name of a file.
    fn today(&self) -> String;
    /// The chat has handled an input; its effects come next.
    fn chat_changed(&mut self, _chat: &Chat) {}
    /// Performs an effect. Returns its result if that is known at once; other results become inputs
    /// later.
    fn perform(&mut self, effect: Effect, keys: &KeyRing) -> Option<Input<'static>>;
    /// Generates a key. Returns it at once, or passes it later to
    /// [`super::client::Client::store_key`].
    fn generate_key(&mut self, request: &KeygenRequest) -> Option<Result<StoredKey, AppError>>;
}

/// Parameters of a new key.
#[derive(Clone)]
pub(crate) struct KeygenRequest {
    pub(crate) of: KeyFor,
    pub(crate) bits: u32,
    pub(crate) replacing: KeyReplacement,
    pub(crate) passphrase: Option<Arc<Passphrase>>,
}

/// RSA job and the keys that it may need.
struct Task {
    job: RsaJob,
    keys: KeyRing,
}

/// Host of this process.
pub(crate) struct OsHost<S> {
    pub(crate) net: Net,
    pub(crate) sink: S,
    log: Option<Log>,
    /// Notices for the recorder, while there is one.
    recorded: Option<Vec<Notice>>,
    worker: Worker<Task, JobResult>,
    jobs: BTreeMap<Ticket, ConnId>,
    lookups: BTreeMap<DialId, BackgroundTask<io::Result<Vec<SocketAddr>>>>,
    dials: BTreeMap<ConnId, DialId>,
    listeners: BTreeMap<SocketId, ListenerId>,
    read_interest: BTreeMap<ConnId, ReadInterest>,
    /// Bytes to send once the loop waits: a burst of messages leaves in one piece.
    outbox: BTreeMap<ConnId, Vec<u8>>,
    keygen: Option<(KeygenRequest, BackgroundTask<Result<StoredKey, AppError>>)>,
    started: Instant,
}

impl<S: NoticeSink> OsHost<S> {
    pub(crate) fn new(net: Net, sink: S, priority: Priority) -> io::Result<Self> {
        let worker =
            Worker::start("rsa", priority, net.waker(), |task: Task| task.job.run(task.keys.keys()))?;
        Ok(Self {
            net,
            sink,
            log: None,
            recorded: None,
            worker,
            jobs: BTreeMap::new(),
            lookups: BTreeMap::new(),
            dials: BTreeMap::new(),
            listeners: BTreeMap::new(),
            read_interest: BTreeMap::new(),
            outbox: BTreeMap::new(),
            keygen: None,
            started: Instant::now(),
        })
    }

    /// Keeps notices from now on for [`OsHost::recorded`].
    pub(crate) fn record(&mut self) {
        self.recorded = Some(Vec::new());
    }

    /// Notices since the last call.
    pub(crate) fn recorded(&mut self) -> Vec<Notice> {
        self.recorded.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Instant of a moment on the chat's clock.
    pub(crate) fn instant(&self, mono_ms: u64) -> Instant {
        self.started + Duration::from_millis(mono_ms)
    }

    pub(crate) fn listener(&self, id: SocketId) -> Option<ListenerId> {
        self.listeners.get(&id).copied()
    }

    /// Dial that this connection was made for; taken once.
    pub(crate) fn take_dial(&mut self, conn: ConnId) -> Option<DialId> {
        self.dials.remove(&conn)
    }

    /// Result of an RSA job.
    pub(crate) fn finished_job(&mut self) -> Option<Input<'static>> {
        while let Some((ticket, result)) = self.worker.finished() {
            if let Some(conn) = self.jobs.remove(&ticket) {
                return Some(match result {
                    Ok(result) => Input::JobDone { conn, result },
                    Err(_) => Input::JobRefused { conn },
                });
            }
        }
        None
    }

    /// Connects to the names that were resolved. Returns the failures.
    pub(crate) fn finished_lookups(&mut self) -> Vec<Input<'static>> {
        let found: Vec<_> =
            self.lookups.iter().filter_map(|(dial, task)| Some((*dial, task.finished()?))).collect();
        let mut failed = Vec::new();
        for (dial, found) in found {
            self.lookups.remove(&dial);
            let why = match found {
                Ok(Ok(addrs)) => {
                    let conn = self.net.connect(addrs);
                    self.dials.insert(conn, dial);
                    continue;
                }
                Ok(Err(error)) => describe(&error),
                Err(panicked) => panicked.to_string(),
            };
            failed.push(Input::Unreachable { dial, why });
        }
        failed
    }

    /// Key that was generated in the background.
    pub(crate) fn finished_key(&mut self) -> Option<(KeygenRequest, Result<StoredKey, AppError>)> {
        let made = self.keygen.as_ref()?.1.finished()?;
        let (request, _) = self.keygen.take()?;
        Some((
            request,
            made.unwrap_or_else(|panicked| Err(AppError::new(code::FAILED, panicked.to_string()))),
        ))
    }

    /// Hands the outbox to the sockets. Returns those that do not take it at once.
    pub(crate) fn flush(&mut self) -> Vec<Input<'static>> {
        let connections: Vec<_> = self.outbox.keys().copied().collect();
        connections.into_iter().filter_map(|conn| self.send(conn)).collect()
    }

    /// Reads a connection or leaves it unread.
    pub(crate) fn set_reading(&mut self, conn: ConnId, wanted: ReadInterest) {
        let before = self.read_interest.insert(conn, wanted).unwrap_or(ReadInterest::On);
        if before != wanted {
            self.net.set_reading(conn, wanted);
        }
    }

    fn send(&mut self, conn: ConnId) -> Option<Input<'static>> {
        self.net.send(conn, self.outbox.remove(&conn)?);
        (self.net.queued(conn) > 0).then_some(Input::WriteBlocked { conn })
    }

    fn show(&mut self, notice: Notice, due: Option<ReceiptDue>) -> Option<Input<'static>> {
        self.sink.show(&notice, due);
        let failure = self.write_log(&notice, self.now().unix.0);
        if let Some(recorded) = &mut self.recorded {
            recorded.push(notice);
        }
        failure
    }

    /// Writes into the log, if one is kept. It is closed when it cannot be written.
    fn write_log(&mut self, notice: &Notice, now_ms: u64) -> Option<Input<'static>> {
        let log = self.log.as_mut()?;
        let error = log.write(notice, now_ms).err()?;
        let file = log.name.clone();
        self.log = None;
        Some(Input::Logging { file, result: Err(describe(&error)) })
    }

    fn open_log(&mut self, file: String) -> Input<'static> {
        // The log before it ends in any case.
        self.log = None;
        let result = Log::open(&file).map(|log| self.log = Some(log)).map_err(|error| describe(&error));
        Input::Logging { file, result }
    }

    fn listen(&mut self, listener: ListenerId, at: &ListenAt, family: Family) -> Input<'static> {
        match bind(&mut self.net, at, family) {
            Ok((id, at)) => {
                self.listeners.insert(id, listener);
                Input::Listening { listener, at }
            }
            Err(error) => Input::ListenFailed { listener, why: describe(&error) },
        }
    }

    /// Resolves in a thread: the system's resolver can take as long as it likes.
    fn connect(&mut self, dial: DialId, target: Target, family: Family) -> Option<Input<'static>> {
        let work = move || resolve(&target.host, target.port, family);
        match BackgroundTask::start("lookup", self.net.waker(), work) {
            Ok(task) => {
                self.lookups.insert(dial, task);
                None
            }
            Err(error) => Some(Input::Unreachable { dial, why: describe(&error) }),
        }
    }

    fn cancel_connect(&mut self, dial: DialId) {
        self.lookups.remove(&dial);
        let connections: Vec<_> =
            self.dials.iter().filter(|(_, of)| **of == dial).map(|(conn, _)| *conn).collect();
        for conn in connections {
            self.dials.remove(&conn);
            self.net.abort(conn);
        }
    }

    /// Puts bytes into the outbox; a long one leaves before the loop waits.
    fn transmit(&mut self, conn: ConnId, bytes: Vec<u8>) -> Option<Input<'static>> {
        let pending = self.outbox.entry(conn).or_default();
        if pending.is_empty() {
            *pending = bytes;
        } else {
            pending.extend_from_slice(&bytes);
        }
        if pending.len() < LINK_TURN_BYTES {
            return None;
        }
        self.send(conn)
    }

    fn close(&mut self, conn: ConnId) {
        self.read_interest.remove(&conn);
        // Nobody waits any more for the rest of it to leave.
        let _ = self.send(conn);
        self.net.close(conn);
    }
}

impl<S: NoticeSink> Host for OsHost<S> {
    fn now(&self) -> Now {
        let mono_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { mono: MonoMs(mono_ms), unix: UnixMs(clock::unix_ms()) }
    }

    fn today(&self) -> String {
        clock::today()
    }

    fn chat_changed(&mut self, chat: &Chat) {
        self.sink.chat_changed(chat);
    }

    fn perform(&mut self, effect: Effect, keys: &KeyRing) -> Option<Input<'static>> {
        match effect {
            Effect::Show(notice, due) => return self.show(notice, due),
            Effect::Alert(text) => self.sink.alert(&text),
            Effect::Sent(sent) => {
                self.sink.sent(&sent);
                let arrived_ms = sent.message.arrived.0;
                return self.write_log(&Notice::Message(sent.message), arrived_ms);
            }
            Effect::Received { name, upto } => self.sink.received(&name, upto),
            Effect::OpenLog(file) => return Some(self.open_log(file)),
            Effect::CloseLog => self.log = None,
            Effect::Listen { listener, at, family } => return Some(self.listen(listener, &at, family)),
            Effect::Connect { dial, target, family } => return self.connect(dial, target, family),
            Effect::CancelConnect(dial) => self.cancel_connect(dial),
            Effect::Transmit { conn, bytes } => return self.transmit(conn, bytes),
            Effect::Authenticated(conn, protocol) => {
                self.net.mark_authenticated(conn);
                if protocol == Protocol::Native {
                    self.net.disable_user_timeout(conn);
                }
            }
            Effect::Close(conn) => self.close(conn),
            Effect::Job { conn, job, queue } => {
                match self.worker.submit(queue, Task { job, keys: keys.clone() }) {
                    Ok(ticket) => _ = self.jobs.insert(ticket, conn),
                    Err(_) => return Some(Input::JobRefused { conn }),
                }
            }
            Effect::CancelKey => self.keygen = None,
            // The profile performs these.
            Effect::ReadBook { .. }
            | Effect::ChangeBook(_)
            | Effect::MakeKey { .. }
            | Effect::DialFinished(_)
            | Effect::Quit(_) => {}
        }
        None
    }

    fn generate_key(&mut self, request: &KeygenRequest) -> Option<Result<StoredKey, AppError>> {
        let KeygenRequest { of, bits, passphrase, .. } = request.clone();
        let work = move || keyring::make(of, bits, passphrase.as_deref(), &keyring::seed());
        match BackgroundTask::start("keygen", self.net.waker(), work) {
            Ok(task) => {
                self.keygen = Some((request.clone(), task));
                None
            }
            Err(error) => Some(Err(AppError::new(code::MACHINE, describe(&error)))),
        }
    }
}
