//! Simulation under the actors of a run: one environment, one reactor with real loopback sockets,
//! and the [`SimHost`] of each actor.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tempfile::TempDir;

use super::environment::Environment;
use super::face::{Face, FaceRow};
use super::homes::Homes;
use super::network::{LinkEnding, Links, Ports, Transmission, VirtualListener};
use super::screens::Screens;
use crate::app::error::{AppError, describe};
use crate::app::export;
use crate::app::file_disk::{FileDisk, Places};
use crate::app::host::{Host, KeygenRequest};
use crate::app::keyring::{KeyRing, StoredKey};
use crate::app::os::bind;
use crate::app::os::moment;
use crate::chat::{Chat, Effect, Export, ExportError, ExportTarget, FileAnswer, FileRequest, Input, Notice};
use crate::crypto::{Identity, Seed};
use crate::ids::{ConnId, DialId, ListenerId};
use crate::net::process::Signals;
use crate::net::{Net, SocketId, SourceLimiter, Stack};
use crate::peers::address::{BoundAddresses, Family, ListenAt, Target};
use crate::script::matcher::ShownRow;
use crate::store::Home;
use crate::text::safe::SafeText;
use crate::text::shell::below_home;
use crate::time::{Now, UnixMs};

/// Real time within which everything in flight must arrive. Loopback takes microseconds; on a busy
/// machine this process may not run for seconds.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// Dial that an actor asked for.
pub(crate) struct PendingDial {
    pub(crate) actor: usize,
    pub(crate) dial: DialId,
    pub(crate) target: Target,
    pub(crate) family: Family,
}

/// Sockets, clock and output that all actors of a run share.
pub(crate) struct Simulation {
    pub(crate) net: Net,
    pub(crate) environment: Environment,
    /// Limits by source, counted by the virtual clock, where the script asks for them.
    pub(crate) source_limiter: Option<(SourceLimiter, Instant)>,
    pub(crate) ports: Ports,
    pub(crate) links: Links,
    pub(super) delivery_timeout: Duration,
    pub(crate) pending_dials: VecDeque<PendingDial>,
    /// Keys that programs have asked for: the reply to them does not wait for a key.
    pub(super) pending_keys: VecDeque<(usize, KeygenRequest)>,
    /// Inputs that are due before anything else is delivered.
    pub(crate) inputs: VecDeque<(usize, Input<'static>)>,
    pub(crate) shown: Vec<ShownRow>,
    /// Screens for a picture.
    pub(crate) screens: Screens,
    /// Ports that were assigned since the last step.
    pub(crate) assigned_ports: Vec<(usize, u16)>,
    /// Live: signals, which have to end a wait.
    pub(crate) signals: Option<Signals>,
    /// Live: listeners and dials of the real network.
    pub(crate) listeners: BTreeMap<SocketId, (usize, ListenerId)>,
    pub(crate) dials: BTreeMap<ConnId, (usize, DialId)>,
    pub(crate) owners: BTreeMap<ConnId, usize>,
    labels: Vec<String>,
    /// Folder of the run; the home of an actor is the folder of its name in it.
    pub(crate) folder: TempDir,
    /// What the actors keep beside the files in their homes.
    pub(crate) homes: Homes,
    /// Files that actors send and receive.
    files: BTreeMap<usize, FileDisk>,
    /// Text of the script: a number in it is not assigned as a port.
    script: String,
}

/// Host of one actor.
pub(crate) struct SimHost<'a> {
    pub(crate) simulation: &'a mut Simulation,
    pub(crate) actor: usize,
    pub(crate) face: &'a mut Face,
}

impl Simulation {
    pub(crate) fn new(
        environment: Environment,
        labels: Vec<String>,
        folder: TempDir,
        script: String,
    ) -> io::Result<Self> {
        let mut net = Net::new()?;
        net.set_sources(SourceLimiter::unlimited());
        // In a closed run a wait ends by the traffic of the actors alone.
        let signals = if environment.is_live() { Some(Signals::start(net.waker())?) } else { None };
        Ok(Self {
            net,
            environment,
            source_limiter: None,
            ports: Ports::default(),
            links: Links::default(),
            delivery_timeout: DELIVERY_TIMEOUT,
            pending_dials: VecDeque::new(),
            pending_keys: VecDeque::new(),
            inputs: VecDeque::new(),
            shown: Vec::new(),
            screens: Screens::default(),
            assigned_ports: Vec::new(),
            signals,
            listeners: BTreeMap::new(),
            dials: BTreeMap::new(),
            owners: BTreeMap::new(),
            labels,
            folder,
            homes: Homes::default(),
            files: BTreeMap::new(),
            script,
        })
    }

    pub(crate) fn label(&self, actor: usize) -> &str {
        self.labels.get(actor).map_or("", String::as_str)
    }

    pub(crate) fn home(&self, actor: usize) -> PathBuf {
        let label = self.label(actor);
        self.folder.path().join(if label.is_empty() { "home" } else { label })
    }

    /// Shows an event of an actor, which is not a row of its screen.
    pub(crate) fn event(&mut self, actor: usize, text: String) {
        self.push_row(ShownRow::event(actor, text));
    }

    /// Shows a row of an actor as it is.
    pub(super) fn push_row(&mut self, row: ShownRow) {
        self.screens.row(&row);
        self.shown.push(row);
    }

    /// Shows rows of an actor, as its face has made them.
    pub(crate) fn show(&mut self, actor: usize, rows: Vec<FaceRow>) {
        for FaceRow { text, is_warning } in rows {
            let text = self.portable(actor, &text);
            self.push_row(ShownRow { is_warning, ..ShownRow::row(actor, text) });
        }
    }

    /// Cuts a connection for both ends, like a cable: what was sent before still arrives.
    fn cut(&mut self, conn: ConnId) {
        if let Some(actor) = self.links.cut(conn) {
            self.net.close(conn);
            self.inputs.push_back((actor, Input::Ended { conn, error: None }));
        }
    }

    /// Row as it may stand in a transcript: without paths and addresses of this machine.
    pub(super) fn portable(&self, actor: usize, row: &str) -> String {
        let mut row = row.to_owned();
        // Few rows hold a path or an address, and a long script has many.
        if row.contains('/') {
            let home = self.home(actor).display().to_string();
            row = row.replace(&home, "~").replace(&self.folder.path().display().to_string(), "");
        }
        if row.contains("127.0.0.1:") {
            for (from, caller) in &self.ports.callers {
                let label = self.label(*caller);
                if !label.is_empty() {
                    row = row.replace(&from.to_string(), label);
                }
            }
        }
        SafeText::line(&row).to_string()
    }

    /// The next seed of an actor for a purpose.
    pub(crate) fn next_seed(&mut self, actor: usize, purpose: &'static str) -> Seed {
        let label = self.labels.get(actor).map_or("", String::as_str);
        self.environment.next_seed(label, purpose)
    }

    /// The next key of an actor.
    pub(super) fn next_key(&mut self, actor: usize, request: &KeygenRequest) -> Result<StoredKey, AppError> {
        let label = self.labels.get(actor).map_or("", String::as_str);
        self.environment.next_key(label, request.of, request.bits, request.cause)
    }

    /// Listens on the real network in a live run, else on a virtual address.
    fn listen(
        &mut self,
        actor: usize,
        listener: ListenerId,
        at: &ListenAt,
        family: Family,
    ) -> Result<BoundAddresses, String> {
        if self.environment.is_live() {
            let bound = bind(&mut self.net, at, family).map_err(|error| describe(&error))?;
            self.listeners.extend(bound.sockets.into_iter().map(|socket| (socket, (actor, listener))));
            return Ok(bound.addresses);
        }
        let addr = self.ports.assign(at, family, &self.script)?;
        // IPv4 even where actors see IPv6: no transcript may depend on whether a machine has it.
        let loopback = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let bound = self.net.listen(loopback, Stack::AsGiven);
        let (socket, real) = bound.map_err(|error| describe(&error))?;
        self.ports.listeners.push(VirtualListener { actor, socket, listener, addr, family, real });
        Ok(addr.into())
    }

    /// Closes the files of an actor that has ended.
    pub(crate) fn close_files(&mut self, actor: usize) {
        self.files.remove(&actor);
    }

    /// Does what the chat of an actor asks of the disk.
    fn perform_file(&mut self, actor: usize, request: FileRequest) -> Option<FileAnswer> {
        let home = self.home(actor);
        let disk = self.files.entry(actor).or_insert_with(|| FileDisk::at(Places::Below(home)));
        if self.homes.is_full(actor) { disk.perform_on_full(request) } else { disk.perform(request) }
    }

    /// Takes a message out of the chat of an actor. The folder of its home stands for every other,
    /// so that nothing is written outside the folder of the run.
    fn export(&self, actor: usize, export: &Export) -> Result<(), ExportError> {
        let ExportTarget::File(file) = &export.to else { return Err(ExportError::NoTerminal) };
        let failed = |why: String| ExportError::NotWritten { file: file.clone(), why };
        let inside = Path::new(below_home(file).unwrap_or(file));
        let inside = inside.strip_prefix("/").unwrap_or(inside);
        if inside.components().any(|part| part == Component::ParentDir) {
            return Err(failed("a script saves no file above the home of an actor".to_owned()));
        }
        if self.homes.is_full(actor) {
            return Err(failed(describe(&Errno::NOSPC.into())));
        }
        let path = self.home(actor).join(inside);
        if file.starts_with('/')
            && let Some(folder) = path.parent()
        {
            // Absolute paths are those of the machine where the script was recorded.
            fs::create_dir_all(folder).map_err(|error| failed(describe(&error)))?;
        }
        export::save(&path, &export.text).map_err(failed)
    }

    fn unlisten(&mut self, actor: usize, listener: ListenerId) {
        let real = self.listeners.extract_if(.., |_, of| *of == (actor, listener)).map(|(socket, _)| socket);
        let sockets: Vec<_> = real.chain(self.ports.remove_listener(actor, listener)).collect();
        for socket in sockets {
            self.net.unlisten(socket);
        }
    }

    fn cancel_connect(&mut self, actor: usize, dial: DialId) {
        self.pending_dials.retain(|pending| pending.actor != actor || pending.dial != dial);
        self.abort_dials(|of| *of == (actor, dial));
    }

    /// Aborts live dials.
    pub(crate) fn abort_dials(&mut self, which: impl Fn(&(usize, DialId)) -> bool) {
        for (conn, _) in self.dials.extract_if(.., |_, dial| which(dial)) {
            self.net.abort(conn);
        }
    }

    /// In a closed run nothing is write-blocked: what the kernel does not take at once it takes
    /// before the run is quiescent.
    fn transmit(&mut self, conn: ConnId, bytes: Vec<u8>) -> Option<Input<'static>> {
        if self.environment.is_live() {
            self.net.send(conn, bytes);
            return (self.net.queued(conn) > 0).then_some(Input::WriteBlocked { conn });
        }
        if let Some(transmission) = self.links.send(conn, bytes) {
            self.hand_over(transmission);
        }
        None
    }

    /// Hands bytes of a closed run to the kernel.
    pub(crate) fn hand_over(&mut self, Transmission { conn, bytes, then }: Transmission) {
        if !bytes.is_empty() {
            self.net.send(conn, bytes);
        }
        match then {
            Some(LinkEnding::Cut) => self.cut(conn),
            Some(LinkEnding::Close) => self.close(conn),
            None => {}
        }
    }

    fn close(&mut self, conn: ConnId) {
        if self.environment.is_live() || self.links.close(conn) {
            self.net.close(conn);
        }
    }
}

impl SimHost<'_> {
    /// Shows rows of the actor's face now.
    pub(super) fn show_of(&mut self, rows: impl FnOnce(&mut Face, UnixMs) -> Vec<FaceRow>) {
        let rows = rows(self.face, self.simulation.environment.now().unix);
        self.simulation.show(self.actor, rows);
    }

    fn notice(&mut self, notice: &Notice) {
        let (simulation, actor) = (&mut *self.simulation, self.actor);
        let now = simulation.environment.now().unix;
        simulation.screens.notice(actor, notice, now);
        let rows = self.face.notice(notice, now, &|row| simulation.portable(actor, row));
        simulation.show(actor, rows);
    }
}

impl Host for SimHost<'_> {
    fn now(&self) -> Now {
        self.simulation.environment.now()
    }

    fn chat_changed(&mut self, chat: &Chat) {
        self.face.chat_changed(chat);
        self.simulation.screens.chat_changed(self.actor, chat);
    }

    fn today(&self) -> String {
        moment(self.now().unix.0).chars().take("YYYY-MM-DD".len()).collect()
    }

    fn perform(&mut self, effect: Effect, keys: &KeyRing) -> Option<Input<'static>> {
        let (simulation, actor) = (&mut *self.simulation, self.actor);
        match effect {
            Effect::Show(notice, due) => {
                self.notice(&notice);
                return due.map(Input::Shown);
            }
            Effect::ShowTo(_, notice) => self.notice(&notice),
            Effect::Sent(sent) => {
                simulation.screens.sent(actor, &sent, simulation.environment.now().unix);
                self.show_of(|face, now| face.sent(&sent, now));
            }
            Effect::Said(_, message) => simulation.screens.said(actor, &message),
            Effect::ReturnLine(_, line) => simulation.screens.returned(actor, &line.text),
            Effect::Asked(question) => self.face.asked(question),
            Effect::Answers(question) => self.face.answers(question),
            Effect::Delivery(report) => self.show_of(|face, now| face.delivery(&report, now)),
            Effect::Export(face, export) => {
                let result = simulation.export(actor, &export);
                return Some(Input::Exported { face, export, result });
            }
            // No file is written: what was recorded with a log plays without leaving one behind.
            Effect::OpenLog(file) => return Some(Input::Logging { file, result: Ok(()) }),
            Effect::Listen { listener, at, family } => {
                let bound = simulation.listen(actor, listener, &at, family);
                if at.port == 0
                    && let Ok(addresses) = &bound
                {
                    simulation.assigned_ports.push((actor, addresses.port()));
                }
                return Some(match bound {
                    // No transcript depends on the machine.
                    Ok(at) => Input::Listening { listener, at, dial: Vec::new() },
                    Err(why) => Input::ListenFailed { listener, why },
                });
            }
            Effect::Unlisten(listener) => simulation.unlisten(actor, listener),
            Effect::Connect { dial, target, .. } if target.way().is_some() => {
                return Some(Input::Unreachable { dial, why: "a script has no proxies".to_owned() });
            }
            Effect::Connect { dial, target, family, .. } => {
                simulation.pending_dials.push_back(PendingDial { actor, dial, target, family });
            }
            Effect::CancelConnect(dial) => simulation.cancel_connect(actor, dial),
            Effect::Transmit { conn, bytes } => return simulation.transmit(conn, bytes),
            Effect::Authenticated(..) => {
                if let Some((limiter, _)) = &mut simulation.source_limiter {
                    limiter.release(Ipv4Addr::LOCALHOST.into());
                }
            }
            Effect::Close(conn) => simulation.close(conn),
            Effect::Job { conn, job, .. } => {
                return Some(Input::JobDone { conn, result: job.run(keys.keys()) });
            }
            Effect::Seed { conn } => {
                return Some(Input::Seed { conn, seed: simulation.next_seed(actor, "re-keying") });
            }
            Effect::TokenSeed => {
                return Some(Input::TokenSeed(simulation.next_seed(actor, "invitation")));
            }
            Effect::Commit(batch, _) => {
                let home = simulation.home(actor);
                return Some(Input::Committed(simulation.homes.commit(actor, &home, batch)));
            }
            Effect::ReadHistory(query) => {
                return Some(Input::History(Ok(simulation.homes.find(actor, &query))));
            }
            Effect::ForgetHistory { before } => {
                simulation.homes.forget_history(actor, before);
                return Some(Input::Committed(Ok(())));
            }
            Effect::File(request) => return simulation.perform_file(actor, request).map(Input::File),
            // These leave no trace in a transcript.
            Effect::Hold(..)
            | Effect::Remember(_)
            | Effect::Relay(_)
            | Effect::LetterSeed
            | Effect::FirstLetter(_)
            | Effect::Give { .. }
            | Effect::EndFace(_)
            | Effect::QuestionRead(_)
            | Effect::Alert(_)
            | Effect::CloseLog
            | Effect::CancelKey
            | Effect::ChosenPeer(_)
            // The account performs these.
            | Effect::ReadBook { .. }
            | Effect::ChangeBook(_)
            | Effect::ChangeMet(_)
            | Effect::MakeKey { .. }
            | Effect::OpenMessages
            | Effect::DialFinished(_)
            | Effect::Quit(_) => {}
        }
        None
    }

    fn open_messages(&mut self, home: &Home, _identity: &Identity) -> Input<'static> {
        let (pairs, history) = match self.simulation.homes.open(self.actor, home.path()) {
            Ok(kept) => kept,
            Err(why) => return Input::MessagesUnusable { why },
        };
        let seed = self.simulation.next_seed(self.actor, "counts of messages");
        Input::Messages { pairs, history, seed, put_aside: None }
    }

    fn generate_key(&mut self, request: &KeygenRequest) -> Option<Result<StoredKey, AppError>> {
        if matches!(self.face, Face::Json(_)) {
            self.simulation.pending_keys.push_back((self.actor, request.clone()));
            return None;
        }
        Some(self.simulation.next_key(self.actor, request))
    }
}
