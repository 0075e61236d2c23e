//! Answers with more than one row: `:peers`, `:status`, `:limits`, `:showkey`.

use unicode_width::UnicodeWidthStr;

use crate::chat::conversation::{Conversation, PeerId};
use crate::chat::io::OwnKey;
use crate::chat::kinds::Protocol;
use crate::chat::notice::Notice;
use crate::chat::state::Chat;
use crate::limits;
use crate::peers::address::Target;

/// Own lines on the way that `:status` lists for each peer.
const LISTED: usize = 20;

impl Chat {
    /// `:peers`: everybody connected or in the book.
    pub(crate) fn show_peers(&mut self) {
        let head = ["name", "trust", "key", "since", "last seen", "waiting", "address"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        let now_ms = self.now.unix.0;
        for peer in self.book.peers() {
            let conversation = self.link_of(peer.fingerprint).and_then(|conn| self.conversations.get(&conn));
            let who = [peer.name.to_string(), peer.trust.word().to_owned(), peer.fingerprint.short()];
            let seen = self.seen.get(&peer.fingerprint).copied();
            let address = conversation.map_or_else(|| addresses(&peer.addresses), Conversation::whom);
            rows.push(row(who, conversation, seen, now_ms, address));
        }
        for conversation in self.conversations.values() {
            let Some(peer) = &conversation.peer else { continue };
            let key = match peer.id {
                PeerId::Key(fingerprint) if self.book.by_fingerprint(&fingerprint).is_some() => continue,
                PeerId::Key(fingerprint) => fingerprint.short(),
                PeerId::Raw(_) => {
                    conversation.key.as_ref().map_or("-".to_owned(), |key| key.fingerprint().short())
                }
            };
            let who = [peer.name.clone(), peer.trust_level.word().to_owned(), key];
            rows.push(row(who, Some(conversation), None, now_ms, conversation.whom()));
        }
        self.show(match rows.len() {
            1 => Notice::Answer(vec!["nobody is known yet".to_owned()]),
            _ => Notice::Table(rows),
        });
    }

    /// `:status`: who we are, where callers are awaited, who is there, what is not received yet.
    pub(crate) fn show_status(&mut self) {
        let mut rows = vec![match &self.own_key {
            Some(key) => format!("you are {}, {}", self.own_name, key.public.fingerprint()),
            None => format!("you are {}, without a key yet", self.own_name),
        }];
        if let Some(key) = &self.raw_key {
            rows.push(format!("key for the raw wire {}", key.public.fingerprint()));
        }
        for listening in self.listeners.values() {
            if let Some(at) = listening.at {
                let wire = match listening.wire {
                    Protocol::Native => "",
                    Protocol::Oaep(_) => ", raw wire",
                };
                rows.push(format!("listening on {at}{wire}"));
            }
        }
        for dialling in self.dials.values() {
            rows.push(format!("connecting to {}", dialling.target));
        }
        if self.making.is_some() {
            rows.push("making a key".to_owned());
        }
        for conversation in self.conversations.values() {
            rows.extend(talk_rows(conversation));
        }
        if self.conversations.is_empty() {
            rows.push("nobody is connected".to_owned());
        }
        if let Some(file) = &self.log {
            rows.push(format!("what is said is also written to {file}"));
        }
        self.show(Notice::Answer(rows));
    }
}

/// `:showkey`: what identifies us, and one line to paste.
pub(crate) fn key(key: &OwnKey, own_name: &str) -> Vec<String> {
    vec![
        format!("fingerprint {}", key.public.fingerprint()),
        format!("bits        {}", key.public.bits()),
        format!("file        {}", key.file),
        key.public.to_openssh(own_name),
    ]
}

/// `:limits`: what the program takes at most.
pub(crate) fn limits(capacity: usize) -> Vec<String> {
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
                limits::UNPROVEN_LINKS,
                limits::UNPROVEN_LINKS_EACH_SOURCE
            ),
        ),
        (
            "calls from one source",
            format!("{} a second, {} at once", limits::CALLS_EACH_SECOND, limits::CALLS_BURST),
        ),
        ("a handshake", seconds(limits::HANDSHAKE_TIMEOUT_MS)),
        ("handshakes waiting for work", limits::UNAUTHENTICATED_JOBS.to_string()),
        ("an attempt to connect", format!("{} for each address", seconds(limits::CONNECT_TIMEOUT_MS))),
        (
            "messages of this session to find again",
            format!("{} or {} MiB", limits::MEMORY_MESSAGES, limits::MEMORY_BYTES / 1024 / 1024),
        ),
        ("pasted lines sent without asking", limits::PASTE_LINES.to_string()),
        (
            "messages not received yet",
            format!("{} or {} KiB for each peer", limits::QUEUE_MESSAGES, limits::QUEUE_BYTES / 1024),
        ),
        ("silence before a ping", seconds(limits::PING_AFTER_MS)),
        ("silence before a peer is given up", seconds(limits::DEAD_AFTER_MS)),
        ("records under one key", limits::REKEY_RECORDS.to_string()),
        ("raw wire: a PEM", format!("{} bytes", limits::RAW_PEM_BYTES)),
        (
            "raw wire: a caller that says nothing",
            format!("{} min, {} at once", limits::RAW_MUTE_MS / 60_000, limits::RAW_MUTE_CALLERS),
        ),
        ("raw wire: the key of who was called", seconds(limits::RAW_KEY_MS)),
        ("raw wire: blocks in a row that do not open", limits::RAW_UNREAD.to_string()),
    ];
    aligned(&rows.map(|(what, much)| vec![what.to_owned(), much]))
}

fn row(
    [name, trust, key]: [String; 3],
    conversation: Option<&Conversation>,
    seen_ms: Option<u64>,
    now_ms: u64,
    address: String,
) -> Vec<String> {
    let peer = conversation.and_then(|conversation| conversation.peer.as_ref());
    let ago =
        |then: Option<u64>| then.map_or_else(|| "-".to_owned(), |then| span(now_ms.saturating_sub(then)));
    let since = ago(peer.map(|peer| peer.since_ms));
    let seen = ago(peer.map(|peer| peer.seen_ms).or(seen_ms));
    let waiting =
        conversation.map_or_else(|| "-".to_owned(), |conversation| conversation.waiting().to_string());
    vec![name, trust, key, since, seen, waiting, address]
}

/// A stretch of time in its largest whole unit: the table says how long ago, which needs no time zone.
fn span(ms: u64) -> String {
    match ms / 1_000 {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ ..3_600 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn addresses(known: &[Target]) -> String {
    known.iter().map(Target::to_string).collect::<Vec<_>>().join(" ")
}

fn talk_rows(conversation: &Conversation) -> Vec<String> {
    let Some(peer) = &conversation.peer else {
        return vec![format!("handshake with {}", conversation.whom())];
    };
    let trust = peer.trust_level.word();
    let mut rows = vec![format!("connected to {}, {trust}, {}", peer.name, conversation.whom())];
    if conversation.unread > 0 {
        rows.push(format!("  not read yet: {} (:to {} reads them)", conversation.unread, peer.name));
    }
    let (waiting, more) = conversation.waiting_rows(LISTED);
    let what = if conversation.is_raw() { "not sent yet" } else { "not received yet" };
    rows.extend(waiting.iter().map(|text| format!("  {what}: {text}")));
    if more > 0 {
        rows.push(format!("  and {more} more {what}"));
    }
    rows
}

/// Columns as wide as their widest cell, measured in terminal cells.
pub(crate) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0; columns];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.width() + 2));
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
