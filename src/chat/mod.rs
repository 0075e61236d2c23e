//! Conversation core: commands, peers, trust, receipts and notices of one account.
//!
//! Laws:
//! - **Drain**: after every [`Chat::handle`], [`Chat::poll_effect`] until `None` before the next
//!   input.
//! - **Order**: effects are performed in the order in which they are polled.
//! - **Purity**: moments and randomness come with the inputs, so that a replayed script runs the
//!   real code.
//! - **Components** own their state; only the handlers see [`Chat`] whole.

mod account;
mod addressee;
mod addressing;
mod backoff;
mod callee;
mod calls;
mod change_reply;
pub mod command;
mod conversation;
pub(crate) mod display;
mod effects;
mod export;
mod faces;
mod file_io;
mod first_letters;
mod handlers;
mod history;
mod io;
mod kept;
mod letters;
mod lobby;
mod names;
mod notice;
mod notify;
mod probes;
mod queries;
mod questions;
mod redial;
mod relays;
mod seats;
mod shutdown;
mod stranger_rows;
mod taking;
mod transfer_views;
mod transfers;
mod trust_policy;
mod types;
mod waiting_queries;
mod ways;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use account::{Account, KeygenProgress};
use calls::{Dial, Listener, WaitingCommand};
use change_reply::ChangeReply;
use conversation::Conversations;
use effects::Effects;
use history::History;
use kept::{KeptMessages, UnopenedStore};
use letters::Letters;
use lobby::Lobby;
use names::SessionNames;
use probes::Probes;
use questions::{Asking, Questions};
use redial::Redialling;
use relays::Relays;
use seats::Seats;
use shutdown::Shutdown;
use stranger_rows::StrangerRows;
use transfers::Transfers;
use types::Rivals;

use crate::crypto::Fingerprint;
use crate::delivery::HistoryEntry;
use crate::ids::{ConnId, DialId, FaceId, ListenerId};
use crate::peers::address::Target;
use crate::peers::book::Book;
use crate::peers::met::MetPeers;
use crate::peers::name::Name;
use crate::session::AnySession;
use crate::time::{MonoMs, Now, UnixMs};
use crate::wire::{Count, FileTransfer, Lifetime, Purpose};

pub use addressee::{AddresseeMark, Echo, FirstCaller, HoldReason, LineStart};
pub use backoff::Backoff;
pub(crate) use callee::is_unreachable;
pub(crate) use callee::nobody;
pub use callee::{CallOptions, Callee, CalleeError};
pub use change_reply::MadeInvitation;
pub use export::{Export, ExportError, ExportTarget};
pub use faces::Leaves;
pub use file_io::{FileAnswer, FileRequest, OfferedSource, TargetError, TransferNumber};
pub(crate) use handlers::outbox;
pub use io::{
    CommitTiming, DeliveryProgress, DeliveryReport, Effect, Input, ReturnCause, ReturnedLine, SentMessage,
};
pub use lobby::{InvitationWarning, InvitationsInfo, KnockEnd, LobbyInfo};
pub use notice::{
    Arrival, DeliveryInfo, DeliveryWarning, FileInfo, FileWarning, Impersonated, Info, KeyStatus, Message,
    Notice, Numbers, OaepInfo, SearchedHistory, UnsavedChange, Warning,
};
pub(crate) use notice::{author, history_rows};
pub use queries::{AddressedView, EstablishedPipe, KnownNames, Presence, PromptView};
pub use questions::{QuestionId, ReadingProof};
pub use redial::AfterLoss;
pub use relays::{RelayInfo, RelayNews, RelayOrder};
pub use taking::{LeastTrust, OtherOffers, TakeRule, TakeRules, TakenFrom};
pub use transfer_views::{ProgressUnit, TransferChoice, TransferProgress};
pub use trust_policy::{KeyRefusal, judge};
pub use types::{
    AcceptPolicy, Audience, DialOptions, DialOutcome, ExitRequest, ExposureRecord, HeldMessage,
    HistoryPolicy, InputOrigin, KeyExchange, KeyFor, KeyOrigin, KeyReplacement, KeygenCause, ListenOptions,
    NameOrigin, NewKey, NoReply, NotifyContent, NotifyPolicy, NotifyWhen, Origin, OwnKey, OwnName, Protocol,
    ReceiptDue, TrustLevel,
};
pub use ways::ViaRule;
pub(crate) use ways::with_way;

/// Conversations of one account with any number of peers.
#[expect(missing_debug_implementations, reason = "holds sessions")]
pub struct Chat {
    account: Account,
    keygen: Option<KeygenProgress>,
    /// Commands that wait for the first key.
    waiting_for_key: Vec<WaitingCommand>,
    /// Largest number of connections.
    capacity: usize,
    /// Callers that a listener without a policy of its own accepts.
    accept: AcceptPolicy,
    /// Addresses in invitations, if they are not those of the listeners.
    invite_at: Vec<Target>,
    /// Shared with completion: it is never copied for that.
    book: Arc<Book>,
    /// Peers that called and were not chosen.
    met: MetPeers,
    /// Changes of the book that the host has not answered yet, in their order, each with the face
    /// that has caused it.
    book_changes: VecDeque<(FaceId, ChangeReply)>,
    /// Blocks that are not on disk, with the names of the peers: they hold in memory.
    unsaved_blocks: BTreeMap<Fingerprint, Name>,
    /// Reason why the last new peer was not remembered.
    not_remembered: Option<String>,
    /// Keys that were refused because the dialled address had another, by the name of its holder.
    refused_keys: BTreeMap<String, RefusedKey>,
    /// Keys whose safety number was shown last, by the name of the peer.
    shown_numbers: BTreeMap<String, Fingerprint>,
    conversations: Conversations,
    lobby: Lobby,
    transfers: Transfers,
    take_rules: TakeRules,
    names: SessionNames,
    seats: Seats,
    stranger_rows: StrangerRows,
    rivals: Rivals,
    /// Questions of a program that wait for their answers.
    questions: Questions,
    asking: Asking,
    /// Peers whose text was said to be in another encoding.
    other_encoding: BTreeSet<types::PeerId>,
    dials: BTreeMap<DialId, Dial>,
    /// What `:connect` alone calls.
    last_called: Option<CallOptions>,
    via_rules: Vec<ViaRule>,
    redialling: Redialling,
    relays: Relays,
    letters: Letters,
    listeners: BTreeMap<ListenerId, Listener>,
    history: History,
    history_policy: HistoryPolicy,
    /// Days for which the history on disk is kept; none: without an end.
    history_days: Option<u32>,
    /// Messages that are kept on disk until the other side has them, where there is a store.
    kept: Option<KeptMessages>,
    /// Messages for the history that are not known to be shown, with the receipt of each, where
    /// there is no store.
    unshown: BTreeMap<ConnId, VecDeque<(Count, HistoryEntry)>>,
    audience: Audience,
    /// Why nothing is kept, where that is not for want of a key.
    unopened_store: Option<UnopenedStore>,
    /// Moment at which each known peer that has left was last seen in this session.
    last_seen: BTreeMap<Fingerprint, UnixMs>,
    notify: NotifyPolicy,
    log_file: Option<String>,
    /// Face whose `:log FILE` has no result yet.
    log_asked_by: Option<FaceId>,
    /// Confinement of the process, in words; none in a replay.
    confinement: Option<String>,
    shutdown: Option<Shutdown>,
    counters: ChatCounters,
    effects: Effects,
    now: Now,
}

/// Key that was refused because the dialled address had another.
struct RefusedKey {
    fingerprint: Fingerprint,
    address: Target,
}

/// Counters of a session.
#[derive(Default)]
struct ChatCounters {
    /// Identifiers of dials and listeners.
    ids: u64,
    /// Changes of the names of peers, known or connected.
    roster: u64,
    /// Messages of ours that peers acknowledged, on all connections so far.
    acked: u64,
    /// Messages of ours that went out on the raw wire, on all connections so far.
    sent: u64,
    /// Callers that were refused, by the reason.
    refused_callers: BTreeMap<String, u64>,
    probes: Probes,
}

impl Chat {
    /// Chat of an account with the key and the peers that the store has. `capacity` is the largest
    /// number of connections.
    #[must_use]
    pub fn new(own_name: impl Into<OwnName>, own_key: Option<OwnKey>, book: Book, capacity: usize) -> Self {
        Self {
            account: Account::new(own_name.into(), own_key),
            keygen: None,
            waiting_for_key: Vec::new(),
            capacity,
            accept: AcceptPolicy::Anyone,
            invite_at: Vec::new(),
            book: Arc::new(book),
            met: MetPeers::default(),
            book_changes: VecDeque::new(),
            unsaved_blocks: BTreeMap::new(),
            not_remembered: None,
            refused_keys: BTreeMap::new(),
            shown_numbers: BTreeMap::new(),
            conversations: Conversations::default(),
            lobby: Lobby::default(),
            transfers: Transfers::default(),
            take_rules: TakeRules::default(),
            names: SessionNames::default(),
            seats: Seats::new(capacity),
            stranger_rows: StrangerRows::default(),
            rivals: Rivals::OneStays,
            questions: Questions::default(),
            asking: Asking::default(),
            other_encoding: BTreeSet::new(),
            dials: BTreeMap::new(),
            last_called: None,
            via_rules: Vec::new(),
            redialling: Redialling::Never,
            relays: Relays::default(),
            letters: Letters::default(),
            listeners: BTreeMap::new(),
            history: History::default(),
            history_policy: HistoryPolicy::default(),
            history_days: None,
            kept: None,
            unshown: BTreeMap::new(),
            audience: Audience::default(),
            unopened_store: None,
            last_seen: BTreeMap::new(),
            notify: NotifyPolicy::default(),
            log_file: None,
            log_asked_by: None,
            confinement: None,
            shutdown: None,
            counters: ChatCounters::default(),
            effects: Effects::default(),
            now: Now { mono: MonoMs(0), unix: UnixMs(0) },
        }
    }

    /// Sets the purpose of its connections. The handshake of a pipe is that of a conversation; the
    /// pipe is then taken out with [`Chat::take_pipe`].
    #[must_use]
    pub fn for_purpose(mut self, purpose: Purpose) -> Self {
        self.account.purpose = purpose;
        self
    }

    /// Keeps no messages: nobody can ask for them.
    #[must_use]
    pub fn without_history(mut self) -> Self {
        self.history = History::none();
        self
    }

    /// Calls again whom it had called when the connection is lost.
    pub fn call_lost_peers(&mut self) {
        self.redialling = Redialling::AfterLoss;
    }

    /// Sends and receives files, with peers that do so too.
    #[must_use]
    pub fn transferring_files(mut self) -> Self {
        self.account.file_transfer = FileTransfer::Supported;
        self
    }

    /// Sets the ways of calls where none is named or remembered; by default they are direct.
    pub fn set_via_rules(&mut self, rules: Vec<ViaRule>) {
        self.via_rules = rules;
    }

    /// Sets the rules by which files are accepted without a user; by default there are none.
    pub fn set_take_rules(&mut self, rules: TakeRules) {
        self.take_rules = rules;
    }

    /// Makes the connections that it opens short-lived: nobody is shown there as connected.
    #[must_use]
    pub fn short_lived(mut self) -> Self {
        self.account.lifetime = Lifetime::Short;
        self
    }

    /// Takes each text that is sent for a question: [`Effect::QuestionRead`] says from where on
    /// texts of the peer can be answers.
    #[must_use]
    pub fn asking(mut self) -> Self {
        self.asking = Asking::Always;
        self
    }

    /// Lets several lasting connections of one key stand side by side: each waits for its own
    /// replies.
    #[must_use]
    pub fn replying(mut self) -> Self {
        self.rivals = Rivals::SideBySide;
        self
    }

    /// Sets the key for the raw wire that the store has.
    pub fn set_oaep_key(&mut self, key: OwnKey) {
        self.account.set_key(KeyFor::Oaep, key);
    }

    /// Sets the callers that a listener without a policy of its own accepts; by default everybody.
    pub fn set_callers(&mut self, accept: AcceptPolicy) {
        self.accept = accept;
    }

    /// Sets the addresses in invitations; without any, they are those of the listeners.
    pub fn set_invitation_addresses(&mut self, addresses: Vec<Target>) {
        self.invite_at = addresses;
    }

    /// Sets the callers that become addressed at the own face where nobody was addressed yet; by
    /// default everybody.
    pub fn set_first_caller(&mut self, first_caller: FirstCaller) {
        self.conversations.face_mut().first_caller = first_caller;
    }

    /// Sets where the lines of the own face come from; by default from a person.
    pub fn set_input(&mut self, input: InputOrigin) {
        self.conversations.face_mut().input = input;
    }

    /// Adds a front end, with an addressee of its own.
    pub fn add_face(&mut self, face: FaceId, first_caller: FirstCaller) {
        self.conversations.add_face(face, first_caller);
    }

    /// Sets what stays of a front end that is gone; by default its texts.
    pub fn set_leaves(&mut self, face: FaceId, leaves: Leaves) {
        self.conversations.set_leaves(face, leaves);
    }

    /// Sets the folder in which the paths of a front end begin; else they begin in that of this
    /// process.
    pub fn set_folder(&mut self, face: FaceId, folder: String) {
        self.conversations.set_folder(face, folder);
    }

    /// Removes a front end. What it has asked for goes on, but no answers are awaited.
    pub fn remove_face(&mut self, face: FaceId) {
        self.questions.forget_face(face);
        let gone = self.conversations.remove_face(face);
        if let Some(gone) = gone.filter(|gone| gone.leaves == Leaves::Nothing) {
            self.take_back_said(face, &gone.said);
        }
    }

    /// Sets the peers that called and were not chosen, and says how many of the book are such.
    pub fn set_met(&mut self, met: MetPeers) {
        self.met = met;
        let count = self.book.met_before();
        if count > 0 {
            self.effects.info(Info::MetBefore { count });
        }
    }

    /// Sets the initial value of `:history`, and the days for which what it keeps is kept; none
    /// mean for ever.
    pub fn set_history(&mut self, policy: HistoryPolicy, days: Option<u32>) {
        (self.history_policy, self.history_days) = (policy, days);
    }

    /// Sets whether somebody sees what comes; by default somebody does.
    pub fn set_audience(&mut self, audience: Audience) {
        self.audience = audience;
    }

    /// Sets the initial value of `:notify`.
    pub fn set_notify(&mut self, policy: NotifyPolicy) {
        self.notify = policy;
    }

    /// Sets what `:status` says of the confinement of the process.
    pub fn set_confinement(&mut self, words: String) {
        self.confinement = Some(words);
    }

    /// Takes an input of the machine, or of the own face. Afterwards [`Chat::poll_effect`] until
    /// `None`, before the next.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.handle_from(now, FaceId::OWN, input);
    }

    /// Takes an input of a face: what answers it goes to that face only.
    pub fn handle_from(&mut self, now: Now, face: FaceId, input: Input<'_>) {
        let before = std::mem::replace(&mut self.now, now);
        if redial::was_suspended(before, now) {
            self.call_all_now();
        }
        // Before anything goes out.
        self.expire_kept();
        if input.is_of_face() {
            self.in_face(face, |chat| chat.handle_counted(input));
        } else {
            self.handle_input(input);
        }
        self.commit();
        self.advance_shutdown();
        self.commit();
        self.advance_letters();
        self.conversations.settle();
    }

    /// Does what follows from an input of a face.
    pub(crate) fn in_face(&mut self, face: FaceId, call: impl FnOnce(&mut Self)) {
        let before = self.conversations.select_face(face);
        let cause = self.effects.cause.replace(face);
        call(self);
        self.conversations.select_face(before);
        self.effects.cause = cause;
    }

    /// The same, counting a line that was not understood or not taken, once.
    fn handle_counted(&mut self, input: Input<'_>) {
        let refused = self.conversations.face().refused_lines;
        self.effects.has_mistake = false;
        self.handle_input(input);
        let is_mistaken = std::mem::take(&mut self.effects.has_mistake);
        let face = self.conversations.face_mut();
        if is_mistaken && face.refused_lines == refused {
            face.refused_lines += 1;
        }
    }

    fn handle_input(&mut self, input: Input<'_>) {
        let now = self.now;
        match input {
            Input::Line(line) => self.handle_line(line),
            Input::Command(command) => self.handle_command(command),
            Input::Typed { line, start, echo } => self.handle_typed(line, start, echo),
            Input::DropQuestion => self.conversations.face_mut().question = None,
            Input::Text(text) => self.send(text, Echo::Message),
            Input::TextTo { name, text } => self.send_to(name, text),
            Input::TextUntil { name, text, expire_ms } => self.send_until(name, text, expire_ms),
            Input::Ask { to, text, timeout_ms } => self.ask(to, text, timeout_ms),
            Input::Reply { conn, text } => _ = self.send_or_keep(conn, text),
            Input::LineRefused { what } => self.refuse_line(Warning::CommandError { what }),
            Input::LineTooLong { bytes } => self.refuse_line(Warning::LineTooLong { bytes }),
            Input::LineNotText { row } => self.refuse_line(Warning::LineNotText { row }),
            Input::Undeliverable { to, texts } => self.refuse_undeliverable(to, &texts),
            Input::Dismiss { conn, reason } => self.dismiss(conn, reason),
            Input::Cancel => self.cancel(),
            Input::ExitRequest(request) => self.begin_shutdown(request),
            Input::Listening { listener, at, dial } => self.handle_listening(listener, at, dial),
            Input::ListenFailed { listener, why } => self.handle_listen_failed(listener, why),
            Input::Accepted { conn, listener, from, seed } => {
                self.handle_accepted(conn, listener, from, seed);
            }
            Input::TurnedAway { from, why, callers } => {
                self.count_refused(&why, callers);
                let more = if callers > 1 { format!(" ({callers} callers)") } else { String::new() };
                let why = format!("{why}{more}");
                self.warn_limited(Warning::TurnedAway { remote: from.to_string(), why });
            }
            Input::Connected { dial, conn, to, seed } => self.handle_connected(dial, conn, to, seed),
            Input::Unreachable { dial, why } => self.handle_unreachable(dial, &why),
            Input::CommandSaid { conn, row } => self.handle_command_said(conn, row),
            Input::Bytes { conn, bytes } => {
                self.with_session(conn, |session| session.handle_bytes(now.mono, bytes));
            }
            Input::Ended { conn, error } => self.handle_eof(conn, error),
            Input::JobDone { conn, result } => {
                self.with_session(conn, |session| session.handle_job(now.mono, result));
            }
            Input::Seed { conn, seed } => {
                self.with_session(conn, |session| session.handle_seed(now.mono, &seed));
            }
            Input::Evicted { conn } => {
                self.count_refused("they made room for others before proving a key", 1);
                self.with_session(conn, AnySession::handle_overload);
            }
            Input::TokenSeed(seed) => self.make_invitation(&seed),
            Input::JobRefused { conn } => {
                self.with_session(conn, AnySession::handle_overload);
            }
            Input::Shown(due) => self.handle_shown(due),
            Input::NeverGiven(held) => self.note_never_given(&held),
            Input::Audience(audience) => self.audience = audience,
            Input::Giving(held) => self.give(held),
            Input::NotShown(due) => self.with_session_of(due, |session| session.forgo(due.upto)),
            Input::Messages { pairs, history, seed, put_aside } => {
                if let Some(why) = put_aside {
                    self.effects.warn(Warning::Delivery(DeliveryWarning::StoreDamaged { why }));
                }
                if self.unopened_store.take().is_some() {
                    self.effects.info(Info::Delivery(DeliveryInfo::StoreOpened));
                }
                self.begin_keeping(pairs, history, seed);
            }
            Input::NotServed { why } => self.effects.warn(Warning::NotServed { why }),
            Input::MessagesUnusable { why } => self.note_unopened_store(why),
            Input::Committed(result) => self.handle_committed(result),
            Input::Remember(entry) => self.remember_message(entry),
            Input::History(found) => self.handle_history(found),
            Input::Book { conn, book } => self.judge_key(conn, book),
            Input::BookUnusable { why } => self.effects.warn(Warning::Book { why }),
            Input::Met(met) => self.met = met,
            Input::Changed(changed) => {
                self.handle_change(changed);
                self.letters.is_changed = true;
            }
            Input::BookChanged(book) => {
                self.handle_foreign_change(book);
                self.letters.is_changed = true;
            }
            Input::KeyMade(made) => self.handle_new_key(made),
            Input::Exported { face, export, result } => self.handle_exported(face, &export, result),
            Input::Logging { file, result } => self.handle_log(&file, result),
            Input::WriteBlocked { conn } => self.with_session(conn, AnySession::write_blocked),
            Input::Drained { conn } => {
                let now = self.now.mono;
                self.with_session(conn, |session| session.write_drained(now));
                self.pump_files(conn);
            }
            Input::File(answer) => self.handle_file_answer(answer),
            Input::Relay(news) => self.handle_relay(news),
            Input::LetterSeed(seed) => self.handle_letter_seed(&seed),
            Input::FirstLetter(result) => self.handle_first_letter(result),
            Input::Continued => self.call_all_now(),
            Input::OutOfFds { open } => self.effects.warn(Warning::OutOfFds { open }),
            Input::Tick => self.handle_timeout(),
        }
    }

    /// The next effect, until `None`.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop()
    }

    /// Moment at which [`Input::Tick`] is next due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoMs> {
        let faces = self.conversations.face_ids().into_iter();
        let addressed = faces.filter_map(|face| self.conversations.addressed_of(face));
        let late = addressed.filter_map(|one| one.unacked.next_late(self.now.mono)).min();
        let keygen = self.keygen.as_ref().map(KeygenProgress::poll_timeout);
        let shutdown = self.shutdown.and_then(|shutdown| shutdown.at_latest);
        let conversations = self.conversations.next_deadline();
        let kept = self.kept.as_ref();
        let (store, history) = (kept.and_then(|kept| kept.retry_at), kept.and_then(|kept| kept.forget_at));
        let questions = self.questions.poll_timeout();
        let rows = [
            self.next_expiry(),
            self.next_end_of_wait(),
            self.effects.poll_timeout(),
            self.stranger_rows.poll_timeout(),
            store,
            self.unopened_store.as_ref().map(|store| store.retry_at),
            history,
            questions,
            self.transfers.poll_timeout(),
            self.letters.due_at,
            self.transfers.awaited_until().filter(|until| *until > self.now.mono),
        ];
        [conversations, late, keygen, shutdown, self.next_dial()].into_iter().chain(rows).flatten().min()
    }
}
