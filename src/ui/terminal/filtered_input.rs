//! Standard input of the line editor: a pseudo-terminal behind a [`KeyFilter`], since rustyline
//! reads nothing but a terminal.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::stdio::dup2_stdin;
use rustix::termios::{OptionalActions, tcsetattr};

use super::editor_state::EditorShared;
use super::key_filter::{KeyFilter, STRING_PAUSE};
use crate::app::output::is_ready;
use crate::config::EditorMode;

/// Time after which ESC is a key where it may be one.
const ESCAPE_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that are read at once.
const READ_BYTES: usize = 4_096;

/// Owner of the thread that filters. Standard input is the terminal's own again once it ends.
pub(crate) struct FilteredInput {
    shared: Arc<EditorShared>,
    /// Dropped to end the thread.
    closing: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl FilteredInput {
    /// Puts the filter between the terminal and standard input, by a pseudo-terminal.
    ///
    /// # Errors
    /// The system has no thread to give. Standard input is as it was then.
    pub(crate) fn start(
        shared: &Arc<EditorShared>,
        mode: EditorMode,
        PseudoTerminal { editor, slave }: PseudoTerminal,
    ) -> io::Result<Self> {
        // The modes of the terminal between two lines.
        tcsetattr(&slave, OptionalActions::Now, &shared.terminal.idle_modes())?;
        let (closed, closing) = io::pipe()?;
        let terminal = File::from(shared.terminal.keys().try_clone_to_owned()?);
        let filtering = Filtering { terminal, editor, closed, shared: Arc::clone(shared), mode };
        let thread = thread::Builder::new().name("input".into()).spawn(|| filtering.run())?;
        let input = Self { shared: Arc::clone(shared), closing: Some(closing), thread: Some(thread) };
        dup2_stdin(slave)?;
        Ok(input)
    }
}

impl Drop for FilteredInput {
    fn drop(&mut self) {
        self.closing = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its hook.
            let _ = thread.join();
        }
        // Should that fail, nobody reads standard input any more.
        let _ = dup2_stdin(self.shared.terminal.keys());
    }
}

/// Both ends of a new pseudo-terminal.
pub(super) struct PseudoTerminal {
    editor: OwnedFd,
    pub(super) slave: OwnedFd,
}

impl PseudoTerminal {
    /// # Errors
    /// The system has none to give.
    pub(super) fn open() -> io::Result<Self> {
        let editor = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&editor)?;
        unlockpt(&editor)?;
        fcntl_setfl(&editor, fcntl_getfl(&editor)? | OFlags::NONBLOCK)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(ptsname(&editor, Vec::new())?, flags, rustix::fs::Mode::empty())?;
        Ok(Self { editor, slave })
    }
}

struct Filtering {
    terminal: File,
    /// The end of the pseudo-terminal whose other one the editor reads.
    editor: OwnedFd,
    closed: PipeReader,
    shared: Arc<EditorShared>,
    mode: EditorMode,
}

/// What woke the thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Woken {
    Closing,
    Ready,
    /// Nothing came for as long as was waited.
    Quiet,
}

impl Filtering {
    fn run(mut self) {
        let mut filter = KeyFilter::default();
        loop {
            let is_key = filter.holds_key() && (self.mode == EditorMode::Vi || self.shared.is_searching());
            let pause = match (is_key, filter.is_in_string()) {
                (true, _) => Some(ESCAPE_PAUSE),
                (false, true) => Some(STRING_PAUSE),
                (false, false) => None,
            };
            let keys = match self.wait(PollFlags::IN, pause) {
                Woken::Closing => return,
                Woken::Quiet if is_key => filter.release(),
                Woken::Quiet => filter.give_up(),
                Woken::Ready => match self.read() {
                    // The terminal is gone, and the editor's goes with this thread.
                    Ok(Some(bytes)) if bytes.is_empty() => return,
                    Ok(bytes) => filter.feed(&bytes.unwrap_or_default(), Instant::now()),
                    Err(_) => return,
                },
            };
            self.shared.wait_settled();
            if self.write(&keys) == Woken::Closing {
                return;
            }
        }
    }

    /// Reads what the terminal has sent: `None` where another program has it, or has read it.
    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let _reading = self.shared.terminal.reading();
        if !is_ready(&self.terminal, PollFlags::IN, 0) {
            return Ok(None);
        }
        let mut buffer = vec![0; READ_BYTES];
        match self.terminal.read(&mut buffer) {
            Ok(read) => {
                buffer.truncate(read);
                Ok(Some(buffer))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, mut keys: &[u8]) -> Woken {
        while !keys.is_empty() {
            match rustix::io::write(&self.editor, keys) {
                Ok(written) => keys = keys.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if self.wait(PollFlags::OUT, None) == Woken::Ready => {}
                Err(_) => return Woken::Closing,
            }
        }
        Woken::Ready
    }

    /// Waits for the end, and for what the terminal has or the editor takes.
    fn wait(&self, what: PollFlags, at_most: Option<Duration>) -> Woken {
        let at_most = at_most.and_then(|time| Timespec::try_from(time).ok());
        let other = if what == PollFlags::IN { self.terminal.as_fd() } else { self.editor.as_fd() };
        let mut polled = [PollFd::new(&self.closed, PollFlags::IN), PollFd::new(&other, what)];
        loop {
            match poll(&mut polled, at_most.as_ref()) {
                Ok(0) => return Woken::Quiet,
                Err(Errno::INTR) => {}
                Ok(_) if polled.first().is_some_and(|closed| closed.revents().is_empty()) => {
                    return Woken::Ready;
                }
                Ok(_) | Err(_) => return Woken::Closing,
            }
        }
    }
}
