//! Where notices become bytes: one thread writes them, so that a slow terminal or a full pipe holds up
//! neither the loop nor the line being typed. What was owed for a message is reported once it is out.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use mio::Waker;

use super::alert::Alerts;
use super::form::{Form, Looks};
use super::live::Show;
use super::prompting::Prompting;
use crate::chat::safe::SafeText;
use crate::chat::{Chat, Notice, Owed};

/// Bytes that may wait for the screen before peers are no longer read.
const BACKLOG_BYTES: usize = 1024 * 1024;
/// Cells of a screen that does not know its own width.
const CELLS: usize = 80;
/// What writes: an editor's printer, or standard output. Nothing to write asks for the line that is being typed
/// to be painted anew, if its prompt has changed.
pub(super) type Sink = Box<dyn FnMut(String) -> io::Result<()> + Send>;

/// The screen's owner.
pub(super) struct Screen {
    queue: Option<Sender<(String, Option<Owed>)>>,
    done: Receiver<io::Result<Owed>>,
    backlog: Arc<AtomicUsize>,
    form: Form,
    alerts: Alerts,
    /// What rings with the next notice.
    call: String,
    prompt: Option<Prompting>,
    writer: Option<JoinHandle<()>>,
}

impl Screen {
    pub(super) fn start(form: Form, mut sink: Sink, waker: Arc<Waker>) -> io::Result<Self> {
        let (queue, waiting) = channel::<(String, Option<Owed>)>();
        let (report, done) = channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&backlog);
        let writer = thread::Builder::new().name("screen".into()).spawn(move || {
            while let Ok((mut text, owed)) = waiting.recv() {
                let mut owed: Vec<Owed> = owed.into_iter().collect();
                // Everything that waits goes out in one piece: each piece repaints the line being typed.
                while let Ok((more, also)) = waiting.try_recv() {
                    text.push_str(&more);
                    owed.extend(also);
                }
                let bytes = text.len();
                let written = sink(text);
                left.fetch_sub(bytes, Ordering::Relaxed);
                let reports: Vec<_> = match written {
                    Ok(()) => owed.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                };
                for one in reports {
                    let failed = one.is_err();
                    if report.send(one).is_err() || failed {
                        // Nobody reads any more: the loop is told once, the rest is dropped.
                        let _ = waker.wake();
                        return;
                    }
                }
                let _ = waker.wake();
            }
        })?;
        let alerts = Alerts::of_terminal();
        Ok(Self {
            queue: Some(queue),
            done,
            backlog,
            form,
            alerts,
            call: String::new(),
            prompt: None,
            writer: Some(writer),
        })
    }

    /// A prompt that follows the chat from now on.
    pub(super) fn show_prompt(&mut self, prompt: Prompting) {
        self.prompt = Some(prompt);
    }

    fn put(&self, text: String, owed: Option<Owed>) {
        self.backlog.fetch_add(text.len(), Ordering::Relaxed);
        if let Some(queue) = &self.queue {
            // The writer ends only after an error that has been reported.
            let _ = queue.send((text, owed));
        }
    }

    /// What is out since the last call; an error means that nobody reads any more.
    pub(super) fn shown(&self) -> Option<io::Result<Owed>> {
        self.done.try_recv().ok()
    }

    /// Waits until everything is written.
    pub(super) fn finish(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A panic there has been reported by its hook.
            let _ = writer.join();
        }
    }
}

impl Show for Screen {
    /// Puts a notice in the queue, dated by the wall clock.
    fn show(&mut self, notice: &Notice, owed: Option<Owed>) {
        let mut text = std::mem::take(&mut self.call);
        text.push_str(&self.form.shown(notice, unix_ms(), cells()));
        self.put(text, owed);
        if let Some(prompt) = &mut self.prompt {
            prompt.shown();
        }
    }

    fn is_behind(&self) -> bool {
        self.backlog.load(Ordering::Relaxed) > BACKLOG_BYTES
    }

    fn follow(&mut self, chat: &Chat) {
        if let Some(prompt) = &mut self.prompt {
            prompt.follow(chat, &mut self.form);
        }
    }

    /// Has the line that is being typed painted anew, if its prompt has changed and nothing was shown.
    fn settle(&mut self) {
        if self.prompt.as_mut().is_some_and(Prompting::is_due) {
            self.put(String::new(), None);
        }
    }

    /// The call goes out together with what is shown next.
    fn alert(&mut self, text: &SafeText) {
        if self.form.looks == Looks::Screen {
            self.call = self.alerts.ring(text, unix_ms()).unwrap_or_default();
        }
    }
}

/// Standard output, whole rows at a time.
pub(super) fn stdout_sink() -> Sink {
    Box::new(|text| {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    })
}

/// A line on standard error; if that is gone too, nobody can be told.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A line on standard output.
pub(super) fn answer(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Cells of a row on the screen. The screen knows best; `COLUMNS` is for one that does not.
pub(super) fn cells() -> usize {
    let told = || std::env::var("COLUMNS").ok().and_then(|cells| cells.parse().ok());
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => told().filter(|cells| *cells > 0).unwrap_or(CELLS),
    }
}

/// The wall clock, in milliseconds since 1970.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
