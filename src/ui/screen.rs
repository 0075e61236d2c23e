//! Output of the prompt: text for a person or JSON for a program, written by one thread.
//!
//! A slow terminal or a full pipe holds up neither the event loop nor the line being typed.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use mio::Waker;

use crate::app::export::{clipboard_sequence, without_terminal};
use crate::app::host::{Behind, NoticeSink};
use crate::app::os::{self, unix_ms};
use crate::chat::{
    Chat, DeliveryReport, Export, ExportError, ExportTarget, KnownNames, Message, Notice, PromptView,
    QuestionId, ReceiptDue, ReturnedLine, SentMessage, TransferChoice, TransferProgress,
};
use crate::events::json_client::JsonClient;
use crate::events::{Id, OutputEvent};
use crate::ids::FaceId;
use crate::limits::{ALERT_EVERY_MS, OUTPUT_BACKLOG_BYTES};
use crate::render::layout::{Layout, OutputMode};
use crate::text::safe::SafeText;
use crate::time::UnixMs;
use crate::ui::progress::{Meter, RowChange};
use crate::ui::size::size;
use crate::ui::terminal::EditorShared;

/// Function that prints: the editor's external printer, or standard output. An empty text repaints
/// the prompt if it has changed.
pub(crate) type Printer = Box<dyn FnMut(String) -> io::Result<()> + Send>;

/// Sink of the prompt's notices, and owner of the output thread.
pub(crate) struct Screen {
    viewer: Viewer,
    queue: Option<Sender<(String, Option<ReceiptDue>)>>,
    written: Receiver<io::Result<ReceiptDue>>,
    /// Number of the receipts whose texts are not written yet.
    awaited: Cell<usize>,
    backlog_bytes: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// Reader of the output, which decides its form.
pub(crate) enum Viewer {
    Person(Box<Person>),
    JsonClient(Box<JsonClient>),
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
        let awaited = Cell::new(0);
        Ok(Self { viewer, queue: Some(queue), written, awaited, backlog_bytes, thread: Some(thread) })
    }

    /// Queues a text, and a receipt that is due once it is written.
    fn write(&self, text: String, receipt: Option<ReceiptDue>) {
        self.backlog_bytes.fetch_add(text.len(), Ordering::Relaxed);
        if let Some(queue) = &self.queue {
            self.awaited.update(|awaited| awaited + usize::from(receipt.is_some()));
            // The thread ends only after an error that has been reported.
            let _ = queue.send((text, receipt));
        }
    }

    /// Paints the prompt anew if it is out of date.
    pub(crate) fn repaint(&self) {
        self.write(String::new(), None);
    }

    /// The next receipt whose text is written; an error means that nobody reads any more.
    pub(crate) fn shown(&self) -> Option<io::Result<ReceiptDue>> {
        self.written.try_recv().ok().map(|written| self.take_written(written))
    }

    /// The same, waited for to this moment; none once nothing is due.
    pub(crate) fn shown_until(&self, until: Instant) -> Option<io::Result<ReceiptDue>> {
        let rest = until.saturating_duration_since(Instant::now());
        let written = (self.awaited.get() > 0).then(|| self.written.recv_timeout(rest).ok());
        written.flatten().map(|written| self.take_written(written))
    }

    fn take_written(&self, written: io::Result<ReceiptDue>) -> io::Result<ReceiptDue> {
        self.awaited.update(|awaited| if written.is_ok() { awaited - 1 } else { 0 });
        written
    }

    /// Waits until everything is written, but not longer than to this moment: what the reader of
    /// the output has not taken by then is dropped.
    ///
    /// # Errors
    /// What kept the rest from being written, unless it was told before.
    pub(crate) fn finish(&mut self, until: Instant) -> io::Result<()> {
        self.queue = None;
        // The thread ends by giving up its end of this channel.
        let end = loop {
            match self.written.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Err(error)) => break Err(error),
                Err(RecvTimeoutError::Disconnected) => break Ok(()),
                Ok(Ok(_)) | Err(RecvTimeoutError::Timeout) if Instant::now() >= until => return Ok(()),
                Ok(Ok(_)) | Err(RecvTimeoutError::Timeout) => {}
            }
        };
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its hook.
            let _ = thread.join();
        }
        end
    }

    /// Begins a request of a program; events that follow carry its id.
    pub(crate) fn begin(&mut self, id: Option<Id>) {
        if let Viewer::JsonClient(client) = &mut self.viewer {
            client.begin(id);
        }
    }

    /// Whether the answer to the question of a program with this id is awaited.
    pub(crate) fn awaits_answer(&self, id: &Id) -> bool {
        matches!(&self.viewer, Viewer::JsonClient(client) if client.awaits_answer(id))
    }

    /// Sends an event that only programs need.
    pub(crate) fn tell(&mut self, event: &OutputEvent) {
        if let Viewer::JsonClient(client) = &self.viewer {
            self.write(client.event(event, now()), None);
        }
    }
}

impl NoticeSink for Screen {
    fn reply(&mut self, _: FaceId) {
        if let Viewer::JsonClient(client) = &mut self.viewer
            && let Some(reply) = client.reply(now())
        {
            self.write(reply, None);
        }
    }

    fn defer_reply(&mut self, _: FaceId, answers: usize) {
        if let Viewer::JsonClient(client) = &mut self.viewer {
            client.defer_reply(answers);
        }
    }

    fn resume_reply(&mut self, _: FaceId) -> bool {
        if let Viewer::JsonClient(client) = &mut self.viewer { client.resume_reply() } else { false }
    }

    fn awaited_by_replies(&self, _: FaceId) -> usize {
        if let Viewer::JsonClient(client) = &self.viewer { client.awaited() } else { 0 }
    }

    fn asked(&mut self, question: QuestionId) {
        if let Viewer::JsonClient(client) = &mut self.viewer {
            client.asked(question);
        }
    }

    fn answers(&mut self, question: QuestionId) {
        if let Viewer::JsonClient(client) = &mut self.viewer {
            client.answers(question);
        }
    }

    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) {
        let text = match &mut self.viewer {
            Viewer::Person(person) => person.notice(notice),
            Viewer::JsonClient(client) => client.notice(notice, now()),
        };
        self.write(text, due);
    }

    fn behind(&self) -> Behind {
        let is_behind = self.backlog_bytes.load(Ordering::Relaxed) > OUTPUT_BACKLOG_BYTES;
        if is_behind { Behind::All } else { Behind::NONE }
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
            Viewer::JsonClient(client) => client.take_state(now()),
        };
        if let Some(text) = text {
            self.write(text, None);
        }
    }

    fn sent(&mut self, sent: &SentMessage) {
        let text = match &self.viewer {
            Viewer::Person(person) => person.layout.sent(sent, now(), size()),
            Viewer::JsonClient(client) => Some(client.sent(sent, now())),
        };
        if let Some(text) = text {
            self.write(text, None);
        }
    }

    fn said(&mut self, face: FaceId, message: &Message) {
        if let Viewer::Person(person) = &self.viewer
            && let Some(editor) = &person.editor
            && editor.turn.say(&message.text)
        {
            return;
        }
        self.show_to(face, &Notice::Own(message.clone()));
    }

    fn line_returned(&mut self, _: FaceId, line: ReturnedLine) {
        if let Viewer::Person(person) = &self.viewer
            && let Some(editor) = &person.editor
        {
            editor.turn.put_back(line);
        }
    }

    fn delivery(&mut self, report: &DeliveryReport) {
        if let Viewer::JsonClient(client) = &self.viewer {
            self.write(client.delivery(report, now()), None);
        }
    }

    fn export(&mut self, _: FaceId, export: &Export) -> Option<Result<(), ExportError>> {
        Some(match &mut self.viewer {
            Viewer::Person(person) if export.to == ExportTarget::Clipboard => person.copy(&export.text),
            _ => without_terminal(export),
        })
    }

    fn alert(&mut self, text: &SafeText) {
        if let Viewer::Person(person) = &mut self.viewer {
            person.ring(text);
        }
    }
}

fn now() -> UnixMs {
    UnixMs(unix_ms())
}

impl Screen {
    /// Sets the prompt of a person, as another process tells it.
    pub(crate) fn set_prompt(&mut self, view: PromptView) {
        if let Viewer::Person(person) = &mut self.viewer {
            person.set_prompt(view);
        }
        self.effects_done();
    }

    /// Sets the names to complete and the column of names, as another process tells them.
    pub(crate) fn set_names(&mut self, names: KnownNames, present: &[String]) {
        if let Viewer::Person(person) = &mut self.viewer {
            person.set_names(names, present);
        }
    }

    /// Draws the progress of a transfer anew if that is due. Gives the moment when it is next.
    pub(crate) fn draw_progress(&mut self) -> Option<Instant> {
        let Viewer::Person(person) = &mut self.viewer else { return None };
        person.draw_progress();
        let due = person.meter.due();
        self.effects_done();
        due
    }

    /// Sets how far the transfer with the addressee is, as another process tells it.
    pub(crate) fn set_progress(&mut self, progress: Option<TransferProgress>) {
        if let Viewer::Person(person) = &mut self.viewer {
            person.set_progress(progress);
        }
    }

    /// Sets the transfers to complete, as another process tells them.
    pub(crate) fn set_transfers(&mut self, transfers: Vec<TransferChoice>) {
        if let Viewer::Person(person) = &mut self.viewer
            && let Some(editor) = &person.editor
        {
            editor.state().vocabulary.transfers = transfers;
        }
    }
}

/// Printer to standard output, whole rows at a time.
pub(crate) fn stdout_printer() -> Printer {
    Box::new(|text| os::print(&text))
}

/// Encoder of text for a person: laid out notices, the bell, and the prompt of an editor.
pub(crate) struct Person {
    layout: Layout,
    bell: Bell,
    /// Sequences of the bell and the clipboard, which go out with the next notice.
    pending_sequences: String,
    /// Editor, if lines are edited.
    editor: Option<Arc<EditorShared>>,
    /// The prompt as it was last set, and the version of the roster then.
    prompt: Option<(PromptView, u64)>,
    /// Versions of the transfers and of the roster when they were last listed.
    transfers: Option<(u64, u64)>,
    meter: Meter,
    /// Whether the prompt changed and no notice has painted it since.
    needs_repaint: bool,
}

impl Person {
    pub(crate) fn new(layout: Layout, editor: Option<Arc<EditorShared>>) -> Self {
        let (bell, pending_sequences) = (Bell::new(), String::new());
        Self {
            layout,
            bell,
            pending_sequences,
            editor,
            prompt: None,
            transfers: None,
            meter: Meter::default(),
            needs_repaint: false,
        }
    }

    /// A notice, which also paints the prompt.
    fn notice(&mut self, notice: &Notice) -> String {
        if self.editor.is_some() && notice.is_in_prompt() {
            return String::new();
        }
        self.needs_repaint = false;
        let mut text = std::mem::take(&mut self.pending_sequences);
        text.push_str(&self.layout.render(notice, now(), size()));
        text
    }

    /// Sets the prompt, the names to complete and the column of names, before anything that belongs
    /// to the same change is shown.
    fn update(&mut self, chat: &Chat) {
        self.set_progress(chat.transfer_progress(FaceId::OWN));
        let Some(editor) = &self.editor else { return };
        let (view, roster) = (chat.view(), chat.roster());
        let transfers = Some((chat.transfer_changes(), roster));
        if std::mem::replace(&mut self.transfers, transfers) != transfers {
            editor.state().vocabulary.transfers = chat.transfer_choices();
        }
        let last = self.prompt.replace((view.clone(), roster));
        if last == self.prompt {
            return;
        }
        self.needs_repaint |= last.as_ref().is_none_or(|(last, _)| !last.looks_like(&view));
        let mut state = editor.state();
        // Gathered only when somebody came, went or was renamed.
        if last.is_none_or(|(_, last)| last != roster) {
            self.layout.fit_to(chat);
            state.vocabulary.names = chat.known_names();
        }
        state.prompt = view;
        state.layout = self.layout.clone();
    }

    fn set_prompt(&mut self, view: PromptView) {
        let Some(editor) = &self.editor else { return };
        let mut state = editor.state();
        self.needs_repaint |= !state.prompt.looks_like(&view);
        state.prompt = view;
    }

    fn set_names(&mut self, names: KnownNames, present: &[String]) {
        let own = self.editor.as_ref().map(|editor| editor.state().prompt.own_name.clone());
        self.layout.fit_column(present.iter().chain(&own).map(String::as_str));
        if let Some(editor) = &self.editor {
            let mut state = editor.state();
            state.vocabulary.names = names;
            state.layout = self.layout.clone();
        }
    }

    /// Takes how far the transfer with the addressee is, and draws what is due.
    fn set_progress(&mut self, progress: Option<TransferProgress>) {
        if self.editor.is_some() {
            let change = self.meter.take(progress, Instant::now());
            self.take_row(change);
        }
    }

    fn draw_progress(&mut self) {
        let change = self.meter.draw(Instant::now());
        self.take_row(change);
    }

    fn take_row(&mut self, change: RowChange) {
        let Some(editor) = &self.editor else { return };
        let row = match change {
            RowChange::None => return,
            RowChange::Draw(row) => Some(row),
            RowChange::Remove => None,
        };
        editor.state().progress = row;
        self.needs_repaint = true;
    }

    /// An empty text if the prompt is to be repainted.
    fn take_repaint(&mut self) -> Option<String> {
        std::mem::take(&mut self.needs_repaint).then(String::new)
    }

    /// Copies a text with the notice that follows, where the terminal may have a clipboard: the
    /// console of Linux has none.
    fn copy(&mut self, text: &[u8]) -> Result<(), ExportError> {
        let is_console = || std::env::var("TERM").is_ok_and(|term| term == "linux");
        if self.editor.is_none() || is_console() {
            return Err(ExportError::NoTerminal);
        }
        self.pending_sequences.push_str(&clipboard_sequence(text));
        Ok(())
    }

    fn ring(&mut self, text: &SafeText) {
        if self.layout.mode == OutputMode::Screen {
            self.pending_sequences.extend(self.bell.ring(text, now()));
        }
    }
}

/// Way in which a terminal notifies the desktop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NotificationProtocol {
    /// OSC 9 (iTerm2, `WezTerm`, kitty, Windows Terminal, Ghostty).
    Osc9,
    /// OSC 777 (rxvt-unicode, VTE, foot).
    Osc777,
    /// The bell alone.
    BellOnly,
}

/// Bell of the terminal with a desktop notification, at most one a second.
#[derive(Debug)]
struct Bell {
    protocol: NotificationProtocol,
    charset: Charset,
    last: Option<UnixMs>,
}

/// Characters that the terminal takes: to one of eight bits a byte of a longer character can be a
/// control character, and end the notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Charset {
    Utf8,
    Ascii,
}

impl Bell {
    /// The bell of the terminal that the environment names.
    fn new() -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        let charset = charset(&["LC_ALL", "LC_CTYPE", "LANG"].map(var));
        Self { protocol: protocol(&var("TERM"), &var("VTE_VERSION")), charset, last: None }
    }

    /// The sequence that rings and notifies; `None` if the last one was just now.
    fn ring(&mut self, text: &SafeText, now: UnixMs) -> Option<String> {
        if self.last.is_some_and(|last| now.since(last) < ALERT_EVERY_MS) {
            return None;
        }
        self.last = Some(now);
        // A safe text has no control characters, so it cannot end the sequence; its semicolons
        // could be taken for another field.
        let text = text.as_str().replace(';', ",");
        let text = match self.charset {
            Charset::Utf8 => text,
            Charset::Ascii => ascii(&text),
        };
        Some(match self.protocol {
            NotificationProtocol::BellOnly => "\x07".to_owned(),
            NotificationProtocol::Osc9 => format!("\x07\x1b]9;rsachat: {text}\x1b\\"),
            NotificationProtocol::Osc777 => format!("\x07\x1b]777;notify;rsachat;{text}\x1b\\"),
        })
    }
}

/// Characters of the locale that these variables name, the first that is set.
fn charset(variables: &[String]) -> Charset {
    let locale = variables.iter().find(|value| !value.is_empty()).map_or("", String::as_str);
    let codeset = locale.split_once('.').map_or("", |(_, codeset)| codeset).to_ascii_lowercase();
    if codeset.starts_with("utf-8") || codeset.starts_with("utf8") { Charset::Utf8 } else { Charset::Ascii }
}

/// The text with everything that is not ASCII as an escape.
fn ascii(text: &str) -> String {
    let escaped = |c: char| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() };
    text.chars().map(escaped).collect()
}

fn protocol(term: &str, vte: &str) -> NotificationProtocol {
    // A multiplexer passes the bell on; the rest it would swallow, or print.
    if term.starts_with("screen") || term.starts_with("tmux") || term == "linux" {
        NotificationProtocol::BellOnly
    } else if !vte.is_empty() || term.starts_with("rxvt") || term.starts_with("foot") {
        NotificationProtocol::Osc777
    } else {
        NotificationProtocol::Osc9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_terminal_is_called_in_its_own_way_and_not_too_often() {
        let mut bell = Bell { protocol: protocol("xterm-kitty", ""), charset: Charset::Utf8, last: None };
        let text = SafeText::line("bob: hi; \u{1b}]0;x\u{7}");
        let first = bell.ring(&text, UnixMs(5)).unwrap();
        assert_eq!(first, "\x07\x1b]9;rsachat: bob: hi, \\u{1b}]0,x\\u{7}\x1b\\");
        assert_eq!(bell.ring(&text, UnixMs(6)), None);
        assert!(bell.ring(&text, UnixMs(5 + ALERT_EVERY_MS)).is_some());
        assert_eq!(protocol("tmux-256color", "7000"), NotificationProtocol::BellOnly);
        assert_eq!(protocol("xterm-256color", "7000"), NotificationProtocol::Osc777);
    }

    #[test]
    fn a_notification_is_ascii_where_the_locale_is_not_utf_8() {
        let of = |variables: [&str; 3]| charset(&variables.map(str::to_owned));
        for variables in [["", "", "ko_KR.UTF-8"], ["C.utf8", "", "C"], ["", "en_US.UTF-8@x", ""]] {
            assert_eq!(of(variables), Charset::Utf8, "{variables:?}");
        }
        for variables in [["", "", ""], ["C", "", "ko_KR.UTF-8"], ["", "ko_KR.EUC-KR", ""]] {
            assert_eq!(of(variables), Charset::Ascii, "{variables:?}");
        }
        let mut bell = Bell { protocol: NotificationProtocol::Osc9, charset: Charset::Ascii, last: None };
        // U+AC1C ends in UTF-8 with a byte that is ST to a terminal of eight bits.
        let rung = bell.ring(&SafeText::line("보개"), UnixMs(5)).unwrap();
        assert_eq!(rung, "\x07\x1b]9;rsachat: \\u{bcf4}\\u{ac1c}\x1b\\");
    }
}
