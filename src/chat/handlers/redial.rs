//! Handlers of calls that are repeated, after a time that grows: of a listener that is busy, not
//! for ever (`docs/PROTOCOL.md`, section 3); of a peer that was lost, until it answers.

use super::room::is_for_want_of_room;
use crate::chat::addressee::{Addressee, WaitingTexts};
use crate::chat::backoff::delay;
use crate::chat::callee::is_unreachable;
use crate::chat::conversation::{Conversation, Peer};
use crate::chat::history::Acquaintance;
use crate::chat::io::Effect;
use crate::chat::notice::{Info, Warning};
use crate::chat::redial::{AfterLoss, Redial, Redialling};
use crate::chat::types::{AcceptPolicy, DialOptions, DialOutcome, Origin, PeerId};
use crate::chat::ways::with_way;
use crate::chat::{Chat, Dial};
use crate::crypto::Fingerprint;
use crate::delivery::Calls;
use crate::ids::{ConnId, DialId};
use crate::limits;
use crate::peers::address::Target;
use crate::session::CloseReason;
use crate::time::MonoMs;
use crate::wire::ByeReason;

impl Chat {
    /// Calls a busy listener again, later, for what waits there. Returns whether it does: after
    /// [`limits::BUSY_CALLS`] it does not.
    pub(crate) fn call_busy_again(&mut self, conn: ConnId, conversation: &mut Conversation) -> bool {
        let Origin::Outbound { dial: options, .. } = &conversation.origin else { return false };
        let busy_calls = conversation.busy_calls + 1;
        if busy_calls >= limits::BUSY_CALLS || self.shutdown.is_some() {
            return false;
        }
        let (options, waiting) = (options.clone(), std::mem::take(&mut conversation.waiting));
        let delay = delay(busy_calls, self.account.fingerprint());
        let (target, seconds) = (options.target.to_string(), delay.div_ceil(1_000));
        let begins_at = Some(self.now.mono + delay);
        self.dial(
            &Addressee::Connecting(conn),
            Dial { busy_calls, begins_at, ..Dial::new(options, waiting) },
        );
        self.effects.info(Info::Busy { target, seconds });
        true
    }

    /// Calls the peer of a lost connection again, if we had called it. One that called us, and
    /// parted for want of room, calls us.
    pub(crate) fn call_lost_again(&mut self, conversation: &Conversation, reason: &CloseReason) -> AfterLoss {
        if let Some(redial) = self.redial_of(conversation, reason) {
            self.dial_later(redial);
            return AfterLoss::CallingAgain;
        }
        let is_called = conversation.origin.is_inbound()
            && self.shutdown.is_none()
            && conversation.key.is_some_and(|peer| self.is_wanted(peer));
        if is_called && is_for_want_of_room(conversation, reason) {
            AfterLoss::AwaitingCall
        } else {
            AfterLoss::Nothing
        }
    }

    fn redial_of(&self, conversation: &Conversation, reason: &CloseReason) -> Option<Redial> {
        let Origin::Outbound { dial, .. } = &conversation.origin else { return None };
        let peer = conversation.peer.as_ref().and_then(Peer::fingerprint)?;
        let is_over =
            self.shutdown.is_some() || conversation.is_closing() || conversation.successor.is_some();
        let is_called = self.redialling == Redialling::AfterLoss
            && is_loss(conversation, reason)
            && !is_over
            // The book may not be written yet.
            && conversation.acquaintance() == Acquaintance::Chosen
            && !self.is_blocked(peer)
            && self.conversations.open_with(PeerId::Key(peer)).is_none();
        let others = self.addresses_of(peer).into_iter().filter(|other| *other != dial.target).collect();
        is_called.then(|| Redial::new(peer, dial, others, conversation.redial.as_ref(), self.now.mono))
    }

    /// Calls the peers again that were called as the program ended, where nobody had ended that.
    pub(crate) fn call_standing(&mut self) {
        if self.redialling == Redialling::Never || self.shutdown.is_some() {
            return;
        }
        let called = self.kept.iter().flat_map(|kept| kept.ledger.called());
        let wanted: Vec<_> = called.filter(|peer| self.is_wanted(*peer)).collect();
        for peer in wanted {
            let mut addresses = self.addresses_of(peer).into_iter();
            let Some(last) = addresses.next() else { continue };
            if self.conversations.open_with(PeerId::Key(peer)).is_some() {
                continue;
            }
            let redial = Redial::begun(peer, last, addresses.collect(), self.now.mono);
            self.dial_at(redial, self.now.mono);
            let name = self.name_of_key(peer);
            self.effects.info(Info::CallsStand { name });
        }
    }

    /// Takes note that calls of a peer end with a connection, where somebody wished that.
    pub(crate) fn end_calls(&mut self, conversation: &Conversation, reason: &CloseReason) {
        let Some(peer) = conversation.peer.as_ref().and_then(Peer::fingerprint) else { return };
        let goes_on = is_loss(conversation, reason)
            || *reason == CloseReason::Bye(ByeReason::Replaced)
            || conversation.successor.is_some()
            || !conversation.is_lasting()
            || self.shutdown.is_some_and(|shutdown| shutdown.calls == Calls::Stand)
            || self.conversations.open_with(PeerId::Key(peer)).is_some();
        if !goes_on {
            self.set_calls(peer, Calls::Ended);
        }
    }

    /// Takes note, beyond the end of the program, whether a peer is called.
    pub(crate) fn set_calls(&mut self, peer: Fingerprint, calls: Calls) {
        if let Some(kept) = &mut self.kept {
            kept.ledger.set_calls(peer, calls);
        }
    }

    /// Whether a peer may be called without an act of the user.
    fn is_wanted(&self, peer: Fingerprint) -> bool {
        self.is_chosen(PeerId::Key(peer)) && !self.is_blocked(peer)
    }

    fn dial_later(&mut self, mut redial: Redial) {
        let delay = redial.backoff.next_delay(self.account.fingerprint());
        self.dial_at(redial, self.now.mono + delay);
    }

    fn dial_at(&mut self, redial: Redial, at: MonoMs) {
        let dial = Dial::new(redial.options(), WaitingTexts::default());
        self.insert_dial(Dial { begins_at: Some(at), redial: Some(redial), ..dial });
    }

    /// Addresses of a peer in the book by their ways, the last that answered first.
    fn addresses_of(&self, peer: Fingerprint) -> Vec<Target> {
        let Some(entry) = self.book.by_fingerprint(&peer) else { return Vec::new() };
        let addresses = entry.addresses.iter().rev();
        let addresses = addresses.map(|target| with_way(target, Some(entry), None, &self.via_rules));
        addresses.filter(|target| !is_unreachable(target)).collect()
    }

    /// Takes note that a lost peer did not answer at an address: the next one is called at once, or
    /// the first again, later.
    pub(crate) fn handle_no_answer(&mut self, mut redial: Redial, at: &DialOptions, why: &Warning) {
        if self.conversations.open_with(PeerId::Key(redial.peer)).is_some() || self.shutdown.is_some() {
            return;
        }
        if let Some(options) = at.next() {
            let dial = Dial { redial: Some(redial), ..Dial::new(options, WaitingTexts::default()) };
            let id = self.insert_dial(dial);
            return self.place_call(id);
        }
        if let Some(minutes) = redial.take_report(self.now.mono) {
            let (name, calls) = (self.name_of_key(redial.peer), redial.calls);
            self.effects.warn(Warning::StillCalling { name, calls, minutes, why: why.sentence() });
        }
        self.dial_later(redial);
    }

    /// Takes the end of a call of a lost peer that came to no conversation.
    pub(crate) fn handle_closed_redial(
        &mut self,
        mut redial: Redial,
        conversation: &Conversation,
        reason: CloseReason,
    ) {
        let Origin::Outbound { dial: options, .. } = &conversation.origin else { return };
        let is_rival = matches!(reason, CloseReason::LocalClose | CloseReason::Bye(ByeReason::Replaced));
        if is_rival && self.conversations.with_key(redial.peer).is_some() {
            return;
        }
        let (is_final, is_shown) = (is_final(&reason), reason == CloseReason::LocalReject);
        let error = conversation.stream_error.clone();
        let why = Warning::HandshakeFailed { remote: conversation.origin.to_string(), reason, error };
        if is_final && !is_shown {
            self.warn_of_redial(&redial, options, why.clone());
        }
        if is_final && !redial.drop_address(&options.target) {
            let name = self.name_of_key(redial.peer);
            self.set_calls(redial.peer, Calls::Ended);
            self.effects.warn(Warning::NotCallingAgain { name });
            return self.effects.push(Effect::DialFinished(DialOutcome::Refused));
        }
        self.handle_no_answer(redial, options, &why);
    }

    /// Warns of what was found where a lost peer was called: only at the address that answered last
    /// does it end the calls.
    pub(crate) fn warn_of_redial(&mut self, redial: &Redial, at: &DialOptions, warning: Warning) {
        self.effects.warn(if redial.answered_at == at.target {
            warning
        } else {
            Warning::AddressFailed { warning: Box::new(warning) }
        });
    }

    /// Places the calls whose time has come. Where the user calls the same peer, ours waits.
    pub(crate) fn begin_due_dials(&mut self) {
        let now = self.now.mono;
        let is_due = |dial: &Dial| dial.begins_at.is_some_and(|at| now >= at);
        let due = self.dials.iter().filter(|(_, dial)| is_due(dial)).map(|(id, _)| *id);
        for id in due.collect::<Vec<_>>() {
            let redial = self.dials.get(&id).and_then(|dial| dial.redial.as_ref());
            if redial.is_some_and(|redial| self.is_asked_for(redial)) {
                self.postpone(id);
                continue;
            }
            if let Some(redial) = self.dials.get_mut(&id).and_then(|dial| dial.redial.as_mut()) {
                redial.calls += 1;
            }
            self.place_call(id);
        }
    }

    /// Whether the user is calling that peer.
    fn is_asked_for(&self, redial: &Redial) -> bool {
        let is_connecting = |one: &Conversation| {
            let is_it = matches!(&one.origin, Origin::Outbound { dial, .. } if redial.is_asked_by(dial));
            is_it && one.is_connecting()
        };
        let asked = self.dials.values().filter(|dial| dial.redial.is_none());
        asked.map(|dial| &dial.options).any(|options| redial.is_asked_by(options))
            || self.conversations.without_peer().any(|(_, one)| is_connecting(one))
    }

    fn postpone(&mut self, id: DialId) {
        if let Some(Dial { redial: Some(redial), .. }) = self.take_dial(id) {
            self.dial_later(redial);
        }
    }

    /// The same of every call of a peer that the user calls now.
    pub(crate) fn postpone_redials(&mut self, asked: &DialOptions) {
        let is_it = |dial: &Dial| dial.redial.as_ref().is_some_and(|redial| redial.is_asked_by(asked));
        let ids: Vec<_> = self.dials.iter().filter(|(_, dial)| is_it(dial)).map(|(id, _)| *id).collect();
        for id in ids {
            self.postpone(id);
        }
    }

    /// Calls every lost peer now: the machine may be in another network.
    pub(crate) fn call_all_now(&mut self) {
        let now = self.now.mono;
        for dial in self.dials.values_mut().filter(|dial| dial.redial.is_some()) {
            dial.begins_at = dial.begins_at.map(|_| now);
        }
    }

    fn redial_to(&self, peer: Fingerprint) -> Option<DialId> {
        let is_it = |dial: &Dial| dial.redial.as_ref().is_some_and(|redial| redial.peer == peer);
        self.dials.iter().find(|(_, dial)| is_it(dial)).map(|(id, _)| *id)
    }

    /// Whether a peer is connected, or being called by its key.
    pub(crate) fn reaches(&self, peer: Fingerprint) -> bool {
        let is_it = |options: &DialOptions| options.accept == AcceptPolicy::Key(peer);
        let is_called =
            |one: &Conversation| matches!(&one.origin, Origin::Outbound { dial, .. } if is_it(dial));
        self.conversations.open_with(PeerId::Key(peer)).is_some()
            || self.dials.values().any(|dial| is_it(&dial.options))
            || self.conversations.without_peer().any(|(_, one)| is_called(one))
    }

    /// Drops what would call a peer again. Returns whether anything did.
    pub(crate) fn drop_redial(&mut self, peer: Fingerprint) -> bool {
        self.redial_to(peer).and_then(|id| self.take_dial(id)).is_some()
    }

    /// Takes a call out, and gives it up where it has begun.
    pub(super) fn take_dial(&mut self, id: DialId) -> Option<Dial> {
        let dial = self.dials.remove(&id)?;
        if dial.begins_at.is_none() {
            self.effects.push(Effect::CancelConnect(id));
        }
        Some(dial)
    }

    /// Ends the calls of a peer, and says so. Returns whether it was called.
    pub(crate) fn stop_calling(&mut self, peer: Fingerprint) -> bool {
        let is_it = |one: &Conversation| {
            one.peer.is_none() && one.redial.as_ref().is_some_and(|redial| redial.peer == peer)
        };
        let underway = self.conversations.conns(is_it);
        let was_called = self.drop_redial(peer) || !underway.is_empty();
        for conn in underway {
            if let Some(conversation) = self.conversations.get_mut(conn) {
                conversation.redial = None;
            }
            self.close_unheard(conn, ByeReason::Leaving);
        }
        if was_called {
            self.set_calls(peer, Calls::Ended);
            // Of who is forgotten no more is said than that.
            if self.book.by_fingerprint(&peer).is_some() {
                let name = self.name_of_key(peer);
                self.effects.info(Info::NotCalling { name });
            }
        }
        was_called
    }

    /// Ends the calls of who answered last at an address, where the user has found another key.
    pub(crate) fn stop_calling_at(&mut self, address: &Target) {
        let redials = self.dials.values().filter_map(|dial| dial.redial.as_ref());
        let peer = redials.filter(|redial| redial.answered_at == *address).map(|redial| redial.peer).next();
        if let Some(peer) = peer {
            self.stop_calling(peer);
        }
    }

    /// Ends the calls of peers that are blocked or forgotten by now.
    pub(crate) fn stop_calling_unwanted(&mut self) {
        let dials = self.dials.values().filter_map(|dial| dial.redial.as_ref());
        let underway = self.conversations.without_peer().filter_map(|(_, one)| one.redial.as_ref());
        let unwanted = dials.chain(underway).map(|redial| redial.peer).filter(|peer| !self.is_wanted(*peer));
        for peer in unwanted.collect::<Vec<_>>() {
            self.stop_calling(peer);
            self.effects.push(Effect::DialFinished(DialOutcome::Refused));
        }
    }

    /// Rows of `:status` about those who are called again.
    pub(crate) fn redial_rows(&self) -> Vec<String> {
        let row = |redial: &Redial, when: String, unanswered: u32| {
            let calls = match unanswered {
                0 => String::new(),
                1 => "; 1 call was not answered".to_owned(),
                _ => format!("; {unanswered} calls were not answered"),
            };
            format!("calling {} again {when}{calls}", self.name_of_key(redial.peer))
        };
        // The call that is being made is one of them.
        let now = |redial: &Redial| row(redial, "now".to_owned(), redial.calls.saturating_sub(1));
        let dials = self.dials.values().filter_map(|dial| {
            let redial = dial.redial.as_ref()?;
            Some(dial.begins_at.map_or_else(|| now(redial), |at| row(redial, self.due(at), redial.calls)))
        });
        let underway = self.conversations.without_peer().filter_map(|(_, one)| one.redial.as_ref());
        dials.chain(underway.map(now)).collect()
    }

    /// How long it is until a call.
    pub(crate) fn due(&self, at: MonoMs) -> String {
        match at.since(self.now.mono).div_ceil(1_000) {
            0 => "now".to_owned(),
            seconds => format!("in {seconds} s"),
        }
    }

    /// When the next such call is due.
    pub(crate) fn next_dial(&self) -> Option<MonoMs> {
        self.dials.values().filter_map(|dial| dial.begins_at).min()
    }
}

/// Whether an established connection ended without anybody's wish to leave, or for want of room on
/// a disk.
fn is_loss(conversation: &Conversation, reason: &CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::ConnectionLost { .. }
            | CloseReason::LostInHandshake
            | CloseReason::IdleTimeout
            | CloseReason::RekeyTimeout
            | CloseReason::Record
            | CloseReason::Bye(ByeReason::Stopping)
    ) || is_for_want_of_room(conversation, reason)
}

/// Whether whoever answers there will not be talked to by calling once more: another key, a refusal
/// of ours, another purpose or version.
fn is_final(reason: &CloseReason) -> bool {
    match reason {
        CloseReason::Bye(bye) => *bye != ByeReason::Stopping,
        CloseReason::LocalReject
        | CloseReason::Key(_)
        | CloseReason::PeerAbort
        | CloseReason::VersionMismatch(_) => true,
        _ => false,
    }
}
