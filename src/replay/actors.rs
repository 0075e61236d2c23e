//! Actors of a run: their start and end, and the inputs that reach them.

use std::collections::BTreeMap;
use std::fs;

use super::environment::{self, Environment};
use super::face::Face;
use super::simulation::{SimHost, Simulation};
use super::spawn::Programs;
use super::typed_lines::{ActorSession, TypedLines};
use crate::app::book_thread::BookAccess;
use crate::app::client::{Client, UserStore};
use crate::app::error::{AppError, code, describe};
use crate::app::keyring;
use crate::chat::{Echo, FirstCaller, Input, InputOrigin, KeyFor, LineStart};
use crate::events::unedited_input::InputTaker as _;
use crate::limits;
use crate::peers::name::Name;
use crate::script::{FaceSpec, FrontEnd, HomeState, KillMode};
use crate::store::{Home, book_file};
use crate::time::MonoMs;

/// Name of the one actor of a script that names none.
const UNNAMED_ACTOR: &str = "user";

/// All actors, and the simulation under them.
pub(crate) struct Actors {
    states: Vec<ActorState>,
    /// What each actor sees of its session, whenever it runs.
    faces: Vec<FaceSpec>,
    /// Lines that were begun, by actor.
    drafts: BTreeMap<usize, (String, LineStart)>,
    /// Spawned programs. They end before the folders of the run are removed.
    pub(crate) programs: Programs,
    pub(super) simulation: Simulation,
}

/// State of an actor.
enum ActorState {
    Running(Box<RunningActor>),
    /// A foreign program (`@live`): nothing of it runs here.
    Live,
    /// A foreign program that the script starts.
    Spawned,
    Stopped(Stopped),
}

/// Actor whose session runs here.
struct RunningActor {
    client: Client,
    face: Face,
    /// Lines for a front end without an editor.
    lines: Option<TypedLines>,
}

/// Reason why an actor does not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stopped {
    /// Not started yet.
    NotYet,
    /// Ended by itself.
    Exited,
    /// Ended by the script.
    Killed,
}

impl Actors {
    pub(crate) fn new(labels: &[String], environment: Environment, script: String) -> Result<Self, AppError> {
        let labels = if labels.is_empty() { vec![String::new()] } else { labels.to_vec() };
        let folder = tempfile::Builder::new().prefix("rsachat-replay-").tempdir().map_err(|error| {
            let reason = describe(&error);
            let there = std::env::temp_dir();
            let what = format!("cannot create a folder for the homes in {}: {reason}", there.display());
            AppError::new(code::MACHINE, what).hint("TMPDIR says where it is created")
        })?;
        let states = labels.iter().map(|_| ActorState::Stopped(Stopped::NotYet)).collect();
        let simulation = Simulation::new(environment, labels, folder, script);
        let simulation = simulation.map_err(|error| {
            let what = format!("cannot open what the sockets of a run need: {}", describe(&error));
            AppError::new(code::MACHINE, what)
        })?;
        let programs = Programs::new(simulation.net.waker());
        Ok(Self { states, faces: Vec::new(), drafts: BTreeMap::new(), programs, simulation })
    }

    pub(crate) fn count(&self) -> usize {
        self.states.len()
    }

    /// Declares an actor to be a foreign program.
    pub(crate) fn set_live(&mut self, actor: usize) {
        self.set(actor, ActorState::Live);
    }

    /// Says what each actor sees of its session.
    pub(crate) fn set_faces(&mut self, faces: Vec<FaceSpec>) {
        self.faces = faces;
    }

    /// Declares an actor to be a program that the script starts.
    pub(crate) fn set_spawned(&mut self, actor: usize) {
        self.set(actor, ActorState::Spawned);
    }

    pub(crate) fn is_spawned(&self, actor: usize) -> bool {
        matches!(self.states.get(actor), Some(ActorState::Spawned))
    }

    pub(crate) fn is_live(&self, actor: usize) -> bool {
        matches!(self.states.get(actor), Some(ActorState::Live))
    }

    /// Reason why an actor does not run, if it does not.
    pub(crate) fn stopped(&self, actor: usize) -> Option<Stopped> {
        match self.states.get(actor) {
            Some(ActorState::Stopped(reason)) => Some(*reason),
            Some(ActorState::Spawned) if self.programs.was_killed(actor) => Some(Stopped::Killed),
            Some(ActorState::Spawned) if self.programs.has_ended(actor) => Some(Stopped::Exited),
            _ => None,
        }
    }

    /// Starts every actor that has not been started yet.
    pub(crate) fn start_all(&mut self) -> Result<(), AppError> {
        for actor in 0..self.count() {
            if self.stopped(actor) == Some(Stopped::NotYet) {
                self.start(actor, HomeState::Kept)?;
            }
        }
        Ok(())
    }

    pub(crate) fn start(&mut self, actor: usize, kept: HomeState) -> Result<(), AppError> {
        if self.is_spawned(actor) {
            return self.respawn(actor, kept);
        }
        let folder = self.simulation.home(actor);
        if kept == HomeState::Fresh && folder.exists() {
            fs::remove_dir_all(&folder)?;
            self.simulation.homes.forget(actor);
        }
        let home = Home::temporary(folder);
        home.prepare()?;
        let label = self.simulation.label(actor);
        let label = if label.is_empty() { UNNAMED_ACTOR } else { label };
        let name = Name::claimed(label.as_bytes());
        let own = keyring::load_or_share(&home, KeyFor::Identity, None, environment::known_key)?;
        let book = book_file::read(&home);
        let damage = book.as_ref().err().map(ToString::to_string);
        let profile = UserStore::new(home, own, None);
        let mut chat = profile.chat(name, book.unwrap_or_default(), limits::PEERS).transferring_files();
        chat.call_lost_peers();
        let spec = self.faces.get(actor).copied().unwrap_or_default();
        if spec.front_end == Some(FrontEnd::Json) {
            chat.set_first_caller(FirstCaller::Known);
            chat.set_input(InputOrigin::Stream);
        }
        let files = BookAccess::Here(profile.book_files());
        let mut client = Client::new(chat, profile, files);
        client.keep_messages();
        self.simulation.screens.start(actor, spec, &client.chat);
        let (face, lines) = (Face::new(spec), spec.front_end.map(TypedLines::new));
        self.set(actor, ActorState::Running(Box::new(RunningActor { client, face, lines })));
        if let Some(damage) = damage {
            self.input(actor, Input::BookUnusable { why: damage });
        }
        // The prompt looks at its clock, and reads what was kept, before it reads a line.
        self.input(actor, Input::Tick);
        Ok(())
    }

    /// Keeps a copy of the home of an actor, in the place of an earlier one.
    pub(crate) fn back_up(&mut self, actor: usize) -> Result<(), AppError> {
        let home = self.simulation.home(actor);
        Ok(self.simulation.homes.back_up(actor, &home)?)
    }

    /// Makes the home of an actor what was copied of one.
    pub(crate) fn restore(&mut self, actor: usize, of: usize) -> Result<(), AppError> {
        let folder = self.simulation.home(actor);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        Home::temporary(folder.clone()).prepare()?;
        Ok(self.simulation.homes.restore(actor, &folder, of)?)
    }

    /// Kills the process of an actor; a spawned program gets a signal.
    pub(crate) fn kill(&mut self, actor: usize, mode: KillMode) {
        if self.is_spawned(actor) {
            let signal = if let KillMode::Signal(name) = mode { name } else { "TERM" };
            return self.programs.signal(actor, signal);
        }
        self.set(actor, ActorState::Stopped(Stopped::Killed));
        self.simulation.close_files(actor);
        self.simulation.event(actor, "killed".to_owned());
        for conn in self.simulation.links.ends_of(actor) {
            self.simulation.links.cut(conn);
            match mode {
                KillMode::Reset => self.simulation.net.reset(conn),
                KillMode::Fin | KillMode::Signal(_) => self.simulation.net.abort(conn),
            }
        }
        self.release(actor);
    }

    /// Types a text and no Enter.
    pub(crate) fn type_draft(&mut self, actor: usize, text: &str) {
        if self.is_spawned(actor) {
            return self.programs.type_text(actor, text);
        }
        let mut draft = self.drafts.remove(&actor).unwrap_or_else(|| self.new_draft(actor));
        draft.0.push_str(text);
        self.drafts.insert(actor, draft);
    }

    /// Line that is begun now.
    fn new_draft(&self, actor: usize) -> (String, LineStart) {
        let start = match self.states.get(actor) {
            Some(ActorState::Running(running)) => running.client.chat.view().start,
            _ => LineStart::default(),
        };
        (String::new(), start)
    }

    /// Types the rest of a line, and Enter.
    pub(crate) fn type_line(&mut self, actor: usize, text: &str) {
        if self.is_spawned(actor) {
            self.programs.type_line(actor, text);
            self.simulation.screens.entered_line(actor);
        } else if self.has_lines(actor) {
            self.simulation.screens.entered_line(actor);
            let line = self.drafts.remove(&actor).map_or_else(String::new, |(draft, _)| draft) + text;
            self.with_session(actor, |session, lines| {
                // The prompt looks at its clock before it reads.
                session.handle(Input::Tick);
                if let Some(lines) = lines {
                    lines.push(&line);
                }
            });
        } else if text.len() > limits::LINE_BYTES {
            self.simulation.screens.entered_line(actor);
            self.input(actor, Input::LineTooLong { bytes: text.len() as u64 });
        } else {
            let (mut line, start) = self.drafts.remove(&actor).unwrap_or_else(|| self.new_draft(actor));
            line.push_str(text);
            let now = self.simulation.environment.now().unix;
            self.simulation.screens.entered(actor, &line, &start, now);
            self.input(actor, Input::Typed { line: &line, start: &start, echo: Echo::Pending });
        }
    }

    /// Types a text that is sent as it is, and Enter.
    pub(crate) fn send_text(&mut self, actor: usize, text: &str) {
        self.simulation.screens.entered_text(actor, text);
        self.input(actor, Input::Text(text));
    }

    /// Hands an input to an actor, if it runs.
    pub(crate) fn input(&mut self, actor: usize, input: Input<'_>) {
        self.with_session(actor, |session, _| session.handle(input));
    }

    /// Whether the front end of an actor reads lines that nobody edits.
    fn has_lines(&self, actor: usize) -> bool {
        matches!(self.states.get(actor), Some(ActorState::Running(running)) if running.lines.is_some())
    }

    /// Does something with the session of an actor, if it runs; then its front end reads on.
    fn with_session(
        &mut self,
        actor: usize,
        act: impl FnOnce(&mut ActorSession<'_>, Option<&mut TypedLines>),
    ) {
        let Some(ActorState::Running(running)) = self.states.get_mut(actor) else { return };
        let RunningActor { client, face, lines } = running.as_mut();
        let host = SimHost { simulation: &mut self.simulation, actor, face };
        let mut session = ActorSession { client, host };
        act(&mut session, lines.as_mut());
        if let Some(lines) = lines {
            lines.hand_on(&mut session);
        }
        if let Some(code) = session.client.exit_code {
            session.host.show_of(|face, now| face.ended(code, now));
            self.set(actor, ActorState::Stopped(Stopped::Exited));
            self.simulation.event(actor, format!("exited {code}"));
            self.release(actor);
        }
    }

    /// Hands over the oldest input that is due. Returns whether there was one.
    pub(crate) fn next_input(&mut self) -> bool {
        if let Some((actor, request)) = self.simulation.pending_keys.pop_front() {
            let made = self.simulation.next_key(actor, &request);
            self.with_session(actor, |session, _| {
                let input = session.client.store_key(&mut session.host, &request, made);
                session.handle(input);
            });
            return true;
        }
        let Some((actor, input)) = self.simulation.inputs.pop_front() else { return false };
        self.input(actor, input);
        true
    }

    /// Moment of the next timer of any actor, on the clock of the run.
    pub(crate) fn poll_timeout(&self) -> Option<MonoMs> {
        let timeouts = self.states.iter().filter_map(|state| match state {
            ActorState::Running(running) => running.client.chat.poll_timeout(),
            ActorState::Live | ActorState::Spawned | ActorState::Stopped(_) => None,
        });
        timeouts.min()
    }

    /// Hands the same input to every actor.
    pub(crate) fn input_all(&mut self, input: fn() -> Input<'static>) {
        for actor in 0..self.count() {
            self.input(actor, input());
        }
    }

    /// Closes the listeners and pending dials of an actor that has ended.
    fn release(&mut self, actor: usize) {
        for id in self.simulation.ports.remove(actor) {
            self.simulation.net.unlisten(id);
        }
        self.simulation.pending_dials.retain(|pending| pending.actor != actor);
        self.simulation.pending_keys.retain(|(of, _)| *of != actor);
        self.simulation.inputs.retain(|(of, _)| *of != actor);
        self.simulation.abort_dials(|(of, _)| *of == actor);
    }

    fn set(&mut self, actor: usize, state: ActorState) {
        if let Some(slot) = self.states.get_mut(actor) {
            *slot = state;
        }
    }
}
