//! The actors of a run: who is there, how they come and go, and how what happens on the stage reaches them.

use crate::ids::ConnId;
use std::fs;

use super::clock::RunClock;
use super::seeds::Seeds;
use super::simulation::{ActorHost, Simulation};
use crate::app::account::Client;
use crate::app::error::describe;
use crate::app::error::{AppError, code};
use crate::app::keyring;
use crate::chat::{Chat, ExitRequest, Input, KeyFor};
use crate::limits;
use crate::peers::name::Name;
use crate::script::{HomeState, KillMode};
use crate::store::{Home, book_file};

/// The name of the one actor of a script that names nobody.
const NAMELESS: &str = "user";

/// Everybody, and what they stand on.
pub(crate) struct Actors {
    pub(crate) stage: Simulation,
    states: Vec<ActorState>,
    /// The folder of the run; goes with it.
    _folder: tempfile::TempDir,
}

/// Whether an actor is there.
enum ActorState {
    Here(Box<Client>),
    /// Not ours: nothing of it runs here.
    Live,
    Gone(Gone),
}

/// Why an actor is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gone {
    /// Not started yet.
    NotYet,
    /// Ended by itself.
    Exited,
    /// Ended by the script.
    Killed,
}

impl Actors {
    pub(crate) fn new(
        labels: &[String],
        world: RunClock,
        seeds: Seeds,
        script: String,
    ) -> Result<Self, AppError> {
        let labels = if labels.is_empty() { vec![String::new()] } else { labels.to_vec() };
        let folder = tempfile::Builder::new().prefix("rsachat-replay-").tempdir().map_err(|error| {
            let reason = describe(&error);
            let there = std::env::temp_dir();
            let what = format!("cannot make a folder for the homes in {}: {reason}", there.display());
            AppError::new(code::MACHINE, what).hint("TMPDIR says where it is made")
        })?;
        let actors = labels.iter().map(|_| ActorState::Gone(Gone::NotYet)).collect();
        let stage = Simulation::new(world, seeds, labels, folder.path().to_owned(), script);
        let stage = stage.map_err(|error| {
            AppError::new(
                code::MACHINE,
                format!("cannot open what the sockets of a run need: {}", describe(&error)),
            )
        })?;
        Ok(Self { stage, states: actors, _folder: folder })
    }

    pub(crate) fn count(&self) -> usize {
        self.states.len()
    }

    /// From now on this one is a program that is not ours.
    pub(crate) fn is_not_ours(&mut self, who: usize) {
        self.set(who, ActorState::Live);
    }

    pub(crate) fn is_live(&self, who: usize) -> bool {
        matches!(self.states.get(who), Some(ActorState::Live))
    }

    /// Why an actor is not there, if it is not.
    pub(crate) fn gone(&self, who: usize) -> Option<Gone> {
        match self.states.get(who) {
            Some(ActorState::Gone(gone)) => Some(*gone),
            _ => None,
        }
    }

    /// Everybody of ours who has not been started is now.
    pub(crate) fn everybody_enters(&mut self) -> Result<(), AppError> {
        for who in 0..self.count() {
            if self.gone(who) == Some(Gone::NotYet) {
                self.start(who, HomeState::Kept)?;
            }
        }
        Ok(())
    }

    pub(crate) fn start(&mut self, who: usize, kept: HomeState) -> Result<(), AppError> {
        let folder = self.stage.home(who);
        if kept == HomeState::Fresh && folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let home = Home::choose(Some(&folder), &|_| None)?;
        home.prepare()?;
        let label = self.stage.label(who);
        let label = if label.is_empty() { NAMELESS } else { label };
        let name = Name::claimed(label.as_bytes());
        let own = keyring::load(&home, KeyFor::Identity, None)?;
        let book = book_file::read(&home);
        let damage = book.as_ref().err().map(ToString::to_string);
        let shown = own.as_ref().map(|own| own.as_shown(&home));
        let chat = Chat::new(name, shown, book.unwrap_or_default(), limits::PEERS);
        self.set(who, ActorState::Here(Box::new(Client::new(chat, home, own, None))));
        if let Some(damage) = damage {
            self.input(who, Input::BookUnusable { why: damage });
        }
        Ok(())
    }

    /// The process of an actor dies.
    pub(crate) fn kill(&mut self, who: usize, death: KillMode) {
        self.set(who, ActorState::Gone(Gone::Killed));
        self.stage.event(who, "killed".to_owned());
        for conn in self.stage.wires.links_of(who) {
            self.stage.wires.hang_up(conn);
            if let Some(end) = self.stage.wires.get_mut(conn) {
                end.gone = true;
            }
            match death {
                KillMode::Fin => self.stage.net.abort(conn),
                KillMode::Reset => self.stage.net.reset(conn),
            }
        }
        self.leaves(who);
    }

    /// A line is typed.
    pub(crate) fn types(&mut self, who: usize, text: &str) {
        if text.len() > limits::LINE_BYTES {
            self.input(who, Input::LineTooLong { bytes: text.len() as u64 });
        } else {
            self.input(who, Input::Line(text));
        }
    }

    /// Something happens to an actor, if it is there.
    pub(crate) fn input(&mut self, who: usize, input: Input<'_>) {
        let Some(ActorState::Here(actor)) = self.states.get_mut(who) else { return };
        actor.handle(&mut ActorHost { stage: &mut self.stage, who }, input);
        if let Some(code) = actor.quit() {
            self.set(who, ActorState::Gone(Gone::Exited));
            self.stage.event(who, format!("exited {code}"));
            self.leaves(who);
        }
    }

    /// Inputs that are due come first. Returns whether there was one.
    pub(crate) fn take_waiting(&mut self) -> bool {
        let Some((who, input)) = self.stage.waiting.pop_front() else { return false };
        self.input(who, input);
        true
    }

    /// When somebody's timer is next due, in the milliseconds of the clock.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        let of = self.states.iter().filter_map(|one| match one {
            ActorState::Here(actor) => actor.chat.poll_timeout().map(|due| due.0),
            ActorState::Live | ActorState::Gone(_) => None,
        });
        of.min()
    }

    /// Everybody looks at the clock.
    pub(crate) fn tick(&mut self) {
        for who in 0..self.count() {
            self.input(who, Input::Tick);
        }
    }

    /// Everybody of ours says goodbye, where there is a real program to say it to.
    pub(crate) fn farewell(&mut self) {
        for who in 0..self.count() {
            self.input(who, Input::ExitRequest(ExitRequest::Quit));
        }
    }

    /// Sockets that listen, and calls under way, go with their owner.
    fn leaves(&mut self, who: usize) {
        for id in self.stage.ports.unbind(who) {
            self.stage.net.unlisten(id);
        }
        self.stage.calls.retain(|call| call.who != who);
        self.stage.waiting.retain(|(whose, _)| *whose != who);
        let dials: Vec<ConnId> =
            self.stage.dials.iter().filter(|(_, (whose, _))| *whose == who).map(|(conn, _)| *conn).collect();
        for conn in dials {
            self.stage.dials.remove(&conn);
            self.stage.net.abort(conn);
        }
    }

    fn set(&mut self, who: usize, presence: ActorState) {
        if let Some(slot) = self.states.get_mut(who) {
            *slot = presence;
        }
    }
}
