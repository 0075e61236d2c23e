//! `rsachat send --keep` and `--flush` on a home that no other process has open: it is opened here,
//! the peers are called once, and what they have not received stays in it. Meanwhile the home is
//! served to others.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use super::queue::InputItem;
use super::refused::{KeepReporter, beginning, tell_refused};
use super::waiting::{
    OTHER_SIDE, RECEIPT_TIME, TOLD_AFTER, no_letters, not_received, tell_at_relay, tell_blocked,
    tell_waiting, warn, with_reason,
};
use crate::app::error::code;
use crate::app::event_loop::{App, Flow, Frontend};
use crate::chat::command::Command;
use crate::chat::{Backoff, DialOutcome, ExitRequest, Input};
use crate::crypto::Fingerprint;
use crate::events::face_server::FaceServer;
use crate::events::served_sink::ServedSink;
use crate::events::{Done, OutputEvent, OutputFormat, emit};
use crate::ids::FaceId;

/// Sink of a command that serves its home.
pub(super) type Served = ServedSink<KeepReporter>;

/// Time for which it is not said that a command goes on for others.
const SERVING_TOLD_AFTER: Duration = Duration::from_secs(3);

pub(super) struct KeepFrontend {
    /// Peers whose messages are counted, each with the last of them: others may follow.
    pub(super) peers: BTreeMap<Fingerprint, u64>,
    /// Those of them that can be called, each with its command.
    pub(super) calls: BTreeMap<Fingerprint, Command>,
    /// Peer that the messages are for.
    pub(super) to: Option<Fingerprint>,
    /// Numbers of those that waited before.
    pub(super) before: BTreeMap<Fingerprint, Vec<u64>>,
    /// Number of the first that was handed over here.
    pub(super) first_own: u64,
    pub(super) messages: Vec<InputItem>,
    /// `None` once the input has ended.
    pub(super) items: Option<Receiver<Vec<InputItem>>>,
    pub(super) expire: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) relay: RelayUse,
    /// Moment at which a peer last connected, kept or showed something, or the input ended.
    pub(super) last_progress: Instant,
    /// How far the peers that are connected were then.
    pub(super) progress: BTreeMap<Fingerprint, (u64, u64)>,
    /// How many messages were at the relay then.
    pub(super) at_relay: usize,
    pub(super) retries_left: u32,
    pub(super) backoff: Backoff,
    pub(super) format: OutputFormat,
    pub(super) state: KeepState,
    pub(super) called_at: Instant,
    /// Time after which it is said what is waited for, until it was.
    pub(super) told_after: Option<Duration>,
    pub(super) read: u64,
    pub(super) refused: u64,
    /// Numbers and texts of the messages that are not on disk yet.
    pub(super) handed_over: Vec<(u64, String)>,
    /// Other processes that use the home.
    pub(super) faces: FaceServer,
}

/// Whether it is enough that messages are at the relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RelayUse {
    None,
    Letters,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeepState {
    /// Nobody was called yet.
    Begins,
    /// They are called, and waited for.
    Calls,
    /// They are called again at this moment.
    RetryAt(Instant),
    /// It has done its own, and others still send through it, which is said at this moment.
    Serves(Option<Instant>),
    Ends,
}

impl Frontend<Served> for KeepFrontend {
    fn poll_output(&mut self, app: &mut App<Served>) -> Option<u8> {
        app.send_receipts();
        None
    }

    fn on_outcome(&mut self, _: &mut App<Served>, outcome: DialOutcome) -> Option<u8> {
        if matches!(outcome, DialOutcome::NotCalled | DialOutcome::Refused) {
            self.retries_left = 0;
            self.calls.clear();
        }
        None
    }

    fn poll_input(&mut self, app: &mut App<Served>) -> Flow {
        self.faces.poll(app);
        let flow = self.advance(app);
        if matches!(flow, Flow::Wait(_)) {
            // What was told to them since.
            self.faces.poll(app);
        }
        let is_done = matches!(self.state, KeepState::Serves(_)) && !self.faces.is_busy(app);
        if is_done { Flow::Again } else { flow }
    }

    fn finish_output(&mut self, app: &mut App<Served>) {
        let never_given = app.sink().never_given();
        app.handle(Input::NeverGiven(never_given));
    }
}

impl KeepFrontend {
    /// One that nothing was handed over to.
    pub(super) fn of(format: OutputFormat) -> Self {
        let now = Instant::now();
        Self {
            peers: BTreeMap::new(),
            calls: BTreeMap::new(),
            to: None,
            before: BTreeMap::new(),
            first_own: 0,
            messages: Vec::new(),
            items: None,
            expire: None,
            timeout: None,
            relay: RelayUse::None,
            last_progress: now,
            progress: BTreeMap::new(),
            at_relay: 0,
            retries_left: 0,
            backoff: Backoff::default(),
            format,
            state: KeepState::Begins,
            called_at: now,
            told_after: Some(TOLD_AFTER),
            read: 0,
            refused: 0,
            handed_over: Vec::new(),
            faces: FaceServer::of_command("send"),
        }
    }

    /// Moment at which the time of `--timeout` has passed, from one sign of progress to the next.
    fn gives_up_at(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| self.last_progress.checked_add(timeout))
    }

    fn has_time(&self) -> bool {
        self.gives_up_at().is_none_or(|until| until > Instant::now())
    }

    /// Moment at which who was called is not waited for any more.
    fn waits_until(&self) -> Option<Instant> {
        match self.timeout {
            Some(_) => self.gives_up_at(),
            None => Some(self.last_progress.max(self.called_at) + RECEIPT_TIME),
        }
    }

    /// Takes note of what peers have kept and shown since, of who has connected, and of what the
    /// relay has taken.
    fn note_progress(&mut self, app: &App<Served>) {
        let of_peer = |peer: &Fingerprint| Some((*peer, app.chat().progress_with(*peer)?));
        let now: BTreeMap<_, _> = self.peers.keys().filter_map(of_peer).collect();
        let at_relay = self.at_relay(app);
        if at_relay > self.at_relay
            || now.iter().any(|(peer, progress)| self.progress.get(peer) != Some(progress))
        {
            self.last_progress = Instant::now();
        }
        (self.progress, self.at_relay) = (now, at_relay);
    }

    /// Goes on with its own work.
    fn advance(&mut self, app: &mut App<Served>) -> Flow {
        self.tell_returned(app);
        self.note_progress(app);
        let was_open = self.items.is_some();
        self.keep(app);
        if self.items.is_none() && (was_open || self.state == KeepState::Begins) {
            self.end_input();
        }
        if app.chat().is_accepting(FaceId::OWN) {
            return Flow::Wait(None);
        }
        if self.items.is_some() {
            return self.send_on(app);
        }
        let is_done = self.queued(app) == 0;
        match self.state {
            KeepState::Begins => {
                self.call(app);
                return Flow::Again;
            }
            KeepState::RetryAt(at) if !is_done && at <= Instant::now() => {
                self.call(app);
                return Flow::Again;
            }
            KeepState::RetryAt(at) if !is_done && self.has_time() => {
                return Flow::Wait(Some(self.gives_up_at().map_or(at, |until| until.min(at))));
            }
            KeepState::Calls
                if !is_done
                    && self.waits_until().is_none_or(|until| until > Instant::now())
                    && self.reaches(app) =>
            {
                return Flow::Wait(self.tell_waiting(app).into_iter().chain(self.waits_until()).min());
            }
            KeepState::Calls if !is_done && self.retries_left > 0 && self.has_time() => {
                self.retries_left -= 1;
                self.retry(app);
                return Flow::Again;
            }
            KeepState::Ends => return Flow::Wait(None),
            KeepState::RetryAt(_) | KeepState::Calls => {
                self.state = KeepState::Serves(Instant::now().checked_add(SERVING_TOLD_AFTER));
                return Flow::Again;
            }
            KeepState::Serves(told_at) if self.faces.is_busy(app) && self.has_time() => {
                if told_at.is_some_and(|at| at <= Instant::now()) {
                    let message = "done; other commands send through this process, which ends after them";
                    emit(&OutputEvent::Warning { kind: "waiting", message: message.to_owned() }, self.format);
                    self.state = KeepState::Serves(None);
                    return Flow::Again;
                }
                return Flow::Wait(told_at.into_iter().chain(self.gives_up_at()).min());
            }
            KeepState::Serves(_) => {}
        }
        self.state = KeepState::Ends;
        app.handle(Input::ExitRequest(ExitRequest::Quit));
        Flow::Again
    }

    /// Goes on while the input does: what it has brought is sent, and who is not reached is called
    /// again.
    fn send_on(&mut self, app: &mut App<Served>) -> Flow {
        if self.calls.is_empty() || self.queued(app) == 0 {
            return Flow::Wait(None);
        }
        match self.state {
            KeepState::RetryAt(at) if at > Instant::now() => return Flow::Wait(Some(at)),
            KeepState::Begins | KeepState::RetryAt(_) => self.call(app),
            KeepState::Calls if self.reaches(app) => return Flow::Wait(self.tell_waiting(app)),
            KeepState::Calls => self.retry(app),
            KeepState::Serves(_) | KeepState::Ends => return Flow::Wait(None),
        }
        Flow::Again
    }

    /// Takes note that nothing is read any more: from now on what waits has its time, and who was
    /// to be called later is called now.
    fn end_input(&mut self) {
        self.last_progress = Instant::now();
        if let KeepState::RetryAt(_) = self.state {
            self.state = KeepState::RetryAt(self.last_progress);
        }
    }

    fn retry(&mut self, app: &App<Served>) {
        let delay = self.backoff.next_delay(app.chat().fingerprint());
        self.state = KeepState::RetryAt(Instant::now() + Duration::from_millis(delay));
        let message = format!("trying again in {} s", delay.div_ceil(1_000));
        emit(&OutputEvent::Notice { message }, self.format);
    }

    /// Says once what is waited for, and returns the moment for that: a peer has it on its disk.
    fn tell_waiting(&mut self, app: &App<Served>) -> Option<Instant> {
        let is_waiting = self.peers.keys().any(|peer| app.chat().delivered_to(*peer) > 0);
        let at = self.called_at + self.told_after.filter(|_| is_waiting)?;
        if at > Instant::now() {
            return Some(at);
        }
        self.told_after = None;
        tell_waiting(OTHER_SIDE, self.format);
        None
    }

    /// Whether somebody that something waits for is connected, or being called, or may get it by
    /// letter.
    fn reaches(&self, app: &App<Served>) -> bool {
        let gets_letters = |peer| self.relay == RelayUse::Letters && app.chat().leaves_letters_for(peer);
        self.waited_for(app).any(|peer| app.chat().reaches(peer) || gets_letters(peer))
    }

    /// Peers for whom something waits that is counted.
    fn waited_for(&self, app: &App<Served>) -> impl Iterator<Item = Fingerprint> {
        let waits = |(peer, upto): &(&Fingerprint, &u64)| self.waiting(app, **peer, **upto) > 0;
        self.peers.iter().filter(waits).map(|(peer, _)| *peer)
    }

    /// Calls those whom something waits for.
    fn call(&mut self, app: &mut App<Served>) {
        let waits = |peer: &Fingerprint| app.chat().waiting_to(*peer, u64::MAX) > 0;
        let called: Vec<_> =
            self.calls.iter().filter(|(peer, _)| waits(peer)).map(|(_, call)| call.clone()).collect();
        if called.is_empty() && self.relay == RelayUse::None {
            self.retries_left = 0;
        }
        self.called_at = Instant::now();
        self.state = KeepState::Calls;
        if let Some(to) = self.to.filter(|_| self.relay == RelayUse::Letters)
            && !app.chat().can_write_letters_to(to)
        {
            warn(no_letters(&app.chat().name_of_key(to)), self.format);
        }
        for call in called {
            app.handle(Input::Command(call));
        }
    }

    /// Keeps what was read.
    fn keep(&mut self, app: &mut App<Served>) {
        loop {
            match self.items.as_ref().map(Receiver::try_recv) {
                Some(Ok(more)) => self.messages.extend(more),
                Some(Err(TryRecvError::Disconnected)) => self.items = None,
                Some(Err(TryRecvError::Empty)) | None => break,
            }
        }
        let Some(to) = self.to.map(|to| to.to_string()) else { return };
        let messages = std::mem::take(&mut self.messages);
        if messages.is_empty() {
            return;
        }
        // Those that expired at the end of the outbox leave their numbers.
        self.first_own = self.to.map_or(0, |to| self.first_own.min(app.chat().next_number_to(to)));
        for item in messages {
            match item {
                InputItem::Message(text) => {
                    self.read += 1;
                    match self.expire {
                        Some(expire) => {
                            let expire_ms = expire.as_millis().try_into().unwrap_or(u64::MAX);
                            app.handle(Input::TextUntil { name: &to, text: &text, expire_ms });
                        }
                        None => app.handle(Input::TextTo { name: &to, text: &text }),
                    }
                    match app.sink().own.take_refusal() {
                        Some(why) => {
                            tell_refused(self.read, &beginning(text.as_bytes()), &why, self.format);
                        }
                        None => self.handed_over.push((self.read, text)),
                    }
                }
                InputItem::Refused { number, begins, why } => {
                    self.read += 1;
                    self.refused += 1;
                    tell_refused(number, &begins, &why.to_string(), self.format);
                }
                InputItem::Broken(why) => {
                    self.refused += 1;
                    let message = format!("cannot read the input: {why}");
                    emit(&OutputEvent::Error { kind: "input", message, hint: None }, self.format);
                }
                InputItem::End => self.items = None,
            }
        }
        for (peer, last) in &mut self.peers {
            if self.to == Some(*peer) {
                *last = app.chat().numbers_waiting_to(*peer).last().copied().unwrap_or(*last);
            }
        }
    }

    /// Tells which messages are not on disk, as a commit has failed.
    fn tell_returned(&mut self, app: &mut App<Served>) {
        while let Some((text, why)) = app.sink().own.take_returned() {
            let at = self.handed_over.iter().position(|(_, handed_over)| *handed_over == text);
            let number = at.map_or(0, |at| self.handed_over.remove(at).0);
            tell_refused(number, &beginning(text.as_bytes()), &why, self.format);
        }
        if !app.chat().is_accepting(FaceId::OWN) {
            self.handed_over.clear();
        }
    }

    /// Number of lines that the peers have not received, and cannot get at the relay.
    fn queued(&self, app: &App<Served>) -> usize {
        self.peers.iter().map(|(peer, upto)| self.waiting(app, *peer, *upto)).sum()
    }

    /// The same of one peer.
    fn waiting(&self, app: &App<Served>, peer: Fingerprint, upto: u64) -> usize {
        let at_relay = match self.relay {
            RelayUse::Letters => app.chat().at_relay_to(peer, upto),
            RelayUse::None => 0,
        };
        app.chat().waiting_to(peer, upto).saturating_sub(at_relay)
    }

    /// Number of lines at the relay that were handed over here.
    fn at_relay(&self, app: &App<Served>) -> usize {
        let upto_last = self.peers.iter().map(|(peer, upto)| app.chat().at_relay_to(*peer, *upto));
        let before = self.peers.keys().map(|peer| app.chat().at_relay_to(*peer, self.first_own - 1));
        match self.relay {
            RelayUse::Letters => upto_last.sum::<usize>() - before.sum::<usize>(),
            RelayUse::None => 0,
        }
    }

    /// Number of messages that were to be sent here and were taken back meanwhile. What an earlier
    /// command has left is not one of `--keep`.
    fn lost(&self, app: &App<Served>) -> u64 {
        if self.to.is_some() {
            return app.chat().lost_lines_of(FaceId::OWN);
        }
        let expired = self.before.iter().map(|(peer, before)| app.chat().expired_to(*peer, before));
        expired.sum::<usize>() as u64
    }

    /// Tells how it ends. `code` is that of the chat.
    pub(super) fn finish(&self, app: &mut App<Served>, code: u8, home: Option<&Path>) -> u8 {
        let of_waiting = app.sink().own.code_of_waiting;
        let queued = self.queued(app);
        let is_blocked = |peer: &Fingerprint| app.chat().is_blocked(*peer);
        let blocked: Vec<_> = self.waited_for(app).filter(|peer| is_blocked(peer)).collect();
        for peer in &blocked {
            tell_blocked(&app.chat().name_of_key(*peer), self.format, home);
        }
        let refused = self.refused + app.chat().refused_lines_of(FaceId::OWN);
        let lost = self.lost(app);
        let code = match code {
            0 | code::QUEUED if refused > 0 => code::FAILED,
            // Which messages these are, was said as it happened.
            0 | code::QUEUED if lost > 0 => code::LOST,
            0 | code::QUEUED if queued > 0 && !blocked.is_empty() => code::REFUSED,
            0 | code::QUEUED if queued > 0 => of_waiting,
            code::QUEUED => 0,
            code => code,
        };
        let at_relay = self.at_relay(app);
        let before = self.to.map_or(0, |to| self.waiting(app, to, self.first_own - 1));
        if queued > 0 {
            let there: usize = self.peers.keys().map(|peer| app.chat().delivered_to(*peer)).sum();
            let message = with_reason(of_waiting, not_received(queued, before, there.min(queued)));
            emit(&OutputEvent::Error { kind: "queued", message, hint: None }, self.format);
        }
        let messages = self.to.map(|_| self.read);
        let missing = (queued.saturating_sub(before) + at_relay) as u64 + refused + lost;
        let receipted = messages.map(|read| read.saturating_sub(missing));
        if let Some(to) = self.to.filter(|_| self.relay == RelayUse::Letters) {
            tell_at_relay(at_relay, &app.chat().name_of_key(to), self.format);
        }
        let at_relay = (self.relay == RelayUse::Letters).then_some(at_relay as u64);
        emit(
            &OutputEvent::Done(Done { code, messages, receipted, at_relay, ..Done::default() }),
            self.format,
        );
        code
    }
}
