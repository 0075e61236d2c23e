//! Handlers of seats: who joins as a stranger, and whether there is room.

use crate::chat::Chat;
use crate::chat::history::Acquaintance;
use crate::chat::io::Effect;
use crate::chat::notice::Warning;
use crate::chat::seats::SeatDecision;
use crate::chat::types::{AcceptPolicy, Origin};
use crate::crypto::Fingerprint;
use crate::ids::ConnId;
use crate::peers::book::Trust;
use crate::wire::ByeReason;

impl Chat {
    /// Whether the user chose the holder of a key, now or before, or named it to the listener.
    pub(crate) fn acquaintance_of(&self, conn: ConnId, fingerprint: Fingerprint) -> Acquaintance {
        let is_stranger = self.conversations.get(conn).is_some_and(|one| {
            let named = |accept| matches!(accept, AcceptPolicy::Key(_) | AcceptPolicy::Pinned(_));
            matches!(one.origin, Origin::Inbound { accept, .. } if !named(accept))
        });
        let is_chosen = self.book.by_fingerprint(&fingerprint).is_some_and(|entry| entry.trust != Trust::Met);
        if !is_stranger || is_chosen { Acquaintance::Chosen } else { Acquaintance::Met }
    }

    /// Whether there is no seat for anybody.
    pub(crate) fn is_full(&self) -> bool {
        self.conversations.joined() >= self.capacity
    }

    /// Notes that a caller is turned away since every seat is taken.
    pub(crate) fn refuse_seat(&mut self) {
        self.count_refused("all places are taken", 1);
        self.warn_limited(Warning::TooManyPeers { limit: self.capacity });
    }

    /// Gives the peer that joins a seat, if there is one for it.
    pub(crate) fn take_seat(&mut self, conn: ConnId, acquaintance: Acquaintance) -> bool {
        let ip = match self.conversations.get(conn).map(|one| &one.origin) {
            Some(Origin::Inbound { from, .. }) => Some(from.ip()),
            _ => None,
        };
        let decision = match (acquaintance, ip) {
            (Acquaintance::Met, Some(ip)) => self.seats.decide(ip),
            _ => SeatDecision::Free,
        };
        if let SeatDecision::InPlaceOf(newest) = decision {
            self.close_session(newest, ByeReason::Leaving);
        }
        if self.is_full() {
            self.refuse_seat();
            return false;
        }
        if decision == SeatDecision::Refused {
            self.count_refused("no place is free for strangers", 1);
            self.warn_limited(Warning::NoSeat);
            return false;
        }
        if let Some(conversation) = self.conversations.get_mut(conn) {
            conversation.acquaintance = acquaintance;
        }
        match (acquaintance, ip) {
            (Acquaintance::Met, Some(ip)) => self.seats.take(conn, ip),
            _ => self.effects.push(Effect::ChosenPeer(conn)),
        }
        true
    }
}
