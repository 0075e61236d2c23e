//! History that is kept on disk: appended with what is committed, searched in a snapshot by as many
//! threads as there are processors, and forgotten by peer or by age.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::ops::{Bound, ControlFlow, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use redb::{AccessGuard, ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableError, WriteTransaction};

use super::failure::{Failure, error_of, guarded};
use super::rows::{self, Form};
use super::sealed_table::{SealedTable, WritableTable, does_not_open, message_key, split_message_key};
use crate::crypto::{Fingerprint, StoreKey};
use crate::delivery::{Direction, FoundEntries, HistoryEntry, HistoryQuery, HistoryRow};
use crate::store::StoreError;
use crate::text::Wanted;
use crate::time::{DAY_MS, UnixMs};

/// Last messages of each peer, one by one.
const ROWS: SealedTable<40> = SealedTable("history");
/// All messages before them, in blocks, each under the number of its last.
const BLOCKS: SealedTable<40> = SealedTable("history_blocks");
/// Messages of a block. A peer has fewer than twice as many that are in none.
const BLOCK: usize = 128;
/// Values that one commit of a deletion looks at: other commits wait for it.
const PART: usize = 256;
/// Numbers that one thread searches before it takes the next.
const CHUNK: u64 = 8_192;

type Key = &'static [u8; 40];
type Sealed = &'static [u8];
/// Numbers of some messages, and the messages.
type Block = (RangeInclusive<u64>, Vec<HistoryRow>);
/// Row of a table as the database gives it.
type Stored<'a> = (AccessGuard<'a, Key>, AccessGuard<'a, Sealed>);
/// Numbers of a peer: those of its first and last value, which are messages or blocks.
type Numbers = (Fingerprint, RangeInclusive<u64>);

/// Appends messages, each behind the last of its peer, and marks those that were taken back.
pub(super) fn append(
    transaction: &WriteTransaction,
    key: &StoreKey,
    entries: &[HistoryEntry],
) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    let (mut rows, mut blocks) = (ROWS.writable(transaction)?, BLOCKS.writable(transaction)?);
    let mut next = BTreeMap::new();
    for HistoryEntry { peer, row } in entries.iter().filter(|entry| !entry.is_mark()) {
        let number = match next.get(peer) {
            Some(number) => *number,
            None => numbers(&rows.table, &blocks.table, peer)?.map_or(0, |numbers| numbers.end() + 1),
        };
        next.insert(*peer, number + 1);
        rows.put(key, &message_key(peer, number), row)?;
    }
    let mut marks = BTreeMap::<_, Vec<_>>::new();
    for HistoryEntry { peer, row } in entries.iter().filter(|entry| entry.is_mark()) {
        marks.entry(peer).or_default().push(row);
    }
    for (peer, marks) in marks {
        let marks = mark(&mut rows, key, peer, Form::Row, marks)?;
        mark(&mut blocks, key, peer, Form::Block, marks)?;
    }
    for peer in next.keys() {
        while let Some((numbers, block)) = oldest_rows(&rows.table, key, peer)? {
            blocks.put(key, &message_key(peer, *numbers.end()), &block)?;
            remove(&mut rows.table, peer, &numbers)?;
        }
    }
    Ok(())
}

/// Marks messages of ours to a peer that were taken back, from the newest on. Returns the marks of
/// those that are not in this table; none are looked for where all messages are much older.
fn mark<'a>(
    table: &mut WritableTable<'_, 40>,
    key: &StoreKey,
    peer: &Fingerprint,
    form: Form,
    mut marks: Vec<&'a HistoryRow>,
) -> Result<Vec<&'a HistoryRow>, Failure> {
    let oldest = marks.iter().map(|mark| mark.at.0).min().unwrap_or(0).saturating_sub(DAY_MS);
    let (first, last) = keys(peer, &(0..=u64::MAX));
    let mut changed = Vec::new();
    for value in table.table.range::<&[u8; 40]>(&first..=&last)?.rev() {
        let (at, sealed) = value?;
        let mut found = table.rows(key, at.value(), sealed.value(), form)?;
        if marks.is_empty() || found.iter().all(|row| row.at.0 < oldest) {
            marks.clear();
            break;
        }
        let before = marks.len();
        for row in found.iter_mut().rev() {
            if let Some(mark) = marks.iter().rposition(|mark| row.is_marked_by(mark)) {
                marks.remove(mark);
                row.direction = Direction::TakenBack;
            }
        }
        if marks.len() < before {
            changed.push((*at.value(), found));
        }
    }
    for (at, rows) in changed {
        table.put_rows(key, &at, rows, form)?;
    }
    Ok(marks)
}

/// The rows for one more block, once there are twice as many.
fn oldest_rows(
    table: &impl ReadableTable<Key, Sealed>,
    key: &StoreKey,
    peer: &Fingerprint,
) -> Result<Option<Block>, Failure> {
    let Some(numbers) = range_of(table, peer)? else { return Ok(None) };
    if numbers.end() - numbers.start() + 1 < 2 * BLOCK as u64 {
        return Ok(None);
    }
    let oldest = *numbers.start()..=numbers.start() + BLOCK as u64 - 1;
    let (first, last) = keys(peer, &oldest);
    let mut block = Vec::with_capacity(BLOCK);
    for row in table.range::<&[u8; 40]>(&first..=&last)? {
        let (at, sealed) = row?;
        block.push(ROWS.value(key, at.value(), sealed.value())?);
    }
    Ok(Some((oldest, block)))
}

fn remove(
    table: &mut Table<'_, Key, Sealed>,
    peer: &Fingerprint,
    numbers: &RangeInclusive<u64>,
) -> Result<(), Failure> {
    let (first, last) = keys(peer, numbers);
    Ok(table.retain_in::<&[u8; 40], _>(&first..=&last, |_, _| false)?)
}

/// Part of the history that is next looked at: values of a form, behind a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct HistoryPart {
    form: Form,
    behind: Option<[u8; 40]>,
}

impl HistoryPart {
    pub(super) const FIRST: Self = Self { form: Form::Block, behind: None };
}

/// Deletes what is older than a moment, or all, of one peer or of all, as far as one commit goes.
/// Each message goes by its own time: a clock may have been set back. Returns the number of
/// messages, and the next part.
pub(super) fn forget(
    transaction: &WriteTransaction,
    key: &StoreKey,
    peer: Option<&Fingerprint>,
    before: Option<UnixMs>,
    HistoryPart { form, behind }: HistoryPart,
) -> Result<(u64, Option<HistoryPart>), Failure> {
    let name = if form == Form::Block { BLOCKS } else { ROWS };
    let mut table = name.writable(transaction)?;
    let (first, last) = peer.map_or(([0; 40], [u8::MAX; 40]), |peer| keys(peer, &(0..=u64::MAX)));
    let behind = behind.as_ref().map_or(Bound::Included(&first), Bound::Excluded);
    let (mut changed, mut looked_at, mut end) = (Vec::new(), 0, None);
    for value in table.table.range::<&[u8; 40]>((behind, Bound::Included(&last)))?.take(PART) {
        let (at, sealed) = value?;
        let mut rows = table.rows(key, at.value(), sealed.value(), form)?;
        let all = rows.len();
        rows.retain(|row| before.is_some_and(|before| row.at >= before));
        if rows.len() < all {
            changed.push((*at.value(), all - rows.len(), rows));
        }
        (looked_at, end) = (looked_at + 1, Some(*at.value()));
    }
    let mut forgotten = 0;
    for (at, gone, rows) in changed {
        forgotten += gone as u64;
        table.put_rows(key, &at, rows, form)?;
    }
    let next = match form {
        form if looked_at == PART => Some(HistoryPart { form, behind: end }),
        Form::Block => Some(HistoryPart { form: Form::Row, behind: None }),
        Form::Row => None,
    };
    Ok((forgotten, next))
}

impl WritableTable<'_, 40> {
    /// The messages of a value.
    fn rows(
        &self,
        key: &StoreKey,
        at: &[u8; 40],
        sealed: &[u8],
        form: Form,
    ) -> Result<Vec<HistoryRow>, Failure> {
        let (padded, mut found) = (self.name.opened(key, at, sealed)?, Vec::new());
        rows::rows_with(&padded, form, |_| true, |_, row| found.push(row)).ok_or_else(does_not_open)?;
        Ok(found)
    }

    /// Writes the messages of a value, or deletes it where there are none.
    fn put_rows(
        &mut self,
        key: &StoreKey,
        at: &[u8; 40],
        rows: Vec<HistoryRow>,
        form: Form,
    ) -> Result<(), Failure> {
        match form {
            _ if rows.is_empty() => self.remove(at),
            Form::Row => rows.into_iter().try_for_each(|row| self.put(key, at, &row)),
            Form::Block => self.put(key, at, &rows),
        }
    }
}

/// Keys of the first and the last of some numbers.
fn keys(peer: &Fingerprint, numbers: &RangeInclusive<u64>) -> ([u8; 40], [u8; 40]) {
    (message_key(peer, *numbers.start()), message_key(peer, *numbers.end()))
}

/// First and last number of a peer in a table.
fn range_of(
    table: &impl ReadableTable<Key, Sealed>,
    peer: &Fingerprint,
) -> Result<Option<RangeInclusive<u64>>, Failure> {
    let (first, last) = keys(peer, &(0..=u64::MAX));
    let mut rows = table.range::<&[u8; 40]>(&first..=&last)?;
    let number = |key: &[u8; 40]| split_message_key(key).1;
    let first = rows.next().transpose()?.map(|(at, _)| number(at.value()));
    let last = rows.next_back().transpose()?.map(|(at, _)| number(at.value()));
    Ok(first.map(|first| first..=last.unwrap_or(first)))
}

/// First and last number of a peer in both tables.
fn numbers(
    rows: &impl ReadableTable<Key, Sealed>,
    blocks: &impl ReadableTable<Key, Sealed>,
    peer: &Fingerprint,
) -> Result<Option<RangeInclusive<u64>>, Failure> {
    Ok(match (range_of(blocks, peer)?, range_of(rows, peer)?) {
        (Some(blocks), Some(rows)) => Some(*blocks.start()..=*rows.end()),
        (blocks, rows) => blocks.or(rows),
    })
}

/// Peers that have a history, or the one that is meant if it has, with their numbers.
fn peers(
    rows: &impl ReadableTable<Key, Sealed>,
    blocks: &impl ReadableTable<Key, Sealed>,
    peer: Option<&Fingerprint>,
) -> Result<Vec<Numbers>, Failure> {
    let known = match peer {
        Some(peer) => BTreeSet::from([*peer]),
        None => peers_of(rows)?.into_iter().chain(peers_of(blocks)?).collect(),
    };
    let mut found = Vec::new();
    for peer in known {
        found.extend(numbers(rows, blocks, &peer)?.map(|numbers| (peer, numbers)));
    }
    Ok(found)
}

fn peers_of(table: &impl ReadableTable<Key, Sealed>) -> Result<Vec<Fingerprint>, Failure> {
    let (mut found, mut behind) = (Vec::new(), Bound::Unbounded);
    loop {
        let range = (behind.as_ref(), Bound::<&[u8; 40]>::Unbounded);
        let next = table.range::<&[u8; 40]>(range)?.next().transpose()?;
        let Some(peer) = next.map(|(at, _)| split_message_key(at.value()).0) else { return Ok(found) };
        found.push(peer);
        behind = Bound::Excluded(message_key(&peer, u64::MAX));
    }
}

/// History of a store as it was at one moment. It holds up nothing, wherever it is read.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct HistoryReader {
    /// `None` where there is no history.
    tables: Option<HistoryTables>,
    key: Arc<StoreKey>,
    path: PathBuf,
}

/// Tables of a snapshot.
struct HistoryTables {
    rows: ReadOnlyTable<Key, Sealed>,
    blocks: ReadOnlyTable<Key, Sealed>,
}

/// Place of a message among those of all peers: by time, and then as it was appended, as the number
/// of its value and its place in that.
type Place = (UnixMs, Fingerprint, u64, u64);

/// Order of the messages of one peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    OldestFirst,
    NewestFirst,
}

/// The last of what was found.
#[derive(Default)]
struct Last {
    rows: BTreeMap<Place, HistoryRow>,
    matches: u64,
}

impl Last {
    fn push(&mut self, count: usize, place: Place, row: HistoryRow) {
        self.matches += 1;
        self.rows.insert(place, row);
        if self.rows.len() > count {
            self.rows.pop_first();
        }
    }
}

impl HistoryReader {
    pub(super) fn new(
        transaction: &ReadTransaction,
        key: &Arc<StoreKey>,
        path: &Path,
    ) -> Result<Self, Failure> {
        let open = |table: SealedTable<40>| transaction.open_table(table.definition());
        let tables = match (open(ROWS), open(BLOCKS)) {
            (Err(TableError::TableDoesNotExist(_)), _) => None,
            (rows, blocks) => Some(HistoryTables { rows: rows?, blocks: blocks? }),
        };
        Ok(Self { tables, key: Arc::clone(key), path: path.to_owned() })
    }

    /// Whether there are no messages.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        self.read(|| Ok(self.peers(None)?.is_empty()))
    }

    fn peers(&self, peer: Option<&Fingerprint>) -> Result<Vec<Numbers>, Failure> {
        let Some(HistoryTables { rows, blocks }) = &self.tables else { return Ok(Vec::new()) };
        peers(rows, blocks, peer)
    }

    /// What is asked for.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub fn find(&self, query: &HistoryQuery) -> Result<FoundEntries, StoreError> {
        match query {
            HistoryQuery::Last { count, peer } => {
                let entries = self.last(*count, peer.as_ref())?;
                Ok(FoundEntries { entries, earlier: 0 })
            }
            HistoryQuery::Search { text, count } => self.search(text, *count, None),
        }
    }

    /// The last messages, of one peer or of all, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub fn last(&self, count: usize, peer: Option<&Fingerprint>) -> Result<Vec<HistoryEntry>, StoreError> {
        let found = self.read(|| {
            let mut last = Last::default();
            for numbers in self.peers(peer)? {
                let mut taken = 0;
                self.values(&numbers, Order::NewestFirst, &mut |mut rows| {
                    for (place, row) in rows.drain(..).rev() {
                        if taken < count {
                            last.push(count, place, row);
                            taken += 1;
                        }
                    }
                    Ok(if taken < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
                })?;
            }
            Ok(last)
        });
        Ok(found?.found().entries)
    }

    /// The last messages with a text in them, of one peer or of all. Compared as `:search` does.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub fn search(
        &self,
        text: &str,
        count: usize,
        peer: Option<&Fingerprint>,
    ) -> Result<FoundEntries, StoreError> {
        let wanted = Wanted::new(text);
        let found = self.read(|| {
            let Some(tables) = &self.tables else { return Ok(Last::default()) };
            let chunks: Vec<_> = self.peers(peer)?.into_iter().flat_map(chunks).collect();
            let threads = thread::available_parallelism().map_or(1, NonZero::get).min(chunks.len());
            let next = AtomicUsize::new(0);
            let search = || guarded(|| self.search_chunks(tables, &wanted, count, &chunks, &next));
            thread::scope(|scope| {
                let others: Vec<_> = (1..threads).map(|_| scope.spawn(search)).collect();
                let mut last = search()?;
                for other in others {
                    let other = other.join().unwrap_or_else(|_| Err(does_not_open()))?;
                    last.matches += other.matches;
                    last.rows.extend(other.rows);
                }
                while last.rows.len() > count {
                    last.rows.pop_first();
                }
                Ok(last)
            })
        });
        Ok(found?.found())
    }

    fn search_chunks(
        &self,
        tables: &HistoryTables,
        wanted: &Wanted,
        count: usize,
        chunks: &[Numbers],
        next: &AtomicUsize,
    ) -> Result<Last, Failure> {
        let mut last = Last::default();
        while let Some((peer, numbers)) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (first, end) = keys(peer, numbers);
            for (name, table, form) in
                [(BLOCKS, &tables.blocks, Form::Block), (ROWS, &tables.rows, Form::Row)]
            {
                for value in table.range::<&[u8; 40]>(&first..=&end)? {
                    let (at, sealed) = value?;
                    let padded = name.opened(&self.key, at.value(), sealed.value())?;
                    let number = split_message_key(at.value()).1;
                    rows::rows_with(
                        &padded,
                        form,
                        |text| wanted.is_in(text),
                        |place, row| last.push(count, (row.at, *peer, number, place), row),
                    )
                    .ok_or_else(does_not_open)?;
                }
            }
        }
        Ok(last)
    }

    /// Hands on the messages of a peer, value by value.
    fn values(
        &self,
        (peer, numbers): &Numbers,
        order: Order,
        each: &mut dyn FnMut(Vec<(Place, HistoryRow)>) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        let Some(HistoryTables { rows, blocks }) = &self.tables else { return Ok(()) };
        let (first, last) = keys(peer, numbers);
        let range = |table: &ReadOnlyTable<Key, Sealed>| table.range::<&[u8; 40]>(&first..=&last);
        let blocks = range(blocks)?.map(|value| (Form::Block, value));
        let rows = range(rows)?.map(|value| (Form::Row, value));
        let mut look = |form, (at, sealed): Stored<'_>| {
            let name = if form == Form::Block { BLOCKS } else { ROWS };
            let padded = name.opened(&self.key, at.value(), sealed.value())?;
            let (number, mut found) = (split_message_key(at.value()).1, Vec::new());
            let push = |place, row: HistoryRow| found.push(((row.at, *peer, number, place), row));
            rows::rows_with(&padded, form, |_| true, push).ok_or_else(does_not_open)?;
            each(found)
        };
        let (mut oldest_first, mut newest_first);
        let values: &mut dyn Iterator<Item = _> = match order {
            Order::OldestFirst => {
                oldest_first = blocks.chain(rows);
                &mut oldest_first
            }
            Order::NewestFirst => {
                newest_first = rows.rev().chain(blocks.rev());
                &mut newest_first
            }
        };
        for (form, stored) in values {
            if look(form, stored?)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Hands on each message, of one peer or of all, peer by peer, oldest first, until an error.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read, and those of `each`.
    pub fn each<E: From<StoreError>>(
        &self,
        peer: Option<&Fingerprint>,
        mut each: impl FnMut(HistoryEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        for numbers in self.read(|| self.peers(peer))? {
            let mut ended = Ok(());
            self.read(|| {
                self.values(&numbers, Order::OldestFirst, &mut |rows| {
                    for (_, row) in rows {
                        ended = each(HistoryEntry { peer: numbers.0, row });
                        if ended.is_err() {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                    Ok(ControlFlow::Continue(()))
                })
            })?;
            ended?;
        }
        Ok(())
    }

    fn read<T>(&self, read: impl FnOnce() -> Result<T, Failure>) -> Result<T, StoreError> {
        guarded(read).map_err(|failure| error_of(failure, "read", &self.path))
    }
}

impl Last {
    fn found(self) -> FoundEntries {
        let earlier = self.matches - self.rows.len() as u64;
        let entry = |((_, peer, ..), row): (Place, HistoryRow)| HistoryEntry { peer, row };
        FoundEntries { entries: self.rows.into_iter().map(entry).collect(), earlier }
    }
}

/// Numbers of a peer in parts for threads.
fn chunks((peer, numbers): Numbers) -> Vec<Numbers> {
    let (mut parts, mut first) = (Vec::new(), *numbers.start());
    while first <= *numbers.end() {
        let last = first.saturating_add(CHUNK - 1).min(*numbers.end());
        parts.push((peer, first..=last));
        let Some(next) = last.checked_add(1) else { break };
        first = next;
    }
    parts
}
