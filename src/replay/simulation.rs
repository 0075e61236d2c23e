//! The machine under the actors of a run: one loop with real loopback sockets for all of them, one clock,
//! one list of what was shown. Effects of an actor come in by its [`ActorHost`].

use crate::ids::JobQueue;
use crate::ids::{ConnId, DialId, ListenerId};
use crate::time::Now;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::clock::{Clock, RunClock};
use super::links::{EndState, Links};
use super::ports::Ports;
use super::seeds::Seeds;
use crate::app::account::{Host, KeygenRequest};
use crate::app::error::AppError;
use crate::app::error::describe;
use crate::app::keyring::{KeyRing, StoredKey};
use crate::chat::{Input, Notice, Protocol, ReceiptDue};
use crate::crypto::RsaJob;
use crate::net::signals::Signals;
use crate::net::{Net, SocketId, SourceLimiter, Stack};
use crate::peers::address::{Family, ListenAt, Target};
use crate::script::matcher::{ShownKind, ShownRow};
use crate::text::safe::SafeText;

/// A call that an actor wants to make.
pub(crate) struct Call {
    pub(crate) who: usize,
    pub(crate) dial: DialId,
    pub(crate) target: Target,
    pub(crate) family: Family,
}

/// What all actors of a run stand on.
pub(crate) struct Simulation {
    pub(crate) net: Net,
    pub(crate) world: RunClock,
    pub(crate) seeds: Seeds,
    /// Limits by source, counted by the virtual clock, where the script asks for them.
    pub(crate) sources: Option<(SourceLimiter, Instant)>,
    pub(crate) ports: Ports,
    pub(crate) wires: Links,
    pub(crate) calls: VecDeque<Call>,
    /// Inputs that are due before anything else is delivered.
    pub(crate) waiting: VecDeque<(usize, Input<'static>)>,
    pub(crate) shown: Vec<ShownRow>,
    /// Ports that were given out since the last step, by their digits.
    pub(crate) given: Vec<(usize, u16)>,
    /// Live: signals, which have to end a wait.
    pub(crate) signals: Option<Signals>,
    /// Live: listeners and dials of the real network.
    pub(crate) listeners: BTreeMap<SocketId, (usize, ListenerId)>,
    pub(crate) dials: BTreeMap<ConnId, (usize, DialId)>,
    pub(crate) owners: BTreeMap<ConnId, usize>,
    labels: Vec<String>,
    folder: PathBuf,
    /// The text of the script: numbers in it are nobody's port.
    script: String,
}

/// One actor's hold on the stage.
pub(crate) struct ActorHost<'a> {
    pub(crate) stage: &'a mut Simulation,
    pub(crate) who: usize,
}

impl Simulation {
    pub(crate) fn new(
        world: RunClock,
        seeds: Seeds,
        labels: Vec<String>,
        folder: PathBuf,
        script: String,
    ) -> io::Result<Self> {
        let mut net = Net::new()?;
        net.set_sources(SourceLimiter::unlimited());
        let signals = match world.clock {
            // Nothing is waited for there but what is known to come.
            Clock::Virtual { .. } => None,
            Clock::Real { .. } => Some(Signals::start(net.waker())?),
        };
        Ok(Self {
            net,
            world,
            seeds,
            sources: None,
            ports: Ports::default(),
            wires: Links::default(),
            calls: VecDeque::new(),
            waiting: VecDeque::new(),
            shown: Vec::new(),
            given: Vec::new(),
            signals,
            listeners: BTreeMap::new(),
            dials: BTreeMap::new(),
            owners: BTreeMap::new(),
            labels,
            folder,
            script,
        })
    }

    pub(crate) fn label(&self, who: usize) -> &str {
        self.labels.get(who).map_or("", String::as_str)
    }

    /// The folder of the run; an actor's home is the folder of its name in it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn home(&self, who: usize) -> PathBuf {
        let label = self.label(who);
        self.folder.join(if label.is_empty() { "home" } else { label })
    }

    /// Something happened to an actor that is not a row of its screen.
    pub(crate) fn event(&mut self, who: usize, text: String) {
        self.shown.push(ShownRow { who, what: ShownKind::Event, text });
    }

    /// The connection ends for both, as when a cable is cut: what was sent before still arrives.
    pub(crate) fn cut(&mut self, conn: ConnId) {
        let Some(end) = self.wires.get_mut(conn).filter(|end| !end.gone) else { return };
        end.gone = true;
        end.over = EndState::RunEvent;
        let who = end.who;
        self.net.close(conn);
        self.waiting.push_back((who, Input::Ended { conn, error: None }));
    }

    /// A row as it may stand in a transcript: nothing of this machine is in it.
    fn of_this_run(&self, who: usize, row: &str) -> String {
        let mut row = row.to_owned();
        // Few rows hold a path or an address, and a long script has many.
        if row.contains('/') {
            let home = self.home(who).display().to_string();
            row = row.replace(&home, "~").replace(&self.folder.display().to_string(), "");
        }
        if row.contains("127.0.0.1:") {
            for (from, caller) in self.ports.callers() {
                let label = self.label(*caller);
                if !label.is_empty() {
                    row = row.replace(&from.to_string(), label);
                }
            }
        }
        SafeText::line(&row).to_string()
    }

    fn listen_closed(
        &mut self,
        who: usize,
        listener: ListenerId,
        at: &ListenAt,
        family: Family,
    ) -> Result<std::net::SocketAddr, String> {
        let place = self.ports.place(at, family, &self.script)?;
        let (id, real) = self.net.listen(place.real, Stack::AsGiven).map_err(|error| describe(&error))?;
        self.ports.bind(who, id, listener, family, &super::ports::PortMapping { real, ..place });
        if at.port == 0 {
            self.given.push((who, place.seen.port()));
        }
        Ok(place.seen)
    }
}

impl Host for ActorHost<'_> {
    fn now(&self) -> Now {
        self.stage.world.now()
    }

    fn today(&self) -> String {
        let unix_ms = i64::try_from(self.now().unix.0).unwrap_or(0);
        let stamp = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or_default();
        stamp.to_zoned_datetime(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d").to_string()
    }

    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) -> Option<Input<'static>> {
        for row in notice.rows() {
            let text = self.stage.of_this_run(self.who, &row);
            self.stage.shown.push(ShownRow { who: self.who, what: ShownKind::Row, text });
        }
        due.map(Input::Shown)
    }

    fn listen(&mut self, listener: ListenerId, at: &ListenAt, family: Family) -> Option<Input<'static>> {
        let bound = match self.stage.world.clock {
            Clock::Virtual { .. } => self.stage.listen_closed(self.who, listener, at, family),
            Clock::Real { .. } => self.stage.listen_live(self.who, listener, at, family),
        };
        Some(match bound {
            Ok(at) => Input::Listening { listener, at },
            Err(why) => Input::ListenFailed { listener, why },
        })
    }

    fn connect(&mut self, dial: DialId, target: Target, family: Family) -> Option<Input<'static>> {
        self.stage.calls.push_back(Call { who: self.who, dial, target, family });
        None
    }

    fn cancel_connect(&mut self, dial: DialId) {
        let who = self.who;
        self.stage.calls.retain(|call| call.who != who || call.dial != dial);
        let connections = self.stage.dials.iter().filter(|(_, one)| **one == (who, dial));
        let connections: Vec<ConnId> = connections.map(|(conn, _)| *conn).collect();
        for conn in connections {
            self.stage.dials.remove(&conn);
            self.stage.net.abort(conn);
        }
    }

    /// In a closed world nobody is slow: what the kernel does not take at once it takes before the world rests.
    fn transmit(&mut self, conn: ConnId, bytes: Vec<u8>) -> Option<Input<'static>> {
        let id = conn;
        if let Clock::Real { .. } = self.stage.world.clock {
            self.stage.net.send(id, bytes);
            return (self.stage.net.queued(id) > 0).then_some(Input::WriteBlocked { conn });
        }
        let passed = self.stage.wires.pass(id, bytes);
        if !passed.bytes.is_empty() {
            self.stage.net.send(id, passed.bytes);
        }
        if passed.cut {
            self.stage.cut(id);
        }
        None
    }

    fn mark_authenticated(&mut self, _: ConnId, _: Protocol) {
        if let Some((sources, _)) = &mut self.stage.sources {
            sources.release(std::net::Ipv4Addr::LOCALHOST.into());
        }
    }

    fn close(&mut self, conn: ConnId) {
        let live = matches!(self.stage.world.clock, Clock::Real { .. });
        if live || self.stage.wires.hang_up(conn) {
            self.stage.net.close(conn);
        }
    }

    fn work(&mut self, conn: ConnId, job: RsaJob, _: JobQueue, keys: KeyRing) -> Option<Input<'static>> {
        Some(Input::JobDone { conn, result: job.run(keys.keys()) })
    }

    fn make_key(&mut self, recipe: KeygenRequest) -> Option<Result<StoredKey, AppError>> {
        let label = self.stage.label(self.who).to_owned();
        Some(self.stage.seeds.key(&label, recipe.of, recipe.bits))
    }

    fn cancel_key(&mut self) {}
}
