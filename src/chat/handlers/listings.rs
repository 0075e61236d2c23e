//! Handlers of listings: `:peers`, `:status` and `:limits`.

use crate::chat::conversation::Conversation;
use crate::chat::display::{PEER_COLUMNS, aligned, not_kept};
use crate::chat::kept::UnopenedStore;
use crate::chat::notice::{Info, Notice};
use crate::chat::types::{HistoryPolicy, KeyFor, PeerId, Protocol, TrustLevel};
use crate::chat::{AddressedView, Chat, Presence};
use crate::limits;
use crate::peers::name::Name;
use crate::text::duration::span;
use crate::time::UnixMs;

impl Chat {
    /// `:peers`: every peer connected or in the book.
    pub(crate) fn show_peers(&mut self) {
        let mut rows = vec![PEER_COLUMNS.map(str::to_owned).to_vec()];
        for peer in self.book.peers() {
            let open = self.conversations.open_with(PeerId::Key(peer.fingerprint));
            let conversation = open.and_then(|conn| self.conversations.get(conn));
            let identity =
                [peer.name.to_string(), peer.trust.standing().to_owned(), peer.fingerprint.short()];
            let last_seen = self.last_seen.get(&peer.fingerprint).copied();
            let addresses = || peer.shown_addresses().join(", ");
            let address = conversation.map_or_else(addresses, |conversation| conversation.origin.shown());
            let waiting = self.waiting_for(PeerId::Key(peer.fingerprint));
            rows.push(self.peer_row(identity, conversation, last_seen, waiting, address));
        }
        for conversation in self.conversations.values() {
            let Some(peer) = conversation.peer.as_ref().filter(|_| conversation.is_lasting()) else {
                continue;
            };
            if peer.fingerprint().is_some_and(|key| self.book.by_fingerprint(&key).is_some()) {
                continue;
            }
            let key = conversation.key.map_or("-".to_owned(), |key| key.short());
            let identity = [peer.name.to_string(), peer.trust_level.word().to_owned(), key];
            let (waiting, address) = (self.waiting_for(peer.id), conversation.origin.to_string());
            rows.push(self.peer_row(identity, Some(conversation), None, waiting, address));
        }
        self.effects.show(match rows.len() {
            1 => Notice::Answer(vec!["nobody is known yet".to_owned()]),
            _ => Notice::Table(rows),
        });
    }

    /// `:peers met`: who called and was not chosen, the last first.
    pub(crate) fn show_met(&mut self) {
        let mut rows = vec![["claims", "key", "last call", "from"].map(str::to_owned).to_vec()];
        for peer in self.met.peers().rev() {
            let ago = span(self.now.unix.since(peer.seen));
            rows.push(vec![
                peer.claimed.to_string(),
                peer.fingerprint.to_string(),
                ago,
                peer.source.to_string(),
            ]);
        }
        self.effects.show(match rows.len() {
            1 => Notice::Answer(vec!["no callers that you have not chosen".to_owned()]),
            _ => Notice::Table(rows),
        });
    }

    fn peer_row(
        &self,
        [name, trust, key]: [String; 3],
        conversation: Option<&Conversation>,
        last_seen: Option<UnixMs>,
        kept: usize,
        address: String,
    ) -> Vec<String> {
        let peer = conversation.and_then(|conversation| conversation.peer.as_ref());
        let none = || "-".to_owned();
        let ago = |then: Option<UnixMs>| then.map_or_else(none, |then| span(self.now.unix.since(then)));
        let since = ago(peer.map(|peer| peer.since));
        let last_seen = ago(peer.map(|peer| peer.last_seen).or(last_seen));
        // What is kept for a connected peer may be on its way, and not be kept.
        let waiting = kept.max(conversation.map_or(0, |conversation| conversation.unacked.len()));
        let waiting = if conversation.is_none() && waiting == 0 { none() } else { waiting.to_string() };
        let address = if address.is_empty() { none() } else { address };
        vec![name, trust, key, since, last_seen, waiting, address]
    }

    /// `:status`: identity, listeners, connections, messages that are not received yet.
    pub(crate) fn show_status(&mut self) {
        let addressee = match self.addressed_view(self.conversations.current_face()) {
            None => "plain text goes to nobody".to_owned(),
            Some(AddressedView { name, trust_level, presence }) => {
                let trust = trust_level.map(|trust| format!(", {}", trust.word())).unwrap_or_default();
                let presence = match presence {
                    Presence::Here => String::new(),
                    // Nothing goes to it or comes from it.
                    _ if trust_level == Some(TrustLevel::Blocked) => String::new(),
                    presence => format!(", {}", presence.word()),
                };
                format!("plain text goes to {name}{trust}{presence}")
            }
        };
        let you_are = match self.account.fingerprint() {
            Some(fingerprint) => format!("you are {}, {fingerprint}", self.account.name),
            None => format!("you are {}, without a key yet", self.account.name),
        };
        let mut rows = vec![addressee, you_are];
        if let Some(key) = self.account.key(KeyFor::Oaep) {
            rows.push(format!("your key for the raw wire is {}", key.public.fingerprint()));
        }
        for listener in self.listeners.values() {
            if let Some(at) = &listener.bound {
                let protocol = match listener.options.protocol {
                    Protocol::Native => "",
                    Protocol::Oaep(_) => ", raw wire",
                };
                let listening = Info::Listening { at: at.clone(), dial: listener.dial.clone() };
                rows.push(format!("{}{protocol}", listening.sentence()));
            }
        }
        let asked = self.dials.values().filter(|dial| dial.redial.is_none());
        rows.extend(asked.map(|dial| match dial.begins_at {
            Some(at) => format!("{} is busy; calling again {}", dial.options.target, self.due(at)),
            None => format!("connecting to {}", dial.options.target),
        }));
        rows.extend(self.redial_rows());
        rows.extend(self.relays.status_row());
        if self.keygen.is_some() {
            rows.push("generating a key".to_owned());
        }
        for conn in self.conversations.conns(|_| true) {
            if let Some((number, key)) = self.lobby.waiting(conn) {
                rows.push(format!("stranger {number} waits: {key} (:admit {number}, :refuse {number})"));
                continue;
            }
            let unread = self.conversations.unread_of(conn);
            rows.extend(self.conversations.get(conn).into_iter().flat_map(|one| status_rows(one, unread)));
        }
        if self.conversations.len() == 0 {
            rows.push("nobody is connected".to_owned());
        }
        rows.extend(self.waiting_rows());
        let refused = self.counters.refused_callers.iter();
        rows.extend(refused.map(|(why, count)| format!("callers refused: {count} ({why})")));
        rows.extend(self.counters.probes.row());
        let blocked: Vec<_> =
            self.book.peers().filter(|peer| peer.trust.is_blocked()).map(|peer| &peer.name).collect();
        match blocked.as_slice() {
            [] => {}
            [one] => rows.push(format!("{one} is blocked (:unblock {one})")),
            more => rows.push(format!("{} peers are blocked (:peers)", more.len())),
        }
        if !self.unsaved_blocks.is_empty() {
            let names: Vec<_> = self.unsaved_blocks.values().map(Name::to_string).collect();
            rows.push(format!("blocked, but not saved: {}", names.join(", ")));
        }
        if self.kept.is_some() {
            rows.push(match (self.history_policy, self.has_stored_history()) {
                (HistoryPolicy::Forget, false) => {
                    "messages are forgotten at the end of the session".to_owned()
                }
                _ => Info::Delivery(self.history_info()).sentence(),
            });
        }
        if let Some(UnopenedStore { why, .. }) = &self.unopened_store {
            rows.push(not_kept(why));
        }
        if let Some(file) = &self.log_file {
            rows.push(format!("logging to {file}"));
        }
        rows.extend(self.confinement.clone());
        self.effects.show(Notice::Answer(rows));
    }

    /// Peers that are away, with the lines that wait for them.
    fn waiting_rows(&self) -> Vec<String> {
        let waited_for = self.kept.iter().flat_map(|kept| kept.ledger.peers_waited_for());
        let away = waited_for.filter(|peer| self.conversations.open_with(PeerId::Key(*peer)).is_none());
        away.map(|peer| {
            let name = self.name_of_key(peer);
            let blocked = if self.is_blocked(peer) {
                format!(", who is blocked: nothing is sent before :unblock {name}")
            } else {
                String::new()
            };
            match self.waiting_for(PeerId::Key(peer)) {
                1 => format!("1 line waits for {name}{blocked} (:outbox)"),
                count => format!("{count} lines wait for {name}{blocked} (:outbox)"),
            }
        })
        .collect()
    }

    /// `:limits`
    pub(crate) fn show_limits(&mut self) {
        self.effects.show(Notice::Answer(limit_rows(self.capacity)));
    }
}

fn limit_rows(capacity: usize) -> Vec<String> {
    let seconds = |ms: u64| format!("{} s", ms / 1_000);
    let rows = [
        ("a message", format!("{} bytes of UTF-8", limits::MESSAGE_BYTES)),
        ("a line of input", format!("{} bytes", limits::LINE_BYTES)),
        ("a name", format!("{} characters", limits::NAME_CHARS)),
        ("a key", format!("{} to {} bits", limits::KEY_BITS_MIN, limits::KEY_BITS_MAX)),
        ("connections", format!("{capacity} at once")),
        (
            "callers without a proved key",
            format!(
                "{} at once, {} from one source",
                limits::UNAUTHENTICATED_CONNECTIONS,
                limits::UNAUTHENTICATED_CONNECTIONS_EACH_SOURCE
            ),
        ),
        (
            "calls from one source",
            format!("{} a second, {} at once", limits::CALLS_EACH_SECOND, limits::CALLS_BURST),
        ),
        ("a handshake", seconds(limits::HANDSHAKE_TIMEOUT_MS)),
        ("judging a key", seconds(limits::JUDGEMENT_TIMEOUT_MS)),
        ("handshakes waiting for work", limits::UNAUTHENTICATED_JOBS.to_string()),
        ("an attempt to connect", format!("{} for each address", seconds(limits::CONNECT_TIMEOUT_MS))),
        (
            "messages of this session to find again",
            format!(
                "{} or {} MiB, {} MiB of a caller whom nobody chose",
                limits::HISTORY_MESSAGES,
                limits::HISTORY_BYTES / 1024 / 1024,
                limits::HISTORY_MET_BYTES / 1024 / 1024
            ),
        ),
        ("rows of one message on the screen", limits::MESSAGE_ROWS.to_string()),
        ("pasted lines sent without asking", limits::PASTE_LINES.to_string()),
        (
            "messages not received yet",
            format!("{} or {} KiB for each peer", limits::QUEUE_MESSAGES, limits::QUEUE_BYTES / 1024),
        ),
        (
            "offers of files by one peer",
            format!(
                "{} at once, each for {} days without progress",
                limits::OFFERS_EACH_PEER,
                limits::FILE_OFFER_MS / 86_400_000
            ),
        ),
        (
            "a folder that is sent",
            format!("{} files, {} names deep", limits::MANIFEST_ENTRIES, limits::MANIFEST_DEPTH),
        ),
        ("a file ahead of its receiver", format!("{} MiB", limits::FILE_WINDOW_BYTES / 1024 / 1024)),
        ("silence before a ping", seconds(limits::PING_AFTER_MS)),
        ("silence before a peer is given up", seconds(limits::DEAD_AFTER_MS)),
        ("records under one key", limits::REKEY_RECORDS.to_string()),
        ("raw wire: a PEM", format!("{} bytes", limits::OAEP_PEM_BYTES)),
        (
            "raw wire: a caller that says nothing",
            format!("{} min, {} at once", limits::OAEP_SILENT_MS / 60_000, limits::OAEP_SILENT_CALLERS),
        ),
        ("raw wire: the key of who was called", seconds(limits::OAEP_KEY_MS)),
        ("raw wire: blocks in a row that do not open", limits::OAEP_UNDECRYPTED.to_string()),
    ];
    aligned(&rows.map(|(what, limit)| vec![what.to_owned(), limit]))
}

fn status_rows(conversation: &Conversation, unread: usize) -> Vec<String> {
    let Some(peer) = &conversation.peer else {
        return vec![format!("handshake with {} in progress", conversation.origin)];
    };
    let trust = peer.trust_level.word();
    if !conversation.is_lasting() {
        return vec![format!("connected to {} (send), {trust}, {}", peer.name, conversation.origin)];
    }
    let mut rows = vec![format!("connected to {}, {trust}, {}", peer.name, conversation.origin)];
    match unread {
        0 => {}
        1 => rows.push(format!("  1 unread message (:to {})", peer.name)),
        _ => rows.push(format!("  {unread} unread messages (:to {})", peer.name)),
    }
    let (waiting, more) = conversation.unacked.rows();
    let what = if conversation.is_oaep() { "not sent yet" } else { "not received yet" };
    rows.extend(waiting.iter().map(|text| format!("  {what}: {text}")));
    if more > 0 {
        rows.push(format!("  and {more} more {what}"));
    }
    rows
}
