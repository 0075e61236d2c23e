//! The real machine under one person: sockets, the resolver, the worker for RSA, the screen and the wall
//! clock. It does what a chat wants and knows nothing of what it is for.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use super::account::{Machine, Recipe};
use super::clock;
use super::error::words;
use super::error::{Fault, code};
use super::keyring::{self, KeyRing, Own};
use super::log::Log;
use super::resolve::{bind, of_family};
use super::sink::Show;
use crate::chat::{
    Chat, Dial, Input, KeyFor, Link, Listener, Notice, Now, Owed, Queue, Replacing, Sent, Wire,
};
use crate::crypto::{Job, JobResult};
use crate::limits::LINK_TURN_BYTES;
use crate::net::background::Errand;
use crate::net::worker::{self, Priority, Ticket, Worker};
use crate::net::{LinkId, ListenerId, Net, Reading};
use crate::peers::address::{Family, ListenAt, Target};
use crate::text::safe::SafeText;

/// A job and the keys that it may need.
struct Task {
    job: Job,
    keys: KeyRing,
}

/// The sockets, threads and screen of this process.
pub(crate) struct Live<S> {
    pub(crate) net: Net,
    pub(crate) screen: S,
    log: Option<Log>,
    /// What was shown since the recorder took it, where there is one.
    noted: Option<Vec<Notice>>,
    worker: Worker<Task, JobResult>,
    jobs: BTreeMap<Ticket, Link>,
    lookups: BTreeMap<Dial, Errand<io::Result<Vec<SocketAddr>>>>,
    dials: BTreeMap<LinkId, Dial>,
    listeners: BTreeMap<ListenerId, Listener>,
    paused: BTreeMap<Link, Reading>,
    /// What was sent since the loop last waited: a burst of messages leaves in one piece.
    outbox: BTreeMap<LinkId, Vec<u8>>,
    making: Option<Making>,
    started: Instant,
}

/// A key that is being made in the background.
struct Making {
    errand: Errand<Result<Own, Fault>>,
    of: KeyFor,
    replacing: Replacing,
}

/// A key that was made in the background.
pub(crate) struct Made {
    pub(crate) key: Result<Own, Fault>,
    pub(crate) of: KeyFor,
    pub(crate) replacing: Replacing,
}

impl<S: Show> Live<S> {
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

    /// From now on notices are kept for [`Live::noted`].
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

    pub(crate) fn listener(&self, id: ListenerId) -> Option<Listener> {
        self.listeners.get(&id).copied()
    }

    /// Which attempt this link was made for; told once.
    pub(crate) fn dial_of(&mut self, link: LinkId) -> Option<Dial> {
        self.dials.remove(&link)
    }

    /// Work that is done.
    pub(crate) fn finished_job(&mut self) -> Option<Input<'static>> {
        while let Some((ticket, result)) = self.worker.finished() {
            if let Some(link) = self.jobs.remove(&ticket) {
                return Some(match result {
                    Ok(result) => Input::Worked { link, result },
                    Err(_) => Input::Busy { link },
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
                    let link = self.net.connect(addrs);
                    self.dials.insert(link, dial);
                    continue;
                }
                Ok(Ok(_)) => "the name has no address of that kind".to_owned(),
                Ok(Err(error)) => words(&error),
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
        let key = made.unwrap_or_else(|panicked| Err(Fault::new(code::FAILED, panicked.to_string())));
        Some(Made { key, of, replacing })
    }

    /// Writes into the log, if one is kept. One that cannot be written is kept no longer.
    fn log_with(&mut self, write: impl FnOnce(&mut Log) -> io::Result<()>) -> Option<Input<'static>> {
        let log = self.log.as_mut()?;
        let error = write(log).err()?;
        let file = log.name.clone();
        self.log = None;
        Some(Input::Logging { file, result: Err(words(&error)) })
    }

    /// Hands what was sent to the sockets; those that do not take it at once are told of.
    pub(crate) fn flush(&mut self) -> Vec<Input<'static>> {
        let links: Vec<_> = self.outbox.keys().copied().collect();
        links.into_iter().filter_map(|link| self.send(link)).collect()
    }

    fn send(&mut self, id: LinkId) -> Option<Input<'static>> {
        self.net.send(id, self.outbox.remove(&id)?);
        (self.net.queued(id) > 0).then_some(Input::Clogged { link: Link(id.0) })
    }

    /// Reads a link or leaves it unread.
    pub(crate) fn set_reading(&mut self, link: Link, wanted: Reading) {
        let before = self.paused.insert(link, wanted).unwrap_or(Reading::On);
        if before != wanted {
            self.net.set_reading(LinkId(link.0), wanted);
        }
    }
}

impl<S: Show> Machine for Live<S> {
    fn now(&self) -> Now {
        let mono_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { mono_ms, unix_ms: clock::unix_ms() }
    }

    fn today(&self) -> String {
        clock::today()
    }

    fn follow(&mut self, chat: &Chat) {
        self.screen.follow(chat);
    }

    fn show(&mut self, notice: &Notice, owed: Option<Owed>) -> Option<Input<'static>> {
        self.screen.show(notice, owed);
        if let Some(noted) = &mut self.noted {
            noted.push(notice.clone());
        }
        let now_ms = self.now().unix_ms;
        self.log_with(|log| log.notice(notice, now_ms))
    }

    fn alert(&mut self, text: &SafeText) {
        self.screen.alert(text);
    }

    fn sent(&mut self, sent: &Sent) -> Option<Input<'static>> {
        self.screen.sent(sent);
        self.log_with(|log| log.sent(&sent.said))
    }

    fn received(&mut self, name: &str, upto: u64) {
        self.screen.received(name, upto);
    }

    fn open_log(&mut self, file: String) -> Input<'static> {
        // What is asked for takes the place of what was; if it cannot be had, there is none.
        self.log = None;
        let result = Log::open(&file).map(|log| self.log = Some(log)).map_err(|error| words(&error));
        Input::Logging { file, result }
    }

    fn close_log(&mut self) {
        self.log = None;
    }

    fn listen(&mut self, listener: Listener, at: &ListenAt, family: Family) -> Option<Input<'static>> {
        Some(match bind(&mut self.net, at, family) {
            Ok((id, at)) => {
                self.listeners.insert(id, listener);
                Input::Listening { listener, at }
            }
            Err(error) => Input::ListenFailed { listener, why: words(&error) },
        })
    }

    /// Names are looked up in a thread: the system's resolver can take as long as it likes.
    fn connect(&mut self, dial: Dial, target: Target, family: Family) -> Option<Input<'static>> {
        let work = move || {
            let found = (target.host.as_str(), target.port).to_socket_addrs()?;
            Ok(found.filter(|addr| of_family(*addr, family)).collect())
        };
        match Errand::start("lookup", self.net.waker(), work) {
            Ok(errand) => {
                self.lookups.insert(dial, errand);
                None
            }
            Err(error) => Some(Input::Unreachable { dial, why: words(&error) }),
        }
    }

    fn cancel_connect(&mut self, dial: Dial) {
        self.lookups.remove(&dial);
        let links: Vec<_> = self.dials.iter().filter(|(_, d)| **d == dial).map(|(link, _)| *link).collect();
        for link in links {
            self.dials.remove(&link);
            self.net.drop_now(link);
        }
    }

    /// A burst leaves in one piece when the loop waits; a long one before that.
    fn transmit(&mut self, link: Link, bytes: Vec<u8>) -> Option<Input<'static>> {
        let id = LinkId(link.0);
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

    fn proven(&mut self, link: Link, wire: Wire) {
        self.net.proven(LinkId(link.0));
        if wire == Wire::Native {
            self.net.be_patient(LinkId(link.0));
        }
    }

    fn hangup(&mut self, link: Link) {
        self.paused.remove(&link);
        // Whether it is clogged is all the same now.
        let _ = self.send(LinkId(link.0));
        self.net.hangup(LinkId(link.0));
    }

    fn work(&mut self, link: Link, job: Job, queue: Queue, keys: KeyRing) -> Option<Input<'static>> {
        let queue = match queue {
            Queue::Known => worker::Queue::Known,
            Queue::Strangers => worker::Queue::Strangers,
        };
        match self.worker.submit(queue, Task { job, keys }) {
            Ok(ticket) => {
                self.jobs.insert(ticket, link);
                None
            }
            Err(_) => Some(Input::Busy { link }),
        }
    }

    fn make_key(&mut self, recipe: Recipe) -> Option<Result<Own, Fault>> {
        let (of, replacing) = (recipe.of, recipe.replacing);
        let work = move || keyring::make(of, recipe.bits, recipe.passphrase.as_deref(), &keyring::seed());
        match Errand::start("keygen", self.net.waker(), work) {
            Ok(errand) => {
                self.making = Some(Making { errand, of, replacing });
                None
            }
            Err(error) => Some(Err(Fault::new(code::MACHINE, words(&error)))),
        }
    }

    fn cancel_key(&mut self) {
        self.making = None;
    }
}
