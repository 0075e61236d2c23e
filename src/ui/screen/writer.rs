//! Output thread of the prompt.
//!
//! A slow terminal or a full pipe holds up neither the event loop nor the line being typed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use mio::Waker;

use crate::chat::ReceiptDue;

/// Bytes that may wait before peers are no longer read.
const BACKLOG_BYTES: usize = 1024 * 1024;

/// Function that prints: the editor's external printer, or standard output. An empty text repaints
/// the prompt if it has changed.
pub(crate) type Printer = Box<dyn FnMut(String) -> io::Result<()> + Send>;

/// Owner of the output thread.
pub(crate) struct ScreenWriter {
    queue: Option<Sender<(String, Option<ReceiptDue>)>>,
    written: Receiver<io::Result<ReceiptDue>>,
    backlog_bytes: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl ScreenWriter {
    pub(crate) fn start(mut print: Printer, waker: Arc<Waker>) -> io::Result<Self> {
        let (queue, texts) = channel::<(String, Option<ReceiptDue>)>();
        let (report, written) = channel();
        let backlog_bytes = Arc::new(AtomicUsize::new(0));
        let backlog = Arc::clone(&backlog_bytes);
        let thread = thread::Builder::new().name("screen".into()).spawn(move || {
            while let Ok((mut text, receipt)) = texts.recv() {
                let mut receipts: Vec<ReceiptDue> = receipt.into_iter().collect();
                // Everything that waits goes out in one piece: each piece repaints the line being
                // typed.
                while let Ok((more, receipt)) = texts.try_recv() {
                    text.push_str(&more);
                    receipts.extend(receipt);
                }
                let bytes = text.len();
                let printed = print(text);
                backlog.fetch_sub(bytes, Ordering::Relaxed);
                let goes_on = match printed {
                    Ok(()) => receipts.into_iter().all(|receipt| report.send(Ok(receipt)).is_ok()),
                    // Nobody reads any more: that is reported once, and the rest is dropped.
                    Err(error) => {
                        let _ = report.send(Err(error));
                        false
                    }
                };
                let _ = waker.wake();
                if !goes_on {
                    return;
                }
            }
        })?;
        Ok(Self { queue: Some(queue), written, backlog_bytes, thread: Some(thread) })
    }

    /// Queues a text, and a receipt that is due once it is written.
    pub(crate) fn write(&self, text: String, receipt: Option<ReceiptDue>) {
        self.backlog_bytes.fetch_add(text.len(), Ordering::Relaxed);
        if let Some(queue) = &self.queue {
            // The thread ends only after an error that has been reported.
            let _ = queue.send((text, receipt));
        }
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.backlog_bytes.load(Ordering::Relaxed) > BACKLOG_BYTES
    }

    /// The next receipt whose text is written; an error means that nobody reads any more.
    pub(crate) fn written(&self) -> Option<io::Result<ReceiptDue>> {
        self.written.try_recv().ok()
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
