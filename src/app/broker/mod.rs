//! Broker of a confined process: a second process, started before that one confines itself, which
//! opens the files that a person names, and starts the editor or the commands of `--exec` and
//! `--via`.
//!
//! It is this program once more, and hears nobody but the process that started it. It serves a
//! prompt with files and an editor, and `recv` with the one command of its command line. With its
//! socket it ends, and ends what it has started.

mod files;
mod frame;
mod request;
mod server;

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::{env, fs};

use mio::Waker;
use rustix::event::PollFlags;
use serde::de::DeserializeOwned;

use super::output::is_ready;
pub(crate) use files::BrokerFiles;
use request::Request;
pub(crate) use request::{Candidates, Ended, VARIABLES, Values};
pub(crate) use server::serve;

/// Name by which the program finds that it is the broker; `ps` shows it.
const NAME: &str = "rsachat-broker";
/// First arguments of a broker.
const PROMPT: &str = "prompt";
const EXEC: &str = "exec";
const VIA: &str = "via";
/// Why a confined process starts no command.
pub(crate) const NO_COMMANDS: &str = "this rsachat has given up starting commands; name it with --via or in the settings as it begins, or use --no-sandbox";
/// Interval at which whoever waits for the editor looks whether the program ends.
const POLL_MS: i64 = 30;

/// Use of a broker, which settles what it does for its process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Files, an editor, and these commands of `--via`.
    Prompt(Vec<String>),
    /// This command of `--exec`, and these of `--via`.
    Exec(String, Vec<String>),
    /// These commands of `--via`.
    Via(Vec<String>),
}

impl Purpose {
    /// The purpose of this process, if it is a broker.
    pub(crate) fn of_process() -> Option<Self> {
        let mut arguments = env::args_os();
        if arguments.next().as_deref() != Some(OsStr::new(NAME)) {
            return None;
        }
        let mut words = arguments.map(|word| word.to_string_lossy().into_owned());
        Some(match (words.next().as_deref(), words.next()) {
            (Some(EXEC), Some(command)) => Self::Exec(command, words.collect()),
            (Some(VIA), first) => Self::Via(first.into_iter().chain(words).collect()),
            (_, first) => Self::Prompt(first.into_iter().chain(words).collect()),
        })
    }

    /// Arguments of the broker.
    fn arguments(&self) -> Vec<&str> {
        fn of_via(commands: &[String]) -> Vec<&str> {
            commands.iter().map(String::as_str).collect()
        }
        match self {
            Self::Prompt(commands) => [vec![PROMPT], of_via(commands)].concat(),
            Self::Exec(command, commands) => [vec![EXEC, command], of_via(commands)].concat(),
            Self::Via(commands) => [vec![VIA], of_via(commands)].concat(),
        }
    }

    /// Whether it runs a command of `--via`.
    fn allows(&self, command: &str) -> bool {
        match self {
            Self::Prompt(commands) | Self::Exec(_, commands) | Self::Via(commands) => {
                commands.iter().any(|one| one == command)
            }
        }
    }

    /// What it does, for who asks about the sandbox.
    pub(crate) fn words(&self) -> &'static str {
        match self {
            Self::Prompt(commands) if commands.is_empty() => {
                "a second process opens what you name, and your editor"
            }
            Self::Prompt(_) => "a second process opens what you name, your editor, and the commands of --via",
            Self::Exec(_, commands) if commands.is_empty() => {
                "a second process runs the command of --exec, and no other"
            }
            Self::Exec(..) => "a second process runs the commands of --exec and --via, and no others",
            Self::Via(_) => "a second process runs the commands of --via, and no others",
        }
    }

    /// What follows from its end.
    fn words_at_end(&self) -> &'static str {
        match self {
            Self::Prompt(_) => {
                "the process that opens files and your editor has ended (rsachat-broker); start rsachat again \
                 to use them"
            }
            Self::Via(_) => {
                "the process that runs the commands of --via has ended (rsachat-broker); start rsachat again"
            }
            Self::Exec(..) => {
                "the process that runs the command of --exec has ended (rsachat-broker); start rsachat recv \
                 again"
            }
        }
    }
}

/// The broker of this process.
pub(crate) struct Broker {
    purpose: Purpose,
    control: UnixStream,
    /// `None` once its end is waited for.
    process: Mutex<Option<Child>>,
    ended: AtomicBool,
    is_end_told: AtomicBool,
}

static BROKER: OnceLock<Broker> = OnceLock::new();

/// The broker of this process, if it has one: otherwise it opens and starts everything itself.
pub(crate) fn of_process() -> Option<&'static Broker> {
    BROKER.get()
}

/// Starts the broker, before signals are blocked and the process is confined.
pub(crate) fn start(purpose: Purpose) -> io::Result<()> {
    let (control, its_end) = UnixStream::pair()?;
    let mut command = Command::new(env::current_exe()?);
    let command = command.args(purpose.arguments()).arg0(NAME).stdin(Stdio::from(OwnedFd::from(its_end)));
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let (input, output, errors) = (io::stdin(), io::stdout(), io::stderr());
    let is_terminal = matches!(purpose, Purpose::Prompt(_)) && input.is_terminal() && output.is_terminal();
    let terminal = is_terminal.then(|| [input.as_fd(), output.as_fd(), errors.as_fd()]);
    // Now: of a process that was taken over, an editor would take any keys.
    frame::send_with(&control, &[0], terminal.as_ref().map_or(&[][..], |terminal| terminal))?;
    let (process, ended, is_end_told) =
        (Mutex::new(Some(process)), AtomicBool::default(), AtomicBool::default());
    // A process starts one.
    let _ = BROKER.set(Broker { purpose, control, process, ended, is_end_told });
    Ok(())
}

impl Broker {
    /// Opens a log.
    pub(crate) fn open_log(&'static self, file: &str) -> Result<fs::File, String> {
        let call = self.call(&Request::OpenLog { file: file.to_owned() }, &[])?;
        let ((), descriptors) = call.answer()?;
        descriptors.into_iter().next().map(fs::File::from).ok_or_else(|| self.gone())
    }

    /// Saves a text as a new file.
    pub(crate) fn save(&'static self, file: &str, text: &[u8]) -> Result<(), String> {
        let request = Request::Save { file: file.to_owned(), text: text.to_owned() };
        self.call(&request, &[])?.answer().map(|((), _)| ())
    }

    /// Completes a path.
    pub(crate) fn complete(&'static self, line: &str, pos: usize) -> Result<Candidates, String> {
        let request = Request::Complete { line: line.to_owned(), pos };
        self.call(&request, &[])?.answer().map(|(candidates, _)| candidates)
    }

    /// Edits a text in the editor of the person, until that ends or the program does.
    pub(crate) fn edit(&'static self, text: &str, is_closing: impl Fn() -> bool) -> Result<String, String> {
        let call = self.call(&Request::Edit { text: text.to_owned() }, &[])?;
        while !is_ready(&call.socket, PollFlags::IN, POLL_MS) {
            if is_closing() {
                call.give_up();
            }
        }
        call.answer().map(|(text, _)| text)
    }

    /// Stops the process group of this process, to which the broker belongs and which it alone can
    /// signal as a whole.
    pub(crate) fn suspend(&'static self) -> Result<(), String> {
        self.call(&Request::Suspend, &[])?.answer().map(|((), _)| ())
    }

    /// Runs the command of the command line; these are its standard input, output and error.
    pub(crate) fn run(&'static self, values: Values, streams: [BorrowedFd<'_>; 3]) -> Result<Call, String> {
        let call = self.call(&Request::Run { values }, &streams)?;
        call.answer().map(|((), _)| call)
    }

    /// Runs a command of a call by `--via`; these are its standard input, output and error.
    pub(crate) fn run_via(
        &'static self,
        command: &str,
        host: &str,
        port: u16,
        streams: [BorrowedFd<'_>; 3],
    ) -> Result<Call, String> {
        let request = Request::RunVia { command: command.to_owned(), host: host.to_owned(), port };
        let call = self.call(&request, &streams)?;
        call.answer().map(|((), _)| call)
    }

    /// Wakes the event loop at the end of the broker, which [`Broker::take_end`] then tells.
    pub(crate) fn watch(&'static self, waker: Arc<Waker>) -> io::Result<()> {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut process) = process else { return Ok(()) };
        let wait = move || {
            let _ = process.wait();
            self.ended.store(true, Ordering::SeqCst);
            let _ = waker.wake();
        };
        thread::Builder::new().name("broker".into()).spawn(wait).map(drop)
    }

    /// What follows from its end, once that is known.
    pub(crate) fn end(&self) -> Option<&'static str> {
        self.ended.load(Ordering::SeqCst).then(|| self.purpose.words_at_end())
    }

    /// The same, but only once.
    pub(crate) fn take_end(&self) -> Option<&'static str> {
        self.end().filter(|_| !self.is_end_told.swap(true, Ordering::SeqCst))
    }

    fn call(&'static self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<Call, String> {
        let sent = UnixStream::pair().and_then(|(socket, its_end)| {
            frame::send_with(&self.control, &[0], &[its_end.as_fd()])?;
            frame::send(&socket, request, &[], descriptors)?;
            Ok(socket)
        });
        sent.map(|socket| Call { broker: self, socket }).map_err(|_| self.gone())
    }

    fn gone(&self) -> String {
        self.ended.store(true, Ordering::SeqCst);
        self.purpose.words_at_end().to_owned()
    }
}

/// Request that is being carried out.
pub(crate) struct Call {
    broker: &'static Broker,
    socket: UnixStream,
}

impl Call {
    /// Waits for the end of a command.
    pub(crate) fn end(&self) -> Result<Ended, String> {
        self.answer().map(|(ended, _)| ended)
    }

    /// Gives the request up: what was started for it is killed, and its end answered.
    pub(crate) fn give_up(&self) {
        // It may be over.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    fn answer<T: DeserializeOwned>(&self) -> Result<(T, Vec<OwnedFd>), String> {
        let received = frame::receive::<Result<T, String>>(&self.socket);
        let (answer, _, descriptors) = received.map_err(|_| self.broker.gone())?;
        Ok((answer?, descriptors))
    }
}
