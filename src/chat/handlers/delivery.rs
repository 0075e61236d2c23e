//! Handlers of durable delivery (`docs/PROTOCOL.md`, section 5.7): what is kept, what goes out when
//! a peer is there, and what a peer has.
//!
//! Law: what a change of the ledger allows is done once it is on disk, in the order of the changes.

use crate::chat::Chat;
use crate::chat::addressee::Echo;
use crate::chat::conversation::{Conversation, Peer};
use crate::chat::io::{CommitTiming, DeliveryProgress, DeliveryReport, Effect, ReturnCause};
use crate::chat::kept::{
    AfterCommit, Agreement, KeptMessages, PairStage, UnopenedStore, UnsureText, WithdrawalReason,
};
use crate::chat::letters::LetterStep;
use crate::chat::notice::{DeliveryInfo, DeliveryWarning, Info, Warning};
use crate::chat::types::{Audience, ExposureRecord, HeldMessage, PeerId, ReceiptDue};
use crate::crypto::{Fingerprint, Seed};
use crate::delivery::{
    Content, EnqueueError, Exposure, InboxRow, MessageState, Pairs, Reception, StoreBatch, StoredHistory,
    WaitingMessage,
};
use crate::ids::ConnId;
use crate::limits;
use crate::session::CloseReason;
use crate::time::UnixMs;
use crate::wire::{ByeReason, Count, PairNumber};

impl Chat {
    /// Takes what is kept on disk: from here on messages are kept until the other side has them.
    pub(crate) fn begin_keeping(&mut self, pairs: Pairs, history: StoredHistory, seed: Seed) {
        let kept = KeptMessages::new(pairs, history, seed);
        let unshown: Vec<_> = kept
            .ledger
            .unshown()
            .filter_map(|(peer, seq, row)| {
                let number = PairNumber { epoch: kept.ledger.inbound(peer)?.epoch, seq };
                let (sent, text, exposure) = (row.typed, row.text.to_vec(), row.exposure);
                let step = AfterCommit::ShowEarlier { peer, number, sent, text, exposure };
                Some((ReceiptDue { conn: None, peer: Some(peer), upto: Count::Pair(number) }, step))
            })
            .collect();
        self.account.keep_messages();
        self.kept = Some(kept);
        self.letters.is_changed = true;
        self.restore_transfers();
        self.forget_old_history();
        self.expire_kept();
        self.call_standing();
        for (due, step) in unshown {
            if self.audience == Audience::Present {
                self.expose(&due, Exposure::Shown);
            }
            self.after_commit(step);
        }
    }

    /// Takes note that the store cannot be opened, which is said once.
    pub(crate) fn note_unopened_store(&mut self, why: String) {
        let retry_at = self.now.mono + limits::STORE_RETRY_MS;
        let store = UnopenedStore { why: why.clone(), retry_at };
        if self.unopened_store.replace(store).is_none() {
            self.effects.warn(Warning::Delivery(DeliveryWarning::StoreUnusable { why }));
        }
    }

    /// Warning that nothing is kept, with the reason.
    pub(crate) fn nothing_is_kept(&self) -> Warning {
        let why = self.unopened_store.as_ref().map(|store| store.why.clone());
        Warning::Delivery(DeliveryWarning::NothingIsKept { why })
    }

    /// Takes note, as the program ends, of messages that were not given to all whom the disk names.
    pub(crate) fn note_never_given(&mut self, held: &[HeldMessage]) {
        for HeldMessage { due, exposure, .. } in held {
            self.set_exposure(due, |_| *exposure);
        }
    }

    /// Takes note that somebody is about to have messages: they are given once that is on disk.
    pub(crate) fn give(&mut self, held: Vec<HeldMessage>) {
        for HeldMessage { due, exposure, .. } in &held {
            self.expose(due, *exposure);
        }
        self.after_commit(AfterCommit::Give(held));
    }

    fn expose(&mut self, due: &ReceiptDue, exposure: Exposure) {
        self.set_exposure(due, |before| before.max(exposure));
    }

    fn set_exposure(&mut self, due: &ReceiptDue, change: impl FnOnce(Exposure) -> Exposure) {
        if let (Some(kept), Some(peer), Count::Pair(number)) = (&mut self.kept, due.peer, due.upto)
            && let Some(before) = kept.ledger.unshown_row(peer, number).map(|row| row.exposure)
        {
            kept.ledger.set_exposure(peer, number, change(before));
        }
    }

    /// Whether it is on disk that nobody has seen a message.
    pub(crate) fn is_unexposed(&self, due: &ReceiptDue) -> bool {
        let (Some(kept), Some(peer), Count::Pair(number)) = (&self.kept, due.peer, due.upto) else {
            return false;
        };
        kept.ledger.unshown_row(peer, number).is_some_and(|row| row.exposure == Exposure::None)
    }

    /// The peer, where messages to it are kept: one that was chosen, whose program can do the same
    /// while it is connected.
    pub(crate) fn keeps_for(&self, id: PeerId) -> Option<Fingerprint> {
        let conn = self.conversations.open_with(id).and_then(|conn| self.conversations.get(conn));
        let is_durable = conn.is_none_or(|conversation| conversation.session.is_durable());
        self.can_keep_for(id).filter(|_| is_durable && self.is_chosen(id))
    }

    /// The peer, where a text to it that waits is kept once the peer is chosen.
    pub(crate) fn can_keep_for(&self, id: PeerId) -> Option<Fingerprint> {
        let PeerId::Key(fingerprint) = id else { return None };
        let is_usable = self.kept.as_ref().is_some_and(|kept| kept.retry_at.is_none());
        (is_usable && !self.is_blocked(fingerprint)).then_some(fingerprint)
    }

    /// Keeps a text for a peer; it is accepted once it is on disk.
    pub(crate) fn keep_text(&mut self, peer: Fingerprint, text: &str, echo: Echo, expires: Option<UnixMs>) {
        let typed = self.now.unix;
        let is_connected = self.conversations.open_with(PeerId::Key(peer)).is_some();
        let Some(kept) = &mut self.kept else { return };
        let seq = match kept.ledger.enqueue(peer, text, typed, expires) {
            Ok(seq) => seq,
            Err(EnqueueError::OutboxFull) => {
                let name = self.name_of_key(peer);
                return self.refuse_line(Warning::Delivery(DeliveryWarning::OutboxFull { name }));
            }
            Err(error) => {
                return self.refuse_line(Warning::CommandError { what: format!("not sent: {error}") });
            }
        };
        if is_connected {
            kept.ledger.mark_sent(peer, seq);
        }
        let face = self.conversations.current_face();
        kept.next.push(AfterCommit::Accept { face, peer, seq, text: text.to_owned(), echo });
        self.note_said(peer, seq);
        self.keep_own(peer, text);
    }

    /// Asks for the commit of what has changed, and does what needs none.
    pub(crate) fn commit(&mut self) {
        loop {
            self.commit_alone();
            let Some(kept) = &mut self.kept else { return };
            let next = std::mem::take(&mut kept.next);
            if next.is_empty() {
                return;
            }
            if kept.commits.is_empty() {
                for step in next {
                    self.follow(step);
                }
            } else {
                self.push_commit(StoreBatch::default(), next, CommitTiming::AtOnce);
            }
        }
    }

    /// Asks for the commit of what has changed, if anything has: what changes afterwards is another
    /// one, for which a nearly full disk may have no room.
    pub(crate) fn commit_alone(&mut self) {
        let Some(kept) = &mut self.kept else { return };
        let settled = kept.ledger.take_settled();
        if !settled.is_empty() {
            kept.next.push(AfterCommit::Settled(settled));
        }
        let marks = kept.ledger.take_marks();
        let mut history = std::mem::take(&mut kept.history);
        history.extend(marks.iter().cloned());
        if !marks.is_empty() {
            kept.next.push(AfterCommit::Marked(marks));
        }
        let batch = StoreBatch { changes: kept.ledger.take_changes(), history };
        let timing = std::mem::take(&mut kept.timing);
        if batch.is_empty() {
            return;
        }
        let next = std::mem::take(&mut kept.next);
        // Nothing follows from what only makes room: that the peer has a text, or that one was
        // shown. It is found out once more where it is lost.
        let timing = if next.is_empty() && batch.history.is_empty() { timing } else { CommitTiming::AtOnce };
        self.push_commit(batch, next, timing);
    }

    fn push_commit(&mut self, batch: StoreBatch, next: Vec<AfterCommit>, timing: CommitTiming) {
        let Some(kept) = &mut self.kept else { return };
        kept.commits.push_back(next);
        self.letters.is_changed = true;
        self.effects.push(Effect::Commit(batch, timing));
    }

    /// Does something once what has changed is on disk.
    pub(crate) fn after_commit(&mut self, step: AfterCommit) {
        if let Some(kept) = &mut self.kept {
            kept.next.push(step);
        }
    }

    /// Opens a store again that could not be opened, and looks again at one that could not be read:
    /// an empty commit tells.
    pub(crate) fn retry_store(&mut self) {
        let now = self.now.mono;
        if let Some(store) = self.unopened_store.as_mut().filter(|store| now >= store.retry_at) {
            store.retry_at = now + limits::STORE_RETRY_MS;
            self.effects.push(Effect::OpenMessages);
        }
        if let Some(kept) = self.kept.as_mut().filter(|kept| kept.retry_at.is_some_and(|due| now >= due)) {
            kept.retry_at = Some(now + limits::STORE_RETRY_MS);
            kept.commits.push_back(Vec::new());
            self.effects.push(Effect::Commit(StoreBatch::default(), CommitTiming::AtOnce));
        }
    }

    /// Takes the result of the oldest commit.
    pub(crate) fn handle_committed(&mut self, result: Result<(), (String, Option<Pairs>)>) {
        let Some(steps) = self.kept.as_mut().and_then(|kept| kept.commits.pop_front()) else { return };
        self.letters.is_changed = true;
        match result {
            Ok(()) => {
                if let Some(kept) = &mut self.kept {
                    kept.retry_at = None;
                }
                for step in steps {
                    self.follow(step);
                }
            }
            Err((why, pairs)) => self.handle_failed_commit(steps, &why, pairs),
        }
    }

    /// Nothing of the steps is done: what was typed goes back, and the connections whose messages
    /// could not be kept close, so that their senders keep them.
    fn handle_failed_commit(&mut self, steps: Vec<AfterCommit>, why: &str, pairs: Option<Pairs>) {
        let retry_at = self.now.mono + limits::STORE_RETRY_MS;
        let is_reloaded = pairs.is_some();
        if let Some(kept) = &mut self.kept {
            match pairs {
                Some(pairs) => {
                    kept.ledger.reload(pairs);
                    (kept.failing, kept.retry_at) = (kept.commits.len(), None);
                }
                None if kept.failing > 0 => kept.failing -= 1,
                None => kept.retry_at = Some(retry_at),
            }
        }
        let (mut closing, mut unsure) = (Vec::new(), Vec::new());
        let mut returned = Vec::new();
        let mut still_waiting = Vec::new();
        let (mut is_forgotten, mut has_expired) = (false, false);
        for step in steps {
            match step {
                AfterCommit::Accept { face, peer, text, .. } => returned.push((face, peer, text)),
                AfterCommit::Resume { conn, .. }
                | AfterCommit::Resumed { conn, .. }
                | AfterCommit::Keep { conn, .. } => closing.push(conn),
                AfterCommit::Show { conn, peer, number, sent, text } => {
                    closing.push(conn);
                    unsure.push(UnsureText { peer, number, sent, text });
                }
                AfterCommit::TakenBack { face, peer, .. } => still_waiting.push((face, peer)),
                AfterCommit::Expired { .. } => has_expired = true,
                AfterCommit::ShowEarlier { peer, number, sent, text, exposure } => {
                    self.show_earlier(peer, number, sent, text, exposure.max(Exposure::Shown));
                }
                // The next `Resume` tells again; what is not taken back is not marked.
                AfterCommit::Settled(_) | AfterCommit::Marked(_) | AfterCommit::Lost { .. } => {}
                AfterCommit::Give(held) => {
                    self.effects.push(Effect::Give { held, record: ExposureRecord::Failed });
                }
                AfterCommit::Transfer(step) => self.take_transfer_step(step),
                AfterCommit::Remembered => is_forgotten = true,
                AfterCommit::ToAll(text) => self.show_to_all(text.without_kept()),
                AfterCommit::Letter(step) => {
                    self.fail_letter(&step, why);
                    if let LetterStep::Show { peer, number, sent, text } = step {
                        unsure.push(UnsureText { peer, number, sent, text });
                    }
                }
            }
        }
        self.show_kept_in_spite(unsure, is_reloaded);
        if is_forgotten {
            let why = why.to_owned();
            self.effects.warn(Warning::Delivery(DeliveryWarning::NotInHistory { why }));
        }
        for (face, peer, text) in returned {
            self.questions.retract(PeerId::Key(peer), &text);
            let (name, why) = (self.name_of_key(peer), why.to_owned());
            self.in_face(face, |chat| {
                chat.refuse_line(Warning::Delivery(DeliveryWarning::NotKept { name, why }));
                chat.return_line(face, &text, ReturnCause::Refused);
            });
        }
        for (face, peer) in still_waiting {
            let (name, why) = (self.name_of_key(peer), why.to_owned());
            self.in_face(face, |chat| {
                chat.refuse_line(Warning::Delivery(DeliveryWarning::NotTakenBack { name, why }));
            });
        }
        if let Some(kept) = self.kept.as_mut().filter(|_| has_expired) {
            kept.expire_at = Some(retry_at);
        }
        closing.sort_unstable();
        closing.dedup();
        for conn in closing {
            self.close_without_room(conn, why);
        }
    }

    /// Shows texts that a commit has brought to the disk although it failed, as far as the store
    /// tells: nobody sends them again.
    fn show_kept_in_spite(&mut self, unsure: Vec<UnsureText>, is_reloaded: bool) {
        let Some(kept) = &mut self.kept else { return };
        kept.unsure.extend(unsure);
        if !is_reloaded {
            return;
        }
        for UnsureText { peer, number, sent, text } in std::mem::take(&mut kept.unsure) {
            if kept.ledger.unshown_row(peer, number).is_some_and(|row| *row.text == *text) {
                let exposure = Exposure::None;
                kept.next.push(AfterCommit::ShowEarlier { peer, number, sent, text, exposure });
            }
        }
    }

    fn follow(&mut self, step: AfterCommit) {
        match step {
            AfterCommit::Accept { face, peer, seq, text, echo } => {
                self.in_face(face, |chat| chat.accept_text(peer, seq, &text, echo));
            }
            AfterCommit::Resume { conn, resume, agreement } => {
                self.send_resume(conn, &resume);
                if agreement == Agreement::Agreed
                    && let Some(peer) = self.conversations.peer_of(conn).and_then(Peer::fingerprint)
                {
                    self.begin_sending(conn, peer, PairStage::Ready);
                }
            }
            AfterCommit::Resumed { conn, on_disk } => self.take_over_resume(conn, on_disk),
            AfterCommit::Show { conn, peer, number, sent, text } => {
                self.with_session(conn, |session| session.kept(number));
                let due = ReceiptDue { conn: Some(conn), peer: Some(peer), upto: Count::Pair(number) };
                self.receive(due, sent, text);
            }
            AfterCommit::ShowEarlier { peer, number, sent, text, exposure } => {
                self.show_earlier(peer, number, sent, text, exposure);
            }
            AfterCommit::Keep { conn, number } => {
                let shown = self.shown_upto(conn, number);
                self.with_session(conn, |session| {
                    session.kept(number);
                    session.ack(Count::Pair(shown));
                });
            }
            AfterCommit::Transfer(step) => self.take_transfer_step(step),
            AfterCommit::TakenBack { face, peer, withdrawals } => self.in_face(face, |chat| {
                chat.tell_taken_back(peer, &withdrawals, WithdrawalReason::Asked);
            }),
            AfterCommit::Expired { peer, withdrawals } => {
                self.tell_taken_back(peer, &withdrawals, WithdrawalReason::Expired);
            }
            AfterCommit::Settled(settled) => self.tell_settled(&settled),
            AfterCommit::Lost { face, peer, numbers, reason } => {
                self.in_face(face, |chat| chat.lose_said(peer, &numbers, reason));
            }
            AfterCommit::Marked(marks) => marks.iter().for_each(|mark| self.history.mark(mark)),
            AfterCommit::Give(held) => {
                self.effects.push(Effect::Give { held, record: ExposureRecord::Written });
            }
            AfterCommit::Remembered => {}
            AfterCommit::ToAll(text) => self.show_to_all(text),
            AfterCommit::Letter(step) => self.follow_letter(step),
        }
    }

    fn accept_text(&mut self, peer: Fingerprint, seq: u64, text: &str, echo: Echo) {
        let Some(kept) = &mut self.kept else { return };
        kept.ledger.committed(peer, seq);
        // Another may have had its number, and been taken back.
        kept.expired.remove(&(peer, seq));
        let id = PeerId::Key(peer);
        // One that closes waits for what was accepted.
        let conn = self.conversations.with_peer(id).find(|(_, one)| one.is_lasting()).map(|(conn, _)| conn);
        let state = if conn.is_some() { MessageState::Unconfirmed } else { MessageState::Queued };
        let message = self.record_own(id, text, seq, state);
        self.show_said(message, echo);
        if let Some(conn) = conn {
            return self.pump(conn);
        }
        // Once for each absence.
        if self.kept.as_mut().is_some_and(|kept| kept.told.insert(peer)) {
            let (name, by) = (self.name_of_key(peer), self.later_by(peer));
            self.effects.info(Info::Delivery(DeliveryInfo::Queued { name, by }));
        }
    }

    /// Forgets what was in memory only of a peer that has left.
    pub(crate) fn leave_pair(&mut self, conversation: &Conversation, reason: &CloseReason) {
        let Some(peer) = conversation.peer.as_ref().and_then(Peer::fingerprint) else { return };
        // Another connection with it counts on.
        let stays = self.conversations.with_peer(PeerId::Key(peer)).any(|(_, one)| one.is_lasting());
        if stays || !conversation.is_lasting() {
            return;
        }
        self.letters.is_changed = true;
        let is_told = self.is_without_room(Some(peer)) && !conversation.withheld.is_empty();
        let Some(kept) = &mut self.kept else { return };
        kept.ledger.forget_in_memory(peer);
        let waiting = kept.ledger.waiting_count(peer);
        if self.is_chosen(PeerId::Key(peer)) && !is_told {
            // One that replaced it stands, or is about to.
            let closed_here = *reason == CloseReason::LocalClose && conversation.successor.is_none();
            let progress = DeliveryProgress::Away { waiting, closed_here };
            let report = DeliveryReport { to: conversation.name(), fingerprint: Some(peer), progress };
            self.effects.push(Effect::Delivery(report));
        }
    }

    /// Whether something waits for the disk.
    pub(crate) fn is_committing(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.is_settled())
    }

    /// Sends what waits, from here on as it comes.
    pub(super) fn begin_sending(&mut self, conn: ConnId, peer: Fingerprint, stage: PairStage) {
        let (Some(kept), Some(conversation)) = (&mut self.kept, self.conversations.get_mut(conn)) else {
            return;
        };
        let first = kept.ledger.first_to_send(peer);
        let received = kept.ledger.progress(peer).map_or(0, |(_, received)| received);
        let before = std::mem::replace(&mut conversation.pair.stage, stage);
        if before == PairStage::Resuming {
            conversation.pair.sent = conversation.pair.sent.max(first - 1);
            let waited = conversation.pair.waited;
            let goes_out = |one: &WaitingMessage| one.state != MessageState::Delivered && one.seq <= waited;
            let count = kept.ledger.waiting(peer).filter(goes_out).count();
            kept.told.remove(&peer);
            if count > 0 {
                let name = self.name_of_key(peer);
                let what = DeliveryInfo::GoesOut { name, fingerprint: peer, count };
                self.show_or_withhold(conn, Info::Delivery(what));
            }
        }
        self.note_progress(peer, received);
        if stage == PairStage::Ready {
            self.begin_letters(conn);
        }
        self.pump(conn);
    }

    /// Sends what is on disk and has not gone out here, as much as the connection takes.
    pub(crate) fn pump(&mut self, conn: ConnId) {
        let now = self.now.mono;
        let (Some(kept), Some(conversation)) = (&mut self.kept, self.conversations.get_mut(conn)) else {
            return;
        };
        let Some(peer) = conversation.peer.as_ref().and_then(Peer::fingerprint) else { return };
        if !conversation.pair.stage.is_sending() || conversation.session.is_ending() {
            return;
        }
        while conversation.unacked.has_room()
            && let Some((seq, row)) = kept.ledger.next_to_send(peer, conversation.pair.sent)
        {
            let sent = match &row.content {
                Content::Text(text) => {
                    let sent = conversation.session.send_numbered(seq, text, row.typed);
                    if sent.is_ok() {
                        conversation.unacked.push(seq, text, now);
                    }
                    sent
                }
                Content::Skip => conversation.session.skip(seq),
            };
            if sent.is_err() {
                break;
            }
            conversation.pair.sent = seq;
        }
        self.drain(conn);
        self.probe_reading(conn);
    }

    /// Sends what was kept to a peer whose program keeps nothing: it counts for the connection.
    pub(super) fn send_kept_before(&mut self, conn: ConnId, peer: Fingerprint) {
        let (now, typed_now) = (self.now.mono, self.now.unix);
        let (Some(kept), Some(conversation)) = (&mut self.kept, self.conversations.get_mut(conn)) else {
            return;
        };
        let waiting: Vec<_> = kept.ledger.waiting(peer).collect();
        if waiting.is_empty() {
            return;
        }
        kept.ledger.mark_sent(peer, kept.ledger.next_number(peer) - 1);
        kept.timing = CommitTiming::AtOnce;
        let count = waiting.len();
        for message in waiting {
            if let Ok(number) = conversation.session.send(now, &message.text, typed_now.min(message.typed)) {
                conversation.unacked.push(number, &message.text, now);
                conversation.pair.on_connection.push_back((number, message.seq));
            }
        }
        let name = self.name_of_key(peer);
        self.effects.info(Info::Delivery(DeliveryInfo::GoesOut { name, fingerprint: peer, count }));
        self.hint_at_loss(conn);
        self.drain(conn);
    }

    /// Reports how far messages to a connected peer are.
    pub(crate) fn report_delivery(&mut self, conn: ConnId, progress: DeliveryProgress) {
        if let Some(conversation) = self.conversations.get(conn) {
            let fingerprint = conversation.peer.as_ref().and_then(Peer::fingerprint);
            let report = DeliveryReport { to: conversation.name(), fingerprint, progress };
            self.effects.push(Effect::Delivery(report));
        }
    }

    /// Takes a text of a peer whose numbers count for the pair.
    pub(crate) fn receive_numbered(&mut self, conn: ConnId, number: PairNumber, sent: UnixMs, text: Vec<u8>) {
        let Some(peer) = self.conversations.peer_of(conn).and_then(Peer::fingerprint) else { return };
        let Some(kept) = &mut self.kept else { return };
        if kept.retry_at.is_some() {
            return self.close_unheard(conn, ByeReason::OutputFailed);
        }
        let exposure = match self.audience {
            Audience::Present => Exposure::Shown,
            Audience::Absent => Exposure::None,
        };
        let row = InboxRow { typed: sent, text: text.as_slice().into(), exposure };
        match kept.ledger.receive(peer, number.seq, row) {
            Reception::New => {
                self.keep_received(peer, &text);
                self.after_commit(AfterCommit::Show { conn, peer, number, sent, text });
                self.commit_alone();
            }
            Reception::Repeated => kept.next.push(AfterCommit::Keep { conn, number }),
            Reception::OutOfOrder => self.close_out_of_order(conn, number),
        }
    }

    /// Ends a session with a peer that left out a message: what came behind it is not taken.
    fn close_out_of_order(&mut self, conn: ConnId, number: PairNumber) {
        self.with_session(conn, |session| {
            session.forgo(Count::Pair(number));
            session.violate();
        });
    }

    /// Takes note that a peer took a message back.
    pub(crate) fn handle_skipped(&mut self, conn: ConnId, number: PairNumber) {
        let Some(peer) = self.conversations.peer_of(conn).and_then(Peer::fingerprint) else { return };
        let Some(kept) = &mut self.kept else { return };
        match kept.ledger.receive_skip(peer, number.seq) {
            Reception::OutOfOrder => self.close_out_of_order(conn, number),
            Reception::New | Reception::Repeated => {
                kept.next.push(AfterCommit::Keep { conn, number });
                if self.is_without_room(Some(peer)) {
                    self.release_withheld(conn);
                }
            }
        }
    }

    /// Whether messages wait that can still go out on a connection that closes.
    pub(crate) fn has_unsent(&self, conn: ConnId) -> bool {
        let (Some(kept), Some(conversation)) = (&self.kept, self.conversations.get(conn)) else {
            return false;
        };
        let peer = conversation.peer.as_ref().and_then(Peer::fingerprint);
        conversation.pair.stage != PairStage::Silent
            && peer.is_some_and(|peer| {
                kept.ledger
                    .next_to_send(peer, conversation.pair.sent.max(kept.ledger.first_to_send(peer) - 1))
                    .is_some()
            })
    }
}
