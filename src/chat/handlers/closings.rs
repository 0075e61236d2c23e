//! Handlers of the ends of sessions: what is shown of them, what they mean for a call, and what
//! becomes of what was not received.

use crate::chat::addressee::Addressee;
use crate::chat::conversation::{Conversation, Peer};
use crate::chat::history::Acquaintance;
use crate::chat::io::Effect;
use crate::chat::kept::PairStage;
use crate::chat::notice::{Info, Warning};
use crate::chat::redial::AfterLoss;
use crate::chat::stranger_rows::StrangerCounts;
use crate::chat::types::{DialOutcome, Origin, PeerId};
use crate::chat::{Chat, Dial};
use crate::ids::ConnId;
use crate::session::{CloseReason, OaepCloseReason};
use crate::wire::ByeReason;

impl Chat {
    /// Takes the end of a session, whoever closed it.
    pub(crate) fn handle_closed(&mut self, conn: ConnId, reason: CloseReason) {
        // Where both dialled, the peer may close our call before it is established here.
        if reason == CloseReason::Bye(ByeReason::Replaced)
            && self.conversations.peer_of(conn).is_none()
            && let Some(successor) = self.other_with_key_of(conn)
        {
            self.follow_successor(conn, successor);
        }
        let Some(mut conversation) = self.conversations.remove(conn) else { return };
        self.seats.leave(conn);
        let was_in_lobby = self.leave_lobby(conn, &reason);
        self.leave_pair(&conversation, &reason);
        self.transfers.interrupt(conn);
        self.counters.roster += 1;
        self.effects.push(Effect::Close(conn));
        if conversation.peer.is_none()
            && let Some(redial) = conversation.redial.take()
        {
            return self.handle_closed_redial(redial, &conversation, reason);
        }
        if reason == CloseReason::PeerBusy && self.call_busy_again(conn, &mut conversation) {
            return;
        }
        if let Some(shutdown) = self.shutdown.as_mut().filter(|_| conversation.unacked.len() > 0) {
            shutdown.set_lost();
        }
        let next = self.next_attempt(&conversation, &reason);
        let then = self.call_lost_again(&conversation, &reason);
        self.end_calls(&conversation, &reason);
        if let Origin::Outbound { dial, .. } = &conversation.origin
            && next.is_none()
            && then == AfterLoss::Nothing
        {
            self.finish_dial(dial.face, dial_outcome(&conversation, &reason));
        }
        let error = conversation.stream_error.clone();
        let remote = conversation.origin.to_string();
        match &conversation.origin {
            _ if next.is_some() => {}
            Origin::Outbound { dial, .. }
                if !matches!(reason, CloseReason::LocalReject | CloseReason::Key(_)) =>
            {
                self.give_up_call(&Addressee::Connecting(conn), dial);
                if matches!(reason, CloseReason::LostInHandshake | CloseReason::HandshakeTimeout) {
                    self.look_for_letters(dial);
                }
            }
            _ => self.conversations.give_up(&Addressee::Connecting(conn)),
        }
        match (&conversation.peer, reason) {
            (Some(peer), reason) => {
                self.show_departure(peer, &conversation, reason, error, then);
            }
            (None, _) if was_in_lobby => {}
            // Shown already where the key was judged, or of no interest.
            (
                None,
                CloseReason::LocalReject | CloseReason::LocalClose | CloseReason::Bye(ByeReason::Replaced),
            ) => {}
            (None, reason) => {
                let warning = Warning::HandshakeFailed { remote, reason, error };
                self.warn_of_handshake(&conversation, warning);
            }
        }
        if let Some(options) = next {
            return self.dial(&Addressee::Connecting(conn), Dial::new(options, conversation.waiting));
        }
        let called = match &conversation.origin {
            Origin::Outbound { dial, .. } => self.label_of(dial),
            Origin::Inbound { from, .. } => from.to_string(),
        };
        self.give_back(Some(&called), &conversation.waiting);
    }

    /// Whether the row that a peer left is shown; otherwise it is counted.
    fn shows_departure(&mut self, peer: &Peer, conversation: &Conversation) -> bool {
        let now = self.now.mono;
        let is_stranger =
            conversation.acquaintance() == Acquaintance::Met && !self.conversations.is_addressed(peer.id);
        if !is_stranger || conversation.withheld.is_empty() && self.stranger_rows.admits(now) {
            return true;
        }
        self.stranger_rows.count(now, StrangerCounts { joined: 0, left: 1 });
        false
    }

    fn show_departure(
        &mut self,
        peer: &Peer,
        conversation: &Conversation,
        reason: CloseReason,
        error: Option<String>,
        then: AfterLoss,
    ) {
        let name = peer.name.to_string();
        if self.is_without_room_again(conversation, &reason) {
            return;
        }
        if self.is_without_room(peer.fingerprint()) {
            for row in conversation.withheld.clone() {
                self.effects.show(row);
            }
        }
        if let PeerId::Key(fingerprint) = peer.id
            && self.book.by_fingerprint(&fingerprint).is_some()
        {
            self.last_seen.insert(fingerprint, self.now.unix);
        }
        // When both dial at once the peer closes the other of the two connections.
        let successor = match (&reason, peer.id) {
            (CloseReason::Bye(ByeReason::Replaced), PeerId::Key(fingerprint)) => {
                self.conversations.with_key(fingerprint)
            }
            _ => conversation.successor,
        };
        match reason {
            // Nobody was there who could be missed.
            CloseReason::LocalClose | CloseReason::Bye(_) | CloseReason::ConnectionLost { .. }
                if !conversation.is_lasting() => {}
            _ if !self.shows_departure(peer, conversation) => {}
            _ if successor.is_some() => self.effects.info(Info::Replaced { name: name.clone() }),
            CloseReason::LocalClose => self.effects.info(Info::Closed { name: name.clone(), then }),
            CloseReason::Bye(ByeReason::Leaving | ByeReason::Stopping | ByeReason::Other(_))
                if then == AfterLoss::Nothing =>
            {
                self.effects.info(Info::Left { name: name.clone(), fingerprint: peer.fingerprint() });
            }
            reason => self.effects.warn(Warning::ConnectionLost { name: name.clone(), reason, error, then }),
        }
        // What is kept goes out again.
        if conversation.pair.stage.is_sending() {
            return self.hint_at_kept_here_only(conversation);
        }
        let kept = |number| conversation.pair.on_connection.iter().any(|(sent, _)| *sent == number);
        let (rows, more) = conversation.unacked.rows_but(kept);
        if !rows.is_empty() {
            self.effects.warn(match peer.id {
                PeerId::Key(_) => Warning::NotReceived { name, rows, more },
                PeerId::Conn(_) => Warning::NotSent { name: Some(name), rows, more },
            });
            self.hint_at_keeping(peer.id);
        }
    }
}

fn dial_outcome(conversation: &Conversation, reason: &CloseReason) -> DialOutcome {
    let (was_established, is_acked) = (conversation.peer.is_some(), conversation.unacked.len() == 0);
    match reason {
        // What is kept goes out later.
        CloseReason::LocalClose if is_acked || conversation.pair.stage == PairStage::Ready => {
            DialOutcome::Done
        }
        CloseReason::Bye(ByeReason::Leaving | ByeReason::Stopping | ByeReason::Other(_)) => {
            match (was_established, is_acked) {
                (false, _) => DialOutcome::Lost,
                (true, true) => DialOutcome::Left,
                (true, false) => DialOutcome::PeerLeftEarly,
            }
        }
        CloseReason::Bye(ByeReason::OutputGone | ByeReason::OutputFull | ByeReason::OutputFailed) => {
            DialOutcome::Failed
        }
        CloseReason::HandshakeTimeout
        | CloseReason::JudgementTimeout
        | CloseReason::LobbyTimeout
        | CloseReason::PeerBusy
        | CloseReason::NoData
        | CloseReason::LostInHandshake
        | CloseReason::Oaep(OaepCloseReason::NoKey) => DialOutcome::Lost,
        _ if was_established => DialOutcome::Lost,
        _ => DialOutcome::Refused,
    }
}
