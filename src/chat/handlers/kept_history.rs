//! Handlers of the history on disk: `:history`, what is appended to it, what is looked for in it,
//! and what is too old. Law: a message whose number counts for the pair is appended by the commit
//! that keeps it.

use std::sync::Arc;

use crate::chat::Chat;
use crate::chat::history::{Place, Sources};
use crate::chat::io::Effect;
use crate::chat::kept::{AfterCommit, FoundUse, PendingQuery};
use crate::chat::notice::{
    Arrival, DeliveryInfo, DeliveryWarning, Info, Message, SearchedHistory, Warning, history_rows,
};
use crate::chat::types::{HistoryPolicy, PeerId, ReceiptDue, TrustLevel};
use crate::crypto::Fingerprint;
use crate::delivery::{Direction, FoundEntries, HistoryEntry, HistoryQuery, HistoryRow, StoredHistory};
use crate::time::{DAY_MS, UnixMs};
use crate::wire::Lifetime;

impl Chat {
    /// `:history [keep|forget]`; without an argument shows the setting.
    pub(crate) fn set_or_show_history(&mut self, policy: Option<HistoryPolicy>) {
        if policy == Some(HistoryPolicy::Keep) && self.kept.is_none() {
            return self.effects.warn(self.nothing_is_kept());
        }
        self.history_policy = policy.unwrap_or(self.history_policy);
        let info = self.history_info();
        self.effects.info(Info::Delivery(info));
    }

    pub(crate) fn history_info(&self) -> DeliveryInfo {
        DeliveryInfo::History { policy: self.history_policy, days: self.history_days }
    }

    /// Whether messages are on disk, of this session or of earlier ones.
    pub(crate) fn has_stored_history(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.stored_history == StoredHistory::Kept)
    }

    /// The peer, where messages with it are to stay on disk: one that was chosen.
    fn remembers(&self, id: PeerId) -> Option<Fingerprint> {
        let PeerId::Key(peer) = id else { return None };
        (self.history_policy == HistoryPolicy::Keep && self.is_chosen(id)).then_some(peer)
    }

    /// The same where they can be kept here.
    fn keeps_history_of(&self, id: PeerId) -> Option<Fingerprint> {
        self.remembers(id).filter(|_| self.keeps_history())
    }

    /// Whether a history is wanted, and can be kept here.
    fn keeps_history(&self) -> bool {
        let is_usable = self.kept.as_ref().is_some_and(|kept| kept.retry_at.is_none());
        self.history_policy == HistoryPolicy::Keep && is_usable
    }

    /// Place where messages with a peer are found.
    pub(crate) fn place_of(&self, id: PeerId) -> Place {
        if self.keeps_history_of(id).is_some() { Place::Disk } else { Place::Memory }
    }

    /// Appends a text of ours with the next commit.
    pub(crate) fn keep_own(&mut self, peer: Fingerprint, text: &str) {
        if self.keeps_history_of(PeerId::Key(peer)).is_some() {
            let row = self.history_row(Direction::Sent, self.account.name.as_str(), text.as_bytes());
            self.append_to_history(HistoryEntry { peer, row });
        }
    }

    /// Appends a text of a peer with the next commit.
    pub(crate) fn keep_received(&mut self, peer: Fingerprint, text: &[u8]) {
        if self.keeps_history_of(PeerId::Key(peer)).is_some() {
            let row = self.history_row(Direction::Received, &self.name_of_key(peer), text);
            self.append_to_history(HistoryEntry { peer, row });
        }
    }

    /// Appends a text of ours that is kept for nothing else.
    pub(crate) fn remember_own(&mut self, id: PeerId, text: &str) {
        if let Some(peer) = self.remembers(id) {
            let row = self.history_row(Direction::Sent, self.account.name.as_str(), text.as_bytes());
            self.remember_message(HistoryEntry { peer, row });
        }
    }

    /// The same of a peer. Without a store, once it is shown: until then it may come again.
    pub(crate) fn remember_received(&mut self, id: PeerId, due: ReceiptDue, text: &[u8]) {
        let Some(peer) = self.remembers(id) else { return };
        let row = self.history_row(Direction::Received, &self.name_of_key(peer), text);
        let entry = HistoryEntry { peer, row };
        match due.conn {
            Some(conn) if self.kept.is_none() => {
                self.unshown.entry(conn).or_default().push_back((due.upto, entry));
            }
            _ => self.remember_message(entry),
        }
    }

    /// Appends what is known to be shown now.
    pub(crate) fn remember_shown(&mut self, due: ReceiptDue) {
        let Some(conn) = due.conn else { return };
        let Some(unshown) = self.unshown.get_mut(&conn) else { return };
        let shown = unshown.partition_point(|(count, _)| count.latest(due.upto) == due.upto);
        for (_, entry) in unshown.drain(..shown) {
            self.effects.push(Effect::Remember(entry));
        }
        if unshown.is_empty() {
            self.unshown.remove(&conn);
        }
    }

    /// Appends a message that is kept for nothing else: of this process, or of a command that has
    /// no store of its own, and has just written into the book whom it has chosen: ours may be
    /// older. Without a store, another has to.
    pub(crate) fn remember_message(&mut self, entry: HistoryEntry) {
        if self.kept.is_none() {
            self.effects.push(Effect::Remember(entry));
        } else if self.keeps_history() {
            self.append_to_history(entry);
            self.after_commit(AfterCommit::Remembered);
        }
    }

    fn history_row(&self, direction: Direction, name: &str, text: &[u8]) -> HistoryRow {
        HistoryRow { at: self.now.unix, direction, name: Arc::from(name), text: Arc::from(text) }
    }

    fn append_to_history(&mut self, entry: HistoryEntry) {
        if let Some(kept) = &mut self.kept {
            kept.history.push(entry);
            kept.stored_history = StoredHistory::Kept;
        }
    }

    /// Looks for something in the history on disk, where there is one, whether or not more is added
    /// to it. Returns whether it does; the answer comes later.
    pub(crate) fn look_into_history(&mut self, query: HistoryQuery, found_use: FoundUse) -> bool {
        let face = self.conversations.current_face();
        let is_readable = self.has_stored_history() || self.history_policy == HistoryPolicy::Keep;
        let Some(kept) = self.kept.as_mut().filter(|kept| is_readable && kept.retry_at.is_none()) else {
            return false;
        };
        kept.queries.push_back(PendingQuery { face, query: query.clone(), found_use });
        // What was said before it is appended first.
        self.commit();
        self.effects.push(Effect::ReadHistory(query));
        true
    }

    /// Takes what was found on disk, with what is in memory only.
    pub(crate) fn handle_history(&mut self, found: Result<FoundEntries, String>) {
        let next = self.kept.as_mut().and_then(|kept| kept.queries.pop_front());
        let Some(PendingQuery { face, query, found_use }) = next else { return };
        self.in_face(face, |chat| {
            let (messages, earlier) = chat.with_those_in_memory(&query, found);
            match found_use {
                FoundUse::List => chat.show_found(&query, messages, earlier),
                FoundUse::Export { to, number } => chat.export_oldest(messages, to, number),
            }
        });
    }

    /// The last messages that match, oldest first, and how many came before them.
    fn with_those_in_memory(
        &mut self,
        query: &HistoryQuery,
        found: Result<FoundEntries, String>,
    ) -> (Vec<Message>, usize) {
        let (found, sources) = match found {
            Ok(found) => (found, Sources::Memory),
            Err(why) => {
                self.effects.warn(Warning::Delivery(DeliveryWarning::HistoryUnreadable { why }));
                (FoundEntries::default(), Sources::Everywhere)
            }
        };
        let (count, (in_memory, earlier)) = match query {
            HistoryQuery::Last { count, peer } => {
                (*count, (self.history.last(*count, peer.map(PeerId::Key), sources), 0))
            }
            HistoryQuery::Search { text, count } => (*count, self.history.search(text, *count, sources)),
        };
        let earlier = earlier + usize::try_from(found.earlier).unwrap_or(usize::MAX);
        let mut messages: Vec<_> = found.entries.iter().map(|entry| self.message_of(entry)).collect();
        messages.extend(in_memory);
        messages.sort_by_key(|message| message.arrived);
        let listed = messages.split_off(messages.len().saturating_sub(count));
        (listed, earlier + messages.len())
    }

    fn show_found(&mut self, query: &HistoryQuery, found: Vec<Message>, earlier: usize) {
        let listed = self.history.recall(found);
        match query {
            HistoryQuery::Last { peer: None, .. } if listed.is_empty() => self.effects.info(Info::NoHistory),
            HistoryQuery::Last { .. } => self.show_history(listed, 0, SearchedHistory::Kept),
            HistoryQuery::Search { .. } => self.show_history(listed, earlier, SearchedHistory::Kept),
        }
    }

    fn message_of(&self, entry: &HistoryEntry) -> Message {
        let (id, row) = (PeerId::Key(entry.peer), &entry.row);
        let is_ours = row.direction != Direction::Received;
        Message {
            name: row.name.to_string(),
            to: if is_ours { vec![self.name_of_key(entry.peer)] } else { Vec::new() },
            fingerprint: if is_ours { self.account.fingerprint() } else { Some(entry.peer) },
            trust_level: if is_ours { TrustLevel::Verified } else { self.trust_level_of(id) },
            lifetime: Lifetime::Lasting,
            arrived: row.at,
            sent: row.at,
            arrival: Arrival::Prompt,
            rows: history_rows(row),
            text: row.text.to_vec(),
            number: 0,
        }
    }

    /// Forgets what is kept of a peer, for which nothing waits, but for the history: it was asked
    /// for by itself, and is deleted so.
    pub(crate) fn forget_kept(&mut self, name: &str, peer: Fingerprint) {
        if self.has_stored_history() {
            let name = name.to_owned();
            self.effects.info(Info::Delivery(DeliveryInfo::HistoryStays { name, fingerprint: peer }));
        }
        let is_connected = self.conversations.with_peer(PeerId::Key(peer)).next().is_some();
        self.end_transfers_with(name, peer);
        let Some(kept) = &mut self.kept else { return };
        kept.ledger.forget(peer);
        if !is_connected {
            kept.ledger.forget_in_memory(peer);
        }
    }

    /// Deletes what is too old, now and daily.
    pub(crate) fn forget_old_history(&mut self) {
        let Some(days) = self.history_days else { return };
        let before = UnixMs(self.now.unix.0.saturating_sub(u64::from(days) * DAY_MS));
        let again = self.now.mono + DAY_MS;
        if let Some(kept) = &mut self.kept {
            kept.forget_at = Some(again);
        }
        // What was said before is appended first.
        self.commit();
        if let Some(kept) = &mut self.kept {
            kept.commits.push_back(Vec::new());
            self.effects.push(Effect::ForgetHistory { before });
        }
    }

    pub(crate) fn forget_due_history(&mut self) {
        let now = self.now.mono;
        if self.kept.as_ref().is_some_and(|kept| kept.forget_at.is_some_and(|due| now >= due)) {
            self.forget_old_history();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Input;
    use crate::crypto::Seed;
    use crate::delivery::Pairs;
    use crate::peers::book::Book;
    use crate::peers::name::Name;
    use crate::time::{MonoMs, Now};

    /// The moments before which the history is deleted by an input, after so many days.
    fn deleted(chat: &mut Chat, day: u64, input: Input<'_>) -> Vec<u64> {
        let now = Now { mono: MonoMs(day * DAY_MS), unix: UnixMs((100 + day) * DAY_MS) };
        chat.handle(now, input);
        let mut moments = Vec::new();
        while let Some(effect) = chat.poll_effect() {
            if let Effect::ForgetHistory { before } = effect {
                moments.push(before.0 / DAY_MS);
                chat.handle(now, Input::Committed(Ok(())));
            }
        }
        moments
    }

    #[test]
    fn what_is_too_old_is_deleted_at_the_start_and_daily_where_an_age_is_set() {
        let opened = || Input::Messages {
            pairs: Pairs::new(),
            history: StoredHistory::Empty,
            seed: Seed::new([1; 32]),
            put_aside: None,
        };
        let mut chat = Chat::new(Name::claimed(b"minji"), None, Book::new(), 8);
        chat.set_history(HistoryPolicy::Keep, Some(30));
        assert_eq!(deleted(&mut chat, 0, opened()), [70]);
        assert_eq!(deleted(&mut chat, 0, Input::Tick), [0; 0]);
        assert_eq!(chat.poll_timeout(), Some(MonoMs(DAY_MS)));
        assert_eq!(deleted(&mut chat, 1, Input::Tick), [71]);
        assert_eq!(chat.poll_timeout(), Some(MonoMs(2 * DAY_MS)));
        let mut chat = Chat::new(Name::claimed(b"minji"), None, Book::new(), 8);
        assert_eq!(deleted(&mut chat, 0, opened()), [0; 0]);
        assert_eq!(deleted(&mut chat, 9, Input::Tick), [0; 0]);
    }
}
