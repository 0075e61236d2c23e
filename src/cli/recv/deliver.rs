//! Deliverer of messages: a thread that writes them to standard output or hands them to a command,
//! in their order, and reports each that has arrived there, and no other.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use mio::Waker;

use super::exec::{Commands, ExecCommand, ProcessGroups};
use super::items::{Backlog, Delivered, Item};
use crate::app::error::{SIGPIPE, code, describe};
use crate::app::event_loop::App;
use crate::app::host::{Behind, NoticeSink};
use crate::app::os::print;
use crate::app::output::deliver_stderr;
use crate::chat::{ExitRequest, Input, Message, ReceiptDue};
use crate::cli::args;
use crate::events::from_notice::message;
use crate::events::{OutputEvent, OutputFormat, emit};
use crate::ids::ConnId;
use crate::text::safe::SafeText;
use crate::wire::ByeReason;

/// Destination of messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Destination {
    /// One line of safe text each.
    Text,
    /// One JSON object each.
    Json,
    /// Standard input of a shell command for each, which gets the exact bytes.
    Command(ExecCommand),
}

/// Handle of the thread.
pub(crate) struct Deliverer {
    /// `None` once nothing follows.
    queue: Option<Sender<Item>>,
    reports: Receiver<Delivered>,
    /// The thread has ended, and all its reports have been taken.
    ended: bool,
    backlog: Backlog,
    groups: ProcessGroups,
}

impl Deliverer {
    /// Starts the thread. It stops by itself after `count` messages.
    pub(crate) fn start(destination: Destination, count: Option<u64>, waker: Arc<Waker>) -> io::Result<Self> {
        let (queue, items) = channel();
        let (sender, reports) = channel();
        let (backlog, groups) = (Backlog::default(), ProcessGroups::default());
        let (own_backlog, own_groups, own_queue) = (backlog.clone(), groups.clone(), queue.clone());
        thread::Builder::new().name("deliver".into()).spawn(move || {
            let report = |report| {
                // The receiver may have gone.
                let _ = sender.send(report);
                let _ = waker.wake();
            };
            let writer = |form| Writer { form, remaining: count, backlog: own_backlog.clone() };
            match destination {
                Destination::Text => writer(Form::Text).run(&items, report),
                Destination::Json => writer(Form::Json).run(&items, report),
                Destination::Command(exec) => {
                    Commands::new(exec, own_groups, count, own_backlog, own_queue).run(&items, report);
                }
            }
            drop(sender);
            let _ = waker.wake();
        })?;
        Ok(Self { queue: Some(queue), reports, ended: false, backlog, groups })
    }

    /// Destination of messages that no command takes.
    pub(crate) fn output(format: OutputFormat) -> Destination {
        match format {
            OutputFormat::Json => Destination::Json,
            OutputFormat::Words | OutputFormat::VerboseWords => Destination::Text,
        }
    }

    pub(crate) fn put(&self, message: Message, due: ReceiptDue) {
        self.backlog.add(&message, due);
        self.send(Item::Message(message, due));
    }

    /// Writes a text to standard error for a message, in the order of the messages.
    pub(crate) fn tell(&self, text: String, due: ReceiptDue) {
        self.send(Item::Told(text, due));
    }

    /// Forgets a connection of which a message could not be handed over: nothing follows on it.
    pub(crate) fn forget(&self, conn: ConnId) {
        self.send(Item::Closed(conn));
    }

    /// Ends the thread once it has delivered what it has.
    pub(crate) fn close(&mut self) {
        self.send(Item::End);
        self.queue = None;
    }

    /// Kills the commands that run: none outlives the program.
    pub(crate) fn kill_commands(&self) {
        self.groups.kill_all();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Connections of which so much waits that they are not read.
    pub(crate) fn behind(&self) -> Behind {
        self.backlog.behind()
    }

    pub(crate) fn next(&mut self) -> Option<Delivered> {
        let next = self.reports.try_recv();
        self.ended |= next.as_ref().err() == Some(&TryRecvError::Disconnected);
        next.ok()
    }

    fn send(&self, item: Item) {
        if let Some(queue) = &self.queue {
            // A thread that has ended has reported why.
            let _ = queue.send(item);
        }
    }
}

/// Tells every peer why nothing more can be written, and returns how to exit.
pub(crate) fn refuse_output<S: NoticeSink>(
    app: &mut App<S>,
    error: &io::Error,
    format: OutputFormat,
) -> ExitRequest {
    let reason = args::output_bye(error);
    let request = if reason == ByeReason::OutputGone {
        // Like a program that SIGPIPE ends, but in order.
        ExitRequest::Signal(SIGPIPE)
    } else {
        let message = format!("cannot write the output: {}", describe(error));
        emit(&OutputEvent::Error { kind: "output", message, hint: None }, format);
        ExitRequest::Failure(code::FAILED)
    };
    for conn in app.chat().connections() {
        app.handle(Input::Dismiss { conn, reason });
    }
    request
}

/// Form of what is written to standard output.
enum Form {
    Text,
    Json,
}

/// State of the thread that writes to standard output.
struct Writer {
    form: Form,
    /// Messages still wanted, if they are counted.
    remaining: Option<u64>,
    backlog: Backlog,
}

impl Writer {
    fn run(mut self, items: &Receiver<Item>, report: impl Fn(Delivered)) {
        let mut next = None;
        loop {
            let first = match next.take().map_or_else(|| items.recv(), Ok) {
                Ok(Item::Message(message, due)) => (message, due),
                Ok(Item::Told(text, due)) => match deliver_stderr(&text) {
                    Ok(()) => {
                        report(Delivered::Upto(due));
                        continue;
                    }
                    Err(error) => return report(Delivered::Broken(error)),
                },
                Ok(Item::End) | Err(_) => return,
                Ok(Item::Closed(_) | Item::Finished(_)) => continue,
            };
            let (mut batch, mut is_last) = (vec![first], false);
            // Standard output takes everything that waits in one piece.
            while next.is_none()
                && self.remaining.is_none_or(|remaining| (batch.len() as u64) < remaining)
                && let Ok(more) = items.try_recv()
            {
                match more {
                    Item::Message(message, due) => batch.push((message, due)),
                    told @ Item::Told(..) => next = Some(told),
                    Item::End => is_last = true,
                    Item::Closed(_) | Item::Finished(_) => {}
                }
            }
            for (message, due) in &batch {
                self.backlog.remove(message, *due);
            }
            if let Err(error) = print(&self.text(&batch)) {
                return report(Delivered::Broken(error));
            }
            for (_, due) in &batch {
                report(Delivered::Upto(*due));
            }
            if let Some(remaining) = &mut self.remaining {
                *remaining = remaining.saturating_sub(batch.len() as u64);
                if *remaining == 0 {
                    return report(Delivered::Enough);
                }
            }
            if is_last {
                return;
            }
        }
    }

    fn text(&self, batch: &[(Message, ReceiptDue)]) -> String {
        let mut text = String::new();
        for (received, _) in batch {
            match self.form {
                Form::Json => {
                    text.push_str(&OutputEvent::Message(message(received)).to_json(received.arrived.0, None));
                }
                Form::Text => {
                    text.push_str(SafeText::exact_line(&received.text).as_str());
                    text.push('\n');
                }
            }
        }
        text
    }
}
