//! Calls that are being made: look-ups of names, and the connections that come of them, direct, by
//! a proxy or by a command.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::error::{describe, describe_attempts};
use super::keyring::seed;
use super::os::{resolve, resolve_within};
use super::proxy_command::{self, CommandReport, ProcessHandle};
use crate::chat::Input;
use crate::crypto::Fingerprint;
use crate::ids::{ConnId, DialId};
use crate::limits::CONNECT_TIMEOUT_MS;
use crate::net::worker::BackgroundTask;
use crate::net::{Net, SocksError, SocksRequest};
use crate::peers::address::{Family, Target};
use crate::peers::via::{Proxy, ProxyCommand, Via};

pub(crate) struct Dialler {
    lookups: BTreeMap<DialId, Lookup>,
    /// Connections that are being made, or were and are not handed over.
    dials: BTreeMap<ConnId, (DialId, Option<ProxyWords>)>,
    /// Commands whose ends are not handed over, by the dials that they were started for.
    commands: BTreeMap<DialId, Command>,
    /// Commands that were not started, and why.
    refused: BTreeMap<DialId, String>,
    reporter: Sender<(DialId, CommandReport)>,
    reports: Receiver<(DialId, CommandReport)>,
}

struct Command {
    conn: ConnId,
    process: ProcessHandle,
    stage: CommandStage,
}

/// How far the end of a command is: it is told once both ends are there.
enum CommandStage {
    Running,
    /// Its end of the connection has come.
    HungUp,
    /// It has ended, so.
    Ended(String),
}

impl Default for Dialler {
    fn default() -> Self {
        let (reporter, reports) = channel();
        Self {
            lookups: BTreeMap::new(),
            dials: BTreeMap::new(),
            commands: BTreeMap::new(),
            refused: BTreeMap::new(),
            reporter,
            reports,
        }
    }
}

struct Lookup {
    task: BackgroundTask<io::Result<Vec<SocketAddr>>>,
    proxied: Option<Proxied>,
}

/// Call by a proxy.
pub(crate) struct Proxied {
    pub(crate) request: SocksRequest,
    /// Until when it takes, its own look-up included.
    pub(crate) until: Instant,
    pub(crate) words: ProxyWords,
}

/// Proxy and callee, for what is said of them.
pub(crate) struct ProxyWords {
    proxy: String,
    callee: Callee,
}

/// What is called, for what is said of it.
pub(crate) enum Callee {
    /// An rsachat, and the name of its user, where that is known.
    Peer(Option<String>),
    Relay,
}

impl Proxied {
    /// Call to an address. Where the proxy names no user, Tor is given one for each address: calls
    /// to different peers share no circuit.
    pub(crate) fn new(proxy: &Proxy, target: &Target, callee: Callee) -> Self {
        let login = match &proxy.login {
            Some(login) => (login.user.clone(), login.password.clone()),
            None => (Fingerprint::of(target.to_string().as_bytes()).to_string().into(), b"-".to_vec()),
        };
        let request = SocksRequest { host: target.host.clone(), port: target.port, login };
        let until = Instant::now() + Duration::from_millis(CONNECT_TIMEOUT_MS);
        Self { request, until, words: ProxyWords { proxy: proxy.to_string(), callee } }
    }
}

impl ProxyWords {
    /// Why a proxy was not reached, or did not connect.
    pub(crate) fn why(&self, error: &io::Error) -> String {
        let (proxy, why) = (&self.proxy, describe(error));
        let reply = error.get_ref().and_then(|inner| inner.downcast_ref::<SocksError>().copied());
        match reply {
            Some(reply) if reply.is_of_peer() => match &self.callee {
                Callee::Peer(Some(name)) => {
                    format!("the proxy {proxy} says: {why}; is {name}'s rsachat running?")
                }
                Callee::Peer(None) => format!("the proxy {proxy} says: {why}; is an rsachat running there?"),
                Callee::Relay => format!("the proxy {proxy} says: {why}"),
            },
            Some(SocksError::Refused { .. }) => format!("the proxy {proxy} says: {why}"),
            _ => format!("the proxy {proxy}: {why}"),
        }
    }
}

impl Dialler {
    /// Resolves in a thread: the system's resolver can take as long as it likes. For a call by a
    /// proxy only its own name is looked up.
    pub(crate) fn connect(
        &mut self,
        net: &mut Net,
        dial: DialId,
        target: Target,
        family: Family,
        callee: Callee,
    ) -> Option<Input<'static>> {
        let (task, proxied) = match target.way() {
            Some(Via::Proxy(proxy)) => {
                let proxied = Proxied::new(proxy, &target, callee);
                let (at, until) = ((proxy.host.clone(), proxy.port), proxied.until);
                let work =
                    move || resolve_within(at, family, until.saturating_duration_since(Instant::now()));
                (BackgroundTask::start("lookup", net.waker(), work), Some(proxied))
            }
            Some(Via::Command(command)) => {
                let why = match self.start(net, dial, command, &target) {
                    Ok(conn) => return Some(Input::Connected { dial, conn, to: None, seed: seed() }),
                    Err(why) => why,
                };
                // Whoever has asked for the call is told afterwards, as of every other failure.
                self.refused.insert(dial, why);
                let _ = net.waker().wake();
                return None;
            }
            Some(Via::Direct) | None => {
                let work = move || resolve(&target.host, target.port, family);
                (BackgroundTask::start("lookup", net.waker(), work), None)
            }
        };
        match task {
            Ok(task) => {
                self.lookups.insert(dial, Lookup { task, proxied });
                None
            }
            Err(error) => Some(Input::Unreachable { dial, why: describe(&error) }),
        }
    }

    /// Starts the command of a call. Its connection is there at once.
    fn start(
        &mut self,
        net: &mut Net,
        dial: DialId,
        command: &ProxyCommand,
        target: &Target,
    ) -> Result<ConnId, String> {
        let (reporter, waker) = (self.reporter.clone(), net.waker());
        let report = move |report| {
            // A loop that has ended needs none.
            if reporter.send((dial, report)).is_ok() {
                let _ = waker.wake();
            }
        };
        let (stream, process) = proxy_command::start(command, target, report)?;
        let handle = process.handle();
        let conn = net.adopt_command(stream, Box::new(process)).map_err(|error| describe(&error))?;
        self.commands.insert(dial, Command { conn, process: handle, stage: CommandStage::Running });
        Ok(conn)
    }

    /// Hands over what commands have said, and how those ended whose connections have.
    pub(crate) fn command_reports(&mut self, net: &Net) -> Vec<Input<'static>> {
        let refused = std::mem::take(&mut self.refused);
        let reports: Vec<_> = self.reports.try_iter().collect();
        let refused = refused.into_iter().map(|(dial, why)| Input::Unreachable { dial, why });
        let told = reports.into_iter().filter_map(|(dial, report)| self.command_report(net, dial, report));
        refused.chain(told).collect()
    }

    fn command_report(&mut self, net: &Net, dial: DialId, report: CommandReport) -> Option<Input<'static>> {
        let command = self.commands.get_mut(&dial)?;
        let conn = command.conn;
        let words = match report {
            CommandReport::Said(row) => return Some(Input::CommandSaid { conn, row }),
            CommandReport::Ended(words) => words,
        };
        if matches!(command.stage, CommandStage::HungUp) {
            self.commands.remove(&dial);
            return Some(Input::Ended { conn, error: Some(words) });
        }
        if net.has(conn) {
            command.stage = CommandStage::Ended(words);
        } else {
            self.commands.remove(&dial);
        }
        None
    }

    /// The end of a connection; that of a command is told with its exit code, once that is known.
    pub(crate) fn end(&mut self, conn: ConnId, error: Option<String>) -> Option<Input<'static>> {
        let Some((&dial, command)) = self.commands.iter_mut().find(|(_, command)| command.conn == conn)
        else {
            return Some(Input::Ended { conn, error });
        };
        match std::mem::replace(&mut command.stage, CommandStage::HungUp) {
            CommandStage::Ended(words) => {
                self.commands.remove(&dial);
                Some(Input::Ended { conn, error: Some(words) })
            }
            CommandStage::Running | CommandStage::HungUp => {
                command.process.end_soon();
                None
            }
        }
    }

    pub(crate) fn cancel(&mut self, net: &mut Net, dial: DialId) {
        self.lookups.remove(&dial);
        self.refused.remove(&dial);
        for (conn, _) in self.dials.extract_if(.., |_, (of, _)| *of == dial) {
            net.abort(conn);
        }
    }

    /// Connects to the names that were resolved. Returns the failures.
    pub(crate) fn finished_lookups(&mut self, net: &mut Net) -> Vec<Input<'static>> {
        let is_found = |(dial, lookup): (&DialId, &Lookup)| Some((*dial, lookup.task.finished()?));
        let found: Vec<_> = self.lookups.iter().filter_map(is_found).collect();
        let mut failed = Vec::new();
        for (dial, found) in found {
            let proxied = self.lookups.remove(&dial).and_then(|lookup| lookup.proxied);
            let why = match (found, proxied) {
                (Ok(Ok(addrs)), None) => {
                    self.dials.insert(net.connect(addrs), (dial, None));
                    continue;
                }
                (Ok(Ok(addrs)), Some(Proxied { request, until, words })) => {
                    self.dials.insert(net.connect_by_proxy(addrs, request, until), (dial, Some(words)));
                    continue;
                }
                (Ok(Err(error)), None) => describe(&error),
                (Ok(Err(error)), Some(proxied)) => proxied.words.why(&error),
                (Err(panicked), _) => panicked.to_string(),
            };
            failed.push(Input::Unreachable { dial, why });
        }
        failed
    }

    /// The dial that a connection was made for, once.
    pub(crate) fn take(&mut self, conn: ConnId) -> Option<DialId> {
        self.dials.remove(&conn).map(|(dial, _)| dial)
    }

    /// The same for one that could not be made, and why.
    pub(crate) fn take_failed(
        &mut self,
        conn: ConnId,
        tried: &[(SocketAddr, io::Error)],
    ) -> Option<Input<'static>> {
        let (dial, words) = self.dials.remove(&conn)?;
        let why = match words {
            None => describe_attempts(tried),
            // All are addresses of the one proxy, and the last is not better than the others.
            Some(words) => tried.last().map(|(_, error)| words.why(error)).unwrap_or_default(),
        };
        Some(Input::Unreachable { dial, why })
    }
}
