//! Event loop of one client: what happens on this machine becomes inputs of the chat, under every
//! [`Frontend`].

mod net_events;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::book_thread::{BookAccess, BookThread};
use super::broker;
use super::client::{Client, UserStore};
use super::error::describe;
use super::file_thread::{Confined, FileWork};
use super::history_writer::HistoryWriter;
use super::host::{Behind, Host as _, NoticeSink, OsHost};
use super::local_faces::{LocalEvent, LocalFaces, ServedSocket, ServingStage};
use super::os::eprint_line;
use super::output;
use super::owner::HomeSocket;
use super::recorder::{LineOutcome, Recorder};
use super::relay::RelayAccess;
use super::relay_thread::{RelaySetup, RelayThread};
use super::sandbox::{Confinement, Reach};
use crate::chat::{
    Chat, DeliveryWarning, DialOutcome, EstablishedPipe, ExitRequest, FirstCaller, Info, Input, Leaves,
    Message, Notice, ReceiptDue, Warning,
};
use crate::crypto::Fingerprint;
use crate::ids::{ConnId, FaceId};
use crate::limits::{OUTPUT_GRACE_MS, PING_AFTER_MS, SHUTDOWN_GRACE_MS};
use crate::net::process::{Signal, Signals};
use crate::net::worker::ThreadPriority;
use crate::net::{Net, NetEvent, ReadInterest};
use crate::peers::relay_url::RelayUrl;
use crate::store::{OpenedStore, StoreError};
use crate::wire::Count;

/// Time between two looks at the file of the book, which another process may have changed.
const BOOK_CHECK: Duration = Duration::from_secs(1);

/// Command that runs on the event loop: its own input and output, and what an end means to it.
pub(crate) trait Frontend<S: NoticeSink> {
    /// Handles a signal.
    fn on_signal(&mut self, app: &mut App<S>, signal: Signal) {
        app.handle(Input::ExitRequest(ExitRequest::Signal(signal.number())));
    }

    /// Takes note of what was written since the last call. A code ends the loop.
    fn poll_output(&mut self, app: &mut App<S>) -> Option<u8>;

    /// Handles the end of a connection that was dialled here. A code ends the loop.
    fn on_outcome(&mut self, app: &mut App<S>, outcome: DialOutcome) -> Option<u8>;

    /// Reads the input of the command, as much as the chat takes.
    fn poll_input(&mut self, app: &mut App<S>) -> Flow;

    /// Waits, not for long, until what was shown at the end is written: it is acknowledged.
    fn finish_output(&mut self, _app: &mut App<S>) {}
}

/// Next step of the loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    /// End with this code.
    Exit(u8),
    /// Poll again at once.
    Again,
    /// Wait for events, but not longer than to this moment.
    Wait(Option<Instant>),
}

/// Client with its host.
pub(crate) struct App<S> {
    client: Client,
    host: OsHost<S>,
    recorder: Option<Recorder>,
    /// Receipts that are due, at most one for each connection: it acknowledges all messages up to
    /// its number.
    receipts: BTreeMap<(Option<ConnId>, Option<Fingerprint>), Count>,
    /// Moment at which the file of the book was last looked at.
    book_checked: Instant,
    /// Connections that were left unread in the last turn, since the sink was behind.
    behind: Behind,
    local: LocalFaces,
}

impl<S: NoticeSink> App<S> {
    pub(crate) fn new(
        chat: Chat,
        sink: S,
        net: Net,
        profile: UserStore,
        priority: ThreadPriority,
    ) -> io::Result<Self> {
        let book = BookAccess::Thread(BookThread::start(profile.book_files(), net.waker())?);
        let (client, host) = (Client::new(chat, profile, book), OsHost::new(net, sink, priority)?);
        let (receipts, book_checked) = (BTreeMap::new(), Instant::now());
        Ok(Self {
            client,
            host,
            recorder: None,
            receipts,
            book_checked,
            behind: Behind::NONE,
            local: LocalFaces::default(),
        })
    }

    /// Runs a command to its end, and what it has asked of the book. Returns the exit code.
    pub(crate) fn run(&mut self, frontend: &mut impl Frontend<S>, signals: &Signals) -> io::Result<u8> {
        output::end_with(Duration::from_millis(OUTPUT_GRACE_MS));
        let code = self.run_loop(frontend, signals);
        frontend.finish_output(self);
        for result in self.client.finish_book_jobs() {
            self.handle(result);
        }
        if let Some(why) = self.host.history.take().and_then(HistoryWriter::finish) {
            let warning = Warning::Delivery(DeliveryWarning::NotInHistory { why });
            self.host.sink.show(&Notice::Warning(warning), None);
        }
        self.local.end();
        self.host.files.finish();
        self.host.finish_commits();
        code
    }

    fn run_loop(&mut self, frontend: &mut impl Frontend<S>, signals: &Signals) -> io::Result<u8> {
        loop {
            while self.exit_code().is_none()
                && let Some(signal) = signals.next()
            {
                frontend.on_signal(self, signal);
            }
            if signals.take_continued() {
                self.handle(Input::Continued);
            }
            if let Some(code) = frontend.poll_output(self).or_else(|| self.exit_code()) {
                return Ok(code);
            }
            // Before the input: nothing is to be sent on a connection that has ended.
            if let Some(outcome) = self.client.outcomes.pop_front() {
                // A connection that ends because of an exit does not change its code.
                if self.chat().is_shutting_down() {
                    continue;
                }
                match frontend.on_outcome(self, outcome) {
                    Some(code) => return Ok(code),
                    None => continue,
                }
            }
            match frontend.poll_input(self) {
                Flow::Exit(code) => return Ok(code),
                Flow::Again => {}
                Flow::Wait(until) => self.turn(until)?,
            }
        }
    }

    /// Keeps messages in the home until the other side has them, from the next input on: in a store
    /// that is open already, or as soon as there is a key for one.
    pub(crate) fn keep_messages(&mut self, opened: Option<Result<OpenedStore, StoreError>>) {
        self.host.opened = opened;
        self.client.keep_messages();
    }

    /// Sets the folder for files that are accepted without a place; else it is that for downloads.
    pub(crate) fn receive_files_in(&mut self, inbox: Option<PathBuf>) {
        self.host.files = FileWork::new(inbox);
    }

    /// Connects with relays, and again when that is lost.
    pub(crate) fn use_relays(&mut self, relays: Vec<RelayUrl>, access: RelayAccess) -> io::Result<()> {
        if relays.is_empty() {
            return Ok(());
        }
        self.client.chat.set_relays(relays.clone(), access.via.clone());
        let own = self.chat().fingerprint();
        let setup = RelaySetup { relays, access, own };
        self.host.relay = Some(RelayThread::start(setup, self.host.net.waker())?);
        Ok(())
    }

    /// Has what is said appended to the history of the home, without a store of its own.
    pub(crate) fn keep_history(&mut self) {
        let home = self.client.home().clone();
        self.host.history = self.client.identity().map(|identity| HistoryWriter::new(home, identity));
    }

    /// Takes note that so many messages are sent once more.
    pub(crate) fn resend(&mut self, count: usize) {
        if let Some(history) = &mut self.host.history {
            history.resend(count);
        }
    }

    /// Notes what the process has given up, for who asks, and for what can no longer be opened.
    pub(crate) fn note_confinement(&mut self, confinement: &Confinement, of: &'static str, reach: Reach) {
        self.client.chat.set_confinement(confinement.to_string());
        if broker::of_process().is_none() && !matches!(confinement, Confinement::Missing(_)) {
            let home = self.client.home().path().to_owned();
            self.host.confined = Some(Confined { command: of, home, reach });
        }
    }

    /// Opens what is asked for, before any other input.
    pub(crate) fn begin(&mut self) {
        self.handle(Input::Tick);
    }

    /// Shows what can be typed at an empty prompt.
    pub(crate) fn greet(&mut self) {
        // For the column of names.
        self.host.sink.chat_changed(&self.client.chat);
        self.host.sink.show(&Notice::Info(Info::Greeting), None);
    }

    /// Records from now on, and shows that.
    pub(crate) fn record(&mut self, recorder: Recorder) {
        let file = recorder.path.display().to_string();
        self.host.sink.show(&Notice::Info(Info::Recording { file }), None);
        self.host.recorded = Some(Vec::new());
        self.recorder = Some(recorder);
    }

    pub(crate) fn chat(&self) -> &Chat {
        &self.client.chat
    }

    pub(crate) fn sink(&mut self) -> &mut S {
        &mut self.host.sink
    }

    /// Takes a pipe that is established; see [`Chat::take_pipe`].
    pub(crate) fn take_pipe(&mut self) -> Option<EstablishedPipe> {
        self.client.chat.take_pipe()
    }

    /// Closes every socket at once, with what it has not sent.
    pub(crate) fn close_connections(&mut self) {
        self.host.net.close_all();
    }

    /// Drops the chat and keeps the sockets.
    pub(crate) fn into_net(mut self) -> Net {
        let _ = self.host.flush();
        self.host.net
    }

    /// Exit code, once the chat has ended.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        self.client.exit_code
    }

    /// Hands an input of a face other than the own one to the chat, and performs what follows from
    /// it.
    pub(crate) fn handle_from(&mut self, face: FaceId, input: Input<'_>) {
        self.client.handle_from(&mut self.host, face, input);
        self.host.sink.effects_done();
        self.write_recording();
    }

    /// Hands an input to the chat and performs what follows from it.
    pub(crate) fn handle(&mut self, input: Input<'_>) {
        let typed = match &input {
            Input::Line(line) | Input::Typed { line, .. } if self.recorder.is_some() => {
                let chat = &self.client.chat;
                Some(((*line).to_owned(), chat.view().addressed, chat.refused_lines()))
            }
            _ => None,
        };
        match (&mut self.recorder, &input) {
            (Some(recorder), Input::Command(command)) => recorder.started(command),
            (Some(recorder), Input::ExitRequest(request)) => {
                recorder.exit_requested(*request, &self.client.chat);
            }
            _ => {}
        }
        self.client.handle(&mut self.host, input);
        self.host.sink.effects_done();
        self.bind_socket();
        // A line that is held may yet be changed.
        if let (Some(recorder), Some((line, addressed, refused))) = (&mut self.recorder, typed)
            && !self.client.chat.is_asking()
        {
            let is_accepted = self.client.chat.refused_lines() == refused;
            let outcome = if is_accepted { LineOutcome::Accepted } else { LineOutcome::Refused };
            recorder.typed(&line, addressed, outcome);
        }
        self.write_recording();
    }

    /// Notes that a message was shown or delivered, for [`App::send_receipts`].
    pub(crate) fn shown(&mut self, due: ReceiptDue) {
        let upto = self.receipts.entry((due.conn, due.peer)).or_insert(due.upto);
        *upto = upto.latest(due.upto);
    }

    /// Sends one receipt for all messages of a connection that were shown.
    pub(crate) fn send_receipts(&mut self) {
        for ((conn, peer), upto) in std::mem::take(&mut self.receipts) {
            self.handle(Input::Shown(ReceiptDue { conn, peer, upto }));
        }
    }

    /// Hands the outbox to the sockets. Returns the bytes that they have not taken; see
    /// [`Net::unsent_bytes`].
    pub(crate) fn unsent_bytes(&mut self) -> usize {
        self.flush();
        self.host.net.unsent_bytes()
    }

    /// Lets the last bytes leave, for a moment: a peer that does not take them is not waited for.
    pub(crate) fn linger(&mut self) -> io::Result<()> {
        // The chat has ended: it is not told who blocks.
        let _ = self.host.flush();
        self.host.net.wait_closed(Instant::now() + Duration::from_millis(SHUTDOWN_GRACE_MS))
    }

    fn write_recording(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        for notice in self.host.recorded.replace(Vec::new()).unwrap_or_default() {
            recorder.shown(&notice, &self.client.chat);
        }
        if let Some(code) = self.client.exit_code {
            recorder.finished(code, &self.client.chat);
        }
        let failure = recorder.flush();
        if let Some(failure) = &failure {
            eprint_line(&format!("rsachat: error: {failure}"));
        }
        if self.client.exit_code.is_some() || failure.is_some() {
            (self.recorder, self.host.recorded) = (None, None);
        }
    }

    /// Waits for events until the next deadline, and hands them on.
    fn turn(&mut self, until: Option<Instant>) -> io::Result<()> {
        let deadline = self.chat().poll_timeout();
        let deadline = deadline.map(|due| self.host.instant(due.0));
        let history_at = self.host.history.as_ref().and_then(HistoryWriter::due);
        let socket_at = self.local.socket().map(|socket| socket.look_at);
        let deadlines = deadline.into_iter().chain(until).chain(self.book_check_at()).chain(history_at);
        let deadline = deadlines.chain(socket_at).min();
        self.flush();
        let mut events = Vec::new();
        self.host.net.wait(deadline, &mut events)?;
        for event in events {
            // One that has changed the book calls, so that it is looked at without delay.
            if matches!(event, NetEvent::AcceptedLocal { .. }) {
                self.look_at_book();
            }
            let Some(event) = self.local.take(event) else { continue };
            self.net_event(event);
        }
        self.look_at_socket();
        while let Some(input) = self.host.finished_job() {
            self.handle(input);
        }
        while let Some(input) = self.host.files.finished() {
            self.handle(Input::File(input));
        }
        while let Some(news) = self.host.relay.as_ref().and_then(RelayThread::news) {
            self.handle(Input::Relay(news));
        }
        for input in self.host.finished_lookups() {
            self.handle(input);
        }
        if let Some((request, generated)) = self.host.finished_key() {
            let input = self.client.store_key(&mut self.host, &request, generated);
            self.handle(input);
        }
        if let Some(input) = self.host.reopened(self.client.home()) {
            self.handle(input);
        }
        if let Some(history) = &mut self.host.history {
            history.advance();
        }
        self.take_book_results();
        self.check_book();
        let behind = self.host.sink.behind();
        let now = self.host.now();
        // The silence of a peer that is left unread is not its own; but one that does not read
        // either is given up when nothing could be written for a minute.
        for conn in self.conns_of(&behind) {
            if !self.host.net.is_stalled(conn, Duration::from_millis(PING_AFTER_MS)) {
                self.client.chat.reading_paused(conn, now);
            }
        }
        self.handle(Input::Tick);
        // Back pressure by not reading: what the chat cannot use now, or the sink cannot take,
        // stays in the kernel. A connection in its handshake has nothing to show yet, and cannot
        // wait for long.
        // Only those are looked at that may have changed: others cost nothing.
        let before = std::mem::replace(&mut self.behind, behind);
        let mut conns = self.client.chat.take_changed();
        conns.extend(self.conns_of(&before));
        conns.extend(self.conns_of(&self.behind));
        for conn in conns {
            let waits = self.behind.includes(conn) && self.chat().has_peer(conn);
            let wanted =
                if self.chat().wants_read(conn) && !waits { ReadInterest::On } else { ReadInterest::Off };
            self.host.set_reading(conn, wanted);
        }
        Ok(())
    }

    fn conns_of(&self, behind: &Behind) -> Vec<ConnId> {
        match behind {
            Behind::All => self.chat().connections(),
            Behind::These(conns) => conns.iter().copied().collect(),
        }
    }

    /// Moment at which the file of the book is looked at, while anybody is connected.
    fn book_check_at(&self) -> Option<Instant> {
        (self.chat().connection_count() > 0).then(|| self.book_checked + BOOK_CHECK)
    }

    fn check_book(&mut self) {
        if self.book_check_at().is_some_and(|at| at <= Instant::now()) {
            self.look_at_book();
        }
    }

    /// Looks whether another process has written into the book: that holds here as well.
    fn look_at_book(&mut self) {
        self.book_checked = Instant::now();
        if let Some(input) = self.client.look_at_book() {
            self.handle(input);
        }
    }

    /// Hands on what the thread of the book has read and written. The reply to a request waits for
    /// what the request changes.
    fn take_book_results(&mut self) {
        while let Some(result) = self.host.finished_store_job() {
            let faces = match result {
                Input::History(_) => self.client.chat.searching_next().into_iter().collect(),
                _ => self.client.chat.accepting_next(),
            };
            for face in &faces {
                self.host.sink.resume_reply(*face);
            }
            self.handle(result);
            for face in faces {
                self.reply_resumed(face);
            }
        }
        while let Some(result) = self.client.finished_book_job() {
            if !matches!(result, Input::Changed(_)) {
                self.handle(result);
                continue;
            }
            let face = self.client.chat.saving_next().unwrap_or(FaceId::OWN);
            self.host.sink.resume_reply(face);
            self.handle(result);
            self.reply_resumed(face);
        }
    }

    /// Replies to a request of a program at a face, once everything that it changes is on disk or
    /// has failed, and those before it have their replies.
    pub(crate) fn reply(&mut self, face: FaceId) {
        let (all, before) = (self.chat().accepting(face), self.host.sink.awaited_by_replies(face));
        if self.client.chat.is_saving(face) || all > 0 {
            self.host.sink.defer_reply(face, all.saturating_sub(before));
        } else {
            self.host.sink.reply(face);
        }
    }

    /// Replies to the request that was gone on with, unless it waits for more, and to those behind
    /// it that wait for nothing.
    fn reply_resumed(&mut self, face: FaceId) {
        loop {
            let (all, behind) = (self.chat().accepting(face), self.host.sink.awaited_by_replies(face));
            let left = all.saturating_sub(behind);
            if self.client.chat.is_saving(face) || left > 0 {
                return self.host.sink.defer_reply(face, left);
            }
            self.host.sink.reply(face);
            if !self.host.sink.resume_reply(face) {
                return;
            }
        }
    }

    fn flush(&mut self) {
        for blocked in self.host.flush() {
            self.handle(blocked);
        }
    }
}

/// Processes at the socket of the home.
impl<S: NoticeSink> App<S> {
    /// Serves the home to other processes of the user, once its store is open here.
    pub(crate) fn serve_home(&mut self) {
        self.local.stage = ServingStage::Wanted;
    }

    fn bind_socket(&mut self) {
        if !matches!(self.local.stage, ServingStage::Wanted) || !self.host.has_store() {
            return;
        }
        let bound = HomeSocket::bind(self.client.home());
        self.local.stage = match bound.and_then(|bound| ServedSocket::new(bound, &mut self.host.net)) {
            Ok(socket) => ServingStage::Bound(socket),
            Err(error) => {
                self.local.stage = ServingStage::Failed;
                return self.handle(Input::NotServed { why: describe(&error) });
            }
        };
    }

    /// Looks whether the socket is in its place, where it is time for that. One that cannot be made
    /// again is tried again.
    fn look_at_socket(&mut self) {
        if let Some(socket) = self.local.socket().filter(|socket| socket.look_at <= Instant::now()) {
            let _ = socket.repair(self.client.home(), &mut self.host.net);
        }
    }

    /// The next event of the socket, if there is one.
    pub(crate) fn next_local_event(&mut self) -> Option<LocalEvent> {
        self.local.next()
    }

    /// Writes to a process at the socket.
    pub(crate) fn send_local(&mut self, conn: ConnId, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.host.net.send(conn, bytes);
        }
    }

    /// Bytes that a process at the socket has not taken.
    pub(crate) fn queued_local(&self, conn: ConnId) -> usize {
        self.host.net.queued(conn)
    }

    /// Reads a process at the socket or leaves it unread.
    pub(crate) fn set_reading_local(&mut self, conn: ConnId, reading: ReadInterest) {
        self.host.set_reading(conn, reading);
    }

    /// Closes the connection with a process at the socket, behind what was written.
    pub(crate) fn close_local(&mut self, conn: ConnId) {
        self.local.conns.remove(&conn);
        self.host.forget_reading(conn);
        self.host.net.close(conn);
    }

    /// Adds a face, which addresses nobody before it chooses.
    pub(crate) fn add_face(&mut self, face: FaceId) {
        self.client.chat.add_face(face, FirstCaller::Nobody);
        self.refresh_faces();
    }

    pub(crate) fn set_leaves(&mut self, face: FaceId, leaves: Leaves) {
        self.client.chat.set_leaves(face, leaves);
    }

    pub(crate) fn set_folder(&mut self, face: FaceId, folder: String) {
        self.client.chat.set_folder(face, folder);
    }

    pub(crate) fn remove_face(&mut self, face: FaceId) {
        self.client.chat.remove_face(face);
        self.handle(Input::Tick);
    }

    /// Tells the sink the state of each face.
    pub(crate) fn refresh_faces(&mut self) {
        self.host.sink.chat_changed(&self.client.chat);
        self.host.sink.effects_done();
    }

    /// The last messages of the session, and how many came before them.
    pub(crate) fn past(&self, count: usize) -> (Vec<Message>, usize) {
        self.client.chat.past(count)
    }
}
