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
mod callee;
pub mod command;
mod conversation;
pub(crate) mod display;
mod effects;
mod handlers;
mod history;
mod io;
mod names;
mod notice;
mod notify;
mod queries;
mod seats;
mod shutdown;
mod stranger_rows;
mod trust_policy;
mod types;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use account::{Account, KeygenProgress};
use addressee::{HeldLine, WaitingTexts};
use conversation::Conversations;
use effects::Effects;
use history::History;
use names::SessionNames;
use seats::Seats;
use shutdown::Shutdown;
use stranger_rows::StrangerRows;
use types::ChangeReply;

use crate::crypto::Fingerprint;
use crate::ids::{DialId, ListenerId};
use crate::peers::address::{BoundAddresses, Target};
use crate::peers::book::Book;
use crate::peers::met::MetPeers;
use crate::peers::name::Name;
use crate::session::AnySession;
use crate::time::{MonoMs, Now, UnixMs};
use crate::wire::{Lifetime, Purpose};

pub use addressee::{AddresseeMark, Echo, FirstCaller, HoldReason, LineStart};
pub use callee::{CallOptions, Callee, CalleeError};
pub use io::{Effect, Input, SentMessage};
pub(crate) use notice::author;
pub use notice::{Impersonated, Info, KeyStatus, Message, Notice, OaepInfo, UnsavedChange, Warning};
pub use queries::{AddressedView, EstablishedPipe, KnownNames, Presence, PromptView};
pub use trust_policy::{KeyRefusal, judge};
pub use types::{
    AcceptPolicy, DialOptions, DialOutcome, ExitRequest, KeyExchange, KeyFor, KeyOrigin, KeyReplacement,
    KeygenCause, ListenOptions, NewKey, NotifyContent, NotifyPolicy, NotifyWhen, Origin, OwnKey, Protocol,
    ReceiptDue, TrustLevel,
};

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
    /// Callers that become addressed where nobody was addressed yet.
    first_caller: FirstCaller,
    /// Shared with completion: it is never copied for that.
    book: Arc<Book>,
    /// Peers that called and were not chosen.
    met: MetPeers,
    /// Changes of the book that the host has not answered yet, in their order.
    book_changes: VecDeque<ChangeReply>,
    /// Blocks that are not on disk, with the names of the peers: they hold in memory.
    unsaved_blocks: BTreeMap<Fingerprint, Name>,
    /// Reason why the last new peer was not remembered.
    not_remembered: Option<String>,
    /// Keys that were refused because the dialled address had another, by the name of its holder.
    refused_keys: BTreeMap<String, RefusedKey>,
    /// Keys whose safety number was shown last, by the name of the peer.
    shown_numbers: BTreeMap<String, Fingerprint>,
    conversations: Conversations,
    names: SessionNames,
    seats: Seats,
    stranger_rows: StrangerRows,
    /// Peers whose text was said to be in another encoding.
    other_encoding: BTreeSet<types::PeerId>,
    /// Line that waits for another Enter.
    question: Option<HeldLine>,
    /// Names and words that lines were held for, each once.
    asked: BTreeSet<String>,
    dials: BTreeMap<DialId, Dial>,
    /// What `:connect` alone calls.
    last_called: Option<CallOptions>,
    listeners: BTreeMap<ListenerId, Listener>,
    history: History,
    /// Moment at which each known peer that has left was last seen in this session.
    last_seen: BTreeMap<Fingerprint, UnixMs>,
    notify: NotifyPolicy,
    log_file: Option<String>,
    shutdown: Option<Shutdown>,
    counters: ChatCounters,
    effects: Effects,
    now: Now,
}

/// Listener that was asked for, and its address once it is bound.
struct Listener {
    options: ListenOptions,
    bound: Option<BoundAddresses>,
}

impl Listener {
    /// Its address as it is shown.
    fn address(&self) -> String {
        self.bound.as_ref().map_or_else(|| self.options.at.to_string(), ToString::to_string)
    }
}

/// Attempt to connect, and the texts that wait for whoever answers.
pub(crate) struct Dial {
    options: DialOptions,
    waiting: WaitingTexts,
    /// Calls that the listener has answered with being busy.
    busy_calls: u32,
    /// Moment at which it begins, unless it has.
    begins_at: Option<MonoMs>,
}

impl Dial {
    /// One that begins at once.
    fn new(options: DialOptions, waiting: WaitingTexts) -> Self {
        Self { options, waiting, busy_calls: 0, begins_at: None }
    }
}

/// Command that waits for the first key.
enum WaitingCommand {
    Listen(ListenOptions),
    Connect(DialId),
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
    /// Lines that were not accepted.
    refused_lines: u64,
    /// Messages of ours that peers acknowledged, on all connections so far.
    acked: u64,
    /// Messages of ours that went out on the raw wire, on all connections so far.
    sent: u64,
    /// Callers that were refused, by the reason.
    refused_callers: BTreeMap<String, u64>,
    /// Hints that `exit` is a text.
    quit_hints: u64,
}

impl Chat {
    /// Chat of an account with the key and the peers that the store has. `capacity` is the largest
    /// number of connections.
    #[must_use]
    pub fn new(own_name: Name, own_key: Option<OwnKey>, book: Book, capacity: usize) -> Self {
        Self {
            account: Account::new(own_name, own_key),
            keygen: None,
            waiting_for_key: Vec::new(),
            capacity,
            accept: AcceptPolicy::Anyone,
            first_caller: FirstCaller::Anyone,
            book: Arc::new(book),
            met: MetPeers::default(),
            book_changes: VecDeque::new(),
            unsaved_blocks: BTreeMap::new(),
            not_remembered: None,
            refused_keys: BTreeMap::new(),
            shown_numbers: BTreeMap::new(),
            conversations: Conversations::default(),
            names: SessionNames::default(),
            seats: Seats::new(capacity),
            stranger_rows: StrangerRows::default(),
            other_encoding: BTreeSet::new(),
            question: None,
            asked: BTreeSet::new(),
            dials: BTreeMap::new(),
            last_called: None,
            listeners: BTreeMap::new(),
            history: History::default(),
            last_seen: BTreeMap::new(),
            notify: NotifyPolicy::default(),
            log_file: None,
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

    /// Makes the connections that it opens short-lived: nobody is shown there as connected.
    #[must_use]
    pub fn short_lived(mut self) -> Self {
        self.account.lifetime = Lifetime::Short;
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

    /// Sets the callers that become addressed where nobody was addressed yet; by default everybody.
    pub fn set_first_caller(&mut self, first_caller: FirstCaller) {
        self.first_caller = first_caller;
    }

    /// Sets the peers that called and were not chosen, and says how many of the book are such.
    pub fn set_met(&mut self, met: MetPeers) {
        self.met = met;
        let count = self.book.met_before();
        if count > 0 {
            self.effects.info(Info::MetBefore { count });
        }
    }

    /// Sets the initial value of `:notify`.
    pub fn set_notify(&mut self, policy: NotifyPolicy) {
        self.notify = policy;
    }

    /// Takes an input. Afterwards [`Chat::poll_effect`] until `None`, before the next.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.now = now;
        match input {
            Input::Line(line) => self.handle_line(line),
            Input::Command(command) => self.handle_command(command),
            Input::Typed { line, start, echo } => self.handle_typed(line, start, echo),
            Input::DropQuestion => self.question = None,
            Input::Text(text) => self.send(text, Echo::Message),
            Input::TextTo { name, text } => self.send_to(name, text),
            Input::LineRefused { what } => self.refuse_line(Warning::CommandError { what }),
            Input::LineTooLong { bytes } => self.refuse_line(Warning::LineTooLong { bytes }),
            Input::LineNotText { row } => self.refuse_line(Warning::LineNotText { row }),
            Input::Undeliverable { to, texts } => self.refuse_undeliverable(to, &texts),
            Input::Dismiss { conn, reason } => self.with_session(conn, |session| session.close(reason)),
            Input::Cancel => self.cancel(),
            Input::ExitRequest(request) => self.begin_shutdown(request),
            Input::Listening { listener, at } => self.handle_listening(listener, at),
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
                self.count_refused("they made room for others before they had proved a key", 1);
                self.with_session(conn, AnySession::handle_overload);
            }
            Input::JobRefused { conn } => {
                self.with_session(conn, AnySession::handle_overload);
            }
            Input::Shown(due) => self.with_session(due.conn, |session| session.ack(due.upto)),
            Input::NotShown(due) => self.with_session(due.conn, |session| session.forgo(due.upto)),
            Input::Book { conn, book } => self.judge_key(conn, book),
            Input::BookUnusable { why } => self.effects.warn(Warning::Book { why }),
            Input::Met(met) => self.met = met,
            Input::Changed(changed) => self.handle_change(changed),
            Input::BookChanged(book) => self.handle_foreign_change(book),
            Input::KeyMade(made) => self.handle_new_key(made),
            Input::Logging { file, result } => self.handle_log(&file, result),
            Input::WriteBlocked { conn } => self.with_session(conn, AnySession::write_blocked),
            Input::Drained { conn } => self.with_session(conn, AnySession::write_drained),
            Input::OutOfFds { open } => self.effects.warn(Warning::OutOfFds { open }),
            Input::Tick => self.handle_timeout(),
        }
        self.advance_shutdown();
        self.conversations.settle();
    }

    /// The next effect, until `None`.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop()
    }

    /// Moment at which [`Input::Tick`] is next due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoMs> {
        let addressed = self.conversations.addressed();
        let late = addressed.and_then(|conversation| conversation.unacked.next_late(self.now.mono));
        let keygen = self.keygen.as_ref().map(KeygenProgress::poll_timeout);
        let shutdown = self.shutdown.and_then(|shutdown| shutdown.at_latest);
        let conversations = self.conversations.next_deadline();
        let rows = [self.effects.poll_timeout(), self.stranger_rows.poll_timeout()];
        [conversations, late, keygen, shutdown, self.next_dial()].into_iter().chain(rows).flatten().min()
    }
}
