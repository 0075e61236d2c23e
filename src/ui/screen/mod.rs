//! Output of the prompt: text for a person or JSON for a program, written by one thread.
//!
//! A slow terminal or a full pipe holds up neither the event loop nor the line being typed.

mod viewer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use mio::Waker;

use crate::app::host::NoticeSink;
use crate::app::os;
use crate::chat::{Chat, Notice, ReceiptDue, SentMessage};
use crate::events::{Event, Id, from_notice};
use crate::text::safe::SafeText;
pub(crate) use viewer::{JsonClient, Person};

/// Bytes that may wait before peers are no longer read.
const BACKLOG_BYTES: usize = 1024 * 1024;

/// Function that prints: the editor's external printer, or standard output. An empty text repaints
/// the prompt if it has changed.
pub(crate) type Printer = Box<dyn FnMut(String) -> io::Result<()> + Send>;

/// Sink of the prompt's notices, and owner of the output thread.
pub(crate) struct Screen {
    viewer: Viewer,
    queue: Option<Sender<(String, Option<ReceiptDue>)>>,
    written: Receiver<io::Result<ReceiptDue>>,
    backlog_bytes: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// Reader of the output, which decides its form.
pub(crate) enum Viewer {
    Person(Box<Person>),
    JsonClient(JsonClient),
}

impl Screen {
    pub(crate) fn start(viewer: Viewer, mut print: Printer, waker: Arc<Waker>) -> io::Result<Self> {
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
        Ok(Self { viewer, queue: Some(queue), written, backlog_bytes, thread: Some(thread) })
    }

    /// Queues a text, and a receipt that is due once it is written.
    fn write(&self, text: String, receipt: Option<ReceiptDue>) {
        self.backlog_bytes.fetch_add(text.len(), Ordering::Relaxed);
        if let Some(queue) = &self.queue {
            // The thread ends only after an error that has been reported.
            let _ = queue.send((text, receipt));
        }
    }

    /// The next receipt whose text is written; an error means that nobody reads any more.
    pub(crate) fn shown(&self) -> Option<io::Result<ReceiptDue>> {
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

    /// Begins a request of a program; events that follow carry its id.
    pub(crate) fn begin(&mut self, id: Option<Id>) {
        if let Viewer::JsonClient(client) = &mut self.viewer {
            client.begin(id);
        }
    }

    /// Replies to the request: every event that follows from it at once has been shown.
    pub(crate) fn reply(&mut self) {
        if let Viewer::JsonClient(client) = &mut self.viewer
            && let Some(reply) = client.reply()
        {
            self.write(reply, None);
        }
    }

    /// Sends an event that only programs need.
    pub(crate) fn tell(&mut self, event: &Event) {
        if let Viewer::JsonClient(client) = &self.viewer {
            self.write(client.event(event), None);
        }
    }
}

impl NoticeSink for Screen {
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) {
        let text = match &mut self.viewer {
            Viewer::Person(person) => person.notice(notice),
            Viewer::JsonClient(client) => client.notice(notice),
        };
        self.write(text, due);
    }

    fn is_behind(&self) -> bool {
        self.backlog_bytes.load(Ordering::Relaxed) > BACKLOG_BYTES
    }

    fn chat_changed(&mut self, chat: &Chat) {
        match &mut self.viewer {
            Viewer::Person(person) => person.update(chat),
            Viewer::JsonClient(client) => client.update(chat),
        }
    }

    /// Repaints the prompt, or sends the state, if it has changed and no notice did so.
    fn effects_done(&mut self) {
        let text = match &mut self.viewer {
            Viewer::Person(person) => person.take_repaint(),
            Viewer::JsonClient(client) => client.take_state(),
        };
        if let Some(text) = text {
            self.write(text, None);
        }
    }

    fn sent(&mut self, sent: &SentMessage) {
        self.tell(&from_notice::sent(sent));
    }

    fn received(&mut self, name: &str, upto: u64) {
        self.tell(&Event::Received { to: name.to_owned(), upto });
    }

    fn alert(&mut self, text: &SafeText) {
        if let Viewer::Person(person) = &mut self.viewer {
            person.ring(text);
        }
    }
}

/// Printer to standard output, whole rows at a time.
pub(crate) fn stdout_printer() -> Printer {
    Box::new(|text| os::print(&text))
}
