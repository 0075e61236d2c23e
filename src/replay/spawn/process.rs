//! Process of a spawned program: its start in a process group of its own, over pipes or on a
//! terminal, its input and output, and its end. Threads move the bytes; what was not read yet is
//! bounded, and the program waits.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use filedescriptor::FileDescriptor;
use mio::Waker;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use crate::script::TerminalSize;

/// Bytes of output that wait to be looked at.
const QUEUE_BYTES: usize = 64 * 1024;
/// Time after the end of a process in which output may still come from others that have its pipe.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// Signals by the names that scripts use.
const SIGNALS: [(&str, Signal); 16] = [
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("KILL", Signal::KILL),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("TERM", Signal::TERM),
    ("STOP", Signal::STOP),
    ("CONT", Signal::CONT),
    ("ABRT", Signal::ABORT),
    ("SEGV", Signal::SEGV),
    ("BUS", Signal::BUS),
    ("FPE", Signal::FPE),
    ("ILL", Signal::ILL),
    ("PIPE", Signal::PIPE),
    ("ALRM", Signal::ALARM),
];

/// Command to run, with the whole of its environment.
pub(super) struct Launch<'a> {
    pub(super) program: &'a Path,
    pub(super) arguments: &'a [String],
    pub(super) folder: &'a Path,
    pub(super) environment: &'a BTreeMap<String, String>,
}

/// End of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exit {
    Code(i32),
    Signal(i32),
}

/// Running process, or one that has ended. It is reaped when it is dropped, so that until then its
/// number is no other's.
pub(super) struct Process {
    child: Child,
    pid: Pid,
    shared: Arc<Shared>,
    /// Bytes for its input; without it the input is closed.
    input: Option<Sender<Vec<u8>>>,
    /// Once it is closed, the thread that reads ends.
    _stop: PipeWriter,
}

/// State that the threads of a process share with the run.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    output: Vec<u8>,
    /// Whether the output has ended: nobody has its pipe any more.
    is_eof: bool,
    /// End of the process, and when it was seen.
    exit: Option<(Exit, Instant)>,
    /// Whether output is thrown away, since nobody looks at it any more.
    is_discarded: bool,
}

impl Process {
    /// Starts a program with pipes: one for its input, one for its two outputs.
    pub(super) fn start(launch: &Launch<'_>, waker: &Arc<Waker>) -> io::Result<Self> {
        let _one = one_at_a_time();
        let (output, end) = io::pipe()?;
        let mut command = Command::new(launch.program);
        command.args(launch.arguments).current_dir(launch.folder).env_clear();
        command.envs(launch.environment);
        command.stdin(Stdio::piped()).stdout(end.try_clone()?).stderr(end).process_group(0);
        let mut child = command.spawn()?;
        // With its ends of the pipe the end of the output would never be seen.
        drop(command);
        let input = child.stdin.take().map(|input| File::from(OwnedFd::from(input)));
        Self::with_streams(child, File::from(OwnedFd::from(output)), input, waker)
    }

    /// Starts a program with a terminal of its own.
    pub(super) fn start_on_terminal(
        launch: &Launch<'_>,
        size: TerminalSize,
        waker: &Arc<Waker>,
    ) -> io::Result<Self> {
        let _one = one_at_a_time();
        let (rows, cols) = (size.rows.get(), size.columns.get());
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).map_err(io_error)?;
        let mut command = CommandBuilder::new(launch.program);
        command.args(launch.arguments);
        command.cwd(launch.folder);
        command.env_clear();
        for (name, value) in launch.environment {
            command.env(name, value);
        }
        let child: Box<dyn portable_pty::Child> = pair.slave.spawn_command(command).map_err(io_error)?;
        let child = child.downcast::<Child>().map_err(|_| io::Error::from(io::ErrorKind::Unsupported))?;
        // With its end of the terminal the end of the output would never be seen.
        drop(pair.slave);
        let stream = || {
            let master = pair.master.as_raw_fd().ok_or(io::ErrorKind::Unsupported)?;
            FileDescriptor::dup(&master).and_then(|master| master.as_file()).map_err(io::Error::other)
        };
        Self::with_streams(*child, stream()?, Some(stream()?), waker)
    }

    fn with_streams(child: Child, output: File, input: Option<File>, waker: &Arc<Waker>) -> io::Result<Self> {
        let pid = Pid::from_child(&child);
        let shared = Arc::new(Shared::default());
        let (stopped, stop) = io::pipe()?;
        let (sender, receiver) = channel();
        let process = Self { child, pid, shared: Arc::clone(&shared), input: Some(sender), _stop: stop };
        let thread = |name: &str| thread::Builder::new().name(name.to_owned());
        let (reader, ender) = ((Arc::clone(&shared), Arc::clone(waker)), Arc::clone(waker));
        thread("spawn-output").spawn(move || read_all(output, &stopped, &reader.0, &reader.1))?;
        thread("spawn-end").spawn(move || wait_for_end(pid, &shared, &ender))?;
        if let Some(input) = input {
            thread("spawn-input").spawn(move || write_all(input, &receiver))?;
        }
        Ok(process)
    }

    /// Hands bytes to its input. A program that does not read them does not stop the run.
    pub(super) fn write(&self, bytes: Vec<u8>) {
        if let Some(input) = &self.input {
            // The thread ends with the program, whose end is told by itself.
            let _ = input.send(bytes);
        }
    }

    /// Closes its input behind what was handed to it.
    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    /// Takes the output that has come.
    pub(super) fn take_output(&self) -> Vec<u8> {
        let mut state = self.shared.lock();
        let output = std::mem::take(&mut state.output);
        self.shared.changed.notify_all();
        output
    }

    /// Its end, once all of its output was taken.
    pub(super) fn exit(&self) -> Option<Exit> {
        let state = self.shared.lock();
        let (exit, at) = state.exit?;
        let is_complete = state.is_eof || at.elapsed() >= LAST_OUTPUT;
        (is_complete && state.output.is_empty()).then_some(exit)
    }

    /// Moment at which its end is told, although others still have its pipe.
    pub(super) fn exit_due(&self) -> Option<Instant> {
        self.shared.lock().exit.map(|(_, at)| at + LAST_OUTPUT)
    }

    /// Sends a signal to the process alone.
    pub(super) fn signal(&self, name: &str) {
        let signal = SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, signal)| *signal);
        // It may have ended.
        let _ = kill_process(self.pid, signal.unwrap_or(Signal::TERM));
    }

    /// Asks the whole process group to end.
    pub(super) fn terminate(&self) {
        self.shared.lock().is_discarded = true;
        self.shared.changed.notify_all();
        // It may have ended.
        let _ = kill_process_group(self.pid, Signal::TERM);
    }

    /// Waits until the process has ended and nobody has its pipe any more, at most until then.
    pub(super) fn wait(&self, until: Instant) {
        let mut state = self.shared.lock();
        while state.exit.is_none() || !state.is_eof {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return };
            let waited = self.shared.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Lock for the start of a program: a terminal is for a moment inherited by whatever is started
/// then, and its end would not be seen before the end of that.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Error of the terminal's library, which wraps those of the system.
fn io_error(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    match error.into().downcast::<io::Error>() {
        Ok(error) => *error,
        Err(error) => io::Error::other(error),
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.shared.lock().is_discarded = true;
        self.shared.changed.notify_all();
        // Nobody may be left of the group.
        let _ = kill_process_group(self.pid, Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Exit {
    /// `exited 0`, `killed TERM`
    pub(super) fn event(self) -> String {
        match self {
            Self::Code(code) => format!("exited {code}"),
            Self::Signal(number) => {
                let named = SIGNALS.iter().find(|(_, signal)| signal.as_raw() == number);
                named.map_or_else(|| format!("killed {number}"), |(name, _)| format!("killed {name}"))
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until output can be kept or is thrown away.
    fn wait_for_room(&self) {
        let mut state = self.lock();
        while state.output.len() >= QUEUE_BYTES && !state.is_discarded {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn change(&self, waker: &Waker, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
        // The run ends all its waits anyhow.
        let _ = waker.wake();
    }
}

/// Reads until the output ends or the process is dropped.
fn read_all(mut output: File, stopped: &PipeReader, shared: &Shared, waker: &Waker) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        shared.wait_for_room();
        let mut fds = [PollFd::new(&output, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        let polled = poll(&mut fds, None);
        let is_stopped = fds.last().is_some_and(|stop| !stop.revents().is_empty());
        match polled {
            Err(Errno::INTR) => continue,
            Ok(_) if !is_stopped => {}
            _ => break,
        }
        match output.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(count) => shared.change(waker, |state| {
                if !state.is_discarded {
                    state.output.extend_from_slice(buffer.get(..count).unwrap_or_default());
                }
            }),
        }
    }
    shared.change(waker, |state| state.is_eof = true);
}

/// Waits for the end of a process, and leaves it to be reaped.
fn wait_for_end(pid: Pid, shared: &Shared, waker: &Waker) {
    let exit = loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(Errno::INTR) => {}
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => break Exit::Code(code),
                (None, Some(number)) => break Exit::Signal(number),
                (None, None) => {}
            },
            // It was dropped.
            Ok(None) | Err(_) => return,
        }
    };
    shared.change(waker, |state| state.exit = Some((exit, Instant::now())));
}

fn write_all(mut input: File, bytes: &Receiver<Vec<u8>>) {
    while let Ok(bytes) = bytes.recv() {
        if input.write_all(&bytes).is_err() {
            return;
        }
    }
}
