//! Homes of the actors of a run: the messages in them, the disks under them, and copies of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use rustix::io::Errno;
use tempfile::TempDir;

use crate::delivery::{
    Direction, FoundEntries, HistoryEntry, HistoryQuery, Pair, Pairs, StoreBatch, StoreChange, StoredHistory,
};
use crate::script::DiskRoom;
use crate::store::{StoreError, message_store};
use crate::time::UnixMs;

/// Messages, disks and copies of homes, by actor.
#[derive(Default)]
pub(crate) struct Homes {
    /// Messages that each keeps. In memory: the store that a running program has takes time.
    messages: BTreeMap<usize, Messages>,
    /// Actors whose disk is full.
    full: BTreeSet<usize>,
    copies: BTreeMap<usize, HomeCopy>,
}

/// Messages of a home.
#[derive(Clone, Default)]
struct Messages {
    pairs: Pairs,
    history: Vec<HistoryEntry>,
}

/// Copy of a home.
struct HomeCopy {
    files: TempDir,
    messages: Option<Messages>,
}

impl Homes {
    /// Fills the disk of an actor, or makes room on it.
    pub(crate) fn set_room(&mut self, actor: usize, room: DiskRoom) {
        match room {
            DiskRoom::Full => _ = self.full.insert(actor),
            DiskRoom::Free => _ = self.full.remove(&actor),
        }
    }

    /// Whether the disk of an actor is full.
    pub(crate) fn is_full(&self, actor: usize) -> bool {
        self.full.contains(&actor)
    }

    /// Messages that an actor keeps, as it starts; a store is made where there is none.
    pub(crate) fn open(&mut self, actor: usize, home: &Path) -> Result<(Pairs, StoredHistory), String> {
        if self.full.contains(&actor) && !self.messages.contains_key(&actor) {
            return Err(disk_full(home));
        }
        let Messages { pairs, history } = self.messages.entry(actor).or_default();
        Ok((pairs.clone(), StoredHistory::new(history.is_empty())))
    }

    /// Makes changes, all or none. A full disk takes those that need no room.
    pub(crate) fn commit(
        &mut self,
        actor: usize,
        home: &Path,
        batch: StoreBatch,
    ) -> Result<(), (String, Option<Pairs>)> {
        let Messages { pairs, history } = self.messages.entry(actor).or_default();
        let takes_room = message_store::takes_room(&batch.changes, &batch.history);
        if self.full.contains(&actor) && takes_room {
            return Err((disk_full(home), Some(pairs.clone())));
        }
        for StoreChange { peer, change } in batch.changes {
            pairs.entry(peer).or_default().apply(change);
        }
        pairs.retain(|_, pair| *pair != Pair::default());
        for entry in batch.history {
            if !entry.is_mark() {
                history.push(entry);
                continue;
            }
            let is_meant =
                |one: &&mut HistoryEntry| one.peer == entry.peer && one.row.is_marked_by(&entry.row);
            if let Some(meant) = history.iter_mut().rev().find(is_meant) {
                meant.row.direction = Direction::TakenBack;
            }
        }
        Ok(())
    }

    /// What an actor finds in its history.
    pub(crate) fn find(&self, actor: usize, query: &HistoryQuery) -> FoundEntries {
        self.messages.get(&actor).map(|messages| query.find(&messages.history)).unwrap_or_default()
    }

    /// Deletes what of the history of an actor is older than a moment.
    pub(crate) fn forget_history(&mut self, actor: usize, before: UnixMs) {
        self.messages.entry(actor).or_default().history.retain(|entry| entry.row.at >= before);
    }

    /// Forgets the messages of an actor, whose home is a new one.
    pub(crate) fn forget(&mut self, actor: usize) {
        self.messages.remove(&actor);
    }

    /// Copies the home of an actor.
    pub(crate) fn back_up(&mut self, actor: usize, home: &Path) -> io::Result<()> {
        let files = tempfile::Builder::new().prefix("rsachat-replay-").tempdir()?;
        copy_files(home, files.path())?;
        self.copies.insert(actor, HomeCopy { files, messages: self.messages.get(&actor).cloned() });
        Ok(())
    }

    /// Fills the empty home of an actor with what was copied of one.
    pub(crate) fn restore(&mut self, actor: usize, home: &Path, of: usize) -> io::Result<()> {
        let Some(copy) = self.copies.get(&of) else { return Ok(()) };
        copy_files(copy.files.path(), home)?;
        match &copy.messages {
            Some(messages) => _ = self.messages.insert(actor, messages.clone()),
            None => _ = self.messages.remove(&actor),
        }
        Ok(())
    }
}

/// Why a store of messages could not be written, in the words of the store.
fn disk_full(home: &Path) -> String {
    let path = home.join(message_store::NAME);
    StoreError::io("write", &path)(Errno::NOSPC.into()).to_string()
}

/// Copies what is in a folder, with its permissions.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            fs::set_permissions(&target, entry.metadata()?.permissions())?;
            copy_files(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Fingerprint, Identity};
    use crate::delivery::{Chain, Content, Exposure, HistoryRow, InboxRow, OutboxRow, PairChange};
    use crate::store::{DiskState, Home, MessageStore, SimulatedDisk};

    fn batch(changes: Vec<StoreChange>) -> StoreBatch {
        StoreBatch { changes, history: Vec::new() }
    }

    #[test]
    fn a_full_disk_of_a_replay_takes_and_says_what_the_store_does() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::temporary(folder.path().join("home"));
        home.prepare().unwrap();
        let identity = Identity::from_pem(include_str!("../../tests/keys/alice-2048.pem"), None).unwrap();
        let disk = SimulatedDisk::default();
        let mut store = MessageStore::open_on(&home, &identity, &disk).unwrap().store;
        let mut homes = Homes::default();
        homes.open(0, home.path()).unwrap();
        disk.set(DiskState::Full);
        homes.set_room(0, DiskRoom::Full);
        let content = Content::Text("x".into());
        let queued = OutboxRow { typed: UnixMs(0), content, chain: Chain::START, expires: None };
        let received = InboxRow { typed: UnixMs(0), text: b"x".as_slice().into(), exposure: Exposure::Shown };
        for change in [PairChange::Queue(1, queued), PairChange::Receive(1, received)] {
            let changes = vec![StoreChange { peer: Fingerprint::of(b"bob"), change }];
            let (why, pairs) = homes.commit(0, home.path(), batch(changes.clone())).unwrap_err();
            assert_eq!(why, store.commit(&changes).unwrap_err().why.to_string());
            assert_eq!(pairs.map(|pairs| pairs.len()), Some(0));
        }
        for change in [PairChange::Unqueue(1), PairChange::Clear(1)] {
            let changes = vec![StoreChange { peer: Fingerprint::of(b"bob"), change }];
            homes.commit(0, home.path(), batch(changes)).unwrap();
        }
        homes.set_room(1, DiskRoom::Full);
        assert!(homes.open(1, home.path()).is_err(), "no store is made on a full disk");
    }

    #[test]
    fn a_history_of_a_replay_answers_as_the_store_does() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::temporary(folder.path().join("home"));
        let identity = Identity::from_pem(include_str!("../../tests/keys/alice-2048.pem"), None).unwrap();
        let mut store = MessageStore::open(&home, &identity).unwrap().store;
        let mut homes = Homes::default();
        let [bob, carol] = [b"bob".as_slice(), b"carol"].map(Fingerprint::of);
        let entry = |at, peer, text: &str| {
            let (name, text) = ("x".into(), text.as_bytes().into());
            HistoryEntry { peer, row: HistoryRow { at: UnixMs(at), direction: Direction::Sent, name, text } }
        };
        let history = vec![
            entry(1, bob, "점심"),
            entry(2, carol, "Lunch"),
            entry(3, bob, "lunch"),
            entry(4, bob, "no"),
        ];
        store.commit_with_history(&[], &history).unwrap();
        homes.commit(0, home.path(), StoreBatch { changes: Vec::new(), history }).unwrap();
        let search = |text: &str| HistoryQuery::Search { text: text.to_owned(), count: 1 };
        let last = |count, peer| HistoryQuery::Last { count, peer };
        let decomposed = "\u{110c}\u{1165}\u{11b7}";
        for query in
            [last(2, None), last(2, Some(carol)), last(9, Some(bob)), search("LUNCH"), search(decomposed)]
        {
            let found = store.history().unwrap().find(&query).unwrap();
            assert!(!found.entries.is_empty(), "{query:?}");
            assert_eq!(homes.find(0, &query), found, "{query:?}");
        }
        let mut mark = entry(3, bob, "lunch");
        mark.row.direction = Direction::TakenBack;
        store.commit_with_history(&[], &[mark.clone()]).unwrap();
        homes.commit(0, home.path(), StoreBatch { changes: Vec::new(), history: vec![mark] }).unwrap();
        for before in [0, 3, 9].map(UnixMs) {
            store.forget_history(None, Some(before)).unwrap();
            homes.forget_history(0, before);
            let found = store.history().unwrap().find(&last(9, None)).unwrap();
            assert_eq!(homes.find(0, &last(9, None)), found, "{before:?}");
        }
    }
}
