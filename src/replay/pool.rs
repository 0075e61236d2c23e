//! Pool of threads that play closed scripts at the same time. The events of each script wait until
//! it is its turn, so that the output is that of one script after the other.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::environment::is_interrupted;
use super::reporter::{RunEvent, RunOutcome, ScriptEnd};
use super::runner::{self, RunOptions};
use crate::app::error::{AppError, code};
use crate::script::matcher::ShownRow;
use crate::script::{Diagnostic, Line, Script};

/// Number of scripts that are played at the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Jobs {
    /// As many as there are processors.
    Auto,
    Number(NonZeroUsize),
}

impl Jobs {
    /// Reads the value of an option.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse().map(Self::Number).map_err(|_| "write a number from 1, or auto".to_owned())
    }

    /// The number itself.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Auto => thread::available_parallelism().map_or(1, NonZeroUsize::get),
            Self::Number(number) => number.get(),
        }
    }
}

/// Threads of a run, in a scope that ends with it.
pub(crate) struct Pool<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    jobs: usize,
    options: &'env RunOptions,
    /// Whether no other script is to be begun.
    is_over: &'env AtomicBool,
    /// Scripts that were handed over, in the order of their turns.
    turns: VecDeque<Turn>,
}

/// Script that a thread plays, or has played.
pub(crate) struct Turn(Receiver<Message>);

/// Scripts that wait for a thread.
type Waiting<'env> = Arc<Mutex<VecDeque<(&'env Script, Sender<Message>)>>>;

/// Message of a thread: an event of its script, or the end.
enum Message {
    Transcript(String),
    Typed { line: Box<Line>, actor: String, text: String },
    Shown { actor: String, shown: ShownRow },
    Diagnostic(Box<Diagnostic>),
    Ended(Box<RunOutcome>, Duration),
}

impl<'scope, 'env> Pool<'scope, 'env> {
    pub(crate) fn new(
        scope: &'scope Scope<'scope, 'env>,
        jobs: usize,
        options: &'env RunOptions,
        is_over: &'env AtomicBool,
    ) -> Self {
        Self { scope, jobs, options, is_over, turns: VecDeque::new() }
    }

    /// Takes the next script that was handed over, if there is one.
    pub(crate) fn next_turn(&mut self) -> Option<Turn> {
        self.turns.pop_front()
    }

    /// Hands scripts over, in the order of their turns.
    pub(crate) fn play(&mut self, scripts: impl Iterator<Item = &'env Script>) -> io::Result<()> {
        let mut queue = VecDeque::new();
        for script in scripts {
            let (sender, receiver) = mpsc::channel();
            queue.push_back((script, sender));
            self.turns.push_back(Turn(receiver));
        }
        let threads = self.jobs.min(queue.len());
        let waiting = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let (waiting, options, is_over) = (Arc::clone(&waiting), self.options, self.is_over);
            thread::Builder::new()
                .name("replay".to_owned())
                .spawn_scoped(self.scope, move || play_waiting(&waiting, options, is_over))?;
        }
        Ok(())
    }
}

/// Plays scripts until there are none, or the run is over.
fn play_waiting(waiting: &Waiting<'_>, options: &RunOptions, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((script, sender)) = next else { return };
        let started = Instant::now();
        let outcome = runner::run(script, options, &mut |event| {
            if let Some(message) = Message::of(&event) {
                // Without a receiver the run is over.
                let _ = sender.send(message);
            }
        });
        let _ = sender.send(Message::Ended(Box::new(outcome), started.elapsed()));
    }
}

impl Message {
    fn of(event: &RunEvent<'_>) -> Option<Self> {
        Some(match event {
            RunEvent::Transcript(line) => Self::Transcript((*line).to_owned()),
            RunEvent::Typed { line, actor, text } => Self::Typed {
                line: Box::new((*line).clone()),
                actor: (*actor).to_owned(),
                text: (*text).to_owned(),
            },
            RunEvent::Shown { actor, shown } => {
                Self::Shown { actor: (*actor).to_owned(), shown: (*shown).clone() }
            }
            RunEvent::Diagnostic(diagnostic) => Self::Diagnostic(Box::new((*diagnostic).clone())),
            // A picture alone has screens and time, and a script with mistakes is not played.
            RunEvent::Screen { .. } | RunEvent::Idle { .. } | RunEvent::Mistake(_) => return None,
        })
    }
}

impl Turn {
    /// Passes the events of the script on, as they come, until its end. Returns the outcome and
    /// the time that it took.
    pub(crate) fn follow(self, emit: &mut dyn FnMut(RunEvent<'_>)) -> (RunOutcome, Duration) {
        for message in self.0 {
            match message {
                Message::Transcript(line) => emit(RunEvent::Transcript(&line)),
                Message::Typed { line, actor, text } => {
                    emit(RunEvent::Typed { line: &line, actor: &actor, text: &text });
                }
                Message::Shown { actor, shown } => emit(RunEvent::Shown { actor: &actor, shown: &shown }),
                Message::Diagnostic(diagnostic) => emit(RunEvent::Diagnostic(&diagnostic)),
                Message::Ended(outcome, time) => return (*outcome, time),
            }
        }
        let end = if is_interrupted() {
            ScriptEnd::Interrupted
        } else {
            ScriptEnd::Failed(AppError::new(code::MACHINE, "the thread that played the script has ended"))
        };
        (RunOutcome::new(end), Duration::ZERO)
    }
}
