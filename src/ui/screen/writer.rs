//! The thread that writes what is shown, so that a slow terminal or a full pipe holds up neither the loop nor the
//! line being typed. What was owed for a message is reported once it is out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use mio::Waker;

use crate::chat::ReceiptDue;

/// Bytes that may wait before peers are no longer read.
const BACKLOG_BYTES: usize = 1024 * 1024;

/// What writes: an editor's printer, or standard output. Nothing to write asks for the line that is being typed
/// to be painted anew, if its prompt has changed.
pub(crate) type Sink = Box<dyn FnMut(String) -> io::Result<()> + Send>;

/// The thread's owner.
pub(crate) struct Writer {
    queue: Option<Sender<(String, Option<ReceiptDue>)>>,
    done: Receiver<io::Result<ReceiptDue>>,
    backlog: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(mut sink: Sink, waker: Arc<Waker>) -> io::Result<Self> {
        let (queue, waiting) = channel::<(String, Option<ReceiptDue>)>();
        let (report, done) = channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&backlog);
        let thread = thread::Builder::new().name("screen".into()).spawn(move || {
            while let Ok((mut text, due)) = waiting.recv() {
                let mut due: Vec<ReceiptDue> = due.into_iter().collect();
                // Everything that waits goes out in one piece: each piece repaints the line being typed.
                while let Ok((more, also)) = waiting.try_recv() {
                    text.push_str(&more);
                    due.extend(also);
                }
                let bytes = text.len();
                let written = sink(text);
                left.fetch_sub(bytes, Ordering::Relaxed);
                let reports: Vec<_> = match written {
                    Ok(()) => due.into_iter().map(Ok).collect(),
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
        Ok(Self { queue: Some(queue), done, backlog, thread: Some(thread) })
    }

    /// Puts a text in the queue.
    pub(crate) fn put(&self, text: String, due: Option<ReceiptDue>) {
        self.backlog.fetch_add(text.len(), Ordering::Relaxed);
        if let Some(queue) = &self.queue {
            // The thread ends only after an error that has been reported.
            let _ = queue.send((text, due));
        }
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.backlog.load(Ordering::Relaxed) > BACKLOG_BYTES
    }

    /// What is out since the last call; an error means that nobody reads any more.
    pub(crate) fn written(&self) -> Option<io::Result<ReceiptDue>> {
        self.done.try_recv().ok()
    }

    /// Waits until everything is written.
    pub(crate) fn finish(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its hook.
            let _ = thread.join();
        }
    }
}
