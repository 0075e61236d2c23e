//! Handlers of connections and of the events of their sessions: joining, messages, receipts.

use std::net::SocketAddr;

use crate::chat::Chat;
use crate::chat::change_reply::ChangeReply;
use crate::chat::conversation::{Conversation, Peer};
use crate::chat::history::Acquaintance;
use crate::chat::io::{DeliveryProgress, Effect};
use crate::chat::notice::{Info, KeyStatus, Notice, Warning};
use crate::chat::questions::ReadingProof;
use crate::chat::stranger_rows::StrangerCounts;
use crate::chat::trust_policy::neighbour;
use crate::chat::types::{AcceptPolicy, Origin, PeerId, Protocol, ReceiptDue, TrustLevel};
use crate::crypto::{Fingerprint, RsaJob, Seed};
use crate::ids::{ConnId, DialId, JobQueue, ListenerId};
use crate::limits;
use crate::peers::address::Target;
use crate::peers::book::{Change, PeerEntry, Trust};
use crate::peers::met::{MetChange, MetPeer};
use crate::peers::name::Name;
use crate::session::{AnySession, Event, Output, Role};
use crate::wire::{ByeReason, Count, Lifetime};

impl Chat {
    /// Calls one session, then drains it.
    pub(crate) fn with_session(&mut self, conn: ConnId, call: impl FnOnce(&mut AnySession)) {
        if let Some(conversation) = self.conversations.get_mut(conn) {
            call(&mut conversation.session);
            self.drain(conn);
        }
    }

    /// Ends a session in order, with the reason for the peer.
    pub(crate) fn close_session(&mut self, conn: ConnId, reason: ByeReason) {
        let now = self.now.mono;
        self.with_session(conn, |session| session.close(now, reason));
    }

    /// Calls the session that a receipt goes to, if there is one.
    pub(crate) fn with_session_of(&mut self, due: ReceiptDue, call: impl FnOnce(&mut AnySession)) {
        if let Some(conn) = due.conn {
            self.with_session(conn, call);
        }
    }

    /// Takes every output of a session.
    pub(crate) fn drain(&mut self, conn: ConnId) {
        // Nothing of a peer is taken while the second judgement of its key waits for the book.
        let next = |conversation: &mut Conversation| match conversation.claim {
            Some(_) => None,
            None => conversation.session.poll_output(),
        };
        while let Some(output) = self.conversations.get_mut(conn).and_then(next) {
            match output {
                Output::Transmit(bytes) => self.effects.push(Effect::Transmit { conn, bytes }),
                Output::Job(job) => self.start_job(conn, job),
                Output::WantSeed => self.effects.push(Effect::Seed { conn }),
                Output::Event(event) => self.handle_event(conn, event),
            }
        }
    }

    pub(crate) fn warn_limited(&mut self, warning: Warning) {
        self.effects.warn_limited(warning, self.now.mono);
    }

    pub(crate) fn handle_accepted(
        &mut self,
        conn: ConnId,
        listener: ListenerId,
        from: SocketAddr,
        seed: Seed,
    ) {
        let session = self.listeners.get(&listener).and_then(|listener| {
            let accept = listener.options.accept.unwrap_or(self.accept);
            let protocol = listener.options.protocol;
            Some((accept, self.account.session(protocol, Role::Responder, None, seed, self.now.mono)?))
        });
        let Some((accept, session)) = session else { return self.effects.push(Effect::Close(conn)) };
        let most = self.capacity + limits::UNAUTHENTICATED_CONNECTIONS;
        if self.conversations.len() >= most || self.shutdown.is_some() {
            self.effects.push(Effect::Close(conn));
            return self.warn_limited(Warning::TooManyPeers { limit: self.capacity });
        }
        if let AnySession::Oaep(_) = session {
            self.evict_silent_oaep_caller();
        }
        let mut conversation = Conversation::new(session, Origin::Inbound { from, accept });
        conversation.listener = Some(listener);
        self.conversations.insert(conn, conversation);
        self.drain(conn);
    }

    pub(crate) fn handle_connected(
        &mut self,
        dial: DialId,
        conn: ConnId,
        to: Option<SocketAddr>,
        seed: Seed,
    ) {
        let Some(begun) = self.dials.remove(&dial) else {
            return self.effects.push(Effect::Close(conn));
        };
        let protocol = begun.options.protocol;
        let introduction = begun.options.introduction.clone();
        let session = self.account.session(protocol, Role::Initiator, introduction, seed, self.now.mono);
        let Some(session) = session else {
            self.give_up_dial(dial, &begun);
            return self.effects.push(Effect::Close(conn));
        };
        let mut conversation = Conversation::new(session, Origin::Outbound { dial: begun.options, to });
        conversation.waiting = begun.waiting;
        conversation.busy_calls = begun.busy_calls;
        conversation.redial = begun.redial;
        self.conversations.insert(conn, conversation);
        self.conversations.dial_connected(dial, conn);
        self.drain(conn);
    }

    /// Takes the end of a stream. Unless the session has closed, the connection is lost.
    pub(crate) fn handle_eof(&mut self, conn: ConnId, error: Option<String>) {
        if let Some(conversation) = self.conversations.get_mut(conn) {
            conversation.stream_error = error;
            let now = self.now.mono;
            self.with_session(conn, |session| session.handle_eof(now));
        }
    }

    pub(crate) fn handle_timeout(&mut self) {
        let now = self.now.mono;
        for conn in self.conversations.due(now) {
            if let Some(conversation) = self.conversations.get_mut(conn)
                && conversation.session.awaits_ack()
            {
                // Its sender waits for us.
                conversation.extend_idle(now);
            }
            let deadline = self.conversations.get(conn).and_then(Conversation::close_deadline);
            if deadline.is_some_and(|due| now >= due) {
                let bye = self.bye();
                self.close_session(conn, bye);
            }
            self.with_session(conn, |session| session.handle_timeout(now));
        }
        if let Some(seconds) = self.keygen.as_mut().and_then(|keygen| keygen.report(now)) {
            self.effects.info(Info::StillMaking { seconds });
        }
        self.begin_due_dials();
        self.give_up_questions();
        self.retry_store();
        self.end_waits();
        self.hint_at_not_chosen();
        self.forget_due_history();
        self.report_all_written();
        self.end_expired_offers();
        self.effects.handle_timeout(now);
        if let Some(StrangerCounts { joined, left }) = self.stranger_rows.take_due(now) {
            self.effects.info(Info::Strangers { joined, left });
        }
    }

    /// Starts a job. One that an unauthenticated caller causes at no cost to itself waits in a
    /// bounded queue.
    fn start_job(&mut self, conn: ConnId, job: RsaJob) {
        let conversation = self.conversations.get(conn);
        let is_inbound = conversation.is_some_and(|conversation| conversation.origin.is_inbound());
        let is_known = conversation.is_some_and(|conversation| conversation.peer.is_some());
        // In the place of message 4, to whomever: the answer says nothing about a key.
        if is_inbound && matches!(job, RsaJob::Decapsulate { .. }) && self.is_full() {
            self.refuse_seat();
            return self.with_session(conn, AnySession::handle_overload);
        }
        let queue = match job {
            RsaJob::Decapsulate { .. } if is_inbound => JobQueue::Unauthenticated,
            // On the raw wire no key is ever proved; a caller that has shown that it knows ours
            // counts as known.
            RsaJob::CheckPem { .. } | RsaJob::OpenBlock { .. } if is_inbound && !is_known => {
                JobQueue::Unauthenticated
            }
            _ => JobQueue::Authenticated,
        };
        self.effects.push(Effect::Job { conn, job, queue });
    }

    fn handle_event(&mut self, conn: ConnId, event: Event) {
        match event {
            Event::PeerKey(key) => {
                if let Some(conversation) = self.conversations.get_mut(conn) {
                    conversation.key = Some(key.fingerprint());
                    self.effects.push(Effect::ReadBook { conn });
                }
            }
            Event::Established { name, options } => {
                if let Some(conversation) = self.conversations.get_mut(conn) {
                    // Who was called does not say how long the connection stands.
                    if conversation.origin.is_inbound() {
                        conversation.lifetime = Lifetime::of_options(options);
                    }
                    conversation.claim = Some(name);
                    self.effects.push(Effect::ReadBook { conn });
                }
            }
            Event::Presented => self.show_knocked(conn),
            Event::Introduced { introduction, name } => self.handle_introduction(conn, introduction, &name),
            Event::Message { count: Count::Pair(number), sent, text } => {
                self.receive_numbered(conn, number, sent, text);
            }
            Event::Message { count: upto, sent, text } => {
                self.receive(ReceiptDue { conn: Some(conn), peer: None, upto }, sent, text);
            }
            Event::Acked { upto } => {
                self.note_questions_read(conn, ReadingProof::Receipt);
                let acked = self
                    .conversations
                    .get_mut(conn)
                    .map_or(0, |conversation| conversation.unacked.ack(upto.number()));
                let (texts, upto) = match upto {
                    Count::Pair(number) => (self.handle_pair_receipt(conn, number), number.seq),
                    Count::Connection(number) => {
                        (acked, self.handle_kept_before(conn, number).unwrap_or(number))
                    }
                };
                self.counters.acked += texts;
                self.report_delivery(conn, DeliveryProgress::Received(upto));
                self.pump(conn);
            }
            Event::Resumed(resume) => self.handle_resumed(conn, &resume),
            Event::ResumeDeclined => self.handle_resume_declined(conn),
            Event::HasRead => self.note_questions_read(conn, ReadingProof::Probe),
            Event::Skipped(number) => self.handle_skipped(conn, number),
            Event::Kept { upto } => self.handle_kept(conn, upto),
            Event::NextKey(next) => self.show_next_key(conn, next),
            Event::LetterKey(offered) => self.handle_letter_key(conn, offered),
            Event::Transfer(record) => self.handle_transfer_record(conn, record),
            Event::Oaep(event) => self.handle_oaep_event(conn, event),
            Event::Closed(reason) => self.handle_closed(conn, reason),
        }
    }

    /// Shows which key a peer that was chosen will have next, as the peer says. Nothing is accepted
    /// by it.
    fn show_next_key(&mut self, conn: ConnId, next: Fingerprint) {
        let Some(conversation) = self.conversations.get_mut(conn) else { return };
        let is_chosen = conversation.acquaintance() == Acquaintance::Chosen;
        if !is_chosen || conversation.next_key.replace(next) == Some(next) {
            return;
        }
        if let Some(peer) = &conversation.peer {
            let (name, fingerprint) = (peer.name.to_string(), peer.fingerprint());
            self.effects.info(Info::NextKey { name, fingerprint, next });
        }
    }

    /// Closes a connection without taking anything more that came by it.
    pub(crate) fn close_unheard(&mut self, conn: ConnId, reason: ByeReason) {
        let Some(conversation) = self.conversations.get_mut(conn) else { return };
        conversation.claim = None;
        conversation.closed_for = Some(reason);
        conversation.session.close(self.now.mono, reason);
        while let Some(output) =
            self.conversations.get_mut(conn).and_then(|conversation| conversation.session.poll_output())
        {
            match output {
                Output::Transmit(bytes) => self.effects.push(Effect::Transmit { conn, bytes }),
                Output::Event(Event::Closed(reason)) => self.handle_closed(conn, reason),
                Output::Job(_) | Output::WantSeed | Output::Event(_) => {}
            }
        }
    }

    /// Gives the peer of an established session its name and shows it as joined.
    pub(crate) fn handle_established(&mut self, conn: ConnId, claimed: &[u8]) {
        let Some(conversation) = self.conversations.get(conn) else { return };
        let Some(fingerprint) = conversation.key else { return };
        let (lifetime, origin) = (conversation.lifetime, conversation.origin.clone());
        // A short-lived connection stands beside others of the same key.
        if lifetime == Lifetime::Lasting && !self.resolve_rival(conn, fingerprint) {
            return;
        }
        let claimed = Name::claimed(claimed);
        let status = match self.book.by_fingerprint(&fingerprint) {
            Some(entry) if entry.trust != Trust::Met => KeyStatus::Known(entry.trust.into()),
            None if self.met.by_fingerprint(&fingerprint).is_none() => KeyStatus::New,
            _ => KeyStatus::Met,
        };
        let status = self.status_of_introduced(conn, status);
        let is_first = self.names.of(PeerId::Key(fingerprint)).is_none();
        let name = self.show_name(fingerprint, &claimed);
        if lifetime == Lifetime::Short && self.short_connections(fingerprint) >= limits::SHORT_CONNECTIONS {
            self.warn_limited(Warning::TooManySenders { name: name.to_string() });
            return self.close_unheard(conn, ByeReason::Leaving);
        }
        let acquaintance = self.acquaintance_of(conn, fingerprint);
        if !self.take_seat(conn, acquaintance) {
            return self.close_unheard(conn, ByeReason::Leaving);
        }
        let sharing = neighbour(&self.book, &origin, fingerprint);
        let sharing = sharing.map(|(peer, address)| (peer.name.to_string(), address.to_string()));
        let before = self.claim_before(fingerprint, &claimed);
        let standing = self.remember(conn, fingerprint, &name, &claimed);
        let trust_level = match status {
            KeyStatus::Known(trust_level) if standing != TrustLevel::Verified => trust_level,
            _ => standing,
        };
        let status = if standing == TrustLevel::Verified { KeyStatus::Known(standing) } else { status };
        let is_new = !matches!(status, KeyStatus::Known(_));
        self.effects.push(Effect::Authenticated(conn, Protocol::Native));
        let mark = self.effects.mark();
        match (lifetime, &status) {
            (Lifetime::Lasting, _) => {
                self.effects.info(Info::Joined { name: name.to_string(), fingerprint, status, trust_level });
            }
            (Lifetime::Short, KeyStatus::New | KeyStatus::Invited) => {
                self.effects.info(Info::NewSender { name: name.to_string(), fingerprint });
            }
            (Lifetime::Short, KeyStatus::Met | KeyStatus::AsInvited | KeyStatus::Known(_)) => {}
        }
        if let Some((other, address)) = sharing {
            let (name, at) = (name.to_string(), origin.to_string());
            self.effects.warn(Warning::SharedPlace { name, at, other, address });
        }
        if is_new && is_first {
            self.warn_of_impostor(fingerprint, &name, &claimed, before);
        }
        let rows = self.effects.take_since(mark);
        self.show_arrival(conn, rows);
        self.names.claim(fingerprint, &claimed);
        self.set_peer(conn, &name, PeerId::Key(fingerprint), trust_level);
        self.offer_again(conn);
    }

    /// Shows that a peer joins, unless too many do that nobody chose: then it is counted, and shown
    /// before the first text of the peer.
    pub(crate) fn show_arrival(&mut self, conn: ConnId, rows: Vec<Notice>) {
        let now = self.now.mono;
        let key = self.conversations.get(conn).and_then(|conversation| conversation.key);
        let is_without_room = self.is_without_room(key);
        let Some(conversation) = self.conversations.get_mut(conn).filter(|_| !rows.is_empty()) else {
            return;
        };
        let is_asked_for = !conversation.origin.is_inbound() && conversation.redial.is_none();
        if is_without_room && conversation.is_lasting() && !is_asked_for {
            conversation.withheld = rows;
            return;
        }
        if conversation.acquaintance() == Acquaintance::Met && !self.stranger_rows.admits(now) {
            conversation.withheld = rows;
            self.stranger_rows.count(now, StrangerCounts { joined: 1, left: 0 });
        } else {
            for row in rows {
                self.effects.show(row);
            }
        }
    }

    pub(crate) fn set_peer(&mut self, conn: ConnId, name: &Name, id: PeerId, trust_level: TrustLevel) {
        let Some(conversation) = self.conversations.get_mut(conn) else { return };
        self.counters.roster += 1;
        let joined = self.counters.roster;
        conversation.peer = Some(Peer::new(name.clone(), id, trust_level, self.now.unix, joined));
        conversation.extend_idle(self.now.mono);
        if !conversation.is_lasting() {
            return;
        }
        let waiting = std::mem::take(&mut conversation.waiting);
        if let Some(redial) = &mut conversation.redial {
            redial.backoff.answer(self.now.mono);
        }
        if let PeerId::Key(fingerprint) = id {
            self.drop_redial(fingerprint);
        }
        self.begin_pair(conn);
        self.conversations.connection_answered(conn, id, name);
        let is_new = matches!(id, PeerId::Key(_)) && !self.is_chosen(id);
        for face in self.conversations.face_ids() {
            if self.is_first_caller(face, conn, id) {
                self.conversations.address_in(face, id, name.clone());
                let status = if is_new { KeyStatus::New } else { KeyStatus::Known(trust_level) };
                let name = name.to_string();
                self.in_face(face, |chat| chat.effects.info(Info::NowTalking { name, status }));
            }
        }
        self.send_waiting(conn, waiting);
    }

    /// Number of established short-lived connections of a key.
    fn short_connections(&self, fingerprint: Fingerprint) -> usize {
        let all = self.conversations.with_peer(PeerId::Key(fingerprint));
        all.filter(|(_, one)| !one.is_lasting()).count()
    }

    /// Writes a peer that was dialled, with its address, into the book, and one that only called
    /// into the list of the met; a pinned key is verified. Returns the standing that this gives.
    fn remember(
        &mut self,
        conn: ConnId,
        fingerprint: Fingerprint,
        name: &Name,
        claimed: &Name,
    ) -> TrustLevel {
        let origin = self.conversations.get(conn).map(|conversation| conversation.origin.clone());
        let (address, is_pinned) = match &origin {
            Some(Origin::Outbound { dial, .. }) => (Some(dial.target.clone()), dial.pin.is_some()),
            Some(Origin::Inbound { accept: AcceptPolicy::Pinned(_), .. }) => (None, true),
            _ => (None, false),
        };
        let entry = self.book.by_fingerprint(&fingerprint);
        let is_known = entry.is_some_and(|entry| entry.trust != Trust::Met);
        if let Some(Origin::Inbound { from, .. }) = origin
            && !is_known
            && !is_pinned
        {
            let (seen, claimed) = (self.now.unix, claimed.clone());
            let peer = MetPeer { fingerprint, seen, source: from.ip(), claimed };
            // There are a few hundred of them, and may be thousands of peers.
            let keys = self.met.peers().map(|peer| peer.fingerprint);
            let is_connected =
                |key: &Fingerprint| self.conversations.with_peer(PeerId::Key(*key)).next().is_some();
            let connected = keys.filter(is_connected).collect();
            let called = MetChange::Called { peer, connected };
            self.met.apply(&called);
            self.effects.push(Effect::ChangeMet(called));
            return TrustLevel::Met;
        }
        let is_there = address
            .as_ref()
            .is_none_or(|there| entry.is_some_and(|entry| entry.addresses.last() == Some(there)));
        let is_claimed = entry.map_or(name, PeerEntry::claimed) == claimed;
        let mut changes = Vec::new();
        if !is_known || !is_there {
            changes.push(Change::Meet { fingerprint, name: name.clone(), address });
        }
        if let Some(Origin::Outbound { dial, to: Some(to) }) = &origin {
            let (address, to) = (dial.target.clone(), Target::from(*to));
            let is_known = || self.book.place_of(&address).is_some_and(|place| place.is_same_place(&to));
            if address.via.is_none() && !address.is_literal() && !is_known() {
                changes.push(Change::Resolve { fingerprint, address, to });
            }
        }
        if is_pinned {
            changes.push(Change::Verify { fingerprint });
        }
        if let Some(Origin::Outbound { dial, .. }) = &origin {
            let is_new = |there: &&Target| {
                **there != dial.target
                    && entry.is_none_or(|entry| entry.targets().all(|known| known != *there))
            };
            let others = dial.invited_to.iter().filter(is_new).cloned();
            changes.extend(others.map(|address| Change::TryAt { fingerprint, address }));
        }
        let reply = if changes.is_empty() {
            ChangeReply::Unasked
        } else {
            ChangeReply::Remembered { name: name.to_string(), fingerprint }
        };
        if !is_claimed {
            changes.push(Change::Claim { fingerprint, claim: claimed.clone() });
        }
        if !changes.is_empty() {
            self.change_book(changes, reply);
        }
        if is_pinned { TrustLevel::Verified } else { TrustLevel::Unverified }
    }

    /// Counts callers that were refused, for `:status`. There are only a few reasons.
    pub(crate) fn count_refused(&mut self, why: &str, callers: u64) {
        *self.counters.refused_callers.entry(why.to_owned()).or_default() += callers;
    }

    /// Shows a warning about the other side of a connection; of callers at a limited rate.
    pub(crate) fn warn_of_remote(&mut self, origin: &Origin, warning: Warning) {
        match origin {
            Origin::Inbound { .. } => self.warn_limited(warning),
            Origin::Outbound { dial, .. } => self.warn_of_dial(dial, warning),
        }
    }
}
