//! The real machine under one person: sockets, the resolver, the worker for RSA, the screen and the wall
//! clock. It does what a chat wants and knows nothing of what it is for.

use crate::ids::JobQueue;
use crate::ids::{ConnId, DialId, ListenerId};
use crate::time::{MonoMs, Now, UnixMs};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use super::account::{Host, KeygenRequest};
use super::clock;
use super::error::describe;
use super::error::{AppError, code};
use super::keyring::{self, KeyRing, StoredKey};
use super::log::Log;
use super::resolve::{bind, of_family};
use super::sink::NoticeSink;
use crate::chat::{Chat, Input, KeyFor, KeyReplacement, Notice, Protocol, ReceiptDue, SentMessage};
use crate::crypto::{JobResult, RsaJob};
use crate::limits::LINK_TURN_BYTES;
use crate::net::background::BackgroundTask;
use crate::net::worker::{Priority, Ticket, Worker};
use crate::net::{Net, ReadInterest, SocketId};
use crate::peers::address::{Family, ListenAt, Target};
use crate::text::safe::SafeText;

/// A job and the keys that it may need.
struct Task {
    job: RsaJob,
    keys: KeyRing,
}

/// The sockets, threads and screen of this process.
pub(crate) struct OsHost<S> {
    pub(crate) net: Net,
    pub(crate) screen: S,
    log: Option<Log>,
    /// What was shown since the recorder took it, where there is one.
    noted: Option<Vec<Notice>>,
    worker: Worker<Task, JobResult>,
    jobs: BTreeMap<Ticket, ConnId>,
    lookups: BTreeMap<DialId, BackgroundTask<io::Result<Vec<SocketAddr>>>>,
    dials: BTreeMap<ConnId, DialId>,
    listeners: BTreeMap<SocketId, ListenerId>,
    paused: BTreeMap<ConnId, ReadInterest>,
    /// What was sent since the loop last waited: a burst of messages leaves in one piece.
    outbox: BTreeMap<ConnId, Vec<u8>>,
    making: Option<Making>,
    started: Instant,
}

/// A key that is being made in the background.
struct Making {
    errand: BackgroundTask<Result<StoredKey, AppError>>,
    of: KeyFor,
    replacing: KeyReplacement,
}

/// A key that was made in the background.
pub(crate) struct Made {
    pub(crate) key: Result<StoredKey, AppError>,
    pub(crate) of: KeyFor,
    pub(crate) replacing: KeyReplacement,
}

impl<S: NoticeSink> OsHost<S> {
    pub(crate) fn new(net: Net, screen: S, priority: Priority) -> io::Result<Self> {
        let worker =
            Worker::start("rsa", priority, net.waker(), |task: Task| task.job.run(task.keys.keys()))?;
        Ok(Self {
            net,
            screen,
            log: None,
            noted: None,
            worker,
            jobs: BTreeMap::new(),
            lookups: BTreeMap::new(),
            dials: BTreeMap::new(),
            listeners: BTreeMap::new(),
            paused: BTreeMap::new(),
            outbox: BTreeMap::new(),
            making: None,
            started: Instant::now(),
        })
    }

    /// From now on notices are kept for [`OsHost::noted`].
    pub(crate) fn note(&mut self) {
        self.noted = Some(Vec::new());
    }

    /// The notices since the last call.
    pub(crate) fn noted(&mut self) -> Vec<Notice> {
        self.noted.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The moment that a chat calls by this number of milliseconds.
    pub(crate) fn instant(&self, mono_ms: u64) -> Instant {
        self.started + Duration::from_millis(mono_ms)
    }

    pub(crate) fn listener(&self, id: SocketId) -> Option<ListenerId> {
        self.listeners.get(&id).copied()
    }

    /// Which attempt this link was made for; told once.
    pub(crate) fn dial_of(&mut self, conn: ConnId) -> Option<DialId> {
        self.dials.remove(&conn)
    }

    /// Work that is done.
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

    /// Names that were looked up are dialled; those that have no address are told of.
    pub(crate) fn finished_lookups(&mut self) -> Vec<Input<'static>> {
        let found: Vec<_> =
            self.lookups.iter().filter_map(|(dial, errand)| Some((*dial, errand.finished()?))).collect();
        let mut failed = Vec::new();
        for (dial, found) in found {
            self.lookups.remove(&dial);
            let why = match found {
                Ok(Ok(addrs)) if !addrs.is_empty() => {
                    let conn = self.net.connect(addrs);
                    self.dials.insert(conn, dial);
                    continue;
                }
                Ok(Ok(_)) => "the name has no address of that kind".to_owned(),
                Ok(Err(error)) => describe(&error),
                Err(panicked) => panicked.to_string(),
            };
            failed.push(Input::Unreachable { dial, why });
        }
        failed
    }

    /// The key that was being made, once it is.
    pub(crate) fn finished_key(&mut self) -> Option<Made> {
        let Making { errand, of, replacing } = self.making.as_ref()?;
        let (made, of, replacing) = (errand.finished()?, *of, *replacing);
        self.making = None;
        let key = made.unwrap_or_else(|panicked| Err(AppError::new(code::FAILED, panicked.to_string())));
        Some(Made { key, of, replacing })
    }

    /// Writes into the log, if one is kept. One that cannot be written is kept no longer.
    fn log_with(&mut self, write: impl FnOnce(&mut Log) -> io::Result<()>) -> Option<Input<'static>> {
        let log = self.log.as_mut()?;
        let error = write(log).err()?;
        let file = log.name.clone();
        self.log = None;
        Some(Input::Logging { file, result: Err(describe(&error)) })
    }

    /// Hands what was sent to the sockets; those that do not take it at once are told of.
    pub(crate) fn flush(&mut self) -> Vec<Input<'static>> {
        let connections: Vec<_> = self.outbox.keys().copied().collect();
        connections.into_iter().filter_map(|conn| self.send(conn)).collect()
    }

    fn send(&mut self, id: ConnId) -> Option<Input<'static>> {
        self.net.send(id, self.outbox.remove(&id)?);
        (self.net.queued(id) > 0).then_some(Input::WriteBlocked { conn: id })
    }

    /// Reads a link or leaves it unread.
    pub(crate) fn set_reading(&mut self, conn: ConnId, wanted: ReadInterest) {
        let before = self.paused.insert(conn, wanted).unwrap_or(ReadInterest::On);
        if before != wanted {
            self.net.set_reading(conn, wanted);
        }
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

    fn follow(&mut self, chat: &Chat) {
        self.screen.follow(chat);
    }

    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) -> Option<Input<'static>> {
        self.screen.show(notice, due);
        if let Some(noted) = &mut self.noted {
            noted.push(notice.clone());
        }
        let now_ms = self.now().unix.0;
        self.log_with(|log| log.notice(notice, now_ms))
    }

    fn alert(&mut self, text: &SafeText) {
        self.screen.alert(text);
    }

    fn sent(&mut self, sent: &SentMessage) -> Option<Input<'static>> {
        self.screen.sent(sent);
        self.log_with(|log| log.sent(&sent.message))
    }

    fn received(&mut self, name: &str, upto: u64) {
        self.screen.received(name, upto);
    }

    fn open_log(&mut self, file: String) -> Input<'static> {
        // What is asked for takes the place of what was; if it cannot be had, there is none.
        self.log = None;
        let result = Log::open(&file).map(|log| self.log = Some(log)).map_err(|error| describe(&error));
        Input::Logging { file, result }
    }

    fn close_log(&mut self) {
        self.log = None;
    }

    fn listen(&mut self, listener: ListenerId, at: &ListenAt, family: Family) -> Option<Input<'static>> {
        Some(match bind(&mut self.net, at, family) {
            Ok((id, at)) => {
                self.listeners.insert(id, listener);
                Input::Listening { listener, at }
            }
            Err(error) => Input::ListenFailed { listener, why: describe(&error) },
        })
    }

    /// Names are looked up in a thread: the system's resolver can take as long as it likes.
    fn connect(&mut self, dial: DialId, target: Target, family: Family) -> Option<Input<'static>> {
        let work = move || {
            let found = (target.host.as_str(), target.port).to_socket_addrs()?;
            Ok(found.filter(|addr| of_family(*addr, family)).collect())
        };
        match BackgroundTask::start("lookup", self.net.waker(), work) {
            Ok(errand) => {
                self.lookups.insert(dial, errand);
                None
            }
            Err(error) => Some(Input::Unreachable { dial, why: describe(&error) }),
        }
    }

    fn cancel_connect(&mut self, dial: DialId) {
        self.lookups.remove(&dial);
        let connections: Vec<_> =
            self.dials.iter().filter(|(_, d)| **d == dial).map(|(conn, _)| *conn).collect();
        for conn in connections {
            self.dials.remove(&conn);
            self.net.abort(conn);
        }
    }

    /// A burst leaves in one piece when the loop waits; a long one before that.
    fn transmit(&mut self, conn: ConnId, bytes: Vec<u8>) -> Option<Input<'static>> {
        let id = conn;
        let waiting = self.outbox.entry(id).or_default();
        if waiting.is_empty() {
            *waiting = bytes;
        } else {
            waiting.extend_from_slice(&bytes);
        }
        if waiting.len() < LINK_TURN_BYTES {
            return None;
        }
        self.send(id)
    }

    fn mark_authenticated(&mut self, conn: ConnId, wire: Protocol) {
        self.net.mark_authenticated(conn);
        if wire == Protocol::Native {
            self.net.disable_user_timeout(conn);
        }
    }

    fn close(&mut self, conn: ConnId) {
        self.paused.remove(&conn);
        // Whether it is clogged is all the same now.
        let _ = self.send(conn);
        self.net.close(conn);
    }

    fn work(&mut self, conn: ConnId, job: RsaJob, queue: JobQueue, keys: KeyRing) -> Option<Input<'static>> {
        match self.worker.submit(queue, Task { job, keys }) {
            Ok(ticket) => {
                self.jobs.insert(ticket, conn);
                None
            }
            Err(_) => Some(Input::JobRefused { conn }),
        }
    }

    fn make_key(&mut self, recipe: KeygenRequest) -> Option<Result<StoredKey, AppError>> {
        let (of, replacing) = (recipe.of, recipe.replacing);
        let work = move || keyring::make(of, recipe.bits, recipe.passphrase.as_deref(), &keyring::seed());
        match BackgroundTask::start("keygen", self.net.waker(), work) {
            Ok(errand) => {
                self.making = Some(Making { errand, of, replacing });
                None
            }
            Err(error) => Some(Err(AppError::new(code::MACHINE, describe(&error)))),
        }
    }

    fn cancel_key(&mut self) {
        self.making = None;
    }
}
