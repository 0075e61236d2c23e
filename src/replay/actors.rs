//! The actors of a run: who is there, how they come and go, and how what happens on the stage reaches them.

use std::fs;

use super::clock::World;
use super::seeds::Seeds;
use super::simulation::{Part, Stage};
use crate::app::account::Actor;
use crate::app::error::words;
use crate::app::error::{Fault, code};
use crate::app::keyring;
use crate::chat::{Chat, Farewell, Input, KeyFor, Link};
use crate::limits;
use crate::net::LinkId;
use crate::peers::name::Name;
use crate::script::{Death, HomeKept};
use crate::store::{Home, book_file};

/// The name of the one actor of a script that names nobody.
const NAMELESS: &str = "user";

/// Everybody, and what they stand on.
pub(crate) struct Cast {
    pub(crate) stage: Stage,
    actors: Vec<Presence>,
    /// The folder of the run; goes with it.
    _folder: tempfile::TempDir,
}

/// Whether an actor is there.
enum Presence {
    Here(Box<Actor>),
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

impl Cast {
    pub(crate) fn new(labels: &[String], world: World, seeds: Seeds, script: String) -> Result<Self, Fault> {
        let labels = if labels.is_empty() { vec![String::new()] } else { labels.to_vec() };
        let folder = tempfile::Builder::new().prefix("rsachat-replay-").tempdir().map_err(|error| {
            let reason = words(&error);
            let there = std::env::temp_dir();
            let what = format!("cannot make a folder for the homes in {}: {reason}", there.display());
            Fault::new(code::MACHINE, what).hint("TMPDIR says where it is made")
        })?;
        let actors = labels.iter().map(|_| Presence::Gone(Gone::NotYet)).collect();
        let stage = Stage::new(world, seeds, labels, folder.path().to_owned(), script);
        let stage = stage.map_err(|error| {
            Fault::new(
                code::MACHINE,
                format!("cannot open what the sockets of a run need: {}", words(&error)),
            )
        })?;
        Ok(Self { stage, actors, _folder: folder })
    }

    pub(crate) fn count(&self) -> usize {
        self.actors.len()
    }

    /// From now on this one is a program that is not ours.
    pub(crate) fn is_not_ours(&mut self, who: usize) {
        self.set(who, Presence::Live);
    }

    pub(crate) fn is_live(&self, who: usize) -> bool {
        matches!(self.actors.get(who), Some(Presence::Live))
    }

    /// Why an actor is not there, if it is not.
    pub(crate) fn gone(&self, who: usize) -> Option<Gone> {
        match self.actors.get(who) {
            Some(Presence::Gone(gone)) => Some(*gone),
            _ => None,
        }
    }

    /// Everybody of ours who has not been started is now.
    pub(crate) fn everybody_enters(&mut self) -> Result<(), Fault> {
        for who in 0..self.count() {
            if self.gone(who) == Some(Gone::NotYet) {
                self.start(who, HomeKept::Kept)?;
            }
        }
        Ok(())
    }

    pub(crate) fn start(&mut self, who: usize, kept: HomeKept) -> Result<(), Fault> {
        let folder = self.stage.home(who);
        if kept == HomeKept::Fresh && folder.exists() {
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
        self.set(who, Presence::Here(Box::new(Actor::new(chat, home, own, None))));
        if let Some(damage) = damage {
            self.input(who, Input::Book { link: Link(u64::MAX), book: Err(damage) });
        }
        Ok(())
    }

    /// The process of an actor dies.
    pub(crate) fn kill(&mut self, who: usize, death: Death) {
        self.set(who, Presence::Gone(Gone::Killed));
        self.stage.event(who, "killed".to_owned());
        for link in self.stage.wires.links_of(who) {
            self.stage.wires.hang_up(link);
            if let Some(end) = self.stage.wires.get_mut(link) {
                end.gone = true;
            }
            match death {
                Death::Fin => self.stage.net.drop_now(link),
                Death::Reset => self.stage.net.reset(link),
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
        let Some(Presence::Here(actor)) = self.actors.get_mut(who) else { return };
        actor.handle(&mut Part { stage: &mut self.stage, who }, input);
        if let Some(code) = actor.quit() {
            self.set(who, Presence::Gone(Gone::Exited));
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
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        let of = self.actors.iter().filter_map(|one| match one {
            Presence::Here(actor) => actor.chat.deadline_ms(),
            Presence::Live | Presence::Gone(_) => None,
        });
        of.filter(|due| *due != u64::MAX).min()
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
            self.input(who, Input::Farewell(Farewell::Quit));
        }
    }

    /// Sockets that listen, and calls under way, go with their owner.
    fn leaves(&mut self, who: usize) {
        for id in self.stage.ports.unbind(who) {
            self.stage.net.unlisten(id);
        }
        self.stage.calls.retain(|call| call.who != who);
        self.stage.waiting.retain(|(whose, _)| *whose != who);
        let dials: Vec<LinkId> =
            self.stage.dials.iter().filter(|(_, (whose, _))| *whose == who).map(|(link, _)| *link).collect();
        for link in dials {
            self.stage.dials.remove(&link);
            self.stage.net.drop_now(link);
        }
    }

    fn set(&mut self, who: usize, presence: Presence) {
        if let Some(slot) = self.actors.get_mut(who) {
            *slot = presence;
        }
    }
}
