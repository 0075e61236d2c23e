//! Carries out what a chat wants: sockets, files, threads and the screen. The chat decides, this obeys.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::TryRng as _;
use rand::rngs::SysRng;

use super::bind::{bind, of_family, words};
use super::fault::Fault;
use super::keys::{self, Own};
use super::screen::Screen;
use crate::chat::address::{Family, ListenAt, Target};
use crate::chat::book::{Book, Change};
use crate::chat::{
    Chat, Dial, Effect, Input, Link, Listener, NewKey, Now, Origin, OwnKey, Queue, Replacing, Verdict,
};
use crate::crypto::{Identity, Job, JobResult, Passphrase, Seed};
use crate::net::errand::Errand;
use crate::net::worker::{self, Ticket, Worker};
use crate::net::{LinkId, ListenerId, Net, NetEvent, Reading};
use crate::store::bookfile::{self, BookFault};
use crate::store::{Home, StoreFault, keyfile};

/// A job and whose key it needs.
struct Task {
    job: Job,
    identity: Arc<Identity>,
}

/// A key in the making: itself and its PEM text.
type Making = Errand<Result<Own, Fault>>;

/// One chat and the machine under it.
pub(super) struct Driver {
    pub(super) chat: Chat,
    pub(super) screen: Screen,
    pub(super) net: Net,
    home: Home,
    identity: Option<Arc<Identity>>,
    passphrase: Option<Arc<Passphrase>>,
    worker: Worker<Task, JobResult>,
    jobs: BTreeMap<Ticket, Link>,
    lookups: BTreeMap<Dial, Errand<io::Result<Vec<SocketAddr>>>>,
    dials: BTreeMap<LinkId, Dial>,
    listeners: BTreeMap<ListenerId, Listener>,
    paused: BTreeMap<Link, Reading>,
    making: Option<(Making, Replacing)>,
    verdicts: Vec<Verdict>,
    quit: Option<u8>,
    started: Instant,
}

impl Driver {
    pub(super) fn new(
        chat: Chat,
        screen: Screen,
        net: Net,
        home: Home,
        own: Option<Own>,
        passphrase: Option<Passphrase>,
    ) -> io::Result<Self> {
        let worker = Worker::start("rsa", net.waker(), |task: Task| task.job.run(&*task.identity))?;
        Ok(Self {
            chat,
            screen,
            net,
            home,
            identity: own.map(|own| own.identity),
            passphrase: passphrase.map(Arc::new),
            worker,
            jobs: BTreeMap::new(),
            lookups: BTreeMap::new(),
            dials: BTreeMap::new(),
            listeners: BTreeMap::new(),
            paused: BTreeMap::new(),
            making: None,
            verdicts: Vec::new(),
            quit: None,
            started: Instant::now(),
        })
    }

    /// The code to end with, once the chat has said so.
    pub(super) fn quit(&self) -> Option<u8> {
        self.quit
    }

    /// How connections that we dialled have ended since the last call.
    pub(super) fn verdicts(&mut self) -> Vec<Verdict> {
        std::mem::take(&mut self.verdicts)
    }

    /// Hands one input to the chat and carries out what follows from it.
    pub(super) fn handle(&mut self, input: Input<'_>) {
        let now = self.now();
        self.chat.handle(now, input);
        // Effects can have answers, which are inputs; the chat is drained before each.
        while let Some(effect) = self.chat.poll() {
            if let Some(answer) = self.perform(effect) {
                self.chat.handle(self.now(), answer);
            }
        }
    }

    /// Waits for the machine until something happens or the chat's next deadline, and passes it on.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        let deadline = self.chat.deadline_ms().filter(|due| *due != u64::MAX);
        let deadline = deadline.map(|due| self.started + Duration::from_millis(due));
        let mut events = Vec::new();
        self.net.wait(deadline, &mut events)?;
        for event in events {
            self.net_event(event);
        }
        while let Some((ticket, result)) = self.worker.finished() {
            if let Some(link) = self.jobs.remove(&ticket) {
                self.handle(match result {
                    Ok(result) => Input::Worked { link, result },
                    Err(_) => Input::Busy { link },
                });
            }
        }
        self.look_after_errands();
        self.handle(Input::Tick);
        self.regulate();
        Ok(())
    }

    fn now(&self) -> Now {
        let mono_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono_ms, unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX) }
    }

    fn net_event(&mut self, event: NetEvent) {
        let input = match event {
            NetEvent::Accepted { link, listener, from } => {
                let Some(listener) = self.listeners.get(&listener).copied() else { return };
                Input::Accepted { link: Link(link.0), listener, from, seed: seed() }
            }
            NetEvent::Connected { link, to } => match self.dials.remove(&link) {
                Some(dial) => Input::Connected { dial, link: Link(link.0), to, seed: seed() },
                None => return self.net.drop_now(link),
            },
            NetEvent::Unreachable { link, tried } => {
                let Some(dial) = self.dials.remove(&link) else { return };
                let tried: Vec<_> =
                    tried.iter().map(|(addr, why)| format!("{addr}: {}", words(why))).collect();
                Input::Unreachable { dial, why: tried.join("; ") }
            }
            NetEvent::Bytes { link, bytes } => {
                return self.handle(Input::Bytes { link: Link(link.0), bytes: &bytes });
            }
            NetEvent::Ended { link } => Input::Ended { link: Link(link.0), error: None },
            NetEvent::Lost { link, error } => Input::Ended { link: Link(link.0), error: Some(words(&error)) },
            NetEvent::Famine { open } => Input::Famine { open },
            NetEvent::Refused { from, why, callers } => {
                let more = if callers > 1 { format!(" ({callers} callers)") } else { String::new() };
                Input::TurnedAway { from, why: format!("{why}{more}") }
            }
            NetEvent::Drained { .. } | NetEvent::Woken => return,
        };
        self.handle(input);
    }

    /// Carries out one effect; some have their answer at once.
    fn perform(&mut self, effect: Effect) -> Option<Input<'static>> {
        match effect {
            Effect::Show(notice, owed) => self.screen.show(&notice, owed),
            Effect::Listen { listener, at, family } => return Some(self.listen(listener, &at, family)),
            Effect::Connect { dial, target, family } => return self.look_up(dial, target, family),
            Effect::CancelConnect(dial) => self.cancel(dial),
            Effect::Transmit { link, bytes } => self.net.send(LinkId(link.0), bytes),
            Effect::Proven(link) => self.net.proven(LinkId(link.0)),
            Effect::Hangup(link) => {
                self.paused.remove(&link);
                self.net.hangup(LinkId(link.0));
            }
            Effect::Work { link, job, queue } => return self.work(link, job, queue),
            Effect::ReadBook { link } => {
                let book = bookfile::read(&self.home).map_err(|fault| fault.to_string());
                return Some(Input::Book { link, book });
            }
            Effect::ChangeBook(changes) => {
                let book = change(&self.home, &changes).map_err(|fault| fault.to_string());
                return Some(Input::Changed(book));
            }
            Effect::MakeKey { bits, replacing, .. } => return self.make_key(bits, replacing),
            Effect::CancelKey => self.making = None,
            Effect::DialOver(verdict) => self.verdicts.push(verdict),
            Effect::Quit(code) => self.quit = Some(code),
        }
        None
    }

    fn work(&mut self, link: Link, job: Job, queue: Queue) -> Option<Input<'static>> {
        let identity = Arc::clone(self.identity.as_ref()?);
        let queue = match queue {
            Queue::Known => worker::Queue::Known,
            Queue::Strangers => worker::Queue::Strangers,
        };
        match self.worker.submit(queue, Task { job, identity }) {
            Ok(ticket) => {
                self.jobs.insert(ticket, link);
                None
            }
            Err(_) => Some(Input::Busy { link }),
        }
    }

    fn listen(&mut self, listener: Listener, at: &ListenAt, family: Family) -> Input<'static> {
        match bind(&mut self.net, at, family) {
            Ok((id, at)) => {
                self.listeners.insert(id, listener);
                Input::Listening { listener, at }
            }
            Err(error) => Input::ListenFailed { listener, why: words(&error) },
        }
    }

    /// Names are looked up in a thread: the system's resolver can take as long as it likes.
    fn look_up(&mut self, dial: Dial, target: Target, family: Family) -> Option<Input<'static>> {
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

    fn cancel(&mut self, dial: Dial) {
        self.lookups.remove(&dial);
        let links: Vec<_> = self.dials.iter().filter(|(_, d)| **d == dial).map(|(link, _)| *link).collect();
        for link in links {
            self.dials.remove(&link);
            self.net.drop_now(link);
        }
    }

    fn make_key(&mut self, bits: u32, replacing: Replacing) -> Option<Input<'static>> {
        let fail = |why: String| Some(Input::KeyMade(Err(why)));
        if replacing == Replacing::Never {
            // Another process may have made the first key while this one ran.
            match keys::load(&self.home, self.passphrase.as_deref()) {
                Ok(Some(own)) => return Some(self.adopt(own, Origin::Found, None)),
                Ok(None) => {}
                Err(fault) => return fail(fault.to_string()),
            }
        }
        let passphrase = self.passphrase.clone();
        let work = move || keys::make(bits, passphrase.as_deref());
        match Errand::start("keygen", self.net.waker(), work) {
            Ok(errand) => {
                self.making = Some((errand, replacing));
                None
            }
            Err(error) => fail(words(&error)),
        }
    }

    fn look_after_errands(&mut self) {
        let found: Vec<_> =
            self.lookups.iter().filter_map(|(dial, errand)| Some((*dial, errand.finished()?))).collect();
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
            self.handle(Input::Unreachable { dial, why });
        }
        let made =
            self.making.as_ref().and_then(|(errand, replacing)| Some((errand.finished()?, *replacing)));
        if let Some((made, replacing)) = made {
            self.making = None;
            let input = self.keep(made, replacing);
            self.handle(input);
        }
    }

    /// A key has been made: it counts only once it is on disk.
    fn keep(
        &mut self,
        made: Result<Result<Own, Fault>, worker::Panicked>,
        replacing: Replacing,
    ) -> Input<'static> {
        let own = match made {
            Ok(Ok(own)) => own,
            Ok(Err(fault)) => return Input::KeyMade(Err(fault.to_string())),
            Err(panicked) => return Input::KeyMade(Err(panicked.to_string())),
        };
        let saved = match replacing {
            Replacing::Never => keyfile::save_key_text(&self.home, &own.pem, keyfile::Replacing::Refuse),
            Replacing::KeepOld => {
                let date = keys::today();
                keyfile::save_key_text(&self.home, &own.pem, keyfile::Replacing::KeepOld { date: &date })
            }
        };
        match saved {
            Ok(saved) => self.adopt(own, Origin::Made, saved.old.map(|path| path.display().to_string())),
            Err(StoreFault::KeyPresent { .. }) => match keys::load(&self.home, self.passphrase.as_deref()) {
                Ok(Some(own)) => self.adopt(own, Origin::Found, None),
                Ok(None) => Input::KeyMade(Err("the key file went away".to_owned())),
                Err(fault) => Input::KeyMade(Err(fault.to_string())),
            },
            Err(fault) => Input::KeyMade(Err(fault.to_string())),
        }
    }

    fn adopt(&mut self, own: Own, origin: Origin, kept: Option<String>) -> Input<'static> {
        let key = own.as_shown(&self.home);
        self.identity = Some(own.identity);
        Input::KeyMade(Ok(NewKey { key, kept, origin }))
    }

    /// Back pressure by not reading: what the chat cannot use now, or the screen cannot take, stays in the
    /// kernel.
    fn regulate(&mut self) {
        let behind = self.screen.is_behind();
        for link in self.chat.links() {
            let wanted = if self.chat.wants_bytes(link) && !behind { Reading::On } else { Reading::Off };
            let before = self.paused.insert(link, wanted).unwrap_or(Reading::On);
            if before != wanted {
                self.net.set_reading(LinkId(link.0), wanted);
            }
        }
    }
}

/// Changes the book on disk, and gives it as it is then.
pub(super) fn change(home: &Home, changes: &[Change]) -> Result<Book, BookFault> {
    let mut book = None;
    for change in changes {
        book = Some(bookfile::change(home, change)?);
    }
    book.map_or_else(|| bookfile::read(home), Ok)
}

/// The key as the chat may show it.
pub(super) fn shown(home: &Home, identity: &Identity) -> OwnKey {
    let file = keyfile::path(home).display().to_string();
    OwnKey { public: identity.public().clone(), file }
}

/// Thirty-two fresh bytes.
///
/// # Panics
/// When the system has no randomness: nothing can be done safely then.
pub(super) fn seed() -> Seed {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).expect("no secure random numbers; stopping");
    Seed::new(bytes)
}
