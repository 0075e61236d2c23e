//! Host of effects: the trait that performs them, and the one of this process with its sockets,
//! threads, log and notice sink.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dialler::{Callee, Dialler};
use super::error::{AppError, code, describe};
use super::export::without_terminal;
use super::file_thread::{Confined, FileWork};
use super::history_writer::HistoryWriter;
use super::keyring::{self, KeyRing, StoredKey};
use super::log::Log;
use super::os::{self, Bound, bind, dialable};
use super::relay_thread::RelayThread;
use super::store_thread::{StoreAnswer, StoreJob, StoreThread};
use crate::chat::{
    Chat, DeliveryReport, Effect, Export, ExportError, ExposureRecord, HeldMessage, Input, KeyFor,
    KeyReplacement, KeygenCause, Message, Notice, Protocol, QuestionId, ReadingProof, ReceiptDue,
    ReturnedLine, SentMessage,
};
use crate::crypto::{Identity, JobResult, Passphrase, RsaJob};
use crate::delivery::StoredHistory;
use crate::ids::{ConnId, FaceId, ListenerId};
use crate::limits::LINK_WRITE_BYTES;
use crate::net::worker::{BackgroundTask, ThreadPriority, Ticket, Worker};
use crate::net::{Net, ReadInterest, SocketId};
use crate::peers::address::{Family, ListenAt};
use crate::store::{Home, MessageStore, OpenedStore, StoreError, quoted};
use crate::text::safe::SafeText;
use crate::time::{MonoMs, Now, UnixMs};

/// Bytes of records that are joined before they leave.
const PIECE_BYTES: usize = 16_384;

/// Performer of every effect that is not about the profile.
pub(crate) trait Host {
    /// Moment of the next input.
    fn now(&self) -> Now;
    /// Date of today, for the name of a file.
    fn today(&self) -> String;
    /// The chat has handled an input; its effects come next.
    fn chat_changed(&mut self, _chat: &Chat) {}
    /// Performs an effect. Returns its result if that is known at once; other results become inputs
    /// later.
    fn perform(&mut self, effect: Effect, keys: &KeyRing) -> Option<Input<'static>>;
    /// Opens the store of messages. Returns what is kept, or why the store cannot be used.
    fn open_messages(&mut self, home: &Home, identity: &Identity) -> Input<'static>;
    /// Opens a store of messages that could not be opened before.
    fn reopen_messages(&mut self, home: &Home, identity: &Arc<Identity>) -> Option<Input<'static>> {
        Some(self.open_messages(home, identity))
    }
    /// Lets one more identity open the store of messages, or no other than one. Waits for the disk.
    ///
    /// # Errors
    /// Why it was not written, in words for the user.
    fn change_wraps(&mut self, _job: StoreJob) -> Result<(), String> {
        Ok(())
    }
    /// Generates a key. Returns it at once, or passes it later to
    /// [`super::client::Client::store_key`].
    fn generate_key(&mut self, request: &KeygenRequest) -> Option<Result<StoredKey, AppError>>;
}

/// Connections that are not read, since what came of them waits to be shown or delivered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Behind {
    /// Every one.
    All,
    /// These, perhaps none.
    These(BTreeSet<ConnId>),
}

impl Behind {
    /// None of them.
    pub(crate) const NONE: Self = Self::These(BTreeSet::new());

    pub(crate) fn includes(&self, conn: ConnId) -> bool {
        match self {
            Self::All => true,
            Self::These(conns) => conns.contains(&conn),
        }
    }
}

/// Use of messages by a sink.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MessageUse {
    /// They are shown or written, and that is reported.
    Shown,
    /// Nobody sees them.
    Dropped,
}

/// Sink of notices: a screen, a program at the other end of a pipe, or standard error.
pub(crate) trait NoticeSink {
    /// Shows a notice. A receipt that is due for it is reported by the sink, once it has been
    /// shown.
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>);
    /// Holds a message for whoever comes, who gets it with [`NoticeSink::give`].
    fn hold(&mut self, message: &Message, due: ReceiptDue) {
        self.show(&Notice::Message(message.clone()), Some(due));
    }
    /// Gives messages that were held to who wants them, marked where somebody may see them again.
    fn give(&mut self, _held: &[HeldMessage], _record: ExposureRecord) {}
    /// What becomes of messages: only what is shown has a receipt.
    fn messages(&self) -> MessageUse {
        MessageUse::Shown
    }
    /// Connections that should not be read, since the backlog is too large.
    fn behind(&self) -> Behind;
    /// The chat has handled an input; its effects come next.
    fn chat_changed(&mut self, _chat: &Chat) {}
    /// Replies to the request of a program at a face that was begun, if there is one.
    fn reply(&mut self, _face: FaceId) {}
    /// Keeps the reply until what the request changes is on disk; what is shown meanwhile is apart.
    fn defer_reply(&mut self, _face: FaceId, _answers: usize) {}
    /// Goes on with the request whose reply was kept.
    /// Returns whether there was one.
    fn resume_reply(&mut self, _face: FaceId) -> bool {
        false
    }
    /// Number of answers of the store that kept replies to a face wait for.
    fn awaited_by_replies(&self, _face: FaceId) -> usize {
        0
    }
    /// The peer has read the question of a process that was started to ask.
    fn question_read(&mut self, _proof: ReadingProof) {}
    /// The question of the request that is being carried out was accepted.
    fn asked(&mut self, _question: QuestionId) {}
    /// The next notice is the answer to this question, or gives it up.
    fn answers(&mut self, _question: QuestionId) {}
    /// All effects of an input have been performed.
    fn effects_done(&mut self) {}
    /// A text of ours is on its way; a program is told, a person has typed it.
    fn sent(&mut self, _sent: &SentMessage) {}
    /// A peer has acknowledged what we sent, up to this number; a person sees only what is not.
    fn delivery(&mut self, _report: &DeliveryReport) {}
    /// Shows the message that a line of a person became in the place of the line.
    fn said(&mut self, face: FaceId, message: &Message) {
        self.show_to(face, &Notice::Own(message.clone()));
    }
    /// Puts a text back into the line of a person.
    fn line_returned(&mut self, _face: FaceId, _line: ReturnedLine) {}
    /// Shows a notice at one face. A sink of the own one alone has no other.
    fn show_to(&mut self, _face: FaceId, notice: &Notice) {
        self.show(notice, None);
    }
    /// Ends a face that has asked for that.
    fn end_face(&mut self, _face: FaceId) {}
    /// Takes a message out of the chat for a face. Returns what came of it, unless the process of
    /// the face tells that itself.
    fn export(&mut self, _face: FaceId, export: &Export) -> Option<Result<(), ExportError>> {
        Some(without_terminal(export))
    }
    /// Calls the attention of a person at a screen.
    fn alert(&mut self, _text: &SafeText) {}
}

/// Parameters of a new key.
#[derive(Clone)]
pub(crate) struct KeygenRequest {
    pub(crate) of: KeyFor,
    pub(crate) bits: u32,
    pub(crate) replacing: KeyReplacement,
    pub(crate) cause: KeygenCause,
    pub(crate) passphrase: Option<Arc<Passphrase>>,
}

/// Host of this process.
pub(crate) struct OsHost<S> {
    pub(crate) net: Net,
    pub(crate) sink: S,
    log: Option<Log>,
    /// What this process opens nothing outside of any more, if it is confined.
    pub(crate) confined: Option<Confined>,
    /// Notices for the recorder, while there is one.
    pub(crate) recorded: Option<Vec<Notice>>,
    /// RSA jobs, each with the keys that it may need.
    worker: Worker<(RsaJob, KeyRing), JobResult>,
    jobs: BTreeMap<Ticket, ConnId>,
    pub(crate) dialler: Dialler,
    pub(crate) listeners: BTreeMap<SocketId, ListenerId>,
    read_interest: BTreeMap<ConnId, ReadInterest>,
    /// Bytes to send once the loop waits: a burst of messages leaves together.
    outbox: BTreeMap<ConnId, Vec<Vec<u8>>>,
    keygen: Option<(KeygenRequest, BackgroundTask<Result<StoredKey, AppError>>)>,
    /// Store that was opened before the loop began.
    pub(crate) opened: Option<Result<OpenedStore, StoreError>>,
    /// One that is being opened again.
    reopening: Option<BackgroundTask<Result<OpenedStore, StoreError>>>,
    /// Messages that are kept, where this process keeps them.
    store: Option<StoreThread>,
    /// Writer of the history, where this process has no store and its user wants one.
    pub(crate) history: Option<HistoryWriter>,
    /// Answers of the store that were waited for and are not handled yet.
    answers: VecDeque<StoreAnswer>,
    /// Files that are sent and received.
    pub(crate) files: FileWork,
    /// Connection with the relays, where the settings name any.
    pub(crate) relay: Option<RelayThread>,
    started: Instant,
}

impl<S: NoticeSink> OsHost<S> {
    pub(crate) fn new(net: Net, sink: S, priority: ThreadPriority) -> io::Result<Self> {
        let run = |(job, keys): (RsaJob, KeyRing)| job.run(keys.keys()).without_test_keys();
        let worker = Worker::start("rsa", priority, net.waker(), run)?;
        Ok(Self {
            net,
            sink,
            log: None,
            confined: None,
            recorded: None,
            worker,
            jobs: BTreeMap::new(),
            dialler: Dialler::default(),
            listeners: BTreeMap::new(),
            read_interest: BTreeMap::new(),
            outbox: BTreeMap::new(),
            keygen: None,
            opened: None,
            reopening: None,
            store: None,
            history: None,
            answers: VecDeque::new(),
            files: FileWork::default(),
            relay: None,
            started: Instant::now(),
        })
    }

    /// Waits, not for ever, for the commits that are under way, and closes the store.
    pub(crate) fn finish_commits(&mut self) {
        if let Some(store) = self.store.take() {
            store.close();
        }
    }

    /// Whether the store of messages is open here.
    pub(crate) fn has_store(&self) -> bool {
        self.store.is_some()
    }

    /// Forgets whether a connection that is gone was read.
    pub(crate) fn forget_reading(&mut self, conn: ConnId) {
        self.read_interest.remove(&conn);
    }

    fn submit_to_store(&mut self, job: StoreJob) -> Option<Input<'static>> {
        const NONE: &str = "no store is open";
        match (&mut self.store, job) {
            (Some(store), job) => store.submit(job).map(input_of),
            (None, StoreJob::Find(_)) => Some(Input::History(Err(NONE.to_owned()))),
            (None, _) => Some(Input::Committed(Err((NONE.to_owned(), None)))),
        }
    }

    /// The next answer of the store.
    pub(crate) fn finished_store_job(&mut self) -> Option<Input<'static>> {
        let waited_for = self.answers.pop_front();
        waited_for.or_else(|| self.store.as_mut()?.finished()).map(input_of)
    }

    /// A store that was opened again, or why it was not.
    pub(crate) fn reopened(&mut self, home: &Home) -> Option<Input<'static>> {
        let opened = self.reopening.as_ref()?.finished()?;
        self.reopening = None;
        opened.ok().map(|opened| self.take_opened(home, opened))
    }

    fn take_opened(&mut self, home: &Home, opened: Result<OpenedStore, StoreError>) -> Input<'static> {
        let opened = opened.and_then(|opened| {
            // One that cannot be read is told where it is looked for.
            let is_empty = opened.store.history().and_then(|history| history.is_empty());
            let history = StoredHistory::new(is_empty.unwrap_or(false));
            let thread = StoreThread::start(opened.store, self.net.waker());
            let thread = thread.map_err(StoreError::io("start a thread for", home.path()))?;
            self.store = Some(thread);
            Ok((opened.pairs, history, opened.put_aside))
        });
        match opened {
            Ok((pairs, history, put_aside)) => {
                let put_aside = put_aside.map(|aside| aside.to_string());
                Input::Messages { pairs, history, seed: keyring::seed(), put_aside }
            }
            Err(error) => Input::MessagesUnusable { why: error.to_string() },
        }
    }

    /// Instant of a moment on the chat's clock.
    pub(crate) fn instant(&self, mono_ms: u64) -> Instant {
        self.started + Duration::from_millis(mono_ms)
    }

    /// Result of an RSA job.
    pub(crate) fn finished_job(&mut self) -> Option<Input<'static>> {
        while let Some((ticket, result)) = self.worker.finished() {
            if let Some(conn) = self.jobs.remove(&ticket) {
                return Some(match result {
                    Ok(result) => Input::JobDone { conn, result },
                    Err(_) => Input::JobRefused { conn },
                });
            }
        }
        None
    }

    /// Connects to the names that were resolved. Returns the failures, and what commands of calls
    /// have said.
    pub(crate) fn finished_lookups(&mut self) -> Vec<Input<'static>> {
        let mut inputs = self.dialler.finished_lookups(&mut self.net);
        inputs.extend(self.dialler.command_reports(&self.net));
        inputs
    }

    /// Key that was generated in the background.
    pub(crate) fn finished_key(&mut self) -> Option<(KeygenRequest, Result<StoredKey, AppError>)> {
        let made = self.keygen.as_ref()?.1.finished()?;
        let (request, _) = self.keygen.take()?;
        Some((
            request,
            made.unwrap_or_else(|panicked| Err(AppError::new(code::FAILED, panicked.to_string()))),
        ))
    }

    /// Hands the outbox to the sockets. Returns those that do not take it at once.
    pub(crate) fn flush(&mut self) -> Vec<Input<'static>> {
        let connections: Vec<_> = self.outbox.keys().copied().collect();
        connections.into_iter().filter_map(|conn| self.send(conn)).collect()
    }

    /// Reads a connection or leaves it unread.
    pub(crate) fn set_reading(&mut self, conn: ConnId, wanted: ReadInterest) {
        let before = self.read_interest.insert(conn, wanted).unwrap_or(ReadInterest::On);
        if before != wanted {
            self.net.set_reading(conn, wanted);
        }
    }

    fn send(&mut self, conn: ConnId) -> Option<Input<'static>> {
        self.net.send_pieces(conn, self.outbox.remove(&conn)?);
        (self.net.queued(conn) > 0).then_some(Input::WriteBlocked { conn })
    }

    fn show(&mut self, notice: Notice, due: Option<ReceiptDue>) -> Option<Input<'static>> {
        self.sink.show(&notice, due);
        let failure = self.write_log(&notice, self.now().unix.0);
        if let Some(recorded) = &mut self.recorded {
            recorded.push(notice);
        }
        let dropped = due.filter(|_| self.sink.messages() == MessageUse::Dropped);
        failure.or(dropped.map(Input::NotShown))
    }

    fn show_to(&mut self, face: FaceId, notice: Notice) -> Option<Input<'static>> {
        self.sink.show_to(face, &notice);
        let failure = self.write_log(&notice, self.now().unix.0);
        if let Some(recorded) = self.recorded.as_mut().filter(|_| face == FaceId::OWN) {
            recorded.push(notice);
        }
        failure
    }

    /// Writes into the log, if one is kept. It is closed when it cannot be written.
    fn write_log(&mut self, notice: &Notice, now_ms: u64) -> Option<Input<'static>> {
        let log = self.log.as_mut()?;
        let error = log.write(notice, now_ms).err()?;
        let file = log.name.clone();
        self.log = None;
        Some(Input::Logging { file, result: Err(describe(&error)) })
    }

    fn open_log(&mut self, file: String) -> Input<'static> {
        // The log before it ends in any case.
        self.log = None;
        let failed = |error: io::Error| match &self.confined {
            Some(confined) if error.kind() == io::ErrorKind::PermissionDenied => format!(
                "rsachat {} is confined to {}; name a file there, or start it with --no-sandbox",
                confined.command,
                quoted(&confined.home)
            ),
            _ => describe(&error),
        };
        let result = Log::open(&file).map_err(failed).map(|log| self.log = Some(log));
        Input::Logging { file, result }
    }

    fn listen(&mut self, listener: ListenerId, at: &ListenAt, family: Family) -> Input<'static> {
        match bind(&mut self.net, at, family) {
            Ok(Bound { sockets, addresses }) => {
                self.listeners.extend(sockets.into_iter().map(|socket| (socket, listener)));
                let dial = dialable(&addresses, at, family);
                Input::Listening { listener, at: addresses, dial }
            }
            Err(error) => Input::ListenFailed { listener, why: describe(&error) },
        }
    }

    fn unlisten(&mut self, listener: ListenerId) {
        for (socket, _) in self.listeners.extract_if(.., |_, of| *of == listener) {
            self.net.unlisten(socket);
        }
    }

    /// Puts bytes into the outbox; a long one leaves before the loop waits.
    fn transmit(&mut self, conn: ConnId, bytes: Vec<u8>) -> Option<Input<'static>> {
        let pending = self.outbox.entry(conn).or_default();
        match pending.last_mut() {
            // Large ones leave as they are.
            Some(last) if last.len() + bytes.len() <= PIECE_BYTES => last.extend_from_slice(&bytes),
            _ => pending.push(bytes),
        }
        if pending.iter().map(Vec::len).sum::<usize>() < LINK_WRITE_BYTES {
            return None;
        }
        self.send(conn)
    }

    fn close(&mut self, conn: ConnId) {
        self.read_interest.remove(&conn);
        // Nobody waits any more for the rest of it to leave.
        let _ = self.send(conn);
        self.net.close(conn);
    }
}

impl<S: NoticeSink> Host for OsHost<S> {
    fn now(&self) -> Now {
        let mono_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { mono: MonoMs(mono_ms), unix: UnixMs(os::unix_ms()) }
    }

    fn today(&self) -> String {
        os::today()
    }

    fn chat_changed(&mut self, chat: &Chat) {
        self.sink.chat_changed(chat);
    }

    fn perform(&mut self, effect: Effect, keys: &KeyRing) -> Option<Input<'static>> {
        match effect {
            Effect::Show(notice, due) => return self.show(notice, due),
            Effect::Hold(message, due) => {
                self.sink.hold(&message, due);
                let now_ms = self.now().unix.0;
                return self.write_log(&Notice::Message(message), now_ms);
            }
            Effect::Give { held, record } => self.sink.give(&held, record),
            Effect::ShowTo(face, notice) => return self.show_to(face, notice),
            Effect::Said(face, message) => self.sink.said(face, &message),
            Effect::ReturnLine(face, line) => self.sink.line_returned(face, line),
            Effect::EndFace(face) => self.sink.end_face(face),
            Effect::Alert(text) => self.sink.alert(&text),
            Effect::Sent(sent) => {
                self.sink.sent(&sent);
                let arrived_ms = sent.message.arrived.0;
                return self.write_log(&Notice::Message(sent.message), arrived_ms);
            }
            Effect::QuestionRead(proof) => self.sink.question_read(proof),
            Effect::Asked(question) => self.sink.asked(question),
            Effect::Answers(question) => self.sink.answers(question),
            Effect::Delivery(report) => self.sink.delivery(&report),
            Effect::Export(face, export) => {
                let result = self.sink.export(face, &export)?;
                return Some(Input::Exported { face, export, result });
            }
            Effect::OpenLog(file) => return Some(self.open_log(file)),
            Effect::CloseLog => self.log = None,
            Effect::Listen { listener, at, family } => return Some(self.listen(listener, &at, family)),
            Effect::Unlisten(listener) => self.unlisten(listener),
            Effect::Connect { dial, target, family, callee } => {
                return self.dialler.connect(&mut self.net, dial, target, family, Callee::Peer(callee));
            }
            Effect::CancelConnect(dial) => self.dialler.cancel(&mut self.net, dial),
            Effect::Transmit { conn, bytes } => return self.transmit(conn, bytes),
            Effect::Authenticated(conn, protocol) => {
                self.net.mark_authenticated(conn);
                if protocol == Protocol::Native {
                    self.net.disable_user_timeout(conn);
                }
            }
            Effect::ChosenPeer(conn) => self.net.remember_source(conn),
            Effect::Close(conn) => self.close(conn),
            Effect::Job { conn, job, queue } => {
                let Ok(ticket) = self.worker.submit(queue, (job, keys.clone())) else {
                    return Some(Input::JobRefused { conn });
                };
                self.jobs.insert(ticket, conn);
            }
            Effect::Seed { conn } => return Some(Input::Seed { conn, seed: keyring::seed() }),
            Effect::LetterSeed => return Some(Input::LetterSeed(keyring::seed())),
            Effect::FirstLetter(job) => {
                return keys.identity().map(|identity| Input::FirstLetter(job.run(identity)));
            }
            Effect::TokenSeed => return Some(Input::TokenSeed(keyring::seed())),
            Effect::CancelKey => self.keygen = None,
            Effect::Commit(batch, timing) => {
                return self.submit_to_store(StoreJob::Commit(batch, timing));
            }
            Effect::Remember(entry) => {
                if let Some(history) = &mut self.history {
                    history.add(entry);
                }
            }
            Effect::ReadHistory(query) => return self.submit_to_store(StoreJob::Find(query)),
            Effect::ForgetHistory { before } => {
                return self.submit_to_store(StoreJob::ForgetHistory { before });
            }
            Effect::Relay(order) => {
                if let Some(relay) = &self.relay {
                    relay.submit(order);
                }
            }
            Effect::File(request) => {
                self.files.submit(request, self.confined.as_ref(), self.net.waker());
            }
            // The profile performs these.
            Effect::ReadBook { .. }
            | Effect::ChangeBook(_)
            | Effect::ChangeMet(_)
            | Effect::MakeKey { .. }
            | Effect::OpenMessages
            | Effect::DialFinished(_)
            | Effect::Quit(_) => {}
        }
        None
    }

    fn open_messages(&mut self, home: &Home, identity: &Identity) -> Input<'static> {
        let opened = self.opened.take().unwrap_or_else(|| MessageStore::open(home, identity));
        self.take_opened(home, opened)
    }

    fn reopen_messages(&mut self, home: &Home, identity: &Arc<Identity>) -> Option<Input<'static>> {
        let (home, identity) = (home.clone(), Arc::clone(identity));
        if self.reopening.is_none() {
            let open = move || MessageStore::open(&home, &identity);
            // One that cannot be started is tried again.
            self.reopening = BackgroundTask::start("reopen", self.net.waker(), open).ok();
        }
        None
    }

    fn change_wraps(&mut self, job: StoreJob) -> Result<(), String> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let at_once = store.submit(job);
        self.answers.extend(store.finish());
        match at_once.or_else(|| self.answers.pop_back()) {
            Some(StoreAnswer::Committed | StoreAnswer::Found(_)) => Ok(()),
            Some(StoreAnswer::Failed { why, .. }) => Err(why),
            None => Err("the store thread has ended".to_owned()),
        }
    }

    fn generate_key(&mut self, request: &KeygenRequest) -> Option<Result<StoredKey, AppError>> {
        let KeygenRequest { of, bits, passphrase, .. } = request.clone();
        let work = move || keyring::make(of, bits, passphrase.as_deref(), &keyring::seed());
        match BackgroundTask::start("keygen", self.net.waker(), work) {
            Ok(task) => {
                self.keygen = Some((request.clone(), task));
                None
            }
            Err(error) => Some(Err(AppError::new(code::MACHINE, describe(&error)))),
        }
    }
}

fn input_of(answer: StoreAnswer) -> Input<'static> {
    match answer {
        StoreAnswer::Committed => Input::Committed(Ok(())),
        StoreAnswer::Failed { why, pairs } => Input::Committed(Err((why, pairs))),
        StoreAnswer::Found(found) => Input::History(found),
    }
}
