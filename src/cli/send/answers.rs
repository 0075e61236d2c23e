//! Answers of one run of `rsachat ask`: texts of the peer that was asked, on standard output just
//! as `recv` writes them.

use std::io;
use std::sync::Arc;

use mio::Waker;

use super::queue::SendQueue;
use crate::app::error::code;
use crate::app::event_loop::App;
use crate::app::host::{Behind, MessageUse, NoticeSink};
use crate::chat::{Input, Message, Notice, Protocol, ReadingProof, ReceiptDue};
use crate::cli::recv::deliver::Deliverer;
use crate::cli::recv::items::Delivered;
use crate::events::from_notice::EventReporter;
use crate::events::{Done, OutputEvent, OutputFormat, text_of};
use crate::text::safe::SafeText;

/// Sink of notices on standard error, and of answers where any are awaited.
pub(super) struct SendSink {
    pub(super) reporter: EventReporter,
    pub(super) answers: Option<Answers>,
}

impl NoticeSink for SendSink {
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) {
        match (notice, due, &mut self.answers) {
            (Notice::Message(message), Some(due), Some(answers)) => answers.take(message, due),
            _ => self.reporter.show(notice, due),
        }
    }

    fn question_read(&mut self, proof: ReadingProof) {
        if let Some(answers) = &mut self.answers {
            answers.question_read(proof);
        }
    }

    fn messages(&self) -> MessageUse {
        if self.answers.is_some() { MessageUse::Shown } else { self.reporter.messages() }
    }

    fn behind(&self) -> Behind {
        self.answers.as_ref().map_or(Behind::NONE, |answers| answers.deliverer.behind())
    }
}

/// Answers that are awaited, being written and written.
pub(super) struct Answers {
    deliverer: Deliverer,
    awaited: u64,
    /// Answers that were handed to the deliverer.
    taken: u64,
    written: u64,
    /// Receipts of what came behind the last answer: nobody sees it, and none is sent.
    surplus: Vec<ReceiptDue>,
    /// What came before it was known that the peer had read the question; `None` from there on.
    early: Option<Vec<(Message, ReceiptDue)>>,
    /// Number of texts before the first answer that are no answers, and are told and not written
    /// yet.
    told: u64,
    format: OutputFormat,
}

impl Answers {
    pub(super) fn start(
        count: u64,
        wire: Protocol,
        format: OutputFormat,
        waker: Arc<Waker>,
    ) -> io::Result<Self> {
        let deliverer = Deliverer::start(Deliverer::output(format), Some(count), waker)?;
        // The raw wire tells nothing of that.
        let early = (wire == Protocol::Native).then(Vec::new);
        let surplus = Vec::new();
        Ok(Self { deliverer, awaited: count, taken: 0, written: 0, surplus, early, told: 0, format })
    }

    /// The peer has read the question. What it wrote before is told, and is no answer; where its
    /// receipt alone says so, it may be one.
    fn question_read(&mut self, proof: ReadingProof) {
        for (message, due) in self.early.take().unwrap_or_default() {
            match proof {
                ReadingProof::Receipt => self.take(&message, due),
                ReadingProof::Probe => {
                    let text: Vec<_> = message.rows.iter().map(SafeText::as_str).collect();
                    let words =
                        format!("{} had written before the question: {}", message.name, text.join("\n"));
                    let earlier = OutputEvent::Warning { kind: "earlier", message: words };
                    self.deliverer.tell(text_of(&earlier, self.format), due);
                    self.told += 1;
                }
            }
        }
    }

    fn take(&mut self, message: &Message, due: ReceiptDue) {
        if let Some(early) = &mut self.early {
            return early.push((message.clone(), due));
        }
        if self.taken == self.awaited {
            return self.surplus.push(due);
        }
        self.taken += 1;
        // Its rows are for a screen.
        let (name, text) = (message.name.clone(), message.text.clone());
        self.deliverer.put(Message { name, to: Vec::new(), text, rows: Vec::new(), ..*message }, due);
    }

    /// Sends receipts for what was written. Returns the error if no more can be.
    pub(super) fn take_written(app: &mut App<SendSink>) -> Option<io::Error> {
        while let Some(delivered) = app.sink().answers.as_mut().and_then(|one| one.deliverer.next()) {
            match delivered {
                Delivered::Upto(due) => {
                    match &mut app.sink().answers {
                        Some(Self { told, .. }) if *told > 0 => *told -= 1,
                        Some(answers) => answers.written += 1,
                        None => {}
                    }
                    app.shown(due);
                }
                Delivered::Broken(error) => {
                    app.send_receipts();
                    return Some(error);
                }
                // Commands only reply and fail.
                Delivered::Enough | Delivered::Reply(_) | Delivered::Failed { .. } => {}
            }
        }
        app.send_receipts();
        let is_complete = app.sink().answers.as_ref().is_some_and(|answers| answers.missing() == 0);
        while is_complete && let Some(due) = app.sink().answers.as_mut().and_then(|one| one.surplus.pop()) {
            app.handle(Input::NotShown(due));
        }
        None
    }

    /// Number of answers that are not written.
    pub(super) fn missing(&self) -> u64 {
        self.awaited.saturating_sub(self.written)
    }

    /// Ends the writing once everything that came is written.
    pub(super) fn close(&mut self) {
        self.deliverer.close();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.deliverer.has_ended()
    }

    /// Adds the count and the exit code of the answers to the end of a run. Returns the error if a
    /// question had no answer though nothing else was wrong.
    pub(super) fn outcome(&self, queue: &SendQueue, done: &mut Done) -> Option<OutputEvent> {
        done.answers = Some(self.written);
        let is_unanswered = self.missing() > 0 && queue.is_proved();
        if is_unanswered && done.code == 0 {
            done.code = code::LOST;
        }
        is_unanswered.then(|| unanswered(self.written, self.awaited, queue.word()))
    }
}

/// The error that a question which arrived, by this word for it, was not answered.
pub(super) fn unanswered(written: u64, awaited: u64, arrived: &str) -> OutputEvent {
    let came = match written {
        0 => "no answer came".to_owned(),
        written => format!("{written} of {awaited} answers came"),
    };
    let message = format!("the question was {arrived}, but {came}");
    OutputEvent::Error { kind: "not_answered", message, hint: None }
}
