//! Server of the socket of a home, in the event loop of its owner: processes come, each is a face,
//! and their orders are carried out as those of a program at the prompt.

use std::collections::{BTreeMap, VecDeque};

use super::face_order::{self, FaceOrder, FaceRole, Taking};
use super::json_request::{self, Request};
use super::served_sink::{ServedSink, Taken, past};
use super::unedited_input::{InputTaker, LineMeaning, UneditedInput};
use super::{Done, Id, OutputEvent};
use crate::app::error::code;
use crate::app::event_loop::App;
use crate::app::host::NoticeSink;
use crate::app::local_faces::LocalEvent;
use crate::app::os::unix_ms;
use crate::chat::display::{OWNER_SENDS, left_at_relay, left_waiting};
use crate::chat::{Chat, ExitRequest, Input, Leaves};
use crate::ids::{ConnId, FaceId};
use crate::limits::{LINES_AHEAD, LOCAL_BACKLOG_BYTES, LOCAL_CLIENTS};
use crate::net::ReadInterest;
use crate::net::lines::{LineEvent, LineSplitter};
use crate::text::safe::SafeText;

/// Version of what is spoken at the socket.
const VERSION: u32 = 1;
/// Messages that a prompt is shown as it comes.
const PAST_MESSAGES: usize = 100;

/// The processes at the socket.
#[derive(Default)]
pub(crate) struct FaceServer {
    /// Number of the last face.
    last: u64,
    faces: BTreeMap<ConnId, ServedFace>,
    /// Subcommand that serves until its own work is done; none for one that goes on.
    command: Option<&'static str>,
}

/// One process.
struct ServedFace {
    face: FaceId,
    splitter: LineSplitter,
    input: UneditedInput,
    /// Lines that were read and wait for those before them.
    lines: VecDeque<LineEvent>,
    /// A wait for a connection.
    waits: Option<WaitOrder>,
    leaves: Leaves,
    stage: Stage,
}

/// Order to answer once nothing connects.
struct WaitOrder {
    id: Option<Id>,
}

/// How far a process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Open,
    /// Its input has ended: what it has asked for is still answered, and what it has shown is
    /// reported.
    InputEnded,
    /// It writes no more: nor does it report anything.
    HalfClosed,
    Gone,
}

impl FaceServer {
    /// Server of a subcommand that ends by itself.
    pub(crate) fn of_command(command: &'static str) -> Self {
        Self { command: Some(command), ..Self::default() }
    }

    /// Whether a process sends something, or waits for an answer.
    pub(crate) fn is_busy<S: NoticeSink>(&mut self, app: &mut App<ServedSink<S>>) -> bool {
        self.faces.values_mut().any(|served| {
            app.sink().is_command(served.face) || served.stage != Stage::Open || !served.is_answered(app)
        })
    }

    /// Takes what has come at the socket, carries out what can be, and writes what follows.
    pub(crate) fn poll<S: NoticeSink>(&mut self, app: &mut App<ServedSink<S>>) {
        while let Some(event) = app.next_local_event() {
            match event {
                LocalEvent::Accepted(conn) => self.open(app, conn),
                LocalEvent::Bytes(conn, bytes) => self.take(app, conn, &bytes),
                LocalEvent::Ended(conn) => self.end_input(app, conn),
                LocalEvent::Lost(conn) => self.set_stage(conn, Stage::Gone),
            }
        }
        for served in self.faces.values_mut() {
            served.carry_out(app);
        }
        tell_audience(app);
        let wanted = app.sink().take_wanted();
        if !wanted.is_empty() {
            app.handle(Input::Giving(wanted));
        }
        // What others are told as one ends is written as well.
        while self.flush(app) {}
    }

    /// Writes what the processes are told. Returns whether any of them is closed now.
    fn flush<S: NoticeSink>(&mut self, app: &mut App<ServedSink<S>>) -> bool {
        let conns: Vec<_> = self.faces.keys().copied().collect();
        for conn in &conns {
            if let Some(served) = self.faces.get_mut(conn) {
                served.flush(app, *conn);
                if served.is_over(app) {
                    let face = served.face;
                    self.faces.remove(conn);
                    close(app, *conn, face);
                }
            }
        }
        tell_audience(app);
        self.faces.len() < conns.len()
    }

    /// Tells every process that the owner ends, and which of its texts were not sent.
    pub(crate) fn finish<S: NoticeSink>(&mut self, app: &mut App<ServedSink<S>>) {
        for (conn, mut served) in std::mem::take(&mut self.faces) {
            for (id, text) in served.take_undone() {
                if let Some(text) = text {
                    let message = format!("not sent: {}", SafeText::line(&text));
                    let warning = OutputEvent::Warning { kind: "not_sent", message };
                    app.sink().tell(served.face, &warning, id.as_ref());
                }
                if id.is_some() {
                    app.sink().tell(served.face, &OutputEvent::Reply { ok: false }, id.as_ref());
                }
            }
            let message = "the rsachat serving this home has ended".to_owned();
            let error = OutputEvent::Error { kind: "owner", message, hint: None };
            app.sink().tell(served.face, &error, None);
            close(app, conn, served.face);
        }
    }

    /// Greets a process. An owner that is about to end serves it no more: the next one does.
    fn open<S: NoticeSink>(&mut self, app: &mut App<ServedSink<S>>, conn: ConnId) {
        if app.chat().is_shutting_down() {
            return app.close_local(conn);
        }
        if self.faces.len() >= LOCAL_CLIENTS {
            let message = format!(
                "{LOCAL_CLIENTS} programs are connected to the rsachat serving this home (process {})",
                std::process::id()
            );
            let hint = Some("end one of them".to_owned());
            let error = OutputEvent::Error { kind: "full", message, hint };
            app.send_local(conn, error.to_json(unix_ms(), None).into_bytes());
            return app.close_local(conn);
        }
        self.last += 1;
        let face = FaceId(self.last);
        app.sink().add_face(face);
        let hello = OutputEvent::Hello {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION"),
            process: std::process::id(),
            name: app.chat().view().own_name,
            fingerprint: app.chat().fingerprint().map(|own| own.to_string()),
            command: self.command,
        };
        app.sink().tell(face, &hello, None);
        app.add_face(face);
        let served = ServedFace {
            face,
            splitter: LineSplitter::default(),
            input: UneditedInput::new(LineMeaning::Request),
            lines: VecDeque::new(),
            waits: None,
            leaves: Leaves::default(),
            stage: Stage::Open,
        };
        self.faces.insert(conn, served);
    }

    fn take<S: NoticeSink>(&mut self, app: &mut App<ServedSink<S>>, conn: ConnId, bytes: &[u8]) {
        let Some(served) = self.faces.get_mut(&conn) else { return };
        for event in served.splitter.take(bytes) {
            let at_once = if let LineEvent::Line(line) = &event { face_order::read(line) } else { None };
            match at_once {
                // These do not wait for what was ordered before.
                Some((id, Ok(FaceOrder::Ping))) => {
                    app.sink().tell(served.face, &OutputEvent::Reply { ok: true }, id.as_ref());
                }
                Some((_, Ok(FaceOrder::Shown(upto)))) => {
                    for due in app.sink().shown_by(served.face, upto) {
                        app.shown(due);
                    }
                }
                Some((_, Ok(FaceOrder::Failed(number)))) => app.sink().failed_by(served.face, number),
                Some((_, Ok(FaceOrder::Retry(number)))) => app.sink().retried_by(served.face, number),
                _ => served.lines.push_back(event),
            }
        }
        app.send_receipts();
    }

    /// Takes note that a process writes no more: one that leaves nothing is gone.
    fn end_input<S: NoticeSink>(&mut self, app: &mut App<ServedSink<S>>, conn: ConnId) {
        if let Some(served) = self.faces.get_mut(&conn) {
            let is_gone = served.leaves == Leaves::Nothing;
            served.stage = if is_gone { Stage::Gone } else { Stage::HalfClosed };
            app.handle_from(served.face, Input::ExitRequest(ExitRequest::EndOfInput));
        }
    }

    fn set_stage(&mut self, conn: ConnId, stage: Stage) {
        if let Some(served) = self.faces.get_mut(&conn) {
            served.stage = stage;
        }
    }
}

/// Tells whether somebody sees what comes from here on.
fn tell_audience<S: NoticeSink>(app: &mut App<ServedSink<S>>) {
    let audience = app.sink().audience();
    if app.chat().audience() != audience {
        app.handle(Input::Audience(audience));
    }
}

fn close<S: NoticeSink>(app: &mut App<ServedSink<S>>, conn: ConnId, face: FaceId) {
    let last = app.sink().take_pending(face);
    app.send_local(conn, last.into_bytes());
    app.sink().remove_face(face);
    app.remove_face(face);
    app.close_local(conn);
}

impl ServedFace {
    /// Carries out the orders that need not wait.
    fn carry_out<S: NoticeSink>(&mut self, app: &mut App<ServedSink<S>>) {
        let face = self.face;
        loop {
            let taker = &mut FaceTaker { app: &mut *app, face };
            let next = if let Some(LineEvent::Line(line)) = self.lines.front() { Some(line) } else { None };
            let is_ready =
                self.input.is_ready(taker) || next.is_some_and(|line| self.input.may_follow(taker, line));
            if self.stage == Stage::Gone || !is_ready || taker.app.sink().is_ending(face) {
                break;
            }
            if let Some(WaitOrder { id: id @ Some(_) }) = self.waits.take() {
                let ok = app.chat().has_recipient_of(face);
                app.sink().tell(face, &OutputEvent::Reply { ok }, id.as_ref());
            }
            let Some(event) = self.lines.pop_front() else { break };
            let order = if let LineEvent::Line(line) = &event { face_order::read(line) } else { None };
            if app.sink().is_unknown(face) && !matches!(order, Some((_, Ok(FaceOrder::Role { .. })))) {
                // Only a receiver can be refused.
                let _ = app.sink().set_role(face, FaceRole::Program, Taking::default());
                app.refresh_faces();
            }
            match event {
                LineEvent::Line(line) => match order {
                    Some((id, Ok(order))) => self.obey(app, id, order),
                    Some((id, Err(what))) => {
                        FaceTaker { app: &mut *app, face }.answer(id, Input::LineRefused { what });
                    }
                    None => self.input.take_line(&mut FaceTaker { app: &mut *app, face }, &line),
                },
                LineEvent::TooLong { bytes } => {
                    self.input.take_too_long(&mut FaceTaker { app: &mut *app, face }, bytes);
                }
                LineEvent::End | LineEvent::Broken(_) => {}
            }
        }
    }

    fn obey<S: NoticeSink>(&mut self, app: &mut App<ServedSink<S>>, id: Option<Id>, order: FaceOrder) {
        let face = self.face;
        let mut answer = |input: Input<'_>| FaceTaker { app: &mut *app, face }.answer(id.clone(), input);
        match order {
            FaceOrder::Role { role, taking, leaves, past: most, folder } => {
                app.set_leaves(face, leaves);
                if let Some(folder) = folder {
                    app.set_folder(face, folder);
                }
                self.leaves = leaves;
                let taken = app.sink().set_role(face, role, taking);
                // An editor knows the names in the messages before it shows them.
                app.refresh_faces();
                if role == FaceRole::Prompt {
                    let (mut messages, earlier) = app.past(most.unwrap_or(PAST_MESSAGES).min(PAST_MESSAGES));
                    // Those that nobody has shown come as messages.
                    messages.retain(|message| !app.sink().owes(message.number));
                    if !messages.is_empty() {
                        app.sink().tell(face, &past(&messages, earlier), None);
                    }
                }
                if taken == Err(Taken) {
                    let message = "another process already takes the messages of this home".to_owned();
                    let warning = OutputEvent::Warning { kind: "taken", message };
                    app.sink().tell(face, &warning, id.as_ref());
                } else {
                    app.sink().show_owed(face);
                }
                if id.is_some() {
                    app.sink().tell(face, &OutputEvent::Reply { ok: taken.is_ok() }, id.as_ref());
                }
            }
            FaceOrder::Line { text, begun: Some((start, echo)) } => {
                answer(Input::Typed { line: &text, start: &start, echo });
            }
            FaceOrder::Line { text, begun: None } => answer(Input::Line(&text)),
            FaceOrder::Interrupt => answer(Input::Cancel),
            FaceOrder::DropQuestion => answer(Input::DropQuestion),
            FaceOrder::Remember(entry) => answer(Input::Remember(entry)),
            FaceOrder::EndOfInput => {
                self.stage = Stage::InputEnded;
                app.handle_from(face, Input::ExitRequest(ExitRequest::EndOfInput));
            }
            FaceOrder::WaitForConnection => self.waits = Some(WaitOrder { id }),
            // Answered as they came.
            FaceOrder::Shown(_) | FaceOrder::Failed(_) | FaceOrder::Retry(_) | FaceOrder::Ping => {}
        }
    }

    /// Orders that were read and not carried out, each with its id and what it says.
    fn take_undone(&mut self) -> Vec<(Option<Id>, Option<String>)> {
        let held = self.input.take_held().map(|(id, request)| (id, request.into_text()));
        let waiting = self.lines.drain(..).filter_map(|event| match event {
            LineEvent::Line(line) => Some(match face_order::read(&line) {
                Some((id, Ok(FaceOrder::Line { text, .. }))) => (id, Some(text)),
                Some((id, _)) => (id, None),
                None => {
                    let (id, request) = json_request::read(&line);
                    (id, request.ok().and_then(Request::into_text))
                }
            }),
            _ => None,
        });
        held.into_iter().chain(waiting).collect()
    }

    /// Writes what the process is told. One that does not read is closed; one that writes faster
    /// than it is served is not read.
    fn flush<S: NoticeSink>(&mut self, app: &mut App<ServedSink<S>>, conn: ConnId) {
        let pending = app.sink().take_pending(self.face);
        if pending.len() + app.queued_local(conn) > LOCAL_BACKLOG_BYTES {
            let most = LOCAL_BACKLOG_BYTES / (1024 * 1024);
            let message = format!("{most} MiB of events wait unread; this process is disconnected");
            let error = OutputEvent::Error { kind: "slow", message, hint: None };
            app.sink().tell(self.face, &error, None);
            self.stage = Stage::Gone;
            return;
        }
        app.send_local(conn, pending.into_bytes());
        let reading = if self.lines.len() < LINES_AHEAD { ReadInterest::On } else { ReadInterest::Off };
        app.set_reading_local(conn, reading);
    }

    /// Whether everything that the process has asked for is answered.
    fn is_answered<S: NoticeSink>(&mut self, app: &mut App<ServedSink<S>>) -> bool {
        self.lines.is_empty()
            && self.waits.is_none()
            && !app.sink().awaits_answer(self.face, None)
            && self.input.is_ready(&mut FaceTaker { app: &mut *app, face: self.face })
    }

    /// Whether nothing more is said to the process.
    fn is_over<S: NoticeSink>(&mut self, app: &mut App<ServedSink<S>>) -> bool {
        let is_answered = self.is_answered(app);
        let is_over = match self.stage {
            // What was said is received, or waits for a peer that is away or shows it to nobody.
            Stage::InputEnded | Stage::HalfClosed
                if !is_answered || app.chat().awaits_receipts_of(self.face) =>
            {
                false
            }
            Stage::Open if app.chat().awaits_receipts_of(self.face) => false,
            Stage::InputEnded => !app.sink().awaits_report(self.face),
            Stage::HalfClosed | Stage::Gone => true,
            Stage::Open => {
                let sink = app.sink();
                let is_reporting = sink.is_prompt(self.face) && sink.awaits_report(self.face);
                sink.is_ending(self.face) && !is_reporting
            }
        };
        if is_over && self.stage != Stage::Gone {
            let code = match self.stage {
                _ if app.chat().refused_lines_of(self.face) > 0 => code::FAILED,
                Stage::InputEnded | Stage::HalfClosed if app.chat().lost_lines_of(self.face) > 0 => {
                    code::LOST
                }
                _ if app.chat().has_queued() => code::QUEUED,
                _ => 0,
            };
            if code == code::QUEUED && !app.sink().is_command(self.face) {
                let message = left_waiting(&app.chat().receivers(), app.chat().delivered(), OWNER_SENDS);
                app.sink().tell(self.face, &OutputEvent::Warning { kind: "queued", message }, None);
            }
            let waiting = app.chat().receivers_by_relay();
            if !waiting.is_empty() && !app.sink().is_command(self.face) {
                let message = left_at_relay(&waiting);
                app.sink().tell(self.face, &OutputEvent::Notice { message }, None);
            }
            app.sink().tell(self.face, &OutputEvent::Done(Done { code, ..Done::default() }), None);
        }
        is_over
    }
}

/// Input of one face.
struct FaceTaker<'a, S> {
    app: &'a mut App<ServedSink<S>>,
    face: FaceId,
}

impl<S: NoticeSink> InputTaker for FaceTaker<'_, S> {
    fn chat(&self) -> &Chat {
        self.app.chat()
    }

    fn face(&self) -> FaceId {
        self.face
    }

    fn awaits_answer(&mut self, id: &Id) -> bool {
        let face = self.face;
        self.app.sink().awaits_answer(face, Some(id))
    }

    fn handle(&mut self, input: Input<'_>) {
        self.app.handle_from(self.face, input);
    }

    fn answer(&mut self, id: Option<Id>, input: Input<'_>) {
        self.app.sink().begin(self.face, id);
        self.app.handle_from(self.face, input);
        self.app.reply(self.face);
    }
}
