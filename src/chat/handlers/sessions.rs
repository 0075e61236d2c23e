//! What sessions say and what follows: joining, messages, receipts, and every way to part.

use crate::chat::conversation::{Callers, Partner, Talk, Tie, Way};
use crate::chat::io::{Assurance, Effect, Link, Owed, Queue, Verdict};
use crate::chat::kinds::Wire;
use crate::chat::notice::{Acquaintance, Claimed, Info, Notice, Said, Trouble};
use crate::chat::state::{Chat, assurance};
use crate::crypto::{Fingerprint, Job, RawJob};
use crate::peers::book::Change;
use crate::peers::name::Name;
use crate::session::{Ending, Event, RawEnding};
use crate::text::safe::SafeText;
use crate::wire::ByeReason;

/// Messages that are listed when a connection is lost with them on the way.
const LISTED: usize = 20;
/// Two connections of the same two people that began within this time crossed each other, in milliseconds.
const CROSSING_MS: u64 = 5_000;

impl Chat {
    /// Work that a stranger can ask for at no cost to itself waits in the stranger's queue.
    pub(crate) fn need(&mut self, link: Link, job: Job) {
        let talk = self.talks.get(&link);
        let called = talk.is_some_and(|talk| matches!(talk.way, Way::Called { .. }));
        let known = talk.is_some_and(|talk| talk.partner.is_some());
        let queue = match job {
            Job::Open { .. } if called => Queue::Strangers,
            // On the raw wire nobody ever proves a key; one who has shown that it knows ours is a stranger no more.
            Job::Raw(RawJob::Check { .. } | RawJob::Open { .. }) if called && !known => Queue::Strangers,
            _ => Queue::Known,
        };
        self.effects.push_back(Effect::Work { link, job, queue });
    }

    pub(crate) fn event(&mut self, link: Link, event: Event) {
        match event {
            Event::Met(key) => {
                if let Some(talk) = self.talks.get_mut(&link) {
                    talk.key = Some(key);
                    self.effects.push_back(Effect::ReadBook { link });
                }
            }
            Event::Stands { name } => self.stands(link, &name),
            Event::Said { seq, time_ms, text } => self.said(link, seq, time_ms, text),
            Event::Receipt { upto } => {
                if let Some(talk) = self.talks.get_mut(&link) {
                    self.receipted += talk.receipted(upto);
                    let name = talk.name().unwrap_or_default().to_owned();
                    self.effects.push_back(Effect::Received { name, upto });
                }
            }
            Event::Raw(event) => self.raw_event(link, event),
            Event::Closed(ending) => self.closed(link, ending),
        }
    }

    /// The stream ended: if the session did not know yet, it was cut.
    pub(crate) fn ended(&mut self, link: Link, error: Option<&str>) {
        let Some(talk) = self.talks.get_mut(&link) else { return };
        talk.broken = error.map(str::to_owned);
        self.with_session(link, |session, _| session.cut());
    }

    fn said(&mut self, link: Link, seq: u64, sent_ms: u64, text: Vec<u8>) {
        if let Some(said) = self.heard(link, sent_ms, text) {
            self.effects.push_back(Effect::Show(Notice::Said(said), Some(Owed { link, upto: seq })));
        }
    }

    /// A peer's message: kept, counted as unread if somebody else is addressed, and announced if it calls us.
    pub(crate) fn heard(&mut self, link: Link, sent_ms: u64, text: Vec<u8>) -> Option<Said> {
        let now_ms = self.now.unix_ms;
        let talk = self.talks.get_mut(&link)?;
        let partner = talk.partner.as_mut()?;
        partner.seen_ms = now_ms;
        let tie = partner.tie;
        let said = Said {
            name: partner.name.clone(),
            fingerprint: partner.fingerprint(),
            assurance: partner.assurance,
            arrived_ms: now_ms,
            sent_ms,
            rows: SafeText::rows_from_bytes(&text),
            text,
        };
        if self.addressed != Some(tie) {
            talk.unread += 1;
        }
        self.alert(&said);
        self.memory.keep(tie, &said);
        Some(said)
    }

    /// Both sides have confirmed: the newcomer gets its name here, and is shown as joined.
    fn stands(&mut self, link: Link, claimed: &[u8]) {
        let Some(key) = self.talks.get(&link).and_then(|talk| talk.key.clone()) else { return };
        let fingerprint = key.fingerprint();
        if !self.outlives_rivals(link, fingerprint) {
            return;
        }
        let (name, known) = match self.book.by_fingerprint(&fingerprint) {
            Some(peer) => (peer.name.to_string(), Acquaintance::Known(assurance(peer.trust))),
            None => (self.newcomer(claimed).to_string(), Acquaintance::New),
        };
        let pinned = self.remember(link, fingerprint, &name);
        let known = if pinned { Acquaintance::Known(Assurance::Verified) } else { known };
        let assurance = match known {
            Acquaintance::Known(assurance) => assurance,
            Acquaintance::New => Assurance::Unverified,
        };
        let newcomer = known == Acquaintance::New;
        self.effects.push_back(Effect::Proven(link, Wire::Native));
        self.info(Info::Joined { name: name.clone(), fingerprint, known });
        if newcomer {
            self.unmask(&name, claimed);
        }
        let since_ms = self.now.unix_ms;
        if let Some(talk) = self.talks.get_mut(&link) {
            let (tie, seen_ms) = (Tie::Key(fingerprint), since_ms);
            self.roster += 1;
            talk.partner = Some(Partner { name, tie, assurance, since_ms, seen_ms });
        }
        if self.addressed_link().is_none() {
            self.address(Tie::Key(fingerprint));
        }
    }

    /// A name for a key that was never seen: what it claims, unless that is somebody's already.
    fn newcomer(&self, claimed: &[u8]) -> Name {
        let claimed = Name::claimed(claimed);
        if !self.is_taken(&claimed) {
            return claimed;
        }
        (2..10_000).map(|n| claimed.with_suffix(n)).find(|name| !self.is_taken(name)).unwrap_or(claimed)
    }

    /// Whether a name is somebody's: ours, of the book, or of a peer of the raw wire that is there.
    pub(crate) fn is_taken(&self, name: &Name) -> bool {
        let mut raw = self.talks.values().filter(|talk| talk.is_raw()).filter_map(Talk::name);
        self.own_name.looks_like(name)
            || self.book.peers().any(|peer| peer.name.looks_like(name))
            || raw.any(|there| Name::parse(there).is_ok_and(|there| there.same_as(name)))
    }

    /// Says so when a newcomer claims a name that is, or looks like, somebody else's.
    fn unmask(&mut self, name: &str, claimed: &[u8]) {
        let wanted = Name::claimed(claimed);
        let others = || self.book.peers().filter(|peer| peer.name.as_str() != name);
        // Whoever has that very name is meant before those with one like it.
        let same = others().find(|peer| peer.name.same_as(&wanted));
        let imitated = same.or_else(|| others().find(|peer| peer.name.looks_like(&wanted)));
        let (of, known) = match imitated {
            _ if self.own_name.looks_like(&wanted) => (Claimed::Ours, self.own_name.to_string()),
            Some(peer) if peer.trust == crate::peers::book::Trust::Verified => {
                (Claimed::Verified, peer.name.to_string())
            }
            Some(peer) => (Claimed::Known, peer.name.to_string()),
            None => return,
        };
        let claimed = SafeText::line(wanted.as_str());
        self.trouble(Trouble::Impostor { name: name.to_owned(), claimed, known, of });
    }

    /// Writes down whom we met and where; a pinned key is verified. Returns whether it was pinned.
    fn remember(&mut self, link: Link, fingerprint: Fingerprint, name: &str) -> bool {
        let (address, pinned) = match self.talks.get(&link).map(|talk| &talk.way) {
            Some(Way::Dialled { target, pin, .. }) => (Some(target.clone()), pin.is_some()),
            Some(Way::Called { callers: Callers::Pinned(_), .. }) => (None, true),
            _ => (None, false),
        };
        let mut changes = Vec::new();
        match self.book.by_fingerprint(&fingerprint) {
            None => {
                if let Ok(name) = Name::parse(name) {
                    changes.push(Change::Meet { fingerprint, name, address });
                }
            }
            Some(peer) => {
                if let Some(address) = address.filter(|address| !peer.addresses.contains(address)) {
                    changes.push(Change::Address { fingerprint, address });
                }
            }
        }
        if pinned {
            changes.push(Change::Trust { fingerprint, level: crate::peers::book::Trust::Verified });
        }
        self.change_book(changes);
        pinned
    }

    /// One conversation with one key. When both sides dialled at once the one that the lower fingerprint
    /// began stays, which both can tell; otherwise the newer one stays, since the older may be dead.
    fn outlives_rivals(&mut self, link: Link, fingerprint: Fingerprint) -> bool {
        let Some(rival) = self.link_of(fingerprint).filter(|rival| *rival != link) else { return true };
        let we_are_lower = self.own_key.as_ref().is_some_and(|own| own.public.fingerprint() < fingerprint);
        let dialled =
            |link: &Link| self.talks.get(link).is_some_and(|talk| matches!(talk.way, Way::Dialled { .. }));
        let since = self.talks.get(&rival).and_then(|talk| talk.partner.as_ref()).map_or(0, |p| p.since_ms);
        let crossed =
            dialled(&link) != dialled(&rival) && self.now.unix_ms.saturating_sub(since) < CROSSING_MS;
        let newer_stays = !crossed || dialled(&link) == we_are_lower;
        let (winner, loser) = if newer_stays { (link, rival) } else { (rival, link) };
        if let Some(talk) = self.talks.get_mut(&loser) {
            talk.successor = Some(winner);
        }
        self.with_session(loser, |session, _| session.close(ByeReason::Replaced));
        newer_stays
    }

    /// A connection with the holder of a key, even if it does not stand yet.
    fn with_key(&self, fingerprint: Fingerprint) -> Option<Link> {
        let holds = |talk: &Talk| talk.key.as_ref().is_some_and(|key| key.fingerprint() == fingerprint);
        self.talks.iter().find(|(_, talk)| holds(talk)).map(|(link, _)| *link)
    }

    /// A session is over, whoever ended it.
    fn closed(&mut self, link: Link, ending: Ending) {
        let Some(talk) = self.talks.remove(&link) else { return };
        self.roster += 1;
        let why = talk.broken.clone();
        self.effects.push_back(Effect::Hangup(link));
        let (rows, more) = talk.waiting_rows(LISTED);
        let whom = talk.whom();
        if let Some(leaving) = self.leaving.as_mut().filter(|_| !rows.is_empty()) {
            leaving.lost();
        }
        if let Way::Dialled { .. } = talk.way {
            let verdict = verdict(talk.partner.is_some(), &ending, rows.len());
            self.effects.push_back(Effect::DialOver(verdict));
        }
        let called = matches!(talk.way, Way::Called { .. });
        match talk.partner {
            Some(partner) => {
                let name = partner.name;
                if let Tie::Key(fingerprint) = partner.tie
                    && self.book.by_fingerprint(&fingerprint).is_some()
                {
                    self.seen.insert(fingerprint, self.now.unix_ms);
                }
                // When both dial at once the peer closes the other of the two connections.
                let successor = match (&ending, partner.tie) {
                    (Ending::Bye(ByeReason::Replaced), Tie::Key(fingerprint)) => self.with_key(fingerprint),
                    _ => talk.successor,
                };
                match ending {
                    _ if successor.is_some() => self.info(Info::Replaced { name: name.clone() }),
                    Ending::WeLeft => self.info(Info::Closed { name: name.clone() }),
                    Ending::Bye(ByeReason::Leaving | ByeReason::Other(_)) => {
                        self.info(Info::Left { name: name.clone() });
                    }
                    ending => self.trouble(Trouble::Lost { name: name.clone(), ending, why }),
                }
                if !rows.is_empty() {
                    self.trouble(match partner.tie {
                        Tie::Key(_) => Trouble::NotReceived { name, rows, more },
                        Tie::Raw(_) => Trouble::NotSent { name, rows, more },
                    });
                }
            }
            // Said already, where the judgement was made, or nothing that anybody needs to know.
            None if matches!(ending, Ending::WeRefused | Ending::WeLeft) => {}
            None if matches!(ending, Ending::Bye(ByeReason::Replaced)) => {}
            None if called => self.report(Trouble::Early { whom, ending, why }),
            None => self.trouble(Trouble::Early { whom, ending, why }),
        }
    }
}

fn verdict(stood: bool, ending: &Ending, waiting: usize) -> Verdict {
    match ending {
        Ending::WeLeft if waiting == 0 => Verdict::Done,
        Ending::Bye(ByeReason::Leaving | ByeReason::Other(_)) if waiting == 0 => Verdict::Left,
        Ending::Bye(ByeReason::Leaving | ByeReason::Other(_)) if stood => Verdict::LeftEarly,
        Ending::Bye(ByeReason::OutputGone | ByeReason::OutputFull | ByeReason::OutputFailed) => {
            Verdict::Failed
        }
        Ending::HandshakeTimeout | Ending::Mute | Ending::CutEarly | Ending::Raw(RawEnding::NoKey) => {
            Verdict::Lost
        }
        _ if stood => Verdict::Lost,
        _ => Verdict::Refused,
    }
}
